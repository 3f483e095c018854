//! Flows that were seen: who began them, how far they are, until when they are remembered.

use super::{FlowKey, Nature, Subject, TcpPhase, Timeouts};
use rustc_hash::FxHashMap;
use tidewire_units::{Instant, Span};
use tidewire_wire::TcpFlags;

/// A table of flows. Entries that have run out are as good as gone, and swept when there is need of room.
#[derive(Debug)]
pub struct Tracker {
    flows: FxHashMap<FlowKey, Entry>,
    timeouts: Timeouts,
    most: usize,
}

/// A flow by the direction in which it began.
#[derive(Clone, Copy, Debug)]
struct Entry {
    phase: TcpPhase,
    until: Instant,
}

/// A row of the table, for those who look at it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TrackRow {
    /// The flow, by the direction in which it began.
    pub flow: FlowKey,
    /// How far it is.
    pub state: &'static str,
    /// How long it is remembered without another packet.
    pub left: Span,
}

impl Tracker {
    /// Forgets all flows.
    pub fn clear(&mut self) {
        self.flows.clear();
    }

    /// An empty table for so many flows.
    pub fn new(timeouts: Timeouts, most: usize) -> Tracker {
        Tracker { flows: FxHashMap::default(), timeouts, most }
    }

    /// Other limits, for what comes.
    pub fn configure(&mut self, timeouts: Timeouts, most: usize) {
        (self.timeouts, self.most) = (timeouts, most);
    }

    /// Whether a packet belongs to a known flow, in either direction, or is an error about one; if so, the flow is remembered for
    /// longer. A SYN that uses the ports of a connection that is over belongs to nothing.
    pub fn knows(&mut self, subject: &Subject, now: Instant) -> bool {
        let (flow, flags) = match subject.nature {
            Nature::Error(about) => return self.find(about, now).is_some(),
            Nature::Tcp(flags) => (subject.flow, flags),
            Nature::Plain => (subject.flow, TcpFlags::NONE),
        };
        let Some((key, is_reply)) = self.find(flow, now) else { return false };
        let entry = self.flows.get_mut(&key).expect("it was found");
        if entry.phase.is_over() && flags.syn() && !flags.ack() {
            self.flows.remove(&key);
            return false;
        }
        entry.phase.note(flags, is_reply);
        entry.until = now + self.timeouts.of(flow.protocol, entry.phase);
        true
    }

    /// Remembers the flow that a packet begins. False when the table is full.
    pub fn begin(&mut self, subject: &Subject, now: Instant) -> bool {
        if self.flows.len() >= self.most {
            self.flows.retain(|_, entry| entry.until > now);
        }
        if self.flows.len() >= self.most {
            return false;
        }
        let mut phase = TcpPhase::default();
        if let Nature::Tcp(flags) = subject.nature {
            phase.note(flags, false);
        }
        let until = now + self.timeouts.of(subject.flow.protocol, phase);
        self.flows.insert(subject.flow, Entry { phase, until });
        true
    }

    /// The live flows, sorted.
    pub fn rows(&self, now: Instant) -> Vec<TrackRow> {
        let alive = self.flows.iter().filter(|(_, entry)| entry.until > now);
        let mut rows: Vec<TrackRow> = alive
            .map(|(flow, entry)| {
                let is_tcp = flow.protocol == tidewire_wire::Protocol::TCP.0;
                let state = if is_tcp { entry.phase.name() } else { "" };
                TrackRow { flow: *flow, state, left: entry.until.since(now) }
            })
            .collect();
        rows.sort_unstable();
        rows
    }

