//! System calls of a script: what they do to the host and what they return.

use crate::constants::{constant, number, shown};
use crate::host::Host;
use crate::readiness;
use crate::script::{Arg, CallSpec};
use crate::socket::{Kind, Socket};
use crate::sockopt;
use tidewire_l4_transport::{State, TcpError};
use tidewire_wire::Payload;

/// What a call returns, or why it does not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Return {
    /// A value.
    Value(i64),
    /// -1 and an error.
    Error(&'static str),
    /// The call waits.
    Blocks,
    /// Something that the call gives differs from the script: expected, actual.
    Differs(String, String),
}

/// Why a call could not be made: what is not supported.
pub(crate) type Unsupported = String;

/// The largest amount of data in one call.
const MAX_BYTES: i64 = 1 << 30;

/// Calls whose first argument is a descriptor.
const ON_DESCRIPTORS: [&str; 23] = [
    "bind",
    "listen",
    "connect",
    "accept",
    "accept4",
    "read",
    "recv",
    "recvfrom",
    "readv",
    "recvmsg",
    "write",
    "send",
    "sendto",
    "writev",
    "sendmsg",
    "shutdown",
    "close",
    "fcntl",
    "ioctl",
    "setsockopt",
    "getsockopt",
    "dup",
    "dup2",
];

/// Makes a call, or asks again whether one that waits is done. `progress` is the data that it has moved before.
pub(crate) fn run(host: &mut Host, spec: &CallSpec, progress: &mut u64) -> Result<Return, Unsupported> {
    let arg = |at: usize| spec.args.get(at).unwrap_or(&Arg::Ellipsis);
    match spec.name.as_str() {
        "socket" => return socket(host, spec),
        "poll" => return readiness::poll(host, spec, false),
        "epoll_create" | "epoll_create1" => return epoll_create(host, spec),
        "epoll_ctl" => return readiness::epoll_ctl(host, spec),
        "epoll_wait" => return readiness::epoll_wait(host, spec, false),
        known if ON_DESCRIPTORS.contains(&known) => {}
        other => return Err(format!("call `{other}`")),
    }
    let fd = i32::try_from(number(arg(0))?).map_err(|_| "descriptor".to_owned())?;
    if !host.sockets.contains_key(&fd) {
        return Ok(Return::Error("EBADF"));
    }
    let moves_data = matches!(spec.name.as_str(), "read" | "recv" | "recvfrom" | "write" | "send" | "sendto");
    if moves_data && is_bad_pointer(arg(1)) && number(arg(2))? > 0 {
        return bad_pointer(host, fd, spec);
    }
    match spec.name.as_str() {
        "bind" => Ok(Return::Value(0)),
        "listen" => listen(host, fd, arg(1)),
        "connect" => Ok(connect(host, fd)),
        "accept" | "accept4" => accept(host, fd, spec),
        "read" | "recv" | "recvfrom" => {
            let flags = if spec.name == "read" { 0 } else { number(arg(3))? };
            receive(host, fd, number(arg(2))?, flags)
        }
        "readv" => receive(host, fd, vector(arg(1))?, 0),
        "write" => transmit(host, fd, number(arg(2))?, 0, progress),
        "send" | "sendto" => transmit(host, fd, number(arg(2))?, number(arg(3))?, progress),
        "writev" => transmit(host, fd, vector(arg(1))?, 0, progress),
        "sendmsg" => transmit(host, fd, message(arg(1))?, number(arg(2))?, progress),
        "recvmsg" => receive(host, fd, message(arg(1))?, number(arg(2))?),
        "shutdown" => Ok(shutdown(host, fd, number(arg(1))?)),
        "close" => Ok(close(host, fd)),
        "fcntl" => fcntl(host, fd, spec),
        "ioctl" => ioctl(host, fd, spec),
        "setsockopt" => sockopt::set(host, fd, arg(1), arg(2), arg(3)),
        "getsockopt" => sockopt::get(host, fd, arg(1), arg(2), arg(3)),
        other => Err(format!("call `{other}`")),
    }
}

/// A buffer that is written as a number is nowhere.
fn is_bad_pointer(arg: &Arg) -> bool {
    matches!(arg, Arg::Int(_)) || matches!(arg, Arg::Name(name) if name == "NULL")
}

/// The address is looked at when there is something to copy.
fn bad_pointer(host: &Host, fd: i32, spec: &CallSpec) -> Result<Return, Unsupported> {
    let Some(conn) = connected(host, fd) else {
        return Err(format!("call `{}` with a bad address", spec.name));
    };
    let connection = &host.conns[conn].connection;
    let reads = matches!(spec.name.as_str(), "read" | "recv" | "recvfrom");
    let ready = if reads { connection.readable() > 0 } else { connection.state().can_send() };
    if ready { Ok(Return::Error("EFAULT")) } else { Err(format!("call `{}` with a bad address", spec.name)) }
}

