//! Routing protocols: which routers run one, who hears whom, and what changed when.

use crate::World;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use tidewire_l3_network::Prefix;
use tidewire_l3_network::routing::{
    Announcements, BgpConfig, BgpPolicy, Control, RouteChange, RoutingConfig, RoutingPort, StaticRoute,
    converge,
};
use tidewire_node::Context;
use tidewire_topology as topology;
use tidewire_units::{DirId, IfaceId, Instant, LinkId, NodeId, Purpose, Rate};

/// How a router finds its routes. Without one they are computed from the whole plan.
#[derive(Clone, PartialEq, Debug)]
pub struct RoutingSpec {
    /// What it runs.
    pub config: RoutingConfig,
    /// The tables are there when time starts. One router that says no decides for all.
    pub converge: bool,
    /// The router notices at once when a link goes up or down.
    pub carrier: bool,
    /// Tells its neighbours the routes that were entered by hand.
    pub redistribute: bool,
    /// A link that is given no cost costs so many times more than its rate; none: 1.
    pub reference: Option<Rate>,
}

impl World {
    /// How a node finds its routes; takes effect with the next [`World::sync`].
    pub fn set_routing(&mut self, node: NodeId, spec: Option<RoutingSpec>) {
        match spec {
            Some(spec) => self.routing.insert(node, spec),
            None => self.routing.remove(&node),
        };
    }

    /// What a BGP router does with routes from and to a neighbour, from now on.
    pub fn set_bgp_policy(&mut self, node: NodeId, neighbor: NodeId, policy: BgpPolicy) {
        let ifaces = self.plan.nodes().get(neighbor.index()).map(|node| &node.ifaces[..]).unwrap_or_default();
        let addresses = ifaces.iter().filter_map(|iface| self.plan.iface(*iface).address);
        let addrs: Vec<Ipv4Addr> = addresses.map(|address| address.ip).collect();
        if let Some(host) = self.host_index(node).filter(|_| self.has_started()) {
            let mut cx = Context { now: self.now, packets: &mut self.packets, out: &mut self.out };
            self.hosts[host as usize].set_bgp_policy(&addrs, &policy, &mut cx);
            self.settle(host);
        }
        self.bgp.policies.insert((node, neighbor), policy);
    }

    /// What was said of a neighbour so far.
    pub fn bgp_policy(&self, node: NodeId, neighbor: NodeId) -> BgpPolicy {
        self.bgp.policies.get(&(node, neighbor)).cloned().unwrap_or_default()
    }

    /// A BGP router announces a network as its own from now on, or no longer.
    pub fn announce(&mut self, node: NodeId, prefix: Prefix, on: bool) {
        let all = self.bgp.announced.entry(node).or_default();
        if on {
            all.insert(prefix);
        } else {
            all.remove(&prefix);
        }
        if let Some(host) = self.host_index(node) {
            let mut cx = Context { now: self.now, packets: &mut self.packets, out: &mut self.out };
            self.hosts[host as usize].announce(prefix, on, &mut cx);
            self.settle(host);
        }
    }

    /// Whether a node's forwarding table is its own business: it runs a protocol, or has its address on loan.
    pub(crate) fn routes_itself(&self, node: NodeId) -> bool {
        let borrows = |host: u32| self.hosts[host as usize].dhcp_client().is_some();
        self.routing.contains_key(&node) || self.host_index(node).is_some_and(borrows)
    }

    /// When a route of any router that runs a protocol last changed.
    pub fn last_route_change(&self) -> Option<Instant> {
        self.controls().map(|(_, control)| control.last_change()).max()
    }

    /// Whether changes of routes are kept until they are taken, as they are at first. Takes effect with the next [`World::sync`].
    pub fn keep_route_changes(&mut self, on: bool) {
        self.told.drops_changes = !on;
    }

