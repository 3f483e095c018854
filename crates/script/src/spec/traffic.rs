//! Traffic of many hosts: flows by chance, questions and answers, incast.

use super::fields::{Fields, f};
use super::host::TO;
use super::{COUNT, Func, Kind, Opt, TIMEOUT, func, may, tcp::SERVICE_TCP};

const SIZES: &str = "a size; \"web_search\", \"data_mining\", \"cache\", \"cache_keys\" (published distributions); { \"exponential\", mean = }, { \"pareto\", mean = | min =, shape =, max = }, { \"lognormal\", mean =, sigma = }; { \"cdf\", { {size, probability}, .. } } or { \"cdf\", file = }";

const COMMON: &[Opt] = &[
    Opt::new("start", Kind::Time, "0", "when it begins"),
    Opt::new("stop", Kind::Time, "never", "from when on nothing more is begun"),
    Opt::new("port", Kind::Port, "of its own, from 7000", "where the servers listen"),
    Opt::new("name", Kind::Text, "made from the kind", "its name in results, and of its random numbers"),
    Opt::new(
        "classes",
        Kind::Any,
        "{ \"100kB\", \"10MB\" }",
        "sizes at which classes of sizes end, in rising order",
    ),
];

pub(crate) static NET_TRAFFIC: Func = func(
    "net:traffic",
    "Flows between many hosts, over TCP: when, from whom to whom, how large; with response, questions and answers. Its figures are of what begins after the warm-up.",
)
.opts(&[
    &[
        Opt::new("hosts", Kind::Nodes, "this, or from and to", "who sends to each other"),
        Opt::new("from", Kind::Nodes, "the hosts", "who opens connections"),
        Opt::new("to", Kind::Nodes, "the hosts", "who accepts them"),
        Opt::new("size", Kind::Any, "required", SIZES),
        Opt::new("response", Kind::Any, "none", "the same, of what comes back once everything has arrived"),
        Opt::new(
            "pattern",
            Kind::Choice(&["all_to_all", "permutation", "everyone"]),
            "\"all_to_all\"",
            "each flow to someone by chance; to a partner that is always the same and nobody else's; to everyone at once",
        ),
        Opt::new("fan", COUNT, "1", "with all_to_all: so many at once, all different; the next waits for all"),
        Opt::new(
            "load",
            Kind::Share,
            "this, rate or think",
            "share of each sender's link, or of link, that is to be used, of the way that is used more: \"60%\" or 0.6; headers, handshakes and acknowledgments count",
        ),
        Opt::new("of", Kind::Rate, "the sender's first link", "what load is a share of"),
        Opt::new("link", Kind::Any, "none", "a link, or a direction of it: load is the share of it that all senders together use"),
        Opt::new("rate", Kind::Number, "this, load or think", "begun per second, by all together"),
        Opt::new(
            "think",
            Kind::Time,
            "this, load or rate",
            "each sender goes on so long after its last is over: the mean of an exponential time",
        ),
        Opt::new("arrivals", Kind::Choice(&["poisson", "constant"]), "\"poisson\"", "with load or rate: how they are spaced"),
        Opt::new("count", COUNT, "no limit", "how many are begun in all; with everyone or fan, each time counts one"),
        Opt::new("keepalive", Kind::Bool, "false", "two hosts use one connection again and again; nodelay is then true unless given"),
    ],
    COMMON,
    SERVICE_TCP,
])
.gives("traffic");

pub(crate) static NET_INCAST: Func = func(
    "net:incast",
    "One host asks many at once for a part each, waits for the last byte of all, and asks again: the barrier of partition and aggregate.",
)
.opts(&[
    &[
        Opt::new("to", Kind::Host, "required", "who asks, and gets the answers"),
        Opt::new("from", Kind::Nodes, "required", "who answers"),
        Opt::new("block", Kind::Size, "this or each", "what all answers of a round are together"),
        Opt::new("each", Kind::Size, "this or block", "what each answer is"),
        Opt::new("request", Kind::Size, "100", "what each is asked with"),
        Opt::new("rounds", COUNT, "1", "how often"),
        Opt::new("pause", Kind::Time, "0", "mean of the exponential time between two rounds"),
        Opt::new("fresh", Kind::Bool, "false", "each round opens connections of its own"),
    ],
    COMMON,
    SERVICE_TCP,
])
.gives("traffic");

pub(crate) static WAIT: Func =
    func("traffic:wait", "Waits until nothing is under way and nothing more will begin. What a host that crashes has under way has failed (\"cancelled\"), at both ends; it begins nothing until it boots, and its servers listen again then.")
        .opts(&[TIMEOUT])
        .blocking()
        .gives("true; or nil, \"timeout\", or \"host is down\" when whoever is to ask next has crashed");
