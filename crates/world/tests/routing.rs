//! Routers that find their routes with protocols.

use tidewire_l3_network::Prefix;
use tidewire_l3_network::routing::{BgpConfig, OspfConfig, RipConfig, RoutingConfig};
use tidewire_l7_application::{Cbr, Pattern};
use tidewire_topology::generate::{RandomModel, Style, random};
use tidewire_topology::{self as topology, LinkSpec, Plan};
use tidewire_units::{IfaceId, Instant, LinkId, NodeId, Purpose, Rate, Span, Streams};
use tidewire_world::{FlowId, FlowSpec, Limit, Options, Pause, RoutingSpec, Transport, World};

fn rip() -> RoutingSpec {
    RoutingSpec {
        config: RoutingConfig::Rip(RipConfig::default()),
        converge: true,
        carrier: true,
        redistribute: false,
        reference: None,
    }
}

/// A ring of `n` routers, a host at the first and one at the second; the first link joins these two.
fn ring(n: usize, spec: &RoutingSpec) -> (World, Vec<NodeId>, NodeId, NodeId) {
    ring_of(n, |_| spec.clone())
}

fn ring_of(n: usize, spec: impl Fn(usize) -> RoutingSpec) -> (World, Vec<NodeId>, NodeId, NodeId) {
    let mut plan = Plan::new();
    let routers: Vec<NodeId> = (1..=n).map(|i| plan.add_router(format!("r{i}")).unwrap()).collect();
    let link = || LinkSpec::new(Rate::from_mbps(100), Span::from_ms(1));
    for i in 0..n {
        plan.connect(routers[i], routers[(i + 1) % n], link()).unwrap();
    }
    let (a, b) = (plan.add_host("a").unwrap(), plan.add_host("b").unwrap());
    plan.connect(a, routers[0], link()).unwrap();
    plan.connect(b, routers[1], link()).unwrap();
    let mut world = World::new(Options { check_wire: true, ..Options::default() });
    for (i, router) in routers.iter().enumerate() {
        world.set_routing(*router, Some(spec(i)));
    }
    world.sync(&plan).unwrap();
    (world, routers, a, b)
}

/// A datagram each 10 ms until `stop`.
fn cbr(world: &mut World, src: NodeId, dst: NodeId, stop: Span) -> FlowId {
    let spec =
        FlowSpec { name: "f".into(), transport: Transport::Udp, cc: None, src, dst, dport: 9, tcp: None };
    let flow = world.add_flow(spec).unwrap();
    let pattern = Pattern {
        to: world.flow_endpoint(flow).unwrap(),
        rate: Rate::from_bits_per_s(80_000).unwrap(),
        size: 100,
        start: Instant::ZERO,
        stop: Instant::ZERO + stop,
        count: None,
        jitter: Span::ZERO,
    };
    world.start_flow(flow, Box::new(Cbr::new(pattern)));
    flow
}

fn run_to(world: &mut World, at: Span) -> Pause {
    let pause = world.run(&Limit { until: Instant::ZERO + at, ..Limit::default() });
    world.assert_balanced();
    pause
}

/// For each prefix of links that are up, whether routers take the ways that are computed from the whole plan: all of the equally
/// good ones, or at least `one`.
fn assert_shortest(world: &World, routers: &[NodeId], one: bool) {
    let routes = topology::routes(world.plan(), &|link| world.is_link_up(link));
    let is_up = |iface: &IfaceId| world.is_link_up(topology::link_of(*iface));
    let up = (0..world.plan().ifaces().len()).map(IfaceId::from_index).filter(is_up);
    let mut prefixes: Vec<topology::Prefix> =
        up.filter_map(|iface| Some(world.plan().iface(iface).address?.prefix())).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    for router in routers {
        let fib = world.ip_node(*router).unwrap().stack.fib();
        for prefix in &prefixes {
            let addr = Prefix::new(prefix.network(), prefix.length()).unwrap().broadcast();
            let mut computed: Vec<(u32, Option<std::net::Ipv4Addr>)> = routes
                .lookup(*router, addr)
                .iter()
                .map(|hop| (world.plan().iface(hop.iface).port, hop.gateway))
                .collect();
            let mut found: Vec<_> = fib.lookup(addr).iter().map(|hop| (hop.port, hop.gateway)).collect();
            computed.sort_unstable();
            found.sort_unstable();
            if one && found.len() == 1 {
                computed.retain(|hop| *hop == found[0]);
            }
            assert_eq!(found, computed, "{} to {prefix}", world.plan().node(*router).name);
        }
    }
}

