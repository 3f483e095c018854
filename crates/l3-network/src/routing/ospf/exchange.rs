//! Two neighbours make their databases the same (RFC 2328 sections 10.6 to 10.9).

use super::{Neighbor, NeighborState, Ospf};
use std::collections::BTreeMap;
use tidewire_units::Instant;
use tidewire_wire::{Lsa, LsaHeader, LsaKey, OspfBody, OspfDescription};

impl Ospf {
    /// The neighbour hears this router: they begin by agreeing on who leads.
    pub(super) fn start_exchange(&mut self, port: usize, n: usize, now: Instant) {
        let first = self.stream.bits() as u32;
        let neighbor = &mut self.ports[port].neighbors[n];
        neighbor.state = NeighborState::ExStart;
        neighbor.leads = true;
        neighbor.seq = if neighbor.seq == 0 { first >> 1 } else { neighbor.seq.wrapping_add(1) };
        neighbor.received = None;
        neighbor.summary.clear();
        neighbor.missing.clear();
        neighbor.asked.clear();
        neighbor.ask_at = Instant::MAX;
        neighbor.unacked.clear();
        neighbor.resend_at = Instant::MAX;
        self.describe(port, n, now);
    }

    /// The other side lost its way: again from the start (section 10.3, SeqNumberMismatch and BadLSReq).
    fn restart(&mut self, port: usize, n: usize, now: Instant) {
        let was_full = self.ports[port].neighbors[n].state == NeighborState::Full;
        self.start_exchange(port, n, now);
        if was_full {
            self.links_changed(now);
        }
    }

    /// Sends the next part of the description of the database.
    fn describe(&mut self, port: usize, n: usize, now: Instant) {
        let most = self.room(port) / LsaHeader::LEN;
        let mtu = self.ports[port].port.mtu;
        let retransmit = self.config.retransmit;
        let neighbor = &mut self.ports[port].neighbors[n];
        let init = neighbor.state == NeighborState::ExStart;
        let part = neighbor.summary.len().min(most);
        let headers: Vec<LsaHeader> = neighbor.summary.drain(..part).collect();
        let more = init || !neighbor.summary.is_empty();
        let description = OspfDescription {
            mtu,
            options: 2,
            init,
            more,
            master: neighbor.leads,
            seq: neighbor.seq,
            headers,
        };
        neighbor.describe_at = if neighbor.leads { now + retransmit } else { Instant::MAX };
        let dst = neighbor.addr;
        let sent = self.send(port, dst, OspfBody::Description(description));
        self.ports[port].neighbors[n].sent = sent;
    }

    pub(super) fn handle_description(&mut self, port: usize, n: usize, got: OspfDescription, now: Instant) {
        let neighbor = &mut self.ports[port].neighbors[n];
        let stamp = (got.init, got.more, got.master, got.seq);
        match neighbor.state {
            NeighborState::Init => {
                // It hears this router, or it would not have come so far.
                self.start_exchange(port, n, now);
                self.agree(port, n, &got, now);
            }
            NeighborState::ExStart => self.agree(port, n, &got, now),
            // A repetition: whoever follows says again what it said.
            _ if neighbor.received == Some(stamp) => {
                if !neighbor.leads {
                    let (dst, sent) = (neighbor.addr, neighbor.sent.clone());
                    self.send_again(port, dst, sent);
                }
            }
            NeighborState::Exchange => {
                let expected = if neighbor.leads { neighbor.seq } else { neighbor.seq.wrapping_add(1) };
                if got.init || got.master == neighbor.leads || got.seq != expected {
                    return self.restart(port, n, now);
                }
                self.go_on(port, n, got, now);
            }
            NeighborState::Loading | NeighborState::Full => self.restart(port, n, now),
        }
    }

    /// Who leads? The higher identifier (section 10.6, ExStart).
    fn agree(&mut self, port: usize, n: usize, got: &OspfDescription, now: Instant) {
        let own = self.id;
        let neighbor = &mut self.ports[port].neighbors[n];
        let is_start = got.init && got.more && got.master && got.headers.is_empty();
        if is_start && neighbor.id > own {
            (neighbor.leads, neighbor.seq) = (false, got.seq);
        } else if got.init || got.master || got.seq != neighbor.seq || neighbor.id > own {
            return;
        }
        neighbor.state = NeighborState::Exchange;
        neighbor.summary = self.database.headers(now).into();
        if is_start {
            neighbor.received = Some((got.init, got.more, got.master, got.seq));
            self.describe(port, n, now);
        } else {
            self.go_on(port, n, got.clone(), now);
        }
    }

