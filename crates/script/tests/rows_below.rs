//! What the layers below transport must show, row by row of the project's checklist; each row has its script.

mod common;

use common::{column, lines, printed, shows, text};

#[test]
fn row_04_loopback_never_reaches_the_wire() {
    let result = shows("scripts/links/loopback.lua", &[], 1);
    assert_eq!(lines(&result)[1..], ["you said: hello, me", "packets on the link between a and b: 0"]);
}

#[test]
fn row_05_a_packet_takes_its_bits_and_its_way() {
    for (framing, ms) in [("ip", 11.2), ("ethernet", 11.2304)] {
        let result = shows("scripts/links/serialisation.lua", &[("framing", text(framing))], 1);
        assert!((column(&result, "arrival_ms") - ms).abs() < 1e-9, "{framing}");
    }
}

#[test]
fn row_06_and_07_damaged_frames_are_dropped_and_tcp_repairs_what_udp_loses() {
    let result = shows("scripts/links/noise.lua", &[], 4);
    assert_eq!(lines(&result)[0], "10 frames sent, 2 damaged and dropped by the link layer");
    assert!((column(&result, "expected_pct") - 1.207_1).abs() < 0.001);
}

#[test]
fn row_08_no_flag_inside_a_frame() {
    let result = shows("scripts/links/framing.lua", &[], 5);
    let lines = lines(&result);
    assert_eq!(lines[3], "frame of bytes\t7E 41 7D 5E FF 7A 7E ");
    assert_eq!(lines[2], "frame of bits \t01111110100000100111110101111101110101111001111110");
}

#[test]
fn row_17_addresses_are_prefixes_and_run_out() {
    shows("scripts/links/addresses.lua", &[], 8);
    let error = common::error_of(
        "local hosts, switch = net:hosts('h', 3), net:switch 's'
         for _, host in ipairs(hosts) do net:link(host, switch) end
         net:subnet('10.0.0.0/30', hosts)
         hosts[1]:ping(hosts[3])",
    );
    assert!(
        error.message.contains("subnet 10.0.0.0/30 has 2 addresses for hosts, but 3 are needed"),
        "{error}"
    );
}

#[test]
fn row_76_bits_become_levels_and_bits_again() {
    let result = shows("scripts/links/line_coding.lua", &[], 3);
    for (code, zeros, ones) in [
        ("nrz", 0.0, 0.0),
        ("nrzi", 0.0, 63.0),
        ("manchester", 127.0, 127.0),
        ("differential_manchester", 127.0, 64.0),
        ("ami", 0.0, 63.0),
        ("mlt3", 0.0, 63.0),
    ] {
        assert_eq!(column(&result, &format!("{code}_zeros_count")), zeros, "{code}");
        assert_eq!(column(&result, &format!("{code}_ones_count")), ones, "{code}");
    }
    assert_eq!(
        lines(&result).last().unwrap(),
        "a level that nobody sent:\tnil\tlevel 3 cannot follow those before it"
    );
}

#[test]
fn row_10_a_switch_learns_and_forgets() {
    let result = shows("scripts/links/learning.lua", &[], 3);
    assert!(lines(&result)[1].contains("floods 1"), "{:?}", lines(&result));
}

#[test]
fn row_11_arp_asks_once_and_remembers() {
    let result = shows("scripts/links/arp.lua", &[], 4);
    // An exchange of two frames of 84 byte times at 10 Mbit/s over 5 ms, twice.
    let exchange = 2.0 * (84.0 * 8.0 / 10e3 + 5.0);
    let echo = 2.0 * ((84.0 + 38.0) * 8.0 / 10e3 + 5.0);
    assert!((column(&result, "second_ms") - echo).abs() < 1e-9);
    assert!((column(&result, "first_ms") - echo - exchange).abs() < 1e-9);
}

