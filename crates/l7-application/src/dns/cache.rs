//! What a resolver has heard, until its time is over; also that there is nothing (RFC 2308).

use super::message::{Data, Kind, Message, Rcode, Record, is_below};
use std::collections::BTreeMap;
use tidewire_units::{Instant, Span};

/// What a cache knows of a name and type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// These records, with the seconds that they have left.
    Records(Vec<Record>),
    /// That there is no such name, or no such record of it.
    Nothing(Rcode),
}

#[derive(Clone, Debug)]
struct Entry {
    records: Vec<Record>,
    /// None for records.
    denial: Option<Rcode>,
    until: Instant,
}

/// Records and denials by name and type.
#[derive(Clone, Debug)]
pub struct Cache {
    entries: Entries,
    /// What servers said beside their answers: good to find a server by, and no answer (RFC 2181, section 5.4.1).
    hints: Entries,
    most: usize,
    /// No entry lives longer than this.
    longest: Span,
}

impl Cache {
    /// An empty cache for `most` entries, each for `longest` at most.
    pub fn new(most: usize, longest: Span) -> Cache {
        Cache { entries: BTreeMap::new(), hints: BTreeMap::new(), most: most.max(1), longest }
    }

    /// How many names and types are known, old ones included.
    pub fn len(&self) -> usize {
        self.entries.len() + self.hints.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.hints.clear();
    }

    /// What is known of a name and type.
    pub fn get(&self, name: &str, kind: Kind, now: Instant) -> Option<Found> {
        found(&self.entries, name, kind, now)
    }

    /// The same, or what others said of it when they named servers.
    pub fn get_or_hint(&self, name: &str, kind: Kind, now: Instant) -> Option<Found> {
        self.get(name, kind, now).or_else(|| found(&self.hints, name, kind, now))
    }

    /// The start of the zone that says that there is nothing, with the seconds that are left.
    pub fn denial(&self, name: &str, kind: Kind, now: Instant) -> Option<Record> {
        let entry = alive(&self.entries, name, kind, now).filter(|entry| entry.denial.is_some())?;
        let start = entry.records.first()?;
        Some(Record { ttl: start.ttl.min(entry.left(now)), ..start.clone() })
    }

    /// Everything that is known and alive, by name; hints where there is nothing better.
    pub fn list(&self, now: Instant) -> Vec<(String, Kind, Option<Found>)> {
        let mut keys: Vec<&(String, Kind)> = self.entries.keys().chain(self.hints.keys()).collect();
        keys.sort();
        keys.dedup();
        let all = keys.into_iter().map(|(name, kind)| (name, *kind, self.get_or_hint(name, *kind, now)));
        all.filter(|(.., found)| found.is_some())
            .map(|(name, kind, found)| (name.clone(), kind, found))
            .collect()
    }

    /// Keeps the records of a reply, of those names that the zone of its server holds.
    pub fn keep(&mut self, reply: &Message, zone: &str, now: Instant) {
        self.keep_all(&reply.answers, zone, now, false);
        let beside: Vec<Record> = reply.authority.iter().chain(&reply.additional).cloned().collect();
        self.keep_all(&beside, zone, now, true);
    }

    fn keep_all(&mut self, all: &[Record], zone: &str, now: Instant, hints: bool) {
        let mut sets: BTreeMap<(String, Kind), Vec<Record>> = BTreeMap::new();
        for record in all {
            // A server of one zone is not believed about another (RFC 2181, section 5.4.1).
            if is_below(&record.name, zone) && !(hints && record.data.kind() == Kind::Soa) {
                let set = sets.entry((record.name.clone(), record.data.kind())).or_default();
                if !set.contains(record) {
                    set.push(record.clone());
                }
            }
        }
        for (key, records) in sets {
            let ttl = records.iter().map(|record| record.ttl).min().unwrap_or(0);
            let entry = Entry { records, denial: None, until: self.until(ttl, now) };
            insert(if hints { &mut self.hints } else { &mut self.entries }, self.most, key, entry, now);
        }
    }

    /// Keeps records of one name and type.
    pub fn keep_records(&mut self, name: &str, kind: Kind, records: Vec<Record>, now: Instant) {
        let ttl = records.iter().map(|record| record.ttl).min().unwrap_or(0);
        self.keep_until(name, kind, records, self.until(ttl, now), now);
    }

    /// Keeps records until then, whatever they say of it.
    pub fn keep_until(&mut self, name: &str, kind: Kind, records: Vec<Record>, until: Instant, now: Instant) {
        let entry = Entry { records, denial: None, until };
        insert(&mut self.entries, self.most, (name.to_owned(), kind), entry, now);
    }

    /// The same for what was said beside an answer.
    pub fn hint_until(&mut self, name: &str, kind: Kind, records: Vec<Record>, until: Instant, now: Instant) {
        let entry = Entry { records, denial: None, until };
        insert(&mut self.hints, self.most, (name.to_owned(), kind), entry, now);
    }

