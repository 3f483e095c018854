//! `experiment{}`: what is declared in a plan, and the parameters in a run.

use super::grid::{grid, parameter};
use crate::call::{Call, Opts, options, placed};
use crate::classes::Registry;
use crate::mistake::{Mistake, did_you_mean};
use crate::sim::{Ending, Mode, Shared};
use crate::spec::measure as spec;
use crate::values::Val;
use crate::{Expectation, Experiment, PlotSpec, Point, Stopping};
use mlua::{Function, Lua, Table, Value};
use tidewire_metrics as metrics;

/// The read-only table of parameters.
const PROXY: &str = r#"
local values, names, unknown = ...
return setmetatable({}, {
  __index = function(_, key)
    local value = values[key]
    if value == nil then unknown(key) end
    return value
  end,
  __newindex = function(_, key) error("parameters cannot be changed: '" .. tostring(key) .. "' is what this run was asked for", 2) end,
  __pairs = function()
    local i = 0
    return function()
      i = i + 1
      local name = names[i]
      if name ~= nil then return name, values[name] end
    end
  end,
  __len = function() return #names end,
  __name = "parameters",
  __metatable = false,
})
"#;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::EXPERIMENT, experiment)
}

fn experiment(lua: &Lua, sim: &Shared, call: Call) -> mlua::Result<Table> {
    if sim.declared.get() {
        return Err(Mistake::new("experiment{} is called twice; there is one for each script")
            .at_word("experiment")
            .into());
    }
    if sim.is_touched() {
        return Err(Mistake::new("experiment{} must come before anything is built")
            .at_word("experiment")
            .note("move it to the top of the script")
            .into());
    }
    if let Some((what, place)) = sim.before() {
        let mut mistake = Mistake::new(match what {
            "print" => "print before experiment{} would appear once for every run",
            _ => "random numbers before experiment{} would not depend on the run's seed",
        })
        .note("move experiment{} to the top of the script");
        mistake.place = place;
        return Err(mistake.into());
    }
    sim.declared.set(true);
    sim.jitter.set(call.opts().span("jitter").unwrap_or_default());
    if sim.mode == Mode::Plan {
        declare(lua, sim, &call)?;
        if let Some(Val::Function(f)) = call.opts().get("after_all") {
            super::after_all::call(lua, sim, f)?;
        }
        return Err(sim.unwind(Ending::Complete));
    }
    parameters(lua, &sim.point)
}

/// A point as scripts see it.
fn parameters(lua: &Lua, point: &Point) -> mlua::Result<Table> {
    let values = lua.create_table()?;
    let names = lua.create_table()?;
    for (name, value) in point {
        values.raw_set(name.as_str(), to_lua(lua, value)?)?;
        names.raw_push(name.as_str())?;
    }
    let known: Vec<String> = point.iter().map(|(name, _)| name.clone()).collect();
    let unknown = lua.create_function(move |lua, key: Value| -> mlua::Result<()> {
        let key = key.to_string().unwrap_or_default();
        if known.contains(&key) {
            let mistake = Mistake::new(format!("this point gives no value to the parameter '{key}'"));
            return Err(placed(
                lua,
                mistake.at_word(&key).note("where points are listed, each names all parameters"),
            )
            .into());
        }
        let meant = did_you_mean(&key, known.iter().map(String::as_str));
        let mut mistake = Mistake::new(format!("no parameter '{key}'{meant}")).at_word(&key);
        mistake = match known.is_empty() {
            true => mistake.note("the experiment has no parameters"),
            false => mistake.note(format!("parameters: {}", known.join(" "))),
        };
        Err(placed(lua, mistake).into())
    })?;
    crate::state::compiled(lua, PROXY)?.call((values, names, unknown))
}

pub(super) fn to_lua(lua: &Lua, value: &metrics::Value) -> mlua::Result<Value> {
    Ok(match value {
        metrics::Value::Nothing => Value::Nil,
        metrics::Value::Bool(b) => Value::Boolean(*b),
        metrics::Value::Int(n) => Value::Integer(*n),
        metrics::Value::Float(x) => Value::Number(*x),
        metrics::Value::Text(text) => Value::String(lua.create_string(text)?),
    })
}

