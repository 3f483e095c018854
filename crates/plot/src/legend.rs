//! The legend: at the ends of the curves, in an empty corner, beside the panels or above them.

use crate::data::{Entry, Glyph};
use crate::geom::{Obstacles, Point2, Rect};
use crate::layout::{Layout, Page, Reserve};
use crate::model::{Figure, Legend};
use crate::style::{PAPER, SOFT, color, dash, fill_box, marker};
use crate::svg::{Anchor, Font, Pen, Svg};
use crate::text::{fit, width};

/// Height of a row, width of a sample and gap to its name, in letter sizes.
const ROW: f64 = 1.45;
const SAMPLE: f64 = 2.6;
const GAP: f64 = 0.5;

/// Ends of curves are labelled directly up to this number.
const FEW_CURVES: usize = 4;

/// A label may stand this far from the end of its curve, in letter sizes.
const FARTHEST_LABEL: f64 = 1.6;

/// A way to show the legend.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Spot {
    None,
    /// At the ends of the curves, with the labels.
    Ends(Vec<String>),
    /// In an empty place of the only panel.
    Corner,
    Right,
    Above,
}

/// The ways to try, best first; the last one always works.
pub(crate) fn spots(figure: &Figure, entries: &[Entry]) -> Vec<Spot> {
    let page = Page::of(figure.size);
    let widest = row_width(figure, entries, &page);
    let tall = column_height(figure, entries, page.em) > page.height.unwrap_or(page.width) * 0.45;
    let wide = page.is_narrow() || widest > page.width * 0.3;
    let outside = if wide || tall { Spot::Above } else { Spot::Right };
    match figure.legend {
        _ if entries.is_empty() => vec![Spot::None],
        Legend::Hidden => vec![Spot::None],
        Legend::Right if tall => vec![Spot::Above],
        Legend::Right => vec![Spot::Right],
        Legend::Above => vec![Spot::Above],
        Legend::Auto if figure.panels.len() > 1 => vec![outside],
        Legend::Auto => {
            let mut spots = Vec::new();
            let on_lines = |e: &Entry| matches!(e.glyph, Glyph::DashWithMarker | Glyph::LineWithMarker);
            let labels = end_labels(figure, entries);
            let room = page.width * 0.2;
            if entries.len() <= FEW_CURVES
                && entries.iter().all(on_lines)
                && labels.iter().all(|l| width(l, page.em) <= room)
            {
                spots.push(Spot::Ends(labels));
            }
            // Beside data there is no room for long names.
            let cut =
                entries.iter().any(|e| (SAMPLE + GAP) * page.em + width(&e.name, page.em) > widest + 0.01);
            spots.extend([Spot::Corner, outside].into_iter().skip(usize::from(cut)));
            spots
        }
    }
}

/// Names alone; those that are only numbers get the title of the legend in front.
fn end_labels(figure: &Figure, entries: &[Entry]) -> Vec<String> {
    let numeric = |name: &str| name.starts_with(|c: char| c.is_ascii_digit());
    let titled = !figure.legend_title.trim().is_empty() && entries.iter().any(|e| numeric(&e.name));
    let label = |e: &Entry| {
        if titled { format!("{} {}", figure.legend_title.trim(), e.name) } else { e.name.clone() }
    };
    entries.iter().map(label).collect()
}

/// Room outside of the panels that a way needs.
pub(crate) fn reserve(spot: &Spot, figure: &Figure, entries: &[Entry]) -> Reserve {
    let page = Page::of(figure.size);
    let em = page.em;
    match spot {
        Spot::None | Spot::Corner => Reserve::default(),
        Spot::Ends(labels) => {
            let widest = labels.iter().map(|l| width(l, em)).fold(0.0, f64::max);
            Reserve { right: widest + em * 1.0 + sample_room(entries, em), above: 0.0 }
        }
        Spot::Right => Reserve { right: row_width(figure, entries, &page) + em * 1.2, above: 0.0 },
        Spot::Above => {
            let rows = flow(figure, entries, &page).last().map_or(0, |cell| cell.row + 1);
            Reserve { right: 0.0, above: rows as f64 * em * ROW + em * 0.4 }
        }
    }
}

