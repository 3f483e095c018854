//! Processes: coroutines that wait for time, sockets and each other.
//!
//! A blocking function makes an [`Op`] and tries it at once. While it cannot be completed, the coroutine yields; the world says
//! when there is reason to try again.

use crate::Place;
use crate::mistake::Mistake;
use crate::sim::{Ending, Mode, Shared, Sim};
use crate::state::raw::{self, Frame, frames_of};
use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Thread, Value};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use tidewire_units::{Instant, NodeId, Span};
use tidewire_world::ProcessId;

/// Something that may take simulated time.
pub(crate) trait Op {
    /// Tries to complete; `None` when a wait was registered with the world.
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>>;
    /// What the process waits in, for the report of a deadlock: `recv()`, and details.
    fn describe(&self, sim: &Sim) -> (String, String);
    /// For how long something that keeps no run alive by itself may still end the wait.
    fn patience(&self, _sim: &Sim) -> Option<Span> {
        None
    }
    /// Whether nobody takes what it has to give, when nothing else is left to happen.
    fn is_stuck(&self) -> bool {
        false
    }
    /// Whether it waits for others to begin something, for ever.
    fn is_open_ended(&self) -> bool {
        false
    }
    /// The process goes on, or ends, without having completed this: it leaves the lines in which it stands.
    fn cancel(&mut self, _sim: &Sim, _me: ProcessId) {}
}

/// How a process ended, for those who join it.
#[derive(Clone)]
pub(crate) enum Outcome {
    /// It runs or waits.
    Alive,
    /// It returned these values.
    Returned(Vec<Value>),
    /// It was killed.
    Killed,
}

impl Record {
    /// Wakes this process when it ends.
    pub fn tell(&self, who: ProcessId) {
        let mut joiners = self.joiners.borrow_mut();
        if !joiners.contains(&who) {
            joiners.push(who);
        }
    }
}

/// What outlives a process: its handles look at it.
pub(crate) struct Record {
    pub id: ProcessId,
    pub name: String,
    pub host: Option<NodeId>,
    pub started: Option<Place>,
    pub outcome: RefCell<Outcome>,
    /// What it shares with others of which only one computes at a time.
    pub lane: RefCell<Option<crate::bind::work::SharedLane>>,
    /// How long it computed, and waited for that.
    pub cpu: Cell<(Span, Span)>,
    joiners: RefCell<Vec<ProcessId>>,
}

struct Process {
    thread: Thread,
    /// Arguments of its first step.
    args: Option<MultiValue>,
    op: Option<Box<dyn Op>>,
    record: Rc<Record>,
}

/// A callback of `at`, `after` or `every`.
struct Timer {
    callback: Function,
    every: Option<Span>,
    next: Instant,
    busy: Option<Rc<Record>>,
    skipped: u64,
    ticked: bool,
    what: &'static str,
    place: Option<Place>,
}

/// All processes and callbacks of a run.
#[derive(Default)]
pub(crate) struct Sched {
    processes: BTreeMap<u32, Process>,
    current: Option<ProcessId>,
    main: Option<Rc<Record>>,
    timers: BTreeMap<u64, Timer>,
    next_timer: u64,
    spawned: u32,
    /// Functions of `at_end` run now: nothing may wait.
    pub over: bool,
}

/// An error of a process, and where it stood.
pub(crate) struct Failure {
    pub error: mlua::Error,
    pub frames: Vec<Frame>,
    pub record: Rc<Record>,
}

impl Sched {
    pub fn release(&mut self) {
        self.processes.clear();
        self.timers.clear();
        self.main = None;
    }

    /// Whether the main program still runs.
    pub fn main_is_alive(&self) -> bool {
        self.main.as_ref().is_some_and(|main| main.is_alive())
    }

    /// Ticks of `every` that were skipped because the last one had not ended.
    pub fn skipped(&self) -> u64 {
        self.timers.values().map(|timer| timer.skipped).sum()
    }

