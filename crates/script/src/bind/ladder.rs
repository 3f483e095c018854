//! `ladder(a, b)`: what two hosts say to each other, as a picture of text.

use crate::classes::{Ladder, Registry, wrong_this};
use crate::mistake::Mistake;
use crate::sim::{Shared, Sim};
use crate::spec::host as spec;
use crate::values::Val;
use mlua::{IntoLuaMulti, Lua, Table};
use std::cell::RefCell;
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use tidewire_units::{DirId, Instant, NodeId};
use tidewire_wire::{ArpPacket, Net, Packet, RelativeNumbers as Numbers, Transport, flag_names, read_pcapng};
use tidewire_world::CapturePoint;

/// Recorded packets, as a capture file in memory.
#[derive(Clone, Default)]
pub(super) struct Tape(pub Rc<RefCell<Vec<u8>>>);

impl io::Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A recording of what goes on between two hosts.
#[derive(Clone)]
pub(crate) struct Recording {
    tape: Tape,
    nodes: [NodeId; 2],
    /// By interface of the capture: whether it is a sending one, and the host.
    points: Vec<(bool, NodeId)>,
}

/// One packet on its way.
struct Row {
    from: NodeId,
    sent: Instant,
    received: Option<Instant>,
    /// Why it does not arrive.
    lost: String,
    content: Content,
    addresses: (IpAddr, IpAddr),
}

/// What a packet between the two carries.
#[derive(Clone, PartialEq)]
enum Content {
    Arp(ArpPacket),
    Transport(Transport),
}

impl Content {
    fn label(&self, addresses: (IpAddr, IpAddr), numbers: &mut Numbers) -> String {
        match self {
            Content::Arp(arp) => arp.to_string(),
            Content::Transport(transport) => numbers.label(addresses, transport),
        }
    }
}

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::LADDER, |lua, sim, call| {
        let (Some(Val::Node(a)), Some(Val::Node(b))) = (call.arg(0), call.arg(1)) else {
            unreachable!("the table of functions says hosts")
        };
        if a == b {
            return Err(Mistake::new("a ladder stands between two different hosts").at_word("ladder").into());
        }
        let recording = Recording::start(sim, [*a, *b])?;
        lua.create_userdata(Ladder(recording))
    })?;
    registry.add(&spec::LADDER_ROWS, |lua, sim, call| {
        let this = call.this.as_ref().and_then(|this| this.borrow::<Ladder>().ok());
        let recording = this.ok_or_else(|| wrong_this(&call))?.0.clone();
        let list = lua.create_table()?;
        let mut numbers = Numbers::default();
        for row in recording.rows(sim)? {
            list.raw_push(row.table(lua, sim, &recording, &mut numbers)?)?;
        }
        list.into_lua_multi(lua)
    })?;
    registry.shows("ladder", |sim, this| this.borrow::<Ladder>()?.0.picture(sim))
}

impl Recording {
    fn start(sim: &Shared, nodes: [NodeId; 2]) -> mlua::Result<Recording> {
        let mut world = sim.world()?;
        let mut found: Vec<(CapturePoint, (bool, NodeId))> = Vec::new();
        let plan = world.plan();
        for link in plan.link_ids() {
            let ends = plan.link(link).ends;
            for (dir, [from, to]) in
                [(DirId::forward(link), ends), (DirId::backward(link), [ends[1], ends[0]])]
            {
                if nodes.contains(&from) {
                    found.push((CapturePoint::Sent(dir), (true, from)));
                }
                if nodes.contains(&to) {
                    found.push((CapturePoint::Received(dir), (false, to)));
                }
            }
        }
        let tape = Tape::default();
        let points: Vec<(CapturePoint, String)> =
            found.iter().enumerate().map(|(i, (point, _))| (*point, i.to_string())).collect();
        world
            .capture(&points, Box::new(tape.clone()))
            .map_err(|error| Mistake::new(format!("cannot record: {error}")))?;
        Ok(Recording { tape, nodes, points: found.into_iter().map(|(_, of)| of).collect() })
    }

