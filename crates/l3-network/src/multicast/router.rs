//! A router's part: it forwards a stream to all other routers and to links with listeners, until those who do not want it say so.

use super::{GroupMessage, GroupSend};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use tidewire_units::{Instant, Span};
use tidewire_wire::{IgmpMessage, PimBranch, PimMessage};

/// Where packets from a source should come from (reverse path forwarding): the port towards it and the next router, if any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rpf {
    /// The port.
    pub port: u32,
    /// The router there; none when the source is on that link.
    pub neighbor: Option<Ipv4Addr>,
}

/// One source and group, for those who look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Branches {
    /// The source.
    pub source: Ipv4Addr,
    /// The group.
    pub group: Ipv4Addr,
    /// Where it comes from.
    pub from: u32,
    /// The ports that it is sent to.
    pub to: Vec<u32>,
    /// Whether the router has told its neighbour towards the source to send nothing.
    pub pruned: bool,
    /// Packets that came the right way.
    pub packets: u64,
    /// Packets that came another way and were dropped.
    pub wrong_way: u64,
}

/// The multicast part of a router.
#[derive(Debug)]
pub struct MulticastRouter {
    ports: Vec<Port>,
    entries: BTreeMap<(Ipv4Addr, Ipv4Addr), Entry>,
    /// Tells neighbours that the router has started anew.
    generation: u32,
    last_hello: Option<Instant>,
    next_hello: Instant,
    next_query: Instant,
    /// Queries of the start that are still to come.
    first_queries: u8,
    sends: VecDeque<GroupSend>,
}

#[derive(Debug)]
struct Port {
    addr: Ipv4Addr,
    /// Routers on the link, until when they are believed to be there, and which start of theirs that is.
    neighbors: BTreeMap<Ipv4Addr, (Instant, u32)>,
    /// Groups that somebody on the link listens to, and until when that is believed.
    members: BTreeMap<Ipv4Addr, Instant>,
}

#[derive(Debug)]
struct Entry {
    rpf: Rpf,
    /// Neighbours that want nothing, until then.
    pruned: BTreeMap<(u32, Ipv4Addr), Instant>,
    upstream: Upstream,
    /// When the sender on a wrong way was last told to stop, by port.
    told: BTreeMap<u32, Instant>,
    packets: u64,
    wrong_way: u64,
}

/// What the router last told its neighbour towards the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Upstream {
    Wanted,
    /// Nothing is wanted until then, when the neighbour sends again by itself.
    Pruned(Instant),
    /// It is wanted again; said again then, unless that is acknowledged.
    Grafting(Instant),
}

/// RFC 3973 section 4.8: Hello_Period, and three and a half of them.
const HELLO: Span = Span::from_secs(30);
const HELLO_HOLD: u16 = 105;
/// Triggered_Hello_Delay: no neighbour waits longer for the answer to its first hello.
const HELLO_DELAY: Span = Span::from_secs(5);
/// How long a prune holds.
const PRUNE_HOLD: u16 = 210;
/// Graft_Retry_Period; prunes of wrong ways are no more frequent either (t_limit is longer; see RFC 3973 section 4.4.1).
const RETRY: Span = Span::from_secs(3);
/// RFC 2236 section 8: Query Interval, a quarter of it between the first two (sections 8.6 and 8.7), Group Membership Interval, and what
/// is left of it after somebody has left.
const QUERY: Span = Span::from_secs(125);
const FIRST_QUERY: Span = Span::from_ms(31_250);
const FIRST_QUERIES: u8 = 2;
const MEMBER_HOLD: Span = Span::from_secs(260);
const LAST_MEMBER: Span = Span::from_secs(2);

impl MulticastRouter {
    /// A router with these addresses, by port; it says hello at `now`.
    pub fn new(addrs: impl IntoIterator<Item = Ipv4Addr>, now: Instant) -> MulticastRouter {
        let port = |addr| Port { addr, neighbors: BTreeMap::new(), members: BTreeMap::new() };
        MulticastRouter {
            ports: addrs.into_iter().map(port).collect(),
            entries: BTreeMap::new(),
            generation: now.as_ms() as u32,
            last_hello: None,
            next_hello: now,
            next_query: now,
            first_queries: FIRST_QUERIES,
            sends: VecDeque::new(),
        }
    }

