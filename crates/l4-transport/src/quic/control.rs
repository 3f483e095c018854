//! Congestion control and round-trip times of a path (RFC 9002), with the algorithms that TCP uses.
//!
//! What they count in segments are bytes here, in units of a full datagram: a short packet takes as much of the window as it is long
//! (RFC 9002 section 7). The order of sending, over all packet number spaces, stands in for sequence numbers. Unlike TCP here, a loss
//! sets the window to its new value at once (RFC 9002 section 7.3.2): there is no PRR.

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
    /// Which packet of the connection it was, over all spaces.
    pub serial: u64,
    /// The path it was sent on: only its own path learns from it (RFC 9000 section 9.4).
    pub path: u32,
    pub bytes: u32,
    pub rate: Sent,
}

/// Bytes that are counted in whole segments; the rest waits for more.
#[derive(Debug, Default)]
struct Segments(u64);

impl Segments {
    fn add(&mut self, bytes: u64, mss: u32) -> u32 {
        let sum = self.0 + bytes;
        self.0 = sum % u64::from(mss);
        (sum / u64::from(mss)) as u32
    }
}

pub(crate) struct Control {
    pub tx: Sender,
    cc: Controller,
    pub latest: Us,
    pub smoothed: Us,
    pub variation: Us,
    pub least: Us,
    has_sample: bool,
    /// Sum and number of round-trip times.
    samples: (Us, u64),
    in_flight: u64,
    acked: Segments,
    lost: Segments,
    /// Packets sent so far.
    pub serial: u64,
    path: u32,
    /// When the last reduction began; losses of packets that were sent before are part of it.
    recovery_start: Option<Us>,
    /// One packet may exceed a window that was just reduced, so that the repair does not wait (RFC 9002 section 7.3.2).
    one_more: bool,
}

impl Control {
    pub fn new(config: &TcpConfig, now: Us, mss: u32) -> Control {
        Control::on_path(config, now, mss, 0, 0)
    }

    /// For the path after this one: the window and the round-trip time begin anew, and what is in flight elsewhere counts for neither
    /// (RFC 9000 section 9.4).
    pub fn next_path(&self, config: &TcpConfig, now: Us, mss: u32) -> Control {
        Control::on_path(config, now, mss, self.serial, self.path + 1)
    }

    fn on_path(config: &TcpConfig, now: Us, mss: u32, serial: u64, path: u32) -> Control {
        let mut tx = Sender::new(now, Seq(serial as u32), mss, 3, config.init_cwnd);
        // The algorithms are told: trains of acknowledgments are as long as packets are paced apart.
        let mut cc = Controller::new(&TcpConfig { pacing: true, ..config.clone() });
        cc.init(&mut tx);
        Control {
            tx,
            cc,
            latest: 0,
            smoothed: FIRST_RTT,
            variation: FIRST_RTT / 2,
            least: 0,
            has_sample: false,
            samples: (0, 0),
            in_flight: 0,
            acked: Segments::default(),
            lost: Segments::default(),
            serial,
            path,
            recovery_start: None,
            one_more: false,
        }
    }

    /// The path carries datagrams of another size.
    pub fn set_mss(&mut self, mss: u32) {
        self.tx.mss = mss;
        self.count();
    }

    /// The least and the mean round-trip time of this path, in s.
    pub fn rtt_min_mean(&self) -> Option<(f64, f64)> {
        let (sum, n) = self.samples;
        (n > 0).then(|| (self.least as f64 / 1e6, sum as f64 / n as f64 / 1e6))
    }

    /// A packet was sent on the path that this is about.
    pub fn is_here(&self, packet: &InFlight) -> bool {
        packet.path == self.path
    }

    #[cfg(test)]
    pub fn bytes_in_flight(&self) -> u64 {
        self.in_flight
    }

    /// A part of a segment counts as one, so that a full datagram more would exceed the window whenever that is reached.
    fn count(&mut self) {
        self.tx.packets_out = self.in_flight.div_ceil(u64::from(self.tx.mss)) as u32;
    }

    pub fn name(&self) -> &str {
        self.cc.name()
    }

    /// RFC 9002 section 5. `delay` is what the peer says that it waited with its acknowledgment.
    pub fn sample(&mut self, now: Us, rtt: Us, delay: Us) {
        self.latest = rtt;
        self.samples = (self.samples.0 + rtt, self.samples.1 + 1);
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
        self.tx.in_flight() < self.tx.cwnd || self.one_more
    }

