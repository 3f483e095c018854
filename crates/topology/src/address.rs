//! Networks (layer-2 broadcast domains) and their addresses.
//!
//! Every network gets a subnet: the one asked for with [`Plan::subnet`], else that of the first fixed address on it, else the
//! next free /24 of 10.0.0.0/8 (172.16.0.0/12 and 192.168.0.0/16 when that is full; inside of an address translator 192.168.0.0/16
//! comes first), or a shorter prefix if it has more than
//! 254 members. Above 32,768 networks those of two members get a /30. Networks are numbered by their router that was declared
//! first (without a router, by their first host), then by their first link, so that the neighbourhood of a router is one
//! stretch of addresses and routes to it aggregate. Inside a network, interfaces of hosts and routers are numbered from the
//! first address in the order in which their nodes were declared.

use crate::realms::{Outsides, find_outsides, realms};
use crate::segments::Segments;
use crate::{AddressMode, IfaceAddr, NodeSpec, Plan, PlanError, Prefix, link_of};
use rustc_hash::FxHashSet;
use std::net::Ipv4Addr;
use tidewire_units::{IfaceId, LinkId, NodeId};

/// The networks of a numbered plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbering {
    pub(crate) networks: Vec<Network>,
    of_link: Vec<u32>,
    /// The outsides of address translators.
    pub(crate) outsides: Outsides,
}

/// A layer-2 broadcast domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Its subnet; none when nobody on it has an address.
    pub prefix: Option<Prefix>,
    /// Its IPv6 network of 64 bits, when IPv6 is used.
    pub prefix6: Option<std::net::Ipv6Addr>,
    /// The interfaces of hosts and routers on it, in the order in which their nodes were declared.
    pub members: Vec<IfaceId>,
    /// The interface of the first router on it: the default gateway of its hosts.
    pub gateway: Option<IfaceId>,
}

impl Plan {
    /// Numbers all interfaces. Adding to the plan afterwards undoes it.
    ///
    /// # Errors
    /// A subnet that is too small, or whose nodes do not share one network; no private addresses left.
    pub fn assign_addresses(&mut self) -> Result<(), PlanError> {
        let segments = Segments::new(self, &|_| true);
        let of_link: Vec<u32> = segments.of_link.iter().map(|s| s.expect("every link is up")).collect();
        let asked = self.asked_addresses();
        let mut prefixes = self.requested_subnets(&of_link, segments.members.len())?;
        for (prefix, members) in prefixes.iter_mut().zip(&segments.members) {
            let first = members.iter().find_map(|iface| asked[iface.index()].fixed());
            *prefix = prefix.or(first.map(IfaceAddr::prefix));
        }
        let needs: Vec<u64> = segments.members.iter().map(|members| wanted(members, &asked)).collect();
        let mut reserved: Vec<Prefix> = self.subnets.iter().map(|subnet| subnet.prefix).collect();
        reserved.extend(asked.iter().filter_map(|mode| mode.fixed()).map(IfaceAddr::prefix));
        let outsides = find_outsides(self, &segments)?;
        let is_inside = inside_networks(self, &outsides, &of_link, segments.members.len());
        let mut inner_pool = Pool { block: BLOCKS.len() - 1, ..Pool::new(reserved.clone()) };
        inner_pool.next = u64::from(BLOCKS[inner_pool.block].0);
        let mut pool = Pool::new(reserved);
        let order = self.numbering_order(&segments);
        for &network in &order {
            let members = needs[network];
            if prefixes[network].is_none() && members > 0 {
                let small = needs.len() > 32_768 && members <= 2;
                let longest = if small { 30 } else { 24 };
                let inner = if is_inside[network] { inner_pool.take(members, longest) } else { None };
                let prefix = inner.or_else(|| pool.take(members, longest));
                prefixes[network] =
                    Some(prefix.ok_or(PlanError::AddressesExhausted { networks: needs.len() })?);
            }
        }
        let mut addresses = vec![None; self.ifaces().len()];
        for ((members, prefix), need) in segments.members.iter().zip(&prefixes).zip(&needs) {
            number_members(members, *prefix, *need, &asked, &mut addresses)?;
        }
        for (iface, address) in self.ifaces_mut().iter_mut().zip(addresses) {
            iface.address = address;
        }
        let prefixes6 = self.assign_addresses6(&segments, &order)?;
        let networks = segments
            .members
            .into_iter()
            .zip(prefixes)
            .zip(prefixes6)
            .map(|((members, prefix), prefix6)| {
                let gateway = members.iter().copied().find(|&iface| {
                    let node = self.node_of(iface);
                    let leads_on = self.node(node).spec.forwards() && outsides.get(&node) != Some(&iface);
                    self.iface(iface).address.is_some() && leads_on
                });
                Network { prefix, prefix6, members, gateway }
            })
            .collect();
        self.numbering = Some(Numbering { networks, of_link, outsides });
        Ok(())
    }

