//! Curves as lines, bands, error bars and markers on the page.

use crate::data::{FEW_POINTS, ascending};
use crate::geom::{Obstacles, Point2, Rect, thin, thin_cloud};
use crate::labels::each_label;
use crate::model::*;
use crate::scale::Ruler;

/// Markers beyond this number carry no text on hovering.
const MOST_HINTS: usize = 200;

/// Loose points beyond this number become small dots.
const MOST_MARKERS: usize = 300;

/// Cells into which a frame is divided at most when loose points are thinned.
const CLOUD_CELLS: f64 = 15_000.0;

/// A panel's frame with its two rulers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub figure: &'a Figure,
    pub frame: Rect,
    pub x: Ruler,
    pub y: Ruler,
    pub em: f64,
}

impl Place<'_> {
    pub(crate) fn at(&self, x: f64, y: f64) -> Option<Point2> {
        Some((self.x.at(x)?, self.y.at(y)?))
    }

    /// The width of the columns into which long series are thinned.
    pub(crate) fn column(&self) -> f64 {
        (self.frame.width() / 900.0).max(0.35)
    }

    /// A text such as `tcp: 0.1 %, 9.3 (9.1 to 9.5)`.
    pub(crate) fn hint(&self, name: &str, x: f64, y: f64, low: f64, high: f64) -> String {
        let x = match &self.figure.x.scale {
            Scale::Ordinal(labels) if x >= 0.0 => labels.get(x as usize).cloned().unwrap_or_default(),
            _ => each_label(x, self.figure.x.format),
        };
        let write = |v: f64| each_label(v, self.figure.y.format);
        let name = if name.is_empty() { String::new() } else { format!("{name}: ") };
        if low.is_finite() && high.is_finite() {
            format!("{name}{x}, {} ({} to {})", write(y), write(low), write(high))
        } else {
            format!("{name}{x}, {}", write(y))
        }
    }
}

/// A marker and its text on hovering.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub at: Point2,
    pub hint: String,
}

/// A box or bar.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub rect: Rect,
    pub hint: String,
}

/// A curve in positions on the page, all of them inside the frame.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drawn {
    pub style: usize,
    pub dashed: bool,
    pub lines: Vec<Vec<Point2>>,
    /// From the place for zero to the first point beyond the break.
    pub links: Vec<Vec<Point2>>,
    pub bands: Vec<Vec<Point2>>,
    /// Error bars and whiskers, with caps of this half width.
    pub whiskers: Vec<(Point2, Point2)>,
    pub cap: f64,
    pub blocks: Vec<Block>,
    pub medians: Vec<Vec<Point2>>,
    pub markers: Vec<Mark>,
    pub dots: Vec<Point2>,
}

impl Drawn {
    /// Where the line ends on the right.
    pub(crate) fn end(&self) -> Option<Point2> {
        let line = self.lines.last().and_then(|run| run.last());
        let marker = self.markers.last().map(|m| &m.at);
        line.into_iter().chain(marker).copied().max_by(|a, b| a.0.total_cmp(&b.0))
    }

    pub(crate) fn stand_in_the_way(&self, obstacles: &mut Obstacles, em: f64) {
        obstacles.lines.extend(self.lines.iter().chain(&self.links).chain(&self.medians).cloned());
        obstacles.lines.extend(self.whiskers.iter().map(|(a, b)| vec![*a, *b]));
        obstacles.areas.extend(self.bands.iter().cloned());
        obstacles.boxes.extend(self.blocks.iter().map(|b| b.rect));
        let around = |p: Point2, r: f64| Rect::new(p.0, p.1, p.0, p.1).grown(r);
        obstacles.boxes.extend(self.markers.iter().map(|m| around(m.at, em * 0.4)));
        obstacles.boxes.extend(self.dots.iter().map(|p| around(*p, em * 0.15)));
    }
}

/// A curve of any kind except boxes and bars. Alone in its panel it needs no markers on a long line.
pub(crate) fn trace(curve: &Curve, place: &Place, alone: bool) -> Drawn {
    let mut drawn = Drawn { style: curve.style, cap: place.em * 0.25, ..Drawn::default() };
    match &curve.marks {
        Marks::Line(points) => line(&mut drawn, &curve.name, points, place, alone),
        Marks::Dots(points) => dots(&mut drawn, &curve.name, points, place),
        Marks::Series(points) => {
            let points = ascending(points, |p| p.0);
            let path: Vec<_> = points.iter().map(|p| place.at(p.0, p.1)).collect();
            long_line(&mut drawn, &path, place, alone);
        }
        Marks::Step(points) => {
            let points = ascending(points, |p| p.0);
            let mut path = Vec::with_capacity(points.len() * 2);
            for (i, &(x, y)) in points.iter().enumerate() {
                path.push(place.at(x, y));
                if let Some(next) = points.get(i + 1) {
                    path.push(place.at(next.0, y));
                }
            }
            long_line(&mut drawn, &path, place, alone);
        }
        Marks::Cdf(samples) => {
            let samples = ascending(samples, |v| *v);
            let n = samples.len() as f64;
            let corner =
                |(i, v): (usize, &f64)| [place.at(*v, i as f64 / n), place.at(*v, (i + 1) as f64 / n)];
            let path: Vec<_> = samples.iter().enumerate().flat_map(corner).collect();
            long_line(&mut drawn, &path, place, true);
            drawn.dashed = true;
        }
        Marks::Boxes(_) | Marks::Bars(_) => {}
    }
    drawn
}

