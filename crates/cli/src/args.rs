//! The command line.

use crate::reproduce::ReproduceArgs;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use tidewire_units::{Span, parse_size, parse_span};

const EXAMPLES: &str = "\
Examples:
  tidewire hello.lua                            run a script
  tidewire sweep tcp_vs_udp.lua                 all points and replications, on all cores
  tidewire run tcp_vs_udp.lua -p loss=5% --rep 4 -v
  tidewire plot --x loss --y goodput_mbps --color proto
  echo 'print(now())' | tidewire -

Exit codes:
  0    everything ran, all checks and thresholds passed
  1    ran, but a check or threshold failed
  2    wrong usage
  3    error in the script
  4    a limit was reached: runaway script, memory, --max-events
  5    input or output failed
  70   internal error
  130  interrupted, partial results are saved";

const RUN_EXAMPLES: &str = "\
Examples:
  tidewire run hello.lua
  tidewire run tcp_vs_udp.lua -p proto=udp -p loss=5% --rep 4 -v
  tidewire run tcp_vs_udp.lua --until 5s --json";

const SWEEP_EXAMPLES: &str = "\
Examples:
  tidewire sweep tcp_vs_udp.lua
  tidewire sweep tcp_vs_udp.lua --reps 20               ten more replications of each point
  tidewire sweep tcp_vs_udp.lua -p loss=0%,20% -j 4
  tidewire sweep tcp_vs_udp.lua --only 'loss >= 1% and proto = tcp' --dry-run

Finished runs in the results folder are not run again: an interrupted sweep goes on where it stopped.";

const PLOT_EXAMPLES: &str = "\
Examples:
  tidewire plot                                         the newest results, the script's own plots
  tidewire plot results/tcp_vs_udp/latest --x loss --y goodput_mbps --color proto
  tidewire plot runs.csv --x loss --y delay_p95_ms --kind box -o delay.svg";

const TRACE_EXAMPLES: &str = "\
Examples:
  tidewire trace                                         the captures of the newest results
  tidewire trace results/loss/latest/pcap/r1-link-a-b.pcapng
  tidewire trace capture.pcapng --conversation 2 --rows 100 -o second.svg

Scripts write captures with link:pcap() and host:pcap(); Wireshark reads them too.";

const NEW_EXAMPLES: &str = "\
Examples:
  tidewire new first                          first.lua: two hosts, a ping, a conversation
  tidewire new losses --template tcp-udp      an experiment with parameters, thresholds and a plot
  tidewire new --list                         the templates

Also writes .luarc.json and .tidewire/meta/tidewire.lua, with which the Lua extension of an editor (LuaLS) completes, explains and
checks the functions of scripts. 'tidewire new --meta' writes only those, after an update of tidewire.";

const REPORT_EXAMPLES: &str = "\
Examples:
  tidewire report                                       the newest results
  tidewire report results/tcp_vs_udp/latest -o tcp_vs_udp.html";

const COMPARE_EXAMPLES: &str = "\
Examples:
  tidewire compare results/fairness/3f9a1c07 results/fairness/latest
  tidewire compare before after --metric goodput_mbps --tolerance 2%

Replications with the same number and seed are compared pair by pair. Exit code 1 if a metric got worse: more is better for
rates and shares, less for times and losses; --better says it for others.";

