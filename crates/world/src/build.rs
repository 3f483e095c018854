//! Nodes and links from a plan: the arrays, the ports, addresses and routes.

use crate::discipline::discipline_of;
use crate::medium::Medium;
use crate::radio::{self, Air, Radio};
use crate::repair::{self, Repair};
use crate::routing::l3_prefix;
use crate::special::{Scheduler, Special};
use crate::{Direction, Wake, World, fifo};
use std::cell::OnceCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use tidewire_engine::{Class, Key};
use tidewire_l1_physical::{
    BitErrors, Damage, DeliveryTrace, Framing, GilbertElliott, Impairments, Jitter, JitterShape, Loss,
    PacketClass, Port, QueueLimit,
};
use tidewire_l2_datalink::arq::{Arq, ArqConfig, ArqKind};
use tidewire_l2_datalink::medium::Bus;
use tidewire_l2_datalink::qdisc::Limit;
use tidewire_l2_datalink::{ArpConfig, VlanPort};
use tidewire_l3_network::{Fib, FibSource, NextHop, Prefix};
use tidewire_node::{Ecmp, IpNode, IpStack, LOOPBACK, Switch};
use tidewire_topology::{
    self as topology, DirectionSpec, LinkSpec, LossModel, Match, NodeSpec, Plan, PlanError, VlanSpec,
};
use tidewire_units::{
    DirId, IfaceId, Instant, LinkId, NodeId, Probability, Purpose, Rate, Span, Stream, Streams, stable_hash,
};
use tidewire_wire::{Cause, Hot, MacKey, VlanId};

/// What a node is, and where it stands among its kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NodeRef {
    /// A host or router.
    Ip(u32),
    /// A switch.
    Switch(u32),
    /// A device of the script, by node id; only where a link leads to.
    Device(u32),
    /// A hub.
    Hub(u32),
}

/// A host that needs time for each packet: they wait in line.
pub(crate) struct Processing {
    low: Span,
    high: Span,
    stream: Stream,
    line: VecDeque<(u32, Hot)>,
    last: Instant,
}

