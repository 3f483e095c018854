//! How much of what is sent between nodes crosses which links, when equally cheap paths share it.

use crate::{Ecmp, NodeKind, NodeSpec, Plan, peer_of, sends_on};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tidewire_units::{DirId, IfaceId, NodeId};

/// A path's cost, as [`Plan::path`] counts it: what interfaces cost, then links.
type Cost = (u64, u32);

impl Plan {
    /// Of what `from` (nodes and how much each sends) sends to `dst`: tells `over` how much crosses which directions of links.
    /// Costs are those of [`Plan::path`]; of equally cheap ways all get the same at each node that uses several,
    /// and else the first gets all.
    pub fn spread(&self, dst: NodeId, from: &[(NodeId, f64)], over: &mut dyn FnMut(DirId, f64)) {
        let (cost, nearest_first) = self.costs_to(dst);
        let mut carried = vec![0.0; self.nodes().len()];
        for &(node, amount) in from.iter().filter(|(node, _)| *node != dst) {
            carried[node.index()] += amount;
        }
        for &node in nearest_first.iter().rev().filter(|node| **node != dst) {
            let amount = std::mem::take(&mut carried[node.index()]);
            if amount == 0.0 {
                continue;
            }
            let ways = self.ways(node, dst, &cost);
            for &iface in &ways {
                let part = amount / ways.len() as f64;
                carried[self.neighbor_of(iface).index()] += part;
                over(sends_on(iface), part);
            }
        }
    }

    /// What the cheapest path to `dst` costs from every node that has one, and these nodes, nearest first.
    fn costs_to(&self, dst: NodeId) -> (Vec<Option<Cost>>, Vec<NodeId>) {
        let mut cost: Vec<Option<Cost>> = vec![None; self.nodes().len()];
        let mut nearest_first = Vec::new();
        let mut queue = BinaryHeap::from([Reverse(((0, 0), dst))]);
        while let Some(Reverse((reached, node))) = queue.pop() {
            if cost[node.index()].is_some() {
                continue;
            }
            cost[node.index()] = Some(reached);
            nearest_first.push(node);
            if !self.passes_on(node, dst) {
                continue;
            }
            for &iface in &self.node(node).ifaces {
                let next = self.neighbor_of(iface);
                if cost[next.index()].is_none() {
                    queue.push(Reverse((self.through(peer_of(iface), reached), next)));
                }
            }
        }
        (cost, nearest_first)
    }

    /// Interfaces through which `node` sends to `dst`.
    fn ways(&self, node: NodeId, dst: NodeId, cost: &[Option<Cost>]) -> Vec<IfaceId> {
        let leads = |iface: &IfaceId| {
            let next = self.neighbor_of(*iface);
            let from_there = cost[next.index()].filter(|_| self.passes_on(next, dst));
            from_there.is_some_and(|there| Some(self.through(*iface, there)) == cost[node.index()])
        };
        let ways = self.node(node).ifaces.iter().copied().filter(leads);
        let uses_one = match &self.node(node).spec {
            NodeSpec::Router(router) => router.ecmp == Ecmp::Off,
            NodeSpec::Host(_) => false,
            NodeSpec::Switch(_) => true,
        };
        ways.take(if uses_one { 1 } else { usize::MAX }).collect()
    }

    /// The cost of a path that begins with this interface and goes on at such a cost.
    fn through(&self, iface: IfaceId, (cost, links): Cost) -> Cost {
        let is_switch = self.node(self.node_of(iface)).spec.kind() == NodeKind::Switch;
        let own = if is_switch { 0 } else { u64::from(self.direction(sends_on(iface)).cost) };
        (cost + own, links + 1)
    }

    /// Whether a path to `dst` may go on from there.
    fn passes_on(&self, node: NodeId, dst: NodeId) -> bool {
        let spec = &self.node(node).spec;
        node == dst || spec.kind() == NodeKind::Switch || spec.forwards()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Ecmp, LinkSpec, NodeSpec, Plan, RouterSpec};
    use tidewire_units::{DirId, LinkId, NodeId};

    /// Two pairs of hosts at routers that two others join.
    fn diamond(ecmp: Ecmp) -> (Plan, Vec<NodeId>) {
        let mut plan = Plan::new();
        let router =
            |name| plan.add(name, NodeSpec::Router(RouterSpec { ecmp, ..RouterSpec::default() })).unwrap();
        let r: Vec<NodeId> = ["l", "x", "y", "r"].map(router).into();
        let h: Vec<NodeId> = ["a", "b", "c", "d"].map(|name| plan.add_host(name).unwrap()).into();
        for (a, b) in [(r[0], r[1]), (r[0], r[2]), (r[1], r[3]), (r[3], r[2])] {
            plan.connect(a, b, LinkSpec::default()).unwrap();
        }
        for (host, router) in [(h[0], r[0]), (h[1], r[0]), (h[2], r[3]), (h[3], r[3])] {
            plan.connect(host, router, LinkSpec::default()).unwrap();
        }
        (plan, h)
    }

    fn crossing(plan: &Plan, link: u32, dst: NodeId, from: &[(NodeId, f64)]) -> [f64; 2] {
        let mut both = [0.0; 2];
        plan.spread(dst, from, &mut |dir, part| {
            if dir.link() == LinkId(link) {
                both[usize::from(dir == DirId::backward(LinkId(link)))] += part;
            }
        });
        both
    }

    #[test]
    fn equally_cheap_ways_share_what_crosses_them() {
        let (plan, h) = diamond(Ecmp::Flow);
        let from = [(h[0], 0.75), (h[1], 0.25), (h[3], 1.0)];
        for (link, expected) in [
            (0, [0.5, 0.0]),
            (1, [0.5, 0.0]),
            (2, [0.5, 0.0]),
            (3, [0.0, 0.5]),
            (4, [0.75, 0.0]),
            (6, [0.0, 2.0]),
        ] {
            assert_eq!(crossing(&plan, link, h[2], &from), expected, "link {link}");
        }
        assert_eq!(crossing(&plan, 4, h[0], &[(h[2], 1.0), (h[0], 5.0)]), [0.0, 1.0]);
        let (plan, h) = diamond(Ecmp::Off);
        assert_eq!([0, 1].map(|link| crossing(&plan, link, h[2], &[(h[0], 1.0)])[0]), [1.0, 0.0]);
    }

    #[test]
    fn nothing_goes_through_hosts_or_to_other_parts() {
        let mut plan = Plan::new();
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| plan.add_host(name).unwrap());
        for (x, y) in [(a, b), (b, c)] {
            plan.connect(x, y, LinkSpec::default()).unwrap();
        }
        assert_eq!(crossing(&plan, 1, c, &[(a, 1.0), (b, 1.0), (d, 1.0)]), [1.0, 0.0]);
    }
}
