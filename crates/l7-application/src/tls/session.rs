//! Both ends of a handshake, and what is said after it.

use super::certificate::{Certificate, verify};
use super::record::{Content, Raw, Records, clear, mix, sealed};
use std::collections::{BTreeMap, VecDeque};
use tidewire_units::{Instant, Span};
use tidewire_wire::Payload;

/// Seconds for which a ticket is good.
const TICKET_LIFE: i64 = 7200;

/// A version of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Version {
    /// RFC 5246.
    V12,
    /// RFC 8446.
    V13,
}

impl Version {
    /// Bytes that protection adds to a record: an explicit nonce and a tag, or a content type and a tag.
    fn overhead(self) -> usize {
        match self {
            Version::V12 => 24,
            Version::V13 => 17,
        }
    }

    /// `1.2`, `1.3`.
    pub fn name(self) -> &'static str {
        match self {
            Version::V12 => "1.2",
            Version::V13 => "1.3",
        }
    }
}

/// Processor time of the slow parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Costs {
    /// A signature, by the server.
    pub sign: Span,
    /// The check of one, by the client, for each certificate.
    pub verify: Span,
    /// The exchange of keys, at each end.
    pub exchange: Span,
}

/// What a client brings.
#[derive(Clone, Debug)]
pub struct Client {
    /// The latest version that it speaks.
    pub version: Version,
    /// The server's name.
    pub name: String,
    /// Keys that it trusts; none checks nothing.
    pub roots: Option<Vec<u64>>,
    /// A ticket of an earlier connection.
    pub ticket: Option<String>,
    /// With a ticket: data is sent at once.
    pub early: bool,
    /// What slow parts cost.
    pub costs: Costs,
}

/// What a server brings.
#[derive(Clone, Debug)]
pub struct Server {
    /// The latest version that it speaks.
    pub version: Version,
    /// Its chain, its own certificate first.
    pub chain: Vec<Certificate>,
    /// Whether it gives tickets.
    pub tickets: bool,
    /// What its tickets are sealed with: servers with the same number take each other's.
    pub secret: u64,
    /// Whether it takes early data.
    pub early: bool,
    /// What slow parts cost.
    pub costs: Costs,
}

/// What both agreed upon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// The version.
    pub version: Version,
    /// By a ticket, without certificates.
    pub resumed: bool,
    /// Early data was taken.
    pub early: bool,
    /// The name that the client asked for.
    pub name: String,
    /// The server's chain, as the client saw it.
    pub chain: Vec<Certificate>,
    /// A ticket for the next time.
    pub ticket: Option<String>,
}

#[derive(Clone, Debug)]
enum Role {
    Client(Client),
    Server(Server),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Hello,
    /// The client waits for the server's messages up to Finished or HelloDone.
    Flight,
    /// The server waits for the client's Finished; in 1.2 the client for the server's.
    Finish,
    Ready,
}

/// One end of a connection.
#[derive(Clone, Debug)]
pub struct Session {
    role: Role,
    stage: Stage,
    records: Records,
    out: VecDeque<Payload>,
    plain: VecDeque<Payload>,
    messages: Vec<u8>,
    facts: Facts,
    /// Protects what is sent and received, once there is one.
    key: Option<u64>,
    early_key: Option<u64>,
    sent: u64,
    received: u64,
    early_count: u64,
    early_data: Vec<Payload>,
    random: u64,
    work: Span,
    failed: Option<String>,
    now: i64,
    ready_at: Option<Instant>,
}

impl Session {
    /// A client that begins; `random` is its own, `now` the second.
    pub fn client(client: Client, random: u64, now: i64) -> Session {
        let mut client = client;
        // A ticket is good for its own version alone (RFC 8446, sections 2.2 and 4.6.1).
        let resumes = client.ticket.as_deref().and_then(version_of).filter(|own| *own <= client.version);
        client.ticket = client.ticket.filter(|_| resumes.is_some());
        let mut session = Session::new(Role::Client(client.clone()), client.version, random, now);
        session.facts.name.clone_from(&client.name);
        let early = client.early && resumes == Some(Version::V13);
        let mut fields = vec![
            ("name", client.name.clone()),
            ("version", client.version.name().to_owned()),
            ("random", format!("{random:x}")),
            ("early", u8::from(early).to_string()),
        ];
        let ticket = client.ticket.clone();
        fields.extend(ticket.map(|ticket| ("ticket", ticket)));
        session.say(1, &fields, if client.ticket.is_some() { 420 } else { 250 });
        session.work += client.costs.exchange;
        if early {
            session.early_key = client.ticket.as_deref().map(key_of);
        }
        session.stage = Stage::Flight;
        session
    }

    /// A server that waits for a client.
    pub fn server(server: Server, random: u64, now: i64) -> Session {
        let version = server.version;
        Session::new(Role::Server(server), version, random, now)
    }

