//! BBR, version 3 (draft-ietf-ccwg-bbr): as version 1, but bounded by what the path was seen to lose.
//!
//! Names follow the draft. Bandwidth is in segments per second, inflight in segments.

mod model;
#[cfg(test)]
mod tests;

use super::{CcEvent, CongestionControl, RateSample, Sender};
use crate::minmax::MinMax;
use crate::sender::INFINITE_SSTHRESH;
use crate::{CaState, TcpConfig};

const LOSS_THRESH: f64 = 0.02;
const BETA: f64 = 0.7;
const HEADROOM: f64 = 0.15;
const MIN_PIPE_CWND: u32 = 4;
const PACING_MARGIN: f64 = 0.99;
const STARTUP_PACING_GAIN: f64 = 2.77;
const DRAIN_PACING_GAIN: f64 = 0.5;
const DOWN_PACING_GAIN: f64 = 0.9;
const UP_PACING_GAIN: f64 = 1.25;
const CWND_GAIN: f64 = 2.0;
const UP_CWND_GAIN: f64 = 2.25;
const PROBE_RTT_CWND_GAIN: f64 = 0.5;
const MIN_RTT_WINDOW_US: u64 = 10_000_000;
const PROBE_RTT_INTERVAL_US: u64 = 5_000_000;
const PROBE_RTT_DURATION_US: u64 = 200_000;
const EXTRA_ACKED_ROUNDS: u64 = 10;
const STARTUP_FULL_LOSS_COUNT: u32 = 6;
const MAX_DRAIN_ROUNDS: u64 = 3;
const MAX_PROBE_ROUNDS: u64 = 62;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Startup,
    Drain,
    Down,
    Cruise,
    Refill,
    Up,
    ProbeRtt,
}

/// What the acknowledgments that now arrive say about the last probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum AckPhase {
    Init,
    Refilling,
    ProbeStarting,
    ProbeFeedback,
    ProbeStopping,
}

/// What a loss changed, to be taken back when it turns out not to have been one.
struct Undo {
    state: Option<Mode>,
    bw_shortterm: f64,
    inflight_shortterm: f64,
    inflight_longterm: f64,
}

/// BBR's variables, by the draft's names.
pub(crate) struct Bbr3 {
    mode: Mode,
    pacing_gain: f64,
    cwnd_gain: f64,
    /// The maximum of the current and of the last probing cycle.
    max_bw: [f64; 2],
    bw_shortterm: f64,
    bw_latest: f64,
    inflight_longterm: f64,
    inflight_shortterm: f64,
    inflight_latest: f64,
    full_bw: f64,
    full_bw_count: u32,
    full_bw_now: bool,
    full_bw_reached: bool,
    round_count: u64,
    round_start: bool,
    next_round_delivered: u32,
    loss_round_delivered: u32,
    loss_round_start: bool,
    loss_in_round: bool,
    loss_events: u32,
    drain_start_round: u64,
    rounds_since_probe: u64,
    probe_wait_us: u64,
    cycle_us: u64,
    ack_phase: AckPhase,
    probe_samples: bool,
    probe_up_rounds: u32,
    probe_up_acks: u32,
    probe_up_count: u32,
    min_rtt_us: u64,
    min_rtt_at_us: u64,
    probe_rtt_min_us: u64,
    probe_rtt_min_at_us: u64,
    probe_rtt_expired: bool,
    probe_rtt_done_us: u64,
    probe_rtt_round_done: bool,
    prior_cwnd: u32,
    prev_probe_too_high: bool,
    prev_probe_precautionary: bool,
    undo: Undo,
    idle_restart: bool,
    has_seen_rtt: bool,
    extra_acked: MinMax,
    extra_acked_start_us: u64,
    extra_acked_delivered: u32,
    seed: u64,
}

