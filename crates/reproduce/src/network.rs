//! Two hosts and a link that counts whole IP packets, as the recordings have them.

use std::sync::Arc;
use tidewire_l4_transport::{CcKind, EcnMode, State, TcpConfig, TcpInfo, TimerSlack};
use tidewire_l7_application::{OnOff, Pattern, Process, Resume, SocketApi, Wait};
use tidewire_node::SocketView;
use tidewire_topology::{
    DisciplineKind, DisciplineSpec, Framing, HostSpec, LinkSpec, LossModel, LossSpec, Match, NodeSpec, Plan,
    Processing, QueueSpec,
};
use tidewire_units::{DirId, Instant, Interest, NodeId, Rate, SocketId, Span};
use tidewire_wire::Endpoint;
use tidewire_world::{FlowId, FlowSpec, Limit, Options, Transport, World};

/// What lies between host A and host B. Data flows from A to B; the way back has the same rate and delay, and room for 10,000 packets.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub rate: Rate,
    /// Propagation, one way.
    pub delay: Span,
    /// Packets that may wait, besides the one being sent.
    pub queue: u32,
    /// From A to B.
    pub discipline: Option<DisciplineSpec>,
    /// From A to B.
    pub loss: LossSpec,
    /// Each host needs a time between zero and this for each packet.
    pub processing: Span,
    pub mtu: u16,
    pub seed: u64,
}

/// Host A, host B and what is between them.
pub(crate) struct Network {
    pub world: World,
    pub a: NodeId,
    pub b: NodeId,
    pub forward: DirId,
    pub backward: DirId,
}

impl Path {
    pub fn new(rate: Rate, rtt: Span, queue: u32) -> Path {
        let delay = Span::from_ps(rtt.as_ps() / 2);
        Path {
            rate,
            delay,
            queue,
            discipline: None,
            loss: LossSpec::default(),
            processing: Span::ZERO,
            mtu: 1500,
            seed: 1,
        }
    }

    /// Loses exactly these packets with payload from A to B.
    pub fn losing(self, ordinals: Vec<u64>) -> Path {
        Path { loss: LossSpec { model: LossModel::Listed(ordinals), among: Match::Data }, ..self }
    }

    pub fn build(&self, tcp: &TcpConfig) -> Network {
        let mut plan = Plan::new();
        let host =
            HostSpec { processing: Processing::Uniform(Span::ZERO, self.processing), ..HostSpec::default() };
        let host = if self.processing.is_zero() { HostSpec::default() } else { host };
        let [a, b] = ["a", "b"].map(|name| plan.add(name, NodeSpec::Host(host.clone())).expect("two names"));
        let mut link = LinkSpec::new(self.rate, self.delay);
        link.framing = Framing::Ip;
        link.mtu = self.mtu;
        link.forward.queue = QueueSpec::Packets(self.queue);
        link.forward.discipline = self.discipline.clone().map(Box::new);
        link.forward.loss = self.loss.clone();
        link.backward.queue = QueueSpec::Packets(10_000);
        let link = plan.connect(a, b, link).expect("a possible link");
        let options = Options { seed: self.seed, check_wire: false, ..Options::default() };
        let mut world = World::new(options);
        world.sync(&plan).expect("a small plan");
        world.set_tcp(a, tcp.clone());
        world.set_tcp(b, tcp.clone());
        Network { world, a, b, forward: DirId::forward(link), backward: DirId::backward(link) }
    }
}

impl Network {
    /// Declares a bulk flow from A to B that begins at `start`.
    pub fn bulk(&mut self, tcp: TcpConfig, size: Option<u64>, start: Instant) -> FlowId {
        let flow = self.flow(Transport::Tcp, Some(tcp));
        let to = self.world.flow_endpoint(flow).expect("B has an address");
        self.world.start_flow(flow, Box::new(Writer { to, size, start, socket: None }));
        flow
    }

    /// Declares a flow from A to B.
    pub fn flow(&mut self, transport: Transport, tcp: Option<TcpConfig>) -> FlowId {
        let number = self.world.flows().len();
        let spec = FlowSpec {
            name: format!("f{number}"),
            transport,
            cc: tcp.as_ref().map(|tcp| tcp.cc.name().to_owned()),
            src: self.a,
            dst: self.b,
            dport: 9,
            tcp: tcp.map(Arc::new),
        };
        self.world.add_flow(spec).expect("port 9 is a sink")
    }

