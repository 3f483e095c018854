//! Datagrams at a constant rate, all the time or in bursts.

use crate::traffic::Sizes;
use crate::{Process, Resume, SocketApi, Wait};
use tidewire_units::{Instant, Purpose, Rate, SocketId, Span, Stream, Streams};
use tidewire_wire::{Endpoint, Payload};

/// What is sent and when.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pattern {
    /// Where to.
    pub to: Endpoint,
    /// Payload rate.
    pub rate: Rate,
    /// Payload bytes of a datagram.
    pub size: u32,
    /// First datagram.
    pub start: Instant,
    /// No datagram from here on.
    pub stop: Instant,
    /// Datagrams to send in all; none for no limit.
    pub count: Option<u64>,
    /// Each datagram is sent up to so much later than its regular time.
    pub jitter: Span,
}

/// Sends datagrams at regular times.
#[derive(Debug)]
pub struct Cbr {
    pattern: Pattern,
    socket: Option<SocketId>,
    sent: u64,
    /// The regular time of the next datagram. Kept apart from the jittered one, so that jitter does not add up.
    regular: Instant,
}

impl Cbr {
    /// A sender that follows `pattern`.
    pub fn new(pattern: Pattern) -> Cbr {
        Cbr { pattern, socket: None, sent: 0, regular: pattern.start }
    }

    fn next(&mut self, sockets: &mut dyn SocketApi) -> Wait {
        let at = self.regular + jittered(self.pattern.jitter, sockets);
        let over = at >= self.pattern.stop || self.pattern.count.is_some_and(|count| self.sent >= count);
        if over { finish(self.socket, sockets) } else { Wait::Until(at) }
    }
}

impl Process for Cbr {
    fn resume(&mut self, _now: Instant, why: Resume, sockets: &mut dyn SocketApi) -> Wait {
        if why == Resume::Start {
            return self.next(sockets);
        }
        let Some(socket) = open(&mut self.socket, self.pattern.to, sockets) else { return Wait::Done };
        let _ = sockets.send_datagram(socket, Payload::Zeros(self.pattern.size));
        self.sent += 1;
        self.regular += self.pattern.rate.time_for(u64::from(self.pattern.size));
        self.next(sockets)
    }
}

/// Sends at a constant rate in bursts: on for an exponential time, off for another.
#[derive(Debug)]
pub struct OnOff {
    pattern: Pattern,
    on: Span,
    off: Span,
    exponential: bool,
    socket: Option<SocketId>,
    sent: u64,
    burst_ends: Instant,
    /// Sizes are exponential with the pattern's size as their mean.
    spread: bool,
    /// Other distributions: of sizes, and of lengths of bursts and pauses in microseconds.
    drawn: [Option<Sizes>; 3],
    stream: Option<Stream>,
}

/// The largest payload of UDP over IPv4 (RFC 768, RFC 791), in bytes.
const LARGEST: f64 = 65_507.0;

impl OnOff {
    /// Bursts of mean length `on` with pauses of mean length `off`; both exactly so, or `exponential`.
    pub fn new(pattern: Pattern, on: Span, off: Span, exponential: bool) -> OnOff {
        let burst_ends = Instant::ZERO;
        OnOff {
            pattern,
            on,
            off,
            exponential,
            socket: None,
            sent: 0,
            burst_ends,
            spread: false,
            drawn: [None, None, None],
            stream: None,
        }
    }

    /// The same with datagrams of exponential sizes, from 1 to 65,507 bytes.
    pub fn with_exponential_sizes(mut self) -> OnOff {
        self.spread = true;
        self
    }

    /// The same with datagrams of such sizes, up to 65,507 bytes.
    pub fn with_sizes(mut self, sizes: Sizes) -> OnOff {
        self.drawn[0] = Some(sizes);
        self
    }

