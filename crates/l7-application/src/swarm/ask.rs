//! What a peer asks whom for.

use super::message::Message;
use super::peer::{Conn, Output, Peer};
use super::picker::Late;
use super::torrent::Block;
use tidewire_units::{Instant, Span};

/// No more requests under way than this.
const MOST_REQUESTS: usize = 256;
/// Blocks may wait so long at the other, over the least delay, before fewer are asked for.
const QUEUE_TIME: Span = Span::from_ms(1000);
/// New requests wait until they are this share of those under way, but no more than so many.
const REQUESTS_SHARE: usize = 8;
const MOST_SHARE: usize = 8;
/// The first requests of a line are not moved: their blocks are mostly on their way.
const KEPT: usize = 3;
/// A block that takes so many times as long as others is asked of one more in the end game, not before so long.
const LATE: u64 = 2;
const LEAST_LATE: Span = Span::from_ms(100);

impl Peer {
    /// When [`Peer::handle_late`] is due.
    pub fn late_at(&self) -> Instant {
        self.late_at
    }

    /// In the end game, a block does not come from those who were asked for it.
    pub fn handle_late(&mut self, now: Instant) {
        self.late_at = Instant::MAX;
        self.ask_everybody(now);
    }

    /// A block has come so long after it was asked for.
    pub(super) fn note_delay(&mut self, delay: Span) {
        self.usual = if self.usual.is_zero() { delay } else { (self.usual * 7 + delay) / 8 };
    }

    pub(super) fn give_up(&mut self, now: Instant, id: u32) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.asked_at.front().is_none_or(|asked| now < *asked + self.config.patience) {
            return;
        }
        conn.snubbed = true;
        conn.asked_at.clear();
        let blocks = std::mem::take(&mut conn.asked);
        // They may come late, and whoever is only slow is asked again.
        conn.moved.extend(&blocks);
        conn.moved.drain(..conn.moved.len().saturating_sub(MOST_REQUESTS));
        blocks.into_iter().for_each(|block| self.picker.release(block));
        self.picker.forget(id);
        self.report(|report| report.timeouts += 1);
    }

    /// Asks every neighbour that serves this peer for as much as suits it.
    pub(super) fn ask_everybody(&mut self, now: Instant) {
        if self.is_complete() {
            return;
        }
        let ids: Vec<u32> = self.conns.keys().copied().collect();
        ids.into_iter().for_each(|id| self.ask(now, id));
    }

    /// Asks a neighbour for as much as suits it.
    pub(super) fn ask(&mut self, now: Instant, id: u32) {
        let Some(target) = self.ask_for_new(now, id) else { return };
        // With much under way there is time to look again.
        if self.conns[&id].asked.len() > target / 2 {
            return;
        }
        while self.take_over(now, id) || self.conns[&id].asked.len() < 2 && self.double(now, id) {}
    }

    /// Asks a neighbour that serves this peer for what nobody was asked for; gives how much suits it.
    fn ask_for_new(&mut self, now: Instant, id: u32) -> Option<usize> {
        if !self.config.behaviour.downloads() {
            return None;
        }
        let conn = self.conns.get_mut(&id)?;
        if conn.choked_by_them || conn.wanted == 0 || conn.snubbed {
            return None;
        }
        let target = conn.target.min(MOST_REQUESTS);
        // Several requests share a packet.
        if conn.asked.len() + share(target) > target {
            return Some(target);
        }
        while conn.asked.len() < target {
            let picked = self.picker.pick(now, id, &conn.theirs, &mut self.random);
            let Some(block) = picked else { break };
            conn.asked.push(block);
            conn.asked_at.push_back(now);
            self.out.push_back(Output::Send(id, Message::Request(block)));
        }
        Some(target)
    }

    /// A neighbour that has nothing else to give takes over what would wait longest elsewhere, so that all that serve this peer are
    /// done at about the same time: the last request of the longest line, measured by how much each neighbour has under way usually.
    fn take_over(&mut self, now: Instant, id: u32) -> bool {
        let own = &self.conns[&id];
        let theirs = &own.theirs;
        // Lines compare as fractions of what is usual: by cross products.
        let shorter = |conn: &Conn| {
            conn.asked.len() > KEPT
                && (own.asked.len() + 2) * conn.target < (conn.asked.len() - 1) * own.target
        };
        let mut longest: Option<(u32, usize)> = None;
        for (other, conn) in self.conns.iter().filter(|(_, conn)| shorter(conn)) {
            let best = longest.is_none_or(|(best, _)| {
                let best = &self.conns[&best];
                conn.asked.len() * best.target > best.asked.len() * conn.target
            });
            if best && *other != id {
                let movable =
                    |block: &Block| theirs[block.piece as usize] && self.picker.may_move(*block, id);
                let at = conn.asked.iter().skip(KEPT).rposition(movable);
                longest = at.map(|at| (*other, at + KEPT)).or(longest);
            }
        }
        let Some((longest, at)) = longest else { return false };
        let other = self.conns.get_mut(&longest).expect("just found");
        let block = other.asked.remove(at);
        other.asked_at.remove(at);
        other.moved.push_back(block);
        if other.moved.len() > MOST_REQUESTS {
            other.moved.pop_front();
        }
        self.out.push_back(Output::Send(longest, Message::Cancel(block)));
        self.ask_for(now, id, block);
        // Who was relieved may have something that nobody was asked for.
        self.ask_for_new(now, longest);
        true
    }

    /// In the end game a block is asked of a second neighbour, and of one more when it takes longer than blocks did before. Who has never
    /// answered may be a liar.
    fn double(&mut self, now: Instant, id: u32) -> bool {
        if !self.config.end_game || !self.picker.is_end() {
            return false;
        }
        let patience = (self.usual * LATE).max(LEAST_LATE).min(self.config.patience);
        let silent = self.conns.values().filter(|conn| conn.least_delay == Span::MAX);
        let doubtful: Vec<Block> = silent.flat_map(|conn| &conn.asked).copied().collect();
        let conn = &self.conns[&id];
        let own = (&conn.theirs[..], &conn.asked[..]);
        match self.picker.end_game((now, patience), id, own, &doubtful, &mut self.random) {
            Late::Ask(block) => {
                self.ask_for(now, id, block);
                return true;
            }
            Late::Wait(until) => self.late_at = self.late_at.min(until),
            Late::Nothing => {}
        }
        false
    }

    fn ask_for(&mut self, now: Instant, id: u32, block: Block) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.asked.push(block);
            conn.asked_at.push_back(now);
            self.out.push_back(Output::Send(id, Message::Request(block)));
        }
    }
}

impl Conn {
    /// A block has come so long after it was asked for: more may be under way, or fewer when they wait. What is not used says nothing
    /// about whether more is too much.
    pub(super) fn adapt(&mut self, delay: Span) {
        if delay > self.least_delay.max(self.round_trip) + QUEUE_TIME {
            self.target = (self.target - 1).max(2);
        } else if self.asked.len() + 2 + share(self.target) > self.target {
            self.target += 1;
        }
    }
}

/// So many requests are asked for at once, of so many under way.
fn share(target: usize) -> usize {
    (target / REQUESTS_SHARE).min(MOST_SHARE)
}
