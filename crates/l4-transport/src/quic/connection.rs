//! A connection: its state, the calls of the application, timers.

use super::control::{Control, InFlight};
use super::frame::{Kind, Packet};
use super::handshake::{Handshake, Ticket};
use super::mtu::PathMtu;
use super::ranges::RangeSet;
use super::stream::{ReceiveHalf, SendHalf};
use super::streams::{Schedule, Streams};
use crate::TcpConfig;
use crate::clock::{Us, instant};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tidewire_units::{Instant, Span};
use tidewire_wire::{Endpoint, Payload};

/// Probe timeouts in a row after which datagrams may be too large for the path.
const BLACK_HOLE: u32 = 3;

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct QuicConfig {
    /// Congestion control and initial window are those of TCP's options.
    pub tcp: Arc<TcpConfig>,
    /// Bytes of a datagram at first; at least 1200, which every path carries (RFC 9000 section 14).
    pub max_datagram: u16,
    /// Bytes of a datagram that the path is tried for (RFC 8899), once there is much to send.
    pub probe_datagram: u16,
    /// Which stream sends next.
    pub schedule: Schedule,
    /// Bytes of a server's certificate chain.
    pub certificate: u32,
    /// Bytes that the peer may send on a stream, and on all, before they are read.
    pub stream_window: u64,
    /// On all streams together.
    pub window: u64,
    /// Acknowledgments wait for a second packet for so long.
    pub max_ack_delay: Span,
    /// A peer of which nothing comes for so long is gone.
    pub idle: Span,
    /// A server takes data that comes with the first datagram, from clients with a ticket.
    pub accept_early: bool,
}

impl Default for QuicConfig {
    fn default() -> QuicConfig {
        QuicConfig {
            tcp: Arc::new(TcpConfig::linux()),
            max_datagram: 1200,
            probe_datagram: 1472,
            schedule: Schedule::Turns,
            certificate: 2500,
            stream_window: 6 << 20,
            window: 15 << 20,
            max_ack_delay: Span::from_ms(25),
            idle: Span::from_secs(30),
            accept_early: true,
        }
    }
}

/// Why a connection is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QuicError {
    /// Either application closed it, with this code.
    Closed(u64),
    /// The peer broke the protocol, or said that we did.
    Protocol(u64),
    /// The peer does not answer.
    TimedOut,
}

/// What has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QuicEvent {
    /// The handshake is complete; whether a ticket spared the certificate, and early data was taken.
    Connected {
        /// A ticket was used.
        resumed: bool,
        /// Early data was taken.
        early: bool,
    },
    /// The peer has opened a stream.
    Opened(u64),
    /// A client may use a ticket next time.
    Ticket,
    /// The peer's address has changed.
    Migrated,
    /// It is over.
    Closed(QuicError),
}

/// Figures of a connection.
#[derive(Clone, PartialEq, Debug)]
pub struct QuicInfo {
    /// The congestion control.
    pub cc: String,
    /// Window and packets in flight.
    pub cwnd: u32,
    /// Packets in flight.
    pub in_flight: u32,
    /// Smoothed round-trip time, in s; `None` before the first sample.
    pub rtt: Option<f64>,
    /// The least and the mean of this path, in s.
    pub rtt_min_mean: Option<(f64, f64)>,
    /// Bytes of streams sent, and acknowledged in order, each once.
    pub stream_bytes: (u64, u64),
    /// Packets sent and thought lost.
    pub packets_sent: u64,
    /// Thought lost.
    pub packets_lost: u64,
    /// Probe timeouts.
    pub ptos: u64,
    /// Datagrams sent.
    pub datagrams_sent: u64,
    /// Bytes of a datagram at most, as far as is known of the path.
    pub datagram_size: u16,
}

/// What a packet in flight carried, to be repeated when it is lost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Carried {
    Crypto(u64, u64),
    Stream(u64, u64, u64, bool),
    MaxData,
    MaxStreamData(u64),
    HandshakeDone,
    Challenge,
    Nothing,
}

pub(super) struct SentPacket {
    pub flight: InFlight,
    pub early: bool,
    /// It tries a larger size.
    pub is_probe: bool,
    pub carried: Vec<Carried>,
}

