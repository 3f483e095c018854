//! Options of TCP: of hosts, sockets and everything that opens connections.

use super::{Kind, Opt, WHOLE};

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
    Opt::new("sack", Kind::Bool, "true", "selective acknowledgments"),
    Opt::new("timestamps", Kind::Bool, "true", "timestamps"),
    Opt::new("window_scale", Kind::Bool, "true", "window scaling"),
    Opt::new("ecn", Kind::Bool, "accepted, not asked for", "explicit congestion notification"),
    Opt::new("init_cwnd", Kind::Int(1, 1000), "10", "initial window, in segments"),
    Opt::new("rto_min", Kind::Time, "200ms", "smallest retransmission timeout"),
    Opt::new("rto_max", Kind::Time, "120s", "largest retransmission timeout"),
    Opt::new("delayed_ack", Kind::Bool, "true", "acknowledgments may be delayed"),
    Opt::new("pacing", Kind::Bool, "as the congestion control says", "spread segments over the round trip"),
    Opt::new("hystart", Kind::Bool, "true", "leave slow start early (cubic)"),
    Opt::new("rack", Kind::Bool, "true", "time-based loss detection"),
    Opt::new("tlp", Kind::Bool, "true", "tail loss probes"),
    Opt::new("frto", Kind::Bool, "true", "detection of spurious timeouts"),
    Opt::new("nodelay", Kind::Bool, "false", "no waiting for full segments (Nagle off)"),
    Opt::new("keepalive", Kind::Time, "off", "idle time before the first probe"),
    Opt::new("user_timeout", Kind::Time, "off", "give up after so long without an answer"),
    Opt::new("dscp", Kind::Dscp, "0", "class of service asked of queues that tell classes apart"),
    Opt::new("syn_retries", WHOLE, "6", "how often a SYN is sent again"),
    Opt::new("slow_start_after_idle", Kind::Bool, "true", "the window shrinks after an idle time"),
    Opt::new("sndbuf", Kind::Size, "grows up to 4MiB", "send buffer"),
    Opt::new("rcvbuf", Kind::Size, "grows up to 6MiB", "receive buffer"),
];
