//! The seam between the lab and what runs a script.

use crate::captures::Captures;
use tidewire_metrics::Value;
use tidewire_script::{Experiment, Point, RunRequest, RunResult, Script, ScriptError, Warning};

/// Values of parameters that replace the script's own.
pub type Overrides = Vec<(String, Vec<Value>)>;

/// Plans and runs a script. Runs of one experiment go on in several threads at once.
pub trait Runner: Sync {
    /// What the script declares, with the values of some parameters replaced.
    fn plan(&self, script: &Script, overrides: &Overrides) -> Result<Experiment, ScriptError>;

    /// One run. An error of the script is part of the result.
    fn run(
        &self,
        script: &Script,
        experiment: &Experiment,
        request: &RunRequest,
        captures: &Captures,
    ) -> RunResult;

    /// The network that a run at a point would use, with addresses; time does not move.
    fn network(
        &self,
        script: &Script,
        experiment: &Experiment,
        point: &Point,
    ) -> Result<tidewire_topology::Plan, ScriptError>;

    /// As `network`, with what looks wrong in the script. A run that would never end is an error.
    fn inspect(
        &self,
        script: &Script,
        experiment: &Experiment,
        point: &Point,
    ) -> Result<(tidewire_topology::Plan, Vec<Warning>), ScriptError> {
        self.network(script, experiment, point).map(|network| (network, Vec::new()))
    }
}

/// Runs Lua scripts.
#[derive(Clone, Copy, Debug)]
pub struct ScriptRunner {
    /// CPU time that finding a script's `experiment{}` may take, in seconds.
    pub plan_timeout_s: f64,
}

impl Default for ScriptRunner {
    fn default() -> Self {
        ScriptRunner { plan_timeout_s: 2.0 }
    }
}

impl Runner for ScriptRunner {
    fn plan(&self, script: &Script, overrides: &Overrides) -> Result<Experiment, ScriptError> {
        tidewire_script::plan_within(script, overrides, self.plan_timeout_s)
    }

    fn run(
        &self,
        script: &Script,
        experiment: &Experiment,
        request: &RunRequest,
        captures: &Captures,
    ) -> RunResult {
        let captures = captures.clone();
        let open = Box::new(move |name: &str| captures.open(name));
        tidewire_script::run_capturing(script, experiment, request, open)
    }

    fn network(
        &self,
        script: &Script,
        experiment: &Experiment,
        point: &Point,
    ) -> Result<tidewire_topology::Plan, ScriptError> {
        tidewire_script::build(script, experiment, point)
    }

    fn inspect(
        &self,
        script: &Script,
        experiment: &Experiment,
        point: &Point,
    ) -> Result<(tidewire_topology::Plan, Vec<Warning>), ScriptError> {
        tidewire_script::inspect(script, experiment, point)
    }
}
