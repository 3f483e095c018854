//! Bytes to text, whatever they were written with.

use super::ImportError;
use std::borrow::Cow;

/// The text of a file, and what had to be assumed for it: UTF-8, UTF-16 with a byte order mark, else Windows' extension of Latin-1.
///
/// # Errors
/// A null character: this is no text. Half a character of UTF-16.
pub(super) fn decode(bytes: &[u8]) -> Result<(Cow<'_, str>, Option<String>), ImportError> {
    let wide = match bytes {
        [0xff, 0xfe, rest @ ..] => Some((rest, u16::from_le_bytes as fn([u8; 2]) -> u16)),
        [0xfe, 0xff, rest @ ..] => Some((rest, u16::from_be_bytes as fn([u8; 2]) -> u16)),
        _ => None,
    };
    if let Some((rest, unit)) = wide {
        let units: Vec<u16> =
            rest.chunks(2).map(|pair| unit([pair[0], *pair.get(1).unwrap_or(&0)])).collect();
        let text = String::from_utf16(&units)
            .map_err(|_| ImportError::at(0, "the file begins like UTF-16, but is not; save it as UTF-8"))?;
        return text_only(Cow::Owned(text)).map(|text| (text, None));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text_only(Cow::Borrowed(text.trim_start_matches('\u{feff}'))).map(|text| (text, None)),
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count();
            let text = text_only(Cow::Owned(bytes.iter().map(|b| windows_1252(*b)).collect()))?;
            Ok((text, Some(format!("line {line} is not UTF-8: the file was read as Latin-1"))))
        }
    }
}

fn text_only(text: Cow<'_, str>) -> Result<Cow<'_, str>, ImportError> {
    match text.find('\0') {
        None => Ok(text),
        Some(at) => {
            let line = 1 + text[..at].bytes().filter(|b| *b == b'\n').count();
            Err(ImportError::at(line, "there is a null character here; this is not a text file"))
        }
    }
}

/// A character of Windows-1252; of its five unused codes, that of Latin-1.
fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// A text as it is quoted in messages: short, on one line.
pub(super) fn shown(text: &str) -> String {
    let plain: String = text.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(40).is_some() { format!("{plain}…") } else { plain }
}
