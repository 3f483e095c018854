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
        ("'20s'", "a schedule is a list of changes, each a table"),
        ("{ '20s', rat = '1Mbps' }", "did you mean 'rate'?"),
        ("{ rate = '1Mbps' }", "the time of a change"),
        ("{ '2s', loss = 5 }", "did you mean '5%'?"),
    ] {
        let error = error_of(&with(rows));
        assert!(error.to_string().contains(says), "{rows}: {error}");
    }
}

#[test]
fn a_queue_discipline_is_a_word_or_a_table_and_classes_come_from_dscp() {
    let text = |queue: &str| {
        format!(
            "
local a, b = net:host 'a', net:host 'b'
local link = net:link(a, b, {{ rate = '10Mbps', delay = '10ms', framing = 'ip', forward = {{ queue = {queue} }} }})
local flood = a:cbr {{ to = b, rate = '30Mbps', size = 1222, stop = '5s' }}
local voice = a:cbr {{ to = b, rate = '80kbps', size = 172, stop = '5s', dscp = 'EF' }}
sleep '5s'
local stats = link:forward().stats
record {{ voice_ms = voice.delay:p95_ms(), lost = voice.packets_lost, aqm = stats.drops.aqm, full = stats.drops.queue, marked = stats.marked }}
"
        )
    };
    for queue in ["'fq_codel'", "{ 'prio', bands = 2 }", "{ 'drr', classes = { 3, 1 } }", "'drr'"] {
        let result = good(result_of(&script(&text(queue))));
        // The packet that is being sent and, in turns, what the others have saved up: two at most, 1 ms each.
        assert!(column(&result, "voice_ms") < 10.2 + 3.1, "{queue}: {}", column(&result, "voice_ms"));
        assert_eq!(column(&result, "lost"), 0.0, "{queue}");
    }
    for queue in ["'codel'", "'pie'", "{ 'red', min = '5pkt', max = '15pkt', limit = '100pkt' }"] {
        let result = good(result_of(&script(&text(queue))));
        assert!(column(&result, "aqm") > 100.0 && column(&result, "marked") == 0.0, "{queue}");
    }
    let policed = good(result_of(&script(&text("{ 'tbf', rate = '2Mbps', burst = '5kB', police = true }"))));
    assert!(column(&policed, "aqm") > 12_000.0);
}

#[test]
fn classes_of_service_have_the_names_of_their_rfcs() {
    let seen = |dscp: &str| {
        let text = format!(
            "
local a, b = net:host 'a', net:host 'b'
net:link(a, b, {{ rate = '1Mbps', framing = 'ip', queue = {{ 'prio', bands = 8 }} }})
a:cbr {{ to = b, rate = '3Mbps', size = 972, stop = '100ms', dscp = 'CS3' }}
local flow = a:cbr {{ to = b, rate = '10kbps', size = 972, count = 1, start = '50ms', stop = '100ms', dscp = {dscp} }}
sleep '1s'
record {{ wait = flow.delay:max() }}
"
        );
        measured(&text, "wait") < 0.02
    };
    for before in ["'EF'", "'AF41'", "'CS4'", "46", "'va'", "63"] {
        assert!(seen(before), "{before}");
    }
    for after in ["'LE'", "'AF21'", "'CS0'", "0"] {
        assert!(!seen(after), "{after}");
    }
    let error = error_of(
        "local a, b = net:host 'a', net:host 'b'\nnet:link(a, b)\na:cbr { to = b, rate = '1Mbps', count = 1, dscp = 'AF44' }",
    );
    assert!(error.to_string().contains("\"AF41\""), "{error}");
}

/// Queues that differ in nothing when none of them drops.
const QUEUES: [&str; 9] = [
    "'1000pkt'",
    "{ 'codel', limit = '1000pkt', target = '100s', interval = '200s' }",
    "{ 'fq_codel', limit = '1000pkt', target = '100s', interval = '200s' }",
    "{ 'red', limit = '1000pkt', min = '2000pkt', max = '3000pkt' }",
    "{ 'pie', limit = '1000pkt', target = '100s' }",
    "{ 'drr', limit = '1000pkt' }",
    "{ 'prio', limit = '1000pkt' }",
    "{ 'tbf', limit = '1000pkt', rate = '1Gbps', burst = '1MB' }",
    "{ 'droptail', limit = '1000pkt', ce_threshold = '5000pkt' }",
];

