//! Veno: the queue tells random loss from congestion (C. Fu, S. Liew, "TCP Veno: TCP enhancement for transmission over wireless access
//! networks", IEEE JSAC 21(2), 2003), in the variant of Linux.

use super::delay::Delays;
use super::{CcEvent, CongestionControl, Sender, reno};
use crate::{CaState, TcpConfig};

/// Half segments in the queue below which a loss is random: beta = 3.
const BETA_HALVES: u64 = 6;

/// Veno's variables.
pub(crate) struct Veno {
    delays: Delays,
    /// Not while losses are repaired.
    active: bool,
    /// Half segments in the queue.
    halves: u64,
    /// In the congested phase the window grows every other round.
    grow: bool,
}

impl Veno {
    pub fn new(_config: &TcpConfig) -> Veno {
        Veno { delays: Delays::new(), active: true, halves: 0, grow: true }
    }

    fn adjust(&mut self, tcp: &mut Sender, mut acked: u32) {
        self.halves = self.delays.queued_halves(tcp.cwnd);
        if tcp.in_slow_start() {
            acked = tcp.slow_start(acked);
        }
        if acked == 0 {
            return;
        }
        if self.halves < BETA_HALVES {
            tcp.additive_increase(tcp.cwnd, acked);
        } else if tcp.cwnd_cnt >= tcp.cwnd {
            tcp.cwnd += u32::from(self.grow);
            self.grow = !self.grow;
            tcp.cwnd_cnt = 0;
        } else {
            tcp.cwnd_cnt += acked;
        }
        tcp.cwnd = tcp.cwnd.max(2);
    }
}

impl CongestionControl for Veno {
    fn name(&self) -> &str {
        "veno"
    }

    fn init(&mut self, tcp: &mut Sender) {
        *self = Veno { delays: Delays::new(), active: true, halves: self.halves, grow: true };
        self.delays.begin(tcp);
    }

    /// With a short queue the loss is random, and costs a fifth; else half.
    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        if self.halves < BETA_HALVES {
            (u64::from(tcp.cwnd) * 4 / 5).max(2) as u32
        } else {
            (tcp.cwnd >> 1).max(2)
        }
    }

    fn cong_avoid(&mut self, tcp: &mut Sender, acked: u32) {
        if !self.active {
            reno::grow(tcp, acked);
            return;
        }
        if !tcp.is_cwnd_limited() {
            return;
        }
        if self.delays.count <= 2 || !self.delays.is_measured() {
            reno::grow(tcp, acked);
        } else {
            self.adjust(tcp, acked);
        }
        self.delays.forget_min();
    }

    fn pkts_acked(&mut self, _tcp: &mut Sender, _acked: u32, rtt_us: i64) {
        self.delays.sample(rtt_us);
    }

    fn set_state(&mut self, _tcp: &mut Sender, state: CaState) {
        self.active = state == CaState::Open;
        if self.active {
            self.delays.forget_min();
        }
    }

    fn on_event(&mut self, tcp: &mut Sender, event: CcEvent) {
        if matches!(event, CcEvent::CwndRestart | CcEvent::TxStart) {
            self.init(tcp);
        }
    }

    fn variable(&self, name: &str) -> Option<f64> {
        if name == "diff" { Some(self.halves as f64 / 2.0) } else { self.delays.variable(name) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{avoiding, rounds};
    use super::*;

    fn veno() -> (Veno, Sender) {
        let (mut veno, mut tcp) = (Veno::new(&TcpConfig::linux()), avoiding(50));
        veno.init(&mut tcp);
        rounds(&mut veno, &mut tcp, 100_000, 1);
        (veno, tcp)
    }

    #[test]
    fn a_loss_with_a_short_queue_costs_a_fifth_and_with_a_long_one_half() {
        let (mut veno, mut tcp) = veno();
        tcp.cwnd = 50;
        assert_eq!(veno.ssthresh(&mut tcp), 40);
        rounds(&mut veno, &mut tcp, 120_000, 1);
        tcp.cwnd = 50;
        assert_eq!(veno.ssthresh(&mut tcp), 25);
        assert!((8.0..9.0).contains(&veno.variable("diff").unwrap()));
    }

    #[test]
    fn a_long_queue_halves_the_growth() {
        let (mut veno, mut tcp) = veno();
        assert_eq!(rounds(&mut veno, &mut tcp, 100_000, 10), 10);
        let growth = rounds(&mut veno, &mut tcp, 130_000, 20);
        assert!((9..=10).contains(&growth), "{growth}");
    }
}
