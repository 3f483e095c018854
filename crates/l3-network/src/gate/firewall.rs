//! A stateful packet filter: the first rule that fits decides about the first packet of a flow, and the rest of the flow follows.

use super::{FlowKey, Service, Subject, Timeouts, Tracker};
use crate::Prefix;
use std::fmt;
use std::net::Ipv4Addr;
use tidewire_units::Instant;

/// What is done with a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// It passes, and so does everything that belongs to the flow.
    Allow,
    /// It is dropped without a word.
    Deny,
    /// It is dropped, and the sender is told.
    Reject,
}

/// Which list of rules a packet is held against.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum List {
    /// Packets for the node itself.
    Inbound,
    /// Packets of the node itself.
    Outbound,
    /// Packets that it forwards for others.
    Forward,
}

impl List {
    /// All lists.
    pub const ALL: [List; 3] = [List::Inbound, List::Outbound, List::Forward];

    /// Its name in scripts and tables.
    pub const fn name(self) -> &'static str {
        match self {
            List::Inbound => "inbound",
            List::Outbound => "outbound",
            List::Forward => "forward",
        }
    }
}

/// What was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hits {
    /// Packets.
    pub packets: u64,
    /// Bytes of their IP packets.
    pub bytes: u64,
}

impl Hits {
    fn count(&mut self, subject: &Subject) {
        self.packets += 1;
        self.bytes += u64::from(subject.len);
    }
}

/// Networks that a rule is about.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Nets {
    /// IPv4 networks, or keys of IPv6 addresses; empty for any.
    pub prefixes: Vec<Prefix>,
    /// As its user knows them.
    pub shown: Vec<String>,
}

impl Nets {
    fn hold(&self, addr: Ipv4Addr) -> bool {
        self.prefixes.is_empty() || self.prefixes.iter().any(|net| net.contains(addr))
    }
}

/// One rule.
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    /// What it does.
    pub action: Action,
    /// To packets of these kinds; any of them fits.
    pub services: Vec<Service>,
    /// From these networks.
    pub from: Nets,
    /// To these networks.
    pub to: Nets,
    /// What its user calls it.
    pub name: Option<String>,
    /// Every packet that it decides about is written down.
    pub log: bool,
    /// What it decided about.
    pub hits: Hits,
}

impl Rule {
    fn fits(&self, subject: &Subject) -> bool {
        self.services.iter().any(|service| service.covers(subject))
            && self.from.hold(subject.flow.src.addr)
            && self.to.hold(subject.flow.dst.addr)
    }
}

/// A list of rules, and what holds when none fits.
#[derive(Clone, PartialEq, Debug)]
pub struct Chain {
    /// Rules; the first that fits decides.
    pub rules: Vec<Rule>,
    /// What is done when none fits.
    pub default: Action,
    default_hits: Hits,
    /// Packets of flows that were let in before.
    known: Hits,
    /// New flows that the table had no room for.
    full: Hits,
}

impl Chain {
    /// A list.
    pub fn new(rules: Vec<Rule>, default: Action) -> Chain {
        let none = Hits::default();
        Chain { rules, default, default_hits: none, known: none, full: none }
    }
}

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It goes on.
    Pass,
    /// It ends here.
    Deny,
    /// It ends here, and the sender is told.
    Reject,
}

/// A row of the counters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleRow {
    /// The list.
    pub list: List,
    /// The rule as text.
    pub rule: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What it counted.
    pub hits: Hits,
}

/// A packet that a rule with a log decided about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogRow {
    /// When.
    pub at: Instant,
    /// The list.
    pub list: List,
    /// The rule's name, or the rule.
    pub rule: String,
    /// The packet's addresses and ports.
    pub flow: FlowKey,
}

/// The rules of a node, and the flows that they let pass.
#[derive(Debug)]
pub struct Firewall {
    chains: [Chain; 3],
    tracker: Tracker,
    log: Vec<LogRow>,
}

