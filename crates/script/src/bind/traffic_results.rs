//! What traffic has come to: completion times, slowdowns, tables.

use super::traffic::{Begun, TrafficHandle};
use super::traffic_load::Aim;
use crate::Place;
use crate::classes::Registry;
use crate::output::Output;
use crate::sim::{Shared, Sim};
use mlua::{Lua, Table, Value};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use tidewire_l7_application::traffic::{Exchange, by_class};
use tidewire_metrics as metrics;
use tidewire_units::{DirId, NodeId, Refusal};
use tidewire_world::{WorkloadId, World};

/// Ports that hosts choose from (RFC 6335 section 6).
const PORTS: u32 = 16_384;

/// What counts: begun after the warm-up.
fn counted(world: &World, id: WorkloadId) -> Vec<Exchange> {
    let warmup = world.warmup();
    world.workload(id).exchanges().iter().filter(|of| of.started >= warmup).copied().collect()
}

/// What went wrong so often that it is said at the end: hosts that had no port left, a load that was meant for a link beside the way.
pub(crate) fn hints(sim: &Sim, world: &mut World, out: &mut Output) {
    for Begun { id, name, place, aim, .. } in sim.traffic.borrow().iter() {
        if let Some(aim) = aim {
            beside(sim, world, (*id, name, *aim), place, out);
        }
        let all = world.workload(*id).exchanges();
        let mut crowded: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        for of in all.iter().filter(|of| of.failure == Some(Refusal::InUse)) {
            *crowded.entry((of.client, of.server)).or_default() += 1;
        }
        let Some((pair, _)) = crowded.iter().max_by_key(|(pair, n)| (**n, Reverse(**pair))) else { continue };
        let first = all.iter().find(|of| (of.client, of.server) == *pair).expect("it is among them");
        let (client, server) = world.parties(*id, first);
        let plan = sim.plan.borrow();
        let others = match crowded.len() - 1 {
            0 => String::new(),
            n => format!(" (and so for {n} more pairs)"),
        };
        let text = format!(
            "{name}: {} had no free port to {}{others}: {} of {} flows failed as \"in use\"\n  there are {PORTS} for each server, and a connection that is over keeps its own for a while (TIME_WAIT)\n  write keepalive = true, or take more hosts or a shorter time_wait",
            plan.node(client).name,
            plan.node(server).name,
            crowded.values().sum::<usize>(),
            all.len(),
        );
        out.warn(text, place.clone());
    }
}

/// Flows do not cross the link that their load was to be a share of: less than half of what should have was ever sent there, less than
/// a tenth where chance chose the hosts of few.
fn beside(
    sim: &Sim,
    world: &mut World,
    (id, name, aim): (WorkloadId, &str, Aim),
    place: &Option<Place>,
    out: &mut Output,
) {
    let (link, crossed) = (aim.link, aim.crossed());
    let done = counted(world, id).into_iter().filter(|of| of.ended.is_some());
    let (n, received) = done.fold((0u32, 0), |(n, sum), of| (n + 1, sum + of.bytes.0 + of.bytes.1));
    let now = world.now();
    let sent: u64 = [DirId::forward(link), DirId::backward(link)]
        .into_iter()
        .map(|dir| world.port_mut(dir).stats(now).tx_bytes)
        .sum();
    let expected = received as f64 * crossed;
    let few = f64::from(n) * crossed < 30.0;
    if f64::from(n) * crossed < 5.0 || sent as f64 >= expected / if few { 10.0 } else { 2.0 } {
        return;
    }
    let plan = sim.plan.borrow();
    let [a, b] = plan.link(link).ends.map(|node| plan.node(node).name.clone());
    let text = format!(
        "{name}: the load was to be a share of the link {a}-{b}, and {} flows cross it: they carried {:.1} kB, the link {:.1} kB\n  name a link that they cross, or leave 'link' out",
        if (sent as f64) < expected / 10.0 { "none of its" } else { "only a part of its" },
        received as f64 / 1e3,
        sent as f64 / 1e3,
    );
    out.warn(text, place.clone());
}

/// Of what is complete: bytes, completion time, slowdown.
fn done(world: &mut World, id: WorkloadId) -> Vec<(u64, f64, f64)> {
    let mut flows = Vec::new();
    for of in counted(world, id) {
        let Some(ended) = of.ended else { continue };
        let fct = ended.since(of.started).as_secs_f64();
        let ideal = world.ideal_time(id, &of).as_secs_f64();
        flows.push((of.bytes.0 + of.bytes.1, fct, if ideal > 0.0 { fct / ideal } else { 1.0 }));
    }
    flows
}

