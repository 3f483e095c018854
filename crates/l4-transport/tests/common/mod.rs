//! Two endpoints joined by a link with a rate, a drop-tail queue, a constant delay and chosen losses.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tidewire_l4_transport::{Connection, State, TcpConfig, Transmit};
use tidewire_units::{Instant, Rate, Span};
use tidewire_wire::{Ecn, Endpoint, Payload, Seq, TcpSegment};

pub const A: usize = 0;
pub const B: usize = 1;

/// A segment that was handed to the link.
#[derive(Clone, Debug)]
pub struct Record {
    pub at: Instant,
    pub from: usize,
    pub segment: TcpSegment,
    pub ecn: Ecn,
    pub is_retransmit: bool,
    /// Ordinal among the segments of its kind (data or not) of this sender, from 1.
    pub ordinal: u64,
    pub dropped: bool,
    /// Congestion window of the sender after it was sent.
    pub cwnd: u32,
}

impl Record {
    pub fn ms(&self) -> f64 {
        self.at.as_secs_f64() * 1e3
    }

    pub fn is_data(&self) -> bool {
        !self.segment.payload.is_empty()
    }
}

type Fate = Box<dyn FnMut(&Record) -> Option<Span>>;

pub struct Link {
    pub now: Instant,
    pub ends: [Option<Connection>; 2],
    pub configs: [Arc<TcpConfig>; 2],
    pub trace: Vec<Record>,
    /// Says for each segment whether it is lost (`None`) or how much later than usual it arrives.
    pub fate: Fate,
    /// Says how often a segment that is not lost arrives.
    pub copies: Box<dyn FnMut(&Record) -> u32>,
    pub rate: Rate,
    pub delay: Span,
    pub queue: usize,
    busy: [Instant; 2],
    starts: [VecDeque<Instant>; 2],
    flying: BTreeMap<(Instant, u64), (usize, TcpSegment, Ecn)>,
    serial: u64,
    counts: [[u64; 2]; 2],
    pub isn: [u32; 2],
    pub mark_above: usize,
    pub tracing: bool,
}

pub fn endpoint(side: usize) -> Endpoint {
    Endpoint::new(Ipv4Addr::new(10, 0, 0, 1 + side as u8), [40_000, 80][side])
}

impl Link {
    /// 10 Mbit/s, 25 ms each way, a queue of 200 packets, nothing lost.
    pub fn new(config: TcpConfig) -> Link {
        let config = Arc::new(config);
        Link {
            now: Instant::ZERO,
            ends: [None, None],
            configs: [config.clone(), config],
            trace: Vec::new(),
            fate: Box::new(|_| Some(Span::ZERO)),
            copies: Box::new(|_| 1),
            rate: Rate::from_mbps(10),
            delay: Span::from_ms(25),
            queue: 200,
            busy: [Instant::ZERO; 2],
            starts: [VecDeque::new(), VecDeque::new()],
            flying: BTreeMap::new(),
            serial: 0,
            counts: [[0; 2]; 2],
            isn: [1_000, 9_000],
            mark_above: usize::MAX,
            tracing: true,
        }
    }

    /// Data segments of A with these ordinals are lost (retransmissions count).
    pub fn drop_data(&mut self, ordinals: &[u64]) {
        let ordinals = ordinals.to_vec();
        self.fate = Box::new(move |record| {
            let hit = record.from == A && record.is_data() && ordinals.contains(&record.ordinal);
            (!hit).then_some(Span::ZERO)
        });
    }

    pub fn connect(&mut self) {
        let now = self.now;
        let isn = Seq(self.isn[A]);
        self.ends[A] =
            Some(Connection::connect(now, self.configs[A].clone(), endpoint(A), endpoint(B), isn, 77));
        self.flush(A);
    }

    pub fn a(&mut self) -> &mut Connection {
        self.ends[A].as_mut().unwrap()
    }

    /// What A says about itself.
    pub fn info(&self) -> tidewire_l4_transport::TcpInfo {
        self.ends[A].as_ref().unwrap().info(self.now)
    }

    pub fn b(&mut self) -> &mut Connection {
        self.ends[B].as_mut().unwrap()
    }

    pub fn flush(&mut self, side: usize) {
        while let Some(transmit) = self.ends[side].as_mut().and_then(|end| end.poll_transmit(self.now)) {
            self.transmit(side, transmit);
        }
    }

