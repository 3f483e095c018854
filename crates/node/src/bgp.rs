//! BGP's transport: a router's own TCP.

use crate::{Context, IpNode, IpStack, SocketView, Sockets};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tidewire_l3_network::Prefix;
use tidewire_l3_network::routing::{Bgp, BgpAction, BgpPolicy};
use tidewire_l4_transport::TcpConfig;
use tidewire_units::{Interest, SocketId};
use tidewire_wire::{BgpMessage, Endpoint, Payload};

/// The sockets of a router's sessions.
#[derive(Debug, Default)]
pub(crate) struct BgpTransport {
    listener: Option<SocketId>,
    /// By neighbour.
    sessions: Vec<Session>,
}

#[derive(Debug, Default)]
struct Session {
    socket: Option<SocketId>,
    /// BGP knows that it is there.
    told: bool,
    /// What did not fit into the send buffer.
    waiting: Vec<u8>,
}

impl IpNode {
    /// Announces a network as this router's own, or no longer. Nothing happens without BGP.
    pub fn announce(&mut self, prefix: Prefix, on: bool, cx: &mut Context<'_>) {
        if let Some(bgp) = self.control.as_mut().and_then(|control| control.bgp_mut()) {
            bgp.announce(prefix, on, cx.now);
            self.note(cx);
        }
    }

    /// Does something else with routes from and to a neighbour at one of these addresses. Nothing happens without BGP.
    pub fn set_bgp_policy(&mut self, addrs: &[Ipv4Addr], policy: &BgpPolicy, cx: &mut Context<'_>) {
        if let Some(bgp) = self.control.as_mut().and_then(|control| control.bgp_mut()) {
            addrs.iter().for_each(|addr| bgp.set_policy(*addr, policy, cx.now));
            self.note(cx);
        }
    }

    /// Carries bytes between BGP and its connections.
    pub(crate) fn run_bgp(&mut self, cx: &mut Context<'_>) {
        let Some(mut control) = self.control.take() else { return };
        let mut transport = std::mem::take(&mut self.transport);
        if let Some(bgp) = control.bgp_mut() {
            let (stack, sockets) = self.parts();
            transport.listen(sockets);
            loop {
                let mut busy = transport.accept(bgp, stack, sockets, cx);
                for peer in 0..transport.sessions.len() {
                    busy |= transport.read(peer, bgp, stack, sockets, cx);
                }
                while let Some(action) = bgp.poll_action() {
                    busy = true;
                    transport.act(action, bgp, stack, sockets, cx);
                }
                if !busy {
                    break;
                }
            }
            cx.out.timers = true;
        }
        self.transport = transport;
        self.control = Some(control);
    }
}

impl BgpTransport {
    fn listen(&mut self, sockets: &mut Sockets) {
        if self.listener.is_some() {
            return;
        }
        let id = sockets.tcp(config());
        if sockets.bind(id, BgpMessage::PORT).is_ok() && sockets.listen(id, usize::MAX).is_ok() {
            self.listener = Some(id);
        }
    }

    fn session(&mut self, peer: usize) -> &mut Session {
        if self.sessions.len() <= peer {
            self.sessions.resize_with(peer + 1, Session::default);
        }
        &mut self.sessions[peer]
    }

    fn accept(
        &mut self,
        bgp: &mut Bgp,
        stack: &mut IpStack,
        sockets: &mut Sockets,
        cx: &mut Context<'_>,
    ) -> bool {
        let Some(id) = self.listener.and_then(|listener| sockets.accept(listener)) else { return false };
        let remote = match sockets.view(id) {
            Some(SocketView::Tcp(_, remote, _)) => Some(remote.addr),
            _ => None,
        };
        let Some(peer) = remote.and_then(|addr| bgp.peer_at(addr)) else {
            sockets.abort(id, stack, cx);
            return true;
        };
        // A new connection replaces one that the neighbour has given up.
        let old = std::mem::replace(
            self.session(peer),
            Session { socket: Some(id), told: true, waiting: Vec::new() },
        );
        if let Some(old) = old.socket {
            sockets.abort(old, stack, cx);
            bgp.closed(peer, cx.now);
        }
        bgp.connected(peer, cx.now);
        true
    }

    /// What has arrived from a neighbour, and room for what waits. Whether anything happened.
    fn read(
        &mut self,
        peer: usize,
        bgp: &mut Bgp,
        stack: &mut IpStack,
        sockets: &mut Sockets,
        cx: &mut Context<'_>,
    ) -> bool {
        let Some(id) = self.sessions[peer].socket else { return false };
        if !self.sessions[peer].told {
            if !sockets.is_ready(id, Interest::Connected) {
                return false;
            }
            if sockets.failure(id).is_none() && sockets.view(id).is_some() {
                self.sessions[peer].told = true;
                bgp.connected(peer, cx.now);
                return true;
            }
        }
        self.write(peer, stack, sockets, cx);
        match sockets.recv(id, usize::from(u16::MAX), stack, cx) {
            Ok(Some(payload)) => {
                bgp.received(peer, &payload.to_bytes(), cx.now);
                true
            }
            Ok(None) => false,
            Err(_) => {
                sockets.close(id, stack, cx);
                self.sessions[peer] = Session::default();
                bgp.closed(peer, cx.now);
                true
            }
        }
    }

    fn write(&mut self, peer: usize, stack: &mut IpStack, sockets: &mut Sockets, cx: &mut Context<'_>) {
        let session = &mut self.sessions[peer];
        let Some(id) = session.socket.filter(|_| !session.waiting.is_empty()) else { return };
        let payload = Payload::Data(session.waiting.clone().into());
        // A connection that has failed is noticed when it is read.
        let sent = sockets.send(id, payload, stack, cx).unwrap_or(0);
        session.waiting.drain(..sent);
    }

    fn act(
        &mut self,
        action: BgpAction,
        bgp: &mut Bgp,
        stack: &mut IpStack,
        sockets: &mut Sockets,
        cx: &mut Context<'_>,
    ) {
        match action {
            BgpAction::Connect(peer) => {
                let id = sockets.tcp(config());
                let to = Endpoint::new(bgp.addr_of(peer), BgpMessage::PORT);
                if sockets.connect(id, to, stack, cx).is_ok() {
                    *self.session(peer) = Session { socket: Some(id), told: false, waiting: Vec::new() };
                } else {
                    sockets.close(id, stack, cx);
                    bgp.closed(peer, cx.now);
                }
            }
            BgpAction::Send(peer, bytes) => {
                self.session(peer).waiting.extend(bytes);
                self.write(peer, stack, sockets, cx);
            }
            BgpAction::Close(peer) => {
                // What was said last is on its way; a neighbour out of reach must not be waited for.
                if let Some(id) = std::mem::take(self.session(peer)).socket {
                    sockets.abort(id, stack, cx);
                }
            }
        }
    }
}

fn config() -> Arc<TcpConfig> {
    Arc::new(TcpConfig { dscp: crate::control::CS6, ..TcpConfig::linux() })
}
