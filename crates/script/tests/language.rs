//! What scripts can rely on: processes, waiting, sockets, chance, measurement.

mod common;

use common::{column, declared, good, lines, printed, result_of, script};
use tidewire_metrics::Value;
use tidewire_script::{Ended, Fault};

const PAIR: &str = "local a, b = net:host 'a', net:host 'b'
net:link(a, b, { rate = '10Mbps', delay = '10ms', framing = 'ip' })\n";

fn on_pair(code: &str) -> Vec<String> {
    printed(&format!("{PAIR}{code}"))
}

#[test]
fn processes_start_after_the_current_one_waits_in_the_order_of_spawning() {
    let code =
        "for i = 1, 3 do spawn(function() print('p' .. i) end) end print 'main' sleep '1ns' print 'again'";
    assert_eq!(printed(code), ["main", "p1", "p2", "p3", "again"]);
}

#[test]
fn time_passes_in_sleeps_and_callbacks_come_in_order() {
    let code = "at('2s', function() print('at', now()) end)
        after('1s', function() print('after', now()) sleep '0.25s' print('later', now()) end)
        local n, timer = 0
        timer = every('0.5s', function() n = n + 1 if n == 3 then timer:cancel() end end)
        at_end(function() print('end', now(), n) end)
        sleep '3s'
        print('main', now())";
    assert_eq!(printed(code), ["after\t1.0", "later\t1.25", "at\t2.0", "main\t3.0", "end\t3.0\t3"]);
}

#[test]
fn every_function_of_at_end_is_called_after_stop_too() {
    let ends =
        "for i = 1, 3 do at_end(function() print(i, now()) if i == 2 then stop() print 'not' end end) end";
    for how in ["", "stop()", "at(1, function() stop() end) sleep(5)", "pcall(stop)"] {
        let out = printed(&format!("{ends} {how}"));
        let ends: Vec<&str> = out.iter().map(|line| &line[..1]).collect();
        assert_eq!(ends, ["1", "2", "3"], "{how}: {out:?}");
    }
}

#[test]
fn joins_give_results_and_timeouts() {
    let code = "local p = spawn(function(x) sleep '1s' return x, 'done' end, 5)
        print(p:join { timeout = '0.5s' })
        print(p.alive, p:join())
        print(p.alive, now())
        local q = spawn(function() sleep '9s' end)
        spawn(function() sleep '1s' q:kill() end)
        print(q:join())
        print(wait_all { spawn(sleep, '1s'), spawn(sleep, '2s') }, now())";
    assert_eq!(
        printed(code),
        ["nil\ttimeout", "true\ttrue\t5\tdone", "false\t1.0", "nil\tcancelled", "true\t4.0"]
    );
}

#[test]
fn waits_pass_through_coroutines_iterators_pcall_and_sort() {
    let code = "local function ticks() return coroutine.wrap(function() for i = 1, 2 do sleep '1s' coroutine.yield(i) end end) end
        for i in ticks() do print(i, now()) end
        local co = coroutine.create(function() local ok, e = pcall(function() sleep '1s' error 'x' end) coroutine.yield(ok, e) end)
        print(coroutine.resume(co))
        local t = { 3, 1, 2 }
        table.sort(t, function(x, y) sleep '1s' return x < y end)
        print(table.concat(t, ' '), now() > 4)
        print(coroutine.status(co), coroutine.isyieldable())";
    assert_eq!(
        printed(code),
        ["1\t1.0", "2\t2.0", "true\tfalse\texp.lua:3: x", "1 2 3\ttrue", "suspended\tfalse"]
    );
}

#[test]
fn a_stale_timeout_never_ends_a_later_wait() {
    let code = "b:spawn(function() local s = b:udp(5) while true do local d, p = s:recvfrom() s:sendto(d, p) end end)
        local s = a:udp()
        for i = 1, 3 do
          s:sendto('x' .. i, b, 5)
          print(s:recvfrom { timeout = '0.1s' } )
        end
        print(select(2, s:recvfrom { timeout = '0.2s' }), now() > 0.26)";
    let printed = on_pair(code);
    assert!(printed[0].starts_with("x1\t10.0.0.2:5"), "{printed:?}");
    assert_eq!(printed[3], "timeout\ttrue");
}

