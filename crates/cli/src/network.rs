//! `tidewire check` and `tidewire topo`: what a script builds, before time moves.

use crate::Context;
use crate::args::{CheckArgs, TopoArgs};
use crate::report::at;
use serde_json::json;
use std::fs;
use std::path::Path;
use tidewire_lab::{LabError, Plan, PlannedRun, Runner, Threshold, Tone, Wanted, check_plots, shown};
use tidewire_script::{Fault, ScriptError};
use tidewire_topology as topology;
use tidewire_topology::{Finding, Severity};

/// Something found in the networks of one or more points.
struct Found {
    warning: bool,
    sentence: String,
    points: Vec<String>,
}

/// Compiles the script and builds the network of every point of its grid.
pub fn check(context: &Context, args: &CheckArgs) -> Result<u8, LabError> {
    let script = crate::read_script(&args.script)?;
    let wanted = Wanted { params: args.p.clone(), rep: Some(1), ..Wanted::default() };
    let plan = Plan::new(&context.runner, &script, &wanted)?;
    plan.declared.expect.iter().try_for_each(|e| Threshold::parse(e, &plan.declared).map(drop))?;
    check_plots(&plan.declared)?;
    plan.warnings.iter().for_each(|text| context.term.complain("warning:", text));
    let mut found: Vec<Found> = Vec::new();
    for run in &plan.runs {
        let inspected = context.runner.inspect(&plan.script, &plan.experiment, &run.point);
        let (network, warnings) = inspected.map_err(|mut error| {
            if plan.runs.len() > 1 {
                error.message.push_str(&format!("\n  at the point {}", shown(&run.point)));
            }
            LabError::Script(error)
        })?;
        for warning in warnings {
            let sentence = format!("{}{}", warning.text, at(&warning.place));
            note(&mut found, true, sentence, shown(&run.point));
        }
        topology::check(&network).into_iter().for_each(|finding| add(&mut found, finding, shown(&run.point)));
    }
    for entry in &found {
        let where_ = match entry.points.len() {
            n if n == plan.runs.len() => String::new(),
            1 => format!("  (at {})", entry.points[0]),
            n => format!("  (at {n} of {} points, first {})", plan.runs.len(), entry.points[0]),
        };
        context.term.complain(
            if entry.warning { "warning:" } else { "note:" },
            &format!("{}{where_}", entry.sentence),
        );
    }
    let warnings = found.iter().filter(|entry| entry.warning).count();
    let code = if args.strict && warnings > 0 { 3 } else { 0 };
    let points =
        if plan.runs.len() == 1 { "1 point".to_owned() } else { format!("{} points", plan.runs.len()) };
    if context.globals.json {
        let list: Vec<_> = found
            .iter()
            .map(|f| json!({ "warning": f.warning, "message": f.sentence, "points": f.points }))
            .collect();
        context
            .term
            .json(&json!({ "command": "check", "points": plan.runs.len(), "findings": list, "exit": code }));
    } else {
        let (tone, verdict) = match warnings {
            0 => (Tone::Good, "ok".to_owned()),
            1 => (Tone::Strong, "1 warning".to_owned()),
            n => (Tone::Strong, format!("{n} warnings")),
        };
        context.term.say(&vec![(tone, verdict), (Tone::Plain, format!("  {}: {points}", script.shown))]);
    }
    Ok(code)
}

fn add(found: &mut Vec<Found>, finding: Finding, point: String) {
    note(found, finding.problem.severity() == Severity::Warning, finding.sentence, point);
}

fn note(found: &mut Vec<Found>, warning: bool, sentence: String, point: String) {
    match found.iter_mut().find(|entry| entry.sentence == sentence) {
        Some(entry) => entry.points.push(point),
        None => found.push(Found { warning, sentence, points: vec![point] }),
    }
}

/// Files that describe a network without a script.
const FORMATS: [&str; 3] = ["json", "csv", "graphml"];

/// Shows the network of a script or file: a table, Graphviz text, a picture or JSON.
pub fn topo(context: &Context, args: &TopoArgs) -> Result<u8, LabError> {
    let extension = args.source.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let network = if FORMATS.contains(&extension) {
        from_file(&args.source, extension)?
    } else {
        let script = crate::read_script(&args.source)?;
        let wanted = Wanted { params: args.p.clone(), rep: Some(1), first_point: true, ..Wanted::default() };
        let plan = Plan::new(&context.runner, &script, &wanted)?;
        network_of(context, &plan, &plan.runs[0])?
    };
    let text = if args.dot {
        topology::draw::dot(&network)
    } else if args.svg {
        topology::draw::svg(&network)
    } else if context.globals.json {
        serde_json::to_string_pretty(&network).expect("names and texts are JSON")
    } else {
        topology::draw::text(&network)
    };
    context.term.raw(&format!("{}\n", text.trim_end_matches('\n')));
    Ok(0)
}

fn from_file(path: &Path, format: &str) -> Result<topology::Plan, LabError> {
    let bytes = fs::read(path).map_err(|error| LabError::io("cannot read", path, error, ""))?;
    let wrong = |message: String| {
        let message = format!("{}: {message}", path.display());
        LabError::Script(ScriptError { fault: Fault::Script, place: None, message })
    };
    let mut network = topology::Plan::new();
    let style = topology::generate::Style { hosts: 0, ..topology::generate::Style::default() };
    match format {
        "json" => network = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?,
        "csv" => drop(
            topology::import::edge_list(&mut network, &bytes, &style)
                .map_err(|error| wrong(error.to_string()))?,
        ),
        _ => drop(
            topology::import::graphml(&mut network, &bytes, &style)
                .map_err(|error| wrong(error.to_string()))?,
        ),
    }
    if !network.is_numbered() {
        network.assign_addresses().map_err(|error| wrong(error.to_string()))?;
    }
    Ok(network)
}

fn network_of(context: &Context, plan: &Plan, run: &PlannedRun) -> Result<topology::Plan, ScriptError> {
    context.runner.network(&plan.script, &plan.experiment, &run.point)
}
