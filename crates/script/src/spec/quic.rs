//! QUIC.

use super::fields::{Fields, f};
use super::{Func, Kind, Opt, TIMEOUT, func, may, need};

const COMMON: &[Opt] = &[
    Opt::new("cc", Kind::Text, "the host's", "congestion control, one of TCP's"),
    Opt::new("init_cwnd", Kind::Int(1, 1000), "10", "initial window, in packets"),
    Opt::new("stream_window", Kind::Size, "6MiB", "what the peer may send on a stream before it is read"),
    Opt::new("window", Kind::Size, "15MiB", "the same, of all streams together"),
    Opt::new(
        "schedule",
        Kind::Choice(&["turns", "in_order"]),
        "\"turns\"",
        "which stream sends next: a packet of each in turn, or all of the one opened first",
    ),
    Opt::new(
        "max_datagram",
        Kind::Int(1200, 16000),
        "1472",
        "the path is tried for datagrams of this size (RFC 8899)",
    ),
    Opt::new("flow", Kind::Text, "none", "the name of a row in flows.csv of what this end sends"),
    Opt::new(
        "idle",
        Kind::Time,
        "30s",
        "when nothing comes for so long the connection is over, with \"timeout\"; the shorter of what both ends have counts, and 0 is no limit of this end (RFC 9000 section 10.1)",
    ),
];

pub(crate) static LISTEN: Func = func(
    "host:quic_listen",
    "Accepts QUIC connections on a UDP port (RFC 9000); each gets a process that runs fn(conn).",
)
.with(&[need("port", Kind::Port), need("fn", Kind::Function)])
.opts(&[
    COMMON,
    &[
        Opt::new("certificate", Kind::Size, "2500", "what its chain of certificates takes"),
        Opt::new("early", Kind::Bool, "true", "takes data that comes with the first datagram (0-RTT)"),
    ],
])
.gives("true; or nil, error");
pub(crate) static CONNECT: Func = func(
    "host:quic_connect",
    "Opens a QUIC connection: in one round trip; in none when an earlier one has left a ticket.",
)
.with(&[need("to", Kind::Peer), may("port", Kind::Port)])
.opts(&[
    COMMON,
    &[Opt::new(
        "early",
        Kind::Bool,
        "true",
        "uses the ticket of an earlier connection, so that data leaves at once",
    )],
    TIMEOUT,
])
.blocking()
.gives("quic_conn; or nil, error");

static OPEN: Func = func("quic_conn:open", "Opens a stream.").gives("quic_stream; or nil, error");
static ACCEPT: Func = func("quic_conn:accept", "Waits for a stream that the peer opens.")
    .opts(&[TIMEOUT])
    .blocking()
    .gives("quic_stream; or nil, error");
static STREAMS: Func =
    func("quic_conn:streams", "for stream in conn:streams() do: every stream that the peer opens.")
        .gives("iterator");
static CONNECTED: Func = func("quic_conn:connected", "Waits until the handshake is complete.")
    .opts(&[TIMEOUT])
    .blocking()
    .gives("true; or nil, error");
static MIGRATE: Func = func(
    "quic_conn:migrate",
    "The client goes on from another port, as behind a translator that has forgotten it: the connection survives. A server's end has no migrate (RFC 9000 section 9).",
)
.gives("true; or nil, error");
static INFO: Func = func("quic_conn:info", "What the connection knows of its path.")
    .gives("{ cc, cwnd_packets, in_flight, rtt, packets_sent, packets_lost, ptos, datagrams_sent, datagram_size, ticket }");
static CLOSE: Func =
    func("quic_conn:close", "Ends the connection at once.").with(&[may("code", Kind::Int(0, (1 << 62) - 1))]);
static SEND: Func = func("quic_stream:send", "Sends a text; waits while much is under way.")
    .with(&[need("data", Kind::Data)])
    .blocking()
    .gives("number of bytes; or nil, error");
static SEND_BYTES: Func = func("quic_stream:send_bytes", "Sends so many bytes without content.")
    .with(&[need("size", Kind::Size)])
    .gives("number of bytes; or nil, error");
static FINISH: Func = func("quic_stream:finish", "Ends the stream after what was sent.");
static RECV: Func = func("quic_stream:recv", "Waits for what comes next.")
    .with(&[may("most", Kind::Size)])
    .opts(&[TIMEOUT])
    .blocking()
    .gives("text; or nil, \"closed\" at the end, or another error");
static RECV_ALL: Func = func("quic_stream:recv_all", "Everything up to the end of the stream.")
    .opts(&[TIMEOUT])
    .blocking()
    .gives("text; or nil, error");
static DISCARD: Func = func("quic_stream:discard", "Reads up to the end of the stream and keeps nothing.")
    .opts(&[TIMEOUT])
    .blocking()
    .gives("number of bytes; or nil, error");
static DELIVERED: Func =
    func("quic_stream:delivered", "Waits until the peer has acknowledged everything, the end included.")
        .opts(&[TIMEOUT])
        .blocking()
        .gives("true; or nil, error");

pub(crate) const ALL: &[&Func] = &[
    &LISTEN,
    &CONNECT,
    &OPEN,
    &ACCEPT,
    &STREAMS,
    &CONNECTED,
    &MIGRATE,
    &INFO,
    &CLOSE,
    &SEND,
    &SEND_BYTES,
    &FINISH,
    &RECV,
    &RECV_ALL,
    &DISCARD,
    &DELIVERED,
];

/// What can be read off connections.
pub(crate) const FIELDS: Fields = Fields {
    of: "quic_conn",
    doc: "A QUIC connection.",
    all: &[
        f("handshake_s", "s", "how long the handshake took; 0 before it is complete"),
        f("resumed", "true or false", "a ticket spared the certificate"),
        f("early", "true or false", "data that was sent before the handshake was complete was taken"),
        f("host", "host", "whose end it is"),
    ],
};
