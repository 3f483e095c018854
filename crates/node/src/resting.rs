//! Connections at rest take little room: those that nothing happens to are folded, and unfolded when something does.

use crate::sockets::{Kind, Socket, Sockets};
use crate::tcp::TcpSock;
use std::cmp::Reverse;
use tidewire_l4_transport::Folded;
use tidewire_units::{Instant, Interest, SocketId, WaitToken};
use tidewire_wire::Endpoint;

/// So many connections of a host stay as they are when they come to rest: most will go on soon.
const AWAKE: usize = 32;
/// So many are looked at when another one comes to rest.
const TRIES: usize = 4;

/// A connection at rest; see [`TcpSock`], whose fields are kept.
pub(crate) struct Resting {
    pub conn: Folded,
    pub local: Endpoint,
    pub remote: Endpoint,
    flow_hash: u32,
    flow: u32,
    receives_flow: bool,
    follows: bool,
    armed: Instant,
    reported: u64,
}

impl Resting {
    /// Folded connections are established and have nothing unread, unsent or unacknowledged.
    pub fn is_ready(&self, interest: Interest) -> bool {
        match interest {
            Interest::Connected | Interest::Drained | Interest::Unsent(_) => true,
            Interest::Readable | Interest::Available(_) | Interest::Incoming => false,
            Interest::Writable(bytes) => self.conn.unfold().send_space() >= bytes as usize,
        }
    }
}

impl Kind {
    /// Unfolds a connection at rest.
    #[cold]
    pub(crate) fn wake(&mut self) -> Option<&mut TcpSock> {
        if let Kind::Resting(rest) = self {
            let Resting { conn, local, remote, flow_hash, flow, receives_flow, follows, armed, reported } =
                &**rest;
            let conn = conn.unfold();
            *self = Kind::Tcp(Box::new(TcpSock {
                dscp: conn.config().dscp,
                conn,
                local: *local,
                remote: *remote,
                flow_hash: *flow_hash,
                flow: *flow,
                receives_flow: *receives_flow,
                released: false,
                follows: *follows,
                foreground: false,
                armed: *armed,
                listener: None,
                reported: *reported,
                reported_end: false,
                resting: false,
            }));
        }
        match self {
            Kind::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    fn rest(&mut self) {
        let Kind::Tcp(tcp) = self else { return };
        if tcp.released || tcp.foreground || tcp.listener.is_some() || tcp.reported_end {
            return;
        }
        if let Some(conn) = Folded::of(&mut tcp.conn) {
            *self = Kind::Resting(Box::new(Resting {
                conn,
                local: tcp.local,
                remote: tcp.remote,
                flow_hash: tcp.flow_hash,
                flow: tcp.flow,
                receives_flow: tcp.receives_flow,
                follows: tcp.follows,
                armed: tcp.armed,
                reported: tcp.reported,
            }));
        }
    }
}

impl Sockets {
    /// A connection has come to rest at `now`: of those that did so long before it, those are folded that nothing has
    /// happened to since.
    pub(crate) fn note_rest(&mut self, id: u32, now: Instant) {
        self.resting.push_back((id, now));
        for _ in 0..TRIES {
            if self.resting.len() <= AWAKE {
                return;
            }
            let Some((oldest, since)) = self.resting.pop_front() else { return };
            let Some(Some(Socket { kind: kind @ Kind::Tcp(_), .. })) = self.slots.get_mut(oldest as usize)
            else {
                continue;
            };
            let Kind::Tcp(tcp) = kind else { return };
            let touched = tcp.conn.touched();
            if touched <= since {
                tcp.resting = false;
                kind.rest();
            } else {
                self.resting.push_back((oldest, touched));
            }
        }
    }

    /// The timer of a connection at rest was set for `at`. Returns whether it goes on resting: it was put off, or no longer counts.
    pub(crate) fn rests_on(&mut self, id: u32, at: Instant, now: Instant) -> bool {
        let Some(Some(Socket { kind: Kind::Resting(rest), .. })) = self.slots.get_mut(id as usize) else {
            return false;
        };
        if rest.armed != at {
            return true;
        }
        let next = rest.conn.unfold().next_timeout();
        if next <= now {
            return false;
        }
        rest.armed = next;
        if next < Instant::MAX {
            self.timers.push(Reverse((next, id)));
        }
        true
    }

    /// Bytes that a connection and what belongs to it take, tables that find it by port or time excepted.
    pub fn bytes_of(&self, id: SocketId) -> usize {
        let Some(Some(socket)) = self.slots.get(id.0 as usize) else { return 0 };
        let waiters = socket.waiters.capacity() * size_of::<(Interest, WaitToken)>();
        let kind = match &socket.kind {
            Kind::Tcp(tcp) => size_of_val(&**tcp) + tcp.conn.heap_bytes(),
            Kind::Resting(rest) => size_of_val(&**rest) + rest.conn.heap_bytes(),
            _ => 0,
        };
        size_of_val(socket) + waiters + kind
    }
}
