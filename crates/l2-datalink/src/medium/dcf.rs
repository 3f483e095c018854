//! The distributed coordination function of wireless LANs (IEEE 802.11 clause 10.3): stations that hear each other, one rate, basic
//! access (no RTS and CTS).

use super::{Line, StationStats};
use crate::qdisc::Limit;
use std::collections::BTreeMap;
use tidewire_units::{Instant, Rate, Span, Stream};
use tidewire_wire::{Cause, Hot};

/// Times and sizes of a cell.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CellConfig {
    /// How fast data is sent.
    pub rate: Rate,
    /// How fast acknowledgments are sent.
    pub basic_rate: Rate,
    /// Preamble and header of the physical layer.
    pub preamble: Span,
    /// One slot of the backoff.
    pub slot: Span,
    /// Between a frame and its acknowledgment.
    pub sifs: Span,
    /// The smallest contention window: a backoff is 0 to this many slots.
    pub cw_min: u32,
    /// The largest.
    pub cw_max: u32,
    /// Attempts before a frame is given up.
    pub attempts: u32,
    /// Bytes of a frame besides the packet: MAC header, LLC, frame check sequence.
    pub header: u32,
    /// Bytes of an acknowledgment.
    pub ack: u32,
}

impl CellConfig {
    /// How long the medium must be free before anybody sends: SIFS and two slots.
    pub fn difs(&self) -> Span {
        self.sifs + self.slot + self.slot
    }

    /// How long a frame with a packet of so many bytes takes.
    pub fn data_time(&self, len: u16) -> Span {
        self.preamble + self.rate.time_for(u64::from(len) + u64::from(self.header))
    }

    /// How long an acknowledgment takes.
    pub fn ack_time(&self) -> Span {
        self.preamble + self.basic_rate.time_for(u64::from(self.ack))
    }
}

/// What happens in a cell. `tag` is the caller's.
#[derive(Clone, Copy, Debug)]
pub enum CellEvent {
    /// A frame arrives.
    Arrives {
        /// As offered.
        tag: u32,
        /// The packet.
        packet: Hot,
        /// How long it was sent.
        took: Span,
    },
    /// A frame is given up.
    Ended {
        /// As offered.
        tag: u32,
        /// The packet.
        packet: Hot,
        /// Why.
        cause: Cause,
    },
}

/// A frame to send in a cell.
#[derive(Clone, Copy, Debug)]
pub struct CellFrame {
    /// The packet.
    pub packet: Hot,
    /// The caller's own mark, given back with the packet.
    pub tag: u32,
    /// The probability that noise spoils it.
    pub error: f64,
}

/// Stations that share a channel; all hear each other.
///
/// ```text
///   free for DIFS --> backoff counts down slots while free --> send --> SIFS --> acknowledgment
///                          ^ window doubles                      |
///                          +----- no acknowledgment <------------+
/// ```
#[derive(Debug)]
pub struct Cell {
    config: CellConfig,
    stations: Vec<Station>,
    /// The channel is in use until then; free since then.
    free_from: Instant,
    sending: Option<Sending>,
}

#[derive(Debug)]
struct Station {
    line: Line,
    /// Packets and bytes with each tag.
    held: BTreeMap<u32, (usize, u64)>,
    frames: std::collections::VecDeque<CellFrame>,
    /// Slots left to wait; `None`: none was drawn.
    backoff: Option<u64>,
    /// When it came to a free channel with nothing to wait for but that it stays free.
    ready: Instant,
    window: u32,
    attempts: u32,
    rng: Stream,
    stats: StationStats,
}

#[derive(Debug)]
struct Sending {
    /// Who sends.
    who: Vec<u32>,
    /// When the data has been sent, and heard if nobody else did.
    ends: Instant,
    is_good: bool,
}

impl Cell {
    /// A cell without stations.
    pub fn new(config: CellConfig) -> Cell {
        Cell { config, stations: Vec::new(), free_from: Instant::ZERO, sending: None }
    }

    /// The times.
    pub fn config(&self) -> &CellConfig {
        &self.config
    }

    /// Adds a station and says its number.
    pub fn add_station(&mut self, limit: Limit, rng: Stream) -> u32 {
        self.stations.push(Station {
            line: Line::new(limit),
            held: BTreeMap::new(),
            frames: std::collections::VecDeque::new(),
            backoff: None,
            ready: Instant::ZERO,
            window: self.config.cw_min,
            attempts: 0,
            rng,
            stats: StationStats::default(),
        });
        self.stations.len() as u32 - 1
    }

    /// A station wants to send a frame.
    pub fn offer(&mut self, now: Instant, station: u32, frame: CellFrame, out: &mut Vec<CellEvent>) {
        let is_busy = now < self.free_from || self.sending.is_some();
        let own = &mut self.stations[station as usize];
        let as_queued = super::Frame { packet: frame.packet, bytes: 0, is_lost: false };
        if !own.line.push(as_queued) {
            own.stats.queue_full += 1;
            out.push(CellEvent::Ended { tag: frame.tag, packet: frame.packet, cause: Cause::QueueFull });
            return;
        }
        let held = own.held.entry(frame.tag).or_default();
        *held = (held.0 + 1, held.1 + u64::from(frame.packet.len));
        own.frames.push_back(frame);
        if own.frames.len() > 1 {
            return;
        }
        own.ready = now;
        if is_busy && own.backoff.is_none() {
            own.draw();
        }
    }

