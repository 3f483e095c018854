//! The TCP header and its options (RFC 9293 section 3.1, RFC 7323, RFC 2018).

use crate::{Payload, Seq};
use arrayvec::ArrayVec;
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

/// The timestamps option (RFC 7323 section 3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timestamps {
    /// TSval: the sender's clock.
    pub value: u32,
    /// TSecr: the clock value being echoed.
    pub echo: u32,
}

/// SACK blocks `[left, right)`, most recent first (RFC 2018); at most 4, or 3 beside timestamps.
pub type SackBlocks = ArrayVec<(Seq, Seq), 4>;

/// The options of a TCP header.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TcpOptions {
    /// Maximum segment size, on SYN only.
    pub mss: Option<u16>,
    /// Window scale shift, on SYN only (RFC 7323 section 2).
    pub window_scale: Option<u8>,
    /// SACK permitted, on SYN only (RFC 2018 section 2).
    pub sack_permitted: bool,
    /// Timestamps.
    pub timestamps: Option<Timestamps>,
    /// SACK blocks.
    pub sack: SackBlocks,
}

impl TcpOptions {
    /// Bytes on the wire, padded to a multiple of four, in the layout that Linux uses: on a SYN mss, sackOK, TS, nop, wscale
    /// (sackOK and TS share words), otherwise nop nop TS, nop nop SACK.
    #[inline]
    pub fn wire_len(&self) -> usize {
        let mut len = 0;
        if self.mss.is_some() {
            len += 4;
        }
        if self.timestamps.is_some() {
            len += 12;
        } else if self.sack_permitted {
            len += 4;
        }
        if self.window_scale.is_some() {
            len += 4;
        }
        if !self.sack.is_empty() {
            len += 4 + 8 * self.sack.len();
        }
        len
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
        20 + self.options.wire_len()
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
    fn option_lengths_are_those_of_linux() {
        let mut syn =
            TcpOptions { mss: Some(1460), window_scale: Some(7), sack_permitted: true, ..Default::default() };
        assert_eq!(syn.wire_len(), 12);
        syn.timestamps = Some(Timestamps { value: 1, echo: 0 });
        assert_eq!(syn.wire_len(), 20);
        let mut ack = TcpOptions { timestamps: syn.timestamps, ..Default::default() };
        assert_eq!(ack.wire_len(), 12);
        for _ in 0..3 {
            ack.sack.push((Seq(1), Seq(2)));
        }
        assert_eq!(ack.wire_len(), 40);
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
