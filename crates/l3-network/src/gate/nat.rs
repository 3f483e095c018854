//! Network address and port translation: mappings from inner to outer endpoints, and who may use them from outside.
//!
//! RFC 4787 for UDP, RFC 5382 for TCP, RFC 5508 for ICMP. Ports are kept where they are free (RFC 4787 section 4.2.1, without
//! overloading), and have the parity of the inner ones while that is possible (section 4.2.2).

use super::{FlowKey, Nature, Subject, TcpPhase, Timeouts};
use rustc_hash::FxHashMap;
use std::net::Ipv4Addr;
use tidewire_units::{Instant, Span};
use tidewire_wire::{Endpoint, Protocol, TcpFlags};

/// On what something depends besides the inner endpoint (RFC 4787 sections 4.1 and 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dependence {
    /// On nothing.
    Independent,
    /// On the outer host.
    Address,
    /// On the outer host and its port.
    AddressAndPort,
}

/// What a translator does.
#[derive(Clone, PartialEq, Debug)]
pub struct NatConfig {
    /// When one inner endpoint gets another mapping.
    pub mapping: Dependence,
    /// Who may send to a mapping.
    pub filtering: Dependence,
    /// First and last port given to TCP and UDP.
    pub ports: (u16, u16),
    /// After how long of silence mappings are forgotten.
    pub timeouts: Timeouts,
    /// Inner hosts reach each other's mappings (RFC 4787 section 6).
    pub hairpin: bool,
}

impl NatConfig {
    /// A type by the name that RFC 3489 section 5 gave it: `full_cone`, `restricted`, `port_restricted`, `symmetric`.
    pub fn of_type(name: &str) -> Option<NatConfig> {
        let (mapping, filtering) = match name {
            "full_cone" => (Dependence::Independent, Dependence::Independent),
            "restricted" => (Dependence::Independent, Dependence::Address),
            "port_restricted" => (Dependence::Independent, Dependence::AddressAndPort),
            "symmetric" => (Dependence::AddressAndPort, Dependence::AddressAndPort),
            _ => return None,
        };
        let timeouts = Timeouts::default();
        Some(NatConfig { mapping, filtering, ports: (1024, u16::MAX), timeouts, hairpin: true })
    }
}

/// A port of the outer address that always leads to an inner endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortForward {
    /// Protocol number of TCP or UDP.
    pub protocol: u8,
    /// The outer port.
    pub port: u16,
    /// Where it leads.
    pub to: Endpoint,
}

/// Why a packet is not translated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Untranslated {
    /// No port is free.
    NoPort,
    /// Nobody inside has asked for anything there.
    NoMapping,
    /// There is a mapping, but not for this sender.
    Filtered,
}

/// A packet's new addresses and ports; of an ICMP error also those of the packet that it quotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rewritten {
    /// Of the packet.
    pub flow: FlowKey,
    /// Of the packet that it quotes.
    pub quoted: Option<FlowKey>,
}

/// What was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NatStats {
    /// Packets translated on their way out.
    pub translated_out: u64,
    /// Packets translated on their way in.
    pub translated_in: u64,
    /// Packets from inside to inside by way of the outer address.
    pub hairpinned: u64,
    /// Mappings made.
    pub mappings: u64,
    /// Packets from outside that nobody asked for.
    pub refused_in: u64,
    /// Packets from inside for which no port was free.
    pub no_port: u64,
}

/// A row of the table of mappings.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NatRow {
    /// Protocol number.
    pub protocol: u8,
    /// The inner endpoint.
    pub inner: Endpoint,
    /// The port (of ICMP: identifier) at the outer address.
    pub outer_port: u16,
    /// Those that it talks to.
    pub peers: Vec<Endpoint>,
    /// Of TCP: how far the connections are, in the order of the peers.
    pub states: Vec<&'static str>,
    /// How long it is kept without another packet; nothing for one made by hand.
    pub left: Option<Span>,
}

#[derive(Debug)]
struct Mapping {
    inner: Endpoint,
    /// The one peer that it is for, where mappings depend on the peer.
    only: Option<Endpoint>,
    /// Made by hand: never forgotten, open to all.
    fixed: bool,
    until: Instant,
    peers: FxHashMap<Endpoint, Peer>,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    phase: TcpPhase,
    until: Instant,
}

