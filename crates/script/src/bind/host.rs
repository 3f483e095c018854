//! Hosts: processes, work, addresses, and their fields.

use crate::classes::{Registry, peer_handle, resolve, this_node};
use crate::mistake::Mistake;
use crate::sched::spawn;
use crate::sim::{Shared, Sim, here};
use crate::spec::host as spec;
use crate::values::{Peer, Val};
use mlua::{AnyUserData, IntoLuaMulti, Lua, Table, Value};
use std::net::{Ipv4Addr, SocketAddr};
use tidewire_l4_transport::State;
use tidewire_node::SocketView;
use tidewire_units::NodeId;
use tidewire_wire::{AddressBook, MacAddr};

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::ARP_TABLE, |lua, sim, call| {
        let node = this_node(&call)?;
        let world = sim.world()?;
        let (table, mut text) = (lua.create_table()?, Vec::new());
        let ifaces = world.ip_node(node).into_iter().flat_map(|node| &node.stack.ifaces);
        let entries = ifaces.flat_map(|iface| iface.neighbors.entries(world.now()));
        for (ip, mac, _) in entries.filter(|(ip, ..)| !AddressBook::is_v6(*ip)) {
            let (ip, mac) = (ip.to_string(), mac.mac().to_string());
            text.push(format!("{ip}  {mac}"));
            table.raw_set(ip, mac)?;
        }
        super::routing::printable(lua, &table, text.join("\n"))?;
        Ok(table)
    })?;
    registry.add(&spec::NEIGHBOR_TABLE, |lua, sim, call| neighbor_table(lua, sim, this_node(&call)?))?;
    registry.add(&spec::PATH_MTUS, |lua, sim, call| {
        let world = sim.world()?;
        let (table, mut text) = (lua.create_table()?, Vec::new());
        let node = world.ip_node(this_node(&call)?);
        for (ip, mtu, _) in node.into_iter().flat_map(|node| node.stack.path_mtus(world.now())) {
            let ip = world.shown(ip).to_string();
            text.push(format!("{ip}  {mtu}"));
            table.raw_set(ip, mtu)?;
        }
        super::routing::printable(lua, &table, text.join("\n"))?;
        Ok(table)
    })?;
    registry.add(&spec::SOCKETS, |lua, sim, call| {
        let node = this_node(&call)?;
        sockets(lua, sim, node)
    })?;
    registry.add(&spec::SPAWN, |lua, sim, mut call| {
        let node = this_node(&call)?;
        sim.touch()?;
        let body = call.function(0).ok_or_else(|| Mistake::new("host:spawn needs a function"))?;
        let name = format!("process {}", sim.sched.borrow_mut().next_name());
        let record = spawn(lua, sim, body, call.rest.clone(), Some(node), &name, here(lua))?;
        lua.create_userdata(crate::classes::Process(record))
    })?;
    registry.add(&spec::RUN, |lua, sim, call| lua.create_userdata(super::any::run(lua, sim, &call)?))?;
    super::work::install(registry)?;
    fields(registry)?;
    registry.add(&spec::ADDRESS, |lua, sim, mut call| {
        let Some(Val::Peer(peer)) = call.take(0) else { unreachable!() };
        refuse_odd_ipv6(&peer)?;
        let port = call.int(1).map(|port| port as u16);
        let (ip, port) = match resolve(lua, sim, None, &peer, port)? {
            Ok(found) => found,
            Err(why) => return (Value::Nil, why).into_lua_multi(lua),
        };
        let port = port.ok_or_else(|| Mistake::new("address(host, port) needs a port").at_word("address"))?;
        peer_handle(lua, sim, ip, port)?.into_lua_multi(lua)
    })?;
    registry.field("peer", "ip", |_, sim, this| {
        Ok(sim.world.borrow().shown(this.borrow::<crate::classes::Endpoint>()?.0).to_string())
    })?;
    registry.field("peer", "port", |_, _, this| Ok(this.borrow::<crate::classes::Endpoint>()?.1))?;
    registry.field("peer", "host", |lua, sim, this| {
        let ip = this.borrow::<crate::classes::Endpoint>()?.0;
        let owner = owner_of(sim, ip);
        owner.map(|node| crate::classes::node_handle(lua, sim, node)).transpose()
    })?;
    registry.shows("peer", |sim, this| {
        let peer = this.borrow::<crate::classes::Endpoint>()?;
        Ok(SocketAddr::new(sim.world.borrow().shown(peer.0), peer.1).to_string())
    })
}

/// Texts that only look like IPv6 addresses, and the one that is nobody's.
fn refuse_odd_ipv6(peer: &Peer) -> Result<(), Mistake> {
    match peer {
        Peer::Address6(ip, _) if ip.is_unspecified() => {
            Err(Mistake::new("'::' is the address of nobody: it cannot be sent to")
                .at_word("::")
                .note("servers listen at all addresses of their host without being told"))
        }
        Peer::Unknown(text) if text.matches(':').count() > 1 => {
            Err(Mistake::new(format!("'{text}' is not an IPv6 address: groups of up to four hexadecimal digits, eight of them or fewer with one '::'"))
                .at_word(text.clone()))
        }
        _ => Ok(()),
    }
}

