//! Loss detection (RFC 9002 section 6): what acknowledgments and timers say of packets in flight.

use super::connection::{Carried, QuicConnection, QuicError, SentPacket};
use super::control::{GRANULARITY, InFlight};
use super::ranges::RangeSet;
use crate::clock::Us;

/// Later packets acknowledged before one counts as lost (RFC 9002 section 6.1.1).
const PACKET_THRESHOLD: u64 = 3;
/// Ranges of acknowledged packets that are remembered.
const REMEMBERED: usize = 64;
/// The transport error of a peer that breaks the protocol (RFC 9000 section 20.1).
const PROTOCOL: u64 = 10;

impl QuicConnection {
    pub(super) fn handle_ack(&mut self, i: usize, delay: Us, ranges: &RangeSet) {
        let Some(largest) = ranges.descending().next().map(|range| range.end - 1) else { return };
        if largest >= self.spaces[i].next {
            return self.end(QuicError::Protocol(PROTOCOL), true);
        }
        let space = &mut self.spaces[i];
        let mut numbers = Vec::new();
        for range in ranges.descending() {
            numbers.extend(space.in_flight.range(range.clone()).map(|(number, _)| *number));
            space.acked.insert(range);
        }
        space.acked.keep(REMEMBERED);
        numbers.sort_unstable();
        let packets: Vec<(u64, SentPacket)> =
            numbers.iter().filter_map(|number| Some((*number, space.in_flight.remove(number)?))).collect();
        space.largest_acked = space.largest_acked.max(Some(largest));
        if packets.is_empty() {
            return;
        }
        if let Some((number, packet)) = packets.last()
            && *number == largest
            && self.control.is_here(&packet.flight)
        {
            // RFC 9002 section 5.3: before that, the peer may have had no keys yet.
            let most = if self.handshake.confirmed { self.config.max_ack_delay.as_us() } else { Us::MAX };
            let rtt = self.now - packet.flight.sent_us;
            self.control.sample(self.now, rtt, if i == 2 { delay.min(most) } else { 0 });
        }
        let here = packets.iter().filter(|(_, packet)| self.control.is_here(&packet.flight));
        let mut acked: Vec<InFlight> = here.map(|(_, packet)| packet.flight.clone()).collect();
        self.detect_losses(i, &mut acked);
        // The server may still have no proof of the client's address (RFC 9002 section 6.2.1).
        if !self.is_client || i > 0 {
            self.pto_count = 0;
        }
        // RFC 9001 section 4.1.2: whoever reads packets of 1-RTT has completed the handshake.
        if i == 2
            && self.is_client
            && !self.handshake.confirmed
            && packets.iter().any(|(_, packet)| !packet.early)
        {
            self.confirm();
        }
        for (_, packet) in packets {
            if packet.is_probe && self.control.is_here(&packet.flight) {
                self.mtu.on_acked();
                self.control.set_mss(u32::from(self.mtu.size));
            }
            packet.carried.into_iter().for_each(|what| self.delivered(i, what));
        }
    }

    fn delivered(&mut self, space: usize, what: Carried) {
        match what {
            Carried::Crypto(offset, len) => self.spaces[space].crypto_out.on_acked(offset, len, false),
            Carried::Stream(id, offset, len, fin) => {
                let (bytes, done) = self.streams.change(id, |stream| {
                    let before = stream.out.buffered();
                    stream.out.on_acked(offset, len, fin);
                    (before - stream.out.buffered(), stream.out.is_done())
                });
                self.counts.stream_bytes.1 += bytes;
                if bytes > 0 || done {
                    self.streams.stir(id);
                }
            }
            _ => {}
        }
    }

