//! Fast recovery, recovery after a timeout, and taking both back (RFC 5681, 6582, 6675, 6937, 5682, 4015, 3522).

use crate::ack::{
    AckFlags, AckState, DATA_SACKED, ECE, LOST_RETRANS, ORIG_SACK_ACKED, SACK_RENEGING, SET_XMIT_TIMER,
    SND_UNA_ADVANCED,
};
use crate::congestion::{CcEvent, INFINITE_SSTHRESH};
use crate::rack::REO_WND_PERSIST;
use crate::rtx::{LOST, NIL, RETRANS, SACKED};
use crate::timers::Pending;
use crate::{CaState, Connection};
use tidewire_wire::Seq;

impl Connection {
    pub(crate) fn set_ca_state(&mut self, state: CaState) {
        self.cc.set_state(&mut self.tx, state);
        self.tx.ca_state = state;
    }

    /// A segment is lost, or its retransmission is lost again.
    pub(crate) fn mark_lost(&mut self, at: u32) {
        let sent = self.rtx.get_mut(at);
        if sent.is(SACKED) {
            return;
        }
        let tx = &mut self.tx;
        if sent.is(LOST) {
            if sent.is(RETRANS) {
                sent.flags &= !RETRANS;
                tx.retrans_out -= 1;
                tx.lost = tx.lost.wrapping_add(1);
            } else {
                return;
            }
        } else {
            sent.flags |= LOST;
            tx.lost_out += 1;
            tx.lost = tx.lost.wrapping_add(1);
        }
        self.cc.packet_lost(tx, sent);
        // The walk over lost segments begins at the first of them.
        if tx.retransmit_hint == NIL || (at.wrapping_sub(tx.retransmit_hint) as i32) < 0 {
            tx.retransmit_hint = at;
        }
    }

    /// The heart of loss recovery: what a suspicious acknowledgment changes.
    pub(crate) fn fast_retransmit_alert(&mut self, prior_una: Seq, duplicates: u32, state: &mut AckState) {
        let flags = state.flags;
        if self.tx.packets_out == 0 {
            self.tx.sacked_out = 0;
        }
        if flags & ECE != 0 {
            self.tx.prior_ssthresh = 0;
        }
        if self.check_reneging(state) {
            return;
        }
        if self.tx.ca_state == CaState::Open {
            self.tx.retrans_stamp = 0;
        } else if self.tx.snd_una.at_or_after(self.tx.high_seq) && self.leave_state() {
            return;
        }
        match self.tx.ca_state {
            CaState::Recovery => {
                if flags & SND_UNA_ADVANCED == 0 {
                    if !self.tx.sack_enabled {
                        self.add_reno_sack(duplicates, flags);
                    }
                } else if self.try_undo_partial(prior_una) {
                    return;
                }
                if self.try_undo_dsack() {
                    self.try_to_open(flags);
                }
                self.identify_loss(state);
                if self.tx.ca_state != CaState::Recovery {
                    if self.tx.lost_out == 0 {
                        return;
                    }
                    self.enter_recovery(flags & ECE != 0);
                }
            }
            CaState::Loss => {
                self.process_loss(flags, duplicates);
                self.identify_loss(state);
                if self.tx.ca_state != CaState::Open && state.flags & LOST_RETRANS == 0 {
                    return;
                }
                self.consider_recovery(flags, duplicates, state);
                return;
            }
            _ => {
                self.consider_recovery(flags, duplicates, state);
                return;
            }
        }
        self.out.want_lost();
    }

    /// The end of an episode is acknowledged. Returns whether nothing more is to be done.
    fn leave_state(&mut self) -> bool {
        match self.tx.ca_state {
            // Held until something beyond is acknowledged, so that CWR reaches the receiver.
            CaState::Cwr if self.tx.snd_una != self.tx.high_seq => {
                self.end_cwnd_reduction();
                self.set_ca_state(CaState::Open);
            }
            CaState::Recovery => {
                if !self.tx.sack_enabled {
                    self.tx.reset_reno_sack();
                }
                if self.try_undo_recovery() {
                    return true;
                }
                self.end_cwnd_reduction();
            }
            _ => {}
        }
        false
    }

    /// Open, Disorder, CWR, or Loss just undone: does recovery begin?
    fn consider_recovery(&mut self, flags: AckFlags, duplicates: u32, state: &mut AckState) {
        if !self.tx.sack_enabled {
            if flags & SND_UNA_ADVANCED != 0 {
                self.tx.reset_reno_sack();
            }
            self.add_reno_sack(duplicates, flags);
        }
        if self.tx.ca_state <= CaState::Disorder {
            self.try_undo_dsack();
        }
        self.identify_loss(state);
        if self.tx.lost_out == 0 {
            self.try_to_open(flags);
            return;
        }
        if self.rare.is_some() && self.mtu_probe_failed() {
            return;
        }
        self.enter_recovery(flags & ECE != 0);
        self.out.want_lost();
    }