fn class_name(above: u64, upto: u64) -> String {
    match (above, upto) {
        (0, u64::MAX) => "all".to_owned(),
        (0, upto) => format!("to {}", tidewire_units::Bytes(upto)),
        (above, u64::MAX) => format!("above {}", tidewire_units::Bytes(above)),
        (above, upto) => format!("{} to {}", tidewire_units::Bytes(above), tidewire_units::Bytes(upto)),
    }
}

const FCT: [&str; 5] = ["mean_ms", "p50_ms", "p95_ms", "p99_ms", "max_ms"];
const SLOWDOWN: [&str; 4] = ["slowdown_mean", "slowdown_p50", "slowdown_p95", "slowdown_p99"];

/// Cells of a class, by column.
fn class_rows(sim: &Sim, of: &TrafficHandle) -> mlua::Result<Vec<Vec<(String, metrics::Value)>>> {
    let mut world = sim.world()?;
    let flows = sim.unwatched(|| done(&mut world, of.id));
    let row = |class: &tidewire_l7_application::traffic::Class| {
        let mut cells = vec![
            ("class".to_owned(), metrics::Value::Text(class_name(class.above, class.upto))),
            ("flows".to_owned(), metrics::Value::Int(class.flows as i64)),
            ("bytes".to_owned(), metrics::Value::Int(class.bytes as i64)),
        ];
        let float = |name: &&str, x: f64| ((*name).to_owned(), metrics::Value::Float(x));
        cells.extend(FCT.iter().zip(class.fct).map(|(name, x)| float(name, x * 1e3)));
        cells.extend(SLOWDOWN.iter().zip(class.slowdown).map(|(name, x)| float(name, x)));
        cells
    };
    Ok(by_class(&flows, &of.classes).iter().map(row).collect())
}

pub(super) fn summary(lua: &Lua, sim: &Shared, of: &TrafficHandle) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    let mut text = format!(
        "{:>20} {:>8} {:>10} {:>10} {:>10} {:>10} {:>9} {:>9}",
        "size", "flows", "mean ms", "p50 ms", "p95 ms", "p99 ms", "slowdown", "p99"
    );
    for row in class_rows(sim, of)? {
        let table = lua.create_table()?;
        for (name, value) in &row {
            match value {
                metrics::Value::Text(text) => table.raw_set(&**name, &**text)?,
                metrics::Value::Int(n) => table.raw_set(&**name, *n)?,
                other => table.raw_set(&**name, other.number())?,
            }
        }
        let x = |name: &str| {
            row.iter().find(|(of, _)| of == name).and_then(|(_, value)| value.number()).unwrap_or(0.0)
        };
        text += &format!(
            "\n{:>20} {:>8} {:>10.3} {:>10.3} {:>10.3} {:>10.3} {:>9.2} {:>9.2}",
            row[0].1.to_string(),
            x("flows"),
            x("mean_ms"),
            x("p50_ms"),
            x("p95_ms"),
            x("p99_ms"),
            x("slowdown_mean"),
            x("slowdown_p99")
        );
        list.raw_push(table)?;
    }
    let meta = lua.create_table()?;
    meta.raw_set("__tostring", lua.create_function(move |_, _: Value| Ok(text.clone()))?)?;
    list.set_metatable(Some(meta))?;
    Ok(list)
}

/// Every exchange as cells.
fn each_row(sim: &Sim, of: &TrafficHandle) -> mlua::Result<Vec<Vec<(String, metrics::Value)>>> {
    let mut world = sim.world()?;
    let plan = sim.plan.borrow();
    let all = counted(&world, of.id);
    let mut rows = Vec::with_capacity(all.len());
    for one in all {
        let ideal = world.ideal_time(of.id, &one).as_secs_f64();
        let (client, server) = world.parties(of.id, &one);
        let fct = one.ended.map(|ended| ended.since(one.started).as_secs_f64());
        let float = |x: Option<f64>| x.map_or(metrics::Value::Nothing, metrics::Value::Float);
        let text = |node: NodeId| metrics::Value::Text(plan.node(node).name.clone());
        rows.push(vec![
            ("from".to_owned(), text(client)),
            ("to".to_owned(), text(server)),
            ("bytes".to_owned(), metrics::Value::Int(one.bytes.0 as i64)),
            ("response".to_owned(), metrics::Value::Int(one.bytes.1 as i64)),
            ("start".to_owned(), metrics::Value::Float(one.started.as_secs_f64())),
            ("fct".to_owned(), float(fct)),
            ("ideal".to_owned(), metrics::Value::Float(ideal)),
            ("slowdown".to_owned(), float(fct.filter(|_| ideal > 0.0).map(|fct| fct / ideal))),
            (
                "error".to_owned(),
                one.failure.map_or(metrics::Value::Nothing, |why| metrics::Value::Text(why.to_string())),
            ),
        ]);
    }
    Ok(rows)
}

