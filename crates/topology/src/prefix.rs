//! IPv4 networks and interface addresses in CIDR notation (RFC 4632).

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 network: an address with zero host bits, and a length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    bits: u32,
    len: u8,
}

/// An interface's address with the length of its network's prefix, such as `10.0.0.5/24`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfaceAddr {
    /// The address itself.
    pub ip: Ipv4Addr,
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

    /// The first address.
    pub const fn network(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.bits)
    }

    /// The last address, to which broadcasts go.
    pub const fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.bits | !mask(self.len))
    }

    /// The prefix length, 0 to 32.
    pub const fn length(self) -> u8 {
        self.len
    }

    /// The netmask, such as 255.255.255.0.
    pub const fn netmask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask(self.len))
    }

    /// Whether `addr` lies inside.
    pub const fn contains(self, addr: Ipv4Addr) -> bool {
        addr.to_bits() & mask(self.len) == self.bits
    }

    /// Whether the two networks share an address.
    pub const fn overlaps(self, other: Prefix) -> bool {
        let shorter = if self.len < other.len { self.len } else { other.len };
        (self.bits ^ other.bits) & mask(shorter) == 0
    }

    /// How many hosts can be numbered: without network and broadcast address, except in /31 (RFC 3021) and /32.
    pub const fn hosts(self) -> u64 {
        match self.len {
            32 => 1,
            31 => 2,
            len => (1u64 << (32 - len)) - 2,
        }
    }

    /// The address of host number `n`, counted from 0; `None` beyond [`Prefix::hosts`].
    pub fn host(self, n: u64) -> Option<Ipv4Addr> {
        let first = if self.len >= 31 { 0 } else { 1 };
        (n < self.hosts()).then(|| Ipv4Addr::from_bits(self.bits + first + n as u32))
    }

    /// Whether hosts may have its addresses: none is of "this network", loopback, a group or reserved (RFC 6890 section 2.2.2).
    pub const fn is_for_hosts(self) -> bool {
        const SPECIAL: [Prefix; 3] = [
            Prefix { bits: 0, len: 8 },
            Prefix { bits: 127 << 24, len: 8 },
            Prefix { bits: 224 << 24, len: 3 },
        ];
        !self.overlaps(SPECIAL[0]) && !self.overlaps(SPECIAL[1]) && !self.overlaps(SPECIAL[2])
    }

    /// The network twice as large that holds this one and its sibling; `None` for /0.
    pub(crate) fn parent(self) -> Option<Prefix> {
        Prefix::new(self.network(), self.len.checked_sub(1)?)
    }

    /// Whether this is the lower half of its parent.
    pub(crate) const fn is_lower_half(self) -> bool {
        self.len > 0 && self.bits >> (32 - self.len as u32) & 1 == 0
    }

    /// The first and last address as numbers.
    pub(crate) const fn range(self) -> (u32, u32) {
        (self.bits, self.bits | !mask(self.len))
    }
}

impl IfaceAddr {
    /// The address `ip` in a network with prefixes of `len` bits; `None` above 32.
    pub const fn new(ip: Ipv4Addr, len: u8) -> Option<IfaceAddr> {
        if len > 32 { None } else { Some(IfaceAddr { ip, len }) }
    }

    /// The prefix length, 0 to 32.
    pub const fn length(self) -> u8 {
        self.len
    }

    /// The network that the address is in.
    pub const fn prefix(self) -> Prefix {
        Prefix { bits: self.ip.to_bits() & mask(self.len), len: self.len }
    }

    /// Whether a host may have this address.
    ///
    /// # Errors
    /// It is the network or the broadcast address of its prefix, or its network holds addresses that are not for hosts.
    pub fn check_usable(self) -> Result<(), String> {
        let (first, last) = self.prefix().range();
        let refused = |why: String| Err(format!("'{self}' cannot be a host's address: {why}"));
        if !self.prefix().is_for_hosts() {
            return refused(format!(
                "its network holds addresses that are not for hosts ({NOT_FOR_HOSTS}); use one such as 10.1.0.1/24"
            ));
        }
        match self.ip.to_bits() {
            bits if self.len < 31 && bits == first => {
                refused(format!("it is its network's own, {}", self.prefix()))
            }
            bits if self.len < 31 && bits == last => {
                refused(format!("it is the broadcast address of {}", self.prefix()))
            }
            _ => Ok(()),
        }
    }
}

