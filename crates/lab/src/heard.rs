//! Which figures the finished runs of a sweep have: a name that none of them has is probably misspelt, once all points were heard.

use crate::folder::Folder;
use crate::params::point_id;
use crate::plan::{Plan, PlannedRun};
use crate::results::matches;
use std::collections::{BTreeMap, BTreeSet};
use tidewire_script::{Point, RunResult};

/// The names of figures, by point.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Points without a finished run.
    waiting: BTreeSet<String>,
    points: BTreeMap<String, (Point, BTreeSet<String>)>,
    complete: bool,
}

impl Heard {
    /// One run alone.
    pub fn of(run: &PlannedRun, result: &RunResult) -> Heard {
        let mut heard = Heard::default();
        heard.add(run, result);
        heard
    }

    /// Nothing yet of a plan, but what its folder has.
    pub fn before(plan: &Plan, folder: &Folder) -> Heard {
        let waiting = plan.runs.iter().map(|run| point_id(&run.point)).collect();
        let mut heard = Heard { waiting, ..Heard::default() };
        folder.finished().values().for_each(|part| heard.add(&part.run, &part.result));
        heard
    }

    /// A run has finished. True once: when every point has been heard.
    pub fn hear(&mut self, run: &PlannedRun, result: &RunResult) -> bool {
        self.add(run, result);
        self.waiting.is_empty() && !std::mem::replace(&mut self.complete, true)
    }

    fn add(&mut self, run: &PlannedRun, result: &RunResult) {
        let id = point_id(&run.point);
        self.waiting.remove(&id);
        let (_, names) = self.points.entry(id).or_insert_with(|| (run.point.clone(), BTreeSet::new()));
        names.extend(result.record.iter().map(|(name, _)| name.clone()));
    }

    /// The names at the points that have these values; none where no such point was heard.
    pub fn names(&self, only: &Point) -> Option<BTreeSet<&str>> {
        let mut at = self.points.values().filter(|(point, _)| matches(point, only)).peekable();
        at.peek()?;
        Some(at.flat_map(|(_, names)| names.iter().map(String::as_str)).collect())
    }
}
