//! Ethernet: who has this address, and behind which port is it?
//!
//! ```text
//!   resolve(next hop) -> MAC | queued, asking        learn(source, port); lookup(destination) -> port | flood
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `neighbors.rs` | [`Neighbors`], ARP: request, reply, cache, expiry, pending packets, retries (RFC 826, RFC 1122 section 2.3.2); the same for IPv6 (RFC 4861) |
//! | `mac_table.rs` | [`MacTable`], the learning switch's table with ageing (IEEE 802.1D) |
//! | `arq.rs` | [`arq::Arq`], repair on a link: stop-and-wait, go-back-N, selective repeat |
//! | `vlan.rs` | [`VlanPort`], access ports and trunks (IEEE 802.1Q) |
//! | `bridge/` | [`Bridge`], the spanning tree |
//! | `qdisc/` | queue disciplines |
//! | `medium/` | media that stations share: [`medium::Bus`] (CSMA/CD) |
//!
//! What is not here: ports and queues (L1), what to do with a packet that cannot be delivered (the node).

pub mod arq;
mod bridge;
mod mac_table;
pub mod medium;
mod neighbors;
pub mod qdisc;
mod vlan;

pub use bridge::{
    Bridge, BridgeConfig, BridgePortConfig, BridgeStats, PortRole, PortState, SpanningTree, converge,
};
pub use mac_table::{MacEntry, MacTable};
pub use neighbors::{ArpConfig, GivenUp, NeighborState, Neighbors, Resolved};
pub use vlan::VlanPort;
