//! Links that everything between two groups of hosts must cross.

use super::{Finding, Problem};
use crate::{NodeKind, Plan, sends_on};
use std::collections::BTreeMap;
use tidewire_units::{DirId, LinkId, NodeId, Rate};

/// What the hosts of a group can send and receive together, in bit/s.
#[derive(Clone, Copy, Default)]
struct Group {
    hosts: usize,
    send: u128,
    receive: u128,
}

impl Group {
    fn and(self, other: Group) -> Group {
        Group {
            hosts: self.hosts + other.hosts,
            send: self.send + other.send,
            receive: self.receive + other.receive,
        }
    }

    fn without(self, other: Group) -> Group {
        Group {
            hosts: self.hosts - other.hosts,
            send: self.send - other.send,
            receive: self.receive - other.receive,
        }
    }
}

/// A search through one part of the network that finds the edges without a way around (Tarjan, "A note on finding the bridges of
/// a graph", 1974). Parallel links count as one edge.
struct Search {
    entered: Vec<Option<u32>>,
    /// The earliest node that the subtree of a node has an edge to, besides the one to its parent.
    earliest: Vec<u32>,
    below: Vec<Group>,
    bridges: Vec<(NodeId, NodeId)>,
    clock: u32,
}

/// Bridges between routers and switches that are slower than what the hosts on either side can send across.
pub(super) fn bottlenecks(plan: &Plan) -> Vec<Finding> {
    let edges = edges(plan);
    let mut around: Vec<Vec<NodeId>> = vec![Vec::new(); plan.nodes().len()];
    for &(a, b) in edges.keys() {
        around[a.index()].push(b);
        around[b.index()].push(a);
    }
    let n = plan.nodes().len();
    let groups = plan.node_ids().map(|id| own(plan, id)).collect();
    let mut search =
        Search { entered: vec![None; n], earliest: vec![0; n], below: groups, bridges: Vec::new(), clock: 0 };
    let mut findings = Vec::new();
    for root in plan.node_ids() {
        if search.entered[root.index()].is_none() {
            search.run(&around, root);
            let all = search.below[root.index()];
            for (parent, child) in std::mem::take(&mut search.bridges) {
                let below = search.below[child.index()];
                let links = &edges[&(parent.min(child), parent.max(child))];
                findings.extend(judge(plan, links, child, below, all.without(below)));
            }
        }
    }
    findings.sort_by_key(|finding| finding.links[0]);
    findings
}

/// Links by the nodes that they join, the lower id first.
fn edges(plan: &Plan) -> BTreeMap<(NodeId, NodeId), Vec<LinkId>> {
    let mut edges: BTreeMap<_, Vec<LinkId>> = BTreeMap::new();
    for link in plan.link_ids() {
        let [a, b] = plan.link(link).ends;
        edges.entry((a.min(b), a.max(b))).or_default().push(link);
    }
    edges
}

fn own(plan: &Plan, id: NodeId) -> Group {
    let node = plan.node(id);
    if node.spec.kind() != NodeKind::Host || node.spec.forwards() {
        return Group::default();
    }
    let rate = |dir: DirId| u128::from(plan.direction(dir).rate.bits_per_s());
    node.ifaces.iter().fold(Group { hosts: 1, ..Group::default() }, |group, &iface| {
        let out = sends_on(iface);
        group.and(Group { hosts: 0, send: rate(out), receive: rate(out.reverse()) })
    })
}

impl Search {
    fn run(&mut self, around: &[Vec<NodeId>], root: NodeId) {
        self.enter(root);
        // Node, the node it was entered from, and which neighbour comes next.
        let mut stack: Vec<(NodeId, Option<NodeId>, usize)> = vec![(root, None, 0)];
        while let Some((node, parent, next)) = stack.last_mut() {
            let (node, parent) = (*node, *parent);
            if let Some(&there) = around[node.index()].get(*next) {
                *next += 1;
                match self.entered[there.index()] {
                    _ if Some(there) == parent => {}
                    Some(time) => self.earliest[node.index()] = self.earliest[node.index()].min(time),
                    None => {
                        self.enter(there);
                        stack.push((there, Some(node), 0));
                    }
                }
                continue;
            }
            stack.pop();
            if let Some(parent) = parent {
                let (own, up) = (node.index(), parent.index());
                self.earliest[up] = self.earliest[up].min(self.earliest[own]);
                self.below[up] = self.below[up].and(self.below[own]);
                if Some(self.earliest[own]) > self.entered[up] {
                    self.bridges.push((parent, node));
                }
            }
        }
    }

    fn enter(&mut self, node: NodeId) {
        self.entered[node.index()] = Some(self.clock);
        self.earliest[node.index()] = self.clock;
        self.clock += 1;
    }
}

/// A finding if the links between two sides carry less than what one can send and the other receive. `inner` is the end on the
/// side of `below`.
fn judge(plan: &Plan, links: &[LinkId], inner: NodeId, below: Group, above: Group) -> Option<Finding> {
    let ends = plan.link(links[0]).ends;
    if ends.iter().any(|&end| plan.node(end).spec.kind() == NodeKind::Host)
        || below.hosts == 0
        || above.hosts == 0
    {
        return None;
    }
    let capacity = |from: NodeId| -> u128 {
        let outward = |link: &LinkId| match plan.link(*link).ends[0] == from {
            true => DirId::forward(*link),
            false => DirId::backward(*link),
        };
        links.iter().map(|link| u128::from(plan.direction(outward(link)).rate.bits_per_s())).sum()
    };
    let outer = if ends[0] == inner { ends[1] } else { ends[0] };
    let up = (capacity(inner), below.send.min(above.receive), below.hosts, above.hosts);
    let down = (capacity(outer), above.send.min(below.receive), above.hosts, below.hosts);
    // The direction that is oversubscribed more; compared without dividing.
    let (capacity, demand, from, to) = if up.1 * down.0 >= down.1 * up.0 { up } else { down };
    if demand <= capacity {
        return None;
    }
    let text = |bits: u128| match Rate::from_bits_per_s(u64::try_from(bits).unwrap_or(u64::MAX)) {
        Some(rate) if bits < u128::from(u64::MAX) => rate.to_string(),
        _ => "any rate".to_owned(),
    };
    let hosts = |n: usize| if n == 1 { "1 host".to_owned() } else { format!("{n} hosts") };
    let ratio = (demand as f64 / capacity as f64 * 10.0).round() / 10.0;
    let name = &plan.link(links[0]).name;
    let subject =
        if links.len() == 1 { format!("link '{name}'") } else { format!("links '{name}' and its parallels") };
    let sentence = format!(
        "all traffic from {} to {} crosses {subject} at {}; they can send {}, {ratio} times as much",
        hosts(from),
        hosts(to),
        text(capacity),
        text(demand)
    );
    Some(Finding { problem: Problem::Bottleneck, nodes: ends.to_vec(), links: links.to_vec(), sentence })
}