#[test]
fn row_14_rip_counts_to_infinity_without_split_horizon() {
    let at = |horizon: &str| {
        let result = shows("scripts/routing/rip_count_to_infinity.lua", &[("horizon", text(horizon))], 3);
        (column(&result, "steps"), column(&result, "seconds"))
    };
    let (steps, seconds) = at("off");
    assert!(steps >= 12.0 && (120.0..400.0).contains(&seconds), "{steps} steps, {seconds} s");
    for horizon in ["simple", "poison"] {
        let (steps, seconds) = at(horizon);
        assert!(steps == 3.0 && seconds < 75.0, "{horizon}: {steps} steps, {seconds} s");
    }
}

#[test]
fn row_14_ospf_routes_around_a_broken_link_as_soon_as_it_is_noticed() {
    let at = |carrier: &str| {
        let result = shows("scripts/routing/ospf_convergence.lua", &[("carrier", text(carrier))], 4);
        (column(&result, "healed_s"), column(&result, "lost"))
    };
    let (healed, lost) = at("yes");
    // The wait before the computation, some hops of 2 ms; a datagram is lost in each millisecond of it.
    assert!((0.05..0.1).contains(&healed) && (lost - healed * 1e3).abs() < 10.0, "{healed} s, {lost} lost");
    let (healed, lost) = at("no");
    assert!((30.0..41.0).contains(&healed) && (lost - healed * 1e3).abs() < 50.0, "{healed} s, {lost} lost");
}

#[test]
fn row_14_a_hijack_of_bgp_catches_neighbours_or_everybody_or_nobody() {
    for (how, followers) in [("same", 1.0), ("specific", 3.0), ("filtered", 0.0)] {
        let result = shows("scripts/routing/bgp_hijack.lua", &[("how", text(how))], 5);
        assert_eq!(column(&result, "followers"), followers, "{how}");
        // Two rounds of announcements 5 s apart.
        assert!((10.0..12.0).contains(&column(&result, "start_s")));
    }
}

#[test]
fn flows_stay_on_one_of_several_equal_ways_and_packets_do_not() {
    let at = |ecmp: &str| shows("scripts/routing/ecmp.lua", &[("ecmp", text(ecmp))], 2);
    let (flow, packet, off) = (at("flow"), at("packet"), at("off"));
    assert!((25.0..35.0).contains(&column(&flow, "largest_share_pct")));
    assert_eq!(column(&off, "largest_share_pct").round(), 100.0);
    // One connection gets what one way carries, or more.
    assert!(column(&flow, "tcp_mbps") < 95.0 && column(&packet, "tcp_mbps") > 150.0);
}

#[test]
fn row_19_and_20_ports_are_addresses_of_programs_one_space_for_each_protocol() {
    let result = shows("scripts/sockets/ports.lua", &[], 4);
    assert_eq!(lines(&result)[..3], ["tab\t1\tre: tab 1", "tab\t2\tre: tab 2", "tab\t3\tre: tab 3"]);
}

#[test]
fn a_ring_of_switches_heals_as_fast_as_its_protocol() {
    let outage =
        |stp: &str| column(&shows("scripts/links/spanning_tree.lua", &[("stp", text(stp))], 0), "outage_s");
    assert!(outage("rstp") < 0.1);
    assert!((29.0..52.0).contains(&outage("stp")));
}

#[test]
fn an_access_point_at_an_access_port_is_in_its_vlan() {
    let out = printed(
        "local core, ap, a, b, c = net:switch 'core', net:ap 'ap', net:host 'a', net:host 'b', net:host 'c'
         net:link(ap, core, { vlan = 10 }) net:link(a, ap, { distance = '5m' })
         net:link(b, core, { vlan = 10 }) net:link(c, core, { vlan = 20 })
         print(a.ip, b.ip, c.ip, a:ping(b) ~= nil, (a:ping(c)))",
    );
    assert_eq!(out, ["10.0.0.1\t10.0.0.2\t10.0.1.1\ttrue\tnil"]);
}
