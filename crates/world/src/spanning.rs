//! The spanning tree: which switches take part, their timers, and the storm where they do not.

use crate::build::NodeRef;
use crate::{Pause, World};
use tidewire_engine::{Class, Key};
use tidewire_l2_datalink::{Bridge, BridgeConfig, BridgePortConfig, SpanningTree, converge};
use tidewire_node::Context;
use tidewire_topology::{self as topology, Lan, NodeSpec, SwitchSpec};
use tidewire_units::{DirId, Instant, NodeId};
use tidewire_wire::MacAddr;

/// The sources of switches' timer keys: they come after hosts.
pub(crate) const FIRST_SWITCH: u64 = 1 << 32;
/// A switch on an open loop that has flooded so many frames is in a storm: the first that was flooded there never ended.
const STORM: u64 = 10_000;

/// Ports that hear each other: bridges and their ports' numbers.
type Wire = Vec<(usize, u32)>;

impl World {
    /// Gives the switches of networks with loops their part in the spanning tree. May be called again until time starts.
    pub(crate) fn configure_bridges(&mut self) {
        self.storm_watch = false;
        self.switch_wakes = vec![Instant::MAX; self.switches.len()];
        for lan in self.plan.lans() {
            self.configure_lan(&lan);
        }
    }

    fn configure_lan(&mut self, lan: &Lan) {
        let has_loop = lan.has_loop();
        let mut takes_part = Vec::new();
        for node in lan.switches.iter().filter(|node| !self.plan.node(**node).spec.is_hub()) {
            let protocol = self.protocol_of(*node, has_loop);
            self.storm_watch |= has_loop && protocol.is_none();
            let index = self.switch_index(*node);
            self.switches[index].set_bridge(None);
            takes_part.extend(protocol.map(|protocol| (index, protocol)));
        }
        if takes_part.is_empty() {
            return;
        }
        let mut bridges: Vec<Bridge> =
            takes_part.iter().map(|(switch, protocol)| self.new_bridge(*switch, *protocol)).collect();
        if lan.switches.iter().all(|node| self.switch_spec(*node).converge) {
            let members: Vec<usize> = takes_part.iter().map(|(switch, _)| *switch).collect();
            converge(&mut bridges, &self.segments_of(lan, &members), self.now);
        }
        for ((switch, _), bridge) in takes_part.iter().zip(bridges) {
            self.switches[*switch].set_bridge(Some(bridge));
            self.rearm_switch(*switch);
        }
    }

    /// A switch that has started again takes part in the spanning tree if it did before.
    pub(crate) fn boot_bridge(&mut self, switch: usize) {
        let node = self.switch_ids[switch];
        let lan = self.plan.lans().into_iter().find(|lan| lan.switches.contains(&node));
        if let Some(protocol) = lan.and_then(|lan| self.protocol_of(node, lan.has_loop())) {
            let bridge = self.new_bridge(switch, protocol);
            self.switches[switch].set_bridge(Some(bridge));
            self.rearm_switch(switch);
        }
    }

    fn protocol_of(&self, node: NodeId, has_loop: bool) -> Option<SpanningTree> {
        match self.switch_spec(node).stp {
            topology::SpanningTree::Auto if has_loop => Some(SpanningTree::Rstp),
            topology::SpanningTree::Auto | topology::SpanningTree::Off => None,
            topology::SpanningTree::Stp => Some(SpanningTree::Stp),
            topology::SpanningTree::Rstp => Some(SpanningTree::Rstp),
        }
    }

