//! Closed forms and published tables, each as a scenario.

mod applications;
mod bbr3;
mod bottleneck;
mod losses;
mod marking;
mod notes;
mod queues;
mod sharing;
mod timing;
mod windows;

use crate::{ReproduceError, Workers, parallel};
use std::io::Write;
use std::path::PathBuf;
use tidewire_metrics::{Align, Table, TextTable, Value, csv_text};

/// What `reproduce theory` is asked for.
#[derive(Clone, Debug, Default)]
pub struct TheoryOptions {
    /// Short runs: seconds in all instead of minutes. Leaves out the cases that need long ones.
    pub quick: bool,
    /// Where the verdicts go, as CSV.
    pub csv: Option<PathBuf>,
    /// Only scenarios of this row or whose name contains this; several are separated by commas.
    pub only: Option<String>,
}

/// How far a figure may be from the expected one.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Tolerance {
    /// A part of the expected figure, either way.
    Relative(f64),
    /// So much, either way.
    Absolute(f64),
    /// The figure is a lower bound, less this part of it.
    AtLeast(f64),
    /// The figure is an upper bound.
    AtMost,
    /// Between the expected figure and this one.
    UpTo(f64),
}

/// Whether a figure is as expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Within the tolerance.
    Pass,
    /// Not within it.
    Fail,
}

/// A figure, expected and measured.
#[derive(Clone, PartialEq, Debug)]
pub struct Check {
    /// Which case of the scenario, with the unit of the figure.
    pub case: String,
    /// What it should be.
    pub expected: f64,
    /// How far it may be off.
    pub tolerance: Tolerance,
    /// What it is.
    pub measured: f64,
    /// Whether that is well.
    pub verdict: Verdict,
}

impl Check {
    pub(crate) fn new(case: impl Into<String>, expected: f64, tolerance: Tolerance, measured: f64) -> Check {
        let verdict = if tolerance.allows(expected, measured) { Verdict::Pass } else { Verdict::Fail };
        Check { case: case.into(), expected, tolerance, measured, verdict }
    }
}

impl Tolerance {
    fn allows(self, expected: f64, measured: f64) -> bool {
        match self {
            Tolerance::Relative(part) => (measured - expected).abs() <= expected.abs() * part,
            Tolerance::Absolute(most) => (measured - expected).abs() <= most,
            Tolerance::AtLeast(part) => measured >= expected * (1.0 - part),
            Tolerance::AtMost => measured <= expected,
            Tolerance::UpTo(high) => (expected..=high).contains(&measured),
        }
    }

    fn text(self) -> String {
        match self {
            Tolerance::Relative(part) => format!("{} %", tidy(part * 100.0)),
            Tolerance::Absolute(most) => format!("+-{}", tidy(most)),
            Tolerance::AtLeast(part) if part > 0.0 => format!("at least, less {} %", tidy(part * 100.0)),
            Tolerance::AtLeast(_) => "at least".to_owned(),
            Tolerance::AtMost => "at most".to_owned(),
            Tolerance::UpTo(high) => format!("up to {}", tidy(high)),
        }
    }
}

/// A scenario: the row of the table that it stands for, what it is, where the figure comes from.
pub(crate) struct Scenario {
    pub row: &'static str,
    pub name: &'static str,
    pub source: &'static str,
    pub run: fn(quick: bool) -> Vec<Check>,
}

impl Scenario {
    /// By its row, a section of rows (`3.` for all of `3.1`...), or a part of its name.
    fn is_meant_by(&self, only: &str) -> bool {
        let section = self.row.split_once('.').is_some_and(|(section, _)| only == format!("{section}."));
        !only.is_empty()
            && (self.row == only || section || self.name.to_lowercase().contains(&only.to_lowercase()))
    }
}

/// A scenario and what came of it.
#[derive(Clone, PartialEq, Debug)]
pub struct TheoryResult {
    /// Row of the table.
    pub row: &'static str,
    /// What it is.
    pub name: &'static str,
    /// Where the expected figures come from.
    pub source: &'static str,
    /// The figures.
    pub checks: Vec<Check>,
}

/// Figures by verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Within their tolerance.
    pub passed: usize,
    /// Not within it, and a note says why and in which setting they are.
    pub explained: usize,
    /// Not within it.
    pub failed: usize,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { passed, explained, failed } = self;
        write!(f, "{passed} passed, {explained} not as the formula says, for a reason, {failed} failed")
    }
}

/// All scenarios.
#[derive(Clone, PartialEq, Debug)]
pub struct TheoryReport {
    /// In the order of the table.
    pub results: Vec<TheoryResult>,
}

/// Runs the scenarios, prints their figures and verdicts, and writes a CSV file if asked to.
///
/// # Errors
/// The results cannot be written.
pub fn theory(
    options: &TheoryOptions,
    workers: Workers<'_>,
    out: &mut dyn Write,
) -> Result<TheoryReport, ReproduceError> {
    let report = run_all(options.quick, workers, options.only.as_deref());
    if report.results.is_empty() {
        let known = scenarios().iter().map(|s| format!("  {:>4}  {}", s.row, s.name)).collect();
        return Err(ReproduceError::NoSuchRow(options.only.clone().unwrap_or_default(), known));
    }
    report.print(out)?;
    if let Some(path) = &options.csv {
        crate::write_text(path, &csv_text(&report.table()))?;
    }
    Ok(report)
}

