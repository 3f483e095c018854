//! BBR, version 1: a model of the path's bandwidth and propagation delay sets the pacing rate and the window.

use super::{CcEvent, CongestionControl, RateSample, Sender};
use crate::minmax::MinMax;
use crate::sender::INFINITE_SSTHRESH;
use crate::{CaState, TcpConfig};

/// Bandwidth is kept in segments per microsecond, times 2^24.
const BW_SHIFT: u32 = 24;
const BW_UNIT: u64 = 1 << BW_SHIFT;
/// Gains are multiples of 1 / 256.
const UNIT: u64 = 256;
/// 2 / ln 2: the least gain that doubles the rate every round.
const HIGH_GAIN: u64 = UNIT * 2885 / 1000 + 1;
const DRAIN_GAIN: u64 = UNIT * 1000 / 2885;
const CWND_GAIN: u64 = UNIT * 2;
const CYCLE: [u64; 8] = [UNIT * 5 / 4, UNIT * 3 / 4, UNIT, UNIT, UNIT, UNIT, UNIT, UNIT];
/// The bandwidth filter's window in rounds.
const BW_ROUNDS: u64 = 10;
const MIN_RTT_WINDOW_US: u64 = 10_000_000;
const PROBE_RTT_US: u64 = 200_000;
const MIN_CWND: u32 = 4;
const FULL_BW_ROUNDS: u32 = 3;
/// One percent below the estimate, so that no queue builds up from rounding.
const PACING_PERCENT: u64 = 99;
/// A policer is suspected at this loss rate, for at least so many rounds, and believed for so many.
const POLICER_LOSS: u64 = 50;
const POLICER_MIN_ROUNDS: u32 = 4;
const POLICER_MAX_ROUNDS: u32 = 48;
const AGGREGATION_ROUNDS: u32 = 5;
const AGGREGATION_MAX_US: u64 = 100_000;
const AGGREGATION_RESET: u32 = 1 << 20;
/// Below this rate (1.2 Mbit/s) segments leave one by one, else at least in pairs.
const PAIR_RATE: u64 = 1_200_000 / 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Startup,
    Drain,
    ProbeBw,
    ProbeRtt,
}

/// Long-term sampling, which finds policers.
#[derive(Default)]
struct Policer {
    sampling: bool,
    in_use: bool,
    rounds: u32,
    bw: u64,
    last_delivered: u32,
    last_us: u64,
    last_lost: u32,
}

/// BBR's variables.
pub(crate) struct Bbr {
    mode: Mode,
    pacing_gain: u64,
    cwnd_gain: u64,
    bw: MinMax,
    rounds: u64,
    next_round_delivered: u32,
    round_start: bool,
    min_rtt_us: u64,
    min_rtt_at_us: u64,
    probe_rtt_done_us: u64,
    probe_rtt_round_done: bool,
    prior_cwnd: u32,
    prev_state: CaState,
    packet_conservation: bool,
    idle_restart: bool,
    has_seen_rtt: bool,
    full_bw: u64,
    full_bw_count: u32,
    full_bw_reached: bool,
    cycle_index: usize,
    cycle_us: u64,
    seed: u64,
    policer: Policer,
    extra_acked: [u32; 2],
    extra_acked_rounds: u32,
    extra_acked_index: usize,
    ack_epoch_us: u64,
    ack_epoch_acked: u32,
}

impl Bbr {
    pub fn new(_config: &TcpConfig) -> Bbr {
        Bbr {
            mode: Mode::Startup,
            pacing_gain: HIGH_GAIN,
            cwnd_gain: HIGH_GAIN,
            bw: MinMax::new(0, 0),
            rounds: 0,
            next_round_delivered: 0,
            round_start: false,
            min_rtt_us: u64::from(u32::MAX),
            min_rtt_at_us: 0,
            probe_rtt_done_us: 0,
            probe_rtt_round_done: false,
            prior_cwnd: 0,
            prev_state: CaState::Open,
            packet_conservation: false,
            idle_restart: false,
            has_seen_rtt: false,
            full_bw: 0,
            full_bw_count: 0,
            full_bw_reached: false,
            cycle_index: 0,
            cycle_us: 0,
            seed: 0,
            policer: Policer::default(),
            extra_acked: [0; 2],
            extra_acked_rounds: 0,
            extra_acked_index: 0,
            ack_epoch_us: 0,
            ack_epoch_acked: 0,
        }
    }

