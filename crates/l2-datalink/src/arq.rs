//! Repair, order and flow control on a point-to-point link: stop-and-wait, go-back-N and selective repeat.
//!
//! ```text
//!   packets -> line -> window (numbered, each with a timer) == data ==>  in order? -> packets
//!                          ^                                               |
//!                          +----------------- acknowledgments <------------+
//! ```
//!
//! Both ends send and acknowledge. Whoever owns the transmitters asks for what to send next and says when it will arrive, if it will.

use crate::qdisc::Limit;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use tidewire_units::{Instant, Span};
use tidewire_wire::Hot;

/// Which frames are sent again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArqKind {
    /// The one that is under way: a window of one frame.
    StopAndWait,
    /// Everything from the one that was lost; the receiver keeps nothing that is out of order.
    GoBackN,
    /// Only what was lost; the receiver keeps the rest.
    SelectiveRepeat,
}

/// How a link repairs losses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArqConfig {
    /// Which frames are sent again.
    pub kind: ArqKind,
    /// How many frames may be under way without acknowledgment, at least 1.
    pub window: u32,
    /// How long after its last bit a frame is waited for.
    pub timeout: Span,
    /// How much may wait for the window.
    pub limit: Limit,
}

/// Counters of one end since the last restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ArqStats {
    /// Frames with data sent for the first time.
    pub frames: u64,
    /// Frames sent again.
    pub retransmissions: u64,
    /// Timers that went off.
    pub timeouts: u64,
    /// Acknowledgments sent.
    pub acks: u64,
    /// Packets given to the layer above, in order.
    pub delivered: u64,
    /// Frames received that were received before.
    pub duplicates: u64,
    /// Frames received before others that should have come first.
    pub out_of_order: u64,
    /// How often a frame was given up, and with it everything under way.
    pub resets: u64,
}

/// What an end sends next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sending {
    /// A frame with a packet of so many bytes.
    Data {
        /// Its number.
        seq: u64,
        /// Bytes of the packet.
        len: u16,
        /// It was sent before.
        again: bool,
    },
    /// An acknowledgment: of everything before this number, or of this one (selective repeat).
    Ack(u64),
}

/// What comes out of the link: a packet that the end with this number sent.
#[derive(Clone, Copy, Debug)]
pub struct Delivered {
    /// The end that sent it, 0 or 1.
    pub from: usize,
    /// The packet.
    pub packet: Hot,
}

/// What is left of packets after something was due.
#[derive(Debug, Default)]
pub struct Outcome {
    /// They come out of the link.
    pub delivered: Vec<Delivered>,
    /// They were sent by the end with this number, and are given up.
    pub given_up: Vec<Delivered>,
}

/// After so many attempts at one frame, everything under way is given up (as HDLC's N2 has it, ISO 13239).
const ATTEMPTS: u32 = 64;

/// Both ends of a link.
#[derive(Debug)]
pub struct Arq {
    config: ArqConfig,
    ends: [End; 2],
    events: BinaryHeap<Reverse<(Instant, usize, Event)>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    /// A frame with data arrives.
    Data(u64),
    /// An acknowledgment arrives.
    Ack(u64),
    /// A frame's timer goes off.
    Timer(u64),
    /// The transmitter is free.
    Free,
}

#[derive(Debug)]
struct End {
    line: VecDeque<Hot>,
    line_bytes: u64,
    /// Frames under way, by number: the first has number `base`.
    window: VecDeque<Slot>,
    base: u64,
    /// The number that the other end's next packet has.
    expected: u64,
    /// Packets of the other end that came before their turn.
    early: BTreeMap<u64, Hot>,
    acks: VecDeque<u64>,
    stats: ArqStats,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The packet, until the other end has it.
    packet: Option<Hot>,
    len: u16,
    state: SlotState,
    timeouts: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SlotState {
    New,
    /// Under way; waited for until then.
    Sent(Instant),
    Again,
    Acknowledged,
}

impl Arq {
    /// A link without packets.
    pub fn new(config: ArqConfig) -> Arq {
        let window = if config.kind == ArqKind::StopAndWait { 1 } else { config.window.max(1) };
        Arq {
            config: ArqConfig { window, ..config },
            ends: [End::new(), End::new()],
            events: BinaryHeap::new(),
        }
    }

