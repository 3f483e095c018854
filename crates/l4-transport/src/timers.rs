//! Timers: one for retransmission, probes and reordering (RFC 6298 section 5), one for delayed acknowledgments, one for
//! keepalive and the ends of connections, one for pacing.

use crate::clock::{Us, expiry};
use crate::congestion::CcEvent;
use crate::output::todo;
use crate::receiver::{ACK_TIMER, ATO_MIN_US};
use crate::{Connection, State, TcpError};
use tidewire_units::Instant;

/// What the retransmission timer is set for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Pending {
    /// It does not run.
    #[default]
    None,
    /// The oldest segment is resent.
    Retransmit,
    /// Segments that may only be late are looked at again (RFC 8985 section 6.3).
    Reorder,
    /// A tail loss probe is sent (RFC 8985 section 7).
    LossProbe,
    /// The peer's closed window is probed (RFC 9293 section 3.8.6.1).
    WindowProbe,
}

/// When each timer expires; [`Us::MAX`]: not running.
#[derive(Debug)]
pub(crate) struct Timers {
    pub pending: Pending,
    pub rtx: Us,
    pub delack: Us,
    pub compress: Us,
    pub keep: Us,
    pub pace: Instant,
}

impl Default for Timers {
    fn default() -> Self {
        Timers {
            pending: Pending::None,
            rtx: Us::MAX,
            delack: Us::MAX,
            compress: Us::MAX,
            keep: Us::MAX,
            pace: Instant::MAX,
        }
    }
}

impl Timers {
    #[inline]
    pub fn foreground(&self) -> Us {
        self.rtx.min(self.delack).min(self.compress)
    }

    #[inline]
    pub fn next(&self) -> Us {
        self.foreground().min(self.keep)
    }
}

impl Connection {
    /// `delay` from now, as late as the timers of the profile are.
    #[inline]
    pub(crate) fn deadline(&self, delay: Us) -> Us {
        expiry(self.tx.now_us, delay, self.config.timer_slack)
    }

    #[inline]
    pub(crate) fn arm(&mut self, pending: Pending, delay: Us) {
        let delay = delay.min(self.config.rto_max.as_us());
        self.timers.pending = pending;
        self.timers.rtx = self.deadline(delay);
    }

    #[inline]
    pub(crate) fn disarm(&mut self) {
        self.timers.pending = Pending::None;
        self.timers.rtx = Us::MAX;
    }

    /// How long until the oldest segment is a retransmission timeout old; negative when it is already.
    pub(crate) fn rto_left_us(&self) -> i64 {
        let sent = self.rtx.front().map_or(self.tx.now_us, |head| head.sent_us);
        (sent + Us::from(self.tx.rtt.rto_us)) as i64 - self.tx.now_us as i64
    }

    /// Restarts the retransmission timer (RFC 6298 section 5.3). Where a probe or reordering timer has run, the time since the
    /// oldest segment was sent counts.
    #[inline]
    pub(crate) fn rearm_rto(&mut self) {
        if self.tx.packets_out == 0 {
            self.disarm();
            return;
        }
        let mut rto = Us::from(self.tx.rtt.rto_us);
        if matches!(self.timers.pending, Pending::Reorder | Pending::LossProbe) {
            rto = self.rto_left_us().max(1) as Us;
        }
        self.arm(Pending::Retransmit, rto);
    }

    /// After new data was acknowledged: the probe timer if it applies, else the retransmission timer.
    #[inline]
    pub(crate) fn set_xmit_timer(&mut self) {
        if !self.schedule_loss_probe(true) {
            self.rearm_rto();
        }
    }

