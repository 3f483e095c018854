//! Connections of QUIC that share a socket, and the process that drives them.

use super::ping::HOST_DOWN;
use super::quic_flows::Sending;
use super::quic_wait::{Waiting, What};
use crate::sched::Op;
use crate::sim::{Shared, Sim};
use bytes::Bytes;
use mlua::{Lua, MultiValue};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use tidewire_l4_transport::quic::{
    QuicConfig, QuicConnection, QuicError, QuicEvent, QuicInfo, QuicPast, Ticket, destination_of,
    opens_connection, stateless_reset,
};
use tidewire_node::SocketView;
use tidewire_units::{Instant, Interest, NodeId, Refusal, SocketId, Span, Stream};
use tidewire_wire::{Endpoint, Payload};
use tidewire_world::{ProcessId, World};

/// Bytes of a stream under way at which `send` waits.
const ROOM: u64 = 4 << 20;

/// A connection, or what is kept of it.
pub(super) enum Quic {
    Live(Box<QuicConnection>),
    Past(Box<QuicPast>),
}

impl Quic {
    pub fn live(&mut self) -> Option<&mut QuicConnection> {
        match self {
            Quic::Live(quic) => Some(quic),
            Quic::Past(_) => None,
        }
    }

    pub fn error(&self) -> Option<QuicError> {
        match self {
            Quic::Live(quic) => quic.error(),
            Quic::Past(past) => Some(past.error()),
        }
    }

    pub fn info(&self) -> Cow<'_, QuicInfo> {
        match self {
            Quic::Live(quic) => Cow::Owned(quic.info()),
            Quic::Past(past) => Cow::Borrowed(past.info()),
        }
    }

    pub fn remote(&self) -> Endpoint {
        match self {
            Quic::Live(quic) => quic.remote(),
            Quic::Past(past) => past.remote(),
        }
    }

    /// When it is over unless something comes.
    pub fn ends_at(&self) -> Instant {
        match self {
            Quic::Live(quic) => quic.idle_timeout(),
            Quic::Past(_) => Instant::MAX,
        }
    }

    pub fn is_writable(&self, stream: u64) -> bool {
        matches!(self, Quic::Live(quic) if quic.is_writable(stream))
    }

    pub fn is_finished(&self, stream: u64) -> bool {
        match self {
            Quic::Live(quic) => quic.is_finished(stream),
            Quic::Past(past) => past.is_finished(stream),
        }
    }

    fn is_readable(&self, stream: u64) -> bool {
        match self {
            Quic::Live(quic) => quic.is_readable(stream),
            Quic::Past(past) => past.is_finished(stream),
        }
    }

    fn is_delivered(&self, stream: u64) -> bool {
        match self {
            Quic::Live(quic) => quic.is_delivered(stream),
            Quic::Past(past) => past.is_delivered(stream),
        }
    }

    fn has_room(&self, stream: u64) -> bool {
        matches!(self, Quic::Live(quic) if quic.buffered(stream) < ROOM)
    }
}

/// A connection and what has happened to it that nobody has asked for yet.
pub(super) struct Conn {
    pub quic: Quic,
    /// Connections of an endpoint in order of their beginning.
    pub number: usize,
    pub sending: Sending,
    pub opened: VecDeque<u64>,
    pub connected: Option<(bool, bool, Instant)>,
    /// What a client may resume with.
    pub ticket: Option<Ticket>,
    pub waiting: Waiting,
    /// When it is to be looked at again, and when it ends or is forgotten if nothing happens.
    times: [Instant; 2],
}

impl Conn {
    fn new(quic: QuicConnection, number: usize) -> Conn {
        Conn {
            quic: Quic::Live(Box::new(quic)),
            number,
            sending: Sending::default(),
            opened: VecDeque::new(),
            connected: None,
            ticket: None,
            waiting: Waiting::default(),
            times: [Instant::MAX; 2],
        }
    }

    /// What somebody waits for is there.
    pub fn has(&self, what: What, stream: u64) -> bool {
        match what {
            What::Connected => self.connected.is_some() && self.quic.error().is_none(),
            What::Stream => !self.opened.is_empty(),
            What::Readable => self.quic.is_readable(stream),
            What::Delivered => self.quic.is_delivered(stream),
            What::Room => self.quic.has_room(stream),
        }
    }

    /// Of a connection that is over only what may still be asked for is kept, once nothing more comes for it.
    pub fn settle(&mut self) {
        if let Quic::Live(quic) = &self.quic
            && let Some(past) = quic.past()
        {
            self.quic = Quic::Past(Box::new(past));
        }
    }

