//! Segment in, segment out: one connection and a peer that is written by hand. Sequence numbers are relative.
use std::net::Ipv4Addr;
use std::sync::Arc;
use tidewire_l4_transport::{Connection, Keepalive, State, TcpConfig, TcpError, Unreachable, reset_for};
use tidewire_units::{Instant, Span};
use tidewire_wire::{Ecn, Endpoint, Payload, Seq, TcpFlags, TcpOptions, TcpSegment, Timestamps};

const ISN: u32 = u32::MAX - 100;
const PEER_ISN: u32 = 5_000;

struct Peer {
    now: Instant,
    end: Connection,
}

fn endpoint(last: u8) -> Endpoint {
    Endpoint::new(Ipv4Addr::new(192, 168, 0, last), 1_000 + u16::from(last))
}

fn plain() -> TcpConfig {
    TcpConfig { timestamps: false, nodelay: true, ..TcpConfig::linux() }
}

fn flags(text: &str) -> TcpFlags {
    let bit = |c| match c {
        'S' => TcpFlags::SYN,
        'F' => TcpFlags::FIN,
        'R' => TcpFlags::RST,
        'P' => TcpFlags::PSH,
        'E' => TcpFlags::ECE,
        'W' => TcpFlags::CWR,
        '.' => TcpFlags::ACK,
        other => panic!("flag {other}"),
    };
    text.chars().map(bit).fold(TcpFlags::NONE, |all, one| all | one)
}

fn syn_options() -> TcpOptions {
    TcpOptions { mss: Some(1000), sack_permitted: true, window_scale: Some(7), ..TcpOptions::default() }
}

impl Peer {
    fn active(config: TcpConfig) -> Peer {
        let end = Connection::connect(Instant::ZERO, Arc::new(config), endpoint(1), endpoint(2), Seq(ISN), 0);
        Peer { now: Instant::ZERO, end }
    }

    /// A connection that the peer opened and established, 100 ms away.
    fn established(config: TcpConfig) -> Peer {
        Peer::accepted(config, syn_options())
    }

    fn accepted(config: TcpConfig, options: TcpOptions) -> Peer {
        let mut peer = Peer::half_open(config, options);
        peer.sleep_ms(100);
        peer.put(".", 1, 1, 0, 1000);
        assert_eq!(peer.end.state(), State::Established);
        assert!(peer.sent().is_empty());
        peer
    }

    fn half_open(config: TcpConfig, options: TcpOptions) -> Peer {
        let syn = TcpSegment {
            src_port: 1_002,
            dst_port: 1_001,
            seq: Seq(PEER_ISN),
            flags: TcpFlags::SYN,
            window: 32_792,
            options,
            ..TcpSegment::default()
        };
        let end = Connection::accept(
            Instant::ZERO,
            Arc::new(config),
            endpoint(1),
            endpoint(2),
            &syn,
            Ecn::NotCapable,
            Seq(ISN),
            0,
        );
        let mut peer = Peer { now: Instant::ZERO, end };
        assert_eq!(peer.sent(), ["S. 0:0(0) ack 1"]);
        peer
    }

    fn segment(&self, letters: &str, seq: u32, ack: u32, len: u32, window: u16) -> TcpSegment {
        TcpSegment {
            src_port: 1_002,
            dst_port: 1_001,
            seq: Seq(PEER_ISN) + seq,
            ack: Seq(ISN) + ack,
            flags: flags(letters),
            window,
            payload: Payload::Zeros(len),
            ..TcpSegment::default()
        }
    }

    fn put(&mut self, letters: &str, seq: u32, ack: u32, len: u32, window: u16) {
        let segment = self.segment(letters, seq, ack, len, window);
        self.deliver(&segment);
    }

    fn put_sack(&mut self, ack: u32, blocks: &[(u32, u32)]) {
        let mut segment = self.segment(".", 1, ack, 0, 1000);
        for (left, right) in blocks {
            segment.options.sack.push((Seq(ISN) + *left, Seq(ISN) + *right));
        }
        self.deliver(&segment);
    }

