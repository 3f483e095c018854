//! What the fuzz targets of services do with their bytes.

use bytes::{Bytes, BytesMut};
use std::net::Ipv4Addr;
use tidewire_l7_application::codec::{Charset, Form, compress, decompress, decrypt, encrypt};
use tidewire_l7_application::dns::{Cache, Data, Kind, Message, Record, Zone};
use tidewire_l7_application::http::{
    Limits, Progress, Reader, Role, Url, decode_percent, head_text, parse_date, parse_query,
};
use tidewire_l7_application::http2::{Decoder, Encoder, FrameHead, Settings, window_increment};
use tidewire_l7_application::lines::{
    Command, LONGEST_COMMAND, ReplyLine, host_port, host_port_text, mailbox, stuff_dots,
};
use tidewire_l7_application::tls::{Certificate, Client, Costs, Server, Session, Version};
use tidewire_l7_application::{broker, postgres, ssh, store, tls};
use tidewire_units::{Instant, Span};
use tidewire_wire::Payload;

/// A message of DNS: what was read can be written and read again, and a zone and a cache take it.
pub fn dns(bytes: &[u8]) {
    let Some(message) = Message::parse(bytes) else { return };
    let short = message.emit_within(512);
    assert!(short.len() <= 512, "{} bytes", short.len());
    let _ = Message::parse(&short).expect("what was written can be read");
    assert_eq!(Message::parse(&message.emit()).as_ref(), Some(&message), "written and read");
    let mut zone = Zone::new("example", 30);
    zone.add(Record { name: "www.example".to_owned(), ttl: 60, data: Data::A(Ipv4Addr::LOCALHOST) });
    let _ = zone.answer(&message).emit();
    let mut cache = Cache::new(4, Span::from_secs(60));
    cache.keep(&message, "", Instant::ZERO);
    assert!(cache.len() <= 4);
    let _ = cache.get("www.example", Kind::A, Instant::ZERO);
}

/// A stream of HTTP/1.1, in pieces: the same messages however it is cut.
pub fn http(bytes: &[u8]) {
    let Some((first, stream)) = bytes.split_first() else { return };
    let role = if first & 1 == 0 { Role::Request } else { Role::Response { to_head: first & 2 != 0 } };
    let limits = Limits { head: 1000, body: 5000 };
    let read = |step: usize| {
        let (mut reader, mut input, mut told) = (Reader::new(role, limits), BytesMut::new(), Vec::new());
        let mut body = 0;
        for piece in stream.chunks(step) {
            input.extend_from_slice(piece);
            loop {
                match reader.read(&mut input) {
                    Ok(Progress::More) => break,
                    Ok(Progress::Head(head)) => told.push(format!("{:?}", head.start)),
                    Ok(Progress::Data(data)) => body += data.len(),
                    Ok(Progress::Done(_)) => {
                        assert!(body as u64 <= limits.body);
                        told.push(body.to_string());
                        body = 0;
                    }
                    Err(why) => {
                        told.push(why.to_string());
                        return told;
                    }
                }
            }
        }
        told
    };
    assert_eq!(read(stream.len().max(1)), read(usize::from(first >> 2).max(1)), "however it is cut");
    let text = String::from_utf8_lossy(stream);
    if let Ok(url) = Url::parse(&text) {
        assert!(url.target.starts_with('/') && !url.host.is_empty());
    }
    let _ = (decode_percent(&text, true), parse_query(&text), parse_date(&text));
    if let Ok(head) = head_text("GET / HTTP/1.1", &[("x", stream)]) {
        assert_eq!(head.iter().filter(|byte| **byte == b'\n').count(), 3, "nobody adds lines to a head");
    }
}

/// Frames and blocks of fields of HTTP/2.
pub fn http2(bytes: &[u8]) {
    let (mut decoder, mut rest) = (Decoder::default(), bytes);
    let mut settings = Settings::default();
    while let Some((head, after)) = rest.split_first_chunk::<9>() {
        let Ok(head) = FrameHead::parse(*head, 16_384) else { break };
        assert_eq!(FrameHead::parse(head.emit(), 16_384), Ok(head));
        let (payload, after) = after.split_at((head.length as usize).min(after.len()));
        rest = after;
        let _ = settings.apply(payload);
        if let Some(step) = payload.first_chunk::<4>() {
            let _ = window_increment(*step);
        }
        let Ok(fields) = decoder.decode(payload, 4096) else { break };
        let raw: Vec<(&[u8], &[u8])> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert!(raw.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= 4096);
        let again = Decoder::default().decode(&Encoder::default().encode(&raw), 4096);
        assert_eq!(again, Ok(fields.clone()), "written and read");
    }
    let _ = Decoder::default().decode(bytes, 1 << 16);
}

