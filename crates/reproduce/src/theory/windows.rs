//! The congestion window under losses at regular distances.

use super::Tolerance::{Absolute, Relative};
use super::{Check, Scenario};
use crate::network::{Network, Path};
use tidewire_l4_transport::{CcKind, TcpConfig};
use tidewire_node::SocketView;
use tidewire_topology::{LossModel, LossSpec, Match};
use tidewire_units::{Instant, Rate, Span};
use tidewire_world::FlowId;

pub(super) fn scenarios() -> Vec<Scenario> {
    let row = |row, name, source, run| Scenario { row, name, source, run };
    vec![
        row("1", "Reno, a loss every 1/p packets", "sqrt(3/(2p)), sqrt(8/(3p))", reno),
        row("2", "Reno, every second packet acknowledged", "sqrt(3/(4p))", reno_delayed),
        row("6", "CUBIC, a loss every 1/p packets, RTT 100 ms", "RFC 9438 table 1", cubic_100ms),
        row("7", "CUBIC, a loss every 1/p packets, RTT 10 ms", "RFC 9438 table 2", cubic_10ms),
        row("8", "CUBIC with other constants", "RFC 9438 table 1", |_| {
            vec![Check::not_yet("C 0.04 and 4", "the constant C as an option")]
        }),
        row("9", "loss rate for a window", "RFC 9438 table 3", loss_for_a_window),
        row("10", "CUBIC returns to its window after K", "K = cbrt(Wmax (1 - beta) / C)", cubic_returns),
        row("12", "CUBIC's mean window", "0.925 Wmax", cubic_mean),
    ]
}

/// A sender's window over whole cycles: mean over time, and largest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub mean: f64,
    pub largest: f64,
}

/// A link that is never the limit: what is sent in a round trip leaves at once.
pub(super) fn wide_link(rtt: Span) -> Path {
    Path::new(Rate::from_mbps(1_000_000), rtt, 10_000_000)
}

/// Runs a flow that loses every `every`-th packet, and looks at its window between two numbers of losses. One loss more ends slow start
/// near `about`, so that few cycles are needed until they repeat themselves.
fn window(tcp: &TcpConfig, rtt: Span, every: u64, about: f64, losses: (u64, u64)) -> Window {
    let path = wide_link(rtt);
    let mut net = path.build(tcp);
    let data = |model| LossSpec { model, among: Match::Data };
    let models = [data(LossModel::Every(every)), data(LossModel::Listed(vec![about as u64]))];
    net.world.set_losses(net.forward, &models);
    let flow = net.bulk(tcp.clone(), None, Instant::ZERO);
    let step = Span::from_ps(rtt.as_ps() / 20);
    let (mut sum, mut n, mut largest) = (0.0, 0u64, 0.0f64);
    loop {
        net.run_until(net.world.now() + step);
        let lost = net.world.port(net.forward).stats().lost;
        if lost >= losses.1 || net.world.now() > crate::network::at(100_000.0) {
            return Window { mean: sum / n as f64, largest };
        }
        if lost >= losses.0 {
            let cwnd = cwnd(&net, flow);
            (sum, n, largest) = (sum + cwnd, n + 1, largest.max(cwnd));
        }
    }
}

fn cwnd(net: &Network, flow: FlowId) -> f64 {
    net.info(flow).map_or(0.0, |info| f64::from(info.snd_cwnd))
}

fn tcp(cc: CcKind) -> TcpConfig {
    // No limit but the congestion window.
    let huge = 1 << 40;
    TcpConfig { cc, sndbuf: Some(huge), rcvbuf: Some(1 << 30), hystart: false, ..TcpConfig::linux() }
}

fn cycles(quick: bool) -> (u64, u64) {
    if quick { (20, 40) } else { (20, 100) }
}

fn reno(quick: bool) -> Vec<Check> {
    let tcp = TcpConfig { delayed_ack: false, ..tcp(CcKind::Reno) };
    let cases: &[(f64, f64, f64)] = &[(1e-2, 12.25, 16.3), (1e-3, 38.7, 51.6), (1e-4, 122.5, 163.3)];
    let cases = &cases[..if quick { 2 } else { 3 }];
    cases
        .iter()
        .flat_map(|(p, mean, largest)| {
            let got = window(&tcp, Span::from_ms(100), (1.0 / p).round() as u64, *mean, cycles(quick));
            [
                Check::new(format!("p {p}: mean window, packets"), *mean, Relative(0.05), got.mean),
                Check::new(format!("p {p}: largest window, packets"), *largest, Relative(0.05), got.largest),
            ]
        })
        .collect()
}

fn reno_delayed(quick: bool) -> Vec<Check> {
    let tcp = TcpConfig { profile: tidewire_l4_transport::Profile::Rfc, ..tcp(CcKind::Reno) };
    let cases: &[(f64, f64)] = &[(1e-2, 8.66), (1e-3, 27.4), (1e-4, 86.6)];
    let cases = &cases[..if quick { 2 } else { 3 }];
    cases
        .iter()
        .map(|(p, mean)| {
            let got = window(&tcp, Span::from_ms(100), (1.0 / p).round() as u64, *mean, cycles(quick));
            Check::new(format!("p {p}: mean window, packets"), *mean, Relative(0.07), got.mean)
        })
        .collect()
}

