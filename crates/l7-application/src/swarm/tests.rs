use super::board::{Board, PeerReport};
use super::choker::{Candidate, Choker};
use super::limit::Limit;
use super::message::Malformed;
use super::torrent::{BLOCK, Hasher};
use super::*;
use crate::swarm::peer::Output;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use tidewire_units::{Instant, Rate, Span};
use tidewire_wire::Endpoint;

fn torrent() -> Arc<Torrent> {
    Arc::new(Torrent::new(1_000_000, 64 * 1024, 7))
}

fn hash_of(bytes: &[u8]) -> u64 {
    let mut hasher = Hasher::default();
    hasher.write(bytes);
    hasher.finish()
}

#[test]
fn the_last_piece_and_the_last_block_are_shorter() {
    let torrent = torrent();
    assert_eq!((torrent.piece_count(), torrent.block_count(0), torrent.piece_len(15)), (16, 4, 16_960));
    assert_eq!(torrent.block(15, 1), Block { piece: 15, begin: BLOCK, len: 576 });
    assert!(torrent.has(Block { piece: 15, begin: BLOCK, len: 576 }));
    for (piece, begin, len) in
        [(16, 0, BLOCK), (15, BLOCK, BLOCK), (0, 1, BLOCK), (0, 4 * BLOCK, BLOCK), (0, 0, 1)]
    {
        assert!(!torrent.has(Block { piece, begin, len }), "{piece} {begin} {len}");
    }
    assert_ne!(torrent.content(torrent.block(0, 0), 0), torrent.content(torrent.block(0, 1), 0));
    assert_ne!(torrent.content(torrent.block(0, 0), 0), torrent.content(torrent.block(0, 0), 1));
}

fn messages() -> impl Strategy<Value = Message> {
    let block =
        (0u32..16, 0u32..4).prop_map(|(piece, number)| Block { piece, begin: number * BLOCK, len: BLOCK });
    prop_oneof![
        Just(Message::KeepAlive),
        Just(Message::Choke),
        Just(Message::Unchoke),
        Just(Message::Interested),
        Just(Message::NotInterested),
        (0u32..100).prop_map(Message::Have),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|bits| Message::Bitfield(bits.into())),
        block.clone().prop_map(Message::Request),
        block.clone().prop_map(Message::Cancel),
        (block, any::<u64>()).prop_map(|(block, hash)| Message::Piece(block, hash)),
    ]
}

proptest! {
    #[test]
    fn a_hash_does_not_depend_on_how_the_bytes_come(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
        let cut = cut.min(bytes.len());
        let mut hasher = Hasher::default();
        hasher.write(&bytes[..cut]);
        hasher.write(&bytes[cut..]);
        prop_assert_eq!(hasher.finish(), hash_of(&bytes));
    }

    #[test]
    fn what_is_written_is_read_again_however_it_is_cut(all in prop::collection::vec(messages(), 1..20), step in 1usize..3000) {
        let torrent = torrent();
        let mut stream = Message::Handshake(torrent.info, [3; 20]).encode().to_vec();
        let mut expected = vec![Message::Handshake(torrent.info, [3; 20])];
        for message in all {
            stream.extend_from_slice(&message.encode());
            expected.push(match message {
                Message::Piece(block, _) => {
                    let content = torrent.content(block, 0);
                    stream.extend_from_slice(&content);
                    Message::Piece(block, hash_of(&content))
                }
                other => other,
            });
        }
        let (mut reader, mut read) = (Reader::new(), Vec::new());
        for part in stream.chunks(step) {
            prop_assert!(reader.wants() > 0);
            reader.feed(part, |message| read.push(message)).unwrap();
        }
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..400), greets in any::<bool>()) {
        let mut reader = Reader::new();
        if greets {
            reader.feed(&Message::Handshake([1; 20], [2; 20]).encode(), |_| {}).unwrap();
        }
        let _ = reader.feed(&bytes, |_| {});
    }
}

#[test]
fn lengths_that_no_message_has_are_refused() {
    let refuse = |bytes: &[u8]| {
        let mut reader = Reader::new();
        reader.feed(&Message::Handshake([1; 20], [2; 20]).encode(), |_| {}).unwrap();
        reader.feed(bytes, |_| {}).unwrap_err()
    };
    assert_eq!(Reader::new().feed(&[b'x'; 68], |_| {}), Err(Malformed("no handshake")));
    assert_eq!(refuse(&[0, 0, 0, 1, 4]), Malformed("a message that is too short"));
    assert_eq!(refuse(&[0xff, 0, 0, 0, 20]), Malformed("a message that is too long"));
    assert_eq!(refuse(&[0, 1, 0, 0, 7]), Malformed("a block of a wrong length"));
    assert_eq!(refuse(&[0, 0, 0, 9, 7, 0, 0, 0, 0, 0, 0, 0, 0]), Malformed("a block without bytes"));
}

