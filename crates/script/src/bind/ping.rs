//! Echo requests: `ping` and `traceroute`.

use super::host::owner_of;
use super::printing;
use crate::call::Opts;
use crate::classes::{Registry, resolve, this_node};
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::sim::{Shared, Sim};
use crate::spec::host as spec;
use crate::values::{Peer, Val};
use mlua::{IntoLua, IntoLuaMulti, Lua, MultiValue, Value};
use std::net::Ipv4Addr;
use tidewire_node::{Echo, EchoOutcome, IpStack};
use tidewire_units::{Instant, Interest, NodeId, SocketId, Span};
use tidewire_wire::{AddressBook, IcmpMessage};
use tidewire_world::ProcessId;

/// The most data that an echo request takes in an IPv4 packet: 65535 - 20 - 8 bytes.
const MOST_DATA: u64 = 65_507;

/// Why a host that has crashed asks nobody.
pub(super) const HOST_DOWN: &str = "host is down";

fn echo_size(opts: &Opts) -> Result<u32, Mistake> {
    match opts.size("size").map_or(56, |size| size.0) {
        size @ 0..=MOST_DATA => Ok(size as u32),
        size => {
            Err(Mistake::new(format!("an echo request takes at most {MOST_DATA} bytes of data, not {size}"))
                .at_word("size"))
        }
    }
}

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::PING, |lua, sim, mut call| {
        let node = this_node(&call)?;
        let Some(Val::Peer(peer)) = call.take(0) else { unreachable!() };
        let opts = call.opts();
        if opts.flag("timestamp") == Some(true) && opts.size("size").is_some() {
            let problem = "timestamp requests carry three times and no data: leave size or timestamp out";
            return Err(Mistake::new(problem).at_word("size").into());
        }
        let op = Ping {
            node,
            to: peer,
            shown: String::new(),
            target: None,
            socket: None,
            seq: 0,
            count: opts.int("count"),
            size: echo_size(opts)?,
            ttl: opts.int("ttl").map_or(64, |ttl| ttl as u8),
            timestamp: opts.flag("timestamp") == Some(true),
            dont_fragment: opts.flag("dont_fragment"),
            interval: opts.span("interval").unwrap_or(Span::from_secs(1)),
            timeout: opts.span("timeout").unwrap_or(Span::from_secs(1)),
            sent_at: Instant::ZERO,
            pause: None,
            rtts: Vec::new(),
            times: None,
            lost: 0,
            last_error: "timeout",
        };
        block_on(lua, sim, Box::new(op))
    })?;
    registry.add(&spec::TRACEROUTE, |lua, sim, mut call| {
        let node = this_node(&call)?;
        let Some(Val::Peer(to)) = call.take(0) else { unreachable!() };
        let op = Trace {
            node,
            to,
            target: None,
            socket: None,
            ttl: 1,
            max_hops: call.opts().int("max_hops").map_or(30, |hops| hops as u8),
            timeout: call.opts().span("timeout").unwrap_or(Span::from_secs(1)),
            sent_at: Instant::ZERO,
            asked: false,
            hops: Vec::new(),
        };
        block_on(lua, sim, Box::new(op))
    })?;
    Ok(())
}

/// Turns a peer into an address; the results to return when that fails.
fn target(lua: &Lua, sim: &Shared, from: NodeId, peer: &Peer) -> mlua::Result<Result<Ipv4Addr, MultiValue>> {
    let refused = |why: &str| Ok(Err((Value::Nil, why).into_lua_multi(lua)?));
    match resolve(lua, sim, Some(from), peer, None)? {
        // Nobody answers those: Linux, too, ignores echo requests to many.
        Ok((ip, _)) if ip.is_broadcast() || ip.is_multicast() || is_broadcast_of_subnet(sim, ip) => {
            refused("unreachable")
        }
        Ok((ip, _)) => Ok(Ok(ip)),
        Err(why) => refused(why),
    }
}

/// Whether an address stands for every host of some subnet.
fn is_broadcast_of_subnet(sim: &Sim, ip: Ipv4Addr) -> bool {
    let Ok(world) = sim.world() else { return false };
    let mut networks = world.plan().networks().iter().filter_map(|network| network.prefix);
    networks.any(|prefix| prefix.length() < 31 && prefix.contains(ip) && prefix.broadcast() == ip)
}

struct Ping {
    node: NodeId,
    to: Peer,
    shown: String,
    target: Option<Ipv4Addr>,
    socket: Option<(SocketId, u16)>,
    seq: u16,
    count: Option<i64>,
    size: u32,
    ttl: u8,
    timestamp: bool,
    dont_fragment: Option<bool>,
    interval: Span,
    timeout: Span,
    sent_at: Instant,
    /// Until when it rests before the next request.
    pause: Option<Instant>,
    rtts: Vec<f64>,
    /// Of the last timestamp reply.
    times: Option<[u32; 3]>,
    lost: i64,
    last_error: &'static str,
}

