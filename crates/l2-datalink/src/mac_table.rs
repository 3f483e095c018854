//! The learning switch's table (IEEE 802.1D section 7.8: dynamic filtering entries).

use rustc_hash::FxHashMap;
use tidewire_units::{Instant, Span};
use tidewire_wire::{MacKey, VlanId};

/// A live entry of the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct MacEntry {
    /// Its VLAN, on a switch that has some.
    pub vlan: Option<VlanId>,
    /// The address.
    pub mac: MacKey,
    /// The port.
    pub port: u32,
    /// How long ago the address was last seen.
    pub age: Span,
}

/// One key for the address and the VLAN, zero for none.
#[inline]
fn key_of(vlan: Option<VlanId>, mac: MacKey) -> u64 {
    u64::from(vlan.map_or(0, VlanId::number)) << 32 | u64::from(mac.0)
}

/// Which port each source address was last seen on, in each VLAN.
#[derive(Clone, Debug)]
pub struct MacTable {
    entries: FxHashMap<u64, (u32, Instant)>,
    ageing: Span,
    limit: usize,
    /// When a full table is searched for expired entries again.
    next_search: Instant,
}

impl MacTable {
    /// The standard's ageing time, 300 s.
    pub const AGEING: Span = Span::from_secs(300);

    /// A common size.
    pub const SIZE: usize = 8192;

    /// An empty table for `limit` addresses whose entries expire after `ageing` without traffic.
    pub fn new(ageing: Span, limit: usize) -> MacTable {
        MacTable { entries: FxHashMap::default(), ageing, limit, next_search: Instant::ZERO }
    }

    /// Notes that `source` sent a frame that came in through `port`. A full table learns no new address: frames for it are flooded.
    #[inline]
    pub fn learn(&mut self, now: Instant, vlan: Option<VlanId>, source: MacKey, port: u32) {
        let source = key_of(vlan, source);
        if let Some(entry) = self.entries.get_mut(&source) {
            *entry = (port, now);
        } else if self.entries.len() < self.limit || self.make_room(now) {
            self.entries.insert(source, (port, now));
        }
    }

    /// Removes what has expired; looks at most once a second.
    #[cold]
    fn make_room(&mut self, now: Instant) -> bool {
        if now < self.next_search {
            return false;
        }
        self.next_search = now + Span::from_secs(1);
        let ageing = self.ageing;
        self.entries.retain(|_, (_, seen)| now.since(*seen) <= ageing);
        self.entries.len() < self.limit
    }

    /// From now on entries expire after `ageing` without traffic.
    pub fn set_ageing(&mut self, ageing: Span) {
        self.ageing = ageing;
    }

    /// The port to `destination`, unless it is unknown or its entry is too old.
    #[inline]
    pub fn lookup(&self, now: Instant, vlan: Option<VlanId>, destination: MacKey) -> Option<u32> {
        let (port, seen) = self.entries.get(&key_of(vlan, destination))?;
        (now.since(*seen) <= self.ageing).then_some(*port)
    }

    /// Forgets everything learned on a port (its link went down).
    pub fn flush_port(&mut self, port: u32) {
        self.entries.retain(|_, (at, _)| *at != port);
    }

    /// The live entries, sorted by VLAN and address.
    pub fn entries(&self, now: Instant) -> Vec<MacEntry> {
        let live = |seen: Instant| now.since(seen) <= self.ageing;
        let entry = |(key, (port, seen)): (&u64, &(u32, Instant))| MacEntry {
            vlan: VlanId::new((*key >> 32) as u16),
            mac: MacKey(*key as u32),
            port: *port,
            age: now.since(*seen),
        };
        let mut rows: Vec<_> = self.entries.iter().filter(|(_, (_, seen))| live(*seen)).map(entry).collect();
        rows.sort_unstable();
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Instant {
        Instant::ZERO + Span::from_secs(s)
    }

    #[test]
    fn an_address_is_found_where_it_was_last_seen() {
        let mut table = MacTable::new(MacTable::AGEING, MacTable::SIZE);
        assert_eq!(table.lookup(at(0), None, MacKey(1)), None);
        table.learn(at(0), None, MacKey(1), 3);
        table.learn(at(1), None, MacKey(1), 4);
        assert_eq!(table.lookup(at(2), None, MacKey(1)), Some(4));
    }

    #[test]
    fn entries_expire_without_traffic() {
        let mut table = MacTable::new(Span::from_secs(300), MacTable::SIZE);
        table.learn(at(0), None, MacKey(1), 3);
        assert_eq!(table.lookup(at(300), None, MacKey(1)), Some(3));
        assert_eq!(table.lookup(at(301), None, MacKey(1)), None);
        assert!(table.entries(at(301)).is_empty());
    }

    #[test]
    fn a_port_can_be_flushed() {
        let mut table = MacTable::new(MacTable::AGEING, MacTable::SIZE);
        table.learn(at(0), None, MacKey(1), 3);
        table.learn(at(0), None, MacKey(2), 4);
        table.flush_port(3);
        assert_eq!(table.entries(at(0)), [MacEntry { vlan: None, mac: MacKey(2), port: 4, age: Span::ZERO }]);
    }

    #[test]
    fn a_full_table_learns_nothing_new_until_something_expires() {
        let mut table = MacTable::new(Span::from_secs(10), 2);
        table.learn(at(0), None, MacKey(1), 1);
        table.learn(at(1), None, MacKey(2), 2);
        table.learn(at(2), None, MacKey(3), 3);
        assert_eq!(table.lookup(at(2), None, MacKey(3)), None);
        table.learn(at(3), None, MacKey(2), 5);
        assert_eq!(table.lookup(at(3), None, MacKey(2)), Some(5), "known addresses may move");
        table.learn(at(11), None, MacKey(3), 3);
        assert_eq!((table.lookup(at(11), None, MacKey(3)), table.entries(at(11)).len()), (Some(3), 2));
    }

    #[test]
    fn an_address_may_be_behind_another_port_in_each_vlan() {
        let mut table = MacTable::new(MacTable::AGEING, MacTable::SIZE);
        let (ten, twenty) = (VlanId::new(10), VlanId::new(20));
        table.learn(at(0), ten, MacKey(1), 3);
        assert_eq!(table.lookup(at(0), twenty, MacKey(1)), None);
        table.learn(at(0), twenty, MacKey(1), 4);
        assert_eq!([ten, twenty].map(|vlan| table.lookup(at(0), vlan, MacKey(1))), [Some(3), Some(4)]);
        assert_eq!(table.entries(at(0)).len(), 2);
    }
}
