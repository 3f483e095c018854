//! Distances between routers, and from them to networks.

use crate::segments::Segments;
use crate::{Plan, Prefix, sends_on};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::Ipv4Addr;
use tidewire_units::{IfaceId, NodeId};

/// Farther than any path.
const UNREACHABLE: u64 = u64::MAX;

/// A prefix that somebody may send to.
pub(super) struct Destination {
    pub prefix: Prefix,
    /// The live segments that use it: one, unless failures have torn its network or the user gave it twice.
    pub segments: Vec<u32>,
}

/// A router that a node can send to.
#[derive(Clone, Copy)]
pub(super) struct Neighbor {
    pub node: NodeId,
    pub vertex: u32,
    pub iface: IfaceId,
    pub gateway: Ipv4Addr,
    pub cost: u64,
}

/// Which routers hear which, and at what cost.
pub(super) struct Graph {
    /// Routers come first, then one vertex for each segment that three or more share.
    edges: Edges,
    routers: usize,
    /// The vertex of each node; hosts have none.
    vertices: Vec<Option<u32>>,
    neighbors: Vec<Vec<Neighbor>>,
    /// For leaves of the graph: the neighbour that everything else lies beyond.
    parents: Vec<Option<NodeId>>,
    /// The forwarding interfaces on each segment, with vertex and cost; then the address translators.
    attached: Vec<Vec<(u32, u64)>>,
}

/// Directed edges, those of each vertex side by side.
struct Edges {
    /// Where the edges of each vertex begin; one more for the end.
    starts: Vec<u32>,
    /// Where to, at what cost.
    ends: Vec<(u32, u64)>,
}

/// Edges in the order in which they are found: from, to, cost.
#[derive(Default)]
struct Sketch {
    vertices: u32,
    edges: Vec<(u32, u32, u64)>,
}

impl Sketch {
    fn add_vertex(&mut self) -> u32 {
        self.vertices += 1;
        self.vertices - 1
    }

    fn finish(mut self) -> Edges {
        self.edges.sort_by_key(|(from, ..)| *from);
        let mut starts = vec![0; self.vertices as usize + 1];
        self.edges.iter().for_each(|(from, ..)| starts[*from as usize + 1] += 1);
        for vertex in 1..starts.len() {
            starts[vertex] += starts[vertex - 1];
        }
        Edges { starts, ends: self.edges.into_iter().map(|(_, to, cost)| (to, cost)).collect() }
    }
}

impl Edges {
    fn of(&self, vertex: u32) -> &[(u32, u64)] {
        let [start, end] = [0, 1].map(|i| self.starts[vertex as usize + i] as usize);
        &self.ends[start..end]
    }

    fn vertices(&self) -> usize {
        self.starts.len() - 1
    }
}

impl Graph {
    pub fn new(plan: &Plan, segments: &Segments) -> Graph {
        let mut sketch = Sketch::default();
        let vertices: Vec<Option<u32>> =
            (plan.nodes().iter()).map(|node| node.spec.forwards().then(|| sketch.add_vertex())).collect();
        let routers = sketch.vertices as usize;
        let cost = |iface: IfaceId| u64::from(plan.direction(sends_on(iface)).cost);
        let mut attached = Vec::with_capacity(segments.members.len());
        let mut neighbors = vec![Vec::new(); plan.nodes().len()];
        let is_outside = |iface: IfaceId| plan.outside_of(plan.node_of(iface)) == Some(iface);
        for members in &segments.members {
            let forwarding: Vec<(IfaceId, u32, Ipv4Addr)> = members
                .iter()
                .filter(|&&iface| !is_outside(iface))
                .filter_map(|&iface| {
                    let end = plan.iface(iface);
                    Some((iface, vertices[end.node.index()]?, end.address?.ip))
                })
                .collect();
            connect(&mut sketch, &forwarding, &cost);
            for &iface in members {
                let node = plan.node_of(iface);
                // To those outside, an address translator is a host with a gateway.
                if is_outside(iface) || vertices[node.index()].is_none() && plan.node(node).ifaces.len() == 1
                {
                    continue; // Its gateway is configured.
                }
                let own = &mut neighbors[node.index()];
                let mut last = node;
                // Of a router with two interfaces on the segment the first is the gateway.
                for &(other, vertex, gateway) in &forwarding {
                    let there = plan.node_of(other);
                    if there != node && there != last {
                        own.push(Neighbor { node: there, vertex, iface, gateway, cost: cost(iface) });
                    }
                    last = there;
                }
            }
            attached.push(forwarding.iter().map(|(iface, vertex, _)| (*vertex, cost(*iface))).collect());
        }
        neighbors.iter_mut().for_each(|list: &mut Vec<Neighbor>| list.sort_by_key(|n| (n.iface, n.gateway)));
        // The way out of each realm begins at its translators, on a segment of their own.
        for nat in exits(plan) {
            attached.push(vertices[nat.index()].map(|vertex| (vertex, 1)).into_iter().collect());
        }
        let parents = peel(plan, &neighbors);
        Graph { edges: sketch.finish(), routers, vertices, neighbors, parents, attached }
    }

