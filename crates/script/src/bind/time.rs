//! Time and processes; quantities as numbers; files.

use crate::call::placed;
use crate::classes::{Process, Registry, Timer, wrong_this};
use crate::join::Join;
use crate::mistake::Mistake;
use crate::sched::{Record, Sleep, block_on, kill, schedule, spawn};
use crate::sim::{Ending, Shared, here};
use crate::spec::time as spec;
use crate::values::Val;
use mlua::{Function, Lua, Value};
use std::rc::Rc;
use tidewire_units::{Instant, Span};

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    let sim = registry.sim.clone();
    let now = registry.lua.create_function(move |lua, surplus: Value| {
        if !surplus.is_nil() {
            let mistake = Mistake::new("now takes no argument: it says what time it is").at_word("now");
            return Err(placed(lua, mistake).into());
        }
        Ok(sim.now().as_secs_f64())
    })?;
    registry.put(&spec::NOW, &now)?;
    registry.add(&spec::SLEEP, |lua, sim, call| {
        sim.touch()?;
        let now = sim.world.borrow().now();
        let until = now + span(call.arg(0));
        if until == Instant::MAX {
            return Err(Mistake::new(format!(
                "sleep() at t = {now} would end after 213 days, where the simulated clock ends"
            ))
            .at_word("sleep")
            .into());
        }
        block_on(lua, sim, Box::new(Sleep { until, waited: false }))
    })?;
    timers(registry)?;
    registry.add(&spec::STOP, |lua, sim, call| -> mlua::Result<()> {
        sim.touch()?;
        let reason = call.text(0).map(str::to_owned);
        if let Some(reason) = &reason {
            let now = sim.world.borrow().now();
            sim.out.borrow_mut().print(now, &format!("stopped: {reason}"));
        }
        let _ = lua;
        Err(sim.unwind(Ending::Stopped(reason)))
    })?;
    registry.add(&spec::SPAWN, |lua, sim, mut call| {
        sim.touch()?;
        let body = call.function(0).ok_or_else(|| Mistake::new("spawn needs a function"))?;
        let host = sim.sched.borrow().current_host();
        let name = format!("process {}", sim.sched.borrow_mut().next_name());
        let record = spawn(lua, sim, body, call.rest.clone(), host, &name, here(lua))?;
        lua.create_userdata(Process(record))
    })?;
    registry.add(&spec::WAIT_ALL, |lua, sim, call| {
        let Some(Val::Table(list)) = call.arg(0) else { unreachable!() };
        let mut all = Vec::new();
        for pair in list.pairs::<Value, Value>() {
            if let (Value::String(name), _) = pair?
                && name.to_string_lossy() != "timeout"
            {
                let name = name.to_string_lossy();
                let text = format!("wait_all takes a list and timeout, not '{name}'");
                return Err(Mistake::new(text).at_word(name).into());
            }
        }
        for item in list.sequence_values::<Value>() {
            all.push(record_of(&item?).ok_or_else(|| {
                Mistake::new("wait_all takes a list of processes, as spawn() gives them").at_word("wait_all")
            })?);
        }
        let seconds: Option<Value> = list.raw_get("timeout")?;
        let deadline = match seconds {
            Some(Value::Nil) | None => Instant::MAX,
            Some(value) => {
                let Val::Span(timeout) = crate::values::convert(
                    lua,
                    sim,
                    crate::spec::Kind::Time,
                    &value,
                    "timeout",
                    "option 'timeout' of wait_all",
                )?
                else {
                    unreachable!()
                };
                sim.world.borrow().now() + timeout
            }
        };
        block_on(lua, sim, Box::new(Join { all, deadline, gives_results: false }))
    })?;
    registry.add(&spec::JOIN, |lua, sim, call| {
        let record = this_record(&call)?;
        let deadline = call.deadline(sim.world.borrow().now(), None);
        block_on(lua, sim, Box::new(Join { all: vec![record], deadline, gives_results: true }))
    })?;
    registry.add(&spec::KILL, |_, sim, call| {
        let record = this_record(&call)?;
        if record.is_alive() {
            kill(sim, record.id);
        }
        Ok(())
    })?;
    registry.field("process", "alive", |_, _, this| Ok(this.borrow::<Process>()?.0.is_alive()))?;
    registry.field("process", "name", |_, _, this| Ok(this.borrow::<Process>()?.0.name.clone()))?;
    registry.shows("process", |_, this| {
        let process = this.borrow::<Process>()?;
        let state = if process.0.is_alive() { "alive" } else { "ended" };
        Ok(format!("{} {state}", process.0.name))
    })?;
    registry.add(&spec::SECONDS, |_, _, call| Ok(span(call.arg(0)).as_secs_f64()))?;
    registry.add(&spec::BYTES, |_, _, call| match call.arg(0) {
        Some(Val::Size(size)) => Ok(size.0),
        _ => unreachable!("the table of functions says a size"),
    })?;
    registry.add(&spec::BITS_PER_S, |_, _, call| match call.arg(0) {
        Some(Val::Rate(rate)) => Ok(rate.bits_per_s()),
        _ => unreachable!("the table of functions says a rate"),
    })?;
    registry.add(&spec::READ_FILE, |lua, sim, call| {
        let name = call.text(0).unwrap_or_default();
        let bytes =
            sim.files.read(name).map_err(|why| Mistake::new(why).at_word(name).fault(crate::Fault::Io))?;
        lua.create_string(bytes)
    })
}

