//! From a script and a command line to the list of runs.

use crate::error::{LabError, did_you_mean, suggestion};
use crate::filter::{Filter, read_value};
use crate::params::{Params, measure, point_id, run_id, same};
use crate::runner::{Overrides, Runner};
use std::collections::BTreeSet;
use tidewire_metrics::Value;
use tidewire_script::{Experiment, Point, Script, Stopping};
use tidewire_units::{Span, stable_hash};

/// What a command line asks for beyond the script.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// `-p name=v1,v2`, as written.
    pub params: Vec<String>,
    /// `--reps N`: replications 1 to N.
    pub reps: Option<u32>,
    /// `--rep N`: this one alone.
    pub rep: Option<u32>,
    /// `--seed N`.
    pub seed: Option<u64>,
    /// `--only EXPR`.
    pub only: Option<String>,
    /// `--until T`.
    pub until: Option<Span>,
    /// `--shard 2/8`: the second of eight parts.
    pub shard: Option<(u32, u32)>,
    /// Only the first point, unless `-p` chooses others: `tidewire run`.
    pub first_point: bool,
}

/// One run of the plan.
#[derive(Clone, PartialEq, Debug)]
pub struct PlannedRun {
    /// Stable name: `udp-5pct-r4`.
    pub id: String,
    /// Its parameters.
    pub point: Point,
    /// Replication, from 1.
    pub rep: u32,
    /// The run's own seed.
    pub seed: u64,
}

