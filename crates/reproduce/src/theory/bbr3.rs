//! BBRv3: the draft's example test cases.

use super::Tolerance::{Absolute, AtLeast, AtMost, Relative, UpTo};
use super::{Check, Scenario};
use crate::network::{Network, Path, mbps, rate_of_mbps};
use tidewire_l4_transport::{CcKind, TcpConfig};
use tidewire_topology::{LossModel, LossSpec, Match};
use tidewire_units::{Instant, Probability, Rate, Span};
use tidewire_wire::Payload;
use tidewire_world::FlowId;

pub(super) fn scenarios() -> Vec<Scenario> {
    let row = |row, name, run| Scenario { row, name, source: "draft-ietf-ccwg-bbr, appendix", run };
    vec![
        row("3.1", "BBRv3: Startup ends on a plateau", startup_on_plateau),
        row("3.2", "BBRv3: Startup ends on loss though the application is the limit", startup_on_loss),
        row("3.3", "BBRv3: Drain ends when the queue is empty", drain_on_inflight),
        row("3.4", "BBRv3: Drain ends after three rounds", drain_on_time),
        row("3.5", "BBRv3: ProbeUP ends on a plateau", up_on_plateau),
        row("3.6", "BBRv3: ProbeUP ends on loss though the application is the limit", up_on_loss),
        row("3.7", "BBRv3: an application that sends little ends no probe", app_limited),
        row("3.8", "BBRv3: ProbeDOWN ends when the queue is empty", down_on_inflight),
        row("3.9", "BBRv3: ProbeDOWN ends in time", down_on_time),
        row("3.10", "BBRv3: ProbeRTT begins and ends", probe_rtt),
        row("3.11", "BBRv3: no ProbeRTT after an idle time", no_probe_rtt),
        row("3.12", "BBRv3: Startup with acknowledgments in bunches", startup_aggregated),
        row("3.13", "BBRv3: ProbeCRUISE with acknowledgments in bunches", cruise_aggregated),
        row("3.14", "BBRv3: less than a packet fits into the pipe", small_pipe),
        row("3.15", "BBRv3: ten times the bandwidth", faster),
        row("3.16", "BBRv3: a tenth of the bandwidth", slower),
    ]
}

/// The phases, as the variable `mode` numbers them.
const STARTUP: u32 = 0;
const DRAIN: u32 = 1;
const DOWN: u32 = 2;
const CRUISE: u32 = 3;
const REFILL: u32 = 4;
const UP: u32 = 5;
const PROBE_RTT: u32 = 6;

const SEGMENT: u64 = 1448;

/// A connection whose state is looked at every half millisecond.
struct Bench {
    net: Network,
    flow: FlowId,
    /// Bytes in all that the application has written, and how many it writes in each step: none for as many as can be sent.
    written: u64,
    writes: Option<u64>,
}

impl Bench {
    fn new(path: &Path) -> Bench {
        let tcp = TcpConfig {
            cc: CcKind::Bbr3,
            sndbuf: Some(1 << 40),
            rcvbuf: Some(1 << 30),
            nodelay: true,
            ..TcpConfig::linux()
        };
        let mut net = path.build(&tcp);
        let flow = net.bulk(tcp, Some(SEGMENT), Instant::ZERO);
        Bench { net, flow, written: SEGMENT, writes: None }
    }

    /// 10 Mbit/s and 50 ms: a pipe of 41.7 packets.
    fn usual(queue: u32) -> Bench {
        Bench::new(&Path::new(Rate::from_mbps(10), Span::from_ms(50), queue))
    }

    fn get(&self, name: &str) -> f64 {
        self.net.cc_state(self.flow, &format!("bbr3.{name}")).unwrap_or(f64::NAN)
    }

    fn mode(&self) -> u32 {
        self.get("mode") as u32
    }

    fn in_flight(&self) -> f64 {
        self.net.info(self.flow).map_or(0.0, |info| f64::from(info.in_flight))
    }

    fn retransmits(&self) -> u32 {
        self.net.info(self.flow).map_or(0, |info| info.total_retrans)
    }

    /// What fits into the path, as BBR estimates it, in packets.
    fn pipe(&self) -> f64 {
        self.get("max_bw") * self.get("min_rtt")
    }

    fn now(&self) -> f64 {
        (self.net.world.now() - Instant::ZERO).as_secs_f64()
    }

