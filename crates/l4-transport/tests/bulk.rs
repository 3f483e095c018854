//! Bulk transfers over a link: 10 Mbit/s, 50 ms, 200 packets of queue.
mod common;
use common::{A, B, Link};
use tidewire_l4_transport::{CaState, CcKind, State, TcpConfig, TcpInfo};
use tidewire_units::{Instant, Rate, Span};

fn linux(cc: CcKind) -> TcpConfig {
    TcpConfig {
        cc,
        rcvbuf_init: 4 << 20,
        rcvbuf_max: 32 << 20,
        sndbuf_init: 4 << 20,
        nodelay: true,
        ..TcpConfig::linux()
    }
}

#[test]
fn slow_start_doubles_every_round_trip() {
    let mut link = Link::new(linux(CcKind::Reno));
    (link.rate, link.queue) = (Rate::from_mbps(1000), 10_000);
    link.delay = Span::from_ms(50);
    link.bulk(None);
    link.run(Instant::ZERO + Span::from_ms(690));
    let mut rounds = vec![0u32; 7];
    for record in link.data() {
        rounds[(record.ms() / 100.0) as usize] += 1;
    }
    assert_eq!(rounds[1..6], [10, 20, 40, 80, 160]);
    // The acknowledgment of the last of an odd number of segments is delayed.
    assert!((318..=320).contains(&rounds[6]), "{rounds:?}");
}

#[test]
fn a_transfer_without_loss_delivers_every_byte_once() {
    let mut link = Link::new(linux(CcKind::Cubic));
    link.bulk(Some(500_000));
    link.run_for(Span::from_secs(5));
    assert_eq!(link.b().bytes_received_in_order(), 500_000);
    assert_eq!(link.a().bytes_acked(), 500_000);
    assert_eq!(link.a().info(Instant::ZERO).total_retrans, 0);
}

#[test]
fn one_lost_segment_is_resent_once_and_reno_halves_its_window() {
    let mut link = Link::new(linux(CcKind::Reno));
    link.drop_data(&[100]);
    link.bulk(Some(506_800));
    link.run_for(Span::from_secs(5));
    assert_eq!(link.b().bytes_received_in_order(), 506_800);
    let resent: Vec<_> = link.data().into_iter().filter(|r| r.is_retransmit).cloned().collect();
    assert_eq!(resent.len(), 1);
    let info = link.a().info(Instant::ZERO);
    assert_eq!((info.snd_ssthresh, info.total_rto), (54, 0), "{info:?}");
    assert_eq!(info.ca_state, CaState::Open);
}

#[test]
fn the_last_segment_lost_is_repaired_by_a_probe() {
    let mut link = Link::new(linux(CcKind::Reno));
    link.drop_data(&[20]);
    link.bulk(Some(20 * 1448));
    link.run_for(Span::from_secs(5));
    assert_eq!(link.b().bytes_received_in_order(), 20 * 1448);
    assert_eq!(link.a().info(Instant::ZERO).total_rto, 0);
    let resent: Vec<_> = link.data().into_iter().filter(|r| r.is_retransmit).cloned().collect();
    assert_eq!(resent.len(), 1);
    let gap = resent[0].ms() - link.data()[19].ms();
    assert!((300.0..340.0).contains(&gap), "probe after {gap} ms");
}

#[test]
fn an_outage_is_bridged_by_timeouts_that_double() {
    let mut link = Link::new(linux(CcKind::Reno));
    let (from, to) = (Instant::ZERO + Span::from_secs(1), Instant::ZERO + Span::from_secs(12));
    link.fate = Box::new(move |r| (!(r.from == A && r.at > from && r.at < to)).then_some(Span::ZERO));
    link.bulk(None);
    link.run(Instant::ZERO + Span::from_secs(40));
    let resent: Vec<f64> =
        link.data().iter().filter(|r| r.at > from && r.at < to && r.is_retransmit).map(|r| r.ms()).collect();
    let gaps: Vec<f64> = resent.windows(2).map(|w| w[1] - w[0]).collect();
    // A recovery was under way when the outage began; the timeouts come after it.
    let timeouts: Vec<f64> = gaps.into_iter().filter(|gap| *gap > 100.0).collect();
    assert_eq!(timeouts.len(), 4, "{timeouts:?}");
    for pair in timeouts[1..].windows(2) {
        assert!((pair[1] / pair[0] - 2.0).abs() < 0.1, "{timeouts:?}");
    }
    assert!(link.b().bytes_received_in_order() > 20_000_000, "{}", link.b().bytes_received_in_order());
}

