//! What web chains are made of: front servers, caches, queues, databases, and spans of what each of them did.

use super::fields::{Fields, f};
use super::{COUNT, Func, Kind, Opt, func, may, need, tcp::SERVICE_TCP, web::ROUTE};

const NAME: Opt = Opt::new("name", Kind::Text, "host and port", "what it is called in results");
const ANSWER_WITHIN: Opt = Opt::new(
    "timeout",
    Kind::Time,
    "30s after it was asked, for the answer alone",
    "how long a request may take, waiting for a connection included",
);
const SEND_TIMEOUT: Opt =
    Opt::new("send_timeout", Kind::Time, "60s", "a client that reads nothing for so long is cut off");
const STOPS: &str = "Listens no longer; connections that are open go on.";

pub(crate) static HTTP_BALANCER: Func = func(
    "host:http_balancer",
    "A front server: static pages of its own; all other requests go on to one of several servers, the next one if it cannot be reached. Reads requests and answers whole, so that slow clients do not hold the servers behind it.",
)
.opts(&[&[
    Opt::new("port", Kind::Port, "80", "where it listens"),
    Opt::new("to", Kind::Any, "required", "a host or a list of hosts"),
    Opt::new("to_port", Kind::Port, "the same", "their port"),
    Opt::new(
        "policy",
        Kind::Choice(&["round_robin", "least_connections", "random", "hash"]),
        "\"round_robin\"",
        "who gets the next request; \"hash\": always the same for an address",
    ),
    Opt::new("weights", Kind::Table, "1 each", "how many requests each gets in comparison: { 3, 1 }"),
    Opt::new("sticky", Kind::Text, "none", "a cookie that keeps a client at its server while that is alive"),
    Opt::new("buffering", Kind::Bool, "true", "false: answers go to the client as they come, however slowly it reads"),
    Opt::new("health", Kind::Options(&[super::web::HEALTH]), "none", "{ interval = \"5s\", failures = 3, timeout =, path = \"/\" }: as for host:tcp_proxy"),
    Opt::new("tries", COUNT, "one for each server", "servers that are tried for a request, if it may be said twice"),
    Opt::new("upstream_timeout", Kind::Time, "60s", "how long a server may take, before 504"),
    Opt::new("connect_timeout", Kind::Time, "1s", "how long it may take to reach a server, before another one is tried"),
    Opt::new("retry_after", Kind::Time, "5s", "a server that could not be reached is passed over for so long, if there is another"),
    Opt::new("upstream_keepalive", Kind::Bool, "false", "connections to the servers are used again"),
    Opt::new("pages", Kind::Table, "none", "static pages that it has itself, as host:http_server"),
    Opt::new(ROUTE, Kind::Any, "none", "routes that it answers itself, as host:http_server"),
    Opt::new("tls", Kind::Any, "none", "speaks HTTPS, as host:http_server"),
    Opt::new("keepalive", Kind::Patience(0, 86_400_000_000), "5s", "how long a connection without a request stays open; false: one request each"),
    Opt::new("workers", COUNT, "no limit", "its processes, each a loop with many connections"),
    Opt::new("room", COUNT, "1000", "connections of each worker"),
    Opt::new("backlog", COUNT, "128", "connections that may wait to be accepted"),
    Opt::new("work", Kind::Time, "0", "processor time that each request takes"),
    Opt::new("memory", Kind::Size, "0", "memory of the host that each worker takes"),
    Opt::new("connection_memory", Kind::Size, "0", "memory that each connection takes"),
    Opt::new("timeout", Kind::Time, "60s", "how long a request may take to arrive, before 408"),
    Opt::new("send_timeout", Kind::Time, "60s", "a client that reads nothing for so long is cut off"),
    Opt::new("max_body", Kind::Size, "no limit", "longer bodies of requests are refused with 413"),
    Opt::new("log", Kind::Bool, "false", "each request becomes a row of requests.csv"),
    NAME,
], SERVICE_TCP])
.gives("balancer: as a server, and .backends (list of { name, up, open, connections, failed }), .refused; or nil, \"in use\"");