#[test]
fn rip_heals_a_ring_at_once_when_carrier_and_triggered_updates_say_it() {
    let (mut world, routers, a, b) = ring(4, &rip());
    let flow = cbr(&mut world, a, b, Span::from_secs(60));
    run_to(&mut world, Span::from_secs(5));
    assert_eq!(world.last_route_change(), Some(Instant::ZERO), "the tables were there");
    world.set_link_up(LinkId(0), false);
    run_to(&mut world, Span::from_secs(61));
    let flow = world.flow(flow);
    let outage = (flow.packets_sent - flow.packets_received) as f64 / 100.0;
    // The second best way is not kept: it comes with the next regular update of a neighbour, 30 s plus 5 later at most.
    assert!((0.01..36.0).contains(&outage), "{outage} s");
    assert_shortest(&world, &routers, true);
}

#[test]
fn rip_that_starts_with_nothing_finds_the_shortest_paths() {
    let (mut world, routers, ..) = ring(5, &RoutingSpec { converge: false, ..rip() });
    assert!(world.ip_node(routers[3]).unwrap().stack.fib().routes().len() == 2, "its own networks");
    run_to(&mut world, Span::from_secs(60));
    assert_shortest(&world, &routers, true);
    let changed = world.last_route_change().unwrap();
    assert!(changed > Instant::ZERO && changed < Instant::ZERO + Span::from_secs(20), "{changed}");
    let changes = world.take_route_changes();
    // Seven networks, two of them (three at the ends with hosts) a router's own.
    assert!(changes.len() >= 5 * 7 - 12, "{}", changes.len());
    assert!(changes.windows(2).all(|pair| pair[0].1.at <= pair[1].1.at));
}

#[test]
fn without_carrier_a_dead_link_is_noticed_when_routes_time_out() {
    let (mut world, _, a, b) = ring(4, &RoutingSpec { carrier: false, ..rip() });
    let flow = cbr(&mut world, a, b, Span::from_secs(300));
    run_to(&mut world, Span::from_secs(5));
    world.set_link_up(LinkId(0), false);
    run_to(&mut world, Span::from_secs(301));
    let flow = world.flow(flow);
    let outage = (flow.packets_sent - flow.packets_received) as f64 / 100.0;
    assert!((145.0..220.0).contains(&outage), "180 s without an update: {outage} s");
}

#[test]
fn a_run_without_a_duration_ends_although_routers_keep_talking() {
    let (mut world, _, a, b) = ring(4, &rip());
    cbr(&mut world, a, b, Span::from_secs(5));
    assert_eq!(world.run(&Limit::default()), Pause::Idle);
    assert!(world.now() < Instant::ZERO + Span::from_secs(40), "{}", world.now());
    world.assert_balanced();
}

fn ospf() -> RoutingSpec {
    RoutingSpec { config: RoutingConfig::Ospf(OspfConfig::default()), ..rip() }
}

#[test]
fn ospf_heals_a_ring_within_a_second() {
    let (mut world, routers, a, b) = ring(4, &ospf());
    let flow = cbr(&mut world, a, b, Span::from_secs(20));
    run_to(&mut world, Span::from_secs(5));
    assert_eq!(world.last_route_change(), Some(Instant::ZERO), "the tables were there");
    assert_shortest(&world, &routers, false);
    world.set_link_up(LinkId(0), false);
    run_to(&mut world, Span::from_secs(21));
    let flow = world.flow(flow);
    let outage = (flow.packets_sent - flow.packets_received) as f64 / 100.0;
    assert!((0.01..1.0).contains(&outage), "{outage} s");
    assert_shortest(&world, &routers, false);
}