/// Peers whose messages arrive at once, in order. Connection `a * 100 + b` is that of `a` with `b`.
struct Net {
    peers: BTreeMap<u32, Peer>,
    queue: VecDeque<(u32, u32, Message)>,
    now: Instant,
    board: SharedBoard,
    torrent: Arc<Torrent>,
}

impl Net {
    fn new(behaviours: &[Behaviour]) -> Net {
        Net::of(torrent(), behaviours)
    }

    fn of(torrent: Arc<Torrent>, behaviours: &[Behaviour]) -> Net {
        let board: SharedBoard = Rc::new(RefCell::new(Board::default()));
        let mut peers = BTreeMap::new();
        for (index, behaviour) in behaviours.iter().enumerate() {
            let config = PeerConfig {
                torrent: torrent.clone(),
                seed: index == 0,
                behaviour: *behaviour,
                policy: Policy::RarestFirst,
                slots: 4,
                choking: Choking::TitForTat,
                seed_choking: SeedChoking::RoundRobin,
                interval: Span::from_secs(10),
                pipeline: None,
                neighbours: 20,
                super_seed: false,
                end_game: true,
                patience: Span::from_secs(30),
                upload: None,
            };
            board.borrow_mut().peers.push(PeerReport::default());
            peers.insert(index as u32, Peer::new(config, index as u32, board.clone(), index as u64));
        }
        Net { peers, queue: VecDeque::new(), now: Instant::ZERO, board, torrent }
    }

    fn connect(&mut self, a: u32, b: u32) {
        let at = |peer: u32| Endpoint::new(Ipv4Addr::from_bits(peer + 1), 6881);
        self.peers.get_mut(&a).unwrap().handle_connected(a * 100 + b, at(b), true);
        self.peers.get_mut(&b).unwrap().handle_connected(b * 100 + a, at(a), false);
    }

    /// Delivers everything until nothing moves.
    fn settle(&mut self) {
        loop {
            let ids: Vec<u32> = self.peers.keys().copied().collect();
            for id in ids {
                while let Some(output) = self.peers.get_mut(&id).unwrap().poll_output() {
                    self.act(id, output);
                }
            }
            let Some((from, to, message)) = self.queue.pop_front() else { return };
            self.peers.get_mut(&to).unwrap().handle_message(self.now, to * 100 + from, message);
        }
    }

    fn tell(&mut self, id: u32, conn: u32) {
        let untold = self.peers.get_mut(&id).unwrap().take_untold(conn);
        self.queue.extend(untold.into_iter().map(|piece| (id, conn % 100, Message::Have(piece))));
    }

    fn act(&mut self, id: u32, output: Output) {
        match output {
            Output::Tell(conn) => self.tell(id, conn),
            Output::Send(conn, message) => {
                self.tell(id, conn);
                self.queue.push_back((id, conn % 100, message));
            }
            Output::MayServe(conn) => {
                let twist = u64::from(self.peers[&id].config().behaviour == Behaviour::Corrupt);
                while let Some(block) = self.peers.get_mut(&id).unwrap().next_upload(conn) {
                    let hash = hash_of(&self.torrent.content(block, twist));
                    self.queue.push_back((id, conn % 100, Message::Piece(block, hash)));
                }
            }
            Output::Close(conn) => {
                let other = conn % 100;
                self.queue.retain(|(from, to, _)| (*from, *to) != (id, other) && (*from, *to) != (other, id));
                self.peers.get_mut(&other).unwrap().handle_closed(self.now, other * 100 + id);
            }
            Output::Connect(_) | Output::SendGarbage(_) => {}
        }
    }

    fn interval(&mut self) {
        self.now += Span::from_secs(10);
        let now = self.now;
        self.peers.values_mut().for_each(|peer| {
            peer.handle_interval(now);
            peer.handle_tell(now);
        });
        self.settle();
    }

    fn report(&self, index: usize) -> PeerReport {
        self.board.borrow().peers[index].clone()
    }
}

