//! Whom a peer serves, and with what first.

use super::choker::{Candidate, Choking};
use super::message::Message;
use super::peer::{Behaviour, Conn, FLOOD, Output, Peer};
use super::torrent::Block;
use std::collections::BTreeSet;
use tidewire_units::Instant;

/// A request is passed by no more than so many others.
const MOST_PASSED: u32 = 64;

impl Peer {
    /// An interval is over: who is served is decided again, requests that take too long are given up.
    pub fn handle_interval(&mut self, now: Instant) {
        self.now = now;
        for conn in self.conns.values_mut() {
            conn.last_taken = std::mem::replace(&mut conn.taken, conn.sent - conn.sent_before);
            if conn.taken > 0 {
                conn.stalls = 0;
            } else if !conn.choked_by_me && conn.interested_in_me {
                conn.stalls += 1;
            }
            conn.sent_before = conn.sent;
        }
        let chosen = self.choker.decide(self.is_complete(), self.candidates(), &mut self.random);
        let ids: Vec<u32> = self.conns.keys().copied().collect();
        for id in ids {
            self.set_choked(id, !chosen.contains(&id));
            self.give_up(now, id);
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            conn.last_window = std::mem::take(&mut conn.window);
            if self.config.behaviour == Behaviour::Flood && conn.id.is_some() {
                let block = self.config.torrent.block(0, 0);
                (0..FLOOD + 100).for_each(|_| self.out.push_back(Output::Send(id, Message::Request(block))));
            }
        }
        self.fill_slots();
        self.ask_everybody(now);
    }

    /// Who may be served.
    fn candidates(&self) -> Vec<Candidate> {
        let is_seed = self.is_complete();
        let all = self.conns.iter().filter(|(_, conn)| conn.interested_in_me && self.serves(conn));
        all.map(|(id, conn)| Candidate {
            conn: *id,
            score: if is_seed { conn.taken + conn.last_taken } else { conn.window + conn.last_window },
            behind: (conn.stalls, conn.their_count),
            unchoked: !conn.choked_by_me,
            since: conn.served_since,
        })
        .collect()
    }

    fn serves(&self, conn: &Conn) -> bool {
        conn.id.is_some() && self.config.behaviour != Behaviour::FreeRider
    }

    pub(super) fn set_choked(&mut self, id: u32, choked: bool) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.choked_by_me == choked {
            return;
        }
        conn.choked_by_me = choked;
        conn.requests_choked = 0;
        if choked {
            conn.requests.clear();
            self.take_back(id);
        } else {
            conn.served_since = self.now;
        }
        self.out.push_back(Output::Send(id, if choked { Message::Choke } else { Message::Unchoke }));
    }

    /// Slots that nobody has are given away at once.
    pub(super) fn fill_slots(&mut self) {
        let used = |conn: &Conn| !conn.choked_by_me && conn.interested_in_me;
        let used = self.conns.values().filter(|conn| used(conn)).count();
        for _ in used..self.choker.slots() {
            let all = self.candidates();
            let chosen = self.choker.fill(self.is_complete(), &all, &mut self.random);
            let Some(chosen) = chosen else { return };
            self.set_choked(chosen, false);
        }
    }

    /// The next block to send on a connection: the piece that was begun, then what was given least and fewest others have, because it may
    /// be lost with this peer.
    pub fn next_upload(&mut self, conn: u32) -> Option<Block> {
        let state = self.conns.get_mut(&conn)?;
        let begun = |block: &Block| block.piece == state.piece.0;
        let rank = |block: &Block| {
            let given = self.given[block.piece as usize] / self.config.torrent.block_count(block.piece);
            (given, self.picker.availability(block.piece))
        };
        let rarest = || (0..state.requests.len()).min_by_key(|at| rank(&state.requests[*at]));
        let at = if state.passed >= MOST_PASSED {
            0
        } else {
            state.requests.iter().position(begun).or_else(rarest)?
        };
        let block = state.requests.remove(at)?;
        state.passed = if at == 0 { 0 } else { state.passed + 1 };
        state.piece = (block.piece, if state.piece.0 == block.piece { state.piece.1 + 1 } else { 1 });
        self.given[block.piece as usize] += 1;
        self.turns += 1;
        state.turn = self.turns;
        self.count_upload(conn, block);
        Some(block)
    }

    /// Whose turn it is, of connections that wait for theirs. What was begun comes first, since only whole pieces can be passed on, then
    /// who has waited longest; who has least before that where nobody is to fall behind, and at seeds that help the needy before all.
    pub(super) fn next_turn(&self, waiting: &BTreeSet<u32>) -> Option<u32> {
        let (seeds, cooperates) = (self.is_complete(), self.config.choking == Choking::Balanced);
        let rank = |id: &&u32| {
            self.conns.get(id).map(|conn| {
                let begun = conn.requests.iter().any(|block| block.piece == conn.piece.0);
                let has = |counts: bool| if counts { conn.their_count } else { 0 };
                let (first, then) =
                    (has(seeds && self.choker.prefers_the_needy()), has(!seeds && cooperates));
                (first, !begun, then, conn.turn)
            })
        };
        waiting.iter().min_by_key(rank).copied()
    }

    /// A piece that a neighbour got only a part of was not given.
    pub(super) fn take_back(&mut self, conn: u32) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        let (piece, sent) = std::mem::replace(&mut state.piece, (u32::MAX, 0));
        if sent > 0 && sent < self.config.torrent.block_count(piece) {
            self.given[piece as usize] -= sent;
        }
    }

    fn count_upload(&mut self, conn: u32, block: Block) {
        if let Some(state) = self.conns.get_mut(&conn) {
            state.sent += u64::from(block.len);
        }
        self.report(|report| report.uploaded += u64::from(block.len));
    }

    /// A neighbour that a seed serves has its first piece: others that have none come first, so that all soon have something to give.
    pub(super) fn note_first_piece(&mut self, id: u32) {
        if !self.picker.is_complete() || !self.choker.prefers_the_needy() || self.conns[&id].choked_by_me {
            return;
        }
        let has_none = |conn: &Conn| conn.interested_in_me && conn.choked_by_me && conn.their_count == 0;
        if self.conns.values().any(has_none) {
            self.set_choked(id, true);
            self.fill_slots();
        }
    }
}
