//! `tidewire sweep`: all points and replications of an experiment.

use crate::args::SweepArgs;
use crate::progress::Display;
use crate::report::{self, Failures, Warnings, counted, figures, joined};
use crate::term::duration;
use crate::{Context, usage};
use serde_json::{Value as Json, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tidewire_lab::{
    Circumstances, Folder, Heard, LabError, Names, Outcome, Part, Plan, Progress, Results, Settings,
    Threshold, Tone, Verdict, Wanted, check_plot_metrics, check_plots, draw, expect_json, merge, shown,
    summary_lines, verdict_lines, why_new_folder, write_manifest, write_whole,
};
use tidewire_metrics::{human, human_count};
use tidewire_script::{Check, Point, SweepTables};

impl Context {
    /// The folder of all results.
    pub fn results_root(&self) -> PathBuf {
        self.globals.out.clone().unwrap_or_else(|| PathBuf::from("results"))
    }

    /// Settings from the global options.
    pub fn settings(&self) -> Settings {
        Settings {
            memory: self.globals.memory,
            script_timeout_s: self.globals.script_timeout.as_secs_f64(),
            max_events: self.globals.max_events,
            check_wire: self.globals.check_wire,
            ..Settings::default()
        }
    }

    pub fn circumstances(&self, begin: SystemTime, jobs: usize) -> Circumstances {
        Circumstances { tool: self.tool.clone(), command: self.command.clone(), begin, jobs }
    }
}

pub fn sweep(context: &Context, args: &SweepArgs) -> Result<u8, LabError> {
    let (term, begin) = (&context.term, SystemTime::now());
    let script = crate::read_script(&args.script)?;
    let wanted = Wanted {
        params: args.p.clone(),
        reps: args.reps,
        seed: args.seed,
        until: args.until,
        only: args.only.clone(),
        shard: args.shard,
        ..Wanted::default()
    };
    let plan = Plan::new(&context.runner, &script, &wanted)?;
    let thresholds = plan
        .declared
        .expect
        .iter()
        .map(|e| Threshold::parse(e, &plan.declared))
        .collect::<Result<Vec<_>, _>>()?;
    check_plots(&plan.declared)?;
    plan.warnings.iter().for_each(|text| term.complain("warning:", text));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = args.jobs.map_or(cores, usize::from).min(plan.runs.len());
    let mut folder = Folder::of(&context.results_root(), &plan, &context.tool);
    folder.gzip = args.gzip;
    let threads = if jobs == 1 { "1 thread".to_owned() } else { format!("{jobs} threads") };
    term.note(Tone::Strong, &format!("{}, {threads}", plan.headline()));
    if let Some(why) = why_new_folder(&plan, &folder, &context.tool) {
        term.note(Tone::Plain, &why);
    }
    term.note(Tone::Plain, &folder.path.display().to_string());
    if args.dry_run {
        return Ok(dry_run(context, &plan, &folder));
    }
    folder.prepare(args.fresh)?;
    save_if_stuck(context, &plan, &folder, &thresholds, (begin, jobs));
    // A single run shows what it prints; many would talk across each other: their prints are in logs/.
    let echo = plan.runs.len() == 1 && !context.globals.json;
    let settings = Settings { jobs, echo, captures: Some(folder.path.join("pcap")), ..context.settings() };
    let cpu = usage::used().0;
    let mut warnings = Warnings::default();
    let outcome = do_runs(context, &plan, &folder, &settings, &thresholds, &mut warnings)?;
    let cpu_s = usage::used().0 - cpu;
    finish(context, &plan, &folder, &thresholds, outcome, &mut warnings, (begin, jobs, cpu_s))
}

/// If a run hangs, all that is finished is merged, judged and told.
fn save_if_stuck(
    context: &Context,
    plan: &Plan,
    folder: &Folder,
    thresholds: &[Threshold],
    (begin, jobs): (SystemTime, usize),
) {
    let (context, plan, folder) = (context.clone(), plan.clone(), folder.clone());
    let thresholds = thresholds.to_vec();
    crate::stuck::watch(move |stuck| {
        let Some((run, mut outcome)) = crate::stuck::tell(&context, &plan, stuck, begin) else {
            return Ok(4);
        };
        // Should this fail, the run is only missing.
        let _ = folder.write_part(&run, &stuck.so_far);
        outcome.status.finished += folder.finished().len();
        let mut warnings = Warnings::default();
        finish(&context, &plan, &folder, &thresholds, outcome, &mut warnings, (begin, jobs, usage::used().0))
    });
}

fn dry_run(context: &Context, plan: &Plan, folder: &Folder) -> u8 {
    let found = folder.finished();
    for run in &plan.runs {
        let state = if found.contains_key(&run.id) { "found" } else { "to do" };
        context.term.say(&vec![(Tone::Plain, format!("  {state}  {}  seed={}", run.id, run.seed))]);
    }
    if context.globals.json {
        let to_do = plan.runs.iter().filter(|run| !found.contains_key(&run.id)).count();
        context
            .term
            .json(&json!({ "command": "sweep", "dry_run": true, "runs": plan.runs.len(), "to_do": to_do }));
    }
    0
}

fn do_runs(
    context: &Context,
    plan: &Plan,
    folder: &Folder,
    settings: &Settings,
    thresholds: &[Threshold],
    warnings: &mut Warnings,
) -> Result<Outcome, LabError> {
    let term = &context.term;
    let mut display = Display::new(plan, &context.globals, *term);
    let mut failures = Failures::default();
    let mut told_found = false;
    let mut heard = Heard::before(plan, folder);
    let mut judge = |progress: Progress<'_>| {
        match progress {
            Progress::Failed(failure) => display.beside(|| failures.tell(plan, failure, term)),
            Progress::Finished(run, result) => {
                display.beside(|| warnings.tell(result, term));
                // What only other points record is no mistake; a misspelt name is best heard soon.
                if heard.hear(run, result) && plan.is_whole() {
                    thresholds.iter().try_for_each(|threshold| threshold.check_names(&heard, Names::Near))?;
                    check_plot_metrics(&plan.declared, &heard, Names::Near)?;
                }
                if context.globals.verbose > 0 {
                    let line = format!("  {}  {} events", run.id, human_count(result.events as f64));
                    display.beside(|| term.note(Tone::Faint, &line));
                }
            }
            Progress::Status(status) => {
                if !told_found && status.found > 0 {
                    let line = format!(
                        "{} of {} found, {} to go",
                        status.found,
                        counted(status.total, "run"),
                        status.total - status.found
                    );
                    display.beside(|| term.note(Tone::Plain, &line));
                }
                told_found = true;
                display.update(status);
            }
        }
        Ok(())
    };
    let outcome =
        tidewire_lab::sweep(&context.runner, plan, Some(folder), settings, &context.interrupt, &mut judge);
    display.finish();
    failures.finish(term);
    outcome
}

