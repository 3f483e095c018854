//! A TCP header in 48 bytes.

use crate::{Payload, SackBlocks, Seq, TcpFlags, TcpOptions, TcpSegment, Timestamps};
use tidewire_units::Instant;

/// TCP header fields, packed. Four SACK blocks need the room of the timestamps; with two or fewer blocks there is room for the
/// time at which the segment was sent. The options of a SYN and SACK blocks exclude each other.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PackedTcp {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: Seq,
    /// Acknowledgment number.
    pub ack: Seq,
    /// Unscaled window.
    pub window: u16,
    /// Control bits.
    pub flags: TcpFlags,
    /// Bits 0-2 number of SACK blocks, 3 timestamps, 4 MSS, 5 window scale, 6 SACK permitted.
    shape: u8,
    /// TSval and TSecr, or the fourth SACK block.
    words: [u32; 2],
    /// SACK blocks; without any the first holds MSS and window scale; the last holds the sending time when free.
    blocks: [[u32; 2]; 3],
}

const HAS_TIMESTAMPS: u8 = 1 << 3;
const HAS_MSS: u8 = 1 << 4;
const HAS_SCALE: u8 = 1 << 5;
const HAS_SACK_OK: u8 = 1 << 6;

const SACK_COUNT: u8 = 7;

impl PackedTcp {
    /// Whether [`unpack`](Self::unpack) would give these options back.
    pub(crate) fn fits(options: &TcpOptions) -> bool {
        let on_syn = options.mss.is_some() || options.window_scale.is_some() || options.sack_permitted;
        match options.sack.len() {
            0 => true,
            4 => !on_syn && options.timestamps.is_none(),
            _ => !on_syn,
        }
    }

    #[inline]
    pub(crate) fn pack(segment: &TcpSegment, sent_at: Instant) -> PackedTcp {
        let options = &segment.options;
        debug_assert!(Self::fits(options), "no segment has these options: {options:?}");
        let ps = sent_at.as_ps();
        let mut packed = PackedTcp {
            src_port: segment.src_port,
            dst_port: segment.dst_port,
            seq: segment.seq,
            ack: segment.ack,
            window: segment.window,
            flags: segment.flags,
            shape: 0,
            words: [0; 2],
            blocks: [[0; 2], [0; 2], [ps as u32, (ps >> 32) as u32]],
        };
        if let Some(stamps) = options.timestamps {
            packed.shape = HAS_TIMESTAMPS;
            packed.words = [stamps.value, stamps.echo];
        }
        if !options.sack.is_empty() {
            packed.pack_sack(&options.sack);
        } else if options.mss.is_some() || options.window_scale.is_some() || options.sack_permitted {
            packed.pack_syn_options(options);
        }
        packed
    }

    fn pack_sack(&mut self, sack: &SackBlocks) {
        self.shape |= sack.len() as u8;
        for (i, (left, right)) in sack.iter().enumerate() {
            *self.blocks.get_mut(i).unwrap_or(&mut self.words) = [left.0, right.0];
        }
    }

    #[cold]
    fn pack_syn_options(&mut self, options: &TcpOptions) {
        self.blocks[0] = [u32::from(options.mss.unwrap_or(0)), u32::from(options.window_scale.unwrap_or(0))];
        self.shape |= if options.mss.is_some() { HAS_MSS } else { 0 };
        self.shape |= if options.window_scale.is_some() { HAS_SCALE } else { 0 };
        self.shape |= if options.sack_permitted { HAS_SACK_OK } else { 0 };
    }

    #[inline]
    pub(crate) fn unpack(&self, payload: Payload) -> TcpSegment {
        TcpSegment {
            src_port: self.src_port,
            dst_port: self.dst_port,
            seq: self.seq,
            ack: self.ack,
            flags: self.flags,
            window: self.window,
            options: self.unpack_options(),
            payload,
        }
    }

    /// As [`unpack`](Self::unpack), all but the payload, into what is there.
    #[inline]
    pub(crate) fn unpack_into(&self, to: &mut TcpSegment) {
        to.src_port = self.src_port;
        to.dst_port = self.dst_port;
        to.seq = self.seq;
        to.ack = self.ack;
        to.flags = self.flags;
        to.window = self.window;
        if self.shape != HAS_TIMESTAMPS {
            to.options = self.unpack_options();
            return;
        }
        let [value, echo] = self.words;
        (to.options.mss, to.options.window_scale, to.options.sack_permitted) = (None, None, false);
        to.options.timestamps = Some(Timestamps { value, echo });
        to.options.sack.clear();
    }

    #[inline]
    fn unpack_options(&self) -> TcpOptions {
        let has = |mask| self.shape & mask != 0;
        TcpOptions {
            mss: has(HAS_MSS).then_some(self.blocks[0][0] as u16),
            window_scale: has(HAS_SCALE).then_some(self.blocks[0][1] as u8),
            sack_permitted: has(HAS_SACK_OK),
            timestamps: has(HAS_TIMESTAMPS)
                .then_some(Timestamps { value: self.words[0], echo: self.words[1] }),
            sack: if has(SACK_COUNT) { self.unpack_sack() } else { SackBlocks::new_const() },
        }
    }

    fn unpack_sack(&self) -> SackBlocks {
        let [a, b, c] = self.blocks;
        let mut sack = SackBlocks::from([a, b, c, self.words].map(|[left, right]| (Seq(left), Seq(right))));
        sack.truncate(usize::from(self.shape & SACK_COUNT));
        sack
    }

    /// When the segment was sent; `None` when its SACK blocks took the room.
    pub fn sent_at(&self) -> Option<Instant> {
        let [low, high] = self.blocks[2];
        (self.shape & SACK_COUNT < 3).then(|| Instant::from_ps(u64::from(low) | u64::from(high) << 32))
    }

    /// Header length in bytes, options included.
    #[inline]
    pub fn header_len(&self) -> usize {
        let sack = usize::from(self.shape & SACK_COUNT);
        let bit = |mask: u8| usize::from(self.shape & mask != 0);
        let sack_ok = bit(HAS_SACK_OK) & (1 - bit(HAS_TIMESTAMPS));
        let fixed = 20 + 12 * bit(HAS_TIMESTAMPS) + 4 * (bit(HAS_MSS) + bit(HAS_SCALE) + sack_ok);
        fixed + if sack > 0 { 4 + 8 * sack } else { 0 }
    }
}