pub(super) fn rows(lua: &Lua, sim: &Shared, of: &TrafficHandle) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    for row in each_row(sim, of)? {
        let table = lua.create_table()?;
        for (name, value) in row {
            match value {
                metrics::Value::Nothing => {}
                metrics::Value::Text(text) => table.raw_set(name, text)?,
                metrics::Value::Int(n) => table.raw_set(name, n)?,
                other => table.raw_set(name, other.number())?,
            }
        }
        list.raw_push(table)?;
    }
    Ok(list)
}

pub(super) fn rounds(lua: &Lua, sim: &Shared, of: &TrafficHandle) -> mlua::Result<Table> {
    let world = sim.world()?;
    let list = lua.create_table()?;
    for group in counted(&world, of.id).chunk_by(|a, b| a.query == b.query) {
        let row = lua.create_table()?;
        let failed = group.iter().filter(|one| one.failure.is_some()).count();
        let last = group.iter().map(|one| one.ended).collect::<Option<Vec<_>>>();
        let last = last.and_then(|all| all.into_iter().max());
        row.raw_set("start", group[0].started.as_secs_f64())?;
        row.raw_set("time", last.map(|last| last.since(group[0].started).as_secs_f64()))?;
        row.raw_set("bytes", group.iter().map(|one| one.bytes.0 + one.bytes.1).sum::<u64>())?;
        row.raw_set("failed", failed)?;
        list.raw_push(row)?;
    }
    Ok(list)
}

pub(super) fn save(sim: &Shared, of: &TrafficHandle, all: bool) -> mlua::Result<()> {
    let named = |row: Vec<(String, metrics::Value)>| {
        let mut cells = vec![("traffic".to_owned(), metrics::Value::Text(of.name.clone()))];
        cells.extend(row);
        cells
    };
    for row in class_rows(sim, of)? {
        sim.out.borrow_mut().table("fct").push_named(named(row));
    }
    if all {
        for row in each_row(sim, of)? {
            let unit = |name: String| match &*name {
                "start" | "fct" | "ideal" => format!("{name}_s"),
                "bytes" | "response" => {
                    if name == "bytes" {
                        name
                    } else {
                        "response_bytes".to_owned()
                    }
                }
                _ => name,
            };
            let row = row.into_iter().map(|(name, value)| (unit(name), value)).collect();
            sim.out.borrow_mut().table("transfers").push_named(named(row));
        }
    }
    Ok(())
}

pub(super) fn fields(registry: &mut Registry<'_>) -> mlua::Result<()> {
    type Count = fn(&[Exchange]) -> u64;
    const COUNTS: [(&str, Count); 4] = [
        ("begun", |all| all.len() as u64),
        ("completed", |all| all.iter().filter(|one| one.ended.is_some()).count() as u64),
        ("failed", |all| all.iter().filter(|one| one.failure.is_some()).count() as u64),
        ("bytes", |all| {
            all.iter().filter(|one| one.ended.is_some()).map(|one| one.bytes.0 + one.bytes.1).sum()
        }),
    ];
    for (name, count) in COUNTS {
        registry.field("traffic", name, move |_, sim, this| {
            let id = this.borrow::<TrafficHandle>()?.id;
            Ok(count(&counted(&*sim.world()?, id)))
        })?;
    }
    for (name, unit) in [("goodput", 1.0), ("goodput_mbps", 1e6)] {
        registry.field("traffic", name, move |_, sim, this| {
            let id = this.borrow::<TrafficHandle>()?.id;
            Ok(goodput(&counted(&*sim.world()?, id)).map(|bps| bps / unit))
        })?;
    }
    registry.field("traffic", "name", |_, _, this| Ok(this.borrow::<TrafficHandle>()?.name.clone()))?;
    registry.field("traffic", "mean_size", |_, _, this| Ok(this.borrow::<TrafficHandle>()?.mean))?;
    registry.field("traffic", "state", |_, sim, this| {
        let id = this.borrow::<TrafficHandle>()?.id;
        Ok(if sim.world()?.workload(id).is_over() { "over" } else { "running" })
    })?;
    registry.shows("traffic", |sim, this| {
        let this = this.borrow::<TrafficHandle>()?;
        let world = sim.world.borrow();
        let all = world.workload(this.id).exchanges();
        let done = all.iter().filter(|one| one.ended.is_some()).count();
        Ok(format!("traffic {}: {done} of {} flows completed", this.name, all.len()))
    })
}

/// Bytes of what is complete over the time that it took, in bit/s.
fn goodput(all: &[Exchange]) -> Option<f64> {
    let done = || all.iter().filter(|one| one.ended.is_some());
    let from = done().map(|one| one.started).min()?;
    let to = done().filter_map(|one| one.ended).max()?;
    let time = to.since(from).as_secs_f64();
    let bytes: u64 = done().map(|one| one.bytes.0 + one.bytes.1).sum();
    (time > 0.0).then(|| bytes as f64 * 8.0 / time)
}
