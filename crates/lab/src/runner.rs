//! The seam between the lab and what runs a script.

use tidewire_metrics::Value;
use tidewire_script::{Experiment, Fault, RunRequest, RunResult, Script, ScriptError};

/// Values of parameters that replace the script's own.
pub type Overrides = Vec<(String, Vec<Value>)>;

/// Plans and runs a script. Runs of one experiment go on in several threads at once.
pub trait Runner: Sync {
    /// What the script declares, with the values of some parameters replaced.
    fn plan(&self, script: &Script, overrides: &Overrides) -> Result<Experiment, ScriptError>;

    /// One run. An error of the script is part of the result.
    fn run(&self, script: &Script, experiment: &Experiment, request: &RunRequest) -> RunResult;

    /// The network that a run would use, with addresses; time does not move.
    fn network(
        &self,
        script: &Script,
        experiment: &Experiment,
        request: &RunRequest,
    ) -> Result<tidewire_topology::Plan, ScriptError>;
}

/// Runs Lua scripts.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScriptRunner;

impl Runner for ScriptRunner {
    fn plan(&self, _: &Script, _: &Overrides) -> Result<Experiment, ScriptError> {
        Err(missing())
    }

    fn run(&self, _: &Script, _: &Experiment, _: &RunRequest) -> RunResult {
        unreachable!("nothing can be planned")
    }

    fn network(
        &self,
        _: &Script,
        _: &Experiment,
        _: &RunRequest,
    ) -> Result<tidewire_topology::Plan, ScriptError> {
        Err(missing())
    }
}

fn missing() -> ScriptError {
    ScriptError { fault: Fault::Script, place: None, message: "this build has no script engine".to_owned() }
}
