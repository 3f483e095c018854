//! Link-layer addresses and transport endpoints.

use crate::{AddressBook, Bpdu, Malformed, PauseFrame};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use tidewire_units::IfaceId;

/// A 48-bit MAC address (IEEE 802).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: MacAddr = MacAddr([0xFF; 6]);

    /// The locally administered address of an interface: `02:00` and the interface's number.
    pub const fn of_iface(iface: IfaceId) -> MacAddr {
        let [a, b, c, d] = iface.0.to_be_bytes();
        MacAddr([0x02, 0x00, a, b, c, d])
    }

    /// The modified EUI-64 interface identifier (RFC 4291 appendix A).
    pub const fn interface_id(self) -> u64 {
        let [a, b, c, d, e, g] = self.0;
        u64::from_be_bytes([a ^ 0x02, b, c, 0xFF, 0xFE, d, e, g])
    }

    /// True for broadcast and multicast addresses.
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl FromStr for MacAddr {
    type Err = Malformed;

    /// `02:00:00:00:00:05`.
    fn from_str(text: &str) -> Result<MacAddr, Malformed> {
        let octet = |part: &str| {
            let digits = matches!(part.len(), 1 | 2) && part.bytes().all(|digit| digit.is_ascii_hexdigit());
            if digits { u8::from_str_radix(part, 16).ok() } else { None }
        };
        let octets: Option<Vec<u8>> = text.split(':').map(octet).collect();
        octets.and_then(|octets| octets.try_into().ok()).map(MacAddr).ok_or(Malformed::Address)
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A MAC address in four bytes: the number of the interface that owns it, broadcast, or the group of an IPv4 multicast address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MacKey(pub u32);

impl MacKey {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: MacKey = MacKey(u32::MAX);
    /// `00:00:00:00:00:00`, which nobody owns.
    pub const ZERO: MacKey = MacKey(u32::MAX - 1);
    /// `01:80:c2:00:00:00`, the group address of bridges.
    pub const BRIDGES: MacKey = MacKey(u32::MAX - 2);
    /// `01:80:c2:00:00:01`, the group address of PAUSE frames.
    pub const PAUSE: MacKey = MacKey(u32::MAX - 3);

    /// The address of an interface.
    pub const fn of(iface: IfaceId) -> MacKey {
        MacKey(iface.0)
    }

    /// The group address of an IPv4 multicast address: its lower 23 bits (RFC 1112 section 6.4).
    pub const fn of_group(group: Ipv4Addr) -> MacKey {
        MacKey(FIRST_GROUP | group.to_bits() & GROUP_BITS)
    }

    /// The group address of an IPv6 multicast address, by its key: its lower 32 bits (RFC 2464 section 7).
    pub const fn of_v6_group(group: Ipv4Addr) -> MacKey {
        let first = if group.to_bits() >> 24 == SOLICITED_KEYS { FIRST_SOLICITED } else { FIRST_LINK_GROUP };
        MacKey(first | group.to_bits() & LOW_24)
    }

    /// The group address of a multicast address of either kind.
    pub const fn of_any_group(group: Ipv4Addr) -> MacKey {
        if AddressBook::is_v6(group) { MacKey::of_v6_group(group) } else { MacKey::of_group(group) }
    }

    /// True for the group address of an IPv6 multicast address.
    pub const fn is_v6_group(self) -> bool {
        matches!(self.0 & !LOW_24, FIRST_SOLICITED | FIRST_LINK_GROUP)
    }

    /// True for the group address of an IPv4 multicast address.
    pub const fn is_ip_group(self) -> bool {
        self.0 & !GROUP_BITS == FIRST_GROUP
    }

    /// The 48-bit address.
    pub const fn mac(self) -> MacAddr {
        match self {
            MacKey::BROADCAST => MacAddr::BROADCAST,
            MacKey::ZERO => MacAddr([0; 6]),
            MacKey::BRIDGES => Bpdu::GROUP,
            MacKey::PAUSE => PauseFrame::GROUP,
            MacKey(key) if self.is_ip_group() => {
                let [_, a, b, c] = (key & GROUP_BITS).to_be_bytes();
                MacAddr([0x01, 0x00, 0x5E, a, b, c])
            }
            MacKey(key) if self.is_v6_group() => {
                let [top, a, b, c] = key.to_be_bytes();
                MacAddr([0x33, 0x33, if top == (FIRST_SOLICITED >> 24) as u8 { 0xFF } else { 0 }, a, b, c])
            }
            MacKey(iface) => MacAddr::of_iface(IfaceId(iface)),
        }
    }

    /// The key of a 48-bit address; `None` when no interface of a simulated network has it.
    pub fn from_mac(mac: MacAddr) -> Option<MacKey> {
        match mac.0 {
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF] => Some(MacKey::BROADCAST),
            [0, 0, 0, 0, 0, 0] => Some(MacKey::ZERO),
            _ if mac == Bpdu::GROUP => Some(MacKey::BRIDGES),
            _ if mac == PauseFrame::GROUP => Some(MacKey::PAUSE),
            [0x02, 0x00, a, b, c, d] => Some(MacKey(u32::from_be_bytes([a, b, c, d])))
                .filter(|key| *key < MacKey::PAUSE && !key.is_ip_group() && !key.is_v6_group()),
            [0x33, 0x33, 0xFF, a, b, c] => Some(MacKey(FIRST_SOLICITED | u32::from_be_bytes([0, a, b, c]))),
            [0x33, 0x33, 0, a, b, c] => Some(MacKey(FIRST_LINK_GROUP | u32::from_be_bytes([0, a, b, c]))),
            [0x01, 0x00, 0x5E, a @ ..0x80, b, c] => {
                Some(MacKey(FIRST_GROUP | u32::from_be_bytes([0, a, b, c])))
            }
            _ => None,
        }
    }
}

/// No network has so many interfaces.
const FIRST_GROUP: u32 = 0xFF00_0000;
const GROUP_BITS: u32 = 0x007F_FFFF;
const FIRST_SOLICITED: u32 = 0xFE00_0000;
const FIRST_LINK_GROUP: u32 = 0xFD00_0000;
const LOW_24: u32 = 0x00FF_FFFF;
/// The first byte of the keys of solicited-node groups.
const SOLICITED_KEYS: u32 = 0xFA;

/// An IPv4 address and a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The address; unspecified for "any".
    pub addr: Ipv4Addr,
    /// The port; zero for "any".
    pub port: u16,
}

