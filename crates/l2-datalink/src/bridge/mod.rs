//! A bridge's part in the spanning tree, as a state machine: units and timers in, units and port states out.

mod converge;
mod port;
mod receive;
mod select;
#[cfg(test)]
mod tests;

pub use converge::converge;
pub use port::{BridgePortConfig, PortRole, PortState, SpanningTree};

use port::{Info, Port, SECOND, Times, Vector, ticks, to_ticks};
use tidewire_units::{Instant, Span};
use tidewire_wire::{Bpdu, BpduBody, BpduFlags, BpduRole, BridgeId, MacAddr};

/// How a bridge takes part. Mirrors the options of a switch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BridgeConfig {
    /// The protocol.
    pub protocol: SpanningTree,
    /// The lowest becomes the root (default 32768).
    pub priority: u16,
    /// Time between a root's units (default 2 s, IEEE 802.1D table 8-3).
    pub hello: Span,
    /// At what age what was heard is forgotten (default 20 s).
    pub max_age: Span,
    /// Time in each state before forwarding (default 15 s).
    pub forward_delay: Span,
    /// Ageing time of the switch's table while the topology is stable (default 300 s).
    pub ageing: Span,
}

impl BridgeConfig {
    /// The standard's defaults.
    pub const fn new(protocol: SpanningTree) -> BridgeConfig {
        BridgeConfig {
            protocol,
            priority: 32768,
            hello: Span::from_secs(2),
            max_age: Span::from_secs(20),
            forward_delay: Span::from_secs(15),
            ageing: Span::from_secs(300),
        }
    }
}

/// What a bridge counted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct BridgeStats {
    /// Units sent.
    pub sent: u64,
    /// Units received.
    pub received: u64,
    /// Topology changes that this bridge detected itself.
    pub changes: u64,
    /// When a port last changed its state.
    pub last_transition: Instant,
}

/// A bridge that takes part in the spanning tree (IEEE 802.1D-1998 clause 8, IEEE 802.1w, in the words of 802.1D-2004 clause 17).
///
/// After every call of a `handle_` function or [`set_port_up`](Bridge::set_port_up): [`poll_transmit`](Bridge::poll_transmit) and
/// [`poll_flush`](Bridge::poll_flush) until they are empty, then a wake at [`next_timeout`](Bridge::next_timeout).
#[derive(Clone, Debug)]
pub struct Bridge {
    config: BridgeConfig,
    id: BridgeId,
    ports: Vec<Port>,
    /// The best way to the root, as seen from here, and the port that it uses.
    root: Vector,
    root_port: Option<usize>,
    /// The times in force, the root's.
    times: Times,
    hello_at: Instant,
    /// STP: the root tells everybody to age quickly.
    changing: bool,
    /// STP: as root, how long it says so.
    changing_until: Instant,
    /// STP: a change was detected and the root does not know yet.
    detected: bool,
    flush: Vec<u32>,
    stats: BridgeStats,
}

impl Bridge {
    /// A bridge without ports that believes to be the root.
    pub fn new(config: BridgeConfig, mac: MacAddr) -> Bridge {
        let id = BridgeId::new(config.priority, mac);
        Bridge {
            config,
            id,
            ports: Vec::new(),
            root: Vector { root: id, cost: 0, bridge: id, port: 0 },
            root_port: None,
            times: own_times(&config),
            hello_at: Instant::ZERO,
            changing: false,
            changing_until: Instant::ZERO,
            detected: false,
            flush: Vec::new(),
            stats: BridgeStats::default(),
        }
    }

    /// Adds a port whose link is down, and says its number.
    pub fn add_port(&mut self, config: BridgePortConfig) -> u32 {
        let number = self.ports.len();
        self.ports.push(Port::new(number, config, self.root, self.times));
        number as u32
    }

    /// A port's link goes up or down.
    pub fn set_port_up(&mut self, port: u32, now: Instant, up: bool) {
        let index = port as usize;
        if self.ports[index].up != up {
            self.ports[index].reset(index, now, up);
            self.flush.push(port);
            self.select(now);
        }
    }

    /// A unit came in through a port.
    pub fn handle_bpdu(&mut self, port: u32, now: Instant, unit: Bpdu) {
        self.receive(port as usize, now, unit);
    }

