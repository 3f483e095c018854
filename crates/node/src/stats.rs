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
    /// Fragments made of packets that were too long for a link.
    pub fragments_made: u64,
    /// Packets put together from fragments.
    pub reassembled: u64,
    /// Packets of which fragments were missing.
    pub reassembly_failures: u64,
}

impl NodeStats {
    /// IP packets that it put on links, its own and others'.
    pub fn sent(&self) -> u64 {
        self.tx_packets + self.forwarded
    }

    /// IP packets that it took from links, for itself or to pass on.
    pub fn received(&self) -> u64 {
        self.rx_packets + self.forwarded - self.branched
    }
}
