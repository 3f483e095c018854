//! A TCP connection as the hosts see it: construction, the application's calls, and what can be read off it.

use crate::clock::{Us, instant};
use crate::congestion::Controller;
use crate::output::todo;
use crate::output::{Output, Source};
use crate::receiver::Receiver;
use crate::rtx::RtxQueue;
use crate::sendbuf::SendBuf;
use crate::sender::Sender;
use crate::timers::Timers;
use crate::{Event, State, TcpConfig, TcpError};
use std::sync::Arc;
use tidewire_units::Instant;
use tidewire_wire::{Ecn, Endpoint, Payload, Seq, TcpSegment};

/// What a buffer of the write queue costs besides its data.
const PIECE_BYTES: u64 = 1_280;

/// A segment to send.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Transmit {
    /// The segment.
    pub segment: TcpSegment,
    /// The ECN field of its IP header.
    pub ecn: Ecn,
    /// It carries data (or a SYN or FIN) that was sent before.
    pub is_retransmit: bool,
}

/// One end of a TCP connection: a state machine without clock, network or threads.
pub struct Connection {
    pub(crate) config: Arc<TcpConfig>,
    pub(crate) local: Endpoint,
    pub(crate) remote: Endpoint,
    pub(crate) state: State,
    pub(crate) tx: Sender,
    pub(crate) rtx: RtxQueue,
    pub(crate) buf: SendBuf,
    pub(crate) rx: Receiver,
    pub(crate) cc: Controller,
    pub(crate) timers: Timers,
    pub(crate) out: Output,
    pub(crate) flags: Flags,
    pub(crate) error: Option<TcpError>,
    pub(crate) soft_error: Option<TcpError>,
    /// Shift of the peer's windows.
    pub(crate) snd_wscale: u8,
    /// The MSS that the peer announced.
    pub(crate) peer_mss: u16,
    pub(crate) segs_in: u32,
    pub(crate) segs_out: u32,
    pub(crate) busy: Busy,
    pub(crate) rare: Option<Box<Rare>>,
    pub(crate) discards: crate::Discards,
}

/// What few connections have.
#[derive(Default, Debug)]
pub(crate) struct Rare {
    pub mtu: Option<crate::mtu::MtuSearch>,
}

/// What was negotiated and what the application has done.
#[derive(Default, Debug)]
pub(crate) struct Flags {
    pub timestamps: bool,
    pub ecn: bool,
    /// Send ECN-Echo until the peer has reduced its window.
    pub ecn_echo: bool,
    /// Tell the peer that the window was reduced.
    pub ecn_cwr: bool,
    /// Data with a congestion-capable codepoint has been seen.
    pub ecn_seen: bool,
    /// The last segment carried a mark (RFC 8257).
    pub ce_state: bool,
    /// Begun by `connect`, or by `accept`.
    pub active: bool,
    /// The application will send no more.
    pub fin_queued: bool,
    pub fin_sent: bool,
    pub fin_acked: bool,
    /// The peer will send no more.
    pub fin_received: bool,
    /// It ended before the peer had said anything.
    pub never_open: bool,
    /// The application has gone.
    pub orphan: bool,
    pub discard: bool,
    /// The application reads no more.
    pub read_shut: bool,
    /// Hold back what is not a full segment.
    pub cork: bool,
    /// The host's own queue refuses everything.
    pub local_drop: bool,
    /// What was written last is not the end of a message.
    pub unpushed: bool,
}

/// Time with data outstanding, and the part of it limited by the peer's window.
#[derive(Default, Debug)]
pub(crate) struct Busy {
    pub busy_us: u32,
    pub rwnd_us: u32,
    pub sndbuf_us: u32,
    pub since_us: Us,
    pub kind: u8,
}

