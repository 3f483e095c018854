//! The link state database: announcements and their ages (RFC 2328 sections 13.1, 13.2 and 14).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use tidewire_units::{Instant, Span};
use tidewire_wire::{Lsa, LsaHeader, LsaKey};

#[derive(Debug)]
pub(super) struct Database {
    entries: BTreeMap<LsaKey, Entry>,
    /// No announcement reaches its greatest age before this.
    pub next_expiry: Instant,
}

#[derive(Debug)]
struct Entry {
    lsa: Lsa,
    /// When it was as old as it says.
    at: Instant,
    /// It came by itself.
    flooded: bool,
}

/// Ages that differ by less are the same (appendix B, MaxAgeDiff).
const MAX_AGE_DIFF: u16 = 900;

impl Default for Database {
    fn default() -> Self {
        Database { entries: BTreeMap::new(), next_expiry: Instant::MAX }
    }
}

impl Database {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn get(&self, key: &LsaKey) -> Option<Lsa> {
        self.entries.get(key).map(|entry| entry.lsa.clone())
    }

    /// Every announcement that counts, by key.
    pub fn alive(&self) -> impl Iterator<Item = &Lsa> {
        self.entries.values().map(|entry| &entry.lsa).filter(|lsa| lsa.header.age < Lsa::MAX_AGE)
    }

    /// The header of an announcement as old as it is now.
    pub fn header(&self, key: &LsaKey, now: Instant) -> Option<LsaHeader> {
        self.entries.get(key).map(|entry| entry.header(now))
    }

    /// When an announcement came without having been asked for.
    pub fn flooded_at(&self, key: &LsaKey) -> Option<Instant> {
        self.entries.get(key).filter(|entry| entry.flooded).map(|entry| entry.at)
    }

    /// Notes that an announcement was asked for.
    pub fn note_asked(&mut self, key: &LsaKey) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.flooded = false;
        }
    }

    /// The headers of all that are not at their greatest age.
    pub fn headers(&self, now: Instant) -> Vec<LsaHeader> {
        let all = self.entries.values().map(|entry| entry.header(now));
        all.filter(|header| header.age < Lsa::MAX_AGE).collect()
    }

    /// Whether an announcement is newer than what is known.
    pub fn is_news(&self, header: &LsaHeader, now: Instant) -> bool {
        self.header(&header.key, now).is_none_or(|known| newer(header, &known) == Ordering::Greater)
    }

    /// Takes an announcement in. Whether it says something else than the one before.
    pub fn install(&mut self, lsa: Lsa, now: Instant) -> bool {
        let left = Span::from_secs(u64::from(Lsa::MAX_AGE.saturating_sub(lsa.header.age)));
        self.next_expiry = self.next_expiry.min(now + left);
        let is_dead = |lsa: &Lsa| lsa.header.age >= Lsa::MAX_AGE;
        let before = self.entries.insert(lsa.header.key, Entry { lsa: lsa.clone(), at: now, flooded: true });
        before.is_none_or(|old| old.lsa.body != lsa.body || is_dead(&old.lsa) != is_dead(&lsa))
    }

    /// Those that have just reached their greatest age.
    pub fn expired(&mut self, now: Instant) -> Vec<Lsa> {
        let due = self
            .entries
            .values()
            .filter(|entry| entry.lsa.header.age < Lsa::MAX_AGE && entry.header(now).age >= Lsa::MAX_AGE);
        let old = |entry: &Entry| {
            let mut lsa = entry.lsa.clone();
            lsa.header.age = Lsa::MAX_AGE;
            lsa
        };
        due.map(old).collect()
    }

    /// Forgets announcements of the greatest age that `is_needed` says nothing for, and works out when to look again: after
    /// `patience` if some are left.
    pub fn sweep(&mut self, is_needed: impl Fn(&LsaKey) -> bool, now: Instant, patience: Span) {
        let is_dead = |entry: &Entry| entry.lsa.header.age >= Lsa::MAX_AGE;
        self.entries.retain(|key, entry| !is_dead(entry) || is_needed(key));
        let next = self.entries.values().map(|entry| match is_dead(entry) {
            true => now + patience,
            false => entry.at + Span::from_secs(u64::from(Lsa::MAX_AGE - entry.lsa.header.age)),
        });
        self.next_expiry = next.min().unwrap_or(Instant::MAX);
    }
}

impl Entry {
    fn header(&self, now: Instant) -> LsaHeader {
        let passed = (now - self.at).as_ms() / 1000;
        let age = u64::from(self.lsa.header.age) + passed;
        LsaHeader { age: age.min(u64::from(Lsa::MAX_AGE)) as u16, ..self.lsa.header }
    }
}

/// Which of two editions of an announcement is newer (section 13.1).
pub(super) fn newer(a: &LsaHeader, b: &LsaHeader) -> Ordering {
    let is_dead = |header: &LsaHeader| header.age >= Lsa::MAX_AGE;
    let by_age = match (is_dead(a), is_dead(b)) {
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        _ if a.age.abs_diff(b.age) > MAX_AGE_DIFF => b.age.cmp(&a.age),
        _ => Ordering::Equal,
    };
    a.seq.cmp(&b.seq).then(a.checksum.cmp(&b.checksum)).then(by_age)
}
