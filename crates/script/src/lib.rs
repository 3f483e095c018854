//! Lua: network, processes, sockets, applications, measurements.
//!
//! ```text
//!   script.lua --plan--> Experiment        --build--> Plan        --run--> RunResult
//!
//!   coroutine --call--> checked arguments --> World --wait--> yield ... resume
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `api.rs` | what the lab sees: [`Script`], [`Experiment`], [`RunRequest`], [`RunResult`], [`ScriptError`] |
//! | `source.rs`, `run.rs` | [`load`]; [`plan`], [`build`], [`run`] |
//! | `failures.rs` | what ends a run before its time, as messages |
//! | `sim.rs` | one run: everything that the Lua functions act on |
//! | `sched.rs`, `join.rs` | processes: coroutines that wait |
//! | `state/` | the Lua state: memory, sandbox, watchdog, prelude |
//! | `spec/` | the one table of functions and options |
//! | `call.rs`, `values.rs`, `link_values.rs` | arguments checked against that table, values with units |
//! | `classes.rs`, `later.rs` | the types that scripts see; their methods, made when asked for |
//! | `bind/` | the functions themselves |
//! | `services/` | services whose logic is written in Lua, loaded when used |
//! | `mistake.rs` | from an error to the message that a user reads |
//! | `output.rs` | what a run measures and says |
//!
//! What is not here: experiments over many runs, result folders, thresholds, plots (lab).

mod api;
mod bind;
mod call;
mod classes;
mod failures;
mod join;
mod later;
mod link_values;
mod mistake;
mod output;
mod queue_values;
mod run;
mod sched;
mod services;
mod sim;
mod source;
pub mod spec;
mod state;
mod values;

pub use api::*;
pub use bind::after_all::SweepTables;
pub use mistake::quoted;
pub use run::{
    OpenCapture, accidental_global, after_all, build, inspect, plan, plan_within, run, run_capturing,
    take_unsaid,
};
pub use source::load;
pub use state::watchdog::{Stuck, StuckRun, on_stuck};
