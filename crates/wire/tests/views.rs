//! Lines of text, layers, capture files.

mod common;

use common::*;
use proptest::prelude::*;
use std::net::Ipv4Addr;
use tidewire_units::Instant;
use tidewire_wire::*;

fn tcp(segment: TcpSegment) -> String {
    frame(Transport::Tcp(TcpSegment { src_port: 1234, dst_port: 80, ..segment })).to_string()
}

#[test]
fn tcp_prints_as_tcpdump_prints_it() {
    let options = TcpOptions {
        mss: Some(1460),
        sack_permitted: true,
        timestamps: Some(Timestamps { value: 7, echo: 0 }),
        window_scale: Some(9),
        ..TcpOptions::default()
    };
    let syn = TcpSegment { flags: TcpFlags::SYN, window: 65535, options, ..TcpSegment::default() };
    assert_eq!(
        tcp(syn.clone()),
        "IP 10.0.0.1.1234 > 10.0.0.2.80: Flags [S], seq 0, win 65535, \
         options [mss 1460,sackOK,TS val 7 ecr 0,nop,wscale 9], length 0"
    );
    let plain = TcpOptions { timestamps: None, ..syn.options.clone() };
    assert_eq!(
        tcp(TcpSegment { options: plain, flags: TcpFlags::SYN | TcpFlags::ACK, ack: Seq(1), ..syn }),
        "IP 10.0.0.1.1234 > 10.0.0.2.80: Flags [S.], seq 0, ack 1, win 65535, \
         options [mss 1460,nop,nop,sackOK,nop,wscale 9], length 0"
    );
    assert_eq!(
        tcp(full_segment()),
        "IP 10.0.0.1.1234 > 10.0.0.2.80: Flags [P.], seq 1:1461, ack 1, win 65535, length 1460"
    );
    let mut ack = TcpSegment { flags: TcpFlags::ACK, ack: Seq(9), ..TcpSegment::default() };
    ack.options.timestamps = Some(Timestamps { value: 8, echo: 7 });
    ack.options.sack.extend([(Seq(20), Seq(30)), (Seq(40), Seq(50))]);
    assert_eq!(
        tcp(ack),
        "IP 10.0.0.1.1234 > 10.0.0.2.80: Flags [.], ack 9, win 0, \
         options [nop,nop,TS val 8 ecr 7,nop,nop,sack 2 {20:30}{40:50}], length 0"
    );
}

#[test]
fn other_packets_print_as_tcpdump_prints_them() {
    let line = |transport| frame(transport).to_string();
    let ask = ArpPacket {
        operation: ArpOperation::Request,
        sender_mac: MacKey(1).mac(),
        sender_ip: A,
        target_mac: MacAddr([0; 6]),
        target_ip: B,
    };
    assert_eq!(packet(Net::Arp(ask)).to_string(), "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28");
    let answer = ArpPacket { operation: ArpOperation::Reply, ..ask };
    assert_eq!(
        packet(Net::Arp(answer)).to_string(),
        "ARP, Reply 10.0.0.1 is-at 02:00:00:00:00:01, length 28"
    );
    let udp = UdpHeader { src_port: 53, dst_port: 5000 };
    assert_eq!(
        line(Transport::Udp(udp, Payload::Zeros(512))),
        "IP 10.0.0.1.53 > 10.0.0.2.5000: UDP, length 512"
    );
    let ping = IcmpMessage::echo_request(1, 2, Payload::Zeros(56));
    assert_eq!(
        line(Transport::Icmp(ping.echo_reply())),
        "IP 10.0.0.1 > 10.0.0.2: ICMP echo reply, id 1, seq 2, length 64"
    );
    assert_eq!(
        line(Transport::Icmp(ping)),
        "IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 1, seq 2, length 64"
    );
    assert_eq!(
        line(Transport::Raw(Protocol(89), Payload::Zeros(44))),
        "IP 10.0.0.1 > 10.0.0.2: ip-proto-89, length 44"
    );
    let fragment = Ipv4Header { more_fragments: true, fragment_offset: 185, ..header() };
    assert_eq!(
        packet(Net::Ipv4(fragment, Transport::Raw(Protocol::UDP, Payload::Zeros(1480)))).to_string(),
        "IP 10.0.0.1 > 10.0.0.2: UDP, fragment of id 4660, bytes 1480:2960+, length 1480"
    );
}

