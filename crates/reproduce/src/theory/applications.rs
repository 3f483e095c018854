//! Queues, fairness and many answers at once, as applications feel them; sizes of flows; the quality of calls.

use super::Tolerance::{Absolute, AtLeast, AtMost, Relative, UpTo};
use super::{Check, Scenario};
use crate::network::{at, discipline};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidewire_l4_transport::{CcKind, TcpConfig};
use tidewire_l7_application::traffic::{Cdf, Pace, Pick, Sizes, Spec};
use tidewire_l7_application::voice::{Codec, EModel, mos};
use tidewire_l7_application::{Bulk, Process, Resume, SocketApi, Wait};
use tidewire_topology::{CeThreshold, DisciplineKind, Framing, LinkSpec, Plan, QueueSpec};
use tidewire_units::{Bytes, Instant, NodeId, Rate, SocketId, Span};
use tidewire_wire::{Endpoint, Payload};
use tidewire_world::{FlowId, FlowSpec, Limit, Options, Transport, WorkloadSpec, World};

pub(super) fn scenarios() -> Vec<Scenario> {
    let row = |row, name, source, run| Scenario { row, name, source, run };
    vec![
        row("8.1", "a ping beside uploads", "base + 8 B / C; RFC 8033, 8289, 8290", bufferbloat),
        row("8.2", "two round-trip times, the queue counted", "r to r^2; RFC 9438 section 5.6: r", fairness),
        row("8.3", "a block from many servers", "D / (D / C + RTO); Vasudevan et al. 2009", incast),
        row("8.4", "mean flow sizes", "as quoted for DCTCP 2010 and VL2 2009", sizes),
        row("8.5", "quality of calls", "ITU-T G.107", calls),
    ]
}

/// A datagram of 64 bytes every so often.
struct Beat {
    to: Endpoint,
    every: Span,
    socket: Option<SocketId>,
}

impl Process for Beat {
    fn resume(&mut self, now: Instant, _: Resume, sockets: &mut dyn SocketApi) -> Wait {
        if self.socket.is_none() {
            let Ok(socket) = sockets.datagram(self.to) else { return Wait::Done };
            sockets.measure(socket);
            self.socket = Some(socket);
        }
        if let Some(socket) = self.socket {
            let _ = sockets.send_datagram(socket, Payload::Zeros(64));
        }
        Wait::Until(now + self.every)
    }
}

/// A flow's program, by its destination's endpoint.
type Program = fn(Endpoint) -> Box<dyn Process>;

fn start(world: &mut World, (src, dst): (NodeId, NodeId), tcp: Option<&TcpConfig>, what: Program) -> FlowId {
    let n = world.flows().len() as u16;
    let spec = FlowSpec {
        name: format!("f{n}"),
        transport: if tcp.is_some() { Transport::Tcp } else { Transport::Udp },
        cc: None,
        src,
        dst,
        dport: 9 + n,
        tcp: tcp.cloned().map(Arc::new),
    };
    let flow = world.add_flow(spec).expect("a free port");
    let to = world.flow_endpoint(flow).expect("it has an address");
    world.start_flow(flow, what(to));
    flow
}

fn bulk(to: Endpoint) -> Box<dyn Process> {
    Box::new(Bulk::new(to, None, Instant::ZERO, Instant::MAX))
}