impl Bbr3 {
    pub fn new(_config: &TcpConfig) -> Bbr3 {
        Bbr3 {
            mode: Mode::Startup,
            pacing_gain: STARTUP_PACING_GAIN,
            cwnd_gain: CWND_GAIN,
            max_bw: [0.0; 2],
            bw_shortterm: f64::INFINITY,
            bw_latest: 0.0,
            inflight_longterm: f64::INFINITY,
            inflight_shortterm: f64::INFINITY,
            inflight_latest: 0.0,
            full_bw: 0.0,
            full_bw_count: 0,
            full_bw_now: false,
            full_bw_reached: false,
            round_count: 0,
            round_start: false,
            next_round_delivered: 0,
            loss_round_delivered: 0,
            loss_round_start: false,
            loss_in_round: false,
            loss_events: 0,
            drain_start_round: 0,
            rounds_since_probe: 0,
            probe_wait_us: 0,
            cycle_us: 0,
            ack_phase: AckPhase::Init,
            probe_samples: false,
            probe_up_rounds: 0,
            probe_up_acks: 0,
            probe_up_count: u32::MAX,
            min_rtt_us: u64::MAX,
            min_rtt_at_us: 0,
            probe_rtt_min_us: u64::MAX,
            probe_rtt_min_at_us: 0,
            probe_rtt_expired: false,
            probe_rtt_done_us: 0,
            probe_rtt_round_done: false,
            prior_cwnd: 0,
            prev_probe_too_high: false,
            prev_probe_precautionary: false,
            undo: Undo { state: None, bw_shortterm: 0.0, inflight_shortterm: 0.0, inflight_longterm: 0.0 },
            idle_restart: false,
            has_seen_rtt: false,
            extra_acked: MinMax::new(0, 0),
            extra_acked_start_us: 0,
            extra_acked_delivered: 0,
            seed: 0,
        }
    }

    fn is_probe_bw(&self) -> bool {
        matches!(self.mode, Mode::Down | Mode::Cruise | Mode::Refill | Mode::Up)
    }

    fn max_bw(&self) -> f64 {
        self.max_bw[0].max(self.max_bw[1])
    }

    fn bw(&self) -> f64 {
        self.max_bw().min(self.bw_shortterm)
    }

    fn bdp(&self, tcp: &Sender, bw: f64, gain: f64) -> f64 {
        if self.min_rtt_us == u64::MAX {
            return f64::from(tcp.init_cwnd);
        }
        gain * bw * self.min_rtt_us as f64 / 1e6
    }

    /// Segments that leave together: about a millisecond's worth.
    fn send_quantum(tcp: &Sender) -> f64 {
        ((tcp.pacing_rate / 1_000).min(65_536) / u64::from(tcp.mss)).max(2) as f64
    }

    fn quantize(&self, tcp: &Sender, inflight: f64) -> f64 {
        let inflight = inflight.max(3.0 * Bbr3::send_quantum(tcp)).max(f64::from(MIN_PIPE_CWND));
        if self.mode == Mode::Up { inflight + 2.0 } else { inflight }
    }

    fn inflight(&self, tcp: &Sender, gain: f64) -> f64 {
        self.quantize(tcp, self.bdp(tcp, self.max_bw(), gain))
    }

    fn inflight_with_headroom(&self) -> f64 {
        if self.inflight_longterm.is_infinite() {
            return f64::INFINITY;
        }
        let headroom = (HEADROOM * self.inflight_longterm).max(1.0);
        (self.inflight_longterm - headroom).max(f64::from(MIN_PIPE_CWND))
    }

