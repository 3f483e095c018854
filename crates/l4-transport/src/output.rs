//! What leaves a connection, in which order: resets, SYNs, probes, retransmissions, new data, acknowledgments.

use crate::clock::Us;
use crate::send::Push;
use crate::timers::Pending;
use crate::{Connection, State, Transmit};
use tidewire_units::Instant;
use tidewire_wire::{Ecn, Payload, Seq, TcpFlags, TcpSegment, Timestamps};

/// What is to be sent at the next opportunity, a bit each.
pub(crate) mod todo {
    /// A complete reset is stored.
    pub const RESET: u16 = 1;
    /// A complete acknowledgment of an earlier state, before what comes next, is stored.
    pub const EARLY_ACK: u16 = 1 << 1;
    pub const SYN: u16 = 1 << 2;
    pub const SYN_AGAIN: u16 = 1 << 3;
    /// A window or keepalive probe.
    pub const PROBE: u16 = 1 << 4;
    /// The oldest segment, after a timeout.
    pub const HEAD: u16 = 1 << 5;
    /// New data, to find out whether a timeout was spurious (RFC 5682).
    pub const NEW: u16 = 1 << 6;
    /// Segments marked lost.
    pub const LOST: u16 = 1 << 7;
    pub const LOSS_PROBE: u16 = 1 << 8;
    /// Send what the window has room for, full segment or not.
    pub const WAKEUP: u16 = 1 << 9;
    /// Try to send new data.
    pub const PUSH: u16 = 1 << 10;
    pub const ACK: u16 = 1 << 11;
    /// A reader that is always ready reads, once acknowledgments of what has arrived are sent.
    pub const READ: u16 = 1 << 12;

    pub const CONTROL: u16 = RESET | EARLY_ACK | SYN | PROBE;
    pub const DATA: u16 = HEAD | NEW | LOST | LOSS_PROBE | WAKEUP | PUSH;
}

/// Where a synthetic source stands, in bytes.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub sent: u64,
    pub pushed: u64,
    /// The peer's largest window when the source was attached.
    pub max_window: u32,
}

/// What is to be sent at the next opportunity.
#[derive(Debug)]
pub(crate) struct Output {
    /// Bits of [`todo`].
    pub todo: u16,
    /// A complete segment: reset or acknowledgment of an earlier state.
    pub ready: Option<Box<TcpSegment>>,
    /// This time without a segment that is not full: more will be written at once.
    pub more: bool,
    /// The peer scales its windows.
    pub peer_scales: bool,
    /// Unanswered keepalive probes.
    pub keep_probes: u8,
    /// Segments of new data sent since `push` was set.
    pub burst: u16,
    /// Bytes that go with the segment just sent, and whether the last of them is pushed.
    pub chunk: u32,
    pub chunk_pushes: bool,
    /// Bytes in the last piece of the write queue, when it was written to.
    pub tail: u32,
    /// The last attempt waited for more room.
    pub deferred: bool,
    /// What the path takes.
    pub path_mss: u16,
    /// The timestamp echoed by the last acknowledgment; zero: none.
    pub tsecr: u32,
    pub source: Option<Box<Source>>,
    /// First transmission of the SYN, or of the first unanswered window probe.
    pub since_us: Us,
    /// When anything was sent last.
    pub last_us: Us,
    pub now: Instant,
    pub now_ns: u64,
}

impl Default for Output {
    fn default() -> Self {
        Output {
            todo: 0,
            ready: None,
            more: false,
            peer_scales: false,
            keep_probes: 0,
            burst: 0,
            chunk: 0,
            chunk_pushes: false,
            tail: 0,
            deferred: false,
            path_mss: u16::MAX,
            tsecr: 0,
            source: None,
            since_us: 0,
            last_us: 0,
            now: Instant::ZERO,
            now_ns: 0,
        }
    }
}

impl Output {
    #[inline]
    pub fn wants(&self, what: u16) -> bool {
        self.todo & what != 0
    }

    #[inline]
    pub fn want(&mut self, what: u16) {
        self.todo |= what;
    }

