//! Nodes that crash and boot, partitions, and what everybody notices of it.

mod common;

use common::{error_of, printed};

#[test]
fn a_ping_goes_through_at_once_when_the_link_is_back() {
    let lines = printed(
        "local a, b, r = net:host 'a', net:host 'b', net:router 'r'
         net:link(a, r)
         local l = net:link(r, b)
         l:disable()
         print(a:ping(b))
         l:enable()
         local t0 = now()
         print(a:ping(b) and now() - t0 < 0.001)",
    );
    assert_eq!(lines[1..], ["true"]);
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         local l = net:link(a, b)
         l:disable()
         print(a:ping(b))
         sleep '300ms'
         l:enable()
         local t0 = now()
         print(a:ping(b) and now() - t0 < 0.001)",
    );
    assert_eq!(lines, ["nil\ttimeout", "true"]);
}

#[test]
fn processes_and_flows_of_a_crashed_host_end_and_sinks_listen_again() {
    let out = printed(
        "local a, b = net:host 'a', net:host 'b' net:lan('s', { a, b }, { rate = '10Mbps', delay = '1ms' })
         local ticks = 0
         local p = a:spawn(function() while true do sleep '100ms' ticks = ticks + 1 end end)
         local up = a:bulk { to = b, size = '10MB' }
         local down = b:cbr { to = a, rate = '1Mbps', size = 1250, stop = '4s' }
         sleep '1.05s' a:crash() sleep '1s'
         print(p.alive, ticks, a.up, up.state, up:wait()) print(p:join())
         a:boot() sleep '3s' print(a.up, ticks, #a:sockets())
         print(down.packets_lost >= 100 and down.packets_lost <= 103)",
    );
    assert_eq!(out, ["false\t10\tfalse\tfailed\tnil\tcancelled", "nil\tcancelled", "true\t10\t1", "true"]);
}

#[test]
fn a_process_may_crash_its_own_host() {
    let out = printed(
        "local a, b = net:host 'a', net:host 'b' net:link(a, b)
         a:spawn(function() a:crash() print 'falling' sleep '1s' print 'never' end)
         sleep '2s' print(a.up) print(b:ping(a, { timeout = '1s' })) a:boot() print(b:ping(a, { timeout = '3s' }) ~= nil)",
    );
    assert_eq!(out, ["falling", "false", "nil\ttimeout", "true"]);
}

#[test]
fn a_host_that_is_down_asks_nobody_and_boots_without_unanswered_questions() {
    let out = printed(
        "local a, b = net:host 'a', net:host 'b' net:link(a, b)
         a:crash() print(a:ping(b)) print(a:traceroute(b)) print(now() == 0)
         print(a:udp()) sleep '1ms' a:boot() print(a:ping(b) ~= nil)
         print(a:ping(b) ~= nil, a:traceroute(b))",
    );
    let down = "nil\thost is down";
    assert_eq!(out, [down, down, "true", down, "true", "true\tb"]);
}

#[test]
fn no_socket_is_opened_on_a_host_that_is_down() {
    let net = "local a, b = net:host 'a', net:host 'b' net:link(a, b) local t = a:tcp() a:crash()";
    for code in [
        "a:udp()",
        "a:udp(53)",
        "a:listen(80)",
        "a:connect(b, 80)",
        "a:connect('10.9.9.9', 80)",
        "a:tcp():bind(80)",
        "a:tcp():connect(b, 80)",
        "a:quic_connect(b, 443)",
        "a:quic_listen(443, print)",
    ] {
        let out = printed(&format!("{net} print({code}) a:boot() print(now() < 0.1, #a:sockets())"));
        assert_eq!(out, ["nil\thost is down", "true\t0"], "{code}");
    }
    // A flow that is to begin there has failed; one that comes finds its sink after the boot.
    let out = printed(
        "local a, b = net:host 'a', net:host 'b' net:link(a, b) a:crash()
         local from, to = a:bulk { to = b, size = 1000 }, b:bulk { to = a, size = 1000, start = 2 }
         print(from:wait()) sleep(1) a:boot() print(to:wait(), #a:sockets())",
    );
    assert_eq!(out, ["nil\thost is down", "true\t1"]);
}

#[test]
fn sockets_that_others_opened_on_a_host_do_not_outlive_its_crash() {
    let out = printed(
        "local a, b = net:host 'a', net:host 'b' net:link(a, b, { delay = '1ms' })
         b:serve(80, function(conn) conn:discard() end)
         b:quic_listen(443, function(conn) for stream in conn:streams() do stream:discard() end end)
         local u, l, c, t, q = a:udp(7), a:listen(80), a:connect(b, 80), a:tcp(), a:quic_connect(b, 443)
         t:bind(90) local o = q:open()
         spawn(function() print('read', u:recvfrom()) end) spawn(function() print('accept', l:accept()) end)
         spawn(function() print('tcp', c:recv()) end) spawn(function() print('quic', q:accept()) end)
         sleep(1) a:crash() sleep(1)
         local function try() return print((select(2, u:sendto('x', b, 9))), (select(2, l:accept())), (select(2, c:send 'x')),
           (select(2, t:connect(b, 80))), (select(2, o:send 'x')), (select(2, q:open())), (select(2, q:migrate()))) end
         try() a:boot() try() print(#a:sockets(), a:udp(7).port, a:listen(80).port)",
    );
    let first: Vec<&str> = out[..4].iter().map(String::as_str).collect();
    assert_eq!(
        first,
        ["read\tnil\tclosed", "accept\tnil\tclosed", "tcp\tnil\tclosed", "quic\tnil\thost is down"]
    );
    let dead = "closed\tclosed\tclosed\tclosed\thost is down\thost is down\thost is down";
    assert_eq!(out[4..], [dead, dead, "0\t7\t80"]);
}

#[test]
fn a_host_that_crashes_while_it_asks_has_its_answer() {
    let net = "local a, b = net:host 'a', net:host 'b' net:link(a, b, { delay = '20ms' })";
    for (then, code, expected) in [
        ("a:crash()", "print(a:ping(b)) print(now())", vec!["nil\thost is down", "0.01"]),
        ("a:crash() a:boot()", "print(a:ping(b)) print(a:ping(b) ~= nil)", vec!["nil\thost is down", "true"]),
        ("a:crash()", "print(a:ping(b, { count = 3 }))", vec!["nil\thost is down"]),
        (
            "a:crash() sleep '1s' a:boot()",
            "local got = a:ping(b, { count = 4 }) print(#got.rtts, got.lost)",
            vec!["2\t2"],
        ),
        ("a:crash()", "print(a:traceroute(b))", vec!["nil\thost is down"]),
        ("a:crash() a:boot()", "print(a:traceroute(b))", vec!["nil\thost is down"]),
        ("a:crash()", "local found = diagnose(a, b) print(found.layer, found.where)", vec!["1\ta"]),
        ("a:crash() a:boot()", "print(diagnose(a, b).ok)", vec!["true"]),
        ("sleep '200ms' a:crash()", "print(diagnose(a, b, { port = 80 }).ok)", vec!["false"]),
    ] {
        let out = printed(&format!("{net} at('10ms', function() {then} end) {code}"));
        assert_eq!(out, expected, "{then} {code}");
    }
    let out = printed(&format!("{net} spawn(function() a:crash() end) print(a:ping(b))"));
    assert_eq!(out, ["nil\thost is down"]);
}

#[test]
fn a_link_is_up_when_nothing_holds_it_down() {
    let out = printed(
        "local a, b = net:host 'a', net:host 'b' local l = net:link(a, b)
         l:disable() a:crash() net:partition({ a }, { b }) l:enable() print(l.up)
         a:boot() print(l.up) net:heal() print(l.up)
         a:crash() l:disable() a:boot() print(l.up) l:enable() print(l.up)",
    );
    assert_eq!(out, ["false", "false", "true", "false", "true"]);
}

#[test]
fn routers_that_crash_are_routed_around_and_begin_anew() {
    for kind in ["rip", "ospf"] {
        let fast =
            if kind == "rip" { "{ update = '1s', timeout = '3s' }" } else { "{ hello = '1s', dead = '3s' }" };
        let out = printed(&format!(
            "local a, b = net:host 'a', net:host 'b'
             local r, n, s, t = net:router 'r', net:router 'n', net:router 's', net:router 't'
             for _, l in ipairs {{ {{ a, r }}, {{ r, n }}, {{ n, t }}, {{ t, b }} }} do net:link(l[1], l[2], {{ delay = '1ms' }}) end
             net:link(r, s, {{ delay = '1ms', cost = 3 }}) net:link(s, t, {{ delay = '1ms', cost = 3 }})
             net:routing('{kind}', {fast})
             print(a:traceroute(b)) n:crash() sleep '15s' print(a:traceroute(b))
             n:boot() sleep '15s' print(a:traceroute(b)) print(#n:rib() > 0)"
        ));
        assert_eq!(out, ["r n t b", "r s t b", "r n t b", "true"], "{kind}");
    }
}

#[test]
fn a_switch_on_a_ring_that_crashes_comes_back_into_the_tree() {
    let out = printed(
        "local a, b = net:host 'a', net:host 'b'
         local s = { net:switch 's1', net:switch 's2', net:switch 's3' }
         net:link(s[1], s[2]) net:link(s[2], s[3]) net:link(s[3], s[1]) net:link(a, s[1]) net:link(b, s[2])
         print(a:ping(b) ~= nil) s[1]:crash() sleep '1s' print(a:ping(b, { timeout = '1s' }))
         s[1]:boot() sleep '40s' print(a:ping(b) ~= nil, a:ping(b) ~= nil)",
    );
    assert_eq!(out, ["true", "nil\ttimeout", "true\ttrue"]);
}

#[test]
fn parts_of_a_network_are_lists_of_different_nodes() {
    for (code, part) in [
        (
            "local a, b = net:host 'a', net:host 'b' net:link(a, b) net:partition({ a, b })",
            "two parts or more",
        ),
        (
            "local a, b = net:host 'a', net:host 'b' net:link(a, b) net:partition({ a }, { a, b })",
            "in two parts",
        ),
        (
            "local a, b = net:host 'a', net:host 'b' net:link(a, b) net:partition({ a }, { 7 })",
            "is a list of nodes",
        ),
    ] {
        let error = error_of(code);
        assert!(error.message.contains(part), "{code}: {}", error.message);
    }
}

#[test]
fn hubs_and_access_points_crash_and_boot() {
    let networks = [
        "local m = net:hub 'm' for _, x in ipairs { a, b } do net:link(x, m, { rate = '10Mbps' }) end",
        "local m = net:ap 'm' for _, x in ipairs { a, b } do net:link(x, m, { distance = '5m' }) end",
    ];
    for network in networks {
        let out = printed(&format!(
            "local a, b = net:host 'a', net:host 'b' {network}
             print(a:ping(b) ~= nil, m.up) m:crash() local _, why = a:ping(b, {{ timeout = '5s' }}) print(why, m.up)
             m:boot() print(a:ping(b) ~= nil, m.up)
             a:spawn(function() for i = 1, 50 do a:udp():sendto(('x'):rep(900), b.ip, 9) sleep '1ms' end end)
             sleep '20ms' m:crash() sleep '1s' m:boot() print(a:ping(b) ~= nil)"
        ));
        assert_eq!(out, ["true\ttrue", "timeout\tfalse", "true\ttrue", "true"], "{network}");
    }
}

#[test]
fn what_looks_at_the_network_prints_what_it_found_as_a_line_of_its_own() {
    let net = "local a, b = net:host 'a', net:host 'b' net:link(a, b, { delay = '1ms' })\n";
    let out = common::printed(&format!("{net}diagnose(a, b)\nprint 'next'"));
    assert_eq!(out, ["nothing is wrong from layer 1 to layer 4", "next"]);
    let used = "local found = diagnose(a, b) if diagnose(a, b).ok then print 'ok' end local l = ladder(a, b)";
    assert_eq!(common::printed(&format!("{net}{used}")), ["ok"]);
    let out = common::printed(&format!("{net}journey {{ from = a, to = b }}\nprint 'next'"));
    assert!(out[0].starts_with("a works at L1-L7 and sends on a-b"), "{out:?}");
    assert_eq!(out.last().map(String::as_str), Some("next"));
    let out = common::printed(&format!("{net}ladder(a, b)\na:ping(b)\nprint 'next'")).join("\n");
    let (next, echo) = (out.find("next").unwrap(), out.find("ICMP echo reply").expect("a ladder at the end"));
    assert!(next < echo, "{out}");
}

#[test]
fn detours_beyond_the_infinity_of_rip_are_warned_of() {
    let network = |cost: u32| {
        format!(
            "local r = {{}} for i = 1, 3 do r[i] = net:router('r' .. i) end
             net:link(r[1], r[2]) net:link(r[2], r[3], {{ cost = {cost} }}) net:link(r[1], r[3], {{ cost = {cost} }})
             net:routing 'distance_vector' sleep '1s'"
        )
    };
    let warned = |cost| {
        let result = common::good(common::result_of(&common::script(&network(cost))));
        result.warnings.iter().map(|warning| warning.text.clone()).collect::<Vec<_>>().join("\n")
    };
    let far = warned(8);
    assert!(far.contains("without the link between r1 and r2 the way over r3 has the metric 17"), "{far}");
    assert_eq!(warned(7), "", "a metric of 15 is within reach");
}

#[test]
fn a_host_between_and_a_way_that_is_too_long_are_told_from_cables_and_loops() {
    let found = |code: &str| common::printed(&format!("{code} print(diagnose(a, b).text)"))[0].clone();
    let between = "local a, b, c = net:host 'a', net:host 'b', net:host 'c' net:link(a, c) net:link(c, b)";
    assert!(found(between).starts_with("layer 3: c lies between and passes nothing on: it is a host"));
    let long = "local r = {} for i = 1, 70 do r[i] = net:router('r' .. i) if i > 1 then net:link(r[i - 1], r[i]) end end
        local a, b = net:host 'a', net:host 'b' net:link(a, r[1]) net:link(b, r[70])";
    assert!(found(long).contains("the way is too long: packets may pass 64 routers"), "{}", found(long));
    let apart = "local a, b, c = net:host 'a', net:host 'b', net:host 'c' net:link(a, c)";
    assert!(found(apart).contains("no cable"), "{}", found(apart));
}

#[test]
fn a_device_crashes_and_boots() {
    let lines = common::printed(
        "local a, b, d = net:host 'a', net:host 'b', net:device 'd'
         net:link(a, d) net:link(d, b)
         d:on_frame(function(port, frame)
           for _, other in ipairs(d.ports) do if other ~= port then other:send(frame) end end
         end)
         print(a:ping(b) ~= nil) d:crash() print(a:ping(b)) d:boot() print(a:ping(b) ~= nil)",
    );
    assert_eq!(lines, ["true", "nil\ttimeout", "true"]);
}

#[test]
fn a_host_on_two_networks_with_the_same_addresses_is_refused() {
    let error = common::error_of(
        "local a, b, c = net:host 'a', net:host 'b', net:host 'c'
         net:link(a, b) net:link(b, c)
         net:subnet('10.0.0.0/24', { a, b }) net:subnet('10.0.0.0/16', { b, c })
         print(b:ping(c))",
    );
    assert!(error.message.contains("have the address 10.0.0."), "{error}");
    assert!(error.to_string().contains("overlap"), "{error}");
}

#[test]
fn links_that_flap_or_crawl_are_faults_of_layer_1() {
    for (fault, kind, part) in [
        (
            "l:flap { enabled = '100ms', disabled = '130ms' } sleep '10ms'",
            "flapping",
            "goes down and up: it went down",
        ),
        ("l:set { rate = '100bps' }", "rate", "is too slow: at 100"),
        ("l:set { delay = '3s' }", "delay", "is too long: its delay is 6s there and back"),
    ] {
        let out = printed(&format!(
            "local a, b, r, s = net:host 'a', net:host 'b', net:router 'r', net:router 's'
             net:link(a, r) local l = net:link(r, s, {{ rate = '10Mbps' }}) net:link(s, b) a:ping(b)
             {fault} local found = diagnose(a, b)
             print(found.layer, found.fault, found.where) print(found.text)"
        ));
        assert_eq!(out[0], format!("1\t{kind}\tr-s"), "{out:?}");
        assert!(out[1].contains(part), "{out:?}");
    }
}

#[test]
fn a_network_that_cannot_be_built_stays_so_for_a_script_that_goes_on() {
    for (network, says) in [
        ("local nat = net:nat 'nat' net:link(a, nat) net:link(nat, b)", "which side of 'nat' is outside"),
        (
            "local c = net:host('c', { ip = '10.9.9.1/24' }) local d = net:host('d', { ip = '10.9.9.1/24' })
          net:link(a, b) net:link(c, d)",
            "both have the address",
        ),
    ] {
        let error = error_of(&format!(
            "local a, b = net:host 'a', net:host 'b' {network}
             local first, e = pcall(a.ping, a, b)
             local second, f = pcall(a.connect, a, b, 80)
             assert(not first and not second and e:match ': (.*)' == f:match ': (.*)', tostring(e) .. tostring(f))
             local third = pcall(function() a:udp(5) b:listen(80) b:http_server {{ pages = {{}} }} end)
             assert(not third)"
        ));
        assert!(error.message.contains(says), "{error}");
    }
}

/// A stream to a group, and the pauses of more than a second that its listener noticed.
const STREAM: &str = "
    local function stream()
      local u = s:udp(4000, { ttl = 30 })
      every('100ms', function() u:sendto('x', '239.1.1.1', 5000) end)
      local k = h:udp(5000) k:join '239.1.1.1'
      h:spawn(function()
        local last = 0
        while true do
          k:recvfrom()
          if now() - last > 1 and last > 0 then print(now() - last < 11 and 'short' or 'long', now() - last) end
          last = now()
        end
      end)
    end";

#[test]
fn a_multicast_stream_comes_another_way_at_once_when_a_link_fails() {
    for routing in ["", "net:routing 'ospf' net:wait_converged()"] {
        let out = printed(&format!(
            "experiment {{ duration = '120s' }}
             local s, h = net:host 's', net:host 'h'
             local r1, r2, r3 = net:router 'r1', net:router 'r2', net:router 'r3'
             net:link(s, r1) local l = net:link(r1, r2) net:link(r1, r3) net:link(r3, r2) net:link(r2, h)
             net:multicast() {routing} {STREAM} stream()
             at('60s', function() l:disable() end) at('90s', function() l:enable() end)
             at('119s', function() print(#r2:multicast_routes(), s:ping(h) ~= nil) end)"
        ));
        assert_eq!(out, ["1\ttrue"], "RFC 3973 section 4.4.1; routing: {routing}");
    }
}

#[test]
fn a_multicast_router_that_boots_asks_and_greets_at_once() {
    let out = printed(&format!(
        "experiment {{ duration = '100s' }}
         local s, h = net:host 's', net:host 'h' local r1, r2 = net:router 'r1', net:router 'r2'
         net:link(s, r1) net:link(r1, r2) net:link(r2, h) net:multicast() {STREAM} stream()
         at('40s', function() r2:crash() end) at('42s', function() r2:boot() end)
         at('99s', function() print(#r2:multicast_routes()) end)"
    ));
    let [gap, routes] = &out[..] else { panic!("one pause: {out:?}") };
    // Members may take ten seconds to answer a query (RFC 2236 section 8.3).
    let seconds: f64 = gap.split('\t').nth(1).unwrap().parse().unwrap();
    assert!((2.0..13.0).contains(&seconds) && routes == "1", "{out:?}");
}
