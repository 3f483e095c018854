//! Neighbour discovery for IPv6 (RFC 4861): solicitations and advertisements of neighbours and routers.

use crate::malformed::split;
use crate::{IcmpMessage, MacAddr, Malformed};
use std::fmt;
use std::net::Ipv6Addr;

/// A message of neighbour discovery; it travels as an ICMPv6 message with a hop limit of 255.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ndp {
    /// Which routers are here? (RFC 4861 section 4.1)
    RouterSolicit {
        /// Who asks.
        mac: Option<MacAddr>,
    },
    /// A router is here (RFC 4861 section 4.2).
    RouterAdvert {
        /// Hop limit for hosts; 0 for no opinion.
        hop_limit: u8,
        /// How long it serves as a default router, in seconds.
        lifetime: u16,
        /// The router's link-layer address.
        mac: Option<MacAddr>,
        /// The network on this link, from which hosts make their addresses (RFC 4862), and its lifetime in seconds.
        prefix: Option<(Ipv6Addr, u8, u32)>,
    },
    /// Who has this address? (RFC 4861 section 4.3)
    NeighborSolicit {
        /// The address that is asked for.
        target: Ipv6Addr,
        /// Who asks; absent while an address is tested for duplicates.
        mac: Option<MacAddr>,
    },
    /// This address is here (RFC 4861 section 4.4).
    NeighborAdvert {
        /// The address.
        target: Ipv6Addr,
        /// Where it is.
        mac: Option<MacAddr>,
        /// The sender is a router.
        router: bool,
        /// It answers a solicitation.
        solicited: bool,
        /// It replaces what is known.
        overrides: bool,
    },
}

const ROUTER_SOLICIT: u8 = 133;
const ROUTER_ADVERT: u8 = 134;
const NEIGHBOR_SOLICIT: u8 = 135;
const NEIGHBOR_ADVERT: u8 = 136;
const SOURCE_ADDRESS: u8 = 1;
const TARGET_ADDRESS: u8 = 2;
const PREFIX: u8 = 3;
/// On link, and for addresses that hosts make themselves.
const PREFIX_FLAGS: u8 = 0xC0;

impl Ndp {
    /// Every message must arrive with this hop limit: then no router has forwarded it.
    pub const HOP_LIMIT: u8 = 255;

    /// The ICMPv6 message.
    pub fn message(&self) -> IcmpMessage {
        let mut body = Vec::with_capacity(24);
        let (kind, rest) = match self {
            Ndp::RouterSolicit { mac } => {
                link_address(SOURCE_ADDRESS, mac, &mut body);
                (ROUTER_SOLICIT, 0)
            }
            Ndp::RouterAdvert { hop_limit, lifetime, mac, prefix } => {
                // Reachable time and retransmission timer: unspecified.
                body.extend_from_slice(&[0; 8]);
                link_address(SOURCE_ADDRESS, mac, &mut body);
                if let Some((address, len, lifetime)) = prefix {
                    body.extend_from_slice(&[PREFIX, 4, *len, PREFIX_FLAGS]);
                    body.extend_from_slice(&lifetime.to_be_bytes());
                    body.extend_from_slice(&lifetime.to_be_bytes());
                    body.extend_from_slice(&[0; 4]);
                    body.extend_from_slice(&address.octets());
                }
                (ROUTER_ADVERT, u32::from(*hop_limit) << 24 | u32::from(*lifetime))
            }
            Ndp::NeighborSolicit { target, mac } => {
                body.extend_from_slice(&target.octets());
                link_address(SOURCE_ADDRESS, mac, &mut body);
                (NEIGHBOR_SOLICIT, 0)
            }
            Ndp::NeighborAdvert { target, mac, router, solicited, overrides } => {
                body.extend_from_slice(&target.octets());
                link_address(TARGET_ADDRESS, mac, &mut body);
                let flags =
                    u32::from(*router) << 31 | u32::from(*solicited) << 30 | u32::from(*overrides) << 29;
                (NEIGHBOR_ADVERT, flags)
            }
        };
        IcmpMessage { kind, code: 0, rest, payload: body.into() }
    }

    /// What an ICMPv6 message says; `None` when it is none of these.
    ///
    /// # Errors
    /// Truncated, an option of length zero (RFC 4861 section 4.6), a group as the target.
    pub fn parse(message: &IcmpMessage) -> Result<Option<Ndp>, Malformed> {
        let body = message.payload.to_bytes();
        let target = |body: &[u8]| {
            let (octets, _) = split::<16>(body)?;
            let target = Ipv6Addr::from(*octets);
            if target.is_multicast() { Err(Malformed::Address) } else { Ok(target) }
        };
        Ok(Some(match message.kind {
            ROUTER_SOLICIT => Ndp::RouterSolicit { mac: Options::parse(&body)?.mac },
            ROUTER_ADVERT => {
                let options = Options::parse(body.get(8..).ok_or(Malformed::Truncated)?)?;
                Ndp::RouterAdvert {
                    hop_limit: (message.rest >> 24) as u8,
                    lifetime: message.rest as u16,
                    mac: options.mac,
                    prefix: options.prefix,
                }
            }
            NEIGHBOR_SOLICIT => {
                Ndp::NeighborSolicit { target: target(&body)?, mac: Options::parse(&body[16..])?.mac }
            }
            NEIGHBOR_ADVERT => Ndp::NeighborAdvert {
                target: target(&body)?,
                mac: Options::parse(&body[16..])?.mac,
                router: message.rest >> 31 & 1 == 1,
                solicited: message.rest >> 30 & 1 == 1,
                overrides: message.rest >> 29 & 1 == 1,
            },
            _ => return Ok(None),
        }))
    }
}