pub(crate) static CACHE_SERVER: Func = func(
    "host:cache_server",
    "Keeps values in memory by key, for a time or until there is no room; who was not used for longest goes first. Speaks RESP, as Redis does, and has one thread.",
)
.opts(&[&[
    Opt::new("port", Kind::Port, "6379", "where it listens"),
    Opt::new("memory", Kind::Size, "no limit", "bytes of keys and values, with 64 for each pair"),
    Opt::new("entries", COUNT, "no limit", "how many keys"),
    Opt::new("evict", Kind::Bool, "true", "without room old keys go; false: new ones are refused"),
    Opt::new("work", Kind::Time, "0", "processor time of a command"),
    SEND_TIMEOUT,
    Opt::new("backlog", COUNT, "511", "connections that may wait to be accepted"),
    NAME,
]])
.gives("cache_server: .hits .misses .hit_ratio .evictions .expired .entries .bytes .faults, :clear(), :stop(); or nil, \"in use\"");
pub(crate) static CACHE_CLIENT: Func = func(
    "host:cache_client",
    "Asks a cache server, on connections that stay open: client:get(key), :set(key, value, { ttl = \"60s\" }), :delete, :increment, :expire, :command(\"PING\").",
)
.with(&[need("to", Kind::Peer), may("port", Kind::Port)])
.opts(&[&[Opt::new("connections", COUNT, "8", "most connections; further requests wait"), ANSWER_WITHIN], SERVICE_TCP])
.gives("cache_client: .requests .hits .misses .failed");
pub(crate) static CACHE_CLEAR: Func = func("cache_server:clear", "Forgets all keys.");
pub(crate) static CACHE_STOP: Func = func("cache_server:stop", STOPS);
pub(crate) static CACHE_GET: Func = func("cache_client:get", "The value of a key.")
    .with(&[need("key", Kind::Data)])
    .blocking()
    .gives("text; nil when there is none; or nil, error");
pub(crate) static CACHE_SET: Func = func("cache_client:set", "Writes a value, of at most 16 MiB.")
    .with(&[need("key", Kind::Data), need("value", Kind::Data)])
    .opts(&[&[Opt::new("ttl", Kind::Time, "for ever", "how long it is kept; whole milliseconds")]])
    .blocking()
    .gives("true; or nil, error");
pub(crate) static CACHE_DELETE: Func = func("cache_client:delete", "Takes a key out.")
    .with(&[need("key", Kind::Data)])
    .blocking()
    .gives("whether it was there; or nil, error");
pub(crate) static CACHE_INCREMENT: Func =
    func("cache_client:increment", "Adds to a number, which begins as 0.")
        .with(&[need("key", Kind::Data), may("by", Kind::Int(i64::MIN, i64::MAX))])
        .blocking()
        .gives("the sum; or nil, error");
pub(crate) static CACHE_EXPIRE: Func =
    func("cache_client:expire", "Says how long a key is kept from now on.")
        .with(&[need("key", Kind::Data), need("ttl", Kind::Time)])
        .blocking()
        .gives("whether it was there; or nil, error");
pub(crate) static CACHE_COMMAND: Func = func(
    "cache_client:command",
    "Any command: client:command(\"MGET\", \"a\", \"b\"); a list as reply has false where there is nothing.",
)
.with(&[need("name", Kind::Text)])
.more()
.blocking()
.gives("the reply; or nil, error");
pub(crate) static CACHE_CLOSE: Func = func("cache_client:close", "Closes the connections.");