#[test]
fn a_leecher_gets_the_file_from_a_seed_and_its_hash_is_right() {
    let mut net = Net::new(&[Behaviour::Honest; 2]);
    net.connect(1, 0);
    net.settle();
    assert_eq!(net.report(1).hash, Some(net.torrent.file_hash()));
    assert_eq!(
        (net.report(1).downloaded, net.report(0).uploaded, net.report(1).wasted),
        (1_000_000, 1_000_000, 0)
    );
}

#[test]
fn peers_that_know_only_each_other_pass_pieces_on() {
    let mut net = Net::new(&[Behaviour::Honest; 5]);
    for i in 0..4 {
        net.connect(i + 1, i);
    }
    net.settle();
    (0..30).for_each(|_| net.interval());
    (1..5).for_each(|i| assert!(net.report(i).complete.is_some(), "{i}"));
}

#[test]
fn who_sends_wrong_bytes_is_found_and_banned_and_the_file_is_right() {
    let mut net = Net::new(&[Behaviour::Honest, Behaviour::Honest, Behaviour::Corrupt]);
    net.connect(1, 2);
    net.settle();
    net.connect(1, 0);
    net.settle();
    (0..10).for_each(|_| net.interval());
    let report = net.report(1);
    assert_eq!(report.hash, Some(net.torrent.file_hash()));
    assert!(report.corrupt >= 1 && report.banned == 1, "{report:?}");
}

#[test]
fn who_says_that_it_has_everything_and_never_answers_holds_nothing_up() {
    let mut net = Net::new(&[Behaviour::Honest, Behaviour::Honest, Behaviour::Liar]);
    net.connect(1, 2);
    net.settle();
    net.connect(1, 0);
    (0..10).for_each(|_| net.interval());
    assert!(net.report(1).complete.is_some() && net.report(2).uploaded == 0);
}

#[test]
fn a_flood_of_requests_ends_the_connection() {
    let mut net = Net::new(&[Behaviour::Honest, Behaviour::Flood]);
    net.connect(1, 0);
    net.settle();
    net.interval();
    assert_eq!((net.report(0).floods, net.report(0).banned), (1, 1));
}

#[test]
fn a_free_rider_is_served_by_seeds_and_serves_nobody() {
    let mut net = Net::new(&[Behaviour::Honest, Behaviour::FreeRider, Behaviour::Honest]);
    net.connect(1, 0);
    net.settle();
    net.connect(2, 1);
    (0..10).for_each(|_| net.interval());
    assert!(net.report(1).complete.is_some() && net.report(1).uploaded == 0 && net.report(2).pieces == 0);
}

#[test]
fn blocks_out_of_order_of_pieces_are_counted_when_nobody_asked() {
    let mut net = Net::new(&[Behaviour::Honest; 2]);
    net.connect(1, 0);
    let block = net.torrent.block(0, 0);
    net.peers.get_mut(&1).unwrap().handle_message(Instant::ZERO, 100, Message::Piece(block, 1));
    assert_eq!((net.report(1).unrequested, net.report(1).wasted), (1, u64::from(BLOCK)));
}

#[test]
fn a_seed_sends_what_it_sent_least_and_finishes_pieces() {
    let mut net = Net::new(&[Behaviour::Honest; 3]);
    for other in 1..3 {
        net.connect(other, 0);
        let seed = net.peers.get_mut(&0).unwrap();
        let mut id = [b'x'; 20];
        id[0] = other as u8;
        seed.handle_message(Instant::ZERO, other, Message::Handshake(net.torrent.info, id));
        seed.handle_message(Instant::ZERO, other, Message::Interested);
    }
    let torrent = net.torrent.clone();
    let seed = net.peers.get_mut(&0).unwrap();
    let mut ask = |other: u32, piece: u32, numbers: std::ops::Range<u32>| {
        for number in numbers {
            let request = Message::Request(torrent.block(piece, number));
            seed.handle_message(Instant::ZERO, other, request);
        }
    };
    ask(1, 0, 0..4);
    ask(2, 0, 0..4);
    ask(2, 3, 0..2);
    let sent = |seed: &mut Peer, other: u32, n: usize| -> Vec<(u32, u32)> {
        (0..n)
            .filter_map(|_| seed.next_upload(other))
            .map(|block| (block.piece, block.begin / BLOCK))
            .collect()
    };
    assert_eq!(sent(seed, 1, 4), [(0, 0), (0, 1), (0, 2), (0, 3)]);
    // The first of the line went out once already, so what did not goes first.
    assert_eq!(sent(seed, 2, 9), [(3, 0), (3, 1), (0, 0), (0, 1), (0, 2), (0, 3)]);
    // Who got half of a piece and left does not count.
    let ask = |seed: &mut Peer, other: u32, piece: u32, number: u32| {
        seed.handle_message(Instant::ZERO, other, Message::Request(torrent.block(piece, number)));
    };
    ask(seed, 1, 5, 0);
    assert_eq!(sent(seed, 1, 1), [(5, 0)]);
    seed.handle_closed(Instant::ZERO, 1);
    (0..4).for_each(|number| ask(seed, 2, 3, number));
    ask(seed, 2, 5, 0);
    assert_eq!(sent(seed, 2, 1), [(3, 0)]);
}

