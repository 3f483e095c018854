//! Doing the runs: a thread per core, one run at a time each, a part file per finished run.

use crate::captures::Captures;
use crate::error::LabError;
use crate::folder::Folder;
use crate::plan::{Plan, PlannedRun};
use crate::runner::Runner;
use crate::stopping::{Enough, Rounds};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tidewire_metrics::{Value, unit_of};
use tidewire_script::{Ended, Experiment, Fault, RunRequest, RunResult, ScriptError};

/// How runs are done.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Threads.
    pub jobs: usize,
    /// Most memory that Lua may use in a run, in bytes.
    pub memory: u64,
    /// CPU time that a script may run without waiting, in seconds.
    pub script_timeout_s: f64,
    /// Most events of a run.
    pub max_events: Option<u64>,
    /// Print as it happens.
    pub echo: bool,
    /// Check every packet by emitting and parsing it.
    pub check_wire: bool,
    /// Where captures go; nowhere without.
    pub captures: Option<PathBuf>,
    /// Run again what is there already.
    pub again: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            jobs: 1,
            memory: 1 << 30,
            script_timeout_s: 2.0,
            max_events: None,
            echo: false,
            check_wire: false,
            captures: None,
            again: false,
        }
    }
}

/// How often the user asked to stop: once lets running runs finish, twice cuts them.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    asked: Arc<AtomicU32>,
    cut: Arc<AtomicBool>,
}

impl Interrupt {
    /// The user asks once more. Returns how often by now.
    pub fn ask(&self) -> u32 {
        let times = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        if times >= 2 {
            self.cut.store(true, Ordering::SeqCst);
        }
        times
    }

    /// How often the user asked.
    pub fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A run that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which run.
    pub run: PlannedRun,
    /// What went wrong.
    pub error: ScriptError,
    /// A broken invariant of the tool, not a mistake of the script.
    pub internal: bool,
}

/// Where the sweep stands.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Runs of the plan.
    pub total: usize,
    /// Found in the folder, not run again.
    pub found: usize,
    /// Finished now, failed ones included.
    pub finished: usize,
    /// Failed now.
    pub failed: usize,
    /// Cut by the user.
    pub cut: usize,
    /// `check()`s that held, and that did not.
    pub checks: (u64, u64),
    /// Events of finished runs.
    pub events: u64,
    /// Transmissions of finished runs.
    pub packet_hops: u64,
    /// Simulated seconds of finished runs.
    pub sim_s: f64,
    /// Time since the first run began.
    pub wall: Duration,
    /// Expected time until the end.
    pub eta: Option<Duration>,
    /// Runs that are going on, with the time since their start, the oldest first.
    pub running: Vec<(PlannedRun, Duration)>,
    /// How often the user asked to stop.
    pub asked: u32,
}

/// What the caller is told while runs go on.
pub enum Progress<'a> {
    /// A run has finished.
    Finished(&'a PlannedRun, &'a RunResult),
    /// A run has failed.
    Failed(&'a Failure),
    /// Comes several times a second.
    Status(&'a Status),
}

/// How a sweep went.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Where it stood at the end.
    pub status: Status,
    /// Runs that failed, in plan order.
    pub failures: Vec<Failure>,
    /// A part that could not be written: the disk is full.
    pub broken_disk: Option<(String, io::ErrorKind)>,
    /// What the caller answered that stopped it; running runs were finished and kept.
    pub stopped: Option<LabError>,
    /// Wall seconds of each run that was done, by id.
    pub wall_s: BTreeMap<String, f64>,
    /// What single runs printed, when there is only one.
    pub last: Option<RunResult>,
    /// How many replications the points got, where that was not fixed.
    pub enough: Option<Enough>,
}

/// What the caller answers to a finished run: go on, or stop for a reason.
pub type Judge<'a> = dyn FnMut(Progress<'_>) -> Result<(), LabError> + 'a;

