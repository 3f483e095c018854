//! What the tests of the algorithms share.

use super::{CongestionControl, INFINITE_SSTHRESH, Sender};
use tidewire_wire::Seq;

/// A sender in congestion avoidance whose window is what limits it.
pub(super) fn avoiding(cwnd: u32) -> Sender {
    let mut tcp = Sender::new(1_000_000, Seq(0), 1000, 3, cwnd);
    tcp.is_cwnd_limited = true;
    tcp.ssthresh = 2;
    tcp
}

/// A sender in its first slow start.
pub(super) fn starting(cwnd: u32) -> Sender {
    Sender { ssthresh: INFINITE_SSTHRESH, ..avoiding(cwnd) }
}

/// One round trip: every segment of the window is acknowledged by itself, after `rtt_us`. Returns the growth of the window.
pub(super) fn round(cc: &mut impl CongestionControl, tcp: &mut Sender, rtt_us: u32) -> i64 {
    let before = tcp.cwnd;
    let (start, sent) = (tcp.now_us, before.max(1));
    for i in 1..=sent {
        tcp.now_us = start + u64::from(rtt_us) * u64::from(i) / u64::from(sent);
        tcp.snd_una += tcp.mss;
        tcp.snd_nxt = tcp.snd_una + tcp.cwnd * tcp.mss;
        tcp.packets_out = tcp.cwnd - 1;
        tcp.delivered += 1;
        tcp.rtt.srtt_us8 = rtt_us << 3;
        cc.pkts_acked(tcp, 1, i64::from(rtt_us));
        cc.in_ack_event(tcp, false);
        cc.cong_avoid(tcp, 1);
    }
    i64::from(tcp.cwnd) - i64::from(before)
}

/// As many rounds; returns the growth of the window.
pub(super) fn rounds(cc: &mut impl CongestionControl, tcp: &mut Sender, rtt_us: u32, count: u32) -> i64 {
    (0..count).map(|_| round(cc, tcp, rtt_us)).sum()
}
