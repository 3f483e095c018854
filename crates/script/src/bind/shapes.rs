//! Networks of a shape.

use super::net::{host_spec, link_spec, mistake, nodes, set_host_options};
use crate::call::{Call, Opts};
use crate::classes::{Registry, link_handle, node_handle};
use crate::mistake::Mistake;
use crate::sim::Shared;
use crate::spec::net as spec;
use crate::values::Val;
use mlua::{Lua, Table, Value};
use tidewire_topology::generate::{self, Built, RandomModel, Style};
use tidewire_topology::{NodeSpec, SwitchSpec};
use tidewire_units::{LinkId, NodeId, Probability, Purpose, Span, parse_span};

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::NET_DUMBBELL, dumbbell)?;
    registry.add(&spec::NET_PARKING_LOT, parking_lot)?;
    registry.add(&spec::NET_LINE, |lua, sim, call| {
        let n = count(&call, "n", 3);
        shape(lua, sim, &call, "net:line()", 1, |plan, style| generate::line(plan, n, style))
    })?;
    registry.add(&spec::NET_RING, |lua, sim, call| {
        let n = count(&call, "n", 4);
        shape(lua, sim, &call, "net:ring()", 1, |plan, style| generate::ring(plan, n, style))
    })?;
    registry.add(&spec::NET_STAR, |lua, sim, call| {
        let n = count(&call, "hosts", 4);
        shape(lua, sim, &call, "net:star()", 1, |plan, style| generate::star(plan, n, style))
    })?;
    registry.add(&spec::NET_GRID, |lua, sim, call| {
        let (rows, columns) = (count(&call, "rows", 3), count(&call, "columns", 3));
        shape(lua, sim, &call, "net:grid()", 1, |plan, style| generate::grid(plan, rows, columns, style))
    })?;
    registry.add(&spec::NET_TREE, |lua, sim, call| {
        let (depth, fanout) = (count(&call, "depth", 2), count(&call, "fanout", 2));
        shape(lua, sim, &call, "net:tree()", 1, |plan, style| generate::tree(plan, depth, fanout, style))
    })?;
    registry.add(&spec::NET_RANDOM, random)?;
    registry.add(&spec::NET_FAT_TREE, |lua, sim, call| {
        let style = style(call.opts(), 1)?;
        let k = count(&call, "k", 4);
        let built = generate::fat_tree(&mut *sim.plan_mut("net:fat_tree()")?, k, &style).map_err(mistake)?;
        host_options(sim, &built.hosts, call.opts())?;
        let table = lua.create_table()?;
        table.raw_set("hosts", nodes(lua, sim, &built.hosts)?)?;
        table.raw_set("edge", nodes(lua, sim, &built.edge)?)?;
        table.raw_set("aggregation", nodes(lua, sim, &built.aggregation)?)?;
        table.raw_set("core", nodes(lua, sim, &built.core)?)?;
        table.raw_set("links", links(lua, sim, &built.links)?)?;
        table.raw_set("access", links(lua, sim, &built.access)?)?;
        Ok(table)
    })?;
    registry.add(&spec::NET_BCUBE, |lua, sim, call| {
        let (n, k) = (count(&call, "n", 4), count(&call, "k", 1));
        let style = style(call.opts(), 1)?;
        let built = generate::bcube(&mut *sim.plan_mut("net:bcube()")?, n, k, &style).map_err(mistake)?;
        host_options(sim, &built.hosts, call.opts())?;
        let table = lua.create_table()?;
        table.raw_set("hosts", nodes(lua, sim, &built.hosts)?)?;
        let levels = built.levels.iter().map(|level| nodes(lua, sim, level));
        table.raw_set("levels", lua.create_sequence_from(levels.collect::<mlua::Result<Vec<_>>>()?)?)?;
        table.raw_set("links", links(lua, sim, &built.links)?)?;
        Ok(table)
    })?;
    registry.add(&spec::NET_LEAF_SPINE, |lua, sim, call| {
        let style = style(call.opts(), 4)?;
        let (spines, leaves) = (count(&call, "spines", 2), count(&call, "leaves", 4));
        let built = generate::leaf_spine(&mut *sim.plan_mut("net:leaf_spine()")?, spines, leaves, &style)
            .map_err(mistake)?;
        host_options(sim, &built.hosts, call.opts())?;
        let table = lua.create_table()?;
        table.raw_set("hosts", nodes(lua, sim, &built.hosts)?)?;
        table.raw_set("leaves", nodes(lua, sim, &built.leaves)?)?;
        table.raw_set("spines", nodes(lua, sim, &built.spines)?)?;
        table.raw_set("links", links(lua, sim, &built.links)?)?;
        table.raw_set("access", links(lua, sim, &built.access)?)?;
        Ok(table)
    })
}

fn count(call: &Call, name: &str, default: u32) -> u32 {
    call.opts().int(name).map_or(default, |n| u32::try_from(n).unwrap_or(u32::MAX))
}

