//! Announcements: one's own, and those of others on their way to everybody (RFC 2328 sections 12.4 and 13).

use super::database::newer;
use super::{ACK_DELAY, MIN_LS_ARRIVAL, MIN_LS_INTERVAL, NeighborState, Ospf, REFRESH};
use bytes::Bytes;
use std::cmp::Ordering;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tidewire_units::Instant;
use tidewire_wire::{Lsa, LsaBody, LsaHeader, LsaKey, OspfBody, OspfPacket, RouterLink};

/// Seconds that an announcement ages on its way over a link (appendix C.3, InfTransDelay).
const TRANSMIT_DELAY: u16 = 1;
/// The bit of a router that announces networks outside.
const BOUNDARY: u8 = 2;
/// What networks outside cost.
const EXTERNAL_METRIC: u32 = 20;

impl Ospf {
    /// Its links have changed: they are announced, but not too often.
    pub(super) fn links_changed(&mut self, now: Instant) {
        let earliest = self.announced_at.map_or(now, |at| at + MIN_LS_INTERVAL);
        self.announce_at = self.announce_at.min(earliest.max(now));
    }

    /// Announces its links as they are now, if they are not as announced.
    pub(super) fn announce_links(&mut self, now: Instant) {
        let mut links = Vec::new();
        for iface in self.ports.iter().filter(|iface| iface.port.up && !iface.port.addr.is_unspecified()) {
            let (port, metric) = (&iface.port, iface.port.cost as u16);
            let full = iface.neighbors.iter().filter(|neighbor| neighbor.state == NeighborState::Full);
            let to_router = |id| RouterLink { id, data: port.addr, kind: RouterLink::POINT_TO_POINT, metric };
            links.extend(full.map(|neighbor| to_router(neighbor.id)));
            let (id, data) = (port.prefix.network(), port.prefix.mask());
            links.push(RouterLink { id, data, kind: RouterLink::STUB, metric });
        }
        let flags = if self.announced.is_empty() { 0 } else { BOUNDARY };
        let key = LsaKey { kind: LsaKey::ROUTER, id: self.id, router: self.id };
        let body = Arc::new(LsaBody::Router { flags, links });
        if self.database.get(&key).is_none_or(|known| known.body != body) {
            self.announce(key, body, now);
        }
        for prefix in self.announced.clone() {
            let key = LsaKey { kind: LsaKey::EXTERNAL, id: prefix.network(), router: self.id };
            let (forward, metric) = (Ipv4Addr::UNSPECIFIED, EXTERNAL_METRIC);
            let body = LsaBody::External { mask: prefix.mask(), outside: true, metric, forward, tag: 0 };
            let body = Arc::new(body);
            if self.database.get(&key).is_none() {
                self.announce(key, body, now);
            }
        }
    }

    fn announce(&mut self, key: LsaKey, body: Arc<LsaBody>, now: Instant) {
        let seq = self.seqs.get(&key).map_or(Lsa::FIRST_SEQ, |seq| seq.wrapping_add(1));
        self.seqs.insert(key, seq);
        self.announced_at = Some(now);
        self.refresh_at = self.refresh_at.min(now + REFRESH);
        self.spread(Lsa::new(key, seq, body), None, now);
    }

    /// Announces everything anew before it grows too old.
    pub(super) fn refresh(&mut self, now: Instant) {
        self.refresh_at = Instant::MAX;
        for key in self.seqs.keys().copied().collect::<Vec<_>>() {
            if let Some(lsa) = self.database.get(&key) {
                self.announce(key, lsa.body.clone(), now);
            }
        }
    }

    /// Takes an announcement in and passes it on to everybody but the one that it came from. Whether it goes back out of the port
    /// that it came in.
    fn spread(&mut self, lsa: Lsa, from: Option<(usize, usize)>, now: Instant) -> bool {
        let key = lsa.header.key;
        if self.database.install(lsa.clone(), now) {
            self.schedule_spf(now);
        }
        let retransmit = self.config.retransmit;
        let mut goes_back = false;
        for (p, iface) in self.ports.iter_mut().enumerate().filter(|(_, iface)| iface.port.speaks()) {
            let mut is_wanted = false;
            for (n, neighbor) in iface.neighbors.iter_mut().enumerate() {
                if neighbor.state < NeighborState::Exchange {
                    continue;
                }
                if let Some(known) = neighbor.missing.get(&key) {
                    let order = newer(&lsa.header, known);
                    if order == Ordering::Less {
                        continue;
                    }
                    neighbor.missing.remove(&key);
                    if order == Ordering::Equal {
                        continue;
                    }
                }
                neighbor.unacked.remove(&key);
                if from != Some((p, n)) {
                    neighbor.unacked.insert(key, (lsa.clone(), now));
                    neighbor.resend_at = neighbor.resend_at.min(now + retransmit);
                    is_wanted = true;
                }
            }
            if is_wanted {
                iface.floods.push(lsa.clone());
                goes_back |= from.is_some_and(|(port, _)| port == p);
            }
        }
        goes_back
    }

    pub(super) fn handle_update(&mut self, port: usize, n: usize, lsas: Vec<Lsa>, now: Instant) {
        if self.ports[port].neighbors[n].state < NeighborState::Exchange {
            return;
        }
        let (mut direct, mut back) = (Vec::new(), Vec::new());
        for lsa in lsas {
            self.handle_lsa(port, n, lsa, now, &mut direct, &mut back);
        }
        let dst = self.ports[port].neighbors[n].addr;
        if !direct.is_empty() {
            self.send(port, dst, OspfBody::Ack(direct));
        }
        self.send_updates(port, dst, &back, now);
        for p in 0..self.ports.len() {
            for n in 0..self.ports[p].neighbors.len() {
                self.ask(p, n, now);
            }
        }
    }

