//! The IPv4 header (RFC 791 section 3.1, RFC 2474, RFC 3168 section 5).

use crate::malformed::split;
use crate::{Checksum, Malformed, Pseudo};
use std::net::Ipv4Addr;

/// The ECN field of an IP header (RFC 3168 section 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum Ecn {
    /// The transport does not use ECN.
    #[default]
    NotCapable = 0,
    /// ECN-capable, codepoint ECT(1).
    Ect1 = 1,
    /// ECN-capable, codepoint ECT(0).
    Ect0 = 2,
    /// Congestion experienced.
    Congestion = 3,
}

impl Ecn {
    /// The value of the two bits.
    #[inline]
    pub const fn from_bits(bits: u8) -> Ecn {
        match bits & 3 {
            0 => Ecn::NotCapable,
            1 => Ecn::Ect1,
            2 => Ecn::Ect0,
            _ => Ecn::Congestion,
        }
    }
}

/// The protocol field of an IP header (IANA).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Protocol(pub u8);

impl Protocol {
    /// ICMP, 1.
    pub const ICMP: Protocol = Protocol(1);
    /// IGMP, 2.
    pub const IGMP: Protocol = Protocol(2);
    /// PIM, 103.
    pub const PIM: Protocol = Protocol(103);
    /// TCP, 6.
    pub const TCP: Protocol = Protocol(6);
    /// UDP, 17.
    pub const UDP: Protocol = Protocol(17);
    /// ICMPv6, 58.
    pub const ICMPV6: Protocol = Protocol(58);
    /// OSPF, 89.
    pub const OSPF: Protocol = Protocol(89);
}

/// An IPv4 header without options (RFC 791 section 3.1). Length and checksum are computed when bytes are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv4Header {
    /// Source address.
    pub src: Ipv4Addr,
    /// Destination address.
    pub dst: Ipv4Addr,
    /// Time to live, in hops.
    pub ttl: u8,
    /// Identification, for fragments.
    pub ident: u16,
    /// Differentiated services code point, 6 bits.
    pub dscp: u8,
    /// ECN field.
    pub ecn: Ecn,
    /// The don't-fragment bit.
    pub dont_fragment: bool,
    /// The more-fragments bit.
    pub more_fragments: bool,
    /// Fragment offset in units of 8 bytes, 13 bits.
    pub fragment_offset: u16,
}

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1FFF;

impl Ipv4Header {
    /// Length in bytes.
    pub const LEN: usize = 20;
    /// The longest packet in bytes, header included.
    pub const MAX_PACKET: usize = 65535;

    /// True for a part of a larger packet.
    #[inline]
    pub const fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset > 0
    }

    /// The addresses for a transport's checksum.
    pub const fn pseudo(&self) -> Pseudo {
        Pseudo::V4(self.src, self.dst)
    }

    /// The header, the protocol and the payload, trimmed to the length in the header. Options are skipped.
    ///
    /// # Errors
    /// Truncated, version, length, checksum; a multicast or broadcast source (RFC 1122 section 3.2.1.3).
    pub fn parse(bytes: &[u8]) -> Result<(Ipv4Header, Protocol, &[u8]), Malformed> {
        let (header, protocol, header_len, total_len) = Self::parse_fields(bytes)?;
        if total_len < header_len {
            return Err(Malformed::Length);
        }
        if !Checksum::NONE.over(&bytes[..header_len]).is_intact() {
            return Err(Malformed::Checksum);
        }
        let payload = bytes.get(header_len..total_len).ok_or(Malformed::Truncated)?;
        if header.src.is_multicast() || header.src.is_broadcast() {
            return Err(Malformed::Address);
        }
        Ok((header, protocol, payload))
    }

    /// The header quoted in an ICMP message, the protocol and the quoted start of the payload. The length and checksum of a packet
    /// that was cut and changed on its way prove nothing.
    ///
    /// # Errors
    /// Truncated, version, length.
    pub fn parse_quoted(bytes: &[u8]) -> Result<(Ipv4Header, Protocol, &[u8]), Malformed> {
        let (header, protocol, header_len, _) = Self::parse_fields(bytes)?;
        Ok((header, protocol, &bytes[header_len..]))
    }

    /// Header, protocol, header length (not beyond the end) and total length.
    fn parse_fields(bytes: &[u8]) -> Result<(Ipv4Header, Protocol, usize, usize), Malformed> {
        let (fixed, _) = split::<20>(bytes)?;
        let half = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let addr = |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
        if fixed[0] >> 4 != 4 {
            return Err(Malformed::Version);
        }
        let header_len = usize::from(fixed[0] & 0xF) * 4;
        if header_len < Self::LEN {
            return Err(Malformed::Length);
        }
        if header_len > bytes.len() {
            return Err(Malformed::Truncated);
        }
        let fragment = half(6);
        let header = Ipv4Header {
            src: addr(12),
            dst: addr(16),
            ttl: fixed[8],
            ident: half(4),
            dscp: fixed[1] >> 2,
            ecn: Ecn::from_bits(fixed[1]),
            dont_fragment: fragment & DONT_FRAGMENT != 0,
            more_fragments: fragment & MORE_FRAGMENTS != 0,
            fragment_offset: fragment & OFFSET_MASK,
        };
        Ok((header, Protocol(fixed[9]), header_len, usize::from(half(2))))
    }

    /// Appends the header of a packet with a payload of `payload_len` bytes.
    ///
    /// # Panics
    /// When the packet is longer than 65,535 bytes.
    pub fn emit(&self, protocol: Protocol, payload_len: usize, out: &mut Vec<u8>) {
        let len = Self::LEN + payload_len;
        assert!(len <= Self::MAX_PACKET, "an IPv4 packet of {len} bytes, {} is the limit", Self::MAX_PACKET);
        let flags = if self.dont_fragment { DONT_FRAGMENT } else { 0 }
            | if self.more_fragments { MORE_FRAGMENTS } else { 0 };
        let mut bytes = [0; Self::LEN];
        bytes[0] = 0x45;
        bytes[1] = self.dscp << 2 | self.ecn as u8;
        bytes[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        bytes[4..6].copy_from_slice(&self.ident.to_be_bytes());
        bytes[6..8].copy_from_slice(&(flags | self.fragment_offset & OFFSET_MASK).to_be_bytes());
        bytes[8] = self.ttl;
        bytes[9] = protocol.0;
        bytes[12..16].copy_from_slice(&self.src.octets());
        bytes[16..20].copy_from_slice(&self.dst.octets());
        let checksum = Checksum::NONE.over(&bytes).finish();
        bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
        out.extend_from_slice(&bytes);
    }
}
