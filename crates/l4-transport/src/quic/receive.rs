//! Datagrams in.

use super::connection::{QuicConnection, QuicError, QuicEvent};
use super::frame::{Frame, Kind, Packet, frames, packets};
use super::stream::Violation;
use bytes::Bytes;
use tidewire_units::Instant;
use tidewire_wire::Endpoint;

/// Transport error codes (RFC 9000 section 20.1).
const FRAME_ENCODING: u64 = 7;
const FLOW_CONTROL: u64 = 3;
const PROTOCOL: u64 = 10;

impl QuicConnection {
    /// A datagram came from `from`.
    pub fn handle_datagram(&mut self, now: Instant, from: Endpoint, datagram: &Bytes) {
        self.now = now.as_us();
        if self.close.is_some() {
            return;
        }
        if self.idle_timeout() <= now {
            return self.end(QuicError::TimedOut, false);
        }
        self.budget.0 += datagram.len() as u64;
        for packet in packets(datagram) {
            self.handle_packet(from, packet);
        }
    }

    fn handle_packet(&mut self, from: Endpoint, packet: Packet) {
        let space = packet.kind.space();
        let unreadable = match packet.kind {
            Kind::OneRtt => !self.handshake.complete,
            Kind::ZeroRtt => self.is_client || !self.handshake.early,
            Kind::Handshake => self.is_client && !self.handshake.replied,
            Kind::Initial => false,
        };
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
        self.note_received(space, packet.number, frames.iter().any(Frame::elicits_ack));
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

    fn note_received(&mut self, i: usize, number: u64, eliciting: bool) {
        let space = &mut self.spaces[i];
        let (largest, _) = space.largest_received;
        let in_order = number == largest + 1 || space.received.descending().nth(1).is_none();
        if number >= largest {
            space.largest_received = (number, self.now);
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
            Frame::PathResponse(_) => self.validated = true,
            Frame::Close { error, application } => {
                let why = if application { QuicError::Closed(error) } else { QuicError::Protocol(error) };
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
        if !self.streams.contains(id) {
            if !by_peer || id & 2 != 0 {
                return Err(Violation);
            }
            self.events.push_back(QuicEvent::Opened(id));
        }
        let grown = self.streams.open(id).input.receive(offset, data, fin)?;
        self.received_data += grown;
        if self.received_data > self.limit { Err(Violation) } else { Ok(()) }
    }
}
