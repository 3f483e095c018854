//! Hosts: processes, work, addresses, and their fields.

use crate::classes::{Registry, peer_handle, resolve, this_node};
use crate::mistake::Mistake;
use crate::sched::{Op, block_on, spawn};
use crate::sim::{Shared, Sim, here};
use crate::spec::host as spec;
use crate::values::{Peer, Val};
use mlua::{AnyUserData, IntoLuaMulti, Lua, MultiValue, Table, Value};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use tidewire_node::SocketView;
use tidewire_topology::NodeSpec;
use tidewire_units::{Instant, NodeId, Span};
use tidewire_wire::{AddressBook, MacAddr};
use tidewire_world::ProcessId;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::ARP_TABLE, |lua, sim, call| {
        let node = this_node(&call)?;
        let world = sim.world()?;
        let table = lua.create_table()?;
        let ifaces = world.ip_node(node).into_iter().flat_map(|node| &node.stack.ifaces);
        let entries = ifaces.flat_map(|iface| iface.neighbors.entries(world.now()));
        for (ip, mac, _) in entries.filter(|(ip, ..)| !AddressBook::is_v6(*ip)) {
            table.raw_set(ip.to_string(), mac.mac().to_string())?;
        }
        Ok(table)
    })?;
    registry.add(&spec::NEIGHBOR_TABLE, |lua, sim, call| neighbor_table(lua, sim, this_node(&call)?))?;
    registry.add(&spec::PATH_MTUS, |lua, sim, call| {
        let world = sim.world()?;
        let table = lua.create_table()?;
        let node = world.ip_node(this_node(&call)?);
        for (ip, mtu, _) in node.into_iter().flat_map(|node| node.stack.path_mtus(world.now())) {
            table.raw_set(world.shown(ip).to_string(), mtu)?;
        }
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
    registry.add(&spec::WORK, |lua, sim, call| {
        let node = this_node(&call)?;
        let time = call.arg(0).and_then(Val::span).unwrap_or(Span::ZERO);
        block_on(lua, sim, Box::new(Work { node, time, until: None, queued: false }))
    })?;
    fields(registry)?;
    registry.add(&spec::ADDRESS, |lua, sim, mut call| {
        let Some(Val::Peer(peer)) = call.take(0) else { unreachable!() };
        refuse_odd_ipv6(&peer)?;
        let port = call.int(1).map(|port| port as u16);
        let (ip, port) = match resolve(lua, sim, &peer, port)? {
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
            SocketView::Unbound(port) => ("tcp", "CLOSED", port, None),
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
        Ok(world.plan().address6_of(id(this)).map(|ip| ip.to_string()))
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
    table.raw_set("tx_packets", stats.tx_packets)?;
    table.raw_set("tx_bytes", stats.tx_bytes)?;
    table.raw_set("rx_packets", stats.rx_packets)?;
    table.raw_set("rx_bytes", stats.rx_bytes)?;
    table.raw_set("forwarded", stats.forwarded)?;
    table.raw_set("fragments_made", stats.fragments_made)?;
    table.raw_set("reassembled", stats.reassembled)?;
    table.raw_set("reassembly_failures", stats.reassembly_failures)?;
    let now = world.now().as_secs_f64();
    let busy =
        sim.cores.borrow().get(&node.0).map_or(0.0, |cores| cores.busy_time(world.now()).as_secs_f64());
    let share = if now > 0.0 { busy / (now * f64::from(cores_of(sim, node))) } else { 0.0 };
    table.raw_set("cpu_utilization", share)?;
    Ok(table)
}

fn cores_of(sim: &Sim, node: NodeId) -> u32 {
    match &sim.plan.borrow().node(node).spec {
        NodeSpec::Host(host) => host.cores.max(1),
        _ => 1,
    }
}

/// The processor cores of a host.
#[derive(Default)]
pub(crate) struct Cores {
    busy: u32,
    waiting: VecDeque<ProcessId>,
    done: Span,
    since: Vec<Instant>,
}

impl Cores {
    /// How long cores were busy, added up.
    fn busy_time(&self, now: Instant) -> Span {
        self.since.iter().fold(self.done, |sum, since| sum + now.since(*since))
    }
}

struct Work {
    node: NodeId,
    time: Span,
    until: Option<Instant>,
    queued: bool,
}

impl Op for Work {
    fn poll(&mut self, _: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let limit = cores_of(sim, self.node);
        let mut world = sim.world()?;
        let mut all = sim.cores.borrow_mut();
        let cores = all.entry(self.node.0).or_default();
        let now = world.now();
        match self.until {
            None if cores.busy < limit
                && (cores.waiting.is_empty() || cores.waiting.front() == Some(&me)) =>
            {
                if self.queued {
                    cores.waiting.pop_front();
                }
                cores.busy += 1;
                cores.since.push(now);
                self.until = Some(now + self.time);
                world.wait(me, now + self.time, &[]);
                Ok(None)
            }
            None => {
                if !self.queued {
                    self.queued = true;
                    cores.waiting.push_back(me);
                }
                world.wait(me, Instant::MAX, &[]);
                Ok(None)
            }
            Some(until) if now >= until => {
                cores.busy -= 1;
                let started = now - self.time;
                if let Some(at) = cores.since.iter().position(|since| *since == started) {
                    cores.since.swap_remove(at);
                }
                cores.done += self.time;
                if let Some(next) = cores.waiting.front() {
                    world.wake(*next);
                }
                Ok(Some(MultiValue::new()))
            }
            Some(until) => {
                world.wait(me, until, &[]);
                Ok(None)
            }
        }
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("work()".to_owned(), if self.until.is_some() { String::new() } else { "for a free core".to_owned() })
    }
}
