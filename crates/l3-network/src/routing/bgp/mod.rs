//! BGP version 4 (RFC 4271): ASes tell their neighbours which ways they offer, and each uses what its policy prefers.
//!
//! ```text
//!   neighbour's stream --> session --> what it offers --policy--> the best of each prefix --policy--> other neighbours
//!                                                                          |--> routes
//! ```
//!
//! The transport is somebody else's: TCP of the router itself. Sessions are with routers on the same link.

mod decide;
mod session;
#[cfg(test)]
mod tests;

use super::{NeighborView, Origin, Route, RoutingPort};
use crate::{NextHop, Prefix};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tidewire_units::{Instant, Span};
use tidewire_wire::BgpPath;

/// Settings of a BGP router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BgpConfig {
    /// Its AS.
    pub asn: u16,
    /// A neighbour silent for so long is given up, in whole seconds; a third of it lies between keepalives.
    pub hold: Span,
    /// Time before a session that failed is tried again.
    pub connect_retry: Span,
    /// Least time between two announcements to one neighbour.
    pub mrai: Span,
    /// Networks without other routers are announced.
    pub announce_connected: bool,
    /// What is done with routes from and to each neighbour, by its address.
    pub policies: BTreeMap<Ipv4Addr, BgpPolicy>,
    /// The AS of each neighbour, by its address.
    pub neighbors: BTreeMap<Ipv4Addr, u16>,
}

impl Default for BgpConfig {
    /// The values of RFC 4271 section 10.
    fn default() -> Self {
        BgpConfig {
            asn: 65_000,
            hold: Span::from_secs(90),
            connect_retry: Span::from_secs(120),
            mrai: Span::from_secs(30),
            announce_connected: true,
            policies: BTreeMap::new(),
            neighbors: BTreeMap::new(),
        }
    }
}

/// What a neighbour is to a router, in the sense of Gao and Rexford (2001).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// Pays for transit: gets every route, and its routes go to everybody.
    Customer,
    /// Exchanges routes of customers.
    Peer,
    /// Is paid for transit: gets routes of customers only.
    Provider,
}

/// What is done with routes from and to a neighbour.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BgpPolicy {
    /// What the neighbour is; without it everything goes to everybody.
    pub relation: Option<Relation>,
    /// The preference of its routes, instead of the relation's: customer 200, peer 100, provider 50, none 100.
    pub prefer: Option<u32>,
    /// Routes into these are not taken from it.
    pub deny: Vec<Prefix>,
    /// The discriminator told to it.
    pub med: Option<u32>,
}

/// What the transport is asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BgpAction {
    /// Connect to this neighbour.
    Connect(usize),
    /// Send it this.
    Send(usize, Vec<u8>),
    /// Close the connection to it.
    Close(usize),
}

/// How far a session has come (section 8.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionState {
    /// Nothing is tried.
    Idle,
    /// The transport connects.
    Connect,
    /// The other side is waited for.
    Active,
    /// It was told who this is.
    OpenSent,
    /// It has told who it is.
    OpenConfirm,
    /// Routes are exchanged.
    Established,
}

impl SessionState {
    /// The name in the RFC.
    pub const fn label(self) -> &'static str {
        match self {
            SessionState::Idle => "Idle",
            SessionState::Connect => "Connect",
            SessionState::Active => "Active",
            SessionState::OpenSent => "OpenSent",
            SessionState::OpenConfirm => "OpenConfirm",
            SessionState::Established => "Established",
        }
    }
}

/// One router's part in BGP.
#[derive(Debug)]
pub struct Bgp {
    config: BgpConfig,
    id: Ipv4Addr,
    ports: Vec<RoutingPort>,
    peers: Vec<Peer>,
    /// Networks of its own that it announces.
    own: BTreeSet<Prefix>,
    best: BTreeMap<Prefix, Best>,
    actions: VecDeque<BgpAction>,
    changed: bool,
    sent: (u64, u64),
    heard: u64,
}

#[derive(Debug)]
struct Peer {
    port: u32,
    addr: Ipv4Addr,
    asn: u16,
    id: Ipv4Addr,
    policy: BgpPolicy,
    state: SessionState,
    input: Vec<u8>,
    hold: Span,
    retry_at: Instant,
    dead_at: Instant,
    keepalive_at: Instant,
    /// No announcement before this.
    quiet_until: Instant,
    /// What it offers, what the policy denies included (Adj-RIB-In, section 3.2).
    offers: BTreeMap<Prefix, Arc<BgpPath>>,
    /// What it was told.
    told: BTreeMap<Prefix, Arc<BgpPath>>,
    /// Prefixes that may be told differently now.
    pending: BTreeSet<Prefix>,
}

/// What is used for a prefix.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Best {
    path: Arc<BgpPath>,
    local_pref: u32,
    /// The neighbour that offers it; none for the router's own.
    from: Option<usize>,
}

impl Bgp {
    /// A router that begins to connect to the neighbours of its configuration at `now`.
    pub fn new(config: BgpConfig, ports: Vec<RoutingPort>, announced: &[Prefix], now: Instant) -> Bgp {
        let id = ports.iter().map(|port| port.addr).max().unwrap_or(Ipv4Addr::UNSPECIFIED);
        let mut peers = Vec::new();
        for (addr, asn) in &config.neighbors {
            let at = ports.iter().position(|port| port.may_meet(*addr));
            let policy = config.policies.get(addr).cloned().unwrap_or_default();
            let since = |port: usize| if ports[port].up { now } else { Instant::MAX };
            peers.extend(at.map(|port| Peer::new(port as u32, *addr, *asn, policy, since(port))));
        }
        let mut bgp = Bgp {
            config,
            id,
            ports,
            peers,
            own: announced.iter().copied().collect(),
            best: BTreeMap::new(),
            actions: VecDeque::new(),
            changed: true,
            sent: (0, 0),
            heard: 0,
        };
        bgp.own_connected();
        for prefix in bgp.own.clone() {
            bgp.decide(prefix);
        }
        bgp
    }

