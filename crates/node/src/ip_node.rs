//! What happens to a frame that arrives at a host or router, and to a timer that goes off there.

use crate::bgp::BgpTransport;
use crate::sockets::Sockets;
use crate::{Context, Groups, IpStack, Services};
use tidewire_l3_network::routing::Control;
use tidewire_l3_network::{Reassembly, Trouble};
use tidewire_units::{IfaceId, Instant};
use tidewire_wire::{AddressBook, Cause, Content, Hot, HotKind, MacKey, Net, Protocol, Transport};

/// A host or a router: a router is a host that forwards.
pub struct IpNode {
    /// Interfaces, ARP, routes.
    pub stack: IpStack,
    /// Sockets; made when the first one is opened, so that an idle node is small.
    sockets: Option<Box<Sockets>>,
    /// Routing protocols, on routers that run some.
    pub(crate) control: Option<Box<Control>>,
    pub(crate) transport: BgpTransport,
    /// Fragments that wait for the rest.
    pub(crate) reassembly: Option<Box<Reassembly>>,
    /// DHCP, on nodes that take part in it.
    pub(crate) services: Option<Box<Services>>,
    /// Multicast, on nodes that take part in it.
    pub(crate) groups: Option<Box<Groups>>,
    /// Some of what is for the node is for a protocol of its own: routing, DHCP, groups.
    pub(crate) listens: bool,
    forwards: bool,
    salt: u64,
}

impl IpNode {
    /// A node without interfaces. `salt` is its own random number, for initial sequence numbers.
    pub fn new(mut stack: IpStack, forwards: bool, salt: u64) -> IpNode {
        stack.is_router = forwards;
        let transport = BgpTransport::default();
        IpNode {
            stack,
            sockets: None,
            control: None,
            transport,
            reassembly: None,
            services: None,
            groups: None,
            listens: false,
            forwards,
            salt,
        }
    }

    /// Whether it forwards packets for others.
    pub fn forwards(&self) -> bool {
        self.forwards
    }

    /// Its stack and its sockets.
    pub fn parts(&mut self) -> (&mut IpStack, &mut Sockets) {
        let salt = self.salt;
        (&mut self.stack, self.sockets.get_or_insert_with(|| Box::new(Sockets::new(salt))))
    }

    /// Its sockets, if it ever had any.
    pub fn sockets(&self) -> Option<&Sockets> {
        self.sockets.as_deref()
    }

    pub(crate) fn sockets_mut(&mut self) -> Option<(&mut Sockets, &mut IpStack)> {
        Some((self.sockets.as_deref_mut()?, &mut self.stack))
    }

    /// Packets that it keeps: fragments that wait for others, packets that wait for a neighbour's address.
    pub fn waiting(&self) -> impl Iterator<Item = &Hot> {
        let fragments = self.reassembly.iter().flat_map(|reassembly| reassembly.waiting());
        fragments.chain(self.stack.ifaces.iter().flat_map(|iface| iface.neighbors.waiting()))
    }

    /// The node stops: sockets, connections, what it has learnt and what it keeps are gone. Addresses and routes stay.
    pub fn crash(&mut self, cx: &mut Context<'_>) {
        let waiting: Vec<Hot> = self.waiting().copied().collect();
        waiting.into_iter().for_each(|packet| cx.end(packet, Cause::NodeDown));
        self.reassembly = None;
        self.control = None;
        self.transport = BgpTransport::default();
        self.stack.forget();
        self.crash_services(cx);
        self.crash_groups(cx.now);
        let (_, sockets) = self.parts();
        sockets.crash(cx);
        sockets.down = true;
    }

    /// The node starts again: what it was told to send while it did not run has left nothing behind.
    pub fn boot(&mut self, cx: &mut Context<'_>) {
        let waiting: Vec<Hot> = self.waiting().copied().collect();
        waiting.into_iter().for_each(|packet| cx.end(packet, Cause::NodeDown));
        self.reassembly = None;
        self.stack.forget();
        let (_, sockets) = self.parts();
        sockets.crash(cx);
        sockets.down = false;
        self.boot_groups(cx.now);
    }

