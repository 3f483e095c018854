//! Resets for segments that no connection wants.

use tidewire_wire::{Seq, TcpFlags, TcpSegment};

/// The reset that answers `segment` when no connection exists (RFC 9293 section 3.10.7.1); `None` for a segment that is itself
/// a reset.
pub fn reset_for(segment: &TcpSegment) -> Option<TcpSegment> {
    if segment.flags.rst() {
        return None;
    }
    let mut reset = TcpSegment {
        src_port: segment.dst_port,
        dst_port: segment.src_port,
        flags: TcpFlags::RST,
        ..TcpSegment::default()
    };
    if segment.flags.ack() {
        reset.seq = segment.ack;
    } else {
        reset.seq = Seq(0);
        reset.ack = segment.seq_end();
        reset.flags |= TcpFlags::ACK;
    }
    Some(reset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire_wire::Payload;

    #[test]
    fn the_reset_takes_its_sequence_number_from_the_acknowledgment() {
        let stray = TcpSegment { seq: Seq(7), ack: Seq(99), flags: TcpFlags::ACK, ..TcpSegment::default() };
        let reset = reset_for(&stray).unwrap();
        assert_eq!((reset.seq, reset.flags), (Seq(99), TcpFlags::RST));
    }

    #[test]
    fn without_acknowledgment_the_reset_acknowledges_what_came() {
        let syn = TcpSegment {
            seq: Seq(7),
            flags: TcpFlags::SYN,
            payload: Payload::Zeros(3),
            ..TcpSegment::default()
        };
        let reset = reset_for(&syn).unwrap();
        assert_eq!((reset.seq, reset.ack, reset.flags), (Seq(0), Seq(11), TcpFlags::RST | TcpFlags::ACK));
    }

    #[test]
    fn a_reset_is_never_answered() {
        assert_eq!(reset_for(&TcpSegment { flags: TcpFlags::RST, ..TcpSegment::default() }), None);
    }
}
