//! Switches in loops: the spanning tree at work, and the storm without one.

use tidewire_l7_application::{Cbr, Pattern};
use tidewire_topology::{LinkSpec, NodeSpec, Plan, SpanningTree, SwitchSpec};
use tidewire_units::{Instant, LinkId, NodeId, Rate, Span};
use tidewire_wire::Cause;
use tidewire_world::{FlowId, FlowSpec, Limit, Options, Pause, Transport, World};

/// A ring of four switches with a host at the first and one at the second; the first link joins these two.
fn ring(spec: &SwitchSpec) -> (World, NodeId, NodeId) {
    let mut plan = Plan::new();
    let switches: Vec<NodeId> =
        (1..=4).map(|i| plan.add(format!("s{i}"), NodeSpec::Switch(spec.clone())).unwrap()).collect();
    let link = || LinkSpec::new(Rate::from_mbps(100), Span::from_us(10));
    for i in 0..4 {
        plan.connect(switches[i], switches[(i + 1) % 4], link()).unwrap();
    }
    let (a, b) = (plan.add_host("a").unwrap(), plan.add_host("b").unwrap());
    plan.connect(a, switches[0], link()).unwrap();
    plan.connect(b, switches[1], link()).unwrap();
    let mut world = World::new(Options { check_wire: true, ..Options::default() });
    world.sync(&plan).unwrap();
    (world, a, b)
}

/// A datagram each 10 ms until `stop`.
fn cbr(world: &mut World, src: NodeId, dst: NodeId, stop: Span) -> FlowId {
    let spec =
        FlowSpec { name: "f".into(), transport: Transport::Udp, cc: None, src, dst, dport: 9, tcp: None };
    let flow = world.add_flow(spec).unwrap();
    let pattern = Pattern {
        to: world.flow_endpoint(flow).unwrap(),
        rate: Rate::from_bits_per_s(80_000).unwrap(),
        size: 100,
        start: Instant::ZERO,
        stop: Instant::ZERO + stop,
        count: None,
        jitter: Span::ZERO,
    };
    world.start_flow(flow, Box::new(Cbr::new(pattern)));
    flow
}

fn run_to(world: &mut World, at: Span) -> Pause {
    let pause = world.run(&Limit { until: Instant::ZERO + at, ..Limit::default() });
    world.assert_balanced();
    pause
}

fn ended(world: &World, cause: Cause) -> u64 {
    let entries = world.ledger().entries();
    entries.iter().filter(|(_, entry)| entry.cause == cause).map(|(_, entry)| entry.packets).sum()
}

#[test]
fn every_datagram_arrives_once_in_a_ring() {
    for stp in [SpanningTree::Auto, SpanningTree::Rstp, SpanningTree::Stp] {
        let (mut world, a, b) = ring(&SwitchSpec { stp, ..SwitchSpec::default() });
        let flow = cbr(&mut world, a, b, Span::from_secs(5));
        assert_eq!(run_to(&mut world, Span::from_secs(20)), Pause::TimeUp);
        let flow = world.flow(flow);
        assert_eq!((flow.packets_sent, flow.packets_received, flow.packets_doubled), (500, 500, 0));
        assert!(ended(&world, Cause::Blocked) > 0, "floods met the closed port");
    }
}

#[test]
fn a_run_without_a_duration_ends_although_switches_keep_greeting_each_other() {
    let (mut world, a, b) = ring(&SwitchSpec::default());
    cbr(&mut world, a, b, Span::from_secs(5));
    assert_eq!(world.run(&Limit::default()), Pause::Idle);
    assert!(world.now() < Instant::ZERO + Span::from_secs(8), "{}", world.now());
    world.assert_balanced();
}

