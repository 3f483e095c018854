//! Experiments: plan, sweep, replicate, resume, result folders, plots.
//!
//! ```text
//!   Script --plan--> Plan --sweep--> parts/*.json --merge--> *.csv, Results --+--> summary, verdicts
//!              command line ^   threads   ^ resume                            +--> plots/*.svg
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `runner.rs` | [`Runner`]: the seam to what runs a script |
//! | `plan.rs` | [`Plan`]: the script's points with the command line's values, run ids, seeds |
//! | `params.rs` | [`Params`]: numeric twin columns, readable ids, the order of points |
//! | `filter.rs` | [`Filter`]: `--only EXPR` |
//! | `folder.rs` | [`Folder`]: its key, files written whole or not at all, finished runs |
//! | `captures.rs` | [`Captures`]: files of `link:pcap()` |
//! | `deps.rs` | files that a script names |
//! | `part.rs` | [`Part`]: one finished run as a file |
//! | `stopping.rs` | replications until enough is known |
//! | `sweep.rs` | [`sweep`]: threads, progress, interruption |
//! | `merge.rs` | [`merge`]: parts to CSV |
//! | `results.rs` | [`Results`]: figures of all runs, `runs.csv`, `summary.csv` |
//! | `expect.rs` | [`Threshold`]: conditions on results, [`Verdict`] |
//! | `heard.rs` | [`Heard`]: names of figures that finished runs have |
//! | `end.rs`, `pivot.rs` | what a sweep says at its end |
//! | `frame.rs` | [`Frame`]: a table to plot, fresh or from CSV |
//! | `figures.rs`, `traces.rs` | figures of metrics over parameters, and of series over time |
//! | `plots.rs` | plots as files |
//! | `reopen.rs` | [`Reopened`]: a results folder opened again; shards joined |
//! | `html.rs`, `bundle.rs` | a report as one page; a folder as one zip file |
//! | `compare.rs` | [`compare`]: two sweeps side by side |
//! | `conversations.rs` | [`Conversation`]: captures as ladders and time-sequence graphs |
//! | `manifest.rs` | `manifest.json` |
//! | `error.rs` | [`LabError`] and its exit codes, suggestions |
//!
//! What is not here: the terminal (the command's crate), Lua, networks.

mod bundle;
mod captures;
mod compare;
mod conversations;
mod deps;
mod end;
mod error;
mod expect;
#[cfg(test)]
mod fake;
mod figures;
mod filter;
mod folder;
mod frame;
mod heard;
mod html;
mod manifest;
mod merge;
mod params;
mod part;
mod pivot;
mod plan;
mod plots;
mod reopen;
mod results;
mod runner;
mod stopping;
mod sweep;
#[cfg(test)]
mod sweep_tests;
mod traces;

pub use bundle::bundle;
pub use captures::Captures;
pub use compare::{Change, Comparison, Difference, Interest, compare};
pub use conversations::{Conversation, conversations, ladder_lines, time_sequence};
pub use end::{Line, Tone, expect_json, summary_lines, verdict_lines};
pub use error::{LabError, did_you_mean, exit_code_of, suggestion};
pub use expect::{Aggregate, Threshold, Verdict, Worst};
pub use filter::{Filter, Op, read_value};
pub use folder::{Folder, Tool, follow_latest, sha256_hex, write_whole};
pub use frame::Frame;
pub use heard::Heard;
pub use html::html;
pub use manifest::{Circumstances, Manifest, why_new_folder, write_manifest};
pub use merge::merge;
pub use params::{Kind, Param, Params, amount, measure, point_id, run_id, same, shown, value_of};
pub use part::{NotAPart, Part, encode, ended_word};
pub use plan::{Plan, PlannedRun, Wanted, quoted, run_seed};
pub use plots::{Names, check_plot_metrics, check_plots, draw, drawing_format, replot, write_drawing};
pub use reopen::{Reopened, join_shards, results_folder};
pub use results::{Results, matches, recorded};
pub use runner::{Overrides, Runner, ScriptRunner};
pub use stopping::Enough;
pub use sweep::{Failure, Interrupt, Judge, Outcome, Progress, Settings, Status, failed_run, sweep};
pub use tidewire_plot::render;
