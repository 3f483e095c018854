//! Link and application rates.

use crate::Span;
use std::fmt;

/// Bits of fraction in the picoseconds-per-byte figure.
const FRACTION: u32 = 20;

/// A rate in bits per second, at least 1 bit/s.
///
/// The time per byte is kept in fixed point and rounded once, so that serialising *n* bytes takes the same time wherever it is
/// computed; the Ethernet rates from 10 Mbit/s to 1.6 Tbit/s are whole picoseconds per byte and have no rounding at all.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    bits_per_s: u64,
    /// Picoseconds per byte, times 2^20; zero stands for an infinitely fast link.
    ps_per_byte: u64,
}

impl Rate {
    /// A link that takes no time to send.
    pub const INFINITE: Rate = Rate { bits_per_s: u64::MAX, ps_per_byte: 0 };

    /// A rate of `bits` per second; `None` below 1 bit/s.
    pub const fn from_bits_per_s(bits: u64) -> Option<Rate> {
        if bits == 0 {
            return None;
        }
        let scaled = (8_000_000_000_000u128 << FRACTION) + (bits / 2) as u128;
        Some(Rate { bits_per_s: bits, ps_per_byte: (scaled / bits as u128) as u64 })
    }

    /// A rate of `mbps` million bits per second.
    ///
    /// # Panics
    /// When `mbps` is zero.
    pub const fn from_mbps(mbps: u64) -> Rate {
        match Rate::from_bits_per_s(mbps * 1_000_000) {
            Some(rate) => rate,
            None => panic!("a rate of zero"),
        }
    }

    /// Bits per second; `u64::MAX` for [`Rate::INFINITE`].
    pub const fn bits_per_s(self) -> u64 {
        self.bits_per_s
    }

    /// Bytes per second.
    pub fn bytes_per_s(self) -> f64 {
        self.bits_per_s as f64 / 8.0
    }

    /// True for [`Rate::INFINITE`].
    pub const fn is_infinite(self) -> bool {
        self.ps_per_byte == 0
    }

    /// The time to serialise `bytes` bytes, rounded to the nearest picosecond.
    #[inline]
    pub const fn time_for(self, bytes: u64) -> Span {
        let scaled = bytes as u128 * self.ps_per_byte as u128 + (1 << (FRACTION - 1));
        let ps = scaled >> FRACTION;
        Span::from_ps(if ps > u64::MAX as u128 { u64::MAX } else { ps as u64 })
    }

    /// How many whole bytes pass in `span`; `u64::MAX` for an infinite rate.
    pub const fn bytes_in(self, span: Span) -> u64 {
        if self.is_infinite() {
            return u64::MAX;
        }
        let bits = self.bits_per_s as u128 * span.as_ps() as u128 / 1_000_000_000_000;
        (bits / 8) as u64
    }
}

impl fmt::Display for Rate {
    /// `10Mbps`, `1.5Gbps`, `64kbps`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_infinite() {
            return f.write_str("infinite");
        }
        let (unit, name) = match self.bits_per_s {
            1_000_000_000.. => (1e9, "Gbps"),
            1_000_000.. => (1e6, "Mbps"),
            1_000.. => (1e3, "kbps"),
            _ => (1.0, "bps"),
        };
        write!(f, "{}{name}", self.bits_per_s as f64 / unit)
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ethernet_rates_are_whole_picoseconds_per_byte() {
        for (mbps, ps) in [(10, 800_000), (100, 80_000), (1_000, 8_000), (400_000, 20), (1_600_000, 5)] {
            assert_eq!(Rate::from_mbps(mbps).time_for(1), Span::from_ps(ps));
            assert_eq!(Rate::from_mbps(mbps).time_for(1538), Span::from_ps(1538 * ps));
        }
    }

    #[test]
    fn a_1500_byte_packet_at_10_mbps_takes_1200_us() {
        assert_eq!(Rate::from_mbps(10).time_for(1500), Span::from_us(1200));
    }

    #[test]
    fn below_one_bit_per_second_is_refused_and_the_slowest_rate_fits() {
        assert_eq!(Rate::from_bits_per_s(0), None);
        let slow = Rate::from_bits_per_s(1).unwrap();
        assert_eq!(slow.time_for(1), Span::from_secs(8));
        assert_eq!(slow.time_for(1 << 40), Span::MAX);
    }

    #[test]
    fn an_infinite_rate_takes_no_time() {
        assert_eq!(Rate::INFINITE.time_for(1 << 40), Span::ZERO);
        assert_eq!(Rate::INFINITE.to_string(), "infinite");
    }

    proptest! {
        #[test]
        fn the_rounding_error_is_at_most_one_picosecond_for_a_packet(bits in 1u64..2_000_000_000_000, bytes in 0u64..9_000) {
            let exact = bytes as u128 * 8_000_000_000_000 / bits as u128;
            let got = Rate::from_bits_per_s(bits).unwrap().time_for(bytes).as_ps() as u128;
            prop_assert!(got.abs_diff(exact) <= 1);
        }
    }
}
