//! Names: servers, resolvers, questions.

use super::fields::{Fields, f};
use super::{COUNT, Func, Kind, Opt, func, may, need};

const LOG: Opt = Opt::new("log", Kind::Bool, "false", "each query becomes a row of queries.csv");
const SERVER: &[Opt] = &[
    Opt::new(
        "zone",
        Kind::Table,
        "empty",
        "{ [name] = record }: a host, an address, a list of these, or { A =, AAAA =, CNAME =, NS =, MX =, TXT =, PTR =, ALIAS =, ttl =, failover =, health = }",
    ),
    Opt::new(
        "origin",
        Kind::Text,
        "what the names have in common",
        "the name of the zone: \"example.com\"; \".\" is the root",
    ),
    Opt::new("ttl", Kind::Time, "1h", "how long records may be kept"),
    Opt::new("ns_ttl", Kind::Time, "48h", "how long its referrals to zones below may be kept"),
    Opt::new("negative_ttl", Kind::Time, "30s", "how long it may be kept that there is no such name"),
    Opt::new(
        "parent",
        Kind::Any,
        "none",
        "the server of the zone above, or a list: it refers to this one from now on",
    ),
    Opt::new(
        "views",
        Kind::Table,
        "none",
        "other answers for some: { { from = \"10.0.0.0/8\", zone = {...} } }; the first that fits counts",
    ),
    Opt::new("reverse", Kind::Bool, "false", "also knows the names of its addresses (PTR)"),
    Opt::new("delay", Kind::Time, "0", "how long it thinks about each query"),
    Opt::new("udp_size", Kind::Int(512, 65_535), "512", "longer replies are cut, and asked for over TCP"),
    Opt::new("port", Kind::Port, "53", "where it listens"),
    LOG,
];
const RESOLVER: &[Opt] = &[
    Opt::new("roots", Kind::Any, "this or forward", "the servers of the root: a host or server, or a list"),
    Opt::new("forward", Kind::Any, "this or roots", "other resolvers that are asked instead"),
    Opt::new("cache", Kind::Any, "10000", "how many names are kept; false: none"),
    Opt::new("max_ttl", Kind::Time, "24h", "nothing is kept longer"),
    Opt::new("timeout", Kind::Time, "1s", "how long a server may take"),
    Opt::new("tries", COUNT, "2", "how often all servers of a zone are asked"),
    Opt::new("port", Kind::Port, "53", "where it listens"),
    LOG,
];
const STUB: &[Opt] = &[
    Opt::new("timeout", Kind::Time, "5s", "how long a server may take"),
    Opt::new("tries", COUNT, "2", "how often all servers are asked"),
    Opt::new("cache", Kind::Bool, "true", "hosts keep what they heard"),
];

pub(crate) static DNS_SERVER: Func = func(
    "host:dns_server",
    "Answers for the names of a zone, over UDP and TCP in wire format; refers to the servers of zones below (NS). A host may be given several zones by several calls.",
)
.opts(&[SERVER])
.gives("dns_server: .queries .tcp_queries .answers .referrals .denials .faults, :set(name, record), :remove(name), :delegate(zone, hosts [, ttl])");
pub(crate) static SERVER_SET: Func =
    func("dns_server:set", "Changes a record from now on; caches keep the old one until its time is over.")
        .with(&[need("name", Kind::Text), need("record", Kind::Any)]);
pub(crate) static SERVER_REMOVE: Func =
    func("dns_server:remove", "Removes the records of a name.").with(&[need("name", Kind::Text)]);
pub(crate) static SERVER_DELEGATE: Func = func(
    "dns_server:delegate",
    "Says which hosts serve a zone below this one, instead of those before: what a registrar does.",
)
.with(&[need("zone", Kind::Text), need("hosts", Kind::Any), may("ttl", Kind::Time)]);
pub(crate) static DNS_RESOLVER: Func = func(
    "host:dns_resolver",
    "Finds answers for others: from the root downwards, or through other resolvers; keeps what it heard.",
)
.opts(&[RESOLVER])
.gives("dns_resolver: .queries .hits .upstream .timeouts .faults, :cache_list(), :flush()");
pub(crate) static RESOLVER_LIST: Func =
    func("dns_resolver:cache_list", "What it keeps, with the seconds that are left.")
        .gives("list of records, printable");
pub(crate) static RESOLVER_FLUSH: Func = func("dns_resolver:flush", "Forgets everything.");
pub(crate) static NET_RESOLVER: Func = func(
    "net:resolver",
    "Says whom hosts ask for names: a host or server, or a list of them. Hosts with an address by DHCP ask those of their lease.",
)
.with(&[need("servers", Kind::Any)])
.opts(&[STUB]);
pub(crate) static HOST_RESOLVER: Func =
    func("host:resolver", "The same for one host.").with(&[need("servers", Kind::Any)]).opts(&[STUB]);