#[test]
fn both_sides_close_and_the_first_waits_a_minute() {
    let mut link = Link::new(linux(CcKind::Cubic));
    link.bulk(Some(10_000));
    link.run_for(Span::from_secs(1));
    let now = link.now;
    link.a().close(now);
    link.flush(A);
    link.run_for(Span::from_ms(200));
    assert_eq!((link.a().state(), link.b().state()), (State::FinWait2, State::CloseWait));
    assert!(link.b().eof());
    let now = link.now;
    link.b().close(now);
    link.flush(B);
    link.run_for(Span::from_ms(200));
    assert_eq!((link.a().state(), link.b().state()), (State::TimeWait, State::Closed));
    assert!(link.a().timeout_is_background());
    link.run_for(Span::from_secs(61));
    assert!(link.a().is_closed());
    assert_eq!(TcpInfo::INFINITE_SSTHRESH, link.a().info(now).snd_ssthresh);
}

#[test]
fn probes_of_a_window_that_stays_closed_end_up_in_the_background_and_still_find_it_open() {
    let mut link =
        Link::new(TcpConfig { rcvbuf_init: 64 << 10, rcvbuf_max: 64 << 10, ..linux(CcKind::Cubic) });
    link.connect();
    link.run_for(Span::from_secs(1));
    link.send(A, tidewire_wire::Payload::Zeros(200_000));
    link.run_for(Span::from_secs(60));
    // The news of an open window may have been lost: the run waits.
    assert!(!link.a().timeout_is_background());
    link.run_for(Span::from_secs(3600));
    assert!(link.a().timeout_is_background() && link.a().state() == State::Established);
    let probes = link.trace.len();
    link.run_for(Span::from_secs(600));
    assert!(link.trace.len() >= probes + 8, "one each 120 s, and its answer");
    for _ in 0..40 {
        let now = link.now;
        while link.b().recv(now, 1 << 20).is_some() {}
        link.flush(B);
        link.run_for(Span::from_secs(10));
    }
    assert_eq!(link.b().bytes_received_in_order(), 200_000);
    assert_eq!(link.info().unacked, 0);
}

/// Goodput of a minute on 10 Mbit/s, 50 ms, with a buffer of one bandwidth-delay product, as a share of the rate.
fn share(cc: CcKind, mbps: u64, loss_per_mille: u64) -> f64 {
    let mut link = Link::new(linux(cc));
    link.rate = Rate::from_mbps(mbps);
    link.queue = 42 * mbps as usize / 10;
    let mut state = 12_345u64;
    link.fate = Box::new(move |record| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let lost = record.from == A && record.is_data() && (state >> 33) % 1000 < loss_per_mille;
        (!lost).then_some(Span::ZERO)
    });
    link.bulk(None);
    link.run(Instant::ZERO + Span::from_secs(10));
    let before = link.b().bytes_received_in_order();
    link.run(Instant::ZERO + Span::from_secs(40));
    (link.b().bytes_received_in_order() - before) as f64 * 8.0 / 30.0 / (mbps as f64 * 1e6)
}

#[test]
fn every_algorithm_fills_a_link_without_random_loss() {
    for cc in CcKind::ALL {
        let share = share(cc.clone(), 10, 0);
        // Tahoe empties the path after each loss.
        let floor = if cc == CcKind::Tahoe { 0.75 } else { 0.88 };
        assert!(share > floor, "{cc:?} takes {share}");
    }
}

#[test]
fn every_algorithm_recovers_from_lost_segments_and_from_an_outage() {
    for cc in CcKind::ALL {
        let mut link = Link::new(linux(cc.clone()));
        link.queue = 42;
        let outage = Instant::ZERO + Span::from_secs(5)..Instant::ZERO + Span::from_secs(7);
        link.fate = Box::new(move |r| {
            let hit = r.is_data() && [40, 41, 45, 200, 201, 202, 203].contains(&r.ordinal);
            (!(r.from == A && (hit || outage.contains(&r.at)))).then_some(Span::ZERO)
        });
        link.bulk(Some(15_000_000));
        link.run(Instant::ZERO + Span::from_secs(60));
        assert_eq!(link.b().bytes_received_in_order(), 15_000_000, "{cc:?}");
        assert_eq!(link.a().bytes_acked(), 15_000_000, "{cc:?}");
        assert_eq!(link.info().ca_state, CaState::Open, "{cc:?}");
    }
}

