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
    entries: BTreeMap<(String, Kind), Entry>,
    most: usize,
    /// No entry lives longer than this.
    longest: Span,
}

impl Cache {
    /// An empty cache for `most` entries, each for `longest` at most.
    pub fn new(most: usize, longest: Span) -> Cache {
        Cache { entries: BTreeMap::new(), most: most.max(1), longest }
    }

    /// How many names and types are known, old ones included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// What is known of a name and type.
    pub fn get(&self, name: &str, kind: Kind, now: Instant) -> Option<Found> {
        let entry = self.entries.get(&(name.to_owned(), kind)).filter(|entry| entry.until > now)?;
        if let Some(rcode) = entry.denial {
            return Some(Found::Nothing(rcode));
        }
        // A part of a second counts as one, so that nothing alive has none left.
        let left = self.left(name, kind, now).unwrap_or(0);
        let records =
            entry.records.iter().map(|record| Record { ttl: record.ttl.min(left), ..record.clone() });
        Some(Found::Records(records.collect()))
    }

    /// For how many seconds more it is known.
    pub fn left(&self, name: &str, kind: Kind, now: Instant) -> Option<u32> {
        let entry = self.entries.get(&(name.to_owned(), kind)).filter(|entry| entry.until > now)?;
        Some(libm::ceil(entry.until.since(now).as_secs_f64()).min(f64::from(u32::MAX)) as u32)
    }

    /// Everything that is known and alive, by name.
    pub fn list(&self, now: Instant) -> Vec<(String, Kind, Option<Found>)> {
        let alive = self.entries.iter().filter(|(_, entry)| entry.until > now);
        alive.map(|((name, kind), _)| (name.clone(), *kind, self.get(name, *kind, now))).collect()
    }

    /// Keeps the records of a reply, of those names that the zone of its server holds.
    pub fn keep(&mut self, reply: &Message, zone: &str, now: Instant) {
        let all = [&reply.answers, &reply.authority, &reply.additional];
        let mut sets: BTreeMap<(String, Kind), Vec<Record>> = BTreeMap::new();
        for record in all.into_iter().flatten() {
            // A server of one zone is not believed about another (RFC 2181, section 5.4.1).
            if is_below(&record.name, zone) && record.data.kind() != Kind::Soa {
                let set = sets.entry((record.name.clone(), record.data.kind())).or_default();
                if !set.contains(record) {
                    set.push(record.clone());
                }
            }
        }
        for (key, records) in sets {
            let ttl = records.iter().map(|record| record.ttl).min().unwrap_or(0);
            self.insert(key, Entry { records, denial: None, until: self.until(ttl, now) }, now);
        }
    }

    /// Keeps records of one name and type.
    pub fn keep_records(&mut self, name: &str, kind: Kind, records: Vec<Record>, now: Instant) {
        let ttl = records.iter().map(|record| record.ttl).min().unwrap_or(0);
        self.insert(
            (name.to_owned(), kind),
            Entry { records, denial: None, until: self.until(ttl, now) },
            now,
        );
    }

    /// Keeps records until then, whatever they say of it.
    pub fn keep_until(&mut self, name: &str, kind: Kind, records: Vec<Record>, until: Instant, now: Instant) {
        self.insert((name.to_owned(), kind), Entry { records, denial: None, until }, now);
    }

    /// Keeps that there is nothing, for as long as the start of the zone in the reply says.
    pub fn deny(&mut self, name: &str, kind: Kind, reply: &Message, now: Instant) {
        let seconds = reply.authority.iter().find_map(|record| match record.data {
            Data::Soa { minimum, .. } => Some(minimum.min(record.ttl)),
            _ => None,
        });
        let Some(seconds) = seconds else { return };
        self.deny_for(name, kind, reply.rcode, seconds, now);
    }

    /// Keeps that there is nothing, for so many seconds.
    pub fn deny_for(&mut self, name: &str, kind: Kind, rcode: Rcode, seconds: u32, now: Instant) {
        let entry = Entry { records: Vec::new(), denial: Some(rcode), until: self.until(seconds, now) };
        self.insert((name.to_owned(), kind), entry, now);
    }

    fn until(&self, ttl: u32, now: Instant) -> Instant {
        now + Span::from_secs(u64::from(ttl)).min(self.longest)
    }

    fn insert(&mut self, key: (String, Kind), entry: Entry, now: Instant) {
        if entry.until <= now {
            return;
        }
        if self.entries.len() >= self.most && !self.entries.contains_key(&key) {
            let first = self.entries.iter().min_by_key(|(_, entry)| entry.until).map(|(key, _)| key.clone());
            if let Some(first) = first {
                self.entries.remove(&first);
            }
        }
        self.entries.insert(key, entry);
    }
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
