//! Media that several nodes share: what a station offers, who hears it.

use crate::World;
use crate::build::NodeRef;
use crate::ledger::Place;
use crate::special::{FIRST_MEDIUM, tag_bytes};
use tidewire_engine::{Class, Key};
use tidewire_l1_physical::{Offer, PacketClass};
use tidewire_l2_datalink::medium::{Bus, Frame, Heard, StationStats};
use tidewire_units::{DirId, Instant, NodeId};
use tidewire_wire::{Birth, Cause, Hot};

/// Byte times of silence after a frame, which a medium keeps by itself.
const GAP_BYTES: u32 = 12;

/// A medium, and which directions of links lead to it and from it, by station.
pub(crate) struct Medium {
    pub bus: Bus,
    pub node: NodeId,
    pub to_it: Vec<u32>,
    pub from_it: Vec<u32>,
    armed: Instant,
}

/// A station on a shared medium, for reports.
#[derive(Clone, Copy, Debug)]
pub struct StationReport {
    /// The node.
    pub node: NodeId,
    /// Its counters.
    pub stats: StationStats,
}

impl Medium {
    pub fn new(bus: Bus, node: NodeId) -> Medium {
        Medium { bus, node, to_it: Vec::new(), from_it: Vec::new(), armed: Instant::MAX }
    }
}

impl World {
    /// Offers a packet to a station of a medium.
    #[inline(never)]
    pub(crate) fn transmit_on_medium(&mut self, dir: usize, packet: Hot, class: PacketClass, more: u16) {
        let Some(is_lost) = self.admit(dir, packet, class) else { return };
        let direction = &mut self.directions[dir];
        let bytes = direction.port.framing().wire_bytes(packet.len) as u32 + u32::from(more) - GAP_BYTES;
        let station = direction.special.as_ref().and_then(|special| special.station);
        let (medium, station) = station.expect("a direction that leads to a medium");
        self.note_offer(dir, &packet, if is_lost { Offer::Lost } else { Offer::Arrives(self.now) });
        let mut heard = std::mem::take(&mut self.heard);
        let frame = Frame { packet, bytes, is_lost };
        self.media[medium as usize].bus.offer(self.now, station, frame, &mut heard);
        self.heard = heard;
        self.settle_medium(medium as usize, Some(station));
    }

    /// Something is due on a medium.
    pub(crate) fn wake_medium(&mut self, medium: usize, key: Key) {
        let own = &mut self.media[medium];
        if own.armed != key.time() {
            return;
        }
        own.armed = Instant::MAX;
        let mut heard = std::mem::take(&mut self.heard);
        own.bus.handle_timeout(key.time(), &mut heard);
        self.heard = heard;
        self.settle_medium(medium, None);
    }

    /// Does what was heard, notes queues, and sees to it that the medium is asked again.
    fn settle_medium(&mut self, medium: usize, touched: Option<u32>) {
        let mut heard = std::mem::take(&mut self.heard);
        for event in &heard {
            self.act_on(medium, *event);
        }
        let senders = heard.drain(..).map(|event| event.sender());
        let touched: Vec<u32> = senders.chain(touched).collect();
        self.heard = heard;
        let own = &mut self.media[medium];
        for station in touched {
            let backlog = own.bus.backlog(station);
            self.directions[own.to_it[station as usize] as usize].port.set_backlog(self.now, backlog);
        }
        let at = own.bus.next_timeout();
        if at < own.armed {
            own.armed = at;
            self.agenda.push(Key::new(at.max(self.now), Class::Port, FIRST_MEDIUM + medium as u64));
        }
    }

