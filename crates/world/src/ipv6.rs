//! IPv6 addresses and routes: keys for every address, and the routes of the same networks under other names.

use crate::World;
use crate::routing::l3_prefix;
use rustc_hash::FxHashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tidewire_l3_network::slaac::AdvertConfig;
use tidewire_l3_network::{Fib, Prefix};
use tidewire_topology::{self as topology, Address6, IfaceAddr, NodeSpec, Plan, Via};
use tidewire_units::{IfaceId, LinkId, NodeId, Purpose};
use tidewire_wire::AddressBook;

/// All keys: where a default route leads.
const ALL: Ipv4Addr = Ipv4Addr::new(240, 0, 0, 0);
const ALL_LENGTH: u8 = 4;
/// Network, prefix length, and next hops: interface and gateway.
pub type Route6 = (Ipv6Addr, u8, Vec<(IfaceId, Option<Ipv6Addr>)>);

/// Above so many networks each has few spare keys.
const MANY: usize = 10_000;

impl World {
    /// The address that people know, of one that packets carry.
    pub fn shown(&self, addr: Ipv4Addr) -> IpAddr {
        self.packets.addresses.shown(addr)
    }

    /// The address that packets carry, of one that people know.
    pub fn key_of(&mut self, addr: IpAddr) -> Ipv4Addr {
        self.packets.addresses.key_of(addr)
    }

    /// The address by which others reach a node: its IPv4 address, or its IPv6 address when that is preferred or the only one.
    pub fn address_of(&self, node: NodeId) -> Option<Ipv4Addr> {
        let key = |address| self.packets.addresses.known_key(address);
        let v6 = self.address6_of(node).and_then(key);
        let v4 = self.address4_of(node);
        match (v4, v6, self.plan.ipv6().is_some_and(|plan| plan.preferred)) {
            (_, Some(key), true) | (None, Some(key), false) => Some(key),
            _ => v4,
        }
    }

    /// The address by which one node reaches another: of two, the one of the version that both have.
    pub fn address_towards(&self, from: NodeId, to: NodeId) -> Option<Ipv4Addr> {
        let v6 = |node| self.address6_of(node).and_then(|address| self.packets.addresses.known_key(address));
        let usual = self.address_of(to)?;
        let has = |is_v6: bool| if is_v6 { v6(from).is_some() } else { self.address4_of(from).is_some() };
        let other = if AddressBook::is_v6(usual) { self.address4_of(to) } else { v6(to) };
        match other.filter(|other| has(AddressBook::is_v6(*other))) {
            Some(other) if !has(AddressBook::is_v6(usual)) => Some(other),
            _ => Some(usual),
        }
    }

    /// A node's IPv4 address; of one that has it on loan, the present one.
    pub fn address4_of(&self, node: NodeId) -> Option<Ipv4Addr> {
        match self.ip_node(node).filter(|node| node.dhcp_client().is_some()) {
            Some(node) => Some(node.stack.address()).filter(|addr| !addr.is_unspecified()),
            None => self.plan.address_of(node),
        }
    }

    /// The keys of all addresses in networks that begin as this one does; of 128 bits, that of the address.
    pub fn keys_of_network(&mut self, address: Ipv6Addr, len: u8) -> Vec<Prefix> {
        let book = &mut self.packets.addresses;
        let stretches = if len > 64 { vec![(book.key(address), 32)] } else { book.networks_in(address, len) };
        stretches.into_iter().filter_map(|(first, len)| Prefix::new(first, len)).collect()
    }

    /// The interface that has an address.
    pub fn owner_of(&self, addr: Ipv4Addr) -> Option<IfaceId> {
        match self.shown(addr) {
            IpAddr::V4(address) => self.plan.owner_of(address).or_else(|| self.borrower_of(address)),
            IpAddr::V6(address) => self.plan.owner_of6(address),
        }
    }

    /// Gives keys to the networks and interfaces of the plan, and the interfaces their addresses.
    pub(crate) fn configure_addresses6(&mut self) {
        if self.plan.ipv6().is_none() {
            self.keyed = None;
            return;
        }
        let book = &mut self.packets.addresses;
        let many = self.plan.networks().len() > MANY;
        let mut prefixes = Vec::new();
        for network in self.plan.networks() {
            let members = network.members.len() as u64;
            let room = if many { members } else { (4 * members).max(4000) };
            let stretch = network.prefix6.and_then(|prefix| book.add_network(prefix, room));
            prefixes.push(stretch.and_then(|(first, len)| topology::Prefix::new(first, len)));
        }
        let mut addresses = vec![None; self.plan.ifaces().len()];
        for (network, prefix) in self.plan.networks().iter().zip(&prefixes) {
            for iface in &network.members {
                if let (Some(prefix), Some(address)) = (prefix, self.plan.iface(*iface).address6) {
                    addresses[iface.index()] = IfaceAddr::new(book.key(address), prefix.length());
                }
            }
        }
        self.keyed = Some(Box::new(self.plan.rekeyed(&addresses, &prefixes, keyed_routes(&self.plan, book))));
        for (host, id) in self.host_ids.iter().enumerate() {
            let later = makes_own(self.plan.node(*id));
            for (port, iface) in self.plan.node(*id).ifaces.iter().enumerate() {
                if let Some(address) = addresses[iface.index()].filter(|_| port > 0 || !later) {
                    let prefix = Prefix::new(address.ip, address.length()).expect("a length of at most 32");
                    let group = self.packets.addresses.solicited_node(address.ip);
                    self.hosts[host].stack.set_address6(port as u32, address.ip, prefix, group);
                }
            }
        }
    }

