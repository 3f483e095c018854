//! Processor cores and memory of hosts: who has them, who waits.
//!
//! ```text
//!   host:work(t) --> lane (one of those that share it) --> core (one of host's cores) --> t later: both are free
//! ```

use super::Natives;
use crate::classes::{Registry, this_node};
use crate::mistake::Mistake;
use crate::sched::{Op, Record, block_on};
use crate::sim::{Shared, Sim};
use crate::spec::host as spec;
use crate::values::Val;
use mlua::{IntoLua, IntoLuaMulti, Lua, MultiValue, Table, UserData, Value};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use tidewire_topology::NodeSpec;
use tidewire_units::{Instant, NodeId, Span};
use tidewire_world::{ProcessId, World};

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::WORK, |lua, sim, call| {
        let node = this_node(&call)?;
        let time = call.arg(0).and_then(Val::span).unwrap_or(Span::ZERO);
        let time = match sim.cpus.borrow().get(&node.0) {
            Some(cpu) => Span::from_secs_f64(time.as_secs_f64() / cpu),
            None => time,
        };
        let lane = sim.sched.borrow().current().and_then(|record| record.lane.borrow().clone());
        let asked = sim.now();
        let op = Work { node, time, asked, until: None, queued: false, lane, in_lane: false };
        block_on(lua, sim, Box::new(op))
    })?;
    registry.add(&spec::ALLOCATE, |lua, sim, call| {
        let size = size(call.arg(0));
        let mut all = sim.memory.borrow_mut();
        match all.entry(this_node(&call)?.0).or_default().take(size) {
            true => true.into_lua_multi(lua),
            false => (Value::Nil, "out of memory").into_lua_multi(lua),
        }
    })?;
    registry.add(&spec::FREE, |_, sim, call| {
        let (node, size) = (this_node(&call)?, size(call.arg(0)));
        let mut all = sim.memory.borrow_mut();
        let memory = all.entry(node.0).or_default();
        let Some(left) = memory.used.checked_sub(size) else {
            let text =
                format!("host:free({size}) gives back more than the {} B that were taken", memory.used);
            return Err(Mistake::new(text).at_word("free").into());
        };
        memory.used = left;
        Ok(())
    })
}

fn size(value: Option<&Val>) -> u64 {
    match value {
        Some(Val::Size(size)) => size.0,
        _ => 0,
    }
}

/// Functions that only the modules see.
pub(super) fn natives(native: &Natives<'_>) -> mlua::Result<()> {
    native.add("lane", |_, _, ()| Ok(LaneHandle(SharedLane::default())))?;
    // From now on the running process computes only when no other of the lane does.
    native.add("enter_lane", |_, sim, lane: mlua::AnyUserData| {
        let lane = lane.borrow::<LaneHandle>()?.0.clone();
        if let Some(record) = sim.sched.borrow().current() {
            *record.lane.borrow_mut() = Some(lane);
        }
        Ok(())
    })?;
    // A number that no other living process has.
    native.add("me", |_, sim, ()| Ok(sim.sched.borrow().current().map(|record| record.id.0)))?;
    // How many picoseconds the running process has computed, and waited for that.
    native.add("cpu", |_, sim, ()| {
        let (worked, waited) =
            sim.sched.borrow().current().map(|record| record.cpu.get()).unwrap_or_default();
        Ok((worked.as_ps() as i64, waited.as_ps() as i64))
    })?;
    native.add("now_ps", |_, sim, ()| Ok(sim.now().as_ps() as i64))
}

/// Processes of which only one computes at a time: threads under one lock, callbacks of one loop.
#[derive(Default)]
pub(crate) struct Lane {
    holder: Option<ProcessId>,
    waiting: VecDeque<ProcessId>,
}

pub(crate) type SharedLane = Rc<RefCell<Lane>>;

struct LaneHandle(SharedLane);

impl UserData for LaneHandle {}

impl Lane {
    /// Whether the process has it now; else it stands in the queue.
    fn take(&mut self, me: ProcessId) -> bool {
        let first = self.waiting.front().copied();
        if self.holder.is_none() && first.is_none_or(|first| first == me) {
            self.waiting.pop_front();
            self.holder = Some(me);
            return true;
        }
        if !self.waiting.contains(&me) {
            self.waiting.push_back(me);
        }
        false
    }

    /// Gives it back; who is next.
    fn leave(&mut self) -> Option<ProcessId> {
        self.holder = None;
        self.waiting.front().copied()
    }
}

/// The processor cores of a host.
#[derive(Default)]
pub(crate) struct Cores {
    busy: Vec<(ProcessId, Instant)>,
    waiting: VecDeque<ProcessId>,
    done: Span,
}

impl Cores {
    /// How long cores were busy, added up.
    fn busy_time(&self, now: Instant) -> Span {
        self.busy.iter().fold(self.done, |sum, (_, since)| sum + now.since(*since))
    }

    fn release(&mut self, who: ProcessId, now: Instant) {
        if let Some(at) = self.busy.iter().position(|(holder, _)| *holder == who) {
            let (_, since) = self.busy.swap_remove(at);
            self.done += now.since(since);
        }
    }
}

/// The main memory of a host.
#[derive(Default)]
pub(crate) struct Memory {
    pub limit: Option<u64>,
    used: u64,
    peak: u64,
    refused: u64,
}

