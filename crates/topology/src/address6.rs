//! IPv6 addresses: every network gets 64 bits of the plan's prefix, beside or instead of its IPv4 subnet.
//!
//! Networks are numbered from 1 in the order of their IPv4 subnets (see `address.rs`), interfaces from `::1` in the order in which their
//! nodes were declared. A host that asks for an address of its own gives its network its prefix.

use crate::segments::Segments;
use crate::{IfaceAddr, NodeSpec, Plan, PlanError, Prefix, Via};
use rustc_hash::{FxHashMap, FxHashSet};
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use tidewire_units::{IfaceId, NodeId};

/// How a host gets an IPv6 address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Address6 {
    /// The next free one of its network.
    #[default]
    Auto,
    /// This one, in a network of 64 bits.
    Fixed(Ipv6Addr),
    /// None.
    Unnumbered,
    /// One that it makes itself, of its MAC address and what a router advertises while the network runs (RFC 4862).
    Slaac,
}

impl FromStr for Address6 {
    type Err = String;

    /// `"auto"`, `"none"`, `"slaac"`, `"2001:db8:5::10/64"`, or that without a length.
    fn from_str(text: &str) -> Result<Address6, String> {
        let wrong = || {
            format!(
                "'{text}' is not an IPv6 address: expected \"auto\", \"none\", \"slaac\", or one like \"2001:db8:5::10/64\""
            )
        };
        match text {
            "auto" => return Ok(Address6::Auto),
            "none" => return Ok(Address6::Unnumbered),
            "slaac" => return Ok(Address6::Slaac),
            _ => {}
        }
        let (address, len) = text.split_once('/').unwrap_or((text, "64"));
        let address: Ipv6Addr = address.parse().map_err(|_| wrong())?;
        match len.parse::<u8>().map_err(|_| wrong())? {
            64 if address.is_unspecified() || address.is_multicast() || address.is_loopback() => {
                Err(format!("'{text}' is not an address that a host can have"))
            }
            64 if address.to_bits() as u64 == 0 => {
                Err(format!("'{text}' is a network: a host's address has a number after it, as {address}1"))
            }
            64 => Ok(Address6::Fixed(address)),
            len => Err(format!(
                "a network of hosts has 64 bits, not {len} (RFC 4291 section 2.5.4): write \"{address}/64\""
            )),
        }
    }
}

impl fmt::Display for Address6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address6::Auto => f.write_str("auto"),
            Address6::Fixed(address) => write!(f, "{address}/64"),
            Address6::Unnumbered => f.write_str("none"),
            Address6::Slaac => f.write_str("slaac"),
        }
    }
}

/// A prefix of 48 bits from which networks are numbered, as `"2001:db8:5::/48"`.
///
/// # Errors
/// A sentence when it is none.
pub fn prefix48(text: &str) -> Result<Ipv6Addr, String> {
    let wrong = || format!("'{text}' is not a prefix of 48 bits: write one like \"2001:db8:5::/48\"");
    let (address, len) = text.split_once('/').ok_or_else(wrong)?;
    let address: Ipv6Addr = address.parse().map_err(|_| wrong())?;
    if len != "48" || address.to_bits() << 48 != 0 || address.is_unspecified() || address.is_multicast() {
        return Err(wrong());
    }
    Ok(address)
}

/// What a plan says of IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipv6Plan {
    /// The first 48 bits of automatic networks.
    pub prefix: Ipv6Addr,
    /// Names mean IPv6 addresses where there are both.
    pub preferred: bool,
    pub(crate) routes: Vec<(NodeId, Ipv6Addr, u8, Via6)>,
}

/// The gateway of an IPv6 route added by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via6 {
    /// The node with this address.
    Address(Ipv6Addr),
    /// This node, on the first network that it shares with the router.
    Node(NodeId),
}

/// The prefix that examples use (RFC 3849).
pub const DOCUMENTATION: Ipv6Addr = Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 0);

