//! `diagnose(a, b)`: from the lowest layer up, which one is at fault; `inject_fault(a, b)`: something to be found.

use super::failures::crash;
use super::routing::printable;
use crate::classes::Registry;
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::sim::{Shared, Sim};
use crate::spec::failures as spec;
use crate::values::Val;
use mlua::{IntoLua, IntoLuaMulti, Lua, MultiValue, Table};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use tidewire_l3_network::NextHop;
use tidewire_l3_network::gate::{Action, Chain, Firewall, Timeouts};
use tidewire_node::{Echo, EchoOutcome};
use tidewire_topology::{LossModel, LossSpec, Match, NodeKind};
use tidewire_units::{DirId, Instant, Interest, LinkId, NodeId, Probability, Refusal, SocketId, Span};
use tidewire_wire::{Cause, Endpoint};
use tidewire_world::{Place, ProcessId, World};

/// Echo requests of a diagnosis, and the time between them. ARP gives up after three seconds.
const PROBES: u16 = 8;
const EVERY: Span = Span::from_ms(500);
const PATIENCE: Span = Span::from_secs(8);

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::DIAGNOSE, |lua, sim, call| {
        let (Some(Val::Node(a)), Some(Val::Node(b))) = (call.arg(0), call.arg(1)) else { unreachable!() };
        let (a, b, port) = (*a, *b, call.opts().int("port").map(|port| port as u16));
        let ends = ends(sim, [a, b])?;
        block_on(
            lua,
            sim,
            Box::new(Diagnosis { ends, port, step: Step::Look, before: Books::new(), heard: 0 }),
        )
    })?;
    registry.add(&spec::INJECT_FAULT, |lua, sim, call| {
        let (Some(Val::Node(a)), Some(Val::Node(b))) = (call.arg(0), call.arg(1)) else { unreachable!() };
        let ends = ends(sim, [*a, *b])?;
        let port = call.opts().int("port").map(|port| port as u16);
        let kind = call.opts().text("kind").map(str::to_owned);
        inject(lua, sim, ends, port, kind)
    })
}

/// Two hosts and the address of the second.
#[derive(Clone, Copy)]
struct Ends {
    a: NodeId,
    b: NodeId,
    to: Ipv4Addr,
}

fn ends(sim: &Shared, [a, b]: [NodeId; 2]) -> mlua::Result<Ends> {
    let world = sim.world()?;
    for node in [a, b] {
        let name = &world.plan().node(node).name;
        if world.plan().address_of(node).is_none() {
            return Err(Mistake::new(format!("'{name}' has no IPv4 address to be reached by"))
                .at_word(name)
                .into());
        }
    }
    if a == b {
        return Err(Mistake::new("two different hosts are needed").at_word("diagnose").into());
    }
    let to = world.plan().address_of(b).expect("looked at above");
    Ok(Ends { a, b, to })
}

type Books = BTreeMap<(Place, Cause), u64>;

struct Diagnosis {
    ends: Ends,
    port: Option<u16>,
    step: Step,
    before: Books,
    heard: u16,
}

enum Step {
    Look,
    Probe { socket: SocketId, id: u16, sent: u16, next: Instant, deadline: Instant, code: Option<u8> },
    Connect { socket: SocketId, deadline: Instant },
}

