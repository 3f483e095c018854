//! What can be done with a link.

use super::{COUNT, Func, Kind, Opt, func, may, need};

const SET: &[Opt] = &[Opt::new("loss", Kind::Loss, "unchanged", "which packets are lost from now on")];
const WATCH: &[Opt] = &[Opt::new("every", Kind::Time, "100ms", "how often")];

pub(crate) static DISABLE: Func =
    func("link:disable", "Takes the link down: what is queued or under way is lost.");
pub(crate) static ENABLE: Func = func("link:enable", "Takes the link up again.");
pub(crate) static SET_LINK: Func = func("link:set", "Changes both directions from now on.").opts(&[SET]);
pub(crate) static DROP_NEXT: Func =
    func("link:drop_next", "Loses the next n packets of each direction.").with(&[may("n", COUNT)]);
pub(crate) static FORWARD: Func = func("link:forward", "The direction from a to b.").gives("direction");
pub(crate) static BACKWARD: Func = func("link:backward", "The direction from b to a.").gives("direction");
pub(crate) static LINK_WATCH: Func = func("link:watch", "Time series of both directions in series.csv.")
    .with(&[need("metrics", Kind::Texts)])
    .opts(&[WATCH]);
pub(crate) static PCAP: Func =
    func("link:pcap", "Records every packet on the link in a pcapng file.").with(&[may("file", Kind::Text)]);
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
    &DROP_NEXT,
    &FORWARD,
    &BACKWARD,
    &LINK_WATCH,
    &PCAP,
    &DIR_SET,
    &DIR_DROP_NEXT,
    &DIR_WATCH,
];
