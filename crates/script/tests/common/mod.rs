//! Runs scripts given as text.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::Path;
use tidewire_metrics::Value;
use tidewire_script::{
    Ended, Experiment, Point, RunRequest, RunResult, Script, ScriptError, plan, plan_within, run,
};

/// A script that messages call `exp.lua`.
pub fn script(text: &str) -> Script {
    Script { path: "exp.lua".into(), shown: "exp.lua".into(), text: text.to_owned() }
}

/// One of the scripts that come with Tidewire.
pub fn shipped(name: &str) -> Script {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    let script = tidewire_script::load(&path).unwrap();
    Script { shown: name.to_owned(), ..script }
}

/// An ordinary request.
pub fn request(point: &Point) -> RunRequest {
    RunRequest {
        point: point.clone(),
        rep: 1,
        seed: 1,
        until: None,
        memory: 256 << 20,
        script_timeout_s: 0.5,
        max_events: Some(20_000_000),
        echo: false,
        check_wire: true,
        stop: Default::default(),
    }
}

/// Plans and runs the first point.
pub fn result_of(script: &Script) -> RunResult {
    let experiment = plan(script, &[]).unwrap_or_else(|error| panic!("{error}"));
    let point = experiment.points[0].clone();
    run(script, &experiment, &request(&point))
}

/// Runs the point with these parameters.
pub fn run_at(script: &Script, wanted: &[(&str, Value)]) -> RunResult {
    let experiment = plan(script, &[]).unwrap_or_else(|error| panic!("{error}"));
    let fits = |point: &&Point| {
        wanted.iter().all(|(name, value)| point.iter().any(|(known, own)| known == name && own == value))
    };
    let point = experiment.points.iter().find(fits).expect("a point with these parameters").clone();
    good(run(script, &experiment, &request(&point)))
}

/// A parameter's value as text.
pub fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// A run of a shipped script with these parameters.
pub fn at(name: &str, wanted: &[(&str, &str)]) -> RunResult {
    let wanted: Vec<(&str, Value)> = wanted.iter().map(|(name, value)| (*name, text(value))).collect();
    run_at(&shipped(name), &wanted)
}

/// A run that must succeed.
pub fn good(result: RunResult) -> RunResult {
    if let Some(error) = &result.error {
        panic!("{error}");
    }
    assert_ne!(result.ended, Ended::Failed);
    result
}

/// What a script prints, one line each, without the times.
pub fn printed(text: &str) -> Vec<String> {
    lines(&good(result_of(&script(text))))
}

/// The lines of a log without the times.
pub fn lines(result: &RunResult) -> Vec<String> {
    let strip =
        |line: &String| line.split_once("] ").map_or_else(|| line.clone(), |(_, text)| text.to_owned());
    result.log.iter().map(strip).collect()
}

/// The error that ends the plan or the run of a script.
pub fn error_of(text: &str) -> ScriptError {
    let script = script(text);
    // A slow machine must meet the limit that is meant, not this one.
    match plan_within(&script, &[], 60.0) {
        Err(error) => error,
        Ok(experiment) => {
            let point = experiment.points[0].clone();
            let result = run(&script, &experiment, &request(&point));
            result
                .error
                .unwrap_or_else(|| panic!("no error in\n{}\nit printed {:?}", script.text, result.log))
        }
    }
}

/// A recorded column.
pub fn column(result: &RunResult, name: &str) -> f64 {
    let found = result.record.iter().find(|(known, _)| known == name);
    found.and_then(|(_, value)| value.number()).unwrap_or_else(|| panic!("no {name} in {:?}", result.record))
}

/// What a script declares.
pub fn declared(text: &str) -> Experiment {
    plan(&script(text), &[]).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a shipped script at a point, or at its first one; it must make this many checks, and all of them must hold.
#[track_caller]
pub fn shows(name: &str, point: &[(&str, Value)], checks: usize) -> RunResult {
    let script = shipped(name);
    let result = good(if point.is_empty() { result_of(&script) } else { run_at(&script, point) });
    result.checks.iter().for_each(|check| assert!(check.passed, "{name}: {}", check.text));
    assert_eq!(result.checks.len(), checks, "{name}");
    result
}
