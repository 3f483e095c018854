//! Measurement: columns, tables, histograms, series, checks.

use crate::call::{Call, type_name};
use crate::classes::{Counter, Csv, Gauge, Histogram, HistogramOf, Registry, Series, wrong_this};
use crate::mistake::Mistake;
use crate::output::MOST_FIGURES;
use crate::sim::{Shared, here};
use crate::spec::measure as spec;
use crate::values::Val;
use mlua::{AnyUserData, Function, Lua, Table, Value};
use tidewire_metrics as metrics;

/// Position of a counter or gauge.
#[derive(Clone, Copy)]
pub(crate) struct Numbered(pub usize);

/// Name and columns of a table with fixed columns.
#[derive(Clone)]
pub(crate) struct CsvTable {
    name: String,
    columns: Vec<String>,
}

/// Names that the columns of results use themselves.
pub(crate) const RESERVED: [&str; 11] =
    ["run", "point", "rep", "seed", "ended", "sim_s", "status", "error", "t_s", "flow", "value"];

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::RECORD, record)?;
    registry.add(&spec::SERIES, |lua, sim, call| {
        sim.touch()?;
        let name = call.text(0).unwrap_or_default().to_owned();
        lua.create_userdata(Series(name, call.text(1).unwrap_or("script").to_owned()))
    })?;
    registry.add(&spec::SERIES_ADD, |_, sim, call| {
        let series = this::<Series>(&call)?.borrow::<Series>()?;
        let world = sim.world.borrow();
        let value = call.number(0).unwrap_or(f64::NAN);
        sim.out.borrow_mut().series(world.now(), &series.1, &series.0, value, world.warmup());
        Ok(())
    })?;
    histograms(registry)?;
    registry.add(&spec::COUNTER, |lua, sim, call| {
        sim.touch()?;
        room(sim, "counter")?;
        let at = sim.out.borrow_mut().number(call.text(0).unwrap_or_default());
        lua.create_userdata(Counter(Numbered(at)))
    })?;
    registry.add(&spec::COUNTER_ADD, |_, sim, call| {
        let at = this::<Counter>(&call)?.borrow::<Counter>()?.0.0;
        sim.out.borrow_mut().numbers[at].1 += call.number(0).unwrap_or(1.0);
        Ok(())
    })?;
    registry.field("counter", "value", |_, sim, this| {
        Ok(sim.out.borrow().numbers[this.borrow::<Counter>()?.0.0].1)
    })?;
    registry.add(&spec::GAUGE, |lua, sim, call| {
        sim.touch()?;
        room(sim, "gauge")?;
        let at = sim.out.borrow_mut().number(call.text(0).unwrap_or_default());
        lua.create_userdata(Gauge(Numbered(at)))
    })?;
    registry.add(&spec::GAUGE_SET, |_, sim, call| {
        let at = this::<Gauge>(&call)?.borrow::<Gauge>()?.0.0;
        sim.out.borrow_mut().numbers[at].1 = call.number(0).unwrap_or(f64::NAN);
        Ok(())
    })?;
    registry.field("gauge", "value", |_, sim, this| {
        Ok(sim.out.borrow().numbers[this.borrow::<Gauge>()?.0.0].1)
    })?;
    registry.add(&spec::EVENT, |_, sim, call| {
        sim.touch()?;
        let now = sim.world.borrow().now();
        let value = |i: usize| match call.arg(i) {
            Some(Val::Any(value)) => cell(value, "event").unwrap_or(metrics::Value::Nothing),
            _ => metrics::Value::Nothing,
        };
        let (key, text) =
            if call.arg(2).is_some() { (value(1), value(2)) } else { (metrics::Value::Nothing, value(1)) };
        sim.out.borrow_mut().event(now, key, call.text(0).unwrap_or_default(), text);
        Ok(())
    })?;
    tables(registry)?;
    checks(registry)
}

fn room(sim: &Shared, word: &str) -> Result<(), Mistake> {
    if sim.out.borrow().has_room() { Ok(()) } else { Err(no_room(word)) }
}

