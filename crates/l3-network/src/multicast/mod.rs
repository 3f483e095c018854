//! Groups: who listens on a link (IGMP version 2, RFC 2236), and which branches of a network carry a stream (dense mode, RFC 3973).
//!
//! | file | what is in it |
//! |---|---|
//! | `host.rs` | [`Membership`]: reports of a host |
//! | `router.rs` | [`MulticastRouter`]: flooding, pruning, grafting |

mod host;
mod router;

pub use host::Membership;
pub use router::{Branches, MulticastRouter, Rpf};

use std::net::Ipv4Addr;
use tidewire_wire::{IgmpMessage, PimMessage};

/// A message to send on a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupMessage {
    /// IP protocol 2.
    Igmp(IgmpMessage),
    /// IP protocol 103.
    Pim(PimMessage),
}

/// A message, the port to send it on, and to whom.
pub type GroupSend = (u32, Ipv4Addr, GroupMessage);
