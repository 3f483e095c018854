//! What stands between a node and its links: a firewall, address translation. All of it is off the fast path: a node with a gate remembers no ways.

use crate::icmp::quote_v6;
use crate::{Context, IpNode, IpStack, LOOPBACK};
use tidewire_l3_network::Trouble;
use tidewire_l3_network::error_about;
use tidewire_l3_network::gate::{Firewall, FlowKey, List, Nat, Nature, Subject, Verdict};
use tidewire_l4_transport::reset_for;
use tidewire_wire::{
    AddressBook, Cause, Content, Ecn, Endpoint, Hot, HotKind, IcmpMessage, Ndp, Packets, Protocol, Quote,
};

/// What packets have to pass.
#[derive(Debug, Default)]
pub struct Gate {
    pub(crate) firewall: Option<Box<Firewall>>,
    /// Address translation, and the port that is outside.
    pub(crate) nat: Option<Box<(Nat, u32)>>,
    /// About packets of the node's own that were rejected, for the sockets that sent them; whether it is about IPv6.
    rejected: Vec<(bool, IcmpMessage)>,
}

impl Gate {
    /// Forgets the flows that passed; rules stay.
    pub(crate) fn forget(&mut self) {
        self.rejected.clear();
        if let Some(firewall) = &mut self.firewall {
            firewall.forget();
        }
        if let Some((nat, _)) = self.nat.as_deref_mut() {
            nat.clear();
        }
    }

    /// Whether sockets are to be told of something.
    pub(crate) fn has_news(&self) -> bool {
        !self.rejected.is_empty()
    }
}

impl IpStack {
    /// What packets have to pass; made when it is first asked for.
    pub(crate) fn gate_mut(&mut self) -> &mut Gate {
        self.forget_ways();
        self.gate.get_or_insert_with(Box::default)
    }

    /// Sends a packet of the node's own that its rules do not know.
    fn output_exempt(&mut self, packet: Hot, cx: &mut Context<'_>) -> bool {
        self.stats.tx_packets += 1;
        self.stats.tx_bytes += u64::from(packet.len);
        self.output_unscreened(packet, cx)
    }

    /// Holds a packet of the node's own against its rules; ends it when it may not leave.
    #[cold]
    #[inline(never)]
    pub(crate) fn screen_output(&mut self, packet: Hot, cx: &mut Context<'_>) -> Option<Hot> {
        let is_local = self.is_local(packet.dst);
        let Some(gate) = self.gate.as_deref_mut().filter(|_| !is_local) else { return Some(packet) };
        let Some(firewall) = &mut gate.firewall else { return Some(packet) };
        let verdict = firewall.judge(List::Outbound, &subject_of(cx.packets, &packet), cx.now);
        if verdict == Verdict::Pass {
            return Some(packet);
        }
        if verdict == Verdict::Reject {
            let is_v6 = AddressBook::is_v6(packet.dst);
            let message = error_about(&cx.packets.unpack(&packet), Trouble::Prohibited);
            gate.rejected.extend(message.map(|message| (is_v6, message)));
            self.wake_soon(cx);
        }
        cx.end(packet, Cause::Firewall);
        None
    }
}

impl IpNode {
    /// Rules for what comes, goes and passes, or none. Flows that were let pass before go on.
    pub fn set_firewall(&mut self, firewall: Option<Firewall>) {
        self.stack.gate_mut().firewall = firewall.map(Box::new);
    }

    /// Takes the rules away.
    pub fn take_firewall(&mut self) -> Option<Firewall> {
        self.stack.gate.as_mut()?.firewall.take().map(|firewall| *firewall)
    }

    /// Its rules and what they counted.
    pub fn firewall(&self) -> Option<&Firewall> {
        self.stack.gate.as_ref()?.firewall.as_deref()
    }

    /// The same, to take what it has written down.
    pub fn firewall_mut(&mut self) -> Option<&mut Firewall> {
        self.stack.gate.as_mut()?.firewall.as_deref_mut()
    }

    /// Handles a packet at a node with a gate.
    #[cold]
    #[inline(never)]
    pub(crate) fn handle_gated(&mut self, port: u32, packet: Hot, cx: &mut Context<'_>) {
        let before = self.stack.stats.received();
        self.pass_gate(port, packet, cx);
        self.stack.stats.note_received(before);
    }

    fn pass_gate(&mut self, port: u32, packet: Hot, cx: &mut Context<'_>) {
        let is_v6 = AddressBook::is_v6(packet.dst);
        // Rules speak of ports: fragments are put together first. Those of IPv6 could not be cut again, so they pass as they are.
        if cx.packets.piece(&packet).is_some() && !(is_v6 && self.forwards()) {
            return self.handle_fragment(port, packet, cx);
        }
        let Some(packet) = self.translate_arrival(port, packet, cx) else { return };
        if self.stack.is_local(packet.dst)
            || !packet.dst.is_multicast() && self.stack.is_broadcast(port, packet.dst)
        {
            if is_v6 && is_discovery(cx.packets, &packet) || self.is_service(&packet, cx) {
                return self.deliver(port, packet, cx);
            }
            if let Some(packet) = self.screen(List::Inbound, packet, cx) {
                self.deliver(port, packet, cx);
            }
        } else if AddressBook::is_v6_group(packet.dst) {
            cx.end(packet, Cause::NotForMe);
        } else if packet.dst.is_multicast() {
            // Messages of routing protocols are for the link and not held against rules.
            self.handle_group(port, packet, cx);
        } else if self.forwards() && packet.ttl <= 1 {
            self.forward(port, packet, cx); // It ends here, whatever the rules say (RFC 1812 section 5.3.1).
        } else if self.forwards() {
            let packet = self.screen(List::Forward, packet, cx);
            if let Some(packet) = packet.and_then(|packet| self.translate_departure(port, packet, cx)) {
                self.forward(port, packet, cx);
            }
        } else {
            cx.end(packet, Cause::NotForMe);
        }
    }