/// One of the three packet number spaces.
#[derive(Default)]
pub(super) struct Space {
    pub next: u64,
    pub in_flight: BTreeMap<u64, SentPacket>,
    pub largest_acked: Option<u64>,
    /// What the peer has received, as far back as is remembered.
    pub acked: RangeSet,
    pub last_eliciting: Us,
    pub loss_time: Option<Us>,
    pub received: RangeSet,
    pub largest_received: (u64, Us),
    /// Packets that wait to be acknowledged, and until when at most.
    pub unacked: u32,
    pub ack_at: Option<Us>,
    pub probes: u32,
    pub crypto_out: SendHalf,
    pub crypto_in: ReceiveHalf,
    /// Its keys are gone.
    pub discarded: bool,
}

/// One end of a connection.
pub struct QuicConnection {
    pub(super) config: QuicConfig,
    pub(super) is_client: bool,
    /// Identifiers: ours, the peer's.
    pub(super) own: u64,
    pub(super) peer: u64,
    pub(super) remote: Endpoint,
    pub(super) now: Us,
    pub(super) spaces: [Space; 3],
    pub(super) handshake: Handshake,
    pub(super) control: Control,
    pub(super) mtu: PathMtu,
    pub(super) streams: Streams,
    pub(super) next_stream: u64,
    /// What the peer allows and what has been sent; what we allow, received and read.
    pub(super) peer_limit: u64,
    pub(super) sent_data: u64,
    pub(super) limit: u64,
    pub(super) received_data: u64,
    pub(super) read_data: u64,
    pub(super) announce_limit: bool,
    pub(super) pto_count: u32,
    /// Bytes received and sent before the peer's address was proved to be its own (RFC 9000 section 8).
    pub(super) validated: bool,
    pub(super) budget: (u64, u64),
    /// To be said; and what the peer is to answer, which proves its address (RFC 9000 section 8.2).
    pub(super) challenge: Option<u64>,
    pub(super) challenged: Option<u64>,
    pub(super) response: Option<u64>,
    pub(super) handshake_done: bool,
    pub(super) close: Option<(QuicError, bool)>,
    /// Until when it answers what still comes by saying again that it is over, and how much has come.
    pub(super) closing: (Us, u32),
    /// From when on nothing is expected any more, once it is over and has said so (RFC 9000 section 10.2).
    pub(super) drained: Option<Us>,
    /// Packets that came before the keys for them, and when.
    pub(super) too_early: Vec<(Endpoint, Packet, Us)>,
    pub(super) events: VecDeque<QuicEvent>,
    pub(super) last_heard: Us,
    /// From when on the peer is silent: the last packet that came, or the first after it that asks for an acknowledgment.
    pub(super) silent_since: Us,
    pub(super) has_asked: bool,
    pub(super) counts: QuicInfo,
}

impl QuicConnection {
    /// A client that connects to `remote`. `ids` are random identifiers for both ends; with a `ticket` of an earlier connection it may
    /// send at once.
    pub fn client(
        now: Instant,
        remote: Endpoint,
        ids: (u64, u64),
        config: QuicConfig,
        ticket: Option<Ticket>,
    ) -> QuicConnection {
        let mut connection = QuicConnection::new(now, remote, ids, config, true);
        connection.begin_client(ticket);
        connection
    }

    /// A server's end for a client at `remote` that calls it by `ids.0`.
    pub fn server(now: Instant, remote: Endpoint, ids: (u64, u64), config: QuicConfig) -> QuicConnection {
        QuicConnection::new(now, remote, ids, config, false)
    }