fn socket(host: &mut Host, spec: &CallSpec) -> Result<Return, Unsupported> {
    let [_, kind, protocol] = spec.args.as_slice() else { return Err("arguments of `socket`".to_owned()) };
    let stream = constant("SOCK_STREAM").unwrap_or(1);
    let kind = number(kind)?;
    if kind & 0xF != stream || !matches!(number(protocol)?, 0 | 6) {
        return Err(format!("socket({})", spec.args.iter().map(shown).collect::<Vec<_>>().join(", ")));
    }
    let fd = fresh_fd(host, spec);
    let mut socket = Socket::new(&host.settings);
    socket.nonblocking = kind & 0o4000 != 0;
    host.sockets.insert(fd, socket);
    Ok(Return::Value(i64::from(fd)))
}

fn epoll_create(host: &mut Host, spec: &CallSpec) -> Result<Return, Unsupported> {
    let fd = fresh_fd(host, spec);
    let mut set = Socket::new(&host.settings);
    set.kind = Kind::Epoll;
    host.sockets.insert(fd, set);
    Ok(Return::Value(i64::from(fd)))
}

/// The number that the script expects, as long as it is free.
fn fresh_fd(host: &Host, spec: &CallSpec) -> i32 {
    let wanted = number(&spec.result).ok().and_then(|fd| i32::try_from(fd).ok()).filter(|fd| *fd >= 0);
    let free = (3..).find(|fd| !host.sockets.contains_key(fd)).unwrap_or(3);
    wanted.filter(|fd| !host.sockets.contains_key(fd)).unwrap_or(free)
}

/// Total length of `[{..., 1000}, {..., 400}]`.
fn vector(arg: &Arg) -> Result<i64, Unsupported> {
    if matches!(arg, Arg::Name(name) if name == "NULL") {
        return Ok(0);
    }
    let Arg::List(parts) = arg else { return Err(format!("vector `{}`", shown(arg))) };
    parts.iter().try_fold(0i64, |sum, part| match part {
        Arg::Struct(fields) if fields.len() == 2 => Ok(sum.saturating_add(number(&fields[1].1)?)),
        other => Err(format!("vector `{}`", shown(other))),
    })
}

/// Length of the data of a message header.
fn message(arg: &Arg) -> Result<i64, Unsupported> {
    let Arg::Struct(fields) = arg else { return Err(format!("message `{}`", shown(arg))) };
    if fields.iter().any(|(name, _)| name == "msg_control") {
        return Err("control messages".to_owned());
    }
    let vectors = fields.iter().find(|(name, _)| name == "msg_iov");
    vector(&vectors.ok_or_else(|| "message without msg_iov".to_owned())?.1)
}

fn listen(host: &mut Host, fd: i32, backlog: &Arg) -> Result<Return, Unsupported> {
    let backlog = number(backlog)?.clamp(0, 65_535) as usize;
    let Some(socket) = host.sockets.get_mut(&fd) else { return Ok(Return::Error("EBADF")) };
    if matches!(socket.kind, Kind::Connected { .. }) {
        return Ok(Return::Error("EINVAL"));
    }
    let fresh = socket.kind == Kind::Fresh;
    socket.kind = Kind::Listening { backlog };
    if fresh {
        host.use_new_port(false);
    }
    Ok(Return::Value(0))
}

fn connect(host: &mut Host, fd: i32) -> Return {
    let socket = &host.sockets[&fd];
    match socket.kind {
        Kind::Listening { .. } => Return::Error("EISCONN"),
        Kind::Epoll => Return::Error("ENOTSOCK"),
        Kind::Fresh => {
            let (config, dscp, nonblocking) =
                (socket.config(&host.settings), socket.dscp(), socket.nonblocking);
            let conn = host.connect(config, dscp);
            if let Some(socket) = host.sockets.get_mut(&fd) {
                socket.kind = Kind::Connected { conn };
            }
            if nonblocking { Return::Error("EINPROGRESS") } else { Return::Blocks }
        }
        Kind::Connected { conn } => {
            let (nonblocking, reported) = (socket.nonblocking, socket.connect_reported);
            match host.conns[conn].connection.state() {
                State::SynSent | State::SynReceived if nonblocking => Return::Error("EALREADY"),
                State::SynSent | State::SynReceived => Return::Blocks,
                State::Closed => match take_error(host, conn) {
                    Some(errno) => Return::Error(errno),
                    None => Return::Error("ECONNABORTED"),
                },
                _ if reported => Return::Error("EISCONN"),
                _ => {
                    if let Some(socket) = host.sockets.get_mut(&fd) {
                        socket.connect_reported = true;
                    }
                    Return::Value(0)
                }
            }
        }
    }
}

