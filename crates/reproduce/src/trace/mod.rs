//! Packet traces of a recorded kernel, transmission by transmission.

mod compare;
mod header;
mod literal;
mod record;
mod scenario;

pub use compare::{Judged, Score};
pub(crate) use record::Recorder;

use crate::{ReproduceError, Workers, parallel};
use header::{NoScenario, Scenario};
use record::Record;
use std::io::Write;
use std::path::PathBuf;
use tidewire_metrics::{Align, Table, TextTable, Value, csv_text};
use tidewire_units::Span;

/// What `reproduce traces` is asked for.
#[derive(Clone, Debug, Default)]
pub struct TraceOptions {
    /// A folder of packet traces, or one of them; none for those that come with the program.
    pub reference: Option<PathBuf>,
    /// Where the scores go, as CSV.
    pub csv: Option<PathBuf>,
}

/// What came of a trace.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// It was played again.
    Scored(Score),
    /// It was not, and why.
    Listed(String),
    /// Its congestion control is not there: nothing of so many data transmissions is matched.
    Missing(String, usize),
    /// It cannot be understood: file, line and why.
    Unreadable(String),
}

/// A trace and what came of it.
#[derive(Clone, PartialEq, Debug)]
pub struct TraceResult {
    /// The file's name without `.csv`.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Settings that have no counterpart here.
    pub unknown: Vec<String>,
    /// Rows that could not be used: line and why.
    pub skipped: Vec<String>,
}

/// All traces of a folder.
#[derive(Clone, PartialEq, Debug)]
pub struct TraceReport {
    /// By name.
    pub traces: Vec<TraceResult>,
    /// Names, without `.csv`, of what is no trace and was left out. Samples of a trace's socket (`x.info.csv` beside `x.csv`) are not named.
    pub left_out: Vec<String>,
}

/// Plays every trace again, prints the scores and, on the last line, the overall percentage.
///
/// # Errors
/// The traces cannot be read or understood, or the results cannot be written.
pub fn traces(
    options: &TraceOptions,
    workers: Workers<'_>,
    out: &mut dyn Write,
) -> Result<TraceReport, ReproduceError> {
    let files = match &options.reference {
        Some(path) => crate::read_folder(path)?,
        None => crate::recordings::traces(),
    };
    let report = compare_all(&files, workers);
    if report.traces.is_empty() {
        return Err(ReproduceError::Empty(options.reference.clone().unwrap_or_default()));
    }
    report.print(out)?;
    if let Some(path) = &options.csv {
        crate::write_text(path, &csv_text(&report.table()))?;
    }
    Ok(report)
}

/// Compares traces given as name and text. Texts that do not begin with a scenario are no traces.
pub fn compare_all<'a>(files: &[(String, String)], workers: impl Into<Workers<'a>>) -> TraceReport {
    let (files, others): (Vec<_>, Vec<_>) = files.iter().partition(|(_, text)| is_trace(text));
    let is_beside = |name: &str| {
        name.strip_suffix(".info").is_some_and(|trace| files.iter().any(|(name, _)| name == trace))
    };
    let others = others.into_iter().map(|(name, _)| name.clone());
    let left_out = others.filter(|name| !is_beside(name)).collect();
    let result = |name: &String, text: &String| {
        one(name, text).unwrap_or_else(|error| TraceResult {
            name: name.clone(),
            outcome: Outcome::Unreadable(error.to_string()),
            unknown: Vec::new(),
            skipped: Vec::new(),
        })
    };
    let traces = parallel::map(&files, workers.into(), |(name, text)| result(name, text));
    TraceReport { traces, left_out }
}

fn is_trace(text: &str) -> bool {
    text.starts_with('#') && text.lines().next().is_some_and(|header| header.contains("link="))
}

