//! IPv6 addresses as keys of 32 bits, so that everything that handles an address handles both kinds.

use crate::MacAddr;
use rustc_hash::FxHashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tidewire_units::IfaceId;

/// Where the keys begin: 240.0.0.0/4 is reserved (RFC 1112 section 4), so no IPv4 address of a network lies there.
const FIRST: u32 = 0xF000_0000;
/// Keys of addresses inside known networks end here.
const NETWORKS_END: u32 = 0xF800_0000;
/// Addresses that are in no known network.
const OTHERS: u32 = 0xF900_0000;
/// Solicited-node groups: `ff02::1:ff00:0/104` (RFC 4291 section 2.7.1).
const SOLICITED: u32 = 0xFA00_0000;
/// `ff02::` and 24 bits: all nodes, all routers and the like.
const LINK_GROUPS: u32 = 0xFB00_0000;
/// `::1`.
const LOOPBACK: u32 = 0xFC00_0001;
/// `fe80::` and the interface identifier of an interface: its number.
const LINK_LOCAL: u32 = 0xFD00_0000;
/// Where the keys end; broadcast lies beyond.
const END: u32 = 0xFE00_0000;
const LOW_24: u32 = 0x00FF_FFFF;

const SOLICITED_PREFIX: u128 = 0xFF02_0000_0000_0000_0000_0001_FF00_0000;
const LINK_GROUP_PREFIX: u128 = 0xFF02 << 112;
const LINK_LOCAL_PREFIX: u128 = 0xFE80 << 112;

/// The keys of the IPv6 addresses of one world. A network of 64 bits has a stretch of keys, so that longest-prefix matches on keys
/// find what matches on addresses would.
#[derive(Clone, Debug, Default)]
pub struct AddressBook {
    /// By the upper half of the address: first key, next free key, end.
    networks: FxHashMap<u64, (u32, u32, u32)>,
    next_network: u32,
    next_other: u32,
    keys: FxHashMap<u128, u32>,
    addresses: FxHashMap<u32, u128>,
}

impl AddressBook {
    /// The key of `ff02::1`, all nodes on the link.
    pub const ALL_NODES: Ipv4Addr = Ipv4Addr::from_bits(LINK_GROUPS | 1);
    /// The key of `ff02::2`, all routers on the link.
    pub const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::from_bits(LINK_GROUPS | 2);
    /// The key of `::1`.
    pub const LOOPBACK: Ipv4Addr = Ipv4Addr::from_bits(LOOPBACK);

    /// Whether an address is the key of an IPv6 address.
    #[inline]
    pub const fn is_v6(addr: Ipv4Addr) -> bool {
        addr.to_bits().wrapping_sub(FIRST) < END - FIRST
    }

    /// Whether an address is the key of an IPv6 group.
    #[inline]
    pub const fn is_v6_group(addr: Ipv4Addr) -> bool {
        matches!(addr.to_bits() & !LOW_24, SOLICITED | LINK_GROUPS)
    }

    /// The group that an address's neighbour solicitations go to (RFC 4291 section 2.7.1).
    pub fn solicited_node(&self, key: Ipv4Addr) -> Ipv4Addr {
        Ipv4Addr::from_bits(SOLICITED | self.v6(key).to_bits() as u32 & LOW_24)
    }

    /// The key of an interface's link-local address (RFC 4291 section 2.5.6), which it makes of its MAC address.
    pub const fn link_local(iface: IfaceId) -> Ipv4Addr {
        Ipv4Addr::from_bits(LINK_LOCAL | iface.0 & LOW_24)
    }

    /// Sets keys aside for the network that `address` is in and for at least `hosts` addresses; gives the first key and the length of the
    /// stretch as a prefix. `None` when there are no more keys.
    pub fn add_network(&mut self, address: Ipv6Addr, hosts: u64) -> Option<(Ipv4Addr, u8)> {
        let upper = (address.to_bits() >> 64) as u64;
        if let Some((first, _, end)) = self.networks.get(&upper) {
            return Some((Ipv4Addr::from_bits(*first), prefix_of(end - first)));
        }
        let size = u32::try_from((hosts + SPARE).next_power_of_two()).ok().filter(|size| *size < 1 << 27)?;
        let first = (FIRST + self.next_network).next_multiple_of(size);
        let end = first.checked_add(size).filter(|end| *end <= NETWORKS_END)?;
        self.next_network = end - FIRST;
        self.networks.insert(upper, (first, first, end));
        Some((Ipv4Addr::from_bits(first), prefix_of(size)))
    }

    /// The key of an IPv6 address.
    ///
    /// # Panics
    /// When a world meets more than 16 million addresses outside its networks.
    pub fn key(&mut self, address: Ipv6Addr) -> Ipv4Addr {
        if let Some(key) = self.known_key(address) {
            return key;
        }
        let bits = address.to_bits();
        let key = match self.networks.get_mut(&((bits >> 64) as u64)) {
            Some((_, next, end)) if *next < *end => {
                *next += 1;
                *next - 1
            }
            _ => {
                self.next_other += 1;
                assert!(self.next_other <= LOW_24, "fewer than 2^24 IPv6 addresses outside the networks");
                OTHERS | self.next_other
            }
        };
        self.keys.insert(bits, key);
        self.addresses.insert(key, bits);
        Ipv4Addr::from_bits(key)
    }

