//! Queues that mark, drop early or police.

use super::Tolerance::{AtLeast, AtMost, Relative};
use super::{Check, Scenario};
use crate::network::{Network, Path, at, discipline, mbps};
use tidewire_l4_transport::congestion::{CongestionControl, CustomCc, RateSample};
use tidewire_l4_transport::{CcKind, EcnMode, Sender, TcpConfig};
use tidewire_topology::{CeThreshold, DisciplineKind, DisciplineSpec};
use tidewire_units::{Bytes, Instant, Rate, Span};
use tidewire_world::FlowId;

pub(super) fn scenarios() -> Vec<Scenario> {
    let row = |row, name, source, run| Scenario { row, name, source, run };
    vec![
        row("19", "DCTCP with step marking", "Alizadeh, Javanmard and Prabhakar 2011", step_marking),
        row("2.1", "DCTCP behind CoDel, RTT 10 ms", "ns-3, tcp-validation", dctcp_near),
        row("2.2", "DCTCP behind CoDel, RTT 80 ms", "ns-3, tcp-validation", dctcp_far),
        row("2.3", "CUBIC behind CoDel, RTT 50 ms", "ns-3, tcp-validation", cubic_behind_codel),
        row("3.17", "BBRv3: a token-bucket policer", "draft-ietf-ccwg-bbr, appendix", policer),
    ]
}

fn tcp(cc: CcKind, ecn: EcnMode) -> TcpConfig {
    TcpConfig { cc, ecn, sndbuf: Some(1 << 40), rcvbuf: Some(1 << 30), ..TcpConfig::linux() }
}

/// Linux spreads a reduction over a round trip, and sends the first packet less after half of it. So for one round trip and a half
/// everything is marked, what comes in the last half begins a second reduction, and both take a round trip without growth:
/// 1.5 of (alpha W + 2) round trips are marked.
fn two_reductions(window: f64) -> f64 {
    (-2.0 + (4.0 + 6.0 * window).sqrt()) / (2.0 * window)
}

/// The window W* at which marking begins, alpha at equilibrium and how far the queue swings, all for one flow.
struct Equilibrium {
    window: f64,
    alpha: f64,
    amplitude: f64,
}

/// DCTCP as the model has it: the window is reduced at once, and no fraction of it is lost.
struct Textbook {
    window: f64,
    alpha: f64,
    slow_start: bool,
    /// The acknowledgment that is being processed carries ECN-Echo.
    echo: bool,
    /// Packets acknowledged, and those of them that were marked, in this window and until its end.
    acked: u32,
    marked: u32,
    end: u32,
    /// Packets to come that were sent before the last reduction.
    before_cut: u32,
}

impl Textbook {
    const GAIN: f64 = 1.0 / 16.0;

    fn kind() -> CcKind {
        let begin = || Textbook {
            window: 10.0,
            alpha: 1.0,
            slow_start: true,
            echo: false,
            acked: 0,
            marked: 0,
            end: 10,
            before_cut: 0,
        };
        CcKind::Custom(CustomCc::new("textbook", move || Box::new(begin())))
    }
}

impl CongestionControl for Textbook {
    fn name(&self) -> &str {
        "textbook"
    }

    fn needs_ecn(&self) -> bool {
        true
    }

    fn controls_all(&self) -> bool {
        true
    }

    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        tcp.cwnd
    }

    fn cong_avoid(&mut self, _tcp: &mut Sender, _acked: u32) {}

    fn in_ack_event(&mut self, _tcp: &mut Sender, ece: bool) {
        self.echo = ece;
    }

    fn cong_control(&mut self, tcp: &mut Sender, sample: &RateSample) {
        let acked = sample.acked_sacked;
        self.acked += acked;
        self.marked += if self.echo { acked } else { 0 };
        if self.acked >= self.end {
            let share = f64::from(self.marked) / f64::from(self.acked);
            self.alpha += Textbook::GAIN * (share - self.alpha);
            (self.acked, self.marked, self.end) = (0, 0, tcp.in_flight());
        }
        let is_old = self.before_cut > 0;
        self.before_cut = self.before_cut.saturating_sub(acked);
        if self.echo && !is_old {
            self.slow_start = false;
            self.before_cut = tcp.in_flight();
            self.window = (self.window * (1.0 - self.alpha / 2.0)).max(2.0);
        } else {
            self.window += f64::from(acked) / if self.slow_start { 1.0 } else { self.window };
        }
        tcp.cwnd = self.window as u32;
    }

    fn variable(&self, name: &str) -> Option<f64> {
        match name {
            "alpha" => Some(self.alpha),
            "window" => Some(self.window),
            _ => None,
        }
    }
}

fn step_marking(quick: bool) -> Vec<Check> {
    let cases = [
        (1000, 20, Equilibrium { window: 28.3, alpha: 0.268, amplitude: 3.8 }),
        (10_000, 65, Equilibrium { window: 148.3, alpha: 0.117, amplitude: 8.6 }),
    ];
    cases[..if quick { 1 } else { 2 }]
        .iter()
        .flat_map(|(rate, k, expected)| marked(*rate, *k, expected))
        .collect()
}