pub(super) fn style(opts: &Opts, hosts: u32) -> Result<Style, Mistake> {
    let link = link_spec(&opts.nested("link"))?;
    let access = if opts.get("access").is_some() { link_spec(&opts.nested("access"))? } else { link.clone() };
    let mut style = Style { link, access, hosts, ..Style::default() };
    if let Some(prefix) = opts.text("prefix") {
        style.prefix = prefix.to_owned();
    }
    if let Some(hosts) = opts.int("hosts") {
        style.hosts = u32::try_from(hosts).unwrap_or(u32::MAX);
    }
    if opts.text("node") == Some("switch") {
        style.node = NodeSpec::Switch(SwitchSpec::default());
    }
    style.host = host_spec(&opts.nested("host"))?;
    Ok(style)
}

fn host_options(sim: &Shared, hosts: &[NodeId], opts: &Opts) -> mlua::Result<()> {
    let own = opts.nested("host");
    let own = if own.get("tcp").is_some() { own } else { opts.clone() };
    hosts.iter().try_for_each(|host| set_host_options(sim, *host, &own))
}

fn links(lua: &Lua, sim: &Shared, ids: &[LinkId]) -> mlua::Result<Table> {
    let list = lua.create_table_with_capacity(ids.len(), 0)?;
    ids.iter().try_for_each(|id| list.raw_push(link_handle(lua, sim, *id)?))?;
    Ok(list)
}

fn shape(
    lua: &Lua,
    sim: &Shared,
    call: &Call,
    what: &str,
    hosts: u32,
    build: impl FnOnce(&mut tidewire_topology::Plan, &Style) -> Result<Built, tidewire_topology::PlanError>,
) -> mlua::Result<Table> {
    let style = style(call.opts(), hosts)?;
    let built = build(&mut *sim.plan_mut(what)?, &style).map_err(mistake)?;
    table_of(lua, sim, call, &built)
}

pub(super) fn table_of(lua: &Lua, sim: &Shared, call: &Call, built: &Built) -> mlua::Result<Table> {
    host_options(sim, &built.hosts, call.opts())?;
    let table = lua.create_table()?;
    table.raw_set("hosts", nodes(lua, sim, &built.hosts)?)?;
    table.raw_set("nodes", nodes(lua, sim, &built.nodes)?)?;
    table.raw_set("links", links(lua, sim, &built.links)?)?;
    table.raw_set("access", links(lua, sim, &built.access)?)?;
    Ok(table)
}

fn random(lua: &Lua, sim: &Shared, call: Call) -> mlua::Result<Table> {
    let opts = call.opts();
    let n = count(&call, "n", 20);
    let delay = opts.span("delay").unwrap_or(Span::ZERO);
    let model = match opts.text("model") {
        Some("gnp") => match opts.get("p") {
            Some(Val::Probability(p)) => RandomModel::ErdosRenyi { p: *p },
            _ => RandomModel::sparse_erdos_renyi(n),
        },
        Some("ba") => RandomModel::BarabasiAlbert { links: count(&call, "m", 2) },
        _ if opts.get("alpha").is_none() && opts.get("beta").is_none() => {
            RandomModel::sparse_waxman(n, delay)
        }
        _ => {
            let alpha = opts.number("alpha").unwrap_or(0.4);
            let alpha = Probability::new(alpha).ok_or_else(|| {
                Mistake::new(format!("alpha = {alpha} is not between 0 and 1")).at_word("alpha")
            })?;
            let beta = opts.number("beta").unwrap_or(0.2);
            RandomModel::Waxman { alpha, beta, delay }
        }
    };
    let mut stream =
        sim.world.borrow().streams().stream(Purpose::Topology, opts.text("prefix").unwrap_or("random"));
    shape(lua, sim, &call, "net:random()", 1, |plan, style| {
        generate::random(plan, n, model, style, &mut stream)
    })
}

fn dumbbell(lua: &Lua, sim: &Shared, call: Call) -> mlua::Result<Table> {
    let opts = call.opts();
    let pairs = count(&call, "pairs", 1);
    let bottleneck = link_spec(&opts.nested("bottleneck"))?;
    let style = style(opts, 1)?;
    let own = match opts.get("access") {
        Some(_) => style,
        None => Style { access: tidewire_topology::LinkSpec::default(), ..style },
    };
    let built = match opts.get("rtt") {
        Some(Val::Table(rtts)) => unequal_dumbbell(sim, pairs, &bottleneck, &own, rtts)?,
        _ => generate::dumbbell(&mut *sim.plan_mut("net:dumbbell()")?, pairs, &bottleneck, &own)
            .map_err(mistake)?,
    };
    host_options(sim, &built.left, opts)?;
    host_options(sim, &built.right, opts)?;
    let table = lua.create_table()?;
    table.raw_set("left", nodes(lua, sim, &built.left)?)?;
    table.raw_set("right", nodes(lua, sim, &built.right)?)?;
    table.raw_set("l", node_handle(lua, sim, built.l)?)?;
    table.raw_set("r", node_handle(lua, sim, built.r)?)?;
    table.raw_set("bottleneck", link_handle(lua, sim, built.bottleneck)?)?;
    table.raw_set("left_access", links(lua, sim, &built.left_access)?)?;
    table.raw_set("right_access", links(lua, sim, &built.right_access)?)?;
    Ok(table)
}

