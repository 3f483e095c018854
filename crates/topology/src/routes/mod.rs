//! Static shortest-path routes: for every node a table of prefixes and the equally good ways to each.
//!
//! The cost of a path is the sum of the costs of the interfaces that routers send through, the last one into the destination's
//! network included; crossing a switch costs nothing (as in OSPF, RFC 2328 section 2.1). Interfaces of hosts cost as well when a
//! host with several chooses among them.

mod aggregate;
mod spf;

use crate::segments::Segments;
use crate::{NodeKind, NodeSpec, Plan, Prefix, Via, link_of};
use rustc_hash::FxHashMap;
use spf::{Classes, Destination, Graph, Neighbor, exits};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::Deref;
use tidewire_units::{IfaceId, LinkId, NodeId};

/// One way out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NextHop {
    /// The interface to send through.
    pub iface: IfaceId,
    /// The router to send to; none when the destination itself is on that network.
    pub gateway: Option<Ipv4Addr>,
}

/// The forwarding tables of all nodes. Switches have empty ones.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Routes {
    /// Entries of all tables, each table's side by side and sorted by prefix.
    entries: Vec<Entry>,
    /// Where each node's table ends; it begins where the one before ends.
    ends: Vec<u32>,
    /// Next hops, each distinct set of a node stored once.
    hops: Vec<NextHop>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    prefix: Prefix,
    hops: HopSet,
}

/// A set of next hops in [`Routes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct HopSet {
    start: u32,
    len: u32,
}

impl Routes {
    /// A node's table: prefixes in ascending order, each with its equal-cost next hops in the order of interfaces.
    pub fn of(&self, node: NodeId) -> impl ExactSizeIterator<Item = (Prefix, &[NextHop])> {
        self.table(node).iter().map(|entry| (entry.prefix, self.set(entry.hops)))
    }

    /// The next hops of the longest prefix of a node's table that holds `dst`; empty without a route. Looks at every entry: for
    /// tests and questions, not for forwarding.
    pub fn lookup(&self, node: NodeId, dst: Ipv4Addr) -> &[NextHop] {
        let matching = self.table(node).iter().filter(|entry| entry.prefix.contains(dst));
        matching.max_by_key(|entry| entry.prefix.length()).map_or(&[], |entry| self.set(entry.hops))
    }

    /// How many entries all tables have together.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no node has a route.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn table(&self, node: NodeId) -> &[Entry] {
        let start = node.index().checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.entries[start as usize..self.ends[node.index()] as usize]
    }

    fn set(&self, hops: HopSet) -> &[NextHop] {
        &self.hops[hops.start as usize..(hops.start + hops.len) as usize]
    }
}

/// Computes the tables of all nodes over the links that are up.
///
/// - Routers, and hosts that forward, know every network. Neighbouring prefixes with the same next hops are merged into one where
///   that is exact: only subnets in use are covered. A router that reaches everything beyond a single neighbour (a leaf of the
///   router graph, after its own leaves) has a default route towards it instead; the rest of the graph has none, so a packet to an
///   address that nobody has ends at the first router there and never circles.
/// - Inside of an address translator there are routes to what is inside, and a default route towards it; outside there are none to
///   what is inside. Itself, it has the gateway of its outside as its default.
/// - A host with one interface has its network and a default route through its gateway, up or not: it is configured once.
/// - A host with several has its networks and the shortest ways to all others, the most frequent one as its default; with a
///   `gateway` of its own it has its networks and that.
/// - Routes added with [`Plan::route`] replace computed ones for the same prefix.
///
/// # Panics
/// Before [`Plan::assign_addresses`].
pub fn routes(plan: &Plan, link_up: &dyn Fn(LinkId) -> bool) -> Routes {
    let tables = Tables::new(plan, link_up);
    let mut builder = tables.builder();
    let mut table = Vec::new();
    for id in plan.node_ids() {
        builder.sets.clear();
        builder.table(id, &mut table);
        builder.routes.entries.append(&mut table);
        builder.routes.ends.push(builder.routes.entries.len() as u32);
    }
    builder.routes
}

