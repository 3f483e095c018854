//! Values that only links have: which packets are lost, and what else happens to them.

use crate::mistake::{Mistake, did_you_mean};
use crate::sim::Shared;
use crate::spec::Kind;
use crate::values::{choice, not_a, probability, text, time, whole};
use mlua::{Function, Value};
use tidewire_topology::{
    ArqKind, ArqSpec, CorruptSpec, JitterShape, JitterSpec, LossModel, LossSpec, Match, VlanSpec,
};
use tidewire_units::{Probability, Span};

/// The function that chooses the packets for a loss model: `{ "1%", match = fn }`.
pub(crate) fn chooser(value: &Value) -> Option<Function> {
    value.as_table()?.raw_get::<Option<Function>>("match").ok().flatten()
}

/// `"1%"`, `{ every = 100 }`, `{ seq = {5, 9} }`, `{ trace = "losses.txt" }`, `{ "1%" }`, each with `match`.
pub(crate) fn loss(sim: &Shared, value: &Value, name: &str, context: &str) -> Result<LossSpec, Mistake> {
    let Value::Table(table) = value else {
        let p = probability(value, name, context)?;
        return Ok(LossSpec { model: bernoulli(p), among: Match::Any });
    };
    let mut spec = LossSpec::default();
    let (mut is_gilbert, mut chain, mut models) = (false, [None; 4], 0);
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| Mistake::new(error.to_string()))?;
        let key = key_of(&key);
        models += u32::from(matches!(&*key, "1" | "p" | "rate" | "every" | "seq" | "trace"));
        match &*key {
            "1" if text(&value).as_deref() == Some("gilbert") => is_gilbert = true,
            "1" | "p" | "rate" => spec.model = bernoulli(probability(&value, name, context)?),
            "good_to_bad" | "bad_to_good" | "loss_good" | "loss_bad" => {
                let context = format!("option '{key}' of {name}");
                let p = probability(&value, &key, &context)?;
                let at =
                    ["good_to_bad", "bad_to_good", "loss_good", "loss_bad"].iter().position(|x| **x == *key);
                chain[at.unwrap_or(0)] = Some(p);
            }
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
            "trace" => {
                let file = text(&value).ok_or_else(|| {
                    Mistake::new("loss = { trace = \"losses.txt\" } names a file").at_word("trace")
                })?;
                spec.model = recorded(sim, &file)?;
            }
            "match" if value.is_function() => spec.among = Match::Chosen,
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
                let meant = did_you_mean(
                    other,
                    ["every", "seq", "trace", "match", "good_to_bad", "bad_to_good", "loss_good", "loss_bad"],
                );
                return Err(Mistake::new(format!("unknown option '{other}' of {name}{meant}"))
                    .at_word(other)
                    .note(
                        "write \"1%\", { every = 100 }, { seq = {5, 9} }, { \"1%\", match = \"data\" } or { \"gilbert\", good_to_bad = \"1%\", bad_to_good = \"30%\" }",
                    ));
            }
        }
    }
    if is_gilbert || chain.iter().any(Option::is_some) {
        models += u32::from(!is_gilbert);
        spec.model = gilbert(chain)?;
    }
    if models != 1 {
        let why = if models == 0 { "says what is lost" } else { "has one model of losses" };
        return Err(Mistake::new(format!("{name} = {{...}} {why}: {{ \"1%\", match = \"data\" }}, {{ every = 100 }}, {{ seq = {{5, 9}} }} or the like"))
            .at_word(name));
    }
    Ok(spec)
}

/// A recording of which packets were lost: 0 or 1 for each, in order.
fn recorded(sim: &Shared, file: &str) -> Result<LossModel, Mistake> {
    let io = |why| Mistake::new(why).at_word(file).fault(crate::Fault::Io);
    let bytes = sim.files.read(file).map_err(io)?;
    let (mut lost, mut of) = (Vec::new(), 0);
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        for byte in line.iter().filter(|byte| !byte.is_ascii_whitespace() && **byte != b',') {
            of += 1;
            match byte {
                b'0' => {}
                b'1' => lost.push(of),
                other => {
                    let text =
                        format!("{file}:{}: '{}' is neither 0 nor 1", number + 1, other.escape_ascii());
                    return Err(Mistake::new(text)
                        .at_word(file)
                        .note("a recording of losses has a 1 for each packet that was lost and a 0 for each that was not"));
                }
            }
        }
    }
    if of == 0 {
        return Err(Mistake::new(format!("{file}: no packets in this recording of losses")).at_word(file));
    }
    Ok(if lost.is_empty() { LossModel::None } else { LossModel::Repeated { lost, of } })
}