#[test]
fn the_errors_of_sockets_are_words() {
    let code = "print(a:connect(b, 80))
        print(a:tcp():connect('nobody', 80))
        print(a:tcp():connect('10.99.0.1', 80))
        assert(b:listen(80))
        print(b:listen(80))
        print(b:udp(7) ~= nil, b:udp(7))
        local s = assert(a:connect(b, 80))
        print(s.state, s.peer, s:recv { timeout = '50ms' })
        print(b:listen(81):accept { timeout = '10ms' })
        s:close()
        print(s:send 'x')
        local u = a:udp()
        u:connect(b, 99) u:send 'anybody?'
        print(u:recv { timeout = '1s' })";
    let printed = on_pair(code);
    assert_eq!(
        printed,
        [
            "nil\trefused",
            "nil\tno such host",
            "nil\tunreachable",
            "nil\tin use",
            "true\tnil\tin use",
            "ESTABLISHED\t10.0.0.2:80\tnil\ttimeout",
            "nil\ttimeout",
            "nil\tclosed",
            "nil\trefused"
        ]
    );
}

#[test]
fn streams_are_read_by_lines_sizes_separators_and_to_their_end() {
    let code = "b:serve(80, function(conn)
          conn:send 'one\\r\\ntwo\\nthree;four;'
          conn:send_bytes '100kB'
          conn:send 'the end'
        end)
        local s = assert(a:connect(b, 80))
        print(s:recv_line(), s:recv_line(), s:recv_until ';', s:recv_exact(5))
        print(s:discard(100000), s:recv_all(), s:recv())
        local t = assert(a:connect(b, 80))
        local lines = 0
        for line in t:lines() do lines = lines + 1 end
        print(lines)
        local u = assert(a:connect(b, 80))
        print(u:receive '*l', u:receive(3), #u:receive '*a')";
    assert_eq!(
        on_pair(code),
        ["one\ttwo\tthree\tfour;", "100000\tthe end\tnil\tclosed", "3", "one\ttwo\t100019"]
    );
}

#[test]
fn a_server_with_workers_serves_so_many_at_a_time() {
    let code = "local now_busy, most = 0, 0
        b:serve(80, function(conn)
          now_busy = now_busy + 1 most = math.max(most, now_busy)
          conn:recv() sleep '1s' conn:send 'x'
          now_busy = now_busy - 1
        end, { workers = 2 })
        local all = {}
        for i = 1, 5 do all[i] = a:spawn(function() local s = assert(a:connect(b, 80)) s:send 'x' s:recv() end) end
        wait_all(all)
        print(most)";
    assert_eq!(on_pair(code), ["2"]);
}

#[test]
fn peers_are_values_that_work_as_keys() {
    let code = "local seen = {}
        b:spawn(function() local s = b:udp(5) while true do local _, p = s:recvfrom() seen[p] = (seen[p] or 0) + 1 end end)
        local s = a:udp(9)
        for _ = 1, 3 do s:sendto('x', b, 5) end
        sleep '1s'
        print(seen[address(a, 9)], seen[address '10.0.0.1:9'], address(b, 5).host == b, address(b, 5).port)";
    assert_eq!(on_pair(code), ["3\t3\ttrue\t5"]);
}

#[test]
fn links_go_down_and_up_and_lose_what_they_are_told_to() {
    let code = "local link = net:find 'a-b'
        print(link, link.up)
        print(a:ping(b) ~= nil)
        link:disable() print(link.up, a:ping(b)) link:enable()
        print(a:ping(b) ~= nil)
        link:forward():drop_next(1)
        print(a:ping(b, { timeout = '0.1s' }))
        print(link:forward().stats.drops.loss, link:forward().stats.tx_packets)
        print(a:ping(b, { count = 3, interval = '0.1s' }).lost)";
    assert_eq!(
        on_pair(code),
        ["link a-b 10Mbps 10ms up\ttrue", "true", "false\tnil\ttimeout", "true", "nil\ttimeout", "1\t3", "0"]
    );
}

#[test]
fn native_flows_are_measured_and_can_be_waited_for() {
    let code = "local f = a:bulk { to = b, size = '1MB' }
        assert(f:wait())
        print(f.state, f.bytes_delivered, f.fct > 0.8, f.fct < 1.5, f.goodput_mbps > 6)
        local u = a:cbr { to = b, rate = '1Mbps', size = 1250, count = 100 }
        assert(u:wait())
        sleep '1s'
        print(u.bytes_offered, u.bytes_delivered, u.packets_lost, math.floor(u.delay:mean() * 1e6))
        local q = a:poisson { to = b, rate = '1Mbps', stop = now() + 10 }
        assert(q:wait())
        print(q.bytes_offered > 1e6, q.bytes_offered < 1.5e6)";
    let printed = on_pair(code);
    assert_eq!(printed[0], "ended\t1000000\ttrue\ttrue\ttrue");
    // 1278 bytes take 1022.4 us at 10 Mbit/s, and 10 ms of way.
    assert_eq!(printed[1], "125000\t125000\t0\t11022");
    assert_eq!(printed[2], "true\ttrue");
}