/// The tables that [`routes()`] gives, worked out one by one when they are asked for: in large networks most never are.
pub struct Tables<P> {
    plan: P,
    segments: Segments,
    graph: Graph,
    destinations: Vec<Destination>,
    classes: Classes,
}

impl<P> std::fmt::Debug for Tables<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").field("destinations", &self.destinations.len()).finish_non_exhaustive()
    }
}

impl<P: Deref<Target = Plan>> Tables<P> {
    /// The tables of a plan over the links that are up now.
    ///
    /// # Panics
    /// Before [`Plan::assign_addresses`].
    pub fn new(plan: P, link_up: &dyn Fn(LinkId) -> bool) -> Tables<P> {
        let segments = Segments::new(&plan, link_up);
        let graph = Graph::new(&plan, &segments);
        let destinations = destinations(&plan, &segments);
        let classes = Classes::new(&graph, &destinations);
        Tables { plan, segments, graph, destinations, classes }
    }

    /// A node's table: prefixes in ascending order, each with its equal-cost next hops in the order of interfaces.
    pub fn of(&self, node: NodeId) -> Vec<(Prefix, Vec<NextHop>)> {
        let mut builder = self.builder();
        let mut table = Vec::new();
        builder.table(node, &mut table);
        table.iter().map(|entry| (entry.prefix, builder.routes.set(entry.hops).to_vec())).collect()
    }

    fn builder(&self) -> Builder<'_> {
        let own = vec![None; self.segments.members.len() + exits(&self.plan).count()];
        let Tables { plan, segments, graph, destinations, classes } = self;
        let (routes, sets) = (Routes::default(), FxHashMap::default());
        Builder { plan, segments, graph, destinations, classes, routes, sets, own }
    }
}

/// Whether a node's table comes from the shortest paths, not from its configuration.
fn is_computed(plan: &Plan, id: NodeId) -> bool {
    let node = plan.node(id);
    match &node.spec {
        NodeSpec::Switch(_) => false,
        NodeSpec::Router(_) => true,
        NodeSpec::Host(host) => host.forward || (node.ifaces.len() > 1 && host.gateway.is_none()),
    }
}

/// The distinct prefixes in use, sorted, each with the interfaces on its live segments.
fn destinations(plan: &Plan, segments: &Segments) -> Vec<Destination> {
    let mut list: Vec<(Prefix, u32)> = plan
        .link_ids()
        .filter_map(|link| {
            Some((plan.networks()[plan.network_of(link)].prefix?, segments.of_link[link.index()]?))
        })
        .collect();
    list.sort_unstable();
    list.dedup();
    let nets = list
        .chunk_by(|a, b| a.0 == b.0)
        .map(|group| Destination { prefix: group[0].0, segments: group.iter().map(|(_, s)| *s).collect() });
    let first = segments.members.len() as u32;
    let ways_out: Vec<u32> = (first..).zip(exits(plan)).map(|(segment, _)| segment).collect();
    let outside =
        (!ways_out.is_empty()).then_some(Destination { prefix: Prefix::DEFAULT, segments: ways_out });
    outside.into_iter().chain(nets).collect()
}

struct Builder<'a> {
    plan: &'a Plan,
    segments: &'a Segments,
    graph: &'a Graph,
    destinations: &'a [Destination],
    classes: &'a Classes,
    routes: Routes,
    /// The current node's sets.
    sets: FxHashMap<Vec<NextHop>, HopSet>,
    /// The current node's first interface on each segment.
    own: Vec<Option<IfaceId>>,
}