fn gilbert(
    [good_to_bad, bad_to_good, loss_good, loss_bad]: [Option<Probability>; 4],
) -> Result<LossModel, Mistake> {
    let example = "write { \"gilbert\", good_to_bad = \"1%\", bad_to_good = \"30%\", loss_bad = \"100%\" }";
    let (Some(good_to_bad), Some(bad_to_good)) = (good_to_bad, bad_to_good) else {
        return Err(Mistake::new("losses in bursts need good_to_bad and bad_to_good")
            .at_word("gilbert")
            .note(example));
    };
    let loss_good = loss_good.unwrap_or(Probability::ZERO);
    let loss_bad = loss_bad.unwrap_or(Probability::ONE);
    Ok(LossModel::Gilbert { good_to_bad, bad_to_good, loss_good, loss_bad })
}

/// `"2ms"`, `{ "normal", "2ms", correlation = "25%", keep_order = true }`.
pub(crate) fn jitter(value: &Value, name: &str, context: &str) -> Result<JitterSpec, Mistake> {
    let plain = |shape| JitterSpec { shape, correlation: 0.0, keep_order: true };
    let Value::Table(table) = value else {
        return Ok(plain(JitterShape::Uniform(time(value, name, context)?)));
    };
    let mut spec = plain(JitterShape::Uniform(Span::ZERO));
    let (mut shape, mut size, mut exponent) = ("uniform".to_owned(), None, 3.0);
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| Mistake::new(error.to_string()))?;
        match &*key_of(&key) {
            "1" if parses_as_time(&value) => size = Some(time(&value, name, context)?),
            "1" => shape = choice(&value, &["uniform", "normal", "pareto"], name, context)?,
            "2" => size = Some(time(&value, name, context)?),
            "correlation" => {
                spec.correlation =
                    probability(&value, "correlation", "option 'correlation' of jitter")?.get();
                if spec.correlation >= 1.0 {
                    return Err(Mistake::new("correlation must be below 100%").at_word("correlation"));
                }
            }
            "keep_order" => {
                spec.keep_order = value.as_boolean().ok_or_else(|| {
                    not_a(Kind::Bool, &value, "keep_order", "option 'keep_order' of jitter")
                })?;
            }
            "exponent" => {
                exponent =
                    crate::values::number(&value).filter(|x| *x > 1.0 && x.is_finite()).ok_or_else(|| {
                        Mistake::new("the exponent of a Pareto distribution must be above 1")
                            .at_word("exponent")
                    })?;
            }
            other => {
                let known = ["correlation", "keep_order", "exponent"];
                return Err(unknown(other, name, &known)
                    .note("as in jitter = { \"normal\", \"2ms\", correlation = \"25%\" }"));
            }
        }
    }
    let size = size.ok_or_else(|| {
        Mistake::new("jitter needs a time, as in jitter = { \"normal\", \"2ms\" }").at_word(name)
    })?;
    spec.shape = match &*shape {
        "normal" => JitterShape::Normal(size),
        "pareto" => JitterShape::Pareto(size, exponent),
        _ => JitterShape::Uniform(size),
    };
    Ok(spec)
}

/// `"0.01%"`, `{ ber = 1e-7 }`, `{ seq = {3, 7} }`, `{3, 7}`.
pub(crate) fn corrupt(value: &Value, name: &str, context: &str) -> Result<CorruptSpec, Mistake> {
    let Value::Table(table) = value else {
        let p = probability(value, name, context)?;
        return Ok(if p.is_zero() { CorruptSpec::None } else { CorruptSpec::Packets(p) });
    };
    if let Ok(ratio @ (Value::Number(_) | Value::Integer(_) | Value::String(_))) =
        table.raw_get::<Value>("ber")
    {
        let ratio = crate::values::number(&ratio).filter(|x| (0.0..=1.0).contains(x)).ok_or_else(|| {
            Mistake::new("a bit error ratio lies between 0 and 1, as in { ber = 1e-7 }").at_word("ber")
        })?;
        return Ok(CorruptSpec::Bits(ratio));
    }
    let list = match table.raw_get::<Value>("seq") {
        Ok(Value::Table(list)) => list,
        _ => table.clone(),
    };
    let ordinals: Result<Vec<u64>, _> = list.sequence_values::<u64>().collect();
    match ordinals {
        Ok(ordinals) if !ordinals.is_empty() && !ordinals.contains(&0) => Ok(CorruptSpec::Listed(ordinals)),
        _ => Err(Mistake::new(format!(
            "{name} is a probability (\"0.01%\"), {{ ber = 1e-7 }} or packets counted from 1 ({{3, 7}})"
        ))
        .at_word(name)),
    }
}