    /// Keeps that there is nothing, for as long as the start of the zone in the reply says.
    pub fn deny(&mut self, name: &str, kind: Kind, reply: &Message, now: Instant) {
        let seconds = reply.authority.iter().find_map(|record| match record.data {
            Data::Soa { minimum, .. } => Some(minimum.min(record.ttl)),
            _ => None,
        });
        let Some(seconds) = seconds else { return };
        self.deny_for(name, kind, reply, seconds, now);
    }

    /// Keeps that there is nothing, for so many seconds.
    pub fn deny_for(&mut self, name: &str, kind: Kind, reply: &Message, seconds: u32, now: Instant) {
        let start = reply.authority.iter().find(|record| record.data.kind() == Kind::Soa);
        let entry = Entry {
            records: start.cloned().into_iter().collect(),
            denial: Some(reply.rcode),
            until: self.until(seconds, now),
        };
        insert(&mut self.entries, self.most, (name.to_owned(), kind), entry, now);
    }

    fn until(&self, ttl: u32, now: Instant) -> Instant {
        now + Span::from_secs(u64::from(ttl)).min(self.longest)
    }
}

impl Entry {
    /// Seconds that are left; a part of one counts as one, so that nothing alive has none.
    fn left(&self, now: Instant) -> u32 {
        libm::ceil(self.until.since(now).as_secs_f64()).min(f64::from(u32::MAX)) as u32
    }
}

type Entries = BTreeMap<(String, Kind), Entry>;

fn alive<'a>(entries: &'a Entries, name: &str, kind: Kind, now: Instant) -> Option<&'a Entry> {
    entries.get(&(name.to_owned(), kind)).filter(|entry| entry.until > now)
}

fn found(entries: &Entries, name: &str, kind: Kind, now: Instant) -> Option<Found> {
    let entry = alive(entries, name, kind, now)?;
    if let Some(rcode) = entry.denial {
        return Some(Found::Nothing(rcode));
    }
    let left = entry.left(now);
    let records = entry.records.iter().map(|record| Record { ttl: record.ttl.min(left), ..record.clone() });
    Some(Found::Records(records.collect()))
}

fn insert(entries: &mut Entries, most: usize, key: (String, Kind), entry: Entry, now: Instant) {
    if entry.until <= now {
        return;
    }
    if entries.len() >= most && !entries.contains_key(&key) {
        let first = entries.iter().min_by_key(|(_, entry)| entry.until).map(|(key, _)| key.clone());
        if let Some(first) = first {
            entries.remove(&first);
        }
    }
    entries.insert(key, entry);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn reply(name: &str, ttl: u32) -> Message {
        let mut reply = Message::query(1, name, Kind::A, true);
        reply.answers = vec![Record { name: name.into(), ttl, data: Data::A(Ipv4Addr::LOCALHOST) }];
        reply
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Span::from_secs(seconds)
    }

    #[test]
    fn a_record_is_known_until_its_time_is_over() {
        let mut cache = Cache::new(10, Span::from_secs(1000));
        cache.keep(&reply("a.b", 60), "", at(0));
        let Some(Found::Records(records)) = cache.get("a.b", Kind::A, at(20)) else { panic!("known") };
        assert_eq!(records[0].ttl, 40);
        assert_eq!(cache.get("a.b", Kind::A, at(60)), None);
        assert_eq!(cache.get("a.b", Kind::Aaaa, at(1)), None);
    }

    #[test]
    fn a_denial_holds_for_as_long_as_the_zone_says() {
        let mut cache = Cache::new(10, Span::from_secs(1000));
        let mut no = Message::reply_to(&Message::query(1, "no.b", Kind::A, true), Rcode::NxDomain);
        no.authority = vec![Record {
            name: "b".into(),
            ttl: 100,
            data: Data::Soa { server: "ns.b".into(), serial: 1, minimum: 30 },
        }];
        cache.deny("no.b", Kind::A, &no, at(0));
        assert_eq!(cache.get("no.b", Kind::A, at(29)), Some(Found::Nothing(Rcode::NxDomain)));
        assert_eq!(cache.get("no.b", Kind::A, at(30)), None);
    }

    #[test]
    fn the_address_beside_a_referral_finds_the_server_and_is_no_answer() {
        let mut cache = Cache::new(10, Span::from_secs(1000));
        let mut reply = reply("ns.b", 60);
        reply.additional = std::mem::take(&mut reply.answers);
        cache.keep(&reply, "", at(0));
        assert_eq!(cache.get("ns.b", Kind::A, at(1)), None);
        assert!(cache.get_or_hint("ns.b", Kind::A, at(1)).is_some());
    }

    #[test]
    fn a_server_is_not_believed_about_other_zones() {
        let mut cache = Cache::new(10, Span::from_secs(1000));
        cache.keep(&reply("www.bank.com", 60), "evil.org", at(0));
        assert!(cache.is_empty());
    }

    #[test]
    fn a_full_cache_forgets_what_would_end_first() {
        let mut cache = Cache::new(2, Span::from_secs(1000));
        for (name, ttl) in [("a", 10), ("b", 90), ("c", 50)] {
            cache.keep(&reply(name, ttl), "", at(0));
        }
        assert_eq!(cache.get("a", Kind::A, at(0)), None);
        assert_eq!(cache.len(), 2);
    }
}
