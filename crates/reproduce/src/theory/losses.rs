//! Throughput under random loss.

use super::Tolerance::{Absolute, AtLeast, AtMost, Relative};
use super::windows::wide_link;
use super::{Check, Scenario};
use crate::network::{Path, at, mbps};
use tidewire_l4_transport::{CcKind, Profile, TcpConfig};
use tidewire_topology::{LossModel, LossSpec, Match};
use tidewire_units::{Instant, Probability, Purpose, Rate, Span};

pub(super) fn scenarios() -> Vec<Scenario> {
    let row = |row, name, source, run| Scenario { row, name, source, run };
    vec![
        row("3", "Reno, random loss", "Mathis et al. 1997", mathis),
        row("4", "Reno, random loss, with timeouts, linux", "Padhye et al. 1998, T0 0.3 s, b 1", pftk_linux),
        row("5", "Reno, random loss, with timeouts, rfc", "Padhye et al. 1998, T0 1 s", pftk_rfc),
        row("16", "BBRv1, random loss", "gain 1.25: 1 - 1/1.25", bbr),
        row("17", "BBRv3 visits its lowest window every 5 s", "(0.1 + 4.8) / 5", bbr3_probe_rtt),
        row("18", "BBRv3, random loss", "draft-ietf-ccwg-bbr", bbr3),
    ]
}

/// Mean goodput of independent runs, in Mbit/s.
fn goodput(path: &Path, tcp: &TcpConfig, p: f64, (warmup, end): (f64, f64), seeds: u64) -> f64 {
    let p = Probability::new(p).expect("a probability");
    let one = |seed| {
        let loss = LossSpec { model: LossModel::Bernoulli(p), among: Match::Data };
        let mut net = Path { loss, seed, ..path.clone() }.build(tcp);
        let flow = net.bulk(tcp.clone(), None, Instant::ZERO);
        net.run_until(at(warmup));
        let before = net.received(flow);
        net.run_until(at(end));
        mbps(net.received(flow) - before, end - warmup)
    };
    (1..=seeds).map(one).sum::<f64>() / seeds as f64
}

fn reno() -> TcpConfig {
    // 1460 bytes of data in a packet.
    TcpConfig { cc: CcKind::Reno, timestamps: false, rcvbuf: Some(1 << 30), ..TcpConfig::linux() }
}

fn mathis(quick: bool) -> Vec<Check> {
    let (end, seeds) = if quick { (200.0, 2) } else { (1000.0, 8) };
    let tcp = TcpConfig { delayed_ack: false, ..reno() };
    let got = goodput(&wide_link(Span::from_ms(100)), &tcp, 1e-3, (20.0, end), seeds);
    vec![Check::new("p 0.001, RTT 100 ms: goodput, Mbit/s", 4.52, Relative(0.15), got)]
}

/// The full model (equation 32 of the paper), in packets per second.
pub(super) fn pftk(p: f64, rtt: f64, t0: f64, b: f64) -> f64 {
    let pow = |x: f64, n: f64| libm::pow(x, n);
    let w =
        (2.0 + b) / (3.0 * b) + (8.0 * (1.0 - p) / (3.0 * b * p) + pow((2.0 + b) / (3.0 * b), 2.0)).sqrt();
    let q3 = pow(1.0 - p, 3.0);
    let q = ((1.0 - q3) * (1.0 + q3 * (1.0 - pow(1.0 - p, w - 3.0))) / (1.0 - pow(1.0 - p, w))).min(1.0);
    let f = 1.0
        + p
        + 2.0 * pow(p, 2.0)
        + 4.0 * pow(p, 3.0)
        + 8.0 * pow(p, 4.0)
        + 16.0 * pow(p, 5.0)
        + 32.0 * pow(p, 6.0);
    ((1.0 - p) / p + w + q / (1.0 - p)) / (rtt * (b * w / 2.0 + 1.0) + q * f * t0 / (1.0 - p))
}

