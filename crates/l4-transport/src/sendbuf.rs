//! The send buffer: stream bytes from the first unacknowledged one on, without copies.

use bytes::BytesMut;
use std::collections::VecDeque;
use tidewire_wire::Payload;

/// Bytes of the stream that may still be (re)transmitted.
///
/// Positions count from the first unacknowledged byte. After the queued payloads come synthetic zeros, of which only the number
/// is kept.
#[derive(Debug)]
pub(crate) struct SendBuf {
    chunks: VecDeque<Payload>,
    /// Bytes of the first chunk that are acknowledged.
    skip: u32,
    /// Where reading last stopped: a chunk, and the position at which it begins.
    cursor: (u32, u64),
    /// Bytes in the chunks, without `skip`.
    queued: u64,
    /// Bytes not yet sent, zeros included; `u64::MAX` from an endless source.
    unsent: u64,
    /// Bytes sent and not acknowledged.
    unacked: u64,
}

impl SendBuf {
    pub const fn new() -> SendBuf {
        SendBuf { chunks: VecDeque::new(), skip: 0, cursor: (0, 0), queued: 0, unsent: 0, unacked: 0 }
    }

    /// Bytes not yet sent; `u64::MAX` from an endless source.
    #[inline]
    pub const fn unsent(&self) -> u64 {
        self.unsent
    }

    /// Bytes sent and not acknowledged.
    #[inline]
    pub const fn unacked(&self) -> u64 {
        self.unacked
    }

    /// Bytes that occupy the buffer.
    #[inline]
    pub const fn queued(&self) -> u64 {
        self.queued
    }

    /// Nothing is queued, to be sent or to be acknowledged.
    pub const fn is_empty(&self) -> bool {
        self.queued == 0 && self.unsent == 0 && self.unacked == 0
    }

    /// Appends bytes behind all others. Nothing can follow an endless source.
    pub fn push(&mut self, payload: Payload) {
        debug_assert!(self.unsent != u64::MAX, "bytes behind an endless source");
        let mut zeros = self.unsent + self.unacked - self.queued;
        while zeros > 0 {
            let part = zeros.min(u64::from(u32::MAX)) as u32;
            self.push_chunk(Payload::Zeros(part));
            zeros -= u64::from(part);
        }
        self.unsent += payload.len() as u64;
        self.push_chunk(payload);
    }

    fn push_chunk(&mut self, payload: Payload) {
        if payload.is_empty() {
            return;
        }
        self.queued += payload.len() as u64;
        if let (Some(Payload::Zeros(have)), Payload::Zeros(more)) = (self.chunks.back_mut(), &payload)
            && let Some(sum) = have.checked_add(*more)
        {
            *have = sum;
            return;
        }
        self.chunks.push_back(payload);
    }

    /// Appends synthetic zeros; endless with `None`.
    pub fn supply(&mut self, bytes: Option<u64>) {
        self.unsent = bytes.map_or(u64::MAX, |more| self.unsent.saturating_add(more));
    }

    /// Forgets the synthetic zeros at the end that have not been sent.
    pub fn withdraw(&mut self) {
        self.unsent = self.queued.saturating_sub(self.unacked);
    }

    /// `len` bytes have been sent for the first time.
    #[inline]
    pub fn sent(&mut self, len: u32) {
        if self.unsent != u64::MAX {
            self.unsent -= u64::from(len);
        }
        self.unacked += u64::from(len);
    }

    /// The next `len` bytes are acknowledged and forgotten.
    #[inline]
    pub fn acked(&mut self, len: u32) {
        self.unacked -= u64::from(len);
        if self.queued == 0 {
            return;
        }
        let len = self.queued.min(u64::from(len));
        self.queued -= len;
        let mut left = len + u64::from(self.skip);
        let mut popped = 0u32;
        while let Some(first) = self.chunks.front() {
            let size = first.len() as u64;
            if left < size {
                break;
            }
            left -= size;
            self.chunks.pop_front();
            popped += 1;
        }
        self.skip = left as u32;
        let (index, start) = self.cursor;
        self.cursor = if index >= popped && start >= len { (index - popped, start - len) } else { (0, 0) };
        if self.chunks.is_empty() {
            self.skip = 0;
            self.cursor = (0, 0);
            if self.chunks.capacity() > 16 {
                self.chunks = VecDeque::new();
            }
        }
    }

    /// The `len` bytes at `position`.
    #[inline]
    pub fn read(&mut self, position: u64, len: u32) -> Payload {
        if position >= self.queued {
            return Payload::Zeros(len);
        }
        self.read_queued(position, len)
    }

