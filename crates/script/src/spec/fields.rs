//! What can be read off things, and the names that `watch` takes: with [`super::all`], the whole reference.

/// A field or a metric.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its unit, or its type where it is no number.
    pub unit: &'static str,
    /// One line.
    pub doc: &'static str,
}

/// The fields of one kind of thing.
#[derive(Debug)]
pub struct Fields {
    /// What has them: a type (`flow`), a field (`host.stats`) or a function that takes them as names (`flow:watch`).
    pub of: &'static str,
    /// One line.
    pub doc: &'static str,
    /// All of them.
    pub all: &'static [Field],
}

pub(super) const fn f(name: &'static str, unit: &'static str, doc: &'static str) -> Field {
    Field { name, unit, doc }
}

/// Every field there is, by what has it.
pub fn fields() -> &'static [Fields] {
    ALL
}

/// The fields of one thing.
pub(crate) fn of(what: &str) -> &'static [Field] {
    ALL.iter().find(|fields| fields.of == what).map_or(&[], |fields| fields.all)
}

const INFO_DOC: &str = "Fields of Linux's `struct tcp_info`, without `tcpi_` where a name stands in brackets; those that the kernel keeps \
elsewhere have no bracket. Times are in seconds and rates in bit/s, as everywhere in scripts (the kernel has microseconds and bytes/s). \
Also `flow.info`, which is nil before the flow connects and after its connection has ended.";

const STATS: &[Field] = &[
    f("tx_bytes", "bytes", "sent, with all headers"),
    f("tx_packets", "packets", "sent"),
    f("drops", "packets", "by cause: .queue .aqm .loss .corrupted .link_down"),
    f("marked", "packets", "marked with ECN"),
    f("utilization_pct", "%", "share of the time in which it sent, since the end of the warm-up"),
    f("queue_mean_bytes", "bytes", "mean length of the queue over time"),
    f("queue_p95_bytes", "bytes", "length that the queue did not exceed for 95 % of the time"),
    f(
        "queues",
        "list",
        "of drr, prio and fq_codel, for each queue that was used: .queue (of a class, 0 the most important, or of a hash of flows), .flow (the last one there, if declared), .tx_bytes .tx_packets .drops .marked .waiting, .wait_mean .wait_max in s; else empty",
    ),
    f(
        "arq",
        "table",
        "of the end that sends here, on links with arq: .frames .retransmissions .timeouts .acks, .resets, and of what it received: .delivered .duplicates .out_of_order; else nil",
    ),
];

const UDP: &[Field] = &[
    f("port", "port", "of this end"),
    f("local_addr", "peer", "this end"),
    f("peer", "peer", "the other end, after connect(); else nil"),
];

