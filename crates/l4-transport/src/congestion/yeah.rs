//! YeAH: Scalable while the queue is short, Reno that empties it while it is long (A. Baiocchi, A. Castellani, F. Vacirca, "YeAH-TCP: yet
//! another highspeed TCP", PFLDnet 2007), with the constants of Linux.

use super::delay::Delays;
use super::{CcEvent, CongestionControl, Sender};
use crate::{CaState, TcpConfig};

/// Q_max: segments that the flow may keep in the queue.
const ALPHA: u64 = 80;
/// The queue may be an eighth of the base RTT.
const PHY: u32 = 8;
/// A decongestion takes away at most 2^-EPSILON of the window.
const EPSILON: u32 = 1;
/// A loss costs at least 2^-DELTA of the window ...
const DELTA: u32 = 3;
/// ... and half of it after so many rounds in slow mode.
const RHO: u32 = 16;
/// Rounds in fast mode after which no Reno flow is believed to compete.
const ZETA: u32 = 50;
/// The fast mode's increase: Scalable's.
const FAST_PER: u32 = 100;

/// YeAH's variables.
pub(crate) struct Yeah {
    delays: Delays,
    /// Segments in the queue at the end of the last round.
    queue: u64,
    /// Rounds in slow mode; zero: fast mode.
    slow_rounds: u32,
    fast_rounds: u32,
    /// The window that a competing Reno flow would have.
    reno_count: u32,
}

impl Yeah {
    pub fn new(_config: &TcpConfig) -> Yeah {
        Yeah { delays: Delays::new(), queue: 0, slow_rounds: 0, fast_rounds: 0, reno_count: 2 }
    }

    /// Once per round trip: which mode, and does the queue have to be emptied first?
    fn adjust(&mut self, tcp: &mut Sender) {
        self.queue = self.delays.queued(tcp.cwnd);
        let delay = self.delays.min_us - self.delays.base_us;
        if self.queue <= ALPHA && delay <= self.delays.base_us / PHY {
            self.fast_rounds += 1;
            if self.fast_rounds > ZETA {
                self.reno_count = 2;
                self.fast_rounds = 0;
            }
            self.slow_rounds = 0;
            return;
        }
        if self.queue > ALPHA && tcp.cwnd > self.reno_count {
            let cut = self.queue.min(u64::from(tcp.cwnd >> EPSILON)) as u32;
            tcp.cwnd = (tcp.cwnd - cut).max(self.reno_count);
            tcp.ssthresh = tcp.cwnd;
        }
        self.reno_count = if self.reno_count <= 2 { (tcp.cwnd >> 1).max(2) } else { self.reno_count + 1 };
        self.slow_rounds = (self.slow_rounds + 1).min(0xFF_FFFF);
    }
}

impl CongestionControl for Yeah {
    fn name(&self) -> &str {
        "yeah"
    }

    fn init(&mut self, tcp: &mut Sender) {
        *self = Yeah { delays: Delays::new(), queue: 0, slow_rounds: 0, fast_rounds: 0, reno_count: 2 };
        self.delays.begin(tcp);
    }

    /// The queue is what a loss takes away in fast mode, between an eighth and a half of the window.
    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        let half = (tcp.cwnd >> 1).max(2);
        let cut = if self.slow_rounds < RHO {
            (self.queue.min(u64::from(half)) as u32).max(tcp.cwnd >> DELTA)
        } else {
            half
        };
        self.fast_rounds = 0;
        self.reno_count = (self.reno_count >> 1).max(2);
        tcp.cwnd.saturating_sub(cut).max(2)
    }

    fn cong_avoid(&mut self, tcp: &mut Sender, mut acked: u32) {
        if !tcp.is_cwnd_limited() {
            return;
        }
        if tcp.in_slow_start() {
            acked = tcp.slow_start(acked);
        }
        if acked > 0 {
            let per = if self.slow_rounds == 0 { tcp.cwnd.min(FAST_PER) } else { tcp.cwnd };
            tcp.additive_increase(per, acked);
        }
        if self.delays.is_over(tcp) {
            if self.delays.count > 2 {
                self.adjust(tcp);
            }
            self.delays.begin(tcp);
        }
    }

    fn pkts_acked(&mut self, _tcp: &mut Sender, _acked: u32, rtt_us: i64) {
        self.delays.sample(rtt_us);
    }

    fn set_state(&mut self, tcp: &mut Sender, state: CaState) {
        if state == CaState::Open {
            self.delays.begin(tcp);
        }
    }

    fn on_event(&mut self, tcp: &mut Sender, event: CcEvent) {
        // After an idle time nothing is known about the path's delay.
        if matches!(event, CcEvent::CwndRestart | CcEvent::TxStart) {
            self.delays = Delays::new();
            self.delays.begin(tcp);
        }
    }

    fn variable(&self, name: &str) -> Option<f64> {
        match name {
            "queue" => Some(self.queue as f64),
            "fast" => Some(f64::from(u8::from(self.slow_rounds == 0))),
            "reno_count" => Some(f64::from(self.reno_count)),
            _ => self.delays.variable(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{avoiding, round, rounds};
    use super::*;

    fn yeah(cwnd: u32) -> (Yeah, Sender) {
        let (mut yeah, mut tcp) = (Yeah::new(&TcpConfig::linux()), avoiding(cwnd));
        yeah.init(&mut tcp);
        (yeah, tcp)
    }

    #[test]
    fn with_a_short_queue_a_round_adds_one_percent() {
        let (mut yeah, mut tcp) = yeah(1000);
        rounds(&mut yeah, &mut tcp, 100_000, 3);
        tcp.cwnd = 1000;
        assert_eq!((round(&mut yeah, &mut tcp, 105_000), yeah.variable("fast")), (10, Some(1.0)));
    }

    #[test]
    fn more_than_80_segments_in_the_queue_are_taken_out_at_once() {
        let (mut yeah, mut tcp) = yeah(1000);
        rounds(&mut yeah, &mut tcp, 100_000, 2);
        tcp.cwnd = 1000;
        rounds(&mut yeah, &mut tcp, 111_200, 2);
        // 1000 * 0.1 = 100 segments stood in the queue, in a window that had grown a little.
        assert!((895..=925).contains(&tcp.cwnd), "{} {}", tcp.cwnd, yeah.queue);
        assert_eq!(yeah.variable("fast"), Some(0.0));
        assert!((440..=470).contains(&yeah.reno_count));
    }

    #[test]
    fn a_delay_above_an_eighth_of_the_base_turns_to_reno() {
        let (mut yeah, mut tcp) = yeah(200);
        rounds(&mut yeah, &mut tcp, 100_000, 2);
        rounds(&mut yeah, &mut tcp, 114_000, 2);
        assert!(yeah.queue <= ALPHA && yeah.slow_rounds > 0);
        let growth = rounds(&mut yeah, &mut tcp, 114_000, 5);
        assert!((4..=5).contains(&growth), "{growth}");
    }

    #[test]
    fn a_loss_costs_the_queue_but_an_eighth_at_least_and_half_in_slow_mode() {
        let (mut yeah, mut tcp) = yeah(800);
        yeah.queue = 10;
        assert_eq!(yeah.ssthresh(&mut tcp), 700);
        yeah.queue = 250;
        assert_eq!(yeah.ssthresh(&mut tcp), 550);
        yeah.queue = 700;
        assert_eq!(yeah.ssthresh(&mut tcp), 400);
        yeah.queue = 10;
        yeah.slow_rounds = RHO;
        assert_eq!(yeah.ssthresh(&mut tcp), 400);
    }
}
