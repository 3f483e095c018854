//! BGP version 4 (RFC 4271 section 4), carried by TCP on port 179. AS numbers have two octets.

use crate::Malformed;
use crate::malformed::split;
use std::net::Ipv4Addr;

/// A BGP message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BgpMessage {
    /// Opens a session (section 4.2).
    Open {
        /// The sender's AS.
        asn: u16,
        /// Seconds of silence after which the session is over; 0 for never.
        hold: u16,
        /// The sender's identifier.
        id: Ipv4Addr,
    },
    /// Routes come and go (section 4.3).
    Update(BgpUpdate),
    /// Something is wrong: the session ends (section 4.5).
    Notification {
        /// What kind of thing.
        code: u8,
        /// What exactly.
        subcode: u8,
    },
    /// The sender is alive (section 4.4).
    Keepalive,
}

/// An address and a prefix length.
pub type BgpPrefix = (Ipv4Addr, u8);

/// What an update says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BgpUpdate {
    /// Out of reach from now on.
    pub withdrawn: Vec<BgpPrefix>,
    /// The way to `announced`; there if that is not empty.
    pub path: Option<BgpPath>,
    /// Within reach.
    pub announced: Vec<BgpPrefix>,
}

/// The attributes of a route (section 5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BgpPath {
    /// 0 from inside the AS, 1 by EGP, 2 by other means.
    pub origin: u8,
    /// The ASes on the way, the nearest first.
    pub asns: Vec<u16>,
    /// Where to send to.
    pub next_hop: Ipv4Addr,
    /// Of several ways into the neighbouring AS the lowest is wanted (MULTI_EXIT_DISC).
    pub med: Option<u32>,
    /// Within an AS: the highest is used (LOCAL_PREF).
    pub local_pref: Option<u32>,
}

const HEADER_LEN: usize = 19;

impl BgpMessage {
    /// The TCP port.
    pub const PORT: u16 = 179;
    /// The longest message in bytes (section 4.1).
    pub const MAX_LEN: usize = 4096;

    /// The first message of a stream and its length; `None` while it is not there as a whole.
    ///
    /// # Errors
    /// A marker, length or type that no message has; contents that contradict themselves; a set of ASes.
    pub fn parse(stream: &[u8]) -> Result<Option<(BgpMessage, usize)>, Malformed> {
        let Some((header, _)) = stream.split_first_chunk::<HEADER_LEN>() else { return Ok(None) };
        if header[..16] != [0xFF; 16] {
            return Err(Malformed::Unsupported);
        }
        let len = usize::from(u16::from_be_bytes([header[16], header[17]]));
        if !(HEADER_LEN..=Self::MAX_LEN).contains(&len) {
            return Err(Malformed::Length);
        }
        let Some(body) = stream.get(HEADER_LEN..len) else { return Ok(None) };
        let message = match header[18] {
            1 => parse_open(body)?,
            2 => BgpMessage::Update(BgpUpdate::parse(body)?),
            3 => {
                let (&[code, subcode], _) = split::<2>(body)?;
                BgpMessage::Notification { code, subcode }
            }
            4 if body.is_empty() => BgpMessage::Keepalive,
            4 => return Err(Malformed::Length),
            _ => return Err(Malformed::Unsupported),
        };
        Ok(Some((message, len)))
    }

    /// The message in bytes.
    ///
    /// # Panics
    /// When it is longer than [`BgpMessage::MAX_LEN`].
    pub fn emit(&self) -> Vec<u8> {
        let mut out = vec![0xFF; 16];
        out.extend_from_slice(&[0, 0]);
        match self {
            BgpMessage::Open { asn, hold, id } => {
                out.extend_from_slice(&[1, 4]);
                out.extend_from_slice(&asn.to_be_bytes());
                out.extend_from_slice(&hold.to_be_bytes());
                out.extend_from_slice(&id.octets());
                out.push(0);
            }
            BgpMessage::Update(update) => {
                out.push(2);
                update.emit(&mut out);
            }
            BgpMessage::Notification { code, subcode } => out.extend_from_slice(&[3, *code, *subcode]),
            BgpMessage::Keepalive => out.push(4),
        }
        assert!(out.len() <= Self::MAX_LEN, "a BGP message of {} bytes", out.len());
        let len = out.len() as u16;
        out[16..18].copy_from_slice(&len.to_be_bytes());
        out
    }
}

