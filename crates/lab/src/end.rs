//! What a sweep says at its end: a table of means with confidence intervals, verdicts, where to look.

use crate::expect::{Threshold, Verdict};
use crate::params::shown;
use crate::pivot::{decimals, mean_and_ci, pivot};
use crate::plan::Plan;
use crate::results::Results;
use tidewire_metrics::{Align, Summary, TextTable, human};
use tidewire_script::Point;

/// How a piece of text is meant; the terminal gives it a colour, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    /// As it is.
    Plain,
    /// A heading.
    Strong,
    /// Less important.
    Faint,
    /// Passed.
    Good,
    /// Failed.
    Bad,
}

/// A line in pieces.
pub type Line = Vec<(Tone, String)>;

/// Most metrics shown; the others are in `summary.csv`.
const METRICS: usize = 6;
/// Most failing points of a threshold that are shown.
const POINTS: usize = 5;

/// The means of each metric: one parameter across, the others down.
pub fn summary_lines(results: &Results, width: usize) -> Vec<Line> {
    let metrics = shown_metrics(results);
    let mut lines = Vec::new();
    let single = results.params.list.iter().all(|param| param.values.len() <= 1);
    if single {
        lines.extend(single_point(results, &metrics));
    } else {
        lines.extend(if metrics.is_empty() { Vec::new() } else { pivot(results, &metrics, width) });
    }
    if !lines.is_empty() {
        let counts: Vec<usize> = results.points().iter().map(|point| results.at(point).count()).collect();
        let least = counts.iter().min().copied().unwrap_or(0);
        let most = counts.iter().max().copied().unwrap_or(0);
        let runs = if least == most { format!("{most}") } else { format!("{least} to {most}") };
        lines.push(match most {
            0 | 1 => vec![(Tone::Faint, "  (one run of each point: no confidence interval)".to_owned())],
            _ => vec![(Tone::Faint, format!("  (mean, 95 % confidence interval of {runs} runs)"))],
        });
    }
    let points = results.points();
    let numeric = |metric: &&String| points.iter().any(|point| results.summary(point, metric).n() > 0);
    let hidden = results.metrics.iter().filter(numeric).count().saturating_sub(metrics.len());
    if hidden > 0 {
        lines.push(vec![(
            Tone::Faint,
            format!("  and {hidden} more {} in summary.csv", if hidden == 1 { "metric" } else { "metrics" }),
        )]);
    }
    lines
}

/// Those of plots and thresholds first, then as recorded; only numbers.
fn shown_metrics(results: &Results) -> Vec<String> {
    let points = results.points();
    let numeric = |metric: &String| points.iter().any(|point| results.summary(point, metric).n() > 0);
    let numeric: Vec<&String> = results.metrics.iter().filter(|metric| numeric(metric)).collect();
    if numeric.len() <= METRICS {
        return numeric.into_iter().cloned().collect();
    }
    let named = |metric: &&&String| {
        let plotted = results.experiment.plots.iter().any(|plot| plot.y.contains(metric));
        plotted || results.experiment.expect.iter().any(|e| e.condition.contains(&format!("({metric})")))
    };
    let (first, rest): (Vec<&&String>, Vec<&&String>) = numeric.iter().partition(named);
    first.into_iter().chain(rest).take(METRICS).map(|metric| (*metric).clone()).collect()
}

fn single_point(results: &Results, metrics: &[String]) -> Vec<Line> {
    let point = results.points().into_iter().next().unwrap_or_default();
    let mut table = TextTable::new([Align::Left, Align::Right, Align::Left]);
    for metric in metrics {
        let s = results.summary(&point, metric);
        let unit = results.unit(metric).filter(|unit| *unit != "1").unwrap_or("");
        let (mean, ci) = mean_and_ci(&s, decimals(std::slice::from_ref(&s)));
        table.row([metric.clone(), mean, format!("{ci} {unit}").trim().to_owned()]);
    }
    table.lines().into_iter().map(|line| vec![(Tone::Plain, format!("  {line}"))]).collect()
}

