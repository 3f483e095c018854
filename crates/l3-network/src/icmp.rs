//! ICMP messages: what a node says about a packet (RFC 792).

use tidewire_wire::{IcmpMessage, Ipv4Header, Net, Packet, Payload, Transport};

/// Echo reply, type 0.
pub const ECHO_REPLY: u8 = 0;
/// Destination unreachable, type 3.
pub const UNREACHABLE: u8 = 3;
/// Echo request, type 8.
pub const ECHO_REQUEST: u8 = 8;
/// Time exceeded, type 11.
pub const TIME_EXCEEDED: u8 = 11;

/// Why a destination is unreachable: the codes of type 3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Unreachable {
    /// No route to the network.
    Net = 0,
    /// Nobody answers for the address.
    Host = 1,
    /// The host does not speak the protocol.
    Protocol = 2,
    /// No socket has the port.
    Port = 3,
    /// Too big, and not to be fragmented (RFC 1191).
    FragmentationNeeded = 4,
    /// Refused by a filter (RFC 1812).
    Prohibited = 13,
}

impl Unreachable {
    /// The meaning of a code, if it is one of these.
    pub const fn from_code(code: u8) -> Option<Unreachable> {
        Some(match code {
            0 => Unreachable::Net,
            1 => Unreachable::Host,
            2 => Unreachable::Protocol,
            3 => Unreachable::Port,
            4 => Unreachable::FragmentationNeeded,
            13 => Unreachable::Prohibited,
            _ => return None,
        })
    }
}

/// An echo request or reply with an identifier, a sequence number and data.
pub fn echo(kind: u8, id: u16, seq: u16, data: Payload) -> IcmpMessage {
    IcmpMessage { kind, code: 0, rest: u32::from(id) << 16 | u32::from(seq), payload: data }
}

/// Identifier and sequence number of an echo.
pub const fn echo_ids(rest: u32) -> (u16, u16) {
    ((rest >> 16) as u16, rest as u16)
}

/// An error message about `packet`, quoting its IP header and first 8 bytes; `None` when RFC 1122 section 3.2.2 forbids one: about
/// an ICMP error, a fragment other than the first, or a packet from or to an address that is not one host.
pub fn error_about(packet: &Packet, kind: u8, code: u8, rest: u32) -> Option<IcmpMessage> {
    let Net::Ipv4(header, transport) = &packet.net else { return None };
    let about_error =
        matches!(transport, Transport::Icmp(message) if !matches!(message.kind, ECHO_REQUEST | ECHO_REPLY));
    let many = |addr: std::net::Ipv4Addr| addr.is_broadcast() || addr.is_multicast() || addr.is_unspecified();
    if about_error
        || header.fragment_offset > 0
        || many(header.src)
        || many(header.dst)
        || packet.dst_mac.is_group()
    {
        return None;
    }
    Some(IcmpMessage { kind, code, rest, payload: quote(header, transport).into() })
}

/// The quoted part of a packet that an error message carries, as far as a sender needs it to find its socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quoted {
    /// Who sent the packet.
    pub src: std::net::Ipv4Addr,
    /// Where it was going.
    pub dst: std::net::Ipv4Addr,
    /// Its protocol number.
    pub protocol: u8,
    /// The first 4 bytes behind the IP header: the ports of TCP and UDP.
    pub ports: (u16, u16),
    /// The next 4 bytes: the TCP sequence number, or identifier and sequence number of an echo.
    pub rest: u32,
}

/// Reads the packet quoted by an error message; `None` when it is too short or not IPv4.
pub fn quoted(payload: &[u8]) -> Option<Quoted> {
    let header_len = usize::from(payload.first()? & 0x0F) * 4;
    if payload[0] >> 4 != 4 || header_len < Ipv4Header::LEN || payload.len() < header_len + 8 {
        return None;
    }
    let four =
        |at: usize| u32::from_be_bytes([payload[at], payload[at + 1], payload[at + 2], payload[at + 3]]);
    let ports = four(header_len);
    Some(Quoted {
        src: four(12).into(),
        dst: four(16).into(),
        protocol: payload[9],
        ports: ((ports >> 16) as u16, ports as u16),
        rest: four(header_len + 4),
    })
}

