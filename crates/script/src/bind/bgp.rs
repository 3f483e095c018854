//! What routers tell each other by BGP: policies towards neighbours, networks announced and withdrawn.

use crate::call::Call;
use crate::classes::this_node;
use crate::mistake::Mistake;
use crate::output::Output;
use crate::sim::{Shared, Sim};
use crate::values::Val;
use mlua::Lua;
use tidewire_l3_network::routing::Relation;
use tidewire_topology::{NodeKind, Prefix};
use tidewire_units::NodeId;
use tidewire_world::World;

/// `router:bgp_policy`.
pub(super) fn policy(lua: &Lua, sim: &Shared, call: &Call) -> mlua::Result<()> {
    let node = this_node(call)?;
    let Some(Val::Node(neighbor)) = call.arg(0) else { unreachable!() };
    let has_started = sim.world.borrow().has_started();
    if !has_started {
        drop(sim.plan_mut("router:bgp_policy()")?);
    }
    can_have_policy(sim, node, *neighbor, has_started)?;
    sim.policy_places.borrow_mut().push((node, *neighbor, crate::sim::here(lua)));
    let mut world = sim.world.borrow_mut();
    let mut policy = world.bgp_policy(node, *neighbor);
    if let Some(Val::Texts(all)) = call.opts().get("deny") {
        policy.deny = all.iter().map(|text| network(text)).collect::<Result<_, _>>()?;
    }
    policy.prefer = call.opts().int("prefer").map(|n| n as u32).or(policy.prefer);
    policy.med = call.opts().int("med").map(|n| n as u32).or(policy.med);
    let pair = match call.opts().text("relation") {
        Some("customer") => Some((Relation::Customer, Relation::Provider)),
        Some("provider") => Some((Relation::Provider, Relation::Customer)),
        Some(_) => Some((Relation::Peer, Relation::Peer)),
        None => None,
    };
    if let Some((own, other)) = pair {
        if let Some(said) = policy.relation.filter(|said| !has_started && *said != own) {
            let plan = sim.plan.borrow();
            let [to, of] = [*neighbor, node].map(|node| plan.node(node).name.as_str());
            let text = format!(
                "{to} was said to be a {} of {of} before: it cannot be a {} as well",
                word(said),
                word(own)
            );
            return Err(Mistake::new(text)
                .at_word("relation")
                .note("say what they are to each other once, for one of the two")
                .into());
        }
        policy.relation = Some(own);
        let mut back = world.bgp_policy(*neighbor, node);
        back.relation = Some(other);
        world.set_bgp_policy(*neighbor, node, back);
    }
    world.set_bgp_policy(node, *neighbor, policy);
    Ok(())
}

/// Two routers with a link in common that speak BGP, or may do so once the network is complete.
fn can_have_policy(sim: &Shared, node: NodeId, neighbor: NodeId, has_started: bool) -> Result<(), Mistake> {
    let plan = sim.plan.borrow();
    let [of, to] = [node, neighbor].map(|node| plan.node(node).name.clone());
    if node == neighbor {
        return Err(Mistake::new(format!("'{of}' is no neighbour of its own")).at_word("bgp_policy"));
    }
    for (one, name) in [(node, &of), (neighbor, &to)] {
        let spec = &plan.node(one).spec;
        if spec.kind() != NodeKind::Router || spec.nat().is_some() {
            return Err(
                Mistake::new(format!("'{name}' does not speak BGP: it is no router")).at_word("bgp_policy")
            );
        }
    }
    let world = sim.world.borrow();
    if !has_started || !world.is_node_up(node) {
        return Ok(());
    }
    match session(&world, node, neighbor) {
        Some(true) => Ok(()),
        Some(false) => Err(Mistake::new(format!("'{of}' has no BGP session with '{to}'"))
            .at_word("bgp_policy")
            .note("sessions are between routers on the same link that both speak BGP: print(router:neighbors())")),
        None => Err(no_bgp(&of, "bgp_policy")),
    }
}

/// Whether a router may have a session with another; none if it does not speak BGP.
fn session(world: &World, node: NodeId, neighbor: NodeId) -> Option<bool> {
    let bgp = world.ip_node(node)?.control()?.bgp()?;
    let plan = world.plan();
    let mut addresses = plan.node(neighbor).ifaces.iter().filter_map(|iface| plan.iface(*iface).address);
    Some(addresses.any(|address| bgp.peer_at(address.ip).is_some()))
}

/// Warns of policies that were never asked: who has forgotten BGP believes that a filter works.
pub(crate) fn hints(sim: &Sim, world: &World, out: &mut Output) {
    let places = sim.policy_places.borrow();
    let is_up = |node: &NodeId| world.has_started() && world.is_node_up(*node);
    for (node, neighbor, place) in places.iter().filter(|(a, b, _)| is_up(a) && is_up(b)) {
        let [of, to] = [*node, *neighbor].map(|node| world.plan().node(node).name.as_str());
        let why = match session(world, *node, *neighbor) {
            Some(true) => continue,
            Some(false) => format!("'{of}' and '{to}' have no link on which both speak BGP"),
            None => format!("'{of}' does not speak BGP\n  call net:routing(\"bgp\")"),
        };
        out.warn(format!("this bgp_policy is never asked: {why}"), place.clone());
    }
}

fn no_bgp(name: &str, word: &str) -> Mistake {
    Mistake::new(format!("'{name}' does not speak BGP, so it has nobody to tell"))
        .at_word(word)
        .note("call net:routing(\"bgp\") before")
}

fn word(relation: Relation) -> &'static str {
    match relation {
        Relation::Customer => "customer",
        Relation::Peer => "peer",
        Relation::Provider => "provider",
    }
}

/// A network as it is written, without the bits of a host.
fn network(text: &str) -> Result<tidewire_l3_network::Prefix, Mistake> {
    let mistake = |why: String| Mistake::new(why).at_word(text);
    let prefix: Prefix = text.parse().map_err(mistake)?;
    tidewire_l3_network::Prefix::new(prefix.network(), prefix.length())
        .ok_or_else(|| mistake(text.to_owned()))
}

/// `router:announce` and `router:withdraw`.
pub(super) fn announce(sim: &Shared, call: &Call, on: bool) -> mlua::Result<()> {
    let node = this_node(call)?;
    let prefix = network(call.text(0).unwrap_or_default())?;
    let mut world = sim.world()?;
    let name = world.plan().node(node).name.clone();
    let bgp = world.ip_node(node).and_then(|node| node.control()).and_then(|control| control.bgp());
    let Some(bgp) = bgp else { return Err(no_bgp(&name, call.func.short()).into()) };
    if !on && !bgp.announces(prefix) {
        let text = format!("'{name}' does not announce {}", call.text(0).unwrap_or_default());
        return Err(Mistake::new(text)
            .at_word("withdraw")
            .note("print(router:rib()) shows what it announces")
            .into());
    }
    world.announce(node, prefix, on);
    Ok(())
}