/// Largest window, mean alpha and how far the queue swings: it is what of the window does not fit into the path. A window is known in
/// fractions of packets, if at all, and a queue is not.
fn swings(rate: u64, k: u32, cc: CcKind) -> (f64, f64, f64) {
    let marking = DisciplineSpec {
        ce_threshold: Some(CeThreshold::Packets(k)),
        ..discipline(DisciplineKind::DropTail)
    };
    let path =
        Path { discipline: Some(marking), ..Path::new(Rate::from_mbps(rate), Span::from_us(100), 10_000) };
    // The model's receiver acknowledges every packet.
    let tcp = TcpConfig { delayed_ack: false, ..tcp(cc, EcnMode::On) };
    let mut net = path.build(&tcp);
    let flow = net.bulk(tcp, None, Instant::ZERO);
    net.run_until(at(0.3));
    let packet = Span::from_secs_f64(12_000.0 / (rate as f64 * 1e6));
    let (mut sum, mut window, mut n) = (0.0, 0.0f64, 0u32);
    let (mut least, mut most) = (f64::INFINITY, 0.0f64);
    let state = |net: &Network, what| {
        ["textbook", "dctcp"].iter().find_map(|cc| net.cc_state(flow, &format!("{cc}.{what}")))
    };
    while net.world.now() < at(0.4) {
        net.run_until(net.world.now() + packet);
        let waiting = || net.world.discipline(net.forward).map_or(0, |queue| queue.backlog().0) as f64;
        let waiting = state(&net, "window").unwrap_or_else(waiting);
        (least, most) = (least.min(waiting), most.max(waiting));
        window = window.max(net.info(flow).map_or(0.0, |info| f64::from(info.snd_cwnd)));
        (sum, n) = (sum + state(&net, "alpha").unwrap_or(f64::NAN), n + 1);
    }
    (window, sum / f64::from(n), most - least)
}

fn marked(rate: u64, k: u32, expected: &Equilibrium) -> Vec<Check> {
    let check = |what: &str, expected, got| {
        Check::new(format!("{rate} Mbit/s, 100 us, K {k}, {what}"), expected, Relative(0.15), got)
    };
    let (window, alpha, swing) = swings(rate, k, Textbook::kind());
    let mut checks = vec![
        check("reduced at once: largest window, packets", expected.window, window),
        check("reduced at once: alpha", expected.alpha, alpha),
        check("reduced at once: queue's swing, packets", expected.amplitude, swing),
    ];
    let (window, alpha, swing) = swings(rate, k, CcKind::Dctcp);
    let twice = two_reductions(expected.window);
    checks.extend([
        check("linux: largest window, packets", expected.window, window),
        check("linux: alpha", expected.alpha, alpha),
        check("linux, two reductions each time: alpha", twice, alpha),
        check("linux: queue's swing, packets", expected.amplitude, swing),
        check("linux, two reductions each time: queue's swing, packets", twice * expected.window, swing),
    ]);
    checks
}

/// 50 Mbit/s behind CoDel with 5 and 100 ms, which marks what has waited longer than 1 ms when the sender asks for it.
fn behind_codel(rtt_ms: u64, tcp: TcpConfig) -> (Network, FlowId) {
    let marks = tcp.ecn == EcnMode::On;
    let codel = DisciplineSpec {
        ce_threshold: marks.then_some(CeThreshold::Time(Span::from_ms(1))),
        target: Some(Span::from_ms(5)),
        interval: Some(Span::from_ms(100)),
        ecn: Some(marks),
        ..discipline(DisciplineKind::Codel)
    };
    let path =
        Path { discipline: Some(codel), ..Path::new(Rate::from_mbps(50), Span::from_ms(rtt_ms), 10_000) };
    let mut net = path.build(&tcp);
    let flow = net.bulk(tcp, None, Instant::ZERO);
    (net, flow)
}

/// Least and largest of a figure, looked at every `every`.
fn extremes(net: &mut Network, every: f64, end: f64, mut figure: impl FnMut(&Network) -> f64) -> (f64, f64) {
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    while net.world.now() < at(end) {
        net.run_until(net.world.now() + Span::from_secs_f64(every));
        let now = figure(net);
        (least, most) = (least.min(now), most.max(now));
    }
    (least, most)
}

/// Goodput in Mbit/s since it was asked the last time.
fn rate_of(flow: FlowId, every: f64, before: u64) -> impl FnMut(&Network) -> f64 {
    let mut last = before;
    move |net| {
        let now = net.received(flow);
        mbps(now - std::mem::replace(&mut last, now), every)
    }
}

fn goodputs(net: &mut Network, flow: FlowId, end: f64) -> (f64, f64) {
    let before = net.received(flow);
    extremes(net, 0.2, end, rate_of(flow, 0.2, before))
}

/// Least, mean and largest alpha until `end`.
fn alphas(net: &mut Network, flow: FlowId, end: f64) -> (f64, f64, f64) {
    let (mut sum, mut n) = (0.0, 0u32);
    let (least, most) = extremes(net, 0.01, end, |net| {
        let alpha = net.cc_state(flow, "dctcp.alpha").unwrap_or(f64::NAN);
        (sum, n) = (sum + alpha, n + 1);
        alpha
    });
    (least, sum / f64::from(n), most)
}