    /// A packet of a stream has come in: gives the ports to send it on.
    pub fn handle_data(
        &mut self,
        now: Instant,
        port: u32,
        source: Ipv4Addr,
        group: Ipv4Addr,
        rpf: Rpf,
    ) -> Vec<u32> {
        let key = (source, group);
        self.entries.entry(key).or_insert_with(|| Entry::new(rpf));
        self.turn(key, rpf, now);
        let Some(entry) = self.entries.get_mut(&key) else { return Vec::new() };
        if port != rpf.port {
            entry.wrong_way += 1;
            // The packet goes round a loop: the neighbour who sends it here is told once in a while.
            let told = entry.told.get(&port).is_some_and(|at| now < *at + RETRY);
            let mut neighbors = self.ports[port as usize].neighbors.keys();
            if let (Some(sender), None, false) = (neighbors.next(), neighbors.next(), told) {
                entry.told.insert(port, now);
                let what = PimBranch::Prune(PRUNE_HOLD);
                let message = PimMessage::Branch { what, upstream: *sender, source, group };
                self.sends.push_back((port, PimMessage::GROUP, GroupMessage::Pim(message)));
            }
            return Vec::new();
        }
        entry.packets += 1;
        let out = self.out_ports(key, now);
        if out.is_empty() {
            self.prune(key, now);
        }
        out
    }

    /// Routes have changed: streams that come another way now, and are wanted, are asked for there.
    pub fn handle_routes(&mut self, now: Instant, rpf_of: impl Fn(Ipv4Addr) -> Option<Rpf>) {
        let keys: Vec<_> = self.entries.keys().copied().collect();
        for key in keys {
            if let Some(rpf) = rpf_of(key.0) {
                self.turn(key, rpf, now);
            }
        }
    }

