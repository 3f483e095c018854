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
}

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

    /// Counts and distances. The distances need one search for each node with more than one link.
    pub fn summary(&self) -> Summary {
        Summary {
            hosts: self.count(NodeKind::Host),
            switches: self.count(NodeKind::Switch),
            routers: self.count(NodeKind::Router),
            links: self.links().len(),
            parts: self.parts().1,
            diameter: self.diameter(),
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

    /// The most links on the shortest way between two nodes of one part.
    pub fn diameter(&self) -> u32 {
        // Nodes with one link are one step beyond their neighbour, so only the others need a search.
        let is_leaf = |node: NodeId| self.node(node).ifaces.len() == 1;
        let leaves_of: Vec<usize> = self
            .nodes()
            .iter()
            .map(|node| node.ifaces.iter().filter(|&&iface| is_leaf(self.neighbor_of(iface))).count())
            .collect();
        let mut diameter = u32::from(!self.links().is_empty());
        for start in self.node_ids().filter(|&node| self.node(node).ifaces.len() > 1) {
            let own = leaves_of[start.index()];
            let here = own.min(2) as u32;
            let inner = self.around_inner(start, &is_leaf);
            let far = |(node, distance): (NodeId, u32)| match distance {
                0 => here,
                _ => distance + own.min(1) as u32 + leaves_of[node.index()].min(1) as u32,
            };
            diameter = diameter.max(inner.into_iter().map(far).max().unwrap_or(0));
        }
        diameter
    }

    /// As [`Plan::around`], without the nodes for which `skip` holds.
    fn around_inner(&self, start: NodeId, skip: &dyn Fn(NodeId) -> bool) -> Vec<(NodeId, u32)> {
        let mut seen = vec![false; self.nodes().len()];
        let mut found = vec![(start, 0)];
        seen[start.index()] = true;
        let mut next = 0;
        while let Some(&(node, distance)) = found.get(next) {
            next += 1;
            for &iface in &self.node(node).ifaces {
                let there = self.neighbor_of(iface);
                if !skip(there) && !std::mem::replace(&mut seen[there.index()], true) {
                    found.push((there, distance + 1));
                }
            }
        }
        found
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
            plan.diameter()
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
    fn a_summary_counts_kinds_and_parts() {
        let mut plan = Plan::new();
        generate::star(&mut plan, 3, &Style::switched()).unwrap();
        plan.add_router("alone").unwrap();
        let want = Summary { hosts: 3, switches: 1, routers: 1, links: 3, parts: 2, diameter: 2 };
        assert_eq!(plan.summary(), want);
    }
}
