//! The points of an experiment: the grid of its parameters, or a list.

use super::measure::{RESERVED, cell};
use crate::call::Opts;
use crate::mistake::{Mistake, did_you_mean};
use crate::sim::Shared;
use crate::values::Val;
use crate::{Experiment, Point};
use mlua::{Table, Value};
use tidewire_metrics as metrics;

/// Parameters cannot have the names of columns of the results.
const MORE_RESERVED: [&str; 11] = [
    "object",
    "metric",
    "unit",
    "link",
    "direction",
    "in_warmup",
    "mean",
    "sd",
    "ci95_low",
    "ci95_high",
    "median",
];

/// Most points of a grid.
const MOST_POINTS: usize = 1_000_000;

/// Replaces values of parameters, as the command line does, and builds the points.
pub(super) fn grid(sim: &Shared, opts: &Opts, declared: &mut Experiment) -> Result<(), Mistake> {
    let explicit = match opts.get("params") {
        Some(Val::Table(params)) if params.raw_len() > 0 => explicit_points(params)?,
        Some(Val::Table(params)) => {
            declared.params = parameter_lists(params)?;
            Vec::new()
        }
        _ => Vec::new(),
    };
    if !explicit.is_empty() {
        let mut names: Vec<String> = explicit.iter().flatten().map(|(name, _)| name.clone()).collect();
        names.sort();
        names.dedup();
        declared.params = names
            .iter()
            .map(|name| {
                let mut values: Vec<metrics::Value> = Vec::new();
                for (_, value) in explicit.iter().flatten().filter(|(known, _)| known == name) {
                    if !values.contains(value) {
                        values.push(value.clone());
                    }
                }
                (name.clone(), values)
            })
            .collect();
    }
    for (name, _) in &declared.params {
        if RESERVED.contains(&&**name) || MORE_RESERVED.contains(&&**name) {
            return Err(Mistake::new(format!(
                "a parameter cannot be named '{name}': the results have a column of this name"
            ))
            .at_word(name));
        }
    }
    order(opts, &mut declared.params)?;
    for (name, values) in sim.overrides.borrow().iter() {
        let known = declared.params.iter().map(|(known, _)| known.as_str());
        let meant = did_you_mean(name, known);
        match declared.params.iter_mut().find(|(known, _)| known == name) {
            Some((_, own)) => own.clone_from(values),
            None => {
                return Err(
                    Mistake::new(format!("no parameter '{name}' to set with -p{meant}")).at_word("params")
                );
            }
        }
    }
    declared.points = if explicit.is_empty() || !sim.overrides.borrow().is_empty() && explicit.is_empty() {
        product(&declared.params)?
    } else {
        let names: Vec<&String> = declared.params.iter().map(|(name, _)| name).collect();
        explicit
            .into_iter()
            .filter(|point| within(point, &sim.overrides.borrow()))
            .map(|point| sorted_like(point, &names))
            .collect()
    };
    if declared.points.is_empty() {
        return Err(Mistake::new("no point of the experiment is left to run").at_word("params"));
    }
    Ok(())
}

/// Whether an explicit point has only values that the command line asks for.
fn within(point: &Point, overrides: &[(String, Vec<metrics::Value>)]) -> bool {
    overrides.iter().all(|(name, values)| {
        point.iter().find(|(known, _)| known == name).is_none_or(|(_, value)| {
            values.iter().any(|wanted| wanted == value || wanted.to_string() == value.to_string())
        })
    })
}

fn sorted_like(mut point: Point, names: &[&String]) -> Point {
    for name in names {
        if !point.iter().any(|(known, _)| known == *name) {
            point.push(((*name).clone(), metrics::Value::Nothing));
        }
    }
    point.sort_by_key(|(name, _)| names.iter().position(|known| *known == name));
    point
}

fn product(params: &[(String, Vec<metrics::Value>)]) -> Result<Vec<Point>, Mistake> {
    let size = params.iter().fold(1usize, |n, (_, values)| n.saturating_mul(values.len()));
    if size > MOST_POINTS {
        return Err(
            Mistake::new(format!("the grid has {size} points; {MOST_POINTS} is the most")).at_word("params")
        );
    }
    let mut points = vec![Point::new()];
    for (name, values) in params {
        points = points
            .iter()
            .flat_map(|point| {
                values.iter().map(move |value| {
                    let mut point = point.clone();
                    point.push((name.clone(), value.clone()));
                    point
                })
            })
            .collect();
    }
    Ok(points)
}