/// What is wrong: the layer, a word for it, where, and a sentence.
struct Finding(u8, &'static str, String, String);

impl Op for Diagnosis {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut world = sim.world()?;
        loop {
            let now = world.now();
            match &mut self.step {
                Step::Look => {
                    if let Some(found) = broken_hardware(&world, self.ends) {
                        drop(world);
                        return report(lua, Some(found)).map(Some);
                    }
                    self.before = books(&world);
                    let (socket, id) = world.echo_socket(self.ends.a);
                    let deadline = now + PATIENCE;
                    self.step = Step::Probe { socket, id, sent: 0, next: now, deadline, code: None };
                }
                Step::Probe { socket, id, sent, next, deadline, code } => {
                    while let Some(event) = world.recv_echo(self.ends.a, *socket) {
                        match event.outcome {
                            EchoOutcome::Reply => self.heard += 1,
                            EchoOutcome::Unreachable(why) => *code = Some(why),
                            EchoOutcome::TimeExceeded => {}
                        }
                    }
                    if *sent < PROBES && now >= *next {
                        *sent += 1;
                        *next = now + EVERY;
                        let echo = Echo {
                            dst: self.ends.to,
                            id: *id,
                            seq: *sent,
                            size: 56,
                            ttl: 64,
                            dont_fragment: None,
                        };
                        world.send_echo(self.ends.a, echo);
                        continue;
                    }
                    if self.heard < PROBES && now < *deadline {
                        let until = if *sent < PROBES { (*next).min(*deadline) } else { *deadline };
                        if !world.wait(me, until, &[(self.ends.a, *socket, Interest::Readable)]) {
                            return Ok(None);
                        }
                        continue;
                    }
                    let socket = *socket;
                    world.close(self.ends.a, socket);
                    if self.heard < PROBES {
                        let found = self.explain(&world, "echo requests");
                        // A filter may let nothing but its services pass: then the service counts.
                        let filtered = found.1 == "firewall" && self.port.is_some();
                        if !filtered {
                            drop(world);
                            return report(lua, Some(found)).map(Some);
                        }
                    }
                    let Some(port) = self.port else {
                        drop(world);
                        return report(lua, None).map(Some);
                    };
                    self.before = books(&world);
                    let socket = world.tcp(self.ends.a, None);
                    let deadline = world.now() + PATIENCE;
                    if world.connect(self.ends.a, socket, Endpoint::new(self.ends.to, port)).is_err() {
                        let found = self.explain(&world, "a connection");
                        drop(world);
                        return report(lua, Some(found)).map(Some);
                    }
                    self.step = Step::Connect { socket, deadline };
                }
                Step::Connect { socket, deadline } => {
                    let (socket, deadline) = (*socket, *deadline);
                    let ready = world.wait(me, deadline, &[(self.ends.a, socket, Interest::Connected)]);
                    if !ready && now < deadline {
                        return Ok(None);
                    }
                    let failure = world.failure(self.ends.a, socket);
                    if failure.is_none() && ready {
                        world.close(self.ends.a, socket);
                    } else {
                        world.abort(self.ends.a, socket);
                    }
                    let found = match (ready, failure) {
                        (true, None) => None,
                        (true, Some(Refusal::Refused | Refusal::Reset)) if !self.was_filtered(&world) => {
                            let name = world.plan().node(self.ends.b).name.clone();
                            let port = self.port.unwrap_or(0);
                            let text = format!(
                                "nothing listens on TCP port {port} of {name}: the connection is refused"
                            );
                            Some(Finding(4, "port", name, text))
                        }
                        _ => Some(self.explain(&world, "a connection")),
                    };
                    drop(world);
                    return report(lua, found).map(Some);
                }
            }
        }
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("diagnose()".to_owned(), String::new())
    }
}

/// What has ended where so far.
fn books(world: &World) -> Books {
    let mut all = Books::new();
    for (place, entry) in world.ledger().entries() {
        *all.entry((place, entry.cause)).or_default() += entry.packets;
    }
    all
}

/// Nodes that are down and links without carrier that leave no way.
fn broken_hardware(world: &World, Ends { a, b, .. }: Ends) -> Option<Finding> {
    let plan = world.plan();
    if plan.path(a, b, &|link| world.is_link_up(link)).is_some() {
        return None;
    }
    let Some(way) = plan.path(a, b, &|_| true) else {
        let text = format!("no cable leads from {} to {}", plan.node(a).name, plan.node(b).name);
        return Some(Finding(1, "cable", plan.node(a).name.clone(), text));
    };
    if let Some(dead) = way.iter().find(|node| !world.is_node_up(**node)) {
        let name = plan.node(*dead).name.clone();
        return Some(Finding(
            1,
            "crash",
            name.clone(),
            format!("{name} is down: it has no power, or has crashed"),
        ));
    }
    let dark = way.windows(2).find_map(|hop| {
        let joins = |link: &LinkId| {
            let ends = plan.link(*link).ends;
            ends == [hop[0], hop[1]] || ends == [hop[1], hop[0]]
        };
        let all: Vec<LinkId> = plan.link_ids().filter(joins).collect();
        all.iter().all(|link| !world.is_link_up(*link)).then(|| all[0])
    })?;
    let name = plan.link(dark).name.clone();
    Some(Finding(1, "cable", name.clone(), format!("the link {name} is down: no signal")))
}

impl Diagnosis {
    fn was_filtered(&self, world: &World) -> bool {
        self.news(world).keys().any(|(_, cause)| *cause == Cause::Firewall)
    }

