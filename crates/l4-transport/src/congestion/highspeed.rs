//! HighSpeed TCP: the larger the window, the more it grows and the less it shrinks (RFC 3649).

use super::{CongestionControl, Sender};
use crate::TcpConfig;

/// Low_Window, below which it is Reno, and the decrease there.
const LOW_WINDOW: f64 = 38.0;
const LOW_DECREASE: f64 = 0.5;
/// High_Window and the decrease there.
const HIGH_WINDOW: f64 = 83_000.0;
const HIGH_DECREASE: f64 = 0.1;

/// RFC 3649 appendix B: the windows at which a(w) reaches 1, 2, 3 ... segments per round trip.
const WINDOWS: [u32; 73] = [
    38, 118, 221, 347, 495, 663, 851, 1058, 1284, 1529, 1793, 2076, 2378, 2699, 3039, 3399, 3778, 4177, 4596,
    5036, 5497, 5979, 6483, 7009, 7558, 8130, 8726, 9346, 9991, 10661, 11358, 12082, 12834, 13614, 14424,
    15265, 16137, 17042, 17981, 18955, 19965, 21013, 22101, 23230, 24402, 25618, 26881, 28193, 29557, 30975,
    32450, 33986, 35586, 37253, 38992, 40808, 42707, 44694, 46776, 48961, 51258, 53677, 56230, 58932, 61799,
    64851, 68113, 71617, 75401, 79517, 84035, 89053, 94717,
];

/// The row of the table that is in use.
pub(crate) struct HighSpeed {
    row: usize,
}

impl HighSpeed {
    pub fn new(_config: &TcpConfig) -> HighSpeed {
        HighSpeed { row: 0 }
    }

    /// The first row whose window is not exceeded.
    fn find_row(&mut self, cwnd: u32) {
        let last = WINDOWS.len() - 1;
        while self.row < last && cwnd > WINDOWS[self.row] {
            self.row += 1;
        }
        while self.row > 0 && cwnd <= WINDOWS[self.row - 1] {
            self.row -= 1;
        }
    }

    /// a(w): segments per round trip.
    fn increase(&self) -> u32 {
        self.row as u32 + 1
    }
}

/// b(w), section 5: falls with the logarithm of the window.
fn decrease(cwnd: u32) -> f64 {
    let w = f64::from(cwnd).max(LOW_WINDOW);
    let share = libm::log(w / LOW_WINDOW) / libm::log(HIGH_WINDOW / LOW_WINDOW);
    (HIGH_DECREASE - LOW_DECREASE) * share + LOW_DECREASE
}

impl CongestionControl for HighSpeed {
    fn name(&self) -> &str {
        "highspeed"
    }

    /// As in the table, b(w) of the row counts.
    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        let cut = f64::from(tcp.cwnd) * decrease(WINDOWS[self.row]);
        tcp.cwnd.saturating_sub(cut as u32).max(2)
    }

    /// a(w) / w per acknowledgment.
    fn cong_avoid(&mut self, tcp: &mut Sender, acked: u32) {
        if !tcp.is_cwnd_limited() {
            return;
        }
        if tcp.in_slow_start() {
            tcp.slow_start(acked);
            return;
        }
        self.find_row(tcp.cwnd);
        tcp.cwnd_cnt += self.increase();
        if tcp.cwnd_cnt >= tcp.cwnd {
            tcp.cwnd_cnt -= tcp.cwnd;
            tcp.cwnd += 1;
        }
    }

    fn variable(&self, name: &str) -> Option<f64> {
        match name {
            "a" => Some(f64::from(self.increase())),
            "b" => Some(decrease(WINDOWS[self.row])),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{avoiding, round, starting};
    use super::*;

    /// a(w) of section 5, from p(w) = 0.078 / w^1.2 and b(w).
    fn exact_increase(cwnd: u32) -> f64 {
        let (w, b) = (f64::from(cwnd), decrease(cwnd));
        libm::pow(w, 2.0) * (0.078_125 / libm::pow(w, 1.2)) * 2.0 * b / (2.0 - b)
    }

    #[test]
    fn each_window_of_the_table_is_where_the_formula_reaches_one_segment_more() {
        for (i, window) in WINDOWS.iter().enumerate().skip(1) {
            let a = i as f64 + 1.0;
            assert!((exact_increase(*window) - a).abs() < 0.02 * a, "{window}: {}", exact_increase(*window));
        }
    }

    #[test]
    fn the_decrease_is_that_of_the_table() {
        for (window, b) in [
            (38, 0.50),
            (118, 0.44),
            (221, 0.41),
            (1058, 0.33),
            (10_661, 0.21),
            (38_992, 0.14),
            (84_035, 0.10),
        ] {
            assert!((decrease(window) - b).abs() < 0.0075, "{window}: {}", decrease(window));
        }
        assert_eq!(decrease(10), 0.5);
    }

    #[test]
    fn a_round_adds_a_of_w() {
        for (cwnd, growth) in [(30, 1), (118, 2), (1058, 8), (10_661, 30), (83_000, 71)] {
            let (mut highspeed, mut tcp) = (HighSpeed::new(&TcpConfig::linux()), avoiding(cwnd));
            let got = round(&mut highspeed, &mut tcp, 100_000);
            assert!((growth - 1..=growth + 1).contains(&got), "{cwnd}: {got}");
        }
    }

    #[test]
    fn at_83000_segments_a_loss_costs_a_tenth_and_a_small_window_is_halved() {
        let (mut highspeed, mut tcp) = (HighSpeed::new(&TcpConfig::linux()), avoiding(83_000));
        round(&mut highspeed, &mut tcp, 100_000);
        tcp.cwnd = 83_000;
        let left = highspeed.ssthresh(&mut tcp);
        assert!((74_600..74_900).contains(&left), "{left}");
        let (mut highspeed, mut tcp) = (HighSpeed::new(&TcpConfig::linux()), starting(30));
        assert_eq!(highspeed.ssthresh(&mut tcp), 15);
    }
}
