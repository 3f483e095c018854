//! Figures: axes, curves with confidence bands, legends, written as SVG.
