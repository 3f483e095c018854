//! What a peer does with each message.

use super::board::Event;
use super::message::Message;
use super::peer::{Behaviour, Conn, FLOOD, NAMED, Output, Peer};
use super::picker::Outcome;
use super::torrent::{Block, splitmix};
use tidewire_units::{Instant, Span};

impl Peer {
    /// Takes a message.
    pub fn handle_message(&mut self, now: Instant, id: u32, message: Message) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        match message {
            Message::Handshake(info, other) => self.greet(now, id, info, other),
            Message::KeepAlive => {}
            Message::Choke => {
                conn.choked_by_them = true;
                conn.asked_at.clear();
                let blocks = std::mem::take(&mut conn.asked);
                blocks.into_iter().for_each(|block| self.picker.release(block));
                self.picker.forget(id);
                self.ask_everybody(now);
            }
            Message::Unchoke => {
                (conn.choked_by_them, conn.snubbed) = (false, false);
                self.ask(now, id);
            }
            Message::Interested => {
                conn.interested_in_me = true;
                self.fill_slots();
            }
            Message::NotInterested => {
                conn.interested_in_me = false;
                if conn.untold.iter().any(|piece| !conn.theirs[*piece as usize]) {
                    self.out.push_back(Output::Tell(id));
                }
                self.set_choked(id, true);
                self.fill_slots();
            }
            Message::Have(piece) => self.note_have(now, id, piece),
            Message::Bitfield(bits) => self.note_bitfield(now, id, &bits),
            Message::Request(block) => self.note_request(now, id, block),
            Message::Cancel(block) => conn.requests.retain(|one| *one != block),
            Message::Piece(block, hash) => self.note_block(now, id, block, hash),
        }
    }

    /// Bytes came that are no message.
    pub fn handle_malformed(&mut self, now: Instant, id: u32) {
        self.report(|report| report.malformed += 1);
        self.ban(now, id);
    }

    pub(super) fn ban(&mut self, now: Instant, id: u32) {
        let Some(conn) = self.conns.get(&id) else { return };
        let address = conn.remote.addr.to_bits();
        self.banned.extend(conn.id);
        self.report(|report| report.banned += 1);
        self.tell(now, Event::Banned(address));
        self.close(now, id);
    }

    fn greet(&mut self, now: Instant, id: u32, info: [u8; 20], other: [u8; 20]) {
        if info != self.config.torrent.info || self.conns[&id].id.is_some() {
            return self.handle_malformed(now, id);
        }
        let is_same = |known: &[u8; 20]| known[..NAMED] == other[..NAMED];
        if self.banned.iter().any(is_same) || other == self.id {
            return self.close(now, id);
        }
        if self.conns.len() > self.config.neighbours && !self.conns[&id].initiated {
            self.report(|report| report.refused += 1);
            let least = self.least_preferred();
            self.close(now, least);
            if least == id {
                return;
            }
        }
        // Two that have connected to each other keep the connection of the lower name.
        // One that has crashed and started again has no use for its old one.
        let twin = self.conns.iter().find_map(|(twin, conn)| Some((*twin, conn.id.filter(is_same)?)));
        if let Some((twin, known)) = twin {
            let mine_stays = self.id < other;
            let drop_new = known == other && self.conns[&id].initiated != mine_stays;
            self.close(now, if drop_new { id } else { twin });
            if drop_new {
                return;
            }
        }
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.id = Some(other);
        if self.config.super_seed && self.config.seed {
            self.reveal(id);
        }
    }

    /// The connection that goes when there are too many: by a number that both ends of it agree on and nobody chooses (BEP 40). So who
    /// knows whom does not depend on who came first, and those who come late are not left to themselves. Who gives something stays.
    fn least_preferred(&self) -> u32 {
        let own = self.board.borrow().peers[self.index as usize].address;
        let priority = |conn: &Conn| {
            let other = conn.remote.addr.to_bits();
            splitmix(&mut (u64::from(own.min(other)) << 32 | u64::from(own.max(other))))
        };
        let least =
            self.conns.iter().min_by_key(|(_, conn)| (conn.window + conn.last_window > 0, priority(conn)));
        *least.expect("there are too many").0
    }

    fn note_bitfield(&mut self, now: Instant, id: u32, bits: &[u8]) {
        let n = self.config.torrent.piece_count() as usize;
        let is_first = self.conns[&id].their_count == 0;
        let spare = bits.len() * 8 - n.min(bits.len() * 8);
        let clean =
            bits.last().is_none_or(|last| u32::from(*last).trailing_zeros() >= spare as u32 || *last == 0);
        if bits.len() != n.div_ceil(8) || !clean || !is_first {
            return self.handle_malformed(now, id);
        }
        let Some(conn) = self.conns.get_mut(&id) else { return };
        for piece in 0..n {
            if bits[piece / 8] & (0x80 >> (piece % 8)) != 0 {
                conn.theirs[piece] = true;
                conn.their_count += 1;
                conn.wanted += u32::from(!self.picker.has(piece as u32));
                self.picker.note(piece as u32, true);
            }
        }
        self.update_interest(id);
        self.close_useless(now);
    }

    fn note_have(&mut self, now: Instant, id: u32, piece: u32) {
        if piece >= self.config.torrent.piece_count() {
            return self.handle_malformed(now, id);
        }
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if std::mem::replace(&mut conn.theirs[piece as usize], true) {
            return;
        }
        conn.their_count += 1;
        self.picker.note(piece, true);
        if !self.picker.has(piece) {
            conn.wanted += 1;
            self.update_interest(id);
            self.ask(now, id);
        }
        if self.conns.get(&id).is_some_and(|conn| conn.their_count == 1) {
            self.note_first_piece(id);
        }
        if self.config.super_seed && self.config.seed {
            self.note_spread(id, piece);
        }
        if self.conns.get(&id).is_some_and(|conn| conn.their_count == self.config.torrent.piece_count()) {
            self.close_useless(now);
        }
    }

    /// TCP has measured how long the way to a neighbour and back is.
    pub fn note_round_trip(&mut self, id: u32, round_trip: Span) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.round_trip = round_trip;
        }
    }

    /// A piece that was told to one neighbour has reached another: the first may be told of the next. One that has its piece and
    /// would have nothing to ask for is told too.
    fn note_spread(&mut self, from: u32, piece: u32) {
        let ids: Vec<u32> = self.conns.keys().copied().collect();
        for id in ids {
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            let before = conn.revealed.len();
            let idle = id == from && conn.requests.is_empty();
            conn.revealed.retain(|told| *told != piece || id == from && !idle);
            if conn.revealed.len() < before {
                self.reveal(id);
            }
        }
    }

    fn update_interest(&mut self, id: u32) {
        let downloads = self.config.behaviour.downloads();
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let wants = conn.wanted > 0 && downloads && !self.picker.is_complete();
        if wants != conn.interested {
            conn.interested = wants;
            let message = if wants { Message::Interested } else { Message::NotInterested };
            self.out.push_back(Output::Send(id, message));
        }
    }

    fn note_request(&mut self, now: Instant, id: u32, block: Block) {
        if !self.config.torrent.has(block) {
            return self.handle_malformed(now, id);
        }
        let all = self.config.behaviour == Behaviour::Corrupt;
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.choked_by_me {
            // Requests that crossed a choke are lost; thousands of them are no accident.
            conn.requests_choked += 1;
            if conn.requests_choked as usize > FLOOD {
                self.report(|report| report.floods += 1);
                self.ban(now, id);
            }
            return;
        }
        if conn.requests.len() >= FLOOD {
            self.report(|report| report.floods += 1);
            return self.ban(now, id);
        }
        if self.config.behaviour == Behaviour::Liar || !(all || self.picker.has(block.piece)) {
            return;
        }
        conn.requests.push_back(block);
        self.out.push_back(Output::MayServe(id));
    }

    fn note_block(&mut self, now: Instant, id: u32, block: Block, hash: u64) {
        self.report(|report| report.downloaded += u64::from(block.len));
        let fixed = self.config.pipeline;
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let at = conn.asked.iter().position(|one| *one == block);
        let moved = conn.moved.iter().position(|one| *one == block);
        conn.window += u64::from(block.len);
        if let Some(at) = at {
            conn.asked.remove(at);
            conn.snubbed = false;
        } else {
            // A block may cross the message that it is asked of another now, or of nobody.
            if let Some(moved) = moved {
                conn.moved.remove(moved);
                conn.snubbed = false;
            }
            if moved.is_none() || !self.picker.lacks(block) {
                self.report(|report| {
                    report.unrequested += u64::from(moved.is_none());
                    report.wasted += u64::from(block.len);
                });
                return self.ask(now, id);
            }
        }
        if let Some(asked) = at.and_then(|at| conn.asked_at.remove(at)) {
            let delay = now.since(asked);
            conn.least_delay = conn.least_delay.min(delay);
            if fixed.is_none() {
                conn.adapt(delay);
            }
            self.note_delay(delay);
        }
        let (others, outcome) = self.picker.receive(block, hash, id);
        if others || at.is_none() {
            self.cancel_elsewhere(id, block);
        }
        match outcome {
            Outcome::Duplicate => self.report(|report| report.wasted += u64::from(block.len)),
            Outcome::Part => {}
            Outcome::Whole(liars) => {
                liars.into_iter().for_each(|liar| self.ban(now, liar));
                self.announce_piece(now, block.piece);
            }
            Outcome::Corrupt(alone) => {
                self.report(|report| report.corrupt += 1);
                if let Some(liar) = alone {
                    self.ban(now, liar);
                }
                self.ask_everybody(now);
            }
        }
        self.ask(now, id);
    }

    fn cancel_elsewhere(&mut self, from: u32, block: Block) {
        for (id, conn) in self.conns.iter_mut().filter(|(id, _)| **id != from) {
            if let Some(at) = conn.asked.iter().position(|one| *one == block) {
                conn.asked.remove(at);
                conn.asked_at.remove(at);
                self.out.push_back(Output::Send(*id, Message::Cancel(block)));
            }
        }
    }

    fn announce_piece(&mut self, now: Instant, piece: u32) {
        let count = self.picker.count();
        self.report(|report| report.pieces = count);
        self.tell(now, Event::Piece(piece));
        let ids: Vec<u32> = self.conns.keys().copied().collect();
        for id in ids {
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            if conn.theirs[piece as usize] {
                conn.wanted -= 1;
            }
            self.tell_piece(now, id, piece);
            self.update_interest(id);
        }
        if self.picker.is_complete() {
            let hash = self.picker.file_hash();
            assert_eq!(hash, self.config.torrent.file_hash(), "a file of right pieces is right");
            self.report(|report| {
                report.hash = Some(hash);
                report.complete = Some(now);
            });
            self.tell(now, Event::Complete);
            self.close_useless(now);
        }
    }
}
