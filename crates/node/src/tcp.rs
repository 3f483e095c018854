//! TCP sockets of a host: opening, listening, accepting, and driving connections.

use crate::sockets::{Kind, Socket, Sockets, tcp_in};
use crate::ways::flow_hash;
use crate::{Context, IpStack, NO_FLOW, Progress, TRACKED};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tidewire_l4_transport::{Connection, State, TcpConfig, TcpError, Unreachable, reset_for};
use tidewire_units::{Instant, Interest, Refusal, SocketId, stable_hash};
use tidewire_wire::{Cause, Ecn, Endpoint, Hot, Payload, Protocol, Seq, TcpSegment};

/// What tells connections of one host apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tuple {
    pub ports: u32,
    pub remote: u32,
    pub local: u32,
}

impl Tuple {
    #[inline]
    pub fn new(local: Endpoint, remote: Endpoint) -> Tuple {
        let ports = u32::from(local.port) << 16 | u32::from(remote.port);
        Tuple { ports, remote: remote.addr.to_bits(), local: local.addr.to_bits() }
    }

    /// The own address, and the other end.
    pub fn peers(self) -> (Ipv4Addr, Endpoint) {
        (Ipv4Addr::from_bits(self.local), Endpoint::new(Ipv4Addr::from_bits(self.remote), self.ports as u16))
    }
}

pub(crate) struct TcpSock {
    pub conn: Connection,
    pub local: Endpoint,
    pub remote: Endpoint,
    pub flow_hash: u32,
    /// Differentiated services code point of what is sent.
    pub dscp: u8,
    /// The measured flow, or [`NO_FLOW`].
    pub flow: u32,
    /// The flow arrives here, rather than being sent from here.
    pub receives_flow: bool,
    /// The application has closed it: forget it when the connection is over.
    pub released: bool,
    /// Close as soon as the peer has: there is no application, or it keeps the connection for later.
    pub follows: bool,
    pub foreground: bool,
    pub armed: Instant,
    /// The listener whose accept queue it belongs in, until it is there.
    pub listener: Option<u32>,
    /// Stream bytes already reported to the flow.
    pub reported: u64,
    pub reported_end: bool,
    /// It is among those that came to rest.
    pub resting: bool,
}

pub(crate) struct Listener {
    pub port: u16,
    pub config: Arc<TcpConfig>,
    pub backlog: usize,
    /// Connections that have not completed their handshake.
    pub half_open: usize,
    /// Connections waiting to be accepted.
    pub queue: VecDeque<u32>,
    /// Accept and discard everything without an application.
    pub is_sink: bool,
    /// Flows to be measured, by the hash of their packets.
    pub flows: FxHashMap<u32, u32>,
}

impl TcpSock {
    pub fn is_ready(&self, interest: Interest) -> bool {
        let conn = &self.conn;
        let over = conn.is_closed() || conn.error().is_some();
        over || match interest {
            Interest::Connected => !matches!(conn.state(), State::SynSent | State::SynReceived),
            Interest::Readable => conn.readable() > 0 || conn.eof(),
            Interest::Writable(bytes) => conn.send_space() >= bytes as usize,
            Interest::Drained => conn.unsent() == 0 && conn.unacked() == 0,
            Interest::Available(bytes) => conn.readable() >= bytes as usize || conn.eof(),
            Interest::Unsent(bytes) => conn.state().can_send() && conn.unsent() <= u64::from(bytes),
            Interest::Incoming => false,
        }
    }
}

/// The error that a connection ended with, in a script's words.
pub(crate) fn refusal(error: TcpError) -> Refusal {
    match error {
        TcpError::Refused => Refusal::Refused,
        TcpError::Reset => Refusal::Reset,
        TcpError::TimedOut => Refusal::TimedOut,
        TcpError::HostUnreachable => Refusal::Unreachable,
        TcpError::PortUnreachable => Refusal::Refused,
        TcpError::BrokenPipe | TcpError::Aborted => Refusal::Closed,
    }
}

