//! Delivery-rate samples (draft-cheng-iccrg-delivery-rate-estimation).

use crate::clock::Us;
use crate::rtx::{APP_LIMITED, EVER_RETRANS, RETRANS, SACKED, Sent};
use crate::sender::Sender;

/// What one acknowledgment says about the path. Counts are segments.
#[derive(Clone, Debug, Default)]
pub struct RateSample {
    /// When the `prior_delivered` segments had been delivered, modulo 2^32 us.
    pub(crate) prior_us: u32,
    pub(crate) valid: bool,
    pub(crate) last_serial: u32,
    /// Segments delivered when the newest acknowledged segment was sent.
    pub prior_delivered: u32,
    /// As `prior_delivered`, with a congestion mark.
    pub prior_delivered_ce: u32,
    /// Segments delivered over the interval; negative when the sample is invalid.
    pub delivered: i32,
    /// Those with a congestion mark.
    pub delivered_ce: u32,
    /// The interval in microseconds; negative when the sample is invalid.
    pub interval_us: i64,
    /// Its sending phase.
    pub snd_interval_us: u32,
    /// Its acknowledging phase.
    pub rcv_interval_us: u32,
    /// Round-trip time of the newest segment (S)ACKed; negative without.
    pub rtt_us: i64,
    /// Segments newly marked lost.
    pub losses: u32,
    /// Segments newly (S)ACKed.
    pub acked_sacked: u32,
    /// Segments in flight before this acknowledgment.
    pub prior_in_flight: u32,
    /// Segments in flight when the newest acknowledged segment was sent, that one included.
    pub tx_in_flight: u32,
    /// Segments lost since the newest acknowledged segment was sent.
    pub lost: u32,
    pub(crate) tx_lost: u32,
    /// The newest acknowledged segment was sent while the application was the limit.
    pub is_app_limited: bool,
    /// It had been retransmitted.
    pub is_retrans: bool,
    /// The receiver probably delayed this acknowledgment.
    pub is_ack_delayed: bool,
    /// The acknowledgment carried ECN-Echo.
    pub is_ece: bool,
}

impl Sender {
    /// Stamps a segment that is being (re)transmitted.
    #[inline]
    pub(crate) fn rate_sent(&mut self, sent: &mut Sent) {
        if self.packets_out == 0 {
            self.first_tx_us = sent.sent_us;
            self.delivered_us = sent.sent_us;
        }
        self.serial = self.serial.wrapping_add(1);
        sent.serial = self.serial;
        sent.first_tx_us = self.first_tx_us as u32;
        sent.delivered_us = self.delivered_us as u32;
        sent.delivered = self.delivered;
        sent.delivered_ce = self.delivered_ce;
        sent.lost = self.lost;
        sent.rated = true;
        if self.app_limited == 0 {
            sent.flags &= !APP_LIMITED;
        } else {
            sent.flags |= APP_LIMITED;
        }
    }

    /// A segment is (S)ACKed: the most recently sent one gives the sample.
    #[inline]
    pub(crate) fn rate_delivered(&mut self, sent: &mut Sent, sample: &mut RateSample) {
        if !sent.rated {
            return;
        }
        let newer = sent.sent_us > self.first_tx_us
            || (sent.sent_us == self.first_tx_us && sent.serial.wrapping_sub(sample.last_serial) as i32 > 0);
        if !sample.valid || newer {
            sample.valid = true;
            sample.prior_delivered = sent.delivered;
            sample.prior_delivered_ce = sent.delivered_ce;
            sample.prior_us = sent.delivered_us;
            sample.is_app_limited = sent.is(APP_LIMITED);
            sample.is_retrans = sent.is(RETRANS | EVER_RETRANS);
            sample.last_serial = sent.serial;
            sample.tx_in_flight = sent.in_flight;
            sample.tx_lost = sent.lost;
            self.first_tx_us = sent.sent_us;
            sample.snd_interval_us = (sent.sent_us as u32).wrapping_sub(sent.first_tx_us);
        }
        if sent.is(SACKED) {
            sent.rated = false;
        }
    }

    /// Completes the sample once the acknowledgment has been processed.
    #[inline]
    pub(crate) fn rate_generate(
        &mut self,
        acked_sacked: u32,
        losses: u32,
        reneg: bool,
        sample: &mut RateSample,
    ) {
        if self.app_limited != 0 && self.delivered.wrapping_sub(self.app_limited) as i32 > 0 {
            self.app_limited = 0;
        }
        if acked_sacked > 0 {
            self.delivered_us = self.now_us;
        }
        sample.acked_sacked = acked_sacked;
        sample.losses = losses;
        if !sample.valid || reneg {
            sample.delivered = -1;
            sample.interval_us = -1;
            return;
        }
        sample.delivered = self.delivered.wrapping_sub(sample.prior_delivered) as i32;
        sample.delivered_ce = self.delivered_ce.wrapping_sub(sample.prior_delivered_ce);
        sample.lost = self.lost.wrapping_sub(sample.tx_lost);
        sample.rcv_interval_us = (self.now_us as u32).wrapping_sub(sample.prior_us);
        let interval = sample.snd_interval_us.max(sample.rcv_interval_us);
        sample.interval_us = i64::from(interval);
        if interval < self.min_rtt_us() {
            sample.interval_us = -1;
            return;
        }
        let (delivered, best) = (sample.delivered.max(0) as u64, u64::from(self.rate_delivered));
        if !sample.is_app_limited
            || delivered * u64::from(self.rate_interval_us) >= best * u64::from(interval)
        {
            self.rate_delivered = sample.delivered.max(0) as u32;
            self.rate_interval_us = interval;
            self.rate_app_limited = sample.is_app_limited;
        }
    }

    /// The application has nothing more to send than what fits into the window now.
    pub(crate) fn mark_app_limited(&mut self, unsent: u64) {
        if unsent < u64::from(self.mss) && self.in_flight() < self.cwnd && self.lost_out <= self.retrans_out {
            self.app_limited = (self.delivered.wrapping_add(self.in_flight())).max(1);
        }
    }

    pub(crate) fn us_since(&self, then: Us) -> Us {
        self.now_us.saturating_sub(then)
    }
}
