//! A host's sockets: who has which port, whose timer is next, who waits for what.

use crate::datagram::{EchoSocket, UdpSock};
use crate::resting::Resting;
use crate::tcp::{Listener, TcpSock, Tuple};
use crate::{Context, IpStack, NO_FLOW, Progress};
use rustc_hash::{FxHashMap, FxHashSet};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tidewire_l4_transport::{Connection, TcpConfig, Transmit};
use tidewire_units::{Instant, Interest, Refusal, SocketId, WaitToken};
use tidewire_wire::{Endpoint, Protocol, TcpSegment};

/// First port that is given out to sockets that ask for none (RFC 6335 section 6).
const FIRST_EPHEMERAL: u16 = 49_152;

/// All sockets of one host.
pub struct Sockets {
    /// By socket id; ids are never reused, so that a stale handle finds nothing.
    pub(crate) slots: Vec<Option<Socket>>,
    pub(crate) connections: FxHashMap<Tuple, u32>,
    /// The connection that the latest segment was for.
    pub(crate) latest: Option<(Tuple, u32)>,
    pub(crate) listeners: FxHashMap<u16, u32>,
    /// TCP ports of sockets that are bound and neither listen nor are connected.
    pub(crate) bound: FxHashSet<u16>,
    pub(crate) udp_ports: FxHashMap<u16, u32>,
    /// The UDP socket that the latest datagram was for, and its port.
    pub(crate) latest_udp: Option<(u16, u32)>,
    pub(crate) echo_ids: FxHashMap<u16, u32>,
    /// Earliest wake of each connection; stale entries are recognised and skipped.
    pub(crate) timers: BinaryHeap<Reverse<(Instant, u32)>>,
    /// Connections whose timer keeps the run alive.
    pub(crate) foreground: u32,
    next_port: u16,
    /// Own address and peer between which no port was free; until one may be, nobody searches again.
    pub(crate) crowded: FxHashSet<(Ipv4Addr, Endpoint)>,
    pub(crate) next_echo: u16,
    pub(crate) salt: u64,
    /// Connections that came to rest, the latest last; those that stay at rest are folded.
    pub(crate) resting: VecDeque<(u32, Instant)>,
    /// The host does not run: nobody opens or connects anything.
    pub(crate) down: bool,
    /// The segment that is being sent: its place is used again and again.
    pub(crate) transmit: Transmit,
    /// The segment that has arrived, likewise.
    pub(crate) segment: TcpSegment,
}

pub(crate) struct Socket {
    pub waiters: Vec<(Interest, WaitToken)>,
    pub kind: Kind,
}

pub(crate) enum Kind {
    Unbound {
        config: Arc<TcpConfig>,
        port: u16,
    },
    Listener(Box<Listener>),
    Tcp(Box<TcpSock>),
    /// A TCP connection that never opened, and why: nobody but who asked for it sees it.
    Failed(Refusal),
    /// A TCP connection that nothing has happened to for a while.
    Resting(Box<Resting>),
    Udp(Box<UdpSock>),
    Echo(EchoSocket),
}

/// What a view borrows, or unfolds for the occasion.
pub enum Seen<'a> {
    /// As it is.
    Awake(&'a Connection),
    /// A likeness of one at rest.
    Resting(Box<Connection>),
}

impl std::ops::Deref for Seen<'_> {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        match self {
            Seen::Awake(conn) => conn,
            Seen::Resting(conn) => conn,
        }
    }
}

/// What can be seen of a socket from outside.
pub enum SocketView<'a> {
    /// A TCP socket that is neither connected nor listening, with its port (0 while unbound).
    Unbound(u16),
    /// A listening TCP socket: port, and connections waiting to be accepted.
    Listener(u16, usize),
    /// A TCP connection: local and remote endpoint.
    Tcp(Endpoint, Endpoint, Seen<'a>),
    /// A UDP socket: port, peer if connected, and datagrams waiting to be read.
    Udp(u16, Option<Endpoint>, usize),
    /// An ICMP echo socket.
    Echo,
}

impl Sockets {
    /// No sockets yet. `salt` keeps initial sequence numbers apart between hosts (RFC 6528).
    pub fn new(salt: u64) -> Sockets {
        Sockets {
            slots: Vec::new(),
            connections: FxHashMap::default(),
            latest: None,
            listeners: FxHashMap::default(),
            bound: FxHashSet::default(),
            udp_ports: FxHashMap::default(),
            latest_udp: None,
            echo_ids: FxHashMap::default(),
            timers: BinaryHeap::new(),
            foreground: 0,
            next_port: FIRST_EPHEMERAL,
            crowded: FxHashSet::default(),
            next_echo: 1,
            salt,
            resting: VecDeque::new(),
            down: false,
            transmit: Transmit::default(),
            segment: TcpSegment::default(),
        }
    }

