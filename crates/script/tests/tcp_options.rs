//! Options of TCP do what they say, when a socket is made and while it lives.

mod common;

use common::{error_of, printed};

/// Two hosts at 10 Mbit/s and 10 ms; what arrives at port 80 is thrown away.
fn pair(code: &str) -> Vec<String> {
    printed(&format!(
        "local a, b = net:host 'a', net:host 'b'
         local link = net:link(a, b, {{ rate = '10Mbps', delay = '10ms' }})
         b:serve(80, function(c) c:discard() end)
         {code}"
    ))
}

#[test]
fn a_cork_holds_small_segments_back() {
    let code = "local s = a:connect(b, 80)
        s:setoption('cork', true)
        s:send(('x'):rep(100)) s:send(('y'):rep(100)) sleep '50ms'
        print(s.info.data_segs_out)
        s:setoption('cork', false) sleep '50ms'
        print(s.info.data_segs_out)
        s:setoption('cork', true) s:send 'z' sleep '300ms'
        print(s.info.data_segs_out)";
    assert_eq!(pair(code), ["0", "1", "2"], "the last after 200 ms, cork or not");
}

#[test]
fn what_has_more_to_come_waits_for_it() {
    let code = "local s = a:connect(b, 80, { nodelay = true })
        s:send('a', { more = true }) sleep '50ms'
        print(s.info.data_segs_out)
        s:send 'b' sleep '50ms'
        print(s.info.data_segs_out)
        s:send 'c' s:send 'd' sleep '50ms'
        print(s.info.data_segs_out)";
    assert_eq!(pair(code), ["0", "1", "3"]);
}

#[test]
fn nagle_waits_for_an_acknowledgment_until_it_is_switched_off() {
    let code = "local s = a:connect(b, 80)
        s:send 'a' s:send 'b' sleep '5ms'
        print(s.info.data_segs_out)
        s:setoption('tcp-nodelay', true) sleep '5ms'
        print(s.info.data_segs_out)";
    assert_eq!(pair(code), ["1", "2"]);
}

#[test]
fn another_congestion_control_takes_over() {
    let code = "local s = a:connect(b, 80, { cc = 'reno' })
        s:send_bytes '100kB'
        print(s.info.cc, s:setoption('cc', 'bbr'))
        s:send_bytes '100kB'
        print(s.info.cc)";
    assert_eq!(pair(code), ["reno\ttrue", "bbr"]);
}

#[test]
fn keepalive_ends_a_wait_for_a_peer_that_is_gone() {
    let code =
        "local s = a:connect(b, 80, { keepalive = '1s', keepalive_interval = '500ms', keepalive_probes = 2 })
        link:disable()
        local t = now()
        local data, err = s:recv()
        print(data, err, math.floor((now() - t) * 10 + 0.5) / 10)";
    assert_eq!(pair(code), ["nil\ttimeout\t2.0"], "idle 1 s, two probes of 0.5 s");
    let still = format!(
        "{}\nlocal s = a:connect(b, 80, {{ keepalive = '1s' }})\ns:recv()",
        "local a, b = net:host 'a', net:host 'b' net:link(a, b) b:serve(80, function(c) c:recv() end)"
    );
    assert!(error_of(&still).message.contains("deadlock"), "a peer that answers probes and says nothing");
}

#[test]
fn keepalive_can_be_switched_on_and_off() {
    let code = "local s = a:connect(b, 80)
        s:setoption('keepalive', '1s') s:setoption('keepalive_interval', '1s') s:setoption('keepalive_probes', 1)
        s:setoption('keepalive', false)
        link:disable() sleep '10s'
        print(s.state)
        s:setoption('keepalive', '1s') s:setoption('keepalive_interval', '1s') s:setoption('keepalive_probes', 1)
        sleep '10s'
        print(s.state)";
    assert_eq!(pair(code), ["ESTABLISHED", "CLOSED"]);
}

#[test]
fn a_sender_gives_up_as_it_is_told() {
    let took = |option: &str| {
        let code = format!(
            "local s = a:connect(b, 80, {{ {option} }})
             link:disable() local t = now()
             s:send 'x'
             local _, err = s:recv()
             print(err, math.floor((now() - t) * 10 + 0.5) / 10)"
        );
        pair(&code).remove(0)
    };
    // As in Linux, the time counts from the first retransmission, a quarter of a second after the data.
    assert_eq!(took("user_timeout = '3s'"), "timeout\t3.5");
    let few = took("retries = 3");
    let more = took("retries = 5");
    let seconds = |text: &str| text.split('\t').nth(1).unwrap().parse::<f64>().unwrap();
    assert!(seconds(&more) > 2.5 * seconds(&few), "{few} {more}");
}

#[test]
fn handshakes_are_repeated_as_often_as_told() {
    let took = |option: &str| {
        let code = format!(
            "a:ping(b) link:disable() local t = now()
             local s, err = a:connect(b, 80, {{ {option} }})
             print(err, math.floor((now() - t) * 10 + 0.5) / 10)"
        );
        pair(&code).remove(0)
    };
    assert_eq!(took("syn_retries = 1, syn_linear_timeouts = 0"), "timeout\t3.0");
    assert_eq!(took("syn_retries = 2, syn_linear_timeouts = 0"), "timeout\t7.0");
    assert_eq!(took("syn_retries = 1, rto_init = '3s', syn_linear_timeouts = 0"), "timeout\t9.0");
    assert_eq!(took("syn_retries = 1, syn_linear_timeouts = 3"), "timeout\t6.0", "1, 1, 1, 1, 2 s");
    assert_eq!(took("syn_retries = 0, syn_linear_timeouts = 0"), "timeout\t1.0");
}