impl Sockets {
    /// A TCP socket that is neither bound nor connected.
    pub fn tcp(&mut self, config: Arc<TcpConfig>) -> SocketId {
        SocketId(self.add(Kind::Unbound { config, port: 0 }))
    }

    /// Gives a TCP socket its port; 0 picks a free one. Refused when another listener has it.
    pub fn bind(&mut self, id: SocketId, port: u16) -> Result<u16, Refusal> {
        if self.down { Err(Refusal::Down) } else { self.take_port(id, port) }
    }

    /// Makes a bound socket listen, with room for `backlog` connections that wait to be accepted.
    pub fn listen(&mut self, id: SocketId, backlog: usize) -> Result<(), Refusal> {
        let Some(socket) = self.socket_mut(id) else { return Err(Refusal::Closed) };
        let Kind::Unbound { config, port: port @ 1.. } = &socket.kind else { return Err(Refusal::Invalid) };
        let (port, config) = (*port, config.clone());
        socket.kind = Kind::Listener(Box::new(Listener {
            port,
            config,
            backlog,
            half_open: 0,
            queue: VecDeque::new(),
            is_sink: false,
            flows: FxHashMap::default(),
        }));
        self.bound.remove(&port);
        self.listeners.insert(port, id.0);
        Ok(())
    }

    /// A listener that accepts every connection and discards what it sends; the one on `port` if there is one already.
    pub fn tcp_sink(&mut self, port: u16, config: Arc<TcpConfig>) -> Result<SocketId, Refusal> {
        if let Some(id) = self.listeners.get(&port).copied() {
            let existing = self.socket_mut(SocketId(id)).map(|socket| &socket.kind);
            return match existing {
                Some(Kind::Listener(listener)) if listener.is_sink => Ok(SocketId(id)),
                _ => Err(Refusal::InUse),
            };
        }
        let id = self.tcp(config);
        self.take_port(id, port)?;
        self.listen(id, usize::MAX)?;
        if let Some(Kind::Listener(listener)) = self.socket_mut(id).map(|socket| &mut socket.kind) {
            listener.is_sink = true;
        }
        Ok(id)
    }

    /// Begins to connect; wait for [`Interest::Connected`].
    pub fn connect(
        &mut self,
        id: SocketId,
        remote: Endpoint,
        stack: &mut IpStack,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let down = self.down;
        let port = match self.socket_mut(id).map(|socket| &socket.kind) {
            Some(_) if down => return Err(Refusal::Down),
            Some(Kind::Unbound { port, .. }) => *port,
            Some(_) => return Err(Refusal::Invalid),
            None => return Err(Refusal::Closed),
        };
        let Some((src, mtu)) = stack.source_for(remote.addr).filter(|(src, _)| !src.is_unspecified()) else {
            return Err(Refusal::Unreachable);
        };
        let port = match port {
            0 => self.port_towards(src, remote)?,
            port if self.connections.contains_key(&Tuple::new(Endpoint::new(src, port), remote)) => {
                return Err(Refusal::InUse);
            }
            port => port,
        };
        if self.bound.remove(&port) {
            self.crowded.clear();
        }
        let local = Endpoint::new(src, port);
        let (isn, ts_offset) = self.initial_numbers(cx.now, local, remote);
        let Some(Kind::Unbound { config, .. }) = self.socket_mut(id).map(|socket| &socket.kind) else {
            return Err(Refusal::Invalid);
        };
        let config = for_mtu(config, stack.path_mtu(cx.now, remote.addr, mtu), remote.addr);
        let conn = Connection::connect(cx.now, config, local, remote, isn, ts_offset);
        self.install(Some(id.0), conn, local, remote, None);
        self.drive(id.0, stack, cx);
        Ok(())
    }

    /// Takes the oldest connection from a listener's queue.
    pub fn accept(&mut self, id: SocketId) -> Option<SocketId> {
        match &mut self.socket_mut(id)?.kind {
            Kind::Listener(listener) => listener.queue.pop_front().map(SocketId),
            _ => None,
        }
    }

