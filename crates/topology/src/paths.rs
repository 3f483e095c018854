//! Shortest paths between nodes, distances and counts.

use crate::{NodeKind, Plan, link_of, sends_on};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use tidewire_units::{LinkId, NodeId};

/// A plan in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many hosts there are.
    pub hosts: usize,
    /// How many switches.
    pub switches: usize,
    /// How many routers.
    pub routers: usize,
    /// How many links.
    pub links: usize,
    /// How many parts are not joined by any link; 1 for a connected network.
    pub parts: usize,
    /// The most links on the shortest way (in links) between two nodes of one part.
    pub diameter: u32,
    /// Whether that is certain, or only the least that it can be.
    pub is_diameter_known: bool,
}

/// No more nodes than this are looked at for a diameter.
const MOST_STEPS: u64 = 50_000_000;

impl Plan {
    /// The nodes on the cheapest path from `a` to `b`, both included, over the links that are up; `None` when there is none. Costs
    /// are counted as by [`crate::routes`]; of equally cheap paths the one with the fewest nodes, then with those declared first.
    /// Hosts that do not forward are only ends.
    pub fn path(&self, a: NodeId, b: NodeId, link_up: &dyn Fn(LinkId) -> bool) -> Option<Vec<NodeId>> {
        let n = self.nodes().len();
        let mut best: Vec<Option<(u64, u32)>> = vec![None; n];
        let mut before: Vec<Option<NodeId>> = vec![None; n];
        let mut queue = BinaryHeap::from([Reverse(((0, 0), a, None))]);
        while let Some(Reverse((reached, node, from))) = queue.pop() {
            if best[node.index()].is_some() {
                continue;
            }
            best[node.index()] = Some(reached);
            before[node.index()] = from;
            if node == b {
                let mut path: Vec<NodeId> = std::iter::successors(Some(b), |at| before[at.index()]).collect();
                path.reverse();
                return Some(path);
            }
            let spec = &self.node(node).spec;
            let is_switch = spec.kind() == NodeKind::Switch;
            if node != a && !is_switch && !spec.forwards() {
                continue;
            }
            for &iface in self.node(node).ifaces.iter().filter(|&&iface| link_up(link_of(iface))) {
                let cost = if is_switch { 0 } else { u64::from(self.direction(sends_on(iface)).cost) };
                let next = self.neighbor_of(iface);
                if best[next.index()].is_none() {
                    queue.push(Reverse(((reached.0 + cost, reached.1 + 1), next, Some(node))));
                }
            }
        }
        None
    }

    /// Counts and distances.
    pub fn summary(&self) -> Summary {
        let (diameter, is_diameter_known) = self.diameter();
        Summary {
            hosts: self.count(NodeKind::Host),
            switches: self.count(NodeKind::Switch),
            routers: self.count(NodeKind::Router),
            links: self.links().len(),
            parts: self.parts().1,
            diameter,
            is_diameter_known,
        }
    }

    /// The part of each node, numbered by their first nodes, and how many there are.
    pub(crate) fn parts(&self) -> (Vec<usize>, usize) {
        let mut part = vec![usize::MAX; self.nodes().len()];
        let mut count = 0;
        for start in self.node_ids() {
            if part[start.index()] == usize::MAX {
                for (node, _) in self.around(start) {
                    part[node.index()] = count;
                }
                count += 1;
            }
        }
        (part, count)
    }

    /// All nodes of the part of `start` with their distance in links, nearest first.
    pub(crate) fn around(&self, start: NodeId) -> Vec<(NodeId, u32)> {
        let mut seen = vec![false; self.nodes().len()];
        let mut queue = VecDeque::from([(start, 0)]);
        let mut found = Vec::new();
        seen[start.index()] = true;
        while let Some((node, distance)) = queue.pop_front() {
            found.push((node, distance));
            for &iface in &self.node(node).ifaces {
                let next = self.neighbor_of(iface);
                if !std::mem::replace(&mut seen[next.index()], true) {
                    queue.push_back((next, distance + 1));
                }
            }
        }
        found
    }

