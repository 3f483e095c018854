//! Web chains: workers, queues, caches, databases, spans; row by row of the project's checklist.

mod common;

use common::{column, printed, run_at, shipped, shows, text};
use tidewire_metrics::Value;

#[test]
fn row_50_cgi_runs_out_of_processor_and_memory_where_a_pool_does_not() {
    let script = shipped("scripts/chain/cgi.lua");
    let at = |how: &str, rate: i64| run_at(&script, &[("how", text(how)), ("rate", Value::Int(rate))]);
    let (cgi, pool) = (at("cgi", 20), at("pool", 20));
    // Memory by Little's law: 20 requests a second for 25 ms and 25 MB each, and what they wait for each other.
    let expected = 20.0 * 0.025 * 25e6 / f64::from(1 << 20);
    let mean = column(&cgi, "memory_mean_mib");
    assert!((0.8 * expected..1.6 * expected).contains(&mean), "{mean} against {expected}");
    assert!((column(&pool, "memory_mean_mib") - 200e6 / f64::from(1 << 20)).abs() < 0.01);
    let (cgi, pool) = (at("cgi", 150), at("pool", 150));
    assert!(column(&cgi, "ok_pct") < 90.0 && column(&cgi, "out_of_memory_count") > 0.0);
    assert!(column(&cgi, "memory_peak_mib") > 900.0);
    assert!(column(&pool, "ok_pct") > 99.0, "all but those under way at the end");
    assert!(column(&pool, "latency_ms_p99") < 100.0);
    assert!(column(&cgi, "latency_ms_p99") > 5.0 * column(&pool, "latency_ms_p99"));
}

#[test]
fn row_51_slow_clients_stall_sync_workers_and_not_with_a_server_in_front() {
    let script = shipped("scripts/chain/slow_clients.lua");
    let ok = |worker: &str, front: bool, slow: i64| {
        let point = [("worker", text(worker)), ("front", Value::Bool(front)), ("slow", Value::Int(slow))];
        column(&run_at(&script, &point), "ok_pct")
    };
    assert!(ok("sync", false, 40) < 20.0);
    assert!(ok("threads", false, 40) < 60.0);
    for (worker, front, slow) in
        [("sync", false, 0), ("async", false, 40), ("sync", true, 40), ("threads", true, 40)]
    {
        assert!(ok(worker, front, slow) > 99.0, "{worker} {front} {slow}");
    }
}

#[test]
fn row_75_front_and_application_server_and_cgi_out_of_memory() {
    let script = shipped("scripts/chain/front.lua");
    let at = |setup: &str| run_at(&script, &[("setup", text(setup)), ("clients", Value::Int(100))]);
    let (app, two) = (at("app"), at("both_on_two"));
    for result in [&app, &two] {
        assert_eq!(column(result, "dynamic_ok_pct"), 100.0);
        assert_eq!(column(result, "static_ok_pct"), 100.0);
    }
    // A picture costs 20 us in front, 400 us and a worker's turn behind.
    assert!(column(&two, "static_ms_p95") < column(&app, "static_ms_p95"));
    let mut many = script.clone();
    many.text = script.text.replace("10000", "1500");
    let at = |setup: &str| run_at(&many, &[("setup", text(setup)), ("clients", Value::Int(1500))]);
    let cgi = at("cgi");
    assert!(column(&cgi, "out_of_memory_count") > 500.0, "{:?}", cgi.record);
    assert!(column(&cgi, "memory_peak_mib") > 3900.0);
    assert!(column(&at("both_on_two"), "dynamic_ok_pct") > 99.0);
}

/// Mean number that waits in M/M/c (Erlang C).
fn waiting(a: f64, c: u32) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..c {
        term *= a / f64::from(k);
        sum += term;
    }
    term *= a / f64::from(c) * f64::from(c) / (f64::from(c) - a);
    term / (sum + term) * a / (f64::from(c) - a)
}

