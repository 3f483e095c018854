//! `tidewire run`: one run, on the terminal.

use crate::args::RunArgs;
use crate::report::{self, Failures, at, figures, joined};
use crate::term::duration;
use crate::{Context, usage};
use serde_json::json;
use std::time::SystemTime;
use tidewire_lab::{
    Folder, Heard, LabError, Names, Outcome, Plan, Progress, Results, Settings, Threshold, Tone, Wanted,
    check_plot_metrics, check_plots, matches, merge, shown, sweep, write_manifest,
};
use tidewire_metrics::{Align, TextTable, Value, human, human_count, unit_of};
use tidewire_script::{Ended, RunResult};

/// Tables that every run has: they alone are no reason to leave files behind.
const ALWAYS: [&str; 4] = ["links", "queues", "ledger", "services"];

pub fn run(context: &Context, args: &RunArgs) -> Result<u8, LabError> {
    let (term, begin) = (&context.term, SystemTime::now());
    let script = crate::read_script(&args.script)?;
    let wanted = Wanted {
        params: args.p.clone(),
        rep: Some(args.rep),
        seed: args.seed,
        until: args.until,
        first_point: true,
        ..Wanted::default()
    };
    let plan = Plan::new(&context.runner, &script, &wanted)?;
    // A run judges no thresholds and draws no plots, but a mistake in them is better heard now than after a sweep.
    let thresholds: Vec<Threshold> = (plan.declared.expect.iter())
        .map(|e| Threshold::parse(e, &plan.declared))
        .collect::<Result<_, _>>()?;
    check_plots(&plan.declared)?;
    plan.warnings.iter().for_each(|text| term.complain("warning:", text));
    let folder = Folder::of(&context.results_root(), &plan, &context.tool);
    let sure = plan.experiment.declared || context.globals.out.is_some();
    if sure {
        folder.prepare(false)?;
    }
    save_if_stuck(context, &plan, &folder, sure, begin);
    let known = sure && folder.finished().contains_key(&plan.runs[0].id);
    let settings = Settings {
        echo: !context.globals.json,
        again: true,
        captures: Some(folder.path.join("pcap")),
        ..context.settings()
    };
    let mut failures = Failures::default();
    let mut judge = |progress: Progress<'_>| {
        match progress {
            Progress::Failed(failure) => failures.tell(&plan, failure, term),
            Progress::Finished(run, result) => {
                report::Warnings::default().tell(result, term);
                let heard = Heard::of(run, result);
                let here = thresholds.iter().filter(|threshold| matches(&run.point, &threshold.only));
                let names = here.map(|threshold| threshold.check_names(&heard, Names::All));
                for error in names
                    .chain([check_plot_metrics(&plan.declared, &heard, Names::All)])
                    .filter_map(Result::err)
                {
                    term.complain("warning:", &error.to_string());
                }
            }
            // There is nothing to wait for but this run.
            Progress::Status(status) if status.asked == 1 => drop(context.interrupt.ask()),
            _ => {}
        }
        Ok(())
    };
    let cpu = usage::used().0;
    let mut outcome =
        sweep(&context.runner, &plan, sure.then_some(&folder), &settings, &context.interrupt, &mut judge)?;
    let cpu_s = usage::used().0 - cpu;
    let result = outcome.last.take();
    let written = match &result {
        Some(result) => keep(context, &plan, &folder, sure, known, result, &outcome, begin)?,
        None => false,
    };
    if let Some((error, _)) = &outcome.broken_disk {
        term.error(&format!("cannot write {}: {error}", folder.path.display()));
    }
    let failed_check = result.as_ref().is_some_and(|result| result.checks.iter().any(|check| !check.passed));
    let code = report::exit_code(&outcome, failed_check);
    if let Some(result) = &result {
        show(context, &plan, result, &outcome, written.then_some(&folder));
    } else if outcome.status.asked > 0 {
        term.note(Tone::Strong, "interrupted: the run was cut and nothing is kept of it");
    }
    say_json(context, &plan, result.as_ref(), &outcome, written.then_some(&folder), (code, cpu_s));
    Ok(code)
}