fn ends(version: Version) -> (Session, Session) {
    let key = 7;
    let certificate = Certificate {
        subject: "b".to_owned(),
        names: vec!["b".to_owned()],
        issuer: "root".to_owned(),
        from: 0,
        until: 1000,
        key: 9,
        signed_by: key,
        is_authority: false,
        size: 1200,
    };
    let client = Client {
        version,
        name: "b".to_owned(),
        roots: Some(vec![key]),
        ticket: None,
        early: false,
        costs: Costs::default(),
    };
    let server = Server {
        version,
        chain: vec![certificate],
        tickets: true,
        secret: 0,
        early: true,
        costs: Costs::default(),
    };
    (Session::client(client, 1, 10), Session::server(server, 2, 10))
}

/// Bytes as records of TLS, at both ends, before and in a handshake.
pub fn tls_records(bytes: &[u8]) {
    for version in [Version::V12, Version::V13] {
        let (mut client, mut server) = ends(version);
        server.input(Payload::from(bytes.to_vec()));
        let _ = server.plain(1 << 16);
        let (mut other, mut fresh) = ends(version);
        while let Some(payload) = other.output() {
            fresh.input(payload);
        }
        let _ = (fresh.take_work(), fresh.output());
        fresh.input(Payload::from(bytes.to_vec()));
        client.input(Payload::from(bytes.to_vec()));
        for session in [&mut client, &mut server, &mut fresh] {
            assert!(session.failure().is_some() || session.plain(1 << 16).is_none(), "nobody has the key");
        }
    }
    let mut records = tls::Records::default();
    records.push(Payload::Data(Bytes::copy_from_slice(bytes)));
    while let Ok(Some(_)) = records.next_record() {}
    let _ = Certificate::parse(&String::from_utf8_lossy(bytes));
}

/// Lines of FTP.
pub fn ftp(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(command) = Command::parse(line) {
            assert!(
                line.len() <= LONGEST_COMMAND && command.verb.bytes().all(|byte| byte.is_ascii_uppercase())
            );
            if let Some((ip, port)) = host_port(&command.argument) {
                assert_eq!(host_port(&host_port_text(ip, port)), Some((ip, port)));
            }
        }
        if let Some(reply) = ReplyLine::parse(line) {
            assert!((100..600).contains(&reply.code));
        }
    }
}

/// Lines of mail.
pub fn smtp(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(command) = Command::parse(line) else { continue };
        for word in ["FROM", "TO"] {
            if let Some(mailbox) = mailbox(&command.argument, word) {
                assert!(!mailbox.contains(['<', '>', ' ', '\r', '\n']));
            }
        }
    }
    let text = stuff_dots(bytes);
    assert!(!text.starts_with(b".\r\n"), "no line ends the mail");
    assert!(!text.windows(5).any(|five| five == b"\r\n.\r\n"), "no line ends the mail");
}

/// Packets of SSH.
pub fn ssh_packets(bytes: &[u8]) {
    let Some((head, rest)) = bytes.split_first_chunk::<4>() else { return };
    if let Ok(n) = ssh::rest_of(*head) {
        assert!(n < 1 << 20, "{n} bytes are waited for");
    }
    assert!(ssh::open(1, 1, rest).is_err(), "nobody has the key");
    let sealed = ssh::seal(7, 3, rest);
    assert_eq!(ssh::open(7, 3, &sealed[4..]).as_deref(), Ok(rest), "sealed and opened");
}

/// Commands and replies of caches (RESP): the same commands however they are cut.
pub fn resp(bytes: &[u8]) {
    let read = |step: usize| {
        let (mut input, mut told) = (BytesMut::new(), Vec::new());
        for piece in bytes.chunks(step) {
            input.extend_from_slice(piece);
            while let Ok(Some(words)) = store::read_command(&mut input) {
                let mut out = BytesMut::new();
                store::write_command(words.iter().map(|word| &word[..]), &mut out);
                assert_eq!(store::read_command(&mut out), Ok(Some(words.clone())), "written and read");
                told.push(words);
            }
        }
        told
    };
    assert_eq!(read(bytes.len().max(1)), read(1), "however they are cut");
    let mut keys = store::Store::new(store::Limits { bytes: 4096, ..store::Limits::default() });
    for words in read(64) {
        let _ = keys.execute(Instant::ZERO, &words);
        assert!(keys.bytes() <= 4096);
    }
    let mut input = BytesMut::from(bytes);
    while let Ok(Some(_)) = store::read_reply(&mut input) {}
}

