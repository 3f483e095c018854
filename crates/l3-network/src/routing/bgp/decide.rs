//! Which way is used, and who is told (RFC 4271 section 9).

use super::{Best, Bgp, BgpPolicy, Peer, Relation, SessionState};
use crate::Prefix;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tidewire_units::Instant;
use tidewire_wire::{BgpMessage, BgpPath, BgpPrefix, BgpUpdate};

/// The preference of ways without a policy, and of a router's own networks.
const USUAL: u32 = 100;
const OWN: u32 = u32::MAX;

impl Bgp {
    /// Chooses among what is offered for a prefix (section 9.1.2.2).
    pub(super) fn decide(&mut self, prefix: Prefix) {
        let offers = self.peers.iter().enumerate().filter(|(_, peer)| !peer.policy.denies(prefix));
        let offers = offers.filter_map(|(number, peer)| Some((number, peer, peer.offers.get(&prefix)?)));
        let mut candidates: Vec<Best> = offers
            .map(|(number, peer, path)| {
                let inside = peer.asn == self.config.asn;
                let local_pref =
                    if inside { path.local_pref.unwrap_or(USUAL) } else { peer.policy.preference() };
                Best { path: path.clone(), local_pref, from: Some(number) }
            })
            .collect();
        if self.own.contains(&prefix) {
            let next_hop = Ipv4Addr::UNSPECIFIED;
            let path = BgpPath { origin: 0, asns: Vec::new(), next_hop, med: None, local_pref: None };
            candidates.push(Best { path: Arc::new(path), local_pref: OWN, from: None });
        }
        let chosen = self.choose(candidates);
        if self.best.get(&prefix) == chosen.as_ref() {
            return;
        }
        match chosen {
            Some(best) => drop(self.best.insert(prefix, best)),
            None => drop(self.best.remove(&prefix)),
        }
        self.changed = true;
        for peer in self.peers.iter_mut().filter(|peer| peer.state == SessionState::Established) {
            peer.pending.insert(prefix);
        }
    }

    fn choose(&self, mut all: Vec<Best>) -> Option<Best> {
        let asn_of = |best: &Best| best.path.asns.first().copied();
        let rank = |best: &Best| (Reverse(best.local_pref), best.path.asns.len(), best.path.origin);
        let top = all.iter().map(rank).min()?;
        all.retain(|best| rank(best) == top);
        // The discriminator compares ways into one neighbouring AS only (section 9.1.2.2 c).
        let med = |best: &Best| best.path.med.unwrap_or(0);
        let lowest: Vec<u32> = all
            .iter()
            .map(|best| all.iter().filter(|o| asn_of(o) == asn_of(best)).map(med).min().unwrap_or(0))
            .collect();
        let mut lowest = lowest.into_iter();
        all.retain(|best| lowest.next() == Some(med(best)));
        let last = |best: &Best| {
            let peer = best.from.map(|from| &self.peers[from]);
            peer.map(|peer| (peer.asn == self.config.asn, peer.id, peer.addr))
        };
        all.into_iter().min_by_key(last)
    }

    /// Tells neighbours what is new for them: what is gone at once, the rest not too often (section 9.2.1.1).
    pub(super) fn tell(&mut self, now: Instant) {
        for peer in 0..self.peers.len() {
            let own = &self.peers[peer];
            if own.state != SessionState::Established || own.pending.is_empty() {
                continue;
            }
            let (mut withdrawn, mut news) = (Vec::new(), BTreeMap::<Prefix, Arc<BgpPath>>::new());
            let mut later = BTreeSet::new();
            for prefix in own.pending.clone() {
                let offer = self.best.get(&prefix).and_then(|best| self.export(best, peer));
                match offer {
                    None if own.told.contains_key(&prefix) => withdrawn.push(prefix),
                    None => {}
                    Some(path) if own.told.get(&prefix).is_some_and(|told| **told == path) => {}
                    Some(_) if now < own.quiet_until => {
                        later.insert(prefix);
                    }
                    Some(path) => {
                        news.insert(prefix, Arc::new(path));
                    }
                }
            }
            let own = &mut self.peers[peer];
            own.pending = later;
            withdrawn.iter().for_each(|prefix| drop(own.told.remove(prefix)));
            own.told.extend(news.iter().map(|(prefix, path)| (*prefix, path.clone())));
            if !news.is_empty() {
                own.quiet_until = now + self.config.mrai;
            }
            self.send_updates(peer, &withdrawn, news);
        }
    }

    fn send_updates(&mut self, peer: usize, withdrawn: &[Prefix], news: BTreeMap<Prefix, Arc<BgpPath>>) {
        // So many prefixes, with the longest of paths, fit into a message.
        const MOST: usize = 500;
        let pair = |prefix: &Prefix| -> BgpPrefix { (prefix.network(), prefix.bits()) };
        for part in withdrawn.chunks(MOST) {
            let withdrawn = part.iter().map(pair).collect();
            self.send(peer, &BgpMessage::Update(BgpUpdate { withdrawn, ..BgpUpdate::default() }));
        }
        // Prefixes with the same way share a message.
        let mut groups: Vec<(Arc<BgpPath>, Vec<BgpPrefix>)> = Vec::new();
        for (prefix, path) in news {
            match groups.iter_mut().find(|(known, all)| *known == path && all.len() < MOST) {
                Some((_, all)) => all.push(pair(&prefix)),
                None => groups.push((path, vec![pair(&prefix)])),
            }
        }
        for (path, announced) in groups {
            let path = Some((*path).clone());
            self.send(peer, &BgpMessage::Update(BgpUpdate { withdrawn: Vec::new(), path, announced }));
        }
    }

    /// What a neighbour is told of the way in use; `None` for nothing.
    fn export(&self, best: &Best, to: usize) -> Option<BgpPath> {
        let (to, from) = (&self.peers[to], best.from.map(|from| &self.peers[from]));
        let inside = |peer: &Peer| peer.asn == self.config.asn;
        let is_back = from.is_some_and(|from| from.addr == to.addr);
        // What comes from inside the AS is known there (section 9.2).
        if is_back || from.is_some_and(inside) && inside(to) {
            return None;
        }
        let free = |peer: &Peer| matches!(peer.policy.relation, None | Some(Relation::Customer));
        if !inside(to) && !free(to) && !from.is_none_or(|from| inside(from) || free(from)) {
            return None;
        }
        let next_hop = self.ports[to.port as usize].addr;
        let mut path = BgpPath { next_hop, med: None, local_pref: None, ..(*best.path).clone() };
        if inside(to) {
            path.local_pref = Some(best.local_pref.min(i32::MAX as u32));
        } else {
            path.asns.insert(0, self.config.asn);
            path.med = to.policy.med;
            if path.asns.contains(&to.asn) {
                return None;
            }
        }
        Some(path)
    }
}

impl BgpPolicy {
    /// Whether routes to a network are not taken: it lies in one that is denied.
    fn denies(&self, prefix: Prefix) -> bool {
        self.deny.iter().any(|net| net.bits() <= prefix.bits() && net.contains(prefix.network()))
    }

    fn preference(&self) -> u32 {
        let usual = match self.relation {
            Some(Relation::Customer) => 200,
            Some(Relation::Peer) | None => USUAL,
            Some(Relation::Provider) => 50,
        };
        self.prefer.unwrap_or(usual)
    }
}
