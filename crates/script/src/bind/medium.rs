//! What a script sees of a shared medium.

use crate::call::Opts;
use crate::classes::{Registry, node_of};
use mlua::{Lua, Table, Value};
use tidewire_topology::RadioSpec;
use tidewire_units::{Instant, Span};
use tidewire_world::{StationReport, StationStats};

pub(in crate::bind) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    for class in ["hub", "ap"] {
        fields(registry, class)?;
    }
    Ok(())
}

/// The options of an access point.
pub(in crate::bind) fn radio(opts: &Opts) -> RadioSpec {
    let usual = RadioSpec::default();
    let whole = |name, usual: u32| opts.int(name).map_or(usual, |n| n as u32);
    let number = |name, usual: f64| opts.number(name).unwrap_or(usual);
    RadioSpec {
        rate: opts.rate("rate").unwrap_or(usual.rate),
        basic_rate: opts.rate("basic_rate").unwrap_or(usual.basic_rate),
        preamble: opts.span("preamble").unwrap_or(usual.preamble),
        slot: opts.span("slot").unwrap_or(usual.slot),
        sifs: opts.span("sifs").unwrap_or(usual.sifs),
        cw_min: whole("cw_min", usual.cw_min),
        cw_max: whole("cw_max", usual.cw_max),
        attempts: whole("attempts", usual.attempts),
        power: number("power", usual.power),
        noise: number("noise", usual.noise),
        loss_1m: number("loss_1m", usual.loss_1m),
        exponent: number("exponent", usual.exponent),
    }
}

fn fields(registry: &Registry<'_>, class: &'static str) -> mlua::Result<()> {
    registry.field(class, "name", |_, sim, this| {
        let id = node_of(&Value::UserData(this));
        Ok(id.map(|id| sim.plan.borrow().node(id).name.clone()))
    })?;
    registry.field(class, "stats", |lua, sim, this| {
        let Some(id) = node_of(&Value::UserData(this)) else { return lua.create_table() };
        let world = sim.world()?;
        let now = world.now();
        let since = if now >= world.warmup() { world.warmup() } else { Instant::ZERO };
        let reports = world.stations(id);
        let plan = sim.plan.borrow();
        all(lua, &reports, now.since(since), |report| plan.node(report.node).name.clone())
    })
}

/// The counters of all stations, and of each.
fn all(
    lua: &Lua,
    reports: &[StationReport],
    time: Span,
    name: impl Fn(&StationReport) -> String,
) -> mlua::Result<Table> {
    let sum = reports.iter().fold(StationStats::default(), |sum, report| sum.plus(report.stats));
    let table = counters(lua, &sum, time)?;
    let stations = lua.create_table()?;
    for report in reports {
        stations.raw_set(name(report), counters(lua, &report.stats, time)?)?;
    }
    table.raw_set("stations", stations)?;
    Ok(table)
}

fn counters(lua: &Lua, stats: &StationStats, time: Span) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, value) in [
        ("frames", stats.frames),
        ("bytes", stats.bytes),
        ("attempts", stats.attempts),
        ("collisions", stats.collisions),
        ("late_collisions", stats.late_collisions),
        ("undetected", stats.undetected),
        ("excessive", stats.excessive),
    ] {
        table.raw_set(name, value)?;
    }
    let share = if time.is_zero() { 0.0 } else { stats.carried.as_secs_f64() / time.as_secs_f64() };
    table.raw_set("utilization_pct", 100.0 * share)?;
    Ok(table)
}
