//! UDP sockets and ICMP echo sockets.

use crate::sockets::{Kind, Sockets};
use crate::tcp::ANY;
use crate::ways::flow_hash;
use crate::{Context, IpStack, NO_FLOW, Progress};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use tidewire_l3_network::Trouble;
use tidewire_l4_transport::{Accepted, Datagram, UdpSocket, Unreachable};
use tidewire_units::{Instant, Refusal, SocketId};
use tidewire_wire::{Birth, Cause, Content, Ecn, Endpoint, Hot, Payload, Protocol, Quote, UdpHeader};

/// Most payload that fits in one IP packet.
const MAX_PAYLOAD: usize = 65_507;

pub(crate) struct UdpSock {
    pub port: u16,
    pub peer: Option<Endpoint>,
    pub flow: u32,
    /// Discard everything; flows to be measured by the hash of their packets.
    pub is_sink: bool,
    /// Groups that it listens to.
    groups: Vec<Ipv4Addr>,
    /// Time to live of what is sent; none: the host's, and 1 for groups.
    ttl: Option<u8>,
    flows: FxHashMap<u32, u32>,
    /// The flow that the latest datagram belonged to, and its hash.
    latest_flow: (u32, u32),
    /// Differentiated services code point of what is sent.
    dscp: u8,
    /// Whether datagrams must not be cut into fragments; without an opinion, when they fit as far as that is known.
    dont_fragment: Option<bool>,
    /// The hash towards the peer, kept because a flow sends many datagrams.
    path: Option<(Endpoint, Ipv4Addr, u32, u16)>,
    queue: UdpSocket,
    /// An ICMP error about something sent to the peer.
    error: Option<Refusal>,
}

impl UdpSock {
    pub fn has_datagram(&self) -> bool {
        self.queue.is_readable() || self.error.is_some()
    }

    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    pub fn flow_hash(&self) -> Option<u32> {
        self.path.map(|(_, _, hash, _)| hash)
    }
}

/// What an ICMP echo socket hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EchoEvent {
    /// Who sent the ICMP message.
    pub from: Ipv4Addr,
    /// Which request it is about.
    pub seq: u16,
    /// What it says.
    pub outcome: EchoOutcome,
    /// Time to live on arrival.
    pub ttl: u8,
    /// When it arrived.
    pub at: Instant,
}

/// The answer to an echo request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EchoOutcome {
    /// An echo reply.
    Reply,
    /// A timestamp reply: when the request was sent, received and answered, in milliseconds after midnight.
    Times([u32; 3]),
    /// The time to live ran out at the sender of the message.
    TimeExceeded,
    /// Unreachable, with the code.
    Unreachable(u8),
}

pub(crate) struct EchoSocket {
    pub id: u16,
    pub events: VecDeque<EchoEvent>,
}

impl Sockets {
    /// A UDP socket on `port`; 0 picks a free one.
    pub fn udp(&mut self, port: u16) -> Result<SocketId, Refusal> {
        if self.down { Err(Refusal::Down) } else { self.take_udp_port(port) }
    }

    fn take_udp_port(&mut self, port: u16) -> Result<SocketId, Refusal> {
        let port = match port {
            0 => self.free_port(|sockets, port| sockets.udp_ports.contains_key(&port))?,
            port if self.udp_ports.contains_key(&port) => return Err(Refusal::InUse),
            port => port,
        };
        let id = self.add(Kind::Udp(Box::new(UdpSock {
            port,
            peer: None,
            flow: NO_FLOW,
            is_sink: false,
            groups: Vec::new(),
            ttl: None,
            flows: FxHashMap::default(),
            latest_flow: (0, NO_FLOW),
            dscp: 0,
            dont_fragment: None,
            path: None,
            queue: UdpSocket::new(UdpSocket::DEFAULT_RCVBUF),
            error: None,
        })));
        self.udp_ports.insert(port, id);
        Ok(SocketId(id))
    }

    /// A UDP socket that discards everything; the one on `port` if there is one already.
    pub fn udp_sink(&mut self, port: u16) -> Result<SocketId, Refusal> {
        if let Some(id) = self.udp_ports.get(&port).copied() {
            let is_sink = self.udp_mut(SocketId(id)).is_ok_and(|udp| udp.is_sink);
            return if is_sink { Ok(SocketId(id)) } else { Err(Refusal::InUse) };
        }
        let id = self.take_udp_port(port)?;
        self.udp_mut(id)?.is_sink = true;
        Ok(id)
    }

