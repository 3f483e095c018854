//! Samples and their distribution: exact while few, log-linear buckets afterwards.

use crate::summary::quantiles_of_unsorted;
use tidewire_units::Span;

/// Samples kept exactly before they go into buckets.
const EXACT: u64 = 1024;
/// Leading mantissa bits that choose a bucket inside an octave: 128 buckets, each at most 0.79 % wide.
const SUB_BITS: u32 = 7;
const SUBS: usize = 1 << SUB_BITS;

type Octave = Option<Box<[u64; SUBS]>>;

/// A distribution of numbers.
///
/// Count, sum, minimum and maximum are exact. Up to 1024 samples are kept, so that quantiles are exact as well; later each sample is
/// counted in a bucket chosen by the leading bits of its double, and a quantile is within 0.4 % of the exact one.
/// Adding allocates only when a power of two is met for the first time.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    count: u64,
    min: f64,
    max: f64,
    /// The first sample; the sums below are of differences from it, which keeps the variance accurate.
    origin: f64,
    sum: f64,
    squares: f64,
    zeros: u64,
    /// Until they are too many.
    samples: Vec<f64>,
    /// Biased exponent of `octaves[0]`.
    first: u32,
    octaves: Vec<Octave>,
    /// Buckets of the sizes of negative samples; nothing else of it is used.
    negative: Option<Box<Histogram>>,
}

/// One bucket of a histogram, or one distinct sample while they are kept exactly.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bucket {
    /// Smallest value counted here.
    pub low: f64,
    /// First value above those counted here; equal to `low` for a single exact value.
    pub high: f64,
    /// Number of samples.
    pub count: u64,
}

impl Bucket {
    /// The value that stands for all samples of the bucket.
    pub fn middle(&self) -> f64 {
        0.5 * (self.low + self.high)
    }
}

impl Histogram {
    /// Without samples.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sample. An infinite or undefined one is refused, with `false`.
    #[inline]
    pub fn add(&mut self, x: f64) -> bool {
        let bits = x.to_bits();
        let octave = ((bits >> 52) as u32).wrapping_sub(self.first) as usize;
        // Positive and finite, and its bucket is there: what almost every sample is once a distribution has taken shape.
        if self.count > EXACT
            && let Some(Some(subs)) = self.octaves.get_mut(octave)
            && x > 0.0
        {
            subs[(bits >> (52 - SUB_BITS)) as usize & (SUBS - 1)] += 1;
            self.sum_up(x);
            return true;
        }
        if self.count > 0 && self.count < EXACT && x.is_finite() {
            self.samples.push(x);
            self.sum_up(x);
            return true;
        }
        self.add_slowly(x)
    }

    #[inline(never)]
    fn add_slowly(&mut self, x: f64) -> bool {
        if !x.is_finite() {
            return false;
        }
        if self.count == 0 {
            (self.min, self.max, self.origin) = (x, x, x);
        }
        self.sum_up(x);
        if self.is_exact() {
            self.samples.push(x);
            return true;
        }
        if !self.samples.is_empty() {
            self.spill();
        }
        self.count_in_bucket(x, 1);
        true
    }

    #[inline]
    fn sum_up(&mut self, x: f64) {
        self.min = if x < self.min { x } else { self.min };
        self.max = if x > self.max { x } else { self.max };
        self.count += 1;
        let shifted = x - self.origin;
        self.sum += shifted;
        self.squares += shifted * shifted;
    }

    /// Adds a time, in seconds.
    #[inline]
    pub fn add_span(&mut self, span: Span) {
        self.add(span.as_secs_f64());
    }

    /// Adds `times` equal samples.
    pub fn add_many(&mut self, x: f64, times: u64) -> bool {
        (0..times.min(EXACT + 1)).all(|_| self.add(x)) && {
            if let Some(rest) = times.checked_sub(EXACT + 1).filter(|rest| *rest > 0) {
                let shifted = x - self.origin;
                self.count += rest;
                self.sum += shifted * rest as f64;
                self.squares += shifted * shifted * rest as f64;
                self.count_in_bucket(x, rest);
            }
            true
        }
    }

