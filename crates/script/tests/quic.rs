//! QUIC in scripts: what `docs/quic.md` says, and the scripts that it names.

mod common;

use common::{at, column, error_of, good, printed, request, result_of, script, shipped, text};
use tidewire_metrics::Value;
use tidewire_script::{plan, run};

#[test]
fn quic_answers_after_two_round_trips_and_after_one_with_a_ticket() {
    let result = good(result_of(&shipped("scripts/quic/handshakes.lua")));
    // A round trip is 100 ms: TCP, TLS 1.3 and the question; the handshake and the question; the question.
    for (column_name, ms) in [("https_ms", 300.0), ("quic_ms", 200.0), ("early_ms", 100.0)] {
        let measured = column(&result, column_name);
        assert!((measured - ms).abs() < 6.0, "{column_name} {measured}");
    }
    assert_eq!(column(&result, "migrated_bytes"), 5e6);
    // 5 MB take 2.1 s at 20 Mbit/s. A second after their beginning the address changes: half a second until the window is as large again.
    let seconds = column(&result, "migrated_s");
    assert!((2.1..3.5).contains(&seconds), "{seconds}");
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
fn pacing_makes_slow_start_longer_for_tcp_as_for_quic() {
    let dropped = |over: &str, queue: &str| {
        column(&at("scripts/quic/slow_start.lua", &[("over", over), ("queue", queue)]), "dropped_count")
    };
    for queue in ["10pkt", "50pkt"] {
        let [tcp, paced, quic] = ["tcp", "tcp_paced", "quic"].map(|over| dropped(over, queue));
        assert!(tcp < quic && quic < paced, "{queue}: {tcp} {quic} {paced}");
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
         print(conn:open())",
    );
    assert_eq!(lines, ["nil\ttimeout", "nil\tin use", "nil\tclosed", "nil\tclosed"]);
}

/// A client, a server that answers with what it is asked for, 50 ms between them.
const ANSWERS: &str = "
    local a, b = net:host 'a', net:host 'b'
    net:link(a, b, { rate = '100Mbps', delay = '50ms', queue = '1000pkt' })
    a:ping(b)
    b:quic_listen(443, function(conn)
      for stream in conn:streams() do stream:recv_all() stream:send_bytes '2MB' stream:finish() end
    end)
    local function ask(conn)
      local stream = conn:open()
      stream:send 'x' stream:finish()
      return stream:discard()
    end\n";

#[test]
fn a_change_of_address_costs_a_new_slow_start_and_no_more() {
    let printed = printed(&format!(
        "{ANSWERS} for _, when in ipairs {{ false, 0.05, 0.12, 0.25, 0.5 }} do
           local begun, conn = now(), a:quic_connect(b, 443, {{ early = false }})
           if when then after(when, function() assert(conn:migrate()) end) end
           assert(ask(conn) == 2e6)
           print(now() - begun)
           conn:close() sleep(1)
         end"
    ));
    let took: Vec<f64> = printed.iter().map(|line| line.parse().unwrap()).collect();
    assert!(took[0] < 1.0, "{took:?}");
    // Ten packets in slow start carry 2 MB in eight round trips of 100 ms; before that, what was lost is missed.
    assert!(took[1..].iter().all(|s| (0.9..2.0).contains(s)), "{took:?}");
}

/// A server that answers with 50 MB, 50 ms away; what happens to it, and what the client then sees.
fn download(what: &str) -> Vec<String> {
    printed(&format!(
        "local a, b = net:host 'a', net:host 'b'
         local link = net:link(a, b, {{ rate = '20Mbps', delay = '50ms' }})
         b:quic_listen(443, function(conn)
           for stream in conn:streams() do stream:recv_all() stream:send_bytes '50MB' stream:finish() end
           print('server', now() > 30)
         end)
         local function ask(options)
           local conn = assert(a:quic_connect(b, 443, options))
           local stream = conn:open()
           stream:send 'x' stream:finish()
           return conn, stream
         end
         {what}"
    ))
}

#[test]
fn who_only_receives_gives_up_a_peer_that_is_silent() {
    // RFC 9000 section 10.1: 30 s after the last packet, or what idle says.
    for (options, least) in [("", 30.9), ("{ idle = '10s' }", 10.9)] {
        let lines = download(&format!(
            "at(1, function() b:crash() end) local _, stream = ask({options}) print(stream:discard())
             print(now() > {least}, now() < {least} + 0.3)"
        ));
        assert_eq!(lines, ["nil\ttimeout", "true\ttrue"], "{options}");
    }
    // Something else that runs does not matter; the server's end is gone as well.
    let mut lines = download(
        "every(0.5, function() end) at(1, function() link:disable() end) at(100, function() stop() end)
         local _, stream = ask() print(stream:discard {timeout = 500}) print(now() < 32) sleep(20)",
    );
    lines.sort();
    assert_eq!(lines, ["nil\ttimeout", "server\ttrue", "true"]);
}

#[test]
fn a_connection_that_was_silent_for_too_long_is_gone_at_both_ends() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { rate = '20Mbps', delay = '50ms' })
         b:quic_listen(443, function(conn)
           for stream in conn:streams() do stream:send(stream:recv_all()) stream:finish() end
           print('gone', now())
         end, { idle = '10s' })
         local function echo(conn)
           local stream, why = conn:open()
           if not stream then return print(why) end
           print(stream:send 'x') stream:finish()
           print(stream:recv_all())
         end
         for _, pause in ipairs { 9, 100 } do
           local conn = a:quic_connect(b, 443, { idle = '10s', early = false })
           echo(conn) sleep(pause) echo(conn)
         end",
    );
    let gone: Vec<&String> = lines.iter().filter(|line| line.starts_with("gone")).collect();
    assert_eq!(gone.len(), 2, "{lines:?}");
    let rest: Vec<&String> = lines.iter().filter(|line| !line.starts_with("gone")).collect();
    assert_eq!(rest, ["1", "x", "1", "x", "1", "x", "timeout"], "{lines:?}");
}

