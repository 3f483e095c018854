mod ending;
mod limits;
mod pacing;

use super::*;
use crate::{CcKind, TcpConfig};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tidewire_units::{Instant, Span};
use tidewire_wire::{Endpoint, Payload};

const CLIENT: Endpoint = Endpoint { addr: Ipv4Addr::new(10, 0, 0, 1), port: 50_000 };
const SERVER: Endpoint = Endpoint { addr: Ipv4Addr::new(10, 0, 0, 2), port: 443 };

/// Two ends and a path of 20 ms each way that loses datagrams as it is told.
struct Pair {
    now: Instant,
    client: QuicConnection,
    server: Option<QuicConnection>,
    config: QuicConfig,
    /// By time and order: to the server?, the client's address, bytes.
    path: BTreeMap<(Instant, u64), (bool, Endpoint, Bytes)>,
    sent: [u64; 2],
    losses: [u64; 2],
    bytes: [u64; 2],
    lose: Box<dyn FnMut(bool, u64) -> bool>,
    /// Longer datagrams are lost.
    carries: usize,
    /// How long a byte takes on the way to the server, and until when those before take it.
    per_byte: Span,
    busy: Instant,
    client_at: Endpoint,
    events: Vec<(Instant, bool, QuicEvent)>,
    /// What each end has read of each stream.
    read: BTreeMap<(bool, u64), u64>,
    done_at: BTreeMap<(bool, u64), Instant>,
}

fn ms(ms: u64) -> Span {
    Span::from_ms(ms)
}

impl Pair {
    fn new(config: QuicConfig, ticket: bool) -> Pair {
        let now = Instant::ZERO + ms(1000);
        let (stream_window, window) = (config.stream_window, config.window);
        let ticket = ticket.then_some(Ticket { stream_window, window });
        Pair {
            now,
            client: QuicConnection::client(now, SERVER, (11, 22), config.clone(), ticket),
            server: None,
            config,
            path: BTreeMap::new(),
            sent: [0; 2],
            losses: [0; 2],
            bytes: [0; 2],
            lose: Box::new(|_, _| false),
            carries: usize::MAX,
            per_byte: Span::ZERO,
            busy: now,
            client_at: CLIENT,
            events: Vec::new(),
            read: BTreeMap::new(),
            done_at: BTreeMap::new(),
        }
    }

    fn flush(&mut self) {
        for to_server in [true, false] {
            loop {
                let end = if to_server { Some(&mut self.client) } else { self.server.as_mut() };
                let Some(datagram) = end.and_then(|end| end.poll_transmit(self.now)) else { break };
                let n = &mut self.sent[usize::from(!to_server)];
                *n += 1;
                self.bytes[usize::from(!to_server)] += datagram.len() as u64;
                let lost = (self.lose)(to_server, *n) || datagram.len() > self.carries;
                self.losses[usize::from(!to_server)] += u64::from(lost);
                if !lost {
                    let server = self.server.as_ref();
                    let client = if to_server { self.client_at } else { server.unwrap().remote() };
                    let order = self.sent[0] + self.sent[1];
                    let mut left = self.now;
                    if to_server {
                        self.busy = self.busy.max(self.now) + self.per_byte * datagram.len() as u64;
                        left = self.busy;
                    }
                    self.path.insert((left + ms(20), order), (to_server, client, datagram));
                }
            }
        }
    }

    fn notice(&mut self) {
        let now = self.now;
        for is_client in [true, false] {
            let Some(end) = (if is_client { Some(&mut self.client) } else { self.server.as_mut() }) else {
                continue;
            };
            while let Some(event) = end.poll_event() {
                self.events.push((now, is_client, event));
            }
            for id in (0..40).chain([100]) {
                while let Some(part) = end.read(id, 1 << 20) {
                    *self.read.entry((is_client, id)).or_default() += part.len() as u64;
                }
                if end.is_finished(id) {
                    self.done_at.entry((is_client, id)).or_insert(now);
                }
            }
        }
    }