    /// Puts bytes into the send buffer; says how many fitted.
    pub fn send(
        &mut self,
        id: SocketId,
        payload: Payload,
        stack: &mut IpStack,
        cx: &mut Context<'_>,
    ) -> Result<usize, Refusal> {
        let accepted = self.writable(id)?.conn.send(cx.now, payload);
        if accepted > 0 {
            self.drive(id.0, stack, cx);
        }
        Ok(accepted)
    }

    /// A connection that can be written to.
    pub(crate) fn writable(&mut self, id: SocketId) -> Result<&mut TcpSock, Refusal> {
        if let Some(Some(Socket { kind: Kind::Failed(why), .. })) = self.slots.get(id.0 as usize) {
            return Err(*why);
        }
        let tcp = tcp_in(&mut self.slots, id.0).ok_or(Refusal::Closed)?;
        match tcp.conn.error() {
            Some(error) => Err(refusal(error)),
            None if !tcp.conn.state().can_send() => Err(Refusal::Closed),
            None => Ok(tcp),
        }
    }

    /// Takes up to `max` bytes that have arrived in order; `None` when there is nothing now, `Err(Closed)` at the end of the stream.
    pub fn recv(
        &mut self,
        id: SocketId,
        max: usize,
        stack: &mut IpStack,
        cx: &mut Context<'_>,
    ) -> Result<Option<Payload>, Refusal> {
        let Some(tcp) = tcp_in(&mut self.slots, id.0) else {
            return Err(self.failure(id).unwrap_or(Refusal::Closed));
        };
        if let Some(payload) = tcp.conn.recv(cx.now, max) {
            // Reading opens the window, which may have to be told.
            self.drive(id.0, stack, cx);
            return Ok(Some(payload));
        }
        match tcp.conn.error() {
            Some(error) => Err(refusal(error)),
            None if tcp.conn.eof() || tcp.conn.is_closed() => Err(Refusal::Closed),
            None => Ok(None),
        }
    }

    /// Gives a connection synthetic bytes to send: so many in all, or as many as it takes for ever.
    pub fn supply(&mut self, id: SocketId, bytes: Option<u64>, stack: &mut IpStack, cx: &mut Context<'_>) {
        if let Some(tcp) = self.tcp_mut(id.0) {
            tcp.conn.supply(cx.now, bytes);
            self.drive(id.0, stack, cx);
        }
    }

    /// The source of synthetic bytes dries up: what has not been sent is not sent.
    pub fn withdraw(&mut self, id: SocketId, now: Instant) {
        if let Some(tcp) = self.tcp_mut(id.0) {
            tcp.conn.withdraw(now);
        }
    }

    /// Sends FIN after what is in the send buffer; reading goes on.
    pub fn shutdown_send(&mut self, id: SocketId, stack: &mut IpStack, cx: &mut Context<'_>) {
        if let Some(tcp) = self.tcp_mut(id.0) {
            tcp.conn.shutdown_send(cx.now);
            self.drive(id.0, stack, cx);
        }
    }

    /// Resets a connection.
    pub fn abort(&mut self, id: SocketId, stack: &mut IpStack, cx: &mut Context<'_>) {
        if let Some(tcp) = self.tcp_mut(id.0) {
            tcp.conn.abort(cx.now);
            tcp.released = true;
            self.drive(id.0, stack, cx);
        }
    }

