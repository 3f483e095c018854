//! Frames as tables that scripts read and write, field by field.
//!
//! A frame has `eth`, and of `arp`, `ip`, `tcp`, `udp`, `icmp` those that it carries, and `payload`. What a script does not change stays as
//! it came; what tables do not show (TCP options, fragments) travels along.

use crate::mistake::{Mistake, did_you_mean};
use mlua::{AnyUserData, Lua, Table, UserData, Value};
use std::net::{Ipv4Addr, Ipv6Addr};
use tidewire_wire::{
    ArpOperation, ArpPacket, Ecn, IcmpMessage, Ipv4Header, Ipv6Header, MacAddr, Net, Packet, Payload,
    Protocol, Seq, TcpFlags, TcpSegment, Transport, UdpHeader, VlanId, VlanTag,
};
use tidewire_world::FrameTrace;

/// What a frame was when it came.
struct Original(Packet, FrameTrace);
impl UserData for Original {}

/// Where the original stands in a frame's table.
const ORIGINAL: &str = "\0original";

/// The table of a frame.
pub(super) fn to_table(lua: &Lua, packet: &Packet, trace: FrameTrace, damaged: bool) -> mlua::Result<Table> {
    let frame = lua.create_table()?;
    let eth = lua.create_table()?;
    eth.raw_set("src", packet.src_mac.to_string())?;
    eth.raw_set("dst", packet.dst_mac.to_string())?;
    eth.raw_set("type", packet.net.ethertype().0)?;
    eth.raw_set("vlan", packet.vlan.and_then(|tag| tag.vlan).map(VlanId::number))?;
    frame.raw_set("eth", eth)?;
    frame.raw_set("size", packet.net.wire_len())?;
    frame.raw_set("damaged", damaged)?;
    match &packet.net {
        Net::Arp(arp) => {
            let table = lua.create_table()?;
            table.raw_set("op", if arp.is_request() { "request" } else { "reply" })?;
            table.raw_set("sender_mac", arp.sender_mac.to_string())?;
            table.raw_set("sender_ip", arp.sender_ip.to_string())?;
            table.raw_set("target_mac", arp.target_mac.to_string())?;
            table.raw_set("target_ip", arp.target_ip.to_string())?;
            frame.raw_set("arp", table)?;
        }
        Net::Ipv4(header, transport) => {
            let ip = lua.create_table()?;
            ip.raw_set("version", 4)?;
            ip.raw_set("src", header.src.to_string())?;
            ip.raw_set("dst", header.dst.to_string())?;
            ip.raw_set("ttl", header.ttl)?;
            ip.raw_set("id", header.ident)?;
            ip.raw_set("dscp", header.dscp)?;
            ip.raw_set("ecn", header.ecn as u8)?;
            ip.raw_set("dont_fragment", header.dont_fragment)?;
            ip.raw_set("protocol", transport.protocol().0)?;
            frame.raw_set("ip", ip)?;
            transport_to(lua, &frame, transport)?;
        }
        Net::Ipv6(header, transport) => {
            let ip = lua.create_table()?;
            ip.raw_set("version", 6)?;
            ip.raw_set("src", header.src.to_string())?;
            ip.raw_set("dst", header.dst.to_string())?;
            ip.raw_set("ttl", header.hop_limit)?;
            ip.raw_set("dscp", header.dscp)?;
            ip.raw_set("ecn", header.ecn as u8)?;
            ip.raw_set("protocol", transport.next_header().0)?;
            frame.raw_set("ip", ip)?;
            transport_to(lua, &frame, transport)?;
        }
        _ => {}
    }
    frame.raw_set(ORIGINAL, lua.create_userdata(Original(packet.clone(), trace))?)?;
    let text = packet.to_string();
    let meta = lua.create_table()?;
    meta.raw_set("__tostring", lua.create_function(move |_, _: Value| Ok(text.clone()))?)?;
    frame.set_metatable(Some(meta))?;
    Ok(frame)
}

fn transport_to(lua: &Lua, frame: &Table, transport: &Transport) -> mlua::Result<()> {
    let table = lua.create_table()?;
    let payload = match transport {
        Transport::Tcp(segment) => {
            table.raw_set("sport", segment.src_port)?;
            table.raw_set("dport", segment.dst_port)?;
            table.raw_set("seq", segment.seq.0)?;
            table.raw_set("ack", segment.ack.0)?;
            table.raw_set("flags", segment.flags.to_string())?;
            table.raw_set("window", segment.window)?;
            frame.raw_set("tcp", table)?;
            &segment.payload
        }
        Transport::Udp(udp, payload) => {
            table.raw_set("sport", udp.src_port)?;
            table.raw_set("dport", udp.dst_port)?;
            frame.raw_set("udp", table)?;
            payload
        }
        Transport::Icmp(message) => {
            table.raw_set("type", message.kind)?;
            table.raw_set("code", message.code)?;
            table.raw_set("id", message.rest >> 16)?;
            table.raw_set("seq", message.rest & 0xFFFF)?;
            frame.raw_set("icmp", table)?;
            &message.payload
        }
        Transport::Raw(_, payload) => payload,
    };
    frame.raw_set("payload", lua.create_string(&*payload.to_bytes())?)
}

