//! Hybla: a flow with a long round trip grows as one with 25 ms would (C. Caini, R. Firrincieli, "TCP Hybla: a TCP enhancement for
//! heterogeneous networks", Int. J. Satellite Communications and Networking 22, 2004).

use super::{CongestionControl, Sender, reno};
use crate::{CaState, TcpConfig};

/// The round trip of the flow to be equalled.
const RTT0_US: f64 = 25_000.0;
/// Bounds the exponent of slow start.
const RHO_MAX: f64 = 16.0;
const CWND_MAX: u32 = 65_535;

/// Hybla's variables.
pub(crate) struct Hybla {
    /// RTT / RTT0, at least 1.
    rho: f64,
    min_srtt_us: u32,
    /// Growth of less than a segment.
    fraction: f64,
    /// Not while losses are repaired.
    active: bool,
}

impl Hybla {
    pub fn new(_config: &TcpConfig) -> Hybla {
        Hybla { rho: 1.0, min_srtt_us: u32::MAX, fraction: 0.0, active: true }
    }

    fn measure(&mut self, tcp: &Sender) {
        if tcp.srtt_us() > 0 && tcp.srtt_us() < self.min_srtt_us {
            self.min_srtt_us = tcp.srtt_us();
            self.rho = (f64::from(self.min_srtt_us) / RTT0_US).max(1.0);
        }
    }
}

impl CongestionControl for Hybla {
    fn name(&self) -> &str {
        "hybla"
    }

    /// The initial window is rho segments, as in Linux.
    fn init(&mut self, tcp: &mut Sender) {
        self.measure(tcp);
        tcp.cwnd = if self.min_srtt_us == u32::MAX { 2 } else { self.rho.min(f64::from(CWND_MAX)) as u32 };
    }

    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        (tcp.cwnd >> 1).max(2)
    }

    /// Per acknowledgment, 2^rho - 1 in slow start and rho^2 / cwnd after it.
    fn cong_avoid(&mut self, tcp: &mut Sender, acked: u32) {
        self.measure(tcp);
        if !tcp.is_cwnd_limited() {
            return;
        }
        if !self.active {
            reno::grow(tcp, acked);
            return;
        }
        let slow_start = tcp.in_slow_start();
        self.fraction += if slow_start {
            libm::exp2(self.rho.min(RHO_MAX)) - 1.0
        } else {
            self.rho * self.rho / f64::from(tcp.cwnd)
        };
        let whole = self.fraction as u32;
        self.fraction -= f64::from(whole);
        let limit = if slow_start { tcp.ssthresh.min(CWND_MAX) } else { CWND_MAX };
        tcp.cwnd = tcp.cwnd.saturating_add(whole).min(limit.max(tcp.cwnd));
    }

    fn set_state(&mut self, _tcp: &mut Sender, state: CaState) {
        self.active = state == CaState::Open;
    }

    fn variable(&self, name: &str) -> Option<f64> {
        match name {
            "rho" => Some(self.rho),
            "min_rtt" => (self.min_srtt_us < u32::MAX).then(|| f64::from(self.min_srtt_us) / 1e6),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{avoiding, round, starting};
    use super::*;

    fn with_rtt(mut tcp: Sender, rtt_us: u32) -> (Hybla, Sender) {
        let mut hybla = Hybla::new(&TcpConfig::linux());
        let cwnd = tcp.cwnd;
        tcp.rtt.srtt_us8 = rtt_us << 3;
        hybla.init(&mut tcp);
        tcp.cwnd = cwnd;
        (hybla, tcp)
    }

    #[test]
    fn a_round_adds_the_square_of_rho() {
        // rho = 1, 2, 4, 10: 1, 4, 16, 100 segments per round, a little less as the window grows.
        for (rtt_ms, low, high) in [(25, 1, 1), (50, 3, 4), (100, 15, 16), (250, 95, 100)] {
            let (mut hybla, mut tcp) = with_rtt(avoiding(1000), rtt_ms * 1000);
            hybla.fraction = 0.01;
            let growth = round(&mut hybla, &mut tcp, rtt_ms * 1000);
            assert!((low..=high).contains(&growth), "{rtt_ms} ms: {growth}");
        }
    }

    #[test]
    fn growth_in_a_second_does_not_depend_on_the_round_trip() {
        // W(t) rises by rho^2 per RTT, and the rate W / RTT by rho / RTT: 1600 segments/s^2, whatever the RTT.
        for rtt_ms in [25u32, 50, 100, 250] {
            let (mut hybla, mut tcp) = with_rtt(avoiding(4000 * rtt_ms / 25), rtt_ms * 1000);
            let rate = |tcp: &Sender| f64::from(tcp.cwnd) * 1000.0 / f64::from(rtt_ms);
            let before = rate(&tcp);
            for _ in 0..1000 / rtt_ms {
                round(&mut hybla, &mut tcp, rtt_ms * 1000);
            }
            let gain = rate(&tcp) - before;
            assert!((1500.0..=1620.0).contains(&gain), "{rtt_ms} ms: {gain}");
        }
    }

    #[test]
    fn slow_start_multiplies_the_window_by_two_to_the_rho() {
        let (mut hybla, mut tcp) = with_rtt(starting(10), 75_000);
        round(&mut hybla, &mut tcp, 75_000);
        assert_eq!(tcp.cwnd, 80);
        let (mut hybla, mut tcp) = with_rtt(starting(10), 10_000);
        round(&mut hybla, &mut tcp, 10_000);
        assert_eq!((tcp.cwnd, hybla.variable("rho")), (20, Some(1.0)));
    }

    #[test]
    fn the_initial_window_is_rho() {
        let (mut hybla, mut tcp) = with_rtt(starting(10), 600_000);
        hybla.init(&mut tcp);
        assert_eq!(tcp.cwnd, 24);
    }
}
