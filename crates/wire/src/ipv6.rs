//! The IPv6 header (RFC 8200 section 3) and its fragment header (section 4.5).

use crate::malformed::split;
use crate::{Ecn, Malformed, Protocol, Pseudo};
use std::fmt;
use std::net::Ipv6Addr;

/// An IPv6 header, with the fragment header if the packet is a part of a larger one. Lengths are computed when bytes are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv6Header {
    /// Source address.
    pub src: Ipv6Addr,
    /// Destination address.
    pub dst: Ipv6Addr,
    /// Hop limit.
    pub hop_limit: u8,
    /// Differentiated services code point, 6 bits.
    pub dscp: u8,
    /// ECN field.
    pub ecn: Ecn,
    /// Flow label, 20 bits (RFC 6437).
    pub flow_label: u32,
    /// For a part of a larger packet.
    pub fragment: Option<FragmentHeader>,
}

/// The fragment header (RFC 8200 section 4.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FragmentHeader {
    /// Offset in units of 8 bytes, 13 bits.
    pub offset: u16,
    /// More fragments follow.
    pub more: bool,
    /// Identification.
    pub ident: u32,
}

impl FragmentHeader {
    /// Length in bytes.
    pub const LEN: usize = 8;
    const NEXT_HEADER: u8 = 44;
}

impl Ipv6Header {
    /// Length in bytes, without extension headers.
    pub const LEN: usize = 40;
    /// Every link must carry packets of this size (RFC 8200 section 5).
    pub const MIN_MTU: u16 = 1280;
    /// The longest payload in bytes.
    pub const MAX_PAYLOAD: usize = 65535;

    /// Length in bytes, the fragment header included.
    pub const fn len(&self) -> usize {
        Self::LEN + if self.fragment.is_some() { FragmentHeader::LEN } else { 0 }
    }

    /// The addresses for a transport's checksum.
    pub const fn pseudo(&self) -> Pseudo {
        Pseudo::V6(self.src, self.dst)
    }

    /// A header is never empty.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// The header, the protocol of what follows, and that, trimmed to the length in the header.
    ///
    /// # Errors
    /// Truncated, version; a group as the source.
    pub fn parse(bytes: &[u8]) -> Result<(Ipv6Header, Protocol, &[u8]), Malformed> {
        let (header, protocol, rest, len) = Self::parse_fields(bytes)?;
        let rest = rest.get(..len).ok_or(Malformed::Truncated)?;
        if header.src.is_multicast() {
            return Err(Malformed::Address);
        }
        Self::parse_fragment(header, protocol, rest)
    }

    /// The header quoted in an ICMPv6 message, the protocol and the quoted start of what followed.
    ///
    /// # Errors
    /// Truncated, version.
    pub fn parse_quoted(bytes: &[u8]) -> Result<(Ipv6Header, Protocol, &[u8]), Malformed> {
        let (header, protocol, rest, _) = Self::parse_fields(bytes)?;
        Self::parse_fragment(header, protocol, rest)
    }

    fn parse_fields(bytes: &[u8]) -> Result<(Ipv6Header, u8, &[u8], usize), Malformed> {
        let (fixed, rest) = split::<40>(bytes)?;
        let word = u32::from_be_bytes([fixed[0], fixed[1], fixed[2], fixed[3]]);
        if word >> 28 != 6 {
            return Err(Malformed::Version);
        }
        let address = |at: usize| {
            let mut octets = [0; 16];
            octets.copy_from_slice(&fixed[at..at + 16]);
            Ipv6Addr::from(octets)
        };
        let class = (word >> 20) as u8;
        let header = Ipv6Header {
            src: address(8),
            dst: address(24),
            hop_limit: fixed[7],
            dscp: class >> 2,
            ecn: Ecn::from_bits(class),
            flow_label: word & 0xF_FFFF,
            fragment: None,
        };
        Ok((header, fixed[6], rest, usize::from(u16::from_be_bytes([fixed[4], fixed[5]]))))
    }