/// The packet that a frame's table describes.
pub(super) fn from_table(frame: &Table) -> Result<(Packet, FrameTrace), Mistake> {
    known(frame)?;
    let original = frame.raw_get::<Option<AnyUserData>>(ORIGINAL).ok().flatten();
    let original = original.as_ref().and_then(|data| data.borrow::<Original>().ok());
    let before = original.as_ref().map(|original| &original.0);
    let trace = original.as_ref().map(|original| original.1).unwrap_or_default();
    let eth = section(frame, "eth")?
        .ok_or_else(|| Mistake::new("a frame needs eth = { src = ..., dst = ... }").at_word("send"))?;
    let src_mac = mac(&eth, "eth.src", "src", before.map(|packet| packet.src_mac))?;
    let dst_mac = mac(&eth, "eth.dst", "dst", before.map(|packet| packet.dst_mac))?;
    let net = match (section(frame, "arp")?, section(frame, "ip")?) {
        (Some(arp), _) => Net::Arp(arp_of(&arp)?),
        (None, Some(ip)) => ip_of(frame, &ip, before)?,
        (None, None) => match before.map(|packet| &packet.net) {
            Some(net @ (Net::Bpdu(_) | Net::Pause(_))) => net.clone(),
            _ => return Err(Mistake::new("a frame carries arp = {...} or ip = {...}").at_word("send")),
        },
    };
    Ok((Packet { src_mac, dst_mac, vlan: vlan(&eth)?.map(VlanTag::of), net }, trace))
}

/// The parts of a frame and their fields.
const FIELDS: &[(&str, &[&str])] = &[
    ("eth", &["src", "dst", "type", "vlan"]),
    ("arp", &["op", "sender_mac", "sender_ip", "target_mac", "target_ip"]),
    ("ip", &["version", "src", "dst", "ttl", "id", "dscp", "ecn", "dont_fragment", "protocol"]),
    ("tcp", &["sport", "dport", "seq", "ack", "flags", "window"]),
    ("udp", &["sport", "dport"]),
    ("icmp", &["type", "code", "id", "seq"]),
];

/// Refuses fields that no frame has.
fn known(frame: &Table) -> Result<(), Mistake> {
    let parts: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    let others = ["size", "damaged", "payload", ORIGINAL];
    refuse_unknown(frame, "frame", &[&parts[..], &others[..]].concat())?;
    for (name, fields) in FIELDS {
        if let Some(part) = section(frame, name)? {
            refuse_unknown(&part, &format!("frame.{name}"), fields)?;
        }
    }
    Ok(())
}

fn refuse_unknown(table: &Table, path: &str, fields: &[&str]) -> Result<(), Mistake> {
    let mut odd: Vec<String> = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let key = pair.map_err(|error| Mistake::new(error.to_string()))?.0;
        match key.as_string().map(|key| key.to_string_lossy()) {
            Some(name) if fields.contains(&&*name) => {}
            Some(name) => odd.push(name),
            None => odd.push(key.to_string().unwrap_or_default()),
        }
    }
    odd.sort();
    let Some(name) = odd.first() else { return Ok(()) };
    let meant = did_you_mean(name, fields.iter().copied());
    let there: Vec<&str> = fields.iter().copied().filter(|field| *field != ORIGINAL).collect();
    Err(Mistake::new(format!("{path} has no field '{name}'{meant}")).at_word(name).note(format!(
        "there is: {}; what your program wants to remember is better kept in variables",
        there.join(" ")
    )))
}

/// The VLAN of a frame with a tag.
fn vlan(eth: &Table) -> Result<Option<VlanId>, Mistake> {
    let Some(number) = field::<u16>(eth, "eth.vlan", "vlan", "the number of a VLAN, or nil without a tag")?
    else {
        return Ok(None);
    };
    let wrong = || Mistake::new(format!("frame.eth.vlan = {number}: VLANs have numbers from 1 to 4094"));
    VlanId::new(number).map(Some).ok_or_else(|| wrong().at_word("vlan"))
}

