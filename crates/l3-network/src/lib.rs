//! IPv4: where does this packet go next, and what is said when it cannot go there?
//!
//! ```text
//!   destination --longest prefix--> Route { equal-cost next hops } --flow hash--> next hop
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `prefix.rs` | [`Prefix`], an IPv4 network |
//! | `fib.rs` | [`Fib`], the forwarding table: longest prefix match with equal-cost next hops |
//! | `icmp.rs` | ICMP messages: echo, unreachable, time exceeded (RFC 792, RFC 1122 section 3.2.2, RFC 1812 section 4.3) |
//!
//! What is not here: computing routes (topology), resolving next hops (L2).

mod fib;
pub mod icmp;
mod prefix;

pub use fib::{Fib, NextHop};
pub use prefix::Prefix;
