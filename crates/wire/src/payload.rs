//! What a datagram or segment carries: real bytes, or a number of synthetic zero bytes that take no memory.

use bytes::Bytes;
use std::borrow::Cow;
use std::ops::Range;

/// Application bytes. Slicing is cheap: real bytes are shared, synthetic ones are only counted.
#[derive(Clone, Debug)]
pub enum Payload {
    /// So many zero bytes.
    Zeros(u32),
    /// Bytes that somebody will read.
    Data(Bytes),
}

impl Payload {
    /// No bytes.
    pub const EMPTY: Payload = Payload::Zeros(0);

    /// The number of bytes.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Payload::Zeros(n) => *n as usize,
            Payload::Data(data) => data.len(),
        }
    }

    /// True without any byte.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes in `range`.
    ///
    /// # Panics
    /// When the range lies outside.
    pub fn slice(&self, range: Range<usize>) -> Payload {
        match self {
            Payload::Zeros(n) => {
                assert!(range.start <= range.end && range.end <= *n as usize, "{range:?} of {n} bytes");
                Payload::Zeros((range.end - range.start) as u32)
            }
            Payload::Data(data) => Payload::Data(data.slice(range)),
        }
    }

    /// The bytes themselves; synthetic ones are made on the spot.
    pub fn to_bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Payload::Zeros(n) => Cow::Owned(vec![0; *n as usize]),
            Payload::Data(data) => Cow::Borrowed(data),
        }
    }

    /// Appends the bytes.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Payload::Zeros(n) => out.resize(out.len() + *n as usize, 0),
            Payload::Data(data) => out.extend_from_slice(data),
        }
    }
}

impl Default for Payload {
    fn default() -> Self {
        Payload::EMPTY
    }
}

impl PartialEq for Payload {
    /// Equal when the bytes are equal, real or synthetic.
    fn eq(&self, other: &Payload) -> bool {
        match (self, other) {
            (Payload::Zeros(a), Payload::Zeros(b)) => a == b,
            (Payload::Data(a), Payload::Data(b)) => a == b,
            (Payload::Zeros(n), Payload::Data(data)) | (Payload::Data(data), Payload::Zeros(n)) => {
                data.len() == *n as usize && data.iter().all(|byte| *byte == 0)
            }
        }
    }
}

impl Eq for Payload {}

impl From<Vec<u8>> for Payload {
    fn from(data: Vec<u8>) -> Self {
        Payload::Data(data.into())
    }
}

impl From<&'static [u8]> for Payload {
    fn from(data: &'static [u8]) -> Self {
        Payload::Data(Bytes::from_static(data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synthetic_bytes_equal_real_zeros() {
        assert_eq!(Payload::Zeros(3), Payload::from(vec![0, 0, 0]));
        assert_ne!(Payload::Zeros(3), Payload::from(vec![0, 1, 0]));
        assert_eq!(Payload::EMPTY, Payload::from(vec![]));
    }

    #[test]
    fn slices_of_both_kinds_have_the_length_asked_for() {
        for payload in [Payload::Zeros(10), Payload::from((0..10).collect::<Vec<u8>>())] {
            assert_eq!(payload.slice(2..7).len(), 5);
            assert_eq!(&*payload.slice(2..7).to_bytes(), &payload.to_bytes()[2..7]);
        }
    }
}
