//! A peer with its sockets: it comes, announces itself, exchanges, leaves.

use super::board::{Disk, Event};
use super::limit::Limit;
use super::message::{Message, Reader};
use super::peer::{Output, Peer};
use super::tracker::{Answer, Question, ask, parse_answer};
use super::{Behaviour, Block};
use crate::{Process, Resume, SocketApi, Wait};
use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, VecDeque};
use tidewire_units::{Instant, Interest, SocketId, Span};
use tidewire_wire::{Endpoint, Payload};

/// When a peer comes and goes.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    /// It comes.
    pub join: Instant,
    /// It stays so long once it has the file; none: for ever.
    pub stay: Option<Span>,
    /// Mean of the exponential time after which it goes away before.
    pub away_after: Option<Span>,
    /// Mean of the exponential time after which it comes back with what it had; none: never.
    pub back_after: Option<Span>,
    /// It goes when it has received nothing for so long.
    pub gives_up: Span,
}

/// A block is written when less than this waits to be sent.
const UNSENT: u32 = 8 * 1024;
/// A neighbour that does not read so much is dropped.
const MOST_PENDING: usize = 1 << 20;
/// A program takes up to this to start: of thousands that are started at once, not all ask the tracker in the same instant.
const STARTS: Span = Span::from_ms(100);
/// The first announcement is repeated after this, then after twice as long, and so on; each time up to twice that, by chance.
const RETRY: Span = Span::from_secs(2);
/// Announcements that fail one after the other, before the next one waits no longer.
const MOST_DOUBLINGS: u32 = 5;

struct Link {
    reader: Reader,
    remote: Endpoint,
    connected: bool,
    /// What did not fit into the send buffer.
    pending: VecDeque<Payload>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Away(Instant),
    Here,
    Gone,
}

/// A peer as a program on a host.
pub struct Program {
    peer: Peer,
    life: Lifetime,
    tracker: Endpoint,
    port: u16,
    phase: Phase,
    listener: Option<SocketId>,
    udp: Option<SocketId>,
    links: BTreeMap<u32, Link>,
    /// The number that the tracker gave.
    number: Option<u64>,
    question: u32,
    failures: u32,
    announce_at: Instant,
    announced: Instant,
    tick_at: Instant,
    leave_at: Instant,
    progress: (u64, Instant),
    was_complete: bool,
    /// Messages that go to one neighbour in one piece.
    letter: BytesMut,
    /// What was received: its place is used again and again.
    received: Vec<Payload>,
    limit: Option<Limit>,
}

impl Program {
    /// A peer that listens on `port` and asks `tracker`.
    pub fn new(peer: Peer, life: Lifetime, tracker: Endpoint, port: u16) -> Program {
        Program {
            was_complete: peer.is_complete(),
            limit: peer.config.upload.map(Limit::new),
            peer,
            life,
            tracker,
            port,
            phase: Phase::Away(life.join),
            listener: None,
            udp: None,
            links: BTreeMap::new(),
            number: None,
            question: 0,
            failures: 0,
            announce_at: Instant::MAX,
            announced: Instant::ZERO,
            tick_at: Instant::MAX,
            leave_at: Instant::MAX,
            progress: (0, life.join),
            letter: BytesMut::new(),
            received: Vec::new(),
        }
    }

    fn come(&mut self, now: Instant, sockets: &mut dyn SocketApi) {
        let many = sockets.many();
        let (Ok(listener), Ok(udp)) = (many.listen(self.port, 128), many.bind_datagram(0)) else {
            // A program of the host has taken the port since the swarm began.
            return self.end(now);
        };
        many.subscribe(listener, Interest::Incoming);
        many.subscribe(udp, Interest::Readable);
        (self.listener, self.udp) = (Some(listener), Some(udp));
        self.phase = Phase::Here;
        self.announce_at = now + part_of(STARTS, sockets);
        // Who comes back has some time to find out whether there is anything to get now.
        self.progress.1 = self.progress.1.max(now - self.life.gives_up / 2);
        self.tick_at = now + part_of(self.peer.config().interval, sockets);
        if let Some(mean) = self.life.away_after.filter(|_| !self.peer.is_complete()) {
            self.leave_at = now + exponential(mean, sockets);
        }
        self.peer.report(|report| {
            report.joined.get_or_insert(now);
        });
    }

