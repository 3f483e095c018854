//! What a name server knows of a zone, and what it answers (RFC 1034, section 4.3.2).

use super::message::{Data, Kind, Message, Rcode, Record, is_below, normal_name};
use std::collections::BTreeMap;

/// Most names that stand for another before the answer is given as it is.
const LONGEST_CHAIN: usize = 16;

/// The records of a zone.
#[derive(Clone, Debug)]
pub struct Zone {
    origin: String,
    records: BTreeMap<String, Vec<Record>>,
    serial: u32,
    /// Seconds for which a denial holds.
    minimum: u32,
}

impl Zone {
    /// An empty zone; denials hold for `minimum` seconds.
    pub fn new(origin: &str, minimum: u32) -> Zone {
        Zone { origin: normal_name(origin), records: BTreeMap::new(), serial: 1, minimum }
    }

    /// The name of the zone.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Adds a record; one that is there is not added twice.
    pub fn add(&mut self, record: Record) {
        let all = self.records.entry(record.name.clone()).or_default();
        if !all.iter().any(|known| known.data == record.data) {
            all.push(record);
        }
        self.serial += 1;
    }

    /// Removes the records of a name, of one type or all.
    pub fn remove(&mut self, name: &str, kind: Option<Kind>) {
        if let Some(all) = self.records.get_mut(&normal_name(name)) {
            all.retain(|record| kind.is_some_and(|kind| record.data.kind() != kind));
        }
        self.records.retain(|_, all| !all.is_empty());
        self.serial += 1;
    }

