//! Hosts: ping, traceroute, work, and their fields.

use crate::classes::{Registry, peer_handle, resolve, this_node};
use crate::mistake::Mistake;
use crate::sched::{Op, block_on, spawn};
use crate::sim::{Shared, Sim, here};
use crate::spec::host as spec;
use crate::values::{Peer, Val};
use mlua::{AnyUserData, IntoLua, IntoLuaMulti, Lua, MultiValue, Value};
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use tidewire_node::EchoOutcome;
use tidewire_topology::NodeSpec;
use tidewire_units::{Instant, Interest, NodeId, SocketId, Span};
use tidewire_wire::MacAddr;
use tidewire_world::ProcessId;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::PING, |lua, sim, mut call| {
        let node = this_node(&call)?;
        let Some(Val::Peer(peer)) = call.take(0) else { unreachable!() };
        let opts = call.opts();
        let op = Ping {
            node,
            to: peer,
            shown: String::new(),
            target: None,
            socket: None,
            seq: 0,
            count: opts.int("count"),
            size: opts.size("size").map_or(56, |size| size.0.min(65_000) as u32),
            ttl: opts.int("ttl").map_or(64, |ttl| ttl as u8),
            interval: opts.span("interval").unwrap_or(Span::from_secs(1)),
            timeout: opts.span("timeout").unwrap_or(Span::from_secs(1)),
            sent_at: Instant::ZERO,
            pause: None,
            rtts: Vec::new(),
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
    registry.add(&spec::ARP_TABLE, |lua, sim, call| {
        let node = this_node(&call)?;
        let world = sim.world()?;
        let table = lua.create_table()?;
        let ifaces = world.ip_node(node).into_iter().flat_map(|node| &node.stack.ifaces);
        for (ip, mac, _) in ifaces.flat_map(|iface| iface.neighbors.entries(world.now())) {
            table.raw_set(ip.to_string(), mac.mac().to_string())?;
        }
        Ok(table)
    })?;
    registry.add(&spec::SPAWN, |lua, sim, mut call| {
        let node = this_node(&call)?;
        sim.touch()?;
        let body = call.function(0).ok_or_else(|| Mistake::new("host:spawn needs a function"))?;
        let name = format!("process {}", sim.sched.borrow_mut().next_name());
        let record = spawn(lua, sim, body, call.rest.clone(), Some(node), &name, here(lua))?;
        lua.create_userdata(crate::classes::Process(record))
    })?;
    registry.add(&spec::WORK, |lua, sim, call| {
        let node = this_node(&call)?;
        let time = call.arg(0).and_then(Val::span).unwrap_or(Span::ZERO);
        block_on(lua, sim, Box::new(Work { node, time, until: None, queued: false }))
    })?;
    fields(registry)?;
    registry.add(&spec::ADDRESS, |lua, sim, mut call| {
        let Some(Val::Peer(peer)) = call.take(0) else { unreachable!() };
        let port = call.int(1).map(|port| port as u16);
        let found = resolve(sim, &peer, port)?;
        let Some((ip, port)) = found else {
            return (Value::Nil, "no such host").into_lua_multi(lua);
        };
        let port = port.ok_or_else(|| Mistake::new("address(host, port) needs a port").at_word("address"))?;
        peer_handle(lua, sim, ip, port)?.into_lua_multi(lua)
    })?;
    registry
        .field("peer", "ip", |_, _, this| Ok(this.borrow::<crate::classes::Endpoint>()?.0.to_string()))?;
    registry.field("peer", "port", |_, _, this| Ok(this.borrow::<crate::classes::Endpoint>()?.1))?;
    registry.field("peer", "host", |lua, sim, this| {
        let ip = this.borrow::<crate::classes::Endpoint>()?.0;
        let owner = owner_of(sim, ip);
        owner.map(|node| crate::classes::node_handle(lua, sim, node)).transpose()
    })?;
    registry.shows("peer", |_, this| {
        let peer = this.borrow::<crate::classes::Endpoint>()?;
        Ok(format!("{}:{}", peer.0, peer.1))
    })
}

/// The node that has an address.
fn owner_of(sim: &Sim, ip: Ipv4Addr) -> Option<NodeId> {
    let world = sim.world.borrow();
    let plan = world.plan();
    plan.is_numbered().then(|| plan.owner_of(ip)).flatten().map(|iface| plan.node_of(iface))
}

fn fields(registry: &Registry<'_>) -> mlua::Result<()> {
    let id =
        |this: AnyUserData| crate::classes::node_of(&Value::UserData(this)).expect("the type is a node's");
    registry.field("host", "name", move |_, sim, this| Ok(sim.plan.borrow().node(id(this)).name.clone()))?;
    registry.field("host", "ip", move |_, sim, this| {
        let world = sim.world()?;
        Ok(world.plan().address_of(id(this)).map(|ip| ip.to_string()))
    })?;
    registry.field("host", "mac", move |_, sim, this| {
        let plan = sim.plan.borrow();
        Ok(plan.node(id(this)).ifaces.first().map(|iface| MacAddr::of_iface(*iface).to_string()))
    })?;
    registry.field("host", "ifaces", move |lua, sim, this| {
        let world = sim.world()?;
        let plan = world.plan();
        let list = lua.create_table()?;
        for iface in &plan.node(id(this)).ifaces {
            let row = lua.create_table()?;
            row.raw_set("mac", MacAddr::of_iface(*iface).to_string())?;
            row.raw_set("ip", plan.iface(*iface).address.map(|address| address.to_string()))?;
            row.raw_set("peer", plan.node(plan.neighbor_of(*iface)).name.clone())?;
            list.raw_push(row)?;
        }
        Ok(list)
    })?;
    registry.field("host", "data", move |lua, sim, this| {
        let node = id(this);
        if let Some(table) = sim.handles.borrow().data.get(&node.0) {
            return Ok(table.clone());
        }
        let table = lua.create_table()?;
        sim.handles.borrow_mut().data.insert(node.0, table.clone());
        Ok(table)
    })?;
    registry.field("host", "stats", move |lua, sim, this| {
        let node = id(this);
        let world = sim.world()?;
        let stats = world.ip_node(node).map(|node| node.stack.stats).unwrap_or_default();
        let table = lua.create_table()?;
        table.raw_set("tx_packets", stats.tx_packets)?;
        table.raw_set("tx_bytes", stats.tx_bytes)?;
        table.raw_set("rx_packets", stats.rx_packets)?;
        table.raw_set("rx_bytes", stats.rx_bytes)?;
        table.raw_set("forwarded", stats.forwarded)?;
        let now = world.now().as_secs_f64();
        let busy =
            sim.cores.borrow().get(&node.0).map_or(0.0, |cores| cores.busy_time(world.now()).as_secs_f64());
        let share = if now > 0.0 { busy / (now * f64::from(cores_of(sim, node))) } else { 0.0 };
        table.raw_set("cpu_utilization", share)?;
        Ok(table)
    })
}

fn cores_of(sim: &Sim, node: NodeId) -> u32 {
    match &sim.plan.borrow().node(node).spec {
        NodeSpec::Host(host) => host.cores.max(1),
        _ => 1,
    }
}

/// Turns a peer into an address; the results to return when that fails.
fn target(lua: &Lua, sim: &Shared, peer: &Peer) -> mlua::Result<Result<Ipv4Addr, MultiValue>> {
    match resolve(sim, peer, None)? {
        Some((ip, _)) => Ok(Ok(ip)),
        None => Ok(Err((Value::Nil, "no such host").into_lua_multi(lua)?)),
    }
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
    interval: Span,
    timeout: Span,
    sent_at: Instant,
    /// Until when it rests before the next request.
    pause: Option<Instant>,
    rtts: Vec<f64>,
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
            (None, Some(rtt)) => rtt.into_lua_multi(lua),
            (_, None) => (Value::Nil, self.last_error).into_lua_multi(lua),
            (Some(_), Some(_)) => {
                let table = lua.create_table()?;
                let n = self.rtts.len() as f64;
                table.raw_set("min", self.rtts.iter().copied().fold(f64::INFINITY, f64::min))?;
                table.raw_set("max", self.rtts.iter().copied().fold(0.0, f64::max))?;
                table.raw_set("mean", self.rtts.iter().sum::<f64>() / n)?;
                table.raw_set("lost", self.lost)?;
                table.raw_set("rtts", lua.create_sequence_from(self.rtts.iter().copied())?)?;
                table.into_lua_multi(lua)
            }
        }
    }
}

