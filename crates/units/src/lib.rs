//! Words that every crate shares: instants, spans, rates, sizes, probabilities, typed ids and seeded random streams.
//!
//! ```text
//!   Instant --+ Span --> Instant        Rate x bytes --> Span        "20ms" --> Span
//!   Streams(seed) --(purpose, entity name)--> Stream
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `time.rs` | [`Instant`] and [`Span`], in whole picoseconds |
//! | `rate.rs` | [`Rate`], bits per second with an exact serialisation time |
//! | `size.rs` | [`Bytes`] and [`Probability`] |
//! | `ids.rs` | typed indices: [`NodeId`], [`LinkId`], [`IfaceId`] |
//! | `random.rs` | [`Streams`] and [`Stream`], keyed by seed, purpose and entity name |
//! | `socket.rs` | [`SocketId`], [`Interest`], [`WaitToken`]: what processes and hosts share about sockets |
//! | `quantity.rs` | texts with units ("10Mbps", "20ms", "64KiB", "1%") |
//!
//! What is not here: packets, addresses, anything that knows what a network is.

mod ids;
mod quantity;
mod random;
mod rate;
mod size;
mod socket;
mod time;

pub use ids::{DirId, IfaceId, LinkId, NodeId};
pub use quantity::{QuantityError, parse_count, parse_probability, parse_rate, parse_size, parse_span};
pub use random::{Purpose, Stream, Streams, stable_hash};
pub use rate::Rate;
pub use size::{Bytes, Probability};
pub use socket::{Interest, Refusal, SocketId, WaitToken};
pub use time::{Instant, Span};
