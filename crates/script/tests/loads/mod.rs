//! Loads of `net:traffic`: how much of which link is used, and what is said of loads that cannot be.

use super::common::{column, error_of, good, printed, result_of, script};

#[test]
fn a_load_is_the_share_of_the_link_that_is_used() {
    let result = good(result_of(&script(
        "experiment { duration = '20s', warmup = '1s' }
         local a, b = net:hosts('a', 4), net:hosts('b', 4)
         local l, r = net:router 'l', net:router 'r'
         for _, host in ipairs(a) do net:link(host, l, { rate = '1Gbps' }) end
         for _, host in ipairs(b) do net:link(host, r, { rate = '1Gbps' }) end
         local link = net:link(l, r, { rate = '100Mbps', delay = '1ms', queue = '200pkt' })
         net:traffic { from = a, to = b, size = {'exponential', mean = '100kB'}, load = '50%', link = link, start = '100ms' }
         at_end(function() record { used_pct = link:forward().stats.utilization_pct } end)",
    )));
    // 1,175 flows of exponential size in 19 s: a standard error of 4 %.
    assert!((column(&result, "used_pct") - 50.0).abs() < 6.0, "{}", column(&result, "used_pct"));
}

/// Per cent of a bottleneck of 100 Mbit/s between so many pairs of hosts that a load of 40 % uses, of flows of this size.
fn used_by(size: &str, pairs: u32, keep: bool) -> f64 {
    let result = good(result_of(&script(&format!(
        "experiment {{ duration = '6s', warmup = '1s' }}
         local a, b = net:hosts('a', {pairs}), net:hosts('b', {pairs})
         local l, r = net:router 'l', net:router 'r'
         for _, host in ipairs(a) do net:link(host, l, {{ rate = '1Gbps' }}) end
         for _, host in ipairs(b) do net:link(host, r, {{ rate = '1Gbps' }}) end
         local link = net:link(l, r, {{ rate = '100Mbps', delay = '1ms', queue = '400pkt' }})
         local t = net:traffic {{ from = a, to = b, size = '{size}', load = '40%', link = link, keepalive = {keep} }}
         at_end(function() record {{ used_pct = link:forward().stats.utilization_pct, failed = t.failed }} end)"
    ))));
    assert_eq!(column(&result, "failed"), 0.0, "{size} {pairs} {keep}");
    column(&result, "used_pct")
}

#[test]
fn a_load_counts_handshakes_and_headers_of_small_flows() {
    for (size, pairs, keep) in [
        ("cache", 1, true),
        ("cache", 4, true),
        ("cache", 4, false),
        ("200B", 1, true),
        ("200B", 4, true),
        ("200B", 4, false),
        ("2kB", 1, true),
        ("2kB", 4, false),
        ("100kB", 1, true),
        ("100kB", 1, false),
        ("100kB", 4, false),
    ] {
        let used = used_by(size, pairs, keep);
        assert!((36.0..44.0).contains(&used), "{size}, {pairs} pairs, keepalive = {keep}: {used}");
    }
}