impl Op for Ping {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        if self.target.is_none() {
            match target(lua, sim, &self.to)? {
                Ok(ip) => self.target = Some(ip),
                Err(values) => return Ok(Some(values)),
            }
        }
        let to = self.target.unwrap_or(Ipv4Addr::UNSPECIFIED);
        self.shown = to.to_string();
        let mut world = sim.world()?;
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
                if !world.send_echo(self.node, to, id, self.seq, self.size, self.ttl) {
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
                    EchoOutcome::Reply => self.next(now, Some(event.at.since(self.sent_at).as_secs_f64())),
                    EchoOutcome::TimeExceeded => {
                        self.last_error = "ttl exceeded";
                        self.next(now, None);
                    }
                    EchoOutcome::Unreachable(_) => {
                        self.last_error = "unreachable";
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
    hops: Vec<(Option<Ipv4Addr>, f64)>,
}

impl Op for Trace {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        if self.target.is_none() {
            match target(lua, sim, &self.to)? {
                Ok(ip) => self.target = Some(ip),
                Err(values) => return Ok(Some(values)),
            }
        }
        let to = self.target.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let mut world = sim.world()?;
        let (socket, id) = *self.socket.get_or_insert_with(|| world.echo_socket(self.node));
        loop {
            let now = world.now();
            if !self.asked {
                self.asked = true;
                self.sent_at = now;
                if !world.send_echo(self.node, to, id, u16::from(self.ttl), 32, self.ttl) {
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
            self.hops.push((answer.map(|event| event.from), rtt));
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

impl Trace {
    fn results(&self, lua: &Lua, sim: &Shared) -> mlua::Result<MultiValue> {
        let list = lua.create_table()?;
        let mut text = Vec::new();
        for (from, rtt) in &self.hops {
            let row = lua.create_table()?;
            let name =
                from.and_then(|ip| owner_of(sim, ip)).map(|node| sim.plan.borrow().node(node).name.clone());
            text.push(name.clone().unwrap_or_else(|| "*".to_owned()));
            row.raw_set("ip", from.map(|ip| ip.to_string()))?;
            row.raw_set("name", name)?;
            row.raw_set("rtt", *rtt)?;
            list.raw_push(row)?;
        }
        let text = text.join(" ");
        let meta = lua.create_table()?;
        meta.raw_set("__tostring", lua.create_function(move |_, _: Value| Ok(text.clone()))?)?;
        list.set_metatable(Some(meta))?;
        list.into_lua(lua)?.into_lua_multi(lua)
    }
}

/// The processor cores of a host.
#[derive(Default)]
pub(crate) struct Cores {
    busy: u32,
    waiting: VecDeque<ProcessId>,
    done: Span,
    since: Vec<Instant>,
}

impl Cores {
    /// How long cores were busy, added up.
    fn busy_time(&self, now: Instant) -> Span {
        self.since.iter().fold(self.done, |sum, since| sum + now.since(*since))
    }
}

struct Work {
    node: NodeId,
    time: Span,
    until: Option<Instant>,
    queued: bool,
}

impl Op for Work {
    fn poll(&mut self, _: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let limit = cores_of(sim, self.node);
        let mut world = sim.world()?;
        let mut all = sim.cores.borrow_mut();
        let cores = all.entry(self.node.0).or_default();
        let now = world.now();
        match self.until {
            None if cores.busy < limit
                && (cores.waiting.is_empty() || cores.waiting.front() == Some(&me)) =>
            {
                if self.queued {
                    cores.waiting.pop_front();
                }
                cores.busy += 1;
                cores.since.push(now);
                self.until = Some(now + self.time);
                world.wait(me, now + self.time, &[]);
                Ok(None)
            }
            None => {
                if !self.queued {
                    self.queued = true;
                    cores.waiting.push_back(me);
                }
                world.wait(me, Instant::MAX, &[]);
                Ok(None)
            }
            Some(until) if now >= until => {
                cores.busy -= 1;
                let started = now - self.time;
                if let Some(at) = cores.since.iter().position(|since| *since == started) {
                    cores.since.swap_remove(at);
                }
                cores.done += self.time;
                if let Some(next) = cores.waiting.front() {
                    world.wake(*next);
                }
                Ok(Some(MultiValue::new()))
            }
            Some(until) => {
                world.wait(me, until, &[]);
                Ok(None)
            }
        }
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("work()".to_owned(), if self.until.is_some() { String::new() } else { "for a free core".to_owned() })
    }
}
