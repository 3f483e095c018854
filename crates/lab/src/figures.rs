//! From what a script wants plotted and the results to a figure.

use crate::error::LabError;
use crate::frame::{Frame, distinct, one_kind};
use crate::params::{Kind, amount, measure, same};
use std::collections::{BTreeMap, BTreeSet};
use tidewire_metrics::{Summary, Value, label_of, quantity_of, unit_of};
use tidewire_plot::{Axis, BoxStats, Curve, Figure, Format, Marks, Panel, Point as Mark, Range, Scale};
use tidewire_script::PlotSpec;

/// A figure and the name of its file, without ending.
pub type Named = (String, Figure);

/// The figures of one entry of `plot`: one for each metric. Errors: a name that is no column.
pub fn figures_of(spec: &PlotSpec, frame: &Frame) -> Result<Vec<Named>, LabError> {
    spec.y.iter().map(|y| figure(spec, y, frame)).collect()
}

type Row = Vec<Value>;

/// Where a row stands on the horizontal axis.
struct Across {
    values: Vec<Value>,
    axis: Axis,
    /// Numbers times this are in the axis' unit; none for categories.
    scale: Option<f64>,
}

impl Across {
    fn place(&self, value: &Value) -> Option<f64> {
        match self.scale {
            Some(scale) => amount(value).map(|x| x * scale),
            None => self.values.iter().position(|known| same(known, value)).map(|at| at as f64),
        }
    }
}

fn figure(spec: &PlotSpec, y: &str, frame: &Frame) -> Result<Named, LabError> {
    let rows = frame.select(&spec.only)?;
    let y_at = frame.column(y, "y")?;
    let color = spec.color.as_deref().map(|name| frame.column(name, "color")).transpose()?;
    let facet = spec.facet.as_deref().map(|name| frame.column(name, "facet")).transpose()?;
    let cdf = spec.kind.as_deref() == Some("cdf");
    let x_name = spec.x.clone().unwrap_or_default();
    let x_at = if cdf { None } else { Some(frame.column(&x_name, "x")?) };
    let log = |axis: char| spec.log.as_deref().map(|log| log.contains(axis));
    // Bars and boxes stand side by side: they need room more than a scale.
    let beside = matches!(spec.kind.as_deref(), Some("bar" | "box"));
    let x = x_at.map(|at| across(&rows, at, &x_name, frame, log('x'), beside));
    let kind = spec.kind.clone().unwrap_or_else(|| {
        if x.as_ref().is_some_and(|x| x.scale.is_none()) { "bar" } else { "line" }.to_owned()
    });
    let colors = color.map_or_else(|| vec![Value::Nothing], |at| distinct(rows.iter().map(|row| &row[at])));
    let facets = facet.map_or_else(|| vec![Value::Nothing], |at| distinct(rows.iter().map(|row| &row[at])));
    let rep_at = frame.table.columns.iter().position(|column| column == "rep");
    let is = |row: &Row, at: Option<usize>, value: &Value| at.is_none_or(|at| same(&row[at], value));
    let unit = frame.units.get(y).map(String::as_str);
    let most = whole(y, unit, rows.iter().filter_map(|row| row[y_at].number_or_truth()));
    let panel = |facet_value: &Value| {
        let curve = |(style, color_value): (usize, &Value)| {
            let own: Vec<&Row> = rows
                .iter()
                .copied()
                .filter(|row| is(row, facet, facet_value) && is(row, color, color_value))
                .collect();
            let marks = marks(&kind, &own, (x_at, y_at, rep_at), x.as_ref(), most);
            let name = spec.color.as_deref().map(|name| said(name, color_value));
            Curve::new(name.unwrap_or_default(), style, marks)
        };
        let title = facet.map_or_else(String::new, |_| {
            format!("{} = {facet_value}", spec.facet.clone().unwrap_or_default())
        });
        Panel { title, curves: colors.iter().enumerate().map(curve).collect(), rules: Vec::new() }
    };
    let y_axis =
        y_axis(y, unit, rows.iter().filter_map(|row| row[y_at].number_or_truth()), log('y') == Some(true));
    let quantity = capital(&words(&quantity_of(y)));
    let mut figure = Figure {
        title: if cdf {
            quantity.clone()
        } else {
            // Two figures of one quantity differ by the rows that they show.
            let only = if spec.only.is_empty() {
                String::new()
            } else {
                format!(", {}", crate::params::shown(&spec.only))
            };
            format!("{quantity} against {}{only}", words(&quantity_of(&x_name)))
        },
        subtitle: frame.name.clone(),
        caption: caption(spec, &kind, frame, &rows, x_at, y_at, &[color, facet, x_at]),
        panels: facets.iter().map(panel).collect(),
        x: x.map_or_else(|| y_axis.clone(), |x| x.axis),
        y: y_axis,
        legend_title: words(&spec.color.clone().unwrap_or_default()),
        ..Figure::default()
    };
    if cdf {
        figure.x.range = Range::default();
        figure.y = Axis {
            label: "share of runs".into(),
            range: Range { low: Some(0.0), high: Some(1.0) },
            ..Axis::default()
        };
    }
    Ok((if cdf { format!("{y}-cdf") } else { format!("{x_name}-{y}") }, figure))
}