    fn identify_loss(&mut self, state: &mut AckState) {
        if self.rtx.is_empty() {
            return;
        }
        if !self.tx.sack_enabled {
            self.newreno_mark_lost(state.flags & SND_UNA_ADVANCED != 0);
            return;
        }
        let prior_retrans = self.tx.retrans_out;
        if self.config.rack {
            if self.rack_mark_lost() {
                state.flags &= !SET_XMIT_TIMER;
            }
        } else {
            self.count_mark_lost();
        }
        if prior_retrans > self.tx.retrans_out {
            state.flags |= LOST_RETRANS;
        }
    }

    /// RFC 6582: the first segment is lost after three duplicates, and again after each partial acknowledgment.
    fn newreno_mark_lost(&mut self, advanced: bool) {
        let in_recovery = self.tx.ca_state == CaState::Recovery;
        let begins = self.tx.ca_state < CaState::Recovery && self.tx.sacked_out >= self.tx.reordering;
        if begins || (in_recovery && advanced) {
            let head = self.rtx.begin();
            if !self.rtx.get(head).is(LOST) {
                self.mark_lost(head);
                self.rtx.unlist(head);
            }
        }
    }

    /// The peer has forgotten data that it had SACKed: a short timer, then everything is resent.
    fn check_reneging(&mut self, state: &mut AckState) -> bool {
        if state.flags & SACK_RENEGING == 0 || state.flags & SND_UNA_ADVANCED == 0 {
            return false;
        }
        let delay = u64::from(self.tx.rtt.srtt_us8 >> 4).max(10_000);
        self.arm(Pending::Retransmit, delay);
        state.flags &= !SET_XMIT_TIMER;
        true
    }

    fn any_retransmission(&self) -> bool {
        self.tx.retrans_out > 0 || self.rtx.front().is_some_and(|head| head.is(crate::rtx::EVER_RETRANS))
    }

    pub(crate) fn try_keep_open(&mut self) {
        let state = if self.tx.left_out() > 0 || self.any_retransmission() {
            CaState::Disorder
        } else {
            CaState::Open
        };
        if self.tx.ca_state != state {
            self.set_ca_state(state);
            self.tx.high_seq = self.tx.snd_nxt;
        }
    }

    fn try_to_open(&mut self, flags: AckFlags) {
        if !self.any_retransmission() {
            self.tx.retrans_stamp = 0;
        }
        if flags & ECE != 0 {
            self.enter_cwr();
        }
        if self.tx.ca_state != CaState::Cwr {
            self.try_keep_open();
        }
    }

    /// A congestion mark: the window is reduced once per window of data (RFC 3168 section 6.1.2).
    pub(crate) fn enter_cwr(&mut self) {
        self.tx.prior_ssthresh = 0;
        if self.tx.ca_state < CaState::Cwr {
            self.tx.undo_marker = None;
            self.init_cwnd_reduction(true);
            self.set_ca_state(CaState::Cwr);
        }
    }

    pub(crate) fn init_cwnd_reduction(&mut self, by_mark: bool) {
        self.tx.high_seq = self.tx.snd_nxt;
        self.tx.tlp_high_seq = None;
        self.tx.cwnd_cnt = 0;
        self.tx.prior_cwnd = self.tx.cwnd;
        self.tx.prr_delivered = 0;
        self.tx.prr_out = 0;
        self.tx.ssthresh = if by_mark && self.config.abe {
            self.cc.ssthresh_ecn(&mut self.tx)
        } else {
            self.cc.ssthresh(&mut self.tx)
        };
        self.flags.ecn_cwr |= self.flags.ecn;
    }

    /// Proportional rate reduction (RFC 6937): the window follows what is delivered down to the threshold.
    pub(crate) fn reduce_cwnd(&mut self, delivered: u32, lost: u32, flags: AckFlags) {
        if delivered == 0 || self.tx.prior_cwnd == 0 {
            return;
        }
        let in_flight = self.tx.in_flight();
        let tx = &mut self.tx;
        tx.prr_delivered += delivered;
        let room = i64::from(tx.ssthresh) - i64::from(in_flight);
        let mut send = if room < 0 {
            let share = u64::from(tx.ssthresh) * u64::from(tx.prr_delivered);
            share.div_ceil(u64::from(tx.prior_cwnd)) as i64 - i64::from(tx.prr_out)
        } else {
            let mut count = (i64::from(tx.prr_delivered) - i64::from(tx.prr_out)).max(i64::from(delivered));
            if flags & SND_UNA_ADVANCED != 0 && lost == 0 {
                count += 1;
            }
            count.min(room)
        };
        send = send.max(i64::from(tx.prr_out == 0));
        tx.cwnd = (i64::from(in_flight) + send).max(1) as u32;
    }

