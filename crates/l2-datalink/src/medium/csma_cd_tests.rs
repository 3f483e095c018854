use super::*;
use tidewire_units::{Purpose, Streams};

const NONE: Limit = Limit::Packets(1_000_000);

fn us(us: f64) -> Instant {
    Instant::ZERO + Span::from_secs_f64(us * 1e-6)
}

fn frame(bytes: u32) -> Frame {
    let mut packet = Hot::NOTHING;
    packet.len = bytes as u16 - 26;
    Frame { packet, bytes, is_lost: false }
}

/// A bus of 10 Mbit/s with stations at these distances in microseconds.
fn bus(delays: &[f64], seed: u64) -> Bus {
    let mut bus = Bus::new(Rate::from_mbps(10));
    for (i, delay) in delays.iter().enumerate() {
        let rng = Streams::new(seed).stream(Purpose::Backoff, &i.to_string());
        bus.add_station(Span::from_secs_f64(delay * 1e-6), NONE, rng);
    }
    bus
}

/// Runs until `end`; says when what was heard, by whom.
fn run(bus: &mut Bus, end: Instant) -> Vec<(Instant, u32)> {
    let (mut heard, mut out) = (Vec::new(), Vec::new());
    while bus.next_timeout() <= end {
        let now = bus.next_timeout();
        bus.handle_timeout(now, &mut out);
        heard.extend(out.drain(..).filter_map(|event| match event {
            Heard::Copy { to, .. } | Heard::Last { to, .. } => Some((now, to)),
            Heard::Sent { .. } | Heard::Ended { .. } => None,
        }));
    }
    heard
}

#[test]
fn a_frame_is_heard_by_every_other_station_after_its_distance() {
    let mut bus = bus(&[1.0, 2.0, 5.0], 1);
    // The interframe gap of 9.6 us has passed at time 20 us.
    bus.offer(us(20.0), 0, frame(1526), &mut Vec::new());
    let heard = run(&mut bus, Instant::MAX - Span::from_ps(1));
    assert_eq!(heard, [(us(20.0 + 1220.8 + 3.0), 1), (us(20.0 + 1220.8 + 6.0), 2)]);
    let stats = bus.stats(0);
    assert_eq!((stats.frames, stats.attempts, stats.collisions), (1, 1, 0));
}

#[test]
fn a_station_that_hears_a_carrier_waits_for_its_end_and_the_gap() {
    let mut bus = bus(&[1.0, 2.0], 1);
    bus.offer(us(20.0), 0, frame(1526), &mut Vec::new());
    run(&mut bus, us(100.0));
    bus.offer(us(100.0), 1, frame(72), &mut Vec::new());
    let heard = run(&mut bus, us(5000.0));
    assert_eq!(heard, [(us(1243.8), 1), (us(1243.8 + 9.6 + 57.6 + 3.0), 0)]);
    assert_eq!(bus.stats(1).collisions, 0);
}

#[test]
fn stations_that_begin_within_the_propagation_delay_collide_jam_and_try_again() {
    let mut bus = bus(&[5.0, 5.0], 3);
    bus.offer(us(100.0), 0, frame(1526), &mut Vec::new());
    run(&mut bus, us(104.0));
    bus.offer(us(104.0), 1, frame(1526), &mut Vec::new());
    // The first notices at 114 us, after its preamble, and jams for 3.2 us; the second at 110 us, after its preamble at 110.4 us.
    run(&mut bus, us(113.65));
    assert_eq!((bus.stats(0).collisions, bus.stats(1).collisions), (0, 1));
    assert!(bus.stations[1].sends.is_none());
    run(&mut bus, us(117.25));
    assert_eq!(bus.stats(0).collisions, 1);
    assert!(bus.stations[0].sends.is_none());
    let heard = run(&mut bus, us(50_000.0));
    assert_eq!(heard.len(), 2, "both arrive in the end");
    assert_eq!(bus.stats(0).late_collisions, 0);
}

