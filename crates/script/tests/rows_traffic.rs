//! What traffic must show, row by row of the project's checklist, and what else belongs to it.

mod common;
mod loads;

use common::{at, column, error_of, good, lines, printed, request, result_of, run_at, script, shipped, text};
use tidewire_metrics::Value;
use tidewire_script::{plan, run};

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
    let call = |queue, buffer| {
        at("scripts/traffic/voice.lua", &[("queue", queue), ("codec", "g711"), ("buffer", buffer)])
    };
    assert!(column(&call("fq_codel", "60ms"), "mos") > 4.2);
    assert!(column(&call("droptail", "60ms"), "mos") < 2.0);
    // What follows the delays waits for less, and misses nothing that a whole packet of the upload delays.
    let adaptive = call("fq_codel", "adaptive");
    assert!(column(&adaptive, "mos") > 4.3 && column(&adaptive, "late_count") == 0.0);
    assert!((60.0..70.0).contains(&column(&adaptive, "mouth_to_ear_ms")));
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
fn hosts_without_a_free_port_are_named_at_the_end_and_cost_little() {
    let result = good(result_of(&script(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { rate = '100Mbps', delay = '1ms', queue = '400pkt' })
         local t = net:traffic { from = {a}, to = {b}, size = '200B', rate = 10000, stop = '2s' }
         t:wait()
         record { completed = t.completed, failed = t.failed, begun = t.begun }",
    )));
    assert_eq!(column(&result, "completed"), 16384.0);
    assert_eq!(column(&result, "failed"), column(&result, "begun") - 16384.0);
    let [warning] = &result.warnings[..] else { panic!("{:?}", result.warnings) };
    assert!(warning.text.starts_with("traffic: a had no free port to b: "), "{}", warning.text);
    assert!(warning.text.contains("flows failed as \"in use\"") && warning.text.contains("keepalive = true"));
    assert_eq!(warning.place.as_ref().map(|place| place.line), Some(3));
    // A port is taken again as soon as it is free, also from a socket of the script's.
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { rate = '1Gbps' })
         local t = net:traffic { from = {a}, to = {b}, size = '200B', rate = 10000, stop = '2s', time_wait = '20s', port = 7000 }
         t:wait()
         print(t.completed, a:connect(b, 7000))
         sleep(18.5)
         print(a:connect(b, 7000) ~= nil)",
    );
    assert_eq!(lines, ["16384\tnil\tin use", "true"]);
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

/// Six hosts at a router; what happens, and what is printed of it.
fn six(what: &str) -> Vec<String> {
    printed(&format!(
        "local r, H = net:router 'r', net:hosts('h', 6)
         for _, h in ipairs(H) do net:link(h, r, {{ rate = '10Mbps', delay = '5ms' }}) end
         {what}"
    ))
}

/// Counts, and what flows of these seconds have failed with.
const COUNTS: &str = "
    print(t:wait())
    local why = {}
    for _, row in ipairs(t:rows()) do if row.error then why[row.error] = (why[row.error] or 0) + 1 end end
    print(t.begun == t.completed + t.failed, t.failed > 0, now() < 20, why.cancelled and why.cancelled > 0)";

#[test]
fn what_a_host_that_crashes_has_under_way_has_failed_and_the_wait_ends() {
    let crash = "at(1, function() H[2]:crash() end)";
    for what in [
        "from = {H[1]}, to = {H[2]}, size = '1kB', response = '100kB', load = '95%'",
        "from = {H[2]}, to = {H[1]}, size = '100kB', response = '100kB', think = '1ms'",
        "hosts = H, size = '100kB', load = '95%'",
        "hosts = H, size = '100kB', think = '10ms', keepalive = true",
    ] {
        let lines = six(&format!("{crash} local t = net:traffic {{ {what}, stop = 3 }} {COUNTS}"));
        assert_eq!(lines, ["true", "true\ttrue\ttrue\ttrue"], "{what}");
    }
    // Nobody is left who would ask.
    for what in ["rate = 20", "think = '10ms'"] {
        let lines = six(&format!(
            "at(1, function() H[1]:crash() end)
             local t = net:traffic {{ from = {{H[1]}}, to = {{H[2]}}, size = '10kB', {what}, count = 1000 }}
             print(t:wait()) print(now() < 1.5, t.begun < 1000)"
        ));
        assert_eq!(lines, ["nil\thost is down", "true\ttrue"], "{what}");
    }
}