    fn deliver(&mut self, segment: &TcpSegment) {
        self.end.handle_segment(self.now, segment, Ecn::NotCapable);
    }

    fn raw(&mut self) -> Vec<TcpSegment> {
        std::iter::from_fn(|| self.end.poll_transmit(self.now)).map(|t| t.segment).collect()
    }

    fn sent(&mut self) -> Vec<String> {
        let show = |s: TcpSegment| {
            let (seq, len) = (s.seq - Seq(ISN), s.payload.len() as u32);
            let mut text =
                format!("{} {seq}:{}({len})", s.flags.to_string().replace('P', ""), seq.wrapping_add(len));
            if s.flags.ack() {
                text += &format!(" ack {}", s.ack - Seq(PEER_ISN));
            }
            for (left, right) in &s.options.sack {
                text += &format!(" sack {}:{}", *left - Seq(PEER_ISN), *right - Seq(PEER_ISN));
            }
            text
        };
        self.raw().into_iter().map(show).collect()
    }

    /// Lets time pass without sending; timers fire when they are due.
    fn sleep_ms(&mut self, ms: u64) {
        self.now += Span::from_ms(ms);
        if self.end.next_timeout() <= self.now {
            self.end.handle_timeout(self.now);
        }
    }

    /// Everything that timers send until `until`, with the time in ms.
    fn timers(&mut self, until: Span) -> Vec<(u64, String)> {
        let mut sent = Vec::new();
        loop {
            for text in self.sent() {
                sent.push((self.now.as_ms(), text));
            }
            let next = self.end.next_timeout();
            if next > Instant::ZERO + until {
                return sent;
            }
            self.now = next;
            self.end.handle_timeout(next);
        }
    }

    fn write(&mut self, len: u32) {
        assert_eq!(self.end.send(self.now, Payload::Zeros(len)), len as usize);
    }
}

#[test]
fn a_syn_carries_all_options_and_the_handshake_takes_one_round_trip() {
    let mut peer = Peer::active(TcpConfig::linux());
    let syn = peer.raw().remove(0);
    assert_eq!((syn.options.mss, syn.options.window_scale, syn.window), (Some(1460), Some(7), 64_240));
    assert!(syn.options.sack_permitted && syn.options.timestamps.is_some());
    peer.sleep_ms(50);
    let mut answer = peer.segment("S.", 0, 1, 0, 65_535);
    answer.options = syn_options();
    answer.options.timestamps = Some(Timestamps { value: 9, echo: 0 });
    peer.deliver(&answer);
    assert_eq!(peer.end.state(), State::Established);
    assert_eq!(peer.sent(), [". 1:1(0) ack 1"]);
    let info = peer.end.info(peer.now);
    assert_eq!((info.rtt, info.snd_mss, info.snd_cwnd), (Span::from_ms(50), 988, 10));
}

#[test]
fn a_lost_syn_is_resent_five_times_after_one_second_then_with_doubling_gaps() {
    let mut peer = Peer::active(TcpConfig::linux());
    let times: Vec<u64> = peer.timers(Span::from_secs(200)).into_iter().map(|(ms, _)| ms / 1000).collect();
    assert_eq!(times, [0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67]);
    assert_eq!(peer.now.as_ms() / 1000, 131);
    assert_eq!(peer.end.error(), Some(TcpError::TimedOut));
    assert!(peer.end.is_closed());
}

#[test]
fn without_linear_timeouts_a_syn_backs_off_from_the_start() {
    let mut peer = Peer::active(TcpConfig::rfc());
    let times: Vec<u64> = peer.timers(Span::from_secs(300)).into_iter().map(|(ms, _)| ms / 1000).collect();
    assert_eq!(times, [0, 1, 3, 7, 15, 31, 63]);
}

