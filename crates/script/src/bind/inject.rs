//! `inject_fault(a, b)`: something to be found.

use super::diagnose::Ends;
use super::failures::crash;
use super::routing::printable;
use crate::mistake::Mistake;
use crate::sim::Shared;
use mlua::{Lua, Table};
use std::net::Ipv4Addr;
use tidewire_l3_network::gate::{Action, Chain, Firewall, Timeouts};
use tidewire_topology::{LossModel, LossSpec, Match, NodeKind};
use tidewire_units::{DirId, LinkId, NodeId, Probability};
use tidewire_world::World;

/// The faults that can be made.
pub(crate) const FAULTS: &[&str] =
    &["cable", "crash", "loss", "noise", "mac", "route", "loop", "firewall", "port"];

pub(super) fn inject(
    lua: &Lua,
    sim: &Shared,
    ends: Ends,
    port: Option<u16>,
    kind: Option<String>,
) -> mlua::Result<Table> {
    let way = {
        let world = sim.world()?;
        world.plan().path(ends.a, ends.b, &|link| world.is_link_up(link))
    };
    let way = way.ok_or_else(|| {
        Mistake::new("there is no way between the two that could be broken").at_word("inject_fault")
    })?;
    let to = sim.world()?.address_of(ends.b);
    let to = to.ok_or_else(|| Mistake::new("the second host has no address yet").at_word("inject_fault"))?;
    let pick = |n: usize| sim.draw(lua, "inject_fault", |stream| stream.between(0, n as u64 - 1) as usize);
    let kinds: Vec<&str> = match &kind {
        Some(kind) => FAULTS.iter().copied().filter(|known| known == kind).collect(),
        None => FAULTS.iter().copied().filter(|kind| *kind != "port" || port.is_some()).collect(),
    };
    // A kind that this way has no place for is tried elsewhere, then as another kind.
    for _ in 0..200 {
        let kind = kinds[pick(kinds.len())];
        let at = pick(way.len());
        if let Some(place) = make(sim, ends, to, port, &way, kind, at)? {
            let table = lua.create_table()?;
            table.raw_set("kind", kind)?;
            table.raw_set("where", place.clone())?;
            printable(lua, &table, format!("{kind} at {place}"))?;
            return Ok(table);
        }
    }
    let wanted = kind.unwrap_or_default();
    Err(Mistake::new(format!("the way between the two has no place for a fault of the kind '{wanted}'"))
        .at_word("inject_fault")
        .note("mac and route need a host or router that sends on, loop two routers side by side, port a port = 80 on which the second listens")
        .into())
}

/// Whether every way between the two leads past a node, or over a link.
fn is_unavoidable(world: &World, ends: Ends, node: Option<NodeId>, link: Option<LinkId>) -> bool {
    let plan = world.plan();
    let is_free = |other: LinkId| {
        let past = |node| plan.link(other).ends.contains(&node);
        world.is_link_up(other) && link != Some(other) && !node.is_some_and(past)
    };
    node.is_some_and(|node| node == ends.a || node == ends.b) || plan.path(ends.a, ends.b, &is_free).is_none()
}

/// Whether a link is on a medium that its stations share.
fn is_shared(world: &World, link: LinkId) -> bool {
    let link = world.plan().link(link);
    link.spec.distance.is_some() || link.ends.iter().any(|end| world.plan().node(*end).spec.is_hub())
}

/// Makes a fault at the `at`th node of the way, or behind it; where it is. `None` when there is no place for it.
fn make(
    sim: &Shared,
    ends: Ends,
    to: Ipv4Addr,
    port: Option<u16>,
    way: &[NodeId],
    kind: &str,
    at: usize,
) -> mlua::Result<Option<String>> {
    let node = way[at];
    let (name, is_ip, is_end) = {
        let plan = sim.plan.borrow();
        let node = plan.node(node);
        (node.name.clone(), node.spec.kind() != NodeKind::Switch, at == 0 || at + 1 == way.len())
    };
    let mut world = sim.world()?;
    let link = way.get(at + 1).and_then(|next| {
        let plan = world.plan();
        plan.link_ids().find(|link| {
            let joined = plan.link(*link).ends;
            (joined == [node, *next] || joined == [*next, node]) && world.is_link_up(*link)
        })
    });
    let is_of_link = matches!(kind, "cable" | "loss" | "noise");
    let place = if is_of_link { (None, link) } else { (Some(node), None) };
    if !is_unavoidable(&world, ends, place.0, place.1) {
        return Ok(None);
    }
    let link_name = link.map(|link| world.plan().link(link).name.clone());
    let ways = link.map(|link| [DirId::forward(link), DirId::backward(link)]).into_iter().flatten();
    let is_sender = is_ip && at + 1 < way.len();
    Ok(match kind {
        "crash" if at > 0 => {
            drop(world);
            crash(sim, node)?;
            Some(name)
        }
        "cable" => {
            link.into_iter().for_each(|link| world.set_link_up(link, false));
            link_name
        }
        // A radio link sends again what was lost.
        "loss" if link.is_some_and(|link| world.plan().link(link).spec.distance.is_none()) => {
            let half = LossModel::Bernoulli(Probability::new(0.5).expect("below 1"));
            let spec = LossSpec { model: half, among: Match::Any };
            ways.for_each(|dir| world.set_loss(dir, &spec));
            link_name
        }
        "noise" if link.is_some_and(|link| !is_shared(&world, link)) => {
            for dir in ways {
                let mut spec =
                    world.plan().direction(dir).impairments.as_deref().cloned().unwrap_or_default();
                let most = Probability::new(0.7).expect("below 1");
                spec.corrupt = tidewire_topology::CorruptSpec::Packets(most);
                world.set_impairments(dir, &spec);
            }
            link_name
        }
        "mac" if is_sender => world.poison_neighbor(node, to).then_some(name),
        "route" if is_sender => world.drop_routes(node, to).then_some(name),
        "loop" if is_sender && !is_end => {
            let next = way[at + 1];
            let only_routes = |id: &NodeId| {
                let spec = &world.plan().node(*id).spec;
                spec.kind() == NodeKind::Router && spec.nat().is_none()
            };
            let both_route = [node, next].iter().all(only_routes);
            let sure = both_route && is_unavoidable(&world, ends, Some(next), None);
            (sure && world.misroute(next, to, node)).then(|| world.plan().node(next).name.clone())
        }
        "firewall" if is_ip && at > 0 => {
            let deny = || Chain::new(Vec::new(), Action::Deny);
            let allow = Chain::new(Vec::new(), Action::Allow);
            let firewall = Firewall::new([deny(), allow, deny()], Timeouts::default(), Firewall::MOST_FLOWS);
            world.set_firewall(node, Some(firewall), Timeouts::default(), Firewall::MOST_FLOWS);
            Some(name)
        }
        "port" if at + 1 == way.len() => {
            let socket = port.and_then(|port| world.tcp_listener(ends.b, port));
            socket.map(|socket| {
                world.close(ends.b, socket);
                name
            })
        }
        _ => None,
    })
}
