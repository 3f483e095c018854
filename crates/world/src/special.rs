//! Directions of links that do more than send in order at a constant rate: queue disciplines, recorded capacity, impairments, tags
//! of VLANs.
//!
//! A plain direction decides a packet's whole future when it is offered. Here the transmitter is an event source of its own: it asks
//! the discipline for the next packet when it becomes free. Impairments act when a packet's last bit has left.

use crate::ledger::Place;
use crate::radio::Air;
use crate::{World, build, discipline};
use std::collections::VecDeque;
use tidewire_engine::{Class, Key};
use tidewire_l1_physical::{DeliveryTrace, Impairments, Moved, OPPORTUNITY_BYTES, Offer, PacketClass};
use tidewire_l2_datalink::qdisc::{Dequeued, Discipline, DisciplineSpec, Queued};
use tidewire_units::{DirId, Instant, Rate, Span, Stream};
use tidewire_wire::{Birth, Cause, Hot, Packets, VlanTag};

/// What a direction has besides its port.
#[derive(Default)]
pub(crate) struct Special {
    pub impairments: Impairments,
    pub scheduler: Option<Scheduler>,
    /// The medium that it leads to, and which station it is there.
    pub station: Option<(u32, u32)>,
    /// Which of the links with repair it is a direction of.
    pub repair: Option<u32>,
    /// What it is in a radio cell.
    pub air: Option<Air>,
    /// A function of the script decides on every packet that is offered.
    pub filters: bool,
    /// The memory of a switch that its queue is in.
    pub buffer: Option<u32>,
    /// It stops when the other end asks for a pause.
    pub listens_to_pause: bool,
}

/// A transmitter that asks a queue discipline for its packets.
pub(crate) struct Scheduler {
    discipline: Discipline,
    trace: Option<Gate>,
    /// How many classes the discipline tells apart.
    classes: usize,
    /// How many marks have been counted.
    marked: u64,
    /// When the port's key in the agenda is due; keys for other times are stale.
    armed: Instant,
    /// Control frames, which go first and are never paused.
    control: VecDeque<Hot>,
    /// Until when the other end has asked it to pause.
    paused_until: Instant,
}

/// A transmitter that is only open at recorded times.
struct Gate {
    trace: DeliveryTrace,
    /// The packet that is being delivered, and how many of its bytes are left.
    current: Option<(Queued, u32)>,
}

/// The sources of port keys: directions come after hosts that process packets.
const FIRST_DIRECTION: u64 = 1 << 32;
/// Media come after directions.
pub(crate) const FIRST_MEDIUM: u64 = 1 << 33;
/// Links with repair come after media.
pub(crate) const FIRST_ARQ: u64 = 1 << 34;
/// Radio cells come after links with repair.
pub(crate) const FIRST_CELL: u64 = 1 << 35;
/// Packets that filters hold back come last.
pub(crate) const FIRST_HELD_BACK: u64 = 1 << 36;
/// Pauses that may have to be asked for again.
pub(crate) const FIRST_REFRESH: u64 = 1 << 37;
/// A packet's tag in a queue discipline: it will be lost; above, the port that it came in through.
const LOST: u32 = 1;

impl Special {
    /// Whether packets arrive as they are sent.
    fn keeps_order(&self) -> bool {
        self.impairments.is_none() && self.scheduler.is_none() && self.repair.is_none()
    }
}

/// Bytes of a frame's VLAN tag.
pub(crate) fn tag_bytes(packets: &Packets, packet: &Hot) -> u16 {
    if packets.vlan(packet).is_some() { VlanTag::LEN as u16 } else { 0 }
}

impl Scheduler {
    pub fn new(spec: &DisciplineSpec, rng: Stream, trace: Option<DeliveryTrace>) -> Scheduler {
        let discipline = Discipline::new(spec, rng);
        let trace = trace.map(|trace| Gate { trace, current: None });
        let (classes, armed) = (discipline::classes(spec), Instant::MAX);
        let (control, paused_until) = (VecDeque::new(), Instant::ZERO);
        Scheduler { discipline, trace, classes, marked: 0, armed, control, paused_until }
    }

    /// The discipline.
    pub fn discipline(&self) -> &Discipline {
        &self.discipline
    }

