//! Workloads: many connections between many hosts, opened and closed by one state machine, each remembered in a few bytes.

use crate::build::framing_of;
use crate::{ProcessId, World};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidewire_l4_transport::TcpConfig;
use tidewire_l7_application::traffic::{Action, Exchange, Side, Spec, Workload};
use tidewire_node::{SocketView, TRACKED};
use tidewire_topology::{link_of, sends_on};
use tidewire_units::{Instant, NodeId, Purpose, Refusal, SocketId, Span, Stream, WaitToken};
use tidewire_wire::Endpoint;

/// A workload, in order of declaration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WorkloadId(pub u32);

/// Who takes part in a workload, and how.
#[derive(Clone, Debug)]
pub struct WorkloadSpec {
    /// Its name, which keys its random stream.
    pub name: String,
    /// Hosts that open connections.
    pub clients: Vec<NodeId>,
    /// Hosts that accept them; the same list where clients ask each other.
    pub servers: Vec<NodeId>,
    /// The port that they accept on.
    pub port: u16,
    /// TCP options of both ends; each host's own by default.
    pub tcp: Option<Arc<TcpConfig>>,
}

struct Running {
    spec: WorkloadSpec,
    machine: Workload,
    stream: Stream,
    process: ProcessId,
    /// By server: its listening socket.
    sinks: Vec<SocketId>,
    /// By number of connection: its place among all that are tracked.
    connections: Vec<u32>,
    ways: BTreeMap<(u32, u32), Way>,
    /// Who wants to know that it is over, or that it cannot go on.
    waiting: Vec<WaitToken>,
}

/// A connection of a workload.
struct Tracked {
    workload: u32,
    connection: u32,
    client: (NodeId, Option<SocketId>),
    server: (NodeId, Option<SocketId>),
    /// Received so far, and from what on that is to be told, by side that receives.
    received: [u64; 2],
    goals: [u64; 2],
    /// Of its packets.
    hash: u32,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Received(u32, Side, u64),
    End(u32, Refusal),
}

/// What the connections of workloads have reported.
#[derive(Default)]
pub(crate) struct Tracking {
    all: Vec<Tracked>,
    events: Vec<Event>,
}

/// All workloads.
#[derive(Default)]
pub(crate) struct Workloads {
    all: Vec<Option<Box<Running>>>,
    by_process: BTreeMap<u32, u32>,
}

/// The least that a way takes: nobody else is there, and windows are no limit.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Way {
    /// Propagation, one way.
    delay: Span,
    /// Serialisation of a full packet on all links but the slowest, in s.
    rest: f64,
    /// Of a packet without data, on all.
    small: f64,
    /// Of a byte of data on the slowest, headers included, in s.
    per_byte: f64,
}

impl Tracking {
    /// Whether there is something that workloads must hear.
    #[inline]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    #[cold]
    pub fn received(&mut self, flow: u32, total: u64) {
        let (at, side) = ((flow - TRACKED) >> 1, side_of(flow));
        let tracked = &mut self.all[at as usize];
        tracked.received[side as usize] = total;
        if total >= tracked.goals[side as usize] {
            tracked.goals[side as usize] = u64::MAX;
            self.events.push(Event::Received(at, side, total));
        }
    }

    #[cold]
    pub fn ended(&mut self, flow: u32, failure: Option<Refusal>) {
        self.events.push(Event::End((flow - TRACKED) >> 1, failure.unwrap_or(Refusal::Closed)));
    }

    fn set_goal(&mut self, at: u32, side: Side, goal: u64) {
        let tracked = &mut self.all[at as usize];
        tracked.goals[side as usize] = goal;
        let total = tracked.received[side as usize];
        if total >= goal {
            self.received(flow_of(at, side), total);
        }
    }
}

fn side_of(flow: u32) -> Side {
    if flow & 1 == 0 { Side::Client } else { Side::Server }
}

fn flow_of(at: u32, side: Side) -> u32 {
    TRACKED + (at << 1) + side as u32
}

