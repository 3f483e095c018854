//! Address translators divide a network into realms: inside and outside of each, with routes and addresses of their own.

use crate::segments::Segments;
use crate::{Plan, PlanError, link_of};
use petgraph::unionfind::UnionFind;
use rustc_hash::FxHashMap;
use tidewire_units::{IfaceId, NodeId};

/// The interface of each address translator that is outside.
pub(crate) type Outsides = FxHashMap<NodeId, IfaceId>;

impl Plan {
    /// The interface of an address translator that is outside; none for other nodes, and before it has two networks.
    ///
    /// # Panics
    /// Before [`Plan::assign_addresses`]; so does the method below.
    pub fn outside_of(&self, node: NodeId) -> Option<IfaceId> {
        self.numbered().outsides.get(&node).copied()
    }

    /// The realm of each network, by its position among [`Plan::networks`]: within a realm, addresses have one meaning.
    pub fn realms(&self) -> Vec<u32> {
        realms(self, &self.numbered().outsides, self.networks().len(), &|iface| {
            self.network_of(link_of(iface)) as u32
        })
    }

    /// The same with the networks of a host taken together: it, too, cannot tell equal addresses on them apart.
    pub(crate) fn realms_of_hosts(&self) -> Vec<u32> {
        let realms = self.realms();
        let mut sets = UnionFind::<u32>::new(realms.len());
        for node in self.nodes().iter().filter(|node| !node.spec.forwards()) {
            let networks: Vec<u32> =
                node.ifaces.iter().map(|iface| realms[self.network_of(link_of(*iface))]).collect();
            for pair in networks.windows(2) {
                sets.union(pair[0], pair[1]);
            }
        }
        realms.iter().map(|realm| sets.find_mut(*realm)).collect()
    }
}

/// The realm of each of `networks` networks, as the number of one of them.
pub(crate) fn realms(
    plan: &Plan,
    outsides: &Outsides,
    networks: usize,
    network_of: &dyn Fn(IfaceId) -> u32,
) -> Vec<u32> {
    let mut sets = UnionFind::<u32>::new(networks);
    for id in plan.node_ids().filter(|id| plan.node(*id).spec.forwards()) {
        let outside = outsides.get(&id);
        let mut inner = plan.node(id).ifaces.iter().filter(|iface| Some(*iface) != outside);
        if let Some(first) = inner.next() {
            inner.for_each(|iface| {
                sets.union(network_of(*first), network_of(*iface));
            });
        }
    }
    (0..networks as u32).map(|network| sets.find_mut(network)).collect()
}

/// Finds out which interface of each address translator is outside: the one named, or the one whose network has another router. The
/// outside of another translator is no router to those inside.
pub(crate) fn find_outsides(plan: &Plan, segments: &Segments) -> Result<Outsides, PlanError> {
    let mut found = Outsides::default();
    let mut open: Vec<NodeId> = Vec::new();
    let network_of = |iface: IfaceId| segments.of_link[link_of(iface).index()].expect("every link is up");
    for id in plan.node_ids() {
        let node = plan.node(id);
        let Some(side) = node.spec.nat() else { continue };
        let Some(name) = &side.outside else {
            open.push(id);
            continue;
        };
        let is_named = |iface: IfaceId| {
            let members = &segments.members[network_of(iface) as usize];
            plan.link(link_of(iface)).name == *name
                || plan.node(plan.neighbor_of(iface)).name == *name
                || members.iter().any(|m| plan.node_of(*m) != id && plan.node(plan.node_of(*m)).name == *name)
        };
        match node.ifaces.iter().find(|iface| is_named(**iface)) {
            Some(iface) => drop(found.insert(id, *iface)),
            None if node.ifaces.len() < 2 => {}
            None => return Err(unclear(plan, id, Some(name.clone()))),
        }
    }
    loop {
        let before = found.clone();
        let is_exit = |nat: NodeId, iface: IfaceId| {
            let network = network_of(iface);
            segments.members[network as usize].iter().any(|member| {
                let other = plan.node_of(*member);
                let leads_on = before.get(&other).is_none_or(|out| network_of(*out) != network);
                other != nat && plan.node(other).spec.forwards() && leads_on
            })
        };
        for nat in &open {
            let mut exits = plan.node(*nat).ifaces.iter().filter(|iface| is_exit(*nat, **iface));
            if let (Some(only), None) = (exits.next(), exits.next()) {
                found.insert(*nat, *only);
            }
        }
        open.retain(|nat| !found.contains_key(nat));
        if found.len() == before.len() {
            break;
        }
    }
    match open.into_iter().find(|nat| plan.node(*nat).ifaces.len() > 1) {
        Some(nat) => Err(unclear(plan, nat, None)),
        None => Ok(found),
    }
}

