//! Fragments that wait for the rest of their packet (RFC 791 section 3.2, RFC 815, RFC 8200 section 4.5).

use std::net::Ipv4Addr;
use tidewire_units::{Instant, Span};
use tidewire_wire::{Hot, Piece};

/// What belongs together: source, destination, protocol and identification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Whole {
    src: Ipv4Addr,
    dst: Ipv4Addr,
    protocol: u8,
    ident: u16,
}

#[derive(Debug)]
struct Partial {
    whole: Whole,
    deadline: Instant,
    /// By first byte.
    parts: Vec<(Piece, Hot)>,
}

/// What became of a fragment.
#[derive(Debug)]
pub enum Pieced {
    /// It waits.
    Waits,
    /// The packet is there: its fragments in order.
    Whole(Vec<Hot>),
    /// It is a second copy.
    Copy(Hot),
    /// It overlaps others: they and it are to be dropped (RFC 5722).
    Spoiled(Vec<Hot>),
}

/// The fragments that a host keeps.
#[derive(Debug, Default)]
pub struct Reassembly {
    partial: Vec<Partial>,
    bytes: u32,
}

impl Reassembly {
    /// How long a packet's first fragment waits for the others; Linux's, RFC 791 says 15 seconds.
    pub const TIMEOUT: Span = Span::from_secs(30);
    /// Most bytes of fragments kept, as in Linux.
    pub const MOST: u32 = 4 << 20;

    /// Takes a fragment.
    pub fn handle_fragment(&mut self, now: Instant, src: Ipv4Addr, piece: Piece, hot: Hot) -> Pieced {
        let whole = Whole { src, dst: hot.dst, protocol: piece.protocol.0, ident: piece.ident };
        let at = self.partial.iter().position(|partial| partial.whole == whole).unwrap_or_else(|| {
            self.partial.push(Partial { whole, deadline: now + Self::TIMEOUT, parts: Vec::new() });
            self.partial.len() - 1
        });
        let partial = &mut self.partial[at];
        let place = partial.parts.partition_point(|(other, _)| other.start < piece.start);
        if partial.parts.get(place).is_some_and(|(other, _)| *other == piece) {
            return Pieced::Copy(hot);
        }
        let before = place.checked_sub(1).and_then(|at| partial.parts.get(at));
        let overlaps = before.is_some_and(|(other, _)| other.start + other.len > piece.start || !other.more)
            || partial.parts.get(place).is_some_and(|(other, _)| piece.start + piece.len > other.start || !piece.more)
            // All but the last are multiples of 8 bytes, and no packet is longer than 2^16 bytes.
            || piece.more && !piece.len.is_multiple_of(8)
            || piece.start + piece.len > u32::from(u16::MAX);
        partial.parts.insert(place, (piece, hot));
        self.bytes += piece.len;
        if overlaps {
            return Pieced::Spoiled(self.take(at));
        }
        if self.partial[at].is_complete() {
            return Pieced::Whole(self.take(at));
        }
        Pieced::Waits
    }

    /// When the next packet is given up.
    pub fn next_timeout(&self) -> Instant {
        self.partial.first().map_or(Instant::MAX, |partial| partial.deadline)
    }

    /// The fragments of a packet that has waited too long, or has to make room; call until there is none.
    pub fn poll_given_up(&mut self, now: Instant) -> Option<Vec<Hot>> {
        let oldest = self.partial.first()?;
        (oldest.deadline <= now || self.bytes > Self::MOST).then(|| self.take(0))
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.partial.is_empty()
    }

    /// All that waits.
    pub fn waiting(&self) -> impl Iterator<Item = &Hot> {
        self.partial.iter().flat_map(|partial| partial.parts.iter().map(|(_, hot)| hot))
    }

    fn take(&mut self, at: usize) -> Vec<Hot> {
        let partial = self.partial.remove(at);
        self.bytes -= partial.parts.iter().map(|(piece, _)| piece.len).sum::<u32>();
        partial.parts.into_iter().map(|(_, hot)| hot).collect()
    }
}

impl Partial {
    fn is_complete(&self) -> bool {
        let mut next = 0;
        for (piece, _) in &self.parts {
            if piece.start != next {
                return false;
            }
            next += piece.len;
        }
        self.parts.last().is_some_and(|(piece, _)| !piece.more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire_wire::Protocol;

    const SRC: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    fn piece(ident: u16, start: u32, len: u32, more: bool) -> (Piece, Hot) {
        let mut hot = Hot::NOTHING;
        hot.body = start;
        (Piece { protocol: Protocol::UDP, ident, start, len, more }, hot)
    }

    fn put(to: &mut Reassembly, (piece, hot): (Piece, Hot)) -> Pieced {
        to.handle_fragment(Instant::ZERO, SRC, piece, hot)
    }

    fn starts(parts: &[Hot]) -> Vec<u32> {
        parts.iter().map(|hot| hot.body).collect()
    }

    #[test]
    fn fragments_in_any_order_make_the_packet_once_all_are_there() {
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for order in orders {
            let all = [piece(1, 0, 16, true), piece(1, 16, 8, true), piece(1, 24, 5, false)];
            let mut reassembly = Reassembly::default();
            assert!(matches!(put(&mut reassembly, all[order[0]]), Pieced::Waits));
            assert!(matches!(put(&mut reassembly, piece(2, 0, 16, true)), Pieced::Waits), "another packet's");
            assert!(matches!(put(&mut reassembly, all[order[1]]), Pieced::Waits));
            let Pieced::Whole(parts) = put(&mut reassembly, all[order[2]]) else { panic!("not whole") };
            assert_eq!(starts(&parts), [0, 16, 24]);
            assert_eq!(reassembly.waiting().count(), 1);
        }
    }

    #[test]
    fn a_copy_is_ignored_and_an_overlap_spoils_the_packet() {
        let mut reassembly = Reassembly::default();
        put(&mut reassembly, piece(1, 0, 16, true));
        assert!(matches!(put(&mut reassembly, piece(1, 0, 16, true)), Pieced::Copy(_)));
        let Pieced::Spoiled(parts) = put(&mut reassembly, piece(1, 8, 16, true)) else {
            panic!("no overlap")
        };
        assert_eq!(starts(&parts), [0, 8]);
        assert!(reassembly.is_empty());
        assert!(
            matches!(put(&mut reassembly, piece(1, 0, 13, true)), Pieced::Spoiled(_)),
            "13 is no multiple of 8"
        );
        assert!(
            matches!(put(&mut reassembly, piece(1, 65_528, 16, false)), Pieced::Spoiled(_)),
            "the ping of death"
        );
    }

    #[test]
    fn fragments_wait_for_30_seconds_and_the_oldest_make_room() {
        let mut reassembly = Reassembly::default();
        put(&mut reassembly, piece(1, 0, 16, true));
        let deadline = reassembly.next_timeout();
        assert_eq!(deadline, Instant::ZERO + Span::from_secs(30));
        assert!(reassembly.poll_given_up(deadline - Span::from_us(1)).is_none());
        assert_eq!(reassembly.poll_given_up(deadline).map(|parts| starts(&parts)), Some(vec![0]));
        assert_eq!(reassembly.next_timeout(), Instant::MAX);
        for ident in 0..70 {
            put(&mut reassembly, piece(ident, 0, 61_440, true));
        }
        let mut dropped = 0;
        while reassembly.poll_given_up(Instant::ZERO).is_some() {
            dropped += 1;
        }
        assert_eq!(dropped, 70 - i32::try_from(Reassembly::MOST / 61_440).unwrap());
    }
}
