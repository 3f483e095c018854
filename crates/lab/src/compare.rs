//! Two sweeps side by side: which means differ by more than chance explains.
//!
//! Where both have the same replications with the same seeds, their differences are taken pair by pair: what luck has in common is then gone.
//! Otherwise the two means are compared by Welch's test. Both with 95 % confidence.

use crate::error::{LabError, suggestion};
use crate::frame::Frame;
use crate::manifest::Manifest;
use crate::params::shown;
use std::collections::BTreeMap;
use std::path::Path;
use tidewire_metrics::{Summary, Value, student_t_quantile, unit_of};
use tidewire_script::Point;

/// What became of a metric at a point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// The difference may be chance, or is within the tolerance.
    Same,
    /// It differs in the direction that is good for such a metric.
    Better,
    /// It differs in the other one.
    Worse,
    /// It differs, and which direction is good is not known.
    Differs,
}

/// A metric at a point, in both.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The parameters, as text.
    pub point: String,
    /// Which metric.
    pub metric: String,
    /// Its unit, if known.
    pub unit: String,
    /// Means of the first and the second, with the number of runs of each.
    pub means: [(f64, usize); 2],
    /// Second minus first.
    pub difference: f64,
    /// Half the width of its confidence interval; none with single runs.
    pub half: Option<f64>,
    /// Replications were compared pair by pair.
    pub paired: bool,
    /// The verdict.
    pub change: Change,
}

/// All differences, and what could not be compared.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// By point and metric.
    pub all: Vec<Difference>,
    /// Points that only one of both has.
    pub alone: usize,
}

/// What is to be compared.
#[derive(Clone, Debug, Default)]
pub struct Interest {
    /// These metrics; empty for all.
    pub metrics: Vec<String>,
    /// Differences up to this part of the first mean do not count.
    pub tolerance: f64,
    /// More is better for every metric that is compared (or worse); none: by its name.
    pub more_is_better: Option<bool>,
}

/// Compares the `runs.csv` of two results folders.
///
/// # Errors
/// No such files; a metric that neither has; no point in common.
pub fn compare(first: &Path, second: &Path, interest: &Interest) -> Result<Comparison, LabError> {
    let sides = [Side::read(first)?, Side::read(second)?];
    let params: Vec<String> =
        sides[0].params.iter().filter(|name| sides[1].params.contains(name)).cloned().collect();
    let metrics = metrics_of(&sides, interest)?;
    let tables = sides.each_ref().map(|side| side.by_point(&params));
    let mut comparison = Comparison::default();
    for (key, (point, rows)) in &tables[0] {
        let Some((_, others)) = tables[1].get(key) else {
            comparison.alone += 1;
            continue;
        };
        for metric in &metrics {
            let values = [sides[0].values(rows, metric), sides[1].values(others, metric)];
            if let Some(difference) = difference(shown(point), metric, &values, interest) {
                comparison.all.push(difference);
            }
        }
    }
    comparison.alone += tables[1].keys().filter(|key| !tables[0].contains_key(*key)).count();
    if comparison.all.is_empty() {
        return Err(LabError::Usage(format!(
            "{} and {} have no point and metric in common",
            first.display(),
            second.display()
        )));
    }
    Ok(comparison)
}

/// A value with the replication and seed that it belongs to.
type Sample = (Value, Value, f64);

struct Side {
    frame: Frame,
    params: Vec<String>,
}

/// Columns of `runs.csv` that are neither parameters nor metrics.
const OWN: [&str; 8] = ["run", "point", "rep", "seed", "ended", "sim_s", "status", "error"];

impl Side {
    fn read(dir: &Path) -> Result<Side, LabError> {
        let dir = crate::reopen::results_folder(dir)?;
        let frame = Frame::read(&dir.join("runs.csv"), &|_, _| true)?;
        let params = Manifest::read(&dir).map(|manifest| manifest.params).unwrap_or_default();
        Ok(Side { frame, params })
    }

