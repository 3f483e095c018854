//! The pools of packets in flight: a [`Hot`] of 32 bytes moves from link to link, a 64-byte [`Body`] stays here.
//!
//! MAC and IP headers are derived from the descriptor and the hop, so no bytes are made unless somebody looks.

use crate::{
    AddressBook, ArpPacket, Birth, Bpdu, FragmentHeader, Hot, HotKind, IcmpMessage, Ipv4Header, Ipv6Header,
    LinkLayer, MacKey, Net, PackedTcp, Packet, PauseFrame, Payload, Protocol, TcpSegment, Transport,
    UdpHeader, VlanId, VlanTag,
};
use bytes::Bytes;
use std::net::Ipv4Addr;
use tidewire_units::Instant;

const _: () = assert!(size_of::<Body>() == 64);

/// What a body holds besides addresses.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// A TCP header.
    Tcp(PackedTcp),
    /// A UDP header and when the datagram was sent.
    Udp(UdpHeader, [u32; 2]),
    /// Type, code and the four bytes after the checksum.
    Icmp(u8, u8, u32),
    /// Another protocol, or a fragment: offset, more-fragments bit, and when the datagram was sent that it is a part of.
    Raw(Protocol, u16, bool, [u32; 2]),
    /// An ARP packet.
    Arp(ArpPacket),
    /// A bridge protocol data unit as it is on the wire, zeros behind it.
    Bpdu([u8; Bpdu::MAX_LEN]),
    /// A PAUSE frame.
    Pause(PauseFrame),
}

impl Content {
    pub(crate) fn raw(protocol: Protocol, offset: u16, more: bool, sent: Option<Instant>) -> Content {
        let ps = sent.map_or(u64::MAX, Instant::as_ps);
        Content::Raw(protocol, offset, more, [ps as u32, (ps >> 32) as u32])
    }
}

/// Set in [`Body::payload`] when the payload is synthetic; the other bits are its length.
const SYNTHETIC: u32 = 1 << 31;

/// The part of a packet that only its endpoints read: 64 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    /// Source address.
    pub src: Ipv4Addr,
    /// Identification field of the IP header.
    pub ident: u16,
    /// Differentiated services code point.
    pub dscp: u8,
    /// How the packet was born.
    pub birth: Birth,
    /// Handle of the real bytes, or [`SYNTHETIC`] and the number of synthetic ones.
    payload: u32,
    /// The rest.
    pub content: Content,
}

/// The bits of a flow's hash that stand in the flow label (RFC 6437).
const FLOW_LABEL: u32 = 0xF_FFFF;
/// How much longer the IPv6 header is.
const MORE_FOR_V6: usize = Ipv6Header::LEN - Ipv4Header::LEN;

impl Body {
    const BLANK: Body = Body {
        src: Ipv4Addr::UNSPECIFIED,
        ident: 0,
        dscp: 0,
        birth: Birth::Sent,
        payload: SYNTHETIC,
        content: Content::Icmp(0, 0, 0),
    };
}

/// The pools of all packets in flight in one world. Slots are recycled last in, first out, so that the hot ones stay in cache.
#[derive(Default)]
pub struct Packets {
    bodies: Vec<Body>,
    free_bodies: Vec<u32>,
    payloads: Vec<Bytes>,
    free_payloads: Vec<u32>,
    /// VLANs of tagged frames, by body; empty until a frame is tagged.
    tags: Vec<Option<VlanId>>,
    /// What keys stand for, of IPv6 addresses.
    pub addresses: AddressBook,
    /// How many packets were born, by how.
    born: [u64; Birth::ALL.len()],
}

impl Packets {
    /// Empty pools.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many packets are in flight.
    pub fn in_flight(&self) -> usize {
        self.bodies.len() - self.free_bodies.len()
    }

    /// How many packets were ever born so.
    pub fn born(&self, birth: Birth) -> u64 {
        self.born[birth as usize]
    }

    /// The body of a packet.
    #[inline]
    pub fn body(&self, hot: &Hot) -> &Body {
        &self.bodies[hot.body as usize]
    }

    /// The body of a packet, to change it.
    #[inline]
    pub fn body_mut(&mut self, hot: &Hot) -> &mut Body {
        &mut self.bodies[hot.body as usize]
    }

    /// A TCP segment as a packet; its payload is taken. `header` gives addresses and IP fields; MAC addresses are set when it is sent.
    #[inline]
    pub fn insert_tcp(
        &mut self,
        header: &Ipv4Header,
        segment: &mut TcpSegment,
        flow_hash: u32,
        now: Instant,
    ) -> Hot {
        let payload = std::mem::take(&mut segment.payload);
        let content = || Content::Tcp(PackedTcp::pack(segment, now));
        self.insert(header, HotKind::Tcp, segment.header_len(), content, payload, flow_hash)
    }