impl Memory {
    fn take(&mut self, size: u64) -> bool {
        let used = self.used.saturating_add(size);
        if used > self.limit.unwrap_or(u64::MAX) {
            self.refused += 1;
            return false;
        }
        self.used = used;
        self.peak = self.peak.max(used);
        true
    }
}

/// What `host.stats` tells of cores and memory.
pub(super) fn stats(sim: &Sim, world: &World, node: NodeId, table: &Table) -> mlua::Result<()> {
    let now = world.now().as_secs_f64();
    let busy =
        sim.cores.borrow().get(&node.0).map_or(0.0, |cores| cores.busy_time(world.now()).as_secs_f64());
    let share = if now > 0.0 { busy / (now * f64::from(cores_of(sim, node))) } else { 0.0 };
    table.raw_set("cpu_utilization", share)?;
    let all = sim.memory.borrow();
    let memory = all.get(&node.0);
    table.raw_set("memory_used", memory.map_or(0, |memory| memory.used))?;
    table.raw_set("memory_peak", memory.map_or(0, |memory| memory.peak))?;
    table.raw_set("memory_refused", memory.map_or(0, |memory| memory.refused))
}

/// Nothing of a host that crashed is kept; its processes are killed one by one.
pub(super) fn crashed(sim: &Sim, node: NodeId) {
    if let Some(memory) = sim.memory.borrow_mut().get_mut(&node.0) {
        memory.used = 0;
    }
}

/// A process that was killed holds no core and no lane, and waits for none.
pub(crate) fn killed(sim: &Sim, record: &Record) {
    let (me, now) = (record.id, sim.now());
    let mut woken = Vec::new();
    for cores in sim.cores.borrow_mut().values_mut() {
        cores.waiting.retain(|waits| *waits != me);
        cores.release(me, now);
        woken.extend(cores.waiting.front());
    }
    if let Some(lane) = &*record.lane.borrow() {
        let mut lane = lane.borrow_mut();
        lane.waiting.retain(|waits| *waits != me);
        if lane.holder == Some(me) {
            woken.extend(lane.leave());
        }
    }
    let mut world = sim.world.borrow_mut();
    woken.into_iter().for_each(|next| world.wake(next));
}

fn cores_of(sim: &Sim, node: NodeId) -> u32 {
    match &sim.plan.borrow().node(node).spec {
        NodeSpec::Host(host) => host.cores.max(1),
        _ => 1,
    }
}

struct Work {
    node: NodeId,
    time: Span,
    asked: Instant,
    until: Option<Instant>,
    queued: bool,
    lane: Option<SharedLane>,
    in_lane: bool,
}

impl Work {
    fn done(&self, world: &mut World, cores: &mut Cores, me: ProcessId, until: Instant) -> f64 {
        cores.release(me, world.now());
        if let Some(next) = cores.waiting.front() {
            world.wake(*next);
        }
        if let Some(next) = self.lane.as_ref().and_then(|lane| lane.borrow_mut().leave()) {
            world.wake(next);
        }
        (until - self.time).since(self.asked).as_secs_f64()
    }
}

impl Op for Work {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut world = sim.world()?;
        if let (Some(lane), false) = (&self.lane, self.in_lane) {
            self.in_lane = lane.borrow_mut().take(me);
            if !self.in_lane {
                world.wait(me, Instant::MAX, &[]);
                return Ok(None);
            }
        }
        let limit = cores_of(sim, self.node) as usize;
        let mut all = sim.cores.borrow_mut();
        let cores = all.entry(self.node.0).or_default();
        let now = world.now();
        match self.until {
            None if cores.busy.len() < limit
                && (cores.waiting.is_empty() || cores.waiting.front() == Some(&me)) =>
            {
                if self.queued {
                    cores.waiting.pop_front();
                }
                cores.busy.push((me, now));
                self.until = Some(now + self.time);
                // Two cores may have become free at once, and both have woken this one.
                if let Some(next) = cores.waiting.front().filter(|_| cores.busy.len() < limit) {
                    world.wake(*next);
                }
                world.wait(me, now + self.time, &[]);
                Ok(None)
            }
            None => {
                if !self.queued {
                    self.queued = true;
                    cores.waiting.push_back(me);
                }
                world.wait(me, Instant::MAX, &[]);
                Ok(None)
            }
            Some(until) if now >= until => {
                if let Some(record) = sim.sched.borrow().current() {
                    let (worked, waited) = record.cpu.get();
                    record.cpu.set((worked + self.time, waited + (until - self.time).since(self.asked)));
                }
                self.done(&mut world, cores, me, until).into_lua(lua)?.into_lua_multi(lua).map(Some)
            }
            Some(until) => {
                world.wait(me, until, &[]);
                Ok(None)
            }
        }
    }

    fn cancel(&mut self, sim: &Sim, me: ProcessId) {
        let mut next = None;
        if let Some(cores) = sim.cores.borrow_mut().get_mut(&self.node.0) {
            cores.waiting.retain(|waits| *waits != me);
            cores.release(me, sim.now());
            next = cores.waiting.front().copied();
        }
        let mut behind = None;
        if let Some(lane) = &self.lane {
            let mut lane = lane.borrow_mut();
            lane.waiting.retain(|waits| *waits != me);
            if lane.holder == Some(me) {
                behind = lane.leave();
            }
        }
        let mut world = sim.world.borrow_mut();
        next.into_iter().chain(behind).for_each(|next| world.wake(next));
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("work()".to_owned(), if self.until.is_some() { String::new() } else { "for a free core".to_owned() })
    }
}
