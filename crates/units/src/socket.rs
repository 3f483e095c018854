//! Words that processes and hosts share about sockets.

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
}

/// Who waits: a process and the generation of its wait, so that an earlier wait's event never ends a later one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct WaitToken {
    /// The process, by spawn number.
    pub process: u32,
    /// The wait, counted by the process.
    pub generation: u32,
}
