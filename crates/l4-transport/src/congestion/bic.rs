//! BIC: binary search for the window at which the last loss came (L. Xu, K. Harfoush, I. Rhee, "Binary increase congestion control for
//! fast long-distance networks", INFOCOM 2004), with the constants of Linux.

use super::{CongestionControl, Sender};
use crate::{CaState, TcpConfig};

/// A loss leaves 819 / 1024 of the window.
const BETA: u32 = 819;
const BETA_SCALE: u32 = 1024;
/// The binary search goes a fourth of the way.
const B: u32 = 4;
/// S_max: at most so many segments per round trip.
const INCREMENT_MAX: u32 = 16;
/// Smaller windows behave as Reno's.
const LOW_WINDOW: u32 = 14;
/// Round trips for the last B segments up to the maximum.
const SMOOTH: u32 = 20;
/// The growth is computed anew after this time, or when the window has changed.
const UPDATE_US: u64 = 1_000_000 / 32;
/// Segments per acknowledgment are smoothed in units of 1 / 16.
const RATIO_SHIFT: u32 = 4;

/// BIC's variables.
pub(crate) struct Bic {
    /// Acknowledged segments per segment of growth.
    cnt: u32,
    /// The window before the last loss; zero: there was none.
    w_max: u32,
    last_cwnd: u32,
    last_us: u64,
    /// Segments per acknowledgment.
    ratio: u32,
}

impl Bic {
    pub fn new(_config: &TcpConfig) -> Bic {
        Bic { cnt: 0, w_max: 0, last_cwnd: 0, last_us: 0, ratio: 2 << RATIO_SHIFT }
    }

    fn update(&mut self, tcp: &Sender) {
        if self.last_cwnd == tcp.cwnd && tcp.us_since(self.last_us) <= UPDATE_US {
            return;
        }
        self.last_cwnd = tcp.cwnd;
        self.last_us = tcp.now_us;
        if tcp.cwnd <= LOW_WINDOW {
            self.cnt = tcp.cwnd;
            return;
        }
        self.cnt = if tcp.cwnd < self.w_max { self.towards(tcp.cwnd) } else { self.beyond(tcp.cwnd) };
        if self.w_max == 0 {
            self.cnt = self.cnt.min(20);
        }
        self.cnt = ((self.cnt << RATIO_SHIFT) / self.ratio).max(1);
    }

    /// Below the old maximum: additive increase, then binary search, then slowly.
    fn towards(&self, cwnd: u32) -> u32 {
        let step = (self.w_max - cwnd) / B;
        if step > INCREMENT_MAX {
            cwnd / INCREMENT_MAX
        } else if step <= 1 {
            cwnd * SMOOTH / B
        } else {
            cwnd / step
        }
    }

    /// Above it: slowly, then faster, then additive increase.
    fn beyond(&self, cwnd: u32) -> u32 {
        let past = cwnd - self.w_max;
        if past < B {
            cwnd * SMOOTH / B
        } else if past < INCREMENT_MAX * (B - 1) {
            cwnd * (B - 1) / past
        } else {
            cwnd / INCREMENT_MAX
        }
    }
}

impl CongestionControl for Bic {
    fn name(&self) -> &str {
        "bic"
    }

    /// A loss below the old maximum means that a flow has come: the new maximum leaves it room (fast convergence).
    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        let cwnd = u64::from(tcp.cwnd);
        let scaled = |factor: u32, unit: u32| (cwnd * u64::from(factor) / u64::from(unit)) as u32;
        self.w_max = if tcp.cwnd < self.w_max { scaled(BETA_SCALE + BETA, 2 * BETA_SCALE) } else { tcp.cwnd };
        if tcp.cwnd <= LOW_WINDOW { (tcp.cwnd >> 1).max(2) } else { scaled(BETA, BETA_SCALE).max(2) }
    }

    fn cong_avoid(&mut self, tcp: &mut Sender, mut acked: u32) {
        if !tcp.is_cwnd_limited() {
            return;
        }
        if tcp.in_slow_start() {
            acked = tcp.slow_start(acked);
            if acked == 0 {
                return;
            }
        }
        self.update(tcp);
        tcp.additive_increase(self.cnt, acked);
    }

    fn pkts_acked(&mut self, tcp: &mut Sender, acked: u32, _rtt_us: i64) {
        if tcp.ca_state == CaState::Open {
            self.ratio = self.ratio + acked.min(1 << 16) - (self.ratio >> RATIO_SHIFT);
        }
    }

    fn set_state(&mut self, _tcp: &mut Sender, state: CaState) {
        if state == CaState::Loss {
            *self = Bic { cnt: 0, w_max: 0, last_cwnd: 0, last_us: 0, ratio: 2 << RATIO_SHIFT };
        }
    }

    fn variable(&self, name: &str) -> Option<f64> {
        match name {
            "w_max" => Some(f64::from(self.w_max)),
            "cnt" => Some(f64::from(self.cnt)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{avoiding, round};
    use super::*;

    /// BIC that has lost at `w_max`, one acknowledgment per segment.
    fn bic(w_max: u32) -> Bic {
        Bic { w_max, ratio: 1 << RATIO_SHIFT, ..Bic::new(&TcpConfig::linux()) }
    }

    #[test]
    fn far_below_the_maximum_a_round_adds_s_max_segments() {
        let mut tcp = avoiding(1000);
        let growth = round(&mut bic(2000), &mut tcp, 100_000);
        assert!((15..=17).contains(&growth), "{growth}");
    }

    #[test]
    fn near_the_maximum_a_round_goes_a_fourth_of_the_way_and_then_slowly() {
        let mut tcp = avoiding(1000);
        let growth = round(&mut bic(1040), &mut tcp, 100_000);
        assert!((8..=10).contains(&growth), "{growth}");
        // SMOOTH / B = 5 round trips per segment.
        let (mut bic, mut tcp) = (bic(1004), avoiding(1000));
        let growth: i64 = (0..20).map(|_| round(&mut bic, &mut tcp, 100_000)).sum();
        assert!((3..=5).contains(&growth), "{growth}");
    }

    #[test]
    fn past_the_maximum_growth_accelerates_up_to_s_max() {
        assert_eq!(bic(1000).beyond(1002), 1002 * 5);
        assert_eq!(bic(1000).beyond(1012), 1012 * 3 / 12);
        assert_eq!(bic(1000).beyond(1048), 1048 / 16);
    }

    #[test]
    fn a_loss_leaves_four_fifths_and_a_second_one_lowers_the_maximum_further() {
        let (mut bic, mut tcp) = (bic(0), avoiding(1000));
        assert_eq!((bic.ssthresh(&mut tcp), bic.w_max), (799, 1000));
        tcp.cwnd = 900;
        assert_eq!((bic.ssthresh(&mut tcp), bic.w_max), (719, 809));
        tcp.cwnd = 10;
        assert_eq!(bic.ssthresh(&mut tcp), 5);
    }

    #[test]
    fn delayed_acknowledgments_do_not_slow_it_down() {
        let (mut bic, mut tcp) = (bic(2000), avoiding(1000));
        for _ in 0..200 {
            bic.pkts_acked(&mut tcp, 2, -1);
        }
        assert_eq!(bic.ratio >> RATIO_SHIFT, 2);
        bic.update(&tcp);
        assert_eq!(bic.cnt, 1000 / 16 / 2);
    }
}
