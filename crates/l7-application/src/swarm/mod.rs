//! File distribution among peers, as BitTorrent does it (BEP 3), with a tracker over UDP (BEP 15).
//!
//! ```text
//!   tracker <--announce--> Program --bytes--> Reader --Message--> Peer --Output--> Program --bytes--> other peers
//!                             |                                   |
//!                          sockets                     Picker, Choker: what to ask for, whom to serve
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `torrent.rs` | [`Torrent`], the file: pieces, blocks, content, hashes |
//! | `message.rs` | [`Message`] and its [`Reader`], which hashes blocks while they pass |
//! | `picker.rs` | which block is asked for next |
//! | `choker.rs` | who is served |
//! | `limit.rs` | how much is sent |
//! | `peer.rs`, `receive.rs`, `ask.rs`, `serve.rs` | [`Peer`], all of a peer but its sockets |
//! | `program.rs` | [`Program`], a peer with its sockets |
//! | `tracker.rs` | [`Tracker`] and its messages |
//! | `board.rs` | [`Board`], what all of them have done |

mod ask;
mod board;
mod choker;
mod limit;
mod message;
mod peer;
mod picker;
mod program;
mod receive;
mod serve;
mod torrent;
mod tracker;

#[cfg(test)]
mod tests;

pub use board::{Board, Disk, Event, PeerReport, SharedBoard};
pub use choker::{Choking, SeedChoking};
pub use message::{Message, Reader};
pub use peer::{Behaviour, Peer, PeerConfig};
pub use picker::Policy;
pub use program::{Lifetime, Program};
pub use torrent::{Block, Torrent};
pub use tracker::{Members, Tracker};
