//! What is emitted parses to what it was, and no bytes at all make a parser panic.

mod common;

use common::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tidewire_wire::*;

const LINKS: [LinkLayer; 3] = [LinkLayer::Ethernet, LinkLayer::EthernetWithFcs, LinkLayer::RawIp];

fn emitted(emit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    emit(&mut out);
    out
}

/// Of the Ethernet header, with the tag.
fn header_len(packet: &Packet) -> usize {
    if packet.vlan.is_some() { 18 } else { 14 }
}

fn flip(bytes: &mut [u8], bit: Index) {
    let bit = bit.index(bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}

/// Packet and link layer, such that the link can carry it.
fn on_a_link() -> impl Strategy<Value = (Packet, LinkLayer)> {
    prop_oneof![
        (any_packet(), Just(LinkLayer::Ethernet)),
        (any_packet(), Just(LinkLayer::EthernetWithFcs)),
        ip().prop_map(|net| {
            let none = MacAddr([0; 6]);
            (Packet { src_mac: none, dst_mac: none, vlan: None, net }, LinkLayer::RawIp)
        }),
    ]
}

proptest! {
    #[test]
    fn an_ipv6_packet_parses_to_itself_and_broken_ones_do_no_harm(net in ipv6(), cut: Index, bit: Index) {
        let none = MacAddr([0; 6]);
        let packet = Packet { src_mac: none, dst_mac: none, vlan: None, net };
        let mut bytes = packet.emit(LinkLayer::RawIp);
        prop_assert_eq!(Packet::parse(&bytes, LinkLayer::RawIp), Ok(packet.clone()));
        prop_assert!(Packet::parse(&bytes[..cut.index(bytes.len())], LinkLayer::RawIp).is_err());
        let at = bit.index(bytes.len() * 8);
        let is_fragment = matches!(&packet.net, Net::Ipv6(header, _) if header.fragment.is_some());
        // Reserved bits of the fragment header mean nothing.
        let reserved = is_fragment && (at / 8 == 41 || at / 8 == 43 && matches!(at % 8, 1 | 2));
        flip(&mut bytes, bit);
        let flipped = Packet::parse(&bytes, LinkLayer::RawIp);
        prop_assert!(reserved || flipped != Ok(packet));
    }

    #[test]
    fn a_packet_parses_to_itself((packet, link) in on_a_link()) {
        let bytes = packet.emit(link);
        prop_assert_eq!(Packet::parse(&bytes, link), Ok(packet.clone()));
        let ip_len = packet.net.wire_len();
        let expected = match link {
            LinkLayer::RawIp => ip_len,
            LinkLayer::Ethernet => (14 + ip_len).max(60),
            LinkLayer::EthernetWithFcs => (14 + ip_len + 4).max(64),
        };
        let tag = if packet.vlan.is_some() { 4 } else { 0 };
        prop_assert_eq!(bytes.len(), expected + tag);
    }

    #[test]
    fn a_packet_appended_to_other_bytes_is_the_same(packet in any_packet(), before in vec(any::<u8>(), 0..9)) {
        let mut out = before.clone();
        packet.emit_into(LinkLayer::EthernetWithFcs, &mut out);
        prop_assert_eq!(&out[before.len()..], packet.emit(LinkLayer::EthernetWithFcs));
    }

    #[test]
    fn an_ethernet_header_parses_to_itself(dst in mac(), src in unicast_mac(), ethertype: u16) {
        let header = EthernetHeader { dst, src, ethertype: EtherType(ethertype) };
        let bytes = emitted(|out| header.emit(out));
        prop_assert_eq!(bytes.len(), EthernetHeader::LEN);
        prop_assert_eq!(EthernetHeader::parse(&bytes), Ok((header, &[][..])));
    }

    #[test]
    fn an_arp_packet_parses_to_itself(arp in arp()) {
        let bytes = emitted(|out| arp.emit(out));
        prop_assert_eq!(bytes.len(), ArpPacket::LEN);
        prop_assert_eq!(ArpPacket::parse(&bytes), Ok(arp));
    }

    #[test]
    fn an_ipv4_header_parses_to_itself(
        header in prop_oneof![whole_header(), fragment_header()],
        protocol: u8,
        payload in vec(any::<u8>(), 0..99),
        padding in 0..9usize,
    ) {
        let mut bytes = emitted(|out| header.emit(Protocol(protocol), payload.len(), out));
        bytes.extend_from_slice(&payload);
        bytes.resize(bytes.len() + padding, 0xEE);
        prop_assert_eq!(Ipv4Header::parse(&bytes), Ok((header, Protocol(protocol), &payload[..])));
    }

    #[test]
    fn a_udp_datagram_parses_to_itself(udp in udp(), payload in payload()) {
        let pseudo = |len| Checksum::pseudo_ipv4(A, B, Protocol::UDP, len);
        let bytes = emitted(|out| udp.emit(&payload, pseudo, out));
        prop_assert_eq!(UdpHeader::parse(&bytes, pseudo), Ok((udp, &*payload.to_bytes())));
    }

    #[test]
    fn an_icmp_message_parses_to_itself(icmp in icmp()) {
        prop_assert_eq!(IcmpMessage::parse(&emitted(|out| icmp.emit(out))), Ok(icmp));
    }

    #[test]
    fn a_tcp_segment_parses_to_itself(segment in segment()) {
        let pseudo = |len| Checksum::pseudo_ipv4(A, B, Protocol::TCP, len);
        let bytes = emitted(|out| segment.emit(pseudo, out));
        prop_assert_eq!(bytes.len(), segment.header_len() + segment.payload.len());
        prop_assert_eq!(TcpSegment::parse(&bytes, pseudo), Ok(segment));
    }

    #[test]
    fn options_take_the_length_that_they_announce(syn: bool, seed in any::<bool>().prop_flat_map(options)) {
        let bytes = emitted(|out| seed.emit(out));
        prop_assert_eq!(bytes.len(), seed.wire_len());
        prop_assert!(bytes.len() <= TcpOptions::MAX_LEN && bytes.len().is_multiple_of(4));
        prop_assert!(TcpOptions::parse(&bytes, syn).is_ok());
    }

    #[test]
    fn options_that_parse_can_be_emitted_again(syn: bool, bytes in option_bytes()) {
        if let Ok(options) = TcpOptions::parse(&bytes, syn) {
            let again = emitted(|out| options.emit(out));
            prop_assert!(again.len() <= TcpOptions::MAX_LEN, "{options:?}");
            prop_assert_eq!(again.len(), options.wire_len());
            prop_assert_eq!(TcpOptions::parse(&again, syn), Ok(options));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        for link in LINKS {
            let _ = Packet::parse(&bytes, link);
        }
        let _ = ArpPacket::parse(&bytes);
        let _ = Ipv4Header::parse_quoted(&bytes);
        let _ = IcmpMessage::parse(&bytes);
        let _ = TcpSegment::parse(&bytes, |_| Checksum::NONE);
        let _ = UdpHeader::parse(&bytes, |_| Checksum::NONE);
        let icmp = IcmpMessage { kind: 3, code: bytes.len() as u8 % 16, rest: 0, payload: bytes.into() };
        prop_assert!(!icmp.to_string().is_empty());
    }

    #[test]
    fn a_cut_packet_is_truncated((packet, link) in on_a_link(), cut: Index) {
        let bytes = packet.emit(link);
        let cut = &bytes[..cut.index(bytes.len())];
        match link {
            LinkLayer::RawIp => prop_assert_eq!(Packet::parse(cut, link), Err(Malformed::Truncated)),
            LinkLayer::EthernetWithFcs => {
                let error = Packet::parse(cut, link).unwrap_err();
                prop_assert!(matches!(error, Malformed::FrameCheck | Malformed::Truncated));
            }
            LinkLayer::Ethernet if cut.len() >= header_len(&packet) + packet.net.wire_len() => {
                prop_assert_eq!(Packet::parse(cut, link), Ok(packet.clone()), "only padding is cut");
            }
            LinkLayer::Ethernet => prop_assert_eq!(Packet::parse(cut, link), Err(Malformed::Truncated)),
        }
    }

    #[test]
    fn a_flipped_bit_is_caught_or_shows((packet, link) in on_a_link(), bit: Index) {
        let mut bytes = packet.emit(link);
        flip(&mut bytes, bit);
        let parsed = Packet::parse(&bytes, link);
        match link {
            LinkLayer::EthernetWithFcs => prop_assert_eq!(parsed, Err(Malformed::FrameCheck)),
            _ if bit.index(bytes.len() * 8) / 8 >= packet.net.wire_len() + if link == LinkLayer::RawIp { 0 } else { header_len(&packet) } => {
                prop_assert_eq!(parsed, Ok(packet), "padding means nothing");
            }
            _ if bpdu_does_without(&packet, bit.index(bytes.len() * 8) / 8) => {
                prop_assert!(parsed.is_err() || parsed == Ok(packet));
            }
            // One bit away from a checksum of zero, a UDP datagram looks as if it had none.
            _ if lost_its_checksum(&packet, &bytes, link) => prop_assert_eq!(parsed, Ok(packet)),
            _ => prop_assert_ne!(parsed, Ok(packet)),
        }
    }

    #[test]
    fn many_flipped_bits_never_panic((packet, link) in on_a_link(), bits in vec(any::<Index>(), 1..20)) {
        let mut bytes = packet.emit(link);
        bits.into_iter().for_each(|bit| flip(&mut bytes, bit));
        let _ = Packet::parse(&bytes, link);
        let inside = if link == LinkLayer::RawIp { &bytes[..] } else { &bytes[14..] };
        if let Ok((header, protocol, payload)) = Ipv4Header::parse_quoted(inside) {
            let _ = Transport::parse(header.pseudo(), protocol, payload);
        }
    }

    #[test]
    fn a_flipped_bit_under_a_transport_checksum_is_a_wrong_checksum(
        header in whole_header(),
        segment in segment(),
        bit: Index,
    ) {
        let mut bytes = emitted(|out| Transport::Tcp(segment).emit(header.pseudo(), out));
        flip(&mut bytes, bit);
        prop_assert_eq!(Transport::parse(header.pseudo(), Protocol::TCP, &bytes), Err(Malformed::Checksum));
    }
}

/// Bytes of a frame that a bridge passes over (IEEE 802.1D-2004 section 9.3.4): length, and the version of what is not rapid.
fn bpdu_does_without(packet: &Packet, byte: usize) -> bool {
    let byte = (byte + 14).saturating_sub(header_len(packet));
    matches!(packet.net, Net::Bpdu(_)) && matches!(byte, 12 | 13 | 19 | 52)
}

fn lost_its_checksum(packet: &Packet, bytes: &[u8], link: LinkLayer) -> bool {
    let at = 26 + if link == LinkLayer::RawIp { 0 } else { header_len(packet) };
    matches!(packet.net, Net::Ipv4(_, Transport::Udp(..))) && bytes[at..at + 2] == [0, 0]
}

/// Up to 40 bytes, likely to be options of known kinds with plausible lengths.
fn option_bytes() -> impl Strategy<Value = Vec<u8>> {
    let option = prop_oneof![
        Just(vec![1]),
        any::<[u8; 2]>().prop_map(|[a, b]| vec![2, 4, a, b]),
        any::<u8>().prop_map(|shift| vec![3, 3, shift]),
        Just(vec![4, 2]),
        (1..=4usize, any::<u8>()).prop_map(|(n, fill)| {
            let mut bytes = vec![5, 2 + 8 * n as u8];
            bytes.resize(2 + 8 * n, fill);
            bytes
        }),
        any::<[u8; 8]>().prop_map(|stamps| [&[8, 10], &stamps[..]].concat()),
        vec(any::<u8>(), 0..4),
    ];
    vec(option, 0..9).prop_map(|options| {
        let mut bytes = options.concat();
        bytes.truncate(TcpOptions::MAX_LEN);
        bytes
    })
}
