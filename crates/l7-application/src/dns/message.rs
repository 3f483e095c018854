//! Messages of the domain name system (RFC 1035, section 4), and their wire format by `simple-dns`.

use simple_dns::rdata::{A, AAAA, CNAME, MX, NS, PTR, RData, SOA, TXT};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord, TYPE};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What other servers of a zone would go by, in seconds; here all know the zone at once.
const REFRESH: i32 = 7200;
const RETRY: i32 = 900;
const EXPIRE: i32 = 1_209_600;

/// The type of a record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// A name server of a zone.
    Ns,
    /// The start of a zone.
    Soa,
    /// Another name for this.
    Cname,
    /// A mail server.
    Mx,
    /// A text.
    Txt,
    /// The name of an address.
    Ptr,
    /// All that there are; only asked.
    Any,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 9] =
        [Kind::A, Kind::Aaaa, Kind::Ns, Kind::Soa, Kind::Cname, Kind::Mx, Kind::Txt, Kind::Ptr, Kind::Any];

    /// As zone files write it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::A => "A",
            Kind::Aaaa => "AAAA",
            Kind::Ns => "NS",
            Kind::Soa => "SOA",
            Kind::Cname => "CNAME",
            Kind::Mx => "MX",
            Kind::Txt => "TXT",
            Kind::Ptr => "PTR",
            Kind::Any => "ANY",
        }
    }

    /// The type with this name.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    fn question(self) -> QTYPE {
        match self {
            Kind::A => TYPE::A.into(),
            Kind::Aaaa => TYPE::AAAA.into(),
            Kind::Ns => TYPE::NS.into(),
            Kind::Soa => TYPE::SOA.into(),
            Kind::Cname => TYPE::CNAME.into(),
            Kind::Mx => TYPE::MX.into(),
            Kind::Txt => TYPE::TXT.into(),
            Kind::Ptr => TYPE::PTR.into(),
            Kind::Any => QTYPE::ANY,
        }
    }

    fn of_question(kind: QTYPE) -> Option<Kind> {
        Kind::ALL.into_iter().find(|known| known.question() == kind)
    }
}

/// What a record says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The name of a name server.
    Ns(String),
    /// The start of a zone: its first server, its version, and for how many seconds a denial holds.
    Soa {
        /// The name of the first server.
        server: String,
        /// The version of the zone.
        serial: u32,
        /// Seconds for which a denial holds (RFC 2308).
        minimum: u32,
    },
    /// The name that this one stands for.
    Cname(String),
    /// Preference and name of a mail server.
    Mx(u16, String),
    /// A text.
    Txt(String),
    /// The name of an address.
    Ptr(String),
}

impl Data {
    /// Its type.
    pub fn kind(&self) -> Kind {
        match self {
            Data::A(_) => Kind::A,
            Data::Aaaa(_) => Kind::Aaaa,
            Data::Ns(_) => Kind::Ns,
            Data::Soa { .. } => Kind::Soa,
            Data::Cname(_) => Kind::Cname,
            Data::Mx(..) => Kind::Mx,
            Data::Txt(_) => Kind::Txt,
            Data::Ptr(_) => Kind::Ptr,
        }
    }

    /// The name that a query for an address goes on with.
    pub fn target(&self) -> Option<&str> {
        match self {
            Data::Ns(name) | Data::Cname(name) | Data::Mx(_, name) | Data::Ptr(name) => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Data::A(ip) => ip.fmt(f),
            Data::Aaaa(ip) => ip.fmt(f),
            Data::Ns(name) | Data::Cname(name) | Data::Ptr(name) => write!(f, "{name}."),
            Data::Soa { server, serial, minimum } => {
                write!(f, "{server}. hostmaster. {serial} {REFRESH} {RETRY} {EXPIRE} {minimum}")
            }
            Data::Mx(preference, name) => write!(f, "{preference} {name}."),
            Data::Txt(text) => write!(f, "\"{text}\""),
        }
    }
}

/// A record: who, for how many seconds, what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its name, in small letters and without the last dot; the root is empty.
    pub name: String,
    /// Seconds for which it may be kept.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.\t{}\tIN\t{}\t{}", self.name, self.ttl, self.data.kind().name(), self.data)
    }
}

