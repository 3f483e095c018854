//! What changes at given times: `link:schedule`, `net:schedule`, schedules in files, recorded rates.

use super::link::{direction_name, set, set_link_up, this_link};
use crate::call::{Call, Opts, options};
use crate::classes::Registry;
use crate::mistake::{Mistake, did_you_mean};
use crate::sched;
use crate::sim::Shared;
use crate::spec::link as spec;
use crate::values::{Val, time};
use mlua::{Lua, Table, Value};
use std::rc::Rc;
use tidewire_units::{DirId, Instant, LinkId, NodeId, Rate, Span, parse_rate, parse_span};

const EXAMPLE: &str = "write { {\"20s\", rate = \"20Mbps\"}, {\"40s\", loss = \"2%\"} }, or the name of a CSV file with a column t_s";

/// What a change is about.
#[derive(Clone)]
enum Target {
    Directions(Vec<DirId>),
    Node(NodeId),
}

/// Rates from these times on.
pub(crate) type Rates = Rc<[(Span, Rate)]>;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::SCHEDULE_LINK, |lua, sim, call| {
        let link = this_link(&call)?;
        let Some(Val::Any(changes)) = call.arg(0) else { unreachable!("the argument must be there") };
        schedule(lua, sim, changes, Some(both(link)))
    })?;
    registry.add(&spec::NET_SCHEDULE, |lua, sim, call: Call| {
        let Some(Val::Any(changes)) = call.arg(0) else { unreachable!("the argument must be there") };
        schedule(lua, sim, changes, None)
    })
}

/// The schedule and the recorded rates that a new link came with, and the functions that choose what it loses.
pub(super) fn attach(lua: &Lua, sim: &Shared, link: LinkId, opts: &Opts) -> mlua::Result<()> {
    let ways = [(DirId::forward(link), "forward"), (DirId::backward(link), "backward")];
    for (dir, side) in ways {
        let own = opts.nested(side);
        if let Some(Val::Loss(_, chooser)) = own.get("loss").or_else(|| opts.get("loss")) {
            super::taps::choose(sim, dir, chooser.as_ref())?;
        }
        if let Some(Val::Rates(rates)) = own.get("trace").or_else(|| opts.get("trace")) {
            play(lua, sim, dir, rates.clone(), 0)?;
        }
    }
    match opts.get("schedule") {
        Some(Val::Any(changes)) => schedule(lua, sim, changes, Some(both(link))),
        _ => Ok(()),
    }
}

fn both(link: LinkId) -> Target {
    Target::Directions(vec![DirId::forward(link), DirId::backward(link)])
}

/// Reads a table or a file of changes and sees to it that they happen.
fn schedule(lua: &Lua, sim: &Shared, changes: &Value, of: Option<Target>) -> mlua::Result<()> {
    sim.touch()?;
    match changes {
        Value::String(file) => {
            let file = file.to_string_lossy();
            for (line, row) in rows_of(lua, sim, &file)? {
                let placed = |error: mlua::Error| match error.downcast_ref::<Mistake>() {
                    Some(mistake) => {
                        let text = format!("{file}:{line}: {}", mistake.message);
                        let placed = Mistake { message: text, ..mistake.clone() };
                        mlua::Error::from(placed.at_word(file.clone()))
                    }
                    None => error,
                };
                change(lua, sim, &row, of.as_ref()).map_err(placed)?;
            }
            Ok(())
        }
        Value::Table(rows) => {
            if rows.pairs::<Value, Value>().any(|pair| pair.is_ok_and(|(key, _)| !key.is_integer())) {
                return Err(no_change());
            }
            for row in rows.sequence_values::<Value>() {
                let Value::Table(row) = row? else { return Err(no_change()) };
                change(lua, sim, &row, of.as_ref())?;
            }
            Ok(())
        }
        _ => Err(no_change()),
    }
}

fn no_change() -> mlua::Error {
    Mistake::new("a schedule is a list of changes, each a table: when, and what")
        .at_word("schedule")
        .note(EXAMPLE)
        .into()
}

