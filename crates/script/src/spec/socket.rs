//! Sockets, TCP and UDP.

use super::{COUNT, Func, Kind, Opt, TIMEOUT, func, may, need};

const MORE: &[Opt] = &[Opt::new(
    "more",
    Kind::Bool,
    "false",
    "more follows at once: the last segment waits for it if it is not full",
)];

pub(crate) static BIND: Func = func("tcp:bind", "Gives the socket its port; 0 picks a free one.")
    .with(&[may("port", Kind::Any), may("second", Kind::Any)])
    .gives("true; or nil, \"in use\"");
pub(crate) static LISTEN: Func = func("tcp:listen", "Makes a bound socket listen.")
    .with(&[may("backlog", COUNT)])
    .gives("true; or nil, error");
pub(crate) static ACCEPT: Func = func("tcp:accept", "Takes the next connection.")
    .opts(&[TIMEOUT])
    .blocking()
    .gives("socket, peer; or nil, error");
pub(crate) static CONNECT: Func = func("tcp:connect", "Connects to a host's port.")
    .with(&[need("to", Kind::Peer), may("port", Kind::Port)])
    .opts(&[TIMEOUT])
    .blocking()
    .gives("true; or nil, error");
pub(crate) static TCP_WATCH: Func = func(
    "tcp:watch",
    "Time series of the socket in series.csv. \"state\" and \"ca_state\" give a row of events.csv at every change.",
)
.with(&[need("metrics", Kind::Texts)])
.opts(&[super::link::WATCH]);
pub(crate) static SEND: Func =
    func("tcp:send", "Sends all of data; waits until the send buffer has taken it.")
        .with(&[need("data", Kind::Data)])
        .opts(&[TIMEOUT, MORE])
        .blocking()
        .gives("bytes; or nil, error");
pub(crate) static SEND_BYTES: Func = func("tcp:send_bytes", "Sends so many synthetic bytes.")
    .with(&[need("size", Kind::Size)])
    .opts(&[TIMEOUT, MORE])
    .blocking()
    .gives("bytes; or nil, error");
pub(crate) static RECV: Func = func("tcp:recv", "Takes what has arrived, 1 to max bytes.")
    .with(&[may("max", Kind::Size)])
    .opts(&[TIMEOUT])
    .blocking()
    .gives("data; or nil, error (\"closed\" at the end of the stream)");
pub(crate) static RECEIVE: Func =
    func("tcp:receive", "As in LuaSocket: \"*l\" a line, \"*a\" everything, n bytes.")
        .with(&[may("pattern", Kind::Any)])
        .opts(&[TIMEOUT])
        .blocking()
        .gives("data; or nil, error, what did arrive");
pub(crate) static RECV_EXACT: Func = func("tcp:recv_exact", "Takes exactly n bytes.")
    .with(&[need("n", Kind::Size)])
    .opts(&[TIMEOUT])
    .blocking()
    .gives("data; or nil, error");
pub(crate) static RECV_LINE: Func = func("tcp:recv_line", "Takes a line, without its end.")
    .opts(&[TIMEOUT])
    .blocking()
    .gives("data; or nil, error");
pub(crate) static RECV_UNTIL: Func =
    func("tcp:recv_until", "Takes everything up to a separator, without it.")
        .with(&[need("separator", Kind::Data)])
        .opts(&[TIMEOUT])
        .blocking()
        .gives("data; or nil, error");
pub(crate) static RECV_ALL: Func = func("tcp:recv_all", "Takes everything up to the end of the stream.")
    .opts(&[TIMEOUT])
    .blocking()
    .gives("data; or nil, error");
pub(crate) static DISCARD: Func =
    func("tcp:discard", "Reads and forgets n bytes, or all up to the end of the stream.")
        .with(&[may("n", Kind::Size)])
        .opts(&[TIMEOUT])
        .blocking()
        .gives("count; or nil, error");
pub(crate) static SETTIMEOUT: Func =
    func("tcp:settimeout", "Limits every later wait at this socket; nil for no limit.")
        .with(&[may("timeout", Kind::Time)]);