/// Numbers where all values are amounts of one kind, categories otherwise.
fn across(
    rows: &[&Row],
    at: usize,
    name: &str,
    frame: &Frame,
    log: Option<bool>,
    categories: bool,
) -> Across {
    let values = distinct(rows.iter().map(|row| &row[at]));
    let label = capital(&words(name));
    if !one_kind(&values) || categories {
        let axis = Axis::ordinal(label, values.iter().map(Value::to_string));
        return Across { values, axis, scale: None };
    }
    let amounts: Vec<f64> = values.iter().filter_map(amount).collect();
    let largest = amounts.iter().copied().fold(0.0, f64::max);
    let kind = values.first().and_then(|value| match value {
        Value::Text(text) => measure(text).map(|(kind, _)| kind),
        _ => None,
    });
    let (scale, label, format) = match kind {
        Some(Kind::Ratio) => (1.0, label, Format::Percent),
        Some(Kind::Seconds) if largest < 1.0 => (1e3, format!("{label} (ms)"), Format::Auto),
        Some(Kind::Seconds) => (1.0, format!("{label} (s)"), Format::Auto),
        Some(Kind::Bps) if largest < 1e9 => (1e-6, format!("{label} (Mbit/s)"), Format::Auto),
        Some(Kind::Bps) => (1e-9, format!("{label} (Gbit/s)"), Format::Auto),
        Some(Kind::Bytes) => (1.0, format!("{label} (B)"), Format::Si),
        Some(Kind::Bdp) => (1.0, format!("{label} (BDP)"), Format::Auto),
        Some(Kind::Packets) => (1.0, format!("{label} (packets)"), Format::Auto),
        None => (
            1.0,
            capital(&words(&label_of(
                name,
                frame.units.get(name).map(String::as_str).or_else(|| unit_of(name)),
            ))),
            Format::Auto,
        ),
    };
    let log = log.unwrap_or_else(|| looks_geometric(&amounts));
    let scale_of_axis = if log { Scale::Log10 } else { Scale::Linear };
    let ticks =
        if log && amounts.len() <= 12 { amounts.iter().map(|x| x * scale).collect() } else { Vec::new() };
    let axis = Axis { label, scale: scale_of_axis, format, ticks, range: Range::default() };
    Across { values, axis, scale: Some(scale) }
}