const ALL: &[Fields] = &[
    Fields {
        of: "net",
        doc: "The network.",
        all: &[
            f("nodes", "list", "every node, in order of declaration"),
            f("links", "list", "every link, in order of declaration"),
        ],
    },
    Fields {
        of: "host",
        doc: "A host; also a router.",
        all: &[
            f("name", "text", "its name"),
            f(
                "ip",
                "text",
                "the address of its first interface; of an address translator the outer one; nil while it has none",
            ),
            f("ip6", "text", "its first IPv6 address, if it has one"),
            f("mac", "text", "the hardware address of its first interface"),
            f("ifaces", "list", "its interfaces: { mac, ip, ip6, peer }, the last the name of the neighbour"),
            f("data", "table", "for the script's own use"),
            f("up", "true or false", "whether it runs: see host:crash"),
            f("stats", "table", "see host.stats"),
        ],
    },
    Fields {
        of: "host.stats",
        doc: "Counts of a host or router, over the whole run.",
        all: &[
            f("tx_packets", "packets", "sent, forwarded ones included, each fragment for itself"),
            f("tx_bytes", "bytes", "sent in IP packets of its own; links count the bytes of all"),
            f("rx_packets", "packets", "received, whatever became of them: for itself, forwarded, refused"),
            f("rx_bytes", "bytes", "received in IP packets for itself"),
            f("forwarded", "packets", "passed on for others"),
            f(
                "fragments_made",
                "packets",
                "fragments into which packets were cut that were too long for a link",
            ),
            f("reassembled", "packets", "put together from fragments"),
            f("reassembly_failures", "packets", "of which fragments were missing or overlapped"),
            f("icmp_withheld", "messages", "ICMP errors not sent because of its option icmp"),
            f("cpu_utilization", "0 to 1", "share of its cores that host:work() kept busy"),
            f("memory_used", "bytes", "taken now by host:allocate and by servers"),
            f("memory_peak", "bytes", "most at any time"),
            f("memory_refused", "count", "requests for memory that was not there"),
        ],
    },
    super::traffic::FIELDS,
    super::traffic::PLAYER_FIELDS,
    super::quic::FIELDS,
    super::dns::SERVER_FIELDS,
    super::dns::RESOLVER_FIELDS,
    super::web::SERVER_FIELDS,
    super::web::REQUEST_FIELDS,
    super::web::CLIENT_FIELDS,
    super::web::RESPONSE_FIELDS,
    super::web::LOAD_FIELDS,
    super::web::TCP_PROXY_FIELDS,
    super::applications::FTP_FIELDS,
    super::applications::TELNET_FIELDS,
    super::applications::SSH_FIELDS,
    super::applications::MAIL_FIELDS,
    super::applications::CHAT_FIELDS,
    super::applications::RPC_FIELDS,
    super::applications::TRANSFER_FIELDS,
    super::chain::BALANCER_FIELDS,
    super::chain::CACHE_SERVER_FIELDS,
    super::chain::CACHE_CLIENT_FIELDS,
    super::chain::QUEUE_SERVER_FIELDS,
    super::chain::QUEUE_CLIENT_FIELDS,
    super::chain::QUEUE_WORKERS_FIELDS,
    super::chain::TASK_FIELDS,
    super::chain::DATABASE_SERVER_FIELDS,
    super::chain::DATABASE_CLIENT_FIELDS,
    super::chain::TRACER_FIELDS,
    super::browser::BROWSER_FIELDS,
    super::browser::PAGE_FIELDS,
    super::browser::CACHE_FIELDS,
    super::browser::PLAYBACK_FIELDS,
    super::swarm::FIELDS,
    Fields {
        of: "nat",
        doc: "An address translator; it has everything that a router has.",
        all: &[
            f("outer", "text", "the address that those outside see"),
            f("stats", "table", "see host.stats, and nat.stats"),
        ],
    },
    Fields {
        of: "nat.stats",
        doc: "What an address translator has done, besides what host.stats counts.",
        all: &[
            f("translated_out", "packets", "from inside, with another source"),
            f("translated_in", "packets", "from outside, with another destination"),
            f(
                "hairpinned",
                "packets",
                "from inside to inside by way of the outer address; in both counts before as well",
            ),
            f("mappings_made", "", "since the beginning"),
            f("refused", "packets", "from outside that nobody had asked for"),
            f("ports_exhausted", "packets", "from inside for which no port was free"),
        ],
    },
    Fields {
        of: "switch",
        doc: "A switch.",
        all: &[
            f("up", "true or false", "whether it runs: see switch:crash"),
            f("name", "text", "its name"),
            f(
                "floods",
                "frames",
                "sent out of every port, because their address was not learned or is that of many",
            ),
            f("forwarded", "frames", "sent out of the one port where their address was learned"),
            f(
                "buffer",
                "table",
                "of a switch with a shared buffer: .used_bytes now, .highest_bytes so far, .pauses asked for; else nil",
            ),
        ],
    },
    Fields {
        of: "device",
        doc: "A device of the script's own.",
        all: &[f("name", "text", "its name"), f("ports", "list", "its ports, in the order of its links")],
    },
    Fields {
        of: "port",
        doc: "A port of a device.",
        all: &[
            f("number", "", "counted from 1, in the order of its links"),
            f("mac", "text", "its hardware address"),
            f("ip", "text", "its address, if the device is like a router or a host"),
            f("subnet", "text", "the network on its link"),
            f("peer", "node", "who is at the other end of its link"),
        ],
    },
    Fields {
        of: "hub",
        doc: "A hub.",
        all: &[
            f("name", "text", "its name"),
            f("up", "true or false", "whether it runs: see hub:crash"),
            f("stats", "table", "see hub.stats"),
        ],
    },
    Fields {
        of: "ap",
        doc: "A wireless access point.",
        all: &[
            f("name", "text", "its name"),
            f("up", "true or false", "whether it runs: see ap:crash"),
            f("stats", "table", "see hub.stats; of the radio channel, itself among the stations"),
        ],
    },
    Fields {
        of: "hub.stats",
        doc: "Counts of a hub, of all its stations together, and one by one.",
        all: &[
            f("frames", "frames", "sent whole"),
            f("bytes", "bytes", "of their packets"),
            f("attempts", "", "transmissions begun"),
            f("collisions", "", "transmissions that met another one; a collision of two counts as two"),
            f("late_collisions", "", "of those, noticed later than a slot of 512 bits: the bus is too long"),
            f(
                "undetected",
                "frames",
                "sent whole, but met another one at some station without their sender noticing: the bus is too long",
            ),
            f("excessive", "frames", "given up after 16 attempts"),
            f(
                "utilization_pct",
                "%",
                "share of the time, since the end of the warm-up, in which frames were sent that arrived",
            ),
            f("stations", "table", "the same for each station, by the name of its node"),
        ],
    },
    Fields {
        of: "link",
        doc: "A link.",
        all: &[
            f("name", "text", "its name, such as a-b"),
            f("up", "true or false", "whether it carries anything"),
            f("stats", "table", "{ forward = ..., backward = ... }, see direction.stats"),
        ],
    },
    Fields {
        of: "direction",
        doc: "One direction of a link.",
        all: &[f("name", "text", "such as a-b/forward"), f("stats", "table", "see direction.stats")],
    },
    Fields { of: "direction.stats", doc: "What one direction of a link has done.", all: STATS },
    Fields {
        of: "link:watch",
        doc: "Metrics of links and directions, for series.csv. Rates are means over the interval.",
        all: &[
            f("queue_bytes", "bytes", "waiting; the packet on the wire does not count"),
            f("queue_packets", "packets", "waiting, likewise"),
            f("throughput_mbps", "Mbit/s", "sent, with all headers"),
            f("utilization_pct", "%", "share of the time in which it sent"),
            f("drops_count", "packets", "lost so far, for whatever cause"),
        ],
    },
    Fields {
        of: "flow",
        doc: "A flow of a native application. What is counted was first sent after the warm-up.",
        all: &[
            f("name", "text", "its name"),
            f("state", "text", "waiting, running, ended or failed"),
            f(
                "goodput_mbps",
                "Mbit/s",
                "data received by the application, each byte once; goodput has it in bit/s",
            ),
            f("goodput", "bit/s", "as goodput_mbps"),
            f("throughput_mbps", "Mbit/s", "the same as goodput_mbps"),
            f("throughput", "bit/s", "the same as goodput"),
            f("bytes_offered", "bytes", "given to the network by the application"),
            f("bytes_delivered", "bytes", "received by the other application"),
            f("packets_sent", "packets", "UDP: sent in the measured time; nil for TCP"),
            f("packets_lost", "packets", "UDP: sent and not received; nil for TCP"),
            f("retransmits", "packets", "TCP: sent again; nil for UDP"),
            f("rtos", "", "TCP: retransmission timeouts; nil for UDP"),
            f("fct_s", "s", "flow completion time, of flows with a size or count; nil before"),
            f("fct", "s", "the same as fct_s"),
            f("fct_ms", "ms", "as fct_s"),
            f("jitter_ms", "ms", "UDP: mean difference of the delays of neighbouring packets (RFC 3550)"),
            f("jitter", "s", "as jitter_ms"),
            f("delay", "histogram", "s; from the application's send to the application's receive"),
            f("packet_delay", "histogram", "s; from the first sending of a packet to its arrival"),
            f("rtt", "histogram", "s; round-trip times that TCP measured"),
            f("info", "table", "TCP: see tcp.info"),
            f(
                "mos",
                "1 to 4.5",
                "of host:voice: mean opinion score (ITU-T G.107), 1 when nothing was heard, nil when nothing was sent; of other flows nil",
            ),
            f("r", "0 to 100", "of host:voice: the rating that it follows from, and nil with it"),
            f(
                "voice",
                "table",
                "of host:voice: .mos .r and .loss_pct (nil when nothing was sent) .sent .played .late .lost .burst, .delay from mouth to ear (nil when nothing was played) and .network in s (nil when nothing came), .ie_eff .id",
            ),
        ],
    },
    Fields {
        of: "flow:watch",
        doc: "Metrics of flows, for series.csv. Rates are means over the interval. A name may be given without its unit (srtt, goodput) where only one has it. \
              Variables of congestion controls come with the control's name: see below. A metric that a flow does not have gives no rows.",
        all: &[
            f("cwnd_bytes", "bytes", "congestion window"),
            f("cwnd_packets", "packets", "congestion window"),
            f("ssthresh_bytes", "bytes", "slow-start threshold, once there is one"),
            f("srtt_ms", "ms", "smoothed round-trip time"),
            f("rto_ms", "ms", "retransmission timeout"),
            f("inflight_bytes", "bytes", "sent and neither acknowledged nor thought lost"),
            f("delivery_rate_mbps", "Mbit/s", "latest measurement of TCP's delivery rate"),
            f("pacing_rate_mbps", "Mbit/s", "rate at which segments leave, of flows that are paced"),
            f("goodput_mbps", "Mbit/s", "received in order"),
            f("sent_mbps", "Mbit/s", "sent, retransmissions included"),
            f("received_bytes", "bytes", "received in order so far"),
            f("retransmits_count", "packets", "retransmitted so far"),
        ],
    },
    Fields {
        of: "tcp:watch",
        doc: "Metrics of TCP sockets, for series.csv; also variables of congestion controls, as for flows.",
        all: &[
            f("cwnd_bytes", "bytes", "congestion window"),
            f("cwnd_packets", "packets", "congestion window"),
            f("ssthresh_bytes", "bytes", "slow-start threshold, once there is one"),
            f("srtt_ms", "ms", "smoothed round-trip time"),
            f("rto_ms", "ms", "retransmission timeout"),
            f("inflight_bytes", "bytes", "sent and neither acknowledged nor thought lost"),
            f("delivery_rate_mbps", "Mbit/s", "latest measurement of TCP's delivery rate"),
            f("pacing_rate_mbps", "Mbit/s", "rate at which segments leave, of connections that are paced"),
            f("retransmits_count", "packets", "retransmitted so far"),
        ],
    },
    Fields {
        of: "host:watch",
        doc: "Metrics of hosts and routers, for series.csv. Rates are means over the interval; bytes are those of IP packets.",
        all: &[
            f("sent_mbps", "Mbit/s", "sent by the host itself"),
            f("received_mbps", "Mbit/s", "received for the host itself"),
            f("sent_packets", "packets", "sent by itself so far"),
            f("received_packets", "packets", "received for itself so far"),
            f("forwarded_packets", "packets", "forwarded for others so far"),
            f("sockets_count", "", "sockets that are open"),
        ],
    },
    Fields {
        of: "congestion variables",
        doc: "For flow:watch: the state of the built-in congestion controls.",
        all: CONTROLS,
    },
    Fields {
        of: "tcp",
        doc: "A TCP socket.",
        all: &[
            f("state", "text", "CLOSED, LISTEN, SYN_SENT, SYN_RECEIVED, ESTABLISHED, FIN_WAIT_1 ..."),
            f("peer", "peer", "the other end"),
            f("local_addr", "peer", "this end"),
            f("port", "port", "of this end"),
            f("info", "table", "see tcp.info"),
        ],
    },
    Fields { of: "tcp.info", doc: INFO_DOC, all: INFO },
    Fields { of: "udp", doc: "A UDP socket.", all: UDP },
    Fields {
        of: "peer",
        doc: "An address and a port.",
        all: &[
            f("ip", "text", "address"),
            f("port", "port", "port"),
            f("host", "host", "whose address it is"),
        ],
    },
    Fields {
        of: "process",
        doc: "A process.",
        all: &[f("alive", "true or false", "whether it has not ended"), f("name", "text", "its name")],
    },
    Fields {
        of: "resource",
        doc: "A resource.",
        all: &[f("held", "", "units that are held"), f("waiting", "", "processes in line")],
    },
    Fields { of: "counter", doc: "A counter.", all: &[f("value", "", "its sum")] },
    Fields { of: "gauge", doc: "A gauge.", all: &[f("value", "", "its number")] },
];

