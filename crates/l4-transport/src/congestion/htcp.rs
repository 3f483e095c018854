//! H-TCP: growth follows the time since the last loss (D. Leith, R. Shorten, "H-TCP: TCP for high-speed and long-distance networks",
//! PFLDnet 2004; draft-leith-tcp-htcp), with the round-trip scaling and the bandwidth switch that Linux has on.

use super::{CongestionControl, Sender};
use crate::{CaState, TcpConfig};

const BETA_MIN: f64 = 0.5;
const BETA_MAX: f64 = 0.8;
/// Growth is Reno's for so long after a loss.
const DELTA_L_US: u64 = 1_000_000;
/// The largest RTT follows the smoothed one upwards in steps of at most this.
const MAX_RTT_STEP_US: u32 = 20_000;

/// H-TCP's variables.
pub(crate) struct Htcp {
    /// Segments of growth per round trip.
    alpha: f64,
    beta: f64,
    /// The decrease may adapt to the RTTs.
    adapt: bool,
    last_loss_us: u64,
    min_rtt_us: u32,
    max_rtt_us: u32,
    /// Segments acknowledged by the last acknowledgment.
    acked: u32,
    /// Segments since `count_us`, and the throughput in segments per second: smoothed, largest now, largest before the last loss.
    count: u32,
    count_us: u64,
    rate: f64,
    rate_max: f64,
    rate_max_before: f64,
    undo: Option<(u64, u32, f64)>,
}

impl Htcp {
    pub fn new(_config: &TcpConfig) -> Htcp {
        Htcp {
            alpha: 1.0,
            beta: BETA_MIN,
            adapt: false,
            last_loss_us: 0,
            min_rtt_us: 0,
            max_rtt_us: 0,
            acked: 1,
            count: 0,
            count_us: 0,
            rate: 0.0,
            rate_max: 0.0,
            rate_max_before: 0.0,
            undo: None,
        }
    }

    fn measure_rtt(&mut self, tcp: &Sender) {
        let srtt = tcp.srtt_us();
        if self.min_rtt_us == 0 || srtt < self.min_rtt_us {
            self.min_rtt_us = srtt;
        }
        if tcp.ca_state == CaState::Open {
            self.max_rtt_us = self.max_rtt_us.max(self.min_rtt_us);
            if srtt > self.max_rtt_us && srtt <= self.max_rtt_us + MAX_RTT_STEP_US {
                self.max_rtt_us = srtt;
            }
        }
    }

    /// The throughput of each window, and its largest value since the last loss.
    fn measure_rate(&mut self, tcp: &Sender, acked: u32) {
        if !matches!(tcp.ca_state, CaState::Open | CaState::Disorder) {
            self.count = 0;
            self.count_us = tcp.now_us;
            return;
        }
        self.count += acked;
        let elapsed = tcp.us_since(self.count_us);
        let enough = f64::from(self.count) >= f64::from(tcp.cwnd) - self.alpha.max(1.0);
        if !enough || self.min_rtt_us == 0 || elapsed < u64::from(self.min_rtt_us) {
            return;
        }
        let rate = f64::from(self.count) * 1e6 / elapsed as f64;
        // Shortly after a loss the queue drains, and the rate says nothing yet.
        if tcp.us_since(self.last_loss_us) / u64::from(self.min_rtt_us) <= 3 {
            self.rate = rate;
            self.rate_max = rate;
        } else {
            self.rate = (3.0 * self.rate + rate) / 4.0;
            self.rate_max = self.rate_max.max(self.rate);
        }
        self.count = 0;
        self.count_us = tcp.now_us;
    }

