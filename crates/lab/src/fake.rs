//! A runner without a network, for the tests of this crate: figures are functions of parameters and seed.

use crate::captures::Captures;
use crate::runner::{Overrides, Runner};
use std::sync::atomic::{AtomicU32, Ordering};
use tidewire_metrics::{Table, Value};
use tidewire_script::*;
use tidewire_units::Span;

/// What a [`Fake`] does in a run instead of succeeding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mishap {
    Panic,
    Error,
    /// Waits for `stop` and is cut.
    Hang,
}

#[derive(Default)]
pub struct Fake {
    pub experiment: Option<Experiment>,
    pub runs: AtomicU32,
    /// Mishaps by run, as parameters and replication print.
    pub mishaps: Vec<(String, u32, Mishap)>,
    pub files: Vec<(std::path::PathBuf, String)>,
}

pub fn script() -> Script {
    Script { path: "fake.lua".into(), shown: "fake.lua".into(), text: "-- fake".into() }
}

pub fn experiment(params: &[(&str, &[Value])]) -> Experiment {
    let params: Vec<(String, Vec<Value>)> =
        params.iter().map(|(name, values)| ((*name).to_owned(), values.to_vec())).collect();
    Experiment {
        name: "fake".into(),
        declared: true,
        points: grid(&params),
        params,
        reps: 4,
        stopping: None,
        seed: 1,
        pairing: true,
        duration: Some(Span::from_secs(30)),
        warmup: Span::from_secs(3),
        expect: Vec::new(),
        plots: Vec::new(),
        units: Vec::new(),
        after_all: false,
    }
}

fn grid(params: &[(String, Vec<Value>)]) -> Vec<Point> {
    params.iter().fold(vec![Point::new()], |points, (name, values)| {
        let extend = |point: &Point| {
            let point = point.clone();
            values.iter().map(move |value| [point.clone(), vec![(name.clone(), value.clone())]].concat())
        };
        points.iter().flat_map(extend).collect()
    })
}

pub fn two_by_three() -> Experiment {
    experiment(&[
        ("proto", &["tcp".into(), "udp".into()]),
        ("loss", &["0%".into(), "1%".into(), "5%".into()]),
    ])
}

impl Runner for Fake {
    fn plan(&self, _: &Script, overrides: &Overrides) -> Result<Experiment, ScriptError> {
        let mut experiment = self.experiment.clone().unwrap_or_else(two_by_three);
        for (name, values) in overrides {
            experiment
                .params
                .iter_mut()
                .filter(|(known, _)| known == name)
                .for_each(|p| p.1.clone_from(values));
        }
        experiment.points = grid(&experiment.params);
        Ok(experiment)
    }

    fn run(&self, _: &Script, _: &Experiment, request: &RunRequest, _: &Captures) -> RunResult {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let shown = crate::params::shown(&request.point);
        let mishap = self.mishaps.iter().find(|(point, rep, _)| *point == shown && *rep == request.rep);
        let mut result = result(request);
        result.files.clone_from(&self.files);
        match mishap.map(|(_, _, mishap)| mishap) {
            None => {}
            Some(Mishap::Panic) => panic!("the queue is longer than its limit"),
            Some(Mishap::Error) => {
                result.ended = Ended::Failed;
                result.error = Some(ScriptError {
                    fault: Fault::Script,
                    place: Some(Place { file: "fake.lua".into(), line: 58 }),
                    message: "fake.lua:58: attempt to index a nil value (local 'conn')".into(),
                });
            }
            Some(Mishap::Hang) => {
                while !request.stop.load(Ordering::Relaxed) {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                result.ended = Ended::Cut;
            }
        }
        result
    }

    fn network(&self, _: &Script, _: &Experiment, _: &Point) -> Result<tidewire_topology::Plan, ScriptError> {
        no_network()
    }
}

pub fn no_network() -> Result<tidewire_topology::Plan, ScriptError> {
    Ok(tidewire_topology::Plan::new())
}

pub fn result(request: &RunRequest) -> RunResult {
    let loss = request
        .point
        .iter()
        .find(|(name, _)| name == "loss")
        .map_or(0.0, |(_, v)| crate::params::amount(v).unwrap_or(0.0));
    let luck = (request.seed % 1000) as f64 / 1000.0;
    let goodput = 9.0 / (1.0 + 50.0 * loss) + 0.1 * luck;
    let mut series = Table::new(["t_s", "object", "metric", "value", "in_warmup"]);
    for t in 0..3 {
        series.push(vec![
            Value::Float(f64::from(t) * 0.1),
            "flow".into(),
            "cwnd_bytes".into(),
            Value::Float(goodput * f64::from(t)),
            false.into(),
        ]);
    }
    let mut flows = Table::new(["flow", "goodput_mbps"]);
    flows.push(vec!["flow".into(), Value::Float(goodput)]);
    RunResult {
        ended: Ended::Duration,
        error: None,
        sim: Span::from_secs(30),
        events: 1000,
        packet_hops: 900,
        record: vec![
            ("goodput_mbps".into(), Value::Float(goodput)),
            ("delay_ms".into(), Value::Float(20.0 + loss)),
        ],
        tables: vec![("flows".into(), flows), ("series".into(), series)],
        warnings: Vec::new(),
        checks: vec![Check { passed: true, text: "it holds".into(), place: None }],
        log: vec!["hello".into()],
        files: Vec::new(),
    }
}