#[test]
fn row_53_a_queue_shortens_the_answer_and_is_as_long_as_the_formula_says() {
    let script = shipped("scripts/chain/tasks.lua");
    let at = |how: &str, rate: i64, rep: u32| {
        let experiment = tidewire_script::plan(&script, &[]).unwrap();
        let fits = |point: &&tidewire_script::Point| {
            point.iter().all(|(name, value)| match &**name {
                "how" => *value == text(how),
                _ => *value == Value::Int(rate),
            })
        };
        let point = experiment.points.iter().find(fits).unwrap().clone();
        let request = tidewire_script::RunRequest { rep, seed: u64::from(rep), ..common::request(&point) };
        common::good(tidewire_script::run(&script, &experiment, &request))
    };
    let (direct, queued) = (at("at_once", 20, 1), at("queue", 20, 1));
    assert!(column(&queued, "latency_ms_p95") < 0.2 * column(&direct, "latency_ms_p95"));
    assert!(column(&queued, "ok_pct") > 99.9);
    let lengths: Vec<f64> = (1..=5).map(|rep| column(&at("queue", 20, rep), "length")).collect();
    let mean = lengths.iter().sum::<f64>() / 5.0;
    let sd = (lengths.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 4.0).sqrt();
    let formula = waiting(2.0, 3);
    assert!((formula - 0.888_888_888_9).abs() < 1e-9);
    // Student's t for 99 % and four degrees of freedom.
    assert!((mean - formula).abs() < 4.604 * sd / 5f64.sqrt(), "{mean} +- {sd} against {formula}");
    assert!(sd < 0.35, "{lengths:?}");
}

#[test]
fn row_53_workers_and_queue_servers_die_and_no_acknowledged_task_is_lost() {
    shows("scripts/chain/redelivery.lua", &[], 20);
}

#[test]
fn row_54_the_database_is_asked_for_what_the_real_cache_does_not_have() {
    let script = shipped("scripts/chain/cache.lua");
    let mut ratios = Vec::new();
    for entries in [10, 100, 1000] {
        let result = run_at(&script, &[("entries", Value::Int(entries)), ("skew", Value::Float(1.1))]);
        let (h, asked) = (column(&result, "hit_ratio"), column(&result, "asked_count"));
        // Every miss is a query, but for those under way when the measured time began or ended.
        assert!((column(&result, "db_count") - asked * (1.0 - h)).abs() < 5.0, "{:?}", result.record);
        let (load, sd) = (150.0 * (1.0 - h), (150.0 * (1.0 - h) / 45.0f64).sqrt());
        assert!((column(&result, "db_per_s") - load).abs() < 3.0 * sd + 0.05 * load);
        assert_eq!(column(&result, "failed_count"), 0.0);
        ratios.push(h);
    }
    assert!(ratios.windows(2).all(|pair| pair[0] + 0.1 < pair[1]), "{ratios:?}");
    assert!(ratios[2] > 0.9, "all keys have room: {ratios:?}");
}

#[test]
fn row_55_what_each_tier_did_sums_to_the_response_time_exactly() {
    let result = shows("scripts/chain/chain.lua", &[], 3);
    assert!(column(&result, "requests_count") > 1000.0);
    let tiers = common::lines(&result).join("\n");
    for tier in ["users", "front1", "app1", "app2", "cache", "db", "broker"] {
        assert!(tiers.lines().any(|line| line.starts_with(tier)), "{tier}:\n{tiers}");
    }
    for kind in ["call", "connect", "server", "middleware", "cache", "database", "queue"] {
        assert!(tiers.contains(kind), "{kind}:\n{tiers}");
    }
}

