//! Scalable TCP: a hundredth of a segment more per segment acknowledged, an eighth less on loss (T. Kelly, "Scalable TCP: improving
//! performance in highspeed wide area networks", ACM CCR 33(2), 2003).

use super::{CongestionControl, Sender};
use crate::TcpConfig;

/// Acknowledged segments per segment of growth; below this window Reno is no slower.
const PER: u32 = 100;
/// The window loses 2^-3 on loss.
const LOSS_SHIFT: u32 = 3;

/// Everything is in the sender's variables.
pub(crate) struct Scalable;

impl Scalable {
    pub fn new(_config: &TcpConfig) -> Scalable {
        Scalable
    }
}

impl CongestionControl for Scalable {
    fn name(&self) -> &str {
        "scalable"
    }

    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        (tcp.cwnd - (tcp.cwnd >> LOSS_SHIFT)).max(2)
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
        tcp.additive_increase(tcp.cwnd.min(PER), acked);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{avoiding, round, rounds};
    use super::*;

    #[test]
    fn a_round_adds_one_percent_of_a_large_window_and_one_segment_to_a_small_one() {
        let (mut scalable, mut tcp) = (Scalable, avoiding(1000));
        assert_eq!(round(&mut scalable, &mut tcp, 100_000), 10);
        let (mut scalable, mut tcp) = (Scalable, avoiding(20));
        assert_eq!(rounds(&mut scalable, &mut tcp, 100_000, 5), 5);
    }

    #[test]
    fn the_time_from_a_loss_back_to_the_window_does_not_depend_on_the_window() {
        // ln(1 / (1 - 1/8)) / ln(1.01) = 13.4 round trips.
        for cwnd in [800u32, 8_000, 80_000] {
            let (mut scalable, mut tcp) = (Scalable, avoiding(cwnd));
            tcp.cwnd = scalable.ssthresh(&mut tcp);
            assert_eq!(tcp.cwnd, cwnd / 8 * 7);
            let mut count = 0;
            while tcp.cwnd < cwnd {
                round(&mut scalable, &mut tcp, 100_000);
                count += 1;
            }
            assert!((13..=15).contains(&count), "{cwnd}: {count}");
        }
    }
}