/// Protocol and inner endpoint, with the peer where mappings depend on it.
type InnerKey = (u8, Endpoint, Option<Endpoint>);

/// A translator with one outer address.
#[derive(Debug)]
pub struct Nat {
    config: NatConfig,
    /// By protocol and outer port.
    mappings: FxHashMap<(u8, u16), Mapping>,
    by_inner: FxHashMap<InnerKey, u16>,
    /// Where the search for a free port goes on, by protocol.
    cursors: FxHashMap<u8, u16>,
    /// No port of the protocol becomes free before this.
    full: FxHashMap<u8, Instant>,
    stats: NatStats,
}

impl Nat {
    /// A translator without mappings but those made by hand; of two for one port the later one counts.
    pub fn new(config: NatConfig, forwards: &[PortForward]) -> Nat {
        let mut nat = Nat {
            config,
            mappings: FxHashMap::default(),
            by_inner: FxHashMap::default(),
            cursors: FxHashMap::default(),
            full: FxHashMap::default(),
            stats: NatStats::default(),
        };
        forwards.iter().for_each(|forward| nat.forward(*forward));
        nat
    }

    /// Makes a mapping by hand.
    pub fn forward(&mut self, forward: PortForward) {
        let PortForward { protocol, port, to } = forward;
        self.forget(protocol, port);
        let (until, peers) = (Instant::MAX, FxHashMap::default());
        self.mappings.insert((protocol, port), Mapping { inner: to, only: None, fixed: true, until, peers });
        self.by_inner.insert((protocol, to, None), port);
    }

    /// What was counted.
    pub fn stats(&self) -> NatStats {
        self.stats
    }

    /// What it does.
    pub fn config(&self) -> &NatConfig {
        &self.config
    }

    /// Whether packets to this port of the outer address lead inside.
    pub fn leads_inside(&self, subject: &Subject, now: Instant) -> bool {
        match subject.nature {
            Nature::Error(about) => self.live(about.protocol, about.src.port, now).is_some(),
            _ => self.live(subject.flow.protocol, subject.flow.dst.port, now).is_some(),
        }
    }

    /// A packet that leaves: its source becomes a port of `outer`.
    ///
    /// # Errors
    /// No port is free; an error about a packet that was never translated.
    pub fn outbound(
        &mut self,
        subject: &Subject,
        outer: Ipv4Addr,
        now: Instant,
    ) -> Result<Rewritten, Untranslated> {
        let flow = subject.flow;
        if let Nature::Error(about) = subject.nature {
            // RFC 5508 section 4.2: about a packet that had come in.
            let port =
                self.known(about.protocol, about.dst, about.src, now).ok_or(Untranslated::NoMapping)?;
            self.stats.translated_out += 1;
            let flow = FlowKey { src: Endpoint::new(outer, 0), ..flow };
            return Ok(Rewritten {
                flow,
                quoted: Some(FlowKey { dst: Endpoint::new(outer, port), ..about }),
            });
        }
        if flow.protocol == Protocol::ICMP.0 && flow.src.port == 0 {
            return Err(Untranslated::NoMapping);
        }
        let port = match self.known(flow.protocol, flow.src, flow.dst, now) {
            Some(port) => port,
            None => self.map(flow, now)?,
        };
        self.stats.translated_out += 1;
        self.note(flow.protocol, port, flow.dst, subject.nature, false, now);
        Ok(Rewritten { flow: FlowKey { src: Endpoint::new(outer, port), ..flow }, quoted: None })
    }