pub(crate) static STOP: Func = func("traffic:stop", "Begins nothing more.");
pub(crate) static SUMMARY: Func = func(
    "traffic:summary",
    "Completion times and slowdowns (over the least possible) by size: of all, then of each class.",
)
.gives("list of { class, flows, bytes, mean_ms, p50_ms, p95_ms, p99_ms, max_ms, slowdown_mean, slowdown_p50, slowdown_p95, slowdown_p99 }, printable");
pub(crate) static ROWS: Func =
    func("traffic:rows", "Every flow or exchange, in the order in which they began.")
        .gives("list of { from, to, bytes, response, start, fct, ideal, slowdown, error }");
pub(crate) static ROUNDS: Func =
    func("traffic:rounds", "Of those that were begun together: when, how long until the last was done.")
        .gives("list of { start, time, bytes, failed }; time is nil while it is not over");
pub(crate) static SAVE: Func = func(
    "traffic:save",
    "Adds rows to tables of the results: fct.csv has a row for each class, transfers.csv one for each flow.",
)
.with(&[may("what", Kind::Choice(&["classes", "all"]))])
.gives("the traffic");

pub(crate) static EMODEL: Func = func(
    "emodel",
    "Quality of a telephone call by the E-model (ITU-T G.107): rating R and mean opinion score.",
)
.opts(&[&[
    Opt::new("codec", Kind::Choice(CODECS), "\"g711\"", "how speech is coded"),
    Opt::new("delay", Kind::Time, "0", "from mouth to ear"),
    Opt::new("loss", Kind::Share, "0", "share of frames that are not played"),
    Opt::new("burst", Kind::Number, "1", "mean length of bursts of losses, over that of random ones; counts for the first 2 % of losses, the others count as random"),
    Opt::new(
        "echo",
        Kind::Number,
        "65",
        "talker echo loudness rating, in dB; higher for better echo cancelling",
    ),
    Opt::new(
        "advantage",
        Kind::Number,
        "0",
        "what users forgive: 5 within buildings, 10 in vehicles, 20 in remote places",
    ),
]])
.gives("{ r, mos, ro, is, id, ie_eff }");

const DSCP: &[Opt] =
    &[Opt::new("dscp", Kind::Dscp, "0", "class of service asked of queues that tell classes apart")];

pub(crate) static VOICE: Func = func(
    "host:voice",
    "One direction of a telephone call: frames of a codec over RTP and UDP, a playout buffer where they arrive, and its quality by the E-model.",
)
.opts(&[
    TO,
    &[
        Opt::new("codec", Kind::Choice(CODECS), "\"g711\"", "how speech is coded"),
        Opt::new(
            "buffer",
            Kind::Any,
            "\"60ms\"",
            "the jitter buffer: how long the first frame waits before it is played, all others follow at their times; or \"adaptive\", which follows the delays at the beginning of each talk spurt: their mean and four deviations, or a packet's time",
        ),
        Opt::new("talk", Kind::Bool, "false", "talk spurts and pauses (means 1.004 s and 1.587 s, ITU-T P.59), not speech all the time"),
        Opt::new("count", COUNT, "no limit", "frames in all"),
    ],
    DSCP,
])
.gives("flow, with .voice .mos .r");
pub(crate) static VIDEO: Func = func(
    "host:video",
    "Video with a variable bit rate over UDP: pictures at regular times, sizes by chance, every so many a larger one.",
)
.opts(&[
    TO,
    &[
        Opt::new("rate", Kind::Rate, "required", "mean payload rate"),
        Opt::new("fps", Kind::Number, "25", "pictures a second"),
        Opt::new("group", COUNT, "12", "pictures of a group, of which the first is larger"),
        Opt::new("key", Kind::Number, "4", "so many times larger"),
        Opt::new("sigma", Kind::Number, "0.3", "deviation of the logarithm of sizes; 0 for none"),
        Opt::new("count", COUNT, "no limit", "pictures in all"),
    ],
    DSCP,
])
.gives("flow");
pub(crate) static GAME: Func = func(
    "host:game",
    "One direction of a game over UDP: a small datagram at every tick; a server's are larger than a player's.",
)
.opts(&[
    TO,
    &[
        Opt::new("tick", Kind::Time, "\"50ms\"", "time between two"),
        Opt::new("size", Kind::Any, "{ \"lognormal\", mean = 80, sigma = 0.2 }", SIZES),
        Opt::new("count", COUNT, "no limit", "ticks in all"),
    ],
    DSCP,
])
.gives("flow");
pub(crate) static REPLAY: Func = func(
    "host:replay",
    "Sends datagrams of the sizes and at the times of a recording: a capture (UDP and TCP payload in pcap or pcapng), or lines of a time in s and a size in bytes.",
)
.opts(&[
    TO,
    &[
        Opt::new("pcap", Kind::Text, "this or csv", "a capture below the script's folder"),
        Opt::new("csv", Kind::Text, "this or pcap", "a table below the script's folder"),
        Opt::new("speed", Kind::Number, "1", "so many times as fast"),
    ],
    DSCP,
])
.gives("flow");