fn accept(host: &mut Host, fd: i32, spec: &CallSpec) -> Result<Return, Unsupported> {
    let flags = if spec.name == "accept4" { number(spec.args.get(3).unwrap_or(&Arg::Int(0)))? } else { 0 };
    let listener = &host.sockets[&fd];
    if !matches!(listener.kind, Kind::Listening { .. }) {
        return Ok(Return::Error("EINVAL"));
    }
    let Some(conn) = host.accept_queue(fd).next() else {
        return Ok(if listener.nonblocking { Return::Error("EAGAIN") } else { Return::Blocks });
    };
    let mut socket = listener.clone();
    socket.kind = Kind::Connected { conn };
    socket.nonblocking = flags & 0o4000 != 0;
    socket.connect_reported = true;
    let new_fd = fresh_fd(host, spec);
    host.conns[conn].listener = None;
    host.sockets.insert(new_fd, socket);
    Ok(Return::Value(i64::from(new_fd)))
}

/// The pending error of a connection, which is reported once.
pub(crate) fn take_error(host: &mut Host, conn: usize) -> Option<&'static str> {
    let conn = &mut host.conns[conn];
    if std::mem::replace(&mut conn.error_taken, conn.connection.error().is_some()) {
        return None;
    }
    match conn.connection.error()? {
        TcpError::Refused | TcpError::PortUnreachable => Some("ECONNREFUSED"),
        TcpError::Reset => Some("ECONNRESET"),
        TcpError::TimedOut => Some("ETIMEDOUT"),
        TcpError::BrokenPipe => Some("EPIPE"),
        TcpError::HostUnreachable => Some("EHOSTUNREACH"),
        TcpError::Aborted => None,
    }
}

/// The connection of a socket.
fn connected(host: &Host, fd: i32) -> Option<usize> {
    match host.sockets.get(&fd)?.kind {
        Kind::Connected { conn } => Some(conn),
        _ => None,
    }
}

const PEEK: i64 = 0x2;
const TRUNC: i64 = 0x20;
const DONTWAIT: i64 = 0x40;
const NOSIGNAL: i64 = 0x4000;
const MORE: i64 = 0x8000;
const ZEROCOPY: i64 = 0x400_0000;

fn receive(host: &mut Host, fd: i32, max: i64, flags: i64) -> Result<Return, Unsupported> {
    // Truncating is reading without a place to put it.
    if flags & !(PEEK | TRUNC | DONTWAIT | NOSIGNAL) != 0 {
        return Err(format!("receive flags {flags:#x}"));
    }
    let max = max.clamp(0, MAX_BYTES) as usize;
    let Some(conn) = connected(host, fd) else { return Ok(Return::Error("ENOTCONN")) };
    let (now, nonblocking) = (host.instant(), host.sockets[&fd].nonblocking || flags & DONTWAIT != 0);
    let connection = &mut host.conns[conn].connection;
    if connection.readable() > 0 {
        if flags & PEEK != 0 {
            return Ok(Return::Value(connection.readable().min(max) as i64));
        }
        let mut taken = 0;
        while taken < max
            && let Some(payload) = connection.recv(now, max - taken)
        {
            taken += payload.len();
        }
        host.flush(conn);
        return Ok(Return::Value(taken as i64));
    }
    let (eof, state) = (connection.eof(), connection.state());
    if eof {
        return Ok(Return::Value(0));
    }
    if let Some(errno) = take_error(host, conn) {
        return Ok(Return::Error(errno));
    }
    if state == State::Closed || host.sockets[&fd].read_shutdown {
        return Ok(Return::Value(0));
    }
    Ok(if nonblocking { Return::Error("EAGAIN") } else { Return::Blocks })
}

fn transmit(
    host: &mut Host,
    fd: i32,
    len: i64,
    flags: i64,
    progress: &mut u64,
) -> Result<Return, Unsupported> {
    if flags & !(DONTWAIT | NOSIGNAL | MORE | ZEROCOPY) != 0 {
        return Err(format!("send flags {flags:#x}"));
    }
    let len = len.clamp(0, MAX_BYTES) as u64;
    let Some(conn) = connected(host, fd) else { return Ok(Return::Error("EPIPE")) };
    let (now, nonblocking) = (host.instant(), host.sockets[&fd].nonblocking || flags & DONTWAIT != 0);
    let state = host.conns[conn].connection.state();
    if matches!(state, State::SynSent | State::SynReceived) {
        return Ok(if nonblocking { Return::Error("EAGAIN") } else { Return::Blocks });
    }
    if !state.can_send() {
        return Ok(match take_error(host, conn) {
            Some(errno) if state == State::Closed => Return::Error(errno),
            _ => Return::Error("EPIPE"),
        });
    }
    if *progress > 0 && !host.conns[conn].connection.is_writable() {
        return Ok(Return::Blocks);
    }
    let payload = Payload::Zeros((len - *progress) as u32);
    let connection = &mut host.conns[conn].connection;
    let taken =
        if flags & MORE != 0 { connection.send_more(now, payload) } else { connection.send(now, payload) };
    let taken = taken as u64;
    *progress += taken;
    host.flush(conn);
    if *progress == len {
        return Ok(Return::Value(len as i64));
    }
    Ok(match (nonblocking, *progress) {
        (true, 0) => Return::Error("EAGAIN"),
        (true, some) => Return::Value(some as i64),
        (false, _) => Return::Blocks,
    })
}

