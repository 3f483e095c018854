//! Routing protocols, routing tables, convergence.

use super::bgp::{announce, policy};
use crate::call::{Call, Opts};
use crate::classes::{Registry, this_node};
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::sim::{Shared, Sim};
use crate::spec::Opt;
use crate::spec::routing as spec;
use crate::values::{Peer, Val};
use mlua::{IntoLua, IntoLuaMulti, Lua, MultiValue, Table, Value};
use std::fmt::Write;
use tidewire_l3_network::NextHop;
use tidewire_l3_network::routing::{
    BgpConfig, Origin, OspfConfig, RipConfig, Route, RoutingConfig, SplitHorizon,
};
use tidewire_topology::{NodeKind, Prefix, Via, Via6};
use tidewire_units::{Instant, NodeId, Span};
use tidewire_world::{ProcessId, RoutingSpec};

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::NET_ROUTING, |_, sim, call| choose(sim, &call))?;
    registry.add(&spec::NET_ROUTE, |lua, sim, mut call| {
        let (Some(Val::Peer(peer)), Some(Val::Node(node))) = (call.take(2), call.take(0)) else {
            unreachable!()
        };
        let text = call.text(1).unwrap_or_default();
        if text.contains(':') {
            return route6(sim, node, text, &peer);
        }
        let prefix: Prefix = text.parse().map_err(|why: String| Mistake::new(why).at_word(text))?;
        let via = match peer {
            Peer::Node(node) => Via::Node(node),
            Peer::Address(ip, _) => Via::Address(ip),
            Peer::Address6(ip, _) => {
                return Err(Mistake::new(format!(
                    "{prefix} is an IPv4 network, {ip} is not an IPv4 address"
                ))
                .at_word(text)
                .into());
            }
            Peer::Unknown(name) => {
                return Err(Mistake::new(format!("there is no node '{name}'")).at_word(name).into());
            }
        };
        sim.plan_mut("net:route()")?.route(node, prefix, via).map_err(super::net::mistake)?;
        sim.route_places.borrow_mut().push((node, prefix, via, crate::sim::here(lua)));
        Ok(())
    })?;
    registry.add(&spec::NET_WAIT_CONVERGED, |lua, sim, call| {
        let world = sim.world()?;
        let now = world.now();
        let patience = world.controls().map(|(_, control)| control.patience()).max();
        drop(world);
        let Some(patience) = patience else {
            return Err(Mistake::new("no router runs a protocol: there is nothing to wait for")
                .at_word("wait_converged")
                .note("call net:routing(\"rip\") before")
                .into());
        };
        let quiet = call.opts().span("quiet").unwrap_or(patience);
        block_on(lua, sim, Box::new(Quiet { since: now, quiet, deadline: call.deadline(now, None) }))
    })?;
    registry.add(&spec::ROUTER_RIB, |lua, sim, call| table_of(lua, sim, this_node(&call)?, true))?;
    registry.add(&spec::ROUTER_FIB, |lua, sim, call| table_of(lua, sim, this_node(&call)?, false))?;
    registry.add(&spec::ROUTER_NEIGHBORS, |lua, sim, call| neighbors(lua, sim, this_node(&call)?))?;
    registry.add(&spec::ROUTER_BGP_POLICY, |lua, sim, call| policy(lua, sim, &call))?;
    registry.add(&spec::ROUTER_ANNOUNCE, |_, sim, call| announce(sim, &call, true))?;
    registry.add(&spec::ROUTER_WITHDRAW, |_, sim, call| announce(sim, &call, false))?;
    registry.add(&spec::ROUTER_ROUTING, |lua, sim, call| {
        let node = this_node(&call)?;
        let world = sim.world()?;
        let Some(control) = world.ip_node(node).and_then(|node| node.control()) else { return Ok(None) };
        let (table, counters) = (lua.create_table()?, control.counters());
        let fields = [
            ("protocol", control.protocol().into_lua(lua)?),
            ("asn", control.bgp().map(|bgp| bgp.asn()).into_lua(lua)?),
            ("changes", counters.changes.into_lua(lua)?),
            ("last_change", control.last_change().as_secs_f64().into_lua(lua)?),
            ("tx_messages", counters.tx_messages.into_lua(lua)?),
            ("tx_bytes", counters.tx_bytes.into_lua(lua)?),
            ("rx_messages", counters.rx_messages.into_lua(lua)?),
            ("spf_runs", counters.spf_runs.into_lua(lua)?),
        ];
        let mut text = Vec::new();
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_nil()) {
            text.push(format!("{name:<11}  {}", value.to_string()?));
            table.raw_set(name, value)?;
        }
        printable(lua, &table, text.join("\n"))?;
        Ok(Some(table))
    })
}

