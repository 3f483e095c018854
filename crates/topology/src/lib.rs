//! A plan of nodes, links and addresses, its generators, routes and drawings.

mod address;
mod check;
mod error;
pub mod generate;
mod paths;
mod plan;
mod prefix;
mod routes;
mod segments;
mod spec;

pub use address::{Network, Numbering};
pub use check::{Finding, Problem, Severity, check};
pub use error::PlanError;
pub use paths::Summary;
pub use plan::{Iface, Link, Node, Plan, Via, link_of, peer_of, receiver_of, sender_of, sends_on};
pub use prefix::{IfaceAddr, Prefix};
pub use routes::{NextHop, Routes, routes};
pub use spec::{
    AddressMode, DirectionSpec, Ecmp, Framing, HostSpec, LinkSpec, LossModel, LossSpec, Match, NodeKind,
    NodeSpec, Processing, QueueLimit, QueueSpec, RouterSpec, SwitchSpec,
};
