//! What a node says and hears about packets (ICMP: RFC 792, RFC 1122 section 3.2.2; ICMPv6: RFC 4443), and fragments for it.

use crate::ways::flow_hash;
use crate::{Context, EchoOutcome, IpNode, IpStack};
use std::net::Ipv4Addr;
use tidewire_l3_network::{NextHop, Pieced, Trouble, error_about};
use tidewire_units::Instant;
use tidewire_wire::{AddressBook, Cause, Ecn, Hot, IcmpMessage, Ipv4Header, Ndp, Packets, Payload, Quote};

/// How a packet of the node's own is sent.
pub(crate) type Output = fn(&mut IpStack, Hot, &mut Context<'_>) -> bool;

/// An echo request to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Echo {
    /// To whom.
    pub dst: Ipv4Addr,
    /// The echo socket's identifier.
    pub id: u16,
    /// Sequence number.
    pub seq: u16,
    /// Bytes of data.
    pub size: u32,
    /// Time to live.
    pub ttl: u8,
    /// Asks for the time there instead (RFC 792); it has no data then.
    pub timestamp: bool,
    /// Whether it must not be cut into fragments; without an opinion, when it fits on the way as far as that is known.
    pub dont_fragment: Option<bool>,
}

impl IpNode {
    pub(crate) fn handle_icmp(
        &mut self,
        port: u32,
        packet: Hot,
        kind: u8,
        code: u8,
        rest: u32,
        cx: &mut Context<'_>,
    ) {
        let from = cx.packets.body(&packet).src;
        let is_v6 = AddressBook::is_v6(packet.dst);
        let message = IcmpMessage { kind, code, rest, payload: cx.packets.payload(&packet) };
        let request = if is_v6 { IcmpMessage::V6_ECHO_REQUEST } else { IcmpMessage::ECHO_REQUEST };
        if kind == request {
            // RFC 1122 section 3.2.2.6: the reply carries the data back, from the address that was asked.
            let own = || if is_v6 { self.stack.ifaces[port as usize].addr6 } else { self.stack.address() };
            let src = if self.stack.is_local(packet.dst) { packet.dst } else { own() };
            let kind = if is_v6 { IcmpMessage::V6_ECHO_REPLY } else { IcmpMessage::ECHO_REPLY };
            cx.end(packet, Cause::Delivered);
            return self.send_icmp(src, from, IcmpMessage { kind, ..message }, cx);
        }
        if kind == IcmpMessage::TIMESTAMP_REQUEST && !is_v6 {
            let src = if self.stack.is_local(packet.dst) { packet.dst } else { self.stack.address() };
            let reply = message.timestamp_reply(since_midnight(cx.now));
            cx.end(packet, if reply.is_some() { Cause::Delivered } else { Cause::Malformed });
            return reply.into_iter().for_each(|reply| self.send_icmp(src, from, reply, cx));
        }
        if is_v6
            && packet.ttl == Ndp::HOP_LIMIT
            && let Ok(Some(ndp)) = Ndp::parse(&message)
        {
            if self.services.is_some() {
                self.handle_autoconf(port, &packet, &ndp, cx);
            }
            self.stack.handle_ndp(port, &packet, &ndp, cx);
            return cx.end(packet, Cause::Delivered);
        }
        if kind == IcmpMessage::REDIRECT && !is_v6 && !self.forwards() {
            // A router chooses its ways itself (RFC 1812 section 5.2.7.2).
            if let Some(quote) = message.quote() {
                self.stack.learn_detour(from, quote.header.dst, Ipv4Addr::from_bits(message.rest));
            }
        }
        self.hear(from, packet.ttl, is_v6, &message, cx);
        cx.end(packet, Cause::Delivered);
    }

