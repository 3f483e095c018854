//! `journey{}`: one message through all layers and all hops, as every device on the way sees it.

use super::ladder::Tape;
use crate::classes::{Registry, node_handle, resolve};
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::sim::{Shared, Sim};
use crate::spec::host as spec;
use crate::values::{Peer, Val};
use bytes::Bytes;
use mlua::{IntoLua, IntoLuaMulti, Lua, MultiValue, Value};
use std::fmt::Write as _;
use tidewire_node::Echo;
use tidewire_topology::{NodeKind, sender_of};
use tidewire_units::{DirId, Instant, Interest, NodeId, Refusal, SocketId, Span};
use tidewire_wire::{Endpoint, Layer, Net, Packet, Payload, Transport, read_pcapng};
use tidewire_world::{CapturePoint, ProcessId, World};

/// What the message begins with, by which it is known again behind every device.
const MARK: &[u8] = b"tidewire journey";
/// The sinks of messages.
const FIRST_PORT: u16 = 40_009;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::JOURNEY, |lua, sim, call| {
        let opts = call.opts();
        let from = match opts.get("from") {
            Some(Val::Node(node)) => *node,
            _ => return Err(call.required::<NodeId>("from", None).unwrap_err().into()),
        };
        let to = match opts.get("to") {
            Some(Val::Peer(peer)) => peer.clone(),
            _ => return Err(call.required::<Peer>("to", None).unwrap_err().into()),
        };
        let proto = match opts.text("proto") {
            Some("tcp") => Proto::Tcp,
            Some("icmp") => Proto::Icmp,
            _ => Proto::Udp,
        };
        let size = opts.size("size").map_or(1000, |size| size.0);
        if !(16..=60_000).contains(&size) {
            return Err(Mistake::new("a message on a journey has 16 to 60000 bytes").at_word("size").into());
        }
        let patience = opts.span("timeout").unwrap_or(Span::from_secs(5));
        let deadline = sim.world()?.now() + patience;
        let size = size as u32;
        block_on(
            lua,
            sim,
            Box::new(Journey { from, to, proto, size, deadline, way: None, state: State::Begin }),
        )
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Proto {
    Udp,
    Tcp,
    Icmp,
}

struct Journey {
    from: NodeId,
    to: Peer,
    proto: Proto,
    size: u32,
    deadline: Instant,
    way: Option<Recording>,
    state: State,
}

enum State {
    Begin,
    Connecting(SocketId),
    /// Sent; the next look at what was recorded comes after so long.
    Sent(Span),
}

struct Recording {
    tape: Tape,
    number: usize,
    target: NodeId,
}

impl Op for Journey {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let failed = |why: &str| (Value::Nil, why).into_lua_multi(lua).map(Some);
        if let State::Begin = self.state {
            let ip = match resolve(lua, sim, Some(self.from), &self.to, None)? {
                Ok((ip, _)) => ip,
                Err(why) => return failed(why),
            };
            let mut world = sim.world()?;
            let Some(target) = world.owner_of(ip).map(|iface| world.plan().node_of(iface)) else {
                return failed("no such host");
            };
            if target == self.from {
                return Err(Mistake::new("a journey leads from one host to another")
                    .at_word("journey")
                    .into());
            }
            self.way = Some(Recording::start(&mut world, target)?);
            match self.send(&mut world, ip, target) {
                Ok(state) => self.state = state,
                Err(why) => return failed(&why.to_string()),
            }
        }
        let mut world = sim.world()?;
        if let State::Connecting(socket) = self.state {
            if !world.wait(me, self.deadline, &[(self.from, socket, Interest::Connected)]) {
                if world.now() < self.deadline {
                    return Ok(None);
                }
                return failed("timeout");
            }
            if let Some(why) = world.failure(self.from, socket) {
                return failed(&why.to_string());
            }
            if let Err(why) = world.send(self.from, socket, self.message()) {
                return failed(&why.to_string());
            }
            world.close(self.from, socket);
            self.state = State::Sent(Span::from_us(10));
        }
        let State::Sent(pause) = self.state else { unreachable!("a message that goes nowhere was refused") };
        let way = self.way.as_ref().expect("it was begun");
        let hops = way.hops(&world)?;
        let over = hops.last().is_some_and(|hop| hop.node == way.target || !hop.lost.is_empty());
        if !over && world.now() < self.deadline {
            let again = (world.now() + pause).min(self.deadline);
            world.wait(me, again, &[]);
            self.state = State::Sent(pause * 2);
            return Ok(None);
        }
        world.stop_capture(way.number);
        drop(world);
        table(lua, sim, &hops)?.into_lua_multi(lua).map(Some)
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("journey()".to_owned(), String::new())
    }
}

