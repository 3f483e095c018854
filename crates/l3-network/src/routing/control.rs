//! A router's routing table: what its interfaces, hands and protocols say, and the best of it.

use super::{
    Announcements, Bgp, BgpConfig, Carrier, NeighborView, Origin, Ospf, OspfConfig, Rip, RipConfig, Route,
    RoutingMessage, RoutingPort, ospf, rip,
};
use crate::{Fib, NextHop, Prefix};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use tidewire_units::{Instant, Span, Stream};

/// What a router runs.
#[derive(Clone, PartialEq, Debug)]
pub enum RoutingConfig {
    /// Its own networks and routes entered by hand, nothing else.
    Static,
    /// RIP.
    Rip(RipConfig),
    /// OSPF.
    Ospf(OspfConfig),
    /// BGP.
    Bgp(BgpConfig),
}

/// A route entered by hand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StaticRoute {
    /// Where to.
    pub prefix: Prefix,
    /// Through whom: the first of these whose link is up.
    pub hops: Vec<NextHop>,
}

/// A change of what a router uses for a prefix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteChange {
    /// When.
    pub at: Instant,
    /// Of what.
    pub prefix: Prefix,
    /// What is used from then on; none when it is out of reach.
    pub route: Option<Route>,
}

/// What a router's protocols did so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Messages sent.
    pub tx_messages: u64,
    /// Bytes of those, without IP and UDP headers.
    pub tx_bytes: u64,
    /// Messages received.
    pub rx_messages: u64,
    /// Changes of the forwarding table since the clock started.
    pub changes: u64,
    /// How often shortest paths were computed.
    pub spf_runs: u64,
}

/// A router's interfaces, protocols and routing table.
#[derive(Debug)]
pub struct Control {
    ports: Vec<RoutingPort>,
    statics: Vec<StaticRoute>,
    protocol: Option<Protocol>,
    /// Every known route, by prefix and then by preference.
    rib: Vec<Route>,
    changes: Vec<RouteChange>,
    keeps_changes: bool,
    last_change: Instant,
    counters: Counters,
}

#[derive(Debug)]
enum Protocol {
    Rip(Box<Rip>),
    Ospf(Box<Ospf>),
    Bgp(Box<Bgp>),
}

impl Control {
    /// A router with these interfaces that begins at `now`, and tells its neighbours of `announced` networks besides its own.
    pub fn new(
        config: &RoutingConfig,
        ports: Vec<RoutingPort>,
        statics: Vec<StaticRoute>,
        announced: &[Prefix],
        stream: Stream,
        now: Instant,
    ) -> Control {
        let protocol = match config {
            RoutingConfig::Static => None,
            RoutingConfig::Rip(config) => {
                Some(Protocol::Rip(Box::new(Rip::new(*config, ports.clone(), announced, stream, now))))
            }
            RoutingConfig::Ospf(config) => {
                Some(Protocol::Ospf(Box::new(Ospf::new(*config, ports.clone(), announced, stream, now))))
            }
            RoutingConfig::Bgp(config) => {
                Some(Protocol::Bgp(Box::new(Bgp::new(config.clone(), ports.clone(), announced, now))))
            }
        };
        let (rib, changes) = (Vec::new(), Vec::new());
        let counters = Counters::default();
        Control { ports, statics, protocol, rib, changes, keeps_changes: true, last_change: now, counters }
    }

    /// What other routers know already is not kept a second time.
    pub fn share(&mut self, all: &Announcements) {
        if let Some(Protocol::Ospf(ospf)) = &mut self.protocol {
            ospf.share(all);
        }
    }

    /// Changes of routes are kept until they are taken; otherwise they are only counted.
    pub fn keep_changes(&mut self, on: bool) {
        self.keeps_changes = on;
    }

    /// The clock starts: what has happened so far is not told.
    pub fn begin(&mut self) {
        self.changes.clear();
        self.counters = Counters::default();
    }

    /// Whether messages in such a carrier are for it.
    pub fn listens(&self, carrier: Carrier) -> bool {
        match &self.protocol {
            Some(Protocol::Rip(_)) => carrier == Carrier::Rip,
            Some(Protocol::Ospf(_)) => carrier == Carrier::Ospf,
            Some(Protocol::Bgp(_)) => false,
            None => false,
        }
    }

    /// Its part in BGP, if it has one.
    pub fn bgp(&self) -> Option<&Bgp> {
        match &self.protocol {
            Some(Protocol::Bgp(bgp)) => Some(bgp),
            _ => None,
        }
    }

