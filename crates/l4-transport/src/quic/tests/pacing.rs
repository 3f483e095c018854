//! When packets leave: pacing, probes of several spaces, repairs.

use super::*;

/// Runs in steps of 20 us; the most datagrams that the client sends in one.
fn largest_burst(pair: &mut Pair, until: Instant) -> u64 {
    let mut most = 0;
    while pair.now < until {
        let before = pair.sent[0];
        let next = pair.now + Span::from_us(20);
        pair.run(next);
        most = most.max(pair.sent[0] - before);
    }
    most
}

#[test]
fn no_congestion_control_sends_more_than_the_initial_window_at_a_time() {
    for cc in CcKind::ALL {
        let mut pair = Pair::new(with_cc(cc.clone()), false);
        pair.run(at(200));
        // A window that has grown, then silence: what follows is paced (RFC 9002 section 7.7).
        for begin in [200, 2900] {
            let id = pair.client.open();
            pair.client.write(id, Payload::Zeros(1_000_000));
            pair.client.finish(id);
            let most = largest_burst(&mut pair, at(begin + 100));
            // Ten, and what is due after them: two together, and what comes in 20 us.
            assert!(most <= 13, "{cc:?}: {most}");
            pair.run(at(begin + 2700));
            assert!(pair.client.is_delivered(id), "{cc:?}");
        }
    }
}

#[test]
fn pacing_costs_less_than_a_round_trip() {
    for cc in [CcKind::Reno, CcKind::Cubic] {
        let mut pair = Pair::new(with_cc(cc.clone()), false);
        pair.run(at(200));
        let id = pair.client.open();
        pair.client.write(id, Payload::Zeros(1_000_000));
        pair.client.finish(id);
        pair.run(at(3000));
        // Windows of 12, 24, 48 ... KB: 1 MB are seven of them, the last one half a round trip long.
        let took = pair.done_at[&(false, id)].since(at(200)).as_us() / 1000;
        assert!((6 * 40 + 20..7 * 40 + 20).contains(&took), "{cc:?}: {took}");
    }
}

#[test]
fn what_was_lost_is_repaired_before_the_window_has_room() {
    let mut pair = Pair::new(with_cc(CcKind::Reno), false);
    let id = pair.client.open();
    pair.client.write(id, Payload::Zeros(3_000_000));
    pair.run(at(300));
    let (before, lost) = (pair.sent[0], pair.client.info().packets_lost);
    pair.lose = Box::new(move |to_server, n| to_server && n == before + 1);
    while pair.client.info().packets_lost == lost {
        let next = pair.now + Span::from_us(1000);
        pair.run(next);
    }
    // Half of the window is in flight and more; the repair left nevertheless (RFC 9002 section 7.3.2).
    let control = &pair.client.control;
    assert!(control.tx.in_flight() > control.tx.cwnd, "{} {}", control.tx.in_flight(), control.tx.cwnd);
    assert!(!pair.client.streams.get(id).unwrap().out.has_lost());
}

#[test]
fn a_question_that_comes_before_the_end_of_the_handshake_waits_for_it() {
    let mut pair = Pair::new(config(), false);
    pair.run(at(40));
    assert!(pair.client.is_connected());
    let id = pair.client.open();
    pair.client.write(id, Payload::Zeros(10));
    pair.client.finish(id);
    // All that was sent before the question comes after it.
    let before = std::mem::take(&mut pair.path);
    pair.path.extend(before.into_iter().map(|((at, n), datagram)| ((at + ms(5), n), datagram)));
    pair.run(at(70));
    assert_eq!(pair.done_at.get(&(false, id)), Some(&at(65)));
    assert_eq!(pair.client.info().ptos, 0);
}

#[test]
fn a_lost_answer_costs_one_timeout_and_no_more() {
    for lost in 1..=3 {
        let mut pair = Pair::new(config(), false);
        pair.lose = Box::new(move |to_server, n| !to_server && n == lost);
        pair.run(at(5000));
        let connected = pair.when(true, |event| matches!(event, QuicEvent::Connected { .. })).unwrap();
        // What came of the answer is kept. A client that knows no round-trip time asks again after 999 ms (RFC 9002 section 6.2.2), one
        // that does after 120 ms at most; then it is a round trip.
        let most = if lost == 1 { 999 + 40 } else { 40 + 120 + 40 };
        assert!(connected <= most, "{lost}: {connected}");
        assert_eq!(pair.client.control.least, 40_000, "{lost}");
    }
}

#[test]
fn a_probe_repeats_what_every_space_waits_for() {
    let mut pair = Pair::new(config(), false);
    pair.run(at(40));
    let id = pair.client.open();
    pair.client.write(id, Payload::Zeros(10));
    pair.client.finish(id);
    pair.flush();
    pair.path.clear();
    pair.run(at(2000));
    // The last word of the handshake and the question were lost: a probe after the RTT and four deviations (40 + 4 x 20 ms) has both.
    assert_eq!(pair.done_at.get(&(false, id)), Some(&at(40 + 120 + 20)));
    assert_eq!(pair.client.info().ptos, 1);
}

#[test]
fn cubic_leaves_slow_start_before_anything_is_lost() {
    let mut pair = Pair::new(with_cc(CcKind::Cubic), false);
    // 20 Mbit/s and 40 ms are 68 packets.
    pair.per_byte = Span::from_ns(400);
    pair.run(at(200));
    let id = pair.client.open();
    pair.client.write(id, Payload::Zeros(4_000_000));
    pair.run(at(800));
    // Acknowledgments come in one train for a whole round trip (HyStart), and what has left by then follows: three times the path.
    let (tx, info) = (&pair.client.control.tx, pair.client.info());
    assert!((68..4 * 68).contains(&tx.ssthresh), "{}", tx.ssthresh);
    assert_eq!(info.packets_lost, 0);
}
