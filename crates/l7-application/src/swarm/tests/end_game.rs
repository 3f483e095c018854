//! The end of a download: what is asked of several neighbours.

use super::*;
use crate::swarm::picker::{Late, Picker};

fn at(s: u64) -> Instant {
    Instant::ZERO + Span::from_secs(s)
}

/// A file of one block, which neighbour 1 was asked for at 0 s.
fn last_block() -> (Picker, Block) {
    let torrent = Arc::new(Torrent::new(10_000, 64 * 1024, 7));
    let block = torrent.block(0, 0);
    let mut picker = Picker::new(torrent, Policy::RarestFirst, false);
    assert_eq!(picker.pick(at(0), 1, &[true], &mut 0), Some(block));
    (picker, block)
}

/// What a neighbour is asked for that has nothing else to give, with a patience of 2 s.
fn asked(picker: &mut Picker, now: Instant, conn: u32, doubtful: &[Block]) -> Late {
    picker.end_game((now, Span::from_secs(2)), conn, (&[true], &[]), doubtful, &mut 0)
}

#[test]
fn the_last_block_is_asked_of_two_and_of_one_more_whenever_it_does_not_come() {
    let (mut picker, block) = last_block();
    assert_eq!(asked(&mut picker, at(1), 2, &[]), Late::Ask(block));
    assert_eq!(asked(&mut picker, at(2), 3, &[]), Late::Wait(at(3)));
    assert_eq!(asked(&mut picker, at(3), 3, &[]), Late::Ask(block));
    assert_eq!(asked(&mut picker, at(4), 4, &[]), Late::Wait(at(5)));
    // Who was asked for it already, or lacks it, is not asked.
    let patient = (at(9), Span::from_secs(2));
    assert_eq!(picker.end_game(patient, 2, (&[true], &[block]), &[], &mut 0), Late::Nothing);
    assert_eq!(picker.end_game(patient, 5, (&[false], &[]), &[], &mut 0), Late::Nothing);
    assert_eq!(asked(&mut picker, at(9), 4, &[]), Late::Ask(block));
}

#[test]
fn who_has_never_answered_does_not_count_as_one_of_two() {
    let (mut picker, block) = last_block();
    assert_eq!(asked(&mut picker, at(0), 2, &[block]), Late::Ask(block));
    // Both may lie: two others are asked at once.
    assert_eq!(asked(&mut picker, at(0), 3, &[block; 2]), Late::Ask(block));
    assert_eq!(asked(&mut picker, at(0), 4, &[block; 2]), Late::Ask(block));
    assert_eq!(asked(&mut picker, at(0), 5, &[block; 2]), Late::Wait(at(2)));
}

#[test]
fn a_piece_that_is_to_come_from_one_neighbour_goes_to_another_when_it_does_not_come() {
    let (mut picker, block) = last_block();
    picker.receive(block, 0xBAD, 1);
    // Its hash was wrong: now all of it comes from 2, so that it is clear whose fault it is.
    assert_eq!(picker.pick(at(5), 2, &[true], &mut 0), Some(block));
    assert_eq!(asked(&mut picker, at(6), 3, &[block]), Late::Wait(at(7)));
    assert_eq!(asked(&mut picker, at(7), 3, &[block]), Late::Ask(block));
}

#[test]
fn liars_hold_nothing_up() {
    // A piece of three blocks: the first liar is asked for all of them, the second for two of those.
    let torrent = Arc::new(Torrent::new(40_000, 64 * 1024, 7));
    let mut net = Net::of(torrent, &[Behaviour::Honest, Behaviour::Honest, Behaviour::Liar, Behaviour::Liar]);
    for other in [2, 3, 0] {
        net.connect(1, other);
        net.settle();
    }
    // Nobody has waited, and patience is 30 s.
    assert!(net.report(1).complete.is_some() && net.now == Instant::ZERO, "{:?}", net.report(1));
}

#[test]
fn a_third_is_asked_when_two_that_have_answered_before_fall_silent() {
    let mut net = Net::new(&[Behaviour::Honest; 5]);
    let (torrent, mut now) = (net.torrent.clone(), Instant::ZERO);
    for other in [2, 3, 4] {
        net.connect(1, other);
    }
    let peer = net.peers.get_mut(&1).unwrap();
    for conn in [102, 103, 104] {
        peer.handle_message(now, conn, Message::Handshake(torrent.info, [conn as u8; 20]));
        peer.handle_message(now, conn, Message::Bitfield(vec![0xff; 2].into()));
        peer.handle_message(now, conn, Message::Unchoke);
    }
    // Each block takes 10 ms, but one of them never comes.
    let silent = torrent.block(7, 0);
    let mut asked = Vec::new();
    while let Some(output) = peer.poll_output() {
        match output {
            Output::Send(conn, Message::Request(block)) if block == silent => asked.push(conn),
            Output::Send(conn, Message::Request(block)) => {
                now += Span::from_ms(10);
                let hash = hash_of(&torrent.content(block, 0));
                peer.handle_message(now, conn, Message::Piece(block, hash));
            }
            Output::Send(conn, Message::Cancel(block)) if block == silent => asked.retain(|one| *one != conn),
            _ => {}
        }
    }
    assert_eq!((asked.len(), peer.picker.count()), (2, torrent.piece_count() - 1));
    assert!(peer.late_at() < now + Span::from_secs(1), "{:?}", peer.late_at());
    peer.handle_late(peer.late_at());
    let third = [102, 103, 104].into_iter().find(|conn| !asked.contains(conn)).unwrap();
    assert_eq!(peer.poll_output(), Some(Output::Send(third, Message::Request(silent))));
    assert_eq!((peer.poll_output(), peer.late_at()), (None, Instant::MAX));
}