fn one(name: &str, text: &str) -> Result<TraceResult, ReproduceError> {
    let scenario = Scenario::parse(text.lines().next().unwrap_or(""));
    let record::Trace { records: kernel, skipped } = match (&scenario, record::read_trace(name, text)) {
        (Err(NoScenario::NoClient), Err(_)) => record::Trace::default(),
        (_, trace) => trace?,
    };
    let mut unknown = Vec::new();
    let outcome = match scenario {
        Ok(_) if kernel.is_empty() => Outcome::Listed("there are no TCP packets in it".into()),
        Ok(scenario) if scenario.is_endless(end_of(&kernel)) => {
            let why = "so many packets are too much to simulate".to_owned();
            return Err(ReproduceError::BadTrace(name.to_owned(), 1, why));
        }
        Ok(scenario) => {
            let ours = scenario::play(&scenario, end_of(&kernel));
            unknown = scenario.unknown;
            // Recordings of outages were cut to the time around them.
            let trimmed = !scenario.outages.is_empty() || !kernel.first().is_some_and(|record| record.syn);
            Outcome::Scored(compare::compare(&kernel, &ours, trimmed))
        }
        Err(NoScenario::NoClient) => Outcome::Listed("driven by a program of its own".into()),
        Err(NoScenario::UnknownCc(cc)) => {
            let data = kernel.iter().filter(|record| record.forward && record.len > 0).count();
            Outcome::Missing(format!("there is no congestion control '{cc}'"), data)
        }
        Err(NoScenario::Bad(why)) => return Err(ReproduceError::BadTrace(name.to_owned(), 1, why)),
    };
    Ok(TraceResult { name: name.to_owned(), outcome, unknown, skipped })
}

/// Until when to play: ours may be a little later than the last packet.
fn end_of(kernel: &[Record]) -> Span {
    let last = kernel.iter().map(|record| record.ms).fold(0.0, f64::max);
    Span::from_secs_f64((last * 1.2e-3 + 2.0).min(1e6))
}

/// The packets that a trace's scenario has here, in the columns of a recording, to be laid side by side with it.
///
/// # Errors
/// There is no scenario, or it cannot be understood.
pub fn packets(name: &str, text: &str) -> Result<String, ReproduceError> {
    let record::Trace { records: kernel, .. } = record::read_trace(name, text)?;
    let scenario = Scenario::parse(text.lines().next().unwrap_or(""))
        .map_err(|why| ReproduceError::BadTrace(name.to_owned(), 1, format!("{why:?}")))?;
    let ours = scenario::play(&scenario, end_of(&kernel));
    let mut table = Table::new(["t_ms", "dir", "flags", "seq", "ack", "len"]);
    for record in ours {
        let flags = match record {
            Record { syn: true, .. } => "S",
            Record { fin: true, .. } => "F",
            Record { push: true, .. } => "PA",
            _ => "A",
        };
        let dir = if record.forward { ">" } else { "<" };
        let mut row: Vec<Value> =
            vec![Value::Float((record.ms * 100.0).round() / 100.0), dir.into(), flags.into()];
        row.extend([record.seq, record.ack, record.len].map(|n| Value::Int(n.into())));
        table.push(row);
    }
    Ok(csv_text(&table))
}

impl TraceReport {
    /// Matched and scored data transmissions of all traces.
    pub fn overall(&self) -> (usize, usize) {
        let counted = self.traces.iter().filter_map(|trace| match &trace.outcome {
            Outcome::Scored(score) if score.judged != Judged::Handshake => Some((score.matched, score.total)),
            Outcome::Missing(_, total) => Some((0, *total)),
            _ => None,
        });
        counted.fold((0, 0), |sum, (matched, total)| (sum.0 + matched, sum.1 + total))
    }

    /// Traces that cannot be understood: file, line and why.
    pub fn unreadable(&self) -> impl Iterator<Item = &str> {
        self.traces.iter().filter_map(|trace| match &trace.outcome {
            Outcome::Unreadable(why) => Some(why.as_str()),
            _ => None,
        })
    }

    /// Those of all traces that are the same also by number: our n-th is the kernel's n-th.
    pub fn in_place(&self) -> usize {
        let counted = self.traces.iter().filter_map(|trace| match &trace.outcome {
            Outcome::Scored(score) if score.judged != Judged::Handshake => Some(score.in_place),
            _ => None,
        });
        counted.sum()
    }

