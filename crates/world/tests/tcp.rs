//! TCP between simulated hosts, looked at from outside.

use tidewire_l7_application::Bulk;
use tidewire_node::SocketView;
use tidewire_topology::{LinkSpec, LossModel, LossSpec, Plan, QueueSpec};
use tidewire_units::{Instant, Interest, NodeId, Probability, Rate, Refusal, SocketId, Span};
use tidewire_wire::{Endpoint, Payload};
use tidewire_world::{FlowId, FlowSpec, Limit, Options, Pause, ProcessId, Transport, World};

struct Pair {
    world: World,
    a: NodeId,
    b: NodeId,
    main: ProcessId,
}

/// Two hosts behind a router; `loss` on the way from the first to the second.
fn pair(loss: LossModel) -> Pair {
    let mut plan = Plan::new();
    let (a, r, b) = (plan.add_host("a").unwrap(), plan.add_router("r").unwrap(), plan.add_host("b").unwrap());
    let spec = LinkSpec::new(Rate::from_mbps(10), Span::from_ms(10)).with_queue(QueueSpec::Packets(100));
    let mut lossy = spec.clone();
    lossy.forward.loss = LossSpec { model: loss, ..LossSpec::default() };
    plan.connect(a, r, lossy).unwrap();
    plan.connect(r, b, spec).unwrap();
    let mut world = World::new(Options { check_wire: true, ..Options::default() });
    world.sync(&plan).unwrap();
    let main = world.spawn_script();
    assert!(matches!(world.run(&Limit::default()), Pause::Process(..)));
    Pair { world, a, b, main }
}

impl Pair {
    /// Waits for a socket, at most 1000 s. False at the deadline.
    fn wait(&mut self, node: NodeId, socket: SocketId, interest: Interest) -> bool {
        let deadline = self.world.now() + Span::from_secs(1000);
        if self.world.wait(self.main, deadline, &[(node, socket, interest)]) {
            return true;
        }
        while !matches!(self.world.run(&Limit::default()), Pause::Process(..)) {}
        self.world.now() < deadline
    }

    fn at_b(&self, port: u16) -> Endpoint {
        Endpoint::new(self.world.plan().address_of(self.b).unwrap(), port)
    }

    fn listen(&mut self, port: u16) -> SocketId {
        let server = self.world.tcp(self.b, None);
        self.world.bind(self.b, server, port).unwrap();
        self.world.listen(self.b, server, 5).unwrap();
        server
    }

    /// A connected pair of sockets.
    fn connected(&mut self) -> (SocketId, SocketId) {
        let server = self.listen(80);
        let client = self.world.tcp(self.a, None);
        self.world.connect(self.a, client, self.at_b(80)).unwrap();
        assert!(self.wait(self.a, client, Interest::Connected));
        assert!(self.wait(self.b, server, Interest::Incoming));
        let accepted = self.world.accept(self.b, server).unwrap();
        (client, accepted)
    }

