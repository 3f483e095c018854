//! Addresses on loan.

use super::routing::printable;
use crate::call::Call;
use crate::classes::{Registry, node_of, resolve, this_node};
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::sim::{Shared, Sim};
use crate::spec::services as spec;
use crate::values::{Val, whole};
use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value};
use std::net::Ipv4Addr;
use tidewire_l3_network::Prefix;
use tidewire_l3_network::dhcp::{ClientState, DhcpPool};
use tidewire_l3_network::slaac::AutoconfState;
use tidewire_topology::{Address6, AddressMode, Network, NodeSpec, Plan, link_of};
use tidewire_units::{Instant, NodeId, Span};
use tidewire_wire::MacAddr;
use tidewire_world::ProcessId;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::DHCP_SERVER, |_, sim, call| {
        let node = this_node(&call)?;
        let pool = pool(sim, node, &call)?;
        sim.world()?.add_dhcp_pool(node, pool);
        Ok(())
    })?;
    registry.add(&spec::DHCP_RELAY, |lua, sim, call| {
        let node = this_node(&call)?;
        let Some(Val::Peer(server)) = call.opts().get("to") else {
            return Err(call.required::<()>("to", None).unwrap_err().into());
        };
        let ip = match resolve(lua, sim, Some(node), server, None)? {
            Ok((ip, _)) => ip,
            Err(why) => return Err(Mistake::new(format!("host:dhcp_relay: {why}")).at_word("to").into()),
        };
        sim.world()?.set_dhcp_relay(node, ip);
        Ok(())
    })?;
    registry.add(&spec::DHCP_LEASES, |lua, sim, call| leases(lua, sim, this_node(&call)?))?;
    registry.add(&spec::DHCP_LEASE, |lua, sim, call| lease(lua, sim, this_node(&call)?))?;
    registry.add(&spec::DHCP_RELEASE, |_, sim, call| {
        let node = client(sim, &call)?;
        sim.world()?.set_dhcp_on(node, false);
        Ok(())
    })?;
    registry.add(&spec::DHCP_RENEW, |_, sim, call| {
        let node = client(sim, &call)?;
        sim.world()?.set_dhcp_on(node, true);
        Ok(())
    })?;
    registry.add(&spec::WAIT_ADDRESS, |lua, sim, call| {
        let makes_own = |node: NodeId| matches!(&sim.plan.borrow().node(node).spec, NodeSpec::Host(host) if host.ip6 == Address6::Slaac);
        let node = this_node(&call).ok().filter(|node| makes_own(*node)).map_or_else(|| client(sim, &call), Ok)?;
        let deadline = call.deadline(sim.world()?.now(), None);
        block_on(lua, sim, Box::new(Address { node, deadline }))
    })
}

/// A host with an address on loan.
fn client(sim: &Sim, call: &Call) -> mlua::Result<NodeId> {
    let node = this_node(call)?;
    let plan = sim.plan.borrow();
    match &plan.node(node).spec {
        NodeSpec::Host(host) if host.ip == AddressMode::Dhcp => Ok(node),
        _ => {
            let name = &plan.node(node).name;
            Err(Mistake::new(format!("'{name}' does not get its address from a server"))
                .at_word(call.func.short())
                .note(format!("write net:host(\"{name}\", {{ ip = \"dhcp\" }})"))
                .into())
        }
    }
}

fn pool(sim: &Shared, node: NodeId, call: &Call) -> mlua::Result<DhcpPool> {
    let opts = call.opts();
    let world = sim.world()?;
    let plan = world.plan();
    let (network, addresses) = match opts.get("pool") {
        Some(Val::Any(value)) if whole(value).is_none() => {
            let (first, last) = range(value)?;
            (
                network_with(plan, first, last)?,
                (first.to_bits()..=last.to_bits()).map(Ipv4Addr::from_bits).collect(),
            )
        }
        given => {
            let n = match given {
                Some(Val::Any(value)) => whole(value).unwrap_or(0),
                _ => 100,
            };
            let network = own_network(plan, node)?;
            (network, some_addresses(plan, network, n)?)
        }
    };
    let prefix = network.prefix.and_then(|net| Prefix::new(net.network(), net.length()));
    let prefix = prefix.ok_or_else(|| Mistake::new("the network has no subnet").at_word("pool"))?;
    let automatic = || plan.iface(network.gateway?).address.map(|address| address.ip);
    let gateway = match opts.get("gateway") {
        None => automatic(),
        Some(Val::Any(Value::Boolean(false))) => None,
        Some(Val::Any(value)) => Some(addresses_in(plan, value, "gateway")?[0]),
        Some(_) => None,
    };
    let dns = match opts.get("dns") {
        Some(Val::Any(value)) => addresses_in(plan, value, "dns")?,
        _ => Vec::new(),
    };
    let lease = opts.span("lease").unwrap_or(Span::from_secs(3600));
    Ok(DhcpPool { prefix, addresses, lease: Span::from_secs(lease.as_ms() / 1000), gateway, dns })
}

