//! The sender's variables: windows, scoreboard counters, estimators. Congestion controls read and write them here.

use crate::CaState;
use crate::clock::Us;
use crate::minmax::MinMax;
use crate::rtt::RttEstimator;
use crate::rtx::NIL;
use tidewire_wire::Seq;

/// The slow-start threshold before any loss.
pub const INFINITE_SSTHRESH: u32 = 0x7FFF_FFFF;

/// RACK's variables (RFC 8985 section 5).
#[derive(Debug)]
pub(crate) struct Rack {
    /// Transmission time and ordinal of the most recently sent segment that was delivered.
    pub mstamp: Us,
    pub serial: u32,
    /// Its round-trip time.
    pub rtt_us: u32,
    /// `delivered` when the window was last widened.
    pub last_delivered: u32,
    /// Multiples of min_rtt / 4.
    pub reo_wnd_steps: u8,
    /// Recoveries for which the wider window is still kept.
    pub reo_wnd_persist: u8,
    pub dsack_seen: bool,
    /// Something new was delivered since the last look.
    pub advanced: bool,
}

/// The variables of the sending side. Names are those of the RFCs and of Linux; windows are in segments.
#[derive(Debug)]
pub struct Sender {
    pub(crate) now_us: Us,
    pub(crate) snd_una: Seq,
    pub(crate) snd_nxt: Seq,
    pub(crate) snd_wl1: Seq,
    /// Peer's window in bytes, scaled.
    pub(crate) snd_wnd: u32,
    /// Largest window that the peer ever offered.
    pub(crate) max_window: u32,
    pub(crate) mss: u32,
    /// End of the last short segment (Minshall's variant of Nagle's rule).
    pub(crate) snd_sml: Seq,

    /// Congestion window in segments.
    pub cwnd: u32,
    /// Acknowledged segments not yet turned into window growth.
    pub cwnd_cnt: u32,
    /// Slow-start threshold in segments.
    pub ssthresh: u32,
    pub(crate) cwnd_used: u32,
    pub(crate) cwnd_stamp_us: Us,
    pub(crate) prior_cwnd: u32,
    pub(crate) prior_ssthresh: u32,
    pub(crate) prr_delivered: u32,
    pub(crate) prr_out: u32,
    pub(crate) max_packets_out: u32,
    pub(crate) cwnd_usage_seq: Seq,
    pub(crate) init_cwnd: u16,
    pub(crate) is_cwnd_limited: bool,

    pub(crate) ca_state: CaState,
    pub(crate) high_seq: Seq,
    pub(crate) undo_marker: Option<Seq>,
    pub(crate) undo_retrans: i32,
    /// Timestamp (TSval without offset) of the first retransmission of the episode; zero: none.
    pub(crate) retrans_stamp: u32,
    pub(crate) frto: bool,
    pub(crate) sack_reneg: bool,
    pub(crate) sack_enabled: bool,

    pub(crate) packets_out: u32,
    pub(crate) sacked_out: u32,
    pub(crate) lost_out: u32,
    pub(crate) retrans_out: u32,
    pub(crate) reordering: u32,
    pub(crate) reord_seen: u32,
    pub(crate) dsack_dups: u32,
    pub(crate) highest_sack: Seq,
    pub(crate) retransmit_hint: u32,
    /// Blocks of the previous acknowledgment.
    pub(crate) sack_cache: Option<Box<[(Seq, Seq); 4]>>,
    pub(crate) rack: Rack,
    pub(crate) tlp_high_seq: Option<Seq>,
    pub(crate) tlp_retrans: bool,

    pub(crate) rtt: RttEstimator,
    pub(crate) min_rtt: MinMax,
    pub(crate) backoff: u8,
    pub(crate) retransmits: u8,
    pub(crate) probes_out: u8,

    pub(crate) delivered: u32,
    pub(crate) delivered_ce: u32,
    pub(crate) lost: u32,
    pub(crate) app_limited: u32,
    /// Transmissions so far, modulo 2^32.
    pub(crate) serial: u32,
    pub(crate) first_tx_us: Us,
    pub(crate) delivered_us: Us,
    pub(crate) rate_delivered: u32,
    pub(crate) rate_interval_us: u32,
    pub(crate) rate_app_limited: bool,

