//! The run loop, and the whole trip of a packet: arrive -> node -> outbox -> port -> stream -> arrive.

use crate::build::NodeRef;
use crate::ledger::Place;
use crate::spanning::FIRST_SWITCH;
use crate::{Limit, Pause, Sight, World};
use std::sync::atomic::Ordering;
use tidewire_engine::{Class, Key};
use tidewire_l1_physical::{Offer, PacketClass};
use tidewire_node::{Context, LOOPBACK};
use tidewire_topology as topology;
use tidewire_units::{DirId, IfaceId, Instant, NodeId};
use tidewire_wire::{Cause, Content, Hot, HotKind, TcpFlags};

/// How many events pass between two looks at the stop flag.
const LOOK_EVERY: u64 = 1024;

impl World {
    /// Runs until a process of the script goes on, a callback is due, the limit is reached or nothing is left to do.
    pub fn run(&mut self, limit: &Limit) -> Pause {
        self.started = true;
        let mut look = self.events;
        loop {
            // Every step handles the key that is popped here; a key beyond the limit is put back.
            let Some(key) = self.agenda.pop() else {
                return self.run_dry(limit);
            };
            if key.time() >= limit.until {
                self.agenda.put_back(key);
                self.advance(limit.until);
                return Pause::TimeUp;
            }
            if limit.until == Instant::MAX && key.is_background() && !self.is_alive_by_itself() {
                self.agenda.put_back(key);
                return Pause::Idle;
            }
            self.events += 1;
            if self.events >= look {
                match self.look_around(limit) {
                    Ok(next) => look = next,
                    Err(pause) => return pause,
                }
            }
            if let Some(pause) = self.step(key) {
                return pause;
            }
        }
    }

    /// What is looked at every so many events: limits, requests to stop, storms, things watched for changes. When the next look is due.
    #[cold]
    #[inline(never)]
    fn look_around(&mut self, limit: &Limit) -> Result<u64, Pause> {
        if self.events > limit.events {
            return Err(Pause::EventLimit);
        }
        if limit.stop.load(Ordering::Relaxed) || limit.halt.load(Ordering::Relaxed) {
            return Err(Pause::Stopped);
        }
        if self.storm_watch
            && let Some(storm) = self.storm()
        {
            return Err(storm);
        }
        let mut every = LOOK_EVERY;
        if self.watches.eager {
            self.notice_changes();
            every = 1;
        }
        Ok((self.events + every).min(limit.events.saturating_add(1)))
    }

    /// Schedules a callback: [`Pause::Control`] with `token` at `at`, or now if that is past. In the background it does not keep the
    /// run alive. Callbacks at one instant come by ascending token.
    pub fn schedule(&mut self, at: Instant, token: u64, background: bool) {
        let key = Key::new(at.max(self.now), Class::Control, token + FIRST_TOKEN);
        self.agenda.push(if background { key.background() } else { key });
    }

    fn run_dry(&mut self, limit: &Limit) -> Pause {
        if limit.until == Instant::MAX {
            return Pause::Idle;
        }
        self.advance(limit.until);
        Pause::TimeUp
    }

    fn advance(&mut self, to: Instant) {
        if self.watches.eager {
            self.notice_changes();
        }
        self.now = self.now.max(to);
        if !self.measuring && self.now >= self.warmup() {
            self.begin_measuring(self.warmup());
        }
    }

    #[inline]
    fn step(&mut self, key: Key) -> Option<Pause> {
        if !self.measuring && key.time() >= self.warmup() {
            self.begin_measuring(self.warmup());
        }
        match key.class() {
            Class::Arrival => self.arrive(key),
            Class::Timer if key.source() >= FIRST_SWITCH => {
                self.wake_switch((key.source() - FIRST_SWITCH) as usize, key);
            }
            Class::Timer => self.wake_node(key.source() as usize, key),
            Class::Process => return self.resume_process(key),
            Class::Control => {
                self.now = key.time();
                match key.source() {
                    DEVICES => return Some(Pause::Control(World::DEVICE_TOKEN)),
                    NOTES => return Some(Pause::Control(World::NOTE_TOKEN)),
                    _ => {}
                }
                return Some(Pause::Control(key.source() - FIRST_TOKEN));
            }
            Class::Port => {
                self.now = key.time();
                self.on_port(key.source(), key);
            }
            Class::Sampler => {
                self.now = key.time();
                self.sample(key.source() as usize);
            }
        }
        None
    }