    /// The discipline, to count anew.
    pub fn discipline_mut(&mut self) -> &mut Discipline {
        &mut self.discipline
    }

    /// Everything that waits.
    pub fn waiting(&self) -> impl Iterator<Item = &Hot> {
        let current = self.trace.iter().filter_map(|gate| gate.current.as_ref().map(|(queued, _)| queued));
        self.discipline.iter().chain(current).map(|queued| &queued.packet).chain(&self.control)
    }

    /// Packets and bytes that wait.
    pub(crate) fn backlog(&self) -> (usize, u64) {
        self.discipline.backlog()
    }

    fn clear(&mut self) -> Vec<Queued> {
        let mut all = self.discipline.clear();
        all.extend(self.trace.as_mut().and_then(|gate| gate.current.take()).map(|(queued, _)| queued));
        all
    }
}

impl World {
    /// Offers a packet to a direction that is special.
    #[inline(never)]
    pub(crate) fn transmit_specially(&mut self, dir: usize, packet: Hot, class: PacketClass) {
        match &self.directions[dir].special {
            Some(special) if special.filters => self.hold(dir, packet),
            _ => self.transmit_unfiltered(dir, packet, class),
        }
    }

    /// As [`World::transmit_specially`], whatever filters say.
    pub(crate) fn transmit_unfiltered(&mut self, dir: usize, packet: Hot, class: PacketClass) {
        let direction = &mut self.directions[dir];
        let special = direction.special.as_mut().expect("a special direction");
        let more = tag_bytes(&self.packets, &packet);
        if special.station.is_some() {
            return self.transmit_on_medium(dir, packet, class, more);
        }
        if let Some(air) = special.air {
            return self.transmit_by_radio(dir, packet, class, air);
        }
        if let Some(repair) = special.repair {
            return self.transmit_with_repair(dir, packet, repair as usize);
        }
        if special.scheduler.is_none() {
            let offer = direction.port.offer_long(self.now, packet.len, more, class);
            self.note_offer(dir, &packet, offer);
            return match offer {
                Offer::Arrives(at) => self.travel(dir, packet, at - self.directions[dir].port.delay()),
                Offer::Lost => {
                    self.hops += 1;
                    self.end_on_link(dir, packet, Cause::Loss);
                }
                Offer::QueueFull => self.end_on_link(dir, packet, Cause::QueueFull),
                Offer::LinkDown => self.end_on_link(dir, packet, Cause::LinkDown),
            };
        }
        let buffer = special.buffer;
        let Some(lost) = self.admit(dir, packet, class) else { return };
        // What may leave now has left: it is not in this packet's way.
        self.pump(dir);
        let ingress = match buffer.map(|buffer| self.take_room(dir, buffer, &packet)) {
            None => 0,
            Some(Some(ingress)) => ingress,
            Some(None) => {
                self.directions[dir].port.stats_mut().queue_full += 1;
                self.note_offer(dir, &packet, Offer::QueueFull);
                return self.end_on_link(dir, packet, Cause::QueueFull);
            }
        };
        let (now, dscp) = (self.now, self.packets.body(&packet).dscp);
        let mut dropped = std::mem::take(&mut self.dropped);
        let scheduler = self.scheduler(dir);
        let class = match scheduler.classes {
            0 => 0,
            classes => discipline::class_of(dscp, classes),
        };
        let item = Queued { packet, since: now, class, tag: if lost { LOST } else { 0 } | ingress << 1 };
        scheduler.discipline.enqueue(now, item, &mut dropped);
        self.dropped = dropped;
        self.note_offer(dir, &packet, Offer::Arrives(self.now));
        self.pump(dir);
        if let Some(buffer) = buffer {
            self.watch_ingress(dir, buffer, ingress);
        }
    }

    /// Sends a control frame as soon as the transmitter is free, before everything else.
    pub(crate) fn transmit_control(&mut self, dir: usize, frame: Hot) {
        if !self.directions[dir].port.is_up() {
            return self.end_on_link(dir, frame, Cause::LinkDown);
        }
        self.note_offer(dir, &frame, Offer::Arrives(self.now));
        self.scheduler(dir).control.push_back(frame);
        self.pump(dir);
    }

    /// The other end has asked a transmitter to pause until then.
    pub(crate) fn hold_until(&mut self, dir: usize, until: Instant) {
        self.scheduler(dir).paused_until = until;
        self.pump(dir);
    }

