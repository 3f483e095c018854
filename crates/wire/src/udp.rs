//! The UDP header (RFC 768).

use crate::malformed::split;
use crate::{Checksum, Malformed, Payload};

/// A UDP header (RFC 768). Length and checksum are computed when bytes are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UdpHeader {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
}

impl UdpHeader {
    /// Length in bytes.
    pub const LEN: usize = 8;

    /// The header and the data, trimmed to the length in the header. `pseudo` gives the sum of the pseudo header for a length; a checksum of zero
    /// means that the sender made none.
    ///
    /// # Errors
    /// Truncated, length, checksum.
    pub fn parse(bytes: &[u8], pseudo: impl Fn(usize) -> Checksum) -> Result<(UdpHeader, &[u8]), Malformed> {
        let (header, _) = split::<8>(bytes)?;
        let [s0, s1, d0, d1, l0, l1, c0, c1] = *header;
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        if len < Self::LEN {
            return Err(Malformed::Length);
        }
        let datagram = bytes.get(..len).ok_or(Malformed::Truncated)?;
        if [c0, c1] != [0, 0] && !pseudo(len).over(datagram).is_intact() {
            return Err(Malformed::Checksum);
        }
        let header =
            UdpHeader { src_port: u16::from_be_bytes([s0, s1]), dst_port: u16::from_be_bytes([d0, d1]) };
        Ok((header, &datagram[Self::LEN..]))
    }

    /// Appends the header and the data. `pseudo` gives the sum of the pseudo header for a length.
    ///
    /// # Panics
    /// When the datagram is longer than 65,535 bytes.
    pub fn emit(&self, payload: &Payload, pseudo: impl Fn(usize) -> Checksum, out: &mut Vec<u8>) {
        let (start, len) = (out.len(), Self::LEN + payload.len());
        let len_field = u16::try_from(len).expect("a UDP datagram is shorter than 2^16 bytes");
        out.extend_from_slice(&self.src_port.to_be_bytes());
        out.extend_from_slice(&self.dst_port.to_be_bytes());
        out.extend_from_slice(&len_field.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        payload.emit(out);
        // Zero would mean that there is no checksum; its complement sums to the same.
        let checksum = match pseudo(len).over(&out[start..]).finish() {
            0 => u16::MAX,
            checksum => checksum,
        };
        out[start + 6..start + 8].copy_from_slice(&checksum.to_be_bytes());
    }
}