#[test]
fn the_shorter_of_both_idle_timeouts_counts_at_both_ends() {
    for (client, server) in [("{ idle = '10s' }", "{ }"), ("{ }", "{ idle = '10s' }")] {
        let lines = printed(&format!(
            "local a, b = net:host 'a', net:host 'b'
             local link = net:link(a, b, {{ delay = '50ms' }})
             b:quic_listen(443, function(conn) print(conn:accept() ~= nil, conn:accept()) print(now() < 10.6) end, {server})
             local conn = assert(a:quic_connect(b, 443, {client}))
             local stream = conn:open() stream:send 'x'
             print(stream:recv()) print(now() > 10, now() < 10.6) sleep(1)"
        ));
        let mut sorted = lines.clone();
        sorted.sort();
        assert_eq!(sorted, ["nil\ttimeout", "true", "true\tnil\ttimeout", "true\ttrue"], "{client} {server}");
    }
}

#[test]
fn a_handshake_that_one_end_gives_up_ends_at_once_at_the_other() {
    let net = "local a, b = net:host 'a', net:host 'b'
               local link = net:link(a, b, { rate = '20Mbps', delay = '50ms' }) a:ping(b)";
    // The server refuses whom it does not like.
    let lines = printed(&format!(
        "{net} b:quic_listen(443, function(conn) conn:close(3) end)
         local t, conn = now(), a:quic_connect(b, 443)
         if conn then print(conn:accept()) else print(nil, 'closed') end print(now() - t < 0.11)"
    ));
    assert_eq!(lines, ["nil\tclosed", "true"]);
    // The client hears nothing, and says so when its patience is over.
    let lines = printed(&format!(
        "{net} link:backward():set {{ loss = '100%' }}
         b:quic_listen(443, function(conn) print('server', conn:connected()) print(now() > 3, now() < 3.5) end)
         print(a:quic_connect(b, 443, {{ timeout = '3s' }})) sleep(1)"
    ));
    assert_eq!(lines, ["nil\ttimeout", "server\tnil\tclosed", "true\ttrue"]);
}

#[test]
fn a_run_does_not_wait_for_silent_connections() {
    let lines = download(
        "at_end(function() print(now() < 1) end)
         local conn = assert(a:quic_connect(b, 443)) print(conn ~= nil)",
    );
    assert_eq!(lines[..2], ["true", "true"], "{lines:?}");
}

#[test]
fn whoever_waits_for_a_connection_of_a_host_that_crashes_hears_of_it() {
    let lines = download(
        "at(1, function() a:crash() end) local _, stream = ask() print(stream:discard()) print(now(), stream:send 'x')",
    );
    assert_eq!(lines[..2], ["nil\thost is down", "1.0\tnil\thost is down"]);
}

#[test]
fn only_a_clients_end_migrates() {
    let error = error_of(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b)
         b:quic_listen(443, function(conn)
           conn:migrate()
         end)
         assert(a:quic_connect(b, 443))",
    );
    assert!(error.message.contains("a server's end does not migrate"), "{}", error.message);
    assert_eq!(error.place.unwrap().line, 4);
    let lines = printed(&format!(
        "{ANSWERS} local conn = a:quic_connect(b, 443) print(conn:migrate()) conn:close() print(conn:migrate())"
    ));
    assert_eq!(lines, ["true", "nil\tclosed"]);
}

#[test]
fn what_the_handshake_has_found_is_known_to_who_did_not_wait_for_it() {
    let lines = printed(&format!(
        "{ANSWERS} for i = 1, 2 do
           local conn = assert(a:quic_connect(b, 443))
           print(conn.handshake_s > 0, conn.resumed, conn.early)
           assert(ask(conn))
           print(('%.2f'):format(conn.handshake_s), conn.resumed, conn.early)
           conn:close() sleep(1)
         end"
    ));
    assert_eq!(
        lines,
        ["true\tfalse\tfalse", "0.10\tfalse\tfalse", "false\tfalse\tfalse", "0.10\ttrue\ttrue"]
    );
}

#[test]
fn each_end_of_quic_keeps_to_what_the_other_takes_and_waits_as_long_as_it_says() {
    let out = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { rate = '20Mbps', delay = '50ms' })
         local function transfer(server, client, bytes, port)
           b:quic_listen(port, function(cn) for s in cn:streams() do s:discard() s:send_bytes(bytes) s:finish() end end, server)
           local k = a:quic_connect(b, port, client)
           local s, t = k:open(), now()
           s:finish()
           print(s:discard(), now() - t < 1.5)
           k:close()
         end
         transfer({ stream_window = '64KiB' }, { early = false }, '1MB', 1)
         transfer({ window = '64KiB' }, { early = false }, '1MB', 2)
         transfer({}, { early = false, stream_window = 1000 }, 2000, 3)
         b:quic_listen(9, function(cn) for s in cn:streams() do s:recv_all() s:send 'ok' s:finish() end end)
         local k = a:quic_connect(b, 9, { idle = 0, early = false })
         local function ask() local s = k:open() s:send 'x' s:finish() return s:recv_all() end
         print(ask()) sleep(20) print(ask())",
    );
    assert_eq!(out, ["1000000\ttrue", "1000000\ttrue", "2000\ttrue", "ok", "ok"]);
}
