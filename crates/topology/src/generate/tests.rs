use super::*;
use crate::NodeKind;
use petgraph::unionfind::UnionFind;
use proptest::prelude::*;
use tidewire_units::{Probability, Purpose, Rate, Span, Stream, Streams};

fn bare() -> Style {
    Style { hosts: 0, ..Style::default() }
}

fn stream(seed: u64) -> Stream {
    Streams::new(seed).stream(Purpose::Topology, "random")
}

fn is_connected(plan: &Plan) -> bool {
    let mut sets = UnionFind::<u32>::new(plan.nodes().len());
    plan.links().iter().for_each(|link| {
        sets.union(link.ends[0].0, link.ends[1].0);
    });
    plan.node_ids().all(|id| sets.equiv(0, id.0))
}

fn degrees(plan: &Plan, nodes: &[NodeId]) -> Vec<usize> {
    let mut list: Vec<usize> = nodes.iter().map(|&id| plan.node(id).ifaces.len()).collect();
    list.sort_unstable();
    list.dedup();
    list
}

fn counts(plan: &Plan) -> (usize, usize, usize) {
    (plan.count(NodeKind::Router), plan.count(NodeKind::Host), plan.links().len())
}

/// Whether two nodes are linked more than once.
fn has_parallel_links(plan: &Plan) -> bool {
    plan.links().iter().any(|link| link.name.contains('#'))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_line_of_n_has_n_minus_1_links_and_two_ends(n in 2u32..40) {
        let mut plan = Plan::new();
        let built = line(&mut plan, n, &bare()).unwrap();
        prop_assert_eq!(counts(&plan), (n as usize, 0, n as usize - 1));
        prop_assert!(is_connected(&plan));
        let ends = built.nodes.iter().filter(|&&id| plan.node(id).ifaces.len() == 1).count();
        prop_assert_eq!(ends, 2);
    }

    #[test]
    fn every_node_of_a_ring_has_two_neighbours(n in 3u32..40) {
        let mut plan = Plan::new();
        let built = ring(&mut plan, n, &bare()).unwrap();
        prop_assert_eq!(plan.links().len(), n as usize);
        prop_assert_eq!(degrees(&plan, &built.nodes), vec![2]);
        prop_assert!(is_connected(&plan));
    }

    #[test]
    fn a_tree_has_one_link_less_than_nodes_and_hosts_at_its_leaves(depth in 1u32..5, fanout in 1u32..5, hosts in 0u32..3) {
        let mut plan = Plan::new();
        let built = tree(&mut plan, depth, fanout, &Style { hosts, ..Style::switched() }).unwrap();
        let nodes: u32 = (0..depth).map(|level| fanout.pow(level)).sum();
        prop_assert_eq!(built.nodes.len(), nodes as usize);
        prop_assert_eq!(built.hosts.len(), (fanout.pow(depth - 1) * hosts) as usize);
        prop_assert_eq!(plan.links().len(), plan.nodes().len() - 1);
        prop_assert!(is_connected(&plan));
    }

    #[test]
    fn a_grid_links_every_neighbour_once(rows in 1u32..8, columns in 1u32..8) {
        let mut plan = Plan::new();
        grid(&mut plan, rows, columns, &bare()).unwrap();
        let links = rows * (columns - 1) + columns * (rows - 1);
        prop_assert_eq!(counts(&plan), ((rows * columns) as usize, 0, links as usize));
        prop_assert!(is_connected(&plan) && !has_parallel_links(&plan));
    }

    #[test]
    fn a_dumbbell_has_one_bottleneck_and_a_link_for_each_host(pairs in 1u32..20) {
        let mut plan = Plan::new();
        let slow = LinkSpec::new(Rate::from_mbps(10), Span::from_ms(18));
        let built = dumbbell(&mut plan, pairs, &slow, &bare()).unwrap();
        prop_assert_eq!(counts(&plan), (2, 2 * pairs as usize, 2 * pairs as usize + 1));
        prop_assert_eq!(&plan.link(built.bottleneck).spec, &slow);
        prop_assert_eq!(plan.link(built.bottleneck).ends, [built.l, built.r]);
        prop_assert!(is_connected(&plan));
    }

    #[test]
    fn a_parking_lot_has_a_pair_for_each_bottleneck_and_one_for_all(n in 1u32..20) {
        let mut plan = Plan::new();
        let built = parking_lot(&mut plan, n, &bare()).unwrap();
        let n = n as usize;
        prop_assert_eq!(counts(&plan), (n + 1, 2 * n + 2, 3 * n + 2));
        prop_assert_eq!((built.cross.len(), built.bottlenecks.len(), built.access.len()), (n, n, 2 * n + 2));
        prop_assert!(is_connected(&plan));
    }

    #[test]
    fn the_counts_of_a_fat_tree_are_those_of_the_paper(half in 1u32..6) {
        let k = 2 * half as usize;
        let mut plan = Plan::new();
        let tree = fat_tree(&mut plan, 2 * half, &bare()).unwrap();
        prop_assert_eq!(tree.hosts.len(), k * k * k / 4);
        prop_assert_eq!((tree.core.len(), tree.aggregation.len(), tree.edge.len()), (k * k / 4, k * k / 2, k * k / 2));
        prop_assert_eq!(plan.links().len(), 3 * k * k * k / 4);
        for layer in [&tree.core, &tree.aggregation, &tree.edge] {
            prop_assert_eq!(degrees(&plan, layer), vec![k]);
        }
        prop_assert!(is_connected(&plan) && !has_parallel_links(&plan));
    }

    #[test]
    fn every_core_switch_of_a_fat_tree_reaches_every_pod_once(half in 1u32..5) {
        let mut plan = Plan::new();
        let tree = fat_tree(&mut plan, 2 * half, &bare()).unwrap();
        for &core in &tree.core {
            let pods: Vec<usize> = plan.node(core).ifaces.iter()
                .map(|&iface| tree.aggregation.iter().position(|&a| a == plan.neighbor_of(iface)).unwrap() / half as usize)
                .collect();
            prop_assert_eq!(pods, (0..2 * half as usize).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_leaf_meets_every_spine(spines in 1u32..6, leaves in 1u32..6, hosts in 0u32..4) {
        let mut plan = Plan::new();
        let built = leaf_spine(&mut plan, spines, leaves, &Style { hosts, ..Style::default() }).unwrap();
        prop_assert_eq!(counts(&plan), ((spines + leaves) as usize, (leaves * hosts) as usize, (leaves * (spines + hosts)) as usize));
        prop_assert_eq!(degrees(&plan, &built.spines), vec![leaves as usize]);
        prop_assert!(is_connected(&plan) && !has_parallel_links(&plan));
    }

    #[test]
    fn random_networks_are_connected_and_simple_and_depend_on_the_seed_only(n in 1u32..60, seed: u64, which in 0..3) {
        let model = match which {
            0 => RandomModel::ErdosRenyi { p: Probability::new(0.05).unwrap() },
            1 => RandomModel::Waxman { alpha: Probability::new(0.4).unwrap(), beta: 0.2, delay: Span::from_ms(10) },
            _ => RandomModel::BarabasiAlbert { links: 2 },
        };
        let build = || {
            let mut plan = Plan::new();
            random(&mut plan, n, model, &bare(), &mut stream(seed)).unwrap();
            plan
        };
        let plan = build();
        prop_assert!(is_connected(&plan) && !has_parallel_links(&plan));
        prop_assert_eq!(plan.nodes().len(), n as usize);
        prop_assert_eq!(plan, build());
    }
}

#[test]
fn an_erdos_renyi_network_has_the_expected_number_of_links() {
    let mut plan = Plan::new();
    let p = Probability::new(0.1).unwrap();
    random(&mut plan, 200, RandomModel::ErdosRenyi { p }, &bare(), &mut stream(1)).unwrap();
    // Mean 1990, standard deviation 42; four of them.
    assert!(plan.links().len().abs_diff(1990) < 170, "{}", plan.links().len());
}

#[test]
fn random_networks_are_as_dense_at_a_thousand_nodes_as_at_fifty_unless_told_otherwise() {
    for n in [50, 200, 1000] {
        for model in [RandomModel::sparse_erdos_renyi(n), RandomModel::sparse_waxman(n, Span::ZERO)] {
            let degree = |seed| {
                let mut plan = Plan::new();
                random(&mut plan, n, model, &bare(), &mut stream(seed)).unwrap();
                2.0 * plan.links().len() as f64 / f64::from(n)
            };
            let mean = (0..20).map(degree).sum::<f64>() / 20.0;
            // Five, and the links that join parts, fewer than one for every ten nodes. Four standard deviations for n = 50.
            assert!((4.6..5.6).contains(&mean), "{model:?}, {n} nodes: {mean}");
        }
    }
}

#[test]
fn a_barabasi_albert_network_has_hubs() {
    let mut plan = Plan::new();
    random(&mut plan, 500, RandomModel::BarabasiAlbert { links: 2 }, &bare(), &mut stream(1)).unwrap();
    assert_eq!(plan.links().len(), 2 * 500 - 3);
    let most = plan.nodes().iter().map(|node| node.ifaces.len()).max().unwrap();
    // The largest degree grows like m sqrt(n) = 45; in an Erdős-Rényi network of this density it would be about 12.
    assert!(most > 20, "{most}");
}

#[test]
fn delays_of_a_waxman_network_follow_distance() {
    let mut plan = Plan::new();
    let model = RandomModel::Waxman { alpha: Probability::ONE, beta: 1.0, delay: Span::from_ms(10) };
    let built = random(&mut plan, 20, model, &bare(), &mut stream(1)).unwrap();
    for link in built.links {
        let [a, b] = plan.link(link).ends.map(|end| plan.node(end).position.unwrap());
        let length = ((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1])).sqrt();
        let delay = plan.link(link).spec.forward.delay.as_ms_f64();
        assert!((delay - 10.0 * length).abs() < 1e-6);
    }
}

#[test]
fn impossible_shapes_are_refused_with_a_sentence() {
    let mut plan = Plan::new();
    let refused = |result: Result<(), PlanError>| result.unwrap_err().to_string();
    let style = Style::default();
    assert_eq!(
        refused(fat_tree(&mut plan, 5, &style).map(drop)),
        "a fat tree needs an even k from 2 to 128, not 5"
    );
    assert_eq!(
        refused(ring(&mut plan, 2, &style).map(drop)),
        "the length of a ring must be at least 3, not 2"
    );
    assert!(refused(line(&mut plan, u32::MAX, &style).map(drop)).contains("more than a million nodes"));
    assert!(refused(tree(&mut plan, 100, 10, &style).map(drop)).contains("more than a million nodes"));
    assert!(
        refused(grid(&mut plan, u32::MAX, u32::MAX, &style).map(drop)).contains("more than a million nodes")
    );
    assert!(plan.nodes().is_empty());
}

#[test]
fn more_links_than_memory_holds_are_refused_before_they_are_made() {
    let (mut plan, style) = (Plan::new(), Style::default());
    let refused = |result: Result<(), PlanError>| result.unwrap_err().to_string();
    assert_eq!(
        refused(leaf_spine(&mut plan, 100_000, 100_000, &style).map(drop)),
        "a leaf-spine network of 100000 spines and 100000 leaves would have more than three million links \
         (10000100000); the most that is built is 3000000"
    );
    let p = |p: f64| Probability::new(p).unwrap();
    for model in [
        RandomModel::ErdosRenyi { p: p(0.1) },
        RandomModel::Waxman { alpha: p(1.0), beta: 100.0, delay: Span::ZERO },
        RandomModel::BarabasiAlbert { links: 1000 },
    ] {
        let result = random(&mut plan, 20_000, model, &style, &mut stream(1));
        assert!(refused(result.map(drop)).contains("more than three million links"));
    }
    assert!(plan.nodes().is_empty());
}

#[test]
fn a_prefix_lets_one_plan_hold_two_networks_of_one_shape() {
    let mut plan = Plan::new();
    for prefix in ["east-", "west-"] {
        star(&mut plan, 3, &Style { prefix: prefix.into(), ..Style::switched() }).unwrap();
    }
    assert!(plan.find("east-hub").is_some() && plan.find("west-h3").is_some());
    assert_eq!(
        star(&mut plan, 1, &Style { prefix: "east-".into(), ..Style::default() }).unwrap_err(),
        PlanError::DuplicateName("east-hub".into())
    );
}

#[test]
fn a_bcube_has_the_ports_and_the_distances_of_its_paper() {
    for (n, k) in [(2u32, 1u32), (4, 1), (3, 2), (8, 0)] {
        let mut plan = Plan::new();
        let built = bcube(&mut plan, n, k, &Style::default()).unwrap();
        let hosts = n.pow(k + 1) as usize;
        assert_eq!(built.hosts.len(), hosts);
        assert_eq!(built.levels.len(), k as usize + 1);
        assert_eq!(built.links.len(), hosts * (k as usize + 1));
        assert!(built.levels.iter().all(|level| level.len() == hosts / n as usize));
        assert!(built.levels.iter().flatten().all(|id| plan.node(*id).ifaces.len() == n as usize));
        assert!(built.hosts.iter().all(|id| plan.node(*id).ifaces.len() == k as usize + 1));
        plan.assign_addresses().unwrap();
        // Two links for each digit in which the numbers of two hosts differ.
        let digits = |x: usize| (0..=k).map(move |d| x / (n as usize).pow(d) % n as usize);
        for x in 0..hosts {
            let differ = digits(0).zip(digits(x)).filter(|(a, b)| a != b).count();
            let path = plan.path(built.hosts[0], built.hosts[x], &|_| true).unwrap();
            assert_eq!(path.len() - 1, 2 * differ, "h0 to h{x}");
        }
    }
    assert!(bcube(&mut Plan::new(), 1, 1, &Style::default()).is_err());
    assert!(bcube(&mut Plan::new(), 64, 4_000_000_000, &Style::default()).is_err());
}