/// The networks that hosts have no addresses of, for messages (RFC 6890 section 2.2.2).
pub(crate) const NOT_FOR_HOSTS: &str =
    "0.0.0.0/8, 127.0.0.0/8 for loopback, 224.0.0.0/4 for groups, 240.0.0.0/4 reserved";

/// The network mask of a prefix length.
const fn mask(len: u8) -> u32 {
    if len == 0 { 0 } else { u32::MAX << (32 - len as u32) }
}

fn split(text: &str) -> Option<(Ipv4Addr, u8)> {
    let (addr, len) = text.trim().split_once('/')?;
    let plain = !len.is_empty() && len.bytes().all(|b| b.is_ascii_digit());
    Some((addr.parse().ok()?, len.parse().ok().filter(|len| plain && *len <= 32)?))
}

impl FromStr for Prefix {
    type Err = String;

    /// `10.0.0.0/24`. Errors: no length, one above 32, or host bits that are not zero.
    fn from_str(text: &str) -> Result<Prefix, String> {
        let Some((addr, len)) = split(text) else {
            return Err(format!(
                "'{text}' is not a network: expected an address and a prefix length, for example \"10.0.1.0/24\""
            ));
        };
        let prefix = Prefix { bits: addr.to_bits() & mask(len), len };
        if prefix.network() != addr {
            return Err(format!("'{text}' is an address inside a network; the network itself is '{prefix}'"));
        }
        Ok(prefix)
    }
}

impl FromStr for IfaceAddr {
    type Err = String;

    /// `10.0.0.5/24`. Errors: no length, one above 32, or an address that no host may have.
    fn from_str(text: &str) -> Result<IfaceAddr, String> {
        let Some((ip, len)) = split(text) else {
            return Err(format!(
                "'{text}' is not an interface address: expected an address and a prefix length, for example \"10.0.0.5/24\""
            ));
        };
        let addr = IfaceAddr { ip, len };
        addr.check_usable()?;
        Ok(addr)
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

impl fmt::Display for IfaceAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.len)
    }
}

impl fmt::Debug for IfaceAddr {
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
        assert_eq!(net.host(1), Some(Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(net.host(2), None);
        assert_eq!(net.broadcast(), Ipv4Addr::new(10, 0, 0, 3));
    }

    #[test]
    fn both_addresses_of_a_31_are_hosts() {
        let net: Prefix = "10.0.0.0/31".parse().unwrap();
        assert_eq!(
            (net.host(0), net.host(1)),
            (Some(Ipv4Addr::new(10, 0, 0, 0)), Some(Ipv4Addr::new(10, 0, 0, 1)))
        );
        assert!("10.0.0.0/31".parse::<IfaceAddr>().is_ok());
    }

    #[test]
    fn networks_overlap_when_one_holds_the_other() {
        let net = |text: &str| text.parse::<Prefix>().unwrap();
        assert!(net("10.0.0.0/8").overlaps(net("10.9.0.0/16")));
        assert!(!net("10.0.0.0/24").overlaps(net("10.0.1.0/24")));
        assert!(Prefix::DEFAULT.overlaps(net("192.168.0.0/16")));
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for text in ["10.0.0.0/33", "10.0.0/8", "", "/", "a/8", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0"] {
            assert!(text.parse::<Prefix>().unwrap_err().contains("for example"), "{text}");
        }
        assert_eq!(
            "10.0.0.5/24".parse::<Prefix>().unwrap_err(),
            "'10.0.0.5/24' is an address inside a network; the network itself is '10.0.0.0/24'"
        );
        for text in [
            "10.0.0.0/24",
            "10.0.0.255/24",
            "224.0.0.1/4",
            "0.0.0.0/0",
            "0.0.0.5/8",
            "127.0.0.1/8",
            "127.9.9.1/30",
            "240.0.0.1/8",
            "250.1.1.1/24",
            "255.255.255.254/8",
            "255.255.255.255/32",
        ] {
            assert!(text.parse::<IfaceAddr>().unwrap_err().contains("cannot be a host's address"), "{text}");
        }
    }
}
