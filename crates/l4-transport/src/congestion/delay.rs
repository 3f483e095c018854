//! Round-trip times as delay-based algorithms see them: the least ever, and the least of the current round.

use super::Sender;
use tidewire_wire::Seq;

/// No measurement yet.
const NONE: u32 = 0x7FFF_FFFF;

/// The least round-trip times, one microsecond added as Linux does, so that none is zero.
#[derive(Clone, Copy)]
pub(super) struct Delays {
    /// Least of all.
    pub base_us: u32,
    /// Least of the round.
    pub min_us: u32,
    /// Measurements in the round.
    pub count: u32,
    /// The round ends when this is acknowledged.
    end: Seq,
}

impl Delays {
    pub const fn new() -> Delays {
        Delays { base_us: NONE, min_us: NONE, count: 0, end: Seq(0) }
    }

    /// A measurement; negative: none.
    pub fn sample(&mut self, rtt_us: i64) {
        if rtt_us < 0 {
            return;
        }
        let rtt = (rtt_us.min(1 << 27) + 1) as u32;
        self.base_us = self.base_us.min(rtt);
        self.min_us = self.min_us.min(rtt);
        self.count = self.count.saturating_add(1);
    }

    /// A new round begins with what is sent next.
    pub fn begin(&mut self, tcp: &Sender) {
        self.end = tcp.snd_nxt;
        self.min_us = NONE;
        self.count = 0;
    }

    /// The least of the round is measured anew, whatever round it is.
    pub fn forget_min(&mut self) {
        self.min_us = NONE;
    }

    /// There was a measurement since the least was forgotten.
    pub fn is_measured(&self) -> bool {
        self.min_us != NONE
    }

    /// What was sent when the round began is acknowledged.
    pub fn is_over(&self, tcp: &Sender) -> bool {
        tcp.snd_una.after(self.end)
    }

    /// Segments of a window of `cwnd` that wait in queues, as the rate that was expected less the actual one tells:
    /// cwnd (rtt - base) / base.
    pub fn queued_by_rate(&self, cwnd: u32) -> u64 {
        let (base, rtt) = (u64::from(self.base_us), u64::from(self.min_us));
        u64::from(cwnd) * (rtt - base) / base
    }

    /// Segments that wait in queues, with their parts: cwnd (rtt - base) / rtt.
    pub fn queued_exactly(&self, cwnd: u32) -> f64 {
        let (base, rtt) = (f64::from(self.base_us), f64::from(self.min_us));
        f64::from(cwnd) * (rtt - base) / rtt
    }

    /// Half segments that wait in queues, rounded up: 2 (cwnd - cwnd base / rtt).
    pub fn queued_halves(&self, cwnd: u32) -> u64 {
        let (base, rtt) = (u64::from(self.base_us), u64::from(self.min_us));
        2 * u64::from(cwnd) - 2 * u64::from(cwnd) * base / rtt
    }

    /// Segments that wait in queues: cwnd (rtt - base) / rtt.
    pub fn queued(&self, cwnd: u32) -> u64 {
        let (base, rtt) = (u64::from(self.base_us), u64::from(self.min_us));
        u64::from(cwnd) * (rtt - base) / rtt
    }

    /// `base_rtt` and `min_rtt` in seconds.
    pub fn variable(&self, name: &str) -> Option<f64> {
        let us = match name {
            "base_rtt" => self.base_us,
            "min_rtt" => self.min_us,
            _ => return None,
        };
        (us != NONE).then(|| f64::from(us) / 1e6)
    }
}
