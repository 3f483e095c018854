//! A segment arrives: the checks and their order (RFC 9293 section 3.10.7, RFC 7323 section 5, RFC 5961).

use crate::ack::WIN_UPDATE;
use crate::clock::Us;
use crate::output::todo;
use crate::{Connection, Discards, Event, State, TcpError, Unreachable};
use tidewire_units::Instant;
use tidewire_wire::{Ecn, Seq, TcpFlags, TcpSegment};

/// A timestamp this old does not reject segments any more (RFC 7323 section 5.5).
const PAWS_WINDOW_US: Us = 24 * 86_400 * 1_000_000;
/// As long as a timestamp may reject a reset.
const PAWS_RESET_US: Us = 60_000_000;
/// Disorder of timestamps that is still taken for a delayed acknowledgment.
const PAWS_SLOP: i32 = 1;

/// What to do with a segment after the checks.
enum Verdict {
    Process,
    Discard,
}

impl Connection {
    /// A segment has arrived with this ECN field in its IP header.
    pub fn handle_segment(&mut self, now: Instant, segment: &TcpSegment, ecn: Ecn) {
        self.set_now(now);
        self.segs_in = self.segs_in.wrapping_add(1);
        match self.state {
            State::Closed => {}
            State::SynSent => self.on_syn_sent(segment),
            State::TimeWait => self.on_time_wait(segment),
            _ => self.on_segment(segment, ecn),
        }
    }

    /// The next data of a stream, to a side that has nothing to send: all other checks would find nothing.
    #[inline]
    fn is_plain_data(&self, segment: &TcpSegment) -> bool {
        if segment.payload.is_empty() {
            return false;
        }
        let in_order = segment.flags.union(TcpFlags::PSH) == TcpFlags::ACK.union(TcpFlags::PSH)
            && segment.seq == self.rx.rcv_nxt
            && segment.ack == self.tx.snd_una;
        let idle = self.tx.packets_out == 0
            && self.buf.unsent() == 0
            && !self.flags.fin_queued
            && self.tx.tlp_high_seq.is_none();
        let stamps = match segment.options.timestamps {
            Some(stamps) => self.flags.timestamps && stamps.value.wrapping_sub(self.rx.ts_recent) as i32 >= 0,
            None => !self.flags.timestamps,
        };
        in_order
            && idle
            && stamps
            && self.state == State::Established
            && self.rx.ooo.is_none()
            && segment.options.sack.is_empty()
            && u32::from(segment.window) << self.snd_wscale == self.tx.snd_wnd
            && segment.payload.len() <= self.rx.receive_window() as usize
    }

    #[inline]
    fn on_plain_data(&mut self, segment: &TcpSegment, ecn: Ecn) {
        self.update_ts_recent(segment);
        self.soft_error = None;
        self.tx.probes_out = 0;
        self.out.keep_probes = 0;
        self.tx.last_ack_us = self.tx.now_us;
        self.rx.dsack = None;
        self.rx.data_segs_in = self.rx.data_segs_in.wrapping_add(1);
        self.take_in_order(segment, ecn, 0);
        self.ack_if_needed();
    }

    fn on_segment(&mut self, segment: &TcpSegment, ecn: Ecn) {
        if self.is_plain_data(segment) {
            self.on_plain_data(segment, ecn);
            return;
        }
        if self.state == State::SynReceived && !self.flags.active && self.on_syn_received(segment) {
            return;
        }
        if self.state == State::FinWait2 && self.flags.orphan && self.on_orphaned_fin_wait(segment) {
            return;
        }
        if !segment.flags.intersects(TcpFlags::ACK | TcpFlags::RST | TcpFlags::SYN) {
            Discards::count(&mut self.discards.flags);
            return;
        }
        if let Verdict::Discard = self.validate(segment) {
            return;
        }
        if !segment.flags.ack() {
            return;
        }
        let mut flags = 0;
        if self.state == State::SynReceived {
            if segment.ack.at_or_before(self.tx.snd_una) || segment.ack.after(self.tx.snd_nxt) {
                self.refuse(segment);
                return;
            }
            self.transition(Event::SynAcked);
            self.tx.snd_wnd = u32::from(segment.window) << self.snd_wscale;
            self.tx.max_window = self.tx.snd_wnd;
            self.tx.snd_wl1 = segment.seq;
            self.establish(segment);
            flags |= WIN_UPDATE;
        }
        if !self.handle_ack(segment, flags) {
            return;
        }
        if !self.after_ack(segment) {
            return;
        }
        if segment.seq_len() > 0 {
            self.handle_data(segment, ecn);
        } else if self.flags.ecn {
            self.note_ecn(ecn, false);
        }
        self.out.want(todo::PUSH);
        self.ack_if_needed();
        self.arm_keepalive();
    }

