//! Smaller tables that forward the same.

use super::{Entry, HopSet};
use crate::Prefix;

/// Merges the two halves of a network into the whole where both have the same next hops, again and again. `table` is sorted by
/// prefix. The result covers exactly the same addresses.
pub(super) fn merge(table: &mut Vec<Entry>) {
    let mut kept = 0;
    for at in 0..table.len() {
        table[kept] = table[at];
        kept += 1;
        while let Some(whole) = kept.checked_sub(2).and_then(|low| joined(table[low], table[low + 1])) {
            // The user gave the whole as a network of its own; its halves hide it, so both stay.
            if kept >= 3 && table[kept - 3].prefix == whole.prefix {
                break;
            }
            kept -= 1;
            table[kept - 1] = whole;
        }
    }
    table.truncate(kept);
}

fn joined(low: Entry, high: Entry) -> Option<Entry> {
    let (a, b) = (low.prefix, high.prefix);
    let siblings = a.length() == b.length() && a.is_lower_half() && a.parent() == b.parent() && a != b;
    (siblings && low.hops == high.hops).then(|| Entry { prefix: a.parent().expect("not /0"), hops: low.hops })
}

/// Replaces all entries with these next hops by a default route, except inside a network that another entry covers. `table` is
/// sorted by prefix and stays so.
pub(super) fn use_default(table: &mut Vec<Entry>, hops: HopSet) {
    let mut covered_to: Option<u32> = None;
    table.retain(|entry| {
        let (first, last) = entry.prefix.range();
        let nested = covered_to.is_some_and(|end| first <= end);
        let keep = nested || entry.hops != hops;
        if keep {
            covered_to = covered_to.max(Some(last));
        }
        keep
    });
    if table.first().is_none_or(|entry| entry.prefix != Prefix::DEFAULT) {
        table.insert(0, Entry { prefix: Prefix::DEFAULT, hops });
    }
    merge(table);
}