    pub(crate) fn end_cwnd_reduction(&mut self) {
        if self.cc.controls_all() {
            return;
        }
        let tx = &mut self.tx;
        if tx.ssthresh < INFINITE_SSTHRESH && (tx.ca_state == CaState::Cwr || tx.undo_marker.is_some()) {
            tx.cwnd = tx.ssthresh;
            tx.cwnd_stamp_us = tx.now_us;
        }
        self.cc.on_event(&mut self.tx, CcEvent::CompleteCwr);
    }

    fn init_undo(&mut self) {
        let tx = &mut self.tx;
        tx.undo_marker = Some(tx.snd_una);
        tx.undo_retrans = tx.retrans_out as i32;
        if tx.tlp_high_seq.is_some() && tx.tlp_retrans {
            tx.undo_retrans += 1;
        }
        if tx.undo_retrans == 0 {
            tx.undo_retrans = -1;
        }
    }

    pub(crate) fn enter_recovery(&mut self, by_mark: bool) {
        if self.cc.restarts_after_loss() {
            self.restart_from_one();
            return;
        }
        self.tx.prior_ssthresh = 0;
        self.init_undo();
        if !self.tx.in_cwnd_reduction() {
            if !by_mark {
                self.tx.prior_ssthresh = self.tx.current_ssthresh();
            }
            self.init_cwnd_reduction(false);
        }
        self.set_ca_state(CaState::Recovery);
    }

    /// Before there was fast recovery: duplicates are answered as a timeout is, and nothing is taken back.
    fn restart_from_one(&mut self) {
        self.tx.prior_ssthresh = 0;
        self.init_cwnd_reduction(false);
        self.mark_all_lost(false);
        let tx = &mut self.tx;
        tx.undo_marker = None;
        tx.frto = false;
        tx.cwnd = 1;
        tx.cwnd_stamp_us = tx.now_us;
        self.set_ca_state(CaState::Loss);
    }

    /// A retransmission timeout: everything not delivered counts as lost, and the window starts at one (RFC 5681 section 3.1,
    /// RFC 5682 section 3.1 step 1).
    pub(crate) fn enter_loss(&mut self) {
        let new_recovery = self.tx.ca_state < CaState::Recovery;
        self.mark_all_lost(self.config.rack);
        if self.tx.ca_state <= CaState::Disorder
            || !self.tx.high_seq.after(self.tx.snd_una)
            || (self.tx.ca_state == CaState::Loss && self.tx.retransmits == 0)
        {
            self.tx.prior_ssthresh = self.tx.current_ssthresh();
            self.tx.prior_cwnd = self.tx.cwnd;
            self.tx.ssthresh = self.cc.ssthresh(&mut self.tx);
            self.cc.on_event(&mut self.tx, CcEvent::Loss);
            self.init_undo();
        }
        let tx = &mut self.tx;
        tx.cwnd = tx.in_flight() + 1;
        tx.cwnd_cnt = 0;
        tx.cwnd_stamp_us = tx.now_us;
        if tx.ca_state <= CaState::Disorder && tx.sacked_out >= self.config.reordering {
            tx.reordering = tx.reordering.min(self.config.reordering);
        }
        self.set_ca_state(CaState::Loss);
        self.tx.high_seq = self.tx.snd_nxt;
        self.tx.tlp_high_seq = None;
        self.flags.ecn_cwr |= self.flags.ecn;
        self.tx.frto = self.config.frto && (new_recovery || self.tx.retransmits > 0);
    }

    /// `spare_recent`: segments sent so recently that their acknowledgment may be under way are not lost yet (RFC 8985).
    fn mark_all_lost(&mut self, spare_recent: bool) {
        let reneged = self.rtx.front().is_some_and(|head| head.is(SACKED));
        if reneged {
            self.tx.sacked_out = 0;
            self.tx.sack_reneg = true;
            for sent in self.rtx.iter_mut() {
                sent.flags &= !SACKED;
            }
        } else if !self.tx.sack_enabled {
            self.tx.reset_reno_sack();
        }
        let head = self.rtx.begin();
        let mut at = head;
        while at != self.rtx.end() {
            let recent =
                !reneged && at != head && spare_recent && self.rack_left_us(self.rtx.get(at).sent_us, 0) > 0;
            if !recent {
                self.mark_lost(at);
            }
            at = at.wrapping_add(1);
        }
        self.tx.retransmit_hint = NIL;
    }

