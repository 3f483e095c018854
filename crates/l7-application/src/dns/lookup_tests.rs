//! Searches through a small world of name servers.

use super::super::zone::Zone;
use super::*;
use proptest::prelude::*;

const ROOT: Ipv4Addr = Ipv4Addr::new(1, 0, 0, 1);
const TLD: Ipv4Addr = Ipv4Addr::new(1, 0, 0, 2);
const OWN: Ipv4Addr = Ipv4Addr::new(1, 0, 0, 3);
const OTHER: Ipv4Addr = Ipv4Addr::new(1, 0, 0, 4);
const WEB: Ipv4Addr = Ipv4Addr::new(9, 9, 9, 9);

struct Net {
    zones: BTreeMap<Ipv4Addr, Zone>,
    down: Vec<Ipv4Addr>,
    asked: Vec<Ipv4Addr>,
}

fn zone(origin: &str, records: &[(&str, u32, Data)]) -> Zone {
    let mut zone = Zone::new(origin, 30);
    for (name, ttl, data) in records {
        zone.add(Record { name: (*name).into(), ttl: *ttl, data: data.clone() });
    }
    zone
}

fn ns(name: &str) -> Data {
    Data::Ns(name.into())
}

fn net() -> Net {
    let zones = [
        (
            ROOT,
            zone("", &[("com", 900, ns("a.com")), ("a.com", 900, Data::A(TLD)), ("org", 900, ns("a.com"))]),
        ),
        (
            TLD,
            zone(
                "com",
                &[
                    ("example.com", 300, ns("ns1.example.com")),
                    ("example.com", 300, ns("ns2.example.com")),
                    ("ns1.example.com", 300, Data::A(OWN)),
                    ("ns2.example.com", 300, Data::A(OTHER)),
                    ("far.com", 300, ns("ns1.example.com")),
                ],
            ),
        ),
    ];
    let own = zone(
        "example.com",
        &[
            ("www.example.com", 60, Data::A(WEB)),
            ("alias.example.com", 60, Data::Cname("www.example.com".into())),
            ("now.example.com", 0, Data::A(WEB)),
            ("ns1.example.com", 300, Data::A(OWN)),
        ],
    );
    let mut zones: BTreeMap<_, _> = zones.into_iter().collect();
    zones.insert(OWN, own.clone());
    zones.insert(OTHER, own);
    Net { zones, down: Vec::new(), asked: Vec::new() }
}

impl Net {
    fn find(&mut self, name: &str, kind: Kind, cache: &mut Cache, at: u64) -> Answer {
        self.run(Lookup::iterative(name, kind, vec![ROOT], 2), cache, at)
    }

    fn run(&mut self, mut lookup: Lookup, cache: &mut Cache, at: u64) -> Answer {
        let (mut servers, now) = (Servers::default(), Instant::ZERO + Span::from_secs(at));
        self.asked.clear();
        for _ in 0..200 {
            match lookup.next(cache, &servers, now) {
                Step::Done(answer) => return answer,
                Step::Ask { server, name, kind, recursive, .. } => {
                    self.asked.push(server);
                    let zone = self.zones.get(&server).filter(|_| !self.down.contains(&server));
                    match zone {
                        Some(zone) => {
                            let reply = zone.answer(&Message::query(1, &name, kind, recursive));
                            servers.heard(server, Span::from_ms(10));
                            lookup.heard(cache, &reply, now);
                        }
                        None => {
                            servers.silent(server, Span::from_secs(1));
                            lookup.silent();
                        }
                    }
                }
            }
        }
        panic!("{name} is never found", name = lookup.name);
    }
}

fn cache() -> Cache {
    Cache::new(100, Span::from_secs(86_400))
}

#[test]
fn a_search_goes_from_the_root_to_the_zone_and_the_next_one_not_at_all() {
    let (mut net, mut cache) = (net(), cache());
    let answer = net.find("www.example.com", Kind::A, &mut cache, 0);
    assert_eq!((answer.outcome, answer.queries), (Outcome::Found, 3));
    assert_eq!(answer.records[0].data, Data::A(WEB));
    assert_eq!(net.asked, [ROOT, TLD, OWN]);
    assert_eq!(net.find("www.example.com", Kind::A, &mut cache, 59).queries, 0);
    // The address is old, the servers of the zone are still known.
    net.find("www.example.com", Kind::A, &mut cache, 61);
    assert_eq!(net.asked.len(), 1);
}

