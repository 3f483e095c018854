//! Values of scripts, with units: from Lua to what the network takes.

use crate::call::{Opts, options, type_name};
use crate::classes::{node_of, peer_of};
use crate::link_values::{arq, chooser, corrupt, jitter, loss, vlan};
use crate::mistake::{Mistake, did_you_mean};
use crate::queue_values::{Queue, queue};
use crate::sim::Shared;
use crate::spec::Kind;
use mlua::{Function, Lua, Table, Value};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use tidewire_topology::{
    AddressMode, ArqSpec, CorruptSpec, IfaceAddr, JitterSpec, LossSpec, NodeKind, Processing, VlanSpec,
};
use tidewire_units::{
    Bytes, NodeId, Probability, Rate, Span, parse_probability, parse_rate, parse_size, parse_span,
};
use tidewire_wire::AddressBook;

/// A value that was checked.
#[derive(Clone, Debug)]
pub(crate) enum Val {
    Any(Value),
    Bool(bool),
    Int(i64),
    Number(f64),
    Text(String),
    Span(Span),
    Rate(Rate),
    Size(Bytes),
    Probability(Probability),
    Node(NodeId),
    Nodes(Vec<NodeId>),
    Peer(Peer),
    Function(Function),
    Table(Table),
    /// With the function that chooses packets for it.
    Loss(LossSpec, Option<Function>),
    Rates(crate::bind::timetable::Rates),
    Queue(Queue),
    Jitter(JitterSpec),
    Corrupt(CorruptSpec),
    Vlan(VlanSpec),
    Arq(ArqSpec),
    /// Delivery times, in milliseconds.
    Trace(Arc<[u64]>),
    Processing(Processing),
    InterfaceAddress(AddressMode),
    Data(bytes::Bytes),
    Opts(Opts),
    Texts(Vec<String>),
}

/// Where something is sent to.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Peer {
    /// A host of the script.
    Node(NodeId),
    /// An address, with a port if it came with one.
    Address(Ipv4Addr, Option<u16>),
    /// An IPv6 address, with a port if it came with one.
    Address6(Ipv6Addr, Option<u16>),
    /// A name that no host has.
    Unknown(String),
}

impl Val {
    pub fn span(&self) -> Option<Span> {
        match self {
            Val::Span(span) => Some(*span),
            _ => None,
        }
    }
}

