//! Clients that do not read, servers that do not answer, and what is not what it says: values for the script and counted causes.

mod common;

use common::{error_of, good, printed, result_of};
use tidewire_script::Fault;

/// A user and a server, 10 ms apart.
const PAIR: &str = "local user, www = net:host 'user', net:host 'www'
    net:link(user, www, {rate = '100Mbps', delay = '10ms'})
    ";

#[test]
fn whatever_is_spoken_a_server_that_says_nothing_is_given_up_after_a_minute() {
    let lines = printed(&format!(
        "{PAIR}www:serve(443, function(c) sleep '10000s' end)
         www:serve(80, function(c) sleep '10000s' end)
         local function try(f, ...)
           local begun, res, why = now(), f(...)
           print(res, why, math.floor(now() - begun + 0.5))
         end
         for _, url in ipairs{{'http://www/', 'https://www/'}} do
           try(user.http_get, user, url)
           try(user.http_get, user, url, {{http = '2'}})
           local client = user:http_client{{http = '2'}}
           try(client.get, client, url)
           local browser = user:browser{{}}
           try(browser.open, browser, url)
           try(user.play, user, url, {{rate = '1Mbps'}})
         end"
    ));
    assert_eq!(lines, vec!["nil\ttimeout\t60"; 10]);
}

#[test]
fn a_server_that_sends_slowly_over_http_2_is_no_silent_one_and_an_upload_is_none_either() {
    let lines = printed(
        "local user, www = net:host 'user', net:host 'www'
         net:link(user, www, {rate = '20kbps', delay = '10ms'})
         www:http_server{http = '2', keepalive = '100s', pages = {['/'] = 400000}, ['POST /up'] = function(req) return 200, 'got ' .. req.size end}
         local begun = now()
         print(user:http_get('http://www/', {http = '2'}).size, now() - begun > 150)
         begun = now()
         print(user:http_get('http://www/up', {http = '2', body = '300kB'}).body, now() - begun > 100)",
    );
    assert_eq!(lines, ["400000\ttrue", "got 300000\ttrue"]);
}

#[test]
fn clients_that_do_not_read_are_cut_off_and_counted_by_every_server() {
    let lines = printed(&format!(
        "{PAIR}local origin = net:host 'origin'
         net:link(origin, www, {{rate = '1Gbps'}})
         local function deaf(server, port, said, wait)
           local c = user:connect(www, port)
           spawn(function() for _ = 1, 200 do if not c:send(said) then return end end end)
           sleep(wait)
           print(server.name, server.faults['client does not read'], c.state)
         end
         user:cache_client(www:cache_server{{}}.host):set('k', ('v'):rep(1000000))
         www:cache_server{{port = 7}}
         local cache = www:cache_server{{port = 6380, send_timeout = '20s'}}
         user:cache_client(www, 6380):set('k', ('v'):rep(1000000))
         deaf(cache, 6380, '*2\\r\\n$3\\r\\nGET\\r\\n$1\\r\\nk\\r\\n', '40s')
         origin:http_server{{pages = {{['/'] = '10MB'}}}}
         local edge = www:http_cache{{port = 8081, origin = origin}}
         deaf(edge, 8081, 'GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n', '200s')
         local db = www:database_server{{answer = '1MB', send_timeout = '20s'}}
         deaf(db, 5432, string.pack('>I4I4', 18, 196608) .. 'user\\0app\\0\\0' .. ('Q' .. string.pack('>I4', 6) .. 'x\\0'):rep(50), '60s')
         local telnet = www:telnet_server{{users = {{kim = 'x'}}, shell = function() return ('y'):rep(1000000) end, timeout = '20s'}}
         deaf(telnet, 23, 'kim\\r\\nx\\r\\n' .. ('ls\\r\\n'):rep(50), '60s')
         local mail = www:mail_server{{domain = 'a.com', timeout = '20s'}}
         deaf(mail, 25, ('NOOP\\r\\n'):rep(100000), '120s')"
    ));
    for (line, name) in lines.iter().zip(["www:6380", "www", "www:5432", "www:23", "www:25"]) {
        assert_eq!(*line, format!("{name}\t1\tCLOSED"));
    }
    assert_eq!(lines.len(), 5);
}

