//! Data leaves: retransmissions, probes, and new data within congestion window, peer's window, and Nagle's rule.

use crate::clock::Us;
use crate::congestion::CcEvent;
use crate::mtu::Probe;
use crate::rtx::{EVER_RETRANS, FIN, LOST, NIL, RETRANS, SACKED, Sent};
use crate::timers::Pending;
use crate::{Connection, Transmit};
use tidewire_wire::{Ecn, TcpFlags, TcpSegment};

/// The block that a synthetic source writes at a time, as bulk traffic generators do.
const SOURCE_BLOCK_BYTES: u64 = 131_072;

/// Why new data is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Push {
    /// Because there is some.
    Normal,
    /// Without waiting for a full segment.
    Now,
    /// As a loss probe: one segment beyond the congestion window.
    Probe,
    /// As much as the peer's window takes, however little.
    Wakeup,
}

impl Connection {
    /// Sends a segment again. `counted`: as a retransmission of loss recovery, not as a probe.
    pub(crate) fn retransmit(&mut self, at: u32, counted: bool, to: &mut Transmit) -> bool {
        if self.rtx.is_empty() || at == self.rtx.end() {
            return false;
        }
        let (seq, len) = {
            let sent = self.rtx.get(at);
            (sent.seq, sent.data_len())
        };
        let open = (self.tx.wnd_end() - seq) as i32;
        if open <= 0 && seq != self.tx.snd_una {
            return false;
        }
        let most = if open <= 0 { self.tx.mss } else { (open as u32).min(self.tx.mss.max(1)) };
        if len > most && self.rtx.split(at, seq + most) {
            self.count_split(at);
        }
        let now = self.tx.now_us;
        if self.tx.retrans_stamp == 0 && counted {
            self.tx.retrans_stamp = crate::Sender::stamp(now);
        }
        if self.flags.local_drop {
            self.retransmission_refused(at, counted);
            return false;
        }
        let mut sent = self.rtx.get(at).clone();
        sent.sent_us = now;
        self.tx.rate_sent(&mut sent);
        sent.flags |= EVER_RETRANS;
        if counted {
            self.tx.retrans_out += u32::from(!sent.is(RETRANS));
            sent.flags |= RETRANS;
            self.tx.undo_retrans = self.tx.undo_retrans.max(0) + 1;
        }
        sent.in_flight = self.tx.in_flight();
        self.data_segment(&sent, &mut to.segment);
        self.tx.total_retrans += 1;
        self.tx.bytes_retrans += u64::from(sent.data_len());
        let len = sent.data_len();
        *self.rtx.get_mut(at) = sent;
        self.rtx.touch(at);
        self.data_left(len);
        to.ecn = if self.flags.ecn && self.cc.needs_ecn() { Ecn::Ect0 } else { Ecn::NotCapable };
        to.is_retransmit = true;
        true
    }

    /// The host's own queue refuses a retransmission: it counts as tried.
    pub(crate) fn retransmission_refused(&mut self, at: u32, counted: bool) {
        let sent = self.rtx.get_mut(at);
        sent.flags |= EVER_RETRANS;
        let len = sent.data_len();
        let tx = &mut self.tx;
        tx.total_retrans += 1;
        tx.bytes_retrans += u64::from(len);
        tx.bytes_sent += u64::from(len);
        if counted {
            if tx.retrans_stamp == 0 {
                tx.retrans_stamp = crate::Sender::stamp(tx.now_us);
            }
            tx.undo_retrans = tx.undo_retrans.max(0) + 1;
        }
        self.enter_cwr();
    }

    fn count_split(&mut self, at: u32) {
        let flags = self.rtx.get(at).flags;
        let tx = &mut self.tx;
        tx.packets_out += 1;
        tx.sacked_out += u32::from(flags & SACKED != 0 && tx.sack_enabled);
        tx.lost_out += u32::from(flags & LOST != 0);
        tx.retrans_out += u32::from(flags & RETRANS != 0);
        tx.retransmit_hint = NIL;
    }

    /// The next segment that is lost and not yet resent, if the window has room.
    pub(crate) fn retransmit_lost(&mut self, to: &mut Transmit) -> bool {
        if self.tx.packets_out == 0 || self.tx.retrans_out >= self.tx.lost_out {
            return false;
        }
        if self.tx.in_flight() >= self.tx.cwnd || self.pacing_blocks() {
            return false;
        }
        let head = self.rtx.begin();
        let mut at = self.tx.retransmit_hint;
        if at == NIL || (at.wrapping_sub(head) as i32) < 0 {
            at = head;
        }
        while at != self.rtx.end() {
            let flags = self.rtx.get(at).flags;
            if flags & LOST != 0 && flags & (SACKED | RETRANS) == 0 {
                break;
            }
            at = at.wrapping_add(1);
        }
        self.tx.retransmit_hint = at;
        if at == self.rtx.end() {
            self.tx.retransmit_hint = NIL;
            return false;
        }
        if !self.retransmit(at, true, to) {
            return false;
        }
        if self.tx.in_cwnd_reduction() {
            self.tx.prr_out += 1;
        }
        if at == self.rtx.begin() && self.timers.pending != Pending::Reorder {
            self.arm(Pending::Retransmit, Us::from(self.tx.rtt.rto_us));
        }
        true
    }

