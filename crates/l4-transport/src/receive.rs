//! Data arrives: in order, out of order, twice; and when it is acknowledged (RFC 9293 section 3.10.7.4, RFC 5681 section 4.2).

use crate::clock::Us;
use crate::congestion::CcEvent;
use crate::output::todo;
use crate::receiver::{ACK_NOW, ACK_PUSHED, ACK_PUSHED2, ACK_SCHED, ACK_TIMER, ATO_MIN_US, MAX_QUICKACKS};
use crate::window::charge;
use crate::{Connection, Event, State};
use tidewire_wire::{Ecn, Payload, Seq, TcpFlags, TcpSegment};

/// Segments shorter than this do not make the window grow.
const GROW_MIN_BYTES: usize = 128;
/// Duplicate acknowledgments sent at once before compression begins, and the most that are compressed into one.
const COMPRESS_AFTER: u8 = 3;
const COMPRESS_MAX: u8 = 44;

impl Connection {
    /// Takes the data and the FIN of a segment that passed all checks.
    pub(crate) fn handle_data(&mut self, segment: &TcpSegment, ecn: Ecn) {
        let (seq, end) = (segment.seq, segment.seq_end());
        self.rx.dsack = None;
        if !self.state.can_receive() && end.after(self.rx.rcv_nxt) {
            return;
        }
        self.rx.data_segs_in = self.rx.data_segs_in.wrapping_add(u32::from(!segment.payload.is_empty()));
        let window = self.rx.receive_window();
        if seq == self.rx.rcv_nxt {
            if window == 0 && !segment.payload.is_empty() {
                self.out_of_window();
                return;
            }
            self.take_in_order(segment, ecn, 0);
        } else if end.at_or_before(self.rx.rcv_nxt) {
            self.set_dsack(seq, end);
            self.out_of_window();
        } else if seq.at_or_after(self.rx.rcv_nxt + window) {
            self.out_of_window();
        } else if seq.before(self.rx.rcv_nxt) {
            self.set_dsack(seq, self.rx.rcv_nxt);
            if window == 0 {
                self.out_of_window();
                return;
            }
            let old = self.rx.rcv_nxt - seq;
            self.take_in_order(segment, ecn, old);
        } else {
            self.take_out_of_order(segment, ecn);
        }
    }

    fn out_of_window(&mut self) {
        self.enter_quickack(MAX_QUICKACKS);
        self.rx.pending |= ACK_SCHED;
    }

    fn set_dsack(&mut self, start: Seq, end: Seq) {
        if self.tx.sack_enabled && self.config.dsack {
            self.rx.dsack = Some((start, end));
        }
    }

    /// The next bytes of the stream, after `old` that have been received before.
    pub(crate) fn take_in_order(&mut self, segment: &TcpSegment, ecn: Ecn, old: u32) {
        let len = segment.payload.len() as u32;
        let old = old.min(len);
        if len > old {
            let payload = if old == 0 {
                segment.payload.clone()
            } else {
                segment.payload.slice(old as usize..len as usize)
            };
            if self.cc.needs_ecn() && self.flags.ecn {
                self.note_ecn(ecn, true);
            }
            self.deliver(payload, charge(len as usize));
            self.on_data_received(segment, len, ecn);
        }
        if segment.flags.fin() {
            self.on_fin();
        }
        if self.rx.ooo.is_some() {
            self.join_out_of_order();
        }
    }

    /// Appends bytes to what the application reads.
    fn deliver(&mut self, payload: Payload, cost: u32) {
        let len = payload.len() as u32;
        let rx = &mut self.rx;
        rx.rcv_nxt += len;
        rx.bytes_received += u64::from(len);
        rx.readable += u64::from(len);
        rx.rmem += cost;
        if rx.rmem > rx.rcvbuf {
            // Short segments are copied together rather than refused.
            let packed = (rx.readable << 8) / u64::from(rx.ratio.max(1));
            rx.rmem = rx.rmem.min(packed.min(u64::from(u32::MAX)) as u32);
        }
        if self.flags.discard {
            self.out.want(todo::READ);
            return;
        }
        if let (Some(Payload::Zeros(have)), Payload::Zeros(more)) = (rx.queue.back_mut(), &payload)
            && let Some(sum) = have.checked_add(*more)
        {
            *have = sum;
            return;
        }
        rx.queue.push_back(payload);
    }

