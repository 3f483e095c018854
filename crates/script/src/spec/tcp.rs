//! Options of TCP: of hosts, sockets and everything that opens connections.

use super::{Kind, Opt};

/// What a timer of the transport can be set to.
const DURATION: Kind = Kind::Duration(1_000, 3_600_000_000);
/// The same, from a millisecond to a hundred days, or false for never.
const PATIENCE: Kind = Kind::Patience(1_000, 8_640_000_000_000);

/// Options of TCP. The names are those of the transport's own settings.
pub(crate) const TCP: &[Opt] = &[
    Opt::new(
        "profile",
        Kind::Choice(&["linux", "rfc"]),
        "\"linux\"",
        "whose constants and rules are followed where they differ",
    ),
    Opt::new("cc", Kind::Text, "\"cubic\"", "congestion control: tahoe reno cubic bbr bbr3 dctcp vegas westwood hybla illinois htcp scalable highspeed bic veno yeah ledbat").or(&["congestion"]),
    Opt::new("mss", Kind::Int(64, 65495), "1460", "largest segment, in bytes of data; links' MTU permitting"),
    Opt::new("advmss", Kind::Int(64, 65495), "mss", "largest segment asked of the peer, where that is less"),
    Opt::new("sack", Kind::Bool, "true", "selective acknowledgments"),
    Opt::new("dsack", Kind::Bool, "true", "what arrives twice is reported"),
    Opt::new("timestamps", Kind::Bool, "true", "timestamps"),
    Opt::new("window_scale", Kind::Bool, "true", "window scaling"),
    Opt::new("ecn", Kind::Bool, "accepted, not asked for", "explicit congestion notification"),
    Opt::new("abe", Kind::Bool, "false", "a mark shrinks the window less than a loss does (RFC 8511)"),
    Opt::new("init_cwnd", Kind::Int(1, 1000), "10", "initial window, in segments"),
    Opt::new("rto_init", DURATION, "1s", "retransmission timeout before the first measurement"),
    Opt::new("rto_min", DURATION, "200ms", "smallest retransmission timeout"),
    Opt::new("rto_max", DURATION, "120s", "largest retransmission timeout"),
    Opt::new("delayed_ack", Kind::Bool, "true", "acknowledgments may be delayed"),
    Opt::new("delayed_ack_max", DURATION, "200ms", "the longest delay of an acknowledgment"),
    Opt::new("ack_compression", Kind::Bool, "false", "fewer acknowledgments of what arrives out of order, as Linux sends behind slow networks"),
    Opt::new("pacing", Kind::Bool, "as the congestion control says", "spread segments over the round trip"),
    Opt::new("hystart", Kind::Bool, "true", "leave slow start early (cubic)"),
    Opt::new("hystart_train", Kind::Bool, "true", "Linux's HyStart heeds trains of acknowledgments"),
    Opt::new("hystart_delay", Kind::Bool, "true", "Linux's HyStart heeds a growing delay"),
    Opt::new("hystart_plus_plus", Kind::Bool, "false; true with profile \"rfc\"", "HyStart++ (RFC 9406) instead of Linux's HyStart"),
    Opt::new("rack", Kind::Bool, "true", "time-based loss detection"),
    Opt::new("tlp", Kind::Bool, "true", "tail loss probes"),
    Opt::new("frto", Kind::Bool, "true", "detection of spurious timeouts"),
    Opt::new("reordering", Kind::Int(1, 300), "3", "duplicate acknowledgments that mean loss, before disorder has been seen"),
    Opt::new("nodelay", Kind::Bool, "false", "no waiting for full segments (Nagle off)").or(&["tcp-nodelay"]),
    Opt::new("notsent_lowat", Kind::Size, "off", "unsent bytes beyond which the send buffer takes no more"),
    Opt::new("keepalive", PATIENCE, "off", "idle time before the first probe"),
    Opt::new("keepalive_interval", DURATION, "75s", "time between probes"),
    Opt::new("keepalive_probes", Kind::Int(1, 255), "9", "unanswered probes after which the connection is given up"),
    Opt::new("user_timeout", PATIENCE, "off", "give up after so long without an answer"),
    Opt::new("dscp", Kind::Dscp, "0", "class of service asked of queues that tell classes apart"),
    Opt::new("syn_retries", Kind::Int(0, 255), "6", "how often a SYN is sent again, the ones at a constant interval not counted"),
    Opt::new("syn_linear_timeouts", Kind::Int(0, 255), "4", "how often a SYN is sent again at a constant interval before that"),
    Opt::new("synack_retries", Kind::Int(0, 255), "5", "how often a SYN-ACK is sent again"),
    Opt::new("retries", Kind::Int(1, 255), "15", "after how many doublings of the timeout data is given up"),
    Opt::new("slow_start_after_idle", Kind::Bool, "true", "the window shrinks after an idle time"),
    Opt::new("sndbuf", Kind::Size, "grows up to sndbuf_max", "send buffer; at least 4608 bytes, as in Linux"),
    Opt::new("sndbuf_max", Kind::Size, "4MiB", "how far a send buffer grows by itself"),
    Opt::new("rcvbuf", Kind::Size, "grows up to rcvbuf_max", "receive buffer; at least 2304 bytes, as in Linux"),
    Opt::new("rcvbuf_max", Kind::Size, "6MiB", "how far a receive buffer grows by itself"),
    Opt::new("time_wait", Kind::Time, "60s", "how long TIME_WAIT lasts"),
    Opt::new("fin_timeout", Kind::Time, "60s", "how long a closed connection waits for the peer's FIN"),
    Opt::new("rfc1337", Kind::Bool, "false", "a reset does not end TIME_WAIT"),
    Opt::new("challenge_interval", Kind::Time, "500ms", "least time between two answers to segments out of place"),
    Opt::new("offload", Kind::Bool, "false", "segments are handed down several at a time, as to a network card that cuts them up"),
    Opt::new("mtu_probing", Kind::Choice(&["off", "black_hole", "always"]), "\"off\"", "when a larger path MTU is probed for"),
    Opt::new("base_mss", Kind::Int(64, 65495), "1024", "the segment size that probing begins with"),
    Opt::new("timer_slack", Kind::Choice(&["none", "wheel"]), "\"none\"", "\"wheel\": timers expire as late as in a kernel's timer wheel"),
];

