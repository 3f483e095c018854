//! One flow and the buffer of its bottleneck.

use super::Tolerance::{Absolute, AtLeast, AtMost, UpTo};
use super::{Check, Scenario};
use crate::network::{Network, Path, at, mbps};
use tidewire_l4_transport::{CcKind, Profile, TcpConfig};
use tidewire_units::{Instant, Rate, Span};

pub(super) fn scenarios() -> Vec<Scenario> {
    let row = |row, name, source, run| Scenario { row, name, source, run };
    vec![
        row("11", "Reno's sawtooth and the buffer", "0.75 (1+b)^2 / (1+b+b^2)", sawtooth),
        row("20", "Vegas keeps 2 to 4 packets queued", "alpha 2, beta 4", vegas),
        row("15", "BBRv1 alone", "a ProbeRTT of 200 ms every 10 s", bbr_alone),
    ]
}

/// Goodput in per cent of what the link can carry, mean of packets waiting, and largest number in flight.
fn alone(path: &Path, tcp: &TcpConfig, span: (f64, f64)) -> (f64, f64, f64) {
    alone_in(path.build(tcp), path, tcp, span)
}

fn alone_in(mut net: Network, path: &Path, tcp: &TcpConfig, (warmup, end): (f64, f64)) -> (f64, f64, f64) {
    let flow = net.bulk(tcp.clone(), None, Instant::ZERO);
    net.run_until(at(warmup));
    let before = net.received(flow);
    let (mut queued, mut n, mut inflight) = (0u64, 0u64, 0u32);
    while net.world.now() < at(end) {
        net.run_until(net.world.now() + Span::from_ms(5));
        let now = net.world.now();
        queued += net.world.port_mut(net.forward).backlog(now).0 as u64;
        n += 1;
        inflight = inflight.max(net.info(flow).map_or(0, |info| info.in_flight));
    }
    let most = path.rate.bits_per_s() as f64 * 1e-6 * 1448.0 / 1500.0;
    let goodput = mbps(net.received(flow) - before, end - warmup);
    (100.0 * goodput / most, queued as f64 / n as f64, f64::from(inflight))
}

fn sawtooth(quick: bool) -> Vec<Check> {
    // A bandwidth-delay product of 100 packets.
    let (rate, rtt, pipe) = (Rate::from_mbps(24), Span::from_ms(50), 100.0);
    let all: &[(f64, f64)] =
        &[(0.0, 75.0), (0.02, 76.5), (0.1, 81.8), (0.25, 89.3), (0.5, 96.4), (0.75, 99.3), (1.0, 100.0)];
    let cases = if quick { &all[4..5] } else { all };
    cases
        .iter()
        .map(|(b, expected)| {
            // Without any place to wait, two packets that are sent together cannot both pass: they must be spread.
            let tcp = TcpConfig { cc: CcKind::Reno, pacing: *b == 0.0, ..TcpConfig::linux() };
            let path = Path::new(rate, rtt, (b * pipe) as u32);
            let (used, ..) = alone(&path, &tcp, if quick { (30.0, 90.0) } else { (60.0, 660.0) });
            Check::new(format!("buffer {b} BDP: utilisation, %"), *expected, Absolute(1.5), used)
        })
        .collect()
}

