//! The search for an answer: from the root downwards, or through another resolver (RFC 1034, section 5.3.3).

use super::cache::{Cache, Found};
use super::message::{Data, Kind, Message, Rcode, Record, is_below, normal_name};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use tidewire_units::{Instant, Span};

/// Queries for one answer, those for the addresses of servers included (as BIND's max-recursion-queries).
const MOST_QUERIES: u32 = 50;
/// Searches for the addresses of servers, one in the other.
const DEEPEST: u32 = 6;
const LONGEST_CHAIN: usize = 16;

/// What a resolver has learnt about servers: how soon they answer.
#[derive(Clone, Debug, Default)]
pub struct Servers(BTreeMap<Ipv4Addr, Span>);

impl Servers {
    /// A server answered after this time.
    pub fn heard(&mut self, server: Ipv4Addr, after: Span) {
        let smoothed = self.0.entry(server).or_insert(after);
        *smoothed = Span::from_ps((smoothed.as_ps() * 7 + after.as_ps() * 3) / 10);
    }

    /// A server did not answer for this time.
    pub fn silent(&mut self, server: Ipv4Addr, waited: Span) {
        let smoothed = self.0.entry(server).or_insert(waited);
        *smoothed = (*smoothed * 2).max(waited * 2).min(Span::from_secs(600));
    }

    /// Servers never heard of come first, then the quickest.
    fn rank(&self, server: Ipv4Addr) -> (Span, Ipv4Addr) {
        (self.0.get(&server).copied().unwrap_or(Span::ZERO), server)
    }
}

/// What to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Send this query.
    Ask {
        /// To this server.
        server: Ipv4Addr,
        /// Of this zone.
        zone: String,
        /// For this name.
        name: String,
        /// And type.
        kind: Kind,
        /// It is to find the answer itself.
        recursive: bool,
    },
    /// The search is over.
    Done(Answer),
}

/// How a search ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// With records, or the certainty that there are none of this type.
    Found,
    /// There is no such name.
    NoSuchName,
    /// No server answered.
    Timeout,
    /// The servers do not know, or disagree.
    Failed,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// How it ended.
    pub outcome: Outcome,
    /// Aliases on the way, then the records.
    pub records: Vec<Record>,
    /// Queries that were sent.
    pub queries: u32,
    /// The start of the zone that says that there is nothing, where one said so.
    pub denial: Option<Record>,
}

/// One search.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The name that is looked for now: that of the question, or what it stands for.
    name: String,
    kind: Kind,
    chain: Vec<Record>,
    /// Servers to begin with: those of the root, or other resolvers.
    roots: Vec<Ipv4Addr>,
    forward: bool,
    /// What this search has heard; holds also where nothing may be kept.
    heard: Cache,
    /// Servers of the current zone that were asked and did not help.
    tried: Vec<Ipv4Addr>,
    /// How often each server was asked for each name, whichever zone it was asked as a server of.
    asked_for: BTreeMap<(Ipv4Addr, String), u32>,
    zone: String,
    asked: Option<Ipv4Addr>,
    /// The search for the address of a server.
    inner: Option<Box<Lookup>>,
    /// Names of servers whose addresses were not found, or are being looked for by the searches that this one is part of.
    lost: Vec<String>,
    denial: Option<Record>,
    /// Zones of whose servers not all have a known address: asked for above once more; true when that has been answered.
    reread: BTreeMap<String, bool>,
    most: u32,
    rounds: u32,
    tries: u32,
    queries: u32,
    depth: u32,
    someone_answered: bool,
}

/// Who serves a zone.
#[derive(Default)]
struct Servants {
    zone: String,
    found: Vec<Ipv4Addr>,
    /// Names whose addresses are to be looked for.
    missing: Vec<String>,
    /// There are others whose addresses only the zone above can tell.
    hidden: bool,
}

impl Lookup {
    /// A search that begins at the servers of the root; each server is asked up to `tries` times.
    pub fn iterative(name: &str, kind: Kind, roots: Vec<Ipv4Addr>, tries: u32) -> Lookup {
        Lookup {
            name: normal_name(name),
            kind,
            chain: Vec::new(),
            roots,
            forward: false,
            heard: Cache::new(1000, Span::MAX),
            tried: Vec::new(),
            asked_for: BTreeMap::new(),
            zone: String::new(),
            asked: None,
            inner: None,
            lost: Vec::new(),
            denial: None,
            reread: BTreeMap::new(),
            most: MOST_QUERIES,
            rounds: 0,
            tries: tries.max(1),
            queries: 0,
            depth: 0,
            someone_answered: false,
        }
    }

    /// A search through other resolvers, in this order.
    pub fn forwarded(name: &str, kind: Kind, resolvers: Vec<Ipv4Addr>, tries: u32) -> Lookup {
        Lookup { forward: true, ..Lookup::iterative(name, kind, resolvers, tries) }
    }