/// One change: `{ "20s", rate = "20Mbps" }`, of the network `{ "20s", "a-b", up = false }`.
fn change(lua: &Lua, sim: &Shared, row: &Table, of: Option<&Target>) -> mlua::Result<()> {
    let at = Instant::ZERO + time(&row.raw_get(1)?, "schedule", "the time of a change")?;
    let now = sim.world.borrow().now();
    if at < now {
        let text = format!("a change at {at} is in the past: it is t = {now}");
        return Err(Mistake::new(text).at_word("schedule").into());
    }
    let target = match of {
        Some(target) => target.clone(),
        None => target_of(sim, &row.raw_get(2)?)?,
    };
    let settings = lua.create_table()?;
    for pair in row.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let is_place = matches!(key, Value::Integer(1)) || of.is_none() && matches!(key, Value::Integer(2));
        if !is_place {
            settings.raw_set(key, value)?;
        }
    }
    let groups = match target {
        Target::Directions(_) => spec::TIMED,
        Target::Node(node) => {
            no_link(sim, node, &settings)?;
            spec::TIMED_NODE
        }
    };
    let opts = options(lua, sim, "a schedule", groups, &settings)?;
    if at == now {
        return apply(lua, sim, &target, &opts);
    }
    let shared = sim.clone();
    let body = lua.create_function(move |lua, ()| apply(lua, &shared, &target, &opts))?;
    sched::schedule(lua, sim, at, None, body, "schedule").map(drop)
}

/// That what is to change is not something that links have.
fn no_link(sim: &Shared, node: NodeId, settings: &Table) -> mlua::Result<()> {
    for opt in spec::SET {
        if settings.contains_key(opt.name)? {
            let name = sim.plan.borrow().node(node).name.clone();
            let text = format!("'{name}' is a node: it goes up and down, and has no {} of its own", opt.name);
            let note = "name a link, as \"a-b\", or one of its directions, as \"a-b>\"";
            return Err(Mistake::new(text).at_word(opt.name).note(note).into());
        }
    }
    Ok(())
}

fn apply(lua: &Lua, sim: &Shared, target: &Target, opts: &Opts) -> mlua::Result<()> {
    match target {
        Target::Directions(dirs) => {
            if let (Some(up), Some(dir)) = (opts.flag("up"), dirs.first()) {
                set_link_up(sim, dir.link(), up)?;
            }
            dirs.iter().try_for_each(|dir| set(sim, *dir, opts))
        }
        Target::Node(node) => match opts.flag("up") {
            Some(true) => super::failures::boot(lua, sim, *node),
            Some(false) => super::failures::crash(sim, *node),
            None => Ok(()),
        },
    }
}

/// A link, one of its directions (`a-b>`, `a-b<`) or a node, by name.
fn target_of(sim: &Shared, value: &Value) -> mlua::Result<Target> {
    let Some(name) = value.as_string().map(|name| name.to_string_lossy()) else {
        return Err(Mistake::new("a change of the network names a link or a node after the time")
            .at_word("schedule")
            .note("write net:schedule { {\"20s\", \"a-b\", up = false}, {\"30s\", \"r1\", up = false} }")
            .into());
    };
    let plan = sim.plan.borrow();
    if let Some(link) = plan.find_link(&name) {
        return Ok(both(link));
    }
    if let Some(node) = plan.find(&name) {
        return Ok(Target::Node(node));
    }
    let ways = plan.link_ids().flat_map(|link| [DirId::forward(link), DirId::backward(link)]);
    drop(plan);
    let mut ways = ways.collect::<Vec<_>>().into_iter();
    if let Some(dir) = ways.find(|dir| direction_name(sim, *dir) == *name) {
        return Ok(Target::Directions(vec![dir]));
    }
    let plan = sim.plan.borrow();
    let known =
        plan.links().iter().map(|link| &*link.name).chain(plan.nodes().iter().map(|node| &*node.name));
    let meant = did_you_mean(&name, known);
    Err(Mistake::new(format!("there is no link or node '{name}'{meant}")).at_word(name).into())
}

