//! Frames written out by hand, and malformed ones.

mod common;

use common::*;
use tidewire_wire::*;

const ETHERNET: [u8; 14] = [0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01, 0x08, 0x00];
const IPV4: [u8; 20] =
    [0x45, 0x00, 0x05, 0xDC, 0x12, 0x34, 0x40, 0x00, 0x40, 0x06, 0x0E, 0xE6, 10, 0, 0, 1, 10, 0, 0, 2];
const TCP: [u8; 20] =
    [0x9C, 0x40, 0x00, 0x50, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xFF, 0xFF, 0x54, 0xF6, 0x00, 0x00];

/// Ethernet + IPv4 + TCP + 1460 bytes + frame check sequence.
fn full_frame() -> Vec<u8> {
    let data: Vec<u8> = (0..1460).map(|i| (i % 251) as u8).collect();
    [&ETHERNET[..], &IPV4, &TCP, &data, &[0xFB, 0x27, 0x8E, 0x61]].concat()
}

#[test]
fn row_2_a_full_frame_is_1518_bytes_exactly_as_written_by_hand() {
    let packet = frame(Transport::Tcp(full_segment()));
    let bytes = packet.emit(LinkLayer::EthernetWithFcs);
    assert_eq!(bytes.len(), 1518);
    assert_eq!(bytes, full_frame());
    assert_eq!(Packet::parse(&full_frame(), LinkLayer::EthernetWithFcs), Ok(packet.clone()));
    assert_eq!(packet.emit(LinkLayer::Ethernet), full_frame()[..1514]);
    assert_eq!(packet.emit(LinkLayer::RawIp), full_frame()[14..1514]);
}

#[test]
fn a_short_frame_is_padded_to_64_bytes_and_trimmed_again() {
    let udp = UdpHeader { src_port: 5000, dst_port: 53 };
    let packet = frame(Transport::Udp(udp, Payload::from(&b"abc"[..])));
    let mut expected = [
        &ETHERNET[..],
        &[0x45, 0, 0, 31, 0x12, 0x34, 0x40, 0, 0x40, 0x11, 0x14, 0x98, 10, 0, 0, 1, 10, 0, 0, 2],
        &[0x13, 0x88, 0x00, 0x35, 0x00, 0x0B, 0x13, 0xB6, b'a', b'b', b'c'],
    ]
    .concat();
    expected.resize(60, 0);
    assert_eq!(packet.emit(LinkLayer::Ethernet), expected);
    expected.extend_from_slice(&[0x27, 0x05, 0x26, 0xCF]);
    assert_eq!(packet.emit(LinkLayer::EthernetWithFcs), expected);
    assert_eq!(Packet::parse(&expected, LinkLayer::EthernetWithFcs), Ok(packet));
}

#[test]
fn an_arp_request_is_28_bytes_as_in_rfc_826() {
    let arp = ArpPacket {
        operation: ArpOperation::Request,
        sender_mac: MacKey(1).mac(),
        sender_ip: A,
        target_mac: MacAddr([0; 6]),
        target_ip: B,
    };
    let expected = [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2];
    let frame = packet(Net::Arp(arp)).emit(LinkLayer::Ethernet);
    assert_eq!(frame[12..42], [&[8, 6], &expected[..]].concat());
    assert_eq!(frame[42..], [0; 18]);
}

#[test]
fn an_echo_request_has_the_checksum_of_its_bytes() {
    let mut bytes = Vec::new();
    IcmpMessage::echo_request(0x0102, 3, Payload::from(&b"ping"[..])).emit(&mut bytes);
    assert_eq!(bytes, [8, 0, 0x18, 0x2A, 1, 2, 0, 3, b'p', b'i', b'n', b'g']);
}

#[test]
fn a_udp_checksum_that_comes_out_as_zero_is_sent_as_ffff() {
    let packet = frame(Transport::Udp(UdpHeader { src_port: 60326, dst_port: 53 }, Payload::EMPTY));
    let bytes = packet.emit(LinkLayer::RawIp);
    assert_eq!(bytes[26..28], [0xFF, 0xFF]);
    assert_eq!(Packet::parse(&bytes, LinkLayer::RawIp).map(|parsed| parsed.net), Ok(packet.net));
}

#[test]
fn a_udp_checksum_of_zero_means_that_there_is_none() {
    let packet = frame(Transport::Udp(UdpHeader { src_port: 1, dst_port: 2 }, vec![1, 2, 3].into()));
    let mut bytes = packet.emit(LinkLayer::RawIp);
    bytes[26..28].fill(0);
    assert_eq!(Packet::parse(&bytes, LinkLayer::RawIp).map(|parsed| parsed.net), Ok(packet.net));
}

#[test]
fn ipv4_options_are_skipped() {
    let mut bytes = full_frame()[14..1514].to_vec();
    // Three NOPs and the end of the list.
    bytes.splice(20..20, [1, 1, 1, 0]);
    (bytes[0], bytes[3]) = (0x46, 0xE0);
    bytes[10..12].fill(0);
    let checksum = Checksum::NONE.over(&bytes[..24]).finish();
    bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(
        Packet::parse(&bytes, LinkLayer::RawIp).map(|packet| packet.net),
        Ok(Net::Ipv4(header(), Transport::Tcp(full_segment())))
    );
}

