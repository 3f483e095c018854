//! Sessions with neighbours (RFC 4271 section 8). Of two routers the one with the higher address connects and the other listens, so
//! that connections never collide.

use super::{Bgp, BgpAction, BgpPolicy, Peer, SessionState};
use crate::Prefix;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tidewire_units::{Instant, Span};
use tidewire_wire::{BgpMessage, BgpUpdate};

/// Hold timer while the other side has not said who it is (section 8.2.2, a large value).
const OPEN_HOLD: Span = Span::from_secs(240);
/// Error codes (section 4.5).
const MESSAGE_ERROR: u8 = 1;
const OPEN_ERROR: u8 = 2;
const HOLD_EXPIRED: u8 = 4;
const BAD_PEER_AS: u8 = 2;

impl Bgp {
    /// The transport to a neighbour is there.
    pub fn connected(&mut self, peer: usize, now: Instant) {
        let hold = (self.config.hold.as_ms() / 1000) as u16;
        let open = BgpMessage::Open { asn: self.config.asn, hold, id: self.id };
        let own = &mut self.peers[peer];
        own.input.clear();
        own.state = SessionState::OpenSent;
        (own.retry_at, own.dead_at) = (Instant::MAX, now + OPEN_HOLD);
        self.send(peer, &open);
    }

    /// The transport to a neighbour is gone, or could not be had.
    pub fn closed(&mut self, peer: usize, now: Instant) {
        let retry = self.config.connect_retry;
        self.forget(peer);
        self.peers[peer].retry_at = now + retry;
        self.tell(now);
    }

    /// Bytes from a neighbour.
    pub fn received(&mut self, peer: usize, bytes: &[u8], now: Instant) {
        self.peers[peer].input.extend_from_slice(bytes);
        loop {
            match BgpMessage::parse(&self.peers[peer].input) {
                Ok(Some((message, len))) => {
                    self.peers[peer].input.drain(..len);
                    self.handle(peer, message, now);
                }
                Ok(None) => break,
                Err(_) => {
                    self.fail(peer, MESSAGE_ERROR, 0, now);
                    break;
                }
            }
        }
        self.tell(now);
    }

    fn handle(&mut self, peer: usize, message: BgpMessage, now: Instant) {
        self.heard += 1;
        let own = &mut self.peers[peer];
        own.dead_at = if own.hold.is_zero() { Instant::MAX } else { now + own.hold };
        match (own.state, message) {
            (SessionState::OpenSent, BgpMessage::Open { asn, hold, id }) => {
                if asn != own.asn {
                    return self.fail(peer, OPEN_ERROR, BAD_PEER_AS, now);
                }
                own.id = id;
                own.hold = self.config.hold.min(Span::from_secs(u64::from(hold)));
                own.dead_at = if own.hold.is_zero() { Instant::MAX } else { now + own.hold };
                own.state = SessionState::OpenConfirm;
                self.keep_alive(peer, now);
            }
            (SessionState::OpenConfirm, BgpMessage::Keepalive) => {
                own.state = SessionState::Established;
                own.pending = self.best.keys().copied().collect();
            }
            (SessionState::Established, BgpMessage::Keepalive) => {}
            (SessionState::Established, BgpMessage::Update(update)) => self.take(peer, update),
            (_, BgpMessage::Notification { .. }) => self.reset(peer, now),
            // Not at this point (section 6.6, finite state machine error).
            _ => self.fail(peer, 5, 0, now),
        }
    }

    /// What a neighbour offers, and no longer offers (section 9).
    fn take(&mut self, peer: usize, update: BgpUpdate) {
        let prefix_of = |(addr, len)| Prefix::new(addr, len);
        let path = update.path.map(Arc::new);
        let (asn, own) = (self.config.asn, &mut self.peers[peer]);
        let mut touched = BTreeSet::new();
        for prefix in update.withdrawn.into_iter().filter_map(prefix_of) {
            own.offers.remove(&prefix);
            touched.insert(prefix);
        }
        for prefix in update.announced.into_iter().filter_map(prefix_of) {
            let Some(path) = &path else { continue };
            // A way through this AS itself is a loop (section 9.1.2).
            if path.asns.contains(&asn) {
                own.offers.remove(&prefix);
            } else {
                own.offers.insert(prefix, path.clone());
            }
            touched.insert(prefix);
        }
        touched.into_iter().for_each(|prefix| self.decide(prefix));
    }

    pub(super) fn handle_peer_timeout(&mut self, peer: usize, now: Instant) {
        let own = &mut self.peers[peer];
        if now >= own.retry_at {
            own.retry_at = Instant::MAX;
            let connects = self.ports[own.port as usize].addr > own.addr;
            own.state = if connects { SessionState::Connect } else { SessionState::Active };
            if connects {
                self.actions.push_back(BgpAction::Connect(peer));
            }
        }
        let own = &mut self.peers[peer];
        if now >= own.dead_at {
            return self.fail(peer, HOLD_EXPIRED, 0, now);
        }
        if now >= own.keepalive_at {
            self.keep_alive(peer, now);
        }
    }

    fn keep_alive(&mut self, peer: usize, now: Instant) {
        let own = &mut self.peers[peer];
        own.keepalive_at = if own.hold.is_zero() { Instant::MAX } else { now + own.hold / 3 };
        self.send(peer, &BgpMessage::Keepalive);
    }

    pub(super) fn send(&mut self, peer: usize, message: &BgpMessage) {
        let bytes = message.emit();
        self.sent = (self.sent.0 + 1, self.sent.1 + bytes.len() as u64);
        self.actions.push_back(BgpAction::Send(peer, bytes));
    }

    /// Says what is wrong and ends the session.
    fn fail(&mut self, peer: usize, code: u8, subcode: u8, now: Instant) {
        self.send(peer, &BgpMessage::Notification { code, subcode });
        self.reset(peer, now);
    }

    /// Ends a session; it is tried again later.
    pub(super) fn reset(&mut self, peer: usize, now: Instant) {
        self.actions.push_back(BgpAction::Close(peer));
        self.forget(peer);
        self.peers[peer].retry_at = now + self.config.connect_retry;
    }

    fn forget(&mut self, peer: usize) {
        let own = &mut self.peers[peer];
        own.state = SessionState::Idle;
        (own.dead_at, own.keepalive_at, own.quiet_until) = (Instant::MAX, Instant::MAX, Instant::ZERO);
        own.input.clear();
        own.told.clear();
        own.pending.clear();
        let lost = std::mem::take(&mut own.offers);
        lost.into_keys().for_each(|prefix| self.decide(prefix));
    }
}

impl Peer {
    pub(super) fn new(port: u32, addr: Ipv4Addr, asn: u16, policy: BgpPolicy, retry_at: Instant) -> Peer {
        Peer {
            port,
            addr,
            asn,
            id: Ipv4Addr::UNSPECIFIED,
            policy,
            state: SessionState::Idle,
            input: Vec::new(),
            hold: OPEN_HOLD,
            retry_at,
            dead_at: Instant::MAX,
            keepalive_at: Instant::MAX,
            quiet_until: Instant::ZERO,
            offers: BTreeMap::new(),
            told: BTreeMap::new(),
            pending: BTreeSet::new(),
        }
    }

    pub(super) fn next_timeout(&self) -> Instant {
        let pending = !self.pending.is_empty() && self.state == SessionState::Established;
        let tell_at = if pending { self.quiet_until } else { Instant::MAX };
        self.retry_at.min(self.dead_at).min(self.keepalive_at).min(tell_at)
    }
}
