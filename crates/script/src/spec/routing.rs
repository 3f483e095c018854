//! Routing: which protocol, what it found, how long it took.

use super::{Func, Kind, Opt, func, need};

/// What every way of finding routes takes.
pub(crate) const ROUTING: &[Opt] = &[
    Opt::new(
        "routers",
        Kind::Nodes,
        "all routers",
        "those that this is for; a later call replaces an earlier one",
    ),
    Opt::new(
        "converge",
        Kind::Bool,
        "true",
        "the tables are there when time starts; false: the protocol has to find them",
    ),
    Opt::new(
        "carrier",
        Kind::Bool,
        "true",
        "routers notice at once when a link goes down; false: only by the silence of their neighbours",
    ),
    Opt::new("redistribute", Kind::Bool, "false", "tell neighbours the routes entered with net:route"),
    Opt::new("log", Kind::Bool, "true", "every change of a route becomes a row of events.csv"),
];
/// RIP (RFC 2453).
pub(crate) const RIP: &[Opt] = &[
    Opt::new("update", Kind::Time, "30s", "rip: time between regular updates"),
    Opt::new("jitter", Kind::Time, "5s", "rip: by how much these times differ"),
    Opt::new("timeout", Kind::Time, "180s", "rip: a route not heard of for so long is out of reach"),
    Opt::new("garbage", Kind::Time, "120s", "rip: for how long it is then announced as such"),
    Opt::new(
        "split_horizon",
        Kind::ChoiceOrFalse(&["poison", "simple"]),
        "\"poison\"",
        "rip: what is said of routes to those that they come from: that they are out of reach, nothing, or as to all",
    ),
    Opt::new("triggered", Kind::Bool, "true", "rip: changes are told at once"),
];

/// OSPF version 2 (RFC 2328).
pub(crate) const OSPF: &[Opt] = &[
    Opt::new("hello", Kind::Time, "10s", "ospf: time between hellos, in whole seconds"),
    Opt::new(
        "dead",
        Kind::Time,
        "four hellos",
        "ospf: a neighbour silent for so long is gone, in whole seconds",
    ),
    Opt::new("retransmit", Kind::Time, "5s", "ospf: what was not acknowledged is sent again after so long"),
    Opt::new("spf_delay", Kind::Time, "50ms", "ospf: from news to the computation of shortest paths"),
    Opt::new(
        "spf_hold",
        Kind::Time,
        "200ms",
        "ospf: least time between two computations; doubled with each until it is quiet",
    ),
    Opt::new("spf_max", Kind::Time, "5s", "ospf: most time between two computations"),
    Opt::new(
        "reference",
        Kind::Rate,
        "none",
        "ospf: links without a cost of their own cost reference / rate",
    ),
];
/// BGP version 4 (RFC 4271).
pub(crate) const BGP: &[Opt] = &[
    Opt::new("as", Kind::Int(1, 65535), "one for each router", "bgp: the AS of these routers"),
    Opt::new("hold", Kind::Time, "90s", "bgp: a neighbour silent for so long is given up, in whole seconds"),
    Opt::new("connect_retry", Kind::Time, "120s", "bgp: time before a session that failed is tried again"),
    Opt::new("mrai", Kind::Time, "30s", "bgp: least time between two announcements to one neighbour"),
];
const POLICY: &[Opt] = &[
    Opt::new(
        "relation",
        Kind::Choice(&["customer", "peer", "provider"]),
        "none",
        "what the neighbour is; the neighbour learns the opposite. Routes of peers and providers go to customers only",
    ),
    Opt::new(
        "prefer",
        Kind::Int(0, 1 << 30),
        "200, 100, 50 by relation; 100",
        "preference of its routes (LOCAL_PREF)",
    ),
    Opt::new("deny", Kind::Texts, "{}", "routes into these networks are not taken from it"),
    Opt::new("med", Kind::Int(0, 1 << 30), "none", "discriminator told to it (MULTI_EXIT_DISC)"),
];
/// Options that belong to one protocol.
pub(crate) const OWNED: &[(&[Opt], &str)] = &[(RIP, "rip"), (OSPF, "ospf"), (BGP, "bgp")];

pub(crate) static NET_ROUTING: Func = func(
    "net:routing",
    "How routers find their routes: with a protocol whose messages cross the links, by hand (\"static\"), or computed from the whole network, which is what they do without this.",
)
.with(&[need("protocol", Kind::Choice(&["computed", "static", "rip", "ospf", "bgp", "distance_vector", "link_state", "path_vector"]))])
.opts(&[ROUTING, RIP, OSPF, BGP]);
pub(crate) static NET_ROUTE: Func =
    func("net:route", "Enters a route by hand; it replaces a computed one to the same prefix.").with(&[
        need("router", Kind::Node),
        need("prefix", Kind::Text),
        need("via", Kind::Peer),
    ]);
pub(crate) static NET_WAIT_CONVERGED: Func = func(
    "net:wait_converged",
    "Waits until no route of a router that runs a protocol has changed for some time.",
)
.opts(&[&[
    Opt::new("quiet", Kind::Time, "the longest silence of the protocol", "for how long nothing may change"),
    Opt::new("timeout", Kind::Time, "for ever", "how long to wait at most"),
]])
.blocking()
.gives("when a route last changed, in seconds; or nil, \"timeout\"");
pub(crate) static ROUTER_RIB: Func = func(
    "router:rib",
    "Every route that the router knows, the used ones included; without a protocol, what host:fib gives.",
)
.gives("list of { prefix, origin, distance, metric, used, path = {ASes}, preference, via = {{ to, ip, port }, ..} }, printable");
pub(crate) static ROUTER_FIB: Func = func("host:fib", "The routes that packets follow, on a host or router.")
    .gives("list of { prefix, via = {{ to, ip, port }, ..} }, printable");
pub(crate) static ROUTER_NEIGHBORS: Func =
    func("router:neighbors", "The routers that its protocol has heard.")
        .gives("list of { name, id, ip, port, protocol, state }, printable");
pub(crate) static ROUTER_BGP_POLICY: Func = func(
    "router:bgp_policy",
    "What a BGP router does with routes from and to a neighbour; what is not named stays as it is.",
)
.with(&[need("neighbor", Kind::Node)])
.opts(&[POLICY]);
pub(crate) static ROUTER_ANNOUNCE: Func =
    func("router:announce", "A BGP router announces a network as its own from now on.")
        .with(&[need("prefix", Kind::Text)]);
pub(crate) static ROUTER_WITHDRAW: Func =
    func("router:withdraw", "A BGP router no longer announces a network as its own.")
        .with(&[need("prefix", Kind::Text)]);
pub(crate) static ROUTER_ROUTING: Func = func("router:routing", "What its protocol did so far, or nil.")
    .gives(
        "{ protocol, asn, changes, last_change, tx_messages, tx_bytes, rx_messages, spf_runs }, printable",
    );

pub(crate) const ALL: &[&Func] = &[
    &NET_ROUTING,
    &NET_ROUTE,
    &NET_WAIT_CONVERGED,
    &ROUTER_RIB,
    &ROUTER_FIB,
    &ROUTER_NEIGHBORS,
    &ROUTER_BGP_POLICY,
    &ROUTER_ANNOUNCE,
    &ROUTER_WITHDRAW,
    &ROUTER_ROUTING,
];
