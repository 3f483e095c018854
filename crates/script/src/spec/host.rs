//! Hosts and native applications.

use super::{COUNT, Func, Kind, Opt, TIMEOUT, func, may, need, tcp::TCP};

pub(super) const TO: &[Opt] = &[
    Opt::new("to", Kind::Peer, "required", "where to: a host, or address(host, port)"),
    Opt::new("port", Kind::Port, "of its own", "port of the destination"),
    Opt::new("start", Kind::Time, "0", "when it begins"),
    Opt::new("stop", Kind::Time, "never", "when it ends"),
    Opt::new("name", Kind::Text, "made from the two hosts", "its name in results"),
];
const DATAGRAMS: &[Opt] = &[
    Opt::new("rate", Kind::Rate, "required", "payload rate"),
    Opt::new("count", COUNT, "no limit", "datagrams to send in all"),
    Opt::new("dscp", Kind::Dscp, "0", "class of service asked of queues that tell classes apart"),
];
const SIZE: &[Opt] = &[Opt::new("size", Kind::Size, "1000", "payload of each datagram")];

const DONT_FRAGMENT: Opt = Opt::new(
    "dont_fragment",
    Kind::Bool,
    "what fits as far as is known",
    "true: routers must not cut it into fragments; false: they may",
);

pub(crate) static PING: Func = func("host:ping", "Sends echo requests.")
    .with(&[need("to", Kind::Peer)])
    .opts(&[
        &[
            Opt::new("count", COUNT, "1", "how many"),
            Opt::new("size", Kind::Size, "56", "data bytes of each"),
            Opt::new("interval", Kind::Time, "1s", "time between them"),
            Opt::new("ttl", Kind::Int(1, 255), "64", "time to live"),
            DONT_FRAGMENT,
            Opt::new("timestamp", Kind::Bool, "false", "asks for the time there instead (RFC 792): requests without data"),
        ],
        &[Opt::new("timeout", Kind::Time, "1s", "how long to wait for each answer")],
    ])
    .blocking()
    .gives("round-trip time in s, or { min, mean, max, lost, rtts } with a count; or nil, error; with timestamp also { originate, receive, transmit } in ms since midnight");
pub(crate) static TRACEROUTE: Func = func("host:traceroute", "The routers on the way to a destination.")
    .with(&[need("to", Kind::Peer)])
    .opts(&[&[
        Opt::new("max_hops", Kind::Int(1, 255), "30", "how far to look"),
        Opt::new("timeout", Kind::Time, "1s", "how long to wait for each answer"),
    ]])
    .blocking()
    .gives("list of { ip, rtt, name, mark }, printable; mark says that the hop refuses: \"!N\" no route, \"!H\" host does not answer, \"!P\" protocol, \"!F\" too big, \"!X\" prohibited");
pub(crate) static ARP_TABLE: Func =
    func("host:arp_table", "The addresses of neighbours that the host knows.").gives("{ [ip] = mac }");
pub(crate) static ARP_ANNOUNCE: Func = func(
    "host:arp_announce",
    "Tells all neighbours where the host's addresses are (gratuitous ARP, RFC 5227); it does so by itself when it boots.",
);
pub(crate) static ARP_SET: Func = func(
    "host:arp_set",
    "Believes for ever that an address is at this MAC address, whatever ARP packets say: a static entry.",
)
.with(&[need("ip", Kind::Text), need("mac", Kind::Text)]);
pub(crate) static ARP_SEND: Func = func(
    "host:arp_send",
    "Sends an ARP packet that says that an address is here, true or not: to one neighbour, or to all.",
)
.opts(&[&[
    Opt::new("ip", Kind::Text, "required", "the address that is said to be here"),
    Opt::new("mac", Kind::Text, "the host's own", "where it is said to be"),
    Opt::new("to", Kind::Peer, "everybody", "who is told"),
    Opt::new("op", Kind::Choice(&["reply", "request"]), "\"reply\"", "what it is dressed as"),
]]);
pub(crate) static PROXY_ARP: Func = func(
    "host:proxy_arp",
    "Answers ARP requests for those whom the host or router has a route to on another link (RFC 1027), or no longer.",
)
.with(&[may("on", Kind::Bool)]);
pub(crate) static NEIGHBOR_TABLE: Func = func(
    "host:neighbor_table",
    "What the host knows of its neighbours, by ARP and by neighbour discovery (RFC 4861).",
)
.gives("list of { ip, mac, state }, printable");
pub(crate) static PATH_MTUS: Func = func(
    "host:path_mtus",
    "What routers have said about the largest packets on the way to others (RFC 1191, RFC 8201).",
)
.gives("{ [ip] = bytes }, printable");
pub(crate) static WORK: Func =
    func("host:work", "Occupies a processor core of the host; waits for one if all are busy.")
        .with(&[need("time", Kind::Time)])
        .blocking()
        .gives("s that it waited for a core");
