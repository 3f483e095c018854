//! Illinois: the increase and the decrease follow the queueing delay (S. Liu, T. Basar, R. Srikant, "TCP-Illinois: a loss and delay-based
//! congestion control algorithm for high-speed networks", VALUETOOLS 2006).

use super::{CongestionControl, Sender};
use crate::{CaState, TcpConfig};
use tidewire_wire::Seq;

const ALPHA_MIN: f64 = 0.3;
const ALPHA_MAX: f64 = 10.0;
const BETA_MIN: f64 = 0.125;
const BETA_MAX: f64 = 0.5;
/// Smaller windows behave as Reno's.
const WINDOW_MIN: u32 = 15;
/// Rounds of low delay before the largest increase is used again.
const THETA: u32 = 5;

/// Illinois' variables; delays in microseconds.
pub(crate) struct Illinois {
    alpha: f64,
    beta: f64,
    base_rtt: f64,
    max_rtt: f64,
    sum_rtt: f64,
    samples: u32,
    end: Seq,
    /// The delay has been above the first threshold since the last loss.
    above: bool,
    low_rounds: u32,
    /// Segments acknowledged by the last acknowledgment.
    acked: u32,
}

impl Illinois {
    pub fn new(_config: &TcpConfig) -> Illinois {
        Illinois {
            alpha: ALPHA_MAX,
            beta: BETA_MAX,
            base_rtt: f64::MAX,
            max_rtt: 0.0,
            sum_rtt: 0.0,
            samples: 0,
            end: Seq(0),
            above: false,
            low_rounds: 0,
            acked: 0,
        }
    }

    fn begin_round(&mut self, tcp: &Sender) {
        self.end = tcp.snd_nxt;
        self.sum_rtt = 0.0;
        self.samples = 0;
    }

    /// The increase at an average delay of `da`, where the largest was `dm`: k1 / (k2 + da) above d1 = dm / 100.
    fn next_alpha(&mut self, da: f64, dm: f64) -> f64 {
        let d1 = dm / 100.0;
        if da > d1 {
            self.above = true;
            return alpha_curve(da, dm);
        }
        if self.above {
            self.low_rounds += 1;
            if self.low_rounds < THETA {
                return self.alpha;
            }
            self.low_rounds = 0;
            self.above = false;
        }
        ALPHA_MAX
    }

    fn end_round(&mut self, tcp: &Sender) {
        if tcp.cwnd < WINDOW_MIN {
            self.alpha = 1.0;
            self.beta = BETA_MAX;
        } else if self.samples > 0 {
            let dm = self.max_rtt - self.base_rtt;
            let da = self.sum_rtt / f64::from(self.samples) - self.base_rtt;
            self.alpha = self.next_alpha(da, dm);
            self.beta = beta_curve(da, dm);
        }
        self.begin_round(tcp);
    }
}

/// From ALPHA_MAX at a hundredth of the largest delay down to ALPHA_MIN at the largest.
fn alpha_curve(da: f64, dm: f64) -> f64 {
    let d1 = dm / 100.0;
    let (dm, da) = (dm - d1, da - d1);
    dm * ALPHA_MAX / (dm + da * (ALPHA_MAX - ALPHA_MIN) / ALPHA_MIN)
}

/// BETA_MIN up to a tenth of the largest delay, BETA_MAX from eight tenths, a line between.
fn beta_curve(da: f64, dm: f64) -> f64 {
    let (d2, d3) = (0.1 * dm, 0.8 * dm);
    if da <= d2 {
        BETA_MIN
    } else if da >= d3 {
        BETA_MAX
    } else {
        (BETA_MIN * d3 - BETA_MAX * d2 + (BETA_MAX - BETA_MIN) * da) / (d3 - d2)
    }
}

impl CongestionControl for Illinois {
    fn name(&self) -> &str {
        "illinois"
    }

