//! What announcements say, kept once for all routers of a network.

use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use tidewire_wire::{Lsa, LsaBody, LsaKey};

/// The latest edition of each announcement that any router knows. Routers of one network are given the same.
///
/// In a real network every router has a database of its own; here equal parts of them are one. Ages differ and are not shared.
#[derive(Clone, Debug, Default)]
pub struct Announcements(Rc<RefCell<FxHashMap<LsaKey, Weak<LsaBody>>>>);

impl Announcements {
    /// The same announcement, in memory that others use already if they know the same.
    pub(super) fn share(&self, mut lsa: Lsa) -> Lsa {
        let mut all = self.0.borrow_mut();
        let known = all.entry(lsa.header.key).or_default();
        match known.upgrade() {
            Some(body) if body == lsa.body => lsa.body = body,
            _ => *known = Arc::downgrade(&lsa.body),
        }
        lsa
    }
}
