//! The transmitter at one end of a link, as a virtual clock: a packet's whole future is decided when it is offered.
//!
//! With a drop-tail queue and a constant rate, `start = max(busy, now)`, `busy = start + tx`, `arrival = busy + delay`: one event
//! per packet, on arrival, and none for the end of its transmission.

use crate::{Framing, Loss, Occupancy, PacketClass};
use std::collections::VecDeque;
use tidewire_units::{Instant, Rate, Span};

/// How much may wait. The packet being transmitted is not counted, as in Linux and ns-3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QueueLimit {
    /// So many packets.
    Packets(u32),
    /// So many bytes of network-layer packets.
    Bytes(u64),
}

/// What became of a packet offered to a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offer {
    /// It arrives at the other end at this time.
    Arrives(Instant),
    /// It will be sent, and lost on the way.
    Lost,
    /// The queue was full.
    QueueFull,
    /// The link is down.
    LinkDown,
}

/// Counters of a port since the last [`Port::restart_stats`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PortStats {
    /// Packets sent, lost ones included.
    pub tx_packets: u64,
    /// Bytes of network-layer packets sent.
    pub tx_bytes: u64,
    /// Packets lost on the link.
    pub lost: u64,
    /// Packets that found the queue full.
    pub queue_full: u64,
    /// Packets dropped by active queue management.
    pub aqm: u64,
    /// Packets marked as having met congestion instead of being dropped.
    pub marked: u64,
    /// Packets that noise damaged.
    pub damaged: u64,
    /// Packets offered while the link was down, or on it when it went down.
    pub link_down: u64,
    /// Time spent transmitting, framing included.
    pub busy: Span,
}

impl PortStats {
    /// Packets that did not arrive, for whatever cause.
    pub fn dropped(&self) -> u64 {
        self.queue_full + self.aqm + self.lost + self.damaged + self.link_down
    }
}

/// A packet that had not begun to be sent when its port changed: when it would have arrived, and when it arrives now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moved {
    /// Before.
    pub from: Instant,
    /// Now.
    pub to: Instant,
}

/// A packet that may still be waiting.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// When its transmission begins.
    start: Instant,
    len: u16,
    /// Bytes that its frame is longer than others.
    more: u16,
}

/// One direction of a link.
#[derive(Clone, Debug)]
pub struct Port {
    rate: Rate,
    delay: Span,
    framing: Framing,
    limit: QueueLimit,
    /// Which packets are lost.
    pub loss: Loss,
    up: bool,
    busy_until: Instant,
    /// Every packet that may still be waiting.
    waiting: VecDeque<Waiting>,
    /// Packets in a queue in front of the port, as it was told last.
    queued: u32,
    occupancy: Occupancy,
    stats: PortStats,
}

impl Port {
    /// An idle port.
    pub fn new(rate: Rate, delay: Span, framing: Framing, limit: QueueLimit, loss: Loss) -> Port {
        Port {
            rate,
            delay,
            framing,
            limit,
            loss,
            up: true,
            busy_until: Instant::ZERO,
            waiting: VecDeque::new(),
            queued: 0,
            occupancy: Occupancy::default(),
            stats: PortStats::default(),
        }
    }

    /// Takes a network-layer packet of `len` bytes at `now` and says what becomes of it.
    #[inline(always)]
    pub fn offer(&mut self, now: Instant, len: u16, class: PacketClass) -> Offer {
        self.offer_long(now, len, 0, class)
    }

    /// As [`Port::offer`], with a frame that is so many bytes longer than others: it carries a tag.
    #[inline(always)]
    pub fn offer_long(&mut self, now: Instant, len: u16, more: u16, class: PacketClass) -> Offer {
        // The loss is drawn first, so that its ordinal counts arrivals at the port, whatever the queue does.
        let lost = !self.loss.is_never() && self.loss.draw(class);
        if !self.up {
            self.stats.link_down += 1;
            return Offer::LinkDown;
        }
        let waits = self.busy_until > now;
        if waits {
            self.drain(now);
            if self.is_full(len) {
                self.stats.queue_full += 1;
                return Offer::QueueFull;
            }
        } else if !self.waiting.is_empty() {
            self.drain(now);
        }
        let start = if waits { self.busy_until } else { now };
        let tx = self.rate.time_for(self.framing.wire_bytes(len) + u64::from(more));
        self.busy_until = start + tx;
        if waits {
            self.waiting.push_back(Waiting { start, len, more });
            self.occupancy.enter(now, u64::from(len));
        }
        self.stats.tx_packets += 1;
        self.stats.tx_bytes += u64::from(len);
        self.stats.busy += tx;
        if lost {
            self.stats.lost += 1;
            return Offer::Lost;
        }
        Offer::Arrives(self.busy_until + self.delay)
    }