    fn max_bw(&self) -> u64 {
        u64::from(self.bw.get())
    }

    fn bandwidth(&self) -> u64 {
        if self.policer.in_use { self.policer.bw } else { self.max_bw() }
    }

    fn pacing_rate(tcp: &Sender, bw: u64, gain: u64) -> u64 {
        let rate = (bw * u64::from(tcp.mss) * gain) >> 8;
        ((u128::from(rate) * u128::from(1_000_000 / 100 * PACING_PERCENT)) >> BW_SHIFT) as u64
    }

    fn init_pacing_rate(&mut self, tcp: &mut Sender) {
        let rtt_us = match tcp.srtt_us() {
            0 => 1_000,
            rtt_us => {
                self.has_seen_rtt = true;
                u64::from(rtt_us)
            }
        };
        tcp.pacing_rate = Bbr::pacing_rate(tcp, u64::from(tcp.cwnd) * BW_UNIT / rtt_us, HIGH_GAIN);
    }

    fn set_pacing_rate(&mut self, tcp: &mut Sender, gain: u64) {
        let rate = Bbr::pacing_rate(tcp, self.bandwidth(), gain);
        if !self.has_seen_rtt && tcp.srtt_us() > 0 {
            self.init_pacing_rate(tcp);
        }
        if self.full_bw_reached || rate > tcp.pacing_rate {
            tcp.pacing_rate = rate;
        }
    }

    /// Segments that leave together.
    fn burst(tcp: &Sender) -> u32 {
        let least = if tcp.pacing_rate < PAIR_RATE { 1 } else { 2 };
        let segments = (tcp.pacing_rate >> 10).min(65_000) / u64::from(tcp.mss);
        (segments as u32).max(least).min(0x7F)
    }

    fn bdp(&self, tcp: &Sender, bw: u64, gain: u64) -> u32 {
        if self.min_rtt_us == u64::from(u32::MAX) {
            return u32::from(tcp.init_cwnd);
        }
        let bytes = u128::from(bw) * u128::from(self.min_rtt_us);
        let scaled = (bytes * u128::from(gain)) >> 8;
        scaled.div_ceil(u128::from(BW_UNIT)).min(1 << 30) as u32
    }

    /// Room for what waits in hosts, and for the granularity of sending.
    fn quantize(&self, tcp: &Sender, cwnd: u32) -> u32 {
        let cwnd = (cwnd + 3 * Bbr::burst(tcp) + 1) & !1;
        if self.mode == Mode::ProbeBw && self.cycle_index == 0 { cwnd + 2 } else { cwnd }
    }

    fn inflight_target(&self, tcp: &Sender, bw: u64, gain: u64) -> u32 {
        self.quantize(tcp, self.bdp(tcp, bw, gain))
    }

    /// Segments in the network when the next paced one leaves.
    fn in_net_at_departure(&self, tcp: &Sender, in_flight: u32) -> u32 {
        let now_ns = tcp.now_us * 1_000;
        let wait_us = tcp.pace_next_ns.saturating_sub(now_ns) / 1_000;
        let delivered = (self.bandwidth() * wait_us) >> BW_SHIFT;
        let mut in_net = in_flight;
        if self.pacing_gain > UNIT {
            in_net += Bbr::burst(tcp);
        }
        in_net.saturating_sub(delivered.min(u64::from(u32::MAX)) as u32)
    }

    fn save_cwnd(&mut self, tcp: &Sender) {
        self.prior_cwnd = if self.prev_state < CaState::Recovery && self.mode != Mode::ProbeRtt {
            tcp.cwnd
        } else {
            self.prior_cwnd.max(tcp.cwnd)
        };
    }