    fn target_inflight(&self, tcp: &Sender) -> f64 {
        self.bdp(tcp, self.bw(), 1.0).min(f64::from(tcp.cwnd))
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    fn start_round(&mut self, tcp: &Sender) {
        self.next_round_delivered = tcp.delivered;
    }

    fn reset_short_term(&mut self) {
        self.bw_shortterm = f64::INFINITY;
        self.inflight_shortterm = f64::INFINITY;
    }

    fn reset_full_bw(&mut self, bw: f64) {
        self.full_bw = bw;
        self.full_bw_count = 0;
        self.full_bw_now = false;
    }

    fn save_cwnd(&mut self, tcp: &Sender) {
        self.prior_cwnd = if tcp.ca_state < CaState::Recovery && self.mode != Mode::ProbeRtt {
            tcp.cwnd
        } else {
            self.prior_cwnd.max(tcp.cwnd)
        };
    }

    fn save_state_upon_loss(&mut self, tcp: &Sender) {
        self.save_cwnd(tcp);
        self.undo = Undo {
            state: None,
            bw_shortterm: self.bw_shortterm,
            inflight_shortterm: self.inflight_shortterm,
            inflight_longterm: self.inflight_longterm,
        };
    }

    fn enter_startup(&mut self) {
        self.mode = Mode::Startup;
        self.pacing_gain = STARTUP_PACING_GAIN;
        self.cwnd_gain = CWND_GAIN;
    }
}

/// The cycle of probing for bandwidth.
impl Bbr3 {
    fn start_down(&mut self, tcp: &Sender) {
        self.loss_in_round = false;
        self.bw_latest = 0.0;
        self.inflight_latest = 0.0;
        self.probe_up_count = u32::MAX;
        self.rounds_since_probe = self.random(2);
        self.probe_wait_us = 2_000_000 + self.random(1_000_000);
        self.cycle_us = tcp.now_us;
        self.ack_phase = AckPhase::ProbeStopping;
        self.start_round(tcp);
        self.mode = Mode::Down;
        self.pacing_gain = DOWN_PACING_GAIN;
        self.cwnd_gain = CWND_GAIN;
    }

    fn start_cruise(&mut self) {
        self.mode = Mode::Cruise;
        self.pacing_gain = 1.0;
        self.cwnd_gain = CWND_GAIN;
    }

    fn start_refill(&mut self, tcp: &Sender) {
        self.reset_short_term();
        self.probe_up_rounds = 0;
        self.probe_up_acks = 0;
        self.prev_probe_precautionary = false;
        self.ack_phase = AckPhase::Refilling;
        self.start_round(tcp);
        self.mode = Mode::Refill;
        self.pacing_gain = 1.0;
        self.cwnd_gain = CWND_GAIN;
    }

    fn start_up(&mut self, tcp: &Sender, rate: f64) {
        self.ack_phase = AckPhase::ProbeStarting;
        self.start_round(tcp);
        self.reset_full_bw(rate);
        self.mode = Mode::Up;
        self.pacing_gain = UP_PACING_GAIN;
        self.cwnd_gain = UP_CWND_GAIN;
        self.raise_slope(tcp);
    }

    fn is_time_to_probe(&self, tcp: &Sender) -> bool {
        let rounds = (self.target_inflight(tcp) as u64).min(MAX_PROBE_ROUNDS);
        tcp.now_us > self.cycle_us + self.probe_wait_us || self.rounds_since_probe >= rounds.max(1)
    }

    fn is_time_to_go_down(&mut self, tcp: &Sender, rate: f64) -> bool {
        // The last probe lost too much at this level: go near it, and stay only when that was well.
        if self.prev_probe_too_high && f64::from(tcp.in_flight()) >= self.inflight_longterm {
            self.prev_probe_precautionary = true;
            return true;
        }
        if tcp.is_cwnd_limited && f64::from(tcp.cwnd) >= self.inflight_longterm {
            self.reset_full_bw(rate);
            return false;
        }
        self.full_bw_now
    }