/// `net:routing`.
fn choose(sim: &Shared, call: &Call) -> mlua::Result<()> {
    let protocol = match call.text(0).unwrap_or_default() {
        "distance_vector" => "rip",
        "link_state" => "ospf",
        "path_vector" => "bgp",
        name => name,
    };
    let opts = call.opts();
    for (group, owner) in spec::OWNED {
        let stray = group.iter().find(|opt: &&Opt| opts.get(opt.name).is_some() && *owner != protocol);
        if let Some(opt) = stray {
            let text = format!("the option '{}' belongs to \"{owner}\", not to \"{protocol}\"", opt.name);
            return Err(Mistake::new(text).at_word(opt.name).into());
        }
    }
    let config = match protocol {
        "static" => Some(RoutingConfig::Static),
        "rip" => Some(RoutingConfig::Rip(rip(opts)?)),
        "ospf" => Some(RoutingConfig::Ospf(ospf(opts)?)),
        "bgp" => Some(RoutingConfig::Bgp(bgp(opts)?)),
        _ => None,
    };
    let flag = |name: &str, default: bool| opts.flag(name).unwrap_or(default);
    let spec = config.map(|config| RoutingSpec {
        config,
        converge: flag("converge", true),
        carrier: flag("carrier", true),
        redistribute: flag("redistribute", false),
        reference: opts.rate("reference"),
    });
    let routers = match opts.get("routers") {
        Some(Val::Nodes(nodes)) => Some(forwarding(sim, nodes)?),
        _ => None,
    };
    // Before the network is fixed, and so that the world is told.
    drop(sim.plan_mut("net:routing()")?);
    sim.log_routes.set(flag("log", true));
    sim.world.borrow_mut().keep_route_changes(flag("log", true));
    sim.routing.borrow_mut().push((routers, spec));
    Ok(())
}

/// The nodes, all of which must forward.
fn forwarding(sim: &Sim, nodes: &[NodeId]) -> Result<Vec<NodeId>, Mistake> {
    let plan = sim.plan.borrow();
    match nodes.iter().find(|node| !plan.node(**node).spec.forwards()) {
        Some(node) => {
            let name = &plan.node(*node).name;
            Err(Mistake::new(format!(
                "'{name}' does not forward packets, so it has no use for a routing protocol"
            ))
            .at_word("routers")
            .note("make it a router, or a host with forward = true"))
        }
        None => Ok(nodes.to_vec()),
    }
}

/// An AS of the router's own, numbered from the first for private use (RFC 6996).
const OWN_AS: u16 = 0;
const FIRST_PRIVATE: u16 = 64_512;

/// Tells the world how routers find their routes, as far as that was said.
pub(crate) fn apply(sim: &Sim, world: &mut tidewire_world::World) {
    let plan = sim.plan.borrow();
    // An address translator that took part would tell each side of the other.
    let speaks = |node: &NodeId| {
        let spec = &plan.node(*node).spec;
        spec.kind() == NodeKind::Router && spec.nat().is_none()
    };
    let all = || plan.node_ids().filter(speaks).collect();
    for (routers, spec) in &*sim.routing.borrow() {
        if let Some(RoutingSpec { config: RoutingConfig::Rip(rip), .. }) = spec
            && let Some(text) = super::rip_reach::too_far(&plan, rip.infinity)
        {
            sim.out.borrow_mut().warn(text, None);
        }
        for node in routers.clone().unwrap_or_else(all) {
            let mut spec = spec.clone();
            if let Some(RoutingSpec { config: RoutingConfig::Bgp(config), .. }) = &mut spec
                && config.asn == OWN_AS
            {
                config.asn = FIRST_PRIVATE.checked_add(node.0 as u16).unwrap_or(node.0 as u16);
            }
            world.set_routing(node, spec);
        }
    }
}