#[test]
fn a_client_that_does_not_take_its_file_holds_no_ftp_server() {
    let lines = printed(&format!(
        "{PAIR}local ftp = www:ftp_server{{files = {{['/f'] = '50MB'}}, timeout = '20s'}}
         local c = user:connect(www, 21)
         c:send 'USER anonymous\\r\\nPASS x\\r\\nPASV\\r\\n'
         local m
         repeat m = c:recv_line():match '^227.*' until m
         local p, q = m:match '(%d+),(%d+)%)'
         local data = user:connect(www, p * 256 + q)
         c:send 'RETR /f\\r\\n'
         sleep '100s'
         print(#ftp:sessions(), ftp.open, data.state)
         for cause, n in sorted(ftp.faults) do print(cause, n) end"
    ));
    assert_eq!(lines, ["0\t0\tCLOSED", "client does not read\t1", "timeout\t1", "transfer cut\t1"]);
}

#[test]
fn a_client_of_a_queue_that_hears_nonsense_hangs_up() {
    let lines = printed(&format!(
        "{PAIR}www:serve(96, function(c) c:recv() c:send('garbage\\r\\n' .. ('X: y\\r\\n'):rep(1000000)) c:close() end)
         print(user:queue_client(www, 96):put 'task')
         sleep '10s'
         print(#www:sockets())"
    ));
    assert_eq!(lines, ["nil\tbad message", "1"]);
}

#[test]
fn whoever_waits_for_somebody_who_does_not_read_is_named_at_the_end() {
    let script = format!(
        "{PAIR}local l = net:link(user, www, {{rate = '50Mbps'}})
         l:watch('queue_bytes', {{every = '100ms'}})
         www:serve(96, function(c) c:send(('x'):rep(10000000)) end)
         local s = user:connect(www, 96)
         sleep '10s'"
    );
    let result = good(result_of(&common::script(&script)));
    assert!(result.sim < tidewire_units::Span::from_secs(2000), "{}", result.sim);
    let text = &result.warnings[0].text;
    for part in ["the run ended while process", "(www) waited", "exp.lua:5", "10.0.0.1:49152 does not read"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Where the main program is the one that waits, that is a deadlock.
    let error = error_of(&format!(
        "{PAIR}www:serve(96, function(c) sleep '1s' end)
         www:serve(97, function(c) c:recv(1) signal():wait() end)
         assert(user:connect(www, 97)):send(('x'):rep(10000000))"
    ));
    assert!(
        error.message.starts_with("deadlock") && error.message.contains("10.0.0.2:97 does not read"),
        "{error}"
    );
}

#[test]
fn a_run_that_comes_to_the_end_of_the_clock_says_so_and_names_what_went_on() {
    let error = error_of("local u = net:host('a'):udp(7) while true do u:recvfrom{timeout = '24h'} end");
    assert_eq!(error.fault, Fault::Limit, "{error}");
    assert!(error.message.contains("the clock ends here"), "{error}");
    assert!(error.message.contains("213 days") && error.message.contains("exp.lua:1"), "{error}");
    let error = error_of(
        "local u = net:host('a'):udp(7) spawn(function() while true do u:recvfrom{timeout = '20h'} end end)",
    );
    assert_eq!(error.fault, Fault::Limit, "{error}");
    assert!(error.message.contains("the clock ends here"), "{error}");
}

#[test]
fn a_pipeline_goes_to_one_server_and_needs_a_page() {
    let base = "local user, a, b = net:host 'user', net:host 'a', net:host 'b' net:lan('l', {user, a, b})
         a:http_server{pages = {['/'] = 'from a'}} b:http_server{pages = {['/'] = 'from b'}}\n";
    let error = error_of(&format!("{base}user:http_client{{}}:pipeline{{'http://a/', 'http://b/'}}"));
    assert!(error.message.contains("'http://b/' is of another server than http://a"), "{error}");
    assert!(error.to_string().contains("exp.lua:3"), "{error}");
    let error = error_of(&format!("{base}user:http_client{{}}:pipeline{{}}"));
    assert!(error.message.contains("client:pipeline needs a list of URLs"), "{error}");
}

#[test]
fn a_cache_gives_nobody_the_page_of_another_one() {
    let lines = printed(
        "local user, www, edge = net:host 'user', net:host 'www', net:host 'edge'
         net:lan('l', {user, www, edge})
         local fresh = {['Cache-Control'] = 'max-age=60'}
         www:http_server{
           ['/v'] = function(req) return 200, 'in ' .. (req.headers['accept-language'] or '?'), {['Cache-Control'] = 'max-age=60', Vary = 'Accept-Language'} end,
           ['/auth'] = function(req) return 200, 'of ' .. (req.headers.authorization or 'nobody'), fresh end,
           ['/public'] = function(req) return 200, 'all', {['Cache-Control'] = 'public, max-age=60'} end,
           ['/star'] = function(req) return 200, 'x', {['Cache-Control'] = 'max-age=60', Vary = 'Accept, *'} end }
         local cache = edge:http_cache{origin = www}
         local function ask(path, headers)
           local r = user:http_get('http://edge' .. path, {headers = headers})
           print(r.body, r.headers['x-cache'])
         end
         for _, l in ipairs{'de', 'ko', 'de', 'ko', 'KO'} do ask('/v', {['Accept-Language'] = l}) end
         ask '/v'
         cache:purge '/v'
         ask('/v', {['Accept-Language'] = 'de'})
         for _, who in ipairs{'kim', 'lee'} do ask('/auth', {Authorization = who}) end
         ask '/auth'
         for _, who in ipairs{'kim', 'lee'} do ask('/public', {Authorization = who}) end
         ask '/star' ask '/star'
         print(cache.store and #cache.store.entries, cache.hits)",
    );
    let expected = [
        "in de\tMISS",
        "in ko\tMISS",
        "in de\tHIT",
        "in ko\tHIT",
        "in KO\tMISS",
        "in ?\tMISS",
        "in de\tMISS",
        "of kim\tMISS",
        "of lee\tMISS",
        "of nobody\tMISS",
        "all\tMISS",
        "all\tHIT",
        "x\tMISS",
        "x\tMISS",
        "0\t3",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn users_of_several_tongues_who_ask_at_once_each_get_their_own() {
    let lines = printed(
        "local user, www, edge = net:host 'user', net:host 'www', net:host 'edge'
         net:lan('l', {user, www, edge})
         www:http_server{['/v'] = function(req) sleep '1s' return 200, req.headers['accept-language'], {['Cache-Control'] = 'max-age=60', Vary = 'Accept-Language'} end}
         local cache = edge:http_cache{origin = www}
         local all = {}
         for i = 1, 12 do
           local l = ({'de', 'ko', 'fr'})[i % 3 + 1]
           all[i] = spawn(function() assert(user:http_get('http://edge/v', {headers = {['Accept-Language'] = l}}).body == l) end)
         end
         wait_all(all)
         print(cache.origin_requests < 12, cache.joined > 0)",
    );
    assert_eq!(lines, ["true\ttrue"]);
}

#[test]
fn a_browser_keeps_pages_that_depend_on_cookies_by_cookie() {
    let lines = printed(&format!(
        "{PAIR}www:http_server{{
           ['/'] = function(req) return 200, req.cookies.who or 'nobody', {{['Cache-Control'] = 'max-age=600', Vary = 'Cookie'}} end,
           ['/in'] = function() return 200, 'welcome', {{['Set-Cookie'] = 'who=kim; Path=/'}} end}}
         local b = user:browser{{}}
         for _, path in ipairs{{'', '', 'in', '', ''}} do print(b:open('http://www/' .. path).objects[1].from, b.hits) end"
    ));
    assert_eq!(lines, ["network\t0", "cache\t1", "network\t1", "network\t1", "cache\t2"]);
}

#[test]
fn a_front_server_passes_over_whoever_cannot_be_reached() {
    let lines = printed(
        "local user, lb, w1, w2 = net:host 'user', net:host 'lb', net:host 'w1', net:host 'w2'
         net:lan('lan', {user, lb, w1, w2}, {rate = '1Gbps', delay = '1ms'})
         for _, w in ipairs{w1, w2} do w:http_server{port = 8000, ['/'] = function() return 200, w.name end} end
         local b = lb:http_balancer{port = 80, to = {w1, w2}, to_port = 8000}
         for i = 1, 4 do user:http_get 'http://lb/' end
         w2:crash()
         for _ = 1, 8 do
           local t = now()
           local res = assert(user:http_get('http://lb/', {method = 'POST', body = 'x'}))
           print(res.body, now() - t < 0.1 and 'at once' or now() - t < 1.1 and 'after a second')
         end
         print(b.backends[2].failed, b.faults['server not reached'])
         w2:boot()
         sleep '5s'
         print(user:http_get('http://lb/').body ~= user:http_get('http://lb/').body, b.backends[2].failed)",
    );
    let late = lines[..8].iter().filter(|line| *line == "w1\tafter a second").count();
    assert_eq!((late, lines[..8].iter().filter(|line| *line == "w1\tat once").count()), (1, 7), "{lines:?}");
    assert_eq!(lines[8..], ["1\t1", "true\t1"]);
}

#[test]
fn options_of_tls_are_checked_at_both_ends() {
    let base = "local user, www = net:host 'user', net:host 'www' net:link(user, www)
         local root = net:authority 'R' user:trust(root) local cert = root:certificate{names = {'www'}}\n";
    for (text, said) in [
        (
            "www:http_server{pages = {}, tls = {cert = cert, version = '1.1'}}",
            "option 'version' of tls is \"1.1\"; it can be one of \"1.2\", \"1.3\"",
        ),
        (
            "www:http_server{pages = {}, tls = {cert = cert, vershun = '1.2'}}",
            "unknown option 'vershun' of tls; did you mean 'version'?",
        ),
        (
            "www:http_cache{origin = user, tls = {cert = cert, early = 'yes'}}",
            "option 'early' of tls must be",
        ),
        (
            "user:http_get('https://www/', {tls = {version = 'banana'}})",
            "is \"banana\"; it can be one of \"1.2\", \"1.3\"",
        ),
        ("user:http_client{tls = {resum = false}}", "did you mean 'resume'?"),
        ("user:browser{tls = {verify = 1}}", "verify"),
    ] {
        let error = error_of(&format!("{base}{text}"));
        assert!(error.message.contains(said), "{text}: {error}");
        assert!(error.to_string().contains("exp.lua:3"), "{error}");
    }
}

#[test]
fn tickets_resume_at_the_server_that_gave_them_and_at_those_with_its_key() {
    let lines = printed(
        "local user, www = net:host 'user', net:host 'www'
         net:link(user, www, {rate = '10Gbps', delay = '50ms'})
         local root = net:authority 'R' user:trust(root) local cert = root:certificate{names = {'www'}}
         www:http_server{pages = {['/'] = 'x'}, tls = {cert = cert}}
         www:http_server{port = 445, pages = {['/'] = 'x'}, tls = {cert = cert, version = '1.2'}}
         www:http_server{port = 446, pages = {['/'] = 'x'}, tls = {cert = cert, early = true}}
         www:http_server{port = 447, pages = {['/'] = 'x'}, tls = {cert = cert}}
         user:ping(www)
         local function ask(url, o)
           local r = user:http_get(url, {tls = o})
           print(url, math.floor(r.tls * 10 + 0.5), math.floor(r.total * 10 + 0.5), r.tls_info.version, r.tls_info.resumed, r.tls_info.early)
         end
         ask 'https://www/' ask 'https://www/'
         ask 'https://www:445/' ask 'https://www:445/'
         ask('https://www:446/', {early = true}) ask('https://www:446/', {early = true})
         ask('https://www:447/', {early = true}) ask('https://www:447/', {early = true})
         ask('https://www/', {version = '1.2'})",
    );
    let expected = [
        "https://www/\t1\t3\t1.3\tfalse\tfalse",
        "https://www/\t1\t3\t1.3\ttrue\tfalse",
        "https://www:445/\t2\t4\t1.2\tfalse\tfalse",
        "https://www:445/\t1\t3\t1.2\ttrue\tfalse",
        "https://www:446/\t1\t3\t1.3\tfalse\tfalse",
        "https://www:446/\t0\t2\t1.3\ttrue\ttrue",
        "https://www:447/\t1\t3\t1.3\tfalse\tfalse",
        "https://www:447/\t1\t3\t1.3\ttrue\tfalse",
        "https://www/\t2\t4\t1.2\tfalse\tfalse",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn two_servers_of_one_name_share_tickets_if_the_script_says_so() {
    for (key, resumed) in [("", "false"), ("ticket_key = 'both'", "true")] {
        let lines = printed(&format!(
            "local user, lb, w1, w2 = net:host 'user', net:host 'www', net:host 'w1', net:host 'w2'
             net:lan('l', {{user, lb, w1, w2}})
             local root = net:authority 'R' user:trust(root) local cert = root:certificate{{names = {{'www'}}}}
             for _, w in ipairs{{w1, w2}} do w:http_server{{pages = {{['/'] = 'x'}}, tls = {{cert = cert, {key}}}}} end
             lb:tcp_proxy{{port = 443, to = {{w1, w2}}}}
             for _ = 1, 2 do print(user:http_get('https://www/').tls_info.resumed) end"
        ));
        assert_eq!(lines, ["false", resumed], "{key}");
    }
}

#[test]
fn garbage_is_counted_by_every_server() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b' net:link(a, b)
         local z, r, c, q, d = b:dns_server{zone = {['w.x'] = a}}, b:dns_resolver{forward = a}, b:cache_server{}, b:queue_server{}, b:database_server{}
         local u = a:udp()
         u:sendto('garbage', b, 53)
         u:sendto(('\\255'):rep(12), b, 53)
         local tail = '\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\1w\\1x\\0\\0'
         local function ask(head, rest)
           u:sendto('\\18\\52' .. head .. tail:sub(2) .. rest, b, 53)
           local reply = u:recvfrom{timeout = '1s'}
           return reply and reply:byte(4) & 15
         end
         -- An update, another class, a type that is not known, one that nobody has.
         print(ask('\\41', '\\1\\0\\1'), ask('\\1', '\\1\\0\\3'), ask('\\1', '\\33\\0\\1'), ask('\\1', '\\250\\0\\1'), ask('\\1', '\\252\\0\\1'))
         local t = a:connect(b, 53) t:send '\\0\\5hello' print(t:recv{timeout = '1s'})
         for _, port in ipairs{6379, 11300} do local s = a:connect(b, port) s:send '*x\\r\\nnonsense here\\r\\n' s:recv{timeout = '1s'} end
         local s = a:connect(b, 5432) s:send 'nonsense' s:recv{timeout = '1s'}
         print(z.faults == r.faults, z.bad, r.bad)
         for _, server in ipairs{z, c, q, d} do for cause, n in sorted(server.faults) do print(server.name, cause, n) end end",
    );
    let expected = [
        "4\t5\t0\t0\t5",
        "nil\tclosed",
        "true\t6\t6",
        "b\tanother class\t1",
        "b\tbad message\t3",
        "b\tnot implemented\t1",
        "b\tzone transfer\t1",
        "b:6379\tbad message\t1",
        "b:11300\tbad message\t1",
        "b:5432\tbad message\t1",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn records_that_cannot_be_are_named_when_the_zone_is_written() {
    let base = "local a, b = net:host 'a', net:host 'b' net:link(a, b)\n";
    for (record, said) in [
        (
            "{AAAA = '10.0.0.1'}",
            "the record of 'x.e.com' has an AAAA that says '10.0.0.1': it is a host or an IPv6 address",
        ),
        ("{A = '300.1.1.1'}", "has an A that says '300.1.1.1': it is a host or an IPv4 address"),
        ("{A = 'web.e.com'}", "has an A that says 'web.e.com'"),
        ("{A = a, ttl = '-1s'}", "has a ttl that says '-1s'"),
        ("{A = a, ttl = -5}", "has a ttl that says -5"),
        ("{A = a, ttl = {}}", "has a ttl that says a table"),
        ("'not an address!'", "says 'not an address!', which is neither an address nor a name"),
        ("'300.1.1.1'", "says '300.1.1.1', which is neither an address nor a name"),
        ("{CNAME = 'a.b', A = '1.2.3.4'}", "has a CNAME and A: a CNAME stands alone"),
        ("{CNAME = {'a.b', 'c.d'}}", "has a CNAME that is a table"),
        ("{MX = '70000 mail.e.com'}", "has an MX that says '70000 mail.e.com'"),
        ("{MX = 5}", "has an MX that says 5"),
        ("{NS = '10.0.0.1'}", "has an NS that says '10.0.0.1'"),
        ("{TXT = true}", "has a TXT that is a boolean"),
        ("{a, 'b.c'}", "has 'b.c' as number 2 of its list"),
        ("{A = a, failover = 'x y'}", "has a failover that says 'x y'"),
    ] {
        for text in [
            format!("b:dns_server{{origin = 'e.com', zone = {{['x.e.com'] = {record}}}}}"),
            format!("b:dns_server{{origin = 'e.com', zone = {{}}}}:set('x.e.com', {record})"),
            format!(
                "b:dns_server{{origin = 'e.com', views = {{{{from = '10.0.0.0/8', zone = {{['x.e.com'] = {record}}}}}}}}}"
            ),
        ] {
            let error = error_of(&format!("{base}{text}"));
            assert!(error.message.contains(said), "{text}: {error}");
            assert!(error.to_string().contains("exp.lua:2"), "{error}");
        }
    }
    for record in ["'www.e.com'", "{CNAME = 'www.e.com'}"] {
        let error =
            error_of(&format!("{base}b:dns_server{{origin = 'e.com', zone = {{['e.com'] = {record}}}}}"));
        assert!(error.message.contains("the record of 'e.com' is a CNAME at the top of a zone"), "{error}");
    }
}

#[test]
fn resolvers_give_all_types_and_the_mail_server_that_is_tried_first() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b' net:link(a, b)
         b:dns_server{origin = 'e.com', zone = {['w.e.com'] = a, ['m.e.com'] = {MX = {'20 b.mail.kr', '10 c.mail.kr', '10 a.mail.kr'}}}}
         net:resolver(b)
         print((a:resolve('w.e.com', 'ANY')) == a.ip)
         local first, more = a:resolve('m.e.com', 'MX')
         print(first, table.concat(more.values, ' '))
         print((a:dig('e.com', 'SOA').answers[1].text:gsub('\\t', ' ')))",
    );
    assert_eq!(lines[0], "true");
    assert_eq!(lines[1], "c.mail.kr\tc.mail.kr a.mail.kr b.mail.kr");
    assert!(lines[2].contains("b.e.com. hostmaster.e.com. "), "{}", lines[2]);
}

#[test]
fn who_waits_to_be_told_to_go_on_is_told() {
    let lines = printed(&format!(
        "{PAIR}www:http_server{{['POST /'] = function(req) return 200, req.body end}}
         local c = user:connect(www, 80)
         c:send 'POST / HTTP/1.1\\r\\nHost: www\\r\\nContent-Length: 5\\r\\nExpect: 100-continue\\r\\n\\r\\n'
         print(c:recv_line{{timeout = '5s'}}, c:recv_line{{timeout = '5s'}})
         c:send 'hello'
         print(c:recv_line{{timeout = '5s'}})
         c:recv_until 'hello'
         c:send 'POST / HTTP/1.1\\r\\nHost: www\\r\\nContent-Length: 5\\r\\nExpect: 100-continue\\r\\n\\r\\nagain'
         sleep '1s'
         local text = c:recv()
         print(text:find('100 Continue') == nil, select(2, text:gsub('HTTP/1.1 200', '')), text:sub(-5))"
    ));
    assert_eq!(lines, ["HTTP/1.1 100 Continue\t", "HTTP/1.1 200 OK", "true\t1\tagain"]);
}

#[test]
fn what_does_not_fit_and_what_is_written_otherwise_is_said() {
    let lines = printed(&format!(
        "{PAIR}www:cache_server{{}} www:http_server{{pages = {{['/'] = 'x', ['/a.css'] = '@import url(b.css);', ['/b.css'] = 'x', ['/p'] = html{{'/a.css'}}}}}}
         local c = user:cache_client(www)
         print(c:set('x', ('a'):rep(17000000)))
         print(c:set('x', ('a'):rep(1000000)))
         print(user:http_get('HTTP://www/').body)
         for i, row in ipairs(user:browser{{}}:open('http://www/p').objects) do print(row.kind) end
         local f = www:ftp_server{{}}
         local s = user:connect(www, 21)
         s:send 'USER anonymous\\r\\nPASS x\\r\\nPORT 10,0,0,2,0,22\\r\\n'
         local line
         repeat line = s:recv_line() until line:match '^504'
         print(line, f.faults['port below 1024'])"
    ));
    let expected = ["nil\ttoo big", "true", "x", "html", "css", "css", "504 not to a port below 1024\t1"];
    assert_eq!(lines, expected);
}

#[test]
fn an_answer_to_head_is_no_page_for_who_gets_it_later() {
    let lines = printed(
        "local user, www, edge = net:host 'user', net:host 'www', net:host 'edge'
         net:lan('l', {user, www, edge})
         www:http_server{ ['/p'] = function(req) return 200, 'page', {['Cache-Control'] = 'max-age=60'} end }
         edge:http_cache{origin = www}
         local head = user:http_get('http://edge/p', {method = 'HEAD'})
         print(head.status, #(head.body or ''))
         for i = 1, 2 do local r = user:http_get 'http://edge/p' print(r.body, r.headers['x-cache']) end
         local again = user:http_get('http://edge/p', {method = 'HEAD'})
         print(again.status, again.headers['x-cache'])",
    );
    assert_eq!(lines, ["200\t0", "page\tMISS", "page\tHIT", "200\tHIT"]);
}

#[test]
fn who_names_a_server_hears_that_server() {
    let lines = printed(
        "local a, n1, n2 = net:host 'a', net:host 'n1', net:host 'n2'
         net:lan('l', {a, n1, n2}, {delay = '5ms'})
         n1:dns_server{origin = 'e.com', zone = {['www.e.com'] = '1.1.1.1'}}
         n2:dns_server{origin = 'e.com', zone = {['www.e.com'] = '2.2.2.2'}}
         net:resolver(n1)
         local function ask(server)
           local ip, info = a:resolve('www.e.com', 'A', {server = server})
           print(ip, info.cached)
         end
         ask(n1) ask(n2) ask(n1) ask(n2) ask()
         a:flush_dns() ask(n2) ask()",
    );
    let answers = [
        "1.1.1.1\tfalse",
        "2.2.2.2\tfalse",
        "1.1.1.1\ttrue",
        "2.2.2.2\ttrue",
        "1.1.1.1\ttrue",
        "2.2.2.2\tfalse",
        "1.1.1.1\tfalse",
    ];
    assert_eq!(lines, answers);
}
