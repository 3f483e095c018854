//! Packets as SSH has them (RFC 4253, section 6): a length in the clear, then what nobody on the way can read, then a check.
//!
//! As with [`crate::tls`], the cryptography is modelled: bytes are scrambled, and nothing of it would protect real data.

use crate::tls::{mix, scramble};
use std::fmt;

/// Most bytes of a packet (section 6.1).
pub const LONGEST: usize = 35_000;
/// Bytes of the check behind each packet, as HMAC-SHA-256 has.
pub const CHECK: usize = 32;
/// Packets are filled up to a multiple of this.
const BLOCK: usize = 16;

/// Why bytes are no packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadPacket {
    /// The length is impossible.
    BadLength,
    /// It was not sealed with this key, or not as this packet.
    BadCheck,
}

impl fmt::Display for BadPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadPacket::BadLength => "bad packet length",
            BadPacket::BadCheck => "bad message check",
        })
    }
}

/// The key of one direction, from what both ends have said.
pub fn direction_key(shared: u64, to_server: bool) -> u64 {
    mix(shared ^ u64::from(to_server))
}

/// A packet ready to be sent; `sequence` numbers the packets of a direction.
pub fn seal(key: u64, sequence: u64, payload: &[u8]) -> Vec<u8> {
    let filled = (payload.len() + 5 + 4).next_multiple_of(BLOCK);
    let padding = filled - payload.len() - 1;
    let mut out = Vec::with_capacity(4 + filled + CHECK);
    out.extend_from_slice(&(filled as u32).to_be_bytes());
    out.push(padding as u8);
    out.extend_from_slice(payload);
    out.resize(4 + filled, 0);
    let check = check(key, sequence, &out);
    scramble(&mut out[4..], key, sequence);
    out.extend_from_slice(&check);
    out
}

/// How many bytes follow the four of the length.
///
/// # Errors
/// When a packet cannot be so long.
pub fn rest_of(head: [u8; 4]) -> Result<usize, BadPacket> {
    let length = u32::from_be_bytes(head) as usize;
    if !(BLOCK..=LONGEST).contains(&length) || !length.is_multiple_of(BLOCK) {
        return Err(BadPacket::BadLength);
    }
    Ok(length + CHECK)
}

/// What a packet holds: its bytes without those of the length.
///
/// # Errors
/// When it was not sealed with this key as this packet.
pub fn open(key: u64, sequence: u64, rest: &[u8]) -> Result<Vec<u8>, BadPacket> {
    let length = rest.len().checked_sub(CHECK).filter(|n| *n >= BLOCK).ok_or(BadPacket::BadLength)?;
    let mut whole = (length as u32).to_be_bytes().to_vec();
    whole.extend_from_slice(&rest[..length]);
    scramble(&mut whole[4..], key, sequence);
    if check(key, sequence, &whole) != rest[length..] {
        return Err(BadPacket::BadCheck);
    }
    let padding = usize::from(whole[4]);
    let end = whole.len().checked_sub(padding).filter(|end| *end >= 5).ok_or(BadPacket::BadLength)?;
    Ok(whole[5..end].to_vec())
}

fn check(key: u64, sequence: u64, bytes: &[u8]) -> [u8; CHECK] {
    let mut state = mix(key ^ sequence);
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = mix(state ^ u64::from_be_bytes(word));
    }
    let mut out = [0; CHECK];
    for part in out.chunks_mut(8) {
        state = mix(state);
        part.copy_from_slice(&state.to_be_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn opened(key: u64, sequence: u64, packet: &[u8]) -> Result<Vec<u8>, BadPacket> {
        let head: [u8; 4] = packet[..4].try_into().unwrap();
        assert_eq!(rest_of(head), Ok(packet.len() - 4));
        open(key, sequence, &packet[4..])
    }

    #[test]
    fn another_key_and_another_place_do_not_open_a_packet() {
        let packet = seal(7, 0, b"password");
        assert_eq!(opened(7, 0, &packet).unwrap(), b"password");
        assert_eq!(opened(8, 0, &packet), Err(BadPacket::BadCheck));
        assert_eq!(opened(7, 1, &packet), Err(BadPacket::BadCheck));
        assert!(!packet.windows(8).any(|window| window == b"password"));
    }

    proptest! {
        #[test]
        fn what_was_sealed_is_opened(key: u64, sequence: u64, payload in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(opened(key, sequence, &seal(key, sequence, &payload)), Ok(payload));
        }

        #[test]
        fn a_changed_bit_is_noticed(payload in prop::collection::vec(any::<u8>(), 0..60), at: prop::sample::Index) {
            let mut packet = seal(1, 2, &payload);
            let at = 4 + at.index(packet.len() - 4);
            packet[at] ^= 1;
            prop_assert!(open(1, 2, &packet[4..]).is_err());
        }

        #[test]
        fn any_bytes_are_refused_or_read(head: [u8; 4], rest: Vec<u8>) {
            let _ = rest_of(head);
            prop_assert!(open(3, 3, &rest).is_err());
        }
    }
}
