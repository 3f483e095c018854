//! One figure of several replications.

use crate::student::student_t_quantile;

/// Figures of a set of independent replications.
#[derive(Clone, PartialEq, Debug)]
pub struct Summary {
    /// In ascending order, without undefined ones.
    sorted: Vec<f64>,
    mean: f64,
    sd: f64,
}

impl Summary {
    /// Of these values; undefined and infinite ones are left out. The order in which they come does not matter, to the last bit.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().filter(|x| x.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len() as f64;
        // Shifting by a sample makes equal values have exactly their own mean and no deviation.
        let origin = sorted.first().copied().unwrap_or(0.0);
        let mean = if sorted.is_empty() {
            f64::NAN
        } else {
            origin + sorted.iter().map(|x| x - origin).sum::<f64>() / n
        };
        let squares: f64 = sorted.iter().map(|x| (x - mean) * (x - mean)).sum();
        let sd = if sorted.len() > 1 { (squares / (n - 1.0)).sqrt() } else { f64::NAN };
        Summary { sorted, mean, sd }
    }

    /// Number of values.
    pub fn n(&self) -> usize {
        self.sorted.len()
    }

    /// The values in ascending order.
    pub fn values(&self) -> &[f64] {
        &self.sorted
    }

    /// Arithmetic mean; none without values.
    pub fn mean(&self) -> Option<f64> {
        (!self.sorted.is_empty()).then_some(self.mean)
    }

    /// Standard deviation with n - 1; from two values on.
    pub fn sd(&self) -> Option<f64> {
        (self.sorted.len() > 1).then_some(self.sd)
    }

    /// Half the width of the 95 % confidence interval of the mean, by Student's t with n - 1 degrees of freedom; from two values on.
    pub fn ci95(&self) -> Option<f64> {
        let n = self.sorted.len() as f64;
        self.sd().map(|sd| if sd == 0.0 { 0.0 } else { student_t_quantile(0.975, n - 1.0) * sd / n.sqrt() })
    }

    /// Smallest value.
    pub fn min(&self) -> Option<f64> {
        self.sorted.first().copied()
    }

    /// Largest value.
    pub fn max(&self) -> Option<f64> {
        self.sorted.last().copied()
    }

    /// The 0.5 quantile.
    pub fn median(&self) -> Option<f64> {
        self.quantile(0.5)
    }

    /// See [`quantile_of_sorted`].
    pub fn quantile(&self, q: f64) -> Option<f64> {
        quantile_of_sorted(&self.sorted, q)
    }
}

/// The `q` quantile of values in ascending order: `h = (n - 1) q`, linear between the values with `floor(h)` and `ceil(h)` smaller ones
/// (type 7 of Hyndman and Fan 1996; the default of R, NumPy and pandas). None without values.
pub fn quantile_of_sorted(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let rank = q.clamp(0.0, 1.0) * last as f64;
    let below = rank.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    let part = rank - below as f64;
    Some(if part == 0.0 { low } else { low + part * (high - low) })
}

/// As [`quantile_of_sorted`], of values in any order, which it rearranges; `qs` ascend.
pub(crate) fn quantiles_of_unsorted<const N: usize>(values: &mut [f64], qs: [f64; N]) -> Option<[f64; N]> {
    let last = values.len().checked_sub(1)?;
    // What lies before this index is not above the rest.
    let mut from = 0;
    Some(qs.map(|q| {
        let rank = q.clamp(0.0, 1.0) * last as f64;
        let below = rank.floor() as usize;
        let (_, low, above) = values[from..].select_nth_unstable_by(below - from, f64::total_cmp);
        let (low, part) = (*low, rank - below as f64);
        from = below;
        if part == 0.0 {
            return low;
        }
        let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
        low + part * (high - low)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_does_not_depend_on_the_order_of_the_values() {
        let sorted = [-1.0, 0.0, 0.5, 3.0, 3.0, 8.0, 20.0];
        for q in [0.0, 0.1, 0.5, 0.77, 0.95, 1.0] {
            let mut mixed = [3.0, 20.0, 0.0, -1.0, 8.0, 0.5, 3.0];
            assert_eq!(quantiles_of_unsorted(&mut mixed, [q]), quantile_of_sorted(&sorted, q).map(|x| [x]));
        }
        let mut mixed = [3.0, 20.0, 0.0, -1.0, 8.0, 0.5, 3.0];
        let qs = [0.0, 0.1, 0.1, 0.5, 0.55, 0.95, 1.0];
        let each = qs.map(|q| quantile_of_sorted(&sorted, q).unwrap());
        assert_eq!(quantiles_of_unsorted(&mut mixed, qs), Some(each));
        assert_eq!(quantiles_of_unsorted(&mut [], [0.5]), None);
    }

    #[test]
    fn figures_of_a_known_sample_are_those_of_a_textbook() {
        // 2, 4, 4, 4, 5, 5, 7, 9: mean 5, sum of squares 32.
        let s = Summary::of([9.0, 4.0, 5.0, 4.0, 2.0, 4.0, 5.0, 7.0]);
        assert_eq!(
            (s.n(), s.mean(), s.median(), s.min(), s.max()),
            (8, Some(5.0), Some(4.5), Some(2.0), Some(9.0))
        );
        let sd = (32.0f64 / 7.0).sqrt();
        assert!((s.sd().unwrap() - sd).abs() < 1e-12);
        assert!((s.ci95().unwrap() - 2.364_624 * sd / 8f64.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn one_value_has_no_interval_and_none_has_nothing() {
        let one = Summary::of([3.0, f64::NAN]);
        assert_eq!((one.n(), one.mean(), one.sd(), one.ci95()), (1, Some(3.0), None, None));
        let none = Summary::of([]);
        assert_eq!((none.mean(), none.median(), none.min()), (None, None, None));
    }

    #[test]
    fn equal_values_have_an_interval_of_zero() {
        let s = Summary::of([0.1; 10]);
        assert_eq!((s.mean(), s.sd(), s.ci95()), (Some(0.1), Some(0.0), Some(0.0)));
    }

    #[test]
    fn the_order_of_values_does_not_change_a_bit() {
        let values: Vec<f64> = (1..100).map(|i| 1.0 / f64::from(i)).collect();
        let reversed: Vec<f64> = values.iter().rev().copied().collect();
        assert_eq!(Summary::of(values), Summary::of(reversed));
    }

    #[test]
    fn quantiles_are_of_type_seven() {
        let sorted = [1.0, 2.0, 4.0, 8.0, 16.0];
        assert_eq!(quantile_of_sorted(&sorted, 0.9), Some(8.0 + 0.6 * 8.0));
        assert_eq!(quantile_of_sorted(&sorted, 0.0), Some(1.0));
        assert_eq!(quantile_of_sorted(&sorted, 1.0), Some(16.0));
        assert_eq!(quantile_of_sorted(&[], 0.5), None);
    }
}
