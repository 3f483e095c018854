//! A plan as a document: what a person writes in a file, and what programs read.
//!
//! Nodes are known by name, quantities are texts with units as in scripts, and what is left out has its default. Both directions of a
//! link are given at once, or apart under `forward` and `backward`. Written documents also hold what was computed (addresses, names
//! of links, networks), which reading ignores.

use crate::{
    Address6, AddressMode, ArqKind, ArqSpec, BufferSpec, DirectionSpec, Ecmp, Framing, HostSpec, LinkSpec,
    LossModel, Match, MediumSpec, NodeSpec, Plan, PlanError, Prefix, Processing, QueueSpec, RadioSpec,
    RouterSpec, SpanningTree, SwitchSpec, Via, VlanSpec,
};
use queues::{CorruptDocument, JitterDocument, QueueDocument};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::str::FromStr;
use tidewire_units::{NodeId, Rate, parse_count, parse_probability, parse_rate, parse_size, parse_span};

/// The words for a switch's part in the spanning tree.
const STP: [(&str, SpanningTree); 4] = [
    ("auto", SpanningTree::Auto),
    ("off", SpanningTree::Off),
    ("stp", SpanningTree::Stp),
    ("rstp", SpanningTree::Rstp),
];

/// A plan with names instead of ids, for serde.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with nodes and links")]
pub struct Document {
    /// What it is, for its readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    /// The prefix of IPv6 networks, if they are to have some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ipv6: Option<String>,
    /// Files whose networks are part of this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) include: Vec<IncludeDocument>,
    #[serde(default, deserialize_with = "bounded")]
    nodes: Vec<NodeDocument>,
    #[serde(default, deserialize_with = "bounded")]
    links: Vec<LinkDocument>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    subnets: Vec<SubnetDocument>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    routes: Vec<RouteDocument>,
    /// The networks as they were numbered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    networks: Vec<NetworkDocument>,
}

/// `"core.toml"`, `{file = "site.graphml", prefix = "north-"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "an include is the name of a file, or {file = \"site.json\", prefix = \"north-\"}"
)]
pub(crate) enum IncludeDocument {
    File(String),
    /// Its names begin with the prefix.
    Named {
        file: String,
        #[serde(default)]
        prefix: String,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as {name = \"a\", kind = \"router\"}")]
struct NodeDocument {
    name: String,
    #[serde(default)]
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip6: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gateway: Option<String>,
    /// One time, or two between which it is drawn.
    #[serde(default, deserialize_with = "times", skip_serializing_if = "Vec::is_empty")]
    processing: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cores: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forward: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ageing: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table_size: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stp: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    priority: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    converge: Option<bool>,
    /// The switch is a hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hub: Option<bool>,
    /// The switch is an access point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    radio: Option<RadioDocument>,
    /// How much the queues of the switch share, and the factor of a queue's share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    buffer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alpha: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ecmp: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position: Option<[f64; 2]>,
    /// The addresses that it has, by port; an empty text for none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Host,
    Switch,
    Router,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as {ends = [\"a\", \"b\"], rate = \"10Mbps\"}")]
struct LinkDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The names of the nodes at the first and second end.
    #[serde(deserialize_with = "ends")]
    ends: [String; 2],
    #[serde(default, deserialize_with = "rate_text", skip_serializing_if = "Option::is_none")]
    rate: Option<String>,
    #[serde(default, deserialize_with = "delay_text", skip_serializing_if = "Option::is_none")]
    delay: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    loss: Option<LossDocument>,
    #[serde(default, deserialize_with = "queues::queue", skip_serializing_if = "Option::is_none")]
    queue: Option<QueueDocument>,
    #[serde(default, deserialize_with = "cost", skip_serializing_if = "Option::is_none")]
    cost: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jitter: Option<JitterDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    corrupt: Option<CorruptDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duplicate: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reorder: Option<String>,
    /// Milliseconds at which one packet may be delivered, instead of a rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<Vec<u64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    framing: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mtu: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vlan: Option<VlanSpec>,
    #[serde(default, deserialize_with = "arq", skip_serializing_if = "Option::is_none")]
    arq: Option<ArqDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pause: Option<bool>,
    /// Metres to the access point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    distance: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forward: Option<DirectionDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    backward: Option<DirectionDocument>,
    /// Addresses asked for at the two ends; an empty text for an automatic one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ips: Option<[String; 2]>,
}

/// A rate as a text, or as a number of bits per second.
fn rate_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a rate is a text with a unit, \"10Mbps\", or a number of bits per second")]
    enum Rate {
        Text(String),
        Number(f64),
    }
    match Rate::deserialize(from)? {
        Rate::Text(text) => Ok(Some(text)),
        Rate::Number(bits) if bits >= 1000.0 && bits.is_finite() => Ok(Some(format!("{bits}bps"))),
        Rate::Number(bits) if bits < 0.0 => {
            Err(D::Error::custom(format!("a rate cannot be negative: {bits}")))
        }
        Rate::Number(bits) => Err(D::Error::custom(format!(
            "a rate of {bits} needs a unit, for example \"{bits}Mbps\"; a number of 1000 or more is bit/s"
        ))),
    }
}