#[test]
fn a_lost_syn_ack_is_resent_five_times_with_doubling_gaps() {
    let mut peer = Peer::half_open(plain(), syn_options());
    let times: Vec<u64> = peer.timers(Span::from_secs(100)).into_iter().map(|(ms, _)| ms / 1000).collect();
    assert_eq!(times, [1, 3, 7, 15, 31]);
    assert!(peer.end.is_closed());
}

#[test]
fn a_repeated_syn_is_answered_again() {
    let mut peer = Peer::half_open(plain(), syn_options());
    let mut syn = peer.segment("S", 0, 0, 0, 1000);
    syn.options = syn_options();
    peer.deliver(&syn);
    assert_eq!(peer.sent(), ["S. 0:0(0) ack 1"]);
}

#[test]
fn crossing_syns_open_one_connection() {
    let mut peer = Peer::active(plain());
    assert_eq!(peer.sent(), ["S 0:0(0)"]);
    let mut syn = peer.segment("S", 0, 0, 0, 1000);
    syn.options = syn_options();
    peer.deliver(&syn);
    assert_eq!(peer.end.state(), State::SynReceived);
    assert_eq!(peer.sent(), ["S. 0:0(0) ack 1"]);
    peer.put("S.", 0, 1, 0, 1000);
    assert_eq!(peer.end.state(), State::Established);
}

#[test]
fn a_refused_connection_and_an_unreachable_one_have_different_errors() {
    let mut peer = Peer::active(plain());
    peer.sent();
    peer.put("R.", 0, 1, 0, 0);
    assert_eq!((peer.end.state(), peer.end.error()), (State::Closed, Some(TcpError::Refused)));
    let mut peer = Peer::active(plain());
    peer.sent();
    peer.end.handle_unreachable(peer.now, Unreachable::Host);
    assert_eq!(peer.end.error(), Some(TcpError::HostUnreachable));
}

#[test]
fn in_syn_sent_a_wrong_acknowledgment_is_answered_with_a_reset() {
    let mut peer = Peer::active(plain());
    peer.sent();
    peer.put("S.", 0, 2, 0, 1000);
    assert_eq!(peer.sent(), ["R 2:2(0)"]);
    assert_eq!(peer.end.state(), State::SynSent);
    peer.put("R.", 0, 7, 0, 1000);
    assert_eq!(peer.end.state(), State::SynSent);
}

/// Brings a connection into `state` and returns the peer's next sequence number and its acknowledgment of ours.
fn in_state(state: State) -> (Peer, u32, u32) {
    if state == State::SynReceived {
        return (Peer::half_open(plain(), syn_options()), 1, 1);
    }
    let mut peer = Peer::established(plain());
    let (mut seq, mut ack) = (1, 1);
    if matches!(state, State::CloseWait | State::LastAck) {
        peer.put("F.", 1, 1, 0, 1000);
        seq = 2;
    }
    if !matches!(state, State::Established | State::CloseWait) {
        peer.end.shutdown_send(peer.now);
        peer.sent();
    }
    match state {
        State::FinWait2 | State::TimeWait => {
            peer.put(".", 1, 2, 0, 1000);
            ack = 2;
        }
        State::Closing => {
            peer.put("F.", 1, 1, 0, 1000);
            seq = 2;
        }
        _ => {}
    }
    if state == State::TimeWait {
        peer.put("F.", 1, 2, 0, 1000);
        seq = 2;
    }
    peer.sent();
    assert_eq!(peer.end.state(), state);
    (peer, seq, ack)
}

const SYNCHRONIZED: [State; 9] = [
    State::SynReceived,
    State::Established,
    State::FinWait1,
    State::FinWait2,
    State::CloseWait,
    State::Closing,
    State::LastAck,
    State::TimeWait,
    State::Established,
];

