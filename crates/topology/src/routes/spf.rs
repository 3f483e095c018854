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
    /// Routers come first, then one vertex for each segment that three or more share. Edges point backwards, so that one search
    /// finds the distances *to* a router.
    reversed: Edges,
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

    /// The distance of every vertex from this one (Dijkstra's algorithm).
    fn distances_from(&self, vertex: u32) -> Vec<u64> {
        let mut distances = vec![UNREACHABLE; self.starts.len() - 1];
        distances[vertex as usize] = 0;
        let mut open = BinaryHeap::from([Reverse((0, vertex))]);
        while let Some(Reverse((distance, vertex))) = open.pop() {
            if distance > distances[vertex as usize] {
                continue; // A shorter way was found since.
            }
            for &(to, cost) in self.of(vertex) {
                let total = distance + cost;
                if total < distances[to as usize] {
                    distances[to as usize] = total;
                    open.push(Reverse((total, to)));
                }
            }
        }
        distances
    }
}

impl Graph {
    pub fn new(plan: &Plan, segments: &Segments) -> Graph {
        let mut reversed = Sketch::default();
        let vertices: Vec<Option<u32>> =
            (plan.nodes().iter()).map(|node| node.spec.forwards().then(|| reversed.add_vertex())).collect();
        let routers = reversed.vertices as usize;
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
            connect(&mut reversed, &forwarding, &cost);
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
        let reversed = reversed.finish();
        Graph { reversed, routers, vertices, neighbors, parents, attached }
    }

    /// The routers that a node can send to, by interface.
    pub fn neighbors(&self, node: NodeId) -> &[Neighbor] {
        &self.neighbors[node.index()]
    }

    /// The only router through which a leaf reaches what is not behind it.
    pub fn default_neighbor(&self, node: NodeId) -> Option<NodeId> {
        self.vertices[node.index()].and(self.parents[node.index()])
    }

    /// The distance of every router to the one at `vertex`.
    fn distances_to(&self, vertex: u32) -> Vec<u64> {
        let mut distances = self.reversed.distances_from(vertex);
        distances.truncate(self.routers);
        distances
    }
}

/// The address translators, in order of declaration.
pub(super) fn exits(plan: &Plan) -> impl Iterator<Item = NodeId> {
    plan.node_ids().filter(|id| plan.node(*id).spec.nat().is_some() && plan.outside_of(*id).is_some())
}

/// Adds the edges of one segment.
fn connect(reversed: &mut Sketch, forwarding: &[(IfaceId, u32, Ipv4Addr)], cost: &dyn Fn(IfaceId) -> u64) {
    match forwarding {
        [] | [_] => {}
        [(i, a, _), (j, b, _)] => {
            reversed.edges.push((*b, *a, cost(*i)));
            reversed.edges.push((*a, *b, cost(*j)));
        }
        many => {
            let middle = reversed.add_vertex();
            for (iface, v, _) in many {
                reversed.edges.push((middle, *v, cost(*iface)));
                reversed.edges.push((*v, middle, 0));
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

/// How far each router is from each network. Networks behind the same routers at the same cost share a class.
pub(super) struct Ways {
    class_of: Vec<u32>,
    /// The routers of each class, by position in `targets`, with the cost of their interface on it.
    classes: Vec<Vec<(u32, u64)>>,
    /// The distances of every router to each one that a class asks about.
    targets: Vec<Vec<u64>>,
}

/// The shortest ways of some nodes to all routers that networks are behind.
#[derive(Default)]
pub(super) struct Block {
    /// How many routers these are.
    targets: usize,
    /// Distance of each node to each of these routers, with the number of the choice of neighbours; node by node.
    reach: Vec<(u64, u32)>,
    /// The distinct choices of each node; the first is none at all.
    choices: Vec<Choices>,
}

#[derive(Default)]
struct Choices {
    /// Each choice as positions among the node's neighbours.
    lists: Vec<Box<[u32]>>,
    known: FxHashMap<Box<[u32]>, u32>,
    last: u32,
    /// The union of two choices, the smaller number first.
    unions: FxHashMap<(u32, u32), u32>,
}

impl Ways {
    pub fn new(graph: &Graph, destinations: &[Destination]) -> Ways {
        let mut known: FxHashMap<Vec<(u32, u64)>, u32> = FxHashMap::default();
        let mut classes: Vec<Vec<(u32, u64)>> = Vec::new();
        let mut class_of = Vec::with_capacity(destinations.len());
        for destination in destinations {
            let segments = destination.segments.iter();
            let mut attached: Vec<(u32, u64)> =
                segments.flat_map(|&segment| graph.attached[segment as usize].iter().copied()).collect();
            attached.sort_unstable();
            class_of.push(*known.entry(attached).or_insert_with_key(|attached| {
                classes.push(attached.clone());
                classes.len() as u32 - 1
            }));
        }
        let mut numbers = vec![None; graph.routers];
        let mut targets = Vec::new();
        for (vertex, _) in classes.iter_mut().flatten() {
            *vertex = *numbers[*vertex as usize].get_or_insert_with(|| {
                targets.push(graph.distances_to(*vertex));
                targets.len() as u32 - 1
            });
        }
        Ways { class_of, classes, targets }
    }

    /// The class of each destination.
    pub fn class_of(&self) -> &[u32] {
        &self.class_of
    }

    /// The best ways of these nodes. One router after the other, so that its distances stay in the cache.
    pub fn block(&self, graph: &Graph, nodes: &[NodeId]) -> Block {
        let targets = self.targets.len();
        let mut block = Block {
            targets,
            reach: vec![(UNREACHABLE, 0); nodes.len() * targets],
            choices: nodes.iter().map(|_| Choices::new()).collect(),
        };
        let mut best = Vec::new();
        for (target, distances) in self.targets.iter().enumerate() {
            for (at, &node) in nodes.iter().enumerate() {
                let least = nearest(graph.neighbors(node), distances, &mut best);
                block.reach[at * targets + target] = (least, block.choices[at].number(&best));
            }
        }
        block
    }

    /// Fills `chosen` with the number of the choice of the node at position `at` for each class; 0 where there is no way. The
    /// neighbours on the way to a network are those on the way to the nearest of its routers, of several to any of them.
    pub fn choose(&self, block: &mut Block, at: usize, chosen: &mut Vec<u32>) {
        chosen.clear();
        let reach = &block.reach[at * block.targets..(at + 1) * block.targets];
        for attached in &self.classes {
            let (mut least, mut choice) = (UNREACHABLE, 0);
            for &(target, cost) in attached {
                let (distance, through) = reach[target as usize];
                let total = distance.saturating_add(cost);
                if total < least {
                    (least, choice) = (total, through);
                } else if total == least && choice != through {
                    choice = block.choices[at].union(choice, through);
                }
            }
            chosen.push(choice);
        }
    }
}

/// Fills `best` with the positions of the neighbours on the shortest ways, none when there is no way; returns how long they are.
fn nearest(neighbors: &[Neighbor], distances: &[u64], best: &mut Vec<u32>) -> u64 {
    let mut least = UNREACHABLE;
    best.clear();
    for (position, neighbor) in neighbors.iter().enumerate() {
        let total = distances[neighbor.vertex as usize].saturating_add(neighbor.cost);
        if total < least {
            least = total;
            best.clear();
        }
        if total == least && total != UNREACHABLE {
            best.push(position as u32);
        }
    }
    least
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

impl Block {
    /// All choices of a node, each as positions among its neighbours.
    pub fn choices(&self, at: usize) -> &[Box<[u32]>] {
        &self.choices[at].lists
    }
}