/// Room for a marker in front of labels at the ends, unless the curves end in a marker themselves.
fn sample_room(entries: &[Entry], em: f64) -> f64 {
    if entries.iter().any(|e| e.glyph == Glyph::LineWithMarker) { em * 1.1 } else { 0.0 }
}

/// Width of the legend as a column.
fn row_width(figure: &Figure, entries: &[Entry], page: &Page) -> f64 {
    let em = page.em;
    let most = page.width * 0.4;
    let names = entries.iter().map(|e| width(&e.name, em)).fold(0.0, f64::max);
    ((SAMPLE + GAP) * em + names).max(width(figure.legend_title.trim(), em)).min(most)
}

fn column_height(figure: &Figure, entries: &[Entry], em: f64) -> f64 {
    let title = usize::from(!figure.legend_title.trim().is_empty());
    (entries.len() + title) as f64 * em * ROW
}

/// A place in a legend that flows in rows; `None` stands for the title.
struct Cell {
    entry: Option<usize>,
    row: usize,
    x: f64,
}

fn flow(figure: &Figure, entries: &[Entry], page: &Page) -> Vec<Cell> {
    let em = page.em;
    let right = page.width - em * 0.8;
    let left = em * 0.8;
    let mut cells = Vec::new();
    let wide_of = |e: &Entry| em * (SAMPLE + GAP) + width(&e.name, em);
    let widest = entries.iter().map(wide_of).fold(0.0, f64::max);
    let total: f64 = entries.iter().map(|e| wide_of(e) + em * 1.4).sum();
    // Names of like width that fill several rows stand under each other.
    let in_columns = total > 1.2 * (right - left) && widest < (right - left) * 0.4;
    let (mut x, mut row) = (left, 0);
    let title = figure.legend_title.trim();
    if !title.is_empty() {
        cells.push(Cell { entry: None, row, x });
        x += width(title, em) + em * 1.0;
        if in_columns {
            (x, row) = (left, 1);
        }
    }
    for (i, e) in entries.iter().enumerate() {
        let wide = if in_columns { widest } else { wide_of(e) };
        if x > left && x + wide > right {
            (x, row) = (left, row + 1);
        }
        cells.push(Cell { entry: Some(i), row, x });
        x += wide + em * 1.4;
    }
    cells
}

/// A legend in its final place.
pub(crate) enum Placed {
    None,
    /// Label, baseline, and the end of the curve, by entry.
    Ends(Vec<(String, f64, Point2)>),
    Column(Rect),
    Rows,
}

/// Places the legend in this way, if it works here. `ends` has the end of each entry's curve.
pub(crate) fn place(
    spot: &Spot,
    figure: &Figure,
    entries: &[Entry],
    layout: &Layout,
    ends: &[Option<Point2>],
    obstacles: &Obstacles,
) -> Option<Placed> {
    let em = layout.page.em;
    let frame = layout.frames[0];
    let (wide, high) = (row_width(figure, entries, &layout.page), column_height(figure, entries, em));
    match spot {
        Spot::None => Some(Placed::None),
        Spot::Above => Some(Placed::Rows),
        Spot::Right => {
            let left = layout.page.width - em * 0.8 - wide;
            Some(Placed::Column(Rect::new(left, frame.top, left + wide, frame.top + high)))
        }
        Spot::Ends(labels) => {
            let ends: Vec<Point2> = ends.iter().copied().collect::<Option<_>>()?;
            if ends.iter().any(|p| p.0 < frame.right - frame.width() * 0.12) {
                return None;
            }
            let heights = spread(&ends, em * 1.25, frame.top, frame.bottom);
            let near = heights.iter().zip(&ends).all(|(y, p)| (y - p.1).abs() <= em * FARTHEST_LABEL);
            let places = labels.iter().cloned().zip(heights).zip(ends);
            near.then(|| Placed::Ends(places.map(|((label, y), end)| (label, y, end)).collect()))
        }
        Spot::Corner => free_corner(&frame, wide, high, em, obstacles).map(Placed::Column),
    }
}

