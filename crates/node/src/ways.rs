//! The ways that packets of known flows take: what the forwarding table and address resolution said, in one look-up.

use std::net::Ipv4Addr;
use tidewire_units::{IfaceId, Instant};
use tidewire_wire::{Hot, MacKey};

/// Slots of the first table.
const FIRST: usize = 4;
/// Slots of the largest.
const MOST: usize = 256;
/// A table with more misses than this for each slot is too small.
const PATIENCE: u32 = 4;

/// Where packets of one flow leave, and for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    dst: Ipv4Addr,
    flow_hash: u32,
    /// The neighbour's address is not believed any longer than this.
    until: Instant,
    /// The interface.
    pub out: IfaceId,
    /// The neighbour.
    pub dst_mac: MacKey,
    /// The largest packet that fits; zero in an empty slot.
    mtu: u16,
}

const EMPTY: Way = Way {
    dst: Ipv4Addr::UNSPECIFIED,
    flow_hash: 0,
    until: Instant::ZERO,
    out: IfaceId(0),
    dst_mac: MacKey::ZERO,
    mtu: 0,
};

const _: () = assert!(size_of::<Way>() == 32);

/// A direct-mapped table by flow hash, no larger than the node's flows need. Nothing depends on what it holds but speed.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    slots: Vec<Way>,
    misses: u32,
}

impl Ways {
    /// The way of a packet, if it is known and holds at `now`.
    #[inline(always)]
    pub fn find(&self, now: Instant, packet: &Hot) -> Option<&Way> {
        let way = self.slots.get(packet.flow_hash as usize & self.slots.len().wrapping_sub(1))?;
        let same = way.flow_hash == packet.flow_hash && way.dst == packet.dst;
        (same && packet.len <= way.mtu && now <= way.until).then_some(way)
    }

    /// Remembers the way of packets like this one.
    pub fn remember(&mut self, packet: &Hot, out: IfaceId, dst_mac: MacKey, mtu: u16, until: Instant) {
        let n = self.slots.len();
        self.misses += 1;
        if n == 0 || n < MOST && self.misses > PATIENCE * n as u32 {
            self.misses = 0;
            self.slots.clear();
            self.slots.resize((2 * n).max(FIRST), EMPTY);
        }
        let slot = packet.flow_hash as usize & (self.slots.len() - 1);
        self.slots[slot] = Way { dst: packet.dst, flow_hash: packet.flow_hash, until, out, dst_mac, mtu };
    }

    /// Forgets everything: routes or addresses have changed.
    pub fn clear(&mut self) {
        self.slots.clear();
    }
}