/// A call that the script does not let wait has found the send buffer full: the rest follows when there is room.
pub(crate) fn force_write(host: &mut Host, spec: &CallSpec, progress: u64) -> Option<Return> {
    if !matches!(spec.name.as_str(), "write" | "send" | "sendto" | "writev" | "sendmsg") {
        return None;
    }
    let fd = i32::try_from(number(spec.args.first()?).ok()?).ok()?;
    let conn = connected(host, fd)?;
    if !host.conns[conn].connection.state().can_send() {
        return None;
    }
    let want = number(&spec.result).ok().filter(|want| *want as u64 >= progress)?;
    host.conns[conn].backlog += want as u64 - progress;
    host.flush(conn);
    Some(Return::Value(want))
}

fn shutdown(host: &mut Host, fd: i32, how: i64) -> Return {
    let Some(conn) = connected(host, fd) else { return Return::Error("ENOTCONN") };
    let now = host.instant();
    if host.conns[conn].connection.state() == State::Closed {
        return Return::Error("ENOTCONN");
    }
    if !(0..=2).contains(&how) {
        return Return::Error("EINVAL");
    }
    if how != 1
        && let Some(socket) = host.sockets.get_mut(&fd)
    {
        socket.read_shutdown = true;
        host.conns[conn].connection.shutdown_receive(now);
    }
    if how != 0 {
        host.conns[conn].connection.shutdown_send(now);
    }
    host.flush(conn);
    Return::Value(0)
}

fn close(host: &mut Host, fd: i32) -> Return {
    let now = host.instant();
    let Some(socket) = host.sockets.remove(&fd) else { return Return::Error("EBADF") };
    match socket.kind {
        Kind::Fresh | Kind::Epoll => {}
        Kind::Listening { .. } => {
            for at in 0..host.conns.len() {
                if host.conns[at].listener == Some(fd) {
                    host.conns[at].connection.abort(now);
                    host.flush(at);
                }
            }
        }
        Kind::Connected { conn } => {
            if socket.linger == Some(0) {
                host.conns[conn].connection.abort(now);
            } else {
                host.conns[conn].connection.close(now);
            }
            host.flush(conn);
            let state = host.conns[conn].connection.state();
            if socket.linger.is_some() && matches!(state, State::FinWait1 | State::Closing | State::LastAck) {
                host.sockets.insert(fd, socket);
                return Return::Blocks;
            }
        }
    }
    Return::Value(0)
}

fn fcntl(host: &mut Host, fd: i32, spec: &CallSpec) -> Result<Return, Unsupported> {
    let Some(socket) = host.sockets.get_mut(&fd) else { return Ok(Return::Error("EBADF")) };
    match spec.args.get(1) {
        Some(Arg::Name(name)) if name == "F_GETFL" => {
            Ok(Return::Value(if socket.nonblocking { 0o4002 } else { 0o2 }))
        }
        Some(Arg::Name(name)) if name == "F_SETFL" => {
            socket.nonblocking = number(spec.args.get(2).unwrap_or(&Arg::Int(0)))? & 0o4000 != 0;
            Ok(Return::Value(0))
        }
        other => Err(format!("fcntl {}", shown(other.unwrap_or(&Arg::Ellipsis)))),
    }
}

fn ioctl(host: &mut Host, fd: i32, spec: &CallSpec) -> Result<Return, Unsupported> {
    let request = shown(spec.args.get(1).unwrap_or(&Arg::Ellipsis));
    let Some(conn) = connected(host, fd) else { return Ok(Return::Error("EINVAL")) };
    let connection = &host.conns[conn].connection;
    let actual = match request.as_str() {
        "SIOCINQ" | "FIONREAD" => connection.readable() as u64,
        "SIOCOUTQ" | "TIOCOUTQ" => connection.outstanding() + host.conns[conn].backlog,
        "SIOCOUTQNSD" => connection.unsent() + host.conns[conn].backlog,
        _ => return Err(format!("ioctl {request}")),
    };
    match spec.args.get(2) {
        None | Some(Arg::Ellipsis) => Ok(Return::Value(0)),
        Some(expected) if number(expected)? == actual as i64 => Ok(Return::Value(0)),
        Some(expected) => Ok(Return::Differs(shown(expected), format!("[{actual}]"))),
    }
}
