//! Services of the network: what they do, row by row of the project's checklist, and how mistakes about them are reported.

mod common;

use common::{column, error_of, lines, printed, run_at, shipped, shows};
use tidewire_metrics::Value;
use tidewire_script::RunResult;

/// How many packets ended so at a node.
fn ended(result: &RunResult, cause: &str, node: &str) -> f64 {
    let table = &result.tables.iter().find(|(name, _)| name == "ledger").expect("a ledger").1;
    let rows = table
        .rows
        .iter()
        .filter(|row| row[1] == Value::Text(cause.into()) && row[2] == Value::Text(node.into()));
    rows.filter_map(|row| row[3].number()).sum()
}

#[test]
fn row_56_ssh_from_the_admin_subnet_only_replies_pass_and_the_counters_match() {
    let result = shows("scripts/services/firewall.lua", &[], 9);
    assert_eq!(column(&result, "ssh"), 1.0);
    // Three seconds of SYNs, a second apart, to port 22 from outside and to port 25 from inside.
    assert_eq!((column(&result, "denied"), column(&result, "mail")), (4.0, 4.0));
    assert_eq!(column(&result, "icmp"), 1.0);
    // And the SYN that was rejected.
    assert_eq!(ended(&result, "firewall", "server"), 4.0 + 4.0 + 1.0 + 1.0);
}

#[test]
fn a_socket_hears_at_once_that_its_packet_was_rejected() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b)
         a:firewall{outbound = {{reject = {'tcp/80', 'udp/53', 'icmp'}}}}
         print(a:connect(b, 80))
         local u = a:udp() u:connect(b, 53) u:send 'x'
         print(u:recv{timeout = '1s'})
         print(a:ping(b))
         print(now() < 0.001)
         a:firewall{}
         print(a:ping(b) > 0)",
    );
    assert_eq!(lines, ["nil\tunreachable", "nil\tunreachable", "nil\tunreachable", "true", "true"]);
}

#[test]
fn who_is_rejected_is_told_whatever_the_rules_for_what_leaves_say() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b)
         b:firewall{inbound = {{reject = 'tcp/80'}, {reject = 'udp/53'}}, default = {inbound = 'deny', outbound = 'deny'}}
         print(a:connect(b, 80))
         local u = a:udp() u:connect(b, 53) u:send 'x'
         print(u:recv{timeout = '1s'})
         for _, row in ipairs(b:firewall_rules()) do if row.list == 'outbound' then print(row.rule, row.packets) end end",
    );
    assert_eq!(lines, ["nil\trefused", "nil\tunreachable", "allow known flows\t0", "deny by default\t0"]);
}

#[test]
fn known_flows_outlive_new_rules_and_end_with_their_timeout() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b)
         local u, v = a:udp(5000), b:udp(53)
         b:firewall{inbound = {{allow = 'udp/53'}}, udp_timeout = '10s'}
         u:sendto('1', b, 53)
         print((v:recvfrom{timeout = '1s'}))
         b:firewall{default = 'deny', udp_timeout = '10s'}
         u:sendto('2', b, 53)
         print((v:recvfrom{timeout = '1s'}))
         print(#b:firewall_flows())
         sleep '11s'
         u:sendto('3', b, 53)
         print(v:recvfrom{timeout = '1s'})
         print(#b:firewall_flows())",
    );
    assert_eq!(lines, ["1", "2", "1", "nil\ttimeout", "0"]);
}

#[test]
fn mistakes_in_rules_are_named_with_their_place() {
    let base = "local a, b = net:host 'a', net:host 'b' net:link(a, b)\n";
    for (text, said) in [
        (
            "a:firewall{inbound = {{alow = 'tcp'}}}",
            "unknown option 'alow' of rule 1 of inbound; did you mean 'allow'?",
        ),
        ("a:firewall{inbound = {{from = 'b'}}}", "rule 1 of inbound must say one of allow, deny and reject"),
        ("a:firewall{inbound = {{allow = 'tpc/22'}}}", "'tpc/22' is not a service"),
        ("a:firewall{inbound = {allow = 'tcp'}}", "inbound must be a list of rules"),
        ("a:firewall{inbound = {{allow = 'tcp', from = '10.0.0/8'}}}", "'10.0.0/8' is not a network"),
        ("a:firewall{default = {inbond = 'deny'}}", "default has no list 'inbond'"),
        ("a:firewall{default = 'drop'}", "it can be one of \"allow\", \"deny\", \"reject\""),
        (
            "a:firewall{outbound = {{allow = 'tcp', to = net:host 'c'}}}",
            "'c' has no address that a rule could name",
        ),
    ] {
        let error = error_of(&format!("{base}{text}"));
        assert!(error.message.contains(said), "{text}: {error}");
        assert!(error.to_string().contains("exp.lua:2"), "{error}");
    }
}

