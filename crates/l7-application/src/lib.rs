//! Processes: programs on a host that wait for time or sockets, the native traffic generators, and what services are made of.
//!
//! ```text
//!   resume(now, why, sockets) -> Wait        the same contract for native programs and for scripts
//!   bytes --Reader--> messages               services: parsers and state machines without sockets or clock
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `process.rs` | [`Process`], [`Wait`], [`Resume`], [`SocketApi`], [`ManySockets`] |
//! | `bulk.rs` | [`Bulk`], as much data over TCP as it will take |
//! | `cbr.rs` | [`Cbr`], datagrams at a constant rate, and [`OnOff`], in bursts |
//! | `dns/` | the domain name system: messages, zones, caches, searches |
//! | `tls/` | a model of TLS |
//! | `swarm/` | file distribution among peers |
//! | `http/` | HTTP messages, addresses of pages, dates |
//! | `traffic/` | distributions of sizes, workloads of many flows |
//! | `voice.rs` | speech codecs, the playout buffer, the E-model |
//! | `http2/` | frames of HTTP/2, HPACK |
//! | `lines.rs` | command lines of FTP and SMTP |
//! | `ssh.rs` | packets as SSH has them |
//! | `postgres.rs` | heads of messages as PostgreSQL has them |
//! | `codec/` | values as bytes, compression, character sets |
//! | `store/` | a store of values in memory, as Redis is |
//! | `broker/` | a queue server, as beanstalkd is |
//!
//! What is not here: sockets (node), who runs the processes (world).

pub mod broker;
mod bulk;
mod cbr;
pub mod codec;
pub mod dns;
pub mod http;
pub mod http2;
pub mod lines;
pub mod postgres;
mod process;
pub mod ssh;
pub mod store;
pub mod swarm;
pub mod tls;
pub mod traffic;
pub mod voice;

pub use bulk::Bulk;
pub use cbr::{Cbr, OnOff, Pattern};
pub use process::{ManySockets, Process, Resume, SocketApi, Wait};
pub use tidewire_units::Refusal;