    /// One announcement (section 13). `direct` takes acknowledgments that are due at once, `back` what the neighbour lacks.
    fn handle_lsa(
        &mut self,
        port: usize,
        n: usize,
        lsa: Lsa,
        now: Instant,
        direct: &mut Vec<LsaHeader>,
        back: &mut Vec<Lsa>,
    ) {
        let (header, key) = (lsa.header, lsa.header.key);
        let known = self.database.header(&key, now);
        let order = known.map_or(Ordering::Greater, |known| newer(&header, &known));
        let exchanges = self.exchanges();
        let neighbor = &mut self.ports[port].neighbors[n];
        match order {
            Ordering::Greater if header.age >= Lsa::MAX_AGE && known.is_none() && !exchanges => {
                direct.push(header);
            }
            Ordering::Greater if key.router == self.id => {
                neighbor.missing.remove(&key);
                direct.push(header);
                self.outdo(lsa, now);
            }
            // Too soon after the one before: it will be sent again.
            Ordering::Greater
                if self.database.flooded_at(&key).is_some_and(|at| now - at < MIN_LS_ARRIVAL) => {}
            Ordering::Greater => {
                let asked = neighbor.missing.contains_key(&key);
                let lsa = self.shared.share(lsa);
                if !self.spread(lsa, Some((port, n)), now) {
                    let iface = &mut self.ports[port];
                    iface.acks.push(header);
                    iface.ack_at = iface.ack_at.min(now + ACK_DELAY);
                }
                if asked {
                    self.database.note_asked(&key);
                }
            }
            Ordering::Equal => {
                neighbor.missing.remove(&key);
                // What was on its way there has crossed this: that is an acknowledgment.
                if neighbor.unacked.remove(&key).is_none() {
                    direct.push(header);
                }
            }
            Ordering::Less => back.extend(self.database.get(&key)),
        }
    }

    /// An announcement in its own name that is newer than its own: from an earlier life (section 13.4).
    fn outdo(&mut self, lsa: Lsa, now: Instant) {
        let key = lsa.header.key;
        match self.database.get(&key) {
            Some(own) => {
                self.seqs.insert(key, lsa.header.seq);
                self.announce(key, own.body.clone(), now);
            }
            None => {
                let mut gone = lsa;
                gone.header.age = Lsa::MAX_AGE;
                self.spread(gone, None, now);
                self.database.next_expiry = now;
            }
        }
    }

    fn exchanges(&self) -> bool {
        let mut all = self.ports.iter().flat_map(|iface| &iface.neighbors);
        all.any(|neighbor| matches!(neighbor.state, NeighborState::Exchange | NeighborState::Loading))
    }

    pub(super) fn handle_ack(&mut self, port: usize, n: usize, headers: &[LsaHeader]) {
        let neighbor = &mut self.ports[port].neighbors[n];
        for header in headers {
            let is_it = |sent: &Lsa| sent.header.seq == header.seq && sent.header.checksum == header.checksum;
            if neighbor.unacked.get(&header.key).is_some_and(|(sent, _)| is_it(sent)) {
                neighbor.unacked.remove(&header.key);
            }
        }
        if neighbor.unacked.is_empty() {
            neighbor.resend_at = Instant::MAX;
        }
    }

    /// Announcements that nobody renewed leave every database (section 14).
    pub(super) fn age(&mut self, now: Instant) {
        for lsa in self.database.expired(now) {
            self.spread(lsa, None, now);
        }
        let exchanges = self.exchanges();
        let ports = &self.ports;
        let is_needed = |key: &LsaKey| {
            let mut all = ports.iter().flat_map(|iface| &iface.neighbors);
            exchanges || all.any(|neighbor| neighbor.unacked.contains_key(key))
        };
        self.database.sweep(is_needed, now, self.config.retransmit);
    }

    /// Sends what is to be flooded. What goes out of several ports alike is made once.
    pub(super) fn send_floods(&mut self, now: Instant) {
        let mut last: (usize, Vec<Lsa>, Vec<Bytes>) = Default::default();
        for port in 0..self.ports.len() {
            let lsas = std::mem::take(&mut self.ports[port].floods);
            if lsas.is_empty() {
                continue;
            }
            let room = self.room(port);
            if room != last.0 || lsas != last.1 {
                let updates = self.updates(&lsas, room, now);
                last = (room, lsas, updates);
            }
            last.2.iter().for_each(|update| self.send_again(port, OspfPacket::GROUP, update.clone()));
        }
    }

    /// Sends announcements to one neighbour.
    pub(super) fn send_updates(&mut self, port: usize, dst: Ipv4Addr, lsas: &[Lsa], now: Instant) {
        for update in self.updates(lsas, self.room(port), now) {
            self.send_again(port, dst, update);
        }
    }

    /// Announcements, as many to a packet as fit.
    fn updates(&self, lsas: &[Lsa], room: usize, now: Instant) -> Vec<Bytes> {
        let (mut updates, mut batch, mut used) = (Vec::new(), Vec::new(), 0);
        for lsa in lsas {
            let len = usize::from(lsa.header.len);
            if used + len > room && !batch.is_empty() {
                updates.push(self.emit(OspfBody::Update(std::mem::take(&mut batch))));
                used = 0;
            }
            let mut copy = lsa.clone();
            let known = self.database.header(&copy.header.key, now);
            let age =
                known.filter(|known| known.seq == copy.header.seq).map_or(copy.header.age, |known| known.age);
            copy.header.age = (age + TRANSMIT_DELAY).min(Lsa::MAX_AGE);
            used += len;
            batch.push(copy);
        }
        if !batch.is_empty() {
            updates.push(self.emit(OspfBody::Update(batch)));
        }
        updates
    }
}