    /// Announces a network as its own, or no longer.
    pub fn announce(&mut self, prefix: Prefix, on: bool, now: Instant) {
        let is_new = if on { self.own.insert(prefix) } else { self.own.remove(&prefix) };
        if is_new {
            self.changed = true;
            self.decide(prefix);
            self.tell(now);
        }
    }

    /// Does something else with routes from and to a neighbour from now on; what it has offered is judged anew (RFC 2918 without asking
    /// for it: offers are kept).
    pub fn set_policy(&mut self, addr: Ipv4Addr, policy: &BgpPolicy, now: Instant) {
        let Some(peer) = self.peer_at(addr) else { return };
        self.peers[peer].policy = policy.clone();
        for prefix in self.peers[peer].offers.keys().copied().collect::<Vec<_>>() {
            self.decide(prefix);
        }
        for peer in self.peers.iter_mut().filter(|peer| peer.state == SessionState::Established) {
            peer.pending.extend(self.best.keys());
        }
        self.tell(now);
    }

    /// The link of a port has gone up or down.
    pub fn set_port_up(&mut self, port: u32, up: bool, now: Instant) {
        if self.ports[port as usize].up == up {
            return;
        }
        self.ports[port as usize].up = up;
        for peer in 0..self.peers.len() {
            if self.peers[peer].port != port {
                continue;
            }
            if up {
                self.peers[peer].retry_at = now;
            } else {
                self.reset(peer, now);
                self.peers[peer].retry_at = Instant::MAX;
            }
        }
        let RoutingPort { prefix, addr, passive, .. } = self.ports[port as usize];
        if self.config.announce_connected && passive && !addr.is_unspecified() {
            self.announce(prefix, up, now);
        }
        self.tell(now);
    }

    /// When [`handle_timeout`](Bgp::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Instant {
        if !self.actions.is_empty() {
            return Instant::ZERO;
        }
        self.peers.iter().map(Peer::next_timeout).min().unwrap_or(Instant::MAX)
    }

    /// Handles every timer that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for peer in 0..self.peers.len() {
            self.handle_peer_timeout(peer, now);
        }
        self.tell(now);
    }

    /// What the transport has to do next.
    pub fn poll_action(&mut self) -> Option<BgpAction> {
        self.actions.pop_front()
    }

    /// Whether routes have changed since this was last asked.
    pub fn poll_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The neighbour with this address.
    pub fn peer_at(&self, addr: Ipv4Addr) -> Option<usize> {
        self.peers.iter().position(|peer| peer.addr == addr)
    }

    /// Whether it announces a network as its own.
    pub fn announces(&self, prefix: Prefix) -> bool {
        self.own.contains(&prefix)
    }

    /// The address of a neighbour.
    pub fn addr_of(&self, peer: usize) -> Ipv4Addr {
        self.peers[peer].addr
    }

    /// The ways that neighbours offer and this router uses, by prefix, and its own announcements, which go nowhere by themselves.
    pub fn routes(&self) -> Vec<Route> {
        let connected = |prefix: &&Prefix| self.ports.iter().any(|port| port.up && port.prefix == **prefix);
        let own = self.own.iter().filter(|prefix| !connected(prefix)).map(|prefix| Route {
            prefix: *prefix,
            origin: Origin::Discard,
            metric: 0,
            hops: [].into(),
        });
        let used =
            self.best.iter().filter_map(|(prefix, best)| Some((prefix, best, &self.peers[best.from?])));
        used.map(|(prefix, best, peer)| {
            let origin = if peer.asn == self.config.asn { Origin::Ibgp } else { Origin::Ebgp };
            let hops = [NextHop { port: peer.port, gateway: Some(peer.addr) }];
            Route { prefix: *prefix, origin, metric: best.path.asns.len() as u32, hops: hops.into() }
        })
        .chain(own)
        .collect()
    }

    /// The ASes on the way to a prefix, and the preference of that way; its own networks have none on the way.
    pub fn path(&self, prefix: Prefix) -> Option<(&[u16], u32)> {
        self.best.get(&prefix).map(|best| (&best.path.asns[..], best.local_pref))
    }

    /// Messages and bytes sent, messages received.
    pub fn counts(&self) -> (u64, u64, u64) {
        (self.sent.0, self.sent.1, self.heard)
    }

    /// The AS that it belongs to.
    pub fn asn(&self) -> u16 {
        self.config.asn
    }

    /// A neighbour that falls silent is noticed, and told on, after so long.
    pub fn patience(&self) -> Span {
        self.config.hold + self.config.mrai * 2
    }

    /// Its neighbours.
    pub fn neighbors(&self) -> Vec<NeighborView> {
        let view = |peer: &Peer| NeighborView {
            port: peer.port,
            addr: peer.addr,
            id: peer.id,
            protocol: "bgp",
            state: peer.state.label(),
        };
        self.peers.iter().map(view).collect()
    }

    fn own_connected(&mut self) {
        if self.config.announce_connected {
            let stubs =
                self.ports.iter().filter(|port| port.passive && port.up && !port.addr.is_unspecified());
            self.own.extend(stubs.map(|port| port.prefix));
        }
    }
}
