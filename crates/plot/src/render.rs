//! Puts a figure together.

use crate::axes;
use crate::blocks;
use crate::data::{self, Entry};
use crate::geom::{Obstacles, Point2, Rect};
use crate::layout::Layout;
use crate::legend::{self, Placed};
use crate::model::{Curve, Figure, Marks};
use crate::style::{INK, PAPER, SOFT, color, dash, fill_box, marker};
use crate::svg::{Anchor, Font, Pen, Svg, path_data};
use crate::trace::{Drawn, Place, trace};

/// The figure as SVG text, in the size of paper. Equal figures give equal bytes.
///
/// Data that have no place (not finite, or not positive on a logarithmic axis) are left out; a panel without any
/// says `no data`. There is no input that fails.
pub fn render(figure: &Figure) -> String {
    let entries = data::entries(figure);
    let spots = legend::spots(figure, &entries);
    let mut found = None;
    for spot in &spots {
        let layout = Layout::new(figure, legend::reserve(spot, figure, &entries));
        let drawn = draw_panels(figure, &layout);
        let mut obstacles = Obstacles::default();
        drawn.iter().flatten().for_each(|d| d.stand_in_the_way(&mut obstacles, layout.page.em));
        rules_in_the_way(figure, &layout, &mut obstacles);
        let ends = ends(figure, &entries, &drawn);
        let placed = legend::place(spot, figure, &entries, &layout, &ends, &obstacles);
        let done = placed.is_some();
        found = Some((layout, drawn, placed.unwrap_or(Placed::None)));
        if done {
            break;
        }
    }
    let Some((layout, drawn, placed)) = found else {
        unreachable!("there is always a way to place a legend, if only without one");
    };
    write(figure, &entries, &layout, &drawn, &placed)
}

/// The curves of all panels in positions on the page.
fn draw_panels(figure: &Figure, layout: &Layout) -> Vec<Vec<Drawn>> {
    let seats = blocks::seats(figure);
    let one = |(index, panel): (usize, &crate::model::Panel)| {
        let place = Place {
            figure,
            frame: layout.frames[index],
            x: layout.ruler_x(index),
            y: layout.ruler_y(index),
            em: layout.page.em,
        };
        let pitch = blocks::pitch(panel, &place);
        let alone = panel.curves.len() < 2;
        let draw = |curve: &Curve| match curve.marks {
            Marks::Boxes(_) | Marks::Bars(_) => {
                let seat = seats.iter().position(|(n, s)| *n == curve.name && *s == curve.style);
                blocks::blocks(curve, &place, pitch, seat.unwrap_or(0), seats.len())
            }
            _ => trace(curve, &place, alone),
        };
        panel.curves.iter().map(draw).collect()
    };
    figure.panels.iter().enumerate().map(one).collect()
}

fn rules_in_the_way(figure: &Figure, layout: &Layout, obstacles: &mut Obstacles) {
    for (i, panel) in figure.panels.iter().enumerate() {
        // Drawn on a sheet that is thrown away, so that the legend keeps off the lines and their names.
        axes::rules(&mut Svg::new(1.0, 1.0, "", ""), panel, layout, i, obstacles);
    }
}

/// The right end of each entry's curve in the first panel.
fn ends(figure: &Figure, entries: &[Entry], drawn: &[Vec<Drawn>]) -> Vec<Option<Point2>> {
    let (Some(panel), Some(drawn)) = (figure.panels.first(), drawn.first()) else { return Vec::new() };
    let end = |e: &Entry| {
        let same = |c: &Curve| c.name == e.name && c.style == e.style;
        let index = panel.curves.iter().position(same)?;
        drawn[index].end()
    };
    entries.iter().map(end).collect()
}

