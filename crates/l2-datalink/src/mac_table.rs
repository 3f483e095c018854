//! The learning switch's table (IEEE 802.1D section 7.8: dynamic filtering entries).

use rustc_hash::FxHashMap;
use tidewire_units::{Instant, Span};
use tidewire_wire::MacKey;

/// Which port each source address was last seen on.
#[derive(Clone, Debug)]
pub struct MacTable {
    entries: FxHashMap<MacKey, (u32, Instant)>,
    ageing: Span,
}

impl MacTable {
    /// The standard's ageing time, 300 s.
    pub const AGEING: Span = Span::from_secs(300);

    /// An empty table whose entries expire after `ageing` without traffic.
    pub fn new(ageing: Span) -> MacTable {
        MacTable { entries: FxHashMap::default(), ageing }
    }

    /// Notes that `source` sent a frame that came in through `port`.
    #[inline]
    pub fn learn(&mut self, now: Instant, source: MacKey, port: u32) {
        self.entries.insert(source, (port, now));
    }

    /// The port to `destination`, unless it is unknown or its entry is too old.
    #[inline]
    pub fn lookup(&self, now: Instant, destination: MacKey) -> Option<u32> {
        let (port, seen) = self.entries.get(&destination)?;
        (now.since(*seen) <= self.ageing).then_some(*port)
    }

    /// Forgets everything learned on a port (its link went down).
    pub fn flush_port(&mut self, port: u32) {
        self.entries.retain(|_, (at, _)| *at != port);
    }

    /// The live entries, sorted by address: (address, port, age).
    pub fn entries(&self, now: Instant) -> Vec<(MacKey, u32, Span)> {
        let live = |seen: Instant| now.since(seen) <= self.ageing;
        let mut rows: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, (_, seen))| live(*seen))
            .map(|(mac, (port, seen))| (*mac, *port, now.since(*seen)))
            .collect();
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
        let mut table = MacTable::new(MacTable::AGEING);
        assert_eq!(table.lookup(at(0), MacKey(1)), None);
        table.learn(at(0), MacKey(1), 3);
        table.learn(at(1), MacKey(1), 4);
        assert_eq!(table.lookup(at(2), MacKey(1)), Some(4));
    }

    #[test]
    fn entries_expire_without_traffic() {
        let mut table = MacTable::new(Span::from_secs(300));
        table.learn(at(0), MacKey(1), 3);
        assert_eq!(table.lookup(at(300), MacKey(1)), Some(3));
        assert_eq!(table.lookup(at(301), MacKey(1)), None);
        assert!(table.entries(at(301)).is_empty());
    }

    #[test]
    fn a_port_can_be_flushed() {
        let mut table = MacTable::new(MacTable::AGEING);
        table.learn(at(0), MacKey(1), 3);
        table.learn(at(0), MacKey(2), 4);
        table.flush_port(3);
        assert_eq!(table.entries(at(0)), [(MacKey(2), 4, Span::ZERO)]);
    }
}
