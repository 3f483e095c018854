//! What each queue of a discipline has done.

use super::Queued;
use tidewire_units::{Instant, Span};

/// The figures of one queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QueueStats {
    /// Packets sent.
    pub packets: u64,
    /// Bytes of their IP packets.
    pub bytes: u64,
    /// Packets that the discipline dropped, for want of room or of its own accord.
    pub dropped: u64,
    /// Packets marked with congestion.
    pub marked: u64,
    /// Packets that wait.
    pub waiting: u64,
    /// What those that were sent waited, together.
    pub wait: Span,
    /// What one of them waited at most.
    pub longest: Span,
    /// The flow of the last packet that came.
    pub flow: u32,
}

impl QueueStats {
    /// Whether it has seen any packet.
    pub fn is_used(&self) -> bool {
        self.packets + self.dropped + self.waiting > 0
    }

    /// Mean wait of the packets that were sent; `None` without any.
    pub fn mean_wait(&self) -> Option<Span> {
        self.wait.as_ps().checked_div(self.packets).map(Span::from_ps)
    }
}

/// The figures of all queues of a discipline, by number.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    all: Vec<QueueStats>,
}

impl Queues {
    pub fn all(&self) -> &[QueueStats] {
        &self.all
    }

    /// Starts counting anew; what waits stays.
    pub fn restart(&mut self) {
        for one in &mut self.all {
            *one = QueueStats { waiting: one.waiting, flow: one.flow, ..QueueStats::default() };
        }
    }

    fn at(&mut self, queue: usize) -> &mut QueueStats {
        if self.all.len() <= queue {
            self.all.resize(queue + 1, QueueStats::default());
        }
        &mut self.all[queue]
    }

    pub fn came(&mut self, queue: usize, flow: u32) {
        let one = self.at(queue);
        one.waiting += 1;
        one.flow = flow;
    }

    pub fn marked(&mut self, queue: usize, packets: u64) {
        self.at(queue).marked += packets;
    }

    pub fn dropped(&mut self, queue: usize) {
        let one = self.at(queue);
        one.waiting -= 1;
        one.dropped += 1;
    }

    pub fn sent(&mut self, queue: usize, now: Instant, item: &Queued) {
        let (one, waited) = (self.at(queue), now.since(item.since));
        one.waiting -= 1;
        one.packets += 1;
        one.bytes += u64::from(item.packet.len);
        one.wait += waited;
        one.longest = one.longest.max(waited);
    }

    /// What waits is taken away.
    pub fn cleared(&mut self) {
        self.all.iter_mut().for_each(|one| one.waiting = 0);
    }
}