/// How a query ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rcode {
    /// Well; there may still be no record of the type.
    NoError,
    /// The query made no sense.
    FormErr,
    /// The server failed.
    ServFail,
    /// There is no such name.
    NxDomain,
    /// The server cannot do this.
    NotImp,
    /// The server does not want to.
    Refused,
}

impl Rcode {
    /// As `dig` writes it.
    pub fn name(self) -> &'static str {
        match self {
            Rcode::NoError => "NOERROR",
            Rcode::FormErr => "FORMERR",
            Rcode::ServFail => "SERVFAIL",
            Rcode::NxDomain => "NXDOMAIN",
            Rcode::NotImp => "NOTIMP",
            Rcode::Refused => "REFUSED",
        }
    }
}

/// A query or a reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Number by which a reply is known.
    pub id: u16,
    /// It is a reply.
    pub response: bool,
    /// The server has the zone.
    pub authoritative: bool,
    /// Not all of it fitted.
    pub truncated: bool,
    /// The server is asked to find the answer.
    pub recursion_desired: bool,
    /// The server would.
    pub recursion_available: bool,
    /// How it ended.
    pub rcode: Rcode,
    /// What is asked: name and type.
    pub question: Option<(String, Kind)>,
    /// The answer.
    pub answers: Vec<Record>,
    /// Who knows more, or who says that there is none.
    pub authority: Vec<Record>,
    /// What may be needed next.
    pub additional: Vec<Record>,
}

impl Message {
    /// A query.
    pub fn query(id: u16, name: &str, kind: Kind, recursion_desired: bool) -> Message {
        Message {
            id,
            response: false,
            authoritative: false,
            truncated: false,
            recursion_desired,
            recursion_available: false,
            rcode: Rcode::NoError,
            question: Some((normal_name(name), kind)),
            answers: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
        }
    }

    /// An empty reply to a query.
    pub fn reply_to(query: &Message, rcode: Rcode) -> Message {
        Message {
            response: true,
            rcode,
            answers: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
            ..query.clone()
        }
    }

    /// Reads a message; none if the bytes are none, or ask for something that is unknown here. Records of unknown types are
    /// passed over.
    pub fn parse(bytes: &[u8]) -> Option<Message> {
        let packet = Packet::parse(bytes).ok()?;
        let question = match packet.questions.first() {
            Some(question) => Some((text_of(&question.qname)?, Kind::of_question(question.qtype)?)),
            None => None,
        };
        let rcode = match packet.rcode() {
            RCODE::NoError => Rcode::NoError,
            RCODE::FormatError => Rcode::FormErr,
            RCODE::NameError => Rcode::NxDomain,
            RCODE::NotImplemented => Rcode::NotImp,
            RCODE::Refused => Rcode::Refused,
            _ => Rcode::ServFail,
        };
        let records = |section: &[ResourceRecord<'_>]| section.iter().filter_map(record_of).collect();
        Some(Message {
            id: packet.id(),
            response: packet.has_flags(PacketFlag::RESPONSE),
            authoritative: packet.has_flags(PacketFlag::AUTHORITATIVE_ANSWER),
            truncated: packet.has_flags(PacketFlag::TRUNCATION),
            recursion_desired: packet.has_flags(PacketFlag::RECURSION_DESIRED),
            recursion_available: packet.has_flags(PacketFlag::RECURSION_AVAILABLE),
            rcode,
            question,
            answers: records(&packet.answers),
            authority: records(&packet.name_servers),
            additional: records(&packet.additional_records),
        })
    }

    /// The message as bytes, names compressed.
    pub fn emit(&self) -> Vec<u8> {
        let mut packet = if self.response { Packet::new_reply(self.id) } else { Packet::new_query(self.id) };
        for (on, flag) in [
            (self.authoritative, PacketFlag::AUTHORITATIVE_ANSWER),
            (self.truncated, PacketFlag::TRUNCATION),
            (self.recursion_desired, PacketFlag::RECURSION_DESIRED),
            (self.recursion_available, PacketFlag::RECURSION_AVAILABLE),
        ] {
            if on {
                packet.set_flags(flag);
            }
        }
        *packet.rcode_mut() = match self.rcode {
            Rcode::NoError => RCODE::NoError,
            Rcode::FormErr => RCODE::FormatError,
            Rcode::ServFail => RCODE::ServerFailure,
            Rcode::NxDomain => RCODE::NameError,
            Rcode::NotImp => RCODE::NotImplemented,
            Rcode::Refused => RCODE::Refused,
        };
        if let Some((name, kind)) = &self.question {
            let question =
                Question::new(Name::new_unchecked(name), kind.question(), QCLASS::CLASS(CLASS::IN), false);
            packet.questions.push(question);
        }
        packet.answers = self.answers.iter().map(wire_record).collect();
        packet.name_servers = self.authority.iter().map(wire_record).collect();
        packet.additional_records = self.additional.iter().map(wire_record).collect();
        packet.build_bytes_vec_compressed().unwrap_or_default()
    }

    /// The bytes if they are at most `most`; else those of a reply that says so and holds no records (RFC 2181, section 9).
    pub fn emit_within(&self, most: usize) -> Vec<u8> {
        let bytes = self.emit();
        if bytes.len() <= most {
            return bytes;
        }
        let bare = Message { truncated: true, ..Message::reply_to(self, self.rcode) };
        bare.emit()
    }
}

/// A name in small letters, without the last dot.
pub fn normal_name(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Why a name cannot be one: a label of no or more than 63 bytes, or more than 253 in all (RFC 1035, section 2.3.4).
pub fn bad_name(name: &str) -> Option<&'static str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > 253 {
        Some("is longer than 253 characters")
    } else if !name.is_empty() && name.split('.').any(str::is_empty) {
        Some("has an empty part")
    } else if name.split('.').any(|label| label.len() > 63) {
        Some("has a part of more than 63 characters")
    } else {
        None
    }
}

