//! Faults to be found: what an exercise breaks on purpose.

use crate::World;
use std::net::Ipv4Addr;
use tidewire_l3_network::{Fib, NextHop, Prefix};
use tidewire_node::IpStack;
use tidewire_topology::peer_of;
use tidewire_units::{NodeId, SocketId};
use tidewire_wire::{AddressBook, MacKey};

impl World {
    /// Where a node sends what is for `dst`: its equally good next hops.
    pub fn next_hops(&self, node: NodeId, dst: Ipv4Addr) -> Vec<NextHop> {
        let Some(node) = self.ip_node(node) else { return Vec::new() };
        table_for(&node.stack, dst).map_or_else(Vec::new, |fib| fib.lookup(dst).to_vec())
    }

    /// A node believes that its next hops towards `dst` have a MAC address that nobody has. False when it has no way, or no neighbours
    /// with MAC addresses there.
    pub fn poison_neighbor(&mut self, node: NodeId, dst: Ipv4Addr) -> bool {
        let Some(host) = self.host_index(node) else { return false };
        let nobody = MacKey(self.plan.ifaces().len() as u32 + 7);
        let hops = self.next_hops(node, dst);
        let (now, stack) = (self.now, &mut self.hosts[host as usize].stack);
        if hops.is_empty() || hops.iter().any(|hop| !stack.ifaces[hop.port as usize].framed) {
            return false;
        }
        for hop in hops {
            stack.ifaces[hop.port as usize].neighbors.learn(now, hop.gateway.unwrap_or(dst), nobody, false);
        }
        stack.forget_ways();
        true
    }

    /// Whether a node believes of a next hop towards `dst` that it has a MAC address that is not its own.
    pub fn has_wrong_neighbor(&self, node: NodeId, dst: Ipv4Addr) -> bool {
        let Some(stack) = self.ip_node(node).map(|node| &node.stack) else { return false };
        self.next_hops(node, dst).into_iter().any(|hop| {
            let next = hop.gateway.unwrap_or(dst);
            let known = stack.ifaces[hop.port as usize].neighbors.entries(self.now);
            let entry = known.into_iter().find(|(ip, ..)| *ip == next);
            entry.zip(self.owner_of(next)).is_some_and(|((_, mac, _), owner)| mac != MacKey::of(owner))
        })
    }

    /// A node loses its routes to `dst`. False when it has none.
    pub fn drop_routes(&mut self, node: NodeId, dst: Ipv4Addr) -> bool {
        self.edit_routes(node, dst, |routes| {
            let before = routes.len();
            routes.retain(|(prefix, _)| !prefix.contains(dst));
            routes.len() < before
        })
    }

    /// A node sends what is for `dst` to a neighbour on the same link. False when there is none.
    pub fn misroute(&mut self, node: NodeId, dst: Ipv4Addr, to: NodeId) -> bool {
        let addressed = if AddressBook::is_v6(dst) { self.keyed.as_deref() } else { Some(&*self.plan) };
        let Some(plan) = addressed else { return false };
        let mut own = plan.node(node).ifaces.iter().copied();
        let Some(iface) = own.find(|iface| plan.neighbor_of(*iface) == to) else { return false };
        let gateway = plan.iface(peer_of(iface)).address.map(|address| address.ip);
        let hop = NextHop { port: plan.iface(iface).port, gateway };
        gateway.is_some()
            && self.edit_routes(node, dst, |routes| {
                routes.push((Prefix::host(dst), vec![hop]));
                true
            })
    }

    fn edit_routes(
        &mut self,
        node: NodeId,
        dst: Ipv4Addr,
        edit: impl FnOnce(&mut Vec<(Prefix, Vec<NextHop>)>) -> bool,
    ) -> bool {
        let Some(host) = self.host_index(node) else { return false };
        let stack = &mut self.hosts[host as usize].stack;
        let Some(fib) = table_for(stack, dst) else { return false };
        let mut routes: Vec<_> =
            fib.routes().into_iter().map(|(prefix, hops)| (prefix, hops.to_vec())).collect();
        let changed = edit(&mut routes);
        if AddressBook::is_v6(dst) {
            stack.set_fib6(Fib::new(routes));
        } else {
            stack.set_fib(Fib::new(routes));
        }
        changed
    }

    /// The socket that listens on a TCP port of a host.
    pub fn tcp_listener(&self, node: NodeId, port: u16) -> Option<SocketId> {
        self.listener_on(node, port, crate::Transport::Tcp)
    }
}

/// The forwarding table that knows of an address.
fn table_for(stack: &IpStack, dst: Ipv4Addr) -> Option<&Fib> {
    if AddressBook::is_v6(dst) { stack.fib6() } else { Some(stack.fib()) }
}
