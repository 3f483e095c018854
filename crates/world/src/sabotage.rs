//! Faults to be found: what an exercise breaks on purpose.

use crate::World;
use std::net::Ipv4Addr;
use tidewire_l3_network::{Fib, NextHop, Prefix};
use tidewire_units::{NodeId, SocketId};
use tidewire_wire::MacKey;

impl World {
    /// A node believes that its next hop towards `dst` has a MAC address that nobody has. False when it has no way, or no neighbours with
    /// MAC addresses there.
    pub fn poison_neighbor(&mut self, node: NodeId, dst: Ipv4Addr) -> bool {
        let Some(host) = self.host_index(node) else { return false };
        let nobody = MacKey(self.plan.ifaces().len() as u32 + 7);
        let now = self.now;
        let stack = &mut self.hosts[host as usize].stack;
        let Some(hop) = stack.fib().choose(dst, 0) else { return false };
        if !stack.ifaces[hop.port as usize].framed {
            return false;
        }
        stack.ifaces[hop.port as usize].neighbors.learn(now, hop.gateway.unwrap_or(dst), nobody, false);
        stack.forget_ways();
        true
    }

    /// A node loses its routes to `dst`. False when it has none.
    pub fn drop_routes(&mut self, node: NodeId, dst: Ipv4Addr) -> bool {
        self.edit_routes(node, |routes| {
            let before = routes.len();
            routes.retain(|(prefix, _)| !prefix.contains(dst));
            routes.len() < before
        })
    }

    /// A node sends what is for `dst` to this neighbour.
    pub fn misroute(&mut self, node: NodeId, dst: Ipv4Addr, hop: NextHop) -> bool {
        self.edit_routes(node, |routes| {
            routes.push((Prefix::host(dst), vec![hop]));
            true
        })
    }

    fn edit_routes(
        &mut self,
        node: NodeId,
        edit: impl FnOnce(&mut Vec<(Prefix, Vec<NextHop>)>) -> bool,
    ) -> bool {
        let Some(host) = self.host_index(node) else { return false };
        let stack = &mut self.hosts[host as usize].stack;
        let mut routes: Vec<_> =
            stack.fib().routes().into_iter().map(|(prefix, hops)| (prefix, hops.to_vec())).collect();
        let changed = edit(&mut routes);
        stack.set_fib(Fib::new(routes));
        changed
    }

    /// The socket that listens on a TCP port of a host.
    pub fn tcp_listener(&self, node: NodeId, port: u16) -> Option<SocketId> {
        self.listener_on(node, port, crate::Transport::Tcp)
    }
}