    /// A socket as it is now; `None` when it is closed and forgotten.
    pub fn view(&self, id: SocketId) -> Option<SocketView<'_>> {
        let socket = self.slots.get(id.0 as usize)?.as_ref()?;
        Some(match &socket.kind {
            Kind::Unbound { port, .. } => SocketView::Unbound(*port),
            Kind::Listener(listener) => SocketView::Listener(listener.port, listener.queue.len()),
            Kind::Tcp(tcp) => SocketView::Tcp(tcp.local, tcp.remote, Seen::Awake(&tcp.conn)),
            Kind::Resting(rest) => {
                SocketView::Tcp(rest.local, rest.remote, Seen::Resting(Box::new(rest.conn.unfold())))
            }
            Kind::Failed(_) => return None,
            Kind::Udp(udp) => SocketView::Udp(udp.port, udp.peer, udp.waiting()),
            Kind::Echo(_) => SocketView::Echo,
        })
    }

    /// Every live socket, in order of creation.
    pub fn ids(&self) -> impl Iterator<Item = SocketId> + '_ {
        self.slots.iter().enumerate().filter(|(_, slot)| slot.is_some()).map(|(i, _)| SocketId(i as u32))
    }

    /// Lets a process wait. True when what it waits for is already so; then it is not registered.
    pub fn wait(&mut self, id: SocketId, interest: Interest, token: WaitToken) -> bool {
        if self.is_ready(id, interest) {
            return true;
        }
        if let Some(socket) = self.socket_mut(id) {
            // A process waits for one thing at a time: what it registered before is over. Of subscriptions it has one of each kind.
            let kind = std::mem::discriminant(&interest);
            let other =
                |known: &Interest| token.subscribed().is_some() && std::mem::discriminant(known) != kind;
            socket.waiters.retain(|(known, waiter)| waiter.process != token.process || other(known));
            socket.waiters.push((interest, token));
        }
        false
    }

    /// Whether an interest is satisfied; a socket that is gone satisfies every one.
    pub fn is_ready(&self, id: SocketId, interest: Interest) -> bool {
        match self.slots.get(id.0 as usize).and_then(|slot| slot.as_ref()) {
            None => true,
            Some(socket) => socket.kind.is_ready(interest),
        }
    }

    /// Closes a socket: a connection sends what it has and then FIN; anything else is gone at once.
    pub fn close(&mut self, id: SocketId, stack: &mut IpStack, cx: &mut Context<'_>) {
        let Some(socket) = self.socket_mut(id) else { return };
        match &mut socket.kind {
            Kind::Tcp(tcp) => {
                tcp.conn.close(cx.now);
                tcp.released = true;
                self.drive(id.0, stack, cx);
            }
            Kind::Listener(listener) => {
                let (port, waiting) = (listener.port, std::mem::take(&mut listener.queue));
                self.listeners.remove(&port);
                self.crowded.clear();
                // Connections that nobody will accept are reset, as Linux does.
                let children = self.slots.iter().enumerate().filter_map(|(child, slot)| {
                    let half_open =
                        matches!(&slot.as_ref()?.kind, Kind::Tcp(tcp) if tcp.listener == Some(id.0));
                    half_open.then_some(child as u32)
                });
                let children: Vec<u32> = waiting.into_iter().chain(children).collect();
                children.into_iter().for_each(|child| self.abort(SocketId(child), stack, cx));
                self.forget(id, cx);
            }
            Kind::Udp(udp) => {
                let (port, flow) = (udp.port, udp.flow);
                if flow != NO_FLOW {
                    cx.out.progress.push(Progress::Ended { flow, failure: None });
                }
                self.udp_ports.remove(&port);
                self.latest_udp = None;
                self.forget(id, cx);
            }
            // `socket_mut` has woken it.
            Kind::Resting(_) => {}
            Kind::Failed(_) => self.forget(id, cx),
            Kind::Echo(echo) => {
                let id_field = echo.id;
                self.echo_ids.remove(&id_field);
                self.forget(id, cx);
            }
            Kind::Unbound { port, .. } => {
                let port = *port;
                self.release_port(port);
                self.forget(id, cx);
            }
        }
    }

    /// The host has crashed: every socket is gone, and nobody is told but those who wait here.
    pub(crate) fn crash(&mut self, cx: &mut Context<'_>) {
        for id in 0..self.slots.len() as u32 {
            if self.slots[id as usize].is_some() {
                self.forget(SocketId(id), cx);
            }
        }
        self.connections.clear();
        self.latest = None;
        self.listeners.clear();
        self.bound.clear();
        self.crowded.clear();
        self.udp_ports.clear();
        self.latest_udp = None;
        self.echo_ids.clear();
        self.timers.clear();
        self.resting.clear();
        self.foreground = 0;
    }

    /// When the next timer goes off; may be early.
    #[inline]
    pub fn next_timeout(&self) -> Instant {
        self.timers.peek().map_or(Instant::MAX, |Reverse((at, _))| *at)
    }

    /// Whether any timer keeps the run alive.
    pub fn has_foreground_timer(&self) -> bool {
        self.foreground > 0
    }

    /// Handles every timer that is due.
    pub fn handle_timeout(&mut self, stack: &mut IpStack, cx: &mut Context<'_>) {
        while let Some(Reverse((at, id))) = self.timers.peek().copied() {
            if at > cx.now {
                break;
            }
            self.timers.pop();
            if self.rests_on(id, at, cx.now) {
                continue;
            }
            let Some(tcp) = self.tcp_mut(id) else { continue };
            if tcp.armed != at {
                continue;
            }
            let next = tcp.conn.next_timeout();
            if next > cx.now {
                // It was put off, as timers of retransmission mostly are.
                tcp.armed = next;
                if next < Instant::MAX {
                    self.timers.push(Reverse((next, id)));
                }
                continue;
            }
            tcp.armed = Instant::MAX;
            tcp.conn.handle_timeout(cx.now);
            self.drive(id, stack, cx);
        }
    }

    /// Says that a flow is measured at this socket: a sender's connection or datagram socket.
    pub fn measure(&mut self, id: SocketId, flow: u32) -> Option<u32> {
        match &mut self.socket_mut(id)?.kind {
            Kind::Tcp(tcp) => {
                tcp.flow = flow;
                Some(tcp.flow_hash)
            }
            Kind::Udp(udp) => {
                udp.flow = flow;
                udp.flow_hash()
            }
            _ => None,
        }
    }

    /// Says that of this connection is to be told what it receives, which nobody reads, and how it ends: `flow` is at least
    /// [`crate::TRACKED`].
    pub fn track(&mut self, id: SocketId, flow: u32) -> Option<u32> {
        let tcp = self.tcp_mut(id.0)?;
        (tcp.flow, tcp.receives_flow) = (flow, true);
        tcp.conn.set_discard(true);
        Some(tcp.flow_hash)
    }

    /// The connection between two ends, if there is one.
    pub fn connection(&self, local: Endpoint, remote: Endpoint) -> Option<SocketId> {
        self.connections.get(&Tuple::new(local, remote)).copied().map(SocketId)
    }

    /// Says that the flow with this hash is measured where it arrives: at a listening or datagram sink.
    pub fn expect_flow(&mut self, sink: SocketId, hash: u32, flow: u32) {
        match self.socket_mut(sink).map(|socket| &mut socket.kind) {
            Some(Kind::Listener(listener)) => drop(listener.flows.insert(hash, flow)),
            Some(Kind::Udp(udp)) => udp.expect_flow(hash, flow),
            _ => {}
        }
    }

    /// Whether a packet of UDP or TCP to `local` from `remote` would find a socket.
    pub(crate) fn has(&self, protocol: u8, local: Endpoint, remote: Endpoint) -> bool {
        match Protocol(protocol) {
            Protocol::TCP => {
                self.listeners.contains_key(&local.port)
                    || self.connections.contains_key(&Tuple::new(local, remote))
            }
            Protocol::UDP => self.udp_ports.contains_key(&local.port),
            _ => false,
        }
    }

    pub(crate) fn add(&mut self, kind: Kind) -> u32 {
        self.slots.push(Some(Socket { waiters: Vec::new(), kind }));
        self.slots.len() as u32 - 1
    }

    /// The socket, awake.
    pub(crate) fn socket_mut(&mut self, id: SocketId) -> Option<&mut Socket> {
        let socket = self.slots.get_mut(id.0 as usize)?.as_mut()?;
        if let Kind::Resting(_) = socket.kind {
            socket.kind.wake();
        }
        Some(socket)
    }

    #[inline]
    pub(crate) fn tcp_mut(&mut self, id: u32) -> Option<&mut TcpSock> {
        tcp_in(&mut self.slots, id)
    }

    /// Removes a socket; everybody who waits for it goes on.
    pub(crate) fn forget(&mut self, id: SocketId, cx: &mut Context<'_>) {
        if let Some(socket) = self.slots[id.0 as usize].take() {
            if let Kind::Tcp(tcp) = &socket.kind {
                self.foreground -= u32::from(tcp.foreground);
                cx.out.timers = true;
            }
            cx.out.wakes.extend(socket.waiters.into_iter().map(|(_, token)| token));
        }
    }

    /// Wakes whoever waits for what the socket now is.
    #[inline]
    pub(crate) fn wake_ready(&mut self, id: u32, cx: &mut Context<'_>) {
        if let Some(Some(socket)) = self.slots.get_mut(id as usize)
            && !socket.waiters.is_empty()
        {
            let Socket { waiters, kind } = socket;
            waiters.retain(|(interest, token)| {
                let ready = kind.is_ready(*interest);
                if ready {
                    cx.out.wakes.push(*token);
                }
                !ready
            });
        }
    }

    /// A port that no socket of this kind has.
    pub(crate) fn free_port(&mut self, taken: impl Fn(&Sockets, u16) -> bool) -> Result<u16, Refusal> {
        for _ in FIRST_EPHEMERAL..=u16::MAX {
            let port = self.next_port;
            self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_EPHEMERAL);
            if !taken(self, port) {
                return Ok(port);
            }
        }
        Err(Refusal::InUse)
    }

    /// Gives a TCP socket that has none its port.
    pub(crate) fn take_port(&mut self, id: SocketId, port: u16) -> Result<u16, Refusal> {
        let port = match port {
            0 => self.free_port(Self::tcp_port_taken)?,
            port if self.tcp_port_taken(port) => return Err(Refusal::InUse),
            port => port,
        };
        match self.socket_mut(id).map(|socket| &mut socket.kind) {
            Some(Kind::Unbound { port: bound @ 0, .. }) => *bound = port,
            _ => return Err(Refusal::Invalid),
        }
        self.bound.insert(port);
        Ok(port)
    }

    /// A socket that was neither connected nor listening is closed. If it had a port, others may have that now; one that has found none
    /// frees none.
    fn release_port(&mut self, port: u16) {
        if self.bound.remove(&port) {
            self.crowded.clear();
        }
    }

    /// A port for a connection to a peer.
    pub(crate) fn port_towards(&mut self, src: Ipv4Addr, remote: Endpoint) -> Result<u16, Refusal> {
        if self.crowded.contains(&(src, remote)) {
            return Err(Refusal::InUse);
        }
        let taken = |sockets: &Sockets, port: u16| {
            let tuple = Tuple::new(Endpoint::new(src, port), remote);
            sockets.connections.contains_key(&tuple) || sockets.tcp_port_taken(port)
        };
        self.free_port(taken).inspect_err(|_| {
            self.crowded.insert((src, remote));
        })
    }

    /// A connection is over, and its port free.
    pub(crate) fn disconnect(&mut self, tuple: &Tuple) {
        self.connections.remove(tuple);
        self.latest = None;
        if !self.crowded.is_empty() {
            self.crowded.remove(&tuple.peers());
        }
    }
}