    fn step(&mut self) {
        self.net.run_until(self.net.world.now() + Span::from_us(500));
        let Some(info) = self.net.info(self.flow) else { return };
        let bytes = self
            .writes
            .unwrap_or_else(|| (64 * SEGMENT).max(info.bytes_acked / 8).saturating_sub(info.notsent_bytes));
        if let Some(socket) = self.net.world.flow(self.flow).socket.filter(|_| bytes > 0)
            && self.net.world.send(self.net.a, socket, Payload::Zeros(bytes as u32)).is_ok()
        {
            self.written += bytes;
        }
    }

    /// Runs until something holds, or at most until `end`; says whether it does.
    fn until(&mut self, end: f64, mut holds: impl FnMut(&Bench) -> bool) -> bool {
        while self.now() < end {
            self.step();
            if holds(self) {
                return true;
            }
        }
        false
    }

    /// Runs until a phase begins that `wanted` is, within so many seconds.
    fn enter(&mut self, wanted: u32, within: f64) -> bool {
        let end = self.now() + within;
        self.until(end, |b| b.mode() != wanted) && self.until(end, |b| b.mode() == wanted)
    }

    fn lose(&mut self, p: f64) {
        let model = LossModel::Bernoulli(Probability::new(p).expect("a probability"));
        self.net.world.set_loss(self.net.forward, &LossSpec { model, among: Match::Data });
    }

    fn set_rate(&mut self, mbps: f64) {
        let rate = rate_of_mbps(mbps).expect("not zero");
        self.net.world.set_rate_and_delay(self.net.forward, Some(rate), None);
    }

    /// From now on the application writes so many bytes a second, once what it wrote before has been sent.
    fn limit(&mut self, mbps: f64) {
        self.writes = Some((mbps * 1e6 / 8.0 * 0.0005) as u64);
    }

    /// Acknowledgments arrive in bunches: every 20 ms other traffic keeps the way back busy for 12 ms.
    fn bunch(path: &Path) -> Bench {
        let mut bench = Bench::new(path);
        bench.net.bunch_acks(10, Span::from_ms(20), false);
        bench
    }
}

fn yes(case: &str, holds: bool) -> Check {
    Check::new(format!("{case}: yes is 1"), 1.0, Absolute(0.0), f64::from(u8::from(holds)))
}

fn startup_on_plateau(_quick: bool) -> Vec<Check> {
    let mut bench = Bench::usual(84);
    bench.until(5.0, |b| b.mode() == DRAIN);
    vec![
        Check::new(
            "phase after Startup (Drain is 1)",
            f64::from(DRAIN),
            Absolute(0.0),
            f64::from(bench.mode()),
        ),
        Check::new("full_bw_count", 3.0, Absolute(0.0), bench.get("full_bw_count")),
        Check::new("full_bw_reached", 1.0, Absolute(0.0), bench.get("full_bw_reached")),
        Check::new("max_bw, packets/s", 10e6 / 12_000.0, Relative(0.02), bench.get("max_bw")),
    ]
}

fn startup_on_loss(_quick: bool) -> Vec<Check> {
    let mut bench = Bench::usual(84);
    bench.limit(7.0);
    bench.until(2.0, |_| false);
    let before = bench.mode();
    bench.lose(0.3);
    bench.until(10.0, |b| b.mode() != STARTUP && b.mode() != PROBE_RTT);
    vec![
        yes("in Startup without loss", before == STARTUP),
        Check::new(
            "phase after Startup (Drain is 1)",
            f64::from(DRAIN),
            Absolute(0.0),
            f64::from(bench.mode()),
        ),
        Check::new("full_bw_reached", 1.0, Absolute(0.0), bench.get("full_bw_reached")),
        Check::new("rounds without growth: no plateau", 2.0, AtMost, bench.get("full_bw_count")),
        yes("inflight_longterm is set", bench.get("inflight_longterm").is_finite()),
    ]
}