    fn update_bw(&mut self, tcp: &Sender, sample: &RateSample) {
        self.round_start = false;
        if sample.delivered < 0 || sample.interval_us <= 0 {
            return;
        }
        if sample.prior_delivered.wrapping_sub(self.next_round_delivered) as i32 >= 0 {
            self.next_round_delivered = tcp.delivered;
            self.rounds += 1;
            self.round_start = true;
            self.packet_conservation = false;
        }
        self.sample_policer(tcp, sample.is_app_limited, sample.losses);
        let bw = sample.delivered as u64 * BW_UNIT / sample.interval_us as u64;
        if !sample.is_app_limited || bw >= self.max_bw() {
            self.bw.running_max(BW_ROUNDS, self.rounds, bw.min(u64::from(u32::MAX)) as u32);
        }
    }

    fn restart_policer_interval(&mut self, tcp: &Sender) {
        let policer = &mut self.policer;
        policer.last_us = tcp.delivered_us;
        policer.last_delivered = tcp.delivered;
        policer.last_lost = tcp.lost;
        policer.rounds = 0;
    }

    fn reset_policer(&mut self, tcp: &Sender) {
        self.policer.bw = 0;
        self.policer.in_use = false;
        self.policer.sampling = false;
        self.restart_policer_interval(tcp);
    }

    /// Two intervals in a row with the same rate and heavy loss: a policer drops what is above its rate.
    fn sample_policer(&mut self, tcp: &Sender, app_limited: bool, losses: u32) {
        if self.policer.in_use {
            if self.mode == Mode::ProbeBw && self.round_start {
                self.policer.rounds += 1;
                if self.policer.rounds >= POLICER_MAX_ROUNDS {
                    self.reset_policer(tcp);
                    self.enter_probe_bw(tcp);
                }
            }
            return;
        }
        if !self.policer.sampling {
            if losses == 0 {
                return;
            }
            self.restart_policer_interval(tcp);
            self.policer.sampling = true;
        }
        if app_limited {
            self.reset_policer(tcp);
            return;
        }
        self.policer.rounds += u32::from(self.round_start);
        if self.policer.rounds < POLICER_MIN_ROUNDS {
            return;
        }
        if self.policer.rounds > 4 * POLICER_MIN_ROUNDS {
            self.reset_policer(tcp);
            return;
        }
        if losses == 0 {
            return;
        }
        let lost = tcp.lost.wrapping_sub(self.policer.last_lost);
        let delivered = tcp.delivered.wrapping_sub(self.policer.last_delivered);
        if delivered == 0 || u64::from(lost) << 8 < POLICER_LOSS * u64::from(delivered) {
            return;
        }
        let interval_us = tcp.delivered_us.saturating_sub(self.policer.last_us);
        if interval_us < 1_000 {
            return;
        }
        self.policer_interval(tcp, u64::from(delivered) * BW_UNIT / interval_us);
    }

    fn policer_interval(&mut self, tcp: &Sender, bw: u64) {
        let old = self.policer.bw;
        if old > 0 {
            let difference = bw.abs_diff(old);
            let slow = Bbr::pacing_rate(tcp, difference, UNIT) <= 4_000 / 8;
            if difference * UNIT <= 32 * old || slow {
                self.policer.bw = (bw + old) >> 1;
                self.policer.in_use = true;
                self.pacing_gain = UNIT;
                self.policer.rounds = 0;
                return;
            }
        }
        self.policer.bw = bw;
        self.restart_policer_interval(tcp);
    }

