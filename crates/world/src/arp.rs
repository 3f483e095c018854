//! ARP from a script: announcements, forged packets, entries by hand.

use crate::World;
use std::net::Ipv4Addr;
pub use tidewire_l2_datalink::ArpConfig;
use tidewire_l3_network::ErrorLimit;
use tidewire_node::Context;
use tidewire_units::NodeId;
use tidewire_wire::{ArpPacket, MacKey};

/// How a node resolves addresses, and speaks of trouble.
#[derive(Clone, Copy, Debug, Default)]
pub struct IpOptions {
    /// Timeouts and tries.
    pub arp: ArpConfig,
    /// It answers for those whom it has a route to.
    pub proxy_arp: bool,
    /// How many ICMP errors it sends; without, one about every packet.
    pub errors: Option<ErrorLimit>,
}

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

    /// A node resolves addresses, and sends ICMP errors, in another way than others do.
    pub fn set_ip_options(&mut self, node: NodeId, options: &IpOptions) {
        let Some(host) = self.host_index(node) else { return };
        let stack = &mut self.hosts[host as usize].stack;
        stack.set_arp(options.arp);
        stack.proxy_arp |= options.proxy_arp;
        if let Some(limit) = options.errors {
            stack.set_error_limit(limit);
        }
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
