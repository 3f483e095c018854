//! A router's routing protocols: their messages as packets, and what they find in the forwarding table.

use crate::ways::flow_hash;
use crate::{Context, IpNode};
use tidewire_l3_network::NextHop;
use tidewire_l3_network::routing::{Carrier, Control, RoutingMessage};
use tidewire_units::Instant;
use tidewire_wire::{Cause, Content, Ecn, Hot, MacKey, Payload, Protocol, RipMessage, UdpHeader};

/// Internetwork control (RFC 2474 section 4.2.2.2): what protocol messages ask of queues.
pub(crate) const CS6: u8 = 48;

impl IpNode {
    /// Takes part in routing from `now` on: its forwarding table is what `control` says. Messages are sent with the next timeout.
    pub fn set_control(&mut self, mut control: Control, now: Instant) {
        self.stack.set_fib(control.poll_fib(now).unwrap_or_default());
        control.begin();
        self.control = Some(Box::new(control));
        self.listens = true;
    }

    /// Its part in routing, if it has one.
    pub fn control(&self) -> Option<&Control> {
        self.control.as_deref()
    }

    /// The same, to take what it has noted.
    pub fn control_mut(&mut self) -> Option<&mut Control> {
        self.control.as_deref_mut()
    }

    /// The link of a port has gone up or down, and the node knows.
    pub fn set_port_up(&mut self, port: u32, up: bool, cx: &mut Context<'_>) {
        if let Some(control) = &mut self.control {
            control.set_port_up(port, up, cx.now);
            self.install(cx);
            self.note(cx);
        }
    }

    /// Handles a packet that may be a routing protocol's; gives it back when it is not.
    pub(crate) fn handle_routing(&mut self, port: u32, packet: Hot, cx: &mut Context<'_>) -> Option<Hot> {
        let Some(control) = &mut self.control else { return Some(packet) };
        let body = cx.packets.body(&packet);
        let is_message = match body.content {
            Content::Udp(udp, _) => udp.dst_port == RipMessage::PORT && control.listens(Carrier::Rip),
            Content::Raw(Protocol::OSPF, ..) => control.listens(Carrier::Ospf),
            _ => false,
        };
        if !is_message {
            return Some(packet);
        }
        let (src, payload) = (body.src, cx.packets.payload(&packet));
        let taken = control.handle_message(port, src, &payload.to_bytes(), cx.now);
        cx.end(packet, if taken { Cause::Delivered } else { Cause::Malformed });
        self.note(cx);
        None
    }

    /// Handles routing timers that are due.
    pub(crate) fn handle_routing_timeout(&mut self, cx: &mut Context<'_>) {
        if let Some(control) = &mut self.control
            && control.next_timeout() <= cx.now
        {
            control.handle_timeout(cx.now);
            self.note(cx);
        }
    }

    /// Uses what has changed and sends what is to be sent.
    pub(crate) fn note(&mut self, cx: &mut Context<'_>) {
        if self.control.as_ref().is_some_and(|control| control.bgp().is_some()) {
            self.run_bgp(cx);
        }
        if self.control.as_mut().is_some_and(|control| control.poll_changed()) {
            self.install(cx);
        }
        self.speak(cx);
    }

    /// A connection of BGP may have moved on.
    #[inline]
    pub(crate) fn note_tcp(&mut self, cx: &mut Context<'_>) {
        if self.control.as_ref().is_some_and(|control| control.bgp().is_some()) {
            self.note(cx);
        }
    }

    fn install(&mut self, cx: &mut Context<'_>) {
        if let Some(fib) = self.control.as_mut().and_then(|control| control.poll_fib(cx.now)) {
            self.stack.set_fib(fib);
            self.note_routes(cx);
        }
    }

    fn speak(&mut self, cx: &mut Context<'_>) {
        while let Some(message) = self.control.as_mut().and_then(|control| control.poll_transmit()) {
            self.send_message(message, cx);
        }
        cx.out.timers = true;
    }

    fn send_message(&mut self, message: RoutingMessage, cx: &mut Context<'_>) {
        let RoutingMessage { port, dst, carrier, bytes } = message;
        let (id, src) = (self.stack.ifaces[port as usize].id, self.stack.ifaces[port as usize].addr);
        let mut header = self.stack.header(src, dst, Ecn::NotCapable);
        // Messages are for neighbours and go no further.
        (header.ttl, header.dscp, header.dont_fragment) = (1, CS6, false);
        let payload = Payload::Data(bytes);
        let mut packet = match carrier {
            Carrier::Rip => {
                let ports = UdpHeader { src_port: RipMessage::PORT, dst_port: RipMessage::PORT };
                let hash = flow_hash(17, src, RipMessage::PORT, dst, RipMessage::PORT);
                cx.packets.insert_udp(&header, ports, payload, hash, cx.now)
            }
            Carrier::Ospf => {
                cx.packets.insert_raw(&header, Protocol::OSPF, payload, flow_hash(89, src, 0, dst, 0))
            }
        };
        self.stack.stats.tx_packets += 1;
        self.stack.stats.tx_bytes += u64::from(packet.len);
        if !dst.is_multicast() {
            return self.stack.send_via(NextHop { port, gateway: Some(dst) }, packet, cx);
        }
        packet.src_mac = MacKey::of(id);
        packet.dst_mac =
            if self.stack.ifaces[port as usize].framed { MacKey::of_group(dst) } else { MacKey::ZERO };
        let mtu = self.stack.ifaces[port as usize].mtu;
        if packet.len <= mtu {
            return cx.send(id.0, packet);
        }
        for part in cx.packets.fragment(&packet, mtu) {
            cx.send(id.0, part);
        }
        cx.end(packet, Cause::Merged);
    }
}
