//! Looks over the data of a figure: what the axes must cover, what the legend must name, what is there to say.

use std::borrow::Cow;

use crate::labels::each_label;
use crate::model::*;
use crate::scale::{Domain, Extent, Slack, usable};

/// A curve as the legend names it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub name: String,
    pub style: usize,
    pub glyph: Glyph,
}

/// The sample a legend shows for a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Glyph {
    Line,
    LineWithMarker,
    DashWithMarker,
    Marker,
    Box,
}

/// Points beyond this number are joined by a solid line with few markers instead of dashes with all.
pub(crate) const FEW_POINTS: usize = 40;

/// The entries of the legend in order of appearance.
pub(crate) fn entries(figure: &Figure) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for curve in figure.panels.iter().flat_map(|p| &p.curves).filter(|c| !c.name.is_empty()) {
        let glyph = match &curve.marks {
            Marks::Line(points) if points.len() <= FEW_POINTS => Glyph::DashWithMarker,
            Marks::Line(_) | Marks::Series(_) | Marks::Step(_) => Glyph::LineWithMarker,
            Marks::Cdf(_) => Glyph::Line,
            Marks::Dots(_) => Glyph::Marker,
            Marks::Boxes(_) | Marks::Bars(_) => Glyph::Box,
        };
        if !entries.iter().any(|e| e.name == curve.name && e.style == curve.style) {
            entries.push(Entry { name: curve.name.clone(), style: curve.style, glyph });
        }
    }
    entries
}

/// The ranges of both axes over all panels.
pub(crate) fn domains(figure: &Figure) -> (Domain, Domain) {
    let (mut x, mut y) = (Extent::nothing(), Extent::nothing());
    let (mut markers, mut blocks, mut only_cdf) = (false, false, true);
    for panel in &figure.panels {
        for curve in &panel.curves {
            add_curve(&curve.marks, &mut x, &mut y);
            only_cdf &= matches!(curve.marks, Marks::Cdf(_));
            markers |= match &curve.marks {
                Marks::Line(points) => points.len() <= FEW_POINTS,
                Marks::Dots(_) => true,
                _ => false,
            };
            blocks |= matches!(curve.marks, Marks::Boxes(_) | Marks::Bars(_));
        }
        for rule in &panel.rules {
            match rule.on {
                On::X => x.add_end(rule.at),
                On::Y => y.add_end(rule.at),
            }
        }
    }
    if blocks && figure.x.scale == Scale::Linear {
        let half = least_gap(figure) / 2.0;
        let (low, high) = (x.low - half, x.high + half);
        x.add_end(low);
        x.add_end(high);
    }
    let side = if blocks && figure.x.scale == Scale::Log10 {
        0.12
    } else if markers {
        0.035
    } else {
        0.0
    };
    let x_slack = Slack { below: side, above: side, from_zero: if blocks { 0.0 } else { 0.15 } };
    let y_slack = if only_cdf {
        Slack { below: 0.0, above: 0.02, from_zero: 0.5 }
    } else {
        Slack { below: 0.06, above: 0.06, from_zero: 0.5 }
    };
    (Domain::of(&figure.x, &x, x_slack), Domain::of(&figure.y, &y, y_slack))
}

fn add_curve(marks: &Marks, x: &mut Extent, y: &mut Extent) {
    match marks {
        Marks::Line(points) | Marks::Dots(points) => {
            for p in points.iter().filter(|p| usable(p.x)) {
                x.add(p.x);
                y.add(p.y);
                add_interval(p, y);
            }
        }
        Marks::Series(points) | Marks::Step(points) => {
            for &(px, py) in points.iter().filter(|p| usable(p.0)) {
                x.add(px);
                y.add(py);
            }
        }
        Marks::Cdf(samples) => {
            samples.iter().for_each(|v| x.add(*v));
            y.add_end(0.0);
            y.add_end(1.0);
            y.add_end(1.0 / samples.len().max(1) as f64);
        }
        Marks::Boxes(boxes) => {
            for b in boxes.iter().filter(|b| usable(b.x)) {
                x.add(b.x);
                let ends = [b.low, b.q1, b.median, b.q3, b.high];
                ends.iter().chain(&b.outliers).for_each(|v| y.add_end(*v));
            }
        }
        Marks::Bars(points) => {
            y.add_end(0.0);
            for p in points.iter().filter(|p| usable(p.x)) {
                x.add(p.x);
                y.add_end(p.y);
                add_interval(p, y);
            }
        }
    }
}

fn add_interval(p: &Point, y: &mut Extent) {
    if p.has_interval() {
        y.add_end(p.low);
        y.add_end(p.high);
    }
}

