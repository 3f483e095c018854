//! The socket calls of scripts and native programs: each acts at once, never blocks, and settles what it set in motion.

use crate::{FlowId, ProcessId, World};
use std::sync::Arc;
use tidewire_l4_transport::{Datagram, TcpConfig};
use tidewire_l7_application::{ManySockets, SocketApi};
use tidewire_node::{Context, Echo, EchoEvent, IpStack, SocketView, Sockets, TcpSetting};
use tidewire_units::{Interest, NodeId, Refusal, SocketId, Span, Stream, WaitToken};
use tidewire_wire::{Endpoint, Payload};

impl World {
    /// Sets the TCP options of a host's sockets, for those opened later.
    pub fn set_tcp(&mut self, node: NodeId, config: TcpConfig) {
        if let Some(host) = self.host_index(node) {
            self.host_tcp[host as usize] = Some(Arc::new(config));
        }
    }

    /// The TCP options that a host's sockets get.
    pub fn tcp_config(&self, node: NodeId) -> Arc<TcpConfig> {
        let own = self.host_index(node).and_then(|host| self.host_tcp[host as usize].clone());
        own.unwrap_or_else(|| self.default_tcp.clone())
    }

    /// How many routers a UDP socket's datagrams may pass, and one.
    pub fn set_ttl(&mut self, node: NodeId, socket: SocketId, ttl: u8) {
        self.on_host(node, |_, sockets, _| sockets.set_ttl(socket, ttl));
    }

    /// A TCP socket on a host, with the host's options unless given.
    pub fn tcp(&mut self, node: NodeId, config: Option<Arc<TcpConfig>>) -> SocketId {
        let config = config.unwrap_or_else(|| self.tcp_config(node));
        self.on_host(node, |_, sockets, _| sockets.tcp(config))
    }

    /// Gives a TCP socket its port; 0 picks a free one.
    pub fn bind(&mut self, node: NodeId, socket: SocketId, port: u16) -> Result<u16, Refusal> {
        self.on_host(node, |_, sockets, _| sockets.bind(socket, port))
    }

    /// Makes a bound TCP socket listen.
    pub fn listen(&mut self, node: NodeId, socket: SocketId, backlog: usize) -> Result<(), Refusal> {
        self.on_host(node, |_, sockets, _| sockets.listen(socket, backlog))
    }

    /// Takes a connection from a listener's queue.
    pub fn accept(&mut self, node: NodeId, socket: SocketId) -> Option<SocketId> {
        self.on_host(node, |_, sockets, _| sockets.accept(socket))
    }

    /// Begins to connect.
    pub fn connect(&mut self, node: NodeId, socket: SocketId, to: Endpoint) -> Result<(), Refusal> {
        self.on_host(node, |stack, sockets, cx| sockets.connect(socket, to, stack, cx))
    }

    /// Puts bytes into a connection's send buffer; says how many fitted.
    pub fn send(&mut self, node: NodeId, socket: SocketId, payload: Payload) -> Result<usize, Refusal> {
        self.on_host(node, |stack, sockets, cx| sockets.send(socket, payload, stack, cx))
    }

    /// As [`World::send`]; a last segment that is not full waits for what follows.
    pub fn send_more(&mut self, node: NodeId, socket: SocketId, payload: Payload) -> Result<usize, Refusal> {
        self.on_host(node, |stack, sockets, cx| sockets.send_more(socket, payload, stack, cx))
    }

    /// Changes settings of a TCP socket.
    ///
    /// # Errors
    /// It is closed, or has no such setting in its state.
    pub fn set_option(&mut self, node: NodeId, socket: SocketId, setting: TcpSetting) -> Result<(), Refusal> {
        self.on_host(node, |stack, sockets, cx| sockets.set_option(socket, setting, stack, cx))
    }

    /// The settings of a TCP socket that is not connected.
    pub fn unconnected_config(&self, node: NodeId, socket: SocketId) -> Option<Arc<TcpConfig>> {
        self.sockets(node)?.unconnected_config(socket)
    }

    /// Takes bytes that have arrived in order; `None` when there are none now, `Err(Closed)` at the end of the stream.
    pub fn recv(&mut self, node: NodeId, socket: SocketId, max: usize) -> Result<Option<Payload>, Refusal> {
        self.on_host(node, |stack, sockets, cx| sockets.recv(socket, max, stack, cx))
    }