impl Journey {
    fn message(&self) -> Payload {
        let mut bytes = vec![0; self.size as usize];
        bytes[..MARK.len()].copy_from_slice(MARK);
        Payload::Data(Bytes::from(bytes))
    }

    fn send(&self, world: &mut World, ip: std::net::Ipv4Addr, target: NodeId) -> Result<State, Refusal> {
        let sent = Ok(State::Sent(Span::from_us(10)));
        if self.proto == Proto::Icmp {
            let (_, id) = world.echo_socket(self.from);
            let (size, ttl, dont_fragment) = (self.size, 64, None);
            let echo = Echo { dst: ip, id, seq: 1, size, ttl, timestamp: false, dont_fragment };
            return if world.send_echo(self.from, echo) { sent } else { Err(Refusal::Unreachable) };
        }
        let is_tcp = self.proto == Proto::Tcp;
        let mut open = |port| match is_tcp {
            true => world.tcp_sink(target, port).map(|_| port),
            false => world.udp_sink(target, port).map(|_| port),
        };
        let port = (FIRST_PORT..FIRST_PORT + 100).find_map(|port| open(port).ok()).ok_or(Refusal::InUse)?;
        let to = Endpoint::new(ip, port);
        if is_tcp {
            let socket = world.tcp(self.from, None);
            world.connect(self.from, socket, to)?;
            return Ok(State::Connecting(socket));
        }
        let socket = world.udp(self.from, 0)?;
        world.send_to(self.from, socket, self.message(), Some(to))?;
        world.close(self.from, socket);
        sent
    }
}

/// The message at one device.
struct Hop {
    node: NodeId,
    at: Instant,
    /// Why it goes no further.
    lost: String,
    packet: Packet,
    layers: Vec<Layer>,
    /// It is received here, not sent.
    arrives: bool,
    link: String,
}

impl Recording {
    fn start(world: &mut World, target: NodeId) -> mlua::Result<Recording> {
        let plan = world.plan();
        let dirs: Vec<DirId> =
            plan.link_ids().flat_map(|link| [DirId::forward(link), DirId::backward(link)]).collect();
        let sent = dirs.iter().map(|dir| (CapturePoint::Sent(*dir), dir.0.to_string()));
        let received = dirs.iter().map(|dir| (CapturePoint::Received(*dir), dir.0.to_string()));
        let points: Vec<_> = sent.chain(received).collect();
        let tape = Tape::default();
        let number = world
            .capture(&points, Box::new(tape.clone()))
            .map_err(|error| Mistake::new(format!("cannot record: {error}")))?;
        Ok(Recording { tape, number, target })
    }

    /// Where the message was seen, in order; of flooded copies those that lead to the target or were lost.
    fn hops(&self, world: &World) -> mlua::Result<Vec<Hop>> {
        let capture = read_pcapng(&self.tape.0.borrow())
            .map_err(|error| Mistake::new(format!("the recording cannot be read: {error}")))?;
        let half = capture.interfaces.len() / 2;
        let mut hops: Vec<Hop> = Vec::new();
        for seen in capture.packets {
            let interface = &capture.interfaces[seen.interface];
            let Ok(packet) = Packet::parse(&seen.bytes, interface.link) else { continue };
            if !is_message(&packet) {
                continue;
            }
            let dir = DirId(interface.name.parse().expect("the name that it was given"));
            let arrives = seen.interface >= half;
            let plan = world.plan();
            let sender = plan.node_of(sender_of(dir));
            let receiver = plan.neighbor_of(sender_of(dir));
            // What arrives at a device that sends it on is shown when it does.
            if arrives && receiver != self.target {
                continue;
            }
            let node = if arrives { receiver } else { sender };
            let layers = packet.layers(interface.link);
            let link = plan.link(dir.link()).name.clone();
            hops.push(Hop { node, at: seen.time, lost: seen.comment, packet, layers, arrives, link });
            if arrives {
                break;
            }
        }
        Ok(hops)
    }
}