    /// RTTmin / RTTmax, so that the queue empties but the link does not idle; one half when the throughput has changed by more than a
    /// fifth, when another flow may have come.
    fn update_beta(&mut self) {
        let before = self.rate_max_before;
        self.rate_max_before = self.rate_max;
        if self.rate_max < 0.8 * before || self.rate_max > 1.2 * before {
            self.beta = BETA_MIN;
            self.adapt = false;
        } else if self.adapt && self.min_rtt_us > 10_000 && self.max_rtt_us > 0 {
            let ratio = f64::from(self.min_rtt_us) / f64::from(self.max_rtt_us);
            self.beta = ratio.clamp(BETA_MIN, BETA_MAX);
        } else {
            self.beta = BETA_MIN;
            self.adapt = true;
        }
    }

    /// 2 (1 - beta) alpha(T), scaled from a round trip of 100 ms to the real one.
    fn update_alpha(&mut self, now_us: u64) {
        let mut factor = increase(now_us.saturating_sub(self.last_loss_us));
        if self.min_rtt_us > 0 {
            factor = (factor / (100_000.0 / f64::from(self.min_rtt_us)).clamp(0.5, 10.0)).max(1.0);
        }
        self.alpha = 2.0 * factor * (1.0 - self.beta);
    }
}

/// alpha(T) = 1 + 10 (T - 1 s) + ((T - 1 s) / 2)^2 segments per round, T after the last loss.
fn increase(since_us: u64) -> f64 {
    if since_us <= DELTA_L_US {
        return 1.0;
    }
    let t = (since_us - DELTA_L_US) as f64 / 1e6;
    1.0 + 10.0 * t + (t / 2.0) * (t / 2.0)
}

impl CongestionControl for Htcp {
    fn name(&self) -> &str {
        "htcp"
    }