fn declare(lua: &Lua, sim: &Shared, call: &Call) -> mlua::Result<()> {
    let opts = call.opts();
    let mut declared = sim.experiment.borrow().clone();
    declared.declared = true;
    declared.after_all = opts.get("after_all").is_some();
    if let Some(name) = opts.text("name") {
        let odd = name.is_empty()
            || name.starts_with('.')
            || name.contains(|c: char| "/\\:*?\"<>|".contains(c) || c.is_control());
        if odd {
            return Err(Mistake::new(format!("'{name}' cannot be the name of a folder"))
                .at_word(name)
                .into());
        }
        declared.name = name.to_owned();
    }
    (declared.reps, declared.stopping) = match opts.get("reps") {
        Some(Val::Opts(reps)) => until_known(reps)?,
        _ => (opts.int("reps").unwrap_or(1) as u32, None),
    };
    declared.seed = opts.int("seed").unwrap_or(1) as u64;
    declared.pairing = opts.flag("pairing").unwrap_or(true);
    declared.duration = opts.span("duration");
    declared.warmup = opts.span("warmup").unwrap_or_default();
    if let Some(duration) = declared.duration
        && declared.warmup >= duration
    {
        return Err(Mistake::new(format!(
            "warmup = {} leaves nothing of the duration of {duration} to measure",
            declared.warmup
        ))
        .at_word("warmup")
        .into());
    }
    grid(sim, opts, &mut declared)?;
    if let Some(skip) = opts.get("skip") {
        let Val::Function(skip) = skip else { unreachable!("the table of functions says a function") };
        declared.points = kept(lua, sim, skip, declared.points)?;
    }
    if let Some(Val::Table(expect)) = opts.get("expect") {
        declared.expect = expectations(lua, sim, expect, &declared)?;
    }
    if let Some(Val::Table(plot)) = opts.get("plot") {
        declared.plots = plots(lua, sim, plot, &declared)?;
    }
    if let Some(Val::Table(units)) = opts.get("units") {
        for pair in units.pairs::<String, String>() {
            let (name, unit) = pair.map_err(|_| {
                Mistake::new("units names the units of metrics: units = { jain = \"1\" }").at_word("units")
            })?;
            declared.units.push((name, unit));
        }
        declared.units.sort();
    }
    *sim.experiment.borrow_mut() = declared;
    Ok(())
}

/// `reps = { min = 5, max = 100, until_ci = "5%" }`.
fn until_known(reps: &Opts) -> Result<(u32, Option<Stopping>), Mistake> {
    let whole = |name: &str, usual: i64| reps.int(name).unwrap_or(usual) as u32;
    let min = whole("min", 5);
    let max = whole("max", 100.max(i64::from(min)));
    if max < min {
        return Err(Mistake::new(format!("reps: max = {max} is less than min = {min}")).at_word("max"));
    }
    let Some(Val::Probability(until_ci)) = reps.get("until_ci") else {
        return Err(Mistake::new("reps as a table needs until_ci, which says when there are enough")
            .at_word("reps")
            .note("write reps = { min = 5, max = 100, until_ci = \"5%\" }, or a number"));
    };
    let metrics = match reps.get("metric") {
        Some(Val::Texts(metrics)) => metrics.clone(),
        _ => Vec::new(),
    };
    Ok((max, Some(Stopping { min, until_ci: until_ci.get(), metrics })))
}

/// The points that `skip` does not leave out.
fn kept(lua: &Lua, sim: &Shared, skip: &Function, points: Vec<Point>) -> mlua::Result<Vec<Point>> {
    let mut kept = Vec::new();
    for point in points {
        let result: mlua::Result<Value> = skip.call(parameters(lua, &point)?);
        if sim.ending.take().is_some() {
            return Err(Mistake::new(
                "skip can only look at the parameters: nothing is built or measured yet, and no time passes",
            )
            .at_word("skip")
            .into());
        }
        let skipped = result?;
        if matches!(skipped, Value::Nil | Value::Boolean(false)) {
            kept.push(point);
        }
    }
    if kept.is_empty() {
        return Err(Mistake::new("skip leaves out every point of the experiment").at_word("skip").into());
    }
    Ok(kept)
}

fn expectations(
    lua: &Lua,
    sim: &Shared,
    expect: &Table,
    declared: &Experiment,
) -> mlua::Result<Vec<Expectation>> {
    let wrong = || {
        Mistake::new("expect is a list of conditions: { \"p95(latency_ms) < 80\", { \"mean(x_mbps) > 9\", where = { loss = \"0%\" } } }")
            .at_word("expect")
    };
    // { "mean(x) < 5", where = {...} } is a condition, not a list of them.
    if expect.pairs::<Value, Value>().any(|pair| matches!(pair, Ok((Value::String(_), _)))) {
        return Err(wrong().note("each condition that has a where stands in braces of its own").into());
    }
    let mut all = Vec::new();
    for item in expect.sequence_values::<Value>() {
        let (condition, only) = match item? {
            Value::String(text) => (text.to_string_lossy(), Point::new()),
            Value::Table(table) => {
                let condition: Option<mlua::LuaString> = table.raw_get(1)?;
                if table.raw_len() > 1 {
                    return Err(wrong().note("braces within expect hold one condition and its where").into());
                }
                for pair in table.pairs::<Value, Value>() {
                    if let (Value::String(key), _) = pair?
                        && key.to_string_lossy() != "where"
                    {
                        let key = key.to_string_lossy();
                        let meant = did_you_mean(&key, ["where"]);
                        return Err(Mistake::new(format!("unknown option '{key}' of expect{meant}"))
                            .at_word(&key)
                            .into());
                    }
                }
                let only = restriction(sim, table.raw_get("where")?, declared)?;
                (condition.ok_or_else(wrong)?.to_string_lossy(), only)
            }
            _ => return Err(wrong().into()),
        };
        let place = sim.place_of(lua, &condition);
        all.push(Expectation { condition, only, place });
    }
    if all.is_empty() {
        return Err(wrong().into());
    }
    Ok(all)
}

