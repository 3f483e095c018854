//! The server's side (RFC 2131 section 4.3): pools of addresses, and who has which for how long.

use super::DhcpSend;
use crate::Prefix;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use tidewire_units::{Instant, Span};
use tidewire_wire::{DhcpKind, DhcpMessage, MacAddr};

/// Addresses to give away on one network, and what goes with them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DhcpPool {
    /// The network.
    pub prefix: Prefix,
    /// The addresses, ascending.
    pub addresses: Vec<Ipv4Addr>,
    /// For how long; whole seconds.
    pub lease: Span,
    /// The gateway of the network.
    pub gateway: Option<Ipv4Addr>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
}

/// What was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ServerStats {
    /// Offers made.
    pub offers: u64,
    /// Addresses given, or given for longer.
    pub acks: u64,
    /// Requests refused.
    pub naks: u64,
    /// Clients that found no address left.
    pub exhausted: u64,
}

/// A row of the table of leases.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaseRow {
    /// The address.
    pub ip: Ipv4Addr,
    /// The client.
    pub mac: MacAddr,
    /// `offered`, `bound`, `declined`, `released` or `expired`.
    pub state: &'static str,
    /// How long it lasts.
    pub left: Span,
}

/// A server.
#[derive(Debug, Default)]
pub struct DhcpServer {
    pools: Vec<DhcpPool>,
    leases: BTreeMap<Ipv4Addr, Held>,
    stats: ServerStats,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Holding {
    Offered,
    Bound,
    Declined,
    Released,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    mac: MacAddr,
    how: Holding,
    until: Instant,
}

/// For how long an offer is kept open.
const OFFER_KEPT: Span = Span::from_secs(60);
/// For how long an address that somebody else uses is not given away.
const DECLINED_FOR: Span = Span::from_secs(3600);

impl DhcpServer {
    /// Adds a pool.
    pub fn add_pool(&mut self, pool: DhcpPool) {
        self.pools.push(pool);
    }

    /// What was counted.
    pub fn stats(&self) -> ServerStats {
        self.stats
    }

    /// Every address that was ever given away, ascending.
    pub fn rows(&self, now: Instant) -> Vec<LeaseRow> {
        let row = |(ip, held): (&Ipv4Addr, &Held)| LeaseRow {
            ip: *ip,
            mac: held.mac,
            state: match held.how {
                Holding::Released => "released",
                _ if held.until <= now => "expired",
                Holding::Offered => "offered",
                Holding::Bound => "bound",
                Holding::Declined => "declined",
            },
            left: held.until.since(now),
        };
        self.leases.iter().map(row).collect()
    }

    /// Handles a client's message that came to the server's address `own`; gives the answer, if there is to be one.
    pub fn handle_message(&mut self, now: Instant, message: &DhcpMessage, own: Ipv4Addr) -> Option<DhcpSend> {
        // The network of the client is that of the relay (RFC 2131 section 4.3.1), of its address, or the server's own.
        let on = [message.giaddr, message.ciaddr, own];
        let near = on.into_iter().find(|addr| !addr.is_unspecified())?;
        let pool = self.pools.iter().find(|pool| pool.prefix.contains(near))?.clone();
        let mac = message.chaddr;
        match message.kind {
            DhcpKind::Discover => {
                let Some(ip) = self.choose(&pool, mac, message.requested, now) else {
                    self.stats.exhausted += 1;
                    return None;
                };
                self.hold(ip, mac, Holding::Offered, now + OFFER_KEPT);
                self.stats.offers += 1;
                Some(answer(message, DhcpKind::Offer, Some(ip), &pool, own))
            }
            DhcpKind::Request => self.handle_request(now, message, &pool, own),
            DhcpKind::Decline => {
                let ip = message.requested.filter(|ip| self.is_held_by(*ip, mac))?;
                self.hold(ip, mac, Holding::Declined, now + DECLINED_FOR);
                None
            }
            DhcpKind::Release => {
                if self.is_held_by(message.ciaddr, mac) {
                    self.hold(message.ciaddr, mac, Holding::Released, now);
                }
                None
            }
            DhcpKind::Inform => Some(answer(message, DhcpKind::Ack, None, &pool, own)),
            DhcpKind::Offer | DhcpKind::Ack | DhcpKind::Nak => None,
        }
    }