    /// Where an `every` stands that was never called, if there is one.
    pub fn never_ticked(&self) -> Option<Option<Place>> {
        self.timers
            .values()
            .find(|timer| timer.what == "every" && timer.every.is_some() && !timer.ticked)
            .map(|timer| timer.place.clone())
    }

    /// The host that the running process belongs to.
    pub fn current_host(&self) -> Option<NodeId> {
        self.processes.get(&self.current?.0)?.record.host
    }

    /// The running process.
    pub fn current(&self) -> Option<&Rc<Record>> {
        Some(&self.processes.get(&self.current?.0)?.record)
    }

    fn add_timer(&mut self, timer: Timer) -> u64 {
        self.next_timer += 1;
        self.timers.insert(self.next_timer, timer);
        self.next_timer
    }

    /// Whether no process and no callback of `at` or `after` is left that could still do something by itself: servers that wait to be
    /// asked do not.
    pub fn is_over(&self) -> bool {
        let waits = |process: &Process| process.op.as_ref().is_some_and(|op| op.is_open_ended());
        !self.main_is_alive()
            && self.processes.values().all(waits)
            && self.timers.values().all(|timer| timer.every.is_some())
    }

    /// A number for the next process that has no name.
    pub fn next_name(&mut self) -> u32 {
        self.spawned += 1;
        self.spawned
    }

    /// Forgets a callback.
    pub fn cancel_timer(&mut self, id: u64) {
        self.timers.remove(&id);
    }
}

impl Record {
    pub fn is_alive(&self) -> bool {
        matches!(*self.outcome.borrow(), Outcome::Alive)
    }

    /// "in process 'server' of bob, started at exp.lua:9"; empty for the main program.
    pub fn who(&self, sim: &Sim) -> String {
        if self.name == "main" {
            return String::new();
        }
        let host =
            self.host.map_or_else(String::new, |host| format!(" of {}", sim.plan.borrow().node(host).name));
        if let Some(control) = self.name.strip_prefix(CONTROL) {
            let place = self.started.as_ref();
            let declared =
                place.map_or_else(String::new, |at| format!(", declared at {}:{}", at.file, at.line));
            return format!("in the congestion control '{control}'{declared}");
        }
        let started = self
            .started
            .as_ref()
            .map_or_else(String::new, |place| format!(", started at {}:{}", place.file, place.line));
        format!("in process '{}'{host}{started}", self.name)
    }
}

/// The main program: it runs before time starts, even in a plan.
pub(crate) fn spawn_main(lua: &Lua, sim: &Shared, body: Function) -> mlua::Result<Rc<Record>> {
    let id = sim.world.borrow_mut().spawn_script();
    let record = start(lua, sim, id, body, MultiValue::new(), None, "main", None)?;
    sim.sched.borrow_mut().main = Some(record.clone());
    Ok(record)
}

/// Calls a function in a coroutine of its own, in which nothing can wait.
pub(crate) fn run_alone(lua: &Lua, sim: &Shared, body: Function) -> Result<(), Failure> {
    let id = sim.world.borrow_mut().spawn_script();
    match start(lua, sim, id, body, MultiValue::new(), None, "at_end", None) {
        Ok(record) => resume(sim, record.id),
        Err(error) => Err(Failure { error, frames: Vec::new(), record: nobody("at_end", None) }),
    }
}

/// How the name of a record begins that stands for a congestion control.
pub(crate) const CONTROL: &str = "congestion control ";

/// A record of something that is no process and fails.
pub(crate) fn nobody(name: &str, started: Option<Place>) -> Rc<Record> {
    Rc::new(Record {
        id: ProcessId(u32::MAX),
        name: name.to_owned(),
        host: None,
        started,
        outcome: RefCell::new(Outcome::Killed),
        lane: RefCell::default(),
        cpu: Cell::default(),
        joiners: RefCell::default(),
    })
}