fn write(
    figure: &Figure,
    entries: &[Entry],
    layout: &Layout,
    drawn: &[Vec<Drawn>],
    placed: &Placed,
) -> String {
    let name = match figure.title.trim() {
        "" => format!("{} against {}", figure.y.label.trim(), figure.x.label.trim()),
        title => title.to_owned(),
    };
    let mut svg = Svg::new(layout.page.width, layout.height, &name, &data::description(figure));
    axes::titles(&mut svg, figure, layout);
    let em = layout.page.em;
    for (index, frame) in layout.frames.iter().enumerate() {
        svg.open("panel");
        axes::grid(&mut svg, figure, layout, index);
        let curves = drawn.get(index).map_or(&[][..], |d| d);
        if let Some(panel) = figure.panels.get(index) {
            let mut obstacles = Obstacles::default();
            curves.iter().for_each(|d| d.stand_in_the_way(&mut obstacles, em));
            if let Placed::Column(r) = placed {
                obstacles.boxes.push(*r);
            }
            axes::rules(&mut svg, panel, layout, index, &mut obstacles);
        }
        curves.iter().for_each(|d| under(&mut svg, d, em));
        curves.iter().for_each(|d| over(&mut svg, d, em));
        axes::axes(&mut svg, figure, layout, index);
        let panel = figure.panels.get(index);
        if !panel.is_some_and(|p| p.curves.iter().any(|c| data::count(&c.marks) > 0)) {
            no_data(&mut svg, frame, em);
        }
        svg.close();
    }
    legend::draw(&mut svg, placed, figure, entries, layout);
    svg.finish()
}

fn no_data(svg: &mut Svg, frame: &Rect, em: f64) {
    let (x, y) = frame.center();
    let font = Font { color: SOFT, halo: true, ..Font::plain(em * 1.2) };
    svg.text((x, y + em * 0.4), Anchor::Middle, &font, "no data");
}

/// Bands and boxes, which lie under all lines.
fn under(svg: &mut Svg, drawn: &Drawn, em: f64) {
    for band in &drawn.bands {
        svg.area(band, color(drawn.style), 0.2);
    }
    for block in &drawn.blocks {
        fill_box(svg, drawn.style, &block.rect, em);
    }
}

/// Lines, error bars and markers of a curve.
fn over(svg: &mut Svg, drawn: &Drawn, em: f64) {
    let hue = color(drawn.style);
    let thick = em * 0.16;
    let dash = if drawn.dashed { dash(drawn.style) } else { &[] };
    svg.path(&drawn.lines, &Pen { color: hue, width: thick, dash });
    svg.path(&drawn.links, &Pen { color: hue, width: em * 0.1, dash: &[1.0, 2.5] });
    let mut bars = Vec::new();
    for &(a, b) in &drawn.whiskers {
        bars.push(vec![a, b]);
        for end in [a, b] {
            bars.push(vec![(end.0 - drawn.cap, end.1), (end.0 + drawn.cap, end.1)]);
        }
    }
    let ink = if drawn.blocks.is_empty() { hue } else { INK };
    svg.path(&bars, &Pen::solid(ink, em * 0.1));
    svg.path(&drawn.medians, &Pen::solid(INK, em * 0.22));
    for block in drawn.blocks.iter().filter(|b| !b.hint.is_empty()) {
        let Rect { left, top, right, bottom } = block.rect;
        let outline = path_data(&[vec![(left, top), (right, top), (right, bottom), (left, bottom)]], true);
        svg.shape_hint(&outline, &block.hint);
    }
    if !drawn.dots.is_empty() {
        svg.dots(&drawn.dots, hue, em * 0.22);
    }
    let hollow = !drawn.blocks.is_empty();
    let (fill, edge) =
        if hollow { (PAPER, Pen::solid(hue, em * 0.08)) } else { (hue, Pen::solid(PAPER, em * 0.06)) };
    let radius = if hollow { em * 0.2 } else { em * 0.33 };
    for m in &drawn.markers {
        svg.shape(&marker(drawn.style, m.at, radius), fill, &edge, &m.hint);
    }
}