    fn run(&mut self, until: Instant) {
        loop {
            self.flush();
            let arrival = self.path.keys().next().map(|(at, _)| *at);
            let timers =
                [Some(self.client.next_timeout()), self.server.as_ref().map(QuicConnection::next_timeout)];
            let next = arrival.into_iter().chain(timers.into_iter().flatten()).min().unwrap_or(Instant::MAX);
            if next > until {
                self.now = until;
                return;
            }
            self.now = self.now.max(next);
            if arrival == Some(next) {
                let (_, (to_server, client, datagram)) = self.path.pop_first().unwrap();
                if to_server {
                    let (now, config) = (self.now, self.config.clone());
                    let server = self
                        .server
                        .get_or_insert_with(|| QuicConnection::server(now, client, (33, 11), config));
                    server.handle_datagram(now, client, &datagram);
                } else if client == self.client_at {
                    // Nobody is at an address that the client has left.
                    self.client.handle_datagram(self.now, SERVER, &datagram);
                }
            } else {
                self.client.handle_timeout(self.now);
                if let Some(server) = &mut self.server {
                    server.handle_timeout(self.now);
                }
            }
            self.notice();
        }
    }

    fn when(&self, client: bool, wanted: impl Fn(&QuicEvent) -> bool) -> Option<u64> {
        let found = self.events.iter().find(|(_, is_client, event)| *is_client == client && wanted(event));
        found.map(|(at, ..)| at.as_us() / 1000 - 1000)
    }
}

fn config() -> QuicConfig {
    QuicConfig::default()
}

fn at(ms_after: u64) -> Instant {
    Instant::ZERO + ms(1000 + ms_after)
}

#[test]
fn a_handshake_takes_one_round_trip() {
    let mut pair = Pair::new(config(), false);
    pair.run(at(500));
    let connected =
        |event: &QuicEvent| matches!(event, QuicEvent::Connected { resumed: false, early: false });
    assert_eq!(pair.when(true, connected), Some(40));
    assert_eq!(pair.when(false, connected), Some(60));
    assert!(pair.when(true, |event| *event == QuicEvent::Ticket).is_some());
    assert_eq!(pair.path.len(), 0, "nothing more is said");
    assert_eq!(pair.client.next_timeout(), Instant::MAX);
    // One datagram of 1200 bytes asks; the answer is at most three times as long.
    assert!(pair.bytes[1] <= 3 * pair.bytes[0], "{:?}", pair.bytes);
}

#[test]
fn with_a_ticket_the_first_datagram_carries_data() {
    let mut pair = Pair::new(config(), true);
    let id = pair.client.open();
    pair.client.write(id, Payload::Zeros(500));
    pair.client.finish(id);
    pair.run(at(25));
    assert_eq!(pair.read.get(&(false, id)), Some(&500), "it is there after half a round trip");
    pair.run(at(500));
    assert!(
        pair.when(true, |event| matches!(event, QuicEvent::Connected { resumed: true, early: true }))
            .is_some()
    );
}

#[test]
fn early_data_that_is_refused_is_sent_again() {
    let mut pair = Pair::new(QuicConfig { accept_early: false, ..config() }, true);
    let id = pair.client.open();
    pair.client.write(id, Payload::Zeros(3000));
    pair.client.finish(id);
    pair.run(at(55));
    assert_eq!(pair.read.get(&(false, id)), None);
    pair.run(at(500));
    assert_eq!(pair.read.get(&(false, id)), Some(&3000));
    assert!(
        pair.when(true, |event| matches!(event, QuicEvent::Connected { resumed: true, early: false }))
            .is_some()
    );
}

