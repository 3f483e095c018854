//! A peer without sockets: connections, whom it serves, what it asks for.

use super::board::{Disk, Event, PeerReport, SharedBoard};
use super::choker::{Choker, Choking, SeedChoking};
use super::message::Message;
use super::picker::{Picker, Policy};
use super::torrent::{Block, Torrent, splitmix};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tidewire_units::{Instant, Rate, Span};
use tidewire_wire::Endpoint;

/// What a peer is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Behaviour {
    /// As it should be.
    Honest,
    /// It takes and gives nothing.
    FreeRider,
    /// It says that it has everything and sends wrong bytes.
    Corrupt,
    /// It says that it has everything, and never answers requests.
    Liar,
    /// It sends thousands of requests.
    Flood,
    /// It sends bytes that are no messages.
    Garbage,
}

impl Behaviour {
    /// As a word.
    pub fn name(self) -> &'static str {
        match self {
            Behaviour::Honest => "honest",
            Behaviour::FreeRider => "free_rider",
            Behaviour::Corrupt => "corrupt",
            Behaviour::Liar => "liar",
            Behaviour::Flood => "flood",
            Behaviour::Garbage => "garbage",
        }
    }

    /// Whether it wants the file, so that it matters when it has it.
    pub fn downloads(self) -> bool {
        matches!(self, Behaviour::Honest | Behaviour::FreeRider)
    }

    fn claims_all(self) -> bool {
        matches!(self, Behaviour::Corrupt | Behaviour::Liar)
    }
}

/// How a peer acts.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// The file.
    pub torrent: Arc<Torrent>,
    /// It has the file from the beginning.
    pub seed: bool,
    /// What it is like.
    pub behaviour: Behaviour,
    /// In which order pieces are begun.
    pub policy: Policy,
    /// Others served at a time.
    pub slots: usize,
    /// Whom it serves.
    pub choking: Choking,
    /// Whom it serves once it has the file.
    pub seed_choking: SeedChoking,
    /// Time between two decisions about whom to serve.
    pub interval: Span,
    /// Requests under way to each other peer; none: as many as the delay suggests.
    pub pipeline: Option<usize>,
    /// Neighbours that it looks for.
    pub neighbours: usize,
    /// A seed tells of each piece to one neighbour at a time (BEP 16).
    pub super_seed: bool,
    /// Whether blocks are asked of two at the end.
    pub end_game: bool,
    /// Requests that take longer are given up.
    pub patience: Span,
    /// It sends no more than this, with headers; none: as much as the line takes.
    pub upload: Option<Rate>,
}

/// A neighbour.
#[derive(Debug)]
pub(super) struct Conn {
    pub initiated: bool,
    pub remote: Endpoint,
    /// Who it is, once its handshake is there.
    pub id: Option<[u8; 20]>,
    pub theirs: Vec<bool>,
    pub their_count: u32,
    /// Pieces that it has and this peer lacks.
    pub wanted: u32,
    pub choked_by_me: bool,
    pub interested_in_me: bool,
    pub choked_by_them: bool,
    pub interested: bool,
    /// What was asked for, and when.
    pub asked: Vec<Block>,
    pub asked_at: VecDeque<Instant>,
    /// What was asked for and is now asked of another; it may still come.
    pub moved: VecDeque<Block>,
    pub target: usize,
    pub least_delay: Span,
    /// TCP's: what takes longer than that waits in the other's line.
    pub round_trip: Span,
    pub snubbed: bool,
    pub window: u64,
    pub last_window: u64,
    /// Bytes that went to it, in all and when the last interval began.
    pub sent: u64,
    pub sent_before: u64,
    /// What went to it in the last interval and in the one before.
    pub taken: u64,
    pub last_taken: u64,
    pub served_since: Instant,
    /// Intervals in which it was served and took nothing; who does so comes last, as it may be dead.
    pub stalls: u32,
    pub requests: VecDeque<Block>,
    /// The piece that it was sent last, and how many blocks of it; how many were sent before the request that has waited longest.
    pub piece: (u32, u32),
    pub passed: u32,
    /// When it was last sent a block, in blocks of all.
    pub turn: u64,
    pub requests_choked: u32,
    /// Pieces that it will be told of with the next message, as it does not need to know at once.
    pub untold: Vec<u32>,
    pub tell_at: Instant,
    /// Pieces told by a seed that tells of one at a time, and not yet seen elsewhere.
    pub revealed: Vec<u32>,
}

