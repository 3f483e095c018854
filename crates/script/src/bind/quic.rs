//! QUIC for scripts: endpoints on UDP sockets, driven by a process of their own; no Lua per packet.

use super::ping::HOST_DOWN;
use super::quic_flows::Sending;
use super::{Natives, congestion};
use crate::classes::{Registry, resolve};
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::services::Loader;
use crate::sim::{Shared, Sim};
use crate::spec::{Kind, quic as spec};
use crate::values::{Val, convert};
use mlua::{AnyUserData, IntoLuaMulti, Lua, MultiValue, Table, UserData, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use tidewire_l4_transport::TcpConfig;
use tidewire_l4_transport::quic::{
    QuicConfig, QuicConnection, QuicError, QuicEvent, Schedule, destination_of, opens_connection,
};
use tidewire_units::{Instant, Interest, NodeId, Purpose, Refusal, SocketId, Span, Stream};
use tidewire_wire::{Endpoint, Payload};
use tidewire_world::{ProcessId, World};

/// A connection and what has happened to it that nobody has asked for yet.
pub(super) struct Conn {
    pub quic: QuicConnection,
    /// Connections of an endpoint in order of their beginning.
    pub number: usize,
    pub sending: Sending,
    opened: VecDeque<u64>,
    connected: Option<(bool, bool, Instant)>,
    ticket: bool,
}

/// Connections that share a UDP socket.
pub(crate) struct Shape {
    pub(super) node: NodeId,
    pub(super) socket: SocketId,
    /// The name of rows in `flows.csv`, if connections are to have some.
    pub(super) flow: Option<String>,
    config: QuicConfig,
    is_server: bool,
    pub(super) connections: BTreeMap<u64, Conn>,
    /// Those that may have something to do: who has ended is asked again only when something comes for it.
    live: BTreeSet<u64>,
    /// Identifiers that clients chose for their first datagrams.
    aliases: BTreeMap<u64, u64>,
    incoming: VecDeque<u64>,
    driver: Option<ProcessId>,
    waiting: Vec<ProcessId>,
    /// Its host has crashed.
    gone: bool,
    random: Stream,
}

/// An endpoint, as the module holds it.
struct QuicEndpoint(Rc<RefCell<Shape>>);
impl UserData for QuicEndpoint {}

pub(super) fn install(registry: &Registry<'_>, services: &Loader) -> mlua::Result<()> {
    services.add(registry, &spec::LISTEN, "quic")?;
    services.add(registry, &spec::CONNECT, "quic")
}

/// Functions that only the module sees.
pub(super) fn natives(native: &Natives<'_>) -> mlua::Result<()> {
    native.add("quic_endpoint", |lua, sim, (host, port, opts): (Value, Option<u16>, Table)| {
        endpoint(lua, sim, &host, port, &opts)
    })?;
    native.wait("quic_drive", |lua, sim, endpoint: AnyUserData| {
        let shape = endpoint.borrow::<QuicEndpoint>()?.0.clone();
        block_on(lua, sim, Box::new(Drive(shape)))
    })?;
    native.add(
        "quic_open",
        |lua, sim, (endpoint, to, port, ticket): (AnyUserData, Value, Option<u16>, bool)| {
            let peer = convert(lua, sim, Kind::Peer, &to, "to", "argument 1 (to) of host:quic_connect")?;
            let Val::Peer(peer) = peer else { unreachable!("a peer was asked for") };
            let (ip, port) = match resolve(lua, sim, None, &peer, port)? {
                Ok(found) => found,
                Err(why) => return (Value::Nil, why).into_lua_multi(lua),
            };
            let port =
                port.ok_or_else(|| Mistake::new("quic_connect() needs a port").at_word("quic_connect"))?;
            let shape = of(&endpoint)?;
            let mut shape = shape.borrow_mut();
            let now = sim.world()?.now();
            let ids = (shape.random.bits() >> 2, shape.random.bits() >> 2);
            let quic =
                QuicConnection::client(now, Endpoint::new(ip, port), ids, shape.config.clone(), ticket);
            shape.add(ids.0, quic);
            ids.0.into_lua_multi(lua)
        },
    )?;
    native.wait(
        "quic_wait",
        |lua, sim, args: (AnyUserData, Option<u64>, String, Option<u64>, Option<f64>)| {
            let (endpoint, id, what, stream, timeout) = args;
            let shape = endpoint.borrow::<QuicEndpoint>()?.0.clone();
            let deadline = super::http::deadline(sim, timeout);
            block_on(lua, sim, Box::new(Await { shape, id, what, stream: stream.unwrap_or(0), deadline }))
        },
    )?;
    native.add("quic_stream", |_, _, (endpoint, id): (AnyUserData, u64)| {
        Ok(of(&endpoint)?.borrow_mut().connections.get_mut(&id).map(|conn| conn.quic.open()))
    })?;
    native.add("quic_write", |_, sim, args: (AnyUserData, u64, u64, Value, bool)| {
        let (endpoint, id, stream, data, fin) = args;
        let shape = of(&endpoint)?;
        let mut shape = shape.borrow_mut();
        if let Some(why) = shape.takes_nothing(id, stream) {
            return Ok(Some(why));
        }
        if let Some(conn) = shape.connections.get_mut(&id) {
            match data {
                Value::String(text) => conn.quic.write(stream, Payload::from(text.as_bytes().to_vec())),
                Value::Integer(n) => {
                    let mut left = u64::try_from(n).unwrap_or(0);
                    while left > 0 {
                        let part = left.min(1 << 30);
                        conn.quic.write(stream, Payload::Zeros(part as u32));
                        left -= part;
                    }
                }
                _ => {}
            }
            if fin {
                conn.quic.finish(stream);
            }
        }
        shape.kick(&mut *sim.world()?);
        Ok(None)
    })?;
    native.add("quic_read", |lua, sim, args: (AnyUserData, u64, u64, usize, bool)| {
        let (endpoint, id, stream, most, keep) = args;
        let shape = of(&endpoint)?;
        let mut shape = shape.borrow_mut();
        let Some(conn) = shape.connections.get_mut(&id) else { return Value::Nil.into_lua_multi(lua) };
        let (mut bytes, mut n) = (Vec::new(), 0);
        while let Some(part) = (n < most).then(|| conn.quic.read(stream, most - n)).flatten() {
            n += part.len();
            if keep {
                bytes.extend(part);
            }
        }
        let finished = conn.quic.is_finished(stream);
        shape.kick(&mut *sim.world()?);
        (n, finished, lua.create_string(&bytes)?).into_lua_multi(lua)
    })?;
    native.add("quic_close", |_, sim, (endpoint, id, code): (AnyUserData, u64, u64)| {
        let shape = of(&endpoint)?;
        let mut shape = shape.borrow_mut();
        if let Some(conn) = shape.connections.get_mut(&id) {
            conn.quic.close(code);
        }
        shape.kick(&mut *sim.world()?);
        Ok(())
    })?;
    native.add("quic_migrate", |lua, sim, (endpoint, id): (AnyUserData, u64)| {
        let shape = of(&endpoint)?;
        let mut shape = shape.borrow_mut();
        if shape.is_server {
            return Err(Mistake::new(
                "a server's end does not migrate (RFC 9000 section 9): call migrate() of the client's end",
            )
            .at_word("migrate")
            .into());
        }
        if shape.gone {
            return (Value::Nil, HOST_DOWN).into_lua_multi(lua);
        }
        let over = shape.connections.get(&id).map_or(Some("closed"), |conn| conn.quic.error().map(word));
        if let Some(why) = over {
            return (Value::Nil, why).into_lua_multi(lua);
        }
        let mut world = sim.world()?;
        let now = world.now();
        let fresh = match world.udp(shape.node, 0) {
            Ok(socket) => socket,
            Err(why) => return super::tcp::refused(lua, why),
        };
        let old = std::mem::replace(&mut shape.socket, fresh);
        world.close(shape.node, old);
        world.set_dont_fragment(shape.node, fresh, Some(true));
        if let Some(conn) = shape.connections.get_mut(&id) {
            conn.quic.migrate(now);
        }
        shape.kick(&mut world);
        true.into_lua_multi(lua)
    })?;
    native.add("quic_connected", |lua, _, (endpoint, id): (AnyUserData, u64)| {
        let shape = of(&endpoint)?;
        let shape = shape.borrow();
        match shape.connections.get(&id).and_then(|conn| conn.connected) {
            Some((resumed, early, at)) => (resumed, early, at.as_us() as f64 / 1e6).into_lua_multi(lua),
            None => Value::Nil.into_lua_multi(lua),
        }
    })?;
    native.add("quic_info", |lua, _, (endpoint, id): (AnyUserData, u64)| {
        let shape = of(&endpoint)?;
        let shape = shape.borrow();
        let Some(conn) = shape.connections.get(&id) else { return Ok(None) };
        let info = conn.quic.info();
        let table = lua.create_table()?;
        table.raw_set("cc", info.cc)?;
        table.raw_set("cwnd_packets", info.cwnd)?;
        table.raw_set("in_flight", info.in_flight)?;
        table.raw_set("rtt", info.rtt)?;
        table.raw_set("packets_sent", info.packets_sent)?;
        table.raw_set("packets_lost", info.packets_lost)?;
        table.raw_set("ptos", info.ptos)?;
        table.raw_set("datagrams_sent", info.datagrams_sent)?;
        table.raw_set("datagram_size", info.datagram_size)?;
        table.raw_set("ticket", conn.ticket)?;
        Ok(Some(table))
    })
}

fn of(endpoint: &AnyUserData) -> mlua::Result<Rc<RefCell<Shape>>> {
    Ok(endpoint.borrow::<QuicEndpoint>()?.0.clone())
}

fn endpoint(
    lua: &Lua,
    sim: &Shared,
    host: &Value,
    port: Option<u16>,
    opts: &Table,
) -> mlua::Result<MultiValue> {
    let node = crate::classes::node_of(host).ok_or_else(|| Mistake::new("a host is needed"))?;
    let mut world = sim.world()?;
    let socket = match world.udp(node, port.unwrap_or(0)) {
        Ok(socket) => socket,
        Err(why) => return super::tcp::refused(lua, why),
    };
    // RFC 9000 section 14.
    world.set_dont_fragment(node, socket, Some(true));
    let mut tcp: TcpConfig = (*world.tcp_config(node)).clone();
    if let Some(name) = opts.raw_get::<Option<String>>("cc")? {
        tcp.cc = congestion::kind_of(sim, &name)?;
    }
    if let Some(n) = opts.raw_get::<Option<u32>>("init_cwnd")? {
        tcp.init_cwnd = n;
    }
    let usual = QuicConfig::default();
    let config = QuicConfig {
        tcp: Arc::new(tcp),
        certificate: opts.raw_get::<Option<u32>>("certificate")?.unwrap_or(usual.certificate),
        accept_early: opts.raw_get::<Option<bool>>("early")?.unwrap_or(true),
        stream_window: opts.raw_get::<Option<u64>>("stream_window")?.unwrap_or(usual.stream_window),
        window: opts.raw_get::<Option<u64>>("window")?.unwrap_or(usual.window),
        probe_datagram: opts.raw_get::<Option<u16>>("max_datagram")?.unwrap_or(usual.probe_datagram),
        schedule: match opts.raw_get::<Option<String>>("schedule")?.as_deref() {
            Some("in_order") => Schedule::InOrder,
            _ => Schedule::Turns,
        },
        idle: opts.raw_get::<Option<f64>>("idle")?.map_or(usual.idle, Span::from_secs_f64),
        ..usual
    };
    let name = sim.plan.borrow().node(node).name.clone();
    let random = world.streams().stream(Purpose::Transport, &format!("quic {name} {}", socket.0));
    let shape = Shape {
        node,
        socket,
        flow: opts.raw_get::<Option<String>>("flow")?,
        config,
        is_server: port.is_some(),
        connections: BTreeMap::new(),
        live: BTreeSet::new(),
        aliases: BTreeMap::new(),
        incoming: VecDeque::new(),
        driver: None,
        waiting: Vec::new(),
        gone: false,
        random,
    };
    let shape = Rc::new(RefCell::new(shape));
    if shape.borrow().flow.is_some() {
        sim.quic_flows.borrow_mut().push(shape.clone());
    }
    lua.create_userdata(QuicEndpoint(shape))?.into_lua_multi(lua)
}

impl Shape {
    fn add(&mut self, id: u64, quic: QuicConnection) {
        let (number, sending) = (self.connections.len(), Sending::default());
        let (opened, connected) = (VecDeque::new(), None);
        self.live.insert(id);
        self.connections.insert(id, Conn { quic, number, sending, opened, connected, ticket: false });
    }

    /// Why nothing more can be sent on a stream.
    fn takes_nothing(&self, id: u64, stream: u64) -> Option<&'static str> {
        if self.gone {
            return Some(HOST_DOWN);
        }
        let Some(conn) = self.connections.get(&id) else { return Some("closed") };
        let writable = conn.quic.is_writable(stream);
        conn.quic.error().map(word).or_else(|| (!writable).then_some("closed"))
    }

    /// Something is to be sent, or timers have changed: the driver looks.
    fn kick(&self, world: &mut World) {
        if let Some(driver) = self.driver {
            world.wake(driver);
        }
    }

    fn receive(&mut self, now: Instant, from: Endpoint, datagram: &bytes::Bytes) {
        let Some(named) = destination_of(datagram) else { return };
        let id = self.aliases.get(&named).copied().unwrap_or(named);
        if let Some(conn) = self.connections.get_mut(&id) {
            self.live.insert(id);
            return conn.quic.handle_datagram(now, from, datagram);
        }
        if self.is_server && opens_connection(datagram) {
            let own = self.random.bits() >> 2;
            let mut quic = QuicConnection::server(now, from, (own, named), self.config.clone());
            quic.handle_datagram(now, from, datagram);
            // Its client has given up already.
            if quic.error().is_some() {
                return;
            }
            self.aliases.insert(named, own);
            self.add(own, quic);
            self.incoming.push_back(own);
        }
    }

    /// Lets due timers act and sends what is to be sent; says when to look again, when a connection has been silent for too long, and
    /// whether anything has happened.
    fn turn(&mut self, world: &mut World) -> (Instant, Instant, bool) {
        let (mut next, mut idle, mut news) = (Instant::MAX, Instant::MAX, false);
        let (now, node, socket) = (world.now(), self.node, self.socket);
        let live: Vec<u64> = self.live.iter().copied().collect();
        for id in live {
            let Some(conn) = self.connections.get_mut(&id) else { continue };
            if conn.quic.next_timeout().min(conn.quic.idle_timeout()) <= now {
                conn.quic.handle_timeout(now);
                news = true;
            }
            while let Some(datagram) = conn.quic.poll_transmit(now) {
                let (len, to) = (datagram.len(), Some(conn.quic.remote()));
                if world.send_to(node, socket, Payload::Data(datagram), to) == Err(Refusal::TooBig) {
                    conn.quic.handle_too_big(len);
                }
            }
            while let Some(event) = conn.quic.poll_event() {
                news = true;
                match event {
                    QuicEvent::Connected { resumed, early } => conn.connected = Some((resumed, early, now)),
                    QuicEvent::Opened(stream) => conn.opened.push_back(stream),
                    QuicEvent::Ticket => conn.ticket = true,
                    QuicEvent::Migrated | QuicEvent::Closed(_) => {}
                }
            }
            if self.flow.is_some() {
                conn.sending.note(now, world.warmup(), &conn.quic);
            }
            next = next.min(conn.quic.next_timeout());
            idle = idle.min(conn.quic.idle_timeout());
            if conn.quic.error().is_some() {
                self.live.remove(&id);
            }
        }
        (next, idle, news)
    }
}

