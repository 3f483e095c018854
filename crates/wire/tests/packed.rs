//! Packing loses nothing, copies share nothing, slots are recycled.

mod common;

use common::*;
use proptest::prelude::*;
use std::net::Ipv4Addr;
use tidewire_units::Instant;
use tidewire_wire::*;

proptest! {
    #[test]
    fn a_packed_packet_unpacks_to_itself(packet in packable(), flow_hash: u32, ps: u64) {
        let mut packets = Packets::new();
        let hot = packets.insert_packet(&packet, flow_hash, Instant::from_ps(ps)).unwrap();
        prop_assert_eq!(packets.unpack(&hot), packet.clone());
        prop_assert_eq!(usize::from(hot.len), packet.net.wire_len());
        prop_assert_eq!(packets.check_wire(&hot, LinkLayer::Ethernet), Ok(()));
        prop_assert_eq!(packets.check_wire(&hot, LinkLayer::EthernetWithFcs), Ok(()));
        match &packet.net {
            Net::Arp(_) | Net::Bpdu(_) | Net::Pause(_) => {
                prop_assert!(packets.check_wire(&hot, LinkLayer::RawIp).is_err());
            }
            Net::Ipv4(_, transport) | Net::Ipv6(_, transport) => {
                prop_assert_eq!(hot.flow_hash, flow_hash);
                prop_assert_eq!(packets.check_wire(&hot, LinkLayer::RawIp), Ok(()));
                prop_assert_eq!(packets.payload(&hot).len(), payload_len(transport));
                if let Transport::Tcp(segment) = transport {
                    prop_assert_eq!(packets.tcp(&hot), Some(segment.clone()));
                }
            }
        }
        packets.release(hot);
        prop_assert_eq!(packets.in_flight(), 0);
    }

    #[test]
    fn an_ipv6_packet_unpacks_to_itself(net in ipv6(), flow_hash: u32) {
        let packet = frame(Transport::Tcp(full_segment()));
        let packet = Packet { net, ..packet };
        let mut packets = Packets::new();
        let hot = packets.insert_packet(&packet, flow_hash, Instant::ZERO).unwrap();
        prop_assert_eq!(packets.unpack(&hot), packet.clone());
        prop_assert_eq!(usize::from(hot.len), packet.net.wire_len());
        for link in [LinkLayer::Ethernet, LinkLayer::EthernetWithFcs, LinkLayer::RawIp] {
            prop_assert_eq!(packets.check_wire(&hot, link), Ok(()));
        }
        packets.release(hot);
        prop_assert_eq!(packets.in_flight(), 0);
    }

    #[test]
    fn the_sending_time_is_kept_where_there_is_room(mut segment in segment(), ps: u64) {
        let mut packets = Packets::new();
        let room = segment.options.sack.len() < 3;
        let hot = packets.insert_tcp(&header(), &mut segment, 0, Instant::from_ps(ps));
        prop_assert_eq!(packets.sent_at(&hot), room.then_some(Instant::from_ps(ps)));
    }
}

fn payload_len(transport: &Transport) -> usize {
    match transport {
        Transport::Tcp(segment) => segment.payload.len(),
        Transport::Icmp(message) => message.payload.len(),
        Transport::Udp(_, payload) | Transport::Raw(_, payload) => payload.len(),
    }
}

#[test]
fn a_copy_lives_on_when_its_original_ends() {
    let mut packets = Packets::new();
    let packet = frame(Transport::Tcp(full_segment()));
    let hot = packets.insert_packet(&packet, 7, Instant::ZERO).unwrap();
    let copy = packets.copy(&hot, Birth::Duplicate);
    packets.body_mut(&hot).src = B;
    assert_eq!(packets.release(hot), Birth::Sent);
    let other =
        packets.insert_packet(&frame(Transport::Raw(Protocol(99), vec![1; 99].into())), 0, Instant::ZERO);
    assert_eq!(packets.unpack(&copy), packet);
    assert_eq!(packets.release(copy), Birth::Duplicate);
    packets.release(other.unwrap());
    assert_eq!(packets.in_flight(), 0);
}

