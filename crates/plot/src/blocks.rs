//! Boxes and bars: curves share the width of a place on the x axis side by side.

use crate::data::ascending;
use crate::geom::{Point2, Rect, thin_cloud};
use crate::model::*;
use crate::trace::{Block, Drawn, Mark, Place, whisker};

/// The share of the distance between places that is filled.
const FILLED: f64 = 0.8;

/// Which curves of a figure stand side by side, as `(name, style)`.
pub(crate) fn seats(figure: &Figure) -> Vec<(String, usize)> {
    let mut seats = Vec::new();
    for curve in figure.panels.iter().flat_map(|p| &p.curves) {
        let seat = (curve.name.clone(), curve.style);
        if matches!(curve.marks, Marks::Boxes(_) | Marks::Bars(_)) && !seats.contains(&seat) {
            seats.push(seat);
        }
    }
    seats
}

/// The least distance on the page between the places of boxes and bars in a panel.
pub(crate) fn pitch(panel: &Panel, place: &Place) -> f64 {
    let mut at = Vec::new();
    for curve in &panel.curves {
        match &curve.marks {
            Marks::Bars(points) => at.extend(points.iter().filter_map(|p| place.x.at(p.x))),
            Marks::Boxes(boxes) => at.extend(boxes.iter().filter_map(|b| place.x.at(b.x))),
            _ => {}
        }
    }
    at.sort_by(f64::total_cmp);
    let gaps = at.windows(2).map(|w| w[1] - w[0]).filter(|gap| *gap > 0.01);
    let ordinal = match &place.figure.x.scale {
        Scale::Ordinal(labels) => place.frame.width() / labels.len().max(1) as f64,
        _ => place.frame.width() / 3.0,
    };
    gaps.fold(ordinal, f64::min)
}

/// The boxes or bars of a curve that sits on `seat` of `seats`.
pub(crate) fn blocks(curve: &Curve, place: &Place, pitch: f64, seat: usize, seats: usize) -> Drawn {
    let mut drawn = Drawn { style: curve.style, ..Drawn::default() };
    let width = (pitch * FILLED / seats.max(1) as f64).min(place.em * 4.5);
    let inner = if seats > 1 { width * 0.88 } else { width };
    let shift = (seat as f64 - (seats.max(1) - 1) as f64 / 2.0) * width;
    let center = |x: f64| {
        let at = place.x.at(x)? + shift;
        (at >= place.frame.left - 0.01 && at <= place.frame.right + 0.01).then_some(at)
    };
    // What falls on the block before cannot be seen, and a million of them would fill the file.
    let apart = |drawn: &Drawn, x: f64| drawn.blocks.last().is_none_or(|b| x - b.rect.center().0 > 0.1);
    drawn.cap = (inner * 0.25).min(place.em * 0.35);
    match &curve.marks {
        Marks::Bars(points) => {
            for p in ascending(points, |p| p.x).iter() {
                if let Some(x) = center(p.x).filter(|x| apart(&drawn, *x)) {
                    bar(&mut drawn, &curve.name, p, place, x, inner);
                }
            }
        }
        Marks::Boxes(boxes) => {
            for b in ascending(boxes, |b| b.x).iter() {
                if let Some(x) = center(b.x).filter(|x| apart(&drawn, *x)) {
                    one_box(&mut drawn, &curve.name, b, place, x, inner);
                }
            }
        }
        _ => {}
    }
    drawn
}

fn bar(drawn: &mut Drawn, name: &str, p: &Point, place: &Place, x: f64, width: f64) {
    if place.y.at(p.y).is_none() {
        return;
    }
    let rect = upright(place, x, width, place.y.at_or_floor(0.0), place.y.at_or_floor(p.y));
    drawn.blocks.push(Block { rect, hint: place.hint(name, p.x, p.y, p.low, p.high) });
    let before = drawn.whiskers.len();
    whisker(drawn, p, place);
    for (a, b) in &mut drawn.whiskers[before..] {
        (a.0, b.0) = (x, x);
    }
}

fn one_box(drawn: &mut Drawn, name: &str, b: &BoxStats, place: &Place, x: f64, width: f64) {
    let usable = [b.low, b.q1, b.median, b.q3, b.high].iter().all(|v| v.is_finite());
    if !usable || (place.y.at(b.high).is_none() && b.high != 0.0) {
        return;
    }
    let at = |v: f64| place.y.at_or_floor(v);
    let rect = upright(place, x, width, at(b.q1), at(b.q3));
    drawn.blocks.push(Block { rect, hint: place.hint(name, b.x, b.median, b.q1, b.q3) });
    for (from, to) in [(b.q1, b.low), (b.q3, b.high)] {
        drawn.whiskers.extend(place.frame.clip_line((x, at(from)), (x, at(to))));
    }
    let median = ((rect.left, at(b.median)), (rect.right, at(b.median)));
    drawn.medians.extend(place.frame.clip_line(median.0, median.1).map(|(a, b)| vec![a, b]));
    let beyond = b.outliers.iter().filter_map(|v| Some((x, place.y.at(*v)?)));
    let beyond: Vec<Point2> = beyond.filter(|p| place.frame.contains(*p)).collect();
    let beyond = thin_cloud(&beyond, place.column().max(0.5));
    drawn.markers.extend(beyond.into_iter().map(|at| Mark { at, hint: String::new() }));
}

/// A rectangle around `x` between two heights, cut at the frame.
fn upright(place: &Place, x: f64, width: f64, a: f64, b: f64) -> Rect {
    let frame = &place.frame;
    let inside = |y: f64| y.clamp(frame.top, frame.bottom);
    let (left, right) = ((x - width / 2.0).max(frame.left), (x + width / 2.0).min(frame.right));
    Rect::new(left.min(right), inside(a.min(b)), right, inside(a.max(b)))
}
