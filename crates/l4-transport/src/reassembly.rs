//! Data that arrived out of order, and the SACK blocks that describe it (RFC 2018, RFC 2883).

use std::collections::VecDeque;
use tidewire_wire::{Payload, SackBlocks, Seq};

/// SACK blocks remembered.
const MAX_BLOCKS: usize = 4;

#[derive(Debug)]
struct Piece {
    seq: Seq,
    payload: Payload,
    /// What the piece is charged against the receive buffer.
    charge: u32,
}

impl Piece {
    fn end(&self) -> Seq {
        self.seq + self.payload.len() as u32
    }
}

/// Pieces beyond a hole, sorted and disjoint.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    pieces: VecDeque<Piece>,
    /// Most recent first.
    blocks: SackBlocks,
    /// A FIN beyond a hole: the sequence number after the last byte.
    pub fin: Option<Seq>,
}

impl Reassembly {
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.fin.is_none()
    }

    pub fn blocks(&self) -> &SackBlocks {
        &self.blocks
    }

    /// The end of the last piece.
    pub fn end(&self) -> Option<Seq> {
        self.pieces.back().map(Piece::end)
    }

    /// Adds a piece. Returns the range that was there already, if any, for a duplicate SACK.
    pub fn insert(&mut self, seq: Seq, payload: Payload, charge: u32) -> Option<(Seq, Seq)> {
        let end = seq + payload.len() as u32;
        let mut duplicate: Option<(Seq, Seq)> = None;
        let mut at = self.pieces.partition_point(|piece| piece.end().at_or_before(seq));
        let (mut from, mut charge) = (seq, charge);
        while from.before(end) {
            let gap_end = match self.pieces.get(at) {
                Some(next) if next.seq.before(end) => next.seq.max(from),
                _ => end,
            };
            if from.before(gap_end) {
                let part = payload.slice((from - seq) as usize..(gap_end - seq) as usize);
                if self.add_part(at, from, part, charge) {
                    at += 1;
                }
                charge = 0;
            }
            let Some(next) = self.pieces.get(at) else { break };
            if gap_end == end {
                break;
            }
            let covered = (next.seq.max(from), next.end().min(end));
            duplicate = Some(duplicate.map_or(covered, |(left, _)| (left, covered.1)));
            from = next.end();
            at += 1;
        }
        self.merge_zeros(end);
        self.remember(seq, end);
        duplicate
    }

    /// A synthetic piece that ends at `end` may now touch a synthetic successor.
    fn merge_zeros(&mut self, end: Seq) {
        let at = self.pieces.partition_point(|piece| piece.end().before(end));
        if at + 1 >= self.pieces.len() || self.pieces[at].end() != self.pieces[at + 1].seq {
            return;
        }
        let (Payload::Zeros(have), Payload::Zeros(more)) =
            (&self.pieces[at].payload, &self.pieces[at + 1].payload)
        else {
            return;
        };
        let Some(sum) = have.checked_add(*more) else { return };
        let charge = self.pieces[at + 1].charge;
        self.pieces.remove(at + 1);
        let piece = &mut self.pieces[at];
        piece.payload = Payload::Zeros(sum);
        piece.charge += charge;
    }

    /// Puts a part before piece `at`, joining synthetic neighbours; returns whether a piece was added.
    fn add_part(&mut self, at: usize, seq: Seq, payload: Payload, charge: u32) -> bool {
        if let Payload::Zeros(more) = payload {
            if let Some(previous) = at.checked_sub(1).map(|i| &mut self.pieces[i])
                && previous.end() == seq
                && let Payload::Zeros(have) = &mut previous.payload
            {
                *have += more;
                previous.charge += charge;
                return false;
            }
            if let Some(next) = self.pieces.get_mut(at)
                && seq + more == next.seq
                && let Payload::Zeros(have) = &mut next.payload
            {
                *have += more;
                next.seq = seq;
                next.charge += charge;
                return false;
            }
        }
        self.pieces.insert(at, Piece { seq, payload, charge });
        true
    }

    /// The block of the latest arrival goes first; blocks that it touches are merged into it.
    pub fn remember(&mut self, seq: Seq, end: Seq) {
        let touches = |block: &(Seq, Seq)| seq.at_or_before(block.1) && block.0.at_or_before(end);
        let mut merged = match self.blocks.iter().position(touches) {
            Some(i) => {
                let block = self.blocks.remove(i);
                (block.0.min(seq), block.1.max(end))
            }
            None => (seq, end),
        };
        let mut i = 0;
        while i < self.blocks.len() {
            let block = self.blocks[i];
            if merged.0.at_or_before(block.1) && block.0.at_or_before(merged.1) {
                merged = (merged.0.min(block.0), merged.1.max(block.1));
                self.blocks.remove(i);
            } else {
                i += 1;
            }
        }
        if self.blocks.len() == MAX_BLOCKS {
            self.blocks.pop();
        }
        self.blocks.insert(0, merged);
    }

    /// Forgets the blocks below `rcv_nxt`.
    pub fn forget_below(&mut self, rcv_nxt: Seq) {
        if self.pieces.is_empty() {
            self.blocks.clear();
        } else {
            self.blocks.retain(|block| block.0.after(rcv_nxt));
        }
    }

    /// The next piece once everything before it is there: its new bytes, what it was charged, and how many of its bytes had
    /// arrived twice.
    pub fn pop(&mut self, rcv_nxt: Seq) -> Option<(Payload, u32, u32)> {
        if self.pieces.front()?.seq.after(rcv_nxt) {
            return None;
        }
        let piece = self.pieces.pop_front()?;
        let old = (rcv_nxt - piece.seq).min(piece.payload.len() as u32);
        let len = piece.payload.len();
        Some((piece.payload.slice(old as usize..len), piece.charge, old))
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.pieces.capacity() * size_of::<Piece>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_latest_block_comes_first_and_neighbours_merge() {
        let mut ooo = Reassembly::default();
        ooo.insert(Seq(100), Payload::Zeros(10), 0);
        ooo.insert(Seq(120), Payload::Zeros(10), 0);
        ooo.insert(Seq(140), Payload::Zeros(10), 0);
        assert_eq!(ooo.blocks()[0], (Seq(140), Seq(150)));
        ooo.insert(Seq(110), Payload::Zeros(10), 0);
        assert_eq!(ooo.blocks().as_slice(), [(Seq(100), Seq(130)), (Seq(140), Seq(150))]);
        assert_eq!(ooo.pieces.len(), 2);
    }

    #[test]
    fn what_is_there_already_is_reported_as_a_duplicate() {
        let mut ooo = Reassembly::default();
        assert_eq!(ooo.insert(Seq(100), Payload::Zeros(10), 0), None);
        assert_eq!(ooo.insert(Seq(100), Payload::Zeros(10), 0), Some((Seq(100), Seq(110))));
        assert_eq!(ooo.insert(Seq(105), Payload::Zeros(10), 0), Some((Seq(105), Seq(110))));
    }

    proptest! {
        #[test]
        fn pieces_in_any_order_give_the_stream_back(
            cuts in prop::collection::vec((0u32..200, 1u32..40), 1..40), base in any::<u32>(), zeros in any::<bool>(),
        ) {
            let stream: Vec<u8> = (0..=255).map(|byte| if zeros { 0 } else { byte }).collect();
            let start = Seq(base);
            let mut ooo = Reassembly::default();
            let mut have = [false; 256];
            for (from, len) in cuts {
                let range = from as usize..(from + len) as usize;
                let payload = if zeros { Payload::Zeros(len) } else { Payload::from(stream[range.clone()].to_vec()) };
                let twice = ooo.insert(start + from, payload, 1);
                prop_assert_eq!(twice.is_some(), have[range.clone()].iter().any(|have| *have));
                have[range].fill(true);
            }
            let mut next = start;
            for (i, have) in have.iter().enumerate() {
                if *have && next == start + i as u32 {
                    let (payload, _, _) = ooo.pop(next).unwrap();
                    prop_assert_eq!(&*payload.to_bytes(), &stream[i..i + payload.len()]);
                    next += payload.len() as u32;
                } else if next.before(start + i as u32) || (!*have && next == start + i as u32) {
                    prop_assert!(ooo.pop(next).is_none());
                    next = start + i as u32 + 1;
                }
            }
        }
    }
}
