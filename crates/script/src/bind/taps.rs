//! Packets that a script looks at: `link:filter`, `link:on`, `host:sniff`, and the loss of packets that a function chooses.

use super::capture_filter::{Chosen, ends, ports};
use super::link::{this_dir, this_link};
use crate::call::{Call, type_name};
use crate::classes::{Registry, Tap, wrong_this};
use crate::mistake::Mistake;
use crate::sched::{self, Failure, nobody, spawn};
use crate::sim::{Shared, here};
use crate::spec::link as spec;
use crate::values::time;
use mlua::{AnyUserData, Function, Lua, MultiValue, Table, Value};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use tidewire_topology::sends_on;
use tidewire_units::{DirId, NodeId};
use tidewire_wire::{Ipv4Header, LinkLayer, Net, Transport};
use tidewire_world::{Seen, Sight, Verdict};

/// Functions of the script that look at packets, by direction.
#[derive(Default)]
pub(crate) struct Taps {
    filters: BTreeMap<DirId, Function>,
    /// Those that choose packets for a loss model.
    choices: BTreeMap<DirId, Function>,
    watchers: BTreeMap<(DirId, Sight), Vec<Rc<Watcher>>>,
    numbers: u64,
}

/// A function that sees packets.
struct Watcher {
    number: u64,
    body: Function,
    chosen: Option<Rc<Chosen>>,
    host: Option<NodeId>,
}

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::FILTER_LINK, |_, sim, mut call| {
        let dirs = both(&call)?;
        set_filter(sim, &dirs, call.function(0))
    })?;
    registry.add(&spec::DIR_FILTER, |_, sim, mut call| {
        let dir = this_dir(&call)?;
        set_filter(sim, &[dir], call.function(0))
    })?;
    registry.add(&spec::LINK_ON, |lua, sim, mut call| {
        let dirs = both(&call)?;
        on(lua, sim, &mut call, &dirs)
    })?;
    registry.add(&spec::DIR_ON, |lua, sim, mut call| {
        let dir = this_dir(&call)?;
        on(lua, sim, &mut call, &[dir])
    })?;
    registry.add(&crate::spec::host::SNIFF, |lua, sim, mut call| {
        let node = crate::classes::this_node(&call)?;
        let text = call.text(0).unwrap_or_default().to_owned();
        let chosen = Chosen::parse(&text, &|name| addresses(sim, name))?;
        let body = call.function(1).ok_or_else(|| Mistake::new("host:sniff needs a function"))?;
        let own = sim.world()?.plan().node(node).ifaces.clone();
        let points = own
            .iter()
            .map(|iface| sends_on(*iface))
            .flat_map(|dir| [(dir, Sight::Offered), (DirId::from_index(dir.index() ^ 1), Sight::Arrived)]);
        watch(lua, sim, points.collect(), body, Some(Rc::new(chosen)), Some(node))
    })?;
    registry.add(&spec::TAP_STOP, |_, sim, call| {
        let number = match call.this.as_ref().map(|this| this.borrow::<Tap>()) {
            Some(Ok(tap)) => tap.0,
            _ => return Err(wrong_this(&call).into()),
        };
        let mut taps = sim.taps.borrow_mut();
        for list in taps.watchers.values_mut() {
            list.retain(|watcher| watcher.number != number);
        }
        let over: Vec<_> =
            taps.watchers.iter().filter(|(_, list)| list.is_empty()).map(|(at, _)| *at).collect();
        for (dir, sight) in over {
            taps.watchers.remove(&(dir, sight));
            sim.world()?.untap(dir, sight);
        }
        Ok(())
    })?;
    registry.shows("tap", |_, this| Ok(format!("tap {}", this.borrow::<Tap>()?.0)))
}

/// A loss model of a direction looks at the packets that a function chooses, or at none of its choice any more.
pub(super) fn choose(sim: &Shared, dir: DirId, function: Option<&Function>) -> Result<(), Mistake> {
    let choices = &mut sim.taps.borrow_mut().choices;
    let Some(function) = function else {
        choices.remove(&dir);
        return Ok(());
    };
    if sim.plan.borrow().link(dir.link()).spec.arq.is_some() {
        return Err(
            Mistake::new("a link with arq cannot let a function choose what it loses").at_word("match")
        );
    }
    choices.insert(dir, function.clone());
    Ok(())
}

/// Whether the functions of a direction must see its packets before they enter.
pub(super) fn decides(sim: &Shared, dir: DirId) -> bool {
    let taps = sim.taps.borrow();
    taps.filters.contains_key(&dir) || taps.choices.contains_key(&dir)
}

