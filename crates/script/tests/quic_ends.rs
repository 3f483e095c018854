//! Who waits for what of a QUIC connection, and what is left of one that is over.

mod common;

use common::{error_of, good, printed, result_of, script};

/// What so many questions on one connection take, all asked at once: events of the run.
fn events_of(questions: u32) -> u64 {
    let result = good(result_of(&script(&format!(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, {{ rate = '20Mbps', delay = '50ms' }})
         b:quic_listen(443, function(conn)
           for s in conn:streams() do spawn(function() s:send(s:recv_all()) s:finish() end) end
         end)
         local conn, all, answered = a:quic_connect(b, 443), {{}}, 0
         for i = 1, {questions} do
           all[i] = spawn(function()
             local s = conn:open()
             s:send('m' .. i) s:finish()
             if s:recv_all() == 'm' .. i then answered = answered + 1 end
           end)
         end
         wait_all(all)
         check(answered == {questions}, 'all of them')
         stop()"
    ))));
    result.events
}

#[test]
fn a_datagram_wakes_only_who_has_something_to_read() {
    // A process here, one there, each begins, waits and goes on; the endpoints look; a datagram carries dozens.
    let few = events_of(100);
    let many = events_of(1000);
    assert!(many < 12 * 1000, "{many} events");
    assert!(many < 10 * few, "{few} and {many} events");
}

#[test]
fn who_waits_for_a_stream_is_woken_when_another_one_has_left() {
    let out = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { delay = '10ms' })
         b:quic_listen(443, function(conn)
           local all = {}
           for i = 1, 3 do
             all[i] = spawn(function()
               local s, why = conn:accept { timeout = i == 1 and '1s' or nil }
               print(i, s and s:recv_all() or why)
             end)
           end
           sleep(2) all[2]:kill()
         end)
         local conn = a:quic_connect(b, 443)
         sleep(3)
         local s = conn:open() s:send 'hello' s:finish() sleep(1) stop()",
    );
    assert_eq!(out, ["1\ttimeout", "3\thello"]);
}

#[test]
fn two_who_read_one_stream_both_see_its_end() {
    let out = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { delay = '10ms' })
         b:quic_listen(443, function(conn)
           local s = conn:accept()
           wait_all { spawn(function() print(s:discard()) end), spawn(function() print(s:discard()) end),
             spawn(function() print(conn:open():delivered { timeout = 0.5 }) end) }
           print(now() < 1)
         end)
         local conn = a:quic_connect(b, 443)
         local s = conn:open() s:send 'hello' s:finish() sleep(1) stop()",
    );
    assert_eq!(out, ["5", "0", "nil\ttimeout", "true"]);
}

#[test]
fn a_clients_socket_goes_when_its_connection_is_over_and_drained() {
    let out = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { rate = '20Mbps', delay = '50ms' })
         b:quic_listen(443, function(conn)
           local s = conn:accept() s:recv_all() s:send 'answer' s:finish() sleep(1) conn:close()
         end)
         local conn = a:quic_connect(b, 443)
         local s = conn:open() s:send 'x' s:finish() sleep(1.05)
         print(#a:sockets(), conn:accept())
         print(now() < 1.4, #a:sockets())
         sleep(2)
         -- What came before the end is still there, and what is known of it.
         print(#a:sockets(), s:recv(3), s:recv_all(), s:delivered())
         print(s:recv(), s:send 'x')
         print(conn:open()) print(conn:connected()) print(conn:migrate())
         print(conn:info().packets_sent > 3, conn.handshake_s > 0.1)
         print(conn:close())
         local none = a:quic_connect('nobody', 443) print(none, #a:sockets())
         stop()",
    );
    let closed = "nil\tclosed";
    assert_eq!(out[..3], ["1\tnil\tclosed", "true\t1", "0\tans\twer\ttrue"]);
    assert_eq!(out[3..], ["nil\tnil\tclosed", closed, closed, closed, "true\ttrue", "", "nil\t0"]);
}

#[test]
fn a_path_that_carries_no_datagram_of_quic_is_named() {
    for (mtu, port) in [(1000, 443), (1227, 443), (1228, 443), (1228, 444)] {
        let result = good(result_of(&script(&format!(
            "local a, r, b = net:host 'a', net:router 'r', net:host 'b'
             net:link(a, r) net:link(r, b, {{ mtu = {mtu}, delay = '10ms' }})
             b:quic_listen(443, print)
             a:quic_connect(b, {port}, {{ timeout = '3s' }})"
        ))));
        let told: Vec<&str> = result.warnings.iter().map(|warning| warning.text.as_str()).collect();
        if mtu == 1228 {
            assert!(told.is_empty(), "{told:?}");
        } else {
            assert!(told[0].contains("the link from r to b carries packets of"), "{told:?}");
            assert_eq!(result.warnings[0].place.as_ref().unwrap().line, 4);
        }
    }
}

#[test]
fn a_server_that_has_forgotten_a_connection_says_so() {
    let out = printed(
        "local a, b = net:host 'a', net:host 'b'
         local link = net:link(a, b, { rate = '20Mbps', delay = '50ms' })
         local function serve()
           assert(b:quic_listen(443, function(conn)
             for s in conn:streams() do
               if s:recv_all() == 'end' then conn:close() else s:send 'ok' s:finish() end
             end
           end))
         end
         local function ask(conn, what)
           local s, begun = conn:open(), now()
           s:send(what) s:finish()
           print(s:recv_all()) print(now() - begun < 0.3)
         end
         serve()
         local first = a:quic_connect(b, 443)
         ask(first, 'x') b:crash() sleep(1) b:boot() serve() ask(first, 'x')
         -- The news of an end is lost, and the server has nothing to say it again.
         local second = a:quic_connect(b, 443, { early = false })
         ask(second, 'x') link:backward():set { loss = '100%' }
         local s = second:open() s:send 'end' s:finish() sleep(4) link:backward():set { loss = 0 }
         print(select(2, second:accept())) print(now() < 15) stop()",
    );
    assert_eq!(out, ["ok", "true", "nil\treset", "true", "ok", "true", "reset", "true"]);
}

#[test]
fn a_ticket_is_there_when_it_has_come() {
    let out = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { delay = '50ms' })
         b:quic_listen(443, function(conn) for s in conn:streams() do s:discard() s:send 'ok' s:finish() end end)
         for _, pause in ipairs { 0, 0.09, 0.11, 0.11 } do
           local conn = assert(a:quic_connect(b, 443))
           local s = conn:open() s:finish()
           if pause > 0 then sleep(pause) end
           conn:connected() print(conn.resumed)
           conn:close() sleep(1)
         end stop()"
    );
    // It leaves the server when the handshake is complete there, and arrives a round trip later than it is at the client.
    assert_eq!(out, ["false", "false", "false", "true"]);
}

