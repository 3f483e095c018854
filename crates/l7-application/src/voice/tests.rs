use super::*;

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance
}

#[test]
fn the_default_connection_is_rated_93_2_and_4_41() {
    let rating = EModel::default().rating();
    assert!(close(rating.r, 93.2, 0.05), "{rating:?}");
    assert!(close(mos(rating.r), 4.41, 0.005));
}

#[test]
fn a_codec_costs_its_equipment_impairment() {
    let whole = EModel::default().rating().r;
    let g729 = EModel { ie: 10.0, ..EModel::default() }.rating().r;
    assert!(close(whole - g729, 10.0, 1e-9));
}

#[test]
fn losses_hurt_a_codec_without_concealment_most() {
    let lossy = |name| {
        let codec = Codec::named(name).unwrap();
        EModel::over_packets(&codec, 0.0, 0.02, 1.0).rating().ie_eff
    };
    // G.107 equation 7-29 by hand: Ie + (95 - Ie) 2 / (2 + Bpl).
    assert!(close(lossy("g711"), 95.0 * 2.0 / 6.3, 1e-9));
    assert!(close(lossy("g711_plc"), 95.0 * 2.0 / 27.1, 1e-9));
    assert!(close(lossy("g729a_vad"), 11.0 + 84.0 * 2.0 / 21.0, 1e-9));
}

#[test]
fn bursts_make_few_losses_worse_and_no_loss_is_worse_than_95() {
    let ie_eff =
        |codec: &Codec, loss, burst_r| EModel::over_packets(codec, 0.0, loss, burst_r).rating().ie_eff;
    let g711 = CODECS[0];
    // G.107 equation 7-29 by hand: 95 Ppl / (Ppl / BurstR + Bpl).
    assert!(close(ie_eff(&g711, 0.01, 4.0), 95.0 * 1.0 / (0.25 + 4.3), 1e-9));
    assert!(close(ie_eff(&g711, 0.02, 4.0), 95.0 * 2.0 / (0.5 + 4.3), 1e-9));
    // A little more costs as much, many more as much as random ones.
    assert!(close(ie_eff(&g711, 0.021, 4.0), ie_eff(&g711, 0.02, 4.0), 1e-9));
    assert!(close(ie_eff(&g711, 0.0741, 4.42), 95.0 * 7.41 / (7.41 + 4.3), 1e-9));
    for codec in &CODECS {
        for burst_r in [1.0, 1.5, 2.0, 8.0, 1e3] {
            let all: Vec<f64> =
                (0..=100).map(|loss| ie_eff(codec, f64::from(loss) / 100.0, burst_r)).collect();
            assert!(
                all.windows(2).all(|two| two[0] <= two[1]) && all[100] < 95.0,
                "{codec:?} {burst_r} {all:?}"
            );
            assert!(ie_eff(codec, 0.01, burst_r) >= ie_eff(codec, 0.01, 1.0));
        }
    }
}

#[test]
fn delay_is_free_to_100_ms_without_echo_and_dear_beyond_177() {
    let idd = |ta| EModel { ta, ..EModel::default() }.pure_delay();
    assert_eq!(idd(100.0), 0.0);
    assert!(idd(150.0) < 1.0 && idd(200.0) > 2.0, "{} {}", idd(150.0), idd(200.0));
    let r = |ms| EModel::over_packets(&CODECS[0], ms, 0.0, 1.0).rating().r;
    // The curve of G.114 figure 1: users are very satisfied (R of 90) up to about 200 ms, satisfied (80) to about 300 ms.
    assert!(r(150.0) > 88.0 && r(150.0) < 92.0, "{}", r(150.0));
    assert!(r(300.0) > 70.0 && r(300.0) < 82.0, "{}", r(300.0));
    assert!(r(0.0) > r(50.0) && r(50.0) > r(150.0) && r(150.0) > r(400.0));
}

#[test]
fn opinions_run_from_1_to_4_5() {
    assert_eq!((mos(-5.0), mos(0.0), mos(3.0), mos(100.0)), (1.0, 1.0, 1.0, 4.5));
    assert!(close(mos(50.0), 2.58, 0.01) && close(mos(80.0), 4.02, 0.01) && close(mos(90.0), 4.34, 0.01));
}

#[test]
fn codecs_have_their_rates() {
    let kbps = |name| Codec::named(name).unwrap().bits_per_s() / 1e3;
    assert_eq!((kbps("g711"), kbps("g729"), kbps("g723_1")), (64.0, 8.0, 6.4));
    assert_eq!(Codec::named("g712"), None);
}

fn at(ms: u64) -> Instant {
    Instant::ZERO + Span::from_ms(ms)
}

#[test]
fn a_frame_later_than_the_buffer_is_not_played() {
    let mut buffer = Playout::new(Buffering::Fixed(Span::from_ms(60)), CODECS[0]);
    say(&mut buffer, 0, &[Some(90)]);
    // The first that counts takes 50 ms, so that 110 ms are in time.
    say(&mut buffer, 100, &[Some(50), Some(110), Some(111), Some(40), None]);
    let heard = buffer.heard(at(1_000_000));
    assert_eq!((heard.sent, heard.played, heard.late), (5, 3, 1));
    assert!(close(heard.loss(), 0.4, 1e-9) && close(heard.playout_s.unwrap(), 0.11, 1e-9));
    assert!(close(heard.network_s.unwrap(), (0.05 + 0.11 + 0.111 + 0.04) / 4.0, 1e-9));
}