#[test]
fn row_43_and_72_where_the_session_lives_decides_who_is_logged_out() {
    let script = shipped("scripts/chain/where_sessions_live.lua");
    let mut bytes = Vec::new();
    for (how, server_died, store_died) in
        [("sticky", 50.0, 50.0), ("store", 97.5, 0.0), ("token", 100.0, 100.0)]
    {
        let result = run_at(&script, &[("how", text(how))]);
        result.checks.iter().for_each(|check| assert!(check.passed, "{how}: {}", check.text));
        assert_eq!(result.checks.len(), if how == "token" { 7 } else { 6 });
        assert_eq!(column(&result, "logged_in_after_server_died_pct"), server_died, "{how}");
        assert_eq!(column(&result, "logged_in_after_store_died_pct"), store_died, "{how}");
        bytes.push((column(&result, "server_bytes_per_user"), column(&result, "request_bytes")));
    }
    // What servers do not remember, requests say.
    assert_eq!((bytes[0].0, bytes[1].0, bytes[2].0), (2048.0, 0.0, 0.0));
    assert!(bytes[2].1 > bytes[0].1 + 200.0, "{bytes:?}");
}

#[test]
fn row_36_the_rows_of_a_journey_sum_to_the_time_until_the_page_is_there() {
    let result = shows("scripts/chain/journey_of_a_url.lua", &[], 17);
    assert!(column(&result, "warm_ms") < 0.3 * column(&result, "cold_ms"));
    let timeline =
        result.tables.iter().find(|(name, _)| name == "timeline").map(|(_, table)| table.rows.len());
    assert!(timeline.is_some_and(|rows| rows > 25));
}

#[test]
fn a_database_with_c_cores_waits_as_erlang_says_and_a_pool_refuses_as_erlang_says() {
    // M/M/2 with load 1.5: the mean wait is that of Erlang C; a pool of 3 without waiting refuses as Erlang B says.
    let lines = printed(
        "experiment { duration = '150s', warmup = '10s' }
         local app, db = net:host 'app', net:host('db', { cores = 2 })
         local other = net:host('other', { cores = 3 })
         net:lan('lan', { app, db, other }, { rate = '10Gbps', delay = '1us' })
         local base = db:database_server { service = { 'exponential', mean = '10ms' } }
         local wide = app:database_client(db, { pool = 1000 })
         other:database_server { service = { 'exponential', mean = '10ms' } }
         local narrow = app:database_client(other, { pool = 3, pool_timeout = 0 })
         local n, wait, sent = 0, 0, 0
         local gaps, more = random.stream 'gaps', random.stream 'more'
         spawn(function()
           while true do
             sleep(gaps.exponential(1 / 150))
             spawn(function() wide:query 'x' end)
           end
         end)
         spawn(function()
           while true do
             sleep(more.exponential(1 / 200))
             spawn(function() narrow:query 'x' end)
           end
         end)
         at_end(function() print(base.waited / base.queries, narrow.exhausted / narrow.queries, narrow.most_used) end)",
    );
    let numbers: Vec<f64> = lines[0].split('\t').map(|text| text.parse().unwrap()).collect();
    let wait = waiting(1.5, 2) / 150.0;
    assert!((numbers[0] - wait).abs() < 0.2 * wait, "{} against {wait}", numbers[0]);
    let a: f64 = 2.0;
    let blocked = (a.powi(3) / 6.0) / (1.0 + a + a * a / 2.0 + a.powi(3) / 6.0);
    assert!((numbers[1] - blocked).abs() < 0.02, "{} against {blocked}", numbers[1]);
    assert_eq!(numbers[2], 3.0);
}