/// Optional parameters are skipped.
fn parse_open(body: &[u8]) -> Result<BgpMessage, Malformed> {
    let (&[version, a0, a1, h0, h1, i0, i1, i2, i3, params], rest) = split::<10>(body)?;
    if version != 4 {
        return Err(Malformed::Version);
    }
    if rest.len() != usize::from(params) {
        return Err(Malformed::Length);
    }
    let id = Ipv4Addr::new(i0, i1, i2, i3);
    Ok(BgpMessage::Open { asn: u16::from_be_bytes([a0, a1]), hold: u16::from_be_bytes([h0, h1]), id })
}

impl BgpUpdate {
    fn parse(body: &[u8]) -> Result<BgpUpdate, Malformed> {
        let (withdrawn, rest) = sized(body)?;
        let (attributes, announced) = sized(rest)?;
        let path = if attributes.is_empty() { None } else { Some(BgpPath::parse(attributes)?) };
        let announced = parse_prefixes(announced)?;
        if path.is_none() && !announced.is_empty() {
            return Err(Malformed::Option);
        }
        Ok(BgpUpdate { withdrawn: parse_prefixes(withdrawn)?, path, announced })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        let mut withdrawn = Vec::new();
        self.withdrawn.iter().for_each(|prefix| emit_prefix(*prefix, &mut withdrawn));
        let mut attributes = Vec::new();
        if let Some(path) = &self.path {
            path.emit(&mut attributes);
        }
        for part in [withdrawn, attributes] {
            out.extend_from_slice(&(part.len() as u16).to_be_bytes());
            out.extend_from_slice(&part);
        }
        self.announced.iter().for_each(|prefix| emit_prefix(*prefix, out));
    }
}

fn sized(bytes: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let (len, rest) = split::<2>(bytes)?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len))).ok_or(Malformed::Length)
}

fn parse_prefixes(mut bytes: &[u8]) -> Result<Vec<BgpPrefix>, Malformed> {
    let mut all = Vec::new();
    while let Some((&len, rest)) = bytes.split_first() {
        let n = usize::from(len.div_ceil(8));
        if len > 32 {
            return Err(Malformed::Length);
        }
        let (used, after) = rest.split_at_checked(n).ok_or(Malformed::Truncated)?;
        let mut octets = [0; 4];
        octets[..n].copy_from_slice(used);
        all.push((octets.into(), len));
        bytes = after;
    }
    Ok(all)
}

fn emit_prefix((addr, len): BgpPrefix, out: &mut Vec<u8>) {
    out.push(len);
    out.extend_from_slice(&addr.octets()[..usize::from(len.div_ceil(8))]);
}

const TRANSITIVE: u8 = 0x40;
const OPTIONAL: u8 = 0x80;
const LONG: u8 = 0x10;

impl BgpPath {
    /// Attributes that are not known here are skipped.
    fn parse(mut bytes: &[u8]) -> Result<BgpPath, Malformed> {
        let (mut origin, mut asns, mut next_hop) = (None, None, None);
        let (mut med, mut local_pref) = (None, None);
        while !bytes.is_empty() {
            let (&[flags, kind], rest) = split::<2>(bytes)?;
            let (value, after) = if flags & LONG != 0 {
                sized(rest)?
            } else {
                let (&[len], rest) = split::<1>(rest)?;
                rest.split_at_checked(usize::from(len)).ok_or(Malformed::Length)?
            };
            let word = || <[u8; 4]>::try_from(value).map(u32::from_be_bytes).map_err(|_| Malformed::Length);
            match kind {
                1 => origin = Some(*value.first().filter(|_| value.len() == 1).ok_or(Malformed::Length)?),
                2 => asns = Some(parse_asns(value)?),
                3 => next_hop = Some(Ipv4Addr::from_bits(word()?)),
                4 => med = Some(word()?),
                5 => local_pref = Some(word()?),
                _ => {}
            }
            bytes = after;
        }
        match (origin, asns, next_hop) {
            (Some(origin), Some(asns), Some(next_hop)) => {
                Ok(BgpPath { origin, asns, next_hop, med, local_pref })
            }
            _ => Err(Malformed::Option),
        }
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[TRANSITIVE, 1, 1, self.origin]);
        let mut asns = Vec::new();
        for part in self.asns.chunks(255) {
            asns.extend_from_slice(&[AS_SEQUENCE, part.len() as u8]);
            part.iter().for_each(|asn| asns.extend_from_slice(&asn.to_be_bytes()));
        }
        out.extend_from_slice(&[TRANSITIVE | LONG, 2]);
        out.extend_from_slice(&(asns.len() as u16).to_be_bytes());
        out.extend_from_slice(&asns);
        out.extend_from_slice(&[TRANSITIVE, 3, 4]);
        out.extend_from_slice(&self.next_hop.octets());
        for (flags, kind, value) in [(OPTIONAL, 4, self.med), (TRANSITIVE, 5, self.local_pref)] {
            if let Some(value) = value {
                out.extend_from_slice(&[flags, kind, 4]);
                out.extend_from_slice(&value.to_be_bytes());
            }
        }
    }
}