    /// The packets between the two, in the order in which they were sent.
    fn rows(&self, sim: &Sim) -> mlua::Result<Vec<Row>> {
        let owners: Vec<(IpAddr, NodeId)> = {
            let world = sim.world()?;
            let plan = world.plan();
            let addresses = |node: NodeId| plan.node(node).ifaces.iter().map(move |iface| (*iface, node));
            let all = self.nodes.into_iter().flat_map(addresses);
            let both = |(iface, node)| {
                let iface = plan.iface(iface);
                let (v4, v6) = (iface.address.map(|address| address.ip), iface.address6);
                [v4.map(IpAddr::V4), v6.map(IpAddr::V6)].into_iter().flatten().map(move |ip| (ip, node))
            };
            all.flat_map(both).collect()
        };
        let owner = |ip: IpAddr| {
            owners
                .iter()
                .find(|(known, _)| *known == ip || is_solicited_node(ip, *known))
                .map(|(_, node)| *node)
        };
        let capture = read_pcapng(&self.tape.0.borrow())
            .map_err(|error| Mistake::new(format!("the recording cannot be read: {error}")))?;
        let mut rows: Vec<Row> = Vec::new();
        for packet in capture.packets {
            let (sends, node) = self.points[packet.interface];
            let link = capture.interfaces[packet.interface].link;
            let (addresses, content) = match Packet::parse(&packet.bytes, link).map(|packet| packet.net) {
                Ok(Net::Arp(arp)) => ((arp.sender_ip.into(), arp.target_ip.into()), Content::Arp(arp)),
                Ok(Net::Ipv4(header, transport)) => {
                    ((header.src.into(), header.dst.into()), Content::Transport(transport))
                }
                Ok(Net::Ipv6(header, transport)) => {
                    ((header.src.into(), header.dst.into()), Content::Transport(transport))
                }
                _ => continue,
            };
            let (Some(from), Some(to)) = (owner(addresses.0), owner(addresses.1)) else { continue };
            if sends && node == from {
                let lost = packet.comment;
                rows.push(Row { from, sent: packet.time, received: None, lost, content, addresses });
            } else if !sends && node == to {
                let same = |row: &&mut Row| {
                    row.received.is_none()
                        && row.lost.is_empty()
                        && row.addresses == addresses
                        && row.content == content
                };
                if let Some(row) = rows.iter_mut().find(same) {
                    row.received = Some(packet.time);
                }
            }
        }
        Ok(rows)
    }

    /// Two lines of time with an arrow for each packet.
    fn picture(&self, sim: &Sim) -> mlua::Result<String> {
        const WIDTH: usize = 48;
        let names = self.nodes.map(|node| sim.plan.borrow().node(node).name.clone());
        let [left, right] = &names;
        let mut text = format!("{:>10}  {left:<WIDTH$}{right}", "ms");
        let mut numbers = Numbers::default();
        for row in self.rows(sim)? {
            let label = row.content.label(row.addresses, &mut numbers);
            let to_right = row.from == self.nodes[0];
            let ms = |at: Option<Instant>| {
                at.map_or_else(String::new, |at| format!("{:.3}", at.as_secs_f64() * 1e3))
            };
            let (sent, received) = (ms(Some(row.sent)), ms(row.received));
            let room = (WIDTH - 4).saturating_sub(label.chars().count()).max(2);
            let is_lost = !row.lost.is_empty();
            let arrow = match (to_right, is_lost) {
                (true, false) => format!("|-- {label} {}>|", "-".repeat(room - 1)),
                (true, true) => format!("|-- {label} {}X ", "-".repeat(room - 1)),
                (false, false) => format!("|<{} {label} --|", "-".repeat(room - 1)),
                (false, true) => format!(" X{} {label} --|", "-".repeat(room - 1)),
            };
            let (a, b) = if to_right { (sent, received) } else { (received, sent) };
            let why = if is_lost { format!("  {}", row.lost) } else { String::new() };
            let _ = write!(text, "\n{a:>10}  {arrow}  {b}{why}");
        }
        Ok(text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))
    }
}

impl Row {
    fn table(
        &self,
        lua: &Lua,
        sim: &Sim,
        recording: &Recording,
        numbers: &mut Numbers,
    ) -> mlua::Result<Table> {
        let table = lua.create_table()?;
        let [a, b] = recording.nodes;
        let to = if self.from == a { b } else { a };
        let plan = sim.plan.borrow();
        table.raw_set("from", plan.node(self.from).name.as_str())?;
        table.raw_set("to", plan.node(to).name.as_str())?;
        table.raw_set("sent", self.sent.as_secs_f64())?;
        table.raw_set("received", self.received.map(|at| at.as_secs_f64()))?;
        if !self.lost.is_empty() {
            table.raw_set("lost", self.lost.as_str())?;
        }
        let (proto, length) = match &self.content {
            Content::Arp(_) => ("arp", 0),
            Content::Transport(Transport::Tcp(segment)) => ("tcp", segment.payload.len()),
            Content::Transport(Transport::Udp(_, payload)) => ("udp", payload.len()),
            Content::Transport(Transport::Icmp(_)) => ("icmp", 0),
            Content::Transport(Transport::Raw(_, payload)) => ("ip", payload.len()),
        };
        table.raw_set("proto", proto)?;
        table.raw_set("length", length)?;
        if let Content::Transport(Transport::Tcp(segment)) = &self.content {
            let (seq, ack) = numbers.relative(self.addresses, segment);
            table.raw_set("flags", flag_names(segment.flags).join(" "))?;
            table.raw_set("seq", seq)?;
            table.raw_set("ack", ack)?;
            table.raw_set("window", segment.window)?;
        }
        table.raw_set("text", self.content.label(self.addresses, numbers))?;
        Ok(table)
    }
}

/// Whether an address is the group that neighbours of `known` ask (RFC 4291 section 2.7.1).
fn is_solicited_node(ip: IpAddr, known: IpAddr) -> bool {
    let (IpAddr::V6(ip), IpAddr::V6(known)) = (ip, known) else { return false };
    let group = 0xff02_0000_0000_0000_0000_0001_ff00_0000;
    ip.to_bits() == group | known.to_bits() & 0xff_ffff
}
