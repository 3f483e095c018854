//! The ways that packets of known flows take: what the forwarding table and address resolution said, in one look-up.

use std::net::Ipv4Addr;
use tidewire_units::{IfaceId, Instant, stable_hash};
use tidewire_wire::{Hot, MacKey};

/// Sets of the first table.
const FIRST: usize = 2;
/// Sets of the largest.
const MOST: usize = 512;
/// A table with more misses than this for each set is too small.
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

/// Two ways that share a place, the one remembered later first; one line of the processor's cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Set([Way; 2]);

/// A table by flow hash, no larger than the node's flows need. Nothing depends on what it holds but speed.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    sets: Vec<Set>,
    misses: u32,
}

impl Ways {
    /// The way of a packet, if it is known and holds at `now`.
    #[inline(always)]
    pub fn find(&self, now: Instant, packet: &Hot) -> Option<&Way> {
        let Set([first, second]) =
            self.sets.get(packet.flow_hash as usize & self.sets.len().wrapping_sub(1))?;
        let is_of = |way: &Way| way.flow_hash == packet.flow_hash && way.dst == packet.dst;
        let way = if is_of(first) {
            first
        } else if is_of(second) {
            second
        } else {
            return None;
        };
        (packet.len <= way.mtu && now <= way.until).then_some(way)
    }

    /// Remembers the way of packets like this one.
    pub fn remember(&mut self, packet: &Hot, out: IfaceId, dst_mac: MacKey, mtu: u16, until: Instant) {
        let n = self.sets.len();
        self.misses += 1;
        if n == 0 || n < MOST && self.misses > PATIENCE * n as u32 {
            self.misses = 0;
            self.sets.clear();
            self.sets.resize((2 * n).max(FIRST), Set([EMPTY; 2]));
        }
        let at = packet.flow_hash as usize & (self.sets.len() - 1);
        let Set([first, second]) = &mut self.sets[at];
        if first.flow_hash != packet.flow_hash || first.dst != packet.dst {
            *second = *first;
        }
        *first = Way { dst: packet.dst, flow_hash: packet.flow_hash, until, out, dst_mac, mtu };
    }

    /// Forgets everything: routes or addresses have changed.
    pub fn clear(&mut self) {
        self.sets.clear();
    }
}

/// The hash that decides the path of an ICMP echo.
pub fn ping_flow(src: Ipv4Addr, dst: Ipv4Addr, id: u16) -> u32 {
    flow_hash(1, src, id, dst, 0)
}

/// The hash of a flow's addresses, protocol and ports.
pub(crate) fn flow_hash(protocol: u8, src: Ipv4Addr, src_port: u16, dst: Ipv4Addr, dst_port: u16) -> u32 {
    let ports = [src_port.to_be_bytes(), dst_port.to_be_bytes()].concat();
    (stable_hash(&[&[protocol], &src.octets(), &dst.octets(), &ports]) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_flows_that_share_a_place_are_both_remembered_and_the_older_gives_way_to_a_third() {
        let packet = |flow_hash| {
            let mut packet = Hot::NOTHING;
            (packet.flow_hash, packet.len) = (flow_hash, 100);
            packet
        };
        let mut ways = Ways::default();
        let now = Instant::ZERO;
        for hash in [0, 1 << 20, 1 << 21] {
            ways.remember(&packet(hash), IfaceId(hash), MacKey::ZERO, 1500, Instant::MAX);
            assert_eq!(ways.find(now, &packet(hash)).map(|way| way.out), Some(IfaceId(hash)));
        }
        assert!(ways.find(now, &packet(0)).is_none());
        assert!(ways.find(now, &packet(1 << 20)).is_some());
        let mut large = packet(1 << 20);
        large.len = 1501;
        assert!(ways.find(now, &large).is_none());
    }
}
