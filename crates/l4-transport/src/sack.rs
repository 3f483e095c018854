//! SACK blocks arrive: the scoreboard (RFC 2018, RFC 2883).

use crate::Connection;
use crate::ack::{AckFlags, AckState, DATA_SACKED, DSACK_TLP, DSACKING_ACK, ORIG_SACK_ACKED};
use crate::rtx::{EVER_RETRANS, LOST, RETRANS, SACKED};
use crate::{CaState, Sender};
use tidewire_wire::{Seq, TcpSegment};

/// Reordering is believed up to so many segments.
const MAX_REORDERING: u32 = 300;

impl Connection {
    /// Tags what the blocks of `segment` cover. Only what the previous acknowledgment did not cover is visited.
    pub(crate) fn tag_sacked(&mut self, segment: &TcpSegment, prior_una: Seq, state: &mut AckState) {
        let wire = &segment.options.sack;
        if self.tx.sacked_out == 0 {
            self.tx.highest_sack = self.tx.snd_una;
        }
        let first_is_dsack = self.check_dsack(segment, prior_una, state);
        if segment.ack.before(prior_una - self.tx.max_window) || self.tx.packets_out == 0 {
            return;
        }
        let mut blocks = [(Seq(0), Seq(0), false); 4];
        let mut count = 0;
        for (i, (start, end)) in wire.iter().enumerate() {
            let dup = i == 0 && first_is_dsack;
            if self.is_block_valid(dup, *start, *end) && end.after(prior_una) {
                blocks[count] = (*start, *end, dup);
                count += 1;
            }
        }
        let blocks = &mut blocks[..count];
        blocks.sort_by_key(|block| block.0 - prior_una);
        for (start, end, dup) in blocks.iter() {
            if *dup {
                self.tag_range(*start, *end, true, state);
            } else {
                self.tag_new_parts(*start, *end, state);
            }
        }
        let mut cache = [(Seq(0), Seq(0)); 4];
        for (slot, (start, end, _)) in cache.iter_mut().zip(blocks.iter()) {
            *slot = (*start, *end);
        }
        match &mut self.tx.sack_cache {
            Some(old) => **old = cache,
            None => self.tx.sack_cache = Some(Box::new(cache)),
        }
        if self.tx.ca_state != CaState::Loss || self.tx.undo_marker.is_some() {
            self.check_reordering(state.reord);
        }
    }

    /// The parts of a block that no block of the previous acknowledgment covered.
    fn tag_new_parts(&mut self, start: Seq, end: Seq, state: &mut AckState) {
        let mut from = start;
        let cache = self.tx.sack_cache.as_deref().copied().unwrap_or_default();
        for (left, right) in cache {
            if left == right || right.at_or_before(from) {
                continue;
            }
            if left.at_or_after(end) {
                break;
            }
            if left.after(from) {
                self.tag_range(from, left, false, state);
            }
            from = from.max(right);
        }
        if from.before(end) {
            self.tag_range(from, end, false, state);
        }
    }

    fn tag_range(&mut self, start: Seq, end: Seq, dup: bool, state: &mut AckState) {
        let mut at = self.rtx.find(start);
        let stop = self.rtx.end();
        while at != stop {
            let sent = self.rtx.get(at);
            if !sent.seq.before(end) {
                break;
            }
            // A segment counts only as a whole.
            if sent.seq.at_or_after(start) && sent.end.at_or_before(end) {
                self.tag_one(at, dup, state);
            }
            at = at.wrapping_add(1);
        }
    }

    fn tag_one(&mut self, at: u32, dup: bool, state: &mut AckState) {
        let (seq, end, flags, serial, sent_us) = {
            let sent = self.rtx.get(at);
            (sent.seq, sent.end, sent.flags, sent.serial, sent.sent_us)
        };
        let tx = &mut self.tx;
        if dup && flags & (RETRANS | EVER_RETRANS) != 0 {
            if tx.undo_marker.is_some_and(|marker| end.after(marker)) && tx.undo_retrans > 0 {
                tx.undo_retrans -= 1;
            }
            if flags & SACKED != 0 {
                state.reord = state.reord.min(seq);
            }
        }
        if !end.after(tx.snd_una) {
            return;
        }
        let mut flags_now = flags;
        if flags & SACKED == 0 {
            self.rack_advance(flags, serial, sent_us);
            flags_now = self.newly_sacked(at, state);
        }
        if dup && flags_now & RETRANS != 0 {
            self.rtx.get_mut(at).flags &= !RETRANS;
            self.tx.retrans_out -= 1;
        }
    }