    /// The routers that a node can send to, by interface.
    pub fn neighbors(&self, node: NodeId) -> &[Neighbor] {
        &self.neighbors[node.index()]
    }

    /// The only router through which a leaf reaches what is not behind it.
    pub fn default_neighbor(&self, node: NodeId) -> Option<NodeId> {
        self.vertices[node.index()].and(self.parents[node.index()])
    }

    /// The shortest ways from a node to every vertex (Dijkstra's algorithm), each with the neighbours that it may begin with.
    fn reach(&self, node: NodeId) -> Reach {
        let neighbors = self.neighbors(node);
        let mut reach = Reach {
            distances: vec![UNREACHABLE; self.edges.vertices()],
            through: vec![0; self.edges.vertices()],
            choices: Choices::new(),
        };
        let mut open = BinaryHeap::new();
        for neighbor in neighbors {
            let known = &mut reach.distances[neighbor.vertex as usize];
            if neighbor.cost < *known {
                *known = neighbor.cost;
                open.push(Reverse((neighbor.cost, neighbor.vertex)));
            }
        }
        let mut order = Vec::new();
        while let Some(Reverse((distance, vertex))) = open.pop() {
            if distance > reach.distances[vertex as usize] {
                continue; // A shorter way was found since.
            }
            order.push((distance, vertex));
            for &(to, cost) in self.edges.of(vertex) {
                let total = distance + cost;
                if total < reach.distances[to as usize] {
                    reach.distances[to as usize] = total;
                    open.push(Reverse((total, to)));
                }
            }
        }
        self.spread(neighbors, order, &mut reach);
        reach
    }

    /// Tells every vertex which neighbours the shortest ways to it begin with: from the nearest to the farthest, at equal distances
    /// segments before the routers on them, to which it costs nothing to go.
    fn spread(&self, neighbors: &[Neighbor], mut order: Vec<(u64, u32)>, reach: &mut Reach) {
        for (position, neighbor) in neighbors.iter().enumerate() {
            if neighbor.cost == reach.distances[neighbor.vertex as usize] {
                let alone = reach.choices.number(&[position as u32]);
                let through = &mut reach.through[neighbor.vertex as usize];
                *through = reach.choices.union(*through, alone);
            }
        }
        order
            .sort_unstable_by_key(|&(distance, vertex)| (distance, (vertex as usize) < self.routers, vertex));
        for (distance, vertex) in order {
            let through = reach.through[vertex as usize];
            for &(to, cost) in self.edges.of(vertex) {
                let known = &mut reach.through[to as usize];
                if distance + cost == reach.distances[to as usize] && *known != through {
                    *known = reach.choices.union(*known, through);
                }
            }
        }
    }
}

/// The address translators, in order of declaration.
pub(super) fn exits(plan: &Plan) -> impl Iterator<Item = NodeId> {
    plan.node_ids().filter(|id| plan.node(*id).spec.nat().is_some() && plan.outside_of(*id).is_some())
}

/// Adds the edges of one segment.
fn connect(sketch: &mut Sketch, forwarding: &[(IfaceId, u32, Ipv4Addr)], cost: &dyn Fn(IfaceId) -> u64) {
    match forwarding {
        [] | [_] => {}
        [(i, a, _), (j, b, _)] => {
            sketch.edges.push((*a, *b, cost(*i)));
            sketch.edges.push((*b, *a, cost(*j)));
        }
        many => {
            let middle = sketch.add_vertex();
            for (iface, v, _) in many {
                sketch.edges.push((*v, middle, cost(*iface)));
                sketch.edges.push((middle, *v, 0));
            }
        }
    }
}

