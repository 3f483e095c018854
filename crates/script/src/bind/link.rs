//! Links and their directions.

use super::net::link_summary;
use crate::call::{Call, Opts};
use crate::classes::{Direction, Link, Registry, this_node, wrong_this};
use crate::mistake::{Mistake, did_you_mean};
use crate::sim::{Shared, Sim};
use crate::spec::{fields_of, link as spec};
use crate::values::Val;
use mlua::{AnyUserData, Lua, Table};
use tidewire_units::{DirId, LinkId, Span};
use tidewire_world::{ArqStats, CapturePoint, Looks, QueueReport, Watched};

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::DISABLE, |_, sim, call| set_up(sim, &call, false))?;
    registry.add(&spec::ENABLE, |_, sim, call| set_up(sim, &call, true))?;
    registry.add(&spec::SET_LINK, |_, sim, call| {
        let link = this_link(&call)?;
        [DirId::forward(link), DirId::backward(link)]
            .into_iter()
            .try_for_each(|dir| set(sim, dir, call.opts()))
    })?;
    registry.add(&spec::FLAP_LINK, |lua, sim, call| flap(lua, sim, &call))?;
    registry.add(&spec::DIR_SET, |_, sim, call| set(sim, this_dir(&call)?, call.opts()))?;
    registry.add(&spec::DROP_NEXT, |_, sim, call| {
        let link = this_link(&call)?;
        let mut world = sim.world()?;
        let n = call.int(0).unwrap_or(1) as u64;
        world.drop_next(DirId::forward(link), n);
        world.drop_next(DirId::backward(link), n);
        Ok(())
    })?;
    registry.add(&spec::DIR_DROP_NEXT, |_, sim, call| {
        sim.world()?.drop_next(this_dir(&call)?, call.int(0).unwrap_or(1) as u64);
        Ok(())
    })?;
    registry.add(&spec::FORWARD, |lua, _, call| {
        lua.create_userdata(Direction(DirId::forward(this_link(&call)?)))
    })?;
    registry.add(&spec::BACKWARD, |lua, _, call| {
        lua.create_userdata(Direction(DirId::backward(this_link(&call)?)))
    })?;
    registry.add(&spec::LINK_WATCH, |_, sim, call| {
        let link = this_link(&call)?;
        watch(
            sim,
            &call,
            &[Watched::Direction(DirId::forward(link)), Watched::Direction(DirId::backward(link))],
        )
    })?;
    registry
        .add(&spec::DIR_WATCH, |_, sim, call| watch(sim, &call, &[Watched::Direction(this_dir(&call)?)]))?;
    registry.add(&spec::HOST_WATCH, |_, sim, call| watch(sim, &call, &[Watched::Host(this_node(&call)?)]))?;
    registry.add(&spec::PCAP, |_, sim, call| {
        let link = this_link(&call)?;
        let name = sim.plan.borrow().link(link).name.clone();
        let at = match call.opts().text("side") {
            Some("receiver") => CapturePoint::Received,
            _ => CapturePoint::Sent,
        };
        let points =
            [DirId::forward(link), DirId::backward(link)].map(|dir| (at(dir), direction_name(sim, dir)));
        record(sim, &call, &format!("link-{name}.pcapng"), &points)
    })?;
    registry.add(&spec::HOST_PCAP, |_, sim, call| {
        let node = this_node(&call)?;
        let name = sim.plan.borrow().node(node).name.clone();
        let mut points = Vec::new();
        for link in sim.plan.borrow().link_ids() {
            let ends = sim.plan.borrow().link(link).ends;
            for (own, dir) in [(ends[0], DirId::forward(link)), (ends[1], DirId::backward(link))] {
                if own == node {
                    let back = if dir == DirId::forward(link) {
                        DirId::backward(link)
                    } else {
                        DirId::forward(link)
                    };
                    points.push((CapturePoint::Sent(dir), direction_name(sim, dir)));
                    points.push((CapturePoint::Received(back), direction_name(sim, back)));
                }
            }
        }
        record(sim, &call, &format!("host-{name}.pcapng"), &points)
    })?;
    registry.field("link", "name", |_, sim, this| {
        let link = this.borrow::<Link>()?.0;
        Ok(sim.plan.borrow().link(link).name.clone())
    })?;
    registry.field("link", "up", |_, sim, this| {
        let link = this.borrow::<Link>()?.0;
        Ok(sim.world()?.is_link_up(link))
    })?;
    registry.field("link", "stats", |lua, sim, this| {
        let link = this.borrow::<Link>()?.0;
        let table = lua.create_table()?;
        table.raw_set("forward", stats(lua, sim, DirId::forward(link))?)?;
        table.raw_set("backward", stats(lua, sim, DirId::backward(link))?)?;
        Ok(table)
    })?;
    registry.field("direction", "stats", |lua, sim, this| {
        let dir = this.borrow::<Direction>()?.0;
        stats(lua, sim, dir)
    })?;
    registry
        .field("direction", "name", |_, sim, this| Ok(direction_name(sim, this.borrow::<Direction>()?.0)))?;
    registry.shows("link", |sim, this| {
        let id = this.borrow::<Link>()?.0;
        let up = if sim.world.borrow().plan().links().len() > id.index() && !sim.world.borrow().is_link_up(id)
        {
            "down"
        } else {
            "up"
        };
        let plan = sim.plan.borrow();
        let link = plan.link(id);
        Ok(format!("link {} {} {up}", link.name, link_summary(&link.spec)))
    })?;
    registry.shows("direction", |sim, this| Ok(direction_name(sim, this.borrow::<Direction>()?.0)))
}