#[test]
fn everything_arrives_whatever_is_lost() {
    for cc in CcKind::ALL {
        let tcp = Arc::new(TcpConfig { cc: cc.clone(), ..TcpConfig::linux() });
        let mut pair = Pair::new(QuicConfig { tcp, ..config() }, false);
        pair.lose = Box::new(|_, n| n % 13 == 5);
        for _ in 0..3 {
            let id = pair.client.open();
            pair.client.write(id, Payload::Zeros(200_000));
            pair.client.finish(id);
        }
        pair.run(at(60_000));
        for id in [0, 4, 8] {
            assert_eq!(pair.read.get(&(false, id)), Some(&200_000), "{cc:?}");
            assert!(pair.client.is_delivered(id), "{cc:?}");
        }
        assert_eq!(pair.client.info().in_flight, 0, "{cc:?}");
        assert_eq!(pair.client.next_timeout(), Instant::MAX, "{cc:?}");
    }
}

#[test]
fn a_loss_on_one_stream_holds_no_other_back() {
    let mut pair = Pair::new(config(), false);
    pair.run(at(200));
    let before = pair.sent[0];
    for _ in 0..4 {
        let id = pair.client.open();
        pair.client.write(id, Payload::Zeros(1150));
        pair.client.finish(id);
    }
    pair.lose = Box::new(move |to_server, n| to_server && n == before + 1);
    pair.run(at(2000));
    let done: Vec<u64> =
        [0, 4, 8, 12].iter().map(|id| pair.done_at[&(false, *id)].as_us() / 1000 - 1000).collect();
    assert!(done[0] > 240, "the first was lost: {done:?}");
    assert_eq!(done[1..], [220, 220, 220]);
}

#[test]
fn three_packets_later_a_loss_is_repaired_within_a_round_trip() {
    let mut pair = Pair::new(config(), false);
    pair.run(at(200));
    let before = pair.sent[0];
    // The first is a probe for larger datagrams.
    pair.lose = Box::new(move |to_server, n| to_server && n == before + 2);
    let id = pair.client.open();
    pair.client.write(id, Payload::Zeros(9000));
    pair.client.finish(id);
    pair.run(at(2000));
    // Sent at 200, acknowledged at 240 at the latest, sent again and there at 260.
    assert_eq!(pair.done_at[&(false, id)], at(260));
    assert_eq!((pair.client.info().packets_lost, pair.client.info().ptos), (1, 0));
}

#[test]
fn a_lost_tail_is_probed_for() {
    let mut pair = Pair::new(config(), false);
    pair.run(at(200));
    let before = pair.sent[0];
    pair.lose = Box::new(move |to_server, n| to_server && n == before + 1);
    let id = pair.client.open();
    pair.client.write(id, Payload::Zeros(500));
    pair.client.finish(id);
    pair.run(at(2000));
    assert!(pair.client.info().ptos >= 1);
    let done = pair.done_at[&(false, id)];
    // RFC 9002 section 6.2.1: smoothed RTT and four deviations and 25 ms, then 20 ms on the way.
    assert!(done > at(280) && done < at(420), "{done:?}");
}

#[test]
fn a_lost_hello_is_sent_again() {
    let mut pair = Pair::new(config(), false);
    pair.lose = Box::new(|to_server, n| to_server && n == 1);
    pair.run(at(5000));
    // RFC 9002 section 6.2.2: 333 ms + 4 x 166.5 ms, then a round trip.
    assert_eq!(pair.when(true, |event| matches!(event, QuicEvent::Connected { .. })), Some(999 + 40));
}

#[test]
fn a_connection_survives_a_change_of_address() {
    let mut pair = Pair::new(config(), false);
    let id = pair.client.open();
    pair.client.write(id, Payload::Zeros(2_000_000));
    pair.client.finish(id);
    pair.run(at(300));
    pair.client_at = Endpoint { addr: Ipv4Addr::new(10, 9, 9, 9), port: 1234 };
    pair.client.migrate(pair.now);
    pair.run(at(20_000));
    assert_eq!(pair.read.get(&(false, id)), Some(&2_000_000));
    assert_eq!(pair.server.as_ref().unwrap().remote(), pair.client_at);
    assert!(pair.when(false, |event| *event == QuicEvent::Migrated).is_some());
}