    /// A packet for the outer address: its destination becomes the inner endpoint.
    ///
    /// # Errors
    /// There is no mapping, or not for this sender.
    pub fn inbound(&mut self, subject: &Subject, now: Instant) -> Result<Rewritten, Untranslated> {
        let flow = subject.flow;
        if let Nature::Error(about) = subject.nature {
            // RFC 5508 section 4.1: from whoever is on the way, but about a packet that had left.
            let mapping = self.live(about.protocol, about.src.port, now).ok_or(Untranslated::NoMapping)?;
            let inner = mapping.inner;
            if !mapping.fixed && !mapping.peers.contains_key(&about.dst) {
                return Err(Untranslated::Filtered);
            }
            self.stats.translated_in += 1;
            let flow = FlowKey { dst: Endpoint::new(inner.addr, 0), ..flow };
            return Ok(Rewritten { flow, quoted: Some(FlowKey { src: inner, ..about }) });
        }
        let filtering = self.config.filtering;
        let port = flow.dst.port;
        let mapping = self.live(flow.protocol, port, now).ok_or(Untranslated::NoMapping)?;
        let inner = mapping.inner;
        if !mapping.fixed && !mapping.admits(filtering, flow.src, now) {
            return Err(Untranslated::Filtered);
        }
        self.stats.translated_in += 1;
        // RFC 4787 REQ-6: what comes in keeps no mapping of UDP alive; of TCP it does.
        if flow.protocol == Protocol::TCP.0 {
            self.note(flow.protocol, port, flow.src, subject.nature, true, now);
        }
        Ok(Rewritten { flow: FlowKey { dst: inner, ..flow }, quoted: None })
    }

    /// A packet from inside for a mapping of another inner host: both its ends change (RFC 4787 REQ-9: the source is the outer one).
    ///
    /// # Errors
    /// As for a packet that leaves, then comes in; all are refused where hairpinning is off.
    pub fn hairpin(
        &mut self,
        subject: &Subject,
        outer: Ipv4Addr,
        now: Instant,
    ) -> Result<Rewritten, Untranslated> {
        if !self.config.hairpin {
            return Err(Untranslated::Filtered);
        }
        let left = self.outbound(subject, outer, now)?;
        let nature = left.quoted.map_or(subject.nature, Nature::Error);
        let came = self.inbound(&Subject { flow: left.flow, nature, ..*subject }, now)?;
        self.stats.hairpinned += 1;
        Ok(came)
    }

    /// Counts a packet that was refused.
    pub fn count_refused(&mut self, why: Untranslated) {
        match why {
            Untranslated::NoPort => self.stats.no_port += 1,
            Untranslated::NoMapping | Untranslated::Filtered => self.stats.refused_in += 1,
        }
    }

    /// Forgets the mappings but those made by hand.
    pub fn clear(&mut self) {
        self.mappings.retain(|_, mapping| mapping.fixed);
        let mappings = &self.mappings;
        self.by_inner.retain(|(protocol, ..), port| mappings.contains_key(&(*protocol, *port)));
        self.full.clear();
    }