const AS_SEQUENCE: u8 = 2;

fn parse_asns(mut bytes: &[u8]) -> Result<Vec<u16>, Malformed> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (&[kind, n], rest) = split::<2>(bytes)?;
        if kind != AS_SEQUENCE {
            return Err(Malformed::Unsupported);
        }
        let (used, after) = rest.split_at_checked(usize::from(n) * 2).ok_or(Malformed::Length)?;
        all.extend(used.chunks_exact(2).map(|asn| u16::from_be_bytes([asn[0], asn[1]])));
        bytes = after;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefixes() -> impl Strategy<Value = Vec<BgpPrefix>> {
        let prefix = (any::<u32>(), 0..=32u8).prop_map(|(bits, len)| {
            // Bits beyond the last octet that is sent do not travel.
            let kept = if len == 0 { 0 } else { u32::MAX << (32 - u32::from(len.div_ceil(8)) * 8) };
            (Ipv4Addr::from_bits(bits & kept), len)
        });
        prop::collection::vec(prefix, 0..9)
    }

    fn message() -> impl Strategy<Value = BgpMessage> {
        let path =
            (any::<(u8, u32, Option<u32>, Option<u32>)>(), prop::collection::vec(any::<u16>(), 0..300));
        let path = path.prop_map(|((origin, hop, med, local_pref), asns)| BgpPath {
            origin,
            asns,
            next_hop: Ipv4Addr::from_bits(hop),
            med,
            local_pref,
        });
        let update = (prefixes(), path, prefixes()).prop_map(|(withdrawn, path, announced)| {
            let path = (!announced.is_empty()).then_some(path);
            BgpMessage::Update(BgpUpdate { withdrawn, path, announced })
        });
        let open = any::<(u16, u16, u32)>().prop_map(|(asn, hold, id)| BgpMessage::Open {
            asn,
            hold,
            id: Ipv4Addr::from_bits(id),
        });
        let note = any::<(u8, u8)>().prop_map(|(code, subcode)| BgpMessage::Notification { code, subcode });
        prop_oneof![open, update, note, Just(BgpMessage::Keepalive)]
    }

    proptest! {
        #[test]
        fn parse_undoes_emit_at_the_start_of_any_stream(message in message(), more in prop::collection::vec(any::<u8>(), 0..9)) {
            let mut bytes = message.emit();
            let len = bytes.len();
            for short in [0, 18, len - 1] {
                prop_assert_eq!(BgpMessage::parse(&bytes[..short]), Ok(None));
            }
            bytes.extend(more);
            prop_assert_eq!(BgpMessage::parse(&bytes), Ok(Some((message, len))));
        }

        #[test]
        fn any_bytes_parse_or_are_refused(kind in 0..6u8, mut bytes in prop::collection::vec(any::<u8>(), 19..200)) {
            let _ = BgpMessage::parse(&bytes);
            bytes[..16].fill(0xFF);
            (bytes[16], bytes[17], bytes[18]) = (0, bytes.len() as u8, kind);
            let _ = BgpMessage::parse(&bytes);
        }
    }

    #[test]
    fn a_keepalive_is_nineteen_bytes_and_other_markers_versions_and_sets_are_refused() {
        assert_eq!(BgpMessage::Keepalive.emit().len(), 19);
        let open = BgpMessage::Open { asn: 65001, hold: 90, id: Ipv4Addr::new(10, 0, 0, 1) }.emit();
        let with = |at: usize, byte: u8| {
            let mut bytes = open.clone();
            bytes[at] = byte;
            BgpMessage::parse(&bytes)
        };
        assert_eq!(with(0, 0), Err(Malformed::Unsupported));
        assert_eq!(with(17, 18), Err(Malformed::Length));
        assert_eq!(with(19, 3), Err(Malformed::Version));
        assert_eq!(parse_asns(&[1, 1, 0, 7]), Err(Malformed::Unsupported));
    }
}