    fn state(&self, node: NodeId, socket: SocketId) -> String {
        match self.world.view(node, socket) {
            Some(SocketView::Tcp(_, _, conn)) => conn.state().to_string(),
            _ => "gone".to_owned(),
        }
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

#[test]
fn bytes_arrive_once_and_in_order_through_five_percent_loss() {
    let mut pair = pair(LossModel::Bernoulli(Probability::new(0.05).unwrap()));
    let (client, accepted) = pair.connected();
    let sent = pattern(300_000);
    let (mut offset, mut received) = (0, Vec::new());
    while received.len() < sent.len() {
        if offset < sent.len() {
            let rest = Payload::from(sent[offset..].to_vec());
            offset += pair.world.send(pair.a, client, rest).unwrap();
        }
        assert!(pair.wait(pair.b, accepted, Interest::Readable), "stuck at {}", received.len());
        while let Some(data) = pair.world.recv(pair.b, accepted, 1 << 20).unwrap() {
            received.extend_from_slice(&data.to_bytes());
        }
    }
    assert_eq!(received, sent);
    pair.world.assert_balanced();
}

#[test]
fn connecting_takes_one_round_trip() {
    let mut pair = pair(LossModel::None);
    // ARP first, so that only the handshake is timed.
    let (client, accepted) = pair.connected();
    pair.world.close(pair.a, client);
    pair.world.close(pair.b, accepted);
    let begin = pair.world.now();
    let client = pair.world.tcp(pair.a, None);
    pair.world.connect(pair.a, client, pair.at_b(80)).unwrap();
    assert!(pair.wait(pair.a, client, Interest::Connected));
    let took = (pair.world.now() - begin).as_us();
    // Four hops of 10 ms, each way one SYN of 60 bytes: 98 byte times of 0.8 us.
    assert!((40_000..41_000).contains(&took), "{took} us");
}

#[test]
fn a_closed_port_refuses_and_an_absent_host_is_unreachable() {
    let mut pair = pair(LossModel::None);
    let client = pair.world.tcp(pair.a, None);
    pair.world.connect(pair.a, client, pair.at_b(81)).unwrap();
    assert!(pair.wait(pair.a, client, Interest::Connected));
    assert_eq!(pair.world.failure(pair.a, client), Some(Refusal::Refused));
    let nobody = pair.world.tcp(pair.a, None);
    let to = Endpoint::new([192, 0, 2, 1].into(), 80);
    pair.world.connect(pair.a, nobody, to).unwrap();
    assert!(pair.wait(pair.a, nobody, Interest::Connected));
    assert_eq!(pair.world.failure(pair.a, nobody), Some(Refusal::Unreachable));
}

#[test]
fn a_peer_that_never_answers_times_out() {
    let mut pair = pair(LossModel::Bernoulli(Probability::ONE));
    let client = pair.world.tcp(pair.a, None);
    pair.world.connect(pair.a, client, pair.at_b(80)).unwrap();
    assert!(pair.wait(pair.a, client, Interest::Connected));
    let failure = pair.world.failure(pair.a, client);
    // Not even ARP gets through: Linux reports the host as unreachable after three requests.
    assert_eq!(failure, Some(Refusal::Unreachable));
    assert!(pair.world.now() < Instant::ZERO + Span::from_secs(10));
}

#[test]
fn closing_passes_through_time_wait_and_ends() {
    let mut pair = pair(LossModel::None);
    let (client, accepted) = pair.connected();
    pair.world.close(pair.a, client);
    assert_eq!(pair.state(pair.a, client), "FIN_WAIT_1");
    assert!(pair.wait(pair.b, accepted, Interest::Readable));
    assert_eq!(pair.world.recv(pair.b, accepted, 100), Err(Refusal::Closed));
    assert_eq!(pair.state(pair.b, accepted), "CLOSE_WAIT");
    pair.world.close(pair.b, accepted);
    pair.world.run(&Limit { until: pair.world.now() + Span::from_secs(1), ..Limit::default() });
    assert_eq!(
        (pair.state(pair.a, client).as_str(), pair.state(pair.b, accepted).as_str()),
        ("TIME_WAIT", "gone")
    );
    pair.world.run(&Limit { until: pair.world.now() + Span::from_secs(61), ..Limit::default() });
    assert_eq!(pair.state(pair.a, client), "gone");
}

#[test]
fn a_run_without_duration_does_not_wait_for_time_wait() {
    let mut pair = pair(LossModel::None);
    let (client, accepted) = pair.connected();
    pair.world.close(pair.a, client);
    pair.world.close(pair.b, accepted);
    pair.world.end_process(pair.main);
    assert_eq!(pair.world.run(&Limit::default()), Pause::Idle);
    assert!(pair.world.now() < Instant::ZERO + Span::from_secs(5), "{}", pair.world.now());
}

#[test]
fn sixty_five_thousand_ports_are_not_shared() {
    let mut pair = pair(LossModel::None);
    pair.listen(80);
    let second = pair.world.tcp(pair.b, None);
    assert_eq!(pair.world.bind(pair.b, second, 80), Err(Refusal::InUse));
    assert!(pair.world.udp(pair.b, 80).is_ok(), "UDP ports are a space of their own");
    assert_eq!(pair.world.udp(pair.b, 80), Err(Refusal::InUse));
}

fn bulk(world: &mut World, src: NodeId, dst: NodeId, size: Option<u64>) -> FlowId {
    let name = format!("bulk{}", world.flows().len());
    let transport = Transport::Tcp;
    let spec = FlowSpec { name, transport, cc: None, src, dst, dport: 9, tcp: None };
    let flow = world.add_flow(spec).unwrap();
    let to = world.flow_endpoint(flow).unwrap();
    world.start_flow(flow, Box::new(Bulk::new(to, size, Instant::ZERO, Instant::MAX)));
    flow
}

#[test]
fn a_bulk_transfer_is_measured_and_ends() {
    let Pair { mut world, a, b, main } = pair(LossModel::Every(50));
    world.end_process(main);
    let flow = bulk(&mut world, a, b, Some(1_000_000));
    assert_eq!(world.run(&Limit::default()), Pause::Idle);
    let flow = world.flow(flow);
    assert_eq!((flow.sent, flow.received), (1_000_000, 1_000_000));
    assert!(flow.ended.is_some() && flow.completion_time().unwrap() > Span::from_ms(800));
    assert!(flow.delay.min().unwrap() > 0.02 && flow.rtt.mean().unwrap() > 0.04);
    world.assert_balanced();
}

#[test]
fn an_endless_flow_fills_the_link() {
    let Pair { mut world, a, b, main } = pair(LossModel::None);
    world.end_process(main);
    let flow = bulk(&mut world, a, b, None);
    world.run(&Limit { until: Instant::ZERO + Span::from_secs(20), ..Limit::default() });
    let goodput = world.flow(flow).goodput_bps(world.now(), Instant::ZERO).unwrap();
    // 1448 of 1538 bytes are payload.
    assert!((9.0e6..9.42e6).contains(&goodput), "{goodput}");
    world.assert_balanced();
}

#[test]
fn two_hundred_idle_connections_take_less_than_a_kibibyte_each_and_still_work() {
    let mut pair = pair(LossModel::None);
    let server = pair.listen(80);
    let mut idle = Vec::new();
    for _ in 0..200 {
        let client = pair.world.tcp(pair.a, None);
        pair.world.connect(pair.a, client, pair.at_b(80)).unwrap();
        assert!(pair.wait(pair.a, client, Interest::Connected));
        assert!(pair.wait(pair.b, server, Interest::Incoming));
        let accepted = pair.world.accept(pair.b, server).unwrap();
        pair.world.send(pair.a, client, Payload::from(pattern(5_000))).unwrap();
        let mut got = 0;
        while got < 5_000 {
            assert!(pair.wait(pair.b, accepted, Interest::Readable));
            got += pair.world.recv(pair.b, accepted, 10_000).unwrap().map_or(0, |payload| payload.len());
        }
        idle.push((client, accepted));
    }
    let later = pair.world.now() + Span::from_secs(10);
    pair.world.wait(pair.main, later, &[]);
    while !matches!(pair.world.run(&Limit::default()), Pause::Process(..)) {}
    let bytes = |node, socket| pair.world.sockets(node).map_or(0, |sockets| sockets.bytes_of(socket));
    let sizes: Vec<usize> = idle.iter().map(|(a, b)| bytes(pair.a, *a) + bytes(pair.b, *b)).collect();
    let small = sizes.iter().filter(|size| **size <= 1_024).count();
    assert!(small >= 160, "{small} of 200: {sizes:?}");
    for (client, accepted) in [idle[0], idle[100], idle[199]] {
        assert_eq!(
            (pair.state(pair.a, client), pair.state(pair.b, accepted)),
            ("ESTABLISHED".to_owned(), "ESTABLISHED".to_owned())
        );
        pair.world.send(pair.b, accepted, Payload::from(pattern(3_000))).unwrap();
        let mut got = Vec::new();
        while got.len() < 3_000 {
            assert!(pair.wait(pair.a, client, Interest::Readable));
            let more = pair.world.recv(pair.a, client, 10_000).unwrap();
            got.extend(more.iter().flat_map(|payload| payload.to_bytes().to_vec()));
        }
        assert_eq!(got, pattern(3_000));
    }
}
