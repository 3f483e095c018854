//! Nodes that crash and boot, networks that fall apart.

use super::{Func, Kind, Opt, func, need};

pub(crate) static HOST_CRASH: Func = func(
    "host:crash",
    "The host stops at once: links, connections, sockets, processes, caches are gone, and nobody is told.",
);
pub(crate) static HOST_BOOT: Func = func(
    "host:boot",
    "A crashed host starts again with its configuration; sinks of flows listen again, and functions of on_boot run.",
);
pub(crate) static HOST_DISABLE: Func = func(
    "host:disable",
    "Takes all interfaces of the host down; unlike a crash, it leaves programs, connections and caches alone.",
);
pub(crate) static HOST_ENABLE: Func = func("host:enable", "Takes the interfaces of the host up again.");
pub(crate) static HOST_ON_BOOT: Func = func(
    "host:on_boot",
    "What runs each time the host boots, as a process of the host: fn(host). It does not run when time begins.",
)
.with(&[need("fn", Kind::Function)]);
pub(crate) static SWITCH_CRASH: Func =
    func("switch:crash", "The switch stops at once: its links go down and it forgets its table.");
pub(crate) static SWITCH_BOOT: Func = func("switch:boot", "A crashed switch starts again.");
pub(crate) static HUB_CRASH: Func = func("hub:crash", "The hub stops: nobody on its bus hears anybody.");
pub(crate) static HUB_BOOT: Func = func("hub:boot", "A crashed hub works again.");
pub(crate) static AP_CRASH: Func =
    func("ap:crash", "The access point stops at once: its stations and its cables lose their links.");
pub(crate) static AP_BOOT: Func = func("ap:boot", "A crashed access point starts again.");
pub(crate) static DEVICE_CRASH: Func = func(
    "device:crash",
    "The device stops at once: its links go down. What its script keeps in variables stays.",
);
pub(crate) static DEVICE_BOOT: Func = func("device:boot", "A crashed device starts again.");
pub(crate) static NET_PARTITION: Func = func(
    "net:partition",
    "Cuts the links between nodes of different groups, each a list: net:partition({ a, b }, { c }).",
)
.more();
pub(crate) static NET_HEAL: Func = func("net:heal", "Joins the parts of the network again.");

pub(crate) static DIAGNOSE: Func = func(
    "diagnose",
    "Looks from layer 1 upwards for what keeps a from reaching b, with echo requests and, given a port, a connection. As a line of its own it prints what it found.",
)
.with(&[need("a", Kind::Host), need("b", Kind::Host)])
.opts(&[&[
    Opt::new("port", Kind::Port, "none", "a TCP port on which b should listen"),
    Opt::new("url", Kind::Text, "none", "a page of b: its name and its answer are looked at too"),
]])
.blocking()
.gives("{ ok, layer, fault, where, text }, printable");
pub(crate) static INJECT_FAULT: Func = func(
    "inject_fault",
    "Breaks something on the way from a to b, for an exercise: a cable, a crash, loss, noise, a wrong MAC address, a lost route, a routing loop, a firewall, a closed port.",
)
.with(&[need("a", Kind::Host), need("b", Kind::Host)])
.opts(&[&[
    Opt::new(
        "kind",
        Kind::Choice(&["cable", "crash", "loss", "noise", "mac", "route", "loop", "firewall", "port"]),
        "by chance",
        "what is broken",
    ),
    Opt::new("port", Kind::Port, "none", "the TCP port on which b listens, for faults of the kind port"),
]])
.gives("{ kind, where }, printable");

pub(crate) const ALL: &[&Func] = &[
    &HOST_CRASH,
    &HOST_BOOT,
    &HOST_DISABLE,
    &HOST_ENABLE,
    &HOST_ON_BOOT,
    &SWITCH_CRASH,
    &SWITCH_BOOT,
    &DEVICE_CRASH,
    &DEVICE_BOOT,
    &HUB_CRASH,
    &HUB_BOOT,
    &AP_CRASH,
    &AP_BOOT,
    &NET_PARTITION,
    &NET_HEAL,
    &DIAGNOSE,
    &INJECT_FAULT,
];