/// The address that an interface makes itself in a network: the modified EUI-64 identifier of its MAC address `02:00` and its number
/// (RFC 4291 appendix A).
pub fn slaac_address(network: Ipv6Addr, iface: IfaceId) -> Ipv6Addr {
    let [a, b, c, d] = iface.0.to_be_bytes();
    let id = u64::from_be_bytes([0, 0, a, 0xFF, 0xFE, b, c, d]);
    Ipv6Addr::from_bits(network6(network).to_bits() | u128::from(id))
}

/// The first 64 bits of an address.
pub const fn network6(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)
}

impl Plan {
    /// Gives every network 64 bits of this prefix of 48.
    pub fn use_ipv6(&mut self, prefix: Ipv6Addr, preferred: bool) {
        self.numbering = None;
        let routes = self.ipv6.take().map(|before| before.routes).unwrap_or_default();
        self.ipv6 =
            Some(Ipv6Plan { prefix: Ipv6Addr::from_bits(prefix.to_bits() >> 80 << 80), preferred, routes });
    }

    /// What is said of IPv6, if it is used.
    pub fn ipv6(&self) -> Option<&Ipv6Plan> {
        self.ipv6.as_ref()
    }

    /// Adds an IPv6 route to a node's table. Errors: an unknown node.
    pub fn route6(&mut self, node: NodeId, prefix: (Ipv6Addr, u8), via: Via6) -> Result<(), PlanError> {
        if node.index() >= self.nodes().len() {
            return Err(PlanError::UnknownNode(node));
        }
        if self.ipv6.is_none() {
            self.use_ipv6(DOCUMENTATION, false);
        }
        if let Some(plan) = &mut self.ipv6 {
            plan.routes.push((node, prefix.0, prefix.1, via));
        }
        Ok(())
    }

    /// The IPv6 routes added by hand: node, prefix, its length, gateway.
    pub fn routes6(&self) -> impl Iterator<Item = (NodeId, Ipv6Addr, u8, Via6)> {
        self.ipv6.iter().flat_map(|plan| plan.routes.iter().copied())
    }

    /// A node's first IPv6 address.
    pub fn address6_of(&self, node: NodeId) -> Option<Ipv6Addr> {
        self.node(node).ifaces.iter().find_map(|&iface| self.iface(iface).address6)
    }

    /// The interface that holds this address.
    pub fn owner_of6(&self, address: Ipv6Addr) -> Option<IfaceId> {
        if address.is_unicast_link_local() {
            let [.., a, _, _, b, c, d] = address.octets();
            let iface = IfaceId(u32::from_be_bytes([a, b, c, d]));
            return Some(iface).filter(|iface| {
                iface.index() < self.ifaces().len() && slaac_address(address, *iface) == address
            });
        }
        self.ifaces().iter().position(|iface| iface.address6 == Some(address)).map(IfaceId::from_index)
    }

    /// The same plan with other addresses and networks in the places of the IPv4 ones: routes for keys of IPv6 addresses.
    pub fn rekeyed(
        &self,
        addresses: &[Option<IfaceAddr>],
        prefixes: &[Option<Prefix>],
        routes: FxHashMap<NodeId, Vec<(Prefix, Via)>>,
    ) -> Plan {
        let mut plan = self.clone();
        for (iface, address) in plan.ifaces_mut().iter_mut().zip(addresses) {
            iface.address = *address;
        }
        plan.replace_routes(routes);
        plan.forget_gateways();
        let mut numbering = plan.numbering.take().expect("a numbered plan");
        for (network, prefix) in numbering.networks.iter_mut().zip(prefixes) {
            network.prefix = *prefix;
            let is_gateway = |iface: IfaceId| {
                plan.iface(iface).address.is_some() && plan.node(plan.node_of(iface)).spec.forwards()
            };
            network.gateway = network.members.iter().copied().find(|iface| is_gateway(*iface));
        }
        plan.numbering = Some(numbering);
        plan
    }

