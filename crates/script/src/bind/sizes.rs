//! Distributions of sizes, as scripts write them.

use crate::call::{Call, Opts};
use crate::mistake::Mistake;
use crate::sim::Shared;
use crate::values::Val;
use mlua::{Table, Value};
use tidewire_l7_application::traffic::{Cdf, Sizes};
use tidewire_units::Span;

/// Where classes of sizes end.
pub(super) fn classes(opts: &Opts) -> mlua::Result<Vec<u64>> {
    let Some(Val::Any(value)) = opts.get("classes") else { return Ok(vec![100_000, 10_000_000]) };
    let wrong = |why: &str| {
        Mistake::new(format!("classes {why}"))
            .at_word("classes")
            .note("write classes = { \"100kB\", \"10MB\" }")
    };
    let table = value.as_table().ok_or_else(|| wrong("must be a list of sizes"))?;
    let mut ends = Vec::new();
    for each in table.clone().sequence_values::<Value>() {
        let end = size_of(&each?).ok_or_else(|| wrong("must be a list of sizes"))? as u64;
        if ends.last().is_some_and(|last| *last >= end) {
            return Err(wrong("must rise").into());
        }
        ends.push(end);
    }
    Ok(ends)
}

pub(super) fn size_of(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(n) if *n >= 0 => Some(*n as f64),
        Value::Number(x) if *x >= 0.0 && x.is_finite() => Some(*x),
        Value::String(text) => {
            tidewire_units::parse_size(&text.to_string_lossy()).ok().map(|size| size.0 as f64)
        }
        _ => None,
    }
}

fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(n) => Some(*n as f64),
        Value::Number(x) => Some(*x),
        _ => None,
    }
}

/// A distribution of sizes, as scripts write it.
pub(super) fn sizes(sim: &Shared, name: &'static str, value: &Val) -> mlua::Result<Sizes> {
    let Val::Any(value) = value else { unreachable!("the table of functions says any") };
    let wrong = |what: String| Mistake::new(format!("{name}: {what}")).at_word(name);
    match value {
        Value::Table(table) => of_table(sim, name, table, ("size", "10kB", size_of)),
        Value::String(text) => {
            let text = text.to_string_lossy();
            if let Some(cdf) = Cdf::published(&text) {
                return Ok(Sizes::Cdf(cdf));
            }
            match &*text {
                "cache" => Ok(Sizes::CacheValues),
                "cache_keys" => Ok(Sizes::CacheKeys),
                _ => Ok(Sizes::Fixed(size_of(value).filter(|size| *size >= 1.0).ok_or_else(|| {
                    wrong(format!("'{text}' is no size and no distribution")).note(
                        "\"64KiB\", \"web_search\", \"data_mining\", \"cache\", \"cache_keys\", or { \"exponential\", mean = \"10kB\" }",
                    )
                })?)),
            }
        }
        _ => match size_of(value).filter(|size| *size >= 1.0) {
            Some(size) => Ok(Sizes::Fixed(size)),
            None => Err(wrong("a size is at least 1 byte".to_owned()).into()),
        },
    }
}

/// A distribution of times, in microseconds, as scripts write it; none for a time.
fn times(sim: &Shared, name: &'static str, value: &Val) -> mlua::Result<Option<Sizes>> {
    let us = |value: &Value| match value {
        Value::Integer(n) if *n > 0 => Some(*n as f64 * 1e6),
        Value::Number(x) if *x > 0.0 && x.is_finite() => Some(*x * 1e6),
        Value::String(text) => {
            tidewire_units::parse_span(&text.to_string_lossy()).ok().map(|span| span.as_secs_f64() * 1e6)
        }
        _ => None,
    };
    let Val::Any(value) = value else { return Ok(None) };
    match value {
        Value::Table(table) => {
            if table.raw_get::<Option<String>>(1)?.as_deref() == Some("cdf") {
                let wrong = Mistake::new(format!("{name}: a cdf is of sizes, not of times")).at_word(name);
                return Err(wrong.note("exponential, pareto, lognormal").into());
            }
            of_table(sim, name, table, ("time", "100ms", us)).map(Some)
        }
        _ => Ok(None),
    }
}

/// Mean length of bursts or pauses, and their distribution if it is not exponential or fixed.
pub(super) fn length(sim: &Shared, call: &Call, name: &'static str) -> mlua::Result<(Span, Option<Sizes>)> {
    let Some(value) = call.opts().get(name) else { return Ok((Span::from_secs(1), None)) };
    if let Some(drawn) = times(sim, name, value)? {
        let mean = drawn.mean();
        if mean.is_infinite() {
            let wrong = Mistake::new(format!("{name}: these times have no mean")).at_word(name);
            return Err(wrong.note("give the distribution a shape above 1, or a max").into());
        }
        return Ok((Span::from_secs_f64(mean / 1e6), Some(drawn)));
    }
    let wrong = || {
        Mistake::new(format!("{name} is a time, or {{ \"pareto\", mean = \"100ms\", shape = 1.5 }}"))
            .at_word(name)
    };
    match value {
        Val::Any(Value::String(text)) => {
            Ok((tidewire_units::parse_span(&text.to_string_lossy()).map_err(|_| wrong())?, None))
        }
        Val::Any(value) => {
            let seconds = number_of(value).filter(|s| *s >= 0.0 && s.is_finite());
            let seconds = seconds.ok_or_else(wrong)?;
            Ok((Span::from_secs_f64(seconds), None))
        }
        _ => Err(wrong().into()),
    }
}

