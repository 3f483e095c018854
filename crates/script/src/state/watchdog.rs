//! Ends scripts that run for ever without waiting. Costs nothing until it does.
//!
//! One thread looks at all workers four times a second. A worker that has used its CPU time without finishing a step gets a
//! signal, whose handler arms a hook in every coroutine that runs there: the next instruction is an error. What is stuck in a
//! C function for another while cannot be ended so; then the whole program is told.

use super::raw;
use crate::mistake::quoted;
use crate::output::SharedOutput;
use crate::{Fault, Place, Point, RunResult, Script, ScriptError};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, OnceLock};
use std::time::Duration;
use tidewire_units::Instant;

const LOOKS: Duration = Duration::from_millis(250);
/// After the hook was armed, a script may run so long before it counts as stuck in a C function.
const GRACE_S: f64 = 5.0;

/// Watches the thread that made it, until it is dropped.
pub(crate) struct Watch {
    watched: Arc<Watched>,
}

struct Watched {
    #[cfg(unix)]
    thread: libc::pthread_t,
    /// Counts the steps that the script has begun or finished; odd while one runs.
    step: AtomicU64,
    /// The simulated time at the beginning of the step, in picoseconds.
    now: AtomicU64,
    limit_s: f64,
    fired: AtomicBool,
    /// The program has taken nearly all of the memory there is.
    short: AtomicBool,
    gone: AtomicBool,
    who: Who,
    out: SharedOutput,
    /// Ends the event loop.
    halt: Arc<AtomicBool>,
}

/// Which run a watched thread does.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// The script, for messages.
    pub script: Script,
    /// The parameters; none while a script is planned.
    pub point: Point,
    /// The replication; 0 while a script is planned.
    pub rep: u32,
}

/// A run that cannot be ended.
#[derive(Clone, Debug)]
pub struct StuckRun {
    /// Its parameters.
    pub point: Point,
    /// Its replication; 0 when it was only being planned.
    pub rep: u32,
    /// What to say, with the line.
    pub error: ScriptError,
    /// What the script has recorded by then; what the network has counted is lost.
    pub so_far: RunResult,
}

/// What is done about a run that cannot be ended.
pub type Stuck = dyn Fn(&StuckRun) + Send + Sync;

static STUCK: OnceLock<Box<Stuck>> = OnceLock::new();
static ALL: Mutex<Vec<Seen>> = Mutex::new(Vec::new());

/// A worker as it was when last looked at.
struct Seen {
    watched: Arc<Watched>,
    step: u64,
    since_cpu_s: f64,
}

/// Says what happens when a script hangs in a function that cannot be interrupted. Without it, the message goes to the standard
/// error stream and the program exits with code 4. Only the first call counts.
pub fn on_stuck(action: Box<Stuck>) {
    let _ = STUCK.set(action);
}

impl Watch {
    /// Watches this thread: a step may take `limit_s` seconds of its CPU time.
    pub fn new(limit_s: f64, who: Who, out: SharedOutput, halt: Arc<AtomicBool>) -> Watch {
        static START: Once = Once::new();
        START.call_once(|| {
            install_handler();
            let _ = std::thread::Builder::new().name("watchdog".to_owned()).spawn(look_forever);
        });
        let watched = Arc::new(Watched {
            // SAFETY: always succeeds.
            #[cfg(unix)]
            thread: unsafe { libc::pthread_self() },
            step: AtomicU64::new(0),
            now: AtomicU64::new(0),
            limit_s,
            fired: AtomicBool::new(false),
            short: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            who,
            out,
            halt,
        });
        let seen = Seen { watched: watched.clone(), step: u64::MAX, since_cpu_s: 0.0 };
        ALL.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(seen);
        Watch { watched }
    }

    /// A step of the script begins.
    pub fn begin(&self) {
        self.watched.step.fetch_add(1, Ordering::Relaxed);
    }

    /// What time it is in the simulation.
    pub fn set_now(&self, now: Instant) {
        self.watched.now.store(now.as_ps(), Ordering::Relaxed);
    }

    /// It has waited or ended.
    pub fn end(&self) {
        self.watched.step.fetch_add(1, Ordering::Relaxed);
    }

    /// Does something long that is not the script's fault, such as building a large network: it does not count.
    pub fn pause<T>(&self, work: impl FnOnce() -> T) -> T {
        if self.watched.step.load(Ordering::Relaxed).is_multiple_of(2) {
            return work();
        }
        self.end();
        let result = work();
        self.begin();
        result
    }

    /// A step of the script inside native code, unless it is part of another step.
    pub fn within<T>(&self, step: impl FnOnce() -> T) -> T {
        if !self.watched.step.load(Ordering::Relaxed).is_multiple_of(2) {
            return step();
        }
        self.begin();
        let result = step();
        self.end();
        result
    }

