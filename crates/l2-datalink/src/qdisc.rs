//! Queue disciplines: who among those that wait at a port is sent, marked or dropped.

use std::collections::VecDeque;
use tidewire_units::{Instant, Stream};
use tidewire_wire::{Cause, Hot};

/// A packet that waits.
#[derive(Clone, Copy, Debug)]
pub struct Queued {
    /// The packet.
    pub packet: Hot,
    /// Since when it waits.
    pub since: Instant,
    /// The caller's own mark, given back with the packet.
    pub tag: u32,
}

/// What a discipline lets go.
#[derive(Clone, Copy, Debug)]
pub enum Dequeued {
    /// This packet is next.
    Packet(Queued),
    /// Something waits, and may not go before this time.
    NotBefore(Instant),
    /// Nothing waits.
    Empty,
}

/// A discipline and its parameters.
#[derive(Clone, PartialEq, Debug)]
pub enum DisciplineSpec {
    /// First in, first out; so many packets may wait.
    DropTail {
        /// Packets.
        limit: usize,
    },
}

/// A queue discipline at work.
#[derive(Debug)]
pub struct Discipline {
    limit: usize,
    queue: VecDeque<Queued>,
    bytes: u64,
}

impl Discipline {
    /// An empty queue.
    pub fn new(spec: &DisciplineSpec, _: Stream) -> Discipline {
        let DisciplineSpec::DropTail { limit } = spec;
        Discipline { limit: *limit, queue: VecDeque::new(), bytes: 0 }
    }

    /// A packet arrives. What is dropped, it or another, is added to `dropped`.
    pub fn enqueue(&mut self, _: Instant, item: Queued, dropped: &mut Vec<(Queued, Cause)>) {
        if self.queue.len() >= self.limit {
            return dropped.push((item, Cause::QueueFull));
        }
        self.bytes += u64::from(item.packet.len);
        self.queue.push_back(item);
    }

    /// The transmitter is free: the next packet.
    pub fn dequeue(&mut self, _: Instant, _: &mut Vec<(Queued, Cause)>) -> Dequeued {
        let Some(item) = self.queue.pop_front() else { return Dequeued::Empty };
        self.bytes -= u64::from(item.packet.len);
        Dequeued::Packet(item)
    }

    /// Packets and bytes that wait.
    pub fn backlog(&self) -> (usize, u64) {
        (self.queue.len(), self.bytes)
    }

    /// Everything that waits.
    pub fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.queue.iter()
    }

    /// Gives everything back.
    pub fn clear(&mut self) -> Vec<Queued> {
        self.bytes = 0;
        self.queue.drain(..).collect()
    }
}
