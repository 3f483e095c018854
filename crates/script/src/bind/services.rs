//! Firewalls.

use super::routing::printable;
use crate::call::{Opts, options};
use crate::classes::{Registry, node_of, this_node};
use crate::mistake::Mistake;
use crate::sim::{Shared, Sim};
use crate::spec::services as spec;
use crate::values::{Val, choice, not_a};
use mlua::{Lua, Table, Value};
use std::net::{Ipv6Addr, SocketAddr};
use tidewire_l3_network::Prefix;
use tidewire_l3_network::gate::{Action, Chain, Firewall, Hits, List, Nets, Rule, Timeouts, protocol_name};
use tidewire_units::NodeId;
use tidewire_wire::Endpoint;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::FIREWALL_SET, |lua, sim, call| {
        let node = this_node(&call)?;
        let opts = call.opts();
        let mut timeouts = Timeouts::default();
        timeouts.tcp = opts.span("tcp_timeout").unwrap_or(timeouts.tcp);
        timeouts.udp = opts.span("udp_timeout").unwrap_or(timeouts.udp);
        timeouts.icmp = opts.span("icmp_timeout").unwrap_or(timeouts.icmp);
        let most = opts.int("flows").map_or(Firewall::MOST_FLOWS, |n| n as usize);
        let is_empty = List::ALL.iter().all(|list| opts.get(list.name()).is_none());
        let firewall = if is_empty && opts.get("default").is_none() {
            None
        } else {
            let mut chains = Vec::new();
            for list in List::ALL {
                chains.push(chain(lua, sim, opts, list)?);
            }
            let [inbound, outbound, forward] =
                <[Chain; 3]>::try_from(chains).expect("one chain for each list");
            Some(Firewall::new([inbound, outbound, forward], timeouts, most))
        };
        let mut world = sim.world()?;
        world.set_firewall(node, firewall, timeouts, most);
        Ok(())
    })?;
    registry.add(&spec::NET_MULTICAST, |_, sim, call| {
        let plan = sim.plan_mut("net:multicast()")?;
        let routers: Vec<NodeId> = match call.opts().get("routers") {
            Some(Val::Nodes(nodes)) => nodes.clone(),
            _ => plan.node_ids().collect(),
        };
        let forwards =
            |node: &NodeId| plan.node(*node).spec.forwards() && plan.node(*node).spec.nat().is_none();
        sim.world.borrow_mut().set_multicast(routers.into_iter().filter(forwards));
        Ok(())
    })?;
    registry.add(&spec::MULTICAST_ROUTES, |lua, sim, call| streams(lua, sim, this_node(&call)?))?;
    registry.add(&spec::FIREWALL_RULES, |lua, sim, call| rules(lua, sim, this_node(&call)?))?;
    registry.add(&spec::FIREWALL_FLOWS, |lua, sim, call| flows(lua, sim, this_node(&call)?))
}

/// One of the three lists.
fn chain(lua: &Lua, sim: &Shared, opts: &Opts, list: List) -> Result<Chain, Mistake> {
    let table = match opts.get(list.name()) {
        Some(Val::Table(table)) => Some(table),
        _ => None,
    };
    let usual = match list {
        _ if table.is_none() => Action::Allow,
        List::Outbound => Action::Allow,
        _ => Action::Deny,
    };
    let mut rules = Vec::new();
    for (i, item) in table.iter().flat_map(|table| table.sequence_values::<Value>()).enumerate() {
        let what = format!("rule {} of {}", i + 1, list.name());
        let Ok(Value::Table(item)) = item else {
            return Err(Mistake::new(format!("{what} must be a table, such as {{ allow = \"tcp/22\" }}"))
                .at_word(list.name()));
        };
        let given = options(lua, sim, &what, &[spec::RULE], &item)?;
        rules.push(rule(sim, &what, &given)?);
    }
    if table.is_some_and(|table| table.raw_len() != table.pairs::<Value, Value>().count()) {
        return Err(Mistake::new(format!("{} must be a list of rules", list.name()))
            .at_word(list.name())
            .note(format!("write {} = {{ {{ allow = \"tcp/22\" }} }}", list.name())));
    }
    Ok(Chain::new(rules, default_of(opts, list)?.unwrap_or(usual)))
}

/// What the option `default` says of a list.
fn default_of(opts: &Opts, list: List) -> Result<Option<Action>, Mistake> {
    let Some(Val::Any(value)) = opts.get("default") else { return Ok(None) };
    let named = match value {
        Value::Table(table) => {
            for pair in table.pairs::<Value, Value>() {
                let key = pair.ok().and_then(|(key, _)| key.to_string().ok()).unwrap_or_default();
                if !List::ALL.iter().any(|list| list.name() == key) {
                    let text = format!("default has no list '{key}': there is inbound, outbound and forward");
                    return Err(Mistake::new(text).at_word(key));
                }
            }
            match table.raw_get::<Value>(list.name()) {
                Ok(Value::Nil) | Err(_) => return Ok(None),
                Ok(value) => value,
            }
        }
        value => value.clone(),
    };
    let text = choice(&named, spec::ACTIONS, "default", "option 'default' of host:firewall")?;
    Ok(Some(action(&text)))
}

