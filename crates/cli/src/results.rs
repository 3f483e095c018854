//! `tidewire report`, `compare`, `merge`, `bundle`: what can be done with results that are there.

use crate::Context;
use crate::args::{BundleArgs, CompareArgs, MergeArgs, ReportArgs};
use crate::report::counted;
use crate::sweep::judge_all;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tidewire_lab::{
    Change, Comparison, Difference, Interest, LabError, Outcome, Reopened, Status, Threshold, Tone, draw,
    expect_json, join_shards, summary_lines, verdict_lines, write_manifest, write_whole,
};
use tidewire_metrics::{Align, TextTable, human};

/// The folder that is named, or the newest.
fn chosen(context: &Context, from: Option<&PathBuf>) -> Result<PathBuf, LabError> {
    let root = context.results_root();
    from.cloned()
        .or_else(|| crate::others::newest(&root))
        .ok_or_else(|| LabError::Usage(format!("no results below {}; name a results folder", root.display())))
}

/// Says what a results folder shows, and writes it as one HTML page.
pub fn report(context: &Context, args: &ReportArgs) -> Result<u8, LabError> {
    let term = &context.term;
    let opened = Reopened::open(&context.runner, &chosen(context, args.from.as_ref())?)?;
    let results = opened.results()?;
    let (judged, _) = judge_all(&thresholds(&opened)?, &results);
    let lost = judged.iter().filter(|(_, verdicts)| verdicts.iter().any(|verdict| !verdict.passed)).count();
    let code = u8::from(lost > 0);
    let written = if args.text { None } else { Some(write_page(context, args, &opened, &results, &judged)?) };
    if context.globals.json {
        let details: serde_json::Value = serde_json::from_str(&expect_json(&judged)).expect("our own text");
        term.json(&json!({
            "command": "report", "name": opened.manifest.name, "runs": results.runs.len(),
            "thresholds": { "passed": judged.len() - lost, "failed": lost, "details": details },
            "report": written.map(|path| path.display().to_string()), "exit": code,
        }));
        return Ok(code);
    }
    if !context.globals.quiet {
        let title = format!("{}   {}", opened.manifest.name, counted(results.runs.len(), "run"));
        term.say(&vec![(Tone::Strong, title)]);
        term.say(&Vec::new());
        summary_lines(&results, term.width).iter().for_each(|line| term.say(line));
        term.say(&Vec::new());
        verdict_lines(&opened.plan, &judged).iter().for_each(|line| term.say(line));
    }
    written.iter().for_each(|path| term.say(&vec![(Tone::Plain, format!("  {}", path.display()))]));
    Ok(code)
}

fn thresholds(opened: &Reopened) -> Result<Vec<Threshold>, LabError> {
    let declared = &opened.plan.declared;
    declared.expect.iter().map(|expect| Threshold::parse(expect, declared)).collect()
}

fn write_page(
    context: &Context,
    args: &ReportArgs,
    opened: &Reopened,
    results: &tidewire_lab::Results,
    judged: &crate::sweep::Judged,
) -> Result<PathBuf, LabError> {
    use tidewire_lab::Runner;
    // A network that cannot be built any more is missed less than the report.
    let first = opened.plan.experiment.points.first();
    let network = first
        .and_then(|point| context.runner.network(&opened.plan.script, &opened.plan.experiment, point).ok());
    let svg = network.map(|network| tidewire_topology::draw::svg(&network));
    let page = tidewire_lab::html(opened, results, judged, svg.as_deref());
    let path = args.output.clone().unwrap_or_else(|| opened.folder.path.join("report.html"));
    write_whole(&path, page.as_bytes()).map_err(|error| LabError::io("cannot write", &path, error, ""))?;
    Ok(path)
}

/// Joins shards, judges and draws as the whole sweep would have.
pub fn merge(context: &Context, args: &MergeArgs) -> Result<u8, LabError> {
    let (term, begin) = (&context.term, SystemTime::now());
    let (opened, results) = join_shards(&context.runner, &args.dirs, &context.results_root())?;
    let folder = &opened.folder;
    let failed = |error| LabError::io("cannot write", &folder.path, error, "");
    let (plots, wrong) = draw(&results, folder)?;
    wrong.iter().for_each(|error| term.complain("warning:", &error.to_string()));
    let (judged, wrong) = judge_all(&thresholds(&opened)?, &results);
    wrong.iter().for_each(|error| term.complain("warning:", &error.to_string()));
    write_whole(&folder.path.join("expect.json"), expect_json(&judged).as_bytes()).map_err(failed)?;
    let status = Status { total: results.runs.len(), found: results.runs.len(), ..Status::default() };
    let outcome = Outcome { status, ..Outcome::default() };
    write_manifest(&opened.plan, folder, &results, &outcome, &context.circumstances(begin, 1))
        .map_err(failed)?;
    folder.link_latest().map_err(failed)?;
    let lost = judged.iter().filter(|(_, verdicts)| verdicts.iter().any(|verdict| !verdict.passed)).count();
    let code = u8::from(lost > 0);
    let planned = opened.plan.experiment.points.len() * opened.plan.experiment.reps as usize;
    let missing = match opened.plan.declared.stopping {
        Some(_) => 0,
        None => planned.saturating_sub(results.runs.len()),
    };
    if context.globals.json {
        term.json(&json!({
            "command": "merge", "runs": results.runs.len(), "missing": missing, "plots": plots,
            "thresholds": { "passed": judged.len() - lost, "failed": lost },
            "out": folder.path.display().to_string(), "exit": code,
        }));
    } else {
        let missing = if missing == 0 { String::new() } else { format!(", {missing} missing") };
        if !missing.is_empty() {
            term.complain("warning:", &format!("the sweep is not whole{missing}: merge all its shards, or run the rest with tidewire sweep"));
        }
        let line = format!("{}   {}{missing}", opened.manifest.name, counted(results.runs.len(), "run"));
        term.say(&vec![(Tone::Strong, line)]);
        summary_lines(&results, term.width).iter().for_each(|line| term.say(line));
        verdict_lines(&opened.plan, &judged).iter().for_each(|line| term.say(line));
        term.say(&vec![(Tone::Plain, format!("  {}", folder.path.display()))]);
    }
    Ok(code)
}