    /// Bytes per second; `u64::MAX`: unlimited.
    pub pacing_rate: u64,
    /// The congestion control wants its segments paced.
    pub pacing_needed: bool,
    /// When the next paced segment may leave, in nanoseconds.
    pub(crate) pace_next_ns: u64,

    pub(crate) lsnd_us: Us,
    /// When the last acknowledgment came.
    pub(crate) last_ack_us: Us,
    pub(crate) total_retrans: u32,
    pub(crate) total_rto: u32,
    pub(crate) data_segs_out: u32,
    pub(crate) bytes_acked: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_retrans: u64,
}

impl Sender {
    pub(crate) fn new(now_us: Us, isn: Seq, mss: u32, reordering: u32, init_cwnd: u32) -> Sender {
        Sender {
            now_us,
            snd_una: isn,
            snd_nxt: isn,
            snd_wl1: Seq(0),
            snd_wnd: 0,
            max_window: 0,
            mss,
            snd_sml: isn,
            cwnd: init_cwnd,
            cwnd_cnt: 0,
            ssthresh: INFINITE_SSTHRESH,
            cwnd_used: 0,
            cwnd_stamp_us: now_us,
            prior_cwnd: 0,
            prior_ssthresh: 0,
            prr_delivered: 0,
            prr_out: 0,
            max_packets_out: 0,
            cwnd_usage_seq: isn,
            init_cwnd: init_cwnd.min(u32::from(u16::MAX)) as u16,
            is_cwnd_limited: false,
            ca_state: CaState::Open,
            high_seq: isn,
            undo_marker: None,
            undo_retrans: -1,
            retrans_stamp: 0,
            frto: false,
            sack_reneg: false,
            sack_enabled: false,
            packets_out: 0,
            sacked_out: 0,
            lost_out: 0,
            retrans_out: 0,
            reordering,
            reord_seen: 0,
            dsack_dups: 0,
            highest_sack: isn,
            retransmit_hint: NIL,
            sack_cache: None,
            rack: Rack {
                mstamp: 0,
                serial: 0,
                rtt_us: 0,
                last_delivered: 0,
                reo_wnd_steps: 1,
                reo_wnd_persist: 0,
                dsack_seen: false,
                advanced: false,
            },
            tlp_high_seq: None,
            tlp_retrans: false,
            rtt: RttEstimator::new(),
            min_rtt: MinMax::new(now_us, u32::MAX),
            backoff: 0,
            retransmits: 0,
            probes_out: 0,
            delivered: 0,
            delivered_ce: 0,
            lost: 0,
            app_limited: u32::MAX,
            serial: 0,
            first_tx_us: now_us,
            delivered_us: 0,
            rate_delivered: 0,
            rate_interval_us: 0,
            rate_app_limited: false,
            pacing_rate: u64::MAX,
            pacing_needed: false,
            pace_next_ns: 0,
            lsnd_us: now_us,
            last_ack_us: now_us,
            total_retrans: 0,
            total_rto: 0,
            data_segs_out: 0,
            bytes_acked: 0,
            bytes_sent: 0,
            bytes_retrans: 0,
        }
    }

    /// Segments in flight: those sent less those SACKed or thought lost, and retransmissions.
    #[inline]
    pub fn in_flight(&self) -> u32 {
        (self.packets_out + self.retrans_out).saturating_sub(self.left_out())
    }

    #[inline]
    pub(crate) fn left_out(&self) -> u32 {
        self.sacked_out + self.lost_out
    }