/// The connection in a slot, awake.
#[inline]
pub(crate) fn tcp_in(slots: &mut [Option<Socket>], id: u32) -> Option<&mut TcpSock> {
    let kind = &mut slots.get_mut(id as usize)?.as_mut()?.kind;
    match kind {
        Kind::Tcp(tcp) => Some(tcp),
        Kind::Resting(_) => kind.wake(),
        _ => None,
    }
}

impl Kind {
    fn is_ready(&self, interest: Interest) -> bool {
        match self {
            Kind::Tcp(tcp) => tcp.is_ready(interest),
            Kind::Resting(rest) => rest.is_ready(interest),
            Kind::Listener(listener) => interest == Interest::Incoming && !listener.queue.is_empty(),
            Kind::Udp(udp) => interest != Interest::Readable || udp.has_datagram(),
            Kind::Echo(echo) => interest != Interest::Readable || !echo.events.is_empty(),
            Kind::Unbound { .. } => false,
            Kind::Failed(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_there_is_no_port_left_is_known_until_one_is_free() {
        let (own, peer) =
            (Ipv4Addr::new(10, 0, 0, 1), Endpoint { addr: Ipv4Addr::new(10, 0, 0, 2), port: 80 });
        let mut sockets = Sockets::new(1);
        for port in FIRST_EPHEMERAL..=u16::MAX {
            let id = sockets.tcp(Arc::new(TcpConfig::linux()));
            sockets.bind(id, port).unwrap();
        }
        assert_eq!(sockets.port_towards(own, peer), Err(Refusal::InUse));
        // The socket that asked is closed, and had none; then one that had.
        sockets.release_port(0);
        assert!(sockets.crowded.contains(&(own, peer)));
        sockets.release_port(50_000);
        assert_eq!((sockets.crowded.len(), sockets.port_towards(own, peer)), (0, Ok(50_000)));
    }
}
