//! The unpacked view of a whole frame, one typed header inside the other.

use crate::{MacAddr, Payload, TcpSegment};
use std::net::Ipv4Addr;

/// What travels over a link, unpacked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Source and destination MAC address; meaningless on links that frame nothing (`framing = "ip"`).
    pub src_mac: MacAddr,
    /// Destination MAC address.
    pub dst_mac: MacAddr,
    /// What the frame carries.
    pub net: Net,
}

/// The network layer of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Net {
    /// Ethertype 0x0806.
    Arp(ArpPacket),
    /// Ethertype 0x0800.
    Ipv4(Ipv4Header, Transport),
}

/// The two ARP operations (RFC 826).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArpOperation {
    /// Who has `target_ip`?
    Request,
    /// `sender_ip` is at `sender_mac`.
    Reply,
}

/// An ARP packet for IPv4 over Ethernet (RFC 826).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArpPacket {
    /// Request or reply.
    pub operation: ArpOperation,
    /// The sender's MAC address.
    pub sender_mac: MacAddr,
    /// The sender's IP address.
    pub sender_ip: Ipv4Addr,
    /// The target's MAC address; zero in a request.
    pub target_mac: MacAddr,
    /// The target's IP address.
    pub target_ip: Ipv4Addr,
}

/// The ECN field of an IP header (RFC 3168 section 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum Ecn {
    /// The transport does not use ECN.
    #[default]
    NotCapable = 0,
    /// ECN-capable, codepoint ECT(1).
    Ect1 = 1,
    /// ECN-capable, codepoint ECT(0).
    Ect0 = 2,
    /// Congestion experienced.
    Congestion = 3,
}

impl Ecn {
    /// The value of the two bits.
    pub const fn from_bits(bits: u8) -> Ecn {
        match bits & 3 {
            0 => Ecn::NotCapable,
            1 => Ecn::Ect1,
            2 => Ecn::Ect0,
            _ => Ecn::Congestion,
        }
    }
}

/// The protocol field of an IP header (IANA).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Protocol(pub u8);

impl Protocol {
    /// ICMP, 1.
    pub const ICMP: Protocol = Protocol(1);
    /// TCP, 6.
    pub const TCP: Protocol = Protocol(6);
    /// UDP, 17.
    pub const UDP: Protocol = Protocol(17);
}

/// An IPv4 header without options (RFC 791 section 3.1). Length and checksum are computed when bytes are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv4Header {
    /// Source address.
    pub src: Ipv4Addr,
    /// Destination address.
    pub dst: Ipv4Addr,
    /// Time to live, in hops.
    pub ttl: u8,
    /// Identification, for fragments.
    pub ident: u16,
    /// Differentiated services code point, 6 bits.
    pub dscp: u8,
    /// ECN field.
    pub ecn: Ecn,
    /// The don't-fragment bit.
    pub dont_fragment: bool,
    /// The more-fragments bit.
    pub more_fragments: bool,
    /// Fragment offset in units of 8 bytes, 13 bits.
    pub fragment_offset: u16,
}

impl Ipv4Header {
    /// Length in bytes.
    pub const LEN: usize = 20;
}

/// A UDP header (RFC 768). Length and checksum are computed when bytes are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UdpHeader {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
}

impl UdpHeader {
    /// Length in bytes.
    pub const LEN: usize = 8;
}

/// An ICMP message (RFC 792). The checksum is computed when bytes are made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IcmpMessage {
    /// Type: 0 echo reply, 3 unreachable, 8 echo request, 11 time exceeded ...
    pub kind: u8,
    /// Code within the type.
    pub code: u8,
    /// The four bytes after the checksum: identifier and sequence number of an echo, next-hop MTU, or unused.
    pub rest: u32,
    /// Echo data, or the quoted header and first 8 bytes of the packet that caused the message.
    pub payload: Payload,
}

impl IcmpMessage {
    /// Header length in bytes.
    pub const HEADER_LEN: usize = 8;
}

/// What an IP packet carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transport {
    /// Protocol 6.
    Tcp(TcpSegment),
    /// Protocol 17.
    Udp(UdpHeader, Payload),
    /// Protocol 1.
    Icmp(IcmpMessage),
    /// Any other protocol, or a fragment.
    Raw(Protocol, Payload),
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

    /// Length in bytes, headers of this layer included.
    pub fn wire_len(&self) -> usize {
        match self {
            Transport::Tcp(segment) => segment.header_len() + segment.payload.len(),
            Transport::Udp(_, payload) => UdpHeader::LEN + payload.len(),
            Transport::Icmp(message) => IcmpMessage::HEADER_LEN + message.payload.len(),
            Transport::Raw(_, payload) => payload.len(),
        }
    }
}

impl Net {
    /// Length in bytes of the network-layer packet (the Ethernet payload before padding).
    pub fn wire_len(&self) -> usize {
        match self {
            Net::Arp(_) => ArpPacket::LEN,
            Net::Ipv4(_, transport) => Ipv4Header::LEN + transport.wire_len(),
        }
    }
}

impl ArpPacket {
    /// Length in bytes.
    pub const LEN: usize = 28;
}
