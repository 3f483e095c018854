//! Messages between peers (BEP 3, peer protocol).

use super::torrent::{BLOCK, Block, Hasher};
use bytes::{BufMut, Bytes, BytesMut};

const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";
/// Bytes of a handshake.
const HANDSHAKE: usize = 68;
/// Longer messages other than blocks are refused: a bitfield of 2 million pieces.
const LONGEST: u32 = 1 << 18;

/// What peers say to each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// The first message: which file, and who speaks.
    Handshake([u8; 20], [u8; 20]),
    /// Nothing.
    KeepAlive,
    /// Requests are not answered any more.
    Choke,
    /// Requests are answered.
    Unchoke,
    /// The other has what I lack.
    Interested,
    /// The other has nothing that I lack.
    NotInterested,
    /// I have this piece now.
    Have(u32),
    /// Which pieces I have, a bit each.
    Bitfield(Bytes),
    /// Send me this block.
    Request(Block),
    /// Do not send me this block any more.
    Cancel(Block),
    /// A block, and the hash of what came.
    Piece(Block, u64),
}

impl Message {
    /// Its bytes; of a block only what stands before the content.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(20);
        self.encode_into(&mut out);
        out.freeze()
    }

    /// As [`Message::encode`], behind what is there.
    pub fn encode_into(&self, out: &mut BytesMut) {
        match self {
            Message::Handshake(info, peer) => {
                out.put_slice(PROTOCOL);
                out.put_u64(0);
                out.put_slice(info);
                out.put_slice(peer);
            }
            Message::KeepAlive => out.put_u32(0),
            Message::Choke => short(out, 0),
            Message::Unchoke => short(out, 1),
            Message::Interested => short(out, 2),
            Message::NotInterested => short(out, 3),
            Message::Have(piece) => {
                out.put_u32(5);
                out.put_u8(4);
                out.put_u32(*piece);
            }
            Message::Bitfield(bits) => {
                out.put_u32(1 + bits.len() as u32);
                out.put_u8(5);
                out.put_slice(bits);
            }
            Message::Request(block) => numbers(out, 6, *block),
            Message::Cancel(block) => numbers(out, 8, *block),
            Message::Piece(block, _) => {
                out.put_u32(9 + block.len);
                out.put_u8(7);
                out.put_u32(block.piece);
                out.put_u32(block.begin);
            }
        }
    }
}

fn short(out: &mut BytesMut, id: u8) {
    out.put_u32(1);
    out.put_u8(id);
}

fn numbers(out: &mut BytesMut, id: u8, block: Block) {
    out.put_u32(13);
    out.put_u8(id);
    out.put_u32(block.piece);
    out.put_u32(block.begin);
    out.put_u32(block.len);
}

/// Bytes that are no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed(pub &'static str);

/// Cuts a stream of bytes into messages.
#[derive(Debug, Default)]
pub struct Reader {
    head: Vec<u8>,
    greeted: bool,
    /// The block that is passing, with how much of it is still to come.
    passing: Option<(Block, u32, Hasher)>,
}

impl Reader {
    /// A reader that expects a handshake first.
    pub fn new() -> Reader {
        Reader::default()
    }

    /// How many more bytes complete the message that comes next, or its length.
    pub fn wants(&self) -> u32 {
        match &self.passing {
            Some((_, left, _)) => *left,
            None => (self.head_len().unwrap_or(4) - self.head.len()) as u32,
        }
    }

    /// How long the message's head is, as far as that is known.
    fn head_len(&self) -> Result<usize, Malformed> {
        if !self.greeted {
            return Ok(HANDSHAKE);
        }
        let Some(len) = self.head.first_chunk::<4>() else { return Ok(4) };
        let len = u32::from_be_bytes(*len);
        match (len, self.head.get(4)) {
            (0, _) => Ok(4),
            (_, None) => Ok(5),
            (9.., Some(7)) if len <= 9 + BLOCK => Ok(13),
            (_, Some(7)) => Err(Malformed("a block of a wrong length")),
            (_, Some(_)) if len > LONGEST => Err(Malformed("a message that is too long")),
            _ => Ok(4 + len as usize),
        }
    }

    /// Takes bytes; gives each message that is complete.
    ///
    /// # Errors
    /// What no peer may send.
    pub fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Message)) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            if let Some((block, left, hasher)) = &mut self.passing {
                let take = bytes.len().min(*left as usize);
                hasher.write(&bytes[..take]);
                *left -= take as u32;
                bytes = &bytes[take..];
                if *left == 0 {
                    each(Message::Piece(*block, hasher.finish()));
                    self.passing = None;
                }
                continue;
            }
            let want = self.head_len()? - self.head.len();
            let take = bytes.len().min(want);
            self.head.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if self.head.len() == self.head_len()? {
                if let Some(message) = self.complete()? {
                    each(message);
                }
                self.head.clear();
            }
        }
        Ok(())
    }

    fn complete(&mut self) -> Result<Option<Message>, Malformed> {
        let head = &self.head;
        if !self.greeted {
            if head[..20] != PROTOCOL[..] {
                return Err(Malformed("no handshake"));
            }
            self.greeted = true;
            let part = |at: usize| head[at..at + 20].try_into().expect("twenty bytes");
            return Ok(Some(Message::Handshake(part(28), part(48))));
        }
        let Some(id) = head.get(4) else { return Ok(Some(Message::KeepAlive)) };
        let body = &head[5..];
        let number = |at: usize| {
            let bytes = body.get(at..at + 4).ok_or(Malformed("a message that is too short"))?;
            Ok(u32::from_be_bytes(bytes.try_into().expect("four bytes")))
        };
        let block = || Ok(Block { piece: number(0)?, begin: number(4)?, len: number(8)? });
        Ok(Some(match id {
            0 => Message::Choke,
            1 => Message::Unchoke,
            2 => Message::Interested,
            3 => Message::NotInterested,
            4 => Message::Have(number(0)?),
            5 => Message::Bitfield(Bytes::copy_from_slice(body)),
            6 => Message::Request(block()?),
            8 => Message::Cancel(block()?),
            7 => {
                let len = u32::from_be_bytes(*head.first_chunk().expect("a head")) - 9;
                if len == 0 {
                    return Err(Malformed("a block without bytes"));
                }
                let block = Block { piece: number(0)?, begin: number(4)?, len };
                self.passing = Some((block, len, Hasher::default()));
                return Ok(None);
            }
            // Extensions that are not known are passed over.
            _ => return Ok(None),
        }))
    }
}
