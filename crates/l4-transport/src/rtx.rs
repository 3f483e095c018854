//! The retransmit queue: what was sent and is not yet cumulatively acknowledged.
//!
//! Records are addressed by ordinal, which never changes while a record lives. A second, intrusive list keeps those that are
//! neither SACKed nor waiting for retransmission in the order of their last transmission, which is what RACK walks.

use crate::clock::Us;
use std::collections::VecDeque;
use tidewire_wire::Seq;

/// The ordinal of no record.
pub(crate) const NIL: u32 = u32::MAX;

/// Room for so many records is kept when the queue is empty.
const KEPT: usize = 32;

/// Selectively acknowledged.
pub(crate) const SACKED: u8 = 0x01;
/// Retransmitted, and the retransmission is in flight.
pub(crate) const RETRANS: u8 = 0x02;
/// Thought lost.
pub(crate) const LOST: u8 = 0x04;
/// Carries a SYN.
pub(crate) const SYN: u8 = 0x08;
/// Carries a FIN.
pub(crate) const FIN: u8 = 0x10;
/// Sent while the application was the limit.
pub(crate) const APP_LIMITED: u8 = 0x20;
/// In the list by time.
const LISTED: u8 = 0x40;
/// Retransmitted at some time.
pub(crate) const EVER_RETRANS: u8 = 0x80;

/// One segment in flight.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub seq: Seq,
    /// After the last byte, SYN and FIN counted.
    pub end: Seq,
    pub flags: u8,
    /// The delivery-rate fields below are valid: not yet used by an acknowledgment.
    pub rated: bool,
    /// Sent with PSH.
    pub push: bool,
    prev: u32,
    next: u32,
    /// Ordinal of the last transmission, which orders those of one microsecond.
    pub serial: u32,
    /// Last transmission.
    pub sent_us: Us,
    /// Segments delivered when it was sent.
    pub delivered: u32,
    /// When they were delivered, modulo 2^32 us.
    pub delivered_us: u32,
    /// First transmission of the sampling window that it was sent in, modulo 2^32 us.
    pub first_tx_us: u32,
    /// Segments in flight just after it was sent.
    pub in_flight: u32,
    /// Segments lost when it was sent.
    pub lost: u32,
    /// Segments delivered with a congestion mark when it was sent.
    pub delivered_ce: u32,
}

impl Sent {
    pub fn new(seq: Seq, end: Seq, flags: u8) -> Sent {
        Sent {
            seq,
            end,
            flags,
            rated: false,
            push: false,
            prev: NIL,
            next: NIL,
            serial: 0,
            sent_us: 0,
            delivered: 0,
            delivered_us: 0,
            first_tx_us: 0,
            in_flight: 0,
            lost: 0,
            delivered_ce: 0,
        }
    }

    #[inline]
    pub fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Data bytes.
    #[inline]
    pub fn data_len(&self) -> u32 {
        (self.end - self.seq) - u32::from(self.is(SYN)) - u32::from(self.is(FIN))
    }
}

/// The retransmit queue.
#[derive(Debug)]
pub(crate) struct RtxQueue {
    segs: VecDeque<Sent>,
    /// Ordinal of the first record.
    head: u32,
    /// Both ends of the list by time.
    oldest: u32,
    newest: u32,
}

impl RtxQueue {
    pub const fn new() -> RtxQueue {
        RtxQueue { segs: VecDeque::new(), head: 0, oldest: NIL, newest: NIL }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.segs.is_empty()
    }

    /// The first ordinal; `end()` when empty.
    #[inline]
    pub fn begin(&self) -> u32 {
        self.head
    }

    /// The ordinal after the last record.
    #[inline]
    pub fn end(&self) -> u32 {
        self.head.wrapping_add(self.segs.len() as u32)
    }

    #[inline]
    fn index(&self, ordinal: u32) -> usize {
        ordinal.wrapping_sub(self.head) as usize
    }

    #[inline]
    pub fn get(&self, ordinal: u32) -> &Sent {
        &self.segs[self.index(ordinal)]
    }

    #[inline]
    pub fn get_mut(&mut self, ordinal: u32) -> &mut Sent {
        let index = self.index(ordinal);
        &mut self.segs[index]
    }

