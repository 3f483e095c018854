//! `poll` and `epoll`: which sockets are ready for what, and for how long a call waits.

use crate::calls::{Return, Unsupported};
use crate::constants::{number, shown};
use crate::host::Host;
use crate::script::{Arg, CallSpec};
use crate::socket::{Kind, Socket};
use tidewire_l4_transport::State;

const IN: i64 = 0x1;
const OUT: i64 = 0x4;
const ERR: i64 = 0x8;
const HUP: i64 = 0x10;
const NVAL: i64 = 0x20;
const RDNORM: i64 = 0x40;
const WRNORM: i64 = 0x100;
const RDHUP: i64 = 0x2000;
const EDGE: i64 = 1 << 31;
const ONESHOT: i64 = 1 << 30;

/// What a descriptor is ready for, in `poll`'s bits.
fn ready(host: &Host, fd: i32) -> i64 {
    let Some(socket) = host.sockets.get(&fd) else { return NVAL };
    let conn = match socket.kind {
        Kind::Fresh => return OUT | WRNORM | HUP,
        Kind::Epoll => return 0,
        Kind::Listening { .. } => {
            return if host.accept_queue(fd).next().is_some() { IN | RDNORM } else { 0 };
        }
        Kind::Connected { conn } => &host.conns[conn],
    };
    let connection = &conn.connection;
    let state = connection.state();
    let over = state == State::Closed;
    let no_more_in = over || connection.eof() || connection.fin_received() || socket.read_shutdown;
    let no_more_out = !matches!(state, State::SynSent | State::SynReceived) && !state.can_send();
    let mut bits = 0;
    if over || (no_more_in && no_more_out) {
        bits |= HUP;
    }
    if no_more_in {
        bits |= IN | RDNORM | RDHUP;
    }
    if !matches!(state, State::SynSent | State::SynReceived) {
        if connection.readable() > 0 {
            bits |= IN | RDNORM;
        }
        if no_more_out || (conn.backlog == 0 && connection.is_writable()) {
            bits |= OUT | WRNORM;
        }
    }
    if connection.error().is_some() && !conn.error_taken {
        bits |= ERR;
    }
    bits
}

fn field<'a>(fields: &'a [(String, Arg)], name: &str, at: usize) -> Option<&'a Arg> {
    let named = fields.iter().find(|(known, _)| known == name);
    named.or_else(|| fields.get(at).filter(|(name, _)| name.is_empty())).map(|(_, value)| value)
}

/// `poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, timeout)`
pub(crate) fn poll(host: &Host, spec: &CallSpec, last: bool) -> Result<Return, Unsupported> {
    let unknown = || format!("poll({})", spec.args.iter().map(shown).collect::<Vec<_>>().join(", "));
    let [Arg::List(list), _, timeout] = spec.args.as_slice() else { return Err(unknown()) };
    let (mut count, mut differs) = (0, None);
    for one in list {
        let Arg::Struct(fields) = one else { return Err(unknown()) };
        let fd = number(field(fields, "fd", 0).ok_or_else(unknown)?)? as i32;
        let wanted = number(field(fields, "events", 1).ok_or_else(unknown)?)?;
        let found = ready(host, fd) & (wanted | ERR | HUP | NVAL);
        count += i64::from(found != 0);
        if let Some(expected) = field(fields, "revents", 2).filter(|arg| **arg != Arg::Ellipsis)
            && number(expected)? != found
        {
            differs = Some((format!("revents {}", shown(expected)), format!("{found:#x}")));
        }
    }
    if count == 0 && !last && number(timeout)? != 0 {
        return Ok(Return::Blocks);
    }
    Ok(match differs {
        Some((expected, actual)) => Return::Differs(expected, actual),
        None => Return::Value(count),
    })
}

/// `epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4})`
pub(crate) fn epoll_ctl(host: &mut Host, spec: &CallSpec) -> Result<Return, Unsupported> {
    let [set, operation, fd, rest @ ..] = spec.args.as_slice() else { return Err("epoll_ctl".to_owned()) };
    let (set, operation, fd) = (number(set)? as i32, number(operation)?, number(fd)? as i32);
    if !host.sockets.contains_key(&fd) {
        return Ok(Return::Error("EBADF"));
    }
    let events = match rest {
        [Arg::Struct(fields), ..] => field(fields, "events", 0).map(number).transpose()?.unwrap_or(0),
        _ => 0,
    };
    if events & (EDGE | ONESHOT) != 0 {
        return Err("edges of epoll".to_owned());
    }
    let Some(socket) = host.sockets.get_mut(&set).filter(|socket| socket.kind == Kind::Epoll) else {
        return Ok(Return::Error("EINVAL"));
    };
    let had = socket.watched.iter().position(|(known, _)| *known == fd);
    match (operation, had) {
        (1, Some(_)) => return Ok(Return::Error("EEXIST")),
        (1, None) => socket.watched.push((fd, events)),
        (_, None) => return Ok(Return::Error("ENOENT")),
        (2, Some(at)) => drop(socket.watched.remove(at)),
        (3, Some(at)) => socket.watched[at].1 = events,
        _ => return Ok(Return::Error("EINVAL")),
    }
    Ok(Return::Value(0))
}