#[test]
fn cores_lanes_and_memory_are_shared_in_turn_and_given_back_by_the_dead() {
    let lines = printed(
        "local a = net:host('a', { cores = 2, memory = '100MB' })
         net:link(a, net:host 'b')
         local done = {}
         for i = 1, 4 do a:spawn(function() local waited = a:work '1s' done[i] = { now(), waited } end) end
         sleep '5s'
         print(done[1][1], done[2][1], done[3][1], done[4][1], done[4][2])
         local p = a:spawn(function() a:work '1h' end)
         local q = a:spawn(function() a:work '1h' end)
         sleep '1s'
         p:kill()
         local begun = now()
         a:work '1s'
         print(now() - begun)
         q:kill()
         print(a:allocate '60MB', a:allocate '60MB')
         a:free '60MB'
         print(a:allocate '100MB', a.stats.memory_used, a.stats.memory_peak, a.stats.memory_refused)
         a:crash()
         a:boot()
         print(a.stats.memory_used)",
    );
    assert_eq!(
        lines,
        ["1.0\t1.0\t2.0\t2.0\t1.0", "1.0", "true\tnil\tout of memory", "true\t100000000\t100000000\t1", "0"]
    );
}

#[test]
fn workers_of_each_kind_serve_as_many_at_a_time_as_they_say() {
    for (options, most, seconds) in [
        ("workers = 2", 2, 4.0),
        ("workers = 1, worker = 'threads', threads = 4", 4, 2.0),
        ("workers = 1, worker = 'async'", 8, 1.0),
        ("worker = 'cgi', workers = 4", 4, 2.0),
        ("worker = 'cgi', memory = '30MB'", 4, 1.0),
    ] {
        let lines = printed(&format!(
            "local a, b = net:host 'a', net:host('b', {{ cores = 4, memory = '100MB' }})
             net:link(a, b, {{ delay = '1us' }})
             local server = b:http_server {{ {options}, ['/'] = function() sleep '1s' return 200 end }}
             local load = a:http_load {{ url = 'http://b/', clients = 8, requests = 8 }}
             load:wait()
             print(server.most_active, math.floor(now() + 0.5), server.out_of_memory, load.by_status[503] or 0)"
        ));
        let numbers: Vec<f64> = lines[0].split('\t').map(|text| text.parse().unwrap()).collect();
        assert_eq!((numbers[0], numbers[1]), (f64::from(most), seconds), "{options}");
        let refused = if options.contains("30MB") { 5.0 } else { 0.0 };
        assert_eq!((numbers[2], numbers[3]), (refused, refused), "{options}");
    }
}

#[test]
fn threads_of_one_lock_compute_one_at_a_time() {
    let lines = printed(
        "local a, b = net:host 'a', net:host('b', { cores = 4 })
         net:link(a, b, { delay = '1us' })
         for i, gil in ipairs { true, false } do
           b:http_server { port = 80 + i, worker = 'threads', threads = 4, gil = gil, ['/'] = function() b:work '1s' return 200 end }
           local begun = now()
           a:http_load { url = { b, 80 + i, '/' }, clients = 4, requests = 4 }:wait()
           print(math.floor(now() - begun + 0.5))
         end",
    );
    assert_eq!(lines, ["4", "1"]);
}

#[test]
fn a_client_that_never_reads_is_cut_off_and_counted_and_holds_a_worker_no_longer_than_that() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { delay = '1ms' })
         local server = b:http_server { workers = 1, send_timeout = '10s', pages = { ['/'] = '50MB', ['/small'] = '1kB' } }
         local conn = a:connect(b, 80)
         conn:send 'GET / HTTP/1.1\\r\\nHost: b\\r\\n\\r\\n'
         sleep '1s'
         local res = a:http_get { b, 80, '/small', timeout = '60s' }
         print(res.status, now() > 10 and now() < 13, server.send_timeouts)",
    );
    assert_eq!(lines, ["200\ttrue\t1"]);
}

