//! An acknowledgment arrives: windows, retransmit queue, round-trip times, recovery and congestion control, in Linux's order.

use crate::clock::Us;
use crate::rate::RateSample;
use crate::rtx::{EVER_RETRANS, LOST, RETRANS, SACKED};
use crate::timers::Pending;
use crate::{CaState, Connection};
use tidewire_wire::{Seq, TcpFlags, TcpSegment};

/// What an acknowledgment was found to be.
pub(crate) type AckFlags = u32;
/// It came with data.
pub(crate) const DATA: AckFlags = 0x01;
/// It changed the peer's window.
pub(crate) const WIN_UPDATE: AckFlags = 0x02;
/// It acknowledged data.
pub(crate) const DATA_ACKED: AckFlags = 0x04;
/// It acknowledged data that had been retransmitted.
pub(crate) const RETRANS_DATA_ACKED: AckFlags = 0x08;
/// It SACKed data.
pub(crate) const DATA_SACKED: AckFlags = 0x20;
/// It carried ECN-Echo.
pub(crate) const ECE: AckFlags = 0x40;
/// Retransmissions were found lost.
pub(crate) const LOST_RETRANS: AckFlags = 0x80;
/// It (S)ACKed data that was never retransmitted.
pub(crate) const ORIG_SACK_ACKED: AckFlags = 0x200;
/// It moved the left edge.
pub(crate) const SND_UNA_ADVANCED: AckFlags = 0x400;
/// It carried a duplicate SACK.
pub(crate) const DSACKING_ACK: AckFlags = 0x800;
/// The timer must be set anew.
pub(crate) const SET_XMIT_TIMER: AckFlags = 0x1000;
/// The peer has forgotten what it SACKed.
pub(crate) const SACK_RENEGING: AckFlags = 0x2000;
/// A duplicate SACK for a loss probe.
pub(crate) const DSACK_TLP: AckFlags = 0x8000;
/// The receiver probably delayed it.
pub(crate) const ACK_MAYBE_DELAYED: AckFlags = 0x10000;

/// Not a duplicate acknowledgment.
pub(crate) const NOT_DUP: AckFlags = DATA | WIN_UPDATE | DATA_ACKED;
/// A reason to look at the recovery state.
const CA_ALERT: AckFlags = DATA_SACKED | ECE | DSACKING_ACK;

/// What processing one acknowledgment collects.
#[derive(Default)]
pub(crate) struct AckState {
    pub flags: AckFlags,
    /// Lowest sequence number that arrived after a higher one.
    pub reord: Seq,
    /// First and last transmission times of never-retransmitted segments newly SACKed; zero: none.
    pub first_sackt: Us,
    pub last_sackt: Us,
    /// Segments newly delivered out of order.
    pub sack_delivered: u32,
    pub sample: RateSample,
}

impl Connection {
    /// Processes the acknowledgment of a segment. Returns false when the segment is to be dropped.
    pub(crate) fn handle_ack(&mut self, segment: &TcpSegment, flags: AckFlags) -> bool {
        let (ack, prior_una) = (segment.ack, self.tx.snd_una);
        if ack.before(prior_una) {
            return self.old_ack(segment, prior_una);
        }
        if ack.after(self.tx.snd_nxt) {
            crate::Discards::count(&mut self.discards.ack);
            self.challenge_ack();
            return false;
        }
        let mut state = AckState { flags, reord: self.tx.snd_nxt, ..AckState::default() };
        if ack.after(prior_una) {
            state.flags |= SND_UNA_ADVANCED;
            self.tx.retransmits = 0;
        }
        let prior_highest = if self.tx.sack_enabled { self.tx.highest_sack() } else { prior_una };
        state.sample.prior_in_flight = self.tx.in_flight();
        let (prior_delivered, prior_lost) = (self.tx.delivered, self.tx.lost);
        let prior_packets = self.tx.packets_out;
        self.update_ts_recent(segment);

        if !segment.payload.is_empty() || segment.flags.fin() {
            state.flags |= DATA;
        }
        self.update_send_window(segment, &mut state);
        if self.tx.sack_enabled && !segment.options.sack.is_empty() {
            self.tag_sacked(segment, prior_una, &mut state);
        }
        if self.flags.ecn && segment.flags.contains(TcpFlags::ECE) && !segment.flags.syn() {
            state.flags |= ECE;
        }
        if state.sack_delivered > 0 {
            self.count_delivered(state.sack_delivered, state.flags);
        }
        if self.flags.ecn && segment.flags.contains(TcpFlags::CWR) && !segment.payload.is_empty() {
            self.accept_cwr();
        }
        self.soft_error = None;
        self.tx.probes_out = 0;
        self.out.keep_probes = 0;
        self.tx.last_ack_us = self.tx.now_us;
        if prior_packets == 0 {
            self.ack_without_queue(segment, prior_una, prior_delivered, &mut state);
            return true;
        }

        let tsecr = segment.options.timestamps.filter(|_| self.flags.timestamps).map_or(0, |ts| ts.echo);
        self.out.tsecr = tsecr;
        self.clean_rtx_queue(prior_una, prior_highest, tsecr, &mut state);
        self.rack_update_reo_wnd(&state.sample);
        self.cc.in_ack_event(&mut self.tx, state.flags & ECE != 0);
        if self.tx.tlp_high_seq.is_some() {
            self.process_tlp_ack(ack, state.flags);
        }
        if self.is_dubious(state.flags) {
            let plain = state.flags & (SND_UNA_ADVANCED | NOT_DUP | DSACKING_ACK) == 0;
            self.fast_retransmit_alert(prior_una, u32::from(plain), &mut state);
        }
        if state.flags & SET_XMIT_TIMER != 0 {
            self.set_xmit_timer();
        }
        let delivered = self.tx.delivered.wrapping_sub(prior_delivered);
        let lost = self.tx.lost.wrapping_sub(prior_lost);
        state.sample.is_ack_delayed = state.flags & ACK_MAYBE_DELAYED != 0;
        state.sample.is_ece = state.flags & ECE != 0;
        self.tx.rate_generate(delivered, lost, self.tx.sack_reneg, &mut state.sample);
        self.control_congestion(delivered, lost, &state);
        true
    }