fn link_address(kind: u8, mac: &Option<MacAddr>, out: &mut Vec<u8>) {
    if let Some(mac) = mac {
        out.extend_from_slice(&[kind, 1]);
        out.extend_from_slice(&mac.0);
    }
}

#[derive(Default)]
struct Options {
    mac: Option<MacAddr>,
    prefix: Option<(Ipv6Addr, u8, u32)>,
}

impl Options {
    fn parse(mut bytes: &[u8]) -> Result<Options, Malformed> {
        let mut found = Options::default();
        while let [kind, units, ..] = *bytes {
            let len = usize::from(units) * 8;
            if len == 0 {
                return Err(Malformed::Option);
            }
            let (option, rest) = bytes.split_at_checked(len).ok_or(Malformed::Truncated)?;
            bytes = rest;
            match (kind, option) {
                (SOURCE_ADDRESS | TARGET_ADDRESS, [_, _, a, b, c, d, e, g]) => {
                    found.mac = Some(MacAddr([*a, *b, *c, *d, *e, *g]));
                }
                (PREFIX, [_, _, len, _, v0, v1, v2, v3, _, _, _, _, _, _, _, _, address @ ..])
                    if let Ok(octets) = <[u8; 16]>::try_from(address) =>
                {
                    found.prefix =
                        Some((Ipv6Addr::from(octets), *len, u32::from_be_bytes([*v0, *v1, *v2, *v3])));
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

impl fmt::Display for Ndp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ndp::RouterSolicit { .. } => f.write_str("router solicitation"),
            Ndp::RouterAdvert { lifetime, prefix, .. } => {
                write!(f, "router advertisement, lifetime {lifetime}s")?;
                match prefix {
                    Some((address, len, _)) => write!(f, ", prefix {address}/{len}"),
                    None => Ok(()),
                }
            }
            Ndp::NeighborSolicit { target, .. } => write!(f, "neighbor solicitation, who has {target}"),
            Ndp::NeighborAdvert { target, mac, .. } => {
                write!(f, "neighbor advertisement, tgt is {target}")?;
                mac.map_or(Ok(()), |mac| write!(f, " at {mac}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_round_trips() {
        let (target, mac) = ("2001:db8::7".parse().unwrap(), Some(MacAddr([2, 0, 0, 0, 0, 9])));
        let prefix = Some(("2001:db8:0:5::".parse().unwrap(), 64, 86_400));
        let all = [
            Ndp::RouterSolicit { mac },
            Ndp::RouterAdvert { hop_limit: 64, lifetime: 1800, mac, prefix },
            Ndp::RouterAdvert { hop_limit: 0, lifetime: 0, mac: None, prefix: None },
            Ndp::NeighborSolicit { target, mac },
            Ndp::NeighborSolicit { target, mac: None },
            Ndp::NeighborAdvert { target, mac, router: true, solicited: false, overrides: true },
        ];
        for ndp in all {
            assert_eq!(Ndp::parse(&ndp.message()), Ok(Some(ndp)));
        }
        let echo = IcmpMessage { kind: 128, code: 0, rest: 0, payload: vec![].into() };
        assert_eq!(Ndp::parse(&echo), Ok(None));
    }

    #[test]
    fn a_solicitation_with_its_senders_address_has_32_bytes() {
        let ndp = Ndp::NeighborSolicit { target: Ipv6Addr::LOCALHOST, mac: Some(MacAddr([2; 6])) };
        assert_eq!(IcmpMessage::HEADER_LEN + ndp.message().payload.len(), 32);
    }

    #[test]
    fn broken_messages_are_refused() {
        let message =
            |kind, payload: Vec<u8>| IcmpMessage { kind, code: 0, rest: 0, payload: payload.into() };
        assert_eq!(Ndp::parse(&message(135, vec![0; 15])), Err(Malformed::Truncated));
        assert_eq!(Ndp::parse(&message(135, vec![0xFF; 16])), Err(Malformed::Address));
        assert_eq!(Ndp::parse(&message(133, vec![1, 0, 0, 0, 0, 0, 0, 0])), Err(Malformed::Option));
        assert_eq!(Ndp::parse(&message(134, vec![0; 7])), Err(Malformed::Truncated));
        assert_eq!(Ndp::parse(&message(133, vec![1, 2, 0, 0])), Err(Malformed::Truncated));
    }
}