/// Whether a name is `zone` or below it.
pub fn is_below(name: &str, zone: &str) -> bool {
    zone.is_empty() || name == zone || name.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
}

/// The name under which the name of an address is found.
pub fn reverse_name(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(ip) => {
            let mut name = String::new();
            for byte in ip.octets().iter().rev() {
                name.push_str(&format!("{:x}.{:x}.", byte & 15, byte >> 4));
            }
            name + "ip6.arpa"
        }
    }
}

/// None where letters stand that texts of names cannot hold: a dot inside a label, control characters.
fn text_of(name: &Name<'_>) -> Option<String> {
    let text = name.to_string();
    (!text.contains('\\')).then(|| normal_name(&text))
}

fn record_of(record: &ResourceRecord<'_>) -> Option<Record> {
    let data = match &record.rdata {
        RData::A(a) => Data::A(a.address.into()),
        RData::AAAA(a) => Data::Aaaa(a.address.into()),
        RData::NS(NS(name)) => Data::Ns(text_of(name)?),
        RData::CNAME(CNAME(name)) => Data::Cname(text_of(name)?),
        RData::PTR(PTR(name)) => Data::Ptr(text_of(name)?),
        RData::MX(mx) => Data::Mx(mx.preference, text_of(&mx.exchange)?),
        RData::SOA(soa) => {
            Data::Soa { server: text_of(&soa.mname)?, serial: soa.serial, minimum: soa.minimum }
        }
        RData::TXT(txt) => Data::Txt(String::try_from(txt.clone()).ok()?),
        _ => return None,
    };
    Some(Record { name: text_of(&record.name)?, ttl: record.ttl, data })
}

