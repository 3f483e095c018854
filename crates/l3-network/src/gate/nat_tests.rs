//! Translation, packet by packet.

use super::*;

const OUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const TYPES: [&str; 4] = ["full_cone", "restricted", "port_restricted", "symmetric"];

fn at(s: u64) -> Instant {
    Instant::ZERO + Span::from_secs(s)
}

fn end(last: u8, port: u16) -> Endpoint {
    Endpoint::new(Ipv4Addr::new(10, 0, 0, last), port)
}

fn peer(last: u8, port: u16) -> Endpoint {
    Endpoint::new(Ipv4Addr::new(198, 51, 100, last), port)
}

fn packet(protocol: Protocol, src: Endpoint, dst: Endpoint) -> Subject {
    Subject { flow: FlowKey { protocol: protocol.0, src, dst }, nature: Nature::Plain, len: 100 }
}

fn udp(src: Endpoint, dst: Endpoint) -> Subject {
    packet(Protocol::UDP, src, dst)
}

fn segment(src: Endpoint, dst: Endpoint, flags: TcpFlags) -> Subject {
    Subject { nature: Nature::Tcp(flags), ..packet(Protocol::TCP, src, dst) }
}

fn nat(kind: &str) -> Nat {
    Nat::new(NatConfig::of_type(kind).unwrap(), &[])
}

fn port_of(nat: &mut Nat, src: Endpoint, dst: Endpoint, s: u64) -> Result<u16, Untranslated> {
    nat.outbound(&udp(src, dst), OUTER, at(s)).map(|new| new.flow.src.port)
}

fn inner_of(nat: &mut Nat, from: Endpoint, port: u16, s: u64) -> Result<Endpoint, Untranslated> {
    nat.inbound(&udp(from, Endpoint::new(OUTER, port)), at(s)).map(|new| new.flow.dst)
}

#[test]
fn cones_keep_one_mapping_for_all_peers_and_symmetric_ones_make_one_for_each() {
    for kind in TYPES {
        let mut nat = nat(kind);
        let ports: Vec<u16> = [peer(1, 1000), peer(1, 1001), peer(2, 1000), peer(1, 1000)]
            .into_iter()
            .map(|to| port_of(&mut nat, end(2, 5000), to, 0).unwrap())
            .collect();
        assert_eq!(ports[0], 5000, "{kind} keeps the port");
        let same = ports.iter().all(|port| *port == 5000);
        assert_eq!(same, kind != "symmetric", "{kind}: {ports:?}");
        assert_eq!(ports[0], ports[3]);
    }
}

#[test]
fn who_may_answer_depends_on_the_type() {
    // The peer itself, another port of it, another host.
    for (kind, open) in TYPES.into_iter().zip([
        [true, true, true],
        [true, true, false],
        [true, false, false],
        [true, false, false],
    ]) {
        let mut nat = nat(kind);
        let port = port_of(&mut nat, end(2, 5000), peer(1, 1000), 0).unwrap();
        for (from, open) in [peer(1, 1000), peer(1, 1001), peer(2, 1000)].into_iter().zip(open) {
            let expected = if open { Ok(end(2, 5000)) } else { Err(Untranslated::Filtered) };
            assert_eq!(inner_of(&mut nat, from, port, 1), expected, "{kind} {from}");
        }
        assert_eq!(inner_of(&mut nat, peer(1, 1000), 7, 1), Err(Untranslated::NoMapping));
    }
}

#[test]
fn two_hosts_with_one_port_get_two_of_the_same_parity() {
    let mut nat = nat("full_cone");
    assert_eq!(port_of(&mut nat, end(2, 5001), peer(1, 1), 0), Ok(5001));
    let second = port_of(&mut nat, end(3, 5001), peer(1, 1), 0).unwrap();
    assert!(second != 5001 && second % 2 == 1, "{second}");
    assert_eq!(inner_of(&mut nat, peer(1, 1), second, 0), Ok(end(3, 5001)));
}

#[test]
fn only_what_leaves_keeps_a_mapping_of_udp_alive() {
    let mut nat = nat("restricted");
    port_of(&mut nat, end(2, 5000), peer(1, 1), 0).unwrap();
    assert!(inner_of(&mut nat, peer(1, 1), 5000, 299).is_ok());
    assert_eq!(inner_of(&mut nat, peer(1, 1), 5000, 300), Err(Untranslated::NoMapping));
    port_of(&mut nat, end(2, 5000), peer(1, 1), 300).unwrap();
    port_of(&mut nat, end(2, 5000), peer(2, 1), 500).unwrap();
    // The mapping lives on for the second peer; the first may no longer use it.
    assert_eq!(inner_of(&mut nat, peer(1, 1), 5000, 601), Err(Untranslated::Filtered));
    assert!(inner_of(&mut nat, peer(2, 1), 5000, 601).is_ok());
}

