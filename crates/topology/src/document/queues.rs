//! Queues and impairments of links in documents.

use super::read::{Problem, parsed, word};
use super::*;
use crate::{
    CeThreshold, CorruptSpec, DisciplineKind, DisciplineSpec, ImpairmentSpec, JitterShape, JitterSpec,
};
use tidewire_units::{Probability, Span};

/// `"100pkt"`, `"64KiB"`, `{limit = "1bdp", rtt = "40ms"}`, `{discipline = "codel", target = "5ms"}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum QueueDocument {
    Limit(String),
    Full(Box<QueueTable>),
}

/// A limit alone, or a table whose options are complained about one by one.
pub(super) fn queue<'de, D: Deserializer<'de>>(from: D) -> Result<Option<QueueDocument>, D::Error> {
    struct Queue;
    impl<'de> Visitor<'de> for Queue {
        type Value = Option<QueueDocument>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(
                "a queue, which is a limit, \"100pkt\" or \"64KiB\", or a table of options such as {discipline = \"codel\", limit = \"100pkt\"}",
            )
        }

        fn visit_str<E: Error>(self, limit: &str) -> Result<Self::Value, E> {
            Ok(Some(QueueDocument::Limit(limit.to_owned())))
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            let table = QueueTable::deserialize(MapAccessDeserializer::new(map))?;
            Ok(Some(QueueDocument::Full(Box::new(table))))
        }
    }
    from.deserialize_any(Queue)
}

/// Packets, as a number or with their unit, as in scripts.
fn packets<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a threshold is a number of packets, 5 or \"5pkt\"")]
    enum Packets {
        Number(f64),
        Text(String),
    }
    match Packets::deserialize(from)? {
        Packets::Number(n) => Ok(Some(n)),
        Packets::Text(text) => match parse_count(&text, "pkt") {
            Some(n) => Ok(Some(n)),
            None => {
                Err(D::Error::custom(format!("'{text}' is not a number of packets, as in 5 or \"5pkt\"")))
            }
        },
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueTable {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    discipline: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rtt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ecn: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
    /// RED's thresholds, in packets.
    #[serde(default, deserialize_with = "packets", skip_serializing_if = "Option::is_none")]
    min: Option<f64>,
    #[serde(default, deserialize_with = "packets", skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_p: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quantum: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    flows: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ce_threshold: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    classes: Vec<u32>,
    /// The token bucket's.
    #[serde(default, deserialize_with = "super::rate_text", skip_serializing_if = "Option::is_none")]
    rate: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    burst: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    police: Option<bool>,
}

/// `"2ms"`, `{shape = "normal", time = "2ms", correlation = 0.25}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "jitter is a time, \"2ms\", or a table such as {shape = \"normal\", time = \"2ms\", correlation = 0.25, keep_order = true}"
)]
pub(super) enum JitterDocument {
    Time(String),
    Full {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shape: Option<String>,
        time: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exponent: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        correlation: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keep_order: Option<bool>,
    },
}

/// `"0.01%"`, `{ber = 1e-7}`, `{seq = [3, 7]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "corrupt is a probability, \"0.01%\", or {ber = 1e-7}, or {seq = [3, 7]}")]
pub(super) enum CorruptDocument {
    Probability(String),
    Bits { ber: f64 },
    Listed { seq: Vec<u64> },
}

const DISCIPLINES: [(&str, DisciplineKind); 8] = [
    ("droptail", DisciplineKind::DropTail),
    ("red", DisciplineKind::Red),
    ("codel", DisciplineKind::Codel),
    ("fq_codel", DisciplineKind::FqCodel),
    ("pie", DisciplineKind::Pie),
    ("drr", DisciplineKind::Drr),
    ("prio", DisciplineKind::Prio),
    ("tbf", DisciplineKind::Tbf),
];

fn time(text: &str) -> Result<Span, Problem> {
    parse_span(text).map_err(|e| e.to_string())
}

fn probability(text: &str) -> Result<Probability, Problem> {
    parse_probability(text).map_err(|e| e.to_string())
}

