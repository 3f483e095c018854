//! What the link layer must show: VLANs, shared media, neighbours' addresses, repair and flow control on a link.

mod common;

use common::{column, good, lines, result_of, shows};
use tidewire_metrics::Value;

#[test]
fn row_10_vlans_part_a_switch_and_a_trunk_carries_their_tags() {
    let result = shows("scripts/links/vlans.lua", &[], 4);
    let lines = lines(&result);
    assert!(lines.iter().any(|line| line.starts_with("vlan 10   1t 2 4\n")), "{lines:?}");
    // Three links of 122 byte times, twice; on the trunk with four bytes more. ARP comes before.
    assert!(
        column(&result, "inside_us") > 0.0 && column(&result, "across_us") > column(&result, "inside_us")
    );
}

#[test]
fn a_router_on_a_trunk_has_an_interface_in_each_vlan_and_passes_packets_between_them() {
    let result = shows("scripts/links/router_on_a_stick.lua", &[], 4);
    // Four links of 122 byte times each way, of which two have four bytes of tag.
    let expected = 2.0 * (4.0 * 122.0 + 2.0 * 4.0) * 8.0 / 100.0;
    assert!((column(&result, "rtt_us") - expected).abs() < 1e-6, "{}", column(&result, "rtt_us"));
}

#[test]
fn a_device_reads_and_writes_tags() {
    let out = common::printed(
        "local s, dev, t = net:switch 's', net:device 'dev', net:switch 't'
         local a, b = net:host 'a', net:host 'b'
         net:link(a, s, { vlan = 10 }) net:link(b, t, { vlan = 10 })
         net:link(s, dev, { vlan = { trunk = {10} } }) net:link(dev, t, { vlan = { trunk = {10} } })
         local tags, retag = {}, function(vlan) return vlan end
         dev:on_frame(function(port, frame)
           tags[frame.eth.vlan or 0] = true
           frame.eth.vlan = retag(frame.eth.vlan)
           for _, other in ipairs(dev.ports) do if other ~= port then other:send(frame) end end
         end)
         print(a:ping(b) ~= nil, tags[10], tags[0])
         for _, vlan in ipairs { 20, false } do
           retag = function() return vlan or nil end
           print(a:ping(b, { timeout = '1s' }))
         end
         print(pcall(function() dev.ports[1]:send { eth = { src = a.mac, dst = b.mac, vlan = 5000 }, ip = { src = a.ip, dst = b.ip } } end))",
    );
    assert_eq!(
        out[..3],
        ["true\ttrue\tnil", "nil\ttimeout", "nil\ttimeout"],
        "a strict trunk takes its own VLAN only"
    );
    assert!(out[3].contains("VLANs have numbers from 1 to 4094"), "{out:?}");
}

#[test]
fn a_tag_takes_four_byte_times_on_a_trunk_and_none_on_its_native_vlan() {
    for (native, tagged) in [("", 2.0), (", native = 10", 0.0)] {
        let result = good(result_of(&common::script(&format!(
            "local s, t = net:switch 's', net:switch 't'
             local trunk = net:link(s, t, {{ rate = '1Mbps', vlan = {{ trunk = {{10}}{native} }} }})
             local a, b = net:host 'a', net:host 'b'
             net:link(a, s, {{ rate = '1Mbps', vlan = 10 }})
             net:link(b, t, {{ rate = '1Mbps', vlan = 10 }})
             a:ping(b)
             record {{ rtt_us = a:ping(b) * 1e6 }}"
        ))));
        let expected = 2.0 * 3.0 * 122.0 * 8.0 + tagged * 32.0;
        assert!((column(&result, "rtt_us") - expected).abs() < 1e-6, "{native}");
    }
}

#[test]
fn row_03_one_program_gets_the_same_bytes_over_a_line_a_switch_and_a_hub() {
    for below in ["line", "switch", "hub"] {
        let result = shows("scripts/links/three_kinds.lua", &[("below", Value::Text(below.to_owned()))], 1);
        assert_eq!(column(&result, "sum_count"), 927_409.0, "{below}");
    }
}

#[test]
fn a_hub_carries_what_metcalfe_and_boggs_say_and_gives_everybody_the_same() {
    for stations in [5, 20] {
        let result = shows("scripts/links/hub.lua", &[("stations", Value::Int(stations))], stations as usize);
        let (measured, model) = (column(&result, "utilization_pct"), column(&result, "model_pct"));
        assert!((measured / model - 1.0).abs() < 0.05, "{stations}: {measured} {model}");
        assert!(column(&result, "fairness") > 0.97 && column(&result, "late") == 0.0);
    }
}