    /// The first packet of a link's stream is there.
    #[inline]
    fn arrive(&mut self, key: Key) {
        let direction = &mut self.directions[key.source() as usize];
        let Some((mut packet, next)) = direction.stream.pop_due(&self.places, key.time()) else {
            // The packet that this key was for went down with its link.
            return;
        };
        self.now = key.time();
        if let Some(time) = next {
            self.agenda.push(Key::new(time, Class::Arrival, key.source()));
        }
        let direction = if direction.observed {
            self.see_arrival(key.source() as usize, &packet);
            &mut self.directions[key.source() as usize]
        } else {
            direction
        };
        let (to, port) = (direction.to, direction.to_port);
        match to {
            NodeRef::Ip(host) => {
                if direction.takes(&packet)
                    && let Some(out) = self.hosts[host as usize].forward_fast(self.now, &mut packet)
                {
                    return self.transmit(topology::sends_on(out).index(), packet);
                }
                if !self.processing.is_empty() && self.begin_processing(host, port, packet) {
                    return;
                }
                self.receive(host, port, packet);
            }
            NodeRef::Switch(switch) => {
                self.ingress = port;
                let mut cx = Context { now: self.now, packets: &mut self.packets, out: &mut self.out };
                self.switches[switch as usize].handle_frame(port, packet, &mut cx);
                self.settle_switch(switch);
            }
            NodeRef::Device(node) => self.receive_at_device(NodeId(node), port, packet),
            NodeRef::Hub(_) => unreachable!("frames end at the stations of a hub, not at the hub"),
        }
    }

    /// A host or router takes a packet.
    #[inline]
    pub(crate) fn receive(&mut self, host: u32, port: u32, packet: Hot) {
        let mut cx = Context { now: self.now, packets: &mut self.packets, out: &mut self.out };
        self.hosts[host as usize].handle_frame(port, packet, &mut cx);
        self.settle(host);
    }

    /// Does what a host or router wants done after an input, and queues its next wake.
    #[inline]
    pub(crate) fn settle(&mut self, host: u32) {
        for i in 0..self.out.sends.len() {
            let (iface, packet) = self.out.sends[i];
            let dir = match iface {
                LOOPBACK => self.loopback(host) as usize,
                iface => topology::sends_on(IfaceId(iface)).index(),
            };
            self.transmit(dir, packet);
        }
        self.out.sends.clear();
        self.tell(Place::Node(self.host_ids[host as usize]));
        if self.out.timers {
            self.out.timers = false;
            if !self.out.pauses.is_empty() {
                self.pause_host(host);
            }
            self.rearm(host);
        }
    }

    pub(crate) fn settle_switch(&mut self, switch: u32) {
        for i in 0..self.out.sends.len() {
            let (port, packet) = self.out.sends[i];
            let dir = self.switch_ports[switch as usize][port as usize];
            self.transmit(dir as usize, packet);
        }
        self.out.sends.clear();
        self.tell(Place::Node(self.switch_ids[switch as usize]));
        if self.out.timers {
            self.out.timers = false;
            if !self.out.pauses.is_empty() {
                self.pause_switch(switch);
            }
            self.rearm_switch(switch as usize);
        }
    }

    /// Enters what has ended in the books, tells flows of their progress and processes that they may go on.
    #[inline]
    fn tell(&mut self, place: Place) {
        for ended in &self.out.ended {
            self.ledger.end(place, ended.birth, ended.cause, ended.len);
        }
        self.out.ended.clear();
        if !self.out.progress.is_empty() {
            for progress in &self.out.progress {
                self.flows.note(self.now, *progress);
            }
            self.out.progress.clear();
            if self.flows.tracking.has_events() {
                self.wake_workloads();
            }
        }
        for token in &self.out.wakes {
            self.processes.wake(*token, self.now, &mut self.agenda);
        }
        self.out.wakes.clear();
    }

    /// Offers a packet to a port.
    #[inline(always)]
    pub(crate) fn transmit(&mut self, dir: usize, mut packet: Hot) {
        let direction = &mut self.directions[dir];
        if self.options.check_wire {
            check_wire(&self.packets, &packet, direction);
        }
        let class = if direction.port.loss.needs_class() {
            classify(&self.packets, &packet)
        } else {
            PacketClass(u8::from(packet.is_ip()))
        };
        if direction.special.is_some() {
            return self.transmit_specially(dir, packet, class);
        }
        let offer = direction.port.offer(self.now, packet.len, class);
        let direction = if direction.observed {
            self.see_offer(dir, &packet, offer);
            &mut self.directions[dir]
        } else {
            direction
        };
        let cause = match offer {
            Offer::Arrives(at) => {
                self.hops += 1;
                packet.time = at;
                if direction.stream.is_empty() {
                    self.agenda.push(Key::new(at, Class::Arrival, dir as u64));
                }
                return direction.stream.push(&mut self.places, packet);
            }
            Offer::Lost => {
                self.hops += 1;
                Cause::Loss
            }
            Offer::QueueFull => Cause::QueueFull,
            Offer::LinkDown => Cause::LinkDown,
        };
        self.end(packet, cause, Place::Link(DirId::from_index(dir)));
    }