    /// Tells sockets what became of their packets.
    #[cold]
    pub(crate) fn tell_rejected(&mut self, cx: &mut Context<'_>) {
        let Some(gate) = &mut self.stack.gate else { return };
        for (is_v6, message) in std::mem::take(&mut gate.rejected) {
            self.hear(self.stack.address(), 0, is_v6, &message, cx);
        }
    }

    /// Holds a packet against a list of rules; ends it when it may not pass.
    fn screen(&mut self, list: List, packet: Hot, cx: &mut Context<'_>) -> Option<Hot> {
        let firewall = self.stack.gate.as_mut().and_then(|gate| gate.firewall.as_mut());
        let Some(firewall) = firewall else { return Some(packet) };
        match firewall.judge(list, &subject_of(cx.packets, &packet), cx.now) {
            Verdict::Pass => return Some(packet),
            Verdict::Deny => {}
            Verdict::Reject => self.refuse(&packet, cx),
        }
        cx.end(packet, Cause::Firewall);
        None
    }

    /// Tells the sender of a packet that it may not pass: with a reset if it was TCP, else with ICMP (RFC 1812 section 5.2.7.1). The
    /// answer is the rule's own, so no rule is asked about it.
    fn refuse(&mut self, packet: &Hot, cx: &mut Context<'_>) {
        let Some(segment) = cx.packets.tcp(packet) else {
            return self.report_by(packet, Trouble::Prohibited, IpStack::output_exempt, cx);
        };
        let Some(mut reset) = reset_for(&segment) else { return };
        let (src, dst) = (packet.dst, cx.packets.body(packet).src);
        let header = self.stack.header(src, dst, Ecn::NotCapable);
        let hash = crate::ways::flow_hash(6, src, reset.src_port, dst, reset.dst_port);
        let answer = cx.packets.insert_tcp(&header, &mut reset, hash, cx.now);
        let is_own = self.stack.is_local(src);
        let answer = if is_own { Some(answer) } else { self.translate_departure(LOOPBACK, answer, cx) };
        if let Some(answer) = answer {
            self.stack.output_exempt(answer, cx);
        }
    }
}

/// What those who watch flows know of a packet.
pub(crate) fn subject_of(packets: &Packets, packet: &Hot) -> Subject {
    let body = packets.body(packet);
    let flow = |protocol: Protocol, src, dst| FlowKey {
        protocol: protocol.0,
        src: Endpoint::new(body.src, src),
        dst: Endpoint::new(packet.dst, dst),
    };
    let (flow, nature) = match body.content {
        Content::Tcp(tcp) => (flow(Protocol::TCP, tcp.src_port, tcp.dst_port), Nature::Tcp(tcp.flags)),
        Content::Udp(udp, _) => (flow(Protocol::UDP, udp.src_port, udp.dst_port), Nature::Plain),
        Content::Icmp(kind, code, rest) => {
            let id = (rest >> 16) as u16;
            let is_v6 = AddressBook::is_v6(packet.dst);
            let (src, dst) = match (kind, is_v6) {
                (IcmpMessage::ECHO_REQUEST, false) | (IcmpMessage::V6_ECHO_REQUEST, true) => (id, 0),
                (IcmpMessage::TIMESTAMP_REQUEST, false) => (id, 0),
                (IcmpMessage::TIMESTAMP_REPLY, false) => (0, id),
                (IcmpMessage::ECHO_REPLY, false) | (IcmpMessage::V6_ECHO_REPLY, true) => (0, id),
                _ => (0, 0),
            };
            let message = IcmpMessage { kind, code, rest, payload: packets.payload(packet) };
            let quote = if is_v6 { quote_v6(&message, packets) } else { message.quote() };
            let about = quote.map(|quote| Nature::Error(flow_of(&quote)));
            (flow(Protocol::ICMP, src, dst), about.unwrap_or(Nature::Plain))
        }
        Content::Raw(protocol, ..) => (flow(protocol, 0, 0), Nature::Plain),
        Content::Arp(_) | Content::Bpdu(_) | Content::Pause(_) => (flow(Protocol(0), 0, 0), Nature::Plain),
    };
    debug_assert!(packet.kind() != HotKind::Arp, "only packets of the network layer come here");
    Subject { flow, nature, len: packet.len }
}

/// Whether a packet is neighbour discovery, without which nothing else works.
fn is_discovery(packets: &Packets, packet: &Hot) -> bool {
    matches!(packets.body(packet).content, Content::Icmp(133..=137, ..)) && packet.ttl == Ndp::HOP_LIMIT
}

/// The flow that an ICMP error speaks of.
pub(crate) fn flow_of(quote: &Quote) -> FlowKey {
    let (src, dst) = match (quote.ports(), quote.echo()) {
        (Some(ports), _) => ports,
        (None, Some((id, _))) => (id, 0),
        (None, None) => (0, 0),
    };
    FlowKey {
        protocol: quote.protocol.0,
        src: Endpoint::new(quote.header.src, src),
        dst: Endpoint::new(quote.header.dst, dst),
    }
}
