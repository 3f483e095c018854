//! Packed packets: a 32-byte descriptor that moves from link to link, and a 64-byte body that stays in its pool.
//!
//! MAC and IP headers are derived from the descriptor and the hop, so no bytes are made unless somebody looks.

use crate::{
    ArpPacket, Birth, Ecn, IcmpMessage, Ipv4Header, MacAddr, Net, Packet, Payload, Protocol, Seq, TcpFlags,
    TcpSegment, Timestamps, Transport, UdpHeader,
};
use bytes::Bytes;
use std::net::Ipv4Addr;
use tidewire_units::{IfaceId, Instant};

/// A MAC address in four bytes: the number of the interface that owns it, or broadcast.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MacKey(pub u32);

impl MacKey {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: MacKey = MacKey(u32::MAX);
    /// `00:00:00:00:00:00`, which nobody owns.
    pub const ZERO: MacKey = MacKey(u32::MAX - 1);

    /// The address of an interface.
    pub const fn of(iface: IfaceId) -> MacKey {
        MacKey(iface.0)
    }

    /// The 48-bit address.
    pub const fn mac(self) -> MacAddr {
        match self {
            MacKey::BROADCAST => MacAddr::BROADCAST,
            MacKey::ZERO => MacAddr([0; 6]),
            MacKey(iface) => MacAddr::of_iface(IfaceId(iface)),
        }
    }

    /// The key of a 48-bit address; `None` when no interface of a simulated network has it.
    pub fn from_mac(mac: MacAddr) -> Option<MacKey> {
        match mac.0 {
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF] => Some(MacKey::BROADCAST),
            [0, 0, 0, 0, 0, 0] => Some(MacKey::ZERO),
            [0x02, 0x00, a, b, c, d] => Some(MacKey(u32::from_be_bytes([a, b, c, d]))),
            _ => None,
        }
    }
}

/// What a descriptor describes; three bits of its flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum HotKind {
    /// IPv4 carrying anything but TCP and UDP.
    Ip = 0,
    /// IPv4 carrying TCP.
    Tcp = 1,
    /// IPv4 carrying UDP.
    Udp = 2,
    /// ARP.
    Arp = 3,
}

/// The part of a packet that every hop reads: 32 bytes, copied from link to link.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Hot {
    /// When it arrives at the end of the link that it is on.
    pub time: Instant,
    /// Destination address, rewritten by NAT only.
    pub dst: Ipv4Addr,
    /// Hash of the flow's addresses, protocol and ports, for equal-cost path choices.
    pub flow_hash: u32,
    /// Handle of the body in its pool.
    pub body: u32,
    /// Source MAC address on this hop.
    pub src_mac: MacKey,
    /// Destination MAC address on this hop.
    pub dst_mac: MacKey,
    /// Length of the IP packet (or ARP packet), in bytes.
    pub len: u16,
    /// Time to live.
    pub ttl: u8,
    /// Bits 0-1 ECN, 2-4 kind, 5 corrupted, 6 don't fragment, 7 retransmission.
    flags: u8,
}

const _: () = assert!(size_of::<Hot>() == 32);
const _: () = assert!(size_of::<Body>() == 64);

const KIND_SHIFT: u8 = 2;
const CORRUPTED: u8 = 1 << 5;
const DONT_FRAGMENT: u8 = 1 << 6;
const RETRANSMISSION: u8 = 1 << 7;

impl Hot {
    /// What the packet is.
    #[inline]
    pub const fn kind(&self) -> HotKind {
        match (self.flags >> KIND_SHIFT) & 7 {
            0 => HotKind::Ip,
            1 => HotKind::Tcp,
            2 => HotKind::Udp,
            _ => HotKind::Arp,
        }
    }

    /// True for every kind but ARP.
    #[inline]
    pub const fn is_ip(&self) -> bool {
        !matches!(self.kind(), HotKind::Arp)
    }

    /// The ECN field.
    #[inline]
    pub const fn ecn(&self) -> Ecn {
        Ecn::from_bits(self.flags)
    }

    /// Sets the ECN field.
    #[inline]
    pub fn set_ecn(&mut self, ecn: Ecn) {
        self.flags = (self.flags & !3) | ecn as u8;
    }

    /// Whether the link damaged it.
    #[inline]
    pub const fn is_corrupted(&self) -> bool {
        self.flags & CORRUPTED != 0
    }

    /// Marks it as damaged.
    #[inline]
    pub fn corrupt(&mut self) {
        self.flags |= CORRUPTED;
    }

