use super::*;
use tidewire_units::{Purpose, Stream, Streams};

/// Time of a frame; acknowledgments take none.
const FRAME: Span = Span::from_ms(1);

fn at_ms(ms: u64) -> Instant {
    Instant::ZERO + Span::from_ms(ms)
}

fn packet(number: u32) -> Hot {
    let mut packet = Hot::NOTHING;
    (packet.len, packet.body) = (1000, number);
    packet
}

struct Bench {
    arq: Arq,
    delay: Span,
    busy: [Instant; 2],
    delivered: Vec<u32>,
    loss: Box<dyn FnMut(Sending) -> bool>,
}

impl Bench {
    /// A link with `a` frame times of delay.
    fn new(kind: ArqKind, window: u32, a: u64, loss: impl FnMut(Sending) -> bool + 'static) -> Bench {
        let delay = Span::from_ms(a);
        let config = ArqConfig { kind, window, timeout: delay + delay, limit: Limit::Packets(u32::MAX) };
        Bench {
            arq: Arq::new(config),
            delay,
            busy: [Instant::ZERO; 2],
            delivered: Vec::new(),
            loss: Box::new(loss),
        }
    }

    fn pump(&mut self, now: Instant) {
        for end in 0..2 {
            while self.busy[end] <= now
                && let Some(sending) = self.arq.next_send(end)
            {
                let took = if matches!(sending, Sending::Ack(_)) { Span::ZERO } else { FRAME };
                self.busy[end] = now + took;
                let arrives = (!(self.loss)(sending)).then(|| now + took + self.delay);
                self.arq.sent(end, sending, now + took, arrives);
            }
        }
    }

    /// Sends `count` packets from end 0; says how long it took until the last one was delivered.
    fn run(&mut self, count: u32) -> Instant {
        (0..count).for_each(|i| self.arq.offer(0, packet(i)).unwrap());
        let mut now = Instant::ZERO;
        let mut out = Outcome::default();
        let mut last = now;
        loop {
            self.pump(now);
            now = self.arq.next_timeout();
            if now == Instant::MAX {
                break;
            }
            self.arq.handle_timeout(now, &mut out);
            if !out.delivered.is_empty() {
                last = now;
            }
            self.delivered.extend(out.delivered.drain(..).map(|delivered| delivered.packet.body));
        }
        assert_eq!(self.delivered, (0..count).collect::<Vec<_>>(), "all, once, in order");
        assert_eq!(self.arq.packets().count(), 0);
        last
    }

    /// Frame times over time, when everything is delivered.
    fn utilization(&mut self, count: u32) -> f64 {
        let took = self.run(count) - self.delay;
        f64::from(count) * FRAME.as_secs_f64() / took.as_secs_f64()
    }
}

fn with_probability(p: f64) -> impl FnMut(Sending) -> bool {
    let mut rng: Stream = Streams::new(5).stream(Purpose::Loss, "link");
    move |sending| matches!(sending, Sending::Data { .. }) && rng.unit() < p
}

fn assert_near(measured: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((measured / expected - 1.0).abs() < tolerance, "{what}: {measured} instead of {expected}");
}

#[test]
fn without_losses_utilization_is_the_window_over_one_plus_2a() {
    for a in [1, 5, 20] {
        for (kind, window) in [
            (ArqKind::StopAndWait, 1),
            (ArqKind::GoBackN, 4),
            (ArqKind::GoBackN, 64),
            (ArqKind::SelectiveRepeat, 7),
            (ArqKind::SelectiveRepeat, 64),
        ] {
            let mut bench = Bench::new(kind, window, a, |_| false);
            let expected = (f64::from(window) / (1.0 + 2.0 * a as f64)).min(1.0);
            assert_near(bench.utilization(4000), expected, 0.01, &format!("{kind:?} {window} {a}"));
            assert_eq!(bench.arq.stats(0).retransmissions, 0);
        }
    }
}

#[test]
fn with_losses_utilization_is_as_in_the_textbooks() {
    for p in [0.01, 0.1, 0.3] {
        let a = 5.0;
        let mut one = Bench::new(ArqKind::StopAndWait, 1, 5, with_probability(p));
        assert_near(
            one.utilization(20_000),
            (1.0 - p) / (1.0 + 2.0 * a),
            0.02,
            &format!("stop and wait {p}"),
        );
        // Each loss costs what was sent until the timer went off: 1 + 2a frames.
        let mut back = Bench::new(ArqKind::GoBackN, 64, 5, with_probability(p));
        assert_near(back.utilization(20_000), (1.0 - p) / (1.0 + 2.0 * a * p), 0.03, &format!("go back {p}"));
        let mut selective = Bench::new(ArqKind::SelectiveRepeat, 1000, 5, with_probability(p));
        assert_near(selective.utilization(20_000), 1.0 - p, 0.02, &format!("selective {p}"));
    }
}