/// What a number of a distribution is, how one is written, and how it is read.
type Quantity = (&'static str, &'static str, fn(&Value) -> Option<f64>);

fn of_table(
    sim: &Shared,
    name: &'static str,
    table: &Table,
    (quantity, example, read): Quantity,
) -> mlua::Result<Sizes> {
    let wrong = |what: String| Mistake::new(format!("{name}: {what}")).at_word(name);
    let kind: Option<String> = table.raw_get(1)?;
    let kind = kind.ok_or_else(|| {
        wrong("a distribution begins with its name".to_owned())
            .note(format!("{{ \"exponential\", mean = \"{example}\" }}"))
    })?;
    let allowed: &[&str] = match &*kind {
        "exponential" => &["mean"],
        "pareto" => &["mean", "min", "shape", "max"],
        "lognormal" => &["mean", "sigma"],
        "cdf" => &["file"],
        other => {
            let what = format!("there is no distribution '{other}'");
            return Err(wrong(what).note("exponential, pareto, lognormal, cdf").into());
        }
    };
    for pair in table.pairs::<Value, Value>() {
        if let (Value::String(key), _) = pair?
            && !allowed.contains(&&*key.to_string_lossy())
        {
            let what = format!("{kind} has no '{}'; it has {}", key.to_string_lossy(), allowed.join(", "));
            return Err(wrong(what).into());
        }
    }
    let size = |key: &str| -> mlua::Result<Option<f64>> {
        let value: Value = table.raw_get(key)?;
        if value.is_nil() {
            return Ok(None);
        }
        Ok(Some(
            read(&value)
                .filter(|size| *size >= 1.0)
                .ok_or_else(|| wrong(format!("{key} must be a {quantity}, such as \"{example}\"")))?,
        ))
    };
    let number = |key: &str, default: f64| -> mlua::Result<f64> {
        let value: Value = table.raw_get(key)?;
        let x = if value.is_nil() { Some(default) } else { number_of(&value) };
        Ok(x.filter(|x| *x > 0.0 && x.is_finite())
            .ok_or_else(|| wrong(format!("{key} must be a number above 0")))?)
    };
    let mean = || -> mlua::Result<f64> {
        Ok(size("mean")?.ok_or_else(|| wrong(format!("{kind} needs mean = \"{example}\"")))?)
    };
    match &*kind {
        "exponential" => Ok(Sizes::Exponential(mean()?)),
        "lognormal" => Ok(Sizes::lognormal_with_mean(mean()?, number("sigma", 1.0)?)),
        "pareto" => {
            let shape = number("shape", 1.2)?;
            match (size("min")?, size("max")?) {
                (Some(min), Some(max)) if max <= min => {
                    Err(wrong("max must be more than min".to_owned()).into())
                }
                (Some(scale), most) => {
                    Ok(Sizes::Pareto { scale, shape, most: most.unwrap_or(f64::INFINITY) })
                }
                (None, Some(most)) => Ok(Sizes::pareto_up_to(mean()?, shape, most)
                    .ok_or_else(|| wrong("max must be more than mean".to_owned()))?),
                (None, None) if shape <= 1.0 => {
                    Err(wrong(format!("a pareto of shape {shape} has no mean: give it min and max")).into())
                }
                (None, None) => Ok(Sizes::pareto_with_mean(mean()?, shape)),
            }
        }
        _ => {
            if let Some(file) = table.raw_get::<Option<String>>("file")? {
                let io = |why: String| Mistake::new(why).at_word(file.clone()).fault(crate::Fault::Io);
                let text = String::from_utf8_lossy(&sim.files.read(&file).map_err(io)?).into_owned();
                let cdf = Cdf::parse(&text).map_err(|(line, what)| io(format!("{file}:{line}: {what}")))?;
                return Ok(Sizes::Cdf(cdf));
            }
            let points: Option<Table> = table.raw_get(2)?;
            let points =
                points.ok_or_else(|| wrong("a cdf needs points or file = \"sizes.csv\"".to_owned()))?;
            let mut list = Vec::new();
            for (i, point) in points.sequence_values::<Value>().enumerate() {
                let point = point?;
                let pair = point.as_table().and_then(|pair| {
                    let (size, p): (Value, Value) = (pair.raw_get(1).ok()?, pair.raw_get(2).ok()?);
                    Some((size_of(&size)?, number_of(&p)?))
                });
                list.push(
                    pair.ok_or_else(|| wrong(format!("point {} is not {{size, probability}}", i + 1)))?,
                );
            }
            Ok(Sizes::Cdf(Cdf::new(list).map_err(|bad| wrong(bad.to_string()))?))
        }
    }
}
