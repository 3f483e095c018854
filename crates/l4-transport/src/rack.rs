//! Loss detection by time (RFC 8985): RACK, and tail loss probes.

use crate::ack::{AckFlags, DATA_SACKED, DSACK_TLP, NOT_DUP, SND_UNA_ADVANCED};
use crate::clock::{Us, round_timeout};
use crate::rate::RateSample;
use crate::rtx::{EVER_RETRANS, LOST, NIL, RETRANS, SACKED};
use crate::timers::Pending;
use crate::{CaState, Connection, State};
use tidewire_wire::Seq;

/// Added to timers that only allow for jitter.
const TIMEOUT_MIN_US: Us = 2_000;
/// Recoveries for which a widened reordering window is kept.
pub(crate) const REO_WND_PERSIST: u8 = 16;

/// A was sent after B, by time and then by the order of transmission.
#[inline]
fn sent_after(a_us: Us, b_us: Us, a_serial: u32, b_serial: u32) -> bool {
    a_us > b_us || (a_us == b_us && a_serial.wrapping_sub(b_serial) as i32 > 0)
}

impl Connection {
    /// A segment was delivered (RFC 8985 section 6.2, steps 1 and 2).
    #[inline]
    pub(crate) fn rack_advance(&mut self, flags: u8, serial: u32, sent_us: Us) {
        let rtt_us = self.tx.us_since(sent_us).min(Us::from(u32::MAX)) as u32;
        if rtt_us < self.tx.min_rtt_us() && flags & (RETRANS | EVER_RETRANS) != 0 {
            // Faster than any round trip: this acknowledges the original, not the retransmission.
            return;
        }
        let rack = &mut self.tx.rack;
        rack.advanced = true;
        rack.rtt_us = rtt_us;
        if sent_after(sent_us, rack.mstamp, serial, rack.serial) {
            rack.mstamp = sent_us;
            rack.serial = serial;
        }
    }

    /// How long reordering is waited for (RFC 8985 section 6.2, step 4).
    fn reo_wnd_us(&self) -> Us {
        let tx = &self.tx;
        if tx.reord_seen == 0 && (tx.ca_state >= CaState::Recovery || tx.sacked_out >= tx.reordering) {
            return 0;
        }
        let window = Us::from(tx.min_rtt_us() >> 2) * Us::from(tx.rack.reo_wnd_steps);
        window.min(Us::from(tx.srtt_us()))
    }

    /// Time left before a segment sent at `sent_us` counts as lost; negative: it does.
    #[inline]
    pub(crate) fn rack_left_us(&self, sent_us: Us, reo_wnd: Us) -> i64 {
        (Us::from(self.tx.rack.rtt_us) + reo_wnd) as i64 - self.tx.us_since(sent_us) as i64
    }

    /// Marks what is lost; returns how long to wait for the rest (zero: nothing to wait for).
    fn rack_detect_loss(&mut self) -> Us {
        let reo_wnd = self.reo_wnd_us();
        let (mstamp, newest) = (self.tx.rack.mstamp, self.tx.rack.serial);
        let mut wait = 0;
        let mut at = self.rtx.oldest();
        while at != NIL {
            let next = self.rtx.newer(at);
            let sent = self.rtx.get(at);
            let (flags, sent_us, serial) = (sent.flags, sent.sent_us, sent.serial);
            if flags & LOST != 0 && flags & RETRANS == 0 {
                at = next;
                continue;
            }
            if !sent_after(mstamp, sent_us, newest, serial) {
                break;
            }
            let left = self.rack_left_us(sent_us, reo_wnd);
            if left <= 0 {
                self.mark_lost(at);
                self.rtx.unlist(at);
            } else {
                wait = wait.max(left as Us);
            }
            at = next;
        }
        wait
    }

    /// Marks what is lost after an acknowledgment; returns whether the reordering timer was set.
    pub(crate) fn rack_mark_lost(&mut self) -> bool {
        if !self.tx.rack.advanced {
            return false;
        }
        self.tx.rack.advanced = false;
        let wait = self.rack_detect_loss();
        if wait > 0 {
            let delay = round_timeout(wait + TIMEOUT_MIN_US, self.config.timer_slack);
            self.arm(Pending::Reorder, delay);
        }
        wait > 0
    }

