//! GraphML, as the Internet Topology Zoo (Knight et al., IEEE JSAC 2011) and yEd write it.

use super::{Edge, Graph, ImportError, Imported, Vertex, operator_rate, utf8};
use crate::Plan;
use crate::generate::Style;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use rustc_hash::FxHashMap;
use tidewire_units::{Rate, Span, parse_span};

/// Adds a GraphML graph. Read are, of nodes: `label` (or a yEd label), `Latitude` and `Longitude` (they give links a delay at 200,000
/// km/s), or yEd's geometry; of edges: `rate`, `LinkSpeedRaw` (bit/s) or a label such as "OC-192c" or "10 Gbps", `delay` ("5ms", or
/// a number of ms), `cost` or `weight`. Nested graphs become one; ports and hyperedges are not read.
///
/// # Errors
/// No XML, an edge to an unknown node, two nodes of one id, no nodes, a cost of 0.
pub fn graphml(plan: &mut Plan, bytes: &[u8], style: &Style) -> Result<Imported, ImportError> {
    let text = utf8(bytes)?;
    let mut parser = Parser { text, at: 0, line: 1, ..Parser::default() };
    parser.read()?;
    parser.finish()?.add_to(plan, style)
}

/// What the text being read belongs to.
#[derive(Clone, Copy, PartialEq, Default)]
enum Owner {
    #[default]
    None,
    Node,
    Edge,
}

#[derive(Default)]
struct Parser<'a> {
    text: &'a str,
    /// The place up to which lines are counted, and their number.
    at: usize,
    line: usize,
    graph: Graph,
    index: FxHashMap<String, usize>,
    /// The names of attributes by key.
    keys: FxHashMap<String, String>,
    /// Ends of the edges by id, resolved at the end: edges may come before their nodes.
    ends: Vec<[String; 2]>,
    owner: Owner,
    /// The attribute whose text is being read.
    attribute: Option<String>,
    value: String,
    saw_graph: bool,
}

impl Parser<'_> {
    fn read(&mut self) -> Result<(), ImportError> {
        let mut reader = Reader::from_str(self.text);
        loop {
            let event = reader.read_event();
            let at = (reader.buffer_position() as usize).min(self.text.len());
            self.line += self.text.as_bytes()[self.at.min(at)..at].iter().filter(|b| **b == b'\n').count();
            self.at = at;
            match event.map_err(|e| self.error(format!("this is not well-formed XML: {e}")))? {
                Event::Start(tag) => self.start(&tag)?,
                Event::Empty(tag) => {
                    self.start(&tag)?;
                    self.end(tag.local_name().as_ref());
                }
                Event::End(tag) => self.end(tag.local_name().as_ref()),
                Event::Text(text) if self.attribute.is_some() => self.value.push_str(&text),
                Event::CData(text) if self.attribute.is_some() => self.value.push_str(&text),
                Event::GeneralRef(entity) if self.attribute.is_some() => {
                    let known = [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\'')];
                    let named = known.iter().find(|(name, _)| **name == *entity).map(|(_, c)| *c);
                    self.value.extend(named.or(entity.resolve_char_ref().ok().flatten()));
                }
                Event::Eof => break,
                _ => {}
            }
        }
        if self.saw_graph { Ok(()) } else { Err(self.error("there is no <graph> in this file".to_owned())) }
    }

    fn error(&self, problem: String) -> ImportError {
        ImportError { line: self.line, problem }
    }

    fn start(&mut self, tag: &BytesStart) -> Result<(), ImportError> {
        let mut attributes: FxHashMap<String, String> = FxHashMap::default();
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|e| self.error(format!("this is not well-formed XML: {e}")))?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|e| self.error(format!("this is not well-formed XML: {e}")))?;
            attributes.insert(attribute.key.as_ref().to_owned(), value.into_owned());
        }
        let mut take = |name: &str| attributes.remove(name);
        let needed =
            |value: Option<String>, what: &str| value.ok_or_else(|| self.error(format!("{what} is missing")));
        match tag.local_name().as_ref() {
            "graph" => self.saw_graph = true,
            "key" => {
                if let (Some(id), Some(name)) = (take("id"), take("attr.name")) {
                    self.keys.insert(id, name.to_ascii_lowercase());
                }
            }
            "node" => {
                let id = needed(take("id"), "the id of a node")?;
                if self.index.insert(id.clone(), self.graph.nodes.len()).is_some() {
                    return Err(self.error(format!("there is already a node with the id '{id}'")));
                }
                self.graph.nodes.push(Vertex { id, ..Vertex::default() });
                self.owner = Owner::Node;
            }
            "edge" => {
                let ends = [
                    needed(take("source"), "the source of an edge")?,
                    needed(take("target"), "the target of an edge")?,
                ];
                self.ends.push(ends);
                self.graph.edges.push(Edge { line: self.line, ..Edge::default() });
                self.owner = Owner::Edge;
            }
            "data" if self.owner != Owner::None => {
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

    fn end(&mut self, tag: &str) {
        match tag {
            "node" | "edge" => self.owner = Owner::None,
            "data" | "NodeLabel" => {
                if let Some(attribute) = self.attribute.take() {
                    self.store(&attribute);
                }
            }
            _ => {}
        }
    }

    /// Keeps an attribute if it means something; what does not parse is as if it were not there.
    fn store(&mut self, attribute: &str) {
        let text = self.value.trim();
        let number = text.parse::<f64>().ok().filter(|x| x.is_finite());
        match (self.owner, self.graph.nodes.last_mut(), self.graph.edges.last_mut()) {
            (Owner::Node, Some(node), _) => match (attribute, number) {
                ("label", _) if !text.is_empty() && node.label.is_empty() => node.label = text.to_owned(),
                ("longitude", Some(x)) if x.abs() <= 180.0 => {
                    node.place = Some([x, node.place.map_or(f64::NAN, |p| p[1])])
                }
                ("latitude", Some(y)) if y.abs() <= 90.0 => {
                    node.place = Some([node.place.map_or(f64::NAN, |p| p[0]), y])
                }
                _ => {}
            },
            (Owner::Edge, _, Some(edge)) => match (attribute, number) {
                ("rate" | "bandwidth" | "linkspeedraw", Some(bits)) if bits >= 1.0 => {
                    edge.rate = Rate::from_bits_per_s(bits as u64);
                }
                ("rate" | "bandwidth", None) => edge.rate = operator_rate(text).or(edge.rate),
                ("label" | "linklabel", None) => edge.rate = edge.rate.or_else(|| operator_rate(text)),
                ("delay" | "latency", Some(ms)) if ms >= 0.0 => {
                    edge.delay = Some(Span::from_secs_f64(ms / 1000.0))
                }
                ("delay" | "latency", None) => edge.delay = parse_span(text).ok().or(edge.delay),
                ("cost" | "weight", Some(cost)) if cost >= 1.0 && cost <= f64::from(u32::MAX) => {
                    edge.costs[0] = Some(cost.round() as u32);
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// Looks up the ends of the edges.
    fn finish(mut self) -> Result<Graph, ImportError> {
        for (edge, ends) in self.graph.edges.iter_mut().zip(&self.ends) {
            for (slot, id) in edge.ends.iter_mut().zip(ends) {
                *slot = *self.index.get(id).ok_or_else(|| ImportError {
                    line: edge.line,
                    problem: format!("this edge ends at '{id}', which is no node"),
                })?;
            }
        }
        for node in &mut self.graph.nodes {
            node.place = node.place.filter(|place| place.iter().all(|x| x.is_finite()));
        }
        Ok(self.graph)
    }
}