/// How often the caller hears how things stand.
const STATUS_EVERY: Duration = Duration::from_millis(100);

enum Message {
    Started(usize),
    Done(usize, Box<RunResult>, bool, Duration, io::Result<()>),
}

/// Does all runs of the plan that are not in the folder. Without a folder nothing is written.
///
/// # Errors
/// A thread cannot be started.
pub fn sweep(
    runner: &dyn Runner,
    plan: &Plan,
    folder: Option<&Folder>,
    settings: &Settings,
    interrupt: &Interrupt,
    judge: &mut Judge<'_>,
) -> Result<Outcome, LabError> {
    let found =
        if settings.again { BTreeMap::new() } else { folder.map(Folder::finished).unwrap_or_default() };
    let mut rounds = Rounds::new(plan, &found);
    let jobs = settings.jobs.clamp(1, plan.runs.len().max(1));
    let shared = Shared { runner, plan, folder, settings, interrupt, queue: Mutex::default() };
    let mut desk = Desk {
        shared: &shared,
        outcome: Outcome::default(),
        running: Vec::new(),
        points: number_points(plan),
        times: BTreeMap::new(),
        records: Vec::new(),
        begin: Instant::now(),
        told: Instant::now(),
        jobs,
    };
    // What failed before comes last: it may fail again, or hang.
    let failed = folder.map(Folder::failed).unwrap_or_default();
    let matches = |run: &PlannedRun| found.get(&run.id).is_some_and(|part| part.run.seed == run.seed);
    let mut asked = BTreeSet::new();
    loop {
        let fresh: Vec<usize> = rounds.wanted().into_iter().filter(|at| asked.insert(*at)).collect();
        let mut todo: Vec<usize> = fresh.iter().copied().filter(|at| !matches(&plan.runs[*at])).collect();
        // All points once before any of them a second time: an early stop leaves something to see of each.
        todo.sort_by_key(|at| (failed.contains(&plan.runs[*at].id), plan.runs[*at].rep));
        desk.outcome.status.total += fresh.len();
        desk.outcome.status.found += fresh.len() - todo.len();
        desk.jobs = jobs.clamp(1, todo.len().max(1));
        *shared.queue.lock().expect("no holder panics") = todo.into();
        work_off(&mut desk, judge)?;
        rounds.records.extend(desk.records.drain(..));
        let halted = desk.outcome.stopped.is_some() || desk.outcome.broken_disk.is_some();
        if halted || interrupt.asked() > 0 || !rounds.extend()? {
            break;
        }
    }
    desk.outcome.enough = rounds.outcome();
    let position = |run: &PlannedRun| plan.runs.iter().position(|planned| planned.id == run.id);
    desk.outcome.failures.sort_by_key(|failure| position(&failure.run));
    Ok(desk.outcome)
}

/// Does all that is in the queue.
fn work_off(desk: &mut Desk<'_>, judge: &mut Judge<'_>) -> Result<(), LabError> {
    let shared = desk.shared;
    thread::scope(|scope| -> Result<(), LabError> {
        let (sender, receiver) = channel();
        for worker in 0..desk.jobs {
            let sender = sender.clone();
            thread::Builder::new()
                .name(format!("run-{worker}"))
                .stack_size(16 << 20)
                .spawn_scoped(scope, move || work(shared, &sender))
                .map_err(|error| {
                    LabError::io("cannot start a thread for", &shared.plan.script.path, error, "")
                })?;
        }
        drop(sender);
        desk.listen(&receiver, judge);
        Ok(())
    })
}

fn number_points(plan: &Plan) -> Vec<usize> {
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let mut number = |run: &PlannedRun| {
        let next = numbers.len();
        *numbers.entry(crate::params::point_id(&run.point)).or_insert(next)
    };
    plan.runs.iter().map(&mut number).collect()
}