/// The rows of a CSV file as tables: the time first, then the name of a link or node if there is a column `what`.
fn rows_of(lua: &Lua, sim: &Shared, file: &str) -> mlua::Result<Vec<(u64, Table)>> {
    let wrong = |line: u64, why: String| {
        Mistake::new(format!("{file}:{line}: {why}")).at_word(file).note(
        "a schedule has a header line: a time (t_s, t_ms or time), what (for net:schedule), and rate_mbps, delay_ms, loss_pct, state ...",
    )
    };
    let bytes =
        sim.files.read(file).map_err(|why| Mistake::new(why).at_word(file).fault(crate::Fault::Io))?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(&*bytes);
    let broken = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        mlua::Error::from(wrong(line, error.to_string()))
    };
    let header: Vec<Column> = reader
        .headers()
        .map_err(broken)?
        .iter()
        .map(|name| Column::of(name).map_err(|why| wrong(1, why)))
        .collect::<Result<_, _>>()?;
    let twice =
        header.iter().enumerate().find(|(n, column)| header[..*n].iter().any(|c| c.key == column.key));
    if let Some((_, column)) = twice {
        return Err(wrong(1, format!("two columns say '{}'", column.key)).into());
    }
    if !header.iter().any(|column| column.key == "time") {
        return Err(wrong(1, "there is no column with times".to_owned()).into());
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let line = record.position().map_or(0, csv::Position::line);
        let row = lua.create_table()?;
        for (column, cell) in header.iter().zip(&record).filter(|(_, cell)| !cell.is_empty()) {
            match column.key {
                "time" => row.raw_set(1, column.value(lua, cell)?)?,
                "what" => row.raw_set(2, cell)?,
                "state" => match cell {
                    "up" | "boot" => row.raw_set("up", true)?,
                    "down" | "crash" => row.raw_set("up", false)?,
                    other => return Err(wrong(line, format!("'{other}' is no state: up or down")).into()),
                },
                key => row.raw_set(key, column.value(lua, cell)?)?,
            }
        }
        if row.raw_get::<Value>(1)?.is_nil() {
            return Err(wrong(line, "a row without a time".to_owned()).into());
        }
        rows.push((line, row));
    }
    Ok(rows)
}

/// A column of a schedule: what it sets, and the unit of bare numbers.
struct Column {
    key: &'static str,
    unit: &'static str,
}