    /// New data beyond the window if there is any, else the last segment again (RFC 8985 section 7.3).
    pub(crate) fn send_loss_probe(&mut self, to: &mut Transmit) -> bool {
        if self.tx.packets_out == 0 {
            return false;
        }
        let mut transmitted = false;
        if self.tx.tlp_high_seq.is_none() {
            self.tx.tlp_retrans = false;
            let fits = (self.tx.snd_nxt + self.next_segment_len()).at_or_before(self.tx.wnd_end());
            if (self.buf.unsent() > 0 || self.fin_unsent()) && fits {
                transmitted = self.new_data(Push::Probe, to);
                self.end_burst();
            } else {
                transmitted = self.retransmit(self.rtx.end().wrapping_sub(1), false, to);
                self.tx.tlp_retrans = transmitted;
            }
        }
        self.timers.pending = Pending::LossProbe;
        if transmitted {
            self.tx.tlp_high_seq = Some(self.tx.snd_nxt);
            self.timers.pending = Pending::None;
        }
        self.rearm_rto();
        transmitted
    }

    /// Sequence space of the next new segment.
    #[inline]
    pub(crate) fn next_segment_len(&self) -> u32 {
        let data = self.buf.unsent().min(u64::from(self.tx.mss)) as u32;
        let last = self.buf.unsent() <= u64::from(self.tx.mss);
        data + u32::from(last && self.fin_unsent())
    }

    /// The next segment of new data, if congestion window, peer's window, pacing and Nagle's rule let it go.
    pub(crate) fn new_data(&mut self, push: Push, to: &mut Transmit) -> bool {
        if self.buf.unsent() == 0 && !self.fin_unsent() {
            return false;
        }
        let (len, fin) = if self.out.chunk > 0 {
            self.rest_of_chunk()
        } else {
            if self.rare.is_some()
                && let Some(outcome) = self.before_new_data(push, to)
            {
                return outcome;
            }
            let Some(next) = self.next_new_data(push) else { return false };
            next
        };
        if self.flags.local_drop {
            // The host's own queue refuses it: it stays unsent, and that is a sign of congestion.
            self.out.chunk = 0;
            self.enter_cwr();
            return false;
        }
        self.send_new(len, fin, to);
        if push == Push::Wakeup {
            to.segment.flags |= TcpFlags::PSH;
        }
        true
    }

    /// What is rarely asked for: probes of the path MTU.
    fn before_new_data(&mut self, push: Push, to: &mut Transmit) -> Option<bool> {
        if self.flags.local_drop || !matches!(push, Push::Normal | Push::Now) {
            return None;
        }
        match self.probe_mtu(to) {
            Probe::No => None,
            Probe::Wait => Some(false),
            Probe::Sent => Some(true),
        }
    }

    /// A new segment leaves.
    #[inline]
    pub(crate) fn send_new(&mut self, len: u32, fin: bool, to: &mut Transmit) {
        let (seq, now) = (self.tx.snd_nxt, self.tx.now_us);
        let end = seq + len + u32::from(fin);
        let mut sent = Sent::new(seq, end, if fin { FIN } else { 0 });
        sent.sent_us = now;
        if self.tx.in_flight() == 0 {
            self.cc.on_event(&mut self.tx, CcEvent::TxStart);
        }
        self.tx.rate_sent(&mut sent);
        sent.in_flight = self.tx.in_flight() + 1;
        sent.push = len > 0 && self.is_pushed(len);
        self.data_segment(&sent, &mut to.segment);
        if self.out.chunk_pushes && self.out.chunk == 0 {
            // The end of a large segment is pushed, but not again when it is resent.
            self.out.chunk_pushes = false;
            to.segment.flags |= TcpFlags::PSH;
        }
        to.ecn = self.mark_new_data(&mut to.segment);
        to.is_retransmit = false;
        let first = self.tx.packets_out == 0;
        self.rtx.push(sent);
        self.tx.packets_out += 1;
        self.tx.snd_nxt = end;
        if len < self.tx.mss && len > 0 {
            self.tx.snd_sml = end;
        }
        self.buf.sent(len);
        self.flags.fin_sent |= fin;
        self.note_reply();
        self.data_left(len);
        self.out.burst = self.out.burst.saturating_add(1);
        if first || self.timers.pending == Pending::LossProbe {
            self.rearm_rto();
        }
        self.busy.switch(now, 1);
    }

