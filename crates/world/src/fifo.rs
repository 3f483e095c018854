//! The packets on a link, in order of arrival, in chunks of eight from a pool that all links share.
//!
//! A ring buffer walks over its whole capacity; chunks recycled last in, first out, stay in cache.

use tidewire_units::Instant;
use tidewire_wire::Hot;

const CHUNK: usize = 8;
const NONE: u32 = u32::MAX;

struct Chunk {
    items: [Hot; CHUNK],
    next: u32,
}

/// The pool.
#[derive(Default)]
pub struct Chunks {
    all: Vec<Chunk>,
    free: Vec<u32>,
}

impl Chunks {
    #[inline]
    fn take(&mut self, first: Hot) -> u32 {
        if let Some(handle) = self.free.pop() {
            let chunk = &mut self.all[handle as usize];
            chunk.items[0] = first;
            chunk.next = NONE;
            return handle;
        }
        self.all.push(Chunk { items: [first; CHUNK], next: NONE });
        (self.all.len() - 1) as u32
    }
}

/// One stream of packets. The first stands apart from the others, so that a link with one packet on it needs no chunk.
#[derive(Clone, Copy, Debug)]
pub struct Fifo {
    first: Hot,
    len: u32,
    /// The chunks of all but the first packet.
    head: u32,
    tail: u32,
    /// Position of the second packet in the first chunk, and behind the last packet in the last chunk.
    start: u8,
    end: u8,
}

impl Fifo {
    /// No packets.
    pub const fn new() -> Fifo {
        Fifo { first: Hot::NOTHING, len: 0, head: NONE, tail: NONE, start: 0, end: CHUNK as u8 }
    }

    /// True without packets.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many packets there are.
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Adds a packet behind the others.
    #[inline]
    pub fn push(&mut self, chunks: &mut Chunks, packet: Hot) {
        self.len += 1;
        if self.len == 1 {
            self.first = packet;
        } else {
            self.push_behind(chunks, packet);
        }
    }

    fn push_behind(&mut self, chunks: &mut Chunks, packet: Hot) {
        if (self.end as usize) < CHUNK {
            chunks.all[self.tail as usize].items[self.end as usize] = packet;
            self.end += 1;
            return;
        }
        let handle = chunks.take(packet);
        if self.head == NONE {
            (self.head, self.start) = (handle, 0);
        } else {
            chunks.all[self.tail as usize].next = handle;
        }
        (self.tail, self.end) = (handle, 1);
    }

    /// When the first packet is due; [`Instant::MAX`] without one.
    #[inline]
    pub const fn due(&self) -> Instant {
        if self.len == 0 { Instant::MAX } else { self.first.time }
    }

    /// Takes the first packet, and says when the next one is due.
    ///
    /// # Panics
    /// When there is none.
    #[inline]
    pub fn pop(&mut self, chunks: &mut Chunks) -> (Hot, Option<Instant>) {
        assert!(self.len > 0, "a link without packets has no arrival");
        let packet = self.first;
        self.len -= 1;
        if self.len == 0 {
            return (packet, None);
        }
        self.move_up(chunks);
        (packet, Some(self.first.time))
    }

    #[inline]
    fn move_up(&mut self, chunks: &mut Chunks) {
        let chunk = &chunks.all[self.head as usize];
        self.first = chunk.items[self.start as usize];
        self.start += 1;
        if self.len == 1 {
            chunks.free.push(self.head);
            (self.head, self.tail, self.start, self.end) = (NONE, NONE, 0, CHUNK as u8);
        } else if self.start as usize == CHUNK {
            let next = chunk.next;
            chunks.free.push(self.head);
            (self.head, self.start) = (next, 0);
        }
    }

    /// The packets, first to last.
    pub fn iter<'a>(&'a self, chunks: &'a Chunks) -> impl Iterator<Item = &'a Hot> + use<'a> {
        let (mut at, mut position, mut left) = (self.head, self.start as usize, self.len.saturating_sub(1));
        let behind = std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            if position == CHUNK {
                (at, position) = (chunks.all[at as usize].next, 0);
            }
            position += 1;
            Some(&chunks.all[at as usize].items[position - 1])
        });
        (self.len > 0).then_some(&self.first).into_iter().chain(behind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tidewire_wire::{ArpOperation, ArpPacket, MacKey, Packets};

    fn packet(time: u64) -> Hot {
        let ip = Ipv4Addr::UNSPECIFIED;
        let mac = MacKey::ZERO.mac();
        let arp = ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: mac,
            sender_ip: ip,
            target_mac: mac,
            target_ip: ip,
        };
        let mut hot = Packets::new().insert_arp(arp);
        hot.time = Instant::from_ps(time);
        hot
    }

    #[test]
    fn packets_come_out_in_the_order_in_which_they_went_in() {
        let (mut chunks, mut a, mut b) = (Chunks::default(), Fifo::new(), Fifo::new());
        for round in 0..3u64 {
            for i in 0..20 {
                a.push(&mut chunks, packet(round * 100 + i));
                b.push(&mut chunks, packet(1000 + i));
            }
            let seen: Vec<u64> = a.iter(&chunks).map(|hot| hot.time.as_ps()).collect();
            assert_eq!(seen, (0..20).map(|i| round * 100 + i).collect::<Vec<_>>());
            for i in 0..20 {
                let (hot, next) = a.pop(&mut chunks);
                assert_eq!(hot.time.as_ps(), round * 100 + i);
                assert_eq!(next.is_none(), i == 19);
                b.pop(&mut chunks);
            }
        }
        assert!(a.is_empty() && b.is_empty());
        assert!(chunks.all.len() <= 7, "chunks are reused");
    }
}
