//! Groups on a host or router: who listens, and where routers send what comes.

use crate::control::CS6;
use crate::ways::flow_hash;
use crate::{Context, IpNode};
use std::net::Ipv4Addr;
use tidewire_l3_network::multicast::{GroupMessage, GroupSend, Membership, MulticastRouter, Rpf};
use tidewire_units::{Instant, SocketId, Stream};
use tidewire_wire::{Birth, Cause, Content, Ecn, Hot, IgmpMessage, MacKey, Payload, PimMessage, Protocol};

/// A node's part in multicast.
#[derive(Default)]
pub struct Groups {
    host: Option<Membership>,
    router: Option<MulticastRouter>,
}

/// Groups of the link itself are never forwarded (RFC 5771 section 4).
fn is_for_link(group: Ipv4Addr) -> bool {
    group.octets()[..3] == [224, 0, 0]
}

impl IpNode {
    fn groups_mut(&mut self) -> &mut Groups {
        self.listens = true;
        self.groups.get_or_insert_default()
    }

    /// Forwards streams from `now` on.
    pub fn set_multicast(&mut self, now: Instant) {
        let addrs: Vec<Ipv4Addr> = self.stack.ifaces.iter().map(|iface| iface.addr).collect();
        self.groups_mut().router = Some(MulticastRouter::new(addrs, now));
    }

    /// Its routes have changed: streams may come another way.
    pub fn note_routes(&mut self, cx: &mut Context<'_>) {
        let Some(router) = self.groups.as_mut().and_then(|groups| groups.router.as_mut()) else { return };
        let fib = self.stack.fib();
        router.handle_routes(cx.now, |source| {
            fib.choose(source, 0).map(|hop| Rpf { port: hop.port, neighbor: hop.gateway })
        });
        self.say_groups(cx);
    }

    /// Its part as a router.
    pub fn multicast_router(&self) -> Option<&MulticastRouter> {
        self.groups.as_ref()?.router.as_ref()
    }

    /// A UDP socket listens to a group from now on, or no longer. False when it did, or did not, before. `stream` is for the node's
    /// first.
    pub fn listen_to(
        &mut self,
        socket: SocketId,
        group: Ipv4Addr,
        on: bool,
        stream: Stream,
        cx: &mut Context<'_>,
    ) -> bool {
        if !self.parts().1.set_member(socket, group, on) {
            return false;
        }
        let now = cx.now;
        let host = self.groups_mut().host.get_or_insert_with(|| Membership::new(stream));
        let is_change = if on { host.join(now, group) } else { host.leave(group) };
        if is_change {
            self.stack.set_listening(group, on);
            self.stack.set_listening(IgmpMessage::ALL_HOSTS, true);
        }
        self.say_groups(cx);
        true
    }

    /// When something is due; nothing of it keeps a run alive.
    pub(crate) fn next_group_timeout(&self) -> Instant {
        let Some(groups) = &self.groups else { return Instant::MAX };
        let host = groups.host.as_ref().map_or(Instant::MAX, Membership::next_timeout);
        groups.router.as_ref().map_or(host, |router| router.next_timeout().min(host))
    }

    /// Handles what is due.
    pub(crate) fn handle_group_timeout(&mut self, cx: &mut Context<'_>) {
        let Some(groups) = &mut self.groups else { return };
        if let Some(host) = &mut groups.host {
            host.handle_timeout(cx.now);
        }
        if let Some(router) = &mut groups.router
            && router.next_timeout() <= cx.now
        {
            router.handle_timeout(cx.now);
        }
        self.say_groups(cx);
    }

    /// Handles a packet that may be about groups; gives it back when it is not.
    pub(crate) fn handle_group_message(
        &mut self,
        port: u32,
        packet: Hot,
        cx: &mut Context<'_>,
    ) -> Option<Hot> {
        let Some(groups) = &mut self.groups else { return Some(packet) };
        let Content::Raw(protocol, ..) = cx.packets.body(&packet).content else { return Some(packet) };
        let (from, payload) = (cx.packets.body(&packet).src, cx.packets.payload(&packet));
        match protocol {
            Protocol::IGMP => {
                let Ok(message) = IgmpMessage::parse(&payload.to_bytes()) else {
                    cx.end(packet, Cause::Malformed);
                    return None;
                };
                if let Some(router) = &mut groups.router {
                    router.handle_igmp(cx.now, port, message);
                }
                if let Some(host) = &mut groups.host {
                    host.handle_message(cx.now, message);
                }
            }
            Protocol::PIM => {
                let Some(router) = &mut groups.router else { return Some(packet) };
                let Ok(message) = PimMessage::parse(&payload.to_bytes()) else {
                    cx.end(packet, Cause::Malformed);
                    return None;
                };
                router.handle_pim(cx.now, port, from, message);
            }
            _ => return Some(packet),
        }
        cx.end(packet, Cause::Delivered);
        self.say_groups(cx);
        None
    }