/// `where = { loss = "0%" }`: names of parameters, and values that they have.
fn restriction(sim: &Shared, table: Option<Table>, declared: &Experiment) -> mlua::Result<Point> {
    let mut only = Point::new();
    let Some(table) = table else { return Ok(only) };
    for pair in table.pairs::<String, Value>() {
        let (name, value) = pair.map_err(|_| {
            Mistake::new("where names parameters: where = { loss = \"0%\" }").at_word("where")
        })?;
        let value = parameter(&value, &name)?;
        let known = declared.params.iter().find(|(known, _)| *known == name);
        match known {
            None if name == "rep" => {}
            None => {
                let meant = did_you_mean(&name, declared.params.iter().map(|(known, _)| known.as_str()));
                return Err(Mistake::new(format!("where names no parameter '{name}'{meant}"))
                    .at_word(&name)
                    .into());
            }
            // With the command line's values in their place, the script's own ones are missing for a reason.
            Some((_, values)) if !values.contains(&value) && sim.overrides.borrow().is_empty() => {
                let list: Vec<String> = values.iter().map(metrics::Value::to_string).collect();
                return Err(Mistake::new(format!(
                    "{name} is never {value}; its values are {}",
                    list.join(", ")
                ))
                .at_word(value.to_string())
                .into());
            }
            Some(_) => {}
        }
        only.push((name, value));
    }
    only.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(only)
}

/// That a plot's names are parameters where they must be; `x` may also be a metric, but not nearly a parameter.
fn names_of_plot(opts: &Opts, declared: &Experiment) -> Result<(), Mistake> {
    let params = || declared.params.iter().map(|(known, _)| known.as_str());
    let more: &[&str] = if opts.text("series").is_some() { &["object", "rep"] } else { &["rep"] };
    for name in ["facet", "color", "x"] {
        let Some(text) = opts.text(name) else { continue };
        if params().chain(more.iter().copied()).any(|known| known == text) {
            continue;
        }
        let near = params().filter(|known| known.len() > 2);
        let meant = did_you_mean(text, near);
        if name == "x" && (meant.is_empty() || metrics::unit_of(text).is_some()) {
            continue;
        }
        let known: Vec<&str> = params().collect();
        let mistake =
            Mistake::new(format!("plot: {name} = \"{text}\" names no parameter{meant}")).at_word(text);
        return Err(if known.is_empty() {
            mistake
        } else {
            mistake.note(format!("parameters: {}", known.join(" ")))
        });
    }
    Ok(())
}

fn plots(lua: &Lua, sim: &Shared, plot: &Table, declared: &Experiment) -> mlua::Result<Vec<PlotSpec>> {
    let tables: Vec<Table> = match plot.raw_len() {
        0 => vec![plot.clone()],
        _ => plot.sequence_values().collect::<mlua::Result<_>>().map_err(|_| {
            Mistake::new("plot is { x =, y = ... }, or a list of such tables").at_word("plot")
        })?,
    };
    let mut all = Vec::new();
    for table in tables {
        let opts = options(lua, sim, "plot", &[spec::PLOT_OPTS], &table)?;
        let own = |name: &str| opts.text(name).map(str::to_owned);
        let y = match opts.get("y") {
            Some(Val::Texts(y)) => y.clone(),
            _ => Vec::new(),
        };
        let only = match opts.get("where") {
            Some(Val::Table(table)) => restriction(sim, Some(table.clone()), declared)?,
            _ => Point::new(),
        };
        names_of_plot(&opts, declared)?;
        let spec = PlotSpec {
            x: own("x"),
            y,
            series: own("series"),
            color: own("color"),
            facet: own("facet"),
            log: own("log"),
            kind: own("kind"),
            only,
            place: sim.place_of(lua, opts.text("x").or(opts.text("series")).unwrap_or("plot")),
        };
        if spec.series.is_none() && spec.y.is_empty() {
            return Err(Mistake::new("a plot needs y, the metric to show, or series")
                .at_word("plot")
                .note("write plot = { x = \"loss\", y = \"goodput_mbps\", color = \"proto\" }")
                .into());
        }
        all.push(spec);
    }
    Ok(all)
}