/// Packs a results folder.
pub fn bundle(context: &Context, args: &BundleArgs) -> Result<u8, LabError> {
    let from = chosen(context, args.from.as_ref())?;
    let (path, files) = tidewire_lab::bundle(&from, args.output.as_deref())?;
    if context.globals.json {
        context.term.json(
            &json!({ "command": "bundle", "file": path.display().to_string(), "files": files, "exit": 0 }),
        );
    } else {
        context.term.say(&vec![(Tone::Plain, format!("{}  ({})", path.display(), counted(files, "file")))]);
    }
    Ok(0)
}

/// Says what differs between two sweeps.
pub fn compare(context: &Context, args: &CompareArgs) -> Result<u8, LabError> {
    let interest = Interest {
        metrics: args.metric.clone(),
        tolerance: args.tolerance,
        more_is_better: args.better.as_ref().map(|better| better == "more"),
    };
    let comparison = tidewire_lab::compare(&args.first, &args.second, &interest)?;
    let count = |change: Change| comparison.all.iter().filter(|d| d.change == change).count();
    let code = u8::from(count(Change::Worse) > 0);
    if context.globals.json {
        let all: Vec<_> = comparison.all.iter().map(object).collect();
        context.term.json(&json!({
            "command": "compare", "better": count(Change::Better), "worse": count(Change::Worse),
            "differs": count(Change::Differs), "same": count(Change::Same), "alone": comparison.alone,
            "differences": all, "exit": code,
        }));
    } else {
        say(context, args, &comparison);
    }
    Ok(code)
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Same => "same",
        Change::Better => "better",
        Change::Worse => "WORSE",
        Change::Differs => "differs",
    }
}

fn object(d: &Difference) -> serde_json::Value {
    json!({
        "point": d.point, "metric": d.metric, "unit": d.unit, "mean_1": d.means[0].0, "n_1": d.means[0].1,
        "mean_2": d.means[1].0, "n_2": d.means[1].1, "difference": d.difference, "ci95": d.half, "paired": d.paired,
        "verdict": word(d.change),
    })
}

fn say(context: &Context, args: &CompareArgs, comparison: &Comparison) {
    let term = &context.term;
    let shown: Vec<&Difference> =
        comparison.all.iter().filter(|d| d.change != Change::Same || context.globals.verbose > 0).collect();
    if !shown.is_empty() {
        let paths = [&args.first, &args.second];
        let mut names = paths.map(|path| short(path));
        if names[0] == names[1] {
            names = paths.map(|path| path.display().to_string());
        }
        let mut table = TextTable::new([
            Align::Left,
            Align::Left,
            Align::Left,
            Align::Right,
            Align::Right,
            Align::Right,
            Align::Left,
        ]);
        table.row(["", "metric", "point", &names[0], &names[1], "difference", ""]);
        for d in &shown {
            let half = d.half.map_or_else(|| "(single runs)".to_owned(), |half| format!("±{}", human(half)));
            let sign = if d.difference > 0.0 { "+" } else { "" };
            table.row([
                word(d.change).to_owned(),
                d.metric.clone(),
                d.point.clone(),
                human(d.means[0].0),
                human(d.means[1].0),
                format!("{sign}{}", human(d.difference)),
                format!("{half} {}{}", d.unit, if d.paired { "  paired" } else { "" }).trim_end().to_owned(),
            ]);
        }
        let tones = std::iter::once(Tone::Faint).chain(shown.iter().map(|d| match d.change {
            Change::Worse => Tone::Bad,
            Change::Better => Tone::Good,
            _ => Tone::Plain,
        }));
        for (line, tone) in table.lines().into_iter().zip(tones) {
            term.say(&vec![(tone, format!("  {line}"))]);
        }
    }
    let same = comparison.all.iter().filter(|d| d.change == Change::Same).count();
    let mut last = format!(
        "  {same} of {} figures do not differ by more than chance explains (95 %)",
        comparison.all.len()
    );
    if args.tolerance > 0.0 {
        last.push_str(&format!(" or by more than {} %", human(100.0 * args.tolerance)));
    }
    term.say(&vec![(Tone::Plain, last)]);
    if comparison.alone > 0 {
        let text = format!("  {} in one of both only", counted(comparison.alone, "point"));
        term.say(&vec![(Tone::Faint, text)]);
    }
}

/// The last two parts of a path.
fn short(path: &Path) -> String {
    let parts: Vec<_> =
        path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    parts[parts.len().saturating_sub(2)..].join("/")
}
