//! Texts that choose packets, as in libpcap: `tcp port 80 and host bob`.
//!
//! ```text
//!   expr    = term { "or" term }          term = factor { "and" factor }
//!   factor  = "not" factor | "(" expr ")" | primitive
//!   primitive = tcp | udp | icmp | arp | ip | ip6 | [tcp | udp] [src | dst] ( host H | port N | net P )
//! ```

use crate::mistake::{Mistake, did_you_mean};
use std::net::IpAddr;
use tidewire_topology::Prefix;
use tidewire_wire::{Net, Packet, Transport};

/// Which packets are meant.
#[derive(Debug, PartialEq)]
pub(super) enum Chosen {
    Any(Vec<Chosen>),
    All(Vec<Chosen>),
    Not(Box<Chosen>),
    Is(Proto),
    Host(Side, Vec<IpAddr>),
    Port(Side, u16),
    Within(Side, Prefix),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proto {
    Tcp,
    Udp,
    Icmp,
    Arp,
    Ip,
    Ip6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
    Either,
}

const PROTOS: [(&str, Proto); 6] = [
    ("tcp", Proto::Tcp),
    ("udp", Proto::Udp),
    ("icmp", Proto::Icmp),
    ("arp", Proto::Arp),
    ("ip", Proto::Ip),
    ("ip6", Proto::Ip6),
];
const WORDS: [&str; 14] =
    ["tcp", "udp", "icmp", "arp", "ip", "ip6", "host", "port", "net", "src", "dst", "and", "or", "not"];
/// How deeply brackets may nest.
const DEEPEST: u32 = 50;

impl Chosen {
    /// The packets that a text means; `addresses` knows those of hosts by name.
    pub fn parse(text: &str, addresses: &dyn Fn(&str) -> Vec<IpAddr>) -> Result<Chosen, Mistake> {
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let mut parser = Parser { words: spaced.split_whitespace().peekable(), addresses, depth: 0 };
        let chosen = if text.trim().is_empty() { Chosen::All(Vec::new()) } else { parser.any()? };
        match parser.words.next() {
            None => Ok(chosen),
            Some(word) => {
                let meant = did_you_mean(word, ["and", "or"]);
                Err(wrong(word, &format!("expected 'and', 'or' or the end before '{word}'{meant}")))
            }
        }
    }

    /// Whether a packet is one of them.
    pub fn matches(&self, packet: &Packet) -> bool {
        match self {
            Chosen::Any(parts) => parts.iter().any(|part| part.matches(packet)),
            Chosen::All(parts) => parts.iter().all(|part| part.matches(packet)),
            Chosen::Not(part) => !part.matches(packet),
            Chosen::Is(proto) => is(packet, *proto),
            Chosen::Host(side, known) => {
                ends(packet).is_some_and(|ends| side.any(ends, |ip| known.contains(&ip)))
            }
            Chosen::Port(side, port) => {
                ports(packet).is_some_and(|ports| side.any(ports, |own| own == *port))
            }
            Chosen::Within(side, prefix) => ends(packet)
                .is_some_and(|ends| side.any(ends, |ip| matches!(ip, IpAddr::V4(ip) if prefix.contains(ip)))),
        }
    }
}

impl Side {
    fn any<T>(self, (src, dst): (T, T), is: impl Fn(T) -> bool) -> bool {
        match self {
            Side::Source => is(src),
            Side::Destination => is(dst),
            Side::Either => is(src) || is(dst),
        }
    }
}

fn transport(packet: &Packet) -> Option<&Transport> {
    match &packet.net {
        Net::Ipv4(_, transport) | Net::Ipv6(_, transport) => Some(transport),
        _ => None,
    }
}

fn is(packet: &Packet, proto: Proto) -> bool {
    match proto {
        Proto::Arp => matches!(packet.net, Net::Arp(_)),
        Proto::Ip => matches!(packet.net, Net::Ipv4(..)),
        Proto::Ip6 => matches!(packet.net, Net::Ipv6(..)),
        Proto::Tcp => matches!(transport(packet), Some(Transport::Tcp(_))),
        Proto::Udp => matches!(transport(packet), Some(Transport::Udp(..))),
        Proto::Icmp => matches!(transport(packet), Some(Transport::Icmp(_))),
    }
}

/// Who sends to whom; of ARP, who asks about whom.
pub(super) fn ends(packet: &Packet) -> Option<(IpAddr, IpAddr)> {
    match &packet.net {
        Net::Ipv4(header, _) => Some((header.src.into(), header.dst.into())),
        Net::Ipv6(header, _) => Some((header.src.into(), header.dst.into())),
        Net::Arp(arp) => Some((arp.sender_ip.into(), arp.target_ip.into())),
        _ => None,
    }
}

/// The ports of TCP and UDP.
pub(super) fn ports(packet: &Packet) -> Option<(u16, u16)> {
    match transport(packet)? {
        Transport::Tcp(segment) => Some((segment.src_port, segment.dst_port)),
        Transport::Udp(udp, _) => Some((udp.src_port, udp.dst_port)),
        _ => None,
    }
}

struct Parser<'a> {
    words: std::iter::Peekable<std::str::SplitWhitespace<'a>>,
    addresses: &'a dyn Fn(&str) -> Vec<IpAddr>,
    depth: u32,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Chosen, Mistake> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(wrong("(", "brackets nest too deeply"));
        }
        let mut parts = vec![self.all()?];
        while self.words.next_if(|word| matches!(*word, "or" | "||")).is_some() {
            parts.push(self.all()?);
        }
        self.depth -= 1;
        Ok(one_of(parts, Chosen::Any))
    }

    fn all(&mut self) -> Result<Chosen, Mistake> {
        let mut parts = vec![self.factor()?];
        while self.words.next_if(|word| matches!(*word, "and" | "&&")).is_some() {
            parts.push(self.factor()?);
        }
        Ok(one_of(parts, Chosen::All))
    }

    fn factor(&mut self) -> Result<Chosen, Mistake> {
        if self.words.next_if(|word| matches!(*word, "not" | "!")).is_some() {
            self.depth += 1;
            if self.depth > DEEPEST {
                return Err(wrong("not", "too many 'not'"));
            }
            let part = self.factor()?;
            self.depth -= 1;
            return Ok(Chosen::Not(Box::new(part)));
        }
        if self.words.next_if_eq(&"(").is_some() {
            let inner = self.any()?;
            return match self.words.next() {
                Some(")") => Ok(inner),
                _ => Err(wrong("(", "a bracket is not closed")),
            };
        }
        self.primitive()
    }

    fn primitive(&mut self) -> Result<Chosen, Mistake> {
        let mut parts = Vec::new();
        let known = |word: &str| PROTOS.iter().find(|(name, _)| *name == word).map(|(_, proto)| *proto);
        if let Some(proto) = self.words.peek().and_then(|word| known(word)) {
            self.words.next();
            parts.push(Chosen::Is(proto));
            if !matches!(self.words.peek(), Some(&("src" | "dst" | "host" | "port" | "net"))) {
                return Ok(one_of(parts, Chosen::All));
            }
        }
        let side = match self.words.peek() {
            Some(&"src") => Side::Source,
            Some(&"dst") => Side::Destination,
            _ => Side::Either,
        };
        if side != Side::Either {
            self.words.next();
        }
        let what = self
            .words
            .next()
            .ok_or_else(|| wrong("sniff", "the text ends where a condition was expected"))?;
        let value = match what {
            "host" | "port" | "net" => self.words.next(),
            _ if side != Side::Either => Some(what),
            other => {
                let meant = did_you_mean(other, WORDS);
                return Err(wrong(other, &format!("'{other}' chooses no packets{meant}")));
            }
        };
        let value = value.ok_or_else(|| wrong(what, &format!("'{what}' of what?")))?;
        parts.push(match what {
            "port" => Chosen::Port(
                side,
                value.parse().map_err(|_| wrong(value, &format!("'{value}' is not a port, 0 to 65535")))?,
            ),
            "net" => Chosen::Within(side, value.parse().map_err(|why: String| wrong(value, &why))?),
            _ => Chosen::Host(side, self.host(value)?),
        });
        Ok(one_of(parts, Chosen::All))
    }

    fn host(&self, value: &str) -> Result<Vec<IpAddr>, Mistake> {
        if let Ok(address) = value.parse() {
            return Ok(vec![address]);
        }
        match (self.addresses)(value) {
            known if known.is_empty() => Err(wrong(value, &format!("no host '{value}' with an address"))),
            known => Ok(known),
        }
    }
}