    fn init(&mut self, tcp: &mut Sender) {
        self.begin_round(tcp);
    }

    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        (tcp.cwnd - (f64::from(tcp.cwnd) * self.beta) as u32).max(2)
    }

    fn cong_avoid(&mut self, tcp: &mut Sender, acked: u32) {
        if tcp.snd_una.after(self.end) {
            self.end_round(tcp);
        }
        if !tcp.is_cwnd_limited() {
            return;
        }
        if tcp.in_slow_start() {
            tcp.slow_start(acked);
            return;
        }
        tcp.cwnd_cnt += self.acked;
        self.acked = 1;
        let growth = f64::from(tcp.cwnd_cnt) * self.alpha / f64::from(tcp.cwnd);
        if growth >= 1.0 {
            tcp.cwnd += growth as u32;
            tcp.cwnd_cnt = 0;
        }
    }

    fn pkts_acked(&mut self, _tcp: &mut Sender, acked: u32, rtt_us: i64) {
        self.acked = acked;
        if rtt_us < 0 {
            return;
        }
        let rtt = rtt_us as f64;
        self.base_rtt = self.base_rtt.min(rtt);
        self.max_rtt = self.max_rtt.max(rtt);
        self.sum_rtt += rtt;
        self.samples += 1;
    }

    fn set_state(&mut self, tcp: &mut Sender, state: CaState) {
        if state == CaState::Loss {
            self.alpha = 1.0;
            self.beta = BETA_MAX;
            self.low_rounds = 0;
            self.above = false;
            self.begin_round(tcp);
        }
    }

    fn variable(&self, name: &str) -> Option<f64> {
        match name {
            "alpha" => Some(self.alpha),
            "beta" => Some(self.beta),
            "base_rtt" => (self.max_rtt > 0.0).then_some(self.base_rtt / 1e6),
            "max_rtt" => Some(self.max_rtt / 1e6),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{avoiding, round, rounds};
    use super::*;

    #[test]
    fn alpha_falls_from_ten_to_three_tenths_as_the_delay_rises() {
        let dm = 100.0;
        assert!((alpha_curve(1.0, dm) - 10.0).abs() < 1e-9);
        assert!((alpha_curve(100.0, dm) - 0.3).abs() < 1e-9);
        // Half way between d1 and dm: 10 / (1 + 0.5 * 9.7 / 0.3).
        assert!((alpha_curve(50.5, dm) - 0.582_524).abs() < 1e-6);
        // The harmonic form k1 / (k2 + da) of the paper.
        let k2 = (dm - 1.0) * 0.3 / 9.7 - 1.0;
        let k1 = (k2 + 1.0) * 10.0;
        for da in [1.0, 10.0, 33.0, 77.0] {
            assert!((alpha_curve(da, dm) - k1 / (k2 + da)).abs() < 1e-9);
        }
    }

    #[test]
    fn beta_rises_from_an_eighth_to_a_half_between_a_tenth_and_eight_tenths_of_the_delay() {
        assert_eq!((beta_curve(0.0, 100.0), beta_curve(10.0, 100.0)), (0.125, 0.125));
        assert!((beta_curve(45.0, 100.0) - 0.3125).abs() < 1e-9);
        assert_eq!((beta_curve(80.0, 100.0), beta_curve(100.0, 100.0)), (0.5, 0.5));
    }

    #[test]
    fn a_round_adds_ten_segments_without_delay_and_a_third_at_full_delay() {
        let (mut illinois, mut tcp) = (Illinois::new(&TcpConfig::linux()), avoiding(200));
        illinois.init(&mut tcp);
        rounds(&mut illinois, &mut tcp, 50_000, 2);
        let growth = round(&mut illinois, &mut tcp, 50_000);
        assert!((9..=10).contains(&growth), "{growth}");
        rounds(&mut illinois, &mut tcp, 100_000, 2);
        assert!((illinois.variable("alpha").unwrap() - 0.3).abs() < 0.01);
        let growth = rounds(&mut illinois, &mut tcp, 100_000, 10);
        assert!((2..=3).contains(&growth), "{growth}");
        tcp.cwnd = 200;
        assert_eq!(illinois.ssthresh(&mut tcp), 100);
        // After a large delay, five rounds of a small one bring the largest increase back.
        rounds(&mut illinois, &mut tcp, 50_000, 4);
        assert!(illinois.alpha < 1.0);
        rounds(&mut illinois, &mut tcp, 50_000, 3);
        assert_eq!((illinois.alpha, illinois.beta), (10.0, 0.125));
        tcp.cwnd = 200;
        assert_eq!(illinois.ssthresh(&mut tcp), 175);
    }

    #[test]
    fn a_small_window_and_a_timeout_behave_as_reno() {
        let (mut illinois, mut tcp) = (Illinois::new(&TcpConfig::linux()), avoiding(10));
        illinois.init(&mut tcp);
        rounds(&mut illinois, &mut tcp, 50_000, 2);
        assert_eq!((illinois.alpha, illinois.beta), (1.0, 0.5));
        illinois.alpha = 10.0;
        illinois.set_state(&mut tcp, CaState::Loss);
        assert_eq!((illinois.alpha, illinois.beta), (1.0, 0.5));
    }
}
