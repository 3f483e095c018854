//! Where everything stands: margins from the texts that need them, panels in a grid.

use crate::data::domains;
use crate::geom::Rect;
use crate::model::*;
use crate::scale::{Domain, Ruler};
use crate::text::{fit, width, wrap};
use crate::ticks::{Tick, Ticks, choose};

/// Points in a millimetre.
const MM: f64 = 72.0 / 25.4;

/// Tick labels of categories are cut beyond this width, in letter sizes.
const WIDEST_CATEGORY: f64 = 14.0;

/// Slope of tick labels that do not fit side by side, in degrees.
pub(crate) const SLOPE: f64 = -40.0;

/// Size of the titles of axes, relative to tick labels.
pub(crate) const AXIS_TITLE: f64 = 1.08;

/// Width and letter size, and either a fixed height or the height of a panel relative to its width.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub width: f64,
    pub height: Option<f64>,
    pub em: f64,
    pub ratio: f64,
}

impl Page {
    pub(crate) fn of(size: Size) -> Page {
        let sane = |v: f64, low: f64, high: f64| if v.is_nan() { low } else { v.clamp(low, high) };
        let (width_mm, height_mm, em, ratio) = match size {
            Size::Report => (160.0, None, 9.0, 0.5),
            Size::Column => (85.0, None, 7.5, 0.6),
            Size::Page => (178.0, None, 8.0, 0.42),
            Size::Slide => (254.0, Some(142.9), 17.0, 0.5),
            Size::Custom { width_mm, height_mm, font_pt } => (
                sane(width_mm, 20.0, 5000.0),
                Some(sane(height_mm, 15.0, 5000.0)),
                sane(font_pt, 2.0, 200.0),
                0.5,
            ),
        };
        Page { width: width_mm * MM, height: height_mm.map(|h| h * MM), em, ratio }
    }

    /// True where a legend beside the panels takes too much of the width.
    pub(crate) fn is_narrow(&self) -> bool {
        self.width < self.em * 45.0
    }
}

/// Room that the legend takes outside of the panels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Reserve {
    pub right: f64,
    pub above: f64,
}

/// The positions of all parts of a figure.
pub(crate) struct Layout {
    pub page: Page,
    pub height: f64,
    pub words: Words,
    /// Top of the room for a legend above the panels.
    pub legend_top: f64,
    /// From the left edge of the first panel to the right edge of the last.
    pub grid: Rect,
    pub frames: Vec<Rect>,
    pub columns: usize,
    pub x: Domain,
    pub y: Domain,
    pub x_ticks: Ticks,
    pub y_ticks: Ticks,
    /// True when the labels of the x axis are sloped.
    pub sloped: bool,
    /// Height of the tick labels of the x axis.
    pub x_label_height: f64,
    /// Width of the tick labels of the y axis.
    pub y_label_width: f64,
}

/// The texts around the panels, broken into lines.
pub(crate) struct Words {
    pub title: Vec<String>,
    pub subtitle: Vec<String>,
    pub caption: Vec<String>,
    pub x_title: Vec<String>,
    pub y_title: Vec<String>,
}

impl Words {
    fn of(figure: &Figure, page: &Page, grid_height: f64) -> Words {
        let em = page.em;
        let room = (page.width - em * 1.6).max(em);
        Words {
            // Bold letters are a little wider.
            title: wrap(&figure.title, em * 1.25 * 1.06, room, 3),
            subtitle: wrap(&figure.subtitle, em, room, 3),
            caption: wrap(&figure.caption, em * 0.9, room, 6),
            x_title: wrap(&figure.x.label, em * AXIS_TITLE, room, 2),
            y_title: wrap(&figure.y.label, em * AXIS_TITLE, grid_height * 1.1, 2),
        }
    }

    fn height_above(&self, em: f64) -> f64 {
        let lines = self.title.len() as f64 * em * 1.55 + self.subtitle.len() as f64 * em * 1.3;
        if lines > 0.0 { lines + em * 0.4 } else { 0.0 }
    }

    fn height_below(&self, em: f64) -> f64 {
        let x_title = if self.x_title.is_empty() { 0.0 } else { 0.3 + 1.3 * self.x_title.len() as f64 };
        let caption = if self.caption.is_empty() { 0.0 } else { 0.5 + 1.2 * self.caption.len() as f64 };
        em * (x_title + caption)
    }

    fn y_title_width(&self, em: f64) -> f64 {
        if self.y_title.is_empty() { 0.0 } else { em * (0.4 + 1.3 * self.y_title.len() as f64) }
    }
}

/// What one pass of the layout learns for the next.
#[derive(Debug, Clone, Copy)]
struct Measured {
    y_label_width: f64,
    x_label_height: f64,
    x_overhang: f64,
    /// How far the labels of the x axis reach left of the first panel.
    x_underhang: f64,
    gutter: f64,
    grid_height: f64,
}

