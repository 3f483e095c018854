//! The TCP header (RFC 9293 section 3.1).

use crate::malformed::split;
use crate::{Checksum, Malformed, Payload, Seq, TcpOptions};
use bytes::Bytes;
use std::fmt;

/// The control bits of a TCP header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No bit set.
    pub const NONE: TcpFlags = TcpFlags(0);
    /// No more data from the sender.
    pub const FIN: TcpFlags = TcpFlags(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: TcpFlags = TcpFlags(0x02);
    /// Reset the connection.
    pub const RST: TcpFlags = TcpFlags(0x04);
    /// Push.
    pub const PSH: TcpFlags = TcpFlags(0x08);
    /// The acknowledgment field is significant.
    pub const ACK: TcpFlags = TcpFlags(0x10);
    /// The urgent pointer is significant.
    pub const URG: TcpFlags = TcpFlags(0x20);
    /// ECN echo (RFC 3168).
    pub const ECE: TcpFlags = TcpFlags(0x40);
    /// Congestion window reduced (RFC 3168).
    pub const CWR: TcpFlags = TcpFlags(0x80);

    /// True when every bit of `other` is set.
    #[inline]
    pub const fn contains(self, other: TcpFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// True when any bit of `other` is set.
    #[inline]
    pub const fn intersects(self, other: TcpFlags) -> bool {
        self.0 & other.0 != 0
    }

    /// The bits of both.
    #[inline]
    pub const fn union(self, other: TcpFlags) -> TcpFlags {
        TcpFlags(self.0 | other.0)
    }

    /// SYN is set.
    pub const fn syn(self) -> bool {
        self.contains(TcpFlags::SYN)
    }

    /// ACK is set.
    pub const fn ack(self) -> bool {
        self.contains(TcpFlags::ACK)
    }

    /// FIN is set.
    pub const fn fin(self) -> bool {
        self.contains(TcpFlags::FIN)
    }

    /// RST is set.
    pub const fn rst(self) -> bool {
        self.contains(TcpFlags::RST)
    }
}

impl std::ops::BitOr for TcpFlags {
    type Output = TcpFlags;
    fn bitor(self, other: TcpFlags) -> TcpFlags {
        self.union(other)
    }
}

impl std::ops::BitOrAssign for TcpFlags {
    fn bitor_assign(&mut self, other: TcpFlags) {
        *self = self.union(other);
    }
}

impl fmt::Display for TcpFlags {
    /// tcpdump's letters, in its order: `S.`, `F.`, `P.`, `R`, `.`, `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LETTERS: [(TcpFlags, char); 8] = [
            (TcpFlags::FIN, 'F'),
            (TcpFlags::SYN, 'S'),
            (TcpFlags::RST, 'R'),
            (TcpFlags::PSH, 'P'),
            (TcpFlags::URG, 'U'),
            (TcpFlags::ECE, 'E'),
            (TcpFlags::CWR, 'W'),
            (TcpFlags::ACK, '.'),
        ];
        if self.0 == 0 {
            return f.write_str("none");
        }
        LETTERS
            .iter()
            .filter(|(flag, _)| self.contains(*flag))
            .try_for_each(|(_, letter)| write!(f, "{letter}"))
    }
}

impl fmt::Debug for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A TCP segment: header, options and payload. The checksum is computed when bytes are made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TcpSegment {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number of the first byte (of the SYN, on a SYN).
    pub seq: Seq,
    /// Next sequence number expected by the sender, when ACK is set.
    pub ack: Seq,
    /// Control bits.
    pub flags: TcpFlags,
    /// The window field as it stands in the header, unscaled.
    pub window: u16,
    /// Options.
    pub options: TcpOptions,
    /// Data.
    pub payload: Payload,
}

impl TcpSegment {
    /// Length in bytes of the header without options.
    pub const FIXED_LEN: usize = 20;

    /// Length in sequence space: data bytes, plus one each for SYN and FIN (RFC 9293 section 3.4, SEG.LEN).
    #[inline]
    pub fn seq_len(&self) -> u32 {
        self.payload.len() as u32 + u32::from(self.flags.syn()) + u32::from(self.flags.fin())
    }

