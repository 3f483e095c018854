//! Lua: network, processes, sockets, applications, measurements.

mod api;

pub use api::*;
