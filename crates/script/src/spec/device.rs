//! Devices of one's own.

use super::{Func, Kind, Opt, func, need};

pub(crate) static NET_DEVICE: Func = func("net:device", "Adds a device whose behaviour is a function of the script.")
    .with(&[need("name", Kind::Text)])
    .opts(&[&[Opt::new(
        "like",
        Kind::Choice(&["switch", "router", "host"]),
        "\"switch\"",
        "what it stands for when addresses are given out: a switch joins its links to one network, the others have an address on each",
    )]])
    .gives("device");
pub(crate) static ON_FRAME: Func = func(
    "device:on_frame",
    "What happens to each frame that arrives: fn(port, frame), a process of its own. frame has eth, and of arp, ip, tcp, udp, icmp those that it carries, payload, size, damaged. frame.eth has src, dst, type, and vlan if the frame has a tag.",
)
.with(&[need("fn", Kind::Function)]);
pub(crate) static PORT_SEND: Func = func(
    "port:send",
    "Sends a frame: one that came, changed or not, or a table with eth = { src, dst, vlan } and arp = { op, sender_mac, sender_ip, target_mac, target_ip } or ip = { src, dst, ttl } with udp, tcp or icmp, and payload.",
)
.with(&[need("frame", Kind::Table)]);

pub(crate) const ALL: &[&Func] = &[&NET_DEVICE, &ON_FRAME, &PORT_SEND];