/// If the run hangs, what it has recorded is kept.
fn save_if_stuck(context: &Context, plan: &Plan, folder: &Folder, sure: bool, begin: SystemTime) {
    let (context, plan, folder) = (context.clone(), plan.clone(), folder.clone());
    crate::stuck::watch(move |stuck| {
        let Some((run, outcome)) = crate::stuck::tell(&context, &plan, stuck, begin) else { return Ok(4) };
        let result = &stuck.so_far;
        if sure {
            let _ = folder.write_part(&run, result);
        }
        let written = keep(&context, &plan, &folder, sure, false, result, &outcome, begin)?;
        let place = written.then_some(&folder);
        show(&context, &plan, result, &outcome, place);
        say_json(&context, &plan, Some(result), &outcome, place, (4, crate::usage::used().0));
        Ok(4)
    });
}

fn say_json(
    context: &Context,
    plan: &Plan,
    result: Option<&RunResult>,
    outcome: &Outcome,
    folder: Option<&Folder>,
    (code, cpu_s): (u8, f64),
) {
    if !context.globals.json {
        return;
    }
    let of_run = json!({
        "command": "run", "name": plan.experiment.name, "seed": plan.experiment.seed, "run": plan.runs[0].id,
        "rep": plan.runs[0].rep, "point": object(&plan.runs[0].point),
        "record": object(result.map_or(&[], |result| &result.record[..])),
        "ended": result.map(|result| tidewire_lab::ended_word(result.ended)),
        "thresholds": { "passed": 0, "failed": 0 },
        "out": folder.map(|folder| folder.path.display().to_string()), "exit": code,
    });
    context.term.json(&joined(of_run, figures(outcome, cpu_s)));
}

fn object(cells: &[(String, Value)]) -> serde_json::Map<String, serde_json::Value> {
    cells.iter().map(|(name, value)| (name.clone(), json!(value))).collect()
}

/// Joins the run to the others of its folder. A script that declares no experiment and measures nothing leaves no files.
#[expect(clippy::too_many_arguments, reason = "all of a run's circumstances")]
fn keep(
    context: &Context,
    plan: &Plan,
    folder: &Folder,
    sure: bool,
    known: bool,
    result: &RunResult,
    outcome: &Outcome,
    begin: SystemTime,
) -> Result<bool, LabError> {
    let measured = !result.record.is_empty()
        || folder.path.join("pcap").exists()
        || result
            .tables
            .iter()
            .any(|(name, table)| !ALWAYS.contains(&name.as_str()) && !table.rows.is_empty());
    if result.ended == Ended::Cut || outcome.broken_disk.is_some() || !(sure || measured) {
        return Ok(false);
    }
    let failed = |error| {
        LabError::io("cannot write", &folder.path, error, "the run itself is not affected; use --out DIR")
    };
    if !sure {
        folder.prepare(false)?;
        folder.write_part(&plan.runs[0], result).map_err(failed)?;
    }
    // A run that was there already is the same again: nothing to merge.
    if !known || result.error.is_some() {
        let results: Results = merge(plan, folder)?;
        write_manifest(plan, folder, &results, outcome, &context.circumstances(begin, 1)).map_err(failed)?;
    }
    folder.link_latest().map_err(failed)?;
    Ok(true)
}

