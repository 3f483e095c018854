//! Small networks, looked at from outside.

use std::net::Ipv4Addr;
use tidewire_l7_application::{Cbr, Pattern};
use tidewire_node::{Echo, EchoEvent, EchoOutcome, ping_flow};
use tidewire_topology::{LinkSpec, LossModel, LossSpec, Plan, QueueSpec};
use tidewire_units::{DirId, Instant, Interest, LinkId, NodeId, Probability, Rate, Span};
use tidewire_wire::Cause;
use tidewire_world::{CapturePoint, FlowId, FlowSpec, Limit, Options, Pause, ProcessId, Transport, World};

fn link(mbps: u64, ms: u64) -> LinkSpec {
    LinkSpec::new(Rate::from_mbps(mbps), Span::from_ms(ms))
}

fn world(plan: &Plan) -> World {
    let mut world = World::new(Options { check_wire: true, ..Options::default() });
    world.sync(plan).unwrap();
    world
}

fn until(at: Span) -> Limit {
    Limit { until: Instant::ZERO + at, ..Limit::default() }
}

fn address(world: &World, node: NodeId) -> Ipv4Addr {
    world.plan().address_of(node).unwrap()
}

/// Sends one echo request now and gives what is heard within 10 s.
fn ping(
    world: &mut World,
    process: ProcessId,
    from: NodeId,
    to: Ipv4Addr,
    ttl: u8,
) -> Option<(EchoEvent, Span)> {
    let (socket, id) = world.echo_socket(from);
    let sent = world.now();
    if !world
        .send_echo(from, Echo { dst: to, id, seq: 1, size: 56, ttl, timestamp: false, dont_fragment: None })
    {
        return None;
    }
    if !world.wait(process, sent + Span::from_secs(10), &[(from, socket, Interest::Readable)]) {
        while !matches!(world.run(&Limit::default()), Pause::Process(..)) {}
    }
    let event = world.recv_echo(from, socket)?;
    Some((event, world.now() - sent))
}

fn begin(world: &mut World) -> ProcessId {
    let main = world.spawn_script();
    assert!(matches!(world.run(&Limit::default()), Pause::Process(id, _) if id == main));
    main
}

fn cbr(world: &mut World, src: NodeId, dst: NodeId, rate: Rate, size: u32, count: u64) -> FlowId {
    let name = format!("cbr{}", world.flows().len());
    let transport = Transport::Udp;
    let spec = FlowSpec { name, transport, cc: None, src, dst, dport: 9, tcp: None };
    let flow = world.add_flow(spec).unwrap();
    let pattern = Pattern {
        to: world.flow_endpoint(flow).unwrap(),
        rate,
        size,
        start: Instant::ZERO,
        stop: Instant::MAX,
        count: Some(count),
        jitter: Span::ZERO,
    };
    world.start_flow(flow, Box::new(Cbr::new(pattern)));
    flow
}

fn ended(world: &World, cause: Cause) -> u64 {
    let table = world.ledger_table();
    let (of, n) =
        (table.columns.iter().position(|c| c == "cause"), table.columns.iter().position(|c| c == "packets"));
    let rows = table.rows.iter().filter(|row| row[of.unwrap()].to_string() == cause.label());
    rows.map(|row| row[n.unwrap()].number().unwrap() as u64).sum()
}

#[test]
fn the_first_ping_is_slower_than_the_second_because_of_arp() {
    let mut plan = Plan::new();
    let (a, b) = (plan.add_host("a").unwrap(), plan.add_host("b").unwrap());
    plan.connect(a, b, link(10, 20)).unwrap();
    let mut world = world(&plan);
    let main = begin(&mut world);
    let to = address(&world, b);
    let (first, slow) = ping(&mut world, main, a, to, 64).unwrap();
    let (second, fast) = ping(&mut world, main, a, to, 64).unwrap();
    assert_eq!((first.outcome, second.outcome), (EchoOutcome::Reply, EchoOutcome::Reply));
    // 84 bytes of IP become 122 byte times of 800 ns, both ways; a minimal ARP frame takes 84.
    assert_eq!(fast, Span::from_ms(40) + Span::from_ns(2 * 122 * 800));
    assert_eq!(slow, fast + Span::from_ms(40) + Span::from_ns(2 * 84 * 800));
    world.assert_balanced();
}

#[test]
fn a_switch_floods_once_and_then_forwards() {
    let mut plan = Plan::new();
    let hosts: Vec<NodeId> = (0..4).map(|i| plan.add_host(format!("h{i}")).unwrap()).collect();
    let switch = plan.add_lan("lan", &hosts, &link(100, 1)).unwrap();
    let mut world = world(&plan);
    let main = begin(&mut world);
    let to = address(&world, hosts[1]);
    ping(&mut world, main, hosts[0], to, 64).unwrap();
    let floods = world.switch(switch).unwrap().floods();
    assert_eq!(floods, 1, "only the ARP request is flooded");
    ping(&mut world, main, hosts[0], to, 64).unwrap();
    assert_eq!(world.switch(switch).unwrap().floods(), floods);
    assert_eq!(world.switch(switch).unwrap().table().entries(world.now()).len(), 2);
    world.run(&until(Span::from_secs(60)));
    assert_eq!(ended(&world, Cause::NotForMe), 0, "a broadcast is for everybody");
    world.assert_balanced();
}

