//! Everything that a node says to the world. Nothing calls back up: the world empties the outbox after each input.

use tidewire_units::{Instant, Refusal, Span, WaitToken};
use tidewire_wire::{Birth, Cause, Hot, Packets, PauseFrame};

/// The port number that stands for the loopback interface.
pub const LOOPBACK: u32 = u32::MAX;
/// No flow is measured.
pub const NO_FLOW: u32 = u32::MAX;

/// Numbers of flows from here on are those of connections of workloads: of each end is told what it has received and how it ended.
pub const TRACKED: u32 = 1 << 31;

/// What has become of a measured flow.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Progress {
    /// The sender has transmitted so many bytes of the stream at least once, in all.
    Sent {
        /// The flow.
        flow: u32,
        /// Bytes, in all.
        total: u64,
        /// The sender's smoothed round-trip time; zero before the first sample.
        srtt: Span,
    },
    /// The receiver has so many bytes of the stream in order, in all.
    Received {
        /// The flow.
        flow: u32,
        /// Bytes, in all.
        total: u64,
    },
    /// A data packet reached the receiver, in order or not.
    Packet {
        /// The flow.
        flow: u32,
        /// When it was sent.
        sent_at: Instant,
    },
    /// A datagram was sent.
    DatagramSent {
        /// The flow.
        flow: u32,
        /// Payload bytes.
        bytes: u32,
    },
    /// A datagram reached the receiver.
    Datagram {
        /// The flow.
        flow: u32,
        /// Payload bytes.
        bytes: u32,
        /// When it was sent.
        sent_at: Instant,
    },
    /// A second copy of a datagram, made by a link, reached the receiver.
    Twin {
        /// The flow.
        flow: u32,
    },
    /// The sender's connection has ended, or everything was acknowledged.
    Ended {
        /// The flow.
        flow: u32,
        /// Why the connection failed, if it did.
        failure: Option<Refusal>,
    },
}

/// A packet that has ended at a node; its slots are free again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// How it was born.
    pub birth: Birth,
    /// How it ended.
    pub cause: Cause,
    /// Bytes of the network-layer packet.
    pub len: u16,
}

/// What a node wants done.
#[derive(Default)]
pub struct Outbox {
    /// Packets to send, with where to send them: a host or router gives the number of its interface, or [`LOOPBACK`]; a switch the
    /// number of its port.
    pub sends: Vec<(u32, Hot)>,
    /// Packets that have ended.
    pub ended: Vec<Ended>,
    /// Waits that are over.
    pub wakes: Vec<WaitToken>,
    /// Progress of measured flows.
    pub progress: Vec<Progress>,
    /// The node's next timeout may be earlier than before, or keep the run alive where none did.
    pub timers: bool,
    /// Ports whose neighbour asks for a pause; `timers` says that there are some.
    pub pauses: Vec<(u32, PauseFrame)>,
}

/// What every input comes with: the time, the packets and where to put the outcome.
pub struct Context<'a> {
    /// Now.
    pub now: Instant,
    /// The world's packet pools.
    pub packets: &'a mut Packets,
    /// Outcomes.
    pub out: &'a mut Outbox,
}

impl Context<'_> {
    /// A PAUSE frame has come in through a port.
    #[cold]
    pub(crate) fn pause(&mut self, port: u32, frame: Hot) {
        self.out.pauses.extend(self.packets.pause(&frame).map(|pause| (port, pause)));
        self.out.timers = true;
        self.end(frame, Cause::Delivered);
    }

    /// Ends a packet.
    #[inline]
    pub fn end(&mut self, packet: Hot, cause: Cause) {
        let birth = self.packets.release(packet);
        self.out.ended.push(Ended { birth, cause, len: packet.len });
    }

    /// Sends a packet; see [`Outbox::sends`].
    #[inline]
    pub fn send(&mut self, to: u32, packet: Hot) {
        self.out.sends.push((to, packet));
    }
}
