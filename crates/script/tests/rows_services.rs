//! Client-server services, row by row of the project's checklist; each row has its script.

mod common;

use common::{column, error_of, printed, run_at, shipped, shows, text};
use tidewire_metrics::Value;

#[test]
fn row_38_http_methods_headers_status_and_exact_round_trips() {
    shows("scripts/web/http.lua", &[], 11);
    let script = shipped("scripts/web/round_trips.lua");
    // Ten objects: a handshake each; one handshake; one handshake, requests together; six connections, four of them twice.
    for (how, trips, connections) in
        [("http10", 20.0, 10.0), ("keepalive", 11.0, 1.0), ("pipeline", 2.0, 1.0), ("parallel", 3.0, 6.0)]
    {
        let result = run_at(&script, &[("how", text(how))]);
        assert_eq!(column(&result, "round_trips_count"), trips, "{how}");
        assert_eq!(column(&result, "connections_count"), connections, "{how}");
        // What is left is serialisation: microseconds.
        assert!(column(&result, "rest_us") < 60.0, "{how}: {}", column(&result, "rest_us"));
    }
}

#[test]
fn row_33_names_from_the_root_down_and_again_from_the_cache() {
    let result = shows("scripts/dns/hierarchy.lua", &[], 12);
    let lines = common::lines(&result);
    // As dig +trace prints it: com, then example.com, then the address.
    let starts: Vec<&str> = lines[0].lines().filter(|line| !line.is_empty()).collect();
    assert!(starts[1].starts_with("com.\t172800\tIN\tNS\ttld.com."), "{starts:?}");
    assert!(starts[3].starts_with("example.com.\t172800\tIN\tNS"), "{starts:?}");
    assert!(starts[5].starts_with("www.example.com.\t60\tIN\tA\t10.0.5.1"), "{starts:?}");
    assert_eq!(column(&result, "first_queries_count"), 3.0);
}

#[test]
fn row_34_a_changed_record_is_seen_when_the_old_one_has_expired() {
    let script = shipped("scripts/dns/ttl.lua");
    for (ttl, most) in [("0s", 0.0), ("10s", 10.0), ("60s", 60.0)] {
        let result = run_at(&script, &[("ttl", text(ttl))]);
        let stale = column(&result, "stale_s");
        assert!(stale <= most && (most == 0.0 || stale > 0.0), "{ttl}: {stale}");
        assert!(result.checks.iter().all(|check| check.passed), "{:?}", result.checks);
    }
    let queries = |ttl: &str| column(&run_at(&script, &[("ttl", text(ttl))]), "ns_queries_count");
    assert!(queries("0s") > 119.0 && queries("60s") < 10.0);
}

#[test]
fn row_35_and_74_managed_names_survive_and_change_in_time() {
    let result = shows("scripts/dns/managed.lua", &[], 7);
    assert!((30.0..=50.5).contains(&column(&result, "failover_s")));
    assert!((100.0..=121.0).contains(&column(&result, "change_s")));
}

#[test]
fn row_69_an_address_has_a_name_too() {
    let lines = printed(
        "local a, ns = net:host 'a', net:host 'ns'
         net:link(a, ns)
         ns:dns_server { zone = { ['a.lan'] = a, ['ns.lan'] = ns }, reverse = true }
         net:resolver(ns)
         print((a:resolve('a.lan')), (a:resolve(a.ip, 'PTR')), (a:resolve(ns.ip, 'PTR')))
         print(a:resolve('10.9.9.9', 'PTR'))",
    );
    assert_eq!(lines, ["10.0.0.1\ta.lan\tns.lan", "nil\tno such host"]);
}

#[test]
fn a_url_by_name_pays_for_the_name_once() {
    shows("scripts/web/url.lua", &[], 3);
}

