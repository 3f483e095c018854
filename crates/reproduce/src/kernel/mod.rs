//! Goodput, fairness and datagrams of a recorded kernel: the same link, the same losses, row by row.

mod fairness;
mod goodput;
mod reference;
mod replay;
mod udp;

pub use reference::{FairnessRow, GoodputRow, Recording, Reference, UdpKind, UdpRow};

pub(crate) use replay::lost_ordinals;

use crate::recordings::KERNEL;
use crate::{ReproduceError, Workers, parallel};
use std::io::Write;
use std::path::{Path, PathBuf};
use tidewire_metrics::{Align, Summary, Table, TextTable, Value, csv_text};

/// What `reproduce kernel` is asked for.
#[derive(Clone, Debug, Default)]
pub struct KernelOptions {
    /// A recording: `goodput.csv`, `fairness.csv`, `udp.csv`, or of the same columns; a folder with files of these names; none for those that
    /// come with the program.
    pub reference: Option<PathBuf>,
    /// Where the comparison goes, as CSV.
    pub csv: Option<PathBuf>,
}

/// One figure, expected and measured.
#[derive(Clone, PartialEq, Debug)]
pub struct Comparison {
    /// What it is of, and the figure's name.
    pub what: String,
    /// What it counts under in the summary.
    pub group: String,
    /// What the kernel had.
    pub expected: f64,
    /// What we have; none when we lack the congestion control.
    pub measured: Option<f64>,
    /// How far they are apart: relative to the expected figure, or for shares their difference.
    pub off: Option<f64>,
}

/// A comparison of a whole recording.
#[derive(Clone, Debug)]
pub struct KernelReport {
    /// Every figure, in the order of the recording.
    pub comparisons: Vec<Comparison>,
    /// The same as a table for a file.
    pub table: Table,
    /// Limits of `off` that the summary counts.
    pub limits: [f64; 3],
    /// Rows that could not be used: line and why.
    pub skipped: Vec<String>,
}

/// Compares with recordings, prints each row and the summary, and writes a CSV file if asked to: one for each recording, named after it,
/// when there are several.
///
/// # Errors
/// A recording cannot be read or understood, or the results cannot be written.
pub fn kernel(
    options: &KernelOptions,
    workers: Workers<'_>,
    out: &mut dyn Write,
) -> Result<Vec<KernelReport>, ReproduceError> {
    let mut reports = Vec::new();
    let texts = texts(options.reference.as_deref())?;
    if texts.is_empty() {
        return Err(ReproduceError::NoRecordings(options.reference.clone().unwrap_or_default()));
    }
    for (name, recording) in &texts {
        if texts.len() > 1 {
            writeln!(out, "{name}")?;
        }
        let report = compare(recording, workers);
        report.print(out)?;
        if let Some(path) = &options.csv {
            let own =
                path.with_file_name(format!("{name}-{}", path.file_name().unwrap_or_default().display()));
            let path = if texts.len() > 1 { &own } else { path };
            crate::write_text(path, &csv_text(&report.table))?;
        }
        reports.push(report);
    }
    Ok(reports)
}

/// Recordings by name: the file that is named, those in the folder that is named, or those that come with the program.
pub(crate) fn texts(path: Option<&Path>) -> Result<Vec<(String, Recording)>, ReproduceError> {
    let Some(path) = path else {
        return KERNEL.iter().map(|(name, text)| Ok(((*name).to_owned(), Reference::parse(text)?))).collect();
    };
    if path.is_dir() {
        let files = KERNEL.map(|(name, _)| path.join(name).with_extension("csv"));
        let found = files.iter().filter(|file| file.is_file()).map(|file| texts(Some(file)));
        return Ok(found.collect::<Result<Vec<_>, _>>()?.concat());
    }
    let name = path.file_stem().unwrap_or_default().display().to_string();
    let recording = Reference::parse(&crate::read_text(path)?);
    Ok(vec![(name, recording.map_err(|error| ReproduceError::In(path.into(), error.into()))?)])
}

