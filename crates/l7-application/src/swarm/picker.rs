//! Which block is asked for next.

use super::torrent::{BLOCK, Block, Torrent, combine, splitmix};
use std::sync::Arc;
use tidewire_units::{Instant, Span};

/// In which order pieces are begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// The one that fewest neighbours have; the first ones by chance.
    RarestFirst,
    /// By chance.
    Random,
    /// From the first to the last, as for playing while loading.
    Sequential,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Free,
    /// Asked of so many, of the last one then.
    Asked(u8, Instant),
    /// From whom, and its hash.
    Got(u32, u64),
}

/// A piece that is being received.
#[derive(Debug)]
struct Active {
    piece: u32,
    blocks: Vec<State>,
    free: u32,
    missing: u32,
    /// After a wrong hash it comes from one connection only, so that it is clear whose fault it is.
    only: Option<u32>,
}

/// What becomes of a block that has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was there already.
    Duplicate,
    /// It is one of a piece that is not complete.
    Part,
    /// The piece is complete and its hash is right. These have sent wrong blocks of it before.
    Whole(Vec<u32>),
    /// The piece is complete and its hash is wrong: it is asked for again. All of it came from this connection.
    Corrupt(Option<u32>),
}

/// What a neighbour that has nothing else to give is asked for at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Late {
    /// This, which others were asked for too.
    Ask(Block),
    /// Nothing before then, if what is under way has not come.
    Wait(Instant),
    /// Nothing.
    Nothing,
}

/// What a peer has, what it asks for.
#[derive(Debug)]
pub struct Picker {
    torrent: Arc<Torrent>,
    policy: Policy,
    have: Vec<bool>,
    /// The hashes of complete pieces, as they came.
    hashes: Vec<u64>,
    count: u32,
    /// How many neighbours have each piece.
    available: Vec<u32>,
    active: Vec<Active>,
    begun: Vec<bool>,
    /// Pieces that are neither there nor begun.
    untouched: u32,
    /// Blocks of pieces with a wrong hash: which, its hash, from whom.
    suspects: Vec<(Block, u64, u32)>,
    failed: Vec<bool>,
}

impl Picker {
    /// Nothing, or everything, is there.
    pub fn new(torrent: Arc<Torrent>, policy: Policy, complete: bool) -> Picker {
        let n = torrent.piece_count() as usize;
        Picker {
            policy,
            have: vec![complete; n],
            hashes: (0..n as u32).map(|piece| if complete { torrent.piece_hash(piece) } else { 0 }).collect(),
            count: if complete { n as u32 } else { 0 },
            available: vec![0; n],
            active: Vec::new(),
            begun: vec![false; n],
            untouched: if complete { 0 } else { n as u32 },
            suspects: Vec::new(),
            failed: vec![false; n],
            torrent,
        }
    }

    /// What is on the disk is there.
    pub fn load(&mut self, have: &[bool]) {
        for (piece, _) in have.iter().enumerate().filter(|(_, has)| **has) {
            if !std::mem::replace(&mut self.have[piece], true) {
                self.hashes[piece] = self.torrent.piece_hash(piece as u32);
                (self.count, self.untouched) = (self.count + 1, self.untouched - 1);
            }
        }
    }

    /// Whether a piece is there.
    pub fn has(&self, piece: u32) -> bool {
        self.have[piece as usize]
    }

    /// Pieces that are there.
    pub fn have(&self) -> &[bool] {
        &self.have
    }

    /// How many pieces are there.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether everything is there.
    pub fn is_complete(&self) -> bool {
        self.count as usize == self.have.len()
    }

    /// The hash of the file as it came.
    pub fn file_hash(&self) -> u64 {
        combine(self.hashes.iter().copied())
    }

    /// A neighbour has a piece, or had it and has left.
    pub fn note(&mut self, piece: u32, there: bool) {
        let available = &mut self.available[piece as usize];
        *available = if there { *available + 1 } else { available.saturating_sub(1) };
    }

    /// How many neighbours have a piece.
    pub fn availability(&self, piece: u32) -> u32 {
        self.available[piece as usize]
    }