    /// The same with bursts and pauses of other lengths, in microseconds: with heavy tails the sum of many is self-similar (Willinger,
    /// Taqqu, Sherman and Wilson, 1997).
    pub fn with_lengths(mut self, on: Option<Sizes>, off: Option<Sizes>) -> OnOff {
        (self.drawn[1], self.drawn[2]) = (on, off);
        self
    }

    fn draw(&mut self, which: usize, sockets: &mut dyn SocketApi) -> Option<u64> {
        let sizes = self.drawn[which].as_ref()?;
        let stream = self
            .stream
            .get_or_insert_with(|| Streams::new(sockets.random()).stream(Purpose::Application, "bursts"));
        Some(sizes.draw(stream))
    }

    fn size(&mut self, sockets: &mut dyn SocketApi) -> u32 {
        if let Some(size) = self.draw(0, sockets) {
            return size.min(LARGEST as u64) as u32;
        }
        if !self.spread {
            return self.pattern.size;
        }
        (f64::from(self.pattern.size) * exponential(sockets)).round().clamp(1.0, LARGEST) as u32
    }

    /// How long a burst (1) or a pause (2) is.
    fn length(&mut self, which: usize, sockets: &mut dyn SocketApi) -> Span {
        if let Some(us) = self.draw(which, sockets) {
            return Span::from_us(us);
        }
        let mean = if which == 1 { self.on } else { self.off };
        if !self.exponential {
            return mean;
        }
        Span::from_secs_f64(mean.as_secs_f64() * exponential(sockets))
    }
}