/// Heights as near as possible to the ends and at least `gap` apart.
fn spread(ends: &[Point2], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..ends.len()).collect();
    order.sort_by(|&a, &b| ends[a].1.total_cmp(&ends[b].1));
    // Clusters of labels that push each other, as (members, center).
    let mut clusters: Vec<(Vec<usize>, f64)> = Vec::new();
    for i in order {
        let mut cluster = (vec![i], ends[i].1);
        while let Some((members, center)) = clusters.pop() {
            let needed = gap * (members.len() + cluster.0.len()) as f64 / 2.0;
            if cluster.1 - center >= needed {
                clusters.push((members, center));
                break;
            }
            let joined: Vec<usize> = members.into_iter().chain(cluster.0).collect();
            let mean = joined.iter().map(|&j| ends[j].1).sum::<f64>() / joined.len() as f64;
            let half = gap * (joined.len() - 1) as f64 / 2.0;
            cluster = (joined, mean.min(bottom - half).max(top + half));
        }
        clusters.push(cluster);
    }
    let mut heights = vec![0.0; ends.len()];
    for (members, center) in clusters {
        let first = center - gap * (members.len() - 1) as f64 / 2.0;
        for (k, i) in members.into_iter().enumerate() {
            heights[i] = first + gap * k as f64;
        }
    }
    heights
}

/// A place inside the frame that touches nothing: corners first, then along the top and the bottom.
fn free_corner(frame: &Rect, wide: f64, high: f64, em: f64, obstacles: &Obstacles) -> Option<Rect> {
    let inset = em * 0.8;
    let (left, right) = (frame.left + inset, frame.right - inset - wide);
    let (top, bottom) = (frame.top + inset * 0.6, frame.bottom - inset - high);
    if right < left || bottom < top || wide * high > frame.width() * frame.height() * 0.35 {
        return None;
    }
    let mut places = vec![(right, top), (left, top), (right, bottom), (left, bottom)];
    for share in [0.5, 0.3, 0.7, 0.15, 0.85] {
        let (x, y) = (left + share * (right - left), top + share * (bottom - top));
        places.extend([(x, top), (x, bottom), (right, y), (left, y)]);
    }
    let rects = places.into_iter().map(|(x, y)| Rect::new(x, y, x + wide, y + high));
    rects.into_iter().find(|r| obstacles.leave_free(&r.grown(em * 0.5)))
}

/// Draws a placed legend.
pub(crate) fn draw(svg: &mut Svg, placed: &Placed, figure: &Figure, entries: &[Entry], layout: &Layout) {
    let page = &layout.page;
    let em = page.em;
    let title_font = Font { color: SOFT, ..Font::plain(em) };
    let title = figure.legend_title.trim();
    svg.open("legend");
    match placed {
        Placed::None => {}
        Placed::Ends(labels) => ends(svg, labels, entries, layout),
        Placed::Column(r) => {
            svg.rect(&r.grown(em * 0.3), PAPER, None);
            let mut y = r.top;
            if !title.is_empty() {
                svg.text((r.left, y + em * 1.1), Anchor::Start, &title_font, &fit(title, em, r.width()));
                y += em * ROW;
            }
            for e in entries {
                entry(svg, e, (r.left, y), r.right, em);
                y += em * ROW;
            }
        }
        Placed::Rows => {
            for cell in flow(figure, entries, page) {
                let y = layout.legend_top + cell.row as f64 * em * ROW;
                match cell.entry {
                    None => {
                        let room = page.width - em * 1.6;
                        let title = fit(title, em, room);
                        svg.text((cell.x, y + em * 1.1), Anchor::Start, &title_font, &title);
                    }
                    Some(i) => entry(svg, &entries[i], (cell.x, y), page.width - em * 0.8, em),
                }
            }
        }
    }
    svg.close();
}

