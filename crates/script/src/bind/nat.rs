//! Address translation.

use super::net::add_node;
use super::routing::printable;
use crate::call::{Call, Opts};
use crate::classes::{Link, Registry, node_handle, node_of, resolve, this_node};
use crate::mistake::Mistake;
use crate::sim::{Shared, Sim};
use crate::spec::services as spec;
use crate::values::{Val, whole};
use mlua::{Lua, Table, Value};
use tidewire_l3_network::gate::{NatConfig, PortForward, protocol_name};
use tidewire_topology::{NatSide, NodeSpec, RouterSpec};
use tidewire_units::NodeId;
use tidewire_wire::{Endpoint, Protocol};

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::NET_NAT, |lua, sim, call| {
        let config = config(call.opts())?;
        let nat = Some(NatSide { outside: outside(sim, call.opts())? });
        let name = call.text(0).unwrap_or_default();
        let router = RouterSpec { nat, ..RouterSpec::default() };
        let node = add_node(lua, sim, "net:nat()", name, NodeSpec::Router(router))?;
        sim.world.borrow_mut().set_nat(node, config);
        node_handle(lua, sim, node)
    })?;
    registry.add(&spec::NAT_TABLE, |lua, sim, call| table(lua, sim, this_node(&call)?))?;
    registry.add(&spec::NAT_FORWARD, forward)?;
    let id = |this| node_of(&Value::UserData(this)).expect("the type is a node's");
    registry.field("nat", "outer", move |_, sim, this| {
        let world = sim.world()?;
        let outer = world.ip_node(id(this)).and_then(|node| node.outer_address());
        Ok(outer.map(|ip| ip.to_string()))
    })?;
    registry.field("nat", "stats", move |lua, sim, this| {
        let node = id(this);
        let table = super::host::stats(lua, sim, node)?;
        let world = sim.world()?;
        let stats =
            world.ip_node(node).and_then(|node| node.nat()).map(|nat| nat.stats()).unwrap_or_default();
        table.raw_set("translated_out", stats.translated_out)?;
        table.raw_set("translated_in", stats.translated_in)?;
        table.raw_set("hairpinned", stats.hairpinned)?;
        table.raw_set("mappings_made", stats.mappings)?;
        table.raw_set("refused", stats.refused_in)?;
        table.raw_set("ports_exhausted", stats.no_port)?;
        Ok(table)
    })
}

fn config(opts: &Opts) -> Result<NatConfig, Mistake> {
    let kind = opts.text("type").unwrap_or("port_restricted");
    let mut config = NatConfig::of_type(kind).expect("the table of functions knows the types");
    let times = &mut config.timeouts;
    for (name, to) in [
        ("timeout", &mut times.udp),
        ("tcp_timeout", &mut times.tcp),
        ("closing_timeout", &mut times.tcp_transitory),
        ("icmp_timeout", &mut times.icmp),
    ] {
        *to = opts.span(name).unwrap_or(*to);
        if to.is_zero() {
            return Err(Mistake::new(format!("{name} = 0: no answer would ever come in")).at_word(name));
        }
    }
    config.hairpin = opts.flag("hairpin").unwrap_or(true);
    if let Some(Val::Any(value)) = opts.get("ports") {
        config.ports = ports(value)?;
    }
    Ok(config)
}

/// `{from, to}`, or how many.
fn ports(value: &Value) -> Result<(u16, u16), Mistake> {
    let wrong = || {
        Mistake::new("ports must be { first, last } or how many ports there are, from 1 to 64512")
            .at_word("ports")
            .note("write ports = { 40000, 49999 }")
    };
    let port = |n: i64| u16::try_from(n).ok().filter(|port| *port > 0);
    let (first, last) = match value {
        Value::Table(table) => {
            let item = |i: i64| table.raw_get::<Value>(i).ok().and_then(|value| whole(&value)).and_then(port);
            (item(1).ok_or_else(wrong)?, item(2).ok_or_else(wrong)?)
        }
        value => {
            let n = whole(value).filter(|n| (1..=64_512).contains(n)).ok_or_else(wrong)?;
            (1024, port(1023 + n).ok_or_else(wrong)?)
        }
    };
    if first <= last { Ok((first, last)) } else { Err(wrong()) }
}