    /// The sequence number after this segment.
    #[inline]
    pub fn seq_end(&self) -> Seq {
        self.seq + self.seq_len()
    }

    /// Header length in bytes, options included.
    #[inline]
    pub fn header_len(&self) -> usize {
        Self::FIXED_LEN + self.options.wire_len()
    }

    /// The segment that fills `bytes`. `pseudo` gives the sum of the pseudo header for a length. The urgent pointer and reserved
    /// bits are ignored.
    ///
    /// # Errors
    /// Truncated, checksum, length, option.
    pub fn parse(bytes: &[u8], pseudo: impl Fn(usize) -> Checksum) -> Result<TcpSegment, Malformed> {
        let (fixed, _) = split::<20>(bytes)?;
        if !pseudo(bytes.len()).over(bytes).is_intact() {
            return Err(Malformed::Checksum);
        }
        let half = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let word = |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let header_len = usize::from(fixed[12] >> 4) * 4;
        if header_len < Self::FIXED_LEN || header_len > bytes.len() {
            return Err(Malformed::Length);
        }
        let flags = TcpFlags(fixed[13]);
        Ok(TcpSegment {
            src_port: half(0),
            dst_port: half(2),
            seq: Seq(word(4)),
            ack: Seq(word(8)),
            flags,
            window: half(14),
            options: TcpOptions::parse(&bytes[Self::FIXED_LEN..header_len], flags.syn())?,
            payload: Payload::Data(Bytes::copy_from_slice(&bytes[header_len..])),
        })
    }

    /// Appends header, options and data. `pseudo` gives the sum of the pseudo header for a length.
    ///
    /// # Panics
    /// When the options are longer than 40 bytes.
    pub fn emit(&self, pseudo: impl Fn(usize) -> Checksum, out: &mut Vec<u8>) {
        let (start, header_len) = (out.len(), self.header_len());
        assert!(header_len <= 60, "TCP options of {} bytes, 40 is the limit", header_len - Self::FIXED_LEN);
        let mut fixed = [0; Self::FIXED_LEN];
        fixed[0..2].copy_from_slice(&self.src_port.to_be_bytes());
        fixed[2..4].copy_from_slice(&self.dst_port.to_be_bytes());
        fixed[4..8].copy_from_slice(&self.seq.0.to_be_bytes());
        fixed[8..12].copy_from_slice(&self.ack.0.to_be_bytes());
        fixed[12] = (header_len as u8 / 4) << 4;
        fixed[13] = self.flags.0;
        fixed[14..16].copy_from_slice(&self.window.to_be_bytes());
        out.extend_from_slice(&fixed);
        self.options.emit(out);
        debug_assert_eq!(out.len() - start, header_len, "wire_len of {:?}", self.options);
        self.payload.emit(out);
        let checksum = pseudo(out.len() - start).over(&out[start..]).finish();
        out[start + 16..start + 18].copy_from_slice(&checksum.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_print_as_tcpdump_prints_them() {
        assert_eq!((TcpFlags::SYN | TcpFlags::ACK).to_string(), "S.");
        assert_eq!((TcpFlags::PSH | TcpFlags::ACK).to_string(), "P.");
        assert_eq!(TcpFlags::RST.to_string(), "R");
        assert_eq!(TcpFlags::ACK.to_string(), ".");
        assert_eq!((TcpFlags::SYN | TcpFlags::ECE | TcpFlags::CWR).to_string(), "SEW");
        assert_eq!(TcpFlags::NONE.to_string(), "none");
    }

    #[test]
    fn syn_and_fin_occupy_one_number_each() {
        let segment = TcpSegment {
            seq: Seq(10),
            flags: TcpFlags::SYN | TcpFlags::FIN,
            payload: Payload::Zeros(5),
            ..Default::default()
        };
        assert_eq!(segment.seq_end(), Seq(17));
    }
}