#[test]
fn names_stand_wherever_a_host_can() {
    let lines = printed(
        "local a, ns = net:host 'a', net:host 'ns'
         net:link(a, ns)
         ns:dns_server { zone = { ['www.x'] = ns } }
         net:resolver(ns)
         ns:serve(80, function(conn) conn:send 'hi' end)
         local u = ns:udp(99)
         print(a:ping 'www.x' > 0, #a:traceroute 'www.x')
         print(a:connect('www.x', 80):recv(), a:connect 'www.x:80':recv())
         a:udp():sendto('x', 'www.x', 99)
         print((u:recvfrom()))
         print(a:connect('no.x', 80))
         print(a:ping 'no.x')",
    );
    assert_eq!(lines, ["true\t1", "hi\thi", "x", "nil\tno such host", "nil\tno such host"]);
}

#[test]
fn name_servers_that_are_silent_garbage_or_wrong_are_errors_for_the_script() {
    let lines = printed(
        "local a, b, c = net:host 'a', net:host 'b', net:host 'c'
         net:lan('lan', {a, b, c})
         a:resolver({b, c}, {timeout = '1s', tries = 1})
         print(a:resolve 'www.x')
         local server = b:dns_server { zone = { ['www.x'] = '10.0.0.9' } }
         print((a:resolve 'www.x'))
         for _, junk in ipairs {'', 'x', ('\\255'):rep(600)} do a:udp():sendto(junk, b, 53) end
         sleep '1s'
         print(server.queries, (a:resolve('other.y')))
         b:crash()
         print(a:resolve('w2.x'))",
    );
    assert_eq!(lines, ["nil\ttimeout", "10.0.0.9", "1\tnil", "nil\ttimeout"]);
}

#[test]
fn mistakes_in_zones_are_named_with_their_place() {
    for (code, said) in [
        (
            "a:dns_server { zone = { ['www.x'] = { a = '10.0.0.1' } } }",
            "has an unknown part 'a'; did you mean 'A'?",
        ),
        ("a:dns_server { zone = { ['www.x'] = { MX = { { 10, 'm.x' } } } } }", "has an MX that is a table"),
        ("a:dns_server { zone = { ['www.x'] = 5 } }", "the record of 'www.x' is a number"),
        ("a:dns_server { origin = 'x', zone = { ['www.y'] = a } }", "'www.y' is not below 'x'"),
        ("a:dns_server { zoen = {} }", "unknown option 'zoen' of host:dns_server; did you mean 'zone'?"),
        ("a:dns_resolver {}", "host:dns_resolver needs roots or forward"),
        ("net:resolver(a) a:resolve('www.x', 'B')", "'B' is not a type of records known here"),
    ] {
        let error = error_of(&format!("local a, b = net:host 'a', net:host 'b' net:link(a, b)\n{code}"));
        assert!(error.message.contains(said), "{code}: {error}");
        assert!(error.to_string().contains("exp.lua:2"), "{code}: {error}");
    }
}

#[test]
fn row_39_https_costs_round_trips_hides_what_is_said_and_names_who_is_wrong() {
    let result = shows("scripts/web/https.lua", &[], 17);
    let trips = |name: &str| column(&result, &format!("{name}_trips_count"));
    assert_eq!((trips("http"), trips("tls12"), trips("tls13"), trips("early")), (2.0, 4.0, 3.0, 2.0));
}

#[test]
fn tls_on_sockets_of_the_script_and_what_can_go_wrong_there() {
    let lines = printed(
        &format!(
            "{PAIR}local ca = net:authority 'Root'
         a:trust(ca)
         local cert = ca:certificate {{ names = 'b' }}
         b:serve(99, function(conn)
           if not conn:tls_server(cert) then return end
           local line = conn:recv_line()
           while line do conn:send(line:upper() .. '\\n') line = conn:recv_line() end
         end)
         local s = a:connect(b, 99)
         print(s:tls_client('b').version)
         s:send 'hello\\n'
         print(s:recv_line())
         s:close()
         local s = a:connect(b, 99)
         print(s:tls_client 'c')
         b:serve(98, function(conn) conn:send('x'):rep(0) conn:send(('garbage'):rep(9)) sleep '1s' end)
         print(a:connect(b, 98):tls_client('b'))
         b:serve(97, function(conn) sleep '9s' end)
         print(a:connect(b, 97):tls_client('b', {{ timeout = '1s' }}))"
        )
        .replace("conn:send('x'):rep(0) ", ""),
    );
    assert_eq!(lines, ["1.3", "HELLO", "nil\tbad certificate: wrong name", "nil\tnot TLS", "nil\ttimeout"]);
}

#[test]
fn row_40_41_42_and_73_cookies_sessions_tokens_and_a_closed_browser() {
    shows("scripts/web/sessions.lua", &[], 15);
}

#[test]
fn row_46_methods_and_paths_of_an_api_give_the_right_codes() {
    let lines = printed(&format!(
        "{PAIR}local users = {{}}
         b:http_server {{
           ['/v1/users'] = {{
             GET = function(req) return 200, 'page ' .. (req.query.page or 1) end,
             POST = function(req) users['1'] = req.body return 201, req.body, {{ Location = '/v1/users/1' }} end,
           }},
           ['/v1/users/:id'] = {{
             GET = function(req) local u = users[req.params.id] if u then return 200, u end return 404 end,
             PUT = function(req) users[req.params.id] = req.body return 200 end,
             DELETE = function(req) users[req.params.id] = nil return 204 end,
           }},
         }}
         local c = a:http_client {{}}
         print(c:post('http://b/v1/users', {{ body = 'kim' }}).headers.location, c:get('http://b/v1/users/1').body)
         local codes = {{}}
         for i, method in ipairs {{ 'put', 'get', 'delete', 'get', 'patch' }} do
           codes[i] = c[method](c, 'http://b/v1/users/1', {{ body = method == 'put' and 'lee' or nil }}).status
         end
         print(table.concat(codes, ' '), c:get('http://b/v2/users').status)
         print(c:get('http://b/v1/users', {{ query = {{ page = 2 }} }}).body, c:options('http://b/v1/users').headers.allow)"
    ));
    assert_eq!(lines, ["/v1/users/1\tkim", "200 200 204 404 405\t404", "page 2\tGET, POST"]);
}

#[test]
fn row_48_and_70_lost_answers_and_what_is_done_twice() {
    let script = shipped("scripts/web/idempotency.lua");
    for (what, twice) in [
        ("put", false),
        ("delete", false),
        ("post", true),
        ("post_key", false),
        ("patch_set", false),
        ("patch_add", true),
        ("patch_add_key", false),
    ] {
        for lost in ["0%", "20%"] {
            let result = run_at(&script, &[("what", text(what)), ("lost", text(lost))]);
            assert_eq!(column(&result, "wrong_count") > 0.0, twice && lost == "20%", "{what} {lost}");
            assert_eq!(
                column(&result, "tries_count") > 200.0 - 100.0 * f64::from(what != "delete"),
                lost == "20%"
            );
        }
    }
}

#[test]
fn row_52_three_servers_do_three_times_as_much_and_a_dead_one_is_taken_out() {
    let script = shipped("scripts/web/load_balancer.lua");
    let at = |servers: i64, policy: &str| {
        let result = run_at(&script, &[("servers", Value::Int(servers)), ("policy", text(policy))]);
        assert!(result.checks.iter().all(|check| check.passed), "{policy}: {:?}", result.checks);
        column(&result, "per_second")
    };
    let one = at(1, "round_robin");
    for policy in ["round_robin", "least_connections"] {
        let gain = at(3, policy) / one;
        assert!((2.85..=3.15).contains(&gain), "{policy}: {gain}");
    }
}

#[test]
fn row_54_the_database_is_asked_for_what_the_cache_does_not_have() {
    let script = shipped("scripts/web/chain.lua");
    for hit in [0.5, 0.9] {
        let at = [("workers", Value::Int(8)), ("cache_hit", Value::Float(hit)), ("load", Value::Int(100))];
        let asked = column(&run_at(&script, &at), "db_asked_pct");
        // 1800 requests: three standard deviations.
        let sd = 100.0 * (hit * (1.0 - hit) / 1800.0f64).sqrt();
        assert!((asked - 100.0 * (1.0 - hit)).abs() < 3.0 * sd, "{hit}: {asked}");
    }
}

#[test]
fn row_49_static_pages_need_no_program_and_dynamic_ones_do() {
    let lines = printed(
        "local a, web, app = net:host 'a', net:host 'web', net:host 'app'
         net:lan('lan', {a, web, app})
         local s = web:http_server { pages = { ['/logo.png'] = '1kB' } }
         print(a:http_get('http://web/logo.png').status, a:http_get('http://web/cart').status,
               a:http_get('http://web/logo.png', { method = 'POST', body = 'x' }).status)
         app:http_server { port = 8000, ['/*'] = function(req) return 200, 'made for ' .. req.path end }
         s:set('/*', function(req) return web:http_proxy(req, app, 8000) end)
         print(a:http_get('http://web/logo.png').size, a:http_get('http://web/cart').body)",
    );
    assert_eq!(lines, ["200\t404\t405", "1000\tmade for /cart"]);
}

#[test]
fn row_68_names_and_pages_that_fail_are_named_too() {
    let result = shows("scripts/web/which_layer.lua", &[], 14);
    assert_eq!(column(&result, "named_count"), 6.0);
}

#[test]
fn row_18_a_page_over_ipv6() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b)
         net:ipv6()
         b:http_server { pages = { ['/'] = 'hello' } }
         b:dns_server { zone = { ['www.x'] = { AAAA = b.ip6 } } }
         net:resolver(b)
         local r = a:http_get('http://[' .. b.ip6 .. ']/')
         print(r.body, r.peer.ip == b.ip6)
         print(a:http_get('http://www.x/').peer.ip == b.ip6)",
    );
    assert_eq!(lines, ["hello\ttrue", "true"]);
}