    /// Numbers all interfaces; gives the prefixes of the networks.
    pub(crate) fn assign_addresses6(
        &mut self,
        segments: &Segments,
        order: &[usize],
    ) -> Result<Vec<Option<Ipv6Addr>>, PlanError> {
        let mut prefixes = vec![None; segments.members.len()];
        let asked = self.asked_addresses6();
        if self.ipv6.is_none()
            && asked.iter().any(|asked| matches!(asked, Address6::Fixed(_) | Address6::Slaac))
        {
            self.use_ipv6(DOCUMENTATION, false);
        }
        let Some(base) = self.ipv6.as_ref().map(|plan| plan.prefix.to_bits()) else {
            self.ifaces_mut().iter_mut().for_each(|iface| iface.address6 = None);
            return Ok(prefixes);
        };
        let mut taken: FxHashMap<Ipv6Addr, IfaceId> = FxHashMap::default();
        for (prefix, members) in prefixes.iter_mut().zip(&segments.members) {
            for iface in members {
                let Address6::Fixed(address) = asked[iface.index()] else { continue };
                let network = network6(address);
                if let Some(other) = taken.insert(address, *iface) {
                    let nodes = [other, *iface].map(|iface| self.node(self.node_of(iface)).name.clone());
                    return Err(PlanError::SameAddress6 { address, nodes });
                }
                match *prefix {
                    Some(first) if first != network => {
                        return Err(PlanError::TwoNetworks6 { first, second: network });
                    }
                    _ => *prefix = Some(network),
                }
            }
        }
        let mut addresses = vec![None; self.ifaces().len()];
        let used: FxHashSet<Ipv6Addr> = prefixes.iter().flatten().copied().collect();
        let numbers = (1..=u128::from(u16::MAX)).map(|n| Ipv6Addr::from_bits(base | n << 64));
        let mut free = numbers.filter(|network| !used.contains(network));
        for &network in order {
            let members = &segments.members[network];
            if members.iter().all(|iface| asked[iface.index()] == Address6::Unnumbered) {
                continue;
            }
            let prefix = match prefixes[network] {
                Some(prefix) => prefix,
                None => free.next().ok_or(PlanError::AddressesExhausted { networks: order.len() })?,
            };
            prefixes[network] = Some(prefix);
            let mut hosts = (1..)
                .map(|n: u128| Ipv6Addr::from_bits(prefix.to_bits() | n))
                .filter(|ip| !taken.contains_key(ip));
            for iface in members {
                addresses[iface.index()] = match asked[iface.index()] {
                    Address6::Auto => hosts.next(),
                    Address6::Fixed(address) => Some(address),
                    Address6::Unnumbered => None,
                    Address6::Slaac => Some(slaac_address(prefix, *iface)),
                };
            }
        }
        for (iface, address) in self.ifaces_mut().iter_mut().zip(addresses) {
            iface.address6 = address;
        }
        Ok(prefixes)
    }

    fn asked_addresses6(&self) -> Vec<Address6> {
        let mut asked = vec![Address6::Auto; self.ifaces().len()];
        for node in self.nodes() {
            let NodeSpec::Host(host) = &node.spec else { continue };
            for (port, iface) in node.ifaces.iter().enumerate() {
                // What is asked for is for the first interface.
                asked[iface.index()] = match host.ip6 {
                    Address6::Fixed(_) | Address6::Slaac if port > 0 => Address6::Auto,
                    mode => mode,
                };
            }
        }
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AddressMode, HostSpec, LinkSpec};

