//! Frames in a stream of bits or bytes: flags around them, and nothing inside that looks like one (ISO/IEC 13239, RFC 1662).

use super::{bits_of, bytes_of};

/// The flag before and after a frame: 01111110.
pub const FLAG: u8 = 0x7E;
const ESCAPE: u8 = 0x7D;
const FLIP: u8 = 0x20;

/// Puts a 0 after five 1s in a row, so that no flag can appear.
pub fn stuff(bits: &[bool]) -> Vec<bool> {
    let mut out = Vec::with_capacity(bits.len() + bits.len() / 5);
    let mut ones = 0;
    for bit in bits {
        out.push(*bit);
        ones = if *bit { ones + 1 } else { 0 };
        if ones == 5 {
            out.push(false);
            ones = 0;
        }
    }
    out
}

/// Takes out what [`stuff`] put in; `None` where six 1s follow each other, which no stuffed bits have.
pub fn unstuff(bits: &[bool]) -> Option<Vec<bool>> {
    let mut out = Vec::with_capacity(bits.len());
    let mut ones = 0;
    for bit in bits {
        match (ones, *bit) {
            (5, true) => return None,
            (5, false) => ones = 0,
            (_, bit) => {
                out.push(bit);
                ones = if bit { ones + 1 } else { 0 };
            }
        }
    }
    Some(out)
}

/// A frame as bits: flag, stuffed bits, flag.
pub fn bit_frame(data: &[u8]) -> Vec<bool> {
    let flag = bits_of(&[FLAG]);
    [&flag[..], &stuff(&bits_of(data)), &flag].concat()
}

/// The first frame in a stream of bits: what is between the first flag that something follows and the next one. `None` when there is
/// no whole frame, or what there is has no whole bytes.
pub fn bit_unframe(bits: &[bool]) -> Option<Vec<u8>> {
    let flag = bits_of(&[FLAG]);
    let find = |from: usize| bits[from..].windows(8).position(|window| window == flag).map(|at| at + from);
    let mut begin = find(0)? + 8;
    loop {
        let end = find(begin)?;
        if end > begin {
            return bytes_of(&unstuff(&bits[begin..end])?);
        }
        begin = end + 8;
    }
}

/// A frame as bytes (RFC 1662 section 4.2): a flag or an escape inside becomes an escape and the byte with one bit flipped.
pub fn byte_frame(data: &[u8]) -> Vec<u8> {
    let mut out = vec![FLAG];
    for byte in data {
        match *byte {
            FLAG | ESCAPE => out.extend([ESCAPE, byte ^ FLIP]),
            byte => out.push(byte),
        }
    }
    out.push(FLAG);
    out
}

/// What [`byte_frame`] framed; `None` without a flag at both ends, with one inside, or with an escape before the last.
pub fn byte_unframe(bytes: &[u8]) -> Option<Vec<u8>> {
    let inside = bytes.strip_prefix(&[FLAG])?.strip_suffix(&[FLAG])?;
    let mut out = Vec::with_capacity(inside.len());
    let mut all = inside.iter();
    while let Some(byte) = all.next() {
        match *byte {
            FLAG => return None,
            ESCAPE => out.push(*all.next().filter(|next| **next != FLAG)? ^ FLIP),
            byte => out.push(byte),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(bits: &[bool]) -> String {
        bits.iter().map(|bit| if *bit { '1' } else { '0' }).collect()
    }

    #[test]
    fn a_flag_inside_is_stuffed() {
        assert_eq!(text(&bit_frame(&[FLAG])), "01111110".to_owned() + "011111010" + "01111110");
        assert_eq!(
            text(&bit_frame(&[0xFF, 0xFF])),
            "01111110".to_owned() + "1111101111101111101" + "01111110"
        );
        assert_eq!(byte_frame(&[1, FLAG, 2, ESCAPE]), [FLAG, 1, 0x7D, 0x5E, 2, 0x7D, 0x5D, FLAG]);
    }

    #[test]
    fn what_is_no_frame_is_none() {
        assert_eq!(bit_unframe(&[]), None);
        assert_eq!(bit_unframe(&bits_of(&[FLAG, FLAG, FLAG])), None, "flags and nothing between");
        assert_eq!(unstuff(&[true; 6]), None);
        assert_eq!(byte_unframe(&[FLAG]), None);
        assert_eq!(byte_unframe(&[FLAG, ESCAPE, FLAG]), None);
        assert_eq!(byte_unframe(&[FLAG, 1, FLAG, 2, FLAG]), None);
    }

    proptest! {
        #[test]
        fn unframing_undoes_framing(data: Vec<u8>, idle in 0..3usize) {
            let flags = bits_of(&vec![FLAG; idle]);
            let stream = [&flags[..], &bit_frame(&data)].concat();
            let expected = (!data.is_empty()).then(|| data.clone());
            prop_assert_eq!(bit_unframe(&stream), expected);
            prop_assert_eq!(byte_unframe(&byte_frame(&data)), Some(data));
        }

        #[test]
        fn no_flag_appears_inside(data: Vec<u8>) {
            let bits = stuff(&bits_of(&data));
            prop_assert!(!text(&bits).contains("111111"));
            prop_assert_eq!(unstuff(&bits), Some(bits_of(&data)));
            prop_assert!(bits.len() <= 8 * data.len() * 6 / 5);
        }

        #[test]
        fn any_bits_are_taken(bits: Vec<bool>, bytes: Vec<u8>) {
            let _ = (bit_unframe(&bits), unstuff(&bits), byte_unframe(&bytes));
        }
    }
}