#[test]
fn traceroute_names_the_routers_on_the_way() {
    let code = "local line = net:line { n = 3, hosts = 0 }
        local a, b = net:host 'a', net:host 'b'
        net:link(a, line.nodes[1]) net:link(line.nodes[3], b)
        print(a:traceroute(b))
        for _, node in ipairs(net:path(a, b)) do print(node) end";
    assert_eq!(printed(code), ["r1 r2 r3 b", "a", "r1", "r2", "r3", "b"]);
}

#[test]
fn what_is_recorded_comes_out_as_columns_and_tables() {
    let code = "local h, c, g = histogram 'wait_ms', counter 'tries_count', gauge 'level_count'
        for i = 1, 100 do h:add(i) end
        c:add() c:add(4) g:set(7)
        record { b_ms = 2.5, a_count = 1 } record { ok = true }
        record('rows', { x = 1, y = 'u' }) record('rows', { x = 2, z = false })
        series('depth_m'):add(3) sleep '1s' series('depth_m', 'probe'):add(4)
        event('moved', a, 'north')
        csv('own', {'p', 'q'}):row(1, 2)
        check(1 < 2, 'one is %s than two', 'less') check(nil, 'never')
        print(h:mean(), h:p95(), h:quantile(0.5), h:count(), h:max())";
    let result = good(result_of(&script(&format!("{PAIR}{code}"))));
    let names: Vec<&str> = result.record.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..5], ["a_count", "b_ms", "ok", "tries_count", "level_count"]);
    assert_eq!(names[5..], ["wait_ms_p50", "wait_ms_p95", "wait_ms_p99", "wait_ms_mean", "wait_ms_count"]);
    assert_eq!(column(&result, "tries_count"), 5.0);
    let table = |name: &str| &result.tables.iter().find(|(known, _)| known == name).unwrap().1;
    assert_eq!(table("rows").columns, ["t_s", "x", "y", "z"]);
    assert_eq!(table("own").rows.len(), 1);
    assert_eq!(table("series").columns, ["t_s", "object", "metric", "value", "unit", "in_warmup"]);
    assert_eq!(table("series").rows.len(), 2);
    assert_eq!(table("events").rows[0][2].to_string(), "moved");
    assert!(result.checks[0].passed && !result.checks[1].passed);
    assert_eq!(result.checks[0].text, "one is less than two");
    assert_eq!(result.checks[1].place.as_ref().unwrap().line, 11);
}

#[test]
fn a_run_stops_when_told_to_or_when_its_duration_is_over() {
    let result = good(result_of(&script(
        "spawn(function() while true do sleep '1s' end end) sleep '2.5s' stop 'enough'",
    )));
    assert_eq!((result.ended, result.sim.as_ms()), (Ended::Stopped, 2500));
    let result = good(result_of(&script("experiment { duration = '7s' } while true do sleep '1s' end")));
    assert_eq!((result.ended, result.sim.as_ms()), (Ended::Duration, 7000));
    let result = good(result_of(&script("every('1s', function() end)")));
    assert_eq!((result.ended, result.sim.as_ms()), (Ended::Finished, 0));
}

#[test]
fn modules_are_read_below_the_script_and_recorded() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("lib")).unwrap();
    std::fs::write(
        dir.path().join("lib/pair.lua"),
        "local M = {}\nfunction M.make() return net:host 'x' end\nreturn M",
    )
    .unwrap();
    std::fs::write(dir.path().join("data.txt"), "5").unwrap();
    let path = dir.path().join("main.lua");
    std::fs::write(
        &path,
        "local m = require 'lib.pair' print(m.make(), read_file 'data.txt', m == require 'lib.pair')",
    )
    .unwrap();
    let result = good(result_of(&tidewire_script::load(&path).unwrap()));
    assert_eq!(common::lines(&result), ["x\t5\ttrue"]);
    let files: Vec<String> = result.files.iter().map(|(path, _)| path.display().to_string()).collect();
    assert_eq!(files, ["data.txt", "lib/pair.lua"]);
    std::fs::write(dir.path().join("lib/pair.lua"), "local M = {\n\nreturn M").unwrap();
    let error = tidewire_script::plan(&tidewire_script::load(&path).unwrap(), &[]).unwrap_err();
    assert!(error.message.contains("lib/pair.lua:3"), "{error}");
}