impl World {
    /// Starts a workload.
    ///
    /// # Errors
    /// A server cannot listen on the port.
    pub fn add_workload(&mut self, spec: WorkloadSpec, what: Spec) -> Result<WorkloadId, (NodeId, Refusal)> {
        let mut sinks = Vec::with_capacity(spec.servers.len());
        for server in &spec.servers {
            let config = spec.tcp.clone().unwrap_or_else(|| self.tcp_config(*server));
            let sink = self.on_host(*server, |_, sockets, _| sockets.tcp_sink(spec.port, config));
            sinks.push(sink.map_err(|why| (*server, why))?);
        }
        let mut stream = self.streams.stream(Purpose::Application, &spec.name);
        let mut machine = Workload::new(what, &mut stream);
        for (i, client) in spec.clients.iter().enumerate() {
            if !self.is_node_up(*client) {
                machine.set_up(self.now, i as u32, false, &mut stream);
            }
        }
        let process = self.spawn_workload();
        let id = self.workloads.all.len() as u32;
        self.workloads.by_process.insert(process.0, id);
        let (connections, ways, waiting) = (Vec::new(), BTreeMap::new(), Vec::new());
        let running = Running { spec, machine, stream, process, sinks, connections, ways, waiting };
        self.workloads.all.push(Some(Box::new(running)));
        Ok(WorkloadId(id))
    }

    /// A workload as it is now.
    pub fn workload(&self, id: WorkloadId) -> &Workload {
        &self.running(id).machine
    }

    /// Lets a script's process wait until a workload is over, until all who are to ask are on hosts that do not run, or until
    /// `deadline`.
    pub fn wait_workload(&mut self, process: ProcessId, id: WorkloadId, deadline: Instant) {
        let token = self.wait_token(process, deadline);
        if let Some(running) = &mut self.workloads.all[id.0 as usize] {
            running.waiting.push(token);
        }
    }

    /// The programs of a host that crashes are gone, and with them what they were about: their connections have failed. The other
    /// ends give theirs up.
    pub(crate) fn crash_workloads(&mut self, node: NodeId) {
        let mut aborted = Vec::new();
        for at in 0..self.flows.tracking.all.len() as u32 {
            let tracked = &self.flows.tracking.all[at as usize];
            let (client, server) = (tracked.client, tracked.server);
            let Some(running) = &self.workloads.all[tracked.workload as usize] else { continue };
            if (client.0 != node && server.0 != node) || running.machine.is_dead(tracked.connection) {
                continue;
            }
            let accepted = server.1.or_else(|| self.accepted(at));
            let other = if client.0 == node { (server.0, accepted) } else { client };
            self.flows.tracking.events.push(Event::End(at, Refusal::Cancelled));
            aborted.extend(other.1.map(|socket| (other.0, socket)));
        }
        self.mark_clients(node, false);
        aborted.into_iter().for_each(|(node, socket)| self.abort(node, socket));
    }

    /// A host runs again: its servers listen, its clients ask.
    pub(crate) fn boot_workloads(&mut self, node: NodeId) {
        for id in 0..self.workloads.all.len() {
            let Some(running) = &self.workloads.all[id] else { continue };
            let (port, tcp) = (running.spec.port, running.spec.tcp.clone());
            let Some(i) = running.spec.servers.iter().position(|server| *server == node) else { continue };
            let config = tcp.unwrap_or_else(|| self.tcp_config(node));
            // A program of the host may have been faster.
            let Ok(sink) = self.on_host(node, |_, sockets, _| sockets.tcp_sink(port, config)) else {
                continue;
            };
            if let Some(running) = &mut self.workloads.all[id] {
                running.sinks[i] = sink;
            }
            self.expect_again(id as u32, node, sink);
        }
        self.mark_clients(node, true);
    }

    /// Connections that were begun while their server did not run may find it now.
    fn expect_again(&mut self, id: u32, node: NodeId, sink: SocketId) {
        let Some(running) = &self.workloads.all[id as usize] else { return };
        let all = self.flows.tracking.all.iter().enumerate();
        let open = all.filter(|(_, of)| {
            of.workload == id && of.server.0 == node && !running.machine.is_dead(of.connection)
        });
        let open: Vec<(u32, u32)> =
            open.map(|(at, of)| (of.hash, flow_of(at as u32, Side::Server))).collect();
        self.on_host(node, |_, sockets, _| {
            open.into_iter().for_each(|(hash, flow)| sockets.expect_flow(sink, hash, flow));
        });
    }

    fn mark_clients(&mut self, node: NodeId, up: bool) {
        let mut wake = Vec::new();
        for running in self.workloads.all.iter_mut().flatten() {
            let Running { spec, machine, stream, process, .. } = &mut **running;
            for (i, _) in spec.clients.iter().enumerate().filter(|(_, client)| **client == node) {
                machine.set_up(self.now, i as u32, up, stream);
            }
            if spec.clients.contains(&node) || spec.servers.contains(&node) {
                wake.push(*process);
            }
        }
        wake.into_iter().for_each(|process| self.wake(process));
    }

