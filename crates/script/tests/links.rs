//! Links that change, and links that are less than perfect, from a script.

mod common;

use common::{column, error_of, good, printed, result_of, script};

fn measured(text: &str, name: &str) -> f64 {
    column(&good(result_of(&script(text))), name)
}

#[test]
fn a_schedule_changes_rate_delay_and_loss_at_its_times() {
    let text = "
local a, b = net:host 'a', net:host 'b'
local link = net:link(a, b, { rate = '10Mbps', delay = '10ms', framing = 'ip' })
link:schedule { { '2s', delay = '50ms' }, { '4s', rate = '1Mbps' }, { '6s', loss = '100%' } }
local function rtt() return a:ping(b, { size = 97 }) end
print(math.floor(rtt() * 1e6 + 0.5))
sleep '2s' print(math.floor(rtt() * 1e6 + 0.5))
sleep '2s' print(math.floor(rtt() * 1e6 + 0.5))
sleep '2s' print(rtt())
";
    // 125 bytes take 0.1 ms at 10 Mbit/s and 1 ms at 1 Mbit/s, there and back.
    assert_eq!(printed(text), ["20200", "100200", "102000", "nil\ttimeout"]);
}

#[test]
fn a_flapping_link_is_up_for_its_share_of_the_time() {
    let text = "
local a, b = net:host 'a', net:host 'b'
local link = net:link(a, b, { rate = '10Mbps', delay = '1ms', framing = 'ip' })
link:flap { enabled = '800ms', disabled = '200ms' }
local flow = a:cbr { to = b, rate = '1Mbps', size = 972, stop = '100s' }
sleep '101s'
record { loss_pct = 100 * flow.packets_lost / (flow.bytes_offered / 972) }
";
    // Down for a fifth of the time; what is under way goes down with it.
    let loss = measured(text, "loss_pct");
    assert!((19.8..21.0).contains(&loss), "{loss}");
}

#[test]
fn impairments_can_be_switched_on_and_off_during_a_run() {
    let text = "
local a, b = net:host 'a', net:host 'b'
local link = net:link(a, b, { rate = '10Mbps', delay = '10ms', framing = 'ip' })
local first = a:cbr { to = b, rate = '1Mbps', size = 972, stop = '10s', port = 7 }
sleep '10s'
link:forward():set { corrupt = '50%', duplicate = '50%', jitter = { 'normal', '2ms', keep_order = false } }
local second = a:cbr { to = b, rate = '1Mbps', size = 972, start = now(), stop = '20s', port = 8 }
sleep '11s'
link:forward():set { corrupt = '0%', duplicate = '0%', jitter = 0 }
local third = a:cbr { to = b, rate = '1Mbps', size = 972, start = now(), stop = '31s', port = 9 }
sleep '11s'
local drops = link:forward().stats.drops
record { first = first.jitter, second = second.jitter, third = third.jitter, corrupted = drops.corrupted }
";
    let result = good(result_of(&script(text)));
    assert!(column(&result, "first") < 1e-9 && column(&result, "third") < 1e-9);
    assert!(column(&result, "second") > 0.0005);
    let corrupted = column(&result, "corrupted");
    assert!((500.0..760.0).contains(&corrupted), "{corrupted}");
}

#[test]
fn a_schedule_is_checked_when_it_is_made() {
    let with = |rows: &str| {
        format!("local a, b = net:host 'a', net:host 'b'\nlocal l = net:link(a, b)\nl:schedule {{ {rows} }}")
    };
    for (rows, says) in [
        ("'20s'", "each change is a table"),
        ("{ '20s', rat = '1Mbps' }", "did you mean 'rate'?"),
        ("{ rate = '1Mbps' }", "the time of a change"),
        ("{ '2s', loss = 5 }", "did you mean '5%'?"),
    ] {
        let error = error_of(&with(rows));
        assert!(error.to_string().contains(says), "{rows}: {error}");
    }
}