    /// Our FIN may have been acknowledged; data for an application that has gone is answered with a reset. Returns whether the
    /// segment is to be processed further.
    fn after_ack(&mut self, segment: &TcpSegment) -> bool {
        if self.flags.fin_sent && !self.flags.fin_acked && self.tx.snd_una == self.tx.snd_nxt {
            self.flags.fin_acked = true;
            let before = self.state;
            self.transition(Event::FinAcked);
            match self.state {
                State::TimeWait => self.enter_time_wait(),
                State::Closed => {
                    self.finish(None);
                    return false;
                }
                State::FinWait2 if before == State::FinWait1 && self.flags.orphan => {
                    self.timers.keep = self.deadline(self.config.fin_timeout.as_us());
                }
                _ => {}
            }
        }
        let past_end = segment.seq_end() - u32::from(segment.flags.fin());
        let deaf = match self.state {
            State::FinWait1 | State::FinWait2 => self.flags.orphan || self.flags.read_shut,
            State::CloseWait | State::Closing | State::LastAck => segment.seq.before(self.rx.rcv_nxt),
            _ => false,
        };
        if deaf && segment.seq_len() > 0 && past_end.after(self.rx.rcv_nxt) {
            self.refuse(segment);
            let error = self.reset_error();
            self.finish(Some(if self.flags.orphan { TcpError::Aborted } else { error }));
            return false;
        }
        true
    }

    /// SYN_RECEIVED after a listener's SYN: anything but the acknowledgment of the handshake. Returns whether that was all.
    fn on_syn_received(&mut self, segment: &TcpSegment) -> bool {
        let flags = segment.flags;
        let old = self.paws_rejects(segment, false);
        if segment.seq == self.rx.irs && flags.syn() && !flags.ack() && !flags.rst() && !old {
            if !self.rate_limited(segment) {
                self.disarm();
                self.out.want(todo::SYN);
            }
            return true;
        }
        if flags.ack() && segment.ack != self.tx.snd_nxt {
            self.refuse(segment);
            return true;
        }
        if old || !self.plausible_echo(segment) || !self.in_plain_window(segment) {
            if !flags.rst() && !self.rate_limited(segment) {
                self.out.want(todo::ACK);
            }
            return true;
        }
        if flags.rst() || flags.syn() {
            self.refuse(segment);
            self.finish(Some(TcpError::Reset));
            return true;
        }
        !flags.ack()
    }

    /// FIN_WAIT_2 without an application: little is remembered of the connection, and little is expected.
    fn on_orphaned_fin_wait(&mut self, segment: &TcpSegment) -> bool {
        let flags = segment.flags;
        if self.paws_rejects(segment, flags.rst()) || !self.in_plain_window(segment) {
            if !self.rate_limited(segment) {
                self.out.want(todo::ACK);
            }
            return true;
        }
        if flags.rst() {
            self.finish(None);
            return true;
        }
        let end = segment.seq_end();
        let fresh_syn = flags.syn() && segment.seq.at_or_after(self.rx.rcv_nxt);
        if !fresh_syn && (!flags.ack() || !end.after(self.rx.rcv_nxt) || segment.seq_len() == 0) {
            return true;
        }
        if fresh_syn || !flags.fin() || end != self.rx.rcv_nxt + 1 {
            self.refuse(segment);
            self.finish(None);
            return true;
        }
        false
    }

    /// RFC 9293's own test of a sequence number, for connections of which little is remembered.
    fn in_plain_window(&self, segment: &TcpSegment) -> bool {
        let (start, end) = (self.rx.rcv_nxt, segment.seq_end());
        let right = start + self.rx.receive_window();
        segment.seq == start
            || (end.after(start) && segment.seq.before(right))
            || (segment.seq == right && segment.seq == end)
    }

