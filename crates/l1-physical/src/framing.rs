//! How many byte times a packet occupies a link.

/// What a link's serialiser counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Framing {
    /// IEEE 802.3: header 14, payload of at least 46, FCS 4, preamble and start delimiter 8, inter-packet gap 12.
    #[default]
    Ethernet,
    /// The IP packet alone, as in a tunnel: no MAC layer, no ARP.
    Ip,
    /// Two bytes of PPP protocol field, no MAC addresses, no ARP.
    Ppp,
}

impl Framing {
    /// Bytes that an IP (or ARP) packet of `len` bytes occupies on the wire.
    #[inline]
    pub const fn wire_bytes(self, len: u16) -> u64 {
        match self {
            Framing::Ethernet => (if len < 46 { 46 } else { len as u64 }) + 14 + 4 + 8 + 12,
            Framing::Ip => len as u64,
            Framing::Ppp => len as u64 + 2,
        }
    }

    /// Bytes of the frame around an IP (or ARP) packet of `len` bytes that noise can hit: what is on the wire without preamble and gap.
    #[inline]
    pub const fn frame_bytes(self, len: u16) -> u64 {
        match self {
            Framing::Ethernet => self.wire_bytes(len) - 20,
            Framing::Ip | Framing::Ppp => self.wire_bytes(len),
        }
    }

    /// Whether frames end with a check sequence, by which a damaged one is recognised.
    pub const fn has_fcs(self) -> bool {
        matches!(self, Framing::Ethernet)
    }

    /// Whether frames carry MAC addresses, so that ARP is needed.
    pub const fn has_mac(self) -> bool {
        matches!(self, Framing::Ethernet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_1500_byte_packet_takes_1538_byte_times_on_ethernet() {
        assert_eq!(Framing::Ethernet.wire_bytes(1500), 1538);
        assert_eq!(Framing::Ip.wire_bytes(1500), 1500);
        assert_eq!(Framing::Ppp.wire_bytes(1500), 1502);
    }

    #[test]
    fn short_packets_are_padded_to_the_minimum_frame() {
        assert_eq!(Framing::Ethernet.wire_bytes(28), 64 + 20);
        assert_eq!(Framing::Ethernet.wire_bytes(46), 64 + 20);
    }
}
