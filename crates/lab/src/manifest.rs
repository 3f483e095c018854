//! `manifest.json`: what was run, with what, when. The only file with facts of the wall clock.

use crate::folder::{Folder, Tool, sha256_hex, write_whole};
use crate::part::ended_word;
use crate::plan::Plan;
use crate::results::Results;
use crate::sweep::Outcome;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tidewire_script::{PlotSpec, Point};
use tidewire_units::Span;

/// What later commands read of a manifest.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// The experiment's name.
    pub name: String,
    /// The script, as it was named.
    pub script_path: String,
    /// Seed of the experiment.
    pub seed: u64,
    /// Replications, at most.
    pub reps: u32,
    /// The length that the command line set.
    pub until: Option<Span>,
    /// SHA-256 of the script.
    pub script_sha256: String,
    /// Version and source of the tool.
    pub tool: (String, String),
    /// Names of parameters.
    pub params: Vec<String>,
    /// Units of metrics.
    pub units: BTreeMap<String, String>,
    /// The experiment's plots.
    pub plots: Vec<PlotSpec>,
}

/// Facts that only the command knows.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// The tool.
    pub tool: Tool,
    /// The command line.
    pub command: Vec<String>,
    /// When the sweep began.
    pub begin: SystemTime,
    /// Threads.
    pub jobs: usize,
}

/// Writes the manifest and the script's copy.
pub fn write_manifest(
    plan: &Plan,
    folder: &Folder,
    results: &Results,
    outcome: &Outcome,
    facts: &Circumstances,
) -> io::Result<()> {
    write_whole(&folder.path.join("script.lua"), plan.script.text.as_bytes())?;
    copy_inputs(folder, plan, results);
    let mut text =
        serde_json::to_string_pretty(&manifest(plan, results, outcome, facts)).expect("it is JSON");
    text.push('\n');
    write_whole(&folder.path.join("manifest.json"), text.as_bytes())
}

/// Names below a results folder that are the lab's own.
const OURS: [&str; 4] = ["parts", "logs", "plots", "pcap"];

/// Modules, topologies and traces that were read, beside the script's copy: so that it runs from there. What is not there any more is left out.
fn copy_inputs(folder: &Folder, plan: &Plan, results: &Results) {
    let named = crate::deps::files_named_in(&plan.script);
    let read = results.runs.iter().flat_map(|part| &part.result.files).map(|(path, _)| path);
    for path in named.keys().chain(read) {
        let first = path.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let ours = first.is_none_or(|first| OURS.contains(&&*first))
            || (path.components().count() == 1 && ["csv", "json", "html", "zip"].contains(&&*extension))
            || path == Path::new("script.lua");
        let (from, to) = (folder.base.join(path), folder.path.join(path));
        if path.is_absolute() || ours || from == to {
            continue;
        }
        let copied = to.parent().map(fs::create_dir_all).transpose().and_then(|_| fs::copy(&from, &to));
        // The results are complete without it.
        drop(copied);
    }
}

fn manifest(plan: &Plan, results: &Results, outcome: &Outcome, facts: &Circumstances) -> Json {
    let e = &plan.experiment;
    let named = crate::deps::files_named_in(&plan.script);
    let read = results.runs.iter().flat_map(|part| &part.result.files);
    let files: BTreeMap<String, &String> = named
        .iter()
        .chain(read.map(|(path, hash)| (path, hash)))
        .map(|(path, hash)| (path.display().to_string(), hash))
        .collect();
    let runs: Vec<Json> = results
        .runs
        .iter()
        .map(|part| {
            json!({
                "run": part.run.id, "rep": part.run.rep, "seed": part.run.seed, "ended": ended_word(part.result.ended),
                "failed": part.result.error.is_some(), "events": part.result.events,
                "packet_hops": part.result.packet_hops, "sim_s": part.result.sim.as_secs_f64(),
                "wall_s": outcome.wall_s.get(&part.run.id),
            })
        })
        .collect();
    json!({
        "name": e.name,
        "tool": { "name": "tidewire", "version": facts.tool.version, "commit": facts.tool.commit, "source": facts.tool.source },
        "lua": "5.5",
        "command": facts.command,
        "script": { "path": plan.script.shown, "sha256": sha256_hex(plan.script.text.as_bytes()) },
        "files": files,
        "params": results.params.list.iter().map(|p| json!({ "name": p.name, "values": p.values })).collect::<Vec<_>>(),
        "until_ps": plan.until.map(Span::as_ps),
        "shard": plan.shard.map(|(part, of)| format!("{part}/{of}")),
        "reps": e.reps, "seed": e.seed, "pairing": e.pairing,
        "duration_s": plan.until.or(e.duration).map(|d| d.as_secs_f64()),
        "warmup_s": e.warmup.as_secs_f64(),
        "units": e.units.iter().cloned().collect::<BTreeMap<_, _>>(),
        "plots": e.plots.iter().map(plot_json).collect::<Vec<_>>(),
        "quantiles": "linear interpolation between order statistics (Hyndman and Fan, type 7)",
        "host": { "cpu": cpu_name(), "threads": facts.jobs, "os": std::env::consts::OS, "arch": std::env::consts::ARCH },
        "begin": utc(facts.begin), "end": utc(SystemTime::now()), "wall_s": outcome.status.wall.as_secs_f64(),
        "found": outcome.status.found, "finished": outcome.status.finished, "failed": outcome.status.failed,
        "interrupted": outcome.status.asked > 0,
        "runs": runs,
    })
}