    /// What has ended since the probes began, on the way or at its nodes.
    fn news(&self, world: &World) -> Books {
        let plan = world.plan();
        let way = plan.path(self.ends.a, self.ends.b, &|_| true).unwrap_or_default();
        let is_near = |place: &Place| match place {
            Place::Node(node) => way.contains(node) || plan.node(*node).spec.forwards(),
            Place::Link(dir) => plan
                .links()
                .get(dir.link().index())
                .is_some_and(|link| link.ends.iter().any(|end| way.contains(end))),
        };
        books(world)
            .into_iter()
            .map(|(key, n)| (key, n - self.before.get(&key).copied().unwrap_or(0)))
            .filter(|((place, _), n)| *n > 0 && is_near(place))
            .collect()
    }

    /// The lowest layer at which packets of the probes ended that should not have.
    fn explain(&self, world: &World, what: &str) -> Finding {
        let plan = world.plan();
        let name = |place: Place| match place {
            Place::Node(node) => plan.node(node).name.clone(),
            Place::Link(dir) => plan.link(dir.link()).name.clone(),
        };
        let mut found: Vec<Finding> = Vec::new();
        for ((place, cause), n) in self.news(world) {
            let at = name(place);
            let finding = match cause {
                Cause::LinkDown => Finding(1, "cable", at.clone(), format!("the link {at} is down")),
                Cause::NodeDown => Finding(1, "crash", at.clone(), format!("{at} is down")),
                Cause::Loss => {
                    Finding(1, "loss", at.clone(), format!("the link {at} loses packets: {n} just now"))
                }
                Cause::Corrupted | Cause::Checksum => {
                    let text =
                        format!("frames arrive damaged at {at}, {n} just now: noise on the link before it");
                    Finding(1, "noise", at, text)
                }
                Cause::QueueFull | Cause::Aqm => {
                    Finding(1, "congestion", at.clone(), format!("the queue of {at} is full"))
                }
                Cause::NotForMe if self.heard == 0 => {
                    let text = format!(
                        "frames reach {at} with a MAC address that is not its own: a wrong entry in an ARP table"
                    );
                    Finding(2, "mac", at, text)
                }
                Cause::NoArpReply => Finding(
                    2,
                    "arp",
                    at.clone(),
                    format!("{at} asks for its neighbour's MAC address, and nobody answers"),
                ),
                Cause::Blocked => Finding(
                    2,
                    "spanning tree",
                    at.clone(),
                    format!("a port of {at} is closed by the spanning tree"),
                ),
                Cause::NoRoute => {
                    Finding(3, "route", at.clone(), format!("{at} has no route to the destination"))
                }
                Cause::TtlExpired => Finding(
                    3,
                    "loop",
                    at.clone(),
                    format!(
                        "packets circle until their time to live runs out at {at}: routers point at each other"
                    ),
                ),
                Cause::TooBig | Cause::FragmentTimeout => {
                    Finding(3, "mtu", at.clone(), format!("packets do not fit a link behind {at}"))
                }
                Cause::Firewall => {
                    Finding(4, "firewall", at.clone(), format!("a rule of the firewall of {at} drops {what}"))
                }
                Cause::SocketFull => Finding(
                    7,
                    "application",
                    at.clone(),
                    format!("the program on {at} does not take what arrives"),
                ),
                _ => continue,
            };
            found.push(finding);
        }
        found.sort_by(|x, y| x.0.cmp(&y.0).then_with(|| x.2.cmp(&y.2)));
        found.into_iter().next().unwrap_or_else(|| {
            let text = format!("{what} are not answered, and no device on the way says why");
            Finding(3, "unknown", String::new(), text)
        })
    }
}

fn report(lua: &Lua, found: Option<Finding>) -> mlua::Result<MultiValue> {
    let table = lua.create_table()?;
    table.raw_set("ok", found.is_none())?;
    let text = match found {
        None => "nothing is wrong from layer 1 to layer 4".to_owned(),
        Some(Finding(layer, fault, place, text)) => {
            table.raw_set("layer", layer)?;
            table.raw_set("fault", fault)?;
            table.raw_set("where", place)?;
            format!("layer {layer}: {text}")
        }
    };
    table.raw_set("text", text.clone())?;
    printable(lua, &table, text)?;
    table.into_lua(lua)?.into_lua_multi(lua)
}

/// The faults that can be made.
pub(crate) const FAULTS: &[&str] =
    &["cable", "crash", "loss", "noise", "mac", "route", "loop", "firewall", "port"];