    /// Whether the packet that is offered now will be lost on the link. [`Port::offer`] asks by itself.
    pub fn draw_loss(&mut self, class: PacketClass) -> bool {
        !self.loss.is_never() && self.loss.draw(class)
    }

    /// When the last packet that was given to the transmitter has left it.
    pub fn busy_until(&self) -> Instant {
        self.busy_until
    }

    /// Sends a packet of `len` bytes that a queue discipline has let go, in a frame `more` bytes longer than others: the transmitter is
    /// free. Says when its last bit leaves.
    pub fn send(&mut self, now: Instant, len: u16, more: u16, lost: bool) -> Instant {
        debug_assert!(self.busy_until <= now, "one packet at a time");
        let tx = self.rate.time_for(self.framing.wire_bytes(len) + u64::from(more));
        self.busy_until = now + tx;
        self.count_sent(len, tx, lost);
        self.busy_until
    }

    /// Occupies a free transmitter for so many byte times with something that is no packet. Says when its last bit leaves.
    pub fn occupy(&mut self, now: Instant, bytes: u64) -> Instant {
        let tx = self.rate.time_for(bytes);
        self.busy_until = now + tx;
        self.stats.busy += tx;
        self.busy_until
    }

    /// Counts a packet that a delivery trace has let through.
    pub fn count_sent(&mut self, len: u16, busy: Span, lost: bool) {
        self.stats.tx_packets += 1;
        self.stats.tx_bytes += u64::from(len);
        self.stats.busy += busy;
        self.stats.lost += u64::from(lost);
    }

    /// The counters, for what happens outside the port: in a queue discipline, by noise.
    pub fn stats_mut(&mut self) -> &mut PortStats {
        &mut self.stats
    }

    /// A queue discipline in front of the port holds so many packets and bytes now.
    pub fn set_backlog(&mut self, now: Instant, (packets, bytes): (usize, u64)) {
        self.queued = packets as u32;
        self.occupancy.set(now, bytes);
    }

    /// Changes rate and delay. What has begun to be sent is not touched; what waits is sent at the new rate, and where it will arrive
    /// then is returned, in order.
    pub fn change(&mut self, now: Instant, rate: Rate, delay: Span) -> Vec<Moved> {
        self.drain(now);
        let mut free = self.waiting.front().map_or(self.busy_until, |waiting| waiting.start);
        let mut moved = Vec::with_capacity(self.waiting.len());
        for Waiting { start, len, more } in &mut self.waiting {
            let bytes = self.framing.wire_bytes(*len) + u64::from(*more);
            let (old, new) = (self.rate.time_for(bytes), rate.time_for(bytes));
            moved.push(Moved { from: *start + old + self.delay, to: free + new + delay });
            self.stats.busy = self.stats.busy.saturating_sub(old) + new;
            *start = free;
            free += new;
        }
        self.busy_until = free;
        (self.rate, self.delay) = (rate, delay);
        moved
    }

    /// Packets and bytes waiting at `now`; the one being transmitted is not counted.
    pub fn backlog(&mut self, now: Instant) -> (usize, u64) {
        self.drain(now);
        (self.waiting.len() + self.queued as usize, self.occupancy.bytes())
    }

    /// Packets that were counted as sent when they were offered, and whose transmission begins after `now`.
    fn promised(&self, now: Instant) -> (u64, u64) {
        let begun = self.waiting.partition_point(|waiting| waiting.start <= now);
        if begun == self.waiting.len() {
            return (0, 0);
        }
        let left: u64 = self.waiting.range(..begun).map(|waiting| u64::from(waiting.len)).sum();
        ((self.waiting.len() - begun) as u64, self.occupancy.bytes() - left)
    }

    /// What has been counted in advance and never comes about is taken back.
    fn take_back(&mut self, now: Instant) {
        let (packets, bytes) = self.promised(now);
        self.stats.tx_packets = self.stats.tx_packets.saturating_sub(packets);
        self.stats.tx_bytes = self.stats.tx_bytes.saturating_sub(bytes);
        self.stats.busy = self.stats.busy.saturating_sub(self.busy_until.since(now));
    }

    /// Takes the link down or up. Going down forgets what was queued; the caller ends those packets and says how many.
    pub fn set_up(&mut self, now: Instant, up: bool, ended: u64) {
        self.drain(now);
        if self.up && !up {
            self.take_back(now);
            let waiting = self.occupancy.bytes();
            self.occupancy.leave(now, waiting);
            self.waiting.clear();
            self.queued = 0;
            self.busy_until = now.min(self.busy_until);
            self.stats.link_down += ended;
        }
        self.up = up;
    }

