//! Captures: what is sent on chosen directions, as pcapng bytes.

use crate::World;
use tidewire_l1_physical::Offer;
use tidewire_units::{DirId, Instant};
use tidewire_wire::{Hot, Packets};

/// A packet seen by a capture, in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub at: Instant,
    pub dir: DirId,
    pub bytes: Vec<u8>,
    pub note: &'static str,
}

#[derive(Default)]
pub(crate) struct Captures {
    pub seen: Vec<Seen>,
    /// Directions and whether they carry Ethernet frames.
    framed: Vec<(u32, bool)>,
}

impl Captures {
    pub fn note(&mut self, at: Instant, dir: usize, packet: &Hot, packets: &Packets, offer: Offer) {
        use tidewire_wire::LinkLayer;
        let framed =
            self.framed.iter().find(|(known, _)| *known == dir as u32).is_some_and(|(_, framed)| *framed);
        let layer = if framed { LinkLayer::Ethernet } else { LinkLayer::RawIp };
        let note = match offer {
            Offer::Arrives(_) => "",
            Offer::Lost => "lost on the link",
            Offer::QueueFull => "dropped: queue full",
            Offer::LinkDown => "dropped: link down",
        };
        let bytes = packets.unpack(packet).emit(layer);
        self.seen.push(Seen { at, dir: DirId::from_index(dir), bytes, note });
    }
}

impl World {
    /// Records every packet offered to a direction from now on.
    pub fn capture(&mut self, dir: DirId) {
        let direction = &mut self.directions[dir.index()];
        if !direction.observed {
            direction.observed = true;
            self.captures.framed.push((dir.0, direction.port.framing().has_mac()));
        }
    }
}
