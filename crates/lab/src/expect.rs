//! Thresholds: `AGG(metric) OP number`, one verdict per point.

use crate::error::{LabError, did_you_mean, suggestion};
use crate::filter::Op;
use crate::heard::Heard;
use crate::params::{point_id, shown};
use crate::part::Part;
use crate::plots::Names;
use crate::results::{Results, matches, recorded};
use serde::Serialize;
use tidewire_metrics::{Histogram, Summary};
use tidewire_script::{Expectation, Experiment, Place, Point};

/// How the values of a metric become one.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Aggregate {
    /// Arithmetic mean.
    Mean,
    /// 0.5 quantile.
    Median,
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// `pNN`: a quantile, from 0 to 1.
    Quantile(f64),
    /// Standard deviation.
    Sd,
    /// Half the width of the 95 % confidence interval of the mean.
    Ci95,
    /// Number of values.
    Count,
}

/// A parsed threshold.
#[derive(Clone, PartialEq, Debug)]
pub struct Threshold {
    /// How values become one.
    pub aggregate: Aggregate,
    /// Of which metric or histogram.
    pub metric: String,
    /// How it must compare.
    pub op: Op,
    /// With what.
    pub limit: f64,
    /// Only points with these values.
    pub only: Point,
    /// As written.
    pub condition: String,
    /// Where it stands.
    pub place: Option<Place>,
}

/// A threshold at one point.
#[derive(Clone, PartialEq, Debug)]
pub struct Verdict {
    /// Which point.
    pub point: Point,
    /// The aggregate; none without data.
    pub measured: Option<f64>,
    /// Whether it held; without data it did not.
    pub passed: bool,
    /// The replication farthest to the wrong side, with its value and seed.
    pub worst: Option<Worst>,
}

/// The run that contributed most to a failure.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Worst {
    /// Its replication.
    pub rep: u32,
    /// Its seed.
    pub seed: u64,
    /// Its value.
    pub value: f64,
}

impl Threshold {
    /// Reads one entry of `expect`. Errors: syntax, and a parameter in `where` that does not exist.
    pub fn parse(expectation: &Expectation, declared: &Experiment) -> Result<Threshold, LabError> {
        let text = expectation.condition.trim();
        let wrong = |why: String| {
            let message = format!(
                "threshold '{text}' {why}\n  write for example \"p95(latency_ms) < 80\"; known are {AGGREGATES}"
            );
            LabError::script(message, expectation.place.clone())
        };
        let (head, rest) = text.split_once('(').ok_or_else(|| wrong("has no AGGREGATE(metric)".into()))?;
        let (metric, rest) = rest.split_once(')').ok_or_else(|| wrong("lacks a ')'".into()))?;
        let head = head.trim();
        let aggregate = Aggregate::parse(head).ok_or_else(|| {
            let hint =
                did_you_mean(head, AGGREGATES.split(' ')).map(|meant| format!("; did you mean '{meant}'?"));
            wrong(format!("has an unknown aggregate '{head}'{}", hint.unwrap_or_default()))
        })?;
        let (op, number) = Op::take(rest.trim())
            .filter(|_| !rest.trim().starts_with('=') || rest.trim().starts_with("=="))
            .ok_or_else(|| wrong("needs one of < <= > >= == != after the ')'".into()))?;
        let limit: f64 = number
            .trim()
            .parse()
            .ok()
            .filter(|x: &f64| x.is_finite())
            .ok_or_else(|| wrong(format!("compares with '{}', which is not a number", number.trim())))?;
        let metric = metric.trim().to_owned();
        if metric.is_empty() {
            return Err(wrong("names no metric".into()));
        }
        check_only(&expectation.only, declared, &format!("threshold '{text}'"), &expectation.place)?;
        let (only, place) = (expectation.only.clone(), expectation.place.clone());
        Ok(Threshold { aggregate, metric, op, limit, only, condition: text.to_owned(), place })
    }