pub(super) fn direction_name(sim: &Shared, dir: DirId) -> String {
    let plan = sim.plan.borrow();
    let arrow = if dir.is_forward() { ">" } else { "<" };
    format!("{}{arrow}", plan.link(dir.link()).name)
}

fn this<T: 'static, R>(call: &Call, get: impl FnOnce(&T) -> R) -> mlua::Result<R> {
    let this: Option<&AnyUserData> = call.this.as_ref();
    match this.map(|this| this.borrow::<T>()) {
        Some(Ok(this)) => Ok(get(&this)),
        _ => Err(wrong_this(call).into()),
    }
}

pub(super) fn this_link(call: &Call) -> mlua::Result<LinkId> {
    this(call, |link: &Link| link.0)
}

pub(super) fn this_dir(call: &Call) -> mlua::Result<DirId> {
    this(call, |direction: &Direction| direction.0)
}

fn flap(lua: &Lua, sim: &Shared, call: &Call) -> mlua::Result<()> {
    let link = this_link(call)?;
    let up = call.opts().span("enabled").unwrap_or(Span::from_secs(8));
    let down = call.opts().span("disabled").unwrap_or(Span::from_secs(2));
    if up.is_zero() || down.is_zero() {
        return Err(Mistake::new("a link that flaps is up for some time and down for some time")
            .at_word("flap")
            .note("write link:flap { enabled = \"8s\", disabled = \"2s\" }")
            .into());
    }
    if up < Span::from_us(1) || down < Span::from_us(1) {
        return Err(Mistake::new(format!(
            "a link that is up for {up} and down for {down}: the run would do nothing else; the least is 1 us"
        ))
        .at_word("flap")
        .into());
    }
    sim.touch()?;
    let now = sim.world.borrow().now();
    for (at, is_up) in [(now + up, false), (now + up + down, true)] {
        let shared = sim.clone();
        let change = lua.create_function(move |_, ()| set_link_up(&shared, link, is_up))?;
        super::time::timer(lua, sim, at, Some(up + down), Some(change), "link:flap")?;
    }
    Ok(())
}

