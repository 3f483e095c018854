use super::*;
use crate::generate::{self, RandomModel, Style};
use crate::{HostSpec, LinkSpec, peer_of};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tidewire_units::{Probability, Purpose, Streams};

fn all_up(_: LinkId) -> bool {
    true
}

fn numbered(mut plan: Plan) -> Plan {
    plan.assign_addresses().unwrap();
    plan
}

fn ip(plan: &Plan, name: &str) -> Ipv4Addr {
    plan.address_of(plan.find(name).unwrap()).unwrap()
}

/// The names of the nodes that `from` may send to on the way to `to`.
fn next_nodes(plan: &Plan, routes: &Routes, from: NodeId, dst: Ipv4Addr) -> BTreeSet<String> {
    let hops = routes.lookup(from, dst).iter();
    hops.map(|hop| {
        let target = hop.gateway.unwrap_or(dst);
        let owner = plan.owner_of(target).expect("every next hop is somebody's address");
        assert_eq!(
            plan.network_of(link_of(owner)),
            plan.network_of(link_of(hop.iface)),
            "a next hop is a neighbour"
        );
        plan.node(plan.node_of(owner)).name.clone()
    })
    .collect()
}

fn table_text(plan: &Plan, routes: &Routes, name: &str) -> Vec<String> {
    let table = routes.of(plan.find(name).unwrap());
    table
        .map(|(prefix, hops)| {
            let via: Vec<String> = hops
                .iter()
                .map(|hop| {
                    let link = &plan.link(link_of(hop.iface)).name;
                    hop.gateway.map_or(link.clone(), |gateway| format!("{gateway} on {link}"))
                })
                .collect();
            format!("{prefix} {}", via.join(", "))
        })
        .collect()
}

/// Least costs between routers by Floyd and Warshall, from the links alone.
fn oracle(plan: &Plan, up: &dyn Fn(LinkId) -> bool) -> Vec<Vec<u64>> {
    let n = plan.nodes().len();
    let mut cost = vec![vec![u64::MAX / 4; n]; n];
    for link in plan.link_ids().filter(|link| up(*link)) {
        let [a, b] = plan.link(link).ends;
        let spec = &plan.link(link).spec;
        if plan.node(a).spec.forwards() && plan.node(b).spec.forwards() {
            let (a, b) = (a.index(), b.index());
            cost[a][b] = cost[a][b].min(u64::from(spec.forward.cost));
            cost[b][a] = cost[b][a].min(u64::from(spec.backward.cost));
        }
    }
    (0..n).for_each(|i| cost[i][i] = 0);
    for k in 0..n {
        for i in 0..n {
            for j in 0..n {
                cost[i][j] = cost[i][j].min(cost[i][k].saturating_add(cost[k][j]));
            }
        }
    }
    cost
}

#[test]
fn two_hosts_on_a_link_need_no_router() {
    let mut plan = Plan::new();
    let (a, b) = (plan.add_host("alice").unwrap(), plan.add_host("bob").unwrap());
    plan.connect(a, b, LinkSpec::default()).unwrap();
    let plan = numbered(plan);
    let routes = routes(&plan, &all_up);
    assert_eq!(table_text(&plan, &routes, "alice"), ["10.0.0.0/24 alice-bob"]);
    assert_eq!(ip(&plan, "bob"), Ipv4Addr::new(10, 0, 0, 2));
}

#[test]
fn hosts_use_the_router_of_their_network_that_was_declared_first() {
    let mut plan = Plan::new();
    let [r1, r2] = ["r1", "r2"].map(|name| plan.add_router(name).unwrap());
    let host = plan.add_host("h").unwrap();
    plan.add_lan("lan", &[host, r2, r1], &LinkSpec::default()).unwrap();
    let plan = numbered(plan);
    let routes = routes(&plan, &all_up);
    assert_eq!(table_text(&plan, &routes, "h"), ["0.0.0.0/0 10.0.0.1 on h-lan", "10.0.0.0/24 h-lan"]);
    assert_eq!(ip(&plan, "r1"), Ipv4Addr::new(10, 0, 0, 1));
    assert_eq!(routes.of(plan.find("lan").unwrap()).len(), 0);
}

