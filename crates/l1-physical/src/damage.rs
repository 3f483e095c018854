//! Bits that noise turns over.

use crate::Framing;
use tidewire_units::{Probability, Stream};

/// Which frames arrive damaged.
#[derive(Clone, Debug)]
pub enum Damage {
    /// Each with this probability.
    Packets(Probability, Stream),
    /// Each bit with this probability, independently: a frame of n bits is damaged with 1 - (1 - p)^n.
    Bits(BitErrors),
    /// Those with these ordinals, counted from 1 as they are sent.
    Listed(Box<[u64]>, u64),
}

/// A bit error ratio and where its luck comes from.
#[derive(Clone, Debug)]
pub struct BitErrors {
    ratio: f64,
    stream: Stream,
    /// The length last asked about and its frame error ratio, because most frames of a flow are equally long.
    last: (u64, Probability),
}

impl BitErrors {
    /// Errors with this probability for each bit.
    pub fn new(ratio: f64, stream: Stream) -> BitErrors {
        BitErrors { ratio: ratio.clamp(0.0, 1.0), stream, last: (0, Probability::ZERO) }
    }
}

impl Damage {
    /// Exactly the frames with these ordinals.
    pub fn listed(mut ordinals: Vec<u64>) -> Damage {
        ordinals.sort_unstable();
        Damage::Listed(ordinals.into(), 0)
    }

    /// Whether the frame around a packet of `len` bytes is damaged on its way.
    pub fn draw(&mut self, len: u16, framing: Framing) -> bool {
        match self {
            Damage::Packets(p, stream) => p.hit(stream.bits()),
            Damage::Listed(ordinals, seen) => {
                *seen += 1;
                ordinals.binary_search(seen).is_ok()
            }
            Damage::Bits(bits) => {
                let n = 8 * framing.frame_bytes(len);
                if bits.last.0 != n {
                    bits.last = (n, frame_error_ratio(bits.ratio, n));
                }
                bits.last.1.hit(bits.stream.bits())
            }
        }
    }
}

/// 1 - (1 - p)^n, exact for small p.
pub fn frame_error_ratio(ratio: f64, bits: u64) -> Probability {
    let p = if ratio >= 1.0 { 1.0 } else { -libm::expm1(bits as f64 * libm::log1p(-ratio)) };
    Probability::new(p.clamp(0.0, 1.0)).unwrap_or(Probability::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire_units::{Purpose, Streams};

    fn stream() -> Stream {
        Streams::new(3).stream(Purpose::Corruption, "a-b")
    }

    #[test]
    fn the_frame_error_ratio_follows_from_the_bit_error_ratio() {
        // A frame of 1518 bytes at one error in a million bits.
        assert!((frame_error_ratio(1e-6, 12_144).get() - 0.012_071).abs() < 1e-6);
        assert_eq!(frame_error_ratio(0.0, 12_144), Probability::ZERO);
        assert_eq!(frame_error_ratio(1.0, 8), Probability::ONE);
        let mut damage = Damage::Bits(BitErrors::new(1e-6, stream()));
        let n = 400_000;
        let hit = (0..n).filter(|_| damage.draw(1500, Framing::Ethernet)).count() as f64 / f64::from(n);
        // Standard error 0.00017; four of them.
        assert!((hit - 0.012_071).abs() < 0.0007, "{hit}");
    }

    #[test]
    fn listed_frames_are_damaged_and_no_others() {
        let mut damage = Damage::listed(vec![7, 3]);
        let hit: Vec<u64> = (1..=10).filter(|_| damage.draw(1500, Framing::Ethernet)).collect();
        assert_eq!(hit, [3, 7]);
    }

    #[test]
    fn damage_by_packet_does_not_look_at_the_length() {
        let mut damage = Damage::Packets(Probability::new(0.25).unwrap(), stream());
        let hit =
            (0..40_000).filter(|i| damage.draw(if i % 2 == 0 { 40 } else { 1500 }, Framing::Ip)).count();
        assert!((hit as f64 / 40_000.0 - 0.25).abs() < 0.01);
    }
}