#[test]
fn icmp_errors_name_what_they_are_about() {
    let far = Ipv4Header { dst: Ipv4Addr::new(192, 0, 2, 9), ..header() };
    let probe = Transport::Udp(UdpHeader { src_port: 4, dst_port: 33434 }, Payload::EMPTY);
    let line = |kind, code, rest| IcmpMessage::about(kind, code, rest, &far, &probe).to_string();
    assert_eq!(line(11, 0, 0), "ICMP time exceeded in-transit, length 36");
    assert_eq!(line(11, 1, 0), "ICMP ip reassembly time exceeded, length 36");
    assert_eq!(line(3, 0, 0), "ICMP net 192.0.2.9 unreachable, length 36");
    assert_eq!(line(3, 1, 0), "ICMP host 192.0.2.9 unreachable, length 36");
    assert_eq!(line(3, 2, 0), "ICMP 192.0.2.9 protocol 17 unreachable, length 36");
    assert_eq!(line(3, 3, 0), "ICMP 192.0.2.9 udp port 33434 unreachable, length 36");
    assert_eq!(line(3, 4, 1400), "ICMP 192.0.2.9 unreachable - need to frag (mtu 1400), length 36");
    assert_eq!(line(3, 13, 0), "ICMP host 192.0.2.9 unreachable - admin prohibited filter, length 36");
}

#[test]
fn row_2_each_layer_knows_its_size() {
    let sizes = |packet: &Packet, link| -> Vec<(u8, &str, usize)> {
        packet.layers(link).iter().map(|layer| (layer.osi, layer.pdu.label(), layer.total_len)).collect()
    };
    let packet = frame(Transport::Tcp(full_segment()));
    assert_eq!(
        sizes(&packet, LinkLayer::Ethernet),
        [(7, "data", 1460), (4, "segment", 1480), (3, "packet", 1500), (2, "frame", 1518), (1, "bits", 1538)]
    );
    assert_eq!(
        sizes(&packet, LinkLayer::RawIp),
        [(7, "data", 1460), (4, "segment", 1480), (3, "packet", 1500), (1, "bits", 1500)]
    );
    let lone_ack = frame(Transport::Tcp(TcpSegment { flags: TcpFlags::ACK, ..TcpSegment::default() }));
    assert_eq!(
        sizes(&lone_ack, LinkLayer::EthernetWithFcs),
        [(4, "segment", 20), (3, "packet", 40), (2, "frame", 64), (1, "bits", 84)]
    );
    let lines: Vec<String> = packet.layers(LinkLayer::Ethernet).iter().map(Layer::to_string).collect();
    assert_eq!(
        lines,
        [
            "L7 data      1460 bytes",
            "L4 segment   1480 bytes = 20 TCP + 1460  40000 > 80: Flags [P.], seq 1:1461, ack 1, win 65535, length 1460",
            "L3 packet    1500 bytes = 20 IPv4 + 1480  10.0.0.1 > 10.0.0.2, ttl 64, id 4660, DF",
            "L2 frame     1518 bytes = 14 Ethernet + 1500 + 4  02:00:00:00:00:01 > 02:00:00:00:00:02",
            "L1 bits      1538 bytes = 8 preamble + 1518 + 12",
        ]
    );
}