    /// When [`handle_timeout`](Cell::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Instant {
        match &self.sending {
            Some(sending) => sending.ends,
            None => self.stations.iter().filter_map(|own| self.start_of(own)).min().unwrap_or(Instant::MAX),
        }
    }

    /// When a station begins to send if nobody does before.
    fn start_of(&self, own: &Station) -> Option<Instant> {
        let free = self.free_from + self.config.difs();
        let slots = |n: u64| Span::from_ps(self.config.slot.as_ps() * n);
        (!own.frames.is_empty()).then(|| match own.backoff {
            Some(left) => (free + slots(left)).max(own.ready),
            None => free.max(own.ready),
        })
    }

    /// Handles everything that is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<CellEvent>) {
        while self.next_timeout() <= now {
            let at = self.next_timeout();
            match self.sending.take() {
                Some(sending) => self.finish(sending, out),
                None => self.begin(at),
            }
        }
    }

    /// Everybody whose time has come sends; the others keep what is left of their backoff.
    fn begin(&mut self, now: Instant) {
        let starts: Vec<Option<Instant>> = self.stations.iter().map(|own| self.start_of(own)).collect();
        let passed = now.since(self.free_from + self.config.difs()).as_ps() / self.config.slot.as_ps().max(1);
        let mut who = Vec::new();
        let mut took = Span::ZERO;
        for (station, start) in (0u32..).zip(&starts) {
            let own = &mut self.stations[station as usize];
            if *start == Some(now) {
                let frame = own.frames.front().expect("a station that sends has a frame");
                took = took.max(self.config.data_time(frame.packet.len));
                own.backoff = None;
                own.stats.attempts += 1;
                who.push(station);
                continue;
            }
            match own.backoff {
                Some(left) if own.frames.is_empty() && left <= passed => own.backoff = None,
                Some(left) => own.backoff = Some(left.saturating_sub(passed)),
                // It was about to send: now it has to wait as the others do.
                None if start.is_some() => own.draw(),
                None => {}
            }
        }
        let is_good = match who[..] {
            [only] => {
                let own = &mut self.stations[only as usize];
                let error = own.frames.front().map_or(0.0, |frame| frame.error);
                error <= 0.0 || own.rng.unit() >= error
            }
            _ => {
                who.iter().for_each(|station| self.stations[*station as usize].stats.collisions += 1);
                false
            }
        };
        let ends = now + took;
        self.free_from = if is_good { ends + self.config.sifs + self.config.ack_time() } else { ends };
        self.sending = Some(Sending { who, ends, is_good });
    }

    fn finish(&mut self, sending: Sending, out: &mut Vec<CellEvent>) {
        let config = self.config;
        for station in sending.who {
            let own = &mut self.stations[station as usize];
            own.ready = sending.ends;
            own.attempts += 1;
            let is_over = sending.is_good || own.attempts >= config.attempts;
            if is_over {
                own.line.pop();
                let frame = own.frames.pop_front().expect("it was sent");
                let CellFrame { packet, tag, .. } = frame;
                own.let_go(tag, packet.len);
                let took = config.data_time(packet.len);
                (own.attempts, own.window) = (0, config.cw_min);
                if sending.is_good {
                    own.stats.frames += 1;
                    own.stats.bytes += u64::from(packet.len);
                    own.stats.carried += took;
                    out.push(CellEvent::Arrives { tag, packet, took });
                } else {
                    own.stats.excessive += 1;
                    out.push(CellEvent::Ended { tag, packet, cause: Cause::Collisions });
                }
            } else {
                own.window = (own.window * 2 + 1).min(config.cw_max);
            }
            // After success as well, so that nobody keeps the channel.
            own.draw();
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

    /// Every packet that waits or is on its way.
    pub fn packets(&self) -> impl Iterator<Item = &Hot> {
        self.stations.iter().flat_map(|station| &station.frames).map(|frame| &frame.packet)
    }

    /// The tag of the frame that a station sends or is about to.
    pub fn first_tag(&self, station: u32) -> Option<u32> {
        self.stations[station as usize].frames.front().map(|frame| frame.tag)
    }

    /// Packets and bytes with a tag that wait at a station, but for the one that it sends or is about to.
    pub fn backlog(&self, station: u32, tag: u32) -> (usize, u64) {
        let own = &self.stations[station as usize];
        let (packets, bytes) = own.held.get(&tag).copied().unwrap_or_default();
        match own.frames.front().filter(|first| first.tag == tag) {
            Some(first) => (packets - 1, bytes - u64::from(first.packet.len)),
            None => (packets, bytes),
        }
    }

    /// A link goes down: what waits with its tag at a station is given back, but for what is being sent.
    pub fn flush(&mut self, station: u32, tag: u32) -> Vec<Hot> {
        let is_sending = self.sending.as_ref().is_some_and(|sending| sending.who.contains(&station));
        let own = &mut self.stations[station as usize];
        let kept: Vec<bool> = own
            .frames
            .iter()
            .enumerate()
            .map(|(i, frame)| frame.tag != tag || i == 0 && is_sending)
            .collect();
        let all: Vec<CellFrame> = own.frames.drain(..).collect();
        let mut gone = Vec::new();
        let (frames, mut line) = (&mut own.frames, Line::new(own.line.limit));
        for (frame, keep) in all.into_iter().zip(kept) {
            if keep {
                line.frames.push_back(super::Frame { packet: frame.packet, bytes: 0, is_lost: false });
                line.bytes += u64::from(frame.packet.len);
                frames.push_back(frame);
            } else {
                gone.push(frame.packet);
            }
        }
        own.line = line;
        for packet in &gone {
            own.let_go(tag, packet.len);
        }
        gone
    }
}

impl Station {
    fn let_go(&mut self, tag: u32, len: u16) {
        if let Some(held) = self.held.get_mut(&tag) {
            *held = (held.0 - 1, held.1 - u64::from(len));
        }
    }

    fn draw(&mut self) {
        self.backoff = Some(self.rng.between(0, u64::from(self.window)));
    }
}

#[cfg(test)]
#[path = "dcf_tests.rs"]
mod tests;