/// A line per threshold that held; for one that did not, its failing points, the worst run and the command that shows it.
pub fn verdict_lines(plan: &Plan, judged: &[(Threshold, Vec<Verdict>)]) -> Vec<Line> {
    let condition_width = judged.iter().map(|(t, _)| t.condition.chars().count()).max().unwrap_or(0);
    let shown_failures = |verdicts: &[Verdict]| {
        let failed = verdicts.iter().filter(|verdict| !verdict.passed).take(POINTS);
        failed.map(|verdict| shown(&verdict.point)).collect::<Vec<_>>()
    };
    let places =
        judged.iter().flat_map(|(t, verdicts)| [shown_failures(verdicts), vec![shown(&t.only)]].concat());
    let place_width = places.map(|place| place.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    let mut say = |tone: Tone, mark: &str, threshold: &Threshold, place: String, rest: String| {
        let text = format!("{:condition_width$}  {place:place_width$}  {rest}", threshold.condition);
        lines.push(vec![(tone, format!("  {mark:6}")), (Tone::Plain, text.trim_end().to_owned())]);
    };
    let mut extra: Vec<(usize, Line)> = Vec::new();
    let mut said = 0;
    for (threshold, verdicts) in judged {
        let failed: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.passed).collect();
        let only = shown(&threshold.only);
        if verdicts.is_empty() {
            say(Tone::Faint, "--", threshold, only, "not among these runs".into());
            said += 1;
        } else if failed.is_empty() {
            say(Tone::Good, "ok", threshold, only, measured_range(verdicts));
            said += 1;
        }
        for verdict in failed.iter().take(POINTS) {
            let mut measured = verdict.measured.map_or_else(|| "no value".to_owned(), human);
            if let Some(w) = verdict.worst {
                measured.push_str(&format!(
                    "     worst run: {}  (rep={} seed={})",
                    human(w.value),
                    w.rep,
                    w.seed
                ));
            }
            say(Tone::Bad, "FAIL", threshold, shown(&verdict.point), measured);
            said += 1;
            if let Some(worst) = verdict.worst {
                let command = format!("        look closer: {} -v", plan.repeat(&verdict.point, worst.rep));
                extra.push((said, vec![(Tone::Faint, command)]));
            }
        }
        if failed.len() > POINTS {
            let text = format!(
                "        and {} more {}, see expect.json",
                failed.len() - POINTS,
                if failed.len() == POINTS + 1 { "point" } else { "points" }
            );
            extra.push((said, vec![(Tone::Bad, text)]));
        }
    }
    for (after, line) in extra.into_iter().rev() {
        lines.insert(after, line);
    }
    lines
}

fn measured_range(verdicts: &[Verdict]) -> String {
    let s = Summary::of(verdicts.iter().filter_map(|verdict| verdict.measured));
    match (s.min(), s.max()) {
        (Some(min), Some(max)) if human(min) != human(max) => format!("{} to {}", human(min), human(max)),
        (Some(min), _) => human(min),
        _ => String::new(),
    }
}

/// `expect.json`.
pub fn expect_json(judged: &[(Threshold, Vec<Verdict>)]) -> String {
    let object = |point: &Point| -> serde_json::Map<String, serde_json::Value> {
        point.iter().map(|(name, value)| (name.clone(), serde_json::json!(value))).collect()
    };
    let verdict = |v: &Verdict| serde_json::json!({ "point": object(&v.point), "measured": v.measured, "passed": v.passed, "worst": v.worst });
    let entries: Vec<serde_json::Value> = judged
        .iter()
        .map(|(threshold, verdicts)| {
            serde_json::json!({
                "condition": threshold.condition,
                "where": object(&threshold.only),
                "passed": verdicts.iter().all(|v| v.passed),
                "points": verdicts.iter().map(verdict).collect::<Vec<_>>(),
            })
        })
        .collect();
    let mut text = serde_json::to_string_pretty(&entries).expect("texts and numbers are JSON");
    text.push('\n');
    text
}