/// Starts a process at this instant, after what runs now.
pub(crate) fn spawn(
    lua: &Lua,
    sim: &Shared,
    body: Function,
    args: MultiValue,
    host: Option<NodeId>,
    name: &str,
    started: Option<Place>,
) -> mlua::Result<Rc<Record>> {
    let id = sim.world()?.spawn_script();
    start(lua, sim, id, body, args, host, name, started)
}

#[expect(clippy::too_many_arguments, reason = "they are the fields of the record")]
fn start(
    lua: &Lua,
    sim: &Shared,
    id: ProcessId,
    body: Function,
    args: MultiValue,
    host: Option<NodeId>,
    name: &str,
    started: Option<Place>,
) -> mlua::Result<Rc<Record>> {
    let thread = lua.create_thread(body)?;
    sim.prelude().mark.call::<()>(&thread)?;
    let name = name.to_owned();
    let outcome = RefCell::new(Outcome::Alive);
    let (lane, joiners) = (RefCell::default(), RefCell::default());
    let record = Rc::new(Record { id, name, host, started, outcome, lane, cpu: Cell::default(), joiners });
    let process = Process { thread, args: Some(args), op: None, record: record.clone() };
    sim.sched.borrow_mut().processes.insert(id.0, process);
    Ok(record)
}

/// Lets a process go on until it waits or ends.
pub(crate) fn resume(sim: &Shared, id: ProcessId) -> Result<(), Failure> {
    let (thread, args, record) = {
        let mut sched = sim.sched.borrow_mut();
        let Some(process) = sched.processes.get_mut(&id.0) else { return Ok(()) };
        let entry = (process.thread.clone(), process.args.take(), process.record.clone());
        sched.current = Some(id);
        entry
    };
    let watch = sim.watch.get();
    let depth = raw::depth();
    raw::enter(thread.state());
    watch.inspect(|watch| {
        watch.set_now(sim.now());
        watch.begin();
    });
    let result = match args {
        Some(args) => thread.resume::<MultiValue>(args),
        None => thread.resume::<MultiValue>(()),
    };
    watch.inspect(|watch| watch.end());
    raw::leave_to(depth);
    sim.sched.borrow_mut().current = None;
    match result {
        Ok(values) => {
            if thread.status() != mlua::thread::ThreadStatus::Resumable {
                finish(sim, id, Outcome::Returned(values.into_iter().collect()));
            } else if !sim.sched.borrow().processes.contains_key(&id.0) {
                // It was killed while it ran, and has come to where it would wait.
                close(sim, &thread);
            }
            Ok(())
        }
        Err(error) => {
            let frames = frames_of(thread.state(), 20);
            finish(sim, id, Outcome::Killed);
            Err(Failure { error, frames, record })
        }
    }
}

/// Ends a process, for whatever reason, and wakes who waits for it.
pub(crate) fn finish(sim: &Sim, id: ProcessId, outcome: Outcome) {
    let process = sim.sched.borrow_mut().processes.remove(&id.0);
    let Some(mut process) = process else { return };
    if let Some(mut op) = process.op.take() {
        op.cancel(sim, id);
    }
    if matches!(outcome, Outcome::Killed) {
        crate::bind::work::killed(sim, &process.record);
    }
    let mut world = sim.world.borrow_mut();
    world.end_process(id);
    *process.record.outcome.borrow_mut() = outcome;
    for joiner in process.record.joiners.take() {
        world.wake(joiner);
    }
}

/// Ends a process from outside; the one that runs goes no further than to where it waits next.
pub(crate) fn kill(sim: &Sim, id: ProcessId) {
    let thread = sim.sched.borrow().processes.get(&id.0).map(|process| process.thread.clone());
    finish(sim, id, Outcome::Killed);
    if let Some(thread) = thread {
        close(sim, &thread);
    }
}

