//! OSPF version 2 (RFC 2328): every router tells everybody its links, and computes shortest paths on the same map.
//!
//! ```text
//!   hello --> neighbours --> descriptions, requests --> the same database --> shortest paths --> routes
//!                                 announcements --flooding--^
//! ```
//!
//! One area. Links are point to point; a LAN with several routers is point to multipoint, without a designated router.

mod converge;
mod database;
mod exchange;
mod flood;
mod hello;
mod shared;
mod spf;
#[cfg(test)]
mod tests;

pub(super) use converge::converge;
pub use shared::Announcements;

use super::{Carrier, NeighborView, Route, RoutingMessage, RoutingPort};
use crate::Prefix;
use bytes::Bytes;
use database::Database;
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use tidewire_units::{Instant, Span, Stream};
use tidewire_wire::{Lsa, LsaHeader, LsaKey, OspfBody, OspfPacket};

/// Settings of OSPF.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OspfConfig {
    /// Time between hellos, in whole seconds.
    pub hello: Span,
    /// A neighbour that was silent for so long is gone, in whole seconds.
    pub dead: Span,
    /// What was not acknowledged is sent again after so long.
    pub retransmit: Span,
    /// From news to the computation of shortest paths.
    pub spf_delay: Span,
    /// Least time between two computations; doubled with each, up to `spf_max`, until it is quiet.
    pub spf_hold: Span,
    /// Most time between two computations.
    pub spf_max: Span,
}

impl Default for OspfConfig {
    /// Hello and dead interval of RFC 2328 appendix C.3, the throttle of common routers.
    fn default() -> Self {
        OspfConfig {
            hello: Span::from_secs(10),
            dead: Span::from_secs(40),
            retransmit: Span::from_secs(5),
            spf_delay: Span::from_ms(50),
            spf_hold: Span::from_ms(200),
            spf_max: Span::from_secs(5),
        }
    }
}

/// Least time between two editions of one's own announcement (appendix B).
const MIN_LS_INTERVAL: Span = Span::from_secs(5);
/// Least time between two editions of another's that are believed (appendix B).
const MIN_LS_ARRIVAL: Span = Span::from_secs(1);
/// One's own announcements are renewed (appendix B).
const REFRESH: Span = Span::from_secs(1800);
/// Acknowledgments are gathered for so long (section 13.5).
const ACK_DELAY: Span = Span::from_secs(1);

/// How far two neighbours have come (section 10.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NeighborState {
    /// Heard, but it does not hear this router yet.
    Init,
    /// They agree on who leads.
    ExStart,
    /// They describe their databases.
    Exchange,
    /// What is missing is asked for.
    Loading,
    /// The databases are the same.
    Full,
}

impl NeighborState {
    /// The name in the RFC.
    pub const fn label(self) -> &'static str {
        match self {
            NeighborState::Init => "Init",
            NeighborState::ExStart => "ExStart",
            NeighborState::Exchange => "Exchange",
            NeighborState::Loading => "Loading",
            NeighborState::Full => "Full",
        }
    }
}

/// One router's part in OSPF.
#[derive(Debug)]
pub struct Ospf {
    config: OspfConfig,
    id: Ipv4Addr,
    ports: Vec<Interface>,
    /// Networks outside that it announces.
    announced: Vec<Prefix>,
    database: Database,
    /// What all routers of the network know, once.
    shared: Announcements,
    /// The latest sequence number of each of its own announcements.
    seqs: BTreeMap<LsaKey, i32>,
    /// When its own links are announced anew; never while they have not changed.
    announce_at: Instant,
    announced_at: Option<Instant>,
    refresh_at: Instant,
    spf_at: Instant,
    spf_last: Instant,
    spf_hold: Span,
    spf_runs: u64,
    routes: Vec<Route>,
    changed: bool,
    outbox: VecDeque<RoutingMessage>,
    stream: Stream,
}

#[derive(Debug)]
struct Interface {
    port: RoutingPort,
    neighbors: Vec<Neighbor>,
    next_hello: Instant,
    /// Announcements that are about to be flooded there.
    floods: Vec<Lsa>,
    acks: Vec<LsaHeader>,
    ack_at: Instant,
}

