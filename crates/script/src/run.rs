//! From a script to its plan, its network and its results.

use crate::mistake::{Mistake, mistake_of, render};
use crate::output::Output;
use crate::sched;
use crate::sim::{Ending, Mode, Shared, Sim, here};
use crate::state::watchdog::{Watch, Who};
use crate::state::{Draw, LuaState, Natives, furnish};
use crate::{
    Check, Ended, Experiment, Fault, Place, Point, RunRequest, RunResult, Script, ScriptError, SweepTables,
    Warning, bind, classes,
};
use mlua::{Lua, MultiValue, Value};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use tidewire_metrics as metrics;
use tidewire_topology::Plan;
use tidewire_units::{Instant, Span};
use tidewire_world::{Limit, Options, Pause, World};

/// Memory of a plan or a network that is only built.
const PLAN_MEMORY: u64 = 1 << 30;
/// After so many steps of processes at one instant, it is taken for the last one.
const MOST_STEPS: u64 = 1_000_000;
/// A run without duration that gets so far was cut by the end of the clock: what comes later than that never comes.
const LAST_DAY: Instant = Instant::from_ps(u64::MAX - 86_400 * 1_000_000_000_000);
/// CPU time that finding the `experiment{}` may take.
const PLAN_TIMEOUT_S: f64 = 2.0;

/// What the script declares with `experiment{}`, with the values of some parameters replaced. A script without one is one run.
///
/// # Errors
/// Syntax errors, mistakes before or in `experiment{}`, an override that names no parameter.
pub fn plan(script: &Script, overrides: &[(String, Vec<metrics::Value>)]) -> Result<Experiment, ScriptError> {
    plan_within(script, overrides, PLAN_TIMEOUT_S)
}

/// As [`plan`]; the script may run for `timeout_s` seconds of CPU time.
///
/// # Errors
/// Also when that is not enough.
pub fn plan_within(
    script: &Script,
    overrides: &[(String, Vec<metrics::Value>)],
    timeout_s: f64,
) -> Result<Experiment, ScriptError> {
    let settings = Settings { timeout_s, ..Settings::default() };
    let run = Run::new(Mode::Plan, script, Point::new(), undeclared(script), settings)?;
    *run.sim.overrides.borrow_mut() = overrides.to_vec();
    let result = run.start();
    let declared = run.sim.experiment.borrow().clone();
    if result.is_err() {
        UNSAID.with_borrow_mut(|unsaid| *unsaid = texts(&mut run.sim.out.borrow_mut().log).collect());
    }
    match result {
        Err(error) => Err(error),
        Ok(()) if !declared.declared && !overrides.is_empty() => {
            let message = format!(
                "no parameter '{}' to set with -p: the script declares none with experiment{{ params = ... }}",
                overrides[0].0
            );
            Err(ScriptError { fault: Fault::Script, place: None, message })
        }
        Ok(()) => Ok(declared),
    }
}

/// Calls the script's `after_all` with the results of a sweep. Gives what it printed and checked.
///
/// # Errors
/// Mistakes of the function.
pub fn after_all(
    script: &Script,
    tables: SweepTables,
    timeout_s: f64,
) -> Result<(Vec<String>, Vec<Check>), ScriptError> {
    let settings = Settings { timeout_s, ..Settings::default() };
    let run = Run::new(Mode::Plan, script, Point::new(), undeclared(script), settings)?;
    *run.sim.after.borrow_mut() = Some(tables);
    run.start()?;
    let out = &mut *run.sim.out.borrow_mut();
    Ok((texts(&mut out.log).collect(), std::mem::take(&mut out.checks)))
}

/// What was printed, without the times.
fn texts(log: &mut Vec<String>) -> impl Iterator<Item = String> + '_ {
    log.drain(..).map(|line| line.split_once("] ").map_or(line.clone(), |(_, text)| text.into()))
}

