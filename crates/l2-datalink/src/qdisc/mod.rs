//! Queue disciplines: who among those that wait at a port is sent, marked or dropped.
//!
//! | file | what is in it |
//! |---|---|
//! | `mod.rs` | [`Discipline`], the one that the world knows; [`Backlog`], first in, first out |
//! | `spec.rs` | [`DisciplineSpec`], every parameter with its default |
//! | `codel.rs` | CoDel (RFC 8289) |
//! | `fq_codel.rs` | FQ-CoDel (RFC 8290) |
//! | `pie.rs` | PIE (RFC 8033) |
//! | `red.rs` | RED (Floyd and Jacobson 1993) |
//! | `classes.rs` | deficit round robin and strict priority |
//! | `tbf.rs` | token bucket |
//! | `queues.rs` | [`QueueStats`]: what each queue of a discipline with several has done |

mod classes;
mod codel;
mod fq_codel;
mod pie;
mod queues;
mod red;
mod spec;
mod tbf;

pub use queues::QueueStats;
pub use spec::{
    CeThreshold, CodelSpec, DisciplineSpec, DrrSpec, FqCodelSpec, Kind, Limit, PieSpec, RedSpec, TbfSpec,
};

use classes::{Drr, Prio};
use codel::Codel;
use fq_codel::FqCodel;
use pie::Pie;
use queues::Queues;
use red::Red;
use std::collections::VecDeque;
use tbf::Tbf;
use tidewire_units::{Instant, Stream};
use tidewire_wire::{Cause, Ecn, Hot};

/// A packet that waits.
#[derive(Clone, Copy, Debug)]
pub struct Queued {
    /// The packet.
    pub packet: Hot,
    /// Since when it waits.
    pub since: Instant,
    /// Its class, 0 the most important, for disciplines that tell classes apart.
    pub class: u8,
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

/// What is dropped, and why: [`Cause::QueueFull`] or [`Cause::Aqm`].
pub type Dropped = Vec<(Queued, Cause)>;

#[derive(Debug)]
enum Work {
    DropTail(Backlog, Limit),
    Red(Box<Red>),
    Codel(Box<Codel>),
    FqCodel(Box<FqCodel>),
    Pie(Box<Pie>),
    Drr(Box<Drr>),
    Prio(Box<Prio>),
    Tbf(Box<Tbf>),
}

/// A queue discipline at work.
#[derive(Debug)]
pub struct Discipline {
    work: Work,
    ce_threshold: Option<CeThreshold>,
    step_marked: u64,
    /// Of disciplines that have several queues.
    queues: Option<Queues>,
}

impl Discipline {
    /// An empty queue. `rng` decides for those that drop by chance.
    pub fn new(spec: &DisciplineSpec, rng: Stream) -> Discipline {
        let limit = spec.limit;
        let work = match &spec.kind {
            Kind::DropTail => Work::DropTail(Backlog::default(), limit),
            Kind::Red(red) => Work::Red(Box::new(Red::new(*red, limit, rng))),
            Kind::Codel(codel) => Work::Codel(Box::new(Codel::new(*codel, limit))),
            Kind::FqCodel(fq) => Work::FqCodel(Box::new(FqCodel::new(*fq, limit))),
            Kind::Pie(pie) => Work::Pie(Box::new(Pie::new(*pie, limit, rng))),
            Kind::Drr(drr) => Work::Drr(Box::new(Drr::new(drr, limit))),
            Kind::Prio(bands) => Work::Prio(Box::new(Prio::new(*bands, limit))),
            Kind::Tbf(tbf) => Work::Tbf(Box::new(Tbf::new(*tbf, limit))),
        };
        let has_many = matches!(work, Work::FqCodel(_) | Work::Drr(_) | Work::Prio(_));
        let queues = has_many.then(Queues::default);
        Discipline { work, ce_threshold: spec.ce_threshold, step_marked: 0, queues }
    }

    /// A packet arrives. What is dropped, it or another, is added to `dropped`.
    pub fn enqueue(&mut self, now: Instant, item: Queued, dropped: &mut Dropped) {
        if self.queues.is_none() {
            return self.put(now, item, dropped);
        }
        let (queue, marked, before) = (self.queue_of(&item), self.marked(), dropped.len());
        self.put(now, item, dropped);
        let newly = self.marked() - marked;
        self.count_dropped(&dropped[before..], Some((queue, &item)));
        if let Some(queues) = &mut self.queues {
            queues.marked(queue, newly);
        }
    }

