//! What a node counts.

/// Counters of a node since the last restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NodeStats {
    /// IP packets sent by the node itself.
    pub tx_packets: u64,
    /// Bytes of those.
    pub tx_bytes: u64,
    /// IP packets that were for the node.
    pub rx_packets: u64,
    /// Bytes of those.
    pub rx_bytes: u64,
    /// IP packets forwarded for others.
    pub forwarded: u64,
    /// How many of those were further copies of one packet for a group.
    pub branched: u64,
    /// IP packets that came and were neither for the node nor passed on: refused, too old, without a way, or parts of one that a gate put
    /// together (RFC 1213, `ipInReceives` counts all).
    pub turned_away: u64,
    /// Fragments that packets were cut into, but for one of each.
    pub split: u64,
    /// Fragments made of packets that were too long for a link.
    pub fragments_made: u64,
    /// Packets put together from fragments.
    pub reassembled: u64,
    /// Packets of which fragments were missing.
    pub reassembly_failures: u64,
}

impl NodeStats {
    /// IP packets that it put on links, its own and others', each fragment counted.
    pub fn sent(&self) -> u64 {
        self.tx_packets + self.forwarded + self.split
    }

    /// IP packets that it took from links, whatever became of them.
    pub fn received(&self) -> u64 {
        self.rx_packets + self.forwarded - self.branched + self.turned_away
    }

    /// A packet has been seen to; `before` is what [`NodeStats::received`] was. It counts, if it has not yet.
    pub(crate) fn note_received(&mut self, before: u64) {
        self.turned_away += u64::from(self.received() == before);
    }
}