#[test]
fn a_log_has_a_row_for_each_packet() {
    let result = shows("scripts/services/firewall.lua", &[], 9);
    let events = &result.tables.iter().find(|(name, _)| name == "events").expect("events").1;
    let rows: Vec<String> = events.rows.iter().map(|row| format!("{row:?}")).collect();
    assert!(rows.iter().any(|row| row.contains("deny icmp: icmp 10.0.1.1:1 > 10.0.9.1")), "{rows:?}");
    assert!(lines(&result)[0].contains("port 22"));
}

#[test]
fn one_address_for_three_hosts_and_nothing_comes_in_unasked() {
    let result = shows("scripts/services/nat.lua", &[], 10);
    let lines = lines(&result);
    assert!(lines.iter().any(|line| line == "the web server's guest\t2\t10.0.1.2:40000"), "{lines:?}");
    assert_eq!(ended(&result, "nat_filter", "box"), 1.0);
    // No route of the core leads inside.
    assert!(lines.iter().all(|line| !line.starts_with("192.168")), "{lines:?}");
}

#[test]
fn peers_behind_translators_talk_directly_but_for_the_pairs_that_cannot() {
    let script = shipped("scripts/services/hole_punching.lua");
    let types = ["full_cone", "restricted", "port_restricted", "symmetric"];
    for ann in types {
        for bob in types {
            let at = [("ann", Value::Text(ann.into())), ("bob", Value::Text(bob.into()))];
            let result = run_at(&script, &at);
            let fails = [(ann, bob), (bob, ann)]
                .iter()
                .any(|(a, b)| *a == "symmetric" && matches!(*b, "symmetric" | "port_restricted"));
            assert_eq!(column(&result, "direct"), if fails { 0.0 } else { 1.0 }, "{ann} and {bob}");
            result.checks.iter().for_each(|check| assert!(check.passed, "{ann}, {bob}: {}", check.text));
        }
    }
}

/// Two hosts behind a translator with two ports, and a server outside.
const HOME: &str = "local core, web = net:router 'core', net:host 'web'
    net:link(web, core, {delay = '10ms', mtu = 1000})
    local box = net:nat('box', {type = 'symmetric', ports = {2000, 2001}, timeout = '10s'})
    local a, b, c = net:host 'a', net:host 'b', net:host 'c'
    for _, host in ipairs{a, b, c} do net:link(host, box) end
    net:link(box, core)
    ";