/// What fits into the path, and what waits for a millisecond, in packets.
fn marked_from(rtt_ms: f64) -> f64 {
    50e6 * (rtt_ms + 1.0) * 1e-3 / 12_000.0
}

fn dctcp_near(_quick: bool) -> Vec<Check> {
    let (mut net, flow) = behind_codel(10, tcp(CcKind::Dctcp, EcnMode::On));
    net.run_until(at(0.6));
    let (least, _) = goodputs(&mut net, flow, 2.0);
    let before = net.received(flow);
    let (low, mean, high) = alphas(&mut net, flow, 15.0);
    let goodput = mbps(net.received(flow) - before, 13.0);
    vec![
        Check::new("least goodput of 0.2 s after 0.6 s, Mbit/s", 48.5, Relative(0.10), least),
        Check::new("goodput from 2 s on, Mbit/s", 48.5, Relative(0.10), goodput),
        Check::new("least alpha after 2 s", 0.06, AtLeast(0.10), low),
        Check::new("largest alpha after 2 s", 0.085 * 1.1, AtMost, high),
        Check::new(
            "mean alpha, two reductions each time",
            two_reductions(marked_from(10.0)),
            Relative(0.15),
            mean,
        ),
    ]
}

fn dctcp_far(quick: bool) -> Vec<Check> {
    let (mut net, flow) = behind_codel(80, tcp(CcKind::Dctcp, EcnMode::On));
    let (_, early) = goodputs(&mut net, flow, 9.0);
    let mut checks = vec![Check::new("largest goodput of 0.2 s before 9 s, Mbit/s", 20.0, AtMost, early)];
    if !quick {
        net.run_until(at(29.0));
        let before = net.received(flow);
        let (low, mean, high) = alphas(&mut net, flow, 129.0);
        let goodput = mbps(net.received(flow) - before, 100.0);
        checks.extend([
            Check::new("goodput after 29 s, Mbit/s", 48.0, Relative(0.10), goodput),
            Check::new("least alpha after 29 s", 0.015, AtLeast(0.10), low),
            Check::new("largest alpha after 29 s", 0.025 * 1.1, AtMost, high),
            Check::new(
                "mean alpha, two reductions each time",
                two_reductions(marked_from(80.0)),
                Relative(0.15),
                mean,
            ),
        ]);
    }
    checks
}

fn cubic_behind_codel(_quick: bool) -> Vec<Check> {
    let tcp = TcpConfig { hystart: false, ..tcp(CcKind::Cubic, EcnMode::Off) };
    let (mut net, flow) = behind_codel(50, tcp);
    let window = |net: &Network| net.info(flow).map_or(0.0, |info| f64::from(info.snd_cwnd));
    let (_, first) = extremes(&mut net, 0.01, 1.0, window);
    let (least, _) = extremes(&mut net, 0.01, 3.0, window);
    let (_, second) = extremes(&mut net, 0.01, 11.0, window);
    let (_, third) = extremes(&mut net, 0.01, 15.0, window);
    vec![
        Check::new("first peak, packets", 511.0, Relative(0.10), first),
        Check::new("least after it, packets", 173.0, Relative(0.10), least),
        Check::new("second peak, packets", 236.0, Relative(0.10), second),
        Check::new("third peak, packets", 234.0, Relative(0.10), third),
    ]
}

/// A fast link with a policer of 10 Mbit/s and a bucket of 50 packets.
fn policer(quick: bool) -> Vec<Check> {
    let tokens = Rate::from_mbps(10);
    let bucket = DisciplineSpec {
        bucket: Some((tokens, Bytes(75_000))),
        police: true,
        ..discipline(DisciplineKind::Tbf)
    };
    let path =
        Path { discipline: Some(bucket), ..Path::new(Rate::from_mbps(100), Span::from_ms(50), 10_000) };
    let end = if quick { 30.0 } else { 110.0 };
    let run = |cc| {
        let tcp = tcp(cc, EcnMode::Off);
        let mut net = path.build(&tcp);
        let flow = net.bulk(tcp, None, Instant::ZERO);
        net.run_until(at(10.0));
        let before = (net.received(flow), net.info(flow).map_or(0, |info| info.total_retrans));
        net.run_until(at(end));
        let bytes = net.received(flow) - before.0;
        let again = net.info(flow).map_or(0, |info| info.total_retrans) - before.1;
        let share = 100.0 * mbps(bytes, end - 10.0) / (10.0 * 1448.0 / 1500.0);
        (share, 100.0 * f64::from(again) / (bytes as f64 / 1448.0))
    };
    let (third, first) = (run(CcKind::Bbr3), run(CcKind::Bbr));
    vec![
        Check::new("goodput, % of the token rate", 85.0, AtLeast(0.0), third.0),
        Check::new("sent again, %", 5.0, AtMost, third.1),
        Check::new("sent again, % of what BBRv1 sends again", 50.0, AtMost, 100.0 * third.1 / first.1),
    ]
}