    /// An end has a packet to send; it comes back when there is no room.
    pub fn offer(&mut self, end: usize, packet: Hot) -> Result<(), Hot> {
        let has_room = self.has_room(end, packet.len);
        let own = &mut self.ends[end];
        if (own.window.len() as u32) < self.config.window && own.line.is_empty() {
            own.admit(packet);
        } else if has_room {
            own.line_bytes += u64::from(packet.len);
            own.line.push_back(packet);
        } else {
            return Err(packet);
        }
        Ok(())
    }

    fn has_room(&self, end: usize, len: u16) -> bool {
        let own = &self.ends[end];
        match self.config.limit {
            Limit::Packets(most) => own.line.len() < most as usize,
            Limit::Bytes(most) => own.line_bytes + u64::from(len) <= most,
        }
    }

    /// What an end whose transmitter is free sends now: acknowledgments first, then what is sent again, then what is new.
    pub fn next_send(&mut self, end: usize) -> Option<Sending> {
        let own = &mut self.ends[end];
        if let Some(ack) = own.acks.pop_front() {
            own.stats.acks += 1;
            return Some(Sending::Ack(ack));
        }
        while (own.window.len() as u32) < self.config.window
            && let Some(packet) = own.line.pop_front()
        {
            own.line_bytes -= u64::from(packet.len);
            own.admit(packet);
        }
        let waits = |state| matches!(state, SlotState::New | SlotState::Again);
        let at = own.window.iter().position(|slot| waits(slot.state))?;
        let slot = own.window[at];
        let again = slot.state == SlotState::Again;
        let count = if again { &mut own.stats.retransmissions } else { &mut own.stats.frames };
        *count += 1;
        Some(Sending::Data { seq: own.base + at as u64, len: slot.len, again })
    }

    /// Says when the last bit of what was given by [`next_send`](Arq::next_send) leaves, and when it arrives, if it does.
    pub fn sent(&mut self, end: usize, sending: Sending, leaves: Instant, arrives: Option<Instant>) {
        self.events.push(Reverse((leaves, end, Event::Free)));
        let event = match sending {
            Sending::Ack(ack) => Event::Ack(ack),
            Sending::Data { seq, .. } => {
                let due = leaves + self.config.timeout;
                let own = &mut self.ends[end];
                own.window[(seq - own.base) as usize].state = SlotState::Sent(due);
                self.events.push(Reverse((due, end, Event::Timer(seq))));
                Event::Data(seq)
            }
        };
        if let Some(at) = arrives {
            self.events.push(Reverse((at, 1 - end, event)));
        }
    }

    /// When [`handle_timeout`](Arq::handle_timeout) has something to do; the ends may have something to send then.
    pub fn next_timeout(&self) -> Instant {
        self.events.peek().map_or(Instant::MAX, |Reverse((at, ..))| *at)
    }

    /// Handles everything that is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Outcome) {
        while let Some(Reverse((at, end, event))) =
            self.events.peek().copied().filter(|event| event.0.0 <= now)
        {
            self.events.pop();
            match event {
                Event::Free => {}
                Event::Data(seq) => self.receive(end, seq, &mut out.delivered),
                Event::Ack(ack) => self.acknowledge(end, ack),
                Event::Timer(seq) => self.time_out(at, end, seq, out),
            }
        }
    }

    /// A frame with data arrives at an end.
    fn receive(&mut self, end: usize, seq: u64, out: &mut Vec<Delivered>) {
        let selective = self.config.kind == ArqKind::SelectiveRepeat;
        let [a, b] = &mut self.ends;
        let (own, other) = if end == 0 { (a, b) } else { (b, a) };
        let is_new = seq >= own.expected && !own.early.contains_key(&seq);
        if !is_new {
            own.stats.duplicates += 1;
        } else if seq == own.expected || selective {
            own.stats.out_of_order += u64::from(seq != own.expected);
            own.early.insert(seq, other.take(seq));
        } else {
            own.stats.out_of_order += 1;
        }
        while let Some(packet) = own.early.remove(&own.expected) {
            own.expected += 1;
            own.stats.delivered += 1;
            out.push(Delivered { from: 1 - end, packet });
        }
        if selective {
            own.acks.push_back(seq);
        } else {
            // One that waits says less than this one.
            own.acks.clear();
            own.acks.push_back(own.expected);
        }
    }

