//! The web: servers, clients, load, proxies.

use super::fields::{Fields, f};
use super::{COUNT, Func, Kind, Opt, TIMEOUT, func, may, need, tcp::SERVICE_TCP};

/// The option that stands for every key that begins with a path.
pub(crate) const ROUTE: &str = "/path";

pub(super) const HEALTH: &[Opt] = &[
    Opt::new("interval", Kind::Duration(1_000, 86_400_000_000), "5s", "how often it is looked"),
    Opt::new("failures", COUNT, "3", "bad answers in a row, before a server counts as down"),
    Opt::new("timeout", Kind::Time, "half the interval, 2s at most", "how long an answer may take"),
    Opt::new("path", Kind::Text, "none: it need only be reachable", "a page that must be answered"),
];
const VERSIONS: &[&str] = &["1.0", "1.1", "2"];

const SERVER: &[Opt] = &[
    Opt::new("port", Kind::Port, "80; with tls 443", "where it listens"),
    Opt::new(
        "pages",
        Kind::Table,
        "none",
        "static pages by path: a size (\"14KiB\"), a text, or { body =, type =, etag =, modified =, max_age = }",
    ),
    Opt::new(
        ROUTE,
        Kind::Any,
        "none",
        "any key that is a path (\"/users/:id\", \"/*\") or a method and a path (\"PUT /users/:id\"): what answers there, a function of the request that gives status, body, headers; or a table of functions by method; or a static page",
    ),
    Opt::new("http", Kind::Choice(VERSIONS), "\"1.1\"", "the latest version that it speaks"),
    Opt::new(
        "tls",
        Kind::Any,
        "none",
        "speaks HTTPS: a certificate, or { cert =, version = \"1.2\" | \"1.3\", tickets =, ticket_key =, early =, sign =, exchange = }, the last two processor times",
    ),
    Opt::new(
        "keepalive",
        Kind::Patience(0, 86_400_000_000),
        "5s; false with workers",
        "how long a connection without a request stays open; false: one request each",
    ),
    Opt::new("max_requests", COUNT, "no limit", "a connection is closed after so many"),
    Opt::new("workers", COUNT, "no limit", "processes of the server; others wait to be accepted"),
    Opt::new(
        "worker",
        Kind::Choice(&["sync", "threads", "async", "cgi"]),
        "\"sync\" with workers",
        "what a worker is: one connection at a time; threads of which one computes at a time; a loop with many connections; or a process for each request, workers being the most at a time",
    ),
    Opt::new(
        "threads",
        COUNT,
        "8",
        "with worker = \"threads\": connections that each worker serves at a time",
    ),
    Opt::new("gil", Kind::Bool, "true", "of a worker's threads only one computes at a time"),
    Opt::new("room", COUNT, "1000", "with worker = \"async\": connections of each worker"),
    Opt::new(
        "memory",
        Kind::Size,
        "0",
        "memory of the host that each worker, or each process of a request, takes",
    ),
    Opt::new(
        "connection_memory",
        Kind::Size,
        "0",
        "memory that each connection takes; where there is none it is reset",
    ),
    Opt::new("spawn", Kind::Time, "0", "with worker = \"cgi\": processor time to start a process"),
    Opt::new(
        "middleware",
        Kind::Table,
        "none",
        "functions (req, next) around the one that answers, from the outermost: { { \"log\", fn }, { \"session\", fn } }; return next(req) goes on",
    ),
    Opt::new("send_timeout", Kind::Time, "60s", "a client that reads nothing for so long is cut off"),
    Opt::new("backlog", COUNT, "128", "connections that may wait to be accepted"),
    Opt::new("timeout", Kind::Time, "60s", "how long a request may take to arrive, before 408"),
    Opt::new("max_body", Kind::Size, "no limit", "longer bodies of requests are refused with 413"),
    Opt::new(
        "chunk",
        Kind::Size,
        "none",
        "answers of functions are sent in chunks of this size, without length",
    ),
    Opt::new("work", Kind::Time, "0", "processor time that each request takes on the host"),
    Opt::new("log", Kind::Bool, "false", "each request becomes a row of requests.csv"),
    Opt::new("name", Kind::Text, "host and port", "what it is called in results"),
];

