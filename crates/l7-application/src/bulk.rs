//! Bulk transfer: one TCP connection that always has something to send.

use crate::{Process, Resume, SocketApi, Wait};
use tidewire_units::{Instant, Interest, SocketId};
use tidewire_wire::{Endpoint, Payload};

/// Sends a number of bytes, or for ever, as fast as TCP allows.
#[derive(Debug)]
pub struct Bulk {
    to: Endpoint,
    size: Option<u64>,
    start: Instant,
    stop: Instant,
    socket: Option<SocketId>,
    /// Write into the send buffer as it has room, rather than supply everything at once.
    buffered: bool,
}

impl Bulk {
    /// A transfer to `to` of `size` bytes (none for ever) that begins at `start` and is closed at `stop` at the latest.
    pub fn new(to: Endpoint, size: Option<u64>, start: Instant, stop: Instant) -> Bulk {
        Bulk { to, size, start, stop, socket: None, buffered: false }
    }

    /// Writes as a program does that waits for room in the send buffer, so that its size limits what is on the way.
    #[must_use]
    pub fn buffered(self, buffered: bool) -> Bulk {
        Bulk { buffered, ..self }
    }

    /// Writes what there is room for; what to wait for then, unless everything is written.
    fn write(&mut self, socket: SocketId, sockets: &mut dyn SocketApi) -> Option<Wait> {
        while self.size != Some(0) {
            let part = self.size.unwrap_or(u64::MAX).min(1 << 20) as u32;
            match sockets.send(socket, Payload::Zeros(part)) {
                Ok(0) => return Some(Wait::Socket(socket, Interest::Writable(1), self.stop)),
                Ok(n) => self.size = self.size.map(|left| left - n as u64),
                Err(_) => return None,
            }
        }
        None
    }
}

impl Process for Bulk {
    fn resume(&mut self, now: Instant, why: Resume, sockets: &mut dyn SocketApi) -> Wait {
        match (self.socket, why) {
            (None, _) if now < self.start => Wait::Until(self.start),
            (None, _) => {
                let Ok(socket) = sockets.connect(self.to) else { return Wait::Done };
                self.socket = Some(socket);
                sockets.measure(socket);
                if self.buffered {
                    return Wait::Socket(socket, Interest::Connected, self.stop);
                }
                sockets.supply(socket, self.size);
                if self.size.is_some() {
                    // FIN follows the last byte, as after write and close.
                    Wait::Socket(socket, Interest::Drained, self.stop)
                } else {
                    Wait::Until(self.stop)
                }
            }
            (Some(socket), _) => {
                let writes = self.buffered && now < self.stop;
                if let Some(wait) = writes.then(|| self.write(socket, sockets)).flatten() {
                    return wait;
                }
                if now >= self.stop {
                    sockets.withdraw(socket);
                }
                sockets.close(socket);
                Wait::Done
            }
        }
    }
}
