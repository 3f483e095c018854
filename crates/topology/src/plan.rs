//! The plan itself: nodes, links and interfaces in the order in which they were declared.

use crate::{
    DirectionSpec, Framing, HostSpec, IfaceAddr, LinkSpec, NodeKind, NodeSpec, PlanError, Prefix, QueueSpec,
    RadioSpec, RouterSpec, SwitchSpec, VlanSpec,
};
use rustc_hash::FxHashMap;
use std::net::Ipv4Addr;
use tidewire_units::{DirId, IfaceId, LinkId, NodeId, Rate, Span};

/// A network as pure data. Ids are positions in the order of declaration.
///
/// Link *k* has the interfaces 2*k* (at its first end) and 2*k* + 1 (at its second). An interface sends in the direction with
/// the same number: interface *i* sends on `DirId(i)` and receives from `DirId(i ^ 1)`. A node's ports are its interfaces in
/// ascending order, counted from 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    nodes: Vec<Node>,
    links: Vec<Link>,
    ifaces: Vec<Iface>,
    pub(crate) ipv6: Option<crate::Ipv6Plan>,
    pub(crate) subnets: Vec<SubnetRequest>,
    manual_routes: FxHashMap<NodeId, Vec<(Prefix, Via)>>,
    pub(crate) numbering: Option<crate::Numbering>,
    node_names: FxHashMap<String, NodeId>,
    link_names: FxHashMap<String, LinkId>,
    /// How many links join two nodes, the lower id first.
    parallel: FxHashMap<(NodeId, NodeId), u32>,
}

/// A host, switch or router.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique among nodes.
    pub name: String,
    /// What it is, with its options.
    pub spec: NodeSpec,
    /// Its interfaces in ascending order: port 0, 1, ...
    pub ifaces: Vec<IfaceId>,
    /// Where it stands, for drawings and for delays from distances; the unit is its maker's, y grows to the north.
    pub position: Option<[f64; 2]>,
}

/// A link between two nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// `a-b`; `a-b#2` for the second between the same nodes.
    pub name: String,
    /// First and second end.
    pub ends: [NodeId; 2],
    /// Its options.
    pub spec: LinkSpec,
}

/// One end of a link.
#[derive(Clone, Debug, PartialEq)]
pub struct Iface {
    /// The node it belongs to.
    pub node: NodeId,
    /// Its position among the node's interfaces.
    pub port: u32,
    /// The address asked for by the user.
    pub fixed: Option<IfaceAddr>,
    /// The address it has; set by [`Plan::assign_addresses`]. Interfaces of switches have none.
    pub address: Option<IfaceAddr>,
    /// Its IPv6 address, in a network of 64 bits; set likewise.
    pub address6: Option<std::net::Ipv6Addr>,
}

/// The gateway of a route added by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The node with this address on a network of the router.
    Address(Ipv4Addr),
    /// This node, on the first network that it shares with the router.
    Node(NodeId),
}

/// A subnet asked for by the user.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SubnetRequest {
    pub prefix: Prefix,
    pub nodes: Vec<NodeId>,
}

impl Plan {
    /// A plan of nothing.
    pub fn new() -> Plan {
        Plan::default()
    }

    /// Adds a host with default options. Errors: the name is taken, empty, too long or holds control characters.
    pub fn add_host(&mut self, name: impl Into<String>) -> Result<NodeId, PlanError> {
        self.add(name, NodeSpec::Host(HostSpec::default()))
    }

    /// Adds a switch with default options. Errors: as [`Plan::add_host`].
    pub fn add_switch(&mut self, name: impl Into<String>) -> Result<NodeId, PlanError> {
        self.add(name, NodeSpec::Switch(SwitchSpec::default()))
    }

    /// Adds a router with default options. Errors: as [`Plan::add_host`].
    pub fn add_router(&mut self, name: impl Into<String>) -> Result<NodeId, PlanError> {
        self.add(name, NodeSpec::Router(RouterSpec::default()))
    }