    fn transmit(&mut self, from: usize, transmit: Transmit) {
        let Transmit { segment, ecn, is_retransmit } = transmit;
        let kind = usize::from(!segment.payload.is_empty());
        self.counts[from][kind] += 1;
        let cwnd = self.ends[from].as_ref().unwrap().info(self.now).snd_cwnd;
        let mut record = Record {
            at: self.now,
            from,
            segment,
            ecn,
            is_retransmit,
            ordinal: self.counts[from][kind],
            dropped: true,
            cwnd,
        };
        let waiting = self.starts[from].iter().filter(|start| **start > self.now).count();
        self.starts[from].retain(|start| *start > self.now);
        let fate = (self.fate)(&record);
        let free = self.busy[from] <= self.now;
        if free || waiting < self.queue {
            let start = self.busy[from].max(self.now);
            let bytes = 20 + record.segment.header_len() + record.segment.payload.len();
            self.busy[from] = start + self.rate.time_for(bytes as u64);
            self.starts[from].push_back(start);
            if let Some(extra) = fate {
                record.dropped = false;
                let arrival = self.busy[from] + self.delay + extra;
                let marked = ecn != Ecn::NotCapable && waiting > self.mark_above;
                let ecn = if marked { Ecn::Congestion } else { ecn };
                for _ in 0..(self.copies)(&record) {
                    self.serial += 1;
                    self.flying.insert((arrival, self.serial), (1 - from, record.segment.clone(), ecn));
                }
            }
        }
        if self.tracing {
            self.trace.push(record);
        }
    }

    /// The next instant at which something happens.
    pub fn next(&self) -> Option<Instant> {
        let arrival = self.flying.keys().next().map(|key| key.0);
        let timers = self.ends.iter().flatten().map(Connection::next_timeout).min();
        let next = arrival.into_iter().chain(timers).min()?;
        (next < Instant::MAX).then_some(next)
    }

    /// Runs until `until`, or until nothing happens any more.
    pub fn run(&mut self, until: Instant) {
        while let Some(next) = self.next() {
            if next > until {
                break;
            }
            self.now = self.now.max(next);
            self.step();
        }
        self.now = self.now.max(until);
    }

    pub fn run_for(&mut self, span: Span) {
        self.run(self.now + span);
    }

    fn step(&mut self) {
        while let Some(first) = self.flying.first_entry().filter(|first| first.key().0 <= self.now) {
            let (to, segment, ecn) = first.remove();
            self.arrive(to, &segment, ecn);
        }
        for side in [A, B] {
            if self.ends[side].as_ref().is_some_and(|end| end.next_timeout() <= self.now) {
                self.ends[side].as_mut().unwrap().handle_timeout(self.now);
                self.flush(side);
            }
        }
    }

    pub fn arrive(&mut self, to: usize, segment: &TcpSegment, ecn: Ecn) {
        if let Some(end) = self.ends[to].as_mut().filter(|end| end.state() != State::Closed) {
            end.handle_segment(self.now, segment, ecn);
        } else if to == B && self.ends[B].is_none() && segment.flags.syn() && !segment.flags.ack() {
            let (config, isn) = (self.configs[B].clone(), Seq(self.isn[B]));
            let end = Connection::accept(self.now, config, endpoint(B), endpoint(A), segment, ecn, isn, 55);
            self.ends[B] = Some(end);
        } else if let Some(reset) = tidewire_l4_transport::reset_for(segment) {
            let transmit = Transmit { segment: reset, ecn: Ecn::NotCapable, is_retransmit: false };
            if self.ends[to].is_some() {
                self.transmit(to, transmit);
            }
        }
        self.flush(to);
    }

    /// Opens a connection and lets A send `bytes` synthetic bytes to a reader that is always ready.
    pub fn bulk(&mut self, bytes: Option<u64>) {
        self.connect();
        while self.ends[B].as_ref().is_none_or(|b| b.state() != State::Established)
            || self.a().state() != State::Established
        {
            let next = self.next().expect("a handshake that goes on");
            self.run(next);
        }
        self.b().set_discard(true);
        let now = self.now;
        self.a().supply(now, bytes);
        self.flush(A);
    }

    /// Data transmissions of A.
    pub fn data(&self) -> Vec<&Record> {
        self.trace.iter().filter(|record| record.from == A && record.is_data()).collect()
    }

    pub fn send(&mut self, side: usize, payload: Payload) -> usize {
        let now = self.now;
        let taken = self.ends[side].as_mut().unwrap().send(now, payload);
        self.flush(side);
        taken
    }
}