pub(crate) static DNS_TREE: Func = func(
    "net:dns_tree",
    "Name servers from the root down in one call: net:dns_tree{ root = r, zones = { com = tld, [\"example.com\"] = { ns1, ns2 } }, names = { [\"www.example.com\"] = www } }.",
)
.opts(&[&[
    Opt::new("root", Kind::Any, "required", "the host of the root, or a list"),
    Opt::new("zones", Kind::Table, "none", "{ [zone] = host or list of hosts }"),
    Opt::new("names", Kind::Table, "none", "{ [name] = record }, each put into the closest zone"),
    Opt::new("reverse", Kind::Any, "none", "the host that knows the names of addresses"),
    Opt::new("ttl", Kind::Time, "1h", "how long names may be kept"),
    Opt::new("ns_ttl", Kind::Time, "48h", "how long referrals may be kept"),
    Opt::new("delay", Kind::Time, "0", "how long each server thinks"),
]])
.gives("{ [zone] = dns_server or list, root = }");
pub(crate) static RESOLVE: Func = func(
    "host:resolve",
    "The address of a name; with a type another record of it; the name of an address with \"PTR\".",
)
.with(&[need("name", Kind::Text), may("type", Kind::Text)])
.opts(&[&[
    Opt::new("timeout", Kind::Time, "that of the resolver", "how long a server may take"),
    Opt::new("server", Kind::Any, "that of the host", "who is asked"),
]])
.blocking()
.gives("the first value, and { values, records, cached, time, queries }; or nil, error");
pub(crate) static DIG: Func =
    func("host:dig", "Asks as dig does, past the host's cache; the result prints as dig's does.")
        .with(&[need("name", Kind::Text), may("type", Kind::Text)])
        .opts(&[&[
            Opt::new("trace", Kind::Bool, "false", "asks from the root downwards, server by server"),
            Opt::new(
                "server",
                Kind::Any,
                "that of the host; with trace the root that it gives",
                "who is asked",
            ),
            Opt::new("tcp", Kind::Bool, "false", "asks over TCP"),
            Opt::new("recursive", Kind::Bool, "true", "asks the server to find the answer"),
            Opt::new("timeout", Kind::Time, "5s", "how long a server may take"),
        ]])
        .blocking()
        .gives(
            "{ status, answers, authority, additional, server, time, size, hops }, printable; or nil, error",
        );
pub(crate) static FLUSH_DNS: Func = func("host:flush_dns", "The host forgets the names that it heard.");

pub(crate) static DNS_CACHE: Func = func(
    "host:dns_cache",
    "What the host keeps of the names that it heard, with the seconds that are left, and how often that was enough.",
)
.gives("list of records, printable, with .queries and .hits");

pub(crate) const SERVER_FIELDS: Fields = Fields {
    of: "dns_server",
    doc: "A name server.",
    all: &[
        f("queries", "count", "heard"),
        f("tcp_queries", "count", "of these over TCP"),
        f("answers", "count", "answered with records"),
        f("referrals", "count", "referred to another server"),
        f("denials", "count", "answered that there is no such name or record"),
        f("truncated", "count", "replies that did not fit into a datagram"),
        f("bad", "count", "messages to its port that were no query, or one that cannot be looked at"),
        f("faults", "table", "these by cause, of all that answer on the port: faults[\"bad message\"]"),
    ],
};
pub(crate) const RESOLVER_FIELDS: Fields = Fields {
    of: "dns_resolver",
    doc: "A resolver.",
    all: &[
        f("queries", "count", "heard"),
        f("hits", "count", "answered without asking anybody"),
        f("upstream", "count", "queries that it sent"),
        f("timeouts", "count", "of these without a reply"),
        f("tcp_fallbacks", "count", "asked again over TCP"),
        f("bad", "count", "messages to its port that were no query, or one that cannot be looked at"),
        f("faults", "table", "these by cause, of all that answer on the port: faults[\"bad message\"]"),
    ],
};

pub(crate) const ALL: &[&Func] = &[
    &NET_RESOLVER,
    &DNS_TREE,
    &DNS_SERVER,
    &SERVER_SET,
    &SERVER_REMOVE,
    &SERVER_DELEGATE,
    &DNS_RESOLVER,
    &RESOLVER_LIST,
    &RESOLVER_FLUSH,
    &HOST_RESOLVER,
    &RESOLVE,
    &DIG,
    &FLUSH_DNS,
    &DNS_CACHE,
];
