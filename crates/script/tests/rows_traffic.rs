//! What traffic must show, row by row of the project's checklist, and what else belongs to it.

mod common;

use common::{column, error_of, good, lines, printed, request, result_of, run_at, script, shipped};
use tidewire_metrics::Value;
use tidewire_script::{RunResult, plan, run};

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn at(name: &str, wanted: &[(&str, &str)]) -> RunResult {
    let wanted: Vec<(&str, Value)> = wanted.iter().map(|(name, value)| (*name, text(value))).collect();
    run_at(&shipped(name), &wanted)
}

#[test]
fn row_32_udp_loses_frames_and_tcp_is_late_under_the_same_losses() {
    let call = |proto, loss| at("scripts/traffic/tcp_vs_udp_calls.lua", &[("proto", proto), ("loss", loss)]);
    let (tcp, udp) = (call("tcp", "2%"), call("udp", "2%"));
    // Datagrams never wait for one another: 40 ms and their own time on the link, whatever is lost.
    assert!((column(&udp, "p99_ms") - 40.2).abs() < 0.5, "{}", column(&udp, "p99_ms"));
    assert!((column(&udp, "missing_pct") - 2.0).abs() < 0.6, "{}", column(&udp, "missing_pct"));
    // A repair takes a round trip more at least, and what is behind it waits.
    assert!(column(&tcp, "p99_ms") > 100.0, "{}", column(&tcp, "p99_ms"));
    assert_eq!(column(&tcp, "missing_pct"), 0.0);
    assert!(column(&tcp, "not_played_pct") > 2.0 * column(&udp, "not_played_pct"));
    assert!(column(&tcp, "mos") < column(&udp, "mos"));
    let calm = call("tcp", "0%");
    assert!(column(&calm, "mos") > 4.2 && column(&calm, "stalls_count") == 0.0, "{}", column(&calm, "mos"));
}

#[test]
fn row_67_players_lower_their_quality_when_the_link_dips() {
    let play = |rule| at("scripts/traffic/abr.lua", &[("rule", rule)]);
    let (buffer, highest, lowest) = (play("buffer"), play("highest"), play("lowest"));
    assert!(column(&highest, "stalled_s") > 20.0, "{}", column(&highest, "stalled_s"));
    assert!(column(&buffer, "stalled_s") < 1.0 && column(&buffer, "switches_count") >= 2.0);
    assert!(column(&buffer, "mean_kbps") > 1000.0, "{}", column(&buffer, "mean_kbps"));
    assert_eq!((column(&lowest, "mean_kbps"), column(&lowest, "stalls_count")), (300.0, 0.0));
    assert!(column(&play("rate"), "stalled_s") < column(&highest, "stalled_s") / 4.0);
}

#[test]
fn a_fair_queue_saves_the_call_beside_an_upload() {
    let call =
        |queue| at("scripts/traffic/voice.lua", &[("queue", queue), ("codec", "g711"), ("buffer", "60ms")]);
    assert!(column(&call("fq_codel"), "mos") > 4.2);
    assert!(column(&call("droptail"), "mos") < 2.0);
}

#[test]
fn one_timeout_makes_a_block_two_hundred_milliseconds_longer() {
    let goodput = |servers: i64, rto| {
        let wanted = [("servers", Value::Int(servers)), ("rto", text(rto)), ("cc", text("reno"))];
        column(&run_at(&shipped("scripts/traffic/incast.lua"), &wanted), "goodput_pct")
    };
    // A block of 1 MB takes 8.4 ms at line rate: 8.4 / (8.4 + 200) = 4 %.
    let collapsed = goodput(64, "200ms");
    assert!((3.0..=4.6).contains(&collapsed), "{collapsed}");
    assert!(goodput(64, "1ms") > 50.0);
}

#[test]
fn a_flow_alone_takes_as_long_as_is_possible_at_least() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         local r = net:router 'r'
         net:link(a, r, { rate = '100Mbps', delay = '1ms' })
         net:link(r, b, { rate = '10Mbps', delay = '3ms', queue = '1000pkt' })
         a:ping(b)
         for _, size in ipairs { 100, 1448, 1000000, 10000000 } do
           local t = net:traffic { from = {a}, to = {b}, size = size, count = 1 }
           t:wait()
           print(t:rows()[1].slowdown)
         end",
    );
    let slowdowns: Vec<f64> = lines.iter().map(|line| line.parse().unwrap()).collect();
    // A short flow needs its handshake and half a round trip; a long one comes near the rate of the slowest link.
    assert!(slowdowns.iter().all(|x| *x > 0.99), "{slowdowns:?}");
    assert!(slowdowns[0] < 1.02 && slowdowns[1] < 1.02 && slowdowns[3] < 1.1, "{slowdowns:?}");
}

