//! CUBIC as RFC 9438 writes it, in fractions of segments: the `rfc` profile's, and the one whose constant C can be chosen.

use super::hystart::HystartPlusPlus;
use super::{CcEvent, CongestionControl, Sender};
use crate::{CaState, TcpConfig};
use tidewire_wire::Seq;

/// Section 4.6: what a loss leaves of the window; 0.85 for a congestion mark (RFC 8511).
const BETA: f64 = 0.7;
const BETA_ECN: f64 = 0.85;
/// Section 5.1, in segments per second cubed.
const C: f64 = 0.4;

/// What began with the current congestion avoidance stage.
#[derive(Clone, Copy)]
struct Epoch {
    start_us: u64,
    k: f64,
    w_max: f64,
}

/// The variables of section 4.1.2, windows in segments.
pub(crate) struct CubicRfc {
    c: f64,
    /// Section 4.7: a window that did not come back leaves room for others.
    fast_convergence: bool,
    w_max: f64,
    cwnd_prior: f64,
    w_est: f64,
    epoch: Option<Epoch>,
    /// The stage before ended with a loss: there is a maximum to return to.
    after_loss: bool,
    /// Growth of less than a segment.
    fraction: f64,
    hystart: Option<Box<HystartPlusPlus>>,
}

impl CubicRfc {
    pub fn new(config: &TcpConfig) -> CubicRfc {
        let hystart = config.hystart && config.hystart_plus_plus;
        CubicRfc {
            hystart: hystart.then(|| Box::new(HystartPlusPlus::new(config.pacing, Seq(0)))),
            ..CubicRfc::with(C, true)
        }
    }

    /// Another constant C, and no HyStart++.
    pub const fn with(c: f64, fast_convergence: bool) -> CubicRfc {
        CubicRfc {
            c,
            fast_convergence,
            w_max: 0.0,
            cwnd_prior: 0.0,
            w_est: 0.0,
            epoch: None,
            after_loss: false,
            fraction: 0.0,
            hystart: None,
        }
    }

    /// A stage begins: after a loss with K from equation 2, else (sections 4.8 and 4.10) at the maximum.
    fn begin(&mut self, cwnd: f64, now_us: u64) -> Epoch {
        self.w_est = cwnd;
        let (k, w_max) = if self.after_loss && self.w_max > cwnd {
            (libm::cbrt((self.w_max - cwnd) / self.c), self.w_max)
        } else {
            (0.0, cwnd)
        };
        let epoch = Epoch { start_us: now_us, k, w_max };
        self.epoch = Some(epoch);
        epoch
    }

    /// Equation 1.
    fn w_cubic(&self, epoch: Epoch, t: f64) -> f64 {
        let offset = t - epoch.k;
        self.c * offset * offset * offset + epoch.w_max
    }

    /// Sections 4.2 to 4.5.
    fn grow(&mut self, tcp: &mut Sender, acked: u32) {
        let cwnd = f64::from(tcp.cwnd) + self.fraction;
        let epoch = self.epoch.unwrap_or_else(|| self.begin(cwnd, tcp.now_us()));
        let t = tcp.now_us().saturating_sub(epoch.start_us) as f64 / 1e6;
        let alpha = if self.w_est >= self.cwnd_prior { 1.0 } else { 3.0 * (1.0 - BETA) / (1.0 + BETA) };
        self.w_est += alpha * f64::from(acked) / cwnd;
        let next = if self.w_cubic(epoch, t) < self.w_est {
            self.w_est.max(cwnd)
        } else {
            let target = self.w_cubic(epoch, t + f64::from(tcp.srtt_us()) / 1e6).clamp(cwnd, 1.5 * cwnd);
            cwnd + (target - cwnd) / cwnd * f64::from(acked)
        };
        // The nearest whole window, so that on average as much is sent as the formula says.
        tcp.cwnd = libm::round(next) as u32;
        self.fraction = next - f64::from(tcp.cwnd);
    }

    /// Sections 4.6 and 4.7.
    fn reduce(&mut self, cwnd: u32, beta: f64) -> u32 {
        let cwnd = f64::from(cwnd) + self.fraction;
        self.w_max =
            if self.fast_convergence && cwnd < self.w_max { cwnd * (1.0 + BETA) / 2.0 } else { cwnd };
        self.cwnd_prior = cwnd;
        (self.epoch, self.after_loss) = (None, true);
        let left = (cwnd * beta).max(2.0);
        let whole = libm::round(left);
        self.fraction = left - whole;
        whole as u32
    }
}

impl CongestionControl for CubicRfc {
    fn name(&self) -> &str {
        "cubic"
    }