#[test]
fn a_reset_at_the_next_expected_byte_ends_the_connection_in_every_state() {
    for state in SYNCHRONIZED {
        let (mut peer, seq, _) = in_state(state);
        peer.put("R", seq, 0, 0, 0);
        assert_eq!(peer.end.state(), State::Closed, "from {state}");
        assert!(peer.sent().is_empty());
    }
}

#[test]
fn a_reset_elsewhere_in_the_window_is_challenged_and_outside_it_is_ignored() {
    for state in [State::Established, State::FinWait1, State::FinWait2, State::CloseWait] {
        let (mut peer, seq, _) = in_state(state);
        peer.put("R", seq + 100, 0, 0, 0);
        assert_eq!(peer.end.state(), state);
        assert_eq!(peer.sent().len(), 1, "a challenge in {state}");
        peer.put("R", seq + 3_000_000, 0, 0, 0);
        assert!(peer.sent().is_empty() && peer.end.state() == state);
    }
}

#[test]
fn a_syn_in_a_synchronized_state_is_challenged_at_most_twice_a_second() {
    let mut peer = Peer::established(plain());
    peer.put("S", 1, 0, 0, 1000);
    assert_eq!(peer.sent(), [". 1:1(0) ack 1"]);
    peer.sleep_ms(100);
    peer.put("S", 1, 0, 0, 1000);
    assert!(peer.sent().is_empty());
    peer.sleep_ms(500);
    peer.put("S", 1, 0, 0, 1000);
    assert_eq!(peer.sent().len(), 1);
    assert_eq!(peer.end.state(), State::Established);
}

#[test]
fn an_acknowledgment_of_unsent_data_is_challenged_and_changes_nothing() {
    let mut peer = Peer::established(plain());
    peer.put(".", 1, 500, 0, 1000);
    assert_eq!(peer.sent(), [". 1:1(0) ack 1"]);
}

#[test]
fn both_closing_at_once_leads_through_closing_to_time_wait() {
    let mut peer = Peer::established(plain());
    peer.end.close(peer.now);
    assert_eq!(peer.sent(), ["F. 1:1(0) ack 1"]);
    peer.put("F.", 1, 1, 0, 1000);
    assert_eq!(peer.end.state(), State::Closing);
    assert_eq!(peer.sent(), [". 2:2(0) ack 2"]);
    peer.put(".", 2, 2, 0, 1000);
    assert_eq!(peer.end.state(), State::TimeWait);
    assert!(peer.end.timeout_is_background());
    peer.timers(Span::from_secs(100));
    assert!(peer.end.is_closed());
    assert_eq!(peer.now.as_ms() / 1000, 60);
}

#[test]
fn a_lost_fin_is_resent_and_a_retransmitted_fin_is_acknowledged_in_time_wait() {
    let mut peer = Peer::established(plain());
    peer.end.close(peer.now);
    peer.sent();
    let resent = peer.timers(Span::from_ms(600));
    assert_eq!(resent[0].1, "F. 1:1(0) ack 1");
    peer.put("F.", 1, 2, 0, 1000);
    assert_eq!((peer.end.state(), peer.sent()), (State::TimeWait, vec![". 2:2(0) ack 2".to_string()]));
    peer.sleep_ms(600);
    peer.put("F.", 1, 2, 0, 1000);
    assert_eq!(peer.sent(), [". 2:2(0) ack 2"]);
}

#[test]
fn data_for_an_application_that_has_gone_is_answered_with_a_reset() {
    let mut peer = Peer::established(plain());
    peer.end.close(peer.now);
    peer.sent();
    peer.put(".", 1, 2, 0, 1000);
    assert_eq!(peer.end.state(), State::FinWait2);
    peer.put(".", 1, 2, 100, 1000);
    assert_eq!(peer.sent(), ["R 2:2(0)"]);
    assert!(peer.end.is_closed());
}

