//! FQ-CoDel (RFC 8290): a queue per flow, each with CoDel, served in turns that favour flows that have just begun.

use super::codel::State;
use super::{Backlog, Dropped, FqCodelSpec, Limit, Queued};
use std::collections::VecDeque;
use tidewire_units::Instant;
use tidewire_wire::Cause;

/// At most so many packets go at a time when the limit is exceeded (as Linux).
const DROP_BATCH: usize = 64;

#[derive(Debug, Default)]
struct Flow {
    backlog: Backlog,
    codel: State,
    deficit: i64,
    is_listed: bool,
}

#[derive(Debug)]
pub(crate) struct FqCodel {
    spec: FqCodelSpec,
    limit: Limit,
    flows: Vec<Flow>,
    new: VecDeque<u32>,
    old: VecDeque<u32>,
    packets: usize,
    bytes: u64,
    pub marked: u64,
}

impl FqCodel {
    pub fn new(spec: FqCodelSpec, limit: Limit) -> FqCodel {
        let mut flows = Vec::new();
        flows.resize_with(spec.flows.clamp(1, 65_536) as usize, Flow::default);
        let (new, old) = (VecDeque::new(), VecDeque::new());
        FqCodel { spec, limit, flows, new, old, packets: 0, bytes: 0, marked: 0 }
    }

    pub fn backlog(&self) -> (usize, u64) {
        (self.packets, self.bytes)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.flows.iter().flat_map(|flow| flow.backlog.iter())
    }

    pub fn take(&mut self) -> Vec<Queued> {
        (self.packets, self.bytes) = (0, 0);
        self.flows.iter_mut().flat_map(|flow| flow.backlog.take()).collect()
    }

    pub fn queue_of(&self, item: &Queued) -> usize {
        item.packet.flow_hash as usize % self.flows.len()
    }

    pub fn enqueue(&mut self, item: Queued, dropped: &mut Dropped) {
        let at = self.queue_of(&item);
        let flow = &mut self.flows[at];
        self.packets += 1;
        self.bytes += u64::from(item.packet.len);
        flow.backlog.push(item);
        if !flow.is_listed {
            (flow.is_listed, flow.deficit) = (true, i64::from(self.spec.quantum));
            self.new.push_back(at as u32);
        }
        if self.limit.is_exceeded(self.packets, self.bytes) {
            self.drop_from_the_fattest(dropped);
        }
    }

    /// Half of what the flow with the most bytes has waiting, from its head (RFC 8290 section 4.1.3).
    fn drop_from_the_fattest(&mut self, dropped: &mut Dropped) {
        let Some(fattest) = self.flows.iter_mut().max_by_key(|flow| flow.backlog.bytes()) else { return };
        let half = fattest.backlog.bytes() / 2;
        for _ in 0..DROP_BATCH {
            let Some(victim) = fattest.backlog.pop() else { break };
            self.packets -= 1;
            self.bytes -= u64::from(victim.packet.len);
            dropped.push((victim, Cause::QueueFull));
            if fattest.backlog.bytes() <= half && !self.limit.is_exceeded(self.packets, self.bytes) {
                break;
            }
        }
    }

    pub fn dequeue(&mut self, now: Instant, dropped: &mut Dropped) -> Option<Queued> {
        loop {
            let is_new = !self.new.is_empty();
            let list = if is_new { &mut self.new } else { &mut self.old };
            let at = *list.front()?;
            let flow = &mut self.flows[at as usize];
            if flow.deficit <= 0 {
                flow.deficit += i64::from(self.spec.quantum);
                list.pop_front();
                self.old.push_back(at);
                continue;
            }
            let (before, marked) = (dropped.len(), flow.codel.marked);
            let next = flow.codel.dequeue(now, &self.spec.codel, &mut flow.backlog, dropped);
            self.marked += flow.codel.marked - marked;
            for (victim, _) in &dropped[before..] {
                self.packets -= 1;
                self.bytes -= u64::from(victim.packet.len);
            }
            let Some(item) = next else {
                list.pop_front();
                // A flow that empties its new queue waits for a turn before it counts as new again.
                if is_new && !self.old.is_empty() {
                    self.old.push_back(at);
                } else {
                    flow.is_listed = false;
                }
                continue;
            };
            flow.deficit -= i64::from(item.packet.len);
            self.packets -= 1;
            self.bytes -= u64::from(item.packet.len);
            return Some(item);
        }
    }
}
