//! `diagnose(a, b)`: from the lowest layer up, which one is at fault.

use super::inject::inject;
use super::routing::printable;
use crate::classes::Registry;
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::sim::{Shared, Sim};
use crate::spec::failures as spec;
use crate::values::Val;
use mlua::{IntoLua, IntoLuaMulti, Lua, MultiValue};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use tidewire_node::{Echo, EchoOutcome};
use tidewire_topology::{NodeKind, Plan};
use tidewire_units::{DirId, Instant, Interest, LinkId, NodeId, Refusal, SocketId, Span};
use tidewire_wire::{Cause, Endpoint};
use tidewire_world::{Place, ProcessId, World};

/// Echo requests of a diagnosis, and the time between them. ARP gives up after three seconds.
const PROBES: u16 = 8;
const EVERY: Span = Span::from_ms(500);
const PATIENCE: Span = Span::from_secs(8);
const ARP_PATIENCE: Span = Span::from_secs(3);
/// Bytes of an echo request with its headers.
const PROBE_BYTES: u16 = 84;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::DIAGNOSE, |lua, sim, call| {
        let (Some(Val::Node(a)), Some(Val::Node(b))) = (call.arg(0), call.arg(1)) else { unreachable!() };
        let port = call.opts().int("port").map(|port| port as u16);
        let ends = ends([*a, *b], "diagnose")?;
        block_on(lua, sim, Box::new(Diagnosis::of(ends, port)))
    })?;
    registry.add(&spec::INJECT_FAULT, |lua, sim, call| {
        let (Some(Val::Node(a)), Some(Val::Node(b))) = (call.arg(0), call.arg(1)) else { unreachable!() };
        let ends = ends([*a, *b], "inject_fault")?;
        let port = call.opts().int("port").map(|port| port as u16);
        let kind = call.opts().text("kind").map(str::to_owned);
        inject(lua, sim, ends, port, kind)
    })
}

/// Two hosts.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub a: NodeId,
    pub b: NodeId,
}

fn ends([a, b]: [NodeId; 2], what: &str) -> Result<Ends, Mistake> {
    if a == b {
        return Err(Mistake::new("two different hosts are needed").at_word(what));
    }
    Ok(Ends { a, b })
}

type Books = BTreeMap<(Place, Cause), u64>;

struct Diagnosis {
    ends: Ends,
    /// The address of the second.
    to: Ipv4Addr,
    port: Option<u16>,
    step: Step,
    before: Books,
    /// How many frames each direction had damaged before.
    damaged: Vec<u64>,
    /// How often each link had gone down before.
    outages: Vec<u64>,
    heard: u16,
}

