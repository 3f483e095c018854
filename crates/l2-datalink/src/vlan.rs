//! Virtual LANs on the ports of a switch (IEEE 802.1Q): which frames a port takes, and which leave it with a tag.

use tidewire_wire::VlanId;

/// What a port is to the VLANs of its switch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VlanPort {
    /// Belongs to one VLAN; frames carry no tag.
    Access(VlanId),
    /// Carries several VLANs, told apart by tags.
    Trunk {
        /// Those that it carries, ascending, the native one among them.
        allowed: Vec<VlanId>,
        /// The VLAN of frames without a tag; without one they are dropped.
        native: Option<VlanId>,
    },
}

impl VlanPort {
    /// A trunk for these VLANs.
    pub fn trunk(mut allowed: Vec<VlanId>, native: Option<VlanId>) -> VlanPort {
        allowed.extend(native);
        allowed.sort_unstable();
        allowed.dedup();
        VlanPort::Trunk { allowed, native }
    }

    /// The VLAN of a frame that came in with this tag (section 8.6.2); `None`: the port does not take it.
    pub fn classify(&self, tag: Option<VlanId>) -> Option<VlanId> {
        match (self, tag) {
            (VlanPort::Access(vlan), None) => Some(*vlan),
            (VlanPort::Access(vlan), Some(tag)) => (*vlan == tag).then_some(tag),
            (VlanPort::Trunk { native, .. }, None) => *native,
            (VlanPort::Trunk { .. }, Some(tag)) => self.carries(tag).then_some(tag),
        }
    }

    /// Whether frames of a VLAN leave through the port.
    pub fn carries(&self, vlan: VlanId) -> bool {
        match self {
            VlanPort::Access(own) => *own == vlan,
            VlanPort::Trunk { allowed, .. } => allowed.binary_search(&vlan).is_ok(),
        }
    }

    /// The tag that a frame of a VLAN leaves with.
    pub fn tag_of(&self, vlan: VlanId) -> Option<VlanId> {
        match self {
            VlanPort::Access(_) => None,
            VlanPort::Trunk { native, .. } => (*native != Some(vlan)).then_some(vlan),
        }
    }

    /// The VLANs of the port, ascending.
    pub fn vlans(&self) -> &[VlanId] {
        match self {
            VlanPort::Access(vlan) => std::slice::from_ref(vlan),
            VlanPort::Trunk { allowed, .. } => allowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vlan(number: u16) -> VlanId {
        VlanId::new(number).unwrap()
    }

    #[test]
    fn an_access_port_takes_frames_without_a_tag_and_gives_none() {
        let port = VlanPort::Access(vlan(10));
        assert_eq!(port.classify(None), Some(vlan(10)));
        assert_eq!((port.classify(Some(vlan(20))), port.tag_of(vlan(10))), (None, None));
        assert!(port.carries(vlan(10)) && !port.carries(vlan(20)));
    }

    #[test]
    fn a_trunk_tags_all_but_its_native_vlan_and_takes_only_what_it_carries() {
        let port = VlanPort::trunk(vec![vlan(20), vlan(10)], Some(vlan(1)));
        assert_eq!(port.vlans(), [vlan(1), vlan(10), vlan(20)]);
        assert_eq!([1, 10, 20].map(|n| port.tag_of(vlan(n))), [None, Some(vlan(10)), Some(vlan(20))]);
        assert_eq!((port.classify(None), port.classify(Some(vlan(30)))), (Some(vlan(1)), None));
        let strict = VlanPort::trunk(vec![vlan(10)], None);
        assert_eq!((strict.classify(None), strict.classify(Some(vlan(10)))), (None, Some(vlan(10))));
    }
}
