//! What a flow takes of a link: its data, headers, handshake and farewell, acknowledgments.

use tidewire_l7_application::traffic::Sizes;
use tidewire_topology::Framing;
use tidewire_units::{Purpose, Streams};

/// Acknowledgments come for every packet of so many at the beginning of a connection, then for every second one.
const EAGER: f64 = 33.0;
/// What a SYN's options have beyond those of other segments (RFC 7323 appendix A; MSS, SACK, window scale).
const SYN_OPTIONS: f64 = 8.0;

/// Packets on a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packets {
    /// Data of a full one.
    full: f64,
    /// What each takes besides.
    around: f64,
}

impl Packets {
    pub fn new(framing: Framing, mtu: u16, v6: bool, timestamps: bool) -> Packets {
        let headers = if v6 { 40.0 } else { 20.0 } + 20.0 + if timestamps { 12.0 } else { 0.0 };
        let frame = match framing {
            Framing::Ethernet => 38.0,
            Framing::Ip => 0.0,
            Framing::Ppp => 2.0,
        };
        Packets { full: (f64::from(mtu) - headers).max(1.0), around: headers + frame }
    }

    /// The mean number of packets of such data, and of those acknowledgments that answer each of the first.
    fn of(&self, sizes: &Sizes) -> (f64, f64) {
        let draws = if matches!(sizes, Sizes::Fixed(_)) { 1 } else { 4096 };
        let mut stream = Streams::new(0).stream(Purpose::Application, "mean number of packets");
        let (mut begun, mut first) = (0.0, 0.0);
        for _ in 0..draws {
            let exact = sizes.draw(&mut stream) as f64 / self.full;
            // The mean of sizes is known; what is estimated has no heavy tail.
            begun += exact.ceil() - exact;
            first += exact.ceil().min(EAGER);
        }
        (sizes.mean() / self.full + begun / f64::from(draws), first / f64::from(draws))
    }

    /// Bytes of a flow from its client to its server, and back. Measured: SYN, two packets without data, and SYN-ACK, FIN.
    pub fn cost(&self, up: &Sizes, down: Option<&Sizes>, kept: bool) -> (f64, f64) {
        let one_way = |sizes: &Sizes| {
            let (packets, first) = self.of(sizes);
            let answers = if kept { (packets + 1.0) / 2.0 } else { (packets + first) / 2.0 };
            (sizes.mean() + packets * self.around, answers * self.around)
        };
        let (there, acks_back) = one_way(up);
        let (back, acks_there) = down.map_or((0.0, 0.0), one_way);
        let ends = if kept {
            (0.0, 0.0)
        } else {
            (3.0 * self.around + SYN_OPTIONS, 2.0 * self.around + SYN_OPTIONS)
        };
        (there + acks_there + ends.0, back + acks_back + ends.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_costs_what_was_counted_on_links() {
        let ethernet = Packets::new(Framing::Ethernet, 1500, false, true);
        let fixed = |bytes: f64| Sizes::Fixed(bytes);
        // Packets of 52 bytes of headers and 38 of frame; a SYN has 60 bytes.
        for (up, down, kept, there, back) in [
            (200.0, None, false, 200.0 + 4.0 * 90.0 + 8.0, 3.0 * 90.0 + 8.0),
            (2000.0, None, false, 2000.0 + 5.0 * 90.0 + 8.0, 4.0 * 90.0 + 8.0),
            (100e3, None, false, 100e3 + 73.0 * 90.0 + 8.0, 53.5 * 90.0 + 8.0),
            (200.0, None, true, 290.0, 90.0),
            (100e3, None, true, 100e3 + 70.0 * 90.0, 35.5 * 90.0),
            (200.0, Some(200.0), false, 200.0 + 5.0 * 90.0 + 8.0, 200.0 + 4.0 * 90.0 + 8.0),
        ] {
            let cost = ethernet.cost(&fixed(up), down.map(fixed).as_ref(), kept);
            assert_eq!(cost, (there, back), "{up} {down:?} {kept}");
        }
        let tunnel = Packets::new(Framing::Ip, 1500, true, false);
        assert_eq!(tunnel.cost(&fixed(1440.0), None, true).0, 1500.0);
    }

    #[test]
    fn packets_that_are_not_full_are_counted_by_their_distribution() {
        let ethernet = Packets::new(Framing::Ethernet, 1500, false, true);
        // Sums over the distribution: 1 / (1 - exp(-1448 / mean)) packets.
        for mean in [300.0, 1448.0, 50_000.0] {
            let exact = 1.0 / (1.0 - (-1448.0f64 / mean).exp());
            let (packets, _) = ethernet.of(&Sizes::Exponential(mean));
            assert!((packets / exact - 1.0).abs() < 0.02, "{mean}: {packets} {exact}");
        }
    }
}