fn ends(svg: &mut Svg, labels: &[(String, f64, Point2)], entries: &[Entry], layout: &Layout) {
    let em = layout.page.em;
    let x = layout.frames[0].right + em * 0.75;
    for ((label, y, end), e) in labels.iter().zip(entries) {
        let marker_at_end = e.glyph == Glyph::DashWithMarker;
        let from = (end.0 + em * if marker_at_end { 0.5 } else { 0.1 }, end.1);
        let to = (x - em * 0.15, *y);
        if (y - end.1).abs() > em * 0.4 || to.0 - from.0 > em * 1.5 {
            svg.line(from, to, &Pen::solid(color(e.style), em * 0.07));
        }
        let room = sample_room(entries, em);
        if room > 0.0 {
            let data = marker(e.style, (x + em * 0.25, *y), em * 0.33);
            svg.shape(&data, color(e.style), &Pen::solid(PAPER, em * 0.06), "");
        }
        svg.text((x + room, y + em * 0.35), Anchor::Start, &Font::plain(em), label);
    }
}

/// A sample and a name; `at` is the upper left corner of the row.
fn entry(svg: &mut Svg, e: &Entry, at: Point2, right: f64, em: f64) {
    let y = at.1 + em * ROW / 2.0;
    let (from, to) = ((at.0, y), (at.0 + em * SAMPLE, y));
    let mut pen = Pen::solid(color(e.style), em * 0.16);
    let center = ((from.0 + to.0) / 2.0, y);
    if matches!(e.glyph, Glyph::Line | Glyph::DashWithMarker) {
        pen.dash = dash(e.style);
    }
    if e.glyph == Glyph::Box {
        let r = Rect::new(from.0 + em * 0.5, y - em * 0.45, to.0 - em * 0.3, y + em * 0.45);
        fill_box(svg, e.style, &r, em);
    } else if e.glyph != Glyph::Marker {
        svg.line(from, to, &pen);
    }
    if !matches!(e.glyph, Glyph::Box | Glyph::Line) {
        let data = marker(e.style, center, em * 0.33);
        svg.shape(&data, color(e.style), &Pen::solid(PAPER, em * 0.06), "");
    }
    let x = to.0 + em * GAP;
    svg.text((x, y + em * 0.35), Anchor::Start, &Font::plain(em), &fit(&e.name, em, (right - x).max(em)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_at_the_ends_keep_their_distance_and_order() {
        let ends = [(0.0, 50.0), (0.0, 52.0), (0.0, 10.0), (0.0, 51.0)];
        let heights = spread(&ends, 10.0, 0.0, 100.0);
        assert_eq!(heights, [41.0, 61.0, 10.0, 51.0]);
        let low = spread(&[(0.0, 99.0), (0.0, 100.0)], 10.0, 0.0, 100.0);
        assert_eq!(low, [90.0, 100.0]);
    }

    #[test]
    fn a_legend_takes_the_corner_that_is_empty_and_none_when_all_are_taken() {
        let frame = Rect::new(0.0, 0.0, 200.0, 100.0);
        let rising = Obstacles { lines: vec![vec![(0.0, 100.0), (200.0, 0.0)]], ..Obstacles::default() };
        let r = free_corner(&frame, 50.0, 30.0, 8.0, &rising).expect("two corners are free");
        assert!(r.left < 100.0 && r.top < 50.0 && rising.leave_free(&r));
        let full = Obstacles { boxes: vec![frame], ..Obstacles::default() };
        assert_eq!(free_corner(&frame, 50.0, 30.0, 8.0, &full), None);
    }
}
