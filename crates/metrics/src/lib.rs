//! Counters, histograms, series, summaries, confidence intervals, CSV.
//!
//! | file | what is in it |
//! |---|---|
//! | `value.rs` | [`Value`], one cell of a table, and [`Table`] |
//!
//! What is not here: files (the lab writes them) and anything that knows what a packet is.

mod value;

pub use value::{Table, Value};
