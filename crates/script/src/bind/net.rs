//! The network: nodes, links, subnets, names.

use crate::Fault;
use crate::call::Opts;
use crate::classes::{Registry, link_handle, node_handle};
use crate::mistake::Mistake;
use crate::queue_values::{Limit, Queue};
use crate::sim::{Mode, Shared, here};
use crate::spec::net as spec;
use crate::values::Val;
use mlua::{Lua, Table, Value};
use tidewire_l3_network::ErrorLimit;
use tidewire_l4_transport::TcpConfig;
use tidewire_node::Switch;
use tidewire_topology::{
    BufferSpec, DOCUMENTATION, DirectionSpec, DisciplineKind, Ecmp, Framing, HostSpec, ImpairmentSpec,
    JitterShape, LinkSpec, MediumSpec, NodeSpec, PlanError, Prefix, QueueSpec, RouterSpec, SpanningTree,
    SwitchSpec, prefix48,
};
use tidewire_units::{NodeId, Span};
use tidewire_world::{ArpConfig, IpOptions};

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::NET_HOST, |lua, sim, call| {
        let name = call.text(0).unwrap_or_default().to_owned();
        let host = host_spec(call.opts())?;
        let node = add_node(lua, sim, "net:host()", &name, NodeSpec::Host(host))?;
        set_host_options(sim, node, call.opts())?;
        node_handle(lua, sim, node)
    })?;
    registry.add(&spec::NET_HOSTS, |lua, sim, call| {
        let prefix = call.text(0).unwrap_or_default().to_owned();
        let host = host_spec(call.opts())?;
        let list = lua.create_table()?;
        let n = call.int(1).unwrap_or(0);
        // Before any of them is made.
        if n > MOST_NODES as i64 {
            return Err(too_many("net:hosts()").into());
        }
        for i in 1..=n {
            let node =
                add_node(lua, sim, "net:hosts()", &format!("{prefix}{i}"), NodeSpec::Host(host.clone()))?;
            set_host_options(sim, node, call.opts())?;
            list.raw_push(node_handle(lua, sim, node)?)?;
        }
        Ok(list)
    })?;
    registry.add(&spec::NET_SWITCH, |lua, sim, call| {
        let mut switch = SwitchSpec::default();
        if let Some(ageing) = call.opts().span("ageing") {
            if ageing.is_zero() {
                let mistake = Mistake::new("ageing = 0: the switch would forget every address at once").at_word("ageing");
                return Err(mistake.note("a switch that knows nobody is net:hub(name), or table_size = 1").into());
            }
            switch.ageing = ageing;
        }
        if let Some(size) = call.opts().int("table_size") {
            switch.table_size = size as u32;
        }
        switch.stp = match call.opts().text("stp") {
            Some("false") => SpanningTree::Off,
            Some("stp") => SpanningTree::Stp,
            Some("rstp") => SpanningTree::Rstp,
            _ => SpanningTree::Auto,
        };
        if let Some(priority) = call.opts().int("priority") {
            if priority % 4096 != 0 {
                let text = format!("priority = {priority}: a bridge's priority is a multiple of 4096 (IEEE 802.1D-2004 section 9.2.5)");
                return Err(Mistake::new(text).at_word("priority").note("the lowest becomes the root: 4096 before 32768").into());
            }
            switch.priority = priority as u16;
        }
        switch.converge = call.opts().flag("converge").unwrap_or(true);
        switch.buffer = shared_buffer(call.opts())?;
        let name = call.text(0).unwrap_or_default();
        node_handle(lua, sim, add_node(lua, sim, "net:switch()", name, NodeSpec::Switch(switch))?)
    })?;
    registry.add(&spec::NET_HUB, |lua, sim, call| {
        let name = call.text(0).unwrap_or_default();
        node_handle(lua, sim, add_node(lua, sim, "net:hub()", name, NodeSpec::Switch(SwitchSpec::hub()))?)
    })?;
    registry.add(&spec::NET_AP, |lua, sim, call| {
        let radio = super::bridge::medium::radio(call.opts());
        let switch = SwitchSpec { medium: Some(MediumSpec::Radio(radio)), ..SwitchSpec::default() };
        let name = call.text(0).unwrap_or_default();
        node_handle(lua, sim, add_node(lua, sim, "net:ap()", name, NodeSpec::Switch(switch))?)
    })?;
    registry.add(&spec::NET_ROUTER, |lua, sim, call| {
        let ecmp = match call.opts().text("ecmp") {
            Some("packet") => Ecmp::Packet,
            Some("false") => Ecmp::Off,
            _ => Ecmp::Flow,
        };
        let name = call.text(0).unwrap_or_default();
        let node =
            add_node(lua, sim, "net:router()", name, NodeSpec::Router(RouterSpec { ecmp, nat: None }))?;
        set_ip_options(sim, node, call.opts())?;
        node_handle(lua, sim, node)
    })?;
    registry.add(&spec::NET_LINK, |lua, sim, call| {
        let (Some(Val::Node(a)), Some(Val::Node(b))) = (call.arg(0), call.arg(1)) else { unreachable!() };
        let link = any_link_spec(call.opts())?;
        let id = sim.plan_mut("net:link()")?.connect(*a, *b, link).map_err(mistake)?;
        super::timetable::attach(lua, sim, id, call.opts())?;
        link_handle(lua, sim, id)
    })?;
    registry.add(&spec::NET_LAN, |lua, sim, call| {
        let Some(Val::Nodes(nodes)) = call.arg(1) else { unreachable!() };
        let link = link_spec(call.opts())?;
        let name = call.text(0).unwrap_or_default();
        let id = sim.plan_mut("net:lan()")?.add_lan(name, nodes, &link).map_err(mistake)?;
        node_handle(lua, sim, id)
    })?;
    names(registry)?;
    super::bridge::medium::install(registry)?;
    for class in ["switch", "hub", "ap", "host", "router", "nat"] {
        registry.shows(class, |sim, this| {
            let id = crate::classes::node_of(&Value::UserData(this.clone()));
            Ok(id.map_or_else(String::new, |id| sim.plan.borrow().node(id).name.clone()))
        })?;
    }
    Ok(())
}

