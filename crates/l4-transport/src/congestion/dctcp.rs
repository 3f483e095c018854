//! DCTCP: the window shrinks in proportion to the fraction of marked segments (RFC 8257).

use super::{CcEvent, CongestionControl, Sender};
use crate::TcpConfig;
use tidewire_wire::Seq;

/// alpha is kept in units of 1 / 1024, and g is 1 / 16.
const ALPHA_ONE: u32 = 1024;
const SHIFT_G: u32 = 4;

/// RFC 8257 section 3.3.
pub(crate) struct Dctcp {
    alpha: u32,
    /// The end of the current observation window.
    next_seq: Seq,
    prior_delivered: u32,
    prior_delivered_ce: u32,
}

impl Dctcp {
    pub fn new(_config: &TcpConfig) -> Dctcp {
        Dctcp { alpha: ALPHA_ONE, next_seq: Seq(0), prior_delivered: 0, prior_delivered_ce: 0 }
    }

    fn restart(&mut self, tcp: &Sender) {
        self.next_seq = tcp.snd_nxt;
        self.prior_delivered = tcp.delivered;
        self.prior_delivered_ce = tcp.delivered_ce;
    }
}

impl CongestionControl for Dctcp {
    fn name(&self) -> &str {
        "dctcp"
    }

    fn init(&mut self, tcp: &mut Sender) {
        self.restart(tcp);
    }

    fn needs_ecn(&self) -> bool {
        true
    }

    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        tcp.cwnd.saturating_sub((tcp.cwnd * self.alpha) >> 11).max(2)
    }

    fn cong_avoid(&mut self, tcp: &mut Sender, acked: u32) {
        if !tcp.is_cwnd_limited() {
            return;
        }
        let mut acked = acked;
        if tcp.in_slow_start() {
            acked = tcp.slow_start(acked);
            if acked == 0 {
                return;
            }
        }
        tcp.additive_increase(tcp.cwnd, acked);
    }

    /// Once per window: alpha = (1 - g) alpha + g F.
    fn in_ack_event(&mut self, tcp: &mut Sender, _ece: bool) {
        if tcp.snd_una.before(self.next_seq) {
            return;
        }
        let marked = tcp.delivered_ce.wrapping_sub(self.prior_delivered_ce);
        let delivered = tcp.delivered.wrapping_sub(self.prior_delivered).max(1);
        let decay = self.alpha >> SHIFT_G;
        // Without this step the last digits would never decay.
        self.alpha -= if decay == 0 { self.alpha } else { decay };
        if marked > 0 {
            let share = (u64::from(marked) << (10 - SHIFT_G)) / u64::from(delivered);
            self.alpha = (self.alpha + share as u32).min(ALPHA_ONE);
        }
        self.restart(tcp);
    }

    fn on_event(&mut self, tcp: &mut Sender, event: CcEvent) {
        // A loss is answered as Reno does, whatever alpha is (RFC 8257 section 3.5).
        if event == CcEvent::Loss {
            tcp.ssthresh = (tcp.cwnd >> 1).max(2);
        }
    }

    fn variable(&self, name: &str) -> Option<f64> {
        (name == "alpha").then(|| f64::from(self.alpha) / f64::from(ALPHA_ONE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_follows_the_marked_fraction_with_a_gain_of_one_sixteenth() {
        let mut tcp = Sender::new(0, Seq(0), 1000, 3, 10);
        let mut dctcp = Dctcp::new(&TcpConfig::linux());
        dctcp.init(&mut tcp);
        for _ in 0..200 {
            tcp.snd_nxt += 10_000;
            tcp.snd_una = dctcp.next_seq;
            tcp.delivered += 10;
            tcp.delivered_ce += 2;
            dctcp.in_ack_event(&mut tcp, false);
        }
        let alpha = dctcp.variable("alpha").unwrap();
        assert!((0.17..0.22).contains(&alpha), "{alpha}");
        tcp.cwnd = 100;
        assert!((89..=92).contains(&dctcp.ssthresh(&mut tcp)));
    }
}
