//! Options of the link layer: virtual LANs, shared media, repair on a link.

use serde::{Deserialize, Serialize};
use tidewire_units::{Rate, Span};

/// A medium that the links of a node share.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum MediumSpec {
    /// A half-duplex bus with collisions (IEEE 802.3 CSMA/CD). The delays of its links are the distances on the bus; their rates are
    /// equal.
    Hub,
    /// A radio channel (IEEE 802.11): its links with a distance. The node itself is a switch.
    Radio(RadioSpec),
}

/// An access point's radio. The defaults are those of IEEE 802.11g alone on its channel, at 54 Mbit/s.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RadioSpec {
    /// How fast data is sent.
    pub rate: Rate,
    /// How fast acknowledgments are sent.
    pub basic_rate: Rate,
    /// Preamble and header of the physical layer.
    pub preamble: Span,
    /// One slot of the backoff.
    pub slot: Span,
    /// Between a frame and its acknowledgment.
    pub sifs: Span,
    /// The smallest contention window, in slots.
    pub cw_min: u32,
    /// The largest.
    pub cw_max: u32,
    /// Attempts before a frame is given up.
    pub attempts: u32,
    /// Sending power in dBm.
    pub power: f64,
    /// Noise in dBm.
    pub noise: f64,
    /// Path loss over the first metre in dB.
    pub loss_1m: f64,
    /// Path loss exponent.
    pub exponent: f64,
}

impl Default for RadioSpec {
    fn default() -> RadioSpec {
        RadioSpec {
            rate: Rate::from_mbps(54),
            basic_rate: Rate::from_mbps(24),
            preamble: Span::from_us(20),
            slot: Span::from_us(9),
            sifs: Span::from_us(16),
            cw_min: 15,
            cw_max: 1023,
            attempts: 7,
            power: 16.0,
            noise: -93.0,
            loss_1m: 40.0,
            exponent: 3.0,
        }
    }
}

/// Which frames a link sends again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArqKind {
    /// The one under way.
    StopAndWait,
    /// Everything from the lost one.
    GoBackN,
    /// Only the lost one.
    SelectiveRepeat,
}

impl ArqKind {
    /// Each with its word.
    pub const WORDS: [(&'static str, ArqKind); 3] = [
        ("stop_and_wait", ArqKind::StopAndWait),
        ("gbn", ArqKind::GoBackN),
        ("sr", ArqKind::SelectiveRepeat),
    ];
}

/// How a point-to-point link repairs losses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArqSpec {
    /// Which frames are sent again.
    pub kind: ArqKind,
    /// Frames that may be under way without acknowledgment (default 7).
    pub window: u32,
    /// How long after its last bit a frame is waited for; `None`: both ways and the frames that may be in the way.
    pub timeout: Option<Span>,
}

impl ArqSpec {
    /// With the usual window and timeout.
    pub const fn new(kind: ArqKind) -> ArqSpec {
        ArqSpec { kind, window: 7, timeout: None }
    }
}

/// What the ends of a link at switches are to VLANs, which are numbered 1 to 4094.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "vlan is a number from 1 to 4094, or {trunk = [10, 20], native = 1}")]
pub enum VlanSpec {
    /// Belongs to this one; frames carry no tag.
    Access(u16),
    /// Carries these, told apart by tags (IEEE 802.1Q). A host or router at an end has an interface for each.
    Trunk {
        /// The VLANs.
        trunk: Vec<u16>,
        /// The one whose frames carry no tag.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        native: Option<u16>,
    },
}

impl VlanSpec {
    /// The VLAN of ports of a switch with VLANs that are not told otherwise.
    pub const DEFAULT: u16 = 1;

    /// Every VLAN of the link, ascending.
    pub fn all(&self) -> Vec<u16> {
        let mut all = match self {
            VlanSpec::Access(vlan) => vec![*vlan],
            VlanSpec::Trunk { trunk, native } => trunk.iter().copied().chain(*native).collect(),
        };
        all.sort_unstable();
        all.dedup();
        all
    }

    /// A VLAN that a trunk names twice, if there is one.
    pub(crate) fn named_twice(&self) -> Option<u16> {
        let VlanSpec::Trunk { trunk, .. } = self else { return None };
        let mut sorted = trunk.clone();
        sorted.sort_unstable();
        sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }

    /// The number that is none of a VLAN, if there is one.
    pub(crate) fn wrong_number(&self) -> Option<u16> {
        self.all().into_iter().find(|number| !(1..=4094).contains(number))
    }
}
