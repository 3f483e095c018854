//! Calls: what the playout buffer and the E-model make of them.

mod common;

use common::{at, column, printed};

/// What a call that nobody disturbs is rated over 100 ms of way, with these options, and what is done before it.
fn call_over_100_ms(before: &str, options: &str) -> Vec<String> {
    printed(&format!(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, {{ rate = '10Mbps', delay = '100ms' }})
         {before}
         local call = a:voice {{ to = b, start = 1, stop = 11, {options} }}
         sleep(12)
         local v = call.voice
         print(v.late, v.lost, ('%.0f'):format(v.delay * 1000), ('%.2f'):format(v.mos))"
    ))
}

#[test]
fn the_buffer_of_a_call_counts_from_its_first_frame() {
    // 20 ms until a packet is full, 100 ms and 0.2 ms on the way, 60 ms in the buffer; whether addresses were known or not.
    for before in ["", "a:ping(b)"] {
        assert_eq!(call_over_100_ms(before, ""), ["0\t0\t180\t4.28"], "{before}");
        assert_eq!(call_over_100_ms(before, "buffer = '20ms'"), ["0\t0\t140\t4.33"], "{before}");
    }
    // What the model says of that delay.
    let lines = printed("print(('%.2f'):format(emodel { delay = '180ms' }.mos))");
    assert_eq!(lines, ["4.28"]);
}

#[test]
fn what_nobody_heard_has_no_delay() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { rate = '10Mbps', delay = '10ms', forward = { loss = '100%' } })
         local call = a:voice { to = b, stop = 5 }
         sleep(6)
         local v = call.voice
         print(v.sent, v.played, v.delay, v.network, v.mos, v.r)",
    );
    assert_eq!(lines, ["250\t0\tnil\tnil\t1.0\t0.0"]);
    // In a table it is an empty cell, and no plot takes the worst queue for the best.
    let worst =
        at("scripts/traffic/voice.lua", &[("queue", "droptail"), ("codec", "g711"), ("buffer", "60ms")]);
    if column(&worst, "loss_pct") == 100.0 {
        assert!(!worst.record.iter().any(|(name, _)| name == "mouth_to_ear_ms"), "{:?}", worst.record);
    } else {
        assert!(column(&worst, "mouth_to_ear_ms") > 100.0, "{:?}", worst.record);
    }
}

#[test]
fn a_call_of_which_nothing_was_sent_has_no_score_and_one_that_nobody_heard_the_worst() {
    for (what_happens, sent, score) in [
        // The caller is down: there is nothing to judge. Neither is there as long as no frame was due.
        ("a:crash()", 0, "nil\tnil\tnil"),
        ("b:crash()", 150, "1.0\t0.0\t100.0"),
        ("wait = 0.03", 0, "nil\tnil\tnil"),
    ] {
        let lines = printed(&format!(
            "local a, b, wait = net:host 'a', net:host 'b', 5
             net:link(a, b, {{ rate = '20Mbps', delay = '50ms' }})
             {what_happens}
             local call = a:voice {{ to = b, stop = 3 }}
             sleep(wait)
             local v = call.voice
             print(v.sent, call.mos, call.r, v.loss_pct)
             print(v.mos == call.mos and v.r == call.r)
             stop()"
        ));
        assert_eq!(lines, [format!("{sent}\t{score}"), "true".to_owned()], "{what_happens}");
    }
}

#[test]
fn larger_buffers_are_rated_better_where_losses_come_in_bursts() {
    // A call that 2 % of losses and an upload's full queue disturb: frames are late many in a row.
    let rated = |buffer: &str| {
        let lines = printed(&format!(
            "local a, b = net:host 'a', net:host 'b'
             net:link(a, b, {{ rate = '1Mbps', delay = '20ms', queue = '50pkt', forward = {{ loss = '2%' }} }})
             a:bulk {{ to = b, start = 5, stop = 30 }}
             local call = a:voice {{ to = b, stop = 40, buffer = '{buffer}' }}
             call:wait() sleep(1)
             for _, name in ipairs {{ 'r', 'loss_pct', 'burst', 'ie_eff' }} do print(call.voice[name]) end
             stop()"
        ));
        lines.iter().map(|line| line.parse().expect("a number")).collect::<Vec<f64>>()
    };
    let all: Vec<Vec<f64>> = ["60ms", "150ms", "250ms"].map(rated).to_vec();
    for one in &all {
        let &[r, loss, burst, ie_eff] = &one[..] else { panic!("{all:?}") };
        assert!(burst > 1.0 && loss > 2.0 && r > 0.0, "{all:?}");
        // As many random losses: 95 Ppl / (Ppl + Bpl).
        assert!((ie_eff - 95.0 * loss / (loss + 4.3)).abs() < 1e-6, "{all:?}");
    }
    assert!(all.windows(2).all(|two| two[0][0] + 5.0 < two[1][0]), "{all:?}");
}