    /// The verdict of every point that matches `where`. Errors: no run has such a metric.
    pub fn judge(&self, results: &Results) -> Result<Vec<Verdict>, LabError> {
        let pooled = results.pooled.keys().map(|(_, name)| name.as_str());
        let known: Vec<&str> = results.metrics.iter().map(String::as_str).chain(pooled).collect();
        let succeeded = results.runs.iter().any(|part| part.result.error.is_none());
        if succeeded && !known.contains(&self.metric.as_str()) {
            return Err(self.no_metric(known));
        }
        let points = results.points().into_iter().filter(|point| matches(point, &self.only));
        Ok(points.map(|point| self.judge_point(results, point)).collect())
    }

    /// That finished runs know this metric. Errors: none that matches `where` does.
    pub fn check_names(&self, heard: &Heard, names: Names) -> Result<(), LabError> {
        let only = self.only.iter().filter(|(name, _)| name != "rep").cloned().collect();
        let Some(recorded) = heard.names(&only) else { return Ok(()) };
        let histograms = recorded.iter().copied().filter_map(|name| name.strip_suffix("_p50"));
        let known: Vec<&str> = recorded.iter().copied().chain(histograms).collect();
        if known.contains(&self.metric.as_str())
            || (names == Names::Near && did_you_mean(&self.metric, known.iter().copied()).is_none())
        {
            return Ok(());
        }
        Err(self.no_metric(known))
    }

    fn no_metric(&self, mut known: Vec<&str>) -> LabError {
        // The histograms of all points come under the same names.
        let mut seen = std::collections::BTreeSet::new();
        known.retain(|name| seen.insert(*name));
        let hint = suggestion(&self.metric, "metrics", known);
        LabError::script(format!("threshold '{}' names no metric{hint}", self.condition), self.place.clone())
    }

    fn judge_point(&self, results: &Results, point: Point) -> Verdict {
        let pooled = results.pooled.get(&(point_id(&point), self.metric.clone()));
        let measured = match pooled {
            Some(histogram) => self.aggregate.of_histogram(histogram),
            None => self.aggregate.of_summary(&results.summary(&point, &self.metric)),
        };
        let passed =
            measured.and_then(|x| x.partial_cmp(&self.limit)).is_some_and(|order| self.op.holds(order));
        let badness = |value: f64| match self.op {
            Op::Less | Op::AtMost => value,
            Op::Greater | Op::AtLeast => -value,
            Op::Equal => (value - self.limit).abs(),
            Op::Differs => -(value - self.limit).abs(),
        };
        let of_run = format!("{}_{}", self.metric, self.aggregate.figure());
        let own = |part: &Part| {
            let value = recorded(part, &self.metric).or_else(|| recorded(part, &of_run))?;
            Some(Worst { rep: part.run.rep, seed: part.run.seed, value })
        };
        let worst = results
            .at(&point)
            .filter_map(own)
            .reduce(|a, b| if badness(b.value) > badness(a.value) { b } else { a });
        Verdict { point, measured, passed, worst }
    }
}

const AGGREGATES: &str = "mean median min max p95 sd ci95 count";

impl Aggregate {
    fn parse(text: &str) -> Option<Aggregate> {
        Some(match text {
            "mean" => Aggregate::Mean,
            "median" => Aggregate::Median,
            "min" => Aggregate::Min,
            "max" => Aggregate::Max,
            "sd" => Aggregate::Sd,
            "ci95" => Aggregate::Ci95,
            "count" => Aggregate::Count,
            _ => {
                let digits =
                    text.strip_prefix('p').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))?;
                let percent: f64 = digits.parse().ok()?;
                Aggregate::Quantile(Some(percent / 100.0).filter(|q| (0.0..=1.0).contains(q))?)
            }
        })
    }

    /// The nearest figure that a run has of a histogram.
    fn figure(self) -> &'static str {
        match self {
            Aggregate::Count => "count",
            Aggregate::Mean => "mean",
            Aggregate::Median => "p50",
            Aggregate::Quantile(q) if q > 0.97 => "p99",
            _ => "p95",
        }
    }

    fn of_summary(self, s: &Summary) -> Option<f64> {
        match self {
            Aggregate::Mean => s.mean(),
            Aggregate::Median => s.median(),
            Aggregate::Min => s.min(),
            Aggregate::Max => s.max(),
            Aggregate::Quantile(q) => s.quantile(q),
            Aggregate::Sd => s.sd(),
            Aggregate::Ci95 => s.ci95(),
            Aggregate::Count => Some(s.n() as f64),
        }
    }

    fn of_histogram(self, h: &Histogram) -> Option<f64> {
        match self {
            Aggregate::Mean => h.mean(),
            Aggregate::Median => h.median(),
            Aggregate::Min => h.min(),
            Aggregate::Max => h.max(),
            Aggregate::Quantile(q) => h.quantile(q),
            Aggregate::Sd => h.sd(),
            // Samples of one run depend on each other: an interval from their number would be far too narrow.
            Aggregate::Ci95 => None,
            Aggregate::Count => Some(h.count() as f64),
        }
    }
}