    /// Whether [`Plan::assign_addresses`] was called after the last change.
    pub fn is_numbered(&self) -> bool {
        self.numbering.is_some()
    }

    /// The networks, by their first link.
    ///
    /// # Panics
    /// Before [`Plan::assign_addresses`]; so do the methods below.
    pub fn networks(&self) -> &[Network] {
        &self.numbered().networks
    }

    /// The position among [`Plan::networks`] of the network that a link is part of.
    pub fn network_of(&self, link: LinkId) -> usize {
        self.numbered().of_link[link.index()] as usize
    }

    /// The interface that holds this address; of several the first.
    pub fn owner_of(&self, ip: Ipv4Addr) -> Option<IfaceId> {
        let at = self.ifaces().iter().position(|iface| iface.address.is_some_and(|address| address.ip == ip));
        at.map(IfaceId::from_index)
    }

    pub(crate) fn numbered(&self) -> &Numbering {
        self.numbering.as_ref().expect("Plan::assign_addresses comes before questions about addresses")
    }

    /// What each interface is to get: the host's own option is for its first interface without a fixed address.
    fn asked_addresses(&self) -> Vec<AddressMode> {
        let mut asked: Vec<AddressMode> = self
            .ifaces()
            .iter()
            .map(|iface| iface.fixed.map_or(AddressMode::Auto, AddressMode::Fixed))
            .collect();
        for node in self.nodes() {
            let NodeSpec::Host(host) = &node.spec else { continue };
            let mut open = node.ifaces.iter().filter(|iface| self.iface(**iface).fixed.is_none());
            match host.ip {
                AddressMode::Auto => {}
                AddressMode::Unnumbered => {
                    open.for_each(|iface| asked[iface.index()] = AddressMode::Unnumbered)
                }
                AddressMode::Fixed(_) | AddressMode::Dhcp => {
                    if let Some(iface) = open.next() {
                        asked[iface.index()] = host.ip;
                    }
                }
            }
        }
        asked
    }

    /// The subnets asked for, by network.
    fn requested_subnets(&self, of_link: &[u32], count: usize) -> Result<Vec<Option<Prefix>>, PlanError> {
        let mut prefixes: Vec<Option<Prefix>> = vec![None; count];
        for request in &self.subnets {
            let Some((first, rest)) = request.nodes.split_first() else { continue };
            let prefix = request.prefix;
            let networks_of = |node: NodeId| -> FxHashSet<u32> {
                self.node(node).ifaces.iter().map(|&iface| of_link[link_of(iface).index()]).collect()
            };
            let stranger =
                |node: NodeId| PlanError::NotOneNetwork { prefix, node: self.node(node).name.clone() };
            let mut shared = networks_of(*first);
            if shared.is_empty() {
                return Err(stranger(*first));
            }
            for &node in rest {
                let own = networks_of(node);
                shared.retain(|network| own.contains(network));
                if shared.is_empty() {
                    return Err(stranger(node));
                }
            }
            if shared.len() > 1 {
                return Err(PlanError::AmbiguousNetwork(prefix));
            }
            let network = shared.into_iter().next().expect("one network is left");
            match &mut prefixes[network as usize] {
                Some(taken) if *taken != prefix => {
                    return Err(PlanError::TwoSubnets { first: *taken, second: prefix });
                }
                slot => *slot = Some(prefix),
            }
        }
        Ok(prefixes)
    }

    /// Networks in the order in which they get automatic subnets; see the head of this file.
    fn numbering_order(&self, segments: &Segments) -> Vec<usize> {
        let mut order: Vec<(NodeId, usize)> = (0..segments.members.len())
            .filter_map(|network| {
                let mut nodes = segments.members[network].iter().map(|&iface| self.node_of(iface));
                let first = nodes.clone().find(|&node| self.node(node).spec.forwards()).or(nodes.next())?;
                Some((first, network))
            })
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, network)| network).collect()
    }
}