#[test]
fn a_barrier_with_a_host_that_crashes_goes_on_without_it() {
    let incast = "local t = net:incast { to = H[1], from = {H[2], H[3]}, block = '1MB', rounds = 20 }
        print(t:wait()) local all, failed = t:rounds(), 0
        for _, round in ipairs(all) do failed = failed + math.min(round.failed, 1) end ";
    let server =
        six(&format!("at(1, function() H[2]:crash() end) {incast} print(#all, failed > 10, now() < 20)"));
    assert_eq!(server, ["true", "20\ttrue\ttrue"]);
    let back = six(&format!(
        "at(1, function() H[2]:crash() end) at(1.2, function() H[2]:boot() end) {incast}
         print(#all, failed > 0, failed < 20, all[20].failed, now() < 20)"
    ));
    assert_eq!(back, ["true", "20\ttrue\ttrue\t0\ttrue"]);
    let client = six(&format!(
        "at(1, function() H[1]:crash() end) {incast} print(all[#all].failed, now() < 1.01)
         at(3, function() H[1]:boot() end) sleep(2.1) print(t:wait()) print(#t:rounds(), t:rounds()[20].failed)"
    ));
    assert_eq!(client, ["nil\thost is down", "2\ttrue", "true", "20\t0"]);
}

#[test]
fn a_host_that_is_down_begins_nothing_and_its_servers_listen_when_it_boots() {
    for (node, down) in [
        (1, "from = {H[1]}, to = {H[2]}"),
        (1, "from = {H[1], H[3]}, to = {H[2]}"),
        (2, "from = {H[1]}, to = {H[2]}"),
    ] {
        let lines = six(&format!(
            "at(1, function() H[{node}]:crash() end) at(2, function() H[{node}]:boot() end)
             local t = net:traffic {{ {down}, size = '10kB', rate = 20, stop = 10 }}
             print(t:wait())
             local begun, late, slow = 0, 0, 0
             for _, row in ipairs(t:rows()) do
               if row.from == 'h1' and row.start > 1 and row.start < 2 then begun = begun + 1 end
               if row.start > 2 and not row.fct then late = late + 1 end
               if (row.slowdown or 0) > 5 then slow = slow + 1 end
             end
             print(begun == 0, late, slow, t.completed > 100)"
        ));
        assert_eq!(lines, ["true".to_owned(), format!("{}\t0\t0\ttrue", node == 1)], "{node} {down}");
    }
}

/// A film of 200 s over 5 Mbit/s, of whose link or server something happens meanwhile.
fn film(what_happens: &str, then: &str) -> Vec<String> {
    printed(&format!(
        "local a, b = net:host 'a', net:host 'b'
         local link = net:link(a, b, {{ rate = '5Mbps', delay = '10ms' }})
         local server = a:abr_server {{ ladder = {{ '300kbps', '1Mbps' }} }}
         {what_happens}
         local player = b:abr_player {{ server = a, ladder = {{ '300kbps', '1Mbps' }}, duration = '200s', rule = 'highest', buffer = '30s' }}
         {then}"
    ))
}

#[test]
fn a_film_stands_still_while_a_segment_does_not_come() {
    let lines = film(
        "at(5, function() link:disable() end) at(30, function() link:enable() end)",
        "for _, t in ipairs { 20, 25, 35 } do
           sleep(t - now())
           print(t, ('%.0f'):format(player.buffer), player.stalls, ('%.0f'):format(player.stalled_s))
         end
         print(player:wait())
         print(player.stalls, #player.history, ('%.0f'):format(now() - player.startup_s - player.stalled_s))",
    );
    // The server tries again at 39 s. What is neither start nor stall is the film.
    assert_eq!(lines[3..], ["true", "1\t50\t200"], "{lines:?}");
    let rows: Vec<Vec<f64>> =
        lines[..3].iter().map(|line| line.split('\t').map(|x| x.parse().unwrap()).collect()).collect();
    let dry = 20.0 + rows[0][1];
    assert!((20.5..25.0).contains(&dry) && rows[0][2] == 0.0, "{lines:?}");
    assert_eq!((rows[1][1], rows[1][2], rows[2][2]), (0.0, 1.0, 1.0), "{lines:?}");
    assert!((rows[2][3] - (35.0 - dry)).abs() <= 1.0, "{lines:?}");
}

#[test]
fn a_film_that_breaks_off_has_stood_still_until_then() {
    let lines = film(
        "at(5, function() link:disable() end)",
        "print(player:wait())
         print(player.error, player.stalls, player.stalled_s > 40 and player.stalled_s < 65, player.buffer)
         local before = player.stalled_s sleep(10) print(player.stalled_s == before)",
    );
    assert_eq!(lines, ["nil\ttimeout", "timeout\t1\ttrue\t0", "true"]);
}

#[test]
fn a_film_in_a_quality_that_the_server_does_not_have_breaks_off() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b)
         a:abr_server { ladder = { '300kbps', '1Mbps' } }
         local player = b:abr_player { server = a, ladder = { '300kbps', '1Mbps', '5Mbps' }, rule = 'highest' }
         print(player:wait())",
    );
    assert_eq!(lines, ["nil\tthe server has no quality 3"]);
}

#[test]
fn a_player_whose_host_crashes_has_its_answer() {
    let lines = film(
        "at(8, function() b:crash() end)",
        "print(player:wait()) print(now(), player.error, #player.history > 0, player.mean_kbps) print(player:wait())",
    );
    assert_eq!(lines, ["nil\thost is down", "8.0\thost is down\ttrue\t1000.0", "nil\thost is down"]);
}

