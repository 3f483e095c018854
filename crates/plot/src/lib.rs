//! Figures: axes, curves with confidence bands, legends, written as SVG.

mod axes;
mod blocks;
mod data;
mod geom;
mod labels;
mod layout;
mod legend;
mod model;
mod render;
mod scale;
mod style;
mod svg;
mod text;
mod ticks;
mod trace;

pub use model::*;
pub use render::render;