/// Values such as 0, 0.1, 0.5, 1, 2, 5, 10 would crowd at one end of a linear axis.
fn looks_geometric(ascending: &[f64]) -> bool {
    let positive: Vec<f64> = ascending.iter().copied().filter(|x| *x > 0.0).collect();
    let (Some(first), Some(last)) = (positive.first(), positive.last()) else { return false };
    let no_negative = ascending.first().is_some_and(|x| *x >= 0.0);
    no_negative && positive.len() >= 4 && last / first >= 30.0 && positive[positive.len() / 2] < 0.25 * last
}

fn y_axis(name: &str, unit: Option<&str>, values: impl Iterator<Item = f64>, log: bool) -> Axis {
    let all = Summary::of(values);
    let (min, max) = (all.min().unwrap_or(0.0), all.max().unwrap_or(0.0));
    let mut axis = Axis::linear(capital(&words(&label_of(name, unit))));
    if log {
        axis.scale = Scale::Log10;
    } else if min >= 0.0 && min <= 0.5 * max {
        axis.range.low = Some(0.0);
    }
    // A share does not go beyond the whole; a little room lets markers at it be seen.
    if !log && min >= 0.0 && (60.0..=100.0).contains(&max) && unit.or_else(|| unit_of(name)) == Some("%") {
        axis.range.high = Some(104.0);
    }
    axis
}

/// What no value can exceed: the whole, of shares.
fn whole(name: &str, unit: Option<&str>, values: impl Iterator<Item = f64>) -> f64 {
    let max = Summary::of(values).max().unwrap_or(0.0);
    if unit.or_else(|| unit_of(name)) == Some("%") && max <= 100.0 { 100.0 } else { f64::INFINITY }
}

/// What a curve is called: the value, or, of what is true or not, also what that is.
fn said(name: &str, value: &Value) -> String {
    match value {
        Value::Bool(true) => format!("{}: yes", words(name)),
        Value::Bool(false) => format!("{}: no", words(name)),
        other => other.to_string(),
    }
}

/// `at` are the columns of x, of y and of the replication; no interval goes beyond `most`.
fn marks(
    kind: &str,
    rows: &[&Row],
    at: (Option<usize>, usize, Option<usize>),
    across: Option<&Across>,
    most: f64,
) -> Marks {
    let (x_at, y_at, rep_at) = at;
    let (Some(x_at), Some(across)) = (x_at, across) else {
        return Marks::Cdf(rows.iter().filter_map(|row| row[y_at].number_or_truth()).collect());
    };
    let values = |x: &Value| {
        let at_x = rows.iter().filter(|row| same(&row[x_at], x));
        at_x.filter_map(|row| row[y_at].number_or_truth()).collect::<Vec<f64>>()
    };
    // Replications are what chance differs in: whatever else a mark pools is averaged within each.
    let by_rep = |x: &Value| {
        let Some(rep_at) = rep_at else { return values(x) };
        let mut reps: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for row in rows.iter().filter(|row| same(&row[x_at], x)) {
            let own = reps.entry(row[rep_at].to_string()).or_default();
            own.extend(row[y_at].number_or_truth());
        }
        reps.into_values().filter_map(|own| Summary::of(own).mean()).collect()
    };
    let mean = |x: &Value| {
        let s = Summary::of(by_rep(x));
        let (mean, ci) = (s.mean()?, s.ci95().unwrap_or(f64::NAN));
        // NaN, where there is no interval, stays.
        let high = if mean + ci > most { most } else { mean + ci };
        Some(Mark::with_interval(across.place(x)?, mean, mean - ci, high))
    };
    let means = || across.values.iter().filter_map(mean).collect();
    match kind {
        "box" => Marks::Boxes(
            across.values.iter().filter_map(|x| BoxStats::of(across.place(x)?, &values(x))).collect(),
        ),
        "bar" => Marks::Bars(means()),
        "dots" => Marks::Dots(means()),
        "scatter" => {
            let mark = |row: &&Row| {
                let (x, y) = (across.place(&row[x_at])?, row[y_at].number_or_truth()?);
                Some(Mark::with_interval(x, y, f64::NAN, f64::NAN))
            };
            Marks::Dots(rows.iter().filter_map(mark).collect())
        }
        _ => Marks::Line(means()),
    }
}