fn bbr_alone(quick: bool) -> Vec<Check> {
    // 100 Mbit/s, 40 ms, 1 BDP.
    let path = Path::new(Rate::from_mbps(100), Span::from_ms(40), 333);
    let tcp = TcpConfig { cc: CcKind::Bbr, ..TcpConfig::linux() };
    let (used, queue, inflight) = alone(&path, &tcp, if quick { (5.0, 15.0) } else { (10.0, 110.0) });
    let slow = Path::new(Rate::from_mbps(10), Span::from_ms(50), 42);
    // From 10 to 60 s, as the recordings.
    let recorded = (10.0, 60.0);
    let (_, slow_queue, _) = alone(&slow, &tcp, if quick { (5.0, 15.0) } else { recorded });
    // 10.22 packets in one recording, 10.48 in the other.
    let least = 0.245;
    let mut checks =
        vec![Check::new("10 Mbit/s, 50 ms: mean queue, BDP", least, UpTo(0.40), slow_queue / 41.7)];
    if !quick {
        for (mbps, ms, buffer, recorded_queue) in
            [(10, 100, 332, 9.50), (20, 50, 332, 11.97), (20, 100, 167, 13.69)]
        {
            let (least, largest) =
                stalling(&Path::new(Rate::from_mbps(mbps), Span::from_ms(ms), buffer), recorded);
            let case =
                |which| format!("{mbps} Mbit/s, {ms} ms, stalls: {which} mean queue of six runs, packets");
            checks.push(Check::new(case("least"), recorded_queue, AtMost, least));
            checks.push(Check::new(case("largest"), recorded_queue, AtLeast(0.0), largest));
        }
    }
    checks.extend([
        Check::new("goodput, % of the link", 96.0, AtLeast(0.0), used),
        Check::new("mean queue, BDP", least, UpTo(0.40), queue / 333.0),
        Check::new("largest flight, BDP", 2.0, AtMost, inflight / 333.0),
    ]);
    checks
}

/// Least and largest mean queue of six runs with a host that stalls. The recordings say how often theirs did, and for how long: about
/// 100 times in 60 s, 4.8 ms.
fn stalling(path: &Path, span: (f64, f64)) -> (f64, f64) {
    let tcp = TcpConfig { cc: CcKind::Bbr, ..TcpConfig::linux() };
    let one = |seed| {
        let path = Path { seed, ..path.clone() };
        let mut net = path.build(&tcp);
        let packets = (4.8e-3 * path.rate.bits_per_s() as f64 / 12_000.0).round() as u32;
        net.bunch_acks(packets, Span::from_ms(590), true);
        alone_in(net, &path, &tcp, span).1
    };
    let queues = (1..=6).map(one);
    queues.fold((f64::INFINITY, 0.0), |(least, largest), queue| (least.min(queue), largest.max(queue)))
}

fn vegas(quick: bool) -> Vec<Check> {
    let mut checks = Vec::new();
    for (profile, name) in [(Profile::Rfc, "rfc"), (Profile::Linux, "linux")] {
        let (rate, rtt) = (Rate::from_mbps(10), Span::from_ms(50));
        let path = Path::new(rate, rtt, 100);
        let tcp = TcpConfig { cc: CcKind::Vegas, profile, delayed_ack: false, ..TcpConfig::linux() };
        let mut net = path.build(&tcp);
        let flow = net.bulk(tcp, None, Instant::ZERO);
        net.run_until(at(20.0));
        // Vegas' base is the least round trip of a full packet, which takes 1.2 ms to send.
        let (packet, base) = (1.2e-3, rtt.as_secs_f64() + 1.2e-3);
        let (mut extra, mut n, mut least, mut most) = (0.0, 0u32, f64::INFINITY, 0.0f64);
        while net.world.now() < at(if quick { 40.0 } else { 120.0 }) {
            net.run_until(net.world.now() + Span::from_ms(10));
            if let Some(info) = net.info(flow) {
                (extra, n) = (extra + (info.rtt.as_secs_f64() - base) / packet, n + 1);
            }
            let diff = net.cc_state(flow, "vegas.diff").unwrap_or(f64::NAN);
            (least, most) = (least.min(diff), most.max(diff));
        }
        let queue = extra / f64::from(n);
        checks.push(Check::new(
            format!("{name}: queue as round trips show it, packets"),
            2.0,
            UpTo(4.0),
            queue,
        ));
        checks.push(Check::new(format!("{name}: least that Vegas counts, packets"), 2.0, UpTo(4.0), least));
        checks.push(Check::new(format!("{name}: most that Vegas counts, packets"), 2.0, UpTo(4.0), most));
    }
    checks
}