impl Layout {
    /// Places a figure, with this much room kept for its legend.
    pub(crate) fn new(figure: &Figure, reserve: Reserve) -> Layout {
        let em = Page::of(figure.size).em;
        let (x, y) = domains(figure);
        let mut measured = Measured {
            y_label_width: em,
            x_label_height: em,
            x_overhang: 0.0,
            x_underhang: 0.0,
            gutter: em * 1.6,
            grid_height: Page::of(figure.size).width / 2.0,
        };
        // Margins depend on labels, labels on the room between margins: a few passes settle both.
        for _ in 0..4 {
            let layout = Layout::pass(figure, reserve, x, y, measured);
            let before = measured;
            measured = layout.measure();
            // Never narrower again: else the ticks of two passes could take turns.
            measured.gutter = measured.gutter.max(before.gutter);
            measured.x_overhang = measured.x_overhang.max(before.x_overhang);
            measured.x_underhang = measured.x_underhang.max(before.x_underhang);
            measured.y_label_width = measured.y_label_width.max(before.y_label_width);
        }
        Layout::pass(figure, reserve, x, y, measured)
    }

    fn pass(figure: &Figure, reserve: Reserve, x: Domain, y: Domain, measured: Measured) -> Layout {
        let page = Page::of(figure.size);
        let em = page.em;
        let words = Words::of(figure, &page, measured.grid_height);
        let margin = em * 0.8;
        let legend_top = margin + words.height_above(em);
        let heading = if figure.panels.iter().any(|p| !p.title.trim().is_empty()) { em * 1.6 } else { 0.0 };
        let y_room = words.y_title_width(em) + measured.y_label_width + em * 0.6;
        let right = margin + reserve.right + measured.x_overhang;
        let bottom = em * 0.6 + measured.x_label_height + words.height_below(em) + margin * 0.8;
        let (left, top) = (margin + y_room.max(measured.x_underhang), legend_top + reserve.above + heading);

        let count = figure.panels.len().max(1);
        let columns = columns(figure, count);
        let rows = count.div_ceil(columns);
        let gutter = (measured.gutter, heading + em * 1.0);
        let room = page.width - left - right - gutter.0 * (columns - 1) as f64;
        let panel_width = (room / columns as f64).max(em * 2.0);
        let ratio = if columns > 1 { 0.78 } else { page.ratio };
        let panel_height = match page.height {
            Some(h) => (h - top - bottom - gutter.1 * (rows - 1) as f64) / rows as f64,
            None => (panel_width * ratio).max(em * 8.0),
        };
        let panel_height = panel_height.max(em * 3.0);
        let frame = |i: usize| {
            let (column, row) = ((i % columns) as f64, (i / columns) as f64);
            let at = (left + column * (panel_width + gutter.0), top + row * (panel_height + gutter.1));
            Rect::new(at.0, at.1, at.0 + panel_width, at.1 + panel_height)
        };
        let frames: Vec<Rect> = (0..count).map(frame).collect();
        let grid = frames.iter().fold(frames[0], |all, f| {
            Rect::new(all.left, all.top, all.right.max(f.right), all.bottom.max(f.bottom))
        });
        let (x_ticks, sloped) = x_ticks(figure, &x, &ruler_x(x, &frames[0], em), em);
        let y_ticks = y_ticks(figure, &y, &ruler_y(y, &frames[0], em), em);
        let height = page.height.unwrap_or(0.0).max(grid.bottom + bottom);
        let (x_label_height, y_label_width) = (0.0, 0.0);
        let mut layout = Layout {
            page,
            height,
            words,
            legend_top,
            grid,
            frames,
            columns,
            x,
            y,
            x_ticks,
            y_ticks,
            sloped,
            x_label_height,
            y_label_width,
        };
        let now = layout.measure();
        (layout.x_label_height, layout.y_label_width) = (now.x_label_height, now.y_label_width);
        layout
    }

    fn measure(&self) -> Measured {
        let em = self.page.em;
        let widest = |ticks: &Ticks| ticks.major.iter().map(|t| width(&t.label, em)).fold(0.0, f64::max);
        let x_widest = widest(&self.x_ticks);
        let ruler = self.ruler_x(0);
        let reach = |t: &Tick| {
            let at = ruler.at(t.at)?;
            let half = if self.sloped { em * 0.4 } else { width(&t.label, em) / 2.0 };
            Some(at + half - self.frames[0].right)
        };
        let overhang = self.x_ticks.major.iter().filter_map(reach).fold(0.0, f64::max);
        let slope = libm::sin(SLOPE.to_radians()).abs();
        let reach = |t: &Tick| {
            let share = if self.sloped { libm::cos(SLOPE.to_radians()) } else { 0.5 };
            Some(self.frames[0].left - ruler.at(t.at)? + width(&t.label, em) * share)
        };
        let underhang = self.x_ticks.major.iter().filter_map(reach).fold(0.0, f64::max);
        Measured {
            y_label_width: widest(&self.y_ticks),
            x_label_height: if self.sloped { x_widest * slope + em * 0.4 } else { em },
            x_overhang: overhang,
            x_underhang: underhang,
            grid_height: self.grid.height(),
            gutter: if self.sloped { em * 1.6 } else { (overhang + underhang + em * 0.6).max(em * 1.6) },
        }
    }