#[test]
fn a_grid_is_ordered_and_skips_what_it_is_told_to() {
    let experiment = declared(
        "experiment { params = { n = range(1, 3), loss = {'0%', '1%'}, fast = true }, order = {'n'},
           skip = function(p) return p.n == 2 and p.loss == '1%' end, reps = 4, seed = 9, units = { jain = '1' } }",
    );
    let names: Vec<&str> = experiment.params.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["n", "fast", "loss"]);
    assert_eq!((experiment.points.len(), experiment.reps, experiment.seed), (5, 4, 9));
    assert_eq!(experiment.points[0][0].1.to_string(), "1");
    let explicit = declared("experiment { params = { { a = 1, b = 'x' }, { a = 2, b = 'y' } } }");
    assert_eq!(explicit.points.len(), 2);
    assert_eq!(explicit.params[1].1.len(), 2);
}

#[test]
fn runaway_scripts_end_with_their_place() {
    let loops = [
        ("while true do end", 1),
        ("while true do pcall(function() while true do end end) end", 1),
        (
            "local function f() return coroutine.wrap(function()\n while true do end end)() end\nwhile true do pcall(f) end",
            2,
        ),
        ("table.sort({ 3, 1, 2 }, function()\n while true do end end)", 2),
        ("spawn(function()\n while true do now() end end)", 2),
    ];
    for (code, line) in loops {
        let error = common::error_of(&format!("sleep '4.2s' {code}"));
        assert_eq!(error.fault, Fault::Limit, "{code}: {error}");
        assert!(
            error.message.contains("ran too long without waiting; simulated time stands at 4.2s"),
            "{error}"
        );
        assert_eq!(error.place.as_ref().map(|place| place.line), Some(line), "{code}: {error}");
    }
}

#[test]
fn memory_and_recursion_have_limits() {
    for code in [
        "string.rep('x', 1e10)",
        "local t = {} for i = 1, 1e9 do t[i] = {} end",
        "local s = 'x' while true do s = s .. s end",
    ] {
        let error = common::error_of(code);
        assert_eq!(error.fault, Fault::Limit, "{code}: {error}");
        assert!(error.message.contains("not enough memory"), "{error}");
    }
    let error = common::error_of("local function f() return 1 + f() end\nf()");
    assert!(error.message.contains("stack overflow: a function calls itself without end"), "{error}");
    let error = common::error_of("for i = 1, 1e7 do spawn(sleep, '1s') end");
    assert_eq!(error.fault, Fault::Limit, "{error}");
}

