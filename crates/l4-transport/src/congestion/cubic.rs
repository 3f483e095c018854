//! CUBIC (RFC 9438), in the integer arithmetic of Linux, with HyStart.

use super::hystart::HystartPlusPlus;
use super::{CcEvent, CongestionControl, Sender};
use crate::{CaState, TcpConfig};
use tidewire_wire::Seq;

/// beta_cubic = 717 / 1024, about 0.7.
const BETA: u32 = 717;
const BETA_SCALE: u32 = 1024;
/// beta of RFC 8511 for congestion marks: 0.85.
const BETA_ECN: u32 = 870;
/// C = 410 / 1024, about 0.4.
const C_SCALED: u64 = 410;
/// Time runs in units of 2^-10 s.
const TIME_BITS: u32 = 10;
/// A tick of the clock that rounds times: HZ = 250.
const TICK_US: u64 = 4_000;
const TICKS_PER_S: u64 = 250;

/// HyStart does nothing below this window.
const HYSTART_LOW_WINDOW: u32 = 16;
const HYSTART_MIN_SAMPLES: u8 = 8;
/// Acknowledgments no further apart than this belong to one train.
const HYSTART_ACK_DELTA_US: u64 = 2_000;
const HYSTART_DELAY_MIN_US: u32 = 4_000;
const HYSTART_DELAY_MAX_US: u32 = 16_000;
/// What the kernel may send in one piece; bounds how much a train of acknowledgments can be delayed.
const GSO_MAX_BYTES: u64 = 65_536;

/// CUBIC's variables.
#[derive(Default)]
pub(crate) struct Cubic {
    /// Acknowledgments per segment of growth.
    cnt: u32,
    w_max: u32,
    last_cwnd: u32,
    last_tick: u64,
    origin_point: u32,
    /// K in units of 2^-10 s.
    k: u32,
    /// Least RTT in us.
    delay_min_us: u32,
    /// Start of the epoch in ticks; zero: none.
    epoch_start: u64,
    ack_cnt: u32,
    /// The window that Reno would have.
    w_est: u32,
    sample_cnt: u8,
    found: bool,
    hystart: bool,
    /// Detectors of HyStart: trains of acknowledgments, and growing delay.
    detects: (bool, bool),
    paced: bool,
    round_start_us: u64,
    last_ack_us: u64,
    end_seq: Seq,
    curr_rtt_us: u32,
    plus_plus: Option<Box<HystartPlusPlus>>,
}

impl Cubic {
    pub fn new(config: &TcpConfig) -> Cubic {
        let plus_plus = config.hystart && config.hystart_plus_plus;
        Cubic {
            hystart: config.hystart && !plus_plus,
            detects: (config.hystart_train, config.hystart_delay),
            paced: config.pacing,
            plus_plus: plus_plus.then(|| Box::new(HystartPlusPlus::new(config.pacing, Seq(0)))),
            ..Cubic::default()
        }
    }

    /// All that it remembers is in [`Cubic::pass`].
    pub const fn is_plain(&self) -> bool {
        self.plus_plus.is_none()
    }

    /// Writes or reads everything; see [`crate::Folded`].
    pub fn pass(&mut self, p: &mut crate::folded::Pass<'_>) {
        let Cubic {
            cnt,
            w_max,
            last_cwnd,
            last_tick,
            origin_point,
            k,
            delay_min_us,
            epoch_start,
            ack_cnt,
            w_est,
            sample_cnt,
            found,
            hystart,
            detects: (trains, delays),
            paced,
            round_start_us,
            last_ack_us,
            end_seq,
            curr_rtt_us,
            plus_plus: _,
        } = self;
        let words = [cnt, w_max, last_cwnd, origin_point, k, delay_min_us, ack_cnt, w_est, curr_rtt_us];
        words.into_iter().for_each(|word| p.u32(word));
        [last_tick, epoch_start].into_iter().for_each(|ticks| p.u64(ticks));
        [round_start_us, last_ack_us].into_iter().for_each(|time| p.time(time));
        p.u8(sample_cnt);
        p.bools([found, hystart, trains, delays, paced]);
        p.sent(end_seq);
    }