/// A discrete-event network emulator, scripted in Lua.
#[derive(Parser, Debug)]
#[command(name = "tidewire", version, after_long_help = EXAMPLES, after_help = "See 'tidewire --help' for examples and exit codes.")]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub globals: Globals,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// One run of a script: the first point of its grid unless -p chooses another
    #[command(after_long_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// All points and replications of an experiment
    #[command(after_long_help = SWEEP_EXAMPLES)]
    Sweep(SweepArgs),
    /// Draw results as SVG
    #[command(after_long_help = PLOT_EXAMPLES)]
    Plot(PlotArgs),
    /// Compile a script and build every point of its grid, without running it
    Check(CheckArgs),
    /// Show the network of a script or file: a table, --ascii, --dot, --svg, -o, --routes or --json
    Topo(TopoArgs),
    /// A results folder as one HTML page that needs nothing else, and as text
    #[command(after_long_help = REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Two sweeps side by side: which means differ by more than chance explains
    #[command(after_long_help = COMPARE_EXAMPLES)]
    Compare(CompareArgs),
    /// A capture (pcapng) as ladder and time-sequence diagrams
    #[command(after_long_help = TRACE_EXAMPLES)]
    Trace(TraceArgs),
    /// Join the shards of a sweep (sweep --shard)
    Merge(MergeArgs),
    /// Results, script and command line as a zip file, for others to check
    Bundle(BundleArgs),
    /// Delete old results
    Clean(CleanArgs),
    /// Run TCP test scripts (*.pkt) against the TCP of simulated hosts
    Conformance(ConformanceArgs),
    /// Compare with recordings of a real kernel, and with formulas and published tables
    Reproduce(ReproduceArgs),
    /// Begin a script from a template, with definitions for editors
    #[command(after_long_help = NEW_EXAMPLES)]
    New(NewArgs),
    /// The reference of functions and options: doc net:link, doc host, doc search loss
    Doc(DocArgs),
    /// Print a completion script for a shell
    Completions { shell: clap_complete::Shell },
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Only errors and failed thresholds
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// More detail; twice for even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// How much is told, in the words of other tools: error is -q, info the default, debug -v, trace -vv
    #[arg(long, global = true, value_enum, value_name = "LEVEL", conflicts_with_all = ["quiet", "verbose"], hide_short_help = true)]
    pub log_level: Option<LogLevel>,
    /// One JSON summary on stdout, all else on stderr
    #[arg(long, global = true)]
    pub json: bool,
    /// Colours: NO_COLOR and CLICOLOR_FORCE are honoured (of plot: --color NAME is --color-by NAME)
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// Where results go [default: results]
    #[arg(long, global = true, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// No progress bar
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Most memory that the script of one run may use, and once more what it may keep in lines, samples and rows
    #[arg(long, global = true, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    pub memory: u64,
    /// Longest CPU time that a script may run without waiting
    #[arg(long, global = true, value_name = "TIME", default_value = "2s", value_parser = span)]
    pub script_timeout: Span,
    /// Most events of one run
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_events: Option<u64>,
    /// Send every packet through emit and parse, and compare
    #[arg(long, global = true, hide_short_help = true)]
    pub check_wire: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogLevel {
    Error,
    Info,
    Debug,
    Trace,
}

