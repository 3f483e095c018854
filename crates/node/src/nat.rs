//! Address translation at a router: which packets it concerns, and what becomes of those that cannot be translated.
//!
//! What comes is translated before it is held against rules, what leaves after that: rules speak of inner addresses.

use crate::gate::{flow_of, subject_of};
use crate::{Context, IpNode};
use std::net::Ipv4Addr;
use tidewire_l3_network::Trouble;
use tidewire_l3_network::gate::{FlowKey, Nat, Nature, Rewritten, Subject, Untranslated};
use tidewire_wire::{AddressBook, Cause, Ecn, Endpoint, Hot, IcmpMessage, Protocol};

impl IpNode {
    /// Translates addresses between the port that is outside and all others.
    pub fn set_nat(&mut self, nat: Nat, outside: u32) {
        self.stack.gate_mut().nat = Some(Box::new((nat, outside)));
    }

    /// Its mappings and what they counted.
    pub fn nat(&self) -> Option<&Nat> {
        self.stack.gate.as_ref()?.nat.as_ref().map(|nat| &nat.0)
    }

    /// The same, to make mappings by hand.
    pub fn nat_mut(&mut self) -> Option<&mut Nat> {
        self.stack.gate.as_mut()?.nat.as_mut().map(|nat| &mut nat.0)
    }

    /// The address that those outside see; none without translation, or before it has one.
    pub fn outer_address(&self) -> Option<Ipv4Addr> {
        let (_, outside) = **self.stack.gate.as_ref()?.nat.as_ref()?;
        Some(self.stack.ifaces[outside as usize].addr).filter(|addr| !addr.is_unspecified())
    }

    /// A packet that has arrived: one from outside for an inner host gets its address, and so does one from inside for the outer
    /// address of another inner host. Ends packets from outside that nobody asked for.
    pub(crate) fn translate_arrival(&mut self, port: u32, packet: Hot, cx: &mut Context<'_>) -> Option<Hot> {
        let Some(outer) = self.outer_address().filter(|_| !AddressBook::is_v6(packet.dst)) else {
            return Some(packet);
        };
        let subject = subject_of(cx.packets, &packet);
        let from_outside = port == self.outside_port()?;
        if packet.dst != outer {
            let is_own = self.stack.is_local(packet.dst)
                || packet.dst.is_multicast()
                || self.stack.is_broadcast(port, packet.dst);
            // Whoever knows an inner address has no way to it.
            return if from_outside && !is_own {
                self.refuse_translation(Untranslated::NoMapping, packet, cx)
            } else {
                Some(packet)
            };
        }
        let nat = self.nat_mut()?;
        let leads_inside = nat.leads_inside(&subject, cx.now);
        if leads_inside && packet.ttl <= 1 {
            // With its outer addresses, so that the sender knows what it is about (RFC 5508 section 4).
            self.report(&packet, Trouble::TtlExpired, cx);
            cx.end(packet, Cause::TtlExpired);
            return None;
        }
        let nat = self.nat_mut()?;
        let result = match (from_outside, leads_inside) {
            (true, _) => nat.inbound(&subject, cx.now),
            (false, true) => nat.hairpin(&subject, outer, cx.now),
            (false, false) => return Some(packet),
        };
        match result {
            Ok(new) => Some(apply(packet, &new, cx)),
            Err(Untranslated::NoMapping) if self.is_for_itself(&subject) => Some(packet),
            Err(why) => self.refuse_translation(why, packet, cx),
        }
    }

    /// A packet from inside that is about to leave: if the way leads outside, its source becomes the outer address.
    pub(crate) fn translate_departure(
        &mut self,
        port: u32,
        packet: Hot,
        cx: &mut Context<'_>,
    ) -> Option<Hot> {
        let Some(outer) = self.outer_address().filter(|_| !AddressBook::is_v6(packet.dst)) else {
            return Some(packet);
        };
        let outside = self.outside_port()?;
        let leaves = port != outside && self.stack.next_hop(&packet).is_some_and(|hop| hop.port == outside);
        // What will not leave is reported with its inner addresses.
        let mtu = self.stack.ifaces[outside as usize].mtu;
        let goes_on = packet.ttl > 1 && (packet.len <= mtu || !packet.dont_fragment());
        if !leaves || !goes_on {
            return Some(packet);
        }
        let subject = subject_of(cx.packets, &packet);
        match self.nat_mut()?.outbound(&subject, outer, cx.now) {
            Ok(new) => Some(apply(packet, &new, cx)),
            Err(why) => self.refuse_translation(why, packet, cx),
        }
    }

    /// Tells an inner host what became of its packet after it was translated. False when no inner host had sent it.
    pub(crate) fn report_inside(&mut self, message: &IcmpMessage, cx: &mut Context<'_>) -> bool {
        let Some((outer, quote)) = self.outer_address().zip(message.quote()) else { return false };
        let here = Endpoint::new(outer, 0);
        let flow = FlowKey { protocol: Protocol::ICMP.0, src: here, dst: here };
        let subject = Subject { flow, nature: Nature::Error(flow_of(&quote)), len: 0 };
        let Some(Ok(new)) = self.nat_mut().map(|nat| nat.inbound(&subject, cx.now)) else { return false };
        let (Some((src, _)), Some(quoted)) = (self.stack.source_for(new.flow.dst.addr), new.quoted) else {
            return false;
        };
        let mut header = self.stack.header(src, new.flow.dst.addr, Ecn::NotCapable);
        header.dont_fragment = false;
        let hash = crate::ways::flow_hash(1, src, 0, header.dst, 0);
        let packet = cx.packets.insert_icmp(&header, message.clone(), hash);
        cx.packets.rewrite_quote(&packet, quoted.src, quoted.dst);
        self.stack.output_unscreened(packet, cx);
        true
    }

    fn outside_port(&self) -> Option<u32> {
        Some(self.stack.gate.as_ref()?.nat.as_ref()?.1)
    }

    fn refuse_translation(&mut self, why: Untranslated, packet: Hot, cx: &mut Context<'_>) -> Option<Hot> {
        self.nat_mut()?.count_refused(why);
        let cause = if why == Untranslated::NoPort { Cause::NatPorts } else { Cause::NatFilter };
        cx.end(packet, cause);
        None
    }

    /// Whether a packet for the outer address that leads to nobody inside is for the translator's own sockets; it answers pings.
    /// Nothing else is answered: silence lets those inside open the same flow from their side (RFC 5382 REQ-4).
    fn is_for_itself(&self, subject: &Subject) -> bool {
        let local = |end: Endpoint, other: Endpoint| {
            self.sockets().is_some_and(|sockets| sockets.has(subject.flow.protocol, end, other))
        };
        match subject.nature {
            Nature::Error(_) => true,
            _ if subject.flow.protocol == Protocol::ICMP.0 => true,
            _ => local(subject.flow.dst, subject.flow.src),
        }
    }
}

fn apply(mut packet: Hot, new: &Rewritten, cx: &mut Context<'_>) -> Hot {
    cx.packets.rewrite(&mut packet, new.flow.src, new.flow.dst);
    if let Some(quoted) = new.quoted {
        cx.packets.rewrite_quote(&packet, quoted.src, quoted.dst);
    }
    packet
}
