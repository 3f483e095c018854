//! What can be read off a connection, with the meanings of Linux's `struct tcp_info`.

use crate::clock::span;
use crate::sender::INFINITE_SSTHRESH;
use crate::{Connection, State};
use tidewire_units::{Instant, Span};

/// Where the sender stands in loss recovery; the numbers are Linux's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[repr(u8)]
pub enum CaState {
    /// Nothing wrong.
    #[default]
    Open = 0,
    /// Duplicate or selective acknowledgments have come, no loss is proven.
    Disorder = 1,
    /// The window is being reduced after a congestion signal that was not a loss.
    Cwr = 2,
    /// Fast recovery.
    Recovery = 3,
    /// Recovery after a retransmission timeout.
    Loss = 4,
}

impl CaState {
    /// `Open`, `Disorder`, `CWR`, `Recovery`, `Loss`.
    pub const fn name(self) -> &'static str {
        match self {
            CaState::Open => "Open",
            CaState::Disorder => "Disorder",
            CaState::Cwr => "CWR",
            CaState::Recovery => "Recovery",
            CaState::Loss => "Loss",
        }
    }
}

/// Segments that were dropped unprocessed, by cause; each count stops at 65,535.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Discards {
    /// No ACK where there has to be one.
    pub flags: u16,
    /// An old timestamp (RFC 7323 section 5.3).
    pub timestamp: u16,
    /// Outside the receive window.
    pub sequence: u16,
    /// An acknowledgment of what was never sent, or of long ago (RFC 5961 section 5).
    pub ack: u16,
    /// A reset in the window, but not where it has to be (RFC 5961 section 3).
    pub reset: u16,
    /// A SYN on a connection (RFC 5961 section 4).
    pub syn: u16,
}

impl Discards {
    /// Counts one.
    pub(crate) fn count(counter: &mut u16) {
        *counter = counter.saturating_add(1);
    }
}

/// A snapshot of a connection. Packet counts are segments, as Linux counts them.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TcpInfo {
    /// State of the connection.
    pub state: State,
    /// State of loss recovery.
    pub ca_state: CaState,
    /// Consecutive retransmission timeouts of the oldest segment.
    pub retransmits: u32,
    /// Unanswered window or keepalive probes.
    pub probes: u32,
    /// Doublings of the RTO.
    pub backoff: u32,
    /// Timestamps are in use.
    pub timestamps: bool,
    /// SACK is in use.
    pub sack: bool,
    /// ECN is in use.
    pub ecn: bool,
    /// Shift applied to the windows that the peer announces.
    pub snd_wscale: u8,
    /// Shift applied to the windows that this side announces.
    pub rcv_wscale: u8,
    /// Retransmission timeout.
    pub rto: Span,
    /// Current delay of acknowledgments.
    pub ato: Span,
    /// Bytes of data in a full segment.
    pub snd_mss: u32,
    /// Estimate of the peer's segment size.
    pub rcv_mss: u32,
    /// MSS announced to the peer.
    pub advmss: u32,
    /// Segments sent and not cumulatively acknowledged.
    pub unacked: u32,
    /// Segments selectively acknowledged (without SACK: duplicate acknowledgments).
    pub sacked: u32,
    /// Segments thought lost.
    pub lost: u32,
    /// Segments retransmitted and not acknowledged.
    pub retrans: u32,
    /// Segments in flight: unacked - sacked - lost + retrans.
    pub in_flight: u32,
    /// Time since data was last sent.
    pub last_data_sent: Span,
    /// Time since data was last received.
    pub last_data_recv: Span,
    /// Time since an acknowledgment was last received.
    pub last_ack_recv: Span,
    /// Smoothed round-trip time; zero before the first sample.
    pub rtt: Span,
    /// Its mean deviation.
    pub rttvar: Span,
    /// Smallest round-trip time of the last five minutes; zero before the first sample.
    pub min_rtt: Span,
    /// Slow-start threshold in segments; [`TcpInfo::INFINITE_SSTHRESH`] at first.
    pub snd_ssthresh: u32,
    /// Congestion window in segments.
    pub snd_cwnd: u32,
    /// Receiver's current window clamp in bytes (`rcv_ssthresh`).
    pub rcv_ssthresh: u32,
    /// Duplicate acknowledgments that mean loss.
    pub reordering: u32,
    /// How often reordering was seen.
    pub reord_seen: u32,
    /// Receiver's estimate of the round-trip time.
    pub rcv_rtt: Span,
    /// Receive space per round trip, in bytes.
    pub rcv_space: u32,
    /// Segments retransmitted in total.
    pub total_retrans: u32,
    /// Retransmission timeouts in total.
    pub total_rto: u32,
    /// Pacing rate in bytes per second; `u64::MAX` when unlimited.
    pub pacing_rate: u64,
    /// Latest delivery rate in bytes per second.
    pub delivery_rate: u64,
    /// The delivery rate was limited by the application.
    pub delivery_rate_app_limited: bool,
    /// Bytes acknowledged.
    pub bytes_acked: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
    /// Data bytes sent, retransmissions included.
    pub bytes_sent: u64,
    /// Data bytes retransmitted.
    pub bytes_retrans: u64,
    /// Segments sent.
    pub segs_out: u64,
    /// Segments received.
    pub segs_in: u64,
    /// Segments with data sent.
    pub data_segs_out: u64,
    /// Segments with data received.
    pub data_segs_in: u64,
    /// Segments delivered to the peer.
    pub delivered: u32,
    /// Segments delivered with a congestion mark.
    pub delivered_ce: u32,
    /// Unsent bytes in the send buffer.
    pub notsent_bytes: u64,
    /// Time with data outstanding.
    pub busy_time: Span,
    /// Part of it that was limited by the peer's window.
    pub rwnd_limited: Span,
    /// Part of it that was limited by the send buffer.
    pub sndbuf_limited: Span,
    /// Peer's window in bytes.
    pub snd_wnd: u32,
    /// Window announced to the peer, in bytes.
    pub rcv_wnd: u32,
    /// Duplicate SACK blocks received.
    pub dsack_dups: u32,
    /// Out-of-order segments received.
    pub rcv_ooopack: u32,
    /// Segments dropped unprocessed, by cause.
    pub discards: Discards,
}