fn line(drawn: &mut Drawn, name: &str, points: &[Point], place: &Place, alone: bool) {
    let points = ascending(points, |p| p.x);
    let at_zero = |p: &Point| p.x == 0.0 && place.x.has_slot();
    let (zeros, rest): (Vec<&Point>, Vec<&Point>) = points.iter().partition(|p| at_zero(p));
    let path: Vec<_> = rest.iter().map(|p| place.at(p.x, p.y)).collect();
    if rest.len() > FEW_POINTS {
        long_line(drawn, &path, place, alone);
    } else {
        drawn.lines = place.frame.clip_run(&path);
        drawn.dashed = true;
        mark_all(drawn, name, &rest, place);
    }
    bands(drawn, &rest, place);
    let first = path.first().copied().flatten();
    for zero in zeros {
        mark_all(drawn, name, &[zero], place);
        whisker(drawn, zero, place);
        if let (Some(a), Some(b)) = (place.at(zero.x, zero.y), first) {
            drawn.links.extend(place.frame.clip_line(a, b).map(|(a, b)| vec![a, b]));
        }
    }
}

fn dots(drawn: &mut Drawn, name: &str, points: &[Point], place: &Place) {
    let points = ascending(points, |p| p.x);
    let points: Vec<&Point> = points.iter().collect();
    if points.len() <= MOST_MARKERS {
        mark_all(drawn, name, &points, place);
        points.iter().for_each(|p| whisker(drawn, p, place));
        return;
    }
    let inside = |p: &&Point| place.at(p.x, p.y).filter(|p| place.frame.contains(*p));
    let cloud: Vec<Point2> = points.iter().filter_map(inside).collect();
    let cell = (place.frame.width() * place.frame.height() / CLOUD_CELLS).sqrt().max(0.4);
    drawn.dots = thin_cloud(&cloud, cell);
}

fn mark_all(drawn: &mut Drawn, name: &str, points: &[&Point], place: &Place) {
    for p in points {
        if let Some(at) = place.at(p.x, p.y).filter(|at| place.frame.grown(0.01).contains(*at)) {
            let silent = points.len() > MOST_HINTS;
            let hint = if silent { String::new() } else { place.hint(name, p.x, p.y, p.low, p.high) };
            drawn.markers.push(Mark { at, hint });
        }
    }
}

/// The error bar of a point, cut at the frame.
pub(crate) fn whisker(drawn: &mut Drawn, p: &Point, place: &Place) {
    let Some(x) = place.x.at(p.x) else { return };
    if p.has_interval() && p.low < p.high {
        let ends = ((x, place.y.at_or_floor(p.low)), (x, place.y.at_or_floor(p.high)));
        drawn.whiskers.extend(place.frame.clip_line(ends.0, ends.1));
    }
}

/// Shaded areas over stretches of points with intervals; a single such point gets an error bar.
fn bands(drawn: &mut Drawn, points: &[&Point], place: &Place) {
    let shown = |p: &Point| p.has_interval() && place.at(p.x, p.y).is_some();
    let mut rest = points;
    while !rest.is_empty() {
        let gap = rest.iter().take_while(|p| !shown(p)).count();
        let stretch = rest[gap..].iter().take_while(|p| shown(p)).count();
        let stretch_points = &rest[gap..gap + stretch];
        rest = &rest[gap + stretch..];
        match stretch_points {
            [] => {}
            [single] => whisker(drawn, single, place),
            many => {
                let edge = |end: fn(&Point) -> f64| -> Vec<Point2> {
                    let at = |p: &&Point| (place.x.at_or_floor(p.x), place.y.at_or_floor(end(p)));
                    thin(&many.iter().map(at).collect::<Vec<_>>(), place.column())
                };
                let mut outline = edge(|p| p.high);
                outline.extend(edge(|p| p.low).into_iter().rev());
                let clipped = place.frame.clip_polygon(&outline);
                drawn.bands.extend((clipped.len() > 2).then_some(clipped));
            }
        }
    }
}

/// A solid line, thinned, with a few markers so that it can be told apart in grey.
fn long_line(drawn: &mut Drawn, path: &[Option<Point2>], place: &Place, alone: bool) {
    let runs = place.frame.clip_run(path);
    drawn.lines = runs.iter().map(|run| thin(run, place.column())).collect();
    if runs.is_empty() {
        // A single point has no line: it is shown by its marker.
        let single = path.iter().flatten().find(|p| place.frame.contains(**p));
        drawn.markers.extend(single.map(|at| Mark { at: *at, hint: String::new() }));
        return;
    }
    if alone {
        return;
    }
    let points: Vec<Point2> = drawn.lines.iter().flatten().copied().collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
    let spacing = (place.frame.width() / 8.0).max(place.em * 2.0);
    // Shifted by style, so that the markers of curves that run together do not hide each other.
    let mut next = first.0 + spacing * (0.3 + 0.23 * (drawn.style % 4) as f64);
    for p in &points {
        if p.0 >= next && p.0 <= last.0 {
            drawn.markers.push(Mark { at: *p, hint: String::new() });
            next += spacing * ((p.0 - next) / spacing).floor() + spacing;
        }
    }
}