    fn at(&self, name: &str) -> Option<usize> {
        self.frame.table.columns.iter().position(|column| column == name)
    }

    fn metrics(&self) -> Vec<&str> {
        let after =
            |name: &str| self.params.iter().any(|p| name.strip_prefix(p.as_str()).is_some_and(is_twin));
        let metric =
            |name: &&str| !OWN.contains(name) && !self.params.iter().any(|p| p == name) && !after(name);
        self.frame.table.columns.iter().map(String::as_str).filter(metric).collect()
    }

    fn by_point(&self, params: &[String]) -> BTreeMap<String, (Point, Vec<&Vec<Value>>)> {
        let status = self.at("status");
        let mut points: BTreeMap<String, (Point, Vec<&Vec<Value>>)> = BTreeMap::new();
        for row in &self.frame.table.rows {
            if status.is_some_and(|at| row[at] == Value::from("failed")) {
                continue;
            }
            let cell = |name: &String| self.at(name).map_or(Value::Nothing, |at| row[at].clone());
            let point: Point = params.iter().map(|name| (name.clone(), cell(name))).collect();
            points.entry(shown(&point)).or_insert_with(|| (point, Vec::new())).1.push(row);
        }
        points
    }

    fn values(&self, rows: &[&Vec<Value>], metric: &str) -> Vec<Sample> {
        let (Some(at), Some(rep), Some(seed)) = (self.at(metric), self.at("rep"), self.at("seed")) else {
            return Vec::new();
        };
        let sample =
            |row: &&Vec<Value>| Some((row[rep].clone(), row[seed].clone(), row[at].number_or_truth()?));
        rows.iter().filter_map(sample).collect()
    }
}

/// `_ratio`, `_s` and the like after a parameter's name: its value as a number.
fn is_twin(rest: &str) -> bool {
    ["_ratio", "_s", "_bps", "_bytes", "_packets", "_bdp"].contains(&rest)
}

fn metrics_of(sides: &[Side; 2], interest: &Interest) -> Result<Vec<String>, LabError> {
    let common: Vec<&str> =
        sides[0].metrics().into_iter().filter(|name| sides[1].metrics().contains(name)).collect();
    if let Some(unknown) = interest.metrics.iter().find(|wanted| !common.contains(&wanted.as_str())) {
        let hint = suggestion(unknown, "metrics", common.iter().copied());
        return Err(LabError::Usage(format!("--metric {unknown}: not a metric of both{hint}")));
    }
    let chosen = |name: &&str| interest.metrics.is_empty() || interest.metrics.iter().any(|m| m == name);
    Ok(common.into_iter().filter(chosen).map(str::to_owned).collect())
}

fn difference(
    point: String,
    metric: &str,
    values: &[Vec<Sample>; 2],
    interest: &Interest,
) -> Option<Difference> {
    let [a, b] = values.each_ref().map(|side| Summary::of(side.iter().map(|(_, _, x)| *x)));
    let (mean_a, mean_b) = (a.mean()?, b.mean()?);
    let paired = pairs(values);
    let (difference, half) = match &paired {
        Some(pairs) => (pairs.mean()?, pairs.ci95()),
        None => (mean_b - mean_a, welch(&a, &b)),
    };
    let counts =
        difference.abs() > interest.tolerance * mean_a.abs() && difference.abs() > half.unwrap_or(0.0);
    let good = interest.more_is_better.or_else(|| more_is_better(metric));
    let change = match (counts, good) {
        (false, _) => Change::Same,
        (true, None) => Change::Differs,
        (true, Some(more)) if (difference > 0.0) == more => Change::Better,
        (true, Some(_)) => Change::Worse,
    };
    Some(Difference {
        point,
        metric: metric.to_owned(),
        unit: unit_of(metric).filter(|unit| *unit != "1").unwrap_or("").to_owned(),
        means: [(mean_a, a.n()), (mean_b, b.n())],
        difference,
        half,
        paired: paired.is_some(),
        change,
    })
}