    /// The hosts of an exchange of a workload: who asked, who was asked.
    pub fn parties(&self, id: WorkloadId, of: &Exchange) -> (NodeId, NodeId) {
        let spec = &self.running(id).spec;
        (spec.clients[of.client as usize], spec.servers[of.server as usize])
    }

    /// Asks nothing more; what is under way goes on.
    pub fn stop_workload(&mut self, id: WorkloadId) {
        let process = self.running(id).process;
        if let Some(running) = &mut self.workloads.all[id.0 as usize] {
            running.machine.stop();
        }
        self.wake(process);
    }

    /// The least time that an exchange can take: the handshake if there is one, each way's propagation, and serialisation at the
    /// slowest link. Nobody else is there, and windows are no limit.
    pub fn ideal_time(&mut self, id: WorkloadId, of: &Exchange) -> Span {
        let mut running =
            self.workloads.all[id.0 as usize].take().expect("a workload is there between its turns");
        let pair = (of.client, of.server);
        let there = self.way(&mut running, pair, false);
        let back = self.way(&mut running, pair, true);
        self.workloads.all[id.0 as usize] = Some(running);
        let Some((there, back)) = there.zip(back) else { return Span::ZERO };
        let one_way = |way: Way, bytes: u64| {
            let rest = if bytes >= FULL { way.rest } else { way.rest * bytes as f64 / FULL as f64 };
            way.delay + Span::from_secs_f64(rest + way.per_byte * bytes as f64)
        };
        let mut time = one_way(there, of.bytes.0);
        if of.bytes.1 > 0 {
            time += one_way(back, of.bytes.1);
        }
        if of.fresh {
            time += there.delay + back.delay + Span::from_secs_f64(there.small + back.small);
        }
        time
    }

    fn running(&self, id: WorkloadId) -> &Running {
        self.workloads.all[id.0 as usize].as_ref().expect("a workload is there between its turns")
    }

    fn way(&self, running: &mut Running, (client, server): (u32, u32), back: bool) -> Option<Way> {
        // Both ways are kept under one pair each: the way back as that of the pair turned round, beyond all clients.
        let key = if back { (u32::MAX - server, client) } else { (client, server) };
        if let Some(known) = running.ways.get(&key) {
            return Some(*known);
        }
        let (a, b) = (running.spec.clients[client as usize], running.spec.servers[server as usize]);
        let way = if back { self.least(b, a) } else { self.least(a, b) }?;
        running.ways.insert(key, way);
        Some(way)
    }

    fn least(&self, a: NodeId, b: NodeId) -> Option<Way> {
        let path = self.plan.path(a, b, &|_| true)?;
        let mut way = Way { delay: Span::ZERO, rest: 0.0, small: 0.0, per_byte: 0.0 };
        let mut slowest = 0.0f64;
        for pair in path.windows(2) {
            let ifaces = &self.plan.node(pair[0]).ifaces;
            let iface = ifaces.iter().copied().find(|iface| self.plan.neighbor_of(*iface) == pair[1])?;
            let spec = self.plan.direction(sends_on(iface));
            let link = &self.plan.link(link_of(iface)).spec;
            let time = |len: u16| spec.rate.time_for(framing_of(link.framing).wire_bytes(len)).as_secs_f64();
            way.delay += spec.delay;
            let full = time(FULL as u16 + HEADERS);
            way.rest += full;
            way.small += time(HEADERS);
            slowest = slowest.max(full);
        }
        way.rest -= slowest;
        way.per_byte = slowest / FULL as f64;
        Some(way)
    }

    /// A workload goes on: what it has been told, what is due, what it wants done.
    #[cold]
    pub(crate) fn resume_workload(&mut self, process: u32) {
        let id = self.workloads.by_process[&process];
        let Some(mut running) = self.workloads.all[id as usize].take() else { return };
        loop {
            let events = self.events_of(id);
            for event in &events {
                self.tell_workload(&mut running, *event);
            }
            running.machine.handle_timeout(self.now, &mut running.stream);
            let mut idle = true;
            while let Some(action) = running.machine.poll_action() {
                idle = false;
                self.act(id, &mut running, action);
            }
            if idle && events.is_empty() {
                break;
            }
        }
        let (over, next) = (running.machine.is_over(), running.machine.next_timeout());
        if over || running.machine.is_stalled() {
            for token in running.waiting.drain(..) {
                self.processes.wake(token, self.now, &mut self.agenda);
            }
        }
        self.workloads.all[id as usize] = Some(running);
        if over {
            self.end_process(ProcessId(process));
        } else {
            self.sleep_until(process, next);
        }
    }