/// Whether a packet carries the message: its data begins with the mark, or it is the only echo request.
fn is_message(packet: &Packet) -> bool {
    let (Net::Ipv4(_, transport) | Net::Ipv6(_, transport)) = &packet.net else { return false };
    match transport {
        Transport::Udp(_, payload) => payload.to_bytes().starts_with(MARK),
        Transport::Tcp(segment) => segment.payload.to_bytes().starts_with(MARK),
        Transport::Icmp(message) => matches!(message.kind, 8 | 128),
        Transport::Raw(..) => false,
    }
}

/// Up to which layer a device works on what it passes on.
fn works_up_to(kind: NodeKind, is_end: bool) -> u8 {
    match (kind, is_end) {
        (_, true) => 7,
        (NodeKind::Router | NodeKind::Host, _) => 3,
        _ => 2,
    }
}

fn table(lua: &Lua, sim: &Shared, hops: &[Hop]) -> mlua::Result<Value> {
    let list = lua.create_table()?;
    let mut text = String::new();
    for (i, hop) in hops.iter().enumerate() {
        let row = lua.create_table()?;
        let (name, kind) = {
            let plan = sim.plan.borrow();
            let node = plan.node(hop.node);
            (node.name.clone(), node.spec.kind())
        };
        let top = works_up_to(kind, i == 0 || hop.arrives);
        let headers: Vec<String> = hop
            .layers
            .iter()
            .rev()
            .filter(|layer| layer.osi > 1 && layer.header_len > 0)
            .map(|layer| layer.protocol.clone())
            .collect();
        row.raw_set("node", node_handle(lua, sim, hop.node)?)?;
        row.raw_set("name", name.clone())?;
        row.raw_set("layer", top)?;
        row.raw_set("at", hop.at.as_secs_f64())?;
        row.raw_set("link", hop.link.clone())?;
        row.raw_set("src_mac", hop.packet.src_mac.to_string())?;
        row.raw_set("dst_mac", hop.packet.dst_mac.to_string())?;
        row.raw_set("headers", lua.create_sequence_from(headers)?)?;
        if !hop.lost.is_empty() {
            row.raw_set("lost", hop.lost.clone())?;
        }
        let (src, dst, ttl) = match &hop.packet.net {
            Net::Ipv4(header, _) => (header.src.to_string(), header.dst.to_string(), header.ttl),
            Net::Ipv6(header, _) => (header.src.to_string(), header.dst.to_string(), header.hop_limit),
            _ => unreachable!("a message travels in IP packets"),
        };
        row.raw_set("src_ip", src)?;
        row.raw_set("dst_ip", dst)?;
        row.raw_set("ttl", ttl)?;
        let layers = lua.create_table()?;
        let does = if hop.arrives { "receives" } else { "sends" };
        let _ = writeln!(text, "{name} works at L1-L{top} and {does} on {} at {}", hop.link, hop.at);
        for layer in &hop.layers {
            let one = lua.create_table()?;
            one.raw_set("osi", layer.osi)?;
            one.raw_set("pdu", layer.pdu.label())?;
            one.raw_set("protocol", layer.protocol.clone())?;
            one.raw_set("header", layer.header_len)?;
            one.raw_set("trailer", layer.trailer_len)?;
            one.raw_set("bytes", layer.total_len)?;
            layers.raw_push(one)?;
            // A device does not look at what is above its own layer.
            if layer.osi <= top {
                let _ = writeln!(text, "  {layer}");
            }
        }
        if !hop.lost.is_empty() {
            let _ = writeln!(text, "  {}", hop.lost);
        }
        row.raw_set("pdus", layers)?;
        list.raw_push(row)?;
    }
    super::routing::printable(lua, &list, text.trim_end().to_owned())?;
    list.into_lua(lua)
}