    /// RFC 2131 section 4.3.2.
    fn handle_request(
        &mut self,
        now: Instant,
        message: &DhcpMessage,
        pool: &DhcpPool,
        own: Ipv4Addr,
    ) -> Option<DhcpSend> {
        let mac = message.chaddr;
        if message.server.is_some_and(|server| server != own) {
            // The client has taken another server's offer.
            self.leases.retain(|_, held| held.mac != mac || held.how != Holding::Offered);
            return None;
        }
        let selecting = message.server.is_some();
        let ip = if message.ciaddr.is_unspecified() { message.requested? } else { message.ciaddr };
        let is_free = self.leases.get(&ip).is_none_or(|held| held.mac == mac || held.is_over(now));
        let is_mine = if selecting { self.is_held_by(ip, mac) } else { is_free };
        if !is_mine || pool.addresses.binary_search(&ip).is_err() {
            self.stats.naks += 1;
            return Some(answer(message, DhcpKind::Nak, None, pool, own));
        }
        self.hold(ip, mac, Holding::Bound, now + pool.lease);
        self.stats.acks += 1;
        Some(answer(message, DhcpKind::Ack, Some(ip), pool, own))
    }

    /// RFC 2131 section 4.3.1: the address that the client has or had, the one it wants, one that nobody ever had, one that is free
    /// again.
    fn choose(
        &self,
        pool: &DhcpPool,
        mac: MacAddr,
        wanted: Option<Ipv4Addr>,
        now: Instant,
    ) -> Option<Ipv4Addr> {
        let usable = |ip: &Ipv4Addr| {
            self.leases
                .get(ip)
                .is_none_or(|held| held.is_over(now) || (held.mac == mac && held.how != Holding::Declined))
        };
        let in_pool = |ip: &Ipv4Addr| pool.addresses.binary_search(ip).is_ok();
        let own = self.leases.iter().find(|(ip, held)| held.mac == mac && usable(ip) && in_pool(ip));
        let free = || pool.addresses.iter().find(|ip| !self.leases.contains_key(*ip));
        let again = || pool.addresses.iter().filter(|ip| usable(ip)).min_by_key(|ip| self.leases[*ip].until);
        own.map(|(ip, _)| *ip)
            .or(wanted.filter(|ip| in_pool(ip) && usable(ip)))
            .or_else(|| free().copied())
            .or_else(|| again().copied())
    }

    fn hold(&mut self, ip: Ipv4Addr, mac: MacAddr, how: Holding, until: Instant) {
        self.leases.insert(ip, Held { mac, how, until });
    }

    fn is_held_by(&self, ip: Ipv4Addr, mac: MacAddr) -> bool {
        self.leases.get(&ip).is_some_and(|held| held.mac == mac)
    }
}

impl Held {
    fn is_over(&self, now: Instant) -> bool {
        self.until <= now || self.how == Holding::Released
    }
}

/// An answer and where it goes (RFC 2131 section 4.1).
fn answer(
    to: &DhcpMessage,
    kind: DhcpKind,
    ip: Option<Ipv4Addr>,
    pool: &DhcpPool,
    own: Ipv4Addr,
) -> DhcpSend {
    let mut message = DhcpMessage::new(kind, to.xid, to.chaddr);
    (message.giaddr, message.broadcast, message.server) = (to.giaddr, to.broadcast, Some(own));
    if kind != DhcpKind::Nak {
        message.ciaddr = to.ciaddr;
        message.mask = Some(pool.prefix.mask());
        message.routers = pool.gateway.into_iter().collect();
        message.dns = pool.dns.clone();
    }
    if let Some(ip) = ip {
        let seconds = (pool.lease.as_ms() / 1000).min(u64::from(u32::MAX)) as u32;
        message.yiaddr = ip;
        message.lease = Some(seconds);
        (message.t1, message.t2) = (Some(seconds / 2), Some((u64::from(seconds) * 7 / 8) as u32));
    }
    let relay = Some(to.giaddr).filter(|addr| !addr.is_unspecified());
    let known = Some(to.ciaddr).filter(|addr| !addr.is_unspecified() && kind != DhcpKind::Nak);
    DhcpSend { message, to: relay.or(known), to_server: relay.is_some() }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