    /// A live flow by the direction in which it began, and whether the other one was asked for.
    fn find(&self, flow: FlowKey, now: Instant) -> Option<(FlowKey, bool)> {
        let is_live = |key: &FlowKey| self.flows.get(key).is_some_and(|entry| entry.until > now);
        [(flow, false), (flow.reversed(), true)].into_iter().find(|(key, _)| is_live(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tidewire_wire::{Endpoint, Protocol};

    fn at(s: u64) -> Instant {
        Instant::ZERO + Span::from_secs(s)
    }

    fn subject(protocol: Protocol, nature: Nature, port: u16) -> Subject {
        let src = Endpoint::new(Ipv4Addr::new(10, 0, 0, 1), port);
        let dst = Endpoint::new(Ipv4Addr::new(10, 0, 1, 1), 80);
        Subject { flow: FlowKey { protocol: protocol.0, src, dst }, nature, len: 40 }
    }

    fn reply(to: Subject, nature: Nature) -> Subject {
        Subject { flow: to.flow.reversed(), nature, ..to }
    }

    #[test]
    fn replies_and_errors_are_known_and_strangers_are_not() {
        let mut tracker = Tracker::new(Timeouts::default(), 10);
        let asked = subject(Protocol::UDP, Nature::Plain, 5000);
        assert!(!tracker.knows(&reply(asked, Nature::Plain), at(0)));
        assert!(tracker.begin(&asked, at(0)));
        assert!(tracker.knows(&reply(asked, Nature::Plain), at(1)));
        assert!(tracker.knows(&subject(Protocol::ICMP, Nature::Error(asked.flow), 0), at(1)));
        assert!(!tracker.knows(&subject(Protocol::UDP, Nature::Plain, 5001), at(1)));
        assert!(tracker.knows(&asked, at(300)));
        assert!(!tracker.knows(&asked, at(601)));
    }

    #[test]
    fn an_established_connection_is_remembered_for_hours_and_a_closed_one_for_minutes() {
        let mut tracker = Tracker::new(Timeouts::default(), 10);
        let syn = subject(Protocol::TCP, Nature::Tcp(TcpFlags::SYN), 5000);
        assert!(tracker.begin(&syn, at(0)));
        assert_eq!(tracker.rows(at(0))[0].state, "opening");
        assert!(tracker.knows(&reply(syn, Nature::Tcp(TcpFlags::SYN | TcpFlags::ACK)), at(0)));
        let ack = Subject { nature: Nature::Tcp(TcpFlags::ACK), ..syn };
        assert!(tracker.knows(&ack, at(0)));
        assert_eq!(tracker.rows(at(0))[0].state, "established");
        assert!(tracker.knows(&ack, at(7000)));
        let fin = Nature::Tcp(TcpFlags::FIN | TcpFlags::ACK);
        assert!(tracker.knows(&Subject { nature: fin, ..syn }, at(7000)));
        assert_eq!(tracker.rows(at(7000))[0].state, "closing");
        assert!(tracker.knows(&reply(syn, fin), at(7000)));
        assert!(tracker.knows(&ack, at(7100)) && !tracker.knows(&ack, at(7341)));
    }

    #[test]
    fn a_new_connection_with_the_ports_of_a_closed_one_is_new() {
        let mut tracker = Tracker::new(Timeouts::default(), 10);
        let syn = subject(Protocol::TCP, Nature::Tcp(TcpFlags::SYN), 5000);
        assert!(tracker.begin(&syn, at(0)));
        assert!(tracker.knows(&syn, at(1)), "the same SYN again");
        assert!(tracker.knows(&reply(syn, Nature::Tcp(TcpFlags::RST | TcpFlags::ACK)), at(1)));
        assert!(!tracker.knows(&syn, at(2)));
    }

    #[test]
    fn a_full_table_takes_no_more_until_something_runs_out() {
        let mut tracker = Tracker::new(Timeouts::default(), 2);
        let flow = |port| subject(Protocol::UDP, Nature::Plain, port);
        assert!(tracker.begin(&flow(1), at(0)) && tracker.begin(&flow(2), at(100)));
        assert!(!tracker.begin(&flow(3), at(299)));
        assert!(tracker.begin(&flow(3), at(300)));
        assert_eq!(tracker.rows(at(300)).len(), 2);
    }
}
