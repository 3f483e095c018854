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
    /// A type that is not known here, by its number; only asked, and then there is nothing (RFC 3597).
    Other(u16),
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
            Kind::Other(_) => "TYPE",
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
            // The number is written over this.
            Kind::Other(_) => TYPE::NULL.into(),
        }
    }

    fn of_question(kind: u16) -> Option<Kind> {
        // Transfers of zones and parts of them (RFC 5936) ask for no records of a type.
        let asked = |known: Kind| u16::from(known.question());
        Kind::ALL
            .into_iter()
            .find(|known| asked(*known) == kind)
            .or((!(251..=254).contains(&kind)).then_some(Kind::Other(kind)))
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
            // As a record it also says whose zone it is.
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

impl Record {
    /// What it says as text; the start of a zone also says whose zone it is.
    pub fn value(&self) -> String {
        match &self.data {
            Data::Soa { server, serial, minimum } => {
                let mailbox = mailbox_of(&self.name);
                format!("{server}. {mailbox}. {serial} {REFRESH} {RETRY} {EXPIRE} {minimum}")
            }
            data => data.to_string(),
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.data.kind().name();
        write!(f, "{}.\t{}\tIN\t{kind}\t{}", self.name, self.ttl, self.value())
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
        let mut bytes = std::borrow::Cow::Borrowed(bytes);
        let asked =
            type_at(&bytes).and_then(|at| bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes));
        if let (Some(at), Some(kind)) = (type_at(&bytes), asked)
            && matches!(Kind::of_question(kind), Some(Kind::Other(_)))
        {
            bytes.to_mut()[at..at + 2].copy_from_slice(&u16::from(TYPE::NULL).to_be_bytes());
        }
        let packet = Packet::parse(&bytes).ok()?;
        let question = match packet.questions.first() {
            Some(question) => Some((text_of(&question.qname)?, Kind::of_question(asked?)?)),
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
        let mut bytes = packet.build_bytes_vec_compressed().unwrap_or_default();
        if let (Some((_, Kind::Other(kind))), Some(at)) = (&self.question, type_at(&bytes)) {
            bytes[at..at + 2].copy_from_slice(&kind.to_be_bytes());
        }
        bytes
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

/// Where the type stands that the first question asks for; none without a question whose name is written out.
fn type_at(bytes: &[u8]) -> Option<usize> {
    let questions = u16::from_be_bytes([*bytes.get(4)?, *bytes.get(5)?]);
    let mut at = 12;
    loop {
        match *bytes.get(at).filter(|_| questions > 0)? {
            0 => return (bytes.len() >= at + 5).then_some(at + 1),
            length @ 1..=63 => at += usize::from(length) + 1,
            _ => return None,
        }
    }
}

/// Why a query cannot be looked at, and the reply to that; no reply to what is no query or has no header (RFC 8906).
///
/// # Errors
/// A cause by which it is counted, and the reply.
pub fn check_query(bytes: &[u8]) -> Result<(), (&'static str, Option<Vec<u8>>)> {
    if bytes.len() < 12 || bytes[2] & 0x80 != 0 {
        return Err(("bad message", None));
    }
    let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let reply = |cause, rcode: u8, until: usize| {
        let mut reply = bytes[..until].to_vec();
        // It is a reply; the kind of question and the wish for recursion stay.
        (reply[2], reply[3]) = (bytes[2] & 0x79 | 0x80, rcode);
        reply[4..12].copy_from_slice(&[0, u8::from(until > 12), 0, 0, 0, 0, 0, 0]);
        Err((cause, Some(reply)))
    };
    let end = type_at(bytes).map(|at| at + 4);
    if bytes[2] >> 3 & 15 != 0 {
        return reply("not implemented", 4, end.unwrap_or(12));
    }
    let Some(end) = end.filter(|_| word(4) == 1) else { return reply("bad message", 1, 12) };
    if !matches!(word(end - 2), 1 | 255) {
        return reply("another class", 5, end);
    }
    if Kind::of_question(word(end - 4)).is_none() {
        return reply("zone transfer", 5, end);
    }
    if Message::parse(bytes).is_none() {
        return reply("bad message", 1, 12);
    }
    Ok(())
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

/// Whom to write to about a zone, with a dot for the at sign.
fn mailbox_of(zone: &str) -> String {
    if zone.is_empty() { "hostmaster".to_owned() } else { format!("hostmaster.{zone}") }
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
            rname: Name::new(&mailbox_of(&record.name)).map_or(name("hostmaster"), Name::into_owned),
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
#[path = "message_tests.rs"]
mod tests;