fn set_up(sim: &Shared, call: &Call, up: bool) -> mlua::Result<()> {
    set_link_up(sim, this_link(call)?, up)
}

pub(super) fn set_link_up(sim: &Shared, link: LinkId, up: bool) -> mlua::Result<()> {
    let mut world = sim.world()?;
    let was_up = world.is_link_up(link);
    world.set_link_up(link, up);
    if world.is_link_up(link) != was_up {
        let name = world.plan().link(link).name.clone();
        let to = if up { "up" } else { "down" };
        sim.out.borrow_mut().event(world.now(), name.into(), "link", to.into());
    }
    Ok(())
}

pub(super) fn set(sim: &Shared, dir: DirId, opts: &Opts) -> mlua::Result<()> {
    refuse_on_medium(sim, dir, opts)?;
    refuse_with_arq(sim, dir, opts)?;
    let mut world = sim.world()?;
    if let Some(Val::Loss(loss, chooser)) = opts.get("loss") {
        super::taps::choose(sim, dir, chooser.as_ref())?;
        world.set_filter(dir, super::taps::decides(sim, dir));
        world.set_loss(dir, loss);
    }
    let (rate, delay) = (opts.rate("rate"), opts.span("delay"));
    if rate.is_some() || delay.is_some() {
        world.set_rate_and_delay(dir, rate, delay);
    }
    if ["jitter", "corrupt", "duplicate", "reorder"].iter().any(|name| opts.get(name).is_some()) {
        let mut direction = sim.plan.borrow().direction(dir).clone();
        super::net::apply_impairments(opts, &mut direction);
        let spec = direction.impairments.clone().unwrap_or_default();
        sim.plan.borrow_mut().direction_mut(dir).impairments = direction.impairments;
        world.set_impairments(dir, &spec);
    }
    Ok(())
}

/// Repair needs frames that stay in order, as where the link is made.
fn refuse_with_arq(sim: &Shared, dir: DirId, opts: &Opts) -> mlua::Result<()> {
    let plan = sim.plan.borrow();
    let link = plan.link(dir.link());
    let given = ["jitter", "duplicate", "reorder"].into_iter().find(|name| opts.get(name).is_some());
    match given.filter(|_| link.spec.arq.is_some()) {
        Some(name) => {
            let text = format!(
                "link '{}' repairs losses (arq) and keeps its frames in order: it takes no {name}",
                link.name
            );
            Err(Mistake::new(text).at_word(name).into())
        }
        None => Ok(()),
    }
}

/// What a shared medium keeps for all its stations is not changed for one of them.
fn refuse_on_medium(sim: &Shared, dir: DirId, opts: &Opts) -> mlua::Result<()> {
    let plan = sim.plan.borrow();
    let is_radio = plan.link(dir.link()).spec.distance.is_some();
    let shares = |end: &tidewire_units::NodeId| {
        plan.node(*end).spec.is_hub() || is_radio && plan.node(*end).spec.radio().is_some()
    };
    let Some(medium) = plan.link(dir.link()).ends.into_iter().find(shares) else {
        return Ok(());
    };
    let fixed = ["rate", "delay", "jitter", "corrupt", "duplicate", "reorder"];
    match fixed.into_iter().find(|name| opts.get(name).is_some()) {
        Some(name) => {
            let text = format!(
                "the {name} of a link to '{}' cannot be changed: its stations share a medium",
                plan.node(medium).name
            );
            Err(Mistake::new(text)
                .at_word(name)
                .note("loss can be changed, and the link taken down and up")
                .into())
        }
        None => Ok(()),
    }
}

