//! Each discipline against what its specification promises, on a link that sends a packet each millisecond.

use super::*;
use std::net::Ipv4Addr;
use tidewire_units::{Bytes, Probability, Purpose, Rate, Span, Streams};
use tidewire_wire::{Ipv4Header, Packets, Payload, UdpHeader};

const MS: Span = Span::from_ms(1);

fn rng() -> Stream {
    Streams::new(1).stream(Purpose::Queue, "a-b>")
}

fn make(kind: Kind) -> Discipline {
    Discipline::new(&DisciplineSpec { kind, limit: Limit::Packets(1000), ce_threshold: None }, rng())
}

fn packet(flow: u32, len: u16, ecn: Ecn) -> Hot {
    let src = Ipv4Addr::LOCALHOST;
    let header = Ipv4Header {
        src,
        dst: src,
        ttl: 64,
        ident: 0,
        dscp: 0,
        ecn,
        dont_fragment: true,
        more_fragments: false,
        fragment_offset: 0,
    };
    let ports = UdpHeader { src_port: 1, dst_port: 2 };
    Packets::new().insert_udp(&header, ports, Payload::Zeros(u32::from(len) - 28), flow, Instant::ZERO)
}

fn item(now: Instant, flow: u32, len: u16, ecn: Ecn) -> Queued {
    Queued { packet: packet(flow, len, ecn), since: now, class: flow as u8, tag: 0 }
}

/// What came of running a discipline: per flow the packets sent and their delays in milliseconds, and what was dropped.
#[derive(Default)]
struct Outcome {
    sent: Vec<(u32, Instant, f64)>,
    dropped: usize,
    marked: usize,
}

impl Outcome {
    fn of(&self, flow: u32) -> Vec<f64> {
        self.sent.iter().filter(|(of, ..)| *of == flow).map(|(.., delay)| *delay).collect()
    }
}

fn mean(all: &[f64]) -> f64 {
    all.iter().sum::<f64>() / all.len() as f64
}

/// A packet leaves each millisecond; `arrivals` says who sends how many packets in each tenth of a millisecond.
fn run(discipline: &mut Discipline, ms: u64, mut arrivals: impl FnMut(u64) -> Vec<Queued>) -> Outcome {
    let (mut outcome, mut dropped) = (Outcome::default(), Vec::new());
    for tick in 0..ms * 10 {
        let now = Instant::ZERO + MS / 10 * tick;
        for mut item in arrivals(tick) {
            item.since = now;
            discipline.enqueue(now, item, &mut dropped);
        }
        if tick % 10 == 9
            && let Dequeued::Packet(item) = discipline.dequeue(now, &mut dropped)
        {
            let delay = now.since(item.since).as_ms_f64();
            outcome.sent.push((item.packet.flow_hash, now, delay));
            outcome.marked += usize::from(item.packet.ecn() == Ecn::Congestion);
        }
        outcome.dropped += dropped.len();
        dropped.clear();
        assert_eq!(discipline.iter().count(), discipline.backlog().0, "the books of the queue");
    }
    outcome
}

/// `per_ms` packets of 1500 bytes a millisecond, evenly, of one flow.
fn steady(flow: u32, per_ms: u64, ecn: Ecn) -> impl FnMut(u64) -> Vec<Queued> {
    move |tick| {
        let due = |tick: u64| tick * per_ms / 10;
        (due(tick)..due(tick + 1)).map(|_| item(Instant::ZERO, flow, 1500, ecn)).collect()
    }
}