impl Busy {
    /// From now on: 0 idle, 1 busy, 2 limited by the peer's window, 3 limited by the send buffer.
    #[inline]
    pub fn switch(&mut self, now_us: Us, kind: u8) {
        if kind == self.kind {
            return;
        }
        let us = (now_us - self.since_us).min(u64::from(u32::MAX / 2)) as u32;
        if self.kind > 0 {
            self.busy_us = self.busy_us.saturating_add(us);
        }
        match self.kind {
            2 => self.rwnd_us = self.rwnd_us.saturating_add(us),
            3 => self.sndbuf_us = self.sndbuf_us.saturating_add(us),
            _ => {}
        }
        self.kind = kind;
        self.since_us = now_us;
    }

    /// Something is queued.
    #[inline]
    pub fn begin(&mut self, now_us: Us) {
        if self.kind == 0 {
            self.switch(now_us, 1);
        }
    }

    /// Busy, window-limited and buffer-limited time up to now.
    pub fn totals(&self, now_us: Us) -> (u64, u64, u64) {
        let us = now_us - self.since_us.min(now_us);
        let part = |kinds: &[u8]| if kinds.contains(&self.kind) { us } else { 0 };
        (
            u64::from(self.busy_us) + part(&[1, 2, 3]),
            u64::from(self.rwnd_us) + part(&[2]),
            u64::from(self.sndbuf_us) + part(&[3]),
        )
    }
}

impl Connection {
    pub(crate) fn new(
        now: Instant,
        config: Arc<TcpConfig>,
        local: Endpoint,
        remote: Endpoint,
        isn: Seq,
        ts_offset: u32,
        state: State,
    ) -> Connection {
        let now_us = now.as_us();
        let cc = Controller::new(&config);
        Connection {
            tx: Sender::new(now_us, isn, 536, config.reordering, config.init_cwnd),
            rtx: RtxQueue::new(),
            buf: SendBuf::new(),
            rx: Receiver::new(now_us, ts_offset),
            cc,
            timers: Timers::default(),
            out: Output::default(),
            flags: Flags { active: state == State::SynSent, ..Flags::default() },
            error: None,
            soft_error: None,
            snd_wscale: 0,
            peer_mss: 536,
            segs_in: 0,
            segs_out: 0,
            busy: Busy::default(),
            rare: None,
            discards: crate::Discards::default(),
            config,
            local,
            remote,
            state,
        }
    }

    #[inline]
    pub(crate) fn set_now(&mut self, now: Instant) {
        if now > self.out.now {
            self.out.now = now;
            self.tx.now_us = now.as_us();
            self.out.now_ns = now.as_ns();
        }
    }

    /// Moves to the state that follows `event`.
    pub(crate) fn transition(&mut self, event: Event) {
        self.state = self.state.after(event);
    }

    /// Queues bytes and returns how many were taken; fewer than offered when the send buffer is full.
    pub fn send(&mut self, now: Instant, payload: Payload) -> usize {
        self.set_now(now);
        if !self.state.can_send() || self.flags.fin_queued || self.buf.unsent() == u64::MAX {
            return 0;
        }
        let taken = if self.config.sndbuf_overhead {
            self.room_for(payload.len())
        } else {
            payload.len().min(self.send_space())
        };
        if taken == 0 {
            return 0;
        }
        self.before_queueing();
        if self.config.sndbuf_overhead {
            let (tail, piece) = (self.tail_bytes() + taken as u64, u64::from(self.largest()));
            self.out.tail = if tail <= piece { tail } else { (tail - 1) % piece + 1 } as u32;
        }
        self.flags.unpushed = false;
        if taken == payload.len() {
            self.buf.push(payload);
        } else {
            self.buf.push(payload.slice(0..taken));
        }
        taken
    }

    /// As [`Connection::send`], and the application will write more at once: a segment that is not full waits for that, or for the
    /// next acknowledgment.
    pub fn send_more(&mut self, now: Instant, payload: Payload) -> usize {
        let taken = self.send(now, payload);
        self.out.more = true;
        self.flags.unpushed = true;
        taken
    }

    /// Everything that is sent from now on is refused by the host's own queue, as a full one without patience does.
    pub fn set_local_drop(&mut self, on: bool) {
        self.flags.local_drop = on;
    }