impl TcpInfo {
    /// The slow-start threshold before any loss.
    pub const INFINITE_SSTHRESH: u32 = 0x7FFF_FFFF;
}

impl Connection {
    /// Bytes of the stream transmitted at least once, SYN and FIN excluded.
    #[inline]
    pub fn bytes_sent_once(&self) -> u64 {
        self.tx.bytes_sent - self.tx.bytes_retrans
    }

    /// Bytes of the stream received in order.
    #[inline]
    pub fn bytes_received_in_order(&self) -> u64 {
        self.rx.bytes_received
    }

    /// Bytes of the stream that the peer has acknowledged.
    #[inline]
    pub fn bytes_acked(&self) -> u64 {
        self.tx.bytes_acked
    }

    /// Bytes queued and not yet sent; `u64::MAX` from an endless source.
    pub fn unsent(&self) -> u64 {
        self.buf.unsent()
    }

    /// Bytes sent and not yet acknowledged.
    pub fn unacked(&self) -> u64 {
        self.buf.unacked()
    }

    /// Sequence space written and not yet acknowledged: bytes, and the FIN once it is queued.
    pub fn outstanding(&self) -> u64 {
        let fin = self.flags.fin_queued && !self.flags.fin_acked;
        self.buf.unsent().saturating_add(self.buf.unacked()).saturating_add(u64::from(fin))
    }

    /// Congestion window in bytes.
    pub fn cwnd_bytes(&self) -> u64 {
        u64::from(self.tx.cwnd) * u64::from(self.tx.mss)
    }

    /// Slow-start threshold in bytes; `None` while it is infinite.
    pub fn ssthresh_bytes(&self) -> Option<u64> {
        let finite = self.tx.ssthresh < INFINITE_SSTHRESH;
        finite.then(|| u64::from(self.tx.ssthresh) * u64::from(self.tx.mss))
    }

    /// Smoothed round-trip time; zero before the first sample.
    pub fn srtt(&self) -> Span {
        span(u64::from(self.tx.srtt_us()))
    }