fn inject(
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
    let pick = |n: usize| sim.draw(lua, "inject_fault", |stream| stream.between(0, n as u64 - 1) as usize);
    let kinds: Vec<&str> = match &kind {
        Some(kind) => FAULTS.iter().copied().filter(|known| known == kind).collect(),
        None => FAULTS.iter().copied().filter(|kind| *kind != "port" || port.is_some()).collect(),
    };
    // A kind that this way has no place for is tried elsewhere, then as another kind.
    for _ in 0..200 {
        let kind = kinds[pick(kinds.len())];
        let at = pick(way.len());
        if let Some(place) = make(sim, ends, port, &way, kind, at)? {
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

/// Makes a fault at the `at`th node of the way, or behind it; where it is. `None` when there is no place for it.
fn make(
    sim: &Shared,
    ends: Ends,
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
    if kind == "crash" {
        if is_end && at == 0 {
            return Ok(None);
        }
        crash(sim, node)?;
        return Ok(Some(name));
    }
    let mut world = sim.world()?;
    let link = way.get(at + 1).and_then(|next| {
        let plan = world.plan();
        plan.link_ids().find(|link| {
            let joined = plan.link(*link).ends;
            (joined == [node, *next] || joined == [*next, node]) && world.is_link_up(*link)
        })
    });
    let loses = |p| LossSpec {
        model: LossModel::Bernoulli(Probability::new(p).expect("below 1")),
        among: Match::Any,
    };
    Ok(match (kind, link) {
        ("cable", Some(link)) => {
            world.set_link_up(link, false);
            // Elsewhere there may be another way.
            if world.plan().path(ends.a, ends.b, &|link| world.is_link_up(link)).is_some() {
                world.set_link_up(link, true);
                return Ok(None);
            }
            Some(world.plan().link(link).name.clone())
        }
        ("loss", Some(link)) => {
            let both = [DirId::forward(link), DirId::backward(link)];
            both.into_iter().for_each(|dir| world.set_loss(dir, &loses(0.5)));
            Some(world.plan().link(link).name.clone())
        }
        ("noise", Some(link)) => {
            for dir in [DirId::forward(link), DirId::backward(link)] {
                let mut spec =
                    world.plan().direction(dir).impairments.as_deref().cloned().unwrap_or_default();
                spec.corrupt =
                    tidewire_topology::CorruptSpec::Packets(Probability::new(0.7).expect("below 1"));
                world.set_impairments(dir, &spec);
            }
            Some(world.plan().link(link).name.clone())
        }
        ("mac", _) if is_ip && at + 1 < way.len() => world.poison_neighbor(node, ends.to).then_some(name),
        ("route", _) if is_ip && at + 1 < way.len() => world.drop_routes(node, ends.to).then_some(name),
        ("loop", Some(link)) if is_ip && !is_end => {
            let next = way[at + 1];
            let both_route =
                [node, next].iter().all(|id| world.plan().node(*id).spec.kind() == NodeKind::Router);
            let dirs = [DirId::forward(link), DirId::backward(link)];
            let iface = dirs
                .map(tidewire_topology::sender_of)
                .into_iter()
                .find(|iface| world.plan().node_of(*iface) == next);
            let back = iface.map(|iface| {
                let plan = world.plan();
                let gateway = plan.iface(tidewire_topology::peer_of(iface)).address.map(|address| address.ip);
                NextHop { port: plan.iface(iface).port, gateway }
            });
            match back.filter(|hop| both_route && hop.gateway.is_some()) {
                Some(hop) => world.misroute(next, ends.to, hop).then(|| world.plan().node(next).name.clone()),
                None => None,
            }
        }
        ("firewall", _) if is_ip && at > 0 => {
            let deny = || Chain::new(Vec::new(), Action::Deny);
            let allow = Chain::new(Vec::new(), Action::Allow);
            let firewall = Firewall::new([deny(), allow, deny()], Timeouts::default(), Firewall::MOST_FLOWS);
            world.set_firewall(node, Some(firewall), Timeouts::default(), Firewall::MOST_FLOWS);
            Some(name)
        }
        ("port", _) if at + 1 == way.len() => {
            let Some(port) = port else { return Ok(None) };
            match world.tcp_listener(ends.b, port) {
                Some(socket) => {
                    world.close(ends.b, socket);
                    Some(name)
                }
                None => None,
            }
        }
        _ => None,
    })
}
