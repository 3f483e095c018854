//! MessagePack: the first byte of a value says what it is and often how long.

use super::{BadValue, DEEPEST, Value};
use std::collections::BTreeMap;

pub fn encode(value: &Value) -> Result<Vec<u8>, BadValue> {
    let mut out = Vec::new();
    put(value, &mut out, DEEPEST)?;
    Ok(out)
}

pub fn decode(bytes: &[u8]) -> Result<Value, BadValue> {
    let mut input = Input(bytes);
    let value = input.value(DEEPEST)?;
    if input.0.is_empty() { Ok(value) } else { Err(BadValue::new("something follows the value")) }
}

fn put(value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<(), BadValue> {
    let deeper = depth.checked_sub(1).ok_or_else(|| BadValue::new("values within values go too deep"))?;
    match value {
        Value::Nil => out.push(0xc0),
        Value::Bool(value) => out.push(0xc2 | u8::from(*value)),
        Value::Int(value) => put_int(*value, out),
        Value::Float(value) => {
            out.push(0xcb);
            out.extend_from_slice(&value.to_be_bytes());
        }
        Value::Text(bytes) => put_text(bytes, out)?,
        Value::List(list) => {
            put_length(list.len(), 0x90, 16, [0xdc, 0xdd], out)?;
            list.iter().try_for_each(|item| put(item, out, deeper))?;
        }
        Value::Map(map) => {
            put_length(map.len(), 0x80, 16, [0xde, 0xdf], out)?;
            for (key, item) in map {
                put_text(key.as_bytes(), out)?;
                put(item, out, deeper)?;
            }
        }
    }
    Ok(())
}

fn put_int(value: i64, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    // The shortest form: of one byte, then 8, 16, 32, 64 bits, without sign first.
    let (code, length) = match value {
        -32..=127 => (bytes[7], 0),
        128..=0xff => (0xcc, 1),
        0x100..=0xffff => (0xcd, 2),
        0x1_0000..=0xffff_ffff => (0xce, 4),
        0x1_0000_0000.. => (0xcf, 8),
        -0x80..=-33 => (0xd0, 1),
        -0x8000..=-0x81 => (0xd1, 2),
        -0x8000_0000..=-0x8001 => (0xd2, 4),
        ..=-0x8000_0001 => (0xd3, 8),
    };
    out.push(code);
    out.extend_from_slice(&bytes[8 - length..]);
}

/// Texts that are not UTF-8 are bytes.
fn put_text(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BadValue> {
    let n = bytes.len();
    if std::str::from_utf8(bytes).is_err() {
        match (u8::try_from(n), u16::try_from(n)) {
            (Ok(n), _) => out.extend_from_slice(&[0xc4, n]),
            (_, Ok(n)) => {
                out.push(0xc5);
                out.extend_from_slice(&n.to_be_bytes());
            }
            _ => {
                out.push(0xc6);
                out.extend_from_slice(&long(n)?);
            }
        }
    } else if (32..256).contains(&n) {
        out.extend_from_slice(&[0xd9, n as u8]);
    } else {
        put_length(n, 0xa0, 32, [0xda, 0xdb], out)?;
    }
    out.extend_from_slice(bytes);
    Ok(())
}

fn put_length(n: usize, short: u8, below: usize, codes: [u8; 2], out: &mut Vec<u8>) -> Result<(), BadValue> {
    if n < below {
        out.push(short | n as u8);
    } else if let Ok(n) = u16::try_from(n) {
        out.push(codes[0]);
        out.extend_from_slice(&n.to_be_bytes());
    } else {
        out.push(codes[1]);
        out.extend_from_slice(&long(n)?);
    }
    Ok(())
}

fn long(n: usize) -> Result<[u8; 4], BadValue> {
    Ok(u32::try_from(n).map_err(|_| BadValue::new("longer than 4 GiB"))?.to_be_bytes())
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], BadValue> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or_else(|| BadValue::new("cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number of so many bytes, without sign.
    fn number(&mut self, n: usize) -> Result<u64, BadValue> {
        Ok(self.take(n)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// The same with a sign.
    fn signed(&mut self, n: usize) -> Result<Value, BadValue> {
        let shift = 64 - 8 * n as u32;
        Ok(Value::Int((self.number(n)? << shift).cast_signed() >> shift))
    }

    fn text(&mut self, n: u64) -> Result<Vec<u8>, BadValue> {
        Ok(self.take(usize::try_from(n).unwrap_or(usize::MAX))?.to_vec())
    }

    fn list(&mut self, n: u64, depth: usize) -> Result<Value, BadValue> {
        // A list that says to be long is not believed: its items must be there.
        let mut list = Vec::new();
        for _ in 0..n {
            list.push(self.value(depth)?);
        }
        Ok(Value::List(list))
    }

    fn map(&mut self, n: u64, depth: usize) -> Result<Value, BadValue> {
        let mut map = BTreeMap::new();
        for _ in 0..n {
            let Value::Text(key) = self.value(depth)? else {
                return Err(BadValue::new("the name of a value is no text"));
            };
            let key =
                String::from_utf8(key).map_err(|_| BadValue::new("the name of a value is not UTF-8"))?;
            map.insert(key, self.value(depth)?);
        }
        Ok(Value::Map(map))
    }

    fn value(&mut self, depth: usize) -> Result<Value, BadValue> {
        let deeper = depth.checked_sub(1).ok_or_else(|| BadValue::new("values within values go too deep"))?;
        let code = self.take(1)?[0];
        Ok(match code {
            0x00..=0x7f => Value::Int(i64::from(code)),
            0x80..=0x8f => self.map(u64::from(code & 15), deeper)?,
            0x90..=0x9f => self.list(u64::from(code & 15), deeper)?,
            0xa0..=0xbf => Value::Text(self.text(u64::from(code & 31))?),
            0xc0 => Value::Nil,
            0xc2 | 0xc3 => Value::Bool(code == 0xc3),
            0xc4..=0xc6 => self.sized_text(1 << (code - 0xc4))?,
            0xca => Value::Float(f64::from(f32::from_bits(self.number(4)? as u32))),
            0xcb => Value::Float(f64::from_bits(self.number(8)?)),
            0xcc..=0xcf => {
                let value = self.number(1 << (code - 0xcc))?;
                i64::try_from(value).map_or(Value::Float(value as f64), Value::Int)
            }
            0xd0..=0xd3 => self.signed(1 << (code - 0xd0))?,
            0xd9..=0xdb => self.sized_text(1 << (code - 0xd9))?,
            0xdc | 0xdd => {
                let n = self.number(2 << (code - 0xdc))?;
                self.list(n, deeper)?
            }
            0xde | 0xdf => {
                let n = self.number(2 << (code - 0xde))?;
                self.map(n, deeper)?
            }
            0xe0.. => Value::Int(i64::from(code.cast_signed())),
            _ => return Err(BadValue::new(format!("no value begins with the byte {code:02x}"))),
        })
    }

    fn sized_text(&mut self, n: usize) -> Result<Value, BadValue> {
        let length = self.number(n)?;
        Ok(Value::Text(self.text(length)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(value: &Value) -> String {
        encode(value).unwrap().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn numbers_take_the_shortest_form() {
        for (value, form) in [
            (5, "05"),
            (-1, "ff"),
            (127, "7f"),
            (128, "cc80"),
            (-33, "d0df"),
            (256, "cd0100"),
            (-129, "d1ff7f"),
            (65_536, "ce00010000"),
            (-32_769, "d2ffff7fff"),
            (1 << 40, "cf0000010000000000"),
            (i64::MIN, "d38000000000000000"),
        ] {
            assert_eq!(hex(&Value::Int(value)), form, "{value}");
            assert_eq!(decode(&encode(&Value::Int(value)).unwrap()).unwrap(), Value::Int(value));
        }
    }

    #[test]
    fn a_map_is_written_as_the_format_has_it() {
        let map = [("compact".to_owned(), Value::Bool(true)), ("schema".to_owned(), Value::Int(0))];
        assert_eq!(hex(&Value::Map(map.into())), "82a7636f6d70616374c3a6736368656d6100");
    }

    #[test]
    fn what_is_cut_off_or_too_deep_is_no_value() {
        for bad in [
            &[0x81][..],
            &[0xdd, 255, 255, 255, 255],
            &[0xdb, 255, 255, 255, 255],
            &[0xc1],
            &[0x81, 1, 1],
            &[1, 1],
        ] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
        assert!(decode(&[0x91; 1000]).is_err());
    }
}