    /// How much more than the estimate is acknowledged at once, at most, over the last rounds.
    fn update_aggregation(&mut self, tcp: &Sender, sample: &RateSample) {
        if sample.acked_sacked == 0 || sample.delivered < 0 || sample.interval_us <= 0 {
            return;
        }
        if self.round_start {
            self.extra_acked_rounds = (self.extra_acked_rounds + 1).min(0x1F);
            if self.extra_acked_rounds >= AGGREGATION_ROUNDS {
                self.extra_acked_rounds = 0;
                self.extra_acked_index ^= 1;
                self.extra_acked[self.extra_acked_index] = 0;
            }
        }
        let epoch_us = tcp.delivered_us.saturating_sub(self.ack_epoch_us);
        let expected = (self.bandwidth() * epoch_us) >> BW_SHIFT;
        let mut expected = expected.min(u64::from(u32::MAX)) as u32;
        if self.ack_epoch_acked <= expected || self.ack_epoch_acked + sample.acked_sacked >= AGGREGATION_RESET
        {
            self.ack_epoch_acked = 0;
            self.ack_epoch_us = tcp.delivered_us;
            expected = 0;
        }
        self.ack_epoch_acked = (self.ack_epoch_acked + sample.acked_sacked).min(0xF_FFFF);
        let extra = (self.ack_epoch_acked - expected.min(self.ack_epoch_acked)).min(tcp.cwnd);
        let best = &mut self.extra_acked[self.extra_acked_index];
        *best = (*best).max(extra);
    }

    fn aggregation_cwnd(&self) -> u32 {
        if !self.full_bw_reached {
            return 0;
        }
        let most = (self.bandwidth() * AGGREGATION_MAX_US / BW_UNIT) as u32;
        self.extra_acked[0].max(self.extra_acked[1]).min(most)
    }

    fn is_next_phase(&self, tcp: &Sender, sample: &RateSample) -> bool {
        let full_length = tcp.delivered_us.saturating_sub(self.cycle_us) > self.min_rtt_us;
        if self.pacing_gain == UNIT {
            return full_length;
        }
        let in_net = self.in_net_at_departure(tcp, sample.prior_in_flight);
        if self.pacing_gain > UNIT {
            let target = self.inflight_target(tcp, self.max_bw(), self.pacing_gain);
            return full_length && (sample.losses > 0 || in_net >= target);
        }
        full_length || in_net <= self.inflight_target(tcp, self.max_bw(), UNIT)
    }

    fn next_phase(&mut self, tcp: &Sender) {
        self.cycle_index = (self.cycle_index + 1) % CYCLE.len();
        self.cycle_us = tcp.delivered_us;
    }

    /// The cycle begins at a random phase, but not in the one that drains.
    fn enter_probe_bw(&mut self, tcp: &Sender) {
        self.mode = Mode::ProbeBw;
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.cycle_index = CYCLE.len() - 1 - ((self.seed >> 33) % 7) as usize;
        self.next_phase(tcp);
    }

    fn leave_probe_rtt(&mut self, tcp: &mut Sender) {
        if self.probe_rtt_done_us == 0 || tcp.now_us <= self.probe_rtt_done_us {
            return;
        }
        self.min_rtt_at_us = tcp.now_us;
        tcp.cwnd = tcp.cwnd.max(self.prior_cwnd);
        if self.full_bw_reached {
            self.enter_probe_bw(tcp);
        } else {
            self.mode = Mode::Startup;
        }
    }

    fn check_full_bw(&mut self, sample: &RateSample) {
        if self.full_bw_reached || !self.round_start || sample.is_app_limited {
            return;
        }
        if self.max_bw() >= self.full_bw * 5 / 4 {
            self.full_bw = self.max_bw();
            self.full_bw_count = 0;
            return;
        }
        self.full_bw_count += 1;
        self.full_bw_reached = self.full_bw_count >= FULL_BW_ROUNDS;
    }

    fn check_drain(&mut self, tcp: &mut Sender) {
        if self.mode == Mode::Startup && self.full_bw_reached {
            self.mode = Mode::Drain;
            tcp.ssthresh = self.inflight_target(tcp, self.max_bw(), UNIT);
        }
        if self.mode == Mode::Drain {
            let in_net = self.in_net_at_departure(tcp, tcp.in_flight());
            if in_net <= self.inflight_target(tcp, self.max_bw(), UNIT) {
                self.enter_probe_bw(tcp);
            }
        }
    }

