use super::*;
use crate::generate::{self, Style};
use crate::{AddressMode, HostSpec, LinkSpec, NodeSpec, SpanningTree, SwitchSpec, Via};
use tidewire_units::{Rate, Span};

fn found(mut plan: Plan, problem: Problem) -> Vec<String> {
    plan.assign_addresses().unwrap();
    check(&plan).into_iter().filter(|f| f.problem == problem).map(|f| f.sentence).collect()
}

fn host_at(plan: &mut Plan, name: &str, ip: &str) -> NodeId {
    let ip = AddressMode::Fixed(ip.parse().unwrap());
    plan.add(name, NodeSpec::Host(HostSpec { ip, ..HostSpec::default() })).unwrap()
}

fn link(plan: &mut Plan, a: NodeId, b: NodeId) {
    plan.connect(a, b, LinkSpec::default()).unwrap();
}

#[test]
fn well_formed_networks_have_no_findings() {
    let builders: [&dyn Fn(&mut Plan); 5] = [
        &|p| drop(generate::fat_tree(p, 4, &Style::default())),
        &|p| drop(generate::star(p, 20, &Style::switched())),
        &|p| drop(generate::grid(p, 3, 4, &Style::default())),
        &|p| drop(generate::leaf_spine(p, 2, 3, &Style::default())),
        &|_| (),
    ];
    for build in builders {
        let mut plan = Plan::new();
        build(&mut plan);
        plan.assign_addresses().unwrap();
        assert_eq!(check(&plan), []);
    }
}

#[test]
fn a_node_without_link_is_named() {
    let mut plan = Plan::new();
    plan.add_host("c").unwrap();
    assert_eq!(found(plan, Problem::NoLink), ["host 'c' has no link"]);
}

#[test]
fn hosts_that_are_cut_off_are_named_with_somebody_they_miss() {
    let mut plan = Plan::new();
    let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|name| plan.add_host(name).unwrap());
    plan.add_lan("s", &[a, b, c], &LinkSpec::default()).unwrap();
    link(&mut plan, d, e);
    assert_eq!(
        found(plan, Problem::Unreachable),
        ["'a' cannot reach 'd' (3 of 5 hosts are connected to 'a')"]
    );
}

#[test]
fn a_host_in_the_middle_does_not_connect_its_neighbours() {
    let mut plan = Plan::new();
    let [a, b, m] = ["a", "b", "m"].map(|name| plan.add_host(name).unwrap());
    link(&mut plan, a, m);
    link(&mut plan, m, b);
    let sentence = "'a' cannot reach 'b' ('m' has links to both, but is a host; with forward = true it would pass packets on)";
    assert_eq!(found(plan, Problem::Unreachable), [sentence]);
}

#[test]
fn addresses_given_twice_or_to_the_wrong_network_are_found() {
    let mut plan = Plan::new();
    let a = host_at(&mut plan, "a", "10.0.0.5/24");
    let b = host_at(&mut plan, "b", "10.0.0.5/24");
    let c = host_at(&mut plan, "c", "10.0.1.7/24");
    plan.add_lan("s", &[a, b, c], &LinkSpec::default()).unwrap();
    assert_eq!(
        found(plan.clone(), Problem::DuplicateAddress),
        ["'a' and 'b' both have the address 10.0.0.5"]
    );
    assert_eq!(
        found(plan, Problem::ForeignAddress),
        ["'c' has the address 10.0.1.7/24, but its network is 10.0.0.0/24"]
    );
}

#[test]
fn one_subnet_on_two_networks_is_found() {
    let mut plan = Plan::new();
    let r = plan.add_router("r").unwrap();
    let (a, b) = (host_at(&mut plan, "a", "10.0.0.5/24"), host_at(&mut plan, "b", "10.0.0.6/25"));
    link(&mut plan, a, r);
    link(&mut plan, b, r);
    let found = found(plan, Problem::OverlappingSubnets);
    assert_eq!(found.len(), 1);
    let wide = "10.0.0.0/24 (from the address 10.0.0.5/24 of 'a'; 'r' and 'a')";
    let narrow = "10.0.0.0/25 (from the address 10.0.0.6/25 of 'b'; 'r' and 'b')";
    assert!(found[0].contains(&format!("{wide} and {narrow} overlap")), "{found:?}");
}

#[test]
fn ipv6_on_a_link_below_its_least_mtu_is_found() {
    let mut plan = Plan::new();
    let [a, b] = ["a", "b"].map(|name| plan.add_host(name).unwrap());
    plan.connect(a, b, LinkSpec { mtu: 600, ..LinkSpec::default() }).unwrap();
    assert!(found(plan.clone(), Problem::SmallMtu6).is_empty());
    plan.use_ipv6("2001:db8::".parse().unwrap(), false);
    assert!(found(plan, Problem::SmallMtu6)[0].contains("IPv6 needs at least 1280"));
}

