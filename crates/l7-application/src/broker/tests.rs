use super::*;
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use tidewire_units::{Instant, Span};

fn at(ms: u64) -> Instant {
    Instant::ZERO + Span::from_ms(ms)
}

fn say(broker: &mut Broker, now: u64, conn: u64, text: &str) -> Vec<(u64, String)> {
    let mut input = BytesMut::from(text);
    while let Some(command) = read_command(&mut input).unwrap() {
        broker.handle(at(now), conn, command);
    }
    assert!(input.is_empty(), "{text}");
    replies(broker)
}

fn replies(broker: &mut Broker) -> Vec<(u64, String)> {
    std::iter::from_fn(|| broker.poll_reply())
        .map(|(conn, text)| (conn, String::from_utf8_lossy(&text).replace("\r\n", "|")))
        .collect()
}

fn one(conn: u64, text: &str) -> Vec<(u64, String)> {
    vec![(conn, text.to_owned())]
}

#[test]
fn a_task_waits_is_reserved_and_deleted() {
    let mut broker = Broker::new(10, at(0));
    assert_eq!(say(&mut broker, 0, 1, "put 0 0 60 5\r\nhello\r\n"), one(1, "INSERTED 1|"));
    assert_eq!(say(&mut broker, 10, 2, "reserve\r\n"), one(2, "RESERVED 1 5|hello|"));
    assert_eq!(say(&mut broker, 20, 3, "delete 1\r\n"), one(3, "NOT_FOUND|"));
    assert_eq!(say(&mut broker, 30, 2, "delete 1\r\n"), one(2, "DELETED|"));
    assert_eq!(broker.present(), (0, 0, 0));
    let means = broker.means(at(30));
    assert!((means.waiting - 1.0 / 3.0).abs() < 1e-9 && (means.present - 1.0).abs() < 1e-9, "{means:?}");
    assert!((means.wait_s - 0.010).abs() < 1e-12);
}

#[test]
fn a_worker_that_waits_gets_the_next_task_in_its_turn() {
    let mut broker = Broker::new(10, at(0));
    assert!(say(&mut broker, 0, 1, "reserve\r\n").is_empty());
    assert!(say(&mut broker, 0, 2, "reserve-with-timeout 1\r\n").is_empty());
    let got = say(&mut broker, 1, 9, "put 0 0 60 1\r\nx\r\n");
    assert_eq!(got, [(9, "INSERTED 1|".to_owned()), (1, "RESERVED 1 1|x|".to_owned())]);
    assert_eq!(broker.next_timeout(), Some(at(1000)));
    broker.advance(at(1000));
    assert_eq!(replies(&mut broker), one(2, "TIMED_OUT|"));
}

#[test]
fn a_task_whose_worker_is_late_or_gone_is_given_to_another() {
    let mut broker = Broker::new(10, at(0));
    say(&mut broker, 0, 9, "put 0 0 0.5 1\r\nx\r\nput 0 0 60 1\r\ny\r\n");
    say(&mut broker, 0, 1, "reserve\r\n");
    say(&mut broker, 0, 2, "reserve\r\n");
    say(&mut broker, 0, 3, "reserve\r\n");
    assert_eq!(broker.next_timeout(), Some(at(500)));
    broker.advance(at(500));
    assert_eq!(replies(&mut broker), one(3, "RESERVED 1 1|x|"));
    assert_eq!(say(&mut broker, 600, 1, "delete 1\r\n"), one(1, "NOT_FOUND|"));
    broker.disconnect(at(700), 2);
    assert_eq!(say(&mut broker, 700, 1, "reserve\r\n"), one(1, "RESERVED 2 1|y|"));
    let counts = broker.counts();
    assert_eq!((counts.timeouts, counts.orphaned, counts.redelivered), (1, 1, 2));
}

#[test]
fn what_was_acknowledged_survives_the_death_of_a_durable_broker() {
    for durable in [true, false] {
        let mut broker = Broker::new(10, at(0));
        say(&mut broker, 0, 9, "put 0 0 60 1\r\nx\r\nput 0 0 60 1\r\ny\r\n");
        say(&mut broker, 0, 1, "reserve\r\n");
        broker.restart(at(100), durable);
        assert_eq!(broker.present().0, if durable { 2 } else { 0 });
        assert_eq!(broker.counts().lost, if durable { 0 } else { 2 });
        let answer = if durable { "RESERVED 1 1|x|" } else { "TIMED_OUT|" };
        assert_eq!(say(&mut broker, 200, 1, "reserve-with-timeout 0\r\n"), one(1, answer));
    }
}

#[test]
fn delays_priorities_and_limits() {
    let mut broker = Broker::new(2, at(0));
    say(&mut broker, 0, 9, "put 5 0 60 1\r\na\r\nput 1 0.2 60 1\r\nb\r\n");
    assert_eq!(say(&mut broker, 0, 9, "put 0 0 60 1\r\nc\r\n"), one(9, "OUT_OF_MEMORY|"));
    broker.advance(at(200));
    assert_eq!(say(&mut broker, 200, 1, "reserve\r\n"), one(1, "RESERVED 2 1|b|"));
    assert_eq!(say(&mut broker, 200, 1, "release 2 9 0\r\n"), one(1, "RELEASED|"));
    assert_eq!(say(&mut broker, 200, 1, "reserve\r\n"), one(1, "RESERVED 1 1|a|"));
    assert_eq!(say(&mut broker, 200, 1, "bury 1 0\r\n"), one(1, "BURIED|"));
    assert_eq!(broker.present(), (1, 0, 1));
}

proptest! {
    #[test]
    fn garbage_is_a_fault_or_unfinished(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut input = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = read_command(&mut input) {}
    }

    /// Whatever workers and the server do: a task is present until it is deleted, and ready, held or delayed.
    #[test]
    fn no_task_is_lost(steps in proptest::collection::vec((0u8..7, 1u64..4, 1u64..6, 0u64..400), 0..150)) {
        let mut broker = Broker::new(1000, at(0));
        let (mut now, mut has) = (0, std::collections::BTreeMap::new());
        for (what, conn, id, wait) in steps {
            now += wait;
            let time = at(now);
            let body = Bytes::from_static(b"x");
            match what {
                0 | 1 => broker.handle(time, conn, Command::Put { priority: 0, delay: Span::from_ms(wait), time_to_run: Span::from_ms(300), body }),
                2 => broker.handle(time, conn, Command::Reserve(Some(Span::from_ms(wait)))),
                3 => broker.handle(time, conn, Command::Delete(*has.get(&conn).unwrap_or(&id))),
                4 => broker.disconnect(time, conn),
                5 => broker.handle(time, conn, Command::Release { id, priority: 1, delay: Span::ZERO }),
                _ => broker.restart(time, true),
            }
            while let Some((who, text)) = broker.poll_reply() {
                let text = String::from_utf8(text.to_vec()).unwrap();
                if let Some(rest) = text.strip_prefix("RESERVED ") {
                    has.insert(who, rest.split(' ').next().unwrap().parse().unwrap());
                }
            }
            let (counts, (ready, held, other)) = (broker.counts(), broker.present());
            prop_assert_eq!(counts.put, counts.done + ready + held + other);
            prop_assert!(broker.next_timeout().is_none_or(|at| at > time));
        }
    }
}
