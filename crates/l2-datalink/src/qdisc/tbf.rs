//! A token bucket: as a shaper it holds packets back until they conform, as a policer it drops those that do not.

use super::{Backlog, Dequeued, Dropped, Limit, Queued, TbfSpec};
use tidewire_units::{Instant, Span};
use tidewire_wire::Cause;

#[derive(Debug)]
pub(crate) struct Tbf {
    spec: TbfSpec,
    limit: Limit,
    pub backlog: Backlog,
    /// The bucket as a clock: when everything let through so far would have been sent at the bucket's rate. The bucket is full when
    /// that is past, and empty when it lies a whole `depth` ahead.
    spent: Instant,
    /// How long it takes to fill the bucket.
    depth: Span,
}

impl Tbf {
    pub fn new(spec: TbfSpec, limit: Limit) -> Tbf {
        let depth = spec.rate.time_for(spec.burst.0);
        Tbf { spec, limit, backlog: Backlog::default(), spent: Instant::ZERO, depth }
    }

    pub fn enqueue(&mut self, now: Instant, item: Queued, dropped: &mut Dropped) {
        if self.spec.police && self.conforms_at(item.packet.len) > now {
            return dropped.push((item, Cause::Aqm));
        }
        if self.spec.police {
            self.take(now, item.packet.len);
        }
        self.backlog.push_within(self.limit, item, dropped);
    }

    pub fn dequeue(&mut self, now: Instant) -> Dequeued {
        let Some(next) = self.backlog.front() else { return Dequeued::Empty };
        if !self.spec.police {
            let (len, at) = (next.packet.len, self.conforms_at(next.packet.len));
            if at > now {
                return Dequeued::NotBefore(at);
            }
            self.take(now, len);
        }
        self.backlog.pop().map_or(Dequeued::Empty, Dequeued::Packet)
    }

    /// When there are tokens for a packet of `len` bytes. One that is larger than the bucket goes when the bucket is full.
    fn conforms_at(&self, len: u16) -> Instant {
        let needs = self.spec.rate.time_for(u64::from(len)).min(self.depth);
        Instant::from_ps((self.spent + needs).as_ps().saturating_sub(self.depth.as_ps()))
    }

    fn take(&mut self, now: Instant, len: u16) {
        self.spent = self.spent.max(now) + self.spec.rate.time_for(u64::from(len));
    }
}
