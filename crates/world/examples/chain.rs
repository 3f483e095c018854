//! A chain of routers under a constant stream of datagrams: `cargo run --release --example chain -- 8`.

use tidewire_l7_application::{Cbr, Pattern};
use tidewire_topology::{LinkSpec, Plan};
use tidewire_units::{Instant, Rate, Span};
use tidewire_world::{FlowSpec, Limit, Options, Transport, World};

fn main() {
    let routers: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(8);
    let seconds: u64 = std::env::args().nth(2).and_then(|n| n.parse().ok()).unwrap_or(60);
    let mut plan = Plan::new();
    let (a, b) = (plan.add_host("a").unwrap(), plan.add_host("b").unwrap());
    let spec = LinkSpec::new(Rate::from_mbps(1000), Span::from_us(10));
    let mut last = a;
    for i in 0..routers {
        let router = plan.add_router(format!("r{i}")).unwrap();
        plan.connect(last, router, spec.clone()).unwrap();
        last = router;
    }
    plan.connect(last, b, spec).unwrap();
    let mut world = World::new(Options { check_wire: false, ..Options::default() });
    world.sync(&plan).unwrap();
    let spec = FlowSpec {
        name: "cbr".into(),
        transport: Transport::Udp,
        cc: None,
        src: a,
        dst: b,
        dport: 9,
        tcp: None,
    };
    let flow = world.add_flow(spec).unwrap();
    let to = world.flow_endpoint(flow).unwrap();
    let rate = Rate::from_mbps(100);
    let pattern = Pattern {
        to,
        rate,
        size: 1000,
        start: Instant::ZERO,
        stop: Instant::MAX,
        count: None,
        jitter: Span::ZERO,
    };
    world.start_flow(flow, Box::new(Cbr::new(pattern)));
    let start = std::time::Instant::now();
    world.run(&Limit { until: Instant::ZERO + Span::from_secs(seconds), ..Limit::default() });
    let ns = start.elapsed().as_nanos() as f64;
    println!(
        "{routers} routers: {:.1} ns per hop, {} hops, {} events",
        ns / world.packet_hops() as f64,
        world.packet_hops(),
        world.events()
    );
}
