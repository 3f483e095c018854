//! What nodes do for the network besides forwarding: firewalls, address translation, addresses on loan, groups.

use crate::build::NodeRef;
use crate::{ProcessId, World};
use std::net::Ipv4Addr;
use tidewire_l3_network::dhcp::DhcpPool;
use tidewire_l3_network::gate::{Firewall, LogRow, Nat, NatConfig, PortForward, Timeouts};
use tidewire_node::Context;
use tidewire_topology::{self as topology, AddressMode, NodeSpec};
use tidewire_units::{IfaceId, Instant, NodeId, Purpose, SocketId};
use tidewire_wire::Endpoint;

/// An address translator as it was declared.
pub(crate) struct Translator {
    config: NatConfig,
    forwards: Vec<PortForward>,
}

impl World {
    /// How a node that the plan says is an address translator does it; takes effect with the next [`World::sync`].
    pub fn set_nat(&mut self, node: NodeId, config: NatConfig) {
        self.nats.insert(node, Translator { config, forwards: Vec::new() });
    }

    /// Where an address translator forwards a port to.
    pub fn forwarded_to(&self, nat: NodeId, protocol: u8, port: u16) -> Option<Endpoint> {
        let forwards = &self.nats.get(&nat)?.forwards;
        let found = forwards.iter().find(|forward| (forward.protocol, forward.port) == (protocol, port));
        found.map(|forward| forward.to)
    }

    /// Whether an address is that of somebody outside of an address translator.
    pub fn is_outside_of(&self, nat: NodeId, addr: Ipv4Addr) -> bool {
        let realms = self.plan.realms();
        let realm = |iface: IfaceId| realms[self.plan.network_of(topology::link_of(iface))];
        let (Some(outside), Some(owner)) = (self.plan.outside_of(nat), self.owner_of(addr)) else {
            return false;
        };
        let mut inner = self.plan.node(nat).ifaces.iter().filter(|iface| **iface != outside);
        realm(owner) == realm(outside) && !inner.any(|iface| realm(*iface) == realm(owner))
    }

    /// Opens a port of an address translator.
    pub fn forward_port(&mut self, node: NodeId, forward: PortForward) {
        if let Some(translator) = self.nats.get_mut(&node) {
            translator.forwards.push(forward);
        }
        if let Some(host) = self.host_index(node)
            && let Some(nat) = self.hosts[host as usize].nat_mut()
        {
            nat.forward(forward);
        }
    }

    /// A host gives addresses away.
    pub fn add_dhcp_pool(&mut self, node: NodeId, pool: DhcpPool) {
        if let Some(host) = self.host_index(node) {
            self.hosts[host as usize].add_dhcp_pool(pool);
        }
    }

    /// A router passes messages of clients on to a server.
    pub fn set_dhcp_relay(&mut self, node: NodeId, server: Ipv4Addr) {
        if let Some(host) = self.host_index(node) {
            self.hosts[host as usize].set_dhcp_relay(server);
        }
    }

    /// A client gives its address back, or looks for one again.
    pub fn set_dhcp_on(&mut self, node: NodeId, on: bool) {
        let Some(host) = self.host_index(node) else { return };
        let mut cx = Context { now: self.now, packets: &mut self.packets, out: &mut self.out };
        self.hosts[host as usize].set_dhcp_on(on, &mut cx);
        self.settle(host);
    }

    /// A UDP socket listens to a group from now on, or no longer. False when it did, or did not, before.
    pub fn listen_to(&mut self, node: NodeId, socket: SocketId, group: Ipv4Addr, on: bool) -> bool {
        let Some(host) = self.host_index(node) else { return false };
        let stream = self.streams.stream(Purpose::Services, &format!("{} groups", self.plan.node(node).name));
        let mut cx = Context { now: self.now, packets: &mut self.packets, out: &mut self.out };
        let changed = self.hosts[host as usize].listen_to(socket, group, on, stream, &mut cx);
        self.started |= !self.out.sends.is_empty();
        self.settle(host);
        changed
    }

    /// These routers forward streams of groups; takes effect with the next [`World::sync`].
    pub fn set_multicast(&mut self, routers: impl IntoIterator<Item = NodeId>) {
        self.multicast.extend(routers);
    }