#[test]
fn row_04_a_page_of_ones_own_never_reaches_the_wire() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b)
         a:http_server { pages = { ['/'] = 'hello' } }
         print(a:http_get('http://127.0.0.1/').body, a:http_get('http://a/').body)
         print(net:find('a-b'):forward().stats.tx_packets)",
    );
    assert_eq!(lines[0], "hello\thello");
    assert_eq!(lines[1], "0");
}

/// Two hosts and a server on one of them.
const PAIR: &str = "local a, b = net:host 'a', net:host 'b'
    net:link(a, b, { rate = '100Mbps', delay = '5ms' })\n";

#[test]
fn a_connection_is_used_again_until_its_server_closes_it() {
    let lines = printed(&format!(
        "{PAIR}local s = b:http_server {{ pages = {{ ['/'] = '1kB' }}, keepalive = '2s', max_requests = 3 }}
         local c = a:http_client {{}}
         for i = 1, 4 do local r = assert(c:get 'http://b/') print(r.status, r.reused) end
         sleep '3s'
         print(c:get('http://b/').reused)
         print(c.connections, c.reused, s.connections, s.requests)"
    ));
    assert_eq!(lines, ["200\tfalse", "200\ttrue", "200\ttrue", "200\tfalse", "false", "3\t2\t3\t5"]);
}