#[derive(Debug)]
struct Neighbor {
    addr: Ipv4Addr,
    id: Ipv4Addr,
    state: NeighborState,
    dead_at: Instant,
    /// This router leads the exchange.
    leads: bool,
    seq: u32,
    /// Headers still to be described.
    summary: VecDeque<LsaHeader>,
    /// The latest description sent, for when it is lost, and the latest received: flags and number.
    sent: Bytes,
    received: Option<(bool, bool, bool, u32)>,
    describe_at: Instant,
    /// Announcements that the neighbour has and this router lacks.
    missing: BTreeMap<LsaKey, LsaHeader>,
    asked: Vec<LsaKey>,
    ask_at: Instant,
    /// Announcements that it has not acknowledged, and when they were sent.
    unacked: BTreeMap<LsaKey, (Lsa, Instant)>,
    resend_at: Instant,
}

impl Ospf {
    /// A router that knows its own links and `announced` networks outside, and begins to greet its neighbours at `now`.
    pub fn new(
        config: OspfConfig,
        ports: Vec<RoutingPort>,
        announced: &[Prefix],
        mut stream: Stream,
        now: Instant,
    ) -> Ospf {
        let id = ports.iter().map(|port| port.addr).max().unwrap_or(Ipv4Addr::UNSPECIFIED);
        // Routers are not switched on in step.
        let spread = (config.hello / 10).as_ps();
        let ports = ports
            .into_iter()
            .map(|port| Interface {
                port,
                neighbors: Vec::new(),
                next_hello: now + Span::from_ps(stream.between(0, spread)),
                floods: Vec::new(),
                acks: Vec::new(),
                ack_at: Instant::MAX,
            })
            .collect();
        Ospf {
            config,
            id,
            ports,
            announced: announced.to_vec(),
            database: Database::default(),
            shared: Announcements::default(),
            seqs: BTreeMap::new(),
            announce_at: now,
            announced_at: None,
            refresh_at: Instant::MAX,
            spf_at: Instant::MAX,
            spf_last: Instant::ZERO,
            spf_hold: config.spf_hold,
            spf_runs: 0,
            routes: Vec::new(),
            changed: false,
            outbox: VecDeque::new(),
            stream,
        }
    }

    /// What others know already is not kept a second time.
    pub fn share(&mut self, all: &Announcements) {
        self.shared = all.clone();
    }

    /// Handles a packet that came in through `port` from `src`. False when it is not one.
    pub fn handle_message(&mut self, port: u32, src: Ipv4Addr, bytes: &[u8], now: Instant) -> bool {
        let Ok(packet) = OspfPacket::parse(bytes) else { return false };
        let is_known = self.ports.get(port as usize).is_some_and(|iface| iface.port.is_neighbor(src));
        if !is_known || packet.area != Ipv4Addr::UNSPECIFIED || packet.router == self.id {
            return true;
        }
        let port = port as usize;
        if let OspfBody::Hello(hello) = &packet.body {
            self.handle_hello(port, src, packet.router, hello, now);
        } else if let Some(n) = self.ports[port].neighbors.iter().position(|known| known.id == packet.router)
        {
            match packet.body {
                OspfBody::Hello(_) => {}
                OspfBody::Description(description) => self.handle_description(port, n, description, now),
                OspfBody::Request(keys) => self.handle_request(port, n, &keys, now),
                OspfBody::Update(lsas) => self.handle_update(port, n, lsas, now),
                OspfBody::Ack(headers) => self.handle_ack(port, n, &headers),
            }
        }
        self.send_floods(now);
        true
    }

    /// The link of a port has gone up or down.
    pub fn set_port_up(&mut self, port: u32, up: bool, now: Instant) {
        let iface = &mut self.ports[port as usize];
        if iface.port.up == up {
            return;
        }
        iface.port.up = up;
        if up {
            iface.next_hello = now;
        } else {
            iface.neighbors.clear();
            iface.floods.clear();
            iface.acks.clear();
            iface.ack_at = Instant::MAX;
        }
        self.links_changed(now);
        self.act(now);
    }

