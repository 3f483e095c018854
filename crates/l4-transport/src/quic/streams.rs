//! The streams of a connection, and whose turn it is.

use super::ranges::RangeSet;
use super::stream::{ReceiveHalf, SendHalf};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Stream {
    pub out: SendHalf,
    pub input: ReceiveHalf,
}

/// In which order streams send (RFC 9000 section 2.3 leaves that open).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Schedule {
    /// They take turns, a packet each.
    #[default]
    Turns,
    /// The one that was opened first sends all that it has, then the next (RFC 9218 without `incremental`).
    InOrder,
}

/// Whose stream it is: the client's, or the server's (RFC 9000 section 2.1).
pub(super) fn half_of(id: u64) -> usize {
    (id & 1) as usize
}

/// Which of these it is.
pub(super) fn number_of(id: u64) -> u64 {
    id >> 2
}

/// All streams; those that want to send are known apart, so that nobody has to look for them.
pub(super) struct Streams {
    all: BTreeMap<u64, Stream>,
    /// By place in line, those that have only their end to send, and those that need credit of the connection too; who lacks credit of
    /// its own is in neither. Who has had a turn, and who begins to want, goes to the end: else a stream with little left would wait for
    /// ever while new ones come.
    lines: [BTreeMap<u64, u64>; 2],
    /// In which line a stream is, and where.
    place: BTreeMap<u64, (usize, u64)>,
    /// Those with something to be sent again.
    repairing: BTreeSet<u64>,
    announcing: BTreeSet<u64>,
    /// Numbers of streams that were sent, acknowledged and read to their ends, of the client's and of the server's: nothing else is kept.
    over: [RangeSet; 2],
    /// Those of which more may be read than before, or less is to be acknowledged.
    stirred: BTreeSet<u64>,
    places: u64,
    schedule: Schedule,
    window: u64,
    /// What the peer takes of a new stream; until it has said so, as much as this end does.
    peer_window: u64,
}

impl Streams {
    pub fn new(schedule: Schedule, window: u64) -> Streams {
        Streams {
            all: BTreeMap::new(),
            lines: Default::default(),
            place: BTreeMap::new(),
            repairing: BTreeSet::new(),
            announcing: BTreeSet::new(),
            over: Default::default(),
            stirred: BTreeSet::new(),
            places: 0,
            schedule,
            window,
            peer_window: window,
        }
    }

    /// The peer has said what it takes of a stream before it is read (RFC 9000 section 7.4).
    pub fn set_peer_window(&mut self, window: u64) {
        self.peer_window = window;
        for id in self.all.keys().copied().collect::<Vec<_>>() {
            self.change(id, |stream| stream.out.set_limit(window));
        }
    }

    /// Nothing of what was sent so far has arrived, and the peer takes so much of each.
    pub fn restart(&mut self, window: u64) {
        for id in self.all.keys().copied().collect::<Vec<_>>() {
            self.change(id, |stream| stream.out.restart(window));
        }
    }

    pub fn contains(&self, id: u64) -> bool {
        self.all.contains_key(&id)
    }

    pub fn get(&self, id: u64) -> Option<&Stream> {
        self.all.get(&id)
    }

    pub fn get_mut(&mut self, id: u64) -> Option<&mut Stream> {
        self.all.get_mut(&id)
    }

    /// The stream of this number, which begins now if it is new.
    pub fn open(&mut self, id: u64) -> &mut Stream {
        let (out, input) = (self.peer_window, self.window);
        self.all
            .entry(id)
            .or_insert_with(|| Stream { out: SendHalf::new(out), input: ReceiveHalf::new(input) })
    }

    /// Both halves have ended and it is forgotten.
    pub fn is_over(&self, id: u64) -> bool {
        id & 2 == 0 && self.over[half_of(id)].contains(number_of(id))
    }

    /// Numbers of those that are over.
    pub fn over(&self) -> &[RangeSet; 2] {
        &self.over
    }

