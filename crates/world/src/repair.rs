//! Links that repair losses by themselves: what their ends send, and when it arrives.

use crate::ledger::Place;
use crate::special::{FIRST_ARQ, tag_bytes};
use crate::{World, dispatch};
use tidewire_engine::{Class, Key};
use tidewire_l1_physical::{Framing, Offer, PacketClass};
use tidewire_l2_datalink::arq::{Arq, ArqStats, Delivered, Outcome, Sending};
use tidewire_units::{DirId, Instant, LinkId};
use tidewire_wire::{Cause, Hot};

/// Bytes of the number in a frame.
const NUMBER_BYTES: u16 = 2;
/// Bytes of an acknowledgment before it is framed.
const ACK_BYTES: u16 = 6;

/// A link with repair.
pub(crate) struct Repair {
    pub arq: Arq,
    pub link: LinkId,
    armed: Instant,
}

impl Repair {
    pub fn new(arq: Arq, link: LinkId) -> Repair {
        Repair { arq, link, armed: Instant::MAX }
    }

    fn dir(&self, end: usize) -> usize {
        DirId::forward(self.link).index() + end
    }
}

impl World {
    /// Offers a packet to an end of a link with repair.
    #[inline(never)]
    pub(crate) fn transmit_with_repair(&mut self, dir: usize, packet: Hot, repair: usize) {
        if !self.directions[dir].port.is_up() {
            self.directions[dir].port.stats_mut().link_down += 1;
            self.note_offer(dir, &packet, Offer::LinkDown);
            return self.end(packet, Cause::LinkDown, Place::Link(DirId::from_index(dir)));
        }
        if let Err(packet) = self.repairs[repair].arq.offer(dir & 1, packet) {
            self.directions[dir].port.stats_mut().queue_full += 1;
            self.note_offer(dir, &packet, Offer::QueueFull);
            self.end(packet, Cause::QueueFull, Place::Link(DirId::from_index(dir)));
        }
        self.pump_repair(repair);
    }

    /// Something is due on a link with repair.
    pub(crate) fn wake_repair(&mut self, repair: usize, key: Key) {
        let own = &mut self.repairs[repair];
        if own.armed != key.time() {
            return;
        }
        own.armed = Instant::MAX;
        let mut out = Outcome::default();
        own.arq.handle_timeout(key.time(), &mut out);
        for Delivered { from, packet } in out.given_up {
            let dir = self.repairs[repair].dir(from);
            self.end(packet, Cause::Loss, Place::Link(DirId::from_index(dir)));
        }
        for Delivered { from, mut packet } in out.delivered {
            let dir = self.repairs[repair].dir(from);
            packet.time = self.now;
            self.join_stream(dir, packet);
        }
        self.pump_repair(repair);
    }

    /// Both ends send what they have, as long as their transmitters are free.
    fn pump_repair(&mut self, repair: usize) {
        for end in 0..2 {
            let dir = self.repairs[repair].dir(end);
            while self.directions[dir].port.busy_until() <= self.now
                && let Some(sending) = self.repairs[repair].arq.next_send(end)
            {
                self.send_numbered(repair, end, sending);
            }
            let backlog = self.repairs[repair].arq.backlog(end);
            self.directions[dir].port.set_backlog(self.now, backlog);
        }
        let own = &mut self.repairs[repair];
        let at = own.arq.next_timeout();
        if at < own.armed {
            own.armed = at;
            self.agenda.push(Key::new(at, Class::Port, FIRST_ARQ + repair as u64));
        }
    }

    fn send_numbered(&mut self, repair: usize, end: usize, sending: Sending) {
        let (now, own) = (self.now, &mut self.repairs[repair]);
        let dir = own.dir(end);
        let direction = &mut self.directions[dir];
        let mut seen = None;
        let (leaves, is_lost, len) = match sending {
            Sending::Ack(_) => {
                let is_lost = direction.port.draw_loss(PacketClass(0));
                (direction.port.occupy(now, ack_bytes(direction.port.framing())), is_lost, ACK_BYTES)
            }
            Sending::Data { seq, len, .. } => {
                let packet = own.arq.packet(end, seq).copied();
                let class = match &packet {
                    Some(packet) if direction.port.loss.needs_class() => {
                        dispatch::classify(&self.packets, packet)
                    }
                    Some(packet) => PacketClass(u8::from(packet.is_ip())),
                    // The other end has it: only its acknowledgment was lost.
                    None => PacketClass::IP | PacketClass::DATA,
                };
                let is_lost = direction.port.draw_loss(class);
                let more = NUMBER_BYTES + packet.map_or(0, |packet| tag_bytes(&self.packets, &packet));
                self.hops += 1;
                let sent = direction.port.send(now, len, more, is_lost);
                seen = packet.map(|packet| (packet, if is_lost { Offer::Lost } else { Offer::Arrives(now) }));
                (sent, is_lost, len + more)
            }
        };
        let delay = direction.port.delay();
        let framing = direction.port.framing();
        let special = direction.special.as_mut().expect("a direction with repair");
        let journey = special.impairments.travel(leaves, delay, len, framing);
        if journey.is_damaged {
            direction.port.stats_mut().damaged += 1;
        }
        let arrives = (!is_lost && !journey.is_damaged).then_some(journey.arrives);
        own.arq.sent(end, sending, leaves, arrives);
        if let Some((packet, offer)) = seen {
            self.note_offer(dir, &packet, offer);
        }
    }

    /// Everything on a link with repair goes down with it: once for both directions.
    pub(crate) fn flush_repair(&mut self, dir: usize) -> u64 {
        let repair = self.directions[dir].special.as_ref().and_then(|special| special.repair);
        let Some(repair) = repair.filter(|_| dir & 1 == 0) else { return 0 };
        let all = self.repairs[repair as usize].arq.flush();
        let lost = all.iter().filter(|(end, _)| *end == 0).count() as u64;
        for (end, packet) in all {
            self.end(packet, Cause::LinkDown, Place::Link(DirId::from_index(dir + end)));
        }
        lost
    }

    /// The counters of a direction's end of a link with repair.
    pub fn repair_stats(&self, dir: DirId) -> Option<ArqStats> {
        let repair = self.directions[dir.index()].special.as_ref()?.repair?;
        Some(self.repairs[repair as usize].arq.stats(dir.index() & 1))
    }
}

/// Byte times of an acknowledgment: a frame as short as the framing allows.
fn ack_bytes(framing: Framing) -> u64 {
    framing.wire_bytes(ACK_BYTES)
}

/// How long an end waits for an acknowledgment if not told: both ways, a frame of the other end's that is in the way, and its own
/// time.
pub(crate) fn usual_timeout(ways: [&tidewire_l1_physical::Port; 2], mtu: u16) -> tidewire_units::Span {
    let frame = |port: &tidewire_l1_physical::Port| {
        port.rate().time_for(port.framing().wire_bytes(mtu) + u64::from(NUMBER_BYTES))
    };
    let ack = |port: &tidewire_l1_physical::Port| port.rate().time_for(ack_bytes(port.framing()));
    ways.into_iter().fold(tidewire_units::Span::ZERO, |sum, port| {
        sum + port.delay() + frame(port).max(ack(port)) + ack(port)
    })
}