fn chain(routers: usize) -> (Plan, NodeId, NodeId) {
    let mut plan = Plan::new();
    let (a, b) = (plan.add_host("a").unwrap(), plan.add_host("b").unwrap());
    let mut last = a;
    for i in 0..routers {
        let router = plan.add_router(format!("r{i}")).unwrap();
        plan.connect(last, router, link(100, 5)).unwrap();
        last = router;
    }
    plan.connect(last, b, link(100, 5)).unwrap();
    (plan, a, b)
}

#[test]
fn routers_forward_and_count_down_the_time_to_live() {
    let (plan, a, b) = chain(3);
    let mut world = world(&plan);
    let main = begin(&mut world);
    let to = address(&world, b);
    let (reply, _) = ping(&mut world, main, a, to, 64).unwrap();
    assert_eq!((reply.outcome, reply.from, reply.ttl), (EchoOutcome::Reply, to, 61));
    for hop in 1..=3u8 {
        let (event, _) = ping(&mut world, main, a, to, hop).unwrap();
        assert_eq!(event.outcome, EchoOutcome::TimeExceeded);
        let router = world.plan().find(&format!("r{}", hop - 1)).unwrap();
        assert!(
            world
                .plan()
                .node(router)
                .ifaces
                .iter()
                .any(|i| world.plan().iface(*i).address.unwrap().ip == event.from)
        );
    }
    assert_eq!(ended(&world, Cause::TtlExpired), 3);
    world.assert_balanced();
}

#[test]
fn an_address_that_nobody_has_is_unreachable_after_three_arp_requests() {
    let (plan, a, _) = chain(1);
    let mut world = world(&plan);
    let main = begin(&mut world);
    let network = address(&world, a).octets();
    let nobody = Ipv4Addr::new(network[0], network[1], network[2], 200);
    let (event, took) = ping(&mut world, main, a, nobody, 64).unwrap();
    assert_eq!(event.outcome, EchoOutcome::Unreachable(1));
    assert_eq!(took, Span::from_secs(3));
    let (event, _) = ping(&mut world, main, a, Ipv4Addr::new(192, 0, 2, 1), 64).unwrap();
    assert_eq!(event.outcome, EchoOutcome::Unreachable(0), "the router has no route");
    world.assert_balanced();
}

#[test]
fn pinging_oneself_never_reaches_the_wire() {
    let (plan, a, _) = chain(1);
    let mut world = world(&plan);
    let main = begin(&mut world);
    let (reply, _) = ping(&mut world, main, a, Ipv4Addr::LOCALHOST, 64).unwrap();
    assert_eq!(reply.outcome, EchoOutcome::Reply);
    assert_eq!(world.port(DirId::forward(LinkId(0))).stats(world.now()).tx_packets, 0);
    world.assert_balanced();
}

#[test]
fn udp_over_a_bottleneck_gets_its_rate_and_the_rest_is_dropped_at_the_queue() {
    let mut plan = Plan::new();
    let (a, b) = (plan.add_host("a").unwrap(), plan.add_host("b").unwrap());
    let mut spec = link(10, 20).with_queue(QueueSpec::Packets(10));
    spec.framing = tidewire_topology::Framing::Ip;
    plan.connect(a, b, spec).unwrap();
    let mut world = world(&plan);
    // 1000-byte packets, 972 of payload, at twice the link's rate.
    let flow = cbr(&mut world, a, b, Rate::from_bits_per_s(2 * 9_720_000).unwrap(), 972, 10_000);
    assert_eq!(world.run(&Limit::default()), Pause::Idle);
    let flow = world.flow(flow);
    let received = flow.packets_received as f64;
    assert!((received / 5000.0 - 1.0).abs() < 0.01, "{received}");
    assert_eq!(flow.packets_sent, 10_000);
    assert_eq!(ended(&world, Cause::QueueFull), 10_000 - flow.packets_received);
    // A full queue of ten packets is 8 ms.
    let p95 = flow.delay.quantile(0.95).unwrap();
    assert!((0.0278..0.0290).contains(&p95), "{p95}");
    world.assert_balanced();
}

#[test]
fn losses_fall_on_the_same_packets_whoever_else_is_there() {
    let losses = |extra: bool| {
        let mut plan = Plan::new();
        let (a, b) = (plan.add_host("a").unwrap(), plan.add_host("b").unwrap());
        if extra {
            plan.add_host("c").unwrap();
        }
        let mut spec = link(10, 1);
        let model = LossModel::Bernoulli(Probability::new(0.1).unwrap());
        spec.forward.loss = LossSpec { model, ..LossSpec::default() };
        plan.connect(a, b, spec).unwrap();
        let mut world = world(&plan);
        cbr(&mut world, a, b, Rate::from_mbps(1), 1000, 500);
        world.run(&Limit::default());
        ended(&world, Cause::Loss)
    };
    assert_eq!(losses(false), losses(true));
    assert!((30..70).contains(&losses(false)));
}