#[test]
fn leaves_of_the_router_graph_have_a_default_route_and_its_centre_has_none() {
    let mut plan = Plan::new();
    generate::line(&mut plan, 3, &Style::default()).unwrap();
    let plan = numbered(plan);
    let routes = routes(&plan, &all_up);
    let [r1, r2, r3] = ["r1", "r2", "r3"].map(|name| table_text(&plan, &routes, name));
    assert_eq!(r1, ["0.0.0.0/0 10.0.0.2 on r1-r2", "10.0.0.0/24 r1-r2", "10.0.1.0/24 h1-r1"]);
    assert_eq!(r3.len(), 3);
    assert!(r2.iter().all(|route| !route.starts_with("0.0.0.0/0")), "{r2:?}");
    assert_eq!(
        r2,
        [
            "10.0.0.0/24 r1-r2",
            "10.0.1.0/24 10.0.0.1 on r1-r2",
            "10.0.2.0/24 r2-r3",
            "10.0.3.0/24 h2-r2",
            "10.0.4.0/24 10.0.2.2 on r2-r3",
        ]
    );
}

#[test]
fn a_fat_tree_of_8_has_all_its_equal_paths() {
    let mut plan = Plan::new();
    let tree = generate::fat_tree(&mut plan, 8, &Style::default()).unwrap();
    let plan = numbered(plan);
    let routes = routes(&plan, &all_up);
    let (first, last) = (tree.hosts[0], *tree.hosts.last().unwrap());
    let dst = plan.address_of(last).unwrap();
    let hops = |node| routes.lookup(node, dst).len();
    assert_eq!((hops(tree.edge[0]), hops(tree.aggregation[0]), hops(tree.core[0])), (4, 4, 1));
    let last_pod = &tree.aggregation[28..];
    assert!(last_pod.iter().all(|&node| hops(node) == 1));
    let neighbour = plan.address_of(tree.hosts[4]).unwrap();
    assert_eq!(routes.lookup(tree.edge[0], neighbour).len(), 4);
    assert_eq!(routes.lookup(tree.aggregation[0], neighbour).len(), 1);
    assert_eq!(routes.lookup(first, dst).len(), 1);
}

#[test]
fn tables_of_a_fat_tree_are_much_smaller_than_its_number_of_networks() {
    let mut plan = Plan::new();
    let tree = generate::fat_tree(&mut plan, 8, &Style::default()).unwrap();
    let plan = numbered(plan);
    let routes = routes(&plan, &all_up);
    assert_eq!(plan.networks().len(), 384);
    for &router in [&tree.core, &tree.aggregation, &tree.edge].into_iter().flatten() {
        let len = routes.of(router).len();
        assert!(len < 160, "{} has {len} routes", plan.node(router).name);
    }
}

#[test]
fn the_cheaper_of_two_ways_is_taken_until_it_fails() {
    let mut plan = Plan::new();
    let [a, b] = ["a", "b"].map(|name| plan.add_host(name).unwrap());
    let [r1, r2, r3] = ["r1", "r2", "r3"].map(|name| plan.add_router(name).unwrap());
    let link = |plan: &mut Plan, a, b, cost| plan.connect(a, b, LinkSpec::default().with_cost(cost)).unwrap();
    link(&mut plan, a, r1, 1);
    link(&mut plan, r2, b, 1);
    let direct = link(&mut plan, r1, r2, 1);
    link(&mut plan, r1, r3, 10);
    link(&mut plan, r3, r2, 10);
    let plan = numbered(plan);
    let dst = ip(&plan, "b");
    assert_eq!(next_nodes(&plan, &routes(&plan, &all_up), r1, dst), ["r2".to_owned()].into());
    let after = routes(&plan, &|link| link != direct);
    assert_eq!(next_nodes(&plan, &after, r1, dst), ["r3".to_owned()].into());
    assert_eq!(next_nodes(&plan, &after, a, dst), ["r1".to_owned()].into());
}