#[test]
fn among_hosts_that_send_to_each_other_a_load_counts_what_answers_take() {
    for (size, keep) in [("cache", false), ("20kB", false), ("20kB", true)] {
        let result = good(result_of(&script(&format!(
            "experiment {{ duration = '6s', warmup = '1s' }}
             local hosts, core = net:hosts('h', 6), net:router 'core'
             local links = {{}}
             for i, host in ipairs(hosts) do links[i] = net:link(host, core, {{ rate = '10Mbps', queue = '400pkt' }}) end
             net:traffic {{ hosts = hosts, size = '{size}', load = '40%', keepalive = {keep} }}
             at_end(function()
               local sum = 0
               for _, link in ipairs(links) do sum = sum + link:forward().stats.utilization_pct end
               record {{ used_pct = sum / #links }}
             end)"
        ))));
        let used = column(&result, "used_pct");
        assert!((36.0..44.0).contains(&used), "{size}, keepalive = {keep}: {used}");
    }
}

#[test]
fn a_load_of_a_link_that_no_flow_crosses_is_noticed() {
    let said = |link: &str| {
        let result = good(result_of(&script(&format!(
            "local r, all = net:router 'r', net:hosts('h', 4)
             for _, h in ipairs(all) do net:link(h, r, {{ rate = '10Mbps', delay = '1ms' }}) end
             all[3]:ping(all[4])
             net:traffic {{ from = {{ all[1] }}, to = {{ all[2] }}, size = '10kB', load = '50%', link = {link}, stop = 2 }}:wait()"
        ))));
        result
            .warnings
            .iter()
            .map(|warning| (warning.text.clone(), warning.place.clone()))
            .collect::<Vec<_>>()
    };
    for link in ["net.links[1]", "net.links[2]", "net.links[2]:backward()"] {
        assert_eq!(said(link), [], "{link}");
    }
    for link in ["net.links[3]", "net.links[4]:forward()"] {
        let warnings = said(link);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let (text, place) = &warnings[0];
        let name = if link.contains('3') { "h3-r" } else { "h4-r" };
        assert!(
            text.contains(&format!("share of the link {name}, and none of its flows cross it")),
            "{text}"
        );
        assert_eq!(place.as_ref().unwrap().line, 4);
    }
}

/// Six hosts at a router, with lines of 10 Mbit/s; the traffic's options, what comes before it, and the direction that is looked at:
/// per cent of it that were used, and warnings.
fn used(options: &str, before: &str, looked_at: &str) -> (f64, Vec<String>) {
    let result = good(result_of(&script(&format!(
        "experiment {{ duration = '21s', warmup = '1s' }}
         local r, H = net:router 'r', net:hosts('h', 6)
         local L = {{}}
         for i, h in ipairs(H) do L[i] = net:link(h, r, {{ rate = '10Mbps', delay = '1ms', queue = '1000pkt' }}) end
         {before}
         net:traffic {{ {options} }}
         at_end(function() record {{ used_pct = {looked_at}.stats.utilization_pct }} end)"
    ))));
    (column(&result, "used_pct"), result.warnings.iter().map(|warning| warning.text.clone()).collect())
}

#[test]
fn the_busier_way_has_the_load_or_the_direction_that_is_named() {
    let asks = "from = {H[1]}, to = {H[3]}, size = '100B', response = '20kB', load = '50%'";
    for (options, looked_at) in [
        (asks.to_owned(), "L[1]:backward()"),
        (format!("{asks}, link = L[1]"), "L[1]:backward()"),
        (format!("{asks}, link = L[3]"), "L[3]:forward()"),
        (format!("{asks}, link = L[1]:backward()"), "L[1]:backward()"),
        (format!("{asks}, link = L[3]:forward()"), "L[3]:forward()"),
        (asks.replace("'50%'", "'4%', link = L[1]:forward()").replace("100B", "1kB"), "L[1]:forward()"),
        ("from = {H[1]}, to = {H[3]}, size = '10kB', load = '50%', link = L[1]".to_owned(), "L[1]:forward()"),
        (
            "from = {H[1]}, to = {H[3]}, size = '10kB', load = '50%', of = '2Mbps'".to_owned(),
            "L[1]:forward()",
        ),
    ] {
        let (used, warnings) = used(&options, "", looked_at);
        let meant = if options.contains("'4%'") {
            4.0
        } else if options.contains("2Mbps") {
            10.0
        } else {
            50.0
        };
        assert!((used / meant - 1.0).abs() < 0.12, "{options}: {used}");
        assert_eq!(warnings, Vec::<String>::new(), "{options}");
    }
}

#[test]
fn a_direction_that_leaves_too_little_for_the_other_is_warned_of() {
    let options =
        "from = {H[1]}, to = {H[3]}, size = '100B', response = '20kB', load = '50%', link = L[1]:forward()";
    let (_, warnings) = used(options, "", "L[1]:backward()");
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    let expected = "the link from r to h1 carries 10Mbps, and traffic asks ";
    assert!(warning.starts_with(expected) && warning.contains("; another link is asked"), "{warning}");
    // Five clients' lines are half full; their server's line would have to carry 25 Mbit/s.
    let many = "from = {H[1], H[2], H[3], H[4], H[5]}, to = {H[6]}, size = '20kB', load = '50%'";
    let (_, warnings) = used(many, "", "L[1]:forward()");
    assert!(
        warnings.len() == 1
            && warnings[0].starts_with("the link from r to h6 carries 10Mbps, and traffic asks 25Mbps of it"),
        "{warnings:?}"
    );
    assert!(used(&format!("{many}, stop = '2s', count = 100"), "", "L[1]:forward()").1.is_empty());
    // Two that are too much together, unless one comes after the other.
    let one = "from = {H[1]}, to = {H[2]}, size = '20kB', load = '60%'";
    let two = |times: &str| {
        used(&format!("{one}, stop = 10"), &format!("net:traffic {{ {one}, {times} }}"), "L[1]:forward()").1
    };
    let warnings = two("start = 5, stop = 15");
    let expected =
        "the link from h1 to r carries 10Mbps, and traffic#2 and traffic ask 12Mbps of it on average";
    assert!(warnings.len() == 1 && warnings[0].starts_with(expected), "{warnings:?}");
    assert!(two("start = 10, stop = 15").is_empty());
    // A link between the two hosts themselves is not asked twice.
    for (load, n) in [
        ("'90%'", 0),
        ("'60%', response = '20kB'", 0),
        ("'50%', link = net.links[1]:forward(), response = '50kB'", 1),
    ] {
        let result = good(result_of(&script(&format!(
            "local a, b = net:host 'a', net:host 'b'
             net:link(a, b, {{ rate = '10Mbps' }})
             net:traffic {{ from = {{ a }}, to = {{ b }}, size = '20kB', stop = 1, load = {load} }}"
        ))));
        assert_eq!(result.warnings.len(), n, "{load}: {:?}", result.warnings);
    }
}

#[test]
fn what_several_workloads_ask_is_added_up_while_they_go_on() {
    let said = |network: &str, what: &str| {
        let text = format!(
            "{network}
             local function ask(o) o.from, o.to, o.size = o.from or {{ a }}, o.to or {{ b }}, '20kB' return net:traffic(o) end
             {what} stop()"
        );
        good(result_of(&script(&text))).warnings.into_iter().map(|warning| warning.text).collect::<Vec<_>>()
    };
    let line = "local a, b = net:host 'a', net:host 'b' net:link(a, b, { rate = '10Mbps', delay = '1ms' })";
    for quiet in [
        "for _, l in ipairs { '40%', '70%' } do ask { load = l, count = 200 }:wait() end",
        "ask { load = '70%', stop = 50 }:stop() sleep(1) ask { load = '70%', stop = 2 }",
        "ask { load = '40%', stop = 5 } ask { load = '40%', start = 5, stop = 10 } ask { load = '40%', stop = 10 }",
        "ask { load = '40%', stop = 10 } ask { load = '40%', stop = 5 } ask { load = '40%', start = 5, stop = 10 }",
    ] {
        assert_eq!(said(line, quiet), Vec::<String>::new(), "{quiet}");
    }
    let hub = "local hub, a, b = net:hub 'hub', net:host 'a', net:host 'b'
        for _, x in ipairs { a, b } do net:link(x, hub, { rate = '10Mbps', delay = '100ns' }) end";
    let pairs = "local hub, H = net:hub 'hub', net:hosts('h', 4)
        for _, x in ipairs(H) do net:link(x, hub, { rate = '10Mbps', delay = '100ns' }) end";
    let homes = "local r, s, a, b = net:router 'r', net:router 's', net:host 'a', net:host 'b'
        net:link(a, r, { rate = '1Mbps' }) net:link(a, s, { rate = '100Mbps' }) net:link(b, s, { rate = '100Mbps' })";
    assert_eq!(said(homes, "ask { rate = 50, stop = 2 }"), Vec::<String>::new());
    let cell = "local ap, a, b = net:ap 'ap', net:host 'a', net:host 'b' net:link(b, ap, { distance = 5 }) net:link(a, ap, { rate = '1Gbps' })";
    let core = "local l, r, a, b = net:router 'l', net:router 'r', net:host 'a', net:host 'b'
        net:link(a, l) net:link(b, r) local core = net:link(l, r, { rate = '10Mbps' })";
    for (network, what, expected) in [
        (
            line,
            "ask { load = '60%', stop = 2, name = 'web' } ask { load = '60%', stop = 2 }",
            "the link from a to b carries 10Mbps, and traffic and web ask 12Mbps of it",
        ),
        (
            hub,
            "ask { rate = 100, stop = 2 }",
            "'hub', which all its stations share, carries 10Mbps, and traffic asks",
        ),
        (
            hub,
            "ask { load = '60%', stop = 2 } ask { load = '60%', stop = 2 }",
            "'hub', which all its stations share, carries 10Mbps, and traffic#2 and traffic ask 12Mbps",
        ),
        (
            pairs,
            "for i = 1, 3, 2 do ask { from = { H[i] }, to = { H[i + 1] }, load = '60%', stop = 2 } end",
            "'hub', which all its stations share, carries 10Mbps, and traffic#2 and traffic ask 12Mbps",
        ),
        (
            cell,
            "ask { load = '20%', stop = 2 }",
            "'ap', which all its stations share, carries 54Mbps, and traffic asks",
        ),
        (
            core,
            "for _ = 1, 2 do ask { load = '60%', link = core, stop = 2 } end",
            "the link from l to r carries 10Mbps, and traffic#2 and traffic ask 12Mbps",
        ),
    ] {
        let warnings = said(network, what);
        assert!(warnings.len() == 1 && warnings[0].starts_with(expected), "{what}: {warnings:?}");
    }
}

#[test]
fn a_link_that_only_some_flows_cross_has_the_load() {
    for (options, looked_at, meant) in [
        (
            "from = {H[1], H[2]}, to = {H[3]}, size = '10kB', load = '40%', link = L[1]",
            "L[1]:forward()",
            40.0,
        ),
        (
            "from = {H[1], H[2]}, to = {H[3], H[4]}, size = '10kB', load = '40%', link = L[4]",
            "L[4]:backward()",
            40.0,
        ),
        ("hosts = H, size = '10kB', load = '40%', link = L[4]", "L[4]:backward()", 40.0),
        (
            "hosts = H, size = '10kB', load = '40%', link = L[4], pattern = 'permutation'",
            "L[4]:forward()",
            40.0,
        ),
        (
            "from = {H[1], H[2]}, to = {H[3], H[4]}, size = '10kB', load = '40%', link = L[4], pattern = 'everyone'",
            "L[4]:backward()",
            40.0,
        ),
    ] {
        let (used, warnings) = used(options, "", looked_at);
        assert!((used / meant - 1.0).abs() < 0.12, "{options}: {used}");
        assert_eq!(warnings, Vec::<String>::new(), "{options}");
    }
}

#[test]
fn a_load_is_a_share_of_the_rate_that_a_link_has_now() {
    let options = "from = {H[1]}, to = {H[3]}, size = '5kB', load = '50%'";
    for what in [
        "L[1]:set { rate = '1Mbps' }",
        "at('500ms', function() L[1]:set { rate = '1Mbps' } end) sleep '600ms'",
    ] {
        for link in ["", ", link = L[1]"] {
            let (used, warnings) = used(&format!("{options}{link}"), what, "L[1]:forward()");
            assert!((used - 50.0).abs() < 6.0, "{what}{link}: {used}");
            assert!(warnings.is_empty(), "{warnings:?}");
        }
    }
}

#[test]
fn each_sender_uses_its_share_of_its_own_line() {
    let result = good(result_of(&script(
        "experiment { duration = '41s', warmup = '1s' }
         local r, H = net:router 'r', net:hosts('h', 4)
         local L = {}
         for i, rate in ipairs { '1Mbps', '4Mbps', '10Mbps', '100Mbps' } do
           L[i] = net:link(H[i], r, { delay = '1ms', queue = '1000pkt', forward = { rate = rate }, backward = { rate = '100Mbps' } })
         end
         net:traffic { from = {H[1], H[2], H[3]}, to = {H[4]}, size = '5kB', load = '30%' }
         at_end(function() for i = 1, 3 do record { ['used_' .. i] = L[i]:forward().stats.utilization_pct } end end)",
    )));
    assert!(result.warnings.is_empty(), "{:?}", result.warnings);
    for i in 1..=3 {
        let used = column(&result, &format!("used_{i}"));
        assert!((used / 30.0 - 1.0).abs() < 0.12, "line {i}: {used}");
    }
}

#[test]
fn stations_of_a_hub_share_what_a_load_is_a_share_of() {
    for who in ["from = {H[1], H[2], H[3]}, to = {H[4], H[5], H[6]}", "hosts = H"] {
        let text = "experiment { duration = '21s', warmup = '1s' }
         local hub, H = net:hub 'hub', net:hosts('h', 6)
         for _, h in ipairs(H) do net:link(h, hub, { rate = '10Mbps', delay = '100ns' }) end
         net:traffic { WHO, size = '10kB', response = '10kB', load = '30%' }
         at_end(function() record { used_pct = hub.stats.utilization_pct } end)"
            .replace("WHO", who);
        let used = column(&good(result_of(&script(&text))), "used_pct");
        assert!((used / 30.0 - 1.0).abs() < 0.12, "{who}: {used}");
    }
}

#[test]
fn stations_of_an_access_point_share_its_rate_and_its_wires_have_their_own() {
    // 5 x 20 Mbit/s if each had its own; 54 Mbit/s for all and both ways, and 28 bytes of headers and more around a packet of TCP.
    for (wire, per_s) in [
        ("{ distance = 10 }", 0.2 * 54e6 / 8.0 / 44_700.0),
        ("{ rate = '20Mbps' }", 0.2 * 5.0 * 20e6 / 8.0 / 22_400.0),
    ] {
        let lines = printed(&format!(
            "local ap, H, s, r = net:ap 'ap', net:hosts('h', 5), net:host 's', net:router 'r'
             for _, h in ipairs(H) do net:link(h, ap, {wire}) end
             net:link(ap, r) net:link(r, s, {{ rate = '1Gbps' }})
             local t = net:traffic {{ from = H, to = {{ s }}, size = '20kB', response = '20kB', load = '20%', stop = 20 }}
             sleep(20) print(t.begun) stop()"
        ));
        let begun: f64 = lines[0].parse().unwrap();
        assert!((begun / 20.0 / per_s - 1.0).abs() < 0.1, "{wire}: {begun} in 20 s, {per_s} a second meant");
    }
}

#[test]
fn loads_of_kept_connections_small_segments_and_hubs_are_met() {
    let asks = "from = {H[1]}, to = {H[3]}, load = '30%', keepalive = true, arrivals = 'constant'";
    for (options, looked_at) in [
        (format!("{asks}, size = '100B', response = '100B'"), "L[1]:forward()"),
        (format!("{asks}, size = '1kB', response = '1kB'"), "L[1]:forward()"),
        (format!("{asks}, size = '3kB', response = '3kB'"), "L[1]:forward()"),
        (format!("{asks}, size = '100B', response = '2kB'").replace("30%", "1%"), "L[1]:backward()"),
        (format!("{asks}, size = 'cache_keys', response = 'cache'"), "L[1]:backward()"),
        (
            format!("{asks}, size = '100B', response = '100B'").replace("constant", "poisson"),
            "L[1]:forward()",
        ),
        (
            format!("{asks}, size = '300B', response = '300B'").replace("constant", "poisson"),
            "L[1]:forward()",
        ),
        (format!("{asks}, size = '100B', response = '100B', delayed_ack = false"), "L[1]:forward()"),
        (format!("{asks}, size = '3kB', response = '3kB', delayed_ack = false"), "L[1]:forward()"),
        (format!("{asks}, size = '20kB', mss = 100"), "L[1]:forward()"),
        (format!("{asks}, size = '20kB', advmss = 500"), "L[1]:forward()"),
    ] {
        let (used, warnings) = used(&options, "", looked_at);
        let meant = if options.contains("'1%'") { 1.0 } else { 30.0 };
        assert!((used / meant - 1.0).abs() < 0.08, "{options}: {used}");
        assert_eq!(warnings, Vec::<String>::new(), "{options}");
    }
    let result = good(result_of(&script(
        "experiment { duration = '21s', warmup = '1s' }
         local hub, H = net:hub 'hub', net:hosts('h', 4)
         for _, h in ipairs(H) do net:link(h, hub, { rate = '10Mbps', delay = '100ns' }) end
         net:traffic { hosts = H, size = '20kB', load = '30%', link = net.links[1] }
         at_end(function() record { used_pct = hub.stats.utilization_pct } end)",
    )));
    assert!((column(&result, "used_pct") / 30.0 - 1.0).abs() < 0.1, "{}", column(&result, "used_pct"));
}

#[test]
fn loads_that_mean_nothing_are_refused() {
    for (options, expected) in [
        ("from = {a, a}, to = {b}, load = '20%'", "'a' stands twice in 'from'"),
        ("from = {a}, to = {b, b}, rate = 5", "'b' stands twice in 'to'"),
        ("hosts = {a, b, a}, rate = 5", "'a' stands twice in 'hosts'"),
        ("from = {a}, to = {b}, load = '20%', of = '1Mbps', link = net.links[1]", "not of both"),
        ("from = {b}, to = {a}, load = '20%'", "this link has none"),
    ] {
        let error = error_of(&format!(
            "local a, b, c = net:host 'a', net:host 'b', net:switch 'c'
             net:link(a, c, {{ vlan = 10 }}) net:link(c, b, {{ vlan = {{ trunk = {{ 10 }} }} }})
             net:traffic {{ size = '1kB', stop = 5, {options} }}"
        ));
        assert!(error.message.contains(expected), "{options}: {}", error.message);
    }
}