fn action(name: &str) -> Action {
    match name {
        "allow" => Action::Allow,
        "deny" => Action::Deny,
        _ => Action::Reject,
    }
}

fn rule(sim: &Sim, what: &str, given: &Opts) -> Result<Rule, Mistake> {
    let said: Vec<(&str, &Vec<String>)> = spec::ACTIONS
        .iter()
        .filter_map(|name| match given.get(name) {
            Some(Val::Texts(texts)) => Some((*name, texts)),
            _ => None,
        })
        .collect();
    let [(name, texts)] = said[..] else {
        return Err(Mistake::new(format!("{what} must say one of allow, deny and reject"))
            .at_word(said.first().map_or("inbound", |(name, _)| name)));
    };
    let services = texts
        .iter()
        .map(|text| text.parse().map_err(|why: String| Mistake::new(why).at_word(text)))
        .collect::<Result<_, _>>()?;
    Ok(Rule {
        action: action(name),
        services,
        from: networks(sim, given, "from", what)?,
        to: networks(sim, given, "to", what)?,
        name: given.text("name").map(str::to_owned),
        log: given.flag("log").unwrap_or(false),
        hits: Hits::default(),
    })
}

/// Networks, addresses and nodes.
fn networks(sim: &Sim, given: &Opts, name: &str, what: &str) -> Result<Nets, Mistake> {
    let Some(Val::Any(value)) = given.get(name) else { return Ok(Nets::default()) };
    let items = match value {
        Value::Table(table) => table.sequence_values::<Value>().filter_map(Result::ok).collect::<Vec<_>>(),
        value => vec![value.clone()],
    };
    if items.is_empty() {
        return Err(Mistake::new(format!("{what}: the list '{name}' is empty, so nobody would be meant"))
            .at_word(name)
            .note(format!("leave {name} out for everybody")));
    }
    let mut found = Nets::default();
    let add_node = |found: &mut Nets, node| -> Result<(), Mistake> {
        for (prefix, shown) in addresses_of(sim, node)? {
            found.prefixes.push(prefix);
            found.shown.push(shown);
        }
        Ok(())
    };
    for item in items {
        if let Some(node) = node_of(&item) {
            add_node(&mut found, node)?;
            continue;
        }
        let Value::String(text) = &item else {
            return Err(not_a(crate::spec::Kind::Peer, &item, name, &format!("'{name}' in {what}")));
        };
        let text = text.to_string_lossy();
        let node = sim.plan.borrow().find(&text);
        if text.contains(':') {
            found.prefixes.extend(networks6(sim, &text)?);
            found.shown.push(text);
            continue;
        }
        match (text.parse::<Prefix>(), node) {
            (Ok(prefix), _) => {
                found.prefixes.push(prefix);
                found.shown.push(prefix.to_string());
            }
            (Err(_), Some(node)) => add_node(&mut found, node)?,
            (Err(why), None) => return Err(Mistake::new(why).at_word(&text)),
        }
    }
    Ok(found)
}

/// The keys of an IPv6 address, or of all networks of the simulation that begin as this one does.
fn networks6(sim: &Sim, text: &str) -> Result<Vec<Prefix>, Mistake> {
    let wrong = |what: &str| Mistake::new(format!("'{text}' {what}")).at_word(text);
    let (address, len) = text.split_once('/').unwrap_or((text, "128"));
    let address: Ipv6Addr = address
        .parse()
        .map_err(|_| wrong("is not an IPv6 network: expected something like \"2001:db8:0:1::/64\""))?;
    let len = len.parse::<u8>().ok().filter(|len| *len <= 64 || *len == 128);
    let len = len.ok_or_else(|| {
        wrong("has a length that no rule can have: a network has at most 64 bits, an address 128")
    })?;
    let mut world = sim.world().map_err(|error| Mistake::new(error.to_string()))?;
    let keys = world.keys_of_network(address, len);
    if keys.is_empty() {
        return Err(wrong("is no network of this simulation").note("did you call net:ipv6() before?"));
    }
    Ok(keys)
}

/// Every address of a node, each as a network of its own.
fn addresses_of(sim: &Sim, node: NodeId) -> Result<Vec<(Prefix, String)>, Mistake> {
    let world = sim.world().map_err(|error| Mistake::new(error.to_string()))?;
    let ifaces = world.ip_node(node).map(|node| &node.stack.ifaces[..]).unwrap_or_default();
    let all: Vec<(Prefix, String)> = ifaces
        .iter()
        .flat_map(|iface| [iface.addr, iface.addr6])
        .filter(|addr| !addr.is_unspecified())
        .filter_map(|addr| {
            let shown = world.shown(addr);
            let len = if shown.is_ipv6() { 128 } else { 32 };
            Some((Prefix::new(addr, 32)?, format!("{shown}/{len}")))
        })
        .collect();
    if all.is_empty() {
        let name = world.plan().node(node).name.clone();
        return Err(Mistake::new(format!("'{name}' has no address that a rule could name"))
            .at_word(&name)
            .note("link it to the network before, or write the network itself"));
    }
    Ok(all)
}