    /// Every record, by name.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values().flatten()
    }

    /// The reply to a query for a name in this zone.
    pub fn answer(&self, query: &Message) -> Message {
        let Some((name, kind)) = query.question.clone() else {
            return Message::reply_to(query, Rcode::FormErr);
        };
        let mut reply = Message::reply_to(query, Rcode::NoError);
        reply.authoritative = true;
        let mut name = name;
        for _ in 0..LONGEST_CHAIN {
            if !is_below(&name, &self.origin) {
                if reply.answers.is_empty() {
                    return Message::reply_to(query, Rcode::Refused);
                }
                return reply;
            }
            if let Some(cut) = self.cut(&name) {
                return self.refer(reply, &cut);
            }
            let Some(all) = self.at(&name) else {
                return self.deny(reply, Rcode::NxDomain);
            };
            let fits = |record: &&Record| kind == Kind::Any || record.data.kind() == kind;
            let mut found: Vec<Record> = all.iter().filter(fits).cloned().collect();
            if name == self.origin && matches!(kind, Kind::Soa | Kind::Any) {
                found.push(self.start());
            }
            let alias = all.iter().find(|record| record.data.kind() == Kind::Cname);
            match (found.is_empty(), alias) {
                (false, _) => {
                    reply.additional.extend(found.iter().flat_map(|record| self.glue(record)));
                    reply.answers.extend(found);
                    return reply;
                }
                (true, Some(alias)) => {
                    reply.answers.push(alias.clone());
                    name = alias.data.target().unwrap_or_default().to_owned();
                }
                (true, None) => return self.deny(reply, Rcode::NoError),
            }
        }
        reply
    }

    /// The records of a name; those of `*` below the closest name that is there, where it is not (RFC 4592).
    fn at(&self, name: &str) -> Option<Vec<Record>> {
        if let Some(all) = self.records.get(name) {
            return Some(all.clone());
        }
        if name == self.origin || self.has_below(name) {
            return Some(Vec::new());
        }
        let mut parent = name.split_once('.').map_or("", |(_, parent)| parent);
        loop {
            let star = if parent.is_empty() { "*".to_owned() } else { format!("*.{parent}") };
            if let Some(all) = self.records.get(&star) {
                return Some(
                    all.iter().map(|record| Record { name: name.to_owned(), ..record.clone() }).collect(),
                );
            }
            if parent == self.origin || parent.is_empty() || self.records.contains_key(parent) {
                return None;
            }
            parent = parent.split_once('.').map_or("", |(_, parent)| parent);
        }
    }

    /// Whether names below this one are there, so that it exists without records.
    fn has_below(&self, name: &str) -> bool {
        self.records.keys().any(|known| known != name && is_below(known, name))
    }

    /// The name at or above `name` from which on another zone begins.
    fn cut(&self, name: &str) -> Option<String> {
        let mut at = name;
        let mut found = None;
        while at != self.origin && is_below(at, &self.origin) {
            let delegated = self
                .records
                .get(at)
                .is_some_and(|all| all.iter().any(|record| record.data.kind() == Kind::Ns));
            if delegated {
                found = Some(at.to_owned());
            }
            let Some((_, parent)) = at.split_once('.') else { break };
            at = parent;
        }
        found
    }

    fn refer(&self, mut reply: Message, cut: &str) -> Message {
        reply.authoritative = !reply.answers.is_empty();
        let servers = self.records[cut].iter().filter(|record| record.data.kind() == Kind::Ns);
        for server in servers {
            reply.additional.extend(self.glue(server));
            reply.authority.push(server.clone());
        }
        reply
    }

    fn deny(&self, mut reply: Message, rcode: Rcode) -> Message {
        // An alias that leads nowhere is still an answer for its own name (RFC 2308, section 2.1).
        reply.rcode = rcode;
        reply.authority.push(Record { ttl: self.minimum, ..self.start() });
        reply
    }

    /// The start of the zone (RFC 1035, section 3.3.13); kept for as long as the names of its servers.
    fn start(&self) -> Record {
        let servers = self.records.get(&self.origin);
        let first = servers.and_then(|all| all.iter().find(|record| record.data.kind() == Kind::Ns));
        let server = first.and_then(|record| record.data.target()).unwrap_or(&self.origin);
        Record {
            name: self.origin.clone(),
            ttl: first.map_or(self.minimum, |record| record.ttl),
            data: Data::Soa { server: server.to_owned(), serial: self.serial, minimum: self.minimum },
        }
    }

    /// Addresses of the name that a record of servers names.
    fn glue(&self, record: &Record) -> Vec<Record> {
        let target = match &record.data {
            Data::Ns(name) | Data::Mx(_, name) => name,
            _ => return Vec::new(),
        };
        let is_address = |record: &&Record| matches!(record.data.kind(), Kind::A | Kind::Aaaa);
        self.records.get(target).into_iter().flatten().filter(is_address).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn zone() -> Zone {
        let mut zone = Zone::new("example.com", 30);
        let mut add = |name: &str, data| zone.add(Record { name: name.to_owned(), ttl: 60, data });
        add("example.com", Data::Ns("ns.example.com".into()));
        add("ns.example.com", Data::A(Ipv4Addr::new(10, 0, 0, 1)));
        add("www.example.com", Data::Cname("web.example.com".into()));
        add("web.example.com", Data::A(Ipv4Addr::new(10, 0, 0, 2)));
        add("out.example.com", Data::Cname("www.other.org".into()));
        add("sub.example.com", Data::Ns("ns.sub.example.com".into()));
        add("ns.sub.example.com", Data::A(Ipv4Addr::new(10, 0, 0, 9)));
        add("*.wild.example.com", Data::A(Ipv4Addr::new(10, 0, 0, 3)));
        add("deep.down.example.com", Data::Txt("x".into()));
        zone
    }

    fn ask(name: &str, kind: Kind) -> Message {
        zone().answer(&Message::query(1, name, kind, false))
    }

    #[test]
    fn an_alias_is_followed_inside_the_zone_and_not_out_of_it() {
        let reply = ask("www.example.com", Kind::A);
        assert_eq!(reply.answers.len(), 2);
        assert!(reply.authoritative);
        let reply = ask("out.example.com", Kind::A);
        assert_eq!((reply.answers.len(), reply.rcode), (1, Rcode::NoError));
        assert_eq!(ask("www.example.com", Kind::Cname).answers.len(), 1);
    }

    #[test]
    fn below_a_cut_there_is_a_referral_with_the_addresses_of_servers() {
        let reply = ask("a.b.sub.example.com", Kind::A);
        assert!(!reply.authoritative && reply.answers.is_empty());
        assert_eq!(reply.authority[0].name, "sub.example.com");
        assert_eq!(reply.additional[0].data, Data::A(Ipv4Addr::new(10, 0, 0, 9)));
    }

    #[test]
    fn a_name_without_the_type_is_not_a_name_that_does_not_exist() {
        assert_eq!(ask("web.example.com", Kind::Mx).rcode, Rcode::NoError);
        assert_eq!(ask("down.example.com", Kind::A).rcode, Rcode::NoError);
        assert_eq!(ask("none.example.com", Kind::A).rcode, Rcode::NxDomain);
        let soa = &ask("none.example.com", Kind::A).authority[0];
        assert!(matches!(soa.data, Data::Soa { minimum: 30, .. }));
    }

    #[test]
    fn the_start_of_a_zone_is_an_answer_at_its_top_alone() {
        let reply = ask("example.com", Kind::Soa);
        assert!(matches!(&reply.answers[..], [Record { ttl: 60, data: Data::Soa { minimum: 30, .. }, .. }]));
        assert!(reply.authoritative && reply.authority.is_empty());
        assert!(
            ask("www.example.com", Kind::Soa).answers.iter().all(|record| record.data.kind() != Kind::Soa)
        );
        assert!(ask("web.example.com", Kind::Soa).answers.is_empty());
    }

    #[test]
    fn a_star_stands_for_names_that_are_not_there() {
        let reply = ask("any.wild.example.com", Kind::A);
        assert_eq!(reply.answers[0].name, "any.wild.example.com");
        assert_eq!(ask("wild.example.com", Kind::A).rcode, Rcode::NoError);
    }

    #[test]
    fn aliases_in_a_circle_end() {
        let mut zone = Zone::new("x", 1);
        for (a, b) in [("a.x", "b.x"), ("b.x", "a.x")] {
            zone.add(Record { name: a.into(), ttl: 1, data: Data::Cname(b.into()) });
        }
        let reply = zone.answer(&Message::query(1, "a.x", Kind::A, false));
        assert_eq!(reply.answers.len(), LONGEST_CHAIN);
    }
}
