//! Detours that RIP cannot use: its infinity is 16 (RFC 2453 section 3.6), and costs of 10 are soon there.

use tidewire_topology::Plan;
use tidewire_units::{LinkId, NodeId};

/// Larger networks are not looked at: every link takes a search.
const MOST_LINKS: usize = 200;

/// A warning about the first link whose outage leaves routers out of reach although there is another way.
pub(super) fn too_far(plan: &Plan, infinity: u32) -> Option<String> {
    if plan.links().len() > MOST_LINKS {
        return None;
    }
    plan.link_ids().find_map(|down| {
        let [a, b] = plan.link(down).ends;
        if ![a, b].iter().all(|end| plan.node(*end).spec.forwards()) {
            return None;
        }
        let way = plan.path(a, b, &|link| link != down).filter(|way| way.len() > 2)?;
        // A network of the last router's own has the metric 1.
        let metric = 1 + way.windows(2).map(|hop| u64::from(cost(plan, hop[0], hop[1], down))).sum::<u64>();
        (metric >= u64::from(infinity)).then(|| {
            let name = |node: &NodeId| plan.node(*node).name.clone();
            let over: Vec<String> = way[1..way.len() - 1].iter().map(name).collect();
            format!(
                "without the link between {} and {} the way over {} has the metric {metric}: to distance_vector {infinity} is out of reach (RFC 2453); lower the costs of its links, or use \"link_state\"",
                name(&a),
                name(&b),
                over.join(", "),
            )
        })
    })
}

/// The cheapest link from one node to its neighbour.
fn cost(plan: &Plan, from: NodeId, to: NodeId, down: LinkId) -> u32 {
    let ifaces = plan.node(from).ifaces.iter();
    let costs = ifaces
        .filter(|iface| plan.neighbor_of(**iface) == to)
        .map(|iface| tidewire_topology::sends_on(*iface));
    costs.filter(|dir| dir.link() != down).map(|dir| plan.direction(dir).cost).min().unwrap_or(1)
}