#[test]
fn another_order_of_ties_changes_no_figure() {
    let run = |tie_seed| {
        let mut plan = Plan::new();
        let hosts: Vec<NodeId> = (0..6).map(|i| plan.add_host(format!("h{i}")).unwrap()).collect();
        plan.add_lan("lan", &hosts, &link(10, 1)).unwrap();
        let mut world = World::new(Options { tie_seed, ..Options::default() });
        world.sync(&plan).unwrap();
        for i in 0..3 {
            // Different sizes: nothing of two flows happens at the same instant once ARP is done.
            cbr(&mut world, hosts[i], hosts[i + 3], Rate::from_mbps(2), 700 + 13 * i as u32, 100);
            world.run(&until(Span::from_us(250 * (i as u64 + 1))));
        }
        world.run(&Limit::default());
        (world.flow_table(), world.ledger_table())
    };
    assert_eq!(run(0), run(0x5A5A_5A5A));
}

#[test]
fn a_link_that_goes_down_loses_what_is_on_it_and_comes_back() {
    let mut plan = Plan::new();
    let (a, b) = (plan.add_host("a").unwrap(), plan.add_host("b").unwrap());
    let cable = plan.connect(a, b, link(10, 20)).unwrap();
    let mut world = world(&plan);
    cbr(&mut world, a, b, Rate::from_mbps(1), 1000, 100);
    world.run(&until(Span::from_ms(200)));
    world.set_link_up(cable, false);
    world.run(&until(Span::from_ms(400)));
    world.set_link_up(cable, true);
    assert_eq!(world.run(&Limit::default()), Pause::Idle);
    let lost = ended(&world, Cause::LinkDown) + ended(&world, Cause::NoRoute);
    // 200 ms at 8 ms a packet, and the 20 ms that were in flight.
    assert!((25..=29).contains(&lost), "{lost}");
    assert_eq!(world.flow(FlowId(0)).packets_received, 100 - lost);
    world.assert_balanced();
}

#[test]
fn the_hash_of_a_path_differs_between_flows() {
    let (a, b) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    assert_ne!(ping_flow(a, b, 1), ping_flow(a, b, 2));
}

/// A file that can be read back.
#[derive(Clone, Default)]
struct Shared(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_capture_holds_what_was_sent_and_what_arrived() {
    let mut plan = Plan::new();
    let (a, b) = (plan.add_host("a").unwrap(), plan.add_host("b").unwrap());
    let mut spec = link(10, 5);
    spec.forward.loss = LossSpec { model: LossModel::Listed(vec![2]), ..LossSpec::default() };
    let cable = plan.connect(a, b, spec).unwrap();
    let mut world = world(&plan);
    let file = Shared::default();
    let (sent, received) =
        (CapturePoint::Sent(DirId::forward(cable)), CapturePoint::Received(DirId::forward(cable)));
    world.capture(&[(sent, "a".into()), (received, "b".into())], Box::new(file.clone())).unwrap();
    cbr(&mut world, a, b, Rate::from_mbps(1), 1000, 3);
    world.run(&Limit::default());
    world.finish_captures().unwrap();
    let capture = tidewire_wire::read_pcapng(&file.0.borrow()).unwrap();
    let on = |interface| capture.packets.iter().filter(move |packet| packet.interface == interface);
    // ARP and three datagrams are sent; the second IP packet is lost.
    assert_eq!((on(0).count(), on(1).count()), (4, 3));
    let lost: Vec<_> = on(0).filter(|packet| packet.comment == "lost on the link").collect();
    assert_eq!(lost.len(), 1);
}

#[test]
fn a_datagram_that_no_socket_wants_ends_with_a_cause_wherever_it_goes() {
    for nth in 0..4 {
        let mut plan = Plan::new();
        let (a, b) = (plan.add_host("a").unwrap(), plan.add_host("b").unwrap());
        plan.connect(a, b, link(10, 1)).unwrap();
        let mut world = world(&plan);
        let of_b = address(&world, b);
        let [x, y, z, _] = of_b.octets();
        let to = [of_b, Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST, Ipv4Addr::new(x, y, z, 255)][nth];
        let socket = world.udp(a, 0).unwrap();
        let peer = tidewire_wire::Endpoint::new(to, 9);
        world.send_to(a, socket, tidewire_wire::Payload::Zeros(1), Some(peer)).unwrap();
        assert_eq!(world.run(&Limit::default()), Pause::Idle);
        assert_eq!(ended(&world, Cause::NoSocket), 1, "{to}");
        world.assert_balanced();
    }
}