/// No more than so many packets are written down.
const MOST_LOGGED: usize = 10_000;

impl Firewall {
    /// Flows that are remembered at most, unless said otherwise; as Linux has for 1 GB of memory.
    pub const MOST_FLOWS: usize = 65_536;

    /// A firewall with the lists inbound, outbound, forward.
    pub fn new(chains: [Chain; 3], timeouts: Timeouts, most_flows: usize) -> Firewall {
        Firewall { chains, tracker: Tracker::new(timeouts, most_flows), log: Vec::new() }
    }

    /// Takes over the flows that another one let pass.
    pub fn continue_from(&mut self, other: Firewall, timeouts: Timeouts, most_flows: usize) {
        (self.tracker, self.log) = (other.tracker, other.log);
        self.tracker.configure(timeouts, most_flows);
    }

    /// Forgets the flows that were let pass; rules and counters stay.
    pub fn forget(&mut self) {
        self.tracker.clear();
    }

    /// What becomes of a packet.
    pub fn judge(&mut self, list: List, subject: &Subject, now: Instant) -> Verdict {
        let chain = &mut self.chains[list as usize];
        if self.tracker.knows(subject, now) {
            chain.known.count(subject);
            return Verdict::Pass;
        }
        let (action, hits) = match chain.rules.iter_mut().find(|rule| rule.fits(subject)) {
            Some(rule) => {
                if rule.log && self.log.len() < MOST_LOGGED {
                    let name = rule.name.clone().unwrap_or_else(|| rule.to_string());
                    self.log.push(LogRow { at: now, list, rule: name, flow: subject.flow });
                }
                (rule.action, &mut rule.hits)
            }
            None => (chain.default, &mut chain.default_hits),
        };
        let is_flow = !matches!(subject.nature, super::Nature::Error(_));
        if action == Action::Allow && is_flow && !self.tracker.begin(subject, now) {
            chain.full.count(subject);
            return Verdict::Deny;
        }
        hits.count(subject);
        match action {
            Action::Allow => Verdict::Pass,
            Action::Deny => Verdict::Deny,
            Action::Reject => Verdict::Reject,
        }
    }

    /// The flows that were let pass.
    pub fn flows(&self) -> &Tracker {
        &self.tracker
    }

    /// Takes what rules have written down.
    pub fn take_log(&mut self) -> Vec<LogRow> {
        std::mem::take(&mut self.log)
    }