    fn new(role: Role, version: Version, random: u64, now: i64) -> Session {
        let facts = Facts {
            version,
            resumed: false,
            early: false,
            name: String::new(),
            chain: Vec::new(),
            ticket: None,
        };
        Session {
            role,
            stage: Stage::Hello,
            records: Records::default(),
            out: VecDeque::new(),
            plain: VecDeque::new(),
            messages: Vec::new(),
            facts,
            key: None,
            early_key: None,
            sent: 0,
            received: 0,
            early_count: 0,
            early_data: Vec::new(),
            random,
            work: Span::ZERO,
            failed: None,
            now,
            ready_at: None,
        }
    }

    /// What both agreed upon so far.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Why there is no connection.
    pub fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Whether data can be sent: after the handshake, or before it as early data.
    pub fn can_send(&self) -> bool {
        self.stage == Stage::Ready || self.early_key.is_some() && matches!(self.role, Role::Client(_))
    }

    /// Says what time it is after something came: the first time after the handshake is kept.
    pub fn note_time(&mut self, now: Instant) {
        if self.stage == Stage::Ready {
            self.ready_at.get_or_insert(now);
        }
    }

    /// When the handshake was over.
    pub fn ready_at(&self) -> Option<Instant> {
        self.ready_at
    }

    /// Handshake messages to send.
    pub fn output(&mut self) -> Option<Payload> {
        self.out.pop_front()
    }

    /// Gives back what could not be sent.
    pub fn unsent(&mut self, payload: Payload) {
        self.out.push_front(payload);
    }

    /// Processor time that the last messages took.
    pub fn take_work(&mut self) -> Span {
        std::mem::take(&mut self.work)
    }

    /// Data for the program, at most `most` bytes.
    pub fn plain(&mut self, most: usize) -> Option<Payload> {
        let first = self.plain.pop_front()?;
        if first.len() <= most {
            return Some(first);
        }
        self.plain.push_front(first.slice(most..first.len()));
        Some(first.slice(0..most))
    }

    /// Data of the program as records.
    pub fn seal(&mut self, payload: &Payload) -> Vec<Payload> {
        let is_early = self.stage != Stage::Ready && matches!(self.role, Role::Client(_));
        if let Some(key) = self.early_key.filter(|_| is_early) {
            self.early_data.push(payload.clone());
            return sealed(Content::Data, payload, key, &mut self.early_count, Version::V13.overhead());
        }
        let key = self.own_key();
        sealed(Content::Data, payload, key, &mut self.sent, self.facts.version.overhead())
    }

    /// Takes what came.
    pub fn input(&mut self, payload: Payload) {
        self.records.push(payload);
        while self.failed.is_none() {
            match self.records.next_record() {
                Ok(Some(raw)) => {
                    if let Err(why) = self.record(&raw) {
                        self.fail(&why);
                    }
                }
                Ok(None) => break,
                Err(why) => self.fail(why),
            }
        }
    }

    fn fail(&mut self, why: &str) {
        self.failed = Some(why.to_owned());
        self.out.push_back(Payload::from(clear(Content::Alert, &[2, 42])));
    }

    /// Each direction has a key of its own.
    fn own_key(&self) -> u64 {
        self.key.unwrap_or(0) ^ u64::from(matches!(self.role, Role::Client(_)))
    }

    fn peer_key(&self) -> u64 {
        self.key.unwrap_or(0) ^ u64::from(matches!(self.role, Role::Server(_)))
    }

    fn record(&mut self, raw: &Raw) -> Result<(), String> {
        match raw.content {
            Content::Alert => return Err("the other side gave up".to_owned()),
            Content::ChangeCipherSpec => return Ok(()),
            Content::Handshake => self.messages.extend_from_slice(&raw.bytes()),
            Content::Data => {
                let early = self
                    .early_key
                    .filter(|_| self.stage != Stage::Ready && matches!(self.role, Role::Server(_)));
                let (content, payload) =
                    match early.map(|key| raw.open(key, self.early_count, Version::V13.overhead())) {
                        Some(Ok(found)) => {
                            self.early_count += 1;
                            found
                        }
                        _ if self.key.is_none() => return Err("data before the handshake".to_owned()),
                        _ => match raw.open(self.peer_key(), self.received, self.facts.version.overhead()) {
                            Ok(found) => {
                                self.received += 1;
                                found
                            }
                            // Early data that was not wanted is passed over (RFC 8446, section 4.2.10).
                            Err(_) if self.stage == Stage::Finish && matches!(self.role, Role::Server(_)) => {
                                return Ok(());
                            }
                            Err(why) => return Err(why.to_owned()),
                        },
                    };
                match content {
                    Content::Data => self.plain.push_back(payload),
                    Content::Handshake => self.messages.extend_from_slice(&payload.to_bytes()),
                    _ => {}
                }
            }
        }
        while let Some((kind, fields)) = next_message(&mut self.messages)? {
            self.message(kind, &fields)?;
        }
        Ok(())
    }

