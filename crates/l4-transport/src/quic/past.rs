//! What is kept of a connection that is over: figures, and what became of its streams.

use super::connection::{QuicConnection, QuicError, QuicInfo};
use super::ranges::RangeSet;
use super::streams::{half_of, number_of};
use tidewire_wire::Endpoint;

/// A connection that is over, for which nothing more comes and of which all was read.
pub struct QuicPast {
    why: QuicError,
    info: QuicInfo,
    remote: Endpoint,
    /// Numbers of streams that were read to their ends, and of those that were acknowledged, of the client's and of the server's.
    finished: [RangeSet; 2],
    delivered: [RangeSet; 2],
}

impl QuicConnection {
    /// What is worth keeping; `None` while something may still come or is to be read.
    pub fn past(&self) -> Option<QuicPast> {
        let (why, _) = self.close?;
        if !self.is_drained() || self.streams.iter().any(|(_, stream)| stream.input.has_unread()) {
            return None;
        }
        let (mut finished, mut delivered) = (self.streams.over().clone(), self.streams.over().clone());
        for (id, stream) in self.streams.iter() {
            let number = number_of(id)..number_of(id) + 1;
            if stream.input.is_finished() {
                finished[half_of(id)].insert(number.clone());
            }
            if stream.out.is_done() {
                delivered[half_of(id)].insert(number);
            }
        }
        Some(QuicPast { why, info: self.info(), remote: self.remote, finished, delivered })
    }
}

impl QuicPast {
    /// Why it is over.
    pub fn error(&self) -> QuicError {
        self.why
    }

    /// Figures.
    pub fn info(&self) -> &QuicInfo {
        &self.info
    }

    /// Where the peer was.
    pub fn remote(&self) -> Endpoint {
        self.remote
    }

    /// The peer had ended a stream, and all of it was read.
    pub fn is_finished(&self, id: u64) -> bool {
        self.finished[half_of(id)].contains(number_of(id))
    }

    /// All that was written to a stream was acknowledged, its end included.
    pub fn is_delivered(&self, id: u64) -> bool {
        self.delivered[half_of(id)].contains(number_of(id))
    }
}