#[test]
fn answers_that_are_not_buffered_hold_the_server_behind_and_buffered_ones_do_not() {
    let lines = printed(
        "local slow, front, app = net:host 'slow', net:host('front', { forward = true }), net:host 'app'
         net:link(slow, front, { rate = '10Mbps', delay = '1ms' })
         net:link(front, app, { rate = '1Gbps', delay = '1ms' })
         local server = app:http_server { port = 8000, workers = 1, sndbuf = '64KiB', ['/*'] = function() return 200, '5MB' end }
         front:http_balancer { port = 81, to = app, to_port = 8000 }
         front:http_balancer { port = 82, to = app, to_port = 8000, buffering = false, sndbuf = '64KiB' }
         for _, port in ipairs { 81, 82 } do
           local begun = now()
           local first = spawn(function() return slow:http_get { front, port, '/', keep = 0 } end)
           sleep '100ms'
           local free = front:http_get { app, 8000, '/', keep = 0 }
           local waited = now() - begun
           local _, res = first:join()
           print(res.status, res.size, waited < 0.5, waited > 2)
         end",
    );
    assert_eq!(lines, ["200\t5000000\ttrue\tfalse", "200\t5000000\tfalse\ttrue"]);
}

#[test]
fn caches_queues_and_databases_that_are_away_or_talk_nonsense_are_errors_for_the_script() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { delay = '1ms' })
         local store, keys = b:cache_server {}, a:cache_client(b, { timeout = '1s' })
         local queue, jobs = b:queue_server { capacity = 1 }, a:queue_client(b, { timeout = '1s' })
         local base, rows = b:database_server { connections = 1, handler = function(q) if q == 'bad' then return nil, 'syntax' end return q end },
           a:database_client(b, { timeout = '1s' })
         print(keys:set('k', 'v', { ttl = '1s' }), keys:get 'k', keys:get 'other')
         print(keys:command 'NO')
         print(keys:increment 'k')
         sleep '1s'
         print(keys:get 'k', store.expired)
         print(jobs:put 'x', jobs:put 'y')
         print(jobs:put(('x'):rep(70000)))
         print(rows:query('hello').body, rows:query 'bad')
         print(a:database_client(b):query 'x')
         for _, port in ipairs { 6379, 11300, 5432 } do
           local conn = a:connect(b, port)
           conn:send(('\\255\\r\\n*-5\\r\\n$zz'):rep(100))
           conn:recv { timeout = '1s' }
           conn:close()
         end
         print(queue.bad_commands, base.bad_messages, base.refused)
         b:crash()
         print(keys:get 'k')
         print(jobs:put 'z')
         print(rows:query 'x')
         b:boot()
         sleep '70s'
         print(keys:get 'k', jobs:put 'z', rows:query('again').body, queue.lost)",
    );
    assert_eq!(
        lines,
        [
            "true\tv\tnil",
            "nil\tERR unknown command 'NO'",
            "nil\tERR value is not an integer or out of range",
            "nil\t1",
            "1\tnil\tqueue full",
            "nil\ttoo big",
            "hello\tnil\tsyntax",
            "nil\ttoo many connections",
            "1\t1\t1",
            "nil\ttimeout",
            "nil\ttimeout",
            "nil\ttimeout",
            "nil\tnil\tagain\t0",
        ]
    );
}

#[test]
fn a_server_that_never_answers_is_a_timeout_at_every_tier() {
    let lines = printed(
        "local a, front, mute = net:host 'a', net:host 'front', net:host 'mute'
         net:lan('lan', { a, front, mute }, { delay = '1ms' })
         mute:serve(80, function(conn) sleep '1h' end)
         for _, port in ipairs { 6379, 11300, 5432 } do mute:serve(port, function(conn) sleep '1h' end) end
         front:http_balancer { to = mute, upstream_timeout = '2s' }
         local begun = now()
         print(a:http_get('http://front/').status, math.floor(now() - begun + 0.5))
         print(a:cache_client(mute, { timeout = '1s' }):get 'k')
         print(a:queue_client(mute, { timeout = '1s' }):put 'k')
         print(a:database_client(mute, { timeout = '1s' }):query 'k')
         stop()",
    );
    assert_eq!(lines, ["504\t2", "nil\ttimeout", "nil\ttimeout", "nil\ttimeout"]);
}