    /// Everything is closed; it may come back.
    fn go(&mut self, now: Instant, for_good: bool, sockets: &mut dyn SocketApi) {
        self.send_question(true, sockets);
        for id in std::mem::take(&mut self.links).into_keys() {
            self.peer.handle_closed(now, id);
            sockets.close(SocketId(id));
        }
        for socket in [self.listener.take(), self.udp.take()].into_iter().flatten() {
            sockets.close(socket);
        }
        while self.peer.poll_output().is_some() {}
        (self.announce_at, self.tick_at, self.leave_at) = (Instant::MAX, Instant::MAX, Instant::MAX);
        let back = self.life.back_after.filter(|_| !for_good);
        self.phase = match back {
            Some(mean) => Phase::Away(now + exponential(mean, sockets)),
            None => Phase::Gone,
        };
        if self.phase == Phase::Gone {
            self.end(now);
        }
    }

    fn end(&mut self, now: Instant) {
        self.phase = Phase::Gone;
        self.peer.report(|report| report.left = Some(now));
        self.peer.tell(now, Event::Left);
    }

    fn send_question(&mut self, stops: bool, sockets: &mut dyn SocketApi) {
        let Some(udp) = self.udp else { return };
        self.question += 1;
        let question = match self.number {
            None if stops => return,
            None => Question::Connect,
            Some(number) => Question::Announce {
                number,
                info: self.peer.config.torrent.info,
                peer: self.peer.id,
                left: u64::from(!self.peer.is_complete()),
                stops,
                wants: self.peer.config.neighbours as u32,
                port: self.port,
            },
        };
        let payload = Payload::Data(ask(question, self.question));
        let _ = sockets.many().send_to(udp, payload, self.tracker);
    }

    fn announce(&mut self, now: Instant, sockets: &mut dyn SocketApi) {
        if self.failures > 0 {
            // The tracker may have started again; then it does not know its number any more (BEP 15).
            self.number = None;
        }
        self.send_question(false, sockets);
        self.announced = now;
        let wait = RETRY * u64::from(1u32 << self.failures);
        self.announce_at = now + wait + part_of(wait, sockets);
        // Whoever lacks something goes on asking, and gives up as a whole at some time.
        if self.failures == MOST_DOUBLINGS && self.peer.is_complete() {
            self.announce_at = Instant::MAX;
        }
        self.failures = (self.failures + 1).min(MOST_DOUBLINGS);
    }

    fn hear_tracker(&mut self, now: Instant, udp: SocketId, sockets: &mut dyn SocketApi) {
        while let Some((_, payload)) = sockets.many().receive_from(udp) {
            match parse_answer(&payload.to_bytes()) {
                Some((Answer::Connected(number), id)) if id == self.question => {
                    (self.number, self.failures) = (Some(number), 0);
                    self.announce(now, sockets);
                }
                Some((Answer::Peers(peers), id)) if id == self.question => {
                    (self.announce_at, self.failures) = (Instant::MAX, 0);
                    self.peer.handle_peers(&peers);
                }
                _ => {}
            }
        }
        sockets.many().subscribe(udp, Interest::Readable);
    }

    fn add_link(&mut self, socket: SocketId, remote: Endpoint, connected: bool) {
        let link = Link { reader: Reader::new(), remote, connected, pending: VecDeque::new() };
        self.links.insert(socket.0, link);
    }

    fn take_connections(&mut self, listener: SocketId, sockets: &mut dyn SocketApi) {
        while let Some((socket, remote)) = sockets.many().accept(listener) {
            self.add_link(socket, remote, true);
            self.peer.handle_connected(socket.0, remote, false);
            sockets.many().subscribe(socket, Interest::Available(68));
        }
        sockets.many().subscribe(listener, Interest::Incoming);
    }

