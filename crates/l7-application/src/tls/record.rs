//! Records (RFC 8446, section 5): pieces of at most 16 KiB, in the clear or protected.

use std::collections::VecDeque;
use tidewire_wire::Payload;

/// Most bytes of one record.
const LONGEST: usize = 1 << 14;
/// A record longer than this is none.
const MOST: usize = LONGEST + 256;

/// What a record holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// Handshake messages.
    Handshake,
    /// A word before something is given up.
    Alert,
    /// From here on everything is protected (1.2).
    ChangeCipherSpec,
    /// Bytes of the program.
    Data,
}

impl Content {
    fn code(self) -> u8 {
        match self {
            Content::ChangeCipherSpec => 20,
            Content::Alert => 21,
            Content::Handshake => 22,
            Content::Data => 23,
        }
    }

    fn from_code(code: u8) -> Option<Content> {
        [Content::ChangeCipherSpec, Content::Alert, Content::Handshake, Content::Data]
            .into_iter()
            .find(|content| content.code() == code)
    }
}

/// Pieces of a stream, and records out of them.
#[derive(Clone, Debug, Default)]
pub struct Records {
    pieces: VecDeque<Payload>,
    length: usize,
}

/// One record as it came.
#[derive(Clone, Debug)]
pub struct Raw {
    /// What its first byte says; protected records say Data.
    pub content: Content,
    pieces: Vec<Payload>,
    length: usize,
}

impl Records {
    /// Takes what came.
    pub fn push(&mut self, payload: Payload) {
        self.length += payload.len();
        self.pieces.push_back(payload);
    }

    /// The next whole record.
    ///
    /// # Errors
    /// When what came is no record.
    pub fn next_record(&mut self) -> Result<Option<Raw>, &'static str> {
        if self.length < 5 {
            return Ok(None);
        }
        let mut head = Vec::with_capacity(5);
        for piece in &self.pieces {
            let n = piece.len().min(5 - head.len());
            head.extend_from_slice(&piece.slice(0..n).to_bytes());
            if head.len() == 5 {
                break;
            }
        }
        let content = Content::from_code(head[0]).filter(|_| head[1] == 3).ok_or("not TLS")?;
        let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
        if length > MOST {
            return Err("a record is too long");
        }
        if self.length < 5 + length {
            return Ok(None);
        }
        self.take(5);
        let pieces = self.take(length);
        Ok(Some(Raw { content, pieces, length }))
    }

    fn take(&mut self, n: usize) -> Vec<Payload> {
        let (mut taken, mut left) = (Vec::new(), n);
        while left > 0 {
            let Some(piece) = self.pieces.pop_front() else { break };
            if piece.len() > left {
                self.pieces.push_front(piece.slice(left..piece.len()));
                taken.push(piece.slice(0..left));
                left = 0;
            } else {
                left -= piece.len();
                taken.push(piece);
            }
        }
        self.length -= n;
        taken
    }
}

impl Raw {
    /// The bytes of a record in the clear.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.length);
        self.pieces.iter().for_each(|piece| piece.emit(&mut out));
        out
    }

    /// What a protected record holds.
    ///
    /// # Errors
    /// When it was not sealed with this key.
    pub fn open(&self, key: u64, sequence: u64, overhead: usize) -> Result<(Content, Payload), &'static str> {
        let length = self.length.checked_sub(overhead).ok_or("a record is too short")?;
        let all = self.bytes_from(length);
        let [kind, synthetic, check @ ..] = &all[..] else { return Err("a record is too short") };
        if check[..4] != tag(key, sequence).to_be_bytes()[..4] {
            return Err("bad record");
        }
        let content = Content::from_code(*kind).ok_or("bad record")?;
        if *synthetic == 1 {
            return Ok((content, Payload::Zeros(length as u32)));
        }
        let mut bytes = self.bytes();
        bytes.truncate(length);
        scramble(&mut bytes, key, sequence);
        Ok((content, Payload::from(bytes)))
    }

    /// The bytes from `at` on.
    fn bytes_from(&self, at: usize) -> Vec<u8> {
        let mut passed = 0;
        let mut out = Vec::new();
        for piece in &self.pieces {
            let skip = at.saturating_sub(passed).min(piece.len());
            passed += piece.len();
            piece.slice(skip..piece.len()).emit(&mut out);
        }
        out
    }
}

/// A record in the clear.
pub fn clear(content: Content, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 5);
    for part in bytes.chunks(LONGEST) {
        out.extend_from_slice(&[content.code(), 3, 3]);
        out.extend_from_slice(&(part.len() as u16).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

/// Protected records of one payload; `sequence` counts on. Synthetic bytes stay synthetic.
pub fn sealed(
    content: Content,
    payload: &Payload,
    key: u64,
    sequence: &mut u64,
    overhead: usize,
) -> Vec<Payload> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < payload.len() {
        let part = payload.slice(at..(at + LONGEST).min(payload.len()));
        at += part.len();
        let mut head = vec![Content::Data.code(), 3, 3];
        head.extend_from_slice(&((part.len() + overhead) as u16).to_be_bytes());
        let mut trailer = vec![content.code(), u8::from(matches!(part, Payload::Zeros(_)))];
        trailer.extend_from_slice(&tag(key, *sequence).to_be_bytes());
        let mut filler = vec![0; overhead - trailer.len()];
        scramble(&mut filler, key ^ 1, *sequence);
        trailer.extend_from_slice(&filler);
        match part {
            Payload::Zeros(_) => {
                out.push(Payload::from(head));
                out.push(part);
                out.push(Payload::from(trailer));
            }
            Payload::Data(data) => {
                let start = head.len();
                head.extend_from_slice(&data);
                scramble(&mut head[start..], key, *sequence);
                head.extend_from_slice(&trailer);
                out.push(Payload::from(head));
            }
        }
        *sequence += 1;
    }
    out
}

fn tag(key: u64, sequence: u64) -> u64 {
    mix(key ^ sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Hides bytes from the eye, and nothing more: applied twice, it gives them back.
pub fn scramble(bytes: &mut [u8], key: u64, sequence: u64) {
    let mut state = tag(key, sequence) | 1;
    for chunk in bytes.chunks_mut(8) {
        state = mix(state);
        chunk.iter_mut().zip(state.to_be_bytes()).for_each(|(byte, pad)| *byte ^= pad);
    }
}

/// The finaliser of SplitMix64: every bit of the input moves about half of the output's.
pub fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