/// Runs what a killed process left to be closed (`local x <close>`). Nothing can wait there.
fn close(sim: &Sim, thread: &Thread) {
    if thread.status() != mlua::thread::ThreadStatus::Resumable {
        return;
    }
    let current = sim.sched.borrow_mut().current.take();
    let call = || sim.prelude().close.call::<(bool, Value)>(thread);
    let result = match sim.watch.get() {
        Some(watch) => watch.within(call),
        None => call(),
    };
    sim.sched.borrow_mut().current = current;
    let why = match result {
        Ok((true, _)) => return,
        Ok((false, error)) => error.to_string().unwrap_or_default(),
        Err(error) => error.to_string(),
    };
    sim.out.borrow_mut().warn(format!("what a killed process had to close failed: {why}"), None);
}

/// Ends every process of a host; the one that runs goes no further than to where it waits next.
pub(crate) fn kill_all_of(sim: &Sim, node: NodeId) {
    let all: Vec<Rc<Record>> = (sim.sched.borrow().processes.values())
        .map(|process| process.record.clone())
        .filter(|record| record.host == Some(node))
        .collect();
    all.into_iter().for_each(|record| kill(sim, record.id));
}

/// Tries an operation for the running process: its results, or the token that makes the prelude yield.
pub(crate) fn block_on(lua: &Lua, sim: &Shared, mut op: Box<dyn Op>) -> mlua::Result<MultiValue> {
    if sim.sched.borrow().over {
        return Err(Mistake::new("functions of at_end() cannot wait: the run is over").into());
    }
    let Some(me) = sim.sched.borrow().current else {
        return Err(Mistake::new("nothing can wait here").into());
    };
    // What an inner coroutine waited in that was closed meanwhile.
    let stale = sim.sched.borrow_mut().processes.get_mut(&me.0).and_then(|process| process.op.take());
    if let Some(mut stale) = stale {
        stale.cancel(sim, me);
    }
    if let Some(values) = op.poll(lua, sim, me)? {
        sim.note_refusal(lua, op.describe(sim).0.trim_end_matches("()"), &values);
        return Ok(values);
    }
    if sim.mode == Mode::Build {
        return Err(sim.unwind(Ending::Complete));
    }
    if let Some(process) = sim.sched.borrow_mut().processes.get_mut(&me.0) {
        process.op = Some(op);
    }
    sim.prelude().token.clone().into_lua_multi(lua)
}

/// Goes on with what the running process waits in.
pub(crate) fn again(lua: &Lua, sim: &Shared) -> mlua::Result<MultiValue> {
    let (me, op) = {
        let mut sched = sim.sched.borrow_mut();
        let me = sched.current.expect("only a process waits");
        let op = sched.processes.get_mut(&me.0).and_then(|process| process.op.take());
        (me, op)
    };
    let mut op = op.expect("who waits has an operation");
    if let Some(values) = op.poll(lua, sim, me)? {
        sim.note_refusal(lua, op.describe(sim).0.trim_end_matches("()"), &values);
        return Ok(values);
    }
    if let Some(process) = sim.sched.borrow_mut().processes.get_mut(&me.0) {
        process.op = Some(op);
    }
    sim.prelude().token.clone().into_lua_multi(lua)
}

/// Calls `callback` at `at`, and again every so often.
pub(crate) fn schedule(
    lua: &Lua,
    sim: &Shared,
    at: Instant,
    every: Option<Span>,
    callback: Function,
    what: &'static str,
) -> mlua::Result<u64> {
    enter(lua, sim, at, every, callback, what, every.is_some())
}

/// Calls a function at a time, if anything else keeps the run alive until then.
pub(crate) fn schedule_in_background(
    lua: &Lua,
    sim: &Shared,
    at: Instant,
    callback: Function,
    what: &'static str,
) -> mlua::Result<u64> {
    enter(lua, sim, at, None, callback, what, true)
}

fn enter(
    lua: &Lua,
    sim: &Shared,
    at: Instant,
    every: Option<Span>,
    callback: Function,
    what: &'static str,
    background: bool,
) -> mlua::Result<u64> {
    let place = crate::sim::here(lua);
    let timer = Timer { callback, every, next: at, busy: None, skipped: 0, ticked: false, what, place };
    let mut world = sim.world()?;
    let id = sim.sched.borrow_mut().add_timer(timer);
    world.schedule(at, id, background);
    Ok(id)
}