    /// Changes the congestion control of a living connection; the window stays.
    pub fn set_congestion(&mut self, now: Instant, cc: crate::CcKind) {
        self.set_now(now);
        let mut config = TcpConfig::clone(&self.config);
        config.cc = cc;
        self.cc = Controller::new(&config);
        self.config = Arc::new(config);
        if self.state.is_synchronized() {
            self.tx.prior_ssthresh = 0;
            self.cc.init(&mut self.tx);
        }
    }

    /// Appends a source of synthetic bytes, endless with `None`, that takes no memory and no room in the send buffer.
    pub fn supply(&mut self, now: Instant, bytes: Option<u64>) {
        self.set_now(now);
        if !self.state.can_send() || self.flags.fin_queued {
            return;
        }
        self.before_queueing();
        self.buf.supply(bytes);
        let max_window = self.tx.max_window;
        self.out.source.get_or_insert_with(|| Box::new(Source { sent: 0, pushed: 0, max_window }));
    }

    /// The source of synthetic bytes dries up: what it has not yet sent is not sent.
    pub fn withdraw(&mut self, now: Instant) {
        self.set_now(now);
        if !self.flags.fin_queued {
            self.buf.withdraw();
        }
    }

    /// Data is about to be queued: the application may have been the limit, and the window may be stale.
    fn before_queueing(&mut self) {
        if self.state.is_synchronized() {
            self.tx.mark_app_limited(self.buf.unsent());
            self.check_idle_restart();
            self.busy.begin(self.tx.now_us);
        }
        self.out.want(todo::PUSH);
    }

    /// Takes up to `max` bytes that arrived in order; `None` when there are none now.
    pub fn recv(&mut self, now: Instant, max: usize) -> Option<Payload> {
        self.set_now(now);
        self.take_readable(max)
    }

    /// Consumes bytes as soon as they arrive in order, as a reader does that is always ready.
    pub fn set_discard(&mut self, on: bool) {
        self.flags.discard = on;
        if on {
            self.discard_readable();
        }
    }

    /// Holds back segments that are not full, until 200 ms have passed or it is switched off.
    pub fn set_cork(&mut self, now: Instant, on: bool) {
        self.set_now(now);
        self.flags.cork = on;
        self.out.want(todo::PUSH);
    }

    /// Changes the settings that may change while a connection lives: `nodelay`, `keepalive`, `user_timeout`, buffers.
    pub fn reconfigure(&mut self, now: Instant, config: Arc<TcpConfig>) {
        self.set_now(now);
        if let Some(rcvbuf) = config.rcvbuf.filter(|size| self.config.rcvbuf != Some(*size)) {
            self.rx.rcvbuf = u32::try_from(rcvbuf).unwrap_or(u32::MAX / 2);
            self.rx.window_clamp = self.full_space().min(65_535 << self.rx.wscale);
        }
        let keepalive = config.keepalive != self.config.keepalive;
        self.config = config;
        self.out.want(todo::PUSH);
        if keepalive {
            self.restart_keepalive();
        }
    }

    /// Acknowledges at once from now on, with what is due, or goes back to acknowledging with what is sent. Either may change again
    /// as the connection goes on (tcp(7), `TCP_QUICKACK`).
    pub fn set_quickack(&mut self, now: Instant, on: bool) {
        self.set_now(now);
        self.rx.pingpong = !on;
        if on && matches!(self.state, State::Established | State::CloseWait) && self.rx.ack_scheduled() {
            self.rx.pending |= crate::receiver::ACK_PUSHED;
            self.ack_after_reading();
        }
    }

    /// Acknowledgments do not wait for data to go with.
    pub fn acks_quickly(&self) -> bool {
        !self.rx.pingpong
    }

    /// The peer has sent its FIN, whether everything before it was read or not.
    pub fn fin_received(&self) -> bool {
        self.flags.fin_received
    }

    /// The application will read no more: data that arrives once this side has closed as well is answered with a reset.
    pub fn shutdown_receive(&mut self, now: Instant) {
        self.set_now(now);
        self.flags.read_shut = true;
    }