impl Builder<'_> {
    fn table(&mut self, id: NodeId, table: &mut Vec<Entry>) {
        if is_computed(self.plan, id) {
            self.computed_table(id, table);
        } else if self.plan.node(id).spec.kind() == NodeKind::Host {
            self.configured_table(id, table);
        }
        self.apply_manual_routes(id, table);
    }

    fn intern(&mut self, hops: &[NextHop]) -> HopSet {
        if let Some(set) = self.sets.get(hops) {
            return *set;
        }
        let set = HopSet { start: self.routes.hops.len() as u32, len: hops.len() as u32 };
        self.routes.hops.extend_from_slice(hops);
        self.sets.insert(hops.to_vec(), set);
        set
    }

    fn intern_neighbors(&mut self, neighbors: &[Neighbor], list: &[u32]) -> HopSet {
        let hop = |at: &u32| {
            let neighbor = &neighbors[*at as usize];
            NextHop { iface: neighbor.iface, gateway: Some(neighbor.gateway) }
        };
        self.intern(&list.iter().map(hop).collect::<Vec<_>>())
    }

    fn computed_table(&mut self, id: NodeId, table: &mut Vec<Entry>) {
        let graph = self.graph;
        let (chosen, choices) = self.classes.choose(graph, id);
        let choices: Vec<Option<HopSet>> = choices
            .iter()
            .map(|list| Some(self.intern_neighbors(graph.neighbors(id), list)).filter(|set| set.len > 0))
            .collect();
        let plan = self.plan;
        let segment_of = |iface: IfaceId| self.segments.of_link[link_of(iface).index()];
        let numbered = plan.node(id).ifaces.iter().filter(|&&iface| plan.iface(iface).address.is_some());
        let own: Vec<(usize, IfaceId)> =
            numbered.filter_map(|&iface| Some((segment_of(iface)? as usize, iface))).collect();
        own.iter().rev().for_each(|(segment, iface)| self.own[*segment] = Some(*iface));
        for (destination, class) in self.destinations.iter().zip(&self.classes.of) {
            let direct = match destination.segments[..] {
                [only] => self.own[only as usize],
                _ => destination.segments.iter().find_map(|segment| self.own[*segment as usize]),
            };
            let hops = match direct {
                Some(iface) => Some(self.intern(&[NextHop { iface, gateway: None }])),
                None => choices[chosen[*class as usize] as usize],
            };
            table.extend(hops.map(|hops| Entry { prefix: destination.prefix, hops }));
        }
        let is_nat = plan.outside_of(id).is_some();
        if is_nat {
            self.use_way_out(id, table);
        }
        own.iter().for_each(|(segment, _)| self.own[*segment] = None);
        if plan.has_manual_routes(id) || is_nat {
            return;
        }
        let default = match plan.node(id).spec.forwards() {
            true => {
                graph.default_neighbor(id).and_then(|parent| self.uplink(graph.neighbors(id), parent, table))
            }
            false => self.most_frequent(table),
        };
        match default {
            Some(hops) => aggregate::use_default(table, hops),
            None => aggregate::merge(table),
        }
    }

    /// The default route of an address translator: the gateway of its outside.
    fn use_way_out(&mut self, id: NodeId, table: &mut Vec<Entry>) {
        let plan = self.plan;
        table.retain(|entry| entry.prefix != Prefix::DEFAULT);
        let Some(iface) = plan.outside_of(id) else { return };
        let gateway = plan.networks()[plan.network_of(link_of(iface))].gateway;
        if let Some(address) = gateway.and_then(|gateway| plan.iface(gateway).address) {
            let hops = self.intern(&[NextHop { iface, gateway: Some(address.ip) }]);
            table.insert(0, Entry { prefix: Prefix::DEFAULT, hops });
        }
    }

    /// The set of next hops in `table` that all lead to the router `parent`.
    fn uplink(&self, neighbors: &[Neighbor], parent: NodeId, table: &[Entry]) -> Option<HopSet> {
        let leads = |hop: &NextHop| {
            neighbors
                .iter()
                .any(|n| n.node == parent && n.iface == hop.iface && Some(n.gateway) == hop.gateway)
        };
        table.iter().map(|entry| entry.hops).find(|set| self.routes.set(*set).iter().all(leads))
    }

    /// The set through gateways that most entries have; of several the first.
    fn most_frequent(&self, table: &[Entry]) -> Option<HopSet> {
        let mut counts: Vec<(HopSet, usize)> = Vec::new();
        for entry in table.iter().filter(|entry| self.routes.set(entry.hops)[0].gateway.is_some()) {
            match counts.iter_mut().find(|(set, _)| *set == entry.hops) {
                Some((_, n)) => *n += 1,
                None => counts.push((entry.hops, 1)),
            }
        }
        let most = counts.iter().map(|(_, n)| *n).max()?;
        counts.iter().find(|(_, n)| *n == most).map(|(set, _)| *set)
    }

    /// The networks of a host's interfaces, and its default gateway.
    fn configured_table(&mut self, id: NodeId, table: &mut Vec<Entry>) {
        let plan = self.plan;
        let NodeSpec::Host(host) = &plan.node(id).spec else { return };
        let mut default = None;
        for &iface in &plan.node(id).ifaces {
            let Some(address) = plan.iface(iface).address else { continue };
            let network = &plan.networks()[plan.network_of(link_of(iface))];
            let hops = self.intern(&[NextHop { iface, gateway: None }]);
            table.push(Entry { prefix: address.prefix(), hops });
            let automatic = || plan.iface(network.gateway?).address.map(|address| address.ip);
            let gateway = match host.gateway {
                Some(gateway) => address.prefix().contains(gateway).then_some(gateway),
                None => automatic(),
            };
            default = default.or(gateway.map(|ip| NextHop { iface, gateway: Some(ip) }));
        }
        if let Some(hop) = default {
            let hops = self.intern(&[hop]);
            table.push(Entry { prefix: Prefix::DEFAULT, hops });
        }
        table.sort_unstable_by_key(|entry| entry.prefix);
        table.dedup_by_key(|entry| entry.prefix);
    }

    fn apply_manual_routes(&mut self, id: NodeId, table: &mut Vec<Entry>) {
        let plan = self.plan;
        for (prefix, via) in plan.manual_routes(id) {
            let Some(hop) = self.manual_hop(id, via) else { continue };
            let entry = Entry { prefix, hops: self.intern(&[hop]) };
            match table.binary_search_by_key(&prefix, |entry| entry.prefix) {
                Ok(at) => table[at] = entry,
                Err(at) => table.insert(at, entry),
            }
        }
    }

    /// The first interface that shares a live segment with the gateway.
    fn manual_hop(&self, id: NodeId, via: Via) -> Option<NextHop> {
        manual_hops(self.plan, self.segments, id, via).next()
    }
}

