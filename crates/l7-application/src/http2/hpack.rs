//! Header fields in few bytes (RFC 7541): what was said before on this connection is said again by a number.

use super::huffman;
use std::collections::VecDeque;
use std::fmt;

/// A name and a value.
type Field = (Vec<u8>, Vec<u8>);

/// What both ends know from the beginning (appendix A).
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// Bytes that each entry counts for beyond its own (section 4.1).
const ENTRY_OVERHEAD: usize = 32;
/// Bytes of a table unless the other side says otherwise.
const USUAL_SIZE: usize = 4096;

/// Why a block of fields cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadBlock {
    /// It ends in the middle.
    Truncated,
    /// A number is too large.
    BadNumber,
    /// There is no such entry.
    BadIndex,
    /// A text is no Huffman code.
    BadText,
    /// The table would be larger than allowed.
    TableTooLarge,
    /// All fields together are longer than allowed.
    TooLong,
}

impl fmt::Display for BadBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadBlock::Truncated => "the fields end in the middle",
            BadBlock::BadNumber => "a number is too large",
            BadBlock::BadIndex => "there is no such field",
            BadBlock::BadText => "a text is no Huffman code",
            BadBlock::TableTooLarge => "the table would be too large",
            BadBlock::TooLong => "the head is too long",
        })
    }
}

#[derive(Clone, Debug)]
struct Dynamic {
    entries: VecDeque<Field>,
    size: usize,
    most: usize,
}

impl Dynamic {
    fn new() -> Dynamic {
        Dynamic { entries: VecDeque::new(), size: 0, most: USUAL_SIZE }
    }

    fn add(&mut self, field: Field) {
        self.size += field.0.len() + field.1.len() + ENTRY_OVERHEAD;
        self.entries.push_front(field);
        self.evict();
    }

    fn resize(&mut self, most: usize) {
        self.most = most;
        self.evict();
    }

    fn evict(&mut self) {
        while self.size > self.most {
            let Some((name, value)) = self.entries.pop_back() else { break };
            self.size -= name.len() + value.len() + ENTRY_OVERHEAD;
        }
    }

    /// The entry with this number, those of the static table counted first.
    fn get(&self, index: usize) -> Result<Field, BadBlock> {
        if let Some((name, value)) = index.checked_sub(1).and_then(|i| STATIC.get(i)) {
            return Ok((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        }
        let i = index.checked_sub(STATIC.len() + 1).ok_or(BadBlock::BadIndex)?;
        self.entries.get(i).cloned().ok_or(BadBlock::BadIndex)
    }

    /// The number of this field, and that of one with this name.
    fn find(&self, name: &[u8], value: &[u8]) -> (Option<usize>, Option<usize>) {
        let fixed = STATIC.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let own = self.entries.iter().map(|(name, value)| (&**name, &**value));
        let mut named = None;
        for (i, (known, content)) in fixed.chain(own).enumerate() {
            if known == name {
                if content == value {
                    return (Some(i + 1), Some(i + 1));
                }
                named = named.or(Some(i + 1));
            }
        }
        (None, named)
    }
}

/// Writes blocks of fields.
#[derive(Clone, Debug)]
pub struct Encoder {
    table: Dynamic,
    told: usize,
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder { table: Dynamic::new(), told: USUAL_SIZE }
    }
}

impl Encoder {
    /// The other side allows a table of so many bytes; more than usual is not used.
    pub fn allow(&mut self, size: usize) {
        self.table.resize(size.min(USUAL_SIZE));
    }