    fn update_phase(&mut self, tcp: &Sender, sample: &RateSample, rate: f64) {
        if !self.full_bw_reached {
            return;
        }
        if self.adapt_long_term(tcp, sample) {
            return;
        }
        let in_flight = f64::from(tcp.in_flight());
        match self.mode {
            Mode::Down | Mode::Cruise if self.is_time_to_probe(tcp) => self.start_refill(tcp),
            Mode::Down if in_flight <= self.inflight_with_headroom().min(self.inflight(tcp, 1.0)) => {
                self.start_cruise();
            }
            Mode::Refill if self.round_start => {
                self.probe_samples = true;
                self.start_up(tcp, rate);
            }
            Mode::Up => {
                let is_done = self.is_time_to_go_down(tcp, rate);
                if is_done {
                    self.prev_probe_too_high = false;
                    self.start_down(tcp);
                }
            }
            _ => {}
        }
    }
}

/// What follows for rate and window.
impl Bbr3 {
    fn set_pacing_rate(&mut self, tcp: &mut Sender, gain: f64) {
        if !self.has_seen_rtt && tcp.srtt_us() > 0 {
            self.init_pacing_rate(tcp);
        }
        let rate = (gain * self.bw() * f64::from(tcp.mss) * PACING_MARGIN) as u64;
        if self.full_bw_reached || rate > tcp.pacing_rate {
            tcp.pacing_rate = rate.max(1);
        }
    }

    fn init_pacing_rate(&mut self, tcp: &mut Sender) {
        let rtt_us = match tcp.srtt_us() {
            0 => 1_000,
            rtt_us => {
                self.has_seen_rtt = true;
                rtt_us
            }
        };
        let bw = f64::from(tcp.cwnd) * f64::from(tcp.mss) * 1e6 / f64::from(rtt_us);
        tcp.pacing_rate = (STARTUP_PACING_GAIN * bw) as u64;
    }

    fn set_cwnd(&mut self, tcp: &mut Sender, sample: &RateSample) {
        let acked = sample.acked_sacked;
        if acked == 0 {
            return;
        }
        let extra = f64::from(self.extra_acked.get());
        let max_inflight = self.quantize(tcp, self.bdp(tcp, self.bw(), self.cwnd_gain) + extra) as u32;
        let mut cwnd = tcp.cwnd;
        if self.full_bw_reached {
            cwnd = (cwnd + acked).min(max_inflight);
        } else if cwnd < max_inflight || tcp.delivered < u32::from(tcp.init_cwnd) {
            cwnd += acked;
        }
        cwnd = cwnd.max(MIN_PIPE_CWND);
        let mut cap = f64::INFINITY;
        if self.mode == Mode::ProbeRtt {
            cap = self.probe_rtt_cwnd(tcp).min(self.inflight_with_headroom());
        } else if self.mode == Mode::Cruise {
            cap = self.inflight_with_headroom();
        } else if self.is_probe_bw() {
            cap = self.inflight_longterm;
        }
        cap = cap.min(self.inflight_shortterm).max(f64::from(MIN_PIPE_CWND));
        tcp.cwnd = f64::from(cwnd).min(cap) as u32;
    }
}

impl CongestionControl for Bbr3 {
    fn name(&self) -> &str {
        "bbr3"
    }

    fn init(&mut self, tcp: &mut Sender) {
        tcp.ssthresh = INFINITE_SSTHRESH;
        tcp.pacing_needed = true;
        self.next_round_delivered = tcp.delivered;
        self.loss_round_delivered = tcp.delivered;
        if tcp.srtt_us() > 0 {
            self.min_rtt_us = u64::from(tcp.srtt_us());
            self.probe_rtt_min_us = self.min_rtt_us;
        }
        self.min_rtt_at_us = tcp.now_us;
        self.probe_rtt_min_at_us = tcp.now_us;
        self.extra_acked_start_us = tcp.now_us;
        self.seed = u64::from(tcp.snd_una.0) << 16 | 0xB3;
        self.init_pacing_rate(tcp);
    }

    /// Asked for when fast recovery or the repair after a timeout begins.
    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        self.save_cwnd(tcp);
        tcp.ssthresh
    }

    fn cong_avoid(&mut self, _tcp: &mut Sender, _acked: u32) {}

    fn controls_all(&self) -> bool {
        true
    }