impl Ping {
    /// One request is over, with a round-trip time or an error.
    fn next(&mut self, now: Instant, rtt: Option<f64>) {
        match rtt {
            Some(rtt) => self.rtts.push(rtt),
            None => self.lost += 1,
        }
        self.pause = Some((self.sent_at + self.interval).max(now));
    }

    fn is_complete(&self) -> bool {
        self.rtts.len() as i64 + self.lost >= self.count.unwrap_or(1)
    }

    fn results(&self, lua: &Lua) -> mlua::Result<MultiValue> {
        let first = self.rtts.first();
        match (self.count, first) {
            (None, Some(rtt)) => match self.times {
                Some(times) => (*rtt, stamps(lua, times)?).into_lua_multi(lua),
                None => rtt.into_lua_multi(lua),
            },
            (_, None) => (Value::Nil, self.last_error).into_lua_multi(lua),
            (Some(_), Some(_)) => {
                let table = lua.create_table()?;
                let n = self.rtts.len() as f64;
                table.raw_set("min", self.rtts.iter().copied().fold(f64::INFINITY, f64::min))?;
                table.raw_set("max", self.rtts.iter().copied().fold(0.0, f64::max))?;
                table.raw_set("mean", self.rtts.iter().sum::<f64>() / n)?;
                table.raw_set("lost", self.lost)?;
                table.raw_set("rtts", lua.create_sequence_from(self.rtts.iter().copied())?)?;
                if let Some(times) = self.times {
                    table.raw_set("times", stamps(lua, times)?)?;
                }
                printing::record(lua, &table)?;
                table.into_lua_multi(lua)
            }
        }
    }
}

/// What a timestamp reply says, in milliseconds after midnight.
fn stamps(lua: &Lua, [originate, receive, transmit]: [u32; 3]) -> mlua::Result<mlua::Table> {
    let table = lua.create_table()?;
    table.raw_set("originate", originate)?;
    table.raw_set("receive", receive)?;
    table.raw_set("transmit", transmit)?;
    printing::record(lua, &table)?;
    Ok(table)
}

impl Op for Ping {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        if self.target.is_none() {
            match target(lua, sim, self.node, &self.to)? {
                Ok(ip) => self.target = Some(ip),
                Err(values) => return Ok(Some(values)),
            }
        }
        let to = self.target.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let mut world = sim.world()?;
        self.shown = world.shown(to).to_string();
        // A crash takes the socket along, and what was asked is never answered.
        if self.socket.take_if(|(socket, _)| world.view(self.node, *socket).is_none()).is_some()
            && self.pause.is_none()
        {
            self.last_error = HOST_DOWN;
            self.next(world.now(), None);
        }
        if self.timestamp && AddressBook::is_v6(to) {
            return (Value::Nil, "no timestamps in ICMPv6").into_lua_multi(lua).map(Some);
        }
        let (socket, id) = *self.socket.get_or_insert_with(|| world.echo_socket(self.node));
        loop {
            let now = world.now();
            if let Some(until) = self.pause {
                if self.is_complete() {
                    world.close(self.node, socket);
                    return self.results(lua).map(Some);
                }
                if now < until {
                    world.wait(me, until, &[]);
                    return Ok(None);
                }
                self.pause = None;
            }
            if self.sent_at == Instant::ZERO && self.seq == 0 || self.pause.is_none() && self.is_between() {
                self.seq += 1;
                self.sent_at = now;
                if !world.is_node_up(self.node) {
                    self.last_error = HOST_DOWN;
                    self.next(now, None);
                    continue;
                }
                let way = world.ip_node(self.node).and_then(|node| node.stack.source_for(to));
                let len = self.size + IpStack::header_len(to) + IcmpMessage::HEADER_LEN as u32;
                if self.dont_fragment == Some(true) && way.is_some_and(|(_, mtu)| len > u32::from(mtu)) {
                    self.last_error = "too big";
                    self.next(now, None);
                    continue;
                }
                let Ping { seq, size, ttl, timestamp, dont_fragment, .. } = *self;
                let echo = Echo { dst: to, id, seq, size, ttl, timestamp, dont_fragment };
                if !world.send_echo(self.node, echo) {
                    self.last_error = "unreachable";
                    self.next(now, None);
                    continue;
                }
            }
            while let Some(event) = world.recv_echo(self.node, socket) {
                if event.seq != self.seq {
                    continue;
                }
                match event.outcome {
                    EchoOutcome::Reply | EchoOutcome::Times(_) => {
                        if let EchoOutcome::Times(times) = event.outcome {
                            self.times = Some(times);
                        }
                        self.next(now, Some(event.at.since(self.sent_at).as_secs_f64()));
                    }
                    EchoOutcome::TimeExceeded => {
                        self.last_error = "ttl exceeded";
                        self.next(now, None);
                    }
                    EchoOutcome::Unreachable(code) => {
                        // Code 4: fragmentation needed and not allowed.
                        self.last_error = if code == 4 { "too big" } else { "unreachable" };
                        self.next(now, None);
                    }
                }
                break;
            }
            if self.pause.is_some() {
                continue;
            }
            let deadline = self.sent_at + self.timeout;
            if now >= deadline {
                self.last_error = "timeout";
                self.next(now, None);
                continue;
            }
            if !world.wait(me, deadline, &[(self.node, socket, Interest::Readable)]) {
                return Ok(None);
            }
        }
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("ping()".to_owned(), format!("of {}", self.shown))
    }
}