    /// Those that are not over.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Stream)> {
        self.all.iter().map(|(id, stream)| (*id, stream))
    }

    /// Something has happened to a stream that its readers and writers may wait for.
    pub fn stir(&mut self, id: u64) {
        self.stirred.insert(id);
    }

    /// Streams to which something has happened since this was last asked.
    pub fn take_stirred(&mut self) -> BTreeSet<u64> {
        std::mem::take(&mut self.stirred)
    }

    /// Credit of some stream is to be announced.
    pub fn announces(&self) -> bool {
        !self.announcing.is_empty()
    }

    /// Forgets a stream of which nothing more is to come and nothing more to go.
    pub fn settle(&mut self, id: u64) {
        if self.all.get(&id).is_some_and(|stream| stream.out.is_done() && stream.input.is_finished()) {
            self.leave(id);
            self.all.remove(&id);
            self.repairing.remove(&id);
            self.announcing.remove(&id);
            self.over[half_of(id)].insert(number_of(id)..number_of(id) + 1);
        }
    }

    /// How many streams and ranges of numbers are kept.
    #[cfg(test)]
    pub fn kept(&self) -> [usize; 5] {
        let over = self.over.iter().map(|numbers| numbers.descending().count()).sum();
        let line = self.lines[0].len() + self.lines[1].len() + self.place.len();
        [self.all.len(), line, self.repairing.len(), self.announcing.len(), over]
    }

    /// Does something to a stream that may change what it wants to send; nothing to one that is over.
    pub fn change<T: Default>(&mut self, id: u64, f: impl FnOnce(&mut Stream) -> T) -> T {
        if self.is_over(id) {
            return T::default();
        }
        let stream = self.open(id);
        let result = f(stream);
        let (wants, repairs) = (stream.out.wants(), stream.out.has_lost());
        match (wants.map(usize::from), self.place.get(&id).copied()) {
            (None, _) => self.leave(id),
            (Some(line), None) => self.queue(id, line),
            (Some(line), Some((before, place))) if line != before => {
                self.lines[before].remove(&place);
                self.lines[line].insert(place, id);
                self.place.insert(id, (line, place));
            }
            _ => {}
        }
        if repairs {
            self.repairing.insert(id);
        } else {
            self.repairing.remove(&id);
        }
        self.settle(id);
        result
    }

    fn leave(&mut self, id: u64) {
        if let Some((line, place)) = self.place.remove(&id) {
            self.lines[line].remove(&place);
        }
    }

    fn queue(&mut self, id: u64, line: usize) {
        // In order, the number of a stream is its place.
        let place = if self.schedule == Schedule::InOrder { id } else { self.places };
        self.places += 1;
        self.lines[line].insert(place, id);
        self.place.insert(id, (line, place));
    }

    /// A stream's credit is to be announced.
    pub fn announce(&mut self, id: u64) {
        if self.contains(id) {
            self.announcing.insert(id);
        }
    }

    /// The next stream whose credit is to be announced, and the credit.
    pub fn next_announced(&mut self) -> Option<(u64, u64)> {
        let id = self.announcing.pop_first()?;
        Some((id, self.get(id)?.input.limit))
    }

    /// Whose turn it is among those that may send, with so much credit for what is new. What was lost comes before everything that is new
    /// (RFC 9000 section 13.3).
    pub fn next(&self, credit: u64) -> Option<u64> {
        if let Some(id) = self.repairing.first() {
            return Some(*id);
        }
        let [ends, others] = &self.lines;
        let others = others.first_key_value().filter(|_| credit > 0);
        ends.first_key_value().into_iter().chain(others).min().map(|(_, id)| *id)
    }

    /// A stream has had its turn.
    pub fn took_turn(&mut self, id: u64) {
        if let Some((line, _)) = self.place.get(&id).copied() {
            self.leave(id);
            self.queue(id, line);
        }
    }

    /// Bytes that wait, not for credit of their stream, up to about `enough`.
    pub fn backlog(&self, enough: u64) -> u64 {
        let mut sum = 0;
        for stream in self.lines[1].values().filter_map(|id| self.all.get(id)) {
            sum += stream.out.unsent();
            if sum >= enough {
                break;
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire_wire::Payload;

    #[test]
    fn a_stream_with_little_left_does_not_wait_for_those_that_begin_later() {
        let mut streams = Streams::new(Schedule::Turns, 1 << 20);
        let mut order = Vec::new();
        for n in 0..6 {
            // Messages of 1000 bytes, a new one for each packet of 600.
            streams.change(4 * n, |stream| stream.out.write(Payload::Zeros(1000)));
            streams.change(4 * (n + 100), |stream| stream.out.write(Payload::Zeros(1000)));
            let id = streams.next(1 << 20).unwrap();
            streams.change(id, |stream| stream.out.next(600, 1 << 20));
            streams.took_turn(id);
            order.push(id);
        }
        assert_eq!(order, [0, 400, 0, 4, 404, 400]);
    }

    #[test]
    fn an_end_needs_no_credit_and_who_lacks_its_own_is_not_in_line() {
        let mut streams = Streams::new(Schedule::Turns, 1000);
        for (id, bytes) in [(0, 3000), (4, 10), (8, 0)] {
            streams.change(id, |stream| {
                stream.out.write(Payload::Zeros(bytes));
                stream.out.finish();
            });
        }
        assert_eq!((streams.next(0), streams.next(1)), (Some(8), Some(0)));
        streams.change(0, |stream| stream.out.next(2000, 2000));
        assert_eq!((streams.next(1), streams.backlog(5000)), (Some(4), 10));
        streams.change(4, |stream| stream.out.next(2000, 2000));
        streams.change(8, |stream| stream.out.next(2000, 0));
        assert_eq!(streams.next(5000), None);
        streams.change(0, |stream| stream.out.limit = 3000);
        assert_eq!((streams.next(0), streams.next(1)), (None, Some(0)));
        // What was lost needs none.
        streams.change(4, |stream| stream.out.on_lost(0, 10, true));
        assert_eq!(streams.next(0), Some(4));
    }
}
