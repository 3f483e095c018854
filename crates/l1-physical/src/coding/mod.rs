//! Bits as signals, and frames in a stream of bits: for those who want to see what the wire carries. Links do without.

mod framing;
mod line;

pub use framing::{FLAG, bit_frame, bit_unframe, byte_frame, byte_unframe, stuff, unstuff};
pub use line::{Level, LineCode, NotASignal, draw, edges};

/// Bits of bytes, the least significant first, as Ethernet and HDLC send them.
pub fn bits_of(bytes: &[u8]) -> Vec<bool> {
    bytes.iter().flat_map(|byte| (0..8).map(move |i| byte >> i & 1 == 1)).collect()
}

/// Bytes of bits, the least significant first; `None` unless there are whole bytes of them.
pub fn bytes_of(bits: &[bool]) -> Option<Vec<u8>> {
    let whole = bits.chunks_exact(8);
    let rest = whole.remainder();
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    rest.is_empty().then(|| whole.map(byte).collect())
}