    /// All that may be sent now has been; `waits`: more wants to be. Only a window that was used up grows, and it counts as used up for
    /// the whole round trip, and while only pacing holds back what would fill it (RFC 9002 section 7.8): more than half of it is in use
    /// then, as pacing spreads a window over half a round trip at most.
    pub fn note_usage(&mut self, now: Us, waits: bool) {
        let is_paced = waits && !self.tx.pacing_needed && self.paced_until() > now;
        let tx = &mut self.tx;
        let is_paced = is_paced && 2 * tx.in_flight() >= tx.cwnd;
        let limited = tx.in_flight() >= tx.cwnd || is_paced;
        if tx.snd_una.at_or_after(tx.cwnd_usage_seq)
            || limited
            || (!tx.is_cwnd_limited && tx.packets_out > tx.max_packets_out)
        {
            tx.is_cwnd_limited = limited;
            tx.max_packets_out = tx.packets_out;
            tx.cwnd_usage_seq = tx.snd_nxt;
        }
        if !waits && !limited {
            tx.app_limited = tx.delivered.wrapping_add(tx.in_flight()).max(1);
        }
    }

    /// When the next packet may be sent (RFC 9002 section 7.7).
    pub fn paced_until(&self) -> Us {
        if self.one_more { 0 } else { self.tx.pace_next_ns.div_ceil(1000) }
    }

    /// A packet leaves: when the next one may follow. The rate is that of TCP, unless the algorithm sets its own; bursts are no larger
    /// than the initial window.
    fn pace(&mut self, now: Us, bytes: u64) {
        let tx = &mut self.tx;
        if tx.pacing_rate == 0 || tx.pacing_rate == u64::MAX {
            return;
        }
        let time_of = |bytes: u64| bytes * 1_000_000_000 / tx.pacing_rate;
        // An algorithm that sets its own rate wants it kept from the first packet on.
        let burst = if tx.pacing_needed { 0 } else { u64::from(tx.init_cwnd) * u64::from(tx.mss) };
        let credit = time_of(burst.saturating_sub(bytes));
        tx.pace_next_ns = tx.pace_next_ns.max((now * 1000).saturating_sub(credit)) + time_of(bytes);
    }

    pub fn sent(&mut self, now: Us, bytes: usize) -> InFlight {
        self.tx.now_us = now;
        if self.in_flight == 0 {
            self.cc.on_event(&mut self.tx, CcEvent::TxStart);
        }
        self.one_more = false;
        self.tx.lsnd_us = now;
        let serial = self.serial;
        self.serial += 1;
        let mut rate = Sent::new(Seq(serial as u32), Seq(self.serial as u32), 0);
        rate.sent_us = now;
        self.tx.rate_sent(&mut rate);
        self.in_flight += bytes as u64;
        self.count();
        rate.in_flight = self.tx.packets_out;
        self.tx.snd_nxt = Seq(self.serial as u32);
        self.pace(now, bytes as u64);
        InFlight { sent_us: now, serial, path: self.path, bytes: bytes as u32, rate }
    }

    /// Packets were acknowledged and others are lost; `una` is the first that is still in flight.
    pub fn on_ack(&mut self, now: Us, acked: &mut [InFlight], lost: &[InFlight], una: u64, persistent: bool) {
        self.tx.now_us = now;
        let prior_in_flight = self.tx.in_flight();
        let mut sample = RateSample { prior_in_flight, rtt_us: self.latest as i64, ..RateSample::default() };
        if acked.is_empty() {
            sample.rtt_us = -1;
        } else {
            self.cc.in_ack_event(&mut self.tx, false);
        }
        let bytes = acked.iter().map(|packet| u64::from(packet.bytes)).sum();
        let n = self.acked.add(bytes, self.tx.mss);
        self.tx.delivered = self.tx.delivered.wrapping_add(n);
        let mut newest = 0;
        for packet in acked.iter_mut() {
            self.tx.rate_delivered(&mut packet.rate, &mut sample);
            newest = newest.max(packet.sent_us);
        }
        self.in_flight = self.in_flight.saturating_sub(bytes);
        self.tx.snd_una = Seq(una as u32);
        let losses = self.on_loss(now, lost, persistent);
        self.count();
        let recovered = self.recovery_start.is_none_or(|start| newest > start);
        if !acked.is_empty() && recovered && self.tx.ca_state != CaState::Open {
            self.tx.ca_state = CaState::Open;
            self.cc.set_state(&mut self.tx, CaState::Open);
        }
        if !acked.is_empty() {
            self.cc.pkts_acked(&mut self.tx, n.max(1), sample.rtt_us);
        }
        self.tx.rate_generate(n, losses, false, &mut sample);
        if self.cc.controls_all() {
            self.cc.cong_control(&mut self.tx, &sample);
            return;
        }
        if n > 0 && self.tx.ca_state == CaState::Open && self.tx.is_cwnd_limited() {
            self.cc.cong_avoid(&mut self.tx, n);
        }
        self.tx.update_pacing_rate();
    }

