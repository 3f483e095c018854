//! The unpacked view of a whole frame, one typed header inside the other, and its bytes.

use crate::{
    ArpPacket, Bpdu, EtherType, EthernetHeader, IcmpMessage, Ipv4Header, Ipv6Header, MacAddr, Malformed,
    PauseFrame, Payload, Protocol, Pseudo, TcpSegment, UdpHeader, VlanTag, frame_check_sequence,
};
use bytes::Bytes;

/// What travels over a link, unpacked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Source and destination MAC address; meaningless on links that frame nothing (`framing = "ip"`).
    pub src_mac: MacAddr,
    /// Destination MAC address.
    pub dst_mac: MacAddr,
    /// The VLAN tag of a frame on a trunk.
    pub vlan: Option<VlanTag>,
    /// What the frame carries.
    pub net: Net,
}

/// The network layer of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Net {
    /// Ethertype 0x0806.
    Arp(ArpPacket),
    /// A bridge protocol data unit: an IEEE 802.3 frame with a length and an LLC header instead of an ethertype.
    Bpdu(Bpdu),
    /// Ethertype 0x8808.
    Pause(PauseFrame),
    /// Ethertype 0x0800.
    Ipv4(Ipv4Header, Transport),
    /// Ethertype 0x86DD.
    Ipv6(Ipv6Header, Transport),
}

/// What an IP packet carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transport {
    /// Protocol 6.
    Tcp(TcpSegment),
    /// Protocol 17.
    Udp(UdpHeader, Payload),
    /// Protocol 1, over IPv6 58.
    Icmp(IcmpMessage),
    /// Any other protocol, or a fragment.
    Raw(Protocol, Payload),
}

/// What stands around the network-layer packet in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkLayer {
    /// An Ethernet header, padding to 60 bytes, no frame check sequence: what captures and network devices show.
    Ethernet,
    /// The whole frame, at least 64 bytes, as it stands on the wire after the preamble.
    EthernetWithFcs,
    /// Nothing: links with `framing = "ip"`.
    RawIp,
}

impl Packet {
    /// The packet in bytes.
    ///
    /// # Panics
    /// As [`emit_into`](Packet::emit_into).
    pub fn emit(&self, link: LinkLayer) -> Vec<u8> {
        let mut out = Vec::with_capacity(EthernetHeader::frame_len(self.net.wire_len()));
        self.emit_into(link, &mut out);
        out
    }

    /// Appends the packet in bytes.
    ///
    /// # Panics
    /// When an IP packet is longer than 65,535 bytes, TCP options are longer than 40, or ARP meets a link without frames: nobody
    /// may build those.
    pub fn emit_into(&self, link: LinkLayer, out: &mut Vec<u8>) {
        if link == LinkLayer::RawIp {
            assert!(
                matches!(self.net, Net::Ipv4(..) | Net::Ipv6(..)),
                "a frame on a link that carries bare IP packets"
            );
            return self.net.emit(out);
        }
        let start = out.len();
        let ethertype = self.net.ethertype();
        match self.vlan {
            None => EthernetHeader { dst: self.dst_mac, src: self.src_mac, ethertype }.emit(out),
            Some(tag) => {
                out.extend_from_slice(&self.dst_mac.0);
                out.extend_from_slice(&self.src_mac.0);
                tag.emit(out);
                out.extend_from_slice(&ethertype.0.to_be_bytes());
            }
        }
        self.net.emit(out);
        // A switch that adds a tag does not know what was padding.
        let tag = if self.vlan.is_some() { VlanTag::LEN } else { 0 };
        let shortest = start + EthernetHeader::MIN_FRAME - EthernetHeader::FCS_LEN + tag;
        if out.len() < shortest {
            out.resize(shortest, 0);
        }
        if link == LinkLayer::EthernetWithFcs {
            let fcs = frame_check_sequence(&out[start..]);
            out.extend_from_slice(&fcs.to_le_bytes());
        }
    }

