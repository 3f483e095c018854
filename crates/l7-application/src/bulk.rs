//! Bulk transfer: one TCP connection that always has something to send.

use crate::{Process, Resume, SocketApi, Wait};
use tidewire_units::{Instant, Interest, SocketId};
use tidewire_wire::Endpoint;

/// Sends a number of bytes, or for ever, as fast as TCP allows.
#[derive(Debug)]
pub struct Bulk {
    to: Endpoint,
    size: Option<u64>,
    start: Instant,
    stop: Instant,
    socket: Option<SocketId>,
}

impl Bulk {
    /// A transfer to `to` of `size` bytes (none for ever) that begins at `start` and is closed at `stop` at the latest.
    pub fn new(to: Endpoint, size: Option<u64>, start: Instant, stop: Instant) -> Bulk {
        Bulk { to, size, start, stop, socket: None }
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
                sockets.supply(socket, self.size);
                if self.size.is_some() {
                    // FIN follows the last byte, as after write and close.
                    Wait::Socket(socket, Interest::Drained, self.stop)
                } else {
                    Wait::Until(self.stop)
                }
            }
            (Some(socket), _) => {
                if now >= self.stop {
                    sockets.withdraw(socket);
                }
                sockets.close(socket);
                Wait::Done
            }
        }
    }
}
