//! Credit and idle timeouts that the two ends have different ideas of.

use super::*;

/// A transfer of so many bytes, by the client or by the server, between ends with these stream windows: when it was there, in ms.
fn transfer(upload: bool, own: u64, peer: u64, bytes: u64) -> Option<u64> {
    let with = |stream_window| QuicConfig { stream_window, ..config() };
    let mut pair = Pair::new(with(own), false);
    pair.config = with(peer);
    pair.run(at(200));
    let id = pair.client.open();
    pair.client.write(id, Payload::Zeros(if upload { bytes as u32 } else { 1 }));
    pair.client.finish(id);
    pair.run(at(240));
    if !upload {
        let server = pair.server.as_mut().unwrap();
        server.write(id, Payload::Zeros(bytes as u32));
        server.finish(id);
    }
    pair.run(at(60_000));
    assert_eq!((pair.client.error(), pair.server.as_ref().unwrap().error()), (None, None));
    pair.done_at.get(&(!upload, id)).map(|done| done.as_us() / 1000 - 1000)
}

#[test]
fn each_end_keeps_to_what_the_other_takes() {
    for upload in [false, true] {
        let all = transfer(upload, 6 << 20, 6 << 20, 300_000).unwrap();
        // Its own small window holds nobody back who sends.
        let (own, peer) = if upload { (1000, 6 << 20) } else { (6 << 20, 1000) };
        assert_eq!(transfer(upload, own, peer, 300_000), Some(all), "{upload}");
        // That of the reader does, and is not exceeded.
        let slow = transfer(upload, peer, own, 20_000).unwrap();
        assert!(slow > 200 + 15 * 40, "{upload}: {slow}");
    }
    assert!(transfer(false, 1, 1, 20).is_some(), "a window of one byte");
}

#[test]
fn a_window_is_used_up_each_round_trip() {
    // 100,000 bytes in windows of 10,000 each 40 ms, the last 20 ms under way.
    let took = transfer(false, 10_000, 10_000, 100_000).unwrap() - 240;
    assert!((9 * 40 + 20..=11 * 40 + 20).contains(&took), "{took}");
}

#[test]
fn a_sender_that_credit_holds_back_keeps_a_window_of_that_size() {
    let with = |stream_window| QuicConfig { stream_window, ..config() };
    let mut pair = Pair::new(with(50_000), false);
    pair.run(at(200));
    let id = pair.client.open();
    pair.client.write(id, Payload::Zeros(5_000_000));
    pair.run(at(4000));
    let control = &pair.client.control;
    assert!(control.tx.cwnd < 100, "{} packets for credit of 40", control.tx.cwnd);
}

#[test]
fn streams_that_nobody_reads_take_the_credit_and_not_the_last_of_it() {
    let mut pair = Pair::new(config(), false);
    pair.config = QuicConfig { window: 100_000, ..config() };
    pair.run(at(200));
    // The pair reads streams below 40 only: four that it does not read leave less than a quarter, at which credit is renewed.
    for _ in 0..14 {
        let id = pair.client.open();
        pair.client.write(id, Payload::Zeros(20_000));
        pair.client.finish(id);
    }
    pair.run(at(20_000));
    assert!((0..10).all(|n| pair.read.get(&(false, 4 * n)) == Some(&20_000)), "{:?}", pair.read);
}

#[test]
fn early_data_keeps_to_what_the_server_took_then_and_takes_now() {
    let with = |window| QuicConfig { stream_window: window, window, ..config() };
    for (then, now, lost) in
        (0..4).flat_map(|lost| [(6 << 20, 5000, lost), (5000, 5000, lost), (5000, 9000, lost)])
    {
        // The client remembers windows as large as its own; one of its first datagrams is lost, and sent again later.
        let mut pair = Pair::new(with(then), true);
        pair.config = with(now);
        pair.lose = Box::new(move |to_server, n| to_server && n == lost);
        let id = pair.client.open();
        pair.client.write(id, Payload::Zeros(20_000));
        pair.client.finish(id);
        pair.run(at(10_000));
        let what = format!("{then} {now} {lost}");
        assert_eq!(pair.read.get(&(false, id)), Some(&20_000), "{what}");
        assert!(pair.client.is_delivered(id), "{what}");
        assert_eq!((pair.client.error(), pair.server.as_ref().unwrap().error()), (None, None), "{what}");
        let taken = |event: &QuicEvent| matches!(event, QuicEvent::Connected { early: true, .. });
        assert_eq!(pair.when(true, taken).is_some(), then <= now, "{what}");
    }
}

#[test]
fn an_end_that_never_gives_up_leaves_it_to_the_other() {
    let idle = |s| QuicConfig { idle: Span::from_secs(s), ..config() };
    for (own, peer, most) in [(0, 30, Some(30_000)), (30, 0, Some(30_000)), (0, 0, None)] {
        let mut pair = Pair::new(idle(own), false);
        pair.config = idle(peer);
        pair.run(at(200));
        for end in [&pair.client, pair.server.as_ref().unwrap()] {
            match most {
                Some(most) => {
                    assert!((at(most)..at(most + 200)).contains(&end.idle_timeout()), "{own} {peer}")
                }
                None => assert_eq!(end.idle_timeout(), Instant::MAX),
            }
        }
    }
}