/// Packets wait to be looked at.
pub(crate) fn deliver(lua: &Lua, sim: &Shared) -> Result<(), Failure> {
    let failed = |error| Failure { error, frames: Vec::new(), record: nobody("link:filter", here(lua)) };
    loop {
        let next = sim.world.borrow_mut().next_seen();
        let Some(seen) = next else { return Ok(()) };
        let Some(sight) = seen.sight else {
            let verdict = decide(lua, sim, &seen).map_err(failed)?;
            sim.world.borrow_mut().decide(verdict);
            continue;
        };
        let watchers = sim.taps.borrow().watchers.get(&(seen.dir, sight)).cloned().unwrap_or_default();
        for watcher in watchers {
            if watcher.chosen.as_ref().is_some_and(|chosen| !chosen.matches(&seen.packet)) {
                continue;
            }
            let begin = || {
                let table = to_table(lua, sim, &seen)?;
                let args = MultiValue::from_iter([Value::Table(table)]);
                spawn(lua, sim, watcher.body.clone(), args, watcher.host, "a tap", None)
            };
            let record = begin().map_err(failed)?;
            sched::resume(sim, record.id)?;
        }
    }
}

fn decide(lua: &Lua, sim: &Shared, seen: &Seen) -> mlua::Result<Verdict> {
    let (choice, filter) = {
        let taps = sim.taps.borrow();
        (taps.choices.get(&seen.dir).cloned(), taps.filters.get(&seen.dir).cloned())
    };
    let packet = to_table(lua, sim, seen)?;
    let chosen = match choice {
        Some(choice) => {
            let answer: Value = choice.call(&packet)?;
            !matches!(answer, Value::Nil | Value::Boolean(false))
        }
        None => false,
    };
    let Some(filter) = filter else { return Ok(Verdict::Pass { chosen }) };
    let answer: Value = filter.call(&packet)?;
    let word = answer.as_string().map(|word| word.to_string_lossy());
    match (&answer, word.as_deref()) {
        (Value::Nil, _) | (_, Some("pass")) => Ok(Verdict::Pass { chosen }),
        (_, Some("drop")) => Ok(Verdict::Drop),
        _ => match time(&answer, "filter", "what a filter gives") {
            Ok(span) if span.is_zero() => Ok(Verdict::Pass { chosen }),
            Ok(span) => Ok(Verdict::After { span, chosen }),
            Err(_) => {
                let got = word.map_or_else(|| type_name(&answer).to_owned(), |word| format!("\"{word}\""));
                Err(Mistake::new("a filter gives \"pass\", \"drop\" or a time to hold the packet back")
                    .note(format!("this one gave {got}"))
                    .of_function(&filter)
                    .into())
            }
        },
    }
}

/// A packet as scripts see it.
fn to_table(lua: &Lua, sim: &Shared, seen: &Seen) -> mlua::Result<Table> {
    let packet = &seen.packet;
    let table = lua.create_table()?;
    table.raw_set("size", packet.net.wire_len())?;
    if let Some((src, dst)) = ends(packet) {
        table.raw_set("src", src.to_string())?;
        table.raw_set("dst", dst.to_string())?;
    }
    if let Some((src, dst)) = ports(packet) {
        table.raw_set("sport", src)?;
        table.raw_set("dport", dst)?;
    }
    let proto = match &packet.net {
        Net::Arp(_) => "arp".to_owned(),
        Net::Bpdu(_) => "stp".to_owned(),
        Net::Pause(_) => "pause".to_owned(),
        Net::Ipv4(header, transport) => {
            table.raw_set("ttl", header.ttl)?;
            table.raw_set("ecn", header.ecn as u8)?;
            table.raw_set("dscp", header.dscp)?;
            fragment(&table, header)?;
            of_transport(lua, &table, transport)?
        }
        Net::Ipv6(header, transport) => {
            table.raw_set("ttl", header.hop_limit)?;
            table.raw_set("ecn", header.ecn as u8)?;
            table.raw_set("dscp", header.dscp)?;
            of_transport(lua, &table, transport)?
        }
    };
    table.raw_set("proto", proto)?;
    table.raw_set("is_retransmit", seen.is_retransmission)?;
    table.raw_set("damaged", seen.is_damaged)?;
    if let Some(cause) = seen.cause {
        table.raw_set("cause", cause.label())?;
    }
    if let Some(sent) = seen.trace.sent_at {
        table.raw_set("sent_at", (sent - tidewire_units::Instant::ZERO).as_secs_f64())?;
    }
    let (link, framed, flow) = {
        let world = sim.world.borrow();
        let flow = world.flows().iter().find(|flow| flow.hash != 0 && flow.hash == seen.trace.flow_hash);
        let link = super::link::direction_name(sim, seen.dir);
        (link, world.port(seen.dir).framing().has_mac(), flow.map(|flow| flow.spec.name.clone()))
    };
    table.raw_set("link", link)?;
    table.raw_set("flow", flow)?;
    let layers = packet.layers(if framed { LinkLayer::Ethernet } else { LinkLayer::RawIp });
    // From the outside in; bits have no header, data is none.
    let names = layers
        .iter()
        .rev()
        .map(|layer| layer.protocol.as_str())
        .filter(|name| !matches!(*name, "" | "preamble" | "data"));
    table.raw_set("headers", lua.create_sequence_from(names)?)?;
    let text = packet.to_string();
    let meta = lua.create_table()?;
    meta.raw_set("__tostring", lua.create_function(move |_, _: Value| Ok(text.clone()))?)?;
    table.set_metatable(Some(meta))?;
    Ok(table)
}

