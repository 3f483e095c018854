//! The receiver's variables.

use crate::clock::Us;
use crate::reassembly::Reassembly;
use std::collections::VecDeque;
use tidewire_wire::{Payload, Seq};

/// An acknowledgment is due.
pub(crate) const ACK_SCHED: u8 = 1;
/// The delayed-acknowledgment timer runs.
pub(crate) const ACK_TIMER: u8 = 2;
/// A short segment came: the reader should acknowledge.
pub(crate) const ACK_PUSHED: u8 = 4;
/// Two of them.
pub(crate) const ACK_PUSHED2: u8 = 8;
/// The protocol asks for an acknowledgment with the next look.
pub(crate) const ACK_NOW: u8 = 16;

/// The least delay of an acknowledgment and the unit of its estimator.
pub(crate) const ATO_MIN_US: u32 = 40_000;
/// Acknowledgments sent at once when a connection starts or data is missing.
pub(crate) const MAX_QUICKACKS: u32 = 16;

/// The variables of the receiving side.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub rcv_nxt: Seq,
    /// `rcv_nxt` when the window was last announced.
    pub rcv_wup: Seq,
    /// The window announced then, in bytes.
    pub rcv_wnd: u32,
    /// The window that would be announced with enough room.
    pub rcv_ssthresh: u32,
    pub window_clamp: u32,
    /// Next byte that the application reads.
    pub copied_seq: Seq,
    /// Initial sequence number of the peer.
    pub irs: Seq,
    pub rcvbuf: u32,
    /// Bytes charged against `rcvbuf`.
    pub rmem: u32,
    /// Of that, for data beyond a hole: counted apart.
    pub rmem_ooo: u32,
    /// Data bytes per 256 bytes of buffer.
    pub ratio: u8,
    pub wscale: u8,
    pub advmss: u16,
    /// The peer's segment size as observed.
    pub rcv_mss: u16,
    pub last_seg_size: u16,

    pub pending: u8,
    pub quick: u8,
    pub pingpong: bool,
    pub ato_us: u32,
    pub last_recv_us: Us,
    pub last_oow_us: Us,

    pub ts_recent: u32,
    pub ts_recent_us: Us,
    pub ts_offset: u32,
    pub last_ack_sent: Seq,

    pub queue: VecDeque<Payload>,
    pub readable: u64,
    pub ooo: Option<Box<Reassembly>>,
    pub dsack: Option<(Seq, Seq)>,
    pub dup_acks: u8,
    pub compressed_acks: u8,

    /// Eight times the estimated round-trip time.
    pub rtt_us8: u32,
    pub rtt_seq: Seq,
    pub rtt_time: Us,
    pub rtt_last_tsecr: u32,
    /// Autotuning: where and when the current measurement began, and the best so far.
    pub space_seq: Seq,
    pub space_time: Us,
    pub space: u32,

    pub bytes_received: u64,
    pub data_segs_in: u32,
    pub ooo_segs: u32,
}

impl Receiver {
    pub fn new(now_us: Us, ts_offset: u32) -> Receiver {
        Receiver {
            rcv_nxt: Seq(0),
            rcv_wup: Seq(0),
            rcv_wnd: 0,
            rcv_ssthresh: 0,
            window_clamp: 0,
            copied_seq: Seq(0),
            irs: Seq(0),
            rcvbuf: 0,
            rmem: 0,
            rmem_ooo: 0,
            ratio: 128,
            wscale: 0,
            advmss: 536,
            rcv_mss: 536,
            last_seg_size: 0,
            pending: 0,
            quick: 0,
            pingpong: false,
            ato_us: 0,
            last_recv_us: now_us,
            last_oow_us: 0,
            ts_recent: 0,
            ts_recent_us: 0,
            ts_offset,
            last_ack_sent: Seq(0),
            queue: VecDeque::new(),
            readable: 0,
            ooo: None,
            dsack: None,
            dup_acks: 0,
            compressed_acks: 0,
            rtt_us8: 0,
            rtt_seq: Seq(0),
            rtt_time: 0,
            rtt_last_tsecr: 0,
            space_seq: Seq(0),
            space_time: now_us,
            space: 0,
            bytes_received: 0,
            data_segs_in: 0,
            ooo_segs: 0,
        }
    }

    /// The part of the announced window that is still open, in bytes.
    #[inline]
    pub fn receive_window(&self) -> u32 {
        let left = (self.rcv_wup + self.rcv_wnd) - self.rcv_nxt;
        if left > i32::MAX as u32 { 0 } else { left }
    }

    /// Up to a multiple of what the window field counts.
    #[inline]
    pub const fn round_up(&self, window: u32) -> u32 {
        let unit = 1u32 << self.wscale;
        (window + (unit - 1)) & !(unit - 1)
    }

    #[inline]
    pub fn ack_scheduled(&self) -> bool {
        self.pending & ACK_SCHED != 0
    }

    #[inline]
    pub fn has_holes(&self) -> bool {
        self.ooo.as_ref().is_some_and(|ooo| !ooo.is_empty())
    }
}
