//! Queueing theory: Poisson arrivals at a link.

use super::Tolerance::{Absolute, Relative};
use super::{Check, Scenario};
use crate::network::Path;
use tidewire_l4_transport::TcpConfig;
use tidewire_l7_application::{Process, Resume, SocketApi, Wait};
use tidewire_metrics::student_t_quantile;
use tidewire_units::{Instant, Rate, SocketId, Span};
use tidewire_wire::{Endpoint, Payload};
use tidewire_world::Transport;

pub(super) fn scenarios() -> Vec<Scenario> {
    let row = |row, name, source, run| Scenario { row, name, source, run };
    vec![
        row("23", "wait for a server, times exponential, M/M/1", "rho / (1 - rho)", mm1),
        row("24", "wait for a link, packets of one size, M/D/1", "rho / (2 (1 - rho))", md1),
        row("25", "loss at a small buffer, M/M/1/K", "(1 - rho) rho^K / (1 - rho^(K+1))", mm1k),
    ]
}

/// Datagrams at random times, of one size or of random sizes.
struct Poisson {
    to: Endpoint,
    mean: Span,
    /// Mean bytes of an IP packet.
    size: f64,
    exponential: bool,
    socket: Option<SocketId>,
    due: Instant,
}

/// IP and UDP headers, in bytes.
const HEADERS: f64 = 28.0;

fn exponential(mean: f64, sockets: &mut dyn SocketApi) -> f64 {
    let uniform = (sockets.random() >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
    -mean * libm::log1p(-uniform)
}

impl Process for Poisson {
    fn resume(&mut self, now: Instant, why: Resume, sockets: &mut dyn SocketApi) -> Wait {
        if self.socket.is_none() {
            let Ok(socket) = sockets.datagram(self.to) else { return Wait::Done };
            sockets.measure(socket);
            (self.socket, self.due) = (Some(socket), now);
        }
        if let (Some(socket), Resume::Timer) = (self.socket, why) {
            let bytes = if self.exponential { exponential(self.size, sockets) } else { self.size };
            let payload = (bytes - HEADERS).round().clamp(0.0, 65_507.0);
            let _ = sockets.send_datagram(socket, Payload::Zeros(payload as u32));
        }
        self.due += Span::from_secs_f64(exponential(self.mean.as_secs_f64(), sockets));
        Wait::Until(self.due)
    }
}

/// Packets of exponential size with a mean of 4000 bytes: their times at the link are those of the server.
fn mm1(quick: bool) -> Vec<Check> {
    waits(&[(0.5, 1.0), (0.8, 4.0), (0.9, 9.0), (0.95, 19.0)], 4000.0, true, quick)
}

fn md1(quick: bool) -> Vec<Check> {
    waits(&[(0.5, 0.5), (0.8, 2.0), (0.9, 4.5), (0.95, 9.5)], 1000.0, false, quick)
}

/// A packet of mean size takes a millisecond.
fn waits(cases: &[(f64, f64)], size: f64, exponential: bool, quick: bool) -> Vec<Check> {
    let cases = &cases[..if quick { 1 } else { 4 }];
    let service = 1e-3;
    let rate = Rate::from_bits_per_s((size * 8.0 / service) as u64).expect("not zero");
    let one = |rho: f64, expected: f64| {
        let mut path = Path::new(rate, Span::ZERO, u32::MAX);
        path.mtu = u16::MAX;
        let mut net = path.build(&TcpConfig::linux());
        let flow = net.flow(Transport::Udp, None);
        let to = net.world.flow_endpoint(flow).expect("B has an address");
        let mean = Span::from_secs_f64(service / rho);
        let source = Poisson { to, mean, size, exponential, socket: None, due: Instant::ZERO };
        net.world.start_flow(flow, Box::new(source));
        // Batches of many busy periods, until the interval is narrow enough.
        let batch = Span::from_secs_f64(if quick { 4.0 } else { 4.0 / ((1.0 - rho) * (1.0 - rho)) });
        let (mut means, mut last) = (Vec::new(), (0.0, 0u64));
        net.run_until(net.world.now() + batch);
        loop {
            let delay = &net.world.flow(flow).delay;
            let now = (delay.sum(), delay.count());
            if last.1 > 0 {
                means.push(((now.0 - last.0) / (now.1 - last.1) as f64 - service) / service);
            }
            last = now;
            let (mean, half) = interval(&means);
            if (means.len() >= 30 && half <= 0.02 * mean) || means.len() >= 4000 {
                // The formula must lie inside the interval, and the interval be narrow.
                let case = format!("rho {rho}: wait in service times (99 % interval +-{half:.4})");
                return Check::new(case, expected, Absolute(half.min(0.02 * mean)), mean);
            }
            net.run_until(net.world.now() + batch);
        }
    };
    cases.iter().map(|(rho, expected)| one(*rho, *expected)).collect()
}

/// Mean, and half the width of its 99 % interval.
fn interval(means: &[f64]) -> (f64, f64) {
    let n = means.len() as f64;
    if n < 2.0 {
        return (0.0, f64::INFINITY);
    }
    let mean = means.iter().sum::<f64>() / n;
    let variance = means.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    (mean, student_t_quantile(0.995, n - 1.0) * (variance / n).sqrt())
}

/// Packets of exponential size with a mean of 8000 bytes, so that headers and the largest size hardly matter.
fn mm1k(quick: bool) -> Vec<Check> {
    let all: &[(f64, u32, f64)] = &[
        (0.8, 5, 0.0888),
        (0.8, 10, 0.0235),
        (0.8, 20, 0.00233),
        (0.95, 5, 0.146),
        (0.95, 10, 0.0694),
        (0.95, 20, 0.0272),
    ];
    let cases = if quick { &all[3..4] } else { all };
    cases
        .iter()
        .map(|(rho, places, expected)| {
            // K counts the packet being sent.
            let mut path = Path::new(Rate::from_mbps(64), Span::ZERO, places - 1);
            path.mtu = u16::MAX;
            let mut net = path.build(&TcpConfig::linux());
            let flow = net.flow(Transport::Udp, None);
            let to = net.world.flow_endpoint(flow).expect("B has an address");
            let mean = Span::from_secs_f64(1e-3 / rho);
            let source =
                Poisson { to, mean, size: 8000.0, exponential: true, socket: None, due: Instant::ZERO };
            net.world.start_flow(flow, Box::new(source));
            // Enough losses that three standard errors are below the tolerance.
            let packets = if quick { 200_000.0 } else { 60_000.0 / expected };
            net.run_until(net.world.now() + Span::from_secs_f64(packets * 1e-3 / rho));
            let stats = net.world.port(net.forward).stats(net.world.now());
            let lost = stats.queue_full as f64 / (stats.queue_full + stats.tx_packets) as f64;
            Check::new(format!("rho {rho}, K {places}: loss"), *expected, Relative(0.03), lost)
        })
        .collect()
}