#[test]
fn a_bus_that_is_too_long_has_late_collisions() {
    let mut bus = bus(&[40.0, 40.0], 1);
    bus.offer(us(100.0), 0, frame(1526), &mut Vec::new());
    run(&mut bus, us(179.0));
    bus.offer(us(179.0), 1, frame(1526), &mut Vec::new());
    run(&mut bus, us(400.0));
    assert_eq!((bus.stats(0).late_collisions, bus.stats(1).late_collisions), (1, 0));
}

#[test]
fn short_frames_that_meet_on_a_bus_that_is_too_long_are_counted_as_undetected() {
    let mut bus = bus(&[40.0, 40.0, 40.0], 1);
    for station in 0..2 {
        bus.offer(us(100.0), station, frame(84), &mut Vec::new());
    }
    let heard = run(&mut bus, us(1000.0));
    assert!(heard.iter().all(|(_, to)| *to != 2), "they met at the third");
    let stats = bus.stats(0).plus(bus.stats(1));
    assert_eq!((stats.frames, stats.collisions, stats.undetected), (2, 0, 2));
    assert!(stats.carried.is_zero(), "what did not arrive is no use");
}

#[test]
fn a_frame_is_given_up_after_sixteen_collisions() {
    // Two stations with the same luck always choose the same slot.
    let mut bus = Bus::new(Rate::from_mbps(10));
    let rng = Streams::new(1).stream(Purpose::Backoff, "both");
    for _ in 0..2 {
        bus.add_station(Span::from_us(1), NONE, rng.clone());
    }
    for station in 0..2 {
        bus.offer(us(100.0), station, frame(1526), &mut Vec::new());
    }
    assert!(run(&mut bus, us(10e6)).is_empty());
    assert_eq!((bus.stats(0).attempts, bus.stats(0).excessive), (16, 1));
    assert_eq!(bus.packets().count(), 0);
}

/// Share of the time in which frames were carried when everybody always has something to send, and Jain's index of fairness.
fn saturated(stations: u32, bytes: u32, delay_us: f64) -> (f64, f64) {
    const SECONDS: f64 = 20.0;
    let mut bus = bus(&vec![delay_us; stations as usize], 7);
    for station in 0..stations {
        (0..20_000).for_each(|_| bus.offer(Instant::ZERO, station, frame(bytes), &mut Vec::new()));
    }
    run(&mut bus, us(SECONDS * 1e6));
    let frames: Vec<f64> = (0..stations).map(|i| bus.stats(i).frames as f64).collect();
    let carried: f64 = (0..stations).map(|i| bus.stats(i).carried.as_secs_f64()).sum();
    let (sum, squares) = (frames.iter().sum::<f64>(), frames.iter().map(|x| x * x).sum::<f64>());
    (carried / SECONDS, sum * sum / (f64::from(stations) * squares))
}

/// Metcalfe and Boggs 1976: each of q stations sends in a slot with probability 1/q.
fn metcalfe_boggs(stations: u32, bytes: u32) -> f64 {
    let q = f64::from(stations);
    let a = (1.0 - 1.0 / q).powi(stations as i32 - 1);
    let frame = f64::from(bytes) * 0.8;
    frame / (frame + 9.6 + (1.0 - a) / a * 51.2)
}

#[test]
fn efficiency_is_that_of_metcalfe_and_boggs_within_a_tenth_and_all_have_the_same_share() {
    // As far apart as a slot allows: there and back 48 us, and the jam.
    // Few stations do better: the one that has just sent wins against those that have doubled their range.
    for (stations, bytes) in [(5, 1526), (10, 1526), (20, 1526), (20, 534), (30, 534)] {
        let (measured, fairness) = saturated(stations, bytes, 12.0);
        let expected = metcalfe_boggs(stations, bytes);
        assert!((measured / expected - 1.0).abs() < 0.1, "{stations} x {bytes}: {measured} {expected}");
        assert!(fairness > 0.95, "{stations} x {bytes}: {fairness}");
    }
}

#[test]
fn a_longer_bus_carries_less() {
    let at = |delay_us| saturated(5, 534, delay_us).0;
    let (short, middle, long) = (at(0.5), at(4.0), at(12.0));
    assert!(short > middle + 0.003 && middle > long + 0.003, "{short} {middle} {long}");
}
