//! Datagrams out.

use super::connection::{Carried, QuicConnection, SentPacket};
use super::frame::{Frame, Kind, put_packet, put_varint, varint_len};
use bytes::Bytes;
use tidewire_units::Instant;

/// A datagram with an Initial packet has at least so many bytes (RFC 9000 section 14.1).
const LEAST_INITIAL: usize = 1200;

/// A packet under construction.
struct Draft {
    kind: Kind,
    payload: Vec<u8>,
    carried: Vec<Carried>,
    eliciting: bool,
}

impl QuicConnection {
    /// The next datagram to send now, if there is one.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        self.now = now.as_us();
        if let Some((why, tell)) = &mut self.close {
            return std::mem::take(tell).then_some(*why).map(|why| self.farewell(why));
        }
        let most = usize::from(self.config.max_datagram);
        if self.must_not_send() {
            return None;
        }
        let mut drafts: Vec<Draft> = Vec::new();
        let mut left = most;
        for kind in [Kind::Initial, Kind::Handshake, self.data_kind()] {
            if left > kind.overhead() + 64
                && let Some(draft) = self.draft(kind, left - kind.overhead())
            {
                left -= kind.overhead() + draft.payload.len();
                drafts.push(draft);
            }
        }
        drafts.last()?;
        let is_initial =
            drafts.iter().any(|draft| draft.kind == Kind::Initial && (draft.eliciting || self.is_client));
        // RFC 9000 section 8.2.1: a challenge comes with enough bytes for the answer.
        let challenges = |draft: &Draft| draft.carried.iter().any(|what| matches!(what, Carried::Challenge));
        if is_initial || drafts.iter().any(challenges) {
            let len: usize = drafts.iter().map(|draft| draft.kind.overhead() + draft.payload.len()).sum();
            let last = drafts.last_mut()?;
            last.payload.resize(last.payload.len() + LEAST_INITIAL.saturating_sub(len), 0);
        }
        let mut datagram = Vec::with_capacity(most);
        for draft in drafts {
            self.seal(draft, &mut datagram);
        }
        self.budget.1 += datagram.len() as u64;
        self.counts.datagrams_sent += 1;
        Some(datagram.into())
    }

    fn seal(&mut self, draft: Draft, datagram: &mut Vec<u8>) {
        let i = draft.kind.space();
        let number = self.spaces[i].next;
        self.spaces[i].next += 1;
        let before = datagram.len();
        put_packet(draft.kind, self.peer, self.own, number, &draft.payload, datagram);
        self.counts.packets_sent += 1;
        if draft.eliciting {
            let flight = self.control.sent(self.now, number, datagram.len() - before);
            let early = draft.kind == Kind::ZeroRtt;
            self.spaces[i].in_flight.insert(number, SentPacket { flight, early, carried: draft.carried });
            self.spaces[i].last_eliciting = self.now;
        }
        if draft.kind == Kind::Handshake && self.is_client {
            self.discard(0);
        }
    }

    /// A packet of one kind with up to `room` bytes of frames; nothing when there is nothing to say.
    fn draft(&mut self, kind: Kind, room: usize) -> Option<Draft> {
        let i = kind.space();
        if self.spaces[i].discarded || !self.has_keys(kind) {
            return None;
        }
        let mut draft = Draft { kind, payload: Vec::new(), carried: Vec::new(), eliciting: false };
        let probes = self.spaces[i].probes > 0;
        let paced = self.control.paced_until() > self.now;
        if probes || (self.control.may_send() && !paced) {
            self.put_crypto(i, room, &mut draft);
            if i == 2 {
                self.put_control(&mut draft);
                self.put_streams(room, &mut draft);
            }
            if probes {
                if draft.carried.is_empty() {
                    self.put(Frame::Ping, Carried::Nothing, &mut draft);
                }
                self.spaces[i].probes -= 1;
            }
        } else if i == 2 && self.has_data() {
            self.control.note_limited(true);
        }
        let due = self.spaces[i].ack_at.is_some_and(|at| at <= self.now);
        if kind != Kind::ZeroRtt && (due || draft.eliciting && self.spaces[i].unacked > 0) {
            self.put_ack(i, room, &mut draft);
        }
        (!draft.payload.is_empty()).then_some(draft)
    }

    fn has_keys(&self, kind: Kind) -> bool {
        match kind {
            Kind::Initial => true,
            Kind::Handshake => self.handshake.replied,
            Kind::ZeroRtt => self.handshake.early,
            Kind::OneRtt => self.handshake.complete || !self.is_client && self.handshake.replied,
        }
    }

    fn put(&mut self, frame: Frame, carried: Carried, draft: &mut Draft) {
        frame.put(&mut draft.payload);
        draft.carried.push(carried);
        draft.eliciting = true;
    }

    fn put_ack(&mut self, i: usize, room: usize, draft: &mut Draft) {
        let space = &mut self.spaces[i];
        let delay = self.now - space.largest_received.1;
        let mut bytes = Vec::new();
        let mut ranges = space.received.clone();
        Frame::Ack(delay, ranges.clone()).put(&mut bytes);
        if draft.payload.len() + bytes.len() > room {
            ranges.keep(1);
            bytes.clear();
            Frame::Ack(delay, ranges).put(&mut bytes);
        }
        if draft.payload.len() + bytes.len() <= room {
            draft.payload.extend(bytes);
            (space.unacked, space.ack_at) = (0, None);
        }
    }

    fn put_crypto(&mut self, i: usize, room: usize, draft: &mut Draft) {
        while let Some(space) = room.checked_sub(draft.payload.len() + 40).filter(|space| *space > 0) {
            let Some(piece) = self.spaces[i].crypto_out.next(space as u64, u64::MAX >> 2) else { return };
            let (offset, len) = (piece.offset, piece.data.len() as u64);
            let data = Bytes::from(piece.data.to_bytes().into_owned());
            self.put(Frame::Crypto { offset, data }, Carried::Crypto(offset, len), draft);
        }
    }

    fn put_control(&mut self, draft: &mut Draft) {
        if draft.kind == Kind::ZeroRtt {
            return;
        }
        if std::mem::take(&mut self.handshake_done) {
            self.put(Frame::HandshakeDone, Carried::HandshakeDone, draft);
        }
        if let Some(what) = self.response.take() {
            self.put(Frame::PathResponse(what), Carried::Nothing, draft);
        }
        if let Some(what) = self.challenge.take() {
            self.put(Frame::PathChallenge(what), Carried::Challenge, draft);
        }
        if std::mem::take(&mut self.announce_limit) {
            self.put(Frame::MaxData(self.limit), Carried::MaxData, draft);
        }
        let announced: Vec<(u64, u64)> = self
            .streams
            .iter_mut()
            .filter(|(_, stream)| stream.announce)
            .take(20)
            .map(|(id, stream)| {
                stream.announce = false;
                (*id, stream.input.limit)
            })
            .collect();
        for (id, limit) in announced {
            self.put(Frame::MaxStreamData(id, limit), Carried::MaxStreamData(id), draft);
        }
    }

    /// Streams take turns, a packet each.
    fn put_streams(&mut self, room: usize, draft: &mut Draft) {
        if !self.may_send() {
            return;
        }
        while let Some(space) = room.checked_sub(draft.payload.len() + 64).filter(|space| *space > 0) {
            let credit = self.peer_limit - self.sent_data;
            let wants =
                |(id, stream): (&u64, &super::connection::Stream)| stream.out.wants(credit).then_some(*id);
            let next = self.streams.range(self.turn..).find_map(wants);
            let Some(id) = next.or_else(|| self.streams.range(..self.turn).find_map(wants)) else { break };
            let stream = self.stream(id);
            let overhead = 1 + varint_len(id) + varint_len(stream.out.end) + 4;
            let room = (space + 64).saturating_sub(overhead) as u64;
            let Some(piece) = stream.out.next(room, credit) else { break };
            self.sent_data += piece.new;
            let (offset, len, fin) = (piece.offset, piece.data.len() as u64, piece.fin);
            // Written here rather than through a frame, so that the data is copied once.
            for n in [0x0E | u64::from(fin), id, offset, len] {
                put_varint(n, &mut draft.payload);
            }
            piece.data.emit(&mut draft.payload);
            draft.carried.push(Carried::Stream(id, offset, len, fin));
            draft.eliciting = true;
            self.turn = id + 1;
        }
        if draft.eliciting && !self.has_data() {
            self.control.note_limited(false);
        }
    }

    /// CONNECTION_CLOSE, once (RFC 9000 section 10.2.3).
    fn farewell(&mut self, why: super::QuicError) -> Bytes {
        let (error, application) = match why {
            super::QuicError::Closed(code) => (code, true),
            super::QuicError::Protocol(code) => (code, false),
            super::QuicError::TimedOut => (0, false),
        };
        let mut payload = Vec::new();
        Frame::Close { error, application }.put(&mut payload);
        let kind = if self.handshake.complete { Kind::OneRtt } else { Kind::Initial };
        let mut datagram = Vec::new();
        let space = &mut self.spaces[kind.space()];
        space.next += 1;
        put_packet(kind, self.peer, self.own, space.next - 1, &payload, &mut datagram);
        datagram.into()
    }
}
