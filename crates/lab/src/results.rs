//! The figures of all runs of an experiment, in the order of its points.

use crate::params::{Param, Params, point_id, same, value_of};
use crate::part::{Part, ended_word};
use crate::plan::Plan;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use tidewire_metrics::{Histogram, Summary, Table, Value, unit_of};
use tidewire_script::{Ended, Experiment, Place, Point, RunResult};

/// What runs recorded.
#[derive(Debug)]
pub struct Results {
    /// What the experiment is.
    pub experiment: Experiment,
    /// Its parameters and their columns.
    pub params: Params,
    /// Metrics, in order of first appearance.
    pub metrics: Vec<String>,
    /// Finished and failed runs: by point, then replication. Without tables' rows.
    pub runs: Vec<Part>,
    /// Samples of the script's histograms, pooled over the replications of a point: by (point id, name).
    pub pooled: BTreeMap<(String, String), Histogram>,
    /// Which of `runs` belong to a point, by its id.
    groups: BTreeMap<String, Range<usize>>,
}

impl Results {
    /// Of the parts of a plan's folder; those of other plans for the same folder are there as well.
    pub fn new(plan: &Plan, parts: impl IntoIterator<Item = Part>) -> Self {
        let mut runs: Vec<Part> = parts.into_iter().filter(|part| part.result.ended != Ended::Cut).collect();
        let params = plan.params(runs.iter().map(|part| &part.run.point));
        let ids: BTreeMap<String, Point> =
            runs.iter().map(|part| (point_id(&part.run.point), part.run.point.clone())).collect();
        let mut points: Vec<(String, Point)> = ids.into_iter().collect();
        points.sort_by(|a, b| params.compare(&a.1, &b.1));
        let rank: BTreeMap<String, usize> =
            points.into_iter().enumerate().map(|(at, (id, _))| (id, at)).collect();
        runs.sort_by_cached_key(|part| (rank[&point_id(&part.run.point)], part.run.rep));
        let names =
            runs.iter().map(|part| part.result.record.iter().map(|(name, _)| name.as_str()).collect());
        let metrics = union_of_columns(names);
        let groups = groups(&runs);
        Results {
            experiment: plan.experiment.clone(),
            params,
            metrics,
            runs,
            pooled: BTreeMap::new(),
            groups,
        }
    }

    /// Only the points of a plan: what the command line asked for, of all that the folder holds.
    pub fn of_plan(mut self, plan: &Plan) -> Self {
        let wanted: BTreeSet<String> = plan.runs.iter().map(|run| point_id(&run.point)).collect();
        self.runs.retain(|part| wanted.contains(&point_id(&part.run.point)));
        self.groups = groups(&self.runs);
        for param in &mut self.params.list {
            let occurs = |value: &Value| {
                self.runs.iter().any(|part| same(&value_of(&part.run.point, &param.name), value))
            };
            param.values.retain(occurs);
        }
        self
    }

    /// Points that have runs, in order.
    pub fn points(&self) -> Vec<Point> {
        let mut first: Vec<usize> = self.groups.values().map(|range| range.start).collect();
        first.sort_unstable();
        first.into_iter().map(|at| self.runs[at].run.point.clone()).collect()
    }

    /// Runs at a point that did not fail.
    pub fn at(&self, point: &Point) -> impl Iterator<Item = &Part> {
        let range = self.groups.get(&point_id(point)).cloned().unwrap_or_default();
        self.runs[range].iter().filter(|part| part.result.error.is_none())
    }

    /// A metric over the replications of a point.
    pub fn summary(&self, point: &Point, metric: &str) -> Summary {
        Summary::of(self.at(point).filter_map(|part| recorded(part, metric)))
    }

    /// The unit of a metric, from its name or from `units` of the experiment.
    pub fn unit(&self, metric: &str) -> Option<&str> {
        let declared =
            self.experiment.units.iter().find(|(name, _)| name == metric).map(|(_, unit)| unit.as_str());
        declared.or_else(|| unit_of(metric))
    }

    /// Metrics that are numbers and say nowhere what they are measured in.
    pub fn without_unit(&self) -> Vec<&str> {
        let is_number = |metric: &str| {
            let number = |part: &Part| value_of(&part.result.record, metric).number().is_some();
            self.runs.iter().any(number)
        };
        let unclear = |metric: &&String| self.unit(metric).is_none() && is_number(metric);
        self.metrics.iter().filter(unclear).map(String::as_str).collect()
    }

    /// The columns before a run's figures: `run,point,rep,seed` and the parameters.
    fn run_columns(&self) -> Vec<String> {
        let fixed = ["run", "point", "rep", "seed"].map(String::from);
        fixed.into_iter().chain(self.params.columns()).collect()
    }

    /// `runs.csv`: a row per run.
    pub fn runs_table(&self) -> Table {
        let mut columns = self.run_columns();
        let tail = ["ended", "sim_s", "status", "error"];
        let taken = [&columns[..], &tail.map(String::from)].concat();
        columns.extend(self.metrics.iter().map(|metric| free_name(metric, &taken)));
        columns.extend(tail.map(String::from));
        let mut table = Table::new(columns);
        for Part { run, result } in &self.runs {
            let mut row: Vec<Value> = vec![
                run.id.clone().into(),
                point_id(&run.point).into(),
                Value::Int(run.rep.into()),
                run.seed.into(),
            ];
            row.extend(self.params.cells(&run.point));
            let recorded: BTreeMap<&str, &Value> =
                result.record.iter().map(|(name, value)| (name.as_str(), value)).collect();
            let cell = |metric: &String| {
                recorded.get(metric.as_str()).map_or(Value::Nothing, |value| (*value).clone())
            };
            row.extend(self.metrics.iter().map(cell));
            let (status, error) = status_of(result);
            row.push(ended_word(result.ended).into());
            row.push(Value::Float(result.sim.as_secs_f64()));
            row.push(status.into());
            row.push(error.into());
            table.push(row);
        }
        table
    }

