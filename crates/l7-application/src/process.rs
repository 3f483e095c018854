//! The contract between a program and whoever runs it.

use std::fmt;
use tidewire_units::{Instant, Interest, SocketId};
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

/// Why a socket operation was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Another socket has the port.
    InUse,
    /// There is no route to the destination.
    Unreachable,
    /// The peer has no socket on that port.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// Nobody answered.
    TimedOut,
    /// The connection is closed, or was never open.
    Closed,
    /// Not what this kind of socket can do.
    Invalid,
}

impl fmt::Display for Refusal {
    /// The words that scripts see.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::InUse => "in use",
            Refusal::Unreachable => "unreachable",
            Refusal::Refused => "refused",
            Refusal::Reset => "reset",
            Refusal::TimedOut => "timeout",
            Refusal::Closed => "closed",
            Refusal::Invalid => "invalid",
        })
    }
}

/// The socket calls that a native process uses. Each acts at the current instant and never blocks.
pub trait SocketApi {
    /// Opens a TCP connection to `to`; wait for [`Interest::Connected`].
    fn connect(&mut self, to: Endpoint) -> Result<SocketId, Refusal>;
    /// Opens a UDP socket on a free port, with `to` as its peer.
    fn datagram(&mut self, to: Endpoint) -> Result<SocketId, Refusal>;
    /// Gives a connection `bytes` synthetic bytes to send in all, or as many as it will take for ever.
    fn supply(&mut self, socket: SocketId, bytes: Option<u64>);
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