#[test]
fn droptail_takes_what_fits_and_keeps_the_order() {
    let spec = DisciplineSpec { kind: Kind::DropTail, limit: Limit::Packets(3), ce_threshold: None };
    let mut queue = Discipline::new(&spec, rng());
    let mut dropped = Vec::new();
    for tag in 0..5 {
        queue.enqueue(
            Instant::ZERO,
            Queued { tag, ..item(Instant::ZERO, 1, 100, Ecn::NotCapable) },
            &mut dropped,
        );
    }
    assert_eq!(
        dropped.iter().map(|(item, cause)| (item.tag, *cause)).collect::<Vec<_>>(),
        [(3, Cause::QueueFull), (4, Cause::QueueFull)]
    );
    assert_eq!(queue.backlog(), (3, 300));
    assert_eq!(queue.clear().iter().map(|item| item.tag).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(queue.backlog(), (0, 0));
}

#[test]
fn codel_drops_at_intervals_that_shrink_with_the_square_root_of_the_count() {
    let mut queue = make(Kind::Codel(CodelSpec::default()));
    let (mut dropped, mut drops) = (Vec::new(), Vec::new());
    // A standing queue far above the target: a packet arrives and leaves each millisecond, ten at the start.
    for ms in 0..1200u64 {
        let now = Instant::ZERO + MS * ms;
        for _ in 0..if ms == 0 { 200 } else { 1 } {
            queue.enqueue(now, item(now, 1, 1500, Ecn::NotCapable), &mut dropped);
        }
        queue.dequeue(now, &mut dropped);
        drops.extend(dropped.drain(..).map(|_| ms));
    }
    // Above the target of 5 ms at 5 ms, an interval later the first drop, then 100 ms / sqrt(n) apart.
    assert_eq!(drops[0], 105);
    let gaps: Vec<u64> = drops.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let law: Vec<u64> = (1..=gaps.len()).map(|n| (100.0 / (n as f64).sqrt()).round() as u64).collect();
    assert!(gaps.len() > 20);
    for (n, (gap, law)) in gaps.iter().zip(&law).enumerate() {
        assert!(gap.abs_diff(*law) <= 1, "gap {n}: {gap} ms, the law says {law} ms");
    }
}

#[test]
fn codel_leaves_a_short_queue_and_a_burst_alone() {
    let mut queue = make(Kind::Codel(CodelSpec::default()));
    // 60 packets at once, then nothing: gone in 60 ms, before the interval has passed.
    let outcome = run(&mut queue, 200, |tick| {
        (0..if tick == 0 { 60 } else { 0 }).map(|_| item(Instant::ZERO, 1, 1500, Ecn::NotCapable)).collect()
    });
    assert_eq!((outcome.dropped, outcome.sent.len()), (0, 60));
}

#[test]
fn codel_marks_instead_of_dropping_where_it_may() {
    let spec = CodelSpec { ecn: true, ..CodelSpec::default() };
    let outcome = run(&mut make(Kind::Codel(spec)), 2000, steady(1, 1, Ecn::Ect0));
    assert_eq!((outcome.dropped, outcome.marked), (0, 0), "no queue, no marks");
    let mut over = steady(1, 2, Ecn::Ect0);
    let outcome =
        run(&mut make(Kind::Codel(spec)), 500, |tick| if tick < 3000 { over(tick) } else { Vec::new() });
    assert!(
        outcome.marked > 5 && outcome.dropped == 0,
        "{} marked, {} dropped",
        outcome.marked,
        outcome.dropped
    );
}

#[test]
fn fq_codel_shares_equally_and_lets_a_sparse_flow_pass() {
    let mut queue = make(Kind::FqCodel(FqCodelSpec::default()));
    let (mut one, mut two) = (steady(1, 2, Ecn::NotCapable), steady(2, 5, Ecn::NotCapable));
    let outcome = run(&mut queue, 4000, |tick| {
        let mut all = one(tick);
        all.extend(two(tick));
        if tick % 500 == 0 {
            all.push(item(Instant::ZERO, 3, 100, Ecn::NotCapable));
        }
        all
    });
    let (first, second, sparse) = (outcome.of(1).len(), outcome.of(2).len(), outcome.of(3));
    assert!(first.abs_diff(second) <= 4, "{first} and {second}");
    assert_eq!(sparse.len(), 80);
    assert!(sparse.iter().all(|delay| *delay <= 1.0), "the sparse flow waits for one packet at most");
}

#[test]
fn fq_codel_drops_from_the_flow_that_fills_the_queue() {
    let spec = DisciplineSpec {
        kind: Kind::FqCodel(FqCodelSpec::default()),
        limit: Limit::Packets(100),
        ce_threshold: None,
    };
    let mut queue = Discipline::new(&spec, rng());
    let mut dropped = Vec::new();
    for i in 0..160 {
        queue.enqueue(
            Instant::ZERO,
            item(Instant::ZERO, if i % 8 == 0 { 2 } else { 1 }, 1000, Ecn::NotCapable),
            &mut dropped,
        );
    }
    assert!(queue.backlog().0 <= 100 && !dropped.is_empty());
    assert!(dropped.iter().all(|(item, _)| item.packet.flow_hash == 1));
    assert_eq!(queue.iter().filter(|item| item.packet.flow_hash == 2).count(), 20);
}

#[test]
fn pie_brings_an_overload_near_its_reference_delay() {
    // Ten sources like TCP with a round trip of 100 ms: one packet more each round trip, half after a drop.
    let mut queue = make(Kind::Pie(PieSpec::default()));
    let (mut dropped, mut rates, mut credit) = (Vec::new(), [0.15f64; 10], [0.0; 10]);
    let mut delays = Vec::new();
    for tick in 0..600_000u64 {
        let now = Instant::ZERO + MS / 10 * tick;
        for (flow, (rate, credit)) in rates.iter_mut().zip(&mut credit).enumerate() {
            *rate += 1.0 / 100.0 / 100.0 / 10.0;
            *credit += *rate / 10.0;
            while *credit >= 1.0 {
                *credit -= 1.0;
                queue.enqueue(now, item(now, flow as u32, 1500, Ecn::NotCapable), &mut dropped);
                *rate /= if dropped.is_empty() { 1.0 } else { 2.0 };
                dropped.clear();
            }
        }
        if tick % 10 == 9
            && let Dequeued::Packet(item) = queue.dequeue(now, &mut dropped)
            && tick > 100_000
        {
            delays.push(now.since(item.since).as_ms_f64());
        }
    }
    let mean = mean(&delays);
    assert!((8.0..22.0).contains(&mean), "{mean} ms; the reference is 15 ms");
}

#[test]
fn pie_lets_a_burst_pass() {
    let mut queue = make(Kind::Pie(PieSpec::default()));
    let outcome = run(&mut queue, 140, steady(1, 2, Ecn::NotCapable));
    assert_eq!(outcome.dropped, 0, "the first 150 ms are a burst");
}

#[test]
fn red_drops_nothing_below_its_lower_threshold_and_max_p_at_its_upper_one() {
    let spec = RedSpec { weight: 1.0, ..RedSpec::default() };
    let share = |queued: usize| {
        let mut queue = make(Kind::Red(spec));
        let (mut dropped, mut all) = (Vec::new(), 0);
        for _ in 0..20_000 {
            let now = Instant::ZERO;
            while queue.backlog().0 < queued {
                queue.enqueue(now, item(now, 1, 1500, Ecn::NotCapable), &mut Vec::new());
            }
            all += 1;
            queue.enqueue(now, item(now, 1, 1500, Ecn::NotCapable), &mut dropped);
            while queue.backlog().0 > queued {
                queue.dequeue(now, &mut Vec::new());
            }
        }
        dropped.len() as f64 / f64::from(all)
    };
    assert_eq!(share(4), 0.0);
    // Uniform spacing: between 1 and 1/p packets from drop to drop, so the share is 2p / (1 + p) (Floyd 1993, section 7).
    for (queued, p) in [(10, 0.05), (14, 0.09)] {
        let expected = 2.0 * p / (1.0 + p);
        assert!((share(queued) - expected).abs() < 0.006, "{queued}: {} against {expected}", share(queued));
    }
    assert_eq!(share(30), 1.0, "twice the upper threshold");
}

#[test]
fn round_robin_shares_by_weight_whatever_the_packets_sizes() {
    let spec = DrrSpec { weights: vec![4, 2, 1], ..DrrSpec::default() };
    let mut queue = Discipline::new(
        &DisciplineSpec { kind: Kind::Drr(spec), limit: Limit::Packets(1_000_000), ce_threshold: None },
        rng(),
    );
    let (mut dropped, mut bytes) = (Vec::new(), [0u64; 3]);
    for (class, len) in [(0u32, 300u16), (1, 1500), (2, 700)] {
        for _ in 0..60_000 {
            queue.enqueue(Instant::ZERO, item(Instant::ZERO, class, len, Ecn::NotCapable), &mut dropped);
        }
    }
    for _ in 0..30_000 {
        let Dequeued::Packet(item) = queue.dequeue(Instant::ZERO, &mut dropped) else {
            panic!("there is more")
        };
        bytes[usize::from(item.class)] += u64::from(item.packet.len);
    }
    let total: u64 = bytes.iter().sum();
    for (class, share) in [(0, 4.0 / 7.0), (1, 2.0 / 7.0), (2, 1.0 / 7.0)] {
        assert!((bytes[class] as f64 / total as f64 - share).abs() < 0.002, "{bytes:?}");
    }
}

#[test]
fn priority_serves_the_first_band_first_and_never_closes_it_for_another() {
    let mut queue = Discipline::new(
        &DisciplineSpec { kind: Kind::Prio(2), limit: Limit::Packets(50), ce_threshold: None },
        rng(),
    );
    let mut flood = steady(1, 5, Ecn::NotCapable);
    let outcome = run(&mut queue, 1000, |tick| {
        let mut all = flood(tick);
        if tick % 40 == 0 {
            all.push(item(Instant::ZERO, 0, 1500, Ecn::NotCapable));
        }
        all
    });
    let urgent = outcome.of(0);
    assert_eq!(urgent.len(), 250);
    assert!(urgent.iter().all(|delay| *delay <= 1.0));
    assert!(outcome.of(1).len() >= 749);
}

#[test]
fn every_queue_of_a_discipline_counts_for_itself() {
    let mut queue = Discipline::new(
        &DisciplineSpec { kind: Kind::Prio(3), limit: Limit::Packets(50), ce_threshold: None },
        rng(),
    );
    let mut flood = steady(2, 5, Ecn::NotCapable);
    let outcome = run(&mut queue, 1000, |tick| {
        let mut all = flood(tick);
        if tick % 40 == 0 {
            all.push(item(Instant::ZERO, 0, 1500, Ecn::NotCapable));
        }
        all
    });
    let [urgent, unused, flooded] = queue.queues() else { panic!("three bands") };
    assert_eq!((urgent.packets, urgent.bytes, urgent.dropped, urgent.waiting), (250, 375_000, 0, 0));
    assert!(urgent.longest <= MS && urgent.mean_wait().unwrap() <= urgent.longest);
    assert!(!unused.is_used() && unused.mean_wait().is_none());
    assert_eq!((flooded.packets, flooded.dropped), (outcome.of(2).len() as u64, outcome.dropped as u64));
    assert_eq!(flooded.waiting, queue.backlog().0 as u64);
    assert_eq!(flooded.packets + flooded.dropped + flooded.waiting, 5000);
    let mean_ms = flooded.mean_wait().unwrap().as_secs_f64() * 1e3;
    assert!((mean_ms - mean(&outcome.of(2))).abs() < 0.01, "{mean_ms}");
    queue.restart_stats();
    assert_eq!((queue.queues()[2].packets, queue.queues()[2].waiting), (0, queue.backlog().0 as u64));
    queue.clear();
    assert_eq!(queue.queues()[2].waiting, 0);
    assert!(make(Kind::Codel(CodelSpec::default())).queues().is_empty(), "it has one queue");
}

#[test]
fn marks_of_fq_codel_are_those_of_the_queue_that_is_long() {
    let mut queue = make(Kind::FqCodel(FqCodelSpec::default()));
    let mut greedy = steady(7, 12, Ecn::Ect0);
    let outcome = run(&mut queue, 2000, |tick| {
        let mut all = greedy(tick);
        if tick % 100 == 0 {
            all.push(item(Instant::ZERO, 8, 200, Ecn::Ect0));
        }
        all
    });
    let (long, short) = (queue.queues()[7], queue.queues()[8]);
    assert_eq!((long.flow, short.flow), (7, 8));
    assert_eq!((long.marked + short.marked, short.marked), (outcome.marked as u64, 0));
    assert!(long.marked > 10);
    assert_eq!(long.packets + short.packets, outcome.sent.len() as u64);
}

#[test]
fn a_bucket_lets_its_burst_through_and_then_its_rate_exactly() {
    let tbf = TbfSpec { rate: Rate::from_mbps(8), burst: Bytes(4000), police: false };
    let mut queue = make(Kind::Tbf(tbf));
    let (mut now, mut dropped, mut times) = (Instant::ZERO, Vec::new(), Vec::new());
    for _ in 0..10 {
        queue.enqueue(now, item(now, 1, 1000, Ecn::NotCapable), &mut dropped);
    }
    loop {
        match queue.dequeue(now, &mut dropped) {
            Dequeued::Packet(_) => times.push(now.as_us()),
            Dequeued::NotBefore(at) => now = at,
            Dequeued::Empty => break,
        }
    }
    // 4000 bytes at once, then 1000 bytes each millisecond.
    assert_eq!(times, [0, 0, 0, 0, 1000, 2000, 3000, 4000, 5000, 6000]);
    let police = TbfSpec { police: true, ..tbf };
    let outcome = run(&mut make(Kind::Tbf(police)), 1000, |tick| {
        // 10 packets of 1000 bytes a millisecond against one that conforms, and the burst at the start.
        (tick < 9_990).then(|| item(Instant::ZERO, 1, 1000, Ecn::NotCapable)).into_iter().collect()
    });
    assert_eq!(outcome.dropped, 9_990 - 999 - 3);
}

#[test]
fn step_marking_marks_everything_above_its_threshold_and_nothing_below() {
    let spec = DisciplineSpec {
        kind: Kind::DropTail,
        limit: Limit::Packets(100),
        ce_threshold: Some(CeThreshold::Packets(20)),
    };
    let mut queue = Discipline::new(&spec, rng());
    let mut dropped = Vec::new();
    for _ in 0..30 {
        queue.enqueue(Instant::ZERO, item(Instant::ZERO, 1, 1500, Ecn::Ect0), &mut dropped);
    }
    queue.enqueue(Instant::ZERO, item(Instant::ZERO, 2, 1500, Ecn::NotCapable), &mut dropped);
    let marks: Vec<bool> = queue.iter().map(|item| item.packet.ecn() == Ecn::Congestion).collect();
    assert_eq!((marks.iter().position(|mark| *mark), queue.marked()), (Some(20), 10));
    assert!(!marks[30], "a sender that does not know ECN is not marked, and step marking drops nothing");
    let timed = DisciplineSpec { ce_threshold: Some(CeThreshold::Time(MS)), ..spec };
    let mut queue = Discipline::new(&timed, rng());
    let mut marked = |wait: Span| {
        queue.enqueue(Instant::ZERO, item(Instant::ZERO, 1, 1500, Ecn::Ect1), &mut dropped);
        match queue.dequeue(Instant::ZERO + wait, &mut dropped) {
            Dequeued::Packet(item) => item.packet.ecn() == Ecn::Congestion,
            _ => panic!("it is there"),
        }
    };
    assert!(!marked(MS) && marked(MS + Span::from_ns(1)));
}

#[test]
fn every_discipline_gives_back_what_it_holds_and_counts_no_packet_twice() {
    let tbf = TbfSpec { rate: Rate::from_mbps(1), burst: Bytes(3000), police: false };
    let p = Probability::new(0.2).unwrap();
    for kind in [
        Kind::DropTail,
        Kind::Red(RedSpec { max_p: p, ..RedSpec::default() }),
        Kind::Codel(CodelSpec::default()),
        Kind::FqCodel(FqCodelSpec::default()),
        Kind::Pie(PieSpec::default()),
        Kind::Drr(DrrSpec::default()),
        Kind::Prio(3),
        Kind::Tbf(tbf),
    ] {
        let spec = DisciplineSpec { kind, limit: Limit::Packets(40), ce_threshold: None };
        let mut queue = Discipline::new(&spec, rng());
        let (mut offered, mut out, mut dropped) = (0, 0, Vec::new());
        for ms in 0..500u64 {
            let now = Instant::ZERO + MS * ms;
            for flow in 0..4 {
                offered += 1;
                queue.enqueue(now, item(now, flow, 300 + 200 * flow as u16, Ecn::NotCapable), &mut dropped);
            }
            out += usize::from(matches!(queue.dequeue(now, &mut dropped), Dequeued::Packet(_)));
        }
        let (packets, bytes) = queue.backlog();
        assert_eq!(bytes, queue.iter().map(|item| u64::from(item.packet.len)).sum::<u64>());
        assert_eq!(packets, queue.iter().count());
        let rest = queue.clear().len();
        assert_eq!((packets, offered), (rest, out + dropped.len() + rest), "{:?}", spec.kind);
        assert_eq!(queue.backlog(), (0, 0));
    }
}