    /// Timestamps, sequence number, RST and SYN, in this order.
    fn validate(&mut self, segment: &TcpSegment) -> Verdict {
        let flags = segment.flags;
        if !flags.rst() && self.paws_rejects(segment, false) && !self.is_disordered_ack(segment) {
            Discards::count(&mut self.discards.timestamp);
            if flags.syn() {
                self.challenge_ack();
            } else if !self.is_old_ack(segment) && !self.rate_limited(segment) {
                self.duplicate_ack(segment);
            }
            return Verdict::Discard;
        }
        if !self.in_window(segment) {
            Discards::count(&mut self.discards.sequence);
            if flags.rst() {
                if self.resets_after_fin(segment.seq) {
                    self.on_reset();
                }
            } else if flags.syn() {
                self.challenge_ack();
            } else if !self.rate_limited(segment) {
                self.duplicate_ack(segment);
            }
            return Verdict::Discard;
        }
        if flags.rst() {
            // RFC 5961 section 3.2; the right edge of the SACKed data counts as well.
            let right_edge = self
                .rx
                .ooo
                .as_ref()
                .and_then(|ooo| ooo.blocks().iter().map(|block| block.1).reduce(|a, b| a.max(b)));
            if segment.seq == self.rx.rcv_nxt
                || self.resets_after_fin(segment.seq)
                || right_edge == Some(segment.seq)
            {
                self.on_reset();
            } else {
                Discards::count(&mut self.discards.reset);
                self.challenge_ack();
            }
            return Verdict::Discard;
        }
        if flags.syn() {
            let crossed = self.state == State::SynReceived
                && flags.ack()
                && segment.seq + 1 == self.rx.rcv_nxt
                && segment.ack == self.tx.snd_nxt;
            if !crossed {
                Discards::count(&mut self.discards.syn);
                self.challenge_ack();
                return Verdict::Discard;
            }
        }
        Verdict::Process
    }

    /// The segment touches the receive window.
    fn in_window(&self, segment: &TcpSegment) -> bool {
        let right = self.rx.rcv_nxt + self.rx.receive_window();
        if segment.seq_end().before(self.rx.rcv_wup) || segment.seq.after(right) {
            return false;
        }
        // Data beyond the window is taken only while the application keeps up, a FIN beyond it always.
        let end = segment.seq_end() - u32::from(segment.flags.fin());
        !end.after(right) || self.rx.readable == 0
    }

    /// A reset just below the FIN that was received, as some stacks send it.
    fn resets_after_fin(&self, seq: Seq) -> bool {
        seq == self.rx.rcv_nxt - 1 && matches!(self.state, State::CloseWait | State::LastAck | State::Closing)
    }

    fn on_reset(&mut self) {
        let error = self.reset_error();
        self.finish(Some(error));
    }

    fn reset_error(&self) -> TcpError {
        match self.state {
            State::SynReceived if self.flags.active && self.config.is_rfc() => TcpError::Refused,
            State::CloseWait => TcpError::BrokenPipe,
            _ => TcpError::Reset,
        }
    }

    /// RFC 7323 section 5.3: an old timestamp marks an old segment. Of a reset it is believed for a minute only.
    fn paws_rejects(&self, segment: &TcpSegment, reset: bool) -> bool {
        let Some(stamps) = segment.options.timestamps.filter(|_| self.flags.timestamps) else {
            return false;
        };
        let behind = self.rx.ts_recent.wrapping_sub(stamps.value) as i32;
        let remembered = self.state != State::TimeWait && self.state != State::SynReceived;
        let slop = if remembered { PAWS_SLOP } else { 0 };
        let window = if reset { PAWS_RESET_US } else { PAWS_WINDOW_US };
        behind > slop && self.rx.ts_recent != 0 && self.tx.us_since(self.rx.ts_recent_us) < window
    }

    /// A pure acknowledgment of an earlier state: common, and not worth an answer.
    fn is_old_ack(&self, segment: &TcpSegment) -> bool {
        segment.flags.ack() && segment.seq_len() == 0 && segment.seq.before(self.rx.rcv_nxt)
    }

    /// A pure duplicate of the current acknowledgment, from before a retransmission.
    fn is_disordered_ack(&self, segment: &TcpSegment) -> bool {
        let window = u32::from(segment.window) << self.snd_wscale;
        let updates = segment.seq.after(self.tx.snd_wl1)
            || (segment.seq == self.tx.snd_wl1 && (window > self.tx.snd_wnd || window == 0));
        let stamp = segment.options.timestamps.map_or(0, |stamps| stamps.value);
        let behind = i64::from(self.rx.ts_recent.wrapping_sub(stamp) as i32);
        // Clocks of peers tick at most 1200 times per second.
        segment.flags.ack()
            && segment.seq_len() == 0
            && segment.seq == self.rx.rcv_nxt
            && segment.ack == self.tx.snd_una
            && !updates
            && behind * 1_000_000 <= i64::from(self.tx.rtt.rto_us) * 1_200
    }

    /// RFC 5961 section 7: unless it carries data, a bad segment is answered at most twice per second.
    fn rate_limited(&mut self, segment: &TcpSegment) -> bool {
        if !segment.payload.is_empty() && !segment.flags.syn() {
            return false;
        }
        self.rate_limited_oow()
    }

    fn rate_limited_oow(&mut self) -> bool {
        let now = self.tx.now_us.max(1);
        if self.rx.last_oow_us != 0 && now - self.rx.last_oow_us < self.config.invalid_ratelimit.as_us() {
            return true;
        }
        self.rx.last_oow_us = now;
        false
    }