impl AddressMode {
    fn fixed(self) -> Option<IfaceAddr> {
        match self {
            AddressMode::Fixed(address) => Some(address),
            AddressMode::Auto | AddressMode::Unnumbered | AddressMode::Dhcp => None,
        }
    }
}

/// Which networks are inside of an address translator.
fn inside_networks(plan: &Plan, outsides: &Outsides, of_link: &[u32], count: usize) -> Vec<bool> {
    if outsides.is_empty() {
        return vec![false; count];
    }
    let network_of = |iface: IfaceId| of_link[link_of(iface).index()];
    let realms = realms(plan, outsides, count, &network_of);
    let inner = outsides
        .iter()
        .flat_map(|(nat, outside)| plan.node(*nat).ifaces.iter().filter(move |iface| *iface != outside));
    let inside: FxHashSet<u32> = inner.map(|iface| realms[network_of(*iface) as usize]).collect();
    realms.iter().map(|realm| inside.contains(realm)).collect()
}

/// How many addresses the network needs.
fn wanted(members: &[IfaceId], asked: &[AddressMode]) -> u64 {
    members.iter().filter(|iface| asked[iface.index()] != AddressMode::Unnumbered).count() as u64
}

fn number_members(
    members: &[IfaceId],
    prefix: Option<Prefix>,
    needed: u64,
    asked: &[AddressMode],
    addresses: &mut [Option<IfaceAddr>],
) -> Result<(), PlanError> {
    let Some(prefix) = prefix else { return Ok(()) };
    let taken: FxHashSet<Ipv4Addr> =
        members.iter().filter_map(|iface| asked[iface.index()].fixed()).map(|address| address.ip).collect();
    let mut free = (0..prefix.hosts()).filter_map(|n| prefix.host(n)).filter(|ip| !taken.contains(ip));
    for iface in members {
        addresses[iface.index()] = match asked[iface.index()] {
            AddressMode::Fixed(address) => Some(address),
            AddressMode::Unnumbered | AddressMode::Dhcp => None,
            AddressMode::Auto => {
                let ip = free.next().ok_or(PlanError::SubnetFull { prefix, needed })?;
                IfaceAddr::new(ip, prefix.length())
            }
        };
    }
    Ok(())
}

/// The private address space (RFC 1918), taken from its start.
struct Pool {
    /// Ranges that are the user's, sorted, merged.
    reserved: Vec<(u32, u32)>,
    block: usize,
    /// The next address that may be free; `u64` because the one after a block may not fit.
    next: u64,
}

const BLOCKS: [(u32, u32); 3] =
    [(0x0A00_0000, 0x0AFF_FFFF), (0xAC10_0000, 0xAC1F_FFFF), (0xC0A8_0000, 0xC0A8_FFFF)];

impl Pool {
    fn new(prefixes: Vec<Prefix>) -> Pool {
        let mut ranges: Vec<(u32, u32)> = prefixes.into_iter().map(Prefix::range).collect();
        ranges.sort_unstable();
        let mut reserved: Vec<(u32, u32)> = Vec::new();
        for range in ranges {
            match reserved.last_mut() {
                Some(last) if range.0 <= last.1 => last.1 = last.1.max(range.1),
                _ => reserved.push(range),
            }
        }
        Pool { reserved, block: 0, next: u64::from(BLOCKS[0].0) }
    }

    /// The next free prefix of at most `longest` bits with `hosts` host addresses.
    fn take(&mut self, hosts: u64, longest: u8) -> Option<Prefix> {
        let length = (8..=longest).rev().find(|&len| (1u64 << (32 - len)) - 2 >= hosts)?;
        let size = 1u64 << (32 - length);
        loop {
            let (_, last) = *BLOCKS.get(self.block)?;
            let start = self.next.next_multiple_of(size);
            let end = start + size - 1;
            if end > u64::from(last) {
                self.block += 1;
                self.next = u64::from(BLOCKS.get(self.block)?.0);
                continue;
            }
            let after = self.reserved.partition_point(|range| u64::from(range.1) < start);
            match self.reserved.get(after) {
                Some(range) if u64::from(range.0) <= end => self.next = u64::from(range.1) + 1,
                _ => {
                    self.next = end + 1;
                    return Prefix::new(Ipv4Addr::from_bits(start as u32), length);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