    /// Bytes and FIN of the next segment, once all rules let it go.
    fn next_new_data(&mut self, push: Push) -> Option<(u32, bool)> {
        let bounded = push != Push::Probe && push != Push::Wakeup;
        if bounded && (self.tx.in_flight() >= self.tx.cwnd || self.pacing_blocks()) {
            return None;
        }
        if bounded && self.config.offload && self.buf.unsent() > u64::from(self.tx.mss) {
            return self.begin_chunk(push);
        }
        self.next_new_len(push)
    }

    /// How many bytes the next segment takes, and whether the FIN goes with them.
    fn next_new_len(&mut self, push: Push) -> Option<(u32, bool)> {
        let (unsent, mss) = (self.buf.unsent(), self.tx.mss);
        let mut len = unsent.min(u64::from(mss)) as u32;
        if push == Push::Wakeup {
            len = len.min(self.tx.wnd_end() - self.tx.snd_nxt);
        }
        let fin = self.fin_unsent() && u64::from(len) == unsent;
        if (self.tx.snd_nxt + len + u32::from(fin && len == 0)).after(self.tx.wnd_end()) {
            self.busy.switch(self.tx.now_us, 2);
            return None;
        }
        let fin = fin && (len == 0 || (self.tx.snd_nxt + len + 1).at_or_before(self.tx.wnd_end()));
        if len < mss
            && !fin
            && push == Push::Normal
            && (self.flags.cork || self.out.more || self.nagle_holds())
        {
            return None;
        }
        Some((len, fin))
    }

    /// A short segment waits while another one is not acknowledged (Minshall's variant of RFC 9293 section 3.7.4).
    #[inline]
    pub(crate) fn nagle_holds(&self) -> bool {
        let tx = &self.tx;
        !self.config.nodelay
            && tx.packets_out > 0
            && tx.snd_sml.after(tx.snd_una)
            && tx.snd_sml.at_or_before(tx.snd_nxt)
    }

    /// The segment of a record, with its data.
    #[inline(always)]
    fn data_segment(&mut self, sent: &Sent, segment: &mut TcpSegment) {
        let mut flags = self.plain_flags();
        if sent.is(FIN) {
            flags |= TcpFlags::FIN;
        }
        let len = sent.data_len();
        let position = u64::from(sent.seq - self.tx.snd_una);
        if sent.push {
            flags |= TcpFlags::PSH;
        }
        self.header(sent.seq, flags, segment);
        // SACK blocks must not push a full segment over the path's limit.
        if !segment.options.sack.is_empty() {
            let spare = (self.tx.mss - len.min(self.tx.mss)) as usize;
            while !segment.options.sack.is_empty() && 4 + 8 * segment.options.sack.len() > spare {
                segment.options.sack.pop();
            }
        }
        if len > 0 {
            segment.payload = self.buf.read(position, len);
        }
    }

    /// The end of what is queued or of a source's block.
    #[inline]
    fn is_pushed(&mut self, len: u32) -> bool {
        let by_source = self.source_pushes(len);
        by_source || (self.buf.unsent() == u64::from(len) && !self.flags.unpushed)
    }

    /// A synthetic source writes blocks, and a sender pushes at least once in half the largest window that the peer has offered.
    /// What fits into the first send buffer is written before the window has grown.
    fn source_pushes(&mut self, len: u32) -> bool {
        let Some(source) = &mut self.out.source else { return false };
        let end = source.sent + u64::from(len);
        let block = end - end % SOURCE_BLOCK_BYTES;
        let window = if end <= self.config.sndbuf_init { source.max_window } else { self.tx.max_window };
        if block > source.pushed && block > source.sent {
            source.pushed = block;
        }
        source.sent = end;
        let push = end > source.pushed + u64::from(window >> 1);
        if push {
            source.pushed = end;
        }
        push
    }

    /// ECN-capable transport and CWR belong on new data only (RFC 3168 section 6.1).
    fn mark_new_data(&mut self, segment: &mut TcpSegment) -> Ecn {
        if !self.flags.ecn {
            return Ecn::NotCapable;
        }
        if segment.payload.is_empty() {
            return if self.cc.needs_ecn() { Ecn::Ect0 } else { Ecn::NotCapable };
        }
        if self.flags.ecn_cwr {
            self.flags.ecn_cwr = false;
            segment.flags |= TcpFlags::CWR;
        }
        Ecn::Ect0
    }

    /// Data that answers data: the connection is a dialogue, and acknowledgments may ride along.
    fn note_reply(&mut self) {
        let now = self.tx.now_us;
        if now - self.rx.last_recv_us < Us::from(self.rx.ato_us) {
            self.rx.pingpong = true;
        }
    }

    /// A segment with data has left.
    #[inline]
    fn data_left(&mut self, len: u32) {
        self.segs_out = self.segs_out.wrapping_add(1);
        self.pace(len);
        self.tx.lsnd_us = self.tx.now_us;
        self.tx.bytes_sent += u64::from(len);
        self.tx.data_segs_out = self.tx.data_segs_out.wrapping_add(1);
        self.ack_left();
    }
}