#[test]
fn bodies_go_both_ways_in_chunks_and_whole() {
    let lines = printed(&format!(
        "{PAIR}b:http_server {{ chunk = '1kB', ['/echo'] = function(req) return 200, req.body end,
           ['/big'] = function() return 200, '3MB' end }}
         local r = a:http_get('http://b/echo', {{ body = ('x'):rep(5000) }})
         print(r.status, r.size, r.body == ('x'):rep(5000), r.headers['transfer-encoding'])
         local r = a:http_get 'http://b/big'
         print(r.status, r.size, r.body)"
    ));
    assert_eq!(lines, ["200\t5000\ttrue\tchunked", "200\t3000000\tnil"]);
}

#[test]
fn a_server_that_never_answers_is_a_timeout_and_one_that_is_not_there_is_refused() {
    let lines = printed(&format!(
        "{PAIR}b:http_server {{ ['/slow'] = function() sleep '10s' return 200 end }}
         print(a:http_get('http://b/slow', {{ timeout = '1s' }}))
         print(a:http_get 'http://b:81/')
         print(a:http_get 'http://nobody/')
         print(now() < 1.1)"
    ));
    assert_eq!(lines, ["nil\ttimeout", "nil\trefused", "nil\tno such host", "true"]);
}

#[test]
fn garbage_slow_and_oversized_requests_are_answered_with_their_status() {
    let lines = printed(&format!(
        "{PAIR}local s = b:http_server {{ timeout = '2s', max_body = '1kB', ['/'] = function() return 200 end }}
         local function say(text)
           local c = assert(a:connect(b, 80))
           c:send(text)
           print((c:recv_line()))
           c:close()
         end
         say 'nonsense\\r\\n\\r\\n'
         say 'GET / HTTP/1.1\\r\\nHost: b\\r\\n'
         say 'POST / HTTP/1.1\\r\\nContent-Length: 2000\\r\\n\\r\\n'
         say('GET / HTTP/1.1\\r\\nX: ' .. ('y'):rep(70000))
         say 'GET / HTTP/9.9\\r\\n\\r\\n'
         print(s.by_status[400], s.by_status[408], s.by_status[413], s.by_status[431])"
    ));
    assert_eq!(
        lines,
        [
            "HTTP/1.1 400 Bad Request",
            "HTTP/1.1 408 Request Timeout",
            "HTTP/1.1 413 Content Too Large",
            "HTTP/1.1 431 Request Header Fields Too Large",
            "HTTP/1.1 400 Bad Request",
            "2\t1\t1\t1"
        ]
    );
}

