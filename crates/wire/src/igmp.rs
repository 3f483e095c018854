//! IGMP version 2 (RFC 2236): hosts tell routers which groups they listen to. And the messages with which routers cut and join
//! branches of multicast trees (PIM version 2 in dense mode, RFC 3973 section 4.7).

use crate::malformed::split;
use crate::{Checksum, Malformed};
use std::net::Ipv4Addr;

/// An IGMP message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IgmpMessage {
    /// A router asks who listens to a group, or to any (0.0.0.0); answers within so many tenths of a second.
    Query(Ipv4Addr, u8),
    /// Somebody listens.
    Report(Ipv4Addr),
    /// Somebody no longer does.
    Leave(Ipv4Addr),
}

impl IgmpMessage {
    /// All hosts on a link.
    pub const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
    /// All routers on a link.
    pub const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);

    /// The message that fills `bytes`.
    ///
    /// # Errors
    /// Truncated, checksum, an unknown type.
    pub fn parse(bytes: &[u8]) -> Result<IgmpMessage, Malformed> {
        let (&[kind, max, _, _, a, b, c, d], _) = split::<8>(bytes)?;
        if !Checksum::NONE.over(bytes).is_intact() {
            return Err(Malformed::Checksum);
        }
        let group = Ipv4Addr::new(a, b, c, d);
        match kind {
            0x11 => Ok(IgmpMessage::Query(group, max)),
            0x16 => Ok(IgmpMessage::Report(group)),
            0x17 => Ok(IgmpMessage::Leave(group)),
            _ => Err(Malformed::Unsupported),
        }
    }

    /// The message in bytes.
    pub fn emit(&self) -> Vec<u8> {
        let (kind, max, group) = match *self {
            IgmpMessage::Query(group, max) => (0x11, max, group),
            IgmpMessage::Report(group) => (0x16, 0, group),
            IgmpMessage::Leave(group) => (0x17, 0, group),
        };
        let mut out = vec![kind, max, 0, 0];
        out.extend_from_slice(&group.octets());
        with_checksum(out)
    }
}

/// What a PIM message asks of a branch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PimBranch {
    /// Nothing may be sent down it for so many seconds.
    Prune(u16),
    /// It is wanted again.
    Graft,
    /// The graft has arrived.
    GraftAck,
}

/// A PIM message, about one source and group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PimMessage {
    /// A router is there.
    Hello {
        /// For how many seconds.
        hold: u16,
        /// Another number after each start: what it was told before is forgotten (RFC 3973 section 4.7.5.2).
        generation: u32,
    },
    /// Of a branch.
    Branch {
        /// What is asked.
        what: PimBranch,
        /// The router that is asked.
        upstream: Ipv4Addr,
        /// The source of the stream.
        source: Ipv4Addr,
        /// Its group.
        group: Ipv4Addr,
    },
}

impl PimMessage {
    /// All PIM routers on a link.
    pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 13);

    /// The message that fills `bytes`.
    ///
    /// # Errors
    /// Truncated, checksum, another version or type, or more than one source and group.
    pub fn parse(bytes: &[u8]) -> Result<PimMessage, Malformed> {
        let (&[kind, _, _, _], rest) = split::<4>(bytes)?;
        if !Checksum::NONE.over(bytes).is_intact() {
            return Err(Malformed::Checksum);
        }
        if kind == 0x20 {
            let (&[_, 1, _, 2, a, b], rest) = split::<6>(rest)? else { return Err(Malformed::Unsupported) };
            let hold = u16::from_be_bytes([a, b]);
            let generation = match rest.first_chunk::<8>() {
                Some(&[0, 20, 0, 4, a, b, c, d]) => u32::from_be_bytes([a, b, c, d]),
                _ => 0,
            };
            return Ok(PimMessage::Hello { hold, generation });
        }
        let (body, _) = split::<30>(rest)?;
        let addr = |at: usize| Ipv4Addr::new(body[at], body[at + 1], body[at + 2], body[at + 3]);
        let half = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
        if body[7] != 1 {
            return Err(Malformed::Unsupported);
        }
        let what = match (kind, half(18), half(20)) {
            (0x23, 0, 1) => PimBranch::Prune(half(8)),
            (0x26, 1, 0) => PimBranch::Graft,
            (0x27, 1, 0) => PimBranch::GraftAck,
            _ => return Err(Malformed::Unsupported),
        };
        Ok(PimMessage::Branch { what, upstream: addr(2), source: addr(26), group: addr(14) })
    }

    /// The message in bytes.
    pub fn emit(&self) -> Vec<u8> {
        let PimMessage::Branch { what, upstream, source, group } = *self else {
            let PimMessage::Hello { hold, generation } = *self else { unreachable!("there are two kinds") };
            let [a, b] = hold.to_be_bytes();
            let mut out = vec![0x20, 0, 0, 0, 0, 1, 0, 2, a, b, 0, 20, 0, 4];
            out.extend_from_slice(&generation.to_be_bytes());
            return with_checksum(out);
        };
        let (kind, hold, joined) = match what {
            PimBranch::Prune(hold) => (0x23, hold, 0),
            PimBranch::Graft => (0x26, 0, 1),
            PimBranch::GraftAck => (0x27, 0, 1),
        };
        let mut out = vec![kind, 0, 0, 0, 1, 0];
        out.extend_from_slice(&upstream.octets());
        out.extend_from_slice(&[0, 1]);
        out.extend_from_slice(&hold.to_be_bytes());
        out.extend_from_slice(&[1, 0, 0, 32]);
        out.extend_from_slice(&group.octets());
        out.extend_from_slice(&[0, joined, 0, 1 - joined, 1, 0, 0, 32]);
        out.extend_from_slice(&source.octets());
        with_checksum(out)
    }
}

fn with_checksum(mut out: Vec<u8>) -> Vec<u8> {
    let sum = Checksum::NONE.over(&out).finish();
    out[2..4].copy_from_slice(&sum.to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn addr() -> impl Strategy<Value = Ipv4Addr> {
        any::<u32>().prop_map(Ipv4Addr::from_bits)
    }

    proptest! {
        #[test]
        fn parse_undoes_emit(kind in 0..3, group in addr(), source in addr(), upstream in addr(), n in any::<u16>()) {
            let igmp = match kind {
                0 => IgmpMessage::Query(group, n as u8),
                1 => IgmpMessage::Report(group),
                _ => IgmpMessage::Leave(group),
            };
            prop_assert_eq!(IgmpMessage::parse(&igmp.emit()), Ok(igmp));
            let what = [PimBranch::Prune(n), PimBranch::Graft, PimBranch::GraftAck][kind as usize];
            for pim in [PimMessage::Hello { hold: n, generation: group.to_bits() }, PimMessage::Branch { what, upstream, source, group }] {
                prop_assert_eq!(PimMessage::parse(&pim.emit()), Ok(pim));
            }
        }

        #[test]
        fn any_bytes_parse_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            let _ = (IgmpMessage::parse(&bytes), PimMessage::parse(&with_checksum([vec![0; 4], bytes].concat())));
        }
    }

    #[test]
    fn a_report_is_these_bytes() {
        let bytes = IgmpMessage::Report(Ipv4Addr::new(239, 1, 2, 3)).emit();
        assert_eq!(bytes, [0x16, 0, 0xF8, 0xFA, 239, 1, 2, 3]);
    }
}