    fn reset(&mut self) {
        self.cnt = 0;
        self.w_max = 0;
        self.last_cwnd = 0;
        self.last_tick = 0;
        self.origin_point = 0;
        self.k = 0;
        self.delay_min_us = 0;
        self.epoch_start = 0;
        self.ack_cnt = 0;
        self.w_est = 0;
        self.found = false;
    }

    fn hystart_round(&mut self, tcp: &Sender) {
        self.round_start_us = tcp.now_us();
        self.last_ack_us = tcp.now_us();
        self.end_seq = tcp.snd_nxt();
        self.curr_rtt_us = u32::MAX;
        self.sample_cnt = 0;
    }

    /// Leaves slow start when a train of acknowledgments is as long as half the RTT, or the RTT of a round has risen.
    fn hystart_update(&mut self, tcp: &mut Sender, delay_us: u32) {
        if tcp.snd_una().after(self.end_seq) {
            self.hystart_round(tcp);
        }
        if tcp.cwnd < HYSTART_LOW_WINDOW {
            return;
        }
        let now = tcp.now_us();
        if self.detects.0 && now.saturating_sub(self.last_ack_us) <= HYSTART_ACK_DELTA_US {
            self.last_ack_us = now;
            let allowance = (GSO_MAX_BYTES * 4 * 1_000_000 / tcp.pacing_rate.max(1)).min(1_000);
            let threshold = u64::from(self.delay_min_us) + allowance;
            let threshold = if self.paced { threshold } else { threshold >> 1 };
            if now - self.round_start_us > threshold {
                self.found = true;
                tcp.ssthresh = tcp.cwnd;
            }
        }
        if !self.detects.1 {
            return;
        }
        self.curr_rtt_us = self.curr_rtt_us.min(delay_us);
        if self.sample_cnt < HYSTART_MIN_SAMPLES {
            self.sample_cnt += 1;
            return;
        }
        let threshold = (self.delay_min_us >> 3).clamp(HYSTART_DELAY_MIN_US, HYSTART_DELAY_MAX_US);
        if self.curr_rtt_us > self.delay_min_us + threshold {
            self.found = true;
            tcp.ssthresh = tcp.cwnd;
        }
    }

    /// Sets `cnt` from the cubic function, at most once per tick, and from Reno's window.
    fn update(&mut self, tcp: &Sender, acked: u32) {
        let (cwnd, tick) = (tcp.cwnd, (tcp.now_us() / TICK_US).max(1));
        self.ack_cnt += acked;
        if self.last_cwnd == cwnd && tick - self.last_tick <= TICKS_PER_S / 32 {
            return;
        }
        if self.epoch_start == 0 || tick != self.last_tick {
            self.last_cwnd = cwnd;
            self.last_tick = tick;
            self.evaluate(cwnd, tick, acked);
        }
        self.be_friendly(cwnd);
        self.cnt = self.cnt.max(2);
    }

    /// W_cubic(t) = C (t - K)^3 + W_max (RFC 9438 section 4.2).
    fn evaluate(&mut self, cwnd: u32, tick: u64, acked: u32) {
        if self.epoch_start == 0 {
            self.epoch_start = tick;
            self.ack_cnt = acked;
            self.w_est = cwnd;
            if self.w_max <= cwnd {
                self.k = 0;
                self.origin_point = cwnd;
            } else {
                let factor = (1u64 << (10 + 3 * TIME_BITS)) / C_SCALED;
                self.k = cube_root(factor * u64::from(self.w_max - cwnd));
                self.origin_point = self.w_max;
            }
        }
        let elapsed = tick - self.epoch_start + u64::from(self.delay_min_us).div_ceil(TICK_US);
        let t = (elapsed << TIME_BITS) / TICKS_PER_S;
        let offset = t.abs_diff(u64::from(self.k));
        let cube = u128::from(C_SCALED) * u128::from(offset).pow(3);
        let delta = u32::try_from(cube >> (10 + 3 * TIME_BITS)).unwrap_or(u32::MAX);
        let target = if t < u64::from(self.k) {
            self.origin_point.saturating_sub(delta)
        } else {
            self.origin_point.saturating_add(delta)
        };
        self.cnt = if target > cwnd { cwnd / (target - cwnd) } else { cwnd.saturating_mul(100) };
        if self.w_max == 0 {
            self.cnt = self.cnt.min(20);
        }
    }