#[test]
fn released_slots_are_used_again_last_in_first_out() {
    let mut packets = Packets::new();
    let insert = |packets: &mut Packets| packets.insert_tcp(&header(), &mut full_segment(), 0, Instant::ZERO);
    let (first, second) = (insert(&mut packets), insert(&mut packets));
    packets.release(first);
    packets.release(second);
    assert_eq!(insert(&mut packets).body, second.body);
    assert_eq!(insert(&mut packets).body, first.body);
}

#[test]
fn what_cannot_be_packed_is_refused() {
    let refused = |packet: &Packet| {
        let mut packets = Packets::new();
        let hot = packets.insert_packet(packet, 0, Instant::ZERO);
        assert_eq!(packets.in_flight(), 0);
        hot.is_none()
    };
    let good = frame(Transport::Tcp(full_segment()));
    assert!(refused(&Packet { dst_mac: MacAddr([1, 0, 0x5E, 0x80, 0, 1]), ..good.clone() }));
    let fragment = Ipv4Header { more_fragments: true, ..header() };
    assert!(refused(&packet(Net::Ipv4(fragment, Transport::Tcp(full_segment())))));
    assert!(refused(&frame(Transport::Raw(Protocol(99), Payload::Zeros(65516)))));
    let reserved = Ipv4Header { dst: Ipv4Addr::new(240, 0, 0, 1), ..header() };
    assert!(refused(&packet(Net::Ipv4(reserved, Transport::Tcp(full_segment())))));
    assert!(
        Packets::new()
            .insert_packet(&frame(Transport::Raw(Protocol(99), Payload::Zeros(65515))), 0, Instant::ZERO)
            .is_some()
    );
    let mut both = full_segment();
    both.options.mss = Some(1460);
    both.options.sack.push((Seq(1), Seq(2)));
    assert!(refused(&frame(Transport::Tcp(both))));
    let mut crowded = full_segment();
    crowded.options.timestamps = Some(Timestamps { value: 1, echo: 2 });
    crowded.options.sack.extend([(Seq(1), Seq(2)); 4]);
    assert!(refused(&frame(Transport::Tcp(crowded))));
}

#[test]
fn what_a_hop_changes_shows_in_every_header() {
    let mut packets = Packets::new();
    let mut hot = packets.insert_packet(&frame(Transport::Tcp(full_segment())), 0, Instant::ZERO).unwrap();
    (hot.ttl, hot.src_mac, hot.dst_mac) = (63, MacKey(8), MacKey(9));
    hot.set_ecn(Ecn::Congestion);
    let expected = Packet {
        src_mac: MacKey(8).mac(),
        dst_mac: MacKey(9).mac(),
        vlan: None,
        net: Net::Ipv4(
            Ipv4Header { ttl: 63, ecn: Ecn::Congestion, ..header() },
            Transport::Tcp(full_segment()),
        ),
    };
    assert_eq!(packets.unpack(&hot), expected);
    assert_eq!(packets.check_wire(&hot, LinkLayer::Ethernet), Ok(()));
}

#[test]
fn the_wire_check_finds_a_packet_that_bytes_cannot_carry() {
    let mut packets = Packets::new();
    let mut late_mss = full_segment();
    late_mss.options.mss = Some(1460);
    let hot = packets.insert_tcp(&header(), &mut late_mss, 0, Instant::ZERO);
    assert!(packets.check_wire(&hot, LinkLayer::Ethernet).unwrap_err().contains("became"));
    let mut hot = packets.insert_tcp(&header(), &mut full_segment(), 0, Instant::ZERO);
    hot.len -= 1;
    assert!(packets.check_wire(&hot, LinkLayer::Ethernet).unwrap_err().contains("1499 bytes"));
}
