//! Values that only links have: loss models and queue limits.

use crate::mistake::{Mistake, did_you_mean};
use crate::spec::Kind;
use crate::values::{choice, not_a, probability, time, whole};
use mlua::{Lua, Table, Value};
use tidewire_topology::{LossModel, LossSpec, Match};
use tidewire_units::{Bytes, Probability, Span, parse_count, parse_size};

/// A queue limit before the rate and the round-trip time are known.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Queue {
    /// So many packets.
    Packets(u32),
    /// So many bytes.
    Bytes(Bytes),
    /// A multiple of the bandwidth-delay product, with the round-trip time if it was given.
    Bdp(f64, Option<Span>),
}

/// `"1%"`, `{ every = 100 }`, `{ seq = {5, 9} }`, `{ "1%" }`, each with `match`.
pub(crate) fn loss(lua: &Lua, value: &Value, name: &str, context: &str) -> Result<LossSpec, Mistake> {
    let Value::Table(table) = value else {
        let p = probability(value, name, context)?;
        return Ok(LossSpec { model: bernoulli(p), among: Match::Any });
    };
    let mut spec = LossSpec::default();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| Mistake::new(error.to_string()))?;
        let key = match &key {
            Value::Integer(1) => "1".to_owned(),
            Value::String(key) => key.to_string_lossy(),
            _ => "?".to_owned(),
        };
        match &*key {
            "1" | "p" | "rate" => spec.model = bernoulli(probability(&value, name, context)?),
            "every" => {
                let n = whole(&value).filter(|n| *n >= 1);
                spec.model = LossModel::Every(
                    n.ok_or_else(|| not_a(Kind::Int(1, i64::MAX), &value, "every", context))? as u64,
                );
            }
            "seq" => {
                let list: Result<Vec<u64>, _> =
                    value.as_table().map_or(Ok(Vec::new()), |list| list.sequence_values::<u64>().collect());
                let mut list = list.map_err(|_| {
                    Mistake::new("loss = { seq = {5, 9} } lists whole numbers").at_word("seq")
                })?;
                if list.is_empty() || list.contains(&0) {
                    return Err(
                        Mistake::new("loss = { seq = {5, 9} } lists packets, counted from 1").at_word("seq")
                    );
                }
                list.sort_unstable();
                spec.model = LossModel::Listed(list);
            }
            "match" => {
                let kinds = ["data", "ack", "syn", "synack", "fin", "retransmit"];
                spec.among = match &*choice(&value, &kinds, "match", "option 'match' of loss")? {
                    "data" => Match::Data,
                    "ack" => Match::Ack,
                    "syn" => Match::Syn,
                    "synack" => Match::SynAck,
                    "fin" => Match::Fin,
                    _ => Match::Retransmit,
                };
            }
            other => {
                let meant = did_you_mean(other, ["every", "seq", "match"]);
                return Err(Mistake::new(format!("unknown option '{other}' of {name}{meant}"))
                    .at_word(other)
                    .note(
                        "write \"1%\", { every = 100 }, { seq = {5, 9} } or { \"1%\", match = \"data\" }",
                    ));
            }
        }
    }
    let _ = lua;
    Ok(spec)
}

fn bernoulli(p: Probability) -> LossModel {
    if p.is_zero() { LossModel::None } else { LossModel::Bernoulli(p) }
}

/// `"100pkt"`, `"64KiB"`, `"1bdp"`, a number of packets, `{ "droptail", limit =, rtt = }`.
pub(crate) fn queue(lua: &Lua, value: &Value, name: &str, context: &str) -> Result<Queue, Mistake> {
    match value {
        Value::String(text) => {
            let text = text.to_string_lossy();
            if text == "droptail" {
                return Ok(Queue::Packets(1000));
            }
            if let Some(packets) = parse_count(&text, "pkt").or_else(|| parse_count(&text, "packets")) {
                return Ok(Queue::Packets(packets.round() as u32));
            }
            if let Some(factor) = parse_count(&text, "bdp") {
                return Ok(Queue::Bdp(factor, None));
            }
            match parse_size(&text) {
                Ok(bytes) => Ok(Queue::Bytes(bytes)),
                Err(_) => Err(Mistake::new(format!(
                    "'{text}' is not a queue limit: expected packets (\"100pkt\"), a size (\"64KiB\") or a bandwidth-delay product (\"1bdp\")"
                ))
                .at_word(text)),
            }
        }
        Value::Table(table) => queue_table(lua, table, name, context),
        other => match whole(other) {
            Some(n @ 0..=4_000_000_000) => Ok(Queue::Packets(n as u32)),
            _ => Err(not_a(Kind::Queue, other, name, context)),
        },
    }
}

fn queue_table(lua: &Lua, table: &Table, name: &str, context: &str) -> Result<Queue, Mistake> {
    let (mut limit, mut rtt) = (Queue::Packets(1000), None);
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| Mistake::new(error.to_string()))?;
        let key = match &key {
            Value::Integer(1) => "1".to_owned(),
            Value::String(key) => key.to_string_lossy(),
            _ => "?".to_owned(),
        };
        match &*key {
            "1" => drop(choice(&value, &["droptail"], name, context)?),
            "limit" => limit = queue(lua, &value, "limit", context)?,
            "rtt" => rtt = Some(time(&value, "rtt", "option 'rtt' of queue")?),
            other => {
                let meant = did_you_mean(other, ["limit", "rtt"]);
                return Err(Mistake::new(format!("unknown option '{other}' of {name}{meant}"))
                    .at_word(other)
                    .note("options: limit rtt, as in queue = { \"droptail\", limit = \"1bdp\", rtt = \"40ms\" }"));
            }
        }
    }
    if let (Queue::Bdp(_, known), Some(rtt)) = (&mut limit, rtt) {
        *known = Some(rtt);
    }
    Ok(limit)
}