    #[inline]
    pub fn front(&self) -> Option<&Sent> {
        self.segs.front()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Sent> {
        self.segs.iter_mut()
    }

    /// Appends a record that was just sent, the newest by time.
    #[inline]
    pub fn push(&mut self, mut sent: Sent) {
        if self.end() == NIL {
            // The reserved value is skipped by starting again; the queue holds far fewer than 2^32 records.
            self.renumber(0);
        }
        let (ordinal, newest) = (self.end(), self.newest);
        sent.flags |= LISTED;
        sent.prev = newest;
        sent.next = NIL;
        if newest == NIL {
            self.oldest = ordinal;
        } else {
            self.get_mut(newest).next = ordinal;
        }
        self.newest = ordinal;
        self.segs.push_back(sent);
    }

    /// Removes the first record.
    #[inline]
    pub fn pop_front(&mut self) -> Option<Sent> {
        let sent = self.segs.pop_front()?;
        let head = self.head;
        self.head = head.wrapping_add(1);
        if sent.is(LISTED) {
            if sent.prev == NIL {
                self.oldest = sent.next;
            } else {
                self.get_mut(sent.prev).next = sent.next;
            }
            if sent.next == NIL {
                self.newest = sent.prev;
            } else {
                self.get_mut(sent.next).prev = sent.prev;
            }
        }
        if self.segs.is_empty() && self.segs.capacity() > KEPT {
            self.segs = VecDeque::new();
        }
        Some(sent)
    }

    /// The first ordinal whose record ends after `seq`.
    pub fn find(&self, seq: Seq) -> u32 {
        let index = self.segs.partition_point(|sent| sent.end.at_or_before(seq));
        self.head.wrapping_add(index as u32)
    }

    /// The record was (re)transmitted: it becomes the newest by time.
    pub fn touch(&mut self, ordinal: u32) {
        if self.get(ordinal).is(LISTED) {
            if self.newest == ordinal {
                return;
            }
            self.unlist(ordinal);
        }
        let newest = self.newest;
        let sent = self.get_mut(ordinal);
        sent.flags |= LISTED;
        sent.prev = newest;
        sent.next = NIL;
        if newest == NIL {
            self.oldest = ordinal;
        } else {
            self.get_mut(newest).next = ordinal;
        }
        self.newest = ordinal;
    }

    /// Takes a record off the list by time.
    pub fn unlist(&mut self, ordinal: u32) {
        let sent = self.get_mut(ordinal);
        if !sent.is(LISTED) {
            return;
        }
        sent.flags &= !LISTED;
        let (prev, next) = (sent.prev, sent.next);
        if prev == NIL {
            self.oldest = next;
        } else {
            self.get_mut(prev).next = next;
        }
        if next == NIL {
            self.newest = prev;
        } else {
            self.get_mut(next).prev = prev;
        }
    }

    /// The record least recently transmitted among those listed; [`NIL`] without any.
    #[inline]
    pub fn oldest(&self) -> u32 {
        self.oldest
    }

    /// The next record by time; [`NIL`] after the newest.
    #[inline]
    pub fn newer(&self, ordinal: u32) -> u32 {
        self.get(ordinal).next
    }

    /// Cuts a record in two at `seq`; both halves keep flags and times. Returns false when `seq` is not strictly inside.
    pub fn split(&mut self, ordinal: u32, seq: Seq) -> bool {
        let index = self.index(ordinal);
        let sent = &mut self.segs[index];
        if !(seq.after(sent.seq) && seq.before(sent.end)) {
            return false;
        }
        let mut tail = sent.clone();
        tail.seq = seq;
        sent.end = seq;
        sent.flags &= !FIN;
        sent.push = false;
        let listed = sent.is(LISTED);
        tail.flags &= !LISTED;
        self.segs.insert(index + 1, tail);
        self.relink_after_insert(ordinal.wrapping_add(1));
        if listed {
            self.list_after(ordinal.wrapping_add(1), ordinal);
        }
        true
    }

    /// Ordinals from `from` on have moved up by one: so must the links that name them.
    fn relink_after_insert(&mut self, from: u32) {
        let head = self.head;
        let moved = |link: u32| {
            let up = link != NIL && link.wrapping_sub(head) >= from.wrapping_sub(head);
            if up { link.wrapping_add(1) } else { link }
        };
        for sent in &mut self.segs {
            (sent.prev, sent.next) = (moved(sent.prev), moved(sent.next));
        }
        (self.oldest, self.newest) = (moved(self.oldest), moved(self.newest));
    }

    fn list_after(&mut self, ordinal: u32, before: u32) {
        let next = self.get(before).next;
        self.get_mut(before).next = ordinal;
        let sent = self.get_mut(ordinal);
        (sent.prev, sent.next) = (before, next);
        sent.flags |= LISTED;
        if next == NIL {
            self.newest = ordinal;
        } else {
            self.get_mut(next).prev = ordinal;
        }
    }

    fn renumber(&mut self, head: u32) {
        let shift = head.wrapping_sub(self.head);
        let moved = |link: u32| if link == NIL { NIL } else { link.wrapping_add(shift) };
        for sent in &mut self.segs {
            (sent.prev, sent.next) = (moved(sent.prev), moved(sent.next));
        }
        (self.oldest, self.newest) = (moved(self.oldest), moved(self.newest));
        self.head = head;
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.segs.capacity() * size_of::<Sent>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(n: u32) -> RtxQueue {
        let mut queue = RtxQueue::new();
        for i in 0..n {
            queue.push(Sent::new(Seq(i * 10), Seq(i * 10 + 10), 0));
        }
        queue
    }

    fn by_time(queue: &RtxQueue) -> Vec<u32> {
        let mut order = Vec::new();
        let mut at = queue.oldest();
        while at != NIL {
            order.push(queue.get(at).seq.0);
            at = queue.newer(at);
        }
        order
    }

    #[test]
    fn a_retransmitted_record_becomes_the_newest() {
        let mut queue = queue(4);
        queue.touch(1);
        queue.unlist(2);
        assert_eq!(by_time(&queue), [0, 30, 10]);
        queue.pop_front();
        assert_eq!(by_time(&queue), [30, 10]);
        assert_eq!(queue.find(Seq(25)), 2);
        assert_eq!(queue.find(Seq(99)), queue.end());
    }

    #[test]
    fn a_split_keeps_both_orders() {
        let mut queue = queue(3);
        queue.touch(0);
        assert!(queue.split(0, Seq(4)) && !queue.split(2, Seq(20)));
        assert_eq!(by_time(&queue), [10, 20, 0, 4]);
        assert_eq!(queue.get(queue.find(Seq(5))).seq, Seq(4));
        assert_eq!(queue.segs.len(), 4);
    }
}