    /// A part of the other's description in order (section 10.6, Exchange).
    fn go_on(&mut self, port: usize, n: usize, got: OspfDescription, now: Instant) {
        let neighbor = &mut self.ports[port].neighbors[n];
        neighbor.received = Some((got.init, got.more, got.master, got.seq));
        for header in &got.headers {
            if self.database.is_news(header, now) {
                neighbor.missing.insert(header.key, *header);
            }
        }
        if neighbor.leads {
            neighbor.seq = neighbor.seq.wrapping_add(1);
            if !got.more && neighbor.sent_last() {
                neighbor.describe_at = Instant::MAX;
                return self.load(port, n, now);
            }
            self.describe(port, n, now);
        } else {
            neighbor.seq = got.seq;
            self.describe(port, n, now);
            if !got.more && self.ports[port].neighbors[n].sent_last() {
                self.load(port, n, now);
            }
        }
    }

    /// Descriptions are over: what is missing is asked for.
    fn load(&mut self, port: usize, n: usize, now: Instant) {
        self.ports[port].neighbors[n].state = NeighborState::Loading;
        self.ask(port, n, now);
    }

    /// Asks for the next of what is missing; with nothing missing, the two are adjacent.
    pub(super) fn ask(&mut self, port: usize, n: usize, now: Instant) {
        let most = (self.room(port) / 36).max(1);
        let retransmit = self.config.retransmit;
        let neighbor = &mut self.ports[port].neighbors[n];
        if neighbor.state != NeighborState::Loading {
            return;
        }
        if neighbor.missing.is_empty() {
            neighbor.state = NeighborState::Full;
            (neighbor.summary, neighbor.asked) = Default::default();
            neighbor.ask_at = Instant::MAX;
            return self.links_changed(now);
        }
        neighbor.asked.retain(|key| neighbor.missing.contains_key(key));
        if neighbor.asked.is_empty() {
            let keys: Vec<LsaKey> = neighbor.missing.keys().take(most).copied().collect();
            neighbor.asked.clone_from(&keys);
            neighbor.ask_at = now + retransmit;
            let dst = neighbor.addr;
            self.send(port, dst, OspfBody::Request(keys));
        }
    }

    /// The neighbour asks for announcements (section 10.7).
    pub(super) fn handle_request(&mut self, port: usize, n: usize, keys: &[LsaKey], now: Instant) {
        if self.ports[port].neighbors[n].state < NeighborState::Exchange {
            return;
        }
        let found: Option<Vec<Lsa>> = keys.iter().map(|key| self.database.get(key)).collect();
        let Some(lsas) = found else { return self.restart(port, n, now) };
        let dst = self.ports[port].neighbors[n].addr;
        self.send_updates(port, dst, &lsas, now);
    }

    /// Says again what may have been lost.
    pub(super) fn repeat(&mut self, port: usize, n: usize, now: Instant) {
        let retransmit = self.config.retransmit;
        let neighbor = &mut self.ports[port].neighbors[n];
        let dst = neighbor.addr;
        if now >= neighbor.describe_at {
            neighbor.describe_at = now + retransmit;
            let sent = neighbor.sent.clone();
            self.send_again(port, dst, sent);
        }
        let neighbor = &mut self.ports[port].neighbors[n];
        if now >= neighbor.ask_at {
            neighbor.asked.clear();
            neighbor.ask_at = Instant::MAX;
            self.ask(port, n, now);
        }
        let neighbor = &mut self.ports[port].neighbors[n];
        if now >= neighbor.resend_at {
            let due = |at: Instant| at + retransmit <= now;
            let again: Vec<Lsa> =
                neighbor.unacked.values().filter(|(_, at)| due(*at)).map(|(lsa, _)| lsa.clone()).collect();
            neighbor.unacked.values_mut().filter(|(_, at)| due(*at)).for_each(|(_, at)| *at = now);
            neighbor.resend_at = earliest(&neighbor.unacked) + retransmit;
            self.send_updates(port, dst, &again, now);
        }
    }
}

impl Neighbor {
    /// Whether the latest description sent said that it was the last.
    fn sent_last(&self) -> bool {
        const FLAGS_AT: usize = 24 + 3;
        const MORE: u8 = 2;
        self.sent.get(FLAGS_AT).is_some_and(|flags| flags & MORE == 0)
    }
}

fn earliest(unacked: &BTreeMap<LsaKey, (Lsa, Instant)>) -> Instant {
    unacked.values().map(|(_, at)| *at).min().unwrap_or(Instant::MAX)
}