    /// Writes a handshake message of at least `size` bytes, protected where that is due.
    fn say(&mut self, kind: u8, fields: &[(&str, String)], size: usize) {
        let text: String = fields.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let mut body = (text.len() as u16).to_be_bytes().to_vec();
        body.extend_from_slice(text.as_bytes());
        body.resize(body.len().max(size), 0);
        let mut message = vec![kind];
        message.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
        message.extend_from_slice(&body);
        let finished = kind == 20;
        let hidden = self.key.is_some() && (self.facts.version == Version::V13 && kind != 2 || finished);
        if self.facts.version == Version::V12 && finished {
            self.out.push_back(Payload::from(clear(Content::ChangeCipherSpec, &[1])));
        }
        if hidden {
            let key = self.own_key();
            let records = sealed(
                Content::Handshake,
                &Payload::from(message),
                key,
                &mut self.sent,
                self.facts.version.overhead(),
            );
            self.out.extend(records);
        } else {
            self.out.push_back(Payload::from(clear(Content::Handshake, &message)));
        }
    }

    fn message(&mut self, kind: u8, fields: &Fields) -> Result<(), String> {
        match (self.role.clone(), self.stage, kind) {
            (Role::Server(server), Stage::Hello, 1) => self.client_hello(&server, fields),
            (Role::Server(server), Stage::Finish, 20) => {
                if self.facts.version == Version::V12 && !self.facts.resumed {
                    self.give_ticket(&server);
                    self.say(20, &[], 12);
                }
                self.stage = Stage::Ready;
                if self.facts.version == Version::V13 {
                    self.give_ticket(&server);
                }
                Ok(())
            }
            // The client's key; the signature was made before.
            (Role::Server(server), Stage::Finish, 16) => {
                self.work += server.costs.exchange;
                Ok(())
            }
            (Role::Client(client), Stage::Flight, _) => self.flight(&client, kind, fields),
            (Role::Client(_), Stage::Finish, 20) => {
                self.stage = Stage::Ready;
                Ok(())
            }
            (Role::Client(_), _, 4) => {
                self.facts.ticket = fields.get("ticket").cloned();
                Ok(())
            }
            _ => Err("an unexpected message".to_owned()),
        }
    }

    fn client_hello(&mut self, server: &Server, fields: &Fields) -> Result<(), String> {
        let offered = if fields.get("version").is_some_and(|version| version == "1.3") {
            Version::V13
        } else {
            Version::V12
        };
        self.facts.version = server.version.min(offered);
        self.facts.name = fields.get("name").cloned().unwrap_or_default();
        let theirs = fields.get("random").and_then(|text| u64::from_str_radix(text, 16).ok());
        let theirs = theirs.ok_or("a hello without a random number")?;
        let own = sealed_with(server);
        let fits = |ticket: &&String| {
            version_of(ticket) == Some(self.facts.version) && is_good(ticket, own, self.now)
        };
        let ticket = fields.get("ticket").filter(|ticket| server.tickets && fits(ticket));
        self.facts.resumed = ticket.is_some();
        let wants_early = fields.get("early").is_some_and(|early| early == "1");
        self.facts.early =
            wants_early && server.early && self.facts.resumed && self.facts.version == Version::V13;
        if self.facts.early {
            self.early_key = ticket.map(|ticket| key_of(ticket));
        }
        self.work += server.costs.exchange;
        let answer = [
            ("version", self.facts.version.name().to_owned()),
            ("random", format!("{:x}", self.random)),
            ("resumed", u8::from(self.facts.resumed).to_string()),
            ("early", u8::from(self.facts.early).to_string()),
        ];
        self.say(2, &answer, if self.facts.version == Version::V13 { 118 } else { 86 });
        self.key = Some(mix(theirs ^ mix(self.random)) & !1);
        let size = server.chain.iter().map(|certificate| certificate.size + 5).sum();
        let chain: Vec<(&str, String)> = server.chain.iter().map(|one| ("certificate", one.text())).collect();
        match (self.facts.version, self.facts.resumed) {
            (Version::V13, resumed) => {
                self.say(8, &[], 6);
                if !resumed {
                    self.say(11, &chain, size);
                    self.say(15, &[], 264);
                    self.work += server.costs.sign;
                }
                self.say(20, &[], 32);
            }
            (Version::V12, true) => self.say(20, &[], 12),
            (Version::V12, false) => {
                self.say(11, &chain, size);
                self.say(12, &[], 300);
                self.work += server.costs.sign;
                self.say(14, &[], 2);
            }
        }
        self.stage = Stage::Finish;
        Ok(())
    }

