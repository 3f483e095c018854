//! Disciplines that tell flows or classes apart: deficit round robin and strict priority.

use super::{Backlog, Dropped, DrrSpec, Limit, Queued};
use std::collections::VecDeque;
use tidewire_wire::Cause;

/// Queues of a discipline that tells flows apart.
const FLOW_QUEUES: usize = 1024;

#[derive(Debug)]
struct Turn {
    backlog: Backlog,
    quantum: i64,
    deficit: i64,
    is_active: bool,
}

/// Deficit round robin (Shreedhar and Varghese 1995): each queue in turn sends what its saved-up quantum pays for.
#[derive(Debug)]
pub(crate) struct Drr {
    limit: Limit,
    pub by_flow: bool,
    turns: Vec<Turn>,
    active: VecDeque<u32>,
    packets: usize,
    bytes: u64,
}

impl Drr {
    pub fn new(spec: &DrrSpec, limit: Limit) -> Drr {
        let by_flow = spec.weights.is_empty();
        let weights = if by_flow { vec![1; FLOW_QUEUES] } else { spec.weights.clone() };
        let turn = |weight: u32| Turn {
            backlog: Backlog::default(),
            quantum: i64::from(spec.quantum.max(1)) * i64::from(weight.max(1)),
            deficit: 0,
            is_active: false,
        };
        let turns = weights.into_iter().map(turn).collect();
        Drr { limit, by_flow, turns, active: VecDeque::new(), packets: 0, bytes: 0 }
    }

    pub fn backlog(&self) -> (usize, u64) {
        (self.packets, self.bytes)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.turns.iter().flat_map(|turn| turn.backlog.iter())
    }

    pub fn take(&mut self) -> Vec<Queued> {
        (self.packets, self.bytes) = (0, 0);
        // Queues that are empty leave the round when their turn comes.
        self.turns.iter_mut().flat_map(|turn| turn.backlog.take()).collect()
    }

    pub fn queue_of(&self, item: &Queued) -> usize {
        let n = self.turns.len();
        if self.by_flow { item.packet.flow_hash as usize % n } else { usize::from(item.class).min(n - 1) }
    }

    pub fn enqueue(&mut self, item: Queued, dropped: &mut Dropped) {
        let at = self.queue_of(&item);
        self.packets += 1;
        self.bytes += u64::from(item.packet.len);
        self.turns[at].backlog.push(item);
        if !self.turns[at].is_active {
            self.turns[at].is_active = true;
            self.turns[at].deficit = 0;
            self.active.push_back(at as u32);
        }
        while self.limit.is_exceeded(self.packets, self.bytes) {
            // Room is made where most waits, so that nobody pays for another's queue (McKenney 1991).
            let longest = self.active.iter().max_by_key(|at| self.turns[**at as usize].backlog.bytes());
            let Some(victim) = longest.and_then(|at| self.turns[*at as usize].backlog.pop()) else { break };
            self.packets -= 1;
            self.bytes -= u64::from(victim.packet.len);
            dropped.push((victim, Cause::QueueFull));
        }
    }

    pub fn dequeue(&mut self) -> Option<Queued> {
        loop {
            let at = *self.active.front()?;
            let turn = &mut self.turns[at as usize];
            let Some(next) = turn.backlog.front() else {
                turn.is_active = false;
                self.active.pop_front();
                continue;
            };
            if i64::from(next.packet.len) > turn.deficit {
                turn.deficit += turn.quantum;
                self.active.rotate_left(1);
                continue;
            }
            let item = turn.backlog.pop()?;
            turn.deficit -= i64::from(item.packet.len);
            if turn.backlog.is_empty() {
                turn.is_active = false;
                self.active.pop_front();
            }
            self.packets -= 1;
            self.bytes -= u64::from(item.packet.len);
            return Some(item);
        }
    }
}

/// Strict priority: a band is served when all before it are empty.
#[derive(Debug)]
pub(crate) struct Prio {
    limit: Limit,
    bands: Vec<Backlog>,
}

impl Prio {
    pub fn new(bands: u8, limit: Limit) -> Prio {
        let mut all = Vec::new();
        all.resize_with(usize::from(bands.max(1)), Backlog::default);
        Prio { limit, bands: all }
    }

    pub fn backlog(&self) -> (usize, u64) {
        self.bands.iter().fold((0, 0), |(packets, bytes), band| (packets + band.len(), bytes + band.bytes()))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.bands.iter().flat_map(Backlog::iter)
    }

    pub fn take(&mut self) -> Vec<Queued> {
        self.bands.iter_mut().flat_map(Backlog::take).collect()
    }

    pub fn queue_of(&self, item: &Queued) -> usize {
        usize::from(item.class).min(self.bands.len() - 1)
    }

    /// Each band has the limit for itself, so that a flood in one does not close another.
    pub fn enqueue(&mut self, item: Queued, dropped: &mut Dropped) {
        let band = self.queue_of(&item);
        self.bands[band].push_within(self.limit, item, dropped);
    }

    pub fn dequeue(&mut self) -> Option<Queued> {
        self.bands.iter_mut().find_map(Backlog::pop)
    }
}