fn no_room(word: &str) -> Mistake {
    Mistake::new(format!("a run has at most {MOST_FIGURES} figures, which are columns of runs.csv"))
        .at_word(word)
        .note("many things of one kind are rows of a table: record(\"hosts\", { host = h.name, rtt_ms = x })")
        .fault(crate::Fault::Limit)
}

fn this<T: 'static>(call: &Call) -> mlua::Result<AnyUserData> {
    let this = call.this.clone().filter(|this| this.is::<T>());
    Ok(this.ok_or_else(|| wrong_this(call))?)
}

/// A value of a script as a cell.
pub(crate) fn cell(value: &Value, name: &str) -> Result<metrics::Value, Mistake> {
    Ok(match value {
        Value::Nil => metrics::Value::Nothing,
        Value::Boolean(b) => metrics::Value::Bool(*b),
        Value::Integer(n) => metrics::Value::Int(*n),
        Value::Number(x) => metrics::Value::Float(*x),
        Value::String(text) => metrics::Value::Text(text.to_string_lossy()),
        other @ Value::UserData(_) => metrics::Value::Text(other.to_string().unwrap_or_default()),
        other => {
            return Err(Mistake::new(format!(
                "{name} is a {}; a column holds a number, a text, true, false or nil",
                type_name(other)
            ))
            .at_word(name));
        }
    })
}

/// `record{...}` and `record("name", {...})`.
fn record(lua: &Lua, sim: &Shared, call: Call) -> mlua::Result<()> {
    sim.touch()?;
    let (name, columns) = match (call.arg(0), call.arg(1)) {
        (Some(Val::Any(Value::Table(columns))), None) => (None, columns.clone()),
        (Some(Val::Any(Value::String(name))), Some(Val::Any(Value::Table(columns)))) => {
            (Some(name.to_string_lossy()), columns.clone())
        }
        _ => {
            return Err(Mistake::new("record takes a table of columns")
                .at_word("record")
                .note("write record{ goodput_mbps = 9.4 }, or record(\"pages\", { url = u }) for a row of a table of its own")
                .into());
        }
    };
    let mut cells = named_cells(lua, &columns)?;
    if let Some(name) = &name {
        table_name(name)?;
        // What a parameter's own column says already need not be said again.
        cells.retain(|cell| !sim.point.contains(cell));
        columns_of_rows(sim, std::iter::once("t_s").chain(cells.iter().map(|(name, _)| name.as_str())))?;
    }
    let mut out = sim.out.borrow_mut();
    match name {
        Some(name) => {
            let mut row =
                vec![("t_s".to_owned(), metrics::Value::from(sim.world.borrow().now().as_secs_f64()))];
            row.extend(cells);
            out.row(&name, row);
        }
        None => {
            for (name, value) in cells {
                if RESERVED.contains(&&*name) {
                    return Err(Mistake::new(format!("'{name}' is a column of the results themselves"))
                        .at_word(&name)
                        .note("choose another name")
                        .into());
                }
                if sim.point.iter().any(|(parameter, _)| *parameter == name) {
                    return Err(Mistake::new(format!(
                        "'{name}' is a parameter, and its column is in the results already"
                    ))
                    .at_word(&name)
                    .note("choose another name")
                    .into());
                }
                if let Some(text) = odd_figure(&name, &value) {
                    out.warn(text, here(lua));
                }
                if !out.has_room() {
                    return Err(no_room("record").into());
                }
                if out.record(name.clone(), value) {
                    let text = format!("record: {name} was recorded before; the first value is lost");
                    out.warn(text, here(lua));
                }
            }
        }
    }
    Ok(())
}

/// What is odd about a figure that the experiment is to summarise.
fn odd_figure(name: &str, value: &metrics::Value) -> Option<String> {
    match value {
        metrics::Value::Float(x) if x.is_nan() => {
            Some(format!("{name} is not a number (0/0 or the like): its cell in runs.csv stays empty"))
        }
        metrics::Value::Float(x) if x.is_infinite() => {
            Some(format!("{name} is infinite: it counts in no mean and no plot"))
        }
        metrics::Value::Text(text) if metrics::unit_of(name).is_some() => {
            Some(format!("{name} is the text \"{text}\", not a number: it counts in no mean and no plot"))
        }
        _ => None,
    }
}