    /// In Loss: was the timeout spurious (RFC 5682 section 3.1), is the episode over, or does the repair go on?
    fn process_loss(&mut self, flags: AckFlags, duplicates: u32) {
        let recovered = self.tx.snd_una.at_or_after(self.tx.high_seq);
        if flags & SND_UNA_ADVANCED != 0 && self.try_undo_loss(false) {
            return;
        }
        if self.tx.frto {
            if flags & ORIG_SACK_ACKED != 0 && self.try_undo_loss(true) {
                return;
            }
            if self.tx.snd_nxt.after(self.tx.high_seq) {
                if flags & DATA_SACKED != 0 || duplicates > 0 {
                    self.tx.frto = false;
                }
            } else if flags & SND_UNA_ADVANCED != 0 && !recovered {
                self.tx.high_seq = self.tx.snd_nxt;
                if (self.buf.unsent() > 0 || self.fin_unsent()) && self.tx.wnd_end().after(self.tx.snd_nxt) {
                    self.out.want_new();
                    return;
                }
                self.tx.frto = false;
            }
        }
        if recovered {
            self.try_undo_recovery();
            return;
        }
        if !self.tx.sack_enabled {
            if self.tx.snd_nxt.after(self.tx.high_seq) && duplicates > 0 {
                self.add_reno_sack(duplicates, flags);
            } else if flags & SND_UNA_ADVANCED != 0 {
                self.tx.reset_reno_sack();
            }
        }
        self.out.want_lost();
    }

    /// The echoed timestamp is older than the first retransmission (RFC 3522), or nothing was retransmitted after all.
    fn packet_delayed(&self) -> bool {
        if self.tx.retrans_stamp == 0 {
            // Without SACK the stamp is also cleared while the end of an episode is held back: that proves nothing.
            return self.tx.sack_enabled || self.tx.snd_una.before(self.tx.high_seq);
        }
        let echo = self.out.tsecr;
        echo != 0 && (echo.wrapping_sub(self.rx.ts_offset).wrapping_sub(self.tx.retrans_stamp) as i32) < 0
    }

    fn may_undo(&self) -> bool {
        self.tx.undo_marker.is_some() && (self.tx.undo_retrans == 0 || self.packet_delayed())
    }

    /// The reduction was a mistake: back to where it began (RFC 4015).
    fn undo_cwnd_reduction(&mut self, unmark: bool) {
        if unmark {
            for sent in self.rtx.iter_mut() {
                sent.flags &= !LOST;
            }
            self.tx.lost_out = 0;
            self.tx.retransmit_hint = NIL;
        }
        if self.tx.prior_ssthresh > 0 {
            self.tx.cwnd = self.cc.undo_cwnd(&mut self.tx);
            if self.tx.prior_ssthresh > self.tx.ssthresh {
                self.tx.ssthresh = self.tx.prior_ssthresh;
                self.flags.ecn_cwr = false;
            }
        }
        self.tx.cwnd_stamp_us = self.tx.now_us;
        self.tx.undo_marker = None;
        self.tx.rack.advanced = true;
    }

    /// Everything of the episode is acknowledged. Returns whether the state is kept until more is.
    fn try_undo_recovery(&mut self) -> bool {
        if self.may_undo() {
            self.undo_cwnd_reduction(false);
        } else {
            let persist = &mut self.tx.rack.reo_wnd_persist;
            *persist = persist.saturating_sub(1);
        }
        if self.tx.snd_una == self.tx.high_seq && !self.tx.sack_enabled {
            // RFC 6582: late duplicates must not start another episode.
            if !self.any_retransmission() {
                self.tx.retrans_stamp = 0;
            }
            return true;
        }
        self.set_ca_state(CaState::Open);
        self.tx.sack_reneg = false;
        false
    }

    fn try_undo_dsack(&mut self) -> bool {
        if self.tx.undo_marker.is_none() || self.tx.undo_retrans != 0 {
            return false;
        }
        let persist = &mut self.tx.rack.reo_wnd_persist;
        *persist = (*persist + 1).min(REO_WND_PERSIST);
        self.undo_cwnd_reduction(false);
        true
    }

    fn try_undo_loss(&mut self, frto: bool) -> bool {
        if !frto && !self.may_undo() {
            return false;
        }
        self.undo_cwnd_reduction(true);
        self.tx.retransmits = 0;
        if frto || self.tx.sack_enabled {
            self.set_ca_state(CaState::Open);
            self.tx.sack_reneg = false;
        }
        true
    }

    /// A partial acknowledgment. Returns whether the hole was filled by a late original while retransmissions are still out.
    fn try_undo_partial(&mut self, prior_una: Seq) -> bool {
        if self.tx.undo_marker.is_none() || !self.packet_delayed() {
            return false;
        }
        self.check_reordering(prior_una);
        if self.tx.retrans_out > 0 {
            return true;
        }
        if !self.any_retransmission() {
            self.tx.retrans_stamp = 0;
        }
        self.undo_cwnd_reduction(true);
        self.try_keep_open();
        false
    }
}