/// Converts a value. `name` is what the script calls it; `context` says what it belongs to.
pub(crate) fn convert(
    lua: &Lua,
    sim: &Shared,
    kind: Kind,
    value: &Value,
    name: &str,
    context: &str,
) -> Result<Val, Mistake> {
    let wrong = || not_a(kind, value, name, context);
    Ok(match kind {
        Kind::Any => Val::Any(value.clone()),
        Kind::Bool => Val::Bool(value.as_boolean().ok_or_else(wrong)?),
        Kind::Int(low, high) => {
            let n = whole(value).ok_or_else(wrong)?;
            if !(low..=high).contains(&n) {
                return Err(Mistake::new(format!(
                    "{name} = {n} is out of range: expected {}",
                    kind.describe()
                ))
                .at_word(name));
            }
            Val::Int(n)
        }
        Kind::Port => {
            let n = whole(value).ok_or_else(wrong)?;
            if !(0..=65535).contains(&n) {
                return Err(
                    Mistake::new(format!("{n} is not a port: ports are 0 to 65535")).at_word(n.to_string())
                );
            }
            Val::Int(n)
        }
        Kind::Dscp => Val::Int(dscp(value).ok_or_else(wrong)?),
        Kind::Number => Val::Number(number(value).filter(|x| !x.is_nan()).ok_or_else(wrong)?),
        Kind::Text => Val::Text(text(value).ok_or_else(wrong)?),
        Kind::Time => Val::Span(time(value, name, context)?),
        Kind::Patience(..) if value.is_boolean() => Val::Bool(value.as_boolean() == Some(true)),
        Kind::Duration(low, high) | Kind::Patience(low, high) => {
            let span = time(value, name, context)?;
            if !(Span::from_us(low)..=Span::from_us(high)).contains(&span) {
                return Err(wrong());
            }
            Val::Span(span)
        }
        Kind::Rate => Val::Rate(rate(value, name, context)?),
        Kind::Size => Val::Size(size(value, name, context)?),
        Kind::Probability => Val::Probability(probability(value, name, context)?),
        Kind::Share => Val::Probability(share(value, name, context)?),
        Kind::Node => Val::Node(node_of(value).ok_or_else(wrong)?),
        Kind::Host => Val::Node(host(sim, value).ok_or_else(wrong)?),
        Kind::Nodes => {
            let mut nodes = Vec::new();
            collect_nodes(value, &mut nodes, 0).ok_or_else(wrong)?;
            Val::Nodes(nodes)
        }
        Kind::Peer => Val::Peer(peer(sim, value).ok_or_else(wrong)?),
        Kind::Url => {
            if let Value::String(url) = value {
                let url = url.to_string_lossy();
                tidewire_l7_application::http::Url::parse(&url).map_err(|why| {
                    Mistake::new(why)
                        .at_word(url.as_str())
                        .note("write \"http://host/path\", or { host, port, path }")
                })?;
            } else {
                let place = value.as_table().ok_or_else(wrong)?;
                let host = place.raw_get::<Value>(1).unwrap_or(Value::Nil);
                peer(sim, &host).ok_or_else(wrong)?;
            }
            Val::Any(value.clone())
        }
        Kind::Function => Val::Function(value.as_function().ok_or_else(wrong)?.clone()),
        Kind::Table => Val::Table(value.as_table().ok_or_else(wrong)?.clone()),
        Kind::Choice(names) => Val::Text(choice(value, names, name, context)?),
        Kind::ChoiceOrFalse(names) => match value {
            Value::Boolean(false) => Val::Text("false".to_owned()),
            Value::Boolean(true) => Val::Text(names[0].to_owned()),
            other => Val::Text(
                choice(other, names, name, context)
                    .map_err(|mistake| mistake.note("or false, to switch it off"))?,
            ),
        },
        Kind::Loss => Val::Loss(loss(sim, value, name, context)?, chooser(value)),
        Kind::Queue => Val::Queue(queue(value, name, context)?),
        Kind::Jitter => Val::Jitter(jitter(value, name, context)?),
        Kind::Corrupt => Val::Corrupt(corrupt(value, name, context)?),
        Kind::Distance => {
            let metres = match value {
                Value::String(text) => tidewire_units::parse_count(&text.to_string_lossy(), "m"),
                other => number(other),
            };
            Val::Number(metres.filter(|x| x.is_finite() && *x >= 0.0).ok_or_else(wrong)?)
        }
        Kind::Arq => Val::Arq(arq(value, name, context)?),
        Kind::Vlan => Val::Vlan(vlan(value, name, context)?),
        Kind::Trace => match value {
            Value::Table(table) => Val::Rates(crate::bind::timetable::rates(sim, table)?),
            _ => Val::Trace(trace(sim, &text(value).ok_or_else(wrong)?)?),
        },
        Kind::Processing => Val::Processing(processing(value, name, context)?),
        Kind::InterfaceAddress => {
            let text = text(value).ok_or_else(wrong)?;
            Val::InterfaceAddress(interface_address(&text).map_err(|error| error.at_word(text))?)
        }
        Kind::Data => match value {
            Value::String(data) => Val::Data(bytes::Bytes::copy_from_slice(&data.as_bytes())),
            Value::Integer(_) | Value::Number(_) => {
                Val::Data(text(value).ok_or_else(wrong)?.into_bytes().into())
            }
            _ => return Err(wrong()),
        },
        Kind::Options(groups) => {
            let table = value.as_table().ok_or_else(wrong)?;
            Val::Opts(options(lua, sim, &context.replace("option ", "").replace('\'', ""), groups, table)?)
        }
        Kind::Texts => Val::Texts(texts(value).ok_or_else(wrong)?),
        Kind::Reps => match value {
            Value::Table(_) => {
                let groups = &[crate::spec::measure::REPS_OPTS];
                return convert(lua, sim, Kind::Options(groups), value, name, context);
            }
            other if whole(other).is_none() => return Err(wrong()),
            other => return convert(lua, sim, Kind::Int(1, 1_000_000), other, name, context),
        },
    })
}