pub(crate) static QUEUE_SERVER: Func = func(
    "host:queue_server",
    "Keeps tasks until workers have done them: a worker reserves a task, and deletes it when it is done. If it is too slow, dies or gives the task back, another worker gets it. Speaks the protocol of beanstalkd.",
)
.opts(&[&[
    Opt::new("port", Kind::Port, "11300", "where it listens"),
    Opt::new("durable", Kind::Bool, "true", "tasks are on disk: after a crash they are still there; false: they are lost, and counted"),
    Opt::new("sync", Kind::Time, "0", "how long it takes to write to the disk, one after the other, before a task is acknowledged"),
    Opt::new("capacity", COUNT, "no limit", "tasks; further ones are refused"),
    SEND_TIMEOUT,
    Opt::new("work", Kind::Time, "0", "processor time of a command"),
    Opt::new("backlog", COUNT, "1024", "connections that may wait to be accepted"),
    NAME,
]])
.gives("queue_server: .put .reserved .done .released .timeouts .orphaned .redelivered .lost .waiting .working .mean_waiting .mean_present .mean_wait .faults, :stop(); or nil, \"in use\"");
pub(crate) static QUEUE_CLIENT: Func = func(
    "host:queue_client",
    "Puts tasks into a queue server: client:put(text).",
)
.with(&[need("to", Kind::Peer), may("port", Kind::Port)])
.opts(&[&[
    Opt::new("connections", COUNT, "8", "most connections; further requests wait"),
    Opt::new("visibility", Kind::Time, "60s", "how long a worker may take before another one gets the task"),
    Opt::new("tries", COUNT, "1", "how often a task is put that is not acknowledged, after 0.1 s, 0.2 s ... 5 s; it may then be there twice"),
    ANSWER_WITHIN,
], SERVICE_TCP])
.gives("queue_client: .put_ok .failed");
pub(crate) static QUEUE_WORKERS: Func = func(
    "host:queue_workers",
    "Processes that take tasks from a queue server, one each at a time. A task is done when handler(task) returns; with false it is given back.",
)
.opts(&[&[
    Opt::new("from", Kind::Any, "required", "the queue server's host"),
    Opt::new("handler", Kind::Function, "required", "what is done with a task: function(task); task.body is its text, task.id its number"),
    Opt::new("port", Kind::Port, "11300", "the queue server's port"),
    Opt::new("workers", COUNT, "1", "how many"),
    Opt::new("poll", Kind::Time, "for ever", "how long a worker waits for a task before it asks again"),
    Opt::new("timeout", Kind::Time, "5s", "how long the server may take to answer when a task is done"),
    Opt::new("name", Kind::Text, "made from the host", "what the processes are called"),
    Opt::new("log", Kind::Bool, "false", "each task becomes a row of tasks.csv"),
]])
.gives("queue_workers: .done .given_back .late .active .reconnects, :stop()");
pub(crate) static QUEUE_PUT: Func =
    func("queue_client:put", "Puts a task; it is acknowledged when this returns its number.")
        .with(&[need("task", Kind::Data)])
        .opts(&[&[
            Opt::new("delay", Kind::Time, "0", "how long no worker gets it"),
            Opt::new("priority", Kind::Int(0, 4_294_967_295), "100", "the smallest goes first"),
            Opt::new("visibility", Kind::Time, "that of the client", "how long a worker may take"),
        ]])
        .blocking()
        .gives("number; or nil, error");
pub(crate) static QUEUE_CLOSE: Func = func("queue_client:close", "Closes the connections.");
pub(crate) static QUEUE_STOP: Func = func("queue_server:stop", STOPS);
pub(crate) static WORKERS_STOP: Func = func("queue_workers:stop", "Takes no further task.");
pub(crate) static TASK_DONE: Func = func("task:done", "Says that it is done, before the handler returns.")
    .blocking()
    .gives("true; or nil, error");
pub(crate) static TASK_RELEASE: Func = func("task:release", "Gives it back.")
    .opts(&[&[
        Opt::new("delay", Kind::Time, "0", "how long no worker gets it"),
        Opt::new("priority", Kind::Int(0, 4_294_967_295), "100", "the smallest goes first"),
    ]])
    .blocking()
    .gives("true; or nil, error");
pub(crate) static TASK_BURY: Func =
    func("task:bury", "Puts it aside: nobody gets it any more.").blocking().gives("true; or nil, error");
pub(crate) static TASK_TOUCH: Func = func("task:touch", "Asks for more time: it counts from now on again.")
    .blocking()
    .gives("true; or nil, error");

pub(crate) static DATABASE_SERVER: Func = func(
    "host:database_server",
    "Answers queries, each on a core of the host, for at most so many connections. The messages are those of PostgreSQL; what a query means is the script's.",
)
.opts(&[&[
    Opt::new("port", Kind::Port, "5432", "where it listens"),
    Opt::new("service", Kind::Any, "0", "processor time of a query: a time, or { \"exponential\", mean = \"12ms\" }"),
    Opt::new("answer", Kind::Any, "empty", "what every query gives: a text, or a size such as \"4KiB\""),
    Opt::new("handler", Kind::Function, "none", "what a query gives: function(text), returning a text or a size, or nil and an error; it may wait"),
    Opt::new("connections", COUNT, "100", "most connections; further ones are refused"),
    SEND_TIMEOUT,
    Opt::new("backlog", COUNT, "128", "connections that may wait to be accepted"),
    NAME,
]])
.gives("database_server: .queries .failed .refused .open .most_open .active .waited .faults, :stop(); or nil, \"in use\"");
pub(crate) static DATABASE_CLIENT: Func = func(
    "host:database_client",
    "Asks a database, on a pool of connections that stay open: client:query(text). While all are in use, queries wait.",
)
.with(&[need("to", Kind::Peer), may("port", Kind::Port)])
.opts(&[&[
    Opt::new("pool", COUNT, "10", "most connections"),
    Opt::new("pool_timeout", Kind::Time, "for ever", "how long a query waits for a connection, before \"pool exhausted\""),
    ANSWER_WITHIN,
], SERVICE_TCP])
.gives("database_client: .queries .failed .exhausted .had_to_wait .waited .most_used");
pub(crate) static DATABASE_QUERY: Func = func("database_client:query", "Asks for something.")
    .with(&[need("text", Kind::Text)])
    .opts(&[&[Opt::new("timeout", Kind::Time, "that of the client", "how long it may take")]])
    .blocking()
    .gives("{ body, size, total, wait }, wait being that for a connection; or nil, error");
