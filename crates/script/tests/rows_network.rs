//! What networks must show, row by row of the project's checklist; each row has its script.

mod common;

use common::{column, good, lines, printed, shipped, shows};
use tidewire_metrics::Value;

#[test]
fn row_01_and_02_and_12_every_device_works_on_its_layers_and_writes_its_own_mac_addresses() {
    let result = shows("scripts/links/journey.lua", &[], 9);
    let lines = lines(&result);
    assert!(lines.contains(&"data 1460 > segment 1480 > packet 1500 > frame 1518 > bits 1538".to_owned()));
    assert!(lines[0].contains("switch works at L1-L2 and sends on switch-router"), "{}", lines[0]);
}

#[test]
fn a_journey_ends_where_the_message_is_lost() {
    let out = common::printed(
        "local a, b = net:host 'a', net:host 'b' local l = net:link(a, b) assert(a:ping(b))
         for _, proto in ipairs { 'udp', 'icmp', 'tcp' } do
           local way = journey { from = a, to = b, proto = proto } print(#way, way[2].name, way[1].pdus[1].bytes)
         end
         l:set { loss = '100%' } local way = journey { from = a, to = b } print(#way, way[1].lost)
         l:disable() print(journey { from = a, to = b, proto = 'tcp', timeout = '1s' }) print(journey { from = a, to = '10.7.7.7' })",
    );
    let lost = ["1\tlost on the link", "nil\ttimeout", "nil\tno such host"];
    assert_eq!(out[..3], ["2\tb\t1000"; 3]);
    assert_eq!(out[3..], lost);
}

#[test]
fn row_15_ip_loses_and_reorders_what_tcp_delivers_in_order() {
    let result = shows("scripts/internet/best_effort.lua", &[], 3);
    assert!(lines(&result)[0].starts_with("UDP, the first 20 numbers: 2 4 6 "), "{}", lines(&result)[0]);
    assert!(column(&result, "retransmitted") > 0.0);
}

#[test]
fn row_16_what_is_sent_while_a_switch_is_dead_is_lost_and_tcp_goes_on() {
    let result = shows("scripts/failures/switch_dies.lua", &[], 2);
    assert!((2300.0..=2305.0).contains(&column(&result, "lost")), "{}", column(&result, "lost"));
    // RTO after the last ACK at 5 s: 0.2, 0.4, 0.8, 1.6 ... doubled from 200 ms on and a little.
    assert!((2.3..4.3).contains(&column(&result, "silence_s")));
}

#[test]
fn a_host_that_crashes_forgets_everything_and_networks_fall_apart_and_heal() {
    shows("scripts/failures/crash.lua", &[], 5);
    let result = shows("scripts/failures/partition.lua", &[], 4);
    assert_eq!(lines(&result).last().unwrap(), "the way is now: w north e east1");
}

#[test]
fn row_18_the_same_program_runs_over_ipv6() {
    for (version, header) in [(4, 20.0), (6, 40.0)] {
        let result = shows("scripts/internet/ipv6.lua", &[("version", Value::Int(version))], 6);
        assert_eq!((column(&result, "header_bytes"), column(&result, "page_bytes")), (header, 507.0));
    }
}

#[test]
fn row_37_every_part_of_a_long_way_adds_its_delay() {
    let result = shows("scripts/internet/long_way.lua", &[], 10);
    assert!((column(&result, "rtt_ms") - 136.2).abs() < 0.1);
}

#[test]
fn what_does_not_fit_is_cut_by_routers_or_senders_or_sent_back() {
    let result = shows("scripts/internet/fragmentation.lua", &[], 6);
    // One of a thousand loses all three fragments: nobody waits for the rest of that.
    let given_up = 1000.0 - 10.0 * column(&result, "whole_pct");
    let lines = lines(&result);
    let said: f64 = lines.last().unwrap().strip_prefix("given up by b: ").unwrap().parse().unwrap();
    assert!(said <= given_up && said >= given_up - 6.0, "{said} of {given_up}");
}

#[test]
fn row_79_a_switch_an_arp_responder_and_a_router_in_lua_work_with_native_ones() {
    shows("scripts/devices/switch.lua", &[], 5);
    shows("scripts/devices/arp_responder.lua", &[], 3);
    let result = shows("scripts/devices/router.lua", &[], 4);
    assert_eq!(lines(&result)[0], "the way: mine native b");
}

#[test]
fn row_68_every_fault_that_can_be_injected_is_named_with_its_layer() {
    let script = shipped("scripts/failures/which_layer.lua");
    let experiment = tidewire_script::plan(&script, &[]).unwrap();
    assert_eq!(experiment.points.len(), 9);
    for point in &experiment.points {
        for seed in 1..=5 {
            let mut request = common::request(point);
            request.seed = seed;
            let result = good(tidewire_script::run(&script, &experiment, &request));
            result
                .checks
                .iter()
                .for_each(|check| assert!(check.passed, "{:?} {seed}: {}", point, check.text));
            assert_eq!(result.checks.len(), 4);
        }
    }
}

/// Networks of all kinds between `a` and `b`.
const NETWORKS: &[(&str, &str)] = &[
    ("direct", "net:link(a, b)"),
    ("switches", "local s, t = net:switch 's', net:switch 't' net:link(a, s) net:link(s, t) net:link(t, b)"),
    ("hub", "local s = net:hub 's' net:link(a, s) net:link(s, b)"),
    (
        "radio",
        "local s, r = net:ap 's', net:router 'r' net:link(a, s, { distance = '10m' }) net:link(s, r) net:link(r, b)",
    ),
    ("routers", "local r, q = net:router 'r', net:router 'q' net:link(a, r) net:link(r, q) net:link(q, b)"),
    ("nat", "local r, q = net:nat 'r', net:router 'q' net:link(a, r) net:link(r, q) net:link(q, b)"),
    (
        "vlans",
        "local s, t, r = net:switch 's', net:switch 't', net:router 'r' net:link(a, s, { vlan = 10 })
         net:link(s, t, { vlan = { trunk = { 10, 20 } } }) net:link(r, t, { vlan = 10 }) net:link(r, t, { vlan = 20 })
         net:link(b, s, { vlan = 20 })",
    ),
    (
        "ring",
        "local r = {} for i = 1, 4 do r[i] = net:router('r' .. i) end for i = 1, 4 do net:link(r[i], r[i % 4 + 1]) end
         net:link(a, r[1]) net:link(b, r[3]) net:routing('ospf', { hello = '1s', dead = '3s' })",
    ),
    ("lan", "local r, c = net:router 'r', net:host 'c' net:lan('s', { a, c, r }) net:link(r, b)"),
    ("six", "net:ipv6 { prefer = true } local r, q = net:router 'r', net:router 'q' net:link(a, r) net:link(r, q) net:link(q, b)"),
];

#[test]
fn row_68_a_fault_is_named_where_it_was_made_in_every_kind_of_network() {
    let kinds = ["cable", "crash", "loss", "noise", "mac", "route", "loop", "firewall", "port"];
    let mut made = 0;
    for (network, text) in NETWORKS {
        for kind in kinds {
            let text = format!(
                "local a, b = net:host 'a', net:host 'b' {text}
                 b:serve(80, function() end)
                 local made, fault = pcall(inject_fault, a, b, {{ kind = '{kind}', port = 80 }})
                 if not made then print('no place', fault) return end
                 local found = diagnose(a, b, {{ port = 80 }})
                 print(found.fault, found.where, fault.where, found.text)"
            );
            let script = common::script(&text);
            let experiment = tidewire_script::plan(&script, &[]).unwrap();
            for seed in 1..=3 {
                let mut request = common::request(&experiment.points[0]);
                request.seed = seed;
                let result = good(tidewire_script::run(&script, &experiment, &request));
                let line = common::lines(&result).pop().unwrap_or_default();
                let words: Vec<&str> = line.split('\t').collect();
                if words[0] == "no place" {
                    assert!(words[1].contains("no place for a fault"), "{network} {kind}: {line}");
                    continue;
                }
                assert_eq!((words[0], words[1]), (kind, words[2]), "{network} {kind} {seed}: {line}");
                made += 1;
            }
        }
    }
    // A loop needs two routers side by side that have no way around them, noise a link that nobody else is on.
    assert_eq!(made, 3 * (10 * 9 - 8 - 1), "faults that were made");
}

#[test]
fn a_diagnosis_tells_what_it_cannot_do() {
    let out = common::printed(
        "local a, b = net:host 'a', net:host 'b' local s = net:lan('s', { a, b })
         print(diagnose(a, b)) print(diagnose(a, b, { port = 80 })) print(diagnose(a, b, { port = 80 }).where)
         b:crash() print(diagnose(a, b)) b:boot() print(diagnose(a, b).ok)",
    );
    let closed = "layer 4: nothing listens on TCP port 80 of b: the connection is refused";
    let down = "layer 1: b is down: it has no power, or has crashed";
    assert_eq!(out, ["nothing is wrong from layer 1 to layer 4", closed, "b", down, "true"]);
    let alone = common::printed("local a, b = net:host 'a', net:host 'b' print(diagnose(a, b))");
    assert_eq!(alone, ["layer 1: no cable is plugged into a"]);
    let none = common::printed(
        "local a, b = net:host('a', { ip = 'dhcp' }), net:host 'b' net:lan('s', { a, b }) print(diagnose(a, b))",
    );
    assert_eq!(none, ["layer 3: a has no address: no DHCP server has given it one"]);
    for (code, part) in [
        (
            "local a, b = net:host 'a', net:host 'b' net:link(a, b) inject_fault(a, b, { kind = 'loop' })",
            "has no place for a fault of the kind 'loop'",
        ),
        ("local a, b = net:host 'a', net:host 'b' net:link(a, b) diagnose(a, a)", "two different hosts"),
        (
            "local a, b = net:host 'a', net:host 'b' net:link(a, b) inject_fault(a, b, { kind = 'gremlin' })",
            "gremlin",
        ),
    ] {
        let error = common::error_of(code);
        assert!(error.message.contains(part), "{code}: {}", error.message);
    }
}

#[test]
fn forged_arp_puts_an_attacker_between_and_static_entries_keep_him_out() {
    shows("scripts/links/arp_spoofing.lua", &[], 5);
}

#[test]
fn announcements_are_heard_by_those_who_know_the_host_and_proxies_answer_for_others() {
    let out = common::printed(
        "local a, b, r = net:host 'a', net:host 'b', net:router 'r' net:lan('s', { a, b, r }) local c = net:host 'c' net:link(r, c)
         a:ping(b) b:arp_set(a.ip, c.mac) print(b:arp_table()[a.ip] == c.mac) a:arp_announce() sleep '1ms' print(b:arp_table()[a.ip] == c.mac)
         b:crash() b:boot() sleep '1ms' print(a:arp_table()[b.ip] == b.mac, b:arp_table()[a.ip])",
    );
    assert_eq!(out, ["true", "true", "true\tnil"]);
    let proxied = "local a, r = net:host('a', { ip = '10.0.0.1/8' }), net:router 'r' net:link(a, r) local c = net:host('c', { ip = '10.9.0.2/24' }) net:link(r, c)";
    let out = common::printed(&format!(
        "{proxied} print(a:ping(c, {{ timeout = '5s' }})) r:proxy_arp() print(a:ping(c, {{ timeout = '5s' }}) ~= nil) print(a:arp_table()[c.ip] == r.ifaces[1].mac)
         r:proxy_arp(false) print(r:proxy_arp())"
    ));
    assert_eq!(out[..3], ["nil\tunreachable", "true", "true"]);
    for (code, part) in [
        ("a:arp_set('ten', a.mac)", "'ten' is not an IPv4 address"),
        ("a:arp_set('10.0.0.2', '08:00:27:00:00:01')", "is not a MAC address of this network"),
        ("a:arp_set('10.7.0.2', a.mac)", "is on no network of 'a'"),
        ("a:arp_send { to = r }", "needs"),
    ] {
        let error =
            common::error_of(&format!("local a, r = net:host 'a', net:router 'r' net:link(a, r) {code}"));
        assert!(error.message.contains(part), "{code}: {}", error.message);
    }
}

#[test]
fn tcp_works_over_the_smallest_mtu_next_door_and_far_away() {
    for mtu in [68, 88, 100, 552] {
        let out = common::printed(&format!(
            "local a, b, r = net:host 'a', net:host 'b', net:router 'r'
             net:link(a, r, {{ mtu = {mtu} }}) net:link(r, b)
             a:serve(80, function(conn) print(#conn:recv_all()) end) b:serve(80, function(conn) print(#conn:recv_all()) end)
             for _, ends in ipairs {{ {{ a, b }}, {{ b, a }} }} do
               local s = assert(ends[1]:connect(ends[2], 80)) s:send(('x'):rep(5000)) s:close() sleep '20s'
             end"
        ));
        assert_eq!(out, ["5000", "5000"], "{mtu}");
    }
}

#[test]
fn an_echo_request_that_no_packet_can_hold_is_a_mistake() {
    let error = common::error_of(
        "local a, b = net:host 'a', net:host 'b' net:link(a, b) a:ping(b, { size = 65508 })",
    );
    assert!(error.message.contains("at most 65507 bytes of data, not 65508"), "{}", error.message);
    let out = common::printed(
        "local a, b = net:host 'a', net:host 'b' local l = net:link(a, b)
         print(a:ping(b, { size = 65507 }) ~= nil, l:forward().stats.tx_packets)",
    );
    // 45 fragments and an ARP request.
    assert_eq!(out, ["true\t46"]);
}

#[test]
fn a_host_resolves_addresses_as_its_options_say() {
    let out = common::printed(
        "local a = net:host('a', { arp = { timeout = '10s', retries = 5, interval = '100ms', queue = 2 } })
         local b = net:host 'b'
         local s = net:lan('s', { a, b })
         local requests = 0
         net:find('a-s'):on('packet', function(pkt) if pkt.proto == 'arp' then requests = requests + 1 end end)
         local t = now() print(a:ping('10.0.0.99', { timeout = '5s' })) print(requests, now() - t < 0.6)
         b:crash() for i = 1, 4 do a:udp():sendto('x', b.ip, 9) end sleep '1s'
         b:boot() a:ping(b) sleep '9s' print(a:arp_table()[b.ip] ~= nil) sleep '2s' print(a:arp_table()[b.ip])",
    );
    assert_eq!(out, ["nil\tunreachable", "5\ttrue", "true", "nil"]);
}

#[test]
fn a_router_with_a_limit_on_icmp_errors_keeps_most_of_them_to_itself() {
    let out = common::printed(
        "local a, b = net:host 'a', net:host 'b'
         local r = net:router('r', { icmp = { rate = 1, burst = 2 }, arp = { proxy = true } })
         net:link(a, r) net:link(r, b)
         for i = 1, 10 do print(a:ping(b, { ttl = 1, timeout = '10ms' })) end
         print(r.stats.icmp_withheld) sleep '5s' print(a:ping(b, { ttl = 1 }))",
    );
    let expired = out.iter().filter(|line| line.contains("ttl")).count();
    assert_eq!((expired, &*out[10]), (3, "8"), "{out:?}");
}

#[test]
fn a_limit_without_a_rate_is_a_mistake() {
    let error = common::error_of("net:router('r', { icmp = { burst = 2 } })");
    assert!(
        error.message.contains("icmp.rate is a number of errors a second above 0, not nothing"),
        "{error}"
    );
}

#[test]
fn those_who_forward_count_what_they_forward() {
    let out = printed(
        "local a, b = net:host 'a', net:host 'b' local r, s = net:router 'r', net:router 's'
         net:link(a, r) net:link(r, s) net:link(s, b)
         a:ping(b, { count = 3 })
         for _, n in ipairs { a, r, s } do print(n.stats.tx_packets, n.stats.rx_packets, n.stats.forwarded) end
         a:ping(r) print(r.stats.tx_packets, r.stats.rx_packets, r.stats.forwarded)",
    );
    assert_eq!(out, ["3\t3\t0", "6\t6\t6", "6\t6\t6", "7\t7\t6"]);
}

#[test]
fn what_a_host_and_a_protocol_know_can_be_printed() {
    let out = printed(
        "local a, b, r = net:host 'a', net:host 'b', net:router 'r' net:link(a, r) net:link(r, b, { mtu = 1000 })
         net:routing 'ospf' a:ping(b, { size = 1200, dont_fragment = true })
         print(a:path_mtus()) print((tostring(r:routing()):gsub('\\n', ' ')))",
    );
    assert!(out[0].ends_with("  1000"), "{out:?}");
    assert!(out[1].starts_with("protocol     ospf changes      "), "{out:?}");
}

#[test]
fn a_node_counts_all_that_comes_in_and_every_fragment_that_goes_out() {
    let net = "local a, b, r = net:host 'a', net:host 'b', net:router 'r' net:link(a, r) net:link(r, b)
        local function both(n) return n.stats.rx_packets .. '/' .. n.stats.tx_packets end";
    let rest =
        "a:ping('10.77.0.1', { count = 3 }) print(both(r)) a:ping(b, { ttl = 1, count = 3 }) print(both(r))
        a:ping(b, { size = 5000 }) print(both(a), both(b), both(r))";
    assert_eq!(printed(&format!("{net} {rest}")), ["3/3", "6/6", "10/10\t4/4\t14/14"]);
    // Too big to be passed on, and denied, also when a gate puts fragments together first.
    let cut = net.replace("net:link(r, b)", "net:link(r, b, { mtu = 1000 })");
    let rest = "a:ping(b, { size = 1200, dont_fragment = true }) print(both(r), both(b))";
    assert_eq!(printed(&format!("{cut} {rest}")), ["1/1\t0/0"]);
    let denied = "r:firewall { forward = { { deny = 'icmp' } } }
        a:ping(b, { count = 2, timeout = '100ms' }) print(both(r), both(b))
        a:ping(b, { size = 5000, timeout = '100ms' }) print(both(r), both(b))";
    assert_eq!(printed(&format!("{net} {denied}")), ["2/0\t0/0", "6/0\t0/0"]);
    let gated =
        "b:firewall { inbound = { { allow = 'icmp' } } } a:ping(b, { size = 5000 }) print(both(b), both(a))";
    assert_eq!(printed(&format!("{net} {gated}")), ["4/4\t4/4"]);
}

#[test]
fn traceroute_marks_who_says_that_it_goes_no_further() {
    let out = printed(
        "local a, b, r, s = net:host 'a', net:host 'b', net:router 'r', net:router 's'
         net:link(a, r) net:link(r, s) net:link(s, b)
         print(a:traceroute '10.99.0.1') print(a:traceroute(b))
         local rows = a:traceroute '10.99.0.1' print(#rows, rows[1].mark, rows[2].name, rows[2].mark)
         b:firewall { inbound = { { reject = 'all' } }, default = 'allow' } print(a:traceroute(b))",
    );
    assert_eq!(out, ["r s !N", "r s b", "2\tnil\ts\t!N", "r s b !X"]);
}

#[test]
fn a_router_discards_what_it_announces_and_has_no_way_to() {
    let out = printed(
        "local v, t, m, p = net:router 'v', net:router 't', net:router 'm', net:router 'p'
         net:link(v, t) net:link(t, m) net:link(t, p)
         local hv = net:host('hv', { ip = '10.50.0.2/16' }) net:link(hv, v)
         local hp = net:host 'hp' net:link(hp, p)
         net:routing('bgp', { log = false, mrai = '1s' }) net:wait_converged()
         print(hp:traceroute(hv))
         m:announce '10.50.0.0/17' net:wait_converged() print(hp:traceroute(hv))
         for _, row in ipairs(m:rib()) do if row.prefix == '10.50.0.0/17' then print(row.origin, row.used, #row.via) end end
         m:withdraw '10.50.0.0/17' net:wait_converged() print(hp:traceroute(hv))",
    );
    assert_eq!(out, ["p t v hv", "p t m !N", "discard\ttrue\t0", "p t v hv"], "RFC 4632 section 5.1");
}

#[test]
fn results_print_what_is_in_them() {
    let out = printed(
        "local a, b, hub = net:host 'a', net:host 'b', net:hub 'h'
         local l = net:link(a, b, { rate = '1Mbps' }) local c = net:host 'c' net:link(c, hub)
         local many = a:ping(b, { count = 2 })
         local kinds = { l.stats, l:forward().stats, a.stats, hub.stats, a.ifaces, net:path(a, b), net.nodes, net.links, many }
         for i, what in ipairs(kinds) do
           local text = tostring(what) print(i, text:match '^table' or 'shown', #text > 2)
         end
         print((tostring(net:path(a, b)):gsub('\\n', '|')))
         print(tostring(l.stats):match 'forward +{[^\\n]*tx_packets = (%d+)')
         print(tostring(a.stats):match 'tx_packets +(%d+)') print(tostring(many):match 'lost +(%d+)')",
    );
    assert!(out[..9].iter().all(|line| line.contains("shown\ttrue")), "{out:?}");
    assert_eq!(out[9..], ["a|b", "3", "2", "0"], "{out:?}");
}

#[test]
fn a_filter_that_an_operator_sets_after_a_hijack_ends_it() {
    let out = printed(
        "experiment { duration = '1h' }
         local r = {}
         for i, name in ipairs { 'bank', 'transit', 'thief' } do
           r[name] = net:router(name)
           local host = net:host('h_' .. name)
           net:link(host, r[name]) net:subnet('10.' .. i .. '.0.0/16', { host, r[name] })
           net:routing('bgp', { routers = { r[name] }, as = i, mrai = '1s' })
         end
         net:link(r.bank, r.transit) net:link(r.transit, r.thief)
         net:wait_converged()
         local a, b = net:find 'h_transit', net:find 'h_bank'
         print(a:ping(b) ~= nil)
         r.thief:announce '10.1.0.0/17' net:wait_converged() print((a:ping(b)))
         r.transit:bgp_policy(r.thief, { deny = { '10.1.0.0/16' } }) net:wait_converged() print(a:ping(b) ~= nil)
         r.transit:bgp_policy(r.thief, { deny = {} }) net:wait_converged() print((a:ping(b)))",
    );
    assert_eq!(out, ["true", "nil", "true", "nil"]);
}

#[test]
fn a_policy_that_nobody_asks_is_warned_of() {
    let warnings = |routing: &str| {
        let result = good(common::result_of(&common::script(&format!(
            "local a, b = net:router 'a', net:router 'b' net:link(a, b) {routing}
             a:bgp_policy(b, {{ deny = '10.0.0.0/8' }}) sleep(1)"
        ))));
        result.warnings.iter().map(|warning| warning.text.as_str()).collect::<Vec<&str>>().join(" ")
    };
    for routing in ["", "net:routing 'ospf'"] {
        assert!(
            warnings(routing).contains("this bgp_policy is never asked: 'a' does not speak BGP"),
            "{routing}"
        );
    }
    assert!(warnings("net:routing('bgp', { routers = { a } })").contains("no link on which both speak BGP"));
    assert_eq!(warnings("net:routing 'bgp'"), "");
}
