//! Services of the network: firewalls, address translation, addresses on loan, groups.

use super::{COUNT, Func, Kind, Opt, TIMEOUT, func, need};

/// What is done with a packet.
pub(crate) const ACTIONS: &[&str] = &["allow", "deny", "reject"];

/// One rule of a firewall.
pub(crate) const RULE: &[Opt] = &[
    Opt::new(
        "allow",
        Kind::Texts,
        "one of the three",
        "what passes: \"tcp/22\", \"udp/5000-5999\", \"tcp\", \"udp\", \"icmp\", \"any\", or a list of these; ports are those of the destination",
    ),
    Opt::new("deny", Kind::Texts, "one of the three", "what is dropped without a word"),
    Opt::new(
        "reject",
        Kind::Texts,
        "one of the three",
        "what is dropped while its sender is told: by a reset (TCP), else by ICMP",
    ),
    Opt::new(
        "from",
        Kind::Any,
        "anybody",
        "a network such as \"10.0.1.0/24\", an address, a node, or a list of these",
    ),
    Opt::new("to", Kind::Any, "anybody", "where it goes, likewise"),
    Opt::new("name", Kind::Text, "none", "what the rule is called in tables"),
    Opt::new("log", Kind::Bool, "false", "every packet that it decides about becomes a row of events.csv"),
];

const FIREWALL: &[Opt] = &[
    Opt::new(
        "inbound",
        Kind::Table,
        "none",
        "rules for packets to the node itself; the first that fits decides",
    ),
    Opt::new("outbound", Kind::Table, "none", "rules for packets of the node itself"),
    Opt::new("forward", Kind::Table, "none", "rules for packets that it forwards"),
    Opt::new(
        "default",
        Kind::Any,
        "inbound and forward \"deny\", outbound \"allow\"; a list that is not given: \"allow\"",
        "what is done when no rule fits, for all three lists or as { inbound = \"deny\", outbound = \"allow\" }",
    ),
    Opt::new("flows", COUNT, "65536", "most flows that are remembered"),
    Opt::new(
        "tcp_timeout",
        Kind::Time,
        "2h 4min",
        "an established connection is forgotten after so long a silence",
    ),
    Opt::new("udp_timeout", Kind::Time, "5min", "likewise for UDP"),
    Opt::new("icmp_timeout", Kind::Time, "1min", "likewise for ICMP and everything else"),
];

pub(crate) static FIREWALL_SET: Func = func(
    "host:firewall",
    "A stateful firewall on a host or router. Rules decide about the first packet of a flow; what belongs to a flow that was let pass, passes. A later call replaces the rules; an empty table allows everything.",
)
.opts(&[FIREWALL]);
pub(crate) static FIREWALL_RULES: Func =
    func("host:firewall_rules", "The rules, and how many packets each has decided about.")
        .gives("list of { list, rule, name, packets, bytes }, printable");
pub(crate) static FIREWALL_FLOWS: Func =
    func("host:firewall_flows", "The flows that the firewall has let pass and remembers.")
        .gives("list of { proto, src, dst, state, left }, printable");

/// The types of address translators.
pub(crate) const NAT_TYPES: &[&str] = &["full_cone", "restricted", "port_restricted", "symmetric"];

const NAT: &[Opt] = &[
    Opt::new(
        "type",
        Kind::Choice(NAT_TYPES),
        "\"port_restricted\"",
        "who may send to a mapping: anybody, hosts that were sent to, only their ports that were sent to; \"symmetric\": the same, and each destination gets a mapping of its own",
    ),
    Opt::new(
        "outside",
        Kind::Any,
        "where another router is",
        "the side that is outside: a neighbour or its name, a link or its name, a node on that network",
    ),
    Opt::new(
        "ports",
        Kind::Any,
        "{1024, 65535}",
        "first and last port of the outer address for TCP and UDP, or how many from 1024 on",
    ),
    Opt::new(
        "timeout",
        Kind::Time,
        "5min",
        "a mapping of UDP is forgotten after so long without a packet from inside",
    ),
    Opt::new(
        "tcp_timeout",
        Kind::Time,
        "2h 4min",
        "an established connection is forgotten after so long a silence",
    ),
    Opt::new(
        "closing_timeout",
        Kind::Time,
        "4min",
        "a connection that opens or closes is forgotten after so long a silence",
    ),
    Opt::new("icmp_timeout", Kind::Time, "1min", "likewise for pings and everything else"),
    Opt::new("hairpin", Kind::Bool, "true", "inner hosts reach each other by their outer addresses"),
];