/// The IP header and the first 8 bytes behind it, as they stand.
fn quote(header: &Ipv4Header, transport: &Transport) -> Vec<u8> {
    let total = Ipv4Header::LEN + transport.wire_len();
    let flags = u16::from(header.dont_fragment) << 14
        | u16::from(header.more_fragments) << 13
        | header.fragment_offset;
    let mut bytes = vec![0x45, header.dscp << 2 | header.ecn as u8];
    bytes.extend((total as u16).to_be_bytes());
    bytes.extend(header.ident.to_be_bytes());
    bytes.extend(flags.to_be_bytes());
    bytes.extend([header.ttl, transport.protocol().0, 0, 0]);
    bytes.extend(header.src.octets());
    bytes.extend(header.dst.octets());
    let checksum = internet_checksum(&bytes);
    bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
    bytes.extend(first_eight(transport));
    bytes
}

fn first_eight(transport: &Transport) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8);
    match transport {
        Transport::Tcp(segment) => {
            bytes.extend(segment.src_port.to_be_bytes());
            bytes.extend(segment.dst_port.to_be_bytes());
            bytes.extend(segment.seq.0.to_be_bytes());
        }
        Transport::Udp(udp, payload) => {
            bytes.extend(udp.src_port.to_be_bytes());
            bytes.extend(udp.dst_port.to_be_bytes());
            bytes.extend(((8 + payload.len()) as u16).to_be_bytes());
            bytes.extend([0, 0]);
        }
        Transport::Icmp(message) => {
            bytes.extend([message.kind, message.code, 0, 0]);
            bytes.extend(message.rest.to_be_bytes());
        }
        Transport::Raw(_, payload) => bytes.extend(payload.to_bytes().iter().take(8)),
    }
    bytes.resize(8, 0);
    bytes
}

fn internet_checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    !((folded & 0xFFFF) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tidewire_wire::{Ecn, MacAddr, UdpHeader};

    fn udp_packet() -> Packet {
        let header = Ipv4Header {
            src: Ipv4Addr::new(10, 0, 0, 1),
            dst: Ipv4Addr::new(10, 0, 0, 2),
            ttl: 1,
            ident: 7,
            dscp: 0,
            ecn: Ecn::NotCapable,
            dont_fragment: true,
            more_fragments: false,
            fragment_offset: 0,
        };
        let udp = UdpHeader { src_port: 5000, dst_port: 53 };
        let net = Net::Ipv4(header, Transport::Udp(udp, Payload::Zeros(10)));
        Packet { src_mac: MacAddr([2; 6]), dst_mac: MacAddr([4; 6]), net }
    }

    #[test]
    fn an_error_quotes_enough_to_find_the_socket() {
        let message = error_about(&udp_packet(), UNREACHABLE, Unreachable::Port as u8, 0).unwrap();
        let back = quoted(&message.payload.to_bytes()).unwrap();
        assert_eq!((back.protocol, back.ports, back.dst), (17, (5000, 53), Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(message.payload.len(), 28);
    }

    #[test]
    fn there_is_no_error_about_an_error_or_a_broadcast() {
        let mut packet = udp_packet();
        let error = error_about(&packet, TIME_EXCEEDED, 0, 0).unwrap();
        let Net::Ipv4(_, transport) = &mut packet.net else { unreachable!() };
        *transport = Transport::Icmp(error);
        assert_eq!(error_about(&packet, TIME_EXCEEDED, 0, 0), None);
        let broadcast = Packet { dst_mac: MacAddr::BROADCAST, ..udp_packet() };
        assert_eq!(error_about(&broadcast, UNREACHABLE, 3, 0), None);
    }

    #[test]
    fn short_or_foreign_quotes_are_refused() {
        assert_eq!(quoted(&[]), None);
        assert_eq!(quoted(&[0x45; 20]), None);
        assert_eq!(quoted(&[0x65; 60]), None);
    }
}