/// Compares with a recording.
pub fn compare<'a>(recording: &Recording, workers: impl Into<Workers<'a>>) -> KernelReport {
    let workers = workers.into();
    let report = match &recording.reference {
        Reference::Goodput(rows) => compare_goodput(rows, workers),
        Reference::Fairness(rows) => compare_fairness(rows, workers),
        Reference::Udp(rows) => compare_udp(rows, workers),
    };
    KernelReport { skipped: recording.skipped.clone(), ..report }
}

const GOODPUT_COLUMNS: [&str; 13] = [
    "cc",
    "rate_mbps",
    "rtt_ms",
    "loss_pct",
    "queue_packets",
    "seed",
    "expected_mbps",
    "measured_mbps",
    "ratio",
    "expected_retransmits",
    "measured_retransmits",
    "expected_rtos",
    "measured_rtos",
];

fn compare_goodput(rows: &[GoodputRow], workers: Workers<'_>) -> KernelReport {
    let measured = parallel::map(rows, workers, goodput::run);
    let mut table = Table::new(GOODPUT_COLUMNS);
    let mut comparisons = Vec::new();
    for (row, measured) in rows.iter().zip(measured) {
        let expected = row.goodput_mbps;
        let goodput = measured.map(|measured| measured.goodput);
        let ratio = goodput.map(|goodput| ratio(goodput, expected));
        let mut cells: Vec<Value> = vec![row.cc.as_str().into()];
        cells.extend([row.rate, row.rtt_ms, row.loss * 100.0].map(|x| Value::from(rounded(x))));
        cells.extend([i64::from(row.queue_pkts), row.seed as i64].map(Value::from));
        cells.extend([Some(expected), goodput, ratio].map(|x| Value::from(x.map(rounded))));
        let (retransmits, rtos) = (measured.and_then(|m| m.retransmits), measured.and_then(|m| m.rtos));
        cells.extend([row.retransmits, retransmits, row.rtos, rtos].map(Value::from));
        table.push(cells);
        let off = ratio.map(off);
        comparisons.push(Comparison {
            what: "goodput".into(),
            group: row.cc.clone(),
            expected,
            measured: goodput,
            off,
        });
    }
    KernelReport { comparisons, table, limits: RELATIVE, skipped: Vec::new() }
}

const FAIRNESS_COLUMNS: [&str; 12] = [
    "cc_a",
    "cc_b",
    "rate_mbps",
    "rtt_ms",
    "queue_packets",
    "kernel_runs",
    "expected_share_a",
    "measured_share_a",
    "difference",
    "measured_low",
    "measured_high",
    "total_ratio",
];

fn compare_fairness(rows: &[FairnessRow], workers: Workers<'_>) -> KernelReport {
    let groups = fairness::Group::of(rows);
    let runs: Vec<(usize, u64)> =
        (0..groups.len()).flat_map(|group| (0..fairness::SEEDS).map(move |seed| (group, seed))).collect();
    let results = parallel::map(&runs, workers, |(group, seed)| {
        let rows = &groups[*group].rows;
        fairness::run(rows[*seed as usize % rows.len()], seed + 1)
    });
    let mut table = Table::new(FAIRNESS_COLUMNS);
    let mut comparisons = Vec::new();
    for (group, results) in groups.iter().zip(results.chunks(fairness::SEEDS as usize)) {
        let row = group.rows[0];
        let expected = group.mean(|row| row.share_a);
        let shares: Option<Vec<f64>> = results.iter().map(|run| run.map(|(share, _)| share)).collect();
        let shares = shares.map(Summary::of);
        let total = results.iter().map(|run| run.map(|(_, total)| total)).sum::<Option<f64>>();
        let total = total.map(|sum| sum / fairness::SEEDS as f64 / group.mean(|row| row.total_mbps));
        let [measured, low, high] =
            [Summary::mean, Summary::min, Summary::max].map(|figure| shares.as_ref().and_then(figure));
        let difference = measured.map(|measured| measured - expected);
        let mut cells: Vec<Value> = vec![row.cc[0].as_str().into(), row.cc[1].as_str().into()];
        cells.extend([row.rate, row.rtt_ms].map(|x| Value::from(rounded(x))));
        cells.extend([i64::from(row.queue_pkts), group.rows.len() as i64].map(Value::from));
        let figures = [Some(expected), measured, difference, low, high, total];
        cells.extend(figures.map(|x| Value::from(x.map(rounded))));
        table.push(cells);
        let what = format!("share of {} against {}, queue {}", row.cc[0], row.cc[1], row.queue_pkts);
        let name = row.cc.join("/");
        comparisons.push(Comparison { what, group: name, expected, measured, off: difference.map(f64::abs) });
    }
    KernelReport { comparisons, table, limits: SHARES, skipped: Vec::new() }
}

