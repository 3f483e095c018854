//! Address resolution: ARP (RFC 826), with the cache, queueing and flood prevention that RFC 1122 section 2.3.2 asks for, and neighbour
//! discovery (RFC 4861), whose entries are tested again when they are old and in use.

use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use tidewire_units::{Instant, Span};
use tidewire_wire::{AddressBook, Hot, MacKey};

/// How an interface resolves addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArpConfig {
    /// How long an answer is believed after it was last confirmed.
    pub timeout: Span,
    /// Time between requests; RFC 1122 allows at most one a second for each destination.
    pub interval: Span,
    /// Requests sent before giving up.
    pub tries: u8,
    /// Packets kept for one address while it is being resolved; more push out the oldest.
    pub pending: usize,
}

impl Default for ArpConfig {
    /// 20 minutes as in BSD; three requests a second apart as in Linux.
    fn default() -> Self {
        ArpConfig { timeout: Span::from_secs(1200), interval: Span::from_secs(1), tries: 3, pending: 100 }
    }
}

/// The answer to "where does this packet go on this link?".
#[derive(Clone, Copy, Debug)]
pub enum Resolved {
    /// To this address, which is believed until then.
    To(MacKey, Instant),
    /// Unknown: the packet waits. `ask` says whether to send a request now; `dropped` is a packet that had to make room.
    Waits {
        /// Send an ARP request.
        ask: bool,
        /// The oldest waiting packet, pushed out.
        dropped: Option<Hot>,
    },
}

/// An address that nobody answered for, and the packets that waited for it.
#[derive(Debug)]
pub struct GivenUp {
    /// The address.
    pub ip: Ipv4Addr,
    /// The packets.
    pub packets: VecDeque<Hot>,
}

#[derive(Debug)]
enum Entry {
    Known {
        mac: MacKey,
        until: Instant,
    },
    Asking {
        next: Instant,
        tries: u8,
        packets: VecDeque<Hot>,
    },
    /// Known, but not heard of for a while: used and tested at once (RFC 4861 section 7.3.2, DELAY and PROBE).
    Testing {
        mac: MacKey,
        next: Instant,
        tries: u8,
    },
}

/// REACHABLE_TIME and DELAY_FIRST_PROBE_TIME (RFC 4861 section 10); the former without its random factor.
const REACHABLE: Span = Span::from_secs(30);
const BEFORE_TEST: Span = Span::from_secs(5);

/// How much is known of a neighbour.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NeighborState {
    /// Heard of lately.
    Reachable,
    /// Heard of, but not lately; IPv6 only.
    Stale,
    /// In use since it became stale, and soon to be tested.
    Delay,
    /// Being tested.
    Probe,
    /// Asked for, not yet answered.
    Incomplete,
}

impl NeighborState {
    /// The name in RFC 4861 section 7.3.2.
    pub const fn name(self) -> &'static str {
        match self {
            NeighborState::Reachable => "REACHABLE",
            NeighborState::Stale => "STALE",
            NeighborState::Delay => "DELAY",
            NeighborState::Probe => "PROBE",
            NeighborState::Incomplete => "INCOMPLETE",
        }
    }
}

/// The neighbours on one interface.
#[derive(Debug)]
pub struct Neighbors {
    config: ArpConfig,
    entries: FxHashMap<Ipv4Addr, Entry>,
    /// Addresses being asked for, in the order in which the asking began.
    asking: Vec<Ipv4Addr>,
    /// The last answer of [`Neighbors::resolve`], because traffic comes in trains.
    last: Option<(Ipv4Addr, MacKey, Instant)>,
}

impl Neighbors {
    /// Nobody is known yet.
    pub fn new(config: ArpConfig) -> Neighbors {
        Neighbors { config, entries: FxHashMap::default(), asking: Vec::new(), last: None }
    }

    /// Resolves addresses in another way from now on.
    pub fn configure(&mut self, config: ArpConfig) {
        self.config = config;
    }

    /// Where a packet for `ip` goes; keeps the packet when that must be asked first.
    #[inline]
    pub fn resolve(&mut self, now: Instant, ip: Ipv4Addr, packet: &Hot) -> Resolved {
        match self.last {
            Some((last, mac, until)) if last == ip && now <= until => Resolved::To(mac, until),
            _ => self.resolve_slowly(now, ip, packet),
        }
    }