#[test]
fn row_53_workers_come_back_to_a_queue_server_that_was_away_for_long() {
    // The connection dies in the hands of a worker that waits for a task, with the host and with the cable.
    for (away, back) in [("broker:crash()", "broker:boot()"), ("cable:disable()", "cable:enable()")] {
        let lines = printed(&format!(
            "local web, broker, hand = net:host 'web', net:host 'broker', net:host 'hand'
             local switch = net:switch 'switch'
             net:link(web, switch, {{ delay = '1ms' }}) net:link(hand, switch, {{ delay = '1ms' }})
             local cable = net:link(broker, switch, {{ delay = '1ms' }})
             local server, done = broker:queue_server {{}}, nil
             local workers = hand:queue_workers {{ from = broker, handler = function(task) done = task.body end }}
             sleep '1s' {away} sleep '20s' {back} sleep '10s'
             print(web:queue_client(broker):put 'x')
             sleep '1s'
             print(done, server.done, workers.reconnects > 0)
             workers:stop()"
        ));
        assert_eq!(lines, ["1", "x\t1\ttrue"], "{away}");
    }
}

#[test]
fn row_75_what_fails_among_ten_thousand_fails_for_the_reason_that_is_said() {
    let mut script = shipped("scripts/chain/front.lua");
    script.text = script.text.replace("10000", "1500").replace("4GiB", "1GiB");
    let at = |setup: &str| run_at(&script, &[("setup", text(setup)), ("clients", Value::Int(1500))]);
    for setup in ["front", "app", "cgi"] {
        let result = at(setup);
        assert_eq!(column(&result, "failed_otherwise_count"), 0.0, "{setup}: {:?}", result.record);
    }
    let front = at("front");
    assert_eq!(column(&front, "static_ok_pct"), 100.0);
    assert_eq!((column(&front, "dynamic_ok_pct"), column(&front, "failed_absent_count")), (0.0, 1500.0));
    assert!(column(&at("cgi"), "failed_by_memory_count") > 500.0);
}

#[test]
fn of_several_servers_with_the_fewest_connections_each_gets_its_turn() {
    let lines = printed(
        "local u, lb, s = net:host 'u', net:host 'lb', net:hosts('s', 3)
         net:lan('lan', { u, lb, s }, { rate = '1Gbps', delay = '100us' })
         local n = { 0, 0, 0 }
         for i, host in ipairs(s) do host:http_server { port = 8000, ['/'] = function() n[i] = n[i] + 1 return 200, 'x' end } end
         lb:http_balancer { to = s, to_port = 8000, policy = 'least_connections' }
         lb:tcp_proxy { port = 90, to = s, to_port = 8000, policy = 'least_connections' }
         for _, port in ipairs { 80, 90 } do
           n[1], n[2], n[3] = 0, 0, 0
           for _ = 1, 30 do u:http_get { lb, port } end
           print(n[1], n[2], n[3])
         end",
    );
    assert_eq!(lines, ["10\t10\t10", "10\t10\t10"]);
}

#[test]
fn a_task_in_the_hand_of_a_connection_that_ends_is_somebody_else_s_at_once() {
    let lines = printed(
        "local broker, one, two = net:host 'broker', net:host 'one', net:host 'two'
         net:lan('lan', { broker, one, two }, { delay = '1ms' })
         local server, done = broker:queue_server {}, nil
         one:queue_client(broker):put 'x'
         local c = assert(one:connect(broker, 11300))
         c:send 'reserve\\r\\n'
         print(c:recv_line(), server.working)
         c:close()
         two:queue_workers { from = broker, handler = function(task) done = task.body end }
         sleep '1s'
         print(done, server.orphaned, server.timeouts)",
    );
    assert_eq!(lines, ["RESERVED 1 1\t1", "x\t1\t0"]);
}
