//! Frames at regular times, of varying size, each cut into datagrams: video with a variable bit rate, games.

use super::Sizes;
use crate::{Process, Resume, SocketApi, Wait};
use tidewire_units::{Instant, Purpose, SocketId, Span, Stream, Streams};
use tidewire_wire::{Endpoint, Payload};

/// What is sent and when.
#[derive(Clone, PartialEq, Debug)]
pub struct FramePattern {
    /// Where to.
    pub to: Endpoint,
    /// Time between frames.
    pub every: Span,
    /// Bytes of a frame.
    pub sizes: Sizes,
    /// Every so many frames one is larger than the others: a picture that can be shown without those before it; 1 for all alike.
    pub group: u32,
    /// So many times larger.
    pub key: f64,
    /// Payload of a datagram at most.
    pub most: u32,
    /// First frame.
    pub start: Instant,
    /// No frame from here on.
    pub stop: Instant,
    /// Frames to send in all; none for no limit.
    pub count: Option<u64>,
}

/// Sends frames.
#[derive(Debug)]
pub struct Frames {
    pattern: FramePattern,
    socket: Option<SocketId>,
    sent: u64,
    stream: Option<Stream>,
}

impl Frames {
    /// A sender that follows `pattern`.
    pub fn new(pattern: FramePattern) -> Frames {
        Frames { pattern, socket: None, sent: 0, stream: None }
    }

    /// The size of the next frame. Sizes keep their mean whatever the share of large frames.
    fn size(&mut self, sockets: &mut dyn SocketApi) -> u64 {
        let seed = sockets.random();
        let stream =
            self.stream.get_or_insert_with(|| Streams::new(seed).stream(Purpose::Application, "frames"));
        let p = &self.pattern;
        let group = f64::from(p.group.max(1));
        let plain = group / (group - 1.0 + p.key);
        let is_key = self.sent.is_multiple_of(u64::from(p.group.max(1)));
        let factor = if is_key { plain * p.key } else { plain };
        ((p.sizes.draw(stream) as f64 * factor).ceil() as u64).max(1)
    }
}

impl Process for Frames {
    fn resume(&mut self, now: Instant, why: Resume, sockets: &mut dyn SocketApi) -> Wait {
        if why == Resume::Start && now < self.pattern.start {
            return Wait::Until(self.pattern.start);
        }
        let over = now >= self.pattern.stop || self.pattern.count.is_some_and(|count| self.sent >= count);
        if self.socket.is_none() && !over {
            let Ok(socket) = sockets.datagram(self.pattern.to) else { return Wait::Done };
            sockets.measure(socket);
            self.socket = Some(socket);
        }
        let Some(socket) = self.socket.filter(|_| !over) else {
            self.socket.into_iter().for_each(|socket| sockets.close(socket));
            return Wait::Done;
        };
        let mut left = self.size(sockets);
        while left > 0 {
            let part = left.min(u64::from(self.pattern.most));
            let _ = sockets.send_datagram(socket, Payload::Zeros(part as u32));
            left -= part;
        }
        self.sent += 1;
        Wait::Until(now + self.pattern.every)
    }
}
