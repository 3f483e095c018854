//! Runs TCP test scripts in packetdrill's notation against the endpoint, in simulated time.
//!
//! ```text
//!   text --> parse --> Script --> driver ----> Host (sockets, Connection) --> segments
//!                                   |                                            |
//!                                   +<------------- compare <--------------------+
//!                                   v
//!                                 Report (PASS | FAIL | UNSUPPORTED) --> Summary
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `cursor.rs` | reading text: blanks, words, numbers, times |
//! | `script.rs` | what a script says: [`script::Script`] |
//! | `parse.rs`, `parse_packet.rs`, `parse_call.rs` | from text to script |
//! | `assertion.rs`, `expression.rs` | the blocks between `%{` and `}%` |
//! | `command.rs`, `settings.rs` | shell commands, and the kernel settings that they change |
//! | `host.rs`, `socket.rs` | the host under test |
//! | `calls.rs`, `sockopt.rs`, `constants.rs` | system calls, socket options, numbers with names |
//! | `readiness.rs` | `poll`, `epoll`, timeouts of calls |
//! | `compare.rs`, `tcpi.rs` | segments and connection state as the script sees them |
//! | `driver.rs`, `driver/waiting.rs` | events in order, time; calls that wait |
//! | `report.rs` | [`Verdict`], [`Report`], [`Summary`] |
//! | `files.rs` | files and directories, printing: all the input and output |
//!
//! What is not here: TCP itself (`l4-transport`), the command line (`cli`). Nothing is executed and no clock is read.

mod assertion;
mod calls;
mod command;
mod compare;
mod constants;
mod cursor;
mod driver;
mod expression;
mod files;
mod host;
mod parse;
mod parse_call;
mod parse_packet;
mod readiness;
mod report;
pub mod script;
mod settings;
mod socket;
mod sockopt;
mod tcpi;

pub use assertion::{Outcome, Statement};
pub use compare::Checks;
pub use cursor::ScriptError;
pub use expression::{Expr, Value};
pub use files::{Command, execute, run_paths};
pub use parse::parse;
pub use report::{Report, Score, Summary, Verdict};
pub use tidewire_l4_transport::Profile;

/// How scripts are run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Whose constants the endpoint follows.
    pub profile: Profile,
    /// Tolerance of times in microseconds, in place of what scripts say.
    pub tolerance_us: Option<i64>,
    /// What is compared besides the usual.
    pub checks: Checks,
}

/// Runs the script `text`. A defect of the endpoint that makes it panic is a failure of the script.
pub fn run_file(text: &str, name: &str, options: &Options) -> Report {
    let fail = |verdict| Report {
        name: name.to_owned(),
        verdict,
        psh: Score::default(),
        left_over: Vec::new(),
        trace: Vec::new(),
    };
    let script = match parse(text) {
        Ok(script) => script,
        Err(error) => return fail(Verdict::Unsupported { line: error.line, what: error.what }),
    };
    let run = std::panic::AssertUnwindSafe(|| driver::run(&script, name, options));
    std::panic::catch_unwind(run).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        let (expected, actual) = ("no defect of the endpoint".to_owned(), words.to_owned());
        fail(Verdict::Fail { line: 0, expected, actual })
    })
}
