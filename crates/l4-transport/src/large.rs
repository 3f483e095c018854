//! Large segments, which a network card or the stack's last step cuts up: how many bytes go down at once, and when it is worth
//! to wait for room for more (Linux).

use crate::Connection;
use crate::clock::Us;
use crate::send::Push;

/// The most bytes of a large segment.
const MOST_BYTES: u32 = 65_216;
/// The most of a round-trip time, in microseconds, that an acknowledgment may be away.
const NEAR_US: Us = 1_000;

impl Connection {
    /// The next segment of a large one that has begun to leave.
    pub(crate) fn rest_of_chunk(&mut self) -> (u32, bool) {
        let len = self.out.chunk.min(self.tx.mss);
        self.out.chunk -= len;
        (len, self.out.chunk == 0 && self.fin_unsent() && u64::from(len) == self.buf.unsent())
    }

    /// More than one segment is queued and the congestion window has room: the first segment of a large one.
    pub(crate) fn begin_chunk(&mut self, push: Push) -> Option<(u32, bool)> {
        let (tx, mss) = (&self.tx, self.tx.mss);
        if (tx.snd_nxt + mss).after(tx.wnd_end()) {
            self.busy.switch(tx.now_us, 2);
            return None;
        }
        let room = tx.cwnd - tx.in_flight();
        let most = self.most_segments();
        let quota = room.min((tx.cwnd >> 1).max(1)).min(most);
        let queued = self.buf.unsent().min(u64::from(self.largest().max(quota * mss))) as u32;
        if self.is_worth_waiting(most, room, queued) {
            return None;
        }
        let open = self.tx.wnd_end() - self.tx.snd_nxt;
        let mut bytes = quota * mss;
        if bytes > open || u64::from(queued) == self.buf.unsent() {
            let needed = queued.min(open);
            if bytes > needed {
                let rest = needed % mss;
                let held = push == Push::Normal
                    && rest > 0
                    && (self.flags.cork || self.out.more || self.nagle_holds());
                bytes = if held { needed - rest } else { needed };
            }
        }
        self.out.chunk = bytes;
        self.out.chunk_pushes = bytes > mss;
        Some(self.rest_of_chunk())
    }

    /// About a millisecond's worth at the pacing rate, more on short paths, and at least two segments.
    fn most_segments(&self) -> u32 {
        let mut bytes = (self.tx.pacing_rate >> 10).min(u64::from(MOST_BYTES));
        let short = self.tx.min_rtt_us() >> 9;
        if short < 32 {
            bytes += u64::from(65_536u32 >> short);
        }
        let segments = bytes.min(u64::from(MOST_BYTES)) / u64::from(self.tx.mss);
        (segments as u32).max(u32::from(self.config.min_tso_segs)).max(1)
    }

    /// The bytes that one piece of the write queue holds: no more than half of the peer's largest window.
    pub(crate) fn largest(&self) -> u32 {
        let half = if self.tx.max_window > 536 { self.tx.max_window >> 1 } else { self.tx.max_window };
        let most = if half > 0 { MOST_BYTES.min(half) } else { MOST_BYTES };
        (most - most % self.tx.mss).max(self.tx.mss)
    }

    /// Room for less than a large segment is kept for the next acknowledgment, if that will come soon.
    fn is_worth_waiting(&mut self, most: u32, room: u32, queued: u32) -> bool {
        let tx = &self.tx;
        if tx.ca_state >= crate::CaState::Recovery || tx.us_since(self.out.last_us) >= NEAR_US {
            return false;
        }
        let (send_window, cong_window) = (tx.wnd_end() - tx.snd_nxt, room.saturating_mul(tx.mss));
        let limit = send_window.min(cong_window);
        let is_last = u64::from(queued) == self.buf.unsent();
        if limit >= most * tx.mss || (!is_last && limit >= queued) {
            return false;
        }
        let enough = match u32::from(self.config.tso_win_divisor) {
            0 => limit > 3 * tx.mss,
            divisor => limit >= tx.snd_wnd.min(tx.cwnd.saturating_mul(tx.mss)) / divisor,
        };
        let Some(head) = self.rtx.front().filter(|_| !enough) else { return false };
        let srtt = Us::from(tx.srtt_us());
        if head.sent_us + srtt > tx.now_us + (srtt >> 1).min(NEAR_US) {
            return false;
        }
        if limit <= queued {
            self.out.deferred |= cong_window < send_window;
            return true;
        }
        !(is_last && self.flags.fin_queued)
    }
}