proptest! {
    #[test]
    fn the_layers_of_a_packet_add_up(packet in any_packet()) {
        let layers = packet.layers(LinkLayer::Ethernet);
        let mut inner = 0;
        for layer in &layers {
            let own = if layer.pdu == Pdu::Data { layer.total_len } else { layer.header_len + layer.trailer_len };
            prop_assert_eq!(layer.total_len, inner + own);
            inner = layer.total_len;
        }
        let frame = layers.iter().rfind(|layer| layer.pdu == Pdu::Frame).unwrap();
        prop_assert_eq!(frame.total_len, packet.emit(LinkLayer::EthernetWithFcs).len());
        prop_assert!(!packet.to_string().contains('\n'));
    }

    #[test]
    fn a_capture_file_gives_back_what_was_written(
        packets in proptest::collection::vec((any_packet(), 0..2u32, any::<u32>(), "[ -~é]{0,20}"), 0..8),
        snaplen in prop_oneof![Just(0u32), 1..200u32],
    ) {
        let mut writer = PcapngWriter::new(Vec::new(), "test").unwrap();
        prop_assert_eq!(writer.add_interface("a-b", LinkLayer::Ethernet, snaplen).unwrap(), 0);
        prop_assert_eq!(writer.add_interface("b-é", LinkLayer::EthernetWithFcs, 0).unwrap(), 1);
        for (packet, interface, ns, comment) in &packets {
            let time = Instant::from_ps(u64::from(*ns) * 1_000_000 + 999);
            writer.write_packet(*interface, time, packet, comment).unwrap();
        }
        let file = writer.finish().unwrap();
        let capture = read_pcapng(&file).unwrap();
        prop_assert_eq!(&capture.interfaces[0].name, "a-b");
        prop_assert_eq!(capture.interfaces[0].snaplen, snaplen);
        prop_assert_eq!(&capture.interfaces[1].name, "b-é");
        prop_assert_eq!(capture.interfaces[1].link, LinkLayer::EthernetWithFcs);
        prop_assert_eq!(capture.packets.len(), packets.len());
        for ((packet, interface, ns, comment), captured) in packets.iter().zip(&capture.packets) {
            let link = capture.interfaces[captured.interface].link;
            let bytes = packet.emit(link);
            let kept = if *interface == 0 && snaplen > 0 { bytes.len().min(snaplen as usize) } else { bytes.len() };
            prop_assert_eq!(captured.interface, *interface as usize);
            prop_assert_eq!(captured.time.as_ps(), u64::from(*ns) * 1_000_000);
            prop_assert_eq!(&captured.bytes, &bytes[..kept]);
            prop_assert_eq!(captured.original_len as usize, bytes.len());
            prop_assert_eq!(&captured.comment, comment);
        }
    }

    #[test]
    fn a_damaged_capture_file_never_panics(
        packet in any_packet(),
        cut: prop::sample::Index,
        changes in proptest::collection::vec(any::<(prop::sample::Index, u8)>(), 0..6),
    ) {
        let mut writer = PcapngWriter::new(Vec::new(), "test").unwrap();
        writer.add_interface("a", LinkLayer::Ethernet, 0).unwrap();
        writer.write_packet(0, Instant::ZERO, &packet, "note").unwrap();
        let mut file = writer.finish().unwrap();
        let whole = file.len();
        for (at, value) in &changes {
            let at = at.index(whole);
            file[at] = *value;
        }
        let _ = read_pcapng(&file);
        file.truncate(cut.index(whole));
        let _ = read_pcapng(&file);
    }
}

#[test]
fn a_capture_of_bare_ip_packets_and_of_nothing_can_be_read() {
    assert_eq!(read_pcapng(&[]), Ok(Capture::default()));
    assert_eq!(read_pcapng(b"this is not a capture file......"), Err(Malformed::Truncated));
    let mut writer = PcapngWriter::new(Vec::new(), "test").unwrap();
    let raw = writer.add_interface("tun", LinkLayer::RawIp, 0).unwrap();
    let packet = frame(Transport::Tcp(full_segment()));
    writer.write_packet(raw, Instant::from_ps(5_000), &packet, "dropped: queue_full").unwrap();
    let file = writer.finish().unwrap();
    let capture = read_pcapng(&file).unwrap();
    let captured = &capture.packets[0];
    assert_eq!((captured.time.as_ns(), captured.comment.as_str()), (5, "dropped: queue_full"));
    assert_eq!(Packet::parse(&captured.bytes, capture.interfaces[0].link).unwrap().net, packet.net);
    assert_eq!(read_pcapng(&file[..file.len() - 1]), Err(Malformed::Truncated));
    assert_eq!(file[..12], [0x0A, 0x0D, 0x0D, 0x0A, 40, 0, 0, 0, 0x4D, 0x3C, 0x2B, 0x1A]);
}

#[test]
fn a_comment_that_is_too_long_is_cut_between_characters() {
    let mut writer = PcapngWriter::new(Vec::new(), "test").unwrap();
    writer.add_interface("a", LinkLayer::RawIp, 0).unwrap();
    writer.write_bytes(0, Instant::ZERO, &[1, 2, 3], &"é".repeat(40_000)).unwrap();
    let capture = read_pcapng(&writer.finish().unwrap()).unwrap();
    assert_eq!(capture.packets[0].comment, "é".repeat(32_767));
}
