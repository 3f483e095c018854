//! Who is cut off, and what circles.

use super::{Finding, Problem, list};
use crate::{NodeKind, NodeSpec, Plan, SpanningTree, link_of, sends_on};
use petgraph::unionfind::UnionFind;
use std::collections::{BTreeMap, VecDeque};
use tidewire_units::{LinkId, NodeId, Span};

pub(super) fn nodes_without_links(plan: &Plan) -> Vec<Finding> {
    let lonely = plan.node_ids().filter(|&id| plan.node(id).ifaces.is_empty());
    lonely
        .map(|id| {
            let kind = match plan.node(id).spec.kind() {
                NodeKind::Host => "host",
                NodeKind::Switch => "switch",
                NodeKind::Router => "router",
            };
            let sentence = format!("{kind} '{}' has no link", plan.node(id).name);
            Finding { problem: Problem::NoLink, nodes: vec![id], links: Vec::new(), sentence }
        })
        .collect()
}

/// Groups of hosts that IP packets cannot leave. The largest is the network; each other one is a finding.
pub(super) fn unreachable(plan: &Plan) -> Vec<Finding> {
    let mut sets = UnionFind::<u32>::new(plan.networks().len());
    for node in plan.nodes().iter().filter(|node| node.spec.forwards()) {
        for pair in node.ifaces.windows(2) {
            let [a, b] = [pair[0], pair[1]].map(|iface| plan.network_of(link_of(iface)) as u32);
            sets.union(a, b);
        }
    }
    let groups_of = |id: NodeId| -> Vec<u32> {
        let ifaces = plan.node(id).ifaces.iter();
        ifaces.map(|&iface| sets.find(plan.network_of(link_of(iface)) as u32)).collect()
    };
    let mut groups: BTreeMap<u32, Vec<NodeId>> = BTreeMap::new();
    let hosts = || plan.node_ids().filter(|&id| plan.node(id).spec.kind() == NodeKind::Host);
    for host in hosts() {
        let mut own = groups_of(host);
        own.sort_unstable();
        own.dedup();
        own.into_iter().for_each(|group| groups.entry(group).or_default().push(host));
    }
    // The largest group, of several the one with the first host.
    let Some((main, members)) =
        groups.iter().max_by_key(|(_, hosts)| (hosts.len(), std::cmp::Reverse(hosts[0])))
    else {
        return Vec::new();
    };
    let total = hosts().count();
    let mut findings = Vec::new();
    for (_, hosts) in groups.iter().filter(|(group, _)| *group != main) {
        let Some(&outside) = hosts.iter().find(|host| !members.contains(host)) else { continue };
        let Some(&inside) = members.iter().find(|host| !hosts.contains(host)) else { continue };
        let between = hosts.iter().find(|host| groups_of(**host).contains(main));
        let why = match between {
            Some(&host) => format!(
                "'{}' has links to both, but is a host; with forward = true it would pass packets on",
                plan.node(host).name
            ),
            None => {
                format!("{} of {total} hosts are connected to '{}'", members.len(), plan.node(inside).name)
            }
        };
        let names = [inside, outside].map(|id| &plan.node(id).name);
        let sentence = format!("'{}' cannot reach '{}' ({why})", names[0], names[1]);
        let nodes = vec![outside, inside];
        findings.push(Finding { problem: Problem::Unreachable, nodes, links: Vec::new(), sentence });
    }
    findings
}

/// One finding for each link between switches that closes a loop which no spanning tree breaks.
pub(super) fn switch_loops(plan: &Plan) -> Vec<Finding> {
    // A loop is broken by those of its switches that take part; it stays when none does.
    let is_switch = |id: NodeId| matches!(&plan.node(id).spec, NodeSpec::Switch(switch) if switch.stp == SpanningTree::Off);
    let mut sets = UnionFind::<u32>::new(plan.nodes().len());
    let mut tree: Vec<Vec<NodeId>> = vec![Vec::new(); plan.nodes().len()];
    let mut findings = Vec::new();
    for link in plan.link_ids() {
        let [a, b] = plan.link(link).ends;
        if !is_switch(a) || !is_switch(b) {
            continue;
        }
        if sets.union(a.0, b.0) {
            tree[a.index()].push(b);
            tree[b.index()].push(a);
            continue;
        }
        let around = tree_path(&tree, a, b);
        let name = &plan.link(link).name;
        let sentence = format!(
            "switches {} form a loop, closed by link '{name}', and their spanning tree is off (stp = false): broadcasts circle for ever",
            list(plan, &around)
        );
        findings.push(Finding { problem: Problem::SwitchLoop, nodes: around, links: vec![link], sentence });
    }
    findings
}

