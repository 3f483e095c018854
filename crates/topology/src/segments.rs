//! Which interfaces hear each other: the layer-2 broadcast domains.
//!
//! A trunk between switches is part of a domain for each of its VLANs; every other link is part of one.

use crate::{NodeKind, Plan, VlanSpec, link_of};
use petgraph::unionfind::UnionFind;
use rustc_hash::FxHashMap;
use tidewire_units::{IfaceId, LinkId};

/// The plan's links, divided into sets that are joined by switches. A link without a switch is a segment of its own.
pub(crate) struct Segments {
    /// The segment of each link, of a trunk that of its lowest VLAN; none while the link is down.
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
        let first = strands(plan);
        let mut sets = UnionFind::<u32>::new(first[plan.links().len()] as usize);
        for id in plan.node_ids().filter(|id| plan.node(*id).spec.kind() == NodeKind::Switch) {
            let links =
                plan.node(id).ifaces.iter().map(|&iface| link_of(iface)).filter(|link| up[link.index()]);
            let mut vlans: FxHashMap<u16, u32> = FxHashMap::default();
            let is_divided = plan.has_vlans(id);
            for link in links {
                for (strand, vlan) in (first[link.index()]..).zip(vlans_of(plan, link)) {
                    let vlan = if is_divided { vlan } else { VlanSpec::DEFAULT };
                    sets.union(*vlans.entry(vlan).or_insert(strand), strand);
                }
            }
        }
        let mut number = vec![None; first[plan.links().len()] as usize];
        let mut count = 0;
        let of_link: Vec<Option<u32>> = plan
            .link_ids()
            .map(|link| {
                up[link.index()].then(|| {
                    *number[sets.find_mut(first[link.index()]) as usize].get_or_insert_with(|| {
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

/// A link's VLANs as its switches see them.
fn vlans_of(plan: &Plan, link: LinkId) -> Vec<u16> {
    plan.link(link).spec.vlan.as_ref().map_or_else(|| vec![VlanSpec::DEFAULT], VlanSpec::all)
}

/// The number of the first strand of each link, and how many there are: a strand is a link, or one of a trunk's VLANs.
fn strands(plan: &Plan) -> Vec<u32> {
    let mut next = 0;
    let mut first: Vec<u32> = Vec::with_capacity(plan.links().len() + 1);
    for link in plan.links() {
        first.push(next);
        next += link.spec.vlan.as_ref().map_or(1, |vlan| vlan.all().len().max(1)) as u32;
    }
    first.push(next);
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LinkSpec, NodeSpec, SwitchSpec};
    use tidewire_units::NodeId;

    fn linked(plan: &mut Plan, a: NodeId, b: NodeId, vlan: Option<VlanSpec>) {
        plan.connect(a, b, LinkSpec { vlan, ..LinkSpec::default() }).unwrap();
    }

    #[test]
    fn vlans_of_one_switch_are_networks_of_their_own_and_trunks_join_those_of_several() {
        let mut plan = Plan::new();
        let [s, t] = ["s", "t"].map(|name| plan.add_switch(name).unwrap());
        linked(&mut plan, s, t, Some(VlanSpec::Trunk { trunk: vec![20, 10], native: None }));
        for (name, switch, vlan) in
            [("a", s, Some(10)), ("b", s, Some(20)), ("c", t, Some(10)), ("d", t, Some(20)), ("e", t, None)]
        {
            let host = plan.add_host(name).unwrap();
            linked(&mut plan, host, switch, vlan.map(VlanSpec::Access));
        }
        plan.assign_addresses().unwrap();
        let names: Vec<Vec<&str>> = plan
            .networks()
            .iter()
            .map(|net| net.members.iter().map(|i| &*plan.node(plan.node_of(*i)).name).collect())
            .collect();
        assert_eq!(names, [vec!["a", "c"], vec!["b", "d"], vec!["e"]]);
        let subnet = |name| plan.address_of(plan.find(name).unwrap()).unwrap().octets()[..3].to_vec();
        assert_eq!(subnet("a"), subnet("c"));
        assert_ne!(subnet("a"), subnet("b"));
    }

    #[test]
    fn vlans_that_cannot_be_are_refused_with_a_sentence() {
        let mut plan = Plan::new();
        let (s, a, b) =
            (plan.add_switch("s").unwrap(), plan.add_host("a").unwrap(), plan.add_host("b").unwrap());
        let mut refused = |a, b, vlan| {
            plan.connect(a, b, LinkSpec { vlan: Some(vlan), ..LinkSpec::default() }).unwrap_err().to_string()
        };
        assert!(refused(a, s, VlanSpec::Access(4095)).contains("1 to 4094"));
        assert!(refused(a, b, VlanSpec::Access(1)).contains("no switch"));
        let hub = plan.add("hub", NodeSpec::Switch(SwitchSpec::hub())).unwrap();
        let trunk =
            LinkSpec { vlan: Some(VlanSpec::Trunk { trunk: vec![1], native: None }), ..LinkSpec::default() };
        let refused = plan.connect(s, hub, trunk).unwrap_err().to_string();
        assert!(refused.contains("'hub' is a hub and reads no tags"), "{refused}");
    }

    #[test]
    fn a_router_on_a_trunk_has_an_interface_in_each_of_its_networks() {
        let mut plan = Plan::new();
        let (r, s) = (plan.add_router("r").unwrap(), plan.add_switch("s").unwrap());
        let hosts = [10, 20].map(|vlan| {
            let host = plan.add_host(format!("h{vlan}")).unwrap();
            let access = LinkSpec { vlan: Some(VlanSpec::Access(vlan)), ..LinkSpec::default() };
            plan.connect(host, s, access).unwrap();
            host
        });
        let vlan = Some(VlanSpec::Trunk { trunk: vec![20, 10], native: None });
        let trunk = plan.connect(s, r, LinkSpec { vlan, ..LinkSpec::default() }).unwrap();
        let inner = plan.find("r.trunk").unwrap();
        assert_eq!(plan.link(trunk).ends, [s, inner]);
        plan.assign_addresses().unwrap();
        assert_eq!(plan.node(r).ifaces.len(), 2);
        for (host, iface) in hosts.into_iter().zip(plan.node(r).ifaces.clone()) {
            let subnet = |ip: std::net::Ipv4Addr| ip.octets()[..3].to_vec();
            let (own, other) = (plan.iface(iface).address.unwrap().ip, plan.address_of(host).unwrap());
            assert_eq!(subnet(own), subnet(other), "interfaces are in the order of their VLANs");
        }
    }
}
