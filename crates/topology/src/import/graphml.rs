//! GraphML, as the Internet Topology Zoo (Knight et al., IEEE JSAC 2011), yEd and networkx write it.

use super::ImportError;
use super::graph::{Edge, Graph};
use super::text::shown;
use crate::NodeKind;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use rustc_hash::FxHashMap;

/// Reads a graph. Nested graphs become one; a hyperedge becomes a switch; ports are not read.
///
/// # Errors
/// No XML, an edge to an unknown node, two nodes of one id.
pub(super) fn read(text: &str) -> Result<Graph, ImportError> {
    let mut parser = Parser { text, line: 1, ..Parser::default() };
    parser.read()?;
    parser.graph.resolve()
}

/// What the text being read belongs to.
#[derive(Clone, Copy, PartialEq, Default)]
enum Owner {
    #[default]
    None,
    Node,
    Edge,
    /// A hyperedge: this node stands for it.
    Shared(usize),
}

#[derive(Default)]
struct Parser<'a> {
    text: &'a str,
    /// The place up to which lines are counted, and their number.
    at: usize,
    line: usize,
    graph: Graph,
    /// The names of attributes by key.
    keys: FxHashMap<String, String>,
    /// The attribute that a `<default>` is of, and whose it is: `node`, `edge`, `all`.
    open_key: Option<(String, String)>,
    /// Attributes of nodes and of edges that say nothing else.
    node_defaults: Vec<(String, String)>,
    edge_defaults: Vec<(String, String)>,
    /// Attributes that the open node or edge has.
    given: Vec<String>,
    owner: Owner,
    /// The attribute whose text is being read.
    attribute: Option<String>,
    value: String,
    saw_graph: bool,
    shared: usize,
}

/// Longer attributes mean nothing.
const LONGEST: usize = 10_000;

