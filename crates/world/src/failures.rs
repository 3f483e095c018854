//! Nodes that crash and boot, networks that fall apart and heal: why a link is down, and what is lost with a node.

use crate::build::NodeRef;
use crate::{Transport, World};
use tidewire_node::Context;
use tidewire_topology as topology;
use tidewire_units::{DirId, LinkId, NodeId, Refusal};
use tidewire_wire::Cause;

/// Why a link is down, besides a node at its end that is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Fault {
    /// Somebody took it down.
    disabled: bool,
    /// It joins two parts of a network that fell apart.
    cut: bool,
}

impl World {
    /// Takes a link down or up, and finds routes anew. Packets queued or in flight on a link that goes down are lost. A link between
    /// nodes that are down, or between parts of a network that fell apart, stays down.
    pub fn set_link_up(&mut self, link: LinkId, up: bool) {
        self.fault(link).disabled = !up;
        self.refresh_links(&[link]);
    }

    /// Cuts the links between nodes of different groups, until [`World::heal`]. Nodes in no group keep all their links.
    pub fn partition(&mut self, groups: &[Vec<NodeId>]) {
        let group_of = |node: NodeId| groups.iter().position(|group| group.contains(&node));
        let links: Vec<LinkId> = self.plan.link_ids().collect();
        for link in &links {
            let [a, b] = self.plan.link(*link).ends.map(group_of);
            if a.is_some() && b.is_some() && a != b {
                self.fault(*link).cut = true;
            }
        }
        self.refresh_links(&links);
    }

    /// Joins the parts of a network again.
    pub fn heal(&mut self) {
        let links: Vec<LinkId> = self.plan.link_ids().collect();
        links.iter().for_each(|link| self.fault(*link).cut = false);
        self.refresh_links(&links);
    }

    /// Takes all interfaces of a node down, or up again. Unlike after a crash its programs, connections and caches stay.
    pub fn set_node_connected(&mut self, node: NodeId, up: bool) {
        let changed = if up { self.nodes_cut_off.remove(&node) } else { self.nodes_cut_off.insert(node) };
        if changed {
            let links: Vec<LinkId> =
                self.plan.node(node).ifaces.iter().map(|iface| topology::link_of(*iface)).collect();
            self.refresh_links(&links);
        }
    }

    /// Whether a node runs.
    pub fn is_node_up(&self, node: NodeId) -> bool {
        !self.nodes_down.contains(&node)
    }

    /// A node stops at once: its links go down, its connections, sockets, programs and caches are gone; nobody is told.
    pub fn crash(&mut self, node: NodeId) {
        if !self.nodes_down.insert(node) {
            return;
        }
        let links: Vec<LinkId> =
            self.plan.node(node).ifaces.iter().map(|iface| topology::link_of(*iface)).collect();
        match self.nodes[node.index()] {
            NodeRef::Ip(host) => self.crash_host(node, host),
            NodeRef::Switch(switch) => self.switches[switch as usize].set_bridge(None),
            NodeRef::Device(_) => {}
            NodeRef::Hub(_) => {}
        }
        self.refresh_links(&links);
    }

    /// A node that has crashed starts again, as it was before time began: with its links, addresses and configuration, without anything
    /// that it had learnt. The sinks of flows listen again; programs are started by their owner.
    pub fn boot(&mut self, node: NodeId) {
        if !self.nodes_down.remove(&node) {
            return;
        }
        let links: Vec<LinkId> =
            self.plan.node(node).ifaces.iter().map(|iface| topology::link_of(*iface)).collect();
        self.refresh_links(&links);
        match self.nodes[node.index()] {
            NodeRef::Ip(host) => {
                let mut cx = Context { now: self.now, packets: &mut self.packets, out: &mut self.out };
                self.hosts[host as usize].boot(&mut cx);
                self.out.timers = true;
                self.settle(host);
                // Switches learn where it is, and neighbours that it is there (RFC 5227 section 3).
                self.announce_addresses(node);
                self.boot_routing(node);
                self.configure_dhcp();
                self.configure_autoconf();
                self.open_sinks(node);
                self.boot_workloads(node);
            }
            NodeRef::Switch(switch) => self.boot_bridge(switch as usize),
            NodeRef::Device(_) => {}
            NodeRef::Hub(_) => {}
        }
    }

