//! Tidewire's own JSON and TOML, with includes, and the node-link JSON of networkx and D3.

use super::graph::{Edge, Graph};
use super::{Format, ImportError, Loader, Sought, attributes};
use crate::document::{Document, IncludeDocument};
use crate::generate::Built;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use tidewire_units::{LinkId, NodeId};

/// The largest TOML that is read, in bytes: its parser needs a hundred times as much.
const MOST_TOML: usize = 8 << 20;
/// How deep files may include each other, and how many in all.
const DEEPEST: usize = 16;
const MOST_INCLUDES: usize = 1000;

impl Loader<'_> {
    pub(super) fn json(&mut self, text: &str, prefix: &str) -> Result<(), ImportError> {
        let document: Document = serde_json::from_str(text).map_err(of_json)?;
        self.document(&document, prefix, &|list, n| line_in_json(text, list, n))
    }

    pub(super) fn toml(&mut self, text: &str, prefix: &str) -> Result<(), ImportError> {
        if text.len() > MOST_TOML {
            let problem = format!(
                "the largest TOML that is read has {} MB; write a network of this size as JSON",
                MOST_TOML >> 20
            );
            return Err(ImportError::at(0, problem));
        }
        let document: Document = toml::from_str(text).map_err(|error: toml::de::Error| {
            let line = error.span().map_or(0, |span| line_of(text, span.start));
            ImportError::at(line, in_words(error.message().lines().next().unwrap_or("this is not TOML")))
        })?;
        self.document(&document, prefix, &|list, n| line_in_toml(text, list, n))
    }

    fn document(
        &mut self,
        document: &Document,
        prefix: &str,
        line: &dyn Fn(&str, usize) -> usize,
    ) -> Result<(), ImportError> {
        for (i, include) in document.include.iter().enumerate() {
            let (file, own) = match include {
                IncludeDocument::File(file) => (file, ""),
                IncludeDocument::Named { file, prefix } => (file, prefix.as_str()),
            };
            let at = |problem| ImportError::at(line("include", i), problem);
            if let Some(first) = self.open.iter().position(|open| open == file) {
                let mut chain: Vec<&str> = self.open[first..].iter().map(String::as_str).collect();
                chain.push(file);
                return Err(at(format!("files include each other: {}", chain.join(" -> "))));
            }
            self.included += 1;
            if self.open.len() > DEEPEST || self.included > MOST_INCLUDES {
                return Err(at(format!(
                    "files include others more than {DEEPEST} deep, or more than {MOST_INCLUDES} in all"
                )));
            }
            let bytes =
                (self.read)(file).map_err(|problem| at(format!("cannot include '{file}': {problem}")))?;
            self.file(file, &bytes, &format!("{prefix}{own}"))?;
        }
        let (nodes, links) = (self.plan.nodes().len(), self.plan.links().len());
        document
            .add_to(self.plan, prefix)
            .map_err(|error| ImportError::at(line(error.at.0, error.at.1), error.to_string()))?;
        if self.plan.nodes().is_empty() {
            return Err(ImportError::at(0, "the file has no nodes"));
        }
        self.built(nodes, links);
        Ok(())
    }

    /// Sorts what was added since these counts into what the plan's users see.
    fn built(&mut self, nodes: usize, links: usize) {
        let built: &mut Built = &mut self.imported.built;
        let is_host = |id: NodeId| self.plan.node(id).spec.kind() == crate::NodeKind::Host;
        for at in nodes..self.plan.nodes().len() {
            let id = NodeId::from_index(at);
            if is_host(id) { &mut built.hosts } else { &mut built.nodes }.push(id);
        }
        for at in links..self.plan.links().len() {
            let id = LinkId::from_index(at);
            let access = self.plan.link(id).ends.iter().any(|end| is_host(*end));
            if access { &mut built.access } else { &mut built.links }.push(id);
        }
    }
}