    pub(crate) fn ruler_x(&self, panel: usize) -> Ruler {
        ruler_x(self.x, &self.frames[panel], self.page.em)
    }

    pub(crate) fn ruler_y(&self, panel: usize) -> Ruler {
        ruler_y(self.y, &self.frames[panel], self.page.em)
    }

    /// True for the lowest panel of a column, which carries the labels of the x axis.
    pub(crate) fn is_lowest(&self, panel: usize) -> bool {
        panel + self.columns >= self.frames.len()
    }
}

fn ruler_x(domain: Domain, frame: &Rect, em: f64) -> Ruler {
    Ruler::new(domain, frame.left, frame.right, em * 4.4)
}

fn ruler_y(domain: Domain, frame: &Rect, em: f64) -> Ruler {
    Ruler::new(domain, frame.bottom, frame.top, em * 2.4)
}

fn columns(figure: &Figure, count: usize) -> usize {
    let auto = match (Page::of(figure.size).is_narrow(), count) {
        (_, 1) => 1,
        (true, _) => 2,
        (false, 2 | 3) => count,
        (false, 4) => 2,
        (false, 5..=9) => 3,
        (false, _) => 4,
    };
    let most = (Page::of(figure.size).width / (Page::of(figure.size).em * 7.0)) as usize;
    figure.columns.unwrap_or(auto).min(most).clamp(1, count)
}

/// The ticks of the x axis, and whether their labels must be sloped.
fn x_ticks(figure: &Figure, domain: &Domain, ruler: &Ruler, em: f64) -> (Ticks, bool) {
    let axis = &figure.x;
    // Ticks at even steps look crowded long before their labels touch.
    let airy = axis.scale == Scale::Linear && axis.ticks.is_empty();
    let apart = |a: &Tick, b: &Tick| match (ruler.at(a.at), ruler.at(b.at)) {
        (Some(from), Some(to)) => (to - from).abs(),
        _ => 0.0,
    };
    let level = |a: &Tick, b: &Tick| {
        let labels = (width(&a.label, em) + width(&b.label, em)) / 2.0;
        let (gap, least) = if airy { (1.6, 3.4) } else { (0.7, 2.0) };
        apart(a, b) < (labels + em * gap).max(em * least)
    };
    let Scale::Ordinal(labels) = &axis.scale else {
        return (choose(domain, &axis.scale, axis.format, &axis.ticks, &level), false);
    };
    let cut = Scale::Ordinal(labels.iter().map(|l| fit(l.trim(), em, em * WIDEST_CATEGORY)).collect());
    let ticks = choose(domain, &cut, axis.format, &[], &level);
    if ticks.major.len() == labels.len() {
        return (ticks, false);
    }
    let sloped = |a: &Tick, b: &Tick| apart(a, b) < em * 1.5;
    (choose(domain, &cut, axis.format, &[], &sloped), true)
}

fn y_ticks(figure: &Figure, domain: &Domain, ruler: &Ruler, em: f64) -> Ticks {
    let axis = &figure.y;
    let least = match axis.scale {
        Scale::Linear if axis.ticks.is_empty() => 2.3,
        Scale::Linear | Scale::Log10 => 1.7,
        Scale::Ordinal(_) => 1.3,
    };
    let close = |a: &Tick, b: &Tick| match (ruler.at(a.at), ruler.at(b.at)) {
        (Some(from), Some(to)) => (to - from).abs() < em * least,
        _ => true,
    };
    let scale = match &axis.scale {
        Scale::Ordinal(labels) => {
            Scale::Ordinal(labels.iter().map(|l| fit(l.trim(), em, em * WIDEST_CATEGORY)).collect())
        }
        other => other.clone(),
    };
    choose(domain, &scale, axis.format, &axis.ticks, &close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_that_do_not_fit_are_sloped_and_those_that_do_are_level() {
        let bars = |names: &[&str]| {
            let points = (0..names.len()).map(|i| Point::new(i as f64, 1.0)).collect();
            let curves = vec![Curve::new("", 0, Marks::Bars(points))];
            let axis = Axis::ordinal("", names.iter().copied());
            let figure = Figure { size: Size::Column, ..Figure::single("", axis, Axis::linear(""), curves) };
            Layout::new(&figure, Reserve::default())
        };
        assert!(!bars(&["tcp", "udp"]).sloped);
        let names = ["a rather long name"; 12];
        let long = bars(&names);
        assert!(long.sloped);
        assert_eq!(long.x_ticks.major.len(), 12);
    }

    #[test]
    fn panels_share_the_page_without_touching() {
        for count in 1..14 {
            let panels = vec![Panel { title: "t".into(), ..Panel::default() }; count];
            let layout = Layout::new(&Figure { panels, ..Figure::default() }, Reserve::default());
            for (i, a) in layout.frames.iter().enumerate() {
                assert!(a.right < layout.page.width && a.bottom < layout.height);
                assert!(layout.frames[..i].iter().all(|b| !a.touches(b)));
            }
            assert_eq!((0..count).filter(|&i| layout.is_lowest(i)).count(), layout.columns);
        }
    }
}
