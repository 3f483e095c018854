//! A graph as files have it, and its way into a plan.

use super::text::shown;
use super::{ImportError, Imported, attributes};
use crate::generate::{Built, Style, add_hosts};
use crate::{
    AddressMode, DirectionSpec, Framing, HostSpec, IfaceAddr, LinkSpec, NodeKind, NodeSpec, Plan, PlanError,
    QueueSpec, RouterSpec, SwitchSpec,
};
use petgraph::unionfind::UnionFind;
use rustc_hash::FxHashMap;
use tidewire_units::{NodeId, Probability, Rate, Span};

/// Most nodes and links that are read from a file.
const MOST_NODES: usize = 1_000_000;
pub(super) const MOST_EDGES: usize = 2_000_000;

/// A graph before its names are made unique.
#[derive(Default)]
pub(super) struct Graph {
    pub nodes: Vec<Vertex>,
    pub edges: Vec<Edge>,
    pub notes: Vec<String>,
    /// Every edge is one direction; if each has its reverse, two are one link.
    pub directed: bool,
    index: FxHashMap<String, usize>,
    /// Ends of edges by id, where nodes may come later: edge, first, second.
    pending: Vec<(usize, [String; 2])>,
}

#[derive(Default)]
pub(super) struct Vertex {
    pub id: String,
    pub label: String,
    /// In the map's own unit, y to the north.
    pub position: Option<[f64; 2]>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub kind: Option<NodeKind>,
    pub ip: Option<IfaceAddr>,
    /// Stands for a line that joins more than two nodes.
    pub hyperedge: bool,
    /// Is of another network than the map's.
    pub external: bool,
    /// A coordinate that cannot be read.
    pub unread: Option<String>,
}

/// What a file says about one direction.
#[derive(Clone, Default)]
pub(super) struct Way {
    pub rate: Option<Rate>,
    pub delay: Option<Span>,
    pub loss: Option<Probability>,
    pub queue: Option<QueueSpec>,
    pub weight: Option<f64>,
}

#[derive(Clone, Default)]
pub(super) struct Edge {
    pub line: usize,
    pub ends: [usize; 2],
    /// The way from the first end to the second, and back; none if it is the same.
    pub way: Way,
    pub back: Option<Way>,
    pub mtu: Option<u16>,
    /// A rate read from a label; what is said elsewhere comes first.
    pub guess: Option<Rate>,
    /// The number of a rate whose unit comes later.
    pub speed: String,
    /// Its delay had no unit.
    pub bare_delay: bool,
    /// An attribute of others' formats that cannot be read.
    pub unread: Option<String>,
}

impl Graph {
    /// Adds a node. Errors: a second one of this id; too many.
    pub fn add_node(&mut self, id: &str, line: usize) -> Result<usize, ImportError> {
        let at = self.nodes.len();
        if at == MOST_NODES {
            return Err(ImportError::at(
                line,
                format!("there are more than {MOST_NODES} nodes; this is the most that is read"),
            ));
        }
        if self.index.insert(id.to_owned(), at).is_some() {
            return Err(ImportError::at(
                line,
                format!("there is already a node with the id '{}'", shown(id)),
            ));
        }
        self.nodes.push(Vertex { id: id.to_owned(), ..Vertex::default() });
        Ok(at)
    }

    /// The node with this id, which is added if there is none.
    pub fn node(&mut self, id: &str, line: usize) -> Result<usize, ImportError> {
        match self.index.get(id) {
            Some(&at) => Ok(at),
            None => self.add_node(id, line),
        }
    }

    /// Adds an edge between known nodes. Errors: too many.
    pub fn add_edge(&mut self, edge: Edge) -> Result<usize, ImportError> {
        if self.edges.len() == MOST_EDGES {
            let problem = format!("there are more than {MOST_EDGES} links; this is the most that is read");
            return Err(ImportError::at(edge.line, problem));
        }
        self.edges.push(edge);
        Ok(self.edges.len() - 1)
    }