    /// A UDP datagram as a packet.
    #[inline]
    pub fn insert_udp(
        &mut self,
        header: &Ipv4Header,
        udp: UdpHeader,
        payload: Payload,
        flow_hash: u32,
        now: Instant,
    ) -> Hot {
        let ps = now.as_ps();
        let content = || Content::Udp(udp, [ps as u32, (ps >> 32) as u32]);
        self.insert(header, HotKind::Udp, UdpHeader::LEN, content, payload, flow_hash)
    }

    /// An ICMP message as a packet.
    pub fn insert_icmp(&mut self, header: &Ipv4Header, message: IcmpMessage, flow_hash: u32) -> Hot {
        let content = || Content::Icmp(message.kind, message.code, message.rest);
        self.insert(header, HotKind::Ip, IcmpMessage::HEADER_LEN, content, message.payload, flow_hash)
    }

    /// A packet of another protocol than TCP, UDP and ICMP, or a fragment.
    pub fn insert_raw(
        &mut self,
        header: &Ipv4Header,
        protocol: Protocol,
        payload: Payload,
        flow_hash: u32,
    ) -> Hot {
        let content = || Content::raw(protocol, header.fragment_offset, header.more_fragments, None);
        self.insert(header, HotKind::Ip, 0, content, payload, flow_hash)
    }

    /// An ARP packet.
    pub fn insert_arp(&mut self, arp: ArpPacket) -> Hot {
        let body = Body {
            src: arp.sender_ip,
            ident: 0,
            dscp: 0,
            birth: Birth::Sent,
            payload: SYNTHETIC,
            content: Content::Arp(arp),
        };
        Hot::arp(arp.target_ip, self.store(body))
    }

    /// A bridge protocol data unit as a packet. Its destination is the bridges' group address.
    pub fn insert_bpdu(&mut self, unit: &Bpdu) -> Hot {
        let mut bytes = Vec::with_capacity(Bpdu::MAX_LEN);
        unit.emit(&mut bytes);
        bytes.resize(Bpdu::MAX_LEN, 0);
        let content = Content::Bpdu(bytes.try_into().expect("as long as the longest"));
        let slot = self.store(Body { content, ..Body::BLANK });
        Hot { dst_mac: MacKey::BRIDGES, ..Hot::bpdu(unit.wire_len() as u16, slot) }
    }

    /// The bridge protocol data unit that a packet is.
    pub fn bpdu(&self, hot: &Hot) -> Option<Bpdu> {
        match &self.body(hot).content {
            Content::Bpdu(bytes) => Bpdu::parse(bytes).ok(),
            _ => None,
        }
    }

    /// A PAUSE frame as a packet, with its destination.
    pub fn insert_pause(&mut self, pause: PauseFrame) -> Hot {
        let slot = self.store(Body { content: Content::Pause(pause), ..Body::BLANK });
        Hot { dst_mac: MacKey::PAUSE, ..Hot::pause(slot) }
    }

    /// The PAUSE frame that a packet is.
    pub fn pause(&self, hot: &Hot) -> Option<PauseFrame> {
        match &self.body(hot).content {
            Content::Pause(pause) => Some(*pause),
            _ => None,
        }
    }

