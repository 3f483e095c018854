//! ARP from a script: announcements, forged packets, entries by hand.

use crate::World;
use std::net::Ipv4Addr;
use tidewire_node::Context;
use tidewire_units::NodeId;
use tidewire_wire::{ArpPacket, MacKey};

impl World {
    /// Sends an ARP packet from a host's port to this MAC address.
    pub fn send_arp(&mut self, node: NodeId, port: u32, arp: ArpPacket, to: MacKey) {
        self.on_stack(node, |stack, cx| stack.send_arp(port, arp, to, cx));
    }

    /// A host tells its neighbours on all links where its addresses are.
    pub fn announce_addresses(&mut self, node: NodeId) {
        self.on_stack(node, |stack, cx| {
            (0..stack.ifaces.len() as u32).for_each(|port| stack.announce(port, cx))
        });
    }

    /// A host believes for ever that an address is there.
    pub fn pin_neighbor(&mut self, node: NodeId, port: u32, ip: Ipv4Addr, mac: MacKey) {
        self.on_stack(node, |stack, cx| {
            let id = stack.ifaces[port as usize].id;
            for mut packet in stack.pin_neighbor(port, ip, mac) {
                packet.dst_mac = mac;
                cx.send(id.0, packet);
            }
        });
    }

    /// A node answers ARP requests for those whom it has a route to, or not.
    pub fn set_proxy_arp(&mut self, node: NodeId, on: bool) {
        if let Some(host) = self.host_index(node) {
            self.hosts[host as usize].stack.proxy_arp = on;
        }
    }

    fn on_stack(&mut self, node: NodeId, act: impl FnOnce(&mut tidewire_node::IpStack, &mut Context<'_>)) {
        let Some(host) = self.host_index(node) else { return };
        let mut cx = Context { now: self.now, packets: &mut self.packets, out: &mut self.out };
        act(&mut self.hosts[host as usize].stack, &mut cx);
        self.started = true;
        self.settle(host);
    }
}
