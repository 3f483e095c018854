//! What nodes do for the network besides forwarding: firewalls, address translation.

use crate::World;
use crate::build::NodeRef;
use tidewire_l3_network::gate::{Firewall, LogRow, Nat, NatConfig, PortForward, Timeouts};
use tidewire_units::NodeId;

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
