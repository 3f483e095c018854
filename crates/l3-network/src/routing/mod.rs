//! Routing protocols as state machines, and the table that chooses among what they found.
//!
//! ```text
//!   messages, timers, links --> Rip | Ospf | Bgp --routes--> Control: the best of each prefix --> Fib
//!                                  |                      |
//!                                  +--> messages          +--> changes, for those who watch
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `control.rs` | [`Control`]: a router's interfaces, protocols and routing table |
//! | `bgp/` | [`Bgp`], path vector (RFC 4271) |
//! | `ospf/` | [`Ospf`], link state (RFC 2328) |
//! | `rip/` | [`Rip`], distance vector (RFC 2453) |
//!
//! What is not here: packets (node), who hears whom (world).

mod bgp;
mod control;
mod ospf;
mod rip;

pub use bgp::{Bgp, BgpAction, BgpConfig, BgpPolicy, Relation, SessionState};
pub use control::{Control, Counters, RouteChange, RoutingConfig, StaticRoute, converge};
pub use ospf::{Announcements, NeighborState, Ospf, OspfConfig};
pub use rip::{Rip, RipConfig, SplitHorizon};

use crate::{NextHop, Prefix};
use bytes::Bytes;
use std::net::Ipv4Addr;
use std::rc::Rc;

/// A router's interface as its routing protocols see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RoutingPort {
    /// Its address; unspecified without any.
    pub addr: Ipv4Addr,
    /// The network that it is on.
    pub prefix: Prefix,
    /// What sending through it costs, at least 1.
    pub cost: u32,
    /// Largest IP packet, in bytes.
    pub mtu: u16,
    /// Whether its link is known to be up.
    pub up: bool,
    /// Its network is announced, but nothing is said there: no other router is on it.
    pub passive: bool,
}

impl RoutingPort {
    /// Whether messages are exchanged there now.
    pub fn speaks(&self) -> bool {
        self.up && !self.passive && !self.addr.is_unspecified()
    }

    /// Whether `other` can be a neighbour there now.
    fn is_neighbor(&self, other: Ipv4Addr) -> bool {
        self.up && self.may_meet(other)
    }

    /// Whether `other` can be a neighbour there, now or when the link comes up.
    fn may_meet(&self, other: Ipv4Addr) -> bool {
        let could_speak = !self.passive && !self.addr.is_unspecified();
        could_speak && self.prefix.contains(other) && other != self.addr
    }
}

/// Who says that a route exists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Origin {
    /// An interface is on that network.
    Connected,
    /// Entered by hand.
    Static,
    /// OSPF, within the area.
    Ospf,
    /// OSPF, from outside it.
    OspfExternal,
    /// RIP.
    Rip,
    /// BGP, from another AS.
    Ebgp,
    /// BGP, from the same AS.
    Ibgp,
    /// BGP, announced by the router itself: what has no way within the prefix ends here (RFC 4632 section 5.1).
    Discard,
}

impl Origin {
    /// Of routes to one prefix the one with the least distance is used; the customary values.
    pub const fn distance(self) -> u8 {
        match self {
            Origin::Connected => 0,
            Origin::Static => 1,
            Origin::Ospf | Origin::OspfExternal => 110,
            Origin::Rip => 120,
            Origin::Ebgp => 20,
            Origin::Ibgp => 200,
            Origin::Discard => 254,
        }
    }

    /// The name in tables.
    pub const fn label(self) -> &'static str {
        match self {
            Origin::Connected => "connected",
            Origin::Static => "static",
            Origin::Ospf => "ospf",
            Origin::OspfExternal => "ospf_external",
            Origin::Rip => "rip",
            Origin::Ebgp => "ebgp",
            Origin::Ibgp => "ibgp",
            Origin::Discard => "discard",
        }
    }
}

/// A way to a prefix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Where to.
    pub prefix: Prefix,
    /// Who says so.
    pub origin: Origin,
    /// What it costs, in the measure of who says so.
    pub metric: u32,
    /// Equally good next hops, by port and gateway, and none of one that discards; routes that have the same share them.
    pub hops: Rc<[NextHop]>,
}

/// What a protocol's message travels in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrier {
    /// UDP, from and to port 520.
    Rip,
    /// IP protocol 89.
    Ospf,
}

/// A message that a router wants to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoutingMessage {
    /// Through which interface.
    pub port: u32,
    /// To whom: a neighbour or a group.
    pub dst: Ipv4Addr,
    /// In what.
    pub carrier: Carrier,
    /// The message; what goes out of several interfaces is shared.
    pub bytes: Bytes,
}

/// What can be told of a neighbour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NeighborView {
    /// The interface that it is on.
    pub port: u32,
    /// Its address there.
    pub addr: Ipv4Addr,
    /// Who it says it is.
    pub id: Ipv4Addr,
    /// The protocol that it speaks.
    pub protocol: &'static str,
    /// How far the two have come, in the words of the protocol.
    pub state: &'static str,
}