    /// Adds all samples of `other`.
    pub fn merge(&mut self, other: &Histogram) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other.clone();
            return;
        }
        if other.is_exact() {
            other.samples.iter().for_each(|x| {
                self.add(*x);
            });
            return;
        }
        self.spill();
        let (n, d) = (other.count as f64, other.origin - self.origin);
        self.squares += other.squares + 2.0 * d * other.sum + n * d * d;
        self.sum += other.sum + n * d;
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.add_buckets(other);
        if let Some(theirs) = &other.negative {
            self.negative.get_or_insert_default().add_buckets(theirs);
        }
    }

    fn add_buckets(&mut self, other: &Histogram) {
        self.zeros += other.zeros;
        for (at, octave) in other.octaves.iter().enumerate() {
            if let Some(theirs) = octave {
                let ours = self.octave(other.first + at as u32);
                ours.iter_mut().zip(theirs.iter()).for_each(|(a, b)| *a += b);
            }
        }
    }

    /// Number of samples.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// True without samples.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Sum of all samples.
    pub fn sum(&self) -> f64 {
        self.origin * self.count as f64 + self.sum
    }

    /// Smallest sample.
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }

    /// Largest sample.
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }

    /// Arithmetic mean.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.origin + self.sum / self.count as f64)
    }

    /// Standard deviation with n - 1; from two samples on.
    pub fn sd(&self) -> Option<f64> {
        let n = self.count as f64;
        (self.count > 1).then(|| ((self.squares - self.sum * self.sum / n).max(0.0) / (n - 1.0)).sqrt())
    }

    /// The 0.5 quantile.
    pub fn median(&self) -> Option<f64> {
        self.quantile(0.5)
    }

    /// The `q` quantile, `q` from 0 to 1: linear interpolation between order statistics (type 7 of Hyndman and Fan, as R and NumPy).
    /// Exact up to 1024 samples, otherwise within 0.4 %.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        if self.is_exact() {
            return self.quantiles([q]).map(|[x]| x);
        }
        let rank = q.clamp(0.0, 1.0) * (self.count - 1) as f64;
        let (below, part) = (rank.floor(), rank - rank.floor());
        let low = self.order_statistic(below as u64);
        let high = if part > 0.0 { self.order_statistic(below as u64 + 1) } else { low };
        Some((low + part * (high - low)).clamp(self.min, self.max))
    }

    /// Several quantiles at once, `qs` in ascending order; as [`Histogram::quantile`] one by one, in less time.
    pub fn quantiles<const N: usize>(&self, qs: [f64; N]) -> Option<[f64; N]> {
        if self.count == 0 {
            return None;
        }
        if self.is_exact() {
            return quantiles_of_unsorted(&mut self.samples.clone(), qs);
        }
        Some(qs.map(|q| self.quantile(q).expect("there are samples")))
    }

    /// True while every sample is kept.
    pub fn is_exact(&self) -> bool {
        self.count <= EXACT
    }

    /// The distribution in ascending order: buckets, or each distinct sample while they are kept.
    pub fn buckets(&self) -> Vec<Bucket> {
        if self.is_exact() {
            let mut sorted = self.samples.clone();
            sorted.sort_by(f64::total_cmp);
            return sorted
                .chunk_by(|a, b| a == b)
                .map(|equal| Bucket { low: equal[0], high: equal[0], count: equal.len() as u64 })
                .collect();
        }
        let zeros = (self.zeros > 0).then_some(Bucket { low: 0.0, high: 0.0, count: self.zeros });
        self.below_zero().into_iter().chain(zeros).chain(self.filled()).collect()
    }

    /// The buckets of negative samples, in ascending order.
    fn below_zero(&self) -> Vec<Bucket> {
        let mut below: Vec<Bucket> = (self.negative.iter().flat_map(|sizes| sizes.filled()))
            .map(|size| Bucket { low: -size.high, high: -size.low, count: size.count })
            .collect();
        below.reverse();
        below
    }

    fn filled(&self) -> impl Iterator<Item = Bucket> + '_ {
        self.octaves.iter().enumerate().flat_map(move |(at, octave)| {
            octave.iter().flat_map(|subs| subs.iter().enumerate()).filter(|(_, count)| **count > 0).map(
                move |(sub, count)| {
                    let (low, high) = bounds(self.first + at as u32, sub);
                    Bucket { low, high, count: *count }
                },
            )
        })
    }

    /// The sample with `rank` smaller ones, as its bucket knows it.
    fn order_statistic(&self, rank: u64) -> f64 {
        if rank == 0 {
            return self.min;
        }
        if rank + 1 >= self.count {
            return self.max;
        }
        let mut before = 0;
        for bucket in self.below_zero() {
            before += bucket.count;
            if rank < before {
                return bucket.middle();
            }
        }
        before += self.zeros;
        if rank < before {
            return 0.0;
        }
        for bucket in self.filled() {
            if rank < before + bucket.count {
                return bucket.middle();
            }
            before += bucket.count;
        }
        self.max
    }

    fn spill(&mut self) {
        for x in std::mem::take(&mut self.samples) {
            self.count_in_bucket(x, 1);
        }
    }

    #[inline]
    fn count_in_bucket(&mut self, x: f64, times: u64) {
        if x == 0.0 {
            self.zeros += times;
            return;
        }
        if x < 0.0 {
            return self.negative.get_or_insert_default().count_in_bucket(-x, times);
        }
        let bits = x.to_bits();
        let exponent = (bits >> 52) as u32;
        let sub = (bits >> (52 - SUB_BITS)) as usize & (SUBS - 1);
        self.octave(exponent)[sub] += times;
    }

    #[inline]
    fn octave(&mut self, exponent: u32) -> &mut [u64; SUBS] {
        let at = exponent.wrapping_sub(self.first) as usize;
        if at >= self.octaves.len() {
            self.widen(exponent);
        }
        self.octaves[(exponent - self.first) as usize].get_or_insert_with(|| Box::new([0; SUBS]))
    }

    #[cold]
    fn widen(&mut self, exponent: u32) {
        if self.octaves.is_empty() {
            self.first = exponent;
        }
        if exponent < self.first {
            let missing = (self.first - exponent) as usize;
            self.octaves.splice(0..0, (0..missing).map(|_| None));
            self.first = exponent;
        }
        let needed = (exponent - self.first) as usize + 1;
        if self.octaves.len() < needed {
            self.octaves.resize_with(needed, || None);
        }
    }
}