/// Goodput in packets per second against the model. Above 2 % loss, who repairs several losses at once may be better than it.
fn against_pftk(tcp: &TcpConfig, t0: f64, b: f64, quick: bool) -> Vec<Check> {
    let repair = if tcp.sack { "" } else { ", without SACK" };
    let cases: &[f64] = if quick { &[0.01, 0.05] } else { &[1e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1] };
    let (end, seeds) = if quick { (400.0, 2) } else { (2000.0, 8) };
    let one = |p: f64| {
        let expected = pftk(p, 0.1, t0, b);
        let got = goodput(&wide_link(Span::from_ms(100)), tcp, p, (20.0, end), seeds) * 1e6 / (8.0 * 1460.0);
        let case = format!("p {p}, b {b}{repair}");
        if p > 0.02 {
            return vec![Check::new(format!("{case}: packets/s"), expected, AtLeast(0.25), got)];
        }
        let mut checks = vec![Check::new(format!("{case}: packets/s"), expected, Relative(0.10), got)];
        if t0 >= 1.0 {
            // Its long timeouts are what the model is wrong about.
            checks.push(Check::new(
                format!("at least the model, {case}: packets/s"),
                expected,
                AtLeast(0.10),
                got,
            ));
            if tcp.sack {
                let got =
                    goodput_in_rounds(&TcpConfig { tlp: false, frto: false, ..tcp.clone() }, p, end / 2.0, 2);
                let case =
                    format!("at most the model when all that follow in a round are lost, {case}: packets/s");
                checks.push(Check::new(case, expected, AtMost, got));
            }
        }
        checks
    };
    cases.iter().flat_map(|p| one(*p)).collect()
}

/// Goodput in packets per second where a lost packet takes with it all that follow in its round trip, as the model has it. Here the
/// packets of a round trip leave at the same instant.
fn goodput_in_rounds(tcp: &TcpConfig, p: f64, end: f64, seeds: u64) -> f64 {
    let one = |seed| {
        let mut net = Path { seed, ..wide_link(Span::from_ms(100)) }.build(tcp);
        let flow = net.bulk(tcp.clone(), None, Instant::ZERO);
        let mut random = net.world.streams().stream(Purpose::Script, "losses");
        let mut before = 0;
        while net.world.now() < at(end) {
            let uniform = random.between(1, 1 << 53) as f64 / (1u64 << 53) as f64;
            let first = 1 + (libm::log(uniform) / libm::log1p(-p)) as u64;
            // No window is that large.
            let model = LossModel::Listed((first..first + 500).collect());
            net.world.set_loss(net.forward, &LossSpec { model, among: Match::Data });
            let lost = net.world.port(net.forward).stats(net.world.now()).lost;
            while net.world.port(net.forward).stats(net.world.now()).lost == lost && net.world.now() < at(end)
            {
                net.run_until(net.world.now() + Span::from_ms(25));
                if net.world.now() < at(20.0) {
                    before = net.received(flow);
                }
            }
        }
        (net.received(flow) - before) as f64 / 1460.0 / (end - 20.0)
    };
    (1..=seeds).map(one).sum::<f64>() / seeds as f64
}

fn pftk_linux(quick: bool) -> Vec<Check> {
    against_pftk(&TcpConfig { delayed_ack: false, ..reno() }, 0.3, 1.0, quick)
}

fn pftk_rfc(quick: bool) -> Vec<Check> {
    let rfc = TcpConfig {
        profile: Profile::Rfc,
        rto_min: Span::from_secs(1),
        delayed_ack_max: Span::from_ms(500),
        ..reno()
    };
    let mut checks = against_pftk(&TcpConfig { delayed_ack: false, ..rfc.clone() }, 1.0, 1.0, quick);
    checks.extend(against_pftk(&rfc, 1.0, 2.0, quick));
    // The model's sender knows no SACK: this is its own setting.
    let bare = TcpConfig { sack: false, rack: false, tlp: false, frto: false, ..rfc };
    checks.extend(against_pftk(&TcpConfig { delayed_ack: false, ..bare.clone() }, 1.0, 1.0, quick));
    checks.extend(against_pftk(&bare, 1.0, 2.0, quick));
    checks
}

fn bottleneck() -> Path {
    Path::new(Rate::from_mbps(10), Span::from_ms(50), 42)
}

/// What goodput can be at most, in Mbit/s.
const MOST: f64 = 10.0 * 1448.0 / 1500.0;

fn with(cc: CcKind) -> TcpConfig {
    TcpConfig { cc, ..TcpConfig::linux() }
}

