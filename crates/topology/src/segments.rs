//! Which interfaces hear each other: the layer-2 broadcast domains.

use crate::{NodeKind, Plan, link_of};
use petgraph::unionfind::UnionFind;
use tidewire_units::{IfaceId, LinkId};

/// The plan's links, divided into sets that are joined by switches. A link without a switch is a segment of its own.
pub(crate) struct Segments {
    /// The segment of each link; none while the link is down.
    pub of_link: Vec<Option<u32>>,
    /// The interfaces of hosts and routers in each segment, in the order in which nodes, then links were declared.
    pub members: Vec<Vec<IfaceId>>,
}

impl Plan {
    /// The interfaces of hosts and routers that hear each other, switches in between included, over the links that are up.
    pub fn segments(&self, link_up: &dyn Fn(LinkId) -> bool) -> Vec<Vec<IfaceId>> {
        Segments::new(self, link_up).members
    }
}

impl Segments {
    /// Segments are numbered by their first link. Links for which `link_up` is false belong to none.
    pub fn new(plan: &Plan, link_up: &dyn Fn(LinkId) -> bool) -> Segments {
        let up: Vec<bool> = plan.link_ids().map(link_up).collect();
        let mut sets = UnionFind::<u32>::new(plan.links().len());
        for node in plan.nodes().iter().filter(|node| node.spec.kind() == NodeKind::Switch) {
            let mut links = node.ifaces.iter().map(|&iface| link_of(iface)).filter(|link| up[link.index()]);
            if let Some(first) = links.next() {
                links.for_each(|link| {
                    sets.union(first.0, link.0);
                });
            }
        }
        let mut number = vec![None; plan.links().len()];
        let mut count = 0;
        let of_link: Vec<Option<u32>> = plan
            .link_ids()
            .map(|link| {
                up[link.index()].then(|| {
                    *number[sets.find_mut(link.0) as usize].get_or_insert_with(|| {
                        count += 1;
                        count - 1
                    })
                })
            })
            .collect();
        let mut members = vec![Vec::new(); count as usize];
        for node in plan.nodes().iter().filter(|node| node.spec.kind() != NodeKind::Switch) {
            for &iface in &node.ifaces {
                if let Some(segment) = of_link[link_of(iface).index()] {
                    members[segment as usize].push(iface);
                }
            }
        }
        Segments { of_link, members }
    }
}
