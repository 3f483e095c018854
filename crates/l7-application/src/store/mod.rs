//! A store of values in memory, as Redis is: its protocol, and what it keeps.
//!
//! ```text
//!   bytes --read_command--> words --Store::execute(now)--> Reply --write--> bytes
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `resp.rs` | the protocol RESP2: commands and replies as bytes |
//! | `keys.rs` | keys and values with times to live; who must go when there is no room |
//! | `commands.rs` | what the commands do |

mod commands;
mod keys;
mod resp;
#[cfg(test)]
mod tests;

pub use keys::{Counts, Limits, Store};
pub use resp::{Reply, RespError, read_command, read_reply, write_command};