#[test]
fn films_without_length_and_ports_of_others_are_refused() {
    let with = |what: &str| {
        error_of(&format!(
            "local a, b = net:host 'a', net:host 'b' net:link(a, b) local ladder = {{ '300kbps' }} {what}"
        ))
        .message
    };
    for (what, message) in [
        ("a:abr_server { ladder = ladder, segment = 0 }", "segment must be more than 0"),
        ("b:abr_player { server = a, ladder = ladder, segment = 0 }", "segment must be more than 0"),
        ("b:abr_player { server = a, ladder = ladder, duration = 0 }", "duration must be more than 0"),
        ("a:listen(91) a:abr_server { ladder = ladder, port = 91 }", "port 91 of a is in use"),
        ("a:abr_server { ladder = ladder } a:abr_server { ladder = ladder }", "port 80 of a is in use"),
        ("b:udp(5000) a:voice { to = b, port = 5000, stop = 3 }", "port 5000 of b is in use"),
    ] {
        assert!(with(what).contains(message), "{what}: {}", with(what));
    }
    // Two calls may share a port: each has a playout buffer.
    let both = printed(
        "local a, b = net:host 'a', net:host 'b' net:link(a, b)
         local one, two = a:voice { to = b, port = 5000, stop = 3 }, a:voice { to = b, port = 5000, stop = 3 }
         sleep(4) print(one.mos > 4, two.mos > 4)",
    );
    assert_eq!(both, ["true\ttrue"]);
}

#[test]
fn bursts_pauses_and_sizes_may_be_of_pareto() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { rate = '100Mbps', queue = '10000pkt' })
         local heavy = { 'pareto', mean = '100ms', shape = 1.5, max = '10s' }
         local bursts = a:on_off { to = b, rate = '8Mbps', on = heavy, off = heavy, stop = 300 }
         local sizes = a:poisson { to = b, rate = '1Mbps', size = { 'pareto', mean = 500, shape = 1.5, max = 1400 }, stop = 300 }
         sleep(301)
         print(bursts.bytes_delivered * 8 / 300e6, sizes.bytes_delivered * 8 / 300e6)",
    );
    let mbps: Vec<f64> = lines[0].split('\t').map(|x| x.parse().unwrap()).collect();
    // Half of the time; 1,500 bursts whose deviation is four times their mean.
    assert!((3.2..4.8).contains(&mbps[0]), "{mbps:?}");
    assert!((0.97..1.03).contains(&mbps[1]), "{mbps:?}");
    let wrong = |options: &str| {
        error_of(&format!(
            "local a, b = net:host 'a', net:host 'b' net:link(a, b) a:on_off {{ to = b, rate = '1Mbps', stop = 1, {options} }}"
        ))
        .message
    };
    assert!(wrong("on = 0").contains("on must be more than 0"));
    assert!(wrong("on = 0, off = 0").contains("on must be more than 0"));
    assert!(wrong("off = 'soon'").contains("off is a time, or"));
    assert!(wrong("on = { 'pareto', mean = '1s', shape = 0.9 }").contains("has no mean"));
    assert!(wrong("on = { 'pareto', mean = '1s', max = '1s' }").contains("max must be more than mean"));
    assert!(wrong("on = { 'pareto', mean = 'x' }").contains("mean must be a time, such as \"100ms\""));
}

#[test]
fn a_flow_of_datagrams_is_over_when_the_last_has_arrived_or_is_lost() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         local link = net:link(a, b, { rate = '1Mbps', delay = '250ms', queue = '100pkt' })
         a:ping(b)
         local t = now()
         local flow = a:cbr { to = b, rate = '8Mbps', size = 1000, count = 10 }
         print(flow:wait(), flow.bytes_delivered, ('%.2f'):format(now() - t))
         link:set { loss = '100%' }
         t = now()
         flow = a:cbr { to = b, rate = '8Mbps', size = 1000, count = 10 }
         print(flow:wait(), flow.bytes_delivered, now() - t < 1)",
    );
    // Ten frames of 1066 bytes at 1 Mbit/s, and 250 ms on the way.
    assert_eq!(lines, ["true\t10000\t0.34", "true\t0\ttrue"]);
}

#[test]
fn calls_of_the_skype_script_lose_nothing_where_nothing_is_lost_and_failed_ones_have_empty_cells() {
    let calm = at("scripts/hybrid/skype.lua", &[("dies", "nobody")]);
    let (_, paths) = calm.tables.iter().find(|(name, _)| name == "paths").unwrap();
    let place = |name: &str| paths.columns.iter().position(|column| column == name).unwrap();
    let [path, connect, loss, media, relayed] =
        ["path", "connect_ms", "loss_pct", "media_bytes", "relayed_bytes"].map(place);
    assert_eq!(paths.rows.len(), 36);
    for row in &paths.rows {
        let number = |column: usize| row[column].number();
        if row[path] == text("failed") {
            assert_eq!((number(connect), number(loss)), (None, None), "{row:?}");
            continue;
        }
        assert!(number(connect).unwrap() > 0.0 && number(loss) == Some(0.0), "{row:?}");
        // What a relay has passed on is less than what was sent: the first frames come before both ends have called there.
        let share = number(relayed).unwrap() / number(media).unwrap();
        let expected = if row[path] == text("relayed") { 0.98..1.0 } else { 0.0..0.001 };
        assert!(expected.contains(&share), "{row:?}");
    }
}
