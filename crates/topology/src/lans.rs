//! Networks of switches: which switches frames can reach from each other, and whether they can go round.

use crate::{NodeKind, Plan};
use petgraph::unionfind::UnionFind;
use tidewire_units::{LinkId, NodeId};

/// Switches that are joined by links, and these links.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lan {
    /// The switches, in order of declaration.
    pub switches: Vec<NodeId>,
    /// The links between them, in order of declaration.
    pub links: Vec<LinkId>,
}

impl Plan {
    /// Every network of switches, by its first switch. Links that are down count.
    pub fn lans(&self) -> Vec<Lan> {
        let is_switch = |node: NodeId| self.node(node).spec.kind() == NodeKind::Switch;
        let mut sets = UnionFind::<u32>::new(self.nodes().len());
        let between: Vec<LinkId> =
            self.link_ids().filter(|link| self.link(*link).ends.into_iter().all(is_switch)).collect();
        for link in &between {
            let [a, b] = self.link(*link).ends;
            sets.union(a.0, b.0);
        }
        let mut lan_of = vec![None; self.nodes().len()];
        let mut lans: Vec<Lan> = Vec::new();
        for switch in self.node_ids().filter(|node| is_switch(*node)) {
            let lan = *lan_of[sets.find(switch.0) as usize].get_or_insert_with(|| {
                lans.push(Lan { switches: Vec::new(), links: Vec::new() });
                lans.len() - 1
            });
            lans[lan].switches.push(switch);
        }
        for link in between {
            let root = sets.find(self.link(link).ends[0].0) as usize;
            lans[lan_of[root].expect("its ends are switches")].links.push(link);
        }
        lans
    }
}

impl Lan {
    /// Whether frames can go round.
    pub fn has_loop(&self) -> bool {
        self.links.len() >= self.switches.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LinkSpec;

    fn lan(switches: usize, links: &[(usize, usize)]) -> (Plan, Vec<NodeId>) {
        let mut plan = Plan::new();
        let nodes: Vec<NodeId> = (0..switches).map(|i| plan.add_switch(format!("s{i}")).unwrap()).collect();
        for (a, b) in links {
            plan.connect(nodes[*a], nodes[*b], LinkSpec::default()).unwrap();
        }
        (plan, nodes)
    }

    #[test]
    fn switches_in_a_line_have_no_loop_and_in_a_ring_they_have() {
        let (plan, nodes) = lan(5, &[(0, 1), (1, 2), (3, 4)]);
        let lans = plan.lans();
        assert_eq!(lans.iter().map(|lan| lan.switches.len()).collect::<Vec<_>>(), [3, 2]);
        assert!(lans.iter().all(|lan| !lan.has_loop()));
        assert_eq!(lans[1].switches, nodes[3..]);
        let (plan, _) = lan(5, &[(4, 0), (0, 1), (1, 2), (2, 3), (3, 0)]);
        let [lan] = &plan.lans()[..] else { panic!("one network") };
        assert!(lan.has_loop());
    }

    #[test]
    fn two_links_between_two_switches_are_a_loop() {
        let (plan, _) = lan(2, &[(0, 1), (1, 0)]);
        assert!(plan.lans()[0].has_loop());
    }

    #[test]
    fn hosts_and_routers_join_no_networks_of_switches() {
        let (mut plan, nodes) = lan(2, &[]);
        let router = plan.add_router("r").unwrap();
        for node in nodes {
            plan.connect(node, router, LinkSpec::default()).unwrap();
        }
        assert_eq!(plan.lans().len(), 2);
        assert!(plan.lans().iter().all(|lan| lan.links.is_empty()));
    }
}
