//! The receive window: what is announced, how it grows, never shrinking (RFC 9293 section 3.8.6.2.2, RFC 7323 section 2).

use crate::Connection;
use crate::udp::buffer_bytes;

/// Bytes of IP and TCP header that a packet buffer also holds.
const HEADERS: usize = 52;

/// What a segment of `len` bytes is charged against the receive buffer.
pub(crate) const fn charge(len: usize) -> u32 {
    buffer_bytes(len + HEADERS) as u32
}

/// The shift to offer and the window to start with, for a receive buffer of `rcvbuf` that may grow to `max`.
pub(crate) fn initial_window(rcvbuf: u32, max: u64, mss: u32, scaling: bool) -> (u32, u8) {
    let space = rcvbuf / 2;
    let window = if space > mss { space - space % mss } else { space };
    if !scaling {
        return (window.min(65_535), 0);
    }
    let top = u64::from(space).max(max);
    let shift = top.max(1).ilog2().saturating_sub(15).min(14) as u8;
    (window, shift)
}

impl Connection {
    #[inline]
    fn win_from_space(&self, space: u32) -> u32 {
        ((u64::from(space) * u64::from(self.rx.ratio)) >> 8) as u32
    }

    #[inline]
    pub(crate) fn full_space(&self) -> u32 {
        self.win_from_space(self.rx.rcvbuf)
    }

    #[inline]
    fn free_space(&self) -> u32 {
        self.win_from_space(self.rx.rcvbuf.saturating_sub(self.rx.rmem + self.rx.rmem_ooo))
    }

    /// Sets clamps once the connection is established.
    pub(crate) fn init_receive_space(&mut self) {
        let full = self.full_space();
        let advmss = u32::from(self.rx.advmss);
        let rx = &mut self.rx;
        rx.window_clamp = full.min(65_535 << rx.wscale);
        rx.rcv_ssthresh = rx.rcv_ssthresh.min(rx.window_clamp);
        rx.space_time = self.tx.now_us;
        rx.space_seq = rx.copied_seq;
        rx.space = rx.rcv_ssthresh.min(rx.rcv_wnd).min(10 * advmss);
    }

    /// The window that could be announced now, without silly windows.
    pub(crate) fn selectable_window(&mut self) -> u32 {
        let allowed = self.full_space();
        let full = self.rx.window_clamp.min(allowed);
        let mss = u32::from(self.rx.rcv_mss).min(full);
        if mss == 0 {
            return 0;
        }
        let mut free = self.free_space();
        let unit = 1u32 << self.rx.wscale;
        if free < full >> 1 {
            self.rx.quick = 0;
            free &= !(unit - 1);
            if free < allowed >> 4 || free < mss {
                return 0;
            }
        }
        free = free.min(self.rx.rcv_ssthresh);
        if self.rx.wscale > 0 {
            return self.rx.round_up(free);
        }
        let window = self.rx.rcv_wnd;
        if window.saturating_add(mss) <= free || window > free {
            free - free % mss
        } else if mss == full && free > window + (full >> 1) {
            free
        } else {
            window
        }
    }

    /// Decides on a window and returns the header field.
    pub(crate) fn announce_window(&mut self) -> u16 {
        let rx = &self.rx;
        // Nothing has come since the last time, and nothing is held: what follows then from the rules below.
        if rx.wscale > 0
            && rx.rcv_nxt == rx.rcv_wup
            && rx.rmem + rx.rmem_ooo == 0
            && rx.rcv_mss > 0
            && rx.window_clamp > 0
        {
            let allowed = self.full_space();
            if allowed > 0 {
                let window = self.rx.round_up(allowed.min(self.rx.rcv_ssthresh).max(self.rx.rcv_wnd));
                self.rx.rcv_wnd = window;
                return (window.min(65_535 << self.rx.wscale) >> self.rx.wscale) as u16;
            }
        }
        let current = self.rx.receive_window();
        let mut window = self.selectable_window();
        if window < current {
            window = self.rx.round_up(current);
        }
        self.rx.rcv_wnd = window;
        self.rx.rcv_wup = self.rx.rcv_nxt;
        (window.min(65_535 << self.rx.wscale) >> self.rx.wscale) as u16
    }

    /// A segment of `len` bytes was queued: the announced window may grow towards the buffer. Growth asks for a quick
    /// acknowledgment.
    pub(crate) fn grow_window(&mut self, len: u32) {
        let rx = &self.rx;
        let room = rx.window_clamp.min(self.free_space()).saturating_sub(rx.rcv_ssthresh);
        if room == 0 {
            return;
        }
        let truesize = charge(len as usize);
        let mut growth = 0;
        if self.win_from_space(truesize) <= len {
            growth = 2 * u32::from(rx.advmss);
        } else {
            // Short segments waste buffer: they let the window grow only while it is far below the buffer.
            let mut cost = self.win_from_space(truesize) >> 1;
            let mut window = self.win_from_space(self.rcvbuf_max()) >> 1;
            while rx.rcv_ssthresh <= window {
                if cost <= len {
                    growth = 2 * u32::from(rx.rcv_mss);
                    break;
                }
                cost >>= 1;
                window >>= 1;
            }
        }
        if growth > 0 {
            let growth = growth.max(2 * len);
            self.rx.rcv_ssthresh += growth.min(room);
            self.rx.quick |= 1;
        }
    }

    fn rcvbuf_max(&self) -> u32 {
        let max = self.config.rcvbuf.unwrap_or(self.config.rcvbuf_max);
        u32::try_from(max).unwrap_or(u32::MAX / 2)
    }