thread_local! {
    static UNSAID: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// What the last script that could not be planned had printed before its mistake. A plan prints nothing by itself: the runs do.
pub fn take_unsaid() -> Vec<String> {
    UNSAID.take()
}

/// The network that the script builds at one point, with its addresses.
///
/// # Errors
/// Mistakes of the script up to the point where time would start.
pub fn build(script: &Script, experiment: &Experiment, point: &Point) -> Result<Plan, ScriptError> {
    built(script, experiment, point).map(|(plan, _)| plan)
}

/// As [`build`]; with what looks wrong up to the point where time would start.
///
/// # Errors
/// Also a run that would never end.
pub fn inspect(
    script: &Script,
    experiment: &Experiment,
    point: &Point,
) -> Result<(Plan, Vec<Warning>), ScriptError> {
    let (plan, run) = built(script, experiment, point)?;
    let over = run.sim.ending.borrow().is_none() && run.sim.sched.borrow().is_over();
    if over
        && experiment.duration.is_none()
        && let Some((_, place)) = run.sim.endless.borrow().first()
    {
        return Err(run.endless(place.clone()));
    }
    let mut warnings = std::mem::take(&mut run.sim.out.borrow_mut().warnings);
    warnings.extend(bind::offered::overloads(&run.sim.offered.borrow(), &plan));
    Ok((plan, warnings))
}

/// The first global variable that the script assigns to, which a forgotten `local` makes. Functions count, too.
pub fn accidental_global(script: &Script) -> Option<Warning> {
    let lua = Lua::new();
    let text = format!("global<const> *; {}", shebang_free(script.text.trim_start_matches('\u{feff}')));
    let error = lua.load(text).set_name("=script").into_function().err()?.to_string();
    let (_, rest) = error.split_once("script:")?;
    let line = rest.split(':').next()?.parse().ok()?;
    let name = error.split('\'').nth(1).filter(|_| error.contains("const variable"))?;
    Some(Warning {
        text: format!("'{name}' becomes a global variable; write local {name}"),
        place: Some(Place { file: script.shown.clone(), line }),
    })
}

fn built(script: &Script, experiment: &Experiment, point: &Point) -> Result<(Plan, Run), ScriptError> {
    let settings = Settings { seed: experiment.seed, ..Settings::default() };
    let run = Run::new(Mode::Build, script, point.clone(), experiment.clone(), settings)?;
    run.start()?;
    let mut plan = run.sim.plan.borrow().clone();
    if !plan.is_numbered() {
        plan.assign_addresses()
            .map_err(|error| render(&Mistake::new(error.to_string()), &run.sim.sources, None))?;
    }
    match run.sim.duplicate_address(&plan) {
        Some(mistake) => Err(render(&mistake, &run.sim.sources, None)),
        None => Ok((plan, run)),
    }
}

/// Makes the file of a capture, by its name.
pub type OpenCapture = dyn Fn(&str) -> std::io::Result<Box<dyn std::io::Write>>;

/// One run, without captures. An error of the script is part of the result.
pub fn run(script: &Script, experiment: &Experiment, request: &RunRequest) -> RunResult {
    run_capturing(script, experiment, request, Box::new(|_| Ok(Box::new(std::io::sink()))))
}

/// One run, whose captures (`link:pcap()`) go to the files that `open` makes.
pub fn run_capturing(
    script: &Script,
    experiment: &Experiment,
    request: &RunRequest,
    open: Box<OpenCapture>,
) -> RunResult {
    let settings = Settings {
        rep: request.rep,
        seed: request.seed,
        warmup: experiment.warmup,
        memory: request.memory,
        timeout_s: request.script_timeout_s,
        echo: request.echo,
        check_wire: request.check_wire,
    };
    let run = match Run::new(Mode::Run, script, request.point.clone(), experiment.clone(), settings) {
        Ok(run) => run,
        Err(error) => return failed(error),
    };
    *run.sim.open_capture.borrow_mut() = open;
    let until = request.until.or(experiment.duration);
    let ended = run.start().and_then(|()| run.go_on(until, request));
    run.finish(ended)
}

/// The result of a run that measured nothing.
pub(crate) fn failed(error: ScriptError) -> RunResult {
    RunResult {
        ended: Ended::Failed,
        error: Some(error),
        sim: Span::ZERO,
        events: 0,
        packet_hops: 0,
        record: Vec::new(),
        tables: Vec::new(),
        checks: Vec::new(),
        warnings: Vec::new(),
        log: Vec::new(),
        files: Vec::new(),
    }
}

/// What a script is without `experiment{}`.
fn undeclared(script: &Script) -> Experiment {
    let name = script.path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    Experiment {
        name: name.filter(|name| name != "-").unwrap_or_else(|| "stdin".to_owned()),
        declared: false,
        params: Vec::new(),
        points: vec![Point::new()],
        reps: 1,
        stopping: None,
        seed: 1,
        pairing: true,
        duration: None,
        warmup: Span::ZERO,
        expect: Vec::new(),
        plots: Vec::new(),
        units: Vec::new(),
        after_all: false,
    }
}

struct Settings {
    rep: u32,
    seed: u64,
    warmup: Span,
    memory: u64,
    timeout_s: f64,
    echo: bool,
    check_wire: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            rep: 0,
            seed: 1,
            warmup: Span::ZERO,
            memory: PLAN_MEMORY,
            timeout_s: PLAN_TIMEOUT_S,
            echo: false,
            check_wire: false,
        }
    }
}

