//! Memory that the queues of a switch share, and PAUSE, which keeps it from overflowing (IEEE 802.3 annex 31B).

use crate::build::NodeRef;
use crate::special::{FIRST_REFRESH, tag_bytes};
use crate::{World, special};
use tidewire_engine::{Class, Key};
use tidewire_topology::{self as topology, BufferSpec, sends_on};
use tidewire_units::{DirId, IfaceId, Instant};
use tidewire_wire::{Hot, HotKind, MacKey, PauseFrame};

/// Longest frame with everything around it on the wire, in bytes.
const FRAME: u64 = 1538;

/// The longest pause.
const LONGEST: PauseFrame = PauseFrame { quanta: u16::MAX };

/// The memory of a switch.
pub(crate) struct Buffer {
    spec: BufferSpec,
    used: u64,
    highest: u64,
    ports: Vec<Ingress>,
}

/// What came in through a port and waits.
struct Ingress {
    waiting: u64,
    /// Above this the neighbour is asked to pause, below half of it to go on; `None`: it does not listen.
    most: Option<u64>,
    /// When it must be asked again; never: it is not paused. Keys for other times are stale.
    again: Instant,
    /// How often it was asked to pause.
    pauses: u64,
}

/// Figures of the memory that the queues of a switch share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BufferReport {
    /// Bytes that wait now.
    pub used: u64,
    /// The most that ever waited.
    pub highest: u64,
    /// PAUSE frames that asked a neighbour to stop.
    pub pauses: u64,
}

impl Buffer {
    fn admits(&self, queued: u64, len: u64, ingress: Option<usize>) -> bool {
        let free = self.spec.size.0.saturating_sub(self.used);
        if len > free {
            return false;
        }
        // What came over a link with PAUSE is limited where it comes from.
        let is_lossless = ingress.is_some_and(|port| self.ports[port].most.is_some());
        is_lossless || (queued + len) as f64 <= self.spec.alpha * free as f64
    }
}

impl World {
    /// Gives switches their memory, and the ports of links with PAUSE their limits.
    pub(crate) fn configure_buffers(&mut self) {
        self.buffers.clear();
        for switch in 0..self.switch_ids.len() {
            let node = self.plan.node(self.switch_ids[switch]);
            let topology::NodeSpec::Switch(topology::SwitchSpec { buffer: Some(spec), .. }) = node.spec
            else {
                continue;
            };
            let dirs = self.switch_ports[switch].clone();
            let pausing =
                dirs.iter().filter(|dir| self.plan.link(DirId(**dir).link()).spec.pause).count() as u64;
            let ports = dirs.iter().map(|dir| {
                let to_us = DirId::from_index(*dir as usize ^ 1);
                let pauses = self.plan.link(to_us.link()).spec.pause;
                let most = pauses
                    .then(|| (spec.size.0 / pausing.max(1)).saturating_sub(self.headroom(to_us)).max(FRAME));
                Ingress { waiting: 0, most, again: Instant::MAX, pauses: 0 }
            });
            let ports = ports.collect();
            let number = self.buffers.len() as u32;
            self.buffers.push(Buffer { spec, used: 0, highest: 0, ports });
            self.buffer_of.resize(self.switch_ids.len(), None);
            self.buffer_of[switch] = Some(number);
            for dir in dirs {
                self.directions[dir as usize].special.get_or_insert_default().buffer = Some(number);
            }
        }
    }

    /// What may still arrive after a neighbour was asked to pause: what is under way both ways, and a frame at either end.
    fn headroom(&self, to_us: DirId) -> u64 {
        let port = &self.directions[to_us.index()].port;
        let under_way = port.rate().bytes_in(port.delay() + port.delay());
        under_way + 3 * FRAME
    }

    /// Whether a packet that leaves a switch finds room; then it takes it. Gives the port that it came in through, plus one.
    pub(crate) fn take_room(&mut self, dir: usize, buffer: u32, packet: &Hot) -> Option<u32> {
        let queued = self.directions[dir].special.as_ref().map_or(0, |special| special.backlog_bytes());
        let len = u64::from(packet.len + tag_bytes(&self.packets, packet));
        let buffer = &mut self.buffers[buffer as usize];
        let ingress = (packet.kind() != HotKind::Bpdu).then_some(self.ingress as usize);
        let ingress = ingress.filter(|port| *port < buffer.ports.len());
        if !buffer.admits(queued, len, ingress) {
            return None;
        }
        buffer.used += len;
        buffer.highest = buffer.highest.max(buffer.used);
        let Some(port) = ingress else { return Some(0) };
        buffer.ports[port].waiting += len;
        Some(port as u32 + 1)
    }