    /// One row for each trace.
    pub fn table(&self) -> Table {
        let mut table = Table::new([
            "trace",
            "judged",
            "transmissions",
            "matched",
            "in_place",
            "matched_pct",
            "first_difference",
        ]);
        for trace in &self.traces {
            let mut row: Vec<Value> = vec![trace.name.as_str().into()];
            match &trace.outcome {
                Outcome::Scored(score) => {
                    row.push(score.judged.label().into());
                    row.extend([score.total, score.matched, score.in_place].map(|n| Value::from(n as u64)));
                    row.push(Value::Float((percent(score.matched, score.total) * 100.0).round() / 100.0));
                    row.push(score.first_difference.clone().map_or(Value::Nothing, Value::from));
                }
                Outcome::Listed(why) => {
                    row.push("no".into());
                    row.extend([const { Value::Nothing }; 4]);
                    row.push(why.as_str().into());
                }
                Outcome::Unreadable(why) => {
                    row.push("unreadable".into());
                    row.extend([const { Value::Nothing }; 4]);
                    row.push(why.as_str().into());
                }
                Outcome::Missing(why, total) => {
                    row.push("missing".into());
                    row.extend([*total as u64, 0, 0, 0].map(Value::from));
                    row.push(why.as_str().into());
                }
            }
            table.push(row);
        }
        table
    }

    /// Prints a line for each trace, the first difference of each below it, and the overall percentage on the last line.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        use Align::{Left, Right};
        let mut table = TextTable::new([Left, Left, Right, Right, Right, Right]);
        table.row(["trace", "judged by", "sent", "matched", "in place", "matched"]);
        for trace in &self.traces {
            let name = trace.name.clone();
            match &trace.outcome {
                Outcome::Scored(score) => {
                    let [sent, matched, place] =
                        [score.total, score.matched, score.in_place].map(|n| n.to_string());
                    let share = format!("{:.1} %", percent(score.matched, score.total));
                    table.row([name, score.judged.label().into(), sent, matched, place, share]);
                }
                Outcome::Listed(_) => drop(table.row([name, "not scored".into()])),
                Outcome::Unreadable(_) => drop(table.row([name, "unreadable".into()])),
                Outcome::Missing(_, total) => drop(table.row([
                    name,
                    "missing".into(),
                    total.to_string(),
                    "0".into(),
                    "0".into(),
                    "0.0 %".into(),
                ])),
            }
        }
        let lines = table.lines();
        writeln!(out, "{}", lines[0])?;
        for (line, trace) in lines[1..].iter().zip(&self.traces) {
            writeln!(out, "{line}")?;
            match &trace.outcome {
                Outcome::Scored(Score { first_difference: Some(difference), .. }) => {
                    writeln!(out, "    {difference}")?
                }
                Outcome::Missing(why, _) | Outcome::Unreadable(why) | Outcome::Listed(why) => {
                    writeln!(out, "    {why}")?
                }
                _ => {}
            }
            for why in &trace.skipped {
                writeln!(out, "    {}.csv:{why}; this row is skipped", trace.name)?;
            }
            if let Outcome::Scored(Score { compared_until: Some(ms), .. }) = &trace.outcome {
                writeln!(
                    out,
                    "    the recording stops at {ms:.2} ms, before its connection ends: compared until then"
                )?;
            }
            if !trace.unknown.is_empty() {
                writeln!(out, "    without a counterpart here: {}", trace.unknown.join(", "))?;
            }
        }
        if !self.left_out.is_empty() {
            let names: Vec<String> = self.left_out.iter().map(|name| format!("{name}.csv")).collect();
            writeln!(out, "left out, since no packet traces (line 1 names no link): {}", names.join(", "))?;
        }
        let (matched, total) = self.overall();
        let in_place = self.in_place();
        if total == 0 {
            return writeln!(out, "overall: nothing compared");
        }
        writeln!(out, "the same also by number: {in_place} of {total}, {:.1} %", percent(in_place, total))?;
        writeln!(out, "overall: {matched} of {total} transmissions matched, {:.1} %", percent(matched, total))
    }
}

impl Judged {
    /// In a word.
    pub const fn label(self) -> &'static str {
        match self {
            Judged::Data => "data",
            Judged::Retransmissions => "retransmissions",
            Judged::Handshake => "SYNs",
        }
    }
}

fn percent(matched: usize, total: usize) -> f64 {
    if total == 0 { 100.0 } else { 100.0 * matched as f64 / total as f64 }
}