/// `"10.0.0.100-10.0.0.200"`, or two texts in a list.
fn range(value: &Value) -> Result<(Ipv4Addr, Ipv4Addr), Mistake> {
    let wrong = || {
        Mistake::new("pool must be a range such as \"10.0.0.100-10.0.0.200\", or how many addresses")
            .at_word("pool")
    };
    let (first, last) = match value {
        Value::String(text) => {
            let text = text.to_string_lossy();
            let (first, last) = text.split_once('-').unwrap_or((&text, &text));
            (first.trim().to_owned(), last.trim().to_owned())
        }
        Value::Table(table) => {
            let item = |i: i64| table.raw_get::<String>(i).map_err(|_| wrong());
            (item(1)?, item(2)?)
        }
        _ => return Err(wrong()),
    };
    let parse = |text: &str| text.parse::<Ipv4Addr>().map_err(|_| wrong());
    let (first, last) = (parse(&first)?, parse(&last)?);
    if first > last || last.to_bits() - first.to_bits() > 65_536 {
        return Err(wrong());
    }
    Ok((first, last))
}

/// The network that these addresses are of.
fn network_with(plan: &Plan, first: Ipv4Addr, last: Ipv4Addr) -> Result<&Network, Mistake> {
    let holds = |network: &&Network| {
        network.prefix.is_some_and(|prefix| prefix.contains(first) && prefix.contains(last))
    };
    plan.networks().iter().find(holds).ok_or_else(|| {
        let all: Vec<String> =
            plan.networks().iter().filter_map(|network| Some(network.prefix?.to_string())).collect();
        Mistake::new(format!("no network has the addresses {first} to {last}"))
            .at_word("pool")
            .note(format!("there is: {}; net:subnet() gives a network another one", all.join(" ")))
    })
}

/// The network of the server that has hosts with addresses on loan, else its first.
fn own_network(plan: &Plan, node: NodeId) -> Result<&Network, Mistake> {
    let own =
        || plan.node(node).ifaces.iter().map(|iface| &plan.networks()[plan.network_of(link_of(*iface))]);
    let has_clients = |network: &&Network| {
        network.members.iter().any(|iface| {
            let spec = &plan.node(plan.node_of(*iface)).spec;
            matches!(spec, NodeSpec::Host(host) if host.ip == AddressMode::Dhcp)
        })
    };
    own().find(has_clients).or_else(|| own().next()).ok_or_else(|| {
        let name = &plan.node(node).name;
        Mistake::new(format!("'{name}' has no link yet: nobody could ask it for an address"))
            .at_word("dhcp_server")
            .note("link it to its network before")
    })
}

/// So many addresses of a network that nobody has, from the hundredth on if there are so many.
fn some_addresses(plan: &Plan, network: &Network, n: i64) -> Result<Vec<Ipv4Addr>, Mistake> {
    let taken: Vec<Ipv4Addr> =
        network.members.iter().filter_map(|iface| Some(plan.iface(*iface).address?.ip)).collect();
    let hosts = network.prefix.map_or(0, |prefix| prefix.hosts());
    let start = if hosts > 199 { 99 } else { 0 };
    let all = (start..hosts).chain(0..start).filter_map(|i| network.prefix?.host(i));
    let mut free: Vec<Ipv4Addr> = all.filter(|ip| !taken.contains(ip)).take(n.max(0) as usize).collect();
    free.sort_unstable();
    if n < 1 || free.len() < n as usize {
        let left = hosts.saturating_sub(taken.len() as u64);
        return Err(Mistake::new(format!("pool = {n}: the network has {left} addresses to give away"))
            .at_word("pool"));
    }
    Ok(free)
}

/// Addresses, as texts or nodes.
fn addresses_in(plan: &Plan, value: &Value, name: &str) -> Result<Vec<Ipv4Addr>, Mistake> {
    let items = match value {
        Value::Table(table) => table.sequence_values::<Value>().filter_map(Result::ok).collect(),
        value => vec![value.clone()],
    };
    let found: Option<Vec<Ipv4Addr>> = items
        .iter()
        .map(|item| match node_of(item) {
            Some(node) => plan.address_of(node),
            None => item.as_string()?.to_string_lossy().parse().ok(),
        })
        .collect();
    found.filter(|all| !all.is_empty()).ok_or_else(|| {
        Mistake::new(format!("{name} must be an address such as \"10.0.0.1\", or a node that has one"))
            .at_word(name)
    })
}