    /// The live mappings, sorted.
    pub fn rows(&self, now: Instant) -> Vec<NatRow> {
        let live = self.mappings.iter().filter(|(_, mapping)| mapping.is_live(now));
        let mut rows: Vec<NatRow> = live
            .map(|((protocol, outer_port), mapping)| {
                let mut peers: Vec<(Endpoint, &'static str)> = (mapping.peers.iter())
                    .filter(|(_, peer)| peer.until > now)
                    .map(|(end, peer)| (*end, peer.phase.name()))
                    .collect();
                peers.sort_unstable();
                let is_tcp = *protocol == Protocol::TCP.0;
                NatRow {
                    protocol: *protocol,
                    inner: mapping.inner,
                    outer_port: *outer_port,
                    peers: peers.iter().map(|(end, _)| *end).collect(),
                    states: peers.iter().filter(|_| is_tcp).map(|(_, state)| *state).collect(),
                    left: (!mapping.fixed).then(|| mapping.until.since(now)),
                }
            })
            .collect();
        rows.sort_unstable();
        rows
    }

    fn live(&self, protocol: u8, port: u16, now: Instant) -> Option<&Mapping> {
        self.mappings.get(&(protocol, port)).filter(|mapping| mapping.is_live(now))
    }

    fn key(&self, protocol: u8, inner: Endpoint, peer: Endpoint) -> InnerKey {
        let only = match self.config.mapping {
            Dependence::Independent => None,
            Dependence::Address => Some(Endpoint::new(peer.addr, 0)),
            Dependence::AddressAndPort => Some(peer),
        };
        (protocol, inner, only)
    }

    /// The outer port of an inner endpoint on its way to a peer; one made by hand comes first.
    fn known(&self, protocol: u8, inner: Endpoint, peer: Endpoint, now: Instant) -> Option<u16> {
        let by_hand = (protocol, inner, None);
        [by_hand, self.key(protocol, inner, peer)].into_iter().find_map(|key| {
            let port = *self.by_inner.get(&key)?;
            self.live(protocol, port, now).map(|_| port)
        })
    }

    /// A new mapping for the sender of a packet.
    fn map(&mut self, flow: FlowKey, now: Instant) -> Result<u16, Untranslated> {
        let port = self.free_port(flow.protocol, flow.src.port, now).ok_or(Untranslated::NoPort)?;
        let key = self.key(flow.protocol, flow.src, flow.dst);
        if let Some(old) = self.by_inner.get(&key).copied() {
            self.forget(flow.protocol, old);
        }
        // Whose mapping of this port has ended gets another one, RFC 4787 REQ-1.
        self.forget(flow.protocol, port);
        self.stats.mappings += 1;
        self.by_inner.insert(key, port);
        let (inner, only) = (key.1, key.2);
        let peers = FxHashMap::default();
        self.mappings.insert((flow.protocol, port), Mapping { inner, only, fixed: false, until: now, peers });
        Ok(port)
    }

    /// The port itself if it is free, else the next one of its parity, else the next one.
    fn free_port(&mut self, protocol: u8, wanted: u16, now: Instant) -> Option<u16> {
        let (first, last) = match Protocol(protocol) {
            Protocol::TCP | Protocol::UDP => self.config.ports,
            Protocol::ICMP => (1, u16::MAX),
            // Without ports one inner host has the protocol.
            _ => (0, 0),
        };
        if (first..=last).contains(&wanted) && self.is_free(protocol, wanted, now) {
            return Some(wanted);
        }
        if self.full.get(&protocol).is_some_and(|until| now < *until) {
            return None;
        }
        let start = self.cursors.get(&protocol).copied().unwrap_or(first);
        let around = || (start..=last).chain(first..start);
        let same = around().filter(|port| port % 2 == wanted % 2);
        let other = around().filter(|port| port % 2 != wanted % 2);
        let found = same.chain(other).find(|port| self.is_free(protocol, *port, now));
        match found {
            Some(port) => {
                self.cursors.insert(protocol, if port < last { port + 1 } else { first });
            }
            None => {
                self.full.insert(protocol, now + Span::from_secs(1));
            }
        }
        found
    }

    fn is_free(&self, protocol: u8, port: u16, now: Instant) -> bool {
        self.live(protocol, port, now).is_none()
    }

    fn forget(&mut self, protocol: u8, port: u16) {
        let Some(mapping) = self.mappings.remove(&(protocol, port)) else { return };
        let key = (protocol, mapping.inner, mapping.only);
        if self.by_inner.get(&key) == Some(&port) {
            self.by_inner.remove(&key);
        }
    }

    /// A packet between a mapping and a peer passes.
    fn note(&mut self, protocol: u8, port: u16, end: Endpoint, nature: Nature, is_reply: bool, now: Instant) {
        let Some(mapping) = self.mappings.get_mut(&(protocol, port)) else { return };
        let flags = if let Nature::Tcp(flags) = nature { flags } else { TcpFlags::NONE };
        if is_reply && !mapping.peers.contains_key(&end) {
            return;
        }
        if !mapping.peers.contains_key(&end) {
            mapping.peers.retain(|_, peer| peer.until > now);
        }
        let fresh = Peer { phase: TcpPhase::default(), until: now };
        let peer = mapping.peers.entry(end).or_insert(fresh);
        if peer.until <= now || (peer.phase.is_over() && flags.syn() && !flags.ack()) {
            *peer = fresh;
        }
        peer.phase.note(flags, is_reply);
        peer.until = now + self.config.timeouts.of(protocol, peer.phase);
        if !mapping.fixed {
            mapping.until = mapping.peers.values().map(|peer| peer.until).max().unwrap_or(now);
        }
    }
}

impl Mapping {
    fn is_live(&self, now: Instant) -> bool {
        self.fixed || self.until > now
    }

    /// Whether a sender may use it (RFC 4787 section 5).
    fn admits(&self, filtering: Dependence, from: Endpoint, now: Instant) -> bool {
        let mut live = self.peers.iter().filter(|(_, peer)| peer.until > now);
        match filtering {
            Dependence::Independent => true,
            Dependence::Address => live.any(|(end, _)| end.addr == from.addr),
            Dependence::AddressAndPort => live.any(|(end, _)| *end == from),
        }
    }
}

#[cfg(test)]
#[path = "nat_tests.rs"]
mod tests;