    /// The same, for its transport.
    pub fn bgp_mut(&mut self) -> Option<&mut Bgp> {
        match &mut self.protocol {
            Some(Protocol::Bgp(bgp)) => Some(bgp),
            _ => None,
        }
    }

    /// Handles a message that came in through `port`. False when nobody here wants it, or it is malformed.
    pub fn handle_message(&mut self, port: u32, src: Ipv4Addr, bytes: &[u8], now: Instant) -> bool {
        let taken = match &mut self.protocol {
            Some(Protocol::Rip(rip)) => rip.handle_message(port, src, bytes, now),
            Some(Protocol::Ospf(ospf)) => ospf.handle_message(port, src, bytes, now),
            Some(Protocol::Bgp(_)) => false,
            None => false,
        };
        self.counters.rx_messages += u64::from(taken);
        taken
    }

    /// The link of a port has gone up or down, and the router knows.
    pub fn set_port_up(&mut self, port: u32, up: bool, now: Instant) {
        self.ports[port as usize].up = up;
        match &mut self.protocol {
            Some(Protocol::Rip(rip)) => rip.set_port_up(port, up, now),
            Some(Protocol::Ospf(ospf)) => ospf.set_port_up(port, up, now),
            Some(Protocol::Bgp(bgp)) => bgp.set_port_up(port, up, now),
            None => {}
        }
    }

