//! Neighbours come and go (RFC 2328 sections 9.5 and 10.5).

use super::{Neighbor, NeighborState, Ospf};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use tidewire_units::{Instant, Span};
use tidewire_wire::{OspfBody, OspfHello, OspfPacket};

impl Ospf {
    pub(super) fn send_hello(&mut self, port: usize) {
        let iface = &self.ports[port];
        let hello = OspfHello {
            mask: iface.port.prefix.mask(),
            interval: seconds(self.config.hello) as u16,
            options: 2,
            priority: 0,
            dead: seconds(self.config.dead),
            designated: Ipv4Addr::UNSPECIFIED,
            backup: Ipv4Addr::UNSPECIFIED,
            neighbors: iface.neighbors.iter().map(|neighbor| neighbor.id).collect(),
        };
        self.send(port, OspfPacket::GROUP, OspfBody::Hello(hello));
    }

    pub(super) fn handle_hello(
        &mut self,
        port: usize,
        src: Ipv4Addr,
        id: Ipv4Addr,
        hello: &OspfHello,
        now: Instant,
    ) {
        let config = &self.config;
        if u32::from(hello.interval) != seconds(config.hello) || hello.dead != seconds(config.dead) {
            return;
        }
        let dead_at = now + config.dead;
        let neighbors = &mut self.ports[port].neighbors;
        let n = neighbors.iter().position(|neighbor| neighbor.id == id).unwrap_or_else(|| {
            neighbors.push(Neighbor::new(src, id));
            neighbors.len() - 1
        });
        let neighbor = &mut neighbors[n];
        (neighbor.dead_at, neighbor.addr) = (dead_at, src);
        let hears = hello.neighbors.contains(&self.id);
        match (hears, neighbor.state) {
            (true, NeighborState::Init) => self.start_exchange(port, n, now),
            (false, NeighborState::Init) | (true, _) => {}
            // It has forgotten this router: one-way.
            (false, _) => {
                let was_full = neighbor.state == NeighborState::Full;
                *neighbor = Neighbor { dead_at, ..Neighbor::new(src, id) };
                if was_full {
                    self.links_changed(now);
                }
            }
        }
    }

    /// Neighbours that were silent for too long are gone.
    pub(super) fn bury_dead(&mut self, port: usize, now: Instant) {
        let neighbors = &mut self.ports[port].neighbors;
        let full = |all: &[Neighbor]| all.iter().filter(|n| n.state == NeighborState::Full).count();
        let before = full(neighbors);
        neighbors.retain(|neighbor| neighbor.dead_at > now);
        if full(neighbors) != before {
            self.links_changed(now);
        }
    }
}

impl Neighbor {
    pub(super) fn new(addr: Ipv4Addr, id: Ipv4Addr) -> Neighbor {
        Neighbor {
            addr,
            id,
            state: NeighborState::Init,
            dead_at: Instant::MAX,
            leads: true,
            seq: 0,
            summary: VecDeque::new(),
            sent: Bytes::new(),
            received: None,
            describe_at: Instant::MAX,
            missing: BTreeMap::new(),
            asked: Vec::new(),
            ask_at: Instant::MAX,
            unacked: BTreeMap::new(),
            resend_at: Instant::MAX,
        }
    }
}

/// Whole seconds, as they stand in hellos; at least one.
fn seconds(span: Span) -> u32 {
    (span.as_ms() / 1000).clamp(1, u64::from(u16::MAX)) as u32
}
