//! `tidewire plot`, `clean`, `completions`.

use crate::Context;
use crate::args::{CleanArgs, Cli, PlotArgs};
use clap::CommandFactory;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use tidewire_lab::{LabError, Tone, read_value, replot};
use tidewire_script::{PlotSpec, Point};

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
        place: None,
    });
    let needs_both = spec.as_ref().is_some_and(|s| {
        s.series.is_none() && (s.y.is_empty() || (s.x.is_none() && s.kind.as_deref() != Some("cdf")))
    });
    if needs_both {
        return Err(LabError::Usage("a plot needs --x and --y, or --series".into()));
    }
    let files = replot(&from, spec, args.output.as_deref())?;
    if context.globals.json {
        context.term.json(&json!({ "command": "plot", "files": files, "exit": 0 }));
    } else {
        files.iter().for_each(|file| context.term.say(&vec![(Tone::Plain, file.display().to_string())]));
    }
    Ok(0)
}

/// The experiment whose newest results are the newest of all.
pub fn newest(root: &Path) -> Option<PathBuf> {
    let experiments = fs::read_dir(root).ok()?.flatten().map(|entry| entry.path());
    let latest = experiments.filter_map(|path| tidewire_lab::follow_latest(&path));
    latest.max_by_key(|path| {
        (fs::metadata(path.join("manifest.json")).and_then(|about| about.modified()).ok(), path.clone())
    })
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
    if context.globals.json {
        let folders: Vec<String> = deleted.iter().map(|folder| folder.display().to_string()).collect();
        context
            .term
            .json(&json!({ "command": "clean", "dry_run": args.dry_run, "deleted": folders, "exit": 0 }));
    }
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
