//! Reno: one segment more per window, half the window on loss (RFC 5681).

use super::hystart::HystartPlusPlus;
use super::{CongestionControl, Sender};
use crate::TcpConfig;
use tidewire_wire::Seq;

/// NewReno's window. Recovery is the connection's.
pub(crate) struct Reno {
    /// RFC 9406, in the `rfc` profile.
    hystart: Option<Box<HystartPlusPlus>>,
    /// The `rfc` profile grows per acknowledgment, by at most two segments (RFC 3465).
    per_ack: bool,
}

impl Reno {
    pub fn new(config: &TcpConfig) -> Reno {
        let plus_plus = config.hystart && config.hystart_plus_plus;
        Reno {
            hystart: plus_plus.then(|| Box::new(HystartPlusPlus::new(config.pacing, Seq(0)))),
            per_ack: config.is_rfc(),
        }
    }

    /// It remembers nothing.
    pub const fn is_plain(&self) -> bool {
        self.hystart.is_none()
    }
}

impl CongestionControl for Reno {
    fn name(&self) -> &str {
        "reno"
    }

    fn init(&mut self, tcp: &mut Sender) {
        if let Some(hystart) = &mut self.hystart {
            hystart.restart(tcp);
        }
    }

    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        (tcp.cwnd >> 1).max(2)
    }

    fn ssthresh_ecn(&mut self, tcp: &mut Sender) -> u32 {
        (tcp.cwnd - tcp.cwnd / 5).max(2)
    }

    #[inline]
    fn cong_avoid(&mut self, tcp: &mut Sender, mut acked: u32) {
        if !tcp.is_cwnd_limited() {
            return;
        }
        if tcp.in_slow_start() {
            acked = match &mut self.hystart {
                Some(hystart) => hystart.grow(tcp, acked),
                None if self.per_ack => {
                    tcp.slow_start(acked.min(2));
                    0
                }
                None => tcp.slow_start(acked),
            };
            if acked == 0 {
                return;
            }
        }
        let acked = if self.per_ack { 1 } else { acked };
        tcp.additive_increase(tcp.cwnd, acked);
    }

    fn pkts_acked(&mut self, tcp: &mut Sender, _acked: u32, rtt_us: i64) {
        if let Some(hystart) = &mut self.hystart
            && tcp.in_slow_start()
        {
            hystart.sample(tcp, rtt_us);
        }
    }
}

/// Reno's growth: slow start, then one segment per window.
#[inline]
pub(super) fn grow(tcp: &mut Sender, mut acked: u32) {
    if !tcp.is_cwnd_limited() {
        return;
    }
    if tcp.in_slow_start() {
        acked = tcp.slow_start(acked);
        if acked == 0 {
            return;
        }
    }
    tcp.additive_increase(tcp.cwnd, acked);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender() -> Sender {
        let mut tcp = Sender::new(0, Seq(0), 1000, 3, 10);
        tcp.is_cwnd_limited = true;
        tcp
    }

    #[test]
    fn slow_start_doubles_the_window_in_a_round() {
        let (mut reno, mut tcp) = (Reno::new(&TcpConfig::linux()), sender());
        for _ in 0..5 {
            reno.cong_avoid(&mut tcp, 2);
        }
        assert_eq!(tcp.cwnd, 20);
    }

    #[test]
    fn above_the_threshold_a_window_of_acknowledgments_adds_one_segment() {
        let (mut reno, mut tcp) = (Reno::new(&TcpConfig::linux()), sender());
        tcp.ssthresh = 10;
        for _ in 0..10 {
            reno.cong_avoid(&mut tcp, 1);
        }
        assert_eq!((tcp.cwnd, tcp.cwnd_cnt), (11, 0));
    }

    #[test]
    fn a_loss_halves_the_window_but_never_below_two() {
        let (mut reno, mut tcp) = (Reno::new(&TcpConfig::linux()), sender());
        assert_eq!(reno.ssthresh(&mut tcp), 5);
        tcp.cwnd = 1;
        assert_eq!(reno.ssthresh(&mut tcp), 2);
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        let (mut reno, mut tcp) = (Reno::new(&TcpConfig::linux()), sender());
        tcp.is_cwnd_limited = false;
        reno.cong_avoid(&mut tcp, 5);
        assert_eq!(tcp.cwnd, 10);
    }
}
