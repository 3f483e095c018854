//! Measurement and `experiment{}`.

use super::{Func, Kind, Opt, WHOLE, func, may, need};

pub(crate) static RECORD: Func =
    func("record", "Columns of this run in runs.csv; with a name first, a row of a table of its own.")
        .with(&[need("columns", Kind::Any), may("row", Kind::Any)]);
pub(crate) static SERIES: Func = func("series", "A time series in series.csv.")
    .with(&[need("name", Kind::Text), may("key", Kind::Text)])
    .gives("series");
pub(crate) static SERIES_ADD: Func =
    func("series:add", "The value at this instant.").with(&[need("value", Kind::Number)]);
pub(crate) static HISTOGRAM: Func = func("histogram", "A histogram; its figures become columns of runs.csv.")
    .with(&[need("name", Kind::Text)])
    .gives("histogram");
pub(crate) static HISTOGRAM_ADD: Func =
    func("histogram:add", "Adds a sample.").with(&[need("value", Kind::Number)]);
pub(crate) static HISTOGRAM_QUANTILE: Func =
    func("histogram:quantile", "The value that the fraction q of the samples does not exceed.")
        .with(&[need("q", Kind::Number)])
        .gives("number or nil");
pub(crate) static HISTOGRAM_MEAN: Func =
    func("histogram:mean", "The mean of the samples.").gives("number or nil");
pub(crate) static HISTOGRAM_MIN: Func = func("histogram:min", "The smallest sample.").gives("number or nil");
pub(crate) static HISTOGRAM_MAX: Func = func("histogram:max", "The largest sample.").gives("number or nil");
pub(crate) static HISTOGRAM_MEDIAN: Func =
    func("histogram:median", "The 0.5 quantile.").gives("number or nil");
pub(crate) static HISTOGRAM_SD: Func = func("histogram:sd", "The standard deviation.").gives("number or nil");
pub(crate) static HISTOGRAM_COUNT: Func =
    func("histogram:count", "How many samples there are.").gives("number");
pub(crate) static COUNTER: Func = func("counter", "A number that is added to; a column of runs.csv.")
    .with(&[need("name", Kind::Text)])
    .gives("counter");
pub(crate) static COUNTER_ADD: Func = func("counter:add", "Adds n, or 1.").with(&[may("n", Kind::Number)]);
pub(crate) static GAUGE: Func = func("gauge", "A number that is set; a column of runs.csv.")
    .with(&[need("name", Kind::Text)])
    .gives("gauge");
pub(crate) static GAUGE_SET: Func =
    func("gauge:set", "Sets the number.").with(&[need("value", Kind::Number)]);
pub(crate) static EVENT: Func = func("event", "A row of events.csv at this instant.").with(&[
    need("name", Kind::Text),
    may("key", Kind::Any),
    may("text", Kind::Any),
]);
pub(crate) static CSV: Func = func("csv", "A table of its own with fixed columns.")
    .with(&[need("name", Kind::Text), need("columns", Kind::Table)])
    .gives("table; :row(...) adds a row");
pub(crate) static CSV_ROW: Func = func("csv:row", "Adds a row.").more();
pub(crate) static MEASURED_SECONDS: Func =
    func("measured_seconds", "The time measured so far: since the end of the warm-up.").gives("s");
pub(crate) static CHECK: Func = func("check", "Records whether something holds; the run goes on.")
    .with(&[need("condition", Kind::Any), may("text", Kind::Any)])
    .more()
    .gives("the condition");
pub(crate) static ASSERT_EQ: Func = func("assert_eq", "Ends the run unless both are equal.")
    .with(&[need("a", Kind::Any), need("b", Kind::Any)]);
pub(crate) static ASSERT_CLOSE: Func =
    func("assert_close", "Ends the run unless |a - b| is at most the tolerance.").with(&[
        need("a", Kind::Number),
        need("b", Kind::Number),
        need("tolerance", Kind::Number),
    ]);