/// A dumbbell whose left access links differ, so that each pair has its own round-trip time.
fn unequal_dumbbell(
    sim: &Shared,
    pairs: u32,
    bottleneck: &tidewire_topology::LinkSpec,
    style: &Style,
    rtts: &Table,
) -> mlua::Result<generate::Dumbbell> {
    let fixed = bottleneck.forward.delay + style.access.forward.delay;
    let mut delays = Vec::new();
    for i in 0..pairs as usize {
        let rtt = rtt_of(rtts, i)?;
        if rtt / 2 < fixed {
            return Err(Mistake::new(format!(
                "rtt = {rtt} is less than twice the delays of the bottleneck and one access link, {fixed}"
            ))
            .at_word("rtt")
            .into());
        }
        delays.push((rtt / 2).saturating_sub(fixed));
    }
    let mut plan = sim.plan_mut("net:dumbbell()")?;
    let plan = &mut *plan;
    let name = |name: String| format!("{}{name}", style.prefix);
    let mut build = || {
        let (l, r) = (
            plan.add(name("l".into()), style.node.clone())?,
            plan.add(name("r".into()), style.node.clone())?,
        );
        let mut side = |side: &str| -> Result<Vec<NodeId>, _> {
            (1..=pairs)
                .map(|i| plan.add(name(format!("{side}{i}")), NodeSpec::Host(style.host.clone())))
                .collect()
        };
        let (left, right) = (side("left")?, side("right")?);
        let middle = plan.connect(l, r, bottleneck.clone())?;
        let left_access = left.iter().zip(&delays).map(|(host, delay)| {
            plan.connect(*host, l, style.access.clone().both(|direction| direction.delay = *delay))
        });
        let left_access = left_access.collect::<Result<_, _>>()?;
        let right_access = right
            .iter()
            .map(|host| plan.connect(r, *host, style.access.clone()))
            .collect::<Result<_, _>>()?;
        Ok(generate::Dumbbell { left, right, l, r, bottleneck: middle, left_access, right_access })
    };
    Ok(build().map_err(mistake)?)
}

/// The round-trip time of the i-th pair; the list begins again when it is shorter.
fn rtt_of(rtts: &Table, i: usize) -> mlua::Result<Span> {
    let n = rtts.raw_len();
    if n == 0 {
        return Err(Mistake::new("rtt is a list of times, one for each pair: rtt = {\"20ms\", \"80ms\"}")
            .at_word("rtt")
            .into());
    }
    match rtts.raw_get(i % n + 1)? {
        Value::String(text) => {
            let text = text.to_string_lossy();
            parse_span(&text).map_err(|error| Mistake::new(error.to_string()).at_word(text).into())
        }
        other => crate::values::number(&other)
            .filter(|seconds| *seconds >= 0.0)
            .map(Span::from_secs_f64)
            .ok_or_else(|| {
                Mistake::new("rtt is a list of times: rtt = {\"20ms\", \"80ms\"}").at_word("rtt").into()
            }),
    }
}

fn parking_lot(lua: &Lua, sim: &Shared, call: Call) -> mlua::Result<Table> {
    let opts = call.opts();
    let link = link_spec(&opts.nested("bottleneck"))?;
    let access = link_spec(&opts.nested("access"))?;
    let style = Style { link, access, ..style(opts, 1)? };
    let hops = count(&call, "hops", 3);
    let built =
        generate::parking_lot(&mut *sim.plan_mut("net:parking_lot()")?, hops, &style).map_err(mistake)?;
    let (from, to): (Vec<_>, Vec<_>) = built.cross.iter().copied().unzip();
    let hosts: Vec<NodeId> =
        [built.long.0, built.long.1].into_iter().chain(from.clone()).chain(to.clone()).collect();
    host_options(sim, &hosts, opts)?;
    let table = lua.create_table()?;
    table.raw_set("src", node_handle(lua, sim, built.long.0)?)?;
    table.raw_set("dst", node_handle(lua, sim, built.long.1)?)?;
    table.raw_set("from", nodes(lua, sim, &from)?)?;
    table.raw_set("to", nodes(lua, sim, &to)?)?;
    table.raw_set("routers", nodes(lua, sim, &built.routers)?)?;
    table.raw_set("bottlenecks", links(lua, sim, &built.bottlenecks)?)?;
    table.raw_set("access", links(lua, sim, &built.access)?)?;
    Ok(table)
}