/// An exponential number with mean 1.
fn exponential(sockets: &mut dyn SocketApi) -> f64 {
    let uniform = (sockets.random() >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
    -libm::log1p(-uniform)
}

impl Process for OnOff {
    fn resume(&mut self, now: Instant, why: Resume, sockets: &mut dyn SocketApi) -> Wait {
        if why == Resume::Start {
            self.burst_ends = self.pattern.start + self.length(1, sockets);
            return Wait::Until(self.pattern.start);
        }
        let over = now >= self.pattern.stop || self.pattern.count.is_some_and(|count| self.sent >= count);
        let Some(socket) = open(&mut self.socket, self.pattern.to, sockets).filter(|_| !over) else {
            return finish(self.socket, sockets);
        };
        let size = self.size(sockets);
        let _ = sockets.send_datagram(socket, Payload::Zeros(size));
        self.sent += 1;
        let next = now + self.pattern.rate.time_for(u64::from(self.pattern.size));
        if next < self.burst_ends {
            return Wait::Until(next);
        }
        let begins = next.max(self.burst_ends) + self.length(2, sockets);
        self.burst_ends = begins + self.length(1, sockets);
        Wait::Until(begins)
    }
}

fn jittered(jitter: Span, sockets: &mut dyn SocketApi) -> Span {
    if jitter.is_zero() {
        return Span::ZERO;
    }
    let ps = (u128::from(sockets.random()) * u128::from(jitter.as_ps())) >> 64;
    Span::from_ps(ps as u64)
}

fn open(slot: &mut Option<SocketId>, to: Endpoint, sockets: &mut dyn SocketApi) -> Option<SocketId> {
    if slot.is_none() {
        *slot = sockets.datagram(to).ok();
        if let Some(socket) = *slot {
            sockets.measure(socket);
        }
    }
    *slot
}

fn finish(socket: Option<SocketId>, sockets: &mut dyn SocketApi) -> Wait {
    if let Some(socket) = socket {
        sockets.close(socket);
    }
    Wait::Done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Refusal;
    use std::net::Ipv4Addr;

    #[derive(Default)]
    struct Recorder {
        sent: Vec<usize>,
        closed: bool,
    }

    impl SocketApi for Recorder {
        fn connect(&mut self, _: Endpoint) -> Result<SocketId, Refusal> {
            Err(Refusal::Invalid)
        }
        fn datagram(&mut self, _: Endpoint) -> Result<SocketId, Refusal> {
            Ok(SocketId(0))
        }
        fn supply(&mut self, _: SocketId, _: Option<u64>) {}
        fn send(&mut self, _: SocketId, payload: Payload) -> Result<usize, Refusal> {
            Ok(payload.len())
        }
        fn withdraw(&mut self, _: SocketId) {}
        fn send_datagram(&mut self, _: SocketId, payload: Payload) -> Result<(), Refusal> {
            self.sent.push(payload.len());
            Ok(())
        }
        fn close(&mut self, _: SocketId) {
            self.closed = true;
        }
        fn measure(&mut self, _: SocketId) {}
        fn random(&mut self) -> u64 {
            u64::MAX / 2
        }
        fn many(&mut self) -> &mut dyn crate::ManySockets {
            unreachable!("a sender of datagrams has one socket")
        }
    }

    fn pattern() -> Pattern {
        Pattern {
            to: Endpoint::new(Ipv4Addr::LOCALHOST, 9),
            rate: Rate::from_mbps(8),
            size: 1000,
            start: Instant::ZERO + Span::from_ms(5),
            stop: Instant::MAX,
            count: Some(3),
            jitter: Span::ZERO,
        }
    }

    fn run(process: &mut dyn Process, until: Instant) -> (Vec<u64>, Recorder) {
        let mut sockets = Recorder::default();
        let (mut times, mut now, mut why) = (Vec::new(), Instant::ZERO, Resume::Start);
        while let Wait::Until(at) = process.resume(now, why, &mut sockets) {
            if at > until {
                break;
            }
            (now, why) = (at, Resume::Timer);
            times.push(now.as_us());
        }
        (times, sockets)
    }

    #[test]
    fn datagrams_leave_at_the_spacing_of_the_rate() {
        let (times, sockets) = run(&mut Cbr::new(pattern()), Instant::MAX);
        assert_eq!(times, [5000, 6000, 7000]);
        assert_eq!(sockets.sent, [1000; 3]);
        assert!(sockets.closed);
    }

    #[test]
    fn jitter_moves_each_datagram_but_not_the_rhythm() {
        let jittered = Pattern { jitter: Span::from_us(100), count: Some(4), ..pattern() };
        let (times, _) = run(&mut Cbr::new(jittered), Instant::MAX);
        assert_eq!(times, [5049, 6049, 7049, 8049]);
    }

    #[test]
    fn nothing_is_sent_from_the_stop_on() {
        let stopped = Pattern { stop: Instant::ZERO + Span::from_ms(7), count: None, ..pattern() };
        let (times, sockets) = run(&mut Cbr::new(stopped), Instant::MAX);
        assert_eq!(times, [5000, 6000]);
        assert!(sockets.closed);
    }

    #[test]
    fn bursts_and_pauses_may_have_heavy_tails() {
        let endless = Pattern { count: Some(20_000), ..pattern() };
        let of = |mean_us: f64| Some(Sizes::pareto_with_mean(mean_us, 2.5));
        let process = OnOff::new(endless, Span::from_ms(50), Span::from_ms(150), true);
        let (times, _) = run(&mut process.with_lengths(of(50_000.0), of(150_000.0)), Instant::MAX);
        // The share of time in which it sends is a quarter: 1000 datagrams a second in bursts.
        let per_s = times.len() as f64 / ((times[times.len() - 1] - times[0]) as f64 / 1e6);
        assert!((220.0..280.0).contains(&per_s), "{per_s}");
        // The shortest pause is three fifths of the mean.
        let shortest = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 1000).min();
        assert!((90_000..93_000).contains(&shortest.unwrap()), "{shortest:?}");
    }

    #[test]
    fn bursts_alternate_with_pauses() {
        let endless = Pattern { count: Some(5), ..pattern() };
        let mut process = OnOff::new(endless, Span::from_ms(2), Span::from_ms(10), false);
        let (times, _) = run(&mut process, Instant::MAX);
        assert_eq!(times, [5000, 6000, 17_000, 18_000, 29_000, 30_000]);
    }
}
