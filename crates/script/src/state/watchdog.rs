//! Ends scripts that run for ever without waiting. Costs nothing until it does.
//!
//! One thread looks at all workers four times a second. A worker that has used its CPU time without finishing a step gets a
//! signal, whose handler arms a hook in every coroutine that runs there: the next instruction is an error. What is stuck in a
//! C function for another while cannot be ended so; then the whole program is told.

use super::raw;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, OnceLock};
use std::time::Duration;

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
    limit_s: f64,
    fired: AtomicBool,
    gone: AtomicBool,
    what: String,
}

/// What is done with a script that cannot be ended; it is given the message.
pub type Stuck = dyn Fn(&str) + Send + Sync;

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
    /// Watches this thread: a step may take `limit_s` seconds of its CPU time. `what` names the run in messages.
    pub fn new(limit_s: f64, what: String) -> Watch {
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
            limit_s,
            fired: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            what,
        });
        let seen = Seen { watched: watched.clone(), step: u64::MAX, since_cpu_s: 0.0 };
        ALL.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(seen);
        Watch { watched }
    }

    /// A step of the script begins.
    pub fn begin(&self) {
        self.watched.step.fetch_add(1, Ordering::Relaxed);
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
        for seen in ALL.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).iter_mut() {
            if look(seen) {
                stuck = Some(seen.watched.what.clone());
            }
        }
        if let Some(what) = stuck {
            let message = format!(
                "{what} is stuck in a library function that cannot be interrupted (a huge string operation or a pattern that backtracks)"
            );
            match STUCK.get() {
                Some(action) => action(&message),
                None => {
                    eprintln!("error: {message}");
                    std::process::exit(4);
                }
            }
        }
    }
}

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
        signal(&seen.watched);
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
        raw::stop_running();
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
fn signal(watched: &Watched) {
    // SAFETY: the thread is alive, as above.
    unsafe {
        libc::pthread_kill(watched.thread, libc::SIGURG);
    }
}

#[cfg(not(unix))]
fn install_handler() {}

#[cfg(not(unix))]
fn signal(_: &Watched) {}