    /// Takes the changes of routes since this was last asked, by time and then by node.
    pub fn take_route_changes(&mut self) -> Vec<(NodeId, RouteChange)> {
        let mut all = Vec::new();
        for (id, host) in self.host_ids.iter().zip(&mut self.hosts) {
            let changes = host.control_mut().map(Control::take_changes).unwrap_or_default();
            all.extend(changes.into_iter().map(|change| (*id, change)));
        }
        all.sort_by_key(|(id, change)| (change.at, *id));
        all
    }

    /// Every router that runs a protocol.
    pub fn controls(&self) -> impl Iterator<Item = (NodeId, &Control)> {
        self.host_ids.iter().zip(&self.hosts).filter_map(|(id, host)| Some((*id, host.control()?)))
    }

    /// Gives routers their part in routing. May be called again until time starts.
    pub(crate) fn configure_routing(&mut self) {
        if self.routing.is_empty() {
            return;
        }
        let members: Vec<NodeId> = self.routing.keys().copied().collect();
        let segments = self.segments_of_routers(&members, &|_| true);
        let mut controls: Vec<Control> =
            members.iter().enumerate().map(|(i, node)| self.new_control(i, *node, &segments)).collect();
        if self.routing.values().all(|spec| spec.converge) {
            let live = self.segments_of_routers(&members, &|link| self.is_link_up(link));
            converge(&mut controls, &live, self.now);
        }
        for (node, control) in members.into_iter().zip(controls) {
            let host = self.host_index(node).expect("only hosts and routers are given routing");
            self.hosts[host as usize].set_control(control, self.now);
            self.rearm(host);
        }
    }

    /// A router that has started again begins anew.
    pub(crate) fn boot_routing(&mut self, node: NodeId) {
        let members: Vec<NodeId> = self.routing.keys().copied().collect();
        let (Ok(number), Some(host)) = (members.binary_search(&node), self.host_index(node)) else { return };
        let segments = self.segments_of_routers(&members, &|_| true);
        let control = self.new_control(number, node, &segments);
        self.hosts[host as usize].set_control(control, self.now);
        self.rearm(host);
    }

    /// A link has gone up or down: routers at its ends notice if they can.
    pub(crate) fn tell_routers(&mut self, link: LinkId, up: bool) {
        for dir in [DirId::forward(link), DirId::backward(link)] {
            let iface = topology::sender_of(dir);
            let node = self.plan.node_of(iface);
            let notices = self.routing.get(&node).is_some_and(|spec| spec.carrier);
            let Some(host) = self.host_index(node).filter(|_| notices) else { continue };
            let port = self.plan.iface(iface).port;
            let mut cx = Context { now: self.now, packets: &mut self.packets, out: &mut self.out };
            self.hosts[host as usize].set_port_up(port, up, &mut cx);
            self.settle(host);
        }
    }

    /// Which ports of the routers hear each other over links that are `up`: (position in `members`, port). Who may be a neighbour is a
    /// question of all links: one that is down now may come up.
    fn segments_of_routers(&self, members: &[NodeId], up: &dyn Fn(LinkId) -> bool) -> Vec<Vec<(usize, u32)>> {
        let end = |iface: &IfaceId| {
            let member = members.binary_search(&self.plan.node_of(*iface)).ok()?;
            Some((member, self.plan.iface(*iface).port))
        };
        let all = self.plan.segments(up);
        all.iter().map(|segment| segment.iter().filter_map(end).collect()).collect()
    }