const INFO: &[Field] = &[
    f("state", "text", "of the connection [state]"),
    f("cc", "text", "the congestion control"),
    f("ca_state", "text", "of loss recovery: Open, Disorder, CWR, Recovery, Loss [ca_state]"),
    f("retransmits", "", "timeouts of the oldest segment in a row [retransmits]"),
    f("probes", "", "unanswered window or keepalive probes [probes]"),
    f("backoff", "", "doublings of the timer [backoff]"),
    f("timestamps", "true or false", "negotiated [options]"),
    f("sack", "true or false", "negotiated [options]"),
    f("ecn", "true or false", "negotiated [options]"),
    f("snd_wscale", "bits", "shift of the windows that the peer announces [snd_wscale]"),
    f("rcv_wscale", "bits", "shift of the windows that this side announces [rcv_wscale]"),
    f("rto", "s", "retransmission timeout [rto]"),
    f("ato", "s", "current delay of acknowledgments [ato]"),
    f("snd_mss", "bytes", "data in a full segment [snd_mss]"),
    f("mss", "bytes", "the same as snd_mss"),
    f("rcv_mss", "bytes", "estimate of the peer's segments [rcv_mss]"),
    f("advmss", "bytes", "announced to the peer [advmss]"),
    f("unacked", "packets", "sent and not cumulatively acknowledged [unacked]"),
    f("sacked", "packets", "selectively acknowledged [sacked]"),
    f("lost", "packets", "thought lost [lost]"),
    f("retrans", "packets", "retransmitted and not yet acknowledged [retrans]"),
    f("in_flight", "packets", "unacked - sacked - lost + retrans"),
    f("last_data_sent", "s", "time since data was sent [last_data_sent]"),
    f("last_data_recv", "s", "time since data was received [last_data_recv]"),
    f("last_ack_recv", "s", "time since an acknowledgment was received [last_ack_recv]"),
    f("rtt", "s", "smoothed round-trip time [rtt]"),
    f("rttvar", "s", "its mean deviation [rttvar]"),
    f("min_rtt", "s", "smallest round-trip time of the last five minutes [min_rtt]"),
    f("rcv_rtt", "s", "the receiver's estimate of the round-trip time [rcv_rtt]"),
    f("snd_cwnd", "packets", "congestion window [snd_cwnd]"),
    f("cwnd_packets", "packets", "the same as snd_cwnd"),
    f("cwnd_bytes", "bytes", "snd_cwnd x snd_mss"),
    f("snd_ssthresh", "packets", "slow-start threshold; 2147483647 before the first loss [snd_ssthresh]"),
    f("ssthresh_packets", "packets", "the same as snd_ssthresh"),
    f("ssthresh_bytes", "bytes", "snd_ssthresh x snd_mss; nil before the first loss"),
    f("rcv_ssthresh", "bytes", "limit of the window that is announced [rcv_ssthresh]"),
    f("rcv_space", "bytes", "received per round trip, for the receive buffer [rcv_space]"),
    f("snd_wnd", "bytes", "the peer's window [snd_wnd]"),
    f("rcv_wnd", "bytes", "window announced to the peer [rcv_wnd]"),
    f("reordering", "packets", "how far segments were seen to be out of order; at first 3 [reordering]"),
    f("reord_seen", "", "how often reordering was seen [reord_seen]"),
    f("total_retrans", "packets", "retransmitted [total_retrans]"),
    f("total_rto", "", "retransmission timeouts [total_rto]"),
    f("bytes_sent", "bytes", "data sent, retransmissions included [bytes_sent]"),
    f("bytes_retrans", "bytes", "data retransmitted [bytes_retrans]"),
    f("bytes_acked", "bytes", "data acknowledged [bytes_acked]"),
    f("bytes_received", "bytes", "data received in order [bytes_received]"),
    f("notsent_bytes", "bytes", "data in the send buffer that was never sent [notsent_bytes]"),
    f("segs_out", "packets", "sent [segs_out]"),
    f("segs_in", "packets", "received [segs_in]"),
    f("data_segs_out", "packets", "sent with data [data_segs_out]"),
    f("data_segs_in", "packets", "received with data [data_segs_in]"),
    f("delivered", "packets", "known to have arrived [delivered]"),
    f("delivered_ce", "packets", "known to have arrived with a congestion mark [delivered_ce]"),
    f("dsack_dups", "packets", "that the peer said it got twice (D-SACK) [dsack_dups]"),
    f("rcv_ooopack", "packets", "received out of order [rcv_ooopack]"),
    f("pacing_rate", "bit/s", "rate at which segments leave; nil: unlimited [pacing_rate]"),
    f("delivery_rate", "bit/s", "latest measurement [delivery_rate]"),
    f(
        "delivery_rate_app_limited",
        "true or false",
        "the application had too little to send then [delivery_rate_app_limited]",
    ),
    f("busy_time", "s", "with data outstanding [busy_time]"),
    f("rwnd_limited", "s", "of it limited by the peer's window [rwnd_limited]"),
    f("sndbuf_limited", "s", "of it limited by the send buffer [sndbuf_limited]"),
    f(
        "discards",
        "table",
        "segments dropped unprocessed, by cause: .flags .timestamp .sequence .ack .reset .syn",
    ),
];