    fn parse_fragment(
        header: Ipv6Header,
        next: u8,
        rest: &[u8],
    ) -> Result<(Ipv6Header, Protocol, &[u8]), Malformed> {
        if next != FragmentHeader::NEXT_HEADER {
            return Ok((header, Protocol(next), rest));
        }
        let (fixed, rest) = split::<8>(rest)?;
        let [next, _, o0, o1, i0, i1, i2, i3] = *fixed;
        let place = u16::from_be_bytes([o0, o1]);
        let ident = u32::from_be_bytes([i0, i1, i2, i3]);
        let fragment = Some(FragmentHeader { offset: place >> 3, more: place & 1 != 0, ident });
        Ok((Ipv6Header { fragment, ..header }, Protocol(next), rest))
    }

    /// Appends the header of a packet with a payload of `payload_len` bytes.
    ///
    /// # Panics
    /// When the payload is longer than 65,535 bytes.
    pub fn emit(&self, protocol: Protocol, payload_len: usize, out: &mut Vec<u8>) {
        let after = self.len() - Self::LEN + payload_len;
        let len = u16::try_from(after).expect("an IPv6 payload is shorter than 2^16 bytes");
        let class = u32::from(self.dscp << 2 | self.ecn as u8);
        out.extend_from_slice(&(6 << 28 | class << 20 | self.flow_label & 0xF_FFFF).to_be_bytes());
        out.extend_from_slice(&len.to_be_bytes());
        let next = if self.fragment.is_some() { FragmentHeader::NEXT_HEADER } else { protocol.0 };
        out.extend_from_slice(&[next, self.hop_limit]);
        out.extend_from_slice(&self.src.octets());
        out.extend_from_slice(&self.dst.octets());
        if let Some(fragment) = self.fragment {
            out.extend_from_slice(&[protocol.0, 0]);
            out.extend_from_slice(&(fragment.offset << 3 | u16::from(fragment.more)).to_be_bytes());
            out.extend_from_slice(&fragment.ident.to_be_bytes());
        }
    }
}

impl fmt::Display for Ipv6Header {
    /// Addresses, and the fields that are not as usual.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}, hlim {}", self.src, self.dst, self.hop_limit)?;
        if self.flow_label > 0 {
            write!(f, ", flowlabel {:#07x}", self.flow_label)?;
        }
        if let Some(FragmentHeader { offset, more, ident }) = self.fragment {
            write!(f, ", frag ({ident:#010x}:{}{})", u32::from(offset) * 8, if more { "+" } else { "" })?;
        }
        if self.dscp > 0 {
            write!(f, ", DSCP {}", self.dscp)?;
        }
        match self.ecn {
            Ecn::NotCapable => Ok(()),
            ecn => write!(f, ", {ecn}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Ipv6Header {
        Ipv6Header {
            src: "2001:db8::1".parse().unwrap(),
            dst: "2001:db8::2".parse().unwrap(),
            hop_limit: 64,
            dscp: 46,
            ecn: Ecn::Ect0,
            flow_label: 0xABCDE,
            fragment: None,
        }
    }

    #[test]
    fn a_header_is_40_bytes_and_8_more_with_a_fragment_header() {
        for fragment in [None, Some(FragmentHeader { offset: 181, more: true, ident: 77 })] {
            let header = Ipv6Header { fragment, ..header() };
            let mut bytes = Vec::new();
            header.emit(Protocol::UDP, 4, &mut bytes);
            assert_eq!(bytes.len(), if fragment.is_some() { 48 } else { 40 });
            bytes.extend_from_slice(&[1, 2, 3, 4, 99]);
            assert_eq!(Ipv6Header::parse(&bytes), Ok((header, Protocol::UDP, &[1, 2, 3, 4][..])));
        }
    }

    #[test]
    fn broken_headers_are_refused() {
        let mut bytes = Vec::new();
        header().emit(Protocol::UDP, 4, &mut bytes);
        assert_eq!(Ipv6Header::parse(&bytes), Err(Malformed::Truncated));
        bytes.extend_from_slice(&[0; 4]);
        assert_eq!(Ipv6Header::parse(&bytes[..39]), Err(Malformed::Truncated));
        let mut other = bytes.clone();
        other[0] = 0x45;
        assert_eq!(Ipv6Header::parse(&other), Err(Malformed::Version));
        bytes[8] = 0xFF;
        assert_eq!(Ipv6Header::parse(&bytes), Err(Malformed::Address));
    }
}
