//! Links that do more than send in order at a constant rate.

use tidewire_l7_application::{Cbr, Pattern};
use tidewire_topology::{
    CorruptSpec, DirectionSpec, Framing, ImpairmentSpec, JitterShape, JitterSpec, LinkSpec, LossModel, Plan,
    QueueSpec,
};
use tidewire_units::{DirId, Instant, LinkId, NodeId, Probability, Rate, Span};
use tidewire_wire::{Birth, Cause};
use tidewire_world::{FlowId, FlowSpec, Limit, Options, Pause, Transport, World};

const FORWARD: DirId = DirId::forward(LinkId(0));

fn until(at: Span) -> Limit {
    Limit { until: Instant::ZERO + at, ..Limit::default() }
}

/// Two hosts and a link; `change` changes the direction from the first to the second.
fn pair(change: impl FnOnce(&mut DirectionSpec)) -> (World, NodeId, NodeId) {
    let mut spec = LinkSpec::new(Rate::from_mbps(10), Span::from_ms(20));
    spec.framing = Framing::Ip;
    change(&mut spec.forward);
    of(spec)
}

fn of(spec: LinkSpec) -> (World, NodeId, NodeId) {
    let mut plan = Plan::new();
    let (a, b) = (plan.add_host("a").unwrap(), plan.add_host("b").unwrap());
    plan.connect(a, b, spec).unwrap();
    let mut world = World::new(Options { check_wire: true, ..Options::default() });
    world.sync(&plan).unwrap();
    (world, a, b)
}

fn impaired(impairments: ImpairmentSpec) -> (World, NodeId, NodeId) {
    pair(|direction| direction.impairments = Some(Box::new(impairments)))
}

fn p(x: f64) -> Probability {
    Probability::new(x).unwrap()
}

/// Datagrams of `size` bytes of IP at `mbps` of IP packets.
fn cbr(world: &mut World, src: NodeId, dst: NodeId, mbps: f64, size: u32, count: u64) -> FlowId {
    let spec =
        FlowSpec { name: "f".into(), transport: Transport::Udp, cc: None, src, dst, dport: 9, tcp: None };
    let flow = world.add_flow(spec).unwrap();
    let payload = size - 28;
    let pattern = Pattern {
        to: world.flow_endpoint(flow).unwrap(),
        rate: Rate::from_bits_per_s((mbps * 1e6 * f64::from(payload) / f64::from(size)).round() as u64)
            .unwrap(),
        size: payload,
        start: Instant::ZERO,
        stop: Instant::MAX,
        count: Some(count),
        jitter: Span::ZERO,
    };
    world.start_flow(flow, Box::new(Cbr::new(pattern)));
    flow
}

fn finish(world: &mut World) {
    assert_eq!(world.run(&Limit::default()), Pause::Idle);
    world.assert_balanced();
}

fn ended(world: &World, birth: Birth, cause: Cause) -> u64 {
    let entries = world.ledger().entries();
    let entries = entries.iter().filter(|(_, entry)| entry.birth == birth && entry.cause == cause);
    entries.map(|(_, entry)| entry.packets).sum()
}

#[test]
fn row_06_noise_damages_frames_as_the_bit_error_ratio_says_and_the_frame_check_finds_them() {
    let mut spec = LinkSpec::new(Rate::from_mbps(10), Span::from_ms(1));
    let noise = ImpairmentSpec { corrupt: CorruptSpec::Bits(1e-6), ..ImpairmentSpec::default() };
    spec.forward.impairments = Some(Box::new(noise));
    let (mut world, a, b) = of(spec);
    let n = 40_000;
    cbr(&mut world, a, b, 5.0, 1500, n);
    finish(&mut world);
    let damaged = ended(&world, Birth::Sent, Cause::Corrupted);
    // A frame of 1518 bytes: 1 - (1 - 1e-6)^12144 = 1.2071 %; the standard error of 40,000 is 0.055 %.
    let share = damaged as f64 / n as f64;
    assert!((share - 0.012_071).abs() < 4.0 * 0.000_55, "{share}");
    assert_eq!(world.port(FORWARD).stats(world.now()).damaged, damaged);
}

#[test]
fn row_07_listed_frames_are_damaged_and_the_others_arrive() {
    let listed = CorruptSpec::Listed(vec![3, 7]);
    let (mut world, a, b) = impaired(ImpairmentSpec { corrupt: listed, ..ImpairmentSpec::default() });
    let flow = cbr(&mut world, a, b, 5.0, 1000, 10);
    finish(&mut world);
    assert_eq!(world.flow(flow).packets_received, 8);
    // Without frames, it is the checksum that finds the damage.
    assert_eq!(ended(&world, Birth::Sent, Cause::Checksum), 2);
}

#[test]
fn a_link_that_doubles_packets_delivers_more_than_was_sent() {
    let (mut world, a, b) = impaired(ImpairmentSpec { duplicate: p(0.25), ..ImpairmentSpec::default() });
    let flow = cbr(&mut world, a, b, 5.0, 1000, 2000);
    finish(&mut world);
    let twins = ended(&world, Birth::Duplicate, Cause::Delivered);
    assert!((400..600).contains(&twins), "{twins}");
    // A flow counts what was sent; the copies stand apart.
    assert_eq!((world.flow(flow).packets_received, world.flow(flow).packets_doubled), (2000, twins));
}

