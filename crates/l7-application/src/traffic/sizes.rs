//! How large flows, requests and answers are.

use super::Cdf;
use libm::{erf, exp, log, pow};
use tidewire_units::Stream;

/// A distribution of sizes in bytes. Draws are at least one byte.
#[derive(Clone, PartialEq, Debug)]
pub enum Sizes {
    /// Always the same.
    Fixed(f64),
    /// Memoryless, with this mean.
    Exponential(f64),
    /// Pareto: `P(X > x) = (scale / x)^shape` from the scale on, cut at `most`.
    Pareto {
        /// The smallest size.
        scale: f64,
        /// The smaller, the heavier the tail.
        shape: f64,
        /// The largest size; infinite for none.
        most: f64,
    },
    /// The logarithm is normal with this mean and deviation.
    Lognormal(f64, f64),
    /// By points.
    Cdf(Cdf),
    /// Values in the general-purpose pool of a large memcached deployment: Atikoglu et al., Workload analysis of a large-scale
    /// key-value store, SIGMETRICS 2012, section 5: shares of the sizes 0 to 14, generalised Pareto above.
    CacheValues,
    /// Keys of the same, generalised extreme values.
    CacheKeys,
}

/// Shares of the values of 0 to 14 bytes.
const SMALL_VALUES: [f64; 15] = [
    0.00536, 0.00047, 0.17820, 0.09239, 0.00018, 0.02740, 0.00065, 0.00606, 0.00023, 0.00837, 0.00837,
    0.08989, 0.00092, 0.00326, 0.01980,
];
/// Location, scale and shape above.
const LARGE_VALUES: (f64, f64, f64) = (15.0, 214.476, 0.348_238);
/// Location, scale and shape of keys.
const KEYS: (f64, f64, f64) = (30.7984, 8.20449, 0.078_688);
/// The largest value that a memcached server holds.
const MOST_VALUE: f64 = 1_048_576.0;

impl Sizes {
    /// A Pareto distribution with this mean, without an upper end; `shape` must be more than 1.
    pub fn pareto_with_mean(mean: f64, shape: f64) -> Sizes {
        Sizes::Pareto { scale: mean * (shape - 1.0) / shape, shape, most: f64::INFINITY }
    }

    /// A Pareto distribution with this mean that is cut off at `most`; none where the mean is not below that.
    pub fn pareto_up_to(mean: f64, shape: f64, most: f64) -> Option<Sizes> {
        if mean <= 0.0 || mean >= most {
            return None;
        }
        // The mean rises with the scale, from 0 to `most`.
        let (mut low, mut high) = (0.0, mean);
        for _ in 0..200 {
            let scale = (low + high) / 2.0;
            if pareto_mean(scale, shape, most) < mean { low = scale } else { high = scale }
        }
        Some(Sizes::Pareto { scale: (low + high) / 2.0, shape, most })
    }

    /// A log-normal distribution with this mean; `sigma` is the deviation of the logarithm.
    pub fn lognormal_with_mean(mean: f64, sigma: f64) -> Sizes {
        Sizes::Lognormal(log(mean) - sigma * sigma / 2.0, sigma)
    }

    /// The mean, in bytes; infinite where there is none.
    pub fn mean(&self) -> f64 {
        match self {
            Sizes::Fixed(size) | Sizes::Exponential(size) => *size,
            Sizes::Pareto { scale, shape, most } => pareto_mean(*scale, *shape, *most),
            Sizes::Lognormal(mu, sigma) => exp(mu + sigma * sigma / 2.0),
            Sizes::Cdf(cdf) => cdf.mean(),
            Sizes::CacheValues => {
                let small: f64 = SMALL_VALUES.iter().enumerate().map(|(size, p)| size as f64 * p).sum();
                let rest = 1.0 - SMALL_VALUES.iter().sum::<f64>();
                let (at, scale, shape) = LARGE_VALUES;
                small + rest * (at + scale / (1.0 - shape))
            }
            Sizes::CacheKeys => {
                let (at, scale, shape) = KEYS;
                at + scale * (libm::tgamma(1.0 - shape) - 1.0) / shape
            }
        }
    }

    /// A size, at least one byte.
    pub fn draw(&self, stream: &mut Stream) -> u64 {
        let size = match self {
            Sizes::Fixed(size) => *size,
            Sizes::Exponential(mean) => stream.exponential(*mean),
            Sizes::Pareto { scale, shape, most } => {
                // The tail beyond `most` is left out: u stays above its share.
                let tail = if most.is_finite() { pow(scale / most, *shape) } else { 0.0 };
                let u = 1.0 - stream.unit() * (1.0 - tail);
                scale * pow(u, -1.0 / shape)
            }
            Sizes::Lognormal(mu, sigma) => exp(mu + sigma * normal(stream)),
            Sizes::Cdf(cdf) => cdf.quantile(stream.unit()),
            Sizes::CacheValues => cache_value(stream.unit()),
            Sizes::CacheKeys => {
                let (at, scale, shape) = KEYS;
                at + scale * (pow(stream.exponential(1.0), -shape) - 1.0) / shape
            }
        };
        size.clamp(1.0, 1e15).ceil() as u64
    }
}

