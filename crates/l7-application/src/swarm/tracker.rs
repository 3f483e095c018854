//! The tracker, who knows the peers of each file, over UDP (BEP 15).

use super::board::SharedBoard;
use super::peer::NAMED;
use crate::{Process, Resume, SocketApi, Wait};
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use tidewire_units::{Instant, Interest, SocketId};
use tidewire_wire::{Endpoint, Payload};

const MAGIC: u64 = 0x417_2710_1980;
const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
/// Peers in an answer, so that it fits into a packet.
const MOST_PEERS: usize = 200;

/// What a peer asks the tracker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Question {
    /// A number that proves that the address is its own.
    Connect,
    /// Who else is there? It is there itself, or has stopped.
    Announce {
        /// The number.
        number: u64,
        /// The file.
        info: [u8; 20],
        /// Who asks.
        peer: [u8; 20],
        /// Bytes that it lacks.
        left: u64,
        /// It leaves.
        stops: bool,
        /// How many others it wants to know.
        wants: u32,
        /// Where it listens.
        port: u16,
    },
}

/// What the tracker answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The number.
    Connected(u64),
    /// Others.
    Peers(Vec<Endpoint>),
}

/// The bytes of a question; `id` comes back with the answer.
pub fn ask(question: Question, id: u32) -> Bytes {
    let mut out = BytesMut::with_capacity(98);
    match question {
        Question::Connect => {
            out.put_u64(MAGIC);
            out.put_u32(CONNECT);
            out.put_u32(id);
        }
        Question::Announce { number, info, peer, left, stops, wants, port } => {
            out.put_u64(number);
            out.put_u32(ANNOUNCE);
            out.put_u32(id);
            out.put_slice(&info);
            out.put_slice(&peer);
            out.put_u64(0);
            out.put_u64(left);
            out.put_u64(0);
            out.put_u32(if stops { 3 } else { 2 });
            out.put_u64(0);
            out.put_u32(wants);
            out.put_u16(port);
        }
    }
    out.freeze()
}

fn parse_question(bytes: &[u8]) -> Option<(Question, u32)> {
    let (number, action, id) = (u64_at(bytes, 0)?, u32_at(bytes, 8)?, u32_at(bytes, 12)?);
    let question = match action {
        CONNECT if number == MAGIC => Question::Connect,
        ANNOUNCE => Question::Announce {
            number,
            info: bytes.get(16..36)?.try_into().ok()?,
            peer: bytes.get(36..56)?.try_into().ok()?,
            left: u64_at(bytes, 64)?,
            stops: u32_at(bytes, 80)? == 3,
            wants: u32_at(bytes, 92)?,
            port: u16::from_be_bytes(bytes.get(96..98)?.try_into().ok()?),
        },
        _ => return None,
    };
    Some((question, id))
}

fn answer(answer: &Answer, id: u32) -> Bytes {
    let mut out = BytesMut::new();
    match answer {
        Answer::Connected(number) => {
            out.put_u32(CONNECT);
            out.put_u32(id);
            out.put_u64(*number);
        }
        Answer::Peers(peers) => {
            out.put_u32(ANNOUNCE);
            out.put_u32(id);
            out.put_slice(&[0; 12]);
            for peer in peers {
                out.put_u32(peer.addr.to_bits());
                out.put_u16(peer.port);
            }
        }
    }
    out.freeze()
}

/// An answer and the id of its question.
pub fn parse_answer(bytes: &[u8]) -> Option<(Answer, u32)> {
    let (action, id) = (u32_at(bytes, 0)?, u32_at(bytes, 4)?);
    match action {
        CONNECT => Some((Answer::Connected(u64_at(bytes, 8)?), id)),
        ANNOUNCE => {
            let peers = bytes.get(20..)?.chunks_exact(6).map(|six| {
                let port = u16::from_be_bytes([six[4], six[5]]);
                Endpoint::new(Ipv4Addr::new(six[0], six[1], six[2], six[3]), port)
            });
            Some((Answer::Peers(peers.collect()), id))
        }
        _ => None,
    }
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Who takes part in something.
#[derive(Debug)]
pub struct Member {
    id: [u8; 20],
    at: Endpoint,
    lacks: bool,
}

/// The members of each file, in the order of their coming.
pub type Members = BTreeMap<[u8; 20], Vec<Member>>;

/// The tracker's program.
pub struct Tracker {
    socket: SocketId,
    files: Members,
    secret: u64,
    board: SharedBoard,
}

impl Tracker {
    /// A tracker with its UDP socket, and with the members that are on its disk.
    pub fn new(socket: SocketId, board: SharedBoard) -> Tracker {
        let files = board.borrow_mut().tracker_disk.take().unwrap_or_default();
        Tracker { socket, files, secret: 0, board }
    }

    fn handle(&mut self, from: Endpoint, bytes: &[u8], sockets: &mut dyn SocketApi) -> Option<Bytes> {
        let (question, id) = parse_question(bytes)?;
        let secret = self.secret ^ u64::from(from.addr.to_bits()) << 16;
        let Question::Announce { number, info, peer, left, stops, wants, port } = question else {
            return Some(answer(&Answer::Connected(secret), id));
        };
        if number != secret {
            return None;
        }
        self.board.borrow_mut().announces += 1;
        let members = self.files.entry(info).or_default();
        members.retain(|known| known.id[..NAMED] != peer[..NAMED]);
        // Who has everything is told of those who lack something only: others would have no use for it.
        let useful = members.iter().filter(|one| left > 0 || one.lacks);
        let mut others: Vec<Endpoint> = useful.map(|one| one.at).collect();
        if !stops {
            members.push(Member { id: peer, at: Endpoint::new(from.addr, port), lacks: left > 0 });
        }
        // A sample by chance (Fisher and Yates).
        let n = others.len().min(wants as usize).min(MOST_PEERS);
        for i in 0..n {
            let j = i + (sockets.random() % (others.len() - i) as u64) as usize;
            others.swap(i, j);
        }
        others.truncate(n);
        Some(answer(&Answer::Peers(others), id))
    }
}

impl Process for Tracker {
    fn resume(&mut self, _: Instant, why: Resume, sockets: &mut dyn SocketApi) -> Wait {
        if why == Resume::Start {
            self.secret = sockets.random();
        }
        let socket = self.socket;
        while let Some((from, payload)) = sockets.many().receive_from(socket) {
            if let Some(reply) = self.handle(from, &payload.to_bytes(), sockets) {
                let _ = sockets.many().send_to(socket, Payload::Data(reply), from);
            }
        }
        sockets.many().subscribe(socket, Interest::Readable);
        Wait::Events(Instant::MAX)
    }

    fn crash(&mut self, _: Instant) -> Option<u32> {
        self.board.borrow_mut().tracker_disk = Some(std::mem::take(&mut self.files));
        None
    }
}