/// Merges, judges, draws, says.
fn finish(
    context: &Context,
    plan: &Plan,
    folder: &Folder,
    thresholds: &[Threshold],
    outcome: Outcome,
    warnings: &mut Warnings,
    (begin, jobs, cpu_s): (SystemTime, usize, f64),
) -> Result<u8, LabError> {
    let term = &context.term;
    let done = outcome.status.found + outcome.status.finished;
    if let Some((error, _)) = &outcome.broken_disk {
        let kept = format!("{done} of {} runs are kept in {}", outcome.status.total, folder.path.display());
        term.error(&format!(
            "cannot write {}: {error}\n  {kept}; make room and run again to resume",
            folder.path.display()
        ));
    }
    // A value of the command line that no run can use, probably misspelt, must not stay in the tables for ever.
    for failure in &outcome.failures {
        if !plan.declared.points.contains(&failure.run.point) {
            let _ = folder.remove_part(&failure.run.id);
        }
    }
    let results = match merge(plan, folder) {
        Ok(results) => results,
        Err(error) => {
            if outcome.broken_disk.is_none() {
                term.error(&error.to_string());
            }
            return Ok(5);
        }
    };
    let failed = |error| LabError::io("cannot write", &folder.path, error, "the tables are written");
    let (plots, mut wrong) = draw(&results, folder)?;
    let (of_folder, _) = judge_all(thresholds, &results);
    write_whole(&folder.path.join("expect.json"), expect_json(&of_folder).as_bytes()).map_err(failed)?;
    write_manifest(plan, folder, &results, &outcome, &context.circumstances(begin, jobs)).map_err(failed)?;
    folder.link_latest().map_err(failed)?;
    let results = results.of_plan(plan);
    results.runs.iter().for_each(|part| warnings.tell(&part.result, term));
    let (judged, errors) = judge_all(thresholds, &results);
    wrong.extend(errors);
    let complete = outcome.stopped.is_none() && outcome.status.asked == 0;
    // Where no run succeeded, nothing has any name: that was told.
    if results.runs.iter().all(|part| part.result.error.is_some()) {
        wrong.clear();
    }
    // What only other points would show is missing for a reason.
    if complete && !plan.is_whole() {
        wrong.drain(..).for_each(|error| term.complain("warning:", &error.to_string()));
    }
    if complete {
        wrong.iter().for_each(|error| term.error(&crate::with_line(error)));
    }
    outcome.stopped.iter().for_each(|error| term.error(&crate::with_line(error)));
    let unmet = if complete { after_all(context, plan, folder, &results)? } else { 0 };
    say(context, plan, folder, &results, &outcome, &judged, &plots);
    report::hint_at_units(term, &results.without_unit());
    let lost = judged.iter().filter(|(_, verdicts)| verdicts.iter().any(|verdict| !verdict.passed)).count();
    let unheld = failed_checks(&results).len();
    let mut code = report::exit_code(&outcome, lost > 0 || unmet > 0 || unheld > 0);
    if code <= 1 && complete {
        code = wrong.iter().map(LabError::exit_code).max().unwrap_or(code);
    }
    if context.globals.json {
        let checks: usize = results.runs.iter().map(|part| part.result.checks.len()).sum();
        let of_sweep = json!({
            "checks": { "passed": checks - unheld, "failed": unheld },
            "command": "sweep", "name": plan.experiment.name, "seed": plan.experiment.seed,
            "points": results.points().len(), "reps": plan.experiment.reps,
            "thresholds": { "passed": judged.len() - lost, "failed": lost, "details": details(&judged) },
            "plots": plots, "out": folder.path.display().to_string(), "exit": code,
        });
        // Checks of runs that were found count as well.
        context.term.json(&joined(figures(&outcome, cpu_s), of_sweep));
    }
    Ok(code)
}

