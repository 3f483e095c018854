//! `tidewire reproduce`: recordings of a kernel, formulas and published tables, against what happens here.

use crate::Context;
use crate::progress::Counter;
use clap::{Args, ValueEnum};
use std::io;
use std::path::PathBuf;
use tidewire_lab::LabError;
use tidewire_reproduce::kernel::{KernelOptions, kernel};
use tidewire_reproduce::theory::{TheoryOptions, theory};
use tidewire_reproduce::trace::{TraceOptions, traces};
use tidewire_reproduce::validity::{ValidityOptions, all};
use tidewire_reproduce::{ReproduceError, Workers};

/// A file that cannot be read or written.
const BROKEN: u8 = 5;

const EXAMPLES: &str = "\
Examples:
  tidewire reproduce kernel --reference goodput.csv     the same links, the same losses
  tidewire reproduce traces --reference traces/         transmission by transmission
  tidewire reproduce theory --quick                     formulas and published tables, in a minute
  tidewire reproduce theory --only vegas
  tidewire reproduce --all                              everything; writes docs/validity.md

Without --reference it is the recordings that come with the program.";

#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct ReproduceArgs {
    /// What to compare
    #[arg(value_enum, value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    pub what: Option<What>,
    /// Everything; writes all verdicts as one page
    #[arg(long)]
    pub all: bool,
    /// The recording: a CSV file or a folder of them for kernel, a folder of packet traces for traces, a folder with both for --all
    #[arg(long, value_name = "PATH")]
    pub reference: Option<PathBuf>,
    /// Write the comparison as CSV
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    pub csv: Option<PathBuf>,
    /// Where --all writes its page
    #[arg(long, value_name = "FILE", default_value = "docs/validity.md")]
    pub page: PathBuf,
    /// Of theory: short runs
    #[arg(long)]
    pub quick: bool,
    /// Of theory: rows by number, or whose name contains this; several separated by commas
    #[arg(long, value_name = "ROW|WORD", conflicts_with = "all")]
    pub only: Option<String>,
    /// Threads [default: one for each core]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum What {
    /// Figures of whole transfers: goodput.csv, fairness.csv, udp.csv
    Kernel,
    /// Packet traces, transmission by transmission
    Traces,
    /// Formulas and published tables
    Theory,
}

/// Compares, and prints how close it is. A figure that is off is a result, not an error.
pub fn reproduce(context: &Context, args: &ReproduceArgs) -> Result<u8, LabError> {
    if args.what != Some(What::Theory) && args.only.is_some() {
        return Err(LabError::Usage("--only chooses rows of theory".into()));
    }
    if args.what == Some(What::Theory) && args.reference.is_some() {
        return Err(LabError::Usage("theory needs no --reference".into()));
    }
    Ok(compared(context, args).unwrap_or_else(|error| complain(context, &error.to_string())))
}

fn compared(context: &Context, args: &ReproduceArgs) -> Result<u8, ReproduceError> {
    let mut out = io::stdout().lock();
    let (reference, csv, quick) = (args.reference.clone(), args.csv.clone(), args.quick);
    let counter = Counter::new(context);
    let tell = |done, all| counter.tell(done, all);
    let workers = Workers { jobs: args.jobs.map_or(0, usize::from), tell: Some(&tell) };
    match args.what {
        Some(What::Kernel) => drop(kernel(&KernelOptions { reference, csv }, workers, &mut out)?),
        Some(What::Traces) => {
            let report = traces(&TraceOptions { reference, csv }, workers, &mut out)?;
            let unreadable: Vec<&str> = report.unreadable().collect();
            if !unreadable.is_empty() {
                return Ok(complain(context, &unreadable.join("\n")));
            }
        }
        Some(What::Theory) => {
            let only = args.only.clone();
            drop(theory(&TheoryOptions { quick, csv, only }, workers, &mut out)?);
        }
        None => {
            let (page, version) = (args.page.clone(), context.tool.version.clone());
            drop(all(&ValidityOptions { reference, page, version, quick }, workers, &mut out)?);
        }
    }
    Ok(0)
}

fn complain(context: &Context, message: &str) -> u8 {
    context.term.error(message);
    BROKEN
}