const TLS: Opt = Opt::new(
    "tls",
    Kind::Options(super::tls::CLIENT_END),
    "1.3, tickets are used",
    "for https: { version = \"1.2\", resume = false, early = true, verify = false, check = \"1ms\", exchange = \"1ms\" }, the last two processor times",
);

const PACE: Opt =
    Opt::new("pace", Kind::Rate, "at once", "how fast the request is written, as slow clients do");
pub(super) const PROXY: Opt = Opt::new(
    "proxy",
    Kind::Peer,
    "none",
    "who is asked instead, for pages that are not https: a host:http_cache",
);
pub(super) const PROXY_PORT: Opt = Opt::new("proxy_port", Kind::Port, "3128", "its port");

const REQUEST: &[Opt] = &[
    Opt::new("method", Kind::Text, "\"GET\"; with a body \"POST\"", "what is asked"),
    Opt::new("headers", Kind::Table, "none", "header fields: { name = value }"),
    Opt::new("body", Kind::Any, "none", "a text, or a size such as \"10kB\""),
    Opt::new("query", Kind::Table, "none", "what stands behind the question mark: { name = value }"),
    Opt::new("timeout", Kind::Time, "60s without a byte of the answer", "how long all of it may take"),
    Opt::new("http", Kind::Choice(VERSIONS), "\"1.1\"", "the version that is spoken"),
    PACE,
    Opt::new(
        "redirects",
        Kind::Int(0, 20),
        "0",
        "how many redirections (301, 302, 303, 307, 308) are followed",
    ),
    Opt::new("keep", Kind::Size, "1MiB", "longer bodies are counted, but not kept as res.body"),
    TLS,
    PROXY,
    PROXY_PORT,
];

const CLIENT: &[Opt] = &[
    Opt::new("http", Kind::Choice(VERSIONS), "\"1.1\"", "the version that is spoken"),
    Opt::new(
        "keepalive",
        Kind::Bool,
        "true",
        "connections are used again; of a server of 1.0 it is asked to keep them",
    ),
    Opt::new("connections", COUNT, "6", "most connections to one server; further requests wait"),
    Opt::new("timeout", Kind::Time, "60s without a byte of the answer", "how long a request may take"),
    TLS,
    PROXY,
    PROXY_PORT,
    Opt::new("headers", Kind::Table, "none", "header fields of every request"),
    Opt::new("redirects", Kind::Int(0, 20), "0", "how many redirections are followed"),
    Opt::new("keep", Kind::Size, "1MiB", "longer bodies are counted, but not kept as res.body"),
    Opt::new(
        "retry",
        Kind::Bool,
        "true",
        "idempotent requests are sent again when a connection that was used before turns out to be closed",
    ),
    Opt::new(
        "cookies",
        Kind::Bool,
        "false",
        "keeps cookies and sends them, by name, path and time (RFC 6265); client.jar lists them",
    ),
];

pub(crate) static HTTP_SERVER: Func = func(
    "host:http_server",
    "Answers requests on a port: static pages, functions of the script, or both. Unknown paths get 404, wrong methods 405, unknown methods 501.",
)
.opts(&[SERVER, SERVICE_TCP])
.gives("server: .requests .by_status .active .connections .bytes_sent .port, :set(path, page), :on(\"request\", fn), :stop(); or nil, \"in use\"");

pub(crate) static HTTP_GET: Func = func(
    "host:http_get",
    "Asks for a page on a connection of its own. The URL may also be { host, port, path }, with options in the same table.",
)
.with(&[need("url", Kind::Url)])
.opts(&[REQUEST, SERVICE_TCP])
.blocking()
.gives("res: .status .headers .body .size, in s .dns .connect .tls .ttfb .total, .peer .reused; or nil, error");

pub(crate) static HTTP_CLIENT: Func = func(
    "host:http_client",
    "A client that keeps connections open: client:get(url), :post(url, opts), :put, :patch, :delete, :head, :request(url, opts), :pipeline{urls}, :close().",
)
.opts(&[CLIENT, SERVICE_TCP])
.gives("client: .requests .connections .reused .retries");