    /// When [`handle_timeout`](Ospf::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Instant {
        if !self.outbox.is_empty() {
            return Instant::ZERO;
        }
        let own = self.announce_at.min(self.refresh_at).min(self.spf_at).min(self.database.next_expiry);
        let speaking = self.ports.iter().filter(|iface| iface.port.speaks());
        speaking.fold(own, |at, iface| {
            let timers = iface.neighbors.iter().map(Neighbor::next_timeout).min().unwrap_or(Instant::MAX);
            at.min(timers).min(iface.next_hello).min(iface.ack_at)
        })
    }

    /// Handles every timer that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for port in 0..self.ports.len() {
            if self.ports[port].port.speaks() {
                self.handle_port_timeout(port, now);
            }
        }
        if now >= self.database.next_expiry {
            self.age(now);
        }
        self.act(now);
    }

    fn handle_port_timeout(&mut self, port: usize, now: Instant) {
        if now >= self.ports[port].next_hello {
            self.send_hello(port);
            self.ports[port].next_hello = now + self.config.hello;
        }
        self.bury_dead(port, now);
        for n in 0..self.ports[port].neighbors.len() {
            self.repeat(port, n, now);
        }
        if now >= self.ports[port].ack_at {
            self.ports[port].ack_at = Instant::MAX;
            let acks = std::mem::take(&mut self.ports[port].acks);
            let most = self.room(port) / LsaHeader::LEN;
            for part in acks.chunks(most) {
                self.send(port, OspfPacket::GROUP, OspfBody::Ack(part.to_vec()));
            }
        }
    }

    /// What does not belong to one port: its own announcements, shortest paths, flooding.
    fn act(&mut self, now: Instant) {
        if now >= self.announce_at {
            self.announce_at = Instant::MAX;
            self.announce_links(now);
        }
        if now >= self.refresh_at {
            self.refresh(now);
        }
        if now >= self.spf_at {
            self.spf_at = Instant::MAX;
            self.compute(now);
        }
        self.send_floods(now);
    }

    /// The next packet to send.
    pub fn poll_transmit(&mut self) -> Option<RoutingMessage> {
        self.outbox.pop_front()
    }

    /// Whether routes have changed since this was last asked.
    pub fn poll_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The shortest ways to all networks but its own, by prefix.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// How often shortest paths were computed.
    pub fn spf_runs(&self) -> u64 {
        self.spf_runs
    }

    /// How many announcements it knows.
    pub fn database_len(&self) -> usize {
        self.database.len()
    }

    /// A neighbour that falls silent is noticed, announced and computed with after so long.
    pub fn patience(&self) -> Span {
        self.config.dead + MIN_LS_INTERVAL + self.config.retransmit + self.config.spf_max
    }

    /// Its neighbours.
    pub fn neighbors(&self) -> Vec<NeighborView> {
        let all =
            (0..).zip(&self.ports).flat_map(|(port, iface)| iface.neighbors.iter().map(move |n| (port, n)));
        let view = |(port, neighbor): (u32, &Neighbor)| NeighborView {
            port,
            addr: neighbor.addr,
            id: neighbor.id,
            protocol: "ospf",
            state: neighbor.state.label(),
        };
        all.map(view).collect()
    }

    fn send(&mut self, port: usize, dst: Ipv4Addr, body: OspfBody) -> Bytes {
        let bytes = self.emit(body);
        self.send_again(port, dst, bytes.clone());
        bytes
    }

    fn emit(&self, body: OspfBody) -> Bytes {
        OspfPacket { router: self.id, area: Ipv4Addr::UNSPECIFIED, body }.emit().into()
    }

    fn send_again(&mut self, port: usize, dst: Ipv4Addr, bytes: Bytes) {
        self.outbox.push_back(RoutingMessage { port: port as u32, dst, carrier: Carrier::Ospf, bytes });
    }

    /// How many bytes of announcements, headers or keys fit into one packet.
    fn room(&self, port: usize) -> usize {
        usize::from(self.ports[port].port.mtu)
            .saturating_sub(OspfPacket::UPDATE_OVERHEAD + 8)
            .max(LsaHeader::LEN)
    }
}

impl Neighbor {
    fn next_timeout(&self) -> Instant {
        self.dead_at.min(self.describe_at).min(self.ask_at).min(self.resend_at)
    }
}
