//! Routers that run a protocol, while nodes crash and boot and links go down and come up.

use tidewire_l3_network::routing::{BgpConfig, OspfConfig, RipConfig, RoutingConfig};
use tidewire_topology::{LinkSpec, LossModel, LossSpec, Plan, Prefix as PlanPrefix, Via};
use tidewire_units::{LinkId, NodeId, Probability, Purpose, Rate, Span, Stream, Streams};
use tidewire_world::{Limit, Options, RoutingSpec, World};

const PROTOCOLS: [&str; 3] = ["rip", "ospf", "bgp"];

fn config_of(protocol: &str, router: usize) -> RoutingConfig {
    match protocol {
        "rip" => RoutingConfig::Rip(RipConfig::default()),
        "ospf" => RoutingConfig::Ospf(OspfConfig::default()),
        "bgp" => RoutingConfig::Bgp(BgpConfig { asn: 100 + router as u16, ..BgpConfig::default() }),
        _ => RoutingConfig::Static,
    }
}

fn spec_of(protocol: &str, router: usize) -> RoutingSpec {
    let config = config_of(protocol, router);
    RoutingSpec { config, converge: true, carrier: true, redistribute: false, reference: None }
}

/// A ring of `n` routers with a host each, with chords over `chord` routers if that is not 0; the ring's links lose 2 % of their packets.
fn ring(n: usize, chord: usize, spec: impl Fn(usize) -> RoutingSpec) -> (Plan, World, Vec<NodeId>) {
    let mut plan = Plan::new();
    let routers: Vec<NodeId> = (1..=n).map(|i| plan.add_router(format!("r{i}")).unwrap()).collect();
    let link = || LinkSpec::new(Rate::from_mbps(100), Span::from_ms(1));
    for i in 0..n {
        let mut lossy = link();
        let model = LossModel::Bernoulli(Probability::new(0.02).unwrap());
        lossy.forward.loss = LossSpec { model, ..LossSpec::default() };
        lossy.backward.loss = lossy.forward.loss.clone();
        plan.connect(routers[i], routers[(i + 1) % n], lossy).unwrap();
        if chord > 0 {
            plan.connect(routers[i], routers[(i + chord) % n], link()).unwrap();
        }
    }
    for (i, router) in routers.iter().enumerate() {
        let host = plan.add_host(format!("h{i}")).unwrap();
        plan.connect(host, *router, link()).unwrap();
    }
    let mut world = World::new(Options { check_wire: true, ..Options::default() });
    for (i, router) in routers.iter().enumerate() {
        world.set_routing(*router, Some(spec(i)));
    }
    world.sync(&plan).unwrap();
    (plan, world, routers)
}

fn run_for(world: &mut World, span: Span) {
    let until = world.now() + span;
    world.run(&Limit { until, ..Limit::default() });
    world.assert_balanced();
}

/// The pairs of routers of which the first cannot reach the host of the second, by the tables on the way.
fn unreachable_pairs(world: &World, routers: &[NodeId]) -> usize {
    let reaches = |from: NodeId, to: NodeId| {
        let access = *world.plan().node(to).ifaces.last().unwrap();
        let address = world.plan().address_of(world.plan().neighbor_of(access)).unwrap();
        let mut at = from;
        for _ in 0..routers.len() {
            let hops = world.ip_node(at).unwrap().stack.fib().lookup(address);
            let Some(hop) = hops.first() else { return false };
            let iface = world.plan().node(at).ifaces[hop.port as usize];
            at = world.plan().neighbor_of(iface);
            if at == to {
                return true;
            }
        }
        false
    };
    let all = routers.iter().flat_map(|from| routers.iter().map(move |to| (*from, *to)));
    all.filter(|(from, to)| from != to && !reaches(*from, *to)).count()
}