    /// Handles a frame that came in through `port`.
    #[inline]
    pub fn handle_frame(&mut self, port: u32, packet: Hot, cx: &mut Context<'_>) {
        if packet.is_corrupted() {
            // A frame check finds any damage; where there is none, the checksums of the headers do.
            let framed = self.stack.ifaces.get(port as usize).is_some_and(|iface| iface.framed);
            return cx.end(packet, if framed { Cause::Corrupted } else { Cause::Checksum });
        }
        if let Some(iface) = self.stack.ifaces.get(port as usize)
            && iface.framed
            && packet.dst_mac != MacKey::of(iface.id)
            && packet.dst_mac != MacKey::BROADCAST
            && !(self.listens && packet.dst_mac.is_ip_group())
            && !self.stack.listens(packet.dst_mac)
        {
            if packet.kind() == HotKind::Pause {
                return cx.pause(port, packet);
            }
            return cx.end(packet, Cause::NotForMe);
        }
        if packet.kind() == HotKind::Arp {
            if self.services.is_some() {
                self.note_arp(&packet, cx);
            }
            return self.stack.handle_arp(port, packet, cx);
        }
        if self.stack.gate.is_some() {
            return self.handle_gated(port, packet, cx);
        }
        if self.stack.is_local(packet.dst)
            || !packet.dst.is_multicast() && self.stack.is_broadcast(port, packet.dst)
        {
            return self.deliver(port, packet, cx);
        }
        if AddressBook::is_v6_group(packet.dst) {
            return cx.end(packet, Cause::NotForMe);
        }
        if packet.dst.is_multicast() {
            return self.handle_group(port, packet, cx);
        }
        if self.forwards {
            return self.forward(port, packet, cx);
        }
        self.stack.stats.turned_away += 1;
        cx.end(packet, Cause::NotForMe);
    }

    /// Handles a packet that is for a group.
    pub(crate) fn handle_group(&mut self, port: u32, packet: Hot, cx: &mut Context<'_>) {
        let before = self.stack.stats.received();
        let packet = self.handle_routing(port, packet, cx);
        if let Some(packet) = packet.and_then(|packet| self.handle_group_message(port, packet, cx)) {
            self.handle_stream(port, packet, cx);
        }
        self.stack.stats.note_received(before);
    }

    /// Forwards a packet that is for this node's MAC address as [`IpNode::handle_frame`] would if that takes no more than looking up
    /// what was found for its flow before: gives the interface to send it on. `None` when there is more to it, and nothing was done.
    #[inline(always)]
    pub fn forward_fast(&mut self, now: Instant, packet: &mut Hot) -> Option<IfaceId> {
        if !self.forwards || !packet.is_intact_ip() || packet.ttl <= 1 {
            return None;
        }
        let way = self.stack.known_way(now, packet)?;
        let out = way.out;
        packet.dst_mac = way.dst_mac;
        packet.src_mac = MacKey::of(out);
        packet.ttl -= 1;
        self.stack.stats.forwarded += 1;
        Some(out)
    }

    /// When the next timer goes off, and whether any timer keeps the run alive.
    #[inline]
    pub fn next_timeout(&self) -> (Instant, bool) {
        let arp = self.stack.next_timeout();
        let (sockets, foreground) = match &self.sockets {
            Some(sockets) => (sockets.next_timeout(), sockets.has_foreground_timer()),
            None => (Instant::MAX, false),
        };
        let mut next = arp.min(sockets);
        if let Some(reassembly) = &self.reassembly {
            next = next.min(reassembly.next_timeout());
        }
        let mut foreground = foreground || arp < Instant::MAX && self.stack.has_waiting();
        if self.listens {
            let (own, keeps_alive) = self.next_own_timeout();
            (next, foreground) = (next.min(own), foreground || keeps_alive);
        }
        (next, foreground)
    }

    /// The same of protocols of its own.
    #[cold]
    #[inline(never)]
    fn next_own_timeout(&self) -> (Instant, bool) {
        let routing = self.control.as_ref().map_or(Instant::MAX, |control| control.next_timeout());
        let (service, keeps_alive) = self.next_service();
        (routing.min(self.next_group_timeout()).min(service), keeps_alive)
    }