fn rip(opts: &Opts) -> Result<RipConfig, Mistake> {
    let mut rip = RipConfig::default();
    let set = |name: &str, to: &mut Span| *to = opts.span(name).unwrap_or(*to);
    set("update", &mut rip.update);
    // Short updates are as far apart, in proportion.
    rip.jitter = rip.jitter.min(rip.update / 6);
    set("jitter", &mut rip.jitter);
    set("timeout", &mut rip.timeout);
    set("garbage", &mut rip.garbage);
    rip.split_horizon = match opts.text("split_horizon") {
        Some("false") => SplitHorizon::Off,
        Some("simple") => SplitHorizon::Simple,
        _ => SplitHorizon::Poison,
    };
    rip.triggered = opts.flag("triggered").unwrap_or(true);
    if rip.update < Span::from_ms(1) {
        let text = format!("update = {}: routers would do nothing but talk", rip.update);
        return Err(Mistake::new(text).at_word("update").note("write update = \"1s\""));
    }
    if rip.timeout <= rip.update {
        let text = format!(
            "timeout = {} is not longer than update = {}: routes would be given up between two updates",
            rip.timeout, rip.update
        );
        return Err(Mistake::new(text).at_word("timeout").note("six updates are usual: leave timeout out"));
    }
    Ok(rip)
}

fn ospf(opts: &Opts) -> Result<OspfConfig, Mistake> {
    let mut ospf = OspfConfig::default();
    let set = |name: &str, to: &mut Span| *to = opts.span(name).unwrap_or(*to);
    set("hello", &mut ospf.hello);
    ospf.dead = ospf.hello * 4;
    set("dead", &mut ospf.dead);
    for (name, span) in [("hello", ospf.hello), ("dead", ospf.dead)] {
        if span < Span::from_secs(1) || span != Span::from_secs(span.as_ms() / 1000) {
            let text = format!("{name} = {span}: OSPF says it in whole seconds, at least one");
            return Err(Mistake::new(text).at_word(name));
        }
    }
    if ospf.dead <= ospf.hello {
        let text = format!(
            "dead = {} is not longer than hello = {}: neighbours would be given up between two hellos",
            ospf.dead, ospf.hello
        );
        return Err(Mistake::new(text).at_word("dead").note("four hellos are usual: leave dead out"));
    }
    set("retransmit", &mut ospf.retransmit);
    set("spf_delay", &mut ospf.spf_delay);
    set("spf_hold", &mut ospf.spf_hold);
    set("spf_max", &mut ospf.spf_max);
    if ospf.retransmit.is_zero() {
        return Err(
            Mistake::new("retransmit = 0: nothing could be acknowledged in time").at_word("retransmit")
        );
    }
    Ok(ospf)
}

fn bgp(opts: &Opts) -> Result<BgpConfig, Mistake> {
    let mut bgp = BgpConfig { asn: opts.int("as").map_or(OWN_AS, |asn| asn as u16), ..BgpConfig::default() };
    let set = |name: &str, to: &mut Span| *to = opts.span(name).unwrap_or(*to);
    set("hold", &mut bgp.hold);
    set("connect_retry", &mut bgp.connect_retry);
    set("mrai", &mut bgp.mrai);
    if bgp.hold < Span::from_secs(3) || bgp.hold != Span::from_secs(bgp.hold.as_ms() / 1000) {
        let text = format!("hold = {}: BGP says it in whole seconds, at least three", bgp.hold);
        return Err(Mistake::new(text).at_word("hold"));
    }
    if bgp.connect_retry < Span::from_ms(1) {
        return Err(Mistake::new("connect_retry = 0: a session that fails would be tried for ever")
            .at_word("connect_retry"));
    }
    Ok(bgp)
}

/// What changed, as rows of the events.
pub(crate) fn note_changes(sim: &Sim, world: &mut tidewire_world::World) {
    if !sim.log_routes.get() {
        return;
    }
    let changes = world.take_route_changes();
    let mut out = sim.out.borrow_mut();
    for (node, change) in changes {
        let object = format!("{} {}", world.plan().node(node).name, change.prefix);
        let to = match &change.route {
            Some(route) => {
                let hops: Vec<String> =
                    route.hops.iter().map(|hop| hop_text(world.plan(), node, hop)).collect();
                let hops = if hops.is_empty() { "nowhere".to_owned() } else { hops.join(", ") };
                format!("{} {} via {hops}", route.origin.label(), route.metric)
            }
            None => "out of reach".to_owned(),
        };
        out.event(change.at, object.into(), "route", to.into());
    }
}

