//! `tidewire check` and `tidewire topo`: what a script builds, before time moves.

use crate::Context;
use crate::args::{CheckArgs, TopoArgs};
use crate::report::at;
use serde_json::json;
use std::fs;
use std::io::Read;
use std::path::Path;
use tidewire_lab::{
    LabError, Plan, PlannedRun, Runner, Threshold, Tone, Wanted, check_plots, drawing_format, shown,
    write_drawing,
};
use tidewire_script::{Fault, Script, ScriptError};
use tidewire_topology as topology;
use tidewire_topology::{Finding, PlanError, Severity, import};

/// Something found in the networks of one or more points.
struct Found {
    severity: Severity,
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
            note(&mut found, Severity::Warning, sentence, shown(&run.point));
        }
        topology::check(&network).into_iter().for_each(|finding| add(&mut found, finding, shown(&run.point)));
    }
    let every = || plan.runs.iter().map(|run| shown(&run.point)).collect::<Vec<_>>();
    for name in unread(&script, &plan) {
        let sentence = format!("parameter '{name}' is never read: every value of it gives the same runs");
        found.push(Found { severity: Severity::Warning, sentence, points: every() });
    }
    if args.strict
        && let Some(warning) = tidewire_script::accidental_global(&script)
    {
        let sentence = format!("{}{}", warning.text, at(&warning.place));
        found.push(Found { severity: Severity::Warning, sentence, points: every() });
    }
    for entry in &found {
        let where_ = match entry.points.len() {
            n if n == plan.runs.len() => String::new(),
            1 => format!("  (at {})", entry.points[0]),
            n => format!("  (at {n} of {} points, first {})", plan.runs.len(), entry.points[0]),
        };
        context.term.complain(word(entry.severity), &format!("{}{where_}", entry.sentence));
    }
    let warnings = found.iter().filter(|entry| entry.severity != Severity::Note).count();
    let wrong = found.iter().any(|entry| entry.severity == Severity::Error);
    let code = if wrong || args.strict && warnings > 0 { 3 } else { 0 };
    let points =
        if plan.runs.len() == 1 { "1 point".to_owned() } else { format!("{} points", plan.runs.len()) };
    if context.globals.json {
        let list: Vec<_> = found
            .iter()
            .map(|f| json!({ "warning": f.severity != Severity::Note, "message": f.sentence, "points": f.points }))
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

/// Parameters that the script's text never reads: neither `p.name` nor a way to read all of them.
fn unread<'a>(script: &Script, plan: &'a Plan) -> Vec<&'a str> {
    let text = &script.text;
    // What other files or loops do with the parameters is not seen here.
    let loops = text.match_indices("pairs(").any(|(at, _)| !text[..at].ends_with('i'));
    if loops || text.contains("p[") || ["require", ":run"].iter().any(|word| text.contains(word)) {
        return Vec::new();
    }
    let names = plan.declared.params.iter().map(|(name, _)| name.as_str());
    let read = |name: &str| {
        let dotted = format!(".{name}");
        text.match_indices(&dotted).any(|(at, _)| {
            let after = text[at + dotted.len()..].chars().next();
            !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
        })
    };
    names.filter(|name| !read(name)).collect()
}

fn add(found: &mut Vec<Found>, finding: Finding, point: String) {
    note(found, finding.problem.severity(), finding.sentence, point);
}

fn note(found: &mut Vec<Found>, severity: Severity, sentence: String, point: String) {
    match found.iter_mut().find(|entry| entry.sentence == sentence) {
        Some(entry) => entry.points.push(point),
        None => found.push(Found { severity, sentence, points: vec![point] }),
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note:",
        Severity::Warning => "warning:",
        Severity::Error => "error:",
    }
}