/// Runs the scenarios that `only` means.
pub fn run_all<'a>(quick: bool, workers: impl Into<Workers<'a>>, only: Option<&str>) -> TheoryReport {
    let wanted =
        |s: &Scenario| only.is_none_or(|only| only.split(',').any(|only| s.is_meant_by(only.trim())));
    let scenarios: Vec<Scenario> = scenarios().into_iter().filter(wanted).collect();
    let results = parallel::map(&scenarios, workers.into(), |scenario| TheoryResult {
        row: scenario.row,
        name: scenario.name,
        source: scenario.source,
        checks: (scenario.run)(quick),
    });
    TheoryReport { results }
}

/// Row and name of every scenario, in the order of the table.
pub fn rows() -> Vec<(&'static str, &'static str)> {
    scenarios().iter().map(|scenario| (scenario.row, scenario.name)).collect()
}

fn scenarios() -> Vec<Scenario> {
    let mut all = windows::scenarios();
    all.extend(losses::scenarios());
    all.extend(bottleneck::scenarios());
    all.extend(timing::scenarios());
    all.extend(sharing::scenarios());
    all.extend(queues::scenarios());
    all.extend(bbr3::scenarios());
    all.extend(marking::scenarios());
    all.extend(applications::scenarios());
    // Rows of the first section are numbered alone; those of others have their section before it.
    all.sort_by_key(|scenario| {
        let mut numbers = scenario.row.split('.').map(|number| number.parse::<u32>().unwrap_or(u32::MAX));
        match (numbers.next(), numbers.next()) {
            (Some(section), Some(row)) => (section, row),
            (row, _) => (1, row.unwrap_or(u32::MAX)),
        }
    });
    all
}

impl TheoryResult {
    /// Why a figure that fails is not as the formula says, where that is understood.
    pub fn note(&self, check: &Check) -> Option<&'static str> {
        (check.verdict == Verdict::Fail).then(|| notes::of(self.row, &check.case)).flatten()
    }
}

impl TheoryReport {
    /// How many figures there are of each kind.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (result, check) in self.results.iter().flat_map(|r| r.checks.iter().map(move |c| (r, c))) {
            *match check.verdict {
                Verdict::Pass => &mut counts.passed,
                Verdict::Fail if result.note(check).is_some() => &mut counts.explained,
                Verdict::Fail => &mut counts.failed,
            } += 1;
        }
        counts
    }

    /// One row for each figure.
    pub fn table(&self) -> Table {
        let mut table = Table::new([
            "row",
            "scenario",
            "source",
            "case",
            "expected",
            "measured",
            "ratio",
            "tolerance",
            "verdict",
            "note",
        ]);
        for (result, check) in self.results.iter().flat_map(|r| r.checks.iter().map(move |c| (r, c))) {
            let mut row: Vec<Value> =
                [result.row, result.name, result.source, &check.case].map(Value::from).into();
            row.extend(
                [check.expected, check.measured, check.measured / check.expected]
                    .map(|x| if x.is_finite() { Value::from(tidy(x)) } else { Value::Nothing }),
            );
            let explained = if result.note(check).is_some() { ", see note" } else { "" };
            row.extend(
                [check.tolerance.text(), check.verdict.text().to_owned() + explained].map(Value::from),
            );
            row.push(result.note(check).map_or(Value::Nothing, Value::from));
            table.push(row);
        }
        table
    }

    /// Prints every figure, and how many passed.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        use Align::{Left, Right};
        let table = self.table();
        let mut text = TextTable::new([Right, Left, Left, Right, Right, Right, Left, Left]);
        let shown = |row: &[String]| [0, 1, 3, 4, 5, 6, 7, 8].map(|i| row[i].clone());
        text.row(shown(&table.columns));
        for row in &table.rows {
            text.row(shown(&row.iter().map(Value::to_string).collect::<Vec<_>>()));
        }
        let notes = self.results.iter().flat_map(|r| r.checks.iter().map(move |check| r.note(check)));
        let lines = text.lines();
        writeln!(out, "{}", lines[0])?;
        for (line, note) in lines[1..].iter().zip(notes) {
            writeln!(out, "{line}")?;
            note.map_or(Ok(()), |note| writeln!(out, "     {note}"))?;
        }
        writeln!(out, "{}", self.counts())
    }
}

impl Verdict {
    const fn text(self) -> &'static str {
        match self {
            Verdict::Pass => "PASS",
            Verdict::Fail => "FAIL",
        }
    }
}

/// Four significant digits.
pub(crate) fn tidy(x: f64) -> f64 {
    format!("{x:.3e}").parse().unwrap_or(x)
}