#[test]
fn fragments_are_not_looked_into() {
    for fragment in [
        Ipv4Header { dont_fragment: false, more_fragments: true, ..header() },
        Ipv4Header { dont_fragment: false, fragment_offset: 185, ..header() },
    ] {
        let packet = packet(Net::Ipv4(fragment, Transport::Raw(Protocol::TCP, vec![7; 16].into())));
        assert_eq!(Packet::parse(&packet.emit(LinkLayer::Ethernet), LinkLayer::Ethernet), Ok(packet));
    }
}

/// The full packet with some bytes changed and the IP header's checksum made right again.
fn changed(changes: &[(usize, u8)]) -> Result<Packet, Malformed> {
    let mut bytes = full_frame()[14..1514].to_vec();
    changes.iter().for_each(|(at, value)| bytes[*at] = *value);
    bytes[10..12].fill(0);
    let checksum = Checksum::NONE.over(&bytes[..20]).finish();
    bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
    Packet::parse(&bytes, LinkLayer::RawIp)
}

#[test]
fn each_way_to_be_malformed_has_its_name() {
    assert!(changed(&[]).is_ok());
    assert_eq!(changed(&[(0, 0x55)]), Err(Malformed::Version));
    assert_eq!(changed(&[(0, 0x44)]), Err(Malformed::Length), "a header of 16 bytes");
    assert_eq!(changed(&[(2, 0), (3, 19)]), Err(Malformed::Length), "a packet shorter than its header");
    assert_eq!(changed(&[(2, 6)]), Err(Malformed::Truncated), "a packet longer than what came");
    assert_eq!(changed(&[(12, 224)]), Err(Malformed::Address), "from a multicast group");
    assert_eq!(changed(&[(36, 0)]), Err(Malformed::Checksum), "TCP's");
    assert_eq!(changed(&[(2, 0), (3, 30)]), Err(Malformed::Truncated), "half a TCP header");
    let pseudo = |len| Checksum::pseudo_ipv4(A, B, Protocol::TCP, len);
    for offset in [0x40, 0x60] {
        let mut tcp = [&TCP[..12], &[offset], &TCP[13..16], &[0; 4]].concat();
        let checksum = pseudo(20).over(&tcp).finish();
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(TcpSegment::parse(&tcp, pseudo), Err(Malformed::Length), "{offset:x}");
    }
    let mut frame = full_frame();
    frame[6] = 0x03;
    assert_eq!(Packet::parse(&frame, LinkLayer::Ethernet), Err(Malformed::Address), "from a group");
    assert_eq!(Packet::parse(&frame, LinkLayer::EthernetWithFcs), Err(Malformed::FrameCheck));
    (frame[6], frame[12], frame[13]) = (0x02, 0x88, 0x47);
    assert_eq!(Packet::parse(&frame, LinkLayer::Ethernet), Err(Malformed::Unsupported), "MPLS");
    let udp_len = |len: u8| {
        let bytes = [0, 1, 0, 2, 0, len, 0, 0, 9];
        UdpHeader::parse(&bytes, |_| Checksum::NONE).map(|(_, data)| data.len())
    };
    assert_eq!(udp_len(7), Err(Malformed::Length));
    assert_eq!(udp_len(8), Ok(0), "what follows the datagram is not its data");
    assert_eq!(udp_len(9), Ok(1));
    assert_eq!(udp_len(10), Err(Malformed::Truncated));
}

#[test]
fn a_malformed_packet_ends_under_a_cause_of_the_ledger() {
    assert_eq!(Malformed::FrameCheck.cause(), Cause::Corrupted);
    assert_eq!(Malformed::Checksum.cause(), Cause::Checksum);
    assert_eq!(Malformed::Option.cause(), Cause::Malformed);
    assert_eq!(Malformed::Truncated.to_string(), "truncated");
}

#[test]
fn an_icmp_error_quotes_header_and_eight_bytes_of_its_packet() {
    let tcp = Transport::Tcp(full_segment());
    let error = IcmpMessage::about(IcmpMessage::TIME_EXCEEDED, 0, 0, &header(), &tcp);
    assert_eq!(*error.payload.to_bytes(), full_frame()[14..42]);
    let quote = error.quote().unwrap();
    assert_eq!((quote.header, quote.protocol), (header(), Protocol::TCP));
    assert_eq!((quote.ports(), quote.seq(), quote.echo()), (Some((40000, 80)), Some(Seq(1)), None));

    let ping = IcmpMessage::echo_request(5, 6, Payload::Zeros(56));
    assert_eq!((ping.quote(), ping.echo(), ping.echo_reply().echo()), (None, Some((5, 6)), Some((5, 6))));
    let error = IcmpMessage::about(IcmpMessage::UNREACHABLE, 1, 0, &header(), &Transport::Icmp(ping));
    assert_eq!(error.quote().unwrap().echo(), Some((5, 6)));
    assert_eq!(error.quote().unwrap().ports(), None);
}

#[test]
#[should_panic(expected = "TCP options of 44 bytes, 40 is the limit")]
fn options_beyond_the_header_are_never_emitted() {
    let mut segment = full_segment();
    segment.options.mss = Some(1460);
    segment.options.timestamps = Some(Timestamps { value: 1, echo: 2 });
    segment.options.sack.extend([(Seq(1), Seq(2)); 3]);
    frame(Transport::Tcp(segment)).emit(LinkLayer::RawIp);
}
