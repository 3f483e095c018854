//! What a router makes of its neighbours' messages (RFC 2453 section 3.9).

use super::{Entry, Rip};
use crate::Prefix;
use std::net::Ipv4Addr;
use tidewire_units::Instant;
use tidewire_wire::{RipCommand, RipEntry, RipMessage};

impl Rip {
    /// Handles a message that came in through `port` from `src`. False when it is not one.
    pub fn handle_message(&mut self, port: u32, src: Ipv4Addr, bytes: &[u8], now: Instant) -> bool {
        let Ok(message) = RipMessage::parse(bytes) else { return false };
        if !self.ports.get(port as usize).is_some_and(|port| port.is_neighbor(src)) {
            return true;
        }
        match message.command {
            RipCommand::Request if message.asks_for_all() => self.send_table(port, src, false),
            RipCommand::Request => self.answer(port, src, message),
            RipCommand::Response => {
                self.heard.insert((port, src), now);
                self.learn(port, src, &message.entries, now);
                self.tell_changes(now);
            }
        }
        true
    }

    /// Answers a question about some routes, as they are, without split horizon (RFC 2453 section 3.9.1).
    fn answer(&mut self, port: u32, src: Ipv4Addr, mut message: RipMessage) {
        for entry in &mut message.entries {
            let prefix = prefix_of(entry);
            entry.metric = prefix.and_then(|prefix| self.metric(prefix)).unwrap_or(self.config.infinity);
        }
        message.command = RipCommand::Response;
        self.send(port, src, &message);
    }

    /// Takes what a neighbour tells (RFC 2453 section 3.9.2). Whether anything was new.
    pub(super) fn learn(&mut self, port: u32, from: Ipv4Addr, entries: &[RipEntry], now: Instant) -> bool {
        let mut news = false;
        for entry in entries {
            news |= self.learn_one(port, from, entry, now);
        }
        self.changed |= news;
        news
    }

    fn learn_one(&mut self, port: u32, from: Ipv4Addr, entry: &RipEntry, now: Instant) -> bool {
        let infinity = self.config.infinity;
        let Some(prefix) = prefix_of(entry).filter(|_| (1..=infinity).contains(&entry.metric)) else {
            return false;
        };
        let own = &self.ports[port as usize];
        // Another next hop counts only if it can be reached directly (RFC 2453 section 4.4).
        let direct = !entry.next_hop.is_unspecified() && own.is_neighbor(entry.next_hop);
        let gateway = if direct { entry.next_hop } else { from };
        let metric = entry.metric.saturating_add(own.cost).min(infinity);
        let until = now + self.config.timeout;
        let new = Entry { metric, port, gateway: Some(gateway), until, changed: true };
        let Some(known) = self.table.get_mut(&prefix) else {
            if metric < infinity {
                self.table.insert(prefix, new);
                self.next_expiry = self.next_expiry.min(until);
            }
            return metric < infinity;
        };
        if known.gateway.is_none() && known.metric < infinity {
            return false;
        }
        let is_same = known.gateway == Some(gateway) && known.port == port;
        if is_same && metric < infinity {
            known.until = until;
        }
        // As good, and the one in use has not been heard of for long.
        let is_stale =
            metric == known.metric && metric < infinity && known.until - now < self.config.timeout / 2;
        let takes = if is_same { metric != known.metric } else { metric < known.metric || is_stale };
        if !takes {
            return false;
        }
        if metric >= infinity {
            self.lose(prefix, now);
        } else {
            *known = new;
            self.next_expiry = self.next_expiry.min(until);
        }
        true
    }
}

/// The network of an entry; `None` for what is no network that packets can be sent to.
fn prefix_of(entry: &RipEntry) -> Option<Prefix> {
    let len = entry.mask.to_bits().leading_ones();
    let prefix = Prefix::new(entry.addr, len as u8)?;
    let is_whole = prefix.mask() == entry.mask && entry.family == RipMessage::IPV4;
    let first = entry.addr.octets()[0];
    let is_default = prefix == Prefix::DEFAULT;
    (is_whole && (is_default || first != 0 && first != 127 && first < 224)).then_some(prefix)
}
