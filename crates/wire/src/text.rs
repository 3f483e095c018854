//! Packets as text: one line as tcpdump prints it.

use crate::{
    ArpPacket, Bpdu, BpduFlags, BpduRole, DhcpMessage, Ecn, FragmentHeader, IcmpMessage, Ipv4Header,
    Ipv6Header, Ndp, Net, OspfPacket, Packet, PauseFrame, Protocol, RipMessage, TcpFlags, TcpOptions,
    TcpSegment, Transport,
};
use std::fmt::{self, Display, Formatter};

impl Display for Packet {
    /// One line without MAC addresses, such as
    /// `IP 10.0.0.1.1234 > 10.0.0.2.80: Flags [P.], seq 1:101, ack 1, win 502, options [nop,nop,TS val 7 ecr 3], length 100`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.net {
            Net::Arp(arp) => Display::fmt(arp, f),
            Net::Bpdu(unit) => Display::fmt(unit, f),
            Net::Pause(pause) => Display::fmt(pause, f),
            Net::Ipv4(header, transport) => ipv4(f, header, transport),
            Net::Ipv6(header, transport) => ipv6(f, header, transport),
        }
    }
}

impl Display for PauseFrame {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "MAC control, Pause, quanta {}", self.quanta)
    }
}

impl Display for Bpdu {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (name, body) = match self {
            Bpdu::Config(body) => ("STP, Config", body),
            Bpdu::Rapid(body) => ("RSTP", body),
            Bpdu::TopologyChange => return write!(f, "STP, Topology Change, length {}", self.wire_len()),
        };
        f.write_str(name)?;
        if let Bpdu::Rapid(_) = self {
            let role = match body.flags.role() {
                BpduRole::Unknown => "unknown",
                BpduRole::Alternate => "alternate",
                BpduRole::Root => "root",
                BpduRole::Designated => "designated",
            };
            write!(f, ", {role} port")?;
        }
        let said = [
            (BpduFlags::PROPOSAL, "proposal"),
            (BpduFlags::AGREEMENT, "agreement"),
            (BpduFlags::LEARNING, "learning"),
            (BpduFlags::FORWARDING, "forwarding"),
            (BpduFlags::TOPOLOGY_CHANGE, "topology change"),
            (BpduFlags::TOPOLOGY_CHANGE_ACK, "topology change ack"),
        ];
        for (_, word) in said.iter().filter(|(flag, _)| body.flags.has(*flag)) {
            write!(f, ", {word}")?;
        }
        write!(
            f,
            ", root {} at cost {}, bridge {} port {}",
            body.root,
            body.root_cost,
            body.bridge,
            body.port & 0xFFF
        )?;
        write!(f, ", length {}", self.wire_len())
    }
}

impl Display for ArpPacket {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_request() {
            write!(f, "ARP, Request who-has {} tell {}", self.target_ip, self.sender_ip)?;
        } else {
            write!(f, "ARP, Reply {} is-at {}", self.sender_ip, self.sender_mac)?;
        }
        write!(f, ", length {}", ArpPacket::LEN)
    }
}

fn ipv4(f: &mut Formatter<'_>, header: &Ipv4Header, transport: &Transport) -> fmt::Result {
    let (src, dst) = (header.src, header.dst);
    match transport {
        Transport::Tcp(segment) => {
            write!(f, "IP {src}.{} > {dst}.{}: {segment}", segment.src_port, segment.dst_port)
        }
        Transport::Udp(udp, payload)
            if matches!(udp.dst_port, DhcpMessage::SERVER_PORT | DhcpMessage::CLIENT_PORT)
                && let Ok(message) = DhcpMessage::parse(&payload.to_bytes()) =>
        {
            write!(f, "IP {src}.{} > {dst}.{}: {message}", udp.src_port, udp.dst_port)
        }
        Transport::Udp(udp, payload)
            if udp.dst_port == RipMessage::PORT
                && let Ok(message) = RipMessage::parse(&payload.to_bytes()) =>
        {
            write!(
                f,
                "IP {src}.{} > {dst}.{}: {message}, length: {}",
                udp.src_port,
                udp.dst_port,
                payload.len()
            )
        }
        Transport::Udp(udp, payload) => {
            write!(f, "IP {src}.{} > {dst}.{}: UDP, length {}", udp.src_port, udp.dst_port, payload.len())
        }
        Transport::Icmp(message) => write!(f, "IP {src} > {dst}: {message}"),
        Transport::Raw(protocol, payload) if header.is_fragment() => {
            let (start, more) = (u32::from(header.fragment_offset) * 8, header.more_fragments);
            let end = start + payload.len() as u32;
            write!(f, "IP {src} > {dst}: {protocol}, fragment of id {}, ", header.ident)?;
            write!(f, "bytes {start}:{end}{}, length {}", if more { "+" } else { "" }, payload.len())
        }
        Transport::Raw(Protocol::OSPF, payload)
            if let Ok(packet) = OspfPacket::parse(&payload.to_bytes()) =>
        {
            write!(f, "IP {src} > {dst}: {packet}, length {}", payload.len())
        }
        Transport::Raw(protocol, payload) => {
            write!(f, "IP {src} > {dst}: {protocol}, length {}", payload.len())
        }
    }
}

