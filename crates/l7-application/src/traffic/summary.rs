//! Completion times by size.

/// Flows of one class of sizes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Class {
    /// From this size on, in bytes, exclusive.
    pub above: u64,
    /// Up to this size, inclusive.
    pub upto: u64,
    /// How many are over.
    pub flows: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Completion times in s: mean, median, 95th, 99th percentile, largest.
    pub fct: [f64; 5],
    /// Completion times over the least possible: the same.
    pub slowdown: [f64; 5],
}

/// The `q`-quantile of sorted values: the smallest of which at least a share `q` is not larger.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

fn figures(mut values: Vec<f64>) -> [f64; 5] {
    values.sort_by(f64::total_cmp);
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    [mean, quantile(&values, 0.5), quantile(&values, 0.95), quantile(&values, 0.99), quantile(&values, 1.0)]
}

/// Figures of flows, each (bytes, completion time, slowdown), by classes that end at `ends`, rising; the last class has no end.
/// Classes without flows are left out; the first of the result is all flows together.
pub fn by_class(flows: &[(u64, f64, f64)], ends: &[u64]) -> Vec<Class> {
    let edges: Vec<u64> = [0].into_iter().chain(ends.iter().copied()).chain([u64::MAX]).collect();
    let ranges = [(0, u64::MAX)].into_iter().chain(edges.windows(2).map(|edge| (edge[0], edge[1])));
    let class = |(above, upto): (u64, u64)| {
        let of: Vec<_> = flows.iter().filter(|(bytes, ..)| *bytes > above && *bytes <= upto).collect();
        (!of.is_empty()).then(|| Class {
            above,
            upto,
            flows: of.len(),
            bytes: of.iter().map(|(bytes, ..)| bytes).sum(),
            fct: figures(of.iter().map(|(_, fct, _)| *fct).collect()),
            slowdown: figures(of.iter().map(|(.., slowdown)| *slowdown).collect()),
        })
    };
    let mut classes: Vec<Class> = ranges.filter_map(class).collect();
    if ends.is_empty() {
        classes.truncate(1);
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_are_summed_up_all_together_and_by_size() {
        let flows = [(10, 1.0, 1.0), (100, 3.0, 2.0), (101, 5.0, 4.0), (5000, 9.0, 1.0)];
        let classes = by_class(&flows, &[100, 1000]);
        let counts: Vec<_> =
            classes.iter().map(|class| (class.above, class.upto, class.flows, class.bytes)).collect();
        assert_eq!(
            counts,
            [(0, u64::MAX, 4, 5211), (0, 100, 2, 110), (100, 1000, 1, 101), (1000, u64::MAX, 1, 5000)]
        );
        assert_eq!((classes[0].fct[0], classes[0].fct[4], classes[1].slowdown[0]), (4.5, 9.0, 1.5));
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|q| quantile(&sorted, q)), [1.0, 50.0, 99.0, 100.0]);
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
    }
}
