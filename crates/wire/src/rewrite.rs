//! What address translators change: addresses and ports of packets, and of what ICMP errors quote.

use crate::{Checksum, Content, Endpoint, Hot, IcmpMessage, Ipv4Header, Packets, Protocol};

impl Packets {
    /// Gives an IPv4 packet other addresses and ports; of an echo request the identifier is the port of its source, of a reply that of
    /// its destination. Checksums are computed when bytes are made. The flow's hash stays, so that who measures the flow finds it again.
    pub fn rewrite(&mut self, hot: &mut Hot, src: Endpoint, dst: Endpoint) {
        hot.dst = dst.addr;
        let body = self.body_mut(hot);
        body.src = src.addr;
        match &mut body.content {
            Content::Tcp(tcp) => (tcp.src_port, tcp.dst_port) = (src.port, dst.port),
            Content::Udp(udp, _) => (udp.src_port, udp.dst_port) = (src.port, dst.port),
            Content::Icmp(IcmpMessage::ECHO_REQUEST | IcmpMessage::TIMESTAMP_REQUEST, _, rest) => {
                *rest = with_ident(*rest, src.port);
            }
            Content::Icmp(IcmpMessage::ECHO_REPLY | IcmpMessage::TIMESTAMP_REPLY, _, rest) => {
                *rest = with_ident(*rest, dst.port);
            }
            _ => {}
        }
    }

    /// Gives the packet that an ICMP error quotes other addresses and ports (RFC 5508 section 4), with checksums as they would have
    /// been.
    pub fn rewrite_quote(&mut self, hot: &Hot, src: Endpoint, dst: Endpoint) {
        let mut quote = self.payload(hot).to_bytes().into_owned();
        rewrite_bytes(&mut quote, src, dst);
        self.replace_payload(hot, quote.into());
    }
}

fn with_ident(rest: u32, ident: u16) -> u32 {
    u32::from(ident) << 16 | rest & 0xFFFF
}

/// Changes an IPv4 packet of which there may be only the beginning.
fn rewrite_bytes(bytes: &mut [u8], src: Endpoint, dst: Endpoint) {
    let Ok((header, protocol, rest)) = Ipv4Header::parse_quoted(bytes) else { return };
    let at = bytes.len() - rest.len();
    let before = [header.src.octets(), header.dst.octets()].concat();
    let after = [src.addr.octets(), dst.addr.octets()].concat();
    bytes[12..20].copy_from_slice(&after);
    bytes[10..12].fill(0);
    let sum = Checksum::NONE.over(&bytes[..at]).finish();
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    if header.fragment_offset > 0 {
        return;
    }
    let transport = &mut bytes[at..];
    let (ports, sum_at, covers_addresses) = match protocol {
        Protocol::TCP => (0..4, 16, true),
        Protocol::UDP => (0..4, 6, true),
        Protocol::ICMP => (4..6, 2, false),
        _ => return,
    };
    if transport.len() < ports.end {
        return;
    }
    let old = transport[ports.clone()].to_vec();
    let new = [src.port.to_be_bytes(), dst.port.to_be_bytes()].concat();
    transport[ports.clone()].copy_from_slice(&new[..old.len()]);
    let mut changes = vec![(old, new[..ports.len()].to_vec())];
    if covers_addresses {
        changes.push((before, after));
    }
    if let Some(field) = transport.get_mut(sum_at..sum_at + 2) {
        let sum = u16::from_be_bytes([field[0], field[1]]);
        // UDP without a checksum stays without one (RFC 768).
        if protocol != Protocol::UDP || sum != 0 {
            let sum = updated(sum, &changes);
            let sum = if protocol == Protocol::UDP && sum == 0 { u16::MAX } else { sum };
            field.copy_from_slice(&sum.to_be_bytes());
        }
    }
}