#[test]
fn what_a_hub_cannot_have_is_refused_with_a_remedy() {
    let hub =
        "local hub, a, b = net:hub 'hub', net:host 'a', net:host 'b' net:link(a, hub, { rate = '10Mbps' })";
    for (then, sentence) in [
        ("net:link(b, hub, { rate = '100Mbps' })", "all stations of a hub share one rate"),
        (
            "net:link(b, hub, { rate = '10Mbps', jitter = '1ms' })",
            "no discipline, jitter, noise, trace or arq",
        ),
        (
            "net:link(b, hub, { rate = '10Mbps', delay = '1us', backward = { delay = '5us' } })",
            "one delay for both ways",
        ),
        ("net:link(hub, net:hub 'second')", "use one hub with longer links, or a switch"),
        ("net.links[1]:set { rate = '1Mbps' }", "its stations share a medium"),
    ] {
        let error = common::error_of(&format!("{hub} {then} a:ping(b)"));
        assert!(error.message.contains(sentence), "{error}");
    }
}

#[test]
fn both_ways_of_a_hubs_link_lose_what_they_are_told() {
    let answered = |loss: &str, more: &str| {
        let text = format!(
            "local h, a, b = net:hub 'h', net:host 'a', net:host 'b'
             local l = net:link(a, h, {{ rate = '10Mbps', {loss} }}) net:link(b, h, {{ rate = '10Mbps' }})
             a:arp_set(b.ip, b.mac) b:arp_set(a.ip, a.mac) {more}
             local n = 0 for _ = 1, 1000 do if a:ping(b, {{ timeout = '20ms' }}) then n = n + 1 end end
             record {{ answered = n, forward = l.stats.forward.drops.loss, backward = l.stats.backward.drops.loss }}"
        );
        let result = good(result_of(&common::script(&text)));
        ["answered", "forward", "backward"].map(|name| common::column(&result, name))
    };
    let [answers, there, back] = answered("loss = '20%'", "");
    // 0.8 squared; four standard deviations are 61.
    assert!((579.0..701.0).contains(&answers) && there > 140.0 && back > 100.0, "{answers} {there} {back}");
    assert_eq!(answers + there + back, 1000.0);
    let [answers, there, back] = answered("backward = { loss = '20%' }", "");
    assert!(
        (750.0..850.0).contains(&answers) && there == 0.0 && back == 1000.0 - answers,
        "{answers} {back}"
    );
    let [answers, ..] = answered("loss = '0%'", "l:backward():drop_next(10)");
    assert_eq!(answers, 990.0);
}

#[test]
fn a_hub_between_switches_joins_two_lans_and_a_loop_through_it_is_broken() {
    let result = good(result_of(&common::script(
        "local hub, s, t = net:hub 'hub', net:switch 's', net:switch 't'
         for _, switch in ipairs { s, t } do net:link(switch, hub, { rate = '10Mbps', delay = '1us' }) end
         net:link(s, t, { rate = '10Mbps' })
         local a, b = net:host 'a', net:host 'b'
         net:link(a, s, { rate = '10Mbps' })
         net:link(b, hub, { rate = '10Mbps', delay = '2us' })
         local answers = 0
         for _ = 1, 5 do answers = answers + (a:ping(b) and 1 or 0); sleep '2s' end
         check(s:stp() ~= nil and t:stp() ~= nil, 'the loop is seen')
         record { answers_count = answers }",
    )));
    assert!(result.checks.iter().all(|check| check.passed));
    assert_eq!(column(&result, "answers_count"), 5.0);
}

#[test]
fn row_09_a_link_repairs_losses_and_is_used_as_the_formulas_say() {
    let text = |value: &str| Value::Text(value.to_owned());
    for (kind, window, lost) in [
        ("stop_and_wait", 4, "0%"),
        ("gbn", 4, "0%"),
        ("gbn", 255, "5%"),
        ("sr", 4, "0%"),
        ("sr", 255, "0%"),
        ("sr", 255, "5%"),
    ] {
        let point = [("kind", text(kind)), ("window", Value::Int(window)), ("lost", text(lost))];
        let result = shows("scripts/links/arq.lua", &point, 1);
        let (measured, model) = (column(&result, "utilization"), column(&result, "model"));
        assert!((measured / model - 1.0).abs() < 0.02, "{kind} {window} {lost}: {measured} {model}");
    }
}