/// The name of what is outside.
fn outside(sim: &Sim, opts: &Opts) -> Result<Option<String>, Mistake> {
    let Some(Val::Any(value)) = opts.get("outside") else { return Ok(None) };
    let plan = sim.plan.borrow();
    if let Some(node) = node_of(value) {
        return Ok(Some(plan.node(node).name.clone()));
    }
    if let Some(link) = value.as_userdata().and_then(|data| data.borrow::<Link>().ok()) {
        return Ok(Some(plan.link(link.0).name.clone()));
    }
    match value {
        Value::String(name) => Ok(Some(name.to_string_lossy())),
        _ => Err(Mistake::new("outside must be a node, a link, or the name of one").at_word("outside")),
    }
}

/// `nat:forward{}`.
fn forward(lua: &Lua, sim: &Shared, call: Call) -> mlua::Result<()> {
    let node = this_node(&call)?;
    let opts = call.opts();
    let port = call.required("port", opts.int("port"))? as u16;
    let Some(Val::Peer(peer)) = opts.get("to") else {
        return Err(call.required::<()>("to", None).unwrap_err().into());
    };
    let to_port = opts.int("to_port").map_or(port, |port| port as u16);
    let (ip, to_port) = match resolve(lua, sim, Some(node), peer, Some(to_port))? {
        Ok((ip, found)) => (ip, found.unwrap_or(to_port)),
        Err(why) => return Err(Mistake::new(format!("nat:forward: {why}")).at_word("to").into()),
    };
    let protocols = match opts.text("proto") {
        Some("tcp") => vec![Protocol::TCP],
        Some("udp") => vec![Protocol::UDP],
        _ => vec![Protocol::TCP, Protocol::UDP],
    };
    let mut world = sim.world()?;
    if world.is_outside_of(node, ip) {
        let (nat, ip) = (world.plan().node(node).name.clone(), world.shown(ip));
        return Err(Mistake::new(format!("{ip} is outside of '{nat}': ports are forwarded to hosts inside"))
            .at_word("to")
            .into());
    }
    if let Some(taken) = (protocols.iter()).find_map(|protocol| world.forwarded_to(node, protocol.0, port)) {
        let taken = std::net::SocketAddr::new(world.shown(taken.addr), taken.port);
        return Err(Mistake::new(format!("port {port} is forwarded to {taken} already"))
            .at_word("port")
            .into());
    }
    for protocol in protocols {
        let forward = PortForward { protocol: protocol.0, port, to: Endpoint::new(ip, to_port) };
        world.forward_port(node, forward);
    }
    Ok(())
}

/// `nat:table()`.
fn table(lua: &Lua, sim: &Shared, node: NodeId) -> mlua::Result<Table> {
    let world = sim.world()?;
    let (list, mut lines) = (lua.create_table()?, Vec::new());
    let now = world.now();
    let ip = world.ip_node(node);
    let outer = ip.and_then(|node| node.outer_address()).map_or_else(String::new, |ip| ip.to_string());
    for row in ip.and_then(|node| node.nat()).into_iter().flat_map(|nat| nat.rows(now)) {
        let outer = format!("{outer}:{}", row.outer_port);
        let peers: Vec<String> = row.peers.iter().map(peer_text).collect();
        let state = row.states.join(" ");
        let left =
            row.left.map_or_else(|| "by hand".to_owned(), |left| format!("{:.0} s", left.as_secs_f64()));
        lines.push(format!(
            "{:<5} {:<22} {:<22} {left:>8}  {} {state}",
            protocol_name(row.protocol),
            row.inner.to_string(),
            outer,
            peers.join(" ")
        ));
        let item = lua.create_table()?;
        item.raw_set("proto", protocol_name(row.protocol))?;
        item.raw_set("inner", row.inner.to_string())?;
        item.raw_set("outer", outer)?;
        item.raw_set("peers", peers)?;
        item.raw_set("state", state)?;
        item.raw_set("left", row.left.map(|left| left.as_secs_f64()))?;
        list.raw_push(item)?;
    }
    printable(lua, &list, lines.join("\n"))?;
    Ok(list)
}

fn peer_text(end: &Endpoint) -> String {
    if end.port > 0 { end.to_string() } else { end.addr.to_string() }
}