/// A client's question after 200 ms, and an answer of 2 MB under way: its stream.
fn asked_for_2_mb(pair: &mut Pair) -> u64 {
    let id = pair.client.open();
    pair.client.write(id, Payload::Zeros(10));
    pair.client.finish(id);
    pair.run(at(200));
    let server = pair.server.as_mut().unwrap();
    server.write(id, Payload::Zeros(2_000_000));
    server.finish(id);
    id
}

#[test]
fn only_the_answer_to_the_last_challenge_proves_an_address() {
    let mut pair = Pair::new(config(), false);
    pair.run(at(200));
    let mut answers = Vec::new();
    for port in [1, 2] {
        pair.client_at = Endpoint { port, ..CLIENT };
        pair.client.migrate(pair.now);
        // The client's challenge is there after 20 ms; the server's is on its way.
        pair.run(pair.now + ms(21));
        answers.extend(pair.server.as_ref().unwrap().challenged);
    }
    let server = pair.server.as_mut().unwrap();
    assert!(answers.len() == 2 && answers[0] != answers[1], "{answers:?}");
    for (answer, proved) in [(answers[0], false), (7, false), (answers[1], true)] {
        let mut payload = Vec::new();
        frame::Frame::PathResponse(answer).put(&mut payload);
        let (mut datagram, number) = (Vec::new(), server.spaces[2].largest_received.0 + 1);
        frame::put_packet(frame::Kind::OneRtt, 33, 11, number, &payload, &mut datagram);
        server.handle_datagram(pair.now, pair.client_at, &datagram.into());
        assert_eq!(server.validated, proved, "{answer}");
    }
}

#[test]
fn a_server_goes_on_sending_to_the_new_address() {
    let mut pair = Pair::new(config(), false);
    let id = asked_for_2_mb(&mut pair);
    pair.run(at(400));
    pair.client_at = Endpoint { addr: CLIENT.addr, port: 1234 };
    pair.client.migrate(pair.now);
    pair.run(at(5_000));
    assert_eq!(pair.read.get(&(true, id)), Some(&2_000_000));
}

#[test]
fn what_was_lost_on_the_old_path_does_not_slow_down_the_new_one() {
    // When the address changes, after so many ms of 2 MB, how long it takes in all: 0.38 s without a change.
    for (after, most) in [(20, 700), (60, 750), (120, 800), (200, 850), (300, 900)] {
        let mut pair = Pair::new(config(), false);
        let id = asked_for_2_mb(&mut pair);
        pair.run(at(200 + after));
        pair.client_at = Endpoint { addr: CLIENT.addr, port: 1234 };
        pair.client.migrate(pair.now);
        // What was sent to the old address is known to be lost, and nothing was on the new one (RFC 9000 section 9.4).
        pair.run(at(200 + after + 150));
        let control = &pair.server.as_ref().unwrap().control;
        assert!(
            control.tx.cwnd >= 10 && control.tx.ssthresh > 1 << 20,
            "{after}: {} {}",
            control.tx.cwnd,
            control.tx.ssthresh
        );
        assert_eq!((control.least, control.smoothed), (40_000, 40_000), "{after}");
        pair.run(at(20_000));
        let took = pair.done_at[&(true, id)].since(at(200)).as_us() / 1000;
        assert!(took < most, "{after}: {took}");
    }
}

#[test]
fn a_sender_waits_for_credit() {
    let small = QuicConfig { stream_window: 10_000, window: 15_000, ..config() };
    let mut pair = Pair::new(small, false);
    let id = pair.client.open();
    pair.client.write(id, Payload::Zeros(100_000));
    pair.client.finish(id);
    pair.run(at(20_000));
    assert_eq!(pair.read.get(&(false, id)), Some(&100_000));
    // At most 10,000 bytes a round trip of 40 ms: 100,000 need at least nine more.
    assert!(pair.done_at[&(false, id)] > at(40 + 9 * 20), "{:?}", pair.done_at);
}

