//! A transport like QUIC (RFC 9000, RFC 9001, RFC 9002) over datagrams: handshakes of one and no round trip, streams that do not wait
//! for one another, loss recovery and congestion control, connections that survive a change of address.
//!
//! ```text
//!   open, write, finish --+                        +--> poll_transmit: datagrams
//!   handle_datagram ------+--> QuicConnection -----+--> read, poll_event
//!   handle_timeout -------+                        +--> next_timeout
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `connection.rs` | [`QuicConnection`]: construction, the application's calls, timers |
//! | `handshake.rs` | what is said in CRYPTO frames, and what follows from it |
//! | `transmit.rs`, `receive.rs` | datagrams out and in |
//! | `loss.rs`, `mtu.rs` | what is lost; how large datagrams may be |
//! | `control.rs` | congestion control and round-trip times: the algorithms that TCP uses |
//! | `streams.rs`, `stream.rs` | all streams and whose turn it is; halves of one |
//! | `past.rs`, `reset.rs` | what is kept of a connection that is over; what is said when nothing is |
//! | `ranges.rs`, `frame.rs` | sets of numbers; packets and frames in bytes |
//!
//! What is modelled: cryptography has its sizes and round trips, no keys; a server that knows a ticket takes it. What is left out:
//! unidirectional streams, Retry, version negotiation, more than one connection identifier, limits on the number of streams, key
//! updates, ECN.

mod connection;
mod control;
mod frame;
mod handshake;
mod loss;
mod mtu;
mod past;
mod ranges;
mod receive;
mod reset;
mod stream;
mod streams;
#[cfg(test)]
mod tests;
mod transmit;

pub use connection::{QuicConfig, QuicConnection, QuicError, QuicEvent, QuicInfo};
pub use handshake::Ticket;
pub use past::QuicPast;
pub use reset::stateless_reset;
pub use streams::Schedule;

/// The connection identifier that a datagram is for, if it can be read: hosts find their connection by it.
pub fn destination_of(datagram: &[u8]) -> Option<u64> {
    let at = if datagram.first()? & 0x80 == 0 { 1 } else { 6 };
    Some(u64::from_be_bytes(datagram.get(at..at + frame::CID)?.try_into().ok()?))
}

/// Whether a datagram may open a connection: it begins with an Initial packet and is long enough (RFC 9000 section 14.1).
pub fn opens_connection(datagram: &[u8]) -> bool {
    datagram.len() >= 1200 && datagram[0] & 0xF0 == 0xC0
}