    /// No more data will be sent; a FIN follows what is queued. An endless source ends.
    pub fn shutdown_send(&mut self, now: Instant) {
        self.set_now(now);
        if self.flags.fin_queued || !self.state.can_send() {
            return;
        }
        if self.state == State::SynSent {
            self.finish(Some(TcpError::Reset));
            return;
        }
        if self.buf.unsent() == u64::MAX {
            self.buf.withdraw();
        }
        self.flags.fin_queued = true;
        self.transition(Event::Close);
        self.out.want(todo::PUSH);
    }

    /// The application has closed the socket: like [`Connection::shutdown_send`], and data that still arrives is answered with a
    /// reset. With unread data it is a reset at once (RFC 2525 section 2.17).
    pub fn close(&mut self, now: Instant) {
        self.set_now(now);
        if self.flags.orphan || self.state == State::Closed {
            return;
        }
        self.flags.orphan = true;
        if self.rx.readable > 0 {
            self.discard_readable();
            if self.state != State::TimeWait {
                self.send_reset();
            }
            self.finish(Some(TcpError::Aborted));
            return;
        }
        self.shutdown_send(now);
        if self.state == State::FinWait2 {
            self.timers.keep = self.deadline(self.config.fin_timeout.as_us());
        }
    }

    /// Resets the connection.
    pub fn abort(&mut self, now: Instant) {
        self.set_now(now);
        match self.state {
            State::Closed | State::TimeWait | State::SynSent => {}
            State::SynReceived if !self.flags.active => {}
            State::Closing | State::LastAck if self.buf.unsent() == 0 && !self.fin_unsent() => {}
            _ => self.send_reset(),
        }
        self.finish(Some(TcpError::Aborted));
    }

    /// The connection is over: nothing is kept but the reason, the counters, and what the application has not read.
    pub(crate) fn finish(&mut self, error: Option<TcpError>) {
        self.flags.never_open |= self.state == State::SynSent;
        self.transition(Event::End);
        if self.error.is_none() {
            self.error = error;
        }
        self.busy.switch(self.tx.now_us, 0);
        self.buf.clear();
        self.rtx = RtxQueue::new();
        self.rx.ooo = None;
        self.timers = Timers::default();
        self.out.clear(0);
    }

    /// When anything happened to the connection last.
    pub fn touched(&self) -> Instant {
        self.out.now
    }

    /// The local endpoint.
    pub fn local(&self) -> Endpoint {
        self.local
    }

    /// The remote endpoint.
    pub fn remote(&self) -> Endpoint {
        self.remote
    }