    /// Sends FIN after what is in the send buffer.
    pub fn shutdown_send(&mut self, node: NodeId, socket: SocketId) {
        self.on_host(node, |stack, sockets, cx| sockets.shutdown_send(socket, stack, cx));
    }

    /// Closes a socket.
    pub fn close(&mut self, node: NodeId, socket: SocketId) {
        self.on_host(node, |stack, sockets, cx| sockets.close(socket, stack, cx));
    }

    /// Says whether a program keeps a connection for later; one that is kept closes as soon as the peer has.
    pub fn keep(&mut self, node: NodeId, socket: SocketId, kept: bool) {
        self.on_host(node, |stack, sockets, cx| sockets.keep(socket, kept, stack, cx));
    }

    /// Resets a connection.
    pub fn abort(&mut self, node: NodeId, socket: SocketId) {
        self.on_host(node, |stack, sockets, cx| sockets.abort(socket, stack, cx));
    }

    /// A UDP socket; port 0 picks a free one.
    pub fn udp(&mut self, node: NodeId, port: u16) -> Result<SocketId, Refusal> {
        self.on_host(node, |_, sockets, _| sockets.udp(port))
    }

    /// What the IP header of a UDP socket's datagrams asks for (RFC 2474).
    pub fn set_dscp(&mut self, node: NodeId, socket: SocketId, dscp: u8) {
        self.on_host(node, |_, sockets, _| sockets.set_dscp(socket, dscp));
    }

    /// Gives a UDP socket a peer.
    pub fn udp_connect(&mut self, node: NodeId, socket: SocketId, peer: Endpoint) -> Result<(), Refusal> {
        self.on_host(node, |stack, sockets, _| sockets.udp_connect(socket, peer, stack))
    }

    /// Sends a datagram, to the socket's peer without `to`.
    pub fn send_to(
        &mut self,
        node: NodeId,
        socket: SocketId,
        payload: Payload,
        to: Option<Endpoint>,
    ) -> Result<(), Refusal> {
        self.on_host(node, |stack, sockets, cx| sockets.send_to(socket, payload, to, stack, cx))
    }

    /// Takes a datagram that has arrived; `None` when there is none now.
    pub fn recv_from(&mut self, node: NodeId, socket: SocketId) -> Result<Option<Datagram>, Refusal> {
        self.on_host(node, |_, sockets, _| sockets.recv_from(socket))
    }

    /// An ICMP echo socket and its identifier.
    pub fn echo_socket(&mut self, node: NodeId) -> (SocketId, u16) {
        self.on_host(node, |_, sockets, _| sockets.echo())
    }

    /// Whether a UDP socket's datagrams must not be cut into fragments.
    pub fn set_dont_fragment(&mut self, node: NodeId, socket: SocketId, dont_fragment: Option<bool>) {
        self.on_host(node, |_, sockets, _| sockets.set_dont_fragment(socket, dont_fragment));
    }

    /// Sends an echo request. False when there is no route.
    pub fn send_echo(&mut self, node: NodeId, echo: Echo) -> bool {
        let host = self.host_index(node).expect("sockets belong to hosts");
        let mut cx = Context { now: self.now, packets: &mut self.packets, out: &mut self.out };
        let sent = self.hosts[host as usize].send_echo(echo, &mut cx);
        self.started = true;
        self.settle(host);
        sent
    }

    /// Takes an answer that an echo socket has heard.
    pub fn recv_echo(&mut self, node: NodeId, socket: SocketId) -> Option<EchoEvent> {
        self.on_host(node, |_, sockets, _| sockets.recv_echo(socket))
    }

    /// Discards whatever arrives for a TCP port of a host.
    pub fn tcp_sink(&mut self, node: NodeId, port: u16) -> Result<SocketId, Refusal> {
        self.tcp_sink_with(node, port, None)
    }