/// `host:leases()`.
fn leases(lua: &Lua, sim: &Shared, node: NodeId) -> mlua::Result<Table> {
    let world = sim.world()?;
    let (list, mut lines) = (lua.create_table()?, Vec::new());
    let now = world.now();
    let server = world.ip_node(node).and_then(|node| node.dhcp_server());
    for row in server.into_iter().flat_map(|server| server.rows(now)) {
        let host = owner_of_mac(world.plan(), row.mac);
        let left = format!("{:.0} s", row.left.as_secs_f64());
        lines.push(format!("{:<15} {} {:<9} {left:>7}  {host}", row.ip.to_string(), row.mac, row.state));
        let item = lua.create_table()?;
        item.raw_set("ip", row.ip.to_string())?;
        item.raw_set("mac", row.mac.to_string())?;
        item.raw_set("host", host)?;
        item.raw_set("state", row.state)?;
        item.raw_set("left", row.left.as_secs_f64())?;
        list.raw_push(item)?;
    }
    printable(lua, &list, lines.join("\n"))?;
    Ok(list)
}

fn owner_of_mac(plan: &Plan, mac: MacAddr) -> String {
    let ifaces = (0..plan.ifaces().len()).map(tidewire_units::IfaceId::from_index);
    let owner = ifaces.into_iter().find(|iface| MacAddr::of_iface(*iface) == mac);
    owner.map_or_else(String::new, |iface| plan.node(plan.node_of(iface)).name.clone())
}

/// `host:lease()`.
fn lease(lua: &Lua, sim: &Shared, node: NodeId) -> mlua::Result<Option<Table>> {
    let world = sim.world()?;
    let now = world.now();
    let Some(client) = world.ip_node(node).and_then(|node| node.dhcp_client()) else { return Ok(None) };
    let Some(lease) = client.lease() else { return Ok(None) };
    let table = lua.create_table()?;
    table.raw_set("ip", lease.ip.to_string())?;
    table.raw_set("mask", lease.prefix.mask().to_string())?;
    table.raw_set("gateway", lease.gateway.map(|ip| ip.to_string()))?;
    table.raw_set("dns", lease.dns.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>())?;
    table.raw_set("server", lease.server.to_string())?;
    table.raw_set("lease", lease.length.as_secs_f64())?;
    table.raw_set("left", lease.until.since(now).as_secs_f64())?;
    table.raw_set("renew_in", lease.renew_at.since(now).as_secs_f64())?;
    table.raw_set("state", client.state().name())?;
    super::printing::record(lua, &table)?;
    Ok(Some(table))
}

/// `host:wait_address`.
struct Address {
    node: NodeId,
    deadline: Instant,
}

impl Op for Address {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut world = sim.world()?;
        let node = world.ip_node(self.node);
        let client = node.and_then(|node| node.dhcp_client());
        if let Some(host) = node.and_then(|node| node.autoconf()).filter(|_| client.is_none()) {
            let (state, settled) = (host.machine.state(), host.machine.is_settled());
            if let Some(address) = world.address6_of(self.node) {
                return address.to_string().into_lua_multi(lua).map(Some);
            }
            if settled || world.now() >= self.deadline {
                let why = if state == AutoconfState::Duplicate { "duplicate" } else { "timeout" };
                return (Value::Nil, why).into_lua_multi(lua).map(Some);
            }
            world.wait_address(me, self.node, self.deadline);
            return Ok(None);
        }
        if let Some(lease) = client.and_then(|client| client.lease()) {
            return lease.ip.to_string().into_lua_multi(lua).map(Some);
        }
        // Who gave up asks again later, which is worth waiting for if the script says for how long.
        let resting = client.filter(|client| client.is_settled() && client.state() == ClientState::Idle);
        let is_over = match resting {
            Some(client) => self.deadline == Instant::MAX || client.next_timeout() == Instant::MAX,
            None => client.is_none(),
        };
        if is_over || world.now() >= self.deadline {
            let why = if is_over { "no answer" } else { "timeout" };
            return (Value::Nil, why).into_lua_multi(lua).map(Some);
        }
        world.wait_address(me, self.node, self.deadline);
        Ok(None)
    }

    fn describe(&self, sim: &Sim) -> (String, String) {
        ("wait_address()".to_owned(), format!("of {}", sim.plan.borrow().node(self.node).name))
    }
}
