//! ARP for IPv4 over Ethernet (RFC 826).

use crate::malformed::split;
use crate::{EtherType, MacAddr, Malformed};
use std::net::Ipv4Addr;

/// The two ARP operations (RFC 826).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArpOperation {
    /// Who has `target_ip`?
    Request,
    /// `sender_ip` is at `sender_mac`.
    Reply,
}

/// An ARP packet for IPv4 over Ethernet (RFC 826).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArpPacket {
    /// Request or reply.
    pub operation: ArpOperation,
    /// The sender's MAC address.
    pub sender_mac: MacAddr,
    /// The sender's IP address.
    pub sender_ip: Ipv4Addr,
    /// The target's MAC address; zero in a request.
    pub target_mac: MacAddr,
    /// The target's IP address.
    pub target_ip: Ipv4Addr,
}

/// Hardware type Ethernet, protocol type IPv4, address lengths 6 and 4.
const FIXED: [u8; 6] = [0, 1, EtherType::IPV4.0.to_be_bytes()[0], EtherType::IPV4.0.to_be_bytes()[1], 6, 4];

impl ArpPacket {
    /// Length in bytes.
    pub const LEN: usize = 28;

    /// True for a request.
    pub fn is_request(&self) -> bool {
        self.operation == ArpOperation::Request
    }

    /// The packet at the start of `bytes`; what follows is padding.
    ///
    /// # Errors
    /// Truncated; unsupported hardware, protocol or operation; a group address as the sender's.
    pub fn parse(bytes: &[u8]) -> Result<ArpPacket, Malformed> {
        let (fixed, rest) = split::<6>(bytes)?;
        let (operation, rest) = split::<2>(rest)?;
        let (sender_mac, rest) = split::<6>(rest)?;
        let (sender_ip, rest) = split::<4>(rest)?;
        let (target_mac, rest) = split::<6>(rest)?;
        let (target_ip, _padding) = split::<4>(rest)?;
        let operation = match u16::from_be_bytes(*operation) {
            1 => ArpOperation::Request,
            2 => ArpOperation::Reply,
            _ => return Err(Malformed::Unsupported),
        };
        if *fixed != FIXED {
            return Err(Malformed::Unsupported);
        }
        if MacAddr(*sender_mac).is_group() {
            return Err(Malformed::Address);
        }
        Ok(ArpPacket {
            operation,
            sender_mac: MacAddr(*sender_mac),
            sender_ip: Ipv4Addr::from(*sender_ip),
            target_mac: MacAddr(*target_mac),
            target_ip: Ipv4Addr::from(*target_ip),
        })
    }

    /// Appends the packet.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let operation: u16 = if self.is_request() { 1 } else { 2 };
        out.extend_from_slice(&FIXED);
        out.extend_from_slice(&operation.to_be_bytes());
        out.extend_from_slice(&self.sender_mac.0);
        out.extend_from_slice(&self.sender_ip.octets());
        out.extend_from_slice(&self.target_mac.0);
        out.extend_from_slice(&self.target_ip.octets());
    }
}
