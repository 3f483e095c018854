//! Traffic that looks real: sizes from published distributions, flows that arrive by chance, questions to many servers at once.
//!
//! ```text
//!   Sizes --how much?--+
//!   Pace ---when?------+--> Workload --Action--> whoever opens connections (world)
//!   Pick ---to whom?---+        ^---what was received
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `cdf.rs` | [`Cdf`], a distribution given by points, and those that were published |
//! | `sizes.rs` | [`Sizes`], how large what is sent is |
//! | `workload.rs` | [`Workload`], who sends what to whom and when |
//! | `frames.rs`, `replay.rs` | [`Frames`], video and games over UDP; [`Replay`] of recordings |
//! | `summary.rs` | [`by_class`], completion times by size |

mod cdf;
mod frames;
mod replay;
mod sizes;
mod summary;
mod workload;

pub use cdf::{BadCdf, Cdf, PUBLISHED};
pub use frames::{FramePattern, Frames};
pub use replay::{Recorded, Replay, parse_capture, parse_table};
pub use sizes::Sizes;
pub use summary::{Class, by_class, quantile};
pub use workload::{Action, Exchange, Gaps, Pace, Pick, Side, Spec, Workload};
