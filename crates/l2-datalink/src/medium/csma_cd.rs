//! Carrier sense multiple access with collision detection (IEEE 802.3 clause 4.2): a bus that stations at different distances share.

use super::{Frame, Heard, Line, StationStats, or_never};
use crate::qdisc::Limit;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use tidewire_units::{Instant, Rate, Span, Stream};
use tidewire_wire::{Cause, Hot};

/// A frame is given up after so many attempts.
const ATTEMPTS: u32 = 16;
/// The range of the backoff doubles so many times.
const BACKOFF_LIMIT: u32 = 10;
const SLOT_BYTES: u64 = 64;
const GAP_BYTES: u64 = 12;
const JAM_BYTES: u64 = 4;
const PREAMBLE_BYTES: u64 = 8;

/// A half-duplex bus: every station hears every other one after the sum of their distances to the middle.
///
/// ```text
///   frame -> carrier? -- none for the interframe gap --> send --> whole
///               ^                                          |
///               +---- wait 0..2^n-1 slots <--- jam <--- collision
/// ```
#[derive(Debug)]
pub struct Bus {
    rate: Rate,
    stations: Vec<Station>,
    sent: BTreeMap<u64, Transmission>,
    next: u64,
    events: BinaryHeap<Reverse<(Instant, Kind, u32, u64)>>,
}

/// Kinds of events, in the order in which those of one instant are handled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    /// A station's own transmission ends.
    Stop,
    /// The end of a signal reaches a station.
    Falls,
    /// The beginning of a signal reaches a station.
    Rises,
    /// A station has waited long enough.
    Go,
}

#[derive(Debug)]
struct Station {
    delay: Span,
    line: Line,
    /// Its own transmission.
    sends: Option<u64>,
    /// Signals of others that it hears, and whether they met something here.
    hears: Vec<(u64, bool)>,
    /// Since when it hears and sends nothing.
    idle_since: Instant,
    backoff_until: Instant,
    /// When it begins to send if nothing comes between.
    go_at: Instant,
    attempts: u32,
    rng: Stream,
    stats: StationStats,
}

#[derive(Debug)]
struct Transmission {
    from: u32,
    start: Instant,
    end: Instant,
    is_aborted: bool,
    /// The frame, once it has been sent whole.
    frame: Option<Frame>,
    /// How many stations have not heard its end.
    left: u32,
    /// It was sent whole, but met another one at some station.
    is_hurt: bool,
}

impl Bus {
    /// A bus of this rate without stations.
    pub fn new(rate: Rate) -> Bus {
        Bus { rate, stations: Vec::new(), sent: BTreeMap::new(), next: 0, events: BinaryHeap::new() }
    }

    /// Adds a station at a distance of `delay` from the middle and says its number. `rng` draws its backoffs.
    pub fn add_station(&mut self, delay: Span, limit: Limit, rng: Stream) -> u32 {
        self.stations.push(Station {
            delay,
            line: Line::new(limit),
            sends: None,
            hears: Vec::new(),
            idle_since: Instant::ZERO,
            backoff_until: Instant::ZERO,
            go_at: Instant::MAX,
            attempts: 0,
            rng,
            stats: StationStats::default(),
        });
        self.stations.len() as u32 - 1
    }

    /// A station wants to send a frame.
    pub fn offer(&mut self, now: Instant, station: u32, frame: Frame, out: &mut Vec<Heard>) {
        let own = &mut self.stations[station as usize];
        if !own.line.push(frame) {
            own.stats.queue_full += 1;
            out.push(Heard::Ended { from: station, packet: frame.packet, cause: Cause::QueueFull });
        } else if own.line.frames.len() == 1 {
            self.contend(now, station);
        }
    }

