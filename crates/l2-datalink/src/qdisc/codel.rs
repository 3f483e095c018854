//! CoDel (RFC 8289): packets are dropped as they leave, when even the shortest delay within an interval was above the target.

use super::{Backlog, CodelSpec, Dropped, Limit, Queued, mark};
use tidewire_units::{Instant, Span};
use tidewire_wire::Cause;

/// Below this the queue is not worth controlling: one packet of the largest size (RFC 8289 section 4.1).
const MAX_PACKET_BYTES: u64 = 1514;

/// The control law's state, without the queue (RFC 8289 section 5.2).
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// When the delay will have been above the target for an interval.
    first_above: Option<Instant>,
    drop_next: Instant,
    count: u32,
    last_count: u32,
    is_dropping: bool,
    pub marked: u64,
}

#[derive(Debug)]
pub(crate) struct Codel {
    spec: CodelSpec,
    limit: Limit,
    pub backlog: Backlog,
    pub state: State,
}

impl Codel {
    pub fn new(spec: CodelSpec, limit: Limit) -> Codel {
        Codel { spec, limit, backlog: Backlog::default(), state: State::default() }
    }

    pub fn enqueue(&mut self, item: Queued, dropped: &mut Dropped) {
        self.backlog.push_within(self.limit, item, dropped);
    }

    pub fn dequeue(&mut self, now: Instant, dropped: &mut Dropped) -> Option<Queued> {
        self.state.dequeue(now, &self.spec, &mut self.backlog, dropped)
    }
}

impl State {
    /// The next packet of `backlog`; drops or marks on the way.
    pub fn dequeue(
        &mut self,
        now: Instant,
        spec: &CodelSpec,
        backlog: &mut Backlog,
        dropped: &mut Dropped,
    ) -> Option<Queued> {
        let (mut item, mut may_drop) = self.pop(now, spec, backlog);
        if self.is_dropping {
            self.is_dropping &= may_drop;
            while self.is_dropping && now >= self.drop_next {
                self.count += 1;
                let Some(victim) = item else { break };
                if self.marks(spec, &mut item) {
                    self.drop_next = self.control_law(self.drop_next, spec);
                    return item;
                }
                dropped.push((victim, Cause::Aqm));
                (item, may_drop) = self.pop(now, spec, backlog);
                self.is_dropping &= may_drop;
                if self.is_dropping {
                    self.drop_next = self.control_law(self.drop_next, spec);
                }
            }
        } else if may_drop {
            let was_marked = self.marks(spec, &mut item);
            if !was_marked {
                dropped.extend(item.map(|victim| (victim, Cause::Aqm)));
                item = self.pop(now, spec, backlog).0;
            }
            self.is_dropping = true;
            // Where dropping ended recently, it goes on near the rate that controlled the queue then.
            let delta = self.count.wrapping_sub(self.last_count);
            let is_recent = now.since(self.drop_next) < spec.interval * 16;
            self.count = if delta > 1 && is_recent { delta } else { 1 };
            self.drop_next = self.control_law(now, spec);
            self.last_count = self.count;
        }
        item
    }

    /// Takes the first packet and says whether the control law allows it to be dropped.
    fn pop(&mut self, now: Instant, spec: &CodelSpec, backlog: &mut Backlog) -> (Option<Queued>, bool) {
        let Some(item) = backlog.pop() else {
            self.first_above = None;
            return (None, false);
        };
        if now.since(item.since) < spec.target || backlog.bytes() <= MAX_PACKET_BYTES {
            self.first_above = None;
            return (Some(item), false);
        }
        match self.first_above {
            None => {
                self.first_above = Some(now + spec.interval);
                (Some(item), false)
            }
            Some(at) => (Some(item), now >= at),
        }
    }

    fn marks(&mut self, spec: &CodelSpec, item: &mut Option<Queued>) -> bool {
        let marked = spec.ecn && item.as_mut().is_some_and(mark);
        self.marked += u64::from(marked);
        marked
    }

    /// The next drop comes after interval / sqrt(count).
    fn control_law(&self, from: Instant, spec: &CodelSpec) -> Instant {
        from + Span::from_ps((spec.interval.as_ps() as f64 / f64::from(self.count.max(1)).sqrt()) as u64)
    }
}