#[test]
fn row_09_everything_arrives_in_order_over_a_link_that_loses_a_tenth_both_ways() {
    for arq in ["'stop_and_wait'", "{ 'gbn', window = 8 }", "{ 'sr', window = 8 }"] {
        for framing in ["ethernet", "ppp"] {
            let result = good(result_of(&common::script(&format!(
                "local a, b = net:host 'a', net:host 'b'
                 local link = net:link(a, b, {{ rate = '10Mbps', delay = '1ms', framing = '{framing}', loss = '10%', corrupt = '2%', arq = {arq} }})
                 local flow = a:cbr {{ to = b, port = 9, rate = '500kbps', size = 500, count = 500 }}
                 local tcp = b:bulk {{ to = a, port = 80, size = '200kB' }}
                 tcp:wait()
                 flow:wait()
                 sleep '10s'
                 record {{ lost_count = flow.packets_lost, resent_count = tcp.retransmits,
                          arq_count = link.stats.forward.arq.retransmissions }}"
            ))));
            assert_eq!(column(&result, "lost_count"), 0.0, "{arq} {framing}");
            assert!(column(&result, "arq_count") > 20.0, "{arq} {framing}");
        }
    }
}

#[test]
fn a_link_with_repair_that_goes_down_loses_what_is_on_it_and_starts_again() {
    let result = good(result_of(&common::script(
        "local a, b = net:host 'a', net:host 'b'
         local link = net:link(a, b, { rate = '1Mbps', delay = '10ms', framing = 'ip', arq = { 'sr', window = 4 } })
         local flow = a:cbr { to = b, port = 9, rate = '900kbps', size = 1000, count = 300 }
         at('1s', function() link:disable() end)
         at('1.5s', function() link:enable() end)
         sleep '20s'
         record { lost_count = flow.packets_lost }",
    )));
    // Half a second of nine tenths of a megabit, and what was on the link.
    assert!((55.0..70.0).contains(&column(&result, "lost_count")), "{}", column(&result, "lost_count"));
}

#[test]
fn what_does_not_go_with_repair_is_refused() {
    for (options, sentence) in [
        ("jitter = '1ms', arq = 'gbn'", "no discipline, jitter"),
        ("arq = 'gnb'", "did you mean 'gbn'"),
        ("arq = { 'sr', window = 0 }", "a whole number from 1"),
        ("arq = { 'sr', windows = 4 }", "unknown option 'windows'"),
    ] {
        let error = common::error_of(&format!("net:link(net:host 'a', net:host 'b', {{ {options} }})"));
        assert!(error.message.contains(sentence), "{error}");
    }
}

#[test]
fn an_access_point_carries_what_bianchis_model_says() {
    for stations in [1, 10, 20] {
        let result = shows("scripts/links/wireless.lua", &[("stations", Value::Int(stations))], 1);
        let collisions = column(&result, "collisions_pct");
        assert!((collisions == 0.0) == (stations == 1), "{stations}: {collisions}");
    }
}

#[test]
fn stations_reach_each_other_and_the_wire_through_their_access_point_unless_they_are_too_far_away() {
    let result = good(result_of(&common::script(
        "local ap = net:ap 'ap'
         local near, middle, far, server = net:host 'near', net:host 'middle', net:host 'far', net:host 'server'
         net:link(near, ap, { distance = '10m' })
         net:link(middle, ap, { distance = 75 })
         net:link(far, ap, { distance = '300m' })
         net:link(server, ap, { rate = '1Gbps' })
         check(near:ping(server) ~= nil and near:ping(middle, { timeout = '5s' }) ~= nil, 'there is an answer')
         check(far:ping(server) == nil, 'noise is all that is heard')
         local rates = {}
         for name, host in pairs { near = near, middle = middle } do
           local flow = host:bulk { to = server, size = '2MB' }
           flow:wait()
           rates[name .. '_mbps'] = flow.goodput_mbps
         end
         check(ap.stats.stations.near.frames > 1000 and ap.stats.stations.ap.frames > 100, 'both sides send')
         record(rates)",
    )));
    assert_eq!(result.checks.iter().filter(|check| check.passed).count(), 3, "{:?}", result.checks);
    let (near, middle) = (column(&result, "near_mbps"), column(&result, "middle_mbps"));
    // 54 Mbit/s on the air, with headers, waits and acknowledgments of both layers.
    assert!((18.0..32.0).contains(&near) && middle < near, "{near} {middle}");
}

#[test]
fn what_is_no_radio_link_has_no_distance() {
    for text in [
        "net:link(net:host 'a', net:switch 's', { distance = '3m' })",
        "net:link(net:host 'a', net:ap 'ap', { distance = '3m', jitter = '1ms' })",
    ] {
        let error = common::error_of(text);
        assert!(error.message.contains("joins a station and one access point"), "{error}");
    }
}