    /// The hole may be filled: what lies behind it becomes readable.
    fn join_out_of_order(&mut self) {
        let Some(mut ooo) = self.rx.ooo.take() else { return };
        let was_empty = ooo.is_empty();
        while let Some((payload, cost, old)) = ooo.pop(self.rx.rcv_nxt) {
            self.rx.rmem_ooo = self.rx.rmem_ooo.saturating_sub(cost);
            if old > 0 {
                let end = self.rx.rcv_nxt;
                self.set_dsack(end - old, end);
            }
            if !payload.is_empty() {
                self.deliver(payload, cost);
            }
        }
        if ooo.fin == Some(self.rx.rcv_nxt) {
            ooo.fin = None;
            self.on_fin();
        }
        ooo.forget_below(self.rx.rcv_nxt);
        if ooo.is_empty() {
            self.rx.rmem_ooo = 0;
            if !was_empty {
                self.rx.pending |= ACK_NOW;
            }
        } else {
            self.rx.ooo = Some(ooo);
        }
    }

    /// Data beyond a hole.
    fn take_out_of_order(&mut self, segment: &TcpSegment, ecn: Ecn) {
        if self.flags.ecn {
            self.note_ecn(ecn, true);
        }
        self.rx.pending |= ACK_SCHED;
        self.rx.ooo_segs += 1;
        let len = segment.payload.len() as u32;
        let cost = charge(len as usize);
        let payload = if self.flags.discard { Payload::Zeros(len) } else { segment.payload.clone() };
        let ooo = self.rx.ooo.get_or_insert_with(Box::default);
        if segment.flags.fin() {
            ooo.fin = Some(segment.seq + len);
            ooo.remember(segment.seq, segment.seq_end());
        }
        let mut duplicate = None;
        if len > 0 {
            duplicate = ooo.insert(segment.seq, payload, cost);
            self.rx.rmem_ooo += cost;
        }
        if let Some((start, end)) = duplicate {
            self.set_dsack(start, end);
        }
        if self.tx.sack_enabled {
            self.grow_window(len);
        }
    }

    /// The peer will send no more (RFC 9293 section 3.10.7.4, eighth).
    fn on_fin(&mut self) {
        if self.flags.fin_received {
            return;
        }
        self.flags.fin_received = true;
        self.rx.rcv_nxt += 1;
        self.rx.pending |= ACK_SCHED;
        self.rx.ooo = None;
        let before = self.state;
        self.transition(Event::Fin);
        match before {
            State::SynReceived | State::Established => self.rx.pingpong = true,
            State::FinWait1 => self.out.want(todo::ACK),
            State::FinWait2 => {
                self.out.want(todo::ACK);
                self.enter_time_wait();
            }
            _ => {}
        }
    }

    /// In-order data: measurements, window growth, marks.
    fn on_data_received(&mut self, segment: &TcpSegment, len: u32, ecn: Ecn) {
        self.rx.pending |= ACK_SCHED;
        self.measure_rcv_mss(len, segment.header_len() as u32, segment.flags);
        let echo = segment.options.timestamps.filter(|_| self.flags.timestamps).map(|ts| ts.echo);
        self.measure_rcv_rtt(len, echo);
        let now = self.tx.now_us;
        if self.rx.ato_us == 0 {
            self.increase_quickacks(MAX_QUICKACKS);
            self.rx.ato_us = ATO_MIN_US;
        } else {
            let gap = now - self.rx.last_recv_us;
            let rto = Us::from(self.tx.rtt.rto_us);
            if gap <= Us::from(ATO_MIN_US / 2) {
                self.rx.ato_us = (self.rx.ato_us >> 1) + ATO_MIN_US / 2;
            } else if gap < Us::from(self.rx.ato_us) {
                self.rx.ato_us = ((self.rx.ato_us >> 1) + gap as u32).min(rto as u32);
            } else if gap > rto {
                // The sender has probably restarted from a small window.
                self.increase_quickacks(MAX_QUICKACKS);
            }
        }
        self.rx.last_recv_us = now;
        if self.flags.ecn && !self.cc.needs_ecn() {
            self.note_ecn(ecn, true);
        }
        if len as usize >= GROW_MIN_BYTES {
            self.grow_window(len);
        }
    }

    /// The mark of an arriving segment (RFC 3168 section 6.1.3, RFC 8257 section 3.2).
    pub(crate) fn note_ecn(&mut self, ecn: Ecn, data: bool) {
        if !data {
            return;
        }
        if self.cc.needs_ecn() {
            self.note_ecn_exactly(ecn == Ecn::Congestion);
            return;
        }
        match ecn {
            Ecn::NotCapable => {
                if self.flags.ecn_seen {
                    self.enter_quickack(2);
                }
            }
            Ecn::Congestion => {
                if !self.flags.ecn_echo {
                    self.enter_quickack(2);
                    self.flags.ecn_echo = true;
                }
                self.flags.ecn_seen = true;
            }
            _ => self.flags.ecn_seen = true,
        }
    }