    /// Whether the link's loss model takes a packet that is offered; `None` when the link is down, and the packet has ended.
    pub(crate) fn admit(&mut self, dir: usize, packet: Hot, class: PacketClass) -> Option<bool> {
        let port = &mut self.directions[dir].port;
        let lost = port.draw_loss(class);
        if port.is_up() {
            return Some(lost);
        }
        port.stats_mut().link_down += 1;
        self.note_offer(dir, &packet, Offer::LinkDown);
        self.end_on_link(dir, packet, Cause::LinkDown);
        None
    }

    /// The transmitter of a direction may be free.
    pub(crate) fn on_port(&mut self, source: u64, key: Key) {
        let Some(dir) = source.checked_sub(FIRST_DIRECTION) else {
            return self.finish_processing(source as u32);
        };
        if let Some(dir) = source.checked_sub(FIRST_REFRESH) {
            return self.refresh_pause(dir as usize, key);
        }
        if let Some(number) = source.checked_sub(FIRST_HELD_BACK) {
            return self.release_held_back(number);
        }
        if let Some(cell) = source.checked_sub(FIRST_CELL) {
            return self.wake_cell(cell as usize, key);
        }
        if let Some(repair) = source.checked_sub(FIRST_ARQ) {
            return self.wake_repair(repair as usize, key);
        }
        if let Some(medium) = source.checked_sub(FIRST_MEDIUM) {
            return self.wake_medium(medium as usize, key);
        }
        let scheduler = self.scheduler(dir as usize);
        if scheduler.armed == key.time() {
            scheduler.armed = Instant::MAX;
            if scheduler.trace.is_some() {
                self.deliver_by_trace(dir as usize);
            }
            self.pump(dir as usize);
        }
    }

    fn scheduler(&mut self, dir: usize) -> &mut Scheduler {
        let special = self.directions[dir].special.as_mut();
        special.and_then(|special| special.scheduler.as_mut()).expect("a direction with a discipline")
    }

    /// Sends as long as the transmitter is free, and sees to it that it is asked again.
    fn pump(&mut self, dir: usize) {
        let now = self.now;
        if self.scheduler(dir).trace.is_some() {
            return self.await_opportunity(dir);
        }
        let mut again = Instant::MAX;
        while self.directions[dir].port.busy_until() <= now {
            let scheduler = self.scheduler(dir);
            if let Some(frame) = scheduler.control.pop_front() {
                let sent = self.directions[dir].port.send(now, frame.len, 0, false);
                self.travel(dir, frame, sent);
                continue;
            }
            if scheduler.paused_until > now {
                again =
                    if scheduler.discipline.backlog().0 > 0 { scheduler.paused_until } else { Instant::MAX };
                break;
            }
            let next = {
                let World { directions, dropped, .. } = self;
                let special = directions[dir].special.as_mut();
                let scheduler = special.and_then(|special| special.scheduler.as_mut());
                scheduler.map(|scheduler| scheduler.discipline.dequeue(now, dropped))
            };
            match next {
                Some(Dequeued::Packet(item)) => self.send_item(dir, item),
                Some(Dequeued::NotBefore(at)) => {
                    again = at.max(now);
                    break;
                }
                Some(Dequeued::Empty) | None => break,
            }
        }
        let busy = self.directions[dir].port.busy_until();
        let scheduler = self.scheduler(dir);
        if busy > now && (scheduler.discipline.backlog().0 > 0 || !scheduler.control.is_empty()) {
            again = again.min(busy);
        }
        self.arm_port(dir, again);
        self.settle_queue(dir);
    }

    fn arm_port(&mut self, dir: usize, at: Instant) {
        let scheduler = self.scheduler(dir);
        if at < scheduler.armed {
            scheduler.armed = at;
            self.agenda.push(Key::new(at, Class::Port, FIRST_DIRECTION + dir as u64));
        }
    }