fn ipv6(f: &mut Formatter<'_>, header: &Ipv6Header, transport: &Transport) -> fmt::Result {
    let (src, dst) = (header.src, header.dst);
    match transport {
        Transport::Tcp(segment) => {
            write!(f, "IP6 {src}.{} > {dst}.{}: {segment}", segment.src_port, segment.dst_port)
        }
        Transport::Udp(udp, payload) => {
            write!(f, "IP6 {src}.{} > {dst}.{}: UDP, length {}", udp.src_port, udp.dst_port, payload.len())
        }
        Transport::Icmp(message) => write!(f, "IP6 {src} > {dst}: {}", Icmp6(message)),
        Transport::Raw(protocol, payload) => {
            write!(f, "IP6 {src} > {dst}: ")?;
            if let Some(FragmentHeader { offset, more, .. }) = header.fragment {
                let start = u32::from(offset) * 8;
                let end = start + payload.len() as u32;
                write!(f, "frag ({start}:{end}{}), ", if more { "+" } else { "" })?;
            }
            write!(f, "{protocol}, length {}", payload.len())
        }
    }
}

impl IcmpMessage {
    fn times(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let what = if self.kind == Self::TIMESTAMP_REQUEST { "query" } else { "reply" };
        write!(f, "time stamp {what}, id {}, seq {}", self.rest >> 16, self.rest & 0xFFFF)?;
        match self.stamps() {
            Some([sent, received, back]) if self.kind == Self::TIMESTAMP_REPLY => {
                write!(f, ": org {sent} ms, recv {received} ms, xmit {back} ms")
            }
            _ => Ok(()),
        }
    }

    /// The message as one of ICMPv6, where types and codes have other meanings.
    pub fn text_v6(&self) -> String {
        Icmp6(self).to_string()
    }
}

/// An ICMPv6 message (RFC 4443).
struct Icmp6<'a>(&'a IcmpMessage);

impl Display for Icmp6<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let message = self.0;
        f.write_str("ICMP6, ")?;
        if let Ok(Some(ndp)) = Ndp::parse(message) {
            write!(f, "{ndp}")?;
        } else {
            let (id, seq) = ((message.rest >> 16) as u16, message.rest as u16);
            match (message.kind, message.code) {
                (IcmpMessage::V6_ECHO_REQUEST, _) => write!(f, "echo request, id {id}, seq {seq}")?,
                (IcmpMessage::V6_ECHO_REPLY, _) => write!(f, "echo reply, id {id}, seq {seq}")?,
                (IcmpMessage::V6_UNREACHABLE, 0) => f.write_str("destination unreachable, no route")?,
                (IcmpMessage::V6_UNREACHABLE, 1) => f.write_str("destination unreachable, prohibited")?,
                (IcmpMessage::V6_UNREACHABLE, 3) => f.write_str("destination unreachable, address")?,
                (IcmpMessage::V6_UNREACHABLE, 4) => f.write_str("destination unreachable, port")?,
                (IcmpMessage::V6_TOO_BIG, _) => write!(f, "packet too big, mtu {}", message.rest)?,
                (IcmpMessage::V6_TIME_EXCEEDED, 0) => f.write_str("time exceeded in-transit")?,
                (IcmpMessage::V6_TIME_EXCEEDED, 1) => f.write_str("reassembly time exceeded")?,
                (kind, code) => write!(f, "type {kind}, code {code}")?,
            }
        }
        write!(f, ", length {}", IcmpMessage::HEADER_LEN + message.payload.len())
    }
}

impl Display for Ecn {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ecn::NotCapable => "not ECT",
            Ecn::Ect0 => "ECT(0)",
            Ecn::Ect1 => "ECT(1)",
            Ecn::Congestion => "CE",
        })
    }
}