#[test]
fn a_lost_frame_is_sent_again_after_the_timeout_and_what_follows_it_waits() {
    let mut lost = false;
    let loss = move |sending| {
        let hit = matches!(sending, Sending::Data { seq: 1, .. }) && !lost;
        lost |= hit;
        hit
    };
    let mut bench = Bench::new(ArqKind::SelectiveRepeat, 8, 2, loss);
    // Frame 1 leaves at 2 ms, is missed at 6 ms, is sent again from 6 to 7 ms and arrives at 9 ms; then all are in order.
    assert_eq!(bench.run(4), at_ms(9));
    let (sender, receiver) = (bench.arq.stats(0), bench.arq.stats(1));
    assert_eq!((sender.frames, sender.retransmissions, sender.timeouts), (4, 1, 1));
    assert_eq!((receiver.delivered, receiver.out_of_order, receiver.acks), (4, 2, 4));
}

#[test]
fn go_back_n_throws_away_what_is_out_of_order_and_sends_it_again() {
    let mut lost = false;
    let loss = move |sending| {
        let hit = matches!(sending, Sending::Data { seq: 1, .. }) && !lost;
        lost |= hit;
        hit
    };
    let mut bench = Bench::new(ArqKind::GoBackN, 8, 2, loss);
    assert_eq!(bench.run(4), at_ms(11));
    assert_eq!((bench.arq.stats(0).retransmissions, bench.arq.stats(1).out_of_order), (3, 2));
}

#[test]
fn a_lost_acknowledgment_makes_a_duplicate_that_is_not_delivered_twice() {
    let mut lost = false;
    let loss = move |sending| {
        let hit = matches!(sending, Sending::Ack(_)) && !lost;
        lost |= hit;
        hit
    };
    let mut bench = Bench::new(ArqKind::StopAndWait, 1, 2, loss);
    bench.run(3);
    assert_eq!((bench.arq.stats(1).duplicates, bench.arq.stats(0).retransmissions), (1, 1));
}

#[test]
fn a_frame_that_never_arrives_is_given_up_with_what_is_under_way_and_the_next_ones_pass() {
    for kind in [ArqKind::StopAndWait, ArqKind::GoBackN, ArqKind::SelectiveRepeat] {
        // The second frame never arrives.
        let mut bench = Bench::new(kind, 4, 2, |sending| matches!(sending, Sending::Data { seq: 1, .. }));
        (0..6).for_each(|i| bench.arq.offer(0, packet(i)).unwrap());
        let (mut now, mut out) = (Instant::ZERO, Outcome::default());
        while now < Instant::MAX {
            bench.pump(now);
            now = bench.arq.next_timeout();
            bench.arq.handle_timeout(now, &mut out);
        }
        let bodies = |all: &[Delivered]| all.iter().map(|one| one.packet.body).collect::<Vec<_>>();
        let (delivered, lost) = (bodies(&out.delivered), bodies(&out.given_up));
        match kind {
            ArqKind::StopAndWait => assert_eq!((delivered, lost), (vec![0, 2, 3, 4, 5], vec![1])),
            ArqKind::GoBackN => assert_eq!((delivered, lost), (vec![0, 5], vec![1, 2, 3, 4])),
            ArqKind::SelectiveRepeat => assert_eq!((delivered, lost), (vec![0, 2, 3, 4, 5], vec![1])),
        }
        let stats = bench.arq.stats(0);
        assert_eq!((stats.resets, bench.arq.packets().count()), (1, 0));
    }
}

#[test]
fn a_link_that_goes_down_gives_every_packet_back() {
    let mut bench = Bench::new(ArqKind::SelectiveRepeat, 4, 2, |_| false);
    (0..10).for_each(|i| bench.arq.offer(0, packet(i)).unwrap());
    bench.pump(Instant::ZERO);
    assert_eq!(bench.arq.flush().len(), 10);
    assert_eq!((bench.arq.packets().count(), bench.arq.next_timeout()), (0, Instant::MAX));
}
