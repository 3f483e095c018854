//! BBR version 3: the model of the path, from every acknowledgment.

use super::{
    AckPhase, BETA, Bbr3, CWND_GAIN, DRAIN_PACING_GAIN, EXTRA_ACKED_ROUNDS, LOSS_THRESH, MAX_DRAIN_ROUNDS,
    MIN_PIPE_CWND, MIN_RTT_WINDOW_US, Mode, PROBE_RTT_CWND_GAIN, PROBE_RTT_DURATION_US,
    PROBE_RTT_INTERVAL_US, STARTUP_FULL_LOSS_COUNT,
};
use crate::CaState;
use crate::congestion::{RateSample, Sender};

/// The model of the path.
impl Bbr3 {
    pub(super) fn update_round(&mut self, tcp: &Sender, sample: &RateSample) {
        self.round_start = sample.prior_delivered.wrapping_sub(self.next_round_delivered) as i32 >= 0;
        if self.round_start {
            self.start_round(tcp);
            self.round_count += 1;
            self.rounds_since_probe += 1;
        }
    }

    pub(super) fn update_signals(&mut self, tcp: &Sender, sample: &RateSample, rate: f64) {
        self.loss_round_start = false;
        self.bw_latest = self.bw_latest.max(rate);
        self.inflight_latest = self.inflight_latest.max(f64::from(sample.delivered));
        if sample.prior_delivered.wrapping_sub(self.loss_round_delivered) as i32 >= 0 {
            self.loss_round_delivered = tcp.delivered;
            self.loss_round_start = true;
        }
        self.update_round(tcp, sample);
        if rate > 0.0 && (rate >= self.max_bw() || !sample.is_app_limited) {
            self.max_bw[0] = self.max_bw[0].max(rate);
        }
        self.loss_events += u32::from(sample.losses > 0);
        if !self.loss_round_start {
            return;
        }
        let probing = matches!(self.mode, Mode::Startup | Mode::Refill | Mode::Up);
        if !probing && self.loss_in_round {
            if self.bw_shortterm.is_infinite() {
                self.bw_shortterm = self.max_bw();
            }
            if self.inflight_shortterm.is_infinite() {
                self.inflight_shortterm = f64::from(tcp.cwnd);
            }
            self.bw_shortterm = self.bw_latest.max(BETA * self.bw_shortterm);
            self.inflight_shortterm = self.inflight_latest.max(BETA * self.inflight_shortterm);
        }
    }

    pub(super) fn update_aggregation(&mut self, tcp: &Sender, sample: &RateSample) {
        let elapsed = tcp.now_us.saturating_sub(self.extra_acked_start_us);
        let mut expected = self.bw() * elapsed as f64 / 1e6;
        if f64::from(self.extra_acked_delivered) <= expected {
            self.extra_acked_delivered = 0;
            self.extra_acked_start_us = tcp.now_us;
            expected = 0.0;
        }
        self.extra_acked_delivered += sample.acked_sacked;
        let extra = (f64::from(self.extra_acked_delivered) - expected).min(f64::from(tcp.cwnd)).max(0.0);
        let window = if self.full_bw_reached { EXTRA_ACKED_ROUNDS } else { 1 };
        self.extra_acked.running_max(window, self.round_count, extra as u32);
    }

    pub(super) fn check_full_bw(&mut self, tcp: &Sender, sample: &RateSample, rate: f64) {
        if !self.full_bw_now && self.round_start && !sample.is_app_limited {
            if rate >= self.full_bw * 1.25 {
                self.reset_full_bw(rate);
            } else {
                self.full_bw_count += 1;
                self.full_bw_now = self.full_bw_count >= 3;
                self.full_bw_reached |= self.full_bw_now;
            }
        }
        if self.mode == Mode::Startup && !self.full_bw_reached && self.loss_round_start {
            let high = Bbr3::is_too_high(tcp, sample.tx_in_flight, sample.lost);
            let enough = self.loss_events >= STARTUP_FULL_LOSS_COUNT || !tcp.sack_enabled;
            if high && enough && tcp.ca_state == CaState::Recovery {
                self.undo.state = Some(Mode::Startup);
                self.full_bw_reached = true;
                self.inflight_longterm = self.bdp(tcp, self.max_bw(), 1.0).max(self.inflight_latest);
            }
        }
        if self.mode == Mode::Startup && self.full_bw_reached {
            self.mode = Mode::Drain;
            self.pacing_gain = DRAIN_PACING_GAIN;
            self.cwnd_gain = CWND_GAIN;
            self.drain_start_round = self.round_count;
        }
        if self.mode == Mode::Drain
            && (f64::from(tcp.in_flight()) <= self.inflight(tcp, 1.0)
                || self.round_count > self.drain_start_round + MAX_DRAIN_ROUNDS)
        {
            self.start_down(tcp);
        }
    }

    pub(super) fn is_too_high(tcp: &Sender, tx_in_flight: u32, lost: u32) -> bool {
        f64::from(lost) > f64::from(tx_in_flight) * LOSS_THRESH || (lost > 0 && !tcp.sack_enabled)
    }