    /// What to do now.
    pub fn next(&mut self, cache: &Cache, servers: &Servers, now: Instant) -> Step {
        loop {
            if let Some(answer) = self.known(cache, now) {
                return Step::Done(answer);
            }
            if self.spent() >= self.most {
                return Step::Done(self.end(Outcome::Failed));
            }
            if let Some(inner) = &mut self.inner {
                match inner.next(cache, servers, now) {
                    ask @ Step::Ask { .. } => return ask,
                    Step::Done(answer) => self.finish_inner(&answer, now),
                }
                continue;
            }
            let Servants { zone, found, missing, hidden } = self.servers_of(cache, now);
            if zone != self.zone {
                self.zone = zone;
                self.tried.clear();
                self.rounds = 0;
            }
            let willing = |server: &Ipv4Addr| {
                let asked = self.asked_for.get(&(*server, self.name.clone())).copied().unwrap_or(0);
                asked < self.tries && !self.tried.contains(server)
            };
            let untried = found.iter().copied().filter(willing);
            let best = if self.forward {
                untried.clone().next()
            } else {
                untried.min_by_key(|server| servers.rank(*server))
            };
            if let Some(server) = best {
                self.asked = Some(server);
                *self.asked_for.entry((server, self.name.clone())).or_default() += 1;
                return Step::Ask {
                    server,
                    zone: self.zone.clone(),
                    name: self.name.clone(),
                    kind: self.kind,
                    recursive: self.forward,
                };
            }
            if let Some(name) = missing.first().filter(|_| self.depth < DEEPEST) {
                let inner = Lookup::iterative(name, Kind::A, self.roots.clone(), self.tries);
                let lost = [&self.lost[..], std::slice::from_ref(name)].concat();
                let (depth, heard, most) = (self.depth + 1, self.heard.clone(), self.most - self.spent());
                self.inner = Some(Box::new(Lookup { depth, heard, most, lost, ..inner }));
                continue;
            }
            if hidden && !self.reread.contains_key(&self.zone) {
                self.reread.insert(self.zone.clone(), false);
                continue;
            }
            self.rounds += 1;
            if found.is_empty() || self.rounds >= self.tries {
                let outcome = if self.someone_answered { Outcome::Failed } else { Outcome::Timeout };
                return Step::Done(self.end(outcome));
            }
            self.tried.clear();
        }
    }

    /// The reply to what was asked last.
    pub fn heard(&mut self, cache: &mut Cache, reply: &Message, now: Instant) {
        if let Some(inner) = &mut self.inner {
            return inner.heard(cache, reply, now);
        }
        self.queries += 1;
        self.someone_answered = true;
        let Some(server) = self.asked.take() else { return };
        if !matches!(reply.rcode, Rcode::NoError | Rcode::NxDomain) {
            self.tried.push(server);
            return;
        }
        let zone = self.zone.clone();
        for known in [&mut *cache, &mut self.heard] {
            known.keep(reply, &zone, now);
        }
        // Within one search a record of no seconds counts too (RFC 1035, section 3.2.1).
        self.keep_for_now(reply, &zone, now);
        let name = self.last_name(reply);
        let answered = reply.answers.iter().any(|record| record.name == name && self.fits(record));
        let cut =
            reply.authority.iter().find(|record| record.data.kind() == Kind::Ns).map(|record| &record.name);
        let is_referral = !answered
            && reply.rcode == Rcode::NoError
            && cut.is_some_and(|cut| is_below(&name, cut) && *cut != zone && is_below(cut, &zone));
        if let Some(read) = cut.and_then(|cut| self.reread.get_mut(cut)) {
            *read = true;
        }
        if is_referral && self.forward {
            self.tried.push(server);
        }
        if answered || is_referral {
            return;
        }
        let ends_here = is_below(&name, &zone) || self.forward;
        let denied = reply.rcode == Rcode::NxDomain
            || reply.authority.iter().any(|record| record.data.kind() == Kind::Soa);
        if ends_here && denied {
            cache.deny(&name, self.kind, reply, now);
            self.heard.deny_for(&name, self.kind, reply, 3600, now);
        } else if ends_here && (self.forward || reply.authoritative && reply.answers.is_empty()) {
            self.heard.deny_for(&name, self.kind, reply, 3600, now);
        } else if reply.answers.is_empty() {
            // It neither knows nor says who does.
            self.tried.push(server);
        }
    }

    /// Nobody answered what was asked last.
    pub fn silent(&mut self) {
        if let Some(inner) = &mut self.inner {
            return inner.silent();
        }
        self.queries += 1;
        if let Some(server) = self.asked.take() {
            self.tried.push(server);
        }
    }

    fn fits(&self, record: &Record) -> bool {
        self.kind == Kind::Any || record.data.kind() == self.kind
    }

    /// Where the aliases of a reply lead, from the name that was asked for.
    fn last_name(&self, reply: &Message) -> String {
        let mut name = self.name.clone();
        for _ in 0..LONGEST_CHAIN {
            let alias = reply.answers.iter().find_map(|record| match &record.data {
                Data::Cname(target) if record.name == name && self.kind != Kind::Cname => {
                    Some(target.clone())
                }
                _ => None,
            });
            match alias {
                Some(target) => name = target,
                None => break,
            }
        }
        name
    }