#[test]
fn a_load_is_the_share_of_the_link_that_is_used() {
    let result = good(result_of(&script(
        "experiment { duration = '20s', warmup = '1s' }
         local a, b = net:hosts('a', 4), net:hosts('b', 4)
         local l, r = net:router 'l', net:router 'r'
         for _, host in ipairs(a) do net:link(host, l, { rate = '1Gbps' }) end
         for _, host in ipairs(b) do net:link(host, r, { rate = '1Gbps' }) end
         local link = net:link(l, r, { rate = '100Mbps', delay = '1ms', queue = '200pkt' })
         net:traffic { from = a, to = b, size = {'exponential', mean = '100kB'}, load = '50%', link = link, start = '100ms' }
         at_end(function() record { used_pct = link:forward().stats.utilization_pct } end)",
    )));
    // 1,175 flows of exponential size in 19 s: a standard error of 4 %.
    assert!((column(&result, "used_pct") - 50.0).abs() < 6.0, "{}", column(&result, "used_pct"));
}

const BUSY: &str = "experiment { duration = '60ms' }
    local tree = net:fat_tree { k = 4, link = { rate = '1Gbps', delay = '1us', queue = '100pkt' } }
    local t = net:traffic { hosts = tree.hosts, size = 'web_search', load = '60%' }
    local i = net:incast { to = tree.hosts[1], from = { tree.hosts[5], tree.hosts[9], tree.hosts[13] }, block = '200kB', rounds = 10 }
    tree.hosts[2]:voice { to = tree.hosts[7] }
    tree.hosts[3]:video { to = tree.hosts[8], rate = '5Mbps' }
    at_end(function()
      print(t:summary()) print(i.goodput, t.completed)
      t:save('all')
    end)";

#[test]
fn the_same_run_gives_the_same_results_on_any_number_of_threads() {
    let once = || {
        let script = script(BUSY);
        let experiment = plan(&script, &[]).unwrap();
        let result = good(run(&script, &experiment, &request(&experiment.points[0].clone())));
        format!("{:?} {:?}", lines(&result), result.tables)
    };
    let alone = once();
    assert!(alone.len() > 2000);
    std::thread::scope(|scope| {
        let others: Vec<_> = (0..4).map(|_| scope.spawn(once)).collect();
        for other in others {
            assert!(other.join().unwrap() == alone, "a run on another thread differs");
        }
    });
}

#[test]
fn bad_distributions_and_recordings_are_refused_where_they_are_bad() {
    let with = |size: &str| {
        let text = format!(
            "local a, b = net:host 'a', net:host 'b' net:link(a, b)
             net:traffic {{ hosts = {{a, b}}, rate = 10, count = 1, size = {size} }}"
        );
        error_of(&text).message
    };
    let fall = with("{'cdf', {{0, 0}, {'1kB', 0.6}, {'2kB', 0.5}, {'3kB', 1}}}");
    assert!(fall.contains("point 3 of the distribution: the probability 0.5 is below 0.6"), "{fall}");
    assert!(with("'web_serch'").contains("'web_serch' is no size and no distribution"));
    assert!(with("{'pareto', mean = '1kB', shape = 1}").contains("has no mean"));
    assert!(with("{'cdf', file = 'none.csv'}").contains("none.csv"));
    assert!(with("{'exponential', men = '1kB'}").contains("exponential has no 'men'"));
    assert!(with("0").contains("at least 1 byte"));
}