    /// Ends what the discipline has dropped, and notes how much waits.
    fn settle_queue(&mut self, dir: usize) {
        while let Some((item, cause)) = self.dropped.pop() {
            let stats = self.directions[dir].port.stats_mut();
            match cause {
                Cause::Aqm => stats.aqm += 1,
                _ => stats.queue_full += 1,
            }
            self.leave_room(dir, &item.packet, item.tag >> 1);
            self.end_on_link(dir, item.packet, cause);
        }
        let scheduler = self.scheduler(dir);
        let (marked, backlog) = (scheduler.discipline.marked(), scheduler.backlog());
        let newly = marked - std::mem::replace(&mut scheduler.marked, marked);
        let port = &mut self.directions[dir].port;
        port.stats_mut().marked += newly;
        port.set_backlog(self.now, backlog);
    }

    fn send_item(&mut self, dir: usize, item: Queued) {
        self.leave_room(dir, &item.packet, item.tag >> 1);
        let lost = item.tag & LOST != 0;
        let more = tag_bytes(&self.packets, &item.packet);
        let sent = self.directions[dir].port.send(self.now, item.packet.len, more, lost);
        if lost {
            self.hops += 1;
            return self.end_on_link(dir, item.packet, Cause::Loss);
        }
        self.travel(dir, item.packet, sent);
    }

    fn await_opportunity(&mut self, dir: usize) {
        let now = self.now;
        let scheduler = self.scheduler(dir);
        let waits = scheduler.discipline.backlog().0 > 0;
        if let Some(gate) = scheduler.trace.as_mut().filter(|gate| waits || gate.current.is_some()) {
            let at = gate.trace.due(now);
            self.arm_port(dir, at);
        }
        self.settle_queue(dir);
    }

    /// An opportunity delivers the bytes of one large packet, or of several small ones; what it does not use is gone.
    fn deliver_by_trace(&mut self, dir: usize) {
        let (now, mut credit) = (self.now, OPPORTUNITY_BYTES);
        loop {
            let World { directions, dropped, .. } = self;
            let special = directions[dir].special.as_mut();
            let scheduler = special.and_then(|special| special.scheduler.as_mut());
            let Some(Scheduler { discipline, trace: Some(gate), .. }) = scheduler else { return };
            if gate.current.is_none() {
                match discipline.dequeue(now, dropped) {
                    Dequeued::Packet(item) => gate.current = Some((item, u32::from(item.packet.len))),
                    Dequeued::NotBefore(_) | Dequeued::Empty => break,
                }
            }
            let Some((item, left)) = &mut gate.current else { break };
            let part = credit.min(*left);
            (credit, *left) = (credit - part, *left - part);
            if *left > 0 {
                break;
            }
            let item = *item;
            gate.current = None;
            self.leave_room(dir, &item.packet, item.tag >> 1);
            let directions = &mut self.directions;
            let lost = item.tag & LOST != 0;
            directions[dir].port.count_sent(item.packet.len, Span::ZERO, lost);
            if lost {
                self.hops += 1;
                self.end_on_link(dir, item.packet, Cause::Loss);
            } else {
                self.travel(dir, item.packet, now);
            }
            if credit == 0 {
                break;
            }
        }
        if let Some(gate) = &mut self.scheduler(dir).trace {
            // The link was busy for the part of the opportunity's time that was used.
            let used = u64::from(OPPORTUNITY_BYTES - credit);
            let busy = Span::from_ps(gate.trace.share().as_ps() / u64::from(OPPORTUNITY_BYTES) * used);
            gate.trace.take();
            self.directions[dir].port.stats_mut().busy += busy;
        }
    }

    /// The last bit of a packet leaves at `sent`: when and how it arrives.
    fn travel(&mut self, dir: usize, mut packet: Hot, sent: Instant) {
        self.hops += 1;
        let more = tag_bytes(&self.packets, &packet);
        let direction = &mut self.directions[dir];
        let (delay, framing) = (direction.port.delay(), direction.port.framing());
        let special = direction.special.as_mut().expect("a special direction");
        let journey = special.impairments.travel(sent, delay, packet.len + more, framing);
        packet.time = journey.arrives;
        let twin = journey.is_doubled.then(|| self.packets.copy(&packet, Birth::Duplicate));
        if journey.is_damaged {
            packet.corrupt();
            self.directions[dir].port.stats_mut().damaged += 1;
        }
        self.join_stream(dir, packet);
        if let Some(twin) = twin {
            self.join_stream(dir, twin);
        }
    }