/// Watches metrics of things; names that do not exist are refused with a suggestion.
pub(super) fn watch(sim: &Shared, call: &Call, things: &[Watched]) -> mlua::Result<()> {
    let Some(Val::Texts(names)) = call.arg(0) else { unreachable!() };
    let every = call.opts().span("every").unwrap_or(tidewire_units::Span::from_ms(100));
    let on_change = call.opts().flag("on_change") == Some(true);
    if on_change && call.opts().get("every").is_some() {
        let text = "every and on_change do not go together: at every change, or so often";
        return Err(Mistake::new(text).at_word("on_change").into());
    }
    if every.is_zero() {
        return Err(Mistake::new("every = 0: a sample needs some time before the next one")
            .at_word("every")
            .note("write every = \"10ms\"")
            .into());
    }
    if names.is_empty() {
        return Err(Mistake::new("watch() needs the name of a metric").at_word("watch").into());
    }
    let Some(first) = things.first() else { return Ok(()) };
    let names: Vec<&str> = names.iter().map(|name| metric(sim, *first, name)).collect::<Result<_, _>>()?;
    if let Some(rate) = names.iter().find(|name| on_change && Watched::is_rate(name)) {
        return Err(Mistake::new(format!(
            "{rate} is a mean over an interval and does not change at a moment"
        ))
        .at_word("on_change")
        .note("write every = \"100ms\" for it")
        .into());
    }
    let looks = if on_change { Looks::OnChange } else { Looks::Every(every) };
    let mut world = sim.world()?;
    for thing in things {
        world
            .watch(*thing, &names, looks)
            .map_err(|at| Mistake::new(format!("'{}' cannot be watched", names[at])).at_word(names[at]))?;
    }
    Ok(())
}

/// States that watched things came into, as rows of the events.
pub(crate) fn note_states(sim: &Sim, world: &mut tidewire_world::World) {
    let changes = world.take_state_changes();
    let mut out = sim.out.borrow_mut();
    for change in changes {
        let object = world.watched_name(change.of);
        out.event(change.at, object.into(), &change.metric, change.state.into());
    }
}

/// The full name of a metric, which may be given without its unit.
fn metric<'a>(sim: &Shared, of: Watched, name: &'a str) -> Result<&'a str, Mistake> {
    let is_flow = matches!(of, Watched::Flow(_) | Watched::Socket(..));
    if is_flow && name.contains('.') {
        return variable(sim, name).map(|()| name);
    }
    let known = [of.metrics(), of.states()].concat();
    if known.contains(&name) {
        return Ok(name);
    }
    let has_stem = |full: &&str| full.strip_prefix(name).is_some_and(|unit| unit.starts_with('_'));
    let fits: Vec<&'static str> = known.iter().copied().filter(|full| has_stem(full)).collect();
    let meant = match fits[..] {
        [only] => return Ok(only),
        [] => did_you_mean(name, known.iter().copied()),
        _ => format!("; did you mean '{}'?", fits.join("' or '")),
    };
    let more =
        if is_flow { ", and variables of the congestion control: cubic.w_max, bbr.mode ..." } else { "" };
    Err(Mistake::new(format!("unknown metric '{name}'{meant}"))
        .at_word(name)
        .note(format!("there is: {}{more}", known.join(" "))))
}

/// That a name such as `cubic.w_max` is one of a congestion control.
fn variable(sim: &Shared, name: &str) -> Result<(), Mistake> {
    let (cc, variable) = name.split_once('.').unwrap_or((name, ""));
    if super::congestion::is_declared(sim, cc) && !variable.is_empty() {
        return Ok(());
    }
    let all: Vec<&str> = fields_of("congestion variables").iter().map(|field| field.name).collect();
    if all.contains(&name) {
        return Ok(());
    }
    let meant = did_you_mean(name, all.iter().copied());
    let mistake = Mistake::new(format!("unknown metric '{name}'{meant}")).at_word(name);
    let control = |known: &&str| known.split('.').next().unwrap_or_default().to_owned();
    let own: Vec<&str> = all.iter().copied().filter(|known| control(known) == cc).collect();
    let mut controls: Vec<String> = all.iter().map(control).collect();
    controls.dedup();
    Err(match own.is_empty() {
        true => mistake.note(format!("controls with variables: {}", controls.join(" "))),
        false => mistake.note(format!("there is: {}", own.join(" "))),
    })
}