#[test]
fn a_link_with_repair_that_loses_everything_gives_up_and_the_run_ends() {
    for kind in ["stop_and_wait", "gbn", "sr"] {
        let out = common::printed(&format!(
            "local a, b = net:host 'a', net:host 'b'
             local l = net:link(a, b, {{ rate = '10Mbps', delay = '1ms', loss = '100%', arq = '{kind}' }})
             print(a:ping(b)) sleep '2s' print(l.stats.forward.arq.resets)"
        ));
        // Three ARP requests.
        assert_eq!(out, ["nil\ttimeout", "3"], "{kind}");
    }
}

#[test]
fn a_switch_without_room_for_addresses_floods_and_anybody_can_listen() {
    shows("scripts/links/mac_flooding.lua", &[], 3);
}

#[test]
fn pause_ends_the_losses_of_a_switch_and_lets_bystanders_wait() {
    let with = |pause: &str, checks| {
        shows("scripts/links/pause.lua", &[("pause", Value::Text(pause.to_owned()))], checks)
    };
    let (without, with) = (with("no", 2), with("yes", 3));
    // 1.3 of 1 Gbit/s with their headers: 1466 bytes of 1400 on the wire.
    let offered = 1300.0 * 1466.0 / 1400.0;
    let lost = 100.0 * (1.0 - 1000.0 / offered);
    assert!((column(&without, "lost_pct") - lost).abs() < 0.5, "{}", column(&without, "lost_pct"));
    assert_eq!(column(&with, "lost_pct"), 0.0);
    assert!((column(&with, "busy_mbps") - column(&without, "busy_mbps")).abs() < 2.0);
}

/// A switch with a shared buffer of 300 kB, `queues` overloaded receivers.
fn overloaded(queues: u32, alpha: f64, link: &str) -> String {
    format!(
        "local s = net:switch('s', {{ buffer = '300kB', alpha = {alpha} }})
         local link = {{ rate = '100Mbps', delay = '20us', {link} }}
         local sinks, sources = net:hosts('sink', {queues}), net:hosts('source', {queues})
         for _, list in ipairs {{ sinks, sources }} do for _, host in ipairs(list) do net:link(host, s, link) end end
         local others = net:hosts('other', {queues}) for _, host in ipairs(others) do net:link(host, s, link) end
         for i = 1, {queues} do
           sources[i]:cbr {{ to = sinks[i], rate = '70Mbps', size = 1472, stop = '1s' }}
           others[i]:cbr {{ to = sinks[i], rate = '70Mbps', size = 1472, stop = '1s' }}
         end
         sleep '1s' "
    )
}

#[test]
fn a_shared_buffer_gives_each_of_n_queues_alpha_over_one_plus_n_alpha_of_it() {
    for (queues, alpha) in [(1, 1.0), (2, 1.0), (4, 1.0), (1, 8.0), (3, 0.5)] {
        let out = common::printed(&format!(
            "{} print(s.buffer.used_bytes, s.buffer.pauses)",
            overloaded(queues, alpha, "")
        ));
        let words: Vec<&str> = out[0].split('\t').collect();
        let (n, used) = (f64::from(queues), words[0].parse::<f64>().unwrap());
        // Choudhury and Hahne 1998: B a / (1 + n a) each, to a packet each.
        let expected = n * 300e3 * alpha / (1.0 + n * alpha);
        assert!(
            (used - expected).abs() <= n * 1500.0 + 1500.0,
            "{queues} {alpha}: {used} instead of {expected}"
        );
        assert_eq!(words[1], "0");
    }
}

#[test]
fn no_frame_is_dropped_where_all_pause_over_long_links_and_several_switches() {
    for delay in ["1us", "20us", "50us"] {
        let out = common::printed(&format!(
            "{} local drops, paused = 0, 0
             for _, link in ipairs(net.links) do
               drops = drops + link:forward().stats.drops.queue * 0 + link:backward().stats.drops.queue
             end
             print(drops, s.buffer.pauses > 0, s.buffer.highest_bytes <= 300000)
             sleep '1s' print(s.buffer.used_bytes)",
            overloaded(2, 1.0, &format!("pause = true, delay = '{delay}'")).replace("delay = '20us', ", "")
        ));
        assert_eq!(out, ["0\ttrue\ttrue", "0"], "{delay}");
    }
    // The second switch pauses the first, which pauses its sender.
    let out = common::printed(
        "local a, b = net:host 'a', net:host 'b'
         local s, t = net:switch('s', { buffer = '100kB' }), net:switch('t', { buffer = '100kB' })
         net:link(a, s, { rate = '1Gbps', pause = true, delay = '1us' }) net:link(s, t, { rate = '1Gbps', pause = true, delay = '1us' })
         net:link(t, b, { rate = '100Mbps', delay = '1us' })
         a:cbr { to = b, rate = '500Mbps', size = 1472, stop = '10ms' } sleep '500ms'
         print(s.buffer.pauses > 0, t.buffer.pauses > 0, s.buffer.used_bytes, t.buffer.used_bytes)
         local drops = 0 for _, link in ipairs(net.links) do drops = drops + link.stats.forward.drops.queue end print(drops)",
    );
    assert_eq!(out, ["true\ttrue\t0\t0", "0"]);
}