    fn resolve_slowly(&mut self, now: Instant, ip: Ipv4Addr, packet: &Hot) -> Resolved {
        match self.entries.get_mut(&ip) {
            Some(Entry::Known { mac, until }) if now <= *until => {
                self.last = Some((ip, *mac, *until));
                Resolved::To(*mac, *until)
            }
            Some(Entry::Testing { mac, next, .. }) => Resolved::To(*mac, *next),
            Some(Entry::Known { mac, .. }) if AddressBook::is_v6(ip) => {
                let (mac, next) = (*mac, now + BEFORE_TEST);
                self.entries.insert(ip, Entry::Testing { mac, next, tries: 0 });
                self.asking.push(ip);
                Resolved::To(mac, next)
            }
            Some(Entry::Asking { packets, .. }) => {
                packets.push_back(*packet);
                let dropped = if packets.len() > self.config.pending { packets.pop_front() } else { None };
                Resolved::Waits { ask: false, dropped }
            }
            _ => {
                let next = now + self.config.interval;
                let entry = Entry::Asking { next, tries: 1, packets: VecDeque::from([*packet]) };
                self.entries.insert(ip, entry);
                self.asking.push(ip);
                Resolved::Waits { ask: true, dropped: None }
            }
        }
    }

    /// Notes that `ip` is at `mac`, and gives back the packets that waited for it, oldest first. With `only_known`, an address that
    /// nobody here has asked for is not added (RFC 826: merge if present, add only when the packet is for us).
    pub fn learn(&mut self, now: Instant, ip: Ipv4Addr, mac: MacKey, only_known: bool) -> VecDeque<Hot> {
        if only_known && !self.entries.contains_key(&ip) {
            return VecDeque::new();
        }
        if let Some(Entry::Known { until: Instant::MAX, .. }) = self.entries.get(&ip) {
            return VecDeque::new();
        }
        self.last = None;
        let until = now + if AddressBook::is_v6(ip) { REACHABLE } else { self.config.timeout };
        match self.entries.insert(ip, Entry::Known { mac, until }) {
            Some(Entry::Asking { packets, .. }) => {
                self.asking.retain(|asked| *asked != ip);
                packets
            }
            Some(Entry::Testing { .. }) => {
                self.asking.retain(|asked| *asked != ip);
                VecDeque::new()
            }
            _ => VecDeque::new(),
        }
    }

    /// The link has come up again: what was asked for meanwhile nobody has heard, so it is asked for anew. Says whether anything is.
    pub fn ask_again(&mut self, now: Instant) -> bool {
        let mut any = false;
        for ip in &self.asking {
            if let Some(Entry::Asking { next, tries, .. }) = self.entries.get_mut(ip) {
                (*next, *tries, any) = (now, 0, true);
            }
        }
        any
    }

    /// When the next request is due; [`Instant::MAX`] for never.
    pub fn next_timeout(&self) -> Instant {
        self.asking.iter().map(|ip| self.due(*ip)).min().unwrap_or(Instant::MAX)
    }

    /// Requests that are due are returned to be sent again, to everybody or, as a test, to the one who is known; addresses that were
    /// asked for too often are given up.
    pub fn handle_timeout(&mut self, now: Instant) -> (Vec<(Ipv4Addr, Option<MacKey>)>, Vec<GivenUp>) {
        let (mut ask, mut given_up) = (Vec::new(), Vec::new());
        for ip in self.asking.clone() {
            let (next, tries, mac) = match self.entries.get_mut(&ip) {
                Some(Entry::Asking { next, tries, .. }) => (next, tries, None),
                Some(Entry::Testing { next, tries, mac }) => (next, tries, Some(*mac)),
                _ => continue,
            };
            if *next > now {
                continue;
            }
            if *tries < self.config.tries {
                *tries += 1;
                *next = now + self.config.interval;
                ask.push((ip, mac));
            } else {
                self.asking.retain(|asked| *asked != ip);
                self.last = None;
                if let Some(Entry::Asking { packets, .. }) = self.entries.remove(&ip) {
                    given_up.push(GivenUp { ip, packets });
                }
            }
        }
        (ask, given_up)
    }

    /// Believes for ever that `ip` is at `mac`; gives back the packets that waited for it.
    pub fn pin(&mut self, ip: Ipv4Addr, mac: MacKey) -> VecDeque<Hot> {
        self.last = None;
        self.asking.retain(|asked| *asked != ip);
        match self.entries.insert(ip, Entry::Known { mac, until: Instant::MAX }) {
            Some(Entry::Asking { packets, .. }) => packets,
            _ => VecDeque::new(),
        }
    }