fn drain_on_inflight(_quick: bool) -> Vec<Check> {
    let mut bench = Bench::usual(84);
    bench.until(5.0, |b| b.mode() == DRAIN);
    let (gain, begin, round) = (bench.get("pacing_gain"), bench.in_flight(), bench.get("round_count"));
    bench.until(5.0, |b| b.mode() != DRAIN);
    let (pipe, rounds) = (bench.pipe(), bench.get("round_count") - round);
    vec![
        Check::new("pacing gain", 0.5, Absolute(0.0), gain),
        Check::new("in flight at the begin, BDP", 1.0, AtLeast(0.0), begin / pipe),
        Check::new("in flight at the end, BDP", 1.0, AtMost, bench.in_flight() / pipe),
        Check::new("rounds", 3.0, AtMost, rounds),
        yes("ProbeBW follows", [DOWN, CRUISE].contains(&bench.mode())),
    ]
}

/// Half of the estimate must be more than there is, or the queue would drain all the same.
fn drain_on_time(_quick: bool) -> Vec<Check> {
    let mut bench = Bench::usual(1000);
    bench.until(5.0, |b| b.mode() == DRAIN);
    bench.set_rate(4.0);
    let round = bench.get("round_count");
    bench.until(9.0, |b| b.mode() != DRAIN);
    vec![
        Check::new("rounds: more than 3", 4.0, Absolute(0.0), bench.get("round_count") - round),
        Check::new("in flight at the end, BDP", 1.0, AtLeast(0.0), bench.in_flight() / bench.pipe()),
        yes("ProbeBW follows", [DOWN, CRUISE].contains(&bench.mode())),
    ]
}

fn up_on_plateau(_quick: bool) -> Vec<Check> {
    let mut bench = Bench::usual(1000);
    let seen = bench.enter(UP, 10.0);
    let (gain, lost) = (bench.get("pacing_gain"), bench.retransmits());
    bench.until(15.0, |b| b.mode() != UP);
    vec![
        yes("in ProbeUP", seen),
        Check::new("pacing gain", 1.25, Absolute(0.0), gain),
        Check::new("full_bw_count", 3.0, Absolute(0.0), bench.get("full_bw_count")),
        Check::new("losses", 0.0, Absolute(0.0), f64::from(bench.retransmits() - lost)),
        Check::new("phase after it (DOWN is 2)", f64::from(DOWN), Absolute(0.0), f64::from(bench.mode())),
    ]
}

fn up_on_loss(_quick: bool) -> Vec<Check> {
    let mut bench = Bench::usual(1000);
    let seen = bench.enter(REFILL, 10.0);
    bench.limit(8.0);
    let seen = seen && bench.until(10.0, |b| b.mode() == UP);
    bench.lose(0.1);
    bench.until(15.0, |b| b.mode() != UP);
    vec![
        yes("in ProbeUP", seen),
        Check::new("phase after it (DOWN is 2)", f64::from(DOWN), Absolute(0.0), f64::from(bench.mode())),
        Check::new("rounds without growth: no plateau", 2.0, AtMost, bench.get("full_bw_count")),
    ]
}

fn app_limited(_quick: bool) -> Vec<Check> {
    let mut bench = Bench::usual(84);
    bench.limit(3.0);
    let left = bench.until(20.0, |b| b.mode() != STARTUP && b.mode() != PROBE_RTT);
    let mut probing = Bench::usual(1000);
    let seen = probing.enter(PROBE_RTT, 10.0) && probing.enter(CRUISE, 1.0);
    probing.limit(3.0);
    let seen = seen && probing.until(10.0, |b| b.mode() == UP);
    // The next ProbeRTT ends the phase.
    let (begin, mut next) = (probing.now(), UP);
    probing.until(begin + 10.0, |b| {
        next = b.mode();
        next != UP
    });
    vec![
        yes("20 s of 3 Mbit/s, still in Startup", !left),
        Check::new("full_bw_reached", 0.0, Absolute(0.0), bench.get("full_bw_reached")),
        yes("in ProbeUP", seen),
        yes("3 Mbit/s, in ProbeUP until the next ProbeRTT", next == PROBE_RTT),
        Check::new("that is after, s", 0.5, AtLeast(0.0), probing.now() - begin),
    ]
}

fn down_on_inflight(_quick: bool) -> Vec<Check> {
    let mut bench = Bench::usual(42);
    // A loss sets inflight_longterm, so that there is headroom to leave.
    let seen = bench.until(30.0, |b| b.mode() == DOWN && b.get("inflight_longterm").is_finite());
    let gain = bench.get("pacing_gain");
    bench.until(35.0, |b| b.mode() != DOWN);
    let most = bench.pipe().min(0.85 * bench.get("inflight_longterm"));
    vec![
        yes("in ProbeDOWN, with inflight_longterm", seen),
        Check::new("pacing gain", 0.9, Absolute(0.0), gain),
        Check::new(
            "in flight at the end, of BDP and headroom",
            1.0,
            AtMost,
            (bench.in_flight() - 1.0) / most,
        ),
        Check::new("phase after it (CRUISE is 3)", f64::from(CRUISE), Absolute(0.0), f64::from(bench.mode())),
    ]
}

