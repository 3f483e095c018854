//! All verdicts as one page, so that a paper can cite it.

use crate::kernel::{self, KernelReport, compare};
use crate::theory::{self, TheoryReport, Verdict};
use crate::trace::{TraceReport, compare_all};
use crate::{ReproduceError, Workers, recordings};
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use tidewire_metrics::{Table, Value};

/// What `reproduce --all` is asked for.
#[derive(Clone, Debug, Default)]
pub struct ValidityOptions {
    /// Recordings: a folder with `goodput.csv`, `fairness.csv`, `udp.csv` and `traces/`, of which what is missing is left out; none for those
    /// that come with the program.
    pub reference: Option<PathBuf>,
    /// Where the page goes: `docs/validity.md`.
    pub page: PathBuf,
    /// The version to name.
    pub version: String,
    /// Short runs of the formulas.
    pub quick: bool,
}

/// What a page is made of.
#[derive(Clone, Debug)]
pub struct Validity {
    /// Formulas and published tables.
    pub theory: TheoryReport,
    /// Recordings by name.
    pub kernel: Vec<(String, KernelReport)>,
    /// Packet traces.
    pub traces: Option<TraceReport>,
}

/// Runs everything and writes the page; says on `out` what is being done.
///
/// # Errors
/// A recording cannot be read or understood, or the page cannot be written.
pub fn all(
    options: &ValidityOptions,
    workers: Workers<'_>,
    out: &mut dyn Write,
) -> Result<Validity, ReproduceError> {
    let references = kernel::texts(options.reference.as_deref())?;
    let folder = options.reference.as_ref().map(|folder| folder.join("traces"));
    let files = match folder {
        None => recordings::traces(),
        Some(folder) if folder.is_dir() => crate::read_folder(&folder)?,
        Some(_) => Vec::new(),
    };
    if references.is_empty() && files.is_empty() {
        return Err(ReproduceError::NoRecordings(options.reference.clone().unwrap_or_default()));
    }
    writeln!(out, "theory")?;
    let theory = theory::run_all(options.quick, workers, None);
    let mut kernel = Vec::new();
    for (name, recording) in references {
        writeln!(out, "{name}")?;
        let report = compare(&recording, workers);
        kernel.push((name, report));
    }
    writeln!(out, "{} packet traces", files.len())?;
    let traces = (!files.is_empty()).then(|| compare_all(&files, workers));
    let validity = Validity { theory, kernel, traces };
    crate::write_text(Path::new(&options.page), &validity.markdown(&options.version))?;
    writeln!(out, "{}", options.page.display())?;
    Ok(validity)
}

impl Validity {
    /// The page.
    pub fn markdown(&self, version: &str) -> String {
        let mut page = format!(
            "# What the numbers are worth\n\nTidewire {version}. This page is written by `tidewire reproduce --all`.\n\n"
        );
        self.recordings(&mut page);
        let _ = write!(
            page,
            "## Formulas and published tables\n\n{}. A tolerance is never widened to let a figure pass; a note says why it fails, where \
             that is understood, and names the setting in which the formula holds.\n\n",
            self.theory.counts()
        );
        self.failures(&mut page);
        page.push_str("### Every figure\n\n");
        let mut table = self.theory.table();
        // The notes are above.
        table.columns.pop();
        table.rows.iter_mut().for_each(|row| drop(row.pop()));
        page.push_str(&markdown_table(&table));
        page.push_str(NOT_MODELLED);
        page
    }

    /// What is not as a formula says, in one place: by row and reason.
    fn failures(&self, page: &mut String) {
        page.push_str("### What is not as a formula says\n\n");
        for result in &self.theory.results {
            let mut told = None;
            for check in result.checks.iter().filter(|check| check.verdict == Verdict::Fail) {
                let why = result.note(check).unwrap_or("Not understood.");
                if told != Some(why) {
                    let _ = writeln!(page, "- Row {}, {}. {why}", result.row, result.name);
                    told = Some(why);
                }
                let [measured, expected] = [check.measured, check.expected].map(theory::tidy);
                let _ = writeln!(page, "  - {}: {measured} instead of {expected}", check.case);
            }
        }
        page.push('\n');
    }

    fn recordings(&self, page: &mut String) {
        if self.kernel.is_empty() && self.traces.is_none() {
            return;
        }
        page.push_str(
            "## Against a Linux kernel\n\nRecordings of Linux 6.18 over a link of known rate, delay, queue and losses; the same link and the \
             same losses here. Shares of figures within each limit; for fairness, the difference of the mean share of ten runs.\n\n",
        );
        for (name, report) in &self.kernel {
            let mut table = Table::new(["of", "figures"]);
            let limits: Vec<String> = report.limits.iter().map(|limit| format!("within {limit}")).collect();
            table.columns.extend(limits);
            table.columns.push("worst".to_owned());
            for share in report.summary() {
                let percent = |n: usize| format!("{:.1} %", 100.0 * n as f64 / share.figures.max(1) as f64);
                let mut row: Vec<Value> = vec![share.group.as_str().into(), (share.figures as u64).into()];
                row.extend(share.within.map(|n| Value::from(percent(n))));
                row.push(format!("{:.3}", share.worst).into());
                table.push(row);
            }
            let _ = write!(page, "### {name}\n\n{}", markdown_table(&table));
            if report.has_bbr_retransmissions() {
                let _ = write!(page, "{}\n\n", kernel::BBR_RETRANSMISSIONS);
            }
            if name == "udp" {
                page.push_str(
                    "How irregularly the recorded sender of `cbr_vs_tcp` sent is not known. Here it is late by up to one packet's \
                     transmission; bbr's share at half the link's rate depends on it (4.9 Mbit/s recorded, 5.0 so, 8.2 without).\n\n",
                );
            }
        }
        if let Some(traces) = &self.traces {
            let (matched, total) = traces.overall();
            let share = match total {
                0 => "nothing compared".to_owned(),
                _ => format!("{matched} of {total} matched, {:.1} %", 100.0 * matched as f64 / total as f64),
            };
            let _ = write!(
                page,
                "### Packet traces\n\nOrder, sequence and gap (within 10 ms or 12.5 %) of data transmissions: {share}.\n\n"
            );
            let _ = write!(
                page,
                "Matched are pairs in the same order; one that is missing or too many does not spoil what follows. By number, our n-th \
                 against the kernel's n-th, it is {} of {total}.\n\n",
                traces.in_place()
            );
            page.push_str(&markdown_table(&traces.table()));
        }
    }
}

fn markdown_table(table: &Table) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(table.columns.clone());
    text.push_str(&line(vec!["---".to_owned(); table.columns.len()]));
    for row in &table.rows {
        text.push_str(&line(row.iter().map(|cell| cell.to_string().replace('|', "\\|")).collect()));
    }
    text.push('\n');
    text
}

const NOT_MODELLED: &str = "## What is not modelled

- Offloads of network cards: TCP sends and acknowledges packet by packet, as a host with TSO and GRO off; sending in large segments can be \
  switched on for a connection (`offload`).
- Interrupt coalescing, and the time that a host's kernel and scheduler take: a host acts at once, or after a processing delay that it is \
  given. Recorded hosts stalled for milliseconds now and then.
- Small-queue limits (TSQ, BQL) between TCP and the interface: what TCP sends is in the link's queue at once.
- The memory of socket buffers is counted by rules of thumb, not by the pages of a real kernel.
- Clocks do not drift.
";