    fn handle_link(&mut self, now: Instant, socket: SocketId, sockets: &mut dyn SocketApi) {
        let Some(link) = self.links.get_mut(&socket.0) else { return };
        if !link.connected {
            if sockets.many().failure(socket).is_some() {
                return self.lose(now, socket, sockets);
            }
            link.connected = true;
            let remote = link.remote;
            self.peer.handle_connected(socket.0, remote, true);
        }
        self.read(now, socket, sockets);
        self.flush(now, socket, sockets);
        self.serve(now, socket, sockets);
    }

    fn read(&mut self, now: Instant, socket: SocketId, sockets: &mut dyn SocketApi) {
        let Some(link) = self.links.get_mut(&socket.0) else { return };
        let mut received = std::mem::take(&mut self.received);
        let open = sockets.many().receive_all(socket, &mut received).is_ok();
        self.peer.note_round_trip(socket.0, sockets.many().round_trip(socket));
        let mut fed = Ok(());
        for payload in received.drain(..) {
            let peer = &mut self.peer;
            let each = |message| peer.handle_message(now, socket.0, message);
            fed = fed.and_then(|()| match &payload {
                Payload::Data(data) => link.reader.feed(data, each),
                zeros @ Payload::Zeros(_) => link.reader.feed(&zeros.to_bytes(), each),
            });
        }
        self.received = received;
        if fed.is_err() {
            // The bytes behind are no messages either.
            self.peer.handle_malformed(now, socket.0);
        } else if open {
            let wants = link.reader.wants();
            sockets.many().subscribe(socket, Interest::Available(wants));
        } else {
            self.lose(now, socket, sockets);
        }
    }

    fn lose(&mut self, now: Instant, socket: SocketId, sockets: &mut dyn SocketApi) {
        if self.links.remove(&socket.0).is_some() {
            self.peer.handle_closed(now, socket.0);
            sockets.close(socket);
        }
    }

    fn send(&mut self, now: Instant, socket: SocketId, payload: Payload, sockets: &mut dyn SocketApi) {
        let Some(link) = self.links.get_mut(&socket.0) else { return };
        link.pending.push_back(payload);
        self.flush(now, socket, sockets);
    }

    fn flush(&mut self, now: Instant, socket: SocketId, sockets: &mut dyn SocketApi) {
        let Some(link) = self.links.get_mut(&socket.0) else { return };
        while let Some(payload) = link.pending.pop_front() {
            let len = payload.len();
            let sent = if link.pending.is_empty() {
                sockets.send(socket, payload.clone())
            } else {
                sockets.many().send_more(socket, payload.clone())
            };
            let Ok(sent) = sent else { return self.lose(now, socket, sockets) };
            if sent < len {
                link.pending.push_front(payload.slice(sent..len));
                let waits: usize = link.pending.iter().map(Payload::len).sum();
                if waits > MOST_PENDING {
                    return self.lose(now, socket, sockets);
                }
                return sockets.many().subscribe(socket, Interest::Writable(1));
            }
        }
    }

    /// Writes blocks while little waits to be sent: what is written early cannot be cancelled, and messages stand behind it.
    fn serve(&mut self, now: Instant, socket: SocketId, sockets: &mut dyn SocketApi) {
        while self.has_room(socket, sockets) {
            if let Some(limit) = &mut self.limit {
                limit.add(socket.0);
                return self.serve_in_turn(now, sockets);
            }
            if self.write_block(now, socket, sockets).is_none() {
                return;
            }
        }
    }

    /// With a limit of its own, a peer writes one block after the other, whoever is next.
    fn serve_in_turn(&mut self, now: Instant, sockets: &mut dyn SocketApi) {
        while let Some(waiting) = self.limit.as_ref().and_then(|limit| limit.ready(now))
            && let Some(next) = self.peer.next_turn(waiting)
        {
            let has_room = self.has_room(SocketId(next), sockets);
            let block = if has_room { self.write_block(now, SocketId(next), sockets) } else { None };
            let Some(limit) = &mut self.limit else { return };
            match block {
                Some(block) => limit.charge(now, block),
                None => limit.remove(next),
            }
        }
    }