fn overload(first: &str, queue: &str, rest: &str) -> String {
    format!(
        "{first} local a, b = net:host 'a', net:host 'b'
         local l = net:link(a, b, {{ rate = '10Mbps', queue = {queue}, framing = 'ip' }})
         a:cbr {{ to = b, rate = '30Mbps', size = 1472, stop = '500ms' }} {rest}"
    )
}

#[test]
fn what_a_link_has_sent_is_the_same_whatever_queue_it_has() {
    for queue in QUEUES {
        let rest = "l:forward():watch({ 'throughput_mbps', 'utilization_pct', 'queue_packets', 'queue_bytes' }, { every = '500ms' })
            sleep '1.6s'";
        let result = good(result_of(&script(&overload("", queue, rest))));
        let table = &result.tables.iter().find(|(name, _)| name == "series").unwrap().1;
        let seen = |metric: &str| -> Vec<f64> {
            let rows = table.rows.iter().filter(|row| row[2].to_string() == metric);
            rows.map(|row| row[3].number().unwrap()).collect()
        };
        assert_eq!(seen("throughput_mbps"), [10.008, 10.008, 10.008], "{queue}");
        assert_eq!(seen("utilization_pct"), [100.0; 3], "{queue}");
        assert_eq!(seen("queue_packets"), [857.0, 440.0, 23.0], "{queue}");
        assert_eq!(seen("queue_bytes"), [1_285_500.0, 660_000.0, 34_500.0], "{queue}");
    }
}

#[test]
fn packets_that_a_cut_ends_were_never_sent_and_a_new_count_begins_with_what_waits() {
    let rest = "at('500ms', function() l:disable() end) sleep '1s'
        local s = l.stats.forward print(s.tx_packets, s.drops.link_down, s.utilization_pct)";
    let later = "at('1s', function() local s = l.stats.forward print(s.tx_packets, s.tx_bytes, s.utilization_pct) end) sleep '2s'";
    for queue in QUEUES {
        assert_eq!(printed(&overload("", queue, rest)), ["417\t858\t50.0"], "{queue}");
        let warm = "experiment { warmup = '500ms', duration = '2s' }";
        assert_eq!(printed(&overload(warm, queue, later)), ["417\t625500\t100.0"], "{queue}");
    }
}

#[test]
fn packets_that_wait_are_counted_on_every_kind_of_link() {
    let most = |network: &str, watched: &str| {
        let text = format!(
            "local a, b, c = net:host 'a', net:host 'b', net:host 'c' {network}
             a:cbr {{ to = b, rate = '30Mbps', size = 1472, stop = '500ms' }} c:cbr {{ to = b, rate = '1Mbps', size = 1472, stop = '500ms' }}
             {watched}:watch({{ 'queue_packets', 'queue_bytes' }}, {{ every = '50ms' }}) sleep '30s'"
        );
        let result = good(result_of(&script(&text)));
        let table = &result.tables.iter().find(|(name, _)| name == "series").unwrap().1;
        let seen = |metric: &str| -> Vec<f64> {
            let rows = table.rows.iter().filter(|row| row[2].to_string() == metric);
            rows.map(|row| row[3].number().unwrap()).collect()
        };
        let (packets, bytes) = (seen("queue_packets"), seen("queue_bytes"));
        for (packets, bytes) in packets.iter().zip(&bytes) {
            assert!(*bytes <= 1500.0 * packets && *bytes >= 1400.0 * packets - 1500.0, "{packets} {bytes}");
        }
        assert_eq!(packets.last(), Some(&0.0), "{network}");
        packets.iter().copied().fold(0.0, f64::max)
    };
    let links = "net:link(a, m, { OPTS }) net:link(b, m, { OPTS }) net:link(c, m, { OPTS })";
    let with = |kind: &str, options: &str| format!("local m = net:{kind} {}", links.replace("OPTS", options));
    assert!(
        most(&with("hub 'm'", "rate = '10Mbps', queue = '1000pkt'"), "net:find('a-m'):forward()") > 700.0
    );
    // From the access point to b, what c sends waits as well.
    let ap = with("ap('m', { rate = '6Mbps' })", "distance = '5m', queue = '1000pkt'");
    assert!(most(&ap, "net:find('a-m'):forward()") > 500.0);
    assert!(most(&ap, "net:find('b-m'):backward()") > 10.0);
    let shared = with("switch('m', { buffer = '1MB' })", "rate = '10Mbps'")
        .replace("net:link(a, m, { rate = '10Mbps' })", "net:link(a, m, { rate = '100Mbps' })");
    assert!(most(&shared, "net:find('b-m'):backward()") > 300.0);
    let arq =
        "net:link(a, b, { rate = '10Mbps', queue = '1000pkt', arq = { 'gbn', window = 7 } }) net:link(c, b)";
    assert!(most(arq, "net:find('a-b'):forward()") > 700.0);
}

