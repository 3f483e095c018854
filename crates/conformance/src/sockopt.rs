//! Socket options.

use crate::calls::{Return, Unsupported, take_error};
use crate::constants::{constant, errno_name, number, shown};
use crate::host::Host;
use crate::script::Arg;
use crate::socket::Kind;
use tidewire_l4_transport::congestion::CcKind;
use tidewire_units::Span;

/// The largest buffers that an application may ask for.
const MAX_BUFFER: i64 = 1 << 30;

/// `setsockopt`
pub(crate) fn set(
    host: &mut Host,
    fd: i32,
    level: &Arg,
    name: &Arg,
    value: &Arg,
) -> Result<Return, Unsupported> {
    let (level, name) = (shown(level), shown(name));
    let unknown = || format!("setsockopt {level} {name} {}", shown(value));
    let Some(socket) = host.sockets.get_mut(&fd) else { return Ok(Return::Error("EBADF")) };
    if name == "TCP_CONGESTION" {
        let text = text(value).ok_or_else(unknown)?;
        socket.cc = CcKind::from_name(&text).ok_or_else(|| format!("congestion control `{text}`"))?;
        if let Kind::Connected { conn } = socket.kind {
            let cc = socket.cc.clone();
            let now = host.instant();
            host.conns[conn].connection.set_congestion(now, cc);
        }
        return Ok(Return::Value(0));
    }
    if name == "SO_LINGER" {
        let (on, seconds) = linger(value).ok_or_else(unknown)?;
        socket.linger = (on != 0).then_some(seconds);
        return Ok(Return::Value(0));
    }
    if let "SO_RCVTIMEO" | "SO_SNDTIMEO" = name.as_str() {
        let us = crate::readiness::timeval(value).ok_or_else(unknown)?;
        let of = if name == "SO_RCVTIMEO" { &mut socket.rcvtimeo_us } else { &mut socket.sndtimeo_us };
        *of = us;
        return Ok(Return::Value(0));
    }
    let number = number(value).map_err(|_| unknown())?;
    let on = number != 0;
    let positive = u32::try_from(number).ok();
    match name.as_str() {
        "SO_REUSEADDR"
        | "SO_REUSEPORT"
        | "SO_PRIORITY"
        | "SO_MARK"
        | "SO_ZEROCOPY"
        | "IP_RECVERR"
        | "IPV6_V6ONLY"
        | "SO_INCOMING_CPU"
        | "SO_BUSY_POLL"
        | "SO_OOBINLINE"
        | "SO_DONTROUTE"
        | "SO_DEBUG"
        | "IP_FREEBIND"
        | "IP_TRANSPARENT"
        | "IP_RECVTOS"
        | "IP_RECVTTL"
        | "IP_BIND_ADDRESS_NO_PORT"
        | "IPV6_RECVERR"
        | "TCP_SAVE_SYN"
        | "TCP_THIN_DUPACK" => return Ok(Return::Value(0)),
        "SO_RCVLOWAT" if number <= 1 => return Ok(Return::Value(0)),
        "TCP_THIN_LINEAR_TIMEOUTS" | "TCP_DEFER_ACCEPT" if !on => return Ok(Return::Value(0)),
        "TCP_QUICKACK" => {
            if let Kind::Connected { conn } = socket.kind {
                let now = host.instant();
                host.conns[conn].connection.set_quickack(now, on);
                host.flush(conn);
            }
            return Ok(Return::Value(0));
        }
        "TCP_NOTSENT_LOWAT" => {
            socket.notsent_lowat = (number > 0 && number < i64::from(u32::MAX)).then_some(number as u64);
        }
        "TCP_RTO_MIN_US" => socket.rto_min = Some(Span::from_us(u64::from(positive.ok_or_else(unknown)?))),
        "TCP_RTO_MAX_MS" => match number {
            1_000..=120_000 => socket.rto_max = Some(Span::from_ms(number as u64)),
            _ => return Ok(Return::Error("EINVAL")),
        },
        "TCP_DELACK_MAX_US" => {
            socket.delayed_ack_max = Some(Span::from_us(u64::from(positive.ok_or_else(unknown)?)));
        }
        "SO_SNDBUF" | "SO_SNDBUFFORCE" => socket.sndbuf = Some(number.clamp(0, MAX_BUFFER) as u32),
        "SO_RCVBUF" | "SO_RCVBUFFORCE" => socket.rcvbuf = Some(number.clamp(0, MAX_BUFFER) as u32),
        "SO_KEEPALIVE" => socket.keepalive = on,
        "TCP_KEEPIDLE" => {
            socket.keepalive_times.idle = Span::from_secs(u64::from(positive.ok_or_else(unknown)?))
        }
        "TCP_KEEPINTVL" => {
            socket.keepalive_times.interval = Span::from_secs(u64::from(positive.ok_or_else(unknown)?));
        }
        "TCP_KEEPCNT" => socket.keepalive_times.probes = positive.ok_or_else(unknown)?,
        "TCP_NODELAY" => {
            socket.nodelay = on;
            if on {
                push_corked(host, fd);
            } else {
                host.socket_changed(fd);
            }
            return Ok(Return::Value(0));
        }
        "TCP_USER_TIMEOUT" => socket.user_timeout_ms = positive.ok_or_else(unknown)?,
        "TCP_SYNCNT" => socket.syn_retries = Some(positive.ok_or_else(unknown)?),
        "TCP_LINGER2" if number > 0 => socket.fin_timeout = Some(Span::from_secs(number as u64)),
        "TCP_MAXSEG" => match number {
            0 => socket.maxseg = None,
            88..=32_767 => socket.maxseg = Some(number as u16),
            _ => return Ok(Return::Error("EINVAL")),
        },
        "TCP_CORK" => {
            socket.cork = on;
            if let Kind::Connected { conn } = socket.kind {
                let now = host.instant();
                host.conns[conn].connection.set_cork(now, on);
                host.flush(conn);
            }
            return Ok(Return::Value(0));
        }
        // The two bits of ECN are not the application's.
        "IP_TOS" | "IPV6_TCLASS" => socket.tos = number.clamp(0, 255) as u8 & 0xFC,
        "IP_MTU_DISCOVER" | "IPV6_MTU_DISCOVER" => socket.mtu_discover = number,
        _ => return Err(unknown()),
    }
    host.socket_changed(fd);
    Ok(Return::Value(0))
}