    /// Handles a TCP segment that was addressed to this host.
    #[inline]
    pub(crate) fn handle_tcp(&mut self, packet: Hot, stack: &mut IpStack, cx: &mut Context<'_>) {
        let segment = &mut self.segment;
        let Some((src, sent_at)) = cx.packets.tcp_into(&packet, segment) else {
            return cx.end(packet, Cause::Malformed);
        };
        let remote = Endpoint::new(src, segment.src_port);
        let local = Endpoint::new(packet.dst, segment.dst_port);
        let tuple = Tuple::new(local, remote);
        let opens = segment.flags.syn() && !segment.flags.ack();
        let Some(id) = self.find_connection(tuple) else {
            let segment = std::mem::take(&mut self.segment);
            return self.handle_stray(packet, segment, local, remote, stack, cx);
        };
        let opens_again = opens && self.listeners.contains_key(&local.port);
        let tcp = tcp_in(&mut self.slots, id).expect("a tuple belongs to a connection");
        if opens_again && tcp.conn.state() == State::TimeWait {
            // RFC 9293 section 3.10.7.4, TIME-WAIT: a new SYN may open the connection again.
            self.disconnect(&tuple);
            self.forget(SocketId(id), cx);
            let segment = std::mem::take(&mut self.segment);
            return self.handle_stray(packet, segment, local, remote, stack, cx);
        }
        let segment = &self.segment;
        if tcp.receives_flow
            && tcp.flow < TRACKED
            && !segment.payload.is_empty()
            && let Some(sent_at) = sent_at
        {
            cx.out.progress.push(Progress::Packet { flow: tcp.flow, sent_at });
        }
        tcp.conn.handle_segment(cx.now, segment, packet.ecn());
        cx.end(packet, Cause::Delivered);
        self.drive(id, stack, cx);
    }

    /// Sends what a connection has to send, then brings everything that depends on it up to date.
    #[inline]
    pub(crate) fn drive(&mut self, id: u32, stack: &mut IpStack, cx: &mut Context<'_>) {
        let Some(Some(socket)) = self.slots.get_mut(id as usize) else { return };
        let Socket { waiters, kind: Kind::Tcp(tcp) } = socket else { return };
        let transmit = &mut self.transmit;
        while tcp.conn.poll_transmit_into(cx.now, transmit) {
            let mut header = stack.header(tcp.local.addr, tcp.remote.addr, transmit.ecn);
            header.dscp = tcp.dscp;
            let mut packet = cx.packets.insert_tcp(&header, &mut transmit.segment, tcp.flow_hash, cx.now);
            if transmit.is_retransmit {
                packet.set_retransmission();
            }
            if !stack.output(packet, cx) {
                tcp.conn.handle_unreachable(cx.now, Unreachable::Host);
            }
        }
        if tcp.flow != NO_FLOW {
            report_progress(tcp, cx);
        }
        let (next, foreground) = tcp.conn.next_wake();
        if foreground != tcp.foreground {
            tcp.foreground = foreground;
            cx.out.timers = true;
            self.foreground = if foreground { self.foreground + 1 } else { self.foreground - 1 };
        }
        if next < tcp.armed {
            tcp.armed = next;
            cx.out.timers = true;
            self.timers.push(Reverse((next, id)));
        }
        let rests = !tcp.resting && !foreground && tcp.conn.is_at_rest();
        tcp.resting |= rests;
        let changes =
            tcp.listener.is_some() || tcp.follows && tcp.conn.peer_has_closed() || tcp.conn.is_closed();
        if !waiters.is_empty() {
            self.wake_ready(id, cx);
        }
        if changes {
            self.drive_changes(id, stack, cx);
        }
        if rests {
            self.note_rest(id, cx.now);
        }
    }

    /// What happens seldom: a handshake is over, a sink's peer has closed, a connection has ended.
    fn drive_changes(&mut self, id: u32, stack: &mut IpStack, cx: &mut Context<'_>) {
        let Some(tcp) = self.tcp_mut(id) else { return };
        if tcp.follows && tcp.conn.peer_has_closed() && !tcp.released {
            tcp.conn.close(cx.now);
            tcp.released = true;
            return self.drive(id, stack, cx);
        }
        if tcp.listener.is_some() {
            self.settle_handshake(id, cx);
        }
        self.reap(id, cx);
    }

    /// Tells the connection that a quoted packet belongs to that it cannot get through.
    pub(crate) fn handle_tcp_unreachable(
        &mut self,
        local: Endpoint,
        remote: Endpoint,
        kind: Unreachable,
        stack: &mut IpStack,
        cx: &mut Context<'_>,
    ) {
        if let Some(id) = self.connections.get(&Tuple::new(local, remote)).copied()
            && let Some(tcp) = self.tcp_mut(id)
        {
            tcp.conn.handle_unreachable(cx.now, kind);
            self.drive(id, stack, cx);
        }
    }