    /// Whether any packet waits for an answer.
    pub fn has_waiting(&self) -> bool {
        self.waiting().next().is_some()
    }

    /// Packets that wait for an answer, in the order in which the asking began.
    pub fn waiting(&self) -> impl Iterator<Item = &Hot> {
        let queues = self.asking.iter().filter_map(|ip| match self.entries.get(ip) {
            Some(Entry::Asking { packets, .. }) => Some(packets),
            _ => None,
        });
        queues.flatten()
    }

    /// Forgets everybody; packets that waited are given back.
    pub fn clear(&mut self) -> Vec<Hot> {
        self.last = None;
        let asking = std::mem::take(&mut self.asking);
        let mut waiting = Vec::new();
        for ip in asking {
            if let Some(Entry::Asking { packets, .. }) = self.entries.remove(&ip) {
                waiting.extend(packets);
            }
        }
        self.entries.clear();
        waiting
    }

    /// The live entries, sorted by address: (address, MAC, time until it expires).
    pub fn entries(&self, now: Instant) -> Vec<(Ipv4Addr, MacKey, Span)> {
        let mut rows: Vec<_> = self
            .entries
            .iter()
            .filter_map(|(ip, entry)| match entry {
                Entry::Known { mac, until } if now <= *until => Some((*ip, *mac, until.since(now))),
                _ => None,
            })
            .collect();
        rows.sort_unstable();
        rows
    }

    /// Every entry that is not too old, sorted by address.
    pub fn states(&self, now: Instant) -> Vec<(Ipv4Addr, Option<MacKey>, NeighborState)> {
        let state = |(ip, entry): (&Ipv4Addr, &Entry)| match entry {
            Entry::Known { mac, until } if now <= *until => Some((*ip, Some(*mac), NeighborState::Reachable)),
            Entry::Known { mac, .. } if AddressBook::is_v6(*ip) => {
                Some((*ip, Some(*mac), NeighborState::Stale))
            }
            Entry::Known { .. } => None,
            Entry::Testing { mac, tries: 0, .. } => Some((*ip, Some(*mac), NeighborState::Delay)),
            Entry::Testing { mac, .. } => Some((*ip, Some(*mac), NeighborState::Probe)),
            Entry::Asking { .. } => Some((*ip, None, NeighborState::Incomplete)),
        };
        let mut rows: Vec<_> = self.entries.iter().filter_map(state).collect();
        rows.sort_unstable();
        rows
    }