    /// The packet that `bytes` are. MAC addresses are zero on a link that has none.
    ///
    /// # Errors
    /// What is wrong with the outermost bad header.
    pub fn parse(bytes: &[u8], link: LinkLayer) -> Result<Packet, Malformed> {
        let frame = match link {
            LinkLayer::RawIp => {
                let none = MacAddr([0; 6]);
                // What there is to tell them apart is the version.
                let is_v6 = bytes.first().is_some_and(|first| first >> 4 == 6);
                let ethertype = if is_v6 { EtherType::IPV6 } else { EtherType::IPV4 };
                let net = Net::parse(ethertype, bytes)?;
                return Ok(Packet { src_mac: none, dst_mac: none, vlan: None, net });
            }
            LinkLayer::Ethernet => bytes,
            LinkLayer::EthernetWithFcs => {
                let (frame, fcs) = bytes.split_last_chunk().ok_or(Malformed::Truncated)?;
                if frame_check_sequence(frame) != u32::from_le_bytes(*fcs) {
                    return Err(Malformed::FrameCheck);
                }
                frame
            }
        };
        let (header, rest) = EthernetHeader::parse(frame)?;
        let (vlan, ethertype, rest) = match header.ethertype {
            VlanTag::ETHERTYPE => {
                let (tag, ethertype, rest) = VlanTag::parse(rest)?;
                (Some(tag), ethertype, rest)
            }
            ethertype => (None, ethertype, rest),
        };
        let net = Net::parse(ethertype, rest)?;
        Ok(Packet { src_mac: header.src, dst_mac: header.dst, vlan, net })
    }
}

impl Net {
    /// Length in bytes of the network-layer packet (the Ethernet payload before padding).
    pub fn wire_len(&self) -> usize {
        match self {
            Net::Arp(_) => ArpPacket::LEN,
            Net::Bpdu(unit) => unit.wire_len(),
            Net::Pause(_) => PauseFrame::LEN,
            Net::Ipv4(_, transport) => Ipv4Header::LEN + transport.wire_len(),
            Net::Ipv6(header, transport) => header.len() + transport.wire_len(),
        }
    }

    /// The ethertype of a frame that carries it; its length where the frame has that instead (IEEE 802.3 section 3.2.6).
    pub const fn ethertype(&self) -> EtherType {
        match self {
            Net::Arp(_) => EtherType::ARP,
            Net::Bpdu(unit) => EtherType(unit.wire_len() as u16),
            Net::Pause(_) => EtherType::MAC_CONTROL,
            Net::Ipv4(..) => EtherType::IPV4,
            Net::Ipv6(..) => EtherType::IPV6,
        }
    }

    fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Net::Arp(arp) => arp.emit(out),
            Net::Bpdu(unit) => unit.emit(out),
            Net::Pause(pause) => pause.emit(out),
            Net::Ipv4(header, transport) => {
                header.emit(transport.protocol(), transport.wire_len(), out);
                transport.emit(header.pseudo(), out);
            }
            Net::Ipv6(header, transport) => {
                header.emit(transport.next_header(), transport.wire_len(), out);
                transport.emit(header.pseudo(), out);
            }
        }
    }

    fn parse(ethertype: EtherType, bytes: &[u8]) -> Result<Net, Malformed> {
        match ethertype {
            EtherType::ARP => Ok(Net::Arp(ArpPacket::parse(bytes)?)),
            EtherType::MAC_CONTROL => Ok(Net::Pause(PauseFrame::parse(bytes)?)),
            EtherType::IPV4 => {
                let (header, protocol, payload) = Ipv4Header::parse(bytes)?;
                if header.is_fragment() {
                    return Ok(Net::Ipv4(header, Transport::raw(protocol, payload)));
                }
                Ok(Net::Ipv4(header, Transport::parse(header.pseudo(), protocol, payload)?))
            }
            EtherType::IPV6 => {
                let (header, protocol, payload) = Ipv6Header::parse(bytes)?;
                if header.fragment.is_some() {
                    return Ok(Net::Ipv6(header, Transport::raw(protocol, payload)));
                }
                Ok(Net::Ipv6(header, Transport::parse(header.pseudo(), protocol, payload)?))
            }
            // A length; what is longer than it says is padding.
            EtherType(len @ ..=1500) => {
                Ok(Net::Bpdu(Bpdu::parse(bytes.get(..usize::from(len)).ok_or(Malformed::Truncated)?)?))
            }
            _ => Err(Malformed::Unsupported),
        }
    }
}