/// `epoll_wait(5, {events=EPOLLIN, fd=4}, 1, timeout)`
pub(crate) fn epoll_wait(host: &Host, spec: &CallSpec, last: bool) -> Result<Return, Unsupported> {
    let [set, events, most, timeout] = spec.args.as_slice() else { return Err("epoll_wait".to_owned()) };
    let Some(Socket { kind: Kind::Epoll, watched, .. }) = host.sockets.get(&(number(set)? as i32)) else {
        return Ok(Return::Error("EINVAL"));
    };
    let found = watched.iter().filter_map(|(fd, wanted)| {
        let found = ready(host, *fd) & (wanted | ERR | HUP);
        (host.sockets.contains_key(fd) && found != 0).then_some((*fd, found))
    });
    let found: Vec<(i32, i64)> = found.take(number(most)?.max(0) as usize).collect();
    if found.is_empty() && !last && number(timeout)? != 0 {
        return Ok(Return::Blocks);
    }
    let expected = match events {
        Arg::Struct(_) => std::slice::from_ref(events),
        Arg::List(list) => list.as_slice(),
        _ => &[],
    };
    for (one, (fd, bits)) in expected.iter().zip(&found) {
        let Arg::Struct(fields) = one else { continue };
        let wanted =
            field(fields, "events", 0).filter(|arg| **arg != Arg::Ellipsis).map(number).transpose()?;
        let known = field(fields, "fd", 1).filter(|arg| **arg != Arg::Ellipsis).map(number).transpose()?;
        if wanted.is_some_and(|wanted| wanted != *bits) || known.is_some_and(|known| known != i64::from(*fd))
        {
            return Ok(Return::Differs(shown(one), format!("{{events={bits:#x}, fd={fd}}}")));
        }
    }
    Ok(Return::Value(found.len() as i64))
}

/// For how long a call waits, in microseconds, when something ends its patience.
pub(crate) fn patience(host: &Host, spec: &CallSpec) -> Option<i64> {
    let ms = |at: usize| spec.args.get(at).and_then(|arg| number(arg).ok()).filter(|ms| *ms >= 0);
    match spec.name.as_str() {
        "poll" => return ms(2).map(|ms| ms.saturating_mul(1000)),
        "epoll_wait" => return ms(3).map(|ms| ms.saturating_mul(1000)),
        _ => {}
    }
    let socket = host.sockets.get(&i32::try_from(number(spec.args.first()?).ok()?).ok()?)?;
    let reads = matches!(
        spec.name.as_str(),
        "accept" | "accept4" | "read" | "readv" | "recv" | "recvfrom" | "recvmsg"
    );
    if spec.name == "close" {
        return socket.linger.map(|seconds| i64::from(seconds) * 1_000_000);
    }
    let us = if reads { socket.rcvtimeo_us } else { socket.sndtimeo_us };
    (us > 0).then_some(us)
}

/// What a call returns whose patience has ended.
pub(crate) fn given_up(host: &mut Host, spec: &CallSpec, progress: u64) -> Result<Return, Unsupported> {
    match spec.name.as_str() {
        "poll" => poll(host, spec, true),
        "epoll_wait" => epoll_wait(host, spec, true),
        "connect" => Ok(Return::Error("EINPROGRESS")),
        "close" => {
            let fd = spec.args.first().and_then(|fd| number(fd).ok()).unwrap_or(-1);
            host.sockets.remove(&(fd as i32));
            Ok(Return::Value(0))
        }
        _ if progress > 0 => Ok(Return::Value(progress as i64)),
        _ => Ok(Return::Error("EAGAIN")),
    }
}

/// `{tv_sec=1, tv_usec=500000}` in microseconds.
pub(crate) fn timeval(value: &Arg) -> Option<i64> {
    let Arg::Struct(fields) = value else { return None };
    let seconds = number(field(fields, "tv_sec", 0)?).ok()?;
    let us = number(field(fields, "tv_usec", 1)?).ok()?;
    seconds.checked_mul(1_000_000)?.checked_add(us).filter(|us| *us >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constants::constant;

    #[test]
    fn the_bits_are_those_of_the_constants() {
        let pairs =
            [("POLLIN", IN), ("POLLOUT", OUT), ("POLLERR", ERR), ("POLLHUP", HUP), ("POLLNVAL", NVAL)];
        for (name, bit) in pairs.into_iter().chain([("POLLRDHUP", RDHUP), ("EPOLLET", EDGE)]) {
            assert_eq!(constant(name), Some(bit), "{name}");
        }
    }
}