    /// Puts a packet among those under way, in the order of arrival.
    pub(crate) fn join_stream(&mut self, dir: usize, packet: Hot) {
        let at = packet.time;
        if self.directions[dir].stream.insert(&mut self.places, packet) {
            self.agenda.push(Key::new(at, Class::Arrival, dir as u64));
        }
    }

    pub(crate) fn end_on_link(&mut self, dir: usize, packet: Hot, cause: Cause) {
        self.end(packet, cause, Place::Link(DirId::from_index(dir)));
    }

    pub(crate) fn note_offer(&mut self, dir: usize, packet: &Hot, offer: Offer) {
        if self.directions[dir].observed {
            self.see_offer(dir, packet, offer);
        }
    }

    /// What waits in a direction's discipline goes down with the link.
    pub(crate) fn flush_scheduler(&mut self, dir: usize) -> u64 {
        let Some(special) = &mut self.directions[dir].special else { return 0 };
        let Some(scheduler) = &mut special.scheduler else { return 0 };
        let all = scheduler.clear();
        scheduler.paused_until = Instant::ZERO;
        let control = std::mem::take(&mut scheduler.control);
        let lost = (all.len() + control.len()) as u64;
        control.into_iter().for_each(|frame| self.end_on_link(dir, frame, Cause::LinkDown));
        for item in all {
            self.leave_room(dir, &item.packet, item.tag >> 1);
            self.end_on_link(dir, item.packet, Cause::LinkDown);
        }
        self.forget_pause(dir);
        self.directions[dir].port.set_backlog(self.now, (0, 0));
        lost
    }

    /// Changes the rate of a direction, its delay, or both. What has begun to be sent is not touched. On a direction with impairments,
    /// what was queued before keeps the time of its arrival.
    pub fn set_rate_and_delay(&mut self, dir: DirId, rate: Option<Rate>, delay: Option<Span>) {
        let dir = dir.index();
        let port = &mut self.directions[dir].port;
        let (rate, delay) = (rate.unwrap_or(port.rate()), delay.unwrap_or(port.delay()));
        let is_shorter = delay < port.delay();
        let moved = port.change(self.now, rate, delay);
        if self.directions[dir].special.as_ref().is_none_or(|special| special.keeps_order()) {
            self.move_arrivals(dir, &moved);
        }
        if is_shorter {
            // Nobody overtakes those that left under the longer delay.
            let last = self.directions[dir]
                .stream
                .iter(&self.places)
                .last()
                .map_or(Instant::ZERO, |packet| packet.time);
            let special = self.directions[dir].special.get_or_insert_with(Box::default);
            special.impairments.keep_behind(last);
        }
    }

    /// Replaces the impairments of a direction.
    pub fn set_impairments(&mut self, dir: DirId, spec: &tidewire_topology::ImpairmentSpec) {
        let name = build::direction_name(&self.plan, dir);
        let impairments = build::impairments_of(spec, self.streams, &name);
        let last = self.directions[dir.index()].stream.iter(&self.places).last().map(|packet| packet.time);
        let special = self.directions[dir.index()].special.get_or_insert_with(Box::default);
        special.impairments = impairments;
        special.impairments.keep_behind(last.unwrap_or(Instant::ZERO));
    }

    /// A direction's queue discipline, if it has one.
    pub fn discipline(&self, dir: DirId) -> Option<&Discipline> {
        let special = self.directions[dir.index()].special.as_ref()?;
        special.scheduler.as_ref().map(Scheduler::discipline)
    }

    /// Packets that had not begun to be sent arrive at other times now; those that noise took are not there any more.
    fn move_arrivals(&mut self, dir: usize, moved: &[Moved]) {
        let mut latest = Instant::ZERO;
        let mut moved = moved.iter().peekable();
        let stream = &mut self.directions[dir].stream;
        let mut head = None;
        stream.for_each_mut(&mut self.places, |packet| {
            while moved.next_if(|moved| moved.from < packet.time).is_some() {}
            if let Some(found) = moved.next_if(|moved| moved.from == packet.time) {
                packet.time = found.to.max(latest);
            }
            latest = packet.time;
            head.get_or_insert(packet.time);
        });
        if let Some(at) = head {
            self.agenda.push(Key::new(at, Class::Arrival, dir as u64));
        }
    }
}
