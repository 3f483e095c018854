//! The handshake: messages of TLS 1.3 by size, carried in CRYPTO frames (RFC 9001 section 4).

use super::connection::{QuicConnection, QuicEvent};
use crate::clock::Us;

/// What a client remembers of a server: that it may resume, and what it may send before it hears from it (RFC 9000 section 7.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// On a stream, before it is read.
    pub stream_window: u64,
    /// On all streams together.
    pub window: u64,
}

/// What has been agreed on so far.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    /// The client has a ticket, and may send early data.
    pub ticket: bool,
    pub early: bool,
    /// The server has answered.
    pub replied: bool,
    pub complete: bool,
    pub confirmed: bool,
    /// After how long without a packet the peer gives up (RFC 9000 section 10.1).
    pub peer_idle: Option<Us>,
    /// What the peer takes before it is read.
    pub peer_windows: Option<Ticket>,
    resumed: bool,
    early_taken: bool,
}

impl Handshake {
    /// Keys for packets of the handshake and of 1-RTT.
    pub fn keys(&self) -> [bool; 2] {
        [self.replied, self.complete]
    }
}

/// Kinds of messages (RFC 8446 section 4).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const NEW_TICKET: u8 = 4;
const EXTENSIONS: u8 = 8;
const CERTIFICATE: u8 = 11;
const CERTIFICATE_VERIFY: u8 = 15;
const FINISHED: u8 = 20;
/// Their sizes, headers of 4 bytes not counted, for usual parameters.
const HELLO: usize = 280;
const TICKET_EXTENSION: usize = 180;
const SERVER_HELLO_LEN: usize = 118;
const EXTENSIONS_LEN: usize = 90;
const VERIFY_LEN: usize = 264;
const FINISHED_LEN: usize = 36;
const TICKET_LEN: usize = 220;

/// Where a message has the transport parameters that count here (RFC 9000 section 18.2): max_idle_timeout, initial_max_stream_data of
/// all kinds of streams, initial_max_data.
const PARAMETERS: [std::ops::Range<usize>; 3] = [5..13, 13..21, 21..29];
/// Where a client's ticket says what the server took then; a real one is hidden in it.
const REMEMBERED: [std::ops::Range<usize>; 2] = [29..37, 37..45];
const PARAMETERS_END: usize = 45;

/// A message: its kind, length, and a first byte that stands for what it says.
fn message(kind: u8, len: usize, says: u8) -> Vec<u8> {
    let mut bytes = vec![0; 4 + len];
    bytes[0] = kind;
    bytes[1..4].copy_from_slice(&(len as u32).to_be_bytes()[1..]);
    bytes[4] = says;
    bytes
}

fn value(said: &[u8], at: std::ops::Range<usize>) -> Option<u64> {
    said.get(at)?.try_into().ok().map(u64::from_be_bytes)
}

impl QuicConnection {
    pub(super) fn begin_client(&mut self, ticket: Option<Ticket>) {
        let has = ticket.is_some();
        (self.handshake.ticket, self.handshake.early) = (has, has);
        if let Some(ticket) = ticket {
            self.peer_limit = ticket.window;
            self.streams.set_peer_window(ticket.stream_window);
        }
        let extra = if has { TICKET_EXTENSION } else { 0 };
        self.introduce(0, CLIENT_HELLO, HELLO + extra, u8::from(has), ticket);
    }

    fn say(&mut self, space: usize, kind: u8, len: usize, says: u8) {
        self.spaces[space].crypto_out.write(message(kind, len, says).into());
    }

    /// Says something, and its transport parameters (RFC 9001 section 8.2).
    fn introduce(&mut self, space: usize, kind: u8, len: usize, says: u8, ticket: Option<Ticket>) {
        let mut message = message(kind, len, says);
        let own = [self.config.idle.as_us(), self.config.stream_window, self.config.window];
        for (at, value) in PARAMETERS.into_iter().zip(own) {
            message[at].copy_from_slice(&value.to_be_bytes());
        }
        let remembered = ticket.into_iter().flat_map(|ticket| [ticket.stream_window, ticket.window]);
        for (at, value) in REMEMBERED.into_iter().zip(remembered) {
            message[at].copy_from_slice(&value.to_be_bytes());
        }
        self.spaces[space].crypto_out.write(message.into());
    }

    /// Reads the messages of a space that are whole.
    pub(super) fn read_messages(&mut self, space: usize) {
        loop {
            // A message is taken only when all of it is there: what was taken of an incomplete one is kept here.
            let input = &mut self.spaces[space].crypto_in;
            let Some(head) = input.peek(5) else { return };
            let len = usize::from(head[1]) << 16 | usize::from(head[2]) << 8 | usize::from(head[3]);
            let Some(said) = input.peek((4 + len).clamp(5, PARAMETERS_END)) else { return };
            if !input.skip(4 + len) {
                return;
            }
            input.limit = input.read + (1 << 20);
            if matches!(head[0], CLIENT_HELLO | EXTENSIONS) {
                self.learn_parameters(&said);
            }
            let early = head[0] == CLIENT_HELLO && self.takes_early(&said);
            self.hear(space, head[0], head[4], early);
        }
    }