/// The script's own last words about the whole sweep. Gives how many of its checks did not hold.
fn after_all(context: &Context, plan: &Plan, folder: &Folder, results: &Results) -> Result<usize, LabError> {
    if !plan.declared.after_all {
        return Ok(0);
    }
    let tables = SweepTables {
        runs: results.runs_table(),
        summary: results.summary_table(),
        folder: folder.path.display().to_string(),
    };
    let timeout = context.globals.script_timeout.as_secs_f64();
    let (log, checks) = tidewire_script::after_all(&plan.script, tables, timeout)?;
    log.into_iter().for_each(|line| context.term.say(&vec![(Tone::Plain, line)]));
    let unmet: Vec<&Check> = checks.iter().filter(|check| !check.passed).collect();
    for check in &unmet {
        let text = format!("{}{}", check.text, report::at(&check.place));
        context.term.say(&vec![(Tone::Bad, "  FAIL  ".to_owned()), (Tone::Plain, text)]);
    }
    Ok(unmet.len())
}

/// How many failed checks are told one by one.
const CHECKS_TOLD: usize = 3;

/// Checks that did not hold, of runs done now or found.
fn failed_checks(results: &Results) -> Vec<(&Part, &Check)> {
    let all = results.runs.iter().flat_map(|part| part.result.checks.iter().map(move |check| (part, check)));
    all.filter(|(_, check)| !check.passed).collect()
}

