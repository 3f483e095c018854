//! Sets of numbers as ranges: packets that were received, bytes that were acknowledged.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of numbers, kept as ranges that neither overlap nor touch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct RangeSet(BTreeMap<u64, u64>);

impl RangeSet {
    /// Adds a range; says whether anything in it is new.
    pub fn insert(&mut self, range: Range<u64>) -> bool {
        let (mut start, mut end) = (range.start, range.end);
        if start >= end {
            return false;
        }
        if let Some((_, upto)) = self.0.range(..=start).next_back()
            && *upto >= end
        {
            return false;
        }
        if let Some((from, upto)) = self.0.range(..start).next_back().map(|(a, b)| (*a, *b))
            && upto >= start
        {
            (start, end) = (from, end.max(upto));
        }
        while let Some((from, upto)) = self.0.range(start..=end).next().map(|(a, b)| (*a, *b)) {
            self.0.remove(&from);
            end = end.max(upto);
        }
        self.0.insert(start, end);
        true
    }

    /// Takes a range out.
    pub fn remove(&mut self, range: Range<u64>) {
        let touched: Vec<(u64, u64)> = self
            .0
            .range(..range.end)
            .rev()
            .take_while(|(_, end)| **end > range.start)
            .map(|(start, end)| (*start, *end))
            .collect();
        for (start, end) in touched {
            self.0.remove(&start);
            if start < range.start {
                self.0.insert(start, range.start);
            }
            if end > range.end {
                self.0.insert(range.end, end);
            }
        }
    }

    /// Something of a range is in it.
    pub fn meets(&self, range: Range<u64>) -> bool {
        range.start < range.end
            && self.0.range(..range.end).next_back().is_some_and(|(_, end)| *end > range.start)
    }

    pub fn contains(&self, n: u64) -> bool {
        self.0.range(..=n).next_back().is_some_and(|(_, end)| *end > n)
    }

    pub fn first(&self) -> Option<Range<u64>> {
        self.0.iter().next().map(|(start, end)| *start..*end)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ranges from the highest to the lowest.
    pub fn descending(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.0.iter().rev().map(|(start, end)| *start..*end)
    }

    /// Keeps only so many of the highest ranges.
    pub fn keep(&mut self, most: usize) {
        while self.0.len() > most {
            self.0.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ranges: &[Range<u64>]) -> RangeSet {
        let mut set = RangeSet::default();
        for range in ranges {
            set.insert(range.clone());
        }
        set
    }

    #[test]
    fn ranges_that_touch_become_one() {
        let mut all = set(&[0..3, 5..6]);
        assert!(all.insert(3..5));
        assert_eq!(all.first(), Some(0..6));
        assert!(!all.insert(1..6));
        assert!(all.insert(8..9) && all.insert(4..12));
        assert_eq!((all.first(), all.descending().count()), (Some(0..12), 1));
    }

    #[test]
    fn what_is_removed_leaves_its_neighbours() {
        let mut all = set(&[0..10, 20..30]);
        all.remove(5..25);
        assert_eq!(all, set(&[0..5, 25..30]));
        assert!(all.contains(4) && !all.contains(5) && !all.contains(24) && all.contains(25));
        assert_eq!(all.first(), Some(0..5));
        assert!(all.meets(4..9) && all.meets(9..26) && !all.meets(5..25) && !all.meets(30..40));
    }
}