    /// Never slower than Reno with the same average window (RFC 9438 section 4.3).
    fn be_friendly(&mut self, cwnd: u32) {
        const SCALE: u32 = 8 * (BETA_SCALE + BETA) / 3 / (BETA_SCALE - BETA);
        let per = cwnd.saturating_mul(SCALE) >> 3;
        if self.ack_cnt > per && per > 0 {
            let steps = (self.ack_cnt - 1) / per;
            self.ack_cnt -= steps * per;
            self.w_est += steps;
        }
        if self.w_est > cwnd {
            self.cnt = self.cnt.min(cwnd / (self.w_est - cwnd));
        }
    }

    fn reduce(&mut self, cwnd: u32, beta: u32) -> u32 {
        let scaled = |factor: u32, unit: u32| (u64::from(cwnd) * u64::from(factor) / u64::from(unit)) as u32;
        self.epoch_start = 0;
        self.w_max = if cwnd < self.w_max { scaled(BETA_SCALE + BETA, 2 * BETA_SCALE) } else { cwnd };
        scaled(beta, BETA_SCALE).max(2)
    }
}

impl CongestionControl for Cubic {
    fn name(&self) -> &str {
        "cubic"
    }

    fn init(&mut self, tcp: &mut Sender) {
        self.reset();
        self.hystart_round(tcp);
        if let Some(plus_plus) = &mut self.plus_plus {
            plus_plus.restart(tcp);
        }
    }

    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        self.reduce(tcp.cwnd, BETA)
    }

    fn ssthresh_ecn(&mut self, tcp: &mut Sender) -> u32 {
        self.reduce(tcp.cwnd, BETA_ECN)
    }

    #[inline]
    fn cong_avoid(&mut self, tcp: &mut Sender, mut acked: u32) {
        if !tcp.is_cwnd_limited() {
            return;
        }
        if tcp.in_slow_start() {
            acked = match &mut self.plus_plus {
                Some(plus_plus) => plus_plus.grow(tcp, acked),
                None => tcp.slow_start(acked),
            };
            if acked == 0 {
                return;
            }
        }
        self.update(tcp, acked);
        tcp.additive_increase(self.cnt, acked);
    }

    #[inline]
    fn pkts_acked(&mut self, tcp: &mut Sender, _acked: u32, rtt_us: i64) {
        if rtt_us < 0 {
            return;
        }
        let tick = tcp.now_us() / TICK_US;
        if self.epoch_start != 0 && tick.saturating_sub(self.epoch_start) < TICKS_PER_S {
            return;
        }
        let delay_us = (rtt_us as u32).max(1);
        if self.delay_min_us == 0 || self.delay_min_us > delay_us {
            self.delay_min_us = delay_us;
        }
        if self.hystart && !self.found && tcp.in_slow_start() {
            self.hystart_update(tcp, delay_us);
        }
        if let Some(plus_plus) = &mut self.plus_plus
            && tcp.in_slow_start()
        {
            plus_plus.sample(tcp, rtt_us);
        }
    }

    fn on_event(&mut self, tcp: &mut Sender, event: CcEvent) {
        if event == CcEvent::TxStart && self.epoch_start != 0 {
            // An idle time does not count as time of growth.
            let tick = tcp.now_us() / TICK_US;
            let idle = tick.saturating_sub(tcp.lsnd_us / TICK_US);
            self.epoch_start = (self.epoch_start + idle).min(tick.max(1));
        }
    }

    fn set_state(&mut self, tcp: &mut Sender, state: CaState) {
        if state == CaState::Loss {
            self.reset();
            self.hystart_round(tcp);
        }
    }

    fn variable(&self, name: &str) -> Option<f64> {
        match name {
            "w_max" => Some(f64::from(self.w_max)),
            "k" => Some(f64::from(self.k) / 1024.0),
            "w_est" => Some(f64::from(self.w_est)),
            "cnt" => Some(f64::from(self.cnt)),
            "delay_min" => Some(f64::from(self.delay_min_us) / 1e6),
            _ => None,
        }
    }
}

