//! Values of queues: how much may wait, and who of those that wait is sent, marked or dropped.

use crate::link_values::{key_of, unknown};
use crate::mistake::Mistake;
use crate::spec::Kind;
use crate::values::{choice, not_a, probability, rate, size, time, whole};
use mlua::{Table, Value};
use tidewire_topology::{CeThreshold, DisciplineKind, DisciplineSpec};
use tidewire_units::{Bytes, Span, parse_count, parse_size};

/// A queue limit before the rate and the round-trip time are known.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Limit {
    /// So many packets.
    Packets(u32),
    /// So many bytes.
    Bytes(Bytes),
    /// A multiple of the bandwidth-delay product, with the round-trip time if it was given.
    Bdp(f64, Option<Span>),
}

/// The option `queue` of a link.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Queue {
    /// How much may wait; what the discipline says without it.
    pub limit: Option<Limit>,
    /// Anything but first in, first out.
    pub discipline: Option<DisciplineSpec>,
}

const KINDS: [(&str, DisciplineKind); 8] = [
    ("droptail", DisciplineKind::DropTail),
    ("red", DisciplineKind::Red),
    ("codel", DisciplineKind::Codel),
    ("fq_codel", DisciplineKind::FqCodel),
    ("pie", DisciplineKind::Pie),
    ("drr", DisciplineKind::Drr),
    ("prio", DisciplineKind::Prio),
    ("tbf", DisciplineKind::Tbf),
];

const OPTIONS: [&str; 17] = [
    "limit",
    "rtt",
    "ecn",
    "target",
    "interval",
    "min",
    "max",
    "max_p",
    "quantum",
    "flows",
    "ce_threshold",
    "classes",
    "bands",
    "rate",
    "burst",
    "police",
    "kind",
];

/// `"100pkt"`, `"64KiB"`, `"1bdp"`, a number of packets, `"codel"`, `{ "droptail", limit =, rtt = }`.
pub(crate) fn queue(value: &Value, name: &str, context: &str) -> Result<Queue, Mistake> {
    match value {
        Value::Table(table) => queue_table(table, name, context),
        Value::String(text) if kind_of(&text.to_string_lossy()).is_some() => {
            let kind = kind_of(&text.to_string_lossy()).expect("just asked");
            Ok(Queue { limit: None, discipline: special(plain(kind)) })
        }
        other => Ok(Queue { limit: Some(limit(other, name, context)?), discipline: None }),
    }
}

fn kind_of(word: &str) -> Option<DisciplineKind> {
    KINDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind)
}

fn plain(kind: DisciplineKind) -> DisciplineSpec {
    DisciplineSpec {
        kind,
        ecn: None,
        target: None,
        interval: None,
        thresholds: None,
        max_p: None,
        quantum: None,
        flows: None,
        ce_threshold: None,
        classes: Vec::new(),
        bucket: None,
        police: false,
    }
}

/// Drop-tail without marking needs no discipline.
fn special(spec: DisciplineSpec) -> Option<DisciplineSpec> {
    (spec != plain(DisciplineKind::DropTail)).then_some(spec)
}

fn limit(value: &Value, name: &str, context: &str) -> Result<Limit, Mistake> {
    let Value::String(text) = value else {
        return match whole(value) {
            Some(n @ 0..=4_000_000_000) => Ok(Limit::Packets(n as u32)),
            _ => Err(not_a(Kind::Queue, value, name, context)),
        };
    };
    let text = text.to_string_lossy();
    if let Some(packets) = packets(&text) {
        return Ok(Limit::Packets(packets));
    }
    if let Some(factor) = parse_count(&text, "bdp") {
        return Ok(Limit::Bdp(factor, None));
    }
    parse_size(&text).map(Limit::Bytes).map_err(|_| {
        let meant = crate::mistake::did_you_mean(&text, KINDS.iter().map(|(name, _)| *name));
        Mistake::new(format!(
            "'{text}' is not a queue limit: expected packets (\"100pkt\"), a size (\"64KiB\"), a bandwidth-delay product (\"1bdp\") or a discipline{meant}"
        ))
        .at_word(text.clone())
        .note(format!("disciplines: {}", KINDS.map(|(name, _)| name).join(" ")))
    })
}

fn packets(text: &str) -> Option<u32> {
    let count = parse_count(text, "pkt").or_else(|| parse_count(text, "packets"))?;
    Some(count.round() as u32)
}

