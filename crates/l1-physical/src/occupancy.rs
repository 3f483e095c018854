//! How long a queue was how full: exact mean, quantiles within 3 %.

use tidewire_units::{Instant, Span};

/// Buckets per doubling of the level.
const STEPS: u32 = 16;

/// The time integral and distribution of a queue's length in bytes. Takes no memory beyond itself until something queues.
#[derive(Clone, Debug, Default)]
pub struct Occupancy {
    bytes: u64,
    since: Instant,
    start: Instant,
    integral: u128,
    /// Picoseconds spent in each bucket of levels above zero.
    spent: Vec<u64>,
    max: u64,
}

impl Occupancy {
    /// Bytes waiting now.
    #[inline]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The most bytes that ever waited.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Adds `bytes` at `now`.
    #[inline]
    pub fn enter(&mut self, now: Instant, bytes: u64) {
        self.advance(now);
        self.bytes += bytes;
        self.max = self.max.max(self.bytes);
    }

    /// Takes `bytes` away at `now`.
    #[inline]
    pub fn leave(&mut self, now: Instant, bytes: u64) {
        self.advance(now);
        self.bytes -= bytes;
    }

    /// The queue holds so many bytes from `now` on.
    pub fn set(&mut self, now: Instant, bytes: u64) {
        self.advance(now);
        self.bytes = bytes;
        self.max = self.max.max(bytes);
    }

    /// Forgets what was before `now`; what waits stays.
    pub fn restart(&mut self, now: Instant) {
        *self =
            Occupancy { bytes: self.bytes, since: now, start: now, max: self.bytes, ..Occupancy::default() };
    }

    /// Mean bytes waiting until `now`.
    pub fn mean(&self, now: Instant) -> f64 {
        let total = now.since(self.start).as_ps();
        if total == 0 {
            return self.bytes as f64;
        }
        let tail = u128::from(self.bytes) * u128::from(now.since(self.since).as_ps());
        (self.integral + tail) as f64 / total as f64
    }

    /// The level in bytes that the queue was at or below for a share `q` of the time until `now`.
    pub fn quantile(&self, now: Instant, q: f64) -> f64 {
        let mut seen = self.clone();
        seen.advance(now);
        let total = now.since(self.start).as_ps();
        let mut above = (total as f64 * (1.0 - q)) as u64;
        for (bucket, spent) in seen.spent.iter().enumerate().rev() {
            if *spent > above {
                return level_of(bucket).min(self.max as f64);
            }
            above -= spent;
        }
        0.0
    }

    #[inline]
    fn advance(&mut self, now: Instant) {
        let span = now.since(self.since);
        self.since = now;
        if self.bytes > 0 && span > Span::ZERO {
            self.integral += u128::from(self.bytes) * u128::from(span.as_ps());
            let bucket = bucket_of(self.bytes);
            if bucket >= self.spent.len() {
                self.spent.resize(bucket + 1, 0);
            }
            self.spent[bucket] += span.as_ps();
        }
    }
}

/// Buckets are exact up to 16, then 16 to a doubling.
#[inline]
fn bucket_of(level: u64) -> usize {
    let octave = (63 - (level | 15).leading_zeros()).saturating_sub(4);
    ((octave * STEPS) as u64 + (level >> octave)) as usize
}

/// The middle of a bucket.
fn level_of(bucket: usize) -> f64 {
    let bucket = bucket as u64;
    let steps = u64::from(STEPS);
    let octave = (bucket / steps).saturating_sub(1);
    let low = (bucket - octave * steps) << octave;
    low as f64 + ((1u64 << octave) - 1) as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Span::from_ms(ms)
    }

    #[test]
    fn the_mean_is_the_time_integral() {
        let mut queue = Occupancy::default();
        queue.enter(at(10), 1000);
        queue.enter(at(20), 500);
        queue.leave(at(40), 1500);
        // 10 ms x 1000 + 20 ms x 1500 over 100 ms.
        assert_eq!(queue.mean(at(100)), 400.0);
        assert_eq!(queue.max(), 1500);
    }

    #[test]
    fn quantiles_are_of_time_not_of_packets() {
        let mut queue = Occupancy::default();
        queue.enter(at(0), 1500);
        queue.leave(at(10), 1500);
        assert_eq!(queue.quantile(at(100), 0.5), 0.0);
        let p95 = queue.quantile(at(100), 0.95);
        assert!((p95 / 1500.0 - 1.0).abs() < 0.035, "{p95}");
    }

    #[test]
    fn restarting_keeps_what_waits() {
        let mut queue = Occupancy::default();
        queue.enter(at(0), 100);
        queue.restart(at(50));
        assert_eq!(queue.mean(at(60)), 100.0);
    }

    proptest! {
        #[test]
        fn a_bucket_stands_for_its_levels_within_three_percent(level in 1u64..1 << 40) {
            let middle = level_of(bucket_of(level));
            prop_assert!((middle / level as f64 - 1.0).abs() < 0.035, "{level} -> {middle}");
        }
    }
}