    /// Every change of the mark is acknowledged at once, so that the sender can count marked bytes.
    fn note_ecn_exactly(&mut self, marked: bool) {
        if marked != self.flags.ce_state {
            if self.rx.pending & ACK_TIMER != 0 {
                let mut segment = TcpSegment::default();
                self.pure_ack(&mut segment);
                self.out.ready = Some(Box::new(segment));
                self.out.want(todo::EARLY_ACK);
            }
            self.rx.pending |= ACK_NOW;
        }
        self.flags.ce_state = marked;
        self.flags.ecn_echo = marked;
        let event = if marked { CcEvent::EcnIsCe } else { CcEvent::EcnNoCe };
        self.cc.on_event(&mut self.tx, event);
    }

    /// The peer has reduced its window.
    pub(crate) fn accept_cwr(&mut self) {
        if !self.cc.needs_ecn() {
            self.flags.ecn_echo = false;
        }
        self.rx.pending |= ACK_NOW;
    }

    fn increase_quickacks(&mut self, most: u32) {
        let rx = &mut self.rx;
        let window = rx.rcv_wnd / (2 * u32::from(rx.rcv_mss.max(1)));
        let count = if window == 0 { 2 } else { window }.min(most);
        rx.quick = rx.quick.max(count as u8);
    }

    pub(crate) fn enter_quickack(&mut self, most: u32) {
        self.increase_quickacks(most);
        self.rx.pingpong = false;
        self.rx.ato_us = ATO_MIN_US;
    }

    /// Now, later, or not at all?
    pub(crate) fn ack_if_needed(&mut self) {
        if self.rx.pending & (ACK_SCHED | ACK_NOW) == 0 {
            return;
        }
        let unacked = self.rx.rcv_nxt - self.rx.rcv_wup;
        // In this order: looking for a window may end the time of quick acknowledgments. Linux puts the second segment's acknowledgment
        // off while nobody reads; RFC 5681 section 4.2 knows no such exception.
        if !self.config.delayed_ack
            || (unacked > u32::from(self.rx.rcv_mss) && (self.window_keeps_up() || self.config.is_rfc()))
            || (self.rx.quick > 0 && !self.rx.pingpong && !self.config.is_rfc())
            || self.rx.pending & ACK_NOW != 0
        {
            self.out.want(todo::ACK);
            return;
        }
        if !self.rx.has_holes() {
            self.delay_ack();
        } else if self.config.ack_compression && self.tx.sack_enabled {
            self.compress_ack();
        } else {
            self.out.want(todo::ACK);
        }
    }

    /// The window would not shrink if it were announced now.
    fn window_keeps_up(&mut self) -> bool {
        self.rx.rcv_nxt == self.rx.copied_seq || self.selectable_window() >= self.rx.rcv_wnd
    }

    fn delay_ack(&mut self) {
        let mut ato = Us::from(self.rx.ato_us);
        if self.config.is_rfc() {
            ato = self.config.delayed_ack_max.as_us();
        } else if ato > Us::from(ATO_MIN_US) {
            let eager = self.rx.pingpong || self.rx.pending & ACK_PUSHED != 0;
            let mut most = if eager { 200_000 } else { 500_000 };
            if self.tx.rtt.srtt_us8 > 0 {
                most = most.min(Us::from(self.tx.srtt_us()).max(Us::from(ATO_MIN_US)));
            }
            ato = ato.min(most);
        }
        let ceiling = self.config.rto_min.as_us().max(8_000) - 4_000;
        ato = ato.min(self.config.delayed_ack_max.as_us());
        if !self.config.is_rfc() {
            ato = ato.min(ceiling);
        }
        let mut at = self.deadline(ato);
        if self.rx.pending & ACK_TIMER != 0 {
            if self.timers.delack <= self.tx.now_us + (ato >> 2) {
                self.out.want(todo::ACK);
                return;
            }
            at = at.min(self.timers.delack);
        }
        self.rx.pending |= ACK_SCHED | ACK_TIMER;
        self.timers.delack = at;
    }