fn queue_table(table: &Table, name: &str, context: &str) -> Result<Queue, Mistake> {
    let (mut size_limit, mut rtt) = (None, None);
    let mut spec = plain(DisciplineKind::DropTail);
    let (mut min, mut max) = (None, None);
    let (mut bucket_rate, mut burst) = (None, None);
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| Mistake::new(error.to_string()))?;
        let key = key_of(&key);
        let of = format!("option '{key}' of queue");
        let count = |low: i64| {
            whole(&value)
                .filter(|n| *n >= low && *n <= 1 << 30)
                .ok_or_else(|| not_a(Kind::Int(low, i64::MAX), &value, &key, &of))
        };
        let flag = || value.as_boolean().ok_or_else(|| not_a(Kind::Bool, &value, &key, &of));
        match &*key {
            "1" | "kind" => {
                let word = choice(&value, &KINDS.map(|(name, _)| name), name, context)?;
                spec.kind = kind_of(&word).expect("one of them");
            }
            "limit" => size_limit = Some(limit(&value, "limit", context)?),
            "rtt" => rtt = Some(time(&value, "rtt", &of)?),
            "ecn" => spec.ecn = Some(flag()?),
            "target" => spec.target = Some(time(&value, &key, &of)?),
            "interval" => spec.interval = Some(time(&value, &key, &of)?),
            "min" => min = Some(threshold(&value, &key, &of)?),
            "max" => max = Some(threshold(&value, &key, &of)?),
            "max_p" => spec.max_p = Some(probability(&value, &key, &of)?),
            "quantum" => spec.quantum = Some(count(1)? as u32),
            "flows" => spec.flows = Some(count(1)? as u32),
            "ce_threshold" => spec.ce_threshold = Some(ce_threshold(&value, &key, &of)?),
            "classes" | "bands" => spec.classes = classes(&value, &key, &of)?,
            "rate" => bucket_rate = Some(rate(&value, &key, &of)?),
            "burst" => burst = Some(size(&value, &key, &of)?),
            "police" => spec.police = flag()?,
            other => {
                return Err(unknown(other, name, &OPTIONS).note(format!(
                    "options: {}, as in queue = {{ \"codel\", limit = \"100pkt\", target = \"5ms\" }}",
                    OPTIONS.join(" ")
                )));
            }
        }
    }
    if let (Some(Limit::Bdp(_, known)), Some(rtt)) = (&mut size_limit, rtt) {
        *known = Some(rtt);
    }
    spec.thresholds = match (min, max) {
        (Some(min), Some(max)) if min < max => Some((min, max)),
        (None, None) => None,
        _ => {
            return Err(Mistake::new(
                "RED needs min below max, as in { \"red\", min = \"5pkt\", max = \"15pkt\" }",
            )
            .at_word("min"));
        }
    };
    spec.bucket = match (bucket_rate, burst, spec.kind) {
        (Some(rate), burst, _) => Some((rate, burst.unwrap_or(Bytes(10_000)))),
        (None, _, DisciplineKind::Tbf) => {
            return Err(Mistake::new(
                "a token bucket needs a rate, as in { \"tbf\", rate = \"5Mbps\", burst = \"10kB\" }",
            )
            .at_word("tbf"));
        }
        _ => None,
    };
    if let Some(problem) = spec.problem() {
        let word = problem.split(' ').next().unwrap_or(name).to_owned();
        return Err(Mistake::new(problem).at_word(word));
    }
    Ok(Queue { limit: size_limit, discipline: special(spec) })
}

/// A number of packets.
fn threshold(value: &Value, key: &str, of: &str) -> Result<f64, Mistake> {
    let count = match value {
        Value::String(text) => packets(&text.to_string_lossy()).map(f64::from),
        other => crate::values::number(other),
    };
    count.filter(|n| *n >= 0.0 && n.is_finite()).ok_or_else(|| {
        Mistake::new(format!("{of} is a number of packets, such as \"5pkt\"")).at_word(key.to_owned())
    })
}

fn ce_threshold(value: &Value, key: &str, of: &str) -> Result<CeThreshold, Mistake> {
    match value {
        Value::String(text) if packets(&text.to_string_lossy()).is_some() => {
            Ok(CeThreshold::Packets(packets(&text.to_string_lossy()).unwrap_or(0)))
        }
        Value::String(_) => Ok(CeThreshold::Time(time(value, key, of)?)),
        other => match whole(other) {
            Some(n @ 0..=1_000_000_000) => Ok(CeThreshold::Packets(n as u32)),
            _ => Err(Mistake::new(format!("{of} is packets (\"20pkt\") or a time (\"1ms\")"))
                .at_word(key.to_owned())),
        },
    }
}

/// `{4, 2, 1}`, or how many.
fn classes(value: &Value, key: &str, of: &str) -> Result<Vec<u32>, Mistake> {
    let wrong = || {
        Mistake::new(format!("{of} is a list of weights, such as {{4, 2, 1}}, or how many"))
            .at_word(key.to_owned())
    };
    match value {
        Value::Table(list) => {
            let weights: Result<Vec<u32>, _> = list.sequence_values::<u32>().collect();
            weights
                .ok()
                .filter(|list| !list.is_empty() && !list.contains(&0) && list.len() <= 64)
                .ok_or_else(wrong)
        }
        other => match whole(other) {
            Some(n @ 1..=64) => Ok(vec![1; n as usize]),
            _ => Err(wrong()),
        },
    }
}
