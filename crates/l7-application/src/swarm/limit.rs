//! A peer's own limit of what it sends: blocks of all connections leave one after the other, so that no queue grows before its line.

use super::torrent::Block;
use std::collections::BTreeSet;
use tidewire_units::{Instant, Rate, Span};

/// Headers of each so many bytes take so many more on Ethernet.
const SEGMENT: u64 = 1448;
const HEADERS: u64 = 90;

/// Whose turn it is is not decided here.
#[derive(Debug)]
pub(super) struct Limit {
    rate: Rate,
    free_at: Instant,
    /// Connections with something to send and room for it.
    waiting: BTreeSet<u32>,
}

impl Limit {
    pub fn new(rate: Rate) -> Limit {
        Limit { rate, free_at: Instant::ZERO, waiting: BTreeSet::new() }
    }

    pub fn add(&mut self, conn: u32) {
        self.waiting.insert(conn);
    }

    pub fn remove(&mut self, conn: u32) {
        self.waiting.remove(&conn);
    }

    /// Who waits, when the line is free.
    pub fn ready(&self, now: Instant) -> Option<&BTreeSet<u32>> {
        (now >= self.free_at).then_some(&self.waiting)
    }

    /// A block goes.
    pub fn charge(&mut self, now: Instant, block: Block) {
        let len = u64::from(block.len);
        let takes: Span = self.rate.time_for(len + len.div_ceil(SEGMENT) * HEADERS);
        self.free_at = now + takes;
    }

    /// When somebody's turn comes.
    pub fn wakes_at(&self) -> Instant {
        if self.waiting.is_empty() { Instant::MAX } else { self.free_at }
    }
}
