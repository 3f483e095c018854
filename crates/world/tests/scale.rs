//! Large networks: what an idle host weighs, and a protocol among many routers.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write;
use tidewire_l3_network::routing::{OspfConfig, RoutingConfig};
use tidewire_topology::generate::{RandomModel, Style, fat_tree, random};
use tidewire_topology::import::load_alone;
use tidewire_topology::{LinkSpec, NodeKind, Plan};
use tidewire_units::{Instant, NodeId, Purpose, Rate, Span, Streams};
use tidewire_world::{Limit, Options, RoutingSpec, World};

/// The system's allocator; counts the bytes that the thread holds.
struct Weighing;

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
}

// SAFETY: everything is the system allocator's doing; a thread's own counter is all that is added.
unsafe impl GlobalAlloc for Weighing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.with(|held| held.set(held.get() + layout.size() as i64));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.with(|held| held.set(held.get() - layout.size() as i64));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Weighing = Weighing;

#[test]
fn an_idle_host_of_ten_thousand_weighs_less_than_two_kibibytes() {
    let before = HELD.get();
    let mut plan = Plan::new();
    let core: Vec<NodeId> = (0..100).map(|i| plan.add_router(format!("r{i}")).unwrap()).collect();
    for pair in core.windows(2) {
        plan.connect(pair[0], pair[1], LinkSpec::default()).unwrap();
    }
    for (i, router) in core.iter().enumerate() {
        let mut members: Vec<NodeId> =
            (0..100).map(|j| plan.add_host(format!("h{i}-{j}")).unwrap()).collect();
        members.push(*router);
        plan.add_lan(format!("s{i}"), &members, &LinkSpec::default()).unwrap();
    }
    plan.assign_addresses().unwrap();
    let declared = HELD.get() - before;
    let mut world = World::new(Options::default());
    world.sync(&plan).unwrap();
    drop(plan);
    let all = HELD.get() - before;
    assert!(world.ip_node(core[0]).unwrap().stack.fib().routes().len() >= 2, "routes were computed");
    let (each, with_plan) = ((all - declared) / 10_000, all / 10_000);
    assert!(each <= 2048, "{each} bytes for each host, with both directions of its link");
    assert!(with_plan <= 2560, "{with_plan} bytes with the plan, which the world keeps");
}

#[test]
fn a_fat_tree_of_ten_thousand_hosts_weighs_little_and_finds_routes_when_they_are_needed() {
    let before = HELD.get();
    let mut plan = Plan::new();
    let hosts = fat_tree(&mut plan, 34, &Style::default()).unwrap().hosts.len() as i64;
    plan.assign_addresses().unwrap();
    let declared = HELD.get() - before;
    let mut world = World::new(Options::default());
    world.sync(&plan).unwrap();
    let last = plan.address_of(NodeId::from_index(plan.nodes().len() - 1)).unwrap();
    let (edge, links) = (plan.find("edge0_0").unwrap(), plan.links().len() as i64);
    drop(plan);
    let idle = HELD.get() - before - declared;
    assert!(
        idle / hosts <= 4608,
        "{} bytes for each host with its seventh of a router and its three links",
        idle / hosts
    );
    assert!(idle / links <= 1536, "{} bytes for each link, with all that it joins", idle / links);
    let stack = &world.ip_node(edge).unwrap().stack;
    assert_eq!(stack.fib().lookup(last).len(), 17, "ways to another pod");
    let computed = HELD.get() - before - declared - idle;
    assert!(computed / hosts <= 1024, "{} bytes for each host for the first table", computed / hosts);
}

/// A network as the Topology Zoo writes them.
fn graphml(plan: &Plan) -> String {
    let mut text = String::from("<?xml version=\"1.0\"?>\n<graphml><graph edgedefault=\"undirected\">\n");
    for (i, _) in plan.nodes().iter().enumerate() {
        let _ = writeln!(text, "<node id=\"{i}\"/>");
    }
    for link in plan.links() {
        let [a, b] = link.ends;
        let _ = writeln!(text, "<edge source=\"{}\" target=\"{}\"/>", a.index(), b.index());
    }
    text + "</graph></graphml>\n"
}

#[test]
fn ospf_converges_among_five_hundred_routers_of_a_graphml_file() {
    let link = LinkSpec::new(Rate::from_mbps(1000), Span::from_ms(5));
    let style = Style { link, hosts: 0, ..Style::default() };
    let mut model = Plan::new();
    let mut stream = Streams::new(7).stream(Purpose::Topology, "five hundred");
    random(&mut model, 500, RandomModel::BarabasiAlbert { links: 2 }, &style, &mut stream).unwrap();
    let text = graphml(&model);
    let mut plan = Plan::new();
    load_alone(&mut plan, "five_hundred.graphml", text.as_bytes(), &style).unwrap();
    assert_eq!(plan.count(NodeKind::Router), 500);
    let before = HELD.get();
    let mut world = World::new(Options { check_wire: false, ..Options::default() });
    world.keep_route_changes(false);
    let spec = RoutingSpec {
        config: RoutingConfig::Ospf(OspfConfig::default()),
        converge: false,
        carrier: true,
        redistribute: false,
        reference: None,
    };
    plan.node_ids().for_each(|node| world.set_routing(node, Some(spec.clone())));
    world.sync(&plan).unwrap();
    world.run(&Limit { until: Instant::ZERO + Span::from_secs(60), ..Limit::default() });
    world.assert_balanced();
    assert_eq!(world.take_route_changes(), [], "nobody asked for them");
    let each = (HELD.get() - before) / 500;
    assert!(each <= 330 * 1024, "{each} bytes for each router, which knows 500 others and 997 networks");
    let last = world.last_route_change().unwrap();
    assert!(last < Instant::ZERO + Span::from_secs(30), "still changing at {last}");
    let routes = tidewire_topology::routes(world.plan(), &|_| true);
    let far = world.plan().ifaces().last().and_then(|iface| iface.address).unwrap().ip;
    for node in world.plan().node_ids() {
        let fib = world.ip_node(node).unwrap().stack.fib();
        let own = world
            .plan()
            .node(node)
            .ifaces
            .iter()
            .any(|i| world.plan().iface(*i).address.is_some_and(|a| a.ip == far));
        let computed = routes.lookup(node, far).len();
        assert!(
            own || fib.lookup(far).len() == computed,
            "{}: {} of {computed} ways",
            world.plan().node(node).name,
            fib.lookup(far).len()
        );
    }
}