#[test]
fn a_hundred_routers_that_start_with_nothing_find_what_is_computed_from_the_whole_plan() {
    let mut plan = Plan::new();
    let style = Style { link: LinkSpec::new(Rate::from_mbps(1000), Span::from_ms(2)), ..Style::default() };
    let mut stream = Streams::new(7).stream(Purpose::Topology, "net");
    let routers =
        random(&mut plan, 100, RandomModel::BarabasiAlbert { links: 2 }, &style, &mut stream).unwrap().nodes;

    let mut world = World::new(Options { check_wire: false, ..Options::default() });
    for router in &routers {
        world.set_routing(*router, Some(RoutingSpec { converge: false, ..ospf() }));
    }
    world.sync(&plan).unwrap();
    run_to(&mut world, Span::from_secs(60));
    let last = world.last_route_change().unwrap();
    // One hello to be heard, one to be answered, then exchanges and announcements, each at most every 5 s.
    assert!(last < Instant::ZERO + Span::from_secs(32), "{last}");
    assert_shortest(&world, &routers, false);
    let runs: Vec<u64> = world.controls().map(|(_, control)| control.counters().spf_runs).collect();
    assert!(runs.iter().all(|runs| (2..40).contains(runs)), "{runs:?}");
}

#[test]
fn bgp_sessions_run_over_tcp_and_heal_a_ring_of_ases() {
    let spec = |i: usize| {
        let config = BgpConfig { asn: 100 + i as u16, ..BgpConfig::default() };
        RoutingSpec { config: RoutingConfig::Bgp(config), ..rip() }
    };
    let (mut world, routers, a, b) = ring_of(4, spec);
    run_to(&mut world, Span::from_secs(70));
    for (_, control) in world.controls() {
        assert!(control.neighbors(world.now()).iter().all(|peer| peer.state == "Established"));
    }
    let ends = [a, b].map(|host| world.plan().address_of(host).unwrap());
    let path = |world: &World, router: usize, host: usize| {
        let control = world.ip_node(routers[router]).unwrap().control().unwrap();
        let fib = world.ip_node(routers[router]).unwrap().stack.fib();
        let (prefix, _) = fib.routes().into_iter().find(|(prefix, _)| prefix.contains(ends[host])).unwrap();
        control.bgp().unwrap().path(prefix).map(|(path, _)| path.to_vec())
    };
    assert_eq!(path(&world, 0, 1), Some(vec![101]));
    world.set_link_up(LinkId(0), false);
    run_to(&mut world, Span::from_secs(200));
    assert_eq!(path(&world, 0, 1), Some(vec![103, 102, 101]));
    assert_eq!(path(&world, 1, 0), Some(vec![102, 103, 100]));
    world.set_link_up(LinkId(0), true);
    run_to(&mut world, Span::from_secs(400));
    assert_eq!(path(&world, 0, 1), Some(vec![101]), "the session is there again");
}

#[test]
fn bgp_without_carrier_gives_a_neighbour_up_when_it_is_silent() {
    let spec = |i: usize| {
        let config = BgpConfig { asn: 100 + i as u16, ..BgpConfig::default() };
        RoutingSpec { config: RoutingConfig::Bgp(config), carrier: false, ..rip() }
    };
    let (mut world, _, a, b) = ring_of(3, spec);
    run_to(&mut world, Span::from_secs(70));
    world.set_link_up(LinkId(0), false);
    let cut = world.now();
    run_to(&mut world, Span::from_secs(200));
    let healed = world.last_route_change().unwrap() - cut;
    assert!((Span::from_secs(55)..Span::from_secs(125)).contains(&healed), "{healed}");
    let flow = cbr(&mut world, a, b, Span::from_secs(210));
    run_to(&mut world, Span::from_secs(211));
    assert!(world.flow(flow).packets_received > 900);
}

#[test]
fn routers_on_one_lan_are_all_neighbours() {
    let mut plan = Plan::new();
    let routers: Vec<NodeId> = (1..=4).map(|i| plan.add_router(format!("r{i}")).unwrap()).collect();
    plan.add_lan("lan", &routers, &LinkSpec::default()).unwrap();
    let hosts: Vec<NodeId> = (1..=4).map(|i| plan.add_host(format!("h{i}")).unwrap()).collect();
    for (host, router) in hosts.iter().zip(&routers) {
        plan.connect(*host, *router, LinkSpec::default()).unwrap();
    }
    let mut world = World::new(Options { check_wire: true, ..Options::default() });
    for router in &routers {
        world.set_routing(*router, Some(RoutingSpec { converge: false, ..ospf() }));
    }
    world.sync(&plan).unwrap();
    run_to(&mut world, Span::from_secs(60));
    for (_, control) in world.controls() {
        let neighbors = control.neighbors(world.now());
        assert!(neighbors.len() == 3 && neighbors.iter().all(|neighbor| neighbor.state == "Full"));
    }
    assert_shortest(&world, &routers, false);
}
