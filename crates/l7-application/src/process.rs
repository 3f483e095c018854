//! The contract between a program and whoever runs it.

use tidewire_units::{Instant, Interest, Refusal, SocketId, Span};
use tidewire_wire::{Endpoint, Payload};

/// What a process waits for next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// A point in time.
    Until(Instant),
    /// A socket, at most until a deadline ([`Instant::MAX`] for ever).
    Socket(SocketId, Interest, Instant),
    /// A socket that was subscribed to, at most until a deadline.
    Events(Instant),
    /// Nothing: the process has ended.
    Done,
}

/// Why a process goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resume {
    /// For the first time.
    Start,
    /// The time waited for, or the deadline, has come.
    Timer,
    /// The socket is as it was waited for, or has failed.
    Ready(SocketId),
}

/// The socket calls that a native process uses. Each acts at the current instant and never blocks.
pub trait SocketApi {
    /// Opens a TCP connection to `to`; wait for [`Interest::Connected`].
    fn connect(&mut self, to: Endpoint) -> Result<SocketId, Refusal>;
    /// Opens a UDP socket on a free port, with `to` as its peer.
    fn datagram(&mut self, to: Endpoint) -> Result<SocketId, Refusal>;
    /// Gives a connection `bytes` synthetic bytes to send in all, or as many as it will take for ever.
    fn supply(&mut self, socket: SocketId, bytes: Option<u64>);
    /// Puts bytes into the send buffer; says how many fitted.
    fn send(&mut self, socket: SocketId, payload: Payload) -> Result<usize, Refusal>;
    /// Takes back of the supply what has not been sent.
    fn withdraw(&mut self, socket: SocketId);
    /// Sends one datagram to the socket's peer.
    fn send_datagram(&mut self, socket: SocketId, payload: Payload) -> Result<(), Refusal>;
    /// Closes a socket: a connection sends what it has, then FIN.
    fn close(&mut self, socket: SocketId);
    /// Says that the process's flow goes through this socket, so that its traffic is measured.
    fn measure(&mut self, socket: SocketId);
    /// Uniform random 64 bits of the process's own stream.
    fn random(&mut self) -> u64;

    /// What programs that serve many sockets use.
    fn many(&mut self) -> &mut dyn ManySockets;
}

/// The socket calls of a native process that serves many sockets: it subscribes to each and waits with [`Wait::Events`].
pub trait ManySockets {
    /// Resumes the process once with [`Resume::Ready`] when the socket is as wanted, or has failed. One subscription of each kind
    /// of interest is kept for a socket. Only [`Wait::Events`] keeps subscriptions.
    fn subscribe(&mut self, socket: SocketId, interest: Interest);
    /// Listens on a TCP port; wait for [`Interest::Incoming`].
    fn listen(&mut self, port: u16, backlog: usize) -> Result<SocketId, Refusal>;
    /// Takes a connection from a listener's queue, with its remote end.
    fn accept(&mut self, listener: SocketId) -> Option<(SocketId, Endpoint)>;
    /// Takes up to `max` bytes that have arrived in order; `None` when there are none now, `Err(Closed)` at the end of the stream.
    fn receive(&mut self, socket: SocketId, max: usize) -> Result<Option<Payload>, Refusal>;
    /// Takes all that has arrived in order and puts it behind what is in `into`; `Err(Closed)` when that is nothing and the stream has
    /// ended.
    fn receive_all(&mut self, socket: SocketId, into: &mut Vec<Payload>) -> Result<(), Refusal>;
    /// As [`SocketApi::send`]; a last segment that is not full waits for what follows.
    fn send_more(&mut self, socket: SocketId, payload: Payload) -> Result<usize, Refusal>;
    /// Bytes that were written to a connection and not yet sent.
    fn unsent(&self, socket: SocketId) -> u64;
    /// The smoothed round-trip time of a connection; zero before the first measurement.
    fn round_trip(&self, socket: SocketId) -> Span;
    /// Resets a connection.
    fn abort(&mut self, socket: SocketId);
    /// Why a connection failed, if it did.
    fn failure(&self, socket: SocketId) -> Option<Refusal>;
    /// Opens a UDP socket; port 0 picks a free one.
    fn bind_datagram(&mut self, port: u16) -> Result<SocketId, Refusal>;
    /// Sends a datagram.
    fn send_to(&mut self, socket: SocketId, payload: Payload, to: Endpoint) -> Result<(), Refusal>;
    /// Takes a datagram that has arrived.
    fn receive_from(&mut self, socket: SocketId) -> Option<(Endpoint, Payload)>;
    /// Ends whatever another process waits for, by its spawn number: it goes on in this instant.
    fn wake(&mut self, process: u32);
}

/// A program on a host.
pub trait Process {
    /// Goes on at `now`, and says what it waits for next.
    fn resume(&mut self, now: Instant, why: Resume, sockets: &mut dyn SocketApi) -> Wait;

    /// Its host has crashed: it will not go on, and its sockets are gone. Gives a process to wake, by its spawn number.
    fn crash(&mut self, _now: Instant) -> Option<u32> {
        None
    }
}
