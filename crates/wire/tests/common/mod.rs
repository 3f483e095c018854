//! Random packets such as the simulator makes, and a few fixed ones.
#![allow(dead_code, reason = "each test file uses its own part")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};
use tidewire_wire::*;

pub const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// A header from [`A`] to [`B`] with nothing unusual.
pub fn header() -> Ipv4Header {
    Ipv4Header {
        src: A,
        dst: B,
        ttl: 64,
        ident: 0x1234,
        dscp: 0,
        ecn: Ecn::NotCapable,
        dont_fragment: true,
        more_fragments: false,
        fragment_offset: 0,
    }
}

/// A frame from the first interface to the second.
pub fn frame(transport: Transport) -> Packet {
    packet(Net::Ipv4(header(), transport))
}

pub fn packet(net: Net) -> Packet {
    Packet { src_mac: MacKey(1).mac(), dst_mac: MacKey(2).mac(), vlan: None, net }
}

/// 1460 bytes from port 40000 to port 80.
pub fn full_segment() -> TcpSegment {
    TcpSegment {
        src_port: 40000,
        dst_port: 80,
        seq: Seq(1),
        ack: Seq(1),
        flags: TcpFlags::PSH | TcpFlags::ACK,
        window: 65535,
        payload: Payload::from((0..1460).map(|i| (i % 251) as u8).collect::<Vec<u8>>()),
        ..TcpSegment::default()
    }
}

pub fn mac() -> impl Strategy<Value = MacAddr> {
    any::<[u8; 6]>().prop_map(MacAddr)
}

pub fn unicast_mac() -> impl Strategy<Value = MacAddr> {
    any::<[u8; 6]>().prop_map(|[first, rest @ ..]| {
        let [a, b, c, d, e] = rest;
        MacAddr([first & !1, a, b, c, d, e])
    })
}

pub fn key() -> impl Strategy<Value = MacKey> {
    prop_oneof![Just(MacKey::BROADCAST), Just(MacKey::ZERO), any::<u32>().prop_map(MacKey)]
}

pub fn addr() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from_bits).prop_filter("no key", |addr| !AddressBook::is_v6(*addr))
}

pub fn host_addr() -> impl Strategy<Value = Ipv4Addr> {
    addr().prop_filter("one host's", |addr| !addr.is_multicast() && !addr.is_broadcast())
}

pub fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        (0..2000u32).prop_map(Payload::Zeros),
        vec(any::<u8>(), 0..64).prop_map(Payload::from),
        vec(any::<u8>(), 0..2000).prop_map(Payload::from),
    ]
}

pub fn whole_header() -> impl Strategy<Value = Ipv4Header> {
    (host_addr(), addr(), any::<u8>(), any::<u16>(), 0..64u8, 0..4u8, any::<bool>()).prop_map(
        |(src, dst, ttl, ident, dscp, ecn, dont_fragment)| Ipv4Header {
            src,
            dst,
            ttl,
            ident,
            dscp,
            ecn: Ecn::from_bits(ecn),
            dont_fragment,
            more_fragments: false,
            fragment_offset: 0,
        },
    )
}

pub fn fragment_header() -> impl Strategy<Value = Ipv4Header> {
    (whole_header(), any::<bool>(), 0..0x2000u16).prop_map(|(header, more, offset)| Ipv4Header {
        more_fragments: more || offset == 0,
        fragment_offset: offset,
        ..header
    })
}

pub fn options(syn: bool) -> BoxedStrategy<TcpOptions> {
    let stamps = option::of(any::<(u32, u32)>());
    if syn {
        let fields = (option::of(any::<u16>()), option::of(any::<u8>()), any::<bool>(), stamps);
        fields
            .prop_map(|(mss, window_scale, sack_permitted, stamps)| TcpOptions {
                mss,
                window_scale,
                sack_permitted,
                timestamps: stamps.map(|(value, echo)| Timestamps { value, echo }),
                sack: SackBlocks::new(),
            })
            .boxed()
    } else {
        (stamps, vec(any::<(u32, u32)>(), 0..=4))
            .prop_map(|(stamps, blocks)| TcpOptions {
                timestamps: stamps.map(|(value, echo)| Timestamps { value, echo }),
                sack: blocks
                    .into_iter()
                    .take(if stamps.is_some() { 3 } else { 4 })
                    .map(|(left, right)| (Seq(left), Seq(right)))
                    .collect(),
                ..TcpOptions::default()
            })
            .boxed()
    }
}

pub fn segment() -> impl Strategy<Value = TcpSegment> {
    let flags = any::<u8>().prop_map(TcpFlags);
    let flags_and_options = flags.prop_flat_map(|flags| (Just(flags), options(flags.syn())));
    (any::<(u16, u16, u32, u32, u16)>(), flags_and_options, payload()).prop_map(
        |((src_port, dst_port, seq, ack, window), (flags, options), payload)| TcpSegment {
            src_port,
            dst_port,
            seq: Seq(seq),
            ack: Seq(ack),
            flags,
            window,
            options,
            payload,
        },
    )
}

pub fn udp() -> impl Strategy<Value = UdpHeader> {
    any::<(u16, u16)>().prop_map(|(src_port, dst_port)| UdpHeader { src_port, dst_port })
}

pub fn icmp() -> impl Strategy<Value = IcmpMessage> {
    (any::<(u8, u8, u32)>(), payload()).prop_map(|((kind, code, rest), payload)| IcmpMessage {
        kind,
        code,
        rest,
        payload,
    })
}

