//! A model of TLS 1.2 and 1.3: the messages, their sizes and round trips are the protocol's; the cryptography is not. Whoever
//! looks at the bytes on the way sees the server's name, certificates (1.2) and lengths, and nothing of what is said.
//!
//! ```text
//!   payloads from the connection --Session::input--> Session::plain --> the program
//!   the program --Session::seal--> records            Session::output --> handshake messages to send
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `certificate.rs` | [`Certificate`], [`verify`]: chains, names, times |
//! | `record.rs` | [`Records`]: what is protected, in pieces of 16 KiB |
//! | `session.rs` | [`Session`]: both ends of a handshake (RFC 5246, RFC 8446), resumption, early data |

mod certificate;
mod record;
mod session;

pub use certificate::{Certificate, verify};
pub use record::Records;
pub(crate) use record::{mix, scramble};
pub use session::{Client, Costs, Facts, Server, Session, Version};