pub(crate) static ALLOCATE: Func = func(
    "host:allocate",
    "Takes some of the host's memory, until host:free gives it back or the host crashes.",
)
.with(&[need("size", Kind::Size)])
.gives("true; or nil, \"out of memory\"");
pub(crate) static FREE: Func =
    func("host:free", "Gives memory back that host:allocate took.").with(&[need("size", Kind::Size)]);
pub(crate) static SPAWN: Func = func("host:spawn", "Starts a process on the host.")
    .with(&[need("fn", Kind::Function)])
    .more()
    .gives("process");
pub(crate) static RUN: Func = func(
    "host:run",
    "Starts a program in a file of its own, below the script's folder, as a process of the host: with globals of its own, and host, which is this host.",
)
.with(&[need("file", Kind::Text)])
.more()
.gives("process");
pub(crate) static TCP_SOCKET: Func = func("host:tcp", "Opens a TCP socket.").opts(&[TCP]).gives("socket");
pub(crate) static UDP_SOCKET: Func = func("host:udp", "Opens a UDP socket, on a free port unless given.")
    .with(&[may("port", Kind::Port)])
    .opts(&[&[
        Opt::new("ttl", Kind::Int(1, 255), "64; to groups 1", "how many routers datagrams may pass, and one"),
        Opt::new("dscp", Kind::Dscp, "0", "class of service asked of queues that tell classes apart"),
        DONT_FRAGMENT,
    ]])
    .gives("socket; or nil, error");
pub(crate) static LISTEN: Func = func("host:listen", "Opens a TCP socket that listens on a port.")
    .with(&[need("port", Kind::Port)])
    .opts(&[TCP, &[Opt::new("backlog", COUNT, "128", "connections that may wait to be accepted")]])
    .gives("socket; or nil, error");
pub(crate) static CONNECT: Func = func("host:connect", "Opens a TCP connection.")
    .with(&[need("to", Kind::Peer), may("port", Kind::Port)])
    .opts(&[TCP, TIMEOUT])
    .blocking()
    .gives("socket; or nil, error");
pub(crate) static SERVE: Func =
    func("host:serve", "Listens on a port; each connection gets a process that runs fn(conn, peer).")
        .with(&[need("port", Kind::Port), need("fn", Kind::Function)])
        .opts(&[
            TCP,
            &[
                Opt::new("backlog", COUNT, "128", "connections that may wait to be accepted"),
                Opt::new("workers", COUNT, "no limit", "connections served at a time"),
            ],
        ])
        .gives("process");
pub(crate) static BULK: Func = func("host:bulk", "Sends as fast as TCP allows.")
    .opts(&[
        TO,
        TCP,
        &[
            Opt::new("size", Kind::Size, "no end", "how much to send"),
            Opt::new(
                "streams",
                Kind::Int(1, 10_000),
                "1",
                "parallel connections; gives a list with more than one",
            ),
        ],
    ])
    .gives("flow");
pub(crate) static CBR: Func = func("host:cbr", "Sends datagrams at a constant rate.")
    .opts(&[
        TO,
        DATAGRAMS,
        SIZE,
        &[
            Opt::new("jitter", Kind::Time, "0", "each datagram is sent up to so much later"),
            Opt::new("proto", Kind::Choice(&["udp"]), "\"udp\"", "what carries the datagrams"),
        ],
    ])
    .gives("flow");
pub(crate) static ON_OFF: Func = func("host:on_off", "Sends datagrams at a constant rate, in bursts.")
    .opts(&[
        TO,
        DATAGRAMS,
        SIZE,
        &[
            Opt::new("on", Kind::Any, "1s", "mean length of a burst, or { \"pareto\", mean = \"100ms\", shape = 1.5 }, with min and max, or { \"lognormal\", mean =, sigma = }"),
            Opt::new("off", Kind::Any, "1s", "mean length of a pause, or a distribution"),
            Opt::new("fixed", Kind::Bool, "false", "bursts and pauses are exactly so long, not exponential"),
        ],
    ])
    .gives("flow");
