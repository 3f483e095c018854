//! What ends: connections before and after their handshake, streams.

use super::*;

/// When one end was told that it is over, in ms, and why.
fn told(pair: &Pair, client: bool) -> Option<(u64, QuicError)> {
    pair.events.iter().find_map(|(at, is_client, event)| match event {
        QuicEvent::Closed(why) if *is_client == client => Some((at.as_us() / 1000 - 1000, *why)),
        _ => None,
    })
}

#[test]
fn a_close_during_the_handshake_is_heard_at_once() {
    // The client closes after so many ms: its hello is under way, the server's answer is, its own last word is.
    for (when, heard) in [(10, 30), (30, 50), (50, 70), (70, 90)] {
        let mut pair = Pair::new(config(), false);
        pair.run(at(when));
        pair.client.close(7);
        pair.run(at(500));
        // What an application says is in packets of 1-RTT only (RFC 9000 section 10.2.3).
        let code = if when < 40 { 0 } else { 7 };
        assert_eq!(told(&pair, false), Some((heard, QuicError::Closed(code))), "{when}");
        assert_eq!(pair.path.len(), 0, "{when}");
    }
    // The server closes: it has heard the hello; the client's last word is under way; all is said.
    for (when, heard) in [(21, 41), (45, 65), (70, 90)] {
        let mut pair = Pair::new(config(), false);
        pair.run(at(when));
        pair.server.as_mut().unwrap().close(7);
        pair.run(at(500));
        assert!(
            matches!(told(&pair, true), Some((at, QuicError::Closed(_))) if at == heard),
            "{when}: {:?}",
            told(&pair, true)
        );
        assert_eq!(pair.client.next_timeout(), Instant::MAX);
    }
}

#[test]
fn a_close_before_the_handshake_fills_a_datagram_of_1200_bytes() {
    let mut pair = Pair::new(config(), false);
    pair.run(at(5));
    pair.client.close(1);
    assert_eq!(pair.client.poll_transmit(at(5)).unwrap().len(), 1200);
    assert_eq!(pair.client.poll_transmit(at(5)), None);
}

#[test]
fn a_close_that_was_lost_is_said_again_to_a_peer_that_goes_on() {
    let mut pair = Pair::new(config(), false);
    let id = asked_for_2_mb(&mut pair);
    pair.run(at(300));
    let before = pair.sent[0];
    pair.lose = Box::new(move |to_server, n| to_server && n == before + 1);
    pair.client.close(3);
    pair.run(at(500));
    assert_eq!(told(&pair, false).map(|(_, why)| why), Some(QuicError::Closed(3)));
    // Once for each doubling of what came since (RFC 9000 section 10.2.1), and never to a peer that has ended, too.
    assert!((2..12).contains(&(pair.sent[0] - before)), "{}", pair.sent[0] - before);
    assert_eq!(pair.path.len(), 0);
    assert!(!pair.client.is_writable(id));
    let (mut one, mut other) = (Pair::new(config(), false), 0);
    one.run(at(200));
    one.client.close(1);
    one.server.as_mut().unwrap().close(2);
    one.run(at(2000));
    other += one.sent[0] + one.sent[1];
    assert!(other < 14, "{other}");
}

#[test]
fn silence_ends_a_connection_after_the_shorter_of_what_both_ends_want() {
    for (own, peer) in [(10, 30), (30, 10), (20, 20)] {
        let idle = |s| QuicConfig { idle: Span::from_secs(s), ..config() };
        let mut pair = Pair::new(idle(own), false);
        pair.config = idle(peer);
        // Before the peer has said anything its own counts.
        pair.flush();
        assert_eq!(pair.client.idle_timeout(), at(1000 * own));
        pair.run(at(200));
        let most = 1000 * own.min(peer) + 200;
        for end in [&pair.client, pair.server.as_ref().unwrap()] {
            assert!(
                (at(most - 160)..at(most)).contains(&end.idle_timeout()),
                "{own} {peer}: {}",
                end.idle_timeout()
            );
        }
    }
}

#[test]
fn streams_that_have_ended_leave_nothing_behind() {
    let mut pair = Pair::new(config(), false);
    pair.run(at(100));
    pair.lose = Box::new(|_, n| n % 29 == 7);
    let (mut last, mut now) = (0, 100);
    for _ in 0..500 {
        let ids: Vec<u64> = (0..200).map(|_| pair.client.open()).collect();
        for id in &ids {
            pair.client.write(*id, Payload::Zeros(3));
            pair.client.finish(*id);
        }
        let (mut asked, mut answered) = (ids.clone(), ids.clone());
        while !answered.is_empty() {
            now += 20;
            pair.run(at(now));
            let server = pair.server.as_mut().unwrap();
            asked.retain(|id| {
                while server.read(*id, 100).is_some() {}
                let done = server.is_finished(*id);
                if done {
                    server.write(*id, Payload::Zeros(2));
                    server.finish(*id);
                }
                !done
            });
            answered.retain(|id| {
                while pair.client.read(*id, 100).is_some() {}
                !pair.client.is_finished(*id)
            });
        }
        last = ids[199];
    }
    assert_eq!(last, 4 * 99_999);
    pair.run(at(now + 20_000));
    for end in [&pair.client, pair.server.as_ref().unwrap()] {
        // One range of numbers is all that is kept of 100,000 streams.
        assert_eq!(end.streams.kept(), [0, 0, 0, 0, 1]);
        assert!(
            end.is_finished(last)
                && end.is_delivered(last)
                && end.is_readable(last)
                && !end.is_writable(last)
        );
    }
    // Late copies of what they carried do not open them again.
    let opened = pair.events.iter().filter(|(.., event)| matches!(event, QuicEvent::Opened(_))).count();
    assert_eq!(opened, 100_000);
    assert_eq!((pair.client.read(4, 10), pair.client.error()), (None, None));
}

#[test]
fn of_a_connection_that_is_over_and_drained_little_is_kept() {
    let mut pair = Pair::new(config(), false);
    pair.run(at(100));
    let (all, never) = (asked_for_2_mb(&mut pair), pair.client.open());
    pair.client.write(never, Payload::Zeros(100));
    pair.run(at(3000));
    pair.client.close(3);
    pair.run(at(3001));
    assert!(pair.client.error().is_some() && pair.client.past().is_none(), "packets may still come");
    let due = pair.client.drained_at().unwrap();
    assert!((at(3100)..at(3600)).contains(&due), "{due}");
    pair.run(at(4000));
    pair.client.poll_transmit(due);
    let past = pair.client.past().unwrap();
    assert_eq!((past.error(), past.remote()), (QuicError::Closed(3), SERVER));
    assert_eq!(past.info(), &pair.client.info());
    assert!(past.is_finished(all) && past.is_delivered(all) && !past.is_finished(never));
    assert!(3 * size_of::<QuicPast>() < size_of::<QuicConnection>(), "{}", size_of::<QuicPast>());
    // What was not read is kept.
    let server = pair.server.as_mut().unwrap();
    server.poll_transmit(at(5000));
    server.streams.open(80).input.receive(0, Bytes::from_static(b"unread"), true).unwrap();
    assert!(server.is_drained() && server.past().is_none());
    while server.read(80, 1000).is_some() {}
    assert!(server.past().is_some());
}
