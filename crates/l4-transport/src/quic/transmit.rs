//! Datagrams out.

use super::connection::{Carried, QuicConnection, SentPacket};
use super::frame::{Frame, Kind, put_packet, put_varint, varint_len};
use bytes::Bytes;
use tidewire_units::Instant;

/// A datagram with an Initial packet has at least so many bytes (RFC 9000 section 14.1).
const LEAST_INITIAL: usize = 1200;
/// Ranges of an acknowledgment at most.
const ACK_RANGES: usize = 32;
/// What the length of a frame's data takes (RFC 9000 section 16), in datagrams below 16 KB and above.
const LENGTH: usize = 2;
/// The transport error that stands for one of the application in packets of the handshake (RFC 9000 section 20.1).
pub(super) const APPLICATION_ERROR: u64 = 12;

/// A packet under construction.
struct Draft {
    kind: Kind,
    payload: Vec<u8>,
    carried: Vec<Carried>,
    eliciting: bool,
    is_probe: bool,
}

impl QuicConnection {
    /// The next datagram to send now, if there is one.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        self.now = now.as_us();
        if let Some((why, tell)) = &mut self.close {
            let (why, tell) = (*why, std::mem::take(tell));
            // RFC 9000 section 10.2; who was silent for too long is not waited for (section 10.1).
            let wait = 3 * (self.control.pto() + self.config.max_ack_delay.as_us());
            let wait = if why == super::QuicError::TimedOut { 0 } else { wait };
            self.drained.get_or_insert(self.now + wait);
            return tell.then(|| self.farewell(why));
        }
        if self.must_not_send() {
            return None;
        }
        if let Some(size) = self.size_to_try() {
            return Some(self.try_size(usize::from(size)));
        }
        let most = usize::from(self.mtu.size);
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
        if drafts.is_empty() {
            let waits = self.has_data();
            self.control.note_usage(self.now, waits);
            return None;
        }
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

    /// A size that larger datagrams are tried with now: while there is so much to send that it is worth it, and nothing is in doubt.
    fn size_to_try(&self) -> Option<u16> {
        let size = self.mtu.wanted()?;
        let calm = self.handshake.confirmed
            && self.validated
            && self.pto_count == 0
            && self.spaces[2].probes == 0
            && self.control.may_send()
            && self.control.paced_until() <= self.now;
        let enough = 4 * u64::from(size);
        (calm && self.streams.backlog(enough) >= enough).then_some(size)
    }

    fn try_size(&mut self, size: usize) -> Bytes {
        let mut payload = Vec::new();
        Frame::Ping.put(&mut payload);
        payload.resize(size - Kind::OneRtt.overhead(), 0);
        let draft =
            Draft { kind: Kind::OneRtt, payload, carried: Vec::new(), eliciting: true, is_probe: true };
        let mut datagram = Vec::with_capacity(size);
        self.seal(draft, &mut datagram);
        self.mtu.on_sent();
        self.budget.1 += datagram.len() as u64;
        self.counts.datagrams_sent += 1;
        datagram.into()
    }

    /// A datagram that was to be sent was longer than the host's link carries.
    pub fn handle_too_big(&mut self, len: usize) {
        if len > usize::from(self.mtu.size) {
            let probe = self.spaces[2].in_flight.iter().find(|(_, packet)| packet.is_probe);
            if let Some(number) = probe.map(|(number, _)| *number)
                && let Some(packet) = self.spaces[2].in_flight.remove(&number)
            {
                self.control.forget(std::iter::once(&packet.flight));
            }
            self.mtu.refused();
        }
    }

