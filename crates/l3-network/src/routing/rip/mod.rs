//! RIP version 2 (RFC 2453): every router tells its neighbours how far everything is.

mod receive;
#[cfg(test)]
mod tests;

use super::{Carrier, NeighborView, Origin, Route, RoutingMessage, RoutingPort};
use crate::{NextHop, Prefix};
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use tidewire_units::{Instant, Span, Stream};
use tidewire_wire::{RipCommand, RipEntry, RipMessage};

/// What a router tells a neighbour about routes that it has from there (RFC 2453 section 3.4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SplitHorizon {
    /// The same as everybody else.
    Off,
    /// Nothing.
    Simple,
    /// That they are out of reach.
    #[default]
    Poison,
}

/// Settings of RIP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RipConfig {
    /// Time between regular updates.
    pub update: Span,
    /// Each of these times is longer or shorter by up to so much.
    pub jitter: Span,
    /// A route that was not heard of for so long is out of reach.
    pub timeout: Span,
    /// A route out of reach is announced as such for so long.
    pub garbage: Span,
    /// What is said about routes to those that they come from.
    pub split_horizon: SplitHorizon,
    /// Changes are told at once.
    pub triggered: bool,
    /// Least and most time between two triggered updates.
    pub hold: (Span, Span),
    /// The metric that means out of reach.
    pub infinity: u32,
}

impl Default for RipConfig {
    /// The values of RFC 2453 sections 3.8 and 3.10.1.
    fn default() -> Self {
        RipConfig {
            update: Span::from_secs(30),
            jitter: Span::from_secs(5),
            timeout: Span::from_secs(180),
            garbage: Span::from_secs(120),
            split_horizon: SplitHorizon::default(),
            triggered: true,
            hold: (Span::from_secs(1), Span::from_secs(5)),
            infinity: 16,
        }
    }
}

/// One router's part in RIP.
#[derive(Debug)]
pub struct Rip {
    config: RipConfig,
    ports: Vec<RoutingPort>,
    table: BTreeMap<Prefix, Entry>,
    stream: Stream,
    next_update: Instant,
    /// No triggered update before this.
    held_until: Instant,
    /// Something changed that the neighbours were not told yet.
    pending: bool,
    /// No entry's time is over before this.
    next_expiry: Instant,
    outbox: VecDeque<RoutingMessage>,
    /// Routes are not what they were when somebody last asked.
    changed: bool,
    /// When each neighbour was last heard, by port and address.
    heard: BTreeMap<(u32, Ipv4Addr), Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    metric: u32,
    port: u32,
    /// The router that it was learned from; none for a router's own.
    gateway: Option<Ipv4Addr>,
    /// Within reach: when that ends. Out of reach: when it is forgotten.
    until: Instant,
    /// Since the last triggered update.
    changed: bool,
}

impl Rip {
    /// A router that knows the networks of its interfaces and `announced` ones, and begins to ask its neighbours at `now`.
    pub fn new(
        config: RipConfig,
        ports: Vec<RoutingPort>,
        announced: &[Prefix],
        stream: Stream,
        now: Instant,
    ) -> Rip {
        let mut rip = Rip {
            config,
            ports,
            table: BTreeMap::new(),
            stream,
            next_update: Instant::MAX,
            held_until: now,
            pending: false,
            next_expiry: Instant::MAX,
            outbox: VecDeque::new(),
            changed: true,
            heard: BTreeMap::new(),
        };
        for prefix in announced {
            rip.table.insert(*prefix, Entry::own(u32::MAX));
        }
        for port in 0..rip.ports.len() as u32 {
            rip.add_connected(port);
            rip.ask(port);
        }
        rip.next_update = now + Span::from_ps(rip.stream.between(0, rip.config.jitter.as_ps()));
        rip
    }

