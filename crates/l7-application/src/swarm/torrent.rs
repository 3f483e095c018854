//! The file that a swarm distributes: pieces, blocks, content, hashes.

use bytes::Bytes;

/// Bytes of a block, the unit of requests.
pub const BLOCK: u32 = 16 * 1024;
/// Bytes that all content is cut from.
const POOL: usize = 1 << 18;

/// A part of a piece.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Block {
    /// The piece.
    pub piece: u32,
    /// Its first byte in the piece.
    pub begin: u32,
    /// Its bytes.
    pub len: u32,
}

/// A file, and what is known of it to everybody (BEP 3's metainfo).
#[derive(Debug)]
pub struct Torrent {
    /// What handshakes name it by.
    pub info: [u8; 20],
    size: u64,
    piece: u32,
    pool: Bytes,
    seed: u64,
    pieces: Vec<u64>,
}

impl Torrent {
    /// A file of `size` bytes in pieces of `piece` bytes, with content made from `seed`.
    pub fn new(size: u64, piece: u32, seed: u64) -> Torrent {
        let mut state = seed;
        let pool: Vec<u8> = (0..POOL / 8).flat_map(|_| splitmix(&mut state).to_le_bytes()).collect();
        let mut info = [0; 20];
        for part in info.chunks_mut(8) {
            part.copy_from_slice(&splitmix(&mut state).to_le_bytes()[..part.len()]);
        }
        let mut torrent = Torrent { info, size, piece, pool: pool.into(), seed, pieces: Vec::new() };
        torrent.pieces = (0..torrent.piece_count()).map(|piece| torrent.hash_of(piece)).collect();
        torrent
    }

    /// Bytes in all.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many pieces there are.
    pub fn piece_count(&self) -> u32 {
        self.size.div_ceil(u64::from(self.piece)) as u32
    }

    /// Bytes of a piece; the last one may be shorter.
    pub fn piece_len(&self, piece: u32) -> u32 {
        let begin = u64::from(piece) * u64::from(self.piece);
        (self.size.saturating_sub(begin)).min(u64::from(self.piece)) as u32
    }

    /// How many blocks a piece has.
    pub fn block_count(&self, piece: u32) -> u32 {
        self.piece_len(piece).div_ceil(BLOCK)
    }

    /// A block by its number in the piece.
    pub fn block(&self, piece: u32, number: u32) -> Block {
        let begin = number * BLOCK;
        Block { piece, begin, len: (self.piece_len(piece) - begin).min(BLOCK) }
    }

    /// Whether there is such a block.
    pub fn has(&self, block: Block) -> bool {
        block.piece < self.piece_count()
            && block.begin.is_multiple_of(BLOCK)
            && block.begin < self.piece_len(block.piece)
            && block == self.block(block.piece, block.begin / BLOCK)
    }

    /// The bytes of a block; `twist` other than 0 gives wrong ones.
    pub fn content(&self, block: Block, twist: u64) -> Bytes {
        let mut state = self.seed ^ (u64::from(block.piece) << 32 | u64::from(block.begin)) ^ twist;
        let at = (splitmix(&mut state) % (POOL as u64 - u64::from(BLOCK))) as usize;
        self.pool.slice(at..at + block.len as usize)
    }

    /// The hash that a piece must have.
    pub fn piece_hash(&self, piece: u32) -> u64 {
        self.pieces[piece as usize]
    }

    /// The hash that the file must have.
    pub fn file_hash(&self) -> u64 {
        combine(self.pieces.iter().copied())
    }

    fn hash_of(&self, piece: u32) -> u64 {
        let blocks = (0..self.block_count(piece)).map(|number| {
            let mut hasher = Hasher::default();
            hasher.write(&self.content(self.block(piece, number), 0));
            hasher.finish()
        });
        combine(blocks)
    }
}

/// The hash of a whole from those of its parts, as in a tree of hashes (BEP 52).
pub fn combine(parts: impl Iterator<Item = u64>) -> u64 {
    let mut hasher = Hasher::default();
    parts.for_each(|part| hasher.word(part));
    hasher.finish()
}

/// A hash of 64 bits over bytes that come in parts. It stands for SHA-1: it finds damage, but would not stop a forger.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hasher {
    /// Words take turns, so that the processor works on four at a time.
    lanes: [u64; 4],
    turn: usize,
    carry: u64,
    held: u32,
    len: u64,
}

impl Hasher {
    /// Adds bytes.
    pub fn write(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len() as u64;
        while self.held > 0 && !bytes.is_empty() {
            self.carry |= u64::from(bytes[0]) << (8 * self.held);
            self.held = (self.held + 1) % 8;
            bytes = &bytes[1..];
            if self.held == 0 {
                let word = std::mem::take(&mut self.carry);
                self.word(word);
            }
        }
        while self.turn != 0 && bytes.len() >= 8 {
            self.word(word_of(bytes));
            bytes = &bytes[8..];
        }
        let mut fours = bytes.chunks_exact(32);
        for four in &mut fours {
            for (lane, state) in self.lanes.iter_mut().enumerate() {
                *state = mixed(*state, word_of(&four[8 * lane..]));
            }
        }
        let mut words = fours.remainder().chunks_exact(8);
        for word in &mut words {
            self.word(word_of(word));
        }
        for byte in words.remainder() {
            self.carry |= u64::from(*byte) << (8 * self.held);
            self.held += 1;
        }
    }

    #[inline]
    fn word(&mut self, word: u64) {
        self.lanes[self.turn] = mixed(self.lanes[self.turn], word);
        self.turn = (self.turn + 1) % 4;
    }

    /// The hash of everything so far.
    pub fn finish(mut self) -> u64 {
        self.word(self.carry);
        self.word(self.len);
        let state = self.lanes.into_iter().fold(0, mixed);
        state ^ (state >> 32)
    }
}

#[inline(always)]
fn word_of(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
}

#[inline(always)]
fn mixed(state: u64, word: u64) -> u64 {
    (state.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The next number of a sequence that looks random (Steele, Lea, Flood 2014).
pub fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