    fn seal(&mut self, draft: Draft, datagram: &mut Vec<u8>) {
        let i = draft.kind.space();
        let number = self.spaces[i].next;
        self.spaces[i].next += 1;
        let before = datagram.len();
        put_packet(draft.kind, self.peer, self.own, number, &draft.payload, datagram);
        self.counts.packets_sent += 1;
        if draft.eliciting {
            if !std::mem::replace(&mut self.has_asked, true) {
                self.silent_since = self.now;
            }
            let flight = self.control.sent(self.now, datagram.len() - before);
            let Draft { is_probe, carried, .. } = draft;
            let early = draft.kind == Kind::ZeroRtt;
            self.spaces[i].in_flight.insert(number, SentPacket { flight, early, is_probe, carried });
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
        let mut draft =
            Draft { kind, payload: Vec::new(), carried: Vec::new(), eliciting: false, is_probe: false };
        let due = self.spaces[i].ack_at.is_some_and(|at| at <= self.now);
        // An acknowledgment goes with what is sent anyway; its room is kept free, or data would crowd it out.
        let ack = (kind != Kind::ZeroRtt && (due || self.spaces[i].unacked > 0)).then(|| self.ack(i, room));
        let ack = ack.unwrap_or_default();
        let room = room - ack.len();
        let probes = self.spaces[i].probes > 0;
        let paced = self.control.paced_until() > self.now;
        if probes || self.control.may_send() {
            self.put_crypto(i, room, &mut draft);
            if i == 2 {
                self.put_control(&mut draft);
                if probes || !paced {
                    self.put_streams(room, &mut draft);
                }
            }
            if probes {
                if draft.carried.is_empty() {
                    self.put(Frame::Ping, Carried::Nothing, &mut draft);
                }
                self.spaces[i].probes -= 1;
            }
        }
        if !ack.is_empty() && (due || draft.eliciting) {
            draft.payload.extend(ack);
            (self.spaces[i].unacked, self.spaces[i].ack_at) = (0, None);
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

    /// An ACK frame of up to `room` bytes: the newest ranges, as many as fit.
    fn ack(&self, i: usize, room: usize) -> Vec<u8> {
        let space = &self.spaces[i];
        let delay = self.now - space.largest_received.1;
        let (mut ranges, mut most) = (space.received.clone(), ACK_RANGES);
        loop {
            let mut bytes = Vec::new();
            ranges.keep(most);
            Frame::Ack(delay, ranges.clone()).put(&mut bytes);
            if bytes.len() <= room {
                return bytes;
            }
            if most == 1 {
                return Vec::new();
            }
            most /= 2;
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
        for _ in 0..20 {
            let Some((id, limit)) = self.streams.next_announced() else { break };
            self.put(Frame::MaxStreamData(id, limit), Carried::MaxStreamData(id), draft);
        }
    }

    fn put_streams(&mut self, room: usize, draft: &mut Draft) {
        if !self.may_send() {
            return;
        }
        while let Some(space) = room.checked_sub(draft.payload.len() + 64).filter(|space| *space > 0) {
            let credit = self.peer_limit - self.sent_data;
            let Some(id) = self.streams.next(credit) else { break };
            let piece = self.streams.change(id, |stream| {
                let overhead = 1 + varint_len(id) + varint_len(stream.out.end) + LENGTH;
                stream.out.next((space + 64).saturating_sub(overhead) as u64, credit)
            });
            let Some(piece) = piece else { break };
            self.sent_data += piece.new;
            let (offset, len, fin) = (piece.offset, piece.data.len() as u64, piece.fin);
            // Written here rather than through a frame, so that the data is copied once.
            for n in [0x0E | u64::from(fin), id, offset, len] {
                put_varint(n, &mut draft.payload);
            }
            piece.data.emit(&mut draft.payload);
            draft.carried.push(Carried::Stream(id, offset, len, fin));
            draft.eliciting = true;
            self.streams.took_turn(id);
        }
    }

    /// CONNECTION_CLOSE in a packet of every kind that the peer may be able to read (RFC 9000 section 10.2.3).
    fn farewell(&mut self, why: super::QuicError) -> Bytes {
        let close = match why {
            super::QuicError::Closed(error) => Frame::Close { error, application: true },
            super::QuicError::Protocol(error) => Frame::Close { error, application: false },
            super::QuicError::TimedOut => Frame::Close { error: 0, application: false },
        };
        let kinds = [Kind::Initial, Kind::Handshake, self.data_kind()];
        let kinds =
            kinds.into_iter().filter(|kind| !self.spaces[kind.space()].discarded && self.has_keys(*kind));
        let mut drafts: Vec<(Kind, Vec<u8>)> = Vec::new();
        for kind in kinds {
            // What an application says is not for everybody to read.
            let early = matches!(kind, Kind::Initial | Kind::Handshake);
            let hidden = Frame::Close { error: APPLICATION_ERROR, application: false };
            let frame = if early && matches!(close, Frame::Close { application: true, .. }) {
                &hidden
            } else {
                &close
            };
            let mut payload = Vec::new();
            frame.put(&mut payload);
            drafts.push((kind, payload));
        }
        let len: usize = drafts.iter().map(|(kind, payload)| kind.overhead() + payload.len()).sum();
        if self.is_client
            && drafts[0].0 == Kind::Initial
            && let Some((_, payload)) = drafts.last_mut()
        {
            payload.resize(payload.len() + LEAST_INITIAL.saturating_sub(len), 0);
        }
        if self.closing.0 == 0 {
            self.closing.0 = self.drained.unwrap_or(self.now);
        }
        let mut datagram = Vec::new();
        for (kind, payload) in drafts {
            let space = &mut self.spaces[kind.space()];
            space.next += 1;
            put_packet(kind, self.peer, self.own, space.next - 1, &payload, &mut datagram);
        }
        self.counts.datagrams_sent += 1;
        datagram.into()
    }
}