    /// Every counter: for each list that says anything, what belonged to known flows, each rule, the default, and new flows for want of room. Together
    /// they are all packets that were held against the list.
    pub fn rows(&self) -> Vec<RuleRow> {
        let mut rows = Vec::new();
        for (list, chain) in List::ALL.into_iter().zip(&self.chains) {
            if chain.rules.is_empty() && chain.default == Action::Allow {
                continue;
            }
            let mut push =
                |rule: String, name: Option<String>, hits| rows.push(RuleRow { list, rule, name, hits });
            push("allow known flows".to_owned(), None, chain.known);
            for rule in &chain.rules {
                push(rule.to_string(), rule.name.clone(), rule.hits);
            }
            push(format!("{} by default", chain.default), None, chain.default_hits);
            if chain.full.packets > 0 {
                push("deny for want of room".to_owned(), None, chain.full);
            }
        }
        rows
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Allow => "allow",
            Action::Deny => "deny",
            Action::Reject => "reject",
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |all: Vec<String>| all.join(", ");
        write!(f, "{} {}", self.action, list(self.services.iter().map(Service::to_string).collect()))?;
        for (word, nets) in [("from", &self.from), ("to", &self.to)] {
            if !nets.shown.is_empty() {
                write!(f, " {word} {}", list(nets.shown.clone()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Nature;
    use super::*;
    use tidewire_units::Span;
    use tidewire_wire::{Endpoint, Protocol, TcpFlags};

    fn rule(action: Action, service: &str, from: &[&str]) -> Rule {
        let prefixes = from.iter().map(|net| net.parse().unwrap()).collect();
        let from = Nets { prefixes, shown: from.iter().map(|net| net.to_string()).collect() };
        let services = vec![service.parse().unwrap()];
        Rule { action, services, from, to: Nets::default(), name: None, log: false, hits: Hits::default() }
    }

    fn syn(src: [u8; 4], port: u16) -> Subject {
        let (src, dst) = (Endpoint::new(src.into(), 50_000), Endpoint::new([10, 0, 9, 9].into(), port));
        let flow = FlowKey { protocol: Protocol::TCP.0, src, dst };
        Subject { flow, nature: Nature::Tcp(TcpFlags::SYN), len: 60 }
    }

    fn ssh_only() -> Firewall {
        let inbound = vec![
            rule(Action::Allow, "tcp/22", &["10.0.1.0/24"]),
            rule(Action::Reject, "tcp/23", &[]),
            rule(Action::Deny, "any", &["10.0.1.0/24"]),
        ];
        let [inbound, outbound, forward] = [
            Chain::new(inbound, Action::Deny),
            Chain::new(vec![rule(Action::Deny, "tcp/25", &[])], Action::Allow),
            Chain::new(Vec::new(), Action::Deny),
        ];
        Firewall::new([inbound, outbound, forward], Timeouts::default(), 4)
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let mut firewall = ssh_only();
        let now = Instant::ZERO;
        assert_eq!(firewall.judge(List::Inbound, &syn([10, 0, 1, 5], 22), now), Verdict::Pass);
        assert_eq!(firewall.judge(List::Inbound, &syn([10, 0, 2, 5], 22), now), Verdict::Deny);
        assert_eq!(firewall.judge(List::Inbound, &syn([10, 0, 1, 5], 23), now), Verdict::Reject);
        assert_eq!(firewall.judge(List::Inbound, &syn([10, 0, 1, 5], 80), now), Verdict::Deny);
        let hits: Vec<u64> = firewall.rows()[..5].iter().map(|row| row.hits.packets).collect();
        assert_eq!(hits, [0, 1, 1, 1, 1]);
        assert_eq!(firewall.rows()[1].rule, "allow tcp/22 from 10.0.1.0/24");
    }

    #[test]
    fn replies_pass_where_nothing_new_would() {
        let mut firewall = ssh_only();
        let asked = syn([10, 0, 1, 5], 22);
        assert_eq!(firewall.judge(List::Inbound, &asked, Instant::ZERO), Verdict::Pass);
        let answer = Subject { flow: asked.flow.reversed(), ..asked };
        let answer = Subject { nature: Nature::Tcp(TcpFlags::SYN | TcpFlags::ACK), ..answer };
        assert_eq!(firewall.judge(List::Outbound, &answer, Instant::ZERO), Verdict::Pass);
        assert_eq!(firewall.judge(List::Outbound, &syn([10, 0, 9, 9], 25), Instant::ZERO), Verdict::Deny);
        assert_eq!(firewall.rows().iter().find(|row| row.list == List::Outbound).unwrap().hits.packets, 1);
    }

    #[test]
    fn a_full_table_refuses_what_the_rules_allow() {
        let mut firewall = ssh_only();
        for host in 0..4 {
            assert_eq!(
                firewall.judge(List::Inbound, &syn([10, 0, 1, host], 22), Instant::ZERO),
                Verdict::Pass
            );
        }
        assert_eq!(firewall.judge(List::Inbound, &syn([10, 0, 1, 9], 22), Instant::ZERO), Verdict::Deny);
        let later = Instant::ZERO + Span::from_secs(240);
        assert_eq!(firewall.judge(List::Inbound, &syn([10, 0, 1, 9], 22), later), Verdict::Pass);
    }
}