    /// Whether the run is to end for want of memory.
    pub fn is_short(&self) -> bool {
        self.watched.short.load(Ordering::Relaxed)
    }

    /// Whether the script was ended.
    pub fn has_fired(&self) -> bool {
        self.watched.fired.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Under the lock, so that no signal goes to a thread that has ended.
        let mut all = ALL.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.watched.gone.store(true, Ordering::Relaxed);
        all.retain(|seen| !seen.watched.gone.load(Ordering::Relaxed));
    }
}

fn look_forever() {
    loop {
        std::thread::sleep(LOOKS);
        let mut stuck = None;
        if super::machine::is_short() {
            end_all();
        }
        for seen in ALL.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).iter_mut() {
            if look(seen) {
                signal(&seen.watched, Purpose::Where);
                stuck = Some(seen.watched.clone());
            }
        }
        if let Some(watched) = stuck {
            // The signal's handler needs a moment.
            std::thread::sleep(LOOKS / 5);
            let run = stuck_run(&watched);
            match STUCK.get() {
                Some(action) => action(&run),
                None => {
                    eprintln!("error: {}", run.error);
                    std::process::exit(4);
                }
            }
        }
    }
}

/// Ends every run that is under way, as it cannot be known whose memory it is.
fn end_all() {
    for seen in ALL.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).iter() {
        let watched = &seen.watched;
        if !watched.short.swap(true, Ordering::Relaxed) {
            watched.halt.store(true, Ordering::Relaxed);
            if watched.step.load(Ordering::Relaxed) % 2 == 1 {
                signal(watched, Purpose::Stop);
            }
        }
    }
}

fn stuck_run(watched: &Watched) -> StuckRun {
    let who = &watched.who;
    let place = raw::stuck_at().map(|frame| Place { file: frame.chunk, line: frame.line });
    let now = Instant::from_ps(watched.now.load(Ordering::Relaxed));
    let what = format!(
        "{} is stuck in a library function that cannot be interrupted (a pattern that backtracks, a huge string), at t = {now}",
        who.script.shown
    );
    let message = match &place {
        Some(place) => quoted(&who.script, &what, place),
        None => what,
    };
    let error = ScriptError { fault: Fault::Limit, place, message };
    let so_far = watched.out.so_far(error.clone());
    StuckRun { point: who.point.clone(), rep: who.rep, error, so_far }
}

/// What a worker is asked to do by a signal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Stop at the next instruction of the script.
    Stop,
    /// Say where the script is.
    Where,
}

static WHERE: AtomicBool = AtomicBool::new(false);

/// Looks at one worker; true when even the hook did not help.
fn look(seen: &mut Seen) -> bool {
    let step = seen.watched.step.load(Ordering::Relaxed);
    let running = step % 2 == 1;
    let Some(cpu_s) = cpu_time(&seen.watched) else { return false };
    if step != seen.step || !running {
        (seen.step, seen.since_cpu_s) = (step, cpu_s);
        return false;
    }
    let used = cpu_s - seen.since_cpu_s;
    if used < seen.watched.limit_s {
        return false;
    }
    if !seen.watched.fired.swap(true, Ordering::Relaxed) {
        signal(&seen.watched, Purpose::Stop);
    }
    used >= seen.watched.limit_s + GRACE_S
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn cpu_time(watched: &Watched) -> Option<f64> {
    let mut clock = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the thread is alive: it leaves the list, under its lock, before it ends.
    unsafe {
        if libc::pthread_getcpuclockid(watched.thread, &mut clock) != 0
            || libc::clock_gettime(clock, &mut time) != 0
        {
            return None;
        }
    }
    Some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
}

/// Elsewhere real time stands in for CPU time.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn cpu_time(_: &Watched) -> Option<f64> {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    Some(START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64())
}

#[cfg(unix)]
fn install_handler() {
    extern "C" fn handle(_: libc::c_int) {
        if WHERE.load(Ordering::Acquire) {
            raw::note_where();
        } else {
            raw::stop_running();
        }
    }
    // SAFETY: the handler only touches atomics and `lua_sethook`. SIGURG is ignored by default, so that a stray one does no harm.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(libc::SIGURG, &action, std::ptr::null_mut());
    }
}

#[cfg(unix)]
fn signal(watched: &Watched, purpose: Purpose) {
    WHERE.store(purpose == Purpose::Where, Ordering::Release);
    // SAFETY: the thread is alive, as above.
    unsafe {
        libc::pthread_kill(watched.thread, libc::SIGURG);
    }
}

#[cfg(not(unix))]
fn install_handler() {}

#[cfg(not(unix))]
fn signal(_: &Watched, _: Purpose) {}
