//! File distribution among peers.

use super::fields::{Fields, f};
use super::{Func, Kind, Opt, TIMEOUT, func, need};

const LONG: Kind = Kind::Duration(1000, 86_400_000_000);

pub(crate) static SWARM: Func = func(
    "net:swarm",
    "Distributes a file among peers as BitTorrent does (BEP 3, tracker over UDP): net:swarm{ seed = origin, peers = peers, size = \"20MB\" }.",
)
.opts(&[&[
    Opt::new("seed", Kind::Any, "required", "the host that has the file, or a list"),
    Opt::new("peers", Kind::Nodes, "required", "the hosts that want it"),
    Opt::new("size", Kind::Size, "required", "bytes of the file"),
    Opt::new("piece", Kind::Size, "256KiB", "bytes of a piece, which is what peers tell each other about; 16KiB or more"),
    Opt::new("slots", Kind::Int(1, 1000), "4", "others that a peer serves at a time, one of them by chance"),
    Opt::new("seed_slots", Kind::Int(1, 1000), "as slots", "the same of seeds"),
    Opt::new("choking", Kind::Choice(&["tit_for_tat", "balanced"]), "\"tit_for_tat\"", "whom a peer serves: who gave it most and one by chance, or so that nobody falls behind, which is for comparisons with the bounds"),
    Opt::new("seed_choking", Kind::Choice(&["round_robin", "fastest", "neediest"]), "\"round_robin\"; \"neediest\" when balanced", "whom a seed serves: one after the other, who takes most, or who has least"),
    Opt::new("interval", LONG, "10s", "between two decisions about whom to serve; of three, one is by chance"),
    Opt::new("policy", Kind::Choice(&["rarest_first", "random", "sequential"]), "\"rarest_first\"", "which piece is begun next"),
    Opt::new("neighbours", Kind::Int(1, 1000), "30", "others that a peer looks for, and keeps when more come: those that BEP 40 prefers").or(&["neighbors"]),
    Opt::new("seed_neighbours", Kind::Int(1, 100_000), "as neighbours", "the same of seeds; many let a seed serve those who have least in the whole swarm").or(&["seed_neighbors"]),
    Opt::new("pipeline", Kind::Int(1, 256), "by delay", "requests under way to each other peer"),
    Opt::new("upload", Kind::Share, "no limit", "share of its line that a peer fills with blocks and their headers, as \"90%\": the rest is for acknowledgments and requests, and no queue grows"),
    Opt::new("seed_upload", Kind::Share, "as upload", "the same of seeds"),
    Opt::new("cc", Kind::Text, "the hosts'", "congestion control of its connections, one of TCP's; \"ledbat\" yields to everybody else (RFC 6817)").or(&["congestion"]),
    Opt::new("super_seed", Kind::Bool, "false", "seeds tell of each piece to one neighbour at a time (BEP 16)"),
    Opt::new("end_game", Kind::Bool, "true", "the last blocks are asked of two"),
    Opt::new("patience", LONG, "30s", "requests that take longer are given up"),
    Opt::new("tracker", Kind::Host, "the first seed", "who knows the peers"),
    Opt::new("port", Kind::Port, "6881", "where peers listen; the tracker is at 6969"),
    Opt::new("arrive", Kind::Time, "0", "mean time between arrivals, exponential; the first peer comes at once"),
    Opt::new("stay", Kind::Time, "for ever", "how long a peer serves once it has the file"),
    Opt::new("away_after", Kind::Time, "never", "mean time after which a peer without the whole file goes away"),
    Opt::new("back_after", Kind::Time, "never", "mean time after which it comes back with what it had"),
    Opt::new("gives_up", LONG, "10min", "a peer that has received nothing for so long goes"),
    Opt::new(
        "behaviour",
        Kind::Table,
        "honest",
        "peers that are not: { free_rider = {...}, corrupt = {...}, liar = {...}, flood = {...}, garbage = {...} }",
    )
    .or(&["behavior"]),
    Opt::new("log", Kind::Bool, "false", "each peer becomes a row of swarm.csv"),
    Opt::new("name", Kind::Text, "\"swarm\"", "what it is called in results"),
]])
.gives("swarm");

pub(crate) static SWARM_ON: Func = func(
    "swarm:on",
    "Calls fn(host, t) when a peer has the file (\"complete\") or has left (\"left\"), fn(host, t, piece) for each piece, fn(host, t, address) when it bans another.",
)
.with(&[need("event", Kind::Choice(&["complete", "piece", "left", "banned"])), need("fn", Kind::Function)])
.gives("the swarm");
pub(crate) static SWARM_WAIT: Func =
    func("swarm:wait", "Waits until every peer that wants the file has it or has left. Whoever crashes has left; when its host boots, its peer is back with the pieces that it had.")
        .opts(&[TIMEOUT])
        .blocking()
        .gives("true; or nil, \"timeout\"");
pub(crate) static SWARM_PEER: Func = func(
    "swarm:peer",
    "What a peer has done: { name, behaviour, joined, complete, left, pieces, downloaded, uploaded, wasted, corrupt, banned, malformed, floods, timeouts, unrequested, refused, connections, hash, ok }, times in seconds; left is nil again when its host has booted.",
)
.with(&[need("host", Kind::Host)])
.gives("table");
pub(crate) static SWARM_LIST: Func =
    func("swarm:list", "The same of all, seeds first.").gives("list of tables");

/// What can be read off swarms.
pub(crate) const FIELDS: Fields = Fields {
    of: "swarm",
    doc: "A file that is distributed among peers.",
    all: &[
        f("complete", "count", "peers that got the whole file, seeds excepted"),
        f("last_finish", "s", "when the last of them had it; nil before the first"),
        f("announces", "count", "questions that the tracker has answered"),
        f("pieces", "count", "pieces of the file"),
        f("hash", "text", "of the file"),
        f("name", "text", "what results call it"),
    ],
};

pub(crate) const ALL: &[&Func] = &[&SWARM, &SWARM_ON, &SWARM_WAIT, &SWARM_PEER, &SWARM_LIST];