/// The node that a next hop is, or the one that its link leads to.
fn hop_name(plan: &tidewire_topology::Plan, node: NodeId, hop: &NextHop) -> String {
    let owner = hop.gateway.and_then(|ip| plan.owner_of(ip)).map(|iface| plan.node_of(iface));
    let at_link = plan.node(node).ifaces.get(hop.port as usize).map(|iface| plan.neighbor_of(*iface));
    owner.or(at_link).map_or_else(String::new, |node| plan.node(node).name.clone())
}

fn hop_text(plan: &tidewire_topology::Plan, node: NodeId, hop: &NextHop) -> String {
    let name = hop_name(plan, node, hop);
    if hop.gateway.is_some() { name } else { format!("link to {name}") }
}

/// The ASes on a way, and its preference.
type AsPath<'a> = (&'a [u16], u32);

/// `net:route()` to an IPv6 network.
fn route6(sim: &Shared, node: NodeId, text: &str, peer: &Peer) -> mlua::Result<()> {
    let wrong = || {
        Mistake::new(format!("'{text}' is not a network: write one like \"2001:db8:1::/64\"")).at_word(text)
    };
    let (prefix, len) = text.split_once('/').ok_or_else(wrong)?;
    let prefix = prefix.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?;
    let len = len.parse::<u8>().ok().filter(|len| *len <= 64).ok_or_else(wrong)?;
    let via = match peer {
        Peer::Node(node) => Via6::Node(*node),
        Peer::Address6(ip, _) => Via6::Address(*ip),
        Peer::Address(ip, _) => {
            let text = format!("{text} is an IPv6 network, {ip} is not an IPv6 address");
            return Err(Mistake::new(text).at_word("route").into());
        }
        Peer::Unknown(name) => {
            return Err(Mistake::new(format!("there is no node '{name}'")).at_word(name).into());
        }
    };
    sim.plan_mut("net:route()")?.route6(node, (prefix, len), via).map_err(super::net::mistake)?;
    Ok(())
}