    fn new(
        now: Instant,
        remote: Endpoint,
        (own, peer): (u64, u64),
        config: QuicConfig,
        is_client: bool,
    ) -> QuicConnection {
        let now = now.as_us();
        let control = Control::new(&config.tcp, now, u32::from(config.max_datagram));
        let counts = QuicInfo {
            cc: control.name().to_owned(),
            cwnd: 0,
            in_flight: 0,
            rtt: None,
            rtt_min_mean: None,
            stream_bytes: (0, 0),
            packets_sent: 0,
            packets_lost: 0,
            ptos: 0,
            datagrams_sent: 0,
            datagram_size: config.max_datagram,
        };
        let mut spaces: [Space; 3] = Default::default();
        for space in &mut spaces {
            space.crypto_out.limit = u64::MAX;
            space.crypto_in.limit = 1 << 20;
        }
        QuicConnection {
            is_client,
            own,
            peer,
            remote,
            now,
            spaces,
            handshake: Handshake::default(),
            control,
            mtu: PathMtu::new(config.max_datagram, config.probe_datagram),
            streams: Streams::new(config.schedule, config.stream_window),
            next_stream: if is_client { 0 } else { 1 },
            peer_limit: config.window,
            sent_data: 0,
            limit: config.window,
            received_data: 0,
            read_data: 0,
            announce_limit: false,
            pto_count: 0,
            validated: is_client,
            budget: (0, 0),
            challenge: None,
            challenged: None,
            response: None,
            handshake_done: false,
            close: None,
            closing: (0, 0),
            drained: None,
            too_early: Vec::new(),
            events: VecDeque::new(),
            last_heard: now,
            silent_since: now,
            has_asked: false,
            counts,
            config,
        }
    }

    /// Opens a stream in both directions; gives its number.
    pub fn open(&mut self) -> u64 {
        let id = self.next_stream;
        self.next_stream += 4;
        self.streams.open(id);
        id
    }

    /// Queues bytes on a stream.
    pub fn write(&mut self, id: u64, data: Payload) {
        self.streams.change(id, |stream| stream.out.write(data));
    }

    /// Ends a stream after what is queued.
    pub fn finish(&mut self, id: u64) {
        self.streams.change(id, |stream| stream.out.finish());
    }

    /// Takes up to `max` bytes of a stream, in order.
    pub fn read(&mut self, id: u64, max: usize) -> Option<Bytes> {
        let window = self.config.stream_window;
        let stream = self.streams.get_mut(id)?;
        let part = stream.input.take(max)?;
        let finished = stream.input.is_finished();
        self.read_data += part.len() as u64;
        // Credit is renewed when a quarter of it is used: of what comes in bursts of a window, that much may be missing in the next.
        let used = |window: u64| window - window / 4;
        if stream.input.limit - stream.input.read <= used(window) && !stream.input.is_complete() {
            stream.input.limit = stream.input.read + window;
            self.streams.announce(id);
        }
        // What was read is little, but the peer, whose other bytes nobody reads, can send nothing without it (RFC 9000 section 4.2).
        let is_stuck = self.limit.saturating_sub(self.received_data) < u64::from(self.config.max_datagram);
        if self.limit - self.read_data <= used(self.config.window) || is_stuck {
            self.limit = self.read_data + self.config.window;
            self.announce_limit = true;
        }
        if finished {
            // Others may wait for more of it.
            self.streams.stir(id);
            self.streams.settle(id);
        }
        Some(part)
    }

    /// What was read lets the peer send more, and that is to be said.
    pub fn has_credit_to_announce(&self) -> bool {
        self.announce_limit || self.streams.announces()
    }

    /// Streams of which more may be read than before, or less is to be acknowledged, since this was last asked.
    pub fn take_stirred(&mut self) -> BTreeSet<u64> {
        self.streams.take_stirred()
    }

    /// The peer has ended a stream and all of it was read.
    pub fn is_finished(&self, id: u64) -> bool {
        self.streams.is_over(id) || self.streams.get(id).is_some_and(|stream| stream.input.is_finished())
    }

    /// A stream has something to read, or its end.
    pub fn is_readable(&self, id: u64) -> bool {
        self.streams.is_over(id) || self.streams.get(id).is_some_and(|stream| stream.input.is_readable())
    }

    /// A stream takes more to send: it has not been finished, nor the connection ended.
    pub fn is_writable(&self, id: u64) -> bool {
        self.close.is_none() && self.streams.get(id).is_some_and(|stream| stream.out.is_open())
    }