    /// The key of an IPv6 address that has one already.
    pub fn known_key(&self, address: Ipv6Addr) -> Option<Ipv4Addr> {
        let bits = address.to_bits();
        let low = bits as u32 & LOW_24;
        let key = match bits {
            0 => 0,
            1 => LOOPBACK,
            _ if bits & !u128::from(LOW_24) == SOLICITED_PREFIX => SOLICITED | low,
            _ if bits & !u128::from(LOW_24) == LINK_GROUP_PREFIX => LINK_GROUPS | low,
            _ if bits == link_local_bits(low) => LINK_LOCAL | low,
            _ => *self.keys.get(&bits)?,
        };
        Some(Ipv4Addr::from_bits(key))
    }

    /// The IPv6 address that a key stands for; `::` for an unspecified one.
    ///
    /// # Panics
    /// When it is no key of this book.
    pub fn v6(&self, key: Ipv4Addr) -> Ipv6Addr {
        let bits = key.to_bits();
        let low = u128::from(bits & LOW_24);
        Ipv6Addr::from_bits(match bits & !LOW_24 {
            0 => 0,
            SOLICITED => SOLICITED_PREFIX | low,
            LINK_GROUPS => LINK_GROUP_PREFIX | low,
            LINK_LOCAL => link_local_bits(bits & LOW_24),
            _ if bits == LOOPBACK => 1,
            _ => self
                .addresses
                .get(&bits)
                .copied()
                .unwrap_or_else(|| panic!("{key} is no key of an IPv6 address")),
        })
    }

    /// The address that people know.
    pub fn shown(&self, key: Ipv4Addr) -> IpAddr {
        if AddressBook::is_v6(key) { IpAddr::V6(self.v6(key)) } else { IpAddr::V4(key) }
    }

    /// The key of an address of either kind.
    pub fn key_of(&mut self, address: IpAddr) -> Ipv4Addr {
        match address {
            IpAddr::V4(address) => address,
            IpAddr::V6(address) => self.key(address),
        }
    }

    /// Networks of 64 bits whose addresses begin as `prefix` does, by first key: the keys' stretches.
    pub fn networks_in(&self, prefix: Ipv6Addr, len: u8) -> Vec<(Ipv4Addr, u8)> {
        let shift = 64 - u32::from(len.min(64));
        let upper = |bits: u64| bits.checked_shr(shift).unwrap_or(0);
        let wanted = upper((prefix.to_bits() >> 64) as u64);
        let inside = self.networks.iter().filter(|(network, _)| upper(**network) == wanted);
        let mut list: Vec<(Ipv4Addr, u8)> = inside
            .map(|(_, (first, _, end))| (Ipv4Addr::from_bits(*first), prefix_of(end - first)))
            .collect();
        list.sort_unstable();
        list
    }
}

const fn link_local_bits(iface: u32) -> u128 {
    LINK_LOCAL_PREFIX | MacAddr::of_iface(IfaceId(iface)).interface_id() as u128
}

/// Keys for addresses of a network that nobody had planned: mistyped ones, those of clients that come later.
const SPARE: u64 = 64;

const fn prefix_of(size: u32) -> u8 {
    32 - size.trailing_zeros() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v6(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    #[test]
    fn keys_and_addresses_round_trip_and_are_no_ipv4_addresses_in_use() {
        let mut book = AddressBook::default();
        book.add_network(v6("2001:db8:0:1::"), 10).unwrap();
        for text in ["2001:db8:0:1::1", "2001:db8:9::7", "fe80::1", "ff02::1", "ff02::1:ff00:102", "::1"] {
            let key = book.key(v6(text));
            assert!(AddressBook::is_v6(key), "{text}");
            assert_eq!((book.v6(key), book.key(v6(text))), (v6(text), key));
            assert_eq!(book.shown(key).to_string(), text);
        }
        for addr in [Ipv4Addr::BROADCAST, Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(239, 255, 255, 255)] {
            assert!(!AddressBook::is_v6(addr));
        }
        assert_eq!(book.shown(Ipv4Addr::new(10, 0, 0, 1)).to_string(), "10.0.0.1");
    }

    #[test]
    fn the_addresses_of_a_network_have_keys_side_by_side() {
        let mut book = AddressBook::default();
        let (first, len) = book.add_network(v6("2001:db8:0:1::"), 300).unwrap();
        let (second, other) = book.add_network(v6("2001:db8:0:2::"), 2).unwrap();
        assert_eq!((len, other), (23, 24 + 1));
        let inside = |key: Ipv4Addr, first: Ipv4Addr, len: u8| {
            key.to_bits() >> (32 - len) == first.to_bits() >> (32 - len)
        };
        for host in 1..300u128 {
            let key = book.key(Ipv6Addr::from_bits(v6("2001:db8:0:1::").to_bits() | host << 20));
            assert!(inside(key, first, len) && !inside(key, second, other));
        }
        assert_eq!(book.networks_in(v6("2001:db8::"), 48), [(first, len), (second, other)]);
        assert_eq!(book.networks_in(v6("2001:db8:0:2::"), 64), [(second, other)]);
    }

    #[test]
    fn an_interface_has_a_link_local_address_made_of_its_mac_address() {
        let key = AddressBook::link_local(IfaceId(0x12_3456));
        let mut book = AddressBook::default();
        assert_eq!(book.v6(key), v6("fe80::ff:fe12:3456"));
        assert!(AddressBook::is_v6(key) && !AddressBook::is_v6_group(key));
        assert_eq!(book.key(v6("fe80::ff:fe12:3456")), key);
    }

    #[test]
    fn a_solicited_node_group_keeps_the_low_24_bits() {
        let mut book = AddressBook::default();
        let key = book.key(v6("2001:db8::12:3456"));
        let group = book.solicited_node(key);
        assert_eq!(book.v6(group), v6("ff02::1:ff12:3456"));
        assert!(AddressBook::is_v6_group(group) && !AddressBook::is_v6_group(key));
    }
}