    fn read_queued(&mut self, position: u64, len: u32) -> Payload {
        // The cursor's position counts from the first unskipped byte; that of chunk 0 is zero.
        let (mut index, mut start) = if position >= self.cursor.1 { self.cursor } else { (0, 0) };
        loop {
            let size = self.chunk_len(index);
            if position < start + size {
                break;
            }
            start += size;
            index += 1;
        }
        self.cursor = (index, start);
        let skip = if index == 0 { self.skip as usize } else { 0 };
        let from = (position - start) as usize;
        let size = self.chunk_len(index) as usize;
        let want = len as usize;
        if from + want <= size {
            return self.chunks[index as usize].slice(skip + from..skip + from + want);
        }
        self.join(index as usize, skip + from, want)
    }

    fn chunk_len(&self, index: u32) -> u64 {
        let len = self.chunks[index as usize].len() as u64;
        if index == 0 { len - u64::from(self.skip) } else { len }
    }

    /// Bytes from more than one chunk, perhaps with synthetic zeros at the end.
    fn join(&self, first: usize, from: usize, want: usize) -> Payload {
        let mut parts = Vec::new();
        let (mut left, mut from) = (want, from);
        for chunk in self.chunks.range(first..) {
            let take = left.min(chunk.len() - from);
            parts.push(chunk.slice(from..from + take));
            left -= take;
            from = 0;
            if left == 0 {
                break;
            }
        }
        if parts.iter().all(|part| matches!(part, Payload::Zeros(_))) {
            return Payload::Zeros(want as u32);
        }
        let mut bytes = BytesMut::with_capacity(want);
        for part in parts {
            bytes.extend_from_slice(&part.to_bytes());
        }
        bytes.resize(want, 0);
        Payload::Data(bytes.freeze())
    }

    /// Heap bytes held, the data itself excepted.
    pub fn heap_bytes(&self) -> usize {
        self.chunks.capacity() * size_of::<Payload>()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = SendBuf::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_read_is_what_was_queued(
            sizes in prop::collection::vec((1usize..50, any::<bool>()), 1..20),
            steps in prop::collection::vec((1u32..40, 1u32..40), 1..60),
        ) {
            let mut buf = SendBuf::new();
            let mut stream: Vec<u8> = Vec::new();
            for (i, (size, real)) in sizes.iter().enumerate() {
                let bytes = if *real { vec![i as u8 + 1; *size] } else { vec![0; *size] };
                buf.push(if *real { Payload::from(bytes.clone()) } else { Payload::Zeros(*size as u32) });
                stream.extend(bytes);
            }
            buf.supply(Some(30));
            stream.extend([0; 30]);
            let (mut acked, mut sent) = (0usize, 0usize);
            for (send, ack) in steps {
                let len = (send as usize).min(stream.len() - sent);
                if len > 0 {
                    let got = buf.read((sent - acked) as u64, len as u32);
                    prop_assert_eq!(&*got.to_bytes(), &stream[sent..sent + len]);
                    buf.sent(len as u32);
                    sent += len;
                }
                let len = (ack as usize).min(sent - acked);
                buf.acked(len as u32);
                acked += len;
                let again = buf.read(0, (sent - acked) as u32);
                prop_assert_eq!(&*again.to_bytes(), &stream[acked..sent]);
                prop_assert_eq!(buf.unsent() as usize, stream.len() - sent);
            }
        }
    }

    #[test]
    fn an_endless_source_never_runs_dry_and_takes_no_room() {
        let mut buf = SendBuf::new();
        buf.supply(None);
        buf.sent(1000);
        buf.acked(600);
        assert_eq!((buf.unsent(), buf.unacked(), buf.queued()), (u64::MAX, 400, 0));
        assert_eq!(buf.read(0, 400), Payload::Zeros(400));
    }

    #[test]
    fn what_a_source_has_not_sent_can_be_withdrawn() {
        let mut buf = SendBuf::new();
        buf.push(Payload::from(vec![1; 10]));
        buf.supply(None);
        buf.sent(4);
        buf.withdraw();
        assert_eq!((buf.unsent(), buf.unacked()), (6, 4));
        buf.supply(Some(100));
        buf.sent(26);
        buf.withdraw();
        assert_eq!((buf.unsent(), buf.unacked()), (0, 30));
    }

    #[test]
    fn real_bytes_follow_a_finite_source() {
        let mut buf = SendBuf::new();
        buf.supply(Some(3));
        buf.push(Payload::from(vec![7, 8]));
        assert_eq!(&*buf.read(0, 5).to_bytes(), &[0, 0, 0, 7, 8]);
        assert_eq!(buf.unsent(), 5);
    }
}