    fn keep_for_now(&mut self, reply: &Message, zone: &str, now: Instant) {
        let until = now + Span::from_secs(3600);
        let beside = reply.authority.iter().chain(&reply.additional);
        let all =
            reply.answers.iter().map(|record| (record, false)).chain(beside.map(|record| (record, true)));
        let mut sets: BTreeMap<(String, Kind, bool), Vec<Record>> = BTreeMap::new();
        for (record, hint) in all.filter(|(record, _)| record.ttl == 0 && is_below(&record.name, zone)) {
            sets.entry((record.name.clone(), record.data.kind(), hint)).or_default().push(record.clone());
        }
        for ((name, kind, hint), records) in sets {
            match hint {
                true => self.heard.hint_until(&name, kind, records, until, now),
                false => self.heard.keep_until(&name, kind, records, until, now),
            }
        }
        if self.kind == Kind::Any && !reply.answers.is_empty() {
            self.heard.keep_records(&self.name, Kind::Any, reply.answers.clone(), now);
        }
    }

    fn get(&self, cache: &Cache, name: &str, kind: Kind, now: Instant) -> Option<Found> {
        cache.get(name, kind, now).or_else(|| self.heard.get(name, kind, now))
    }

    /// What servers are found by.
    fn hint(&self, cache: &Cache, name: &str, kind: Kind, now: Instant) -> Option<Found> {
        cache.get_or_hint(name, kind, now).or_else(|| self.heard.get_or_hint(name, kind, now))
    }

    /// Queries so far, those of the searches inside included.
    fn spent(&self) -> u32 {
        self.queries + self.inner.as_ref().map_or(0, |inner| inner.spent())
    }

    /// The answer, as far as it is known: follows aliases.
    fn known(&mut self, cache: &Cache, now: Instant) -> Option<Answer> {
        loop {
            match self.get(cache, &self.name, self.kind, now) {
                Some(Found::Records(records)) => {
                    self.chain.extend(records);
                    return Some(self.end(Outcome::Found));
                }
                Some(Found::Nothing(rcode)) => {
                    let (name, kind) = (&self.name, self.kind);
                    self.denial =
                        cache.denial(name, kind, now).or_else(|| self.heard.denial(name, kind, now));
                    let gone = rcode == Rcode::NxDomain;
                    return Some(self.end(if gone { Outcome::NoSuchName } else { Outcome::Found }));
                }
                None => {}
            }
            let Some(Found::Records(aliases)) = self.get(cache, &self.name, Kind::Cname, now) else {
                return None;
            };
            let target = aliases.first().and_then(|record| record.data.target()).map(str::to_owned)?;
            if self.chain.len() >= LONGEST_CHAIN {
                return Some(self.end(Outcome::Failed));
            }
            self.chain.extend(aliases);
            self.name = target;
            self.tried.clear();
            self.inner = None;
        }
    }

    /// The servers of the closest zone that are known.
    fn servers_of(&self, cache: &Cache, now: Instant) -> Servants {
        let top = || Servants { found: self.roots.clone(), ..Servants::default() };
        if self.forward {
            return top();
        }
        let mut zone = &self.name[..];
        loop {
            let passed_over = self.reread.get(zone) == Some(&false);
            let known = self.hint(cache, zone, Kind::Ns, now).filter(|_| !passed_over);
            if let Some(Found::Records(servers)) = known {
                let (mut found, mut missing, mut hidden) = (Vec::new(), Vec::new(), false);
                for name in servers.iter().filter_map(|record| record.data.target()) {
                    match self.hint(cache, name, Kind::A, now) {
                        Some(Found::Records(addresses)) => {
                            found.extend(addresses.iter().filter_map(|record| match record.data {
                                Data::A(ip) => Some(ip),
                                _ => None,
                            }))
                        }
                        Some(Found::Nothing(_)) => {}
                        // Its address would be found only by asking itself.
                        None if is_below(name, zone) => hidden = true,
                        None if self.lost.iter().any(|lost| lost == name) => {}
                        None => missing.push(name.to_owned()),
                    }
                }
                if !found.is_empty() || !missing.is_empty() {
                    return Servants { zone: zone.to_owned(), found, missing, hidden };
                }
            }
            let Some((_, parent)) = zone.split_once('.') else { break };
            zone = parent;
        }
        top()
    }

    fn finish_inner(&mut self, answer: &Answer, now: Instant) {
        let Some(inner) = self.inner.take() else { return };
        self.queries += inner.spent();
        let addresses: Vec<Record> =
            answer.records.iter().filter(|record| record.data.kind() == Kind::A).cloned().collect();
        // An alias has led it to another name.
        let asked = answer.records.first().map_or(inner.name, |record| record.name.clone());
        if addresses.is_empty() {
            self.lost.push(asked);
        } else {
            let kept =
                addresses.into_iter().map(|record| Record { ttl: record.ttl.max(1), ..record }).collect();
            self.heard.keep_records(&asked, Kind::A, kept, now);
        }
    }

    fn end(&mut self, outcome: Outcome) -> Answer {
        let records = std::mem::take(&mut self.chain);
        let queries = self.spent();
        self.inner = None;
        Answer { outcome, records, queries, denial: self.denial.take() }
    }
}

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;