fn point_json(point: &Point) -> Json {
    Json::Object(point.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<Map<_, _>>())
}

fn plot_json(spec: &PlotSpec) -> Json {
    json!({
        "x": spec.x, "y": spec.y, "series": spec.series, "color": spec.color, "facet": spec.facet,
        "log": spec.log, "kind": spec.kind, "where": point_json(&spec.only),
    })
}

fn plot_of(json: &Json) -> PlotSpec {
    let text = |key: &str| json[key].as_str().map(str::to_owned);
    let only = json["where"].as_object().into_iter().flatten();
    PlotSpec {
        x: text("x"),
        y: json["y"].as_array().into_iter().flatten().filter_map(|y| y.as_str().map(str::to_owned)).collect(),
        series: text("series"),
        color: text("color"),
        facet: text("facet"),
        log: text("log"),
        kind: text("kind"),
        only: only.filter_map(|(k, v)| Some((k.clone(), serde_json::from_value(v.clone()).ok()?))).collect(),
        place: None,
    }
}

impl Manifest {
    /// Of a results folder, if it has one.
    pub fn read(folder: &Path) -> Option<Manifest> {
        let json: Json =
            serde_json::from_str(&fs::read_to_string(folder.join("manifest.json")).ok()?).ok()?;
        let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
        let units = json["units"].as_object().into_iter().flatten();
        Some(Manifest {
            name: text(&json["name"]),
            script_path: text(&json["script"]["path"]),
            seed: json["seed"].as_u64().unwrap_or(1),
            reps: json["reps"].as_u64().unwrap_or(1) as u32,
            until: json["until_ps"].as_u64().map(Span::from_ps),
            script_sha256: text(&json["script"]["sha256"]),
            tool: (text(&json["tool"]["version"]), text(&json["tool"]["source"])),
            params: json["params"].as_array().into_iter().flatten().map(|p| text(&p["name"])).collect(),
            units: units.map(|(name, unit)| (name.clone(), text(unit))).collect(),
            plots: json["plots"].as_array().into_iter().flatten().map(plot_of).collect(),
        })
    }
}

/// Why a sweep begins a new folder although there is one already: "script changed since 3f9a1c07; starting a new folder".
pub fn why_new_folder(plan: &Plan, folder: &Folder, tool: &Tool) -> Option<String> {
    let previous = folder.previous().filter(|_| !folder.path.exists())?;
    let old = Manifest::read(&folder.path.parent()?.join(&previous))?;
    let what = if old.script_sha256 != sha256_hex(plan.script.text.as_bytes()) {
        "script"
    } else if old.tool != (tool.version.clone(), tool.source.clone()) {
        "tool"
    } else {
        "seed, length or a file that the script reads"
    };
    Some(format!("{what} changed since {previous}; starting a new folder"))
}

fn cpu_name() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    line.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

/// `2026-11-21T02:13:50Z`.
pub fn utc(time: SystemTime) -> String {
    let s = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = ((s / 86_400) as i64, s % 86_400);
    // Civil date from days since 1970, by eras of 400 years that begin in March.
    let z = days + 719_468;
    let (era, day_of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |s: u64| utc(UNIX_EPOCH + Duration::from_secs(s));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_795_227_230), "2026-11-21T02:13:50Z");
    }

    #[test]
    fn a_plot_is_read_back_as_it_was_written() {
        let spec = PlotSpec {
            x: Some("loss".into()),
            y: vec!["a_ms".into(), "b_ms".into()],
            log: Some("x".into()),
            only: vec![("rep".into(), tidewire_metrics::Value::Int(1)), ("aqm".into(), "red".into())],
            ..PlotSpec::default()
        };
        let mut back = plot_of(&plot_json(&spec));
        back.only.sort_by(|a, b| b.0.cmp(&a.0));
        assert_eq!(back, spec);
    }
}