    /// Bytes of a stream that are not acknowledged.
    pub fn buffered(&self, id: u64) -> u64 {
        self.streams.get(id).map_or(0, |stream| stream.out.buffered())
    }

    /// All that was written to a stream was acknowledged, its end included.
    pub fn is_delivered(&self, id: u64) -> bool {
        self.streams.is_over(id) || self.streams.get(id).is_some_and(|stream| stream.out.is_done())
    }

    /// The handshake is complete.
    pub fn is_connected(&self) -> bool {
        self.handshake.complete
    }

    /// Data may be sent: the handshake is complete, or a ticket allows it before.
    pub fn may_send(&self) -> bool {
        self.handshake.complete || self.handshake.early || !self.is_client && self.handshake.replied
    }

    /// Why it is over, if it is.
    pub fn error(&self) -> Option<QuicError> {
        self.close.map(|(why, _)| why)
    }

    /// Ends the connection now.
    pub fn close(&mut self, code: u64) {
        self.end(QuicError::Closed(code), true);
    }

    /// Where datagrams go.
    pub fn remote(&self) -> Endpoint {
        self.remote
    }

    /// The client sends from another address from now on (RFC 9000 section 9): nothing is known of the new path.
    pub fn migrate(&mut self, now: Instant) {
        self.now = now.as_us();
        self.reset_path();
    }

    pub(super) fn reset_path(&mut self) {
        self.mtu.restart();
        self.control = self.control.next_path(&self.config.tcp, self.now, u32::from(self.mtu.size));
        self.challenged = Some(self.own ^ self.now);
        self.challenge = self.challenged;
        self.spaces[2].probes = self.spaces[2].probes.max(1);
        self.pto_count = 0;
    }

    /// What has happened next.
    pub fn poll_event(&mut self) -> Option<QuicEvent> {
        self.events.pop_front()
    }

    /// Bytes of streams sent, and acknowledged in order, each once.
    pub fn stream_bytes(&self) -> (u64, u64) {
        (self.sent_data, self.counts.stream_bytes.1)
    }

    /// Figures.
    pub fn info(&self) -> QuicInfo {
        let tx = &self.control.tx;
        let rtt = (self.control.latest > 0).then_some(self.control.smoothed as f64 / 1e6);
        QuicInfo {
            cwnd: tx.cwnd,
            in_flight: tx.in_flight(),
            rtt,
            rtt_min_mean: self.control.rtt_min_mean(),
            stream_bytes: self.stream_bytes(),
            datagram_size: self.mtu.size,
            ..self.counts.clone()
        }
    }

    /// When [`QuicConnection::handle_timeout`] wants to be called; [`Instant::MAX`] for never.
    pub fn next_timeout(&self) -> Instant {
        if self.close.is_some() {
            return Instant::MAX;
        }
        let acks = self.spaces.iter().filter_map(|space| space.ack_at);
        let losses = self.spaces.iter().filter_map(|space| space.loss_time);
        if self.must_not_send() {
            // Only what comes in lets it go on (RFC 9002 section 6.2.2.1).
            return losses.min().map_or(Instant::MAX, instant);
        }
        let paced = self.control.paced_until();
        let paced = (paced > self.now && self.control.may_send() && self.has_data()).then_some(paced);
        let first = acks.chain(losses).chain(self.due_pto().map(|(at, _)| at)).chain(paced).min();
        first.map_or(Instant::MAX, instant)
    }

    /// When it is over unless something comes (RFC 9000 section 10.1): [`QuicConnection::handle_timeout`] then ends it, and tells nobody.
    pub fn idle_timeout(&self) -> Instant {
        if self.close.is_some() {
            return Instant::MAX;
        }
        // The shorter of what both ends want, once the peer has said it.
        // None at either end is no limit of that end (RFC 9000 section 18.2).
        let ends = [Some(self.config.idle.as_us()), self.handshake.peer_idle];
        let Some(idle) = ends.into_iter().flatten().filter(|idle| *idle > 0).min() else {
            return Instant::MAX;
        };
        let pto = self.control.pto() + self.config.max_ack_delay.as_us();
        instant(self.silent_since.saturating_add(idle.max(3 * pto)))
    }