#[test]
fn a_port_whose_mapping_has_ended_belongs_to_one_host_only() {
    for kind in TYPES {
        let mut nat = nat(kind);
        let server = peer(1, 9);
        assert_eq!(port_of(&mut nat, end(2, 5001), server, 0), Ok(5001));
        assert_eq!(port_of(&mut nat, end(3, 5001), server, 1000), Ok(5001), "{kind}: free again");
        let other = port_of(&mut nat, end(2, 5001), server, 1001).unwrap();
        assert_ne!(other, 5001, "{kind}");
        assert_eq!(inner_of(&mut nat, server, other, 1002), Ok(end(2, 5001)), "{kind}");
        assert_eq!(inner_of(&mut nat, server, 5001, 1002), Ok(end(3, 5001)), "{kind}");
        assert_eq!(nat.rows(at(1002)).len(), 2, "{kind}");
    }
}

#[test]
fn ports_run_out_and_come_back() {
    let mut config = NatConfig::of_type("symmetric").unwrap();
    config.ports = (2000, 2002);
    let mut nat = Nat::new(config, &[]);
    let mut ports: Vec<u16> =
        (1..=3).map(|n| port_of(&mut nat, end(n, 5000), peer(1, 1), 0).unwrap()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [2000, 2001, 2002]);
    assert_eq!(port_of(&mut nat, end(4, 5000), peer(1, 1), 299), Err(Untranslated::NoPort));
    assert!(port_of(&mut nat, end(4, 5000), peer(1, 1), 300).is_ok());
    assert_eq!(nat.rows(at(300)).len(), 1);
}

#[test]
fn a_connection_keeps_its_mapping_for_hours_and_gives_it_up_minutes_after_its_end() {
    let mut nat = nat("port_restricted");
    let (inner, outside) = (end(2, 5000), peer(1, 80));
    let outer = Endpoint::new(OUTER, 5000);
    let leaves =
        |nat: &mut Nat, flags, s| nat.outbound(&segment(inner, outside, flags), OUTER, at(s)).is_ok();
    let comes = |nat: &mut Nat, flags, s| nat.inbound(&segment(outside, outer, flags), at(s)).is_ok();
    assert!(leaves(&mut nat, TcpFlags::SYN, 0));
    assert!(comes(&mut nat, TcpFlags::SYN | TcpFlags::ACK, 0));
    assert!(leaves(&mut nat, TcpFlags::ACK, 0));
    assert_eq!(nat.rows(at(0))[0].states, ["established"]);
    // What comes in keeps it alive as well.
    assert!(comes(&mut nat, TcpFlags::ACK, 7000) && comes(&mut nat, TcpFlags::ACK, 14_000));
    assert!(leaves(&mut nat, TcpFlags::FIN | TcpFlags::ACK, 14_000));
    assert!(comes(&mut nat, TcpFlags::FIN | TcpFlags::ACK, 14_000));
    assert_eq!(nat.rows(at(14_000))[0].states, ["closed"]);
    assert!(comes(&mut nat, TcpFlags::ACK, 14_200) && !comes(&mut nat, TcpFlags::ACK, 14_441));
}

#[test]
fn echoes_are_told_apart_by_their_identifier() {
    let mut nat = nat("restricted");
    let ask = |host, id| packet(Protocol::ICMP, end(host, id), peer(1, 0));
    let ids: Vec<u16> = [(2, 7), (3, 7)]
        .into_iter()
        .map(|(host, id)| nat.outbound(&ask(host, id), OUTER, at(0)).unwrap().flow.src.port)
        .collect();
    assert!(ids[0] == 7 && ids[1] != 7);
    for (host, id) in [(2, ids[0]), (3, ids[1])] {
        let answer = packet(Protocol::ICMP, peer(1, 0), Endpoint::new(OUTER, id));
        assert_eq!(nat.inbound(&answer, at(1)).unwrap().flow.dst, end(host, 7));
    }
    let request = packet(Protocol::ICMP, peer(1, 99), Endpoint::new(OUTER, 0));
    assert_eq!(nat.inbound(&request, at(1)), Err(Untranslated::NoMapping));
}