/// Commands of queues (beanstalkd).
pub fn beanstalk(bytes: &[u8]) {
    let (mut input, mut queue) = (BytesMut::from(bytes), broker::Broker::new(4, Instant::ZERO));
    let mut n = 0;
    while let Ok(Some(command)) = broker::read_command(&mut input) {
        n += 1;
        queue.handle(Instant::ZERO + Span::from_secs(n), n % 3, command);
        while queue.poll_reply().is_some() {}
    }
    let (ready, reserved, other) = queue.present();
    assert!(ready + reserved + other <= 4, "no more than there is room for");
}

/// Messages of databases (PostgreSQL).
pub fn postgresql(bytes: &[u8]) {
    if let Some((length, _)) = bytes.split_first_chunk::<4>()
        && let Some(rest) = postgres::startup(*length)
    {
        assert_eq!(u32::from_be_bytes(*length), rest + 4);
    }
    let mut left = bytes;
    while let Some((head, after)) = left.split_first_chunk::<5>() {
        let Some((kind, rest)) = postgres::head(*head) else { break };
        let Some((content, next)) = after.split_at_checked(rest as usize) else { break };
        assert_eq!(postgres::message(kind, content), left[..5 + content.len()], "written as it was read");
        left = next;
    }
}

/// Calls of functions on another host: values in MessagePack.
pub fn rpc(bytes: &[u8]) {
    if let Ok(call) = Form::Msgpack.decode(bytes) {
        let again = Form::Msgpack.encode(&call).expect("what was read can be written");
        assert!(Form::Msgpack.decode(&again).is_ok(), "and read");
        for at in 0..again.len().min(32) {
            let _ = Form::Msgpack.decode(&again[..at]);
        }
    }
}

/// Bytes as values, and back.
pub fn codecs(bytes: &[u8]) {
    for form in [Form::Json, Form::Msgpack] {
        if let Ok(value) = form.decode(bytes) {
            let again = form.encode(&value).expect("what was read can be written");
            assert_eq!(form.encode(&form.decode(&again).expect("and read")).as_ref(), Ok(&again));
        }
    }
    assert_eq!(decompress(&compress(bytes)).as_deref(), Ok(bytes));
    let _ = decompress(bytes);
    assert_eq!(decrypt(b"k", &encrypt(b"k", bytes)).as_deref(), Ok(bytes));
    assert!(decrypt(b"k", bytes).is_err());
    for name in ["utf-8", "euc-kr", "utf-16", "shift_jis", "gb18030", "big5", "iso-8859-1"] {
        let set = Charset::named(name).expect("a known name");
        let (text, _) = set.decode(bytes);
        if let Ok(bytes) = set.encode(&text) {
            assert!(!set.decode(&bytes).1, "{name}");
        }
    }
}

/// A name, a body, and examples, so that bytes near them are tried too.
pub type Body = (&'static str, fn(&[u8]), &'static [&'static [u8]]);

/// All of them.
pub const ALL: [Body; 12] = [
    ("dns", dns, &[b"\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0\x03www\x07example\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\0\0\x01"]),
    (
        "http",
        http,
        &[
            b"\x10POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.0\r\n\r\n",
            b"\x11HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
        ],
    ),
    ("http2", http2, &[b"\0\0\x11\x01\x05\0\0\0\x01\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff", b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\xff\xff"]),
    ("tls", tls_records, &[b"\x16\x03\x01\0\x05\x01\0\0\x01\0", b"\x17\x03\x03\0\x10aaaaaaaaaaaaaaaa"]),
    ("ftp", ftp, &[b"PORT 10,0,0,1,195,80\r\nRETR a b\r\n", b"227 passive (10,0,0,1,4,5)\r\n250-a\r\n250 b\r\n"]),
    ("smtp", smtp, &[b"MAIL FROM:<a@b.c> SIZE=5\r\nRCPT TO:<@r:d@e.f>\r\n"]),
    ("ssh", ssh_packets, &[b"\0\0\0\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]),
    (
        "resp",
        resp,
        &[
            b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n",
            b"*2\r\n$-1\r\n:42\r\n+OK\r\n-ERR no\r\n",
        ],
    ),
    ("beanstalk", beanstalk, &[b"put 1 0 60 5\r\nhello\r\nreserve-with-timeout 5\r\ndelete 1\r\nrelease 1 1 0\r\nbury 1 0\r\nstats\r\n"]),
    ("postgres", postgresql, &[b"\0\0\0\x08\0\x03\0\0", b"Q\0\0\0\x06x\0X\0\0\0\x04"]),
    ("rpc", rpc, &[b"\x83\xa2id\xa11\xa4name\xa3add\xa4args\x92\x01\x02", b"\x82\xa2id\xa11\xa2ok\xc2"]),
    ("codecs", codecs, &[b"{\"a\":[1,2.5,null,true,\"x\"],\"b\":{}}", b"\x82\xa1a\x93\x01\xcb\x40\x04\0\0\0\0\0\0\xc0\xa1b\x80"]),
];