/// Takes leaves off the router graph until none is left; returns the neighbour each was hanging from.
fn peel(plan: &Plan, neighbors: &[Vec<Neighbor>]) -> Vec<Option<NodeId>> {
    let routers = plan.node_ids().filter(|&id| plan.node(id).spec.forwards());
    let mut around: Vec<Vec<NodeId>> = vec![Vec::new(); plan.nodes().len()];
    let mut leaves = Vec::new();
    for id in routers {
        let list = &mut around[id.index()];
        list.extend(neighbors[id.index()].iter().map(|neighbor| neighbor.node));
        list.sort_unstable();
        list.dedup();
        if list.len() == 1 {
            leaves.push(id);
        }
    }
    let mut parents = vec![None; plan.nodes().len()];
    let mut left: Vec<usize> = around.iter().map(Vec::len).collect();
    let mut next = 0;
    while let Some(&leaf) = leaves.get(next) {
        next += 1;
        if left[leaf.index()] != 1 {
            continue; // The last of its tree: everything hangs from it.
        }
        let parent = around[leaf.index()]
            .iter()
            .copied()
            .find(|n| left[n.index()] > 0 && parents[n.index()].is_none());
        let parent = parent.expect("one neighbour is left");
        parents[leaf.index()] = Some(parent);
        left[leaf.index()] = 0;
        left[parent.index()] -= 1;
        if left[parent.index()] == 1 {
            leaves.push(parent);
        }
    }
    parents
}

/// The routers that each network is behind. Networks behind the same routers at the same cost share a class.
pub(super) struct Classes {
    /// The class of each destination.
    pub of: Vec<u32>,
    /// The routers of each class by vertex, with the cost of their interface on it.
    attached: Vec<Vec<(u32, u64)>>,
}

/// The shortest ways of one node to everything.
struct Reach {
    /// To each vertex.
    distances: Vec<u64>,
    /// The number of the choice of neighbours that they begin with, of each vertex.
    through: Vec<u32>,
    choices: Choices,
}

/// The distinct choices of a node among its neighbours; the first is none at all.
#[derive(Default)]
struct Choices {
    /// Each choice as positions among the node's neighbours.
    lists: Vec<Box<[u32]>>,
    known: FxHashMap<Box<[u32]>, u32>,
    last: u32,
    /// The union of two choices, the smaller number first.
    unions: FxHashMap<(u32, u32), u32>,
}

impl Classes {
    pub fn new(graph: &Graph, destinations: &[Destination]) -> Classes {
        let mut known: FxHashMap<Vec<(u32, u64)>, u32> = FxHashMap::default();
        let mut classes: Vec<Vec<(u32, u64)>> = Vec::new();
        let mut of = Vec::with_capacity(destinations.len());
        for destination in destinations {
            let segments = destination.segments.iter();
            let mut attached: Vec<(u32, u64)> =
                segments.flat_map(|&segment| graph.attached[segment as usize].iter().copied()).collect();
            attached.sort_unstable();
            of.push(*known.entry(attached).or_insert_with_key(|attached| {
                classes.push(attached.clone());
                classes.len() as u32 - 1
            }));
        }
        Classes { of, attached: classes }
    }

    /// The number of a node's choice of neighbours for each class, 0 where there is no way; and all its choices, each as positions
    /// among its neighbours. The neighbours on the way to a network are those on the way to the nearest of its routers, of several
    /// to any of them.
    pub fn choose(&self, graph: &Graph, node: NodeId) -> (Vec<u32>, Vec<Box<[u32]>>) {
        let mut reach = graph.reach(node);
        let chosen = self.attached.iter().map(|attached| {
            let (mut least, mut choice) = (UNREACHABLE, 0);
            for &(router, cost) in attached {
                let total = reach.distances[router as usize].saturating_add(cost);
                let through = reach.through[router as usize];
                if total < least {
                    (least, choice) = (total, through);
                } else if total == least && total != UNREACHABLE && choice != through {
                    choice = reach.choices.union(choice, through);
                }
            }
            choice
        });
        (chosen.collect(), reach.choices.lists)
    }
}

impl Choices {
    fn new() -> Choices {
        let mut choices = Choices::default();
        choices.number(&[]);
        choices
    }

    fn number(&mut self, list: &[u32]) -> u32 {
        // Neighbouring prefixes mostly lie in the same direction.
        if self.lists.get(self.last as usize).is_some_and(|last| **last == *list) {
            return self.last;
        }
        self.last = match self.known.get(list) {
            Some(number) => *number,
            None => {
                let number = self.lists.len() as u32;
                self.lists.push(list.into());
                self.known.insert(list.into(), number);
                number
            }
        };
        self.last
    }

    fn union(&mut self, a: u32, b: u32) -> u32 {
        let pair = (a.min(b), a.max(b));
        if pair.0 == 0 {
            return pair.1;
        }
        if let Some(known) = self.unions.get(&pair) {
            return *known;
        }
        let mut list: Vec<u32> =
            self.lists[a as usize].iter().chain(&*self.lists[b as usize]).copied().collect();
        list.sort_unstable();
        list.dedup();
        let number = self.number(&list);
        self.unions.insert(pair, number);
        number
    }
}