fn arq(lua: &Lua, stats: &ArqStats) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, value) in [
        ("frames", stats.frames),
        ("retransmissions", stats.retransmissions),
        ("timeouts", stats.timeouts),
        ("acks", stats.acks),
        ("delivered", stats.delivered),
        ("duplicates", stats.duplicates),
        ("out_of_order", stats.out_of_order),
        ("resets", stats.resets),
    ] {
        table.raw_set(name, value)?;
    }
    Ok(table)
}

fn queue(lua: &Lua, report: QueueReport) -> mlua::Result<Table> {
    let QueueReport { queue, flow, stats } = report;
    let row = lua.create_table()?;
    row.raw_set("queue", queue)?;
    row.raw_set("flow", flow)?;
    for (name, value) in [
        ("tx_bytes", stats.bytes),
        ("tx_packets", stats.packets),
        ("drops", stats.dropped),
        ("marked", stats.marked),
        ("waiting", stats.waiting),
    ] {
        row.raw_set(name, value)?;
    }
    row.raw_set("wait_mean", stats.mean_wait().map(Span::as_secs_f64))?;
    row.raw_set("wait_max", stats.mean_wait().map(|_| stats.longest.as_secs_f64()))?;
    Ok(row)
}

fn stats(lua: &Lua, sim: &Shared, dir: DirId) -> mlua::Result<Table> {
    let mut world = sim.world()?;
    let now = world.now();
    let since = if now >= world.warmup() { world.warmup() } else { tidewire_units::Instant::ZERO };
    let repair = world.repair_stats(dir);
    let port = world.port_mut(dir);
    let stats = port.stats(now);
    let table = lua.create_table()?;
    table.raw_set("tx_bytes", stats.tx_bytes)?;
    table.raw_set("tx_packets", stats.tx_packets)?;
    let drops = lua.create_table()?;
    drops.raw_set("queue", stats.queue_full)?;
    drops.raw_set("aqm", stats.aqm)?;
    drops.raw_set("loss", stats.lost)?;
    drops.raw_set("corrupted", stats.damaged)?;
    drops.raw_set("link_down", stats.link_down)?;
    super::printing::record(lua, &drops)?;
    table.raw_set("drops", drops)?;
    table.raw_set("marked", stats.marked)?;
    table.raw_set("utilization_pct", 100.0 * port.utilization(since, now))?;
    let occupancy = port.occupancy(now);
    table.raw_set("queue_mean_bytes", occupancy.mean(now))?;
    table.raw_set("queue_p95_bytes", occupancy.quantile(now, 0.95))?;
    let queues = lua.create_table()?;
    for report in world.queues(dir) {
        queues.raw_push(queue(lua, report)?)?;
    }
    super::printing::record(lua, &queues)?;
    table.raw_set("queues", queues)?;
    if let Some(repair) = repair {
        table.raw_set("arq", arq(lua, &repair)?)?;
    }
    super::printing::record(lua, &table)?;
    Ok(table)
}

/// Begins to record at these points into the file that the call names.
fn record(sim: &Shared, call: &Call, usual: &str, points: &[(CapturePoint, String)]) -> mlua::Result<()> {
    let file = call.text(0).unwrap_or(usual).to_owned();
    if file.contains(['/', '\\']) || file.starts_with('.') {
        return Err(Mistake::new(format!(
            "'{file}' is not a plain file name; captures lie in the run's folder"
        ))
        .at_word(file)
        .into());
    }
    let cannot = |error: std::io::Error| {
        Mistake::new(format!("cannot write '{file}': {error}")).fault(crate::Fault::Io)
    };
    let out = (sim.open_capture.borrow())(&file).map_err(cannot)?;
    let started = sim.world()?.capture(points, out);
    started.map_err(cannot)?;
    Ok(())
}