pub(crate) static DATABASE_CLOSE: Func = func("database_client:close", "Closes the connections.");
pub(crate) static DATABASE_STOP: Func = func("database_server:stop", STOPS);

const CHAIN: &[Opt] = &[
    Opt::new("name", Kind::Text, "none", "the beginning of all names, where there are several chains"),
    Opt::new("fronts", COUNT, "1", "front servers: front1 ..."),
    Opt::new("apps", COUNT, "2", "application servers: app1 ..."),
    Opt::new("workers", COUNT, "4", "workers of each application server"),
    Opt::new(
        "worker",
        Kind::Choice(&["sync", "threads", "async", "cgi"]),
        "\"sync\"",
        "what a worker is, as host:http_server",
    ),
    Opt::new("threads", COUNT, "8", "of each worker, with worker = \"threads\""),
    Opt::new("app_cores", COUNT, "workers", "processor cores of each application server"),
    Opt::new("app_memory", Kind::Size, "no limit", "memory of each application server"),
    Opt::new("worker_memory", Kind::Size, "0", "memory of each worker"),
    Opt::new("backlog", COUNT, "1024", "connections that wait for a worker of an application server"),
    Opt::new("front_work", Kind::Time, "50us", "processor time of a request at a front server"),
    Opt::new(
        "middleware_work",
        Kind::Any,
        "200us",
        "processor time of each of the two layers before the page: a time, or { \"exponential\", mean = }",
    ),
    Opt::new("app_work", Kind::Any, "exponential, 5ms", "processor time of a page"),
    Opt::new("db_work", Kind::Any, "exponential, 10ms", "processor time of a query"),
    Opt::new("task_work", Kind::Any, "exponential, 50ms", "processor time of a task"),
    Opt::new("middleware", Kind::Table, "session, log", "functions (req, next), as host:http_server"),
    Opt::new("task_share", Kind::Probability, "10%", "requests that leave a task behind"),
    Opt::new("hands", COUNT, "2", "workers for tasks, and their cores"),
    Opt::new("db_cores", COUNT, "2", "processor cores of the database"),
    Opt::new("pool", COUNT, "workers", "connections of each application server to the database"),
    Opt::new("cache_entries", COUNT, "200", "keys that the cache keeps"),
    Opt::new("ttl", Kind::Time, "60s", "for how long"),
    Opt::new("keys", COUNT, "1000", "different pages behind \"/\""),
    Opt::new("skew", Kind::Number, "1", "of Zipf's law, by which they are asked for"),
    Opt::new("row", Kind::Size, "1000", "what the database gives"),
    Opt::new("page", Kind::Size, "16KiB", "what the user gets"),
    Opt::new("pages", Kind::Table, "{ [\"/logo.png\"] = \"20kB\" }", "static pages of the front servers"),
    Opt::new(
        "policy",
        Kind::Choice(&["round_robin", "least_connections", "random", "hash"]),
        "\"least_connections\"",
        "which application server gets the next request",
    ),
    Opt::new("buffering", Kind::Bool, "true", "of the front servers"),
    Opt::new("timeout", Kind::Time, "10s", "how long an application server may take"),
    Opt::new(
        "health",
        Kind::Options(&[super::web::HEALTH]),
        "none",
        "of the balancer of connections, as host:tcp_proxy",
    ),
    Opt::new("access", Kind::Table, "1 Gbit/s, 10 ms", "the link of the users"),
    Opt::new("lan", Kind::Table, "10 Gbit/s, 20 us", "the links of the servers"),
];
pub(crate) static WEB_CHAIN: Func = func(
    "net:web_chain",
    "A whole chain: users - balancer of connections - front servers - application servers with middleware and workers - cache, database, queue and workers for tasks.",
)
.opts(&[CHAIN])
.gives("{ url, users, balancer, fronts, apps, cache, db, broker, hands, proxy, front_servers, servers, store, base, queue, workers }");