/// As `ip -6 neighbour` lists them.
fn neighbor_table(lua: &Lua, sim: &Shared, node: NodeId) -> mlua::Result<mlua::Table> {
    let world = sim.world()?;
    let (list, mut text) = (lua.create_table()?, Vec::new());
    let ifaces = world.ip_node(node).into_iter().flat_map(|node| &node.stack.ifaces);
    for (ip, mac, state) in ifaces.flat_map(|iface| iface.neighbors.states(world.now())) {
        let row = lua.create_table()?;
        let (ip, mac) = (world.shown(ip).to_string(), mac.map(|mac| mac.mac().to_string()));
        text.push(format!("{ip}  {}  {}", mac.as_deref().unwrap_or("-"), state.name()));
        row.raw_set("ip", ip)?;
        row.raw_set("mac", mac)?;
        row.raw_set("state", state.name())?;
        list.raw_push(row)?;
    }
    super::routing::printable(lua, &list, text.join("\n"))?;
    Ok(list)
}

/// As `ss` lists them.
fn sockets(lua: &Lua, sim: &Shared, node: NodeId) -> mlua::Result<mlua::Table> {
    let world = sim.world()?;
    let list = lua.create_table()?;
    let mut text = Vec::new();
    let all = world.sockets(node).into_iter().flat_map(|sockets| sockets.ids());
    for view in all.filter_map(|id| world.view(node, id)) {
        let (proto, state, port, peer) = match view {
            // Neither do those appear there that are not connected.
            SocketView::Unbound(_) => continue,
            SocketView::Tcp(_, _, conn) if conn.state() == State::Closed => continue,
            SocketView::Listener(port, _) => ("tcp", "LISTEN", port, None),
            SocketView::Tcp(local, remote, conn) => ("tcp", conn.state().name(), local.port, Some(remote)),
            SocketView::Udp(port, peer, _) => ("udp", "", port, peer),
            SocketView::Echo => continue,
        };
        let row = lua.create_table()?;
        row.raw_set("proto", proto)?;
        row.raw_set("state", state)?;
        row.raw_set("port", port)?;
        let peer = peer.map(|peer| SocketAddr::new(world.shown(peer.addr), peer.port).to_string());
        row.raw_set("peer", peer.clone())?;
        let peer = peer.unwrap_or_else(|| "*".to_owned());
        text.push(format!("{proto}  {state:<12} *:{port:<6} {peer}"));
        list.raw_push(row)?;
    }
    let text = text.join("\n");
    let meta = lua.create_table()?;
    meta.raw_set("__tostring", lua.create_function(move |_, _: Value| Ok(text.clone()))?)?;
    list.set_metatable(Some(meta))?;
    Ok(list)
}

/// The node that has an address.
pub(super) fn owner_of(sim: &Sim, ip: Ipv4Addr) -> Option<NodeId> {
    let world = sim.world.borrow();
    let plan = world.plan();
    plan.is_numbered().then(|| world.owner_of(ip)).flatten().map(|iface| plan.node_of(iface))
}

fn fields(registry: &Registry<'_>) -> mlua::Result<()> {
    let id =
        |this: AnyUserData| crate::classes::node_of(&Value::UserData(this)).expect("the type is a node's");
    registry.field("host", "name", move |_, sim, this| Ok(sim.plan.borrow().node(id(this)).name.clone()))?;
    registry.field("host", "ip", move |_, sim, this| {
        let world = sim.world()?;
        Ok(world.address4_of(id(this)).map(|ip| ip.to_string()))
    })?;
    registry.field("host", "ip6", move |_, sim, this| {
        let world = sim.world()?;
        Ok(world.address6_of(id(this)).map(|ip| ip.to_string()))
    })?;
    registry.field("host", "mac", move |_, sim, this| {
        let plan = sim.plan.borrow();
        Ok(plan.node(id(this)).ifaces.first().map(|iface| MacAddr::of_iface(*iface).to_string()))
    })?;
    registry.field("host", "ifaces", move |lua, sim, this| {
        let world = sim.world()?;
        let plan = world.plan();
        let list = lua.create_table()?;
        for iface in &plan.node(id(this)).ifaces {
            let row = lua.create_table()?;
            row.raw_set("mac", MacAddr::of_iface(*iface).to_string())?;
            row.raw_set("ip", plan.iface(*iface).address.map(|address| address.to_string()))?;
            row.raw_set("ip6", plan.iface(*iface).address6.map(|address| format!("{address}/64")))?;
            row.raw_set("peer", plan.node(plan.neighbor_of(*iface)).name.clone())?;
            list.raw_push(row)?;
        }
        Ok(list)
    })?;
    registry.field("host", "data", move |lua, sim, this| {
        let node = id(this);
        if let Some(table) = sim.handles.borrow().data.get(&node.0) {
            return Ok(table.clone());
        }
        let table = lua.create_table()?;
        sim.handles.borrow_mut().data.insert(node.0, table.clone());
        Ok(table)
    })?;
    registry.field("host", "stats", move |lua, sim, this| stats(lua, sim, id(this)))
}

/// What a node has counted.
pub(super) fn stats(lua: &Lua, sim: &Shared, node: NodeId) -> mlua::Result<Table> {
    let world = sim.world()?;
    let stats = world.ip_node(node).map(|node| node.stack.stats).unwrap_or_default();
    let table = lua.create_table()?;
    table.raw_set("tx_packets", stats.sent())?;
    table.raw_set("tx_bytes", stats.tx_bytes)?;
    table.raw_set("rx_packets", stats.received())?;
    table.raw_set("rx_bytes", stats.rx_bytes)?;
    table.raw_set("forwarded", stats.forwarded)?;
    table.raw_set("fragments_made", stats.fragments_made)?;
    table.raw_set("reassembled", stats.reassembled)?;
    table.raw_set("reassembly_failures", stats.reassembly_failures)?;
    let withheld = world.ip_node(node).map_or(0, |node| node.stack.errors_withheld());
    table.raw_set("icmp_withheld", withheld)?;
    super::work::stats(sim, &world, node, &table)?;
    Ok(table)
}