/// What a ping takes beside four uploads, in ms: its median and its greatest. The uplink has 20 ms each way, and counts IP packets.
fn ping(mbps: u64, kind: DisciplineKind, queue: QueueSpec, seconds: f64) -> (f64, f64) {
    let mut plan = Plan::new();
    let [home, server] = ["home", "server"].map(|name| plan.add_host(name).expect("two names"));
    let mut link = LinkSpec::new(Rate::from_mbps(mbps), Span::from_ms(20));
    link.framing = Framing::Ip;
    link.forward.queue = queue;
    link.forward.discipline = Some(Box::new(discipline(kind)));
    plan.connect(home, server, link).expect("a possible link");
    let warmup = Span::from_secs(20);
    let mut world = World::new(Options { check_wire: false, warmup, ..Options::default() });
    world.sync(&plan).expect("a small plan");
    let tcp = TcpConfig { cc: CcKind::Cubic, ..TcpConfig::linux() };
    for _ in 0..4 {
        start(&mut world, (home, server), Some(&tcp), bulk);
    }
    let beat = |to| Box::new(Beat { to, every: Span::from_ms(210), socket: None }) as Box<dyn Process>;
    let flow = start(&mut world, (home, server), None, beat);
    world.run(&Limit { until: at(seconds), ..Limit::default() });
    // The way back is free.
    let delay = &world.flow(flow).delay;
    let whole = |s: Option<f64>| s.unwrap_or(0.0) * 1e3 + 20.0;
    (whole(delay.median()), whole(delay.max()))
}

fn bufferbloat(quick: bool) -> Vec<Check> {
    let seconds = if quick { 50.0 } else { 120.0 };
    let full = ping(1, DisciplineKind::DropTail, QueueSpec::Bytes(Bytes(256_000)), seconds).1;
    let median = |mbps, kind| ping(mbps, kind, QueueSpec::Packets(1000), seconds).0;
    vec![
        Check::new(
            "1 Mbit/s, 256 KB of drop-tail: the longest ping, ms",
            40.0 + 256.0 * 8.0 + 12.0,
            Relative(0.01),
            full,
        ),
        Check::new(
            "10 Mbit/s, codel: median ping, ms, base + 5 to 20",
            45.0,
            UpTo(60.0),
            median(10, DisciplineKind::Codel),
        ),
        // Four windows of the least size, two packets of 12 ms, are always under way.
        Check::new(
            "1 Mbit/s, codel, windows of 2 packets: median ping, ms",
            4.0 * 2.0 * 12.0,
            Relative(0.15),
            median(1, DisciplineKind::Codel),
        ),
        // What a flow of its own waits for is the rest of the packet that is being sent: half of one.
        Check::new(
            "1 Mbit/s, fq_codel: median ping, ms",
            40.0 + 0.7 + 6.0,
            Relative(0.05),
            median(1, DisciplineKind::FqCodel),
        ),
        Check::new(
            "10 Mbit/s, pie, target 15 ms: median ping, ms",
            40.0 + 15.0 + 0.7,
            Relative(0.1),
            median(10, DisciplineKind::Pie),
        ),
    ]
}

/// Two flows of 20 and 80 ms at 20 Mbit/s: the ratio of their goodputs, and that of their round-trip times with the queue.
fn two(cc: &CcKind, kind: DisciplineKind, seed: u64, end: f64) -> (f64, f64) {
    let mut plan = Plan::new();
    let names = ["near", "far", "sink"];
    let [near, far, sink] = names.map(|name| plan.add_host(name).expect("a free name"));
    let router = plan.add_router("r").expect("a free name");
    let link = |mbps, ms| LinkSpec::new(Rate::from_mbps(mbps), Span::from_ms(ms));
    plan.connect(near, router, link(1000, 5)).expect("a possible link");
    plan.connect(far, router, link(1000, 35)).expect("a possible link");
    let mut shared = link(20, 5).with_queue(QueueSpec::Packets(100));
    shared.forward.discipline = Some(Box::new(discipline(kind)));
    plan.connect(router, sink, shared).expect("a possible link");
    let warmup = Span::from_secs(20);
    let mut world = World::new(Options { seed, check_wire: false, warmup, ..Options::default() });
    world.sync(&plan).expect("a small plan");
    let tcp = TcpConfig { cc: cc.clone(), ..TcpConfig::linux() };
    let flows = [near, far].map(|src| start(&mut world, (src, sink), Some(&tcp), bulk));
    world.run(&Limit { until: at(end), ..Limit::default() });
    let [near, far] = flows.map(|flow| world.flow(flow));
    let rtt = |flow: &tidewire_world::Flow| flow.rtt.mean().unwrap_or(f64::NAN);
    (near.received_measured as f64 / far.received_measured as f64, rtt(far) / rtt(near))
}