/// A script being executed. The simulation lets go of Lua's values before the state is closed: the order of the fields.
pub(crate) struct Run {
    pub sim: Shared,
    pub memory: u64,
    state: LuaState,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.sim.release();
    }
}

impl Run {
    /// A fresh state with the script's functions.
    fn new(
        mode: Mode,
        script: &Script,
        point: Point,
        experiment: Experiment,
        settings: Settings,
    ) -> Result<Run, ScriptError> {
        let options = Options {
            seed: settings.seed,
            warmup: settings.warmup,
            check_wire: settings.check_wire,
            ..Options::default()
        };
        let sim = Rc::new(Sim::new(
            mode,
            script,
            point,
            experiment,
            World::new(options),
            Output::new(settings.echo),
        ));
        sim.sources.add(&chunk_name(script), &script.text);
        let who = Who { script: script.clone(), point: sim.point.clone(), rep: settings.rep };
        let _ = sim.watch.set(Watch::new(settings.timeout_s, who, sim.out.clone(), sim.halt.clone()));
        let memory = settings.memory;
        let prepare = || -> mlua::Result<LuaState> {
            let state = LuaState::new(memory)?;
            let lua = state.lua();
            let _ = sim.lua.set(lua.weak());
            let prelude = furnish(lua, &natives(lua, &sim)?, &draws(&sim))?;
            let _ = sim.prelude.set(prelude);
            bind::install(lua, &sim)?;
            // What was loaded so far stays; most garbage of a script dies young.
            lua.gc_collect()?;
            Ok(state)
        };
        match prepare() {
            Ok(state) => Ok(Run { sim, memory, state }),
            Err(error) => {
                sim.release();
                let mistake = mistake_of(&error, &[]).unwrap_or_else(|| Mistake::new(error.to_string()));
                Err(render(&mistake, &sim.sources, None))
            }
        }
    }

    /// Executes the chunk up to its first wait, or its end.
    fn start(&self) -> Result<(), ScriptError> {
        let (lua, sim) = (self.state.lua(), &self.sim);
        let text = sim.sources.text(0);
        let chunk = sim.sources.name(0);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let loaded =
            lua.load(shebang_free(text)).set_name(format!("@{chunk}")).set_mode(mlua::chunk::ChunkMode::Text);
        let main = loaded.into_function().map_err(|error| self.error_of(&error, &[], None))?;
        let record = sched::spawn_main(lua, sim, main).map_err(|error| self.error_of(&error, &[], None))?;
        self.outcome(sched::resume(sim, record.id))
    }