    /// `summary.csv`: a row per point and metric.
    pub fn summary_table(&self) -> Table {
        let figures = ["metric", "unit", "n", "mean", "sd", "ci95_low", "ci95_high", "median", "min", "max"];
        let mut columns = self.params.columns();
        for figure in figures {
            columns.push(free_name(figure, &columns));
        }
        let mut table = Table::new(columns);
        for point in self.points() {
            for metric in &self.metrics {
                let s = self.summary(&point, metric);
                let (Some(mean), n) = (s.mean(), s.n() as u64) else { continue };
                let mut row = self.params.cells(&point);
                row.extend([
                    metric.clone().into(),
                    self.unit(metric).unwrap_or("").into(),
                    n.into(),
                    mean.into(),
                ]);
                row.extend([
                    s.sd().into(),
                    s.ci95().map(|ci| mean - ci).into(),
                    s.ci95().map(|ci| mean + ci).into(),
                ]);
                row.extend([s.median().into(), s.min().into(), s.max().into()]);
                table.push(row);
            }
        }
        table
    }

    /// The parameter across the summary: `x` of a plot, or the one with the most values, if they fit on a line.
    pub fn widest(&self) -> Option<&Param> {
        let fits = |param: &&Param| (2..=MOST_ACROSS).contains(&param.values.len());
        let plotted = self.experiment.plots.iter().filter_map(|plot| plot.x.as_deref());
        let plotted = plotted.filter_map(|x| self.params.get(x)).find(fits);
        plotted.or_else(|| self.params.list.iter().rev().filter(fits).max_by_key(|param| param.values.len()))
    }
}

/// `status` and `error` of a run: what went wrong first, with its line.
fn status_of(result: &RunResult) -> (&'static str, Option<String>) {
    let placed = |text: &str, place: &Option<Place>| match place {
        Some(place) if !text.starts_with(&format!("{}:{}", place.file, place.line)) => {
            format!("{}:{}: {text}", place.file, place.line)
        }
        _ => text.to_owned(),
    };
    if let Some(error) = &result.error {
        let first = error.message.lines().next().unwrap_or_default();
        return ("failed", Some(placed(first, &error.place)));
    }
    match result.checks.iter().find(|check| !check.passed) {
        Some(check) => ("check_failed", Some(placed(&check.text, &check.place))),
        None => ("ok", None),
    }
}

/// Columns that a terminal has room for.
const MOST_ACROSS: usize = 12;

/// Runs of one point stand together.
fn groups(runs: &[Part]) -> BTreeMap<String, Range<usize>> {
    let mut groups: BTreeMap<String, Range<usize>> = BTreeMap::new();
    for (at, part) in runs.iter().enumerate() {
        groups.entry(point_id(&part.run.point)).or_insert(at..at).end = at + 1;
    }
    groups
}

/// A run's figure as a number.
pub fn recorded(part: &Part, metric: &str) -> Option<f64> {
    value_of(&part.result.record, metric).number_or_truth()
}

/// Whether a point has all these values.
pub fn matches(point: &Point, only: &Point) -> bool {
    only.iter().all(|(name, value)| same(&value_of(point, name), value))
}

/// All columns of several tables, each where its own table has it: a new one comes after the one that it follows there.
pub fn union_of_columns<'a>(tables: impl IntoIterator<Item = Vec<&'a str>>) -> Vec<String> {
    let mut union: Vec<String> = Vec::new();
    let mut known: BTreeSet<String> = BTreeSet::new();
    for columns in tables {
        let mut after = 0;
        for column in columns {
            if known.insert(column.to_owned()) {
                union.insert(after, column.to_owned());
                after += 1;
            } else {
                // Mostly it is the next one.
                let is_it = |at: &usize| union[*at] == column;
                let at = (after..union.len()).find(is_it).or_else(|| (0..after).find(is_it));
                after = at.expect("what is known is in the union") + 1;
            }
        }
    }
    union
}

/// `name`, or `name_2` if a column has it already.
pub fn free_name(name: &str, taken: &[String]) -> String {
    let mut names = std::iter::once(name.to_owned()).chain((2..).map(|n| format!("{name}_{n}")));
    names.find(|name| !taken.contains(name)).expect("there are more numbers than columns")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_several_tables_join_in_their_places() {
        let tables =
            [vec!["link", "drops_queue", "util"], vec!["link", "drops_loss", "util", "p95"], vec!["link"]];
        assert_eq!(union_of_columns(tables), ["link", "drops_loss", "drops_queue", "util", "p95"]);
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let taken = ["rep".to_owned(), "rep_2".to_owned()];
        assert_eq!(free_name("rep", &taken), "rep_3");
        assert_eq!(free_name("x", &taken), "x");
    }
}