    /// Handles every timer that is due.
    pub fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        if self.stack.next_timeout() <= cx.now {
            for given_up in self.stack.handle_timeout(cx) {
                for packet in given_up.packets {
                    self.report(&packet, Trouble::HostUnreachable, cx);
                    cx.end(packet, Cause::NoArpReply);
                }
            }
            self.tell_rejected(cx);
        }
        if self.reassembly.is_some() {
            self.give_up_fragments(cx);
        }
        if let Some(sockets) = &mut self.sockets {
            sockets.handle_timeout(&mut self.stack, cx);
        }
        if self.groups.is_some() && self.next_group_timeout() <= cx.now {
            self.handle_group_timeout(cx);
        }
        if self.services.is_some() {
            self.handle_service_timeout(cx);
        }
        if self.control.is_some() {
            self.handle_routing_timeout(cx);
            self.note_tcp(cx);
        }
    }

    /// The time to live of a packet has run out. Without a way it would have ended all the same: the way is looked up first (RFC 1812
    /// section 5.2.1.2), so `traceroute` meets the router that has none once.
    #[cold]
    #[inline(never)]
    fn expire(&mut self, packet: Hot, cx: &mut Context<'_>) {
        self.stack.stats.turned_away += 1;
        let (trouble, cause) = match self.stack.has_way(packet.dst) {
            true => (Trouble::TtlExpired, Cause::TtlExpired),
            false => (Trouble::NoRoute, Cause::NoRoute),
        };
        self.report(&packet, trouble, cx);
        cx.end(packet, cause);
    }

    /// Forwards a packet for others (RFC 1812 section 5.2).
    #[inline]
    pub(crate) fn forward(&mut self, port: u32, mut packet: Hot, cx: &mut Context<'_>) {
        if packet.ttl <= 1 {
            return self.expire(packet, cx);
        }
        let Some(hop) = self.stack.next_hop(&packet) else {
            self.stack.stats.turned_away += 1;
            self.report(&packet, Trouble::NoRoute, cx);
            return cx.end(packet, Cause::NoRoute);
        };
        let mtu = self.stack.ifaces[hop.port as usize].mtu;
        if packet.len > mtu && (packet.dont_fragment() || AddressBook::is_v6(packet.dst)) {
            self.stack.stats.turned_away += 1;
            self.report(&packet, Trouble::TooBig(mtu), cx);
            return cx.end(packet, Cause::TooBig);
        }
        if hop.port == port {
            self.redirect(port, hop, &packet, cx);
        }
        packet.ttl -= 1;
        self.stack.stats.forwarded += 1;
        if packet.len > mtu {
            return self.stack.send_in_parts(hop, packet, mtu, cx);
        }
        self.stack.send_via(hop, packet, cx);
    }

    #[inline]
    pub(crate) fn deliver(&mut self, port: u32, packet: Hot, cx: &mut Context<'_>) {
        self.stack.stats.rx_packets += 1;
        self.stack.stats.rx_bytes += u64::from(packet.len);
        if self.listens {
            return self.deliver_to_speaker(port, packet, cx);
        }
        self.deliver_to_sockets(port, packet, cx);
    }

    /// On a node with protocols of its own.
    #[cold]
    #[inline(never)]
    fn deliver_to_speaker(&mut self, port: u32, packet: Hot, cx: &mut Context<'_>) {
        if cx.packets.piece(&packet).is_some() {
            return self.handle_fragment(port, packet, cx);
        }
        let Some(packet) = self.handle_service(port, packet, cx) else { return };
        let Some(packet) = self.handle_group_message(port, packet, cx) else { return };
        let Some(packet) = self.handle_routing(port, packet, cx) else { return };
        let is_tcp = packet.kind() == HotKind::Tcp;
        self.deliver_to_sockets(port, packet, cx);
        if is_tcp {
            self.note_tcp(cx);
        }
    }

    /// A packet that was put together from fragments.
    pub(crate) fn deliver_whole(&mut self, port: u32, packet: Hot, cx: &mut Context<'_>) {
        if self.stack.gate.is_some() {
            return self.handle_gated(port, packet, cx);
        }
        if self.listens {
            return self.deliver_to_speaker(port, packet, cx);
        }
        self.deliver_to_sockets(port, packet, cx);
    }

    /// A packet that nothing here reads. What calls itself ICMP or ICMPv6 but is no message of it may have been an error, and errors
    /// are never answered with errors (RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e)).
    #[cold]
    #[inline(never)]
    fn handle_unknown(&mut self, packet: Hot, cx: &mut Context<'_>) {
        let own = if AddressBook::is_v6(packet.dst) { Protocol::ICMPV6 } else { Protocol::ICMP };
        if let Net::Ipv4(_, Transport::Raw(protocol, _)) | Net::Ipv6(_, Transport::Raw(protocol, _)) =
            cx.packets.unpack(&packet).net
            && protocol == own
        {
            return cx.end(packet, Cause::Malformed);
        }
        self.report(&packet, Trouble::NoProtocol, cx);
        cx.end(packet, Cause::NoSocket);
    }

    #[inline]
    fn deliver_to_sockets(&mut self, port: u32, packet: Hot, cx: &mut Context<'_>) {
        match packet.kind() {
            HotKind::Tcp => {
                let (stack, sockets) = self.parts();
                sockets.handle_tcp(packet, stack, cx);
            }
            HotKind::Udp => {
                let (_, sockets) = self.parts();
                if let Some(unwanted) = sockets.handle_udp(packet, cx) {
                    self.report(&unwanted, Trouble::NoPort, cx);
                    cx.end(unwanted, Cause::NoSocket);
                }
            }
            _ => match cx.packets.body(&packet).content {
                Content::Icmp(kind, code, rest) => self.handle_icmp(port, packet, kind, code, rest, cx),
                _ if cx.packets.piece(&packet).is_some() => self.handle_fragment(port, packet, cx),
                _ => self.handle_unknown(packet, cx),
            },
        }
    }
}
