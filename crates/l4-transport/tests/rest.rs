//! Connections at rest: how small they are, and that folding them changes nothing.
mod common;
use common::{A, B, Link, Record};
use proptest::prelude::*;
use tidewire_l4_transport::{CcKind, Connection, Folded, TcpConfig};
use tidewire_units::{Instant, Span};
use tidewire_wire::Payload;

/// Folds and unfolds whoever is at rest; says how many were.
fn fold(link: &mut Link) -> usize {
    let folded = link.ends.iter_mut().flatten().filter_map(|end| {
        let folded = Folded::of(end)?;
        *end = folded.unfold();
        Some(())
    });
    folded.count()
}

/// A dialogue in bursts, with some loss: what was sent, what both ends say about themselves, and how often an end was folded.
fn dialogue(
    config: &TcpConfig,
    turns: &[(bool, bool, u32, u32)],
    folds: bool,
) -> (Vec<Record>, String, usize) {
    let mut link = Link::new(config.clone());
    link.fate = Box::new(|record| {
        let lost = record.ordinal % 23 == 11 && !record.segment.flags.syn();
        (!lost).then_some(Span::from_us(record.ordinal % 5 * 700))
    });
    link.connect();
    link.run_for(Span::from_ms(500));
    let mut folded = 0;
    for &(from_a, source, bytes, gap_ms) in turns {
        let (side, now) = (if from_a { A } else { B }, link.now);
        if let Some(end) = &mut link.ends[side] {
            if source {
                end.supply(now, Some(u64::from(bytes)));
            } else {
                end.send(now, Payload::from(vec![7; bytes as usize]));
            }
        }
        link.flush(side);
        for _ in 0..3 {
            link.run_for(Span::from_ms(u64::from(gap_ms)));
            for side in [A, B] {
                while link.ends[side].as_mut().is_some_and(|end| end.recv(link.now, 1 << 20).is_some()) {}
                link.flush(side);
            }
            if folds {
                folded += fold(&mut link);
            }
        }
    }
    link.run_for(Span::from_secs(30));
    if folds {
        folded += fold(&mut link);
    }
    let said: Vec<_> = link.ends.iter().flatten().map(|end| end.info(link.now)).collect();
    (link.trace, format!("{said:?}"), folded)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_connection_that_was_folded_goes_on_as_if_it_had_not_been(
        turns in prop::collection::vec((any::<bool>(), any::<bool>(), 1u32..60_000, 1u32..4_000), 1..12),
        reno: bool, sack: bool, timestamps: bool, pacing: bool,
    ) {
        let cc = if reno { CcKind::Reno } else { CcKind::Cubic };
        let config = TcpConfig { cc, sack, timestamps, pacing, ..TcpConfig::linux() };
        let plain = dialogue(&config, &turns, false);
        let folded = dialogue(&config, &turns, true);
        prop_assert!(folded.2 > 0);
        prop_assert_eq!(plain.0.len(), folded.0.len());
        for (plain, folded) in plain.0.iter().zip(&folded.0) {
            prop_assert_eq!((plain.at, plain.from, plain.cwnd), (folded.at, folded.from, folded.cwnd));
            prop_assert_eq!(&plain.segment, &folded.segment);
        }
        prop_assert_eq!(plain.1, folded.1);
    }
}

#[test]
fn both_ends_of_an_idle_connection_take_less_than_a_kibibyte() {
    let config =
        TcpConfig { keepalive: Some(tidewire_l4_transport::Keepalive::default()), ..TcpConfig::linux() };
    for bytes in [0, 10_000_000] {
        let mut link = Link::new(config.clone());
        link.connect();
        link.run_for(Span::from_ms(500));
        let now = link.now;
        link.b().set_discard(true);
        link.a().send(now, Payload::Zeros(bytes));
        link.flush(A);
        link.run_for(Span::from_secs(60));
        let sizes = [A, B].map(|side| {
            let end = link.ends[side].as_mut().expect("a connection");
            let folded = Folded::of(end).expect("a connection at rest");
            assert!(
                size_of::<Connection>() + end.heap_bytes() > 900,
                "what is measured is not the whole connection"
            );
            size_of::<Folded>() + folded.heap_bytes()
        });
        println!("after {bytes} bytes the ends take {sizes:?} bytes");
        assert!(sizes.iter().sum::<usize>() <= 800, "{sizes:?}");
    }
}

#[test]
fn a_busy_connection_is_not_folded() {
    let mut link = Link::new(TcpConfig::linux());
    link.connect();
    assert!(Folded::of(link.a()).is_none(), "the handshake is under way");
    link.run_for(Span::from_ms(500));
    let now = link.now;
    assert!(link.a().is_at_rest() && now > Instant::ZERO);
    link.a().send(now, Payload::Zeros(1000));
    assert!(Folded::of(link.a()).is_none(), "data is queued");
    link.flush(A);
    assert!(Folded::of(link.a()).is_none(), "data is in flight");
    link.run_for(Span::from_ms(500));
    assert!(Folded::of(link.a()).is_some());
    assert!(Folded::of(link.b()).is_none(), "data is to be read");
}
