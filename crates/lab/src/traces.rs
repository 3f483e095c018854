//! Figures over time: one metric of `series.csv`, a curve per object or parameter, a panel per remaining point and object.

use crate::error::LabError;
use crate::figures::{Named, capital, words};
use crate::frame::{Frame, distinct};
use crate::params::{same, value_of};
use std::path::Path;
use tidewire_metrics::{Value, label_of, quantity_of};
use tidewire_plot::{Axis, Curve, Figure, Marks, Panel};
use tidewire_script::PlotSpec;

/// Panels that a page can hold.
const PANELS: usize = 12;

/// The figure of one `series` entry of `plot`, from `series.csv`. Without `where = { rep = ... }` it shows replication 1.
///
/// # Errors
/// The file cannot be read; it has no such metric or column.
pub fn trace_of(
    spec: &PlotSpec,
    params: &[String],
    series_csv: &Path,
    name: &str,
) -> Result<Named, LabError> {
    let metric = spec.series.clone().unwrap_or_default();
    let rep = match value_of(&spec.only, "rep") {
        Value::Nothing => Value::Int(1),
        rep => rep,
    };
    let wanted = |columns: &[String], record: &csv::StringRecord| {
        columns.iter().zip(record).all(|(column, cell)| match column.as_str() {
            "metric" => cell == metric,
            "rep" => cell == rep.to_string(),
            _ => true,
        })
    };
    let frame = Frame::read(series_csv, &wanted)?;
    if frame.table.rows.is_empty() {
        let message = format!(
            "plot: series = \"{metric}\" is not in series.csv; watch it: thing:watch(\"{metric}\", ...)"
        );
        return Err(LabError::script(message, None));
    }
    let rows = frame.select(&spec.only)?;
    let color = frame.column(spec.color.as_deref().unwrap_or("object"), "color")?;
    let (t, y) = (frame.column("t_s", "x")?, frame.column("value", "y")?);
    let apart = panel_columns(spec, params, &frame, color)?;
    let panel_of = |row: &Vec<Value>| {
        apart.iter().map(|(name, at)| format!("{name} = {}", row[*at])).collect::<Vec<_>>().join(", ")
    };
    let mut titles: Vec<String> = Vec::new();
    for title in rows.iter().map(|row| panel_of(row)) {
        if !titles.contains(&title) {
            titles.push(title);
        }
    }
    let left_out = titles.len().saturating_sub(PANELS);
    titles.truncate(PANELS);
    let colors = distinct(rows.iter().map(|row| &row[color]));
    let panel = |title: &String| {
        let curve = |(style, value): (usize, &Value)| {
            let own = rows.iter().filter(|row| same(&row[color], value) && panel_of(row) == *title);
            let points: Vec<(f64, f64)> =
                own.filter_map(|row| Some((row[t].number()?, row[y].number()?))).collect();
            let step = spec.kind.as_deref() == Some("step");
            Curve::new(
                value.to_string(),
                style,
                if step { Marks::Step(points) } else { Marks::Series(points) },
            )
        };
        let curves = colors.iter().enumerate().map(curve).filter(|curve| !curve.marks.is_empty());
        Panel { title: title.clone(), curves: curves.collect(), rules: Vec::new() }
    };
    let unit_at = frame.table.columns.iter().position(|column| column == "unit");
    let unit =
        unit_at.and_then(|at| rows.first().map(|row| row[at].to_string())).filter(|unit| !unit.is_empty());
    let mut y_axis = Axis::linear(capital(&words(&label_of(&metric, unit.as_deref()))));
    if rows.iter().filter_map(|row| row[y].number()).all(|value| value >= 0.0) {
        y_axis.range.low = Some(0.0);
    }
    if spec.log.as_deref().is_some_and(|log| log.contains('y')) {
        y_axis = Axis::log10(y_axis.label);
    }
    let more = if left_out > 0 { format!(" {left_out} more points not shown.") } else { String::new() };
    let figure = Figure {
        title: format!("{} over time", capital(&words(&quantity_of(&metric)))),
        subtitle: name.to_owned(),
        caption: format!("Replication {rep}.{more}"),
        panels: titles.iter().map(panel).collect(),
        x: Axis::linear("Time (s)"),
        y: y_axis,
        legend_title: spec.color.clone().filter(|color| color != "object").unwrap_or_default(),
        ..Figure::default()
    };
    Ok((format!("series-{metric}"), figure))
}

/// `facet`, then every parameter that varies, then the object, as far as they are not the colour: a line is of one thing in one run.
fn panel_columns(
    spec: &PlotSpec,
    params: &[String],
    frame: &Frame,
    color: usize,
) -> Result<Vec<(String, usize)>, LabError> {
    let rows = frame.select(&spec.only)?;
    let at =
        |name: &String| Some((name.clone(), frame.table.columns.iter().position(|column| column == name)?));
    let varies =
        |(_, at): &(String, usize)| *at != color && distinct(rows.iter().map(|row| &row[*at])).len() > 1;
    let mut apart = Vec::new();
    if let Some(facet) = &spec.facet {
        apart.push((facet.clone(), frame.column(facet, "facet")?));
    }
    let object = "object".to_owned();
    for column in params.iter().chain([&object]).filter_map(at).filter(varies) {
        if !apart.contains(&column) {
            apart.push(column);
        }
    }
    Ok(apart)
}