    /// Whether the link is up.
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// The counters at `now`: what was promised a time, and has not begun to be sent, is not in them.
    pub fn stats(&self, now: Instant) -> PortStats {
        let mut stats = self.stats;
        let (packets, bytes) = self.promised(now);
        stats.tx_packets = stats.tx_packets.saturating_sub(packets);
        stats.tx_bytes = stats.tx_bytes.saturating_sub(bytes);
        stats.busy = stats.busy.saturating_sub(self.busy_until.since(now));
        stats
    }

    /// Time-weighted queue length.
    pub fn occupancy(&mut self, now: Instant) -> &Occupancy {
        self.drain(now);
        &self.occupancy
    }

    /// Share of the time from `since` to `now` that the port was transmitting; what is committed beyond `now` does not count.
    pub fn utilization(&self, since: Instant, now: Instant) -> f64 {
        let total = now.since(since).as_ps();
        if total == 0 {
            return 0.0;
        }
        (self.stats(now).busy.as_ps() as f64 / total as f64).min(1.0)
    }

    /// Starts counting anew; what is queued stays.
    pub fn restart_stats(&mut self, now: Instant) {
        self.drain(now);
        // What was committed before but will be transmitted after `now` belongs to the new count.
        let (tx_packets, tx_bytes) = self.promised(now);
        let busy = self.busy_until.since(now);
        self.stats = PortStats { tx_packets, tx_bytes, busy, ..PortStats::default() };
        self.occupancy.restart(now);
    }

    /// The rate.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// The propagation delay.
    pub fn delay(&self) -> Span {
        self.delay
    }

    /// The framing.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    #[inline]
    fn is_full(&self, len: u16) -> bool {
        match self.limit {
            QueueLimit::Packets(n) => self.waiting.len() >= n as usize,
            QueueLimit::Bytes(n) => self.occupancy.bytes() + u64::from(len) > n,
        }
    }

