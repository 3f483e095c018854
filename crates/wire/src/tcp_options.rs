//! TCP options (RFC 9293 section 3.2, RFC 7323, RFC 2018), laid out as Linux lays them out.

use crate::{Malformed, Seq};
use arrayvec::ArrayVec;

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
    /// The most bytes that a header has room for.
    pub const MAX_LEN: usize = 40;

    /// Bytes on the wire, padded to a multiple of four, in the layout that Linux uses: on a SYN mss, sackOK, TS, nop, wscale
    /// (sackOK fills what pads TS elsewhere), otherwise nop nop TS, nop nop SACK.
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

const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

impl TcpOptions {
    /// The options in the part of a header after its first 20 bytes. Unknown options are skipped, and so are those that have no
    /// meaning on this segment: MSS, window scale and SACK permitted outside a SYN (RFC 9293 section 3.2, RFC 7323 section 2.2,
    /// RFC 2018 section 2), and SACK on one. Of options that stand twice the later counts.
    ///
    /// # Errors
    /// A length that is 0 or 1, runs past the end, or is not that of its kind.
    pub fn parse(bytes: &[u8], syn: bool) -> Result<TcpOptions, Malformed> {
        let mut options = TcpOptions::default();
        let mut rest = bytes;
        while let Some((&kind, after)) = rest.split_first() {
            match kind {
                END => break,
                NOP => rest = after,
                _ => {
                    let len = usize::from(*after.first().ok_or(Malformed::Option)?);
                    let option =
                        rest.get(..len).filter(|option| option.len() >= 2).ok_or(Malformed::Option)?;
                    options.set(kind, &option[2..], syn)?;
                    rest = &rest[len..];
                }
            }
        }
        Ok(options)
    }

    fn set(&mut self, kind: u8, value: &[u8], syn: bool) -> Result<(), Malformed> {
        match kind {
            MSS => {
                let mss = u16::from_be_bytes(exactly(value)?);
                self.mss = syn.then_some(mss).or(self.mss);
            }
            WINDOW_SCALE => {
                let [shift] = exactly(value)?;
                self.window_scale = syn.then_some(shift).or(self.window_scale);
            }
            SACK_PERMITTED => {
                let [] = exactly(value)?;
                self.sack_permitted = syn;
            }
            TIMESTAMPS => {
                let [a, b, c, d, echo @ ..] = exactly::<8>(value)?;
                self.timestamps = Some(Timestamps {
                    value: u32::from_be_bytes([a, b, c, d]),
                    echo: u32::from_be_bytes(echo),
                });
            }
            SACK => {
                let (blocks, tail) = value.as_chunks::<8>();
                if blocks.is_empty() || blocks.len() > 4 || !tail.is_empty() {
                    return Err(Malformed::Option);
                }
                let blocks = blocks.iter().filter(|_| !syn).map(|&[a, b, c, d, right @ ..]| {
                    (Seq(u32::from_be_bytes([a, b, c, d])), Seq(u32::from_be_bytes(right)))
                });
                self.sack = blocks.collect();
            }
            _ => {}
        }
        Ok(())
    }

    /// Appends [`wire_len`](Self::wire_len) bytes.
    pub fn emit(&self, out: &mut Vec<u8>) {
        if let Some(mss) = self.mss {
            out.extend_from_slice(&[MSS, 4]);
            out.extend_from_slice(&mss.to_be_bytes());
        }
        if let Some(stamps) = self.timestamps {
            let pad = if self.sack_permitted { [SACK_PERMITTED, 2] } else { [NOP, NOP] };
            out.extend_from_slice(&pad);
            out.extend_from_slice(&[TIMESTAMPS, 10]);
            out.extend_from_slice(&stamps.value.to_be_bytes());
            out.extend_from_slice(&stamps.echo.to_be_bytes());
        } else if self.sack_permitted {
            out.extend_from_slice(&[NOP, NOP, SACK_PERMITTED, 2]);
        }
        if let Some(shift) = self.window_scale {
            out.extend_from_slice(&[NOP, WINDOW_SCALE, 3, shift]);
        }
        if !self.sack.is_empty() {
            out.extend_from_slice(&[NOP, NOP, SACK, 2 + 8 * self.sack.len() as u8]);
            for (left, right) in &self.sack {
                out.extend_from_slice(&left.0.to_be_bytes());
                out.extend_from_slice(&right.0.to_be_bytes());
            }
        }
    }
}

/// The `N` bytes that an option must have.
fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], Malformed> {
    value.try_into().map_err(|_| Malformed::Option)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_syn_of_linux_is_laid_out_mss_sack_ok_ts_nop_wscale() {
        let options = TcpOptions {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some(Timestamps { value: 0x01020304, echo: 0 }),
            ..Default::default()
        };
        let mut bytes = Vec::new();
        options.emit(&mut bytes);
        assert_eq!(bytes, [2, 4, 5, 0xB4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7]);
        bytes.clear();
        TcpOptions { timestamps: None, ..options }.emit(&mut bytes);
        assert_eq!(bytes, [2, 4, 5, 0xB4, 1, 1, 4, 2, 1, 3, 3, 7]);
    }

    #[test]
    fn lengths_that_cannot_be_are_malformed() {
        for bytes in [
            &[MSS, 0, 5, 0xB4][..],
            &[MSS, 1, 5, 0xB4],
            &[99, 0],
            &[99, 1],
            &[99, 3],
            &[99],
            &[MSS, 3, 5],
            &[WINDOW_SCALE, 4, 7, 7],
            &[SACK_PERMITTED, 3, 0],
            &[TIMESTAMPS, 9, 0, 0, 0, 0, 0, 0, 0],
            &[SACK, 2],
            &[SACK, 6, 0, 0, 0, 0],
            &[NOP, NOP, SACK, 10, 0, 0, 0, 0],
        ] {
            assert_eq!(TcpOptions::parse(bytes, true), Err(Malformed::Option), "{bytes:?}");
        }
    }

    #[test]
    fn unknown_options_are_skipped_and_nothing_counts_after_the_end() {
        let options = TcpOptions::parse(&[99, 4, 1, 1, 253, 2, WINDOW_SCALE, 3, 9, END, MSS, 0], true);
        assert_eq!(options, Ok(TcpOptions { window_scale: Some(9), ..Default::default() }));
    }

    #[test]
    fn options_of_a_syn_are_ignored_elsewhere() {
        let mut bytes = Vec::new();
        TcpOptions { mss: Some(9), window_scale: Some(1), sack_permitted: true, ..Default::default() }
            .emit(&mut bytes);
        assert_eq!(TcpOptions::parse(&bytes, false), Ok(TcpOptions::default()));
        bytes.clear();
        TcpOptions { sack: [(Seq(1), Seq(2))].into_iter().collect(), ..Default::default() }.emit(&mut bytes);
        assert_eq!(TcpOptions::parse(&bytes, true), Ok(TcpOptions::default()));
    }
}
