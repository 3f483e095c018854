//! The contract between a program and whoever runs it.

use tidewire_units::{Instant, Interest, Refusal, SocketId};
use tidewire_wire::{Endpoint, Payload};

/// What a process waits for next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// A point in time.
    Until(Instant),
    /// A socket, at most until a deadline ([`Instant::MAX`] for ever).
    Socket(SocketId, Interest, Instant),
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
}

/// A program on a host.
pub trait Process {
    /// Goes on at `now`, and says what it waits for next.
    fn resume(&mut self, now: Instant, why: Resume, sockets: &mut dyn SocketApi) -> Wait;
}
