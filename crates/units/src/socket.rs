//! Words that processes and hosts share about sockets.

use std::fmt;

/// A socket of a host; never reused within a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SocketId(pub u32);

/// What a process waits for at a socket. An error or the end of the stream satisfies every interest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// The connection is established, or has failed.
    Connected,
    /// There is something to read, or the end of the stream.
    Readable,
    /// So many bytes can be written.
    Writable(u32),
    /// A connection can be accepted.
    Incoming,
    /// Everything that was sent has been acknowledged.
    Drained,
    /// So many bytes can be read, or the end of the stream has come.
    Available(u32),
    /// At most so many bytes have been written and not yet sent.
    Unsent(u32),
}

/// Who waits: a process and the generation of its wait, so that an earlier wait's event never ends a later one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct WaitToken {
    /// The process, by spawn number.
    pub process: u32,
    /// The wait, counted by the process; or the socket of a subscription.
    pub generation: u32,
}

/// Generations from here on are subscriptions.
const SUBSCRIPTION: u32 = 1 << 31;

impl WaitToken {
    /// A process wants to be told once, whatever else it waits for meanwhile.
    pub const fn subscription(process: u32, socket: SocketId) -> WaitToken {
        WaitToken { process, generation: SUBSCRIPTION | socket.0 }
    }

    /// The socket, when this is a subscription.
    pub const fn subscribed(self) -> Option<SocketId> {
        if self.generation >= SUBSCRIPTION { Some(SocketId(self.generation - SUBSCRIPTION)) } else { None }
    }
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
    /// Larger than a packet can be on the way there.
    TooBig,
    /// The host stopped.
    Cancelled,
    /// The host does not run.
    Down,
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
            Refusal::TooBig => "too big",
            Refusal::Cancelled => "cancelled",
            Refusal::Down => "host is down",
            Refusal::Invalid => "invalid",
        })
    }
}

impl std::error::Error for Refusal {}
