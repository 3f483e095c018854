//! What happens to a frame that arrives at a host or router, and to a timer that goes off there.

use crate::bgp::BgpTransport;
use crate::sockets::Sockets;
use crate::stack::flow_hash;
use crate::{Context, IpStack};
use std::net::Ipv4Addr;
use tidewire_l3_network::error_about;
use tidewire_l3_network::routing::Control;
use tidewire_units::{IfaceId, Instant};
use tidewire_wire::{Cause, Content, Ecn, Hot, HotKind, IcmpMessage, MacKey, Payload};

/// A host or a router: a router is a host that forwards.
pub struct IpNode {
    /// Interfaces, ARP, routes.
    pub stack: IpStack,
    /// Sockets; made when the first one is opened, so that an idle node is small.
    sockets: Option<Box<Sockets>>,
    /// Routing protocols, on routers that run some.
    pub(crate) control: Option<Box<Control>>,
    pub(crate) transport: BgpTransport,
    forwards: bool,
    salt: u64,
}

impl IpNode {
    /// A node without interfaces. `salt` is its own random number, for initial sequence numbers.
    pub fn new(stack: IpStack, forwards: bool, salt: u64) -> IpNode {
        IpNode { stack, sockets: None, control: None, transport: BgpTransport::default(), forwards, salt }
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
            && !(self.control.is_some() && packet.dst_mac.is_ip_group())
        {
            return cx.end(packet, Cause::NotForMe);
        }
        if packet.kind() == HotKind::Arp {
            return self.stack.handle_arp(port, packet, cx);
        }
        if self.stack.is_local(packet.dst) || self.stack.is_broadcast(port, packet.dst) {
            return self.deliver(port, packet, cx);
        }
        if packet.dst.is_multicast() {
            if let Some(unwanted) = self.handle_routing(port, packet, cx) {
                cx.end(unwanted, Cause::NotForMe);
            }
            return;
        }
        if self.forwards {
            return self.forward(packet, cx);
        }
        cx.end(packet, Cause::NotForMe);
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
        if let Some(control) = &self.control {
            next = next.min(control.next_timeout());
        }
        (next, foreground || arp < Instant::MAX)
    }