#[test]
fn ports_run_out_are_counted_and_come_back() {
    let lines = printed(&format!(
        "{HOME}local v = web:udp(7)
         for _, host in ipairs{{a, b, c}} do host:udp(5000):sendto(host.name, web, 7) end
         print((v:recvfrom()), (v:recvfrom()), v:recvfrom{{timeout = '1s'}})
         print(box.stats.ports_exhausted, #box:table())
         sleep '10s'
         c:udp():sendto('later', web, 7)
         print((v:recvfrom()))"
    ));
    assert_eq!(lines, ["a\tb\tnil\ttimeout", "1\t2", "later"]);
}

#[test]
fn errors_from_the_way_reach_the_inner_host_that_caused_them() {
    let lines = printed(&format!(
        "{HOME}local u = a:udp(5000)
         u:connect(web, 9)
         u:send 'x'
         print(u:recv{{timeout = '1s'}})
         print(a:traceroute(web))
         print(a:ping('10.99.0.1'))
         local s = assert(a:connect(web, 80, {{timeout = '1s'}}) or true)
         web:serve(80, function(conn) print(conn:recv_all() == ('x'):rep(5000)) end)
         s = assert(b:connect(web, 80))
         s:send(('x'):rep(5000)) s:close()
         sleep '1s'"
    ));
    assert_eq!(lines, ["nil\trefused", "box core web", "nil\tunreachable", "true"]);
}

#[test]
fn fragments_are_translated_whole() {
    let lines = printed(&format!(
        "{HOME}local u, v = a:udp(5000), web:udp(7)
         u:sendto(('x'):rep(4000), web, 7)
         local data, peer = v:recvfrom{{timeout = '1s'}}
         print(#data, peer.ip == box.outer)
         v:sendto(('y'):rep(3000), peer)
         print(#u:recvfrom{{timeout = '1s'}})"
    ));
    assert_eq!(lines, ["4000\ttrue", "3000"]);
}

#[test]
fn homes_may_use_the_same_inner_addresses() {
    let lines = printed(
        "local core = net:router 'core'
         local function home(n)
           local host, box = net:host('h' .. n), net:nat('box' .. n)
           local lan = net:lan('lan' .. n, {host, box})
           net:subnet('192.168.1.0/24', {host, box})
           net:link(box, core)
           return host, box
         end
         local a, b1 = home(1)
         local b, b2 = home(2)
         print(a.ip, b.ip)
         b2:forward{port = 80, to = b}
         b:serve(80, function(conn, peer) conn:send(peer.ip) end)
         local s = assert(a:connect(b2, 80))
         print(s:recv_all() == b1.outer)",
    );
    assert_eq!(lines, ["192.168.1.1\t192.168.1.1", "true"]);
}

#[test]
fn mistakes_about_translators_are_named_with_their_place() {
    for (text, said) in [
        ("net:nat('box', {type = 'cone'})", "it can be one of \"full_cone\""),
        ("net:nat('box', {ports = {9, 1}})", "ports must be { first, last }"),
        ("net:nat('box', {timeout = 0})", "timeout = 0: no answer would ever come in"),
        (
            "local a, b, box = net:host 'a', net:host 'b', net:nat 'box' net:link(a, box) net:link(box, b) a:ping(b)",
            "which side of 'box' is outside?",
        ),
        (
            "local a, b = net:host 'a', net:host 'b' local box = net:nat('box', {outside = 'isp'}) net:link(a, box) net:link(box, b) a:ping(b)",
            "the outside of 'box' is said to be 'isp'",
        ),
        (
            "local a, box = net:host 'a', net:nat 'box' box:forward{to = a}",
            "nat:forward needs the option 'port'",
        ),
    ] {
        let error = error_of(text);
        assert!(error.message.contains(said), "{text}: {error}");
    }
}

#[test]
fn row_13_four_messages_give_an_address_and_a_pool_of_one_is_enough_for_one() {
    // The probe waits 200 ms; the rest is four messages over two links.
    let result = shows("scripts/services/dhcp.lua", &[], 12);
    assert!((0.2..0.202).contains(&column(&result, "address_after_s")));
    let lines = printed(
        "local server, lan = net:router 'server', net:switch 'lan'
         net:link(server, lan)
         local pc = net:hosts('pc', 2, {ip = 'dhcp'})
         for _, host in ipairs(pc) do net:link(host, lan) end
         server:dhcp_server{pool = 1, dns = '10.0.0.53'}
         local got = {pc[1]:wait_address() or 'none', pc[2]:wait_address() or 'none'}
         table.sort(got)
         print(got[1], got[2])
         local lease = pc[1]:lease() or pc[2]:lease()
         print(lease.mask, lease.gateway, lease.dns[1], lease.state)
         print(#server:leases(), now() > 50 and now() < 70)",
    );
    assert_eq!(lines, ["10.0.0.100\tnone", "255.255.255.0\t10.0.0.1\t10.0.0.53\tbound", "1\ttrue"]);
}

#[test]
fn who_names_a_time_waits_for_an_address_so_long_and_who_names_none_hears_that_nobody_answers() {
    let lines = printed(
        "local server, lan = net:router 'server', net:switch 'lan'
         net:link(server, lan)
         local first, second = net:host('first', {ip = 'dhcp'}), net:host('second', {ip = 'dhcp'})
         net:link(first, lan) net:link(second, lan)
         server:dhcp_server{pool = 1, lease = '60s'}
         second:crash()
         first:wait_address() first:crash() second:boot()
         print(second:wait_address{timeout = '5s'}) print(second:wait_address()) print(now() > 50 and now() < 70)
         print(second:wait_address{timeout = '600s'} ~= nil, now() > 300)",
    );
    assert_eq!(lines, ["nil\ttimeout", "nil\tno answer", "true", "true\ttrue"]);
}

#[test]
fn an_address_that_somebody_has_is_found_by_the_probe_and_declined() {
    let lines = printed(
        "local server, other, pc = net:host 'server', net:host('other', {ip = '10.0.0.100/24'}), net:host('pc', {ip = 'dhcp'})
         net:lan('lan', {server, other, pc})
         server:dhcp_server{pool = {'10.0.0.100', '10.0.0.101'}}
         print(pc:wait_address(), now() > 10 and now() < 12)
         for _, row in ipairs(server:leases()) do print(row.ip, row.state) end",
    );
    assert_eq!(lines, ["10.0.0.101\ttrue", "10.0.0.100\tdeclined", "10.0.0.101\tbound"]);
}

#[test]
fn leases_keep_no_run_alive_and_pass_firewalls() {
    let lines = printed(
        "local server, pc = net:host 'server', net:host('pc', {ip = 'dhcp'})
         net:link(server, pc)
         server:dhcp_server{pool = 5, lease = '10s'}
         pc:firewall{default = 'deny'}
         print(pc:wait_address() ~= nil, pc:wait_address{timeout = 0} == pc.ip)
         sleep '25s'
         print(pc:lease().state, pc:ping(server))
         at_end(function() print(now() < 40) end)",
    );
    assert_eq!(lines, ["true\ttrue", "bound\tnil\ttimeout", "true"]);
}

#[test]
fn mistakes_about_loans_are_named_with_their_place() {
    let base = "local a, b = net:host 'a', net:host('b', {ip = 'dhcp'}) net:link(a, b)\n";
    for (text, said) in [
        ("a:dhcp_server{pool = '10.9.0.1-10.9.0.9'}", "no network has the addresses 10.9.0.1 to 10.9.0.9"),
        ("a:dhcp_server{pool = 1000}", "pool = 1000: the network has 253 addresses to give away"),
        ("a:dhcp_server{pool = 'some'}", "pool must be a range"),
        ("a:dhcp_server{dns = 'nobody'}", "dns must be an address"),
        ("net:host('c'):dhcp_server{}", "'c' has no link yet"),
        ("a:wait_address()", "'a' does not get its address from a server"),
        ("a:dhcp_relay{}", "host:dhcp_relay needs the option 'to'"),
    ] {
        let error = error_of(&format!("{base}{text}"));
        assert!(error.message.contains(said), "{text}: {error}");
        assert!(error.to_string().contains("exp.lua:2"), "{error}");
    }
}

#[test]
fn a_host_that_crashes_asks_again_and_gets_what_it_had() {
    let lines = printed(
        "local server, pc = net:host 'server', net:hosts('pc', 2, {ip = 'dhcp'})
         net:lan('lan', {server, pc})
         server:dhcp_server{pool = 5}
         print(pc[1]:wait_address() ~= nil, pc[2]:wait_address() ~= nil)
         local before = pc[2].ip
         pc[2]:crash()
         print(pc[2].ip)
         sleep '1min'
         pc[2]:boot()
         print(pc[2]:wait_address() == before, server:ping(pc[2]) ~= nil)",
    );
    assert_eq!(lines, ["true\ttrue", "nil", "true\ttrue"]);
}

#[test]
fn a_stream_goes_where_somebody_listens_and_over_each_link_once() {
    let result = shows("scripts/services/multicast.lua", &[], 6);
    assert_eq!(column(&result, "heard"), 400.0);
}

#[test]
fn on_one_link_groups_need_no_router_and_only_members_hear() {
    let lines = printed(
        "local a, b, c = net:host 'a', net:host 'b', net:host 'c'
         net:lan('lan', {a, b, c})
         local out, u, v = a:udp(1), b:udp(7), c:udp(7)
         print(u:join '239.0.0.5', u:join '239.0.0.5')
         out:sendto('one', '239.0.0.5', 7)
         print((u:recvfrom{timeout = '1s'}), v:recvfrom{timeout = '1s'})
         print(u:leave '239.0.0.5', u:leave '239.0.0.5')
         out:sendto('two', '239.0.0.5', 7)
         print(u:recvfrom{timeout = '1s'})",
    );
    assert_eq!(lines, ["true\tnil\tin use", "one\tnil\ttimeout", "true\tnil\tclosed", "nil\ttimeout"]);
}

#[test]
fn a_stream_goes_no_further_than_its_time_to_live() {
    let lines = printed(
        "local a, b, r, s = net:host 'a', net:host 'b', net:router 'r', net:router 's'
         net:link(a, r) net:link(r, s) net:link(s, b)
         net:multicast{}
         local u = b:udp(7)
         u:join '239.0.0.5'
         sleep '1s'
         for _, ttl in ipairs{1, 2, 3} do
           a:udp(0, {ttl = ttl}):sendto('ttl ' .. ttl, '239.0.0.5', 7)
           print((u:recvfrom{timeout = '1s'}))
         end",
    );
    assert_eq!(lines, ["nil", "nil", "ttl 3"]);
    let error = error_of("net:host('a'):udp():join '10.0.0.1'");
    assert!(error.message.contains("'10.0.0.1' is not a group"), "{error}");
}

#[test]
fn rules_name_ipv6_networks_and_hosts() {
    let out = common::printed(
        "net:ipv6() local a, b, c = net:host 'a', net:host 'b', net:host 'c'
         local r = net:router 'r' net:lan('s', { a, b, r }) net:link(r, c)
         local function tries()
           local out = {}
           for _, who in ipairs { a, b } do
             for _, to in ipairs { c.ip, c.ip6 } do out[#out + 1] = who:ping(to, { timeout = '100ms' }) and 'yes' or 'no' end
           end
           return table.concat(out, ' ')
         end
         c:firewall { inbound = { { deny = 'all', from = '2001:db8:0:1::/64' } }, default = 'allow' } print(tries())
         c:firewall { inbound = { { deny = 'all', from = a } }, default = 'allow' } print(tries())
         c:firewall { inbound = { { allow = 'all', from = b.ip6 } }, default = { inbound = 'deny' } } print(tries())
         for _, row in ipairs(c:firewall_rules()) do if row.rule:match 'from' then print(row.rule, row.packets) end end
         print(tostring(c:firewall_flows()):match '2001:db8:0:1::2')
         for _, wrong in ipairs { '2001:zz::/64', '2001:db8::/80', 'fd00::/64' } do
           print(tostring(select(2, pcall(function() c:firewall { inbound = { { deny = 'all', from = wrong } } } end))))
         end",
    );
    assert_eq!(
        out[..5],
        [
            "yes no yes no",
            "no no yes yes",
            "no no no yes",
            "allow any from 2001:db8:0:1::2\t1",
            "2001:db8:0:1::2",
        ],
        "{out:?}"
    );
    for (line, part) in
        out[5..].iter().zip(["is not an IPv6 network", "has a length", "is no network of this simulation"])
    {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn hosts_routers_and_translators_tell_the_time() {
    let out = printed(
        "local a, b, n, r = net:host 'a', net:host 'b', net:nat 'n', net:router 'r'
         net:link(a, n) net:link(n, r) net:link(r, b, { delay = '100ms' })
         sleep '10s'
         for _, who in ipairs { n, r, b } do
           local rtt, times = a:ping(who, { timestamp = true })
           print(rtt > 0, times.originate // 1000, times.receive - times.originate, times.transmit == times.receive)
         end
         local many = a:ping(b, { timestamp = true, count = 2 }) print(#many.rtts, many.times.receive > 10000)
         print(a:ping('10.99.0.1', { timestamp = true }))",
    );
    assert!(out[0].starts_with("true\t10\t") && out[1].starts_with("true\t10\t"), "{out:?}");
    assert!(out[2] == "true\t10\t300\ttrue" || out[2] == "true\t10\t100\ttrue", "{out:?}");
    assert_eq!(out[3..], ["2\ttrue", "nil\tunreachable"]);
    let error = error_of("local a = net:host 'a' a:ping(a, { timestamp = true, size = 9 })");
    assert!(error.message.contains("timestamp requests carry three times and no data"), "{error}");
}