/// That `where` names parameters that exist. Errors: with a suggestion.
pub fn check_only(
    only: &Point,
    declared: &Experiment,
    what: &str,
    place: &Option<Place>,
) -> Result<(), LabError> {
    for (name, _) in only {
        if name != "rep" && !declared.params.iter().any(|(known, _)| known == name) {
            let known = declared.params.iter().map(|(known, _)| known.as_str());
            let hint = suggestion(name, "parameters", known);
            let message = format!("{what}: where = {{ {name} = ... }} names no parameter{hint}");
            return Err(LabError::script(message, place.clone()));
        }
    }
    let stands = declared
        .points
        .iter()
        .any(|point| matches(point, &only.iter().filter(|(n, _)| n != "rep").cloned().collect()));
    if !stands && !only.is_empty() {
        let message = format!("{what}: no point of the experiment has {}", shown(only));
        return Err(LabError::script(message, place.clone()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::two_by_three;

    fn expectation(condition: &str, only: &[(&str, &str)]) -> Expectation {
        let only = only.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let place = Some(Place { file: "fake.lua".into(), line: 9 });
        Expectation { condition: condition.into(), only, place }
    }

    #[test]
    fn conditions_are_read_as_written() {
        let t = Threshold::parse(&expectation(" p99( latency_ms )<=80.5 ", &[]), &two_by_three()).unwrap();
        assert_eq!(
            (t.aggregate, t.metric.as_str(), t.op, t.limit),
            (Aggregate::Quantile(0.99), "latency_ms", Op::AtMost, 80.5)
        );
        let t =
            Threshold::parse(&expectation("min(intact) == 1", &[("loss", "5%")]), &two_by_three()).unwrap();
        assert_eq!((t.aggregate, t.op), (Aggregate::Min, Op::Equal));
    }

    #[test]
    fn mistakes_say_what_to_write() {
        let cases = [
            ("latency_ms < 80", "has no AGGREGATE(metric)"),
            ("maen(x_ms) < 80", "unknown aggregate 'maen'; did you mean 'mean'?"),
            ("p101(x_ms) < 80", "unknown aggregate 'p101'"),
            ("mean(x_ms < 80", "lacks a ')'"),
            ("mean(x_ms) = 80", "needs one of"),
            ("mean(x_ms) < 80ms", "compares with '80ms'"),
            ("mean() < 80", "names no metric"),
        ];
        for (condition, want) in cases {
            let error = Threshold::parse(&expectation(condition, &[]), &two_by_three()).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(want) && text.ends_with("fake.lua:9"), "{condition}: {text}");
            assert_eq!(error.exit_code(), 3);
        }
    }

    #[test]
    fn where_must_name_parameters_and_values_that_exist() {
        let error = |only| {
            Threshold::parse(&expectation("mean(x) < 1", only), &two_by_three()).unwrap_err().to_string()
        };
        assert!(error(&[("lss", "5%")]).contains("names no parameter; did you mean 'loss'?"));
        assert!(error(&[("loss", "3%")]).contains("no point of the experiment has loss=3%"));
    }
}