/// Tables of every run; a script's own cannot have their names.
const OWN_TABLES: [&str; 11] = [
    "runs",
    "summary",
    "flows",
    "links",
    "queues",
    "ledger",
    "series",
    "services",
    "events",
    "histograms",
    "manifest",
];

/// That a table has each column once, with those that every table has.
fn columns_of_rows<'a>(sim: &Shared, columns: impl Iterator<Item = &'a str>) -> Result<(), Mistake> {
    let mut taken: Vec<&str> = Vec::new();
    for column in columns {
        let why = match column {
            "run" | "rep" => "is a column that every table has".to_owned(),
            _ if taken.contains(&column) => "is a column twice".to_owned(),
            _ if sim.point.iter().any(|(parameter, _)| parameter == column) => {
                "is a parameter, and its column is in every table already".to_owned()
            }
            _ => {
                taken.push(column);
                continue;
            }
        };
        return Err(Mistake::new(format!("'{column}' {why}")).at_word(column).note("choose another name"));
    }
    Ok(())
}

/// That a table's name can be a file's.
fn table_name(name: &str) -> Result<(), Mistake> {
    let plain = |c: char| c.is_alphanumeric() || "_-. ".contains(c);
    if name.is_empty() || name.starts_with(['.', ' ']) || !name.chars().all(plain) {
        return Err(Mistake::new(format!("'{name}' cannot be the name of a table: it becomes a file's"))
            .at_word(name)
            .note("letters, digits, '_' and '-' make good names"));
    }
    if OWN_TABLES.contains(&name) {
        return Err(Mistake::new(format!("'{name}' is a table of the results themselves"))
            .at_word(name)
            .note("choose another name"));
    }
    Ok(())
}

/// The entries of a table by name, in alphabetical order.
fn named_cells(_: &Lua, columns: &Table) -> mlua::Result<Vec<(String, metrics::Value)>> {
    let mut cells = Vec::new();
    for pair in columns.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let Value::String(key) = key else {
            return Err(Mistake::new("columns have names: record{ goodput_mbps = 9.4 }")
                .at_word("record")
                .into());
        };
        let key = key.to_string_lossy();
        let value = cell(&value, &key)?;
        cells.push((key, value));
    }
    cells.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(cells)
}