    /// What is due by `now`: hellos, what grew too old, the next state on the way to forwarding.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut aged = false;
        for port in &mut self.ports {
            if port.info == Info::Received && port.expires <= now {
                port.info = Info::Aged;
                aged = true;
            }
        }
        if aged {
            self.select(now);
        }
        for index in 0..self.ports.len() {
            self.step_port(index, now);
        }
        if self.changing && self.root_port.is_none() && self.changing_until <= now {
            self.changing = false;
        }
        if self.hello_at <= now {
            self.hello_at = now + ticks(self.times.hello);
            self.say_hello(now);
        }
    }

    /// When [`handle_timeout`](Bridge::handle_timeout) or [`poll_transmit`](Bridge::poll_transmit) has something to do.
    pub fn next_timeout(&self, now: Instant) -> Instant {
        let mut next = self.hello_at;
        if self.changing && self.root_port.is_none() {
            next = next.min(self.changing_until);
        }
        for port in self.ports.iter().filter(|port| port.up) {
            next = next.min(port.forward_at);
            if port.info == Info::Received {
                next = next.min(port.expires);
            }
            if self.may_become_edge(port) {
                next = next.min(port.edge_at);
            }
            if port.new_info {
                next = next.min(port.may_send_at(now, self.send_limit()));
            }
        }
        next
    }

    /// The next unit to send, and through which port.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<(u32, Bpdu)> {
        let limit = self.send_limit();
        for index in 0..self.ports.len() {
            let port = &self.ports[index];
            if !port.up || !port.new_info || port.may_send_at(now, limit) > now {
                continue;
            }
            let unit = self.unit(index, now);
            let port = &mut self.ports[index];
            port.new_info = false;
            let Some(unit) = unit else { continue };
            port.note_sent(now);
            port.change_ack = false;
            self.stats.sent += 1;
            return Some((index as u32, unit));
        }
        None
    }

    /// A port whose learned addresses are to be forgotten at once.
    pub fn poll_flush(&mut self) -> Option<u32> {
        self.flush.pop()
    }

    /// For how long addresses are believed now: STP shortens it while the topology changes.
    pub fn ageing(&self) -> Span {
        if self.changing { ticks(self.times.forward_delay) } else { self.config.ageing }
    }

    /// What a port lets through.
    pub fn port_state(&self, port: u32) -> PortState {
        self.ports[port as usize].state
    }

    /// What a port does in the tree.
    pub fn port_role(&self, port: u32) -> PortRole {
        self.ports[port as usize].role
    }

    /// This bridge.
    pub fn id(&self) -> BridgeId {
        self.id
    }

    /// The root that this bridge believes in, and the cost of the way to it.
    pub fn root(&self) -> (BridgeId, u32) {
        (self.root.root, self.root.cost)
    }

    /// The port towards the root; `None` at the root.
    pub fn root_port(&self) -> Option<u32> {
        self.root_port.map(|index| index as u32)
    }

    /// How many ports there are.
    pub fn ports(&self) -> u32 {
        self.ports.len() as u32
    }

    /// The counters.
    pub fn stats(&self) -> &BridgeStats {
        &self.stats
    }

    fn is_rstp(&self) -> bool {
        self.config.protocol == SpanningTree::Rstp
    }

    fn send_limit(&self) -> u8 {
        if self.is_rstp() { 6 } else { 1 }
    }

    fn say_hello(&mut self, now: Instant) {
        let (rstp, is_root, detected) = (self.is_rstp(), self.root_port.is_none(), self.detected);
        for port in &mut self.ports {
            port.new_info |= match port.role {
                // An STP bridge passes on what the root says, when it says it.
                PortRole::Designated => rstp || is_root,
                PortRole::Root if rstp => port.change_until > now,
                PortRole::Root => detected,
                _ => false,
            };
        }
    }

    /// What the port would say now; nothing if what it knows is too old to be passed on.
    fn unit(&self, index: usize, now: Instant) -> Option<Bpdu> {
        let port = &self.ports[index];
        let rapid = self.is_rstp() && port.rapid;
        let flags = BpduFlags::default();
        if rapid {
            let role = match port.role {
                PortRole::Root => BpduRole::Root,
                PortRole::Designated => BpduRole::Designated,
                _ => BpduRole::Alternate,
            };
            let flags = flags
                .with_role(role)
                .with(BpduFlags::TOPOLOGY_CHANGE, port.change_until > now)
                .with(BpduFlags::PROPOSAL, port.proposing && role == BpduRole::Designated)
                .with(BpduFlags::AGREEMENT, port.agree && role != BpduRole::Designated)
                .with(BpduFlags::LEARNING, port.state.learns())
                .with(BpduFlags::FORWARDING, port.state.forwards());
            return Some(Bpdu::Rapid(self.body(index, flags, now)?));
        }
        match port.role {
            PortRole::Root => {
                let changed = if self.is_rstp() { port.change_until > now } else { self.detected };
                changed.then_some(Bpdu::TopologyChange)
            }
            PortRole::Designated => {
                let changing = if self.is_rstp() { port.change_until > now } else { self.changing };
                let flags = flags
                    .with(BpduFlags::TOPOLOGY_CHANGE, changing)
                    .with(BpduFlags::TOPOLOGY_CHANGE_ACK, port.change_ack);
                Some(Bpdu::Config(self.body(index, flags, now)?))
            }
            _ => None,
        }
    }

    fn body(&self, index: usize, flags: BpduFlags, now: Instant) -> Option<BpduBody> {
        let message_age = self.message_age(now);
        (message_age < self.times.max_age).then_some(BpduBody {
            flags,
            root: self.root.root,
            root_cost: self.root.cost,
            bridge: self.id,
            port: self.ports[index].id,
            message_age,
            max_age: self.times.max_age,
            hello_time: self.times.hello,
            forward_delay: self.times.forward_delay,
        })
    }

    /// Age of what is passed on: a second more for each bridge, and in STP the time that it was kept here.
    fn message_age(&self, now: Instant) -> u16 {
        let Some(root_port) = self.root_port else { return 0 };
        let port = &self.ports[root_port];
        let kept = if self.is_rstp() { 0 } else { to_ticks(now.since(port.received)) };
        self.times.message_age.saturating_add(kept).saturating_add(to_ticks(SECOND))
    }

    fn may_become_edge(&self, port: &Port) -> bool {
        self.is_rstp()
            && port.config.auto_edge
            && !port.edge
            && port.role == PortRole::Designated
            && port.proposing
    }
}

fn own_times(config: &BridgeConfig) -> Times {
    Times {
        message_age: 0,
        max_age: to_ticks(config.max_age),
        hello: to_ticks(config.hello),
        forward_delay: to_ticks(config.forward_delay),
    }
}