    /// Other traffic on the way back: so many full packets at once, every `every` (on average, when `random`), behind which acknowledgments
    /// wait and then arrive together.
    pub fn bunch_acks(&mut self, packets: u32, every: Span, random: bool) {
        let spec = FlowSpec {
            name: "bunches".to_owned(),
            transport: Transport::Udp,
            cc: None,
            src: self.b,
            dst: self.a,
            dport: 10,
            tcp: None,
        };
        let flow = self.world.add_flow(spec).expect("port 10 is a sink");
        let to = self.world.flow_endpoint(flow).expect("A has an address");
        let (rate, size) = (Rate::from_mbps(10_000), 1472);
        let (start, stop) = (Instant::ZERO, Instant::MAX);
        let pattern = Pattern { to, rate, size, start, stop, count: None, jitter: Span::ZERO };
        let burst = Span::from_secs_f64((f64::from(packets) - 0.5) * 1472.0 * 8.0 / 1e10);
        self.world.start_flow(flow, Box::new(OnOff::new(pattern, burst, every - burst, random)));
    }

    pub fn run_until(&mut self, at: Instant) {
        self.world.run(&Limit { until: at, ..Limit::default() });
    }

    /// Runs until a flow's connection is established, and says when that was: to 0.1 ms.
    pub fn connected(&mut self, flow: FlowId) -> Instant {
        for _ in 0..1_000_000 {
            self.run_until(self.world.now() + Span::from_us(100));
            let socket = self.world.flow(flow).socket;
            let view = socket.and_then(|socket| self.world.view(self.a, socket));
            if !matches!(view, Some(SocketView::Tcp(_, _, conn)) if conn.state() == State::SynSent) {
                break;
            }
        }
        self.world.now()
    }

    /// The sender's state.
    pub fn info(&self, flow: FlowId) -> Option<TcpInfo> {
        match self.world.view(self.a, self.world.flow(flow).socket?)? {
            SocketView::Tcp(_, _, conn) => Some(conn.info(self.world.now())),
            _ => None,
        }
    }

    /// A variable of the sender's congestion control, such as `vegas.diff`.
    pub fn cc_state(&self, flow: FlowId, name: &str) -> Option<f64> {
        match self.world.view(self.a, self.world.flow(flow).socket?)? {
            SocketView::Tcp(_, _, conn) => conn.cc_state(name),
            _ => None,
        }
    }

    /// Bytes that a flow's receiver has read so far.
    pub fn received(&self, flow: FlowId) -> u64 {
        self.world.flow(flow).received
    }
}

/// A program that connects, writes when that has returned, and never closes.
struct Writer {
    to: Endpoint,
    size: Option<u64>,
    start: Instant,
    socket: Option<SocketId>,
}

impl Process for Writer {
    fn resume(&mut self, now: Instant, _: Resume, sockets: &mut dyn SocketApi) -> Wait {
        match self.socket {
            None if now < self.start => Wait::Until(self.start),
            None => {
                let Ok(socket) = sockets.connect(self.to) else { return Wait::Done };
                self.socket = Some(socket);
                sockets.measure(socket);
                Wait::Socket(socket, Interest::Connected, Instant::MAX)
            }
            Some(socket) => {
                sockets.supply(socket, self.size);
                Wait::Done
            }
        }
    }
}

/// A discipline with its usual parameters.
pub(crate) fn discipline(kind: DisciplineKind) -> DisciplineSpec {
    DisciplineSpec {
        kind,
        ecn: None,
        target: None,
        interval: None,
        thresholds: None,
        max_p: None,
        quantum: None,
        flows: None,
        ce_threshold: None,
        classes: Vec::new(),
        bucket: None,
        police: false,
    }
}

/// A point of simulated time.
pub(crate) fn at(seconds: f64) -> Instant {
    Instant::ZERO + Span::from_secs_f64(seconds)
}

/// Mbit/s.
pub(crate) fn mbps(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 * 8e-6 / seconds
}

pub(crate) fn rate_of_mbps(mbps: f64) -> Option<Rate> {
    Rate::from_bits_per_s((mbps * 1e6).round() as u64)
}

/// The settings that the recorded kernel had.
pub(crate) fn kernel_tcp(cc: CcKind) -> TcpConfig {
    TcpConfig {
        cc,
        ecn: EcnMode::Off,
        timer_slack: TimerSlack::Wheel,
        sndbuf_init: 4_194_304,
        sndbuf_max: 33_554_432,
        rcvbuf_init: 4_194_304,
        rcvbuf_max: 33_554_432,
        ..TcpConfig::linux()
    }
}
