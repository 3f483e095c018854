//! Congestion control and round-trip times of a path (RFC 9002), with the algorithms that TCP uses.
//!
//! A packet of QUIC is what a segment is to them: windows are in packets of full size. Numbers of packets stand in for sequence
//! numbers. Unlike TCP here, a loss sets the window to its new value at once (RFC 9002 section 7.3.2): there is no PRR.

use crate::clock::Us;
use crate::congestion::{CcEvent, Controller, RateSample};
use crate::rtx::Sent;
use crate::sender::Sender;
use crate::{CaState, TcpConfig};
use tidewire_wire::Seq;

/// Timer granularity (RFC 9002 section 6.1.2).
pub(crate) const GRANULARITY: Us = 1000;
/// The round-trip time before the first sample (RFC 9002 section 6.2.2).
const FIRST_RTT: Us = 333_000;
/// The least window, in packets (RFC 9002 section 7.2).
const LEAST_WINDOW: u32 = 2;

/// A packet in flight, as congestion control knows it.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    pub sent_us: Us,
    pub rate: Sent,
}

pub(crate) struct Control {
    pub tx: Sender,
    cc: Controller,
    pub latest: Us,
    pub smoothed: Us,
    pub variation: Us,
    pub least: Us,
    has_sample: bool,
    /// When the last reduction began; losses of packets that were sent before are part of it.
    recovery_start: Option<Us>,
}

impl Control {
    pub fn new(config: &TcpConfig, now: Us, mss: u32) -> Control {
        let mut tx = Sender::new(now, Seq(0), mss, 3, config.init_cwnd);
        let mut cc = Controller::new(config);
        cc.init(&mut tx);
        Control {
            tx,
            cc,
            latest: 0,
            smoothed: FIRST_RTT,
            variation: FIRST_RTT / 2,
            least: 0,
            has_sample: false,
            recovery_start: None,
        }
    }

    pub fn name(&self) -> &str {
        self.cc.name()
    }

    /// RFC 9002 section 5. `delay` is what the peer says that it waited with its acknowledgment.
    pub fn sample(&mut self, now: Us, rtt: Us, delay: Us) {
        self.latest = rtt;
        self.tx.now_us = now;
        if !self.has_sample {
            self.has_sample = true;
            (self.least, self.smoothed, self.variation) = (rtt, rtt, rtt / 2);
        } else {
            self.least = self.least.min(rtt);
            let adjusted = if rtt >= self.least + delay { rtt - delay } else { rtt };
            self.variation = (3 * self.variation + self.smoothed.abs_diff(adjusted)) / 4;
            self.smoothed = (7 * self.smoothed + adjusted) / 8;
        }
        self.tx.rtt.srtt_us8 = (self.smoothed.min(1 << 27) as u32) << 3;
        self.tx.rtt.rttvar_us4 = (self.variation.min(1 << 27) as u32) << 2;
        self.tx.rtt.mdev_us4 = self.tx.rtt.rttvar_us4;
        self.tx.min_rtt.running_min(300_000_000, now, rtt.clamp(1, 1 << 31) as u32);
    }

    /// How long to wait for an acknowledgment before a probe, without the peer's delay (RFC 9002 section 6.2.1).
    pub fn pto(&self) -> Us {
        self.smoothed + (4 * self.variation).max(GRANULARITY)
    }

    /// How much later than another a packet must have been sent before that one counts as lost (RFC 9002 section 6.1.2).
    pub fn loss_delay(&self) -> Us {
        (9 * self.smoothed.max(self.latest) / 8).max(GRANULARITY)
    }

    /// A packet may be sent.
    pub fn may_send(&self) -> bool {
        self.tx.in_flight() < self.tx.cwnd
    }

    /// The window is what keeps data from being sent.
    pub fn note_limited(&mut self, limited: bool) {
        self.tx.is_cwnd_limited = limited;
        if !limited && self.tx.in_flight() < self.tx.cwnd {
            self.tx.app_limited = self.tx.delivered.wrapping_add(self.tx.in_flight()).max(1);
        }
    }

    /// When the next packet may be sent, where the algorithm wants them paced.
    pub fn paced_until(&self) -> Us {
        if self.tx.pacing_needed { self.tx.pace_next_ns.div_ceil(1000) } else { 0 }
    }