    fn act_on(&mut self, medium: usize, event: Heard) {
        let own = &self.media[medium];
        let dir = own.to_it[event.sender() as usize] as usize;
        match event {
            Heard::Copy { to, packet, .. } => {
                let to = own.from_it[to as usize] as usize;
                let copy = self.packets.copy(&packet, Birth::Copy);
                self.hear(to, copy);
            }
            Heard::Last { to, packet, .. } => {
                let to = own.from_it[to as usize] as usize;
                if self.directions[dir].observed {
                    self.see_arrival(dir, &packet);
                }
                self.hear(to, packet);
            }
            Heard::Sent { len, took, is_lost, .. } => {
                self.hops += 1;
                self.directions[dir].port.count_sent(len, took, is_lost);
            }
            Heard::Ended { packet, cause, .. } => {
                if cause == Cause::QueueFull {
                    self.directions[dir].port.stats_mut().queue_full += 1;
                }
                self.end(packet, cause, Place::Link(DirId::from_index(dir)));
            }
        }
    }

    /// A frame reaches the end of a link that leads from a medium.
    fn hear(&mut self, dir: usize, packet: Hot) {
        let direction = &self.directions[dir];
        if direction.special.as_ref().is_some_and(|special| special.filters) {
            return self.hold(dir, packet);
        }
        let class = match direction.port.loss.needs_class() {
            true => crate::dispatch::classify(&self.packets, &packet),
            false => PacketClass(u8::from(packet.is_ip())),
        };
        self.pass_on(dir, packet, class);
    }

    /// Whether a direction leads from a medium to a station.
    pub(crate) fn is_from_medium(&self, dir: usize) -> bool {
        let node = self.plan.node_of(tidewire_topology::sender_of(DirId::from_index(dir)));
        matches!(self.nodes[node.index()], NodeRef::Hub(_))
    }

    /// As [`World::hear`], whatever filters say. The way from the middle has losses of its own.
    pub(crate) fn pass_on(&mut self, dir: usize, mut packet: Hot, class: PacketClass) {
        let port = &mut self.directions[dir].port;
        if !port.is_up() {
            port.stats_mut().link_down += 1;
            return self.end(packet, Cause::LinkDown, Place::Link(DirId::from_index(dir)));
        }
        let is_lost = port.draw_loss(class);
        let more = tag_bytes(&self.packets, &packet);
        let bytes = port.framing().wire_bytes(packet.len) + u64::from(more) - u64::from(GAP_BYTES);
        port.count_sent(packet.len, port.rate().time_for(bytes), is_lost);
        self.note_offer(dir, &packet, if is_lost { Offer::Lost } else { Offer::Arrives(self.now) });
        if is_lost {
            return self.end(packet, Cause::Loss, Place::Link(DirId::from_index(dir)));
        }
        packet.time = self.now;
        self.join_stream(dir, packet);
    }

    /// What waits at a station goes down with its link.
    pub(crate) fn flush_station(&mut self, dir: usize) -> u64 {
        let station = self.directions[dir].special.as_ref().and_then(|special| special.station);
        let Some((medium, station)) = station else { return 0 };
        let all = self.media[medium as usize].bus.flush(self.now, station);
        let lost = all.len() as u64;
        for packet in all {
            self.end(packet, Cause::LinkDown, Place::Link(DirId::from_index(dir)));
        }
        self.settle_medium(medium as usize, Some(station));
        lost
    }

    /// The stations of the medium that a hub is, in the order of their links, or of an access point's cell, itself first; nothing for
    /// another node.
    pub fn stations(&self, node: NodeId) -> Vec<StationReport> {
        if let Some(radio) = self.radios.iter().find(|radio| radio.node == node) {
            let all = (0..).zip(&radio.nodes);
            return all.map(|(i, node)| StationReport { node: *node, stats: radio.cell.stats(i) }).collect();
        }
        let Some(own) = self.media.iter().find(|medium| medium.node == node) else { return Vec::new() };
        let report = |(station, dir): (u32, &u32)| StationReport {
            node: self.plan.node_of(tidewire_topology::sender_of(DirId(*dir))),
            stats: own.bus.stats(station),
        };
        (0..).zip(&own.to_it).map(report).collect()
    }
}