enum Step {
    Look,
    Probe { socket: SocketId, id: u16, sent: u16, next: Instant, deadline: Instant },
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
                    let found = broken_hardware(&world, self.ends).or_else(|| no_address(&world, self.ends));
                    if found.is_some() {
                        drop(world);
                        return report(lua, found).map(Some);
                    }
                    self.to = world.address_towards(self.ends.a, self.ends.b).expect("looked at above");
                    self.note(&world);
                    let (socket, id) = world.echo_socket(self.ends.a);
                    let deadline = now + PATIENCE;
                    self.step = Step::Probe { socket, id, sent: 0, next: now, deadline };
                }
                Step::Probe { socket, .. } if world.view(self.ends.a, *socket).is_none() => {
                    // It has crashed meanwhile.
                    (self.step, self.heard) = (Step::Look, 0);
                }
                Step::Probe { socket, id, sent, next, deadline } => {
                    while let Some(event) = world.recv_echo(self.ends.a, *socket) {
                        self.heard += u16::from(matches!(event.outcome, EchoOutcome::Reply));
                    }
                    if *sent < PROBES && now >= *next {
                        *sent += 1;
                        *next = now + EVERY;
                        let echo = Echo {
                            dst: self.to,
                            id: *id,
                            seq: *sent,
                            size: 56,
                            ttl: 64,
                            timestamp: false,
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
                    self.note(&world);
                    let socket = world.tcp(self.ends.a, None);
                    let deadline = world.now() + PATIENCE;
                    if world.connect(self.ends.a, socket, Endpoint::new(self.to, port)).is_err() {
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
fn broken_hardware(world: &World, Ends { a, b }: Ends) -> Option<Finding> {
    let plan = world.plan();
    if plan.path(a, b, &|link| world.is_link_up(link)).is_some() {
        return None;
    }
    if let Some(alone) = [a, b].into_iter().find(|node| plan.node(*node).ifaces.is_empty()) {
        let name = plan.node(alone).name.clone();
        let text = format!("no cable is plugged into {name}");
        return Some(Finding(1, "cable", name, text));
    }
    let Some(way) = plan.path(a, b, &|_| true) else {
        return Some(no_way(plan, Ends { a, b }));
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

/// A host without an address cannot be reached, nor get an answer.
fn no_address(world: &World, Ends { a, b }: Ends) -> Option<Finding> {
    let without = [a, b].into_iter().find(|node| world.address_of(*node).is_none())?;
    let name = world.plan().node(without).name.clone();
    let waits = world.ip_node(without).is_some_and(|node| node.dhcp_client().is_some());
    let why = if waits { ": no DHCP server has given it one" } else { "" };
    let text = format!("{name} has no address{why}");
    Some(Finding(3, "address", name, text))
}

/// How many frames each direction has had damaged.
fn damaged(world: &World) -> Vec<u64> {
    let count = |link| {
        [DirId::forward(link), DirId::backward(link)].map(|dir| world.port(dir).stats(world.now()).damaged)
    };
    world.plan().link_ids().flat_map(count).collect()
}

impl Diagnosis {
    /// Whether more routers lie on the way than packets may pass.
    fn is_too_far(&self, world: &World) -> bool {
        let plan = world.plan();
        let way = plan.path(self.ends.a, self.ends.b, &|link| world.is_link_up(link)).unwrap_or_default();
        way.iter().filter(|node| plan.node(**node).spec.forwards()).count() >= 64
    }

    fn of(ends: Ends, port: Option<u16>) -> Diagnosis {
        let (before, damaged, outages) = (Books::new(), Vec::new(), Vec::new());
        let to = Ipv4Addr::UNSPECIFIED;
        Diagnosis { ends, to, port, step: Step::Look, before, damaged, outages, heard: 0 }
    }

    /// What is seen from now on is news.
    fn note(&mut self, world: &World) {
        self.before = books(world);
        self.damaged = damaged(world);
        self.outages = world.plan().link_ids().map(|link| world.outages(link)).collect();
    }

    fn links_on_way(&self, world: &World) -> Vec<LinkId> {
        let plan = world.plan();
        let way = plan.path(self.ends.a, self.ends.b, &|_| true).unwrap_or_default();
        let is_on_way = |link: &LinkId| {
            let [x, y] = plan.link(*link).ends;
            way.windows(2).any(|hop| hop == [x, y] || hop == [y, x])
        };
        plan.link_ids().filter(is_on_way).collect()
    }

    /// The longest link, if answers over the way come after nobody waits for them any more: neighbours for ARP, or this program.
    fn long_link(&self, world: &World) -> Option<Finding> {
        let both_ways = |link: LinkId| {
            [DirId::forward(link), DirId::backward(link)]
                .map(|dir| world.port(dir).delay())
                .into_iter()
                .sum::<Span>()
        };
        let links = self.links_on_way(world);
        let all: Span = links.iter().map(|link| both_ways(*link)).sum();
        let longest = links.into_iter().max_by_key(|link| (both_ways(*link), std::cmp::Reverse(*link)))?;
        let (name, there) = (world.plan().link(longest).name.clone(), both_ways(longest));
        if there < ARP_PATIENCE && all < PATIENCE - EVERY * u64::from(PROBES - 1) {
            return None;
        }
        let text = format!(
            "the link {name} is too long: its delay is {there} there and back, {all} on the whole way"
        );
        Some(Finding(1, "delay", name, text))
    }

    /// Links on the way that come and go, or take longer for a probe than lies between two of them.
    fn weak_links(&self, world: &World) -> Vec<Finding> {
        let plan = world.plan();
        let mut found: Vec<Finding> = self.long_link(world).into_iter().collect();
        for link in self.links_on_way(world) {
            let name = plan.link(link).name.clone();
            let before = self.outages.get(link.index()).copied().unwrap_or(0);
            let times = world.outages(link) - before;
            if times > 0 {
                let often = if times == 1 { "once".to_owned() } else { format!("{times} times") };
                let text = format!("the link {name} goes down and up: it went down {often} just now");
                found.push(Finding(1, "flapping", name.clone(), text));
            }
            let takes = |dir| {
                let port = world.port(dir);
                (port.rate().time_for(port.framing().wire_bytes(PROBE_BYTES)), port.rate())
            };
            let slower = [DirId::forward(link), DirId::backward(link)]
                .map(takes)
                .into_iter()
                .max_by_key(|(time, _)| *time);
            if let Some((time, rate)) = slower.filter(|(time, _)| *time > EVERY) {
                let text = format!("the link {name} is too slow: at {rate} one small packet takes {time}");
                found.push(Finding(1, "rate", name, text));
            }
        }
        found
    }

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

    /// The link to a node on which frames have been damaged.
    fn noisy_link(&self, world: &World, place: Place) -> Option<String> {
        let Place::Node(node) = place else { return None };
        let plan = world.plan();
        let before = |dir: usize| self.damaged.get(dir).copied().unwrap_or(0);
        let news = damaged(world).into_iter().enumerate().map(|(dir, n)| (n - before(dir), dir));
        let here =
            news.filter(|(n, dir)| *n > 0 && plan.link(DirId::from_index(*dir).link()).ends.contains(&node));
        let (_, dir) = here.max()?;
        Some(plan.link(DirId::from_index(dir).link()).name.clone())
    }

    /// Tables on the way that lead nowhere.
    fn wrong_tables(&self, world: &World, look_for_routes: bool) -> Option<Finding> {
        let plan = world.plan();
        let way = plan.path(self.ends.a, self.ends.b, &|link| world.is_link_up(link)).unwrap_or_default();
        let way = &way[..way.len().saturating_sub(1)];
        let of = |node: NodeId| plan.node(node).name.clone();
        if self.heard == 0
            && let Some(node) = way.iter().find(|node| world.has_wrong_neighbor(**node, self.to))
        {
            let name = of(*node);
            let text = format!(
                "the ARP table of {name} has a MAC address for the next hop that is not the next hop's"
            );
            return Some(Finding(2, "mac", name, text));
        }
        let lost = way.iter().filter(|_| look_for_routes);
        let lost = lost
            .copied()
            .find(|node| world.ip_node(*node).is_some() && world.next_hops(*node, self.to).is_empty())?;
        let name = of(lost);
        let text = format!("{name} has no route to the destination");
        Some(Finding(3, "route", name, text))
    }

    /// The lowest layer at which packets of the probes ended that should not have.
    fn explain(&self, world: &World, what: &str) -> Finding {
        let plan = world.plan();
        let name = |place: Place| match place {
            Place::Node(node) => plan.node(node).name.clone(),
            Place::Link(dir) => plan.link(dir.link()).name.clone(),
        };
        let mut found = self.weak_links(world);
        for ((place, cause), n) in self.news(world) {
            let at = name(place);
            let finding = match cause {
                Cause::LinkDown => match dead_end(world, place) {
                    Some(node) => {
                        let name = plan.node(node).name.clone();
                        let text = format!("{name} is down: it has no power, or has crashed");
                        Finding(1, "crash", name, text)
                    }
                    None => Finding(1, "cable", at.clone(), format!("the link {at} is down")),
                },
                Cause::NodeDown => Finding(1, "crash", at.clone(), format!("{at} is down")),
                Cause::Loss => {
                    Finding(1, "loss", at.clone(), format!("the link {at} loses packets: {n} just now"))
                }
                Cause::Corrupted | Cause::Checksum => {
                    let text = format!("frames arrive damaged at {at}, {n} just now: noise on a link to it");
                    Finding(1, "noise", self.noisy_link(world, place).unwrap_or(at), text)
                }
                Cause::Collisions => {
                    let text = format!("frames are given up on {at} after too many attempts, {n} just now");
                    Finding(1, "collisions", at, text)
                }
                Cause::QueueFull | Cause::Aqm => {
                    Finding(1, "congestion", at.clone(), format!("the queue of {at} is full"))
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
                Cause::TtlExpired if self.is_too_far(world) => {
                    let text = format!(
                        "the way is too long: packets may pass 64 routers, and the last one that they reach is {at}"
                    );
                    Finding(3, "distance", at, text)
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
        found.extend(self.wrong_tables(world, found.is_empty()));
        found.sort_by(|x, y| x.0.cmp(&y.0).then_with(|| x.2.cmp(&y.2)));
        found.into_iter().next().unwrap_or_else(|| {
            let text = format!("{what} are not answered, and no device on the way says why");
            Finding(3, "unknown", String::new(), text)
        })
    }
}

/// Why no way leads from one host to the other even if everything works: a host between them that passes nothing on, or no cables.
fn no_way(plan: &Plan, Ends { a, b }: Ends) -> Finding {
    let mut from: Vec<Option<NodeId>> = vec![None; plan.nodes().len()];
    let mut found = vec![a];
    let mut at = 0;
    while let Some(&node) = found.get(at) {
        at += 1;
        for iface in &plan.node(node).ifaces {
            let next = plan.neighbor_of(*iface);
            if next != a && from[next.index()].is_none() {
                from[next.index()] = Some(node);
                found.push(next);
            }
        }
    }
    let way = std::iter::successors(from[b.index()], |node| from[node.index()]);
    let is_deaf = |node: &NodeId| {
        let spec = &plan.node(*node).spec;
        *node != a && spec.kind() == NodeKind::Host && !spec.forwards()
    };
    match way.into_iter().filter(is_deaf).last() {
        Some(host) => {
            let name = plan.node(host).name.clone();
            let text = format!(
                "{name} lies between and passes nothing on: it is a host; make it a router, or write forward = true"
            );
            Finding(3, "route", name, text)
        }
        None => {
            let text = format!("no cable leads from {} to {}", plan.node(a).name, plan.node(b).name);
            Finding(1, "cable", plan.node(a).name.clone(), text)
        }
    }
}

/// The node at an end of a link that is down.
fn dead_end(world: &World, place: Place) -> Option<NodeId> {
    let Place::Link(dir) = place else { return None };
    let link = world.plan().links().get(dir.link().index())?;
    link.ends.into_iter().find(|end| !world.is_node_up(*end))
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