fn histograms(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::HISTOGRAM, |lua, sim, call| {
        sim.touch()?;
        let name = call.text(0).unwrap_or_default().to_owned();
        room(sim, "histogram")?;
        sim.out.borrow_mut().histogram(&name);
        lua.create_userdata(Histogram(HistogramOf::Named(name)))
    })?;
    registry.add(&spec::HISTOGRAM_ADD, |_, sim, call| {
        let this = this::<Histogram>(&call)?;
        let HistogramOf::Named(name) = &this.borrow::<Histogram>()?.0 else {
            return Err(Mistake::new("the histograms of flows fill themselves").at_word("add").into());
        };
        let sample = call.number(0).unwrap_or(f64::NAN);
        if !sample.is_finite() {
            return Err(Mistake::new(format!("add({sample}): a histogram holds finite numbers"))
                .at_word("add")
                .note("an infinite delay is usually something that never came: count it with counter(name)")
                .into());
        }
        // What happens during the warm-up is not measured.
        if sim.world.borrow().now() >= sim.world.borrow().warmup() {
            let mut out = sim.out.borrow_mut();
            let at = out.histogram(name);
            out.histograms[at].1.add(sample);
        }
        Ok(())
    })?;
    registry.add(&spec::HISTOGRAM_QUANTILE, |_, sim, call| {
        let q = call.number(0).unwrap_or(0.5);
        if !(0.0..=1.0).contains(&q) {
            return Err(Mistake::new(format!("quantile({q}): the fraction is from 0 to 1"))
                .at_word("quantile")
                .note("write quantile(0.95), or p95()")
                .into());
        }
        figure(sim, &call, |histogram| histogram.quantile(q))
    })?;
    registry.add(&spec::HISTOGRAM_MEAN, |_, sim, call| figure(sim, &call, metrics::Histogram::mean))?;
    registry.add(&spec::HISTOGRAM_MIN, |_, sim, call| figure(sim, &call, metrics::Histogram::min))?;
    registry.add(&spec::HISTOGRAM_MAX, |_, sim, call| figure(sim, &call, metrics::Histogram::max))?;
    registry.add(&spec::HISTOGRAM_MEDIAN, |_, sim, call| figure(sim, &call, metrics::Histogram::median))?;
    registry.add(&spec::HISTOGRAM_SD, |_, sim, call| figure(sim, &call, metrics::Histogram::sd))?;
    registry.add(&spec::HISTOGRAM_COUNT, |_, sim, call| {
        let this = this::<Histogram>(&call)?;
        let of = this.borrow::<Histogram>()?.0.clone();
        Ok(with(sim, &of, metrics::Histogram::count))
    })?;
    // p50, p95_ms and the like: any percentile, in any unit of time.
    for percent in [1, 5, 10, 25, 50, 75, 90, 95, 99] {
        for (suffix, scale) in [("", 1.0), ("_ms", 1e3), ("_us", 1e6)] {
            let q = f64::from(percent) / 100.0;
            quick(registry, format!("p{percent}{suffix}"), scale, move |histogram| histogram.quantile(q));
        }
    }
    for (suffix, scale) in [("_ms", 1e3), ("_us", 1e6)] {
        quick(registry, format!("mean{suffix}"), scale, metrics::Histogram::mean);
        quick(registry, format!("median{suffix}"), scale, metrics::Histogram::median);
        quick(registry, format!("min{suffix}"), scale, metrics::Histogram::min);
        quick(registry, format!("max{suffix}"), scale, metrics::Histogram::max);
    }
    registry.shows("histogram", |sim, this| {
        let of = this.borrow::<Histogram>()?.0.clone();
        Ok(with(sim, &of, |histogram| {
            let mean = histogram.mean().map_or_else(String::new, |mean| format!(" mean {mean}"));
            format!("histogram of {} samples{mean}", histogram.count())
        }))
    })
}

fn with<T>(sim: &Shared, of: &HistogramOf, read: impl FnOnce(&metrics::Histogram) -> T) -> T {
    match of {
        HistogramOf::Named(name) => {
            let mut out = sim.out.borrow_mut();
            let at = out.histogram(name);
            read(&out.histograms[at].1)
        }
        HistogramOf::Flow(id, which) => {
            let world = sim.world.borrow();
            let flow = world.flow(*id);
            read(match *which {
                "delay" => &flow.delay,
                "packet_delay" => flow.packet_delay(),
                _ => &flow.rtt,
            })
        }
    }
}

fn figure(
    sim: &Shared,
    call: &Call,
    read: impl FnOnce(&metrics::Histogram) -> Option<f64>,
) -> mlua::Result<Option<f64>> {
    let of = this::<Histogram>(call)?.borrow::<Histogram>()?.0.clone();
    Ok(with(sim, &of, read))
}

fn quick(
    registry: &Registry<'_>,
    name: String,
    scale: f64,
    read: impl Fn(&metrics::Histogram) -> Option<f64> + 'static,
) {
    let sim = registry.sim.clone();
    registry.later.method("histogram", name, move |lua, _| {
        lua.create_function(move |_, this: AnyUserData| {
            let of = this.borrow::<Histogram>()?.0.clone();
            Ok(with(&sim, &of, &read).map(|x| x * scale))
        })
    });
}

