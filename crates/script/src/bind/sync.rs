//! What processes share: queues, signals, resources.

use crate::call::Call;
use crate::classes::{Queue, Registry, Resource, Signal, wrong_this};
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::sim::{Shared, Sim};
use crate::spec::time as spec;
use crate::values::Val;
use mlua::{IntoLuaMulti, Lua, MultiValue, Value};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use tidewire_units::Instant;
use tidewire_world::ProcessId;

/// Values on their way from process to process.
pub(crate) struct Line {
    items: VecDeque<Value>,
    capacity: usize,
    getters: VecDeque<ProcessId>,
    putters: VecDeque<ProcessId>,
    /// Who looks whether something is in it, among other things.
    watchers: Vec<ProcessId>,
}

impl Line {
    /// Whether somebody who asked now would get something.
    pub fn has_something(&self) -> bool {
        !self.items.is_empty() && self.getters.is_empty()
    }

    /// Wakes this process when something may be in it.
    pub fn tell(&mut self, who: ProcessId) {
        if !self.watchers.contains(&who) {
            self.watchers.push(who);
        }
    }
}

/// Who waits for a signal, and how often it was fired.
#[derive(Default)]
pub(crate) struct Bell {
    fired: u64,
    value: Option<Value>,
    waiting: Vec<ProcessId>,
}

impl Bell {
    /// How often it was fired.
    pub fn fired(&self) -> u64 {
        self.fired
    }

    /// Wakes this process when it is fired the next time.
    pub fn tell(&mut self, who: ProcessId) {
        if !self.waiting.contains(&who) {
            self.waiting.push(who);
        }
    }
}

/// Units that can be held by one process at a time.
pub(crate) struct Units {
    all: u64,
    held: u64,
    waiting: VecDeque<ProcessId>,
}

type SharedLine = Rc<RefCell<Line>>;
type SharedBell = Rc<RefCell<Bell>>;
type SharedUnits = Rc<RefCell<Units>>;

const USE: &str = r#"
local acquire, release = ...
local meta = { __close = function(unit) release(unit.of) end }
local setmetatable, type, error = setmetatable, type, error
return function(self, f, ...)
  if type(f) ~= "function" then error("resource:use(f, ...) needs a function, got " .. type(f), 2) end
  local ok, e = acquire(self)
  if not ok then return nil, e end
  local unit <close> = setmetatable({ of = self }, meta) -- also where f raises or the process is killed
  return f(...)
end
"#;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::QUEUE, |lua, sim, call| {
        sim.touch()?;
        let capacity = call.int(0).map_or(usize::MAX, |n| n as usize);
        let line = Line {
            items: VecDeque::new(),
            capacity,
            getters: VecDeque::new(),
            putters: VecDeque::new(),
            watchers: Vec::new(),
        };
        lua.create_userdata(Queue(Rc::new(RefCell::new(line))))
    })?;
    registry.add(&spec::QUEUE_PUT, |lua, sim, call| {
        let line = queue(&call)?;
        let value = match call.arg(0) {
            Some(Val::Any(value)) if !value.is_nil() => value.clone(),
            _ => return Err(Mistake::new("put() needs a value that is not nil").at_word("put").into()),
        };
        let deadline = call.deadline(sim.world.borrow().now(), None);
        block_on(lua, sim, Box::new(Put { line, value, deadline }))
    })?;
    registry.add(&spec::QUEUE_GET, |lua, sim, call| {
        let deadline = call.deadline(sim.world.borrow().now(), None);
        block_on(lua, sim, Box::new(Get { line: queue(&call)?, deadline }))
    })?;
    registry.length("queue", |this| Ok(this.borrow::<Queue>()?.0.borrow().items.len()))?;
    registry.shows("queue", |_, this| {
        Ok(format!("queue of {}", this.borrow::<Queue>()?.0.borrow().items.len()))
    })?;
    registry.add(&spec::SIGNAL, |lua, sim, _| {
        sim.touch()?;
        lua.create_userdata(Signal(Rc::default()))
    })?;
    registry.add(&spec::SIGNAL_FIRE, |_, sim, call| {
        let bell = signal(&call)?;
        let mut bell = bell.borrow_mut();
        bell.fired += 1;
        bell.value = match call.arg(0) {
            Some(Val::Any(value)) => Some(value.clone()),
            _ => None,
        };
        let mut world = sim.world()?;
        bell.waiting.drain(..).for_each(|process| world.wake(process));
        Ok(())
    })?;
    registry.add(&spec::SIGNAL_WAIT, |lua, sim, call| {
        let bell = signal(&call)?;
        let deadline = call.deadline(sim.world.borrow().now(), None);
        let seen = bell.borrow().fired;
        block_on(lua, sim, Box::new(Hear { bell, seen, deadline }))
    })?;
    resources(registry)
}

