//! The packed descriptor of a packet, which moves from link to link.

use crate::{AddressBook, ArpPacket, Ecn, Ipv4Header, MacKey, PauseFrame};
use std::net::Ipv4Addr;
use tidewire_units::Instant;

/// What a descriptor describes; three bits of its flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum HotKind {
    /// IP carrying anything but TCP and UDP.
    Ip = 0,
    /// IP carrying TCP.
    Tcp = 1,
    /// IP carrying UDP.
    Udp = 2,
    /// ARP.
    Arp = 3,
    /// A bridge protocol data unit.
    Bpdu = 4,
    /// A PAUSE frame.
    Pause = 5,
}

/// The part of a packet that every hop reads: 32 bytes, copied from link to link.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Hot {
    /// When it arrives at the end of the link that it is on.
    pub time: Instant,
    /// Destination address, rewritten by NAT only; of IPv6 its key (see [`AddressBook`]).
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
    pub(crate) flags: u8,
}

const _: () = assert!(size_of::<Hot>() == 32);

const KIND_SHIFT: u8 = 2;
const CORRUPTED: u8 = 1 << 5;
const DONT_FRAGMENT: u8 = 1 << 6;
const RETRANSMISSION: u8 = 1 << 7;

impl Hot {
    /// No packet: what stands in a place that is empty.
    pub const NOTHING: Hot = Hot {
        time: Instant::MAX,
        dst: Ipv4Addr::UNSPECIFIED,
        flow_hash: 0,
        body: u32::MAX,
        src_mac: MacKey::ZERO,
        dst_mac: MacKey::ZERO,
        len: 0,
        ttl: 0,
        flags: 0,
    };

    /// The descriptor of an IP packet of `len` bytes, before it is on any link.
    #[inline]
    pub(crate) fn ip(kind: HotKind, header: &Ipv4Header, len: u16, flow_hash: u32, body: u32) -> Hot {
        let dont_fragment = if header.dont_fragment { DONT_FRAGMENT } else { 0 };
        Hot {
            time: Instant::ZERO,
            dst: header.dst,
            flow_hash,
            body,
            src_mac: MacKey::ZERO,
            dst_mac: MacKey::ZERO,
            len,
            ttl: header.ttl,
            flags: (kind as u8) << KIND_SHIFT | header.ecn as u8 | dont_fragment,
        }
    }

    /// The descriptor of a part of this packet, but for body and length.
    pub(crate) fn as_fragment(self) -> Hot {
        let flags = self.flags & !(7 << KIND_SHIFT | DONT_FRAGMENT);
        // Over IPv6 nobody but the sender may cut a packet.
        let flags = if AddressBook::is_v6(self.dst) { flags | DONT_FRAGMENT } else { flags };
        Hot { flags, ..self }
    }

    /// The descriptor of an ARP packet.
    pub(crate) fn arp(target: Ipv4Addr, body: u32) -> Hot {
        Hot {
            time: Instant::ZERO,
            dst: target,
            flow_hash: 0,
            body,
            src_mac: MacKey::ZERO,
            dst_mac: MacKey::ZERO,
            len: ArpPacket::LEN as u16,
            ttl: 0,
            flags: (HotKind::Arp as u8) << KIND_SHIFT,
        }
    }

    /// The descriptor of a bridge protocol data unit.
    pub(crate) fn bpdu(len: u16, body: u32) -> Hot {
        let flags = (HotKind::Bpdu as u8) << KIND_SHIFT;
        Hot { time: Instant::ZERO, body, len, flags, ..Hot::NOTHING }
    }

    /// The descriptor of a PAUSE frame.
    pub(crate) fn pause(body: u32) -> Hot {
        let flags = (HotKind::Pause as u8) << KIND_SHIFT;
        Hot { time: Instant::ZERO, body, len: PauseFrame::LEN as u16, flags, ..Hot::NOTHING }
    }

    /// What the packet is.
    #[inline]
    pub const fn kind(&self) -> HotKind {
        match (self.flags >> KIND_SHIFT) & 7 {
            0 => HotKind::Ip,
            1 => HotKind::Tcp,
            2 => HotKind::Udp,
            3 => HotKind::Arp,
            4 => HotKind::Bpdu,
            _ => HotKind::Pause,
        }
    }

    /// An undamaged IP packet.
    #[inline]
    pub const fn is_intact_ip(&self) -> bool {
        self.flags & (CORRUPTED | 7 << KIND_SHIFT) < (HotKind::Arp as u8) << KIND_SHIFT
    }

    /// True for every kind but ARP and bridge protocol data units.
    #[inline]
    pub const fn is_ip(&self) -> bool {
        matches!(self.kind(), HotKind::Ip | HotKind::Tcp | HotKind::Udp)
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

    /// Clears the don't-fragment bit.
    pub fn allow_fragments(&mut self) {
        self.flags &= !DONT_FRAGMENT;
    }

    /// The don't-fragment bit.
    #[inline]
    pub const fn dont_fragment(&self) -> bool {
        self.flags & DONT_FRAGMENT != 0
    }
}