/// The first failed checks, and the command that shows one.
fn say_failed(context: &Context, plan: &Plan, failed: &[(&Part, &Check)]) {
    let term = &context.term;
    for (part, check) in failed.iter().take(CHECKS_TOLD) {
        let place =
            check.place.as_ref().map_or(String::new(), |place| format!("  {}:{}", place.file, place.line));
        let head = (Tone::Bad, "  FAIL  ".to_owned());
        term.say(&vec![head, (Tone::Plain, format!("{}{place}  in run {}", check.text, part.run.id))]);
    }
    if let Some((part, _)) = failed.first() {
        let more = failed.len().saturating_sub(CHECKS_TOLD);
        if more > 0 {
            let more = counted(more, "more failed check");
            term.say(&vec![(Tone::Plain, format!("        and {more}, see status in runs.csv"))]);
        }
        let command = plan.repeat(&part.run.point, part.run.rep);
        term.say(&vec![(Tone::Faint, format!("        look closer: {command} -v"))]);
    }
}

pub type Judged = Vec<(Threshold, Vec<Verdict>)>;

pub fn judge_all(thresholds: &[Threshold], results: &Results) -> (Judged, Vec<LabError>) {
    let (mut judged, mut wrong) = (Vec::new(), Vec::new());
    for threshold in thresholds {
        match threshold.judge(results) {
            Ok(verdicts) => judged.push((threshold.clone(), verdicts)),
            Err(error) => wrong.push(error),
        }
    }
    (judged, wrong)
}

fn details(judged: &Judged) -> Json {
    serde_json::from_str(&expect_json(judged)).expect("our own text")
}

fn say(
    context: &Context,
    plan: &Plan,
    folder: &Folder,
    results: &Results,
    outcome: &Outcome,
    judged: &Judged,
    plots: &[String],
) {
    let (term, status) = (&context.term, &outcome.status);
    let plain = |tone: Tone, text: String| term.say(&vec![(tone, text)]);
    let verdicts = verdict_lines(plan, judged);
    if context.globals.quiet {
        verdicts
            .iter()
            .filter(|line| line.iter().any(|(tone, _)| *tone == Tone::Bad))
            .for_each(|line| term.say(line));
        say_failed(context, plan, &failed_checks(results));
        return;
    }
    if results.runs.is_empty() {
        return;
    }
    let wall = status.wall.as_secs_f64();
    let runs = counted(status.finished, "run");
    let mut headline = format!("{}   {runs} in {}", plan.experiment.name, duration(wall));
    if status.finished == 0 {
        headline =
            format!("{}   nothing to run, {} found", plan.experiment.name, counted(status.found, "run"));
    } else {
        headline.push_str(&format!("   {} packet hops", human_count(status.packet_hops as f64)));
        headline.push_str(&format!("   {} events/s", human_count(status.events as f64 / wall.max(1e-9))));
    }
    plain(Tone::Strong, headline);
    let summary = summary_lines(results, term.width);
    if !results.metrics.is_empty() {
        plain(Tone::Plain, String::new());
        summary.iter().for_each(|line| term.say(line));
    }
    if outcome.failures.is_empty()
        && let Some(remark) = identical(results)
    {
        plain(Tone::Faint, remark);
    }
    let failed = failed_checks(results);
    if !verdicts.is_empty() || !failed.is_empty() {
        plain(Tone::Plain, String::new());
        verdicts.iter().for_each(|line| term.say(line));
    }
    say_failed(context, plan, &failed);
    let checks: usize = results.runs.iter().map(|part| part.result.checks.len()).sum();
    if checks > 0 {
        let text = format!("  checks {}/{checks}", checks - failed.len());
        plain(Tone::Faint, text);
    }
    plain(Tone::Plain, String::new());
    let series = has_rows(&folder.path.join("series.csv")).then_some("series.csv");
    let files: Vec<&str> = ["runs.csv", "summary.csv"]
        .into_iter()
        .chain(series)
        .chain(plots.iter().map(String::as_str))
        .collect();
    plain(Tone::Plain, format!("  {}/", folder.path.display()));
    wrapped(&files, term.width).into_iter().for_each(|line| plain(Tone::Faint, format!("    {line}")));
    closing(context, plan, outcome, judged);
}