const UDP_COLUMNS: [&str; 10] = [
    "kind",
    "cc",
    "loss_pct",
    "offered_mbps",
    "queue_packets",
    "seed",
    "figure",
    "expected",
    "measured",
    "ratio",
];

fn compare_udp(rows: &[UdpRow], workers: Workers<'_>) -> KernelReport {
    let measured = parallel::map(rows, workers, udp::run);
    let mut table = Table::new(UDP_COLUMNS);
    let mut comparisons = Vec::new();
    for (row, measured) in rows.iter().zip(measured) {
        for (i, (figure, expected)) in row.expected.iter().enumerate() {
            let measured = measured.as_ref().map(|figures| figures[i]);
            let ratio = measured.map(|measured| ratio(measured, *expected));
            // A flow that is starved has no goodput worth a ratio: what counts is how much of the link it got.
            let starved = figure.ends_with("_mbps") && *expected < 0.02 * row.rate;
            let off = if starved {
                measured.map(|measured| (measured - expected).abs() / row.rate)
            } else {
                ratio.map(off)
            };
            let mut cells: Vec<Value> = vec![row.kind.label().into(), row.cc.as_str().into()];
            cells.extend([row.loss * 100.0, row.offered_mbps].map(|x| Value::from(rounded(x))));
            cells.extend([i64::from(row.queue_pkts), row.seed as i64].map(Value::from));
            cells.push((*figure).into());
            cells.extend([Some(*expected), measured, ratio].map(|x| Value::from(x.map(rounded))));
            table.push(cells);
            let group = format!("{} {}", row.kind.label(), row.cc);
            comparisons.push(Comparison {
                what: (*figure).into(),
                group,
                expected: *expected,
                measured,
                off,
            });
        }
    }
    KernelReport { comparisons, table, limits: RELATIVE, skipped: Vec::new() }
}

/// Nothing where nothing was expected is as expected.
fn ratio(measured: f64, expected: f64) -> f64 {
    if expected == 0.0 && measured == 0.0 { 1.0 } else { measured / expected }
}

/// How far a ratio is from one; without a value when there is none, as of delays when nothing arrives.
fn off(ratio: f64) -> f64 {
    if ratio.is_nan() { f64::INFINITY } else { (ratio - 1.0).abs() }
}

const RELATIVE: [f64; 3] = [0.05, 0.10, 0.20];
const SHARES: [f64; 3] = [0.03, 0.07, 0.15];

/// Why bbr's retransmissions are shown and not judged.
pub(crate) const BBR_RETRANSMISSIONS: &str = "bbr's retransmissions are not judged. Beside the losses of the link, which are the same, they are drops of its queue. Where the queue holds \
     20 ms or less, the kernel has more of them (at 10 Mbit/s and 20 ms 110 and 118 against 44, with 1 % loss 680 against 508), up to 0.4 % of \
     its packets; elsewhere it is less than 0.1 %. The recorded host stalled about 100 times a minute for 5 ms and then sent in a burst, which a short \
     queue does not hold; that this is the reason is likely, not shown.";

/// How many figures of a group there are, and how many of them are within each limit.
#[derive(Clone, PartialEq, Debug)]
pub struct Share {
    /// The group; `all` for the last line.
    pub group: String,
    /// Figures that were compared.
    pub figures: usize,
    /// Those within each limit.
    pub within: [usize; 3],
    /// The largest deviation.
    pub worst: f64,
    /// Figures that were not: their congestion control is not there.
    pub missing: usize,
}

