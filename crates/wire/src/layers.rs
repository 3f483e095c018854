//! A packet layer by layer: what each layer calls its unit of data, and how long it is.

use crate::{
    ArpPacket, EthernetHeader, IcmpMessage, Ipv4Header, LinkLayer, Net, Packet, PauseFrame, Transport,
    UdpHeader, VlanTag,
};
use std::fmt;

/// What a layer calls the unit of data that it handles.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Pdu {
    /// What an application sends.
    Data,
    /// TCP's.
    Segment,
    /// UDP's.
    Datagram,
    /// ICMP's.
    Message,
    /// The network layer's.
    Packet,
    /// The link layer's.
    Frame,
    /// The physical layer's.
    Bits,
}

impl Pdu {
    /// The word for it.
    pub const fn label(self) -> &'static str {
        match self {
            Pdu::Data => "data",
            Pdu::Segment => "segment",
            Pdu::Datagram => "datagram",
            Pdu::Message => "message",
            Pdu::Packet => "packet",
            Pdu::Frame => "frame",
            Pdu::Bits => "bits",
        }
    }
}

impl fmt::Display for Pdu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

/// One layer's part in a packet. `total_len = header_len + ` the length of the layer inside ` + trailer_len`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layer {
    /// Number of the layer in the OSI model, 1 to 7.
    pub osi: u8,
    /// Name of the unit of data.
    pub pdu: Pdu,
    /// Name of the protocol; empty for an application's data.
    pub protocol: String,
    /// Bytes that the layer puts in front; on the wire, preamble and start delimiter.
    pub header_len: usize,
    /// Bytes that the layer puts behind: padding and frame check sequence; on the wire, the gap between frames.
    pub trailer_len: usize,
    /// Length in bytes with the layers inside.
    pub total_len: usize,
    /// The fields of the header, for people.
    pub fields: String,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Layer { osi, pdu, protocol, header_len, trailer_len, total_len, fields } = self;
        write!(f, "L{osi} {pdu:<8} {total_len:>5} bytes")?;
        if header_len + trailer_len > 0 {
            let inner = total_len - header_len - trailer_len;
            write!(f, " = {header_len} {protocol} + {inner}")?;
        }
        if *trailer_len > 0 {
            write!(f, " + {trailer_len}")?;
        }
        if !fields.is_empty() {
            write!(f, "  {fields}")?;
        }
        Ok(())
    }
}

impl Packet {
    /// The layers of the packet, innermost first, down to the bits on a link of this kind.
    pub fn layers(&self, link: LinkLayer) -> Vec<Layer> {
        let mut stack = Stack::default();
        match &self.net {
            Net::Arp(arp) => stack.wrap(3, Pdu::Packet, "ARP", (ArpPacket::LEN, 0), arp.to_string()),
            Net::Pause(pause) => {
                stack.wrap(2, Pdu::Frame, "MAC control", (PauseFrame::LEN, 0), pause.to_string())
            }
            Net::Bpdu(unit) => stack.wrap(2, Pdu::Frame, "LLC", (unit.wire_len(), 0), unit.to_string()),
            Net::Ipv4(header, transport) => {
                stack.transport(transport, "ICMP");
                stack.wrap(3, Pdu::Packet, "IPv4", (Ipv4Header::LEN, 0), header.to_string());
            }
            Net::Ipv6(header, transport) => {
                stack.transport(transport, "ICMPv6");
                stack.wrap(3, Pdu::Packet, "IPv6", (header.len(), 0), header.to_string());
            }
        }
        if link == LinkLayer::RawIp {
            stack.wrap(1, Pdu::Bits, "", (0, 0), String::new());
            return stack.layers;
        }
        let frame_len = EthernetHeader::frame_len(stack.len());
        let trailer_len = frame_len - EthernetHeader::LEN - stack.len();
        let mut fields = format!("{} > {}", self.src_mac, self.dst_mac);
        let mut header_len = EthernetHeader::LEN;
        if let Some(tag) = self.vlan {
            header_len += VlanTag::LEN;
            fields.push_str(&tag.vlan.map_or_else(String::new, |vlan| format!(", vlan {vlan}")));
        }
        stack.wrap(2, Pdu::Frame, "Ethernet", (header_len, trailer_len), fields);
        stack.wrap(1, Pdu::Bits, "preamble", (EthernetHeader::PREAMBLE, EthernetHeader::GAP), String::new());
        stack.layers
    }
}

#[derive(Default)]
struct Stack {
    layers: Vec<Layer>,
}

impl Stack {
    fn len(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.total_len)
    }

    fn wrap(&mut self, osi: u8, pdu: Pdu, protocol: &str, (header, trailer): (usize, usize), fields: String) {
        self.layers.push(Layer {
            osi,
            pdu,
            protocol: protocol.to_string(),
            header_len: header,
            trailer_len: trailer,
            total_len: header + self.len() + trailer,
            fields,
        });
    }

    /// The bytes inside the innermost header.
    fn data(&mut self, osi: u8, total_len: usize) {
        if total_len > 0 {
            let (protocol, fields) = (String::new(), String::new());
            let data =
                Layer { osi, pdu: Pdu::Data, protocol, header_len: 0, trailer_len: 0, total_len, fields };
            self.layers.push(data);
        }
    }

    fn transport(&mut self, transport: &Transport, icmp: &str) {
        match transport {
            Transport::Tcp(segment) => {
                self.data(7, segment.payload.len());
                let ports = format!("{} > {}: {segment}", segment.src_port, segment.dst_port);
                self.wrap(4, Pdu::Segment, "TCP", (segment.header_len(), 0), ports);
            }
            Transport::Udp(udp, payload) => {
                self.data(7, payload.len());
                let ports = format!("{} > {}", udp.src_port, udp.dst_port);
                self.wrap(4, Pdu::Datagram, "UDP", (UdpHeader::LEN, 0), ports);
            }
            Transport::Icmp(message) => {
                self.data(3, message.payload.len());
                self.wrap(3, Pdu::Message, icmp, (IcmpMessage::HEADER_LEN, 0), message.to_string());
            }
            Transport::Raw(_, payload) => self.data(4, payload.len()),
        }
    }
}