    fn new_bridge(&self, switch: usize, protocol: SpanningTree) -> Bridge {
        let spec = self.switch_spec(self.switch_ids[switch]);
        let config =
            BridgeConfig { priority: spec.priority, ageing: spec.ageing, ..BridgeConfig::new(protocol) };
        let mac = self.switches[switch].ports().first().map_or(MacAddr([0; 6]), |port| port.mac());
        let mut bridge = Bridge::new(config, mac);
        for dir in &self.switch_ports[switch] {
            let port = &self.directions[DirId(*dir).index()].port;
            // On a hub there may be several neighbours.
            let point_to_point = !matches!(self.directions[DirId(*dir).index()].to, NodeRef::Hub(_));
            let config = BridgePortConfig::of_rate(protocol, port.rate());
            let number = bridge.add_port(BridgePortConfig { point_to_point, ..config });
            bridge.set_port_up(number, self.now, port.is_up());
        }
        bridge
    }

    /// Which ports of the bridges hear each other: `members[i]` is the switch of bridge `i`. Hubs, and switches that do not take part,
    /// pass protocol units on: all their links are one wire.
    fn segments_of(&self, lan: &Lan, members: &[usize]) -> Vec<Wire> {
        let member = |node: NodeId| match self.plan.node(node).spec.is_hub() {
            true => None,
            false => members.iter().position(|member| *member == self.switch_index(node)),
        };
        let mut wires: Vec<(Vec<NodeId>, Wire)> = Vec::new();
        for link in &lan.links {
            let (mut passing, mut ports) = (Vec::new(), Vec::new());
            for iface in [DirId::forward(*link), DirId::backward(*link)].map(topology::sender_of) {
                let node = self.plan.node_of(iface);
                match member(node) {
                    Some(bridge) => ports.push((bridge, self.plan.iface(iface).port)),
                    None => passing.push(node),
                }
            }
            for wire in wires
                .extract_if(.., |(nodes, _)| nodes.iter().any(|node| passing.contains(node)))
                .collect::<Vec<_>>()
            {
                passing.extend(wire.0);
                ports.extend(wire.1);
            }
            wires.push((passing, ports));
        }
        wires.into_iter().map(|(_, ports)| ports).collect()
    }

    fn switch_spec(&self, node: NodeId) -> &SwitchSpec {
        match &self.plan.node(node).spec {
            NodeSpec::Switch(spec) => spec,
            _ => panic!("a network of switches holds nothing else"),
        }
    }

    fn switch_index(&self, node: NodeId) -> usize {
        self.switch_ids.binary_search(&node).expect("every switch of the plan is built")
    }

    /// Queues a switch's next wake, if it is earlier than the one that is queued.
    pub(crate) fn rearm_switch(&mut self, switch: usize) {
        let at = self.switches[switch].next_timeout(self.now);
        if at < self.switch_wakes[switch] {
            self.switch_wakes[switch] = at.max(self.now);
            let key = Key::new(at.max(self.now), Class::Timer, FIRST_SWITCH + switch as u64);
            self.agenda.push(key.background());
        }
    }

    /// A switch's timer may be due.
    pub(crate) fn wake_switch(&mut self, switch: usize, key: Key) {
        if self.switch_wakes[switch] != key.time() {
            return;
        }
        self.switch_wakes[switch] = Instant::MAX;
        self.now = key.time();
        let mut cx = Context { now: self.now, packets: &mut self.packets, out: &mut self.out };
        self.switches[switch].handle_timeout(&mut cx);
        self.settle_switch(switch as u32);
        self.rearm_switch(switch);
    }

    /// A port of a switch goes up or down with its link.
    pub(crate) fn set_switch_port_up(&mut self, switch: usize, port: u32, up: bool) {
        let mut cx = Context { now: self.now, packets: &mut self.packets, out: &mut self.out };
        self.switches[switch].handle_port_up(port, up, &mut cx);
        self.settle_switch(switch as u32);
    }

    /// Whether frames go round for ever: looked at where switches form a loop and do not all take part in a spanning tree, and when a
    /// device has got the same frame very often.
    #[cold]
    pub(crate) fn storm(&self) -> Option<Pause> {
        if let Some(device) = self.inbox.storm {
            return Some(Pause::Storm(device));
        }
        let switch = self.switches.iter().position(|switch| switch.floods() >= STORM)?;
        Some(Pause::Storm(self.switch_ids[switch]))
    }
}