pub(crate) fn not_a(kind: Kind, value: &Value, name: &str, context: &str) -> Mistake {
    let got = match value {
        Value::Nil => "nil".to_owned(),
        Value::String(text) => format!("\"{}\"", text.to_string_lossy()),
        Value::Integer(n) => n.to_string(),
        Value::Number(x) => x.to_string(),
        Value::Boolean(b) => b.to_string(),
        other => format!("a {}", type_name(other)),
    };
    Mistake::new(format!("{context} must be {}, got {got}", kind.describe())).at_word(name)
}

fn quantity(error: &tidewire_units::QuantityError, text: &str) -> Mistake {
    Mistake::new(error.to_string()).at_word(text)
}

pub(crate) fn time(value: &Value, name: &str, context: &str) -> Result<Span, Mistake> {
    let too_long = |shown: &str| {
        Mistake::new(format!("{context} is {shown}: the simulated clock ends after 213 days (5124 h)"))
            .at_word(shown)
    };
    if let Value::String(text) = value {
        let text = text.to_string_lossy();
        let span = parse_span(&text).map_err(|error| quantity(&error, &text))?;
        return if span == Span::MAX { Err(too_long(&text)) } else { Ok(span) };
    }
    let seconds = number(value).ok_or_else(|| not_a(Kind::Time, value, name, context))?;
    if seconds.is_nan() {
        return Err(
            Mistake::new(format!("{context} is not a number (0/0 or the like), so no time")).at_word(name)
        );
    }
    if seconds < -1e-12 {
        return Err(
            Mistake::new(format!("{context} is {seconds} s: a time cannot be negative")).at_word(name)
        );
    }
    let span = Span::from_secs_f64(seconds);
    // No limit is a sensible timeout.
    if span == Span::MAX && name != "timeout" {
        return Err(too_long(if seconds.is_infinite() { "infinite" } else { "too long" }));
    }
    Ok(span)
}

pub(crate) fn rate(value: &Value, name: &str, context: &str) -> Result<Rate, Mistake> {
    if let Value::String(text) = value {
        let text = text.to_string_lossy();
        return parse_rate(&text).map_err(|error| quantity(&error, &text));
    }
    let bits = number(value).ok_or_else(|| not_a(Kind::Rate, value, name, context))?;
    if bits.is_nan() || bits <= 0.0 {
        return Err(Mistake::new(format!("{name} = {bits} is not a rate: it must be more than 0 bit/s"))
            .at_word(name)
            .note("write \"10Mbps\""));
    }
    if bits < 1000.0 {
        return Err(Mistake::new(format!("{name} = {bits} is {bits} bit/s, which no link has"))
            .note(format!("write \"{bits}Mbps\", or \"{bits}bps\" if you mean it")));
    }
    Ok(Rate::from_bits_per_s(bits.round() as u64).unwrap_or(Rate::INFINITE))
}

pub(crate) fn size(value: &Value, name: &str, context: &str) -> Result<Bytes, Mistake> {
    if let Value::String(text) = value {
        let text = text.to_string_lossy();
        return parse_size(&text).map_err(|error| quantity(&error, &text));
    }
    let bytes = number(value).ok_or_else(|| not_a(Kind::Size, value, name, context))?;
    if bytes.is_nan() || bytes < 0.0 {
        return Err(
            Mistake::new(format!("{name} = {bytes} is not a size: it cannot be negative")).at_word(name)
        );
    }
    Ok(Bytes(bytes.round() as u64))
}

pub(crate) fn probability(value: &Value, name: &str, context: &str) -> Result<Probability, Mistake> {
    if let Value::String(text) = value {
        let text = text.to_string_lossy();
        return parse_probability(&text).map_err(|error| quantity(&error, &text));
    }
    let p = number(value).ok_or_else(|| not_a(Kind::Probability, value, name, context))?;
    if p == 1.0 {
        return Err(Mistake::new(format!("{name} = 1 can mean 1 % or always"))
            .note("write \"1%\", or \"100%\" if you mean it")
            .at_word(name));
    }
    Probability::new(p).ok_or_else(|| {
        let hint = if p > 1.0 && p <= 100.0 { format!("; did you mean '{p}%'?") } else { String::new() };
        Mistake::new(format!("{p} is not a probability{hint}")).at_word(name)
    })
}