fn tables(registry: &Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::CSV, |lua, sim, call| {
        sim.touch()?;
        let name = call.text(0).unwrap_or_default().to_owned();
        table_name(&name)?;
        let Some(Val::Table(columns)) = call.arg(1) else {
            unreachable!("the table of functions says a table")
        };
        let columns: Vec<String> = columns.sequence_values().collect::<mlua::Result<_>>()?;
        if columns.is_empty() {
            return Err(Mistake::new("csv() needs columns: csv(\"name\", {\"a\", \"b\"})")
                .at_word("csv")
                .into());
        }
        columns_of_rows(sim, columns.iter().map(String::as_str))?;
        let mut out = sim.out.borrow_mut();
        let table = out.table(&name);
        if table.columns.is_empty() {
            table.columns.clone_from(&columns);
        }
        drop(out);
        lua.create_userdata(Csv(CsvTable { name, columns }))
    })?;
    registry.add(&spec::CSV_ROW, |_, sim, call| {
        let this = this::<Csv>(&call)?;
        let table = this.borrow::<Csv>()?.0.clone();
        if call.rest.len() != table.columns.len() {
            return Err(Mistake::new(format!(
                "{} has {} columns ({}), the row has {}",
                table.name,
                table.columns.len(),
                table.columns.join(", "),
                call.rest.len()
            ))
            .at_word("row")
            .into());
        }
        let cells: Result<Vec<_>, Mistake> = table
            .columns
            .iter()
            .zip(call.rest.iter())
            .map(|(name, value)| Ok((name.clone(), cell(value, name)?)))
            .collect();
        sim.out.borrow_mut().row(&table.name, cells?);
        Ok(())
    })
}

fn checks(registry: &Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::MEASURED_SECONDS, |_, sim, _| {
        let world = sim.world.borrow();
        Ok(world.now().since(world.warmup()).as_secs_f64())
    })?;
    registry.add(&spec::CHECK, |lua, sim, call| {
        if sim.after.borrow().is_none() {
            sim.touch()?;
        }
        let condition = match call.arg(0) {
            Some(Val::Any(value)) => value.clone(),
            _ => Value::Nil,
        };
        let passed = !matches!(condition, Value::Nil | Value::Boolean(false));
        let text = match call.arg(1) {
            Some(Val::Any(value)) if !value.is_nil() => crate::values::text(value).ok_or_else(|| {
                Mistake::new(format!("the text of check() is a {}", type_name(value)))
                    .at_word("check")
                    .note("the condition comes first: check(x > 0, \"x is positive\")")
            })?,
            _ => "check".to_owned(),
        };
        let text = match text.as_str() {
            format if call.rest.is_empty() => format.to_owned(),
            format => {
                let string: Table = lua.globals().raw_get("string")?;
                let function: Function = string.raw_get("format")?;
                let mut args = call.rest.clone();
                args.push_front(Value::String(lua.create_string(format)?));
                function.call::<String>(args).map_err(|_| {
                    Mistake::new(format!("check(): the text \"{format}\" does not fit the values after it"))
                        .at_word("check")
                        .note("%d is for whole numbers, %g for any, %s for all else: check(x > 0, \"x is %s\", x)")
                })?
            }
        };
        sim.out.borrow_mut().check(passed, text, here(lua));
        Ok(condition)
    })?;
    registry.add(&spec::ASSERT_EQ, |_, sim, call| {
        sim.touch()?;
        let (Some(Val::Any(a)), Some(Val::Any(b))) = (call.arg(0), call.arg(1)) else {
            return Err(Mistake::new("assert_eq needs two values").into());
        };
        if a == b {
            return Ok(());
        }
        let mut mistake =
            Mistake::new(format!("assert_eq: {} is not {}", shown(a), shown(b))).at_word("assert_eq");
        if a.is_table() && b.is_table() {
            mistake = mistake.note("tables are equal only to themselves: compare their elements");
        }
        Err(mistake.into())
    })?;
    registry.add(&spec::ASSERT_CLOSE, |_, sim, call| {
        sim.touch()?;
        let [a, b, tolerance] = [0, 1, 2].map(|i| call.number(i).unwrap_or(f64::NAN));
        if (a - b).abs() <= tolerance {
            return Ok(());
        }
        Err(Mistake::new(format!("assert_close: {a} is not within {tolerance} of {b}"))
            .at_word("assert_close")
            .into())
    })
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", text.to_string_lossy()),
        Value::Table(_) => "a table".to_owned(),
        other => other.to_string().unwrap_or_default(),
    }
}