fn section(frame: &Table, name: &str) -> Result<Option<Table>, Mistake> {
    match frame.raw_get::<Value>(name) {
        Ok(Value::Table(table)) => Ok(Some(table)),
        Ok(Value::Nil) => Ok(None),
        _ => Err(Mistake::new(format!("frame.{name} is a table")).at_word(name)),
    }
}

fn field<T: mlua::FromLua>(table: &Table, path: &str, name: &str, what: &str) -> Result<Option<T>, Mistake> {
    table
        .raw_get::<Option<T>>(name)
        .map_err(|_| Mistake::new(format!("frame.{path} is {what}")).at_word(name))
}

fn number<T: TryFrom<i64>>(table: &Table, path: &str, name: &str, default: T) -> Result<T, Mistake> {
    let wrong = || Mistake::new(format!("frame.{path} is out of range")).at_word(name);
    match field::<i64>(table, path, name, "a whole number")? {
        Some(value) => T::try_from(value).map_err(|_| wrong()),
        None => Ok(default),
    }
}

fn parsed<T: std::str::FromStr>(
    table: &Table,
    path: &str,
    name: &str,
    example: &str,
) -> Result<Option<T>, Mistake> {
    let Some(text) = field::<String>(table, path, name, &format!("a text such as \"{example}\""))? else {
        return Ok(None);
    };
    let wrong = || {
        Mistake::new(format!("frame.{path} = '{text}': expected something like \"{example}\"")).at_word(&text)
    };
    text.parse().map(Some).map_err(|_| wrong())
}

fn needed<T>(value: Option<T>, path: &str) -> Result<T, Mistake> {
    value.ok_or_else(|| Mistake::new(format!("frame.{path} is missing")).at_word("send"))
}

fn mac(table: &Table, path: &str, name: &str, default: Option<MacAddr>) -> Result<MacAddr, Mistake> {
    let example = "02:00:00:00:00:05";
    match field::<String>(table, path, name, &format!("a text such as \"{example}\""))? {
        None => needed(default, path),
        Some(text) => text.parse().map_err(|_| {
            Mistake::new(format!(
                "frame.{path} = '{text}' is no MAC address: expected something like \"{example}\""
            ))
            .at_word(&text)
        }),
    }
}

fn arp_of(arp: &Table) -> Result<ArpPacket, Mistake> {
    let operation = match field::<String>(arp, "arp.op", "op", "\"request\" or \"reply\"")?.as_deref() {
        Some("request") => ArpOperation::Request,
        Some("reply") => ArpOperation::Reply,
        _ => return Err(Mistake::new("frame.arp.op is \"request\" or \"reply\"").at_word("op")),
    };
    let ip = |path: &str, name: &str| needed(parsed::<Ipv4Addr>(arp, path, name, "10.0.0.1")?, path);
    Ok(ArpPacket {
        operation,
        sender_mac: mac(arp, "arp.sender_mac", "sender_mac", None)?,
        sender_ip: ip("arp.sender_ip", "sender_ip")?,
        target_mac: mac(arp, "arp.target_mac", "target_mac", Some(MacAddr([0; 6])))?,
        target_ip: ip("arp.target_ip", "target_ip")?,
    })
}

fn ip_of(frame: &Table, ip: &Table, before: Option<&Packet>) -> Result<Net, Mistake> {
    let transport = transport_of(frame, ip, before)?;
    let ecn = number(ip, "ip.ecn", "ecn", 0_u8).map(Ecn::from_bits)?;
    let dscp = match ip.raw_get::<Value>("dscp") {
        Ok(Value::Nil) | Err(_) => 0,
        Ok(value) => crate::values::dscp(&value).ok_or_else(|| {
            Mistake::new("frame.ip.dscp is a number from 0 to 63 or a name such as \"EF\" or \"AF41\"")
                .at_word("dscp")
        })? as u8,
    };
    let ttl = number(ip, "ip.ttl", "ttl", 64)?;
    let is_v6 = field::<String>(ip, "ip.dst", "dst", "an address")?.is_some_and(|text| text.contains(':'));
    if is_v6 {
        let old = before
            .and_then(|packet| if let Net::Ipv6(header, _) = &packet.net { Some(*header) } else { None });
        let addr = |path: &str, name: &str| needed(parsed::<Ipv6Addr>(ip, path, name, "2001:db8::1")?, path);
        return Ok(Net::Ipv6(
            Ipv6Header {
                src: addr("ip.src", "src")?,
                dst: addr("ip.dst", "dst")?,
                hop_limit: ttl,
                dscp,
                ecn,
                flow_label: old.map_or(0, |header| header.flow_label),
                fragment: old.and_then(|header| header.fragment),
            },
            transport,
        ));
    }
    let old =
        before.and_then(|packet| if let Net::Ipv4(header, _) = &packet.net { Some(*header) } else { None });
    let addr = |path: &str, name: &str| needed(parsed::<Ipv4Addr>(ip, path, name, "10.0.0.1")?, path);
    Ok(Net::Ipv4(
        Ipv4Header {
            src: addr("ip.src", "src")?,
            dst: addr("ip.dst", "dst")?,
            ttl,
            ident: number(ip, "ip.id", "id", 0)?,
            dscp,
            ecn,
            dont_fragment: field(ip, "ip.dont_fragment", "dont_fragment", "true or false")?.unwrap_or(false),
            more_fragments: old.is_some_and(|header| header.more_fragments),
            fragment_offset: old.map_or(0, |header| header.fragment_offset),
        },
        transport,
    ))
}

