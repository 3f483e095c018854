//! How much longer than its delay a link takes, packet by packet.

use tidewire_units::{Span, Stream};

/// The distribution of the time added to the delay.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum JitterShape {
    /// Uniform from zero to the given time.
    Uniform(Span),
    /// Normal around the delay with the given standard deviation; never so early that the packet would arrive before it was sent.
    Normal(Span),
    /// Pareto with the given mean and this exponent, above one: mostly little, now and then very much.
    Pareto(Span, f64),
}

/// A source of jitter. Successive packets may be correlated; the distribution of each stays what it is.
#[derive(Clone, Debug)]
pub struct Jitter {
    shape: JitterShape,
    /// Correlation of the normal deviates behind successive draws, from 0 to below 1.
    correlation: f64,
    keeps_order: bool,
    last: Option<f64>,
    stream: Stream,
}

impl Jitter {
    /// Jitter of a shape. With `keeps_order` a packet never overtakes the one before it.
    ///
    /// # Panics
    /// When `correlation` is not in 0..1, or a Pareto exponent is not above 1.
    pub fn new(shape: JitterShape, correlation: f64, keeps_order: bool, stream: Stream) -> Jitter {
        assert!((0.0..1.0).contains(&correlation), "a correlation of {correlation}");
        if let JitterShape::Pareto(_, exponent) = shape {
            assert!(exponent > 1.0, "a Pareto distribution with exponent {exponent} has no mean");
        }
        Jitter { shape, correlation, keeps_order, last: None, stream }
    }

    /// Whether packets keep their order.
    pub fn keeps_order(&self) -> bool {
        self.keeps_order
    }

    /// What the next packet takes instead of `delay`.
    pub fn draw(&mut self, delay: Span) -> Span {
        let deviate = self.deviate();
        let seconds = match self.shape {
            JitterShape::Uniform(most) => delay.as_secs_f64() + most.as_secs_f64() * below(deviate),
            JitterShape::Normal(sd) => delay.as_secs_f64() + sd.as_secs_f64() * deviate,
            JitterShape::Pareto(mean, exponent) => {
                let least = mean.as_secs_f64() * (exponent - 1.0) / exponent;
                delay.as_secs_f64() + least * libm::pow(above(deviate), -1.0 / exponent)
            }
        };
        // A draw beyond an hour says more about floating point than about links.
        Span::from_ps((seconds.clamp(0.0, 3600.0) * 1e12) as u64)
    }

    /// A standard normal deviate: an autoregressive sequence of order one.
    fn deviate(&mut self) -> f64 {
        let fresh = self.normal();
        let deviate = match self.last {
            Some(last) => {
                self.correlation * last + (1.0 - self.correlation * self.correlation).sqrt() * fresh
            }
            None => fresh,
        };
        self.last = Some(deviate);
        deviate
    }

    /// Box and Muller's transform; two draws each time, so that draw `n` does not depend on those before.
    fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.stream.unit(), self.stream.unit());
        (-2.0 * libm::log(u)).sqrt() * libm::cos(2.0 * std::f64::consts::PI * v)
    }
}

/// The share of a normal distribution below `x`: uniform from 0 to 1 when `x` is a standard normal deviate.
fn below(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

fn above(x: f64) -> f64 {
    below(-x).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire_units::{Purpose, Streams};

    const N: usize = 100_000;

    fn draws(shape: JitterShape, correlation: f64) -> Vec<f64> {
        let stream = Streams::new(7).stream(Purpose::Jitter, "a-b");
        let mut jitter = Jitter::new(shape, correlation, false, stream);
        (0..N).map(|_| (jitter.draw(Span::from_ms(20))).as_secs_f64() * 1e3 - 20.0).collect()
    }

    fn mean(all: &[f64]) -> f64 {
        all.iter().sum::<f64>() / all.len() as f64
    }

    fn sd(all: &[f64]) -> f64 {
        let m = mean(all);
        (all.iter().map(|x| (x - m) * (x - m)).sum::<f64>() / all.len() as f64).sqrt()
    }

    #[test]
    fn uniform_jitter_is_uniform_from_zero() {
        let all = draws(JitterShape::Uniform(Span::from_ms(6)), 0.0);
        assert!(all.iter().all(|x| (0.0..=6.0).contains(x)));
        assert!((mean(&all) - 3.0).abs() < 0.03 && (sd(&all) - 6.0 / 12f64.sqrt()).abs() < 0.02);
    }

    #[test]
    fn normal_jitter_lies_around_the_delay() {
        let all = draws(JitterShape::Normal(Span::from_ms(2)), 0.0);
        assert!(mean(&all).abs() < 0.03 && (sd(&all) - 2.0).abs() < 0.03);
        // A delay shorter than the spread is cut off at zero.
        assert!(draws(JitterShape::Normal(Span::from_ms(15)), 0.0).iter().all(|x| *x >= -20.0));
    }

    #[test]
    fn pareto_jitter_has_the_mean_asked_for_and_a_long_tail() {
        let all = draws(JitterShape::Pareto(Span::from_ms(3), 3.0), 0.0);
        assert!((mean(&all) - 3.0).abs() < 0.05, "{}", mean(&all));
        // P(X > 10) = (2 / 10)^3.
        let tail = all.iter().filter(|x| **x > 10.0).count() as f64 / N as f64;
        assert!((tail - 0.008).abs() < 0.0015, "{tail}");
    }

    #[test]
    fn correlation_joins_neighbours_and_leaves_the_distribution_alone() {
        let all = draws(JitterShape::Normal(Span::from_ms(2)), 0.75);
        let m = mean(&all);
        let pairs = all.windows(2).map(|w| (w[0] - m) * (w[1] - m)).sum::<f64>() / (N - 1) as f64;
        assert!((pairs / (sd(&all) * sd(&all)) - 0.75).abs() < 0.02);
        assert!((sd(&all) - 2.0).abs() < 0.05);
        let uniform = draws(JitterShape::Uniform(Span::from_ms(6)), 0.9);
        assert!((sd(&uniform) - 6.0 / 12f64.sqrt()).abs() < 0.05);
    }
}