/// Delays are texts with a unit; numbers are milliseconds, as in the other formats.
fn delay_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a delay is a text with a unit, \"5ms\", or a number of milliseconds")]
    enum Delay {
        Text(String),
        Number(f64),
    }
    match Delay::deserialize(from)? {
        Delay::Text(text) => Ok(Some(text)),
        Delay::Number(ms) if (0.0..1e9).contains(&ms) => Ok(Some(format!("{ms}ms"))),
        Delay::Number(ms) => Err(D::Error::custom(format!("{ms} is not a delay in milliseconds"))),
    }
}

/// A kind alone has its default window, as in scripts.
fn arq<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ArqDocument>, D::Error> {
    struct Repair;
    impl<'de> Visitor<'de> for Repair {
        type Value = Option<ArqDocument>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(
                "\"stop_and_wait\", \"gbn\" or \"sr\", or a table such as {kind = \"sr\", window = 8}",
            )
        }

        fn visit_str<E: Error>(self, kind: &str) -> Result<Self::Value, E> {
            Ok(Some(ArqDocument { kind: kind.to_owned(), window: None, timeout: None }))
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            ArqDocument::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }
    from.deserialize_any(Repair)
}

/// One time, or several.
fn times<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "processing is a time, \"20us\", or two between which it is drawn, [\"10us\", \"30us\"]"
    )]
    enum Times {
        One(String),
        Some(Vec<String>),
    }
    Ok(match Times::deserialize(from)? {
        Times::One(time) => vec![time],
        Times::Some(times) => times,
    })
}

/// Two names; an array of Rust would drop the third.
fn ends<'de, D: Deserializer<'de>>(from: D) -> Result<[String; 2], D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    let wrong =
        |names: Vec<String>| format!("a link has two ends, as in ends = [\"a\", \"b\"], not {}", names.len());
    names.try_into().map_err(|names| Error::custom(wrong(names)))
}

/// What routing pays is a whole number.
fn cost<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a cost is a whole number from 1 to 16777216, without quotes")]
    enum Cost {
        Number(u32),
    }
    let Cost::Number(cost) = Cost::deserialize(from)?;
    Ok(Some(cost))
}

/// Every option of an access point's radio; what is left out has its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table of its options")]
struct RadioDocument {
    #[serde(deserialize_with = "rate_text")]
    rate: Option<String>,
    #[serde(deserialize_with = "rate_text")]
    basic_rate: Option<String>,
    preamble: Option<String>,
    slot: Option<String>,
    sifs: Option<String>,
    cw_min: Option<u32>,
    cw_max: Option<u32>,
    attempts: Option<u32>,
    power: Option<f64>,
    noise: Option<f64>,
    loss_1m: Option<f64>,
    exponent: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as {kind = \"sr\", window = 8}")]
struct ArqDocument {
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of options such as {rate = \"1Mbps\"}")]
struct DirectionDocument {
    #[serde(default, deserialize_with = "rate_text", skip_serializing_if = "Option::is_none")]
    rate: Option<String>,
    #[serde(default, deserialize_with = "delay_text", skip_serializing_if = "Option::is_none")]
    delay: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    loss: Option<LossDocument>,
    #[serde(default, deserialize_with = "queues::queue", skip_serializing_if = "Option::is_none")]
    queue: Option<QueueDocument>,
    #[serde(default, deserialize_with = "cost", skip_serializing_if = "Option::is_none")]
    cost: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jitter: Option<JitterDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    corrupt: Option<CorruptDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duplicate: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reorder: Option<String>,
    /// Milliseconds at which one packet may be delivered, instead of a rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<Vec<u64>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "loss is a probability, \"1%\", or one of {every = 100}, {seq = [5, 9]}, {gilbert = [0.01, 0.3, 0.0, 1.0]}"
)]
enum LossDocument {
    Probability(String),
    Model {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        p: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        every: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<Vec<u64>>,
        /// `seq` again after so many packets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<u64>,
        /// Bursts: good to bad, bad to good, loss when good, loss when bad.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gilbert: Option<[f64; 4]>,
        #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
        among: Option<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as {prefix = \"10.0.1.0/24\", nodes = [\"a\", \"b\"]}"
)]
struct SubnetDocument {
    prefix: String,
    nodes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as {node = \"a\", prefix = \"0.0.0.0/0\", via = \"r\"}"
)]
struct RouteDocument {
    node: String,
    prefix: String,
    /// An address, or the name of a node.
    via: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as {prefix = \"10.0.1.0/24\", members = [\"a\"]}")]
struct NetworkDocument {
    prefix: String,
    members: Vec<String>,
}

/// What is wrong in a document. Displays as a sentence that says where.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentError {
    /// Which node, link or subnet: `node 'a'`, `link 3 (a-b)`.
    pub place: String,
    /// What is wrong with it.
    pub problem: String,
    /// The list and the position in it.
    pub(crate) at: (&'static str, usize),
}

/// Most elements of a list of nodes or links.
const MOST: usize = 1_000_000;

/// A list that does not take all memory before anybody looks at it.
fn bounded<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct List<T>(std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(element) = list.next_element()? {
                if all.len() == MOST {
                    let problem =
                        format!("this list has more than {MOST} elements; this is the most that is read");
                    return Err(serde::de::Error::custom(problem));
                }
                all.push(element);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_seq(List(std::marker::PhantomData))
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl std::error::Error for DocumentError {}

mod queues;
mod read;
mod write;

#[cfg(test)]
mod tests;