/// The least distance between two places of boxes or bars; 1 when there is none.
fn least_gap(figure: &Figure) -> f64 {
    let mut places = Vec::new();
    for curve in figure.panels.iter().flat_map(|p| &p.curves) {
        match &curve.marks {
            Marks::Bars(points) => places.extend(points.iter().map(|p| p.x)),
            Marks::Boxes(boxes) => places.extend(boxes.iter().map(|b| b.x)),
            _ => {}
        }
    }
    places.retain(|v| usable(*v));
    places.sort_by(f64::total_cmp);
    let gaps = places.windows(2).map(|w| w[1] - w[0]).filter(|gap| *gap > 0.0);
    let least = gaps.fold(f64::INFINITY, f64::min);
    if least.is_finite() { least } else { 1.0 }
}

/// The same items in ascending order of a key, without those that have no usable key.
pub(crate) fn ascending<T: Clone>(items: &[T], key: impl Fn(&T) -> f64) -> Cow<'_, [T]> {
    let in_order = items.windows(2).all(|w| key(&w[0]) <= key(&w[1]));
    if in_order && items.iter().all(|item| usable(key(item))) {
        return Cow::Borrowed(items);
    }
    let mut sorted: Vec<T> = items.iter().filter(|item| usable(key(item))).cloned().collect();
    sorted.sort_by(|a, b| key(a).total_cmp(&key(b)));
    Cow::Owned(sorted)
}

/// What a reader who cannot see the figure should know.
pub(crate) fn description(figure: &Figure) -> String {
    let mut text = String::new();
    let mut say = |sentence: String| {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(sentence.trim());
        text.push('.');
    };
    if !figure.subtitle.trim().is_empty() {
        say(figure.subtitle.clone());
    }
    say(format!("{} against {}", named(&figure.y.label, "y"), named(&figure.x.label, "x")));
    for panel in &figure.panels {
        let of = if panel.title.is_empty() { String::new() } else { format!("{}: ", panel.title) };
        for curve in &panel.curves {
            let (mut x, mut y) = (Extent::nothing(), Extent::nothing());
            add_curve(&curve.marks, &mut x, &mut y);
            let name = named(&curve.name, "data");
            let write = |v: f64| each_label(v, figure.y.format);
            say(match (&curve.marks, count(&curve.marks)) {
                (_, 0) => format!("{of}{name}: no data"),
                (Marks::Cdf(_), n) => {
                    let write = |v: f64| each_label(v, figure.x.format);
                    format!("{of}{name}: {n} samples from {} to {}", write(x.low), write(x.high))
                }
                (_, n) => format!("{of}{name}: {n} values from {} to {}", write(y.low), write(y.high)),
            });
        }
    }
    if !figure.caption.trim().is_empty() {
        say(figure.caption.clone());
    }
    text
}

fn named<'a>(name: &'a str, otherwise: &'a str) -> &'a str {
    if name.trim().is_empty() { otherwise } else { name }
}

/// How many values a curve shows.
pub(crate) fn count(marks: &Marks) -> usize {
    let both = |p: &&(f64, f64)| usable(p.0) && usable(p.1);
    match marks {
        Marks::Line(points) | Marks::Dots(points) | Marks::Bars(points) => {
            points.iter().filter(|p| usable(p.x) && usable(p.y)).count()
        }
        Marks::Series(points) | Marks::Step(points) => points.iter().filter(both).count(),
        Marks::Cdf(samples) => samples.iter().filter(|v| usable(**v)).count(),
        Marks::Boxes(boxes) => boxes.iter().filter(|b| usable(b.x) && usable(b.median)).count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_of_equal_name_and_style_share_an_entry() {
        let curve = |name: &str, style| Curve::new(name, style, Marks::Cdf(vec![1.0]));
        let panel = |curves| Panel { curves, ..Panel::default() };
        let panels =
            vec![panel(vec![curve("a", 0), curve("b", 1)]), panel(vec![curve("a", 0), curve("", 2)])];
        let figure = Figure { panels, ..Figure::default() };
        let names: Vec<String> = entries(&figure).into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn the_description_names_axes_curves_and_ranges() {
        let curve = Curve::new("tcp", 0, Marks::Line(vec![Point::new(0.0, 2.5), Point::new(1.0, 9.0)]));
        let empty = Curve::new("udp", 1, Marks::Line(vec![Point::new(0.0, f64::NAN)]));
        let figure = Figure::single("t", Axis::linear("Loss"), Axis::linear("Goodput"), vec![curve, empty]);
        assert_eq!(description(&figure), "Goodput against Loss. tcp: 2 values from 2.5 to 9. udp: no data.");
    }
}
