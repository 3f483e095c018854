//! UDP, TCP and congestion control, as state machines without clock or network.
//!
//! ```text
//!   send, recv, close ---+                       +--> poll_transmit: segments
//!   handle_segment ------+---> Connection -------+--> readable, send_space, state, error
//!   handle_timeout ------+                       +--> next_timeout
//! ```
//!
//! What is not here: IP, addresses of interfaces, demultiplexing and listeners. Those are the hosts'.

mod config;
pub mod congestion;
mod connection;
mod error;
mod info;
mod reset;
mod state;
mod udp;

pub use config::{EcnMode, Keepalive, Profile, TcpConfig, TimerSlack};
pub use congestion::CcKind;
pub use connection::{Connection, Transmit};
pub use error::{TcpError, Unreachable};
pub use info::{CaState, TcpInfo};
pub use reset::reset_for;
pub use state::{Event, State, TRANSITIONS};
pub use udp::{Accepted, Datagram, UdpSocket};
