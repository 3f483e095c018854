//! What a sweep says at its end: a table of means with confidence intervals, verdicts, where to look.

use crate::expect::{Threshold, Verdict};
use crate::params::{shown, value_of};
use crate::plan::Plan;
use crate::results::Results;
use tidewire_metrics::{Align, Summary, TextTable, Value, decimals_for, human};
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
/// Most lines of a table, and most failing points of a threshold.
const ROWS: usize = 16;
const POINTS: usize = 5;

/// The means of each metric: one parameter across, the others down.
pub fn summary_lines(results: &Results, width: usize) -> Vec<Line> {
    let metrics = shown_metrics(results);
    let mut lines = Vec::new();
    let single = results.params.list.iter().all(|param| param.values.len() <= 1);
    if single {
        lines.extend(single_point(results, &metrics));
    } else {
        metrics.iter().for_each(|metric| lines.extend(pivot(results, metric, width)));
    }
    if let Some(last) = lines.last_mut() {
        let counts: Vec<usize> = results.points().iter().map(|point| results.at(point).count()).collect();
        let least = counts.iter().min().copied().unwrap_or(0);
        let most = counts.iter().max().copied().unwrap_or(0);
        let runs = if least == most { format!("{most}") } else { format!("{least} to {most}") };
        let text = match most {
            0 | 1 => "      (1 run each: no interval)".to_owned(),
            _ => format!("      (mean, 95 % CI of {runs} runs)"),
        };
        last.push((Tone::Faint, text));
    }
    let hidden = results.metrics.len().saturating_sub(metrics.len());
    if hidden > 0 {
        lines.push(vec![(Tone::Faint, format!("  and {hidden} more metrics in summary.csv"))]);
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
        let (mean, ci) = mean_and_ci(&s);
        table.row([metric.clone(), mean, format!("{ci} {unit}").trim().to_owned()]);
    }
    table.lines().into_iter().map(|line| vec![(Tone::Plain, format!("  {line}"))]).collect()
}

fn mean_and_ci(s: &Summary) -> (String, String) {
    let Some(mean) = s.mean() else { return ("-".into(), String::new()) };
    // An interval far narrower than three digits of the mean can show is worth one digit more.
    let decimals = decimals_for(mean);
    let small = !(1e-4..1e9).contains(&mean.abs()) && mean != 0.0;
    let text = |x: f64| if small { human(x) } else { format!("{x:.decimals$}") };
    (text(mean), s.ci95().map(|ci| format!("±{}", text(ci))).unwrap_or_default())
}

fn pivot(results: &Results, metric: &str, width: usize) -> Vec<Line> {
    let across = results.widest().expect("some parameter has several values");
    let down: Vec<&str> = results.params.names().filter(|name| *name != across.name).collect();
    let points = results.points();
    let columns: Vec<&Value> =
        across.values.iter().filter(|v| points.iter().any(|p| value_of(p, &across.name) == **v)).collect();
    let mut rows: Vec<Point> = Vec::new();
    for point in &points {
        let rest: Point = point.iter().filter(|(name, _)| down.contains(&name.as_str())).cloned().collect();
        if !rows.contains(&rest) {
            rows.push(rest);
        }
    }
    let cells: Vec<Vec<(String, String)>> = rows
        .iter()
        .map(|rest| {
            let at = |column: &&Value| {
                let wanted = [rest.clone(), vec![(across.name.clone(), (*column).clone())]].concat();
                let point = points.iter().find(|point| crate::results::matches(point, &wanted));
                point.map_or_else(
                    || (String::new(), String::new()),
                    |point| mean_and_ci(&results.summary(point, metric)),
                )
            };
            columns.iter().map(at).collect()
        })
        .collect();
    let varied: Vec<&str> = down
        .into_iter()
        .filter(|name| results.params.get(name).is_some_and(|p| p.values.len() > 1))
        .collect();
    let label = |rest: &Point| {
        shown(&rest.iter().filter(|(name, _)| varied.contains(&name.as_str())).cloned().collect())
    };
    let labels: Vec<String> = rows.iter().map(label).collect();
    let heads: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(at, value)| if at == 0 { format!("{}={value}", across.name) } else { value.to_string() })
        .collect();
    layout(metric, &heads, &labels, &cells, width)
}