/// Subnets, look-ups, and what the network consists of.
fn names(registry: &Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::NET_SUBNET, |lua, sim, call| {
        let Some(Val::Nodes(nodes)) = call.arg(1) else { unreachable!() };
        let text = call.text(0).unwrap_or_default();
        let prefix: Prefix = text.parse().map_err(|why: String| Mistake::new(why).at_word(text))?;
        sim.plan_mut("net:subnet()")?.subnet(prefix, nodes).map_err(mistake)?;
        sim.subnet_places.borrow_mut().push((prefix, crate::sim::here(lua)));
        Ok(())
    })?;
    registry.add(&spec::NET_IPV6, |_, sim, call| {
        let opts = call.opts();
        let prefix = match opts.text("prefix") {
            Some(text) => prefix48(text).map_err(|why| Mistake::new(why).at_word(text))?,
            None => DOCUMENTATION,
        };
        sim.plan_mut("net:ipv6()")?.use_ipv6(prefix, opts.flag("prefer").unwrap_or(false));
        Ok(())
    })?;
    registry.add(&spec::NET_FIND, |lua, sim, call| {
        let name = call.text(0).unwrap_or_default();
        let (node, link) = {
            let plan = sim.plan.borrow();
            (plan.find(name), plan.find_link(name))
        };
        Ok(match (node, link) {
            (Some(node), _) => Value::UserData(node_handle(lua, sim, node)?),
            (_, Some(link)) => Value::UserData(link_handle(lua, sim, link)?),
            _ => Value::Nil,
        })
    })?;
    registry.add(&spec::NET_PATH, |lua, sim, call| {
        let (Some(Val::Node(a)), Some(Val::Node(b))) = (call.arg(0), call.arg(1)) else { unreachable!() };
        let path = {
            let world = sim.world()?;
            world.plan().path(*a, *b, &|link| world.is_link_up(link))
        };
        path.map(|path| nodes(lua, sim, &path)).transpose()
    })?;
    registry.add(&spec::NET_DOT, |_, sim, _| {
        let plan = sim.plan.borrow();
        let mut text = String::from("graph network {\n");
        plan.nodes().iter().for_each(|node| text.push_str(&format!("  {:?};\n", node.name)));
        for link in plan.links() {
            let [a, b] = link.ends.map(|end| &plan.node(end).name);
            text.push_str(&format!("  {a:?} -- {b:?} [label=\"{}\"];\n", link_summary(&link.spec)));
        }
        text.push_str("}\n");
        Ok(text)
    })?;
    registry.field("net", "nodes", |lua, sim, _| {
        let all: Vec<NodeId> = sim.plan.borrow().node_ids().collect();
        nodes(lua, sim, &all)
    })?;
    registry.field("net", "links", |lua, sim, _| {
        let all: Vec<_> = sim.plan.borrow().link_ids().collect();
        let list = lua.create_table()?;
        for link in all {
            list.raw_push(link_handle(lua, sim, link)?)?;
        }
        Ok(list)
    })?;
    registry.add(&spec::SWITCH_MAC_TABLE, super::bridge::mac_table)?;
    registry.add(&spec::SWITCH_VLANS, super::bridge::vlans)?;
    registry.add(&spec::SWITCH_STP, super::bridge::stp)?;
    registry.field("switch", "buffer", |lua, sim, this| {
        let node = crate::classes::node_of(&Value::UserData(this));
        let Some(report) = node.and_then(|node| sim.world.borrow().buffer_report(node)) else {
            return Ok(None);
        };
        let table = lua.create_table()?;
        table.raw_set("used_bytes", report.used)?;
        table.raw_set("highest_bytes", report.highest)?;
        table.raw_set("pauses", report.pauses)?;
        Ok(Some(table))
    })?;
    for (name, count) in [("floods", Switch::floods as fn(&Switch) -> u64), ("forwarded", Switch::forwarded)]
    {
        registry.field("switch", name, move |_, sim, this| {
            let node = crate::classes::node_of(&Value::UserData(this));
            let world = sim.world()?;
            Ok(node.and_then(|node| world.switch(node)).map(count))
        })?;
    }
    registry.field("switch", "name", |_, sim, this| {
        let id = crate::classes::node_of(&Value::UserData(this));
        Ok(id.map(|id| sim.plan.borrow().node(id).name.clone()))
    })
}

