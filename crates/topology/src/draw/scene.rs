//! What is drawn: nodes, many hosts of one router as one symbol, and the links between them.

use super::labels::{Line, text_size};
use super::layout::Point;
use super::links::{Legend, arrows, describe};
use crate::{NodeKind, Plan, peer_of};
use rustc_hash::FxHashMap;
use std::rc::Rc;
use tidewire_units::{LinkId, NodeId};

/// A drawing before its layout.
pub(super) struct Scene {
    pub vertices: Vec<Vertex>,
    pub edges: Vec<Edge>,
    /// How large symbols and names are; below 1 in crowded drawings.
    pub scale: f64,
}

/// A node, or several hosts of one node.
pub(super) struct Vertex {
    pub kind: NodeKind,
    /// The node; of several hosts the first.
    pub node: NodeId,
    /// How many hosts this stands for.
    pub count: usize,
    /// Name, and what is known besides.
    pub label: Vec<Line>,
    /// The size of the symbol.
    pub symbol: Point,
    /// Edges that end here, by position in [`Scene::edges`].
    pub edges: Vec<usize>,
}

/// A link, or the links of several hosts.
pub(super) struct Edge {
    pub ends: [usize; 2],
    pub link: LinkId,
    /// Its position among the links between the same vertices, and how many there are.
    pub parallel: (u32, u32),
    /// Whether its options are said at the link, not in the legend.
    pub labelled: bool,
    /// The subnet, where it is said at the link.
    pub subnet: Option<String>,
    /// The width of its label.
    pub width: f64,
}

/// Size of a node's symbol, in pixels.
const fn symbol(kind: NodeKind) -> Point {
    match kind {
        NodeKind::Host => [30.0, 26.0],
        NodeKind::Switch => [42.0, 24.0],
        NodeKind::Router => [34.0, 34.0],
    }
}

/// Font sizes of names, and of all else.
pub(super) const NAME: f64 = 13.0;
pub(super) const DETAIL: f64 = 10.5;

impl Scene {
    /// Hosts with one link are drawn one by one while there are few; from some number at one node they become one symbol.
    pub fn new(plan: &Plan, legend: &Legend) -> Scene {
        let crowds = crowds(plan, crowd_limit(plan));
        let shown = plan.node_ids().filter(|id| !crowds.contains_key(id) || crowds[id][0] == *id);
        let mut vertices = Vec::new();
        let mut vertex_of: Vec<Option<usize>> = vec![None; plan.nodes().len()];
        let mut named_networks = Vec::new();
        for id in shown {
            vertex_of[id.index()] = Some(vertices.len());
            let (count, texts) = match crowds.get(&id) {
                Some(group) => (group.len(), crowd_label(plan, group)),
                None => (1, label(plan, id, &mut named_networks)),
            };
            let kind = plan.node(id).spec.kind();
            let sized = |(i, text)| match i {
                0 => Line { text, size: NAME, color: "#1a1a1a" },
                _ => Line { text, size: DETAIL, color: "#666" },
            };
            let label = texts.into_iter().enumerate().map(sized).collect();
            vertices.push(Vertex { kind, node: id, count, label, symbol: symbol(kind), edges: Vec::new() });
        }
        let scale = match vertices.len() {
            0..=90 => 1.0,
            91..=250 => 0.8,
            _ => 0.62,
        };
        for vertex in &mut vertices {
            vertex.symbol = vertex.symbol.map(|x| x * scale);
            vertex.label.iter_mut().for_each(|line| line.size *= scale);
        }
        let mut edges = edges(plan, &vertex_of, &mut vertices);
        let few = edges.len() <= 14 && plan.is_numbered();
        for edge in &mut edges {
            edge.labelled = legend.kind_of[edge.link.index()].is_none() && legend.labels_others();
            let [a, b] = plan.link(edge.link).ends;
            if few && plan.node(a).spec.forwards() && plan.node(b).spec.forwards() {
                edge.subnet =
                    plan.networks()[plan.network_of(edge.link)].prefix.map(|prefix| prefix.to_string());
            }
            edge.width = text_size(&edge.label(plan, [1.0, 0.0]))[0];
        }
        Scene { vertices, edges, scale }
    }

    /// The vertex at the other end of an edge.
    pub fn other(&self, edge: usize, vertex: usize) -> usize {
        let [a, b] = self.edges[edge].ends;
        if a == vertex { b } else { a }
    }

    /// The size of a vertex's label.
    pub fn label_size(&self, vertex: usize) -> Point {
        text_size(&self.vertices[vertex].label)
    }

    /// The widest label of the vertices in a list.
    pub fn widest(&self, vertices: &[usize]) -> f64 {
        vertices.iter().map(|&v| self.label_size(v)[0].max(self.vertices[v].symbol[0])).fold(0.0, f64::max)
    }

    /// The widest label at a link between two vertices.
    pub fn link_width(&self, a: usize, b: usize) -> f64 {
        let between = self.vertices[a].edges.iter().map(|&e| &self.edges[e]).filter(|e| e.ends.contains(&b));
        between.map(|edge| edge.width).fold(0.0, f64::max)
    }

    /// The distinct neighbours of a vertex, ascending.
    pub fn neighbors(&self, vertex: usize) -> Vec<usize> {
        let mut list: Vec<usize> =
            self.vertices[vertex].edges.iter().map(|&edge| self.other(edge, vertex)).collect();
        list.sort_unstable();
        list.dedup();
        list
    }
}