/// Mean and interval side by side where the line has room, otherwise the interval below, otherwise in several tables.
fn layout(
    metric: &str,
    heads: &[String],
    labels: &[String],
    cells: &[Vec<(String, String)>],
    width: usize,
) -> Vec<Line> {
    let side_by_side = |range: std::ops::Range<usize>, below: bool| {
        let mut table =
            TextTable::new(
                std::iter::once(Align::Left)
                    .chain(range.clone().flat_map(|_| {
                        if below { vec![Align::Right] } else { vec![Align::Right, Align::Left] }
                    }))
                    .collect::<Vec<_>>(),
            );
        let head =
            |at: usize| if below { vec![heads[at].clone()] } else { vec![heads[at].clone(), String::new()] };
        table.row(std::iter::once(metric.to_owned()).chain(range.clone().flat_map(head)));
        for (label, row) in labels.iter().zip(cells).take(ROWS) {
            let label = format!("  {label}");
            if below {
                table.row(std::iter::once(label).chain(range.clone().map(|at| row[at].0.clone())));
                table.row(std::iter::once(String::new()).chain(range.clone().map(|at| row[at].1.clone())));
            } else {
                table.row(
                    std::iter::once(label)
                        .chain(range.clone().flat_map(|at| [row[at].0.clone(), row[at].1.clone()])),
                );
            }
        }
        table
    };
    let all = 0..heads.len();
    let mut tables = vec![side_by_side(all.clone(), false)];
    if tables[0].width() + 2 > width {
        tables = vec![side_by_side(all.clone(), true)];
    }
    if tables[0].width() + 2 > width {
        let each = (tables[0].width() / heads.len().max(1)).max(1);
        let fit = ((width.saturating_sub(24)) / each).max(1);
        tables =
            all.step_by(fit).map(|from| side_by_side(from..(from + fit).min(heads.len()), true)).collect();
    }
    let mut lines = Vec::new();
    for table in tables {
        for (at, line) in table.lines().into_iter().enumerate() {
            let interval_only = line.trim_start().starts_with('±') || line.trim().is_empty();
            let tone = if at == 0 {
                Tone::Strong
            } else if interval_only {
                Tone::Faint
            } else {
                Tone::Plain
            };
            if !line.trim().is_empty() {
                lines.push(vec![(tone, format!("  {line}"))]);
            }
        }
    }
    if labels.len() > ROWS {
        lines.push(vec![(Tone::Faint, format!("    and {} more rows in summary.csv", labels.len() - ROWS))]);
    }
    lines
}

/// A line per threshold that held; for one that did not, its failing points, the worst run and the command that shows it.
pub fn verdict_lines(plan: &Plan, judged: &[(Threshold, Vec<Verdict>)]) -> Vec<Line> {
    let width = judged.iter().map(|(t, _)| t.condition.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (threshold, verdicts) in judged {
        let condition = format!("{:width$}", threshold.condition);
        let failed: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.passed).collect();
        let only = shown(&threshold.only);
        if verdicts.is_empty() {
            lines.push(vec![(Tone::Faint, format!("  --    {condition}  {only}  not among these runs"))]);
        } else if failed.is_empty() {
            let range = measured_range(verdicts);
            lines.push(vec![
                (Tone::Good, "  ok    ".into()),
                (Tone::Plain, format!("{condition}  {only:16}  {range}")),
            ]);
        }
        for verdict in failed.iter().take(POINTS) {
            let measured = verdict.measured.map_or_else(|| "no value".to_owned(), human);
            let mut text = format!("{condition}  {:16}  {measured}", shown(&verdict.point));
            let Some(worst) = verdict.worst else {
                lines.push(vec![(Tone::Bad, "  FAIL  ".into()), (Tone::Plain, text)]);
                continue;
            };
            text.push_str(&format!(
                "     worst run: {}  (rep={} seed={})",
                human(worst.value),
                worst.rep,
                worst.seed
            ));
            lines.push(vec![(Tone::Bad, "  FAIL  ".into()), (Tone::Plain, text)]);
            let command = format!("        look closer: {} -v", plan.repeat(&verdict.point, worst.rep));
            lines.push(vec![(Tone::Faint, command)]);
        }
        if failed.len() > POINTS {
            lines.push(vec![(
                Tone::Bad,
                format!("        and {} more points, see expect.json", failed.len() - POINTS),
            )]);
        }
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