#[test]
fn gateways_that_cannot_be_reached_directly_are_found() {
    let mut plan = Plan::new();
    let gateway = Some("192.168.0.1".parse().unwrap());
    let a = plan.add("a", NodeSpec::Host(HostSpec { gateway, ..HostSpec::default() })).unwrap();
    let built = generate::line(&mut plan, 3, &Style::default()).unwrap();
    link(&mut plan, a, built.nodes[0]);
    plan.route(built.nodes[0], "10.9.0.0/16".parse().unwrap(), Via::Node(built.nodes[2])).unwrap();
    plan.route(built.nodes[0], "10.7.0.0/16".parse().unwrap(), Via::Address("10.0.0.2".parse().unwrap()))
        .unwrap();
    plan.route(built.nodes[0], "10.6.0.0/16".parse().unwrap(), Via::Address("10.0.0.9".parse().unwrap()))
        .unwrap();
    plan.route(built.nodes[0], "10.8.0.0/16".parse().unwrap(), Via::Node(built.nodes[1])).unwrap();
    assert_eq!(
        found(plan, Problem::ForeignGateway),
        [
            "the gateway of 'a', 192.168.0.1, is not on any of its networks",
            "the route of 'r1' to 10.9.0.0/16 goes via 'r3', which is on none of its networks",
        ]
    );
}

#[test]
fn a_loop_of_switches_is_found_with_the_link_that_closes_it() {
    let mut plan = Plan::new();
    generate::ring(&mut plan, 4, &Style::switched()).unwrap();
    assert_eq!(found(plan.clone(), Problem::SwitchLoop), [""; 0], "the spanning tree breaks it");
    for node in plan.node_ids() {
        if let NodeSpec::Switch(switch) = plan.spec_mut(node) {
            switch.stp = SpanningTree::Off;
        }
    }
    let found = found(plan, Problem::SwitchLoop);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("switches 's4', 's3', 's2' and 's1' form a loop, closed by link 's4-s1'"),
        "{found:?}"
    );
}

#[test]
fn links_of_different_mtu_on_one_lan_are_found() {
    let mut plan = Plan::new();
    let [a, b] = ["a", "b"].map(|name| plan.add_host(name).unwrap());
    let s = plan.add_switch("s").unwrap();
    plan.connect(a, s, LinkSpec { mtu: 9000, ..LinkSpec::default() }).unwrap();
    link(&mut plan, b, s);
    assert!(found(plan, Problem::MtuMismatch)[0].starts_with("links 'a-s' (MTU 9000) and 'b-s' (MTU 1500)"));
}

#[test]
fn the_middle_of_a_dumbbell_is_a_bottleneck() {
    let mut plan = Plan::new();
    let slow = LinkSpec::new(Rate::from_mbps(50), Span::from_ms(18));
    generate::dumbbell(&mut plan, 3, &slow, &Style::default()).unwrap();
    assert_eq!(
        found(plan, Problem::Bottleneck),
        [
            "all traffic from 3 hosts to 3 hosts crosses link 'l-r' at 50Mbps; they can send 3Gbps, 60 times as much"
        ]
    );
}

#[test]
fn a_bottleneck_in_one_direction_only_is_found_too() {
    let mut plan = Plan::new();
    let mut spec = LinkSpec::default();
    spec.backward.rate = Rate::from_mbps(100);
    generate::dumbbell(&mut plan, 1, &spec, &Style::default()).unwrap();
    let found = found(plan, Problem::Bottleneck);
    assert!(found[0].ends_with("at 100Mbps; they can send 1Gbps, 10 times as much"), "{found:?}");
}

#[test]
fn a_hub_with_stations_beyond_a_slot_is_too_long() {
    let bus = |far: u64| {
        let mut plan = Plan::new();
        let hub = plan.add("hub", NodeSpec::Switch(SwitchSpec::hub())).unwrap();
        for (name, us) in [("near", 1), ("a", 10), ("b", far)] {
            let host = plan.add_host(name).unwrap();
            plan.connect(host, hub, LinkSpec::new(Rate::from_mbps(10), Span::from_us(us))).unwrap();
        }
        found(plan, Problem::LongBus)
    };
    assert_eq!(bus(15), Vec::<String>::new());
    let said = "the bus of hub 'hub' is longer than a slot of 51.2us (512 bits): from 'b' to 'a' and back takes 52us";
    assert!(bus(16)[0].starts_with(said), "{:?}", bus(16));
}

#[test]
fn a_ring_has_no_single_bottleneck_and_long_lists_are_cut() {
    let mut plan = Plan::new();
    generate::ring(&mut plan, 5, &Style { hosts: 4, ..Style::default() }).unwrap();
    assert_eq!(found(plan, Problem::Bottleneck), Vec::<String>::new());
    let mut plan = Plan::new();
    for i in 0..30 {
        plan.add_host(format!("h{i}")).unwrap();
    }
    let found = found(plan, Problem::NoLink);
    assert_eq!((found.len(), found[20].as_str()), (21, "... and 10 more of this kind"));
}