/// A checksum after words that it covers have changed (RFC 1624 section 3, equation 3).
fn updated(sum: u16, changes: &[(Vec<u8>, Vec<u8>)]) -> u16 {
    let words = |bytes: &[u8]| -> Vec<u16> {
        bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
    };
    let mut total = u64::from(!sum);
    for (old, new) in changes {
        total += words(old).into_iter().map(|word| u64::from(!word)).sum::<u64>();
        total += words(new).into_iter().map(u64::from).sum::<u64>();
    }
    while total > 0xFFFF {
        total = (total & 0xFFFF) + (total >> 16);
    }
    !(total as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ecn, LinkLayer, Net, Packet, Payload, Transport, UdpHeader};
    use proptest::prelude::*;
    use std::net::Ipv4Addr;
    use tidewire_units::Instant;

    fn header(src: Endpoint, dst: Endpoint) -> Ipv4Header {
        Ipv4Header {
            src: src.addr,
            dst: dst.addr,
            ttl: 60,
            ident: 7,
            dscp: 0,
            ecn: Ecn::NotCapable,
            dont_fragment: true,
            more_fragments: false,
            fragment_offset: 0,
        }
    }

    fn udp(src: Endpoint, dst: Endpoint) -> (Ipv4Header, Transport) {
        let ports = UdpHeader { src_port: src.port, dst_port: dst.port };
        (header(src, dst), Transport::Udp(ports, Payload::Zeros(5)))
    }

    fn error_about(src: Endpoint, dst: Endpoint) -> IcmpMessage {
        let (header, transport) = udp(src, dst);
        IcmpMessage::about(IcmpMessage::UNREACHABLE, 3, 0, &header, &transport)
    }

    fn end() -> impl Strategy<Value = Endpoint> {
        any::<(u32, u16)>().prop_map(|(ip, port)| Endpoint::new(Ipv4Addr::from_bits(ip & 0x7FFF_FFFF), port))
    }

    proptest! {
        #[test]
        fn a_rewritten_quote_is_that_of_the_other_packet(a in end(), b in end(), c in end(), d in end()) {
            let mut quote = error_about(a, b).payload.to_bytes().into_owned();
            rewrite_bytes(&mut quote, c, d);
            let expected = error_about(c, d).payload.to_bytes().into_owned();
            prop_assert_eq!(quote, expected);
        }

        #[test]
        fn any_bytes_can_be_rewritten(mut bytes in prop::collection::vec(any::<u8>(), 0..60), a in end()) {
            rewrite_bytes(&mut bytes, a, a);
        }
    }

    #[test]
    fn a_rewritten_packet_is_intact_and_keeps_its_hash() {
        let [a, b, c] = [1, 2, 3].map(|n| Endpoint::new(Ipv4Addr::new(10, 0, 0, n), 1000 + u16::from(n)));
        let mut packets = Packets::new();
        let (header, transport) = udp(a, b);
        let Transport::Udp(ports, payload) = transport else { unreachable!() };
        let mut hot = packets.insert_udp(&header, ports, payload, 99, Instant::ZERO);
        packets.rewrite(&mut hot, c, b);
        packets.check_wire(&hot, LinkLayer::RawIp).unwrap();
        let Packet { net: Net::Ipv4(header, Transport::Udp(ports, _)), .. } = packets.unpack(&hot) else {
            unreachable!()
        };
        assert_eq!((header.src, ports.src_port, header.dst, hot.flow_hash), (c.addr, c.port, b.addr, 99));
        let mut ping = packets.insert_icmp(&header, IcmpMessage::echo_request(5, 6, Payload::EMPTY), 1);
        packets.rewrite(&mut ping, c, Endpoint::new(b.addr, 0));
        assert_eq!(packets.unpack(&ping).emit(LinkLayer::RawIp).len(), 28);
        assert!(matches!(packets.body(&ping).content, Content::Icmp(8, 0, rest) if rest == (1003 << 16 | 6)));
    }
}