    /// Lets go of the packets whose transmission has begun by `now`.
    fn drain(&mut self, now: Instant) {
        while let Some(Waiting { start, len, .. }) = self.waiting.front().copied() {
            if start > now {
                break;
            }
            self.waiting.pop_front();
            self.occupancy.leave(start, u64::from(len));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: PacketClass = PacketClass(PacketClass::IP.0 | PacketClass::DATA.0);

    fn at_us(us: u64) -> Instant {
        Instant::ZERO + Span::from_us(us)
    }

    fn port(limit: QueueLimit, loss: Loss) -> Port {
        Port::new(Rate::from_mbps(10), Span::from_ms(10), Framing::Ip, limit, loss)
    }

    #[test]
    fn serialisation_and_propagation_are_exact() {
        let mut port = port(QueueLimit::Packets(10), Loss::default());
        assert_eq!(port.offer(Instant::ZERO, 1500, DATA), Offer::Arrives(at_us(11_200)));
        assert_eq!(port.offer(Instant::ZERO, 1500, DATA), Offer::Arrives(at_us(12_400)));
        assert_eq!(port.offer(at_us(50_000), 1500, DATA), Offer::Arrives(at_us(61_200)));
    }

    #[test]
    fn the_packet_on_the_wire_does_not_count_towards_the_limit() {
        let mut port = port(QueueLimit::Packets(2), Loss::default());
        for _ in 0..3 {
            assert!(matches!(port.offer(Instant::ZERO, 1500, DATA), Offer::Arrives(_)));
        }
        assert_eq!(port.offer(Instant::ZERO, 1500, DATA), Offer::QueueFull);
        assert_eq!(port.backlog(Instant::ZERO), (2, 3000));
        // At 1.2 ms the second one starts, and there is room for one more.
        assert!(matches!(port.offer(at_us(1200), 1500, DATA), Offer::Arrives(_)));
        assert_eq!(port.offer(at_us(1200), 1500, DATA), Offer::QueueFull);
        assert_eq!(port.stats(at_us(1200)).queue_full, 2);
    }

    #[test]
    fn a_byte_limit_takes_what_fits() {
        let mut port = port(QueueLimit::Bytes(2000), Loss::default());
        port.offer(Instant::ZERO, 1500, DATA);
        port.offer(Instant::ZERO, 1500, DATA);
        assert_eq!(port.offer(Instant::ZERO, 1500, DATA), Offer::QueueFull);
        assert!(matches!(port.offer(Instant::ZERO, 500, DATA), Offer::Arrives(_)));
    }

    #[test]
    fn a_lost_packet_still_takes_its_time_on_the_link() {
        let mut port = port(QueueLimit::Packets(10), Loss::listed(vec![1]));
        assert_eq!(port.offer(Instant::ZERO, 1500, DATA), Offer::Lost);
        assert_eq!(port.offer(Instant::ZERO, 1500, DATA), Offer::Arrives(at_us(12_400)));
        let stats = port.stats(at_us(1200));
        assert_eq!((stats.lost, stats.tx_packets), (1, 2));
    }

    #[test]
    fn losses_are_counted_at_arrival_even_when_the_queue_is_full() {
        let mut port = port(QueueLimit::Packets(0), Loss::listed(vec![3]));
        port.offer(Instant::ZERO, 1500, DATA);
        assert_eq!(port.offer(Instant::ZERO, 1500, DATA), Offer::QueueFull);
        assert_eq!(port.offer(at_us(5000), 1500, DATA), Offer::Lost);
    }

    #[test]
    fn a_link_that_is_down_refuses_packets() {
        let mut port = port(QueueLimit::Packets(10), Loss::default());
        port.offer(Instant::ZERO, 1500, DATA);
        port.offer(Instant::ZERO, 1500, DATA);
        port.set_up(at_us(100), false, 2);
        assert_eq!(port.offer(at_us(100), 1500, DATA), Offer::LinkDown);
        assert_eq!(port.stats(at_us(100)).link_down, 3);
        port.set_up(at_us(200), true, 0);
        assert_eq!(port.offer(at_us(200), 1500, DATA), Offer::Arrives(at_us(11_400)));
    }

    #[test]
    fn a_change_of_rate_spares_the_packet_on_the_wire_and_moves_those_behind_it() {
        let mut port = port(QueueLimit::Packets(10), Loss::default());
        for _ in 0..3 {
            port.offer(Instant::ZERO, 1500, DATA);
        }
        let moved = port.change(at_us(600), Rate::from_mbps(20), Span::from_ms(5));
        let to = |from, to| Moved { from: at_us(from), to: at_us(to) };
        assert_eq!(moved, [to(12_400, 1200 + 600 + 5000), to(13_600, 1200 + 1200 + 5000)]);
        assert_eq!(port.offer(at_us(700), 1500, DATA), Offer::Arrives(at_us(1200 + 1800 + 5000)));
        assert_eq!(port.utilization(Instant::ZERO, at_us(3000)), 1.0);
    }

    #[test]
    fn utilization_and_mean_queue_are_those_of_the_time_asked_about() {
        let mut port = port(QueueLimit::Packets(10), Loss::default());
        for _ in 0..2 {
            port.offer(Instant::ZERO, 1500, DATA);
        }
        assert_eq!(port.utilization(Instant::ZERO, at_us(1200)), 1.0);
        assert_eq!(port.utilization(Instant::ZERO, at_us(4800)), 0.5);
        // One packet of 1500 bytes waited for 1.2 of 4.8 ms.
        assert_eq!(port.occupancy(at_us(4800)).mean(at_us(4800)), 375.0);
        port.restart_stats(at_us(4800));
        assert_eq!(port.stats(at_us(4800)), PortStats::default());
    }

    #[test]
    fn a_packet_counts_as_sent_when_its_transmission_begins() {
        let mut port = port(QueueLimit::Packets(10), Loss::default());
        for _ in 0..4 {
            port.offer(Instant::ZERO, 1500, DATA);
        }
        let seen = |port: &Port, us| {
            let stats = port.stats(at_us(us));
            (stats.tx_packets, stats.tx_bytes, stats.busy)
        };
        assert_eq!(seen(&port, 0), (1, 1500, Span::ZERO));
        assert_eq!(seen(&port, 1199), (1, 1500, Span::from_us(1199)));
        assert_eq!(seen(&port, 1200), (2, 3000, Span::from_us(1200)));
        port.backlog(at_us(1800));
        assert_eq!(seen(&port, 1800), (2, 3000, Span::from_us(1800)));
        // A new count has what begins after its start, and the rest of what has begun.
        port.restart_stats(at_us(1800));
        assert_eq!(seen(&port, 1800), (0, 0, Span::ZERO));
        assert_eq!(seen(&port, 2400), (1, 1500, Span::from_us(600)));
        // What a cut ends was never sent.
        port.set_up(at_us(3000), false, 3);
        assert_eq!(seen(&port, 3000), (1, 1500, Span::from_us(1200)));
        assert_eq!(seen(&port, 9000), (1, 1500, Span::from_us(1200)));
        assert_eq!(port.backlog(at_us(9000)), (0, 0));
    }
}
