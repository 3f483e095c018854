//! Applications, sessions and presentation, row by row of the project's checklist; each row has its script.

mod common;

use common::{column, error_of, printed, run_at, shipped, shows};
use tidewire_metrics::Value;

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// Two hosts with a link between them.
const PAIR: &str = "local a, b = net:host 'a', net:host 'b'
    net:link(a, b, { rate = '100Mbps', delay = '5ms' })\n";

#[test]
fn row_44_45_and_78_files_over_two_connections_and_a_command_that_nobody_knows() {
    let result = shows("scripts/files/ftp.lua", &[], 10);
    // HTTP: handshake and page. FTP: handshake, greeting, three commands of the log-in, PASV, the data connection's handshake, RETR
    // and its answer: each waits for the one before.
    assert_eq!(column(&result, "http_connections_count"), 1.0);
    assert_eq!(column(&result, "ftp_connections_count"), 2.0);
    assert_eq!(column(&result, "http_trips_count"), 2.0);
    assert!(column(&result, "ftp_trips_count") >= 8.0);
    assert!(column(&result, "ftp_state_bytes") > column(&result, "http_state_bytes"));
}

#[test]
fn row_78_an_unknown_header_is_ignored() {
    let lines = printed(&format!(
        "{PAIR}b:http_server {{ pages = {{ ['/'] = 'hello' }} }}
         print(a:http_get('http://b/', {{ headers = {{ ['X-Unheard-Of'] = 'yes' }} }}).status)
         b:ftp_server {{ files = {{ ['/x'] = '1kB' }} }}
         local s = a:ftp(b)
         print(s:command 'XYZZY')
         print(s:get('x').size)"
    ));
    assert_eq!(lines, ["200", "500\tunknown command XYZZY", "1000"]);
}