    /// The most links on the shortest way between two nodes of one part, and whether that is certain: in large networks that are all
    /// alike everywhere the search ends early, and the diameter is at least so many.
    ///
    /// Every search from a node bounds how far all others can be from anybody (Takes and Kosters 2011), so that few are needed.
    pub fn diameter(&self) -> (u32, bool) {
        let n = self.nodes().len();
        let (mut lower, mut upper) = (vec![0u32; n], vec![u32::MAX; n]);
        let mut open: Vec<NodeId> = self.node_ids().collect();
        let (mut most, mut left) = (0, MOST_STEPS);
        // By turns from one that may be far from somebody and from one that is in the middle.
        for turn in 0u64.. {
            let far = |node: &&NodeId| (upper[node.index()], self.node(**node).ifaces.len(), Reverse(**node));
            let near =
                |node: &&NodeId| (lower[node.index()], Reverse(self.node(**node).ifaces.len()), **node);
            let next = if turn % 2 == 0 { open.iter().max_by_key(far) } else { open.iter().min_by_key(near) };
            let Some(&start) = next else { break };
            let found = self.around(start);
            let reach = found.last().map_or(0, |(_, distance)| *distance);
            most = most.max(reach);
            for (node, distance) in &found {
                let at = node.index();
                lower[at] = lower[at].max(reach - distance).max(*distance);
                upper[at] = upper[at].min(reach.saturating_add(*distance));
            }
            open.retain(|node| *node != start && upper[node.index()] > most);
            left = left.saturating_sub(found.len() as u64 + open.len() as u64);
            if left == 0 {
                return (most, open.is_empty());
            }
        }
        (most, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LinkSpec;
    use crate::generate::{self, Style};

    fn names(plan: &Plan, path: Option<Vec<NodeId>>) -> Vec<&str> {
        path.into_iter().flatten().map(|id| plan.node(id).name.as_str()).collect()
    }

    #[test]
    fn a_path_goes_through_routers_and_switches_but_not_through_hosts() {
        let mut plan = Plan::new();
        let [a, b, c] = ["a", "b", "c"].map(|name| plan.add_host(name).unwrap());
        let r = plan.add_router("r").unwrap();
        for (x, y) in [(a, b), (b, c), (a, r)] {
            plan.connect(x, y, LinkSpec::default()).unwrap();
        }
        assert_eq!(names(&plan, plan.path(a, c, &|_| true)), Vec::<&str>::new());
        plan.add_lan("s", &[r, c], &LinkSpec::default()).unwrap();
        assert_eq!(names(&plan, plan.path(a, c, &|_| true)), ["a", "r", "s", "c"]);
        assert_eq!(names(&plan, plan.path(a, c, &|link| link.0 != 2)), Vec::<&str>::new());
        assert_eq!(names(&plan, plan.path(a, a, &|_| true)), ["a"]);
    }

    #[test]
    fn the_cheapest_path_wins_and_then_the_shortest() {
        let mut plan = Plan::new();
        let r: Vec<NodeId> = (0..4).map(|i| plan.add_router(format!("r{i}")).unwrap()).collect();
        for (a, b, cost) in [(0, 3, 5), (0, 1, 1), (1, 2, 1), (2, 3, 1), (1, 3, 2)] {
            plan.connect(r[a], r[b], LinkSpec::default().with_cost(cost)).unwrap();
        }
        assert_eq!(names(&plan, plan.path(r[0], r[3], &|_| true)), ["r0", "r1", "r3"]);
    }

    #[test]
    fn diameters_of_known_shapes() {
        let diameter = |build: &dyn Fn(&mut Plan)| {
            let mut plan = Plan::new();
            build(&mut plan);
            let (diameter, is_known) = plan.diameter();
            assert!(is_known);
            diameter
        };
        let bare = Style { hosts: 0, ..Style::default() };
        assert_eq!(diameter(&|_| ()), 0);
        assert_eq!(diameter(&|p| drop(generate::line(p, 1, &Style::default()))), 1);
        assert_eq!(diameter(&|p| drop(generate::line(p, 2, &bare))), 1);
        assert_eq!(diameter(&|p| drop(generate::line(p, 5, &bare))), 4);
        assert_eq!(diameter(&|p| drop(generate::star(p, 5, &bare))), 2);
        assert_eq!(diameter(&|p| drop(generate::ring(p, 7, &bare))), 3);
        assert_eq!(diameter(&|p| drop(generate::fat_tree(p, 4, &bare))), 6);
    }

    #[test]
    fn diameters_of_random_networks_are_those_of_all_searches() {
        for seed in 0..20 {
            let mut plan = Plan::new();
            let mut stream =
                tidewire_units::Streams::new(seed).stream(tidewire_units::Purpose::Queue, "random");
            let nodes: Vec<NodeId> = (0..60).map(|i| plan.add_router(format!("r{i}")).unwrap()).collect();
            for _ in 0..stream.between(20, 120) {
                let [a, b] = [0, 1].map(|_| nodes[stream.between(0, 59) as usize]);
                if a != b {
                    plan.connect(a, b, LinkSpec::default()).unwrap();
                }
            }
            let all = plan.node_ids().map(|node| plan.around(node).last().unwrap().1).max().unwrap();
            assert_eq!(plan.diameter(), (all, true), "seed {seed}");
        }
    }

    #[test]
    fn the_diameter_of_a_large_ring_is_a_bound_and_that_of_a_large_tree_exact() {
        let bare = Style { hosts: 0, ..Style::default() };
        let mut ring = Plan::new();
        generate::ring(&mut ring, 40_000, &bare).unwrap();
        let (diameter, is_known) = ring.diameter();
        assert!(diameter == 20_000 && !is_known);
        let mut line = Plan::new();
        generate::line(&mut line, 100_000, &bare).unwrap();
        assert_eq!(line.diameter(), (99_999, true));
    }

    #[test]
    fn a_summary_counts_kinds_and_parts() {
        let mut plan = Plan::new();
        generate::star(&mut plan, 3, &Style::switched()).unwrap();
        plan.add_router("alone").unwrap();
        let want = Summary {
            hosts: 3,
            switches: 1,
            routers: 1,
            links: 3,
            parts: 2,
            diameter: 2,
            is_diameter_known: true,
        };
        assert_eq!(plan.summary(), want);
    }
}
