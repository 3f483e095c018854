//! Tables of means for a terminal: one parameter across, the others down.

use crate::end::{Line, Tone};
use crate::params::{Param, shown, value_of};
use crate::results::{Results, matches};
use std::ops::Range;
use tidewire_metrics::{Align, Summary, TextTable, Value, decimals_for, human};
use tidewire_script::Point;

/// Most lines of a table.
const ROWS: usize = 16;

/// A table for each metric, all in the same form: intervals beside the means where lines have room, otherwise below them, otherwise
/// in several tables.
pub(crate) fn pivot(results: &Results, metrics: &[String], width: usize) -> Vec<Line> {
    let Some(across) = results.widest() else { return metrics_across(results, metrics, width) };
    let grids: Vec<Grid> = metrics.iter().map(|metric| Grid::new(results, metric, across)).collect();
    let fits =
        |form: Form| grids.iter().all(|grid| grid.table(0..grid.heads.len(), form).width() + 2 <= width);
    let form = if fits(Form::Beside) { Form::Beside } else { Form::Below };
    grids.iter().flat_map(|grid| grid.lines(form, width)).collect()
}

/// Where every parameter has many values: points down, as many metrics across as fit.
fn metrics_across(results: &Results, metrics: &[String], width: usize) -> Vec<Line> {
    let points = results.points();
    let figures: Vec<Vec<Summary>> = metrics
        .iter()
        .map(|metric| points.iter().map(|point| results.summary(point, metric)).collect())
        .collect();
    let texts: Vec<Vec<String>> = figures
        .iter()
        .map(|column| {
            let decimals = decimals(column);
            column.iter().map(|s| mean_and_ci(s, decimals)).map(|(mean, ci)| format!("{mean} {ci}")).collect()
        })
        .collect();
    let mut shown_metrics = metrics.len();
    loop {
        let mut table = TextTable::new([vec![Align::Left], vec![Align::Right; shown_metrics]].concat());
        table.row([vec![String::new()], metrics[..shown_metrics].to_vec()].concat());
        for (at, point) in points.iter().enumerate().take(ROWS) {
            let cells = texts[..shown_metrics].iter().map(|column| column[at].clone());
            table.row(std::iter::once(shown(point)).chain(cells));
        }
        if table.width() + 2 > width && shown_metrics > 1 {
            shown_metrics -= 1;
            continue;
        }
        let tone = |at: usize| if at == 0 { Tone::Strong } else { Tone::Plain };
        let lines =
            table.lines().into_iter().enumerate().map(|(at, line)| vec![(tone(at), format!("  {line}"))]);
        let more = points.len().saturating_sub(ROWS);
        let more =
            (more > 0).then(|| vec![(Tone::Faint, format!("    and {more} more points in summary.csv"))]);
        return lines.chain(more).collect();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Beside,
    Below,
}

/// The means and intervals of one metric.
struct Grid {
    metric: String,
    heads: Vec<String>,
    labels: Vec<String>,
    cells: Vec<Vec<(String, String)>>,
}

impl Grid {
    fn new(results: &Results, metric: &str, across: &Param) -> Self {
        let points = results.points();
        let here = |value: &&Value| points.iter().any(|point| value_of(point, &across.name) == **value);
        let columns: Vec<&Value> = across.values.iter().filter(here).collect();
        let rest =
            |point: &Point| point.iter().filter(|(name, _)| *name != across.name).cloned().collect::<Point>();
        let mut rows: Vec<Point> = Vec::new();
        for row in points.iter().map(rest) {
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        let summary = |row: &Point, column: &Value| {
            let wanted = [row.clone(), vec![(across.name.clone(), column.clone())]].concat();
            let point = points.iter().find(|point| matches(point, &wanted));
            point.map_or_else(|| Summary::of([]), |point| results.summary(point, metric))
        };
        let summaries: Vec<Vec<Summary>> =
            rows.iter().map(|row| columns.iter().map(|column| summary(row, column)).collect()).collect();
        let decimals = decimals(&summaries.concat());
        let cells =
            summaries.iter().map(|row| row.iter().map(|s| mean_and_ci(s, decimals)).collect()).collect();
        let several = |name: &str| results.params.get(name).is_some_and(|param| param.values.len() > 1);
        let varies = |name: &str| rows.len() == 1 || several(name);
        let label = |row: &Point| shown(&row.iter().filter(|(name, _)| varies(name)).cloned().collect());
        let head = |(at, value): (usize, &&Value)| match at {
            0 => format!("{}={value}", across.name),
            _ => value.to_string(),
        };
        Grid {
            metric: metric.to_owned(),
            heads: columns.iter().enumerate().map(head).collect(),
            labels: rows.iter().map(label).collect(),
            cells,
        }
    }

    fn table(&self, columns: Range<usize>, form: Form) -> TextTable {
        let mut table = TextTable::new(
            std::iter::once(Align::Left).chain(columns.clone().map(|_| Align::Right)).collect::<Vec<_>>(),
        );
        // The width of the intervals of a column: means stay above each other.
        let interval = |at: usize| self.cells.iter().map(|row| row[at].1.chars().count()).max().unwrap_or(0);
        let cell = |at: usize, mean: &str, ci: &str| {
            let room = interval(at);
            if form == Form::Beside && room > 0 { format!("{mean} {ci:room$}") } else { mean.to_owned() }
        };
        let heads = columns.clone().map(|at| cell(at, &self.heads[at], ""));
        table.row(std::iter::once(self.metric.clone()).chain(heads));
        for (label, row) in self.labels.iter().zip(&self.cells).take(ROWS) {
            let means = columns.clone().map(|at| cell(at, &row[at].0, &row[at].1));
            table.row(std::iter::once(format!("  {label}")).chain(means));
            if form == Form::Below && row.iter().any(|(_, ci)| !ci.is_empty()) {
                let intervals = columns.clone().map(|at| row[at].1.clone());
                table.row(std::iter::once(String::new()).chain(intervals));
            }
        }
        table
    }

    fn lines(&self, form: Form, width: usize) -> Vec<Line> {
        let all = 0..self.heads.len();
        let mut tables = vec![self.table(all.clone(), form)];
        if tables[0].width() + 2 > width {
            let label = self.labels.iter().map(|label| label.chars().count() + 2).max().unwrap_or(0);
            let label = label.max(self.metric.chars().count());
            let each = tables[0].width().saturating_sub(label).div_ceil(all.len().max(1)).max(1);
            let fit = (width.saturating_sub(label + 4) / each).max(1);
            tables = all
                .clone()
                .step_by(fit)
                .map(|from| self.table(from..(from + fit).min(all.end), form))
                .collect();
        }
        let mut lines = Vec::new();
        for (at, line) in tables.iter().flat_map(|table| table.lines().into_iter().enumerate()) {
            let tone = match line.trim_start().starts_with('±') {
                _ if at == 0 => Tone::Strong,
                true => Tone::Faint,
                false => Tone::Plain,
            };
            lines.push(vec![(tone, format!("  {line}"))]);
        }
        if self.labels.len() > ROWS {
            lines.push(vec![(
                Tone::Faint,
                format!("    and {} more rows in summary.csv", self.labels.len() - ROWS),
            )]);
        }
        lines
    }
}

/// One look for all figures of a metric: three digits in the middle, something to see of the smallest.
pub(crate) fn decimals(summaries: &[Summary]) -> usize {
    let mut sizes: Vec<f64> =
        summaries.iter().filter_map(Summary::mean).map(f64::abs).filter(|mean| *mean > 0.0).collect();
    sizes.sort_by(f64::total_cmp);
    let (Some(least), Some(middle)) = (sizes.first(), sizes.get(sizes.len() / 2)) else { return 0 };
    let whole = |x: Option<f64>| x.is_none_or(|x| x == x.trunc());
    if summaries.iter().all(|s| whole(s.mean()) && whole(s.ci95())) {
        return 0;
    }
    // Values that are close together, such as 99.9 and 99.5, differ only further behind.
    let spread = sizes.last().map_or(0.0, |most| most - least);
    let apart = if spread > 0.0 { decimals_for(spread).min(decimals_for(*middle) + 1) } else { 0 };
    decimals_for(*middle).max(decimals_for(*least).saturating_sub(2)).max(apart)
}

/// The mean and its interval, as texts.
pub(crate) fn mean_and_ci(s: &Summary, decimals: usize) -> (String, String) {
    let Some(mean) = s.mean() else { return ("-".into(), String::new()) };
    let small = !(1e-4..1e9).contains(&mean.abs()) && mean != 0.0;
    let text = |x: f64| if small { human(x) } else { format!("{x:.decimals$}") };
    (text(mean), s.ci95().map(|ci| format!("±{}", text(ci))).unwrap_or_default())
}