fn bbr(quick: bool) -> Vec<Check> {
    let (span, seeds) = if quick { ((5.0, 20.0), 1) } else { ((10.0, 110.0), 5) };
    let share = |cc, p| 100.0 * goodput(&bottleneck(), &with(cc), p, span, seeds) / MOST;
    // The formula's receiver acknowledges every packet at once; Linux's does not.
    let delayed = 100.0 * goodput(&bottleneck(), &with(CcKind::Cubic), 0.01, (10.0, 110.0), 5) / MOST;
    let prompt = TcpConfig { delayed_ack: false, ..with(CcKind::Cubic) };
    let prompt = 100.0 * goodput(&bottleneck(), &prompt, 0.01, (10.0, 110.0), 5) / MOST;
    let cubic = 100.0 * 1.2 / 0.1 * 1448.0 * 8.0 / 0.05 / 1e6 / MOST;
    let mut checks =
        vec![Check::new("bbr, p 0.01: goodput, % of the link", 90.0, AtLeast(0.0), share(CcKind::Bbr, 0.01))];
    if !quick {
        checks.push(Check::new(
            "bbr, p 0.10: goodput, % of the link",
            85.0,
            AtLeast(0.05),
            share(CcKind::Bbr, 0.10),
        ));
        checks.push(Check::new(
            "bbr, p 0.25: goodput, % of the link",
            50.0,
            AtMost,
            share(CcKind::Bbr, 0.25),
        ));
    }
    let case = |receiver| format!("cubic, p 0.01, {receiver}: goodput, % of the link");
    checks.push(Check::new(case("every packet acknowledged"), cubic, Absolute(5.0), prompt));
    checks.push(Check::new(case("delayed acknowledgments"), cubic, Absolute(5.0), delayed));
    checks
}

fn bbr3_probe_rtt(quick: bool) -> Vec<Check> {
    let span = if quick { (10.0, 30.0) } else { (10.0, 210.0) };
    let got = 100.0 * goodput(&bottleneck(), &with(CcKind::Bbr3), 0.0, span, 1) / MOST;
    vec![
        Check::new("no loss: goodput, % of the link", 98.0, Absolute(1.0), got),
        // What the formula calls bw is what is sent with; BBR.PacingMarginPercent is 1.
        Check::new("no loss: goodput, % of 99 % of the link", 98.0, Absolute(1.0), got / 0.99),
    ]
}

/// What is left of the rate on average when each of `rounds` round trips with losses takes away their share: (1 - (1 - p)^n) / (n p).
fn left_after(p: f64, rounds: f64) -> f64 {
    (1.0 - libm::pow(1.0 - p, rounds)) / (rounds * p)
}

fn bbr3(quick: bool) -> Vec<Check> {
    let (span, seeds) = if quick { ((10.0, 40.0), 1) } else { ((10.0, 110.0), 5) };
    let huge = |cc| TcpConfig { sndbuf: Some(1 << 40), rcvbuf: Some(1 << 30), ..with(cc) };
    let share_in = |path: &Path, cc, p, span, seeds| {
        let most = path.rate.bits_per_s() as f64 * 1e-6 * 1448.0 / 1500.0;
        100.0 * goodput(path, &huge(cc), p, span, seeds) / most
    };
    let share = |path: &Path, cc, p| share_in(path, cc, p, span, seeds);
    // In a cycle of 2 to 3 s there are few rounds of 200 ms; of shorter ones up to 63, or as many as packets fit into the pipe.
    let long = Path::new(Rate::from_mbps(100), Span::from_ms(200), 1667);
    let (slow, first) = (bottleneck(), share(&bottleneck(), CcKind::Bbr, 0.05));
    let least = 97.0 * left_after(0.01, 42.0);
    vec![
        Check::new(
            "p 0.01, 100 Mbit/s, 200 ms: goodput, % of the link",
            85.0,
            AtLeast(0.0),
            share(&long, CcKind::Bbr3, 0.01),
        ),
        Check::new(
            "p 0.01, 10 Mbit/s, 50 ms, 42 rounds a cycle: goodput, % of the link",
            least,
            AtLeast(0.05),
            // One cycle differs much from another: as long in short runs too.
            share_in(&slow, CcKind::Bbr3, 0.01, (10.0, 110.0), 5),
        ),
        Check::new(
            "p 0.05: goodput, % of BBRv1's",
            70.0,
            AtMost,
            100.0 * share(&slow, CcKind::Bbr3, 0.05) / first,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::pftk;

    #[test]
    fn the_model_gives_the_published_values() {
        for (p, linux, rfc1, rfc2) in
            [(1e-3, 382.5, 376.6, 265.6), (1e-2, 113.3, 98.8, 69.5), (0.1, 23.9, 12.5, 9.1)]
        {
            let close = |x: f64, y: f64| (x / y - 1.0).abs() < 0.005;
            assert!(close(pftk(p, 0.1, 0.3, 1.0), linux), "{}", pftk(p, 0.1, 0.3, 1.0));
            assert!(close(pftk(p, 0.1, 1.0, 1.0), rfc1), "{}", pftk(p, 0.1, 1.0, 1.0));
            assert!(close(pftk(p, 0.1, 1.0, 2.0), rfc2), "{}", pftk(p, 0.1, 1.0, 2.0));
        }
    }
}
