//! PIE (RFC 8033): packets are dropped as they arrive, with a probability that follows the delay and its trend.

use super::{Backlog, Dropped, Limit, PieSpec, Queued, mark};
use tidewire_units::{Instant, Span, Stream};
use tidewire_wire::Cause;

/// Gains for the distance from the reference delay and for its change, per second (RFC 8033 section 4.2).
const ALPHA: f64 = 0.125;
const BETA: f64 = 1.25;
/// Queues below two packets are left alone.
const SMALL_BYTES: u64 = 2 * 1500;
/// With marking, what is more likely than this is dropped all the same (RFC 8033 section 5.1).
const MARK_BELOW: f64 = 0.1;
/// A queue that has been idle for so many updates has forgotten everything.
const FORGETS_AFTER: u64 = 1000;

#[derive(Debug)]
pub(crate) struct Pie {
    spec: PieSpec,
    limit: Limit,
    rng: Stream,
    pub backlog: Backlog,
    pub marked: u64,
    probability: f64,
    /// Probability added up since the last drop: it keeps drops apart.
    accumulated: f64,
    delay: Span,
    delay_before: Span,
    burst_left: Span,
    next_update: Instant,
}

impl Pie {
    pub fn new(spec: PieSpec, limit: Limit, rng: Stream) -> Pie {
        Pie {
            spec,
            limit,
            rng,
            backlog: Backlog::default(),
            marked: 0,
            probability: 0.0,
            accumulated: 0.0,
            delay: Span::ZERO,
            delay_before: Span::ZERO,
            burst_left: spec.burst,
            next_update: Instant::ZERO + spec.update,
        }
    }

    pub fn enqueue(&mut self, now: Instant, mut item: Queued, dropped: &mut Dropped) {
        self.catch_up(now);
        if self.drops_early() {
            self.accumulated = 0.0;
            let marks = self.spec.ecn && self.probability <= MARK_BELOW && mark(&mut item);
            if !marks {
                return dropped.push((item, Cause::Aqm));
            }
            self.marked += 1;
        }
        self.backlog.push_within(self.limit, item, dropped);
    }

    pub fn dequeue(&mut self, now: Instant) -> Option<Queued> {
        self.catch_up(now);
        let item = self.backlog.pop()?;
        self.delay = now.since(item.since);
        Some(item)
    }

    fn drops_early(&mut self) -> bool {
        if self.burst_left > Span::ZERO {
            return false;
        }
        let is_calm = self.delay_before < self.spec.target / 2 && self.probability < 0.2;
        if is_calm || self.backlog.bytes() <= SMALL_BYTES {
            return false;
        }
        if self.probability == 0.0 {
            self.accumulated = 0.0;
        }
        self.accumulated += self.probability;
        if self.accumulated < 0.85 {
            return false;
        }
        self.accumulated >= 8.5 || self.rng.unit() < self.probability
    }

    /// Makes the updates that were due by now.
    fn catch_up(&mut self, now: Instant) {
        if self.backlog.is_empty() {
            self.delay = Span::ZERO;
        }
        if now.since(self.next_update) > self.spec.update * FORGETS_AFTER {
            (self.probability, self.accumulated, self.delay_before) = (0.0, 0.0, Span::ZERO);
            self.burst_left = self.spec.burst;
            self.next_update = now + self.spec.update;
        }
        while self.next_update <= now {
            self.update();
            self.next_update += self.spec.update;
        }
    }

    /// RFC 8033 section 4.2 and appendix A.
    fn update(&mut self) {
        let (delay, before) = (self.delay.as_secs_f64(), self.delay_before.as_secs_f64());
        let target = self.spec.target.as_secs_f64();
        let mut step = ALPHA * (delay - target) + BETA * (delay - before);
        step /= match self.probability {
            p if p < 0.000_001 => 2048.0,
            p if p < 0.000_01 => 512.0,
            p if p < 0.000_1 => 128.0,
            p if p < 0.001 => 32.0,
            p if p < 0.01 => 8.0,
            p if p < 0.1 => 2.0,
            _ => 1.0,
        };
        if self.probability >= 0.1 {
            step = step.min(0.02);
        }
        self.probability += step;
        if self.delay.is_zero() && self.delay_before.is_zero() {
            self.probability *= 0.98;
        } else if delay > 0.25 {
            self.probability += 0.02;
        }
        self.probability = self.probability.clamp(0.0, 1.0);
        self.burst_left = self.burst_left.saturating_sub(self.spec.update);
        let half = self.spec.target / 2;
        if self.probability == 0.0 && self.delay < half && self.delay_before < half {
            self.burst_left = self.spec.burst;
        }
        self.delay_before = self.delay;
    }
}