#[test]
fn closing_with_unread_data_resets_at_once() {
    let mut peer = Peer::established(plain());
    peer.put(".", 1, 1, 100, 1000);
    peer.sent();
    peer.end.close(peer.now);
    assert_eq!(peer.sent(), ["R. 1:1(0) ack 101"]);
}

#[test]
fn an_orphan_in_fin_wait_2_is_forgotten_after_a_minute() {
    let mut peer = Peer::established(plain());
    peer.end.close(peer.now);
    peer.sent();
    peer.put(".", 1, 2, 0, 1000);
    peer.timers(Span::from_secs(100));
    assert!(peer.end.is_closed());
}

#[test]
fn every_second_full_segment_is_acknowledged_once_the_quick_ones_are_spent() {
    let mut peer = Peer::accepted(TcpConfig { rcvbuf: Some(40_000), ..plain() }, syn_options());
    let mut acks = Vec::new();
    for i in 0..40 {
        peer.put(".", 1 + i * 1000, 1, 1000, 1000);
        while peer.end.recv(peer.now, 10_000).is_some() {}
        acks.push(peer.sent().len());
        peer.sleep_ms(1);
    }
    assert!(acks[..9].iter().all(|n| *n == 1), "{acks:?}");
    assert_eq!(acks[30..], [1, 0, 1, 0, 1, 0, 1, 0, 1, 0], "{acks:?}");
}

#[test]
fn a_lone_segment_is_acknowledged_after_forty_milliseconds() {
    let mut peer = Peer::accepted(TcpConfig { rcvbuf: Some(40_000), ..plain() }, syn_options());
    for i in 0..42 {
        peer.put(".", 1 + i * 1000, 1, 1000, 1000);
        peer.sent();
        while peer.end.recv(peer.now, 10_000).is_some() {}
        peer.sent();
        peer.sleep_ms(1);
    }
    let began = peer.now.as_ms();
    let sent = peer.timers(peer.now - Instant::ZERO + Span::from_ms(300));
    assert_eq!(sent.len(), 1);
    assert!((38..=41).contains(&(sent[0].0 - began)), "{sent:?} since {began}");
}

#[test]
fn data_out_of_order_is_sacked_most_recent_first_and_the_filled_hole_is_acknowledged_at_once() {
    let mut peer = Peer::established(plain());
    peer.put(".", 1001, 1, 1000, 1000);
    assert_eq!(peer.sent(), [". 1:1(0) ack 1 sack 1001:2001"]);
    peer.put(".", 3001, 1, 1000, 1000);
    assert_eq!(peer.sent(), [". 1:1(0) ack 1 sack 3001:4001 sack 1001:2001"]);
    peer.put(".", 1001, 1, 1000, 1000);
    assert_eq!(peer.sent(), [". 1:1(0) ack 1 sack 1001:2001 sack 1001:2001 sack 3001:4001"]);
    peer.put(".", 1, 1, 1000, 1000);
    assert_eq!(peer.sent(), [". 1:1(0) ack 2001 sack 3001:4001"]);
    peer.put(".", 2001, 1, 1000, 1000);
    assert_eq!(peer.sent(), [". 1:1(0) ack 4001"]);
    assert_eq!(peer.end.readable(), 4000);
}

#[test]
fn old_data_is_acknowledged_with_a_duplicate_report() {
    let mut peer = Peer::established(plain());
    peer.put(".", 1, 1, 1000, 1000);
    peer.sent();
    peer.put(".", 1, 1, 1000, 1000);
    assert_eq!(peer.sent(), [". 1:1(0) ack 1001 sack 1:1001"]);
}

#[test]
fn three_sacked_segments_bring_the_fourth_back() {
    let mut peer = Peer::established(plain());
    peer.write(10_000);
    assert_eq!(peer.sent().len(), 10);
    peer.sleep_ms(100);
    peer.put_sack(1, &[(1001, 2001)]);
    peer.put_sack(1, &[(1001, 3001)]);
    assert!(peer.sent().is_empty());
    peer.put_sack(1, &[(1001, 4001)]);
    assert_eq!(peer.sent(), [". 1:1001(1000) ack 1"]);
}