/// See [`super::place_of`].
pub(super) fn place_of(
    name: &str,
    bytes: &[u8],
    prefix: &str,
    read: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
    what: Sought<'_>,
    depth: usize,
) -> Option<(String, usize)> {
    let (text, _) = super::text::decode(bytes).ok()?;
    let is_json = match Format::of_name(name).unwrap_or_else(|| Format::of_text(&text)) {
        Format::Json => true,
        Format::Toml => false,
        _ => return None,
    };
    let document: Document =
        if is_json { serde_json::from_str(&text).ok()? } else { toml::from_str(&text).ok()? };
    if let Some((list, n)) = document.position(prefix, what) {
        let line = if is_json { line_in_json(&text, list, n) } else { line_in_toml(&text, list, n) };
        return Some((name.to_owned(), line));
    }
    document.include.iter().filter(|_| depth < DEEPEST).find_map(|include| {
        let (file, own) = match include {
            IncludeDocument::File(file) => (file, ""),
            IncludeDocument::Named { file, prefix } => (file, prefix.as_str()),
        };
        let bytes = read(file).ok()?;
        place_of(file, &bytes, &format!("{prefix}{own}"), read, what, depth + 1)
    })
}

fn of_json(error: serde_json::Error) -> ImportError {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    ImportError::at(error.line(), in_words(text.strip_suffix(&place).unwrap_or(&text)))
}

/// A message of serde without the names of Rust's types.
fn in_words(message: &str) -> String {
    let Some((found, wanted)) = message.rsplit_once("expected ") else { return message.to_owned() };
    let plain = match wanted {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, at least 0",
        "f64" => "a number",
        "a string" => "a text in quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list in brackets",
        _ => match wanted.strip_prefix("an array of length ") {
            Some(n) => return format!("{found}expected a list of {n}"),
            None => wanted,
        },
    };
    format!("{found}expected {plain}")
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count()
}

/// The line at which the n-th element of one of the outermost lists begins; 0 if it is not found.
fn line_in_json(text: &str, list: &str, n: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut element) = (0, 0usize, None);
    let mut key = "";
    let mut inside = false;
    while let Some(&byte) = bytes.get(at) {
        let open = inside && depth == 2 && !byte.is_ascii_whitespace() && !matches!(byte, b',' | b']');
        if open && element.is_none() {
            element = Some(0);
        }
        if open && element == Some(n) {
            return line_of(text, at);
        }
        match byte {
            b'"' => {
                let start = at + 1;
                at = start;
                while !matches!(bytes.get(at), None | Some(b'"')) {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                if depth == 1 {
                    key = text.get(start..at.min(text.len())).unwrap_or("");
                }
            }
            b'{' | b'[' => {
                depth += 1;
                inside |= depth == 2 && byte == b'[' && key == list;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                inside &= depth > 1;
            }
            b',' if inside && depth == 2 => element = Some(element.unwrap_or(0) + 1),
            _ => {}
        }
        at += 1;
    }
    0
}

/// The line of the n-th `[[list]]`, or of `list = [`.
fn line_in_toml(text: &str, list: &str, n: usize) -> usize {
    let lines = || text.lines().map(str::trim).enumerate();
    let name = |line: &str, open: &str, close: &str| {
        line.strip_prefix(open)
            .and_then(|rest| Some(rest.split_once(close)?.0.trim().trim_matches('"') == list))
    };
    let table = lines().filter(|(_, line)| name(line, "[[", "]]") == Some(true)).nth(n);
    let value = || lines().find(|(_, line)| name(line, "", "=") == Some(true));
    table.or_else(value).map_or(0, |(at, _)| at + 1)
}

