//! The Ethernet II header and frame sizes (IEEE 802.3 sections 3.1 and 4.4).

use crate::malformed::split;
use crate::{MacAddr, Malformed};

/// What a frame carries (IANA IEEE 802 numbers).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4, 0x0800.
    pub const IPV4: EtherType = EtherType(0x0800);
    /// ARP, 0x0806.
    pub const ARP: EtherType = EtherType(0x0806);
    /// MAC control, 0x8808: PAUSE.
    pub const MAC_CONTROL: EtherType = EtherType(0x8808);
    /// IPv6, 0x86DD.
    pub const IPV6: EtherType = EtherType(0x86DD);
}

/// An Ethernet II header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EthernetHeader {
    /// Destination address.
    pub dst: MacAddr,
    /// Source address.
    pub src: MacAddr,
    /// What follows.
    pub ethertype: EtherType,
}

impl EthernetHeader {
    /// Length in bytes.
    pub const LEN: usize = 14;
    /// Length of the frame check sequence in bytes.
    pub const FCS_LEN: usize = 4;
    /// The shortest frame in bytes, frame check sequence included; shorter ones are padded with zeros.
    pub const MIN_FRAME: usize = 64;
    /// Byte times of preamble and start delimiter before a frame.
    pub const PREAMBLE: usize = 8;
    /// Byte times of silence after a frame.
    pub const GAP: usize = 12;

    /// Length in bytes of the frame around a network-layer packet: header, padding and frame check sequence included.
    pub const fn frame_len(packet_len: usize) -> usize {
        let len = Self::LEN + packet_len + Self::FCS_LEN;
        if len < Self::MIN_FRAME { Self::MIN_FRAME } else { len }
    }

    /// The header and what follows it, padding included.
    ///
    /// # Errors
    /// Truncated; a group address as source (IEEE 802.3 section 3.2.3).
    pub fn parse(bytes: &[u8]) -> Result<(EthernetHeader, &[u8]), Malformed> {
        let (header, rest) = split::<14>(bytes)?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *header;
        let src = MacAddr([s0, s1, s2, s3, s4, s5]);
        if src.is_group() {
            return Err(Malformed::Address);
        }
        let dst = MacAddr([d0, d1, d2, d3, d4, d5]);
        Ok((EthernetHeader { dst, src, ethertype: EtherType(u16::from_be_bytes([t0, t1])) }, rest))
    }

    /// Appends the header.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.dst.0);
        out.extend_from_slice(&self.src.0);
        out.extend_from_slice(&self.ethertype.0.to_be_bytes());
    }
}
