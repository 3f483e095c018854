//! Devices in Lua: frames as tables, and what is wrong with them.

mod common;

use common::{printed, script};

const PAIR: &str =
    "local a, d = net:host 'a', net:device('d', { like = 'host' }) net:link(a, d) local p = d.ports[1]\n";

#[test]
fn every_field_can_be_read_and_a_frame_that_is_sent_back_is_the_same() {
    let out = printed(&format!(
        "{PAIR}
         local b = net:host 'b' net:link(d, b)
         d:on_frame(function(port, f)
           local other = port == d.ports[1] and d.ports[2] or d.ports[1]
           if f.udp then print(f.udp.sport > 0, f.udp.dport, f.payload, f.ip.ttl, f.ip.version, f.size, f.eth.type, f.damaged) end
           if f.tcp and f.tcp.flags:find 'S' then print(f.tcp.flags, f.tcp.window) end
           other:send(f)
         end)
         print(d.name, #d.ports, p.number, p.peer.name, p.ip, p.subnet)"
    ));
    assert_eq!(out, ["d\t2\t1\ta\t10.0.0.2\t10.0.0.0/24"]);
    let out = printed(
        "local a, b, d = net:host 'a', net:host 'b', net:device 'd' net:link(a, d) net:link(d, b)
         d:on_frame(function(port, f)
           if f.udp then print(f.udp.dport, f.payload, f.ip.ttl, f.ip.version, f.size, f.eth.type, f.damaged) f.payload = f.payload:upper() end
           if f.tcp and f.tcp.flags:find 'S' then print(f.tcp.flags) end
           d.ports[3 - port.number]:send(f)
         end)
         local u = b:udp(9) a:udp():sendto('hello', b, 9) print(u:recvfrom())
         b:serve(80, function(c) c:send(c:recv_line()) end) local c = a:connect(b, 80) c:send 'x\\n' print(c:recv_all(), c.info.mss)",
    );
    assert_eq!(out[0], "9\thello\t64\t4\t33\t2048\tfalse");
    assert!(out[1].starts_with("HELLO\t10.0.0.1:49152\t"), "{}", out[1]);
    assert_eq!(out[2..], ["S", "S.", "x\t1448"]);
}

#[test]
fn a_frame_that_cannot_be_is_refused_with_its_field() {
    for (frame, part) in [
        ("{}", "a frame needs eth"),
        ("{ eth = 7 }", "frame.eth is a table"),
        ("{ eth = { src = p.mac, dst = 'x' } }", "frame.eth.dst = 'x' is no MAC address"),
        ("{ eth = { src = p.mac, dst = p.mac } }", "carries arp = {...} or ip = {...}"),
        ("{ eth = { src = p.mac } }", "frame.eth.dst is missing"),
        ("{ eth = { src = p.mac, dst = p.mac }, arp = {} }", "frame.arp.op is"),
        ("{ eth = { src = p.mac, dst = p.mac }, arp = { op = 'reply' } }", "frame.arp.sender_mac is missing"),
        ("{ eth = { src = p.mac, dst = p.mac }, ip = { src = '10.0.0.1' } }", "frame.ip.dst is missing"),
        (
            "{ eth = { src = p.mac, dst = p.mac }, ip = { src = '10.0.0.1', dst = 'ten' } }",
            "frame.ip.dst = 'ten'",
        ),
        (
            "{ eth = { src = p.mac, dst = p.mac }, ip = { src = '10.0.0.1', dst = '10.0.0.2', ttl = 300 } }",
            "frame.ip.ttl is out of range",
        ),
        (
            "{ eth = { src = p.mac, dst = p.mac }, ip = { src = '10.0.0.1', dst = '10.0.0.2' }, udp = { dport = -1 } }",
            "frame.udp.dport is out of range",
        ),
        (
            "{ eth = { src = p.mac, dst = p.mac }, ip = { src = '10.0.0.1', dst = '10.0.0.2' }, tcp = { flags = 'Q' } }",
            "flags are S F R",
        ),
        (
            "{ eth = { src = p.mac, dst = '08:00:27:00:00:01' }, ip = { src = '10.0.0.1', dst = '10.0.0.2' } }",
            "an unknown MAC address",
        ),
        (
            "{ eth = { src = p.mac, dst = p.mac }, ip = { src = '10.0.0.1', dst = '250.0.0.2' } }",
            "240.0.0.0/4",
        ),
        (
            "{ eth = { src = p.mac, dst = p.mac }, ip = { src = '10.0.0.1', dst = '10.0.0.2' }, udp = {}, payload = ('x'):rep(2000) }",
            "longer than the link's MTU",
        ),
        ("7", "table"),
    ] {
        let result = common::result_of(&script(&format!("{PAIR} p:send({frame})")));
        let error = result.error.unwrap_or_else(|| panic!("{frame} was sent"));
        assert!(error.message.contains(part), "{frame}: {}", error.message);
    }
}

#[test]
fn an_error_in_a_device_names_its_line_and_ends_the_run() {
    let result = common::result_of(&script(&format!(
        "{PAIR}d:on_frame(function(port, f)\n  print(f.ip.ttl)\nend)\na:ping(p.ip)"
    )));
    let error = result.error.expect("ARP has no ip");
    assert!(error.message.contains("index") && error.to_string().contains(":3"), "{error}");
}

#[test]
fn devices_that_reflect_each_others_frames_end_with_a_message() {
    let error = common::error_of(
        "local d, e, a = net:device 'd', net:device 'e', net:host 'a' net:link(a, d) net:link(d, e)
         d:on_frame(function(_, frame) for _, port in ipairs(d.ports) do port:send(frame) end end)
         e:on_frame(function(port, frame) port:send(frame) end)
         print(a:ping '10.0.0.77')",
    );
    assert!(error.message.contains("has got the same frame 10000 times"), "{}", error.message);
    assert_eq!(error.fault, tidewire_script::Fault::Limit);
}

#[test]
fn nobody_answers_icmp_that_cannot_be_read() {
    for family in ["", "net:ipv6 { prefer = true }"] {
        let out = printed(&format!(
            "{family}
             local a, b, d = net:host 'a', net:host 'b', net:device('d', {{ like = 'switch' }}) net:link(a, d) net:link(d, b)
             local frames = 0
             d:on_frame(function(port, f)
               if f.ip and f.icmp and not (f.icmp.type >= 133 and f.icmp.type <= 137) then f.icmp = nil frames = frames + 1 end
               d.ports[3 - port.number]:send(f)
             end)
             print(a:ping(b)) sleep '1s' print(frames)"
        ));
        assert_eq!(out, ["nil\ttimeout", "1"], "{family}");
    }
}

#[test]
fn many_equal_datagrams_through_a_device_are_no_storm() {
    let out = printed(
        "net:ipv6 { prefer = true }
         local d, a, b = net:device 'd', net:host 'a', net:host 'b' net:link(a, d) net:link(d, b)
         d:on_frame(function(port, frame) for _, other in ipairs(d.ports) do if other ~= port then other:send(frame) end end end)
         local flow = a:cbr { to = b, rate = '8Mbps', size = 100, stop = '1.2s' } sleep '2s'
         print(flow.bytes_delivered)",
    );
    // 12,000 datagrams over IPv6, which differ in nothing but the time at which they were sent.
    assert_eq!(out, ["1200000"]);
}
