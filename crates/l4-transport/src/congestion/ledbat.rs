//! LEDBAT: a background flow that keeps 100 ms in the queue and yields to all others (RFC 6817).
//!
//! The round trip stands for the one-way delay, as in senders that cannot rely on the peer's clock; a queue on the way back counts too.

use super::{CongestionControl, Sender};
use crate::TcpConfig;

/// Section 2.5: TARGET, GAIN, ALLOWED_INCREASE, INIT_CWND, MIN_CWND.
const TARGET_US: f64 = 100_000.0;
const GAIN: f64 = 1.0;
const ALLOWED_INCREASE: u32 = 1;
const INIT_CWND: u32 = 2;
const MIN_CWND: u32 = 2;
/// BASE_HISTORY: minutes over which the base delay is the least.
const BASE_HISTORY: usize = 10;
/// CURRENT_FILTER: samples of which the least is the current delay.
const CURRENT_FILTER: usize = 4;
const MINUTE_US: u64 = 60_000_000;

/// LEDBAT's variables; delays in microseconds.
pub(crate) struct Ledbat {
    /// Least delay of each of the last minutes.
    base: [u32; BASE_HISTORY],
    minute: u64,
    current: [u32; CURRENT_FILTER],
    next: usize,
    /// Growth (or shrinkage) of less than a segment.
    fraction: f64,
}

impl Ledbat {
    pub fn new(_config: &TcpConfig) -> Ledbat {
        Ledbat {
            base: [u32::MAX; BASE_HISTORY],
            minute: 0,
            current: [u32::MAX; CURRENT_FILTER],
            next: 0,
            fraction: 0.0,
        }
    }

    /// Section 2.4.2, `update_base_delay` and `update_current_delay`.
    fn sample(&mut self, now_us: u64, rtt_us: u32) {
        let minute = now_us / MINUTE_US;
        let passed = usize::try_from(minute - self.minute).unwrap_or(BASE_HISTORY).min(BASE_HISTORY);
        self.minute = minute;
        self.base.rotate_right(passed);
        self.base[..passed].fill(u32::MAX);
        self.base[0] = self.base[0].min(rtt_us);
        self.current[self.next] = rtt_us;
        self.next = (self.next + 1) % CURRENT_FILTER;
    }

    fn least(delays: &[u32]) -> Option<u32> {
        delays.iter().copied().min().filter(|least| *least < u32::MAX)
    }

    /// Current delay less base delay.
    fn queueing_delay(&self) -> Option<u32> {
        Some(Ledbat::least(&self.current)?.saturating_sub(Ledbat::least(&self.base)?))
    }
}

impl CongestionControl for Ledbat {
    fn name(&self) -> &str {
        "ledbat"
    }

    fn init(&mut self, tcp: &mut Sender) {
        self.minute = tcp.now_us / MINUTE_US;
        tcp.cwnd = INIT_CWND;
    }

    /// Half on loss, once per round trip (section 2.4.2).
    fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        self.fraction = 0.0;
        (tcp.cwnd >> 1).max(MIN_CWND)
    }

    /// cwnd += GAIN * off_target * acked / cwnd, where off_target = (TARGET - queueing delay) / TARGET. There is no slow start.
    fn cong_avoid(&mut self, tcp: &mut Sender, acked: u32) {
        let Some(delay) = self.queueing_delay() else { return };
        let off_target = (TARGET_US - f64::from(delay)) / TARGET_US;
        self.fraction += GAIN * off_target * f64::from(acked) / f64::from(tcp.cwnd);
        let whole = libm::floor(self.fraction);
        self.fraction -= whole;
        let wanted = (i64::from(tcp.cwnd) + whole as i64).max(i64::from(MIN_CWND)) as u32;
        // What was in flight before this acknowledgment bounds the window: it does not grow while the application is the limit.
        let flight = tcp.in_flight() + acked;
        let allowed = (flight + ALLOWED_INCREASE).max(MIN_CWND);
        tcp.cwnd = wanted.min(allowed);
    }

    fn pkts_acked(&mut self, tcp: &mut Sender, _acked: u32, rtt_us: i64) {
        if rtt_us >= 0 {
            self.sample(tcp.now_us, rtt_us.min(1 << 27) as u32);
        }
    }

    fn variable(&self, name: &str) -> Option<f64> {
        match name {
            "queueing_delay" => self.queueing_delay().map(|us| f64::from(us) / 1e6),
            "base_delay" => Ledbat::least(&self.base).map(|us| f64::from(us) / 1e6),
            "target" => Some(TARGET_US / 1e6),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{avoiding, round, rounds};
    use super::*;

    fn ledbat(cwnd: u32) -> (Ledbat, Sender) {
        let (mut ledbat, mut tcp) = (Ledbat::new(&TcpConfig::linux()), avoiding(cwnd));
        ledbat.init(&mut tcp);
        assert_eq!(tcp.cwnd, 2);
        tcp.cwnd = cwnd;
        ledbat.sample(tcp.now_us, 50_000);
        (ledbat, tcp)
    }

    /// The growth in 20 rounds with a queue of `delay_ms`, from a window of 1000.
    fn growth(delay_ms: u32) -> i64 {
        let (mut ledbat, mut tcp) = ledbat(1000);
        rounds(&mut ledbat, &mut tcp, 50_000 + delay_ms * 1000, 20)
    }

    #[test]
    fn growth_is_proportional_to_the_distance_from_the_target() {
        assert!((19..=20).contains(&growth(0)), "{}", growth(0));
        assert!((9..=10).contains(&growth(50)), "{}", growth(50));
        assert!((-1..=0).contains(&growth(100)), "{}", growth(100));
        assert!((-11..=-10).contains(&growth(150)), "{}", growth(150));
        assert!((-22..=-20).contains(&growth(200)), "{}", growth(200));
    }

    #[test]
    fn alone_it_settles_at_a_queue_of_100_ms() {
        // A path of 50 ms and 1000 segments per second: what is above 50 segments waits.
        let (mut ledbat, mut tcp) = ledbat(2);
        for _ in 0..1500 {
            let rtt_us = (tcp.cwnd * 1000).max(50_000);
            round(&mut ledbat, &mut tcp, rtt_us);
        }
        assert!((148..=152).contains(&tcp.cwnd), "{}", tcp.cwnd);
        let delay = ledbat.variable("queueing_delay").unwrap();
        assert!((delay - 0.1).abs() < 0.003, "{delay}");
    }

    #[test]
    fn the_base_delay_is_forgotten_after_ten_minutes() {
        let mut ledbat = Ledbat::new(&TcpConfig::linux());
        ledbat.sample(0, 50_000);
        for minute in 1..10 {
            ledbat.sample(minute * MINUTE_US, 80_000);
        }
        assert_eq!(ledbat.variable("base_delay"), Some(0.05));
        ledbat.sample(10 * MINUTE_US, 80_000);
        assert_eq!((ledbat.variable("base_delay"), ledbat.queueing_delay()), (Some(0.08), Some(0)));
    }

    #[test]
    fn an_application_that_sends_little_does_not_make_the_window_grow() {
        let (mut ledbat, mut tcp) = ledbat(100);
        tcp.packets_out = 4;
        ledbat.cong_avoid(&mut tcp, 2);
        assert_eq!(tcp.cwnd, 7);
    }

    #[test]
    fn a_loss_halves_the_window_but_leaves_two_segments() {
        let (mut ledbat, mut tcp) = ledbat(100);
        assert_eq!(ledbat.ssthresh(&mut tcp), 50);
        tcp.cwnd = 3;
        assert_eq!(ledbat.ssthresh(&mut tcp), 2);
    }
}