    /// When [`handle_timeout`](Control::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Instant {
        match &self.protocol {
            Some(Protocol::Rip(rip)) => rip.next_timeout(),
            Some(Protocol::Ospf(ospf)) => ospf.next_timeout(),
            Some(Protocol::Bgp(bgp)) => bgp.next_timeout(),
            None => Instant::MAX,
        }
    }

    /// Handles every timer that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.protocol {
            Some(Protocol::Rip(rip)) if rip.next_timeout() <= now => rip.handle_timeout(now),
            Some(Protocol::Ospf(ospf)) if ospf.next_timeout() <= now => ospf.handle_timeout(now),
            Some(Protocol::Bgp(bgp)) if bgp.next_timeout() <= now => bgp.handle_timeout(now),
            _ => {}
        }
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<RoutingMessage> {
        let message = match &mut self.protocol {
            Some(Protocol::Rip(rip)) => rip.poll_transmit(),
            Some(Protocol::Ospf(ospf)) => ospf.poll_transmit(),
            Some(Protocol::Bgp(_)) => None,
            None => None,
        };
        if let Some(message) = &message {
            self.counters.tx_messages += 1;
            self.counters.tx_bytes += message.bytes.len() as u64;
        }
        message
    }

    /// The forwarding table, if it is another than when this was last asked.
    pub fn poll_fib(&mut self, now: Instant) -> Option<Fib> {
        let mut routes = self.candidates();
        routes.shrink_to_fit();
        routes.sort_by_key(|route| (route.prefix, route.origin.distance(), route.origin, route.metric));
        if !self.note_changes(&routes, now) {
            self.rib = routes;
            return None;
        }
        self.rib = routes;
        Some(Fib::with_discards(best(&self.rib).map(|route| (route.prefix, route.hops.to_vec()))))
    }

    /// Whether [`poll_fib`](Control::poll_fib) may have something new.
    pub fn poll_changed(&mut self) -> bool {
        match &mut self.protocol {
            Some(Protocol::Rip(rip)) => rip.poll_changed(),
            Some(Protocol::Ospf(ospf)) => ospf.poll_changed(),
            Some(Protocol::Bgp(bgp)) => bgp.poll_changed(),
            None => false,
        }
    }

    /// Every known route with whether it is used, by prefix.
    pub fn rib(&self) -> impl Iterator<Item = (&Route, bool)> {
        let is_first = |i: usize| i == 0 || self.rib[i - 1].prefix != self.rib[i].prefix;
        self.rib.iter().enumerate().map(move |(i, route)| (route, is_first(i)))
    }

    /// Takes the changes since this was last asked.
    pub fn take_changes(&mut self) -> Vec<RouteChange> {
        std::mem::take(&mut self.changes)
    }

    /// When a route last changed.
    pub fn last_change(&self) -> Instant {
        self.last_change
    }

    /// For how long nothing may happen although a change is still to come.
    pub fn patience(&self) -> Span {
        match &self.protocol {
            Some(Protocol::Rip(rip)) => rip.patience(),
            Some(Protocol::Ospf(ospf)) => ospf.patience(),
            Some(Protocol::Bgp(bgp)) => bgp.patience(),
            None => Span::ZERO,
        }
    }

    /// The neighbours of its protocols.
    pub fn neighbors(&self, now: Instant) -> Vec<NeighborView> {
        match &self.protocol {
            Some(Protocol::Rip(rip)) => rip.neighbors(now),
            Some(Protocol::Ospf(ospf)) => ospf.neighbors(),
            Some(Protocol::Bgp(bgp)) => bgp.neighbors(),
            None => Vec::new(),
        }
    }

    /// What its protocols did so far.
    pub fn counters(&self) -> Counters {
        let spf_runs = match &self.protocol {
            Some(Protocol::Ospf(ospf)) => ospf.spf_runs(),
            _ => 0,
        };
        if let Some((tx_messages, tx_bytes, rx_messages)) = self.bgp().map(Bgp::counts) {
            return Counters { tx_messages, tx_bytes, rx_messages, ..self.counters };
        }
        Counters { spf_runs, ..self.counters }
    }

    /// Its interfaces.
    pub fn ports(&self) -> &[RoutingPort] {
        &self.ports
    }

    /// The name of its protocol.
    pub fn protocol(&self) -> &'static str {
        match &self.protocol {
            Some(Protocol::Rip(_)) => "rip",
            Some(Protocol::Ospf(_)) => "ospf",
            Some(Protocol::Bgp(_)) => "bgp",
            None => "static",
        }
    }

    fn candidates(&self) -> Vec<Route> {
        let is_up = |hop: &NextHop| self.ports.get(hop.port as usize).is_some_and(|port| port.up);
        let mut routes = Vec::new();
        for (number, port) in (0..).zip(&self.ports) {
            if port.up && !port.addr.is_unspecified() {
                let hops = [NextHop { port: number, gateway: None }].into();
                routes.push(Route { prefix: port.prefix, origin: Origin::Connected, metric: 0, hops });
            }
        }
        for route in &self.statics {
            if let Some(hop) = route.hops.iter().find(|hop| is_up(hop)) {
                let hops = [*hop].into();
                routes.push(Route { prefix: route.prefix, origin: Origin::Static, metric: 0, hops });
            }
        }
        match &self.protocol {
            Some(Protocol::Rip(rip)) => routes.extend(rip.routes()),
            Some(Protocol::Ospf(ospf)) => routes.extend_from_slice(ospf.routes()),
            Some(Protocol::Bgp(bgp)) => routes.extend(bgp.routes()),
            None => {}
        }
        routes
    }

    /// Notes for each prefix whether what is used is another than before. Whether any is.
    fn note_changes(&mut self, routes: &[Route], now: Instant) -> bool {
        let before: BTreeMap<Prefix, &Route> = best(&self.rib).map(|route| (route.prefix, route)).collect();
        let after: BTreeMap<Prefix, &Route> = best(routes).map(|route| (route.prefix, route)).collect();
        let is_same = |a: &Route, b: &Route| a.hops == b.hops && a.metric == b.metric && a.origin == b.origin;
        let mut changes = Vec::new();
        for (prefix, route) in &after {
            if !before.get(prefix).is_some_and(|old| is_same(old, route)) {
                changes.push(RouteChange { at: now, prefix: *prefix, route: Some((*route).clone()) });
            }
        }
        let gone = before.keys().filter(|prefix| !after.contains_key(prefix));
        changes.extend(gone.map(|prefix| RouteChange { at: now, prefix: *prefix, route: None }));
        if changes.is_empty() {
            return false;
        }
        self.last_change = now;
        self.counters.changes += changes.len() as u64;
        if self.keeps_changes {
            self.changes.append(&mut changes);
        }
        true
    }
}

/// The best route of each prefix, of routes sorted by prefix and preference.
fn best(routes: &[Route]) -> impl Iterator<Item = &Route> {
    let is_first = |i: usize| i == 0 || routes[i - 1].prefix != routes[i].prefix;
    (0..routes.len()).filter(move |i| is_first(*i)).map(|i| &routes[i])
}

/// Puts routers into the state that they would be in had their protocols run for long. `segments` lists which (router, port) hear
/// each other.
pub fn converge(controls: &mut [Control], segments: &[Vec<(usize, u32)>], now: Instant) {
    let (mut rips, mut ospfs) = (BTreeMap::new(), BTreeMap::new());
    for (number, control) in controls.iter_mut().enumerate() {
        control.counters = Counters::default();
        match &mut control.protocol {
            Some(Protocol::Rip(rip)) => {
                rips.insert(number, &mut **rip);
            }
            Some(Protocol::Ospf(ospf)) => {
                ospfs.insert(number, &mut **ospf);
            }
            // Sessions need connections, which need time.
            Some(Protocol::Bgp(_)) | None => {}
        }
    }
    rip::converge(&mut rips, segments, now);
    ospf::converge(&mut ospfs, segments, now);
}
