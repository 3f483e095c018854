//! Replications until enough is known: `reps = { min = 5, max = 100, until_ci = "5%" }`.
//!
//! Replications are added in batches of a quarter of those that are there, and a point is judged only when a batch is complete: so how many it
//! gets does not depend on the number of threads, nor on which run ends first.

use crate::error::{LabError, suggestion};
use crate::params::{point_id, value_of};
use crate::part::Part;
use crate::plan::Plan;
use std::collections::{BTreeMap, BTreeSet};
use tidewire_metrics::{Summary, Value};
use tidewire_script::{Point, Stopping};

/// How sequential stopping ended.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Enough {
    /// Fewest replications of a point.
    pub least: u32,
    /// Most replications of a point.
    pub most: u32,
    /// Points whose intervals are too wide after all replications that are allowed.
    pub short: Vec<Point>,
}

type Record = Vec<(String, Value)>;

/// What is to be run next.
pub(crate) struct Rounds<'a> {
    plan: &'a Plan,
    /// By run: what is there already, or was finished since.
    pub records: BTreeMap<String, Record>,
    /// By point: replications asked for so far, and whether they are enough.
    targets: BTreeMap<String, (u32, bool)>,
}

impl<'a> Rounds<'a> {
    pub fn new(plan: &'a Plan, found: &BTreeMap<String, Part>) -> Self {
        let records = found.iter().map(|(id, part)| (id.clone(), part.result.record.clone())).collect();
        let targets = plan
            .stopping
            .iter()
            .flat_map(|stopping| plan.runs.iter().map(|run| (point_id(&run.point), (stopping.min, false))));
        Rounds { plan, records, targets: targets.collect() }
    }

    /// The runs that are asked for now, as positions in the plan: without sequential stopping all of them.
    pub fn wanted(&self) -> Vec<usize> {
        let within = |at: &usize| {
            let run = &self.plan.runs[*at];
            self.targets.get(&point_id(&run.point)).is_none_or(|(target, _)| run.rep <= *target)
        };
        (0..self.plan.runs.len()).filter(within).collect()
    }

    /// Asks for more replications where too little is known. Errors: a metric that is to be judged and that nobody records.
    pub fn extend(&mut self) -> Result<bool, LabError> {
        let Some(stopping) = &self.plan.stopping else { return Ok(false) };
        self.check_names(stopping)?;
        let mut extended = false;
        for (id, _) in self.points() {
            let (target, enough) = self.targets[&id];
            if enough {
                continue;
            }
            let enough = self.is_known(stopping, &id, target);
            let more = (target + target.div_ceil(4)).min(self.plan.experiment.reps);
            let next = if enough { target } else { more };
            extended |= next > target;
            self.targets.insert(id.clone(), (next, enough));
        }
        Ok(extended)
    }

    /// How many replications the points got.
    pub fn outcome(&self) -> Option<Enough> {
        self.plan.stopping.as_ref()?;
        let reps = || self.targets.values().map(|(target, _)| *target);
        let short = self.points().into_iter().filter(|(id, _)| !self.targets[id].1);
        Some(Enough {
            least: reps().min()?,
            most: reps().max()?,
            short: short.map(|(_, point)| point).collect(),
        })
    }

    fn points(&self) -> Vec<(String, Point)> {
        let mut seen = BTreeSet::new();
        let points = self.plan.runs.iter().map(|run| (point_id(&run.point), run.point.clone()));
        points.filter(|(id, _)| seen.insert(id.clone())).collect()
    }

    fn check_names(&self, stopping: &Stopping) -> Result<(), LabError> {
        let known: BTreeSet<&str> = self.records.values().flatten().map(|(name, _)| name.as_str()).collect();
        let missing = stopping.metrics.iter().find(|metric| !known.contains(metric.as_str()));
        match missing.filter(|_| !known.is_empty()) {
            Some(metric) => {
                let hint = suggestion(metric, "metrics", known.iter().copied());
                Err(LabError::script(format!("reps: no run records a metric '{metric}'{hint}"), None))
            }
            None => Ok(()),
        }
    }

    fn is_known(&self, stopping: &Stopping, id: &str, target: u32) -> bool {
        let runs = self.plan.runs.iter().filter(|run| run.rep <= target && point_id(&run.point) == id);
        let records: Vec<&Record> = runs.filter_map(|run| self.records.get(&run.id)).collect();
        let metrics = self.judged(stopping, &records);
        let narrow = |metric: &&str| {
            let s = Summary::of(records.iter().filter_map(|r| value_of(r, metric).number_or_truth()));
            match (s.mean(), s.ci95()) {
                (None, _) => true,
                (Some(mean), Some(half)) => half <= stopping.until_ci * mean.abs(),
                (Some(_), None) => false,
            }
        };
        metrics.iter().all(narrow)
    }

    /// The metrics that count: those that are named, or those of plots and thresholds, or all.
    fn judged<'b>(&'b self, stopping: &'b Stopping, records: &[&'b Record]) -> Vec<&'b str> {
        if !stopping.metrics.is_empty() {
            return stopping.metrics.iter().map(String::as_str).collect();
        }
        let all: BTreeSet<&str> =
            records.iter().flat_map(|r| r.iter()).map(|(name, _)| name.as_str()).collect();
        let e = &self.plan.experiment;
        let shown = |metric: &&str| {
            e.plots.iter().any(|plot| plot.y.iter().any(|y| y == metric))
                || e.expect.iter().any(|expect| expect.condition.contains(&format!("({metric})")))
        };
        let named: Vec<&str> = all.iter().copied().filter(shown).collect();
        if named.is_empty() { all.into_iter().collect() } else { named }
    }
}