/// The differences of runs with equal replication and seed, if all of the side with fewer runs have a partner: sequential stopping may
/// have given the other one more.
fn pairs(values: &[Vec<Sample>; 2]) -> Option<Summary> {
    let [a, b] = values;
    let partner = |(rep, seed, x): &Sample| {
        let other = b.iter().find(|(r, s, _)| r == rep && s == seed)?;
        Some(other.2 - x)
    };
    let differences: Vec<f64> = a.iter().filter_map(partner).collect();
    let fewer = a.len().min(b.len());
    (fewer >= 2 && differences.len() == fewer).then(|| Summary::of(differences))
}

/// Half the 95 % confidence interval of the difference of two means of independent samples (Welch 1947).
fn welch(a: &Summary, b: &Summary) -> Option<f64> {
    let of = |s: &Summary| Some((s.sd()? * s.sd()? / s.n() as f64, s.n() as f64 - 1.0));
    let ((va, da), (vb, db)) = (of(a)?, of(b)?);
    if va + vb == 0.0 {
        return Some(0.0);
    }
    let freedom = (va + vb) * (va + vb) / (va * va / da + vb * vb / db);
    Some(student_t_quantile(0.975, freedom) * (va + vb).sqrt())
}

const MORE: [&str; 13] = [
    "goodput",
    "throughput",
    "delivered",
    "utilization",
    "jain",
    "fairness",
    "efficiency",
    "intact",
    "hit",
    "_mbps",
    "_per_s",
    "found",
    "done",
];
const LESS: [&str; 16] = [
    "loss", "lost", "drop", "retrans", "error", "fail", "rto", "outage", "stall", "delay", "latency",
    "jitter", "rtt", "finish", "wait", "overhead",
];

/// Whether more of a metric is better, from its name and unit.
fn more_is_better(metric: &str) -> Option<bool> {
    let has = |words: &[&str]| words.iter().any(|word| metric.contains(word));
    if has(&LESS) {
        Some(false)
    } else if has(&MORE) {
        Some(true)
    } else {
        unit_of(metric).filter(|unit| ["ms", "s", "us"].contains(unit)).map(|_| false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64], seed: i64) -> Vec<Sample> {
        values
            .iter()
            .enumerate()
            .map(|(at, x)| (Value::Int(at as i64 + 1), Value::Int(at as i64 * seed), *x))
            .collect()
    }

    #[test]
    fn pairs_with_the_same_luck_show_a_small_difference_that_chance_would_hide() {
        let (a, b) = ([10.0, 20.0, 30.0, 40.0], [11.0, 21.1, 31.0, 40.9]);
        let of = |seed| {
            let values = [samples(&a, 7), samples(&b, seed)];
            difference(String::new(), "goodput_mbps", &values, &Interest::default()).unwrap()
        };
        assert_eq!((of(7).paired, of(7).change), (true, Change::Better));
        assert_eq!((of(8).paired, of(8).change), (false, Change::Same));
        assert!((of(7).difference - 1.0).abs() < 1e-9);
    }

    #[test]
    fn with_equal_variances_and_counts_welchs_interval_is_that_of_the_pooled_test() {
        let (a, b) = (Summary::of([1.0, 2.0, 3.0, 4.0]), Summary::of([11.0, 12.0, 13.0, 14.0]));
        let pooled = student_t_quantile(0.975, 6.0) * a.sd().unwrap() * 0.5f64.sqrt();
        assert!((welch(&a, &b).unwrap() - pooled).abs() < 1e-12);
        assert_eq!(welch(&Summary::of([1.0]), &a), None);
    }

    #[test]
    fn what_is_better_is_known_from_the_name() {
        for (metric, want) in [
            ("goodput_mbps", Some(true)),
            ("delay_p95_ms", Some(false)),
            ("packets_lost_count", Some(false)),
            ("jain", Some(true)),
            ("outage_s", Some(false)),
            ("queue_p95_bytes", None),
        ] {
            assert_eq!(more_is_better(metric), want, "{metric}");
        }
    }
}
