//! Functions that look at packets, and changes that happen by a timetable.

mod common;

use common::{error_of, good, lines, printed, result_of, script, shows};
use tidewire_metrics::Value;
use tidewire_script::Script;

/// Two hosts and a link of 10 Mbit/s and 5 ms.
const PAIR: &str = "local a, b = net:host 'a', net:host 'b' local l = net:link(a, b, { rate = '10Mbps', delay = '5ms', framing = 'ip' })\n";

fn pair(rest: &str) -> Vec<String> {
    printed(&format!("{PAIR}{rest}"))
}

#[test]
fn a_filter_passes_drops_and_holds_back_and_the_ledger_knows() {
    let result = good(result_of(&script(&format!(
        "{PAIR}local u = b:udp(7) local s = a:udp()
         l:forward():filter(function(pkt)
           if pkt.payload == 'no' then return 'drop' end
           if pkt.payload == 'later' then return '20ms' end
           if pkt.payload == 'now' then return 'pass' end
         end)
         for _, word in ipairs {{ 'later', 'no', 'now', 'plain' }} do s:sendto(word, b, 7) end
         for _ = 1, 3 do local data = u:recvfrom() print(data, ('%.3f'):format(now())) end
         print(u:recvfrom {{ timeout = '1s' }})
         l:filter() s:sendto('no', b, 7) print((u:recvfrom()))"
    ))));
    // 32 and 33 bytes at 10 Mbit/s take 25 and 26 us.
    assert_eq!(lines(&result), ["now\t0.005", "plain\t0.005", "later\t0.025", "nil\ttimeout", "no"]);
    let ledger = &result.tables.iter().find(|(name, _)| name == "ledger").expect("a ledger").1;
    let row =
        ledger.rows.iter().find(|row| row[1] == Value::Text("filter".into())).expect("a filtered packet");
    assert_eq!(row[3].number(), Some(1.0));
}

#[test]
fn a_filter_that_waits_or_talks_nonsense_is_a_mistake_with_its_line() {
    for (body, what) in [
        ("sleep '1s'", "nothing can wait here"),
        ("return 'maybe'", "a filter gives \"pass\", \"drop\" or a time"),
        ("return -1", "a filter gives"),
        ("return {}", "a filter gives"),
        ("error 'oh'", "oh"),
    ] {
        let error = error_of(&format!("{PAIR}l:filter(function() {body} end)\na:ping(b)"));
        assert!(error.message.contains(what), "{body}: {}", error.message);
    }
}