    /// Whether a block may be written now; if not for what waits to be sent, the connection says when.
    fn has_room(&self, socket: SocketId, sockets: &mut dyn SocketApi) -> bool {
        let Some(link) = self.links.get(&socket.0) else { return false };
        let none = self.peer.conns.get(&socket.0).is_none_or(|conn| conn.requests.is_empty());
        if none || !link.pending.is_empty() {
            return false;
        }
        let has_room = sockets.many().unsent(socket) <= u64::from(UNSENT);
        if !has_room {
            sockets.many().subscribe(socket, Interest::Unsent(UNSENT));
        }
        has_room
    }

    fn write_block(&mut self, now: Instant, socket: SocketId, sockets: &mut dyn SocketApi) -> Option<Block> {
        let block = self.peer.next_upload(socket.0)?;
        self.add_untold(socket.0);
        Message::Piece(block, 0).encode_into(&mut self.letter);
        let head = self.letter.split().freeze();
        let content = self.content(block);
        let link = self.links.get_mut(&socket.0)?;
        link.pending.extend([Payload::Data(head), Payload::Data(content)]);
        self.flush(now, socket, sockets);
        Some(block)
    }

    fn content(&self, block: Block) -> Bytes {
        let config = &self.peer.config;
        let twist = if config.behaviour == Behaviour::Corrupt { 0xBAD } else { 0 };
        config.torrent.content(block, twist)
    }

    /// News that has waited goes along.
    fn add_untold(&mut self, id: u32) {
        for piece in self.peer.take_untold(id) {
            Message::Have(piece).encode_into(&mut self.letter);
        }
    }

    /// Does what the peer wants done; messages to one neighbour that follow each other are written at once.
    fn drain(&mut self, now: Instant, sockets: &mut dyn SocketApi) {
        let mut to = None;
        loop {
            let Some(output) = self.peer.poll_output() else {
                // A connection that is lost while it is written to may give more to do.
                match to.take() {
                    None => return,
                    last => self.post(now, last, sockets),
                }
                continue;
            };
            let next = match output {
                Output::Send(id, _) | Output::Tell(id) => Some(id),
                _ => None,
            };
            if to != next {
                self.post(now, to, sockets);
                to = next;
            }
            match output {
                Output::Connect(to) => self.connect(to, sockets),
                Output::Send(id, message) => {
                    self.add_untold(id);
                    message.encode_into(&mut self.letter);
                }
                Output::Tell(id) => self.add_untold(id),
                Output::SendGarbage(id) => {
                    // Longer than a handshake, so that it is looked at.
                    let text = Bytes::from_static(&[b'?'; 200]);
                    self.send(now, SocketId(id), Payload::Data(text), sockets);
                }
                Output::MayServe(id) => self.serve(now, SocketId(id), sockets),
                Output::Close(id) => {
                    if self.links.remove(&id).is_some() {
                        sockets.close(SocketId(id));
                    }
                }
            }
        }
    }

    /// Writes what was gathered for a neighbour.
    fn post(&mut self, now: Instant, to: Option<u32>, sockets: &mut dyn SocketApi) {
        if let Some(id) = to
            && !self.letter.is_empty()
        {
            let letter = self.letter.split().freeze();
            self.send(now, SocketId(id), Payload::Data(letter), sockets);
        }
    }

    fn connect(&mut self, to: Endpoint, sockets: &mut dyn SocketApi) {
        let known = self.links.values().any(|link| link.remote.addr == to.addr);
        if known || self.links.len() >= self.peer.config.neighbours {
            return;
        }
        if let Ok(socket) = sockets.connect(to) {
            self.add_link(socket, to, false);
            sockets.many().subscribe(socket, Interest::Connected);
        }
    }