/// Reads node-link JSON; `None` if it is something else, or no JSON.
///
/// # Errors
/// Two nodes of one id, an edge without an end or to an unknown node, an attribute that does not parse.
pub(super) fn node_link(text: &str) -> Result<Option<Graph>, ImportError> {
    #[derive(Deserialize, Default)]
    struct Probe {
        #[serde(default)]
        nodes: Vec<Keys>,
        #[serde(default, alias = "edges")]
        links: Vec<Keys>,
    }
    #[derive(Deserialize)]
    struct Keys {
        id: Option<IgnoredAny>,
        source: Option<IgnoredAny>,
    }
    // A file that has both, or none of this shape, is left to the other reader and its messages.
    let probe: Probe = serde_json::from_str(text).unwrap_or_default();
    let is_node_link = probe.nodes.iter().any(|node| node.id.is_some())
        || probe.links.iter().any(|link| link.source.is_some());
    if !is_node_link {
        return Ok(None);
    }
    // D3's first format counts nodes instead of naming them.
    let counted = probe.nodes.iter().all(|node| node.id.is_none());
    drop(probe);
    let mut graph = Graph::default();
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(Whole { graph: &mut graph, counted }).map_err(of_json)?;
    graph.resolve().map(Some).map_err(|error| {
        let at = error.line.wrapping_sub(1);
        let line = [line_in_json(text, "links", at), line_in_json(text, "edges", at)].into_iter().max();
        ImportError { line: line.unwrap_or(0), ..error }
    })
}

struct Whole<'a> {
    graph: &'a mut Graph,
    counted: bool,
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a graph: nodes and links")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "nodes" => {
                    map.next_value_seed(Elements { graph: self.graph, counted: self.counted, nodes: true })?
                }
                "links" | "edges" => {
                    map.next_value_seed(Elements { graph: self.graph, counted: self.counted, nodes: false })?;
                }
                "directed" => self.graph.directed = map.next_value::<Scalar>()?.0.as_deref() == Some("true"),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// The list of nodes or of links, and one of them.
struct Elements<'a> {
    graph: &'a mut Graph,
    counted: bool,
    nodes: bool,
}

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.nodes { "a list of nodes" } else { "a list of links" })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Elements { graph, counted, nodes } = self;
        while list.next_element_seed(Element { graph: &mut *graph, counted, nodes })?.is_some() {}
        Ok(())
    }
}

struct Element<'a> {
    graph: &'a mut Graph,
    counted: bool,
    nodes: bool,
}

impl<'de> DeserializeSeed<'de> for Element<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Element<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.nodes { "a node" } else { "a link" })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut id, mut ends) = (None, [None, None]);
        let mut values: Vec<(&'static str, String)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let key = key.to_ascii_lowercase();
            let known = attributes::known(&key);
            match key.as_str() {
                "id" if self.nodes => id = map.next_value::<Scalar>()?.0,
                "source" if !self.nodes => ends[0] = map.next_value::<Scalar>()?.0,
                "target" if !self.nodes => ends[1] = map.next_value::<Scalar>()?.0,
                _ => match (known, map.next_value::<Scalar>()?) {
                    (Some(known), Scalar(Some(value))) if values.len() < 64 => values.push((known, value)),
                    _ => {}
                },
            }
        }
        let wrong = |error: ImportError| A::Error::custom(error.problem);
        if self.nodes {
            let own = self.graph.nodes.len().to_string();
            let id = if self.counted { Some(own) } else { id };
            let id = id.ok_or_else(|| A::Error::custom("this node has no id"))?;
            let at = self.graph.add_node(&id, 0).map_err(wrong)?;
            let node = &mut self.graph.nodes[at];
            values.iter().try_for_each(|(key, value)| node.set(key, value, 0)).map_err(wrong)?;
        } else {
            let [Some(source), Some(target)] = ends else {
                return Err(A::Error::custom("a link needs the ids of a source and a target"));
            };
            let mut edge = Edge { line: self.graph.edges.len() + 1, ..Edge::default() };
            values.iter().try_for_each(|(key, value)| edge.set(key, value, 0)).map_err(wrong)?;
            self.graph.add_edge_by_id(edge, [source, target]).map_err(wrong)?;
        }
        Ok(())
    }
}

/// A number, text or truth as text; `None` for everything else.
struct Scalar(Option<String>);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }

            fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_owned())))
            }

            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar(None))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
