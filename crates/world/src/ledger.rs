//! The packet ledger: every packet is born by one cause and ends by one, and the books balance.

use tidewire_units::{DirId, NodeId};
use tidewire_wire::{Birth, Cause};

/// Where a packet ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// On a direction of a link, or in its queue.
    Link(DirId),
    /// At a node.
    Node(NodeId),
}

/// How many packets ended somewhere, by how they were born and how they ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// How they were born.
    pub birth: Birth,
    /// How they ended.
    pub cause: Cause,
    /// How many.
    pub packets: u64,
    /// Bytes of their network-layer packets.
    pub bytes: u64,
}

/// The books of one run.
#[derive(Debug, Default)]
pub struct Ledger {
    links: Vec<Vec<Entry>>,
    nodes: Vec<Vec<Entry>>,
}

impl Ledger {
    pub(crate) fn resize(&mut self, directions: usize, nodes: usize) {
        self.links.resize(directions, Vec::new());
        self.nodes.resize(nodes, Vec::new());
    }

    #[inline]
    pub(crate) fn end(&mut self, place: Place, birth: Birth, cause: Cause, bytes: u16) {
        let entries = match place {
            Place::Link(dir) => &mut self.links[dir.index()],
            Place::Node(node) => &mut self.nodes[node.index()],
        };
        // A place sees a handful of combinations, the first far more often than the others.
        match entries.iter_mut().find(|entry| entry.cause == cause && entry.birth == birth) {
            Some(entry) => {
                entry.packets += 1;
                entry.bytes += u64::from(bytes);
            }
            None => entries.push(Entry { birth, cause, packets: 1, bytes: u64::from(bytes) }),
        }
    }

    /// Every entry, links first, in declaration order, then by birth and cause.
    pub fn entries(&self) -> Vec<(Place, Entry)> {
        let links =
            self.links.iter().enumerate().map(|(i, entries)| (Place::Link(DirId::from_index(i)), entries));
        let nodes =
            self.nodes.iter().enumerate().map(|(i, entries)| (Place::Node(NodeId::from_index(i)), entries));
        let mut rows: Vec<_> =
            links.chain(nodes).flat_map(|(place, all)| all.iter().map(move |e| (place, *e))).collect();
        rows.sort_by_key(|(place, entry)| (*place, entry.birth, entry.cause));
        rows
    }

    /// How many packets have ended that were born so.
    pub fn ended(&self, birth: Birth) -> u64 {
        let all = self.links.iter().chain(&self.nodes).flatten();
        all.filter(|entry| entry.birth == birth).map(|entry| entry.packets).sum()
    }
}