    /// Adds an edge between nodes that may come later in the file; [`Graph::resolve`] finds them.
    pub fn add_edge_by_id(&mut self, edge: Edge, ends: [String; 2]) -> Result<usize, ImportError> {
        let at = self.add_edge(edge)?;
        self.pending.push((at, ends));
        Ok(at)
    }

    /// Looks up the ends of edges. Errors: an end that is no node.
    pub fn resolve(mut self) -> Result<Graph, ImportError> {
        for (edge, ends) in std::mem::take(&mut self.pending) {
            for (end, id) in ends.iter().enumerate() {
                self.edges[edge].ends[end] = *self.index.get(id).ok_or_else(|| {
                    let problem = format!("this edge ends at '{}', which is no node", shown(id));
                    ImportError::at(self.edges[edge].line, problem)
                })?;
            }
        }
        Ok(self)
    }

    pub fn add_to(
        mut self,
        plan: &mut Plan,
        style: &Style,
        prefix: &str,
        imported: &mut Imported,
    ) -> Result<(), ImportError> {
        if self.nodes.is_empty() {
            return Err(ImportError::at(0, "the file has no nodes"));
        }
        self.pair_directions();
        self.check_places(&style.link);
        let costs = self.whole_costs();
        let mut built = Built::default();
        let ids = self.add_nodes(plan, style, prefix, &mut built)?;
        let mut loops = 0;
        for (edge, costs) in self.edges.iter().zip(&costs) {
            let [a, b] = edge.ends;
            if a == b {
                loops += 1;
                continue;
            }
            let spec = self.spec(edge, *costs, &style.link);
            let link = plan.connect(ids[a], ids[b], spec);
            built.links.push(link.map_err(|e| ImportError::at(edge.line, e.to_string()))?);
        }
        self.note(
            loops,
            "link from a node to itself was left out",
            "links from a node to itself were left out",
        );
        let bare = self.edges.iter().filter(|edge| edge.bare_delay).count();
        self.note(
            bare,
            "delay has no unit and was read as milliseconds",
            "delays have no unit and were read as milliseconds",
        );
        let unread: Vec<String> = self.edges.iter_mut().filter_map(|edge| edge.unread.take()).collect();
        if let Some(first) = unread.first() {
            self.note(
                unread.len(),
                &format!("link has an attribute that was not used, {first}"),
                &format!("links have attributes that were not used, first {first}"),
            );
        }
        let unread: Vec<String> = self.nodes.iter_mut().filter_map(|node| node.unread.take()).collect();
        if let Some(first) = unread.first() {
            self.note(
                unread.len(),
                &format!("node has a coordinate that is none and was not used, {first}"),
                &format!("nodes have coordinates that are none and were not used, first {first}"),
            );
        }
        let external = self.nodes.iter().filter(|node| node.external).count();
        self.note(external, "node is of another network", "nodes are of other networks");
        self.note_parts();
        if style.hosts > 0 {
            // Not from a node that stands for a line.
            let same = |id: &NodeId| plan.node(*id).spec.kind() == style.node.kind();
            let nodes = built.nodes.iter().copied().filter(same).collect();
            let mut forwarding = Built { nodes, ..Built::default() };
            add_hosts(plan, style, &mut forwarding).map_err(whole)?;
            built.hosts.extend(forwarding.hosts);
            built.access.extend(forwarding.access);
        }
        imported.built.append(built);
        imported.notes.append(&mut self.notes);
        Ok(())
    }

    /// Adds a note about `count` things; none about none.
    fn note(&mut self, count: usize, one: &str, many: &str) {
        match count {
            0 => {}
            1 => self.notes.push(format!("1 {one}")),
            n => self.notes.push(format!("{n} {many}")),
        }
    }