#[test]
fn a_peer_that_is_gone_is_given_up() {
    let mut pair = Pair::new(config(), false);
    pair.run(at(200));
    pair.lose = Box::new(|_, _| true);
    let id = pair.client.open();
    pair.client.write(id, Payload::Zeros(500));
    pair.run(at(200_000));
    assert_eq!(pair.client.error(), Some(QuicError::TimedOut));
    assert_eq!(pair.client.next_timeout(), Instant::MAX);
}

#[test]
fn a_close_reaches_the_peer() {
    let mut pair = Pair::new(config(), false);
    pair.run(at(200));
    pair.client.close(7);
    pair.run(at(300));
    assert_eq!(pair.server.as_ref().unwrap().error(), Some(QuicError::Closed(7)));
}

#[test]
fn a_peer_that_sends_beyond_its_credit_is_closed() {
    let mut pair = Pair::new(QuicConfig { stream_window: 5_000, ..config() }, false);
    pair.run(at(200));
    let id = pair.client.open();
    pair.client.streams.open(id).out.limit = 1 << 20;
    pair.client.write(id, Payload::Zeros(9_000));
    // Nothing is read meanwhile: the server's limit stays.
    pair.flush();
    let server = pair.server.as_mut().unwrap();
    while let Some((_, (_, from, datagram))) = pair.path.pop_first() {
        server.handle_datagram(at(220), from, &datagram);
    }
    assert_eq!(server.error(), Some(QuicError::Protocol(3)));
}

fn with_cc(cc: CcKind) -> QuicConfig {
    QuicConfig { tcp: Arc::new(TcpConfig { cc, ..TcpConfig::linux() }), ..config() }
}

#[test]
fn short_packets_take_as_much_of_the_window_as_they_are_long() {
    let mut pair = Pair::new(config(), false);
    pair.run(at(200));
    let before = pair.sent[0];
    // One by one: of 40 messages that wait together several would share a packet.
    for _ in 0..40 {
        let id = pair.client.open();
        pair.client.write(id, Payload::Zeros(200));
        pair.client.finish(id);
        pair.flush();
    }
    // 40 packets of less than 250 bytes fit into a window of 10 x 1200 (RFC 9002 section 7.2).
    assert_eq!(pair.sent[0] - before, 40);
    let id = pair.client.open();
    pair.client.write(id, Payload::Zeros(1 << 20));
    pair.flush();
    assert!(pair.client.control.bytes_in_flight() <= 12_000, "{}", pair.client.control.bytes_in_flight());
}

#[test]
fn the_path_is_found_to_carry_larger_datagrams() {
    // A size is given up after three losses, each known a round trip later: the transfer ends before the search for 1400 does.
    for (carries, least) in [(1472, 1472), (1400, 1336), (1210, 1200)] {
        let mut pair = Pair::new(with_cc(CcKind::Reno), false);
        pair.carries = carries;
        let id = pair.client.open();
        pair.client.write(id, Payload::Zeros(5_000_000));
        pair.client.finish(id);
        pair.run(at(20_000));
        assert_eq!(pair.read.get(&(false, id)), Some(&5_000_000), "{carries}");
        let info = pair.client.info();
        assert!((least..=carries as u16).contains(&info.datagram_size), "{carries}: {}", info.datagram_size);
        // What was lost for its size says nothing of the load (RFC 9000 section 14.4): the window has only grown.
        assert!(info.cwnd > 500, "{carries}: {}", info.cwnd);
    }
}

#[test]
fn a_path_that_carries_less_than_before_does_not_stop_a_connection() {
    let mut pair = Pair::new(config(), false);
    let id = pair.client.open();
    pair.client.write(id, Payload::Zeros(4_000_000));
    pair.client.finish(id);
    pair.run(at(300));
    assert_eq!(pair.client.info().datagram_size, 1472);
    pair.carries = 1300;
    pair.run(at(30_000));
    assert_eq!(pair.read.get(&(false, id)), Some(&4_000_000));
    assert!(
        (1281..=1300).contains(&pair.client.info().datagram_size),
        "{}",
        pair.client.info().datagram_size
    );
}