    /// As [`World::tcp_sink`], with another receive buffer than the host's.
    pub(crate) fn tcp_sink_with(
        &mut self,
        node: NodeId,
        port: u16,
        rcvbuf: Option<u64>,
    ) -> Result<SocketId, Refusal> {
        let mut config = self.tcp_config(node);
        if rcvbuf.is_some() && rcvbuf != config.rcvbuf {
            Arc::make_mut(&mut config).rcvbuf = rcvbuf;
        }
        self.on_host(node, |_, sockets, _| sockets.tcp_sink(port, config))
    }

    /// Discards whatever arrives for a UDP port of a host.
    pub fn udp_sink(&mut self, node: NodeId, port: u16) -> Result<SocketId, Refusal> {
        self.on_host(node, |_, sockets, _| sockets.udp_sink(port))
    }

    /// Why a connection failed, if it did.
    pub fn failure(&self, node: NodeId, socket: SocketId) -> Option<Refusal> {
        self.sockets(node)?.failure(socket)
    }

    /// A socket as it is now; `None` when it is closed and forgotten.
    pub fn view(&self, node: NodeId, socket: SocketId) -> Option<SocketView<'_>> {
        self.sockets(node)?.view(socket)
    }

    /// A host's sockets, if it ever had any.
    pub fn sockets(&self, node: NodeId) -> Option<&Sockets> {
        self.hosts[self.host_index(node)? as usize].sockets()
    }

    /// Acts on a host's sockets and settles what that set in motion.
    pub(crate) fn on_host<T>(
        &mut self,
        node: NodeId,
        act: impl FnOnce(&mut IpStack, &mut Sockets, &mut Context<'_>) -> T,
    ) -> T {
        let host = self.host_index(node).expect("sockets belong to hosts");
        let mut cx = Context { now: self.now, packets: &mut self.packets, out: &mut self.out };
        let (stack, sockets) = self.hosts[host as usize].parts();
        let result = act(stack, sockets, &mut cx);
        self.started |= !self.out.sends.is_empty();
        self.settle(host);
        result
    }
}

/// The sockets of a host, as a native process on it sees them.
pub(crate) struct NativeSockets<'a> {
    pub world: &'a mut World,
    pub host: u32,
    pub flow: Option<FlowId>,
    pub process: u32,
    pub stream: &'a mut Stream,
    /// Options of the program's own.
    pub tcp: Option<&'a Arc<TcpConfig>>,
}

impl NativeSockets<'_> {
    fn tcp_config(&self) -> Arc<TcpConfig> {
        let of_host = || self.world.tcp_config(self.world.host_ids[self.host as usize]);
        self.tcp.cloned().unwrap_or_else(of_host)
    }

    fn on<T>(&mut self, act: impl FnOnce(&mut IpStack, &mut Sockets, &mut Context<'_>) -> T) -> T {
        let world = &mut *self.world;
        let mut cx = Context { now: world.now, packets: &mut world.packets, out: &mut world.out };
        let (stack, sockets) = world.hosts[self.host as usize].parts();
        act(stack, sockets, &mut cx)
    }
}

impl SocketApi for NativeSockets<'_> {
    fn connect(&mut self, to: Endpoint) -> Result<SocketId, Refusal> {
        let flow = self.flow.map(|flow| &self.world.flows.all[flow.0 as usize]);
        let config = flow.and_then(|flow| self.world.flow_tcp(flow)).unwrap_or_else(|| self.tcp_config());
        let result = self.on(|stack, sockets, cx| {
            let socket = sockets.tcp(config);
            sockets.connect(socket, to, stack, cx).map(|()| socket)
        });
        if let (Err(why), Some(flow)) = (&result, self.flow) {
            let flow = &mut self.world.flows.all[flow.0 as usize];
            (flow.ended, flow.failure) = (Some(self.world.now), Some(*why));
        }
        result
    }

    fn datagram(&mut self, to: Endpoint) -> Result<SocketId, Refusal> {
        self.on(|stack, sockets, _| {
            let socket = sockets.udp(0)?;
            sockets.udp_connect(socket, to, stack).map(|()| socket)
        })
    }

    fn supply(&mut self, socket: SocketId, bytes: Option<u64>) {
        self.on(|stack, sockets, cx| sockets.supply(socket, bytes, stack, cx));
    }

    fn send(&mut self, socket: SocketId, payload: Payload) -> Result<usize, Refusal> {
        self.on(|stack, sockets, cx| sockets.send(socket, payload, stack, cx))
    }

    fn withdraw(&mut self, socket: SocketId) {
        self.on(|_, sockets, cx| sockets.withdraw(socket, cx.now));
    }

    fn send_datagram(&mut self, socket: SocketId, payload: Payload) -> Result<(), Refusal> {
        self.on(|stack, sockets, cx| sockets.send_to(socket, payload, None, stack, cx))
    }

    fn close(&mut self, socket: SocketId) {
        self.on(|stack, sockets, cx| sockets.close(socket, stack, cx));
    }

    fn measure(&mut self, socket: SocketId) {
        if let Some(flow) = self.flow {
            self.world.bind_flow(flow, self.host, socket);
        }
    }

    fn random(&mut self) -> u64 {
        self.stream.bits()
    }

    fn many(&mut self) -> &mut dyn ManySockets {
        self
    }
}

