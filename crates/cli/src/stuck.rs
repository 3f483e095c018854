//! Runs that hang in a C function of Lua: no thread can be ended from outside, so that the program ends, with everything that is
//! finished merged.

use crate::Context;
use crate::report::counted;
use crate::term::Term;
use std::sync::Mutex;
use tidewire_lab::{Folder, Plan, failed_run, merge, shown};
use tidewire_script::{StuckRun, on_stuck};

/// What is at stake when a run hangs.
struct Stake {
    plan: Plan,
    folder: Option<Folder>,
    term: Term,
}

static STAKE: Mutex<Option<Stake>> = Mutex::new(None);

/// The exit code for limits.
const LIMIT: i32 = 4;

/// Says what is to be saved if a run of this plan hangs.
pub fn watch(context: &Context, plan: &Plan, folder: Option<&Folder>) {
    let stake = Stake { plan: plan.clone(), folder: folder.cloned(), term: context.term };
    *STAKE.lock().expect("no holder panics") = Some(stake);
    on_stuck(Box::new(|run| {
        if let Some(stake) = STAKE.lock().expect("no holder panics").take() {
            give_up(&stake, run);
        }
        std::process::exit(LIMIT);
    }));
}

/// Names the run, keeps it as a failed one, merges the others.
fn give_up(stake: &Stake, stuck: &StuckRun) {
    let (plan, term) = (&stake.plan, &stake.term);
    let mut message = stuck.error.message.clone();
    let run = plan.runs.iter().find(|run| run.rep == stuck.rep && run.point == stuck.point);
    if let Some(run) = run.filter(|_| plan.runs.len() > 1) {
        let point = if run.point.is_empty() { String::new() } else { format!("{} ", shown(&run.point)) };
        message.push_str(&format!(
            "\n  in the run {point}rep={}; repeat it: {}",
            run.rep,
            plan.repeat(&run.point, run.rep)
        ));
    }
    let Some(folder) = &stake.folder else { return term.error(&message) };
    if let Some(run) = run {
        // Should this fail, the run is only missing.
        let _ = folder.write_part(run, &failed_run(stuck.error.clone()));
    }
    let finished = folder.finished().len();
    let merged = merge(plan, folder).map(drop).is_ok() && folder.link_latest().is_ok();
    if merged {
        let all = counted(plan.runs.len(), "run");
        message.push_str(&format!("\n  {finished} of {all} finished and kept in {}", folder.path.display()));
        if finished + 1 < plan.runs.len() {
            message.push_str("; run again for the others");
        }
    }
    term.error(&message);
}
