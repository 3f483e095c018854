//! What becomes of lines, cores and resources when a process that stands in them ends before its time.

mod common;

use common::printed;

#[test]
fn a_killed_process_leaves_the_line_of_a_resource_and_the_next_one_gets_it() {
    let code = "local r = resource(1)
        r:acquire()
        local p = spawn(function() r:acquire() print 'never' end)
        spawn(function() r:acquire() print('second', now()) end)
        sleep(1) print(r.waiting) p:kill() print(r.waiting)
        r:release() sleep(1) print(r.held, r.waiting)";
    assert_eq!(printed(code), ["2", "1", "second\t1.0", "1\t0"]);
}

#[test]
fn a_killed_process_swallows_nothing_from_a_queue_and_blocks_nobody_who_puts() {
    let code = "local q = queue(1)
        local p = spawn(function() print('never', q:get()) end)
        sleep(1) q:put 'a' p:kill()
        print(#q, q:get { timeout = '1s' })
        q:put 'b'
        local full = spawn(function() q:put 'c' end)
        spawn(function() print(q:put 'd') end)
        sleep(1) full:kill() print(q:get()) sleep(1) print(q:get())";
    assert_eq!(printed(code), ["1\ta", "b", "true", "d"]);
}

#[test]
fn what_a_closed_coroutine_waited_in_is_left_when_its_process_goes_on() {
    let code = "local r = resource(1)
        r:acquire()
        local co = coroutine.create(function() r:acquire() end)
        spawn(function() coroutine.resume(co) sleep(100) end)
        spawn(function() r:acquire() print('next', now()) end)
        sleep(1) coroutine.close(co) r:release() sleep(5) print(r.waiting)";
    assert_eq!(printed(code), ["next\t1.0", "0"]);
}

#[test]
fn a_crash_takes_the_processes_of_a_host_out_of_every_line() {
    let code = "local h, other = net:host 'h', net:host 'o'
        net:link(h, other)
        local r = resource(1)
        r:acquire()
        h:spawn(function() r:acquire() end)
        sleep(1) h:crash() print(r.waiting)
        r:release() print(r:acquire { timeout = '1s' })";
    assert_eq!(printed(code), ["0", "true"]);
}

#[test]
fn a_process_killed_at_work_or_in_the_line_for_a_core_frees_it() {
    let code = "local h = net:host 'h'
        local busy = spawn(function() h:work '10s' end)
        local waits = spawn(function() h:work '10s' end)
        sleep(1) waits:kill() busy:kill()
        h:work '1s' print(now())
        print(('%.2f'):format(h.stats.cpu_utilization))";
    assert_eq!(printed(code), ["2.0", "1.00"]);
}

#[test]
fn work_goes_on_for_others_when_a_host_crashes() {
    let code = "local h, o = net:host 'h', net:host 'o'
        net:link(h, o)
        after(1, function() h:crash() end)
        h:work '2s' print(now())";
    assert_eq!(printed(code), ["2.0"]);
}

#[test]
fn use_gives_its_unit_back_when_its_function_raises_or_its_process_is_killed() {
    let code = "local r = resource(1)
        print(pcall(function() r:use(function() error('x', 0) end) end))
        print(r.held, r:use(function(a) return a, r.held end, 'a'))
        local p = spawn(function() r:use(function() sleep(100) end) end)
        local inner = spawn(function() coroutine.wrap(function() r:use(function() sleep(100) end) end)() end)
        sleep(1) print(r.held, r.waiting) p:kill() sleep(1) print(r.held, r.waiting)
        inner:kill() print(r.held)";
    assert_eq!(printed(code), ["false\tx", "0\ta\t1", "1\t1", "1\t0", "0"]);
}

#[test]
fn a_killed_process_closes_what_it_has_to_close() {
    let code = "local function closes(name) return setmetatable({}, { __close = function() print(name) end }) end
        local p = spawn(function() local a <close> = closes 'first' local b <close> = closes 'last' sleep(9) end)
        sleep(1) p:kill() print 'killed'
        local me me = spawn(function() local c <close> = closes 'own' me:kill() sleep(1) print 'never' end)
        sleep(1)
        local bad = spawn(function()
          local d <close> = setmetatable({}, { __close = function() sleep(1) end })
          sleep(9)
        end)
        sleep(1) bad:kill() print(bad.alive)";
    assert_eq!(printed(code), ["last", "first", "killed", "own", "false"]);
}

#[test]
fn a_sleep_of_no_time_lets_what_was_spawned_begin() {
    let code = "local s = signal()
        spawn(function() print 'in' print(s:wait()) end)
        print 'a' sleep(0) print 'b' s:fire(1) sleep(0) print(now())";
    assert_eq!(printed(code), ["a", "in", "b", "true\t1", "0.0"]);
}

#[test]
fn a_disabled_host_is_cut_off_and_forgets_nothing() {
    let code = "local a, b = net:host 'a', net:host 'b'
        net:link(a, b, { rate = '10Mbps', delay = '5ms' })
        local got = 0
        local s = b:udp(7)
        b:spawn(function() while true do print(s:receive(), now() < 2) end end)
        local u = a:udp()
        u:sendto('one', b, 7) sleep(1)
        b:disable() print(b.up, u:sendto('two', b, 7)) sleep(1)
        b:enable() u:sendto('three', b, 7) sleep(1)";
    assert_eq!(printed(code), ["one\ttrue", "true\t3", "three\tfalse"]);
}

#[test]
fn a_run_has_room_for_so_many_figures_and_no_more() {
    let error = common::error_of("for i = 1, 1e9 do histogram('h' .. i .. '_ms') end");
    assert!(error.message.contains("at most 20000 figures") && error.message.contains("record("), "{error}");
    let error = common::error_of("net:hosts('h', 3e6)");
    assert!(error.message.contains("a network has at most 1000000 nodes"), "{error}");
    assert_eq!(error.fault, tidewire_script::Fault::Limit);
}

#[test]
fn a_check_names_links_that_cannot_carry_what_will_be_sent() {
    let found = |flows: &str| {
        let text = format!(
            "experiment {{ duration = '10s' }} local a, b = net:host 'a', net:host 'b'
             net:link(a, b, {{ rate = '10Mbps' }}) {flows}"
        );
        let script = common::script(&text);
        let experiment = tidewire_script::plan(&script, &[]).unwrap();
        let (_, warnings) = tidewire_script::inspect(&script, &experiment, &experiment.points[0]).unwrap();
        warnings.into_iter().map(|warning| warning.text).collect::<Vec<_>>()
    };
    assert_eq!(found("a:cbr { to = b, rate = '9Mbps' }"), Vec::<String>::new());
    let one = found("a:cbr { to = b, rate = '9.9Mbps', size = 100 }");
    assert!(
        one[0].contains("the link from a to b carries 10Mbps, and one flow sends 16.434 Mbit/s"),
        "{one:?}"
    );
    let two = found("a:cbr { to = b, rate = '6Mbps' } a:poisson { to = b, rate = '6Mbps' }");
    assert!(two[0].contains("2 flows send 12.79"), "{two:?}");
    let apart = found(
        "a:cbr { to = b, rate = '6Mbps', stop = 5 } a:cbr { to = b, rate = '6Mbps', start = 5 } b:cbr { to = a, rate = '6Mbps' }",
    );
    assert_eq!(apart, Vec::<String>::new());
}

#[test]
fn histograms_hold_negative_numbers_and_refuse_infinite_ones() {
    let code = "local h = histogram 'h_ms'
        h:add(-5) h:add(1) print(h:count(), h:mean(), h:min())
        print((select(2, pcall(h.add, h, 1 / 0)):gsub('\\n.*', '')))";
    let lines = printed(code);
    assert_eq!(lines[0], "2\t-2.0\t-5.0");
    assert!(lines[1].contains("a histogram holds finite numbers"), "{lines:?}");
}

fn rows_of(result: &tidewire_script::RunResult, table: &str) -> Vec<String> {
    let (_, table) = result.tables.iter().find(|(name, _)| name == table).expect("the table");
    let text = |row: &Vec<tidewire_metrics::Value>| {
        row.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    table.rows.iter().map(text).collect()
}

#[test]
fn what_changes_is_written_down_when_it_does() {
    let result = common::good(common::result_of(&common::script(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { rate = '10Mbps', delay = '5ms' })
         b:serve(80, function(conn) conn:recv_all() end)
         local s = a:tcp()
         s:watch({ 'state', 'ca_state' })
         s:watch('cwnd_packets', { on_change = true })
         b:watch({ 'received_packets', 'sockets_count' }, { on_change = true })
         b:watch('received_mbps', { every = '100ms' })
         sleep '1ms' s:connect(b, 80) s:send('x') sleep '50ms' s:close() sleep '1s'",
    )));
    let events = rows_of(&result, "events");
    let states: Vec<&str> = events
        .iter()
        .filter(|row| row.contains(" state "))
        .map(|row| row.rsplit(' ').next().unwrap())
        .collect();
    assert_eq!(states, ["CLOSED", "SYN_SENT", "ESTABLISHED", "FIN_WAIT_1", "TIME_WAIT"], "{events:?}");
    assert!(events.iter().any(|row| row.contains("a tcp 10.0.0.1:49152 > 10.0.0.2:80")), "{events:?}");
    let series = rows_of(&result, "series");
    let of = |what: &str| series.iter().filter(|row| row.contains(what)).count();
    assert!((1..8).contains(&of(" cwnd_packets ")), "{series:?}");
    let counts: Vec<&String> = series.iter().filter(|row| row.contains(" received_packets ")).collect();
    assert!(counts.len() >= 4 && counts.windows(2).all(|pair| pair[0] != pair[1]), "{counts:?}");
    assert_eq!(of(" received_mbps "), 10, "{series:?}");
    let error = common::error_of(
        "local a, b = net:host 'a', net:host 'b' net:link(a, b)
         a:watch('sent_mbps', { on_change = true })",
    );
    assert!(error.message.contains("sent_mbps is a mean over an interval"), "{error}");
}

#[test]
fn wait_any_looks_at_queues_and_leaves_to_others_what_is_theirs() {
    let lines = common::printed(
        "local a, b, s = queue(), queue(), signal()
         spawn(function() sleep(1) b:put 'first' sleep(1) s:fire() sleep(1) a:put 'second' end)
         for _ = 1, 3 do
           local what, at = wait_any { a, b, s }
           print(at, now(), at < 3 and what:get() or 'fired')
         end
         print(wait_any { a, b, timeout = 1 })
         spawn(function() print('got', a:get()) end)
         spawn(function() sleep(1) a:put 'theirs' end)
         print(wait_any { a, timeout = 2 })",
    );
    assert_eq!(
        lines,
        ["2\t1.0\tfirst", "3\t2.0\tfired", "1\t3.0\tsecond", "nil\ttimeout", "got\ttheirs", "nil\ttimeout"]
    );
}

#[test]
fn faster_cores_work_faster_and_sizes_may_be_exponential() {
    let lines = common::printed(
        "local a, b = net:host('a', { cpu = 4 }), net:host 'b'
         net:link(a, b, { rate = '1Gbps' })
         local begin = now() a:work(1) print(now() - begin) b:work(1) print(now() - begin)
         local flow = a:poisson { to = b, rate = '10Mbps', size = { 'exponential', mean = 500 }, count = 20000, start = now() }
         flow:wait() sleep(1)
         print(math.abs(flow.bytes_offered / 20000 / 500 - 1) < 0.03)",
    );
    assert_eq!(lines, ["0.25", "1.25", "true"]);
}