/// Whether a CSV file has more than its line of names.
fn has_rows(path: &Path) -> bool {
    if path.with_extension("csv.gz").is_file() {
        return true;
    }
    let file = std::fs::File::open(path).map(BufReader::new);
    file.is_ok_and(|file| file.lines().nth(1).is_some_and(|line| line.is_ok()))
}

/// The words, as many on a line as fit.
fn wrapped(words: &[&str], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut().filter(|line| line.len() + word.len() + 6 <= width) {
            Some(line) => line.extend(["  ", word]),
            None => lines.push((*word).to_owned()),
        }
    }
    lines
}

fn closing(context: &Context, plan: &Plan, outcome: &Outcome, judged: &Judged) {
    let (term, status) = (&context.term, &outcome.status);
    if let (Some(enough), Some(stopping)) = (&outcome.enough, &plan.stopping) {
        let percent = human(100.0 * stopping.until_ci);
        let reps = if enough.least == enough.most {
            enough.most.to_string()
        } else {
            format!("{} to {}", enough.least, enough.most)
        };
        let short = match enough.short.len() {
            0 => String::new(),
            n => format!("; not reached at {}, such as {}", counted(n, "point"), shown(&enough.short[0])),
        };
        term.say(&vec![(
            Tone::Plain,
            format!("  {reps} replications of each point until the interval is within {percent} %{short}"),
        )]);
    }
    if let Some((_, of)) = plan.shard {
        term.say(&vec![(
            Tone::Plain,
            format!("  a part of the runs: join all {of} with tidewire merge DIR..."),
        )]);
    }
    let lost = judged.iter().filter(|(_, verdicts)| verdicts.iter().any(|verdict| !verdict.passed)).count();
    if lost > 0 {
        term.say(&vec![(Tone::Bad, format!("  {lost} of {} failed", counted(judged.len(), "threshold")))]);
    }
    if status.failed > 0 {
        term.say(&vec![(
            Tone::Bad,
            format!("  {} of {} failed", status.failed, counted(status.total, "run")),
        )]);
    }
    let done = status.found + status.finished;
    if status.asked > 0 && done < status.total {
        term.say(&vec![(Tone::Strong, format!("  run again to resume: {done}/{} done", status.total))]);
    }
}

/// Whether there are replications, and none differs from another.
/// What to say of points whose replications are all equal.
fn identical(results: &Results) -> Option<String> {
    let points = results.points();
    let equal = |point: &Point, metric: &String| results.summary(point, metric).sd().unwrap_or(0.0) == 0.0;
    let is_equal = |point: &&Point| {
        results.at(point).nth(1).is_some() && results.metrics.iter().all(|metric| equal(point, metric))
    };
    let found: Vec<&Point> = points.iter().filter(is_equal).collect();
    if found.is_empty() || results.metrics.is_empty() {
        return None;
    }
    if found.len() == points.len() {
        return Some("  all replications are equal: nothing in this experiment is random (jitter = \"1ms\" starts flows at random)".into());
    }
    let mut names: Vec<String> = found.iter().take(3).map(|point| tidewire_lab::shown(point)).collect();
    if found.len() > names.len() {
        names.push(format!("{} more", found.len() - names.len()));
    }
    Some(format!("  all replications are equal at {}: nothing is random there", names.join(", ")))
}