struct Shared<'a> {
    runner: &'a dyn Runner,
    plan: &'a Plan,
    folder: Option<&'a Folder>,
    settings: &'a Settings,
    interrupt: &'a Interrupt,
    queue: Mutex<VecDeque<usize>>,
}

impl Shared<'_> {
    fn next(&self) -> Option<usize> {
        if self.interrupt.asked() > 0 {
            None
        } else {
            self.queue.lock().expect("no holder panics").pop_front()
        }
    }

    fn clear(&self) {
        self.queue.lock().expect("no holder panics").clear();
    }
}

fn work(shared: &Shared<'_>, sender: &Sender<Message>) {
    while let Some(at) = shared.next() {
        let run = &shared.plan.runs[at];
        let begin = Instant::now();
        let _ = sender.send(Message::Started(at));
        let (result, internal) = run_one(shared, run);
        let kept = match shared.folder {
            Some(folder) if !matches!(result.ended, Ended::Cut) => folder.write_part(run, &result),
            _ => Ok(()),
        };
        if kept.is_err() {
            shared.clear();
        }
        let _ = sender.send(Message::Done(at, Box::new(result), internal, begin.elapsed(), kept));
    }
}

fn run_one(shared: &Shared<'_>, run: &PlannedRun) -> (RunResult, bool) {
    let settings = shared.settings;
    let request = RunRequest {
        point: run.point.clone(),
        rep: run.rep,
        seed: run.seed,
        until: shared.plan.until,
        memory: settings.memory,
        script_timeout_s: settings.script_timeout_s,
        max_events: settings.max_events,
        echo: settings.echo,
        check_wire: settings.check_wire,
        stop: Arc::clone(&shared.interrupt.cut),
    };
    let captures = Captures::new(settings.captures.as_deref(), &run.id);
    let ran = catch_unwind(AssertUnwindSafe(|| {
        shared.runner.run(&shared.plan.script, &shared.plan.experiment, &request, &captures)
    }));
    match ran {
        Ok(mut result) => {
            name_units(&mut result, &shared.plan.experiment);
            (result, false)
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text =
                text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text");
            (internal_failure(&format!("internal error: {text}")), true)
        }
    }
}

/// Series say what they are measured in, from the metric's name or the experiment's `units`.
fn name_units(result: &mut RunResult, experiment: &Experiment) {
    for (_, table) in result.tables.iter_mut().filter(|(name, _)| name == "series") {
        let at = |name: &str| table.columns.iter().position(|column| column == name);
        let (Some(metric), Some(value), None) = (at("metric"), at("value"), at("unit")) else { continue };
        table.columns.insert(value + 1, "unit".to_owned());
        for row in &mut table.rows {
            let name = row[metric].to_string();
            let declared =
                experiment.units.iter().find(|(known, _)| *known == name).map(|(_, unit)| unit.as_str());
            row.insert(value + 1, declared.or_else(|| unit_of(&name)).into());
        }
    }
}

fn internal_failure(message: &str) -> RunResult {
    failed_run(ScriptError { fault: Fault::Script, place: None, message: message.to_owned() })
}

/// The result of a run that measured nothing.
pub fn failed_run(error: ScriptError) -> RunResult {
    let message = error.message.clone();
    RunResult {
        ended: Ended::Failed,
        error: Some(error),
        sim: tidewire_units::Span::ZERO,
        events: 0,
        packet_hops: 0,
        record: Vec::new(),
        tables: Vec::new(),
        checks: Vec::new(),
        warnings: Vec::new(),
        log: vec![message],
        files: Vec::new(),
    }
}

/// The one thread that hears of everything, keeps the account and tells the caller.
struct Desk<'a> {
    shared: &'a Shared<'a>,
    outcome: Outcome,
    running: Vec<(usize, Instant)>,
    /// The point of each run, by number.
    points: Vec<usize>,
    /// Wall time and number of finished runs, by point.
    times: BTreeMap<usize, (Duration, u32)>,
    /// What finished runs recorded, since this was last looked at.
    records: Vec<(String, Vec<(String, Value)>)>,
    begin: Instant,
    told: Instant,
    jobs: usize,
}

