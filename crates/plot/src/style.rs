//! Colours, dashes, markers and hatches. Colours are those of Okabe and Ito without yellow, which vanishes
//! on white, with a wine red of Tol and a grey. Colour, dash and marker repeat after different counts, so that curves differ in grey too.

use std::fmt::Write;

use crate::geom::{Point2, Rect};
use crate::svg::{Pen, Svg, number};

/// Text.
pub(crate) const INK: &str = "#222222";
/// Text of less weight, axis lines.
pub(crate) const SOFT: &str = "#555555";
/// Grid lines.
pub(crate) const GRID: &str = "#e3e3e3";
/// Paper.
pub(crate) const PAPER: &str = "#ffffff";

const COLORS: [&str; 9] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#882255", "#8c8c8c"];

const DASHES: [&[f64]; 5] = [&[], &[4.0, 2.0], &[1.2, 1.6], &[6.0, 1.8, 1.2, 1.8], &[8.0, 2.0]];

/// Number of markers and of hatches.
const SHAPES: usize = 8;

pub(crate) fn color(style: usize) -> &'static str {
    COLORS[style % COLORS.len()]
}

pub(crate) fn dash(style: usize) -> &'static [f64] {
    DASHES[style % DASHES.len()]
}

/// Path data of the marker of a style, of this radius.
pub(crate) fn marker(style: usize, (x, y): Point2, r: f64) -> String {
    let polygon = |points: &[Point2]| {
        let mut data = String::new();
        for (i, (dx, dy)) in points.iter().enumerate() {
            let letter = if i == 0 { 'M' } else { 'L' };
            let _ = write!(data, "{letter}{} {}", number(x + dx * r), number(y + dy * r));
        }
        data + "Z"
    };
    match style % SHAPES {
        0 => {
            let (r2, d) = (number(r), number(2.0 * r));
            format!("M{} {}a{r2} {r2} 0 1 0 {d} 0a{r2} {r2} 0 1 0 -{d} 0Z", number(x - r), number(y))
        }
        1 => polygon(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        2 => polygon(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
        3 => polygon(&[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)]),
        4 => polygon(&[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)]),
        5 => plus(&polygon, false),
        6 => polygon(&[(-1.2, 0.0), (0.8, -1.1), (0.8, 1.1)]),
        _ => plus(&polygon, true),
    }
}

/// A thick cross, upright or turned by 45 degrees.
fn plus(polygon: &dyn Fn(&[Point2]) -> String, turned: bool) -> String {
    let (long, thick) = (1.25, 0.42);
    let mut points = Vec::with_capacity(12);
    for (dx, dy) in [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)] {
        // The arm toward (dx, dy): its two outer corners, then the inner corner to the next arm.
        let (px, py) = (-dy, dx);
        points.push((dx * long - px * thick, dy * long - py * thick));
        points.push((dx * long + px * thick, dy * long + py * thick));
        points.push((dx * thick + px * thick, dy * thick + py * thick));
    }
    if turned {
        let half = std::f64::consts::FRAC_1_SQRT_2;
        for p in &mut points {
            *p = ((p.0 - p.1) * half, (p.0 + p.1) * half);
        }
    }
    polygon(&points)
}

/// Fills a box in the manner of a style: pale colour, hatch, outline.
pub(crate) fn fill_box(svg: &mut Svg, style: usize, r: &Rect, em: f64) {
    let color = color(style);
    let corners =
        [(r.left, r.top), (r.right, r.top), (r.right, r.bottom), (r.left, r.bottom), (r.left, r.top)];
    let opacity = if style.is_multiple_of(SHAPES) { 0.75 } else { 0.3 };
    // Paper first, or the grid would show through.
    svg.area(&corners[..4], PAPER, 1.0);
    svg.area(&corners[..4], color, opacity);
    svg.path(&hatch(style, r, em * 0.55), &Pen::solid(color, em * 0.07));
    svg.path(&[corners.to_vec()], &Pen::solid(color, em * 0.1));
}

/// The hatch lines of a style inside a box.
fn hatch(style: usize, r: &Rect, gap: f64) -> Vec<Vec<Point2>> {
    if gap <= 0.0 || r.width() <= 0.0 || r.height() <= 0.0 || r.width() + r.height() > 4000.0 * gap {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let (w, h) = (r.width(), r.height());
    let mut add = |slope: f64, gap: f64| {
        // Anchored at the lower left corner, so that boxes of one base line look alike.
        let mut at = gap / 2.0;
        while at < w + h {
            let (a, b) = if slope > 0.0 {
                ((r.left + at - h, r.bottom - h), (r.left + at, r.bottom))
            } else {
                ((r.left + at, r.bottom - h), (r.left + at - h, r.bottom))
            };
            lines.extend(r.clip_line(a, b).map(|(a, b)| vec![a, b]));
            at += gap;
        }
    };
    match style % SHAPES {
        1 => add(-1.0, gap * 1.4),
        2 => add(1.0, gap * 1.4),
        3 => {
            add(1.0, gap * 2.0);
            add(-1.0, gap * 2.0);
        }
        4 => straight(&mut lines, r, gap, false),
        5 => straight(&mut lines, r, gap, true),
        6 => {
            straight(&mut lines, r, gap * 1.4, true);
            straight(&mut lines, r, gap * 1.4, false);
        }
        _ => {}
    }
    lines
}

fn straight(lines: &mut Vec<Vec<Point2>>, r: &Rect, gap: f64, upright: bool) {
    let length = if upright { r.width() } else { r.height() };
    let mut at = gap / 2.0;
    while at < length {
        lines.push(if upright {
            vec![(r.left + at, r.top), (r.left + at, r.bottom)]
        } else {
            vec![(r.left, r.bottom - at), (r.right, r.bottom - at)]
        });
        at += gap;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_thirty_five_styles_differ_in_more_than_one_way() {
        for a in 0..35 {
            for b in 0..a {
                let same = usize::from(color(a) == color(b))
                    + usize::from(dash(a) == dash(b))
                    + usize::from(a % SHAPES == b % SHAPES);
                assert!(same <= 1, "styles {a} and {b} agree in {same} of colour, dash and marker");
            }
        }
    }
}