    /// Lets time pass until the run is over.
    fn go_on(&self, until: Option<Span>, request: &RunRequest) -> Result<Ended, ScriptError> {
        let (lua, sim) = (self.state.lua(), &self.sim);
        let end = until.map_or(Instant::MAX, |until| Instant::ZERO + until);
        let mut limit = Limit {
            until: end,
            events: request.max_events.unwrap_or(u64::MAX),
            stop: Arc::clone(&request.stop),
            halt: Arc::clone(&sim.halt),
        };
        let located = |error: mlua::Error| self.error_of(&error, &[], None);
        if sim.is_touched() {
            sim.world().map(drop).map_err(located)?;
            if let Some(mistake) = sim.unusable_route() {
                return Err(located(mistake.into()));
            }
        }
        // How often processes went on at this instant.
        let mut steps = (Instant::ZERO, 0);
        loop {
            if let Some(Ending::Stopped(_)) = *sim.ending.borrow() {
                return Ok(Ended::Stopped);
            }
            if end == Instant::MAX
                && sim.sched.borrow().is_over()
                && let Some((_, place)) = sim.endless.borrow().first()
            {
                return Err(self.endless(place.clone()));
            }
            let pause = sim.world.borrow_mut().run(&limit);
            let failure = sim.cc_failure.borrow_mut().take();
            self.outcome(failure.map_or(Ok(()), Err))?;
            if end == Instant::MAX
                && matches!(pause, Pause::Idle | Pause::TimeUp)
                && sim.world.borrow().now() >= LAST_DAY
            {
                return Err(self.end_of_clock());
            }
            let main_waits = sim.sched.borrow().main_is_alive();
            // Keepalive keeps no run alive; but it may be all that a program waits for.
            let patience = if pause == Pause::Idle && main_waits { sched::patience(sim) } else { None };
            if let Some(patience) = patience {
                limit.until = sim.world.borrow().now() + patience;
                continue;
            }
            if limit.until != end && pause == Pause::TimeUp {
                return Err(self.deadlock());
            }
            limit.until = end;
            if matches!(pause, Pause::Process(..) | Pause::Control(_)) {
                let now = sim.world.borrow().now();
                steps = if steps.0 == now { (now, steps.1 + 1) } else { (now, 0) };
                if steps.1 >= MOST_STEPS {
                    let place = match pause {
                        Pause::Process(id, _) => sched::place_of(sim, id),
                        _ => None,
                    };
                    return Err(self.standstill(steps.1, place));
                }
            }
            match pause {
                Pause::Process(id, _) => {
                    self.outcome(sched::resume(sim, id))?;
                    let sampled = size_of_val(sim.world.borrow().samples());
                    if sim.out.borrow().kept() + sampled as u64 > self.memory {
                        return Err(self.kept_too_much(sched::place_of(sim, id)));
                    }
                }
                Pause::Control(crate::bind::device::TOKEN) => {
                    self.outcome(crate::bind::device::deliver(lua, sim))?;
                }
                Pause::Control(World::NOTE_TOKEN) => self.outcome(crate::bind::taps::deliver(lua, sim))?,
                Pause::Control(token) => self.outcome(sched::control(lua, sim, token))?,
                Pause::TimeUp => return Ok(Ended::Duration),
                Pause::Idle if main_waits => return Err(self.deadlock()),
                Pause::Idle => {
                    self.note_stuck();
                    return Ok(Ended::Finished);
                }
                Pause::Stopped if sim.watch.get().is_some_and(Watch::is_short) => {
                    return Err(self.short_of_memory());
                }
                Pause::Stopped => return Ok(Ended::Cut),
                Pause::EventLimit => return Err(self.event_limit(limit.events)),
                Pause::Storm(switch) => return Err(self.storm(switch)),
            }
        }
    }

    /// Calls what waits for the end, and gathers the results.
    fn finish(self, ended: Result<Ended, ScriptError>) -> RunResult {
        let (mut ended, mut error) = match ended {
            Ok(ended) => (ended, None),
            Err(error) => (Ended::Failed, Some(error)),
        };
        if !matches!(ended, Ended::Failed | Ended::Cut)
            && let Err(late) = self.at_end()
        {
            (ended, error) = (Ended::Failed, Some(late));
        }
        let sim = &self.sim;
        let services = crate::services::counts(self.state.lua(), sim);
        let mut world = sim.world.borrow_mut();
        crate::bind::routing::note_changes(sim, &mut world);
        crate::bind::services::note_logs(sim, &mut world);
        crate::bind::link::note_states(sim, &mut world);
        if ended != Ended::Failed && ended != Ended::Cut {
            world.assert_balanced();
        }
        if let Err(why) = world.finish_captures()
            && error.is_none()
        {
            let mistake = Mistake::new(format!("cannot write a capture: {why}")).fault(Fault::Io);
            (ended, error) = (Ended::Failed, Some(render(&mistake, &sim.sources, None)));
        }
        let mut out = sim.out.borrow_mut();
        if ended == Ended::Finished
            && let Some(place) = sim.sched.borrow().never_ticked()
        {
            let text = "this every() never ran: it does not keep the run alive, and nothing else did\n  write experiment{ duration = \"30s\" } at the top, or sleep(...) at the end";
            out.warn(text, place);
        }
        crate::bind::bgp::hints(sim, &world, &mut out);
        crate::bind::traffic_results::hints(sim, &mut world, &mut out);
        let skipped = sim.sched.borrow().skipped();
        let now = world.now();
        if skipped > 0 {
            out.log.push(format!(
                "[t={:.6}] {skipped} ticks of every() were skipped: the one before was still busy",
                now.as_secs_f64()
            ));
        }
        if !self.state.is_deterministic() {
            out.warn(
                "the address space is too small (ulimit -v): orders of pairs() over tables and functions may differ from run to run",
                None,
            );
        }
        let mut flows = world.flow_table();
        crate::bind::quic_flows::rows(sim, &world).into_iter().for_each(|row| flows.push(row));
        let mut tables = vec![
            ("flows".to_owned(), flows),
            ("links".to_owned(), world.link_table()),
            ("ledger".to_owned(), world.ledger_table()),
        ];
        let queues = world.queue_table();
        tables.extend((!queues.rows.is_empty()).then(|| ("queues".to_owned(), queues)));
        tables.extend(services.map(|services| ("services".to_owned(), services)));
        tables.extend(out.take_tables(world.series_table()));
        for (name, table) in &mut tables {
            // Rows also get the parameters as columns: one named `cc` must not meet the flows' own.
            for column in &mut table.columns {
                if sim.point.iter().any(|(parameter, _)| parameter == column) {
                    *column = format!("{name}_{column}");
                }
            }
        }
        RunResult {
            ended,
            error,
            sim: now.since(Instant::ZERO),
            events: world.events(),
            packet_hops: world.packet_hops(),
            record: out.columns(),
            tables,
            checks: std::mem::take(&mut out.checks),
            warnings: std::mem::take(&mut out.warnings),
            log: std::mem::take(&mut out.log),
            files: sim.files.list(),
        }
    }

