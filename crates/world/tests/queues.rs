//! Queue disciplines on links of a network.

use tidewire_l7_application::{Bulk, Cbr, Pattern};
use tidewire_topology::{
    CeThreshold, DirectionSpec, DisciplineKind, DisciplineSpec, Framing, LinkSpec, LossModel, Plan, QueueSpec,
};
use tidewire_units::{DirId, Instant, LinkId, NodeId, Probability, Rate, Span};
use tidewire_world::{FlowId, FlowSpec, Limit, Options, Pause, Transport, World};

const FORWARD: DirId = DirId::forward(LinkId(0));

fn discipline(kind: DisciplineKind) -> DisciplineSpec {
    DisciplineSpec {
        kind,
        ecn: None,
        target: None,
        interval: None,
        thresholds: None,
        max_p: None,
        quantum: None,
        flows: None,
        ce_threshold: None,
        classes: Vec::new(),
        bucket: None,
        police: false,
    }
}

/// Measured from the third second on, when slow start is over.
fn pair(change: impl FnOnce(&mut DirectionSpec)) -> (World, NodeId, NodeId) {
    let mut spec = LinkSpec::new(Rate::from_mbps(10), Span::from_ms(20));
    spec.framing = Framing::Ip;
    change(&mut spec.forward);
    let mut plan = Plan::new();
    let (a, b) = (plan.add_host("a").unwrap(), plan.add_host("b").unwrap());
    plan.connect(a, b, spec).unwrap();
    let mut world =
        World::new(Options { check_wire: true, warmup: Span::from_secs(3), ..Options::default() });
    world.sync(&plan).unwrap();
    (world, a, b)
}

fn cbr(world: &mut World, (src, dst): (NodeId, NodeId), mbps: u64, size: u32, dscp: u8) -> FlowId {
    let name = format!("cbr {}", world.flows().len());
    let spec = FlowSpec { name, transport: Transport::Udp, cc: None, src, dst, dport: 9, tcp: None };
    let flow = world.add_flow(spec).unwrap();
    world.set_flow_dscp(flow, dscp);
    let pattern = Pattern {
        to: world.flow_endpoint(flow).unwrap(),
        rate: Rate::from_mbps(mbps),
        size: size - 28,
        start: Instant::ZERO,
        stop: Instant::ZERO + Span::from_secs(10),
        count: None,
        jitter: Span::ZERO,
    };
    world.start_flow(flow, Box::new(Cbr::new(pattern)));
    flow
}

fn bulk(world: &mut World, (src, dst): (NodeId, NodeId)) -> FlowId {
    let name = format!("bulk {}", world.flows().len());
    let cc = Some("reno".into());
    let mut tcp = (*world.tcp_config(src)).clone();
    tcp.cc = tidewire_l4_transport::CcKind::Reno;
    let spec = FlowSpec { name, transport: Transport::Tcp, cc, src, dst, dport: 80, tcp: Some(tcp.into()) };
    let flow = world.add_flow(spec).unwrap();
    let to = world.flow_endpoint(flow).unwrap();
    let stop = Instant::ZERO + Span::from_secs(10);
    world.start_flow(flow, Box::new(Bulk::new(to, None, Instant::ZERO, stop)));
    flow
}

fn run(world: &mut World) {
    let limit = Limit { until: Instant::ZERO + Span::from_secs(12), ..Limit::default() };
    assert!(matches!(world.run(&limit), Pause::TimeUp | Pause::Idle));
    world.assert_balanced();
}

/// As long as everybody sends.
fn run_busy(world: &mut World) {
    let limit = Limit { until: Instant::ZERO + Span::from_secs(10), ..Limit::default() };
    assert_eq!(world.run(&limit), Pause::TimeUp);
}

/// Mean one-way time of the flow's packets beyond `base`, in milliseconds.
fn waits(world: &World, flow: FlowId, base: f64) -> f64 {
    world.flow(flow).packet_delay().mean().unwrap() * 1e3 - base
}