    /// Follows the peer's segment size, which also says how much data a buffer holds.
    #[inline]
    pub(crate) fn measure_rcv_mss(&mut self, len: u32, header_len: u32, flags: tidewire_wire::TcpFlags) {
        use crate::receiver::{ACK_PUSHED, ACK_PUSHED2};
        use tidewire_wire::TcpFlags;
        let rx = &mut self.rx;
        let short = rx.last_seg_size;
        rx.last_seg_size = 0;
        if len >= u32::from(rx.rcv_mss) {
            if len != u32::from(rx.rcv_mss) {
                let ratio = (len * 256 / charge(len as usize)).clamp(1, 255) as u8;
                if ratio != rx.ratio {
                    rx.ratio = ratio;
                    self.rx.window_clamp = self.full_space().min(65_535 << self.rx.wscale);
                }
            }
            let rx = &mut self.rx;
            rx.rcv_mss = len.min(u32::from(rx.advmss)) as u16;
            if flags.contains(TcpFlags::PSH) {
                rx.pending |= ACK_PUSHED;
            }
            return;
        }
        let total = len + header_len;
        let remnant = TcpFlags::FIN | TcpFlags::URG | TcpFlags::SYN | TcpFlags::PSH;
        if total >= 536 + 20 || (total >= 88 + 20 && !flags.intersects(remnant)) {
            rx.last_seg_size = len as u16;
            if len as u16 == short {
                rx.rcv_mss = len as u16;
                return;
            }
        }
        if rx.pending & ACK_PUSHED != 0 {
            rx.pending |= ACK_PUSHED2;
        }
        rx.pending |= ACK_PUSHED;
    }

    /// The application has read: the buffer follows twice what it reads per round trip.
    pub(crate) fn adjust_receive_space(&mut self) {
        let rx = &self.rx;
        let elapsed = self.tx.now_us - rx.space_time;
        if rx.rtt_us8 == 0 || elapsed < u64::from(rx.rtt_us8 >> 3) {
            return;
        }
        let copied = rx.copied_seq - rx.space_seq;
        if copied > rx.space {
            self.grow_rcvbuf(copied);
            self.rx.space = copied;
        }
        self.rx.space_seq = self.rx.copied_seq;
        self.rx.space_time = self.tx.now_us;
    }

    fn grow_rcvbuf(&mut self, copied: u32) {
        if self.config.rcvbuf.is_some() {
            return;
        }
        let (old, new) = (u64::from(self.rx.space.max(1)), u64::from(copied));
        let mut window = new << 1;
        window += (window * (new - old) / old) << 1;
        if let Some(end) = self.rx.ooo.as_ref().and_then(|ooo| ooo.end()) {
            window += u64::from(end - self.rx.rcv_nxt);
        }
        let space = (window << 8) / u64::from(self.rx.ratio.max(1));
        let rcvbuf = space.min(u64::from(self.rcvbuf_max())) as u32;
        if rcvbuf > self.rx.rcvbuf {
            self.rx.rcvbuf = rcvbuf;
            self.rx.window_clamp = self.full_space().min(65_535 << self.rx.wscale);
        }
    }

    /// The receiver's own estimate of the round trip, from timestamps or from the time that a window takes.
    #[inline]
    pub(crate) fn measure_rcv_rtt(&mut self, len: u32, tsecr: Option<u32>) {
        if let Some(tsecr) = tsecr {
            if tsecr == self.rx.rtt_last_tsecr || len < u32::from(self.rx.rcv_mss) {
                return;
            }
            self.rx.rtt_last_tsecr = tsecr;
            let ticks = self.timestamp().wrapping_sub(tsecr);
            if ticks > 0 && ticks < 1 << 18 {
                self.rcv_rtt_sample(ticks * 1000, false);
            }
            return;
        }
        if self.rx.rtt_time != 0 {
            if self.rx.rcv_nxt.before(self.rx.rtt_seq) {
                return;
            }
            let us = self.tx.us_since(self.rx.rtt_time).clamp(1, 1 << 28) as u32;
            self.rcv_rtt_sample(us, true);
        }
        self.rx.rtt_seq = self.rx.rcv_nxt + self.rx.rcv_wnd;
        self.rx.rtt_time = self.tx.now_us.max(1);
    }

    /// A lower value is believed at once, so that a growing queue does not inflate the buffer; a higher one slowly.
    fn rcv_rtt_sample(&mut self, us: u32, from_window: bool) {
        let (old, sample) = (self.rx.rtt_us8, us.min(1 << 28) << 3);
        if old == 0 || sample < old {
            self.rx.rtt_us8 = sample;
        } else if !from_window {
            self.rx.rtt_us8 = old - (old >> 3) + (sample >> 3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_buffers_offer_64240_bytes_and_a_shift_of_seven() {
        assert_eq!(initial_window(131_072, 6 << 20, 1460, true), (64_240, 7));
    }

    #[test]
    fn large_buffers_offer_a_shift_of_ten_and_never_more_than_fourteen() {
        assert_eq!(initial_window(4 << 20, 32 << 20, 1460, true), (2_096_560, 10));
        assert_eq!(initial_window(1 << 31, u64::MAX, 1460, true).1, 14);
        assert_eq!(initial_window(1 << 20, 1 << 20, 1460, false), (65_535, 0));
    }

    #[test]
    fn a_full_ethernet_packet_is_charged_2304_bytes() {
        assert_eq!(charge(1448), 2304);
    }
}