fn fairness(quick: bool) -> Vec<Check> {
    let (seeds, end) = if quick { (3, 80.0) } else { (5, 220.0) };
    let mean = |cc: CcKind, kind: DisciplineKind| {
        let runs = (1..=seeds).map(|seed| two(&cc, kind, seed, end));
        let sums = runs.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        (sums.0 / seeds as f64, sums.1 / seeds as f64)
    };
    let (red, red_rtt) = mean(CcKind::Reno, DisciplineKind::Red);
    let (cubic, cubic_rtt) = mean(CcKind::Cubic, DisciplineKind::Red);
    let (_, tail_rtt) = mean(CcKind::Reno, DisciplineKind::DropTail);
    vec![
        Check::new("reno, red: goodput ratio by ratio of round-trip times", 1.0, UpTo(3.5), red / red_rtt),
        Check::new(
            "cubic, red: goodput ratio by ratio of round-trip times",
            1.0,
            Relative(0.2),
            cubic / cubic_rtt,
        ),
        // 100 packets of 0.6 ms, of which drop-tail keeps half and more: (80 + q) / (20 + q) for q of 30 to 60 ms.
        Check::new("reno, drop-tail of 60 ms: ratio of round-trip times", 1.75, UpTo(2.2), tail_rtt),
    ]
}

/// Blocks of 1 MB at 1 Gbit/s, without the first: goodput in per cent of the line rate, and the share of blocks that a timeout delayed.
fn blocks(servers: u32, cc: CcKind, buffer: u64, rto_min: Span, rounds: u64) -> (f64, f64) {
    let mut plan = Plan::new();
    let switch = plan.add_switch("switch").expect("a name");
    let marks = matches!(cc, CcKind::Dctcp).then_some(CeThreshold::Packets(20));
    let mut hosts = Vec::new();
    for i in 0..=servers {
        let host = plan.add_host(format!("h{i}")).expect("a free name");
        let mut link = LinkSpec::new(Rate::from_mbps(1000), Span::from_us(25));
        for direction in [&mut link.forward, &mut link.backward] {
            direction.queue = QueueSpec::Bytes(Bytes(buffer));
            direction.discipline = marks.map(|marks| {
                let mut tail = discipline(DisciplineKind::DropTail);
                tail.ce_threshold = Some(marks);
                Box::new(tail)
            });
        }
        plan.connect(host, switch, link).expect("a possible link");
        hosts.push(host);
    }
    let mut world = World::new(Options { check_wire: false, ..Options::default() });
    world.sync(&plan).expect("a small plan");
    let tcp = Some(Arc::new(TcpConfig { cc, rto_min, ..TcpConfig::linux() }));
    let clients = vec![hosts[0]];
    let spec = WorkloadSpec { name: "incast".into(), clients, servers: hosts[1..].to_vec(), port: 7000, tcp };
    let what = Spec {
        clients: 1,
        servers,
        same: false,
        pace: Pace::Closed(Span::ZERO),
        weights: Vec::new(),
        pick: Pick::Everyone,
        up: Sizes::Fixed(100.0 * f64::from(servers)),
        down: Some(Sizes::Fixed(1e6)),
        split: true,
        keep: true,
        start: Instant::ZERO,
        stop: Instant::MAX,
        count: Some(rounds + 1),
    };
    let id = world.add_workload(spec, what).expect("free ports");
    world.run(&Limit { until: at(120.0), ..Limit::default() });
    let mut times: BTreeMap<u32, f64> = BTreeMap::new();
    for one in world.workload(id).exchanges().iter().filter(|one| one.query > 0) {
        let time = one.ended.map_or(f64::INFINITY, |end| end.since(one.started).as_secs_f64());
        let longest = times.entry(one.query).or_default();
        *longest = longest.max(time);
    }
    let late = times.values().filter(|time| **time > 0.95 * rto_min.as_secs_f64() + BLOCK).count();
    let n = times.len() as f64;
    (100.0 * n * 8e-3 / times.values().sum::<f64>(), late as f64 / n)
}