/// `router:rib()` and `host:fib()`.
fn table_of(lua: &Lua, sim: &Shared, node: NodeId, all: bool) -> mlua::Result<Table> {
    let world = sim.world()?;
    let list = lua.create_table()?;
    let ip = world.ip_node(node).ok_or_else(|| Mistake::new("only routers and hosts have routes"))?;
    let mut text = String::new();
    let mut push = |prefix: String,
                    what: Option<(&Route, bool, Option<AsPath<'_>>)>,
                    hops: &[NextHop]|
     -> mlua::Result<()> {
        let row = lua.create_table()?;
        let _ = write!(text, "{}{prefix:<18}", if text.is_empty() { "" } else { "\n" });
        row.raw_set("prefix", prefix)?;
        if let Some((route, used, _)) = what {
            let (origin, distance, metric) = (route.origin.label(), route.origin.distance(), route.metric);
            let mark = if used { "*" } else { " " };
            let _ = write!(text, " {mark} {origin:<13} {:>9}", format!("[{distance}/{metric}]"));
            row.raw_set("origin", origin)?;
            row.raw_set("distance", distance)?;
            row.raw_set("metric", metric)?;
            row.raw_set("used", used)?;
        }
        let via = lua.create_table()?;
        for hop in hops {
            let one = lua.create_table()?;
            one.raw_set("to", hop_name(world.plan(), node, hop))?;
            one.raw_set("ip", hop.gateway.map(|ip| ip.to_string()))?;
            one.raw_set("port", hop.port + 1)?;
            via.raw_push(one)?;
        }
        let hops: Vec<String> = hops.iter().map(|hop| hop_text(world.plan(), node, hop)).collect();
        let _ = write!(text, "  {}", if hops.is_empty() { "nowhere".to_owned() } else { hops.join(", ") });
        if let Some((_, _, Some((path, preference)))) = what {
            let ases: Vec<String> = path.iter().map(u16::to_string).collect();
            let _ = write!(text, "  path {}", ases.join(" "));
            row.raw_set("path", path.to_vec())?;
            row.raw_set("preference", preference)?;
        }
        row.raw_set("via", via)?;
        list.raw_push(row)
    };
    match ip.control().filter(|_| all) {
        Some(control) => {
            for (route, used) in control.rib() {
                let is_bgp = matches!(route.origin, Origin::Ebgp | Origin::Ibgp);
                let path = control.bgp().filter(|_| is_bgp).and_then(|bgp| bgp.path(route.prefix));
                push(route.prefix.to_string(), Some((route, used, path)), &route.hops)?;
            }
        }
        None => {
            for (prefix, hops) in ip.stack.fib().routes() {
                push(prefix.to_string(), None, hops)?;
            }
        }
    }
    for (prefix, len, hops) in world.routes6(node) {
        let (row, via) = (lua.create_table()?, lua.create_table()?);
        let prefix = format!("{prefix}/{len}");
        let mut names = Vec::new();
        for (iface, gateway) in hops {
            let one = lua.create_table()?;
            let plan = world.plan();
            let far = gateway.and_then(|ip| plan.owner_of6(ip)).unwrap_or(iface);
            let to = if gateway.is_some() { plan.node_of(far) } else { plan.neighbor_of(far) };
            names.push(plan.node(to).name.clone());
            one.raw_set("to", plan.node(to).name.clone())?;
            one.raw_set("ip", gateway.map(|ip| ip.to_string()))?;
            one.raw_set("port", plan.iface(iface).port + 1)?;
            via.raw_push(one)?;
        }
        let _ = write!(text, "{}{prefix:<18}  {}", if text.is_empty() { "" } else { "\n" }, names.join(", "));
        row.raw_set("prefix", prefix)?;
        row.raw_set("via", via)?;
        list.raw_push(row)?;
    }
    printable(lua, &list, text)?;
    Ok(list)
}

pub(super) fn printable(lua: &Lua, list: &Table, text: String) -> mlua::Result<()> {
    let meta = lua.create_table()?;
    meta.raw_set("__tostring", lua.create_function(move |_, _: Value| Ok(text.clone()))?)?;
    list.set_metatable(Some(meta))
}

/// `router:neighbors()`.
fn neighbors(lua: &Lua, sim: &Shared, node: NodeId) -> mlua::Result<Table> {
    let world = sim.world()?;
    let (list, mut lines) = (lua.create_table()?, Vec::new());
    let control = world.ip_node(node).and_then(|node| node.control());
    for neighbor in control.into_iter().flat_map(|control| control.neighbors(world.now())) {
        let row = lua.create_table()?;
        let hop = NextHop { port: neighbor.port, gateway: Some(neighbor.addr) };
        let name = hop_name(world.plan(), node, &hop);
        lines.push(format!(
            "{name:<10} {:<15} port {:<3} {} {}",
            neighbor.addr,
            neighbor.port + 1,
            neighbor.protocol,
            neighbor.state
        ));
        row.raw_set("name", name)?;
        row.raw_set("id", neighbor.id.to_string())?;
        row.raw_set("ip", neighbor.addr.to_string())?;
        row.raw_set("port", neighbor.port + 1)?;
        row.raw_set("protocol", neighbor.protocol)?;
        row.raw_set("state", neighbor.state)?;
        list.raw_push(row)?;
    }
    printable(lua, &list, lines.join("\n"))?;
    Ok(list)
}

/// `net:wait_converged`.
struct Quiet {
    since: Instant,
    quiet: Span,
    deadline: Instant,
}

impl Op for Quiet {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut world = sim.world()?;
        let last = world.last_route_change().unwrap_or(Instant::ZERO);
        let until = last.max(self.since) + self.quiet;
        if world.now() >= until {
            return last.as_secs_f64().into_lua_multi(lua).map(Some);
        }
        if world.now() >= self.deadline {
            return (Value::Nil, "timeout").into_lua_multi(lua).map(Some);
        }
        world.wait(me, until.min(self.deadline), &[]);
        Ok(None)
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("net:wait_converged()".to_owned(), format!("until nothing has changed for {}", self.quiet))
    }
}