fn limit(text: &str, rtt: Option<&str>) -> Result<QueueSpec, Problem> {
    match (parse_count(text, "bdp"), rtt) {
        (Some(factor), Some(rtt)) => return Ok(QueueSpec::Bdp { factor, rtt: time(rtt)? }),
        (Some(_), None) => {
            return Err(format!("a queue of '{text}' needs an rtt: {{limit = \"{text}\", rtt = \"40ms\"}}"));
        }
        (None, Some(_)) => {
            return Err(format!("'{text}' is not a queue with an rtt, for example \"1bdp\""));
        }
        (None, None) => {}
    }
    if let Some(n) = parse_count(text, "pkt") {
        let whole = n.fract() == 0.0 && n <= f64::from(u32::MAX);
        return whole
            .then_some(QueueSpec::Packets(n as u32))
            .ok_or_else(|| format!("'{text}' is not a whole number of packets"));
    }
    parse_size(text).map(QueueSpec::Bytes).map_err(|_| {
        format!("'{text}' is not a queue limit, for example \"100pkt\", \"64KiB\" or \"1bdp\" with an rtt")
    })
}

impl QueueDocument {
    pub fn apply(&self, spec: &mut DirectionSpec) -> Result<(), Problem> {
        match self {
            QueueDocument::Limit(text) => {
                spec.queue = limit(text, None)?;
                spec.discipline = None;
            }
            QueueDocument::Full(table) => {
                let kind = table.discipline.as_ref().map(|text| word(text, &DISCIPLINES)).transpose()?;
                let kind = kind.unwrap_or(DisciplineKind::DropTail);
                spec.queue = match &table.limit {
                    Some(text) => limit(text, table.rtt.as_deref())?,
                    None if table.rtt.is_some() => {
                        return Err("an rtt is of use only with a limit such as \"1bdp\"".to_owned());
                    }
                    // RFC 8290 section 4.1.3.
                    None if kind == DisciplineKind::FqCodel => QueueSpec::Packets(10_240),
                    None => QueueSpec::Packets(1000),
                };
                let discipline = table.discipline(kind)?;
                let plain = DisciplineSpec { kind, ..plain() };
                let special = kind != DisciplineKind::DropTail || discipline != plain;
                spec.discipline = special.then(|| Box::new(discipline));
            }
        }
        Ok(())
    }

    /// The queue of a direction, if it is not the default.
    pub fn of(spec: &DirectionSpec) -> Option<QueueDocument> {
        let (limit, rtt) = match spec.queue {
            QueueSpec::Packets(n) => (format!("{n}pkt"), None),
            QueueSpec::Bytes(bytes) => (format!("{}B", bytes.0), None),
            QueueSpec::Bdp { factor, rtt } => (format!("{factor}bdp"), Some(rtt.to_string())),
        };
        match (&spec.discipline, rtt) {
            (None, None) if spec.queue == DirectionSpec::default().queue => None,
            (None, None) => Some(QueueDocument::Limit(limit)),
            (discipline, rtt) => {
                let table = discipline.as_ref().map_or_else(QueueTable::default, |d| QueueTable::of(d));
                Some(QueueDocument::Full(Box::new(QueueTable { limit: Some(limit), rtt, ..table })))
            }
        }
    }
}