#[test]
fn an_alias_leads_to_the_address() {
    let answer = net().find("alias.example.com", Kind::A, &mut cache(), 0);
    let kinds: Vec<Kind> = answer.records.iter().map(|record| record.data.kind()).collect();
    assert_eq!(kinds, [Kind::Cname, Kind::A]);
}

#[test]
fn a_server_that_is_silent_is_passed_over() {
    let (mut net, mut cache) = (net(), cache());
    net.down = vec![OWN];
    let answer = net.find("www.example.com", Kind::A, &mut cache, 0);
    assert_eq!((answer.outcome, answer.queries), (Outcome::Found, 4));
    net.down = vec![OWN, OTHER];
    let answer = net.find("www.example.com", Kind::A, &mut cache, 100);
    assert_eq!((answer.outcome, net.asked.len()), (Outcome::Timeout, 4));
}

#[test]
fn what_is_not_there_is_asked_for_once() {
    let (mut net, mut cache) = (net(), cache());
    assert_eq!(net.find("no.example.com", Kind::A, &mut cache, 0).outcome, Outcome::NoSuchName);
    assert_eq!(net.find("no.example.com", Kind::A, &mut cache, 29).queries, 0);
    assert_eq!(net.find("no.example.com", Kind::A, &mut cache, 31).queries, 1);
    let answer = net.find("www.example.com", Kind::Mx, &mut cache, 32);
    assert_eq!((answer.outcome, answer.records.len()), (Outcome::Found, 0));
}

#[test]
fn a_record_of_no_seconds_is_an_answer_and_is_not_kept() {
    let (mut net, mut cache) = (net(), cache());
    let answer = net.find("now.example.com", Kind::A, &mut cache, 0);
    assert_eq!(answer.records.iter().map(|record| record.ttl).collect::<Vec<_>>(), [0]);
    assert_eq!(net.find("now.example.com", Kind::A, &mut cache, 0).queries, 1);
}

#[test]
fn the_address_of_a_server_may_have_to_be_looked_for_first() {
    let (mut net, mut cache) = (net(), cache());
    net.zones.get_mut(&TLD).unwrap().remove("ns2.example.com", None);
    // far.com is served by ns1.example.com, which does not know it: a lame delegation.
    let answer = net.find("www.far.com", Kind::A, &mut cache, 0);
    assert_eq!(answer.outcome, Outcome::Failed);
    assert!(net.asked.contains(&OWN));
    assert_eq!(net.find("x.org", Kind::A, &mut cache, 0).outcome, Outcome::Failed);
}

#[test]
fn a_forwarder_is_asked_to_find_the_answer() {
    let (mut net, mut cache) = (net(), cache());
    let answer = net.run(Lookup::forwarded("www.example.com", Kind::A, vec![TLD, OWN], 2), &mut cache, 0);
    // The first only refers, so the second is asked.
    assert_eq!((answer.outcome, answer.queries), (Outcome::Found, 2));
}

#[test]
fn a_server_whose_name_is_an_alias_of_nothing_is_given_up() {
    let mut known = cache();
    let mut keep = |name: &str, data: Data| {
        let record = Record { name: name.into(), ttl: 60, data };
        known.keep_records(name, record.data.kind(), vec![record], Instant::ZERO);
    };
    keep("com", ns("alias.org"));
    keep("alias.org", Data::Cname("gone.org".into()));
    let gone = Message::reply_to(&Message::query(1, "gone.org", Kind::A, false), Rcode::NxDomain);
    known.deny_for("gone.org", Kind::A, &gone, 60, Instant::ZERO);
    let mut lookup = Lookup::iterative("www.com", Kind::A, vec![ROOT], 1);
    let step = lookup.next(&known, &Servers::default(), Instant::ZERO);
    assert!(matches!(step, Step::Ask { server: ROOT, .. }), "others are asked: {step:?}");
}