/// The interfaces that share a segment with the gateway, each with its address there.
fn manual_hops(plan: &Plan, segments: &Segments, id: NodeId, via: Via) -> impl Iterator<Item = NextHop> {
    plan.node(id).ifaces.iter().filter_map(move |&iface| {
        let segment = segments.of_link[link_of(iface).index()]?;
        let gateway = match via {
            Via::Address(ip) => plan.iface(iface).address?.prefix().contains(ip).then_some(ip),
            Via::Node(node) => segments.members[segment as usize]
                .iter()
                .find(|&&member| plan.node_of(member) == node && node != id)
                .and_then(|&member| Some(plan.iface(member).address?.ip)),
        };
        Some(NextHop { iface, gateway: Some(gateway?) })
    })
}

/// The routes that were added to a node by hand, whatever links are up: for each prefix every way to the gateway that was named last.
pub fn manual_routes(plan: &Plan, id: NodeId) -> Vec<(Prefix, Vec<NextHop>)> {
    if !plan.has_manual_routes(id) {
        return Vec::new();
    }
    let segments = Segments::new(plan, &|_| true);
    let last: BTreeMap<Prefix, Via> = plan.manual_routes(id).collect();
    let hops = |via| manual_hops(plan, &segments, id, via).collect();
    last.into_iter().map(|(prefix, via)| (prefix, hops(via))).collect()
}

#[cfg(test)]
mod tests;