#[test]
fn a_closed_window_is_probed_with_growing_gaps_for_as_long_as_the_peer_answers() {
    let mut peer = Peer::established(plain());
    peer.put(".", 1, 1, 0, 0);
    peer.write(5_000);
    let probes = peer.timers(Span::from_ms(5_000));
    assert!(probes.iter().all(|(_, text)| text == ". 0:0(0) ack 1"), "{probes:?}");
    let times: Vec<u64> = probes.iter().map(|(ms, _)| *ms).collect();
    let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(times[0], 400);
    assert_eq!(gaps, [600, 1200, 2400]);
    peer.put(".", 1, 1, 0, 0);
    peer.put(".", 1, 1, 0, 1000);
    assert_eq!(peer.sent().len(), 5);
}

#[test]
fn a_window_smaller_than_a_segment_is_filled_only_after_a_probe_interval() {
    let mut peer = Peer::half_open(plain(), TcpOptions { mss: Some(1000), ..TcpOptions::default() });
    peer.sleep_ms(100);
    peer.put(".", 1, 1, 0, 2_000);
    peer.write(1_000);
    assert_eq!(peer.sent().len(), 1);
    peer.sleep_ms(100);
    peer.put(".", 1, 1_001, 0, 400);
    peer.write(2_000);
    assert!(peer.sent().is_empty());
    let sent = peer.timers(Span::from_ms(600));
    assert_eq!(sent, [(500, ". 1001:1401(400) ack 1".to_string())]);
}

#[test]
fn a_slow_reader_closes_the_window_and_opens_it_again() {
    let mut peer = Peer::accepted(TcpConfig { rcvbuf: Some(20_000), ..plain() }, syn_options());
    let mut seq = 1;
    let mut window = u32::MAX;
    for _ in 0..40 {
        if window < 1000 {
            break;
        }
        peer.put(".", seq, 1, 1000, 1000);
        seq += 1000;
        if let Some(ack) = peer.raw().last() {
            window = u32::from(ack.window) << peer.end.info(peer.now).rcv_wscale;
        }
        peer.sleep_ms(50);
    }
    peer.raw();
    assert!(window < 1000, "{window}");
    let readable = peer.end.readable();
    assert!(readable > 4_000);
    while peer.end.recv(peer.now, 100_000).is_some() {}
    let opened = peer.raw();
    assert_eq!(opened.len(), 1);
    assert!(u32::from(opened[0].window) << peer.end.info(peer.now).rcv_wscale >= 5_000);
}

#[test]
fn nagle_holds_a_second_small_segment_until_the_first_is_acknowledged() {
    let mut peer = Peer::established(TcpConfig { nodelay: false, ..plain() });
    peer.write(10);
    assert_eq!(peer.sent(), [". 1:11(10) ack 1"]);
    peer.write(10);
    peer.write(20);
    assert!(peer.sent().is_empty());
    peer.put(".", 1, 11, 0, 1000);
    assert_eq!(peer.sent(), [". 11:41(30) ack 1"]);
}

#[test]
fn an_old_timestamp_marks_an_old_segment() {
    let mut options = syn_options();
    options.timestamps = Some(Timestamps { value: 100, echo: 0 });
    let mut peer = Peer::half_open(TcpConfig { timestamps: true, ..plain() }, options);
    peer.sleep_ms(100);
    let put = |peer: &mut Peer, seq, len, value| {
        let mut segment = peer.segment(".", seq, 1, len, 1000);
        segment.options.timestamps = Some(Timestamps { value, echo: 0 });
        peer.deliver(&segment);
    };
    put(&mut peer, 1, 0, 200);
    put(&mut peer, 1, 500, 300);
    assert_eq!(peer.sent(), [". 1:1(0) ack 501"]);
    put(&mut peer, 501, 500, 150);
    assert_eq!(peer.sent(), [". 1:1(0) ack 501"]);
    assert_eq!(peer.end.readable(), 500);
    put(&mut peer, 501, 500, 301);
    assert_eq!(peer.end.readable(), 1000);
}

