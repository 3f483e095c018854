//! A TCP connection as the hosts see it.

use crate::{State, TcpConfig, TcpError, TcpInfo, Unreachable};
use std::sync::Arc;
use tidewire_units::{Instant, Span};
use tidewire_wire::{Ecn, Endpoint, Payload, Seq, TcpSegment};

/// A segment to send.
#[derive(Clone, PartialEq, Eq, Debug)]
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
    config: Arc<TcpConfig>,
    local: Endpoint,
    remote: Endpoint,
    state: State,
}

#[allow(unused_variables)]
impl Connection {
    /// Opens a connection: the SYN is the first segment that [`Connection::poll_transmit`] gives. `isn` is the initial sequence
    /// number, `ts_offset` the offset of its timestamp clock.
    pub fn connect(
        now: Instant,
        config: Arc<TcpConfig>,
        local: Endpoint,
        remote: Endpoint,
        isn: Seq,
        ts_offset: u32,
    ) -> Connection {
        Connection { config, local, remote, state: State::SynSent }
    }

    /// A listener's answer to `syn`: a connection in SYN_RECEIVED, whose SYN-ACK is the next segment to send.
    #[allow(clippy::too_many_arguments)]
    pub fn accept(
        now: Instant,
        config: Arc<TcpConfig>,
        local: Endpoint,
        remote: Endpoint,
        syn: &TcpSegment,
        ecn: Ecn,
        isn: Seq,
        ts_offset: u32,
    ) -> Connection {
        Connection { config, local, remote, state: State::SynReceived }
    }

    /// A segment has arrived with this ECN field in its IP header.
    pub fn handle_segment(&mut self, now: Instant, segment: &TcpSegment, ecn: Ecn) {}

    /// Time has passed. Early and stale calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {}

    /// When [`Connection::handle_timeout`] wants to be called; [`Instant::MAX`] for never.
    pub fn next_timeout(&self) -> Instant {
        Instant::MAX
    }

    /// The next timeout alone does not keep a simulation alive: TIME_WAIT, keepalive.
    pub fn timeout_is_background(&self) -> bool {
        true
    }

    /// The next segment to send now. To be called until it gives nothing after every other call.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        None
    }

    /// Queues bytes and returns how many were taken; fewer than offered when the send buffer is full.
    pub fn send(&mut self, now: Instant, payload: Payload) -> usize {
        0
    }

    /// Appends a source of synthetic bytes, endless with `None`, that takes no memory and no room in the send buffer.
    pub fn supply(&mut self, now: Instant, bytes: Option<u64>) {}

    /// Takes up to `max` bytes that arrived in order; `None` when there are none now.
    pub fn recv(&mut self, now: Instant, max: usize) -> Option<Payload> {
        None
    }

    /// Consumes bytes as soon as they arrive in order, as a reader does that is always ready.
    pub fn set_discard(&mut self, on: bool) {}

    /// No more data will be sent; a FIN follows what is queued.
    pub fn shutdown_send(&mut self, now: Instant) {}

    /// The application has closed the socket: like [`Connection::shutdown_send`], and arriving data is answered with a reset.
    /// Unread data makes it a reset at once (RFC 2525 section 2.17).
    pub fn close(&mut self, now: Instant) {}

    /// Resets the connection.
    pub fn abort(&mut self, now: Instant) {}

    /// The network says that a segment of this connection did not arrive.
    pub fn handle_unreachable(&mut self, now: Instant, kind: Unreachable) {}

    /// The local endpoint.
    pub const fn local(&self) -> Endpoint {
        self.local
    }

    /// The remote endpoint.
    pub const fn remote(&self) -> Endpoint {
        self.remote
    }

    /// The settings.
    pub const fn config(&self) -> &Arc<TcpConfig> {
        &self.config
    }

    /// The state.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Bytes that [`Connection::recv`] could give now.
    pub fn readable(&self) -> usize {
        0
    }

    /// Bytes that [`Connection::send`] would take now.
    pub fn send_space(&self) -> usize {
        0
    }

    /// The peer has closed and everything was read.
    pub fn eof(&self) -> bool {
        false
    }

    /// Why the connection failed, if it did.
    pub fn error(&self) -> Option<TcpError> {
        None
    }

    /// CLOSED: the connection may be forgotten.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Bytes of the stream transmitted at least once, SYN and FIN excluded.
    pub fn bytes_sent_once(&self) -> u64 {
        0
    }

    /// Bytes of the stream received in order.
    pub fn bytes_received_in_order(&self) -> u64 {
        0
    }

    /// Bytes of the stream that the peer has acknowledged.
    pub fn bytes_acked(&self) -> u64 {
        0
    }

    /// Bytes queued and not yet sent; `u64::MAX` from an endless source.
    pub fn unsent(&self) -> u64 {
        0
    }

    /// Bytes sent and not yet acknowledged.
    pub fn unacked(&self) -> u64 {
        0
    }

    /// Congestion window in bytes.
    pub fn cwnd_bytes(&self) -> u64 {
        0
    }

    /// Slow-start threshold in bytes; `None` while it is infinite.
    pub fn ssthresh_bytes(&self) -> Option<u64> {
        None
    }

    /// Smoothed round-trip time; zero before the first sample.
    pub fn srtt(&self) -> Span {
        Span::ZERO
    }

    /// Bytes in flight.
    pub fn inflight_bytes(&self) -> u64 {
        0
    }

    /// Latest delivery rate in bytes per second.
    pub fn delivery_rate(&self) -> u64 {
        0
    }

    /// Pacing rate in bytes per second; `None` when unlimited.
    pub fn pacing_rate(&self) -> Option<u64> {
        None
    }

    /// A variable of the congestion control by its name, such as `cubic.w_max`.
    pub fn cc_state(&self, name: &str) -> Option<f64> {
        None
    }

    /// A snapshot with Linux's field meanings; `None` only in this early version.
    pub fn info(&self, now: Instant) -> TcpInfo {
        crate::info::empty(self.state)
    }
}