fn cubic(rtt_ms: u64, cases: &[(f64, f64)], quick: bool) -> Vec<Check> {
    let tcp = TcpConfig { delayed_ack: false, ..tcp(CcKind::Cubic) };
    let possible = cases.iter().filter(|(p, _)| !quick || *p >= 1e-3);
    possible
        .map(|(p, mean)| {
            // Of millions of packets for a loss, some cycles must do.
            let losses = if *p < 5e-5 { (8, 20) } else { cycles(quick) };
            let got = window(&tcp, Span::from_ms(rtt_ms), (1.0 / p).round() as u64, *mean, losses);
            Check::new(format!("p {p:e}: mean window, packets"), *mean, Relative(0.08), got.mean)
        })
        .collect()
}

fn cubic_100ms(quick: bool) -> Vec<Check> {
    cubic(100, &[(1e-2, 12.0), (1e-3, 38.0), (1e-4, 187.0), (1e-5, 1054.0), (1e-6, 5926.0)], quick)
}

fn cubic_10ms(quick: bool) -> Vec<Check> {
    cubic(10, &[(1e-2, 12.0), (1e-3, 38.0), (1e-4, 120.0), (1e-5, 379.0), (1e-6, 1200.0)], quick)
}

fn loss_for_a_window(quick: bool) -> Vec<Check> {
    if quick {
        return Vec::new();
    }
    let one = |cc: CcKind, p: f64, mean: f64, case: &str| {
        let tcp = TcpConfig { delayed_ack: false, ..tcp(cc) };
        let got = window(&tcp, Span::from_ms(100), (1.0 / p).round() as u64, mean, (8, 16));
        Check::new(case, mean, Relative(0.10), got.mean)
    };
    vec![
        one(CcKind::Cubic, 2.9e-4, 83.3, "10 Mbit/s, CUBIC, p 2.9e-4: mean window, packets"),
        one(CcKind::Reno, 2.0e-4, 83.3, "10 Mbit/s, Reno, p 2e-4: mean window, packets"),
        one(CcKind::Cubic, 1.4e-5, 833.0, "100 Mbit/s, CUBIC, p 1.4e-5: mean window, packets"),
        one(CcKind::Reno, 2.0e-6, 833.0, "100 Mbit/s, Reno, p 2e-6: mean window, packets"),
        match CcKind::from_name("highspeed") {
            Some(cc) => one(cc, 2.5e-5, 833.0, "100 Mbit/s, HSTCP, p 2.5e-5: mean window, packets"),
            None => Check::not_yet("100 Mbit/s, HSTCP, p 2.5e-5", "the congestion control highspeed"),
        },
    ]
}

/// One loss, then none: after K, CUBIC is back at the window before the loss.
fn cubic_returns(quick: bool) -> Vec<Check> {
    let rtt = Span::from_ms(100);
    let drops: &[u64] = if quick { &[90] } else { &[90, 900, 8000] };
    drops
        .iter()
        .map(|ordinal| {
            let tcp = TcpConfig { delayed_ack: false, ..tcp(CcKind::Cubic) };
            let mut net = wide_link(rtt).losing(vec![*ordinal]).build(&tcp);
            let flow = net.bulk(tcp, None, Instant::ZERO);
            let variable = |net: &Network, name: &str| {
                let socket = net.world.flow(flow).socket?;
                match net.world.view(net.a, socket)? {
                    SocketView::Tcp(_, _, conn) => conn.cc_state(name),
                    _ => None,
                }
            };
            let reduced = |net: &Network| net.info(flow).is_some_and(|info| info.total_retrans > 0);
            let (mut begin, mut before, mut w_max) = (None, 0.0, 0.0);
            loop {
                net.run_until(net.world.now() + Span::from_ms(5));
                let now = net.world.now();
                let window = cwnd(&net, flow);
                if !reduced(&net) {
                    before = window;
                    continue;
                }
                let growing =
                    net.info(flow).is_some_and(|info| info.ca_state == tidewire_l4_transport::CaState::Open);
                if begin.is_none() && growing {
                    begin = Some(now);
                    w_max = variable(&net, "cubic.w_max").unwrap_or(before);
                }
                let Some(begin) = begin else { continue };
                let k = libm::cbrt(w_max * (1.0 - 0.7) / 0.4);
                if (now - begin).as_secs_f64() >= k {
                    let case = format!("window K = {k:.3} s after the reduction, packets");
                    break Check::new(case, w_max, Absolute(1.0), window);
                }
            }
        })
        .collect()
}

fn cubic_mean(quick: bool) -> Vec<Check> {
    if quick {
        return Vec::new();
    }
    let tcp = TcpConfig { delayed_ack: false, ..tcp(CcKind::Cubic) };
    let got = window(&tcp, Span::from_ms(100), 100_000, 1054.0, (8, 20));
    vec![Check::new("p 1e-5: mean by largest window, %", 92.5, Absolute(2.0), 100.0 * got.mean / got.largest)]
}