/// The unit of something watched: a variable of a congestion control has the one in its table, all else has it in its name.
pub(crate) fn unit_of_watched(metric: &str) -> Option<&'static str> {
    match CONTROLS.iter().find(|field| field.name == metric) {
        Some(Field { unit: "" | "0 or 1" | "0 to 1", .. }) => Some("1"),
        Some(field) => Some(field.unit),
        None => tidewire_metrics::unit_of(metric),
    }
}

const CONTROLS: &[Field] = &[
    f("cubic.w_max", "packets", "window before the last reduction"),
    f("cubic.k", "s", "time from the reduction until the curve reaches w_max again"),
    f("cubic.w_est", "packets", "window that Reno would have"),
    f("cubic.cnt", "packets", "acknowledged packets for one packet of growth"),
    f("cubic.delay_min", "s", "smallest round-trip time"),
    f("bbr.mode", "", "0 startup, 1 drain, 2 probe bandwidth, 3 probe RTT"),
    f("bbr.bw", "packets/s", "estimated bandwidth of the bottleneck"),
    f("bbr.min_rtt", "s", "estimated propagation time, both ways"),
    f("bbr.pacing_gain", "", "sending rate / bw"),
    f("bbr.cwnd_gain", "", "window / (bw x min_rtt)"),
    f("bbr.round_count", "", "round trips so far"),
    f("bbr.full_bw_reached", "0 or 1", "startup has filled the pipe"),
    f("bbr.policed", "0 or 1", "a policer limits the flow"),
    f("bbr3.mode", "", "0 startup, 1 drain, 2 down, 3 cruise, 4 refill, 5 up, 6 probe RTT"),
    f("bbr3.bw", "packets/s", "the smaller of max_bw and bw_shortterm"),
    f("bbr3.max_bw", "packets/s", "largest delivery rate of the last two probing cycles"),
    f("bbr3.bw_shortterm", "packets/s", "limit after a loss; infinite without"),
    f("bbr3.min_rtt", "s", "estimated propagation time, both ways"),
    f("bbr3.pacing_gain", "", "sending rate / bw"),
    f("bbr3.cwnd_gain", "", "window / (bw x min_rtt)"),
    f("bbr3.round_count", "", "round trips so far"),
    f("bbr3.full_bw_count", "", "rounds of startup in a row without more bandwidth"),
    f("bbr3.full_bw_reached", "0 or 1", "startup has filled the pipe"),
    f("bbr3.extra_acked", "packets", "acknowledged beyond bw: aggregation"),
    f("bbr3.inflight_longterm", "packets", "limit found by probing; infinite before the first loss"),
    f("bbr3.inflight_shortterm", "packets", "limit after a loss; infinite without"),
    f("dctcp.alpha", "0 to 1", "estimated share of marked packets"),
    f("vegas.diff", "packets", "in the queue"),
    f("vegas.base_rtt", "s", "smallest round-trip time of the connection"),
    f("vegas.min_rtt", "s", "smallest round-trip time of this round"),
    f("veno.diff", "packets", "in the queue"),
    f("veno.base_rtt", "s", "smallest round-trip time of the connection"),
    f("veno.min_rtt", "s", "smallest round-trip time of this round"),
    f("westwood.bw", "bytes/s", "filtered rate of acknowledgments"),
    f("westwood.rtt_min", "s", "smallest round-trip time"),
    f("hybla.rho", "", "round-trip time / 25 ms, at least 1"),
    f("hybla.min_rtt", "s", "smallest smoothed round-trip time"),
    f("illinois.alpha", "packets", "growth per round trip"),
    f("illinois.beta", "0 to 1", "share of the window that a loss takes"),
    f("illinois.base_rtt", "s", "smallest round-trip time"),
    f("illinois.max_rtt", "s", "largest round-trip time"),
    f("htcp.alpha", "packets", "growth per round trip"),
    f("htcp.beta", "0 to 1", "share of the window that a loss leaves"),
    f("htcp.min_rtt", "s", "smallest round-trip time"),
    f("htcp.max_rtt", "s", "largest round-trip time since the last loss"),
    f("htcp.rate_max", "packets/s", "largest rate since the last loss"),
    f("highspeed.a", "packets", "growth per round trip"),
    f("highspeed.b", "0 to 1", "share of the window that a loss takes"),
    f("bic.w_max", "packets", "window before the last reduction"),
    f("bic.cnt", "packets", "acknowledged packets for one packet of growth"),
    f("yeah.queue", "packets", "in the queue"),
    f("yeah.fast", "0 or 1", "grows as Scalable does, not as Reno"),
    f("yeah.reno_count", "packets", "window that Reno would have"),
    f("yeah.base_rtt", "s", "smallest round-trip time of the connection"),
    f("yeah.min_rtt", "s", "smallest round-trip time of this round"),
    f("ledbat.queueing_delay", "s", "one-way delay above the base"),
    f("ledbat.base_delay", "s", "smallest one-way delay of the last minutes, up to the offset of the clocks"),
    f("ledbat.target", "s", "queueing delay that it aims at"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_field_is_documented_once() {
        let mut things = BTreeSet::new();
        for fields in ALL {
            assert!(things.insert(fields.of) && !fields.doc.is_empty(), "{}", fields.of);
            let mut names = BTreeSet::new();
            for field in fields.all {
                assert!(names.insert(field.name) && !field.doc.is_empty(), "{}.{}", fields.of, field.name);
            }
        }
    }

    #[test]
    fn what_can_be_watched_is_what_the_world_measures() {
        use tidewire_world::{FlowId, Watched};
        let names = |what: &str| of(what).iter().map(|field| field.name).collect::<Vec<_>>();
        assert_eq!(names("flow:watch"), Watched::Flow(FlowId(0)).metrics());
        let direction = tidewire_units::DirId::from_index(0);
        assert_eq!(names("link:watch"), Watched::Direction(direction).metrics());
        let node = tidewire_units::NodeId(0);
        assert_eq!(names("host:watch"), Watched::Host(node).metrics());
        assert_eq!(names("tcp:watch"), Watched::Socket(node, tidewire_units::SocketId(0)).metrics());
    }
}
