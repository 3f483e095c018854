//! What whole networks cost, per second simulated: datagrams through a chain of routers, TCP through a bottleneck.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tidewire_l7_application::{Bulk, Cbr, Pattern};
use tidewire_topology::generate::{RandomModel, Style, fat_tree, random, star};
use tidewire_topology::{LinkSpec, Plan, QueueSpec};
use tidewire_units::{Instant, NodeId, Purpose, Rate, Span, Streams};
use tidewire_world::{FlowSpec, Limit, Options, Transport, World};

const SECOND: Span = Span::from_secs(1);

fn world(plan: &Plan) -> World {
    let mut world = World::new(Options { check_wire: false, ..Options::default() });
    world.sync(plan).expect("a plan that can be built");
    world
}

fn flow(world: &mut World, transport: Transport, src: NodeId, dst: NodeId) {
    let name = format!("flow{}", world.flows().len());
    let spec = FlowSpec { name, transport, cc: None, src, dst, dport: 9, tcp: None };
    let flow = world.add_flow(spec).expect("a free port");
    let to = world.flow_endpoint(flow).expect("an address");
    let (start, stop, jitter) = (Instant::ZERO, Instant::MAX, Span::ZERO);
    match transport {
        Transport::Tcp => world.start_flow(flow, Box::new(Bulk::new(to, None, start, stop))),
        Transport::Udp => {
            let rate = Rate::from_mbps(100);
            let pattern = Pattern { to, rate, size: 972, start, stop, count: None, jitter };
            world.start_flow(flow, Box::new(Cbr::new(pattern)))
        }
    };
}

/// Runs one simulated second after another; the time of one is that of so many packet-hops.
fn measure(c: &mut Criterion, name: &str, mut world: World) {
    let limit = |seconds: u64| Limit { until: Instant::ZERO + SECOND * seconds, ..Limit::default() };
    world.run(&limit(1));
    let before = world.packet_hops();
    world.run(&limit(2));
    let mut group = c.benchmark_group("networks");
    group.throughput(Throughput::Elements(world.packet_hops() - before)).sample_size(10);
    let mut until = 2;
    group.bench_function(name, |b| {
        b.iter(|| {
            until += 1;
            world.run(&limit(until))
        });
    });
    group.finish();
}

/// Ten thousand hosts: addresses, routes and everything that they need to run.
fn build(c: &mut Criterion) {
    let style = Style::default();
    let mut star_plan = Plan::new();
    star(&mut star_plan, 10_000, &style).expect("a star");
    let mut random_plan = Plan::new();
    let mut stream = Streams::new(1).stream(Purpose::Topology, "bench");
    let model = RandomModel::BarabasiAlbert { links: 2 };
    let ten = Style { hosts: 10, ..style.clone() };
    random(&mut random_plan, 1000, model, &ten, &mut stream).expect("a random network");
    let mut fat_plan = Plan::new();
    fat_tree(&mut fat_plan, 34, &style).expect("a fat tree");
    let mut group = c.benchmark_group("building 10,000 hosts");
    group.sample_size(10);
    for (name, plan) in [("star", star_plan), ("Barabasi-Albert", random_plan), ("fat tree", fat_plan)] {
        group.bench_function(name, |b| b.iter(|| world(&plan)));
    }
    group.finish();
}

fn chain(c: &mut Criterion) {
    let mut plan = Plan::new();
    let a = plan.add_host("a").expect("a name");
    let mut last = a;
    let spec = LinkSpec::new(Rate::from_mbps(1000), Span::from_us(10));
    for i in 0..8 {
        let router = plan.add_router(format!("r{i}")).expect("a name");
        plan.connect(last, router, spec.clone()).expect("a link");
        last = router;
    }
    let b = plan.add_host("b").expect("a name");
    plan.connect(last, b, spec).expect("a link");
    let mut world = world(&plan);
    flow(&mut world, Transport::Udp, a, b);
    measure(c, "forwarding through 8 routers", world);
}

fn dumbbell(c: &mut Criterion) {
    let mut plan = Plan::new();
    let [left, right] = ["left", "right"].map(|name| plan.add_router(name).expect("a name"));
    let bottleneck =
        LinkSpec::new(Rate::from_mbps(100), Span::from_ms(10)).with_queue(QueueSpec::Packets(200));
    plan.connect(left, right, bottleneck).expect("a link");
    let access = LinkSpec::new(Rate::from_mbps(1000), Span::from_ms(1));
    let mut pairs = Vec::new();
    for i in 0..10 {
        let [l, r] = ["l", "r"].map(|side| plan.add_host(format!("{side}{i}")).expect("a name"));
        plan.connect(l, left, access.clone()).expect("a link");
        plan.connect(right, r, access.clone()).expect("a link");
        pairs.push((l, r));
    }
    let mut world = world(&plan);
    pairs.into_iter().for_each(|(l, r)| flow(&mut world, Transport::Tcp, l, r));
    measure(c, "TCP bulk, 10 flows through a bottleneck", world);
}

criterion_group!(benches, chain, dumbbell, build);
criterion_main!(benches);
