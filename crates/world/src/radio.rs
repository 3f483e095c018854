//! Access points: the cells of their stations, and what distance does to frames.

use crate::World;
use crate::ledger::Place;
use crate::special::FIRST_CELL;
use tidewire_engine::{Class, Key};
use tidewire_l1_physical::{Offer, PacketClass};
use tidewire_l2_datalink::medium::{Cell, CellConfig, CellEvent, CellFrame};
use tidewire_l2_datalink::qdisc::Limit;
use tidewire_topology::RadioSpec;
use tidewire_units::{DirId, Instant, NodeId, Rate, Stream};
use tidewire_wire::{Cause, Hot};

/// Bytes of a frame besides the packet: MAC header 24, LLC and SNAP 8, frame check sequence 4.
const HEADER_BYTES: u32 = 36;
const ACK_BYTES: u32 = 14;

/// Packets that wait at an access point for its stations.
const AP_QUEUE: u32 = 1000;

/// A cell, and how likely noise spoils a bit on each of its links.
pub(crate) struct Radio {
    pub cell: Cell,
    pub node: NodeId,
    /// By station: the node; the first is the access point.
    pub nodes: Vec<NodeId>,
    armed: Instant,
}

impl Radio {
    pub fn new(spec: &RadioSpec, node: NodeId, rng: Stream) -> Radio {
        let config = CellConfig {
            rate: spec.rate,
            basic_rate: spec.basic_rate,
            preamble: spec.preamble,
            slot: spec.slot,
            sifs: spec.sifs,
            cw_min: spec.cw_min,
            cw_max: spec.cw_max.max(spec.cw_min),
            attempts: spec.attempts,
            header: HEADER_BYTES,
            ack: ACK_BYTES,
        };
        let mut cell = Cell::new(config);
        cell.add_station(Limit::Packets(AP_QUEUE), rng);
        Radio { cell, node, nodes: vec![node], armed: Instant::MAX }
    }
}

/// One direction of a radio link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Air {
    /// Which cell.
    pub cell: u32,
    /// Which station sends.
    pub station: u32,
    /// The probability that noise spoils a bit.
    pub bit_error: f64,
}

/// The bit error ratio at a distance: log-distance path loss, then binary signals in white noise over the bits' energy.
pub(crate) fn bit_error(spec: &RadioSpec, metres: f64) -> f64 {
    let loss_db = spec.loss_1m + 10.0 * spec.exponent * libm::log10(metres.max(1.0));
    let snr_db = spec.power - loss_db - spec.noise;
    let per_bit = libm::pow(10.0, snr_db / 10.0) * BANDWIDTH_HZ / bits_per_s(spec.rate);
    0.5 * libm::erfc(per_bit.max(0.0).sqrt())
}

const BANDWIDTH_HZ: f64 = 20e6;

fn bits_per_s(rate: Rate) -> f64 {
    rate.bits_per_s() as f64
}

impl World {
    /// Offers a packet to a radio link.
    #[inline(never)]
    pub(crate) fn transmit_by_radio(&mut self, dir: usize, packet: Hot, class: PacketClass, air: Air) {
        let Some(is_lost) = self.admit(dir, packet, class) else { return };
        self.note_offer(dir, &packet, Offer::Arrives(self.now));
        let bits = 8.0 * (f64::from(packet.len) + f64::from(HEADER_BYTES));
        // What the link's own loss model takes is lost in every attempt.
        let error = if is_lost { 1.0 } else { 1.0 - libm::pow(1.0 - air.bit_error, bits) };
        let mut out = Vec::new();
        let frame = CellFrame { packet, tag: dir as u32, error };
        self.radios[air.cell as usize].cell.offer(self.now, air.station, frame, &mut out);
        self.settle_cell(air.cell as usize, out);
        self.note_air_queue(dir as u32);
    }

    /// Something is due in a cell.
    pub(crate) fn wake_cell(&mut self, cell: usize, key: Key) {
        let own = &mut self.radios[cell];
        if own.armed != key.time() {
            return;
        }
        own.armed = Instant::MAX;
        let mut out = Vec::new();
        own.cell.handle_timeout(key.time(), &mut out);
        self.settle_cell(cell, out);
    }

    fn settle_cell(&mut self, cell: usize, events: Vec<CellEvent>) {
        for event in events {
            let (CellEvent::Arrives { tag, .. } | CellEvent::Ended { tag, .. }) = event;
            match event {
                CellEvent::Arrives { tag, mut packet, took } => {
                    let direction = &mut self.directions[tag as usize];
                    direction.port.count_sent(packet.len, took, false);
                    self.hops += 1;
                    packet.time = self.now + direction.port.delay();
                    self.join_stream(tag as usize, packet);
                }
                CellEvent::Ended { tag, packet, cause } => {
                    let stats = self.directions[tag as usize].port.stats_mut();
                    match cause {
                        Cause::QueueFull => stats.queue_full += 1,
                        _ => stats.lost += 1,
                    }
                    self.end(packet, cause, Place::Link(DirId::from_index(tag as usize)));
                }
            }
            self.note_air_queue(tag);
        }
        let own = &mut self.radios[cell];
        let at = own.cell.next_timeout();
        if at < own.armed {
            own.armed = at;
            self.agenda.push(Key::new(at.max(self.now), Class::Port, FIRST_CELL + cell as u64));
        }
    }

    /// Notes how much waits for a radio link, and for the one that its sender serves next.
    fn note_air_queue(&mut self, tag: u32) {
        let air = self.directions[tag as usize].special.as_ref().and_then(|special| special.air);
        let Some(Air { cell, station, .. }) = air else { return };
        let cell = &self.radios[cell as usize].cell;
        for tag in [Some(tag), cell.first_tag(station)].into_iter().flatten() {
            self.directions[tag as usize].port.set_backlog(self.now, cell.backlog(station, tag));
        }
    }

    /// What waits for a radio link goes down with it.
    pub(crate) fn flush_radio(&mut self, dir: usize) -> u64 {
        let Some(air) = self.directions[dir].special.as_ref().and_then(|special| special.air) else {
            return 0;
        };
        let all = self.radios[air.cell as usize].cell.flush(air.station, dir as u32);
        let lost = all.len() as u64;
        for packet in all {
            self.end(packet, Cause::LinkDown, Place::Link(DirId::from_index(dir)));
        }
        self.note_air_queue(dir as u32);
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_further_away_the_more_bits_are_spoilt_and_slower_bits_are_heard_further() {
        let fast = RadioSpec::default();
        let slow = RadioSpec { rate: Rate::from_mbps(6), ..fast };
        // 16 dBm - 40 dB - 30 dB log 50 + 93 dBm: 18.0 dB, 13.7 dB for each bit at 54 Mbit/s.
        let at_50 = bit_error(&fast, 50.0);
        assert!((libm::log10(at_50) + 11.6).abs() < 0.3, "{at_50:e}");
        assert!(bit_error(&fast, 20.0) < at_50 && at_50 < bit_error(&fast, 80.0));
        assert!(bit_error(&slow, 100.0) < 1e-6 && bit_error(&fast, 100.0) > 1e-3);
    }
}
