//! Addresses on loan: DHCP (RFC 2131) as client, server and relay, without network or clock.
//!
//! | file | what is in it |
//! |---|---|
//! | `client.rs` | [`DhcpClient`]: gets an address, keeps it, gives it back |
//! | `server.rs` | [`DhcpServer`]: pools and leases |

mod client;
mod server;

pub use client::{ClientState, DhcpClient, DhcpEvent, Lease};
pub use server::{DhcpPool, DhcpServer, LeaseRow, ServerStats};

use std::net::Ipv4Addr;
use tidewire_wire::DhcpMessage;

/// A message and where it is to go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DhcpSend {
    /// The message.
    pub message: DhcpMessage,
    /// To this address; none for everybody on the link.
    pub to: Option<Ipv4Addr>,
    /// To servers and relays, not to clients.
    pub to_server: bool,
}

/// What a relay does with a message (RFC 1542 section 4.1): its hops are counted, and its own address is entered if it is the
/// first. `None` for one that has come round too often.
pub fn relayed(mut message: DhcpMessage, own: Ipv4Addr) -> Option<DhcpMessage> {
    message.hops += 1;
    if message.giaddr.is_unspecified() {
        message.giaddr = own;
    }
    (message.hops <= MOST_HOPS).then_some(message)
}

/// RFC 1542 section 4.1.1.
const MOST_HOPS: u8 = 16;