/// A mistake in the plan.
pub(super) fn mistake(error: PlanError) -> Mistake {
    let word = match &error {
        PlanError::DuplicateName(name) | PlanError::SelfLink(name) | PlanError::BadName(name) => {
            Some(name.clone())
        }
        _ => None,
    };
    let mistake = Mistake::new(error.to_string());
    match word {
        Some(word) => mistake.at_word(word),
        None => mistake,
    }
}

/// Nodes of a network.
const MOST_NODES: usize = 1_000_000;

fn too_many(what: &str) -> Mistake {
    Mistake::new(format!("{what}: a network has at most {MOST_NODES} nodes"))
        .at_word(what.trim_end_matches("()").rsplit(':').next().unwrap_or(what))
        .note("what matters about a crowd is its traffic: host:on_off{} or host:poisson{} of a few hosts give it")
        .fault(Fault::Limit)
}

pub(super) fn add_node(
    lua: &Lua,
    sim: &Shared,
    what: &str,
    name: &str,
    node: NodeSpec,
) -> mlua::Result<NodeId> {
    let mut plan = sim.plan_mut(what)?;
    if plan.nodes().len() >= MOST_NODES {
        return Err(too_many(what).into());
    }
    let id = plan.add(name, node).map_err(mistake)?;
    let mut places = sim.places.borrow_mut();
    places.resize(id.index() + 1, None);
    places[id.index()] = here(lua);
    Ok(id)
}

/// A list of nodes.
pub(super) fn nodes(lua: &Lua, sim: &Shared, ids: &[NodeId]) -> mlua::Result<Table> {
    let list = lua.create_table_with_capacity(ids.len(), 0)?;
    ids.iter().try_for_each(|id| list.raw_push(node_handle(lua, sim, *id)?))?;
    super::printing::record(lua, &list)?;
    Ok(list)
}

/// The memory that the queues of a switch share.
fn shared_buffer(opts: &Opts) -> Result<Option<BufferSpec>, Mistake> {
    let alpha = opts.number("alpha");
    if let Some(alpha) = alpha.filter(|alpha| !(*alpha > 0.0 && alpha.is_finite())) {
        return Err(Mistake::new(format!("alpha = {alpha}: the share of a queue is a positive number"))
            .at_word("alpha"));
    }
    match opts.size("buffer") {
        None if alpha.is_some() => Err(Mistake::new("alpha needs a buffer to share").at_word("alpha")),
        Some(size) if size.0 < 1500 => {
            Err(Mistake::new(format!("buffer = {size}: a packet of 1500 bytes has no room"))
                .at_word("buffer"))
        }
        size => Ok(size.map(|size| BufferSpec { size, alpha: alpha.unwrap_or(BufferSpec::ALPHA) })),
    }
}