    fn new_control(&self, number: usize, node: NodeId, segments: &[Vec<(usize, u32)>]) -> Control {
        let spec = &self.routing[&node];
        let kind = std::mem::discriminant(&spec.config);
        let alike: Vec<bool> =
            self.routing.values().map(|other| std::mem::discriminant(&other.config) == kind).collect();
        let ifaces = &self.plan.node(node).ifaces;
        let mut ports: Vec<RoutingPort> =
            ifaces.iter().map(|iface| self.routing_port(*iface, spec)).collect();
        let speaks_alike = |(other, _): &&(usize, u32)| *other != number && alike[*other];
        for segment in segments.iter().filter(|segment| segment.iter().any(|end| speaks_alike(&end))) {
            for (_, port) in segment.iter().filter(|(member, _)| *member == number) {
                ports[*port as usize].passive = false;
            }
        }
        let statics: Vec<StaticRoute> = topology::manual_routes(&self.plan, node)
            .into_iter()
            .map(|(prefix, hops)| StaticRoute { prefix: l3_prefix(prefix), hops: self.hops_of(&hops) })
            .collect();
        let by_hand = statics.iter().filter(|_| spec.redistribute).map(|route| route.prefix);
        let announced: Vec<Prefix> =
            by_hand.chain(self.bgp.announced.get(&node).into_iter().flatten().copied()).collect();
        let config = match &spec.config {
            RoutingConfig::Bgp(config) => {
                RoutingConfig::Bgp(self.with_neighbors(config, number, node, segments))
            }
            config => config.clone(),
        };
        let stream = self.streams.stream(Purpose::Routing, &self.plan.node(node).name);
        let mut control = Control::new(&config, ports, statics, &announced, stream, self.now);
        control.share(&self.told.announcements);
        control.keep_changes(!self.told.drops_changes);
        control
    }

    /// A router's settings with the BGP routers on its links, and what it does with their routes.
    fn with_neighbors(
        &self,
        config: &BgpConfig,
        number: usize,
        node: NodeId,
        segments: &[Vec<(usize, u32)>],
    ) -> BgpConfig {
        let mut config = config.clone();
        let members: Vec<(&NodeId, &RoutingSpec)> = self.routing.iter().collect();
        for segment in segments.iter().filter(|segment| segment.iter().any(|(member, _)| *member == number)) {
            for (other, port) in segment.iter().filter(|(member, _)| *member != number) {
                let (id, spec) = members[*other];
                let iface = self.plan.node(*id).ifaces[*port as usize];
                if let (RoutingConfig::Bgp(other), Some(address)) =
                    (&spec.config, self.plan.iface(iface).address)
                {
                    config.neighbors.insert(address.ip, other.asn);
                    config.policies.insert(address.ip, self.bgp_policy(node, *id));
                }
            }
        }
        config
    }

    fn routing_port(&self, iface: IfaceId, spec: &RoutingSpec) -> RoutingPort {
        let dir = topology::sends_on(iface);
        let direction = self.plan.direction(dir);
        let cost = match spec.reference {
            Some(reference) if direction.cost == 1 => {
                (reference.bits_per_s() / direction.rate.bits_per_s()).clamp(1, 65535) as u32
            }
            _ => direction.cost.min(65535),
        };
        let address = self.plan.iface(iface).address;
        let net = address.map(|address| Prefix::new(address.ip, address.length()));
        RoutingPort {
            addr: address.map_or(Ipv4Addr::UNSPECIFIED, |address| address.ip),
            prefix: net.flatten().unwrap_or(Prefix::DEFAULT),
            cost,
            mtu: self.plan.link(dir.link()).spec.mtu,
            // Who does not notice that links go down does not notice that they come up.
            up: self.is_link_up(dir.link()) || !spec.carrier,
            passive: true,
        }
    }
}

/// What routers tell each other and the world.
#[derive(Default)]
pub(crate) struct Told {
    announcements: Announcements,
    /// Nobody asks for changes of routes.
    drops_changes: bool,
}

/// What was said of BGP routers besides their settings.
#[derive(Default)]
pub(crate) struct BgpPlan {
    /// By router and neighbour.
    policies: BTreeMap<(NodeId, NodeId), BgpPolicy>,
    /// Networks that routers announce besides those that they are on.
    announced: BTreeMap<NodeId, BTreeSet<Prefix>>,
}

pub(crate) type RoutingSpecs = BTreeMap<NodeId, RoutingSpec>;

pub(crate) fn l3_prefix(prefix: topology::Prefix) -> Prefix {
    Prefix::new(prefix.network(), prefix.length()).expect("a length of at most 32")
}
