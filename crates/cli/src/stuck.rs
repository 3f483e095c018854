//! Runs that hang in a C function of Lua: no thread can be ended from outside, so that the program ends, with everything that is
//! finished merged, and what the run itself had recorded.

use crate::Context;
use std::sync::Mutex;
use std::time::SystemTime;
use tidewire_lab::{Failure, LabError, Outcome, Plan, PlannedRun, Status, shown};
use tidewire_script::{StuckRun, on_stuck};

/// Saves what there is; gives the exit code.
type Save = Box<dyn FnOnce(&StuckRun) -> Result<u8, LabError> + Send>;

static SAVE: Mutex<Option<Save>> = Mutex::new(None);

/// The exit code for limits.
const LIMIT: u8 = 4;

/// Says what is to be done if a run hangs.
pub fn watch(save: impl FnOnce(&StuckRun) -> Result<u8, LabError> + Send + 'static) {
    *SAVE.lock().expect("no holder panics") = Some(Box::new(save));
    on_stuck(Box::new(|run| {
        let save = SAVE.lock().expect("no holder panics").take();
        if let Some(save) = save
            && let Err(error) = save(run)
        {
            eprintln!("error: {error}");
        }
        std::process::exit(i32::from(LIMIT));
    }));
}

/// Names the run; gives it and how things stand, as far as the watchdog knows.
pub fn tell(
    context: &Context,
    plan: &Plan,
    stuck: &StuckRun,
    begin: SystemTime,
) -> Option<(PlannedRun, Outcome)> {
    let mut message = stuck.error.message.clone();
    let run = plan.runs.iter().find(|run| run.rep == stuck.rep && run.point == stuck.point);
    if let Some(run) = run.filter(|_| plan.runs.len() > 1) {
        let point = if run.point.is_empty() { String::new() } else { format!("{} ", shown(&run.point)) };
        message.push_str(&format!(
            "\n  in the run {point}rep={}; repeat it: {}\n  the command ends here, and with it what else was running",
            run.rep,
            plan.repeat(&run.point, run.rep)
        ));
    }
    context.term.error(&message);
    let run = run?.clone();
    let failure = Failure { run: run.clone(), error: stuck.error.clone(), internal: false };
    let status = Status {
        total: plan.runs.len(),
        finished: 1,
        failed: 1,
        // As if the user had asked: not all was done, and it can be resumed.
        asked: u32::from(plan.runs.len() > 1),
        wall: begin.elapsed().unwrap_or_default(),
        ..Status::default()
    };
    Some((run, Outcome { status, failures: vec![failure], ..Outcome::default() }))
}