pub(crate) static NET_NAT: Func = func(
    "net:nat",
    "Adds a router that translates addresses between one side, the outside, and the networks on its other links.",
)
.with(&[need("name", Kind::Text)])
.opts(&[NAT])
.gives("nat");
pub(crate) static NAT_TABLE: Func = func("nat:table", "The mappings there are.")
    .gives("list of { proto, inner, outer, peers, state, left }, printable");
pub(crate) static NAT_FORWARD: Func = func(
    "nat:forward",
    "Opens a port of the outer address for good: what comes there goes to an inner host.",
)
.opts(&[&[
    Opt::new("port", Kind::Port, "required", "the outer port"),
    Opt::new("to", Kind::Peer, "required", "the inner host"),
    Opt::new("to_port", Kind::Port, "the same", "its port"),
    Opt::new("proto", Kind::Choice(&["tcp", "udp", "both"]), "\"both\"", "of which protocol"),
]]);

pub(crate) static DHCP_SERVER: Func = func(
    "host:dhcp_server",
    "The host or router gives addresses to hosts with ip = \"dhcp\"; several calls give several pools.",
)
.opts(&[&[
    Opt::new(
        "pool",
        Kind::Any,
        "100",
        "the addresses: \"10.0.0.100-10.0.0.200\", {\"10.0.0.100\", \"10.0.0.200\"}, or how many, from the 100th of its network on",
    ),
    Opt::new("lease", Kind::Duration(1_000_000, 2_592_000_000_000), "1h", "for how long, in whole seconds"),
    Opt::new("gateway", Kind::Any, "the router of the network", "an address, or false for none"),
    Opt::new("dns", Kind::Any, "none", "name servers: an address, a node, or a list of these"),
]]);
pub(crate) static DHCP_LEASES: Func = func("host:leases", "The addresses that a DHCP server has given away.")
    .gives("list of { ip, mac, host, state, left }, printable");
pub(crate) static DHCP_RELAY: Func = func(
    "host:dhcp_relay",
    "The router passes messages of DHCP clients on to a server elsewhere, and answers back.",
)
.opts(&[&[Opt::new("to", Kind::Peer, "required", "the server")]]);
pub(crate) static DHCP_LEASE: Func = func("host:lease", "What a host with ip = \"dhcp\" was given, or nil.")
    .gives("{ ip, mask, gateway, dns, server, lease, left, renew_in, state }");
pub(crate) static DHCP_RELEASE: Func =
    func("host:dhcp_release", "Gives the address back; host:dhcp_renew asks for one again.");
pub(crate) static DHCP_RENEW: Func =
    func("host:dhcp_renew", "Looks for an address again, after dhcp_release or in vain.");
pub(crate) static WAIT_ADDRESS: Func = func(
    "host:wait_address",
    "Waits until a host with ip = \"dhcp\" or ip6 = \"slaac\" has an address; nil and why not.",
)
.opts(&[TIMEOUT])
.blocking()
.gives("the address; or nil, \"timeout\"; without a timeout nil, \"no answer\" when no server has answered for a minute");

pub(crate) static NET_MULTICAST: Func = func(
    "net:multicast",
    "Routers forward streams of groups: to all links at first, then without the branches where nobody listens (dense mode, RFC 3973; IGMPv2).",
)
.opts(&[&[Opt::new("routers", Kind::Nodes, "all routers", "those that do")]]);
pub(crate) static MULTICAST_ROUTES: Func = func(
    "router:multicast_routes",
    "The streams that a router has seen, and the links that it sends them to.",
)
.gives("list of { source, group, from, to = {neighbours}, pruned, packets, wrong_way }, printable");

pub(crate) const ALL: &[&Func] = &[
    &NET_MULTICAST,
    &MULTICAST_ROUTES,
    &FIREWALL_SET,
    &FIREWALL_RULES,
    &FIREWALL_FLOWS,
    &NET_NAT,
    &NAT_TABLE,
    &NAT_FORWARD,
    &DHCP_SERVER,
    &DHCP_LEASES,
    &DHCP_RELAY,
    &DHCP_LEASE,
    &DHCP_RELEASE,
    &DHCP_RENEW,
    &WAIT_ADDRESS,
];