    /// The link of a port has gone up or down.
    pub fn set_port_up(&mut self, port: u32, up: bool, now: Instant) {
        if self.ports[port as usize].up == up {
            return;
        }
        self.ports[port as usize].up = up;
        if up {
            self.add_connected(port);
            self.ask(port);
        } else {
            let lost: Vec<Prefix> = self
                .table
                .iter()
                .filter(|(_, entry)| entry.port == port)
                .map(|(prefix, _)| *prefix)
                .collect();
            lost.into_iter().for_each(|prefix| self.lose(prefix, now));
            self.heard.retain(|(on, _), _| *on != port);
        }
        self.tell_changes(now);
    }

    /// When [`handle_timeout`](Rip::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Instant {
        if !self.outbox.is_empty() {
            return Instant::ZERO;
        }
        let triggered = if self.pending { self.held_until } else { Instant::MAX };
        self.next_update.min(self.next_expiry).min(triggered)
    }

    /// Handles every timer that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now >= self.next_expiry {
            self.expire(now);
        }
        if now >= self.next_update {
            for port in 0..self.ports.len() as u32 {
                self.send_table(port, RipMessage::GROUP, false);
            }
            self.table.values_mut().for_each(|entry| entry.changed = false);
            self.pending = false;
            let (update, jitter) = (self.config.update.as_ps(), self.config.jitter.as_ps());
            let wait = self.stream.between(update.saturating_sub(jitter).max(1), update + jitter);
            self.next_update = now + Span::from_ps(wait);
        }
        self.tell_changes(now);
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<RoutingMessage> {
        self.outbox.pop_front()
    }

    /// Whether routes have changed since this was last asked.
    pub fn poll_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What it has learned and can reach, by prefix.
    pub fn routes(&self) -> Vec<Route> {
        let learned = self.table.iter().filter(|(_, entry)| entry.metric < self.config.infinity);
        learned
            .filter_map(|(prefix, entry)| {
                let hops = [NextHop { port: entry.port, gateway: Some(entry.gateway?) }];
                Some(Route { prefix: *prefix, origin: Origin::Rip, metric: entry.metric, hops: hops.into() })
            })
            .collect()
    }

    /// What it believes of a prefix: the metric, [`RipConfig::infinity`] included.
    pub fn metric(&self, prefix: Prefix) -> Option<u32> {
        self.table.get(&prefix).map(|entry| entry.metric)
    }

    /// Everybody heard within the time after which routes are given up.
    pub fn neighbors(&self, now: Instant) -> Vec<NeighborView> {
        let alive = |at: &Instant| now - *at <= self.config.timeout;
        let recent = self.heard.iter().filter(|(_, at)| alive(at));
        recent
            .map(|((port, addr), _)| NeighborView {
                port: *port,
                addr: *addr,
                id: *addr,
                protocol: "rip",
                state: "heard",
            })
            .collect()
    }

    /// A neighbour that falls silent is noticed after so long.
    pub fn patience(&self) -> Span {
        self.config.timeout + self.config.update + self.config.jitter
    }

    /// The ports.
    pub fn ports(&self) -> &[RoutingPort] {
        &self.ports
    }

    fn add_connected(&mut self, port: u32) {
        let RoutingPort { addr, prefix, up, .. } = self.ports[port as usize];
        if up && !addr.is_unspecified() {
            self.table.insert(prefix, Entry { changed: true, ..Entry::own(port) });
            self.changed = true;
        }
    }

    fn ask(&mut self, port: u32) {
        if self.ports[port as usize].speaks() {
            self.send(port, RipMessage::GROUP, &RipMessage::whole_table());
        }
    }

    /// A prefix is out of reach (RFC 2453 section 3.8).
    fn lose(&mut self, prefix: Prefix, now: Instant) {
        let (infinity, until) = (self.config.infinity, now + self.config.garbage);
        if let Some(entry) = self.table.get_mut(&prefix)
            && entry.metric < infinity
        {
            (entry.metric, entry.until, entry.changed) = (infinity, until, true);
            self.next_expiry = self.next_expiry.min(until);
            self.changed = true;
        }
    }

    fn expire(&mut self, now: Instant) {
        let due: Vec<Prefix> =
            self.table.iter().filter(|(_, entry)| entry.until <= now).map(|(prefix, _)| *prefix).collect();
        for prefix in due {
            if self.table[&prefix].metric >= self.config.infinity {
                self.table.remove(&prefix);
            } else {
                self.lose(prefix, now);
            }
        }
        self.next_expiry = self.table.values().map(|entry| entry.until).min().unwrap_or(Instant::MAX);
    }

    /// Sends a triggered update if something changed and it is time (RFC 2453 section 3.10.1).
    fn tell_changes(&mut self, now: Instant) {
        if !self.config.triggered || !self.table.values().any(|entry| entry.changed) {
            return;
        }
        if now < self.held_until {
            self.pending = true;
            return;
        }
        for port in 0..self.ports.len() as u32 {
            self.send_table(port, RipMessage::GROUP, true);
        }
        self.table.values_mut().for_each(|entry| entry.changed = false);
        self.pending = false;
        let (least, most) = (self.config.hold.0.as_ps(), self.config.hold.1.as_ps());
        self.held_until = now + Span::from_ps(self.stream.between(least.min(most), most));
    }

    /// Tells the table, or what changed of it, through a port.
    fn send_table(&mut self, port: u32, to: Ipv4Addr, only_changed: bool) {
        if !self.ports[port as usize].speaks() {
            return;
        }
        let entries = self.entries_for(port, only_changed);
        for part in entries.chunks(RipMessage::MAX_ENTRIES) {
            self.send(port, to, &RipMessage { command: RipCommand::Response, entries: part.to_vec() });
        }
    }

    /// What is told through a port (RFC 2453 section 3.10.2).
    fn entries_for(&self, port: u32, only_changed: bool) -> Vec<RipEntry> {
        let told = self.table.iter().filter(|(_, entry)| entry.changed || !only_changed);
        told.filter_map(|(prefix, entry)| {
            let is_from_there = entry.port == port;
            let metric = match (is_from_there, self.config.split_horizon) {
                (false, _) | (true, SplitHorizon::Off) => entry.metric,
                (true, SplitHorizon::Simple) => return None,
                // Whoever is there is on that network too.
                (true, SplitHorizon::Poison) if entry.gateway.is_none() => return None,
                (true, SplitHorizon::Poison) => self.config.infinity,
            };
            Some(entry_of(*prefix, metric))
        })
        .collect()
    }

    fn send(&mut self, port: u32, dst: Ipv4Addr, message: &RipMessage) {
        self.outbox.push_back(RoutingMessage {
            port,
            dst,
            carrier: Carrier::Rip,
            bytes: message.emit().into(),
        });
    }
}

