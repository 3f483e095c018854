//! Processes: programs on a host that wait for time or sockets, and the native traffic generators.
//!
//! ```text
//!   resume(now, why, sockets) -> Wait        the same contract for native programs and for scripts
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `process.rs` | [`Process`], [`Wait`], [`Resume`], [`SocketApi`] |
//! | `bulk.rs` | [`Bulk`], as much data over TCP as it will take |
//! | `cbr.rs` | [`Cbr`], datagrams at a constant rate, and [`OnOff`], in bursts |
//!
//! What is not here: sockets (node), who runs the processes (world).

mod bulk;
mod cbr;
mod process;

pub use bulk::Bulk;
pub use cbr::{Cbr, OnOff, Pattern};
pub use process::{Process, Resume, SocketApi, Wait};
pub use tidewire_units::Refusal;