fn fragment(table: &Table, header: &Ipv4Header) -> mlua::Result<()> {
    if header.is_fragment() { table.raw_set("fragment", true) } else { Ok(()) }
}

fn of_transport(lua: &Lua, table: &Table, transport: &Transport) -> mlua::Result<String> {
    let (name, payload) = match transport {
        Transport::Tcp(segment) => {
            table.raw_set("seq", segment.seq.0)?;
            table.raw_set("ack", segment.ack.0)?;
            table.raw_set("flags", segment.flags.to_string())?;
            table.raw_set("window", segment.window)?;
            ("tcp".to_owned(), &segment.payload)
        }
        Transport::Udp(_, payload) => ("udp".to_owned(), payload),
        Transport::Icmp(message) => {
            table.raw_set("type", message.kind)?;
            table.raw_set("code", message.code)?;
            ("icmp".to_owned(), &message.payload)
        }
        Transport::Raw(protocol, payload) => (protocol.0.to_string(), payload),
    };
    table.raw_set("payload_len", payload.len())?;
    table.raw_set("payload", lua.create_string(&*payload.to_bytes())?)?;
    Ok(name)
}

fn set_filter(sim: &Shared, dirs: &[DirId], function: Option<Function>) -> mlua::Result<()> {
    for dir in dirs {
        match &function {
            Some(function) => drop(sim.taps.borrow_mut().filters.insert(*dir, function.clone())),
            None => drop(sim.taps.borrow_mut().filters.remove(dir)),
        }
        let decides = decides(sim, *dir);
        sim.world()?.set_filter(*dir, decides);
    }
    Ok(())
}

fn on(lua: &Lua, sim: &Shared, call: &mut Call, dirs: &[DirId]) -> mlua::Result<AnyUserData> {
    let sight = match call.text(0) {
        Some("arrive") => Sight::Arrived,
        Some("drop") => Sight::Dropped,
        _ => Sight::Offered,
    };
    let body = call.function(1).ok_or_else(|| Mistake::new("link:on needs a function"))?;
    sim.world()?;
    watch(lua, sim, dirs.iter().map(|dir| (*dir, sight)).collect(), body, None, None)
}

fn watch(
    lua: &Lua,
    sim: &Shared,
    points: Vec<(DirId, Sight)>,
    body: Function,
    chosen: Option<Rc<Chosen>>,
    host: Option<NodeId>,
) -> mlua::Result<AnyUserData> {
    let mut taps = sim.taps.borrow_mut();
    taps.numbers += 1;
    let number = taps.numbers;
    let watcher = Rc::new(Watcher { number, body, chosen, host });
    for (dir, sight) in points {
        taps.watchers.entry((dir, sight)).or_default().push(watcher.clone());
        sim.world()?.tap(dir, sight);
    }
    lua.create_userdata(Tap(number))
}

/// Every address of a host by name.
fn addresses(sim: &Shared, name: &str) -> Vec<IpAddr> {
    let Ok(world) = sim.world() else { return Vec::new() };
    let Some(node) = world.plan().find(name) else { return Vec::new() };
    let ifaces = world.plan().node(node).ifaces.clone();
    let own = ifaces.iter().map(|iface| world.plan().iface(*iface));
    let both = own.flat_map(|own| [own.address.map(|own| own.ip.into()), own.address6.map(IpAddr::from)]);
    both.flatten().collect()
}

fn both(call: &Call) -> mlua::Result<[DirId; 2]> {
    let link = this_link(call)?;
    Ok([DirId::forward(link), DirId::backward(link)])
}