    pub fn sent(&mut self, now: Us, number: u64, bytes: usize) -> InFlight {
        self.tx.now_us = now;
        if self.tx.packets_out == 0 {
            self.cc.on_event(&mut self.tx, CcEvent::TxStart);
        }
        let mut rate = Sent::new(Seq(number as u32), Seq(number as u32 + 1), 0);
        rate.sent_us = now;
        self.tx.rate_sent(&mut rate);
        self.tx.packets_out += 1;
        rate.in_flight = self.tx.packets_out;
        self.tx.max_packets_out = self.tx.max_packets_out.max(self.tx.packets_out);
        self.tx.snd_nxt = Seq(number as u32 + 1);
        if self.tx.pacing_needed && self.tx.pacing_rate > 0 && self.tx.pacing_rate != u64::MAX {
            let gap = bytes as u64 * 1_000_000_000 / self.tx.pacing_rate;
            self.tx.pace_next_ns = self.tx.pace_next_ns.max(now * 1000) + gap;
        }
        InFlight { sent_us: now, rate }
    }

    /// Packets were acknowledged and others are lost; `una` is the lowest number that is still in flight.
    pub fn on_ack(&mut self, now: Us, acked: &mut [InFlight], lost: &[InFlight], una: u64, persistent: bool) {
        self.tx.now_us = now;
        let prior_in_flight = self.tx.in_flight();
        let mut sample = RateSample { prior_in_flight, rtt_us: self.latest as i64, ..RateSample::default() };
        if acked.is_empty() {
            sample.rtt_us = -1;
        } else {
            self.cc.in_ack_event(&mut self.tx, false);
        }
        let mut newest = 0;
        for packet in acked.iter_mut() {
            self.tx.delivered = self.tx.delivered.wrapping_add(1);
            self.tx.rate_delivered(&mut packet.rate, &mut sample);
            self.tx.packets_out = self.tx.packets_out.saturating_sub(1);
            newest = newest.max(packet.sent_us);
        }
        self.tx.snd_una = Seq(una as u32);
        self.on_loss(now, lost, persistent);
        let n = acked.len() as u32;
        let recovered = self.recovery_start.is_none_or(|start| newest > start);
        if n > 0 && recovered && self.tx.ca_state != CaState::Open {
            self.tx.ca_state = CaState::Open;
            self.cc.set_state(&mut self.tx, CaState::Open);
        }
        if n > 0 {
            let rtt = sample.rtt_us;
            self.cc.pkts_acked(&mut self.tx, n, rtt);
        }
        self.tx.rate_generate(n, lost.len() as u32, false, &mut sample);
        if self.cc.controls_all() {
            self.cc.cong_control(&mut self.tx, &sample);
        } else if n > 0 && self.tx.ca_state == CaState::Open && self.tx.is_cwnd_limited() {
            self.cc.cong_avoid(&mut self.tx, n);
        }
    }

    /// RFC 9002 section 7.3.2 and 7.6.
    fn on_loss(&mut self, now: Us, lost: &[InFlight], persistent: bool) {
        for packet in lost {
            self.tx.lost = self.tx.lost.wrapping_add(1);
            self.tx.packets_out = self.tx.packets_out.saturating_sub(1);
            self.cc.packet_lost(&mut self.tx, &packet.rate);
        }
        let Some(newest) = lost.iter().map(|packet| packet.sent_us).max() else { return };
        if self.recovery_start.is_none_or(|start| newest > start) {
            self.recovery_start = Some(now);
            self.tx.prior_cwnd = self.tx.cwnd;
            let ssthresh = self.cc.ssthresh(&mut self.tx);
            self.tx.ca_state = CaState::Recovery;
            self.cc.set_state(&mut self.tx, CaState::Recovery);
            if !self.cc.controls_all() {
                self.tx.ssthresh = ssthresh;
                self.tx.cwnd = ssthresh.max(LEAST_WINDOW);
            }
            self.tx.max_packets_out = 0;
        }
        if persistent {
            self.cc.on_event(&mut self.tx, CcEvent::Loss);
            self.tx.ca_state = CaState::Loss;
            self.cc.set_state(&mut self.tx, CaState::Loss);
            self.tx.cwnd = LEAST_WINDOW;
            self.recovery_start = None;
        }
    }

    /// Packets are forgotten, neither acknowledged nor lost: their keys are gone (RFC 9002 section 6.4).
    pub fn forget(&mut self, packets: u32) {
        self.tx.packets_out = self.tx.packets_out.saturating_sub(packets);
    }
}