fn caption(
    spec: &PlotSpec,
    kind: &str,
    frame: &Frame,
    rows: &[&Row],
    x_at: Option<usize>,
    y_at: usize,
    shown: &[Option<usize>],
) -> String {
    let rep_at = frame.table.columns.iter().position(|column| column == "rep");
    let mut per_mark: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row[y_at].number_or_truth().is_some()) {
        let mark = shown.iter().flatten().map(|at| row[*at].to_string()).collect();
        per_mark.entry(mark).or_default().push(rep_at.map_or_else(String::new, |at| row[at].to_string()));
    }
    let range = |counts: BTreeSet<usize>| {
        let (least, most) = (counts.first().copied().unwrap_or(0), counts.last().copied().unwrap_or(0));
        (if least == most { format!("{most}") } else { format!("{least} to {most}") }, most)
    };
    let (n, most) = range(per_mark.values().map(Vec::len).collect());
    let independent = |reps: &Vec<String>| match rep_at {
        Some(_) => reps.iter().collect::<BTreeSet<_>>().len(),
        None => reps.len(),
    };
    let (reps, most_reps) = range(per_mark.values().map(independent).collect());
    let unit = if most_reps < most { "replications, each the average of its rows" } else { "runs" };
    let what = match kind {
        "cdf" => format!("Empirical distribution of {n} runs"),
        "scatter" => "One mark for each row".to_owned(),
        _ if most <= 1 => "One run of each point".to_owned(),
        "box" => format!("Quartiles of {n} runs; whiskers: last value within 1.5 interquartile ranges"),
        _ if most_reps <= 1 => format!("Mean of {n} values of one replication"),
        "bar" | "dots" => format!("Mean of {reps} {unit}; bars: 95 % confidence interval"),
        _ => format!("Mean of {reps} {unit}; band: 95 % confidence interval"),
    };
    let pooled = frame.params.iter().filter(|name| {
        let at = frame.table.columns.iter().position(|column| column == *name);
        let used = shown.contains(&at) || at == x_at || spec.only.iter().any(|(only, _)| only == *name);
        !used && at.is_some_and(|at| distinct(rows.iter().map(|row| &row[at])).len() > 1)
    });
    let pooled: Vec<&str> = pooled.map(String::as_str).collect();
    let only =
        if spec.only.is_empty() { String::new() } else { format!("; {}", crate::params::shown(&spec.only)) };
    let mut text = format!("{what}{only}.");
    if !pooled.is_empty() {
        text.push_str(&format!(" Pooled over {}.", pooled.join(", ")));
    }
    text
}

/// Words that are written in capitals.
const ACRONYMS: [&str; 22] = [
    "ack", "aqm", "arp", "bdp", "cpu", "dht", "dns", "ecn", "fct", "http", "ip", "mos", "mss", "mtu", "nat",
    "quic", "rto", "rtt", "tcp", "tls", "ttl", "udp",
];

