//! Values as bytes: how a presentation layer writes what programs hold, shorter, hidden, and in other letters.
//!
//! ```text
//!   Value --json | msgpack--> bytes --deflate--> fewer bytes --scramble--> bytes that nobody reads
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `mod.rs` | [`Value`], [`Form`], compression, encryption as a model, [`cost`] |
//! | `json.rs` | JSON (RFC 8259), by `serde_json` |
//! | `msgpack.rs` | MessagePack, a binary form |
//! | `charset.rs` | [`Charset`]: letters as bytes, by `encoding_rs` |

mod charset;
mod json;
mod msgpack;

pub use charset::Charset;

use crate::tls::{mix, scramble};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use tidewire_units::Span;

/// Values within values go no deeper.
const DEEPEST: usize = 100;
/// What is decompressed is no longer than this.
const MOST_BYTES: u64 = 64 << 20;

/// What programs exchange.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Nothing.
    Nil,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// A text; in JSON it must be UTF-8.
    Text(Vec<u8>),
    /// Values one after the other.
    List(Vec<Value>),
    /// Values by name.
    Map(BTreeMap<String, Value>),
}

/// How values are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Text that people can read.
    Json,
    /// Bytes.
    Msgpack,
}

/// Why bytes are no value, or a value has no bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadValue(pub String);

impl BadValue {
    fn new(why: impl Into<String>) -> BadValue {
        BadValue(why.into())
    }
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Form {
    /// Writes a value.
    ///
    /// # Errors
    /// When the form cannot express it.
    pub fn encode(self, value: &Value) -> Result<Vec<u8>, BadValue> {
        match self {
            Form::Json => json::encode(value),
            Form::Msgpack => msgpack::encode(value),
        }
    }

    /// Reads a value; nothing may follow it.
    ///
    /// # Errors
    /// When the bytes are none.
    pub fn decode(self, bytes: &[u8]) -> Result<Value, BadValue> {
        match self {
            Form::Json => json::decode(bytes),
            Form::Msgpack => msgpack::decode(bytes),
        }
    }
}

/// The bytes in fewer bytes (RFC 1951).
pub fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes all bytes")
}

/// What [`compress`] was given.
///
/// # Errors
/// When the bytes are not compressed, or would become more than 64 MiB.
pub fn decompress(bytes: &[u8]) -> Result<Vec<u8>, BadValue> {
    let mut out = Vec::new();
    let read = DeflateDecoder::new(bytes).take(MOST_BYTES + 1).read_to_end(&mut out);
    read.map_err(|_| BadValue::new("not compressed, or cut off"))?;
    if out.len() as u64 > MOST_BYTES {
        return Err(BadValue::new("longer than 64 MiB when decompressed"));
    }
    Ok(out)
}

/// Bytes that nobody reads without the key, with a check of 16 bytes. A model: it hides from the eye, and protects nothing.
pub fn encrypt(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    scramble(&mut out, number_of(key), 0);
    out.extend_from_slice(&check(key, bytes));
    out
}

/// What [`encrypt`] was given.
///
/// # Errors
/// With another key, or when the bytes were changed.
pub fn decrypt(key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, BadValue> {
    let wrong = || BadValue::new("wrong key, or changed on the way");
    let length = bytes.len().checked_sub(16).ok_or_else(wrong)?;
    let mut out = bytes[..length].to_vec();
    scramble(&mut out, number_of(key), 0);
    if check(key, &out) == bytes[length..] { Ok(out) } else { Err(wrong()) }
}

fn number_of(bytes: &[u8]) -> u64 {
    let fold = |state: u64, byte: &u8| mix(state ^ u64::from(*byte));
    bytes.iter().fold(mix(bytes.len() as u64), fold)
}

fn check(key: &[u8], bytes: &[u8]) -> [u8; 16] {
    let state = mix(number_of(key) ^ number_of(bytes));
    let mut out = [0; 16];
    out[..8].copy_from_slice(&state.to_be_bytes());
    out[8..].copy_from_slice(&mix(state).to_be_bytes());
    out
}

/// A step on the way from a value to the wire or back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Step {
    Encode(Form),
    Decode(Form),
    Compress,
    Decompress,
    Encrypt,
    Decrypt,
}

/// The processor time that a step takes for so many bytes of the longer side: orders of magnitude of one core of 2020, in
/// nanoseconds a byte, so that scripts can show what a presentation layer costs.
pub fn cost(step: Step, bytes: usize) -> Span {
    let picoseconds_a_byte: u64 = match step {
        Step::Encode(Form::Json) => 5_000,
        Step::Decode(Form::Json) => 10_000,
        Step::Encode(Form::Msgpack) => 2_000,
        Step::Decode(Form::Msgpack) => 4_000,
        Step::Compress => 25_000,
        Step::Decompress => 4_000,
        Step::Encrypt | Step::Decrypt => 500,
    };
    Span::from_ps(picoseconds_a_byte.saturating_mul(bytes as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (-1e300f64..1e300).prop_map(|x| Value::Float(x + 0.5)),
            "\\PC{0,40}".prop_map(|text| Value::Text(text.into_bytes())),
        ];
        leaf.prop_recursive(4, 40, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..8).prop_map(Value::List),
                prop::collection::btree_map("\\PC{0,9}", inner, 0..8).prop_map(Value::Map),
            ]
        })
    }

    /// A float without fraction comes back from JSON as a whole number; nothing else changes.
    fn same(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Float(a), Value::Int(b)) => *a == *b as f64,
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|((k, a), (l, b))| k == l && same(a, b))
            }
            _ => a == b,
        }
    }

    proptest! {
        #[test]
        fn values_come_back_as_they_went(value in values()) {
            for form in [Form::Json, Form::Msgpack] {
                let bytes = form.encode(&value).unwrap();
                let back = form.decode(&bytes).unwrap();
                prop_assert!(same(&value, &back), "{:?} {:?}", value, back);
                prop_assert_eq!(&decompress(&compress(&bytes)).unwrap(), &bytes);
                prop_assert_eq!(&decrypt(b"key", &encrypt(b"key", &bytes)).unwrap(), &bytes);
                prop_assert!(decrypt(b"kex", &encrypt(b"key", &bytes)).is_err());
            }
        }

        #[test]
        fn any_bytes_are_a_value_or_an_error(bytes: Vec<u8>) {
            for form in [Form::Json, Form::Msgpack] {
                if let Ok(value) = form.decode(&bytes) {
                    prop_assert!(form.encode(&value).is_ok());
                }
            }
            let _ = decompress(&bytes);
            prop_assert!(decrypt(b"key", &bytes).is_err());
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = compress(&vec![0; MOST_BYTES as usize + 1]);
        assert!(bomb.len() < 100_000);
        assert!(decompress(&bomb).is_err());
    }
}