impl Column {
    const KEYS: [&'static str; 10] =
        ["time", "what", "state", "rate", "delay", "loss", "jitter", "corrupt", "duplicate", "reorder"];
    const UNITS: [(&'static str, &'static str); 9] = [
        ("s", "s"),
        ("ms", "ms"),
        ("us", "us"),
        ("bps", "bps"),
        ("kbps", "kbps"),
        ("mbps", "Mbps"),
        ("gbps", "Gbps"),
        ("pct", "%"),
        ("ratio", ""),
    ];

    fn of(name: &str) -> Result<Column, String> {
        let (stem, suffix) = name.rsplit_once('_').unwrap_or((name, ""));
        let stem = if stem == "t" { "time" } else { stem };
        let key = Column::KEYS.into_iter().find(|key| *key == stem);
        let unit = Column::UNITS.into_iter().find(|(word, _)| *word == suffix).map(|(_, unit)| unit);
        match (key, unit) {
            (Some(key), Some(unit)) => Ok(Column { key, unit }),
            (Some(key), None) if suffix.is_empty() => Ok(Column { key, unit: "" }),
            _ => Err(format!("unknown column '{name}'{}", did_you_mean(stem, Column::KEYS))),
        }
    }

    fn value(&self, lua: &Lua, cell: &str) -> mlua::Result<Value> {
        match cell.parse::<f64>() {
            Ok(_) if !self.unit.is_empty() => {
                lua.create_string(format!("{cell}{}", self.unit)).map(Value::String)
            }
            Ok(number) => Ok(Value::Number(number)),
            Err(_) => lua.create_string(cell).map(Value::String),
        }
    }
}

/// Recorded rates: `{ file = "lte.csv", time = "t_s", rate = "mbps" }`.
pub(crate) fn rates(sim: &Shared, table: &Table) -> Result<Rates, Mistake> {
    let get = |key: &str| table.raw_get::<Option<String>>(key).ok().flatten();
    let example = "write trace = { file = \"lte.csv\", time = \"t_s\", rate = \"rate_mbps\" }: a CSV file and the names of its columns";
    let Some(file) = get("file") else {
        return Err(Mistake::new("recorded rates are in a file").at_word("trace").note(example));
    };
    let names = [
        get("time").unwrap_or_else(|| "t_s".to_owned()),
        get("rate").unwrap_or_else(|| "rate_mbps".to_owned()),
    ];
    let wrong = |line: u64, why: String| {
        Mistake::new(format!("{file}:{line}: {why}")).at_word(file.clone()).note(example)
    };
    let bytes = sim
        .files
        .read(&file)
        .map_err(|why| Mistake::new(why).at_word(file.clone()).fault(crate::Fault::Io))?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(&*bytes);
    let broken =
        |error: csv::Error| wrong(error.position().map_or(1, csv::Position::line), error.to_string());
    let header = reader.headers().map_err(broken)?.clone();
    let place = |name: &String| {
        let at = header.iter().position(|known| known == name);
        let there = header.iter().collect::<Vec<_>>().join(", ");
        at.ok_or_else(|| wrong(1, format!("there is no column '{name}' among {there}")))
    };
    let (time_at, rate_at) = (place(&names[0])?, place(&names[1])?);
    let unit = |name: &str, usual: &'static str| {
        let suffix = name.rsplit('_').next().unwrap_or(name);
        Column::UNITS.into_iter().find(|(word, _)| *word == suffix).map_or(usual, |(_, unit)| unit)
    };
    let units = [unit(&names[0], "s"), unit(&names[1], "bps")];
    let mut rates: Vec<(Span, Rate)> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let line = record.position().map_or(0, csv::Position::line);
        let text = |at: usize, unit: &str| {
            let cell = record.get(at).unwrap_or_default();
            if cell.parse::<f64>().is_ok() { format!("{cell}{unit}") } else { cell.to_owned() }
        };
        let at = parse_span(&text(time_at, units[0])).map_err(|why| wrong(line, why.to_string()))?;
        let rate = parse_rate(&text(rate_at, units[1])).map_err(|why| wrong(line, why.to_string()))?;
        if rates.last().is_some_and(|(before, _)| *before >= at) {
            return Err(wrong(line, "times must ascend".to_owned()));
        }
        rates.push((at, rate));
    }
    if rates.is_empty() {
        return Err(wrong(1, "no rates in this file".to_owned()));
    }
    Ok(rates.into())
}

/// Sets one rate after the other, but for that at time zero, which the link is made with; does not keep the run alive.
fn play(lua: &Lua, sim: &Shared, dir: DirId, rates: Rates, next: usize) -> mlua::Result<()> {
    let Some((at, rate)) = rates.get(next).copied() else { return Ok(()) };
    if at.is_zero() {
        return play(lua, sim, dir, rates, next + 1);
    }
    let shared = sim.clone();
    let body = lua.create_function(move |lua, ()| {
        shared.world()?.set_rate_and_delay(dir, Some(rate), None);
        play(lua, &shared, dir, rates.clone(), next + 1)
    })?;
    sched::schedule_in_background(lua, sim, Instant::ZERO + at, body, "trace").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_known_by_their_names_and_units() {
        let of = |name| Column::of(name).map(|column| (column.key, column.unit));
        assert_eq!(of("t_s"), Ok(("time", "s")));
        assert_eq!(of("rate_mbps"), Ok(("rate", "Mbps")));
        assert_eq!(of("rate"), Ok(("rate", "")));
        assert_eq!(of("loss_pct"), Ok(("loss", "%")));
        assert!(of("dealy_ms").unwrap_err().contains("did you mean 'delay'"));
        assert!(of("rate_furlongs").is_err());
    }
}