#[test]
fn a_proxy_passes_requests_on_and_says_when_it_cannot() {
    let lines = printed(
        "local a, p, s = net:host 'a', net:host 'p', net:host 's'
         net:lan('lan', {a, p, s})
         s:http_server { port = 8000, ['/*'] = function(req)
           return 200, req.method .. ' ' .. req.target .. ' for ' .. req.headers['x-forwarded-for'], { ['X-Own'] = 'yes' }
         end }
         p:http_server { ['/*'] = function(req) return p:http_proxy(req, s, req.path == '/no' and 1 or 8000) end }
         local r = a:http_get 'http://p/x?y=1'
         print(r.status, r.body, r.headers['X-Own'])
         local r = a:http_get 'http://p/no'
         print(r.status, r.body)",
    );
    assert_eq!(lines, ["200\tGET /x?y=1 for 10.0.0.1\tyes", "502\trefused\n"]);
}

#[test]
fn a_server_runs_again_after_a_crash() {
    let lines = printed(&format!(
        "{PAIR}b:http_server {{ pages = {{ ['/'] = 'x' }} }}
         print(a:http_get('http://b/').status)
         b:crash()
         print(a:http_get('http://b/', {{ timeout = '1s' }}))
         b:boot()
         print(a:http_get('http://b/').status)"
    ));
    assert_eq!(lines, ["200", "nil\ttimeout", "200"]);
}

#[test]
fn load_counts_what_it_sends() {
    let lines = printed(&format!(
        "{PAIR}local n = 0
         b:http_server {{ ['/'] = function() n = n + 1 return n % 4 == 0 and 500 or 200, '1kB' end }}
         local open = a:http_load {{ url = 'http://b/', rate = 100, requests = 200 }}
         open:wait()
         print(open.sent, open.ok, open.failed, open.errors['500'], open.by_status[200])
         local closed = a:http_load {{ url = {{ b, 80, '/' }}, clients = 5, requests = 100, keepalive = true, think = '10ms' }}
         local sum = 0
         closed:on('response', function(res) sum = sum + res.size end)
         closed:wait()
         print(closed.sent, closed.ok + closed.failed, sum)"
    ));
    assert_eq!(lines, ["200\t150\t50\t50\t150", "100\t100\t100000"]);
}

#[test]
fn mistakes_about_the_web_are_named_with_their_place() {
    for (code, said) in [
        ("b:http_server { pgaes = {} }", "unknown option 'pgaes' of host:http_server; did you mean 'pages'?"),
        ("b:http_server { pages = { index = 'x' } }", "'index' is not the path of a page"),
        ("a:http_get 'www.example.com'", "is not a URL: it begins with http:// or https://"),
        (
            "a:http_get { b, 80, '/', timeuot = 1 }",
            "unknown option 'timeuot' of host:http_get; did you mean 'timeout'?",
        ),
        ("a:http_get('http://b/', { headers = { ['X'] = 'a\\r\\nb' } })", "has a line break in it"),
        ("a:http_load { url = 'http://b/', rate = 5 }", "this load never ends"),
        ("a:http_load { url = 'http://b/' }", "needs one of rate and clients"),
        (
            "local s = b:http_server {} s:sotp()",
            "HTTP servers have no method or field 'sotp'; did you mean 'stop'?",
        ),
    ] {
        let open = if code.contains("a:http_get") { "b:http_server {} " } else { "" };
        let error = error_of(&format!("{PAIR}{open}{code}"));
        assert!(error.message.contains(said), "{code}: {error}");
        assert!(error.to_string().contains("exp.lua:3"), "{code}: {error}");
    }
}

const TREE: &str = "
    local user, isp, root, tld, ns, www = net:host 'user', net:host 'isp', net:host 'root', net:host 'tld', net:host 'ns', net:host 'www'
    net:lan('lan', { user, isp, root, tld, ns, www }, { rate = '100Mbps', delay = '1ms' })
    local tree = net:dns_tree { root = root, zones = { com = tld, ['x.com'] = ns }, names = { ['www.x.com'] = www } }
    local resolver = isp:dns_resolver { roots = root }
    net:resolver(isp)\n";