    /// Whether it carries data that was sent before.
    #[inline]
    pub const fn is_retransmission(&self) -> bool {
        self.flags & RETRANSMISSION != 0
    }

    /// Marks it as carrying data that was sent before.
    #[inline]
    pub fn set_retransmission(&mut self) {
        self.flags |= RETRANSMISSION;
    }

    /// The don't-fragment bit.
    #[inline]
    pub const fn dont_fragment(&self) -> bool {
        self.flags & DONT_FRAGMENT != 0
    }
}

/// TCP header fields, packed. Four SACK blocks need the room of the timestamps; with two or fewer blocks there is room for the
/// time at which the segment was sent.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PackedTcp {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: Seq,
    /// Acknowledgment number.
    pub ack: Seq,
    /// Unscaled window.
    pub window: u16,
    /// Control bits.
    pub flags: TcpFlags,
    /// Bits 0-2 number of SACK blocks, 3 timestamps, 4 MSS, 5 window scale, 6 SACK permitted.
    shape: u8,
    /// TSval and TSecr, or the fourth SACK block.
    words: [u32; 2],
    /// SACK blocks; on a SYN the first holds MSS and window scale; the last holds the sending time when free.
    blocks: [[u32; 2]; 3],
}

const HAS_TIMESTAMPS: u8 = 1 << 3;
const HAS_MSS: u8 = 1 << 4;
const HAS_SCALE: u8 = 1 << 5;
const HAS_SACK_OK: u8 = 1 << 6;

impl PackedTcp {
    #[inline]
    fn pack(segment: &TcpSegment, sent_at: Instant) -> PackedTcp {
        let options = &segment.options;
        let mut shape = options.sack.len() as u8;
        let mut words = [0; 2];
        let ps = sent_at.as_ps();
        let mut blocks = [[0; 2], [0; 2], [ps as u32, (ps >> 32) as u32]];
        for (i, (left, right)) in options.sack.iter().enumerate() {
            let block = [left.0, right.0];
            if i < 3 { blocks[i] = block } else { words = block }
        }
        if let Some(stamps) = options.timestamps {
            debug_assert!(options.sack.len() < 4, "timestamps leave room for three SACK blocks");
            shape |= HAS_TIMESTAMPS;
            words = [stamps.value, stamps.echo];
        }
        if segment.flags.syn() {
            debug_assert!(options.sack.is_empty(), "a SYN carries no SACK block");
            blocks[0] = [u32::from(options.mss.unwrap_or(0)), u32::from(options.window_scale.unwrap_or(0))];
            shape |= if options.mss.is_some() { HAS_MSS } else { 0 };
            shape |= if options.window_scale.is_some() { HAS_SCALE } else { 0 };
            shape |= if options.sack_permitted { HAS_SACK_OK } else { 0 };
        }
        PackedTcp {
            src_port: segment.src_port,
            dst_port: segment.dst_port,
            seq: segment.seq,
            ack: segment.ack,
            window: segment.window,
            flags: segment.flags,
            shape,
            words,
            blocks,
        }
    }

    #[inline]
    fn unpack(&self, payload: Payload) -> TcpSegment {
        let mut segment = TcpSegment {
            src_port: self.src_port,
            dst_port: self.dst_port,
            seq: self.seq,
            ack: self.ack,
            flags: self.flags,
            window: self.window,
            payload,
            ..TcpSegment::default()
        };
        let options = &mut segment.options;
        for i in 0..usize::from(self.shape & 7) {
            let [left, right] = if i < 3 { self.blocks[i] } else { self.words };
            options.sack.push((Seq(left), Seq(right)));
        }
        if self.shape & HAS_TIMESTAMPS != 0 {
            options.timestamps = Some(Timestamps { value: self.words[0], echo: self.words[1] });
        }
        if self.flags.syn() {
            options.mss = (self.shape & HAS_MSS != 0).then_some(self.blocks[0][0] as u16);
            options.window_scale = (self.shape & HAS_SCALE != 0).then_some(self.blocks[0][1] as u8);
            options.sack_permitted = self.shape & HAS_SACK_OK != 0;
        }
        segment
    }

    /// When the segment was sent; `None` when its SACK blocks took the room.
    pub fn sent_at(&self) -> Option<Instant> {
        let [low, high] = self.blocks[2];
        (self.shape & 7 < 3).then(|| Instant::from_ps(u64::from(low) | u64::from(high) << 32))
    }