fn wire_record(record: &Record) -> ResourceRecord<'_> {
    let name = |text| Name::new_unchecked(text);
    let data = match &record.data {
        Data::A(ip) => RData::A(A { address: (*ip).into() }),
        Data::Aaaa(ip) => RData::AAAA(AAAA { address: (*ip).into() }),
        Data::Ns(text) => RData::NS(NS(name(text))),
        Data::Cname(text) => RData::CNAME(CNAME(name(text))),
        Data::Ptr(text) => RData::PTR(PTR(name(text))),
        Data::Mx(preference, text) => RData::MX(MX { preference: *preference, exchange: name(text) }),
        Data::Soa { server, serial, minimum } => RData::SOA(SOA {
            mname: name(server),
            rname: name("hostmaster"),
            serial: *serial,
            refresh: REFRESH,
            retry: RETRY,
            expire: EXPIRE,
            minimum: *minimum,
        }),
        Data::Txt(text) => {
            let mut txt = TXT::new();
            let mut rest = &text[..];
            while !rest.is_empty() {
                // A character string holds 255 bytes (RFC 1035, section 3.3).
                let mut end = rest.len().min(255);
                while !rest.is_char_boundary(end) {
                    end -= 1;
                }
                let (part, after) = rest.split_at(end);
                txt = txt.clone().with_string(part).unwrap_or(txt);
                rest = after;
            }
            RData::TXT(txt)
        }
    };
    ResourceRecord::new(name(&record.name), CLASS::IN, record.ttl, data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn full() -> Message {
        let record = |name: &str, data| Record { name: name.to_owned(), ttl: 60, data };
        Message {
            response: true,
            authoritative: true,
            answers: vec![
                record("www.example.com", Data::Cname("web.example.com".into())),
                record("web.example.com", Data::A(Ipv4Addr::new(10, 0, 0, 1))),
                record("web.example.com", Data::Aaaa("2001:db8::1".parse().unwrap())),
                record("example.com", Data::Mx(10, "mail.example.com".into())),
                record("example.com", Data::Txt("v=spf1 -all".into())),
                record("1.0.0.10.in-addr.arpa", Data::Ptr("web.example.com".into())),
            ],
            authority: vec![
                record("", Data::Ns("ns.example.com".into())),
                record("example.com", Data::Soa { server: "ns.example.com".into(), serial: 7, minimum: 30 }),
            ],
            ..Message::query(77, "www.example.com", Kind::A, true)
        }
    }

    #[test]
    fn messages_are_read_as_they_are_written() {
        let message = full();
        assert_eq!(Message::parse(&message.emit()).unwrap(), message);
        let query = Message::query(1, "Example.COM.", Kind::Any, false);
        assert_eq!(query.question.as_ref().unwrap().0, "example.com");
        assert_eq!(Message::parse(&query.emit()).unwrap(), query);
    }

    #[test]
    fn names_are_compressed() {
        // 12 bytes of header, a question of 21, an answer whose name is a pointer: 2 + 10 + 4.
        let mut message = Message::query(1, "www.example.com", Kind::A, true);
        message.answers =
            vec![Record { name: "www.example.com".into(), ttl: 1, data: Data::A(Ipv4Addr::LOCALHOST) }];
        assert_eq!(message.emit().len(), 12 + 21 + 16);
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_that_is_said() {
        let short = Message::parse(&full().emit_within(100)).unwrap();
        assert!(short.truncated && short.answers.is_empty() && short.response);
        assert!(!Message::parse(&full().emit_within(5000)).unwrap().truncated);
    }

    #[test]
    fn names_and_their_parts_have_a_longest_length() {
        assert_eq!(bad_name(&format!("{}.com", "a".repeat(63))), None);
        assert!(bad_name(&format!("{}.com", "a".repeat(64))).is_some());
        assert!(bad_name(&"abc.".repeat(70)).is_some() && bad_name("a..b").is_some());
        assert_eq!((bad_name(""), bad_name("."), bad_name("a.b.")), (None, None, None));
    }

    #[test]
    fn zones_hold_what_is_below_them() {
        assert!(is_below("www.example.com", "example.com") && is_below("example.com", "example.com"));
        assert!(is_below("com", "") && !is_below("badexample.com", "example.com"));
        assert_eq!(reverse_name("10.1.2.3".parse().unwrap()), "3.2.1.10.in-addr.arpa");
        assert!(reverse_name("2001:db8::1".parse().unwrap()).starts_with("1.0.0.0."));
    }

    proptest! {
        #[test]
        fn garbage_is_no_message_and_no_panic(bytes: Vec<u8>, at in 0usize..200, byte: u8) {
            let _ = Message::parse(&bytes);
            let mut damaged = full().emit();
            let at = at % damaged.len();
            damaged[at] = byte;
            let _ = Message::parse(&damaged);
            let _ = Message::parse(&damaged[..at]);
        }
    }
}