    fn update_min_rtt(&mut self, tcp: &mut Sender, sample: &RateSample) {
        let expired = tcp.now_us > self.min_rtt_at_us + MIN_RTT_WINDOW_US;
        if sample.rtt_us >= 0
            && ((sample.rtt_us as u64) < self.min_rtt_us || (expired && !sample.is_ack_delayed))
        {
            self.min_rtt_us = sample.rtt_us as u64;
            self.min_rtt_at_us = tcp.now_us;
        }
        if expired && !self.idle_restart && self.mode != Mode::ProbeRtt {
            self.mode = Mode::ProbeRtt;
            self.save_cwnd(tcp);
            self.probe_rtt_done_us = 0;
        }
        if self.mode == Mode::ProbeRtt {
            tcp.app_limited = tcp.delivered.wrapping_add(tcp.in_flight()).max(1);
            if self.probe_rtt_done_us == 0 && tcp.in_flight() <= MIN_CWND {
                self.probe_rtt_done_us = tcp.now_us + PROBE_RTT_US;
                self.probe_rtt_round_done = false;
                self.next_round_delivered = tcp.delivered;
            } else if self.probe_rtt_done_us != 0 {
                self.probe_rtt_round_done |= self.round_start;
                if self.probe_rtt_round_done {
                    self.leave_probe_rtt(tcp);
                }
            }
        }
        if sample.delivered > 0 {
            self.idle_restart = false;
        }
    }

    fn update_gains(&mut self) {
        (self.pacing_gain, self.cwnd_gain) = match self.mode {
            Mode::Startup => (HIGH_GAIN, HIGH_GAIN),
            Mode::Drain => (DRAIN_GAIN, HIGH_GAIN),
            Mode::ProbeBw => (if self.policer.in_use { UNIT } else { CYCLE[self.cycle_index] }, CWND_GAIN),
            Mode::ProbeRtt => (UNIT, UNIT),
        };
    }

    /// One segment per segment delivered in the first round of recovery, and back to the old window after it.
    fn recover(&mut self, tcp: &Sender, sample: &RateSample) -> (u32, bool) {
        let (before, state) = (self.prev_state, tcp.ca_state);
        let mut cwnd = tcp.cwnd.saturating_sub(sample.losses).max(1);
        if state == CaState::Recovery && before != CaState::Recovery {
            self.packet_conservation = true;
            self.next_round_delivered = tcp.delivered;
            cwnd = tcp.in_flight() + sample.acked_sacked;
        } else if before >= CaState::Recovery && state < CaState::Recovery {
            cwnd = cwnd.max(self.prior_cwnd);
            self.packet_conservation = false;
        }
        self.prev_state = state;
        if self.packet_conservation {
            return (cwnd.max(tcp.in_flight() + sample.acked_sacked), true);
        }
        (cwnd, false)
    }

    fn set_cwnd(&mut self, tcp: &mut Sender, sample: &RateSample) {
        let acked = sample.acked_sacked;
        let mut cwnd = tcp.cwnd;
        if acked > 0 {
            let (recovering, conserving) = self.recover(tcp, sample);
            cwnd = recovering;
            if !conserving {
                let target = self.bdp(tcp, self.bandwidth(), self.cwnd_gain) + self.aggregation_cwnd();
                let target = self.quantize(tcp, target);
                if self.full_bw_reached {
                    cwnd = (cwnd + acked).min(target);
                } else if cwnd < target || tcp.delivered < u32::from(tcp.init_cwnd) {
                    cwnd += acked;
                }
                cwnd = cwnd.max(MIN_CWND);
            }
        }
        tcp.cwnd = if self.mode == Mode::ProbeRtt { cwnd.min(MIN_CWND) } else { cwnd };
    }
}

impl CongestionControl for Bbr {
    fn name(&self) -> &str {
        "bbr"
    }