fn one_of(mut parts: Vec<Chosen>, all: impl Fn(Vec<Chosen>) -> Chosen) -> Chosen {
    if parts.len() == 1 { parts.remove(0) } else { all(parts) }
}

fn wrong(word: &str, why: &str) -> Mistake {
    Mistake::new(why.to_owned()).at_word(word).note(
        "write conditions such as \"tcp port 80 and host bob\", \"arp or icmp\", \"udp and not dst port 53\"",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire_wire::{Ecn, Ipv4Header, MacAddr, Payload, UdpHeader};

    fn udp(src: [u8; 4], dst: [u8; 4], ports: (u16, u16)) -> Packet {
        let header = Ipv4Header {
            src: src.into(),
            dst: dst.into(),
            ttl: 64,
            dscp: 0,
            ecn: Ecn::NotCapable,
            ident: 1,
            dont_fragment: true,
            more_fragments: false,
            fragment_offset: 0,
        };
        let udp = UdpHeader { src_port: ports.0, dst_port: ports.1 };
        let net = Net::Ipv4(header, Transport::Udp(udp, Payload::Zeros(10)));
        Packet { src_mac: MacAddr([2; 6]), dst_mac: MacAddr([4; 6]), vlan: None, net }
    }

    fn names(name: &str) -> Vec<IpAddr> {
        if name == "bob" { vec![[10, 0, 0, 2].into()] } else { Vec::new() }
    }

    #[test]
    fn conditions_choose_what_they_say() {
        let packet = udp([10, 0, 0, 1], [10, 0, 0, 2], (4000, 53));
        for (text, expected) in [
            ("", true),
            ("udp", true),
            ("tcp", false),
            ("ip and not arp", true),
            ("port 53", true),
            ("src port 53", false),
            ("udp dst port 53", true),
            ("tcp port 53", false),
            ("host bob", true),
            ("src host bob", false),
            ("src bob or dst bob", true),
            ("host 10.0.0.1 and port 4000", true),
            ("dst net 10.0.0.0/24", true),
            ("net 10.1.0.0/16", false),
            ("not (host bob or arp)", false),
            ("(tcp or udp) and (port 80 or port 53)", true),
        ] {
            let chosen = Chosen::parse(text, &names).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            assert_eq!(chosen.matches(&packet), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for text in [
            "tpc",
            "port",
            "port x",
            "port 70000",
            "host",
            "host eve",
            "udp and",
            "(udp",
            "udp)",
            "udp tcp",
            "net 10.0.0.0/99",
            "and",
            "not",
            "src",
        ] {
            assert!(Chosen::parse(text, &names).is_err(), "{text}");
        }
        assert!(Chosen::parse(&"(".repeat(10_000), &names).is_err());
        assert!(Chosen::parse(&"not ".repeat(10_000), &names).is_err());
    }
}