    fn crash_host(&mut self, node: NodeId, host: u32) {
        self.end_natives_of(host);
        self.crash_workloads(node);
        let mut cx = Context { now: self.now, packets: &mut self.packets, out: &mut self.out };
        self.hosts[host as usize].crash(&mut cx);
        self.out.timers = true;
        self.settle(host);
        if let Some(dir) = self.loopbacks.get(&host).copied() {
            self.flush_direction(DirId(dir), Cause::NodeDown);
        }
        let now = self.now;
        let own = self.flows.all.iter_mut().filter(|flow| flow.spec.src == node);
        for flow in own.filter(|flow| flow.started.is_some() && flow.ended.is_none()) {
            (flow.ended, flow.failure) = (Some(now), Some(Refusal::Cancelled));
        }
    }

    /// Flows that still come find somebody who takes them.
    fn open_sinks(&mut self, node: NodeId) {
        for id in 0..self.flows.all.len() {
            let flow = &self.flows.all[id];
            if flow.spec.dst != node || flow.ended.is_some() {
                continue;
            }
            let (port, transport, hash) = (flow.spec.dport, flow.spec.transport, flow.hash);
            let sink = match transport {
                Transport::Tcp => self.tcp_sink(node, port),
                Transport::Udp => self.udp_sink(node, port),
            };
            // A program of the host may have been faster.
            let Ok(sink) = sink else { continue };
            self.flows.all[id].sink = sink;
            if hash != 0
                && let Some(host) = self.host_index(node)
            {
                let (_, sockets) = self.hosts[host as usize].parts();
                sockets.expect_flow(sink, hash, id as u32);
            }
        }
    }

    fn fault(&mut self, link: LinkId) -> &mut Fault {
        if self.faults.len() <= link.index() {
            self.faults.resize(link.index() + 1, Fault::default());
        }
        &mut self.faults[link.index()]
    }

    /// Makes links be as they should, and tells those who notice.
    fn refresh_links(&mut self, links: &[LinkId]) {
        let mut changed = Vec::new();
        for link in links {
            let fault = *self.fault(*link);
            let ends = self.plan.link(*link).ends;
            let works = |end: &NodeId| self.is_node_up(*end) && !self.nodes_cut_off.contains(end);
            let up = !fault.disabled && !fault.cut && ends.iter().all(works);
            if self.is_link_up(*link) != up {
                self.switch_link(*link, up);
                changed.push((*link, up));
            }
        }
        if !changed.is_empty() {
            self.configure_routes();
            changed.iter().for_each(|(link, up)| self.tell_routers(*link, *up));
            self.tell_groups();
            changed.iter().filter(|(_, up)| *up).for_each(|(link, _)| self.ask_neighbors(*link));
        }
    }

    /// Nodes at the ends of a link that is up again ask for the neighbours that they waited for.
    fn ask_neighbors(&mut self, link: LinkId) {
        for (end, dir) in
            self.plan.link(link).ends.into_iter().zip([DirId::forward(link), DirId::backward(link)])
        {
            let Some(host) = self.host_index(end) else { continue };
            let mut cx = Context { now: self.now, packets: &mut self.packets, out: &mut self.out };
            let stack = &mut self.hosts[host as usize].stack;
            let Some(port) = stack.ifaces.iter().position(|iface| topology::sends_on(iface.id) == dir) else {
                continue;
            };
            stack.ask_again(port as u32, &mut cx);
            self.settle(host);
        }
    }

    /// How often a link has gone down so far.
    pub fn outages(&self, link: LinkId) -> u64 {
        self.outages.get(&link).copied().unwrap_or(0)
    }

    fn switch_link(&mut self, link: LinkId, up: bool) {
        *self.outages.entry(link).or_default() += u64::from(!up);
        for dir in [DirId::forward(link), DirId::backward(link)] {
            let lost = if up {
                0
            } else {
                let here = dir.index();
                let on_media = self.flush_station(here) + self.flush_repair(here) + self.flush_radio(here);
                self.flush_direction(dir, Cause::LinkDown) + self.flush_scheduler(here) + on_media
            };
            self.directions[dir.index()].port.set_up(self.now, up, lost);
        }
        for end in self.plan.link(link).ends {
            if let NodeRef::Switch(switch) = self.nodes[end.index()] {
                let port =
                    self.switch_ports[switch as usize].iter().position(|dir| DirId(*dir).link() == link);
                if let Some(port) = port {
                    self.set_switch_port_up(switch as usize, port as u32, up);
                }
            }
        }
    }
}
