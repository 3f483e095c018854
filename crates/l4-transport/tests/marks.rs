//! Congestion marks, spurious retransmissions, probes: what the sender takes back and what it does not.
mod common;
use common::{A, B, Link};
use tidewire_l4_transport::{CaState, CcKind, EcnMode, TcpConfig};
use tidewire_units::{Instant, Rate, Span};
use tidewire_wire::{Ecn, TcpFlags};

fn linux(cc: CcKind) -> TcpConfig {
    TcpConfig { cc, rcvbuf_init: 4 << 20, rcvbuf_max: 32 << 20, nodelay: true, ..TcpConfig::linux() }
}

#[test]
fn a_mark_halves_renos_window_once_per_round_without_any_retransmission() {
    let mut link = Link::new(TcpConfig { ecn: EcnMode::On, ..linux(CcKind::Reno) });
    link.mark_above = 60;
    link.bulk(None);
    link.run(Instant::ZERO + Span::from_secs(20));
    let info = link.info();
    assert!(info.ecn && info.total_retrans == 0, "{info:?}");
    assert!(info.snd_ssthresh < 120 && info.delivered_ce > 0);
    let data: Vec<_> = link.data().into_iter().cloned().collect();
    assert!(data.iter().all(|r| r.ecn == Ecn::Ect0));
    let reductions = data.iter().filter(|r| r.segment.flags.contains(TcpFlags::CWR)).count();
    assert!((2..60).contains(&reductions), "{reductions}");
    assert!(link.b().bytes_received_in_order() > 22_000_000);
    let pure: Vec<_> = link.trace.iter().filter(|r| r.segment.payload.is_empty()).collect();
    assert!(pure.iter().all(|r| r.ecn == Ecn::NotCapable));
}

#[test]
fn a_peer_that_does_not_offer_ecn_gets_none() {
    let mut link = Link::new(linux(CcKind::Reno));
    link.bulk(Some(50_000));
    link.run_for(Span::from_secs(2));
    assert!(!link.info().ecn && link.data().iter().all(|r| r.ecn == Ecn::NotCapable));
}

#[test]
fn dctcp_keeps_the_queue_at_the_marking_threshold() {
    let mut link = Link::new(TcpConfig { ecn: EcnMode::On, ..linux(CcKind::Dctcp) });
    link.rate = Rate::from_mbps(100);
    link.delay = Span::from_us(500);
    link.mark_above = 20;
    link.bulk(None);
    link.run(Instant::ZERO + Span::from_secs(2));
    let info = link.info();
    assert_eq!(info.total_retrans, 0);
    assert!(link.b().bytes_received_in_order() > 22_000_000, "{}", link.b().bytes_received_in_order());
    let alpha = link.a().cc_state("dctcp.alpha").unwrap();
    // alpha^2 (1 - alpha / 4) = (2 W + 1) / (W + 1)^2 with W = C d + K = 28: alpha = 0.27.
    assert!((0.15..0.4).contains(&alpha), "{alpha}");
    let late: Vec<u32> = link.data().iter().filter(|r| r.ms() > 1_000.0).map(|r| r.cwnd).collect();
    let (low, high) = (late.iter().min().unwrap(), late.iter().max().unwrap());
    assert!(*low >= 20 && *high <= 36, "{low}..{high}");
}

/// Holds back every acknowledgment of the second after `from`, so that A's timer fires for nothing.
fn stall(link: &mut Link, from: Span) {
    let from = Instant::ZERO + from;
    link.fate = Box::new(move |record| {
        let hit = record.from == B && record.at >= from && record.at < from + Span::from_ms(1_000);
        Some(if hit { (from + Span::from_ms(1_000)).since(record.at) } else { Span::ZERO })
    });
}

#[test]
fn a_spurious_timeout_is_noticed_and_the_window_restored() {
    for timestamps in [true, false] {
        let mut link = Link::new(TcpConfig { timestamps, ..linux(CcKind::Reno) });
        stall(&mut link, Span::from_ms(300));
        link.bulk(None);
        link.run(Instant::ZERO + Span::from_ms(290));
        let before = link.info();
        link.run(Instant::ZERO + Span::from_ms(1_600));
        let after = link.info();
        assert!(after.total_rto >= 1, "no timeout: {after:?}");
        assert_eq!(after.ca_state, CaState::Open, "timestamps {timestamps}");
        assert!(after.snd_cwnd >= before.snd_cwnd, "timestamps {timestamps}: {before:?} {after:?}");
        assert!(after.total_retrans < 10, "timestamps {timestamps}: {}", after.total_retrans);
    }
}

#[test]
fn reordering_is_learnt_and_then_tolerated() {
    let mut link = Link::new(linux(CcKind::Cubic));
    link.fate = Box::new(|record| {
        let late = record.from == A && record.is_data() && record.ordinal % 50 == 0;
        Some(Span::from_ms(if late { 8 } else { 0 }))
    });
    link.bulk(None);
    link.run(Instant::ZERO + Span::from_secs(5));
    let early = link.info();
    assert!(early.reord_seen > 0);
    link.run(Instant::ZERO + Span::from_secs(20));
    let late = link.info();
    assert!(late.total_retrans - early.total_retrans < 60, "{} {}", early.total_retrans, late.total_retrans);
    assert!(link.b().bytes_received_in_order() > 21_000_000);
}

#[test]
fn abe_answers_a_mark_more_mildly_than_a_loss() {
    let window = |abe| {
        let mut link = Link::new(TcpConfig { ecn: EcnMode::On, abe, ..linux(CcKind::Cubic) });
        link.mark_above = 60;
        link.bulk(None);
        link.run(Instant::ZERO + Span::from_secs(10));
        link.info().snd_ssthresh
    };
    assert!(window(true) > window(false));
}

#[test]
fn a_paced_sender_spreads_its_window_over_the_round_trip() {
    let mut link = Link::new(TcpConfig { pacing: true, ..linux(CcKind::Reno) });
    link.rate = Rate::from_mbps(1000);
    link.delay = Span::from_ms(50);
    link.bulk(None);
    link.run(Instant::ZERO + Span::from_ms(480));
    let data = link.data();
    let round: Vec<f64> = data.iter().filter(|r| r.ms() > 300.0).map(|r| r.ms()).collect();
    let together = round.windows(2).filter(|w| w[1] - w[0] < 0.01).count();
    assert!(round.len() > 40 && together * 4 < round.len(), "{together} of {}", round.len());
}

#[test]
fn compressed_acknowledgments_are_fewer() {
    let acks = |ack_compression| {
        let mut link = Link::new(TcpConfig { ack_compression, ..linux(CcKind::Reno) });
        link.rate = Rate::from_mbps(1000);
        link.drop_data(&[100]);
        link.bulk(Some(2_000_000));
        link.run_for(Span::from_secs(5));
        assert_eq!(link.b().bytes_received_in_order(), 2_000_000);
        link.trace.iter().filter(|r| r.from == B).count()
    };
    assert!(acks(true) + 20 < acks(false));
}