    /// Adds a node. Errors: as [`Plan::add_host`].
    pub fn add(&mut self, name: impl Into<String>, spec: NodeSpec) -> Result<NodeId, PlanError> {
        let name = name.into();
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(PlanError::BadName(name));
        }
        if self.node_names.contains_key(&name) {
            return Err(PlanError::DuplicateName(name));
        }
        self.numbering = None;
        let id = NodeId::from_index(self.nodes.len());
        self.node_names.insert(name.clone(), id);
        self.nodes.push(Node { name, spec, ifaces: Vec::new(), position: None });
        Ok(id)
    }

    /// Joins two nodes. A trunk to a host or router ends at a small switch of its own, from which an interface of the node hangs for
    /// each VLAN: sub-interfaces. Errors: an unknown node, a node with itself, an impossible option.
    pub fn connect(&mut self, a: NodeId, b: NodeId, mut spec: LinkSpec) -> Result<LinkId, PlanError> {
        for node in [a, b] {
            if node.index() >= self.nodes.len() {
                return Err(PlanError::UnknownNode(node));
            }
        }
        if a == b {
            return Err(PlanError::SelfLink(self.node(a).name.clone()));
        }
        let stem = format!("{}-{}", self.node(a).name, self.node(b).name);
        check_options(&stem, &spec)?;
        let switch = [a, b].into_iter().find(|&end| self.node(end).spec.kind() == NodeKind::Switch);
        if let Some(switch) = switch.filter(|_| spec.framing != Framing::Ethernet) {
            return Err(PlanError::NoMacLayer { link: stem, switch: self.node(switch).name.clone() });
        }
        self.check_vlan(&stem, [a, b], &spec)?;
        if let Some(end) = self.station_of_trunk([a, b], &spec) {
            let switch = self.add_sub_interfaces(end, &spec)?;
            let [a, b] = [a, b].map(|node| if node == end { switch } else { node });
            return self.connect(a, b, spec);
        }
        self.check_hub(&stem, [a, b], &spec)?;
        check_arq(&stem, &spec)?;
        self.check_pause(&stem, [a, b], &spec)?;
        self.check_radio(&stem, [a, b], &mut spec)?;
        self.numbering = None;
        let id = LinkId::from_index(self.links.len());
        let name = self.free_link_name(a, b, stem);
        self.link_names.insert(name.clone(), id);
        self.links.push(Link { name, ends: [a, b], spec });
        for node in [a, b] {
            let iface = IfaceId::from_index(self.ifaces.len());
            let own = &mut self.nodes[node.index()].ifaces;
            own.push(iface);
            let port = own.len() as u32 - 1;
            self.ifaces.push(Iface { node, port, fixed: None, address: None, address6: None });
        }
        Ok(id)
    }

    fn check_vlan(&self, link: &str, ends: [NodeId; 2], spec: &LinkSpec) -> Result<(), PlanError> {
        let Some(vlan) = &spec.vlan else { return Ok(()) };
        let link = link.to_owned();
        if let Some(vlan) = vlan.wrong_number() {
            return Err(PlanError::VlanNumber { link, vlan });
        }
        if let Some(vlan) = vlan.named_twice() {
            return Err(PlanError::VlanTwice { link, vlan });
        }
        let spec = |end: &NodeId| &self.node(*end).spec;
        let is_switch = |end: &NodeId| spec(end).kind() == NodeKind::Switch && !spec(end).is_hub();
        if !ends.iter().any(is_switch) {
            return Err(PlanError::VlanWithoutSwitch(link));
        }
        match ends.into_iter().find(|end| spec(end).is_hub()) {
            Some(end) if matches!(vlan, VlanSpec::Trunk { .. }) => {
                Err(PlanError::TrunkEnd { link, node: self.node(end).name.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The end of a trunk that is a host or router.
    fn station_of_trunk(&self, ends: [NodeId; 2], spec: &LinkSpec) -> Option<NodeId> {
        let is_trunk = matches!(spec.vlan, Some(VlanSpec::Trunk { .. }));
        ends.into_iter().find(|end| is_trunk && self.node(*end).spec.kind() != NodeKind::Switch)
    }

    /// A switch inside of a host or router, with an interface of it in each VLAN of a trunk.
    fn add_sub_interfaces(&mut self, node: NodeId, trunk: &LinkSpec) -> Result<NodeId, PlanError> {
        let stem = format!("{}.trunk", self.node(node).name);
        let numbered = (2..).map(|n: u32| format!("{stem}{n}"));
        let name = std::iter::once(stem.clone()).chain(numbered).find(|name| self.find(name).is_none());
        let switch = self.add_switch(name.expect("names do not run out"))?;
        let wire = DirectionSpec { rate: Rate::INFINITE, delay: Span::ZERO, ..DirectionSpec::default() };
        for vlan in trunk.vlan.iter().flat_map(VlanSpec::all) {
            let inner = LinkSpec {
                forward: wire.clone(),
                backward: wire.clone(),
                vlan: Some(VlanSpec::Access(vlan)),
                mtu: trunk.mtu,
                ..LinkSpec::default()
            };
            self.connect(node, switch, inner)?;
        }
        Ok(switch)
    }

    /// On a hub everybody has one rate, and nothing stands between a station and the bus.
    fn check_hub(&self, link: &str, ends: [NodeId; 2], spec: &LinkSpec) -> Result<(), PlanError> {
        let has_arq = spec.arq.is_some();
        let mut hubs = ends.into_iter().filter(|end| self.node(*end).spec.is_hub());
        let Some(hub) = hubs.next() else { return Ok(()) };
        let (link, name) = (link.to_owned(), self.node(hub).name.clone());
        if let Some(second) = hubs.next() {
            return Err(PlanError::TwoHubs([name, self.node(second).name.clone()]));
        }
        let first = self.node(hub).ifaces.first().map(|&iface| &self.link(link_of(iface)).spec.forward);
        let rate = first.map_or(spec.forward.rate, |first| first.rate);
        if let Some(other) = [spec.forward.rate, spec.backward.rate].into_iter().find(|other| *other != rate)
        {
            return Err(PlanError::HubRates { link, hub: name, rates: [other, rate] });
        }
        let is_plain = |direction: &DirectionSpec| {
            direction.discipline.is_none() && direction.impairments.is_none() && direction.trace.is_none()
        };
        let is_one_cable = spec.forward.delay == spec.backward.delay;
        let is_plain = is_plain(&spec.forward) && is_plain(&spec.backward);
        if has_arq || rate.is_infinite() || !is_one_cable || !is_plain {
            return Err(PlanError::NotAtHub { link, hub: name });
        }
        Ok(())
    }

    /// PAUSE needs somebody who runs out of memory, and a transmitter that can be stopped.
    fn check_pause(&self, link: &str, ends: [NodeId; 2], spec: &LinkSpec) -> Result<(), PlanError> {
        let shares = |end: &NodeId| matches!(&self.node(*end).spec, NodeSpec::Switch(switch) if switch.buffer.is_some());
        let has_trace = spec.forward.trace.is_some() || spec.backward.trace.is_some();
        let is_plain =
            spec.arq.is_none() && spec.distance.is_none() && spec.framing == Framing::Ethernet && !has_trace;
        let finite = !spec.forward.rate.is_infinite() && !spec.backward.rate.is_infinite();
        match !spec.pause || is_plain && finite && ends.iter().any(shares) {
            true => Ok(()),
            false => Err(PlanError::NotWithPause(link.to_owned())),
        }
    }

    /// A radio link has the rate of its access point.
    fn check_radio(&self, link: &str, ends: [NodeId; 2], spec: &mut LinkSpec) -> Result<(), PlanError> {
        let Some(metres) = spec.distance else { return Ok(()) };
        let radios: Vec<&RadioSpec> = ends.iter().filter_map(|end| self.node(*end).spec.radio()).collect();
        let is_plain = |direction: &DirectionSpec| {
            direction.discipline.is_none() && direction.impairments.is_none() && direction.trace.is_none()
        };
        if !(metres.is_finite() && metres >= 0.0) {
            return Err(PlanError::BadDistance { link: link.to_owned(), metres });
        }
        let is_possible = spec.arq.is_none() && spec.vlan.is_none();
        match radios[..] {
            [radio] if is_possible && is_plain(&spec.forward) && is_plain(&spec.backward) => {
                (spec.forward.rate, spec.backward.rate) = (radio.rate, radio.rate);
                Ok(())
            }
            _ => Err(PlanError::NotByRadio(link.to_owned())),
        }
    }

    /// Whether any link of a switch is in a VLAN: all its ports are then, in the default one if not told otherwise.
    pub fn has_vlans(&self, switch: NodeId) -> bool {
        let node = self.node(switch);
        let mut vlans = node.ifaces.iter().filter_map(|&iface| self.link(link_of(iface)).spec.vlan.as_ref());
        // Stations have no tags and no VLANs, so an access point at an access port is all in the VLAN of that port.
        match node.spec.radio() {
            Some(_) => vlans.any(|vlan| matches!(vlan, VlanSpec::Trunk { .. })),
            None => !node.spec.is_hub() && vlans.next().is_some(),
        }
    }

    /// Adds a switch and a link from it to each node: a LAN. Errors: as [`Plan::add_host`] and [`Plan::connect`].
    pub fn add_lan(
        &mut self,
        name: impl Into<String>,
        nodes: &[NodeId],
        spec: &LinkSpec,
    ) -> Result<NodeId, PlanError> {
        let switch = self.add_switch(name)?;
        for &node in nodes {
            self.connect(node, switch, spec.clone())?;
        }
        Ok(switch)
    }

    /// Gives the network that these nodes share (they may include its switches) this subnet. Looked at by
    /// [`Plan::assign_addresses`], so the links may come later. Errors: an unknown node, addresses that are not for hosts.
    pub fn subnet(&mut self, prefix: Prefix, nodes: &[NodeId]) -> Result<(), PlanError> {
        if let Some(&unknown) = nodes.iter().find(|node| node.index() >= self.nodes.len()) {
            return Err(PlanError::UnknownNode(unknown));
        }
        if !prefix.is_for_hosts() {
            return Err(PlanError::NoSubnet(prefix));
        }
        self.numbering = None;
        self.subnets.push(SubnetRequest { prefix, nodes: nodes.to_vec() });
        Ok(())
    }

    /// Says where a node stands.
    pub fn place(&mut self, node: NodeId, position: [f64; 2]) {
        self.nodes[node.index()].position = Some(position);
    }

    /// Asks for an address on one interface, instead of an automatic one.
    pub fn fix_address(&mut self, iface: IfaceId, address: IfaceAddr) {
        self.numbering = None;
        self.ifaces[iface.index()].fixed = Some(address);
    }

    /// Adds a route to a node's table; it replaces a computed one for the same prefix. A gateway that is not on a network of the
    /// node is reported by [`crate::check`]. Errors: an unknown node.
    pub fn route(&mut self, node: NodeId, prefix: Prefix, via: Via) -> Result<(), PlanError> {
        let far = if let Via::Node(gateway) = via { gateway } else { node };
        if let Some(unknown) = [node, far].into_iter().find(|id| id.index() >= self.nodes.len()) {
            return Err(PlanError::UnknownNode(unknown));
        }
        self.manual_routes.entry(node).or_default().push((prefix, via));
        Ok(())
    }

    /// The routes added to a node by hand, in the order in which they were.
    pub fn manual_routes(&self, node: NodeId) -> impl Iterator<Item = (Prefix, Via)> {
        self.manual_routes.get(&node).into_iter().flatten().copied()
    }

    pub(crate) fn replace_routes(&mut self, routes: FxHashMap<NodeId, Vec<(Prefix, Via)>>) {
        self.manual_routes = routes;
    }

    /// Hosts take the first router of their network.
    pub(crate) fn forget_gateways(&mut self) {
        for node in &mut self.nodes {
            if let NodeSpec::Host(host) = &mut node.spec {
                host.gateway = None;
            }
        }
    }

    pub(crate) fn has_manual_routes(&self, node: NodeId) -> bool {
        self.manual_routes.contains_key(&node)
    }

    /// All nodes, by id.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// All links, by id.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// All interfaces, by id.
    pub fn ifaces(&self) -> &[Iface] {
        &self.ifaces
    }

    /// One node.
    ///
    /// # Panics
    /// When the id is of another plan; so do all methods that take ids and return no `Result`.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// One node's options, to change them.
    pub fn spec_mut(&mut self, id: NodeId) -> &mut NodeSpec {
        self.numbering = None;
        &mut self.nodes[id.index()].spec
    }

    /// One link.
    pub fn link(&self, id: LinkId) -> &Link {
        &self.links[id.index()]
    }

    /// One interface.
    pub fn iface(&self, id: IfaceId) -> &Iface {
        &self.ifaces[id.index()]
    }

    pub(crate) fn ifaces_mut(&mut self) -> &mut [Iface] {
        &mut self.ifaces
    }

    /// The node with this name.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.node_names.get(name).copied()
    }

    /// The link with this name.
    pub fn find_link(&self, name: &str) -> Option<LinkId> {
        self.link_names.get(name).copied()
    }

    /// All node ids in order.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId::from_index)
    }

    /// All link ids in order.
    pub fn link_ids(&self) -> impl Iterator<Item = LinkId> + use<> {
        (0..self.links.len()).map(LinkId::from_index)
    }

    /// The node at an interface.
    pub fn node_of(&self, iface: IfaceId) -> NodeId {
        self.iface(iface).node
    }

    /// The node at the other end of an interface's link.
    pub fn neighbor_of(&self, iface: IfaceId) -> NodeId {
        self.node_of(peer_of(iface))
    }

    /// The options of what an interface sends.
    pub fn direction(&self, dir: DirId) -> &DirectionSpec {
        let spec = &self.link(dir.link()).spec;
        if dir.is_forward() { &spec.forward } else { &spec.backward }
    }

    /// The options of what an interface sends, to change what does not change routes.
    pub fn direction_mut(&mut self, dir: DirId) -> &mut DirectionSpec {
        let spec = &mut self.links[dir.link().index()].spec;
        if dir.is_forward() { &mut spec.forward } else { &mut spec.backward }
    }

    /// A node's first address, of an address translator the outer one; `None` before [`Plan::assign_addresses`], and for switches.
    pub fn address_of(&self, node: NodeId) -> Option<Ipv4Addr> {
        let outside = self.numbering.as_ref().and_then(|numbering| numbering.outsides.get(&node));
        if let Some(outside) = outside {
            return self.iface(*outside).address.map(|address| address.ip);
        }
        self.node(node).ifaces.iter().find_map(|&iface| self.iface(iface).address).map(|address| address.ip)
    }

    /// How many nodes are of this kind.
    pub fn count(&self, kind: NodeKind) -> usize {
        self.nodes.iter().filter(|node| node.spec.kind() == kind).count()
    }

    fn free_link_name(&mut self, a: NodeId, b: NodeId, stem: String) -> String {
        let n = self.parallel.entry((a.min(b), a.max(b))).or_insert(0);
        *n += 1;
        let numbered = |n: u32| if n == 1 { stem.clone() } else { format!("{stem}#{n}") };
        // Node names may hold '-': the links "a-b"-"c" and "a"-"b-c" must not share a name.
        (*n..).map(numbered).find(|name| !self.link_names.contains_key(name)).expect("names do not run out")
    }
}

/// The interface that sends in this direction.
pub const fn sender_of(dir: DirId) -> IfaceId {
    IfaceId(dir.0)
}

/// The interface that receives in this direction.
pub const fn receiver_of(dir: DirId) -> IfaceId {
    IfaceId(dir.0 ^ 1)
}

/// The direction that an interface sends in.
pub const fn sends_on(iface: IfaceId) -> DirId {
    DirId(iface.0)
}

/// The interface at the other end of the link.
pub const fn peer_of(iface: IfaceId) -> IfaceId {
    IfaceId(iface.0 ^ 1)
}

/// The link that an interface is an end of.
pub const fn link_of(iface: IfaceId) -> LinkId {
    LinkId(iface.0 / 2)
}

/// Repair keeps the order by itself, and asks for what was lost: frames come in order or not at all.
fn check_arq(name: &str, spec: &LinkSpec) -> Result<(), PlanError> {
    let comes_in_order = |direction: &DirectionSpec| {
        let impairments = direction.impairments.as_ref();
        let is_steady = impairments
            .is_none_or(|own| own.jitter.is_none() && own.duplicate.is_zero() && own.reorder.is_zero());
        is_steady
            && direction.discipline.is_none()
            && direction.trace.is_none()
            && !direction.rate.is_infinite()
    };
    match spec.arq {
        Some(arq) if arq.window == 0 || !comes_in_order(&spec.forward) || !comes_in_order(&spec.backward) => {
            Err(PlanError::NotWithArq(name.to_owned()))
        }
        _ => Ok(()),
    }
}

fn check_options(name: &str, spec: &LinkSpec) -> Result<(), PlanError> {
    if spec.mtu < 68 {
        return Err(PlanError::MtuTooSmall { link: name.to_owned(), mtu: spec.mtu });
    }
    for direction in [&spec.forward, &spec.backward] {
        if direction.cost == 0 {
            return Err(PlanError::ZeroCost(name.to_owned()));
        }
        if let QueueSpec::Bdp { factor, .. } = direction.queue {
            let positive = factor.is_finite() && factor > 0.0;
            if !positive || direction.rate.is_infinite() {
                return Err(PlanError::BadBdp(name.to_owned()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Plan, NodeId, NodeId) {
        let mut plan = Plan::new();
        let (a, b) = (plan.add_host("a").unwrap(), plan.add_host("b").unwrap());
        (plan, a, b)
    }

    #[test]
    fn links_are_named_after_their_ends_and_the_second_is_numbered() {
        let (mut plan, a, b) = pair();
        for (from, to, name) in [(a, b, "a-b"), (a, b, "a-b#2"), (b, a, "b-a#3")] {
            let link = plan.connect(from, to, LinkSpec::default()).unwrap();
            assert_eq!(plan.link(link).name, name);
            assert_eq!(plan.find_link(name), Some(link));
        }
    }

    #[test]
    fn dashes_in_node_names_never_give_two_links_one_name() {
        let mut plan = Plan::new();
        let [a, bc, ab, c] = ["a", "b-c", "a-b", "c"].map(|name| plan.add_host(name).unwrap());
        plan.connect(a, bc, LinkSpec::default()).unwrap();
        let second = plan.connect(ab, c, LinkSpec::default()).unwrap();
        assert_eq!(plan.link(second).name, "a-b-c#2");
    }

    #[test]
    fn an_interface_sends_on_the_direction_with_its_own_number() {
        let (mut plan, a, b) = pair();
        let c = plan.add_host("c").unwrap();
        plan.connect(a, b, LinkSpec::default()).unwrap();
        let link = plan.connect(c, a, LinkSpec::default()).unwrap();
        assert_eq!(sender_of(DirId::forward(link)), IfaceId(2));
        assert_eq!(plan.node_of(sender_of(DirId::forward(link))), c);
        assert_eq!(plan.node_of(receiver_of(DirId::forward(link))), a);
        assert_eq!(plan.node(a).ifaces, [IfaceId(0), IfaceId(3)]);
        assert_eq!(plan.iface(IfaceId(3)).port, 1);
        assert_eq!(plan.neighbor_of(IfaceId(3)), c);
    }

    #[test]
    fn mistakes_are_refused_with_a_sentence() {
        let (mut plan, a, b) = pair();
        assert_eq!(plan.add_router("a").unwrap_err().to_string(), "there is already a node named 'a'");
        assert!(plan.add_host("").unwrap_err().to_string().contains("cannot be a node's name"));
        let mut refused = |a, b, spec| plan.connect(a, b, spec).unwrap_err().to_string();
        assert_eq!(refused(a, a, LinkSpec::default()), "'a' cannot be linked to itself");
        assert_eq!(refused(a, NodeId(7), LinkSpec::default()), "there is no node with number 7");
        let mtu = refused(a, b, LinkSpec { mtu: 60, ..LinkSpec::default() });
        assert_eq!(mtu, "link 'a-b' has an MTU of 60 bytes; IPv4 needs at least 68");
        assert!(refused(a, b, LinkSpec::default().with_cost(0)).contains("cost of 0"));
        let bdp = QueueSpec::Bdp { factor: f64::NAN, rtt: tidewire_units::Span::ZERO };
        assert!(refused(a, b, LinkSpec::default().with_queue(bdp)).contains("bandwidth-delay"));
        assert!(plan.links().is_empty());
        let switch = plan.add_switch("s").unwrap();
        let bare = LinkSpec { framing: Framing::Ip, ..LinkSpec::default() };
        assert!(plan.connect(a, switch, bare).unwrap_err().to_string().contains("'s' is a switch"));
    }
}