#[test]
fn a_function_chooses_which_packets_a_loss_model_counts() {
    let out = pair(
        "l:forward():set { loss = { seq = { 2 }, match = function(pkt) return pkt.dport == 8 end } }
         local heard = {}
         for _, port in ipairs { 7, 8 } do
           local u = b:udp(port)
           b:spawn(function() while true do local data = u:recvfrom() heard[#heard + 1] = data end end)
         end
         local s = a:udp()
         for i = 1, 3 do s:sendto('x' .. i, b, 7) s:sendto('y' .. i, b, 8) end
         sleep '1s' print(table.concat(heard, ' '))
         l:set { loss = '0%' } s:sendto('z', b, 8) s:sendto('z', b, 8) sleep '1s' print(#heard)",
    );
    assert_eq!(out, ["x1 y1 x2 x3 y3", "7"]);
}

#[test]
fn what_is_offered_arrives_or_is_dropped_is_seen() {
    let out = printed(
        "local a, b = net:host 'a', net:host 'b'
         local l = net:link(a, b, { rate = '1Mbps', delay = '5ms', queue = '2pkt', framing = 'ip' })
         local seen = { packet = 0, arrive = 0, drop = 0 }
         for _, event in ipairs { 'packet', 'arrive', 'drop' } do
           l:forward():on(event, function(pkt) seen[event] = seen[event] + 1 last = pkt end)
         end
         local s, u = a:udp(), b:udp(7)
         for i = 1, 5 do s:sendto(('x'):rep(1000), b, 7) end
         sleep '1s' print(seen.packet, seen.arrive, seen.drop)
         l:on('drop', function(pkt) sleep '1ms' print(pkt.cause, pkt.link, pkt.proto, pkt.size, pkt.headers[1]) end)
         for i = 1, 4 do s:sendto(('x'):rep(1000), b, 7) end
         sleep '1s'",
    );
    assert_eq!(out, ["5\t3\t2", "queue_full\ta-b>\tudp\t1028\tIPv4"]);
}

#[test]
fn a_sniffer_sees_what_its_filter_chooses_until_it_stops() {
    let out = printed(
        "local a, b, r = net:host 'a', net:host 'b', net:router 'r'
         net:link(a, r) net:link(r, b)
         local words = {}
         local tap = r:sniff('tcp dst port 80 and src host a', function(pkt)
           if pkt.payload_len > 0 then words[#words + 1] = pkt.payload end
         end)
         b:serve(80, function(conn) conn:send('answer to ' .. conn:recv()) end)
         local s = a:connect(b, 80) s:send 'secret' print(s:recv()) a:ping(b)
         print(#words, words[1], words[2]) tap:stop()
         s = a:connect(b, 80) s:send 'unseen' s:recv() print(#words, tap ~= nil)",
    );
    // The router gets it and passes it on: it sees it twice.
    assert_eq!(out, ["answer to secret", "2\tsecret\tsecret", "2\ttrue"]);
}

#[test]
fn a_sniffer_with_a_bad_filter_says_which_word_it_does_not_know() {
    for (filter, what) in [
        ("tpc", "did you mean 'tcp'"),
        ("host eve", "no host 'eve'"),
        ("port http", "'http' is not a port"),
        ("udp and", "the text ends"),
    ] {
        let error = error_of(&format!("{PAIR}a:sniff('{filter}', print)"));
        assert!(error.message.contains(what), "{filter}: {}", error.message);
    }
}

/// Runs a script in a folder with these files.
fn in_folder(files: &[(&str, &str)], text: &str) -> Result<Vec<String>, String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    let script = Script { path: dir.path().join("exp.lua"), shown: "exp.lua".into(), text: text.to_owned() };
    let experiment = match tidewire_script::plan(&script, &[]) {
        Ok(experiment) => experiment,
        Err(error) => return Err(error.to_string()),
    };
    let point = experiment.points[0].clone();
    let result = tidewire_script::run(&script, &experiment, &common::request(&point));
    match &result.error {
        Some(error) => Err(error.to_string()),
        None => Ok(lines(&result)),
    }
}

#[test]
fn schedules_come_from_files_for_a_link_and_for_the_network() {
    let link = "t_s,rate_mbps,loss,state\n0,1,,\n# an hour of pain\n1,10,100%,\n2,,0%,down\n3,,,up\n";
    let net = "t_ms,what,state,delay\n4000,b,down,\n5000,b,boot,\n5000,a-b>,,1s\n";
    let out = in_folder(
        &[("link.csv", link), ("net.csv", net)],
        "local a, b = net:host 'a', net:host 'b'
         local l = net:link(a, b, { delay = '5ms', framing = 'ip', schedule = 'link.csv' })
         net:schedule 'net.csv'
         local s, u = a:udp(), b:udp(7)
         s:sendto(('x'):rep(972), b, 7) u:recvfrom() print(now())
         sleep(1.5 - now()) print(a:ping(b, { timeout = '100ms' }))
         sleep(2.5 - now()) print(l.up) sleep(3.5 - now()) print(l.up, b.up)
         sleep(4.5 - now()) print(b.up) sleep(5.5 - now()) print(b.up, a:ping(b, { timeout = '3s' }))",
    )
    .unwrap();
    // 1000 bytes at 1 Mbit/s and 5 ms; later a second one way and 5 ms back, and 84 bytes at 10 Mbit/s each way.
    assert_eq!(out, ["0.013", "nil\ttimeout", "false", "true\ttrue", "false", "true\t1.0051344"]);
}

#[test]
fn a_bad_schedule_says_where_in_the_file_it_is_wrong() {
    for (file, what) in [
        ("t_s,rate\n1,fast\n", "s.csv:2:"),
        ("t_s,rate\n1,10\n", "s.csv:2: "),
        ("t_s,dealy_ms\n1,5\n", "s.csv:1: unknown column 'dealy_ms'; did you mean 'delay'?"),
        ("rate\n10Mbps\n", "s.csv:1: there is no column with times"),
        ("t_s,state\n1,sideways\n", "s.csv:2: 'sideways' is no state"),
        ("t_s,rate_mbps\n,5\n", "s.csv:2: a row without a time"),
        ("t_s,rate_mbps\n1\n", "s.csv:2:"),
        ("t_s,loss_pct\n-1,5\n", "s.csv:2:"),
        ("t_s,loss_pct\n1,500\n", "s.csv:2:"),
        ("t_s,rate_mbps,t_ms\n1,5,7\n", "s.csv:1: two columns say 'time'"),
        ("", "s.csv:1: there is no column with times"),
    ] {
        let error = in_folder(&[("s.csv", file)], &format!("{PAIR}l:schedule 's.csv'")).unwrap_err();
        assert!(error.contains(what), "{file:?}: {error}");
    }
    for (text, what) in [
        (
            "net:schedule { { '1s', 'a-c', up = false } }",
            "there is no link or node 'a-c'; did you mean 'a-b'?",
        ),
        ("net:schedule { { '1s', up = false } }", "names a link or a node"),
        (
            "net:schedule { { '1s', 'a', rate = '1Mbps' } }",
            "'a' is a node: it goes up and down, and has no rate",
        ),
        ("net:schedule { { '1s', 'a', down = true } }", "unknown option 'down'"),
        ("l:schedule(7)", "a schedule is a list of changes"),
        ("l:schedule { 7 }", "a schedule is a list of changes"),
        ("l:schedule 'none.csv'", "cannot read"),
        ("sleep '2s' l:schedule { { '1s', up = false } }", "is in the past"),
    ] {
        let error = error_of(&format!("{PAIR}{text}"));
        assert!(error.message.contains(what), "{text}: {}", error.message);
    }
}

#[test]
fn rates_follow_a_recording_and_keep_no_run_alive() {
    let out = in_folder(
        &[("lte.csv", "t_s,rate_mbps,rsrp\n0,1,-90\n1,2,-80\n600,10,-70\n")],
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { framing = 'ip', trace = { file = 'lte.csv' } })
         local s, u = a:udp(), b:udp(7)
         s:sendto(('x'):rep(972), b, 7) u:recvfrom() print(now())
         sleep(1 - now()) local t = now() s:sendto(('x'):rep(972), b, 7) u:recvfrom() print(('%.3f'):format(now() - t))",
    );
    assert_eq!(out.unwrap(), ["0.008", "0.004"]);
    for (file, options, what) in [
        ("t_s,rate_mbps\n0,1\n0,2\n", "", "r.csv:3: times must ascend"),
        ("t_s,rate_mbps\n0,x\n", "", "r.csv:2:"),
        ("t_s,rate\n0,1\n", "", "there is no column 'rate_mbps' among t_s, rate"),
        ("t_s,rate_mbps\n", "", "no rates"),
        ("t_s,rate_mbps\n0,1\n", ", time = 'ts'", "there is no column 'ts'"),
    ] {
        let text = format!(
            "local a, b = net:host 'a', net:host 'b' net:link(a, b, {{ trace = {{ file = 'r.csv'{options} }} }})"
        );
        let error = in_folder(&[("r.csv", file)], &text).unwrap_err();
        assert!(error.contains(what), "{file:?}: {error}");
    }
}

#[test]
fn recorded_losses_repeat() {
    let out = in_folder(
        &[("losses.txt", "0 1 0  # the second of three\n")],
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { framing = 'ip', forward = { loss = { trace = 'losses.txt' } } })
         local s, u, heard = a:udp(), b:udp(7), {}
         for i = 1, 7 do s:sendto(tostring(i), b, 7) end
         while true do local data = u:recvfrom { timeout = '1s' } if not data then break end heard[#heard + 1] = data end
         print(table.concat(heard))",
    );
    assert_eq!(out.unwrap(), ["13467"]);
    for (file, what) in
        [("0 2", "l.txt:1: '2' is neither 0 nor 1"), ("", "no packets"), ("0\n0\nx\n", "l.txt:3:")]
    {
        let text = "local a, b = net:host 'a', net:host 'b' net:link(a, b, { loss = { trace = 'l.txt' } })";
        let error = in_folder(&[("l.txt", file)], text).unwrap_err();
        assert!(error.contains(what), "{file:?}: {error}");
    }
}

#[test]
fn what_is_meant_for_one_link_is_refused_for_many() {
    for (text, what) in [
        ("net:lan('s', { a }, { loss = { '1%', match = function() end } })", "this 'match' is for one link"),
        ("net:star { link = { schedule = {} } }", "this 'schedule' is for one link"),
        (
            "net:link(a, net:host 'c', { arq = 'gbn', loss = { '1%', match = function() end } })",
            "a link with arq",
        ),
    ] {
        let error = error_of(&format!("local a = net:host 'a' {text}"));
        assert!(error.message.contains(what), "{text}: {}", error.message);
    }
}

#[test]
fn the_script_in_the_middle_hears_chooses_and_holds_back() {
    shows("scripts/links/sniffer.lua", &[], 4);
}

#[test]
fn a_network_lives_by_the_timetable_in_a_file() {
    shows("scripts/failures/timetable.lua", &[], 5);
}

#[test]
fn what_a_filter_holds_back_is_still_chosen() {
    let out = pair(
        "l:forward():set { loss = { seq = { 1 }, match = function(pkt) return pkt.dport == 7 end } }
         l:forward():filter(function() return '1ms' end)
         local u, s = b:udp(7), a:udp() s:sendto('one', b, 7) s:sendto('two', b, 7)
         print((u:recvfrom())) print(u:recvfrom { timeout = '1s' })",
    );
    assert_eq!(out, ["two", "nil\ttimeout"]);
}

#[test]
fn a_link_with_repair_refuses_a_function_that_chooses_losses_later_as_well() {
    let error = error_of(
        "local a, b = net:host 'a', net:host 'b' local l = net:link(a, b, { arq = 'gbn' })
         l:set { loss = { '1%', match = function() end } }",
    );
    assert!(error.message.contains("cannot let a function choose"), "{}", error.message);
}

#[test]
fn filters_and_taps_work_on_both_ways_of_a_hubs_link() {
    let out = printed(
        "local h, a, b = net:hub 'h', net:host 'a', net:host 'b'
         local l = net:link(a, h, { rate = '10Mbps' }) net:link(b, h, { rate = '10Mbps' })
         a:ping(b)
         local seen = 0
         l:backward():on('packet', function() seen = seen + 1 end)
         for _, way in ipairs { l:backward(), l:forward() } do
           local n = 0
           way:filter(function(pkt) n = n + 1 return 'drop' end)
           print(a:ping(b, { timeout = '100ms' }), n)
           way:filter(function(pkt) n = n + 1 return '5ms' end)
           print(a:ping(b) > 0.005, n)
           way:filter()
         end
         print(a:ping(b) < 0.001, seen)",
    );
    // Seen are the replies that a filter has let pass, and the last one.
    assert_eq!(out, ["nil\t1", "true\t2", "nil\t1", "true\t2", "true\t3"]);
}

#[test]
fn a_hubs_link_counts_what_it_carries_both_ways() {
    let out = printed(
        "local h, a, b = net:hub 'h', net:host 'a', net:host 'b'
         local l, m = net:link(a, h, { rate = '10Mbps' }), net:link(b, h, { rate = '10Mbps' })
         a:ping(b)
         local n = { packet = 0, arrive = 0 }
         for _, event in ipairs { 'packet', 'arrive' } do l:on(event, function() n[event] = n[event] + 1 end) end
         a:ping(b, { count = 5, interval = '10ms' })
         print(n.packet, n.arrive)
         a:cbr { to = b, rate = '5Mbps', size = 1472, stop = '2s' } sleep(2 - now())
         local out, into = l.stats.forward.utilization_pct, m.stats.backward.utilization_pct
         print(math.abs(out - into) < 0.1, into > 50 and into < 52)",
    );
    // 424.6 frames a second of 1526 bytes at 10 Mbit/s are 51.8 %, from the end of the pings on.
    assert_eq!(out, ["10\t10", "true\ttrue"]);
}
