//! The domain name system: messages, zones, caches, and the search for an answer, all without sockets or clock.
//!
//! ```text
//!   query bytes --Message--> Zones::answer --> reply bytes                         (a name server)
//!   name, type --Lookup--> ask this server | here is the answer <-- replies, Cache (a resolver)
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `message.rs` | [`Message`], [`Record`]: what is sent (RFC 1035), in wire format by `simple-dns` |
//! | `zone.rs` | [`Zone`]: answers, referrals, denials (RFC 1034, section 4.3.2) |
//! | `cache.rs` | [`Cache`]: what was heard, until its time is over (RFC 2308 for denials) |
//! | `lookup.rs` | [`Lookup`]: from the root to the answer, server by server |

mod cache;
mod lookup;
mod message;
mod zone;

pub use cache::{Cache, Found};
pub use lookup::{Answer, Lookup, Outcome, Servers, Step};
pub use message::{
    Data, Kind, Message, Rcode, Record, bad_name, check_query, is_below, normal_name, reverse_name,
};
pub use zone::Zone;
