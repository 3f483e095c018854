//! RIP version 2 (RFC 2453 section 4), carried by UDP on port 520.

use crate::Malformed;
use crate::malformed::split;
use std::fmt;
use std::net::Ipv4Addr;

/// What a RIP message is (RFC 2453 section 3.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum RipCommand {
    /// Asks for routes.
    Request = 1,
    /// Tells routes.
    Response = 2,
}

/// One route (RFC 2453 section 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RipEntry {
    /// Address family: 2 for IPv4, 0 in a request for the whole table, 0xFFFF for authentication.
    pub family: u16,
    /// Tells routes of other protocols apart.
    pub tag: u16,
    /// The network.
    pub addr: Ipv4Addr,
    /// Its mask.
    pub mask: Ipv4Addr,
    /// Where to send to; unspecified for the sender itself.
    pub next_hop: Ipv4Addr,
    /// Hops, 1 to 16; 16 is out of reach.
    pub metric: u32,
}

/// A RIP message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RipMessage {
    /// What it is.
    pub command: RipCommand,
    /// Its routes, at most [`RipMessage::MAX_ENTRIES`].
    pub entries: Vec<RipEntry>,
}

impl RipMessage {
    /// The UDP port.
    pub const PORT: u16 = 520;
    /// The group address of RIP routers.
    pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 9);
    /// Most routes in one message (RFC 2453 section 3.6).
    pub const MAX_ENTRIES: usize = 25;
    /// The address family of IPv4.
    pub const IPV4: u16 = 2;

    /// The request for a whole table (RFC 2453 section 3.9.1).
    pub fn whole_table() -> RipMessage {
        let any = Ipv4Addr::UNSPECIFIED;
        let entry = RipEntry { family: 0, tag: 0, addr: any, mask: any, next_hop: any, metric: 16 };
        RipMessage { command: RipCommand::Request, entries: vec![entry] }
    }

    /// Whether it asks for a whole table.
    pub fn asks_for_all(&self) -> bool {
        let [entry] = self.entries[..] else { return false };
        self.command == RipCommand::Request && entry.family == 0 && entry.metric == 16
    }

    /// The message that a datagram's payload is.
    ///
    /// # Errors
    /// Truncated; an unknown command; another version than 2; more entries than allowed, or a part of one.
    pub fn parse(bytes: &[u8]) -> Result<RipMessage, Malformed> {
        let (&[command, version, _, _], mut rest) = split::<4>(bytes)?;
        let command = match command {
            1 => RipCommand::Request,
            2 => RipCommand::Response,
            _ => return Err(Malformed::Unsupported),
        };
        if version != 2 {
            return Err(Malformed::Version);
        }
        if rest.len() > Self::MAX_ENTRIES * ENTRY_LEN || !rest.len().is_multiple_of(ENTRY_LEN) {
            return Err(Malformed::Length);
        }
        let mut entries = Vec::with_capacity(rest.len() / ENTRY_LEN);
        while let Some((entry, after)) = rest.split_first_chunk::<ENTRY_LEN>() {
            entries.push(RipEntry::parse(entry));
            rest = after;
        }
        Ok(RipMessage { command, entries })
    }

    /// The message in bytes.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + self.entries.len() * ENTRY_LEN);
        out.extend_from_slice(&[self.command as u8, 2, 0, 0]);
        for entry in &self.entries {
            out.extend_from_slice(&entry.family.to_be_bytes());
            out.extend_from_slice(&entry.tag.to_be_bytes());
            out.extend_from_slice(&entry.addr.octets());
            out.extend_from_slice(&entry.mask.octets());
            out.extend_from_slice(&entry.next_hop.octets());
            out.extend_from_slice(&entry.metric.to_be_bytes());
        }
        out
    }
}

const ENTRY_LEN: usize = 20;

impl RipEntry {
    fn parse(bytes: &[u8; ENTRY_LEN]) -> RipEntry {
        let half = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| u32::from(half(at)) << 16 | u32::from(half(at + 2));
        RipEntry {
            family: half(0),
            tag: half(2),
            addr: word(4).into(),
            mask: word(8).into(),
            next_hop: word(12).into(),
            metric: word(16),
        }
    }
}

impl fmt::Display for RipMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.command {
            RipCommand::Request => write!(f, "RIPv2, Request"),
            RipCommand::Response => write!(f, "RIPv2, Response, routes: {}", self.entries.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry() -> impl Strategy<Value = RipEntry> {
        (any::<[u16; 2]>(), any::<[u32; 4]>()).prop_map(|([family, tag], [addr, mask, next_hop, metric])| {
            let [addr, mask, next_hop] = [addr, mask, next_hop].map(Ipv4Addr::from_bits);
            RipEntry { family, tag, addr, mask, next_hop, metric }
        })
    }

    proptest! {
        #[test]
        fn parse_undoes_emit(ask in any::<bool>(), entries in prop::collection::vec(entry(), 0..=25)) {
            let command = if ask { RipCommand::Request } else { RipCommand::Response };
            let message = RipMessage { command, entries };
            prop_assert_eq!(RipMessage::parse(&message.emit()), Ok(message));
        }

        #[test]
        fn any_bytes_parse_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = RipMessage::parse(&bytes);
        }
    }

    #[test]
    fn a_response_with_one_route_is_these_bytes() {
        let message = RipMessage {
            command: RipCommand::Response,
            entries: vec![RipEntry {
                family: RipMessage::IPV4,
                tag: 0,
                addr: Ipv4Addr::new(10, 1, 0, 0),
                mask: Ipv4Addr::new(255, 255, 0, 0),
                next_hop: Ipv4Addr::UNSPECIFIED,
                metric: 3,
            }],
        };
        let expected = [2, 2, 0, 0, 0, 2, 0, 0, 10, 1, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3];
        assert_eq!(message.emit(), expected);
        assert!(RipMessage::whole_table().asks_for_all() && !message.asks_for_all());
    }

    #[test]
    fn half_an_entry_a_26th_and_another_version_are_refused() {
        let mut bytes = RipMessage::whole_table().emit();
        bytes.push(0);
        assert_eq!(RipMessage::parse(&bytes), Err(Malformed::Length));
        let many = RipMessage {
            command: RipCommand::Response,
            entries: vec![RipMessage::whole_table().entries[0]; 26],
        };
        assert_eq!(RipMessage::parse(&many.emit()), Err(Malformed::Length));
        assert_eq!(RipMessage::parse(&[2, 1, 0, 0]), Err(Malformed::Version));
        assert_eq!(RipMessage::parse(&[9, 2, 0, 0]), Err(Malformed::Unsupported));
    }
}