#[test]
fn a_host_with_two_interfaces_takes_the_nearer_one_for_each_destination() {
    let mut plan = Plan::new();
    let built = generate::ring(&mut plan, 4, &Style::default()).unwrap();
    let both = plan.add_host("both").unwrap();
    plan.connect(both, built.nodes[0], LinkSpec::default()).unwrap();
    plan.connect(both, built.nodes[1], LinkSpec::default()).unwrap();
    let plan = numbered(plan);
    let found = routes(&plan, &all_up);
    let next = |to: &str| next_nodes(&plan, &found, both, ip(&plan, to));
    assert_eq!(next("h1"), ["r1".to_owned()].into());
    assert_eq!(next("h2"), ["r2".to_owned()].into());
    // A host does not forward: r1 reaches h2 through r2, not through the host.
    assert_eq!(next_nodes(&plan, &found, built.nodes[0], ip(&plan, "h2")), ["r2".to_owned()].into());
    let down = plan.find_link("both-r1").unwrap();
    let found = routes(&plan, &|link| link != down);
    assert_eq!(next_nodes(&plan, &found, both, ip(&plan, "h1")), ["r2".to_owned()].into());
}

#[test]
fn a_host_that_forwards_is_a_router() {
    let mut plan = Plan::new();
    let [a, b] = ["a", "b"].map(|name| plan.add_host(name).unwrap());
    let middle = plan.add("m", NodeSpec::Host(HostSpec { forward: true, ..HostSpec::default() })).unwrap();
    plan.connect(a, middle, LinkSpec::default()).unwrap();
    plan.connect(middle, b, LinkSpec::default()).unwrap();
    let plan = numbered(plan);
    let routes = routes(&plan, &all_up);
    assert_eq!(next_nodes(&plan, &routes, a, ip(&plan, "b")), ["m".to_owned()].into());
    assert_eq!(next_nodes(&plan, &routes, middle, ip(&plan, "b")), ["b".to_owned()].into());
}

#[test]
fn a_route_by_hand_replaces_the_computed_one() {
    let mut plan = Plan::new();
    let built = generate::ring(&mut plan, 3, &Style::default()).unwrap();
    let plan = numbered(plan);
    let h2 = plan.iface(plan.node(plan.find("h2").unwrap()).ifaces[0]).address.unwrap();
    let mut detour = plan.clone();
    detour.route(built.nodes[0], h2.prefix(), Via::Node(built.nodes[2])).unwrap();
    let next = |plan: &Plan| next_nodes(plan, &routes(plan, &all_up), built.nodes[0], h2.ip);
    assert_eq!(next(&plan), ["r2".to_owned()].into());
    assert_eq!(next(&detour), ["r3".to_owned()].into());
}

#[test]
fn routers_on_one_lan_are_each_others_next_hops() {
    let mut plan = Plan::new();
    let routers: Vec<NodeId> = (1..=4).map(|i| plan.add_router(format!("r{i}")).unwrap()).collect();
    plan.add_lan("backbone", &routers, &LinkSpec::default()).unwrap();
    for (i, &router) in routers.iter().enumerate() {
        let host = plan.add_host(format!("h{i}")).unwrap();
        plan.connect(host, router, LinkSpec::default()).unwrap();
    }
    let plan = numbered(plan);
    let routes = routes(&plan, &all_up);
    for &router in &routers {
        let next = next_nodes(&plan, &routes, router, ip(&plan, "h3"));
        assert_eq!(next, [if router == routers[3] { "h3" } else { "r4" }.to_owned()].into());
    }
}