    fn header_len(&self) -> usize {
        let sack = usize::from(self.shape & 7);
        let bit = |mask: u8| usize::from(self.shape & mask != 0);
        let sack_ok = bit(HAS_SACK_OK) & (1 - bit(HAS_TIMESTAMPS));
        let fixed = 20 + 12 * bit(HAS_TIMESTAMPS) + 4 * (bit(HAS_MSS) + bit(HAS_SCALE) + sack_ok);
        fixed + if sack > 0 { 4 + 8 * sack } else { 0 }
    }
}

/// What a body holds besides addresses.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// A TCP header.
    Tcp(PackedTcp),
    /// A UDP header and when the datagram was sent.
    Udp(UdpHeader, [u32; 2]),
    /// Type, code and the four bytes after the checksum.
    Icmp(u8, u8, u32),
    /// Another protocol, or a fragment: offset and more-fragments bit.
    Raw(Protocol, u16, bool),
    /// An ARP packet.
    Arp(ArpPacket),
}

/// No payload handle: the payload is synthetic.
const SYNTHETIC: u32 = u32::MAX;

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
    /// Handle of the real bytes, or [`SYNTHETIC`].
    payload: u32,
    /// The rest.
    pub content: Content,
}

/// The pools of all packets in flight in one world. Slots are recycled last in, first out, so that the hot ones stay in cache.
#[derive(Default)]
pub struct Packets {
    bodies: Vec<Body>,
    free_bodies: Vec<u32>,
    payloads: Vec<Bytes>,
    free_payloads: Vec<u32>,
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

    /// A TCP segment as a packet. `header` gives addresses and IP fields; MAC addresses are set when it is sent.
    #[inline]
    pub fn insert_tcp(
        &mut self,
        header: &Ipv4Header,
        segment: TcpSegment,
        flow_hash: u32,
        now: Instant,
    ) -> Hot {
        let len = Ipv4Header::LEN + segment.header_len() + segment.payload.len();
        let content = Content::Tcp(PackedTcp::pack(&segment, now));
        self.insert(header, HotKind::Tcp, content, segment.payload, len, flow_hash)
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
        let len = Ipv4Header::LEN + UdpHeader::LEN + payload.len();
        let ps = now.as_ps();
        let content = Content::Udp(udp, [ps as u32, (ps >> 32) as u32]);
        self.insert(header, HotKind::Udp, content, payload, len, flow_hash)
    }

    /// An ICMP message as a packet.
    pub fn insert_icmp(&mut self, header: &Ipv4Header, message: IcmpMessage, flow_hash: u32) -> Hot {
        let len = Ipv4Header::LEN + IcmpMessage::HEADER_LEN + message.payload.len();
        let content = Content::Icmp(message.kind, message.code, message.rest);
        self.insert(header, HotKind::Ip, content, message.payload, len, flow_hash)
    }

    /// A packet of another protocol, or a fragment.
    pub fn insert_raw(
        &mut self,
        header: &Ipv4Header,
        protocol: Protocol,
        payload: Payload,
        flow_hash: u32,
    ) -> Hot {
        let len = Ipv4Header::LEN + payload.len();
        let content = Content::Raw(protocol, header.fragment_offset, header.more_fragments);
        self.insert(header, HotKind::Ip, content, payload, len, flow_hash)
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
        Hot {
            time: Instant::ZERO,
            dst: arp.target_ip,
            flow_hash: 0,
            body: self.store(body),
            src_mac: MacKey::ZERO,
            dst_mac: MacKey::ZERO,
            len: ArpPacket::LEN as u16,
            ttl: 0,
            flags: (HotKind::Arp as u8) << KIND_SHIFT,
        }
    }

    /// A further copy of a packet, with a body of its own.
    pub fn copy(&mut self, hot: &Hot, birth: Birth) -> Hot {
        let mut body = *self.body(hot);
        body.birth = birth;
        if body.payload != SYNTHETIC {
            let data = self.payloads[body.payload as usize].clone();
            body.payload = self.store_payload(data);
        }
        Hot { body: self.store(body), ..*hot }
    }

    /// Ends a packet: its slots are recycled. Returns how it was born.
    #[inline]
    pub fn release(&mut self, hot: Hot) -> Birth {
        let body = self.body(&hot);
        let (birth, payload) = (body.birth, body.payload);
        if payload != SYNTHETIC {
            self.payloads[payload as usize] = Bytes::new();
            self.free_payloads.push(payload);
        }
        self.free_bodies.push(hot.body);
        birth
    }

