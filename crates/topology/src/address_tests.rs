use crate::generate::{self, Style};
use crate::{AddressMode, HostSpec, LinkSpec, NodeSpec, Plan, PlanError};
use proptest::prelude::*;
use tidewire_units::NodeId;

fn address(plan: &Plan, name: &str) -> String {
    let node = plan.node(plan.find(name).unwrap());
    let all: Vec<String> =
        node.ifaces.iter().filter_map(|&i| plan.iface(i).address).map(|a| a.to_string()).collect();
    all.join(" ")
}

fn hosts(plan: &mut Plan, n: usize) -> Vec<NodeId> {
    (1..=n).map(|i| plan.add_host(format!("h{i}")).unwrap()).collect()
}

fn fixed(plan: &mut Plan, name: &str, ip: &str) -> NodeId {
    let ip = AddressMode::Fixed(ip.parse().unwrap());
    plan.add(name, NodeSpec::Host(HostSpec { ip, ..HostSpec::default() })).unwrap()
}

#[test]
fn a_lan_is_one_network_and_a_link_between_routers_another() {
    let mut plan = Plan::new();
    let [r1, r2] = ["r1", "r2"].map(|name| plan.add_router(name).unwrap());
    let hosts = hosts(&mut plan, 2);
    plan.connect(r1, r2, LinkSpec::default()).unwrap();
    plan.add_lan("lan", &[hosts[0], hosts[1], r2], &LinkSpec::default()).unwrap();
    plan.assign_addresses().unwrap();
    assert_eq!(plan.networks().len(), 2);
    assert_eq!(address(&plan, "r1"), "10.0.0.1/24");
    assert_eq!(address(&plan, "r2"), "10.0.0.2/24 10.0.1.1/24");
    assert_eq!((address(&plan, "h1"), address(&plan, "h2")), ("10.0.1.2/24".into(), "10.0.1.3/24".into()));
    assert_eq!(address(&plan, "lan"), "");
}

#[test]
fn switches_join_links_to_one_network_over_any_number_of_hops() {
    let mut plan = Plan::new();
    generate::tree(&mut plan, 4, 3, &Style::switched()).unwrap();
    plan.assign_addresses().unwrap();
    assert_eq!(plan.networks().len(), 1);
    assert_eq!(address(&plan, "h27"), "10.0.0.27/24");
}

#[test]
fn a_network_of_more_than_254_members_gets_a_shorter_prefix() {
    for (n, last) in [(254, "10.0.0.254/24"), (255, "10.0.0.255/23"), (10_000, "10.0.39.16/18")] {
        let mut plan = Plan::new();
        generate::star(&mut plan, n, &Style::switched()).unwrap();
        plan.assign_addresses().unwrap();
        assert_eq!(address(&plan, &format!("h{n}")), last);
    }
}

#[test]
fn fixed_addresses_decide_the_subnet_and_are_never_given_away() {
    let mut plan = Plan::new();
    let a = plan.add_host("a").unwrap();
    let b = fixed(&mut plan, "b", "10.0.0.1/29");
    let [c, d] = ["c", "d"].map(|name| plan.add_host(name).unwrap());
    plan.add_lan("s", &[a, b], &LinkSpec::default()).unwrap();
    plan.connect(c, d, LinkSpec::default()).unwrap();
    plan.assign_addresses().unwrap();
    assert_eq!((address(&plan, "a"), address(&plan, "b")), ("10.0.0.2/29".into(), "10.0.0.1/29".into()));
    // 10.0.0.0/24 is not free any more.
    assert_eq!(address(&plan, "c"), "10.0.1.1/24");
}

#[test]
fn a_subnet_asked_for_is_used_even_when_its_links_come_later() {
    let mut plan = Plan::new();
    let h = hosts(&mut plan, 3);
    plan.subnet("192.168.7.0/28".parse().unwrap(), &h).unwrap();
    plan.add_lan("s", &h, &LinkSpec::default()).unwrap();
    plan.assign_addresses().unwrap();
    assert_eq!(address(&plan, "h3"), "192.168.7.3/28");
}

