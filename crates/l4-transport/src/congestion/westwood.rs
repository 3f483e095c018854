//! Westwood+: after a loss the window is what the path has been seen to carry (L. Grieco, S. Mascolo, "Performance evaluation and
//! comparison of Westwood+, New Reno, and Vegas TCP congestion control", ACM CCR 34(2), 2004).

use super::{CcEvent, CongestionControl, Sender, reno};
use crate::TcpConfig;

/// The bandwidth is sampled once per RTT, but not more often than this.
const ROUND_MIN_US: u64 = 50_000;
/// The RTT before any measurement.
const INITIAL_RTT_US: u32 = 20_000_000;

/// Westwood's variables.
pub(crate) struct Westwood {
    /// Bytes per second, filtered once and twice.
    bw_once: f64,
    bw: f64,
    /// Segments delivered when the round began.
    delivered: u32,
    round_us: u64,
    rtt_us: u32,
    rtt_min_us: u32,
    /// The least RTT is measured anew.
    reset_rtt_min: bool,
}

impl Westwood {
    pub fn new(_config: &TcpConfig) -> Westwood {
        Westwood {
            bw_once: 0.0,
            bw: 0.0,
            delivered: 0,
            round_us: 0,
            rtt_us: INITIAL_RTT_US,
            rtt_min_us: INITIAL_RTT_US,
            reset_rtt_min: true,
        }
    }

    /// Two low-pass filters in a row, each 7/8 of the old value and 1/8 of the new.
    fn filter(&mut self, sample: f64) {
        if self.bw_once == 0.0 && self.bw == 0.0 {
            self.bw_once = sample;
            self.bw = sample;
        } else {
            self.bw_once = (7.0 * self.bw_once + sample) / 8.0;
            self.bw = (7.0 * self.bw + self.bw_once) / 8.0;
        }
    }

    /// The estimated bandwidth times the least RTT, in segments.
    fn bdp(&self, tcp: &Sender) -> u32 {
        ((self.bw * f64::from(self.rtt_min_us) / 1e6 / f64::from(tcp.mss)) as u32).max(2)
    }
}

impl CongestionControl for Westwood {
    fn name(&self) -> &str {
        "westwood"
    }

    fn init(&mut self, tcp: &mut Sender) {
        self.delivered = tcp.delivered;
        self.round_us = tcp.now_us;
    }

    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        (tcp.cwnd >> 1).max(2)
    }

    fn cong_avoid(&mut self, tcp: &mut Sender, acked: u32) {
        reno::grow(tcp, acked);
    }

    fn pkts_acked(&mut self, _tcp: &mut Sender, _acked: u32, rtt_us: i64) {
        if rtt_us > 0 {
            self.rtt_us = rtt_us.min(1 << 27) as u32;
        }
    }

    /// The connection already counts what each acknowledgment delivered, duplicates and delayed ones included.
    fn in_ack_event(&mut self, tcp: &mut Sender, _ece: bool) {
        let elapsed = tcp.us_since(self.round_us);
        if self.rtt_us > 0 && elapsed > u64::from(self.rtt_us).max(ROUND_MIN_US) {
            let segments = tcp.delivered.wrapping_sub(self.delivered);
            self.filter(f64::from(segments) * f64::from(tcp.mss) * 1e6 / elapsed as f64);
            self.delivered = tcp.delivered;
            self.round_us = tcp.now_us;
        }
        self.rtt_min_us = if self.reset_rtt_min { self.rtt_us } else { self.rtt_min_us.min(self.rtt_us) };
        self.reset_rtt_min = false;
    }

    fn on_event(&mut self, tcp: &mut Sender, event: CcEvent) {
        match event {
            CcEvent::CompleteCwr => {
                tcp.ssthresh = self.bdp(tcp);
                tcp.cwnd = tcp.ssthresh;
            }
            CcEvent::Loss => {
                tcp.ssthresh = self.bdp(tcp);
                self.reset_rtt_min = true;
            }
            _ => {}
        }
    }

    fn variable(&self, name: &str) -> Option<f64> {
        match name {
            "bw" => Some(self.bw),
            "rtt_min" => (!self.reset_rtt_min || self.rtt_min_us < INITIAL_RTT_US)
                .then(|| f64::from(self.rtt_min_us) / 1e6),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{avoiding, round, rounds};
    use super::*;

    #[test]
    fn after_a_loss_the_window_is_the_bandwidth_times_the_least_rtt() {
        let (mut westwood, mut tcp) = (Westwood::new(&TcpConfig::linux()), avoiding(100));
        westwood.init(&mut tcp);
        rounds(&mut westwood, &mut tcp, 100_000, 1);
        // The window is full: 1000 segments of 1000 bytes per second, and a queue as long as the path.
        for _ in 0..60 {
            tcp.cwnd = 200;
            round(&mut westwood, &mut tcp, 200_000);
        }
        let bw = westwood.variable("bw").unwrap();
        assert!((bw / 1e6 - 1.0).abs() < 0.02, "{bw}");
        westwood.on_event(&mut tcp, CcEvent::CompleteCwr);
        assert!((98..=101).contains(&tcp.cwnd), "{}", tcp.cwnd);
        assert_eq!(tcp.cwnd, tcp.ssthresh);
    }

    #[test]
    fn a_step_of_the_bandwidth_passes_two_filters_of_one_eighth() {
        let mut westwood = Westwood::new(&TcpConfig::linux());
        westwood.filter(800.0);
        westwood.filter(1600.0);
        assert_eq!((westwood.bw_once, westwood.bw), (900.0, 812.5));
        // The answer of two equal low-pass filters to a step, after n samples: 1 - (7/8)^n (1 + n/8).
        for _ in 0..7 {
            westwood.filter(1600.0);
        }
        let expected = 1600.0 - 800.0 * libm::pow(0.875, 8.0) * (1.0 + 8.0 / 8.0);
        assert!((westwood.bw - expected).abs() < 0.01, "{} {expected}", westwood.bw);
    }

    #[test]
    fn a_timeout_measures_the_least_rtt_anew() {
        let (mut westwood, mut tcp) = (Westwood::new(&TcpConfig::linux()), avoiding(10));
        westwood.init(&mut tcp);
        rounds(&mut westwood, &mut tcp, 100_000, 3);
        westwood.on_event(&mut tcp, CcEvent::Loss);
        rounds(&mut westwood, &mut tcp, 300_000, 1);
        assert_eq!(westwood.variable("rtt_min"), Some(0.3));
    }
}
