//! Browsers, caching proxies, films.

use super::fields::{Fields, f};
use super::{COUNT, Func, Kind, Opt, func, may, need, tcp::SERVICE_TCP};

const VERSIONS: &[&str] = &["1.0", "1.1", "2"];

pub(crate) static HTML: Func =
    func("html", "A page that names styles (.css), scripts (.js), frames (.html) and pictures (all others).")
        .with(&[need("objects", Kind::Table)])
        .opts(&[&[
            Opt::new("size", Kind::Size, "as short as can be", "how long the text is"),
            Opt::new("title", Kind::Text, "\"page\"", "its title"),
        ]])
        .gives("text");
pub(crate) static BROWSER: Func = func(
    "host:browser",
    "Loads pages with all that they name, over several connections, with a cache and cookies: browser:open(url).",
)
.opts(&[
    &[
        Opt::new("http", Kind::Choice(VERSIONS), "\"1.1\"", "the version that is spoken; \"2\": one connection for each server"),
        Opt::new("connections", COUNT, "6", "most connections to one server"),
        Opt::new("keepalive", Kind::Bool, "true", "connections are used again"),
        Opt::new("cache", Kind::Bool, "true", "keeps what may be kept (RFC 9111)"),
        Opt::new("cache_size", Kind::Size, "256MiB", "how much of it"),
        Opt::new("cookies", Kind::Bool, "true", "keeps cookies"),
        Opt::new("dns_cache", Kind::Patience(0, 86_400_000_000), "60s", "how long it keeps names itself at most, also that there is none; false: it asks its host each time"),
        Opt::new("parse", Kind::Time, "0", "processor time for a kilobyte of a page or a style"),
        Opt::new("timeout", Kind::Time, "60s without a byte of it", "how long an object may take"),
        super::web::PROXY,
        super::web::PROXY_PORT,
        Opt::new("keep", Kind::Size, "4MiB", "longer bodies are counted, but not kept as text"),
        Opt::new("tls", Kind::Options(super::tls::CLIENT_END), "1.3, tickets are used", "for https, as with host:http_get"),
    ],
    SERVICE_TCP,
])
.gives("browser: .pages .requests .hits .revalidated .bytes .connections .client .dns_queries .dns_hits .faults, :open(url), :clear_cache(), :restart(), :close()");
pub(crate) static OPEN: Func = func("browser:open", "Loads a page, what it names, and what its styles name.")
    .with(&[need("url", Kind::Url)])
    .opts(&[&[
        Opt::new("reload", Kind::Bool, "false", "asks whether what is kept still holds, even if it is fresh"),
        Opt::new("timeout", Kind::Time, "that of the browser", "how long an object may take"),
    ]])
    .blocking()
    .gives("page: .status .load .first_paint .bytes .requests .failed .objects, :waterfall(), :record(), :draw(file), :svg(); or nil, error");
pub(crate) static CLEAR: Func = func("browser:clear_cache", "Forgets pages, objects and names.");
pub(crate) static RESTART: Func = func(
    "browser:restart",
    "Closed and opened again: connections, session cookies and names are gone, the cache stays.",
);
pub(crate) static CLOSE: Func = func("browser:close", "Closes the connections that are open.");
pub(crate) static WATERFALL: Func =
    func("page:waterfall", "The objects of a page as bars in the order of time: = over the network, - still valid, . from the cache.")
        .gives("text");
pub(crate) static RECORD: Func =
    func("page:record", "A row of waterfall.csv for each object: where its time went.")
        .with(&[may("table", Kind::Text)]);
pub(crate) static SVG: Func = func("page:svg", "The waterfall as a picture in SVG.").gives("text");
pub(crate) static DRAW: Func = func("page:draw", "Saves the waterfall among the results, in drawings/.")
    .with(&[may("file", Kind::Text)]);

pub(crate) static HTTP_CACHE: Func = func(
    "host:http_cache",
    "A caching proxy (RFC 9111), which minds Vary, private and Authorization: before an origin, as an edge of a CDN, or for clients, as that of an institution. Many who miss the same at once are one question to the origin. Answers say in X-Cache what happened.",
)
.opts(&[
    &[
        Opt::new("origin", Kind::Peer, "none", "whose pages they are; without, it is a proxy for clients that name it (proxy = ...)"),
        Opt::new("origin_port", Kind::Port, "80", "its port"),
        Opt::new("size", Kind::Size, "1GB", "bytes of bodies; what was not used for the longest time goes first"),
        Opt::new("ttl", Kind::Time, "0: asked for again", "how long answers are kept that do not say it themselves"),
        Opt::new("stale_if_error", Kind::Bool, "false", "gives what is old when the origin does not answer"),
        Opt::new("connections", COUNT, "1000", "most connections to the origin"),
        Opt::new("port", Kind::Port, "80; with tls 443", "where it listens"),
        Opt::new("http", Kind::Choice(VERSIONS), "\"1.1\"", "the latest version that it speaks to clients"),
        Opt::new("tls", Kind::Any, "none", "speaks HTTPS to clients, as host:http_server"),
        Opt::new("keepalive", Kind::Patience(0, 86_400_000_000), "5s", "how long connections of clients stay open"),
        Opt::new("timeout", Kind::Time, "30s", "how long the origin may take"),
        Opt::new("backlog", COUNT, "128", "connections that may wait to be accepted"),
    ],
    SERVICE_TCP,
])
.gives("http_cache: .requests .hits .misses .revalidated .joined .bytes_from_origin .bytes_saved, :hit_ratio(), :purge(path), :stop(); or nil, \"in use\"");
pub(crate) static HIT_RATIO: Func =
    func("http_cache:hit_ratio", "Requests answered from what was kept, as a part of all.").gives("0 to 1");