/// What Drain did not drain, because there is less bandwidth than it thinks, DOWN does not drain either.
fn down_on_time(_quick: bool) -> Vec<Check> {
    let mut bench = Bench::usual(1000);
    bench.until(5.0, |b| b.mode() == DRAIN);
    bench.set_rate(4.0);
    bench.until(5.0, |b| b.mode() == DOWN);
    let begin = bench.now();
    bench.until(begin + 5.0, |b| b.mode() != DOWN);
    vec![
        Check::new("duration, s", 2.0, UpTo(3.1), bench.now() - begin),
        Check::new("phase after it (REFILL is 4)", f64::from(REFILL), Absolute(0.0), f64::from(bench.mode())),
        Check::new("in flight at the end, BDP", 1.0, AtLeast(0.0), bench.in_flight() / bench.pipe()),
    ]
}

fn probe_rtt(_quick: bool) -> Vec<Check> {
    let mut bench = Bench::usual(84);
    let first = bench.enter(PROBE_RTT, 10.0);
    let (begin, gain, pipe) = (bench.now(), bench.get("cwnd_gain"), bench.pipe());
    let low = bench.until(begin + 2.0, |b| b.in_flight() <= 0.5 * pipe + 1.0);
    let low_at = bench.now();
    bench.until(begin + 2.0, |b| b.mode() != PROBE_RTT);
    let (end, after) = (bench.now(), bench.mode());
    bench.enter(PROBE_RTT, 10.0);
    vec![
        yes("in ProbeRTT", first),
        Check::new("cwnd gain", 0.5, Absolute(0.0), gain),
        yes("in flight: half a BDP", low),
        Check::new("time at that, ms", 200.0, UpTo(300.0), (end - low_at) * 1e3),
        yes("ProbeBW follows", [DOWN, CRUISE].contains(&after)),
        Check::new("from its end to the next, s", 5.0, Relative(0.02), bench.now() - end),
    ]
}

fn no_probe_rtt(_quick: bool) -> Vec<Check> {
    let mut bench = Bench::usual(84);
    bench.until(2.0, |_| false);
    bench.writes = Some(0);
    bench.until(12.0, |_| false);
    let idle = bench.in_flight();
    bench.writes = None;
    let entered = bench.until(16.0, |b| b.mode() == PROBE_RTT);
    let entered_later = bench.until(18.0, |b| b.mode() == PROBE_RTT);
    vec![
        Check::new("in flight while idle", 0.0, Absolute(0.0), idle),
        yes("no ProbeRTT in the 4 s after 10 idle ones", !entered),
        yes("but after 5 s", entered_later),
    ]
}

fn aggregated() -> Path {
    Path::new(Rate::from_mbps(10), Span::from_ms(20), 1000)
}

fn startup_aggregated(_quick: bool) -> Vec<Check> {
    let mut bench = Bench::bunch(&aggregated());
    let (mut cwnd, mut extra) = (0.0f64, 0.0f64);
    bench.until(5.0, |b| {
        cwnd = cwnd.max(b.net.info(b.flow).map_or(0.0, |info| f64::from(info.snd_cwnd)));
        extra = extra.max(b.get("extra_acked"));
        b.mode() != STARTUP
    });
    let pipe = 10e6 / 12_000.0 * 0.0212;
    vec![
        Check::new("max_bw, packets/s", 10e6 / 12_000.0, AtLeast(0.02), bench.get("max_bw")),
        Check::new("extra_acked, packets", 5.0, AtLeast(0.0), extra),
        Check::new("largest window, BDP", 2.0, AtLeast(0.0), cwnd / pipe),
    ]
}

