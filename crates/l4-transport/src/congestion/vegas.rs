//! Vegas: keeps between alpha and beta segments in the queue (L. Brakmo, L. Peterson, "TCP Vegas", IEEE JSAC 13(8), 1995), in
//! the variant of Linux, which counts whole segments: 4.9 are 4. The `rfc` profile counts as the paper does.

use super::delay::Delays;
use super::{CcEvent, CongestionControl, Sender, reno};
use crate::{CaState, TcpConfig};

/// Segments in the queue: fewer let the window grow.
const ALPHA: f64 = 2.0;
/// More let it shrink.
const BETA: f64 = 4.0;
/// More end slow start.
const GAMMA: f64 = 1.0;

/// Vegas' variables.
pub(crate) struct Vegas {
    delays: Delays,
    /// Not while losses are repaired.
    active: bool,
    /// Segments in the queue at the end of the last round.
    diff: f64,
    whole: bool,
}

impl Vegas {
    pub fn new(config: &TcpConfig) -> Vegas {
        Vegas { delays: Delays::new(), active: true, diff: 0.0, whole: !config.is_rfc() }
    }

    /// Once per round trip, from the least RTT of the round.
    fn adjust(&mut self, tcp: &mut Sender, acked: u32) {
        self.diff = if self.whole {
            self.delays.queued_by_rate(tcp.cwnd) as f64
        } else {
            self.delays.queued_exactly(tcp.cwnd)
        };
        if tcp.in_slow_start() {
            if self.diff > GAMMA {
                let target =
                    u64::from(tcp.cwnd) * u64::from(self.delays.base_us) / u64::from(self.delays.min_us);
                tcp.cwnd = tcp.cwnd.min(target as u32 + 1);
                tcp.ssthresh = tcp.ssthresh.min(tcp.cwnd - 1);
            } else {
                tcp.slow_start(acked);
            }
        } else if self.diff > BETA {
            tcp.cwnd -= 1;
            tcp.ssthresh = tcp.ssthresh.min(tcp.cwnd - 1);
        } else if self.diff < ALPHA {
            tcp.cwnd += 1;
        }
        tcp.cwnd = tcp.cwnd.max(2);
        tcp.ssthresh = tcp.current_ssthresh();
    }
}

impl CongestionControl for Vegas {
    fn name(&self) -> &str {
        "vegas"
    }

    fn init(&mut self, tcp: &mut Sender) {
        self.delays = Delays::new();
        self.active = true;
        self.delays.begin(tcp);
    }

    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        (tcp.cwnd >> 1).max(2)
    }

    fn cong_avoid(&mut self, tcp: &mut Sender, acked: u32) {
        if !self.active {
            reno::grow(tcp, acked);
        } else if self.delays.is_over(tcp) {
            // One or two measurements may both be of delayed acknowledgments.
            if self.delays.count <= 2 {
                reno::grow(tcp, acked);
            } else {
                self.adjust(tcp, acked);
            }
            self.delays.begin(tcp);
        } else if tcp.in_slow_start() {
            tcp.slow_start(acked);
        }
    }

    fn pkts_acked(&mut self, _tcp: &mut Sender, _acked: u32, rtt_us: i64) {
        self.delays.sample(rtt_us);
    }

    fn set_state(&mut self, tcp: &mut Sender, state: CaState) {
        self.active = state == CaState::Open;
        if self.active {
            self.delays.begin(tcp);
        }
    }

    fn on_event(&mut self, tcp: &mut Sender, event: CcEvent) {
        // After an idle time nothing is known about the path.
        if matches!(event, CcEvent::CwndRestart | CcEvent::TxStart) {
            self.init(tcp);
        }
    }

    fn variable(&self, name: &str) -> Option<f64> {
        if name == "diff" { Some(self.diff) } else { self.delays.variable(name) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{avoiding, rounds, starting};
    use super::*;

    /// The growth in ten rounds of a window of 40 on a path whose queue holds `queued` of them.
    fn growth(queued: u32) -> i64 {
        let (mut vegas, mut tcp) = (Vegas::new(&TcpConfig::linux()), avoiding(40));
        vegas.init(&mut tcp);
        vegas.pkts_acked(&mut tcp, 1, 99_999);
        // A round longer than the base RTT by queued / cwnd.
        (0..10).map(|_| rounds(&mut vegas, &mut tcp, 100_000 * (40 + queued) / 40 + 50, 1).signum()).sum()
    }

    #[test]
    fn fewer_than_alpha_in_the_queue_grow_and_more_than_beta_shrink_the_window() {
        // The first adjustment comes after the first round.
        assert_eq!(growth(0), 9);
        assert_eq!(growth(3), 0);
        assert_eq!(growth(8), -9);
    }

    #[test]
    fn the_window_moves_by_one_segment_per_round() {
        let (mut vegas, mut tcp) = (Vegas::new(&TcpConfig::linux()), avoiding(40));
        vegas.init(&mut tcp);
        rounds(&mut vegas, &mut tcp, 100_000, 2);
        assert_eq!(rounds(&mut vegas, &mut tcp, 100_000, 7), 7);
        rounds(&mut vegas, &mut tcp, 150_000, 2);
        assert_eq!(rounds(&mut vegas, &mut tcp, 150_000, 7), -7);
        assert!(vegas.variable("diff").unwrap() > 15.0);
        assert_eq!(vegas.variable("base_rtt"), Some(0.100_001));
    }

    #[test]
    fn the_paper_counts_parts_of_segments_and_linux_does_not() {
        for (config, growth) in [(TcpConfig::linux(), 0), (TcpConfig::rfc(), -1)] {
            let (mut vegas, mut tcp) = (Vegas::new(&config), avoiding(47));
            vegas.init(&mut tcp);
            rounds(&mut vegas, &mut tcp, 51_200, 1);
            tcp.cwnd = 47;
            // 47 (56.4 - 51.2) / 51.2 = 4.8, and 4.3 as the paper's rates have it.
            rounds(&mut vegas, &mut tcp, 56_400, 1);
            tcp.cwnd = 47;
            assert_eq!(rounds(&mut vegas, &mut tcp, 56_400, 1), growth, "{:?}", config.profile);
        }
    }

    #[test]
    fn slow_start_ends_with_more_than_gamma_in_the_queue() {
        let (mut vegas, mut tcp) = (Vegas::new(&TcpConfig::linux()), starting(10));
        vegas.init(&mut tcp);
        rounds(&mut vegas, &mut tcp, 100_000, 2);
        assert_eq!(tcp.cwnd, 40);
        rounds(&mut vegas, &mut tcp, 140_000, 2);
        assert!(!tcp.in_slow_start(), "{} {}", tcp.cwnd, tcp.ssthresh);
    }
}
