//! The VLAN tag (IEEE 802.1Q section 9.6).

use crate::malformed::split;
use crate::{EtherType, Malformed};
use std::fmt;

/// A VLAN's number, 1 to 4094.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VlanId(u16);

impl VlanId {
    /// The VLAN of ports that are not told otherwise (IEEE 802.1Q table 9-2).
    pub const DEFAULT: VlanId = VlanId(1);

    /// The VLAN with this number; `None` for 0 (no VLAN), 4095 (reserved) and beyond.
    pub const fn new(number: u16) -> Option<VlanId> {
        if number >= 1 && number <= 4094 { Some(VlanId(number)) } else { None }
    }

    /// The number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vlan {}", self.0)
    }
}

/// The four bytes that stand between the source address and the ethertype of a tagged frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VlanTag {
    /// Priority code point, 0 to 7.
    pub priority: u8,
    /// Whether it may be dropped first.
    pub drop_eligible: bool,
    /// The VLAN; `None` in a frame that is tagged for its priority only.
    pub vlan: Option<VlanId>,
}

impl VlanTag {
    /// Length in bytes.
    pub const LEN: usize = 4;
    /// The ethertype that announces a tag.
    pub const ETHERTYPE: EtherType = EtherType(0x8100);

    /// The tag of a frame in this VLAN, of the lowest priority.
    pub const fn of(vlan: VlanId) -> VlanTag {
        VlanTag { priority: 0, drop_eligible: false, vlan: Some(vlan) }
    }

    /// The tag that follows the ethertype 0x8100, the ethertype after it, and the rest.
    ///
    /// # Errors
    /// Truncated; the reserved VLAN 4095.
    pub fn parse(bytes: &[u8]) -> Result<(VlanTag, EtherType, &[u8]), Malformed> {
        let (&[t0, t1, e0, e1], rest) = split::<4>(bytes)?;
        let control = u16::from_be_bytes([t0, t1]);
        let number = control & 0xFFF;
        let vlan = VlanId::new(number);
        if vlan.is_none() && number != 0 {
            return Err(Malformed::Unsupported);
        }
        let tag = VlanTag { priority: (control >> 13) as u8, drop_eligible: control & 0x1000 != 0, vlan };
        Ok((tag, EtherType(u16::from_be_bytes([e0, e1])), rest))
    }

    /// Appends the ethertype 0x8100 and the tag; the ethertype of what is carried follows.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let control = u16::from(self.priority & 7) << 13
            | u16::from(self.drop_eligible) << 12
            | self.vlan.map_or(0, VlanId::number);
        out.extend_from_slice(&Self::ETHERTYPE.0.to_be_bytes());
        out.extend_from_slice(&control.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parse_undoes_emit(priority in 0..8u8, drop_eligible: bool, number in 0..4095u16, inner: u16) {
            let tag = VlanTag { priority, drop_eligible, vlan: VlanId::new(number) };
            let mut bytes = Vec::new();
            tag.emit(&mut bytes);
            prop_assert_eq!(bytes.len(), VlanTag::LEN);
            prop_assert_eq!(&bytes[..2], &[0x81, 0x00]);
            bytes.extend_from_slice(&inner.to_be_bytes());
            bytes.push(9);
            prop_assert_eq!(VlanTag::parse(&bytes[2..]), Ok((tag, EtherType(inner), &[9u8][..])));
        }
    }

    #[test]
    fn the_reserved_number_and_short_tags_are_refused() {
        assert_eq!(VlanTag::parse(&[0x0F, 0xFF, 8, 0]), Err(Malformed::Unsupported));
        assert_eq!(VlanTag::parse(&[0, 1, 8]), Err(Malformed::Truncated));
        assert_eq!([0, 4095, 65535].map(VlanId::new), [None; 3]);
    }
}
