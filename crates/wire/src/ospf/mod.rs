//! OSPF version 2 (RFC 2328 appendix A), carried by IP protocol 89.

mod lsa;
#[cfg(test)]
mod tests;

pub use lsa::{Lsa, LsaBody, LsaHeader, LsaKey, RouterLink};

use crate::malformed::split;
use crate::{Checksum, Malformed};
use std::fmt;
use std::net::Ipv4Addr;

/// An OSPF packet without authentication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OspfPacket {
    /// Who sent it: its router identifier.
    pub router: Ipv4Addr,
    /// The area that it is about.
    pub area: Ipv4Addr,
    /// What it says.
    pub body: OspfBody,
}

/// The five kinds of packets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OspfBody {
    /// I am here, and I hear these (section A.3.2).
    Hello(OspfHello),
    /// What is in the sender's database (section A.3.3).
    Description(OspfDescription),
    /// Asks for these (section A.3.4).
    Request(Vec<LsaKey>),
    /// Announcements in full (section A.3.5).
    Update(Vec<Lsa>),
    /// These have arrived (section A.3.6).
    Ack(Vec<LsaHeader>),
}

/// A hello (section A.3.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OspfHello {
    /// The mask of the sender's interface.
    pub mask: Ipv4Addr,
    /// Seconds between hellos.
    pub interval: u16,
    /// Optional capabilities.
    pub options: u8,
    /// For the election of a designated router.
    pub priority: u8,
    /// Seconds of silence after which the sender is given up.
    pub dead: u32,
    /// The designated router; unspecified without one.
    pub designated: Ipv4Addr,
    /// Its substitute.
    pub backup: Ipv4Addr,
    /// Whom the sender has heard lately.
    pub neighbors: Vec<Ipv4Addr>,
}

/// A database description (section A.3.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OspfDescription {
    /// Largest IP packet on the sender's link, in bytes.
    pub mtu: u16,
    /// Optional capabilities.
    pub options: u8,
    /// The first one.
    pub init: bool,
    /// More will follow.
    pub more: bool,
    /// The sender leads the exchange.
    pub master: bool,
    /// Numbers the exchange.
    pub seq: u32,
    /// What the database holds.
    pub headers: Vec<LsaHeader>,
}

/// Length of the header.
const HEADER_LEN: usize = 24;
/// Authentication, which the checksum leaves out.
const AUTH: std::ops::Range<usize> = 16..24;

impl OspfPacket {
    /// The group address of OSPF routers.
    pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 5);
    /// Length in bytes of the headers of an update: what is left of an IP packet is for announcements.
    pub const UPDATE_OVERHEAD: usize = 20 + HEADER_LEN + 4;

    /// The packet that an IP payload is.
    ///
    /// # Errors
    /// Truncated; version, length, checksum; authentication; an unknown kind.
    pub fn parse(bytes: &[u8]) -> Result<OspfPacket, Malformed> {
        let (header, _) = split::<HEADER_LEN>(bytes)?;
        let word =
            |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        if header[0] != 2 {
            return Err(Malformed::Version);
        }
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if len < HEADER_LEN {
            return Err(Malformed::Length);
        }
        let bytes = bytes.get(..len).ok_or(Malformed::Truncated)?;
        if !Checksum::NONE.over(&bytes[..AUTH.start]).over(&bytes[AUTH.end..]).is_intact() {
            return Err(Malformed::Checksum);
        }
        if header[14..16] != [0, 0] {
            return Err(Malformed::Unsupported);
        }
        let rest = &bytes[HEADER_LEN..];
        let body = match header[1] {
            1 => OspfBody::Hello(OspfHello::parse(rest)?),
            2 => OspfBody::Description(OspfDescription::parse(rest)?),
            3 => OspfBody::Request(many(rest, LsaKey::parse_request)?),
            4 => OspfBody::Update(parse_update(rest)?),
            5 => OspfBody::Ack(many(rest, LsaHeader::parse)?),
            _ => return Err(Malformed::Unsupported),
        };
        Ok(OspfPacket { router: word(4).into(), area: word(8).into(), body })
    }

    /// The packet in bytes.
    ///
    /// # Panics
    /// When it is longer than 65,535 bytes.
    pub fn emit(&self) -> Vec<u8> {
        let kind = match &self.body {
            OspfBody::Hello(_) => 1,
            OspfBody::Description(_) => 2,
            OspfBody::Request(_) => 3,
            OspfBody::Update(_) => 4,
            OspfBody::Ack(_) => 5,
        };
        let mut out = vec![0; HEADER_LEN];
        (out[0], out[1]) = (2, kind);
        out[4..8].copy_from_slice(&self.router.octets());
        out[8..12].copy_from_slice(&self.area.octets());
        match &self.body {
            OspfBody::Hello(hello) => hello.emit(&mut out),
            OspfBody::Description(description) => description.emit(&mut out),
            OspfBody::Request(keys) => keys.iter().for_each(|key| key.emit_request(&mut out)),
            OspfBody::Update(lsas) => {
                out.extend_from_slice(&(lsas.len() as u32).to_be_bytes());
                lsas.iter().for_each(|lsa| lsa.emit(&mut out));
            }
            OspfBody::Ack(headers) => headers.iter().for_each(|header| header.emit(&mut out)),
        }
        let len = u16::try_from(out.len()).expect("an OSPF packet is shorter than 2^16 bytes");
        out[2..4].copy_from_slice(&len.to_be_bytes());
        let checksum = Checksum::NONE.over(&out[..AUTH.start]).over(&out[AUTH.end..]).finish();
        out[12..14].copy_from_slice(&checksum.to_be_bytes());
        out
    }
}

