//! Writes SVG elements. Lengths have two decimals, so that equal figures give equal bytes.

use std::fmt::Write;

use crate::geom::{Point2, Rect};
use crate::text::escape;

/// First what designers expect, then what every system has.
const FONTS: &str = "Helvetica, Arial, Liberation Sans, Nimbus Sans, sans-serif";

/// Where a text stands relative to its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Font {
    pub size: f64,
    pub bold: bool,
    pub color: &'static str,
    /// Degrees clockwise around the position.
    pub turn: f64,
    /// A white outline, for text that may stand on lines.
    pub halo: bool,
}

impl Font {
    pub(crate) fn plain(size: f64) -> Self {
        Font { size, bold: false, color: crate::style::INK, turn: 0.0, halo: false }
    }
}

/// How a line looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pen {
    pub color: &'static str,
    pub width: f64,
    /// Lengths on and off in multiples of the width; empty is solid.
    pub dash: &'static [f64],
}

impl Pen {
    pub(crate) fn solid(color: &'static str, width: f64) -> Self {
        Pen { color, width, dash: &[] }
    }
}

/// An SVG document under construction.
pub(crate) struct Svg {
    out: String,
}

impl Svg {
    /// Opens a document of this size in points, with its accessible name and description.
    pub(crate) fn new(width: f64, height: f64, title: &str, description: &str) -> Self {
        let mut out = String::new();
        let (w, h) = (number(width), number(height));
        let (mm_w, mm_h) = (number(width * 25.4 / 72.0), number(height * 25.4 / 72.0));
        let (title, description) = (escape(title), escape(description));
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{mm_w}mm\" height=\"{mm_h}mm\" \
             viewBox=\"0 0 {w} {h}\" role=\"img\" aria-label=\"{title}\" font-family=\"{FONTS}\">\n\
             <title>{title}</title>\n<desc>{description}</desc>\n\
             <rect width=\"{w}\" height=\"{h}\" fill=\"#ffffff\"/>\n"
        );
        Svg { out }
    }

    /// Closes the document.
    pub(crate) fn finish(mut self) -> String {
        self.out.push_str("</svg>\n");
        self.out
    }

    /// Opens a group; the text is a class for those who want to find it, never used for looks.
    pub(crate) fn open(&mut self, class: &str) {
        let _ = writeln!(self.out, "<g class=\"{}\">", escape(class));
    }

    pub(crate) fn close(&mut self) {
        self.out.push_str("</g>\n");
    }

    pub(crate) fn line(&mut self, a: Point2, b: Point2, pen: &Pen) {
        self.path(&[vec![a, b]], pen);
    }

    /// Open lines as one path.
    pub(crate) fn path(&mut self, runs: &[Vec<Point2>], pen: &Pen) {
        let data = path_data(runs, false);
        if data.is_empty() {
            return;
        }
        let _ = write!(
            self.out,
            "<path d=\"{data}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\"",
            pen.color,
            number(pen.width)
        );
        if !pen.dash.is_empty() {
            let dash: Vec<String> = pen.dash.iter().map(|d| number(d * pen.width)).collect();
            let _ = write!(self.out, " stroke-dasharray=\"{}\"", dash.join(" "));
        }
        self.out.push_str("/>\n");
    }

    /// A filled shape without outline.
    pub(crate) fn area(&mut self, outline: &[Point2], color: &str, opacity: f64) {
        let data = path_data(&[outline.to_vec()], true);
        if !data.is_empty() {
            let opacity = number(opacity);
            let _ = writeln!(self.out, "<path d=\"{data}\" fill=\"{color}\" fill-opacity=\"{opacity}\"/>");
        }
    }

    /// A filled shape with an outline and a text that browsers show on hovering.
    pub(crate) fn shape(&mut self, data: &str, fill: &str, stroke: &Pen, hint: &str) {
        let _ = write!(
            self.out,
            "<path d=\"{data}\" fill=\"{fill}\" stroke=\"{}\" stroke-width=\"{}\"",
            stroke.color,
            number(stroke.width)
        );
        if hint.is_empty() {
            self.out.push_str("/>\n");
        } else {
            let _ = writeln!(self.out, "><title>{}</title></path>", escape(hint));
        }
    }

    /// An invisible shape that only carries a text on hovering.
    pub(crate) fn shape_hint(&mut self, data: &str, hint: &str) {
        let hint = escape(hint);
        let _ = writeln!(self.out, "<path d=\"{data}\" fill-opacity=\"0\"><title>{hint}</title></path>");
    }

    /// Many round dots as one path.
    pub(crate) fn dots(&mut self, points: &[Point2], color: &str, size: f64) {
        let mut data = String::new();
        for (x, y) in points {
            let _ = write!(data, "M{} {}h0", number(*x), number(*y));
        }
        let _ = writeln!(
            self.out,
            "<path d=\"{data}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{}\" \
             stroke-linecap=\"round\" stroke-opacity=\"0.6\"/>",
            number(size)
        );
    }

    pub(crate) fn rect(&mut self, r: &Rect, fill: &str, stroke: Option<&Pen>) {
        let _ = write!(
            self.out,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{fill}\"",
            number(r.left),
            number(r.top),
            number(r.width().max(0.0)),
            number(r.height().max(0.0))
        );
        if let Some(pen) = stroke {
            let _ = write!(self.out, " stroke=\"{}\" stroke-width=\"{}\"", pen.color, number(pen.width));
        }
        self.out.push_str("/>\n");
    }

    /// A text with its baseline at `at`.
    pub(crate) fn text(&mut self, at: Point2, anchor: Anchor, font: &Font, text: &str) {
        if text.is_empty() {
            return;
        }
        let (x, y) = (number(at.0), number(at.1));
        let _ = write!(
            self.out,
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\" fill=\"{}\"",
            number(font.size),
            font.color
        );
        match anchor {
            Anchor::Start => {}
            Anchor::Middle => self.out.push_str(" text-anchor=\"middle\""),
            Anchor::End => self.out.push_str(" text-anchor=\"end\""),
        }
        if font.bold {
            self.out.push_str(" font-weight=\"bold\"");
        }
        if font.turn != 0.0 {
            let _ = write!(self.out, " transform=\"rotate({} {x} {y})\"", number(font.turn));
        }
        if font.halo {
            let _ = write!(
                self.out,
                " stroke=\"#ffffff\" stroke-width=\"{}\" paint-order=\"stroke\"",
                number(font.size * 0.25)
            );
        }
        let _ = writeln!(self.out, ">{}</text>", escape(text));
    }
}

/// Path data of some lines, closed or open. A line of one point is left out.
pub(crate) fn path_data(runs: &[Vec<Point2>], closed: bool) -> String {
    let mut data = String::new();
    for run in runs.iter().filter(|run| run.len() > 1) {
        for (i, &(x, y)) in run.iter().enumerate() {
            data.push(match i {
                0 => 'M',
                1 => 'L',
                _ => ' ',
            });
            let _ = write!(data, "{} {}", number(x), number(y));
        }
        if closed {
            data.push('Z');
        }
    }
    data
}

/// A number with at most two decimals.
pub(crate) fn number(v: f64) -> String {
    let mut text = format!("{v:.2}");
    while text.contains('.') && text.ends_with(['0', '.']) {
        let dot = text.ends_with('.');
        text.pop();
        if dot {
            break;
        }
    }
    if text == "-0" { "0".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_no_negative_zero() {
        let cases =
            [(1.0, "1"), (-0.001, "0"), (100.0, "100"), (0.5, "0.5"), (-2.346, "-2.35"), (10.10, "10.1")];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }
}