    /// Gives a UDP socket a peer: it sends to and hears nobody else.
    pub fn udp_connect(&mut self, id: SocketId, peer: Endpoint, stack: &IpStack) -> Result<(), Refusal> {
        let udp = self.udp_mut(id)?;
        udp.peer = Some(peer);
        udp.find_path(peer, stack).map(drop)
    }

    /// What the IP header of a UDP socket's datagrams asks for (RFC 2474); nothing happens to other sockets.
    pub fn set_dscp(&mut self, id: SocketId, dscp: u8) {
        if let Ok(udp) = self.udp_mut(id) {
            udp.dscp = dscp;
        }
    }

    /// Whether a UDP socket's datagrams must not be cut into fragments; nothing happens to other sockets.
    pub fn set_dont_fragment(&mut self, id: SocketId, dont_fragment: Option<bool>) {
        if let Ok(udp) = self.udp_mut(id) {
            udp.dont_fragment = dont_fragment;
        }
    }

    /// How many routers a UDP socket's datagrams may pass, and one; nothing happens to other sockets.
    pub fn set_ttl(&mut self, id: SocketId, ttl: u8) {
        if let Ok(udp) = self.udp_mut(id) {
            udp.ttl = Some(ttl);
        }
    }

    /// A UDP socket listens to a group, or no longer. False when nothing changes, or it is no UDP socket.
    pub(crate) fn set_member(&mut self, id: SocketId, group: Ipv4Addr, on: bool) -> bool {
        let Ok(udp) = self.udp_mut(id) else { return false };
        let was = udp.groups.contains(&group);
        udp.groups.retain(|known| *known != group);
        if on {
            udp.groups.push(group);
        }
        was != on
    }

    /// The groups that a UDP socket listens to.
    pub fn groups_of(&self, id: SocketId) -> Vec<Ipv4Addr> {
        match self.slots.get(id.0 as usize).and_then(|slot| slot.as_ref()).map(|socket| &socket.kind) {
            Some(Kind::Udp(udp)) => udp.groups.clone(),
            _ => Vec::new(),
        }
    }

    /// Sends a datagram, to the socket's peer without `to`.
    pub fn send_to(
        &mut self,
        id: SocketId,
        payload: Payload,
        to: Option<Endpoint>,
        stack: &mut IpStack,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let udp = self.udp_mut(id)?;
        let to = to.or(udp.peer).ok_or(Refusal::Invalid)?;
        let (src, hash, first) = udp.find_path(to, stack)?;
        let headers = IpStack::header_len(to.addr) as usize + UdpHeader::LEN;
        let fits = payload.len() + headers <= usize::from(stack.path_mtu(cx.now, to.addr, first));
        // As in Linux (IP_PMTUDISC_WANT): what is known not to fit is cut at once, what may fit must not be cut on its way.
        let dont_fragment = udp.dont_fragment.unwrap_or(fits);
        if payload.len() > MAX_PAYLOAD || dont_fragment && payload.len() + headers > usize::from(first) {
            return Err(Refusal::TooBig);
        }
        if udp.flow != NO_FLOW {
            let (flow, bytes) = (udp.flow, payload.len() as u32);
            cx.out.progress.push(Progress::DatagramSent { flow, bytes });
        }
        let ports = UdpHeader { src_port: udp.port, dst_port: to.port };
        let mut header = stack.header(src, to.addr, Ecn::NotCapable);
        header.dscp = udp.dscp;
        header.ttl = udp.ttl.unwrap_or(if to.addr.is_multicast() { 1 } else { header.ttl });
        header.dont_fragment = dont_fragment;
        let packet = cx.packets.insert_udp(&header, ports, payload, hash, cx.now);
        if stack.output(packet, cx) { Ok(()) } else { Err(Refusal::Unreachable) }
    }