fn transport_of(frame: &Table, ip: &Table, before: Option<&Packet>) -> Result<Transport, Mistake> {
    let old = before.and_then(|packet| match &packet.net {
        Net::Ipv4(_, transport) | Net::Ipv6(_, transport) => Some(transport),
        _ => None,
    });
    let given = ["udp", "tcp", "icmp"].into_iter().filter(|name| frame.contains_key(*name).unwrap_or(false));
    let given: Vec<&str> = given.collect();
    if let [first, second, ..] = given[..] {
        let text = format!("a frame with {first} and {second}: a packet has one of them");
        return Err(Mistake::new(text)
            .at_word(second)
            .note(format!("to change one into the other, write frame.{first} = nil")));
    }
    let data = field::<mlua::LuaString>(frame, "payload", "payload", "a text")?;
    let payload = || data.as_ref().map_or(Payload::EMPTY, |data| Payload::from(data.as_bytes().to_vec()));
    if let Some(udp) = section(frame, "udp")? {
        let ports = UdpHeader {
            src_port: number(&udp, "udp.sport", "sport", 0)?,
            dst_port: number(&udp, "udp.dport", "dport", 0)?,
        };
        return Ok(Transport::Udp(ports, payload()));
    }
    if let Some(icmp) = section(frame, "icmp")? {
        let (id, seq) = (number(&icmp, "icmp.id", "id", 0_u16)?, number(&icmp, "icmp.seq", "seq", 0_u16)?);
        let (kind, code) = (number(&icmp, "icmp.type", "type", 8)?, number(&icmp, "icmp.code", "code", 0)?);
        let rest = u32::from(id) << 16 | u32::from(seq);
        return Ok(Transport::Icmp(IcmpMessage { kind, code, rest, payload: payload() }));
    }
    if let Some(tcp) = section(frame, "tcp")? {
        let old = match old {
            Some(Transport::Tcp(segment)) => segment.clone(),
            _ => TcpSegment::default(),
        };
        let flags = field::<String>(&tcp, "tcp.flags", "flags", "a text such as \"S.\"")?;
        return Ok(Transport::Tcp(TcpSegment {
            src_port: number(&tcp, "tcp.sport", "sport", 0)?,
            dst_port: number(&tcp, "tcp.dport", "dport", 0)?,
            seq: Seq(number(&tcp, "tcp.seq", "seq", 0)?),
            ack: Seq(number(&tcp, "tcp.ack", "ack", 0)?),
            flags: flags.map_or(Ok(old.flags), |text| flags_of(&text))?,
            window: number(&tcp, "tcp.window", "window", 0)?,
            payload: payload(),
            options: old.options,
        }));
    }
    let protocol = number(ip, "ip.protocol", "protocol", 0_u8)?;
    match old {
        Some(raw @ Transport::Raw(..)) => Ok(raw.clone()),
        _ => Ok(Transport::Raw(Protocol(protocol), payload())),
    }
}

/// As tcpdump writes them: `S` SYN, `F` FIN, `R` RST, `P` PSH, `.` ACK, `U` URG, `E` ECE, `W` CWR.
fn flags_of(text: &str) -> Result<TcpFlags, Mistake> {
    text.chars().filter(|c| !matches!(c, '[' | ']')).try_fold(TcpFlags::NONE, |flags, c| {
        let flag = match c {
            'S' => TcpFlags::SYN,
            'F' => TcpFlags::FIN,
            'R' => TcpFlags::RST,
            'P' => TcpFlags::PSH,
            '.' => TcpFlags::ACK,
            'U' => TcpFlags::URG,
            'E' => TcpFlags::ECE,
            'W' => TcpFlags::CWR,
            _ => {
                return Err(Mistake::new(format!("frame.tcp.flags = '{text}': flags are S F R P . U E W"))
                    .at_word(text));
            }
        };
        Ok(flags | flag)
    })
}
