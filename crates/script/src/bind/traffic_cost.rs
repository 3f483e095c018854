//! What a flow takes of a link: its data, headers, handshake and farewell, acknowledgments.

use tidewire_l4_transport::TcpConfig;
use tidewire_l7_application::traffic::Sizes;
use tidewire_topology::Framing;
use tidewire_units::{Purpose, Streams};

/// Acknowledgments come for every packet of so many at the beginning of a connection, then for every second one.
const EAGER: f64 = 33.0;
/// How long an acknowledgment waits for company (Linux's least).
const ACK_DELAY_S: f64 = 0.04;
/// What a SYN's options have beyond those of other segments (RFC 7323 appendix A; MSS, SACK, window scale).
const SYN_OPTIONS: f64 = 8.0;

/// Packets on a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packets {
    /// Data of a full one.
    full: f64,
    /// What each takes besides.
    around: f64,
    /// Acknowledgments do not wait for a second packet.
    at_once: bool,
}

impl Packets {
    pub fn new(framing: Framing, mtu: u16, v6: bool, tcp: &TcpConfig) -> Packets {
        let (bare, options) = (if v6 { 60.0 } else { 40.0 }, if tcp.timestamps { 12.0 } else { 0.0 });
        let mss = (f64::from(mtu) - bare).min(f64::from(tcp.announced_mss()));
        let frame = match framing {
            Framing::Ethernet => 38.0,
            Framing::Ip => 0.0,
            Framing::Ppp => 2.0,
        };
        Packets { full: (mss - options).max(1.0), around: bare + options + frame, at_once: !tcp.delayed_ack }
    }

    /// The mean number of packets of such data; of those whose acknowledgments answer each of the first; and how often it is odd.
    fn of(&self, sizes: &Sizes) -> (f64, f64, f64) {
        let draws = if matches!(sizes, Sizes::Fixed(_)) { 1 } else { 4096 };
        let mut stream = Streams::new(0).stream(Purpose::Application, "mean number of packets");
        let (mut begun, mut first, mut odd) = (0.0, 0.0, 0.0);
        for _ in 0..draws {
            let exact = sizes.draw(&mut stream) as f64 / self.full;
            // The mean of sizes is known; what is estimated has no heavy tail.
            begun += exact.ceil() - exact;
            first += exact.ceil().min(EAGER);
            odd += exact.ceil() % 2.0;
        }
        let draws = f64::from(draws);
        (sizes.mean() / self.full + begun / draws, first / draws, odd / draws)
    }

    /// Bytes of a flow from its client to its server, and back. Measured: SYN, two packets without data, and SYN-ACK, FIN.
    pub fn cost(&self, up: &Sizes, down: Option<&Sizes>, kept: Option<Kept>) -> (f64, f64) {
        // Every second packet is acknowledged; the last one's acknowledgment may ride on what goes back.
        let one_way = |sizes: &Sizes, alone: f64| {
            let (packets, first, odd) = self.of(sizes);
            let answers = match kept {
                _ if self.at_once => packets,
                Some(_) => (packets - odd) / 2.0 + odd * alone,
                None => (packets + first) / 2.0,
            };
            (sizes.mean() + packets * self.around, answers * self.around)
        };
        let last = kept.map_or(1.0, |kept| kept.last_alone);
        let (there, acks_back) = one_way(up, if down.is_some() { 0.0 } else { last });
        let (back, acks_there) = down.map_or((0.0, 0.0), |down| one_way(down, last));
        let ends = match kept {
            Some(_) => (0.0, 0.0),
            None => (3.0 * self.around + SYN_OPTIONS, 2.0 * self.around + SYN_OPTIONS),
        };
        (there + acks_there + ends.0, back + acks_back + ends.1)
    }
}

/// A connection that is used again and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    /// How often the last packet of an answer is acknowledged by a packet of its own.
    pub last_alone: f64,
}

impl Kept {
    /// On a connection with so many questions in a second, by chance or by the clock, and such a round-trip time. An acknowledgment
    /// waits for the next question until it is due; but when the next question had left before, the next answer may come first.
    pub fn new(per_s: f64, rtt_s: f64, by_chance: bool) -> Kept {
        let due_first = libm::exp(-per_s * ACK_DELAY_S);
        let pipelined = if by_chance { 1.0 - libm::exp(-per_s * rtt_s) } else { 0.0 };
        let answer_first = (1.0 - due_first) * pipelined / 2.0;
        let waits = answer_first / (1.0 + answer_first);
        Kept { last_alone: waits + (1.0 - waits) * due_first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_costs_what_was_counted_on_links() {
        let (linux, bare) = (TcpConfig::linux(), TcpConfig { timestamps: false, ..TcpConfig::linux() });
        let ethernet = Packets::new(Framing::Ethernet, 1500, false, &linux);
        let kept = Some(Kept { last_alone: 1.0 });
        let rides = Some(Kept { last_alone: 0.0 });
        let fixed = |bytes: f64| Sizes::Fixed(bytes);
        // Packets of 52 bytes of headers and 38 of frame; a SYN has 60 bytes.
        for (up, down, kept, there, back) in [
            (200.0, None, None, 200.0 + 4.0 * 90.0 + 8.0, 3.0 * 90.0 + 8.0),
            (2000.0, None, None, 2000.0 + 5.0 * 90.0 + 8.0, 4.0 * 90.0 + 8.0),
            (100e3, None, None, 100e3 + 73.0 * 90.0 + 8.0, 53.5 * 90.0 + 8.0),
            (200.0, None, kept, 290.0, 90.0),
            (100e3, None, kept, 100e3 + 70.0 * 90.0, 35.0 * 90.0),
            (200.0, Some(200.0), kept, 200.0 + 2.0 * 90.0, 290.0),
            (200.0, Some(200.0), rides, 290.0, 290.0),
            (200.0, Some(2000.0), rides, 200.0 + 2.0 * 90.0, 2000.0 + 2.0 * 90.0),
            (200.0, Some(200.0), None, 200.0 + 5.0 * 90.0 + 8.0, 200.0 + 4.0 * 90.0 + 8.0),
        ] {
            let cost = ethernet.cost(&fixed(up), down.map(fixed).as_ref(), kept);
            assert_eq!(cost, (there, back), "{up} {down:?} {kept:?}");
        }
        let tunnel = Packets::new(Framing::Ip, 1500, true, &bare);
        assert_eq!(tunnel.cost(&fixed(1440.0), None, kept).0, 1500.0);
        let small = Packets::new(Framing::Ethernet, 1500, false, &TcpConfig { mss: 112, ..linux });
        assert_eq!(small.cost(&fixed(1000.0), None, kept).0, 1900.0);
    }

    #[test]
    fn packets_that_are_not_full_are_counted_by_their_distribution() {
        let ethernet = Packets::new(Framing::Ethernet, 1500, false, &TcpConfig::linux());
        // Sums over the distribution: 1 / (1 - exp(-1448 / mean)) packets.
        for mean in [300.0, 1448.0, 50_000.0] {
            let exact = 1.0 / (1.0 - (-1448.0f64 / mean).exp());
            let (packets, ..) = ethernet.of(&Sizes::Exponential(mean));
            assert!((packets / exact - 1.0).abs() < 0.02, "{mean}: {packets} {exact}");
        }
    }
}