/// Switching Nagle's algorithm off sends what is queued, cork or not.
fn push_corked(host: &mut Host, fd: i32) {
    host.socket_changed(fd);
    let Some(socket) = host.sockets.get(&fd) else { return };
    let (Kind::Connected { conn }, true) = (socket.kind, socket.cork) else { return };
    let now = host.instant();
    host.conns[conn].connection.set_cork(now, false);
    host.flush(conn);
    host.conns[conn].connection.set_cork(now, true);
    host.flush(conn);
}

fn text(value: &Arg) -> Option<String> {
    match value {
        Arg::Text(text) => Some(text.clone()),
        Arg::List(list) if list.len() == 1 => text(&list[0]),
        _ => None,
    }
}

/// `{onoff=1, linger=0}`
fn linger(value: &Arg) -> Option<(i64, u32)> {
    let Arg::Struct(fields) = value else { return None };
    let [(_, on), (_, seconds)] = fields.as_slice() else { return None };
    Some((number(on).ok()?, u32::try_from(number(seconds).ok()?).ok()?))
}

/// `getsockopt`: compares the value with the script's.
pub(crate) fn get(
    host: &mut Host,
    fd: i32,
    level: &Arg,
    name: &Arg,
    expected: &Arg,
) -> Result<Return, Unsupported> {
    let name = shown(name);
    let socket = host.sockets[&fd].clone();
    let conn = if let Kind::Connected { conn } = socket.kind { Some(conn) } else { None };
    let actual = match name.as_str() {
        "SO_ERROR" => {
            let errno = conn.and_then(|conn| take_error(host, conn));
            errno.and_then(constant).unwrap_or(0)
        }
        "TCP_CONGESTION" => {
            let actual = socket.cc.name().to_owned();
            return Ok(match text(expected) {
                Some(text) if text != actual => Return::Differs(shown(expected), format!("[\"{actual}\"]")),
                _ => Return::Value(0),
            });
        }
        "TCP_MAXSEG" => {
            let now = host.instant();
            let mss = conn.map(|conn| i64::from(host.conns[conn].connection.info(now).snd_mss));
            mss.or(socket.maxseg.map(i64::from)).unwrap_or(536)
        }
        "TCP_NODELAY" => i64::from(socket.nodelay),
        "TCP_CORK" => i64::from(socket.cork),
        "TCP_USER_TIMEOUT" => i64::from(socket.user_timeout_ms),
        "SO_KEEPALIVE" => i64::from(socket.keepalive),
        "SO_TYPE" => 1,
        "SO_PROTOCOL" => 6,
        "SO_ACCEPTCONN" => i64::from(matches!(socket.kind, Kind::Listening { .. })),
        "TCP_QUICKACK" => i64::from(conn.is_none_or(|conn| host.conns[conn].connection.acks_quickly())),
        "TCP_NOTSENT_LOWAT" => socket.notsent_lowat.map_or(0, |bytes| bytes as i64),
        "TCP_RTO_MAX_MS" => (socket.rto_max.unwrap_or(host.settings.config.rto_max).as_us() / 1000) as i64,
        "TCP_SYNCNT" => i64::from(socket.syn_retries.unwrap_or(host.settings.config.syn_retries)),
        "TCP_DEFER_ACCEPT" => 0,
        "TCP_LINGER2" => {
            (socket.fin_timeout.unwrap_or(host.settings.config.fin_timeout).as_us() / 1_000_000) as i64
        }
        "TCP_KEEPIDLE" => (socket.keepalive_times.idle.as_ms() / 1000) as i64,
        "TCP_KEEPINTVL" => (socket.keepalive_times.interval.as_ms() / 1000) as i64,
        "TCP_KEEPCNT" => i64::from(socket.keepalive_times.probes),
        "SO_REUSEADDR" => 1,
        "IP_TOS" => i64::from(socket.tos),
        "IP_MTU_DISCOVER" => socket.mtu_discover,
        "SO_SNDBUF" if socket.sndbuf.is_some() => 2 * i64::from(socket.sndbuf.unwrap_or(0)),
        "SO_RCVBUF" if socket.rcvbuf.is_some() => 2 * i64::from(socket.rcvbuf.unwrap_or(0)),
        "SO_SNDBUF" if conn.is_none() => host.settings.config.sndbuf_init as i64,
        "SO_RCVBUF" if conn.is_none() => host.settings.config.rcvbuf_init as i64,
        _ => return Err(format!("getsockopt {} {name}", shown(level))),
    };
    Ok(match expected {
        Arg::Ellipsis => Return::Value(0),
        _ if number(expected)? == actual => Return::Value(0),
        _ if name == "SO_ERROR" && actual != 0 => {
            Return::Differs(shown(expected), format!("[{}]", errno_name(actual)))
        }
        _ => Return::Differs(shown(expected), format!("[{actual}]")),
    })
}