    fn due(&self, ip: Ipv4Addr) -> Instant {
        match self.entries.get(&ip) {
            Some(Entry::Asking { next, .. } | Entry::Testing { next, .. }) => *next,
            _ => Instant::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire_wire::{ArpOperation, ArpPacket, Packets};

    const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
    const MAC: MacKey = MacKey(7);

    fn at(s: u64) -> Instant {
        Instant::ZERO + Span::from_secs(s)
    }

    fn some_packet() -> Hot {
        Packets::new().insert_arp(ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: MAC.mac(),
            sender_ip: IP,
            target_mac: MacKey::ZERO.mac(),
            target_ip: IP,
        })
    }

    fn is_to(resolved: Resolved, mac: MacKey) -> bool {
        matches!(resolved, Resolved::To(to, _) if to == mac)
    }

    #[test]
    fn the_first_packet_asks_and_the_next_only_wait() {
        let mut neighbors = Neighbors::new(ArpConfig::default());
        assert!(matches!(neighbors.resolve(at(0), IP, &some_packet()), Resolved::Waits { ask: true, .. }));
        assert!(matches!(neighbors.resolve(at(0), IP, &some_packet()), Resolved::Waits { ask: false, .. }));
        assert_eq!(neighbors.learn(at(0), IP, MAC, false).len(), 2);
        assert!(is_to(neighbors.resolve(at(0), IP, &some_packet()), MAC));
        assert_eq!(neighbors.next_timeout(), Instant::MAX);
    }

    #[test]
    fn an_answer_expires_and_is_asked_for_again() {
        let mut neighbors =
            Neighbors::new(ArpConfig { timeout: Span::from_secs(60), ..ArpConfig::default() });
        neighbors.learn(at(0), IP, MAC, false);
        assert!(is_to(neighbors.resolve(at(60), IP, &some_packet()), MAC));
        assert!(matches!(neighbors.resolve(at(61), IP, &some_packet()), Resolved::Waits { ask: true, .. }));
        assert!(neighbors.entries(at(61)).is_empty());
    }

    #[test]
    fn after_three_requests_the_waiting_packets_are_given_up() {
        let mut neighbors = Neighbors::new(ArpConfig::default());
        neighbors.resolve(at(0), IP, &some_packet());
        for s in 1..=2 {
            assert_eq!(neighbors.next_timeout(), at(s));
            let (ask, given_up) = neighbors.handle_timeout(at(s));
            assert_eq!((ask, given_up.len()), (vec![(IP, None)], 0));
        }
        let (ask, given_up) = neighbors.handle_timeout(at(3));
        assert!(ask.is_empty());
        assert_eq!((given_up[0].ip, given_up[0].packets.len()), (IP, 1));
        assert_eq!(neighbors.next_timeout(), Instant::MAX);
    }

    #[test]
    fn what_nobody_can_have_heard_is_asked_for_at_once_when_the_link_is_back() {
        let mut neighbors = Neighbors::new(ArpConfig::default());
        assert!(!neighbors.ask_again(at(0)), "nobody is asked for");
        neighbors.resolve(at(0), IP, &some_packet());
        neighbors.handle_timeout(at(1));
        let later = at(1) + Span::from_ms(300);
        assert!(neighbors.ask_again(later));
        assert_eq!(neighbors.next_timeout(), later);
        for n in 0..3 {
            let (ask, given_up) = neighbors.handle_timeout(later + Span::from_secs(n));
            assert_eq!(
                (ask, given_up.len()),
                (vec![(IP, None)], 0),
                "three requests, as if it were the first time"
            );
        }
        assert_eq!(neighbors.handle_timeout(later + Span::from_secs(3)).1.len(), 1);
    }

    #[test]
    fn what_is_pinned_is_believed_whatever_comes() {
        let mut neighbors = Neighbors::new(ArpConfig::default());
        neighbors.resolve(at(0), IP, &some_packet());
        assert_eq!(neighbors.pin(IP, MAC).len(), 1);
        neighbors.learn(at(1), IP, MacKey(8), false);
        assert!(matches!(neighbors.resolve(at(1_000_000), IP, &some_packet()), Resolved::To(MAC, _)));
        assert_eq!(neighbors.next_timeout(), Instant::MAX);
    }

    #[test]
    fn an_ipv6_neighbor_in_use_is_tested_when_nothing_was_heard_of_it() {
        let key = Ipv4Addr::new(240, 0, 0, 1);
        let mut neighbors = Neighbors::new(ArpConfig::default());
        neighbors.learn(at(0), key, MAC, false);
        let state = |neighbors: &Neighbors, s| neighbors.states(at(s))[0].2.name();
        assert_eq!((state(&neighbors, 30), state(&neighbors, 31)), ("REACHABLE", "STALE"));
        assert_eq!(neighbors.next_timeout(), Instant::MAX, "nobody uses it");
        assert!(matches!(neighbors.resolve(at(40), key, &some_packet()), Resolved::To(MAC, _)));
        assert_eq!((state(&neighbors, 41), neighbors.next_timeout()), ("DELAY", at(45)));
        assert!(!neighbors.has_waiting());
        let (ask, _) = neighbors.handle_timeout(at(45));
        assert_eq!((ask, state(&neighbors, 45)), (vec![(key, Some(MAC))], "PROBE"));
        neighbors.learn(at(45), key, MAC, true);
        assert_eq!((state(&neighbors, 46), neighbors.next_timeout()), ("REACHABLE", Instant::MAX));
        neighbors.resolve(at(80), key, &some_packet());
        for s in 85..=88 {
            neighbors.handle_timeout(at(s));
        }
        assert_eq!(neighbors.states(at(88)), [], "three tests without an answer");
    }

    #[test]
    fn the_oldest_waiting_packet_makes_room() {
        let mut neighbors = Neighbors::new(ArpConfig { pending: 1, ..ArpConfig::default() });
        neighbors.resolve(at(0), IP, &some_packet());
        assert!(matches!(
            neighbors.resolve(at(0), IP, &some_packet()),
            Resolved::Waits { ask: false, dropped: Some(_) }
        ));
    }

    #[test]
    fn overheard_senders_are_merged_but_not_added() {
        let mut neighbors = Neighbors::new(ArpConfig::default());
        neighbors.learn(at(0), IP, MAC, true);
        assert!(neighbors.entries(at(0)).is_empty());
        neighbors.learn(at(0), IP, MAC, false);
        neighbors.learn(at(1), IP, MacKey(8), true);
        assert_eq!(neighbors.entries(at(1))[0].1, MacKey(8));
    }
}