    /// RFC 9002 section 7.3.2 and 7.6.
    fn on_loss(&mut self, now: Us, lost: &[InFlight], persistent: bool) -> u32 {
        let bytes = lost.iter().map(|packet| u64::from(packet.bytes)).sum();
        let n = self.lost.add(bytes, self.tx.mss);
        self.tx.lost = self.tx.lost.wrapping_add(n);
        self.in_flight = self.in_flight.saturating_sub(bytes);
        self.count();
        lost.iter().for_each(|packet| self.cc.packet_lost(&mut self.tx, &packet.rate));
        let Some(newest) = lost.iter().map(|packet| packet.sent_us).max() else { return n };
        if self.recovery_start.is_none_or(|start| newest > start) {
            self.recovery_start = Some(now);
            self.tx.prior_cwnd = self.tx.cwnd;
            let ssthresh = self.cc.ssthresh(&mut self.tx);
            self.tx.ca_state = CaState::Recovery;
            self.cc.set_state(&mut self.tx, CaState::Recovery);
            if !self.cc.controls_all() {
                self.tx.ssthresh = ssthresh;
                self.tx.cwnd = ssthresh.max(LEAST_WINDOW);
                self.one_more = true;
            }
        }
        if persistent {
            self.cc.on_event(&mut self.tx, CcEvent::Loss);
            self.tx.ca_state = CaState::Loss;
            self.cc.set_state(&mut self.tx, CaState::Loss);
            self.tx.cwnd = LEAST_WINDOW;
            self.recovery_start = None;
        }
        n
    }

    /// Packets are forgotten, neither acknowledged nor lost: their keys are gone (RFC 9002 section 6.4), or they were too large.
    pub fn forget<'a>(&mut self, packets: impl Iterator<Item = &'a InFlight>) {
        let here = packets.filter(|packet| packet.path == self.path);
        self.in_flight = self.in_flight.saturating_sub(here.map(|packet| u64::from(packet.bytes)).sum());
        self.count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CcKind;

    const RTT: Us = 100_000;

    fn control(cc: CcKind, cwnd: u32, ssthresh: u32) -> Control {
        let mut control = Control::new(&TcpConfig { cc, ..TcpConfig::linux() }, 1_000_000, 1200);
        control.sample(1_000_000, RTT, 0);
        (control.tx.cwnd, control.tx.ssthresh) = (cwnd, ssthresh);
        control
    }

    /// A round trip in which so many full packets are sent, the last one late, and acknowledged one by one; nothing more waits.
    fn round(control: &mut Control, now: &mut Us, packets: u32) {
        let mut flight: Vec<InFlight> = (1..packets).map(|_| control.sent(*now, 1200)).collect();
        flight.push(control.sent(*now + RTT - 8_000, 1200));
        control.note_usage(*now, false);
        *now += RTT;
        while !flight.is_empty() {
            let una = flight.get(1).map_or(control.serial, |packet| packet.serial);
            control.on_ack(*now, &mut flight[..1], &[], una, false);
            flight.remove(0);
            control.note_usage(*now, false);
        }
    }

    #[test]
    fn a_window_that_the_last_packet_fills_is_used_up() {
        let (mut control, mut now) = (control(CcKind::Reno, 10, 5), 1_000_000);
        round(&mut control, &mut now, 10);
        assert_eq!(control.tx.cwnd, 11);
        // Half of it is used: it stays (RFC 9002 section 7.8).
        (0..5).for_each(|_| round(&mut control, &mut now, 5));
        assert_eq!(control.tx.cwnd, 11);
    }

    #[test]
    fn the_cubic_goes_on_over_moments_with_nothing_in_flight() {
        let (mut control, mut now) = (control(CcKind::Cubic, 100, 100), 1_000_000);
        let lost = control.sent(now, 1200);
        control.on_ack(now + RTT, &mut [], &[lost], 1, false);
        assert_eq!(control.tx.cwnd, 70);
        now += 2 * RTT;
        let begin = now;
        while control.tx.cwnd < 98 && now < begin + 60_000_000 {
            let cwnd = control.tx.cwnd;
            round(&mut control, &mut now, cwnd);
        }
        // K = 4.2 s, and 98 is reached 1.7 s before (RFC 9438 section 4.2); the idle 8 ms of each round do not count.
        let seconds = (now - begin) as f64 / 1e6;
        assert!((2.0..4.5).contains(&seconds), "{seconds}");
    }

    #[test]
    fn acknowledged_bytes_count_as_segments_when_there_are_enough() {
        let mut segments = Segments::default();
        assert_eq!([600, 599, 1, 3000, 600].map(|bytes| segments.add(bytes, 1200)), [0, 0, 1, 2, 1]);
    }
}