    /// A packet has left the memory: it is being sent, or has ended.
    pub(crate) fn leave_room(&mut self, dir: usize, packet: &Hot, ingress: u32) {
        let Some(number) = self.directions[dir].special.as_ref().and_then(|special| special.buffer) else {
            return;
        };
        let len = u64::from(packet.len + tag_bytes(&self.packets, packet));
        let buffer = &mut self.buffers[number as usize];
        buffer.used -= len;
        let Some(port) = (ingress as usize).checked_sub(1) else { return };
        let own = &mut buffer.ports[port];
        own.waiting -= len;
        if own.again < Instant::MAX && own.most.is_some_and(|most| own.waiting <= most / 2) {
            self.ask_to_pause(dir, port, PauseFrame { quanta: 0 });
        }
    }

    /// Asks the neighbour behind the port that a packet came in through to pause, if too much from there waits.
    pub(crate) fn watch_ingress(&mut self, dir: usize, buffer: u32, ingress: u32) {
        let Some(port) = (ingress as usize).checked_sub(1) else { return };
        let own = &mut self.buffers[buffer as usize].ports[port];
        if own.again == Instant::MAX && own.most.is_some_and(|most| own.waiting > most) {
            own.pauses += 1;
            self.ask_to_pause(dir, port, LONGEST);
        }
    }

    /// Sends a PAUSE frame through a port of the switch that a direction leaves.
    fn ask_to_pause(&mut self, dir: usize, port: usize, pause: PauseFrame) {
        let node = self.plan.node_of(topology::sender_of(DirId::from_index(dir)));
        let NodeRef::Switch(switch) = self.nodes[node.index()] else { return };
        let out = self.switch_ports[switch as usize][port] as usize;
        let mut frame = self.packets.insert_pause(pause);
        frame.src_mac = MacKey::of(IfaceId(out as u32));
        let buffer = self.buffer_of[switch as usize].expect("a switch with shared memory");
        let again = &mut self.buffers[buffer as usize].ports[port].again;
        *again = Instant::MAX;
        if pause.quanta > 0 {
            // Asked again in good time.
            *again = self.now + pause.duration(self.directions[out ^ 1].port.rate()) / 2;
            self.agenda.push(Key::new(*again, Class::Port, FIRST_REFRESH + out as u64).background());
        }
        self.transmit_control(out, frame);
    }

    /// A pause that was asked for through this direction is half over.
    pub(crate) fn refresh_pause(&mut self, out: usize, key: Key) {
        if let Some((buffer, port)) = self.ingress_behind(out)
            && self.buffers[buffer].ports[port].again == key.time()
        {
            self.ask_to_pause(out, port, LONGEST);
        }
    }

    /// The link of a direction goes down: its neighbour has forgotten that it was asked to pause.
    pub(crate) fn forget_pause(&mut self, out: usize) {
        if let Some((buffer, port)) = self.ingress_behind(out) {
            self.buffers[buffer].ports[port].again = Instant::MAX;
        }
    }

    /// The memory of the switch that a direction leaves, and which of its ports it leaves through.
    fn ingress_behind(&self, out: usize) -> Option<(usize, usize)> {
        let node = self.plan.node_of(topology::sender_of(DirId::from_index(out)));
        let NodeRef::Switch(switch) = self.nodes[node.index()] else { return None };
        let buffer = (*self.buffer_of.get(switch as usize)?)? as usize;
        let port = self.switch_ports[switch as usize].iter().position(|dir| *dir as usize == out)?;
        Some((buffer, port))
    }

    /// Neighbours ask a node to pause: its transmitters there do, if the links say so.
    #[cold]
    pub(crate) fn pause_ports(&mut self, ifaces: impl Fn(&World, u32) -> Option<usize>) {
        for (port, pause) in std::mem::take(&mut self.out.pauses) {
            let Some(dir) = ifaces(self, port) else { continue };
            let until = match pause.quanta {
                0 => Instant::ZERO,
                _ => self.now + pause.duration(self.directions[dir].port.rate()),
            };
            if self.directions[dir].special.as_ref().is_some_and(|special| special.listens_to_pause) {
                self.hold_until(dir, until);
            }
        }
    }

    /// Neighbours of a host or router ask for pauses.
    #[cold]
    pub(crate) fn pause_host(&mut self, host: u32) {
        self.pause_ports(|world, port| {
            let iface = world.hosts[host as usize].stack.ifaces.get(port as usize)?;
            Some(sends_on(iface.id).index())
        });
    }

    /// Neighbours of a switch ask for pauses.
    #[cold]
    pub(crate) fn pause_switch(&mut self, switch: u32) {
        self.pause_ports(|world, port| Some(world.switch_ports[switch as usize][port as usize] as usize));
    }

    /// The memory that the queues of a switch share, if they do.
    pub fn buffer_report(&self, node: tidewire_units::NodeId) -> Option<BufferReport> {
        let NodeRef::Switch(switch) = self.nodes.get(node.index())? else { return None };
        let buffer = &self.buffers[(*self.buffer_of.get(*switch as usize)?)? as usize];
        let pauses = buffer.ports.iter().map(|port| port.pauses).sum();
        Some(BufferReport { used: buffer.used, highest: buffer.highest, pauses })
    }
}

impl special::Special {
    fn backlog_bytes(&self) -> u64 {
        self.scheduler.as_ref().map_or(0, |scheduler| scheduler.backlog().1)
    }
}