    /// Handles every timer that is due.
    pub fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        if self.stack.next_timeout() <= cx.now {
            for given_up in self.stack.handle_timeout(cx) {
                for packet in given_up.packets {
                    self.report(&packet, IcmpMessage::UNREACHABLE, IcmpMessage::HOST_UNREACHABLE, cx);
                    cx.end(packet, Cause::NoArpReply);
                }
            }
        }
        if let Some(sockets) = &mut self.sockets {
            sockets.handle_timeout(&mut self.stack, cx);
        }
        if self.control.is_some() {
            self.handle_routing_timeout(cx);
            self.note_tcp(cx);
        }
    }

    /// Forwards a packet for others (RFC 1812 section 5.2).
    #[inline]
    fn forward(&mut self, mut packet: Hot, cx: &mut Context<'_>) {
        if packet.ttl <= 1 {
            self.report(&packet, IcmpMessage::TIME_EXCEEDED, 0, cx);
            return cx.end(packet, Cause::TtlExpired);
        }
        let Some(hop) = self.stack.next_hop(&packet) else {
            self.report(&packet, IcmpMessage::UNREACHABLE, IcmpMessage::NET_UNREACHABLE, cx);
            return cx.end(packet, Cause::NoRoute);
        };
        if packet.len > self.stack.ifaces[hop.port as usize].mtu {
            self.report(&packet, IcmpMessage::UNREACHABLE, IcmpMessage::FRAGMENTATION_NEEDED, cx);
            return cx.end(packet, Cause::TooBig);
        }
        packet.ttl -= 1;
        self.stack.stats.forwarded += 1;
        self.stack.send_via(hop, packet, cx);
    }

    #[inline]
    fn deliver(&mut self, port: u32, packet: Hot, cx: &mut Context<'_>) {
        self.stack.stats.rx_packets += 1;
        self.stack.stats.rx_bytes += u64::from(packet.len);
        if self.control.is_some() {
            return self.deliver_to_speaker(port, packet, cx);
        }
        self.deliver_to_sockets(packet, cx);
    }

    /// On a router that runs a routing protocol.
    #[cold]
    #[inline(never)]
    fn deliver_to_speaker(&mut self, port: u32, packet: Hot, cx: &mut Context<'_>) {
        let Some(packet) = self.handle_routing(port, packet, cx) else { return };
        let is_tcp = packet.kind() == HotKind::Tcp;
        self.deliver_to_sockets(packet, cx);
        if is_tcp {
            self.note_tcp(cx);
        }
    }

    #[inline]
    fn deliver_to_sockets(&mut self, packet: Hot, cx: &mut Context<'_>) {
        match packet.kind() {
            HotKind::Tcp => {
                let (stack, sockets) = self.parts();
                sockets.handle_tcp(packet, stack, cx);
            }
            HotKind::Udp => {
                let (_, sockets) = self.parts();
                if let Some(unwanted) = sockets.handle_udp(packet, cx) {
                    self.report(&unwanted, IcmpMessage::UNREACHABLE, IcmpMessage::PORT_UNREACHABLE, cx);
                    cx.end(unwanted, Cause::NoSocket);
                }
            }
            _ => match cx.packets.body(&packet).content {
                Content::Icmp(kind, code, rest) => self.handle_icmp(packet, kind, code, rest, cx),
                _ => {
                    self.report(&packet, IcmpMessage::UNREACHABLE, IcmpMessage::PROTOCOL_UNREACHABLE, cx);
                    cx.end(packet, Cause::NoSocket);
                }
            },
        }
    }

    fn handle_icmp(&mut self, packet: Hot, kind: u8, code: u8, rest: u32, cx: &mut Context<'_>) {
        let from = cx.packets.body(&packet).src;
        let message = IcmpMessage { kind, code, rest, payload: cx.packets.payload(&packet) };
        if kind == IcmpMessage::ECHO_REQUEST {
            // RFC 1122 section 3.2.2.6: the reply carries the data back, from the address that was asked.
            let src = if self.stack.is_local(packet.dst) { packet.dst } else { self.stack.address() };
            cx.end(packet, Cause::Delivered);
            return self.send_icmp(src, from, message.echo_reply(), cx);
        }
        if let Some(sockets) = &mut self.sockets {
            sockets.handle_icmp(from, packet.ttl, &message, &mut self.stack, cx);
        }
        cx.end(packet, Cause::Delivered);
    }

    /// Tells the sender of `packet` what became of it; a packet of the node's own is reported to its socket directly.
    fn report(&mut self, packet: &Hot, kind: u8, code: u8, cx: &mut Context<'_>) {
        let src = cx.packets.body(packet).src;
        let Some(message) = error_about(&cx.packets.unpack(packet), kind, code, 0) else { return };
        if self.stack.is_local(src) {
            let (stack, sockets) = self.parts();
            return sockets.handle_icmp(src, 0, &message, stack, cx);
        }
        if let Some((own, _)) = self.stack.source_for(src) {
            self.send_icmp(own, src, message, cx);
        }
    }

    fn send_icmp(&mut self, src: Ipv4Addr, dst: Ipv4Addr, message: IcmpMessage, cx: &mut Context<'_>) {
        let hash = flow_hash(1, src, 0, dst, 0);
        let header = self.stack.header(src, dst, Ecn::NotCapable);
        let packet = cx.packets.insert_icmp(&header, message, hash);
        self.stack.output(packet, cx);
    }

    /// Sends one echo request from an echo socket's identifier. False without a route.
    pub fn send_echo(
        &mut self,
        dst: Ipv4Addr,
        id: u16,
        seq: u16,
        data: Payload,
        ttl: u8,
        cx: &mut Context<'_>,
    ) -> bool {
        let Some((src, _)) = self.stack.source_for(dst) else { return false };
        let mut header = self.stack.header(src, dst, Ecn::NotCapable);
        header.ttl = ttl;
        let request = IcmpMessage::echo_request(id, seq, data);
        let packet = cx.packets.insert_icmp(&header, request, crate::ping_flow(src, dst, id));
        self.stack.output(packet, cx)
    }
}