#[test]
fn packets_overtake_each_other_only_where_the_link_lets_them() {
    let jitter = |keep_order| {
        let shape = JitterShape::Uniform(Span::from_ms(10));
        let jitter = Some(JitterSpec { shape, correlation: 0.0, keep_order });
        let (mut world, a, b) = impaired(ImpairmentSpec { jitter, ..ImpairmentSpec::default() });
        let flow = cbr(&mut world, a, b, 5.0, 1000, 2000);
        finish(&mut world);
        let flow = world.flow(flow);
        assert_eq!(flow.packets_received, 2000);
        (flow.delay.mean().unwrap(), flow.delay.max().unwrap(), flow.jitter_mean().unwrap())
    };
    let (free, kept) = (jitter(false), jitter(true));
    // Serialisation of 0.8 ms and 20 ms of delay; uniform jitter adds 5 ms on average, 10 ms at most.
    assert!((free.0 - 0.0258).abs() < 0.0003 && free.1 <= 0.0308 + 1e-9, "{free:?}");
    // Nobody overtakes: a packet waits for the slowest one before it.
    assert!(kept.0 > free.0 && kept.2 < free.2, "{kept:?}");
}

#[test]
fn a_packet_that_skips_the_delay_is_early() {
    let (mut world, a, b) = impaired(ImpairmentSpec { reorder: p(0.1), ..ImpairmentSpec::default() });
    let flow = cbr(&mut world, a, b, 5.0, 1000, 1000);
    finish(&mut world);
    let delay = &world.flow(flow).delay;
    assert_eq!((delay.count(), delay.min()), (1000, Some(0.0008)));
    assert!((delay.mean().unwrap() - (0.0008 + 0.9 * 0.020)).abs() < 0.001);
}

#[test]
fn losses_come_in_bursts_of_the_length_asked_for() {
    let gilbert = LossModel::Gilbert {
        good_to_bad: p(0.01),
        bad_to_good: p(0.25),
        loss_good: Probability::ZERO,
        loss_bad: Probability::ONE,
    };
    let (mut world, a, b) = pair(|direction| direction.loss.model = gilbert);
    let n = 50_000;
    cbr(&mut world, a, b, 5.0, 200, n);
    finish(&mut world);
    let share = ended(&world, Birth::Sent, Cause::Loss) as f64 / n as f64;
    assert!((share - 0.01 / 0.26).abs() < 0.006, "{share}");
}

#[test]
fn a_slower_rate_holds_for_what_waits_and_spares_what_is_under_way() {
    let (mut world, a, b) = pair(|direction| direction.queue = QueueSpec::Packets(100));
    // 20 packets of 1250 bytes at twice the link's rate: one takes 1 ms, and half of them wait.
    let flow = cbr(&mut world, a, b, 20.0, 1250, 20);
    world.run(&until(Span::from_us(9_600)));
    world.set_rate_and_delay(FORWARD, Some(Rate::from_mbps(1)), None);
    finish(&mut world);
    // Ten packets have begun by then and arrive as ever; the other ten take 10 ms each.
    let flow = world.flow(flow);
    assert_eq!(flow.packets_received, 20);
    let last = flow.last_received.unwrap();
    assert_eq!(last, Instant::ZERO + Span::from_ms(10 + 10 * 10 + 20));
}

#[test]
fn a_shorter_delay_lets_nobody_overtake() {
    let (mut world, a, b) = pair(|_| {});
    let flow = cbr(&mut world, a, b, 5.0, 1250, 10);
    world.run(&until(Span::from_ms(9)));
    world.set_rate_and_delay(FORWARD, None, Some(Span::from_ms(1)));
    finish(&mut world);
    let flow = world.flow(flow);
    assert_eq!(flow.packets_received, 10);
    // Sent every 2 ms; the fifth begins at 8 ms and arrives at 29 ms, the others behind it.
    assert!((flow.delay.max().unwrap() - 0.021).abs() < 1e-9);
    assert!(flow.last_received.unwrap() >= Instant::ZERO + Span::from_ms(29));
}

#[test]
fn a_recorded_link_delivers_at_the_recorded_times() {
    // Two packets each 4 ms: 6 Mbit/s.
    let (mut world, a, b) = pair(|direction| direction.trace = Some([2, 4].into()));
    let flow = cbr(&mut world, a, b, 12.0, 1500, 3000);
    world.run(&until(Span::from_secs(2)));
    let received = world.flow(flow).packets_received;
    // One packet each 2 ms, from 2 ms on, after 20 ms of delay; what would arrive at 2 s is not there yet.
    assert_eq!(received, (2000 - 20) / 2 - 1);
    // Small packets share an opportunity: 1500 bytes take five of 300.
    let (mut world, a, b) = pair(|direction| direction.trace = Some([2, 4].into()));
    let flow = cbr(&mut world, a, b, 12.0, 300, 15_000);
    world.run(&until(Span::from_secs(2)));
    assert_eq!(world.flow(flow).packets_received, 5 * ((2000 - 20) / 2 - 1));
    world.assert_balanced();
}

#[test]
fn what_waits_for_a_recorded_link_goes_down_with_it() {
    let (mut world, a, b) = pair(|direction| direction.trace = Some([100].into()));
    cbr(&mut world, a, b, 12.0, 1500, 50);
    world.run(&until(Span::from_ms(250)));
    world.assert_balanced();
    world.set_link_up(LinkId(0), false);
    finish(&mut world);
    assert!(ended(&world, Birth::Sent, Cause::LinkDown) > 40);
}