    /// Routers that forward streams begin to look for each other.
    pub(crate) fn configure_multicast(&mut self) {
        for node in self.multicast.clone() {
            if let Some(host) = self.host_index(node) {
                self.hosts[host as usize].set_multicast(self.now);
                self.rearm(host);
            }
        }
    }

    /// Routes have changed: routers look where their streams come from.
    pub(crate) fn tell_groups(&mut self) {
        for node in self.multicast.clone() {
            let Some(host) = self.host_index(node).filter(|_| self.is_node_up(node)) else { continue };
            let mut cx = Context { now: self.now, packets: &mut self.packets, out: &mut self.out };
            self.hosts[host as usize].note_routes(&mut cx);
            self.settle(host);
        }
    }

    /// Lets a process wait until a client has an address or gives up, at most until `deadline`.
    pub fn wait_address(&mut self, process: ProcessId, node: NodeId, deadline: Instant) {
        let token = self.wait_token(process, deadline);
        if let Some(host) = self.host_index(node) {
            self.hosts[host as usize].wait_address(token);
        }
    }

    /// Hosts that get their address from a server begin to look for one.
    pub(crate) fn configure_dhcp(&mut self) {
        for host in 0..self.hosts.len() {
            let node = self.plan.node(self.host_ids[host]);
            let wants = matches!(&node.spec, NodeSpec::Host(spec) if spec.ip == AddressMode::Dhcp);
            let is_down = self.nodes_down.contains(&self.host_ids[host]);
            if !wants || is_down || node.ifaces.is_empty() || self.hosts[host].dhcp_client().is_some() {
                continue;
            }
            let stream = self.streams.stream(Purpose::Services, &node.name);
            self.hosts[host].start_dhcp(0, stream, self.now);
            self.rearm(host as u32);
        }
    }

    /// The interface of a host that has an address on loan.
    pub(crate) fn borrower_of(&self, address: Ipv4Addr) -> Option<IfaceId> {
        let hosts = self.host_ids.iter().zip(&self.hosts);
        let mut borrowers = hosts.filter(|(_, host)| host.dhcp_client().is_some());
        let (id, _) = borrowers.find(|(_, host)| host.stack.address() == address)?;
        self.plan.node(*id).ifaces.first().copied()
    }

    /// Makes address translators what they were declared to be, once their outside is known.
    pub(crate) fn configure_nats(&mut self) {
        for (node, translator) in &self.nats {
            let outside = self.plan.outside_of(*node).map(|iface| self.plan.iface(iface).port);
            let host = self.nodes.get(node.index());
            if let (Some(NodeRef::Ip(host)), Some(outside)) = (host, outside) {
                let nat = Nat::new(translator.config.clone(), &translator.forwards);
                self.hosts[*host as usize].set_nat(nat, outside);
            }
        }
    }

    /// Gives a host or router rules for packets, or none. Flows that the rules before let pass go on.
    pub fn set_firewall(
        &mut self,
        node: NodeId,
        firewall: Option<Firewall>,
        timeouts: Timeouts,
        most_flows: usize,
    ) {
        let Some(host) = self.host_index(node) else { return };
        let host = &mut self.hosts[host as usize];
        let before = host.take_firewall();
        let firewall = firewall.map(|mut firewall| {
            if let Some(before) = before {
                firewall.continue_from(before, timeouts, most_flows);
            }
            firewall
        });
        host.set_firewall(firewall);
    }

    /// A node's rules and what they counted.
    pub fn firewall(&self, node: NodeId) -> Option<&Firewall> {
        self.ip_node(node)?.firewall()
    }

    /// Takes what rules have written down, by time and then by node.
    pub fn take_firewall_logs(&mut self) -> Vec<(NodeId, LogRow)> {
        let mut all = Vec::new();
        for (id, host) in self.host_ids.iter().zip(&mut self.hosts) {
            let rows = host.firewall_mut().map(Firewall::take_log).unwrap_or_default();
            all.extend(rows.into_iter().map(|row| (*id, row)));
        }
        all.sort_by_key(|(id, row)| (row.at, *id));
        all
    }
}
