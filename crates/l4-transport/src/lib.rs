//! UDP, TCP and congestion control, as state machines without clock or network.
//!
//! ```text
//!   send, recv, close ---+                       +--> poll_transmit: segments
//!   handle_segment ------+---> Connection -------+--> readable, send_space, state, error
//!   handle_timeout ------+                       +--> next_timeout
//! ```
//!
//! What is not here: IP, addresses of interfaces, demultiplexing and listeners. Those are the hosts'.

mod ack;
mod clock;
mod config;
pub mod congestion;
mod connection;
mod error;
mod handshake;
mod info;
mod input;
mod minmax;
mod output;
mod probes;
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
mod sendbuf;
mod sender;
mod state;
mod timers;
mod udp;
mod window;

pub use config::{EcnMode, Keepalive, Profile, TcpConfig, TimerSlack};
pub use congestion::{CcKind, Sender};
pub use connection::{Connection, Transmit};
pub use error::{TcpError, Unreachable};
pub use info::{CaState, TcpInfo};
pub use reset::reset_for;
pub use state::{Event, State, TRANSITIONS};
pub use udp::{Accepted, Datagram, UdpSocket};