    /// Any packet, MAC addresses included, so that [`unpack`](Self::unpack) gives it back. `None` when it cannot be packed: a MAC
    /// address that no interface of a simulated network has, a VLAN tag with a priority, a reserved IPv4 address (240.0.0.0/4), more than 65,535 bytes, TCP options that exclude each other, or a
    /// whole transport header in a fragment.
    pub fn insert_packet(&mut self, packet: &Packet, flow_hash: u32, now: Instant) -> Option<Hot> {
        let src_mac = MacKey::from_mac(packet.src_mac)?;
        let dst_mac = MacKey::from_mac(packet.dst_mac)?;
        if packet.vlan.is_some_and(|tag| tag.vlan.map(VlanTag::of) != Some(tag)) {
            return None;
        }
        if packet.net.wire_len() > Ipv4Header::MAX_PACKET {
            return None;
        }
        if let Net::Ipv4(header, _) = &packet.net
            && (AddressBook::is_v6(header.src) || AddressBook::is_v6(header.dst))
        {
            return None;
        }
        let hot = match &packet.net {
            Net::Arp(arp) => self.insert_arp(*arp),
            Net::Bpdu(unit) => self.insert_bpdu(unit),
            Net::Pause(pause) => self.insert_pause(*pause),
            Net::Ipv4(header, Transport::Raw(protocol, payload)) => {
                self.insert_raw(header, *protocol, payload.clone(), flow_hash)
            }
            Net::Ipv4(header, _) if header.is_fragment() => return None,
            Net::Ipv4(header, transport) => self.insert_transport(header, transport, flow_hash, now)?,
            Net::Ipv6(header, transport) => {
                let fragment = header.fragment.unwrap_or(FragmentHeader { offset: 0, more: false, ident: 0 });
                let keyed = Ipv4Header {
                    src: self.addresses.key(header.src),
                    dst: self.addresses.key(header.dst),
                    ttl: header.hop_limit,
                    ident: fragment.ident as u16,
                    dscp: header.dscp,
                    ecn: header.ecn,
                    dont_fragment: true,
                    more_fragments: fragment.more,
                    fragment_offset: fragment.offset,
                };
                let is_raw = matches!(transport, Transport::Raw(..));
                if header.fragment.is_some() && !(is_raw && keyed.is_fragment()) {
                    return None;
                }
                let label = flow_hash & !FLOW_LABEL | header.flow_label;
                match transport {
                    Transport::Raw(protocol, payload) => {
                        self.insert_raw(&keyed, *protocol, payload.clone(), label)
                    }
                    transport => self.insert_transport(&keyed, transport, label, now)?,
                }
            }
        };
        let hot = Hot { src_mac, dst_mac, ..hot };
        self.set_vlan(&hot, packet.vlan.and_then(|tag| tag.vlan));
        Some(hot)
    }

    fn insert_transport(
        &mut self,
        header: &Ipv4Header,
        transport: &Transport,
        flow_hash: u32,
        now: Instant,
    ) -> Option<Hot> {
        Some(match transport {
            Transport::Tcp(segment) => {
                if !PackedTcp::fits(&segment.options) {
                    return None;
                }
                self.insert_tcp(header, &mut segment.clone(), flow_hash, now)
            }
            Transport::Udp(udp, payload) => self.insert_udp(header, *udp, payload.clone(), flow_hash, now),
            Transport::Icmp(message) => self.insert_icmp(header, message.clone(), flow_hash),
            Transport::Raw(protocol, payload) => {
                self.insert_raw(header, *protocol, payload.clone(), flow_hash)
            }
        })
    }

    /// A part of a packet, with a body of its own.
    pub(crate) fn insert_part(
        &mut self,
        whole: &Hot,
        content: Content,
        data: Bytes,
        header_len: usize,
    ) -> Hot {
        let len = (header_len + data.len()) as u16;
        let payload = self.store_payload(data);
        let body = Body { birth: Birth::Fragment, payload, content, ..*self.body(whole) };
        Hot { body: self.store(body), len, ..whole.as_fragment() }
    }

    /// Enters a packet that was just made as born otherwise than sent.
    pub fn rename(&mut self, hot: &Hot, birth: Birth) {
        let before = std::mem::replace(&mut self.body_mut(hot).birth, birth);
        self.born[before as usize] -= 1;
        self.born[birth as usize] += 1;
    }

    /// The VLAN in the tag of a frame.
    #[inline]
    pub fn vlan(&self, hot: &Hot) -> Option<VlanId> {
        self.tags.get(hot.body as usize).copied().flatten()
    }

    /// Tags a frame, or takes its tag away.
    pub fn set_vlan(&mut self, hot: &Hot, vlan: Option<VlanId>) {
        let at = hot.body as usize;
        if at >= self.tags.len() {
            if vlan.is_none() {
                return;
            }
            self.tags.resize(self.bodies.len(), None);
        }
        self.tags[at] = vlan;
    }

    #[cold]
    fn untag(&mut self, hot: &Hot) {
        self.set_vlan(hot, None);
    }

    /// A further copy of a packet, with a body of its own.
    pub fn copy(&mut self, hot: &Hot, birth: Birth) -> Hot {
        let mut body = *self.body(hot);
        body.birth = birth;
        if body.payload & SYNTHETIC == 0 {
            let data = self.payloads[body.payload as usize].clone();
            body.payload = self.store_payload(data);
        }
        let copy = Hot { body: self.store(body), ..*hot };
        if let Some(vlan) = self.vlan(hot) {
            self.set_vlan(&copy, Some(vlan));
        }
        copy
    }

