//! Keys and values, bounded by bytes or by number: who was not used for longest goes first.

use bytes::Bytes;
use std::collections::HashMap;
use tidewire_units::{Instant, Span};

/// How much is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of keys and values, with [`Store::OVERHEAD`] for each pair.
    pub bytes: u64,
    /// Pairs.
    pub entries: usize,
    /// Whether pairs may be thrown out to make room; else there is an error.
    pub evicts: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: u64::MAX, entries: usize::MAX, evicts: true }
    }
}

/// What has happened so far.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Keys that were asked for and there.
    pub hits: u64,
    /// Keys that were asked for and not there.
    pub misses: u64,
    /// Values written.
    pub sets: u64,
    /// Pairs that had to make room.
    pub evictions: u64,
    /// Pairs whose time was over when somebody looked.
    pub expired: u64,
    /// Commands, of any kind.
    pub commands: u64,
}

#[derive(Debug)]
struct Slot {
    key: Bytes,
    value: Bytes,
    expires: Instant,
    /// The one used next after this one, and the one before it; [`NONE`] at the ends.
    newer: u32,
    older: u32,
}

const NONE: u32 = u32::MAX;

/// The store. The slots make a list from the newest to the oldest.
#[derive(Debug)]
pub struct Store {
    index: HashMap<Bytes, u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    bytes: u64,
    limits: Limits,
    pub(super) counts: Counts,
}

impl Store {
    /// Bytes that a pair takes besides key and value.
    pub const OVERHEAD: u64 = 64;

    /// An empty store.
    pub fn new(limits: Limits) -> Store {
        Store {
            index: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
            bytes: 0,
            limits,
            counts: Counts::default(),
        }
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Pairs that are kept, those whose time is over and that nobody has asked for since included.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Bytes that are taken.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The value of a key, which is then the newest; counts a hit or a miss.
    pub fn get(&mut self, now: Instant, key: &[u8]) -> Option<Bytes> {
        let found = self.find(now, key);
        match found {
            Some(at) => {
                self.counts.hits += 1;
                self.unlink(at);
                self.link_newest(at);
                Some(self.slots[at as usize].value.clone())
            }
            None => {
                self.counts.misses += 1;
                None
            }
        }
    }

    /// The value of a key, without any trace of it.
    pub fn peek(&self, now: Instant, key: &[u8]) -> Option<&Bytes> {
        let slot = &self.slots[*self.index.get(key)? as usize];
        (slot.expires > now).then_some(&slot.value)
    }

    /// Writes a value; false when there is no room.
    pub fn set(&mut self, now: Instant, key: &[u8], value: Bytes, ttl: Option<Span>) -> bool {
        self.remove(key);
        let needed = cost(key, &value);
        if needed > self.limits.bytes || self.limits.entries == 0 {
            return false;
        }
        while self.bytes + needed > self.limits.bytes || self.index.len() >= self.limits.entries {
            if !self.limits.evicts {
                return false;
            }
            let oldest = self.slots[self.oldest as usize].key.clone();
            self.remove(&oldest);
            self.counts.evictions += 1;
        }
        let key = Bytes::copy_from_slice(key);
        let expires = ttl.map_or(Instant::MAX, |ttl| now + ttl);
        let slot = Slot { key: key.clone(), value, expires, newer: NONE, older: NONE };
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        self.index.insert(key, at);
        self.bytes += needed;
        self.link_newest(at);
        self.counts.sets += 1;
        true
    }

    /// Changes when a key's time is over; false when it is not there.
    pub fn expire(&mut self, now: Instant, key: &[u8], expires: Instant) -> bool {
        let Some(at) = self.find(now, key) else { return false };
        self.slots[at as usize].expires = expires;
        true
    }

    /// When a key's time is over, if it is there; [`Instant::MAX`]: never.
    pub fn expires(&self, now: Instant, key: &[u8]) -> Option<Instant> {
        let slot = &self.slots[*self.index.get(key)? as usize];
        (slot.expires > now).then_some(slot.expires)
    }

    /// Takes a key out; whether it was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let Some(at) = self.index.remove(key) else { return false };
        self.unlink(at);
        let slot = &mut self.slots[at as usize];
        self.bytes -= cost(&slot.key, &slot.value);
        (slot.key, slot.value) = (Bytes::new(), Bytes::new());
        self.free.push(at);
        true
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        let counts = self.counts;
        *self = Store::new(self.limits);
        self.counts = counts;
    }

    /// Where a key is, if its time is not over.
    fn find(&mut self, now: Instant, key: &[u8]) -> Option<u32> {
        let at = *self.index.get(key)?;
        if self.slots[at as usize].expires > now {
            return Some(at);
        }
        self.counts.expired += 1;
        self.remove(key);
        None
    }

    fn unlink(&mut self, at: u32) {
        let (newer, older) = (self.slots[at as usize].newer, self.slots[at as usize].older);
        match newer {
            NONE => self.newest = older,
            newer => self.slots[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.slots[older as usize].newer = newer,
        }
    }

    fn link_newest(&mut self, at: u32) {
        let older = self.newest;
        self.slots[at as usize].newer = NONE;
        self.slots[at as usize].older = older;
        match older {
            NONE => self.oldest = at,
            older => self.slots[older as usize].newer = at,
        }
        self.newest = at;
    }
}

fn cost(key: &[u8], value: &[u8]) -> u64 {
    key.len() as u64 + value.len() as u64 + Store::OVERHEAD
}