/// A random network of routers, LANs and doubly connected hosts, with random costs.
fn random_plan(n: u32, seed: u64) -> Plan {
    let mut stream = Streams::new(seed).stream(Purpose::Topology, "test");
    let mut plan = Plan::new();
    let p = Probability::new(2.0 / f64::from(n)).unwrap();
    let style = Style::default();
    let built = generate::random(&mut plan, n, RandomModel::ErdosRenyi { p }, &style, &mut stream).unwrap();
    for i in 0..n / 2 {
        let mut pick = || built.nodes[stream.between(0, u64::from(n) - 1) as usize];
        let (a, b) = (pick(), pick());
        let cost = stream.between(1, 3) as u32;
        if a != b {
            plan.connect(a, b, LinkSpec::default().with_cost(cost)).unwrap();
        }
        if i % 4 == 0 {
            let host = plan.add_host(format!("both{i}")).unwrap();
            plan.connect(host, a, LinkSpec::default()).unwrap();
            plan.connect(host, b, LinkSpec::default()).unwrap();
        }
    }
    numbered(plan)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_next_hop_is_on_a_shortest_path_and_none_is_missing(n in 2u32..14, seed: u64, broken: u64) {
        let plan = random_plan(n, seed);
        let up = |link: LinkId| link.0 >= 64 || broken >> link.0 & 1 == 0 || broken >> (link.0 / 2) & 1 == 0;
        let routes = routes(&plan, &up);
        let cost = oracle(&plan, &up);
        for to in plan.node_ids().filter(|&id| plan.node(id).name.starts_with('h')) {
            let iface = plan.node(to).ifaces[0];
            let (dst, edge) = (plan.iface(iface).address.unwrap().ip, plan.node_of(peer_of(iface)));
            for from in plan.node_ids().filter(|&id| plan.node(id).spec.forwards() && id != edge) {
                let reachable = up(link_of(iface)) && cost[from.index()][edge.index()] < u64::MAX / 8;
                let want: BTreeSet<String> = plan.node(from).ifaces.iter()
                    .filter(|&&i| reachable && up(link_of(i)))
                    .filter(|&&i| {
                        let there = plan.neighbor_of(i);
                        let first = u64::from(plan.direction(crate::sends_on(i)).cost);
                        plan.node(there).spec.forwards()
                            && first + cost[there.index()][edge.index()] == cost[from.index()][edge.index()]
                    })
                    .map(|&i| plan.node(plan.neighbor_of(i)).name.clone())
                    .collect();
                let got = next_nodes(&plan, &routes, from, dst);
                // A default route may lead an unreachable destination to the core, which has none.
                prop_assert!(got == want || !reachable, "{} to {}: {got:?}, not {want:?}", plan.node(from).name, dst);
            }
        }
    }

    #[test]
    fn a_packet_never_circles_even_to_an_address_that_nobody_has(n in 2u32..14, seed: u64, broken: u64, random_dst: u32) {
        let plan = random_plan(n, seed);
        let up = |link: LinkId| link.0 >= 64 || broken >> link.0 & 1 == 0;
        let routes = routes(&plan, &up);
        let used = plan.ifaces().iter().filter_map(|iface| iface.address).map(|address| address.ip);
        for dst in used.chain([Ipv4Addr::from_bits(random_dst), Ipv4Addr::new(10, 0, 200, 1)]) {
            for from in plan.node_ids() {
                let mut at = from;
                let mut steps = 0;
                while let Some(gateway) = routes.lookup(at, dst).last().and_then(|hop| hop.gateway) {
                    at = plan.node_of(plan.owner_of(gateway).unwrap());
                    steps += 1;
                    prop_assert!(steps <= plan.nodes().len(), "a packet from {from:?} to {dst} circles");
                }
            }
        }
    }

    #[test]
    fn the_order_of_questions_changes_nothing(n in 2u32..10, seed: u64) {
        let plan = random_plan(n, seed);
        prop_assert_eq!(routes(&plan, &all_up), routes(&plan.clone(), &all_up));
    }
}