pub(crate) static SETOPTION: Func = func(
    "tcp:setoption",
    "Changes an option of TCP. Of a connection that lives: cc nodelay cork quickack keepalive user_timeout sndbuf rcvbuf notsent_lowat and a few more.",
)
.with(&[need("name", Kind::Text), may("value", Kind::Any)])
.gives("true; or nil, error");
pub(crate) static SHUTDOWN: Func =
    func("tcp:shutdown", "Ends the sending direction; what comes can still be read.")
        .with(&[may("how", Kind::Choice(&["send"]))]);
pub(crate) static CLOSE: Func = func("tcp:close", "Closes the socket; what was sent still arrives.");
pub(crate) static ABORT: Func = func("tcp:abort", "Resets the connection.");
pub(crate) static UDP_SENDTO: Func = func("udp:sendto", "Sends a datagram.")
    .with(&[need("data", Kind::Data), need("to", Kind::Peer), may("port", Kind::Port)])
    .gives("bytes; or nil, error");
pub(crate) static UDP_RECVFROM: Func = func("udp:recvfrom", "Takes the next datagram.")
    .opts(&[TIMEOUT])
    .blocking()
    .gives("data, peer, { delay, hops, ttl, ecn, sent_at }; or nil, error");
pub(crate) static UDP_RECEIVEFROM: Func =
    func("udp:receivefrom", "As in LuaSocket: recvfrom with the sender's address and port.")
        .opts(&[TIMEOUT])
        .blocking()
        .gives("data, ip, port; or nil, error");
pub(crate) static UDP_RECEIVE: Func = func("udp:receive", "As in LuaSocket: the same as recv.")
    .opts(&[TIMEOUT])
    .blocking()
    .gives("data; or nil, error");
pub(crate) static UDP_CONNECT: Func = func("udp:connect", "Gives the socket a peer, for send and recv.")
    .with(&[need("to", Kind::Peer), may("port", Kind::Port)])
    .gives("true; or nil, error");
pub(crate) static UDP_SEND: Func = func("udp:send", "Sends a datagram to the socket's peer.")
    .with(&[need("data", Kind::Data)])
    .gives("bytes; or nil, error");
pub(crate) static UDP_RECV: Func =
    func("udp:recv", "Takes the next datagram.").opts(&[TIMEOUT]).blocking().gives("data; or nil, error");
pub(crate) static UDP_SETTIMEOUT: Func =
    func("udp:settimeout", "Limits every later wait at this socket; nil for no limit.")
        .with(&[may("timeout", Kind::Time)]);
pub(crate) static UDP_JOIN: Func =
    func("udp:join", "Listens to a group: what is sent to it on the socket's port arrives here.")
        .with(&[need("group", Kind::Text)])
        .gives("true; or nil, \"in use\" when it listens already");
pub(crate) static UDP_LEAVE: Func = func("udp:leave", "Listens to a group no longer.")
    .with(&[need("group", Kind::Text)])
    .gives("true; or nil, \"closed\" when it did not listen");
pub(crate) static UDP_CLOSE: Func = func("udp:close", "Closes the socket.");

pub(crate) const ALL: &[&Func] = &[
    &BIND,
    &LISTEN,
    &ACCEPT,
    &CONNECT,
    &TCP_WATCH,
    &SEND,
    &SEND_BYTES,
    &RECV,
    &RECEIVE,
    &RECV_EXACT,
    &RECV_LINE,
    &RECV_UNTIL,
    &RECV_ALL,
    &DISCARD,
    &SETTIMEOUT,
    &SETOPTION,
    &SHUTDOWN,
    &CLOSE,
    &ABORT,
    &UDP_SENDTO,
    &UDP_RECVFROM,
    &UDP_RECEIVEFROM,
    &UDP_RECEIVE,
    &UDP_CONNECT,
    &UDP_SEND,
    &UDP_RECV,
    &UDP_SETTIMEOUT,
    &UDP_JOIN,
    &UDP_LEAVE,
    &UDP_CLOSE,
];