/// The path from `a` to `b` in a forest that holds one.
fn tree_path(tree: &[Vec<NodeId>], a: NodeId, b: NodeId) -> Vec<NodeId> {
    let mut before = BTreeMap::from([(b, b)]);
    let mut queue = VecDeque::from([b]);
    while let Some(node) = queue.pop_front().filter(|&node| node != a) {
        for &next in &tree[node.index()] {
            before.entry(next).or_insert_with(|| {
                queue.push_back(next);
                node
            });
        }
    }
    let mut path = vec![a];
    while let Some(&at) = path.last().filter(|&&at| at != b) {
        path.push(before[&at]);
    }
    path
}

pub(super) fn mtu_mismatches(plan: &Plan) -> Vec<Finding> {
    let mut first: BTreeMap<usize, LinkId> = BTreeMap::new();
    let mut seen: BTreeMap<(usize, u16), ()> = BTreeMap::new();
    let mut findings = Vec::new();
    for link in plan.link_ids() {
        let network = plan.network_of(link);
        let reference = *first.entry(network).or_insert(link);
        let [a, b] = [reference, link].map(|link| (&plan.link(link).name, plan.link(link).spec.mtu));
        if a.1 != b.1 && seen.insert((network, b.1), ()).is_none() {
            let sentence = format!(
                "links '{}' (MTU {}) and '{}' (MTU {}) are joined by switches, which drop packets that are too long for a link",
                a.0, a.1, b.0, b.1
            );
            let nodes = plan.link(link).ends.to_vec();
            findings.push(Finding {
                problem: Problem::MtuMismatch,
                nodes,
                links: vec![reference, link],
                sentence,
            });
        }
    }
    findings
}

/// RFC 8200 section 5.
const LEAST_MTU6: u16 = 1280;

pub(super) fn too_small_for_ipv6(plan: &Plan) -> Vec<Finding> {
    if plan.ipv6().is_none() {
        return Vec::new();
    }
    let small = plan.link_ids().filter(|id| plan.link(*id).spec.mtu < LEAST_MTU6);
    small
        .map(|id| {
            let link = plan.link(id);
            let sentence = format!(
                "link '{}' has an MTU of {} bytes, but IPv6 needs at least {LEAST_MTU6}: its packets may not get through",
                link.name, link.spec.mtu
            );
            Finding { problem: Problem::SmallMtu6, nodes: link.ends.to_vec(), links: vec![id], sentence }
        })
        .collect()
}

/// Bits that a station sends at least: for so long it hears what meets its frame (IEEE 802.3 clause 4.4.2, slotTime).
const SLOT_BYTES: u64 = 64;

pub(super) fn long_buses(plan: &Plan) -> Vec<Finding> {
    let hubs = plan.node_ids().filter(|id| plan.node(*id).spec.is_hub());
    hubs.filter_map(|hub| long_bus(plan, hub)).collect()
}

fn long_bus(plan: &Plan, hub: NodeId) -> Option<Finding> {
    let ifaces = &plan.node(hub).ifaces;
    let mut far: Vec<(Span, NodeId)> = ifaces
        .iter()
        .map(|iface| (plan.direction(sends_on(*iface)).delay, plan.neighbor_of(*iface)))
        .collect();
    far.sort_by_key(|(delay, _)| std::cmp::Reverse(*delay));
    let [(first, a), (second, b), ..] = far[..] else { return None };
    let slot = plan.direction(sends_on(ifaces[0])).rate.time_for(SLOT_BYTES);
    let there_and_back = (first + second) * 2;
    if there_and_back <= slot {
        return None;
    }
    let [hub_name, from, to] = [hub, a, b].map(|node| &plan.node(node).name);
    let sentence = format!(
        "the bus of hub '{hub_name}' is longer than a slot of {slot} (512 bits): from '{from}' to '{to}' and back takes {there_and_back}, so \
         frames meet without their senders noticing; give the links a shorter delay or a lower rate"
    );
    Some(Finding { problem: Problem::LongBus, nodes: vec![hub, a, b], links: Vec::new(), sentence })
}
