//! Figures for papers, reports and slides: data in, SVG text (or a page of PDF) out.
//!
//! ```text
//!   Figure (model) --+--> data: extents, legend entries, description
//!                    |        |
//!                    |        v
//!                    |    scale: range, ruler <--- ticks, labels
//!                    |        |
//!                    +--> layout: margins, panels -----+
//!                    |        |                        |
//!                    |        v                        v
//!                    +--> trace, blocks: positions --> legend: a free place
//!                             |                        |
//!                             +-------> render <-------+--> svg text
//! ```
//!
//! - `model`: figure, panel, axis, curve and what they are made of; plain data
//! - `data`: what axes must cover, what the legend names, a description in words
//! - `scale`: from values to positions, with a place for zero on logarithmic axes
//! - `ticks`, `labels`: where ticks stand and how they are written
//! - `layout`: margins from the texts that need them, panels in a grid
//! - `trace`: lines, bands, error bars, markers; long series thinned to what can be seen
//! - `blocks`: boxes and bars
//! - `legend`: at the ends of curves, in an empty corner, or outside; never over data
//! - `axes`: grid, ticks, titles, reference lines
//! - `style`: colours, dashes, markers, hatches
//! - `geom`, `text`, `svg`: clipping and thinning, widths of text, elements
//! - `pdf`: an SVG of this project as a page of PDF
//!
//! What is not here: experiments, statistics beyond quartiles, files, formats made of pixels.
//!
//! ```
//! use tidewire_plot::{Axis, Curve, Figure, Marks, Point, render};
//!
//! let points = vec![Point::with_interval(1.0, 9.5, 9.2, 9.8), Point::with_interval(2.0, 7.1, 6.8, 7.4)];
//! let curve = Curve::new("tcp", 0, Marks::Line(points));
//! let x = Axis::linear("Hops");
//! let svg = render(&Figure::single("Goodput", x, Axis::linear("Goodput (Mbit/s)"), vec![curve]));
//! assert!(svg.starts_with("<svg"));
//! ```

mod axes;
mod blocks;
mod data;
mod geom;
mod labels;
mod layout;
mod legend;
mod model;
mod pdf;
mod render;
mod scale;
mod style;
mod svg;
#[cfg(test)]
mod tests;
mod text;
mod ticks;
mod trace;

pub use model::*;
pub use pdf::pdf;
pub use render::render;
