//! The Internet checksum (RFC 1071) and the Ethernet frame check sequence (IEEE 802.3 section 3.2.9).

use crate::Protocol;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A running Internet checksum: the sum of 16-bit words, not yet folded (RFC 1071 section 2).
#[derive(Clone, Copy, Default, Debug)]
pub struct Checksum(u64);

impl Checksum {
    /// Nothing summed yet.
    pub const NONE: Checksum = Checksum(0);

    /// The pseudo header that UDP and TCP sum over IPv4 (RFC 768, RFC 9293 section 3.1); `len` counts the transport's header and
    /// data.
    pub fn pseudo_ipv4(src: Ipv4Addr, dst: Ipv4Addr, protocol: Protocol, len: usize) -> Checksum {
        Checksum(u64::from(src.to_bits()) + u64::from(dst.to_bits()) + u64::from(protocol.0) + len as u64)
    }

    /// The pseudo header over IPv6 (RFC 8200 section 8.1).
    pub fn pseudo_ipv6(src: Ipv6Addr, dst: Ipv6Addr, protocol: Protocol, len: usize) -> Checksum {
        let sum = Checksum(u64::from(protocol.0) + len as u64);
        sum.over(&src.octets()).over(&dst.octets())
    }

    /// Adds bytes. Every piece but the last must have an even length.
    pub fn over(self, bytes: &[u8]) -> Checksum {
        // Words of 32 bits sum to the same, since 2^16 is 1 modulo 2^16 - 1.
        let (words, tail) = bytes.as_chunks::<4>();
        let sum = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum::<u64>();
        let mut last = [0; 4];
        last[..tail.len()].copy_from_slice(tail);
        Checksum(self.0 + sum + u64::from(u32::from_be_bytes(last)))
    }

    /// The value for the checksum field: the complement of the folded sum.
    pub const fn finish(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xFFFF {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
        !(sum as u16)
    }

    /// Whether everything summed, the checksum field included, is intact.
    pub const fn is_intact(self) -> bool {
        self.finish() == 0
    }
}

/// The addresses that the checksum of a transport protocol covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pseudo {
    /// Source and destination over IPv4.
    V4(Ipv4Addr, Ipv4Addr),
    /// Source and destination over IPv6.
    V6(Ipv6Addr, Ipv6Addr),
}

impl Pseudo {
    /// The sum of the pseudo header; `len` counts the transport's header and data.
    pub fn sum(self, protocol: Protocol, len: usize) -> Checksum {
        match self {
            Pseudo::V4(src, dst) => Checksum::pseudo_ipv4(src, dst, protocol, len),
            Pseudo::V6(src, dst) => Checksum::pseudo_ipv6(src, dst, protocol, len),
        }
    }
}

/// The CRC-32 of a frame. On the wire it follows the frame, least significant byte first.
pub fn frame_check_sequence(frame: &[u8]) -> u32 {
    !frame.iter().fold(u32::MAX, |crc, byte| CRC_TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071_sums_to_ddf2() {
        let example = [0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7];
        assert_eq!(!Checksum::NONE.over(&example).finish(), 0xDDF2);
    }

    #[test]
    fn a_well_known_ipv4_header_has_checksum_b861() {
        let header =
            [0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xC0, 0xA8, 0, 1, 0xC0, 0xA8, 0, 0xC7];
        assert_eq!(Checksum::NONE.over(&header).finish(), 0xB861);
    }

    #[test]
    fn an_odd_last_byte_counts_as_the_high_half_of_a_word() {
        let odd = Checksum::NONE.over(&[0x12, 0x34, 0x56]).finish();
        assert_eq!(odd, Checksum::NONE.over(&[0x12, 0x34, 0x56, 0x00]).finish());
        assert_eq!(odd, !(0x1234 + 0x5600));
    }

    #[test]
    fn pieces_of_even_length_sum_like_the_whole() {
        let data: Vec<u8> = (0..101).map(|i| (i * 37) as u8).collect();
        let whole = Checksum::NONE.over(&data).finish();
        for cut in (0..100).step_by(2) {
            assert_eq!(Checksum::NONE.over(&data[..cut]).over(&data[cut..]).finish(), whole);
        }
    }

    #[test]
    fn carries_are_folded_until_none_is_left() {
        assert_eq!(Checksum::NONE.over(&[0xFF; 1500]).finish(), 0);
        assert_eq!(Checksum::NONE.over(&[]).finish(), 0xFFFF);
    }

    #[test]
    fn the_crc_check_value_is_cbf43926() {
        assert_eq!(frame_check_sequence(b"123456789"), 0xCBF4_3926);
        assert_eq!(frame_check_sequence(b""), 0);
    }
}
