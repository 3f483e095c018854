//! A plan of nodes, links and addresses, its generators, routes and drawings: networks as pure data, before anything moves.
//!
//! ```text
//!   generators -.                     .-> routes     (shortest paths, ECMP)
//!   builder ----+--> Plan --assign----+-> check      (what is probably wrong)
//!   documents --'         addresses   +-> drawings   (text, DOT, SVG)
//!                                     '-> document   (JSON and the like, through serde)
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `plan.rs` | [`Plan`], [`Node`], [`Link`], [`Iface`]: what was declared, in its order |
//! | `spec.rs` | [`HostSpec`], [`LinkSpec`] and the other options with their defaults |
//! | `prefix.rs` | [`Prefix`] and [`IfaceAddr`] |
//! | `error.rs` | [`PlanError`], a sentence for each mistake |
//! | `realms.rs` | inside and outside of address translators |
//! | `link_layer.rs` | options of the link layer: [`VlanSpec`], [`MediumSpec`], [`ArqSpec`] |
//! | `segments.rs` | which interfaces hear each other |
//! | `address.rs`, `address6.rs` | [`Network`]s and automatic addresses |
//! | `routes/` | [`routes()`]: tables of all nodes over the links that are up; [`Tables`]: one by one |
//! | `paths.rs` | paths, diameter, [`Summary`] |
//! | `spread.rs` | what part of some traffic crosses which links |
//! | `check/` | [`check()`]: typed findings with a sentence each |
//! | `generate/` | line, ring, star, tree, grid, dumbbell, parking lot, fat tree, leaf and spine, BCube, random |
//! | `draw/` | pictures and tables |
//! | `import/` | GraphML, GML, DOT, JSON, TOML, CSV, Rocketfuel, BRITE |
//! | `document/` | [`Document`]: a plan with names instead of ids, to be written and read |
//!
//! What is not here: files (a caller reads and writes them), anything that happens in time, routing protocols that exchange packets,
//! and what a port or a node does with its options.

mod address;
mod address6;
mod check;
mod discipline;
mod document;
pub mod draw;
mod error;
pub mod generate;
pub mod import;
mod lans;
mod link_layer;
mod paths;
mod plan;
mod prefix;
mod realms;
mod routes;
mod segments;
mod spec;
mod spread;

pub use address::{Network, Numbering};
pub use address6::{Address6, DOCUMENTATION, Ipv6Plan, Via6, network6, prefix48};
pub use check::{
    Finding, Problem, Severity, check, doubts, duplicate_addresses, overlapping_subnets, unusable_routes,
};
pub use discipline::{CeThreshold, DisciplineKind, DisciplineSpec};
pub use document::{Document, DocumentError};
pub use error::PlanError;
pub use lans::Lan;
pub use link_layer::{ArqKind, ArqSpec, MediumSpec, RadioSpec, VlanSpec};
pub use paths::Summary;
pub use plan::{Iface, Link, Node, Plan, Via, link_of, peer_of, receiver_of, sender_of, sends_on};
pub use prefix::{IfaceAddr, Prefix};
pub use routes::{NextHop, Routes, Tables, manual_routes, routes};
pub use spec::{
    AddressMode, BufferSpec, CorruptSpec, DirectionSpec, Ecmp, Framing, HostSpec, ImpairmentSpec,
    JitterShape, JitterSpec, LinkSpec, LossModel, LossSpec, Match, NatSide, NodeKind, NodeSpec, Processing,
    QueueLimit, QueueSpec, RouterSpec, SpanningTree, SwitchSpec,
};
