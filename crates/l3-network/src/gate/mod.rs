//! What stands between a node and its links and may refuse or rewrite packets: a stateful firewall, address translation.
//!
//! ```text
//!   packet --> Subject { flow, nature } --> Firewall::judge: pass | deny | reject     (counts, remembers flows)
//!                                       --> Nat: another source or destination | no   (remembers mappings)
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `track.rs` | [`Tracker`]: flows that were seen, so that their replies are known |
//! | `firewall.rs` | [`Firewall`]: rules, verdicts, counters |
//! | `nat.rs` | [`Nat`]: mappings, filters, counters |
//! | `service.rs` | [`Service`]: what a rule is about, as text |

mod firewall;
mod nat;
mod service;
mod track;

pub use firewall::{Action, Chain, Firewall, Hits, List, LogRow, Nets, Rule, RuleRow, Verdict};
pub use nat::{Dependence, Nat, NatConfig, NatRow, NatStats, PortForward, Rewritten, Untranslated};
pub use service::Service;
pub use track::{TrackRow, Tracker};

use std::fmt;
use tidewire_units::Span;
use tidewire_wire::{Endpoint, Protocol, TcpFlags};

/// The addresses, protocol and ports of a packet. An ICMP query has its identifier as the port of the one who asks, and 0 as the
/// other (RFC 5508 section 3.1 treats the identifier as a port); protocols without ports have 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FlowKey {
    /// Protocol number.
    pub protocol: u8,
    /// Where it comes from.
    pub src: Endpoint,
    /// Where it goes.
    pub dst: Endpoint,
}

impl FlowKey {
    /// The same of a reply.
    pub const fn reversed(self) -> FlowKey {
        FlowKey { protocol: self.protocol, src: self.dst, dst: self.src }
    }
}

/// What a packet is to those who watch flows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nature {
    /// A TCP segment.
    Tcp(TcpFlags),
    /// Something else that may begin a flow or belong to one.
    Plain,
    /// An ICMP error about a packet of this flow.
    Error(FlowKey),
}

/// What is known of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subject {
    /// Addresses and ports.
    pub flow: FlowKey,
    /// What it is.
    pub nature: Nature,
    /// Bytes of the IP packet.
    pub len: u16,
}

/// After how long of silence a flow is forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeouts {
    /// An established TCP connection (RFC 5382 REQ-5: at least 2 hours 4 minutes).
    pub tcp: Span,
    /// A TCP connection that opens or closes (RFC 5382 REQ-5: at least 4 minutes).
    pub tcp_transitory: Span,
    /// UDP (RFC 4787 REQ-5: 5 minutes).
    pub udp: Span,
    /// ICMP queries and everything else (RFC 5508 REQ-2: at least a minute).
    pub icmp: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            tcp: Span::from_secs(7440),
            tcp_transitory: Span::from_secs(240),
            udp: Span::from_secs(300),
            icmp: Span::from_secs(60),
        }
    }
}

/// How far a TCP connection is, as seen from the way (RFC 5382 section 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct TcpPhase {
    /// The other side has answered.
    answered: bool,
    /// A segment after the handshake was seen.
    established: bool,
    /// Who has sent FIN: the side that began, the other one.
    fin: [bool; 2],
    reset: bool,
}

impl TcpPhase {
    /// A segment passes.
    pub fn note(&mut self, flags: TcpFlags, is_reply: bool) {
        self.reset |= flags.rst();
        self.fin[usize::from(is_reply)] |= flags.fin();
        self.established |= self.answered && !flags.syn();
        self.answered |= is_reply;
    }

    /// Whether nothing but the last acknowledgments is expected.
    pub const fn is_over(self) -> bool {
        self.reset || (self.fin[0] && self.fin[1])
    }

    const fn is_open(self) -> bool {
        self.established && !self.reset && !self.fin[0] && !self.fin[1]
    }

    /// As tables show it.
    pub const fn name(self) -> &'static str {
        match self {
            _ if self.is_over() => "closed",
            _ if self.fin[0] || self.fin[1] => "closing",
            TcpPhase { established: true, .. } => "established",
            _ => "opening",
        }
    }
}

impl Timeouts {
    /// How long a flow of this kind is remembered after its last packet.
    pub(crate) fn of(&self, protocol: u8, phase: TcpPhase) -> Span {
        match Protocol(protocol) {
            Protocol::TCP if phase.is_open() => self.tcp,
            Protocol::TCP => self.tcp_transitory,
            Protocol::UDP => self.udp,
            _ => self.icmp,
        }
    }
}

impl fmt::Display for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |end: Endpoint| if end.port > 0 { end.to_string() } else { end.addr.to_string() };
        write!(f, "{} {} > {}", protocol_name(self.protocol), end(self.src), end(self.dst))
    }
}

/// The name of a protocol in tables and rules.
pub fn protocol_name(protocol: u8) -> String {
    match Protocol(protocol) {
        Protocol::TCP => "tcp".to_owned(),
        Protocol::UDP => "udp".to_owned(),
        Protocol::ICMP => "icmp".to_owned(),
        Protocol(number) => number.to_string(),
    }
}
