//! What the lab sees of a script: plan it, run it once, get tables back. No Lua type appears here.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tidewire_metrics::{Table, Value};
use tidewire_units::Span;

/// A script's text and where it came from.
#[derive(Clone, Debug)]
pub struct Script {
    /// The file, or `-` for standard input.
    pub path: PathBuf,
    /// What error messages call it: the path as the user gave it.
    pub shown: String,
    /// The text.
    pub text: String,
}

/// A line of a script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The file, as messages call it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// What kind of mistake or limit ended a plan or run; each has its own exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Syntax, unknown option, runtime error, deadlock: exit 3.
    Script,
    /// Memory, runaway script, event limit: exit 4.
    Limit,
    /// A file that cannot be read: exit 5.
    Io,
}

/// A mistake in a script. Displays as the whole message, without the leading `error: `:
/// what is wrong, then the source line with a caret, then what to write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScriptError {
    /// Exit code class.
    pub fault: Fault,
    /// Where, if known.
    pub place: Option<Place>,
    /// The message: first line says what is wrong; further lines are already indented.
    pub message: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ScriptError {}

/// The values of every parameter at one point of the grid, in column order.
pub type Point = Vec<(String, Value)>;

/// A threshold of `expect`.
#[derive(Clone, PartialEq, Debug)]
pub struct Expectation {
    /// The condition as written: `p95(latency_ms) < 80`.
    pub condition: String,
    /// Only points with these parameter values; empty for all.
    pub only: Point,
    /// Where it stands.
    pub place: Option<Place>,
}

/// One entry of `plot`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PlotSpec {
    /// Parameter or metric on the x axis.
    pub x: Option<String>,
    /// Metrics, one plot each.
    pub y: Vec<String>,
    /// A metric of series.csv over time, instead of x and y.
    pub series: Option<String>,
    /// Parameter (or `object`) that gives one curve each.
    pub color: Option<String>,
    /// Parameter that gives one panel each.
    pub facet: Option<String>,
    /// Which axes are logarithmic: "x", "y" or "xy".
    pub log: Option<String>,
    /// line, cdf, box or bar.
    pub kind: Option<String>,
    /// Only rows with these values.
    pub only: Point,
    /// Where it stands in the script.
    pub place: Option<Place>,
}

/// `reps = { min = 5, max = 100, until_ci = "5%" }`: replications are added until the means are known well enough.
#[derive(Clone, PartialEq, Debug)]
pub struct Stopping {
    /// Replications of each point before anything is judged.
    pub min: u32,
    /// Half the width of the 95 % confidence interval, as a part of the mean, that is small enough.
    pub until_ci: f64,
    /// The metrics that are judged; empty for those of plots and thresholds, or, without any, for all.
    pub metrics: Vec<String>,
}

/// What `experiment{}` declares.
#[derive(Clone, PartialEq, Debug)]
pub struct Experiment {
    /// Its name; the script's file name without extension by default.
    pub name: String,
    /// False when the script calls no `experiment{}`: it is one run.
    pub declared: bool,
    /// Parameters in column order, with the values of the grid; for explicit points the values that occur.
    pub params: Vec<(String, Vec<Value>)>,
    /// The points to run, in order; a single empty point without parameters.
    pub points: Vec<Point>,
    /// Replications of each point; at most, where `stopping` says when there are enough.
    pub reps: u32,
    /// When a point has enough replications; none for always `reps` of them.
    pub stopping: Option<Stopping>,
    /// The seed of the experiment.
    pub seed: u64,
    /// The same replication has the same luck at every point.
    pub pairing: bool,
    /// Simulated length of a run; none runs until nothing is left to do.
    pub duration: Option<Span>,
    /// What is first sent before this is not measured.
    pub warmup: Span,
    /// Thresholds.
    pub expect: Vec<Expectation>,
    /// Plots.
    pub plots: Vec<PlotSpec>,
    /// Units of metrics whose names do not end in one.
    pub units: Vec<(String, String)>,
    /// There is a function to call with the results of a sweep.
    pub after_all: bool,
}

/// One run to do.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The parameters of this run.
    pub point: Point,
    /// Replication, from 1.
    pub rep: u32,
    /// The run's own seed.
    pub seed: u64,
    /// Overrides the experiment's duration.
    pub until: Option<Span>,
    /// Most memory that Lua may use, in bytes.
    pub memory: u64,
    /// CPU time that a script may run without waiting, in seconds.
    pub script_timeout_s: f64,
    /// Stop after so many events; none for no limit.
    pub max_events: Option<u64>,
    /// Print as it happens (single runs); otherwise prints are only kept in the log.
    pub echo: bool,
    /// Check every packet by emitting and parsing it.
    pub check_wire: bool,
    /// Set from outside to stop the run at the next event.
    pub stop: Arc<AtomicBool>,
}

/// How a run came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// The duration was over.
    Duration,
    /// Nothing was left to do.
    Finished,
    /// The script called `stop()`.
    Stopped,
    /// An error; see [`RunResult::error`].
    Failed,
    /// [`RunRequest::stop`] was set: the results are not complete and must not be kept.
    Cut,
}

/// A `check(cond, ...)` of the script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// Whether it held.
    pub passed: bool,
    /// Its text.
    pub text: String,
    /// Where it stands.
    pub place: Option<Place>,
}

/// Something that is probably not what the script's author meant; the run goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// One sentence, or more on further, indented lines.
    pub text: String,
    /// Where it stands.
    pub place: Option<Place>,
}

/// What a run measured. Also filled, as far as it goes, when the run failed.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// How it ended.
    pub ended: Ended,
    /// The error, when it failed.
    pub error: Option<ScriptError>,
    /// Simulated time at the end.
    pub sim: Span,
    /// Events handled.
    pub events: u64,
    /// Transmissions of one packet over one link.
    pub packet_hops: u64,
    /// `record{...}` columns and histogram summaries, in order of first appearance.
    pub record: Vec<(String, Value)>,
    /// Named tables without the columns run, rep and parameters: `flows`, `links`, `ledger`, `services`, `series`, `events`, and the script's
    /// own. Rows are ordered by time, then source.
    pub tables: Vec<(String, Table)>,
    /// Checks.
    pub checks: Vec<Check>,
    /// What is probably not meant so, each once.
    pub warnings: Vec<Warning>,
    /// What the script printed and what was logged, one line each.
    pub log: Vec<String>,
    /// Files read besides the script: path and contents' SHA-256 in hex.
    pub files: Vec<(PathBuf, String)>,
}
