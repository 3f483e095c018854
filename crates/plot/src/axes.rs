//! Draws frames: grid, ticks, their labels, the break before zero, axis titles, reference lines.

use crate::geom::{Obstacles, Rect};
use crate::layout::{AXIS_TITLE, Layout, SLOPE};
use crate::model::{Figure, On, Panel, Scale};
use crate::scale::Ruler;
use crate::style::{GRID, INK, PAPER, SOFT};
use crate::svg::{Anchor, Font, Pen, Svg};
use crate::text::{fit, width};

/// Grid lines, under everything else.
pub(crate) fn grid(svg: &mut Svg, figure: &Figure, layout: &Layout, panel: usize) {
    let em = layout.page.em;
    let frame = layout.frames[panel];
    let pen = Pen::solid(GRID, em * 0.07);
    let (x, y) = (layout.ruler_x(panel), layout.ruler_y(panel));
    if !matches!(figure.x.scale, Scale::Ordinal(_)) {
        for at in layout.x_ticks.major.iter().filter_map(|t| x.at(t.at)) {
            svg.line((at, frame.top), (at, frame.bottom), &pen);
        }
    }
    for at in layout.y_ticks.major.iter().filter_map(|t| y.at(t.at)) {
        svg.line((frame.left, at), (frame.right, at), &pen);
    }
}

/// Axis lines with ticks and labels, above the data.
pub(crate) fn axes(svg: &mut Svg, figure: &Figure, layout: &Layout, panel: usize) {
    let em = layout.page.em;
    let frame = layout.frames[panel];
    let pen = Pen::solid(SOFT, em * 0.1);
    let (x, y) = (layout.ruler_x(panel), layout.ruler_y(panel));
    svg.line((frame.left, frame.bottom), (frame.right, frame.bottom), &pen);
    svg.line((frame.left, frame.bottom), (frame.left, frame.top), &pen);
    if !layout.y.log && layout.y.low < 0.0 && layout.y.high > 0.0 {
        let zero = y.at_or_floor(0.0);
        svg.line((frame.left, zero), (frame.right, zero), &Pen::solid(SOFT, em * 0.07));
    }
    axis_breaks(svg, &frame, &x, &y, em);

    let (long, short) = (em * 0.4, em * 0.22);
    if !matches!(figure.x.scale, Scale::Ordinal(_)) {
        let major = layout.x_ticks.major.iter().map(|t| (t.at, long));
        for (v, length) in major.chain(layout.x_ticks.minor.iter().map(|v| (*v, short))) {
            if let Some(at) = x.at(v) {
                svg.line((at, frame.bottom), (at, frame.bottom + length), &pen);
            }
        }
    }
    let major = layout.y_ticks.major.iter().map(|t| (t.at, long));
    for (v, length) in major.chain(layout.y_ticks.minor.iter().map(|v| (*v, short))) {
        if let Some(at) = y.at(v) {
            svg.line((frame.left - length, at), (frame.left, at), &pen);
        }
    }
    if layout.is_lowest(panel) {
        x_labels(svg, layout, &x, frame.bottom, em);
    }
    if panel.is_multiple_of(layout.columns) {
        for t in &layout.y_ticks.major {
            if let Some(at) = y.at(t.at) {
                let place = (frame.left - em * 0.6, at + em * 0.35);
                svg.text(place, Anchor::End, &Font::plain(em), &t.label);
            }
        }
    }
}

fn x_labels(svg: &mut Svg, layout: &Layout, x: &Ruler, bottom: f64, em: f64) {
    for t in &layout.x_ticks.major {
        let Some(at) = x.at(t.at) else { continue };
        if layout.sloped {
            let font = Font { turn: SLOPE, ..Font::plain(em) };
            svg.text((at + em * 0.35, bottom + em * 1.0), Anchor::End, &font, &t.label);
        } else {
            svg.text((at, bottom + em * 1.4), Anchor::Middle, &Font::plain(em), &t.label);
        }
    }
}

/// Two strokes across an interrupted axis where the place for zero ends.
fn axis_breaks(svg: &mut Svg, frame: &Rect, x: &Ruler, y: &Ruler, em: f64) {
    let pen = Pen::solid(SOFT, em * 0.1);
    let (half, lean, gap) = (em * 0.38, em * 0.14, em * 0.16);
    if let Some(at) = x.break_at() {
        let b = frame.bottom;
        svg.rect(&Rect::new(at - gap, b - half, at + gap, b + half), PAPER, None);
        for side in [-gap, gap] {
            svg.line((at + side - lean, b + half), (at + side + lean, b - half), &pen);
        }
    }
    if let Some(at) = y.break_at() {
        let l = frame.left;
        svg.rect(&Rect::new(l - half, at - gap, l + half, at + gap), PAPER, None);
        for side in [-gap, gap] {
            svg.line((l - half, at + side + lean), (l + half, at + side - lean), &pen);
        }
    }
}