pub(crate) const EXPERIMENT_OPTS: &[Opt] = &[
    Opt::new("name", Kind::Text, "the file's name", "name of the results folder"),
    Opt::new(
        "params",
        Kind::Table,
        "{}",
        "the grid: { loss = {\"0%\", \"1%\"}, n = range(1, 10) }, or a list of points",
    ),
    Opt::new("order", Kind::Texts, "alphabetical", "order of the parameters"),
    Opt::new("skip", Kind::Function, "none", "function(p) that says true for points to leave out"),
    Opt::new(
        "reps",
        Kind::Reps,
        "1",
        "replications of each point: 10, or { min = 5, max = 100, until_ci = \"5%\", metric = \"goodput_mbps\" }: until the 95 % confidence interval of each mean is that narrow",
    ),
    Opt::new("seed", WHOLE, "1", "seed of the experiment"),
    Opt::new("pairing", Kind::Bool, "true", "the same replication has the same luck at every point"),
    Opt::new("duration", Kind::Time, "until nothing is left to do", "simulated length of a run"),
    Opt::new("warmup", Kind::Time, "0", "what is first sent before this is not measured").or(&["warm_up"]),
    Opt::new("jitter", Kind::Time, "0", "random delay of the start of native applications"),
    Opt::new(
        "expect",
        Kind::Table,
        "{}",
        "thresholds: \"p95(latency_ms) < 80\" or { \"mean(x_mbps) > 9\", where = {...} }",
    ),
    Opt::new("plot", Kind::Table, "none", "{ x =, y =, color =, facet =, log =, kind = }, or a list of such"),
    Opt::new(
        "after_all",
        Kind::Function,
        "none",
        "function(results), called once after a sweep: results.runs is a list of the rows of runs.csv, results:summary { metric = \"x_ms\" } of those of summary.csv, results.folder the folder",
    ),
    Opt::new("units", Kind::Table, "{}", "units of metrics whose names do not say: { jain = \"1\" }"),
];
pub(crate) static EXPERIMENT: Func =
    func("experiment", "Declares parameters, replications, thresholds and plots; comes first in the script.")
        .opts(&[EXPERIMENT_OPTS])
        .gives("the parameters of this run");

/// Of `reps` as a table.
pub(crate) const REPS_OPTS: &[Opt] = &[
    Opt::new("min", Kind::Int(2, 1_000_000), "5", "replications before anything is judged"),
    Opt::new("max", Kind::Int(2, 1_000_000), "100", "replications at most"),
    Opt::new("until_ci", Kind::Probability, "required", "half of the interval, as a part of the mean"),
    Opt::new("metric", Kind::Texts, "those of plot and expect, or all", "what must be known so well")
        .or(&["metrics"]),
];

pub(crate) const PLOT_OPTS: &[Opt] = &[
    Opt::new("x", Kind::Text, "none", "parameter or metric on the x axis"),
    Opt::new("y", Kind::Texts, "none", "metrics, one plot each"),
    Opt::new("series", Kind::Text, "none", "a metric over time, instead of x and y"),
    Opt::new("color", Kind::Text, "none", "parameter (or \"object\") that gives one curve each")
        .or(&["colour"]),
    Opt::new("facet", Kind::Text, "none", "parameter that gives one panel each"),
    Opt::new("log", Kind::Choice(&["x", "y", "xy"]), "none", "which axes are logarithmic"),
    Opt::new(
        "kind",
        Kind::Choice(&["line", "dots", "scatter", "step", "bar", "box", "cdf"]),
        "\"line\"",
        "what is drawn",
    ),
    Opt::new("where", Kind::Table, "all", "only rows with these values"),
];

pub(crate) const ALL: &[&Func] = &[
    &RECORD,
    &SERIES,
    &SERIES_ADD,
    &HISTOGRAM,
    &HISTOGRAM_ADD,
    &HISTOGRAM_QUANTILE,
    &HISTOGRAM_MEAN,
    &HISTOGRAM_MIN,
    &HISTOGRAM_MAX,
    &HISTOGRAM_MEDIAN,
    &HISTOGRAM_SD,
    &HISTOGRAM_COUNT,
    &COUNTER,
    &COUNTER_ADD,
    &GAUGE,
    &GAUGE_SET,
    &EVENT,
    &CSV,
    &CSV_ROW,
    &MEASURED_SECONDS,
    &CHECK,
    &ASSERT_EQ,
    &ASSERT_CLOSE,
    &EXPERIMENT,
];