impl Entry {
    fn own(port: u32) -> Entry {
        Entry { metric: 1, port, gateway: None, until: Instant::MAX, changed: false }
    }
}

fn entry_of(prefix: Prefix, metric: u32) -> RipEntry {
    RipEntry {
        family: RipMessage::IPV4,
        tag: 0,
        addr: prefix.network(),
        mask: prefix.mask(),
        next_hop: Ipv4Addr::UNSPECIFIED,
        metric,
    }
}

/// Puts all routers into the state that they would be in had they talked for long. `segments` lists which (router, port) hear each
/// other.
pub(super) fn converge(rips: &mut BTreeMap<usize, &mut Rip>, segments: &[Vec<(usize, u32)>], now: Instant) {
    loop {
        let mut learned = false;
        for segment in segments {
            for (speaker, port) in segment {
                let Some(rip) = rips.get(speaker).filter(|rip| rip.ports[*port as usize].speaks()) else {
                    continue;
                };
                let (from, entries) = (rip.ports[*port as usize].addr, rip.entries_for(*port, false));
                for (listener, at) in segment.iter().filter(|(listener, _)| listener != speaker) {
                    if let Some(other) = rips.get_mut(listener) {
                        learned |= other.learn(*at, from, &entries, now);
                    }
                }
            }
        }
        if !learned {
            break;
        }
    }
    for rip in rips.values_mut() {
        rip.outbox.clear();
        rip.table.values_mut().for_each(|entry| entry.changed = false);
        rip.pending = false;
        rip.next_update = now + Span::from_ps(rip.stream.between(0, rip.config.update.as_ps()));
    }
}
