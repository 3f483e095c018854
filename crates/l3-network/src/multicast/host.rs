//! A host's part of IGMP version 2 (RFC 2236 section 6): reports, answers to queries, leaving.

use super::{GroupMessage, GroupSend};
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use tidewire_units::{Instant, Span, Stream};
use tidewire_wire::IgmpMessage;

/// The groups that a host listens to, on its first interface.
#[derive(Debug)]
pub struct Membership {
    stream: Stream,
    groups: BTreeMap<Ipv4Addr, Joined>,
    sends: VecDeque<GroupSend>,
}

#[derive(Clone, Copy, Debug)]
struct Joined {
    /// Sockets that listen.
    sockets: u32,
    /// When a report is due.
    report: Instant,
}

/// Unsolicited Report Interval (RFC 2236 section 8.10).
const REPEAT: Span = Span::from_secs(10);

impl Membership {
    /// No groups. The random stream spreads reports.
    pub fn new(stream: Stream) -> Membership {
        Membership { stream, groups: BTreeMap::new(), sends: VecDeque::new() }
    }

    /// A socket listens. True when it is the first of the group.
    pub fn join(&mut self, now: Instant, group: Ipv4Addr) -> bool {
        if let Some(joined) = self.groups.get_mut(&group) {
            joined.sockets += 1;
            return false;
        }
        // At once, and again in case the first one is lost.
        let report = now + self.within(REPEAT);
        self.groups.insert(group, Joined { sockets: 1, report });
        self.say(group, IgmpMessage::Report(group));
        true
    }

    /// A socket listens no longer. True when it was the last of the group.
    pub fn leave(&mut self, group: Ipv4Addr) -> bool {
        let Some(joined) = self.groups.get_mut(&group) else { return false };
        joined.sockets -= 1;
        if joined.sockets > 0 {
            return false;
        }
        self.groups.remove(&group);
        self.say(IgmpMessage::ALL_ROUTERS, IgmpMessage::Leave(group));
        true
    }

    /// Handles a message of others on the link.
    pub fn handle_message(&mut self, now: Instant, message: IgmpMessage) {
        match message {
            IgmpMessage::Query(asked, tenths) => {
                let most = Span::from_ms(100 * u64::from(tenths.max(1)));
                let groups: Vec<Ipv4Addr> =
                    self.groups.keys().copied().filter(|g| asked.is_unspecified() || *g == asked).collect();
                for group in groups {
                    let at = now + self.within(most);
                    if let Some(joined) = self.groups.get_mut(&group) {
                        joined.report = joined.report.min(at);
                    }
                }
            }
            // One report for each group on the link is enough.
            IgmpMessage::Report(group) => {
                if let Some(joined) = self.groups.get_mut(&group) {
                    joined.report = Instant::MAX;
                }
            }
            IgmpMessage::Leave(_) => {}
        }
    }

    /// When a report is due.
    pub fn next_timeout(&self) -> Instant {
        self.groups.values().map(|joined| joined.report).min().unwrap_or(Instant::MAX)
    }

    /// Sends what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due: Vec<Ipv4Addr> =
            self.groups.iter().filter(|(_, joined)| joined.report <= now).map(|(group, _)| *group).collect();
        for group in due {
            self.groups.get_mut(&group).expect("it is there").report = Instant::MAX;
            self.say(group, IgmpMessage::Report(group));
        }
    }

    /// A message to send.
    pub fn poll_transmit(&mut self) -> Option<GroupSend> {
        self.sends.pop_front()
    }

    fn say(&mut self, to: Ipv4Addr, message: IgmpMessage) {
        self.sends.push_back((0, to, GroupMessage::Igmp(message)));
    }

    fn within(&mut self, most: Span) -> Span {
        Span::from_ps(self.stream.between(0, most.as_ps()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire_units::{Purpose, Streams};

    const GROUP: Ipv4Addr = Ipv4Addr::new(239, 0, 0, 1);

    fn member() -> Membership {
        let mut host = Membership::new(Streams::new(1).stream(Purpose::Services, "h"));
        assert!(host.join(Instant::ZERO, GROUP));
        host
    }

    fn said(host: &mut Membership) -> Vec<GroupMessage> {
        std::iter::from_fn(|| host.poll_transmit()).map(|(_, _, message)| message).collect()
    }

    #[test]
    fn joining_is_said_twice_and_leaving_once() {
        let mut host = member();
        let report = GroupMessage::Igmp(IgmpMessage::Report(GROUP));
        assert_eq!(said(&mut host), [report]);
        assert!(!host.join(Instant::ZERO, GROUP), "a second socket");
        host.handle_timeout(host.next_timeout());
        assert_eq!(said(&mut host), [report]);
        assert_eq!(host.next_timeout(), Instant::MAX);
        assert!(!host.leave(GROUP) && host.leave(GROUP));
        assert_eq!(said(&mut host), [GroupMessage::Igmp(IgmpMessage::Leave(GROUP))]);
    }

    #[test]
    fn a_query_is_answered_unless_a_neighbour_answers_first() {
        let mut host = member();
        host.handle_timeout(host.next_timeout());
        said(&mut host);
        let now = Instant::ZERO + Span::from_secs(100);
        host.handle_message(now, IgmpMessage::Query(Ipv4Addr::UNSPECIFIED, 100));
        assert!(host.next_timeout() <= now + Span::from_secs(10));
        host.handle_message(now, IgmpMessage::Report(GROUP));
        assert_eq!(host.next_timeout(), Instant::MAX);
        host.handle_message(now, IgmpMessage::Query(GROUP, 10));
        host.handle_timeout(now + Span::from_secs(1));
        assert_eq!(said(&mut host).len(), 1);
    }
}