    /// The next block to ask `conn` for, which has `theirs`, of those that nobody was asked for.
    pub fn pick(&mut self, now: Instant, conn: u32, theirs: &[bool], random: &mut u64) -> Option<Block> {
        for active in &mut self.active {
            if active.free > 0 && theirs[active.piece as usize] && active.is_for(conn) {
                return active.take(now, &self.torrent);
            }
        }
        if self.untouched > 0
            && let Some(piece) = self.choose(theirs, random)
        {
            self.begin(piece, conn);
            return self.active.last_mut().expect("just begun").take(now, &self.torrent);
        }
        None
    }

    /// Whether a block that somebody else was asked for may come from `conn` instead.
    pub fn may_move(&self, block: Block, conn: u32) -> bool {
        let active = self.active.iter().find(|active| active.piece == block.piece);
        active.is_some_and(|active| {
            active.is_for(conn) && matches!(active.blocks[number(block)], State::Asked(1, _))
        })
    }

    /// Whether a block is still missing.
    pub fn lacks(&self, block: Block) -> bool {
        let active = self.active.iter().find(|active| active.piece == block.piece);
        active.is_some_and(|active| !matches!(active.blocks[number(block)], State::Got(..)))
    }

    fn begin(&mut self, piece: u32, conn: u32) {
        let n = self.torrent.block_count(piece);
        self.begun[piece as usize] = true;
        self.untouched -= 1;
        self.active.push(Active {
            piece,
            blocks: vec![State::Free; n as usize],
            free: n,
            missing: n,
            only: self.failed[piece as usize].then_some(conn),
        });
    }

    fn choose(&self, theirs: &[bool], random: &mut u64) -> Option<u32> {
        let (mut best, mut found, mut ties) = (u32::MAX, None, 0);
        let by_chance = self.policy == Policy::Random || self.count == 0 && self.active.is_empty();
        for (piece, there) in theirs.iter().enumerate() {
            if !there || self.have[piece] || self.begun[piece] {
                continue;
            }
            if self.policy == Policy::Sequential {
                return Some(piece as u32);
            }
            let rank = if by_chance { 0 } else { self.available[piece] };
            ties = if rank < best { 1 } else { ties + u64::from(rank == best) };
            // The last of equals so far, with one chance in their number.
            if rank < best || rank == best && splitmix(random).is_multiple_of(ties) {
                (best, found) = (rank, Some(piece as u32));
            }
        }
        found
    }

    /// Whether everything was asked for.
    pub fn is_end(&self) -> bool {
        self.untouched == 0 && !self.active.iter().any(|active| active.free > 0 && active.only.is_none())
    }

    /// What is still missing at the end is asked of a second neighbour too, so that a slow one does not hold up the end; of
    /// one more whenever it has waited for `patience` since. Requests that are `doubtful` do not count, as two may lie.
    pub fn end_game(
        &mut self,
        (now, patience): (Instant, Span),
        conn: u32,
        (theirs, asked): (&[bool], &[Block]),
        doubtful: &[Block],
        random: &mut u64,
    ) -> Late {
        let n = self.active.len();
        let first = if n > 0 { (splitmix(random) % n as u64) as usize } else { 0 };
        let mut wait = Instant::MAX;
        for i in 0..n {
            let active = &mut self.active[(first + i) % n];
            if !theirs[active.piece as usize] {
                continue;
            }
            if !active.is_for(conn) {
                let due = active.asked_last() + patience;
                if now < due {
                    wait = wait.min(due);
                    continue;
                }
                active.only = Some(conn);
            }
            for (number, state) in active.blocks.iter_mut().enumerate() {
                let block = self.torrent.block(active.piece, number as u32);
                if let State::Asked(times, last) = state
                    && !asked.contains(&block)
                {
                    let doubts = doubtful.iter().filter(|one| **one == block).count();
                    if usize::from(*times) < 2 + doubts || now >= *last + patience {
                        (*times, *last) = (times.saturating_add(1), now);
                        return Late::Ask(block);
                    }
                    wait = wait.min(*last + patience);
                }
            }
        }
        if wait < Instant::MAX { Late::Wait(wait) } else { Late::Nothing }
    }