    /// Takes the oldest datagram; `None` when there is none now.
    pub fn recv_from(&mut self, id: SocketId) -> Result<Option<Datagram>, Refusal> {
        let udp = self.udp_mut(id)?;
        match udp.queue.recv() {
            Some(datagram) => Ok(Some(datagram)),
            None => udp.error.take().map_or(Ok(None), Err),
        }
    }

    /// An ICMP echo socket: requests are sent with [`crate::IpNode::send_echo`] and its identifier.
    pub fn echo(&mut self) -> (SocketId, u16) {
        while self.next_echo == 0 || self.echo_ids.contains_key(&self.next_echo) {
            self.next_echo = self.next_echo.wrapping_add(1);
        }
        let id = self.next_echo;
        self.next_echo = self.next_echo.wrapping_add(1);
        let socket = self.add(Kind::Echo(EchoSocket { id, events: VecDeque::new() }));
        self.echo_ids.insert(id, socket);
        (SocketId(socket), id)
    }

    /// Takes the oldest answer that an echo socket has heard.
    pub fn recv_echo(&mut self, id: SocketId) -> Option<EchoEvent> {
        match &mut self.socket_mut(id)?.kind {
            Kind::Echo(echo) => echo.events.pop_front(),
            _ => None,
        }
    }

    /// Handles a datagram that was addressed to this host; gives it back when no socket has its port.
    #[inline]
    pub(crate) fn handle_udp(&mut self, packet: Hot, cx: &mut Context<'_>) -> Option<Hot> {
        let body = cx.packets.body(&packet);
        let Content::Udp(ports, _) = body.content else { return Some(packet) };
        let from = Endpoint::new(body.src, ports.src_port);
        let Some(id) = self.find_udp(ports.dst_port) else { return Some(packet) };
        let Ok(udp) = self.udp_mut(SocketId(id)) else { return Some(packet) };
        if udp.peer.is_some_and(|peer| peer != from)
            || packet.dst.is_multicast() && !udp.groups.contains(&packet.dst)
        {
            return Some(packet);
        }
        let sent_at = cx.packets.sent_at(&packet).unwrap_or(cx.now);
        if udp.is_sink {
            let flow = udp.flow_of(packet.flow_hash);
            if flow != NO_FLOW {
                let bytes = u32::from(packet.len) - IpStack::header_len(packet.dst) - UdpHeader::LEN as u32;
                cx.out.progress.push(match cx.packets.body(&packet).birth {
                    Birth::Duplicate => Progress::Twin { flow },
                    _ => Progress::Datagram { flow, bytes, sent_at },
                });
            }
            cx.end(packet, Cause::Delivered);
            return None;
        }
        let datagram = Datagram {
            from,
            payload: cx.packets.payload(&packet),
            sent_at: Some(sent_at),
            arrived_at: cx.now,
            ecn: packet.ecn(),
            ttl: packet.ttl,
        };
        match udp.queue.handle_datagram(datagram) {
            Accepted::Full => cx.end(packet, Cause::SocketFull),
            Accepted::Queued => {
                cx.end(packet, Cause::Delivered);
                self.wake_ready(id, cx);
            }
        }
        None
    }

    /// Handles an echo or timestamp reply, with this identifier and sequence number.
    pub(crate) fn handle_echo_reply(
        &mut self,
        from: Ipv4Addr,
        ttl: u8,
        (id, seq): (u16, u16),
        outcome: EchoOutcome,
        cx: &mut Context<'_>,
    ) {
        self.hear_echo(id, EchoEvent { from, seq, outcome, ttl, at: cx.now }, cx);
    }