    /// Makes one link of two edges where a directed graph has the reverse of every edge.
    fn pair_directions(&mut self) {
        if !self.directed || self.edges.is_empty() {
            return;
        }
        let mut open: FxHashMap<[usize; 2], Vec<usize>> = FxHashMap::default();
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for (at, edge) in self.edges.iter().enumerate() {
            let [a, b] = edge.ends;
            match open.get_mut(&[b, a]).and_then(Vec::pop) {
                Some(first) if a != b => pairs.push((first, at)),
                _ => open.entry([a, b]).or_default().push(at),
            }
        }
        let loops = self.edges.iter().filter(|edge| edge.ends[0] == edge.ends[1]).count();
        if pairs.len() * 2 + loops < self.edges.len() || pairs.is_empty() {
            return;
        }
        let mut merged = vec![false; self.edges.len()];
        for (first, second) in pairs {
            merged[second] = true;
            let back = std::mem::take(&mut self.edges[second]);
            self.edges[first].back = Some(Way { rate: back.way.rate.or(back.guess), ..back.way });
            self.edges[first].mtu = self.edges[first].mtu.or(back.mtu);
        }
        let mut at = 0;
        self.edges.retain(|_| {
            at += 1;
            !merged[at - 1]
        });
    }

    /// Forgets places that are not on the globe, and puts nodes without one between their neighbours.
    fn check_places(&mut self, style: &LinkSpec) {
        let mut impossible = 0;
        for node in &mut self.nodes {
            if node.latitude.is_some_and(|y| y.abs() > 90.0)
                || node.longitude.is_some_and(|x| x.abs() > 360.0)
            {
                (node.latitude, node.longitude) = (None, None);
                impossible += 1;
            }
        }
        self.note(
            impossible,
            "node has coordinates that are not on the globe",
            "nodes have coordinates that are not on the globe",
        );
        let placed = self.nodes.iter().filter(|node| node.place().is_some()).count();
        let default = style.forward.delay;
        if placed == 0 {
            let none = self.edges.iter().filter(|edge| edge.way.delay.is_none()).count();
            match none {
                0 => {}
                1 => self
                    .notes
                    .push(format!("no node has coordinates; 1 link has the default delay of {default}")),
                n => self
                    .notes
                    .push(format!("no node has coordinates; {n} links have the default delay of {default}")),
            }
            return;
        }
        let missing = self.nodes.len() - placed;
        let mut around = vec![Vec::new(); self.nodes.len()];
        for edge in self.edges.iter().filter(|edge| edge.ends[0] != edge.ends[1]) {
            let [a, b] = edge.ends;
            around[a].push(b);
            around[b].push(a);
        }
        // A line that joins several nodes is somewhere between them; others may be anywhere, so their links get no delay.
        let middle = |nodes: &[Vertex], at: usize| {
            let known: Vec<[f64; 2]> = around[at].iter().filter_map(|&o| nodes[o].place()).collect();
            let n = known.len() as f64;
            (!known.is_empty()).then(|| [0, 1].map(|i| known.iter().map(|p| p[i]).sum::<f64>() / n))
        };
        for at in 0..self.nodes.len() {
            if self.nodes[at].hyperedge
                && self.nodes[at].place().is_none()
                && let Some([x, y]) = middle(&self.nodes, at)
            {
                (self.nodes[at].longitude, self.nodes[at].latitude) = (Some(x), Some(y));
            }
        }
        let blind = |edge: &&Edge| {
            edge.way.delay.is_none()
                && edge.ends[0] != edge.ends[1]
                && edge.ends.iter().any(|&end| self.nodes[end].place().is_none())
        };
        let unknown = self.edges.iter().filter(blind).count();
        if missing > 0 {
            let nodes = if missing == 1 { "1 node has" } else { &format!("{missing} nodes have") };
            let links = match unknown {
                0 => String::new(),
                1 => format!("; 1 link there has the default delay of {default}"),
                n => format!("; {n} links there have the default delay of {default}"),
            };
            self.notes.push(format!("{nodes} no coordinates{links}"));
        }
        // For the drawing only: near a neighbour whose place is known, step by step.
        for _ in 0..4 {
            let found: Vec<(usize, [f64; 2])> = (0..self.nodes.len())
                .filter(|&at| self.nodes[at].drawn().is_none())
                .filter_map(|at| {
                    let known: Vec<[f64; 2]> =
                        around[at].iter().filter_map(|&o| self.nodes[o].drawn()).collect();
                    let n = known.len() as f64;
                    let mean = [0, 1].map(|i| known.iter().map(|p| p[i]).sum::<f64>() / n);
                    (!known.is_empty()).then_some((at, mean))
                })
                .collect();
            if found.is_empty() {
                break;
            }
            found.into_iter().for_each(|(at, position)| self.nodes[at].position = Some(position));
        }
    }

