//! Published and recorded results, expected against measured.
//!
//! ```text
//!   recordings of a kernel --> the same link, the same losses --> expected | measured | ratio
//!   formulas, RFC tables   --> a scenario each                --> expected | measured | verdict
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `kernel/` | goodput, fairness and datagrams of a recorded kernel, row by row |
//! | `trace/` | packets of a recorded kernel, transmission by transmission |
//! | `theory/` | closed forms and published tables |
//! | `validity.rs` | all verdicts as one page |
//! | `recordings.rs` | recordings that come with the program |
//! | `network.rs` | two hosts and a link |
//! | `parallel.rs` | independent runs on all cores, in order |
//! | `files.rs` | the only place that reads and writes files |
//! | `error.rs` | what can be wrong with a reference |
//!
//! What is not here: the scenarios of users, which are scripts; the conformance runner.

mod error;
mod files;
pub mod kernel;
mod network;
mod parallel;
mod recordings;
pub mod theory;
pub mod trace;
pub mod validity;

pub use error::ReproduceError;
pub use files::{read_folder, read_text, write_text};
pub use parallel::Workers;