#[test]
fn two_that_have_the_whole_file_part() {
    let mut net = Net::new(&[Behaviour::Honest; 2]);
    net.connect(1, 0);
    net.settle();
    assert!(net.report(1).complete.is_some());
    assert_eq!((net.peers[&0].degree(), net.peers[&1].degree()), (0, 0));
}

#[test]
fn common_news_waits_for_who_is_interested_anyway() {
    let mut net = Net::new(&[Behaviour::Honest; 3]);
    net.connect(1, 2);
    let peer = net.peers.get_mut(&1).unwrap();
    while peer.poll_output().is_some() {}
    // The neighbour is not interested: it is told now.
    peer.tell_piece(Instant::ZERO, 102, 0);
    assert_eq!(peer.poll_output(), Some(Output::Send(102, Message::Have(0))));
    // It is interested and served: what is rare cannot wait.
    peer.handle_message(Instant::ZERO, 102, Message::Handshake(net.torrent.info, [b'x'; 20]));
    peer.handle_message(Instant::ZERO, 102, Message::Interested);
    while peer.poll_output().is_some() {}
    peer.tell_piece(Instant::ZERO, 102, 1);
    assert_eq!(peer.poll_output(), Some(Output::Send(102, Message::Have(1))));
    // What the neighbour has itself, or cannot ask for as it is not served, waits longer than a second.
    peer.handle_message(Instant::ZERO, 102, Message::Have(2));
    while peer.poll_output().is_some() {}
    peer.tell_piece(Instant::ZERO, 102, 2);
    peer.set_choked(102, true);
    assert_eq!(peer.poll_output(), Some(Output::Send(102, Message::Choke)));
    peer.tell_piece(Instant::ZERO, 102, 3);
    assert_eq!(peer.poll_output(), None);
    assert_eq!(peer.tell_at(), Instant::ZERO + Span::from_secs(5));
    peer.handle_tell(peer.tell_at());
    assert_eq!(peer.poll_output(), Some(Output::Tell(102)));
    assert_eq!(peer.take_untold(102), [2, 3]);
    // Eight are worth a packet.
    (4..12).for_each(|piece| peer.tell_piece(Instant::ZERO, 102, piece));
    assert_eq!(peer.poll_output(), Some(Output::Tell(102)));
    assert_eq!((peer.poll_output(), peer.take_untold(102).len()), (None, 8));
}