#[test]
fn a_link_with_a_delivery_trace_is_busy_for_the_opportunities_that_it_used() {
    let dir = tempfile::tempdir().unwrap();
    let busy = |trace: &str, rate: &str| {
        std::fs::write(dir.path().join("t.up"), trace).unwrap();
        let text = format!(
            "local a, b = net:host 'a', net:host 'b'
             local l = net:link(a, b, {{ forward = {{ trace = 't.up', queue = '100pkt' }} }})
             a:cbr {{ to = b, rate = '{rate}', size = 1472, stop = '10s' }} sleep '10s'
             record {{ busy = l.stats.forward.utilization_pct }}"
        );
        let path = dir.path().join("exp.lua");
        column(&good(result_of(&tidewire_script::Script { path, shown: "exp.lua".into(), text })), "busy")
    };
    // Two at the end of every period, or bursts with long pauses: full is full.
    for trace in ["0\n1\n2\n", "1\n", "0\n0\n7\n7\n7\n50\n"] {
        let busy = busy(trace, "30Mbps");
        assert!((99.9..=100.0).contains(&busy), "{trace:?}: {busy}");
    }
    // 750 packets a second over 1000 opportunities, all alike.
    let busy = busy("1\n", "8.832Mbps");
    assert!((74.9..75.1).contains(&busy), "{busy}");
}

#[test]
fn figures_of_a_link_print_each_way_and_each_queue() {
    let out = printed(
        "local a, b = net:host 'a', net:host 'b'
         local l = net:link(a, b, { rate = '10Mbps', queue = { 'prio', limit = '20pkt' } })
         a:cbr { to = b, rate = '30Mbps', stop = '100ms' }
         a:cbr { to = b, rate = '64kbps', dscp = 'EF', stop = '100ms' }
         sleep(1)
         print(l.stats.forward)
         local urgent, flood = table.unpack(l:forward().stats.queues)
         print(urgent.queue, urgent.drops, urgent.wait_max < 0.002, flood.queue, flood.drops > 200, flood.wait_mean > 0.01)
         print(flood.tx_packets + urgent.tx_packets == l:forward().stats.tx_packets, #l:backward().stats.queues)",
    );
    let idle = printed(
        "local a, b = net:host 'a', net:host 'b'
         local l = net:link(a, b, { queue = 'fq_codel' })
         a:cbr { to = b, rate = '1Mbps', start = '5s', stop = '6s' }
         a:ping(b)
         for _, row in ipairs(l:forward().stats.queues) do print(row.flow) end",
    );
    assert!(
        !idle.is_empty() && idle.iter().all(|flow| flow == "nil"),
        "ARP and pings are of no declared flow: {idle:?}"
    );
    assert!(out[0].starts_with("drops ") && out[0].contains("queue_mean_bytes"), "{}", out[0]);
    assert_eq!(out[out.len() - 2..], ["0\t0\ttrue\t2\ttrue\ttrue", "true\t1"]);
}