#[test]
fn files_say_in_which_line_they_are_bad() {
    let dir = tempfile::tempdir().unwrap();
    let with = |name: &str, content: &[u8], used: &str| {
        std::fs::write(dir.path().join(name), content).unwrap();
        let text = format!("local a, b = net:host 'a', net:host 'b' {used}");
        let path = dir.path().join("exp.lua");
        let script = tidewire_script::Script { path: path.clone(), shown: "exp.lua".into(), text };
        let found = match plan(&script, &[]) {
            Err(error) => Some(error),
            Ok(experiment) => run(&script, &experiment, &request(&experiment.points[0].clone())).error,
        };
        found.expect("an error").message
    };
    let trace = |content: &[u8]| with("t.up", content, "net:link(a, b, { forward = { trace = 't.up' } })");
    assert!(trace(b"1\n2\nx\n").contains("t.up:3: 'x' is not a time"));
    assert!(trace(b"5\n4\n").contains("t.up:2: 4 ms comes after a later time"));
    assert!(trace(b"").contains("t.up:1: a trace needs a time"));
    let sizes = |content: &[u8]| {
        with(
            "s.csv",
            content,
            "net:link(a, b) net:traffic { hosts = {a, b}, rate = 1, count = 1, size = {'cdf', file = 's.csv'} }",
        )
    };
    assert!(
        sizes(b"size,p\n100,0.5\n200,0.4\n300,1\n").contains("s.csv:3: the probability 0.4 is below 0.5")
    );
    assert!(sizes(b"100,0.5\n200,0.9\n").contains("s.csv:2: the last probability must be 1"));
    assert!(sizes(b"100,0.5\n200\n").contains("s.csv:2: "));
    assert!(sizes(&[0xFF, 0xFE, 0, 1, b'\n', 7]).contains("s.csv:1: "));
    let table = |content: &[u8]| with("r.csv", content, "net:link(a, b) a:replay { to = b, csv = 'r.csv' }");
    assert!(table(b"0,100\n1,abc\n").contains("r.csv:2: '1,abc'"));
    assert!(table(b"0,100\n-1,100\n").contains("r.csv:2: "));
    let capture =
        |content: &[u8]| with("r.pcap", content, "net:link(a, b) a:replay { to = b, pcap = 'r.pcap' }");
    assert!(capture(b"garbage of some length").contains("r.pcap: neither pcapng nor pcap"));
    assert!(
        capture(&[0x0A, 0x0D, 0x0D, 0x0A, 9, 9]).contains("r.pcap: block 1 of the pcapng file, at byte 0")
    );
    assert!(capture(&[0xD4, 0xC3, 0xB2, 0xA1, 2, 0]).contains("r.pcap: the header is cut off"));
}

#[test]
fn traffic_that_never_ends_and_other_mistakes_are_said() {
    let with = |options: &str| {
        error_of(&format!(
            "local a, b, c = net:host 'a', net:host 'b', net:host 'c' net:lan('s', {{a, b, c}})
             net:traffic {{ size = '1kB', {options} }}"
        ))
        .message
    };
    assert!(with("hosts = {a, b}, rate = 5").contains("this traffic never ends"));
    assert!(with("hosts = {a, b}").contains("one of 'load', 'rate' and 'think'"));
    assert!(with("from = {a, b}, to = {b}, rate = 5, count = 1").contains("'from' and in 'to'"));
    assert!(
        with("from = {a, b}, to = {c}, rate = 5, count = 1, pattern = 'permutation'")
            .contains("as many in 'from'")
    );
    assert!(with("hosts = {a}, rate = 5, count = 1").contains("at least 2 hosts"));
}

#[test]
fn a_server_that_is_not_there_is_counted_and_the_run_goes_on() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         local link = net:link(a, b, { rate = '10Mbps' })
         link:disable()
         local t = net:traffic { from = {a}, to = {b}, size = '1kB', count = 3, rate = 100, syn_retries = 1 }
         t:wait()
         print(t.begun, t.completed, t.failed, t:rows()[1].error)",
    );
    assert_eq!(lines, ["3\t0\t3\tunreachable"]);
}

#[test]
fn quic_answers_after_two_round_trips_and_after_one_with_a_ticket() {
    let result = good(result_of(&shipped("scripts/quic/handshakes.lua")));
    // A round trip is 100 ms: TCP, TLS 1.3 and the question; the handshake and the question; the question.
    for (column_name, ms) in [("https_ms", 300.0), ("quic_ms", 200.0), ("early_ms", 100.0)] {
        let measured = column(&result, column_name);
        assert!((measured - ms).abs() < 6.0, "{column_name} {measured}");
    }
    assert_eq!(column(&result, "migrated_bytes"), 5e6);
}

#[test]
fn streams_of_quic_do_not_wait_for_one_another() {
    let run = |over| at("scripts/quic/head_of_line.lua", &[("over", over), ("loss", "2%")]);
    let (tcp, quic) = (run("tcp"), run("quic"));
    // One loss of QUIC's makes one to three pictures late, one of TCP's three to four.
    for result in [&tcp, &quic] {
        assert!(
            column(result, "over_least") > 0.8 && column(result, "over_most") < 1.3,
            "{:?}",
            result.record
        );
    }
    assert!(column(&quic, "late_pct") < column(&tcp, "late_pct"));
    for over in ["tcp", "quic"] {
        let calm = at("scripts/quic/head_of_line.lua", &[("over", over), ("loss", "0%")]);
        assert_eq!(column(&calm, "late_pct"), 0.0);
    }
}