    /// RPF'(S) may have changed (RFC 3973 section 4.4.1).
    fn turn(&mut self, key: (Ipv4Addr, Ipv4Addr), rpf: Rpf, now: Instant) {
        let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.rpf != rpf) else { return };
        (entry.rpf, entry.upstream) = (rpf, Upstream::Wanted);
        if !self.out_ports(key, now).is_empty() {
            self.send_graft(key, now);
        }
    }

    /// Handles a message of a host on the link.
    pub fn handle_igmp(&mut self, now: Instant, port: u32, message: IgmpMessage) {
        let members = &mut self.ports[port as usize].members;
        match message {
            IgmpMessage::Report(group) => {
                members.insert(group, now + MEMBER_HOLD);
                self.want(group, now);
            }
            IgmpMessage::Leave(group) => {
                if let Some(until) = members.get_mut(&group) {
                    *until = (*until).min(now + LAST_MEMBER);
                    let query = IgmpMessage::Query(group, 10);
                    self.sends.push_back((port, group, GroupMessage::Igmp(query)));
                }
            }
            IgmpMessage::Query(..) => {}
        }
    }

    /// Handles a message of another router.
    pub fn handle_pim(&mut self, now: Instant, port: u32, from: Ipv4Addr, message: PimMessage) {
        let PimMessage::Branch { what, upstream, source, group } = message else {
            let PimMessage::Hello { hold, generation } = message else { return };
            return self.greet(now, port, from, now + Span::from_secs(hold.into()), generation);
        };
        let key = (source, group);
        let is_for_me = upstream == self.ports[port as usize].addr;
        if what == PimBranch::Graft && is_for_me {
            // Also of a stream that was never seen: it is flooded when it comes.
            let message = PimMessage::Branch { what: PimBranch::GraftAck, upstream, source, group };
            self.sends.push_back((port, from, GroupMessage::Pim(message)));
        }
        let Some(entry) = self.entries.get_mut(&key) else { return };
        match what {
            PimBranch::Prune(hold) if is_for_me => {
                entry.pruned.insert((port, from), now + Span::from_secs(hold.into()));
                if self.out_ports(key, now).is_empty() {
                    self.prune(key, now);
                }
            }
            PimBranch::Graft if is_for_me => {
                entry.pruned.remove(&(port, from));
                self.graft(key, now);
            }
            PimBranch::GraftAck => {
                if matches!(entry.upstream, Upstream::Grafting(_)) {
                    entry.upstream = Upstream::Wanted;
                }
            }
            _ => {}
        }
    }

    /// A neighbour is there. One that has just started knows nobody and has forgotten what it refused (RFC 3973 section 4.3.3).
    fn greet(&mut self, now: Instant, port: u32, from: Ipv4Addr, until: Instant, generation: u32) {
        let before = self.ports[port as usize].neighbors.insert(from, (until, generation));
        if before.is_some_and(|(until, known)| until > now && known == generation) {
            return;
        }
        if before.is_some() {
            let keys: Vec<_> = self.entries.keys().copied().collect();
            for key in keys {
                let refused = self.entries.get_mut(&key).and_then(|entry| entry.pruned.remove(&(port, from)));
                if refused.is_some() {
                    self.graft(key, now);
                }
            }
        }
        // At the start all routers say hello together; later a new one is answered at once.
        let answer = self.last_hello.map_or(now, |last| (last + HELLO_DELAY).max(now));
        self.next_hello = self.next_hello.min(answer);
    }

    /// When something is due.
    pub fn next_timeout(&self) -> Instant {
        let grafts = self.entries.values().filter_map(|entry| match entry.upstream {
            Upstream::Grafting(at) => Some(at),
            _ => None,
        });
        grafts.chain([self.next_hello, self.next_query]).min().unwrap_or(Instant::MAX)
    }

    /// Sends what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for port in 0..self.ports.len() as u32 {
            if self.next_hello <= now {
                let (hold, generation) = (HELLO_HOLD, self.generation);
                let hello = GroupMessage::Pim(PimMessage::Hello { hold, generation });
                self.sends.push_back((port, PimMessage::GROUP, hello));
            }
            if self.next_query <= now {
                let query = GroupMessage::Igmp(IgmpMessage::Query(Ipv4Addr::UNSPECIFIED, 100));
                self.sends.push_back((port, IgmpMessage::ALL_HOSTS, query));
            }
        }
        if self.next_hello <= now {
            (self.last_hello, self.next_hello) = (Some(now), now + HELLO);
        }
        if self.next_query <= now {
            self.first_queries = self.first_queries.saturating_sub(1);
            self.next_query = now + if self.first_queries > 0 { FIRST_QUERY } else { QUERY };
        }
        let due: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry.upstream, Upstream::Grafting(at) if at <= now))
            .map(|(key, _)| *key)
            .collect();
        due.into_iter().for_each(|key| self.send_graft(key, now));
    }

    /// A message to send.
    pub fn poll_transmit(&mut self) -> Option<GroupSend> {
        self.sends.pop_front()
    }

    /// Every stream that was seen.
    pub fn rows(&self, now: Instant) -> Vec<Branches> {
        let row = |(key, entry): (&(Ipv4Addr, Ipv4Addr), &Entry)| Branches {
            source: key.0,
            group: key.1,
            from: entry.rpf.port,
            to: self.out_ports(*key, now),
            pruned: matches!(entry.upstream, Upstream::Pruned(_)),
            packets: entry.packets,
            wrong_way: entry.wrong_way,
        };
        self.entries.iter().map(row).collect()
    }

    /// The ports with listeners, or with routers that have not refused.
    fn out_ports(&self, key: (Ipv4Addr, Ipv4Addr), now: Instant) -> Vec<u32> {
        let Some(entry) = self.entries.get(&key) else { return Vec::new() };
        let wants = |(at, port): &(usize, &Port)| {
            let at = *at as u32;
            let listens = port.members.get(&key.1).is_some_and(|until| *until > now);
            let refused = |n: &Ipv4Addr| entry.pruned.get(&(at, *n)).is_some_and(|until| *until > now);
            let mut routers = port.neighbors.iter().filter(|(_, (until, _))| *until > now).map(|(n, _)| n);
            at != entry.rpf.port && (listens || routers.any(|n| !refused(n)))
        };
        self.ports.iter().enumerate().filter(wants).map(|(at, _)| at as u32).collect()
    }

    fn prune(&mut self, key: (Ipv4Addr, Ipv4Addr), now: Instant) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let again = matches!(entry.upstream, Upstream::Pruned(until) if until > now);
        let Some(upstream) = entry.rpf.neighbor.filter(|_| !again) else { return };
        entry.upstream = Upstream::Pruned(now + RETRY);
        let what = PimBranch::Prune(PRUNE_HOLD);
        let message = PimMessage::Branch { what, upstream, source: key.0, group: key.1 };
        self.sends.push_back((entry.rpf.port, PimMessage::GROUP, GroupMessage::Pim(message)));
    }

    /// Somebody listens to a group: its streams are wanted.
    fn want(&mut self, group: Ipv4Addr, now: Instant) {
        let all: BTreeSet<_> = self.entries.keys().copied().filter(|(_, g)| *g == group).collect();
        all.into_iter().for_each(|key| self.graft(key, now));
    }

    fn graft(&mut self, key: (Ipv4Addr, Ipv4Addr), now: Instant) {
        if self.entries.get(&key).is_some_and(|entry| matches!(entry.upstream, Upstream::Pruned(_))) {
            self.send_graft(key, now);
        }
    }

    fn send_graft(&mut self, key: (Ipv4Addr, Ipv4Addr), now: Instant) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let Some(upstream) = entry.rpf.neighbor else {
            entry.upstream = Upstream::Wanted;
            return;
        };
        entry.upstream = Upstream::Grafting(now + RETRY);
        let message = PimMessage::Branch { what: PimBranch::Graft, upstream, source: key.0, group: key.1 };
        self.sends.push_back((entry.rpf.port, upstream, GroupMessage::Pim(message)));
    }
}