    /// Bytes in flight, counted in full segments.
    pub fn inflight_bytes(&self) -> u64 {
        u64::from(self.tx.in_flight()) * u64::from(self.tx.mss)
    }

    /// Latest delivery rate in bytes per second.
    pub fn delivery_rate(&self) -> u64 {
        self.tx.delivery_rate()
    }

    /// Pacing rate in bytes per second; `None` when nothing is paced.
    pub fn pacing_rate(&self) -> Option<u64> {
        (self.is_paced() && self.tx.pacing_rate != u64::MAX).then_some(self.tx.pacing_rate)
    }

    /// The name of the congestion control.
    pub fn cc_name(&self) -> &str {
        self.cc.name()
    }

    /// A variable of the congestion control by its full name, such as `cubic.w_max`.
    pub fn cc_state(&self, name: &str) -> Option<f64> {
        let (cc, variable) = name.split_once('.')?;
        if cc == self.cc.name() { self.cc.variable(variable) } else { None }
    }

    /// A snapshot with Linux's field meanings.
    pub fn info(&self, now: Instant) -> TcpInfo {
        let (tx, rx) = (&self.tx, &self.rx);
        let now_us = now.as_us().max(tx.now_us);
        let since = |then: u64| span(now_us - then.min(now_us));
        let (busy, rwnd, sndbuf) = self.busy.totals(now_us);
        let min_rtt = tx.min_rtt_us();
        TcpInfo {
            state: self.state,
            ca_state: tx.ca_state,
            retransmits: u32::from(tx.retransmits),
            probes: u32::from(tx.probes_out.max(self.out.keep_probes)),
            backoff: u32::from(tx.backoff),
            timestamps: self.flags.timestamps,
            sack: tx.sack_enabled,
            ecn: self.flags.ecn,
            snd_wscale: self.snd_wscale,
            rcv_wscale: rx.wscale,
            rto: span(u64::from(tx.rtt.rto_us)),
            ato: span(u64::from(rx.ato_us)),
            snd_mss: tx.mss,
            rcv_mss: u32::from(rx.rcv_mss),
            advmss: u32::from(rx.advmss),
            unacked: tx.packets_out,
            sacked: tx.sacked_out,
            lost: tx.lost_out,
            retrans: tx.retrans_out,
            in_flight: tx.in_flight(),
            last_data_sent: since(tx.lsnd_us),
            last_data_recv: since(rx.last_recv_us),
            last_ack_recv: since(tx.last_ack_us),
            rtt: span(u64::from(tx.srtt_us())),
            rttvar: span(u64::from(tx.rtt.mdev_us4 >> 2)),
            min_rtt: if min_rtt == u32::MAX { Span::ZERO } else { span(u64::from(min_rtt)) },
            snd_ssthresh: tx.ssthresh,
            snd_cwnd: tx.cwnd,
            rcv_ssthresh: rx.rcv_ssthresh,
            reordering: tx.reordering,
            reord_seen: tx.reord_seen,
            rcv_rtt: span(u64::from(rx.rtt_us8 >> 3)),
            rcv_space: rx.space,
            total_retrans: tx.total_retrans,
            total_rto: tx.total_rto,
            pacing_rate: tx.pacing_rate,
            delivery_rate: tx.delivery_rate(),
            delivery_rate_app_limited: tx.rate_app_limited,
            bytes_acked: tx.bytes_acked,
            bytes_received: rx.bytes_received,
            bytes_sent: tx.bytes_sent,
            bytes_retrans: tx.bytes_retrans,
            segs_out: self.segs_out.into(),
            segs_in: self.segs_in.into(),
            data_segs_out: tx.data_segs_out.into(),
            data_segs_in: rx.data_segs_in.into(),
            delivered: tx.delivered,
            delivered_ce: tx.delivered_ce,
            notsent_bytes: self.buf.unsent(),
            busy_time: span(busy),
            rwnd_limited: span(rwnd),
            sndbuf_limited: span(sndbuf),
            snd_wnd: tx.snd_wnd,
            rcv_wnd: rx.rcv_wnd,
            dsack_dups: tx.dsack_dups,
            rcv_ooopack: rx.ooo_segs,
            discards: self.discards,
        }
    }
}