    /// Ends a packet: its slots are recycled. Returns how it was born.
    #[inline]
    pub fn release(&mut self, hot: Hot) -> Birth {
        let body = self.body(&hot);
        let (birth, payload) = (body.birth, body.payload);
        if payload & SYNTHETIC == 0 {
            self.release_payload(payload);
        }
        if !self.tags.is_empty() {
            self.untag(&hot);
        }
        self.free_bodies.push(hot.body);
        birth
    }

    /// The packet's payload; real bytes are shared, not copied.
    #[inline]
    pub fn payload(&self, hot: &Hot) -> Payload {
        self.payload_of(self.body(hot))
    }

    #[inline]
    fn payload_of(&self, body: &Body) -> Payload {
        if body.payload & SYNTHETIC != 0 {
            return Payload::Zeros(body.payload & !SYNTHETIC);
        }
        Payload::Data(self.payloads[body.payload as usize].clone())
    }

    /// The TCP segment of a packet; `None` for another kind.
    #[inline]
    pub fn tcp(&self, hot: &Hot) -> Option<TcpSegment> {
        let body = self.body(hot);
        match &body.content {
            Content::Tcp(tcp) => Some(tcp.unpack(self.payload_of(body))),
            _ => None,
        }
    }

    /// The TCP segment of a packet, put into a place that is used again and again, with its source address and when it was sent,
    /// if known; `None` for another kind. The payload leaves the packet, which has arrived.
    #[inline]
    pub fn tcp_into(&mut self, hot: &Hot, to: &mut TcpSegment) -> Option<(Ipv4Addr, Option<Instant>)> {
        let body = self.body(hot);
        let Content::Tcp(tcp) = &body.content else { return None };
        tcp.unpack_into(to);
        let (payload, result) = (body.payload, Some((body.src, tcp.sent_at())));
        to.payload = if payload & SYNTHETIC != 0 {
            Payload::Zeros(payload & !SYNTHETIC)
        } else {
            Payload::Data(std::mem::take(&mut self.payloads[payload as usize]))
        };
        result
    }

    /// The IP header as it stands on this hop.
    pub fn ipv4_header(&self, hot: &Hot) -> Ipv4Header {
        let body = self.body(hot);
        let (fragment_offset, more_fragments) = match body.content {
            Content::Raw(_, offset, more, _) => (offset, more),
            _ => (0, false),
        };
        Ipv4Header {
            src: body.src,
            dst: hot.dst,
            ttl: hot.ttl,
            ident: body.ident,
            dscp: body.dscp,
            ecn: hot.ecn(),
            dont_fragment: hot.dont_fragment(),
            more_fragments,
            fragment_offset,
        }
    }

    fn ipv6_header(&self, hot: &Hot) -> Ipv6Header {
        let body = self.body(hot);
        let fragment = self.piece(hot).map(|piece| FragmentHeader {
            offset: (piece.start / 8) as u16,
            more: piece.more,
            ident: u32::from(body.ident),
        });
        Ipv6Header {
            src: self.addresses.v6(body.src),
            dst: self.addresses.v6(hot.dst),
            hop_limit: hot.ttl,
            dscp: body.dscp,
            ecn: hot.ecn(),
            flow_label: hot.flow_hash & FLOW_LABEL,
            fragment,
        }
    }

    /// Every field of every header, as the packet stands on this hop.
    pub fn unpack(&self, hot: &Hot) -> Packet {
        let net = self.unpack_net(hot);
        let vlan = self.vlan(hot).map(VlanTag::of);
        Packet { src_mac: hot.src_mac.mac(), dst_mac: hot.dst_mac.mac(), vlan, net }
    }

    fn unpack_net(&self, hot: &Hot) -> Net {
        let payload = self.payload(hot);
        let transport = match &self.body(hot).content {
            Content::Tcp(tcp) => Transport::Tcp(tcp.unpack(payload)),
            Content::Udp(udp, _) => Transport::Udp(*udp, payload),
            Content::Icmp(kind, code, rest) => {
                Transport::Icmp(IcmpMessage { kind: *kind, code: *code, rest: *rest, payload })
            }
            Content::Raw(protocol, ..) => Transport::Raw(*protocol, payload),
            Content::Arp(arp) => return Net::Arp(*arp),
            Content::Pause(pause) => return Net::Pause(*pause),
            Content::Bpdu(bytes) => {
                return Net::Bpdu(Bpdu::parse(bytes).expect("it was made from one"));
            }
        };
        if AddressBook::is_v6(hot.dst) {
            Net::Ipv6(self.ipv6_header(hot), transport)
        } else {
            Net::Ipv4(self.ipv4_header(hot), transport)
        }
    }