impl KernelReport {
    /// By group in order of first appearance, then all.
    pub fn summary(&self) -> Vec<Share> {
        let mut groups: Vec<&str> = Vec::new();
        for comparison in &self.comparisons {
            if !groups.contains(&comparison.group.as_str()) {
                groups.push(&comparison.group);
            }
        }
        let share = |group: &str, of: &dyn Fn(&Comparison) -> bool| {
            let all: Vec<_> = self.comparisons.iter().filter(|c| of(c)).collect();
            let within =
                self.limits.map(|limit| all.iter().filter(|c| c.off.is_some_and(|off| off <= limit)).count());
            let worst = all.iter().filter_map(|c| c.off).fold(0.0, f64::max);
            let missing = all.iter().filter(|c| c.off.is_none()).count();
            Share { group: group.to_owned(), figures: all.len() - missing, within, worst, missing }
        };
        let mut shares: Vec<Share> =
            groups.iter().map(|group| share(group, &|c: &Comparison| c.group == *group)).collect();
        shares.push(share("all", &|_| true));
        shares
    }

    /// Numbers of retransmissions of bbr stand beside the goodputs.
    pub(crate) fn has_bbr_retransmissions(&self) -> bool {
        let column = self.table.columns.iter().position(|column| column == "expected_retransmits");
        let bbr = |row: &Vec<Value>| row[0] == Value::from("bbr");
        column.is_some_and(|at| self.table.rows.iter().any(|row| bbr(row) && row[at] != Value::Nothing))
    }

    /// Prints every row and the summary.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let text = |cell: &Value| matches!(cell, Value::Text(_));
        let align = |i| match self.table.rows.first() {
            Some(row) if text(&row[i]) => Align::Left,
            _ => Align::Right,
        };
        let mut rows = TextTable::new((0..self.table.columns.len()).map(align).collect::<Vec<_>>());
        rows.row(self.table.columns.iter().cloned());
        for row in &self.table.rows {
            rows.row(row.iter().map(shown));
        }
        rows.lines().iter().try_for_each(|line| writeln!(out, "{line}"))?;
        writeln!(out)?;
        let mut summary = TextTable::new([
            Align::Left,
            Align::Right,
            Align::Right,
            Align::Right,
            Align::Right,
            Align::Right,
        ]);
        for why in &self.skipped {
            writeln!(out, "{why}; this row is skipped")?;
        }
        let relative = self.limits == RELATIVE;
        let limit = |x: f64| {
            if relative { format!("within {} %", rounded(x * 100.0)) } else { format!("within {x}") }
        };
        let mut header = vec!["".to_owned(), "figures".to_owned()];
        header.extend(self.limits.map(limit));
        header.push("worst".to_owned());
        summary.row(header);
        for share in self.summary() {
            if share.figures == 0 {
                summary.row([share.group, "not scored".to_owned()]);
                continue;
            }
            let percent = |n: usize| format!("{:.1} %", 100.0 * n as f64 / share.figures as f64);
            let mut row = vec![share.group.clone(), share.figures.to_string()];
            row.extend(share.within.map(percent));
            row.push(if relative {
                format!("{:.1} %", share.worst * 100.0)
            } else {
                format!("{:.3}", share.worst)
            });
            summary.row(row);
        }
        summary.lines().iter().try_for_each(|line| writeln!(out, "{line}"))?;
        for share in self.summary().iter().filter(|share| share.missing > 0 && share.group != "all") {
            writeln!(
                out,
                "{}: there is no such congestion control; {} not scored",
                share.group, share.missing
            )?;
        }
        if self.has_bbr_retransmissions() {
            writeln!(out, "{BBR_RETRANSMISSIONS}")?;
        }
        match self.skipped.len() {
            0 => Ok(()),
            1 => writeln!(out, "1 row was skipped."),
            n => writeln!(out, "{n} rows were skipped."),
        }
    }
}

fn shown(cell: &Value) -> String {
    match cell {
        Value::Float(x) => format!("{x:.4}").trim_end_matches('0').trim_end_matches('.').to_owned(),
        other => other.to_string(),
    }
}

/// Nine significant digits: sums of doubles need not show their last bits.
fn rounded(x: f64) -> f64 {
    format!("{x:.8e}").parse().unwrap_or(x)
}