impl Entry {
    fn new(rpf: Rpf) -> Entry {
        Entry {
            rpf,
            pruned: BTreeMap::new(),
            upstream: Upstream::Wanted,
            told: BTreeMap::new(),
            packets: 0,
            wrong_way: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: Ipv4Addr = Ipv4Addr::new(239, 0, 0, 1);
    const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
    const UP: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);
    const DOWN: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
    const RPF: Rpf = Rpf { port: 0, neighbor: Some(UP) };

    fn at(s: u64) -> Instant {
        Instant::ZERO + Span::from_secs(s)
    }

    /// Port 0 towards the source, port 1 to another router, port 2 with hosts.
    fn router() -> MulticastRouter {
        let addrs = [1, 2, 3].map(|n| Ipv4Addr::new(10, 0, n, 1));
        let mut router = MulticastRouter::new(addrs, at(0));
        router.handle_pim(at(0), 0, UP, hello(1));
        router.handle_pim(at(0), 1, DOWN, hello(1));
        router
    }

    fn hello(generation: u32) -> PimMessage {
        PimMessage::Hello { hold: 1000, generation }
    }

    fn data(router: &mut MulticastRouter, port: u32, s: u64) -> Vec<u32> {
        router.handle_data(at(s), port, SOURCE, GROUP, RPF)
    }

    fn branch(what: PimBranch, upstream: Ipv4Addr) -> PimMessage {
        PimMessage::Branch { what, upstream, source: SOURCE, group: GROUP }
    }

    fn said(router: &mut MulticastRouter) -> Vec<GroupMessage> {
        std::iter::from_fn(|| router.poll_transmit()).map(|(_, _, message)| message).collect()
    }

    #[test]
    fn a_stream_goes_to_routers_and_listeners_and_never_back() {
        let mut router = router();
        assert_eq!(data(&mut router, 0, 1), [1]);
        router.handle_igmp(at(1), 2, IgmpMessage::Report(GROUP));
        assert_eq!(data(&mut router, 0, 2), [1, 2]);
        assert!(data(&mut router, 1, 2).is_empty(), "the wrong way round");
        assert_eq!(said(&mut router), [GroupMessage::Pim(branch(PimBranch::Prune(PRUNE_HOLD), DOWN))]);
    }

    #[test]
    fn who_wants_nothing_prunes_and_who_wants_again_grafts() {
        let mut router = router();
        data(&mut router, 0, 1);
        let own = Ipv4Addr::new(10, 0, 2, 1);
        router.handle_pim(at(1), 1, DOWN, branch(PimBranch::Prune(210), own));
        assert!(data(&mut router, 0, 2).is_empty());
        assert_eq!(said(&mut router), [GroupMessage::Pim(branch(PimBranch::Prune(PRUNE_HOLD), UP))]);
        router.handle_pim(at(3), 1, DOWN, branch(PimBranch::Graft, own));
        let ack = GroupMessage::Pim(branch(PimBranch::GraftAck, own));
        let graft = GroupMessage::Pim(branch(PimBranch::Graft, UP));
        assert_eq!(said(&mut router), [ack, graft]);
        assert_eq!(data(&mut router, 0, 4), [1]);
        router.next_hello = Instant::MAX;
        router.next_query = Instant::MAX;
        router.handle_timeout(at(6));
        assert_eq!(said(&mut router), [graft], "again, until it is acknowledged");
        router.handle_pim(at(6), 0, UP, branch(PimBranch::GraftAck, UP));
        assert_eq!(router.next_timeout(), Instant::MAX);
    }

    #[test]
    fn a_prune_runs_out_and_so_does_a_member_who_has_left() {
        let mut router = router();
        data(&mut router, 0, 1);
        router.handle_pim(at(1), 1, DOWN, branch(PimBranch::Prune(210), Ipv4Addr::new(10, 0, 2, 1)));
        router.handle_igmp(at(1), 2, IgmpMessage::Report(GROUP));
        assert_eq!(data(&mut router, 0, 210), [2]);
        assert_eq!(data(&mut router, 0, 211), [1, 2]);
        router.handle_igmp(at(220), 2, IgmpMessage::Leave(GROUP));
        assert_eq!(data(&mut router, 0, 221), [1, 2]);
        assert_eq!(data(&mut router, 0, 222), [1]);
    }

    #[test]
    fn a_stream_that_is_wanted_is_grafted_where_it_comes_from_now() {
        let mut router = router();
        router.handle_igmp(at(1), 2, IgmpMessage::Report(GROUP));
        data(&mut router, 0, 1);
        let turned = Rpf { port: 1, neighbor: Some(DOWN) };
        router.handle_routes(at(2), |_| Some(turned));
        let graft = GroupMessage::Pim(branch(PimBranch::Graft, DOWN));
        assert_eq!(said(&mut router), [graft], "RFC 3973 section 4.4.1");
        router.handle_routes(at(2), |_| Some(turned));
        assert!(said(&mut router).is_empty(), "nothing has changed");
        (router.next_hello, router.next_query) = (Instant::MAX, Instant::MAX);
        router.handle_timeout(at(5));
        assert_eq!(said(&mut router), [graft], "again after three seconds");
        router.handle_pim(at(5), 1, DOWN, branch(PimBranch::GraftAck, DOWN));
        assert_eq!(router.next_timeout(), Instant::MAX);
    }

    #[test]
    fn a_graft_of_a_stream_that_was_never_seen_is_acknowledged() {
        let mut router = router();
        let own = Ipv4Addr::new(10, 0, 2, 1);
        router.handle_pim(at(1), 1, DOWN, branch(PimBranch::Graft, own));
        assert_eq!(said(&mut router), [GroupMessage::Pim(branch(PimBranch::GraftAck, own))]);
    }

    #[test]
    fn a_neighbour_that_starts_anew_is_greeted_and_has_refused_nothing() {
        let mut router = router();
        router.handle_timeout(at(0));
        data(&mut router, 0, 1);
        router.handle_pim(at(1), 1, DOWN, branch(PimBranch::Prune(210), Ipv4Addr::new(10, 0, 2, 1)));
        assert!(data(&mut router, 0, 2).is_empty());
        router.handle_pim(at(20), 1, DOWN, hello(1));
        assert!(data(&mut router, 0, 20).is_empty(), "the same start");
        router.handle_timeout(at(20));
        said(&mut router);
        router.handle_pim(at(21), 1, DOWN, hello(2));
        assert_eq!(data(&mut router, 0, 21), [1]);
        assert_eq!(router.next_timeout(), at(21), "a graft, and a hello, are due at once");
    }

    #[test]
    fn the_first_two_queries_are_a_quarter_of_the_interval_apart() {
        let mut router = MulticastRouter::new([UP], at(0));
        let mut asked = Vec::new();
        while asked.len() < 4 {
            let now = router.next_timeout();
            router.handle_timeout(now);
            let is_query = |message: &GroupMessage| matches!(message, GroupMessage::Igmp(_));
            if said(&mut router).iter().any(is_query) {
                asked.push(now.since(Instant::ZERO).as_secs_f64());
            }
        }
        assert_eq!(asked, [0.0, 31.25, 156.25, 281.25], "RFC 2236 sections 8.6 and 8.7");
    }
}
