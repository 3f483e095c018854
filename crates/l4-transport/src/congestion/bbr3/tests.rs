//! BBR version 3, step by step.

use super::*;
use tidewire_wire::Seq;

const RTT_US: u64 = 50_000;

/// A connection that has filled a pipe of 40 segments, in the phase `mode`.
fn probing(mode: Mode) -> (Sender, Bbr3) {
    let mut tcp = Sender::new(0, Seq(0), 1000, 3, 10);
    let mut bbr = Bbr3::new(&TcpConfig::linux());
    tcp.sack_enabled = true;
    bbr.init(&mut tcp);
    (tcp.now_us, tcp.delivered, tcp.cwnd, tcp.packets_out) = (1_000_000, 1000, 60, 40);
    (bbr.full_bw_reached, bbr.max_bw, bbr.min_rtt_us) = (true, [800.0; 2], RTT_US);
    (bbr.min_rtt_at_us, bbr.probe_rtt_min_at_us, bbr.probe_rtt_min_us) = (tcp.now_us, tcp.now_us, RTT_US);
    (bbr.cycle_us, bbr.probe_wait_us) = (tcp.now_us, 2_000_000);
    bbr.mode = mode;
    (tcp, bbr)
}

/// An acknowledgment of one segment that was sent a round trip ago.
fn ack(bbr: &mut Bbr3, tcp: &mut Sender) {
    tcp.now_us += 1_250;
    tcp.delivered += 1;
    let sample = RateSample {
        valid: true,
        prior_delivered: tcp.delivered - 40,
        delivered: 40,
        interval_us: RTT_US as i64,
        rtt_us: RTT_US as i64,
        acked_sacked: 1,
        tx_in_flight: 40,
        ..RateSample::default()
    };
    bbr.cong_control(tcp, &sample);
}

#[test]
fn the_bound_that_a_loss_sets_can_be_reached_by_the_window() {
    let (mut tcp, mut bbr) = probing(Mode::Up);
    bbr.probe_samples = true;
    // 2 % of 42 is less than one segment: 41 + 0.82 / 0.98, which the window would never be.
    bbr.packet_lost(&mut tcp, 42, 1, false);
    assert_eq!((bbr.mode, bbr.inflight_longterm), (Mode::Down, 42.0));
    assert!(bbr.prev_probe_too_high && !bbr.probe_samples);
}

#[test]
fn two_percent_of_a_large_flight_may_be_lost() {
    let (mut tcp, mut bbr) = probing(Mode::Up);
    bbr.probe_samples = true;
    bbr.packet_lost(&mut tcp, 400, 8, false);
    assert_eq!(bbr.mode, Mode::Up);
    bbr.packet_lost(&mut tcp, 400, 9, false);
    // The nine are 2 % of 399 and what of the last one still fits.
    assert_eq!((bbr.mode, bbr.inflight_longterm), (Mode::Down, 399.0));
    assert!(bbr.inflight_longterm > 0.7 * 400.0);
}

#[test]
fn fast_recovery_does_not_cut_the_window() {
    let (mut tcp, mut bbr) = probing(Mode::Refill);
    bbr.start_refill(&tcp);
    tcp.delivered += 1;
    bbr.packet_lost(&mut tcp, 40, 1, false);
    bbr.ssthresh(&mut tcp);
    bbr.set_state(&mut tcp, CaState::Recovery);
    tcp.ca_state = CaState::Recovery;
    tcp.lost_out = 1;
    for _ in 0..10 {
        ack(&mut bbr, &mut tcp);
    }
    assert!(tcp.cwnd >= 60, "{}", tcp.cwnd);
}

#[test]
fn the_window_before_a_timeout_comes_back() {
    let (mut tcp, mut bbr) = probing(Mode::Cruise);
    bbr.ssthresh(&mut tcp);
    tcp.cwnd = 1;
    bbr.set_state(&mut tcp, CaState::Loss);
    tcp.ca_state = CaState::Loss;
    bbr.set_state(&mut tcp, CaState::Open);
    assert_eq!(tcp.cwnd, 60);
}

#[test]
fn growth_of_the_bound_doubles_each_round() {
    let (mut tcp, mut bbr) = probing(Mode::Up);
    bbr.inflight_longterm = 60.0;
    tcp.is_cwnd_limited = true;
    bbr.start_up(&tcp, 800.0);
    let mut grown = Vec::new();
    for _ in 0..3 {
        let before = bbr.inflight_longterm;
        for i in 0..60 {
            bbr.round_start = i == 59;
            tcp.cwnd = bbr.inflight_longterm as u32;
            bbr.probe_upward(&tcp, 1);
        }
        grown.push(bbr.inflight_longterm - before);
    }
    assert!(
        (1.0..=2.0).contains(&grown[0]) && grown[1] >= 1.8 * grown[0] && grown[2] >= 1.8 * grown[1],
        "{grown:?}"
    );
}

#[test]
fn after_too_much_loss_the_next_probe_only_touches_the_bound() {
    let (mut tcp, mut bbr) = probing(Mode::Up);
    (bbr.prev_probe_too_high, bbr.inflight_longterm) = (true, 40.0);
    tcp.packets_out = 39;
    assert!(!bbr.is_time_to_go_down(&tcp, 800.0));
    tcp.packets_out = 40;
    assert!(bbr.is_time_to_go_down(&tcp, 800.0) && bbr.prev_probe_precautionary);
    // A round without loss after it: at once the next probe, which may stay.
    bbr.prev_probe_too_high = false;
    bbr.start_down(&tcp);
    bbr.round_start = true;
    assert!(bbr.adapt_long_term(&tcp, &RateSample { tx_in_flight: 40, ..RateSample::default() }));
    assert_eq!(bbr.mode, Mode::Refill);
}

#[test]
fn a_loss_that_was_none_is_taken_back() {
    let (mut tcp, mut bbr) = probing(Mode::Up);
    bbr.probe_samples = true;
    bbr.packet_lost(&mut tcp, 40, 3, false);
    bbr.bw_shortterm = 500.0;
    assert_eq!(bbr.mode, Mode::Down);
    assert_eq!(bbr.undo_cwnd(&mut tcp), 60);
    assert_eq!((bbr.mode, bbr.bw_shortterm), (Mode::Refill, f64::INFINITY));
    assert!(bbr.inflight_longterm.is_infinite());
}