impl ManySockets for NativeSockets<'_> {
    fn subscribe(&mut self, socket: SocketId, interest: Interest) {
        let token = WaitToken::subscription(self.process, socket);
        let (_, sockets) = self.world.hosts[self.host as usize].parts();
        if sockets.wait(socket, interest, token) {
            let World { processes, agenda, now, .. } = &mut *self.world;
            processes.wake(token, *now, agenda);
        }
    }

    fn listen(&mut self, port: u16, backlog: usize) -> Result<SocketId, Refusal> {
        let config = self.tcp_config();
        self.on(|_, sockets, _| {
            let socket = sockets.tcp(config);
            sockets.bind(socket, port)?;
            sockets.listen(socket, backlog).map(|()| socket)
        })
    }

    fn accept(&mut self, listener: SocketId) -> Option<(SocketId, Endpoint)> {
        self.on(|_, sockets, _| {
            let socket = sockets.accept(listener)?;
            match sockets.view(socket) {
                Some(SocketView::Tcp(_, remote, _)) => Some((socket, remote)),
                _ => None,
            }
        })
    }

    fn receive(&mut self, socket: SocketId, max: usize) -> Result<Option<Payload>, Refusal> {
        self.on(|stack, sockets, cx| sockets.recv(socket, max, stack, cx))
    }

    fn receive_all(&mut self, socket: SocketId, into: &mut Vec<Payload>) -> Result<(), Refusal> {
        self.on(|stack, sockets, cx| sockets.recv_all(socket, into, stack, cx))
    }

    fn send_more(&mut self, socket: SocketId, payload: Payload) -> Result<usize, Refusal> {
        self.on(|stack, sockets, cx| sockets.send_more(socket, payload, stack, cx))
    }

    fn unsent(&self, socket: SocketId) -> u64 {
        let view = self.world.hosts[self.host as usize].sockets().and_then(|all| all.view(socket));
        if let Some(SocketView::Tcp(_, _, conn)) = view { conn.unsent() } else { 0 }
    }

    fn round_trip(&self, socket: SocketId) -> Span {
        let view = self.world.hosts[self.host as usize].sockets().and_then(|all| all.view(socket));
        if let Some(SocketView::Tcp(_, _, conn)) = view { conn.srtt() } else { Span::ZERO }
    }

    fn abort(&mut self, socket: SocketId) {
        self.on(|stack, sockets, cx| sockets.abort(socket, stack, cx));
    }

    fn failure(&self, socket: SocketId) -> Option<Refusal> {
        self.world.hosts[self.host as usize].sockets()?.failure(socket)
    }

    fn bind_datagram(&mut self, port: u16) -> Result<SocketId, Refusal> {
        self.on(|_, sockets, _| sockets.udp(port))
    }

    fn send_to(&mut self, socket: SocketId, payload: Payload, to: Endpoint) -> Result<(), Refusal> {
        self.on(|stack, sockets, cx| sockets.send_to(socket, payload, Some(to), stack, cx))
    }

    fn receive_from(&mut self, socket: SocketId) -> Option<(Endpoint, Payload)> {
        let datagram = self.on(|_, sockets, _| sockets.recv_from(socket)).ok().flatten()?;
        Some((datagram.from, datagram.payload))
    }

    fn wake(&mut self, process: u32) {
        self.world.wake(ProcessId(process));
    }
}
