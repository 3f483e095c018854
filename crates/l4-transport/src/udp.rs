//! The receive side of a UDP socket (RFC 768): a queue with a limit in bytes.

use std::collections::VecDeque;
use tidewire_units::Instant;
use tidewire_wire::{Ecn, Endpoint, Payload};

/// A received datagram.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Who sent it.
    pub from: Endpoint,
    /// Its data.
    pub payload: Payload,
    /// When it was sent, if the network knows.
    pub sent_at: Option<Instant>,
    /// When it arrived.
    pub arrived_at: Instant,
    /// ECN field of its IP header.
    pub ecn: Ecn,
    /// Time to live of its IP header.
    pub ttl: u8,
}

/// What became of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accepted {
    /// It waits for the application.
    Queued,
    /// The receive buffer was full; it was dropped.
    Full,
}

/// Received datagrams that wait for an application.
#[derive(Debug)]
pub struct UdpSocket {
    queue: VecDeque<Datagram>,
    used: usize,
    limit: usize,
    dropped: u64,
}

impl UdpSocket {
    /// Linux's default receive buffer in bytes, bookkeeping included.
    pub const DEFAULT_RCVBUF: usize = 212_992;

    /// A socket whose queue holds up to `rcvbuf` bytes, counted as Linux does: with the overhead of its packet buffers.
    pub const fn new(rcvbuf: usize) -> UdpSocket {
        UdpSocket { queue: VecDeque::new(), used: 0, limit: rcvbuf, dropped: 0 }
    }

    /// A datagram has arrived. As in Linux it is dropped only if the queue is over its limit before it is added.
    pub fn handle_datagram(&mut self, datagram: Datagram) -> Accepted {
        if self.used > self.limit {
            self.dropped += 1;
            return Accepted::Full;
        }
        self.used += buffer_bytes(datagram.payload.len() + 28);
        self.queue.push_back(datagram);
        Accepted::Queued
    }

    /// The oldest datagram; `None` when nothing waits.
    pub fn recv(&mut self) -> Option<Datagram> {
        let datagram = self.queue.pop_front()?;
        self.used -= buffer_bytes(datagram.payload.len() + 28);
        Some(datagram)
    }

    /// How many datagrams wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// True when `recv` would return something.
    pub fn is_readable(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Datagrams dropped because the queue was full.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// What a packet of `ip_len` bytes is charged against a receive buffer: descriptor, headroom, trailer, and the allocator's
/// rounding to a power of two.
pub(crate) const fn buffer_bytes(ip_len: usize) -> usize {
    256 + (ip_len + 64 + 320).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn datagram(bytes: u32) -> Datagram {
        Datagram {
            from: Endpoint::new(Ipv4Addr::LOCALHOST, 9),
            payload: Payload::Zeros(bytes),
            sent_at: None,
            arrived_at: Instant::ZERO,
            ecn: Ecn::NotCapable,
            ttl: 64,
        }
    }

    #[test]
    fn datagrams_come_out_in_the_order_in_which_they_came_in() {
        let mut socket = UdpSocket::new(UdpSocket::DEFAULT_RCVBUF);
        for bytes in [1, 2, 3] {
            assert_eq!(socket.handle_datagram(datagram(bytes)), Accepted::Queued);
        }
        assert_eq!(socket.waiting(), 3);
        for bytes in [1, 2, 3] {
            assert_eq!(socket.recv(), Some(datagram(bytes)));
        }
        assert!(!socket.is_readable() && socket.recv().is_none());
    }

    #[test]
    fn a_full_queue_drops_until_something_is_read() {
        let mut socket = UdpSocket::new(UdpSocket::DEFAULT_RCVBUF);
        let mut queued = 0;
        while socket.handle_datagram(datagram(1472)) == Accepted::Queued {
            queued += 1;
        }
        assert_eq!(queued, UdpSocket::DEFAULT_RCVBUF / 2304 + 1);
        assert_eq!(socket.dropped(), 1);
        socket.recv().unwrap();
        assert_eq!(socket.handle_datagram(datagram(1472)), Accepted::Queued);
    }
}
