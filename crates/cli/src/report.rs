//! What both kinds of experiment say at their end.

use crate::term::Term;
use crate::{INTERNAL, INTERRUPTED};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use tidewire_lab::{Failure, Outcome, Plan, Tone, exit_code_of, shown};
use tidewire_script::{Place, RunResult};

/// Different errors shown in full; the others are in the logs.
const ERRORS: usize = 10;

/// Tells of failed runs as they come, equal errors once.
#[derive(Default)]
pub struct Failures {
    /// The first line of each error that was shown, and how often it came.
    seen: Vec<(String, usize)>,
}

impl Failures {
    pub fn tell(&mut self, plan: &Plan, failure: &Failure, term: &Term) {
        let first = failure.error.message.lines().next().unwrap_or_default().to_owned();
        if let Some(known) = self.seen.iter_mut().find(|(line, _)| *line == first) {
            known.1 += 1;
            return;
        }
        self.seen.push((first, 1));
        if self.seen.len() > ERRORS {
            return;
        }
        let run = &failure.run;
        let repeat = plan.repeat(&run.point, run.rep);
        if plan.runs.len() == 1 {
            let advice = if failure.internal { format!("\n  repeat it: {repeat}") } else { String::new() };
            return term.error(&format!("{}{advice}", failure.error.message));
        }
        let number = plan.runs.iter().position(|planned| planned.id == run.id).map_or(0, |at| at + 1);
        let point = shown(&run.point);
        let place = format!("{point}{}rep={}", if point.is_empty() { "" } else { " " }, run.rep);
        let others = match plan.runs.len() - 1 {
            1 => "the other run continues".to_owned(),
            n => format!("the other {n} runs continue"),
        };
        let message = format!("{}\n  {others}; repeat this one: {repeat}", failure.error.message);
        term.complain(&format!("error in run {number} ({place}):"), &message);
    }

    /// How many runs failed in the same way as one that was shown.
    pub fn finish(&self, term: &Term) {
        for (line, times) in self.seen.iter().filter(|(_, times)| *times > 1) {
            let runs = if *times == 2 { "1 more run".to_owned() } else { format!("{} more runs", times - 1) };
            term.complain("error:", &format!("{runs} failed in the same way: {line}"));
        }
        if self.seen.len() > ERRORS {
            term.complain("error:", &format!("{} further errors are in runs.csv", self.seen.len() - ERRORS));
        }
    }
}

/// Tells of what is probably not meant so, each once.
#[derive(Default)]
pub struct Warnings(BTreeSet<String>);

impl Warnings {
    pub fn tell(&mut self, result: &RunResult, term: &Term) {
        for warning in &result.warnings {
            if self.0.insert(warning.text.clone()) {
                let mut lines = warning.text.splitn(2, '\n');
                let mut text = format!("{}{}", lines.next().unwrap_or_default(), at(&warning.place));
                lines.for_each(|more| text.push_str(&format!("\n{more}")));
                term.complain("warning:", &text);
            }
        }
    }
}

/// The gravest of what happened. `failed` says that a check or threshold did not hold.
pub fn exit_code(outcome: &Outcome, failed: bool) -> u8 {
    let grave = outcome
        .failures
        .iter()
        .map(|f| if f.internal { INTERNAL } else { exit_code_of(f.error.fault) })
        .max();
    if outcome.broken_disk.is_some() {
        5
    } else if let Some(code) = grave {
        code
    } else if let Some(error) = &outcome.stopped {
        error.exit_code()
    } else if outcome.status.asked > 0 {
        INTERRUPTED
    } else {
        u8::from(failed)
    }
}

/// Work and resources, as `--json` has them.
pub fn figures(outcome: &Outcome, cpu_s: f64) -> Json {
    let status = &outcome.status;
    json!({
        "runs": status.total,
        "found": status.found,
        "finished": status.finished,
        "failed": status.failed,
        "interrupted": status.asked > 0,
        "sim_s": status.sim_s,
        "wall_s": status.wall.as_secs_f64(),
        "cpu_s": cpu_s,
        "events": status.events,
        "packet_hops": status.packet_hops,
        "peak_rss_bytes": crate::usage::used().1,
        "checks": { "passed": status.checks.0, "failed": status.checks.1 },
        "errors": outcome.failures.iter().map(|f| json!({ "run": f.run.id, "message": f.error.message })).collect::<Vec<_>>(),
    })
}

/// The members of both objects.
pub fn joined(mut a: Json, b: Json) -> Json {
    if let (Some(a), Json::Object(b)) = (a.as_object_mut(), b) {
        a.extend(b);
    }
    a
}

/// `1 run`, `2 runs`.
pub fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// `  exp.lua:12`, or nothing.
pub fn at(place: &Option<Place>) -> String {
    place.as_ref().map(|place| format!("  {}:{}", place.file, place.line)).unwrap_or_default()
}

/// Says which metrics do not say what they are measured in.
pub fn hint_at_units(term: &Term, names: &[&str]) {
    if let Some(first) = names.first() {
        let text = format!(
            "hint: no unit in the name of {}: end it in _ms, _mbps, _bytes, _count ... (tidewire doc record), or declare experiment{{ units = {{ {first} = \"1\" }} }}",
            names.join(", ")
        );
        term.note(Tone::Faint, &text);
    }
}
