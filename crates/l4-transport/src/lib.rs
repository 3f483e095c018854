//! UDP, TCP and congestion control, as state machines without clock or network.
//!
//! ```text
//!   send, recv, close ---+                       +--> poll_transmit: segments
//!   handle_segment ------+---> Connection -------+--> readable, send_space, state, error
//!   handle_timeout ------+                       +--> next_timeout
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `connection.rs` | [`Connection`]: construction, the application's calls, timeouts |
//! | `state.rs` | the states of RFC 9293 and [`TRANSITIONS`], the table between them |
//! | `handshake.rs` | SYN, SYN-ACK, options, the first measurement |
//! | `input.rs` | the checks on a segment, in order; resets, TIME_WAIT, ICMP |
//! | `ack.rs` | an acknowledgment: window, retransmit queue, RTT, congestion control |
//! | `sack.rs`, `rack.rs`, `recovery.rs` | the scoreboard; loss detection by time and probes; recovery, PRR, F-RTO, undo |
//! | `rtx.rs`, `sendbuf.rs`, `sender.rs` | segments in flight; the bytes behind them; the sender's variables ([`Sender`]) |
//! | `output.rs`, `send.rs`, `large.rs` | what leaves, in which order; retransmissions, new data, Nagle, pacing; segmentation offload |
//! | `receive.rs`, `reassembly.rs`, `receiver.rs`, `window.rs` | data, delayed acknowledgments; holes; variables; the receive window |
//! | `mtu.rs` | probing for the path MTU |
//! | `rtt.rs`, `rate.rs`, `minmax.rs` | RTO estimator, delivery-rate samples, windowed filters |
//! | `timers.rs`, `probes.rs`, `clock.rs` | timers; window and keepalive probes; microseconds and timer slack |
//! | `folded.rs` | [`Folded`]: a connection at rest in a few hundred bytes |
//! | `config.rs`, `info.rs`, `error.rs` | [`TcpConfig`], what can be read off a connection ([`TcpInfo`]), [`TcpError`] |
//! | `congestion/` | [`congestion::CongestionControl`] and one file per algorithm |
//! | `quic/` | a transport like QUIC, over datagrams |
//! | `reset.rs`, `udp.rs` | resets for stray segments; [`UdpSocket`] |
//!
//! What is not here: IP, addresses of interfaces, demultiplexing and listeners. Those are the hosts'.

mod ack;
mod clock;
mod config;
pub mod congestion;
mod connection;
mod error;
mod folded;
mod handshake;
mod info;
mod input;
mod large;
mod minmax;
mod mtu;
mod output;
mod probes;
pub mod quic;
mod rack;
mod rate;
mod reassembly;
mod receive;
mod receiver;
mod recovery;
mod reset;
mod rtt;
mod rtx;
mod sack;
mod send;
mod sendbuf;
mod sender;
mod state;
mod timers;
mod udp;
mod window;

pub use config::{EcnMode, Keepalive, MtuProbing, Profile, TcpConfig, TimerSlack};
pub use congestion::{CcKind, Sender};
pub use connection::{Connection, Transmit};
pub use error::{TcpError, Unreachable};
pub use folded::Folded;
pub use info::{CaState, Discards, TcpInfo};
pub use reset::reset_for;
pub use state::{Event, State, TRANSITIONS};
pub use udp::{Accepted, Datagram, UdpSocket};
