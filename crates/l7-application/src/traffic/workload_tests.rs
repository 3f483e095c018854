use super::*;
use tidewire_units::{Purpose, Streams};

fn stream() -> Stream {
    Streams::new(1).stream(Purpose::Application, "workload")
}

fn spec() -> Spec {
    Spec {
        clients: 4,
        servers: 4,
        same: true,
        pace: Pace::Open(Span::from_ms(1), Gaps::Exponential),
        weights: Vec::new(),
        pick: Pick::Random(1),
        up: Sizes::Fixed(1000.0),
        down: None,
        split: false,
        keep: false,
        start: Instant::ZERO,
        stop: Instant::MAX,
        count: None,
    }
}

fn actions(workload: &mut Workload) -> Vec<Action> {
    std::iter::from_fn(|| workload.poll_action()).collect()
}

#[test]
fn flows_arrive_at_the_rate_asked_for_and_nobody_sends_to_himself() {
    let mut random = stream();
    let stop = Instant::ZERO + Span::from_secs(10);
    let mut workload = Workload::new(Spec { stop, ..spec() }, &mut random);
    while workload.next_timeout() < Instant::MAX {
        let now = workload.next_timeout();
        workload.handle_timeout(now, &mut random);
    }
    let all = workload.exchanges();
    // 10,000 expected; four standard deviations are 400.
    assert!((9600..10_400).contains(&all.len()), "{}", all.len());
    assert!(all.iter().all(|one| one.client != one.server && one.server < 4));
    let to = |client, server| all.iter().filter(|one| (one.client, one.server) == (client, server)).count();
    assert!((700..970).contains(&to(0, 3)) && (700..970).contains(&to(3, 0)), "{} {}", to(0, 3), to(3, 0));
    let flows = all.len();
    assert_eq!(actions(&mut workload).len(), 2 * flows, "opened, sent");
}

#[test]
fn a_flow_is_opened_sent_and_closed_when_all_is_received() {
    let mut random = stream();
    let mut workload = Workload::new(Spec { count: Some(1), ..spec() }, &mut random);
    let now = workload.next_timeout();
    workload.handle_timeout(now, &mut random);
    let seen = actions(&mut workload);
    let Action::Open { client, server } = seen[0] else { panic!("{seen:?}") };
    assert_ne!(client, server);
    assert_eq!(seen[1], Action::Send { connection: 0, from: Side::Client, bytes: 1000, goal: 1000 });
    assert_eq!(seen.len(), 2);
    assert!(!workload.is_over());
    workload.handle_received(now + Span::from_ms(5), 0, Side::Server, 1000, &mut random);
    assert_eq!(actions(&mut workload), [Action::Close { connection: 0 }]);
    assert!(workload.is_over());
    assert_eq!(workload.exchanges()[0].ended, Some(now + Span::from_ms(5)));
}

#[test]
fn a_question_to_everyone_waits_for_the_last_answer() {
    let mut random = stream();
    let (pick, down, pace) = (Pick::Everyone, Some(Sizes::Fixed(9000.0)), Pace::Closed(Span::ZERO));
    let incast = Spec {
        clients: 1,
        servers: 3,
        same: false,
        pick,
        down,
        pace,
        split: true,
        keep: true,
        count: Some(2),
        ..spec()
    };
    let mut workload = Workload::new(incast, &mut random);
    let t = |ms| Instant::ZERO + Span::from_ms(ms);
    workload.handle_timeout(t(0), &mut random);
    assert_eq!(actions(&mut workload).len(), 6, "opened and asked, three times");
    for connection in 0..3 {
        workload.handle_received(t(1), connection, Side::Server, 334, &mut random);
        let answer = Action::Send { connection, from: Side::Server, bytes: 3000, goal: 3000 };
        assert_eq!(actions(&mut workload), [answer]);
    }
    workload.handle_received(t(2), 0, Side::Client, 3000, &mut random);
    workload.handle_received(t(2), 1, Side::Client, 3000, &mut random);
    assert_eq!(workload.next_timeout(), Instant::MAX, "the barrier holds");
    workload.handle_received(t(9), 2, Side::Client, 3000, &mut random);
    assert_eq!(workload.next_timeout(), t(9));
    workload.handle_timeout(t(9), &mut random);
    let again = actions(&mut workload);
    assert_eq!(again.len(), 3, "the connections are still there: {again:?}");
    assert!(matches!(again[0], Action::Send { goal: 668, .. }));
}

#[test]
fn a_failed_connection_fails_what_waits_on_it_once() {
    let mut random = stream();
    let pace = Pace::Closed(Span::ZERO);
    let mut workload = Workload::new(Spec { pace, count: Some(5), ..spec() }, &mut random);
    workload.handle_timeout(Instant::ZERO, &mut random);
    workload.handle_end(Instant::ZERO, 2, Refusal::Refused, &mut random);
    workload.handle_end(Instant::ZERO, 2, Refusal::Refused, &mut random);
    assert_eq!(workload.exchanges().iter().filter(|one| one.failure.is_some()).count(), 1);
    assert_eq!(workload.next_timeout(), Instant::ZERO + Span::from_ms(1), "it is tried again, not at once");
}

#[test]
fn a_fixed_partner_is_always_the_same() {
    let mut random = stream();
    let pick = Pick::Fixed(vec![2, 3, 0, 1]);
    let mut workload = Workload::new(Spec { pick, count: Some(100), ..spec() }, &mut random);
    while workload.next_timeout() < Instant::MAX {
        let now = workload.next_timeout();
        workload.handle_timeout(now, &mut random);
    }
    assert!(workload.exchanges().iter().all(|one| one.server == [2, 3, 0, 1][one.client as usize]));
}
