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
    /// The names of attributes by key, and their defaults by owner.
    keys: FxHashMap<String, String>,
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
            return Err(self.error("the file ends before its elements do: a part of it is missing".to_owned()));
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
        let wanted = ["graph", "key", "node", "edge", "hyperedge", "endpoint", "data", "NodeLabel", "Geometry"];
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
        let needed = |value: Option<String>, what: &str| value.ok_or_else(|| self.error(format!("{what} is missing")));
        match name {
            "graph" => {
                self.saw_graph = true;
                self.graph.directed = take("edgedefault").as_deref() == Some("directed");
            }
            "key" => {
                if let (Some(id), Some(name)) = (take("id"), take("attr.name")) {
                    self.keys.insert(id, name.to_ascii_lowercase());
                }
            }
            "node" => {
                let id = needed(take("id"), "the id of a node")?;
                self.graph.add_node(&id, self.line)?;
                self.owner = Owner::Node;
            }
            "edge" => {
                let ends = [
                    needed(take("source"), "the source of an edge")?,
                    needed(take("target"), "the target of an edge")?,
                ];
                self.graph.add_edge_by_id(Edge { line: self.line, ..Edge::default() }, ends)?;
                self.owner = Owner::Edge;
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
            "node" | "edge" | "hyperedge" => self.owner = Owner::None,
            "data" | "NodeLabel" => {
                if let Some(attribute) = self.attribute.take() {
                    let value = std::mem::take(&mut self.value);
                    return self.store(&attribute, &value);
                }
            }
            _ => {}
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
