//! Datagrams in.

use super::connection::{QuicConnection, QuicError, QuicEvent};
use super::frame::{Frame, Kind, Packet, frames, packets};
use super::stream::Violation;
use super::transmit::APPLICATION_ERROR;
use crate::clock::Us;
use bytes::Bytes;
use tidewire_units::Instant;
use tidewire_wire::Endpoint;

/// Transport error codes (RFC 9000 section 20.1).
const FRAME_ENCODING: u64 = 7;
const FLOW_CONTROL: u64 = 3;
const PROTOCOL: u64 = 10;
/// Packets that are kept until there are keys for them (RFC 9001 section 5.7).
const TOO_EARLY: usize = 16;

impl QuicConnection {
    /// A datagram came from `from`.
    pub fn handle_datagram(&mut self, now: Instant, from: Endpoint, datagram: &Bytes) {
        self.now = now.as_us();
        if self.close.is_some() {
            return self.insist(datagram);
        }
        if self.idle_timeout() <= now {
            return self.end(QuicError::TimedOut, false);
        }
        self.budget.0 += datagram.len() as u64;
        let mut keys = self.handshake.keys();
        for packet in packets(datagram) {
            self.handle_packet(from, packet, self.now);
        }
        while keys != self.handshake.keys() {
            keys = self.handshake.keys();
            for (from, packet, at) in std::mem::take(&mut self.too_early) {
                self.handle_packet(from, packet, at);
            }
        }
    }

    /// It is over here, and the peer goes on: perhaps what said so was lost. It is said again, ever more rarely (RFC 9000 section 10.2.1).
    fn insist(&mut self, datagram: &Bytes) {
        if self.now >= self.closing.0 {
            return;
        }
        let ends = |packet: &Packet| {
            frames(&packet.payload)
                .is_some_and(|all| all.iter().any(|frame| matches!(frame, Frame::Close { .. })))
        };
        if packets(datagram).iter().any(ends) {
            self.closing.0 = 0;
            return;
        }
        self.closing.1 += 1;
        if self.closing.1.is_power_of_two()
            && let Some((_, tell)) = &mut self.close
        {
            *tell = true;
        }
    }

    /// Takes a packet that came at `at`.
    fn handle_packet(&mut self, from: Endpoint, packet: Packet, at: Us) {
        let space = packet.kind.space();
        let unreadable = match packet.kind {
            Kind::OneRtt => !self.handshake.complete,
            Kind::ZeroRtt => self.is_client || !self.handshake.early,
            Kind::Handshake => self.is_client && !self.handshake.replied,
            Kind::Initial => false,
        };
        if unreadable && packet.kind != Kind::ZeroRtt && self.too_early.len() < TOO_EARLY {
            self.too_early.push((from, packet, at));
            return;
        }
        if self.spaces[space].discarded || unreadable || self.close.is_some() {
            return;
        }
        let newest = packet.number >= self.spaces[space].largest_received.0;
        if !self.spaces[space].received.insert(packet.number..packet.number + 1) {
            return;
        }
        self.spaces[space].received.keep(32);
        let Some(frames) = frames(&packet.payload) else {
            return self.end(QuicError::Protocol(FRAME_ENCODING), true);
        };
        (self.last_heard, self.silent_since, self.has_asked) = (self.now, self.now, false);
        if let Some(source) = packet.source {
            self.peer = source;
        }
        if packet.kind == Kind::Handshake && !self.is_client {
            self.validated = true;
            self.discard(0);
        }
        if !self.is_client && packet.kind == Kind::OneRtt && newest && from != self.remote {
            self.follow(from, packet.payload.len() as u64);
        }
        self.note_received(space, packet.number, at, frames.iter().any(Frame::elicits_ack));
        for frame in frames {
            if self.handle_frame(space, frame).is_err() {
                return self.end(QuicError::Protocol(FLOW_CONTROL), true);
            }
        }
    }

    /// The client has moved (RFC 9000 section 9.3).
    fn follow(&mut self, from: Endpoint, bytes: u64) {
        self.remote = from;
        self.validated = false;
        self.budget = (bytes, 0);
        self.reset_path();
        self.events.push_back(QuicEvent::Migrated);
    }

    fn note_received(&mut self, i: usize, number: u64, at: Us, eliciting: bool) {
        let space = &mut self.spaces[i];
        let (largest, _) = space.largest_received;
        let in_order = number == largest + 1 || space.received.descending().nth(1).is_none();
        if number >= largest {
            space.largest_received = (number, at);
        }
        if !eliciting {
            return;
        }
        space.unacked += 1;
        // RFC 9000 section 13.2.1 and 13.2.2: every second packet, and at once what is out of order or of the handshake.
        let at = if i < 2 || !in_order || space.unacked >= 2 {
            0
        } else {
            self.now + self.config.max_ack_delay.as_us()
        };
        space.ack_at = Some(space.ack_at.map_or(at, |known| known.min(at)));
    }

    fn handle_frame(&mut self, space: usize, frame: Frame) -> Result<(), Violation> {
        match frame {
            Frame::Ack(delay, ranges) => self.handle_ack(space, delay, &ranges),
            Frame::Crypto { offset, data } => {
                self.spaces[space].crypto_in.receive(offset, data, false)?;
                self.read_messages(space);
            }
            Frame::Stream { id, offset, data, fin } => self.handle_stream(id, offset, data, fin)?,
            // No end resets streams here; a peer that does gets the whole connection closed.
            Frame::Reset { .. } => return Err(Violation),
            Frame::MaxData(most) => self.peer_limit = self.peer_limit.max(most),
            Frame::MaxStreamData(id, most) => {
                self.streams.change(id, |stream| stream.out.limit = stream.out.limit.max(most));
            }
            Frame::PathChallenge(what) => self.response = Some(what),
            // Others are late answers, for paths that were left.
            Frame::PathResponse(what) if self.challenged == Some(what) => {
                (self.validated, self.challenged) = (true, None);
            }
            Frame::PathResponse(_) => {}
            Frame::Close { error, application } => {
                let why = match (application, error) {
                    (true, code) => QuicError::Closed(code),
                    // The code itself is not shown before the handshake is complete.
                    (false, APPLICATION_ERROR) => QuicError::Closed(0),
                    (false, code) => QuicError::Protocol(code),
                };
                self.end(why, false);
            }
            Frame::HandshakeDone if self.is_client => self.confirm(),
            Frame::HandshakeDone => self.end(QuicError::Protocol(PROTOCOL), true),
            Frame::Padding | Frame::Ping => {}
        }
        Ok(())
    }

    fn handle_stream(&mut self, id: u64, offset: u64, data: Bytes, fin: bool) -> Result<(), Violation> {
        let by_peer = (id & 1 == 0) != self.is_client;
        if self.streams.is_over(id) {
            return Ok(());
        }
        if !self.streams.contains(id) {
            if !by_peer || id & 2 != 0 {
                return Err(Violation);
            }
            self.events.push_back(QuicEvent::Opened(id));
        }
        let input = &mut self.streams.open(id).input;
        let grown = input.receive(offset, data, fin)?;
        if input.is_readable() {
            self.streams.stir(id);
        }
        self.streams.settle(id);
        self.received_data += grown;
        if self.received_data > self.limit { Err(Violation) } else { Ok(()) }
    }
}
