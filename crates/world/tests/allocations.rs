//! Once buffers have their size, packets cost no allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use tidewire_l4_transport::TcpConfig;
use tidewire_l7_application::{Bulk, Cbr, Pattern, Process};
use tidewire_topology::{LinkSpec, Plan, QueueSpec};
use tidewire_units::{Instant, NodeId, Rate, Span};
use tidewire_world::{FlowSpec, Limit, Options, Pause, Transport, World};

/// The system's allocator; counts what the thread asks it for.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is the system allocator's doing; a thread's own counter is all that is added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Five hosts on each side of a bottleneck of 20 Mbit/s.
fn dumbbell(start: impl Fn(&mut World, NodeId, NodeId)) -> World {
    let mut plan = Plan::new();
    let [left, right] = ["left", "right"].map(|name| plan.add_router(name).unwrap());
    let bottleneck =
        LinkSpec::new(Rate::from_mbps(20), Span::from_ms(10)).with_queue(QueueSpec::Packets(100));
    plan.connect(left, right, bottleneck).unwrap();
    let mut pairs = Vec::new();
    for i in 0..5 {
        let [l, r] = ["l", "r"].map(|side| plan.add_host(format!("{side}{i}")).unwrap());
        let access = LinkSpec::new(Rate::from_mbps(1000), Span::from_ms(1));
        plan.connect(l, left, access.clone()).unwrap();
        plan.connect(right, r, access).unwrap();
        pairs.push((l, r));
    }
    let mut world = World::new(Options { check_wire: false, ..Options::default() });
    world.sync(&plan).unwrap();
    pairs.into_iter().for_each(|(src, dst)| start(&mut world, src, dst));
    world
}

fn begin(
    world: &mut World,
    transport: Transport,
    (src, dst): (NodeId, NodeId),
    make: impl FnOnce(tidewire_wire::Endpoint) -> Box<dyn Process>,
) {
    let tcp = (transport == Transport::Tcp).then(|| Arc::new(TcpConfig::linux()));
    let name = format!("flow {}", world.flows().len());
    let flow = world.add_flow(FlowSpec { name, transport, cc: None, src, dst, dport: 9, tcp }).unwrap();
    let to = world.flow_endpoint(flow).unwrap();
    world.start_flow(flow, make(to));
}

/// Allocations for each thousand transmissions from 10 to 20 s.
fn allocations(mut world: World) -> f64 {
    let mut until = |seconds| {
        let limit = Limit { until: Instant::ZERO + Span::from_secs(seconds), ..Limit::default() };
        assert_eq!(world.run(&limit), Pause::TimeUp);
        (COUNT.get(), world.packet_hops())
    };
    let (before, after) = (until(10), until(20));
    let hops = after.1 - before.1;
    assert!(hops > 10_000, "{hops} hops");
    1000.0 * (after.0 - before.0) as f64 / hops as f64
}

#[test]
fn transfers_allocate_nothing_for_a_packet() {
    let world = dumbbell(|world, src, dst| {
        begin(world, Transport::Tcp, (src, dst), |to| {
            Box::new(Bulk::new(to, None, Instant::ZERO, Instant::MAX))
        });
    });
    let each = allocations(world);
    assert!(each < 1.0, "{each} allocations for a thousand hops");
}

#[test]
fn datagrams_allocate_nothing_for_a_packet() {
    let world = dumbbell(|world, src, dst| {
        begin(world, Transport::Udp, (src, dst), |to| {
            Box::new(Cbr::new(Pattern {
                to,
                rate: Rate::from_mbps(6),
                size: 1000,
                start: Instant::ZERO,
                stop: Instant::MAX,
                count: None,
                jitter: Span::ZERO,
            }))
        });
    });
    let each = allocations(world);
    assert!(each < 0.2, "{each} allocations for a thousand hops");
}