impl Endpoint {
    /// The endpoint of `addr` and `port`.
    pub const fn new(addr: Ipv4Addr, port: u16) -> Self {
        Endpoint { addr, port }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.addr, self.port)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_address_is_six_octets_of_hexadecimal_digits() {
        let mac = MacAddr([2, 0, 0, 0, 0xAB, 5]);
        assert_eq!((mac.to_string().parse(), "2:0:0:0:AB:5".parse()), (Ok(mac), Ok(mac)));
        for wrong in
            ["", "02:00:00:00:00", "02:00:00:00:00:05:06", "02:00:00:00:00:+5", "02:00:00:00:00:g5", "x"]
        {
            assert_eq!(wrong.parse::<MacAddr>(), Err(Malformed::Address), "{wrong}");
        }
    }

    #[test]
    fn a_key_stands_for_exactly_one_address() {
        let rip = MacKey::of_group(Ipv4Addr::new(224, 0, 0, 9));
        assert_eq!(rip.mac().to_string(), "01:00:5e:00:00:09");
        let nodes = MacKey::of_any_group(AddressBook::ALL_NODES);
        assert_eq!(nodes.mac().to_string(), "33:33:00:00:00:01");
        let special =
            [MacKey::BROADCAST, MacKey::ZERO, MacKey::BRIDGES, rip, nodes, MacKey(FIRST_SOLICITED | 7)];
        for key in special.into_iter().chain([MacKey(0), MacKey(7), MacKey(u32::MAX - 3)]) {
            assert_eq!(MacKey::from_mac(key.mac()), Some(key));
        }
        for mac in [
            [2, 0, 255, 255, 255, 255],
            [2, 0, 255, 255, 255, 254],
            [2, 0, 255, 255, 255, 253],
            [2, 1, 0, 0, 0, 0],
            [1, 0, 94, 128, 0, 1],
            [2, 0, 255, 0, 0, 1],
        ] {
            assert_eq!(MacKey::from_mac(MacAddr(mac)), None);
        }
    }
}