/// A first-in-first-out queue is the same whether a packet's future is decided when it is offered or when it leaves.
#[test]
fn a_queue_that_is_asked_gives_what_a_queue_that_decides_gives() {
    for limit in [QueueSpec::Packets(7), QueueSpec::Packets(1), QueueSpec::Bytes(tidewire_units::Bytes(9000))]
    {
        let outcome = |asked: bool| {
            let (mut world, a, b) = pair(|direction| {
                direction.queue = limit;
                direction.loss.model = LossModel::Bernoulli(Probability::new(0.02).unwrap());
                direction.discipline = asked.then(|| Box::new(discipline(DisciplineKind::DropTail)));
            });
            let flows = [
                bulk(&mut world, (a, b)),
                cbr(&mut world, (a, b), 2, 500, 0),
                // In step with the transmitter: 1250 bytes take exactly 1 ms, and 10 Mbit/s of them come each 1 ms.
                cbr(&mut world, (a, b), 5, 1250, 0),
            ];
            run(&mut world);
            let seen = flows.map(|flow| {
                let flow = world.flow(flow);
                let (p50, p99) = (flow.packet_delay().quantile(0.5), flow.packet_delay().quantile(0.99));
                (flow.sent, flow.received, flow.packets_received, flow.packet_delay().mean(), p50, p99)
            });
            let stats = world.port(FORWARD).stats(world.now());
            (seen, stats, world.packet_hops())
        };
        assert_eq!(outcome(true), outcome(false), "{limit:?}");
    }
}

#[test]
fn codel_and_pie_hold_a_transfers_delay_near_their_targets_without_losing_goodput() {
    let of = |kind: Option<DisciplineKind>| {
        let (mut world, a, b) = pair(|direction| {
            direction.queue = QueueSpec::Packets(1000);
            direction.discipline = kind.map(|kind| Box::new(discipline(kind)));
        });
        let flow = bulk(&mut world, (a, b));
        run_busy(&mut world);
        (
            waits(&world, flow, 21.2),
            world.flow(flow).received as f64 * 8.0 / 10e6,
            world.port(FORWARD).stats(world.now()),
        )
    };
    let (bloated, most, _) = of(None);
    assert!(bloated > 300.0 && most > 8.5, "{bloated} ms, {most} Mbit/s");
    for (kind, least, longest) in [
        (DisciplineKind::Codel, 1.0, 15.0),
        (DisciplineKind::FqCodel, 1.0, 15.0),
        (DisciplineKind::Pie, 4.0, 30.0),
    ] {
        let (wait, goodput, stats) = of(Some(kind));
        assert!((least..longest).contains(&wait), "{kind:?}: {wait} ms");
        assert!(goodput > 0.85 * most, "{kind:?}: {goodput} of {most} Mbit/s");
        assert!(stats.aqm > 3 && stats.queue_full == 0, "{kind:?}: {stats:?}");
    }
}

#[test]
fn fair_queues_give_a_modest_flow_all_it_asks_for_and_no_waiting() {
    // FQ-CoDel lets a new flow go first: the packet being sent is all it waits for (1 ms). Round robin gives the other its turn as well.
    for (kind, longest) in [(DisciplineKind::FqCodel, 1.0), (DisciplineKind::Drr, 1.0 + 1.0 + 0.22)] {
        let (mut world, a, b) = pair(|direction| direction.discipline = Some(Box::new(discipline(kind))));
        let (modest, greedy) = (cbr(&mut world, (a, b), 1, 500, 0), cbr(&mut world, (a, b), 30, 1250, 0));
        run_busy(&mut world);
        let wait = waits(&world, modest, 20.4);
        assert!(wait <= longest, "{kind:?}: {wait} ms");
        let under_way = world.flow(modest).packets_sent - world.flow(modest).packets_received;
        assert!(under_way <= 6, "{under_way} under way or lost");
        let rest = world.flow(greedy).received as f64 * 8.0 / 10e6;
        assert!((8.6..9.1).contains(&rest), "{kind:?}: {rest} Mbit/s");
    }
}