/// Everything that is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The script.
    pub script: Script,
    /// What it declares by itself.
    pub declared: Experiment,
    /// The same with the command line's values.
    pub experiment: Experiment,
    /// The simulated length that the command line sets.
    pub until: Option<Span>,
    /// When a point has enough replications; none where the command line says how many.
    pub stopping: Option<Stopping>,
    /// Which part of the whole this is, of how many.
    pub shard: Option<(u32, u32)>,
    /// Point by point, replication by replication.
    pub runs: Vec<PlannedRun>,
    /// Options of the command line that a single run must repeat, such as `--seed 7`.
    pub repeat_options: String,
    /// What of the command line is probably not meant so.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Plans a script. Errors: the script's; an unknown parameter; no run left.
    pub fn new(runner: &dyn Runner, script: &Script, wanted: &Wanted) -> Result<Plan, LabError> {
        let declared = runner.plan(script, &Overrides::new())?;
        let overrides = read_overrides(&wanted.params, &declared)?;
        let mut experiment =
            if overrides.is_empty() { declared.clone() } else { runner.plan(script, &overrides)? };
        if let Some(seed) = wanted.seed {
            experiment.seed = seed;
        }
        if let Some(reps) = wanted.reps {
            experiment.reps = reps;
        }
        if wanted.reps == Some(0) || wanted.rep == Some(0) {
            return Err(LabError::Usage("replications are numbered from 1".into()));
        }
        let names: Vec<&str> = experiment.params.iter().map(|(name, _)| name.as_str()).collect();
        let only = wanted.only.as_deref().map(|text| Filter::parse(text, &names)).transpose();
        let only = only.map_err(LabError::Usage)?;
        if wanted.first_point {
            if let Some((name, values)) = overrides.iter().find(|(_, values)| values.len() > 1) {
                let message =
                    format!("one run takes one value of '{name}', not {}; use tidewire sweep", values.len());
                return Err(LabError::Usage(message));
            }
            experiment.points.truncate(1);
        }
        let mut repeat_options = wanted.seed.map(|seed| format!(" --seed {seed}")).unwrap_or_default();
        repeat_options.push_str(&wanted.until.map(|until| format!(" --until {until}")).unwrap_or_default());
        let stopping = experiment.stopping.clone().filter(|_| wanted.reps.is_none() && wanted.rep.is_none());
        let mut runs = list_runs(&experiment, wanted.rep, only.as_ref());
        if let Some((part, of)) = wanted.shard {
            runs = shard_of(runs, part, of, stopping.is_some());
        }
        if runs.is_empty() {
            return Err(LabError::Usage(match &wanted.only {
                Some(only) => format!("--only '{only}' leaves no run"),
                None if wanted.shard.is_some() => {
                    "this shard has no run: there are fewer runs than shards".into()
                }
                None => "the experiment has no point to run".into(),
            }));
        }
        let (until, shard) = (wanted.until, wanted.shard);
        let warnings = strange_values(&overrides, &declared);
        let script = script.clone();
        Ok(Plan { script, declared, experiment, until, stopping, shard, runs, repeat_options, warnings })
    }

    /// The parameters of the plan and of further points.
    pub fn params<'a>(&'a self, found: impl IntoIterator<Item = &'a Point>) -> Params {
        Params::new(&self.declared, self.experiment.points.iter().chain(found))
    }

    /// Whether it has every point that the script declares.
    pub fn is_whole(&self) -> bool {
        let planned: BTreeSet<String> = self.runs.iter().map(|run| point_id(&run.point)).collect();
        self.declared.points.iter().all(|point| planned.contains(&point_id(point)))
    }

    /// `tcp_vs_udp: proto(2) x loss(7) x 10 reps = 140 runs of 30 s simulated time, seed 1`.
    pub fn headline(&self) -> String {
        let e = &self.experiment;
        let points: BTreeSet<String> = self.runs.iter().map(|run| point_id(&run.point)).collect();
        let reps = self.runs.iter().map(|run| run.rep).collect::<BTreeSet<_>>().len();
        let n = self.runs.len();
        let grid: usize = e.params.iter().map(|(_, values)| values.len()).product();
        let mut factors: Vec<String> = if grid == points.len() {
            e.params.iter().map(|(name, values)| format!("{name}({})", values.len())).collect()
        } else {
            vec![format!("{} points", points.len())]
        };
        if let Some(stopping) = &self.stopping {
            factors.push(format!("{} to {reps} reps", stopping.min.min(e.reps)));
        } else if reps > 1 || points.len() == 1 {
            factors.push(format!("{reps} rep{}", if reps == 1 { "" } else { "s" }));
        }
        let times = if n > 1 && n == points.len() * reps {
            format!("{} = ", factors.join(" x "))
        } else {
            String::new()
        };
        let length = self
            .until
            .or(e.duration)
            .map(|d| format!(" of {} simulated time", spaced(d)))
            .unwrap_or_default();
        let most = if self.stopping.is_some() { "at most " } else { "" };
        let shard = self.shard.map(|(part, of)| format!("shard {part} of {of}, ")).unwrap_or_default();
        format!(
            "{}: {shard}{times}{most}{n} run{}{length}, seed {}",
            e.name,
            if n == 1 { "" } else { "s" },
            e.seed
        )
    }

    /// The command that repeats one run.
    pub fn repeat(&self, point: &Point, rep: u32) -> String {
        let piped = self.script.path.as_os_str() == "-";
        let path = if piped { "-".to_owned() } else { quoted(&self.script.shown) };
        let params: String =
            point.iter().map(|(name, value)| format!(" -p {}", quoted(&format!("{name}={value}")))).collect();
        format!("tidewire run {path}{params} --rep {rep}{}", self.repeat_options)
    }
}

/// `30 s`.
fn spaced(span: Span) -> String {
    let text = span.to_string();
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    format!("{} {}", &text[..unit], &text[unit..])
}

/// The seed of a run: of the experiment's seed and the replication alone, so that a replication has the same luck at every point, or, when
/// not `pairing`, of the point as well. At most 53 bits, which every reader of CSV keeps.
pub fn run_seed(seed: u64, rep: u32, point: &Point, pairing: bool) -> u64 {
    let (seed, rep) = (seed.to_le_bytes(), rep.to_le_bytes());
    let place = if pairing { String::new() } else { point_id(point) };
    stable_hash(&[b"run", &seed, &rep, place.as_bytes()]) >> 11
}

/// Every n-th run; where replications are added as needed, every n-th point.
fn shard_of(runs: Vec<PlannedRun>, part: u32, of: u32, by_point: bool) -> Vec<PlannedRun> {
    let mut points: Vec<String> = Vec::new();
    let mut number = |at: usize, run: &PlannedRun| {
        if !by_point {
            return at;
        }
        let id = point_id(&run.point);
        if points.last() != Some(&id) {
            points.push(id);
        }
        points.len() - 1
    };
    let own = |number: usize| number % of as usize == part as usize - 1;
    runs.into_iter().enumerate().filter(|(at, run)| own(number(*at, run))).map(|(_, run)| run).collect()
}