impl Ping {
    /// Whether the last request is over and the next one not sent.
    fn is_between(&self) -> bool {
        i64::from(self.seq) == self.rtts.len() as i64 + self.lost
    }
}

struct Trace {
    node: NodeId,
    to: Peer,
    target: Option<Ipv4Addr>,
    socket: Option<(SocketId, u16)>,
    ttl: u8,
    max_hops: u8,
    timeout: Span,
    sent_at: Instant,
    asked: bool,
    hops: Vec<Hop>,
}

struct Hop {
    from: Option<Ipv4Addr>,
    rtt: f64,
    mark: Option<&'static str>,
}

impl Op for Trace {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        if self.target.is_none() {
            match target(lua, sim, self.node, &self.to)? {
                Ok(ip) => self.target = Some(ip),
                Err(values) => return Ok(Some(values)),
            }
        }
        let to = self.target.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let mut world = sim.world()?;
        let crashed = self.socket.is_some_and(|(socket, _)| world.view(self.node, socket).is_none());
        if crashed || !world.is_node_up(self.node) {
            return (Value::Nil, HOST_DOWN).into_lua_multi(lua).map(Some);
        }
        let (socket, id) = *self.socket.get_or_insert_with(|| world.echo_socket(self.node));
        loop {
            let now = world.now();
            if !self.asked {
                self.asked = true;
                self.sent_at = now;
                let (seq, ttl) = (u16::from(self.ttl), self.ttl);
                let (size, timestamp) = (32, false);
                let echo = Echo { dst: to, id, seq, size, ttl, timestamp, dont_fragment: None };
                if !world.send_echo(self.node, echo) {
                    world.close(self.node, socket);
                    return (Value::Nil, "unreachable").into_lua_multi(lua).map(Some);
                }
            }
            let mut answer = None;
            while let Some(event) = world.recv_echo(self.node, socket) {
                if event.seq == u16::from(self.ttl) {
                    answer = Some(event);
                }
            }
            let timed_out = now >= self.sent_at + self.timeout;
            if answer.is_none() && !timed_out {
                let deadline = self.sent_at + self.timeout;
                if !world.wait(me, deadline, &[(self.node, socket, Interest::Readable)]) {
                    return Ok(None);
                }
                continue;
            }
            let rtt = answer.map_or(0.0, |event| event.at.since(self.sent_at).as_secs_f64());
            let mark = answer.and_then(|event| mark(event.outcome));
            self.hops.push(Hop { from: answer.map(|event| event.from), rtt, mark });
            let arrived = answer.is_some_and(|event| event.outcome != EchoOutcome::TimeExceeded);
            if arrived || self.ttl >= self.max_hops {
                world.close(self.node, socket);
                drop(world);
                return self.results(lua, sim).map(Some);
            }
            self.ttl += 1;
            self.asked = false;
        }
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("traceroute()".to_owned(), String::new())
    }
}

/// How traceroute(8) marks a hop that says that it goes no further.
fn mark(outcome: EchoOutcome) -> Option<&'static str> {
    let EchoOutcome::Unreachable(code) = outcome else { return None };
    match code {
        IcmpMessage::NET_UNREACHABLE => Some("!N"),
        IcmpMessage::HOST_UNREACHABLE => Some("!H"),
        IcmpMessage::PROTOCOL_UNREACHABLE => Some("!P"),
        IcmpMessage::PORT_UNREACHABLE => None,
        IcmpMessage::FRAGMENTATION_NEEDED => Some("!F"),
        _ => Some("!X"),
    }
}

impl Trace {
    fn results(&self, lua: &Lua, sim: &Shared) -> mlua::Result<MultiValue> {
        let list = lua.create_table()?;
        let mut text = Vec::new();
        for Hop { from, rtt, mark } in &self.hops {
            let row = lua.create_table()?;
            let name =
                from.and_then(|ip| owner_of(sim, ip)).map(|node| sim.plan.borrow().node(node).name.clone());
            text.push(name.clone().unwrap_or_else(|| "*".to_owned()));
            text.extend(mark.map(str::to_owned));
            row.raw_set("ip", from.map(|ip| sim.world.borrow().shown(ip).to_string()))?;
            row.raw_set("name", name)?;
            row.raw_set("rtt", *rtt)?;
            row.raw_set("mark", *mark)?;
            list.raw_push(row)?;
        }
        let text = text.join(" ");
        let meta = lua.create_table()?;
        meta.raw_set("__tostring", lua.create_function(move |_, _: Value| Ok(text.clone()))?)?;
        list.set_metatable(Some(meta))?;
        list.into_lua(lua)?.into_lua_multi(lua)
    }
}