    /// RFC 9000 section 8: no more than three times what came from an address that may be somebody else's.
    pub(super) fn must_not_send(&self) -> bool {
        !self.validated && self.budget.1 + u64::from(self.config.max_datagram) > 3 * self.budget.0
    }

    /// When a connection that is over need not answer any more; known once it had its last occasion to send.
    pub fn drained_at(&self) -> Option<Instant> {
        self.drained.map(instant)
    }

    /// It is over, and nothing is expected any more.
    pub fn is_drained(&self) -> bool {
        self.drained.is_some_and(|at| at <= self.now)
    }

    /// As [`QuicConnection::pto`], unless packets will count as lost in a moment anyway (RFC 9002 section 6.2.1).
    fn due_pto(&self) -> Option<(Us, usize)> {
        let waits = self.spaces.iter().any(|space| space.loss_time.is_some());
        if waits { None } else { self.pto() }
    }

    /// When which space wants a probe (RFC 9002 section 6.2).
    fn pto(&self) -> Option<(Us, usize)> {
        let backoff = 1u64 << self.pto_count.min(10);
        let mut first: Option<(Us, usize)> = None;
        for (i, space) in self.spaces.iter().enumerate().filter(|(_, space)| !space.in_flight.is_empty()) {
            if i == 2 && !self.handshake.confirmed {
                continue;
            }
            let delay = if i == 2 { self.config.max_ack_delay.as_us() } else { 0 };
            let at = space.last_eliciting + (self.control.pto() + delay) * backoff;
            first = Some(first.map_or((at, i), |known| known.min((at, i))));
        }
        // A client must go on while the server may not, for want of bytes received from it (RFC 9002 section 6.2.2.1).
        let waits = !self.handshake.complete || !self.spaces[2].in_flight.is_empty();
        if first.is_none() && self.is_client && !self.handshake.confirmed && waits {
            let space = usize::from(self.spaces[0].discarded);
            first = Some((self.last_heard + self.control.pto() * backoff, space));
        }
        first
    }

    /// A timer has expired.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now.as_us();
        if self.close.is_some() {
            return;
        }
        if self.idle_timeout() <= now {
            return self.end(QuicError::TimedOut, false);
        }
        for i in 0..3 {
            if self.spaces[i].loss_time.is_some_and(|at| at <= self.now) {
                self.detect_losses(i, &mut []);
            }
            if self.spaces[i].ack_at.is_some_and(|at| at <= self.now) {
                self.spaces[i].ack_at = Some(0);
            }
        }
        let due = self.due_pto().filter(|(at, _)| *at <= self.now && !self.must_not_send());
        let Some((_, space)) = due else { return };
        self.pto_count += 1;
        self.counts.ptos += 1;
        if self.pto_count == BLACK_HOLE {
            self.mtu.restart();
            self.control.set_mss(u32::from(self.mtu.size));
        }
        // Probes carry what was sent first, as far as there is something; those of other spaces come along, as the peer may have keys
        // for one of them only (RFC 9002 section 6.2.4).
        for i in 0..3 {
            if i != space && self.spaces[i].in_flight.is_empty() {
                continue;
            }
            self.spaces[i].probes = if i == space { 2 } else { 1 };
            let oldest = self.spaces[i].in_flight.values().take(2);
            let oldest: Vec<Carried> = oldest.flat_map(|packet| packet.carried.clone()).collect();
            oldest.into_iter().for_each(|what| self.repeat(i, what));
        }
    }

    pub(super) fn end(&mut self, why: QuicError, tell: bool) {
        if self.close.is_none() {
            self.close = Some((why, tell));
            self.events.push_back(QuicEvent::Closed(why));
        }
    }

    pub(super) fn has_data(&self) -> bool {
        let credit = self.peer_limit - self.sent_data;
        self.may_send() && self.streams.next(credit).is_some()
    }

    /// The kind of packets that carry application data now.
    pub(super) fn data_kind(&self) -> Kind {
        if self.is_client && !self.handshake.complete { Kind::ZeroRtt } else { Kind::OneRtt }
    }
}