    fn acknowledge(&mut self, end: usize, ack: u64) {
        let own = &mut self.ends[end];
        let first = if self.config.kind == ArqKind::SelectiveRepeat { ack } else { own.base };
        let last = if self.config.kind == ArqKind::SelectiveRepeat { ack + 1 } else { ack };
        for seq in first.max(own.base)..last {
            if let Some(slot) = own.window.get_mut((seq - own.base) as usize) {
                slot.state = SlotState::Acknowledged;
            }
        }
        while own.window.front().is_some_and(|slot| slot.state == SlotState::Acknowledged) {
            own.window.pop_front();
            own.base += 1;
        }
    }

    fn time_out(&mut self, at: Instant, end: usize, seq: u64, out: &mut Outcome) {
        let selective = self.config.kind == ArqKind::SelectiveRepeat;
        let own = &mut self.ends[end];
        let Some(slot) = seq.checked_sub(own.base).and_then(|i| own.window.get_mut(i as usize)) else {
            return;
        };
        // Of go-back-N only the oldest frame's timer counts.
        if slot.state != SlotState::Sent(at) || !selective && seq != own.base {
            return;
        }
        own.stats.timeouts += 1;
        slot.timeouts += 1;
        if slot.timeouts >= ATTEMPTS {
            self.give_up(end, out);
        } else if selective {
            slot.state = SlotState::Again;
        } else {
            let sent = own.window.iter_mut().filter(|slot| matches!(slot.state, SlotState::Sent(_)));
            sent.for_each(|slot| slot.state = SlotState::Again);
        }
    }

    /// What an end has under way is given up; what the other end has already comes out of the link.
    fn give_up(&mut self, end: usize, out: &mut Outcome) {
        let [a, b] = &mut self.ends;
        let (own, other) = if end == 0 { (a, b) } else { (b, a) };
        own.stats.resets += 1;
        own.base += own.window.len() as u64;
        let lost = own.window.drain(..).filter_map(|slot| slot.packet);
        out.given_up.extend(lost.map(|packet| Delivered { from: end, packet }));
        other.expected = own.base;
        let early = std::mem::take(&mut other.early).into_values();
        out.delivered.extend(early.map(|packet| Delivered { from: end, packet }));
    }

    /// The counters of an end.
    pub fn stats(&self, end: usize) -> ArqStats {
        self.ends[end].stats
    }

    /// Starts counting anew.
    pub fn restart_stats(&mut self) {
        self.ends.iter_mut().for_each(|end| end.stats = ArqStats::default());
    }

    /// Packets and bytes that wait for the window of an end.
    pub fn backlog(&self, end: usize) -> (usize, u64) {
        (self.ends[end].line.len(), self.ends[end].line_bytes)
    }

    /// A packet that an end has under way, until the other end has it.
    pub fn packet(&self, end: usize, seq: u64) -> Option<&Hot> {
        let own = &self.ends[end];
        own.window.get(seq.checked_sub(own.base)? as usize)?.packet.as_ref()
    }

    /// Every packet on the link.
    pub fn packets(&self) -> impl Iterator<Item = &Hot> {
        self.ends.iter().flat_map(|end| {
            let window = end.window.iter().filter_map(|slot| slot.packet.as_ref());
            window.chain(&end.line).chain(end.early.values())
        })
    }

    /// The link goes down: every packet is given back with the end that sent it, and numbers begin anew.
    pub fn flush(&mut self) -> Vec<(usize, Hot)> {
        self.events.clear();
        let mut all = Vec::new();
        for end in 0..2 {
            let stats = self.ends[end].stats;
            let own = std::mem::replace(&mut self.ends[end], End { stats, ..End::new() });
            all.extend(own.window.iter().filter_map(|slot| slot.packet).map(|packet| (end, packet)));
            all.extend(own.line.into_iter().map(|packet| (end, packet)));
            all.extend(own.early.into_values().map(|packet| (1 - end, packet)));
        }
        all
    }
}

impl End {
    fn new() -> End {
        End {
            line: VecDeque::new(),
            line_bytes: 0,
            window: VecDeque::new(),
            base: 0,
            expected: 0,
            early: BTreeMap::new(),
            acks: VecDeque::new(),
            stats: ArqStats::default(),
        }
    }

    fn admit(&mut self, packet: Hot) {
        let (len, state) = (packet.len, SlotState::New);
        self.window.push_back(Slot { packet: Some(packet), len, state, timeouts: 0 });
    }

    /// The packet of a frame that the other end accepts.
    fn take(&mut self, seq: u64) -> Hot {
        let slot = &mut self.window[(seq - self.base) as usize];
        slot.packet.take().expect("a packet is accepted once")
    }
}

#[cfg(test)]
#[path = "arq_tests.rs"]
mod tests;