#[test]
fn queues_pass_values_in_order_and_wait_when_full_or_empty() {
    let code = "local q = queue(2)
        local getter = spawn(function() for i = 1, 4 do print('got', q:get(), now()) sleep '1s' end end)
        for i = 1, 4 do q:put(i) print('put', i, #q, now()) end
        getter:join()
        print(q:get { timeout = '1s' })
        spawn(function() print('a', q:get()) end) spawn(function() print('b', q:get()) end)
        sleep '1s' q:put 'x' q:put 'y'";
    let printed = printed(code);
    assert_eq!(printed[..2], ["put\t1\t1\t0.0", "put\t2\t2\t0.0"]);
    let got: Vec<&String> = printed.iter().filter(|line| line.starts_with("got")).collect();
    assert_eq!(got, ["got\t1\t0.0", "got\t2\t1.0", "got\t3\t2.0", "got\t4\t3.0"]);
    assert_eq!(printed[printed.len() - 3..], ["nil\ttimeout", "a\tx", "b\ty"]);
}

#[test]
fn signals_wake_everybody_and_resources_are_held_by_few() {
    let code = "local s, r, most = signal(), resource(2), 0
        for i = 1, 3 do spawn(function() print(i, s:wait()) end) end
        sleep '1s' s:fire 'go'
        print(s:wait { timeout = '1s' })
        for i = 1, 5 do
          spawn(function() r:use(function() most = math.max(most, r.held) sleep '1s' end) end)
        end
        sleep '2.5s'
        print(most, r.held, r.waiting)
        print(r:acquire { timeout = '0.1s' }, r:acquire())";
    assert_eq!(
        printed(code),
        ["1\ttrue\tgo", "2\ttrue\tgo", "3\ttrue\tgo", "nil\ttimeout", "2\t1\t0", "true\ttrue"]
    );
}

#[test]
fn a_stream_of_its_own_is_not_shifted_by_what_others_draw() {
    let first = "local s = random.stream 'mine' print(s.uniform(), s.int(1, 1000))";
    let second = "for i = 1, 10 do random.uniform() end local s = random.stream 'mine' print(s.uniform(), s.int(1, 1000))";
    assert_eq!(printed(first), printed(second));
    assert_ne!(printed(first), printed(&first.replace("mine", "other")));
}

#[test]
fn draws_have_the_distributions_that_they_are_named_after() {
    let code = "local function mean(f) local s = 0 for i = 1, 20000 do s = s + f() end return s / 20000 end
        local function near(x, y, t) assert_close(x, y, t) end
        near(mean(function() return random.uniform(2, 4) end), 3, 0.02)
        near(mean(function() return random.exponential '2s' end), 2, 0.06)
        near(mean(function() return random.normal(5, 2) end), 5, 0.06)
        near(mean(function() return (random.normal(0, 2)) ^ 2 end), 4, 0.17)
        near(mean(function() return random.pareto { shape = 3, mean = 6 } end), 6, 0.15)
        near(mean(function() return random.lognormal(0, 0.5) end), math.exp(0.125), 0.02)
        near(mean(function() return random.int(1, 6) end), 3.5, 0.05)
        near(mean(function() return random.chance '30%' and 1 or 0 end), 0.3, 0.014)
        -- Zipf with n = 3 and s = 1: weights 6, 3, 2 of 11.
        near(mean(function() return random.zipf(3, 1) == 1 and 1 or 0 end), 6 / 11, 0.015)
        near(mean(function() return random.zipf(3, 1) == 3 and 1 or 0 end), 2 / 11, 0.012)
        print 'ok'";
    assert_eq!(printed(code), ["ok"]);
}

/// What a script prints after two linked hosts, and its warnings.
fn with_warnings(code: &str) -> (Vec<String>, Vec<String>) {
    let text =
        format!("local a, b = net:host 'a', net:host 'b'; net:link(a, b, {{ delay = '5ms' }})\n{code}");
    let result = good(result_of(&script(&text)));
    (lines(&result), result.warnings.iter().map(|warning| warning.text.clone()).collect())
}

#[test]
fn a_host_without_a_link_is_unreachable_and_there_is_a_warning() {
    let (printed, warnings) = with_warnings(
        "local c = net:host 'c'\nprint(a:ping(c)) print(a:connect(c, 80)) print(a:udp():sendto('x', c, 9))",
    );
    assert_eq!(printed, ["nil\tunreachable"; 3]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("nothing can reach 'c': it has no link"), "{warnings:?}");
    let (_, warnings) =
        with_warnings("local c = net:host('c', { ip = 'dhcp' }) net:link(a, c)\nprint(a:ping(c))");
    assert!(warnings[0].contains("nothing can reach 'c': it has no address"), "{warnings:?}");
}

#[test]
fn a_sample_that_spans_the_end_of_the_warm_up_counts_all_of_its_time() {
    let text = "experiment { duration = '6s', warmup = '2500ms' }
        local a, b = net:host 'a', net:host 'b'
        local k = net:link(a, b, { rate = '8Mbps', delay = '5ms' })
        k:forward():watch({ 'throughput_mbps', 'utilization_pct' }, { every = '1s' })
        a:bulk { to = b }";
    let result = good(result_of(&script(text)));
    let series = &result.tables.iter().find(|(name, _)| name == "series").expect("samples").1;
    let of = |metric: &str| -> Vec<f64> {
        let is_metric = |row: &&Vec<Value>| row.contains(&Value::Text(metric.to_owned()));
        let value = series.columns.iter().position(|column| column == "value").unwrap();
        series.rows.iter().filter(is_metric).filter_map(|row| row[value].number()).collect()
    };
    let (rates, busy) = (of("throughput_mbps"), of("utilization_pct"));
    assert!(rates.len() >= 5 && rates[1..].iter().all(|mbps| *mbps > 7.5), "{rates:?}");
    assert!(busy[1..].iter().all(|pct| *pct > 97.0), "{busy:?}");
}

#[test]
fn names_of_luasocket_give_what_luasocket_gives() {
    let code = "b:spawn(function()
          local u = b:udp(9)
          local msg, ip, port = u:receivefrom()
          print(msg, ip, math.type(port))
          u:sendto(msg .. '!', ip, port)
        end)
        local u = a:udp() u:sendto('x', b, 9) print(u:receivefrom())";
    assert_eq!(on_pair(code), ["x\t10.0.0.1\tinteger", "x!\t10.0.0.2\t9"]);
}