    fn init(&mut self, tcp: &mut Sender) {
        if let Some(hystart) = &mut self.hystart {
            hystart.restart(tcp);
        }
    }

    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        self.reduce(tcp.cwnd, BETA)
    }

    fn ssthresh_ecn(&mut self, tcp: &mut Sender) -> u32 {
        self.reduce(tcp.cwnd, BETA_ECN)
    }

    fn cong_avoid(&mut self, tcp: &mut Sender, mut acked: u32) {
        if !tcp.is_cwnd_limited() {
            return;
        }
        if tcp.in_slow_start() {
            acked = match &mut self.hystart {
                Some(hystart) => hystart.grow(tcp, acked),
                None => tcp.slow_start(acked),
            };
        }
        if acked > 0 {
            self.grow(tcp, acked);
        }
    }

    fn pkts_acked(&mut self, tcp: &mut Sender, _acked: u32, rtt_us: i64) {
        if let Some(hystart) = &mut self.hystart
            && tcp.in_slow_start()
        {
            hystart.sample(tcp, rtt_us);
        }
    }

    fn on_event(&mut self, tcp: &mut Sender, event: CcEvent) {
        // Section 5.8: an idle time does not count as time of growth.
        if event == CcEvent::TxStart
            && let Some(epoch) = &mut self.epoch
        {
            let idle = tcp.now_us().saturating_sub(tcp.lsnd_us);
            epoch.start_us = (epoch.start_us + idle).min(tcp.now_us());
        }
    }

    fn set_state(&mut self, _tcp: &mut Sender, state: CaState) {
        if state == CaState::Loss {
            (self.epoch, self.after_loss, self.fraction) = (None, false, 0.0);
        }
    }

    fn variable(&self, name: &str) -> Option<f64> {
        match name {
            "w_max" => Some(self.w_max),
            "k" => Some(self.epoch.map_or(0.0, |epoch| epoch.k)),
            "w_est" => Some(self.w_est),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{avoiding, round, rounds};
    use super::*;

    #[test]
    fn a_loss_leaves_seven_tenths_and_a_second_one_remembers_less() {
        let (mut cubic, mut tcp) = (CubicRfc::with(C, true), avoiding(100));
        assert_eq!((cubic.ssthresh(&mut tcp), cubic.w_max), (70, 100.0));
        tcp.cwnd = 80;
        assert_eq!((cubic.ssthresh(&mut tcp), cubic.w_max), (56, 68.0));
    }

    #[test]
    fn the_window_is_back_at_w_max_after_k() {
        // K = cbrt(0.3 W_max / C): 9.086 s for 1000 segments (RFC 9438, equation 2).
        let (mut cubic, mut tcp) = (CubicRfc::with(C, true), avoiding(1000));
        tcp.cwnd = cubic.ssthresh(&mut tcp);
        rounds(&mut cubic, &mut tcp, 100_000, 90);
        assert!((cubic.variable("k").unwrap() - 9.086).abs() < 0.001);
        assert!((998..=1000).contains(&tcp.cwnd), "{}", tcp.cwnd);
        // Seconds later it is as far beyond as it was below: 0.4 * 3^3 = 10.8.
        rounds(&mut cubic, &mut tcp, 100_000, 31);
        assert!((1008..=1012).contains(&tcp.cwnd), "{}", tcp.cwnd);
    }

    #[test]
    fn a_short_round_trip_grows_as_reno_with_its_own_decrease() {
        // alpha = 3 * 0.3 / 1.7 = 0.529 segments per round, and 1 from the old window on (section 4.3).
        let (mut cubic, mut tcp) = (CubicRfc::with(C, true), avoiding(100));
        tcp.cwnd = cubic.ssthresh(&mut tcp);
        let growth = rounds(&mut cubic, &mut tcp, 1_000, 34);
        assert!((17..=18).contains(&growth), "{growth}");
        rounds(&mut cubic, &mut tcp, 1_000, 26);
        let growth = rounds(&mut cubic, &mut tcp, 1_000, 10);
        assert!((9..=11).contains(&growth), "{growth}");
    }

    #[test]
    fn growth_in_a_round_is_at_most_half_of_the_window() {
        let (mut cubic, mut tcp) = (CubicRfc::with(400_000.0, true), avoiding(100));
        rounds(&mut cubic, &mut tcp, 100_000, 1);
        let before = tcp.cwnd;
        let growth = round(&mut cubic, &mut tcp, 100_000);
        assert!(growth <= i64::from(before) * 2 / 3, "{before} {growth}");
    }

    #[test]
    fn after_a_timeout_the_window_at_the_end_of_slow_start_is_the_maximum() {
        let (mut cubic, mut tcp) = (CubicRfc::with(C, true), avoiding(100));
        cubic.ssthresh(&mut tcp);
        cubic.set_state(&mut tcp, CaState::Loss);
        tcp.cwnd = 50;
        cubic.cong_avoid(&mut tcp, 1);
        assert_eq!(cubic.variable("k"), Some(0.0));
    }
}
