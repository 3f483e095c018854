//! A queue server: tasks wait, are reserved by a worker, and are deleted when it is done; as beanstalkd does it.
//!
//! ```text
//!   put -> ready -> reserved --delete--> gone
//!            ^          |
//!            +----------+  released; the worker's connection ended; its time was over (visibility timeout); the server died
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `lines.rs` | the protocol: commands as bytes |
//! | `tasks.rs` | the tasks, who has them, who waits for one |

mod lines;
mod tasks;
#[cfg(test)]
mod tests;

pub use lines::{Command, Fault, read_command};
pub use tasks::{Broker, Counts, Means};