    /// An acknowledgment from before the left edge: only its SACK blocks may be of interest.
    fn old_ack(&mut self, segment: &TcpSegment, prior_una: Seq) -> bool {
        let reach = u64::from(self.tx.max_window).min(self.tx.bytes_acked) as u32;
        if segment.ack.before(prior_una - reach) {
            crate::Discards::count(&mut self.discards.ack);
            self.challenge_ack();
            return false;
        }
        if self.tx.sack_enabled && !segment.options.sack.is_empty() {
            let mut state = AckState { reord: self.tx.snd_nxt, ..AckState::default() };
            self.tag_sacked(segment, prior_una, &mut state);
            if state.sack_delivered > 0 {
                self.count_delivered(state.sack_delivered, state.flags);
            }
            self.fast_retransmit_alert(prior_una, 0, &mut state);
        }
        true
    }

    /// Nothing was in flight.
    fn ack_without_queue(&mut self, segment: &TcpSegment, prior_una: Seq, _: u32, state: &mut AckState) {
        self.cc.in_ack_event(&mut self.tx, state.flags & ECE != 0);
        if state.flags & DSACKING_ACK != 0 {
            self.fast_retransmit_alert(prior_una, 0, state);
        }
        self.ack_of_probe();
        if self.tx.tlp_high_seq.is_some() {
            self.process_tlp_ack(segment.ack, state.flags);
        }
    }

    /// The window that the peer offers (RFC 9293 section 3.10.7.4) and the left edge.
    #[inline]
    fn update_send_window(&mut self, segment: &TcpSegment, state: &mut AckState) {
        let window = u32::from(segment.window) << if segment.flags.syn() { 0 } else { self.snd_wscale };
        let tx = &mut self.tx;
        let newer = self.config.is_rfc()
            || segment.ack.after(tx.snd_una)
            || segment.seq.after(tx.snd_wl1)
            || (segment.seq == tx.snd_wl1 && (window > tx.snd_wnd || window == 0));
        if newer {
            tx.snd_wl1 = segment.seq;
            if tx.snd_wnd != window {
                state.flags |= WIN_UPDATE;
                tx.snd_wnd = window;
                if window > tx.max_window {
                    tx.max_window = window;
                }
            }
        }
        tx.snd_una = segment.ack;
    }

    #[inline]
    pub(crate) fn count_delivered(&mut self, segments: u32, flags: AckFlags) {
        self.tx.delivered = self.tx.delivered.wrapping_add(segments);
        if flags & ECE != 0 {
            self.tx.delivered_ce = self.tx.delivered_ce.wrapping_add(segments);
        }
    }

    #[inline]
    fn is_dubious(&self, flags: AckFlags) -> bool {
        flags & NOT_DUP == 0 || flags & CA_ALERT != 0 || self.tx.ca_state != CaState::Open
    }