fn resources(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::RESOURCE, |lua, sim, call| {
        sim.touch()?;
        let all = call.int(0).unwrap_or(1) as u64;
        lua.create_userdata(Resource(Rc::new(RefCell::new(Units { all, held: 0, waiting: VecDeque::new() }))))
    })?;
    registry.add(&spec::RESOURCE_ACQUIRE, |lua, sim, call| {
        let deadline = call.deadline(sim.world.borrow().now(), None);
        block_on(lua, sim, Box::new(Acquire { units: resource(&call)?, queued: false, deadline }))
    })?;
    registry.add(&spec::RESOURCE_RELEASE, |_, sim, call| {
        let units = resource(&call)?;
        let mut units = units.borrow_mut();
        if units.held == 0 {
            return Err(Mistake::new("release() without acquire()").at_word("release").into());
        }
        units.held -= 1;
        if let Some(next) = units.waiting.front() {
            sim.world()?.wake(*next);
        }
        Ok(())
    })?;
    registry.field("resource", "held", |_, _, this| Ok(this.borrow::<Resource>()?.0.borrow().held))?;
    registry
        .field("resource", "waiting", |_, _, this| Ok(this.borrow::<Resource>()?.0.borrow().waiting.len()))?;
    registry.later.method("resource", "use", |lua, later| {
        let (acquire, release) =
            (later.get(lua, "resource", "acquire")?, later.get(lua, "resource", "release")?);
        crate::state::compiled(lua, USE)?.call((acquire, release))
    });
    Ok(())
}

fn queue(call: &Call) -> mlua::Result<SharedLine> {
    let this = call.this.as_ref().and_then(|this| this.borrow::<Queue>().ok());
    Ok(this.ok_or_else(|| wrong_this(call))?.0.clone())
}

fn signal(call: &Call) -> mlua::Result<SharedBell> {
    let this = call.this.as_ref().and_then(|this| this.borrow::<Signal>().ok());
    Ok(this.ok_or_else(|| wrong_this(call))?.0.clone())
}

fn resource(call: &Call) -> mlua::Result<SharedUnits> {
    let this = call.this.as_ref().and_then(|this| this.borrow::<Resource>().ok());
    Ok(this.ok_or_else(|| wrong_this(call))?.0.clone())
}

/// Puts a process into a line of those who wait, once.
fn line_up(waiting: &mut VecDeque<ProcessId>, me: ProcessId) {
    if !waiting.contains(&me) {
        waiting.push_back(me);
    }
}

/// Who stands first now goes on.
fn wake_front(sim: &Sim, first: Option<&ProcessId>) {
    first.into_iter().for_each(|first| sim.world.borrow_mut().wake(*first));
}

fn timeout(lua: &Lua) -> mlua::Result<Option<MultiValue>> {
    (Value::Nil, "timeout").into_lua_multi(lua).map(Some)
}

struct Put {
    line: SharedLine,
    value: Value,
    deadline: Instant,
}