/// Names of codecs.
pub(crate) const CODECS: &[&str] =
    &["g711", "g711_plc", "g726_32", "g728", "g729", "g729a_vad", "g723_1", "gsm_efr"];

/// What can be read off traffic.
pub(crate) const FIELDS: Fields = Fields {
    of: "traffic",
    doc: "Flows between many hosts. A flow is begun after the warm-up or does not count.",
    all: &[
        f("name", "text", "what results call it"),
        f("begun", "count", "flows or exchanges"),
        f("completed", "count", "of which everything has arrived"),
        f("failed", "count", "whose connection failed"),
        f("bytes", "bytes", "of the completed ones, both ways"),
        f("goodput", "bit/s", "of the completed ones, from the first begin to the last end"),
        f("goodput_mbps", "Mbit/s", "the same"),
        f("mean_size", "bytes", "what one brings about on average, by its distributions"),
        f("state", "text", "running or over"),
    ],
};

pub(crate) static ABR_SERVER: Func =
    func("host:abr_server", "Serves video in segments of several qualities over HTTP, for host:abr_player.")
        .opts(&[
            &[
                Opt::new(
                    "ladder",
                    Kind::Texts,
                    "required",
                    "the rate of each quality, rising: { \"300kbps\", \"1Mbps\", \"3Mbps\" }",
                ),
                Opt::new("segment", Kind::Time, "4s", "how much video a segment holds"),
                Opt::new("port", Kind::Port, "80", "where it listens"),
            ],
            SERVICE_TCP,
        ])
        .gives("{ segments, by_quality, http }");
pub(crate) static ABR_PLAYER: Func = func(
    "host:abr_player",
    "Plays video in segments, each in the quality that a rule chooses; counts what viewers suffer.",
)
.opts(&[
    &[
        Opt::new("server", Kind::Peer, "required", "who serves it"),
        Opt::new("port", Kind::Port, "80", "where it listens"),
        Opt::new("ladder", Kind::Texts, "required", "the rate of each quality, as at the server"),
        Opt::new("segment", Kind::Time, "4s", "how much video a segment holds, as at the server"),
        Opt::new("duration", Kind::Time, "120s", "how long the video is"),
        Opt::new("rule", Kind::Any, "\"buffer\"", "\"buffer\" (BBA-0: Huang et al. 2014), \"rate\" (harmonic mean of the last five), \"highest\", \"lowest\", or a function of the player that gives a quality"),
        Opt::new("buffer", Kind::Time, "60s", "most that is loaded ahead"),
        Opt::new("reservoir", Kind::Time, "a tenth of buffer, two segments at least", "rule buffer: the lowest quality below this"),
        Opt::new("cushion", Kind::Time, "to nine tenths of buffer", "rule buffer: the highest quality beyond this above the reservoir"),
        Opt::new("startup", Kind::Time, "a segment", "what must be there before it plays, and plays on after a stall"),
        Opt::new("start", Kind::Time, "0", "when it begins"),
        Opt::new("name", Kind::Text, "made from the host", "what results call it"),
    ],
    SERVICE_TCP,
])
.gives("abr_player");
pub(crate) static ABR_WAIT: Func =
    func("abr_player:wait", "Waits until the video has been played, or has failed.")
        .opts(&[TIMEOUT])
        .blocking()
        .gives("true; or nil, error");

/// What can be read off players.
pub(crate) const PLAYER_FIELDS: Fields = Fields {
    of: "abr_player",
    doc: "A player of video in segments.",
    all: &[
        f("startup_s", "s", "from the first request to the first picture; nil before"),
        f("stalls", "count", "how often the buffer ran dry, up to now"),
        f("stalled_s", "s", "how long it stood still, up to now, start-up not counted"),
        f("switches", "count", "changes of quality"),
        f("mean_kbps", "kbit/s", "mean rate of the qualities that were played; 0 before the end"),
        f("buffer", "s", "what is loaded ahead, now"),
        f("quality", "", "the last that was asked for, from 1"),
        f("throughputs", "list", "what each segment came with, in bit/s"),
        f("qualities", "list", "of each segment"),
        f("history", "list", "{ t, segment, quality, kbps, buffer, throughput } of each segment"),
        f(
            "error",
            "text",
            "why it broke off, if it did: \"timeout\" when nothing came from the server for 60 s; nil otherwise",
        ),
    ],
};

pub(crate) const ALL: &[&Func] = &[
    &NET_TRAFFIC,
    &NET_INCAST,
    &WAIT,
    &STOP,
    &SUMMARY,
    &ROWS,
    &ROUNDS,
    &SAVE,
    &EMODEL,
    &VOICE,
    &VIDEO,
    &GAME,
    &REPLAY,
    &ABR_SERVER,
    &ABR_PLAYER,
    &ABR_WAIT,
];