pub fn arp() -> impl Strategy<Value = ArpPacket> {
    (any::<bool>(), unicast_mac(), addr(), mac(), addr()).prop_map(
        |(asks, sender_mac, sender_ip, target_mac, target_ip)| ArpPacket {
            operation: if asks { ArpOperation::Request } else { ArpOperation::Reply },
            sender_mac,
            sender_ip,
            target_mac,
            target_ip,
        },
    )
}

pub fn bpdu() -> impl Strategy<Value = Bpdu> {
    let body = (any::<(u8, u64, u32, u64, u16)>(), any::<[u16; 4]>());
    let body = body.prop_map(|((flags, root, root_cost, bridge, port), times)| BpduBody {
        flags: BpduFlags(flags),
        root: BridgeId(root),
        root_cost,
        bridge: BridgeId(bridge),
        port,
        message_age: times[0],
        max_age: times[1],
        hello_time: times[2],
        forward_delay: times[3],
    });
    prop_oneof![body.clone().prop_map(Bpdu::Config), body.prop_map(Bpdu::Rapid), Just(Bpdu::TopologyChange)]
}

pub fn ip() -> impl Strategy<Value = Net> {
    let known = |protocol| [Protocol::ICMP, Protocol::TCP, Protocol::UDP].contains(&protocol);
    let unknown = any::<u8>().prop_map(Protocol).prop_filter("unknown", move |protocol| !known(*protocol));
    let protocol = any::<u8>().prop_map(Protocol);
    prop_oneof![
        4 => (whole_header(), segment()).prop_map(|(header, tcp)| Net::Ipv4(header, Transport::Tcp(tcp))),
        2 => (whole_header(), udp(), payload())
            .prop_map(|(header, udp, payload)| Net::Ipv4(header, Transport::Udp(udp, payload))),
        1 => (whole_header(), icmp()).prop_map(|(header, icmp)| Net::Ipv4(header, Transport::Icmp(icmp))),
        1 => (whole_header(), unknown, payload())
            .prop_map(|(header, protocol, payload)| Net::Ipv4(header, Transport::Raw(protocol, payload))),
        1 => (fragment_header(), protocol, payload())
            .prop_map(|(header, protocol, payload)| Net::Ipv4(header, Transport::Raw(protocol, payload))),
    ]
}

pub fn v6_header() -> impl Strategy<Value = Ipv6Header> {
    let host =
        any::<u128>().prop_map(Ipv6Addr::from_bits).prop_filter("a host's", |addr| !addr.is_multicast());
    (host.clone(), host, any::<u8>(), 0..64u8, 0..4u8, 0..0x10_0000u32).prop_map(
        |(src, dst, hop_limit, dscp, ecn, flow_label)| Ipv6Header {
            src,
            dst,
            hop_limit,
            dscp,
            ecn: Ecn::from_bits(ecn),
            flow_label,
            fragment: None,
        },
    )
}

pub fn ipv6() -> impl Strategy<Value = Net> {
    let known = |protocol| [Protocol::ICMPV6, Protocol::TCP, Protocol::UDP, Protocol(44)].contains(&protocol);
    let unknown = any::<u8>().prop_map(Protocol).prop_filter("unknown", move |protocol| !known(*protocol));
    let fragment = (any::<bool>(), 1..0x2000u16, any::<u16>())
        .prop_map(|(more, offset, ident)| FragmentHeader { more, offset, ident: u32::from(ident) });
    prop_oneof![
        2 => (v6_header(), segment()).prop_map(|(header, tcp)| Net::Ipv6(header, Transport::Tcp(tcp))),
        2 => (v6_header(), udp(), payload())
            .prop_map(|(header, udp, payload)| Net::Ipv6(header, Transport::Udp(udp, payload))),
        2 => (v6_header(), icmp()).prop_map(|(header, icmp)| Net::Ipv6(header, Transport::Icmp(icmp))),
        1 => (v6_header(), unknown.clone(), payload())
            .prop_map(|(header, protocol, payload)| Net::Ipv6(header, Transport::Raw(protocol, payload))),
        1 => (v6_header(), fragment, unknown, payload()).prop_map(|(header, fragment, protocol, payload)| {
            Net::Ipv6(Ipv6Header { fragment: Some(fragment), ..header }, Transport::Raw(protocol, payload))
        }),
    ]
}

pub fn net() -> impl Strategy<Value = Net> {
    let pause = any::<u16>().prop_map(|quanta| Net::Pause(PauseFrame { quanta }));
    prop_oneof![12 => ip(), 2 => arp().prop_map(Net::Arp), 2 => bpdu().prop_map(Net::Bpdu), 1 => pause]
}

/// Any frame.
pub fn any_packet() -> impl Strategy<Value = Packet> {
    let tag = (0..8u8, any::<bool>(), 0..4095u16).prop_map(|(priority, drop_eligible, number)| VlanTag {
        priority,
        drop_eligible,
        vlan: VlanId::new(number),
    });
    (unicast_mac(), mac(), proptest::option::of(tag), net())
        .prop_map(|(src_mac, dst_mac, vlan, net)| Packet { src_mac, dst_mac, vlan, net })
}

/// A frame between interfaces of a simulated network.
pub fn packable() -> impl Strategy<Value = Packet> {
    let sender = key().prop_filter("one interface's", |key| !key.mac().is_group());
    let vlan = proptest::option::of((1..4095u16).prop_map(|n| VlanTag::of(VlanId::new(n).unwrap())));
    (sender, key(), vlan, net()).prop_map(|(src, dst, vlan, net)| Packet {
        src_mac: src.mac(),
        dst_mac: dst.mac(),
        vlan,
        net,
    })
}