#[test]
fn what_does_not_fit_and_must_not_be_cut_is_too_big() {
    let (printed, _) = with_warnings(
        "print(a:ping(b, { size = 1473, dont_fragment = true })) print(type(a:ping(b, { size = 1473 }))) print(type(a:ping(b, { size = 1472 })))\n\
         local u = a:udp(0, { dont_fragment = true }) print(u:sendto(('x'):rep(1473), b, 9)) print(a:udp():sendto(('x'):rep(1473), b, 9))",
    );
    assert_eq!(printed, ["nil\ttoo big", "number", "number", "nil\ttoo big", "1473"]);
}

#[test]
fn addresses_of_many_answer_no_ping_and_the_unspecified_one_is_this_host() {
    let (printed, _) = with_warnings(
        "for _, ip in ipairs { '255.255.255.255', '224.0.0.1', '10.0.0.255' } do print(a:ping(ip)) end\n\
         print(a:ping '0.0.0.0' < 1e-3, a:connect('0.0.0.0', 9))",
    );
    assert_eq!(printed, ["nil\tunreachable", "nil\tunreachable", "nil\tunreachable", "true\tnil\trefused"]);
}

#[test]
fn a_transfer_that_is_stopped_sends_no_more() {
    for size in ["", ", size = '1GB'"] {
        let code = format!(
            "local a, b = net:host 'a', net:host 'b'
             net:link(a, b, {{ rate = '10Mbps', delay = '10ms' }})
             local f = a:bulk {{ to = b{size} }}
             sleep '2s' f:stop() sleep '1s'
             local sent = f.info and f.info.bytes_sent
             print(f.state)
             local g = a:bulk {{ to = b, stop = now() + 2 {size} }}
             g:wait() print(g.state, now() < 5.5)"
        );
        assert_eq!(printed(&code), ["ended", "ended\ttrue"], "and the run ends");
    }
}

#[test]
fn a_transfer_that_fails_says_so() {
    let net = "local a, b = net:host 'a', net:host 'b'
        local link = net:link(a, b, { rate = '10Mbps', delay = '10ms' })";
    let code = format!(
        "{net} local f = a:bulk {{ to = b, size = '1MB' }} link:set {{ loss = '100%' }}
        print(f:wait()) print(f.state, f.fct, f.bytes_delivered)"
    );
    assert_eq!(printed(&code), ["nil\tunreachable", "failed\tnil\t0"], "nobody answers the ARP request");
    let code = format!(
        "{net} local f = a:bulk {{ to = b, size = '10MB', user_timeout = '2s' }}
        sleep '1s' link:disable() print(f:wait()) print(f.state, f.fct, f.bytes_delivered > 500000)"
    );
    assert_eq!(printed(&code), ["nil\ttimeout", "failed\tnil\ttrue"]);
}

#[test]
fn buffers_limit_a_transfer_and_have_a_least_size() {
    let code = "local a, b = net:host 'a', net:host 'b'
        net:link(a, b, { rate = '10Mbps', delay = '10ms' })
        local function fct(o)
          o.to, o.size = b, '100kB'
          local f = a:bulk(o)
          assert(f:wait())
          return f.fct
        end
        local free = fct {}
        print(fct { rcvbuf = 1 } == fct { rcvbuf = 2304 }, fct { sndbuf = 1 } == fct { sndbuf = 4608 })
        -- Windows of 8 and of 16 KiB, and a round trip of 21 ms.
        print(fct { rcvbuf = '16KiB' } > 11 * 0.021, fct { rcvbuf = '16KiB' } < 0.5, fct { sndbuf = '16KiB' } > 5 * 0.021)
        print(fct { rcvbuf = '16KiB' } > free, fct { sndbuf = '16KiB' } > free, fct { sndbuf = '1MB' } - free < 0.001)";
    assert_eq!(printed(code), ["true\ttrue", "true\ttrue\ttrue", "true\ttrue\ttrue"]);
}

#[test]
fn processes_that_let_no_time_pass_end_a_run() {
    for code in [
        "while true do sleep(0) end",
        "local function f() spawn(f) end f() sleep '1s'",
        "local q = queue(1) spawn(function() while true do q:put(1) end end) while true do q:get() end",
    ] {
        let error = common::error_of(code);
        assert!(error.message.contains("time stands still at t = 0s"), "{error}");
        assert_eq!(error.fault, Fault::Limit);
    }
}