    /// Removes what is acknowledged, measures the round trip, and notices late originals.
    fn clean_rtx_queue(&mut self, prior_una: Seq, prior_highest: Seq, tsecr: u32, state: &mut AckState) {
        let prior_sacked = self.tx.sacked_out;
        let snd_una = self.tx.snd_una;
        let mut reord = self.tx.snd_nxt;
        let (mut first_ackt, mut last_ackt, mut acked, mut bytes) = (0, 0, 0u32, 0u32);
        while let Some(head) = self.rtx.front() {
            if head.end.after(snd_una) {
                break;
            }
            let ordinal = self.rtx.begin();
            let mut sent = self.rtx.pop_front().expect("a queue with a front");
            bytes += sent.data_len();
            let flags = sent.flags;
            if flags & (RETRANS | EVER_RETRANS) != 0 {
                if flags & RETRANS != 0 {
                    self.tx.retrans_out -= 1;
                }
                state.flags |= RETRANS_DATA_ACKED;
            } else if flags & SACKED == 0 {
                last_ackt = sent.sent_us;
                if acked == 0 || first_ackt == 0 {
                    first_ackt = last_ackt.max(1);
                }
                reord = reord.min(sent.seq);
                if !sent.end.after(self.tx.high_seq) {
                    state.flags |= ORIG_SACK_ACKED;
                }
            }
            if flags & SACKED != 0 {
                self.tx.sacked_out -= 1;
            } else if self.tx.sack_enabled {
                self.count_delivered(1, state.flags);
                if !self.is_spurious(flags, sent.sent_us, tsecr) {
                    self.rack_advance(flags, sent.serial, sent.sent_us);
                }
            }
            if flags & LOST != 0 {
                self.tx.lost_out -= 1;
            }
            self.tx.packets_out -= 1;
            acked += 1;
            self.tx.rate_delivered(&mut sent, &mut state.sample);
            state.flags |= DATA_ACKED;
            if self.tx.retransmit_hint == ordinal {
                self.tx.retransmit_hint = crate::rtx::NIL;
            }
        }
        bytes += self.trim_head(snd_una);
        self.buf.acked(bytes);
        self.tx.bytes_acked += u64::from(bytes);
        match self.rtx.front() {
            Some(head) if head.is(SACKED) => state.flags |= SACK_RENEGING,
            Some(_) => {}
            None if self.buf.unsent() == 0 => self.busy.switch(self.tx.now_us, 0),
            None => {}
        }
        self.measure_rtt(acked, prior_una, prior_sacked, first_ackt, last_ackt, tsecr, state);
        if state.flags & DATA_ACKED != 0 {
            if self.rare.is_some() {
                self.check_mtu_probe();
            }
            state.flags |= SET_XMIT_TIMER;
            if !self.tx.sack_enabled {
                self.remove_reno_sacks(acked, state.flags);
                if state.flags & RETRANS_DATA_ACKED != 0 {
                    state.flags &= !ORIG_SACK_ACKED;
                }
            } else if reord.before(prior_highest) {
                self.check_reordering(reord);
            }
        }
        self.cc.pkts_acked(&mut self.tx, acked, state.sample.rtt_us);
    }

    /// Part of the first segment is acknowledged: it shrinks, and remains one segment.
    fn trim_head(&mut self, snd_una: Seq) -> u32 {
        let head = self.rtx.begin();
        let Some(front) = self.rtx.front() else { return 0 };
        if !snd_una.after(front.seq) {
            return 0;
        }
        let sent = self.rtx.get_mut(head);
        let bytes = (snd_una - sent.seq).min(sent.data_len());
        sent.seq = snd_una;
        bytes
    }

    /// The timestamp shows that the original was acknowledged, not its retransmission.
    pub(crate) fn is_spurious(&self, flags: u8, sent_us: Us, tsecr: u32) -> bool {
        flags & (RETRANS | EVER_RETRANS) != 0
            && tsecr != 0
            && (tsecr.wrapping_sub(self.rx.ts_offset).wrapping_sub(crate::Sender::stamp(sent_us)) as i32) < 0
    }