    /// Out-of-order data in bulk: after the third duplicate, several are answered with one acknowledgment.
    fn compress_ack(&mut self) {
        let rx = &mut self.rx;
        if rx.dup_acks < COMPRESS_AFTER {
            rx.dup_acks += 1;
            self.out.want(todo::ACK);
            return;
        }
        if rx.compressed_acks >= COMPRESS_MAX {
            self.out.want(todo::ACK);
            return;
        }
        rx.compressed_acks += 1;
        if self.timers.compress == Us::MAX {
            let mut rtt = Us::from(rx.rtt_us8 >> 3);
            if self.tx.rtt.srtt_us8 > 0 {
                rtt = rtt.min(Us::from(self.tx.srtt_us()));
            }
            self.timers.compress = self.tx.now_us + (rtt / 20).min(1_000);
        }
    }

    /// An acknowledgment is leaving.
    #[inline]
    pub(crate) fn ack_left(&mut self) {
        let rx = &mut self.rx;
        if rx.quick > 0 && rx.pending & ACK_SCHED != 0 {
            rx.quick -= 1;
            if rx.quick == 0 {
                rx.ato_us = ATO_MIN_US;
            }
        }
        rx.pending = 0;
        if rx.compressed_acks > 0 {
            rx.compressed_acks = 0;
            self.timers.compress = Us::MAX;
        }
        if rx.last_ack_sent != rx.rcv_nxt {
            rx.last_ack_sent = rx.rcv_nxt;
            rx.dup_acks = 0;
        }
        rx.dsack = None;
        self.timers.delack = Us::MAX;
        self.out.done(todo::ACK);
        self.out.last_us = self.tx.now_us;
    }

    /// Takes up to `max` readable bytes.
    pub(crate) fn take_readable(&mut self, max: usize) -> Option<Payload> {
        let front = self.rx.queue.front_mut()?;
        if max == 0 {
            return None;
        }
        let len = front.len();
        let taken = if len <= max {
            self.rx.queue.pop_front()?
        } else {
            let taken = front.slice(0..max);
            *front = front.slice(max..len);
            taken
        };
        if self.rx.queue.is_empty() && self.rx.queue.capacity() > 16 {
            self.rx.queue = std::collections::VecDeque::new();
        }
        self.consumed(taken.len() as u64);
        Some(taken)
    }

    /// A reader that is always ready has read everything.
    pub(crate) fn discard_readable(&mut self) {
        self.out.done(todo::READ);
        let readable = self.rx.readable;
        if readable > 0 {
            if !self.rx.queue.is_empty() {
                self.rx.queue.clear();
            }
            self.consumed(readable);
        }
    }

    fn consumed(&mut self, bytes: u64) {
        let rx = &mut self.rx;
        let freed = if bytes == rx.readable {
            rx.rmem
        } else {
            (u128::from(rx.rmem) * u128::from(bytes) / u128::from(rx.readable)) as u32
        };
        rx.rmem -= freed;
        rx.readable -= bytes;
        rx.copied_seq += bytes as u32;
        if self.state == State::Closed || self.state == State::TimeWait {
            return;
        }
        self.adjust_receive_space();
        self.ack_after_reading();
    }

    /// Reading may call for an acknowledgment: of two segments, of a short one, or of much more room.
    pub(crate) fn ack_after_reading(&mut self) {
        let rx = &self.rx;
        if rx.ack_scheduled() {
            let pushed = rx.pending & ACK_PUSHED2 != 0 || (rx.pending & ACK_PUSHED != 0 && !rx.pingpong);
            if rx.rcv_nxt - rx.rcv_wup > u32::from(rx.rcv_mss)
                || (pushed && rx.readable == 0 && !self.config.is_rfc())
            {
                self.out.want(todo::ACK);
                return;
            }
        }
        if self.flags.fin_received || !self.state.is_synchronized() {
            return;
        }
        let open = self.rx.receive_window();
        if u64::from(open) * 2 <= u64::from(self.rx.window_clamp) {
            let window = self.selectable_window();
            if window > 0 && u64::from(window) >= u64::from(open) * 2 {
                self.out.want(todo::ACK);
            }
        }
    }

    /// The blocks to send: a duplicate report first, then the most recent (RFC 2883, RFC 2018 section 4).
    #[inline]
    pub(crate) fn sack_blocks(&self, into: &mut tidewire_wire::SackBlocks) {
        let room = if self.flags.timestamps { 3 } else { 4 };
        if let Some(dsack) = self.rx.dsack {
            into.push(dsack);
        }
        if let Some(ooo) = &self.rx.ooo {
            for block in ooo.blocks() {
                if into.len() == room {
                    break;
                }
                into.push(*block);
            }
        }
    }

    pub(crate) fn plain_flags(&self) -> TcpFlags {
        let mut flags = TcpFlags::ACK;
        if self.flags.ecn && self.flags.ecn_echo {
            flags |= TcpFlags::ECE;
        }
        flags
    }
}