fn list_runs(experiment: &Experiment, rep: Option<u32>, only: Option<&Filter>) -> Vec<PlannedRun> {
    let reps = rep.map_or(1..=experiment.reps, |rep| rep..=rep);
    let mut seen = BTreeSet::new();
    let mut runs = Vec::new();
    for point in &experiment.points {
        for rep in reps.clone() {
            let id = run_id(point, rep);
            if only.is_none_or(|only| only.accepts(point, rep)) && seen.insert(id.clone()) {
                let seed = run_seed(experiment.seed, rep, point, experiment.pairing);
                runs.push(PlannedRun { id, point: point.clone(), rep, seed });
            }
        }
    }
    runs
}

/// `-p loss=1%,5% -p n=3`: values become what the script's own values of that parameter are; naming one twice adds to it.
fn read_overrides(params: &[String], declared: &Experiment) -> Result<Overrides, LabError> {
    let mut overrides = Overrides::new();
    for text in params {
        let (name, values) = text.split_once('=').ok_or_else(|| {
            LabError::Usage(format!("-p {text}: expected name=value, for example -p loss=5%"))
        })?;
        let name = name.trim();
        let known = declared.params.iter().find(|(known, _)| known == name).ok_or_else(|| {
            let names = declared.params.iter().map(|(name, _)| name.as_str());
            LabError::Usage(if declared.params.is_empty() {
                format!("-p {text}: the script declares no parameters (experiment{{ params = ... }})")
            } else {
                format!("-p {text}: no parameter '{name}'{}", suggestion(name, "parameters", names))
            })
        })?;
        let values: Vec<Value> = values.split(',').map(|value| like(value.trim(), &known.1)).collect();
        if values.iter().any(|value| *value == Value::from("")) {
            return Err(LabError::Usage(format!("-p {text}: a value is missing")));
        }
        let at = overrides.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            overrides.push((name.to_owned(), Vec::new()));
            overrides.len() - 1
        });
        for value in values {
            if !overrides[at].1.iter().any(|known| same(known, &value)) {
                overrides[at].1.push(value);
            }
        }
    }
    Ok(overrides)
}

