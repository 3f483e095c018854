//! What came of the scripts.

use serde::Serialize;
use std::fmt;

/// What came of one script.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Verdict {
    /// The endpoint did what the script says.
    Pass,
    /// It did something else.
    Fail {
        /// Line of the script.
        line: u32,
        /// What the script says.
        expected: String,
        /// What happened.
        actual: String,
    },
    /// The script asks for something that is not known here.
    Unsupported {
        /// Line of the script.
        line: u32,
        /// What is not known.
        what: String,
    },
}

/// How often something that is not compared did match.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Score {
    /// Matches.
    pub matched: u32,
    /// Comparisons.
    pub of: u32,
}

impl Score {
    pub(crate) fn add(&mut self, matches: bool) {
        self.matched += u32::from(matches);
        self.of += 1;
    }
}

/// The report of one script.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// Path or name.
    pub name: String,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// PSH flags that were as the script has them.
    pub psh: Score,
    /// Segments that were sent after the script's last event, or at its time.
    pub left_over: Vec<String>,
    /// Everything that was sent and received, line by line.
    #[serde(skip)]
    pub trace: Vec<String>,
}

impl Report {
    /// Did the script pass?
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Pass
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.verdict {
            Verdict::Pass => write!(f, "PASS {name}")?,
            Verdict::Fail { line, expected, actual } => {
                write!(f, "FAIL {name}:{line}\n     expected {expected}\n     actual   {actual}")?;
            }
            Verdict::Unsupported { line, what } => write!(f, "UNSUPPORTED {name}:{line}: {what}")?,
        }
        for segment in &self.left_over {
            write!(f, "\n     left over {segment}")?;
        }
        Ok(())
    }
}

/// The reports of a run, in the order of their names.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Summary {
    /// Scripts that passed.
    pub passed: usize,
    /// Scripts that failed.
    pub failed: usize,
    /// Scripts that ask for something that is not known here.
    pub unsupported: usize,
    /// PSH flags that were as the scripts have them.
    pub psh: Score,
    /// One report per script.
    pub reports: Vec<Report>,
}

impl Summary {
    /// Counts a report in.
    pub fn push(&mut self, report: Report) {
        match report.verdict {
            Verdict::Pass => self.passed += 1,
            Verdict::Fail { .. } => self.failed += 1,
            Verdict::Unsupported { .. } => self.unsupported += 1,
        }
        self.psh.matched += report.psh.matched;
        self.psh.of += report.psh.of;
        self.reports.push(report);
    }

    /// True when there were scripts and all of them passed.
    pub fn success(&self) -> bool {
        self.passed > 0 && self.failed == 0 && self.unsupported == 0
    }

    /// The run as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_else(|error| format!("\"{error}\""))
    }
}

impl fmt::Display for Summary {
    /// The last line of the output.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} unsupported", self.passed, self.failed, self.unsupported)
    }
}
