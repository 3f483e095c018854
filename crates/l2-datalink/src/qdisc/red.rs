//! RED (Floyd and Jacobson 1993): packets are dropped as they arrive, the likelier the longer the mean queue, and evenly spaced.

use super::{Backlog, Dropped, Limit, Queued, RedSpec, mark};
use tidewire_units::{Instant, Stream};
use tidewire_wire::Cause;

#[derive(Debug)]
pub(crate) struct Red {
    spec: RedSpec,
    limit: Limit,
    rng: Stream,
    pub backlog: Backlog,
    pub marked: u64,
    /// Exponentially weighted mean of the queue in packets.
    mean: f64,
    /// Packets let pass since the last drop, this one not counted; -1 before the first (section 7).
    count: i64,
    idle_since: Option<Instant>,
}

impl Red {
    pub fn new(spec: RedSpec, limit: Limit, rng: Stream) -> Red {
        let idle_since = Some(Instant::ZERO);
        Red { spec, limit, rng, backlog: Backlog::default(), marked: 0, mean: 0.0, count: -1, idle_since }
    }

    pub fn enqueue(&mut self, now: Instant, mut item: Queued, dropped: &mut Dropped) {
        self.average(now);
        if self.drops_early() {
            self.count = -1;
            let marks = self.spec.ecn && self.mean < self.spec.max && mark(&mut item);
            if !marks {
                return dropped.push((item, Cause::Aqm));
            }
            self.marked += 1;
        }
        self.backlog.push_within(self.limit, item, dropped);
    }

    pub fn dequeue(&mut self, now: Instant) -> Option<Queued> {
        let item = self.backlog.pop();
        if self.backlog.is_empty() {
            self.idle_since.get_or_insert(now);
        }
        item
    }

    fn average(&mut self, now: Instant) {
        if let Some(since) = self.idle_since.take() {
            // As if so many small packets had found the queue empty meanwhile.
            let packets = now.since(since).as_secs_f64() / self.spec.packet_time.as_secs_f64().max(1e-12);
            self.mean *= libm::pow(1.0 - self.spec.weight, packets);
        }
        self.mean += self.spec.weight * (self.backlog.len() as f64 - self.mean);
    }

    fn drops_early(&mut self) -> bool {
        let RedSpec { min, max, max_p, .. } = self.spec;
        let max_p = max_p.get();
        if self.mean < min {
            self.count = -1;
            return false;
        }
        if self.mean >= 2.0 * max {
            return true;
        }
        self.count += 1;
        let base = if self.mean < max {
            max_p * (self.mean - min) / (max - min)
        } else {
            max_p + (1.0 - max_p) * (self.mean - max) / max
        };
        // Drops come at even distances rather than in bunches.
        let spread = 1.0 - self.count as f64 * base;
        let p = if spread > 0.0 { base / spread } else { 1.0 };
        self.rng.unit() < p
    }
}