fn show(context: &Context, plan: &Plan, result: &RunResult, outcome: &Outcome, folder: Option<&Folder>) {
    let (term, globals) = (&context.term, &context.globals);
    let say = |tone: Tone, text: String| term.say(&vec![(tone, text)]);
    if globals.json && !globals.quiet {
        result.log.iter().for_each(|line| say(Tone::Plain, line.clone()));
    }
    if !globals.quiet && !result.record.is_empty() {
        let mut table = TextTable::new([Align::Left, Align::Right, Align::Left]);
        for (name, value) in &result.record {
            let text = match value {
                Value::Float(x) => human(*x),
                other => other.to_string(),
            };
            let declared =
                plan.experiment.units.iter().find(|(known, _)| known == name).map(|(_, unit)| unit.as_str());
            let unit = declared.or_else(|| unit_of(name)).filter(|unit| *unit != "1").unwrap_or("");
            table.row([name.as_str(), text.as_str(), unit]);
        }
        table.lines().into_iter().for_each(|line| say(Tone::Plain, format!("  {line}")));
    }
    for check in result.checks.iter().filter(|check| !check.passed) {
        let text = format!("{}{}", check.text, at(&check.place));
        term.say(&vec![(Tone::Bad, "  FAIL  ".to_owned()), (Tone::Plain, text)]);
    }
    if globals.verbose > 0 {
        result.tables.iter().for_each(|(name, table)| show_table(context, name, table));
    }
    let place = folder.map(|folder| folder.path.display().to_string());
    if result.error.is_some() {
        return place.iter().for_each(|place| term.note(Tone::Faint, place));
    }
    let run = &plan.runs[0];
    let point = if run.point.is_empty() { String::new() } else { format!("{} ", shown(&run.point)) };
    let rep = if plan.experiment.declared {
        format!("{point}rep={} seed={}   ", run.rep, plan.experiment.seed)
    } else {
        String::new()
    };
    let (status, checks) = (&outcome.status, result.checks.len());
    let wall = status.wall.as_secs_f64();
    let checked = if checks > 0 { format!("   checks {}/{checks}", status.checks.0) } else { String::new() };
    let text = format!(
        "{}: {rep}{} simulated in {}, {} events{checked}",
        plan.experiment.name,
        rounded(result.sim.as_secs_f64()),
        duration(wall),
        human_count(result.events as f64),
    );
    term.note(Tone::Faint, &text);
    place.iter().for_each(|place| term.note(Tone::Faint, place));
}

/// Simulated time without needless digits.
fn rounded(seconds: f64) -> String {
    let (number, unit) = if seconds > 0.0 && seconds < 1.0 { (seconds * 1e3, "ms") } else { (seconds, "s") };
    let text = if number >= 100.0 { format!("{number:.0}") } else { format!("{number:.2}") };
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} {unit}")
}

/// `-v` shows the first rows of every table, `-vv` more.
fn show_table(context: &Context, name: &str, table: &tidewire_metrics::Table) {
    let most = if context.globals.verbose > 1 { 200 } else { 12 };
    // Empty columns, and causes that did not occur, say nothing.
    let says = |at: &usize| {
        let mut cells = table.rows.iter().map(|row| &row[*at]);
        let drops = table.columns[*at].starts_with("drops_");
        cells.any(|cell| *cell != Value::Nothing && !(drops && cell.number() == Some(0.0)))
    };
    let filled: Vec<usize> = (0..table.columns.len()).filter(says).collect();
    if table.rows.is_empty() {
        return;
    }
    let numeric = |at: &usize| table.rows.iter().all(|row| !matches!(row[*at], Value::Text(_)));
    let mut text = TextTable::new(
        filled.iter().map(|at| if numeric(at) { Align::Right } else { Align::Left }).collect::<Vec<_>>(),
    );
    text.row(filled.iter().map(|at| table.columns[*at].clone()));
    for row in table.rows.iter().take(most) {
        text.row(filled.iter().map(|at| match &row[*at] {
            Value::Float(x) => human(*x),
            other => other.to_string(),
        }));
    }
    context.term.say(&vec![(Tone::Strong, format!("\n  {name}"))]);
    for (at, line) in text.lines().into_iter().enumerate() {
        let cut: String = line.chars().take(context.term.width.saturating_sub(4).max(40)).collect();
        context.term.say(&vec![(if at == 0 { Tone::Faint } else { Tone::Plain }, format!("    {cut}"))]);
    }
    if table.rows.len() > most {
        context.term.say(&vec![(Tone::Faint, format!("    and {} more rows", table.rows.len() - most))]);
    }
}