    /// Makes whole costs of weights, of both directions of every edge: only their ratios matter.
    fn whole_costs(&mut self) -> Vec<[Option<u32>; 2]> {
        let weights = |edge: &Edge| {
            [
                edge.way.weight,
                edge.back.as_ref().map_or(edge.way.weight, |back| back.weight.or(edge.way.weight)),
            ]
        };
        let all = || self.edges.iter().flat_map(weights).flatten();
        let is_whole = |factor: f64| all().all(|w| (w * factor - (w * factor).round()).abs() < 1e-9);
        let factor =
            [1.0, 2.0, 4.0, 5.0, 10.0, 100.0, 1000.0].into_iter().find(|f| is_whole(*f)).unwrap_or(1000.0);
        let cost = |w: f64| (w * factor).round().clamp(1.0, f64::from(u32::MAX)) as u32;
        let costs = self.edges.iter().map(|edge| weights(edge).map(|w| w.map(cost))).collect();
        if factor > 1.0 {
            self.notes.push(format!("all weights were multiplied by {factor}, to make whole costs of them"));
        }
        costs
    }

    /// Adds the nodes; of equal names the second gets a number.
    fn add_nodes(
        &mut self,
        plan: &mut Plan,
        style: &Style,
        prefix: &str,
        built: &mut Built,
    ) -> Result<Vec<NodeId>, ImportError> {
        let mut names: FxHashMap<String, u32> = FxHashMap::default();
        let mut ids = Vec::with_capacity(self.nodes.len());
        let (mut unnamed, mut renamed) = (0, Vec::new());
        for vertex in &self.nodes {
            let base = vertex.name().unwrap_or_else(|| {
                unnamed += 1;
                format!("node{}", ids.len() + 1)
            });
            let base = format!("{prefix}{}{base}", style.prefix);
            let mut name = base.clone();
            while plan.find(&name).is_some() {
                let n = names.entry(base.clone()).or_insert(1);
                *n += 1;
                name = format!("{} ({n})", base.chars().take(88).collect::<String>());
            }
            if name != base {
                renamed.push(name.clone());
            }
            let spec = self.node_spec(vertex, style);
            let is_host = spec.kind() == NodeKind::Host;
            let id = plan.add(name, spec).map_err(whole)?;
            if let Some(position) = vertex.drawn() {
                plan.place(id, position);
            }
            if is_host { &mut built.hosts } else { &mut built.nodes }.push(id);
            ids.push(id);
        }
        self.note(unnamed, "node has no name and got a number", "nodes have no name and got numbers");
        if let Some(first) = renamed.first() {
            let first = format!("'{}'", shown(first));
            let (n, many) = (renamed.len(), renamed.len() > 1);
            let names = if many {
                format!("{n} names were taken and got a number, first {first}")
            } else {
                format!("1 name was taken; its second node is {first}")
            };
            self.notes.push(names);
        }
        let shared = self.nodes.iter().filter(|node| node.hyperedge).count();
        self.note(
            shared,
            "line that joins several nodes became a node",
            "lines that join several nodes became nodes",
        );
        Ok(ids)
    }

    fn node_spec(&self, vertex: &Vertex, style: &Style) -> NodeSpec {
        // A line without a MAC layer cannot end at a switch.
        let kind =
            vertex.kind.filter(|kind| *kind != NodeKind::Switch || style.link.framing == Framing::Ethernet);
        let same = |kind| style.node.kind() == kind;
        match kind {
            None if vertex.ip.is_some() => self.host(vertex, style),
            None => style.node.clone(),
            Some(NodeKind::Host) => self.host(vertex, style),
            Some(kind) if same(kind) => style.node.clone(),
            Some(NodeKind::Switch) => NodeSpec::Switch(SwitchSpec::default()),
            Some(NodeKind::Router) => NodeSpec::Router(RouterSpec::default()),
        }
    }

