//! Composes L2 to L4 into things with ports: hosts and routers (one type, with and without forwarding), and switches.
//!
//! ```text
//!   frame in --> IpNode: mine? -> deliver to a socket | forward | say why not  --> Outbox { sends, ended, wakes, progress }
//!            --> Switch: learn, look up -> one port | all                      --> Outbox
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `outbox.rs` | [`Outbox`], everything that a node says to the world, and [`Context`] |
//! | `stack.rs` | [`IpStack`]: interfaces, ARP, forwarding table, sending |
//! | `stats.rs` | what a node counts |
//! | `table.rs` | where the forwarding table is, or comes from |
//! | `ways.rs` | what forwarding and address resolution found for known flows |
//! | `arp.rs`, `ndp.rs` | ARP; neighbour discovery over IPv6 |
//! | `gate.rs` | what packets have to pass: a firewall |
//! | `multicast.rs` | groups |
//! | `nat.rs` | address translation |
//! | `ip_node.rs` | [`IpNode`]: what happens to a frame that arrives at a host or router |
//! | `icmp.rs` | what a node says and hears about packets; fragments that it puts together |
//! | `dhcp.rs` | addresses on loan: client, server, relay |
//! | `slaac.rs` | IPv6 addresses that hosts make of what routers advertise |
//! | `control.rs` | the messages of a router's routing protocols, and what they find |
//! | `bgp.rs` | connections of BGP sessions |
//! | `sockets.rs` | [`Sockets`]: ports, timers, who waits for what |
//! | `tcp.rs` | TCP sockets: connections, listeners, accept queues |
//! | `settings.rs` | [`TcpSetting`]: what can be changed on a TCP socket |
//! | `resting.rs` | connections at rest, folded |
//! | `datagram.rs` | UDP and ICMP echo sockets |
//! | `switch.rs` | [`Switch`] |
//!
//! What is not here: links and time (world), programs (l7, script).

mod arp;
mod bgp;
mod control;
mod datagram;
mod dhcp;
mod gate;
mod icmp;
mod ip_node;
mod multicast;
mod nat;
mod ndp;
mod outbox;
mod resting;
mod settings;
mod slaac;
mod sockets;
mod stack;
mod stats;
mod switch;
mod table;
mod tcp;
mod ways;

pub use datagram::{EchoEvent, EchoOutcome};
pub use dhcp::Services;
pub use gate::Gate;
pub use icmp::Echo;
pub use ip_node::IpNode;
pub use multicast::Groups;
pub use outbox::{Context, Ended, LOOPBACK, NO_FLOW, Outbox, Progress, TRACKED};
pub use settings::TcpSetting;
pub use sockets::{Seen, SocketView, Sockets};
pub use stack::{Ecmp, Iface, IpStack};
pub use stats::NodeStats;
pub use switch::Switch;
pub use ways::ping_flow;