/// As a probability, in other words.
fn share(value: &Value, name: &str, context: &str) -> Result<Probability, Mistake> {
    if number(value).is_none() && !value.is_string() {
        return Err(not_a(Kind::Share, value, name, context));
    }
    probability(value, name, context).map_err(|mut mistake| {
        mistake.message =
            mistake.message.replace("is not a probability", "is not a share").replace("always", "all of it");
        mistake
    })
}

pub(crate) fn choice(value: &Value, names: &[&str], name: &str, context: &str) -> Result<String, Mistake> {
    let Some(text) = value.as_string().map(|text| text.to_string_lossy()) else {
        return Err(not_a(Kind::Text, value, name, context));
    };
    if names.contains(&&*text) {
        return Ok(text);
    }
    let meant = did_you_mean(&text, names.iter().copied());
    Err(Mistake::new(format!(
        "{context} is \"{text}\"; it can be one of \"{}\"{meant}",
        names.join("\", \"")
    ))
    .at_word(text))
}

/// A packet-delivery trace, from a file below the script's folder.
fn trace(sim: &Shared, file: &str) -> Result<Arc<[u64]>, Mistake> {
    let bytes =
        sim.files.read(file).map_err(|why| Mistake::new(why).at_word(file).fault(crate::Fault::Io))?;
    let trace = tidewire_world::DeliveryTrace::parse(&String::from_utf8_lossy(&bytes));
    trace.map(|trace| trace.times_ms()).map_err(|(line, why)| {
        Mistake::new(format!("{file}:{line}: {why}"))
            .at_word(file)
            .note("a trace has one time in milliseconds to a line, ascending: when one packet of 1500 bytes may pass")
    })
}

fn processing(value: &Value, name: &str, context: &str) -> Result<Processing, Mistake> {
    let Value::Table(table) = value else {
        return time(value, name, context).map(Processing::Fixed);
    };
    let item = |i: i64| table.raw_get::<Value>(i).unwrap_or(Value::Nil);
    match item(1).as_string().map(|kind| kind.to_string_lossy()).as_deref() {
        Some("uniform") => {
            let (low, high) = (time(&item(2), name, context)?, time(&item(3), name, context)?);
            if low > high {
                return Err(Mistake::new(format!("{name}: {low} is more than {high}")).at_word(name));
            }
            Ok(Processing::Uniform(low, high))
        }
        _ => Err(not_a(Kind::Processing, value, name, context)),
    }
}

/// `"10.0.0.5/24"`, `"10.0.0.5"` (a /24), `"none"`, `"dhcp"`.
fn interface_address(text: &str) -> Result<AddressMode, Mistake> {
    match text {
        "none" => return Ok(AddressMode::Unnumbered),
        "auto" => return Ok(AddressMode::Auto),
        "dhcp" => return Ok(AddressMode::Dhcp),
        _ => {}
    }
    let wrong = || {
        let mistake =
            Mistake::new(format!("'{text}' is not an address: expected something like \"10.0.0.5/24\""));
        match text.split('/').next().is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok()) {
            true => mistake.note(format!("for IPv6 there is an option of its own: ip6 = \"{text}\"")),
            false => mistake,
        }
    };
    let (ip, length) = text.split_once('/').unwrap_or((text, "24"));
    let address =
        ip.parse().ok().zip(length.parse().ok()).and_then(|(ip, length)| IfaceAddr::new(ip, length));
    let address = address.ok_or_else(wrong)?;
    address.check_usable().map_err(Mistake::new)?;
    Ok(AddressMode::Fixed(address))
}

pub(crate) fn collect_nodes(value: &Value, nodes: &mut Vec<NodeId>, depth: u32) -> Option<()> {
    if let Some(node) = node_of(value) {
        nodes.push(node);
        return Some(());
    }
    let list = value.as_table().filter(|_| depth < 16)?;
    list.sequence_values::<Value>().try_for_each(|item| collect_nodes(&item.ok()?, nodes, depth + 1))
}

