//! Time-weighted figures of something that has a level: the length of a queue, packets in flight.

use tidewire_units::Span;

/// Levels below this have a bucket each; above, buckets are at most 0.8 % wide.
const EXACT: u64 = 256;

/// How long a quantity stood at which level. Mean and maximum are exact; quantiles are exact below 256 and within 0.4 % above.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    /// Time spent in each bucket, in picoseconds.
    buckets: Vec<u64>,
    /// Integral of the level over time, in level times picoseconds.
    area: u128,
    total: u64,
    max: u64,
}

impl Levels {
    /// Without any time.
    pub fn new() -> Self {
        Self::default()
    }

    /// The quantity stood at `level` for `duration`. Allocates only when a level is higher than all before.
    #[inline]
    pub fn add(&mut self, level: u64, duration: Span) {
        let ps = duration.as_ps();
        if ps == 0 {
            return;
        }
        self.total = self.total.saturating_add(ps);
        self.area += u128::from(level) * u128::from(ps);
        self.max = self.max.max(level);
        let at = index(level);
        if at >= self.buckets.len() {
            self.buckets.resize(at + 1, 0);
        }
        self.buckets[at] += ps;
    }

    /// All the time that was added.
    pub fn total(&self) -> Span {
        Span::from_ps(self.total)
    }

    /// Time-weighted mean.
    pub fn mean(&self) -> Option<f64> {
        (self.total > 0).then(|| self.area as f64 / self.total as f64)
    }

    /// Highest level that lasted for any time.
    pub fn max(&self) -> Option<u64> {
        (self.total > 0).then_some(self.max)
    }

    /// The lowest level such that the quantity stood at or below it for at least the fraction `q` of the time.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let target = q.clamp(0.0, 1.0) * self.total as f64;
        let mut before = 0u64;
        for (at, ps) in self.buckets.iter().enumerate().filter(|(_, ps)| **ps > 0) {
            before += ps;
            if before as f64 >= target {
                return Some(middle(at).min(self.max as f64));
            }
        }
        self.max().map(|max| max as f64)
    }

    /// Adds all the time of `other`.
    pub fn merge(&mut self, other: &Levels) {
        if other.buckets.len() > self.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(a, b)| *a += b);
        self.area += other.area;
        self.total = self.total.saturating_add(other.total);
        self.max = self.max.max(other.max);
    }
}

/// Levels 0..256 are buckets 0..256; then each octave has 128.
#[inline]
fn index(level: u64) -> usize {
    if level < EXACT {
        return level as usize;
    }
    let shift = level.ilog2() - 7;
    (u64::from(shift) * 128 + (level >> shift)) as usize
}

fn middle(index: usize) -> f64 {
    let index = index as u64;
    if index < EXACT {
        return index as f64;
    }
    let shift = (index >> 7) - 1;
    let low = (128 + (index & 127)) << shift;
    low as f64 + ((1u64 << shift) - 1) as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn levels_count_by_the_time_they_lasted() {
        let mut levels = Levels::new();
        levels.add(0, Span::from_ms(900));
        levels.add(100, Span::from_ms(90));
        levels.add(7, Span::ZERO);
        levels.add(200, Span::from_ms(10));
        assert_eq!(levels.mean(), Some(11.0));
        assert_eq!(levels.max(), Some(200));
        assert_eq!(
            [0.5, 0.9, 0.95, 0.99, 1.0].map(|q| levels.quantile(q).unwrap()),
            [0.0, 0.0, 100.0, 100.0, 200.0]
        );
        assert_eq!(levels.total(), Span::from_secs(1));
    }

    #[test]
    fn no_time_means_no_figures() {
        let levels = Levels::new();
        assert_eq!((levels.mean(), levels.max(), levels.quantile(0.5)), (None, None, None));
    }

    proptest! {
        #[test]
        fn a_level_is_found_again_within_0_4_percent(level in 0u64..1 << 50) {
            let found = middle(index(level));
            prop_assert!((found - level as f64).abs() <= 0.004 * level as f64);
        }

        #[test]
        fn a_higher_level_never_has_a_lower_bucket(level in 0u64..1 << 40) {
            prop_assert!(index(level) <= index(level + 1) && index(level + 1) <= index(level) + 1);
        }

        #[test]
        fn merging_equals_adding(a in prop::collection::vec((0u64..100_000, 0u64..1000), 0..50), at in 0usize..50) {
            let whole = a.iter().fold(Levels::new(), |mut l, (level, ps)| { l.add(*level, Span::from_ps(*ps)); l });
            let (left, right) = a.split_at(at.min(a.len()));
            let part = |p: &[(u64, u64)]| p.iter().fold(Levels::new(), |mut l, (level, ps)| { l.add(*level, Span::from_ps(*ps)); l });
            let mut merged = part(left);
            merged.merge(&part(right));
            prop_assert_eq!(merged.mean(), whole.mean());
            prop_assert_eq!(merged.quantile(0.9), whole.quantile(0.9));
        }
    }
}
