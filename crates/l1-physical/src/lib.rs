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
//! | `jitter.rs` | [`Jitter`], how much longer than its delay a link takes |
//! | `damage.rs` | [`Damage`], which frames noise damages |
//! | `trace.rs` | [`DeliveryTrace`], links whose capacity was recorded |
//! | `impair.rs` | [`Impairments`], all of that for one direction |
//! | `coding/` | [`coding`]: bits as signals, frames in a stream of bits |
//! | `occupancy.rs` | [`Occupancy`], how long a queue was how full |
//!
//! What is not here: packets and links themselves (the world keeps them), queue disciplines that schedule.

pub mod coding;
mod damage;
mod framing;
mod impair;
mod jitter;
mod loss;
mod occupancy;
mod port;
mod trace;

pub use damage::{BitErrors, Damage, frame_error_ratio};
pub use framing::Framing;
pub use impair::{Impairments, Journey};
pub use jitter::{Jitter, JitterShape};
pub use loss::{GilbertElliott, Loss, PacketClass};
pub use occupancy::Occupancy;
pub use port::{Moved, Offer, Port, PortStats, QueueLimit};
pub use trace::{DeliveryTrace, OPPORTUNITY_BYTES};