pub(crate) static TRACE: Func = func(
    "net:trace",
    "Writes down what each tier did for a request, as rows of spans.csv. A request's own times sum to its response time exactly, in picoseconds. Requests carry a header, Traceparent.",
)
.opts(&[&[
    Opt::new("every", COUNT, "1", "looks at one request of so many"),
    Opt::new("rows", Kind::Int(0, i64::MAX), "100000", "most rows of spans.csv; sums go on"),
]])
.gives("tracer: .requests, :tiers(), :on(\"request\", fn), :span(name, fn), :add(tier, kind, from, to), :stop()");
pub(crate) static TRACER_TIERS: Func = func(
    "tracer:tiers",
    "What each tier had of the response times, all requests together.",
)
.gives(
    "list of { tier, kind, spans, mean, share, cpu, cpu_wait }, mean, cpu and cpu_wait in s for a request",
);
pub(crate) static TRACER_ON: Func = func(
    "tracer:on",
    "Calls fn(spans, total_ps) for each request that is over: a list of the rows of spans.csv.",
)
.with(&[need("event", Kind::Choice(&["request"])), need("fn", Kind::Function)])
.gives("the tracer");
pub(crate) static TRACER_SPAN: Func = func("tracer:span", "Runs fn(...) as a span of its own.")
    .with(&[need("name", Kind::Text), need("fn", Kind::Function)])
    .more()
    .blocking()
    .gives("what fn gives");
pub(crate) static TRACER_ADD: Func =
    func("tracer:add", "A span that is over, of what the running process does for a request.").with(&[
        need("tier", Kind::Text),
        need("kind", Kind::Text),
        need("from", Kind::Time),
        need("to", Kind::Time),
    ]);
pub(crate) static TRACER_STOP: Func = func("tracer:stop", "Looks at no further request.");

