//! The code for letters of fields (RFC 7541, section 5.2): short codes for what is frequent, the longest of 30 bits.

/// Letters by the length of their code. Codes of one length follow each other in the order of their letters, so that the lengths
/// are the whole code (appendix B); 256 stands for the end.
const BY_LENGTH: [(u8, &[u16]); 21] = [
    (5, &[48, 49, 50, 97, 99, 101, 105, 111, 115, 116]),
    (
        6,
        &[
            32, 37, 45, 46, 47, 51, 52, 53, 54, 55, 56, 57, 61, 65, 95, 98, 100, 102, 103, 104, 108, 109,
            110, 112, 114, 117,
        ],
    ),
    (
        7,
        &[
            58, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 89,
            106, 107, 113, 118, 119, 120, 121, 122,
        ],
    ),
    (8, &[38, 42, 44, 59, 88, 90]),
    (10, &[33, 34, 40, 41, 63]),
    (11, &[39, 43, 124]),
    (12, &[35, 62]),
    (13, &[0, 36, 64, 91, 93, 126]),
    (14, &[94, 125]),
    (15, &[60, 96, 123]),
    (19, &[92, 195, 208]),
    (20, &[128, 130, 131, 162, 184, 194, 224, 226]),
    (21, &[153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230]),
    (
        22,
        &[
            129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187,
            189, 190, 196, 198, 228, 232, 233,
        ],
    ),
    (
        23,
        &[
            1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174,
            175, 180, 182, 183, 188, 191, 197, 231, 239,
        ],
    ),
    (24, &[9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237]),
    (25, &[199, 207, 234, 235]),
    (26, &[192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255]),
    (27, &[203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254]),
    (
        28,
        &[
            2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 30, 31,
            127, 220, 249,
        ],
    ),
    (30, &[10, 13, 22, 256]),
];
const END: u16 = 256;

/// The code and its length of each letter.
const CODES: [(u32, u8); 257] = {
    let mut codes = [(0, 0); 257];
    let (mut code, mut before, mut i) = (0u32, 0, 0);
    while i < BY_LENGTH.len() {
        let (length, letters) = BY_LENGTH[i];
        code <<= length - before;
        before = length;
        let mut j = 0;
        while j < letters.len() {
            codes[letters[j] as usize] = (code, length);
            code += 1;
            j += 1;
        }
        i += 1;
    }
    codes
};

/// How many bytes a text takes.
pub fn length(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|byte| usize::from(CODES[usize::from(*byte)].1)).sum();
    bits.div_ceil(8)
}

/// Adds the code of a text.
pub fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut n) = (0u64, 0);
    for byte in text {
        let (code, length) = CODES[usize::from(*byte)];
        bits = bits << length | u64::from(code);
        n += length;
        while n >= 8 {
            n -= 8;
            out.push((bits >> n) as u8);
        }
        bits &= (1 << n) - 1;
    }
    if n > 0 {
        // Filled with the beginning of the end's code, which is all ones.
        out.push((bits << (8 - n)) as u8 | (0xff >> n));
    }
}

/// The text that bytes stand for; nothing when they are no code, or hold the end.
pub fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len() * 8 / 5);
    let (mut code, mut length) = (0u32, 0u8);
    for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1)) {
        code = code << 1 | u32::from(bit);
        length += 1;
        if let Some(letter) = letter(code, length) {
            if letter == END {
                return None;
            }
            out.push(letter as u8);
            (code, length) = (0, 0);
        } else if length == 30 {
            return None;
        }
    }
    // What is left must be filling: less than a byte, all ones.
    (length < 8 && code == (1 << length) - 1).then_some(out)
}

fn letter(code: u32, length: u8) -> Option<u16> {
    let (_, letters) = BY_LENGTH.iter().find(|(own, _)| *own == length)?;
    let first = CODES[usize::from(letters[0])].0;
    letters.get(code.checked_sub(first)? as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_code_is_complete_and_names_every_letter_once() {
        let room: u64 = CODES.iter().map(|(_, length)| 1u64 << (30 - length)).sum();
        assert_eq!(room, 1 << 30);
        assert!(CODES.iter().all(|(_, length)| *length > 0));
        assert_eq!(CODES[256], (0x3fff_ffff, 30));
        assert_eq!(BY_LENGTH.iter().map(|(_, letters)| letters.len()).sum::<usize>(), 257);
    }

    #[test]
    fn the_examples_of_the_rfc_come_out() {
        for (text, code) in [
            ("www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
            ("no-cache", "a8eb10649cbf"),
            ("custom-key", "25a849e95ba97d7f"),
            ("custom-value", "25a849e95bb8e8b4bf"),
            ("302", "6402"),
            ("private", "aec3771a4b"),
            ("Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"),
            ("https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"),
        ] {
            let mut out = Vec::new();
            encode(text.as_bytes(), &mut out);
            assert_eq!(hex(&out), code, "{text}");
            assert_eq!(length(text.as_bytes()), out.len());
        }
    }

    #[test]
    fn the_end_and_too_much_filling_are_no_text() {
        assert_eq!(decode(&[0xff; 4]), None);
        assert_eq!(decode(&[0x07, 0xff]), None);
        assert_eq!(decode(&[]), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn texts_come_back_as_they_went(text: Vec<u8>) {
            let mut out = Vec::new();
            encode(&text, &mut out);
            prop_assert_eq!(decode(&out), Some(text));
        }

        #[test]
        fn any_bytes_are_a_text_or_none(bytes: Vec<u8>) {
            if let Some(text) = decode(&bytes) {
                let mut out = Vec::new();
                encode(&text, &mut out);
                prop_assert_eq!(out, bytes);
            }
        }
    }
}