    fn put(&mut self, now: Instant, mut item: Queued, dropped: &mut Dropped) {
        if let Some(CeThreshold::Packets(most)) = self.ce_threshold
            && self.backlog().0 >= most as usize
            && mark(&mut item)
        {
            self.step_marked += 1;
        }
        match &mut self.work {
            Work::DropTail(backlog, limit) => backlog.push_within(*limit, item, dropped),
            Work::Red(red) => red.enqueue(now, item, dropped),
            Work::Codel(codel) => codel.enqueue(item, dropped),
            Work::FqCodel(fq) => fq.enqueue(item, dropped),
            Work::Pie(pie) => pie.enqueue(now, item, dropped),
            Work::Drr(drr) => drr.enqueue(item, dropped),
            Work::Prio(prio) => prio.enqueue(item, dropped),
            Work::Tbf(tbf) => tbf.enqueue(now, item, dropped),
        }
    }

    /// The transmitter is free: the next packet.
    pub fn dequeue(&mut self, now: Instant, dropped: &mut Dropped) -> Dequeued {
        if self.queues.is_none() {
            return self.take_next(now, dropped);
        }
        let (marked, before) = (self.marked(), dropped.len());
        let next = self.take_next(now, dropped);
        self.count_dropped(&dropped[before..], None);
        let newly = self.marked() - marked;
        if let Dequeued::Packet(item) = &next {
            let queue = self.queue_of(item);
            if let Some(queues) = &mut self.queues {
                queues.sent(queue, now, item);
                queues.marked(queue, newly);
            }
        }
        next
    }

    fn take_next(&mut self, now: Instant, dropped: &mut Dropped) -> Dequeued {
        let next = match &mut self.work {
            Work::DropTail(backlog, _) => backlog.pop(),
            Work::Red(red) => red.dequeue(now),
            Work::Codel(codel) => codel.dequeue(now, dropped),
            Work::FqCodel(fq) => fq.dequeue(now, dropped),
            Work::Pie(pie) => pie.dequeue(now),
            Work::Drr(drr) => drr.dequeue(),
            Work::Prio(prio) => prio.dequeue(),
            Work::Tbf(tbf) => return tbf.dequeue(now),
        };
        let Some(mut item) = next else { return Dequeued::Empty };
        if let Some(CeThreshold::Time(most)) = self.ce_threshold
            && now.since(item.since) > most
            && mark(&mut item)
        {
            self.step_marked += 1;
        }
        Dequeued::Packet(item)
    }

    /// The queue that a packet belongs to, of disciplines with several.
    fn queue_of(&self, item: &Queued) -> usize {
        match &self.work {
            Work::FqCodel(fq) => fq.queue_of(item),
            Work::Drr(drr) => drr.queue_of(item),
            Work::Prio(prio) => prio.queue_of(item),
            _ => 0,
        }
    }

    fn count_dropped(&mut self, dropped: &[(Queued, Cause)], came: Option<(usize, &Queued)>) {
        let numbers = dropped.iter().map(|(item, _)| self.queue_of(item)).collect::<Vec<_>>();
        let Some(queues) = &mut self.queues else { return };
        if let Some((queue, item)) = came {
            queues.came(queue, item.packet.flow_hash);
        }
        numbers.into_iter().for_each(|queue| queues.dropped(queue));
    }

    /// What each queue has done, by number; nothing for disciplines with one queue. FQ-CoDel and round robin by flow have a queue for
    /// all flows of one hash, priority and round robin by class one for each class, the most important first.
    pub fn queues(&self) -> &[QueueStats] {
        self.queues.as_ref().map_or(&[], Queues::all)
    }

    /// Whether its queues are of flows, not of classes.
    pub fn tells_flows_apart(&self) -> bool {
        match &self.work {
            Work::FqCodel(_) => true,
            Work::Drr(drr) => drr.by_flow,
            _ => false,
        }
    }