    /// Time has passed. Early and stale calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.set_now(now);
        let now_us = self.tx.now_us;
        if self.timers.delack <= now_us {
            self.on_delayed_ack();
        }
        if self.timers.compress <= now_us {
            self.timers.compress = Us::MAX;
            if self.rx.compressed_acks > 0 {
                self.rx.compressed_acks = 0;
                self.out.want(todo::ACK);
            }
        }
        if self.timers.rtx <= now_us {
            self.on_rtx_timer();
        }
        if self.timers.keep <= now_us {
            self.on_keep_timer();
        }
        if self.timers.pace <= now {
            self.timers.pace = Instant::MAX;
            self.out.want(todo::PUSH);
            if self.tx.lost_out > self.tx.retrans_out {
                self.out.want_lost();
            }
        }
    }

    fn on_rtx_timer(&mut self) {
        let pending = self.timers.pending;
        self.disarm();
        match pending {
            Pending::None => {}
            Pending::Reorder => self.on_reorder_timer(),
            Pending::LossProbe => self.out.want(todo::LOSS_PROBE),
            Pending::Retransmit => self.on_retransmit_timer(),
            Pending::WindowProbe => self.on_window_probe_timer(),
        }
    }

    fn on_delayed_ack(&mut self) {
        self.timers.delack = Us::MAX;
        self.rx.pending &= !ACK_TIMER;
        if !self.rx.ack_scheduled() {
            return;
        }
        if self.rx.pingpong {
            self.rx.pingpong = false;
            self.rx.ato_us = ATO_MIN_US;
        } else {
            self.rx.ato_us = (self.rx.ato_us << 1).min(self.tx.rtt.rto_us);
        }
        self.out.want(todo::ACK);
    }

    /// The retransmission timer has expired (RFC 6298 section 5.4 to 5.7).
    fn on_retransmit_timer(&mut self) {
        if matches!(self.state, State::SynSent | State::SynReceived) {
            self.on_syn_timer();
            return;
        }
        if self.tx.packets_out == 0 || self.rtx.is_empty() {
            return;
        }
        if self.tx.snd_wnd == 0 && !self.flags.orphan {
            // The peer shrank its window to nothing: what is resent is a probe, and the connection lives on (RFC 1122).
            if self.peer_silent_too_long() {
                self.finish(Some(self.timeout_error()));
                return;
            }
        } else if self.retransmitted_too_long() {
            self.finish(Some(self.timeout_error()));
            return;
        }
        if self.out_of_patience() {
            self.on_black_hole();
        }
        self.enter_loss();
        if self.tx.snd_wnd != 0 || self.flags.orphan {
            self.tx.retransmits = self.tx.retransmits.saturating_add(1);
            self.tx.total_rto += 1;
        }
        if self.flags.local_drop {
            let head = self.rtx.begin();
            self.retransmission_refused(head, true);
            self.arm(Pending::Retransmit, crate::probes::LOCAL_RETRY_US);
            return;
        }
        self.out.want(todo::HEAD);
        self.tx.backoff = self.tx.backoff.saturating_add(1);
        let rto = (Us::from(self.tx.rtt.rto_us) << 1).min(self.config.rto_max.as_us());
        self.tx.rtt.rto_us = rto as u32;
        self.arm(Pending::Retransmit, self.clamp_to_user_timeout(rto));
    }

    /// The error of a connection that got no answer: what ICMP said, if anything.
    pub(crate) fn timeout_error(&self) -> TcpError {
        self.soft_error.unwrap_or(TcpError::TimedOut)
    }

    fn peer_silent_too_long(&self) -> bool {
        let limit = self.config.user_timeout.map_or(2 * self.config.rto_max.as_us(), |limit| limit.as_us());
        let head = self.rtx.front().map_or(0, |head| head.sent_us);
        self.tx.us_since(self.tx.last_ack_us) > limit && self.tx.us_since(head) > limit
    }

    /// RFC 9293 section 3.8.3: R2, as the time that so many doublings of the least timeout take.
    fn retransmitted_too_long(&self) -> bool {
        if self.tx.retransmits == 0 {
            return false;
        }
        let limit = match self.config.user_timeout {
            Some(limit) => limit.as_us(),
            None if self.flags.orphan && self.state != State::Established => {
                self.doublings_us(self.config.rto_min.as_us(), self.orphan_retries())
            }
            None => self.doublings_us(self.config.rto_min.as_us(), self.config.retries),
        };
        let since = us_since_stamp(self.tx.now_us, self.tx.retrans_stamp);
        since >= limit
    }

    /// RFC 9293 section 3.8.3: R1, after which the path is suspected.
    fn out_of_patience(&self) -> bool {
        const R1: u32 = 3;
        self.rare.is_some()
            && self.tx.retransmits > 0
            && us_since_stamp(self.tx.now_us, self.tx.retrans_stamp)
                >= self.doublings_us(self.config.rto_min.as_us(), R1)
    }

    /// Retransmissions of a connection without application: eight, or none while ICMP says that the peer is away.
    fn orphan_retries(&self) -> u32 {
        if self.soft_error.is_some() && self.tx.retransmits > 0 { 0 } else { 8.min(self.config.retries) }
    }

    /// The time until the timeout after `boundary` doublings of `base`, each at most the ceiling.
    fn doublings_us(&self, base: Us, boundary: u32) -> Us {
        let ceiling = self.config.rto_max.as_us();
        let linear = (ceiling / base.max(1)).max(1).ilog2();
        if boundary <= linear {
            return ((2 << boundary) - 1) * base;
        }
        ((2 << linear) - 1) * base + Us::from(boundary - linear) * ceiling
    }

    /// The last probe before a user timeout comes when that expires.
    pub(crate) fn clamp_to_user_timeout(&self, rto: Us) -> Us {
        let Some(limit) = self.config.user_timeout else { return rto };
        if self.tx.retrans_stamp == 0 {
            return rto;
        }
        let elapsed = us_since_stamp(self.tx.now_us, self.tx.retrans_stamp);
        let left = limit.as_us().saturating_sub(elapsed);
        if left == 0 { 1_000 } else { rto.min(left) }
    }

    /// A duplicate of everything in flight is about to be sent after an idle time: the window is reduced first (RFC 5681
    /// section 4.1).
    pub(crate) fn check_idle_restart(&mut self) {
        if !self.config.slow_start_after_idle || self.tx.packets_out > 0 || self.cc.controls_all() {
            return;
        }
        let rto = Us::from(self.tx.rtt.rto_us);
        let mut idle = self.tx.us_since(self.tx.lsnd_us);
        if idle <= rto {
            return;
        }
        self.cc.on_event(&mut self.tx, CcEvent::CwndRestart);
        let tx = &mut self.tx;
        tx.ssthresh = tx.current_ssthresh();
        let floor = u32::from(tx.init_cwnd).min(tx.cwnd);
        while idle > rto && tx.cwnd > floor {
            idle -= rto;
            tx.cwnd >>= 1;
        }
        tx.cwnd = tx.cwnd.max(floor);
        tx.cwnd_stamp_us = tx.now_us;
        tx.cwnd_used = 0;
    }
}

/// Microseconds since a millisecond stamp.
fn us_since_stamp(now_us: Us, stamp_ms: u32) -> Us {
    let ms = (now_us / 1000) as u32;
    Us::from(ms.wrapping_sub(stamp_ms)) * 1000
}