fn timers(registry: &Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::AT, |lua, sim, mut call| {
        sim.touch()?;
        let at = Instant::ZERO + span(call.arg(0));
        let now = sim.world.borrow().now();
        if at < now {
            return Err(Mistake::new(format!("at({at}) is in the past: it is t = {now}"))
                .at_word("at")
                .into());
        }
        timer(lua, sim, at, None, call.function(1), "at")
    })?;
    registry.add(&spec::AFTER, |lua, sim, mut call| {
        sim.touch()?;
        let at = sim.world.borrow().now() + span(call.arg(0));
        timer(lua, sim, at, None, call.function(1), "after")
    })?;
    registry.add(&spec::EVERY, |lua, sim, mut call| {
        sim.touch()?;
        let every = span(call.arg(0));
        if every.is_zero() {
            return Err(Mistake::new("every(0) would never let time pass").at_word("every").into());
        }
        let at = sim.world.borrow().now() + every;
        timer(lua, sim, at, Some(every), call.function(1), "every")
    })?;
    registry.add(&spec::AT_END, |lua, sim, mut call| {
        sim.touch()?;
        if sim.sched.borrow().over {
            return Err(Mistake::new("at_end() in a function of at_end(): the end is now; do it here")
                .at_word("at_end")
                .into());
        }
        let function = call.function(0).ok_or_else(|| Mistake::new("at_end needs a function"))?;
        let place = here(lua);
        sim.handles.borrow_mut().at_end.push((function, place));
        Ok(())
    })?;
    registry.add(&spec::CANCEL, |_, sim, call| {
        let this = call.this.as_ref().and_then(|this| this.borrow::<Timer>().ok());
        let id = this.ok_or_else(|| wrong_this(&call))?.0;
        sim.sched.borrow_mut().cancel_timer(id);
        Ok(())
    })
}

pub(super) fn timer(
    lua: &Lua,
    sim: &Shared,
    at: Instant,
    every: Option<Span>,
    callback: Option<Function>,
    what: &'static str,
) -> mlua::Result<mlua::AnyUserData> {
    let callback = callback.ok_or_else(|| Mistake::new(format!("{what} needs a function")))?;
    let id = schedule(lua, sim, at, every, callback, what)?;
    lua.create_userdata(Timer(id))
}

fn span(value: Option<&Val>) -> Span {
    value.and_then(Val::span).unwrap_or(Span::ZERO)
}

fn record_of(value: &Value) -> Option<Rc<Record>> {
    Some(value.as_userdata()?.borrow::<Process>().ok()?.0.clone())
}

fn this_record(call: &crate::call::Call) -> mlua::Result<Rc<Record>> {
    let this = call.this.clone().and_then(|this| record_of(&Value::UserData(this)));
    Ok(this.ok_or_else(|| wrong_this(call))?)
}