#[test]
fn a_socket_that_was_closed_is_closed_for_its_owner() {
    let code = "local a, b = net:host 'a', net:host 'b'
        net:link(a, b)
        b:serve(80, function(c) sleep '10s' end)
        local s = a:connect(b, 80)
        s:close()
        print(s:recv()) print(s:send 'x') print(s:recv_line())";
    assert_eq!(printed(code), ["nil\tclosed", "nil\tclosed", "nil\tclosed"]);
}

#[test]
fn several_streams_are_a_list() {
    let error = common::error_of(
        "local a, b = net:host 'a', net:host 'b' net:link(a, b)
         a:bulk { to = b, size = '1kB', streams = 2 }:wait()",
    );
    assert!(error.message.contains("gives a list of flows, which has no 'wait'"), "{error}");
    assert_eq!(error.place.map(|place| place.line), Some(2));
}

#[test]
fn a_flow_that_is_stopped_before_it_starts_has_ended_and_sends_nothing() {
    let (printed, _) = with_warnings(
        "local f = a:cbr { to = b, rate = '1Mbps', start = '2s' }\nprint(f.state) f:stop() print(f.state)\n\
         sleep '3s' print(f.state, f.bytes_delivered)",
    );
    assert_eq!(printed, ["waiting", "ended", "ended\t0"]);
}

#[test]
fn figures_that_cannot_be_summarised_are_told() {
    let (_, warnings) =
        with_warnings("record { x_ms = 0/0, y_ms = 1/0, z_ms = 'text', note = 'text', n_ms = 1 }");
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    for (warning, says) in
        warnings.iter().zip(["x_ms is not a number", "y_ms is infinite", "z_ms is the text"])
    {
        assert!(warning.contains(says), "{warning}");
    }
}

#[test]
fn an_every_that_nothing_keeps_alive_is_told() {
    let (printed, warnings) = with_warnings("every('1s', function() print 'tick' end)");
    assert_eq!((printed.len(), warnings.len()), (0, 1));
    assert!(warnings[0].contains("this every() never ran"), "{warnings:?}");
    let (printed, warnings) = with_warnings("every('1s', function() print 'tick' end)\nsleep '2.5s'");
    assert_eq!((printed.len(), warnings.len()), (2, 0));
}

#[test]
fn a_timeout_may_be_infinite() {
    let (printed, _) = with_warnings(
        "local u = b:udp(9)\na:udp():sendto('x', b, 9)\nprint((u:recvfrom { timeout = math.huge }))",
    );
    assert_eq!(printed, ["x"]);
}

#[test]
fn what_fits_the_way_is_learnt_and_then_datagrams_are_cut() {
    let code = "local r, c = net:router 'r', net:host 'c'\nnet:link(b, r) net:link(r, c, { mtu = 576 })\n\
                print(b:ping(c, { size = 1000 })) print(type(b:ping(c, { size = 1000 })))\n\
                local s, t = b:udp(), c:udp(9)\ns:connect(c, 9)\nprint(s:send(('x'):rep(1000)), #t:recvfrom())\n\
                print(c.stats.reassembled, b.stats.fragments_made, r.stats.fragments_made)\n\
                local u = b:udp(0, { dont_fragment = false })\nu:sendto(('x'):rep(1000), c, 9) print(#t:recvfrom(), r.stats.fragments_made)\n\
                b:cbr { to = c, rate = '1Mbps', size = 2000, stop = '1s' }";
    let (printed, warnings) = with_warnings(code);
    // The echo goes out in fragments and its reply, too; then two datagrams.
    assert_eq!(printed, ["nil\ttoo big", "number", "1000\t1000", "2\t4\t0", "1000\t0"]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0]
            .contains("datagrams of 2000 bytes do not fit the MTU of 1500: each is cut into fragments"),
        "{warnings:?}"
    );
}

#[test]
fn wait_any_gives_the_first_thing_that_is_ready_and_its_place() {
    let out = printed(
        "local a, b = net:host 'a', net:host 'b'; net:link(a, b, { delay = '1ms' })
         local s, u = a:tcp(), b:udp(53)
         local server = b:listen(80)
         b:spawn(function()
           for _ = 1, 2 do
             local what, at = wait_any { u, server, timeout = '1s' }
             print(what == u and u:recv() or what == server and 'a client', at)
             if what == server then local conn = server:accept() sleep '5ms' conn:send 'hello' conn:close() end
           end
           print(wait_any { u, server, timeout = '1s' })
         end)
         assert(s:connect(b, 80))
         local bell, sleeper = signal(), spawn(function() sleep '2ms' end)
         local _, at = wait_any { s, bell, sleeper }
         print('first', at)
         after('1ms', function() bell:fire() end)
         _, at = wait_any { s, bell }
         print('second', at)
         print(wait_any { s } == s and s:recv(2), wait_any { s } == s and s:recv(3))
         print(wait_any { s } == s and s:recv())
         a:udp():sendto('late', b, 53)
         local flow = a:bulk { to = b, size = '10kB' }
         print(wait_any { flow } == flow, flow.state)",
    );
    let want = ["a client\t2", "first\t3", "second\t2", "he\tllo", "nil", "late\t1", "true\tended"];
    let mut got: Vec<&str> = out.iter().map(String::as_str).collect();
    assert_eq!(got.pop(), Some("nil\ttimeout"), "{out:?}");
    assert_eq!(got, want);
}