    fn host(&self, vertex: &Vertex, style: &Style) -> NodeSpec {
        let ip = vertex.ip.map_or(style.host.ip, AddressMode::Fixed);
        NodeSpec::Host(HostSpec { ip, ..style.host.clone() })
    }

    /// The style's options where the file says nothing; a delay from the distance, if both ends have a place on the globe.
    fn spec(&self, edge: &Edge, costs: [Option<u32>; 2], style: &LinkSpec) -> LinkSpec {
        let [a, b] = edge.ends.map(|end| self.nodes[end].place());
        let far = a.zip(b).map(|(a, b)| light_delay(a, b));
        let direction = |way: Way, cost: Option<u32>, style: &DirectionSpec| {
            let mut spec = style.clone();
            spec.rate = way.rate.or(edge.guess).unwrap_or(spec.rate);
            spec.delay = way.delay.or(far).unwrap_or(spec.delay);
            spec.queue = way.queue.unwrap_or(spec.queue);
            spec.cost = cost.unwrap_or(spec.cost);
            if let Some(p) = way.loss {
                spec.loss.model = attributes::loss(p);
            }
            spec
        };
        let back = edge.back.clone().unwrap_or_default().or(&edge.way);
        LinkSpec {
            forward: direction(edge.way.clone(), costs[0], &style.forward),
            backward: direction(back, costs[1], &style.backward),
            framing: style.framing,
            mtu: edge.mtu.unwrap_or(style.mtu),
            ..style.clone()
        }
    }

    fn note_parts(&mut self) {
        let mut sets = UnionFind::<u32>::new(self.nodes.len());
        let joined =
            self.edges.iter().filter(|edge| sets.union(edge.ends[0] as u32, edge.ends[1] as u32)).count();
        let parts = self.nodes.len() - joined;
        if parts > 1 {
            self.notes.push(format!("the network has {parts} parts that no link joins"));
        }
    }
}

impl Vertex {
    /// Longitude and latitude in degrees.
    fn place(&self) -> Option<[f64; 2]> {
        Some([self.longitude?, self.latitude?])
    }

    /// Where it is drawn.
    fn drawn(&self) -> Option<[f64; 2]> {
        self.place().or(self.position)
    }

    /// The label, or else the id, without what a name cannot hold.
    fn name(&self) -> Option<String> {
        let clean = |text: &str| -> String {
            let words: Vec<&str> =
                text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
            words.join(" ").chars().take(60).collect()
        };
        let label = Some(clean(&self.label)).filter(|label| !label.is_empty() && label != "None");
        label.or_else(|| Some(clean(&self.id)).filter(|id| !id.is_empty()))
    }
}

impl Built {
    fn append(&mut self, mut other: Built) {
        self.nodes.append(&mut other.nodes);
        self.hosts.append(&mut other.hosts);
        self.links.append(&mut other.links);
        self.access.append(&mut other.access);
    }
}

fn whole(error: PlanError) -> ImportError {
    ImportError::at(0, error.to_string())
}

/// The time that light needs in fibre, 200,000 km/s, along the great circle between two places (longitude, latitude in degrees).
pub(super) fn light_delay(a: [f64; 2], b: [f64; 2]) -> Span {
    let [lon, lat] = [0, 1].map(|i| (b[i] - a[i]).to_radians());
    let (sin_lat, sin_lon) = (libm::sin(lat / 2.0), libm::sin(lon / 2.0));
    let parallels = libm::cos(a[1].to_radians()) * libm::cos(b[1].to_radians());
    let h = sin_lat * sin_lat + parallels * sin_lon * sin_lon;
    let km = 2.0 * 6371.0 * libm::asin(h.clamp(0.0, 1.0).sqrt());
    // Whole nanoseconds: the places are not known better.
    Span::from_ns((km / 200_000.0 * 1e9).round() as u64)
}