    fn init(&mut self, tcp: &mut Sender) {
        tcp.ssthresh = INFINITE_SSTHRESH;
        tcp.pacing_needed = true;
        self.next_round_delivered = tcp.delivered;
        self.min_rtt_us = u64::from(tcp.min_rtt_us());
        self.min_rtt_at_us = tcp.now_us;
        self.ack_epoch_us = tcp.now_us;
        self.seed = u64::from(tcp.snd_una.0) << 16 | 0x5DEE;
        self.restart_policer_interval(tcp);
        self.init_pacing_rate(tcp);
    }

    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        self.save_cwnd(tcp);
        tcp.ssthresh
    }

    fn cong_avoid(&mut self, _tcp: &mut Sender, _acked: u32) {}

    fn controls_all(&self) -> bool {
        true
    }

    fn cong_control(&mut self, tcp: &mut Sender, sample: &RateSample) {
        self.update_bw(tcp, sample);
        self.update_aggregation(tcp, sample);
        if self.mode == Mode::ProbeBw && self.is_next_phase(tcp, sample) {
            self.next_phase(tcp);
        }
        self.check_full_bw(sample);
        self.check_drain(tcp);
        self.update_min_rtt(tcp, sample);
        self.update_gains();
        self.set_pacing_rate(tcp, self.pacing_gain);
        self.set_cwnd(tcp, sample);
    }

    fn on_event(&mut self, tcp: &mut Sender, event: CcEvent) {
        if event == CcEvent::TxStart && tcp.app_limited != 0 {
            self.idle_restart = true;
            self.ack_epoch_us = tcp.now_us;
            self.ack_epoch_acked = 0;
            match self.mode {
                Mode::ProbeBw => self.set_pacing_rate(tcp, UNIT),
                Mode::ProbeRtt => self.leave_probe_rtt(tcp),
                _ => {}
            }
        }
    }

    fn set_state(&mut self, tcp: &mut Sender, state: CaState) {
        if state == CaState::Loss {
            self.prev_state = CaState::Loss;
            self.full_bw = 0;
            self.round_start = true;
            self.sample_policer(tcp, false, 1);
        }
    }

    fn undo_cwnd(&mut self, tcp: &mut Sender) -> u32 {
        self.full_bw = 0;
        self.full_bw_count = 0;
        self.reset_policer(tcp);
        tcp.cwnd
    }

    fn variable(&self, name: &str) -> Option<f64> {
        match name {
            "mode" => Some(f64::from(self.mode as u8)),
            "bw" => Some(self.bandwidth() as f64 / BW_UNIT as f64 * 1e6),
            "min_rtt" => Some(self.min_rtt_us as f64 / 1e6),
            "pacing_gain" => Some(self.pacing_gain as f64 / UNIT as f64),
            "cwnd_gain" => Some(self.cwnd_gain as f64 / UNIT as f64),
            "round_count" => Some(self.rounds as f64),
            "full_bw_reached" => Some(f64::from(u8::from(self.full_bw_reached))),
            "policed" => Some(f64::from(u8::from(self.policer.in_use))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire_wire::Seq;

    #[test]
    fn three_rounds_without_growth_end_startup() {
        let mut tcp = Sender::new(0, Seq(0), 1000, 3, 10);
        let mut bbr = Bbr::new(&TcpConfig::linux());
        bbr.init(&mut tcp);
        for round in 1..=6u32 {
            tcp.now_us += 50_000;
            tcp.delivered_us = tcp.now_us;
            tcp.delivered += 10;
            let sample = RateSample {
                valid: true,
                prior_delivered: tcp.delivered - 10 + u32::from(round == 1),
                delivered: 10,
                interval_us: 50_000,
                rtt_us: 50_000,
                acked_sacked: 10,
                ..RateSample::default()
            };
            bbr.cong_control(&mut tcp, &sample);
        }
        assert!(bbr.full_bw_reached);
        assert!((bbr.variable("bw").unwrap() - 200.0).abs() < 0.1);
        assert_eq!(bbr.bdp(&tcp, bbr.max_bw(), UNIT), 10);
    }
}
