//! Bridge protocol data units (IEEE 802.1D-2004 clause 9; the configuration and notification units are those of 802.1D-1998).

use crate::malformed::split;
use crate::{MacAddr, Malformed};
use std::fmt;

/// A bridge's identifier: 16 bits of priority, then its MAC address. The lower wins (IEEE 802.1D-2004 section 9.2.5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BridgeId(pub u64);

impl BridgeId {
    /// The identifier of a bridge with this priority (default 32768) and address.
    pub const fn new(priority: u16, mac: MacAddr) -> BridgeId {
        let [a, b, c, d, e, f] = mac.0;
        BridgeId((priority as u64) << 48 | u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// The priority, the more significant part.
    pub const fn priority(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// The address.
    pub const fn mac(self) -> MacAddr {
        let [_, _, a, b, c, d, e, f] = self.0.to_be_bytes();
        MacAddr([a, b, c, d, e, f])
    }
}

impl fmt::Display for BridgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.priority(), self.mac())
    }
}

impl fmt::Debug for BridgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a port says of its own role (IEEE 802.1D-2004 section 9.2.9).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum BpduRole {
    /// Not said.
    Unknown = 0,
    /// Alternate or backup.
    Alternate = 1,
    /// Root.
    Root = 2,
    /// Designated.
    Designated = 3,
}

/// The flags octet (IEEE 802.1D-2004 section 9.2.9). A configuration unit uses the first and the last bit only.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct BpduFlags(pub u8);

impl BpduFlags {
    /// The topology changed.
    pub const TOPOLOGY_CHANGE: BpduFlags = BpduFlags(1);
    /// A designated port wants to forward at once.
    pub const PROPOSAL: BpduFlags = BpduFlags(1 << 1);
    /// The sending port learns.
    pub const LEARNING: BpduFlags = BpduFlags(1 << 4);
    /// The sending port forwards.
    pub const FORWARDING: BpduFlags = BpduFlags(1 << 5);
    /// The designated port at the other end may forward at once.
    pub const AGREEMENT: BpduFlags = BpduFlags(1 << 6);
    /// A notification of a topology change was heard.
    pub const TOPOLOGY_CHANGE_ACK: BpduFlags = BpduFlags(1 << 7);

    /// Whether every bit of `other` is set.
    pub const fn has(self, other: BpduFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// With the bits of `other` set if `on`.
    #[must_use]
    pub const fn with(self, other: BpduFlags, on: bool) -> BpduFlags {
        if on { BpduFlags(self.0 | other.0) } else { self }
    }

    /// With this role.
    #[must_use]
    pub const fn with_role(self, role: BpduRole) -> BpduFlags {
        BpduFlags(self.0 & !0b1100 | (role as u8) << 2)
    }

    /// The sender's role.
    pub const fn role(self) -> BpduRole {
        match self.0 >> 2 & 3 {
            0 => BpduRole::Unknown,
            1 => BpduRole::Alternate,
            2 => BpduRole::Root,
            _ => BpduRole::Designated,
        }
    }
}

/// What a configuration unit and a rapid one say. Times are in 1/256 s, as on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BpduBody {
    /// The flags.
    pub flags: BpduFlags,
    /// The root that the sender believes in.
    pub root: BridgeId,
    /// The sender's distance from it.
    pub root_cost: u32,
    /// The sender.
    pub bridge: BridgeId,
    /// The port that it sent from: priority in the upper 4 bits, number in the lower 12.
    pub port: u16,
    /// Age of the root's message, in 1/256 s.
    pub message_age: u16,
    /// At what age a message is forgotten, in 1/256 s.
    pub max_age: u16,
    /// Time between the root's messages, in 1/256 s.
    pub hello_time: u16,
    /// Time in each of the states before forwarding, in 1/256 s.
    pub forward_delay: u16,
}

/// A bridge protocol data unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bpdu {
    /// Configuration, version 0 (spanning tree).
    Config(BpduBody),
    /// Rapid spanning tree, version 2.
    Rapid(BpduBody),
    /// Notification towards the root that the topology changed (version 0).
    TopologyChange,
}

/// LLC header: both service access points are the bridge protocol's, unnumbered information.
const LLC: [u8; 3] = [0x42, 0x42, 0x03];

impl Bpdu {
    /// The group address that bridges listen on and never forward (IEEE 802.1D-2004 table 7-10).
    pub const GROUP: MacAddr = MacAddr([0x01, 0x80, 0xC2, 0, 0, 0]);

    /// Length in bytes of the longest, LLC header included.
    pub const MAX_LEN: usize = 39;

    /// Length in bytes, LLC header included: what the length field of the frame says.
    pub const fn wire_len(&self) -> usize {
        LLC.len()
            + match self {
                Bpdu::Config(_) => 35,
                Bpdu::Rapid(_) => 36,
                Bpdu::TopologyChange => 4,
            }
    }

    /// The unit at the start of an 802.3 frame's data, LLC header included; what follows is padding.
    ///
    /// # Errors
    /// Truncated; another LLC or protocol; an unknown type.
    pub fn parse(bytes: &[u8]) -> Result<Bpdu, Malformed> {
        let (llc, rest) = split::<3>(bytes)?;
        let (&[protocol0, protocol1, version, kind], rest) = split::<4>(rest)?;
        if *llc != LLC || [protocol0, protocol1] != [0, 0] {
            return Err(Malformed::Unsupported);
        }
        match (kind, version) {
            (0x00, _) => Ok(Bpdu::Config(BpduBody::parse(rest)?)),
            (0x02, 2..) => {
                let body = BpduBody::parse(rest)?;
                rest.get(BODY_LEN).ok_or(Malformed::Truncated)?;
                Ok(Bpdu::Rapid(body))
            }
            (0x80, _) => Ok(Bpdu::TopologyChange),
            _ => Err(Malformed::Unsupported),
        }
    }