    /// Starts counting anew what queues do.
    pub fn restart_stats(&mut self) {
        self.queues.iter_mut().for_each(Queues::restart);
    }

    /// Packets and bytes that wait.
    pub fn backlog(&self) -> (usize, u64) {
        match &self.work {
            Work::DropTail(backlog, _) => (backlog.len(), backlog.bytes()),
            Work::Red(red) => (red.backlog.len(), red.backlog.bytes()),
            Work::Codel(codel) => (codel.backlog.len(), codel.backlog.bytes()),
            Work::FqCodel(fq) => fq.backlog(),
            Work::Pie(pie) => (pie.backlog.len(), pie.backlog.bytes()),
            Work::Drr(drr) => drr.backlog(),
            Work::Prio(prio) => prio.backlog(),
            Work::Tbf(tbf) => (tbf.backlog.len(), tbf.backlog.bytes()),
        }
    }

    /// Packets that were marked instead of dropped, or by the step.
    pub fn marked(&self) -> u64 {
        let by_discipline = match &self.work {
            Work::Red(red) => red.marked,
            Work::Codel(codel) => codel.state.marked,
            Work::FqCodel(fq) => fq.marked,
            Work::Pie(pie) => pie.marked,
            Work::DropTail(..) | Work::Drr(_) | Work::Prio(_) | Work::Tbf(_) => 0,
        };
        by_discipline + self.step_marked
    }

    /// Everything that waits.
    pub fn iter(&self) -> Box<dyn Iterator<Item = &Queued> + '_> {
        match &self.work {
            Work::DropTail(backlog, _) => Box::new(backlog.iter()),
            Work::Red(red) => Box::new(red.backlog.iter()),
            Work::Codel(codel) => Box::new(codel.backlog.iter()),
            Work::FqCodel(fq) => Box::new(fq.iter()),
            Work::Pie(pie) => Box::new(pie.backlog.iter()),
            Work::Drr(drr) => Box::new(drr.iter()),
            Work::Prio(prio) => Box::new(prio.iter()),
            Work::Tbf(tbf) => Box::new(tbf.backlog.iter()),
        }
    }

    /// Gives everything back: the link goes down.
    pub fn clear(&mut self) -> Vec<Queued> {
        self.queues.iter_mut().for_each(Queues::cleared);
        match &mut self.work {
            Work::DropTail(backlog, _) => backlog.take(),
            Work::Red(red) => red.backlog.take(),
            Work::Codel(codel) => codel.backlog.take(),
            Work::FqCodel(fq) => fq.take(),
            Work::Pie(pie) => pie.backlog.take(),
            Work::Drr(drr) => drr.take(),
            Work::Prio(prio) => prio.take(),
            Work::Tbf(tbf) => tbf.backlog.take(),
        }
    }
}

/// First in, first out, with the bytes counted.
#[derive(Debug, Default)]
pub struct Backlog {
    queue: VecDeque<Queued>,
    bytes: u64,
}

impl Backlog {
    /// Packets.
    #[inline]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// True without packets.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes of IP packets.
    #[inline]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next packet.
    pub fn front(&self) -> Option<&Queued> {
        self.queue.front()
    }

    pub(crate) fn push(&mut self, item: Queued) {
        self.bytes += u64::from(item.packet.len);
        self.queue.push_back(item);
    }

    pub(crate) fn push_within(&mut self, limit: Limit, item: Queued, dropped: &mut Dropped) {
        if limit.allows(self.len(), self.bytes, item.packet.len) {
            self.push(item);
        } else {
            dropped.push((item, Cause::QueueFull));
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Queued> {
        let item = self.queue.pop_front()?;
        self.bytes -= u64::from(item.packet.len);
        Some(item)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.queue.iter()
    }

    pub(crate) fn take(&mut self) -> Vec<Queued> {
        self.bytes = 0;
        self.queue.drain(..).collect()
    }
}

/// Marks a packet as having met congestion, if its sender allows that (RFC 3168 section 5).
pub(crate) fn mark(item: &mut Queued) -> bool {
    let can = item.packet.ecn() != Ecn::NotCapable && item.packet.is_ip();
    if can {
        item.packet.set_ecn(Ecn::Congestion);
    }
    can
}

#[cfg(test)]
pub(crate) mod tests;
