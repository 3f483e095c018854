//! Several flows at one bottleneck.

use super::Tolerance::{AtLeast, AtMost, UpTo};
use super::{Check, Scenario};
use crate::network::{Path, at};
use std::sync::Arc;
use tidewire_l4_transport::{CcKind, TcpConfig};
use tidewire_l7_application::Bulk;
use tidewire_topology::{Framing, HostSpec, LinkSpec, NodeSpec, Plan, Processing, QueueSpec};
use tidewire_units::{Instant, Purpose, Rate, Span};
use tidewire_world::{FlowSpec, Limit, Options, Transport, World};

pub(super) fn scenarios() -> Vec<Scenario> {
    let row = |row, name, source, run| Scenario { row, name, source, run };
    vec![
        row("21", "ten flows share a link", "Jain's index", ten_flows),
        row("22", "two flows of different round-trip times", "r to r^2; CUBIC 1 to r", two_rtts),
    ]
}

fn ten_flows(quick: bool) -> Vec<Check> {
    let (rate, seeds) = if quick { (20, 1) } else { (100, 3) };
    let jain = |cc: CcKind| {
        let one = |seed| {
            let rtt = Span::from_ms(40);
            let pipe = rate as f64 * 1e6 * 0.04 / 12_000.0;
            let mut path = Path::new(Rate::from_mbps(rate), rtt, pipe.round() as u32);
            path = Path { processing: Span::from_us(100), seed, ..path };
            let tcp = TcpConfig { cc: cc.clone(), ..TcpConfig::linux() };
            let mut net = path.build(&tcp);
            let mut starts = net.world.streams().stream(Purpose::Script, "starts");
            let flows: Vec<_> = (0..10)
                .map(|_| {
                    let start = Span::from_ps(starts.between(0, Span::from_secs(5).as_ps()));
                    net.bulk(tcp.clone(), None, Instant::ZERO + start)
                })
                .collect();
            net.run_until(at(10.0));
            let before: Vec<u64> = flows.iter().map(|flow| net.received(*flow)).collect();
            net.run_until(at(110.0));
            let got: Vec<f64> = flows
                .iter()
                .zip(before)
                .map(|(flow, before)| (net.received(*flow) - before) as f64)
                .collect();
            let (sum, squares) = (got.iter().sum::<f64>(), got.iter().map(|x| x * x).sum::<f64>());
            sum * sum / (10.0 * squares)
        };
        (1..=seeds).map(one).sum::<f64>() / seeds as f64
    };
    vec![
        Check::new("cubic: index", 0.95, AtLeast(0.0), jain(CcKind::Cubic)),
        Check::new("reno: index", 0.97, AtLeast(0.0), jain(CcKind::Reno)),
    ]
}

/// Goodput of the nearer by that of the farther of two flows.
fn ratio(cc: CcKind, (mbps, queue): (u64, u32), seed: u64, (warmup, end): (f64, f64)) -> f64 {
    let mut plan = Plan::new();
    let host = |plan: &mut Plan, name: &str| {
        let processing = Processing::Uniform(Span::ZERO, Span::from_us(100));
        plan.add(name, NodeSpec::Host(HostSpec { processing, ..HostSpec::default() })).expect("a free name")
    };
    let [near, far, sink] = ["near", "far", "sink"].map(|name| host(&mut plan, name));
    let router = plan.add_router("r").expect("a free name");
    let link = |mbps, ms, queue| {
        let framing = Framing::Ip;
        LinkSpec {
            framing,
            ..LinkSpec::new(Rate::from_mbps(mbps), Span::from_ms(ms)).with_queue(QueueSpec::Packets(queue))
        }
    };
    // Round trips of 20 and 80 ms.
    plan.connect(near, router, link(1000, 5, 1000)).expect("a possible link");
    plan.connect(far, router, link(1000, 35, 1000)).expect("a possible link");
    plan.connect(router, sink, link(mbps, 5, queue)).expect("a possible link");
    let mut world = World::new(Options { seed, check_wire: false, ..Options::default() });
    world.sync(&plan).expect("a small plan");
    let tcp = Arc::new(TcpConfig { cc, ..TcpConfig::linux() });
    let flows = [near, far].map(|src| {
        let (name, transport) = (format!("from {}", plan.node(src).name), Transport::Tcp);
        let spec = FlowSpec { name, transport, cc: None, src, dst: sink, dport: 9, tcp: Some(tcp.clone()) };
        let flow = world.add_flow(spec).expect("port 9 is a sink");
        let to = world.flow_endpoint(flow).expect("it has an address");
        world.start_flow(flow, Box::new(Bulk::new(to, None, Instant::ZERO, Instant::MAX)));
        flow
    });
    world.run(&Limit { until: at(warmup), ..Limit::default() });
    let before = flows.map(|flow| world.flow(flow).received);
    world.run(&Limit { until: at(end), ..Limit::default() });
    let after = flows.map(|flow| world.flow(flow).received);
    (after[0] - before[0]) as f64 / (after[1] - before[1]) as f64
}

fn two_rtts(quick: bool) -> Vec<Check> {
    let (span, seeds) = if quick { ((10.0, 60.0), 2) } else { ((20.0, 320.0), 5) };
    let mean = |cc: CcKind, link, seeds: u64| {
        (1..=seeds).map(|seed| ratio(cc.clone(), link, seed, span)).sum::<f64>() / seeds as f64
    };
    // The ratio is 4 as long as the queue is short: 10 ms. "At low loss", CUBIC is not as Reno is: on a fast link.
    let reno = mean(CcKind::Reno, (20, 16), seeds);
    let mut checks = vec![Check::new("reno, 20 Mbit/s, queue 16: goodput ratio", 4.0, UpTo(16.0), reno)];
    if !quick {
        let case = |mbps| format!("cubic, {mbps} Mbit/s, queue of 10 ms: goodput ratio");
        checks.push(Check::new(case(200), 4.0, AtMost, mean(CcKind::Cubic, (200, 160), 2)));
        checks.push(Check::new(case(20), 4.0, AtMost, mean(CcKind::Cubic, (20, 16), seeds)));
    }
    checks
}