    /// A block with these fields; their names are in small letters.
    pub fn encode(&mut self, fields: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        if self.told != self.table.most {
            put_number(&mut out, 0x20, 5, self.table.most);
            self.told = self.table.most;
        }
        for (name, value) in fields {
            let (whole, named) = self.table.find(name, value);
            if let Some(index) = whole {
                put_number(&mut out, 0x80, 7, index);
                continue;
            }
            // What changes with every request would only push others out; a password is not to be remembered.
            let (first, bits) = match *name {
                b"authorization" => (0x10, 4),
                b":path" | b"content-length" | b"content-range" | b"date" | b"etag" | b"if-none-match"
                | b"range" => (0, 4),
                _ => (0x40, 6),
            };
            put_number(&mut out, first, bits, named.unwrap_or(0));
            if named.is_none() {
                put_text(&mut out, name);
            }
            put_text(&mut out, value);
            if first == 0x40 {
                self.table.add((name.to_vec(), value.to_vec()));
            }
        }
        out
    }
}

/// Reads blocks of fields.
#[derive(Clone, Debug)]
pub struct Decoder {
    table: Dynamic,
    allowed: usize,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder { table: Dynamic::new(), allowed: USUAL_SIZE }
    }
}

impl Decoder {
    /// The fields of a block, whose names and values together have at most `most` bytes.
    ///
    /// # Errors
    /// When it is none; the connection cannot go on then, because the tables may differ.
    pub fn decode(&mut self, block: &[u8], most: usize) -> Result<Vec<Field>, BadBlock> {
        let (mut rest, mut fields, mut size) = (block, Vec::new(), 0);
        while let Some(first) = rest.first().copied() {
            let (bits, adds) = match first {
                0x80.. => {
                    let index = number(&mut rest, 7)?;
                    let field = self.table.get(index)?;
                    keep(&mut fields, &mut size, most, field)?;
                    continue;
                }
                0x40.. => (6, true),
                0x20.. => {
                    let size = number(&mut rest, 5)?;
                    if size > self.allowed || !fields.is_empty() {
                        return Err(BadBlock::TableTooLarge);
                    }
                    self.table.resize(size);
                    continue;
                }
                _ => (4, false),
            };
            let index = number(&mut rest, bits)?;
            let name = if index == 0 { text(&mut rest)? } else { self.table.get(index)?.0 };
            let field = (name, text(&mut rest)?);
            if adds {
                self.table.add(field.clone());
            }
            keep(&mut fields, &mut size, most, field)?;
        }
        Ok(fields)
    }
}

fn keep(fields: &mut Vec<Field>, size: &mut usize, most: usize, field: Field) -> Result<(), BadBlock> {
    *size += field.0.len() + field.1.len();
    if *size > most {
        return Err(BadBlock::TooLong);
    }
    fields.push(field);
    Ok(())
}

/// A number whose first bits share a byte with `first` (section 5.1).
fn put_number(out: &mut Vec<u8>, first: u8, bits: u8, value: usize) {
    let most = (1usize << bits) - 1;
    if value < most {
        out.push(first | value as u8);
        return;
    }
    out.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 128 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn number(rest: &mut &[u8], bits: u8) -> Result<usize, BadBlock> {
    let mut byte = || {
        let (first, others) = rest.split_first().ok_or(BadBlock::Truncated)?;
        *rest = others;
        Ok::<usize, BadBlock>(usize::from(*first))
    };
    let most = (1usize << bits) - 1;
    let mut value = byte()? & most;
    if value < most {
        return Ok(value);
    }
    for shift in [0, 7, 14] {
        let part = byte()?;
        value += (part & 0x7f) << shift;
        if part < 128 {
            return Ok(value);
        }
    }
    Err(BadBlock::BadNumber)
}

/// A text, in the shorter of both forms (section 5.2).
fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    let short = huffman::length(text);
    if short < text.len() {
        put_number(out, 0x80, 7, short);
        huffman::encode(text, out);
    } else {
        put_number(out, 0, 7, text.len());
        out.extend_from_slice(text);
    }
}