    /// The packet's payload; real bytes are shared, not copied.
    pub fn payload(&self, hot: &Hot) -> Payload {
        let body = self.body(hot);
        if body.payload != SYNTHETIC {
            return Payload::Data(self.payloads[body.payload as usize].clone());
        }
        let headers = match &body.content {
            Content::Tcp(tcp) => Ipv4Header::LEN + tcp.header_len(),
            Content::Udp(..) => Ipv4Header::LEN + UdpHeader::LEN,
            Content::Icmp(..) => Ipv4Header::LEN + IcmpMessage::HEADER_LEN,
            Content::Raw(..) => Ipv4Header::LEN,
            Content::Arp(_) => ArpPacket::LEN,
        };
        Payload::Zeros(u32::from(hot.len) - headers as u32)
    }

    /// The TCP segment of a packet; `None` for another kind.
    #[inline]
    pub fn tcp(&self, hot: &Hot) -> Option<TcpSegment> {
        match &self.body(hot).content {
            Content::Tcp(tcp) => Some(tcp.unpack(self.payload(hot))),
            _ => None,
        }
    }

    /// The IP header as it stands on this hop.
    pub fn ipv4_header(&self, hot: &Hot) -> Ipv4Header {
        let body = self.body(hot);
        let (fragment_offset, more_fragments) = match body.content {
            Content::Raw(_, offset, more) => (offset, more),
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

    /// Every field of every header, as the packet stands on this hop.
    pub fn unpack(&self, hot: &Hot) -> Packet {
        let payload = self.payload(hot);
        let transport = match &self.body(hot).content {
            Content::Tcp(tcp) => Transport::Tcp(tcp.unpack(payload)),
            Content::Udp(udp, _) => Transport::Udp(*udp, payload),
            Content::Icmp(kind, code, rest) => {
                Transport::Icmp(IcmpMessage { kind: *kind, code: *code, rest: *rest, payload })
            }
            Content::Raw(protocol, ..) => Transport::Raw(*protocol, payload),
            Content::Arp(arp) => {
                return Packet {
                    src_mac: hot.src_mac.mac(),
                    dst_mac: hot.dst_mac.mac(),
                    net: Net::Arp(*arp),
                };
            }
        };
        let net = Net::Ipv4(self.ipv4_header(hot), transport);
        Packet { src_mac: hot.src_mac.mac(), dst_mac: hot.dst_mac.mac(), net }
    }

    /// When a UDP datagram or TCP segment was sent, if known.
    #[inline]
    pub fn sent_at(&self, hot: &Hot) -> Option<Instant> {
        match &self.body(hot).content {
            Content::Tcp(tcp) => tcp.sent_at(),
            Content::Udp(_, [low, high]) => Some(Instant::from_ps(u64::from(*low) | u64::from(*high) << 32)),
            _ => None,
        }
    }

    #[inline]
    fn insert(
        &mut self,
        header: &Ipv4Header,
        kind: HotKind,
        content: Content,
        payload: Payload,
        len: usize,
        flow_hash: u32,
    ) -> Hot {
        debug_assert!(len <= usize::from(u16::MAX), "an IP packet of {len} bytes");
        let payload = match payload {
            Payload::Zeros(_) => SYNTHETIC,
            Payload::Data(data) => self.store_payload(data),
        };
        let body = Body {
            src: header.src,
            ident: header.ident,
            dscp: header.dscp,
            birth: Birth::Sent,
            payload,
            content,
        };
        let dont_fragment = if header.dont_fragment { DONT_FRAGMENT } else { 0 };
        Hot {
            time: Instant::ZERO,
            dst: header.dst,
            flow_hash,
            body: self.store(body),
            src_mac: MacKey::ZERO,
            dst_mac: MacKey::ZERO,
            len: len as u16,
            ttl: header.ttl,
            flags: (kind as u8) << KIND_SHIFT | header.ecn as u8 | dont_fragment,
        }
    }

    #[inline]
    fn store(&mut self, body: Body) -> u32 {
        if let Some(handle) = self.free_bodies.pop() {
            self.bodies[handle as usize] = body;
            return handle;
        }
        self.bodies.push(body);
        (self.bodies.len() - 1) as u32
    }

    fn store_payload(&mut self, data: Bytes) -> u32 {
        if let Some(handle) = self.free_payloads.pop() {
            self.payloads[handle as usize] = data;
            return handle;
        }
        self.payloads.push(data);
        (self.payloads.len() - 1) as u32
    }
}