#[test]
fn with_an_upload_limit_begun_pieces_come_first_then_who_waited_longest_or_has_least() {
    for (choking, seeds, expected) in [
        // Peer 1 has a piece under way; of 2 and 3, which have begun none, 2 waits longer and 3 has less.
        (Choking::TitForTat, false, [1, 2, 3]),
        (Choking::Balanced, false, [1, 3, 2]),
        (Choking::Balanced, true, [3, 2, 1]),
    ] {
        let mut net = Net::new(&[Behaviour::Honest; 4]);
        let torrent = net.torrent.clone();
        (1..4).for_each(|other| net.connect(other, 0));
        let mut config = net.peers[&0].config().clone();
        let seed_choking = if seeds { SeedChoking::Neediest } else { SeedChoking::RoundRobin };
        (config.choking, config.seed_choking, config.seed) = (choking, seed_choking, seeds);
        let mut peer = Peer::new(config, 0, net.board.clone(), 1);
        if !seeds {
            peer.picker.load(&[&[true; 15][..], &[false]].concat());
        }
        for conn in 1..4u32 {
            let addr = Ipv4Addr::from_bits(conn);
            peer.handle_connected(conn, Endpoint::new(addr, 1), false);
            peer.handle_message(Instant::ZERO, conn, Message::Handshake(torrent.info, [conn as u8; 20]));
            (0..4 - conn).for_each(|piece| peer.handle_message(Instant::ZERO, conn, Message::Have(piece)));
            peer.handle_message(Instant::ZERO, conn, Message::Interested);
        }
        let ask = |peer: &mut Peer, conn: u32, piece: u32, number: u32| {
            let request = Message::Request(torrent.block(piece, number));
            peer.handle_message(Instant::ZERO, conn, request);
        };
        // All have been sent something, 1 last.
        for conn in [2, 3, 1] {
            ask(&mut peer, conn, 4 + conn, 0);
            assert!(peer.next_upload(conn).is_some());
        }
        ask(&mut peer, 1, 5, 1);
        (2..4).for_each(|conn| ask(&mut peer, conn, 8 + conn, 0));
        let mut waiting = std::collections::BTreeSet::from([1, 2, 3]);
        let order: Vec<u32> = std::iter::from_fn(|| {
            let next = peer.next_turn(&waiting)?;
            waiting.remove(&next).then_some(next)
        })
        .collect();
        assert_eq!(order, expected, "{choking:?} {seeds}");
    }
}

#[test]
fn an_upload_limit_spaces_blocks_and_wakes_only_for_who_waits() {
    // 16 KiB in 12 segments of 90 bytes of headers take 17464 bytes: 139.712 ms of 1 Mbit/s.
    let (mut limit, block) = (Limit::new(Rate::from_mbps(1)), torrent().block(0, 0));
    assert_eq!(limit.wakes_at(), Instant::MAX);
    limit.add(7);
    assert_eq!(limit.wakes_at(), Instant::ZERO);
    let now = Instant::ZERO + Span::from_secs(3);
    assert!(limit.ready(now).is_some_and(|waiting| waiting.contains(&7)));
    limit.charge(now, block);
    let free = now + Span::from_us(139_712);
    assert_eq!(limit.wakes_at(), free);
    assert!(limit.ready(free - Span::from_us(1)).is_none() && limit.ready(free).is_some());
    limit.remove(7);
    assert_eq!(limit.wakes_at(), Instant::MAX);
}

/// How often each of eight is served in 300 rounds: the first four give (the more, the higher their number), the others do not.
fn served(choking: Choking, seed_choking: SeedChoking, is_seed: bool) -> [u32; 8] {
    let (mut choker, mut random) = (Choker::new(4, choking, seed_choking), 1);
    let (mut times, mut since, mut chosen) = ([0; 8], [Instant::ZERO; 8], Vec::new());
    for round in 1..=300 {
        let now = Instant::ZERO + Span::from_secs(round);
        let candidate = |conn: u32| Candidate {
            conn,
            score: if conn < 4 { 1000 * u64::from(conn + 1) } else { 0 },
            // The one with the most pieces is no giver.
            behind: (0, conn),
            unchoked: chosen.contains(&conn),
            since: since[conn as usize],
        };
        let all: Vec<Candidate> = (0..8).map(candidate).collect();
        let next = choker.decide(is_seed, all, &mut random);
        let mut unique = next.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!((next.len(), unique.len()), (4, 4), "{next:?}");
        for conn in &next {
            times[*conn as usize] += 1;
            if !chosen.contains(conn) {
                since[*conn as usize] = now;
            }
        }
        chosen = next;
    }
    times
}

#[test]
fn tit_for_tat_serves_the_three_that_gave_most_and_one_by_chance_whatever_it_lacks() {
    let times = served(Choking::TitForTat, SeedChoking::RoundRobin, false);
    assert_eq!(times[1..4], [300; 3]);
    // A fifth of the rounds each, in terms of three: 60 on average, 12 of standard deviation.
    for rest in [times[0], times[4], times[5], times[6], times[7]] {
        assert!((18..=102).contains(&rest), "{times:?}");
    }
    // For comparison: who has most is not chosen by chance when balanced.
    assert_eq!(served(Choking::Balanced, SeedChoking::Neediest, false)[7], 0);
}

#[test]
fn seeds_serve_in_turn_or_the_fastest_or_the_neediest() {
    let turns = served(Choking::TitForTat, SeedChoking::RoundRobin, true);
    // Half of the rounds each; a turn lasts about six.
    assert!(turns.iter().all(|times| (110..=190).contains(times)), "{turns:?}");
    assert_eq!(served(Choking::TitForTat, SeedChoking::Fastest, true)[1..4], [300; 3]);
    assert_eq!(served(Choking::Balanced, SeedChoking::Neediest, true), [300, 300, 300, 300, 0, 0, 0, 0]);
}

