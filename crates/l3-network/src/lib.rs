//! IP: where does this packet go next, and what is said when it cannot go there?
//!
//! ```text
//!   destination --longest prefix--> Route { equal-cost next hops } --flow hash--> next hop
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `prefix.rs` | [`Prefix`], an IPv4 network |
//! | `fib.rs` | [`Fib`], the forwarding table: longest prefix match with equal-cost next hops |
//! | `icmp.rs` | [`Trouble`], what ICMP reports, and [`error_about`]: which packets it may be sent about |
//! | `reassembly.rs` | [`Reassembly`], fragments that wait for the rest |
//! | `dhcp/` | [`dhcp::DhcpClient`] and [`dhcp::DhcpServer`]: addresses on loan |
//! | `slaac.rs` | [`slaac::Autoconf`] and [`slaac::Advertiser`]: IPv6 addresses that hosts make themselves |
//! | `multicast/` | groups: who listens, and which branches carry a stream |
//! | `gate/` | [`gate::Firewall`]: what may pass, and the flows that were seen |
//! | `routing/` | routing protocols, and [`routing::Control`], the table that chooses among what they found |
//!
//! What is not here: routes computed from the whole plan (topology), resolving next hops (L2).

pub mod dhcp;
mod fib;
pub mod gate;
mod icmp;
pub mod multicast;
mod prefix;
mod reassembly;
pub mod routing;
pub mod slaac;

pub use fib::{Fib, FibSource, NextHop};
pub use icmp::{ErrorLimit, Trouble, error_about};
pub use prefix::Prefix;
pub use reassembly::{Pieced, Reassembly};