/// Why a plan cannot become a world.
#[derive(Clone, PartialEq, Debug)]
pub enum BuildError {
    /// The clock has moved: the network is fixed.
    Started,
    /// The plan itself is impossible.
    Plan(PlanError),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Started => f.write_str("the network is fixed once time has started"),
            BuildError::Plan(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for BuildError {}

impl World {
    /// Makes the world be what the plan says: adds the nodes and links that are new, and gives every interface its address and every
    /// node its routes. May be called again, with the same plan grown, until time starts.
    ///
    /// # Errors
    /// Time has started, or the addresses cannot be assigned.
    pub fn sync(&mut self, plan: &Plan) -> Result<(), BuildError> {
        if self.started {
            return Err(BuildError::Started);
        }
        let mut plan = plan.clone();
        if !plan.is_numbered() {
            plan.assign_addresses().map_err(BuildError::Plan)?;
        }
        // Room for what there will be and no more: networks are large and grow no further.
        let nodes = plan.nodes().len() - self.nodes.len();
        let hosts = plan.nodes().len() - plan.count(topology::NodeKind::Switch) - self.hosts.len();
        self.nodes.reserve_exact(nodes);
        self.hosts.reserve_exact(hosts);
        self.host_ids.reserve_exact(hosts);
        self.host_tcp.reserve_exact(hosts);
        self.wakes.reserve_exact(hosts);
        self.directions.reserve_exact((2 * plan.links().len()).saturating_sub(self.directions.len()));
        for node in plan.node_ids().skip(self.nodes.len()) {
            self.add_node(&plan, node);
        }
        for link in plan.link_ids().skip(self.directions.len() / 2) {
            self.add_link(&plan, link);
            self.add_repair(&plan, link);
        }
        self.ledger.resize(self.directions.len(), self.nodes.len());
        self.plan = Rc::new(plan);
        self.configure_addresses();
        self.configure_addresses6();
        self.configure_nats();
        self.configure_dhcp();
        self.configure_autoconf();
        self.configure_multicast();
        self.configure_routes();
        self.configure_routing();
        self.configure_bridges();
        self.configure_devices();
        self.configure_vlans();
        self.configure_buffers();
        Ok(())
    }

    /// Whether a link is up.
    pub fn is_link_up(&self, link: LinkId) -> bool {
        self.directions[DirId::forward(link).index()].port.is_up()
    }

    /// Loses the next `n` packets offered to a direction.
    pub fn drop_next(&mut self, dir: DirId, n: u64) {
        self.directions[dir.index()].port.loss.drop_next(n);
    }

    /// Replaces the loss model of a direction.
    pub fn set_loss(&mut self, dir: DirId, loss: &topology::LossSpec) {
        let name = direction_name(&self.plan, dir);
        self.directions[dir.index()].port.loss = loss_of(loss, self.streams, &name);
    }

    /// Replaces the loss model of a direction by several at once: a packet is lost when any of them says so.
    pub fn set_losses(&mut self, dir: DirId, losses: &[topology::LossSpec]) {
        let name = direction_name(&self.plan, dir);
        let models = losses.iter().map(|loss| loss_of(loss, self.streams, &name)).collect();
        self.directions[dir.index()].port.loss = Loss::any(models);
    }

    /// A direction's port.
    pub fn port(&self, dir: DirId) -> &Port {
        &self.directions[dir.index()].port
    }

    /// A direction's port, to read figures that depend on the time.
    pub fn port_mut(&mut self, dir: DirId) -> &mut Port {
        &mut self.directions[dir.index()].port
    }

    /// A node that is a host or router.
    pub fn ip_node(&self, node: NodeId) -> Option<&IpNode> {
        Some(&self.hosts[self.host_index(node)? as usize])
    }

    /// A node that is a switch.
    pub fn switch(&self, node: NodeId) -> Option<&Switch> {
        match self.nodes.get(node.index())? {
            NodeRef::Switch(switch) => Some(&self.switches[*switch as usize]),
            _ => None,
        }
    }

    pub(crate) fn host_index(&self, node: NodeId) -> Option<u32> {
        match self.nodes.get(node.index())? {
            NodeRef::Ip(host) => Some(*host),
            _ => None,
        }
    }

    /// The direction that stands for a host's loopback interface; made when it is first used.
    pub(crate) fn loopback(&mut self, host: u32) -> u32 {
        if let Some(dir) = self.loopbacks.get(&host) {
            return *dir;
        }
        let dir = self.directions.len() as u32;
        let port =
            Port::new(LOOPBACK_RATE, LOOPBACK_DELAY, Framing::Ip, QueueLimit::Packets(1000), Loss::default());
        let (to, stream) = (NodeRef::Ip(host), fifo::Fifo::new());
        self.directions.push(Direction {
            port,
            stream,
            to,
            to_port: LOOPBACK,
            to_mac: None,
            observed: false,
            special: None,
        });
        self.ledger.resize(self.directions.len(), self.nodes.len());
        self.loopbacks.insert(host, dir);
        dir
    }

    /// A packet has reached a host that needs time for it. False when this host needs none.
    pub(crate) fn begin_processing(&mut self, host: u32, port: u32, packet: Hot) -> bool {
        let Some(processing) = self.processing.get_mut(&host) else { return false };
        let spread = (processing.high - processing.low).as_ps();
        let delay = processing.low + Span::from_ps(processing.stream.between(0, spread));
        // Packets keep their order.
        processing.last = processing.last.max(self.now + delay);
        processing.line.push_back((port, packet));
        self.agenda.push(Key::new(processing.last, Class::Port, u64::from(host)));
        true
    }

    pub(crate) fn finish_processing(&mut self, host: u32) {
        let next = self.processing.get_mut(&host).and_then(|processing| processing.line.pop_front());
        let (port, packet) = next.expect("one key for each packet in line");
        let node = self.host_ids[host as usize];
        if !self.is_node_up(node) {
            return self.end(packet, Cause::NodeDown, crate::Place::Node(node));
        }
        self.receive(host, port, packet);
    }

    /// Packets that are on links, in line at a host, or waiting there for a neighbour's address or for other fragments.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = &Hot> {
        let on_links = self.directions.iter().flat_map(|direction| direction.stream.iter(&self.places));
        let in_line =
            self.processing.values().flat_map(|processing| processing.line.iter().map(|(_, hot)| hot));
        let specials =
            self.directions.iter().filter_map(|direction| direction.special.as_ref()?.scheduler.as_ref());
        let on_links = on_links.chain(self.inbox.waiting()).chain(self.taps.waiting());
        let on_links = on_links.chain(specials.flat_map(|scheduler| scheduler.waiting()));
        let on_media = self.media.iter().flat_map(|medium| medium.bus.packets());
        let on_media = on_media.chain(self.radios.iter().flat_map(|radio| radio.cell.packets()));
        let on_media = on_media.chain(self.repairs.iter().flat_map(|repair| repair.arq.packets()));
        on_links.chain(on_media).chain(in_line).chain(self.hosts.iter().flat_map(|host| host.waiting()))
    }

    pub(crate) fn flush_direction(&mut self, dir: DirId, cause: Cause) -> u64 {
        let mut lost = 0;
        while let Some((packet, _)) = self.directions[dir.index()].stream.pop(&self.places) {
            lost += 1;
            self.end(packet, cause, crate::Place::Link(dir));
        }
        lost
    }

    fn add_node(&mut self, plan: &Plan, id: NodeId) {
        let node = plan.node(id);
        let seed = self.streams.seed().to_le_bytes();
        let salt = |purpose: &str| stable_hash(&[&seed, purpose.as_bytes(), node.name.as_bytes()]);
        let reference = match &node.spec {
            spec if spec.is_hub() => {
                self.media.push(Medium::new(Bus::new(hub_rate(plan, id)), id));
                NodeRef::Hub(self.media.len() as u32 - 1)
            }
            NodeSpec::Switch(spec) => {
                if let Some(radio) = node.spec.radio() {
                    let rng = self.streams.stream(Purpose::Backoff, &node.name);
                    self.radios.push(Radio::new(radio, id, rng));
                }
                self.switches.push(Switch::new(spec.ageing, spec.table_size as usize));
                self.switch_ids.push(id);
                self.switch_ports.push(Vec::new());
                NodeRef::Switch(self.switches.len() as u32 - 1)
            }
            spec => {
                let mut stack = IpStack::new(ArpConfig::default(), salt("path") as u32);
                if let NodeSpec::Router(router) = spec {
                    stack.ecmp = match router.ecmp {
                        topology::Ecmp::Off => Ecmp::Off,
                        topology::Ecmp::Flow => Ecmp::Flow,
                        topology::Ecmp::Packet => Ecmp::Packet,
                    };
                }
                self.hosts.push(IpNode::new(stack, spec.forwards(), salt("transport")));
                self.host_ids.push(id);
                self.host_tcp.push(None);
                self.wakes.push(Wake { at: Instant::MAX, foreground: false });
                let host = self.hosts.len() as u32 - 1;
                if let NodeSpec::Host(spec) = spec {
                    self.add_processing(host, &node.name, spec.processing);
                }
                NodeRef::Ip(host)
            }
        };
        self.nodes.push(reference);
    }

    fn add_processing(&mut self, host: u32, name: &str, processing: topology::Processing) {
        let (low, high) = match processing {
            topology::Processing::Fixed(span) if span.is_zero() => return,
            topology::Processing::Fixed(span) => (span, span),
            topology::Processing::Uniform(low, high) => (low, high.max(low)),
        };
        let stream = self.streams.stream(Purpose::Processing, name);
        self.processing
            .insert(host, Processing { low, high, stream, line: VecDeque::new(), last: Instant::ZERO });
    }

    fn add_link(&mut self, plan: &Plan, id: LinkId) {
        let link = plan.link(id);
        let ports = link.ends.map(|end| match self.nodes[end.index()] {
            NodeRef::Ip(host) => (NodeRef::Ip(host), self.hosts[host as usize].stack.ifaces.len() as u32),
            NodeRef::Switch(switch) => {
                (NodeRef::Switch(switch), self.switch_ports[switch as usize].len() as u32)
            }
            NodeRef::Device(_) => unreachable!("links lead to devices, nodes are what the plan says"),
            NodeRef::Hub(hub) => (NodeRef::Hub(hub), self.media[hub as usize].to_it.len() as u32),
        });
        let repair = self.repairs.len() as u32;
        for (side, dir) in [DirId::forward(id), DirId::backward(id)].into_iter().enumerate() {
            let name = direction_name(plan, dir);
            let port = port_of(plan.direction(dir), &link.spec, self.streams, &name);
            let (to, to_port) = ports[1 - side];
            let framed = framing_of(link.spec.framing).has_mac();
            let to_mac = framed.then(|| MacKey::of(topology::receiver_of(dir)));
            let sender = &plan.node(link.ends[side]).spec;
            let mut special = special_of(plan.direction(dir), &link.spec, sender, self.streams, &name);
            if matches!(link.spec.vlan, Some(VlanSpec::Trunk { .. })) {
                special.get_or_insert_default();
            }
            if let Some(metres) = link.spec.distance {
                special.get_or_insert_default().air = self.add_to_cell(plan, dir, metres);
            }
            if link.spec.arq.is_some() {
                special.get_or_insert_default().repair = Some(repair);
            }
            if let NodeRef::Hub(hub) = to {
                let spec = plan.direction(dir);
                let rng = self.streams.stream(Purpose::Backoff, &name);
                let medium = &mut self.media[hub as usize];
                let station = medium.bus.add_station(spec.delay, discipline_of(spec).limit, rng);
                medium.to_it.push(dir.0);
                special.get_or_insert_default().station = Some((hub, station));
            }
            let stream = fifo::Fifo::new();
            self.directions.push(Direction { port, stream, to, to_port, to_mac, observed: false, special });
            match ports[side].0 {
                NodeRef::Ip(host) => {
                    self.hosts[host as usize].stack.add_iface(IfaceId(dir.0), framed, link.spec.mtu);
                }
                NodeRef::Switch(switch) => {
                    self.switch_ports[switch as usize].push(dir.0);
                    self.switches[switch as usize].add_port(MacKey::of(IfaceId(dir.0)));
                }
                NodeRef::Device(_) => unreachable!("as above"),
                NodeRef::Hub(hub) => self.media[hub as usize].from_it.push(dir.0),
            }
        }
    }

    /// Makes the sender of a direction a station of its access point's cell.
    fn add_to_cell(&mut self, plan: &Plan, dir: DirId, metres: f64) -> Option<Air> {
        let sender = plan.node_of(topology::sender_of(dir));
        let ends = plan.link(dir.link()).ends;
        let at = self.radios.iter().position(|radio| ends.contains(&radio.node))?;
        let radio = &mut self.radios[at];
        let spec = plan.node(radio.node).spec.radio()?;
        let mut add = |node: NodeId| {
            let rng = self.streams.stream(Purpose::Backoff, &plan.node(node).name);
            radio.nodes.push(node);
            radio.cell.add_station(discipline_of(plan.direction(dir)).limit, rng)
        };
        // The access point is the first station, whatever the number of its links; a station has one link here.
        let station = match sender == radio_node(plan, ends) {
            true => 0,
            false => add(sender),
        };
        Some(Air { cell: at as u32, station, bit_error: radio::bit_error(spec, metres) })
    }

    /// Gives a link its repair.
    fn add_repair(&mut self, plan: &Plan, id: LinkId) {
        let link = plan.link(id);
        let Some(spec) = link.spec.arq else { return };
        let kind = match spec.kind {
            topology::ArqKind::StopAndWait => ArqKind::StopAndWait,
            topology::ArqKind::GoBackN => ArqKind::GoBackN,
            topology::ArqKind::SelectiveRepeat => ArqKind::SelectiveRepeat,
        };
        let ports = [DirId::forward(id), DirId::backward(id)].map(|dir| &self.directions[dir.index()].port);
        let timeout = spec.timeout.unwrap_or_else(|| repair::usual_timeout(ports, link.spec.mtu));
        let limit = discipline_of(&link.spec.forward).limit;
        let config = ArqConfig { kind, window: spec.window, timeout, limit };
        self.repairs.push(Repair::new(Arq::new(config), id));
    }

    fn configure_addresses(&mut self) {
        for (host, id) in self.host_ids.iter().enumerate() {
            for (port, iface) in self.plan.node(*id).ifaces.iter().enumerate() {
                if let Some(address) = self.plan.iface(*iface).address {
                    let prefix = Prefix::new(address.ip, address.length()).expect("a length of at most 32");
                    self.hosts[host].stack.set_address(port as u32, address.ip, prefix);
                }
            }
        }
    }

    /// Tells switches with VLANs what their ports are to them. May be called again until time starts.
    fn configure_vlans(&mut self) {
        for (switch, node) in self.switches.iter_mut().zip(&self.switch_ids) {
            if self.plan.has_vlans(*node) {
                let specs = self.plan.node(*node).ifaces.iter().map(|iface| topology::link_of(*iface));
                let ports = specs.map(|link| vlan_port(self.plan.link(link).spec.vlan.as_ref()));
                switch.set_vlans(Some(ports.collect()));
            }
        }
    }

    /// Finds every route anew from the whole plan; routers that run a protocol keep theirs.
    pub(crate) fn configure_routes(&mut self) {
        let up = self.plan.link_ids().map(|link| self.is_link_up(link)).collect();
        let source: Rc<dyn FibSource> =
            Rc::new(Computed { plan: self.plan.clone(), up, tables: OnceCell::new() });
        self.configure_routes6();
        for (host, id) in self.host_ids.iter().enumerate() {
            if self.routes_itself(*id) {
                continue;
            }
            self.hosts[host].stack.set_fib_source(source.clone(), id.0);
        }
    }

    /// Next hops of the plan, by port.
    pub(crate) fn hops_of(&self, hops: &[topology::NextHop]) -> Vec<NextHop> {
        by_port(&self.plan, hops)
    }
}

fn by_port(plan: &Plan, hops: &[topology::NextHop]) -> Vec<NextHop> {
    hops.iter().map(|hop| NextHop { port: plan.iface(hop.iface).port, gateway: hop.gateway }).collect()
}

/// Tables over the links that were up when routes were last configured.
#[derive(Debug)]
struct Computed {
    plan: Rc<Plan>,
    up: Box<[bool]>,
    tables: OnceCell<topology::Tables<Rc<Plan>>>,
}

impl FibSource for Computed {
    fn fib(&self, node: u32) -> Fib {
        let up = |link: LinkId| self.up[link.index()];
        let tables = self.tables.get_or_init(|| topology::Tables::new(self.plan.clone(), &up));
        let table = tables.of(NodeId(node)).into_iter();
        Fib::new(table.map(|(prefix, hops)| (l3_prefix(prefix), by_port(&self.plan, &hops))))
    }
}

/// A link's name with its direction: the key of its random streams.
pub(crate) fn direction_name(plan: &Plan, dir: DirId) -> String {
    let arrow = if dir.is_forward() { ">" } else { "<" };
    format!("{}{arrow}", plan.link(dir.link()).name)
}

fn port_of(spec: &DirectionSpec, link: &LinkSpec, streams: Streams, name: &str) -> Port {
    let limit = match spec.queue_limit() {
        topology::QueueLimit::Packets(n) => QueueLimit::Packets(n),
        topology::QueueLimit::Bytes(bytes) => QueueLimit::Bytes(bytes.0),
    };
    Port::new(spec.rate, spec.delay, framing_of(link.framing), limit, loss_of(&spec.loss, streams, name))
}

pub(crate) fn framing_of(framing: topology::Framing) -> Framing {
    match framing {
        topology::Framing::Ethernet => Framing::Ethernet,
        topology::Framing::Ip => Framing::Ip,
        topology::Framing::Ppp => Framing::Ppp,
    }
}

fn loss_of(spec: &topology::LossSpec, streams: Streams, name: &str) -> Loss {
    let loss = match &spec.model {
        LossModel::None => return Loss::default(),
        LossModel::Bernoulli(p) => {
            Loss::bernoulli(*p, streams.stream(Purpose::Loss, name), streams.stream(Purpose::FrameLoss, name))
        }
        LossModel::Every(n) => Loss::every(*n),
        LossModel::Listed(ordinals) => Loss::listed(ordinals.clone()),
        LossModel::Repeated { lost, of } => Loss::repeated(lost.clone(), *of),
        LossModel::Gilbert { good_to_bad, bad_to_good, loss_good, loss_bad } => {
            let (good_to_bad, bad_to_good) = (*good_to_bad, *bad_to_good);
            let (loss_good, loss_bad) = (*loss_good, *loss_bad);
            let channel = GilbertElliott { good_to_bad, bad_to_good, loss_good, loss_bad, is_bad: false };
            Loss::gilbert(channel, streams.stream(Purpose::Loss, name))
        }
    };
    match spec.among {
        Match::Any => loss,
        Match::Data => loss.only(PacketClass::DATA),
        Match::Ack => loss.only(PacketClass::ACK),
        Match::Syn => loss.only(PacketClass::SYN),
        Match::SynAck => loss.only(PacketClass::SYNACK),
        Match::Fin => loss.only(PacketClass::FIN),
        Match::Retransmit => loss.only(PacketClass::RETRANSMIT),
        Match::Chosen => loss.only(PacketClass::CHOSEN),
    }
}

/// The access point among the ends of a radio link.
fn radio_node(plan: &Plan, ends: [NodeId; 2]) -> NodeId {
    if plan.node(ends[0]).spec.radio().is_some() { ends[0] } else { ends[1] }
}

/// The rate that all links of a hub have.
fn hub_rate(plan: &Plan, hub: NodeId) -> Rate {
    let first = plan.node(hub).ifaces.first();
    first.map_or(Rate::from_mbps(10), |iface| plan.direction(topology::sends_on(*iface)).rate)
}

fn vlan_port(spec: Option<&VlanSpec>) -> VlanPort {
    let id = |number: &u16| VlanId::new(*number).expect("the plan has looked at it");
    match spec {
        None => VlanPort::Access(VlanId::DEFAULT),
        Some(VlanSpec::Access(vlan)) => VlanPort::Access(id(vlan)),
        Some(VlanSpec::Trunk { trunk, native }) => {
            VlanPort::trunk(trunk.iter().map(id).collect(), native.as_ref().map(id))
        }
    }
}

/// Fast, but not infinitely so: a program that talks to itself must not stop the clock.
const LOOPBACK_RATE: Rate = Rate::from_mbps(10_000);
const LOOPBACK_DELAY: Span = Span::from_us(10);

/// What a direction needs besides its port; `None` for what most are.
fn special_of(
    spec: &DirectionSpec,
    link: &LinkSpec,
    sender: &NodeSpec,
    streams: Streams,
    name: &str,
) -> Option<Box<Special>> {
    let shares = matches!(sender, NodeSpec::Switch(switch) if switch.buffer.is_some());
    let waits_here = shares || link.pause;
    let impairments = spec.impairments.as_ref().map(|spec| impairments_of(spec, streams, name));
    let trace = spec.trace.as_ref().and_then(|times| DeliveryTrace::new(times.to_vec()));
    let mut discipline = discipline_of(spec);
    if shares && spec.queue == DirectionSpec::default().queue {
        // The shared memory is the limit, where no other is asked for.
        discipline.limit = Limit::Bytes(u64::MAX);
    }
    let scheduler = (spec.discipline.is_some() || trace.is_some() || waits_here)
        .then(|| Scheduler::new(&discipline, streams.stream(Purpose::Queue, name), trace));
    let impairments = impairments.unwrap_or_default();
    let filters = spec.loss.among == Match::Chosen;
    let is_plain = impairments.is_none() && scheduler.is_none() && !filters;
    (!is_plain).then(|| {
        Box::new(Special {
            impairments,
            scheduler,
            filters,
            listens_to_pause: link.pause,
            ..Special::default()
        })
    })
}

pub(crate) fn impairments_of(spec: &topology::ImpairmentSpec, streams: Streams, name: &str) -> Impairments {
    let jitter = spec.jitter.map(|jitter| {
        let shape = match jitter.shape {
            topology::JitterShape::Uniform(most) => JitterShape::Uniform(most),
            topology::JitterShape::Normal(sd) => JitterShape::Normal(sd),
            topology::JitterShape::Pareto(mean, exponent) => JitterShape::Pareto(mean, exponent),
        };
        Jitter::new(shape, jitter.correlation, jitter.keep_order, streams.stream(Purpose::Jitter, name))
    });
    let noise = || streams.stream(Purpose::Corruption, name);
    let damage = match &spec.corrupt {
        topology::CorruptSpec::None => None,
        topology::CorruptSpec::Packets(p) => Some(Damage::Packets(*p, noise())),
        topology::CorruptSpec::Bits(ratio) => Some(Damage::Bits(BitErrors::new(*ratio, noise()))),
        topology::CorruptSpec::Listed(ordinals) => Some(Damage::listed(ordinals.clone())),
    };
    let chance = |p: Probability, purpose| (!p.is_zero()).then(|| (p, streams.stream(purpose, name)));
    let mut impairments = Impairments::default();
    impairments.jitter = jitter;
    impairments.damage = damage;
    impairments.duplicate = chance(spec.duplicate, Purpose::Duplication);
    impairments.reorder = chance(spec.reorder, Purpose::Reorder);
    impairments
}