    /// Tells those workloads that have something to hear to go on in this instant.
    #[cold]
    pub(crate) fn wake_workloads(&mut self) {
        let tracking = &self.flows.tracking;
        let mut ids: Vec<u32> =
            tracking.events.iter().map(|event| tracking.all[event.at()].workload).collect();
        ids.dedup();
        for id in ids {
            // One that has its turn now looks again before the turn ends.
            if let Some(running) = &self.workloads.all[id as usize] {
                let process = running.process;
                self.wake(process);
            }
        }
    }

    fn events_of(&mut self, id: u32) -> Vec<Event> {
        let tracking = &mut self.flows.tracking;
        let (own, others) = std::mem::take(&mut tracking.events)
            .into_iter()
            .partition(|event| tracking.all[event.at()].workload == id);
        tracking.events = others;
        own
    }

    fn tell_workload(&mut self, running: &mut Running, event: Event) {
        let connection = self.flows.tracking.all[event.at()].connection;
        let (now, stream) = (self.now, &mut running.stream);
        match event {
            Event::Received(_, side, total) => {
                running.machine.handle_received(now, connection, side, total, stream)
            }
            Event::End(_, why) => running.machine.handle_end(now, connection, why, stream),
        }
    }

    fn act(&mut self, id: u32, running: &mut Running, action: Action) {
        match action {
            Action::Open { client, server } => self.open(id, running, client, server),
            Action::Send { connection, from, bytes, goal } => {
                let at = running.connections[connection as usize];
                let to = if from == Side::Client { Side::Server } else { Side::Client };
                self.flows.tracking.set_goal(at, to, goal);
                if bytes > 0 {
                    self.supply_to(at, from, bytes);
                }
            }
            Action::Close { connection } => {
                let at = running.connections[connection as usize];
                if let (client, Some(socket)) = self.flows.tracking.all[at as usize].client {
                    self.close(client, socket);
                }
            }
        }
    }

    fn open(&mut self, id: u32, running: &mut Running, client: u32, server: u32) {
        let at = self.flows.tracking.all.len() as u32;
        let (client, sink) = (running.spec.clients[client as usize], running.sinks[server as usize]);
        let server = running.spec.servers[server as usize];
        let connection = running.connections.len() as u32;
        running.connections.push(at);
        let socket = self.tcp(client, running.spec.tcp.clone());
        let to = self.address_of(server).map(|addr| Endpoint::new(addr, running.spec.port));
        self.flows.tracking.all.push(Tracked {
            workload: id,
            connection,
            client: (client, Some(socket)),
            server: (server, None),
            received: [0; 2],
            goals: [u64::MAX; 2],
            hash: 0,
        });
        let connected = to.ok_or(Refusal::Unreachable).and_then(|to| self.connect(client, socket, to));
        if let Err(why) = connected {
            self.flows.tracking.all[at as usize].client.1 = None;
            self.close(client, socket);
            return self.flows.tracking.events.push(Event::End(at, why));
        }
        let flow = |side| flow_of(at, side);
        let hash = self.on_host(client, |_, sockets, _| sockets.track(socket, flow(Side::Client)));
        if let Some(hash) = hash {
            self.flows.tracking.all[at as usize].hash = hash;
            self.on_host(server, |_, sockets, _| sockets.expect_flow(sink, hash, flow(Side::Server)));
        }
    }

    fn supply_to(&mut self, at: u32, from: Side, bytes: u64) {
        let tracked = &self.flows.tracking.all[at as usize];
        let (node, socket) = match from {
            Side::Client => tracked.client,
            Side::Server if tracked.server.1.is_some() => tracked.server,
            Side::Server => (tracked.server.0, self.accepted(at)),
        };
        if let Some(socket) = socket {
            self.on_host(node, |stack, sockets, cx| sockets.supply(socket, Some(bytes), stack, cx));
        }
    }

    /// The server's end of a connection.
    fn accepted(&mut self, at: u32) -> Option<SocketId> {
        let tracked = &self.flows.tracking.all[at as usize];
        let (client, server) = (tracked.client, tracked.server.0);
        let Some(SocketView::Tcp(local, remote, _)) = self.view(client.0, client.1?) else { return None };
        let socket = self.sockets(server)?.connection(remote, local);
        self.flows.tracking.all[at as usize].server.1 = socket;
        socket
    }
}

impl Event {
    fn at(&self) -> usize {
        match self {
            Event::Received(at, ..) | Event::End(at, _) => *at as usize,
        }
    }
}

/// Data bytes of a full packet with timestamps, and headers of IPv4 and TCP with them.
const FULL: u64 = 1448;
const HEADERS: u16 = 52;