    pub(crate) fn on_reorder_timer(&mut self) {
        let (prior_in_flight, prior_lost) = (self.tx.in_flight(), self.tx.lost);
        self.rack_detect_loss();
        if self.tx.in_flight() != prior_in_flight {
            if self.tx.ca_state != CaState::Recovery {
                self.enter_recovery(false);
                if !self.cc.controls_all() {
                    let lost = self.tx.lost.wrapping_sub(prior_lost);
                    self.reduce_cwnd(1, lost, 0);
                }
            }
            self.out.want_lost();
        }
        if self.timers.pending != Pending::Retransmit {
            self.timers.pending = Pending::Reorder;
            self.rearm_rto();
        }
    }

    /// Widens the window for reordering after duplicate SACKs, and narrows it again (RFC 8985 section 6.2, step 4).
    #[inline]
    pub(crate) fn rack_update_reo_wnd(&mut self, sample: &RateSample) {
        if !sample.valid {
            return;
        }
        let delivered = self.tx.delivered;
        let rack = &mut self.tx.rack;
        if (sample.prior_delivered.wrapping_sub(rack.last_delivered) as i32) < 0 {
            rack.dsack_seen = false;
        }
        if rack.dsack_seen {
            rack.reo_wnd_steps = rack.reo_wnd_steps.saturating_add(1);
            rack.dsack_seen = false;
            rack.last_delivered = delivered;
            rack.reo_wnd_persist = REO_WND_PERSIST;
        } else if rack.reo_wnd_persist == 0 {
            rack.reo_wnd_steps = 1;
        }
    }

    /// Marks lost by counting (RFC 6675 section 4): what lies below `reordering` SACKed segments.
    pub(crate) fn count_mark_lost(&mut self) {
        let mut above = self.tx.sacked_out;
        let mut at = self.rtx.begin();
        let highest = self.tx.highest_sack();
        while at != self.rtx.end() && above >= self.tx.reordering {
            let sent = self.rtx.get(at);
            if !sent.seq.before(highest) {
                break;
            }
            if sent.is(SACKED) {
                above -= 1;
            } else if !sent.is(LOST) {
                self.mark_lost(at);
                self.rtx.unlist(at);
            }
            at = at.wrapping_add(1);
        }
    }
}

/// Tail loss probes (RFC 8985 section 7).
impl Connection {
    /// Sets the probe timer where it applies; returns whether it did. `advancing`: the retransmission timer starts anew as well.
    #[inline]
    pub(crate) fn schedule_loss_probe(&mut self, advancing: bool) -> bool {
        let tx = &self.tx;
        if !self.config.tlp
            || tx.packets_out == 0
            || !tx.sack_enabled
            || !matches!(tx.ca_state, CaState::Open | CaState::Cwr)
        {
            return false;
        }
        let mut delay = self.config.rto_init.as_us();
        if tx.rtt.srtt_us8 > 0 {
            let extra = if tx.packets_out == 1 { self.delayed_ack_allowance_us() } else { TIMEOUT_MIN_US };
            delay = round_timeout(Us::from(tx.rtt.srtt_us8 >> 2) + extra, self.config.timer_slack);
        }
        let rto_left = if advancing { i64::from(tx.rtt.rto_us) } else { self.rto_left_us() };
        if rto_left > 0 {
            delay = delay.min(round_timeout(rto_left as Us, self.config.timer_slack));
        }
        self.arm(Pending::LossProbe, delay);
        true
    }

    /// A single segment may wait for the receiver's delayed acknowledgment.
    fn delayed_ack_allowance_us(&self) -> Us {
        if self.config.is_rfc() { 200_000 } else { self.config.rto_min.as_us() }
    }

    /// An acknowledgment after a probe tells whether the probe repaired a loss (RFC 8985 section 7.4).
    pub(crate) fn process_tlp_ack(&mut self, ack: Seq, flags: AckFlags) {
        let Some(high) = self.tx.tlp_high_seq else { return };
        if ack.before(high) {
            return;
        }
        if !self.tx.tlp_retrans || flags & DSACK_TLP != 0 {
            self.tx.tlp_high_seq = None;
        } else if ack.after(high) {
            self.init_cwnd_reduction(false);
            self.set_ca_state(CaState::Cwr);
            self.end_cwnd_reduction();
            self.try_keep_open();
        } else if flags & (SND_UNA_ADVANCED | NOT_DUP | DATA_SACKED) == 0 {
            self.tx.tlp_high_seq = None;
        }
    }

    /// The state allows sending.
    pub(crate) fn may_transmit(&self) -> bool {
        self.state.is_synchronized() && self.state != State::TimeWait
    }
}