    /// Finds packets that are lost (RFC 9002 section 6.1) beside those newly acknowledged, and tells congestion control of both.
    pub(super) fn detect_losses(&mut self, i: usize, acked: &mut [InFlight]) {
        let delay = self.control.loss_delay();
        let space = &mut self.spaces[i];
        space.loss_time = None;
        let Some(largest) = space.largest_acked else { return };
        let mut numbers = Vec::new();
        for (number, packet) in space.in_flight.range(..largest) {
            let due = packet.flight.sent_us + delay;
            if largest >= number + PACKET_THRESHOLD || due <= self.now {
                numbers.push(*number);
            } else {
                space.loss_time = Some(space.loss_time.map_or(due, |known| known.min(due)));
            }
        }
        let lost: Vec<(u64, SentPacket)> =
            numbers.iter().filter_map(|number| Some((*number, space.in_flight.remove(number)?))).collect();
        self.counts.packets_lost += lost.len() as u64;
        let here = || lost.iter().filter(|(_, packet)| self.control.is_here(&packet.flight));
        // A probe for larger datagrams was lost for its size (RFC 9000 section 14.4).
        let (probes, others): (Vec<_>, Vec<_>) = here().partition(|(_, packet)| packet.is_probe);
        let counted: Vec<(u64, InFlight)> =
            others.into_iter().map(|(n, packet)| (*n, packet.flight.clone())).collect();
        if !probes.is_empty() {
            self.mtu.on_lost();
            self.control.forget(probes.into_iter().map(|(_, packet)| &packet.flight));
        }
        let persistent = self.is_persistent(i, &counted);
        let flights: Vec<InFlight> = counted.into_iter().map(|(_, flight)| flight).collect();
        let first = self
            .spaces
            .iter()
            .filter_map(|space| space.in_flight.values().find(|packet| self.control.is_here(&packet.flight)));
        let una = first.map(|packet| packet.flight.serial).min().unwrap_or(self.control.serial);
        self.control.on_ack(self.now, acked, &flights, una, persistent);
        lost.into_iter().flat_map(|(_, packet)| packet.carried).for_each(|what| self.repeat(i, what));
    }

    /// Everything sent over a long time was lost, and nothing in between acknowledged (RFC 9002 section 7.6).
    fn is_persistent(&self, i: usize, lost: &[(u64, InFlight)]) -> bool {
        let control = &self.control;
        if control.latest == 0 || lost.len() < 2 {
            return false;
        }
        let delay = self.config.max_ack_delay.as_us();
        let span = (control.smoothed + (4 * control.variation).max(GRANULARITY) + delay) * 3;
        let (mut begin, mut before) = (lost[0].1.sent_us, lost[0].0);
        for (number, flight) in &lost[1..] {
            if self.spaces[i].acked.meets(before + 1..*number) {
                begin = flight.sent_us;
            }
            before = *number;
            if flight.sent_us.saturating_sub(begin) > span {
                return true;
            }
        }
        false
    }

    /// What a packet carried is to be sent again.
    pub(super) fn repeat(&mut self, space: usize, what: Carried) {
        match what {
            Carried::Crypto(offset, len) => self.spaces[space].crypto_out.on_lost(offset, len, false),
            Carried::Stream(id, offset, len, fin) => {
                self.streams.change(id, |stream| stream.out.on_lost(offset, len, fin));
            }
            Carried::MaxData => self.announce_limit = true,
            Carried::MaxStreamData(id) => self.streams.announce(id),
            Carried::HandshakeDone => self.handshake_done = true,
            Carried::Challenge => self.challenge = self.challenged,
            Carried::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quic::QuicConfig;
    use tidewire_units::Instant;
    use tidewire_wire::Endpoint;

    #[test]
    fn congestion_is_persistent_when_nothing_in_between_was_acknowledged() {
        let peer = Endpoint { addr: std::net::Ipv4Addr::new(10, 0, 0, 2), port: 443 };
        let mut quic = QuicConnection::client(Instant::ZERO, peer, (1, 2), QuicConfig::default(), None);
        quic.control.sample(0, 40_000, 0);
        // Three times (40 ms + 4 x 20 ms + 25 ms) is 435 ms.
        let mut lost = |number, ms: u64| (number, quic.control.sent(ms * 1000, 1200));
        let far = [lost(10, 0), lost(14, 300), lost(20, 440)];
        let near = [lost(30, 0), lost(34, 430)];
        assert!(quic.is_persistent(2, &far) && !quic.is_persistent(2, &near));
        quic.spaces[2].acked.insert(15..17);
        assert!(!quic.is_persistent(2, &far));
    }
}