#[test]
fn errors_from_anywhere_about_a_packet_that_left_find_their_way() {
    let mut nat = nat("symmetric");
    let left = nat.outbound(&udp(end(2, 5000), peer(1, 53)), OUTER, at(0)).unwrap();
    let router = peer(200, 0);
    let error = |about| Subject {
        nature: Nature::Error(about),
        ..packet(Protocol::ICMP, router, Endpoint::new(OUTER, 0))
    };
    let came = nat.inbound(&error(left.flow), at(1)).unwrap();
    assert_eq!(came.flow.dst, Endpoint::new(end(2, 0).addr, 0));
    assert_eq!(came.quoted, Some(udp(end(2, 5000), peer(1, 53)).flow));
    let other = FlowKey { dst: peer(9, 53), ..left.flow };
    assert_eq!(nat.inbound(&error(other), at(1)), Err(Untranslated::Filtered));
}

#[test]
fn an_error_about_a_packet_that_came_in_names_the_outer_address() {
    let mut nat = nat("full_cone");
    port_of(&mut nat, end(2, 5000), peer(1, 53), 0).unwrap();
    let about = udp(peer(1, 53), end(2, 5000)).flow;
    let error = Subject { nature: Nature::Error(about), ..packet(Protocol::ICMP, end(2, 0), peer(1, 0)) };
    let left = nat.outbound(&error, OUTER, at(1)).unwrap();
    assert_eq!(left.flow.src, Endpoint::new(OUTER, 0));
    assert_eq!(left.quoted.unwrap().dst, Endpoint::new(OUTER, 5000));
}

#[test]
fn a_forwarded_port_is_open_to_all_and_answers_come_from_it() {
    let forward = PortForward { protocol: Protocol::UDP.0, port: 8080, to: end(2, 80) };
    let mut nat = Nat::new(NatConfig::of_type("symmetric").unwrap(), &[forward]);
    assert_eq!(inner_of(&mut nat, peer(1, 1234), 8080, 0), Ok(end(2, 80)));
    assert_eq!(port_of(&mut nat, end(2, 80), peer(1, 1234), 0), Ok(8080));
    assert_eq!(inner_of(&mut nat, peer(1, 1234), 8080, 1_000_000), Ok(end(2, 80)));
}

#[test]
fn neighbours_reach_each_other_by_their_outer_address_if_hairpinning_is_on() {
    for on in [true, false] {
        let mut config = NatConfig::of_type("full_cone").unwrap();
        config.hairpin = on;
        let mut nat = Nat::new(config, &[]);
        port_of(&mut nat, end(2, 5000), peer(1, 53), 0).unwrap();
        let sent = udp(end(3, 6000), Endpoint::new(OUTER, 5000));
        assert!(nat.leads_inside(&sent, at(1)));
        let expected = FlowKey { src: Endpoint::new(OUTER, 6000), dst: end(2, 5000), ..sent.flow };
        let result = nat.hairpin(&sent, OUTER, at(1)).map(|new| new.flow);
        assert_eq!(result, if on { Ok(expected) } else { Err(Untranslated::Filtered) });
    }
}

/// Two peers behind translators send to each other's mapping with a third party, again and again: who gets through?
#[test]
fn hole_punching_fails_only_with_a_symmetric_translator_and_one_that_looks_at_ports() {
    for first in TYPES {
        for second in TYPES {
            let (mut a, mut b) = (nat(first), nat(second));
            let meet = peer(9, 3478);
            let outers = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
            let inner = end(2, 5000);
            let seen = |nat: &mut Nat, outer| nat.outbound(&udp(inner, meet), outer, at(0)).unwrap().flow.src;
            let mut targets = [seen(&mut a, outers[0]), seen(&mut b, outers[1])];
            let mut direct = [false; 2];
            for s in 1..6 {
                for who in 0..2 {
                    let (own, other) = if who == 0 { (&mut a, &mut b) } else { (&mut b, &mut a) };
                    let left = own.outbound(&udp(inner, targets[1 - who]), outers[who], at(s)).unwrap();
                    if let Ok(came) = other.inbound(&Subject { flow: left.flow, ..udp(inner, inner) }, at(s))
                    {
                        // Answers go to where packets come from.
                        targets[who] = came.flow.src;
                        direct[1 - who] = true;
                    }
                }
            }
            let looks_at_ports = |kind: &str| matches!(kind, "port_restricted" | "symmetric");
            let fails = (first == "symmetric" && looks_at_ports(second))
                || (second == "symmetric" && looks_at_ports(first));
            assert_eq!(direct, [!fails; 2], "{first} and {second}");
        }
    }
}