pub(crate) static HTTP_LOAD: Func = func(
    "host:http_load",
    "Many requests: at a rate whatever the answers (open), or of so many clients that wait for each answer (closed). Counts what is sent after the warm-up.",
)
.opts(&[&[
    Opt::new("url", Kind::Url, "required", "what is asked for: a URL, or { host, port, path }"),
    Opt::new("rate", Kind::Number, "this or clients", "requests per second"),
    Opt::new("clients", COUNT, "this or rate", "how many ask, each one request at a time"),
    Opt::new("arrivals", Kind::Choice(&["poisson", "constant"]), "\"poisson\"", "with a rate: how requests are spaced"),
    Opt::new("think", Kind::Time, "0", "with clients: mean pause between an answer and the next request"),
    Opt::new("think_like", Kind::Choice(&["exponential", "constant"]), "\"exponential\"", "how pauses vary"),
    Opt::new("requests", COUNT, "no limit", "how many in all"),
    Opt::new("start", Kind::Time, "0", "when it begins"),
    Opt::new("stop", Kind::Time, "never", "from when on no request is begun"),
    Opt::new("keepalive", Kind::Bool, "false", "clients keep their connections"),
    PACE,
    Opt::new("method", Kind::Text, "\"GET\"", "what is asked"),
    Opt::new("headers", Kind::Table, "none", "header fields"),
    Opt::new("body", Kind::Any, "none", "a text, or a size such as \"10kB\""),
    Opt::new("timeout", Kind::Time, "none", "an answer that takes longer is a failure"),
    Opt::new("http", Kind::Choice(VERSIONS), "\"1.1\"", "the version that is spoken"),
    Opt::new("name", Kind::Text, "made from the host", "its name in results, and of its random numbers"),
], SERVICE_TCP])
.gives("load: .sent .ok .failed .by_status .errors, :on(\"response\" | \"failure\", fn), :wait{timeout=}, :stop()");

pub(crate) static HTTP_PROXY: Func = func(
    "host:http_proxy",
    "Passes a request on to another server, and gives its answer, for a server's function to return; 502 or 504 when there is none.",
)
.with(&[need("req", Kind::Table), need("to", Kind::Peer), may("port", Kind::Port)])
.opts(&[
    &[
        Opt::new("keepalive", Kind::Bool, "false", "connections to the other server are used again"),
        Opt::new(
            "buffering",
            Kind::Bool,
            "true",
            "reads the whole answer before the client gets it, so that slow clients do not hold the other server",
        ),
        Opt::new("path", Kind::Text, "the request's own", "what is asked for there"),
        Opt::new("headers", Kind::Table, "none", "header fields that are added"),
    ],
    TIMEOUT,
])
.blocking()
.gives("an answer: .status .headers .body .size");

pub(crate) static TCP_PROXY: Func = func(
    "host:tcp_proxy",
    "A load balancer: passes each connection on to one of several servers, without looking into it. For requests, a server with host:http_proxy does the same.",
)
.opts(&[&[
    Opt::new("port", Kind::Port, "required", "where it listens"),
    Opt::new("to", Kind::Any, "required", "a host or a list of hosts"),
    Opt::new("to_port", Kind::Port, "the same", "their port"),
    Opt::new(
        "policy",
        Kind::Choice(&["round_robin", "least_connections", "random", "hash"]),
        "\"round_robin\"",
        "who gets the next connection; \"hash\": always the same for an address",
    ),
    Opt::new("weights", Kind::Table, "1 each", "how many connections each gets in comparison: { 3, 1 }"),
    Opt::new(
        "health",
        Kind::Options(&[HEALTH]),
        "none",
        "{ interval = \"5s\", failures = 3, timeout =, path = \"/\" }: who does not answer so often gets none until it does; with a path a page is asked for",
    ),
    Opt::new("connect_timeout", Kind::Time, "1s", "then another server is tried"),
    Opt::new("backlog", COUNT, "128", "connections that may wait to be accepted"),
]])
.gives("tcp_proxy: .connections .refused .backends (list of { name, up, open, connections, failed, bytes }), .faults, :stop(); or nil, \"in use\"");

pub(crate) static URL_ENCODE: Func = func("url_encode", "A text as it stands in a URL: a space becomes %20.")
    .with(&[need("text", Kind::Data)])
    .gives("text");
pub(crate) static URL_DECODE: Func =
    func("url_decode", "The text that stands in a URL: %20 becomes a space.")
        .with(&[need("text", Kind::Text)])
        .gives("text");