    fn give_ticket(&mut self, server: &Server) {
        if server.tickets && (!self.facts.resumed || self.facts.version == Version::V13) {
            let (own, version) = (sealed_with(server), self.facts.version.name());
            let ticket = format!("{own:x}.{}.{:x}.{version}", self.now, mix(self.random));
            self.say(4, &[("ticket", ticket)], 200);
        }
    }

    fn flight(&mut self, client: &Client, kind: u8, fields: &Fields) -> Result<(), String> {
        match kind {
            2 => {
                let is = |name: &str, value: &str| fields.get(name).is_some_and(|known| known == value);
                self.facts.version = if is("version", "1.3") { Version::V13 } else { Version::V12 };
                self.facts.resumed = is("resumed", "1");
                self.facts.early = is("early", "1");
                let theirs = fields.get("random").and_then(|text| u64::from_str_radix(text, 16).ok());
                self.key =
                    Some(mix(self.random ^ mix(theirs.ok_or("a hello without a random number")?)) & !1);
                Ok(())
            }
            11 => {
                let texts = fields.get("certificate").map(String::as_str).unwrap_or_default();
                self.facts.chain = texts.split('\u{1f}').filter_map(Certificate::parse).collect();
                self.work += client.costs.verify * self.facts.chain.len() as u64;
                if let Some(roots) = &client.roots {
                    verify(&self.facts.chain, roots, &client.name, self.now)
                        .map_err(|why| format!("bad certificate: {why}"))?;
                }
                Ok(())
            }
            // Extensions, signatures: there is nothing in them here.
            8 | 12 | 15 => Ok(()),
            4 => {
                self.facts.ticket = fields.get("ticket").cloned();
                Ok(())
            }
            14 => {
                self.needs_certificate(client)?;
                self.say(16, &[], 66);
                self.say(20, &[], 12);
                self.stage = Stage::Finish;
                Ok(())
            }
            20 => {
                self.needs_certificate(client)?;
                self.say(20, &[], if self.facts.version == Version::V13 { 32 } else { 12 });
                self.stage = Stage::Ready;
                if self.early_key.take().is_some() && !self.facts.early {
                    // It was not taken: all of it is said again.
                    for payload in std::mem::take(&mut self.early_data) {
                        let records = self.seal(&payload);
                        self.out.extend(records);
                    }
                }
                Ok(())
            }
            _ => Err("an unexpected message".to_owned()),
        }
    }

    fn needs_certificate(&self, client: &Client) -> Result<(), String> {
        let shown = self.facts.resumed && client.ticket.is_some() || !self.facts.chain.is_empty();
        if shown && self.key.is_some() { Ok(()) } else { Err("no certificate".to_owned()) }
    }
}

/// What a handshake message says; lists are joined by the unit separator.
type Fields = BTreeMap<String, String>;

fn next_message(bytes: &mut Vec<u8>) -> Result<Option<(u8, Fields)>, String> {
    if bytes.len() < 4 {
        return Ok(None);
    }
    let length = u32::from_be_bytes([0, bytes[1], bytes[2], bytes[3]]) as usize;
    if length > 1 << 18 {
        return Err("a handshake message is too long".to_owned());
    }
    if bytes.len() < 4 + length {
        return Ok(None);
    }
    let kind = bytes[0];
    let body: Vec<u8> = bytes.drain(..4 + length).skip(4).collect();
    let text = body.get(..2).and_then(|n| body.get(2..2 + usize::from(u16::from_be_bytes([n[0], n[1]]))));
    let text = std::str::from_utf8(text.ok_or("a handshake message is cut")?).map_err(|_| "not TLS")?;
    let mut fields = Fields::new();
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        fields
            .entry(name.to_owned())
            .and_modify(|known| {
                known.push('\u{1f}');
                known.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
    Ok(Some((kind, fields)))
}

fn key_of(ticket: &str) -> u64 {
    ticket.bytes().fold(7, |state, byte| mix(state ^ u64::from(byte)))
}

fn sealed_with(server: &Server) -> u64 {
    let certificate = server.chain.first().map_or(0, |certificate| certificate.key);
    mix(certificate ^ mix(server.secret))
}

/// The version that a ticket is of.
fn version_of(ticket: &str) -> Option<Version> {
    let name = ticket.splitn(4, '.').nth(3)?;
    [Version::V12, Version::V13].into_iter().find(|version| version.name() == name)
}

/// A ticket of this server that is not too old.
fn is_good(ticket: &str, key: u64, now: i64) -> bool {
    let mut parts = ticket.split('.');
    let own = parts.next().and_then(|text| u64::from_str_radix(text, 16).ok());
    let at = parts.next().and_then(|text| text.parse::<i64>().ok());
    own == Some(key) && at.is_some_and(|at| (0..TICKET_LIFE).contains(&now.saturating_sub(at)))
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