    /// What the peer takes, and how long it waits. What was sent early is within that, if it was taken.
    fn learn_parameters(&mut self, said: &[u8]) {
        let [Some(idle), Some(stream_window), Some(window)] = PARAMETERS.map(|at| value(said, at)) else {
            return;
        };
        self.handshake.peer_idle = Some(idle);
        self.handshake.peer_windows = Some(Ticket { stream_window, window });
        self.peer_limit = window.max(self.sent_data);
        self.streams.set_peer_window(stream_window);
    }

    /// The ticket that the server has given, and what it takes.
    pub fn ticket(&self) -> Option<Ticket> {
        self.handshake.peer_windows.filter(|_| self.is_client && self.handshake.complete)
    }

    /// A server must not take early data that may be more than it takes now (RFC 9000 section 7.4.1).
    fn takes_early(&self, said: &[u8]) -> bool {
        let [Some(stream_window), Some(window)] = REMEMBERED.map(|at| value(said, at)) else { return false };
        self.config.accept_early && stream_window <= self.config.stream_window && window <= self.config.window
    }

    fn hear(&mut self, space: usize, kind: u8, says: u8, early: bool) {
        match (self.is_client, space, kind) {
            (false, 0, CLIENT_HELLO) if !self.handshake.replied => self.answer(says == 1, early),
            (true, 0, SERVER_HELLO) => self.handshake.replied = true,
            (true, 1, EXTENSIONS) => {
                self.handshake.resumed = says & 1 == 1;
                self.handshake.early_taken = says & 2 == 2;
            }
            (true, 1, FINISHED) if !self.handshake.complete => {
                self.say(1, FINISHED, FINISHED_LEN, 0);
                if self.handshake.early && !self.handshake.early_taken {
                    self.repeat_early();
                }
                self.complete();
            }
            (false, 1, FINISHED) if !self.handshake.complete => {
                self.say(2, NEW_TICKET, TICKET_LEN, 0);
                self.handshake_done = true;
                self.complete();
                self.confirm();
            }
            (true, 2, NEW_TICKET) => self.events.push_back(QuicEvent::Ticket),
            _ => {}
        }
    }

    fn answer(&mut self, ticket: bool, early: bool) {
        let early = ticket && early;
        (self.handshake.replied, self.handshake.resumed) = (true, ticket);
        (self.handshake.early, self.handshake.early_taken) = (early, early);
        self.say(0, SERVER_HELLO, SERVER_HELLO_LEN, 0);
        self.introduce(1, EXTENSIONS, EXTENSIONS_LEN, u8::from(ticket) | u8::from(early) << 1, None);
        if !ticket {
            self.say(1, CERTIFICATE, self.config.certificate.max(1) as usize, 0);
            self.say(1, CERTIFICATE_VERIFY, VERIFY_LEN, 0);
        }
        self.say(1, FINISHED, FINISHED_LEN, 0);
    }

    fn complete(&mut self) {
        self.handshake.complete = true;
        let early = self.handshake.early && self.handshake.early_taken;
        self.events.push_back(QuicEvent::Connected { resumed: self.handshake.resumed, early });
    }

    /// Both sides know that it is complete (RFC 9001 section 4.1.2): the keys of the handshake are not needed any more.
    pub(super) fn confirm(&mut self) {
        self.handshake.confirmed = true;
        self.discard(0);
        self.discard(1);
    }

    /// RFC 9002 section 6.4.
    pub(super) fn discard(&mut self, space: usize) {
        let of = &mut self.spaces[space];
        if std::mem::replace(&mut of.discarded, true) {
            return;
        }
        let packets = std::mem::take(&mut of.in_flight);
        (of.loss_time, of.ack_at, of.probes) = (None, None, 0);
        self.control.forget(packets.values().map(|packet| &packet.flight));
        self.pto_count = 0;
    }

    /// The server did not take early data: it counts as never sent, and that says nothing of the path (RFC 9001 section 4.6.2).
    fn repeat_early(&mut self) {
        let space = &mut self.spaces[2];
        let early: Vec<u64> =
            space.in_flight.iter().filter(|(_, packet)| packet.early).map(|(number, _)| *number).collect();
        let packets: Vec<_> = early.iter().filter_map(|number| space.in_flight.remove(number)).collect();
        self.control.forget(packets.iter().map(|packet| &packet.flight));
        if let Some(now) = self.handshake.peer_windows {
            (self.sent_data, self.peer_limit) = (0, now.window);
            self.streams.restart(now.stream_window);
        }
    }
}