fn bounds(exponent: u32, sub: usize) -> (f64, f64) {
    let index = (u64::from(exponent) << SUB_BITS) + sub as u64;
    let high = f64::from_bits((index + 1) << (52 - SUB_BITS));
    (f64::from_bits(index << (52 - SUB_BITS)), if high.is_finite() { high } else { f64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(samples: &[f64]) -> Histogram {
        let mut histogram = Histogram::new();
        samples.iter().for_each(|x| assert!(histogram.add(*x)));
        histogram
    }

    #[test]
    fn few_samples_have_exact_quantiles() {
        let h = of(&[4.0, 1.0, 3.0, 2.0]);
        assert_eq!((h.min(), h.max(), h.mean(), h.median()), (Some(1.0), Some(4.0), Some(2.5), Some(2.5)));
        assert_eq!(h.quantile(0.25), Some(1.75));
        assert_eq!(h.sum(), 10.0);
        assert!((h.sd().unwrap() - (5.0f64 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn an_empty_histogram_has_no_figures() {
        let h = Histogram::new();
        assert_eq!((h.min(), h.mean(), h.sd(), h.quantile(0.5)), (None, None, None, None));
        assert_eq!(h.buckets(), []);
    }

    #[test]
    fn impossible_samples_are_refused() {
        let mut h = Histogram::new();
        assert!(!h.add(f64::NAN) && !h.add(f64::INFINITY) && !h.add(f64::NEG_INFINITY));
        assert_eq!(h.count(), 0);
    }

    #[test]
    fn negative_samples_count_as_others_do_exactly_and_in_buckets() {
        let few = of(&[-5.0, 1.0, -1.0, 0.0]);
        assert_eq!((few.min(), few.max(), few.mean()), (Some(-5.0), Some(1.0), Some(-1.25)));
        assert_eq!((few.median(), few.buckets()[0].low), (Some(-0.5), -5.0));
        let mut many = of(&(-2000..1000).map(f64::from).collect::<Vec<_>>());
        assert!((many.quantile(0.1).unwrap() + 1700.0).abs() < 0.004 * 1700.0);
        assert!((many.quantile(0.9).unwrap() - 700.0).abs() < 0.004 * 700.0);
        many.merge(&of(&(-2000..0).map(f64::from).collect::<Vec<_>>()));
        assert_eq!((many.count(), many.min()), (5000, Some(-2000.0)));
        let buckets = many.buckets();
        assert_eq!(buckets.iter().map(|b| b.count).sum::<u64>(), 5000);
        assert!(buckets.windows(2).all(|pair| pair[0].high <= pair[1].low), "ascending");
    }

    #[test]
    fn a_small_spread_far_from_zero_keeps_its_standard_deviation() {
        let samples: Vec<f64> = (0..10_000).map(|i| 1e9 + (i % 2) as f64).collect();
        assert!((of(&samples).sd().unwrap() - 0.500025).abs() < 1e-6);
    }

    #[test]
    fn the_step_from_samples_to_buckets_loses_nothing() {
        for n in [1023u64, 1024, 1025, 1026, 5000] {
            let h = of(&(0..n).map(|i| i as f64).collect::<Vec<_>>());
            assert_eq!(h.count(), n);
            assert_eq!(h.buckets().iter().map(|b| b.count).sum::<u64>(), n, "after {n} samples");
            assert_eq!(h.is_exact(), n <= 1024);
        }
    }

    #[test]
    fn zeros_and_extremes_have_buckets() {
        let mut h = of(&[0.0; 2000]);
        h.add(f64::MAX);
        h.add(f64::MIN_POSITIVE / 8.0);
        assert_eq!(h.quantile(0.5), Some(0.0));
        assert_eq!(h.max(), Some(f64::MAX));
        assert_eq!(h.buckets().len(), 3);
    }

    #[test]
    fn equal_samples_can_be_added_at_once() {
        let (mut at_once, mut singly) = (Histogram::new(), Histogram::new());
        at_once.add_many(2.5, 3000);
        at_once.add_many(7.0, 3);
        (0..3000).for_each(|_| assert!(singly.add(2.5)));
        (0..3).for_each(|_| assert!(singly.add(7.0)));
        assert_eq!(at_once.buckets(), singly.buckets());
        assert_eq!((at_once.count(), at_once.sum()), (singly.count(), singly.sum()));
    }

    proptest! {
        #[test]
        fn quantiles_of_many_samples_are_within_0_4_percent(
            exponents in prop::collection::vec(-20.0f64..20.0, 1025..3000), q in 0.0f64..=1.0,
        ) {
            let mut samples: Vec<f64> = exponents.iter().map(|e| libm::exp2(*e)).collect();
            let h = of(&samples);
            samples.sort_by(f64::total_cmp);
            let exact = crate::quantile_of_sorted(&samples, q).unwrap();
            let estimate = h.quantile(q).unwrap();
            prop_assert!((estimate - exact).abs() <= 0.004 * exact, "{estimate} for {exact}");
        }

        #[test]
        fn merging_equals_adding_everything_to_one(
            a in prop::collection::vec(0.0f64..1e6, 0..2100), b in prop::collection::vec(0.0f64..1e6, 0..2100),
        ) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            let all = of(&[a, b].concat());
            prop_assert_eq!(merged.count(), all.count());
            prop_assert_eq!(merged.min(), all.min());
            prop_assert_eq!(merged.max(), all.max());
            prop_assert!((merged.sum() - all.sum()).abs() <= 1e-9 * all.sum().max(1.0));
            let (x, y) = (merged.sd().unwrap_or(0.0), all.sd().unwrap_or(0.0));
            prop_assert!((x - y).abs() <= 1e-6 * y.max(1.0), "{} {}", x, y);
            let (x, y) = (merged.median().unwrap_or(0.0), all.median().unwrap_or(0.0));
            prop_assert!((x - y).abs() <= 0.008 * y.max(1e-9), "{} {}", x, y);
        }
    }
}
