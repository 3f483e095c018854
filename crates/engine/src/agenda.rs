//! The reference agenda: obviously right, strictly in time order.

use crate::{Class, Key, SOURCE_MASK};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The keys of everything that is going to happen.
#[derive(Default)]
pub struct Agenda {
    heap: BinaryHeap<Reverse<Key>>,
    foreground: usize,
    /// The top of the heap has been taken: the next push takes its place, which costs half of a removal and an insertion.
    vacant: bool,
    /// Exclusive-or'ed into the source, so that ties fall differently: a detector of hidden order dependence.
    tie_mask: u64,
}

impl Agenda {
    /// An empty agenda.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty agenda in which ties within a class fall in another, equally legal order.
    pub fn with_ties(seed: u64) -> Self {
        Agenda { tie_mask: seed & SOURCE_MASK, ..Self::default() }
    }

    /// Adds a key.
    #[inline]
    pub fn push(&mut self, key: Key) {
        self.foreground += usize::from(!key.is_background());
        let entry = Reverse(self.masked(key));
        if self.vacant {
            self.vacant = false;
            if let Some(mut top) = self.heap.peek_mut() {
                *top = entry;
            }
        } else {
            self.heap.push(entry);
        }
    }

    /// The earliest key.
    #[inline]
    pub fn peek(&mut self) -> Option<Key> {
        self.fill();
        self.heap.peek().map(|key| self.masked(key.0))
    }

    /// Removes the earliest key.
    #[inline]
    pub fn pop(&mut self) -> Option<Key> {
        self.fill();
        let key = self.heap.peek()?.0;
        self.vacant = true;
        self.foreground -= usize::from(!key.is_background());
        Some(self.masked(key))
    }

    /// Takes back the last [`Agenda::pop`], after which nothing was pushed.
    pub fn put_back(&mut self, key: Key) {
        debug_assert!(self.vacant, "only the key just popped can be put back");
        self.vacant = false;
        self.foreground += usize::from(!key.is_background());
    }

    /// How many keys keep the run alive.
    pub fn foreground(&self) -> usize {
        self.foreground
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.heap.len() - usize::from(self.vacant)
    }

    /// True when nothing is going to happen.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn fill(&mut self) {
        if self.vacant {
            self.vacant = false;
            self.heap.pop();
        }
    }

    #[inline]
    fn masked(&self, key: Key) -> Key {
        // Processes keep the order in which they were spawned: that order is a promise, not a tie.
        if self.tie_mask == 0 || matches!(key.class(), Class::Process | Class::Control) {
            return key;
        }
        key.with_source(key.source() ^ self.tie_mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire_units::Instant;

    fn at(ps: u64, class: Class, source: u64) -> Key {
        Key::new(Instant::from_ps(ps), class, source)
    }

    #[test]
    fn keys_come_out_by_time_then_class_then_source() {
        let mut agenda = Agenda::new();
        let sorted = [
            at(1, Class::Sampler, 0),
            at(2, Class::Control, 9),
            at(2, Class::Arrival, 1),
            at(2, Class::Arrival, 2),
            at(2, Class::Timer, 0),
            at(3, Class::Control, 0),
        ];
        for i in [3, 0, 5, 2, 4, 1] {
            agenda.push(sorted[i]);
        }
        for key in sorted {
            assert_eq!(agenda.pop(), Some(key));
        }
        assert!(agenda.is_empty());
    }

    #[test]
    fn a_key_keeps_its_parts() {
        let key = at(u64::MAX, Class::Sampler, SOURCE_MASK).background();
        assert_eq!((key.time(), key.class(), key.source()), (Instant::MAX, Class::Sampler, SOURCE_MASK));
        assert!(key.is_background());
    }

    #[test]
    fn only_foreground_keys_are_counted_as_keeping_the_run_alive() {
        let mut agenda = Agenda::new();
        agenda.push(at(1, Class::Timer, 0).background());
        agenda.push(at(2, Class::Timer, 0));
        assert_eq!(agenda.foreground(), 1);
        agenda.pop();
        assert_eq!(agenda.foreground(), 1);
        agenda.pop();
        assert_eq!(agenda.foreground(), 0);
    }

    #[test]
    fn another_tie_seed_reverses_sources_but_not_classes_or_processes() {
        let mut agenda = Agenda::with_ties(1);
        for source in [0, 1] {
            agenda.push(at(5, Class::Arrival, source));
            agenda.push(at(5, Class::Process, source));
        }
        let order: Vec<_> =
            std::iter::from_fn(|| agenda.pop()).map(|key| (key.class(), key.source())).collect();
        assert_eq!(
            order,
            [(Class::Arrival, 1), (Class::Arrival, 0), (Class::Process, 0), (Class::Process, 1)]
        );
    }

    #[test]
    fn a_key_that_is_put_back_is_as_if_it_had_never_been_taken() {
        let mut agenda = Agenda::new();
        for ps in [3, 1, 2] {
            agenda.push(at(ps, Class::Arrival, 0));
        }
        let key = agenda.pop().unwrap();
        agenda.put_back(key);
        assert_eq!((agenda.len(), agenda.foreground()), (3, 3));
        let times: Vec<u64> = std::iter::from_fn(|| agenda.pop()).map(|key| key.time().as_ps()).collect();
        assert_eq!(times, [1, 2, 3]);
    }

    #[test]
    fn a_key_pushed_into_the_place_of_a_popped_one_finds_its_order() {
        let mut agenda = Agenda::new();
        for ps in [1, 5, 7] {
            agenda.push(at(ps, Class::Arrival, 0));
        }
        assert_eq!(agenda.pop(), Some(at(1, Class::Arrival, 0)));
        assert_eq!(agenda.len(), 2);
        agenda.push(at(6, Class::Arrival, 0));
        agenda.push(at(2, Class::Arrival, 0));
        let times: Vec<u64> = std::iter::from_fn(|| agenda.pop()).map(|key| key.time().as_ps()).collect();
        assert_eq!(times, [2, 5, 6, 7]);
        assert_eq!((agenda.len(), agenda.foreground(), agenda.peek()), (0, 0, None));
    }
}