    /// A segment that no connection wants: it opens one, or is answered with a reset.
    fn handle_stray(
        &mut self,
        packet: Hot,
        segment: TcpSegment,
        local: Endpoint,
        remote: Endpoint,
        stack: &mut IpStack,
        cx: &mut Context<'_>,
    ) {
        let opens = segment.flags.syn() && !segment.flags.ack() && !segment.flags.rst();
        let listener = self.listeners.get(&local.port).copied().filter(|_| opens);
        if let Some(listener_id) = listener {
            let (isn, ts_offset) = self.initial_numbers(cx.now, local, remote);
            let first = stack.source_for(remote.addr).map_or(1500, |(_, mtu)| mtu);
            let mtu = stack.path_mtu(cx.now, remote.addr, first);
            let Some(Kind::Listener(listener)) =
                self.socket_mut(SocketId(listener_id)).map(|socket| &mut socket.kind)
            else {
                unreachable!("a listening port belongs to a listener")
            };
            if listener.queue.len() + listener.half_open >= listener.backlog {
                return cx.end(packet, Cause::SocketFull);
            }
            listener.half_open += 1;
            let config = for_mtu(&listener.config, mtu, remote.addr);
            let (is_sink, flow) = (listener.is_sink, listener.flows.get(&packet.flow_hash).copied());
            let conn =
                Connection::accept(cx.now, config, local, remote, &segment, packet.ecn(), isn, ts_offset);
            let id = self.install(None, conn, local, remote, Some(listener_id));
            let tcp = self.tcp_mut(id).expect("just installed");
            tcp.follows = is_sink;
            tcp.conn.set_discard(is_sink);
            if let Some(flow) = flow {
                (tcp.flow, tcp.receives_flow) = (flow, true);
            }
            cx.end(packet, Cause::Delivered);
            return self.drive(id, stack, cx);
        }
        cx.end(packet, Cause::NoSocket);
        if let Some(mut reset) = reset_for(&segment) {
            let header = stack.header(local.addr, remote.addr, Ecn::NotCapable);
            let hash = flow_hash(Protocol::TCP.0, local.addr, local.port, remote.addr, remote.port);
            let answer = cx.packets.insert_tcp(&header, &mut reset, hash, cx.now);
            stack.output(answer, cx);
        }
    }

    /// Gives a connection its slot and its place in the demultiplexer.
    fn install(
        &mut self,
        slot: Option<u32>,
        conn: Connection,
        local: Endpoint,
        remote: Endpoint,
        listener: Option<u32>,
    ) -> u32 {
        let kind = Kind::Tcp(Box::new(TcpSock {
            dscp: conn.config().dscp,
            conn,
            local,
            remote,
            flow_hash: flow_hash(Protocol::TCP.0, local.addr, local.port, remote.addr, remote.port),
            flow: NO_FLOW,
            receives_flow: false,
            released: false,
            follows: false,
            foreground: false,
            armed: Instant::MAX,
            listener,
            reported: 0,
            reported_end: false,
            resting: false,
        }));
        let id = match slot {
            Some(id) => {
                self.socket_mut(SocketId(id)).expect("the socket being connected").kind = kind;
                id
            }
            None => self.add(kind),
        };
        self.connections.insert(Tuple::new(local, remote), id);
        id
    }

    /// Moves a connection whose handshake is over into its listener's accept queue, or forgets it when the handshake failed.
    fn settle_handshake(&mut self, id: u32, cx: &mut Context<'_>) {
        let Some(tcp) = self.tcp_mut(id) else { return };
        let failed = tcp.conn.is_closed();
        if tcp.conn.state() == State::SynReceived && !failed {
            return;
        }
        let is_sink = tcp.follows;
        let Some(listener_id) = tcp.listener.take() else { return };
        tcp.released |= failed;
        let Some(Kind::Listener(listener)) =
            self.socket_mut(SocketId(listener_id)).map(|socket| &mut socket.kind)
        else {
            return;
        };
        listener.half_open -= 1;
        if !failed && !is_sink {
            listener.queue.push_back(id);
            self.wake_ready(listener_id, cx);
        }
    }