    /// Appends the unit, LLC header included.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&LLC);
        match self {
            Bpdu::Config(body) => {
                out.extend_from_slice(&[0, 0, 0, 0x00]);
                body.emit(out);
            }
            Bpdu::Rapid(body) => {
                out.extend_from_slice(&[0, 0, 2, 0x02]);
                body.emit(out);
                out.push(0); // length of the version 1 information: none
            }
            Bpdu::TopologyChange => out.extend_from_slice(&[0, 0, 0, 0x80]),
        }
    }
}

const BODY_LEN: usize = 31;

impl BpduBody {
    fn parse(bytes: &[u8]) -> Result<BpduBody, Malformed> {
        let (&[flags], rest) = split::<1>(bytes)?;
        let (root, rest) = split::<8>(rest)?;
        let (root_cost, rest) = split::<4>(rest)?;
        let (bridge, rest) = split::<8>(rest)?;
        let (port, rest) = split::<2>(rest)?;
        let (message_age, rest) = split::<2>(rest)?;
        let (max_age, rest) = split::<2>(rest)?;
        let (hello_time, rest) = split::<2>(rest)?;
        let (forward_delay, _) = split::<2>(rest)?;
        Ok(BpduBody {
            flags: BpduFlags(flags),
            root: BridgeId(u64::from_be_bytes(*root)),
            root_cost: u32::from_be_bytes(*root_cost),
            bridge: BridgeId(u64::from_be_bytes(*bridge)),
            port: u16::from_be_bytes(*port),
            message_age: u16::from_be_bytes(*message_age),
            max_age: u16::from_be_bytes(*max_age),
            hello_time: u16::from_be_bytes(*hello_time),
            forward_delay: u16::from_be_bytes(*forward_delay),
        })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.flags.0);
        out.extend_from_slice(&self.root.0.to_be_bytes());
        out.extend_from_slice(&self.root_cost.to_be_bytes());
        out.extend_from_slice(&self.bridge.0.to_be_bytes());
        for word in [self.port, self.message_age, self.max_age, self.hello_time, self.forward_delay] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body() -> impl Strategy<Value = BpduBody> {
        let ids = (any::<u8>(), any::<u64>(), any::<u32>(), any::<u64>(), any::<u16>());
        (ids, any::<[u16; 4]>()).prop_map(|((flags, root, root_cost, bridge, port), times)| BpduBody {
            flags: BpduFlags(flags),
            root: BridgeId(root),
            root_cost,
            bridge: BridgeId(bridge),
            port,
            message_age: times[0],
            max_age: times[1],
            hello_time: times[2],
            forward_delay: times[3],
        })
    }

    fn unit() -> impl Strategy<Value = Bpdu> {
        prop_oneof![body().prop_map(Bpdu::Config), body().prop_map(Bpdu::Rapid), Just(Bpdu::TopologyChange)]
    }

    proptest! {
        #[test]
        fn parse_undoes_emit(unit in unit(), padding in 0..30usize) {
            let mut bytes = Vec::new();
            unit.emit(&mut bytes);
            prop_assert_eq!(bytes.len(), unit.wire_len());
            for short in 0..bytes.len() {
                prop_assert_eq!(Bpdu::parse(&bytes[..short]), Err(Malformed::Truncated));
            }
            bytes.resize(bytes.len() + padding, 0);
            prop_assert_eq!(Bpdu::parse(&bytes), Ok(unit));
        }

        #[test]
        fn any_bytes_parse_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Bpdu::parse(&bytes);
        }
    }

    #[test]
    fn a_configuration_unit_is_these_bytes() {
        let mac = MacAddr([0, 0x1C, 0x0E, 0x87, 0x78, 0]);
        let body = BpduBody {
            flags: BpduFlags::TOPOLOGY_CHANGE,
            root: BridgeId::new(32768, mac),
            root_cost: 4,
            bridge: BridgeId::new(4096, mac),
            port: 0x8004,
            message_age: 256,
            max_age: 20 * 256,
            hello_time: 2 * 256,
            forward_delay: 15 * 256,
        };
        let mut bytes = Vec::new();
        Bpdu::Config(body).emit(&mut bytes);
        let expected = [
            0x42, 0x42, 0x03, 0, 0, 0, 0, 1, 0x80, 0, 0, 0x1C, 0x0E, 0x87, 0x78, 0, 0, 0, 0, 4, 0x10, 0, 0,
            0x1C, 0x0E, 0x87, 0x78, 0, 0x80, 4, 1, 0, 20, 0, 2, 0, 15, 0,
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_role_and_the_flags_share_one_octet() {
        let flags = BpduFlags::default().with(BpduFlags::PROPOSAL, true).with_role(BpduRole::Designated);
        assert_eq!(flags, BpduFlags(0x0E));
        assert_eq!(flags.role(), BpduRole::Designated);
        assert!(flags.has(BpduFlags::PROPOSAL) && !flags.has(BpduFlags::AGREEMENT));
        assert_eq!(flags.with_role(BpduRole::Alternate).role(), BpduRole::Alternate);
    }

    #[test]
    fn the_lower_priority_and_then_the_lower_address_wins() {
        let low = MacAddr([0, 0, 0, 0, 0, 1]);
        let high = MacAddr([0xFF, 0, 0, 0, 0, 0]);
        assert!(BridgeId::new(4096, high) < BridgeId::new(32768, low));
        assert!(BridgeId::new(4096, low) < BridgeId::new(4096, high));
        assert_eq!(BridgeId::new(4096, high).to_string(), "4096.ff:00:00:00:00:00");
        assert_eq!(BridgeId::new(4096, high).mac(), high);
    }
}