#[test]
fn zones_whose_servers_are_named_in_each_other_are_given_up_soon() {
    let mut net = net();
    let zone = zone("com", &[("x.com", 60, ns("ns.y.com")), ("y.com", 60, ns("ns.x.com"))]);
    net.zones.insert(TLD, zone);
    let answer = net.find("www.x.com", Kind::A, &mut cache(), 0);
    assert_eq!(answer.outcome, Outcome::Failed);
    assert!(answer.queries <= 8, "{} queries", answer.queries);
}

#[test]
fn a_server_that_refers_to_nobody_who_answers_is_asked_no_more_often_than_others() {
    let mut net = net();
    net.down = vec![OWN, OTHER];
    // What the search learns is forgotten at once, so that it begins again at the top.
    let answer = net.find("www.example.com", Kind::A, &mut Cache::new(1, Span::ZERO), 0);
    assert_eq!(answer.outcome, Outcome::Failed);
    for server in [ROOT, TLD, OWN, OTHER] {
        assert!(net.asked.iter().filter(|asked| **asked == server).count() <= 2, "{:?}", net.asked);
    }
}

#[test]
fn a_server_whose_address_was_forgotten_is_asked_for_above() {
    let (mut net, mut cache) = (net(), Cache::new(2, Span::from_secs(86_400)));
    net.find("www.example.com", Kind::A, &mut cache, 0);
    for lame in [OWN, OTHER] {
        let zone = net.zones.insert(lame, zone("lame.org", &[])).unwrap();
        assert_eq!(net.find("www.example.com", Kind::A, &mut cache, 100).outcome, Outcome::Found, "{lame}");
        net.zones.insert(lame, zone);
    }
}

#[test]
fn the_name_of_a_server_is_asked_of_its_zone_and_not_taken_from_a_referral() {
    let (mut net, mut cache) = (net(), cache());
    net.find("www.example.com", Kind::A, &mut cache, 0);
    let answer = net.find("ns1.example.com", Kind::A, &mut cache, 1);
    assert_eq!((answer.queries, answer.records.len()), (1, 1));
}

#[test]
fn the_start_of_a_zone_is_found_and_a_denial_brings_it() {
    let (mut net, mut cache) = (net(), cache());
    let answer = net.find("example.com", Kind::Soa, &mut cache, 0);
    assert_eq!((answer.queries, answer.records.len(), answer.denial), (3, 1, None));
    assert_eq!(net.find("example.com", Kind::Soa, &mut cache, 1).queries, 0);
    let answer = net.find("www.example.com", Kind::Mx, &mut cache, 2);
    assert_eq!(answer.denial.unwrap().name, "example.com");
}

proptest! {
    #[test]
    fn whatever_servers_say_a_search_ends(replies in proptest::collection::vec((0u8..6, "[abc]{1,2}(\\.[abc]{1,2}){0,2}", 0u32..3), 1..60)) {
        let (mut cache, mut servers) = (cache(), Servers::default());
        let mut lookup = Lookup::iterative("a.b.c", Kind::A, vec![ROOT], 2);
        let mut replies = replies.iter().cycle();
        for round in 0..500u64 {
            match lookup.next(&cache, &servers, Instant::ZERO) {
                Step::Done(answer) => {
                    prop_assert!(answer.queries <= MOST_QUERIES + 1);
                    return Ok(());
                }
                Step::Ask { server, name, kind, .. } => {
                    let (what, text, ttl) = replies.next().unwrap();
                    let mut reply = Message::reply_to(&Message::query(1, &name, kind, false), Rcode::NoError);
                    let record = |name: &str, data| Record { name: name.into(), ttl: *ttl, data };
                    match what {
                        0 => reply.authority.push(record(text, ns("n.a"))),
                        1 => reply.answers.push(record(&name, Data::Cname(text.clone()))),
                        2 => {
                            reply.authority.push(record(text, ns("n.a")));
                            reply.additional.push(record("n.a", Data::A(Ipv4Addr::from(round as u32))));
                        }
                        3 => reply.rcode = Rcode::ServFail,
                        4 => {
                            servers.silent(server, Span::from_secs(1));
                            lookup.silent();
                            continue;
                        }
                        _ => {}
                    }
                    lookup.heard(&mut cache, &reply, Instant::ZERO);
                }
            }
        }
        prop_assert!(false, "no end");
    }
}