    /// Lets due timers act and sends what is to be sent.
    fn act(&mut self, world: &mut World, node: NodeId, socket: SocketId) {
        let now = world.now();
        let Quic::Live(quic) = &mut self.quic else { return };
        if quic.next_timeout().min(quic.idle_timeout()) <= now {
            quic.handle_timeout(now);
        }
        while let Some(datagram) = quic.poll_transmit(now) {
            let (len, to) = (datagram.len(), Some(quic.remote()));
            if world.send_to(node, socket, Payload::Data(datagram), to) == Err(Refusal::TooBig) {
                quic.handle_too_big(len);
            }
        }
    }

    /// Notes what has happened, and wakes who waits for it.
    fn tell(&mut self, world: &mut World) {
        let Quic::Live(quic) = &mut self.quic else { return };
        let mut is_over = false;
        while let Some(event) = quic.poll_event() {
            match event {
                QuicEvent::Connected { resumed, early } => {
                    self.connected = Some((resumed, early, world.now()));
                    self.waiting.wake(world, What::Connected, 0);
                }
                QuicEvent::Opened(stream) => self.opened.push_back(stream),
                QuicEvent::Ticket => self.ticket = quic.ticket(),
                QuicEvent::Migrated => {}
                QuicEvent::Closed(_) => is_over = true,
            }
        }
        let stirred = quic.take_stirred();
        if is_over {
            return self.waiting.wake_all(world);
        }
        self.pass_on(world);
        for stream in stirred {
            for what in [What::Readable, What::Delivered, What::Room] {
                if self.waiting.has(what, stream) && self.has(what, stream) {
                    self.waiting.wake(world, what, stream);
                }
            }
        }
    }

    /// As many of those who wait for a stream of the peer's as there are such streams go on.
    pub fn pass_on(&self, world: &mut World) {
        self.waiting.wake_first(world, self.opened.len());
    }
}

/// Connections that share a UDP socket.
pub(crate) struct Shape {
    pub(super) node: NodeId,
    pub(super) socket: SocketId,
    /// The socket's port, once that is closed.
    pub(super) port: Option<u16>,
    /// The name of rows in `flows.csv`, if connections are to have some.
    pub(super) flow: Option<String>,
    pub(super) config: QuicConfig,
    pub(super) is_server: bool,
    pub(super) connections: BTreeMap<u64, Conn>,
    /// Those that may have something to do, and when others will: only they are looked at.
    busy: BTreeSet<u64>,
    times: [BTreeSet<(Instant, u64)>; 2],
    /// Identifiers that clients chose for their first datagrams.
    aliases: BTreeMap<u64, u64>,
    pub(super) incoming: VecDeque<u64>,
    /// Who waits for a connection.
    pub(super) accepting: Waiting,
    driver: Option<ProcessId>,
    /// Its host has crashed.
    pub(super) gone: bool,
    pub(super) random: Stream,
}

impl Shape {
    pub fn new(node: NodeId, socket: SocketId, config: QuicConfig, is_server: bool, random: Stream) -> Shape {
        Shape {
            node,
            socket,
            port: None,
            flow: None,
            config,
            is_server,
            connections: BTreeMap::new(),
            busy: BTreeSet::new(),
            times: Default::default(),
            aliases: BTreeMap::new(),
            incoming: VecDeque::new(),
            accepting: Waiting::default(),
            driver: None,
            gone: false,
            random,
        }
    }

    pub fn add(&mut self, id: u64, quic: QuicConnection) {
        let number = self.connections.len();
        self.busy.insert(id);
        self.connections.insert(id, Conn::new(quic, number));
    }