pub(crate) static PURGE: Func =
    func("http_cache:purge", "Forgets a path, or everything.").with(&[may("path", Kind::Text)]);

pub(crate) static PLAY: Func = func(
    "host:play",
    "Plays a film over HTTP while it loads, piece by piece with ranges; waits until it has been seen. With whole it must be there first.",
)
.with(&[need("url", Kind::Url)])
.opts(&[
    &[
        Opt::new("rate", Kind::Rate, "required", "of the film: so many bits of it are a second"),
        Opt::new("piece", Kind::Size, "1MB", "bytes of a request"),
        Opt::new("buffer", Kind::Time, "2s", "film that must be there before it begins; it comes in whole pieces, so a small piece begins sooner"),
        Opt::new("rebuffer", Kind::Time, "the same", "and after a stall"),
        Opt::new("ahead", Kind::Patience(0, 86_400_000_000), "30s", "film beyond which nothing is asked for; false: no limit"),
        Opt::new("whole", Kind::Bool, "false", "begins when all of it is there"),
        Opt::new("watch", Kind::Bool, "true", "waits until the end of the film, not only of the download"),
        Opt::new("timeout", Kind::Time, "60s without a byte of it", "how long a piece may take"),
        Opt::new("http", Kind::Choice(VERSIONS), "\"1.1\"", "the version that is spoken"),
        Opt::new("tls", Kind::Options(super::tls::CLIENT_END), "1.3, tickets are used", "for https, as with host:http_get"),
        Opt::new("name", Kind::Text, "\"buffer_s\"", "the series of how much film is there"),
    ],
    SERVICE_TCP,
])
.blocking()
.gives("playback: .startup .stalls .stalled .download .length .size .requests .total; or nil, error, playback");

/// What can be read off these.
pub(crate) const BROWSER_FIELDS: Fields = Fields {
    of: "browser",
    doc: "A browser.",
    all: &[
        f("pages", "count", "opened"),
        f("requests", "count", "that went over the network"),
        f("hits", "count", "objects that were fresh in the cache"),
        f("revalidated", "count", "objects of the cache that still held (304)"),
        f("bytes", "bytes", "of bodies that came"),
        f("connections", "count", "opened"),
        f("dns_queries", "count", "names that it needed"),
        f("dns_hits", "count", "of these it knew itself; the host was not asked"),
        f("faults", "table", "objects that failed, by cause"),
        f("client", "", "its HTTP client: requests of scripts in a page"),
    ],
};
pub(crate) const PAGE_FIELDS: Fields = Fields {
    of: "page",
    doc: "A page that was loaded.",
    all: &[
        f("status", "", "of the page itself"),
        f("load", "s", "until the last object was there"),
        f("first_paint", "s", "until the page, its styles and its scripts were there"),
        f("bytes", "bytes", "of bodies that came"),
        f("requests", "count", "that went over the network"),
        f("connections", "count", "opened for it"),
        f("failed", "count", "objects without an answer or with a status from 400 on"),
        f(
            "objects",
            "list",
            "{ url, kind, status, from, begun, dns, connect, tls, wait, receive, total, size, reused }",
        ),
    ],
};
pub(crate) const CACHE_FIELDS: Fields = Fields {
    of: "http_cache",
    doc: "A caching proxy.",
    all: &[
        f("requests", "count", "of clients"),
        f("hits", "count", "answered from what was kept"),
        f("misses", "count", "fetched from the origin"),
        f("revalidated", "count", "kept, and the origin said that they still held"),
        f("joined", "count", "waited for an answer that another one had asked for"),
        f("stale", "count", "answered with what was old, because the origin was silent"),
        f("passed", "count", "requests that are not for a cache, such as POST"),
        f("origin_requests", "count", "asked of the origin"),
        f("bytes_from_origin", "bytes", "of bodies"),
        f("bytes_saved", "bytes", "of bodies that did not have to come"),
        f("faults", "table", "what went wrong, by cause"),
    ],
};
pub(crate) const PLAYBACK_FIELDS: Fields = Fields {
    of: "playback",
    doc: "A film that was played.",
    all: &[
        f("startup", "s", "until it began"),
        f("stalls", "count", "how often it stood still"),
        f("stalled", "s", "for how long in all"),
        f("first_stall", "s", "from the beginning to the first of these; nil without"),
        f("download", "s", "until all of it was there"),
        f("length", "s", "of the film"),
        f("size", "bytes", "of the film"),
        f("requests", "count", "pieces"),
        f("total", "s", "from the beginning to the end of the film"),
    ],
};

pub(crate) const ALL: &[&Func] = &[
    &HTML,
    &BROWSER,
    &OPEN,
    &CLEAR,
    &RESTART,
    &CLOSE,
    &WATERFALL,
    &RECORD,
    &SVG,
    &DRAW,
    &HTTP_CACHE,
    &HIT_RATIO,
    &PURGE,
    &PLAY,
];