/// As many items as there are bytes for; nothing may be left.
fn many<T>(
    mut bytes: &[u8],
    parse: impl Fn(&[u8]) -> Result<(T, &[u8]), Malformed>,
) -> Result<Vec<T>, Malformed> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (item, rest) = parse(bytes)?;
        all.push(item);
        bytes = rest;
    }
    Ok(all)
}

fn parse_update(bytes: &[u8]) -> Result<Vec<Lsa>, Malformed> {
    let (n, rest) = split::<4>(bytes)?;
    let lsas = many(rest, Lsa::parse)?;
    if lsas.len() == u32::from_be_bytes(*n) as usize { Ok(lsas) } else { Err(Malformed::Length) }
}

fn address(bytes: &[u8]) -> Result<(Ipv4Addr, &[u8]), Malformed> {
    split::<4>(bytes).map(|(octets, rest)| (Ipv4Addr::from(*octets), rest))
}

impl OspfHello {
    fn parse(bytes: &[u8]) -> Result<OspfHello, Malformed> {
        let (mask, rest) = address(bytes)?;
        let (&[i0, i1, options, priority, d0, d1, d2, d3], rest) = split::<8>(rest)?;
        let (designated, rest) = address(rest)?;
        let (backup, rest) = address(rest)?;
        Ok(OspfHello {
            mask,
            interval: u16::from_be_bytes([i0, i1]),
            options,
            priority,
            dead: u32::from_be_bytes([d0, d1, d2, d3]),
            designated,
            backup,
            neighbors: many(rest, address)?,
        })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.mask.octets());
        out.extend_from_slice(&self.interval.to_be_bytes());
        out.extend_from_slice(&[self.options, self.priority]);
        out.extend_from_slice(&self.dead.to_be_bytes());
        for addr in [self.designated, self.backup].iter().chain(&self.neighbors) {
            out.extend_from_slice(&addr.octets());
        }
    }
}

impl OspfDescription {
    fn parse(bytes: &[u8]) -> Result<OspfDescription, Malformed> {
        let (&[m0, m1, options, flags, s0, s1, s2, s3], rest) = split::<8>(bytes)?;
        Ok(OspfDescription {
            mtu: u16::from_be_bytes([m0, m1]),
            options,
            init: flags & 4 != 0,
            more: flags & 2 != 0,
            master: flags & 1 != 0,
            seq: u32::from_be_bytes([s0, s1, s2, s3]),
            headers: many(rest, LsaHeader::parse)?,
        })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        let flags = u8::from(self.init) << 2 | u8::from(self.more) << 1 | u8::from(self.master);
        out.extend_from_slice(&self.mtu.to_be_bytes());
        out.extend_from_slice(&[self.options, flags]);
        out.extend_from_slice(&self.seq.to_be_bytes());
        self.headers.iter().for_each(|header| header.emit(out));
    }
}

impl fmt::Display for OspfPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OSPFv2, ")?;
        match &self.body {
            OspfBody::Hello(hello) => write!(f, "Hello, neighbors: {}", hello.neighbors.len())?,
            OspfBody::Description(description) => {
                f.write_str("Database Description, flags [")?;
                let flags = [(description.init, "I"), (description.more, "M"), (description.master, "MS")];
                flags.iter().filter(|(set, _)| *set).try_for_each(|(_, name)| f.write_str(name))?;
                write!(f, "], seq {}, headers: {}", description.seq, description.headers.len())?;
            }
            OspfBody::Request(keys) => write!(f, "LS-Request, announcements: {}", keys.len())?,
            OspfBody::Update(lsas) => write!(f, "LS-Update, announcements: {}", lsas.len())?,
            OspfBody::Ack(headers) => write!(f, "LS-Ack, announcements: {}", headers.len())?,
        }
        write!(f, ", router {}", self.router)
    }
}