/// The process that an endpoint has: it never ends.
struct Drive(Rc<RefCell<Shape>>);

impl Op for Drive {
    fn poll(&mut self, _: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut world = sim.world()?;
        let mut shape = self.0.borrow_mut();
        shape.driver = Some(me);
        loop {
            let (node, socket, mut news) = (shape.node, shape.socket, false);
            while let Ok(Some(datagram)) = world.recv_from(node, socket) {
                let bytes = match datagram.payload {
                    Payload::Data(bytes) => bytes,
                    zeros @ Payload::Zeros(_) => bytes::Bytes::from(zeros.to_bytes().into_owned()),
                };
                let now = world.now();
                shape.receive(now, datagram.from, &bytes);
                news = true;
            }
            let (next, idle, more) = shape.turn(&mut world);
            if news || more {
                for process in std::mem::take(&mut shape.waiting) {
                    world.wake(process);
                }
            }
            // What is due has been done; whatever still is, is not to stop the clock.
            let soon = world.now() + Span::from_us(1);
            let sockets = [(node, socket, Interest::Readable)];
            // That a peer is silent keeps no run alive; who waits for it has patience.
            let ready = if next == Instant::MAX {
                world.wait_in_background(me, idle.max(soon), &sockets)
            } else {
                world.wait(me, next.min(idle).max(soon), &sockets)
            };
            if !ready {
                return Ok(None);
            }
        }
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("quic".to_owned(), "for datagrams".to_owned())
    }