#[test]
fn time_wait_and_fin_wait_last_as_long_as_told() {
    let code = "local s = a:connect(b, 80, { time_wait = '2s' })
        s:close() sleep '1s' print(s.state) sleep '2s' print(s.state)
        b:serve(81, function(c) sleep '100s' end)
        local t = a:connect(b, 81, { fin_timeout = '3s' })
        t:close() sleep '2s' print(t.state) sleep '2s' print(t.state)";
    assert_eq!(pair(code), ["TIME_WAIT", "CLOSED", "FIN_WAIT_2", "CLOSED"]);
}

#[test]
fn duplicates_are_reported_unless_told_otherwise() {
    let reported = |dsack: bool| {
        let code = format!(
            "local a, b = net:host 'a', net:host('b', {{ tcp = {{ dsack = {dsack} }} }})
             net:link(a, b, {{ rate = '10Mbps', delay = '10ms', duplicate = '10%' }})
             local f = a:bulk {{ to = b, size = '1MB' }}
             f:wait()
             print(f.info.dsack_dups)"
        );
        printed(&code).remove(0).parse::<u64>().unwrap()
    };
    assert!(reported(true) > 20);
    assert_eq!(reported(false), 0);
}

#[test]
fn a_mark_costs_less_with_the_alternative_backoff() {
    let goodput = |abe: bool| {
        let code = format!(
            "local a, b = net:host 'a', net:host 'b'
             net:link(a, b, {{ rate = '10Mbps', delay = '20ms', queue = {{ 'droptail', limit = '100pkt', ce_threshold = '5pkt' }} }})
             local f = a:bulk {{ to = b, cc = 'reno', ecn = true, abe = {abe} }}
             sleep '30s'
             print(f.goodput_mbps)
             f:stop()"
        );
        printed(&code).remove(0).parse::<f64>().unwrap()
    };
    let (halved, milder) = (goodput(false), goodput(true));
    assert!(milder > 1.03 * halved, "{halved} {milder}");
}

#[test]
fn disorder_is_suffered_as_far_as_told() {
    let retransmitted = |reordering: u32| {
        let code = format!(
            "local a, b = net:host 'a', net:host 'b'
             net:link(a, b, {{ rate = '10Mbps', delay = '20ms', jitter = {{ 'uniform', '19ms', keep_order = false }} }})
             local f = a:bulk {{ to = b, size = '2MB', rack = false, tlp = false, dsack = false, timestamps = false, reordering = {reordering} }}
             f:wait()
             print(f.retransmits)"
        );
        printed(&code).remove(0).parse::<u64>().unwrap()
    };
    let (soon, late) = (retransmitted(3), retransmitted(100));
    assert!(soon > 0 && late == 0, "{soon} {late}");
}

#[test]
fn segments_grow_when_the_path_is_probed() {
    let code = "local s = a:connect(b, 80, { mtu_probing = 'always', base_mss = 600 })
        print(s.info.mss < 620)
        s:send_bytes '2MB' sleep '3s'
        print(s.info.mss)";
    assert_eq!(pair(code), ["true", "1441"]);
}

#[test]
fn a_timer_wheel_is_late() {
    let code = "a:ping(b) link:disable()
        for _, slack in ipairs { 'none', 'wheel' } do
          local t = now()
          a:connect(b, 80, { syn_retries = 0, syn_linear_timeouts = 0, timer_slack = slack })
          print(slack, now() - t > 1.001 and now() - t <= 1.126)
        end";
    assert_eq!(pair(code), ["none\tfalse", "wheel\ttrue"]);
}

#[test]
fn what_cannot_be_set_is_said() {
    let pair = "local a, b = net:host 'a', net:host 'b' net:link(a, b) b:serve(80, function() end)\n";
    for (code, expected) in [
        ("a:connect(b, 80):setoption('sack', false)", "'sack' cannot change once the connection is opened"),
        ("a:tcp():setoption('cork', true)", "'cork' belongs to a connection: call connect() first"),
        ("a:tcp():setoption('nodley', true)", "did you mean 'nodelay'?"),
        ("a:tcp { rto_min = '2s', rto_max = '1s' }", "rto_min (2s) is longer than rto_max (1s)"),
        ("a:tcp { keepalive = 0 }", "must be false, or a time from 1ms"),
        ("a:tcp { rto_min = '2h' }", "must be a time from 1ms to 3600s"),
        ("a:tcp { keepalive_probes = 0 }", "whole number from 1 to 255"),
    ] {
        let error = error_of(&format!("{pair}{code}"));
        assert!(error.message.contains(expected), "{code}: {error}");
        assert_eq!(error.place.as_ref().map(|place| place.line), Some(2), "{code}: {error}");
    }
}
