//! The packets on a link, in order of arrival: a list through a pool that all links share, at the places of the packets' bodies.
//!
//! Bodies are recycled last in, first out, so their places stay in cache, and a link costs nothing but eight bytes.

use tidewire_units::Instant;
use tidewire_wire::Hot;

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Item {
    hot: Hot,
    next: u32,
}

const VACANT: Item = Item { hot: Hot::NOTHING, next: NONE };

/// The places of all packets under way, by the handle of their body.
#[derive(Default)]
pub struct Places {
    items: Vec<Item>,
}

impl Places {
    #[cold]
    #[inline(never)]
    fn grow(&mut self, body: usize) {
        self.items.resize((body + 1).next_power_of_two(), VACANT);
    }
}

/// One stream of packets.
#[derive(Clone, Copy, Debug)]
pub struct Fifo {
    head: u32,
    tail: u32,
}

impl Fifo {
    /// No packets.
    pub const fn new() -> Fifo {
        Fifo { head: NONE, tail: NONE }
    }

    /// True without packets.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.head == NONE
    }

    /// Adds a packet behind the others.
    #[inline]
    pub fn push(&mut self, places: &mut Places, packet: Hot) {
        let at = packet.body as usize;
        if at >= places.items.len() {
            places.grow(at);
        }
        places.items[at] = Item { hot: packet, next: NONE };
        if self.head == NONE {
            self.head = packet.body;
        } else {
            places.items[self.tail as usize].next = packet.body;
        }
        self.tail = packet.body;
    }

    /// Adds a packet in the order of arrival, behind those that arrive at the same time; says whether it is the first now.
    pub fn insert(&mut self, places: &mut Places, packet: Hot) -> bool {
        let is_last = self.is_empty() || places.items[self.tail as usize].hot.time <= packet.time;
        if is_last {
            let is_first = self.is_empty();
            self.push(places, packet);
            return is_first;
        }
        if packet.body as usize >= places.items.len() {
            places.grow(packet.body as usize);
        }
        let (mut before, mut at) = (NONE, self.head);
        while places.items[at as usize].hot.time <= packet.time {
            (before, at) = (at, places.items[at as usize].next);
        }
        places.items[packet.body as usize] = Item { hot: packet, next: at };
        if before == NONE {
            self.head = packet.body;
        } else {
            places.items[before as usize].next = packet.body;
        }
        before == NONE
    }

    /// Lets every packet be changed, first to last; their order stays.
    pub fn for_each_mut(&mut self, places: &mut Places, mut change: impl FnMut(&mut Hot)) {
        let mut at = self.head;
        while let Some(item) = places.items.get_mut(at as usize) {
            change(&mut item.hot);
            at = item.next;
        }
    }

    /// Takes the first packet, and says when the next one is due; `None` without packets.
    #[inline]
    pub fn pop(&mut self, places: &Places) -> Option<(Hot, Option<Instant>)> {
        let first = places.items.get(self.head as usize)?;
        self.head = first.next;
        let next = places.items.get(first.next as usize);
        Some((first.hot, next.map(|next| next.hot.time)))
    }

    /// As [`Fifo::pop`], if the first packet is due at `time`.
    #[inline]
    pub fn pop_due(&mut self, places: &Places, time: Instant) -> Option<(Hot, Option<Instant>)> {
        let first = places.items.get(self.head as usize)?;
        if first.hot.time == time { self.pop(places) } else { None }
    }

    /// The packets, first to last.
    pub fn iter<'a>(&self, places: &'a Places) -> impl Iterator<Item = &'a Hot> + use<'a> {
        let first = places.items.get(self.head as usize);
        std::iter::successors(first, |item| places.items.get(item.next as usize)).map(|item| &item.hot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tidewire_wire::{ArpOperation, ArpPacket, MacKey, Packets};

    fn packet(packets: &mut Packets, time: u64) -> Hot {
        let ip = Ipv4Addr::UNSPECIFIED;
        let mac = MacKey::ZERO.mac();
        let arp = ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: mac,
            sender_ip: ip,
            target_mac: mac,
            target_ip: ip,
        };
        let mut hot = packets.insert_arp(arp);
        hot.time = Instant::from_ps(time);
        hot
    }

    #[test]
    fn packets_come_out_in_the_order_in_which_they_went_in() {
        let (mut places, mut packets) = (Places::default(), Packets::new());
        let (mut a, mut b) = (Fifo::new(), Fifo::new());
        for round in 0..3u64 {
            for i in 0..20 {
                a.push(&mut places, packet(&mut packets, round * 100 + i));
                b.push(&mut places, packet(&mut packets, 1000 + i));
            }
            let seen: Vec<u64> = a.iter(&places).map(|hot| hot.time.as_ps()).collect();
            assert_eq!(seen, (0..20).map(|i| round * 100 + i).collect::<Vec<_>>());
            for i in 0..20 {
                assert!(a.pop_due(&places, Instant::MAX).is_none());
                let due = Instant::from_ps(round * 100 + i);
                let (hot, next) = a.pop_due(&places, due).unwrap();
                assert_eq!((hot.time, next.is_none()), (due, i == 19));
                packets.release(hot);
                packets.release(b.pop(&places).unwrap().0);
            }
        }
        for (i, time) in [5, 9, 7, 7, 1, 9, 0].into_iter().enumerate() {
            let is_first = a.insert(&mut places, packet(&mut packets, time));
            assert_eq!(is_first, matches!(i, 0 | 4 | 6), "{time}");
        }
        let sorted: Vec<u64> =
            std::iter::from_fn(|| a.pop(&places)).map(|(hot, _)| hot.time.as_ps()).collect();
        assert_eq!(sorted, [0, 1, 5, 7, 7, 9, 9]);
        assert!(a.is_empty() && b.is_empty() && a.pop(&places).is_none());
        assert!(places.items.len() <= 64, "places are reused");
    }
}