pub(crate) const BALANCER_FIELDS: Fields = Fields {
    of: "http_balancer",
    doc: "A front server; it also has the fields of its http_server.",
    all: &[
        f("backends", "list", "{ name, up, open, connections, failed }"),
        f("refused", "count", "requests for which nobody was there"),
    ],
};
pub(crate) const CACHE_SERVER_FIELDS: Fields = Fields {
    of: "cache_server",
    doc: "A store of values in memory.",
    all: &[
        f("hits", "count", "keys that were asked for and there"),
        f("misses", "count", "keys that were asked for and not there"),
        f("hit_ratio", "0 to 1", "hits of all"),
        f("sets", "count", "values written"),
        f("evictions", "count", "keys that had to make room"),
        f("expired", "count", "keys whose time was over when somebody asked"),
        f("commands", "count", "of any kind"),
        f("entries", "count", "keys now"),
        f("bytes", "bytes", "of keys and values now, with 64 for each pair"),
        f("faults", "table", "what went wrong, by cause: faults[\"bad message\"]"),
        f("connections", "count", "accepted"),
        f("port", "port", "where it listens"),
        f("name", "text", "what results call it"),
    ],
};
pub(crate) const CACHE_CLIENT_FIELDS: Fields = Fields {
    of: "cache_client",
    doc: "Who asks a cache server.",
    all: &[
        f("requests", "count", "made"),
        f("hits", "count", "answers of :get with a value"),
        f("misses", "count", "answers of :get without"),
        f("failed", "count", "requests without an answer"),
    ],
};
pub(crate) const QUEUE_SERVER_FIELDS: Fields = Fields {
    of: "queue_server",
    doc: "A queue of tasks. put = done + waiting + working + delayed + lost, at any time.",
    all: &[
        f("put", "count", "tasks taken in"),
        f("refused", "count", "tasks for which there was no room"),
        f("reserved", "count", "times that a worker got a task"),
        f("done", "count", "tasks done"),
        f("released", "count", "times that a worker gave a task back"),
        f("timeouts", "count", "times that a worker was too slow"),
        f("orphaned", "count", "tasks whose worker's connection ended, or whose server died"),
        f("redelivered", "count", "times that a worker got a task that another one had had"),
        f("not_found", "count", "answers to workers who were too late"),
        f("buried", "count", "times that a task was put aside"),
        f("lost", "count", "tasks that were gone after a crash"),
        f("waiting", "count", "tasks that wait for a worker now"),
        f("working", "count", "tasks that workers have now"),
        f("delayed", "count", "tasks that nobody gets now: delayed or put aside"),
        f("mean_waiting", "count", "mean over time of those that wait, since the end of the warm-up"),
        f("mean_present", "count", "of those that wait or are worked on"),
        f("mean_wait", "s", "mean wait of a task for its first worker"),
        f("connections", "count", "accepted"),
        f("bad_commands", "count", "that were not understood"),
        f("faults", "table", "what went wrong, by cause: faults[\"bad message\"]"),
        f("durable", "true or false", "whether tasks survive a crash"),
        f("port", "port", "where it listens"),
        f("name", "text", "what results call it"),
    ],
};
pub(crate) const QUEUE_CLIENT_FIELDS: Fields = Fields {
    of: "queue_client",
    doc: "Who puts tasks into a queue.",
    all: &[f("put_ok", "count", "tasks that were acknowledged"), f("failed", "count", "tasks that were not")],
};
pub(crate) const QUEUE_WORKERS_FIELDS: Fields = Fields {
    of: "queue_workers",
    doc: "Who works tasks off.",
    all: &[
        f("done", "count", "tasks done"),
        f("given_back", "count", "tasks given back"),
        f("late", "count", "tasks done when they were somebody else's already, or the server was gone"),
        f("active", "count", "tasks in hand now"),
        f("reconnects", "count", "times that the server could not be reached"),
    ],
};
pub(crate) const TASK_FIELDS: Fields = Fields {
    of: "task",
    doc: "A task in the hand of a worker.",
    all: &[f("id", "count", "its number"), f("body", "text", "what is to be done")],
};
pub(crate) const DATABASE_SERVER_FIELDS: Fields = Fields {
    of: "database_server",
    doc: "A database.",
    all: &[
        f("queries", "count", "answered"),
        f("failed", "count", "of these with an error"),
        f("refused", "count", "connections that were one too many"),
        f("connections", "count", "accepted"),
        f("open", "count", "connections now"),
        f("most_open", "count", "most of these at a time"),
        f("active", "count", "queries that are worked on or wait for a core now"),
        f("waited", "s", "that queries waited for a core, with the option service; added up"),
        f("bad_messages", "count", "that were not understood"),
        f("faults", "table", "what went wrong, by cause: faults[\"client does not read\"]"),
        f("port", "port", "where it listens"),
        f("name", "text", "what results call it"),
    ],
};
pub(crate) const DATABASE_CLIENT_FIELDS: Fields = Fields {
    of: "database_client",
    doc: "A pool of connections to a database.",
    all: &[
        f("queries", "count", "made"),
        f("failed", "count", "without an answer, or with an error"),
        f("exhausted", "count", "of these for want of a connection"),
        f("had_to_wait", "count", "queries that waited for a connection"),
        f("waited", "s", "that they waited, added up"),
        f("most_used", "count", "most connections in use at a time"),
    ],
};
pub(crate) const TRACER_FIELDS: Fields = Fields {
    of: "tracer",
    doc: "What writes spans down.",
    all: &[f("requests", "count", "that were looked at"), f("rows", "count", "of spans.csv")],
};

pub(crate) const ALL: &[&Func] = &[
    &HTTP_BALANCER,
    &CACHE_SERVER,
    &CACHE_CLEAR,
    &CACHE_STOP,
    &CACHE_CLIENT,
    &CACHE_GET,
    &CACHE_SET,
    &CACHE_DELETE,
    &CACHE_INCREMENT,
    &CACHE_EXPIRE,
    &CACHE_COMMAND,
    &CACHE_CLOSE,
    &QUEUE_SERVER,
    &QUEUE_STOP,
    &QUEUE_CLIENT,
    &QUEUE_PUT,
    &QUEUE_CLOSE,
    &QUEUE_WORKERS,
    &WORKERS_STOP,
    &TASK_DONE,
    &TASK_RELEASE,
    &TASK_BURY,
    &TASK_TOUCH,
    &DATABASE_SERVER,
    &WEB_CHAIN,
    &DATABASE_STOP,
    &DATABASE_CLIENT,
    &DATABASE_QUERY,
    &DATABASE_CLOSE,
    &TRACE,
    &TRACER_TIERS,
    &TRACER_ON,
    &TRACER_SPAN,
    &TRACER_ADD,
    &TRACER_STOP,
];