#[test]
fn row_33_the_start_of_a_zone_can_be_asked_for_and_comes_with_denials() {
    let lines = printed(&format!(
        "{TREE}
         for i = 1, 2 do
           local r = user:dig('x.com', 'SOA')
           print(r.status, #r.answers, r.answers[1].type, r.answers[1].value)
         end
         print((user:resolve('x.com', 'SOA', {{ server = ns }})))
         local r = user:dig('www.x.com', 'MX')
         print(#r.answers, r.authority[1].name, r.authority[1].type)
         print(user:dig('no.x.com').authority[1].name, user:resolve('www.x.com', 'SOA'))"
    ));
    let start = "ns.x.com. hostmaster.x.com. 4 7200 900 1209600 30";
    let found = format!("NOERROR\t1\tSOA\t{start}");
    assert_eq!(lines, [&found, &found, start, "0\tx.com\tSOA", "x.com\tnil\tno such record"]);
}

#[test]
fn the_address_of_a_name_server_comes_from_its_own_zone_once() {
    let lines = printed(&format!(
        "{TREE}
         tree['x.com']:set('ns.x.com', {{ A = ns, ttl = '1s' }})
         user:resolve 'www.x.com'
         local before = resolver.upstream
         local ip, info = user:resolve 'ns.x.com'
         print(ip == ns.ip, #info.values, resolver.upstream - before)
         local trace = user:dig('ns.x.com', 'A', {{ trace = true }})
         print(#trace.hops, #trace.answers, trace.hops[3].server == ns.ip)
         print(#user:dig('ns.x.com', 'A', {{ server = ns }}).answers)"
    ));
    assert_eq!(lines, ["true\t1\t1", "3\t1\ttrue", "1"]);
}

#[test]
fn names_that_cannot_be_are_refused_at_once() {
    let lines = printed(&format!(
        "{TREE}
         for _, name in ipairs {{ ('a'):rep(64) .. '.com', ('abc.'):rep(70) .. 'com', 'a..com' }} do
           print(now() == 0, user:resolve(name))
           print(user:http_get('http://' .. name .. '/'))
           print(user:dig(name))
         end
         print(pcall(user.resolve, user, 'x\\255.com'))
         print(resolver.queries <= 2)"
    ));
    assert_eq!(lines[..3], ["true\tnil\tbad name", "nil\tbad name", "nil\tbad name"]);
    assert_eq!(lines[3..6], lines[..3]);
    assert_eq!(lines[9..], ["true\tnil\tno such host", "true"]);
    let error =
        error_of("net:host('a'):dns_server { zone = { [('a'):rep(64) .. '.com'] = '10.0.0.1' } } sleep '1s'");
    assert!(error.message.contains("more than 63 characters"), "{error}");
}

#[test]
fn zones_that_lead_in_a_circle_cost_a_few_queries() {
    let lines = printed(
        "local user, isp, root, tld = net:host 'user', net:host 'isp', net:host 'root', net:host 'tld'
         net:lan('lan', { user, isp, root, tld }, { rate = '100Mbps', delay = '1ms' })
         local top = root:dns_server { origin = '.', zone = {} }
         tld:dns_server { origin = 'com', parent = top, zone = { ['x.com'] = { NS = 'ns.y.com' }, ['y.com'] = { NS = 'ns.x.com' } } }
         local resolver = isp:dns_resolver { roots = root }
         net:resolver(isp)
         print(user:resolve 'www.x.com')
         print(resolver.upstream <= 16)",
    );
    assert_eq!(lines, ["nil\tserver failure", "true"]);
}

#[test]
fn row_34_browser_host_and_resolver_keep_names_each_for_itself() {
    let result = shows("scripts/dns/levels.lua", &[("name", text("there"))], 8);
    assert_eq!(column(&result, "browser_hits_count"), 3.0);
    assert_eq!((column(&result, "host_hits_count"), column(&result, "resolver_hits_count")), (2.0, 2.0));
    shows("scripts/dns/levels.lua", &[("name", text("missing"))], 8);
}

const CLIENT: &str = "
    local u, s = net:host 'u', net:host 's'
    net:link(u, s, { rate = '100Mbps', delay = '5ms' })\n";

#[test]
fn wherever_an_answer_leads_the_run_goes_on() {
    let lines = printed(&format!(
        "{CLIENT}local where
         s:http_server {{ ['/'] = function() return 302, '', {{ Location = where }} end, ['/a/b'] = function() return 302, '', {{ Location = '../ok' }} end,
                         ['/ok'] = function() return 200, 'ok' end, ['/loop'] = function() return 302, '', {{ Location = '/loop' }} end,
                         ['/p'] = html {{ '/a.css', 'ftp://x/a.png', 'http://s:99999/q', 'http://' }},
                         ['/a.css'] = {{ body = '@import url(http://s:99999/);', type = 'text/css' }} }}
         for _, each in ipairs {{ 'ftp://s/', 'http://', 'http://s:99999/', 'http://a b/', 'http://s/\\255', 'mailto:a@b' }} do
           where = each
           print(u:http_get('http://s/', {{ redirects = 3 }}))
         end
         where = 'ftp://s/'
         print(u:http_client {{ redirects = 2 }}:get 'http://s/')
         print(u:http_get('http://s/').status)
         print(u:http_get('http://s/a/b', {{ redirects = 1 }}).body, u:http_get('http://s/loop', {{ redirects = 4 }}))
         local b = u:browser {{}}
         local page = b:open 'http://s/p'
         print(page.status, page.failed, #page.objects, b.faults['bad URL'], b.faults['unknown scheme'])"
    ));
    assert_eq!(lines[..7], vec!["nil\tbad redirection".to_owned(); 7]);
    assert_eq!(lines[7..], ["302", "ok\tnil\ttoo many redirections", "200\t4\t6\t3\t1"]);
}

#[test]
fn requests_name_one_host_and_ranges_begin_within_the_page() {
    let lines = printed(&format!(
        "{CLIENT}s:http_server {{ pages = {{ ['/p'] = '1kB' }}, ['/ok'] = function() return 200, 'ok' end }}
         local function raw(text)
           local c = assert(u:connect(s, 80))
           c:send(text)
           local line = c:recv_line {{ timeout = '5s' }}
           c:close()
           return line:match '%d%d%d'
         end
         print(raw 'GET /ok HTTP/1.1\\r\\n\\r\\n', raw 'GET /ok HTTP/1.1\\r\\nHost: a\\r\\nHost: b\\r\\n\\r\\n', raw 'GET /ok HTTP/1.0\\r\\n\\r\\n',
               raw 'GET http://s/ok HTTP/1.1\\r\\nHost: s\\r\\n\\r\\n', raw 'OPTIONS * HTTP/1.1\\r\\nHost: s\\r\\n\\r\\n')
         for _, range in ipairs {{ 'bytes=1000-', 'bytes=9999-', 'bytes=2000-3000', 'bytes=5-2', 'bytes=990-' }} do
           local res = u:http_get('http://s/p', {{ headers = {{ Range = range }} }})
           print(range, res.status, res.size)
         end
         print(u:http_get('http://s/p', {{ headers = {{ ['If-Match'] = '\"x\"' }} }}).status)"
    ));
    assert_eq!(
        lines,
        [
            "400\t400\t200\t200\t204",
            "bytes=1000-\t416\t0",
            "bytes=9999-\t416\t0",
            "bytes=2000-3000\t416\t0",
            "bytes=5-2\t200\t1000",
            "bytes=990-\t206\t10",
            "412"
        ]
    );
}

#[test]
fn a_server_that_never_answers_is_given_up_without_being_told_to() {
    let lines = printed(&format!(
        "{CLIENT}for _, port in ipairs {{ 80, 6379, 5432, 11300 }} do
           s:spawn(function()
             local l = s:tcp() l:bind(port) l:listen(50)
             local open = {{}}
             while true do open[#open + 1] = l:accept() end
           end)
         end
         local function try(f, seconds)
           local begun = now()
           local value, why = f()
           print(value, why, math.floor(now() - begun))
         end
         try(function() return u:http_get 'http://s/' end)
         try(function() return u:cache_client(s):get 'a' end)
         try(function() return u:database_client(s):query 'a' end)
         try(function() return u:queue_client(s):put 'a' end)"
    ));
    assert_eq!(lines, ["nil\ttimeout\t60", "nil\ttimeout\t30", "nil\ttimeout\t30", "nil\ttimeout\t30"]);
}
