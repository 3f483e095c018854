//! Link state announcements (RFC 2328 section A.4).

use super::{address, many};
use crate::Malformed;
use crate::malformed::split;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// What tells announcements apart (section 12.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LsaKey {
    /// 1 router, 2 network, 3 and 4 summary, 5 external.
    pub kind: u8,
    /// What it is about.
    pub id: Ipv4Addr,
    /// Who says it.
    pub router: Ipv4Addr,
}

/// The header of an announcement (section A.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LsaHeader {
    /// Seconds since it was made, at most [`Lsa::MAX_AGE`].
    pub age: u16,
    /// Optional capabilities.
    pub options: u8,
    /// What it is.
    pub key: LsaKey,
    /// The higher is newer.
    pub seq: i32,
    /// Over everything but the age.
    pub checksum: u16,
    /// In bytes, header included.
    pub len: u16,
}

/// A link state announcement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lsa {
    /// Its header.
    pub header: LsaHeader,
    /// What it says; routers that know the same share it.
    pub body: Arc<LsaBody>,
}

/// What an announcement says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LsaBody {
    /// The links of a router (section A.4.2).
    Router {
        /// Bits: 1 area border, 2 AS boundary, 4 endpoint of a virtual link.
        flags: u8,
        /// Its links.
        links: Vec<RouterLink>,
    },
    /// The routers on a network (section A.4.3).
    Network {
        /// The network's mask.
        mask: Ipv4Addr,
        /// The routers.
        routers: Vec<Ipv4Addr>,
    },
    /// A network outside (section A.4.5).
    External {
        /// Its mask.
        mask: Ipv4Addr,
        /// The metric counts more than any path inside.
        outside: bool,
        /// The metric, 24 bits.
        metric: u32,
        /// Where to send to; unspecified for the router that says so.
        forward: Ipv4Addr,
        /// For other protocols.
        tag: u32,
    },
    /// Something else, as it is.
    Other(Vec<u8>),
}

/// A link of a router (section A.4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouterLink {
    /// The neighbour's identifier; of a stub, the network.
    pub id: Ipv4Addr,
    /// The router's own address there; of a stub, the mask.
    pub data: Ipv4Addr,
    /// 1 point to point, 2 transit, 3 stub, 4 virtual.
    pub kind: u8,
    /// What it costs.
    pub metric: u16,
}

impl RouterLink {
    /// A link to another router.
    pub const POINT_TO_POINT: u8 = 1;
    /// A network without other routers.
    pub const STUB: u8 = 3;
}

impl LsaKey {
    /// Links of a router.
    pub const ROUTER: u8 = 1;
    /// A network outside.
    pub const EXTERNAL: u8 = 5;

    pub(super) fn parse_request(bytes: &[u8]) -> Result<(LsaKey, &[u8]), Malformed> {
        let (kind, rest) = split::<4>(bytes)?;
        let &[0, 0, 0, kind] = kind else { return Err(Malformed::Unsupported) };
        let (id, rest) = address(rest)?;
        let (router, rest) = address(rest)?;
        Ok((LsaKey { kind, id, router }, rest))
    }

    pub(super) fn emit_request(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0, 0, 0, self.kind]);
        out.extend_from_slice(&self.id.octets());
        out.extend_from_slice(&self.router.octets());
    }
}

impl LsaHeader {
    /// Length in bytes.
    pub const LEN: usize = 20;

    pub(super) fn parse(bytes: &[u8]) -> Result<(LsaHeader, &[u8]), Malformed> {
        let (bytes, rest) = split::<20>(bytes)?;
        let half = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| u32::from(half(at)) << 16 | u32::from(half(at + 2));
        let key = LsaKey { kind: bytes[3], id: word(4).into(), router: word(8).into() };
        let (seq, checksum, len) = (word(12) as i32, half(16), half(18));
        if usize::from(len) < Self::LEN {
            return Err(Malformed::Length);
        }
        Ok((LsaHeader { age: half(0), options: bytes[2], key, seq, checksum, len }, rest))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.age.to_be_bytes());
        out.extend_from_slice(&[self.options, self.key.kind]);
        out.extend_from_slice(&self.key.id.octets());
        out.extend_from_slice(&self.key.router.octets());
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.checksum.to_be_bytes());
        out.extend_from_slice(&self.len.to_be_bytes());
    }
}

impl Lsa {
    /// The age in seconds at which an announcement is no more (appendix B).
    pub const MAX_AGE: u16 = 3600;
    /// The first sequence number (section 12.1.6).
    pub const FIRST_SEQ: i32 = -0x7FFF_FFFF;