fn host(sim: &Shared, value: &Value) -> Option<NodeId> {
    let node = node_of(value)?;
    (sim.plan.borrow().node(node).spec.kind() == NodeKind::Host).then_some(node)
}

pub(crate) fn peer(sim: &Shared, value: &Value) -> Option<Peer> {
    if let Some(node) = node_of(value) {
        return Some(Peer::Node(node));
    }
    if let Some((ip, port)) = peer_of(value) {
        return Some(Peer::Address(ip, Some(port)));
    }
    let text = value.as_string()?.to_string_lossy();
    Some(parse_peer(sim, &text))
}

/// `"10.0.0.1"`, `"10.0.0.1:80"`, `"2001:db8::1"`, `"[2001:db8::1]:80"`, `"bob"`, `"bob:80"`.
pub(crate) fn parse_peer(sim: &Shared, text: &str) -> Peer {
    if let Some((ip, port)) = address6(text) {
        return Peer::Address6(ip, port);
    }
    let (name, port) = match text.rsplit_once(':').map(|(name, port)| (name, port.parse::<u16>())) {
        Some((name, Ok(port))) => (name, Some(port)),
        _ => (text, None),
    };
    if let Some(ip) = name.parse().ok().filter(|ip| !AddressBook::is_v6(*ip)) {
        return Peer::Address(ip, port);
    }
    let find = |name: &str| sim.plan.borrow().find(name);
    // Names of hosts are the same in capitals (RFC 4343).
    let small = || Some(name.to_ascii_lowercase()).filter(|small| small != name);
    let node = find(name).or_else(|| find(&small()?));
    match (node, port) {
        (Some(node), None) => Peer::Node(node),
        (Some(node), Some(_)) => {
            let address = sim.world.borrow().address_of(node).or(sim.plan.borrow().address_of(node));
            address.map_or(Peer::Node(node), |ip| Peer::Address(ip, port))
        }
        // What has several colons is no name with a port.
        (None, _) if name.contains(':') => Peer::Unknown(text.to_owned()),
        (None, _) => Peer::Unknown(name.to_owned()),
    }
}

/// `"2001:db8::1"`, `"[2001:db8::1]:80"`.
fn address6(text: &str) -> Option<(Ipv6Addr, Option<u16>)> {
    let Some((ip, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
        return Some((text.parse().ok()?, None));
    };
    let port = match port.strip_prefix(':') {
        Some(port) => Some(port.parse().ok()?),
        None if port.is_empty() => None,
        None => return None,
    };
    Some((ip.parse().ok()?, port))
}

/// An integer, or a float without a fraction.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(n) => Some(*n),
        Value::Number(x) if x.trunc() == *x && x.abs() < 9e15 => Some(*x as i64),
        _ => None,
    }
}

pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(n) => Some(*n as f64),
        Value::Number(x) => Some(*x),
        _ => None,
    }
}

pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_string_lossy()),
        Value::Integer(n) => Some(n.to_string()),
        Value::Number(x) if x.is_finite() => Some(x.to_string()),
        _ => None,
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Table(list) => {
            list.sequence_values::<Value>().map(|item| text(&item.ok()?)).collect::<Option<Vec<_>>>()
        }
        other => Some(vec![text(other)?]),
    }
}

/// A number from 0 to 63, or a name of RFC 2474 (CS), RFC 2597 (AF), RFC 3246 (EF), RFC 5865 (VA) or RFC 8622 (LE).
pub(crate) fn dscp(value: &Value) -> Option<i64> {
    let Value::String(name) = value else { return whole(value).filter(|n| (0..=63).contains(n)) };
    let name = name.to_string_lossy().to_ascii_uppercase();
    let digits = |prefix: &str| name.strip_prefix(prefix)?.parse::<i64>().ok();
    match (&*name, digits("CS"), digits("AF")) {
        ("EF", ..) => Some(46),
        ("VA", ..) => Some(44),
        ("LE", ..) => Some(1),
        (_, Some(class @ 0..=7), _) => Some(8 * class),
        (_, _, Some(n)) if (1..=4).contains(&(n / 10)) && (1..=3).contains(&(n % 10)) => {
            Some(8 * (n / 10) + 2 * (n % 10))
        }
        _ => None,
    }
}