pub(super) fn host_spec(opts: &Opts) -> Result<HostSpec, Mistake> {
    let mut host = HostSpec::default();
    if let Some(Val::InterfaceAddress(ip)) = opts.get("ip") {
        host.ip = *ip;
    }
    if let Some(text) = opts.text("ip6") {
        host.ip6 = text.parse().map_err(|why: String| Mistake::new(why).at_word(text))?;
    }
    if let Some(text) = opts.text("gateway") {
        let gateway = text.parse();
        host.gateway = Some(gateway.map_err(|_| {
            Mistake::new(format!("'{text}' is not an address: expected something like \"10.0.0.1\""))
                .at_word(text)
        })?);
    }
    if let Some(Val::Processing(delay)) = opts.get("delay") {
        host.processing = *delay;
    }
    if let Some(cores) = opts.int("cores") {
        host.cores = cores as u32;
    }
    if let Some(forward) = opts.flag("forward") {
        host.forward = forward;
    }
    Ok(host)
}

/// What the world does not know of a host yet: its memory, and its TCP options.
pub(super) fn set_host_options(sim: &Shared, node: NodeId, opts: &Opts) -> mlua::Result<()> {
    if let Some(cpu) = opts.number("cpu") {
        if !(cpu > 0.0 && cpu.is_finite()) {
            return Err(Mistake::new(format!("cpu = {cpu}: cores are so many times as fast, more than 0"))
                .at_word("cpu")
                .into());
        }
        sim.cpus.borrow_mut().insert(node.0, cpu);
    }
    if let Some(Val::Size(size)) = opts.get("memory") {
        sim.memory.borrow_mut().entry(node.0).or_default().limit = Some(size.0);
    }
    if opts.get("tcp").is_some() {
        let config = super::tcp_options::tcp_config(sim, &opts.nested("tcp"), &TcpConfig::linux())?;
        if sim.mode != Mode::Plan {
            sim.host_tcp.borrow_mut().push((node, config));
        }
    }
    Ok(set_ip_options(sim, node, opts)?)
}

/// How a host or router resolves addresses and speaks of trouble, from its options `arp` and `icmp`.
fn set_ip_options(sim: &Shared, node: NodeId, opts: &Opts) -> Result<(), Mistake> {
    if opts.get("arp").is_none() && opts.get("icmp").is_none() || sim.mode == Mode::Plan {
        return Ok(());
    }
    let (arp, icmp) = (opts.nested("arp"), opts.nested("icmp"));
    let usual = ArpConfig::default();
    let arp_config = ArpConfig {
        timeout: arp.span("timeout").unwrap_or(usual.timeout),
        interval: arp.span("interval").unwrap_or(usual.interval).max(Span::from_us(1)),
        tries: arp.int("retries").map_or(usual.tries, |n| n as u8),
        pending: arp.int("queue").map_or(usual.pending, |n| n as usize),
    };
    let errors = match icmp.number("rate") {
        Some(rate) if rate > 0.0 && rate <= 1e9 => {
            let burst = icmp.int("burst").map_or(6, |burst| burst as u32);
            Some(ErrorLimit::new(Span::from_secs_f64(1.0 / rate), burst))
        }
        None if opts.get("icmp").is_none() => None,
        rate => {
            let got = rate.map_or("nothing".to_owned(), |rate| rate.to_string());
            let wrong = format!("icmp.rate is a number of errors a second above 0, not {got}");
            return Err(Mistake::new(wrong).at_word("icmp").note("write icmp = { rate = 1, burst = 6 }"));
        }
    };
    let proxy_arp = arp.flag("proxy").unwrap_or(false);
    sim.host_ip.borrow_mut().push((node, IpOptions { arp: arp_config, proxy_arp, errors }));
    Ok(())
}

/// The options of one of many links, with their defaults.
pub(super) fn link_spec(opts: &Opts) -> Result<LinkSpec, Mistake> {
    for opts in [opts, &opts.nested("forward"), &opts.nested("backward")] {
        let word = match (opts.get("loss"), opts.get("trace")) {
            (Some(Val::Loss(_, Some(_))), _) => "match",
            (_, Some(Val::Rates(_))) => "trace",
            _ if opts.get("schedule").is_some() => "schedule",
            _ => continue,
        };
        return Err(Mistake::new(format!("this '{word}' is for one link: write it in net:link or link:set"))
            .at_word(word));
    }
    any_link_spec(opts)
}