    /// An echo reply, or an error about something that this node has sent.
    pub(crate) fn hear(
        &mut self,
        from: Ipv4Addr,
        ttl: u8,
        is_v6: bool,
        message: &IcmpMessage,
        cx: &mut Context<'_>,
    ) {
        let reply = if is_v6 { IcmpMessage::V6_ECHO_REPLY } else { IcmpMessage::ECHO_REPLY };
        let stamps = message.stamps().filter(|_| message.kind == IcmpMessage::TIMESTAMP_REPLY && !is_v6);
        if message.kind == reply || stamps.is_some() {
            let outcome = stamps.map_or(EchoOutcome::Reply, EchoOutcome::Times);
            let (id, seq) = ((message.rest >> 16) as u16, message.rest as u16);
            if let Some((sockets, _)) = self.sockets_mut() {
                sockets.handle_echo_reply(from, ttl, (id, seq), outcome, cx);
            }
            return;
        }
        let trouble = if is_v6 { Trouble::from_v6(message) } else { Trouble::from_v4(message) };
        let quote = if is_v6 { quote_v6(message, cx.packets) } else { message.quote() };
        let (Some(trouble), Some(quote)) = (trouble, quote) else { return };
        if let Trouble::TooBig(mtu) = trouble {
            self.stack.learn_path_mtu(cx.now, quote.header.dst, mtu);
        }
        if let Some((sockets, stack)) = self.sockets_mut() {
            sockets.handle_trouble(from, ttl, trouble, &quote, stack, cx);
        }
    }

    /// Tells the sender of `packet` what became of it; a packet of the node's own is reported to its socket directly.
    pub(crate) fn report(&mut self, packet: &Hot, trouble: Trouble, cx: &mut Context<'_>) {
        self.report_by(packet, trouble, IpStack::output, cx);
    }

    /// As [`IpNode::report`], with the way out of the message.
    pub(crate) fn report_by(&mut self, packet: &Hot, trouble: Trouble, send: Output, cx: &mut Context<'_>) {
        let src = cx.packets.body(packet).src;
        let Some(message) = error_about(&cx.packets.unpack(packet), trouble) else { return };
        if self.stack.is_local(src) {
            if self.stack.gate.is_some() && self.report_inside(&message, cx) {
                return;
            }
            return self.hear(src, 0, AddressBook::is_v6(src), &message, cx);
        }
        if let Some(limit) = &mut self.stack.error_limit
            && !matches!(trouble, Trouble::TooBig(_))
            && !limit.0.allows(cx.now)
        {
            limit.1 += 1;
            return;
        }
        if let Some((own, _)) = self.stack.source_for(src).filter(|(own, _)| !own.is_unspecified()) {
            self.send_icmp_by(own, src, message, send, cx);
        }
    }

    /// Tells a neighbour that another router on its link is the better first hop (RFC 1812 section 5.2.7.2). Later packets of the flow
    /// take the short way and cause no more of these.
    pub(crate) fn redirect(&mut self, port: u32, hop: NextHop, packet: &Hot, cx: &mut Context<'_>) {
        let src = cx.packets.body(packet).src;
        let iface = &self.stack.ifaces[port as usize];
        let Some(gateway) = hop.gateway.filter(|_| iface.framed && iface.prefix.contains(src)) else {
            return;
        };
        let (own, whole) = (iface.addr, cx.packets.unpack(packet));
        if let tidewire_wire::Net::Ipv4(header, transport) = &whole.net
            && !AddressBook::is_v6(src)
            && error_about(&whole, Trouble::TtlExpired).is_some()
        {
            let message = IcmpMessage::about(IcmpMessage::REDIRECT, 1, gateway.to_bits(), header, transport);
            self.send_icmp(own, src, message, cx);
        }
    }

    fn send_icmp(&mut self, src: Ipv4Addr, dst: Ipv4Addr, message: IcmpMessage, cx: &mut Context<'_>) {
        self.send_icmp_by(src, dst, message, IpStack::output, cx);
    }

    fn send_icmp_by(
        &mut self,
        src: Ipv4Addr,
        dst: Ipv4Addr,
        message: IcmpMessage,
        send: Output,
        cx: &mut Context<'_>,
    ) {
        let hash = flow_hash(1, src, 0, dst, 0);
        let mut header = self.stack.header(src, dst, Ecn::NotCapable);
        header.dont_fragment = false;
        let packet = cx.packets.insert_icmp(&header, message, hash);
        send(&mut self.stack, packet, cx);
    }