impl Display for Ipv4Header {
    /// Addresses, and the fields that are not as usual.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}, ttl {}, id {}", self.src, self.dst, self.ttl, self.ident)?;
        if self.dont_fragment {
            f.write_str(", DF")?;
        }
        if self.is_fragment() {
            let more = if self.more_fragments { "+" } else { "" };
            write!(f, ", offset {}{more}", u32::from(self.fragment_offset) * 8)?;
        }
        if self.dscp > 0 {
            write!(f, ", DSCP {}", self.dscp)?;
        }
        match self.ecn {
            Ecn::NotCapable => Ok(()),
            ecn => write!(f, ", {ecn}"),
        }
    }
}

impl Display for Protocol {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Protocol::ICMP => f.write_str("ICMP"),
            Protocol::TCP => f.write_str("TCP"),
            Protocol::UDP => f.write_str("UDP"),
            Protocol::ICMPV6 => f.write_str("ICMP6"),
            Protocol(number) => write!(f, "ip-proto-{number}"),
        }
    }
}

impl Display for TcpSegment {
    /// The part of a line after the addresses.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let len = self.payload.len();
        write!(f, "Flags [{}]", self.flags)?;
        if len > 0 {
            write!(f, ", seq {}:{}", self.seq, self.seq + len as u32)?;
        } else if self.flags.intersects(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST) {
            write!(f, ", seq {}", self.seq)?;
        }
        if self.flags.ack() {
            write!(f, ", ack {}", self.ack)?;
        }
        write!(f, ", win {}", self.window)?;
        if self.options != TcpOptions::default() {
            write!(f, ", options [{}]", self.options)?;
        }
        write!(f, ", length {len}")
    }
}

impl Display for TcpOptions {
    /// In the order in which they stand on the wire.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        let mut item = |f: &mut Formatter<'_>, text: fmt::Arguments<'_>| {
            let result = write!(f, "{comma}{text}");
            comma = ",";
            result
        };
        if let Some(mss) = self.mss {
            item(f, format_args!("mss {mss}"))?;
        }
        if let Some(stamps) = self.timestamps {
            let pad = if self.sack_permitted { "sackOK" } else { "nop,nop" };
            item(f, format_args!("{pad},TS val {} ecr {}", stamps.value, stamps.echo))?;
        } else if self.sack_permitted {
            item(f, format_args!("nop,nop,sackOK"))?;
        }
        if let Some(shift) = self.window_scale {
            item(f, format_args!("nop,wscale {shift}"))?;
        }
        if !self.sack.is_empty() {
            item(f, format_args!("nop,nop,sack {} ", self.sack.len()))?;
            for (left, right) in &self.sack {
                write!(f, "{{{left}:{right}}}")?;
            }
        }
        Ok(())
    }
}

impl Display for IcmpMessage {
    /// The part of a line after the addresses.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("ICMP ")?;
        match (self.kind, self.code, self.echo()) {
            (Self::ECHO_REQUEST, _, Some((id, seq))) => write!(f, "echo request, id {id}, seq {seq}")?,
            (_, _, Some((id, seq))) => write!(f, "echo reply, id {id}, seq {seq}")?,
            (Self::UNREACHABLE, ..) => self.unreachable(f)?,
            (Self::TIMESTAMP_REQUEST | Self::TIMESTAMP_REPLY, ..) => self.times(f)?,
            (Self::TIME_EXCEEDED, 0, _) => f.write_str("time exceeded in-transit")?,
            (Self::TIME_EXCEEDED, 1, _) => f.write_str("ip reassembly time exceeded")?,
            (kind, code, _) => write!(f, "type {kind}, code {code}")?,
        }
        write!(f, ", length {}", Self::HEADER_LEN + self.payload.len())
    }
}

impl IcmpMessage {
    fn unreachable(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(quote) = self.quote() else {
            return write!(f, "unreachable, code {}", self.code);
        };
        let dst = quote.header.dst;
        match (self.code, quote.ports()) {
            (Self::NET_UNREACHABLE, _) => write!(f, "net {dst} unreachable"),
            (Self::HOST_UNREACHABLE, _) => write!(f, "host {dst} unreachable"),
            (Self::PROTOCOL_UNREACHABLE, _) => write!(f, "{dst} protocol {} unreachable", quote.protocol.0),
            (Self::PORT_UNREACHABLE, Some((_, port))) => {
                let name = if quote.protocol == Protocol::TCP { "tcp" } else { "udp" };
                write!(f, "{dst} {name} port {port} unreachable")
            }
            (Self::FRAGMENTATION_NEEDED, _) => {
                write!(f, "{dst} unreachable - need to frag (mtu {})", self.rest as u16)
            }
            (Self::PROHIBITED, _) => write!(f, "host {dst} unreachable - admin prohibited filter"),
            (code, _) => write!(f, "{dst} unreachable, code {code}"),
        }
    }
}