/// A name of a script as words: `rtt_min` is `RTT min`; what is not lower case is the author's own and stays.
pub(crate) fn words(name: &str) -> String {
    let spaced = name.replace('_', " ");
    let word = |word: &str| match word {
        "cc" => "congestion control".to_owned(),
        "cwnd" => "congestion window".to_owned(),
        "ssthresh" => "slow-start threshold".to_owned(),
        "srtt" => "smoothed RTT".to_owned(),
        "rtts" => "RTTs".to_owned(),
        word if ACRONYMS.contains(&word) => word.to_uppercase(),
        word => word.to_owned(),
    };
    spaced.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire_metrics::Table;

    fn frame() -> Frame {
        let mut table = Table::new(["proto", "loss", "queue", "goodput_mbps", "status"]);
        for (rep, proto, loss) in (0..3).flat_map(|rep| {
            ["tcp", "udp"]
                .into_iter()
                .flat_map(move |p| ["0%", "0.1%", "1%", "2%", "10%"].map(|l| (rep, p, l)))
        }) {
            let y = 10.0 - amount(&loss.into()).unwrap() * 50.0 + f64::from(rep);
            table.push(vec![proto.into(), loss.into(), "1bdp".into(), Value::Float(y), "ok".into()]);
        }
        table.push(vec!["udp".into(), "0%".into(), "1bdp".into(), Value::Float(1e9), "failed".into()]);
        Frame {
            table,
            params: ["proto", "loss", "queue"].map(String::from).into(),
            name: "e".into(),
            ..Frame::default()
        }
    }

    fn spec(kind: Option<&str>) -> PlotSpec {
        PlotSpec {
            x: Some("loss".into()),
            y: vec!["goodput_mbps".into()],
            color: Some("proto".into()),
            kind: kind.map(String::from),
            ..PlotSpec::default()
        }
    }

    #[test]
    fn a_curve_per_colour_has_means_with_intervals_at_the_amounts() {
        let (name, figure) = figures_of(&spec(None), &frame()).unwrap().remove(0);
        assert_eq!(name, "loss-goodput_mbps");
        assert_eq!(
            (figure.x.label.as_str(), figure.x.format, &figure.x.scale),
            ("Loss", Format::Percent, &Scale::Log10)
        );
        assert_eq!(figure.y.label, "Goodput (Mbit/s)");
        assert_eq!(figure.caption, "Mean of 3 runs; band: 95 % confidence interval.");
        let curve = &figure.panels[0].curves[1];
        assert_eq!((curve.name.as_str(), curve.style), ("udp", 1));
        let Marks::Line(points) = &curve.marks else { panic!("{curve:?}") };
        assert_eq!(points.iter().map(|p| p.x).collect::<Vec<_>>(), [0.0, 0.001, 0.01, 0.02, 0.1]);
        // 10, 11, 12: t(0.975, 2) / sqrt(3) = 2.4841.
        assert!((points[0].y - 11.0).abs() < 1e-12 && (points[0].high - 13.4841).abs() < 1e-4, "{points:?}");
    }

    #[test]
    fn what_is_pooled_over_a_parameter_is_averaged_within_each_replication() {
        let mut table = Table::new(["rep", "x", "q", "y_ms"]);
        for (rep, q) in [(1, 0.0), (2, 0.0), (3, 0.0), (1, 100.0), (2, 100.0), (3, 100.0)] {
            let y = q + f64::from(rep);
            table.push(vec![Value::Int(rep.into()), Value::Int(1), Value::Float(q), Value::Float(y)]);
        }
        let frame = Frame {
            table,
            params: ["x", "q"].map(String::from).into(),
            name: "e".into(),
            ..Frame::default()
        };
        let spec = PlotSpec {
            x: Some("x".into()),
            y: vec!["y_ms".into()],
            kind: Some("dots".into()),
            ..PlotSpec::default()
        };
        let figure = figures_of(&spec, &frame).unwrap().remove(0).1;
        let Marks::Dots(points) = &figure.panels[0].curves[0].marks else { panic!("{figure:?}") };
        // 51, 52, 53: t(0.975, 2) / sqrt(3) = 2.4841.
        assert!((points[0].y - 52.0).abs() < 1e-12 && (points[0].high - 54.4841).abs() < 1e-4, "{points:?}");
        let caption = "Mean of 3 replications, each the average of its rows; bars: 95 % confidence interval. Pooled over q.";
        assert_eq!(figure.caption, caption);
    }

    #[test]
    fn boxes_bars_and_distributions_are_other_views_of_the_same_rows() {
        let marks = |kind| {
            figures_of(&spec(Some(kind)), &frame()).unwrap().remove(0).1.panels[0].curves[0].marks.clone()
        };
        assert!(matches!(marks("box"), Marks::Boxes(boxes) if boxes.len() == 5 && boxes[0].median == 11.0));
        assert!(matches!(marks("bar"), Marks::Bars(bars) if bars.len() == 5));
        assert!(matches!(marks("cdf"), Marks::Cdf(samples) if samples.len() == 15));
    }

    #[test]
    fn words_on_the_axis_are_categories_with_bars() {
        let spec =
            PlotSpec { x: Some("proto".into()), color: None, facet: Some("loss".into()), ..spec(None) };
        let figure = figures_of(&spec, &frame()).unwrap().remove(0).1;
        assert_eq!(figure.x.scale, Scale::Ordinal(vec!["tcp".into(), "udp".into()]));
        assert_eq!(figure.panels.len(), 5);
        assert_eq!(figure.panels[1].title, "loss = 0.1%");
        assert!(matches!(&figure.panels[0].curves[0].marks, Marks::Bars(bars) if bars.len() == 2));
    }

    #[test]
    fn acronyms_are_written_in_capitals_and_words_begin_with_one_only_in_front() {
        assert_eq!(capital(&words("rtt_min")), "RTT min");
        assert_eq!(capital(&words("mos")), "MOS");
        assert_eq!(capital(&words("delay p95 (ms)")), "Delay p95 (ms)");
        assert_eq!(words("cc"), "congestion control");
        assert_eq!(capital(&words("goodput (Mbit/s)")), "Goodput (Mbit/s)");
    }

    #[test]
    fn shares_have_bands_up_to_the_whole_and_truths_say_what_of() {
        let mut table = Table::new(["rep", "x", "seed_dies", "done_pct"]);
        for (rep, dies) in (0..3).flat_map(|rep| [(rep, true), (rep, false)]) {
            let y = if dies { 98.0 + f64::from(rep) } else { f64::from(rep) };
            table.push(vec![Value::Int(rep.into()), Value::Int(1), Value::Bool(dies), Value::Float(y)]);
        }
        let frame = Frame { table, name: "e".into(), ..Frame::default() };
        let spec = PlotSpec {
            x: Some("x".into()),
            y: vec!["done_pct".into()],
            color: Some("seed_dies".into()),
            kind: Some("dots".into()),
            only: vec![("x".into(), Value::Int(1))],
            ..PlotSpec::default()
        };
        let figure = figures_of(&spec, &frame).unwrap().remove(0).1;
        assert_eq!(figure.title, "Done against x, x=1");
        let curves = &figure.panels[0].curves;
        let names: Vec<&str> = curves.iter().map(|curve| curve.name.as_str()).collect();
        assert_eq!(names, ["seed dies: yes", "seed dies: no"]);
        let Marks::Dots(points) = &curves[0].marks else { panic!("{curves:?}") };
        // 98, 99, 100: the interval would end at 101.5; at its other end it is whole.
        assert!(points[0].high == 100.0 && (points[0].low - 96.5159).abs() < 1e-4, "{points:?}");
    }

    #[test]
    fn an_unknown_column_is_an_error_with_a_suggestion() {
        let spec = PlotSpec { y: vec!["godput_mbps".into()], ..spec(None) };
        let error = figures_of(&spec, &frame()).unwrap_err().to_string();
        assert!(error.ends_with("did you mean 'goodput_mbps'?"), "{error}");
    }

    #[test]
    fn only_values_that_crowd_on_a_linear_axis_are_logarithmic_by_themselves() {
        assert!(looks_geometric(&[0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1]));
        assert!(looks_geometric(&[2.0, 5.0, 10.0, 20.0, 50.0, 100.0]));
        assert!(!looks_geometric(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]));
        assert!(!looks_geometric(&[1.0, 100.0]));
        assert!(!looks_geometric(&[]));
    }
}
