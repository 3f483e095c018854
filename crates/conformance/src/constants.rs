//! Numbers that scripts call by name.

use crate::script::Arg;

/// Linux's values of the names that appear in calls and assertions.
const CONSTANTS: &[(&str, i64)] = &[
    ("AF_INET", 2),
    ("AF_INET6", 10),
    ("PF_INET", 2),
    ("SOCK_STREAM", 1),
    ("SOCK_NONBLOCK", 0o4000),
    ("SOCK_CLOEXEC", 0o2000000),
    ("IPPROTO_TCP", 6),
    ("IPPROTO_IP", 0),
    ("IPPROTO_IPV6", 41),
    ("SOL_SOCKET", 1),
    ("SOL_TCP", 6),
    ("SOL_IP", 0),
    ("SOL_IPV6", 41),
    ("O_RDONLY", 0),
    ("O_WRONLY", 1),
    ("O_RDWR", 2),
    ("O_NONBLOCK", 0o4000),
    ("F_GETFL", 3),
    ("F_SETFL", 4),
    ("SHUT_RD", 0),
    ("SHUT_WR", 1),
    ("SHUT_RDWR", 2),
    ("MSG_OOB", 0x1),
    ("MSG_PEEK", 0x2),
    ("MSG_TRUNC", 0x20),
    ("MSG_DONTWAIT", 0x40),
    ("MSG_EOR", 0x80),
    ("MSG_WAITALL", 0x100),
    ("MSG_NOSIGNAL", 0x4000),
    ("MSG_MORE", 0x8000),
    ("POLLIN", 1),
    ("POLLPRI", 2),
    ("POLLOUT", 4),
    ("POLLERR", 8),
    ("POLLHUP", 16),
    ("POLLNVAL", 32),
    ("POLLRDNORM", 64),
    ("POLLRDBAND", 128),
    ("POLLWRNORM", 256),
    ("POLLWRBAND", 512),
    ("POLLRDHUP", 8192),
    ("EPOLLIN", 1),
    ("EPOLLPRI", 2),
    ("EPOLLOUT", 4),
    ("EPOLLERR", 8),
    ("EPOLLHUP", 16),
    ("EPOLLRDNORM", 64),
    ("EPOLLRDBAND", 128),
    ("EPOLLWRNORM", 256),
    ("EPOLLWRBAND", 512),
    ("EPOLLRDHUP", 8192),
    ("EPOLLONESHOT", 1 << 30),
    ("EPOLLET", 1 << 31),
    ("EPOLL_CTL_ADD", 1),
    ("EPOLL_CTL_DEL", 2),
    ("EPOLL_CTL_MOD", 3),
    ("MSG_ERRQUEUE", 0x2000),
    ("MSG_ZEROCOPY", 0x400_0000),
    ("MSG_FASTOPEN", 0x2000_0000),
    ("ENOENT", 2),
    ("EEXIST", 17),
    ("EMSGSIZE", 90),
    ("ENOTSOCK", 88),
    ("EDESTADDRREQ", 89),
    ("ENOPROTOOPT", 92),
    ("ENETDOWN", 100),
    ("ENOBUFS", 105),
    ("EDOM", 33),
    ("IP_PMTUDISC_DONT", 0),
    ("IP_PMTUDISC_WANT", 1),
    ("IP_PMTUDISC_DO", 2),
    ("IP_PMTUDISC_PROBE", 3),
    ("IPTOS_LOWDELAY", 0x10),
    ("IPTOS_THROUGHPUT", 0x08),
    ("IPTOS_RELIABILITY", 0x04),
    ("IPTOS_MINCOST", 0x02),
    ("SO_SNDBUFFORCE", 32),
    ("TCP_INFINITE_SSTHRESH", 0x7FFF_FFFF),
    ("TCP_CA_Open", 0),
    ("TCP_CA_Disorder", 1),
    ("TCP_CA_CWR", 2),
    ("TCP_CA_Recovery", 3),
    ("TCP_CA_Loss", 4),
    ("TCP_ESTABLISHED", 1),
    ("TCP_SYN_SENT", 2),
    ("TCP_SYN_RECV", 3),
    ("TCP_FIN_WAIT1", 4),
    ("TCP_FIN_WAIT2", 5),
    ("TCP_TIME_WAIT", 6),
    ("TCP_CLOSE", 7),
    ("TCP_CLOSE_WAIT", 8),
    ("TCP_LAST_ACK", 9),
    ("TCP_LISTEN", 10),
    ("TCP_CLOSING", 11),
    ("EPERM", 1),
    ("EINTR", 4),
    ("EBADF", 9),
    ("EAGAIN", 11),
    ("EWOULDBLOCK", 11),
    ("EFAULT", 14),
    ("EINVAL", 22),
    ("EPIPE", 32),
    ("EOPNOTSUPP", 95),
    ("EADDRINUSE", 98),
    ("ENETUNREACH", 101),
    ("ECONNABORTED", 103),
    ("ECONNRESET", 104),
    ("EISCONN", 106),
    ("ENOTCONN", 107),
    ("ETIMEDOUT", 110),
    ("ECONNREFUSED", 111),
    ("EHOSTUNREACH", 113),
    ("EALREADY", 114),
    ("EINPROGRESS", 115),
];

/// The value of a constant.
pub(crate) fn constant(name: &str) -> Option<i64> {
    CONSTANTS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// The name of an error number.
pub(crate) fn errno_name(number: i64) -> &'static str {
    let known = CONSTANTS.iter().find(|(name, value)| name.starts_with('E') && *value == number);
    known.map_or("an error", |(name, _)| name)
}

/// The number that an argument stands for.
///
/// # Errors
/// What is not a known number.
pub(crate) fn number(arg: &Arg) -> Result<i64, String> {
    match arg {
        Arg::Int(value) => Ok(*value),
        Arg::Name(name) => constant(name).ok_or_else(|| format!("constant `{name}`")),
        Arg::Or(parts) => parts.iter().try_fold(0, |all, part| Ok(all | number(part)?)),
        Arg::List(list) if list.len() == 1 => number(&list[0]),
        other => Err(format!("argument `{}`", shown(other))),
    }
}

/// An argument as it is written.
pub(crate) fn shown(arg: &Arg) -> String {
    let all = |args: &[Arg]| args.iter().map(shown).collect::<Vec<_>>().join(", ");
    match arg {
        Arg::Ellipsis => "...".to_owned(),
        Arg::Int(value) => value.to_string(),
        Arg::Name(name) => name.clone(),
        Arg::Or(parts) => parts.iter().map(shown).collect::<Vec<_>>().join("|"),
        Arg::Text(text) => format!("\"{text}\""),
        Arg::List(list) => format!("[{}]", all(list)),
        Arg::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(
                    |(name, value)| {
                        if name.is_empty() { shown(value) } else { format!("{name}={}", shown(value)) }
                    },
                )
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        Arg::Call(name, args) => format!("{name}({})", all(args)),
    }
}