/// What can be changed while a connection lives. The rest is settled by its handshake, or before.
pub(crate) const LIVE: &[&str] = &[
    "cc",
    "nodelay",
    "cork",
    "quickack",
    "keepalive",
    "keepalive_interval",
    "keepalive_probes",
    "user_timeout",
    "sndbuf",
    "rcvbuf",
    "notsent_lowat",
    "dscp",
    "delayed_ack",
    "delayed_ack_max",
    "rto_min",
    "rto_max",
    "slow_start_after_idle",
    "pacing",
    "abe",
    "retries",
    "time_wait",
    "fin_timeout",
];

/// What only a living connection has.
pub(crate) const OF_CONNECTIONS: &[Opt] = &[
    Opt::new("cork", Kind::Bool, "false", "hold back segments that are not full, for 200 ms at most"),
    Opt::new(
        "quickack",
        Kind::Bool,
        "as the connection goes",
        "acknowledge at once, until that changes by itself",
    ),
];

/// The options of TCP for services that keep connections open by a time of their own, called `keepalive` too.
pub(crate) const SERVICE_TCP: &[Opt] = &{
    let mut all = [const { Opt::new("", Kind::Any, "", "") }; TCP.len() - 1];
    let (mut from, mut to) = (0, 0);
    while from < TCP.len() {
        let opt = &TCP[from];
        if !is(opt.name, "keepalive") {
            all[to] = Opt {
                name: opt.name,
                kind: opt.kind,
                default: opt.default,
                doc: opt.doc,
                aliases: opt.aliases,
            };
            to += 1;
        }
        from += 1;
    }
    all
};

const fn is(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}
