//! Counters, histograms, series, summaries, confidence intervals, CSV.
//!
//! ```text
//!   samples --> Histogram --+                        +--> CSV text
//!   levels  --> Levels    --+--> Value, Table -------+--> text table
//!   one figure per run --> Summary (mean, sd, 95 % confidence interval)
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `value.rs` | [`Value`], one cell of a table, and [`Table`] |
//! | `stored.rs` | values as serde sees them |
//! | `histogram.rs` | [`Histogram`]: samples, exact while few, within 0.4 % afterwards |
//! | `levels.rs` | [`Levels`]: time-weighted mean and quantiles of a queue's length |
//! | `summary.rs` | [`Summary`] of replications, [`quantile_of_sorted`] |
//! | `student.rs` | [`student_t_quantile`] |
//! | `unit.rs` | units from metric names: [`unit_of`], [`label_of`] |
//! | `text.rs` | [`csv_text`], [`TextTable`], [`human`] |
//!
//! What is not here: files (the lab writes them) and anything that knows what a packet is.

mod histogram;
mod levels;
mod stored;
mod student;
mod summary;
mod text;
mod unit;
mod value;

pub use histogram::{Bucket, Histogram};
pub use levels::Levels;
pub use student::{student_t_cdf, student_t_quantile};
pub use summary::{Summary, quantile_of_sorted};
pub use text::{Align, CsvText, TextTable, csv_text, decimals_for, human, human_count};
pub use unit::{KNOWN_SUFFIXES, label_of, quantity_of, unit_of};
pub use value::{Table, Value};