/// A link's options, with their defaults.
fn any_link_spec(opts: &Opts) -> Result<LinkSpec, Mistake> {
    let mut link = LinkSpec::default();
    apply_direction(opts, &mut link.forward)?;
    apply_direction(opts, &mut link.backward)?;
    apply_direction(&opts.nested("forward"), &mut link.forward)?;
    apply_direction(&opts.nested("backward"), &mut link.backward)?;
    link.framing = match opts.text("framing") {
        Some("ip") => Framing::Ip,
        Some("ppp") => Framing::Ppp,
        _ => Framing::Ethernet,
    };
    if let Some(mtu) = opts.int("mtu") {
        link.mtu = mtu as u16;
    }
    if let Some(Val::Number(metres)) = opts.get("distance") {
        link.distance = Some(*metres);
    }
    link.pause = opts.flag("pause").unwrap_or(false);
    if let Some(Val::Arq(arq)) = opts.get("arq") {
        link.arq = Some(*arq);
    }
    if let Some(Val::Vlan(vlan)) = opts.get("vlan") {
        link.vlan = Some(vlan.clone());
    }
    Ok(link)
}

fn apply_direction(opts: &Opts, direction: &mut DirectionSpec) -> Result<(), Mistake> {
    if let Some(rate) = opts.rate("rate") {
        direction.rate = rate;
    }
    if let Some(delay) = opts.span("delay") {
        direction.delay = delay;
    }
    if let Some(Val::Loss(loss, _)) = opts.get("loss") {
        direction.loss = loss.clone();
    }
    if let Some(Val::Queue(queue)) = opts.get("queue") {
        apply_queue(queue, direction)?;
    }
    if let Some(Val::Trace(times)) = opts.get("trace") {
        direction.trace = Some(times.clone());
    }
    if let Some(Val::Rates(rates)) = opts.get("trace")
        && let Some((at, rate)) = rates.first()
        && at.is_zero()
    {
        direction.rate = *rate;
    }
    apply_impairments(opts, direction);
    if let Some(cost) = opts.int("cost") {
        direction.cost = cost as u32;
    }
    Ok(())
}

fn apply_queue(queue: &Queue, direction: &mut DirectionSpec) -> Result<(), Mistake> {
    direction.discipline = queue.discipline.clone().map(Box::new);
    // Each discipline has a limit of its own.
    direction.queue = match queue.limit {
        None => match queue.discipline.as_ref().map(|discipline| discipline.kind) {
            Some(DisciplineKind::FqCodel) => QueueSpec::Packets(10_240),
            _ => QueueSpec::Packets(1000),
        },
        Some(Limit::Packets(packets)) => QueueSpec::Packets(packets),
        Some(Limit::Bytes(bytes)) => QueueSpec::Bytes(bytes),
        Some(Limit::Bdp(factor, Some(rtt))) => QueueSpec::Bdp { factor, rtt },
        Some(Limit::Bdp(factor, None)) => {
            return Err(Mistake::new(format!(
                "queue = \"{factor}bdp\" needs the round-trip time of the product"
            ))
            .at_word("queue")
            .note(format!("write queue = {{ \"droptail\", limit = \"{factor}bdp\", rtt = \"40ms\" }}")));
        }
    };
    Ok(())
}

/// Changes what the options name, and leaves the rest; used for `link:set` as well.
pub(super) fn apply_impairments(opts: &Opts, direction: &mut DirectionSpec) {
    let mut spec = direction.impairments.take().map_or_else(ImpairmentSpec::default, |spec| *spec);
    if let Some(Val::Jitter(jitter)) = opts.get("jitter") {
        spec.jitter = Some(*jitter).filter(|jitter| jitter.shape != JitterShape::Uniform(Span::ZERO));
    }
    if let Some(Val::Corrupt(corrupt)) = opts.get("corrupt") {
        spec.corrupt = corrupt.clone();
    }
    if let Some(Val::Probability(p)) = opts.get("duplicate") {
        spec.duplicate = *p;
    }
    if let Some(Val::Probability(p)) = opts.get("reorder") {
        spec.reorder = *p;
    }
    direction.impairments = (spec != ImpairmentSpec::default()).then(|| Box::new(spec));
}

/// `10Mbps 20ms`, with the loss if there is any.
pub(super) fn link_summary(link: &LinkSpec) -> String {
    let one = |direction: &DirectionSpec| format!("{} {}", direction.rate, direction.delay);
    let (forward, backward) = (one(&link.forward), one(&link.backward));
    if forward == backward { forward } else { format!("{forward} / {backward}") }
}