    /// Handles news about a packet that did not arrive: finds the socket that it is about.
    pub(crate) fn handle_trouble(
        &mut self,
        from: Ipv4Addr,
        ttl: u8,
        trouble: Trouble,
        quote: &Quote,
        stack: &mut IpStack,
        cx: &mut Context<'_>,
    ) {
        let at = cx.now;
        let outcome = match trouble {
            Trouble::TtlExpired | Trouble::FragmentTimeout => EchoOutcome::TimeExceeded,
            trouble => EchoOutcome::Unreachable(trouble.v4().1),
        };
        if let Some((id, seq)) = quote.echo() {
            return self.hear_echo(id, EchoEvent { from, seq, outcome, ttl, at }, cx);
        }
        let Some((src_port, dst_port)) = quote.ports() else { return };
        let local = Endpoint::new(quote.header.src, src_port);
        let remote = Endpoint::new(quote.header.dst, dst_port);
        if quote.protocol == Protocol::UDP {
            return self.hear_udp_error(local, remote, outcome, cx);
        }
        let kind = match trouble {
            Trouble::NoProtocol | Trouble::NoPort => Unreachable::Port,
            // TCP reckons with the headers of IPv4.
            Trouble::TooBig(mtu) => {
                let more = IpStack::header_len(remote.addr) - IpStack::header_len(Ipv4Addr::UNSPECIFIED);
                Unreachable::FragmentationNeeded(mtu.saturating_sub(more as u16))
            }
            _ => Unreachable::Host,
        };
        self.handle_tcp_unreachable(local, remote, kind, stack, cx);
    }

    /// Errors reach connected UDP sockets only (RFC 1122 section 4.1.3.3; Linux without IP_RECVERR).
    fn hear_udp_error(
        &mut self,
        local: Endpoint,
        remote: Endpoint,
        outcome: EchoOutcome,
        cx: &mut Context<'_>,
    ) {
        let Some(id) = self.udp_ports.get(&local.port).copied() else { return };
        if let Ok(udp) = self.udp_mut(SocketId(id))
            && udp.peer == Some(remote)
        {
            udp.error = match outcome {
                EchoOutcome::Unreachable(3) => Some(Refusal::Refused),
                EchoOutcome::Unreachable(4) => Some(Refusal::TooBig),
                EchoOutcome::Unreachable(_) => Some(Refusal::Unreachable),
                _ => return,
            };
            self.wake_ready(id, cx);
        }
    }

    fn hear_echo(&mut self, id: u16, event: EchoEvent, cx: &mut Context<'_>) {
        let Some(socket) = self.echo_ids.get(&id).copied() else { return };
        if let Some(Kind::Echo(echo)) = self.socket_mut(SocketId(socket)).map(|socket| &mut socket.kind) {
            echo.events.push_back(event);
        }
        self.wake_ready(socket, cx);
    }

    /// The socket of a port; datagrams come in trains, so the latest one is tried first.
    #[inline]
    fn find_udp(&mut self, port: u16) -> Option<u32> {
        if let Some((latest, id)) = self.latest_udp
            && latest == port
        {
            return Some(id);
        }
        let id = self.udp_ports.get(&port).copied()?;
        self.latest_udp = Some((port, id));
        Some(id)
    }

    #[inline]
    fn udp_mut(&mut self, id: SocketId) -> Result<&mut UdpSock, Refusal> {
        match self.socket_mut(id).map(|socket| &mut socket.kind) {
            Some(Kind::Udp(udp)) => Ok(udp),
            Some(_) => Err(Refusal::Invalid),
            None => Err(Refusal::Closed),
        }
    }
}

impl UdpSock {
    /// Measures the flow with this hash.
    pub fn expect_flow(&mut self, hash: u32, flow: u32) {
        self.flows.insert(hash, flow);
        self.latest_flow = (hash, flow);
    }

    /// The measured flow that a datagram belongs to, or [`NO_FLOW`].
    #[inline]
    fn flow_of(&mut self, hash: u32) -> u32 {
        if self.latest_flow.0 != hash || self.latest_flow.1 == NO_FLOW {
            self.latest_flow = (hash, self.flows.get(&hash).copied().unwrap_or(NO_FLOW));
        }
        self.latest_flow.1
    }

    /// Source address, flow hash and MTU towards `to`.
    fn find_path(&mut self, to: Endpoint, stack: &IpStack) -> Result<(Ipv4Addr, u32, u16), Refusal> {
        if let Some((known, src, hash, mtu)) = self.path
            && known == to
        {
            return Ok((src, hash, mtu));
        }
        let (src, mtu) = stack.source_for(to.addr).ok_or(Refusal::Unreachable)?;
        if src == ANY && !to.addr.is_broadcast() {
            return Err(Refusal::Unreachable);
        }
        let hash = flow_hash(Protocol::UDP.0, src, self.port, to.addr, to.port);
        self.path = Some((to, src, hash, mtu));
        Ok((src, hash, mtu))
    }
}