    /// A packet for a group: a copy for each link that wants it, and one for the node itself if it listens.
    pub(crate) fn handle_stream(&mut self, port: u32, packet: Hot, cx: &mut Context<'_>) {
        let is_mine = self.stack.is_broadcast(port, packet.dst);
        let before = self.stack.stats.forwarded;
        self.forward_stream(port, &packet, cx);
        if is_mine {
            // It came once, for itself and to pass on.
            self.stack.stats.branched += u64::from(self.stack.stats.forwarded > before);
            self.deliver(port, packet, cx);
        } else {
            cx.end(packet, Cause::NotForMe);
        }
    }

    fn forward_stream(&mut self, port: u32, packet: &Hot, cx: &mut Context<'_>) {
        let (source, group) = (cx.packets.body(packet).src, packet.dst);
        let Some(hop) = self.stack.fib().choose(source, 0).filter(|_| !is_for_link(group)) else { return };
        let Some(router) = self.groups.as_mut().and_then(|groups| groups.router.as_mut()) else { return };
        let rpf = Rpf { port: hop.port, neighbor: hop.gateway };
        let out = router.handle_data(cx.now, port, source, group, rpf);
        let before = self.stack.stats.forwarded;
        // A time to live of one is for the link where it was sent.
        for port in out.into_iter().filter(|_| packet.ttl > 1) {
            let iface = &self.stack.ifaces[port as usize];
            if packet.len > iface.mtu {
                continue;
            }
            let mut copy = cx.packets.copy(packet, Birth::Copy);
            copy.ttl -= 1;
            copy.src_mac = MacKey::of(iface.id);
            copy.dst_mac = if iface.framed { MacKey::of_group(group) } else { MacKey::ZERO };
            self.stack.stats.forwarded += 1;
            cx.send(iface.id.0, copy);
        }
        let stats = &mut self.stack.stats;
        stats.branched += (stats.forwarded - before).saturating_sub(1);
        self.say_groups(cx);
    }

    /// The node stops: nobody listens any more, and what was learnt of groups is gone.
    pub(crate) fn crash_groups(&mut self, now: Instant) {
        let Some(groups) = &mut self.groups else { return };
        groups.host = None;
        let was_router = groups.router.is_some();
        self.stack.forget_listening();
        if was_router {
            self.set_multicast(now);
        }
    }

    /// The node starts: it asks who listens, and who else forwards, as at the beginning of time.
    pub(crate) fn boot_groups(&mut self, now: Instant) {
        if self.multicast_router().is_some() {
            self.set_multicast(now);
        }
    }

    fn say_groups(&mut self, cx: &mut Context<'_>) {
        cx.out.timers = true;
        while let Some(send) = self.groups.as_mut().and_then(|groups| groups.poll_transmit()) {
            self.send_group_message(send, cx);
        }
    }

    fn send_group_message(&mut self, (port, dst, message): GroupSend, cx: &mut Context<'_>) {
        let Some(iface) = self.stack.ifaces.get(port as usize) else { return };
        let (id, src, framed) = (iface.id, iface.addr, iface.framed);
        if src.is_unspecified() {
            return;
        }
        let (protocol, bytes) = match message {
            GroupMessage::Igmp(message) => (Protocol::IGMP, message.emit()),
            GroupMessage::Pim(message) => (Protocol::PIM, message.emit()),
        };
        let mut header = self.stack.header(src, dst, Ecn::NotCapable);
        (header.ttl, header.dscp) = (1, CS6);
        let hash = flow_hash(protocol.0, src, 0, dst, 0);
        let mut packet = cx.packets.insert_raw(&header, protocol, Payload::Data(bytes.into()), hash);
        self.stack.stats.tx_packets += 1;
        self.stack.stats.tx_bytes += u64::from(packet.len);
        if !dst.is_multicast() {
            let hop = tidewire_l3_network::NextHop { port, gateway: Some(dst) };
            return self.stack.send_via(hop, packet, cx);
        }
        packet.src_mac = MacKey::of(id);
        packet.dst_mac = if framed { MacKey::of_group(dst) } else { MacKey::ZERO };
        cx.send(id.0, packet);
    }
}

impl Groups {
    fn poll_transmit(&mut self) -> Option<GroupSend> {
        let host = self.host.as_mut().and_then(Membership::poll_transmit);
        host.or_else(|| self.router.as_mut().and_then(MulticastRouter::poll_transmit))
    }
}