    /// Sends an echo request. False without a route.
    pub fn send_echo(&mut self, echo: Echo, cx: &mut Context<'_>) -> bool {
        let Echo { dst, id, seq, size, ttl, timestamp, dont_fragment } = echo;
        let Some((src, first)) = self.stack.source_for(dst).filter(|(src, _)| !src.is_unspecified()) else {
            return false;
        };
        let mut header = self.stack.header(src, dst, Ecn::NotCapable);
        let len = IpStack::header_len(dst) + IcmpMessage::HEADER_LEN as u32 + size;
        header.ttl = ttl;
        header.dont_fragment =
            dont_fragment.unwrap_or(len <= u32::from(self.stack.path_mtu(cx.now, dst, first)));
        let mut request = IcmpMessage::echo_request(id, seq, Payload::Zeros(size));
        match (AddressBook::is_v6(dst), timestamp) {
            (true, true) => return false,
            (true, false) => request.kind = IcmpMessage::V6_ECHO_REQUEST,
            (false, true) => request = IcmpMessage::timestamp_request(id, seq, since_midnight(cx.now)),
            (false, false) => {}
        }
        let packet = cx.packets.insert_icmp(&header, request, crate::ping_flow(src, dst, id));
        self.stack.output(packet, cx)
    }

    /// Takes a fragment of a packet for this node.
    #[cold]
    pub(crate) fn handle_fragment(&mut self, port: u32, packet: Hot, cx: &mut Context<'_>) {
        let Some(piece) = cx.packets.piece(&packet) else { return cx.end(packet, Cause::Malformed) };
        let src = cx.packets.body(&packet).src;
        let reassembly = self.reassembly.get_or_insert_default();
        cx.out.timers = true;
        match reassembly.handle_fragment(cx.now, src, piece, packet) {
            Pieced::Waits => self.give_up_fragments(cx),
            Pieced::Copy(copy) => cx.end(copy, Cause::Merged),
            Pieced::Spoiled(parts) => {
                self.stack.stats.reassembly_failures += 1;
                parts.into_iter().for_each(|part| cx.end(part, Cause::Malformed));
            }
            Pieced::Whole(parts) => {
                let whole = cx.packets.assemble(&parts);
                let cause = whole.as_ref().map_or_else(|wrong| wrong.cause(), |_| Cause::Merged);
                parts.into_iter().for_each(|part| cx.end(part, cause));
                match whole {
                    Ok(whole) => {
                        self.stack.stats.reassembled += 1;
                        self.deliver_whole(port, whole, cx);
                    }
                    Err(_) => self.stack.stats.reassembly_failures += 1,
                }
            }
        }
    }

    /// Ends fragments that have waited too long; tells their sender if the first one is there (RFC 792, RFC 8200 section 4.5).
    pub(crate) fn give_up_fragments(&mut self, cx: &mut Context<'_>) {
        while let Some(parts) = self.reassembly.as_mut().and_then(|waiting| waiting.poll_given_up(cx.now)) {
            self.stack.stats.reassembly_failures += 1;
            if let Some(first) = parts.first().copied() {
                self.report(&first, Trouble::FragmentTimeout, cx);
            }
            parts.into_iter().for_each(|part| cx.end(part, Cause::FragmentTimeout));
        }
    }
}

impl IpStack {
    /// Bytes of the IP header of a packet to `dst`.
    #[inline]
    pub fn header_len(dst: Ipv4Addr) -> u32 {
        if AddressBook::is_v6(dst) { tidewire_wire::Ipv6Header::LEN as u32 } else { Ipv4Header::LEN as u32 }
    }
}

/// Milliseconds since midnight, as time stamps have them: simulated time begins at midnight.
fn since_midnight(now: Instant) -> u32 {
    (now.as_ms() % 86_400_000) as u32
}

/// What an ICMPv6 error is about, by keys.
pub(crate) fn quote_v6(message: &IcmpMessage, packets: &Packets) -> Option<Quote> {
    let quote = message.quote_v6()?;
    let key = |address| packets.addresses.known_key(address);
    let header = Ipv4Header {
        src: key(quote.header.src)?,
        dst: key(quote.header.dst)?,
        ttl: quote.header.hop_limit,
        ident: 0,
        dscp: quote.header.dscp,
        ecn: quote.header.ecn,
        dont_fragment: true,
        more_fragments: quote.header.fragment.is_some_and(|fragment| fragment.more),
        fragment_offset: quote.header.fragment.map_or(0, |fragment| fragment.offset),
    };
    Some(Quote { header, protocol: quote.protocol, start: quote.start })
}