    /// An acknowledgment in answer to what may be an attack (RFC 5961).
    pub(crate) fn challenge_ack(&mut self) {
        if !self.rate_limited_oow() {
            self.out.want(todo::ACK);
        }
    }

    /// An acknowledgment at once, with a duplicate SACK for data that had arrived before (RFC 2883).
    fn duplicate_ack(&mut self, segment: &TcpSegment) {
        let end = segment.seq_end();
        if segment.seq != end && segment.seq.before(self.rx.rcv_nxt) {
            self.enter_quickack(crate::receiver::MAX_QUICKACKS);
            if self.tx.sack_enabled && self.config.dsack {
                self.rx.dsack = Some((segment.seq, end.min(self.rx.rcv_nxt)));
            }
        }
        self.out.want(todo::ACK);
    }

    /// The timestamp to echo follows segments that begin at or before the last acknowledgment sent (RFC 7323 section 4.3).
    #[inline]
    pub(crate) fn update_ts_recent(&mut self, segment: &TcpSegment) {
        if let Some(stamps) = segment.options.timestamps
            && self.flags.timestamps
            && segment.seq.at_or_before(self.rx.last_ack_sent)
        {
            let ahead = stamps.value.wrapping_sub(self.rx.ts_recent) as i32;
            if ahead >= 0 || self.tx.us_since(self.rx.ts_recent_us) >= PAWS_WINDOW_US {
                self.rx.ts_recent = stamps.value;
                self.rx.ts_recent_us = self.tx.now_us.max(1);
            }
        }
    }

    /// A segment in TIME_WAIT (RFC 9293 section 3.10.7.4, RFC 1337 not enforced).
    fn on_time_wait(&mut self, segment: &TcpSegment) {
        let flags = segment.flags;
        let old = self.paws_rejects(segment, flags.rst());
        if !old && segment.seq == self.rx.rcv_nxt && (segment.seq_len() == 0 || flags.rst()) {
            if flags.rst() {
                if !self.config.rfc1337 {
                    self.finish(None);
                }
            } else {
                self.update_ts_recent(segment);
                self.timers.keep = self.deadline(self.config.time_wait.as_us());
            }
            return;
        }
        if flags.rst() {
            return;
        }
        if old || flags.ack() {
            self.timers.keep = self.deadline(self.config.time_wait.as_us());
        }
        if !self.rate_limited(segment) {
            self.out.want(todo::ACK);
        }
    }

    /// True when this connection is in TIME_WAIT and `syn` may open a new one in its place (RFC 6191).
    pub fn yields_to(&self, syn: &TcpSegment) -> bool {
        let newer = syn
            .options
            .timestamps
            .filter(|_| self.flags.timestamps)
            .is_some_and(|stamps| (self.rx.ts_recent.wrapping_sub(stamps.value) as i32) < 0);
        self.state == State::TimeWait
            && syn.flags.0 & 0x16 == TcpFlags::SYN.0
            && !self.paws_rejects(syn, false)
            && (syn.seq.after(self.rx.rcv_nxt) || newer)
    }

    pub(crate) fn enter_time_wait(&mut self) {
        self.buf.clear();
        self.rtx = crate::rtx::RtxQueue::new();
        self.timers = crate::timers::Timers::default();
        self.out.clear(todo::ACK);
        self.timers.keep = self.deadline(self.config.time_wait.as_us());
        self.rx.last_oow_us = 0;
        self.busy.switch(self.tx.now_us, 0);
    }

    /// The network says that a segment of this connection did not arrive (RFC 5461, RFC 9293 section 3.9.2.2).
    pub fn handle_unreachable(&mut self, now: Instant, kind: Unreachable) {
        self.set_now(now);
        let error = match kind {
            Unreachable::Host => TcpError::HostUnreachable,
            Unreachable::Port => TcpError::PortUnreachable,
            Unreachable::FragmentationNeeded(mtu) => {
                self.shrink_path(mtu);
                return;
            }
        };
        if matches!(self.state, State::SynSent | State::SynReceived) {
            self.finish(Some(error));
        } else if self.state != State::Closed {
            self.soft_error = Some(error);
        }
    }

    /// The path takes packets of `mtu` bytes at most: what is in flight is cut and resent (RFC 1191, RFC 9293 section 3.7.5).
    fn shrink_path(&mut self, mtu: u16) {
        let mss = mtu.saturating_sub(40).max(68);
        if !self.state.is_synchronized() || mss >= self.out.path_mss.min(self.config.mss) {
            return;
        }
        self.out.path_mss = mss;
        self.sync_mss();
        self.simple_retransmit();
        self.out.want(todo::PUSH);
    }
}