    /// Forgets a connection that is over and that nobody holds.
    fn reap(&mut self, id: u32, cx: &mut Context<'_>) {
        let Some(tcp) = self.tcp_mut(id) else { return };
        if !tcp.conn.is_closed() {
            return;
        }
        // The sender of a measured flow stays, so that its final figures can be read.
        let kept = tcp.flow != NO_FLOW && !tcp.receives_flow;
        let (tuple, released) = (Tuple::new(tcp.local, tcp.remote), (tcp.released || tcp.follows) && !kept);
        let failed = tcp.conn.error().filter(|_| tcp.conn.never_opened() && !kept).map(refusal);
        if self.connections.get(&tuple) == Some(&id) {
            self.disconnect(&tuple);
        }
        if released {
            self.forget(SocketId(id), cx);
        } else if let Some(why) = failed {
            self.forget(SocketId(id), cx);
            self.slots[id as usize] = Some(Socket { waiters: Vec::new(), kind: Kind::Failed(why) });
        }
    }

    /// The connection of a tuple; segments come in trains, so the latest one is tried first.
    #[inline]
    fn find_connection(&mut self, tuple: Tuple) -> Option<u32> {
        if let Some((latest, id)) = self.latest
            && latest == tuple
        {
            return Some(id);
        }
        let id = self.connections.get(&tuple).copied()?;
        self.latest = Some((tuple, id));
        Some(id)
    }

    pub(crate) fn tcp_port_taken(&self, port: u16) -> bool {
        self.listeners.contains_key(&port) || self.bound.contains(&port)
    }

    /// Initial sequence number and timestamp offset: a clock of 4 µs plus a keyed hash of the tuple (RFC 6528 section 3).
    fn initial_numbers(&self, now: Instant, local: Endpoint, remote: Endpoint) -> (Seq, u32) {
        let bytes = |at: Endpoint| (u64::from(at.addr.to_bits()) << 16 | u64::from(at.port)).to_le_bytes();
        let hash = stable_hash(&[&self.salt.to_le_bytes(), &bytes(local), &bytes(remote)]);
        let clock = (now.as_us() / 4) as u32;
        (Seq((hash as u32).wrapping_add(clock)), (hash >> 32) as u32)
    }
}

fn report_progress(tcp: &mut TcpSock, cx: &mut Context<'_>) {
    let flow = tcp.flow;
    if tcp.receives_flow {
        let total = tcp.conn.bytes_received_in_order();
        if total != tcp.reported {
            tcp.reported = total;
            cx.out.progress.push(Progress::Received { flow, total });
        }
        if flow >= TRACKED && tcp.conn.is_closed() && !tcp.reported_end {
            tcp.reported_end = true;
            cx.out.progress.push(Progress::Ended { flow, failure: tcp.conn.error().map(refusal) });
        }
        return;
    }
    let total = tcp.conn.bytes_sent_once();
    if total != tcp.reported {
        tcp.reported = total;
        cx.out.progress.push(Progress::Sent { flow, total, srtt: tcp.conn.srtt() });
    }
    let over = tcp.conn.is_closed() || matches!(tcp.conn.state(), State::FinWait2 | State::TimeWait);
    if over && !tcp.reported_end {
        tcp.reported_end = true;
        cx.out.progress.push(Progress::Ended { flow, failure: tcp.conn.error().map(refusal) });
    }
}

/// The configuration with the MSS that fits the way out.
fn for_mtu(config: &Arc<TcpConfig>, mtu: u16, remote: Ipv4Addr) -> Arc<TcpConfig> {
    let fits = mtu.saturating_sub(IpStack::header_len(remote) as u16 + 20);
    if config.mss <= fits {
        return config.clone();
    }
    Arc::new(TcpConfig { mss: fits, ..(**config).clone() })
}

/// The address that "any" stands for.
pub(crate) const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
