//! Nodes that crash and boot, networks that fall apart.

use super::{Func, Kind, func, need};

pub(crate) static HOST_CRASH: Func = func(
    "host:crash",
    "The host stops at once: links, connections, sockets, processes, caches are gone, and nobody is told.",
);
pub(crate) static HOST_BOOT: Func = func(
    "host:boot",
    "A crashed host starts again with its configuration; sinks of flows listen again, and functions of on_boot run.",
);
pub(crate) static HOST_ON_BOOT: Func = func(
    "host:on_boot",
    "What runs each time the host boots, as a process of the host: fn(host). It does not run when time begins.",
)
.with(&[need("fn", Kind::Function)]);
pub(crate) static SWITCH_CRASH: Func =
    func("switch:crash", "The switch stops at once: its links go down and it forgets its table.");
pub(crate) static SWITCH_BOOT: Func = func("switch:boot", "A crashed switch starts again.");
pub(crate) static NET_PARTITION: Func = func(
    "net:partition",
    "Cuts the links between nodes of different groups, each a list: net:partition({ a, b }, { c }).",
)
.more();
pub(crate) static NET_HEAL: Func = func("net:heal", "Joins the parts of the network again.");

pub(crate) const ALL: &[&Func] =
    &[&HOST_CRASH, &HOST_BOOT, &HOST_ON_BOOT, &SWITCH_CRASH, &SWITCH_BOOT, &NET_PARTITION, &NET_HEAL];
