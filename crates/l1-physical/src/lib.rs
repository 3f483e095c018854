//! What a link does to bits: queue, serialise, delay and lose them. L1 knows lengths and times, never headers.
//!
//! ```text
//!   offer(now, length) -> [ loss draw ] -> [ queue | full? ] -> serialiser -> delay -> arrival time, or lost
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `port.rs` | [`Port`], the transmitter at one end of a link: one event per packet |
//! | `framing.rs` | [`Framing`], how many byte times a packet takes |
//! | `loss.rs` | [`Loss`], which packets are lost |
//! | `occupancy.rs` | [`Occupancy`], how long a queue was how full |
//!
//! What is not here: packets and links themselves (the world keeps them), queue disciplines that schedule.

mod framing;
mod loss;
mod occupancy;
mod port;

pub use framing::Framing;
pub use loss::{Loss, PacketClass};
pub use occupancy::Occupancy;
pub use port::{Offer, Port, PortStats, QueueLimit};
