//! The `tidewire` command: arguments, progress, messages, exit codes.
//!
//! ```text
//!   args --> run | sweep | plot | check | topo | clean --> lab --> results
//!              |                                            |
//!              stdout: what the script prints, summary      stderr: progress, messages
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `args.rs` | the command line |
//! | `run.rs` | `tidewire run` |
//! | `sweep.rs` | `tidewire sweep` |
//! | `network.rs` | `check`, `topo` |
//! | `others.rs` | `plot`, `clean`, `completions` |
//! | `results.rs` | `report`, `compare`, `merge`, `bundle` |
//! | `new.rs` | `new`: templates, definitions for editors |
//! | `trace.rs` | `trace` |
//! | `doc.rs` | `doc` |
//! | `validate.rs` | `conformance` |
//! | `reproduce.rs` | `reproduce` |
//! | `stuck.rs` | runs that hang |
//! | `report.rs` | JSON summaries, failed runs |
//! | `progress.rs` | the bar |
//! | `term.rs` | colours and messages |
//! | `usage.rs` | CPU time and memory of the process |
//!
//! What is not here: how an experiment is planned, run and written (`lab`).

mod args;
mod doc;
mod network;
mod new;
mod others;
mod progress;
mod report;
mod reproduce;
mod results;
mod run;
mod stuck;
mod sweep;
mod term;
mod trace;
mod usage;
mod validate;

use args::{Cli, Command};
use clap::Parser;
use std::process::ExitCode;
use std::sync::OnceLock;
use term::Term;
use tidewire_lab::{Interrupt, LabError, ScriptRunner, Tool};
use tidewire_script::ScriptError;

/// An error that no mistake of the user explains.
const INTERNAL: u8 = 70;
const INTERRUPTED: u8 = 130;
/// What was said could not be written.
const CANNOT_WRITE: u8 = 5;

/// What every command gets.
#[derive(Clone)]
struct Context {
    globals: args::Globals,
    term: Term,
    runner: ScriptRunner,
    interrupt: Interrupt,
    command: Vec<String>,
    tool: Tool,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let command = args.clone();
    let mut cli = Cli::try_parse_from(args::normalised(args)).unwrap_or_else(|error| {
        // Who reads JSON from stdout finds it there in any case.
        if error.use_stderr() && command.iter().any(|arg| arg == "--json") {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            println!("{}", serde_json::json!({ "error": first, "exit": error.exit_code() }));
        }
        error.exit()
    });
    cli.globals.settle();
    let term = Term::new(&cli.globals);
    let interrupt = Interrupt::default();
    let handler = interrupt.clone();
    // Without a handler Ctrl-C ends the process, which loses nothing that is finished.
    // Only runs have something to save: all else ends at the first signal.
    let saves = matches!(cli.command, Command::Run(_) | Command::Sweep(_));
    let _ = ctrlc::set_handler(move || {
        if handler.ask() > 2 || !saves {
            std::process::exit(i32::from(INTERRUPTED));
        }
    });
    quiet_panics();
    let tool = Tool {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: env!("TIDEWIRE_COMMIT").to_owned(),
        source: env!("TIDEWIRE_SOURCE").to_owned(),
    };
    let runner = ScriptRunner { plan_timeout_s: cli.globals.script_timeout.as_secs_f64() };
    let context = Context { globals: cli.globals, term, runner, interrupt, command, tool };
    let planning = context.clone();
    // Until there is a plan, there is nothing to save.
    stuck::watch(move |run| {
        let code = fail(&planning, &LabError::Script(run.error.clone()));
        Ok(code)
    });
    let result = match &cli.command {
        Command::Run(args) => run::run(&context, args),
        Command::Sweep(args) => sweep::sweep(&context, args),
        Command::Plot(args) => others::plot(&context, args),
        Command::Check(args) => network::check(&context, args),
        Command::Topo(args) => network::topo(&context, args),
        Command::Report(args) => results::report(&context, args),
        Command::Compare(args) => results::compare(&context, args),
        Command::Merge(args) => results::merge(&context, args),
        Command::Bundle(args) => results::bundle(&context, args),
        Command::Clean(args) => others::clean(&context, args),
        Command::Conformance(args) => validate::conformance(&context, args),
        Command::Reproduce(args) => reproduce::reproduce(&context, args),
        Command::Trace(args) => trace::trace(&context, args),
        Command::New(args) => new::new(&context, args),
        Command::Doc(args) => doc::doc(&context, args),
        Command::Completions { shell } => others::completions(*shell),
    };
    let mut code = result.unwrap_or_else(|error| fail(&context, &error));
    if let Some(why) = term::output_lost() {
        context.term.error(&format!("cannot write to standard output: {why}"));
        code = if code == 0 { CANNOT_WRITE } else { code };
    }
    ExitCode::from(code)
}

/// Reads the script. A name without its ending gets a hint.
fn read_script(path: &std::path::Path) -> Result<tidewire_script::Script, LabError> {
    let script = tidewire_script::load(path).map_err(|mut error| {
        let with_ending = path.with_extension("lua");
        if path.extension().is_none() && with_ending.is_file() {
            error.message.push_str(&format!("\n  did you mean {}?", with_ending.display()));
        }
        LabError::Script(error)
    })?;
    let _ = SCRIPT.set(script.clone());
    Ok(script)
}

/// The script that this command is about, for messages that quote it.
static SCRIPT: OnceLock<tidewire_script::Script> = OnceLock::new();

/// The message, with the line of the script where it only says which.
fn with_line(error: &LabError) -> String {
    let text = error.to_string();
    let (LabError::Script(ScriptError { place: Some(place), .. }), Some(script)) = (error, SCRIPT.get())
    else {
        return text;
    };
    let bare = format!("\n  {}:{}", place.file, place.line);
    match text.strip_suffix(&bare) {
        Some(message) if place.file == script.shown => tidewire_script::quoted(script, message, place),
        _ => text,
    }
}

fn fail(context: &Context, error: &LabError) -> u8 {
    // What the script printed before its mistake helps to find it.
    for line in tidewire_script::take_unsaid() {
        context.term.say(&vec![(tidewire_lab::Tone::Plain, line)]);
    }
    context.term.error(&with_line(error));
    let code = error.exit_code();
    if context.globals.json {
        context.term.json(&serde_json::json!({ "error": error.to_string(), "exit": code }));
    }
    code
}

/// A panic inside a run is reported with the command that repeats it; the text of the panic itself belongs to that report. Panics elsewhere
/// are ours: they say so, and end with the exit code for internal errors.
fn quiet_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let in_run = std::thread::current().name().is_some_and(|name| name.starts_with("run-"));
        if !in_run {
            default(panic);
            eprintln!(
                "error: internal error of tidewire {}; please report it with the command line",
                env!("CARGO_PKG_VERSION")
            );
            std::process::exit(i32::from(INTERNAL));
        } else if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            default(panic);
        }
    }));
}
