//! When an ICMP error may be sent (RFC 1122 section 3.2.2, RFC 1812 section 4.3.2.7).

use tidewire_wire::{IcmpMessage, Net, Packet, Transport};

/// An error message about `packet`, quoting its IP header and first 8 bytes; `None` when one is forbidden: about an ICMP error, a
/// fragment other than the first, or a packet from or to an address that is not one host.
pub fn error_about(packet: &Packet, kind: u8, code: u8, rest: u32) -> Option<IcmpMessage> {
    let Net::Ipv4(header, transport) = &packet.net else { return None };
    let about_error = matches!(transport, Transport::Icmp(message) if message.is_error());
    let many = |addr: std::net::Ipv4Addr| addr.is_broadcast() || addr.is_multicast() || addr.is_unspecified();
    if about_error
        || header.fragment_offset > 0
        || many(header.src)
        || many(header.dst)
        || packet.dst_mac.is_group()
    {
        return None;
    }
    Some(IcmpMessage::about(kind, code, rest, header, transport))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tidewire_wire::{Ecn, Ipv4Header, MacAddr, Payload, UdpHeader};

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
        let message =
            error_about(&udp_packet(), IcmpMessage::UNREACHABLE, IcmpMessage::PORT_UNREACHABLE, 0).unwrap();
        let quote = message.quote().unwrap();
        assert_eq!((quote.ports(), quote.header.dst), (Some((5000, 53)), Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(message.payload.len(), 28);
    }

    #[test]
    fn there_is_no_error_about_an_error_or_a_broadcast() {
        let mut packet = udp_packet();
        let error = error_about(&packet, IcmpMessage::TIME_EXCEEDED, 0, 0).unwrap();
        let Net::Ipv4(_, transport) = &mut packet.net else { unreachable!() };
        *transport = Transport::Icmp(error);
        assert_eq!(error_about(&packet, IcmpMessage::TIME_EXCEEDED, 0, 0), None);
        let broadcast = Packet { dst_mac: MacAddr::BROADCAST, ..udp_packet() };
        assert_eq!(error_about(&broadcast, IcmpMessage::UNREACHABLE, 3, 0), None);
    }
}