/// A frame each 20 ms from `start`, in ms, that takes so long or is lost.
fn say(buffer: &mut Playout, start: u64, delays: &[Option<u64>]) {
    let sent = |i: usize| at(start + 20 * i as u64);
    let mut events: Vec<(Instant, usize, bool)> = Vec::new();
    for (i, delay) in delays.iter().enumerate() {
        events.push((sent(i), i, false));
        events.extend(delay.map(|ms| (sent(i) + Span::from_ms(ms), i, true)));
    }
    events.sort_unstable();
    for (now, i, comes) in events {
        if comes { buffer.arrived(sent(i), now) } else { buffer.sent(sent(i), true) }
    }
}

#[test]
fn frames_that_open_the_way_do_not_count() {
    for buffering in [Buffering::Fixed(Span::from_ms(60)), Buffering::Adaptive(Span::from_ms(10))] {
        let mut buffer = Playout::new(buffering, CODECS[0]);
        // Twelve frames wait for addresses to be resolved, and come together.
        let mut delays: Vec<Option<u64>> = (0..12).map(|i| Some(240 - 20 * i + 30)).collect();
        delays.extend([Some(30); 50]);
        say(&mut buffer, 0, &delays);
        let heard = buffer.heard(at(1_000_000));
        // The first came at 270 ms; the next is sent at 280 ms.
        assert_eq!((heard.sent, heard.played), (62 - 14, 62 - 14), "{buffering:?}");
        assert!(heard.playout_s.unwrap() < 0.0901, "{heard:?}");
    }
}

#[test]
fn a_call_that_is_over_before_anything_came_is_heard_nevertheless() {
    let mut buffer = Playout::new(Buffering::Fixed(Span::from_ms(60)), CODECS[0]);
    say(&mut buffer, 0, &[Some(100), Some(120), Some(170)]);
    let heard = buffer.heard(at(1_000_000));
    assert_eq!((heard.sent, heard.played, heard.late), (3, 2, 1));
}

#[test]
fn of_what_was_not_heard_there_is_no_delay() {
    let mut buffer = Playout::new(Buffering::Fixed(Span::from_ms(60)), CODECS[0]);
    say(&mut buffer, 0, &[None; 10]);
    let heard = buffer.heard(at(1_000_000));
    assert_eq!((heard.sent, heard.played, heard.playout_s, heard.network_s), (10, 0, None, None));
    assert_eq!((heard.mouth_to_ear_s(&CODECS[0]), heard.rating(&CODECS[0])), (None, None));
    assert_eq!(heard.score(&CODECS[0]), Some((0.0, 1.0)));
}

#[test]
fn the_adaptive_buffer_follows_the_delays_at_talk_spurts() {
    let mut buffer = Playout::new(Buffering::Adaptive(Span::from_ms(10)), CODECS[0]);
    for spurt in 0..20 {
        for frame in 0..50 {
            let sent = at(spurt * 2000 + frame * 20);
            buffer.sent(sent, true);
            // From 30 to 49 ms, in turns.
            buffer.arrived(sent, sent + Span::from_ms(30 + frame % 20));
        }
    }
    let heard = buffer.heard(at(1_000_000));
    assert!(heard.loss() < 0.1, "{heard:?}");
    assert!((0.045..0.07).contains(&heard.playout_s.unwrap()), "{heard:?}");
}

#[test]
fn an_adaptive_buffer_that_knew_only_a_calm_way_survives_its_first_neighbour() {
    let mut buffer = Playout::new(Buffering::Adaptive(Span::ZERO), CODECS[0]);
    // Two spurts at 21 ms, then an upload whose packets take 6 ms each: one is waited for, seldom two.
    for (spurt, frames) in [(0, 50), (1, 50), (2, 200), (3, 200)] {
        for frame in 0..frames {
            let sent = at(spurt * 6000 + frame * 20);
            let waits = if spurt < 2 { 0 } else { (frame * 7) % 61 + if frame % 25 == 0 { 60 } else { 0 } };
            buffer.sent(sent, true);
            buffer.arrived(sent, sent + Span::from_us(21_000 + 100 * waits));
        }
    }
    let heard = buffer.heard(at(1_000_000));
    // The first frame opens the way.
    assert_eq!((heard.sent, heard.late), (499, 0));
    // 21 to 24 ms in the network, and a frame's time; by the E-model nothing is missing (R of 93.2 less the delay).
    assert!((0.040..0.046).contains(&heard.playout_s.unwrap()), "{heard:?}");
    assert!(mos(heard.rating(&CODECS[0]).unwrap().r) > 4.35, "{:?}", heard.rating(&CODECS[0]));
}

#[test]
fn frames_that_are_lost_together_are_bursts() {
    let run = |pattern: &str| burst_ratio(pattern.chars().map(|c| c == '.'));
    assert_eq!(run("......"), 1.0);
    assert!(close(run("xx..xx...."), 2.0 * 0.6, 1e-9));
    assert_eq!(run("x....x....x...."), 1.0);
}

#[test]
fn a_call_of_which_nothing_was_sent_has_no_score() {
    assert_eq!((Heard::default().rating(&CODECS[0]), Heard::default().score(&CODECS[0])), (None, None));
}
