//! TCP flows through a bottleneck: `cargo run --release --example dumbbell -- 10 10 cubic`.

use std::sync::Arc;
use tidewire_l4_transport::TcpConfig;
use tidewire_l7_application::Bulk;
use tidewire_topology::{LinkSpec, Plan, QueueSpec};
use tidewire_units::{Instant, Rate, Span};
use tidewire_world::{FlowSpec, Limit, Options, Transport, World};

fn main() {
    let n: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(10);
    let seconds: u64 = std::env::args().nth(2).and_then(|n| n.parse().ok()).unwrap_or(10);
    let mut plan = Plan::new();
    let [left, right] = ["left", "right"].map(|name| plan.add_router(name).unwrap());
    let bottleneck =
        LinkSpec::new(Rate::from_mbps(100), Span::from_ms(10)).with_queue(QueueSpec::Packets(200));
    plan.connect(left, right, bottleneck).unwrap();
    let access = LinkSpec::new(Rate::from_mbps(1000), Span::from_ms(1));
    let mut pairs = Vec::new();
    for i in 0..n {
        let [l, r] = ["l", "r"].map(|side| plan.add_host(format!("{side}{i}")).unwrap());
        plan.connect(l, left, access.clone()).unwrap();
        plan.connect(right, r, access.clone()).unwrap();
        pairs.push((l, r));
    }
    let check = std::env::args().nth(3).is_some();
    let mut world = World::new(Options { check_wire: check, ..Options::default() });
    world.sync(&plan).unwrap();
    for (i, (src, dst)) in pairs.into_iter().enumerate() {
        let config = Arc::new(TcpConfig::linux());
        let name = format!("f{i}");
        let spec =
            FlowSpec { name, transport: Transport::Tcp, cc: None, src, dst, dport: 9, tcp: Some(config) };
        let flow = world.add_flow(spec).unwrap();
        let to = world.flow_endpoint(flow).unwrap();
        world.start_flow(flow, Box::new(Bulk::new(to, None, Instant::ZERO, Instant::MAX)));
    }
    let start = std::time::Instant::now();
    let pause = world.run(&Limit { until: Instant::ZERO + Span::from_secs(seconds), ..Limit::default() });
    let ns = start.elapsed().as_nanos() as f64;
    world.assert_balanced();
    println!(
        "{n} flows {pause:?}: {:.1} ns per hop, {} hops, {} events",
        ns / world.packet_hops() as f64,
        world.packet_hops(),
        world.events()
    );
    if n <= 10 {
        for row in world.flow_table().rows {
            println!("{}", row.iter().map(|v| v.to_string()).collect::<Vec<_>>().join(" "));
        }
        for row in world.ledger_table().rows {
            println!("{}", row.iter().map(|v| v.to_string()).collect::<Vec<_>>().join(" "));
        }
    }
}