    /// Ends a packet and enters it in the books.
    #[inline]
    pub(crate) fn end(&mut self, packet: Hot, cause: Cause, place: Place) {
        if let Place::Link(dir) = place
            && self.directions[dir.index()].observed
        {
            self.tap_saw(dir.index(), &packet, Sight::Dropped, Some(cause));
        }
        let birth = self.packets.release(packet);
        self.ledger.end(place, birth, cause, packet.len);
    }

    /// A host's timer may be due.
    fn wake_node(&mut self, host: usize, key: Key) {
        if self.wakes[host].at != key.time() {
            return;
        }
        self.wakes[host].at = Instant::MAX;
        if self.hosts[host].next_timeout().0 <= key.time() {
            self.now = key.time();
            let mut cx = Context { now: self.now, packets: &mut self.packets, out: &mut self.out };
            self.hosts[host].handle_timeout(&mut cx);
        }
        self.out.timers = true;
        self.settle(host as u32);
    }

    /// Queues a host's next wake, if it is earlier than the one that is queued.
    #[inline]
    pub(crate) fn rearm(&mut self, host: u32) {
        let (at, foreground) = self.hosts[host as usize].next_timeout();
        let wake = &mut self.wakes[host as usize];
        if foreground != wake.foreground {
            wake.foreground = foreground;
            self.busy_hosts = if foreground { self.busy_hosts + 1 } else { self.busy_hosts - 1 };
        }
        if at < wake.at {
            wake.at = at.max(self.now);
            // The key may be stale by then: whether the host keeps the run alive is counted, not queued.
            self.agenda.push(Key::new(wake.at, Class::Timer, u64::from(host)).background());
        }
    }

    /// Whether anything is left that keeps a run alive: packets under way, callbacks, timers of hosts, processes that will go on.
    fn is_alive_by_itself(&self) -> bool {
        self.agenda.foreground() > 0 || self.busy_hosts > 0 || self.processes.pending() > 0
    }
}

/// Frames wait for devices of the script.
pub(crate) const DEVICES: u64 = 1;
/// Packets wait to be looked at by the script.
pub(crate) const NOTES: u64 = 2;
/// Control tokens begin here, so that the world's own controls come first.
const FIRST_TOKEN: u64 = 1 << 8;

/// What a loss model may ask about a packet.
pub(crate) fn classify(packets: &tidewire_wire::Packets, packet: &Hot) -> PacketClass {
    let mut class = PacketClass(u8::from(packet.is_ip()));
    let has_data = match &packets.body(packet).content {
        Content::Tcp(tcp) => {
            let flags = tcp.flags;
            let data = !packets.payload(packet).is_empty();
            let of_syn = if flags.ack() { PacketClass::SYNACK } else { PacketClass::SYN };
            class = if flags.syn() { class | of_syn } else { class };
            class = if flags.fin() { class | PacketClass::FIN } else { class };
            let special = flags.intersects(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST);
            class = if !data && !special && flags.ack() { class | PacketClass::ACK } else { class };
            class = if packet.is_retransmission() { class | PacketClass::RETRANSMIT } else { class };
            data
        }
        Content::Udp(..) => !packets.payload(packet).is_empty(),
        _ => false,
    };
    if has_data { class | PacketClass::DATA } else { class }
}

fn check_wire(packets: &tidewire_wire::Packets, packet: &Hot, direction: &crate::Direction) {
    use tidewire_wire::{LinkLayer, Net, Protocol, Transport};
    let framed = direction.port.framing().has_mac();
    if !framed && packet.kind() == HotKind::Arp {
        panic!("an ARP packet on a link without MAC addresses");
    }
    let layer = if framed { LinkLayer::Ethernet } else { LinkLayer::RawIp };
    // A device may call ICMP what is none: there is nothing typed to compare.
    if let Net::Ipv4(_, Transport::Raw(Protocol::ICMP, _)) | Net::Ipv6(_, Transport::Raw(Protocol::ICMPV6, _)) =
        packets.unpack(packet).net
        && packets.piece(packet).is_none()
    {
        return;
    }
    if let Err(difference) = packets.check_wire(packet, layer) {
        panic!("the typed packet and its bytes differ: {difference}");
    }
}