    /// When [`handle_timeout`](Bus::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Instant {
        or_never(self.events.peek().map(|Reverse((at, ..))| *at))
    }

    /// Handles everything that is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Heard>) {
        while let Some(Reverse((at, kind, station, of))) =
            self.events.peek().copied().filter(|event| event.0.0 <= now)
        {
            self.events.pop();
            match kind {
                Kind::Stop => self.stop(at, station, of, out),
                Kind::Falls => self.falls(at, station, of, out),
                Kind::Rises => self.rises(at, station, of),
                Kind::Go if self.stations[station as usize].go_at == at => self.start(at, station),
                Kind::Go => {}
            }
        }
    }

    /// The counters of a station.
    pub fn stats(&self, station: u32) -> StationStats {
        self.stations[station as usize].stats
    }

    /// Starts counting anew.
    pub fn restart_stats(&mut self) {
        self.stations.iter_mut().for_each(|station| station.stats = StationStats::default());
    }

    /// Packets and bytes that wait at a station behind the first.
    pub fn backlog(&self, station: u32) -> (usize, u64) {
        self.stations[station as usize].line.backlog()
    }

    /// Every packet that waits or is on its way.
    pub fn packets(&self) -> impl Iterator<Item = &Hot> {
        let waiting = self.stations.iter().flat_map(|station| &station.line.frames);
        waiting.chain(self.sent.values().filter_map(|sent| sent.frame.as_ref())).map(|frame| &frame.packet)
    }

    /// A station's link goes down: everything that waits there is given back. What it is sending is cut off.
    pub fn flush(&mut self, now: Instant, station: u32) -> Vec<Hot> {
        if self.stations[station as usize].sends.is_some() {
            self.abort(now, station, now);
        }
        let own = &mut self.stations[station as usize];
        own.go_at = Instant::MAX;
        std::iter::from_fn(|| own.line.pop()).map(|frame| frame.packet).collect()
    }

    fn bytes(&self, bytes: u64) -> Span {
        self.rate.time_for(bytes)
    }

    /// Sees to it that a station sends when the medium has been free for long enough (section 4.2.3.2).
    fn contend(&mut self, now: Instant, station: u32) {
        let gap = self.bytes(GAP_BYTES);
        let own = &mut self.stations[station as usize];
        own.go_at = Instant::MAX;
        if !own.line.frames.is_empty() && own.sends.is_none() && own.hears.is_empty() {
            own.go_at = now.max(own.backoff_until).max(own.idle_since + gap);
            self.events.push(Reverse((own.go_at, Kind::Go, station, 0)));
        }
    }

    fn start(&mut self, now: Instant, station: u32) {
        let own = &mut self.stations[station as usize];
        own.go_at = Instant::MAX;
        let Some(frame) = own.line.frames.front() else { return };
        let end = now + self.rate.time_for(u64::from(frame.bytes));
        own.stats.attempts += 1;
        let id = self.next;
        self.next += 1;
        own.sends = Some(id);
        own.hears.iter_mut().for_each(|(_, is_damaged)| *is_damaged = true);
        let meets = !own.hears.is_empty();
        let left = self.stations.len() as u32 - 1;
        let transmission = Transmission {
            from: station,
            start: now,
            end,
            is_aborted: false,
            frame: None,
            left,
            is_hurt: false,
        };
        self.sent.insert(id, transmission);
        self.events.push(Reverse((end, Kind::Stop, station, id)));
        self.tell_others(now, station, Kind::Rises, id);
        if meets {
            self.collide(now, station);
        }
    }

    fn tell_others(&mut self, now: Instant, station: u32, kind: Kind, id: u64) {
        let own = self.stations[station as usize].delay;
        for (other, there) in (0..).zip(&self.stations).filter(|(other, _)| *other != station) {
            self.events.push(Reverse((now + own + there.delay, kind, other, id)));
        }
    }

    fn rises(&mut self, now: Instant, station: u32, id: u64) {
        let gap = self.bytes(GAP_BYTES);
        let own = &mut self.stations[station as usize];
        let meets = own.sends.is_some() || !own.hears.is_empty();
        own.hears.iter_mut().for_each(|(_, is_damaged)| *is_damaged = true);
        own.hears.push((id, meets));
        if own.sends.is_some() {
            return self.collide(now, station);
        }
        // In the last third of the gap a station does not listen any more, so that those far away have their turn.
        let deaf_from = own.idle_since + Span::from_ps(gap.as_ps() * 2 / 3);
        let is_deaf = own.go_at == own.idle_since + gap && now >= deaf_from;
        if own.go_at != now && !is_deaf {
            own.go_at = Instant::MAX;
        }
    }

    /// A sending station hears another one: it finishes its preamble, jams and stops (section 4.2.3.2.4).
    fn collide(&mut self, now: Instant, station: u32) {
        let (preamble, jam) = (self.bytes(PREAMBLE_BYTES), self.bytes(JAM_BYTES));
        let slot = self.bytes(SLOT_BYTES) + preamble;
        let own = &mut self.stations[station as usize];
        let Some(sent) = own.sends.and_then(|id| self.sent.get(&id)) else { return };
        if sent.is_aborted {
            return;
        }
        own.stats.collisions += 1;
        own.stats.late_collisions += u64::from(now.since(sent.start) > slot);
        let end = now.max(sent.start + preamble) + jam;
        self.abort(now, station, end);
    }

    fn abort(&mut self, now: Instant, station: u32, end: Instant) {
        let Some(id) = self.stations[station as usize].sends else { return };
        if let Some(sent) = self.sent.get_mut(&id) {
            sent.is_aborted = true;
            sent.end = end.max(now);
            self.events.push(Reverse((sent.end, Kind::Stop, station, id)));
        }
    }

    /// A station's own transmission ends, whole or not.
    fn stop(&mut self, now: Instant, station: u32, id: u64, out: &mut Vec<Heard>) {
        let slot = self.bytes(SLOT_BYTES);
        let own = &mut self.stations[station as usize];
        let Some(sent) = self.sent.get_mut(&id).filter(|sent| sent.end == now && own.sends == Some(id))
        else {
            return;
        };
        own.sends = None;
        if own.hears.is_empty() {
            own.idle_since = now;
        }
        if !sent.is_aborted {
            let frame = own.line.pop().expect("the frame that was sent");
            own.stats.frames += 1;
            own.stats.bytes += u64::from(frame.packet.len);
            (own.attempts, own.backoff_until) = (0, Instant::ZERO);
            sent.frame = Some(frame);
            let took = now.since(sent.start);
            out.push(Heard::Sent { from: station, len: frame.packet.len, took, is_lost: frame.is_lost });
        } else if own.attempts + 1 >= ATTEMPTS {
            own.attempts = 0;
            if let Some(frame) = own.line.pop() {
                own.stats.excessive += 1;
                out.push(Heard::Ended { from: station, packet: frame.packet, cause: Cause::Collisions });
            }
        } else {
            // Truncated binary exponential backoff (section 4.2.3.2.5).
            own.attempts += 1;
            let slots = own.rng.between(0, (1 << own.attempts.min(BACKOFF_LIMIT)) - 1);
            own.backoff_until = now + Span::from_ps(slot.as_ps() * slots);
        }
        self.tell_others(now, station, Kind::Falls, id);
        self.forget(id, out);
        self.contend(now, station);
    }

    /// The end of a signal reaches a station: it has the frame if nothing else was heard meanwhile.
    fn falls(&mut self, now: Instant, station: u32, id: u64, out: &mut Vec<Heard>) {
        let own = &mut self.stations[station as usize];
        let at = own.hears.iter().position(|(heard, _)| *heard == id).expect("it has begun");
        let (_, is_damaged) = own.hears.remove(at);
        if own.hears.is_empty() && own.sends.is_none() {
            own.idle_since = now;
        }
        let sent = self.sent.get_mut(&id).expect("somebody has not heard its end");
        sent.left -= 1;
        sent.is_hurt |= is_damaged && !sent.is_aborted;
        if let Some(frame) = sent.frame.filter(|frame| !is_damaged && !frame.is_lost) {
            let (from, to, packet) = (sent.from, station, frame.packet);
            if sent.left > 0 {
                out.push(Heard::Copy { from, to, packet });
            } else {
                sent.frame = None;
                out.push(Heard::Last { from, to, packet });
            }
        }
        self.forget(id, out);
        self.contend_if_idle(now, station);
    }

    fn contend_if_idle(&mut self, now: Instant, station: u32) {
        let own = &self.stations[station as usize];
        if own.hears.is_empty() && own.sends.is_none() {
            self.contend(now, station);
        }
    }

    /// A transmission that everybody has heard is over; a frame that is left was for nobody.
    fn forget(&mut self, id: u64, out: &mut Vec<Heard>) {
        let Some(sent) = self.sent.get(&id).filter(|sent| sent.left == 0) else { return };
        let stats = &mut self.stations[sent.from as usize].stats;
        if sent.is_hurt {
            stats.undetected += 1;
        } else if !sent.is_aborted {
            stats.carried += sent.end.since(sent.start);
        }
        if let Some(frame) = sent.frame {
            let cause = match frame.is_lost {
                true => Cause::Loss,
                false if self.stations.len() == 1 => Cause::NoPort,
                false => Cause::Corrupted,
            };
            out.push(Heard::Ended { from: sent.from, packet: frame.packet, cause });
        }
        self.sent.remove(&id);
    }
}

#[cfg(test)]
#[path = "csma_cd_tests.rs"]
mod tests;