/// `"stop_and_wait"`, `{ "sr", window = 7, timeout = "30ms" }`.
pub(crate) fn arq(value: &Value, name: &str, context: &str) -> Result<ArqSpec, Mistake> {
    let words = ArqKind::WORDS.map(|(word, _)| word);
    let kind = |value: &Value| {
        let word = choice(value, &words, name, context)?;
        Ok::<_, Mistake>(ArqKind::WORDS.iter().find(|(known, _)| *known == word).expect("one of them").1)
    };
    let Value::Table(table) = value else { return kind(value).map(ArqSpec::new) };
    let (mut word, mut window, mut timeout) = (None, None, None);
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| Mistake::new(error.to_string()))?;
        let key = key_of(&key);
        let of = format!("option '{key}' of {name}");
        match &*key {
            "1" | "kind" => word = Some(kind(&value)?),
            "window" => {
                let count = whole(&value).filter(|n| (1..=1 << 20).contains(n));
                window = Some(count.ok_or_else(|| not_a(Kind::Int(1, 1 << 20), &value, &key, &of))? as u32);
            }
            "timeout" => timeout = Some(time(&value, &key, &of)?),
            other => return Err(unknown(other, name, &["window", "timeout"])),
        }
    }
    let kind = word.ok_or_else(|| not_a(Kind::Arq, value, name, context))?;
    let usual = ArqSpec::new(kind);
    Ok(ArqSpec { window: window.unwrap_or(usual.window), timeout, ..usual })
}

/// `10`, `{ trunk = {10, 20}, native = 1 }`.
pub(crate) fn vlan(value: &Value, name: &str, context: &str) -> Result<VlanSpec, Mistake> {
    let number = |value: &Value| whole(value).filter(|n| (1..=4094).contains(n)).map(|n| n as u16);
    let wrong = |value: &Value| not_a(Kind::Vlan, value, name, context);
    let Value::Table(table) = value else {
        return number(value).map(VlanSpec::Access).ok_or_else(|| wrong(value));
    };
    let (mut trunk, mut native) = (None, None);
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| Mistake::new(error.to_string()))?;
        match &*key_of(&key) {
            "trunk" => {
                let list = value.as_table().ok_or_else(|| wrong(&value))?;
                let all: Result<Vec<Value>, _> = list.sequence_values::<Value>().collect();
                let all = all.map_err(|error| Mistake::new(error.to_string()))?;
                trunk = Some(
                    all.iter().map(|v| number(v).ok_or_else(|| wrong(v))).collect::<Result<Vec<_>, _>>()?,
                );
            }
            "native" => native = Some(number(&value).ok_or_else(|| wrong(&value))?),
            other => return Err(unknown(other, name, &["trunk", "native"])),
        }
    }
    match trunk {
        Some(trunk) if !trunk.is_empty() || native.is_some() => Ok(VlanSpec::Trunk { trunk, native }),
        _ => Err(Mistake::new("a trunk names the VLANs that it carries")
            .at_word(name)
            .note("write vlan = { trunk = {10, 20} }, or vlan = 10 for a link whose frames carry no tag")),
    }
}

/// The text or position of an option in a table.
pub(crate) fn key_of(key: &Value) -> String {
    match key {
        Value::Integer(i) => i.to_string(),
        Value::String(key) => key.to_string_lossy(),
        _ => "?".to_owned(),
    }
}

pub(crate) fn unknown(option: &str, of: &str, known: &[&str]) -> Mistake {
    let meant = did_you_mean(option, known.iter().copied());
    Mistake::new(format!("unknown option '{option}' of {of}{meant}")).at_word(option)
}

fn parses_as_time(value: &Value) -> bool {
    match value {
        Value::String(text) => tidewire_units::parse_span(&text.to_string_lossy()).is_ok(),
        Value::Integer(_) | Value::Number(_) => true,
        _ => false,
    }
}

fn bernoulli(p: Probability) -> LossModel {
    if p.is_zero() { LossModel::None } else { LossModel::Bernoulli(p) }
}