    /// A segment is SACKed for the first time; returns its flags after.
    fn newly_sacked(&mut self, at: u32, state: &mut AckState) -> u8 {
        let highest = self.tx.highest_sack();
        let (tx, sent) = (&mut self.tx, self.rtx.get_mut(at));
        if sent.is(RETRANS) {
            // Not marked lost: the retransmission is believed to be in flight still.
            if sent.is(LOST) {
                sent.flags &= !(LOST | RETRANS);
                tx.lost_out -= 1;
                tx.retrans_out -= 1;
            }
        } else {
            if !sent.is(EVER_RETRANS) {
                if sent.seq.before(highest) {
                    state.reord = state.reord.min(sent.seq);
                }
                if !sent.end.after(tx.high_seq) {
                    state.flags |= ORIG_SACK_ACKED;
                }
                if state.first_sackt == 0 {
                    state.first_sackt = sent.sent_us.max(1);
                }
                state.last_sackt = sent.sent_us.max(1);
            }
            if sent.is(LOST) {
                sent.flags &= !LOST;
                tx.lost_out -= 1;
            }
        }
        sent.flags |= SACKED;
        tx.sacked_out += 1;
        state.sack_delivered += 1;
        state.flags |= DATA_SACKED;
        tx.rate_delivered(sent, &mut state.sample);
        if !sent.seq.before(highest) {
            tx.highest_sack = sent.end;
        }
        let flags = sent.flags;
        self.rtx.unlist(at);
        flags
    }

    /// The first block reports data that arrived twice (RFC 2883 section 4).
    fn check_dsack(&mut self, segment: &TcpSegment, prior_una: Seq, state: &mut AckState) -> bool {
        let wire = &segment.options.sack;
        let (start, end) = wire[0];
        let below = start.before(segment.ack);
        let inside = wire.len() > 1 && !end.after(wire[1].1) && !start.before(wire[1].0);
        if !below && !inside {
            return false;
        }
        let duplicates = self.dsack_seen(start, end, state);
        if duplicates == 0 {
            return false;
        }
        let tx = &mut self.tx;
        if let Some(marker) = tx.undo_marker
            && tx.undo_retrans > 0
            && !end.after(prior_una)
            && end.after(marker)
        {
            tx.undo_retrans = (tx.undo_retrans - duplicates as i32).max(0);
        }
        true
    }

    /// How many segments were duplicated; none when the report cannot be about retransmissions of ours.
    fn dsack_seen(&mut self, start: Seq, end: Seq, state: &mut AckState) -> u32 {
        let tx = &mut self.tx;
        if !start.before(end) || end - start > tx.max_window {
            return 0;
        }
        let len = end - start;
        let mut duplicates = 1;
        if len > tx.mss {
            duplicates = len.div_ceil(tx.mss);
        } else if tx.tlp_high_seq == Some(end) {
            state.flags |= DSACK_TLP;
        }
        tx.dsack_dups += duplicates;
        if tx.dsack_dups > tx.total_retrans {
            return 0;
        }
        if tx.reord_seen > 0 && state.flags & DSACK_TLP == 0 {
            tx.rack.dsack_seen = true;
        }
        state.flags |= DSACKING_ACK;
        state.sack_delivered += duplicates;
        duplicates
    }

    fn is_block_valid(&self, dup: bool, start: Seq, end: Seq) -> bool {
        let tx = &self.tx;
        if end.after(tx.snd_nxt) || !start.before(end) || !start.before(tx.snd_nxt) {
            return false;
        }
        if start.after(tx.snd_una) {
            return true;
        }
        let Some(marker) = tx.undo_marker.filter(|_| dup) else { return false };
        if end.after(tx.snd_una) {
            return false;
        }
        if !start.before(marker) {
            return true;
        }
        end.after(marker) && !start.before(end - tx.max_window)
    }

    /// Data from `low` on arrived after later data: the path reorders by that much.
    pub(crate) fn check_reordering(&mut self, low: Seq) {
        let highest = self.tx.highest_sack();
        let tx = &mut self.tx;
        if !low.before(highest) {
            return;
        }
        let distance = highest - low;
        if distance > tx.reordering * tx.mss {
            tx.reordering = distance.div_ceil(tx.mss).min(MAX_REORDERING);
        }
        tx.reord_seen += 1;
    }
}

/// Without SACK: duplicate acknowledgments stand for segments that have arrived.
impl Connection {
    pub(crate) fn add_reno_sack(&mut self, duplicates: u32, flags: AckFlags) {
        if duplicates == 0 {
            return;
        }
        let prior = self.tx.sacked_out;
        self.tx.sacked_out += duplicates;
        self.tx.check_reno_reordering(0);
        let delivered = self.tx.sacked_out.saturating_sub(prior);
        self.count_delivered(delivered, flags);
    }

    pub(crate) fn remove_reno_sacks(&mut self, acked: u32, flags: AckFlags) {
        if acked > 0 {
            // One segment filled the hole, the others had been counted by duplicate acknowledgments.
            let delivered = acked.saturating_sub(self.tx.sacked_out).max(1);
            self.count_delivered(delivered, flags);
            self.tx.sacked_out = self.tx.sacked_out.saturating_sub(acked - 1);
        }
        self.tx.check_reno_reordering(acked);
    }
}

impl Sender {
    pub(crate) fn reset_reno_sack(&mut self) {
        self.sacked_out = 0;
    }

    /// More duplicates than segments in flight: the path reorders.
    fn check_reno_reordering(&mut self, addend: u32) {
        let holes = self.lost_out.max(1).min(self.packets_out);
        if self.sacked_out + holes > self.packets_out {
            self.sacked_out = self.packets_out - holes;
            self.reordering = (self.packets_out + addend).min(MAX_REORDERING).max(self.reordering.min(3));
            self.reord_seen += 1;
        }
    }
}