/// Crashes, boots, links down and up, at random; then everything is up again.
fn chaos(world: &mut World, routers: &[NodeId], random: &mut Stream) {
    let links = (world.plan().links().len() - routers.len()) as u64;
    for _ in 0..120 {
        let router = routers[random.between(0, routers.len() as u64 - 1) as usize];
        let link = LinkId(random.between(0, links - 1) as u32);
        match random.between(0, 3) {
            0 => world.crash(router),
            1 => world.boot(router),
            2 => world.set_link_up(link, false),
            _ => world.set_link_up(link, true),
        }
        run_for(world, Span::from_ms(random.between(0, 20_000)));
    }
    routers.iter().for_each(|router| world.boot(*router));
    (0..links).for_each(|link| world.set_link_up(LinkId(link as u32), true));
}

#[test]
fn after_any_crashes_and_failures_everybody_reaches_everybody_again() {
    for protocol in PROTOCOLS {
        for seed in 1..=6 {
            let (_, mut world, routers) = ring(8, 3, |i| spec_of(protocol, i));
            chaos(&mut world, &routers, &mut Streams::new(seed).stream(Purpose::Topology, protocol));
            run_for(&mut world, Span::from_secs(900));
            assert_eq!(unreachable_pairs(&world, &routers), 0, "{protocol}, seed {seed}");
        }
    }
}

#[test]
fn a_router_that_boots_while_a_link_is_down_finds_its_neighbor_there_when_the_link_comes_up() {
    for protocol in PROTOCOLS {
        for carrier in [true, false] {
            let (_, mut world, routers) = ring(4, 0, |i| RoutingSpec { carrier, ..spec_of(protocol, i) });
            run_for(&mut world, Span::from_secs(100));
            world.crash(routers[0]);
            world.set_link_up(LinkId(0), false);
            world.boot(routers[0]);
            run_for(&mut world, Span::from_secs(300));
            world.set_link_up(LinkId(0), true);
            run_for(&mut world, Span::from_secs(600));
            for (router, control) in world.controls() {
                let neighbors = control.neighbors(world.now());
                let name = &world.plan().node(router).name;
                let alive = ["heard", "Full", "Established"];
                assert!(neighbors.iter().all(|one| alive.contains(&one.state)), "{neighbors:?}");
                assert_eq!(neighbors.len(), 2, "{protocol}, carrier {carrier}: {name} {neighbors:?}");
            }
        }
    }
}

#[test]
fn a_link_that_is_down_when_time_starts_is_used_when_it_comes_up() {
    for protocol in PROTOCOLS {
        let (plan, mut world, routers) = ring(4, 0, |i| spec_of(protocol, i));
        world.set_link_up(LinkId(0), false);
        world.sync(&plan).unwrap();
        run_for(&mut world, Span::from_secs(100));
        world.set_link_up(LinkId(0), true);
        run_for(&mut world, Span::from_secs(300));
        let control = world.ip_node(routers[0]).unwrap().control().unwrap();
        assert_eq!(control.neighbors(world.now()).len(), 2, "{protocol}");
    }
}

#[test]
fn a_route_entered_by_hand_survives_a_boot_while_its_link_is_down() {
    let (mut plan, _, routers) = ring(3, 0, |i| spec_of("static", i));
    let far = PlanPrefix::new([203, 0, 113, 0].into(), 24).unwrap();
    plan.route(routers[0], far, Via::Node(routers[1])).unwrap();
    let mut world = World::new(Options { check_wire: true, ..Options::default() });
    for (i, router) in routers.iter().enumerate() {
        world.set_routing(*router, Some(spec_of("static", i)));
    }
    world.sync(&plan).unwrap();
    let hops = |world: &World| {
        let fib = world.ip_node(routers[0]).unwrap().stack.fib();
        fib.lookup([203, 0, 113, 1].into()).len()
    };
    run_for(&mut world, Span::from_secs(1));
    assert_eq!(hops(&world), 1);
    world.crash(routers[0]);
    world.set_link_up(LinkId(0), false);
    world.boot(routers[0]);
    run_for(&mut world, Span::from_secs(1));
    assert_eq!(hops(&world), 0, "its link is down");
    world.set_link_up(LinkId(0), true);
    run_for(&mut world, Span::from_secs(1));
    assert_eq!(hops(&world), 1);
}