impl Globals {
    /// Says the log level in quiet and verbose.
    pub fn settle(&mut self) {
        match self.log_level {
            Some(LogLevel::Error) => self.quiet = true,
            Some(LogLevel::Debug) => self.verbose = 1,
            Some(LogLevel::Trace) => self.verbose = 2,
            Some(LogLevel::Info) | None => {}
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Args, Debug)]
pub struct RunArgs {
    /// The script, or - for standard input
    pub script: PathBuf,
    /// Value of a parameter
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    pub p: Vec<String>,
    /// Which replication
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub rep: u32,
    /// Seed of the experiment, instead of the script's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Simulated time at which the run ends
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub until: Option<Span>,
}

#[derive(Args, Debug)]
pub struct SweepArgs {
    /// The script, or - for standard input
    pub script: PathBuf,
    /// Values of a parameter, instead of the script's; may be repeated
    #[arg(short, long = "param", value_name = "NAME=V1,V2")]
    pub p: Vec<String>,
    /// Replications of each point
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub reps: Option<u32>,
    /// Seed of the experiment, instead of the script's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Simulated time at which each run ends
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub until: Option<Span>,
    /// Runs at the same time [default: number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Only runs for which this holds, such as 'loss >= 1% and rep = 1'
    #[arg(long, value_name = "EXPR")]
    pub only: Option<String>,
    /// Go on where an earlier sweep stopped (this is the default)
    #[arg(long, conflicts_with = "fresh")]
    pub resume: bool,
    /// Delete earlier results of this very experiment first
    #[arg(long)]
    pub fresh: bool,
    /// Only say what would be run
    #[arg(long)]
    pub dry_run: bool,
    /// Only this part of all runs, such as 2/8; tidewire merge joins them
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<(u32, u32)>,
    /// Write series.csv compressed, as series.csv.gz
    #[arg(long)]
    pub gzip: bool,
}

#[derive(Args, Debug)]
pub struct PlotArgs {
    /// Results folder or CSV file [default: the newest results]
    pub from: Option<PathBuf>,
    /// Parameter or metric on the horizontal axis
    #[arg(long)]
    pub x: Option<String>,
    /// Metrics, one plot each
    #[arg(long, value_delimiter = ',')]
    pub y: Vec<String>,
    /// Metric of series.csv over time, instead of --x and --y
    #[arg(long, conflicts_with_all = ["x", "y"])]
    pub series: Option<String>,
    /// Parameter that gives one curve each
    #[arg(long)]
    pub color_by: Option<String>,
    /// Parameter that gives one panel each
    #[arg(long)]
    pub facet: Option<String>,
    /// Logarithmic axes: x, y or xy; none for linear ones
    #[arg(long, value_parser = ["x", "y", "xy", "none"])]
    pub log: Option<String>,
    /// How it is drawn
    #[arg(long, value_parser = ["line", "dots", "scatter", "bar", "box", "cdf", "step"])]
    pub kind: Option<String>,
    /// Only rows with this value
    #[arg(long = "where", value_name = "NAME=VALUE")]
    pub only: Vec<String>,
    /// The file to write, .svg or .pdf
    #[arg(short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The script, or - for standard input
    pub script: PathBuf,
    /// Values of a parameter
    #[arg(short, long = "param", value_name = "NAME=V1,V2")]
    pub p: Vec<String>,
    /// Warnings are errors
    #[arg(long)]
    pub strict: bool,
}

#[derive(Args, Debug)]
pub struct TopoArgs {
    /// A script, a network in a file (GraphML, GML, DOT, JSON, TOML, CSV, Rocketfuel, BRITE), or a shape: 'net:fat_tree{k = 4}'
    #[arg(value_name = "SCRIPT|FILE")]
    pub source: PathBuf,
    /// Value of a parameter
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    pub p: Vec<String>,
    /// Graphviz text
    #[arg(long, group = "form")]
    pub dot: bool,
    /// A picture
    #[arg(long, group = "form")]
    pub svg: bool,
    /// A picture as a file, .svg or .pdf
    #[arg(short, value_name = "FILE", group = "form")]
    pub output: Option<PathBuf>,
    /// A picture in letters, for small networks
    #[arg(long, group = "form")]
    pub ascii: bool,
    /// The table of routes of every node
    #[arg(long, group = "form")]
    pub routes: bool,
    /// Hosts at each router of a file
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub hosts: u32,
}

#[derive(Args, Debug)]
pub struct ReportArgs {
    /// Results folder [default: the newest results]
    pub from: Option<PathBuf>,
    /// Only text, no HTML file
    #[arg(long)]
    pub text: bool,
    /// The HTML file to write [default: report.html in the results folder]
    #[arg(short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct CompareArgs {
    /// Results before
    pub first: PathBuf,
    /// Results after
    pub second: PathBuf,
    /// Only these metrics
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub metric: Vec<String>,
    /// Changes up to this part of the first mean do not count
    #[arg(long, value_name = "PERCENT", default_value = "0%", value_parser = ratio)]
    pub tolerance: f64,
    /// Which direction is better, where a name does not say
    #[arg(long, value_name = "WHAT", value_parser = ["more", "less"])]
    pub better: Option<String>,
}

#[derive(Args, Debug)]
pub struct TraceArgs {
    /// A capture, or a results folder with captures [default: the newest results]
    pub from: Option<PathBuf>,
    /// Which conversation, from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub conversation: Option<u16>,
    /// Packets shown of a ladder
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub rows: usize,
    /// Write the time-sequence diagram of a TCP conversation, .svg or .pdf
    #[arg(short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct MergeArgs {
    /// Results folders of one sweep
    #[arg(required = true, value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub struct BundleArgs {
    /// Results folder [default: the newest results]
    pub from: Option<PathBuf>,
    /// The zip file to write [default: NAME-KEY.zip]
    #[arg(short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct CleanArgs {
    /// Folders of each experiment to keep, the newest
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub keep: usize,
    /// Only say what would be deleted
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Args, Debug)]
pub struct NewArgs {
    /// Name of the script; with folders, below which it is written
    #[arg(required_unless_present_any = ["list", "meta"])]
    pub name: Option<PathBuf>,
    /// What to begin with
    #[arg(long, value_name = "TEMPLATE", default_value = "hello")]
    pub template: String,
    /// Only list the templates
    #[arg(long)]
    pub list: bool,
    /// Only write the definitions for editors, here
    #[arg(long, conflicts_with = "list")]
    pub meta: bool,
}

#[derive(Args, Debug)]
pub struct DocArgs {
    /// A function, what it belongs to, or search and words
    #[arg(value_name = "TOPIC")]
    pub topic: Vec<String>,
    /// Everything as one page of Markdown
    #[arg(long)]
    pub markdown: bool,
}

#[derive(Args, Debug)]
pub struct ConformanceArgs {
    /// Whose constants the endpoint follows: linux or rfc
    #[arg(long, value_name = "NAME", default_value = "linux")]
    pub profile: String,
    /// Tolerance of times, in place of what scripts say
    #[arg(long, value_name = "N")]
    pub tolerance_usecs: Option<i64>,
    /// What is compared besides the usual: psh, win
    #[arg(long, value_name = "LIST", default_value = "")]
    pub check: String,
    /// Write the verdicts as JSON (written --json FILE)
    #[arg(long, value_name = "FILE")]
    pub json_file: Option<PathBuf>,
    /// Write what happened in each script into this folder
    #[arg(long, value_name = "DIR")]
    pub trace: Option<PathBuf>,
    /// Scripts, and folders that hold some
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

fn span(text: &str) -> Result<Span, String> {
    parse_span(text).map_err(|error| error.to_string())
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).map(|size| size.0).map_err(|error| error.to_string())
}