fn text(rest: &mut &[u8]) -> Result<Vec<u8>, BadBlock> {
    let coded = rest.first().ok_or(BadBlock::Truncated)? & 0x80 != 0;
    let length = number(rest, 7)?;
    let (taken, others) = rest.split_at_checked(length).ok_or(BadBlock::Truncated)?;
    *rest = others;
    if coded { huffman::decode(taken).ok_or(BadBlock::BadText) } else { Ok(taken.to_vec()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    fn read(decoder: &mut Decoder, block: &[u8]) -> Vec<(String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let fields = decoder.decode(block, 1 << 16).unwrap();
        fields.into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn the_requests_of_the_rfc_are_read_and_written() {
        // Appendix C.4: three requests on one connection, with Huffman codes.
        let (mut decoder, mut encoder) = (Decoder::default(), Encoder::default());
        let common =
            [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];
        let mut second = common.to_vec();
        second.push(("cache-control", "no-cache"));
        for (fields, hex) in
            [(common.to_vec(), "828684418cf1e3c2e5f23a6ba0ab90f4ff"), (second, "828684be5886a8eb10649cbf")]
        {
            let raw: Vec<(&[u8], &[u8])> = fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
            assert_eq!(encoder.encode(&raw), bytes(hex));
            let told = read(&mut decoder, &bytes(hex));
            assert!(told.iter().map(|(n, v)| (&**n, &**v)).eq(fields.iter().copied()));
        }
    }

    #[test]
    fn what_was_said_before_is_one_byte() {
        let mut encoder = Encoder::default();
        let fields: [(&[u8], &[u8]); 2] = [(b"user-agent", b"tidewire"), (b"cookie", b"a=1; b=2")];
        assert!(encoder.encode(&fields).len() > 10);
        assert_eq!(encoder.encode(&fields).len(), 2);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let decode = |hex: &str| Decoder::default().decode(&bytes(hex), 1 << 10);
        assert_eq!(decode("80"), Err(BadBlock::BadIndex));
        assert_eq!(decode("be"), Err(BadBlock::BadIndex));
        assert_eq!(decode("40"), Err(BadBlock::Truncated));
        assert_eq!(decode("4005"), Err(BadBlock::Truncated));
        assert_eq!(decode("ffffffffff"), Err(BadBlock::BadNumber));
        assert_eq!(decode("3fe11f"), Ok(Vec::new()));
        assert_eq!(decode("3fe21f"), Err(BadBlock::TableTooLarge));
        assert_eq!(decode("4084ffffffff00"), Err(BadBlock::BadText));
        // A field that is said a thousand times: a small block, and a long head.
        let mut bomb = bytes("400178");
        put_number(&mut bomb, 0, 7, 100);
        bomb.extend([b'y'; 100]);
        bomb.extend([0xbe; 100]);
        assert_eq!(Decoder::default().decode(&bomb, 1 << 10), Err(BadBlock::TooLong));
    }

    proptest! {
        #[test]
        fn fields_come_back_as_they_went(
            blocks in prop::collection::vec(
                prop::collection::vec(("[a-z-]{1,12}", prop::collection::vec(any::<u8>(), 0..40)), 0..8), 1..6),
            sizes in prop::collection::vec(0usize..6000, 1..6),
        ) {
            let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
            for (fields, size) in blocks.iter().zip(sizes.iter().cycle()) {
                encoder.allow(*size);
                let raw: Vec<(&[u8], &[u8])> = fields.iter().map(|(n, v)| (n.as_bytes(), &**v)).collect();
                let told = decoder.decode(&encoder.encode(&raw), 1 << 20).unwrap();
                prop_assert!(told.iter().map(|(n, v)| (&**n, &**v)).eq(raw));
            }
        }

        #[test]
        fn any_bytes_are_fields_or_an_error(blocks: Vec<Vec<u8>>) {
            let mut decoder = Decoder::default();
            for block in blocks {
                let _ = decoder.decode(&block, 1 << 12);
                prop_assert!(decoder.table.size <= USUAL_SIZE);
            }
        }
    }
}