#[test]
fn tahoe_resends_from_a_window_of_one_and_reno_does_not() {
    let least_after_loss = |cc| {
        let mut link = Link::new(linux(cc));
        link.drop_data(&[100]);
        link.bulk(Some(506_800));
        link.run_for(Span::from_secs(5));
        assert_eq!(link.b().bytes_received_in_order(), 506_800);
        let info = link.info();
        assert_eq!((info.snd_ssthresh, info.total_rto), (54, 0), "{info:?}");
        let data = link.data();
        let first = data.iter().position(|r| r.is_retransmit).expect("a retransmission");
        data[first..].iter().map(|r| r.cwnd).min().unwrap()
    };
    assert_eq!(least_after_loss(CcKind::Tahoe), 1);
    assert!(least_after_loss(CcKind::Reno) > 40);
}

#[test]
fn ledbat_holds_a_hundred_milliseconds_of_queue_and_vegas_a_few_segments() {
    let srtt_ms = |cc| {
        let mut link = Link::new(linux(cc));
        link.bulk(None);
        link.run(Instant::ZERO + Span::from_secs(60));
        assert_eq!(link.info().total_retrans, 0);
        link.a().srtt().as_us() as f64 / 1e3
    };
    let (ledbat, vegas) = (srtt_ms(CcKind::Ledbat), srtt_ms(CcKind::Vegas));
    assert!((145.0..160.0).contains(&ledbat), "{ledbat}");
    assert!((50.0..62.0).contains(&vegas), "{vegas}");
}

#[test]
fn the_state_of_an_algorithm_is_read_by_its_name() {
    for (cc, name) in [
        (CcKind::Vegas, "vegas.base_rtt"),
        (CcKind::Westwood, "westwood.bw"),
        (CcKind::Hybla, "hybla.rho"),
        (CcKind::Illinois, "illinois.alpha"),
        (CcKind::Htcp, "htcp.beta"),
        (CcKind::HighSpeed, "highspeed.a"),
        (CcKind::Bic, "bic.w_max"),
        (CcKind::Veno, "veno.diff"),
        (CcKind::Yeah, "yeah.queue"),
        (CcKind::Ledbat, "ledbat.base_delay"),
    ] {
        let mut link = Link::new(linux(cc));
        link.bulk(Some(1_000_000));
        link.run(Instant::ZERO + Span::from_secs(3));
        assert!(link.a().cc_state(name).is_some_and(f64::is_finite), "{name}");
        assert_eq!(link.a().cc_state("reno.nothing"), None);
    }
}

#[test]
fn bbr_does_not_mind_one_percent_of_loss_and_reno_does() {
    assert!(share(CcKind::Bbr, 40, 10) > 0.9);
    assert!(share(CcKind::Bbr, 40, 50) > 0.8);
    assert!(share(CcKind::Bbr3, 40, 10) > 0.7);
    assert!(share(CcKind::Bbr3, 40, 50) < 0.5);
    // Mathis: 1.22 MSS / (RTT sqrt(p)), less what timeouts take.
    let reno = share(CcKind::Reno, 10, 10);
    assert!((0.2..0.3).contains(&reno), "{reno}");
}

#[test]
fn without_sack_a_recovery_that_ends_exactly_at_its_mark_is_not_taken_back() {
    let mut link = Link::new(TcpConfig { sack: false, ..linux(CcKind::Reno) });
    (link.rate, link.queue) = (Rate::from_mbps(1000), 10_000);
    link.delay = Span::from_ms(50);
    link.fate =
        Box::new(|record| (!(record.is_data() && record.ordinal.is_multiple_of(1000))).then_some(Span::ZERO));
    link.bulk(None);
    link.run(Instant::ZERO + Span::from_secs(30));
    let late: Vec<u32> = link.data().iter().filter(|r| r.ms() > 10_000.0).map(|r| r.cwnd).collect();
    let mean = late.iter().sum::<u32>() / late.len() as u32;
    // 1.22 / sqrt(1/1000) = 38.7 (RFC 3649), a little more by packet than by time.
    assert!((30..50).contains(&mean), "{mean}");
}

#[test]
fn a_source_attached_before_the_connection_stands_pushes_as_a_writer_does_that_waited() {
    let mut link = Link::new(linux(CcKind::Cubic));
    link.connect();
    let now = link.now;
    link.a().supply(now, Some(2_000_000));
    link.flush(A);
    link.run_for(Span::from_secs(3));
    let data = link.data();
    let pushed = data.iter().filter(|r| r.segment.flags.contains(tidewire_wire::TcpFlags::PSH)).count();
    assert!(pushed * 5 < data.len(), "{pushed} of {}", data.len());
}