#[test]
fn impossible_subnets_are_refused_with_a_sentence() {
    let subnet = |prefix: &str, n: usize, which: &[usize]| {
        let mut plan = Plan::new();
        let h = hosts(&mut plan, n);
        plan.add_lan("s", &h[..n - 1], &LinkSpec::default()).unwrap();
        let nodes: Vec<NodeId> = which.iter().map(|&i| h[i]).collect();
        plan.subnet(prefix.parse().unwrap(), &nodes).unwrap();
        plan.assign_addresses().unwrap_err().to_string()
    };
    assert_eq!(
        subnet("10.0.1.0/30", 5, &[0, 1]),
        "subnet 10.0.1.0/30 has 2 addresses for hosts, but 4 are needed; use a shorter prefix"
    );
    assert!(subnet("10.0.1.0/24", 5, &[0, 4]).starts_with("'h5' is not on the same network"));
    let mut plan = Plan::new();
    let h = hosts(&mut plan, 2);
    for prefix in ["10.0.1.0/24", "10.0.2.0/24"] {
        plan.connect(h[0], h[1], LinkSpec::default()).unwrap();
        plan.subnet(prefix.parse().unwrap(), &h).unwrap();
    }
    assert!(matches!(plan.assign_addresses(), Err(PlanError::AmbiguousNetwork(_))));
}

#[test]
fn a_host_without_address_takes_none() {
    let mut plan = Plan::new();
    let a = plan
        .add("a", NodeSpec::Host(HostSpec { ip: AddressMode::Unnumbered, ..HostSpec::default() }))
        .unwrap();
    let b = plan.add_host("b").unwrap();
    plan.connect(a, b, LinkSpec::default()).unwrap();
    plan.assign_addresses().unwrap();
    assert_eq!((plan.address_of(a), address(&plan, "b")), (None, "10.0.0.1/24".into()));
}

#[test]
fn a_hundred_thousand_links_fit_into_the_private_address_space() {
    let mut plan = Plan::new();
    generate::line(&mut plan, 50_000, &Style::default()).unwrap();
    plan.assign_addresses().unwrap();
    assert_eq!(plan.networks().len(), 99_999);
    assert_eq!(address(&plan, "h1"), "10.0.0.6/30");
}

#[test]
fn when_the_user_takes_10_slash_8_the_other_private_blocks_are_used() {
    let mut plan = Plan::new();
    let a = fixed(&mut plan, "a", "10.0.0.1/8");
    let h = hosts(&mut plan, 2);
    let r = plan.add_router("r").unwrap();
    for node in [a, h[0], h[1]] {
        plan.connect(node, r, LinkSpec::default()).unwrap();
    }
    plan.assign_addresses().unwrap();
    assert_eq!(address(&plan, "h2"), "172.16.1.1/24");
}

#[test]
fn any_change_undoes_the_numbering() {
    let mut plan = Plan::new();
    generate::star(&mut plan, 2, &Style::switched()).unwrap();
    plan.assign_addresses().unwrap();
    assert!(plan.is_numbered());
    plan.add_host("late").unwrap();
    assert!(!plan.is_numbered());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn no_two_interfaces_share_an_address_and_no_two_networks_a_subnet(
        links in prop::collection::vec((0usize..24, 0usize..24), 0..50),
        fixed_len in 20u8..26,
    ) {
        let mut plan = Plan::new();
        for i in 0..24 {
            match i % 3 {
                0 => plan.add_switch(format!("s{i}")).unwrap(),
                1 => plan.add_router(format!("r{i}")).unwrap(),
                _ if i == 23 => fixed(&mut plan, "fixed", &format!("10.0.2.9/{fixed_len}")),
                _ => plan.add_host(format!("h{i}")).unwrap(),
            };
        }
        for (a, b) in links {
            let _ = plan.connect(NodeId::from_index(a), NodeId::from_index(b), LinkSpec::default());
        }
        plan.assign_addresses().unwrap();
        let mut all: Vec<_> = plan.ifaces().iter().filter_map(|iface| iface.address).map(|a| a.ip).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        prop_assert_eq!(all.len(), count);
        let prefixes: Vec<_> = plan.networks().iter().filter_map(|network| network.prefix).collect();
        for (i, a) in prefixes.iter().enumerate() {
            prop_assert!(prefixes[i + 1..].iter().all(|b| !a.overlaps(*b)));
        }
        for network in plan.networks() {
            for &member in &network.members {
                prop_assert!(network.prefix.unwrap().contains(plan.iface(member).address.unwrap().ip));
            }
        }
    }
}
