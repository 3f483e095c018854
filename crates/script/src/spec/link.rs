//! What can be done with a link.

use super::{COUNT, Func, Kind, Opt, func, may, need};

pub(crate) const SET: &[Opt] = &[
    Opt::new("rate", Kind::Rate, "unchanged", "how fast it sends; what has begun to be sent is not touched"),
    Opt::new("delay", Kind::Time, "unchanged", "propagation delay"),
    Opt::new("loss", Kind::Loss, "unchanged", "which packets are lost from now on"),
    Opt::new("jitter", Kind::Jitter, "unchanged", "variation of the delay"),
    Opt::new("corrupt", Kind::Corrupt, "unchanged", "which packets noise damages"),
    Opt::new("duplicate", Kind::Probability, "unchanged", "which packets arrive twice"),
    Opt::new("reorder", Kind::Probability, "unchanged", "which packets skip the delay and overtake others"),
];
pub(super) const WATCH: &[Opt] = &[
    Opt::new("every", Kind::Time, "100ms", "how often"),
    Opt::new("on_change", Kind::Bool, "false", "a row at every change instead, looked for after every event"),
];

pub(crate) static DISABLE: Func =
    func("link:disable", "Takes the link down: what is queued or under way is lost.");
pub(crate) static ENABLE: Func = func("link:enable", "Takes the link up again.");
pub(crate) static SET_LINK: Func = func("link:set", "Changes both directions from now on.").opts(&[SET]);
const FLAP: &[Opt] = &[
    Opt::new("enabled", Kind::Time, "8s", "how long it is up"),
    Opt::new("disabled", Kind::Time, "2s", "how long it is down, again and again"),
];
pub(crate) static FLAP_LINK: Func =
    func("link:flap", "Takes the link down and up again, over and over; does not keep the run alive.")
        .opts(&[FLAP]);
const UP: &[Opt] = &[Opt::new("up", Kind::Bool, "unchanged", "takes it down or up; crashes or boots a node")];
/// What the rows of a schedule take, for links and for nodes.
pub(crate) const TIMED: &[&[Opt]] = &[SET, UP];
/// For nodes.
pub(crate) const TIMED_NODE: &[&[Opt]] = &[UP];
pub(crate) static SCHEDULE_LINK: Func = func(
    "link:schedule",
    "Changes both directions at given times: { {\"20s\", rate = \"20Mbps\"}, {\"40s\", up = false} }, or a CSV file below the script's folder with columns such as t_s, rate_mbps, delay_ms, loss_pct, state (up or down).",
)
.with(&[need("changes", Kind::Any)]);
pub(crate) static NET_SCHEDULE: Func = func(
    "net:schedule",
    "Changes links and nodes at given times: { {\"20s\", \"a-b\", rate = \"20Mbps\"}, {\"30s\", \"r1\", up = false} }, or a CSV file as of link:schedule with a column what: a link, a direction (a-b>) or a node.",
)
.with(&[need("changes", Kind::Any)]);
pub(crate) static FILTER_LINK: Func = func(
    "link:filter",
    "Lets a function decide on every packet that is offered: fn(pkt) gives \"pass\", \"drop\" or a time to hold it back; it cannot wait. Without a function: no more. Slow, for teaching.",
)
.with(&[may("fn", Kind::Function)]);
pub(crate) static DIR_FILTER: Func =
    func("direction:filter", "As link:filter, for one direction.").with(&[may("fn", Kind::Function)]);
const SIGHTS: Kind = Kind::Choice(&["packet", "arrive", "drop"]);
pub(crate) static LINK_ON: Func = func(
    "link:on",
    "Calls fn(pkt) for every packet that is offered to the link (\"packet\"), arrives (\"arrive\"), or ends on it (\"drop\", with pkt.cause). Slow, for teaching.",
)
.with(&[need("event", SIGHTS), need("fn", Kind::Function)])
.gives("tap");
pub(crate) static DIR_ON: Func = func("direction:on", "As link:on, for one direction.")
    .with(&[need("event", SIGHTS), need("fn", Kind::Function)])
    .gives("tap");
pub(crate) static TAP_STOP: Func = func("tap:stop", "The function is not called any more.");
pub(crate) static DROP_NEXT: Func =
    func("link:drop_next", "Loses the next n packets of each direction.").with(&[may("n", COUNT)]);
pub(crate) static FORWARD: Func = func("link:forward", "The direction from a to b.").gives("direction");
pub(crate) static BACKWARD: Func = func("link:backward", "The direction from b to a.").gives("direction");
pub(crate) static LINK_WATCH: Func = func("link:watch", "Time series of both directions in series.csv.")
    .with(&[need("metrics", Kind::Texts)])
    .opts(&[WATCH]);
pub(crate) static HOST_WATCH: Func = func("host:watch", "Time series of the host in series.csv.")
    .with(&[need("metrics", Kind::Texts)])
    .opts(&[WATCH]);
const CAPTURE: &[Opt] = &[Opt::new(
    "side",
    Kind::Choice(&["sender", "receiver"]),
    "\"sender\"",
    "as the sender offers them to its queue, with those that will not arrive; or as they arrive",
)];
pub(crate) static PCAP: Func = func(
    "link:pcap",
    "Records packets on the link in a pcapng file, at the time when they are offered; without a queue discipline, those that find no room or are lost have a comment that says so (Wireshark shows it).",
)
.with(&[may("file", Kind::Text)])
.opts(&[CAPTURE]);
pub(crate) static HOST_PCAP: Func = func(
    "host:pcap",
    "Records in a pcapng file every packet that the host offers to its links, before it waits in their queues, and every one that it receives.",
)
.with(&[may("file", Kind::Text)]);
pub(crate) static DIR_SET: Func = func("direction:set", "Changes the direction from now on.").opts(&[SET]);
pub(crate) static DIR_DROP_NEXT: Func =
    func("direction:drop_next", "Loses the next n packets.").with(&[may("n", COUNT)]);
pub(crate) static DIR_WATCH: Func = func("direction:watch", "Time series in series.csv.")
    .with(&[need("metrics", Kind::Texts)])
    .opts(&[WATCH]);

pub(crate) const ALL: &[&Func] = &[
    &DISABLE,
    &ENABLE,
    &SET_LINK,
    &FLAP_LINK,
    &SCHEDULE_LINK,
    &NET_SCHEDULE,
    &FILTER_LINK,
    &DIR_FILTER,
    &LINK_ON,
    &DIR_ON,
    &TAP_STOP,
    &DROP_NEXT,
    &FORWARD,
    &BACKWARD,
    &LINK_WATCH,
    &HOST_WATCH,
    &PCAP,
    &HOST_PCAP,
    &DIR_SET,
    &DIR_DROP_NEXT,
    &DIR_WATCH,
];
