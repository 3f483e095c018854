//! The losses of a recording, again.

/// SplitMix64 (Steele, Lea and Flood 2014).
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// Which of the first `packets` packets with payload are lost with probability `p`, counted from 1, as the recorder with the seed `s`
/// drew them: one draw for each, after four that are thrown away.
pub(crate) fn lost_ordinals(s: u64, p: f64, packets: u64) -> Vec<u64> {
    if p <= 0.0 {
        return Vec::new();
    }
    let mut random = SplitMix64(s.wrapping_mul(0x0100_0000_01B3).wrapping_add(12_345));
    for _ in 0..4 {
        random.next();
    }
    let unit = 1.0 / (1u64 << 53) as f64;
    (1..=packets).filter(|_| ((random.next() >> 11) as f64) * unit < p).collect()
}

/// The recorder's seed of a row of `goodput.csv`.
pub(crate) fn goodput_seed(seed: u64, loss: f64, rtt_ms: f64) -> u64 {
    seed.wrapping_mul(1000).wrapping_add((loss * 10_000.0) as u64).wrapping_add(rtt_ms as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // The first values of the reference implementation for the state 1234567.
        let mut random = SplitMix64(1_234_567);
        let values = [(); 3].map(|()| random.next());
        assert_eq!(values, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn as_many_are_lost_as_the_probability_says() {
        let lost = lost_ordinals(goodput_seed(1, 0.01, 50.0), 0.01, 100_000);
        assert!((900..1100).contains(&lost.len()), "{}", lost.len());
        assert!(lost_ordinals(7, 0.0, 1000).is_empty());
    }
}
