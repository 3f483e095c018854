//! Services in detail: what becomes of their connections, what they refuse, what they write down.

mod common;

use common::{error_of, good, printed, result_of, script, text};
use tidewire_metrics::Value;
use tidewire_script::RunResult;

/// A user and a server, 1 ms apart.
const PAIR: &str = "local u, s = net:host 'u', net:host 's'
    net:link(u, s, {rate = '100Mbps', delay = '1ms'})
    ";

#[test]
fn sockets_of_failed_connections_are_gone_and_the_reason_stays_with_the_script() {
    let lines = printed(&format!(
        "{PAIR}local function left(name, f, ...)
           local before = #u:sockets()
           for _ = 1, 5 do f(...) end
           print(name, #u:sockets() - before)
         end
         left('connect', u.connect, u, s, 99)
         left('http', u.http_get, u, 'http://s:99/')
         left('ftp', u.ftp, u, s)
         left('no such host', u.connect, u, '10.9.9.9', 99)
         local own = u:tcp()
         print(own:connect(s, 99))
         print(own.state, own:recv())
         print(own:send 'x')
         print(#u:sockets())
         own:close()"
    ));
    let expected = [
        "connect\t0",
        "http\t0",
        "ftp\t0",
        "no such host\t0",
        "nil\trefused",
        "CLOSED\tnil\trefused",
        "nil\trefused",
        "0",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn connections_that_wait_for_their_next_request_close_when_the_server_does() {
    let lines = printed(
        "local u, s, edge = net:host 'u', net:host 's', net:host 'edge'
         net:lan('l', {u, s, edge}, {delay = '1ms'})
         local authority = net:authority 'ca'
         u:trust(authority)
         local pages = {['/'] = '1kB', ['/a'] = html { title = 'a', images = {'/'} }}
         s:http_server{http = '2', pages = pages}
         s:http_server{port = 8443, pages = pages, tls = { cert = authority:certificate { names = 's' } }}
         s:cache_server{}
         edge:http_cache{origin = s}
         local function left(name, ...)
           for _, f in ipairs{...} do f() end
           sleep '400s'
           local at = {}
           for _, host in ipairs{u, edge, s} do
             for _, each in ipairs(host:sockets()) do if each.peer then at[#at + 1] = each.state end end
           end
           print(name, table.concat(at, ' '))
         end
         local client, secure, cache = u:http_client{}, u:http_client{}, u:cache_client(s)
         left('client', function() print(client:get('http://s/').status) end)
         left('again', function() print(client:get('http://s/').reused) end)
         left('secure', function() print(secure:get('https://s:8443/').status) end)
         left('pipeline', function() print(#client:pipeline{'http://s/', 'http://s/'}) end)
         left('http/2', function() print(u:http_client{http = '2'}:get('http://s/').status) end)
         left('browser', function() print(u:browser{}:open('http://s/a').status) end)
         left('cache', function() print(u:http_get('http://edge/').status) end)
         left('store', function() print(cache:set('a', 'b')) end)
         left('crash', function() s:crash() sleep '1s' s:boot() sleep '1s' print(cache:get 'a') end)",
    );
    let expected = [
        "200",
        "client\t",
        "false",
        "again\t",
        "200",
        "secure\t",
        "2",
        "pipeline\t",
        "200",
        "http/2\t",
        "200",
        "browser\t",
        "200",
        "cache\t",
        "true",
        "store\tESTABLISHED ESTABLISHED",
        "nil",
        "crash\tESTABLISHED ESTABLISHED",
    ];
    assert_eq!(lines, expected);
}

/// The figure of a service in `services.csv`.
fn figure(result: &RunResult, name: &str, counter: &str) -> String {
    let (_, table) = result.tables.iter().find(|(name, _)| name == "services").expect("a table of services");
    assert_eq!(table.columns, ["service", "name", "host", "port", "counter", "value", "unit"]);
    let row = table.rows.iter().find(|row| row[1] == text(name) && row[4] == text(counter));
    row.map_or_else(|| "none".to_owned(), |row| row[5].to_string())
}

#[test]
fn what_every_service_counted_becomes_rows_without_the_scripts_help() {
    let result = good(result_of(&script(
        "local u, s, d = net:host 'u', net:host 's', net:host 'd'
         net:lan('l', {u, s, d}, {delay = '1ms'})
         s:dns_server{origin = 'a.com', zone = {['www.a.com'] = s}}
         s:http_server{pages = {['/'] = {size = '1kB', max_age = '60s'}}}
         d:http_balancer{to = s}
         d:tcp_proxy{port = 99, to = s, to_port = 80}
         d:http_cache{port = 8080, origin = s}
         s:ftp_server{anonymous = true, files = {['/f'] = '10kB'}}
         s:queue_server{}
         s:cache_server{name = 'shelf'}
         s:telnet_server{users = {kim = 'secret'}}
         d:queue_workers{from = s, handler = function() end, name = 'worker'}
         u:resolve('www.a.com', 'A', {server = s})
         u:http_get 'http://d/'
         u:http_get 'http://d:99/none'
         u:http_get 'http://d:8080/' u:http_get 'http://d:8080/'
         u:ftp(s):get '/f'
         u:queue_client(s):put 'x'
         u:cache_client(s):get 'k'
         u:telnet(s, 'kim', 'wrong')
         u:play('http://s/', {rate = '8kbps', name = 'film'})
         sleep '1s'",
    )));
    for (name, counter, value) in [
        ("s:80", "requests", "4"),
        ("s:80", "by_status.404", "1"),
        ("d:80", "requests", "1"),
        ("d:80", "backends.s.connections", "1"),
        ("d:99", "connections", "1"),
        ("d", "hits", "1"),
        ("s:21", "transfers", "1"),
        ("s:11300", "done", "1"),
        ("worker", "done", "1"),
        ("shelf", "misses", "1"),
        ("s:23", "faults.wrong password", "1"),
        ("u", "stalls", "0"),
        ("u", "length", "1"),
    ] {
        assert_eq!(figure(&result, name, counter), value, "{counter} of {name}");
    }
    let (_, table) = result.tables.iter().find(|(name, _)| name == "services").expect("a table of services");
    let mut services: Vec<String> = table.rows.iter().map(|row| row[0].to_string()).collect();
    services.dedup();
    let expected = [
        "dns_server",
        "http_server",
        "http_balancer",
        "tcp_proxy",
        "http_cache",
        "ftp_server",
        "queue_server",
        "cache_server",
        "telnet_server",
        "queue_workers",
        "playback",
    ];
    assert_eq!(services, expected);
    let none = good(result_of(&script("local a, b = net:host 'a', net:host 'b' net:link(a, b) a:ping(b)")));
    assert!(none.tables.iter().all(|(name, _)| name != "services"));
}

#[test]
fn what_looks_like_a_size_and_is_none_is_refused_where_it_is_written() {
    let refused = [
        ("s:http_server{pages = {['/'] = '40KB'}}", "'40KB' is no size; did you mean '40kB'?"),
        ("s:http_server{['/'] = '40K'}", "'40K' is no size; did you mean '40kB'?"),
        ("s:http_server{pages = {['/'] = '-5kB'}}", "'-5kB' is no size; did you mean '5kB'?"),
        ("s:ftp_server{files = {['/f'] = '2mib'}}", "'2mib' is no size; did you mean '2MiB'?"),
        ("s:database_server{answer = '40KB'}", "'40KB' is no size"),
        ("u:http_get('http://s/', {body = '40KB'})", "'40KB' is no size"),
        (
            "s:http_server{['/'] = function() return 200, '40KB' end} u:http_get 'http://s/'",
            "the function for / gave as body '40KB', which is no size; did you mean '40kB'?",
        ),
    ];
    for (code, message) in refused {
        let error = error_of(&format!("{PAIR}{code}"));
        assert!(error.to_string().contains(message), "{code}: {error}");
        assert!(error.to_string().contains("exp.lua:3"), "{code}: {error}");
    }
    let lines = printed(&format!(
        "{PAIR}s:http_server{{['/a'] = {{body = '40KB'}}, ['/b'] = '40 kB', ['/c'] = '5th', ['/d'] = function(req) return 200, {{body = req.query.a}} end,
           ['/e'] = function(req) return {{status = 200, body = req.body}} end}}
         for _, path in ipairs{{'a', 'b', 'c', 'd?a=40KB'}} do print(u:http_get('http://s/' .. path).size) end
         print(u:http_get('http://s/e', {{body = {{body = '40KB'}}}}).body)"
    ));
    assert_eq!(lines, ["4", "40000", "3", "4", "40KB"]);
}

#[test]
fn answers_that_http_cannot_say_are_refused_with_their_function() {
    for (code, message) in [
        ("return 100, 'x'", "gave the status 100"),
        ("return 200.5", "gave the status 200.5"),
        (
            "return 200, 'abc', {['Transfer-Encoding'] = 'chunked'}",
            "the header Transfer-Encoding, which is the server's",
        ),
        ("return 200, 'abc', {['a b'] = 'c'}", "a header called 'a b'"),
        ("return 200, 'abc', {a = 'b\\nc'}", "a line break in the header a"),
    ] {
        let error =
            error_of(&format!("{PAIR}s:http_server{{['/'] = function() {code} end}} u:http_get 'http://s/'"))
                .to_string();
        assert!(error.contains(message) && error.contains("exp.lua:3"), "{code}: {error}");
    }
    for (page, message) in [
        ("{}", "the page / is a table without a body"),
        ("{get = function() end}", "the page / is a table without a body"),
    ] {
        let error = error_of(&format!("{PAIR}s:http_server{{['/'] = {page}}}")).to_string();
        assert!(error.contains(message), "{page}: {error}");
    }
    let lines = printed(&format!(
        "{PAIR}s:http_server{{['/'] = function() return 200, 'abc', {{['content-length'] = '10'}} end}} print(u:http_get('http://s/').body)"
    ));
    assert_eq!(lines, ["abc"]);
}

#[test]
fn servers_that_are_down_are_given_up_when_the_documentation_says() {
    let lines = printed(&format!(
        "{PAIR}u:ping(s) s:crash()
         local function try(f, ...)
           local begun, res, why = now(), f(...)
           print(why, math.floor(now() - begun + 0.5))
         end
         try(u.http_get, u, 'http://s/')
         local client, browser, store = u:http_client{{http = '2'}}, u:browser{{}}, u:cache_client(s)
         try(client.get, client, 'https://s/')
         try(browser.open, browser, 'http://s/')
         try(u.play, u, 'http://s/', {{rate = '1Mbps'}})
         try(store.get, store, 'k')"
    ));
    assert_eq!(lines, ["timeout\t60", "timeout\t60", "timeout\t60", "timeout\t60", "timeout\t30"]);
}

#[test]
fn zones_say_nothing_twice_and_nothing_that_cannot_be_sent() {
    for (zone, message) in [
        ("{['big.e.com'] = {TXT = ('a'):rep(70000)}}", "has texts of 70000 bytes"),
        ("{['x.e.com'] = s, ['X.e.com'] = '1.2.3.4'}", "are the same name (RFC 4343)"),
        ("{['emp.e.com'] = {}}", "the record of 'emp.e.com' says nothing"),
        ("{['emp.e.com'] = {ttl = '60s'}}", "the record of 'emp.e.com' says nothing"),
    ] {
        let error = error_of(&format!("{PAIR}s:dns_server{{origin = 'e.com', zone = {zone}}}")).to_string();
        assert!(error.contains(message), "{zone}: {error}");
    }
    let lines = printed(&format!(
        "{PAIR}print((pcall(s.dns_server, s, {{origin = 'a.e.com', zone = {{['a.e.com'] = s}}, parent = 'b'}})))
         print(u:resolve('a.e.com', 'A', {{server = s, timeout = '1s'}}))
         s:http_server{{pages = {{['/'] = 'x'}}}}
         print(u:http_get('http://S/').body)"
    ));
    assert_eq!(lines[0], "false");
    assert!(lines[1].starts_with("nil\t"), "{lines:?}");
    assert_eq!(lines[2], "x");
}

#[test]
fn a_cache_that_is_asked_for_what_it_keeps_does_not_ask_the_origin() {
    let lines = printed(&format!(
        "{PAIR}s:http_server{{pages = {{['/'] = {{body = 'x', max_age = '60s'}}}}}}
         local cache = u:http_cache{{origin = s}}
         local only = {{headers = {{['Cache-Control'] = 'only-if-cached'}}}}
         print(u:http_get('http://u/', only).status, cache.origin_requests)
         u:http_get 'http://u/'
         print(u:http_get('http://u/', only).status, cache.origin_requests)"
    ));
    assert_eq!(lines, ["504\t0", "200\t1"]);
}

#[test]
fn messages_name_pages_of_the_reference_that_exist() {
    let at_client =
        error_of("local a = net:host 'a' a:http_get('https://b/', {tls = {vershun = '1.2'}})").to_string();
    assert!(at_client.contains("(tidewire doc host http_get)"), "{at_client}");
    let at_server = error_of(
        "local a = net:host 'a' a:http_server{tls = {cert = net:authority('R'):certificate{names = 'a'}, vershun = '1.2'}}",
    );
    assert!(!at_server.to_string().contains("tidewire doc tls"), "{at_server}");
}

#[test]
fn a_port_that_is_taken_is_told_of_the_function_that_was_called() {
    let error = error_of(&format!("{PAIR}s:database_server{{}} local d = s:database_server{{}} d:stop()"))
        .to_string();
    assert!(error.contains("exp.lua:3: database_server() returned nil, \"in use\""), "{error}");
}

#[test]
fn a_page_says_what_its_addresses_are_relative_to() {
    let lines = printed(&format!(
        "{PAIR}s:http_server{{pages = {{['/'] = '<html><head><base href=\"/q/\"></head><img src=\"a.jpg\"><img src=\"?y\"><img src=\"javascript:1\">',
           ['/q/a.jpg'] = '1kB', ['/q/'] = '1kB'}}}}
         for _, each in ipairs(u:browser{{}}:open('http://s/').objects) do print(each.url, each.status) end"
    ));
    assert_eq!(lines, ["http://s/\t200", "http://s/q/a.jpg\t200", "http://s/q/?y\t200"]);
}

#[test]
fn a_thousand_clients_of_a_web_chain_need_few_events_and_packets_for_each_request() {
    let result = good(result_of(&script(
        "experiment { name = 'web', duration = '3s' }
         local chain = net:web_chain { apps = 4, workers = 16, app_cores = 8, db_cores = 8, cache_entries = 500, pool = 8 }
         local load = chain.users:http_load { url = chain.url, clients = 1000, think = '1s', keepalive = true, timeout = '10s' }
         at_end(function() record { answered = load.ok, failed = load.failed } end)",
    )));
    let figure = |name: &str| {
        let (_, value) = result.record.iter().find(|(known, _)| known == name).expect(name);
        value.number().expect("a number")
    };
    let (answered, failed) = (figure("answered"), figure("failed"));
    // A cycle is a second of thought and some 50 ms; the cache fills, and everybody opens a connection first.
    assert!((1900.0..3100.0).contains(&answered) && failed == 0.0, "{answered} {failed}");
    let (events, hops) = (result.events as f64 / answered, result.packet_hops as f64 / answered);
    assert!(
        events < 245.0 && hops < 155.0,
        "{events} events and {hops} packet-hops for each of {answered} requests"
    );
}

#[test]
fn queries_and_tasks_can_be_rows() {
    let result = good(result_of(&script(
        "local u, s = net:host 'u', net:host 's'
         net:link(u, s, {delay = '1ms'})
         s:dns_server{origin = 'a.com', zone = {['www.a.com'] = s}, delay = '2ms', log = true}
         u:resolve('www.a.com', 'A', {server = s}) u:resolve('no.a.com', 'TXT', {server = s})
         s:queue_server{}
         local turn = 0
         s:queue_workers{from = s, name = 'w', log = true, handler = function() turn = turn + 1 sleep '5ms' return turn > 1 end}
         u:queue_client(s):put 'x' sleep '1s'",
    )));
    let rows = |table: &str| -> Vec<String> {
        let (_, table) = result.tables.iter().find(|(name, _)| name == table).expect("a table");
        let at = table.columns.iter().position(|column| column == "at_s").expect("when");
        let cells = |row: &Vec<Value>| {
            row.iter()
                .enumerate()
                .filter(|(i, _)| *i != at)
                .map(|(_, cell)| cell.to_string())
                .collect::<Vec<_>>()
        };
        table.rows.iter().map(|row| cells(row).join(" ")).collect()
    };
    let queries = rows("queries");
    assert_eq!(queries.len(), 2);
    assert!(
        queries[0].contains("answer") && queries[0].contains("www.a.com") && queries[1].contains("no.a.com"),
        "{queries:?}"
    );
    let tasks = rows("tasks");
    assert!(tasks[0].contains("given back") && tasks[1].contains("done"), "{tasks:?}");
}

#[test]
fn a_waterfall_tells_waiting_for_a_connection_from_waiting_for_the_server() {
    let lines = printed(
        "local u, s = net:host 'u', net:host 's'
         net:link(u, s, {delay = '50ms', rate = '1Gbps'})
         local pages = {['/'] = html {'/1', '/2', '/3', '/4'}, ['/bad'] = html {'http://s:81/x', 'http://s:82/x'}}
         for i = 1, 4 do pages['/' .. i] = '1kB' end
         s:http_server{pages = pages}
         s:http_server{port = 81, ['/x'] = function() sleep '10s' return 200, 'x' end}
         u:ping(s)
         local function show(page)
           for _, row in ipairs(page.objects) do
             print(('%s %.0f %.0f %.0f %.0f'):format(row.url, row.blocked * 1e3, row.connect * 1e3, row.wait * 1e3, row.total * 1e3))
           end
         end
         local p = u:browser{connections = 1}:open 'http://s/'
         show(p) p:record()
         show(u:browser{timeout = '5s'}:open 'http://s/bad')",
    );
    let expected = [
        "http://s/ 0 100 100 200",
        "http://s/1 0 0 100 100",
        "http://s/2 100 0 100 200",
        "http://s/3 200 0 100 300",
        "http://s/4 300 0 100 400",
        "http://s/bad 0 100 100 200",
        "http://s:81/x 0 100 4900 5000",
        "http://s:82/x 0 100 0 100",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_transfer_and_an_upload_over_a_slow_line_go_on_while_bytes_are_acknowledged() {
    let lines = printed(
        "local u, s = net:host 'u', net:host 's'
         net:link(u, s, {delay = '10ms', rate = '3Mbps'})
         local a, b = net:host 'a', net:host 'b'
         net:link(a, b, {delay = '10ms', rate = '200kbps'})
         local server = s:transfer_server{}
         local res = u:transfer(s, 'a', '20MB', {checkpoint = '5MB'})
         print(res.connections, res.total > 50 and res.total < 60)
         print(server.bytes_received, server.connections, server.resumed)
         b:ftp_server{} b:transfer_server{}
         local begun = now()
         local put, why = a:ftp(b):put('/b', '4MB')
         print(put and put.size, why, now() - begun > 160 and now() - begun < 190)
         at(now() + 20, function() b:crash() end)
         print(a:transfer(b, 'c', '4MB', {tries = 1}))",
    );
    assert_eq!(lines[..3], ["1\ttrue", "20000000\t1\t0", "4000000\tnil\ttrue"]);
    assert!(lines[3].starts_with("nil\ttimeout"), "{lines:?}");
}

#[test]
fn a_film_that_is_given_up_tells_how_long_it_stood_still() {
    let lines = printed(
        "local u, s = net:host 'u', net:host 's'
         net:link(u, s, {delay = '10ms', rate = '10Mbps'})
         s:http_server{pages = {['/v'] = '10MB'}}
         at(2, function() s:crash() end)
         local _, why, b = u:play('http://s/v', {rate = '4Mbps', timeout = '15s'})
         print(why, b.stalls, b.stalled >= 11 and b.stalled < 16)",
    );
    assert_eq!(lines, ["timeout\t1\ttrue"]);
}

#[test]
fn name_servers_have_rows_of_their_own_and_results_that_are_too_big_are_refused() {
    let result = good(result_of(&script(
        "local u, s = net:host 'u', net:host 's'
         net:link(u, s, {delay = '1ms'})
         s:dns_server{origin = 'e.com', zone = {['www.e.com'] = s}}
         s:dns_server{origin = 'f.com', zone = {['www.f.com'] = s}}
         s:dns_server{port = 5353, origin = 'g.com', zone = {['www.g.com'] = s}}
         u:resolve('www.e.com', 'A', {server = s}) u:resolve('www.f.com', 'A', {server = s})
         local q = s:rpc_server{procedures = {big = function() return ('x'):rep(100000) end}}
         local begun = now()
         print(u:rpc(s):call 'big') print(now() - begun < 1, q.faults['too big'])",
    )));
    assert_eq!(figure(&result, "s:53 e.com", "queries"), "1");
    assert_eq!(figure(&result, "s:53 f.com", "queries"), "1");
    assert_eq!(figure(&result, "s:5353 g.com", "queries"), "0");
    assert_eq!(common::lines(&result), ["nil\tthe result is too big for a datagram", "true\t1"]);
}

#[test]
fn an_http_2_connection_that_tcp_has_given_up_is_over() {
    for (cut, tls) in [("L:disable()", false), ("s:crash()", false), ("L:disable()", true)] {
        let (server, scheme) = match tls {
            true => ("tls = {cert = ca:certificate {names = 's'}}, port = 443,", "https"),
            false => ("", "http"),
        };
        let lines = printed(&format!(
            "local u, s = net:host 'u', net:host 's'
             local L = net:link(u, s, {{delay = '2ms'}})
             local ca = net:authority 'ca' u:trust(ca)
             s:http_server{{http = '2', {server} ['/'] = function() return 200, 'x' end,
               ['/slow'] = function() sleep '1s' return 200, 'x' end}}
             local c = u:http_client{{http = '2'}}
             c:get '{scheme}://s/'
             at(0.5, function() {cut} end)
             print(c:get('{scheme}://s/slow'))
             sleep '2000s' print(#u:sockets())"
        ));
        assert_eq!(lines, ["nil\ttimeout", "0"], "{cut} {tls}");
    }
}

#[test]
fn workers_whose_server_is_gone_keep_no_run_alive_and_come_back_when_it_does() {
    let setup = "local w, v, q = net:host 'w', net:host 'v', net:host 'q'
         net:link(w, q) net:link(v, q)
         q:queue_server{} w:queue_client(q):put 'x'
         local done = 0
         local function work() sleep '1s' done = done + 1 end
         w:queue_workers{from = q, handler = work}
         sleep '0.1s'
         v:queue_workers{from = q, handler = work, workers = 2}
         ";
    for cut in ["q:crash()", "net:partition({w, v}, {q})"] {
        let result = good(result_of(&script(&format!(
            "{setup} at(0.5, function() {cut} end) at(2.7, function() v:queue_workers{{from = q, handler = work}} end) sleep '10s' print(now())"
        ))));
        assert!(result.sim.as_secs_f64() < 100.0, "{cut}: {}", result.sim);
    }
    let lines = printed(&format!(
        "{setup} at(0.5, function() q:crash() end) at(100, function() q:boot() end) sleep '120s' print(done)
         q:crash() at(now() + 1, function() q:boot() w:queue_client(q):put 'y' end)
         sleep '20s' print(done)"
    ));
    assert_eq!(lines, ["2", "3"]);
}

#[test]
fn the_port_of_an_address_is_asked_by_caches_browsers_and_all_clients() {
    let lines = printed(
        "local u, s, e = net:host 'u', net:host 's', net:host 'e'
         net:lan('l', {u, s, e}, {delay = '2ms'})
         s:http_server{pages = {['/'] = 'the other site'}}
         s:http_server{port = 8081, pages = {['/'] = 'mine'}}
         e:http_cache{origin = address(s, 8081)}
         e:http_cache{port = 81, origin = 's:8081'}
         e:http_server{port = 82, ['/'] = function(req) return e:http_proxy(req, address(s, 8081)) end}
         for _, url in ipairs{'http://e/', 'http://e:81/', 'http://e:82/'} do print(u:http_get(url).body) end
         print(u:http_get{address(s, 8081)}.body)
         e:http_cache{port = 8888}
         print(u:browser{proxy = address(e, 8888)}:open('http://s/').status)
         print(u:http_client{proxy = address(e, 8888)}:get('http://s/').body)
         s:cache_server{port = 1001} print(u:cache_client(address(s, 1001)):set('a', 'b'))
         s:queue_server{port = 1002} print(u:queue_client(address(s, 1002)):put 'x')
         local got = 0
         u:queue_workers{from = address(s, 1002), handler = function() got = got + 1 end}
         s:database_server{port = 1003} print(u:database_client(address(s, 1003)):query 'x' ~= nil)
         s:ftp_server{port = 1004, anonymous = true} print(u:ftp(address(s, 1004)) ~= nil)
         s:chat_server{port = 1005} print(u:chat(address(s, 1005), 'kim') ~= nil)
         s:telnet_server{port = 1006, users = {kim = 'x'}} print(u:telnet(address(s, 1006), 'kim', 'x') ~= nil)
         s:transfer_server{port = 1007} print(u:transfer(address(s, 1007), 'a', '1kB') ~= nil)
         s:rpc_server{port = 1008, procedures = {f = function() return 7 end}} print((u:rpc(address(s, 1008)):call 'f'))
         print(got)",
    );
    let mut expected = vec!["mine"; 4];
    expected.extend(["200", "the other site", "true", "1"]);
    expected.extend(["true"; 5]);
    expected.extend(["7", "1"]);
    assert_eq!(lines, expected);
}

#[test]
fn what_is_no_server_and_what_is_no_zone_of_a_name_server_is_refused_where_it_is_written() {
    for (code, message) in [
        ("s:http_cache{origin = 'http://s/', port = 8444}", "'http://s/' is a URL"),
        ("s:http_balancer{to = {'http://s:80/'}, port = 8447}", "to = \"s:80\""),
        ("s:dns_server{origin = 'com', zone = {}}:delegate('x.org', {u})", "'x.org' is not below 'com'"),
    ] {
        let error = error_of(&format!("{PAIR}{code}")).to_string();
        assert!(error.contains(message) && error.contains("exp.lua:3"), "{code}: {error}");
    }
    let lines = printed(&format!(
        "{PAIR}local ca = net:authority 'ca'
         s:http_server{{tls = ca:certificate {{names = 's'}}, pages = {{['/'] = 'x'}}}}
         s:http_balancer{{port = 81, to = s, to_port = 443}}
         local res = u:http_get 'http://s:81/' print(res.status, res.body)"
    ));
    assert_eq!(lines[0], "502\tbad message: the server speaks TLS\n");
}