    /// The settings.
    pub fn config(&self) -> &Arc<TcpConfig> {
        &self.config
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Bytes that [`Connection::recv`] could give now.
    pub fn readable(&self) -> usize {
        self.rx.readable as usize
    }

    /// Bytes that [`Connection::send`] would take now.
    pub fn send_space(&self) -> usize {
        if !self.state.can_send() || self.flags.fin_queued {
            return 0;
        }
        if self.config.sndbuf_overhead {
            return self.room_for(1 << 30);
        }
        let space = self.send_buffer().saturating_sub(self.buf.queued());
        match self.config.notsent_lowat {
            Some(lowat) => space.min(lowat.saturating_sub(self.buf.unsent())) as usize,
            None => space as usize,
        }
    }

    /// Bytes and bookkeeping of what is queued: one buffer per piece of the write queue, or per large segment in flight.
    fn send_charge(&self, more: u64) -> u64 {
        let pieces = (self.buf.unsent() + more).div_ceil(u64::from(self.largest()));
        let flying = u64::from(self.tx.packets_out).div_ceil(2);
        self.buf.queued() + more + PIECE_BYTES * (pieces + flying)
    }

    /// Bytes in the last piece of the write queue.
    fn tail_bytes(&self) -> u64 {
        u64::from(self.out.tail).min(self.buf.unsent())
    }

    /// How many of `len` bytes the send buffer takes: a piece is begun while there is room, and then filled.
    fn room_for(&self, len: usize) -> usize {
        let (limit, piece) = (self.send_buffer(), u64::from(self.largest()));
        let tail = self.tail_bytes();
        let mut taken = if tail > 0 { piece.saturating_sub(tail) } else { 0 };
        let lowat = self.config.notsent_lowat.unwrap_or(u64::MAX);
        while taken < len as u64 && self.send_charge(taken) < limit && self.buf.unsent() + taken < lowat {
            taken += piece;
        }
        (taken as usize).min(len)
    }

    /// The send buffer in bytes of data: two windows when it grows by itself.
    fn send_buffer(&self) -> u64 {
        self.config.sndbuf.unwrap_or_else(|| {
            let segments = self.tx.cwnd.max(10).max(self.tx.reordering + 1);
            let each = if self.config.sndbuf_overhead {
                (self.tx.mss + 640).next_power_of_two() + 256
            } else {
                self.tx.mss
            };
            let want = 2 * u64::from(segments) * u64::from(each);
            want.max(self.config.sndbuf_init).min(self.config.sndbuf_max)
        })
    }

    /// A writer that waits for room should be woken: a third of the send buffer is free.
    pub fn is_writable(&self) -> bool {
        if self.config.notsent_lowat.is_some_and(|lowat| self.buf.unsent().saturating_mul(2) >= lowat) {
            return false;
        }
        if self.config.sndbuf_overhead {
            let charge = self.send_charge(0);
            return self.state.can_send() && self.send_buffer() >= charge + charge / 2;
        }
        let space = self.send_space() as u64;
        space > 0 && space >= self.buf.queued() / 2
    }

    /// The peer has closed and everything was read.
    pub fn eof(&self) -> bool {
        self.flags.fin_received && self.rx.readable == 0
    }

    /// The peer has closed, whether or not everything was read.
    #[inline]
    pub fn peer_has_closed(&self) -> bool {
        self.flags.fin_received
    }

    /// Whether it failed before the peer had answered.
    pub fn never_opened(&self) -> bool {
        self.flags.never_open
    }

    /// Why the connection failed, if it did.
    pub fn error(&self) -> Option<TcpError> {
        self.error
    }

    /// CLOSED and nothing left to send: the connection may be forgotten.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed && !self.out.wants(todo::RESET)
    }

    /// When [`Connection::handle_timeout`] wants to be called; [`Instant::MAX`] for never.
    #[inline]
    pub fn next_timeout(&self) -> Instant {
        let us = self.timers.next();
        let at = if us == Us::MAX { Instant::MAX } else { instant(us) };
        at.min(self.timers.pace)
    }

    /// As [`Connection::next_timeout`], and whether that timer keeps a simulation alive: see
    /// [`Connection::timeout_is_background`].
    #[inline]
    pub fn next_wake(&self) -> (Instant, bool) {
        let foreground = self.timers.foreground();
        let us = foreground.min(self.timers.keep);
        let at = if us == Us::MAX { Instant::MAX } else { instant(us) };
        (at.min(self.timers.pace), foreground != Us::MAX || self.timers.pace != Instant::MAX)
    }

    /// Every timer that runs would only end a TIME_WAIT or FIN_WAIT_2 or probe an idle peer: they keep no simulation alive.
    pub fn timeout_is_background(&self) -> bool {
        self.timers.foreground() == Us::MAX && self.timers.pace == Instant::MAX
    }

    /// Heap bytes held, the shared settings excepted.
    pub fn heap_bytes(&self) -> usize {
        let boxed =
            |segment: &Option<Box<TcpSegment>>| segment.as_ref().map_or(0, |segment| size_of_val(&**segment));
        let ooo = self.rx.ooo.as_ref().map_or(0, |ooo| ooo.heap_bytes() + size_of_val(&**ooo));
        let queue = self.rx.queue.capacity() * size_of::<Payload>();
        let source = self.out.source.as_ref().map_or(0, |source| size_of_val(&**source));
        let cache = self.tx.sack_cache.as_ref().map_or(0, |cache| size_of_val(&**cache));
        let rare = self.rare.as_ref().map_or(0, |rare| size_of_val(&**rare));
        self.rtx.heap_bytes()
            + self.buf.heap_bytes()
            + ooo
            + queue
            + source
            + cache
            + rare
            + boxed(&self.out.ready)
    }
}
