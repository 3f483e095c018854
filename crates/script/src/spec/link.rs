//! What can be done with a link.

use super::{COUNT, Func, Kind, Opt, func, may, need};

const SET: &[Opt] = &[
    Opt::new("rate", Kind::Rate, "unchanged", "how fast it sends; what has begun to be sent is not touched"),
    Opt::new("delay", Kind::Time, "unchanged", "propagation delay"),
    Opt::new("loss", Kind::Loss, "unchanged", "which packets are lost from now on"),
    Opt::new("jitter", Kind::Jitter, "unchanged", "variation of the delay"),
    Opt::new("corrupt", Kind::Corrupt, "unchanged", "which packets noise damages"),
    Opt::new("duplicate", Kind::Probability, "unchanged", "which packets arrive twice"),
    Opt::new("reorder", Kind::Probability, "unchanged", "which packets skip the delay and overtake others"),
];
const WATCH: &[Opt] = &[Opt::new("every", Kind::Time, "100ms", "how often")];

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
pub(crate) static SCHEDULE_LINK: Func = func(
    "link:schedule",
    "Changes both directions at given times: { {\"20s\", rate = \"20Mbps\"}, {\"40s\", loss = \"2%\"} }.",
)
.with(&[need("changes", Kind::Table)]);
/// What `link:set` takes, for the rows of a schedule.
pub(crate) const SETTINGS: &[&[Opt]] = &[SET];
pub(crate) static DROP_NEXT: Func =
    func("link:drop_next", "Loses the next n packets of each direction.").with(&[may("n", COUNT)]);
pub(crate) static FORWARD: Func = func("link:forward", "The direction from a to b.").gives("direction");
pub(crate) static BACKWARD: Func = func("link:backward", "The direction from b to a.").gives("direction");
pub(crate) static LINK_WATCH: Func = func("link:watch", "Time series of both directions in series.csv.")
    .with(&[need("metrics", Kind::Texts)])
    .opts(&[WATCH]);
pub(crate) static PCAP: Func =
    func("link:pcap", "Records every packet on the link in a pcapng file.").with(&[may("file", Kind::Text)]);
pub(crate) static HOST_PCAP: Func =
    func("host:pcap", "Records every packet that the host sends and receives in a pcapng file.")
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
    &DROP_NEXT,
    &FORWARD,
    &BACKWARD,
    &LINK_WATCH,
    &PCAP,
    &HOST_PCAP,
    &DIR_SET,
    &DIR_DROP_NEXT,
    &DIR_WATCH,
];