    fn init(&mut self, tcp: &mut Sender) {
        self.last_loss_us = tcp.now_us;
        self.count_us = tcp.now_us;
    }

    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        self.update_beta();
        self.update_alpha(tcp.now_us);
        // The largest RTT fades, should the path have become shorter.
        if self.min_rtt_us > 0 && self.max_rtt_us > self.min_rtt_us {
            let excess = u64::from(self.max_rtt_us - self.min_rtt_us) * 95 / 100;
            self.max_rtt_us = self.min_rtt_us + excess as u32;
        }
        ((f64::from(tcp.cwnd) * self.beta) as u32).max(2)
    }

    fn cong_avoid(&mut self, tcp: &mut Sender, acked: u32) {
        if !tcp.is_cwnd_limited() {
            return;
        }
        if tcp.in_slow_start() {
            tcp.slow_start(acked);
            return;
        }
        if f64::from(tcp.cwnd_cnt) * self.alpha >= f64::from(tcp.cwnd) {
            tcp.cwnd += 1;
            tcp.cwnd_cnt = 0;
            self.update_alpha(tcp.now_us);
        } else {
            tcp.cwnd_cnt += self.acked;
        }
        self.acked = 1;
    }

    fn pkts_acked(&mut self, tcp: &mut Sender, acked: u32, rtt_us: i64) {
        if tcp.ca_state == CaState::Open {
            self.acked = acked;
        }
        if rtt_us > 0 {
            self.measure_rtt(tcp);
        }
        self.measure_rate(tcp, acked);
    }

    fn set_state(&mut self, tcp: &mut Sender, state: CaState) {
        match state {
            CaState::Open => {
                if self.undo.take().is_some() {
                    self.last_loss_us = tcp.now_us;
                }
            }
            CaState::Cwr | CaState::Recovery | CaState::Loss => {
                self.undo = Some((self.last_loss_us, self.max_rtt_us, self.rate_max_before));
                self.last_loss_us = tcp.now_us;
            }
            CaState::Disorder => {}
        }
    }

    fn undo_cwnd(&mut self, tcp: &mut Sender) -> u32 {
        if let Some(undo) = self.undo.take() {
            (self.last_loss_us, self.max_rtt_us, self.rate_max_before) = undo;
        }
        tcp.cwnd.max(tcp.prior_cwnd)
    }

    fn variable(&self, name: &str) -> Option<f64> {
        match name {
            "alpha" => Some(self.alpha),
            "beta" => Some(self.beta),
            "min_rtt" => (self.min_rtt_us > 0).then(|| f64::from(self.min_rtt_us) / 1e6),
            "max_rtt" => Some(f64::from(self.max_rtt_us) / 1e6),
            "rate_max" => Some(self.rate_max),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{avoiding, round, rounds};
    use super::*;

    #[test]
    fn the_increase_is_one_for_a_second_and_quadratic_after() {
        let values: Vec<f64> =
            [500, 1_000, 1_100, 2_000, 5_000, 11_000].map(|ms| increase(ms * 1_000)).into();
        assert_eq!(values, [1.0, 1.0, 2.0025, 11.25, 45.0, 126.0]);
    }

    #[test]
    fn alpha_is_scaled_by_the_round_trip_and_by_the_decrease() {
        let mut htcp = Htcp::new(&TcpConfig::linux());
        // 2 (1 - 0.5) * 11.25 at 100 ms; half of it at 50 ms; twice at 200 ms, and no more beyond; Reno's at the least.
        for (rtt_us, alpha) in
            [(100_000, 11.25), (50_000, 5.625), (200_000, 22.5), (400_000, 22.5), (5_000, 1.125)]
        {
            htcp.min_rtt_us = rtt_us;
            htcp.update_alpha(2_000_000);
            assert!((htcp.alpha - alpha).abs() < 1e-9, "{rtt_us}: {}", htcp.alpha);
        }
        htcp.beta = 0.8;
        htcp.min_rtt_us = 100_000;
        htcp.update_alpha(2_000_000);
        assert!((htcp.alpha - 4.5).abs() < 1e-9);
    }

    #[test]
    fn the_window_grows_by_alpha_per_round() {
        let (mut htcp, mut tcp) = (Htcp::new(&TcpConfig::linux()), avoiding(500));
        htcp.init(&mut tcp);
        assert!((8..=11).contains(&rounds(&mut htcp, &mut tcp, 100_000, 10)));
        rounds(&mut htcp, &mut tcp, 100_000, 10);
        tcp.cwnd = 1000;
        // Between 2.0 and 2.1 s alpha rises from 11.25 to 12.3.
        let growth = round(&mut htcp, &mut tcp, 100_000);
        assert!((10..=12).contains(&growth), "{growth}");
    }

    #[test]
    fn the_decrease_is_the_ratio_of_the_round_trips_once_the_rate_is_steady() {
        let (mut htcp, mut tcp) = (Htcp::new(&TcpConfig::linux()), avoiding(100));
        (htcp.min_rtt_us, htcp.max_rtt_us, htcp.rate_max) = (70_000, 100_000, 1000.0);
        assert_eq!(htcp.ssthresh(&mut tcp), 50);
        assert_eq!(htcp.max_rtt_us, 98_500);
        htcp.max_rtt_us = 100_000;
        assert_eq!(htcp.ssthresh(&mut tcp), 50);
        htcp.max_rtt_us = 100_000;
        assert_eq!(htcp.ssthresh(&mut tcp), 70);
        htcp.max_rtt_us = 75_000;
        assert_eq!(htcp.ssthresh(&mut tcp), 80);
        htcp.rate_max = 700.0;
        assert_eq!(htcp.ssthresh(&mut tcp), 50);
    }

    #[test]
    fn an_undone_loss_does_not_count_as_one() {
        let (mut htcp, mut tcp) = (Htcp::new(&TcpConfig::linux()), avoiding(100));
        htcp.init(&mut tcp);
        tcp.now_us += 3_000_000;
        htcp.set_state(&mut tcp, CaState::Recovery);
        tcp.prior_cwnd = 100;
        assert_eq!((htcp.undo_cwnd(&mut tcp), htcp.last_loss_us), (100, 1_000_000));
    }
}
