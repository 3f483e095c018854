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
    next_hello: Instant,
    next_query: Instant,
    sends: VecDeque<GroupSend>,
}

#[derive(Debug)]
struct Port {
    addr: Ipv4Addr,
    /// Routers on the link, and until when they are believed to be there.
    neighbors: BTreeMap<Ipv4Addr, Instant>,
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
/// How long a prune holds.
const PRUNE_HOLD: u16 = 210;
/// Graft_Retry_Period; prunes of wrong ways are no more frequent either (t_limit is longer; see RFC 3973 section 4.4.1).
const RETRY: Span = Span::from_secs(3);
/// RFC 2236 section 8: Query Interval, Group Membership Interval, and what is left of it after somebody has left.
const QUERY: Span = Span::from_secs(125);
const MEMBER_HOLD: Span = Span::from_secs(260);
const LAST_MEMBER: Span = Span::from_secs(2);

impl MulticastRouter {
    /// A router with these addresses, by port; it says hello at `now`.
    pub fn new(addrs: impl IntoIterator<Item = Ipv4Addr>, now: Instant) -> MulticastRouter {
        let port = |addr| Port { addr, neighbors: BTreeMap::new(), members: BTreeMap::new() };
        MulticastRouter {
            ports: addrs.into_iter().map(port).collect(),
            entries: BTreeMap::new(),
            next_hello: now,
            next_query: now,
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
        let entry = self.entries.entry(key).or_insert_with(|| Entry::new(rpf));
        if entry.rpf != rpf {
            (entry.rpf, entry.upstream) = (rpf, Upstream::Wanted);
        }
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
            let PimMessage::Hello(hold) = message else { return };
            let until = now + Span::from_secs(hold.into());
            self.ports[port as usize].neighbors.insert(from, until);
            return;
        };
        let key = (source, group);
        let is_for_me = upstream == self.ports[port as usize].addr;
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
                let what = PimBranch::GraftAck;
                let message = PimMessage::Branch { what, upstream, source, group };
                self.sends.push_back((port, from, GroupMessage::Pim(message)));
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
                let hello = GroupMessage::Pim(PimMessage::Hello(HELLO_HOLD));
                self.sends.push_back((port, PimMessage::GROUP, hello));
            }
            if self.next_query <= now {
                let query = GroupMessage::Igmp(IgmpMessage::Query(Ipv4Addr::UNSPECIFIED, 100));
                self.sends.push_back((port, IgmpMessage::ALL_HOSTS, query));
            }
        }
        if self.next_hello <= now {
            self.next_hello = now + HELLO;
        }
        if self.next_query <= now {
            self.next_query = now + QUERY;
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
            let mut routers = port.neighbors.iter().filter(|(_, until)| **until > now).map(|(n, _)| n);
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
        router.handle_pim(at(0), 0, UP, PimMessage::Hello(1000));
        router.handle_pim(at(0), 1, DOWN, PimMessage::Hello(1000));
        router
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
}
