//! IPv6 from a script: addresses, neighbours, routes, the MTU of a way.

mod common;

use common::error_of;

const NETWORK: &str = "
net:ipv6()
local a, b, c = net:host 'a', net:host 'b', net:host('c', { ip = 'none' })
local r1, r2 = net:router 'r1', net:router 'r2'
net:lan('s', { a, b, r1 }, { rate = '100Mbps', delay = '1ms' })
local narrow = net:link(r1, r2, { rate = '10Mbps', delay = '5ms', mtu = 1400 })
net:link(r2, c, { rate = '100Mbps', delay = '1ms' })
";

fn printed(code: &str) -> Vec<String> {
    common::printed(&format!("{NETWORK}{code}"))
}

#[test]
fn hosts_have_both_addresses_and_one_without_ipv4_is_reached_by_the_other() {
    let out = printed(
        "print(a.ip, a.ip6, c.ip, c.ip6) print(a:ping(c) ~= nil, a:ping(c.ip6) ~= nil, c:ping(a.ip))",
    );
    assert_eq!(out, ["10.0.0.1\t2001:db8:0:1::1\tnil\t2001:db8:0:3::1", "true\ttrue\tnil\tunreachable"]);
}

#[test]
fn neighbors_are_discovered_used_and_tested_again() {
    let out = printed(
        "local first, second = a:ping(b.ip6), a:ping(b.ip6) print(first > 1.5 * second)
         local function state() return a:neighbor_table()[1].state end
         print(state()) sleep '31s' print(state()) a:udp():sendto('x', b.ip6, 9) print(state())
         sleep '5.1s' print(state(), a:neighbor_table()[1].mac == b.mac)",
    );
    assert_eq!(out, ["true", "REACHABLE", "STALE", "DELAY", "REACHABLE\ttrue"]);
}

#[test]
fn a_capture_shows_the_solicitation_and_its_answer() {
    let out = printed(
        "local l = ladder(a, b) a:ping(b.ip6) for _, row in ipairs(l:rows()) do print(row.from, row.what) end print(l)",
    );
    assert!(out.iter().any(|line| line.contains("echo request")), "{out:#?}");
}