fn cruise_aggregated(quick: bool) -> Vec<Check> {
    let mut bench = Bench::bunch(&aggregated());
    bench.until(5.5, |_| false);
    let before = bench.net.received(bench.flow);
    let (mut cwnd, mut extra, mut n) = (0.0f64, 0.0f64, 0u32);
    let end = if quick { 10.0 } else { 30.5 };
    bench.until(end, |b| {
        if b.mode() == CRUISE {
            cwnd += b.net.info(b.flow).map_or(0.0, |info| f64::from(info.snd_cwnd));
            extra += b.get("extra_acked");
            n += 1;
        }
        false
    });
    let goodput = mbps(bench.net.received(bench.flow) - before, end - 5.5);
    let least = 2.0 * bench.pipe();
    vec![
        Check::new("mean extra_acked, packets", 5.0, AtLeast(0.0), extra / f64::from(n)),
        Check::new(
            "mean window less extra_acked, of 2 BDP",
            1.0,
            AtLeast(0.05),
            (cwnd - extra) / f64::from(n) / least,
        ),
        // 0.97 of it with ProbeRTT every 5 s and the pacing margin.
        Check::new("goodput, % of the link", 97.0, AtLeast(0.02), 100.0 * goodput / (10.0 * 1448.0 / 1500.0)),
    ]
}

fn small_pipe(_quick: bool) -> Vec<Check> {
    let mut bench = Bench::new(&Path::new(Rate::from_mbps(1), Span::from_us(500), 100));
    bench.enter(CRUISE, 10.0);
    let before = (bench.now(), bench.net.received(bench.flow));
    let mut least = f64::INFINITY;
    bench.until(before.0 + 20.0, |b| {
        least = least.min(b.net.info(b.flow).map_or(0.0, |info| f64::from(info.snd_cwnd)));
        false
    });
    let goodput = mbps(bench.net.received(bench.flow) - before.1, bench.now() - before.0);
    vec![
        Check::new(
            "what fits into the path without its own transmission, packets",
            1.0,
            AtMost,
            1e6 / 12_000.0 * 0.0005,
        ),
        Check::new("least window, packets", 4.0, Absolute(0.0), least),
        Check::new("goodput, % of the link", 97.0, AtLeast(0.02), 100.0 * goodput / (1448.0 / 1500.0)),
    ]
}

/// From 10 to 100 Mbit/s.
fn faster(_quick: bool) -> Vec<Check> {
    let mut bench = Bench::usual(333);
    bench.until(11.0, |b| b.now() > 8.0 && b.mode() == UP);
    bench.until(14.0, |b| b.mode() == CRUISE);
    bench.set_rate(100.0);
    bench.until(20.0, |b| b.mode() == UP);
    let round = bench.get("round_count");
    let found = bench.until(25.0, |b| b.get("max_bw") >= 0.98 * 100e6 / 12_000.0);
    let rounds = bench.get("round_count") - round;
    vec![
        yes("98 % found", found),
        // Rates are means over a round, a round old: with a gain of g = 1.25 * 0.99 they rise by exp(x) in a round, where
        // 1 = g exp(-x) (1 - exp(-x)) / x, as with g = 4 ln 2 they double. x = 0.143, and ln 9.8 / x = 16.
        Check::new("rounds of ProbeUP for that", 16.0, Relative(0.1), rounds),
    ]
}

/// From 100 to 10 Mbit/s.
fn slower(_quick: bool) -> Vec<Check> {
    let mut bench = Bench::new(&Path::new(Rate::from_mbps(100), Span::from_ms(50), 417));
    bench.until(8.0, |_| false);
    let before = bench.get("max_bw");
    bench.set_rate(10.0);
    let begin = bench.now();
    let lost = bench.retransmits();
    bench.until(begin + 10.0, |b| b.retransmits() > lost);
    let round = bench.get("round_count");
    bench.until(begin + 10.0, |b| b.get("bw_shortterm") <= 0.5 * before);
    let reacted = bench.get("round_count") - round;
    let mut cycles = 0;
    let mut last = bench.mode();
    bench.until(begin + 30.0, |b| {
        cycles += u32::from(b.mode() == DOWN && last != DOWN);
        last = b.mode();
        b.get("max_bw") <= 1.02 * 10e6 / 12_000.0
    });
    vec![
        // 0.7 * 0.7 < 0.5.
        Check::new("rounds after the first loss until bw_shortterm is half", 3.0, AtMost, reacted),
        Check::new("cycles until max_bw fits", 3.0, AtMost, f64::from(cycles)),
        Check::new("max_bw, packets/s", 10e6 / 12_000.0, Relative(0.02), bench.get("max_bw")),
    ]
}