    fn handle_due(&mut self, now: Instant, sockets: &mut dyn SocketApi) {
        if matches!(self.phase, Phase::Away(until) if now >= until) {
            self.come(now, sockets);
        }
        if self.phase != Phase::Here {
            return;
        }
        if now >= self.announce_at {
            self.announce(now, sockets);
        }
        self.serve_in_turn(now, sockets);
        if now >= self.peer.tell_at() {
            self.peer.handle_tell(now);
        }
        if now >= self.peer.late_at() {
            self.peer.handle_late(now);
        }
        if now >= self.tick_at {
            self.peer.handle_interval(now);
            self.tick_at = now + self.peer.config.interval;
            if self.peer.lacks_neighbours() && self.announce_at == Instant::MAX {
                self.announce_at = now.max(self.announced + self.peer.config.interval * 2);
            }
            let received = self.peer.report(|report| report.downloaded);
            if received != self.progress.0 || self.peer.is_complete() {
                self.progress = (received, now);
            }
        }
        let stuck = now.since(self.progress.1) >= self.life.gives_up && !self.peer.is_complete();
        if now >= self.leave_at || stuck {
            self.go(now, stuck || self.peer.is_complete(), sockets);
        }
    }

    fn note_complete(&mut self, now: Instant) {
        if self.peer.is_complete() && !self.was_complete {
            self.was_complete = true;
            self.leave_at = self.life.stay.map_or(Instant::MAX, |stay| now + stay);
            // BEP 3's "completed": the tracker tells those who have everything of others than those who lack something.
            self.announce_at = now;
        }
    }

    fn next_timeout(&mut self, now: Instant) -> Instant {
        match self.phase {
            Phase::Away(until) => until,
            Phase::Gone => Instant::MAX,
            Phase::Here => {
                let idle = self.peer.is_idle() && self.peer.config.behaviour != Behaviour::Flood;
                let rests = idle || !self.peer.config.behaviour.downloads() && self.links.is_empty();
                if rests {
                    self.tick_at = Instant::MAX;
                } else if self.tick_at == Instant::MAX {
                    self.tick_at = now + self.peer.config.interval;
                }
                let turn = self.limit.as_ref().map_or(Instant::MAX, Limit::wakes_at);
                let peer = self.peer.tell_at().min(self.peer.late_at());
                self.tick_at.min(self.announce_at).min(self.leave_at).min(peer).min(turn)
            }
        }
    }
}

impl Process for Program {
    fn resume(&mut self, now: Instant, why: Resume, sockets: &mut dyn SocketApi) -> Wait {
        if let Resume::Ready(socket) = why
            && self.phase == Phase::Here
        {
            match Some(socket) {
                listener if listener == self.listener => self.take_connections(socket, sockets),
                udp if udp == self.udp => self.hear_tracker(now, socket, sockets),
                _ => self.handle_link(now, socket, sockets),
            }
        }
        self.handle_due(now, sockets);
        self.drain(now, sockets);
        self.note_complete(now);
        let mut board = self.peer.board.borrow_mut();
        if !board.events.is_empty()
            && let Some(waiting) = board.waiting.take()
        {
            sockets.many().wake(waiting);
        }
        drop(board);
        let next = self.next_timeout(now);
        if self.phase == Phase::Gone { Wait::Done } else { Wait::Events(next) }
    }

    fn crash(&mut self, now: Instant) -> Option<u32> {
        let join = if let Phase::Away(until) = self.phase { until } else { now };
        let disk = Disk { have: self.peer.picker.have().to_vec(), starts: self.peer.starts + 1, join };
        self.end(now);
        let mut board = self.peer.board.borrow_mut();
        board.disks.insert(self.peer.index, disk);
        board.waiting.take()
    }
}

/// A span from nothing to `whole`, by chance.
fn part_of(whole: Span, sockets: &mut dyn SocketApi) -> Span {
    Span::from_ps(((u128::from(sockets.random()) * u128::from(whole.as_ps())) >> 64) as u64)
}

fn exponential(mean: Span, sockets: &mut dyn SocketApi) -> Span {
    let uniform = (sockets.random() >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
    Span::from_secs_f64(-mean.as_secs_f64() * libm::log1p(-uniform))
}
