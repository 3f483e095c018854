//! What nodes do for the network besides forwarding: firewalls.

use crate::World;
use tidewire_l3_network::gate::{Firewall, LogRow, Timeouts};
use tidewire_units::NodeId;

impl World {
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