#[test]
fn a_program_in_a_file_of_its_own_has_globals_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let program = "count = (count or 0) + 1\nprint(host.name, count, ...)";
    std::fs::write(
        dir.path().join("server.lua"),
        program.replace("(count or 0)", "(rawget(_ENV, 'count') or 0)"),
    )
    .unwrap();
    std::fs::write(dir.path().join("bad.lua"), "print(nowhere)").unwrap();
    let text = "local a, b = net:host 'a', net:host 'b'; net:link(a, b)
        a:run('server.lua', 1, 'x'):join()
        b:run('server.lua', 2):join()
        print(pcall(function() return count end))";
    let script = tidewire_script::Script {
        path: dir.path().join("exp.lua"),
        shown: "exp.lua".into(),
        text: text.into(),
    };
    let out = lines(&good(result_of(&script)));
    assert_eq!(out[..2], ["a\t1\t1\tx", "b\t1\t2"]);
    assert!(out[2].starts_with("false"), "{out:?}");
    let text = "local a = net:host 'a' a:run 'bad.lua'".to_owned();
    let error = result_of(&tidewire_script::Script { text, ..script }).error.unwrap();
    assert!(
        error.message.contains("unknown name 'nowhere'") && error.message.contains("bad.lua:1"),
        "{error}"
    );
}

#[test]
fn a_function_is_called_when_a_flow_is_over() {
    let out = printed(
        "local a, b = net:host 'a', net:host 'b'; net:link(a, b, { rate = '8Mbps' })
         local flow = a:bulk { to = b, size = '1MB' }
         flow:on('end', function(f, why) print(f == flow, why, now() > 1) end)
         a:bulk { to = b, port = 9, size = 1 }",
    );
    assert_eq!(out, ["true\tnil\ttrue"]);
}

#[test]
fn calls_give_exactly_what_the_function_gives() {
    let code = "local n = function(...) return select('#', ...) end
        local none, two = function() end, function() return nil, nil end
        print(n(pcall(none)), n(pcall(two)), n(xpcall(none, print)), n(pcall(error)))
        print(n(coroutine.resume(coroutine.create(none))), n(coroutine.resume(coroutine.create(two))))
        print(n(coroutine.wrap(none)()), n(coroutine.wrap(two)()))
        print(n(pcall(function() sleep '1s' return nil, 1, nil end)))";
    assert_eq!(printed(code), ["1\t3\t1\t2", "1\t3", "0\t2", "4"]);
}

#[test]
fn too_many_bytes_at_once_are_named() {
    let error = common::error_of("local t = { string.byte(('x'):rep(1000001), 1, -1) }");
    assert!(error.message.contains("a million numbers at once"), "{error}");
}

#[test]
fn receive_gives_what_did_arrive_as_in_luasocket() {
    let code = "b:serve(80, function(c) c:send('12345') sleep '1s' c:send('67890abc') end)
        local c = a:connect(b, 80)
        print(c:receive(8, { timeout = '0.5s' }))
        local all = {}
        repeat
          local data, status, partial = c:receive(2^2)
          all[#all + 1] = data or partial
        until status == 'closed'
        print(table.concat(all, '|'))
        c = a:connect(b, 80)
        print(c:receive('*l'))
        print(a:connect(b, 80):recv_line())";
    assert_eq!(
        on_pair(code),
        ["nil\ttimeout\t12345", "6789|0abc|", "nil\tclosed\t1234567890abc", "1234567890abc"]
    );
}

#[test]
fn ranges_of_fractions_hold_what_is_written() {
    let code =
        "print(table.concat(range(0.1, 0.5, 0.1), ' '), #range(0, 1, 0.25), math.type(range(1, 3)[1]))";
    assert_eq!(printed(code), ["0.1 0.2 0.3 0.4 0.5\t5\tinteger"]);
}