#[test]
fn windows_of_nothing_are_refused_where_they_are_asked_for() {
    for (call, name) in
        [("a:quic_connect(b, 443, ", "stream_window"), ("b:quic_listen(443, print, ", "window")]
    {
        let error = error_of(&format!(
            "local a, b = net:host 'a', net:host 'b'
             net:link(a, b)
             {call}{{ {name} = 0 }})"
        ));
        assert!(error.message.contains(&format!("{name} = 0")), "{}", error.message);
        assert_eq!(error.place.unwrap().line, 3);
    }
}

#[test]
fn what_is_sent_after_the_end_is_refused() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { rate = '20Mbps', delay = '50ms' })
         b:quic_listen(443, function(conn)
           for stream in conn:streams() do print('got', #stream:recv_all()) stream:send 'ok' stream:finish() end
         end)
         local conn = a:quic_connect(b, 443, { early = false })
         local stream = conn:open()
         print(stream:send 'hello') stream:finish()
         print(stream:send 'more') print(stream:send_bytes(1000))
         sleep(1)
         print(stream:send 'more') print(stream:recv_all())
         local open = conn:open()
         conn:close()
         print(open:send 'x') print(conn:open()) print(conn:connected())
         stop()",
    );
    let closed = "nil\tclosed";
    assert_eq!(lines, ["5", closed, closed, "got\t5", closed, "ok", closed, closed, closed]);
}

#[test]
fn connections_that_have_ended_are_still_known_beside_others_that_go_on() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         net:link(a, b, { rate = '100Mbps', delay = '1ms' })
         b:quic_listen(443, function(conn)
           for stream in conn:streams() do stream:recv_all() stream:send 'ok' stream:finish() end
           print('over', select(2, conn:accept()), conn:info().packets_sent > 2)
         end, { idle = '2s' })
         local all = {}
         for i = 1, 3 do all[i] = assert(a:quic_connect(b, 443, { early = false })) end
         all[1]:close() sleep(1)
         local function ask(conn)
           local stream, why = conn:open()
           if not stream then return why end
           stream:send 'x'
           stream:finish() return stream:recv_all()
         end
         for round = 1, 2 do print(ask(all[1]), ask(all[2])) sleep(1.5) end
         print(ask(all[3])) sleep(3) print(all[1]:info().packets_sent > 2)",
    );
    // The first was closed, the third silent for 2 s, the second asks on.
    let closed = ["over\tclosed\ttrue", "closed\tok", "over\ttimeout\ttrue", "closed\tok", "timeout"];
    assert_eq!(lines[..5], closed, "{lines:?}");
    assert_eq!(lines[5..], ["over\ttimeout\ttrue", "true"]);
}

#[test]
fn a_timeout_is_of_the_whole_call_and_a_refused_option_takes_no_port() {
    for read in ["recv_all", "discard"] {
        let lines = printed(&format!(
            "local a, b = net:host 'a', net:host 'b'
             net:link(a, b, {{ rate = '20Mbps', delay = '50ms' }})
             b:quic_listen(443, function(conn)
               for s in conn:streams() do for i = 1, 60 do sleep(1) s:send 'a' end s:finish() end
             end)
             local s = a:quic_connect(b, 443):open()
             s:send 'x' s:finish()
             local from = now()
             print(s:{read} {{ timeout = '3.5s' }})
             print(now() - from)
             local first = s:recv(2)
             local rest = s:recv_all()
             print(#first + #rest)
             stop()"
        ));
        // What was not handed over is still there; what was thrown away is not.
        assert_eq!(lines[..2], ["nil\ttimeout", "3.5"], "{read}");
        assert_eq!(lines[2], if read == "recv_all" { "60" } else { "57" }, "{read}");
    }
    let lines = printed(
        "local a = net:host 'a'
         print(pcall(function() return a:quic_listen(443, print, { cc = 'foo' }) end) == false, a:quic_listen(443, print))
         stop()",
    );
    assert_eq!(lines, ["true\ttrue"]);
}