    fn at_end(&self) -> Result<(), ScriptError> {
        let (lua, sim) = (self.state.lua(), &self.sim);
        let failure = sim.cc_failure.borrow_mut().take();
        self.outcome(failure.map_or(Ok(()), Err))?;
        sim.sched.borrow_mut().over = true;
        // Who called stop() wants these as well; one of them that calls it ends only itself.
        let ending = sim.ending.take();
        let functions = std::mem::take(&mut sim.handles.borrow_mut().at_end);
        for (function, _) in functions {
            let result = sched::run_alone(lua, sim, function);
            self.outcome(result)?;
            sim.ending.take();
        }
        sim.ending.replace(ending);
        Ok(())
    }
}

/// What Lua and messages call the script: its path, or its name where the path is long.
fn chunk_name(script: &Script) -> String {
    // Lua shortens longer names in its messages.
    if script.shown.len() <= 50 {
        return script.shown.clone();
    }
    script.path.file_name().map_or_else(|| script.shown.clone(), |name| name.to_string_lossy().into_owned())
}

/// The text without a first line for the shell; lines keep their numbers.
fn shebang_free(text: &str) -> String {
    match text.strip_prefix("#!") {
        Some(rest) => format!("--{rest}"),
        None => text.to_owned(),
    }
}

fn natives(lua: &Lua, sim: &Shared) -> mlua::Result<Natives> {
    let shared = sim.clone();
    let print = lua.create_function(move |lua, text: mlua::LuaString| {
        if shared.mode != Mode::Build {
            let now = shared.now();
            shared.out.borrow_mut().print(now, &text.to_string_lossy());
        }
        shared.note_before("print", lua);
        Ok(())
    })?;
    let shared = sim.clone();
    let again = lua.create_function(move |lua, ()| {
        sched::again(lua, &shared).map_err(|error| classes::located(lua, error))
    })?;
    let shared = sim.clone();
    let read_module = lua.create_function(move |lua, name: String| {
        let (text, chunk) = shared.files.module(&name).map_err(|why| {
            let mut mistake = Mistake::new(why).at_word(&name).fault(Fault::Io);
            mistake.place = here(lua);
            mistake
        })?;
        shared.sources.add(&chunk, &String::from_utf8_lossy(&text));
        Ok((lua.create_string(text)?, chunk))
    })?;
    let plain_error = lua.create_function(|lua, error: Value| {
        let Value::Error(error) = error else { return Ok(Value::Nil) };
        let text = match mistake_of(&error, &[]) {
            Some(mistake) => mistake.to_string(),
            None => error.to_string(),
        };
        lua.create_string(text).map(Value::String)
    })?;
    let shared = sim.clone();
    let fatal = lua.create_function(move |_, _: MultiValue| {
        Ok(shared.ending.borrow().is_some() || shared.watch.get().is_some_and(Watch::has_fired))
    })?;
    let unknown = lua.create_function(classes::unknown)?;
    Ok(Natives { print, again, read_module, plain_error, unknown, fatal })
}

fn draws(sim: &Shared) -> Draw {
    let sim = sim.clone();
    Rc::new(move |lua: &Lua| Ok(sim.draw(lua, "math.random", tidewire_units::Stream::bits)))
}