fn ratio(text: &str) -> Result<f64, String> {
    tidewire_units::parse_probability(text).map(|p| p.get()).map_err(|error| error.to_string())
}

fn shard(text: &str) -> Result<(u32, u32), String> {
    let parts =
        text.split_once('/').and_then(|(i, n)| Some((i.trim().parse().ok()?, n.trim().parse().ok()?)));
    let parts = parts.filter(|(i, n): &(u32, u32)| (1..=*n).contains(i));
    parts.ok_or_else(|| format!("'{text}' is not a part of a sweep: write 2/8 for the second of eight"))
}

/// Names of the commands.
const COMMANDS: [&str; 17] = [
    "trace",
    "new",
    "report",
    "compare",
    "merge",
    "bundle",
    "run",
    "sweep",
    "plot",
    "check",
    "topo",
    "clean",
    "conformance",
    "reproduce",
    "doc",
    "completions",
    "help",
];
/// Options before a command that take a value.
const WITH_VALUE: [&str; 6] =
    ["--color", "--log-level", "--out", "--memory", "--script-timeout", "--max-events"];

/// `tidewire SCRIPT` means `tidewire run SCRIPT`; so does `tidewire -`. Also `plot --color NAME`, which is not the terminal's colours.
pub fn normalised(args: Vec<String>) -> Vec<String> {
    let mut args = args;
    let mut at = 1;
    while let Some(arg) = args.get(at).filter(|arg| arg.starts_with('-') && arg.as_str() != "-") {
        at += if WITH_VALUE.contains(&arg.as_str()) { 2 } else { 1 };
    }
    let Some(first) = args.get(at).cloned() else { return args };
    let is_file = |name: &str| std::path::Path::new(name).is_file();
    let script =
        first == "-" || first.contains(['.', '/']) || is_file(&first) || is_file(&format!("{first}.lua"));
    if !COMMANDS.contains(&first.as_str()) && script {
        args.insert(at, "run".to_owned());
    }
    if first == "conformance" {
        // There --json names a file.
        let rest = args.iter_mut().skip(at + 1);
        rest.filter(|arg| *arg == "--json" || arg.starts_with("--json=")).for_each(|arg| {
            *arg = arg.replacen("--json", "--json-file", 1);
        });
    }
    if first == "plot" {
        let when = ["auto", "always", "never"];
        for at in at + 1..args.len() {
            let value = args[at].strip_prefix("--color=").map(str::to_owned);
            let next = args.get(at + 1).filter(|_| args[at] == "--color").cloned();
            if value.or(next).is_some_and(|value| !when.contains(&value.as_str())) {
                args[at] = args[at].replacen("--color", "--color-by", 1);
            }
        }
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn after(line: &str) -> String {
        normalised(line.split(' ').map(String::from).collect()).join(" ")
    }

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_script_without_a_command_is_run() {
        assert_eq!(after("tidewire hello.lua"), "tidewire run hello.lua");
        assert_eq!(after("tidewire --json --color never - -v"), "tidewire --json --color never run - -v");
        assert_eq!(after("tidewire sweep hello.lua"), "tidewire sweep hello.lua");
        assert_eq!(after("tidewire swep"), "tidewire swep");
        assert_eq!(after("tidewire --version"), "tidewire --version");
    }

    #[test]
    fn a_plot_is_coloured_by_a_parameter() {
        assert_eq!(
            after("tidewire plot --color proto --color never"),
            "tidewire plot --color-by proto --color never"
        );
        assert_eq!(after("tidewire plot d --color=proto"), "tidewire plot d --color-by=proto");
        assert_eq!(after("tidewire run x.lua --color proto"), "tidewire run x.lua --color proto");
    }

    #[test]
    fn options_read_times_and_sizes_with_units() {
        let cli =
            Cli::try_parse_from(["tidewire", "run", "x.lua", "--until", "5s", "--memory", "64MiB"]).unwrap();
        assert_eq!(cli.globals.memory, 64 << 20);
        assert!(matches!(cli.command, Command::Run(run) if run.until == Some(Span::from_secs(5))));
        let wrong =
            Cli::try_parse_from(["tidewire", "run", "x.lua", "--until", "5"]).unwrap_err().to_string();
        assert!(wrong.contains("'5' is not a time"), "{wrong}");
    }
}