    fn v6(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    /// Hosts a and b on one LAN, a router, host c behind it.
    fn plan(specs: [HostSpec; 3]) -> (Plan, [NodeId; 4]) {
        let mut plan = Plan::new();
        let [a, b, c] = specs;
        let a = plan.add("a", NodeSpec::Host(a)).unwrap();
        let b = plan.add("b", NodeSpec::Host(b)).unwrap();
        let r = plan.add_router("r").unwrap();
        let c = plan.add("c", NodeSpec::Host(c)).unwrap();
        plan.add_lan("s", &[a, b, r], &LinkSpec::default()).unwrap();
        plan.connect(r, c, LinkSpec::default()).unwrap();
        (plan, [a, b, r, c])
    }

    fn host(ip6: Address6) -> HostSpec {
        HostSpec { ip6, ..HostSpec::default() }
    }

    #[test]
    fn networks_and_hosts_are_numbered_from_one() {
        let (mut plan, [a, b, r, c]) = plan([Address6::Auto; 3].map(host));
        plan.assign_addresses().unwrap();
        assert_eq!(plan.address6_of(a), None, "nobody asked for IPv6");
        plan.use_ipv6(DOCUMENTATION, false);
        plan.assign_addresses().unwrap();
        let shown = |node| plan.address6_of(node).unwrap().to_string();
        assert_eq!(
            [a, b, r, c].map(shown),
            ["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1::3", "2001:db8:0:2::2"]
        );
        assert_eq!(plan.networks()[0].prefix6, Some(v6("2001:db8:0:1::")));
        assert_eq!(plan.owner_of6(v6("2001:db8:0:2::1")).map(|iface| plan.node_of(iface)), Some(r));
    }

    #[test]
    fn a_host_brings_its_prefix_and_another_needs_no_ipv4_address() {
        let only6 = HostSpec { ip: AddressMode::Unnumbered, ..host(Address6::Auto) };
        let (mut plan, [a, b, _, c]) =
            plan([host(Address6::Fixed(v6("2001:db8:5:6::77"))), only6, host(Address6::Unnumbered)]);
        plan.assign_addresses().unwrap();
        assert_eq!(plan.address6_of(a), Some(v6("2001:db8:5:6::77")));
        assert_eq!((plan.address_of(b), plan.address6_of(b)), (None, Some(v6("2001:db8:5:6::1"))));
        assert_eq!((plan.address_of(c).is_some(), plan.address6_of(c)), (true, None));
    }

    #[test]
    fn texts_are_read_and_written() {
        for text in ["auto", "none", "2001:db8:5::10/64"] {
            assert_eq!(text.parse::<Address6>().unwrap().to_string(), text);
        }
        for wrong in
            ["2001:db8:5::10/48", "2001:db8:5::/64", "::/64", "ff02::1", "10.0.0.1", "", "x/64", "::1"]
        {
            assert!(wrong.parse::<Address6>().is_err(), "{wrong}");
        }
        assert_eq!(prefix48("2001:db8:7::/48"), Ok(v6("2001:db8:7::")));
        for wrong in ["2001:db8:7::/64", "2001:db8:7:1::/48", "2001:db8:7::", "::/48", "x/48"] {
            assert!(prefix48(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn contradictions_are_refused_with_a_sentence() {
        let fixed = |text| host(Address6::Fixed(v6(text)));
        let (mut plan, _) = plan([fixed("2001:db8:5::1"), fixed("2001:db8:6::1"), host(Address6::Auto)]);
        let error = plan.assign_addresses().unwrap_err().to_string();
        assert!(error.contains("2001:db8:5::/64") && error.contains("2001:db8:6::/64"), "{error}");
        let (mut plan, _) =
            self::plan([fixed("2001:db8:5::1"), fixed("2001:db8:5::1"), host(Address6::Auto)]);
        assert_eq!(
            plan.assign_addresses().unwrap_err().to_string(),
            "'a' and 'b' both ask for the address 2001:db8:5::1; give one of them another ip6"
        );
    }

    #[test]
    fn a_link_local_address_tells_its_interface() {
        let (plan, _) = plan([host(Address6::Auto), host(Address6::Auto), host(Address6::Slaac)]);
        let own = slaac_address("fe80::".parse().unwrap(), IfaceId(2));
        assert_eq!(own.to_string(), "fe80::ff:fe00:2");
        assert_eq!(plan.owner_of6(own), Some(IfaceId(2)));
        for stranger in ["fe80::1", "fe80::ff:feff:2"] {
            assert_eq!(plan.owner_of6(stranger.parse().unwrap()), None);
        }
    }
}