#[test]
fn strict_priority_serves_expedited_traffic_first() {
    let (mut world, a, b) = pair(|direction| {
        direction.discipline = Some(Box::new(discipline(DisciplineKind::Prio)));
        direction.queue = QueueSpec::Packets(100);
    });
    let (voice, data) = (cbr(&mut world, (a, b), 1, 200, 46), cbr(&mut world, (a, b), 30, 1250, 0));
    run(&mut world);
    assert!(waits(&world, voice, 20.16) < 1.01);
    assert!(waits(&world, data, 21.0) > 90.0);
}

#[test]
fn weighted_classes_share_as_their_weights_say() {
    let mut spec = discipline(DisciplineKind::Drr);
    spec.classes = vec![3, 1];
    let (mut world, a, b) = pair(|direction| direction.discipline = Some(Box::new(spec)));
    let (first, second) = (cbr(&mut world, (a, b), 20, 1250, 46), cbr(&mut world, (a, b), 20, 700, 0));
    run_busy(&mut world);
    let of = |flow, size: f64| world.flow(flow).packets_received as f64 * size;
    let share = of(first, 1250.0) / (of(first, 1250.0) + of(second, 700.0));
    assert!((share - 0.75).abs() < 0.005, "{share}");
}

#[test]
fn a_token_bucket_shapes_to_its_rate_and_a_policer_drops_the_rest() {
    for police in [false, true] {
        let mut spec = discipline(DisciplineKind::Tbf);
        spec.bucket = Some((Rate::from_mbps(2), tidewire_units::Bytes(5000)));
        spec.police = police;
        let (mut world, a, b) = pair(|direction| {
            direction.discipline = Some(Box::new(spec));
            direction.queue = QueueSpec::Packets(50);
        });
        let flow = cbr(&mut world, (a, b), 5, 1250, 0);
        run(&mut world);
        let received = world.flow(flow).packets_received as f64;
        let stats = world.port(FORWARD).stats(world.now());
        // 200 packets a second for 10 s and the bucket's 4; shaped ones go on while the queue of 50 empties.
        let expected = if police { 2004.0 } else { 2054.0 };
        assert!((received - expected).abs() <= 2.0, "{received} of {expected}");
        assert_eq!((stats.aqm > 0, stats.queue_full > 0), (police, !police));
        assert!((waits(&world, flow, 21.0) > 200.0) != police);
    }
}

#[test]
fn step_marking_keeps_the_queue_at_its_threshold_without_a_single_drop() {
    let mut spec = discipline(DisciplineKind::DropTail);
    spec.ce_threshold = Some(CeThreshold::Packets(10));
    let (mut world, a, b) = pair(|direction| direction.discipline = Some(Box::new(spec)));
    let tcp = tidewire_l4_transport::TcpConfig {
        cc: tidewire_l4_transport::CcKind::Dctcp,
        ecn: tidewire_l4_transport::EcnMode::On,
        ..tidewire_l4_transport::TcpConfig::linux()
    };
    world.set_tcp(b, tcp.clone());
    world.set_tcp(a, tcp);
    let spec = FlowSpec {
        name: "dctcp".into(),
        transport: Transport::Tcp,
        cc: Some("dctcp".into()),
        src: a,
        dst: b,
        dport: 80,
        tcp: None,
    };
    let flow = world.add_flow(spec).unwrap();
    let to = world.flow_endpoint(flow).unwrap();
    let stop = Instant::ZERO + Span::from_secs(10);
    world.start_flow(flow, Box::new(Bulk::new(to, None, Instant::ZERO, stop)));
    run(&mut world);
    let stats = world.port(FORWARD).stats(world.now());
    assert_eq!((stats.aqm, stats.queue_full, stats.lost), (0, 0, 0));
    assert!(stats.marked > 50, "{stats:?}");
    let wait = waits(&world, flow, 21.2);
    assert!((2.0..25.0).contains(&wait), "{wait} ms");
}