/// What a peer wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Connect to another peer.
    Connect(Endpoint),
    /// Send a message.
    Send(u32, Message),
    /// Send bytes that are none.
    SendGarbage(u32),
    /// Tell a neighbour of what it was not told of yet: [`Peer::take_untold`].
    Tell(u32),
    /// There is something to send when there is room.
    MayServe(u32),
    /// Close a connection.
    Close(u32),
}

/// Requests under way at first.
const FIRST_REQUESTS: usize = 8;
/// News that is not urgent waits so long for a message that takes it along; longer for those who cannot ask for that piece now, as they
/// have it or are not served. So much of it is worth a packet.
const TELL_AFTER: Span = Span::from_ms(1000);
const KNOWN_AFTER: Span = Span::from_ms(5000);
const MOST_UNTOLD: usize = 8;
/// So many bytes of a name say which peer it is; those behind them, how often it has started.
pub(super) const NAMED: usize = 12;
/// More requests waiting than this are a flood.
pub(super) const FLOOD: usize = 2048;

/// A peer, driven by whoever has its sockets.
#[derive(Debug)]
pub struct Peer {
    pub(super) config: PeerConfig,
    pub(super) index: u32,
    pub(super) id: [u8; 20],
    /// How often it has started before.
    pub(super) starts: u32,
    pub(super) picker: Picker,
    pub(super) choker: Choker,
    pub(super) conns: BTreeMap<u32, Conn>,
    pub(super) banned: BTreeSet<[u8; 20]>,
    pub(super) out: VecDeque<Output>,
    pub(super) board: SharedBoard,
    pub(super) random: u64,
    /// When it last decided whom to serve.
    pub(super) now: Instant,
    /// Blocks sent, and blocks of each piece.
    pub(super) turns: u64,
    pub(super) given: Vec<u32>,
    /// How often a seed that tells of one piece at a time has told of each.
    reveals: Vec<u32>,
    /// When neighbours are told of pieces that no message has taken along.
    pub(super) tell_at: Instant,
    /// How long blocks take that come; when one that does not come is asked of somebody else.
    pub(super) usual: Span,
    pub(super) late_at: Instant,
}

impl Peer {
    /// Number `index` on the board.
    pub fn new(config: PeerConfig, index: u32, board: SharedBoard, random: u64) -> Peer {
        let mut id = *b"-TW0100-            ";
        id[8..12].copy_from_slice(&index.to_be_bytes());
        Peer {
            picker: Picker::new(config.torrent.clone(), config.policy, config.seed),
            choker: Choker::new(config.slots, config.choking, config.seed_choking),
            given: vec![0; config.torrent.piece_count() as usize],
            reveals: vec![0; config.torrent.piece_count() as usize],
            turns: 0,
            conns: BTreeMap::new(),
            banned: BTreeSet::new(),
            tell_at: Instant::MAX,
            usual: Span::ZERO,
            late_at: Instant::MAX,
            out: VecDeque::new(),
            random,
            now: Instant::ZERO,
            config,
            index,
            id,
            starts: 0,
            board,
        }
    }