#[test]
fn quic_is_as_fast_as_tcp_where_losses_are_the_limit() {
    let script = shipped("scripts/quic/bulk.lua");
    let experiment = plan(&script, &[]).unwrap();
    for cc in ["reno", "cubic"] {
        let took = |over: &str| {
            let wanted = [("over", over), ("cc", cc), ("loss", "2%")];
            let has = |point: &tidewire_script::Point, name: &str, value: &str| {
                point.iter().any(|(known, own)| known == name && *own == text(value))
            };
            let mut points = experiment.points.iter();
            let point =
                points.find(|point| wanted.iter().all(|(name, value)| has(point, name, value))).unwrap();
            let seconds = |seed| {
                let request = tidewire_script::RunRequest { seed, ..request(point) };
                column(&good(run(&script, &experiment, &request)), "took_s")
            };
            (1..=12).map(seconds).sum::<f64>() / 12.0
        };
        let (tcp, quic) = (took("tcp"), took("quic"));
        assert!((quic / tcp - 1.0).abs() < 0.1, "{cc}: quic {quic} s, tcp {tcp} s");
    }
}

#[test]
fn a_page_over_quic_begins_a_round_trip_earlier_than_over_tcp_and_tls() {
    let page = |over, loss| at("scripts/quic/web_page.lua", &[("over", over), ("loss", loss)]);
    // A round trip is 60 ms: TCP, TLS 1.3 and the question; QUIC and the question. An answer's first packet takes 1 ms more.
    let first = |over| column(&page(over, "0%"), "first_ms");
    for (over, ms) in [("http1", 180.0), ("http2", 180.0), ("quic", 120.0), ("quic_in_order", 120.0)] {
        assert!((0.0..6.0).contains(&(first(over) - ms)), "{over} {}", first(over));
    }
    // Six windows shrink less than one does, whoever has it.
    let load = |over| column(&page(over, "2%"), "load_ms");
    assert!(load("http1") < load("quic") && load("http1") < load("http2"));
}

#[test]
fn connections_of_quic_with_a_name_have_rows_among_the_flows() {
    let result = good(result_of(&script(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { rate = '10Mbps', delay = '10ms' })
         b:quic_listen(443, function(conn)
           for stream in conn:streams() do stream:discard() stream:send_bytes(200000) stream:finish() end
         end, { flow = 'down' })
         for _ = 1, 2 do
           local conn = assert(a:quic_connect(b, 443, { flow = 'up', early = false }))
           local stream = conn:open()
           stream:send_bytes(1000000)
           stream:finish()
           assert(stream:discard() == 200000)
           sleep(0.1)
           conn:close()
           sleep(0.1)
         end
         assert(a:quic_connect(b, 443, { early = false })):close() sleep(0.1)",
    )));
    let (_, flows) = result.tables.iter().find(|(name, _)| name == "flows").unwrap();
    let cell = |row: &[Value], name: &str| {
        row[flows.columns.iter().position(|column| column == name).unwrap()].clone()
    };
    let shown: Vec<String> = flows
        .rows
        .iter()
        .map(|row| {
            ["flow", "transport", "src", "dst", "bytes_delivered", "ended"]
                .map(|name| cell(row, name).to_string())
                .join(" ")
        })
        .collect();
    // Both ends have rows, of what they send; an end without a name has none.
    assert_eq!(
        shown,
        [
            "down quic b a 200000 closed",
            "down#2 quic b a 200000 closed",
            "down#3 quic b a 0 closed",
            "up quic a b 1000000 closed",
            "up#2 quic a b 1000000 closed",
        ]
    );
    let up = &flows.rows[3];
    // 1 MB at 10 Mbit/s: 0.84 s with headers, and slow start.
    let fct = cell(up, "fct_s").number().unwrap();
    assert!((0.84..1.1).contains(&fct), "{fct}");
    let goodput = cell(up, "goodput_mbps").number().unwrap();
    assert!((goodput - 8.0 / fct).abs() < 0.01, "{goodput} {fct}");
    assert!((20.0..60.0).contains(&cell(up, "rtt_min_ms").number().unwrap()));
}

#[test]
fn quic_says_why_there_is_no_connection() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { delay = '10ms' })
         print(a:quic_connect(b, 443, { timeout = '2s' }))
         b:quic_listen(443, function(conn) sleep(0.5) conn:close(3) end)
         print(b:quic_listen(443, print))
         local conn = assert(a:quic_connect(b, 443))
         print(conn:accept())
         print(conn:open():recv())",
    );
    assert_eq!(lines, ["nil\ttimeout", "nil\tin use", "nil\tclosed", "nil\tclosed"]);
}