fn pareto_mean(scale: f64, shape: f64, most: f64) -> f64 {
    if most.is_infinite() {
        return if shape > 1.0 { scale * shape / (shape - 1.0) } else { f64::INFINITY };
    }
    let share = 1.0 - pow(scale / most, shape);
    if shape == 1.0 {
        return scale * log(most / scale) / share;
    }
    shape * pow(scale, shape) * (pow(scale, 1.0 - shape) - pow(most, 1.0 - shape)) / ((shape - 1.0) * share)
}

fn cache_value(u: f64) -> f64 {
    let mut sum = 0.0;
    for (size, p) in SMALL_VALUES.iter().enumerate() {
        sum += p;
        if u < sum {
            return size as f64;
        }
    }
    let (at, scale, shape) = LARGE_VALUES;
    let left = (1.0 - u) / (1.0 - sum);
    (at + scale * (pow(left, -shape) - 1.0) / shape).min(MOST_VALUE)
}

/// A standard normal draw, by inverting its distribution function (one draw of the stream, whatever the value).
fn normal(stream: &mut Stream) -> f64 {
    let u = (stream.unit() + f64::EPSILON).min(1.0 - f64::EPSILON);
    let (mut low, mut high) = (-9.0, 9.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if 0.5 * (1.0 + erf(middle / core::f64::consts::SQRT_2)) < u { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire_units::{Purpose, Streams};

    fn mean_of(sizes: &Sizes, n: u32) -> f64 {
        let mut stream = Streams::new(1).stream(Purpose::Application, "sizes");
        (0..n).map(|_| sizes.draw(&mut stream) as f64).sum::<f64>() / f64::from(n)
    }

    #[test]
    fn draws_have_the_mean_that_the_distribution_says() {
        let cdf = |name| Sizes::Cdf(Cdf::published(name).unwrap());
        // Tolerances: four standard errors of 100,000 draws, and half a byte because sizes are rounded up.
        for (sizes, tolerance) in [
            (Sizes::Fixed(1000.0), 0.0),
            (Sizes::Exponential(10_000.0), 0.013),
            (Sizes::pareto_with_mean(10_000.0, 2.5), 0.02),
            (Sizes::Pareto { scale: 1000.0, shape: 1.2, most: 1e6 }, 0.06),
            (Sizes::lognormal_with_mean(10_000.0, 1.0), 0.02),
            (cdf("web_search"), 0.03),
            (cdf("data_mining"), 0.12),
            (Sizes::CacheValues, 0.03),
            (Sizes::CacheKeys, 0.02),
        ] {
            let (drawn, said) = (mean_of(&sizes, 100_000), sizes.mean());
            assert!((drawn / said - 1.0).abs() <= tolerance, "{sizes:?}: drawn {drawn}, said {said}");
        }
    }

    #[test]
    fn the_scale_of_a_pareto_that_is_cut_off_follows_from_its_mean() {
        for (mean, shape, most) in
            [(500.0, 1.5, 1500.0), (10_000.0, 1.0, 1e6), (10_000.0, 0.5, 1e6), (20.0, 3.0, 21.0)]
        {
            let sizes = Sizes::pareto_up_to(mean, shape, most).unwrap();
            assert!((sizes.mean() / mean - 1.0).abs() < 1e-6, "{sizes:?}: {}", sizes.mean());
        }
        assert_eq!(Sizes::pareto_up_to(1500.0, 1.5, 1500.0), None);
    }

    #[test]
    fn a_pareto_tail_can_be_cut_off() {
        let sizes = Sizes::Pareto { scale: 10.0, shape: 1.0, most: 100.0 };
        let mut stream = Streams::new(1).stream(Purpose::Application, "sizes");
        let drawn: Vec<u64> = (0..10_000).map(|_| sizes.draw(&mut stream)).collect();
        assert!(drawn.iter().all(|size| (10..=100).contains(size)));
        // P(X > 50) = (10/50 - 10/100) / (1 - 10/100) = 0.111.
        let large = drawn.iter().filter(|size| **size > 50).count();
        assert!((1000..1220).contains(&large), "{large}");
    }

    #[test]
    fn a_third_of_the_cached_values_have_less_than_15_bytes() {
        let mut stream = Streams::new(1).stream(Purpose::Application, "cache");
        let small = (0..10_000).filter(|_| Sizes::CacheValues.draw(&mut stream) < 15).count();
        let share = SMALL_VALUES.iter().sum::<f64>();
        assert!((small as f64 / 1e4 - share).abs() < 0.02, "{small} {share}");
    }
}