#[test]
fn nothing_is_thought_lost_that_was_not_lost_while_both_sides_send() {
    let mut pair = Pair::new(config(), false);
    pair.run(at(200));
    pair.lose = Box::new(|to_server, n| to_server && n % 40 == 20);
    let id = pair.client.open();
    pair.client.write(id, Payload::Zeros(1_000_000));
    pair.client.finish(id);
    let server = pair.server.as_mut().unwrap();
    let other = server.open();
    server.write(other, Payload::Zeros(1_000_000));
    server.finish(other);
    pair.run(at(60_000));
    assert_eq!(pair.read.get(&(false, id)), Some(&1_000_000));
    let info = pair.client.info();
    assert!(pair.losses[0] > 15 && info.packets_lost <= pair.losses[0], "{} {info:?}", pair.losses[0]);
    assert_eq!(pair.server.as_ref().unwrap().info().packets_lost, 0);
}

#[test]
fn what_was_lost_is_sent_before_what_other_streams_have() {
    let mut pair = Pair::new(config(), false);
    pair.run(at(200));
    let before = pair.sent[0];
    pair.lose = Box::new(move |to_server, n| to_server && n == before + 2);
    let ids: Vec<u64> = (0..10).map(|_| pair.client.open()).collect();
    // The first has one packet, the others much.
    pair.client.write(ids[0], Payload::Zeros(1000));
    pair.client.finish(ids[0]);
    for id in &ids[1..] {
        pair.client.write(*id, Payload::Zeros(500_000));
    }
    pair.run(at(2_000));
    // Lost at 200, known at 240, sent again at once though nine streams are before it in turn.
    assert_eq!(pair.done_at[&(false, ids[0])], at(260));
}

#[test]
fn silence_ends_a_connection_counted_from_the_last_packet_or_the_first_question_after_it() {
    let mut pair = Pair::new(QuicConfig { idle: Span::from_secs(10), ..config() }, false);
    pair.run(at(200));
    let client = &mut pair.client;
    assert!((at(10_080)..=at(10_200)).contains(&client.idle_timeout()), "{}", client.idle_timeout());
    // Questions after the first do not put it off (RFC 9000 section 10.1).
    for ms in [5000, 9000] {
        let id = client.open();
        client.write(id, Payload::Zeros(10));
        while client.poll_transmit(at(ms)).is_some() {}
        assert_eq!(client.idle_timeout(), at(15_000));
    }
    client.handle_timeout(at(14_999));
    assert_eq!(client.error(), None);
    client.handle_timeout(at(15_000));
    assert_eq!((client.error(), client.poll_transmit(at(15_000))), (Some(QuicError::TimedOut), None));
    assert!(!client.is_writable(0));
}

#[test]
fn in_order_streams_send_one_after_the_other() {
    let end = |schedule| {
        let mut pair = Pair::new(QuicConfig { schedule, ..config() }, false);
        pair.run(at(200));
        let ids: Vec<u64> = (0..4).map(|_| pair.client.open()).collect();
        for id in &ids {
            pair.client.write(*id, Payload::Zeros(100_000));
            pair.client.finish(*id);
        }
        pair.run(at(2_000));
        ids.iter().map(|id| pair.done_at[&(false, *id)].since(at(200)).as_us() / 1000).collect::<Vec<u64>>()
    };
    // Windows of 12, 24, 48 ... KB each 40 ms: the first 100 KB are there after four of them. The end of each window is sent up to half
    // a round trip after its beginning (RFC 9002 section 7.7).
    let (one_by_one, in_turns) = (end(Schedule::InOrder), end(Schedule::Turns));
    for (ends, windows) in [(one_by_one, [140, 180, 180, 220]), (in_turns, [220; 4])] {
        let late = ends.iter().zip(windows).all(|(end, window)| (window..=window + 20).contains(end));
        assert!(late && ends.is_sorted(), "{ends:?}");
    }
}