/// Shows the network of a script or file: a table, Graphviz text, a picture or JSON.
pub fn topo(context: &Context, args: &TopoArgs) -> Result<u8, LabError> {
    args.output.iter().try_for_each(|path| drawing_format(path).map(drop))?;
    let shape = args.source.to_str().filter(|source| source.starts_with("net:"));
    let is_file = shape.is_none() && is_network(&args.source);
    let network = if is_file {
        from_file(context, args)?
    } else {
        let script = match shape {
            Some(text) => {
                Script { path: "shape.lua".into(), shown: "shape".to_owned(), text: text.to_owned() }
            }
            None => crate::read_script(&args.source)?,
        };
        let wanted = Wanted { params: args.p.clone(), rep: Some(1), first_point: true, ..Wanted::default() };
        let plan = Plan::new(&context.runner, &script, &wanted)?;
        network_of(context, &plan, &plan.runs[0])?
    };
    let text = if context.globals.json {
        serde_json::to_string_pretty(&network).expect("names and texts are JSON")
    } else if args.dot {
        topology::draw::dot(&network)
    } else if args.ascii {
        topology::draw::ascii(&network).map_err(wrong)?
    } else if args.svg || args.output.is_some() {
        if let Some(why) = topology::draw::too_large(&network) {
            return Err(wrong(why));
        }
        topology::draw::svg(&network)
    } else if args.routes {
        topology::draw::routes(&network)
    } else {
        topology::draw::text(&network)
    };
    match &args.output {
        Some(path) => write_drawing(path, &text)?,
        None => context.term.raw(&format!("{}\n", text.trim_end_matches('\n'))),
    }
    let mut code = 0;
    for finding in topology::check(&network) {
        let severity = finding.problem.severity();
        // The second of two is the one too many.
        let last = finding.nodes.last().filter(|_| severity == Severity::Error && is_file);
        let place = last.and_then(|node| place_in(args, import::Sought::Node(&network.node(*node).name)));
        let place = place.map_or(String::new(), |place| format!("{place}: "));
        context.term.complain(word(severity), &format!("{place}{}", finding.sentence));
        if severity == Severity::Error {
            code = 3;
        }
    }
    Ok(code)
}

/// Whether this is a file with a network, and no script.
fn is_network(path: &Path) -> bool {
    let name = path.to_string_lossy();
    import::Format::of_name(&name).is_some()
        || (path.extension().is_some_and(|e| e != "lua") && path.is_file())
}

/// The contents of a file, if it is not larger than any network.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    // Pipes and devices may never end, or never begin.
    if !fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is not a regular file; save its contents to one first"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(import::MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn from_file(context: &Context, args: &TopoArgs) -> Result<topology::Plan, LabError> {
    let path = args.source.as_path();
    let bytes = read(path).map_err(|error| LabError::io("cannot read", path, error, ""))?;
    let mut network = topology::Plan::new();
    let style = topology::generate::Style { hosts: args.hosts, ..topology::generate::Style::default() };
    let folder = path.parent().unwrap_or(Path::new(""));
    let imported = import::load(&mut network, &path.to_string_lossy(), &bytes, &style, &mut |name| {
        read(&folder.join(name)).map_err(|error| error.to_string())
    });
    let imported = imported.map_err(|error| wrong(error.to_string()))?;
    imported.notes.iter().for_each(|note| context.term.complain("note:", note));
    let numbered = network.assign_addresses();
    numbered.map_err(|error| {
        let place = match &error {
            PlanError::SubnetFull { prefix, .. } => place_in(args, import::Sought::Subnet(*prefix)),
            PlanError::SameAddress6 { nodes: [_, second], .. } => {
                place_in(args, import::Sought::Node(second))
            }
            _ => None,
        };
        wrong(format!("{}: {error}", place.unwrap_or_else(|| path.display().to_string())))
    })?;
    Ok(network)
}

/// Where a network's file says something that turned out to be wrong: `site.json:3`.
fn place_in(args: &TopoArgs, what: import::Sought<'_>) -> Option<String> {
    let path = args.source.as_path();
    let folder = path.parent().unwrap_or(Path::new(""));
    let bytes = read(path).ok()?;
    let (file, line) = import::place_of(
        &path.to_string_lossy(),
        &bytes,
        &mut |name| read(&folder.join(name)).map_err(|error| error.to_string()),
        what,
    )?;
    Some(if line == 0 { file } else { format!("{file}:{line}") })
}

fn wrong(message: String) -> LabError {
    LabError::Script(ScriptError { fault: Fault::Script, place: None, message })
}

fn network_of(context: &Context, plan: &Plan, run: &PlannedRun) -> Result<topology::Plan, ScriptError> {
    context.runner.network(&plan.script, &plan.experiment, &run.point)
}
