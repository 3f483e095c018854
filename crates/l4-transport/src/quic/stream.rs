//! The two halves of a stream: bytes to be sent until they are acknowledged, bytes received until they are read.

use super::ranges::RangeSet;
use bytes::Bytes;
use std::collections::BTreeMap;
use tidewire_wire::Payload;

/// Bytes on their way out.
#[derive(Debug, Default)]
pub(crate) struct SendHalf {
    /// By offset: what has not been acknowledged.
    chunks: BTreeMap<u64, Payload>,
    /// Queued and sent so far.
    pub end: u64,
    pub sent: u64,
    lost: RangeSet,
    acked: RangeSet,
    fin: Fin,
    /// What the peer allows.
    pub limit: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Fin {
    #[default]
    Open,
    Queued,
    Sent,
    Acked,
}

/// A piece to be sent.
#[derive(Debug)]
pub(crate) struct Piece {
    pub offset: u64,
    pub data: Payload,
    pub fin: bool,
    /// It was not sent before.
    pub new: u64,
}

impl SendHalf {
    pub fn new(limit: u64) -> SendHalf {
        SendHalf { limit, ..SendHalf::default() }
    }

    /// The peer takes so much; what was sent before it said so counts.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit.max(self.sent);
    }

    /// All of it is to be sent as if nothing had been.
    pub fn restart(&mut self, limit: u64) {
        (self.sent, self.limit, self.lost) = (0, limit, RangeSet::default());
        if self.fin == Fin::Sent {
            self.fin = Fin::Queued;
        }
    }

    pub fn write(&mut self, data: Payload) {
        if !data.is_empty() && self.fin == Fin::Open {
            let len = data.len() as u64;
            self.chunks.insert(self.end, data);
            self.end += len;
        }
    }

    pub fn finish(&mut self) {
        if self.fin == Fin::Open {
            self.fin = Fin::Queued;
        }
    }

    /// More may be written.
    pub fn is_open(&self) -> bool {
        self.fin == Fin::Open
    }

    /// Bytes that nobody has acknowledged yet.
    pub fn buffered(&self) -> u64 {
        self.end - self.acked.first().filter(|range| range.start == 0).map_or(0, |range| range.end)
    }

    /// Everything has been sent and acknowledged, the end included.
    pub fn is_done(&self) -> bool {
        self.fin == Fin::Acked && self.buffered() == 0
    }

    /// Something is to be sent again.
    pub fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Bytes never sent.
    pub fn unsent(&self) -> u64 {
        self.end - self.sent
    }

    /// What waits that was not lost and the stream's credit allows: bytes, which need that of the connection too (true), or only the end.
    pub fn wants(&self) -> Option<bool> {
        let has_bytes = self.sent < self.end.min(self.limit);
        (has_bytes || self.fin == Fin::Queued && self.sent == self.end).then_some(has_bytes)
    }

    /// The next piece of up to `room` bytes, of which up to `credit` may be new.
    pub fn next(&mut self, room: u64, credit: u64) -> Option<Piece> {
        let (start, end) = match self.lost.first() {
            Some(range) => (range.start, range.end),
            None => (self.sent, self.end.min(self.limit).min(self.sent + credit)),
        };
        let data = self.slice(start, end.min(start + room));
        let stop = start + data.len() as u64;
        let fin = matches!(self.fin, Fin::Queued) && stop == self.end;
        if data.is_empty() && !fin {
            return None;
        }
        self.lost.remove(start..stop);
        let new = stop.saturating_sub(self.sent);
        self.sent = self.sent.max(stop);
        if fin {
            self.fin = Fin::Sent;
        }
        Some(Piece { offset: start, data, fin, new })
    }

    /// Bytes from `start` on, up to `end` or the end of the chunk that they stand in.
    fn slice(&self, start: u64, end: u64) -> Payload {
        let Some((from, chunk)) = self.chunks.range(..=start).next_back().filter(|_| start < end) else {
            return Payload::EMPTY;
        };
        let skip = (start - from) as usize;
        let len = chunk.len().saturating_sub(skip).min((end - start) as usize);
        if len == 0 { Payload::EMPTY } else { chunk.slice(skip..skip + len) }
    }

    pub fn on_acked(&mut self, offset: u64, len: u64, fin: bool) {
        self.acked.insert(offset..offset + len);
        self.lost.remove(offset..offset + len);
        if fin {
            self.fin = Fin::Acked;
        }
        let done = self.acked.first().filter(|range| range.start == 0).map_or(0, |range| range.end);
        while let Some((from, chunk)) = self.chunks.first_key_value()
            && from + chunk.len() as u64 <= done
        {
            self.chunks.pop_first();
        }
    }

    pub fn on_lost(&mut self, offset: u64, len: u64, fin: bool) {
        self.lost.insert(offset..offset + len);
        self.acked.descending().for_each(|range| self.lost.remove(range));
        if fin && self.fin == Fin::Sent {
            self.fin = Fin::Queued;
        }
    }
}

/// Bytes that have come in.
#[derive(Debug, Default)]
pub(crate) struct ReceiveHalf {
    chunks: BTreeMap<u64, Bytes>,
    have: RangeSet,
    pub read: u64,
    /// The highest offset seen, and the stream's size once known.
    pub highest: u64,
    size: Option<u64>,
    /// What we allow.
    pub limit: u64,
}

/// The peer breaks the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Violation;