#[test]
fn routers_never_cut_and_senders_learn_what_fits() {
    let out = printed(
        "local inbox, u = c:udp(9), a:udp()
         u:sendto(('x'):rep(1440), c, 9) print(inbox:recvfrom { timeout = '1s' })
         print(a:path_mtus()[c.ip6]) u:sendto(('x'):rep(1440), c, 9) print(#inbox:recvfrom { timeout = '1s' })
         print(a.stats.fragments_made, r1.stats.fragments_made, c.stats.reassembled)
         c:sink(80) local flow = a:bulk { to = c, size = '1MB' } flow:wait() print(flow.bytes_delivered)",
    );
    assert_eq!(out, ["nil\ttimeout", "1400", "1440", "2\t0\t1", "1000000"]);
}

#[test]
fn what_is_wrong_is_told_by_name() {
    let out = printed(
        "print(a:ping('2001:db8:77::1', { timeout = '5s' })) print(a:ping('2001:db8:0:3::99', { timeout = '5s' }))
         print(a:connect('[' .. c.ip6 .. ']:81')) narrow:disable() print(a:connect(c, 80, { timeout = '5s' }))
         print(b:traceroute('2001:db8:77::1')[1].name)",
    );
    assert_eq!(out, ["nil\tunreachable", "nil\tunreachable", "nil\trefused", "nil\tunreachable", "r1"]);
}

#[test]
fn routes_by_hand_and_flows_to_an_address() {
    let out = printed(
        "net:route(r1, '2001:db8:0:3::/64', b.ip6)
         print(a:ping(c, { timeout = '1s' }))
         local flow = a:cbr { to = b.ip6, rate = '1Mbps', size = 1000, count = 100 } flow:wait() sleep '1s'
         print(flow.bytes_delivered) for _, row in ipairs(r1:fib()) do if row.prefix:find ':' then print(row.prefix, row.via[1].to) end end",
    );
    assert_eq!(out[0], "nil\ttimeout");
    assert_eq!(out[1], "100000");
    assert!(out.contains(&"2001:db8:0:3::/64\tb".to_owned()), "{out:?}");
}

#[test]
fn mistakes_with_addresses_have_messages() {
    for (code, part) in [
        ("net:host('x', { ip6 = '2001:db8::/64' })", "is a network"),
        ("net:host('x', { ip6 = '10.0.0.1' })", "is not an IPv6 address"),
        ("net:host('x', { ip6 = '2001:db8::1/48' })", "has 64 bits, not 48"),
        ("net:ipv6 { prefix = '2001:db8::/32' }", "is not a prefix of 48 bits"),
        (
            "local r, h = net:router 'r', net:host 'h' net:link(r, h) net:route(r, '2001:db8::/65', h)",
            "is not a network",
        ),
        (
            "local r, h = net:router 'r', net:host 'h' net:link(r, h) net:route(r, '2001:db8::/64', '10.0.0.1')",
            "is not an IPv6 address",
        ),
        (
            "local x, y = net:host('x', { ip6 = '2001:db8:1::1' }), net:host('y', { ip6 = '2001:db8:2::1' }) net:link(x, y) x:ping(y)",
            "a router stands between networks",
        ),
    ] {
        let error = error_of(code);
        assert!(error.message.contains(part), "{code}: {}", error.message);
    }
}

const OWN: &str = "
net:ipv6()
local laptop, other = net:host('laptop', { ip6 = 'slaac' }), net:host('other', OTHER)
local router, server = net:router 'router', net:host 'server'
local lan = net:lan('lan', { laptop, other, router }, { rate = '100Mbps', delay = '1ms' })
net:link(router, server, { rate = '1Gbps', delay = '10ms' })
";

fn own(other: &str, code: &str) -> Vec<String> {
    common::printed(&format!("{}{code}", OWN.replace("OTHER", other)))
}

#[test]
fn row_18_a_host_makes_its_address_of_what_a_router_advertises() {
    let out = own(
        "{}",
        "local seen = {} laptop:sniff('ip6', function(pkt) seen[#seen + 1] = tostring(pkt) end)
         print(laptop.ip6, laptop:ping(server.ip6)) print(laptop:wait_address()) print(laptop.mac)
         print(seen[1]) print(seen[2]) print(seen[3])
         print(laptop:ping(server.ip6) ~= nil, server:ping(laptop.ip6) ~= nil)
         print(laptop:fib())",
    );
    assert_eq!(
        out,
        [
            "nil\tnil\tunreachable",
            "2001:db8:0:1:0:ff:fe00:0",
            "02:00:00:00:00:00",
            "IP6 fe80::ff:fe00:0 > ff02::2: ICMP6, router solicitation, length 16",
            "IP6 fe80::ff:fe00:4 > ff02::1: ICMP6, router advertisement, lifetime 1800s, prefix 2001:db8:0:1::/64, length 56",
            "IP6 :: > ff02::1:ff00:0: ICMP6, neighbor solicitation, who has 2001:db8:0:1:0:ff:fe00:0, length 24",
            "true\ttrue",
            "0.0.0.0/0           router\n10.0.0.0/24         link to lan\n::/0                router\n2001:db8:0:1::/64   lan",
        ]
    );
}

#[test]
fn row_18_the_script_shows_a_host_that_nobody_configured() {
    let result = common::shows("scripts/internet/slaac.lua", &[], 3);
    assert!((1.0..3.0).contains(&common::column(&result, "seconds")));
}

#[test]
fn an_address_that_somebody_has_is_not_used() {
    let out = own(
        "{ ip6 = '2001:db8:0:1:0:ff:fe00:0/64' }",
        "print(laptop:wait_address()) print(laptop.ip6, laptop:ping(server.ip6)) print(other:ping(server.ip6) ~= nil)",
    );
    assert_eq!(out, ["nil\tduplicate", "nil\tnil\tunreachable", "true"]);
}

#[test]
fn without_a_router_there_is_no_address_until_one_comes() {
    let out = own(
        "{}",
        "router:crash() print(laptop:wait_address()) print(now() > 12, laptop.ip6)
         router:boot() print(laptop:wait_address() ~= nil or laptop.ip6) sleep '30s' print(laptop.ip6)
         laptop:crash() print(laptop.ip6) laptop:boot() print(laptop:wait_address()) print(laptop:ping(server.ip6) ~= nil)",
    );
    assert_eq!(
        out,
        [
            "nil\ttimeout",
            "true\tnil",
            "nil",
            "2001:db8:0:1:0:ff:fe00:0",
            "nil",
            "2001:db8:0:1:0:ff:fe00:0",
            "true"
        ]
    );
}

#[test]
fn of_two_addresses_the_one_of_a_version_that_both_have_is_used() {
    let lines = common::printed(
        "local b, c, r = net:host 'b', net:host('c', { ip = 'none' }), net:router 'r'
         net:ipv6() net:link(b, r) net:link(c, r)
         b:serve(22, function(conn) conn:send 'hi' end)
         print(c:ping(b) ~= nil, b:ping(c) ~= nil, #c:traceroute(b))
         local conn = assert(c:connect(b, 22))
         print(conn)
         print(diagnose(c, b, { port = 22 }).ok)",
    );
    assert_eq!(lines[0], "true\ttrue\t2");
    assert_eq!(lines[1], "tcp [2001:db8:0:2::1]:49152 -> [2001:db8:0:1::1]:22 ESTABLISHED");
    assert_eq!(lines[2], "true");
}

#[test]
fn the_log_of_a_firewall_shows_ipv6_addresses() {
    let result = common::good(common::result_of(&common::script(
        "local a, b = net:host 'a', net:host 'b' net:ipv6() net:link(a, b)
         b:firewall { inbound = { { deny = 'tcp/22', log = true }, { allow = 'any' } } }
         a:connect(address(b.ip6, 22), nil, { timeout = 1 })",
    )));
    let (_, events) = result.tables.iter().find(|(name, _)| name == "events").unwrap();
    let text = format!("{:?}", events.rows);
    assert!(text.contains("tcp [2001:db8:0:1::1]:49152 > [2001:db8:0:1::2]:22"), "{text}");
}