#[test]
fn an_ftp_server_survives_garbage_long_lines_and_silence() {
    let lines = printed(&format!(
        "{PAIR}local server = b:ftp_server {{ files = {{ ['/x'] = '1kB' }}, users = {{ kim = 'secret' }}, timeout = '2s' }}
         local function say(text)
           local c = assert(a:connect(b, 21))
           c:recv_line()
           c:send(text)
           print((c:recv_line {{ timeout = '5s' }}))
           c:close()
         end
         say(('x'):rep(5000) .. '\\r\\n')
         say '\\255\\255\\r\\n'
         say 'RETR /x\\r\\n'
         say 'PASS guess\\r\\n'
         say 'half a comm'
         local s = a:ftp(b, 'kim', 'secret')
         print(s:command 'PORT 1,2,3')
         print(s:command 'RETR nothing')
         print(s:get('x', {{ offset = 2000 }}))
         print(s:get('x', {{ offset = 400 }}).size, s:get('/../../x').size)
         s:quit()
         print(server.faults['line too long'], server.faults['not text'], server.faults.timeout, #server:sessions())"
    ));
    assert_eq!(
        lines,
        [
            "500 line too long",
            "500 not text",
            "530 please log in",
            "503 USER comes first",
            "421 too long without a command",
            "501\tsix numbers are needed",
            "550\tno such file",
            "nil\t554 the file is shorter than that\t554",
            "600\t1000",
            "1\t1\t1\t0"
        ]
    );
}

#[test]
fn row_57_telnet_is_read_on_the_way_and_ssh_is_not() {
    shows("scripts/terminal/telnet_and_ssh.lua", &[], 9);
}

#[test]
fn an_ssh_server_survives_garbage() {
    let lines = printed(&format!(
        "{PAIR}local server = b:ssh_server {{ users = {{ kim = 'secret' }}, timeout = '2s' }}
         for _, junk in ipairs {{ 'GET / HTTP/1.0\\r\\n\\r\\n', 'SSH-2.0-x\\r\\n\\255\\255\\255\\255', ('x'):rep(9999), '' }} do
           local c = assert(a:connect(b, 22))
           c:send(junk)
           print(#(c:recv_all {{ timeout = '5s' }} or ''))
           c:close()
         end
         print(a:ssh(b, 'kim', {{ password = 'secret' }}):run 'echo still here')
         local n = 0
         for _, count in pairs(server.faults) do n = n + count end
         print(n)
         b:serve(99, function(conn) conn:send(('junk'):rep(100)) conn:recv() end)
         print(a:ssh(b, 'kim', {{ port = 99, password = 'x' }}))
         print(a:ssh(b, 'kim', {{ port = 98, password = 'x' }}))"
    ));
    assert!(lines[..4].iter().all(|line| line.parse::<u64>().unwrap() > 500), "{lines:?}");
    assert_eq!(lines[4..], ["still here", "4", "nil\tline too long", "nil\trefused"]);
}

#[test]
fn row_66_a_mail_finds_its_box_by_mx() {
    let result = shows("scripts/mail/mail.lua", &[], 8);
    assert!(column(&result, "mail_ms") > 100.0);
}

#[test]
fn a_mail_server_survives_garbage_long_lines_and_mails_without_end() {
    let lines = printed(&format!(
        "{PAIR}local server = b:mail_server {{ domain = 'b.com', users = {{ 'lee' }}, max_size = '1kB', timeout = '2s' }}
         local function talk(...)
           local c = assert(a:connect(b, 25))
           c:recv_line()
           local said = {{}}
           for i, line in ipairs {{ ... }} do c:send(line .. '\\r\\n') said[i] = (c:recv_line() or 'closed'):sub(1, 3) end
           print(table.concat(said, ' '))
           c:close()
         end
         local from, to = 'MAIL FROM:<a@b>', 'RCPT TO:<lee@b.com>'
         talk('XYZZY', ('y'):rep(2000))
         talk('\\255', to, from, 'HELO a', 'MAIL FROM:a@b', from, 'DATA', 'RCPT TO:<nobody@b.com>', 'RCPT TO:<x@y.z>', to)
         talk('HELO a', from .. ' SIZE=5000', from, to, 'DATA', ('z'):rep(900) .. '\\r\\n' .. ('z'):rep(900) .. '\\r\\n.')
         talk('HELO a', from, to, 'DATA', 'it never ends')
         print(#server:box 'lee', server.faults['line too long'], server.faults.timeout)"
    ));
    assert_eq!(
        lines,
        [
            "500 500",
            "500 503 503 250 501 250 503 550 550 250",
            "250 552 250 250 354 552",
            "250 250 250 354 clo",
            "0\t1\t1"
        ]
    );
}

#[test]
fn row_66_everybody_in_a_room_hears_everybody() {
    let script = shipped("scripts/mail/chat.lua");
    for guests in [2, 10] {
        let result = run_at(&script, &[("guests", Value::Int(guests))]);
        assert_eq!(column(&result, "copies_per_line"), guests as f64 - 1.0);
        assert!(result.checks.iter().all(|check| check.passed));
    }
}

#[test]
fn a_guest_who_does_not_read_is_put_out() {
    let lines = printed(&format!(
        "{PAIR}local room = b:chat_server {{ queue = 50 }}
         local deaf = a:connect(b, 6667, {{ rcvbuf = '4kB' }})
         deaf:send 'NICK deaf\\n'
         sleep '100ms'
         local kim = a:chat(b, 'kim')
         a:spawn(function() while kim:hear() do end end)
         for i = 1, 8000 do if not kim:say(('x'):rep(900)) then break end end
         sleep '5s'
         print(room.faults['does not read'], room.open)
         kim:leave()"
    ));
    assert_eq!(lines, ["1\t1"]);
}

#[test]
fn row_63_a_checkpoint_every_5_mb_saves_45_of_148() {
    let script = shipped("scripts/session/checkpoints.lua");
    for (checkpoint, sent, from) in [("none", 148.0, 0.0), ("5MB", 103.0, 45.0)] {
        let result = run_at(&script, &[("checkpoint", text(checkpoint))]);
        assert!(result.checks.iter().all(|check| check.passed), "{checkpoint}");
        assert_eq!(column(&result, "sent_mb"), sent);
        assert_eq!(column(&result, "resumed_at_mb"), from);
    }
}

#[test]
fn a_transfer_outlives_a_broken_link_and_gives_up_where_nobody_listens() {
    let lines = printed(
        "local a, b = net:host 'a', net:host 'b'
         local link = net:link(a, b, { rate = '80Mbps', delay = '5ms' })
         local server = b:transfer_server { timeout = '3s' }
         at('0.5s', function() link:disable() end)
         at('5s', function() link:enable() end)
         local res = a:transfer(b, 'x', '10MB', { checkpoint = '1MB', timeout = '2s' })
         print(res.size, res.connections > 1, res.resumed_at[1] >= 3000000, server.complete)
         print(a:transfer(b, 'x', '1MB', { port = 7001, tries = 2 }))
         local c = a:connect(b, 7000)
         c:send 'nonsense\\n'
         print(c:recv())
         print(server.faults['bad request'])",
    );
    assert_eq!(lines[0], "10000000\ttrue\ttrue\t1");
    assert!(lines[1].starts_with("nil\trefused\ttable"), "{lines:?}");
    assert_eq!(lines[2..], ["nil\tclosed", "1"]);
}

#[test]
fn row_64_a_question_that_comes_twice_is_done_once() {
    let script = shipped("scripts/session/rpc.lua");
    let at = |semantics: &str, loss: &str| {
        let result = run_at(&script, &[("semantics", text(semantics)), ("loss", text(loss))]);
        result.checks.iter().for_each(|check| assert!(check.passed, "{semantics} {loss}: {}", check.text));
        result
    };
    let once = at("at_most_once", "20%");
    assert_eq!(column(&once, "executions_count"), 50.0);
    assert!(column(&once, "duplicates_count") > 3.0 && column(&once, "resent_count") > 10.0);
    let often = at("at_least_once", "20%");
    assert!(column(&often, "executions_count") > 53.0 && column(&often, "balance_error") > 0.0);
    assert_eq!(column(&at("at_most_once", "0%"), "executions_count"), 50.0);
    assert_eq!(column(&at("at_least_once", "0%"), "executions_count"), 50.0);
}

#[test]
fn garbage_is_no_call() {
    let lines = printed(&format!(
        "{PAIR}local server = b:rpc_server {{ procedures = {{ f = function() return 1 end }} }}
         for _, junk in ipairs {{ 'x', '', ('\\145'):rep(500), '\\129\\162id\\1' }} do a:udp():sendto(junk, b, 111) end
         print(a:rpc(b):call 'f', server.faults['bad call'])
         print(pcall(function() return a:rpc(b):call('f', print) end))"
    ));
    assert_eq!(lines[0], "1\t4");
    assert!(lines[1].contains("a function cannot be written"), "{lines:?}");
}

#[test]
fn row_65_the_object_is_the_same_in_every_form_and_the_bytes_are_not() {
    let script = shipped("scripts/presentation/codecs.lua");
    let bytes = |form: &str| {
        let result = run_at(&script, &[("form", text(form)), ("line", text("1Mbps"))]);
        result.checks.iter().for_each(|check| assert!(check.passed, "{form}: {}", check.text));
        (column(&result, "bytes_on_wire"), column(&result, "cpu_ms"))
    };
    let (json, binary, small) = (bytes("json"), bytes("msgpack"), bytes("json+deflate"));
    assert!(binary.0 < 0.9 * json.0 && small.0 < 0.3 * json.0, "{json:?} {binary:?} {small:?}");
    assert!(binary.1 < json.1 && small.1 > json.1);
    assert_eq!(bytes("json+encrypt").0, json.0 + 16.0);
}

#[test]
fn what_cannot_be_written_or_read_is_said() {
    let lines = printed(
        "print(codec.decode('{\"a\":1', 'json'))
         print(codec.decode('\\193', 'msgpack'))
         print(codec.decode('xx', 'json+deflate'))
         print(codec.encode('\\255', 'json'))
         print(codec.decode((codec.encode({ 1, codec.null, {} })))[2] == codec.null)
         print(codec.decode((codec.encode({ x = 1.5, y = codec.null }, 'msgpack')), 'msgpack').y)
         print(codec.encode(1 / 0))",
    );
    assert!(lines[0].starts_with("nil\tnot JSON: "), "{lines:?}");
    assert_eq!(
        lines[1..],
        [
            "nil\tno value begins with the byte c1",
            "nil\tnot compressed, or cut off",
            "nil\tJSON has no texts that are not UTF-8",
            "true",
            "nil",
            "nil\tJSON has no number inf"
        ]
    );
    for (code, said) in [
        ("codec.encode({}, 'xml')", "'xml' is no form of a value"),
        ("codec.encode({}, 'json+encrypt')", "\"encrypt\" needs a key"),
        ("codec.encode({ print })", "a function cannot be written"),
        ("codec.encode({ 1, a = 2 })", "a table has names or numbers from 1 on, not both"),
        ("local t = {} t.t = t codec.encode(t)", "tables within tables go too deep"),
        ("codec.text('x', 'klingon')", "'klingon' is no character set known here"),
    ] {
        let error = error_of(&format!("local x = 1\n{code}"));
        assert!(error.message.contains(said), "{code}: {error}");
        assert!(error.to_string().contains("exp.lua:2"), "{code}: {error}");
    }
}

#[test]
fn row_71_a_greeting_is_4_bytes_or_6() {
    let result = shows("scripts/presentation/charsets.lua", &[], 5);
    assert_eq!((column(&result, "euc_kr_bytes"), column(&result, "utf8_bytes")), (4.0, 6.0));
}