impl ReceiveHalf {
    pub fn new(limit: u64) -> ReceiveHalf {
        ReceiveHalf { limit, ..ReceiveHalf::default() }
    }

    /// Takes in a piece; says by how much the highest offset has grown.
    pub fn receive(&mut self, offset: u64, data: Bytes, fin: bool) -> Result<u64, Violation> {
        let end = offset + data.len() as u64;
        if end > self.limit || self.size.is_some_and(|size| end > size || fin && end != size) {
            return Err(Violation);
        }
        if fin {
            if end < self.highest {
                return Err(Violation);
            }
            self.size = Some(end);
        }
        let grown = end.saturating_sub(self.highest);
        self.highest = self.highest.max(end);
        if end > self.read && self.have.insert(offset..end) {
            // Of two pieces at one place the longer is kept.
            let longer = self.chunks.get(&offset).is_none_or(|known| known.len() < data.len());
            if longer {
                self.chunks.insert(offset, data);
            }
        }
        Ok(grown)
    }

    /// Takes up to `max` bytes in order.
    pub fn take(&mut self, max: usize) -> Option<Bytes> {
        while let Some((at, chunk)) = self.chunks.first_key_value() {
            let (at, end) = (*at, at + chunk.len() as u64);
            if at > self.read {
                return None;
            }
            let (_, chunk) = self.chunks.pop_first()?;
            if end <= self.read {
                continue;
            }
            let mut rest = chunk.slice((self.read - at) as usize..);
            let part = rest.split_to(rest.len().min(max));
            self.read += part.len() as u64;
            if !rest.is_empty() {
                self.chunks.insert(self.read, rest);
            }
            return Some(part);
        }
        None
    }

    /// The first `n` bytes that come next, if they are there; they stay.
    pub fn peek(&self, n: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(n);
        let mut at = self.read;
        for (start, chunk) in &self.chunks {
            let end = start + chunk.len() as u64;
            if *start > at || bytes.len() == n {
                break;
            }
            if end > at {
                let part = chunk.slice((at - start) as usize..);
                let part = part.slice(..part.len().min(n - bytes.len()));
                at += part.len() as u64;
                bytes.extend(part);
            }
        }
        (bytes.len() == n).then_some(bytes)
    }

    /// Reads past `n` bytes if all of them are there.
    pub fn skip(&mut self, n: usize) -> bool {
        if self.contiguous() < self.read + n as u64 {
            return false;
        }
        let upto = self.read + n as u64;
        while self.read < upto && self.take((upto - self.read) as usize).is_some() {}
        true
    }

    /// Something can be read now, the end included.
    pub fn is_readable(&self) -> bool {
        self.is_finished() || self.has_unread()
    }

    /// Bytes wait to be read; what misses something before it does not count.
    pub fn has_unread(&self) -> bool {
        self.contiguous() > self.read
    }

    fn contiguous(&self) -> u64 {
        self.have.first().filter(|range| range.start == 0).map_or(0, |range| range.end)
    }

    /// All has been read.
    pub fn is_finished(&self) -> bool {
        self.size == Some(self.read)
    }

    /// The stream's size is known and all of it is there.
    pub fn is_complete(&self) -> bool {
        self.size.is_some_and(|size| self.contiguous() >= size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_sent_again_before_what_is_new() {
        let mut half = SendHalf::new(10_000);
        half.write(Payload::Zeros(3000));
        half.finish();
        let sent: Vec<_> = (0..3).map(|_| half.next(1000, u64::MAX - 5000).unwrap()).collect();
        assert_eq!(
            sent.iter().map(|p| (p.offset, p.data.len(), p.fin)).collect::<Vec<_>>(),
            [(0, 1000, false), (1000, 1000, false), (2000, 1000, true)]
        );
        assert_eq!(half.wants(), None);
        half.on_lost(1000, 1000, false);
        half.on_acked(0, 1000, false);
        let again = half.next(600, 0).unwrap();
        assert_eq!((again.offset, again.data.len(), again.new), (1000, 600, 0));
        half.on_acked(1000, 600, false);
        half.on_lost(2000, 1000, true);
        let tail = half.next(9000, 0).unwrap();
        assert_eq!((tail.offset, tail.data.len(), tail.fin), (1600, 1400, true));
        half.on_acked(1600, 1400, true);
        assert!(half.is_done());
    }

    #[test]
    fn the_peers_limit_holds_what_is_new_back() {
        let mut half = SendHalf::new(100);
        half.write(Payload::Zeros(300));
        assert_eq!(half.next(1000, 1000).unwrap().data.len(), 100);
        assert!(half.next(1000, 1000).is_none() && half.wants().is_none());
        half.limit = 300;
        assert_eq!(half.next(1000, 50).unwrap().data.len(), 50);
    }

    #[test]
    fn pieces_in_any_order_are_read_in_order() {
        let mut half = ReceiveHalf::new(1000);
        let data = Bytes::from_static(b"hello world");
        half.receive(6, data.slice(6..), true).unwrap();
        assert!(half.take(100).is_none() && !half.is_readable());
        half.receive(3, data.slice(3..8), false).unwrap();
        half.receive(0, data.slice(..4), false).unwrap();
        assert!(half.is_readable() && half.is_complete());
        let mut all = Vec::new();
        while let Some(part) = half.take(4) {
            all.extend(part);
        }
        assert_eq!(all, b"hello world");
        assert!(half.is_finished());
        assert_eq!(half.receive(11, Bytes::from_static(b"!"), false), Err(Violation));
    }
}