/// `node:firewall_rules()`.
fn rules(lua: &Lua, sim: &Shared, node: NodeId) -> mlua::Result<Table> {
    let world = sim.world()?;
    let (list, mut lines) = (lua.create_table()?, Vec::new());
    for row in world.firewall(node).into_iter().flat_map(Firewall::rows) {
        let name = row.name.as_ref().map_or_else(String::new, |name| format!("  ({name})"));
        lines.push(format!(
            "{:<8} {:<40} {:>8} packets {:>10} bytes{name}",
            row.list.name(),
            row.rule,
            row.hits.packets,
            row.hits.bytes
        ));
        let item = lua.create_table()?;
        item.raw_set("list", row.list.name())?;
        item.raw_set("rule", row.rule)?;
        item.raw_set("name", row.name)?;
        item.raw_set("packets", row.hits.packets)?;
        item.raw_set("bytes", row.hits.bytes)?;
        list.raw_push(item)?;
    }
    printable(lua, &list, lines.join("\n"))?;
    Ok(list)
}

/// `node:firewall_flows()`.
fn flows(lua: &Lua, sim: &Shared, node: NodeId) -> mlua::Result<Table> {
    let world = sim.world()?;
    let (list, mut lines) = (lua.create_table()?, Vec::new());
    let now = world.now();
    for row in world.firewall(node).into_iter().flat_map(|firewall| firewall.flows().rows(now)) {
        let end = |end: Endpoint| match world.shown(end.addr) {
            address if end.port == 0 => address.to_string(),
            address => SocketAddr::new(address, end.port).to_string(),
        };
        let (proto, src, dst) = (protocol_name(row.flow.protocol), end(row.flow.src), end(row.flow.dst));
        lines.push(format!("{:<50} {:<12} {}", format!("{proto} {src} > {dst}"), row.state, row.left));
        let item = lua.create_table()?;
        item.raw_set("proto", proto)?;
        item.raw_set("src", src)?;
        item.raw_set("dst", dst)?;
        item.raw_set("state", row.state)?;
        item.raw_set("left", row.left.as_secs_f64())?;
        list.raw_push(item)?;
    }
    printable(lua, &list, lines.join("\n"))?;
    Ok(list)
}

/// `router:multicast_routes()`.
fn streams(lua: &Lua, sim: &Shared, node: NodeId) -> mlua::Result<Table> {
    let world = sim.world()?;
    let (list, mut lines) = (lua.create_table()?, Vec::new());
    let now = world.now();
    let ifaces = &world.plan().node(node).ifaces;
    let name = |port: &u32| {
        let iface = ifaces.get(*port as usize);
        iface.map_or_else(String::new, |iface| {
            world.plan().node(world.plan().neighbor_of(*iface)).name.clone()
        })
    };
    let router = world.ip_node(node).and_then(|node| node.multicast_router());
    for row in router.into_iter().flat_map(|router| router.rows(now)) {
        let to: Vec<String> = row.to.iter().map(name).collect();
        let state = if row.pruned { "pruned" } else { "" };
        lines.push(format!(
            "{:<15} {:<15} from {:<10} to {} {state} {} packets, {} the wrong way",
            row.source.to_string(),
            row.group.to_string(),
            name(&row.from),
            if to.is_empty() { "-".to_owned() } else { to.join(", ") },
            row.packets,
            row.wrong_way
        ));
        let item = lua.create_table()?;
        item.raw_set("source", row.source.to_string())?;
        item.raw_set("group", row.group.to_string())?;
        item.raw_set("from", name(&row.from))?;
        item.raw_set("to", to)?;
        item.raw_set("pruned", row.pruned)?;
        item.raw_set("packets", row.packets)?;
        item.raw_set("wrong_way", row.wrong_way)?;
        list.raw_push(item)?;
    }
    printable(lua, &list, lines.join("\n"))?;
    Ok(list)
}

/// What rules have written down, as rows of the events.
pub(crate) fn note_logs(sim: &Sim, world: &mut tidewire_world::World) {
    let logs = world.take_firewall_logs();
    let mut out = sim.out.borrow_mut();
    for (node, row) in logs {
        let object = format!("{} {}", world.plan().node(node).name, row.list.name());
        let end = |end: Endpoint| match (world.shown(end.addr), end.port) {
            (ip, 0) => ip.to_string(),
            (ip, port) => SocketAddr::new(ip, port).to_string(),
        };
        let (protocol, flow) = (protocol_name(row.flow.protocol), &row.flow);
        let text = format!("{}: {protocol} {} > {}", row.rule, end(flow.src), end(flow.dst));
        out.event(row.at, object.into(), "firewall", text.into());
    }
}