#[test]
fn switches_without_a_loop_say_nothing() {
    let mut plan = Plan::new();
    let (s, t) = (plan.add_switch("s").unwrap(), plan.add_switch("t").unwrap());
    let (a, b) = (plan.add_host("a").unwrap(), plan.add_host("b").unwrap());
    for (x, y) in [(a, s), (s, t), (t, b)] {
        plan.connect(x, y, LinkSpec::default()).unwrap();
    }
    let mut world = World::new(Options::default());
    world.sync(&plan).unwrap();
    cbr(&mut world, a, b, Span::from_secs(5));
    run_to(&mut world, Span::from_secs(60));
    // The datagrams over three links, and ARP.
    assert_eq!(world.packet_hops(), 500 * 3 + 2 * 3);
}

#[test]
fn a_broken_link_parts_the_ring_for_as_long_as_the_protocol_takes() {
    for (stp, least, most) in [(SpanningTree::Rstp, 0.0, 0.1), (SpanningTree::Stp, 29.0, 52.0)] {
        let (mut world, a, b) = ring(&SwitchSpec { stp, ..SwitchSpec::default() });
        let flow = cbr(&mut world, a, b, Span::from_secs(70));
        run_to(&mut world, Span::from_secs(5));
        let before = world.flow(flow).packets_received;
        assert!((499..=500).contains(&before));
        world.set_link_up(LinkId(0), false);
        run_to(&mut world, Span::from_secs(75));
        let flow = world.flow(flow);
        let outage = (flow.packets_sent - flow.packets_received) as f64 / 100.0;
        assert!((least..most).contains(&outage), "{stp:?}: {outage} s");
        world.set_link_up(LinkId(0), true);
        run_to(&mut world, Span::from_secs(140));
    }
}

#[test]
fn a_tree_that_has_to_be_found_first_delays_the_first_frames() {
    let (mut world, a, b) =
        ring(&SwitchSpec { stp: SpanningTree::Stp, converge: false, ..SwitchSpec::default() });
    let flow = cbr(&mut world, a, b, Span::from_secs(60));
    run_to(&mut world, Span::from_secs(61));
    let flow = world.flow(flow);
    let outage = (flow.packets_sent - flow.packets_received) as f64 / 100.0;
    assert!((29.0..34.0).contains(&outage), "twice the forward delay: {outage} s");
}

#[test]
fn without_a_spanning_tree_a_broadcast_goes_round_and_the_storm_is_noticed() {
    let (mut world, a, b) = ring(&SwitchSpec { stp: SpanningTree::Off, ..SwitchSpec::default() });
    cbr(&mut world, a, b, Span::from_secs(60));
    let pause = world.run(&Limit::default());
    assert!(matches!(pause, Pause::Storm(_)), "{pause:?}");
    assert!(world.now() < Instant::ZERO + Span::from_secs(10), "{}", world.now());
    assert!(world.events() < 1_000_000);
    world.assert_balanced();
    assert!(world.ledger_table().rows.len() > 1, "and the books are there");
}

/// A switch without a spanning tree passes the others' protocol units on, so that one that takes part breaks the loop.
#[test]
fn a_loop_through_a_switch_without_a_tree_is_broken_by_the_other() {
    for stp in [SpanningTree::Auto, SpanningTree::Rstp] {
        let mut plan = Plan::new();
        let [a, b] = ["a", "b"].map(|name| plan.add_host(name).unwrap());
        let switch = |stp| NodeSpec::Switch(SwitchSpec { stp, ..SwitchSpec::default() });
        let [s, t] =
            [("s", SpanningTree::Off), ("t", stp)].map(|(name, stp)| plan.add(name, switch(stp)).unwrap());
        for [x, y] in [[s, t], [s, t], [a, s], [b, t]] {
            plan.connect(x, y, LinkSpec::new(Rate::from_mbps(100), Span::from_us(10))).unwrap();
        }
        let mut world = World::new(Options { check_wire: true, ..Options::default() });
        world.sync(&plan).unwrap();
        let flow = cbr(&mut world, a, b, Span::from_secs(10));
        let pause = run_to(&mut world, Span::from_secs(20));
        let flow = world.flow(flow);
        assert_eq!((flow.packets_sent, flow.packets_received), (1000, 1000), "{stp:?} {pause:?}");
    }
}