/// Titles of figure, axes and panels, and the caption.
pub(crate) fn titles(svg: &mut Svg, figure: &Figure, layout: &Layout) {
    let em = layout.page.em;
    let left = em * 0.8;
    let mut y = em * 0.8;
    for line in &layout.words.title {
        y += em * 1.55;
        let font = Font { bold: true, ..Font::plain(em * 1.25) };
        svg.text((left, y - em * 0.4), Anchor::Start, &font, line);
    }
    for line in &layout.words.subtitle {
        y += em * 1.3;
        svg.text((left, y - em * 0.3), Anchor::Start, &Font { color: SOFT, ..Font::plain(em) }, line);
    }
    for (panel, frame) in figure.panels.iter().zip(&layout.frames) {
        let title = fit(panel.title.trim(), em * 1.06, frame.width());
        let font = Font { bold: true, ..Font::plain(em) };
        svg.text((frame.left, frame.top - em * 0.6), Anchor::Start, &font, &title);
    }
    let grid = &layout.grid;
    let (center_x, center_y) = grid.center();
    let label = Font { color: INK, ..Font::plain(em * AXIS_TITLE) };
    let mut under = grid.bottom + em * 0.5 + layout.x_label_height;
    for line in &layout.words.x_title {
        let half = width(line, label.size) / 2.0;
        let center_x = center_x.min(layout.page.width - left - half).max(left + half);
        under += em * 1.3;
        svg.text((center_x, under), Anchor::Middle, &label, line);
    }
    let mut x = grid.left - em * 0.6 - layout.y_label_width - em * 0.75;
    for line in layout.words.y_title.iter().rev() {
        let half = width(line, label.size) / 2.0;
        let center_y = center_y.min(layout.height - left - half).max(left + half);
        svg.text((x, center_y), Anchor::Middle, &Font { turn: -90.0, ..label }, line);
        x -= em * 1.3;
    }
    let mut y = layout.height - em * 0.8 - layout.words.caption.len() as f64 * em * 1.2;
    for line in &layout.words.caption {
        y += em * 1.2;
        svg.text((left, y - em * 0.2), Anchor::Start, &Font { color: SOFT, ..Font::plain(em * 0.9) }, line);
    }
}

/// Reference lines. Their names are written where they cover nothing, or left to the lines if there is no room.
pub(crate) fn rules(svg: &mut Svg, panel: &Panel, layout: &Layout, index: usize, obstacles: &mut Obstacles) {
    let em = layout.page.em;
    let frame = layout.frames[index];
    let pen = Pen { color: SOFT, width: em * 0.1, dash: &[5.0, 3.0] };
    for rule in &panel.rules {
        let ruler = if rule.on == On::X { layout.ruler_x(index) } else { layout.ruler_y(index) };
        let Some(at) = ruler.at(rule.at) else { continue };
        let (a, b) = match rule.on {
            On::X => ((at, frame.top), (at, frame.bottom)),
            On::Y => ((frame.left, at), (frame.right, at)),
        };
        let Some((a, b)) = frame.clip_line(a, b) else { continue };
        svg.line(a, b, &pen);
        obstacles.lines.push(vec![a, b]);
    }
    let font = Font { color: SOFT, halo: true, ..Font::plain(em * 0.92) };
    for rule in panel.rules.iter().filter(|r| !r.name.trim().is_empty()) {
        let ruler = if rule.on == On::X { layout.ruler_x(index) } else { layout.ruler_y(index) };
        let Some(at) = ruler.at(rule.at) else { continue };
        let name = fit(rule.name.trim(), font.size, frame.width() * 0.6);
        let (w, h) = (width(&name, font.size), em * 1.1);
        let (near, far) = (em * 0.15, em * 0.35);
        let mut places = Vec::new();
        for share in [1.0, 0.0, 0.5, 0.75, 0.25] {
            match rule.on {
                On::Y => {
                    let left = frame.left + far + share * (frame.width() - w - 2.0 * far);
                    places.extend([(left, at - near - h), (left, at + near)]);
                }
                On::X => {
                    let top = frame.top + near + (1.0 - share) * (frame.height() - h - 2.0 * near);
                    places.extend([(at + far, top), (at - far - w, top)]);
                }
            }
        }
        let boxes = places.iter().map(|p| Rect::new(p.0, p.1, p.0 + w, p.1 + h));
        let inside = |r: &Rect| frame.contains((r.left, r.top)) && frame.contains((r.right, r.bottom));
        let mut free = boxes.filter(|r| inside(r) && obstacles.leave_free(r));
        if let Some(r) = free.next() {
            svg.text((r.left, r.bottom - em * 0.27), Anchor::Start, &font, &name);
            obstacles.boxes.push(r);
        }
    }
}
