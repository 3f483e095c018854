//! IPv4 networks in CIDR notation (RFC 4632).

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 network: an address with zero host bits, and a length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    bits: u32,
    len: u8,
}

impl Prefix {
    /// `0.0.0.0/0`, everything.
    pub const DEFAULT: Prefix = Prefix { bits: 0, len: 0 };

    /// The network of `addr` with a prefix length of `len`; host bits are cleared. `None` above 32.
    pub const fn new(addr: Ipv4Addr, len: u8) -> Option<Prefix> {
        if len > 32 {
            return None;
        }
        Some(Prefix { bits: addr.to_bits() & mask(len), len })
    }

    /// The network of one address.
    pub const fn host(addr: Ipv4Addr) -> Prefix {
        Prefix { bits: addr.to_bits(), len: 32 }
    }

    /// The first address.
    pub const fn network(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.bits)
    }

    /// The last address, to which broadcasts go.
    pub const fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.bits | !mask(self.len))
    }

    /// The network mask.
    pub const fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask(self.len))
    }

    /// The prefix length.
    pub const fn bits(self) -> u8 {
        self.len
    }

    /// Whether `addr` lies inside.
    #[inline]
    pub const fn contains(self, addr: Ipv4Addr) -> bool {
        addr.to_bits() & mask(self.len) == self.bits
    }

    /// How many hosts can be numbered: without network and broadcast address, except in /31 (RFC 3021) and /32.
    pub const fn hosts(self) -> u64 {
        match self.len {
            32 => 1,
            31 => 2,
            len => (1u64 << (32 - len)) - 2,
        }
    }
}

/// The network mask of a prefix length.
#[inline]
pub(crate) const fn mask(len: u8) -> u32 {
    if len == 0 { 0 } else { u32::MAX << (32 - len as u32) }
}

impl FromStr for Prefix {
    type Err = String;

    /// `10.0.0.0/24`; a bare address is a /32.
    fn from_str(text: &str) -> Result<Prefix, String> {
        let wrong = || {
            format!(
                "'{text}' is not a network: expected an address and a prefix length, for example \"10.0.1.0/24\""
            )
        };
        let (addr, len) = text.split_once('/').unwrap_or((text, "32"));
        let addr = addr.parse().map_err(|_| wrong())?;
        let len = len.parse().map_err(|_| wrong())?;
        Prefix::new(addr, len).ok_or_else(wrong)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network(), self.len)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_four_addresses_has_two_hosts() {
        let net: Prefix = "10.0.0.0/30".parse().unwrap();
        assert_eq!(net.hosts(), 2);
        assert_eq!(net.broadcast(), Ipv4Addr::new(10, 0, 0, 3));
        assert!(net.contains(Ipv4Addr::new(10, 0, 0, 2)) && !net.contains(Ipv4Addr::new(10, 0, 0, 4)));
    }

    #[test]
    fn host_bits_are_cleared_and_nonsense_is_refused() {
        assert_eq!("10.1.2.3/16".parse::<Prefix>().unwrap().to_string(), "10.1.0.0/16");
        for text in ["10.0.0.0/33", "10.0.0/8", "", "/", "a/8", "10.0.0.0/-1"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
        assert_eq!(Prefix::new(Ipv4Addr::BROADCAST, 0), Some(Prefix::DEFAULT));
    }
}