    pub(super) fn too_high(&mut self, tcp: &Sender, tx_in_flight: f64, app_limited: bool) {
        self.prev_probe_too_high = true;
        self.probe_samples = false;
        if !app_limited {
            // In whole segments, as the window is, or the window would never reach it.
            self.inflight_longterm = libm::ceil(tx_in_flight.max(self.target_inflight(tcp) * BETA));
        }
        if self.mode == Mode::Up {
            self.undo.state = Some(Mode::Up);
            self.start_down(tcp);
        }
    }

    /// Returns whether another phase begins.
    pub(super) fn adapt_long_term(&mut self, tcp: &Sender, sample: &RateSample) -> bool {
        if self.ack_phase == AckPhase::ProbeStarting && self.round_start {
            self.ack_phase = AckPhase::ProbeFeedback;
        }
        if self.ack_phase == AckPhase::ProbeStopping && self.round_start {
            self.ack_phase = AckPhase::Init;
            self.probe_samples = false;
            if self.is_probe_bw() && !sample.is_app_limited {
                self.max_bw = [0.0, self.max_bw[0]];
            }
            if self.is_probe_bw() && self.prev_probe_precautionary && !self.prev_probe_too_high {
                self.start_refill(tcp);
                return true;
            }
        }
        let safe = !Bbr3::is_too_high(tcp, sample.tx_in_flight, sample.lost);
        if safe && self.inflight_longterm.is_finite() {
            self.inflight_longterm = self.inflight_longterm.max(f64::from(sample.tx_in_flight));
            if self.mode == Mode::Up {
                self.probe_upward(tcp, sample.acked_sacked);
            }
        }
        false
    }

    pub(super) fn probe_upward(&mut self, tcp: &Sender, acked: u32) {
        if !tcp.is_cwnd_limited || f64::from(tcp.cwnd) < self.inflight_longterm {
            return;
        }
        self.probe_up_acks += acked;
        if self.probe_up_acks >= self.probe_up_count {
            let delta = self.probe_up_acks / self.probe_up_count;
            self.probe_up_acks -= delta * self.probe_up_count;
            self.inflight_longterm += f64::from(delta);
        }
        if self.round_start {
            self.raise_slope(tcp);
        }
    }

    pub(super) fn raise_slope(&mut self, tcp: &Sender) {
        let growth = 1u32 << self.probe_up_rounds;
        self.probe_up_rounds = (self.probe_up_rounds + 1).min(30);
        self.probe_up_count = (tcp.cwnd / growth).max(1);
    }

    pub(super) fn update_min_rtt(&mut self, tcp: &mut Sender, sample: &RateSample) {
        let now = tcp.now_us;
        self.probe_rtt_expired = now > self.probe_rtt_min_at_us + PROBE_RTT_INTERVAL_US;
        if sample.rtt_us >= 0 && ((sample.rtt_us as u64) < self.probe_rtt_min_us || self.probe_rtt_expired) {
            self.probe_rtt_min_us = sample.rtt_us as u64;
            self.probe_rtt_min_at_us = now;
        }
        if self.probe_rtt_min_us < self.min_rtt_us || now > self.min_rtt_at_us + MIN_RTT_WINDOW_US {
            self.min_rtt_us = self.probe_rtt_min_us;
            self.min_rtt_at_us = self.probe_rtt_min_at_us;
        }
        if self.mode != Mode::ProbeRtt && self.probe_rtt_expired && !self.idle_restart {
            self.save_cwnd(tcp);
            self.mode = Mode::ProbeRtt;
            self.pacing_gain = 1.0;
            self.cwnd_gain = PROBE_RTT_CWND_GAIN;
            self.probe_rtt_done_us = 0;
            self.ack_phase = AckPhase::ProbeStopping;
            self.start_round(tcp);
        }
        if self.mode == Mode::ProbeRtt {
            self.handle_probe_rtt(tcp);
        }
        if sample.delivered > 0 {
            self.idle_restart = false;
        }
    }

    pub(super) fn probe_rtt_cwnd(&self, tcp: &Sender) -> f64 {
        self.bdp(tcp, self.bw(), PROBE_RTT_CWND_GAIN).max(f64::from(MIN_PIPE_CWND))
    }

    pub(super) fn handle_probe_rtt(&mut self, tcp: &mut Sender) {
        tcp.app_limited = tcp.delivered.wrapping_add(tcp.in_flight()).max(1);
        if self.probe_rtt_done_us == 0 {
            if f64::from(tcp.in_flight()) <= self.probe_rtt_cwnd(tcp) {
                self.probe_rtt_done_us = tcp.now_us + PROBE_RTT_DURATION_US;
                self.probe_rtt_round_done = false;
                self.start_round(tcp);
            }
            return;
        }
        self.probe_rtt_round_done |= self.round_start;
        if self.probe_rtt_round_done {
            self.check_probe_rtt_done(tcp);
        }
    }

    pub(super) fn check_probe_rtt_done(&mut self, tcp: &mut Sender) {
        if self.probe_rtt_done_us == 0 || tcp.now_us <= self.probe_rtt_done_us {
            return;
        }
        self.probe_rtt_min_at_us = tcp.now_us;
        tcp.cwnd = tcp.cwnd.max(self.prior_cwnd);
        self.reset_short_term();
        if self.full_bw_reached {
            self.start_down(tcp);
            self.start_cruise();
        } else {
            self.enter_startup();
        }
    }
}