    /// A round-trip sample: from never-retransmitted segments (Karn), else from the echoed timestamp.
    #[allow(clippy::too_many_arguments)]
    #[inline]
    fn measure_rtt(
        &mut self,
        acked: u32,
        prior_una: Seq,
        prior_sacked: u32,
        first_ackt: Us,
        last_ackt: Us,
        tsecr: u32,
        state: &mut AckState,
    ) {
        let now = self.tx.now_us as i64;
        let (mut seq_rtt, mut sack_rtt, mut ca_rtt) = (-1i64, -1i64, -1i64);
        if first_ackt != 0 && state.flags & RETRANS_DATA_ACKED == 0 {
            seq_rtt = now - first_ackt as i64;
            ca_rtt = now - last_ackt as i64;
            if acked == 1
                && prior_sacked == 0
                && self.tx.snd_una - prior_una < self.tx.mss
                && state.sample.prior_delivered.wrapping_add(1) == self.tx.delivered
                && state.flags & CA_ALERT == 0
            {
                state.flags |= ACK_MAYBE_DELAYED;
            }
        }
        if state.first_sackt != 0 {
            sack_rtt = now - state.first_sackt as i64;
            ca_rtt = now - state.last_sackt as i64;
        }
        let mut rtt = if seq_rtt >= 0 { seq_rtt } else { sack_rtt };
        if rtt < 0 && tsecr != 0 && state.flags & DATA_ACKED != 0 {
            rtt = self.echo_delay_us(tsecr) as i64;
            ca_rtt = rtt;
        }
        state.sample.rtt_us = ca_rtt;
        if rtt >= 0 {
            let ca = ca_rtt.clamp(1, 1 << 27) as u32;
            // A lone short segment may have waited for a delayed acknowledgment: it says nothing about the least RTT.
            if state.flags & ACK_MAYBE_DELAYED == 0 || ca <= self.tx.min_rtt_us() {
                self.tx.min_rtt.running_min(300_000, self.tx.now_us / 1_000, ca);
            }
            let (una, nxt) = (self.tx.snd_una, self.tx.snd_nxt);
            self.tx.rtt.sample(&self.config, rtt.clamp(1, 1 << 27) as u32, una, nxt);
            self.tx.backoff = 0;
        }
        if state.flags & DATA_ACKED == 0
            && rtt >= 0
            && sack_rtt >= 0
            && let Some(head) = self.rtx.front()
            && sack_rtt > now - head.sent_us as i64
        {
            state.flags |= SET_XMIT_TIMER;
        }
    }

    /// The window grows, or shrinks as a reduction goes on; then retransmissions and new data may go out.
    fn control_congestion(&mut self, delivered: u32, lost: u32, state: &AckState) {
        if self.cc.controls_all() {
            self.cc.cong_control(&mut self.tx, &state.sample);
            return;
        }
        if self.tx.in_cwnd_reduction() {
            self.reduce_cwnd(delivered, lost, state.flags);
        } else if self.may_raise_cwnd(state.flags) {
            self.cc.cong_avoid(&mut self.tx, delivered);
            self.tx.cwnd_stamp_us = self.tx.now_us;
        }
        self.update_pacing_rate();
    }

    /// With much reordering on the path SACKs count as progress as well.
    #[inline]
    fn may_raise_cwnd(&self, flags: AckFlags) -> bool {
        if self.tx.reordering > self.config.reordering {
            flags & (DATA_ACKED | DATA_SACKED) != 0
        } else {
            flags & DATA_ACKED != 0
        }
    }

    /// The rate at which a window would be spread over a round trip, doubled in slow start, a fifth more later.
    #[inline]
    pub(crate) fn update_pacing_rate(&mut self) {
        if self.cc.controls_all() {
            return;
        }
        self.tx.update_pacing_rate();
    }

    /// The peer's window was closed, perhaps; it may have opened now.
    fn ack_of_probe(&mut self) {
        if self.buf.unsent() == 0 && !self.fin_unsent() {
            return;
        }
        let next = self.next_segment_len();
        if (self.tx.snd_nxt + next).at_or_before(self.tx.wnd_end()) {
            self.tx.backoff = 0;
            self.out.since_us = 0;
            if self.timers.pending == Pending::WindowProbe {
                self.disarm();
            }
        } else {
            let delay = self.window_probe_delay();
            self.arm_window_probe(delay);
        }
    }

    /// The FIN is still to be sent.
    #[inline]
    pub(crate) fn fin_unsent(&self) -> bool {
        self.flags.fin_queued && !self.flags.fin_sent
    }

    /// What is in flight and larger than a segment may be is lost and resent in parts. Nothing is congested: the window stays.
    pub(crate) fn simple_retransmit(&mut self) {
        let mss = self.tx.mss;
        let mut at = self.rtx.begin();
        while at != self.rtx.end() {
            if self.rtx.get(at).data_len() > mss {
                self.mark_lost(at);
                self.rtx.unlist(at);
            }
            at = at.wrapping_add(1);
        }
        self.tx.retransmit_hint = crate::rtx::NIL;
        if self.tx.lost_out == 0 {
            return;
        }
        if !self.tx.sack_enabled {
            self.tx.sacked_out = self.tx.sacked_out.min(self.tx.packets_out - self.tx.lost_out);
        }
        if self.tx.ca_state != CaState::Loss {
            self.tx.high_seq = self.tx.snd_nxt;
            self.tx.ssthresh = self.tx.current_ssthresh();
            self.tx.prior_ssthresh = 0;
            self.tx.undo_marker = None;
            self.set_ca_state(CaState::Loss);
        }
        self.out.want_lost();
    }
}