    /// A new announcement of age zero, with its length and checksum.
    ///
    /// # Panics
    /// When it is longer than 65,535 bytes.
    pub fn new(key: LsaKey, seq: i32, body: impl Into<Arc<LsaBody>>) -> Lsa {
        let header = LsaHeader { age: 0, options: 2, key, seq, checksum: 0, len: 0 };
        let mut lsa = Lsa { header, body: body.into() };
        let mut bytes = Vec::new();
        lsa.emit(&mut bytes);
        lsa.header.len = u16::try_from(bytes.len()).expect("an announcement is shorter than 2^16 bytes");
        bytes[18..20].copy_from_slice(&lsa.header.len.to_be_bytes());
        lsa.header.checksum = fletcher(&bytes);
        lsa
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<(Lsa, &[u8]), Malformed> {
        let (header, _) = LsaHeader::parse(bytes)?;
        let (own, rest) = bytes.split_at_checked(usize::from(header.len)).ok_or(Malformed::Truncated)?;
        if sums(&own[2..]) != (0, 0) {
            return Err(Malformed::Checksum);
        }
        let body = LsaBody::parse(header.key.kind, &own[LsaHeader::LEN..])?;
        Ok((Lsa { header, body: body.into() }, rest))
    }

    /// Appends the announcement.
    pub fn emit(&self, out: &mut Vec<u8>) {
        self.header.emit(out);
        self.body.emit(out);
    }
}

impl LsaBody {
    fn parse(kind: u8, bytes: &[u8]) -> Result<LsaBody, Malformed> {
        match kind {
            1 => {
                let (&[flags, _, n0, n1], mut rest) = split::<4>(bytes)?;
                let n = usize::from(u16::from_be_bytes([n0, n1]));
                let mut links = Vec::with_capacity(n.min(rest.len() / 12));
                for _ in 0..n {
                    let (link, after) = RouterLink::parse(rest)?;
                    links.push(link);
                    rest = after;
                }
                if rest.is_empty() { Ok(LsaBody::Router { flags, links }) } else { Err(Malformed::Length) }
            }
            2 => {
                let (mask, rest) = address(bytes)?;
                Ok(LsaBody::Network { mask, routers: many(rest, address)? })
            }
            5 => {
                let (mask, rest) = address(bytes)?;
                let (&[kind, m0, m1, m2], rest) = split::<4>(rest)?;
                let (forward, rest) = address(rest)?;
                let (tag, rest) = split::<4>(rest)?;
                if !rest.is_empty() {
                    return Err(Malformed::Unsupported);
                }
                let metric = u32::from_be_bytes([0, m0, m1, m2]);
                let outside = kind & 0x80 != 0;
                Ok(LsaBody::External { mask, outside, metric, forward, tag: u32::from_be_bytes(*tag) })
            }
            _ => Ok(LsaBody::Other(bytes.to_vec())),
        }
    }

    fn emit(&self, out: &mut Vec<u8>) {
        match self {
            LsaBody::Router { flags, links } => {
                out.extend_from_slice(&[*flags, 0]);
                out.extend_from_slice(&(links.len() as u16).to_be_bytes());
                for link in links {
                    out.extend_from_slice(&link.id.octets());
                    out.extend_from_slice(&link.data.octets());
                    out.extend_from_slice(&[link.kind, 0]);
                    out.extend_from_slice(&link.metric.to_be_bytes());
                }
            }
            LsaBody::Network { mask, routers } => {
                [mask].into_iter().chain(routers).for_each(|addr| out.extend_from_slice(&addr.octets()));
            }
            LsaBody::External { mask, outside, metric, forward, tag } => {
                out.extend_from_slice(&mask.octets());
                out.extend_from_slice(&(u32::from(*outside) << 31 | metric & 0x00FF_FFFF).to_be_bytes());
                out.extend_from_slice(&forward.octets());
                out.extend_from_slice(&tag.to_be_bytes());
            }
            LsaBody::Other(bytes) => out.extend_from_slice(bytes),
        }
    }
}

impl RouterLink {
    /// Metrics by type of service, which nobody uses any more, are skipped.
    fn parse(bytes: &[u8]) -> Result<(RouterLink, &[u8]), Malformed> {
        let (id, rest) = address(bytes)?;
        let (data, rest) = address(rest)?;
        let (&[kind, services, m0, m1], rest) = split::<4>(rest)?;
        let rest = rest.get(usize::from(services) * 4..).ok_or(Malformed::Truncated)?;
        Ok((RouterLink { id, data, kind, metric: u16::from_be_bytes([m0, m1]) }, rest))
    }
}

/// Where the checksum stands, counted from behind the age.
const CHECKSUM_AT: usize = 14;

/// The checksum of an announcement whose checksum field is zero (RFC 2328 section 12.1.7, ISO 8473 section 6.11).
fn fletcher(bytes: &[u8]) -> u16 {
    let bytes = &bytes[2..];
    let (c0, c1) = sums(bytes);
    let after = (bytes.len() - CHECKSUM_AT - 1) as i64;
    let x = (after * i64::from(c0) - i64::from(c1)).rem_euclid(255);
    let y = (510 - i64::from(c0) - x).rem_euclid(255);
    // 255 stands for zero, which would mean that there is no checksum.
    let [x, y] = [x, y].map(|part| if part == 0 { 255 } else { part as u16 });
    x << 8 | y
}

fn sums(bytes: &[u8]) -> (u32, u32) {
    let (mut c0, mut c1) = (0u32, 0u32);
    // 4102 bytes fit before the sums would overflow 32 bits.
    for part in bytes.chunks(4102) {
        for byte in part {
            c0 += u32::from(*byte);
            c1 += c0;
        }
        (c0, c1) = (c0 % 255, c1 % 255);
    }
    (c0, c1)
}