/// A callback is due.
pub(crate) fn control(lua: &Lua, sim: &Shared, token: u64) -> Result<(), Failure> {
    let (callback, what, place, busy) = {
        let mut sched = sim.sched.borrow_mut();
        let Some(timer) = sched.timers.get_mut(&token) else { return Ok(()) };
        let busy = timer.busy.as_ref().is_some_and(|record| record.is_alive());
        timer.ticked = true;
        if let Some(every) = timer.every {
            timer.next += every;
            timer.skipped += u64::from(busy);
            sim.world.borrow_mut().schedule(timer.next, token, true);
        }
        (timer.callback.clone(), timer.what, timer.place.clone(), busy)
    };
    if busy {
        return Ok(());
    }
    let record = match spawn(lua, sim, callback, MultiValue::new(), None, what, place.clone()) {
        Ok(record) => record,
        Err(error) => {
            let record = nobody(what, place);
            return Err(Failure { error, frames: Vec::new(), record });
        }
    };
    {
        let mut sched = sim.sched.borrow_mut();
        match sched.timers.get_mut(&token) {
            Some(timer) if timer.every.is_some() => timer.busy = Some(record.clone()),
            _ => sched.cancel_timer(token),
        }
    }
    resume(sim, record.id)
}

/// Who waits in what, for a deadlock: name, operation, place, details.
pub(crate) fn waiting(sim: &Sim) -> Vec<[String; 4]> {
    waiting_where(sim, |_| true)
}

/// The same of those who have something to say that nobody takes.
pub(crate) fn stuck(sim: &Sim) -> Vec<[String; 4]> {
    waiting_where(sim, |op| op.is_stuck())
}

fn waiting_where(sim: &Sim, wanted: impl Fn(&dyn Op) -> bool) -> Vec<[String; 4]> {
    let sched = sim.sched.borrow();
    let mut rows = Vec::new();
    for process in sched.processes.values() {
        let Some(op) = process.op.as_deref().filter(|op| wanted(*op)) else { continue };
        let (what, details) = op.describe(sim);
        let place = frames_of(process.thread.state(), 1)
            .pop()
            .map_or_else(String::new, |frame| format!("{}:{}", frame.chunk, frame.line));
        let record = &process.record;
        let name = match record.host {
            Some(host) => format!("{} ({})", record.name, sim.plan.borrow().node(host).name),
            None => record.name.clone(),
        };
        rows.push([name, what, place, details]);
    }
    rows
}

/// For how long a wait of the main program, or of one that it may depend on, may still be ended by a timer in the background.
pub(crate) fn patience(sim: &Sim) -> Option<Span> {
    let sched = sim.sched.borrow();
    let ops = sched.processes.values().filter_map(|process| process.op.as_ref());
    ops.filter_map(|op| op.patience(sim)).max()
}

/// Where the main program waits.
pub(crate) fn main_place(sim: &Sim) -> Option<Place> {
    let main = sim.sched.borrow().main.as_ref()?.id;
    place_of(sim, main)
}

/// Where a process waits.
pub(crate) fn place_of(sim: &Sim, id: ProcessId) -> Option<Place> {
    let sched = sim.sched.borrow();
    let process = sched.processes.get(&id.0)?;
    let frame = frames_of(process.thread.state(), 1).pop()?;
    Some(Place { file: frame.chunk, line: frame.line })
}

/// `sleep(t)`.
pub(crate) struct Sleep {
    pub until: Instant,
    /// A sleep of no time still is a wait.
    pub waited: bool,
}

impl Op for Sleep {
    fn poll(&mut self, _: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut world = sim.world()?;
        if self.waited && world.now() >= self.until {
            return Ok(Some(MultiValue::new()));
        }
        self.waited = true;
        if self.until <= world.now() {
            world.give_way(me);
        } else {
            world.wait(me, self.until, &[]);
        }
        Ok(None)
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("sleep()".to_owned(), format!("until t = {}", self.until))
    }
}