impl Parser<'_> {
    fn read(&mut self) -> Result<(), ImportError> {
        let mut reader = Reader::from_str(self.text);
        let mut open = 0usize;
        loop {
            let event = reader.read_event();
            let at = (reader.buffer_position() as usize).min(self.text.len());
            self.line += self.text.as_bytes()[self.at.min(at)..at].iter().filter(|b| **b == b'\n').count();
            self.at = at;
            match event.map_err(|e| self.error(format!("this is not well-formed XML: {e}")))? {
                Event::Start(tag) => {
                    open += 1;
                    self.start(&tag)?;
                }
                Event::Empty(tag) => {
                    self.start(&tag)?;
                    self.end(tag.local_name().as_ref())?;
                }
                Event::End(tag) => {
                    open = open.saturating_sub(1);
                    self.end(tag.local_name().as_ref())?;
                }
                Event::Text(text) if self.attribute.is_some() => self.push(&text),
                Event::CData(text) if self.attribute.is_some() => self.push(&text),
                Event::GeneralRef(entity) if self.attribute.is_some() => {
                    let known = [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\'')];
                    let named = known.iter().find(|(name, _)| **name == *entity).map(|(_, c)| *c);
                    self.value.extend(named.or(entity.resolve_char_ref().ok().flatten()));
                }
                Event::Eof => break,
                _ => {}
            }
        }
        if !self.saw_graph {
            return Err(self.error("there is no <graph> in this file".to_owned()));
        }
        if open > 0 {
            return Err(
                self.error("the file ends before its elements do: a part of it is missing".to_owned())
            );
        }
        Ok(())
    }

    fn push(&mut self, text: &str) {
        if self.value.len() + text.len() <= LONGEST {
            self.value.push_str(text);
        }
    }

    fn error(&self, problem: String) -> ImportError {
        ImportError::at(self.line, problem)
    }

    fn start(&mut self, tag: &BytesStart) -> Result<(), ImportError> {
        let wanted = [
            "graph",
            "key",
            "default",
            "node",
            "edge",
            "hyperedge",
            "endpoint",
            "data",
            "NodeLabel",
            "Geometry",
        ];
        let name = tag.local_name();
        let name: &str = name.as_ref();
        if !wanted.contains(&name) {
            return Ok(());
        }
        let mut attributes: FxHashMap<String, String> = FxHashMap::default();
        // The reader's own check compares every attribute with every other.
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|e| self.error(format!("this is not well-formed XML: {e}")))?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|e| self.error(format!("this is not well-formed XML: {e}")))?;
            attributes.insert(attribute.key.as_ref().to_owned(), value.into_owned());
        }
        let mut take = |name: &str| attributes.remove(name);
        let needed =
            |value: Option<String>, what: &str| value.ok_or_else(|| self.error(format!("{what} is missing")));
        match name {
            "graph" => {
                self.saw_graph = true;
                self.graph.directed = take("edgedefault").as_deref() == Some("directed");
            }
            "key" => {
                if let (Some(id), Some(name)) = (take("id"), take("attr.name")) {
                    let of = take("for").unwrap_or_else(|| "all".to_owned());
                    self.open_key = Some((name.to_ascii_lowercase(), of));
                    self.keys.insert(id, name.to_ascii_lowercase());
                }
            }
            "default" => {
                self.attribute = self.open_key.as_ref().map(|(name, _)| name.clone());
                self.value.clear();
            }
            "node" => {
                let id = needed(take("id"), "the id of a node")?;
                self.graph.add_node(&id, self.line)?;
                self.owner = Owner::Node;
                self.given.clear();
            }
            "edge" => {
                let ends = [
                    needed(take("source"), "the source of an edge")?,
                    needed(take("target"), "the target of an edge")?,
                ];
                self.graph.add_edge_by_id(Edge { line: self.line, ..Edge::default() }, ends)?;
                self.owner = Owner::Edge;
                self.given.clear();
            }
            "hyperedge" => {
                self.shared += 1;
                let at = self.graph.add_node(&format!("shared{}", self.shared), self.line)?;
                self.graph.nodes[at].kind = Some(NodeKind::Switch);
                self.graph.nodes[at].hyperedge = true;
                self.owner = Owner::Shared(at);
            }
            "endpoint" => {
                if let Owner::Shared(at) = self.owner {
                    let node = needed(take("node"), "the node of an endpoint")?;
                    let ends = [self.graph.nodes[at].id.clone(), node];
                    self.graph.add_edge_by_id(Edge { line: self.line, ..Edge::default() }, ends)?;
                }
            }
            "data" if matches!(self.owner, Owner::Node | Owner::Edge) => {
                self.attribute = take("key").and_then(|key| self.keys.get(&key).cloned());
                self.value.clear();
            }
            "NodeLabel" if self.owner == Owner::Node => {
                self.attribute = Some("label".to_owned());
                self.value.clear();
            }
            "Geometry" if self.owner == Owner::Node => {
                let number = |text: Option<String>| text?.parse::<f64>().ok().filter(|x| x.is_finite());
                if let (Some(x), Some(y), Some(node)) =
                    (number(take("x")), number(take("y")), self.graph.nodes.last_mut())
                {
                    node.position = Some([x, -y]);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, tag: &str) -> Result<(), ImportError> {
        match tag {
            "key" => self.open_key = None,
            "node" | "edge" | "hyperedge" => {
                self.use_defaults()?;
                self.owner = Owner::None;
            }
            "default" => {
                let value = std::mem::take(&mut self.value);
                self.attribute = None;
                if let Some((name, of)) = &self.open_key {
                    let lists = [("node", &mut self.node_defaults), ("edge", &mut self.edge_defaults)];
                    for (what, list) in lists {
                        if (of == what || of == "all") && list.len() < 1000 {
                            list.push((name.clone(), value.clone()));
                        }
                    }
                }
            }
            "data" | "NodeLabel" => {
                if let Some(attribute) = self.attribute.take() {
                    let value = std::mem::take(&mut self.value);
                    self.store(&attribute, &value)?;
                    self.given.push(attribute);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn use_defaults(&mut self) -> Result<(), ImportError> {
        let defaults = match self.owner {
            Owner::Node => std::mem::take(&mut self.node_defaults),
            Owner::Edge => std::mem::take(&mut self.edge_defaults),
            _ => return Ok(()),
        };
        for (name, value) in &defaults {
            if !self.given.contains(name) {
                self.store(name, value)?;
            }
        }
        match self.owner {
            Owner::Node => self.node_defaults = defaults,
            _ => self.edge_defaults = defaults,
        }
        Ok(())
    }

    fn store(&mut self, attribute: &str, value: &str) -> Result<(), ImportError> {
        let of = |error: ImportError| match error.problem.starts_with('\'') {
            true => ImportError { problem: format!("{}: {}", shown(attribute), error.problem), ..error },
            false => error,
        };
        match (self.owner, self.graph.nodes.last_mut(), self.graph.edges.last_mut()) {
            (Owner::Node, Some(node), _) => node.set(attribute, value, self.line).map_err(of),
            (Owner::Edge, _, Some(edge)) => edge.set(attribute, value, self.line).map_err(of),
            _ => Ok(()),
        }
    }
}
