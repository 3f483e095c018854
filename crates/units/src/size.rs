//! Sizes and probabilities.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// A number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Bytes(pub u64);

impl Bytes {
    /// No bytes.
    pub const ZERO: Bytes = Bytes(0);
}

impl Add for Bytes {
    type Output = Bytes;
    fn add(self, other: Bytes) -> Bytes {
        Bytes(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Bytes) {
        *self = *self + other;
    }
}

impl Sub for Bytes {
    type Output = Bytes;
    fn sub(self, other: Bytes) -> Bytes {
        Bytes(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Bytes {
    /// `14KiB`, `1500B`, `20MB`: the largest unit that divides the number evenly.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 6] = [
            (1 << 30, "GiB"),
            (1_000_000_000, "GB"),
            (1 << 20, "MiB"),
            (1_000_000, "MB"),
            (1 << 10, "KiB"),
            (1_000, "kB"),
        ];
        let unit = UNITS.iter().find(|(size, _)| self.0 >= *size && self.0.is_multiple_of(*size));
        match unit {
            Some((size, name)) => write!(f, "{}{name}", self.0 / size),
            None => write!(f, "{}B", self.0),
        }
    }
}

/// A probability from 0 to 1.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Default)]
pub struct Probability(f64);

impl Probability {
    /// Never.
    pub const ZERO: Probability = Probability(0.0);
    /// Always.
    pub const ONE: Probability = Probability(1.0);

    /// `p` when it lies in 0..=1.
    pub fn new(p: f64) -> Option<Probability> {
        (0.0..=1.0).contains(&p).then_some(Probability(p))
    }

    /// The number from 0 to 1.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// True for exactly zero.
    pub fn is_zero(self) -> bool {
        self.0 == 0.0
    }

    /// Whether a uniform 53-bit draw falls under this probability. The top 53 bits of `draw` are used.
    #[inline]
    pub fn hit(self, draw: u64) -> bool {
        ((draw >> 11) as f64) * (1.0 / (1u64 << 53) as f64) < self.0
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nine digits, so that 0.07 * 100 does not print its rounding error.
        write!(f, "{}%", (self.0 * 1e11).round() / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_outside_the_unit_interval_are_refused() {
        assert!(Probability::new(-0.1).is_none());
        assert!(Probability::new(1.1).is_none());
        assert!(Probability::new(f64::NAN).is_none());
        assert_eq!(Probability::new(0.07).unwrap().to_string(), "7%");
    }

    #[test]
    fn the_extremes_never_and_always_hit() {
        for draw in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(!Probability::ZERO.hit(draw));
            assert!(Probability::ONE.hit(draw));
        }
    }

    #[test]
    fn sizes_print_in_the_unit_that_divides_them() {
        assert_eq!(Bytes(14 << 10).to_string(), "14KiB");
        assert_eq!(Bytes(1500).to_string(), "1500B");
        assert_eq!(Bytes(20_000_000).to_string(), "20MB");
    }
}