/// A block with its headers and a round trip, in s.
const BLOCK: f64 = 1e6 / 1448.0 * 1538.0 * 8e-9 + 1e-4;

fn incast(quick: bool) -> Vec<Check> {
    let rounds = if quick { 10 } else { 60 };
    let (ms, small, large) = (Span::from_ms, 64 << 10, 256 << 10);
    let run = |servers, cc, buffer, rto| blocks(servers, cc, buffer, rto, rounds);
    // Goodput when this share of blocks takes a timeout longer.
    let expected = |share: f64, rto: f64| 100.0 * 8e-3 / (BLOCK + share * rto);
    let (collapsed, _) = run(64, CcKind::Reno, small, ms(200));
    let mut checks = vec![Check::new(
        "64 servers, buffer 64 KiB, timeout 200 ms: % of the line rate",
        expected(1.0, 0.2),
        Relative(0.1),
        collapsed,
    )];
    for servers in [4, 16] {
        let (goodput, share) = run(servers, CcKind::Reno, small, ms(200));
        let case = format!("{servers} servers, 64 KiB, 200 ms: goodput by that of as many timeouts");
        checks.push(Check::new(case, 1.0, Relative(0.1), goodput / expected(share, 0.2)));
    }
    let full = expected(0.0, 0.0);
    let small_timeout = run(16, CcKind::Reno, small, ms(1)).0;
    let dctcp = run(8, CcKind::Dctcp, small, ms(200)).0;
    let buffer = run(32, CcKind::Reno, large, ms(200)).0;
    checks.push(Check::new(
        "16 servers, 64 KiB, timeout 1 ms: % of the line rate",
        full,
        AtLeast(0.1),
        small_timeout,
    ));
    checks.push(Check::new(
        "8 servers, 64 KiB, 200 ms, dctcp: % of the line rate",
        full,
        AtLeast(0.05),
        dctcp,
    ));
    checks.push(Check::new("32 servers, 256 KiB, 200 ms: % of the line rate", full, AtLeast(0.05), buffer));
    checks.push(Check::new(
        "the best of these three: % of the line rate",
        full,
        AtMost,
        small_timeout.max(dctcp).max(buffer),
    ));
    checks
}

fn sizes(_: bool) -> Vec<Check> {
    let mean = |name| Cdf::published(name).map_or(0.0, |cdf| cdf.mean()) / 1e6;
    vec![
        Check::new("web search, MB", 1.6, Relative(0.08), mean("web_search")),
        Check::new("data mining, MB", 7.4, Relative(0.05), mean("data_mining")),
    ]
}

fn calls(_: bool) -> Vec<Check> {
    let ideal = EModel::default().rating().r;
    let g729 = Codec::named("g729a_vad").expect("a known codec");
    let lossy = EModel::over_packets(&g729, 0.0, 0.02, 1.0).rating();
    vec![
        Check::new("all defaults: R", 93.2, Absolute(0.05), ideal),
        Check::new("all defaults: MOS", 4.41, Absolute(0.005), mos(ideal)),
        // Ie + (95 - Ie) Ppl / (Ppl + Bpl), G.113: Ie 11, Bpl 19.
        Check::new(
            "G.729A, 2 % random loss: Ie-eff",
            11.0 + 84.0 * 2.0 / 21.0,
            Absolute(0.001),
            lossy.ie_eff,
        ),
    ]
}