    /// Why nothing more can be done with a connection.
    pub fn is_over(&self, id: u64) -> Option<&'static str> {
        if self.gone {
            return Some(HOST_DOWN);
        }
        self.connections.get(&id).map_or(Some("closed"), |conn| conn.quic.error().map(word))
    }

    /// Why nothing more can be sent on a stream.
    pub fn takes_nothing(&self, id: u64, stream: u64) -> Option<&'static str> {
        let writable = || self.connections.get(&id).is_some_and(|conn| conn.quic.is_writable(stream));
        self.is_over(id).or_else(|| (!writable()).then_some("closed"))
    }

    /// A connection has something to send, or its timers have changed: the driver looks.
    pub fn kick(&mut self, world: &mut World, id: u64) {
        self.busy.insert(id);
        if let Some(driver) = self.driver {
            world.wake(driver);
        }
    }

    fn receive(&mut self, world: &mut World, from: Endpoint, datagram: &Bytes) {
        let (now, Some(named)) = (world.now(), destination_of(datagram)) else { return };
        let id = self.aliases.get(&named).copied().unwrap_or(named);
        if let Some(quic) = self.connections.get_mut(&id).and_then(|conn| conn.quic.live()) {
            self.busy.insert(id);
            return quic.handle_datagram(now, from, datagram);
        }
        if !self.is_server {
            let mut all = self.connections.iter_mut();
            let reset = all.find_map(|(id, conn)| {
                Some((id, conn.quic.live().filter(|quic| quic.is_reset_by(datagram))?))
            });
            if let Some((id, quic)) = reset {
                self.busy.insert(*id);
                quic.handle_reset();
            }
            return;
        }
        if let Some(reset) = stateless_reset(datagram) {
            let _ = world.send_to(self.node, self.socket, Payload::Data(reset), Some(from));
        }
        if self.connections.contains_key(&id) {
            return;
        }
        if opens_connection(datagram) {
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

    /// Looks at connections that may have something to do; says when to look again, and when one ends or is forgotten if nothing happens.
    fn turn(&mut self, world: &mut World) -> (Instant, Instant) {
        let (now, first) = (world.now(), |times: &BTreeSet<(Instant, u64)>| times.first().map(|at| at.0));
        let mut busy = std::mem::take(&mut self.busy);
        for times in &self.times {
            busy.extend(times.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id));
        }
        for id in busy {
            self.look_at(id, world);
        }
        self.accepting.wake_first(world, self.incoming.len());
        (first(&self.times[0]).unwrap_or(Instant::MAX), first(&self.times[1]).unwrap_or(Instant::MAX))
    }

    fn look_at(&mut self, id: u64, world: &mut World) {
        let Some(conn) = self.connections.get_mut(&id) else { return };
        conn.act(world, self.node, self.socket);
        conn.tell(world);
        let mut times = [Instant::MAX; 2];
        if let Quic::Live(quic) = &conn.quic {
            if self.flow.is_some() {
                conn.sending.note(world.now(), world.warmup(), quic);
            }
            let waits = quic.drained_at().filter(|_| !quic.is_drained());
            times = [quic.next_timeout(), waits.unwrap_or(Instant::MAX).min(quic.idle_timeout())];
        }
        conn.settle();
        let before = std::mem::replace(&mut conn.times, times);
        for (all, (before, after)) in self.times.iter_mut().zip(before.into_iter().zip(times)) {
            if before != after {
                all.remove(&(before, id));
                if after < Instant::MAX {
                    all.insert((after, id));
                }
            }
        }
    }

    /// A client's connection is over and nothing more comes for it: its socket is of no more use.
    fn is_spent(&self) -> bool {
        let is_drained = |conn: &Conn| match &conn.quic {
            Quic::Live(quic) => quic.is_drained(),
            Quic::Past(_) => true,
        };
        !self.is_server && self.connections.values().all(is_drained)
    }

    /// The port that its socket has or had.
    pub fn port(&self, world: &World) -> Option<u16> {
        match world.view(self.node, self.socket) {
            Some(SocketView::Udp(port, ..)) if self.port.is_none() => Some(port),
            _ => self.port,
        }
    }

    fn shut(&mut self, world: &mut World) {
        self.port = self.port(world);
        self.driver = None;
        world.close(self.node, self.socket);
    }
}

/// What scripts call the ends of connections.
pub(super) fn word(why: QuicError) -> &'static str {
    match why {
        QuicError::Closed(_) => "closed",
        QuicError::Protocol(_) => "reset",
        QuicError::TimedOut => "timeout",
    }
}

/// The process that an endpoint has: a server's never ends.
pub(super) struct Drive(pub Rc<RefCell<Shape>>);

impl Op for Drive {
    fn poll(&mut self, _: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut world = sim.world()?;
        let mut shape = self.0.borrow_mut();
        shape.driver = Some(me);
        loop {
            let (node, socket) = (shape.node, shape.socket);
            while let Ok(Some(datagram)) = world.recv_from(node, socket) {
                let bytes = match datagram.payload {
                    Payload::Data(bytes) => bytes,
                    zeros @ Payload::Zeros(_) => Bytes::from(zeros.to_bytes().into_owned()),
                };
                shape.receive(&mut world, datagram.from, &bytes);
            }
            let (next, idle) = shape.turn(&mut world);
            if shape.is_spent() {
                shape.shut(&mut world);
                return Ok(Some(MultiValue::new()));
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

    /// Only a crash ends it before its time.
    fn cancel(&mut self, sim: &Sim, _: ProcessId) {
        let mut shape = self.0.borrow_mut();
        shape.gone = true;
        if let Ok(mut world) = sim.world() {
            shape.accepting.wake_all(&mut world);
            shape.connections.values().for_each(|conn| conn.waiting.wake_all(&mut world));
        }
    }
}