impl Transport {
    /// The protocol number for the IP header.
    pub const fn protocol(&self) -> Protocol {
        match self {
            Transport::Tcp(_) => Protocol::TCP,
            Transport::Udp(..) => Protocol::UDP,
            Transport::Icmp(_) => Protocol::ICMP,
            Transport::Raw(protocol, _) => *protocol,
        }
    }

    /// The next header field over IPv6: ICMP has a number of its own there.
    pub const fn next_header(&self) -> Protocol {
        match self {
            Transport::Icmp(_) => Protocol::ICMPV6,
            _ => self.protocol(),
        }
    }

    fn raw(protocol: Protocol, bytes: &[u8]) -> Transport {
        Transport::Raw(protocol, Payload::Data(Bytes::copy_from_slice(bytes)))
    }

    /// Length in bytes, headers of this layer included.
    pub fn wire_len(&self) -> usize {
        match self {
            Transport::Tcp(segment) => segment.header_len() + segment.payload.len(),
            Transport::Udp(_, payload) => UdpHeader::LEN + payload.len(),
            Transport::Icmp(message) => IcmpMessage::HEADER_LEN + message.payload.len(),
            Transport::Raw(_, payload) => payload.len(),
        }
    }

    /// Appends what follows an IP header with these addresses.
    pub fn emit(&self, addresses: Pseudo, out: &mut Vec<u8>) {
        let pseudo = |len| addresses.sum(self.protocol(), len);
        match self {
            Transport::Tcp(segment) => segment.emit(pseudo, out),
            Transport::Udp(udp, payload) => udp.emit(payload, pseudo, out),
            Transport::Icmp(message) => match addresses {
                Pseudo::V4(..) => message.emit(out),
                Pseudo::V6(..) => message.emit_v6(addresses, out),
            },
            Transport::Raw(_, payload) => payload.emit(out),
        }
    }

    /// What follows an IP header with these addresses. Unknown protocols are [`Transport::Raw`].
    ///
    /// # Errors
    /// What is wrong with the header of this layer.
    pub fn parse(addresses: Pseudo, protocol: Protocol, bytes: &[u8]) -> Result<Transport, Malformed> {
        let pseudo = |len| addresses.sum(protocol, len);
        let is_v6 = matches!(addresses, Pseudo::V6(..));
        match protocol {
            Protocol::TCP => Ok(Transport::Tcp(TcpSegment::parse(bytes, pseudo)?)),
            Protocol::UDP => {
                let (udp, payload) = UdpHeader::parse(bytes, pseudo)?;
                // Over IPv6 there is no datagram without a checksum (RFC 8200 section 8.1).
                if is_v6 && bytes[6..8] == [0, 0] {
                    return Err(Malformed::Checksum);
                }
                Ok(Transport::Udp(udp, Payload::Data(Bytes::copy_from_slice(payload))))
            }
            Protocol::ICMP if !is_v6 => Ok(Transport::Icmp(IcmpMessage::parse(bytes)?)),
            Protocol::ICMPV6 if is_v6 => Ok(Transport::Icmp(IcmpMessage::parse_v6(addresses, bytes)?)),
            _ => Ok(Transport::raw(protocol, bytes)),
        }
    }
}