/// Drop-tail without any option.
pub(super) fn plain() -> DisciplineSpec {
    DisciplineSpec {
        kind: DisciplineKind::DropTail,
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

impl QueueTable {
    fn discipline(&self, kind: DisciplineKind) -> Result<DisciplineSpec, Problem> {
        let is_tbf = kind == DisciplineKind::Tbf;
        if self.quantum == Some(0) || self.flows == Some(0) {
            return Err("quantum and flows are at least 1".to_owned());
        }
        if self.classes.len() > 64 || self.classes.contains(&0) {
            return Err("classes are at most 64 weights, each at least 1".to_owned());
        }
        let spec = DisciplineSpec {
            kind,
            ecn: self.ecn,
            target: self.target.as_deref().map(time).transpose()?,
            interval: self.interval.as_deref().map(time).transpose()?,
            thresholds: match (self.min, self.max) {
                (None, None) => None,
                (Some(min), Some(max)) if 0.0 <= min && min < max && max.is_finite() => Some((min, max)),
                _ => return Err("RED needs min below max, as in min = 5, max = 15".to_owned()),
            },
            max_p: self.max_p.as_deref().map(probability).transpose()?,
            quantum: self.quantum,
            flows: self.flows,
            ce_threshold: match &self.ce_threshold {
                None => None,
                Some(text) => Some(match parse_count(text, "pkt") {
                    Some(n) if n.fract() == 0.0 && n <= 1e9 => CeThreshold::Packets(n as u32),
                    Some(_) => return Err(format!("'{text}' is not a whole number of packets")),
                    None => CeThreshold::Time(time(text)?),
                }),
            },
            classes: self.classes.clone(),
            bucket: match (&self.rate, &self.burst) {
                (Some(rate), burst) => {
                    let rate = parse_rate(rate).map_err(|e| e.to_string())?;
                    let burst = burst.as_deref().unwrap_or("10kB");
                    Some((rate, parse_size(burst).map_err(|e| e.to_string())?))
                }
                (None, None) if !is_tbf => None,
                (None, _) => {
                    return Err("a token bucket needs a rate, as in discipline = \"tbf\", rate = \"5Mbps\""
                        .to_owned());
                }
            },
            police: self.police.unwrap_or(false),
        };
        spec.problem().map_or(Ok(spec), Err)
    }

    fn of(spec: &DisciplineSpec) -> QueueTable {
        let name = DISCIPLINES.iter().find(|(_, kind)| *kind == spec.kind).map(|(name, _)| *name);
        QueueTable {
            discipline: name.map(str::to_owned),
            ecn: spec.ecn,
            target: spec.target.map(|time| time.to_string()),
            interval: spec.interval.map(|time| time.to_string()),
            min: spec.thresholds.map(|(min, _)| min),
            max: spec.thresholds.map(|(_, max)| max),
            max_p: spec.max_p.map(|p| p.get().to_string()),
            quantum: spec.quantum,
            flows: spec.flows,
            ce_threshold: spec.ce_threshold.map(|threshold| match threshold {
                CeThreshold::Packets(n) => format!("{n}pkt"),
                CeThreshold::Time(time) => time.to_string(),
            }),
            classes: spec.classes.clone(),
            rate: spec.bucket.map(|(rate, _)| write::rate(rate)),
            burst: spec.bucket.map(|(_, burst)| format!("{}B", burst.0)),
            police: spec.police.then_some(true),
            ..QueueTable::default()
        }
    }
}

impl JitterDocument {
    pub fn spec(&self) -> Result<Option<JitterSpec>, Problem> {
        let (shape, text, exponent, correlation, keep_order) = match self {
            JitterDocument::Time(text) => ("uniform", text, None, 0.0, true),
            JitterDocument::Full { shape, time, exponent, correlation, keep_order } => {
                let shape = shape.as_deref().unwrap_or("uniform");
                (shape, time, *exponent, correlation.unwrap_or(0.0), keep_order.unwrap_or(true))
            }
        };
        let size = time(text)?;
        if !(0.0..1.0).contains(&correlation) {
            return Err("the correlation of jitter is from 0 to below 1".to_owned());
        }
        let shape = match (shape, exponent) {
            ("pareto", exponent) => match exponent.unwrap_or(3.0) {
                e if e > 1.0 && e.is_finite() => JitterShape::Pareto(size, e),
                _ => return Err("the exponent of a Pareto distribution must be above 1".to_owned()),
            },
            (_, Some(_)) => return Err("only the shape \"pareto\" has an exponent".to_owned()),
            ("uniform", None) => JitterShape::Uniform(size),
            ("normal", None) => JitterShape::Normal(size),
            (other, None) => return Err(format!("'{other}' is none of \"uniform\", \"normal\", \"pareto\"")),
        };
        let spec = JitterSpec { shape, correlation, keep_order };
        Ok((shape != JitterShape::Uniform(Span::ZERO)).then_some(spec))
    }

    pub fn of(spec: &JitterSpec) -> JitterDocument {
        let (shape, time, exponent) = match spec.shape {
            JitterShape::Uniform(time) => ("uniform", time, None),
            JitterShape::Normal(time) => ("normal", time, None),
            JitterShape::Pareto(time, exponent) => ("pareto", time, Some(exponent)),
        };
        JitterDocument::Full {
            shape: Some(shape.to_owned()),
            time: time.to_string(),
            exponent,
            correlation: (spec.correlation != 0.0).then_some(spec.correlation),
            keep_order: Some(spec.keep_order),
        }
    }
}

impl CorruptDocument {
    pub fn spec(&self) -> Result<CorruptSpec, Problem> {
        Ok(match self {
            CorruptDocument::Probability(text) => CorruptSpec::Packets(probability(text)?),
            CorruptDocument::Bits { ber } if (0.0..=1.0).contains(ber) => CorruptSpec::Bits(*ber),
            CorruptDocument::Bits { .. } => {
                return Err("a bit error ratio lies between 0 and 1, as in {ber = 1e-7}".to_owned());
            }
            CorruptDocument::Listed { seq } if seq.contains(&0) => {
                return Err("frames to be damaged are counted from 1".to_owned());
            }
            CorruptDocument::Listed { seq } => CorruptSpec::Listed(seq.clone()),
        })
    }

    pub fn of(spec: &CorruptSpec) -> Option<CorruptDocument> {
        match spec {
            CorruptSpec::None => None,
            CorruptSpec::Packets(p) => Some(CorruptDocument::Probability(p.get().to_string())),
            CorruptSpec::Bits(ber) => Some(CorruptDocument::Bits { ber: *ber }),
            CorruptSpec::Listed(seq) => Some(CorruptDocument::Listed { seq: seq.clone() }),
        }
    }
}

impl DirectionDocument {
    pub(super) fn impair(&self, spec: &mut DirectionSpec) -> Result<(), Problem> {
        let mut own = spec.impairments.take().map_or_else(ImpairmentSpec::default, |own| *own);
        if let Some(jitter) = &self.jitter {
            own.jitter = jitter.spec()?;
        }
        if let Some(corrupt) = &self.corrupt {
            own.corrupt = corrupt.spec()?;
        }
        if let Some(text) = &self.duplicate {
            own.duplicate = probability(text)?;
        }
        if let Some(text) = &self.reorder {
            own.reorder = probability(text)?;
        }
        spec.impairments = (own != ImpairmentSpec::default()).then(|| Box::new(own));
        if let Some(times) = &self.trace {
            if times.is_empty() || times.windows(2).any(|pair| pair[0] > pair[1]) || times.last() == Some(&0)
            {
                let problem =
                    "a trace is a list of milliseconds that never fall, the last above 0: [0, 2, 2, 5]";
                return Err(problem.to_owned());
            }
            spec.trace = Some(times.as_slice().into());
        }
        Ok(())
    }

    /// The rate, or the rates over time, are read elsewhere; this is what else a direction has.
    pub(super) fn of_impairments(spec: &DirectionSpec) -> DirectionDocument {
        let own = spec.impairments.as_deref().cloned().unwrap_or_default();
        let text = |p: Probability| (p.get() > 0.0).then(|| p.get().to_string());
        DirectionDocument {
            jitter: own.jitter.as_ref().map(JitterDocument::of),
            corrupt: CorruptDocument::of(&own.corrupt),
            duplicate: text(own.duplicate),
            reorder: text(own.reorder),
            trace: spec.trace.as_ref().map(|times| times.to_vec()),
            ..DirectionDocument::default()
        }
    }
}

/// An address given to a node in a file.
pub(super) fn address(text: &str) -> Result<std::net::Ipv4Addr, Problem> {
    parsed(text, "an address", "10.0.0.1")
}