fn edges(plan: &Plan, vertex_of: &[Option<usize>], vertices: &mut [Vertex]) -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::new();
    for link in plan.link_ids() {
        let [a, b] = plan.link(link).ends.map(|end| vertex_of[end.index()]);
        let (Some(a), Some(b)) = (a, b) else { continue };
        let same: Vec<usize> = vertices[a]
            .edges
            .iter()
            .copied()
            .filter(|&e| edges[e].ends == [a, b] || edges[e].ends == [b, a])
            .collect();
        let count = same.len() as u32 + 1;
        same.iter().for_each(|&e| edges[e].parallel.1 = count);
        for end in [a, b] {
            vertices[end].edges.push(edges.len());
        }
        edges.push(Edge {
            ends: [a, b],
            link,
            parallel: (count - 1, count),
            labelled: false,
            subnet: None,
            width: 0.0,
        });
    }
    edges
}

/// How many vertices and edges the drawing of a plan has, without making it.
pub(super) fn size(plan: &Plan) -> (usize, usize) {
    let crowds = crowds(plan, crowd_limit(plan));
    let hidden = |id: &NodeId| crowds.get(id).is_some_and(|group| group[0] != *id);
    let vertices = plan.node_ids().filter(|id| !hidden(id)).count();
    let edges = plan.links().iter().filter(|link| !link.ends.iter().any(hidden)).count();
    (vertices, edges)
}

/// From more hosts than this at one node on, they are one symbol.
fn crowd_limit(plan: &Plan) -> usize {
    if plan.nodes().len() <= 40 { 16 } else { 3 }
}

/// In larger networks than this every kind of leaf is gathered, not only hosts.
const LARGE: usize = 1000;

/// Leaves that are drawn as one symbol, by leaf: hosts, in large networks routers and switches as well.
fn crowds(plan: &Plan, limit: usize) -> FxHashMap<NodeId, Rc<[NodeId]>> {
    let kinds: &[NodeKind] = match plan.nodes().len() {
        0..=LARGE => &[NodeKind::Host],
        _ => &[NodeKind::Host, NodeKind::Switch, NodeKind::Router],
    };
    let is_leaf = |id: NodeId, kind: NodeKind| {
        let node = plan.node(id);
        node.spec.kind() == kind && node.ifaces.len() == 1
    };
    let mut crowds = FxHashMap::default();
    for hub in plan.nodes().iter().filter(|node| node.ifaces.len() > limit) {
        for kind in kinds {
            let around = hub.ifaces.iter().map(|&iface| plan.node_of(peer_of(iface)));
            let mut group: Vec<NodeId> = around.filter(|&other| is_leaf(other, *kind)).collect();
            group.sort_unstable();
            if group.len() > limit {
                let group: Rc<[NodeId]> = group.into();
                crowds.extend(group.iter().map(|&id| (id, group.clone())));
            }
        }
    }
    crowds
}

fn crowd_label(plan: &Plan, group: &[NodeId]) -> Vec<String> {
    let name = |id: Option<&NodeId>| id.map_or("", |id| plan.node(*id).name.as_str());
    let kind = match group.first().map(|id| plan.node(*id).spec.kind()) {
        Some(NodeKind::Router) => "routers",
        Some(NodeKind::Switch) => "switches",
        Some(NodeKind::Host) | None => "hosts",
    };
    vec![format!("{} … {}", name(group.first()), name(group.last())), format!("{} {kind}", group.len())]
}

/// The name; in small networks also a host's address, or the subnet at the first switch of a network.
fn label(plan: &Plan, id: NodeId, named_networks: &mut Vec<usize>) -> Vec<String> {
    let node = plan.node(id);
    let mut label = vec![node.name.clone()];
    if plan.nodes().len() > 40 || !plan.is_numbered() {
        return label;
    }
    match node.spec.kind() {
        NodeKind::Host => {
            let addresses = node.ifaces.iter().filter_map(|&iface| plan.iface(iface).address);
            label.extend(addresses.map(|address| address.to_string()).take(3));
        }
        NodeKind::Switch => {
            let network = node.ifaces.first().map(|&iface| plan.network_of(crate::link_of(iface)));
            if let Some(network) = network.filter(|network| !named_networks.contains(network)) {
                named_networks.push(network);
                label.extend(plan.networks()[network].prefix.map(|prefix| prefix.to_string()));
            }
        }
        NodeKind::Router => {}
    }
    label
}

impl Edge {
    /// What is written at the link, drawn along this vector from its first to its second end.
    pub fn label(&self, plan: &Plan, along: Point) -> Vec<Line> {
        let line = |color| move |text| Line { text, size: DETAIL, color };
        let own =
            if self.labelled { describe(&plan.link(self.link).spec, arrows(along)) } else { Vec::new() };
        let own = own.into_iter().flat_map(|text| wrap(&text));
        let subnet = self.subnet.iter().cloned();
        own.map(line("#7a3b00")).chain(subnet.map(line("#666"))).collect()
    }
}

/// A description in lines of at most this many letters, if its parts are that short.
const LETTERS: usize = 26;

fn wrap(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    // Not between brackets.
    let mut depth = 0;
    let parts = text.split_inclusive(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    for part in parts {
        match lines.last_mut().filter(|last| last.chars().count() + part.chars().count() <= LETTERS) {
            Some(last) => last.push_str(part),
            None => lines.push(part.trim_start().to_owned()),
        }
    }
    lines
}