fn unclear(plan: &Plan, nat: NodeId, unknown: Option<String>) -> PlanError {
    let node = plan.node(nat);
    let neighbors =
        node.ifaces.iter().map(|iface| plan.node(plan.neighbor_of(*iface)).name.clone()).collect();
    PlanError::NatSide { nat: node.name.clone(), unknown, neighbors }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LinkSpec, NatSide, NodeSpec, Prefix, RouterSpec, routes};

    fn nat(plan: &mut Plan, name: &str, outside: Option<&str>) -> NodeId {
        let side = NatSide { outside: outside.map(str::to_owned) };
        plan.add(name, NodeSpec::Router(RouterSpec { nat: Some(side), ..RouterSpec::default() })).unwrap()
    }

    fn join(plan: &mut Plan, a: NodeId, b: NodeId) -> IfaceId {
        let link = plan.connect(a, b, LinkSpec::default()).unwrap();
        IfaceId(link.0 * 2)
    }

    /// host - r - box - core - server
    fn home() -> (Plan, [NodeId; 5]) {
        let mut plan = Plan::new();
        let host = plan.add_host("host").unwrap();
        let r = plan.add_router("r").unwrap();
        let nat = nat(&mut plan, "box", Some("core"));
        let core = plan.add_router("core").unwrap();
        let server = plan.add_host("server").unwrap();
        join(&mut plan, host, r);
        join(&mut plan, r, nat);
        join(&mut plan, nat, core);
        join(&mut plan, core, server);
        plan.assign_addresses().unwrap();
        (plan, [host, r, nat, core, server])
    }

    #[test]
    fn no_route_leads_inside_and_a_default_route_leads_out() {
        let (plan, [host, r, nat, core, server]) = home();
        let routes = routes(&plan, &|_| true);
        let ip = |node| plan.address_of(node).unwrap();
        assert!(routes.lookup(core, ip(host)).is_empty());
        assert!(routes.lookup(core, ip(r)).is_empty());
        let next =
            |node, to| routes.lookup(node, to)[0].gateway.map(|ip| plan.node_of(plan.owner_of(ip).unwrap()));
        assert_eq!(next(r, ip(server)), Some(nat));
        assert_eq!(next(nat, ip(server)), Some(core));
        assert_eq!(next(nat, ip(host)), Some(r));
        assert_eq!(next(host, ip(server)), Some(r));
        assert_eq!(plan.outside_of(nat), Some(plan.node(nat).ifaces[1]));
    }

    #[test]
    fn networks_inside_have_addresses_that_look_so() {
        let (plan, [host, _, nat, core, _]) = home();
        let private: Prefix = "192.168.0.0/16".parse().unwrap();
        assert!(private.contains(plan.address_of(host).unwrap()));
        let outside = plan.iface(plan.outside_of(nat).unwrap()).address.unwrap();
        assert!(!private.contains(outside.ip) && !private.contains(plan.address_of(core).unwrap()));
        let realms = plan.realms();
        assert_eq!(realms[0], realms[1]);
        assert_eq!(realms[2], realms[3]);
        assert!(realms[0] != realms[2]);
    }

    #[test]
    fn the_outside_is_where_the_other_router_is() {
        let mut plan = Plan::new();
        let [a, b] = ["a", "b"].map(|name| plan.add_host(name).unwrap());
        let [inner, carrier] = ["inner", "carrier"].map(|name| nat(&mut plan, name, None));
        let core = plan.add_router("core").unwrap();
        join(&mut plan, a, inner);
        let uplink = join(&mut plan, inner, carrier);
        let exit = join(&mut plan, carrier, core);
        join(&mut plan, core, b);
        plan.assign_addresses().unwrap();
        assert_eq!((plan.outside_of(inner), plan.outside_of(carrier)), (Some(uplink), Some(exit)));
        let routes = routes(&plan, &|_| true);
        let ip = |node| plan.address_of(node).unwrap();
        let gateway = routes.lookup(inner, ip(b))[0].gateway.unwrap();
        assert_eq!(plan.node_of(plan.owner_of(gateway).unwrap()), carrier);
        assert!(routes.lookup(core, gateway).is_empty());
    }

    #[test]
    fn an_outside_that_cannot_be_told_is_asked_for() {
        let mut plan = Plan::new();
        let [a, b] = ["a", "b"].map(|name| plan.add_host(name).unwrap());
        let translator = nat(&mut plan, "box", None);
        join(&mut plan, a, translator);
        join(&mut plan, translator, b);
        let error = plan.assign_addresses().unwrap_err().to_string();
        assert!(
            error.contains("which side of 'box' is outside?") && error.contains("outside = \"b\""),
            "{error}"
        );
        let mut plan = Plan::new();
        let [a, b] = ["a", "b"].map(|name| plan.add_host(name).unwrap());
        let translator = nat(&mut plan, "box", Some("c"));
        join(&mut plan, a, translator);
        join(&mut plan, translator, b);
        let error = plan.assign_addresses().unwrap_err().to_string();
        assert!(error.contains("is said to be 'c', which is on none of its links"), "{error}");
    }
}