    /// Makes the bytes of a packet, parses them and compares: the switch that keeps typed packets and bytes from drifting apart.
    ///
    /// # Errors
    /// A sentence on what does not agree.
    pub fn check_wire(&self, hot: &Hot, link: LinkLayer) -> Result<(), String> {
        let packet = self.unpack(hot);
        let len = packet.net.wire_len();
        if len != usize::from(hot.len) {
            return Err(format!("the descriptor says {} bytes, the headers {len}: {packet:?}", hot.len));
        }
        if link == LinkLayer::RawIp && !hot.is_ip() {
            return Err(format!("a frame on a link that carries bare IP packets: {packet:?}"));
        }
        let bytes = packet.emit(link);
        let parsed = Packet::parse(&bytes, link)
            .map_err(|wrong| format!("malformed ({wrong}) after emission: {packet:?} became {bytes:02x?}"))?;
        let same = if link == LinkLayer::RawIp { parsed.net == packet.net } else { parsed == packet };
        if same { Ok(()) } else { Err(format!("{packet:?} became {parsed:?}")) }
    }

    /// When a UDP datagram or TCP segment was sent, if known; of a fragment, the whole datagram.
    #[inline]
    pub fn sent_at(&self, hot: &Hot) -> Option<Instant> {
        match &self.body(hot).content {
            Content::Tcp(tcp) => tcp.sent_at(),
            Content::Udp(_, [low, high]) => Some(Instant::from_ps(u64::from(*low) | u64::from(*high) << 32)),
            Content::Raw(_, _, _, [low, high]) => {
                let ps = u64::from(*low) | u64::from(*high) << 32;
                (ps != u64::MAX).then_some(Instant::from_ps(ps))
            }
            _ => None,
        }
    }

    /// The content is made last, so that it is written once and in place.
    #[inline(always)]
    fn insert(
        &mut self,
        header: &Ipv4Header,
        kind: HotKind,
        transport_header_len: usize,
        content: impl FnOnce() -> Content,
        payload: Payload,
        flow_hash: u32,
    ) -> Hot {
        let mut len = Ipv4Header::LEN + transport_header_len + payload.len();
        if AddressBook::is_v6(header.dst) {
            len += if header.is_fragment() { MORE_FOR_V6 + FragmentHeader::LEN } else { MORE_FOR_V6 };
        }
        assert!(len <= Ipv4Header::MAX_PACKET, "an IP packet is shorter than 2^16 bytes");
        let payload = match payload {
            Payload::Zeros(n) => SYNTHETIC | n,
            Payload::Data(data) => self.store_payload(data),
        };
        let slot = self.slot(Birth::Sent);
        self.bodies[slot as usize] = Body {
            src: header.src,
            ident: header.ident,
            dscp: header.dscp,
            birth: Birth::Sent,
            payload,
            content: content(),
        };
        Hot::ip(kind, header, len as u16, flow_hash, slot)
    }

    fn store(&mut self, body: Body) -> u32 {
        let slot = self.slot(body.birth);
        self.bodies[slot as usize] = body;
        slot
    }

    /// A free slot for a body.
    #[inline(always)]
    fn slot(&mut self, birth: Birth) -> u32 {
        self.born[birth as usize] += 1;
        match self.free_bodies.pop() {
            Some(slot) => slot,
            None => self.grow(),
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) -> u32 {
        self.bodies.push(Body::BLANK);
        (self.bodies.len() - 1) as u32
    }

    /// Gives a packet other bytes to carry, as many as before.
    pub(crate) fn replace_payload(&mut self, hot: &Hot, payload: Payload) {
        let old = self.body(hot).payload;
        if old & SYNTHETIC == 0 {
            self.release_payload(old);
        }
        self.body_mut(hot).payload = match payload {
            Payload::Zeros(n) => SYNTHETIC | n,
            Payload::Data(data) => self.store_payload(data),
        };
    }

    #[inline(never)]
    fn store_payload(&mut self, data: Bytes) -> u32 {
        if let Some(handle) = self.free_payloads.pop() {
            self.payloads[handle as usize] = data;
            return handle;
        }
        let handle = self.payloads.len() as u32;
        assert!(handle < SYNTHETIC, "fewer than 2^31 payloads in flight");
        self.payloads.push(data);
        handle
    }
    #[inline(never)]
    fn release_payload(&mut self, handle: u32) {
        self.payloads[handle as usize] = Bytes::new();
        self.free_payloads.push(handle);
    }
}