/// `{ loss = {"0%", "1%"}, n = 5 }`, by name.
fn parameter_lists(params: &Table) -> Result<Vec<(String, Vec<metrics::Value>)>, Mistake> {
    let mut lists = Vec::new();
    for pair in params.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| Mistake::new(error.to_string()))?;
        let Value::String(name) = key else {
            return Err(
                Mistake::new("parameters have names: params = { loss = {\"0%\", \"1%\"} }").at_word("params")
            );
        };
        let name = name.to_string_lossy();
        let values = match &value {
            Value::Table(list) => {
                let items: Result<Vec<_>, Mistake> = list
                    .sequence_values::<Value>()
                    .map(|item| parameter(&item.map_err(|error| Mistake::new(error.to_string()))?, &name))
                    .collect();
                items?
            }
            single => vec![parameter(single, &name)?],
        };
        if values.is_empty() {
            return Err(Mistake::new(format!("parameter '{name}' has no values")).at_word(&name));
        }
        // Tables of results and names of runs tell values by what they read: 1 and "1" are one.
        let same = |other: &metrics::Value, value: &metrics::Value| other.to_string() == value.to_string();
        let mut all = values.iter().enumerate();
        if let Some(twice) = all.find(|(i, value)| values[..*i].iter().any(|other| same(other, value))) {
            return Err(
                Mistake::new(format!("parameter '{name}' has the value {} twice", twice.1)).at_word(&name)
            );
        }
        lists.push((name, values));
    }
    lists.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(lists)
}

pub(super) fn parameter(value: &Value, name: &str) -> Result<metrics::Value, Mistake> {
    match cell(value, name) {
        Ok(metrics::Value::Nothing) | Err(_) => {
            Err(Mistake::new(format!("the values of parameter '{name}' are numbers, texts, true or false"))
                .at_word(name))
        }
        // 2.0 and 2 are one value.
        Ok(metrics::Value::Float(x)) if x.trunc() == x && x.abs() < 9e15 => Ok(metrics::Value::Int(x as i64)),
        Ok(value) => Ok(value),
    }
}

/// `{ {a = 1, b = 2}, {a = 2, b = 9} }`.
fn explicit_points(params: &Table) -> Result<Vec<Point>, Mistake> {
    let wrong = || {
        Mistake::new("params is a grid, { loss = {\"0%\", \"1%\"} }, or a list of points, { {loss = \"0%\"}, {loss = \"1%\"} }")
            .at_word("params")
    };
    let mut points = Vec::new();
    for item in params.sequence_values::<Table>() {
        let item = item.map_err(|_| wrong())?;
        let mut point = Point::new();
        for pair in item.pairs::<String, Value>() {
            let (name, value) = pair.map_err(|_| wrong())?;
            let value = parameter(&value, &name)?;
            point.push((name, value));
        }
        point.sort_by(|a, b| a.0.cmp(&b.0));
        points.push(point);
    }
    // Every run reads the same parameters: one that some points lack is forgotten, or misspelt.
    let names = |point: &Point| point.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let every: Vec<String> = points.iter().flat_map(names).collect();
    for (i, point) in points.iter().enumerate() {
        if let Some(lacks) = every.iter().find(|name| point.iter().all(|(known, _)| known != *name)) {
            let text = format!("point {} of params has no '{lacks}', which others have", i + 1);
            return Err(Mistake::new(text).at_word(lacks.as_str()));
        }
    }
    Ok(points)
}

/// Puts the parameters named in `order` first.
fn order(opts: &Opts, params: &mut [(String, Vec<metrics::Value>)]) -> Result<(), Mistake> {
    let Some(Val::Texts(order)) = opts.get("order") else { return Ok(()) };
    for name in order {
        if !params.iter().any(|(known, _)| known == name) {
            let meant = did_you_mean(name, params.iter().map(|(known, _)| known.as_str()));
            return Err(Mistake::new(format!("order names no parameter '{name}'{meant}")).at_word(name));
        }
    }
    params.sort_by_key(|(name, _)| order.iter().position(|known| known == name).unwrap_or(usize::MAX));
    Ok(())
}
