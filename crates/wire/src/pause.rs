//! The PAUSE frame (IEEE 802.3 annex 31B).

use crate::malformed::split;
use crate::{EtherType, MacAddr, Malformed};
use tidewire_units::{Rate, Span};

/// "Send nothing for so long": a MAC control frame with the opcode PAUSE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PauseFrame {
    /// For how long, in units of 512 bit times; zero ends a pause.
    pub quanta: u16,
}

impl PauseFrame {
    /// The group address that it is sent to, which no switch forwards.
    pub const GROUP: MacAddr = MacAddr([0x01, 0x80, 0xC2, 0, 0, 1]);
    /// The ethertype of MAC control.
    pub const ETHERTYPE: EtherType = EtherType(0x8808);
    /// Length in bytes before padding.
    pub const LEN: usize = 4;

    /// For how long the receiver pauses on a link of this rate.
    pub const fn duration(self, rate: Rate) -> Span {
        rate.time_for(self.quanta as u64 * 64)
    }

    /// The frame after the ethertype; what follows is padding.
    ///
    /// # Errors
    /// Truncated; another opcode.
    pub fn parse(bytes: &[u8]) -> Result<PauseFrame, Malformed> {
        let (opcode, rest) = split::<2>(bytes)?;
        let (quanta, _padding) = split::<2>(rest)?;
        if *opcode != [0, 1] {
            return Err(Malformed::Unsupported);
        }
        Ok(PauseFrame { quanta: u16::from_be_bytes(*quanta) })
    }

    /// Appends opcode and parameter, without padding.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0, 1]);
        out.extend_from_slice(&self.quanta.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_undoes_emit() {
        for quanta in [0, 1, 0x1234, u16::MAX] {
            let mut bytes = Vec::new();
            PauseFrame { quanta }.emit(&mut bytes);
            assert_eq!(bytes.len(), PauseFrame::LEN);
            assert_eq!(PauseFrame::parse(&bytes[..3]), Err(Malformed::Truncated));
            bytes.resize(46, 0);
            assert_eq!(PauseFrame::parse(&bytes), Ok(PauseFrame { quanta }));
        }
        assert_eq!(PauseFrame::parse(&[1, 1, 0, 0]), Err(Malformed::Unsupported));
    }

    #[test]
    fn the_longest_pause_at_one_gigabit_is_33_milliseconds() {
        let longest = PauseFrame { quanta: u16::MAX }.duration(Rate::from_mbps(1000));
        assert_eq!(longest, Span::from_ns(65_535 * 512));
    }
}