    fn packet_lost(&mut self, tcp: &mut Sender, tx_in_flight: u32, lost: u32, app_limited: bool) {
        if !self.loss_in_round {
            self.loss_round_delivered = tcp.delivered;
            self.save_state_upon_loss(tcp);
        }
        self.loss_in_round = true;
        if !self.probe_samples {
            return;
        }
        if Bbr3::is_too_high(tcp, tx_in_flight, lost) {
            let (inflight, lost) = (f64::from(tx_in_flight), f64::from(lost));
            // Where in the flight the threshold was crossed.
            let (before, lost_before) = (inflight - 1.0, lost - 1.0);
            let prefix = ((LOSS_THRESH * before - lost_before) / (1.0 - LOSS_THRESH)).max(0.0);
            self.too_high(tcp, before + prefix, app_limited);
        }
    }

    fn cong_control(&mut self, tcp: &mut Sender, sample: &RateSample) {
        let mut rate = 0.0;
        if sample.delivered > 0 && sample.interval_us > 0 {
            rate = f64::from(sample.delivered) * 1e6 / sample.interval_us as f64;
        }
        if sample.valid {
            self.update_signals(tcp, sample, rate);
        } else {
            (self.round_start, self.loss_round_start) = (false, false);
        }
        self.update_aggregation(tcp, sample);
        self.check_full_bw(tcp, sample, rate);
        self.update_phase(tcp, sample, rate);
        self.update_min_rtt(tcp, sample);
        if self.loss_round_start {
            self.loss_in_round = false;
            self.loss_events = 0;
            self.bw_latest = rate;
            self.inflight_latest = f64::from(sample.delivered);
        }
        self.set_pacing_rate(tcp, self.pacing_gain);
        self.set_cwnd(tcp, sample);
    }

    fn on_event(&mut self, tcp: &mut Sender, event: CcEvent) {
        if event == CcEvent::TxStart && tcp.app_limited != 0 {
            self.idle_restart = true;
            self.extra_acked_start_us = tcp.now_us;
            if self.is_probe_bw() {
                self.set_pacing_rate(tcp, 1.0);
            } else if self.mode == Mode::ProbeRtt {
                self.check_probe_rtt_done(tcp);
            }
        }
    }

    fn set_state(&mut self, tcp: &mut Sender, state: CaState) {
        if tcp.ca_state >= CaState::Recovery && state < CaState::Recovery {
            tcp.cwnd = tcp.cwnd.max(self.prior_cwnd);
        }
    }

    /// The loss was none: whatever it changed is taken back.
    fn undo_cwnd(&mut self, tcp: &mut Sender) -> u32 {
        self.loss_in_round = false;
        self.reset_full_bw(0.0);
        self.bw_shortterm = self.bw_shortterm.max(self.undo.bw_shortterm);
        self.inflight_shortterm = self.inflight_shortterm.max(self.undo.inflight_shortterm);
        self.inflight_longterm = self.inflight_longterm.max(self.undo.inflight_longterm);
        match self.undo.state.take() {
            Some(Mode::Startup) if self.mode != Mode::Startup => {
                self.full_bw_reached = false;
                if self.mode != Mode::ProbeRtt {
                    self.enter_startup();
                }
            }
            Some(Mode::Up) if !matches!(self.mode, Mode::Up | Mode::ProbeRtt) => self.start_refill(tcp),
            _ => {}
        }
        tcp.cwnd.max(self.prior_cwnd)
    }

    fn variable(&self, name: &str) -> Option<f64> {
        match name {
            "mode" => Some(f64::from(self.mode as u8)),
            "bw" => Some(self.bw()),
            "max_bw" => Some(self.max_bw()),
            "min_rtt" => Some(self.min_rtt_us as f64 / 1e6),
            "pacing_gain" => Some(self.pacing_gain),
            "cwnd_gain" => Some(self.cwnd_gain),
            "round_count" => Some(self.round_count as f64),
            "full_bw_count" => Some(f64::from(self.full_bw_count)),
            "full_bw_reached" => Some(f64::from(u8::from(self.full_bw_reached))),
            "bw_shortterm" => Some(self.bw_shortterm),
            "extra_acked" => Some(f64::from(self.extra_acked.get())),
            "inflight_longterm" => Some(self.inflight_longterm),
            "inflight_shortterm" => Some(self.inflight_shortterm),
            _ => None,
        }
    }
}