impl Desk<'_> {
    fn listen(&mut self, receiver: &Receiver<Message>, judge: &mut Judge<'_>) {
        loop {
            let mut answer = match receiver.recv_timeout(STATUS_EVERY) {
                Ok(message) => self.take(message, judge),
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if self.told.elapsed() >= STATUS_EVERY || self.outcome.status.finished == 0 {
                self.told = Instant::now();
                self.update();
                answer = answer.and_then(|()| judge(Progress::Status(&self.outcome.status)));
            }
            if let Err(error) = answer {
                self.shared.clear();
                self.outcome.stopped.get_or_insert(error);
            }
        }
        self.update();
        if let Err(error) = judge(Progress::Status(&self.outcome.status)) {
            self.outcome.stopped.get_or_insert(error);
        }
    }

    fn take(&mut self, message: Message, judge: &mut Judge<'_>) -> Result<(), LabError> {
        let (at, result, internal, wall, kept) = match message {
            Message::Started(at) => {
                self.running.push((at, Instant::now()));
                return Ok(());
            }
            Message::Done(at, result, internal, wall, kept) => (at, result, internal, wall, kept),
        };
        self.running.retain(|(running, _)| *running != at);
        let run = &self.shared.plan.runs[at];
        if let Err(error) = kept {
            self.outcome.broken_disk.get_or_insert((error.to_string(), error.kind()));
            self.shared.clear();
            return Ok(());
        }
        let status = &mut self.outcome.status;
        if result.ended == Ended::Cut {
            status.cut += 1;
            return Ok(());
        }
        status.finished += 1;
        status.events += result.events;
        status.packet_hops += result.packet_hops;
        status.sim_s += result.sim.as_secs_f64();
        let passed = result.checks.iter().filter(|check| check.passed).count() as u64;
        status.checks.0 += passed;
        status.checks.1 += result.checks.len() as u64 - passed;
        let time = self.times.entry(self.points[at]).or_default();
        *time = (time.0 + wall, time.1 + 1);
        self.outcome.wall_s.insert(run.id.clone(), wall.as_secs_f64());
        if self.shared.plan.stopping.is_some() && result.error.is_none() {
            self.records.push((run.id.clone(), result.record.clone()));
        }
        let answer = match &result.error {
            Some(error) => {
                status.failed += 1;
                let failure = Failure { run: run.clone(), error: error.clone(), internal };
                let answer = judge(Progress::Failed(&failure));
                self.outcome.failures.push(failure);
                answer
            }
            None => judge(Progress::Finished(run, &result)),
        };
        if self.shared.plan.runs.len() == 1 {
            self.outcome.last = Some(*result);
        }
        answer
    }

    fn update(&mut self) {
        let (plan, eta) = (self.shared.plan, self.remaining());
        let status = &mut self.outcome.status;
        status.wall = self.begin.elapsed();
        status.asked = self.shared.interrupt.asked();
        status.running =
            self.running.iter().map(|(at, since)| (plan.runs[*at].clone(), since.elapsed())).collect();
        status.eta = eta;
    }

    /// From the mean time of finished runs of the same point, else of all.
    fn remaining(&self) -> Option<Duration> {
        let (all, n) =
            self.times.values().fold((Duration::ZERO, 0), |(all, n), (time, m)| (all + *time, n + m));
        let mean_of_all = all.checked_div(n)?;
        let mean = |at: usize| self.times.get(&self.points[at]).map_or(mean_of_all, |(time, n)| *time / *n);
        let waiting: Duration =
            self.shared.queue.lock().expect("no holder panics").iter().map(|at| mean(*at)).sum();
        let running = self.running.iter().map(|(at, since)| mean(*at).saturating_sub(since.elapsed()));
        Some((waiting + running.sum::<Duration>()) / self.jobs as u32)
    }
}