    #[inline]
    pub fn done(&mut self, what: u16) {
        self.todo &= !what;
    }

    pub fn want_lost(&mut self) {
        self.todo = (self.todo & !todo::NEW) | todo::LOST;
    }

    pub fn want_new(&mut self) {
        self.todo = (self.todo & !todo::LOST) | todo::NEW;
    }

    /// A reset is the last word: it takes the place of whatever was ready.
    pub fn reset(&mut self, segment: Option<TcpSegment>) {
        self.ready = segment.map(Box::new);
        self.done(todo::RESET | todo::EARLY_ACK);
        if self.ready.is_some() {
            self.want(todo::RESET);
        }
    }

    /// Forgets everything but a reset, the reading of the clock and, in TIME_WAIT, an acknowledgment.
    pub fn clear(&mut self, keep: u16) {
        let todo = self.todo & (todo::RESET | keep);
        let ready = self.ready.take().filter(|_| todo & todo::RESET != 0);
        *self = Output { todo, ready, now: self.now, now_ns: self.now_ns, ..Output::default() };
    }
}

impl Connection {
    /// The next segment to send now. To be called until it gives nothing after every other call.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        let mut transmit = Transmit::default();
        self.poll_transmit_into(now, &mut transmit).then_some(transmit)
    }

    /// As [`Connection::poll_transmit`], into a place that is used again and again; false when there is nothing.
    #[inline]
    pub fn poll_transmit_into(&mut self, now: Instant, to: &mut Transmit) -> bool {
        if self.out.todo == 0 {
            return false;
        }
        self.set_now(now);
        if self.flags.local_drop {
            // What is neither counted nor repeated is lost without a trace.
            while self.next_transmit(to) {}
            return false;
        }
        self.next_transmit(to)
    }

    fn next_transmit(&mut self, to: &mut Transmit) -> bool {
        if self.out.wants(todo::CONTROL) && self.poll_control(to) {
            return true;
        }
        if self.out.wants(todo::DATA) && self.may_transmit() && self.poll_data(to) {
            return true;
        }
        if self.out.wants(todo::ACK) && self.state != State::Closed {
            self.transmit_ack(to);
            if self.out.wants(todo::READ) {
                self.discard_readable();
            }
            return true;
        }
        if self.out.wants(todo::READ) {
            self.discard_readable();
            if self.out.wants(todo::ACK) && self.state != State::Closed {
                self.transmit_ack(to);
                return true;
            }
        }
        false
    }

    #[inline]
    fn transmit_ack(&mut self, to: &mut Transmit) {
        self.pure_ack(&mut to.segment);
        self.ack_left();
        self.plain(to);
    }

    /// Counts a segment that is neither data nor subject to congestion control.
    #[inline]
    fn plain(&mut self, to: &mut Transmit) {
        self.segs_out = self.segs_out.wrapping_add(1);
        to.ecn = if self.flags.ecn && self.cc.needs_ecn() { Ecn::Ect0 } else { Ecn::NotCapable };
        to.is_retransmit = false;
    }

    fn poll_control(&mut self, to: &mut Transmit) -> bool {
        if self.out.wants(todo::RESET | todo::EARLY_ACK) {
            let is_reset = self.out.wants(todo::RESET);
            self.out.done(todo::RESET | todo::EARLY_ACK);
            if let Some(segment) = self.out.ready.take() {
                to.segment = *segment;
                self.plain(to);
                if is_reset {
                    to.ecn = Ecn::NotCapable;
                }
                return true;
            }
        }
        if self.out.wants(todo::SYN) && matches!(self.state, State::SynSent | State::SynReceived) {
            to.is_retransmit = self.out.wants(todo::SYN_AGAIN);
            self.out.done(todo::SYN | todo::SYN_AGAIN);
            to.segment = self.syn_segment();
            to.ecn = Ecn::NotCapable;
            self.syn_sent();
            self.segs_out = self.segs_out.wrapping_add(1);
            return true;
        }
        if self.out.wants(todo::PROBE) && self.may_transmit() {
            self.out.done(todo::PROBE);
            self.header(self.tx.snd_una - 1, TcpFlags::ACK, &mut to.segment);
            self.ack_left();
            self.plain(to);
            return true;
        }
        false
    }

    fn poll_data(&mut self, to: &mut Transmit) -> bool {
        if self.out.wants(todo::DATA & !todo::PUSH) && self.poll_urgent_data(to) {
            return true;
        }
        if self.out.wants(todo::PUSH) {
            let sent = self.new_data(Push::Normal, to);
            // With a full window the next attempt would send nothing.
            let full = self.out.chunk == 0 && self.rare.is_none() && self.tx.in_flight() >= self.tx.cwnd;
            if sent && !full {
                return true;
            }
            self.out.done(todo::PUSH);
            self.out.more = false;
            self.end_burst();
            return sent;
        }
        false
    }

    /// What loss recovery and probes ask for.
    fn poll_urgent_data(&mut self, to: &mut Transmit) -> bool {
        if self.out.wants(todo::HEAD) {
            self.out.done(todo::HEAD);
            let head = self.rtx.begin();
            if self.retransmit(head, true, to) {
                return true;
            }
        }
        if self.out.wants(todo::NEW) {
            if self.new_data(Push::Now, to) {
                return true;
            }
            self.end_burst();
            self.out.done(todo::NEW);
            if !self.tx.snd_nxt.after(self.tx.high_seq) {
                self.tx.frto = false;
                self.out.want_lost();
            }
        }
        if self.out.wants(todo::LOST) {
            if self.retransmit_lost(to) {
                return true;
            }
            self.out.done(todo::LOST);
        }
        if self.out.wants(todo::LOSS_PROBE) {
            self.out.done(todo::LOSS_PROBE);
            if self.send_loss_probe(to) {
                return true;
            }
        }
        if self.out.wants(todo::WAKEUP) {
            self.out.done(todo::WAKEUP);
            if self.new_data(Push::Wakeup, to) {
                self.out.want(todo::PUSH);
                return true;
            }
        }
        false
    }

    /// A header with everything but data.
    #[inline(always)]
    pub(crate) fn header(&mut self, seq: Seq, flags: TcpFlags, to: &mut TcpSegment) {
        to.src_port = self.local.port;
        to.dst_port = self.remote.port;
        to.seq = seq;
        to.ack = if flags.ack() { self.rx.rcv_nxt } else { Seq(0) };
        to.flags = flags;
        to.window = self.announce_window();
        let options = &mut to.options;
        (options.mss, options.window_scale, options.sack_permitted) = (None, None, false);
        options.timestamps = None;
        if self.flags.timestamps {
            options.timestamps = Some(Timestamps { value: self.timestamp(), echo: self.rx.ts_recent });
        }
        options.sack.clear();
        if self.tx.sack_enabled && (self.rx.dsack.is_some() || self.rx.ooo.is_some()) {
            self.sack_blocks(&mut options.sack);
        }
        to.payload = Payload::EMPTY;
    }

    /// An acknowledgment without data.
    pub(crate) fn pure_ack(&mut self, to: &mut TcpSegment) {
        let flags = self.plain_flags();
        self.header(self.acceptable_seq(), flags, to);
    }

    /// Beyond a window that the peer has shrunk, an empty segment must still be acceptable to it.
    #[inline]
    pub(crate) fn acceptable_seq(&self) -> Seq {
        let (end, next) = (self.tx.wnd_end(), self.tx.snd_nxt);
        let inside = !end.before(next) || (self.out.peer_scales && (next - end) < 1 << self.rx.wscale);
        if inside { next } else { end }
    }

    /// Resets the connection with an acceptable sequence number, as an application or a timer that gives up does.
    pub(crate) fn send_reset(&mut self) {
        let seq = self.acceptable_seq();
        let mut segment = TcpSegment::default();
        self.header(seq, TcpFlags::ACK | TcpFlags::RST, &mut segment);
        self.out.reset(Some(segment));
    }

    /// Answers `segment` with a reset, as if there were no connection.
    pub(crate) fn refuse(&mut self, segment: &TcpSegment) {
        self.out.reset(crate::reset_for(segment));
    }

    #[inline]
    pub(crate) fn is_paced(&self) -> bool {
        self.tx.pacing_needed || self.config.pacing
    }

    /// Must the next segment wait for its turn? Then the timer is set.
    #[inline]
    pub(crate) fn pacing_blocks(&mut self) -> bool {
        if !self.is_paced() || self.tx.pace_next_ns <= self.out.now_ns {
            return false;
        }
        self.timers.pace = Instant::from_ps(self.tx.pace_next_ns.saturating_mul(1_000));
        true
    }

    /// A segment of `bytes` has left: the next one may follow when it would have drained at the pacing rate.
    #[inline]
    pub(crate) fn pace(&mut self, bytes: u32) {
        if !self.is_paced() {
            return;
        }
        let tx = &mut self.tx;
        let prior = tx.pace_next_ns;
        tx.pace_next_ns = prior.max(self.out.now_ns);
        // The first ten segments are not paced.
        if tx.pacing_rate == u64::MAX || tx.pacing_rate == 0 || tx.data_segs_out < 10 {
            return;
        }
        let ns = (u128::from(bytes) * 1_000_000_000 / u128::from(tx.pacing_rate)).min(1 << 60) as u64;
        let credit = tx.pace_next_ns - prior;
        tx.pace_next_ns += ns - (ns / 2).min(credit);
    }

    /// Nothing more goes out now: remembers whether the window was the limit, and sets the timers.
    pub(crate) fn end_burst(&mut self) {
        let sent = std::mem::take(&mut self.out.burst);
        let has_more = self.buf.unsent() > 0 || self.fin_unsent();
        if sent == 0 && !has_more {
            return;
        }
        self.out.chunk = 0;
        let limited = self.tx.in_flight() >= self.tx.cwnd || std::mem::take(&mut self.out.deferred);
        if sent > 0 || limited {
            self.validate_cwnd(limited);
        }
        if sent > 0 {
            if self.tx.in_cwnd_reduction() {
                self.tx.prr_out += u32::from(sent);
            }
            if !self.out.wants(todo::LOSS_PROBE) && self.tx.tlp_high_seq.is_none() {
                self.schedule_loss_probe(false);
            }
        }
        if has_more && self.tx.packets_out == 0 && self.timers.pending == Pending::None {
            let delay = Us::from(self.tx.rtt.rto_us).max(self.config.rto_min.as_us().min(200_000));
            self.arm(Pending::WindowProbe, self.clamp_probe(delay));
        }
    }

    /// Tracks how much of the window is used (RFC 7661).
    fn validate_cwnd(&mut self, limited: bool) {
        let after_idle = self.config.slow_start_after_idle && !self.cc.controls_all();
        let tx = &mut self.tx;
        if tx.snd_una.at_or_after(tx.cwnd_usage_seq)
            || limited
            || (!tx.is_cwnd_limited && tx.packets_out > tx.max_packets_out)
        {
            tx.is_cwnd_limited = limited;
            tx.max_packets_out = tx.packets_out;
            tx.cwnd_usage_seq = tx.snd_nxt;
        }
        if tx.is_cwnd_limited() {
            tx.cwnd_used = 0;
            tx.cwnd_stamp_us = tx.now_us;
            return;
        }
        tx.cwnd_used = tx.cwnd_used.max(tx.packets_out);
        if after_idle && tx.us_since(tx.cwnd_stamp_us) >= Us::from(tx.rtt.rto_us) {
            self.shrink_unused_window();
        }
    }

    /// The application has not used the window for a timeout's time: half of the unused part goes (RFC 2861).
    fn shrink_unused_window(&mut self) {
        let tx = &mut self.tx;
        if tx.ca_state == crate::CaState::Open {
            let used = tx.cwnd_used.max(u32::from(tx.init_cwnd));
            if used < tx.cwnd {
                tx.ssthresh = tx.current_ssthresh();
                tx.cwnd = (tx.cwnd + used) >> 1;
            }
            tx.cwnd_used = 0;
        }
        tx.cwnd_stamp_us = tx.now_us;
    }
}