/// Values of the command line that are of another kind than all of the script's own: probably mistyped.
fn strange_values(overrides: &Overrides, declared: &Experiment) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, values) in overrides {
        let Some((_, known)) = declared.params.iter().find(|(known, _)| known == name) else { continue };
        let kind = |text: &str| measure(text).map(|(kind, _)| kind);
        let texts: Vec<&str> = known
            .iter()
            .filter_map(|value| match value {
                Value::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        for value in values.iter().filter(|value| !known.iter().any(|own| same(own, value))) {
            // Another "0.3%" beside "1%" is a further point of the grid; another word beside "tcp" is hardly one.
            let fits = match value {
                Value::Text(text) if text.parse::<f64>().is_ok() => true,
                Value::Text(text) => kind(text).is_some_and(|own| texts.iter().any(|t| kind(t) == Some(own))),
                _ => true,
            };
            if !fits {
                let text = value.to_string();
                let meant = match did_you_mean(&text, texts.iter().copied()) {
                    Some(meant) => format!("; did you mean '{meant}'?"),
                    None => String::new(),
                };
                let all: Vec<String> = known.iter().map(Value::to_string).collect();
                notes.push(format!(
                    "-p {name}={text}: the script's values of '{name}' are {}{meant}",
                    all.join(", ")
                ));
            }
        }
    }
    notes
}

/// A value of the same type as the script's values, where it can be.
fn like(text: &str, known: &[Value]) -> Value {
    let declared = known.iter().find(|value| value.to_string() == text);
    let all_texts = known.iter().all(|value| matches!(value, Value::Text(_)));
    match declared {
        Some(value) => value.clone(),
        None if all_texts && !known.is_empty() => Value::from(text),
        None => read_value(text),
    }
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=%:,+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, script};

    fn plan(wanted: Wanted) -> Result<Plan, LabError> {
        Plan::new(&Fake::default(), &script(), &wanted)
    }

    fn ids(plan: &Plan) -> Vec<&str> {
        plan.runs.iter().map(|run| run.id.as_str()).collect()
    }

    #[test]
    fn a_plan_goes_point_by_point_and_replication_by_replication() {
        let plan = plan(Wanted::default()).unwrap();
        assert_eq!(plan.runs.len(), 2 * 3 * 4);
        assert_eq!(
            ids(&plan)[..5],
            ["tcp-0pct-r1", "tcp-0pct-r2", "tcp-0pct-r3", "tcp-0pct-r4", "tcp-1pct-r1"]
        );
        assert_eq!(
            plan.headline(),
            "fake: proto(2) x loss(3) x 4 reps = 24 runs of 30 s simulated time, seed 1"
        );
    }

    #[test]
    fn replications_share_their_seed_across_points_only_when_paired() {
        let [a, b] = ["a", "b"].map(|v| vec![("x".to_owned(), Value::from(v))]);
        assert_eq!(run_seed(1, 2, &a, true), run_seed(1, 2, &b, true));
        assert_ne!(run_seed(1, 2, &a, false), run_seed(1, 2, &b, false));
        assert_ne!(run_seed(1, 2, &a, true), run_seed(1, 3, &a, true));
        assert_ne!(run_seed(1, 2, &a, true), run_seed(2, 2, &a, true));
        assert!(run_seed(1, 2, &a, true) < 1 << 53);
    }

    #[test]
    fn the_command_line_replaces_values_and_keeps_ids_and_seeds() {
        let whole = plan(Wanted::default()).unwrap();
        let part =
            plan(Wanted { params: vec!["loss=5%,20%".into(), "proto=udp".into()], ..Wanted::default() })
                .unwrap();
        assert_eq!(part.runs.len(), 8);
        let common = whole.runs.iter().find(|run| run.id == "udp-5pct-r2").unwrap();
        assert!(part.runs.contains(common));
        let more = plan(Wanted { reps: Some(5), ..Wanted::default() }).unwrap();
        assert!(whole.runs.iter().all(|run| more.runs.contains(run)));
    }

    #[test]
    fn a_single_run_is_chosen_by_its_point_and_replication() {
        let wanted =
            Wanted { params: vec!["loss=5%".into()], rep: Some(7), first_point: true, ..Wanted::default() };
        let plan = plan(wanted).unwrap();
        assert_eq!(ids(&plan), ["tcp-5pct-r7"]);
        assert_eq!(
            plan.repeat(&plan.runs[0].point, 7),
            "tidewire run fake.lua -p proto=tcp -p loss=5% --rep 7"
        );
    }

    #[test]
    fn only_keeps_what_matches() {
        let plan = plan(Wanted { only: Some("loss>=1% and rep<=2".into()), ..Wanted::default() }).unwrap();
        assert_eq!(plan.runs.len(), 2 * 2 * 2);
    }

    #[test]
    fn mistakes_on_the_command_line_are_usage_errors() {
        let cases = [
            (
                Wanted { params: vec!["lss=1%".into()], ..Wanted::default() },
                "no parameter 'lss'; did you mean 'loss'?",
            ),
            (Wanted { params: vec!["loss".into()], ..Wanted::default() }, "expected name=value"),
            (Wanted { params: vec!["loss=".into()], ..Wanted::default() }, "a value is missing"),
            (Wanted { only: Some("loss=99%".into()), ..Wanted::default() }, "leaves no run"),
            (
                Wanted { params: vec!["loss=1%,5%".into()], first_point: true, ..Wanted::default() },
                "one run takes one value of 'loss', not 2; use tidewire sweep",
            ),
            (Wanted { reps: Some(0), ..Wanted::default() }, "numbered from 1"),
        ];
        for (wanted, want) in cases {
            let error = plan(wanted).unwrap_err();
            assert!(error.to_string().contains(want), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_split_them() {
        assert_eq!(quoted("loss=5%"), "loss=5%");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