pub(crate) static POISSON: Func = func("host:poisson", "Sends datagrams at exponential intervals.")
    .opts(&[
        TO,
        DATAGRAMS,
        &[Opt::new(
            "size",
            Kind::Any,
            "1000",
            "payload of each datagram, or { \"exponential\", mean = 1000 }, or another distribution, as of host:game",
        )],
    ])
    .gives("flow");
pub(crate) static SINK: Func =
    func("host:sink", "Discards what arrives on a port, TCP and UDP.").with(&[need("port", Kind::Port)]);
pub(crate) static FLOW_WAIT: Func = func("flow:wait", "Waits until a flow with an end is over.")
    .opts(&[TIMEOUT])
    .blocking()
    .gives("true; or nil, and \"timeout\" or why the connection failed");
pub(crate) static FLOW_STOP: Func = func("flow:stop", "Ends the flow now.");
pub(crate) static FLOW_ON: Func =
    func("flow:on", "Calls fn(flow, why) as a process when the flow is over; why is nil unless it failed.")
        .with(&[need("event", Kind::Choice(&["end"])), need("fn", Kind::Function)]);
pub(crate) static FLOW_WATCH: Func = func(
    "flow:watch",
    "Time series of the flow in series.csv. \"state\" and \"ca_state\" give a row of events.csv at every change.",
)
    .with(&[need("metrics", Kind::Texts)])
    .opts(&[super::link::WATCH]);
pub(crate) static LADDER: Func = func(
    "ladder",
    "Records what two hosts send to each other from now on; printing it shows two lines of time with an arrow for each packet. As a line of its own it is printed when the run ends.",
)
.with(&[need("a", Kind::Host), need("b", Kind::Host)])
.gives("ladder");
pub(crate) static JOURNEY: Func = func(
    "journey",
    "Sends one message and shows it at every device on its way: headers, units of data, and up to which layer the device works. As a line of its own it prints them.",
)
.opts(&[&[
    Opt::new("from", Kind::Node, "required", "the host that sends"),
    Opt::new("to", Kind::Peer, "required", "the host that receives"),
    Opt::new("proto", Kind::Choice(&["udp", "tcp", "icmp"]), "\"udp\"", "what carries it"),
    Opt::new("size", Kind::Size, "1000", "bytes of the message, at least 16"),
    Opt::new("timeout", Kind::Time, "5s", "how long to wait for it"),
]])
.blocking()
.gives("list of { name, node, layer, headers, pdus, src_mac, dst_mac, src_ip, dst_ip, ttl, link, at, lost }, printable; or nil, error");
pub(crate) static LADDER_ROWS: Func =
    func("ladder:rows", "The packets so far, in the order in which they were sent.")
        .gives("list of { from, to, sent, received, lost, proto, length, flags, seq, ack, window, text }");
pub(crate) static SOCKETS: Func =
    func("host:sockets", "The host's sockets, those of connections included that nobody has accepted yet; not those that are over, or were never connected.")
        .gives("list of { proto, state, port, peer }, printable");
pub(crate) static ADDRESS: Func = func("address", "An address, as recvfrom gives it and sendto takes it.")
    .with(&[need("host", Kind::Peer), may("port", Kind::Port)])
    .gives("peer");

pub(crate) static SNIFF: Func = func(
    "host:sniff",
    "Calls fn(pkt) for every packet that the host or router sends or gets on its links, as far as the filter chooses it: \"tcp port 80 and host bob\", \"arp or icmp\", \"\" for all.",
)
.with(&[need("filter", Kind::Text), need("fn", Kind::Function)])
.gives("tap");

pub(crate) const ALL: &[&Func] = &[
    &PING,
    &SNIFF,
    &TRACEROUTE,
    &ARP_TABLE,
    &ARP_ANNOUNCE,
    &ARP_SET,
    &ARP_SEND,
    &PROXY_ARP,
    &NEIGHBOR_TABLE,
    &PATH_MTUS,
    &WORK,
    &ALLOCATE,
    &FREE,
    &SPAWN,
    &RUN,
    &TCP_SOCKET,
    &UDP_SOCKET,
    &LISTEN,
    &CONNECT,
    &SERVE,
    &BULK,
    &CBR,
    &ON_OFF,
    &POISSON,
    &SINK,
    &FLOW_WAIT,
    &FLOW_STOP,
    &FLOW_ON,
    &FLOW_WATCH,
    &JOURNEY,
    &LADDER,
    &LADDER_ROWS,
    &SOCKETS,
    &ADDRESS,
];