/// The integer part of the cube root.
fn cube_root(n: u64) -> u32 {
    let mut root = 0u64;
    for bit in (0..22).rev() {
        let candidate = root | 1 << bit;
        if candidate * candidate * candidate <= n {
            root = candidate;
        }
    }
    root as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(cwnd: u32) -> Sender {
        let mut tcp = Sender::new(1_000_000, Seq(0), 1000, 3, cwnd);
        tcp.is_cwnd_limited = true;
        tcp
    }

    #[test]
    fn cube_roots_are_rounded_down() {
        for (n, root) in
            [(0, 0), (1, 1), (7, 1), (8, 2), (26, 2), (27, 3), (1 << 60, 1 << 20), (999_999_999, 999)]
        {
            assert_eq!(cube_root(n), root);
        }
    }

    #[test]
    fn a_loss_leaves_seven_tenths_and_a_second_one_remembers_less() {
        let mut cubic = Cubic::new(&TcpConfig::linux());
        let mut tcp = sender(100);
        assert_eq!(cubic.ssthresh(&mut tcp), 70);
        assert_eq!(cubic.variable("w_max"), Some(100.0));
        tcp.cwnd = 80;
        assert_eq!(cubic.ssthresh(&mut tcp), 56);
        assert_eq!(cubic.variable("w_max"), Some(68.0));
    }

    #[test]
    fn the_window_returns_to_w_max_along_the_cubic_curve() {
        // K = cbrt(W_max (1 - beta) / C) = 4.217 s for W_max = 100, and 99 is reached 1.36 s before. The RTT is long enough for
        // Reno to be slower, and the window follows the curve one RTT late.
        let mut cubic = Cubic::new(&TcpConfig::linux());
        let mut tcp = sender(100);
        let rtt_us = 400_000;
        tcp.ssthresh = cubic.ssthresh(&mut tcp);
        tcp.cwnd = tcp.ssthresh;
        let start = tcp.now_us;
        let mut reached = None;
        while reached.is_none() {
            let spacing = rtt_us / u64::from(tcp.cwnd);
            for _ in 0..tcp.cwnd {
                tcp.now_us += spacing;
                cubic.cong_avoid(&mut tcp, 1);
            }
            if tcp.cwnd >= 99 {
                reached = Some(tcp.now_us - start);
            }
        }
        let seconds = reached.unwrap() as f64 / 1e6;
        assert!((2.8..=3.4).contains(&seconds), "back after {seconds} s");
    }

    #[test]
    fn a_train_of_acknowledgments_longer_than_half_the_rtt_ends_slow_start() {
        let mut cubic = Cubic::new(&TcpConfig::linux());
        let mut tcp = sender(20);
        cubic.init(&mut tcp);
        tcp.pacing_rate = 1_000_000;
        tcp.snd_nxt = Seq(1_000_000);
        for _ in 0..100 {
            tcp.now_us += 1_200;
            cubic.pkts_acked(&mut tcp, 1, 50_000);
            if !tcp.in_slow_start() {
                break;
            }
        }
        assert_eq!(tcp.ssthresh, 20);
        assert!((25_500..28_000).contains(&(tcp.now_us - 1_000_000)));
    }
}