    /// Finds every IPv6 route anew.
    pub(crate) fn configure_routes6(&mut self) {
        let Some(keyed) = &self.keyed else { return };
        let up = |link: LinkId| self.is_link_up(link);
        let routes = topology::routes(keyed, &up);
        for (host, id) in self.host_ids.iter().enumerate() {
            if self.hosts[host].autoconf().is_some() {
                continue;
            }
            let table = routes.of(*id).map(|(prefix, hops)| {
                let prefix = l3_prefix(prefix);
                let prefix =
                    if prefix.bits() == 0 { Prefix::new(ALL, ALL_LENGTH).expect("4 bits") } else { prefix };
                (prefix, self.hops_of(hops))
            });
            let fib = Fib::new(table);
            self.hosts[host].stack.set_fib6(fib);
        }
    }

    /// Starts the hosts that make their IPv6 addresses themselves, and the routers on their links, unless they have been.
    pub(crate) fn configure_autoconf(&mut self) {
        if self.keyed.is_none() {
            return;
        }
        let asks = |iface: &IfaceId| {
            let node = self.plan.node(self.plan.node_of(*iface));
            makes_own(node) && node.ifaces.first() == Some(iface)
        };
        let networks = self.plan.networks().iter().filter(|network| network.members.iter().any(asks));
        let members: Vec<IfaceId> = networks.flat_map(|network| network.members.clone()).collect();
        for iface in members {
            let node = self.plan.node_of(iface);
            let Some(host) = self.host_index(node).filter(|_| !self.nodes_down.contains(&node)) else {
                continue;
            };
            let port = self.plan.iface(iface).port;
            let (spec, now) = (self.plan.node(node), self.now);
            let stream = self.streams.stream(Purpose::Services, &format!("{} autoconf {port}", spec.name));
            let target = &mut self.hosts[host as usize];
            if port == 0 && makes_own(spec) {
                if target.autoconf().is_none() {
                    target.start_autoconf(port, stream, now);
                }
            } else if target.forwards() && !target.advertises().any(|own| own == port) {
                target.start_adverts(port, AdvertConfig::default(), stream, now);
            }
            self.rearm(host);
        }
    }

    /// A node's IPv6 address; of a host that makes it itself, the present one.
    pub fn address6_of(&self, node: NodeId) -> Option<Ipv6Addr> {
        if !makes_own(self.plan.node(node)) {
            return self.plan.address6_of(node);
        }
        let stack = &self.ip_node(node)?.stack;
        let keys = stack.ifaces.iter().map(|iface| iface.addr6);
        keys.filter(|key| !key.is_unspecified()).map(|key| self.packets.addresses.v6(key)).next()
    }

    /// A node's IPv6 routes.
    pub fn routes6(&self, node: NodeId) -> Vec<Route6> {
        let (Some(keyed), Some(stack)) = (&self.keyed, self.ip_node(node).map(|node| &node.stack)) else {
            return Vec::new();
        };
        let book = &self.packets.addresses;
        let of_keys: FxHashMap<topology::Prefix, Ipv6Addr> = (keyed.networks().iter())
            .zip(self.plan.networks())
            .filter_map(|(keyed, network)| Some((keyed.prefix?, network.prefix6?)))
            .collect();
        let mut rows = Vec::new();
        for (prefix, hops) in stack.fib6().into_iter().flat_map(Fib::routes) {
            let hops: Vec<_> = hops
                .iter()
                .map(|hop| (stack.ifaces[hop.port as usize].id, hop.gateway.map(|ip| book.v6(ip))))
                .collect();
            if prefix.bits() == ALL_LENGTH && prefix.network() == ALL {
                rows.push((Ipv6Addr::UNSPECIFIED, 0, hops));
                continue;
            }
            // Neighbouring stretches of keys with the same next hops are one entry.
            let inside = |keys: &topology::Prefix| prefix.contains(keys.network());
            rows.extend(
                of_keys
                    .iter()
                    .filter(|(keys, _)| inside(keys))
                    .map(|(_, network)| (*network, 64, hops.clone())),
            );
        }
        rows.sort();
        rows.dedup();
        rows
    }
}

/// Whether a host makes its IPv6 address itself.
fn makes_own(node: &topology::Node) -> bool {
    matches!(&node.spec, NodeSpec::Host(spec) if spec.ip6 == Address6::Slaac)
}

/// Routes added by hand, for every network that their prefix covers.
fn keyed_routes(plan: &Plan, book: &mut AddressBook) -> FxHashMap<NodeId, Vec<(topology::Prefix, Via)>> {
    let mut all: FxHashMap<NodeId, Vec<(topology::Prefix, Via)>> = FxHashMap::default();
    for (node, prefix, len, via) in plan.routes6() {
        let via = match via {
            topology::Via6::Address(address) => Via::Address(book.key(address)),
            topology::Via6::Node(node) => Via::Node(node),
        };
        let stretches =
            if len == 0 { vec![(Ipv4Addr::UNSPECIFIED, 0)] } else { book.networks_in(prefix, len) };
        let prefixes = stretches.into_iter().filter_map(|(first, len)| topology::Prefix::new(first, len));
        all.entry(node).or_default().extend(prefixes.map(|prefix| (prefix, via)));
    }
    all
}