impl Op for Put {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut world = sim.world()?;
        let mut line = self.line.borrow_mut();
        let first = line.putters.front().is_none_or(|first| *first == me);
        if line.items.len() < line.capacity && first {
            line.putters.retain(|waiting| *waiting != me);
            line.items.push_back(std::mem::replace(&mut self.value, Value::Nil));
            if let Some(next) = line.getters.front() {
                world.wake(*next);
            } else {
                line.watchers.drain(..).for_each(|next| world.wake(next));
            }
            return true.into_lua_multi(lua).map(Some);
        }
        if world.now() >= self.deadline {
            line.putters.retain(|waiting| *waiting != me);
            return timeout(lua);
        }
        line_up(&mut line.putters, me);
        world.wait(me, self.deadline, &[]);
        Ok(None)
    }

    fn cancel(&mut self, sim: &Sim, me: ProcessId) {
        let mut line = self.line.borrow_mut();
        line.putters.retain(|waiting| *waiting != me);
        let free = line.items.len() < line.capacity;
        wake_front(sim, line.putters.front().filter(|_| free));
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("queue:put()".to_owned(), "the queue is full".to_owned())
    }
}

struct Get {
    line: SharedLine,
    deadline: Instant,
}

impl Op for Get {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut world = sim.world()?;
        let mut line = self.line.borrow_mut();
        let first = line.getters.front().is_none_or(|first| *first == me);
        if first && let Some(value) = line.items.pop_front() {
            line.getters.retain(|waiting| *waiting != me);
            // Others may go on: who waits to put, and who waits behind for what is left.
            line.putters.front().into_iter().for_each(|next| world.wake(*next));
            if !line.items.is_empty() {
                line.getters.front().into_iter().for_each(|next| world.wake(*next));
            }
            if line.has_something() {
                line.watchers.drain(..).for_each(|next| world.wake(next));
            }
            return value.into_lua_multi(lua).map(Some);
        }
        if world.now() >= self.deadline {
            line.getters.retain(|waiting| *waiting != me);
            return timeout(lua);
        }
        line_up(&mut line.getters, me);
        world.wait(me, self.deadline, &[]);
        Ok(None)
    }

    fn cancel(&mut self, sim: &Sim, me: ProcessId) {
        let mut line = self.line.borrow_mut();
        line.getters.retain(|waiting| *waiting != me);
        let some = !line.items.is_empty();
        wake_front(sim, line.getters.front().filter(|_| some));
        if line.has_something() {
            let mut world = sim.world.borrow_mut();
            line.watchers.drain(..).for_each(|next| world.wake(next));
        }
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("queue:get()".to_owned(), "the queue is empty".to_owned())
    }
}

struct Hear {
    bell: SharedBell,
    seen: u64,
    deadline: Instant,
}

impl Op for Hear {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut world = sim.world()?;
        let mut bell = self.bell.borrow_mut();
        if bell.fired > self.seen {
            return (true, bell.value.clone()).into_lua_multi(lua).map(Some);
        }
        if world.now() >= self.deadline {
            bell.waiting.retain(|waiting| *waiting != me);
            return timeout(lua);
        }
        bell.tell(me);
        world.wait(me, self.deadline, &[]);
        Ok(None)
    }

    fn cancel(&mut self, _: &Sim, me: ProcessId) {
        self.bell.borrow_mut().waiting.retain(|waiting| *waiting != me);
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("signal:wait()".to_owned(), "it was not fired".to_owned())
    }
}

struct Acquire {
    units: SharedUnits,
    queued: bool,
    deadline: Instant,
}

impl Op for Acquire {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut world = sim.world()?;
        let mut units = self.units.borrow_mut();
        let first = units.waiting.front().is_none_or(|first| *first == me);
        if units.held < units.all && first {
            units.held += 1;
            if self.queued {
                units.waiting.retain(|waiting| *waiting != me);
                if units.held < units.all {
                    units.waiting.front().into_iter().for_each(|next| world.wake(*next));
                }
            }
            return true.into_lua_multi(lua).map(Some);
        }
        if world.now() >= self.deadline {
            units.waiting.retain(|waiting| *waiting != me);
            return timeout(lua);
        }
        self.queued = true;
        line_up(&mut units.waiting, me);
        world.wait(me, self.deadline, &[]);
        Ok(None)
    }

    fn cancel(&mut self, sim: &Sim, me: ProcessId) {
        let mut units = self.units.borrow_mut();
        units.waiting.retain(|waiting| *waiting != me);
        let free = units.held < units.all;
        wake_front(sim, units.waiting.front().filter(|_| free));
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        let units = self.units.borrow();
        ("resource:acquire()".to_owned(), format!("{} of {} are held", units.held, units.all))
    }
}