    /// The peer after its host has crashed: with the pieces that were on its disk, under another name.
    pub fn restart(mut self, disk: &Disk) -> Peer {
        self.picker.load(&disk.have);
        self.id[NAMED..NAMED + 4].copy_from_slice(&disk.starts.to_be_bytes());
        self.starts = disk.starts;
        self
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Whether the whole file is there.
    pub fn is_complete(&self) -> bool {
        self.picker.is_complete()
    }

    /// Neighbours, connected or about to be.
    pub fn degree(&self) -> usize {
        self.conns.len()
    }

    /// Whether nothing happens any more unless others act.
    pub fn is_idle(&self) -> bool {
        self.is_complete() && self.conns.values().all(|conn| !conn.interested_in_me)
    }

    /// How the peer is configured.
    pub fn config(&self) -> &PeerConfig {
        &self.config
    }

    pub(super) fn report<T>(&self, change: impl FnOnce(&mut PeerReport) -> T) -> T {
        change(&mut self.board.borrow_mut().peers[self.index as usize])
    }

    pub(super) fn tell(&self, now: Instant, event: Event) {
        let mut board = self.board.borrow_mut();
        if board.wants_pieces || !matches!(event, Event::Piece(_)) {
            board.events.push_back((now, self.index, event));
        }
    }

    /// Other peers that the tracker knows.
    pub fn handle_peers(&mut self, peers: &[Endpoint]) {
        let most = if self.is_complete() && !self.config.seed { self.spare_slots() } else { peers.len() };
        for peer in peers.iter().take(most) {
            let known = self.conns.values().any(|conn| conn.remote.addr == peer.addr);
            if self.conns.len() < self.config.neighbours && !known {
                self.out.push_back(Output::Connect(*peer));
            }
        }
    }

    /// Whether it should ask the tracker for more others.
    pub fn lacks_neighbours(&self) -> bool {
        match (self.config.seed, self.is_complete()) {
            (true, _) => self.conns.len() < self.config.neighbours,
            (_, true) => self.spare_slots() > 0,
            _ => self.conns.len() < self.config.neighbours.div_ceil(2),
        }
    }

    /// How many more a peer with the whole file could serve.
    fn spare_slots(&self) -> usize {
        if self.config.behaviour != Behaviour::Honest || self.conns.len() >= self.config.neighbours {
            return 0;
        }
        let served = self.conns.values().filter(|conn| conn.interested_in_me).count();
        self.choker.slots().saturating_sub(served)
    }

    /// Two that have the whole file have no use for each other.
    pub(super) fn close_useless(&mut self, now: Instant) {
        if !self.is_complete() {
            return;
        }
        let n = self.config.torrent.piece_count();
        let useless = self.conns.iter().filter(|(_, conn)| conn.their_count == n);
        let useless: Vec<u32> = useless.map(|(id, _)| *id).collect();
        useless.into_iter().for_each(|id| self.close(now, id));
    }

    /// There is a connection; its other end is `remote`.
    pub fn handle_connected(&mut self, conn: u32, remote: Endpoint, initiated: bool) {
        let n = self.config.torrent.piece_count() as usize;
        let state = Conn {
            initiated,
            remote,
            id: None,
            theirs: vec![false; n],
            their_count: 0,
            wanted: 0,
            choked_by_me: true,
            interested_in_me: false,
            choked_by_them: true,
            interested: false,
            asked: Vec::new(),
            asked_at: VecDeque::new(),
            moved: VecDeque::new(),
            target: self.config.pipeline.unwrap_or(FIRST_REQUESTS),
            least_delay: Span::MAX,
            round_trip: Span::ZERO,
            snubbed: false,
            window: 0,
            last_window: 0,
            sent: 0,
            sent_before: 0,
            taken: 0,
            last_taken: 0,
            served_since: Instant::ZERO,
            stalls: 0,
            requests: VecDeque::new(),
            piece: (u32::MAX, 0),
            passed: 0,
            turn: 0,
            requests_choked: 0,
            untold: Vec::new(),
            tell_at: Instant::MAX,
            revealed: Vec::new(),
        };
        self.conns.insert(conn, state);
        let open = self.conns.len() as u32;
        self.report(|report| report.connections = report.connections.max(open));
        if self.config.behaviour == Behaviour::Garbage {
            return self.out.push_back(Output::SendGarbage(conn));
        }
        self.out.push_back(Output::Send(conn, Message::Handshake(self.config.torrent.info, self.id)));
        if self.config.super_seed && self.config.seed {
            return;
        }
        if self.picker.count() > 0 || self.config.behaviour.claims_all() {
            let bits = self.bitfield();
            self.out.push_back(Output::Send(conn, Message::Bitfield(bits)));
        }
    }

    fn bitfield(&self) -> bytes::Bytes {
        let all = self.config.behaviour.claims_all();
        let mut bits = vec![0u8; self.picker.have().len().div_ceil(8)];
        for (piece, have) in self.picker.have().iter().enumerate() {
            bits[piece / 8] |= if *have || all { 0x80 >> (piece % 8) } else { 0 };
        }
        bits.into()
    }

    /// A connection is over.
    pub fn handle_closed(&mut self, now: Instant, conn: u32) {
        self.take_back(conn);
        let Some(state) = self.conns.remove(&conn) else { return };
        state.asked.iter().for_each(|block| self.picker.release(*block));
        self.picker.forget(conn);
        for (piece, _) in state.theirs.iter().enumerate().filter(|(_, has)| **has) {
            self.picker.note(piece as u32, false);
        }
        self.ask_everybody(now);
        self.fill_slots();
    }

    pub(super) fn close(&mut self, now: Instant, conn: u32) {
        self.out.push_back(Output::Close(conn));
        self.handle_closed(now, conn);
    }

    /// Pieces to tell a neighbour of before anything else is said to it.
    pub fn take_untold(&mut self, conn: u32) -> Vec<u32> {
        let Some(conn) = self.conns.get_mut(&conn) else { return Vec::new() };
        conn.tell_at = Instant::MAX;
        std::mem::take(&mut conn.untold)
    }

    /// When [`Peer::handle_tell`] is due.
    pub fn tell_at(&self) -> Instant {
        self.tell_at
    }

    /// News has waited long enough.
    pub fn handle_tell(&mut self, now: Instant) {
        self.tell_at = Instant::MAX;
        for (id, conn) in &mut self.conns {
            if conn.tell_at <= now {
                conn.tell_at = Instant::MAX;
                self.out.push_back(Output::Tell(*id));
            }
            self.tell_at = self.tell_at.min(conn.tell_at);
        }
    }

    /// Tells a neighbour of a new piece. It must know at once of what it has no other reason to ask this peer for, and, when it is
    /// served, of what is rare, to ask for that first. The rest goes with what is sent next, or once it is worth a packet.
    pub(super) fn tell_piece(&mut self, now: Instant, id: u32, piece: u32) {
        let is_rare = 4 * self.picker.availability(piece) as usize <= self.conns.len();
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let has_it = conn.theirs[piece as usize];
        let served = !conn.choked_by_me;
        if !has_it && (!conn.interested_in_me || served && is_rare) {
            return self.out.push_back(Output::Send(id, Message::Have(piece)));
        }
        conn.untold.push(piece);
        if conn.untold.len() >= MOST_UNTOLD {
            return self.out.push_back(Output::Tell(id));
        }
        let after = if has_it || !served { KNOWN_AFTER } else { TELL_AFTER };
        conn.tell_at = conn.tell_at.min(now + after);
        self.tell_at = self.tell_at.min(conn.tell_at);
    }

    /// A seed that tells of one piece at a time: of which it tells a neighbour next.
    pub(super) fn reveal(&mut self, id: u32) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        while conn.revealed.len() < 2 {
            let theirs = &conn.theirs;
            let revealed = &conn.revealed;
            let open = |piece: &u32| !theirs[*piece as usize] && !revealed.contains(piece);
            let all = (0..self.config.torrent.piece_count()).filter(open);
            let rank = |piece: u32| (self.reveals[piece as usize], self.picker.availability(piece));
            let Some(best) = all.clone().map(rank).min() else { return };
            let equals: Vec<u32> = all.filter(|piece| rank(*piece) == best).collect();
            let piece = equals[(splitmix(&mut self.random) % equals.len() as u64) as usize];
            self.reveals[piece as usize] += 1;
            conn.revealed.push(piece);
            self.out.push_back(Output::Send(id, Message::Have(piece)));
        }
    }
}