#[test]
fn an_idle_peer_is_probed_and_given_up() {
    let keepalive = Keepalive { idle: Span::from_secs(10), interval: Span::from_secs(2), probes: 3 };
    let mut peer = Peer::established(TcpConfig { keepalive: Some(keepalive), ..plain() });
    let sent = peer.timers(Span::from_secs(60));
    let seconds: Vec<u64> = sent.iter().map(|(ms, _)| ms / 1000).collect();
    assert_eq!(seconds, [10, 12, 14, 16]);
    assert!(sent[..3].iter().all(|(_, text)| text == ". 0:0(0) ack 1"));
    assert!(sent[3].1.starts_with("R."));
    assert_eq!(peer.end.error(), Some(TcpError::TimedOut));
}

#[test]
fn a_user_timeout_ends_a_connection_without_answers() {
    let mut peer =
        Peer::established(TcpConfig { user_timeout: Some(Span::from_secs(5)), tlp: false, ..plain() });
    peer.write(1_000);
    peer.timers(Span::from_secs(60));
    assert_eq!(peer.end.error(), Some(TcpError::TimedOut));
    assert!((5..=6).contains(&(peer.now.as_ms() / 1000)), "{}", peer.now);
}

#[test]
fn retransmissions_end_after_about_fifteen_minutes() {
    let mut peer = Peer::established(TcpConfig { tlp: false, ..plain() });
    peer.write(1_000);
    let sent = peer.timers(Span::from_secs(2000));
    assert_eq!(peer.end.error(), Some(TcpError::TimedOut));
    let seconds = peer.now.as_ms() / 1000;
    assert!((924..=1100).contains(&seconds), "after {seconds} s and {} transmissions", sent.len());
}

#[test]
fn a_smaller_path_mtu_cuts_what_is_in_flight_and_resends_it() {
    let mut options = syn_options();
    options.mss = Some(1460);
    let mut peer = Peer::accepted(plain(), options);
    peer.write(2_920);
    assert_eq!(peer.sent(), [". 1:1461(1460) ack 1", ". 1461:2921(1460) ack 1"]);
    peer.end.handle_unreachable(peer.now, Unreachable::FragmentationNeeded(1040));
    let sent = peer.sent();
    assert_eq!(
        sent,
        [
            ". 1:1001(1000) ack 1",
            ". 1001:1461(460) ack 1",
            ". 1461:2461(1000) ack 1",
            ". 2461:2921(460) ack 1"
        ]
    );
    peer.put(".", 1, 2921, 0, 1000);
    assert_eq!(peer.end.unacked(), 0);
}

#[test]
fn a_segment_for_no_connection_is_reset() {
    let peer = Peer::established(plain());
    let stray = peer.segment(".", 1, 1, 10, 1000);
    assert_eq!(reset_for(&stray).unwrap().seq, Seq(ISN) + 1);
}

#[test]
fn what_is_dropped_is_counted_by_cause() {
    let mut peer = Peer::established(plain());
    peer.put("F", 1, 0, 0, 1000);
    peer.put(".", 10_000_000, 1, 10, 1000);
    peer.put(".", 1, 500, 0, 1000);
    peer.put("R", 100, 0, 0, 1000);
    peer.put("S", 100, 0, 0, 1000);
    let discards = peer.end.info(peer.now).discards;
    let counts = [discards.flags, discards.sequence, discards.ack, discards.reset, discards.syn];
    assert_eq!((counts, discards.timestamp), ([1; 5], 0));
    assert_eq!(peer.end.state(), State::Established);
}
