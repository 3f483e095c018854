//! `tidewire plot`, `check`, `topo`, `clean`, `completions`.

use crate::args::{CheckArgs, CleanArgs, Cli, PlotArgs, TopoArgs};
use crate::{Context, source};
use clap::CommandFactory;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidewire_lab::{LabError, Plan, Runner, Threshold, Tone, Wanted, check_plots, read_value, replot, shown};
use tidewire_script::{Fault, PlotSpec, Point, RunRequest, ScriptError};
use tidewire_units::Span;

pub fn plot(context: &Context, args: &PlotArgs) -> Result<u8, LabError> {
    let root = context.results_root();
    let from = match &args.from {
        Some(path) => path.clone(),
        None => newest(&root).ok_or_else(|| {
            LabError::Usage(format!(
                "no results below {}; name a results folder or a CSV file",
                root.display()
            ))
        })?,
    };
    let only = args.only.iter().map(|text| {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| LabError::Usage(format!("--where {text}: expected NAME=VALUE")))?;
        Ok((name.to_owned(), read_value(value)))
    });
    let only: Point = only.collect::<Result<_, LabError>>()?;
    let chosen = args.x.is_some() || !args.y.is_empty() || args.series.is_some();
    let spec = chosen.then(|| PlotSpec {
        x: args.x.clone(),
        y: args.y.clone(),
        series: args.series.clone(),
        color: args.color_by.clone(),
        facet: args.facet.clone(),
        log: args.log.clone(),
        kind: args.kind.clone(),
        only,
    });
    let needs_both = spec.as_ref().is_some_and(|s| {
        s.series.is_none() && (s.y.is_empty() || (s.x.is_none() && s.kind.as_deref() != Some("cdf")))
    });
    if needs_both {
        return Err(LabError::Usage("a plot needs --x and --y, or --series".into()));
    }
    let files = replot(&from, spec, args.output.as_deref())?;
    if context.globals.json {
        println!("{}", json!({ "command": "plot", "files": files, "exit": 0 }));
    } else {
        files.iter().for_each(|file| context.term.say(&vec![(Tone::Plain, file.display().to_string())]));
    }
    Ok(0)
}

/// The experiment whose newest results are the newest of all.
fn newest(root: &Path) -> Option<PathBuf> {
    let experiments = fs::read_dir(root).ok()?.flatten().map(|entry| entry.path());
    let latest = experiments.filter_map(|path| tidewire_lab::follow_latest(&path));
    latest.max_by_key(|path| {
        (fs::metadata(path.join("manifest.json")).and_then(|about| about.modified()).ok(), path.clone())
    })
}

/// Builds every point and stops before time moves. Runs to the first instant until the script crate has a check of its own.
pub fn check(context: &Context, args: &CheckArgs) -> Result<u8, LabError> {
    let script = source::read(&args.script)?;
    let wanted =
        Wanted { params: args.p.clone(), rep: Some(1), until: Some(Span::ZERO), ..Wanted::default() };
    let plan = Plan::new(&context.runner, &script, &wanted)?;
    plan.declared.expect.iter().try_for_each(|e| Threshold::parse(e, &plan.declared).map(drop))?;
    check_plots(&plan.declared)?;
    let mut warnings: Vec<String> = Vec::new();
    for run in &plan.runs {
        let request = request(context, &run.point, run.seed);
        let result = context.runner.run(&script, &plan.experiment, &request);
        if let Some(mut error) = result.error {
            if plan.runs.len() > 1 {
                error.message.push_str(&format!("\n  at the point {}", shown(&run.point)));
            }
            return Err(LabError::Script(error));
        }
        for line in result.log.into_iter().filter(|line| line.starts_with("warning")) {
            if !warnings.contains(&line) {
                context.term.complain("warning:", line.trim_start_matches("warning:").trim_start());
                warnings.push(line);
            }
        }
    }
    let code = u8::from(args.strict && !warnings.is_empty()) * 3;
    let points =
        if plan.runs.len() == 1 { "1 point".to_owned() } else { format!("{} points", plan.runs.len()) };
    if context.globals.json {
        println!(
            "{}",
            json!({ "command": "check", "points": plan.runs.len(), "warnings": warnings, "exit": code })
        );
    } else {
        let tone = if warnings.is_empty() { Tone::Good } else { Tone::Strong };
        let verdict =
            if warnings.is_empty() { "ok".to_owned() } else { format!("{} warnings", warnings.len()) };
        context.term.say(&vec![(tone, verdict), (Tone::Plain, format!("  {}: {points}", plan.script.shown))]);
    }
    Ok(code)
}

fn request(context: &Context, point: &Point, seed: u64) -> RunRequest {
    RunRequest {
        point: point.clone(),
        rep: 1,
        seed,
        until: Some(Span::ZERO),
        memory: context.globals.memory,
        script_timeout_s: context.globals.script_timeout.as_secs_f64(),
        max_events: context.globals.max_events,
        echo: false,
        check_wire: false,
        stop: Arc::default(),
    }
}

pub fn topo(context: &Context, args: &TopoArgs) -> Result<u8, LabError> {
    let script = source::read(&args.script)?;
    let wanted = Wanted { params: args.p.clone(), first_point: true, ..Wanted::default() };
    Plan::new(&context.runner, &script, &wanted)?;
    let message = "this build cannot show networks yet".to_owned();
    Err(LabError::Script(ScriptError { fault: Fault::Script, place: None, message }))
}

/// Deletes all but the newest folders of each experiment below the results folder. Only folders with a manifest or parts are touched.
pub fn clean(context: &Context, args: &CleanArgs) -> Result<u8, LabError> {
    let root = context.results_root();
    let experiments = fs::read_dir(&root).map_err(|error| LabError::io("cannot read", &root, error, ""))?;
    let mut deleted = Vec::new();
    for experiment in experiments.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        let inside = fs::read_dir(&experiment).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_key = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.len() == 8
                && name.bytes().all(|b| b.is_ascii_hexdigit())
                && !path.is_symlink()
                && path.join("parts").is_dir()
        };
        let mut folders: Vec<PathBuf> = inside.filter(is_key).collect();
        let age = |path: &PathBuf| {
            fs::metadata(path.join("manifest.json"))
                .or_else(|_| fs::metadata(path))
                .and_then(|a| a.modified())
                .ok()
        };
        folders.sort_by_key(|path| std::cmp::Reverse(age(path)));
        deleted.extend(folders.into_iter().skip(args.keep));
    }
    deleted.sort();
    for folder in &deleted {
        if !args.dry_run {
            fs::remove_dir_all(folder).map_err(|error| LabError::io("cannot delete", folder, error, ""))?;
        }
        let what = if args.dry_run { "would delete" } else { "deleted" };
        context.term.say(&vec![(Tone::Plain, format!("{what} {}", folder.display()))]);
    }
    if deleted.is_empty() {
        context.term.note(Tone::Plain, "nothing to delete");
    }
    Ok(0)
}

pub fn completions(shell: clap_complete::Shell) -> Result<u8, LabError> {
    clap_complete::generate(shell, &mut Cli::command(), "tidewire", &mut std::io::stdout());
    Ok(0)
}