    /// A block that was asked for will not come.
    pub fn release(&mut self, block: Block) {
        let Some(active) = self.active.iter_mut().find(|active| active.piece == block.piece) else { return };
        let active_block = &mut active.blocks[number(block)];
        match active_block {
            State::Asked(1, _) => {
                *active_block = State::Free;
                active.free += 1;
            }
            State::Asked(times, _) => *times -= 1,
            _ => {}
        }
    }

    /// A connection is over: nobody else's fault is its.
    pub fn forget(&mut self, conn: u32) {
        for active in &mut self.active {
            if active.only == Some(conn) {
                active.only = None;
            }
        }
    }

    /// A block has come; whether it was asked of others too, and what becomes of it.
    pub fn receive(&mut self, block: Block, hash: u64, from: u32) -> (bool, Outcome) {
        let number = number(block);
        let Some(at) = self.active.iter().position(|active| active.piece == block.piece) else {
            return (false, Outcome::Duplicate);
        };
        let active = &mut self.active[at];
        let others = match active.blocks[number] {
            State::Got(..) => return (false, Outcome::Duplicate),
            State::Asked(times, _) => times > 1,
            State::Free => {
                active.free -= 1;
                false
            }
        };
        active.blocks[number] = State::Got(from, hash);
        active.missing -= 1;
        if active.missing > 0 {
            return (others, Outcome::Part);
        }
        let active = self.active.remove(at);
        (others, self.finish(&active))
    }

    fn finish(&mut self, active: &Active) -> Outcome {
        let piece = active.piece as usize;
        let got = || {
            active.blocks.iter().enumerate().filter_map(|(number, state)| match state {
                State::Got(from, hash) => Some((number as u32, *from, *hash)),
                _ => None,
            })
        };
        let hash = combine(got().map(|(.., hash)| hash));
        if hash == self.torrent.piece_hash(active.piece) {
            self.have[piece] = true;
            self.hashes[piece] = hash;
            self.count += 1;
            // Who had sent another block in a wrong piece was wrong.
            let wrong = |block: &Block, hash: u64| {
                let number = block.begin / BLOCK;
                block.piece == active.piece && got().any(|(n, _, right)| n == number && right != hash)
            };
            let mut liars: Vec<u32> = self
                .suspects
                .iter()
                .filter(|(block, hash, _)| wrong(block, *hash))
                .map(|one| one.2)
                .collect();
            liars.sort_unstable();
            liars.dedup();
            self.suspects.retain(|(block, ..)| block.piece != active.piece);
            return Outcome::Whole(liars);
        }
        self.begun[piece] = false;
        self.failed[piece] = true;
        self.untouched += 1;
        let first = got().next().map(|(_, from, _)| from);
        let alone = first.filter(|first| got().all(|(_, from, _)| from == *first));
        let torrent = &self.torrent;
        self.suspects.extend(got().map(|(n, from, hash)| (torrent.block(active.piece, n), hash, from)));
        Outcome::Corrupt(alone)
    }
}

impl Active {
    fn is_for(&self, conn: u32) -> bool {
        self.only.is_none_or(|only| only == conn)
    }

    /// When somebody was asked for a block of it.
    fn asked_last(&self) -> Instant {
        let all = self.blocks.iter().filter_map(|state| match state {
            State::Asked(_, last) => Some(*last),
            _ => None,
        });
        all.max().unwrap_or(Instant::ZERO)
    }

    fn take(&mut self, now: Instant, torrent: &Torrent) -> Option<Block> {
        let number = self.blocks.iter().position(|state| matches!(state, State::Free))?;
        self.blocks[number] = State::Asked(1, now);
        self.free -= 1;
        Some(torrent.block(self.piece, number as u32))
    }
}

/// Which block of its piece it is.
fn number(block: Block) -> usize {
    (block.begin / BLOCK) as usize
}