pub(crate) static SERVER_SET: Func =
    func("http_server:set", "Changes a page or a route from now on; nil removes a page.")
        .with(&[need("path", Kind::Text), may("page", Kind::Any)]);
pub(crate) static SERVER_ON: Func =
    func("http_server:on", "Calls fn(req) for each request, before it is answered.")
        .with(&[need("event", Kind::Choice(&["request"])), need("fn", Kind::Function)])
        .gives("the server");
pub(crate) static SERVER_STOP: Func =
    func("http_server:stop", "Listens no longer; connections end with their next answer.");
const CLIENT_CALL: &[Opt] = &[
    Opt::new("method", Kind::Text, "by the name of the function", "what is asked, with :request"),
    PACE,
    Opt::new("query", Kind::Table, "none", "what stands behind the question mark"),
    Opt::new("headers", Kind::Table, "none", "header fields"),
    Opt::new("body", Kind::Any, "none", "a text, or a size such as \"10kB\""),
    Opt::new("timeout", Kind::Time, "that of the client", "how long all of it may take"),
    Opt::new("redirects", Kind::Int(0, 20), "that of the client", "how many redirections are followed"),
];
const CLIENT_ASK: Func = func(
    "http_client:get",
    "Asks for a page, on a connection that is open if there is one; likewise :head, :post, :put, :patch, :delete, :options.",
)
.with(&[need("url", Kind::Url)])
.opts(&[CLIENT_CALL])
.blocking()
.gives("res; or nil, error");
pub(crate) static CLIENT_GET: Func = CLIENT_ASK;
/// What is checked as `http_client:get` is, and described with it.
pub(crate) static LIKE_GET: &[Func] = &[
    Func { name: "http_client:head", ..CLIENT_ASK },
    Func { name: "http_client:post", ..CLIENT_ASK },
    Func { name: "http_client:put", ..CLIENT_ASK },
    Func { name: "http_client:patch", ..CLIENT_ASK },
    Func { name: "http_client:delete", ..CLIENT_ASK },
    Func { name: "http_client:options", ..CLIENT_ASK },
    Func { name: "http_client:request", ..CLIENT_ASK },
];
pub(crate) static CLIENT_PIPELINE: Func = func(
    "http_client:pipeline",
    "Asks for all pages at once on one connection; the answers come in the order of the requests.",
)
.with(&[need("urls", Kind::Table)])
.opts(&[&[
    Opt::new("headers", Kind::Table, "none", "header fields of each"),
    Opt::new("timeout", Kind::Time, "that of the client", "how long all of it may take"),
]])
.blocking()
.gives("list of res; or nil, error, those that came");
pub(crate) static CLIENT_RESTART: Func = func(
    "http_client:restart",
    "As when a browser is closed and opened again: connections and session cookies are gone.",
);
pub(crate) static CLIENT_CLOSE: Func = func("http_client:close", "Closes the connections that are open.");
pub(crate) static LOAD_ON: Func = func(
    "http_load:on",
    "Calls fn(res) for each response, or fn(error) for each request without one, of those sent after the warm-up.",
)
.with(&[need("event", Kind::Choice(&["response", "failure"])), need("fn", Kind::Function)])
.gives("the load");
pub(crate) static LOAD_WAIT: Func =
    func("http_load:wait", "Waits until all requests are answered or have failed.")
        .opts(&[TIMEOUT])
        .blocking()
        .gives("true; or nil, \"timeout\"");
pub(crate) static LOAD_STOP: Func = func("http_load:stop", "Begins no further request.");