#[test]
fn who_gave_nothing_gets_no_regular_slot_and_unused_ones_go_by_chance() {
    let mut choker = Choker::new(4, Choking::TitForTat, SeedChoking::RoundRobin);
    let candidate =
        |conn, score, unchoked| Candidate { conn, score, behind: (0, 0), unchoked, since: Instant::ZERO };
    let all: Vec<Candidate> = (0..9).map(|conn| candidate(conn, u64::from(conn == 8), false)).collect();
    let mut random = 7;
    let rounds: Vec<Vec<u32>> = (0..6).map(|_| choker.decide(false, all.clone(), &mut random)).collect();
    assert!(rounds.iter().all(|chosen| chosen[0] == 8 && chosen.len() == 4), "{rounds:?}");
    // By chance, for three intervals.
    assert!(rounds[0] == rounds[1] && rounds[1] == rounds[2] && rounds[2] != rounds[3], "{rounds:?}");
    // A slot that falls free is for who gave, then for anybody; not for who has least.
    let free = |gives: u64, seed: u64| {
        let mut choker = Choker::new(4, Choking::TitForTat, SeedChoking::RoundRobin);
        let all = [candidate(1, 0, false), candidate(2, gives, false), candidate(3, 0, false)];
        choker.fill(false, &all, &mut seed.clone()).unwrap()
    };
    assert!((0..50).all(|seed| free(1, seed) == 2));
    let chosen: std::collections::BTreeSet<u32> = (0..50).map(|seed| free(0, seed)).collect();
    assert_eq!(chosen.len(), 3);
}

#[test]
fn who_answers_after_it_was_given_up_is_asked_again() {
    let mut net = Net::new(&[Behaviour::Honest; 2]);
    net.connect(1, 0);
    let torrent = net.torrent.clone();
    let peer = net.peers.get_mut(&1).unwrap();
    peer.handle_message(Instant::ZERO, 100, Message::Handshake(torrent.info, [b'x'; 20]));
    peer.handle_message(Instant::ZERO, 100, Message::Bitfield(vec![0xff; 2].into()));
    peer.handle_message(Instant::ZERO, 100, Message::Unchoke);
    let asked = |peer: &mut Peer| {
        let all = std::iter::from_fn(|| peer.poll_output());
        let blocks = all.filter_map(|output| match output {
            Output::Send(_, Message::Request(block)) => Some(block),
            _ => None,
        });
        blocks.collect::<Vec<Block>>()
    };
    let first = asked(peer);
    assert!(!first.is_empty());
    let late = Instant::ZERO + Span::from_secs(31);
    peer.handle_interval(late);
    assert!(asked(peer).is_empty());
    let hash = hash_of(&torrent.content(first[0], 0));
    peer.handle_message(late, 100, Message::Piece(first[0], hash));
    assert!(!asked(peer).is_empty());
    assert_eq!((net.report(1).timeouts, net.report(1).unrequested, net.report(1).wasted), (1, 0, 0));
}

#[test]
fn more_requests_are_under_way_only_when_those_allowed_were() {
    // A neighbour with the whole file, and one with a piece of four blocks, for which 8 requests were enough.
    for (bits, grows) in [([0xff, 0xff], true), ([0x80, 0], false)] {
        let mut net = Net::new(&[Behaviour::Honest; 2]);
        net.connect(1, 0);
        let torrent = net.torrent.clone();
        let peer = net.peers.get_mut(&1).unwrap();
        peer.handle_message(Instant::ZERO, 100, Message::Handshake(torrent.info, [b'x'; 20]));
        peer.handle_message(Instant::ZERO, 100, Message::Bitfield(bits.to_vec().into()));
        peer.handle_message(Instant::ZERO, 100, Message::Unchoke);
        let before = peer.conns[&100].target;
        for block in peer.conns[&100].asked.clone() {
            let hash = hash_of(&torrent.content(block, 0));
            peer.handle_message(Instant::ZERO, 100, Message::Piece(block, hash));
        }
        let target = peer.conns[&100].target;
        assert_eq!((target > before, target < before), (grows, false), "{before} {target}");
    }
}

mod end_game;
