//! The congestion window under losses at regular distances.

use super::Tolerance::{Absolute, Relative};
use super::{Check, Scenario};
use crate::network::{Network, Path};
use tidewire_l4_transport::congestion::CustomCc;
use tidewire_l4_transport::{CcKind, Profile, TcpConfig};
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
        row("8", "CUBIC with other constants", "RFC 9438 table 1", cubic_constants),
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

/// The mean and the largest window when 1/p packets go out between losses, in whole round trips: from h packets to 2h, one more every
/// `per` of them, and one round trip of recovery at h.
fn in_round_trips(p: f64, per: f64) -> Window {
    // per (h + (h + 1) + ... + 2h) + h = 1 / p.
    let (a, b) = (1.5 * per, 1.5 * per + 1.0);
    let h = ((b * b + 4.0 * a / p).sqrt() - b) / (2.0 * a);
    Window { mean: 1.0 / p / (per * (h + 1.0) + 1.0), largest: 2.0 * h }
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
        let lost = net.world.port(net.forward).stats(net.world.now()).lost;
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
    let mut checks = Vec::new();
    for (p, mean, largest) in cases {
        let got = window(&tcp, Span::from_ms(100), (1.0 / p).round() as u64, *mean, cycles(quick));
        checks.push(Check::new(format!("p {p}: mean window, packets"), *mean, Relative(0.05), got.mean));
        checks.push(Check::new(
            format!("p {p}: largest window, packets"),
            *largest,
            Relative(0.05),
            got.largest,
        ));
        if *p >= 1e-2 {
            let exact = in_round_trips(*p, 1.0);
            let case =
                |what| format!("p {p}, whole round trips and recovery counted: {what} window, packets");
            checks.push(Check::new(case("mean"), exact.mean, Relative(0.05), got.mean));
            checks.push(Check::new(case("largest"), exact.largest, Relative(0.05), got.largest));
        }
    }
    checks
}

fn reno_delayed(quick: bool) -> Vec<Check> {
    let tcp = TcpConfig { profile: Profile::Rfc, ..tcp(CcKind::Reno) };
    let cases: &[(f64, f64)] = &[(1e-2, 8.66), (1e-3, 27.4), (1e-4, 86.6)];
    let cases = &cases[..if quick { 2 } else { 3 }];
    let mut checks = Vec::new();
    for (p, mean) in cases {
        let got = window(&tcp, Span::from_ms(100), (1.0 / p).round() as u64, *mean, cycles(quick));
        checks.push(Check::new(format!("p {p}: mean window, packets"), *mean, Relative(0.07), got.mean));
        if *p >= 1e-2 {
            let exact = in_round_trips(*p, 2.0).mean;
            let case = format!("p {p}, whole round trips and recovery counted: mean window, packets");
            checks.push(Check::new(case, exact, Relative(0.07), got.mean));
        }
    }
    checks
}

/// As the RFC has it, and as Linux computes it. The RFC's formulas know no fast convergence, which is for several flows.
fn cubics() -> [(TcpConfig, &'static str); 2] {
    let rfc = tcp(CcKind::Custom(CustomCc::cubic(0.4, false)));
    let rfc = TcpConfig { profile: Profile::Rfc, ..rfc };
    [(rfc, "rfc, no fast convergence"), (tcp(CcKind::Cubic), "linux")]
        .map(|(tcp, name)| (TcpConfig { delayed_ack: false, ..tcp }, name))
}

fn cubic(rtt_ms: u64, cases: &[(f64, f64)], quick: bool) -> Vec<Check> {
    let one = |tcp: &TcpConfig, name: &str, p: f64, mean: f64| {
        // Of millions of packets for a loss, some cycles must do.
        let losses = if p < 5e-5 { (8, 20) } else { cycles(quick) };
        let got = window(tcp, Span::from_ms(rtt_ms), (1.0 / p).round() as u64, mean, losses);
        Check::new(format!("{name}, p {p:e}: mean window, packets"), mean, Relative(0.08), got.mean)
    };
    let possible = cases.iter().filter(|(p, _)| !quick || *p >= 1e-3);
    possible.flat_map(|(p, mean)| cubics().map(|(tcp, name)| one(&tcp, name, *p, *mean))).collect()
}

fn cubic_100ms(quick: bool) -> Vec<Check> {
    cubic(100, &[(1e-2, 12.0), (1e-3, 38.0), (1e-4, 187.0), (1e-5, 1054.0), (1e-6, 5926.0)], quick)
}

fn cubic_10ms(quick: bool) -> Vec<Check> {
    cubic(10, &[(1e-2, 12.0), (1e-3, 38.0), (1e-4, 120.0), (1e-5, 379.0), (1e-6, 1200.0)], quick)
}

fn cubic_constants(quick: bool) -> Vec<Check> {
    let all: &[(f64, f64, f64)] = &[
        (0.04, 1e-4, 120.0),
        (4.0, 1e-4, 333.0),
        (0.04, 1e-5, 593.0),
        (4.0, 1e-5, 1874.0),
        (0.04, 1e-6, 3332.0),
    ];
    let cases = if quick { &all[1..2] } else { all };
    cases
        .iter()
        .map(|(c, p, mean)| {
            let cc = CcKind::Custom(CustomCc::cubic(*c, false));
            let tcp = TcpConfig { delayed_ack: false, ..tcp(cc) };
            let losses = if *p < 5e-5 { (8, 20) } else { cycles(quick) };
            let got = window(&tcp, Span::from_ms(100), (1.0 / p).round() as u64, *mean, losses);
            Check::new(format!("C {c}, p {p:e}: mean window, packets"), *mean, Relative(0.08), got.mean)
        })
        .collect()
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
        one(CcKind::HighSpeed, 2.5e-5, 833.0, "100 Mbit/s, HSTCP, p 2.5e-5: mean window, packets"),
        one(CcKind::HighSpeed, 1.5e-6, 8333.0, "1 Gbit/s, HSTCP, p 1.5e-6: mean window, packets"),
        one(CcKind::Cubic, 6.3e-7, 8333.0, "1 Gbit/s, CUBIC, p 6.3e-7: mean window, packets"),
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
                    w_max = net.cc_state(flow, "cubic.w_max").unwrap_or(before);
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
    cubics()
        .map(|(tcp, name)| {
            let got = window(&tcp, Span::from_ms(100), 100_000, 1054.0, (8, 20));
            let share = 100.0 * got.mean / got.largest;
            Check::new(format!("{name}, p 1e-5: mean by largest window, %"), 92.5, Absolute(2.0), share)
        })
        .into()
}