/// What can be read off servers, loads, requests and answers.
pub(crate) const SERVER_FIELDS: Fields = Fields {
    of: "http_server",
    doc: "A server of the web.",
    all: &[
        f("requests", "count", "answered"),
        f("by_status", "table", "answers by status: by_status[404]"),
        f("connections", "count", "accepted"),
        f("open", "count", "connections now"),
        f("active", "count", "requests that functions work on now"),
        f("most_active", "count", "most of these at a time"),
        f("bytes_sent", "bytes", "heads and bodies of answers"),
        f("processes", "count", "with worker = \"cgi\": that answer now"),
        f("most_processes", "count", "most of these at a time"),
        f("out_of_memory", "count", "requests and connections for which there was no memory"),
        f("send_timeouts", "count", "clients that were cut off because they did not read"),
        f("faults", "table", "what went wrong, by cause: faults[\"client does not read\"]"),
        f("port", "", "where it listens"),
        f("name", "text", "what results call it"),
    ],
};
pub(crate) const CLIENT_FIELDS: Fields = Fields {
    of: "http_client",
    doc: "A client of the web that keeps its connections.",
    all: &[
        f("requests", "count", "made"),
        f("connections", "count", "opened"),
        f("reused", "count", "requests on a connection that was open"),
        f("retries", "count", "requests that were sent again because a connection was closed meanwhile"),
    ],
};
pub(crate) const LOAD_FIELDS: Fields = Fields {
    of: "http_load",
    doc: "Many requests, of which those count that are sent after the warm-up.",
    all: &[
        f("sent", "count", "requests"),
        f("ok", "count", "answered with a status below 500"),
        f("failed", "count", "not answered, or with a status from 500 on"),
        f("by_status", "table", "answers by status"),
        f("errors", "table", "failures by error or status: errors.timeout"),
    ],
};
pub(crate) const TCP_PROXY_FIELDS: Fields = Fields {
    of: "tcp_proxy",
    doc: "A load balancer of connections.",
    all: &[
        f("connections", "count", "passed on"),
        f("refused", "count", "connections for which nobody was there"),
        f("backends", "list", "{ name, up, open, connections, failed, bytes }"),
        f("faults", "table", "what went wrong, by cause: faults[\"server refused\"]"),
        f("port", "port", "where it listens"),
        f("name", "text", "what results call it"),
    ],
};
pub(crate) const REQUEST_FIELDS: Fields = Fields {
    of: "req",
    doc: "A request, as a server's function gets it.",
    all: &[
        f("method", "text", "GET, POST ..."),
        f("path", "text", "without the query, decoded"),
        f("target", "text", "path and query as they came"),
        f("query", "table", "what stands behind the question mark"),
        f("params", "table", "parts of the path that the route names: /users/:id"),
        f("headers", "table", "by name, whatever its case"),
        f("body", "text", "nil when it is longer than 16 MiB"),
        f("size", "bytes", "of the body"),
        f("version", "text", "\"1.0\", \"1.1\" or \"2\""),
        f("cookies", "table", "the cookies that came with it, by name"),
        f("client", "peer", "who asks"),
    ],
};
pub(crate) const RESPONSE_FIELDS: Fields = Fields {
    of: "res",
    doc: "An answer, as clients get it. Times also with a unit: res.total_ms.",
    all: &[
        f("status", "", "200, 404 ..."),
        f("reason", "text", "OK, Not Found ..."),
        f("headers", "table", "by name, whatever its case; set-cookie is a list"),
        f("body", "text", "nil when it is longer than what is kept"),
        f("size", "bytes", "of the body"),
        f("dns", "s", "until the name had an address"),
        f("dns_cached", "true or false", "whether a cache of the host knew it; nil without a name"),
        f("connect", "s", "for the TCP handshake; 0 on a connection that was open"),
        f("tls", "s", "for the TLS handshake"),
        f("tls_info", "table", "of a new connection over TLS: { version, resumed, early, chain }"),
        f("ttfb", "s", "from the beginning of all until the first byte of the answer"),
        f("total", "s", "from the beginning until its last byte"),
        f("reused", "true or false", "whether the connection was open before"),
        f("peer", "peer", "who answered"),
        f("redirects", "count", "redirections that were followed"),
    ],
};

pub(crate) const ALL: &[&Func] = &[
    &HTTP_SERVER,
    &SERVER_SET,
    &SERVER_ON,
    &SERVER_STOP,
    &HTTP_GET,
    &HTTP_CLIENT,
    &CLIENT_GET,
    &CLIENT_PIPELINE,
    &CLIENT_RESTART,
    &CLIENT_CLOSE,
    &HTTP_LOAD,
    &LOAD_ON,
    &LOAD_WAIT,
    &LOAD_STOP,
    &HTTP_PROXY,
    &TCP_PROXY,
    &URL_ENCODE,
    &URL_DECODE,
];