    /// The window is below the slow-start threshold.
    #[inline]
    pub fn in_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }

    /// The window is being reduced segment by segment.
    #[inline]
    pub fn in_cwnd_reduction(&self) -> bool {
        matches!(self.ca_state, CaState::Cwr | CaState::Recovery)
    }

    /// The window, not the application, limits what is sent; in slow start also when half of it was in use (RFC 7661).
    #[inline]
    pub fn is_cwnd_limited(&self) -> bool {
        self.is_cwnd_limited || (self.in_slow_start() && self.cwnd < 2 * self.max_packets_out)
    }

    /// The threshold to remember: three quarters of the window, unless a reduction is under way.
    pub(crate) fn current_ssthresh(&self) -> u32 {
        if self.in_cwnd_reduction() {
            self.ssthresh
        } else {
            self.ssthresh.max((self.cwnd >> 1) + (self.cwnd >> 2))
        }
    }

    /// Grows the window exponentially; returns the acknowledged segments left over once the threshold is reached.
    #[inline]
    pub fn slow_start(&mut self, acked: u32) -> u32 {
        let cwnd = self.cwnd.saturating_add(acked).min(self.ssthresh);
        let left = acked - (cwnd - self.cwnd);
        self.cwnd = cwnd;
        left
    }

    /// Grows the window by one segment for every `per` acknowledged (RFC 5681 section 3.1).
    #[inline]
    pub fn additive_increase(&mut self, per: u32, acked: u32) {
        if self.cwnd_cnt >= per {
            self.cwnd_cnt = 0;
            self.cwnd += 1;
        }
        self.cwnd_cnt += acked;
        if self.cwnd_cnt >= per {
            let delta = self.cwnd_cnt / per;
            self.cwnd_cnt -= delta * per;
            self.cwnd += delta;
        }
    }

    /// As Linux has it: twice the window in a round trip while it doubles, then 1.2 times.
    #[inline]
    pub(crate) fn update_pacing_rate(&mut self) {
        let ratio = if self.cwnd < self.ssthresh / 2 { 200 } else { 120 };
        let mut rate = u64::from(self.mss) * (1_000_000 / 100 * 8) * ratio;
        rate *= u64::from(self.cwnd.max(self.packets_out));
        if self.rtt.srtt_us8 > 0 {
            rate /= u64::from(self.rtt.srtt_us8);
        }
        self.pacing_rate = rate;
    }

    /// Microseconds since the start of the run.
    #[inline]
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Smoothed round-trip time in microseconds; zero before the first sample.
    #[inline]
    pub fn srtt_us(&self) -> u32 {
        self.rtt.srtt_us8 >> 3
    }

    /// Least round-trip time of the last five minutes in microseconds; `u32::MAX` before the first sample.
    #[inline]
    pub fn min_rtt_us(&self) -> u32 {
        self.min_rtt.get()
    }

    /// Bytes of data in a full segment.
    #[inline]
    pub fn mss(&self) -> u32 {
        self.mss
    }

    /// State of loss recovery.
    #[inline]
    pub fn ca_state(&self) -> CaState {
        self.ca_state
    }

    /// Segments delivered to the peer so far.
    #[inline]
    pub fn delivered(&self) -> u32 {
        self.delivered
    }

    /// First unacknowledged sequence number.
    #[inline]
    pub fn snd_una(&self) -> Seq {
        self.snd_una
    }

    /// Next sequence number to send.
    #[inline]
    pub fn snd_nxt(&self) -> Seq {
        self.snd_nxt
    }

    /// Segments sent and not cumulatively acknowledged.
    #[inline]
    pub fn packets_out(&self) -> u32 {
        self.packets_out
    }

    /// The window when the last reduction began.
    #[inline]
    pub fn prior_cwnd(&self) -> u32 {
        self.prior_cwnd
    }

    /// First sequence number beyond the peer's window.
    #[inline]
    pub(crate) fn wnd_end(&self) -> Seq {
        self.snd_una + self.snd_wnd
    }

    /// The end of the highest SACKed segment.
    #[inline]
    pub(crate) fn highest_sack(&self) -> Seq {
        if self.sacked_out == 0 { self.snd_una } else { self.highest_sack }
    }

    /// Latest delivery rate in bytes per second (draft-cheng-iccrg-delivery-rate-estimation).
    pub fn delivery_rate(&self) -> u64 {
        if self.rate_delivered == 0 || self.rate_interval_us == 0 {
            return 0;
        }
        u64::from(self.rate_delivered) * u64::from(self.mss) * 1_000_000 / u64::from(self.rate_interval_us)
    }

    /// The timestamp clock without its offset; never zero, which means "none" in `retrans_stamp`.
    #[inline]
    pub(crate) fn stamp(us: Us) -> u32 {
        ((us / 1000) as u32).max(1)
    }
}