    /// Only a crash ends it.
    fn cancel(&mut self, sim: &Sim, _: ProcessId) {
        let mut shape = self.0.borrow_mut();
        shape.gone = true;
        if let Ok(mut world) = sim.world() {
            std::mem::take(&mut shape.waiting).into_iter().for_each(|process| world.wake(process));
        }
    }
}

/// A program that waits for something of a connection.
struct Await {
    shape: Rc<RefCell<Shape>>,
    id: Option<u64>,
    what: String,
    stream: u64,
    deadline: Instant,
}

fn word(why: QuicError) -> &'static str {
    match why {
        QuicError::Closed(_) => "closed",
        QuicError::Protocol(_) => "reset",
        QuicError::TimedOut => "timeout",
    }
}

impl Op for Await {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut shape = self.shape.borrow_mut();
        let mut world = sim.world()?;
        if shape.gone {
            return (Value::Nil, HOST_DOWN).into_lua_multi(lua).map(Some);
        }
        if self.id.is_none() {
            if let Some(id) = shape.incoming.pop_front() {
                return id.into_lua_multi(lua).map(Some);
            }
        } else if let Some(conn) = self.id.and_then(|id| shape.connections.get_mut(&id)) {
            let error = conn.quic.error();
            let stream = self.stream;
            let found = match &*self.what {
                "connected" => conn.connected.map(|_| true.into_lua_multi(lua)),
                "stream" => conn.opened.pop_front().map(|stream| stream.into_lua_multi(lua)),
                "readable" => conn.quic.is_readable(stream).then(|| true.into_lua_multi(lua)),
                "delivered" => conn.quic.is_delivered(stream).then(|| true.into_lua_multi(lua)),
                "room" => (conn.quic.buffered(stream) < 4 << 20).then(|| true.into_lua_multi(lua)),
                _ => None,
            };
            match (found, error) {
                (Some(values), _) => return values.map(Some),
                (None, Some(why)) => return (Value::Nil, word(why)).into_lua_multi(lua).map(Some),
                (None, None) => {}
            }
        } else {
            return (Value::Nil, "closed").into_lua_multi(lua).map(Some);
        }
        if world.now() >= self.deadline {
            return (Value::Nil, "timeout").into_lua_multi(lua).map(Some);
        }
        shape.waiting.push(me);
        shape.kick(&mut world);
        world.wait(me, self.deadline, &[]);
        Ok(None)
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("quic".to_owned(), format!("for {}", self.what))
    }

    fn patience(&self, sim: &Sim) -> Option<Span> {
        let shape = self.shape.borrow();
        let conn = shape.connections.get(&self.id?)?;
        let idle = conn.quic.idle_timeout();
        // A server may wait for the next stream for as long as it likes.
        let asks = !(shape.is_server && self.what == "stream") && idle < Instant::MAX;
        asks.then(|| idle.max(sim.world.borrow().now()).since(sim.world.borrow().now()) + Span::from_ms(1))
    }
}
