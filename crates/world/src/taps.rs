//! Packets that the script looks at on links: filters decide on each before it enters, taps only see.
//!
//! Both go through a queue and a callback of the same instant, so that functions of the script run outside the world.

use crate::World;
use crate::devices::FrameTrace;
use crate::dispatch::{NOTES, classify};
use crate::special::FIRST_HELD_BACK;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tidewire_engine::{Class, Key};
use tidewire_l1_physical::PacketClass;
use tidewire_units::{DirId, Span};
use tidewire_wire::{Cause, Hot, Packet};

/// What a tap sees of packets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Sight {
    /// They are offered to the port.
    Offered,
    /// They arrive at the other end.
    Arrived,
    /// They end on the link.
    Dropped,
}

/// A packet that somebody looks at.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Where.
    pub dir: DirId,
    /// What happened to it; `None`: it waits for a filter.
    pub sight: Option<Sight>,
    /// Why it ended.
    pub cause: Option<Cause>,
    /// All its headers.
    pub packet: Packet,
    /// It carries TCP data that was sent before.
    pub is_retransmission: bool,
    /// What its link did to it.
    pub is_damaged: bool,
    /// Its flow, and when its content was first sent.
    pub trace: FrameTrace,
}

/// What a filter says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Verdict {
    /// It goes on; the loss model of chosen packets looks at it, or not.
    Pass {
        /// Whether it does.
        chosen: bool,
    },
    /// It ends.
    Drop,
    /// It goes on after so long.
    After {
        /// How long.
        span: Span,
        /// As above.
        chosen: bool,
    },
}

enum Note {
    Seen(Box<Seen>),
    Held(DirId, Hot),
}

/// Who looks at what, and what waits to be looked at.
#[derive(Default)]
pub(crate) struct Taps {
    wanted: BTreeSet<(DirId, Sight)>,
    notes: VecDeque<Note>,
    /// Packets that a filter holds back, by number.
    held_back: BTreeMap<u64, (DirId, Hot, bool)>,
    numbers: u64,
}

impl Taps {
    pub fn waiting(&self) -> impl Iterator<Item = &Hot> {
        let held = self.notes.iter().filter_map(|note| match note {
            Note::Held(_, hot) => Some(hot),
            Note::Seen(_) => None,
        });
        held.chain(self.held_back.values().map(|(_, hot, _)| hot))
    }
}

impl World {
    /// The token of [`crate::Pause::Control`] that says that packets wait to be looked at.
    pub const NOTE_TOKEN: u64 = u64::MAX - 1;

    /// Lets a filter decide on every packet that is offered to a direction, or no longer.
    pub fn set_filter(&mut self, dir: DirId, filters: bool) {
        let direction = &mut self.directions[dir.index()];
        if filters || direction.special.is_some() {
            direction.special.get_or_insert_default().filters = filters;
        }
    }

    /// Notes what happens to packets of a direction from now on.
    pub fn tap(&mut self, dir: DirId, sight: Sight) {
        self.taps.wanted.insert((dir, sight));
        self.directions[dir.index()].observed = true;
    }

    /// Notes it no longer.
    pub fn untap(&mut self, dir: DirId, sight: Sight) {
        self.taps.wanted.remove(&(dir, sight));
    }

    /// The oldest packet to look at. One that waits for a filter stays until [`World::decide`].
    pub fn next_seen(&mut self) -> Option<Seen> {
        match self.taps.notes.front()? {
            Note::Held(dir, hot) => Some(self.seen(*dir, hot, None, None)),
            Note::Seen(_) => match self.taps.notes.pop_front() {
                Some(Note::Seen(seen)) => Some(*seen),
                _ => unreachable!("it was in front"),
            },
        }
    }

    /// What becomes of the packet that waits for a filter.
    pub fn decide(&mut self, verdict: Verdict) {
        let Some(Note::Held(dir, packet)) = self.taps.notes.pop_front() else {
            panic!("a verdict without a packet");
        };
        match verdict {
            Verdict::Pass { chosen } => self.let_in(dir, packet, chosen),
            Verdict::Drop => {
                self.directions[dir.index()].port.stats_mut().lost += 1;
                self.end_on_link(dir.index(), packet, Cause::Filter);
            }
            Verdict::After { span, chosen } => {
                self.taps.numbers += 1;
                let number = self.taps.numbers;
                self.taps.held_back.insert(number, (dir, packet, chosen));
                self.agenda.push(Key::new(self.now + span, Class::Port, FIRST_HELD_BACK + number));
            }
        }
    }

    /// A packet that was held back goes on.
    pub(crate) fn release_held_back(&mut self, number: u64) {
        let (dir, packet, chosen) =
            self.taps.held_back.remove(&number).expect("one key for each packet held back");
        self.let_in(dir, packet, chosen);
    }

    fn let_in(&mut self, dir: DirId, packet: Hot, chosen: bool) {
        let class = classify(&self.packets, &packet);
        let class = if chosen { class | PacketClass::CHOSEN } else { class };
        if self.is_from_medium(dir.index()) {
            return self.pass_on(dir.index(), packet, class);
        }
        self.transmit_unfiltered(dir.index(), packet, class);
    }

    /// A packet waits for a filter.
    pub(crate) fn hold(&mut self, dir: usize, packet: Hot) {
        self.note(Note::Held(DirId::from_index(dir), packet));
    }

    /// Something has happened to a packet on a direction that is observed.
    #[cold]
    pub(crate) fn tap_saw(&mut self, dir: usize, packet: &Hot, sight: Sight, cause: Option<Cause>) {
        let dir = DirId::from_index(dir);
        if self.taps.wanted.contains(&(dir, sight)) {
            let seen = self.seen(dir, packet, Some(sight), cause);
            self.note(Note::Seen(Box::new(seen)));
        }
    }

    fn note(&mut self, note: Note) {
        if self.taps.notes.is_empty() {
            self.agenda.push(Key::new(self.now, Class::Control, NOTES));
        }
        self.taps.notes.push_back(note);
    }

    fn seen(&self, dir: DirId, hot: &Hot, sight: Option<Sight>, cause: Option<Cause>) -> Seen {
        Seen {
            dir,
            sight,
            cause,
            packet: self.packets.unpack(hot),
            is_retransmission: hot.is_retransmission(),
            is_damaged: hot.is_corrupted(),
            trace: FrameTrace { flow_hash: hot.flow_hash, sent_at: self.packets.sent_at(hot) },
        }
    }
}