#[test]
fn a_paused_link_that_goes_down_comes_back_without_its_pause() {
    let out = common::printed(
        "local s = net:switch('s', { buffer = '50kB' })
         local a, b, c = net:host 'a', net:host 'b', net:host 'c'
         local fast = { rate = '1Gbps', delay = '1us', pause = true }
         local up = net:link(a, s, fast) net:link(c, s, fast) net:link(b, s, { rate = '1Mbps', delay = '1us' })
         local flow = a:cbr { to = b, rate = '100Mbps', size = 1000, stop = '20ms' }
         sleep '50ms' print(s.buffer.pauses > 0) up:disable() sleep '1ms' up:enable()
         print(a:ping(c, { timeout = '2s' }) ~= nil)
         s:crash() sleep '1s' s:boot() print(s.buffer.used_bytes, a:ping(b, { timeout = '3s' }) ~= nil)",
    );
    assert_eq!(out, ["true", "true", "0\ttrue"]);
}

#[test]
fn pause_where_it_cannot_be_is_refused() {
    for (text, what) in [
        (
            "net:link(net:host 'a', net:host 'b', { pause = true })",
            "must be an Ethernet link of a switch with a shared buffer",
        ),
        ("net:link(net:host 'a', net:switch 's', { pause = true })", "link 'a-s' has pause"),
        (
            "net:link(net:host 'a', net:switch('s', { buffer = '1MB' }), { pause = true, arq = 'gbn' })",
            "has pause",
        ),
        ("net:switch('s', { alpha = 1 })", "alpha needs a buffer"),
        ("net:switch('s', { buffer = '1MB', alpha = -1 })", "alpha = -1"),
    ] {
        let error = common::error_of(text);
        assert!(error.message.contains(what), "{text}: {}", error.message);
    }
}

#[test]
fn a_neighbour_whose_link_was_down_is_asked_to_pause_again() {
    let out = common::printed(
        "local s = net:switch('s', { buffer = '50kB' })
         local a, b = net:host 'a', net:host 'b'
         local up = net:link(a, s, { rate = '1Gbps', delay = '1us', pause = true }) net:link(b, s, { rate = '1Mbps', delay = '1us' })
         a:cbr { to = b, rate = '100Mbps', size = 1000, stop = '100ms' }
         sleep '50ms' local before = s.buffer.pauses up:disable() sleep '30ms' up:enable() sleep '19ms'
         print(before, s.buffer.pauses, s.buffer.used_bytes <= 50000)
         local drops = 0 for _, link in ipairs(net.links) do drops = drops + link.stats.backward.drops.queue end print(drops)",
    );
    assert_eq!(out, ["1\t2\ttrue", "0"]);
}

#[test]
fn go_back_n_with_its_own_timer_pays_two_frames_more_for_each_loss() {
    // 10,000 frames and more: the share lost alone varies by 1 %.
    for (loss, seed) in [(0.01, 1), (0.05, 2), (0.1, 3), (0.2, 4)] {
        let text = format!(
            "experiment {{ seed = {seed}, duration = '40s' }}
             local a, b = net:host 'a', net:host 'b'
             net:link(a, b, {{ rate = '10Mbps', delay = '6ms', framing = 'ip', forward = {{ loss = {loss} }}, arq = {{ 'gbn', window = 32 }} }})
             local flow = a:cbr {{ to = b, rate = '9.99Mbps', size = 1472 }}
             at_end(function() record {{ share = flow.bytes_delivered * 8 / 40 / 1e7 * 1502 / 1472 }} end)"
        );
        let share = column(&result_of(&common::script(&text)), "share");
        let a = 6.0 / 1.2016;
        let formula = (1.0 - loss) / (1.0 + (2.0 * a + 2.0) * loss);
        assert!((share / formula - 1.0).abs() < 0.03, "{loss}: {share} for {formula}");
    }
}
