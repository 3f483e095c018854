//! Letters as bytes: the same text has other bytes, and other lengths, in each character set.

use super::BadValue;
use encoding_rs::Encoding;

/// A character set.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Charset {
    /// One that has a table, or UTF-8.
    Table(&'static Encoding),
    /// UTF-16 with the lower byte first.
    Utf16Le,
    /// UTF-16 with the higher byte first.
    Utf16Be,
}

impl Charset {
    /// By its name, in any of the ways it is written: `EUC-KR`, `euc_kr`, `utf8`.
    pub fn named(name: &str) -> Option<Charset> {
        let dashed = name.to_ascii_lowercase().replace('_', "-");
        Some(match &*dashed {
            "utf-16" | "utf-16le" => Charset::Utf16Le,
            "utf-16be" => Charset::Utf16Be,
            other => {
                let known = Encoding::for_label(other.as_bytes());
                Charset::Table(known.or_else(|| Encoding::for_label(name.to_ascii_lowercase().as_bytes()))?)
            }
        })
    }

    /// The bytes of a text.
    ///
    /// # Errors
    /// When it has a letter that the set has not.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, BadValue> {
        let Charset::Table(table) = self else {
            let big = self == Charset::Utf16Be;
            let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
            return Ok(text.encode_utf16().flat_map(bytes).collect());
        };
        let (bytes, _, unmapped) = table.encode(text);
        if !unmapped {
            return Ok(bytes.into_owned());
        }
        let mut letter = [0; 4];
        let missing = text.chars().find(|c| table.encode(c.encode_utf8(&mut letter)).2).unwrap_or_default();
        Err(BadValue::new(format!("{} has no '{missing}'", table.name())))
    }

    /// The text of bytes, and whether some of them were no letters: U+FFFD stands for these.
    pub fn decode(self, bytes: &[u8]) -> (String, bool) {
        let table = match self {
            Charset::Table(table) => table,
            Charset::Utf16Le => encoding_rs::UTF_16LE,
            Charset::Utf16Be => encoding_rs::UTF_16BE,
        };
        let (text, wrong) = table.decode_without_bom_handling(bytes);
        (text.into_owned(), wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_greeting_is_shorter_in_a_set_of_its_own() {
        let length = |name: &str| Charset::named(name).unwrap().encode("안녕").unwrap().len();
        assert_eq!(
            (length("EUC-KR"), length("euc_kr"), length("UTF-8"), length("utf8"), length("utf-16")),
            (4, 4, 6, 6, 4)
        );
        assert_eq!(Charset::named("EUC-KR").unwrap().encode("안녕").unwrap(), [0xbe, 0xc8, 0xb3, 0xe7]);
        assert_eq!(Charset::named("klingon"), None);
    }

    #[test]
    fn the_wrong_set_gives_other_letters_or_none() {
        let (utf8, euc) = (Charset::named("utf-8").unwrap(), Charset::named("euc-kr").unwrap());
        let (text, wrong) = utf8.decode(&euc.encode("안녕").unwrap());
        assert!(wrong && text.contains('\u{fffd}'));
        let (text, _) = euc.decode("안녕".as_bytes());
        assert_ne!(text, "안녕");
        assert!(euc.encode("😀").unwrap_err().0.contains('😀'));
    }

    proptest! {
        #[test]
        fn texts_come_back_as_they_went(text in "[가-힣a-zA-Z0-9 ]{0,40}") {
            for name in ["utf-8", "euc-kr", "utf-16le", "utf-16be", "gb18030"] {
                let set = Charset::named(name).unwrap();
                prop_assert_eq!(set.decode(&set.encode(&text).unwrap()), (text.clone(), false));
            }
        }

        #[test]
        fn any_bytes_are_some_text(bytes: Vec<u8>) {
            for name in ["utf-8", "euc-kr", "shift_jis", "utf-16le", "big5"] {
                let _ = Charset::named(name).unwrap().decode(&bytes);
            }
        }
    }
}
