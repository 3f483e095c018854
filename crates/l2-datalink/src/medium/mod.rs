//! Media that several stations share: who may send, what is heard.
//!
//! | file | what is in it |
//! |---|---|
//! | `mod.rs` | frames, stations' queues and counters, [`Heard`]: what every medium has |
//! | `csma_cd.rs` | [`Bus`]: half-duplex Ethernet with collisions (IEEE 802.3 clause 4) |
//! | `dcf.rs` | [`Cell`]: a wireless LAN (IEEE 802.11 DCF) |

mod csma_cd;
mod dcf;

pub use csma_cd::Bus;
pub use dcf::{Cell, CellConfig, CellEvent, CellFrame};

use crate::qdisc::Limit;
use std::collections::VecDeque;
use tidewire_units::{Instant, Span};
use tidewire_wire::{Cause, Hot};

/// A frame at a station.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// The packet in it.
    pub packet: Hot,
    /// Bytes on the medium, preamble included.
    pub bytes: u32,
    /// Nobody will hear it.
    pub is_lost: bool,
}

/// What happens on a medium, for its owner to act on.
#[derive(Clone, Copy, Debug)]
pub enum Heard {
    /// A station hears a frame, and so will others: this one gets a copy.
    Copy {
        /// Who sent it.
        from: u32,
        /// Who hears it.
        to: u32,
        /// The packet, which stays with the medium.
        packet: Hot,
    },
    /// The last station hears a frame.
    Last {
        /// Who sent it.
        from: u32,
        /// Who hears it.
        to: u32,
        /// The packet, which is the owner's again.
        packet: Hot,
    },
    /// A station has sent a frame whole.
    Sent {
        /// Which.
        from: u32,
        /// Bytes of its packet.
        len: u16,
        /// How long that took.
        took: Span,
        /// Nobody will hear it.
        is_lost: bool,
    },
    /// Nobody gets a frame.
    Ended {
        /// Whose it was.
        from: u32,
        /// The packet.
        packet: Hot,
        /// Why.
        cause: Cause,
    },
}

impl Heard {
    /// Whose frame it is about.
    pub fn sender(&self) -> u32 {
        match self {
            Heard::Copy { from, .. }
            | Heard::Last { from, .. }
            | Heard::Sent { from, .. }
            | Heard::Ended { from, .. } => *from,
        }
    }
}

/// Counters of a station since the last restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StationStats {
    /// Frames sent whole.
    pub frames: u64,
    /// Bytes of their packets.
    pub bytes: u64,
    /// Transmissions begun.
    pub attempts: u64,
    /// Transmissions that met another one.
    pub collisions: u64,
    /// Of those, noticed later than any should be: the bus is too long.
    pub late_collisions: u64,
    /// Frames sent whole that met another one elsewhere, which their sender did not notice: the bus is too long.
    pub undetected: u64,
    /// Frames given up after too many attempts.
    pub excessive: u64,
    /// Frames that found the queue full.
    pub queue_full: u64,
    /// Time that frames took which were sent whole and met no other.
    pub carried: Span,
}

impl StationStats {
    /// The counters of both.
    pub fn plus(self, other: StationStats) -> StationStats {
        StationStats {
            frames: self.frames + other.frames,
            bytes: self.bytes + other.bytes,
            attempts: self.attempts + other.attempts,
            collisions: self.collisions + other.collisions,
            late_collisions: self.late_collisions + other.late_collisions,
            undetected: self.undetected + other.undetected,
            excessive: self.excessive + other.excessive,
            queue_full: self.queue_full + other.queue_full,
            carried: self.carried + other.carried,
        }
    }
}

/// Frames that wait at a station; the first is in the adapter and does not count towards the limit.
#[derive(Debug)]
struct Line {
    frames: VecDeque<Frame>,
    limit: Limit,
    bytes: u64,
}

impl Line {
    fn new(limit: Limit) -> Line {
        Line { frames: VecDeque::new(), limit, bytes: 0 }
    }

    /// False when there is no room.
    fn push(&mut self, frame: Frame) -> bool {
        let waiting = self.frames.len().saturating_sub(1);
        let first = self.frames.front().map_or(0, |first| u64::from(first.packet.len));
        let len = u64::from(frame.packet.len);
        let has_room = self.frames.is_empty()
            || match self.limit {
                Limit::Packets(most) => waiting < most as usize,
                Limit::Bytes(most) => self.bytes - first + len <= most,
            };
        if has_room {
            self.bytes += len;
            self.frames.push_back(frame);
        }
        has_room
    }

    fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front()?;
        self.bytes -= u64::from(frame.packet.len);
        Some(frame)
    }

    /// Packets and bytes that wait behind the first frame.
    fn backlog(&self) -> (usize, u64) {
        let Some(first) = self.frames.front() else { return (0, 0) };
        (self.frames.len() - 1, self.bytes - u64::from(first.packet.len))
    }
}

/// The earlier of a time and nothing.
fn or_never(at: Option<Instant>) -> Instant {
    at.unwrap_or(Instant::MAX)
}
