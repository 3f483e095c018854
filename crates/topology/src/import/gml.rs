//! GML (Himsolt, "GML: a portable graph file format", 1997).
//!
//! A file is a list of keys with values: numbers, texts in quotes, or lists in brackets. Read are `graph [ node [ .. ] edge [ .. ] ]`,
//! at any depth; of all other lists the values that mean something (`graphics [ x .. y .. ]`).

use super::ImportError;
use super::graph::{Edge, Graph};
use super::text::shown;

/// Reads a graph.
///
/// # Errors
/// No GML, a node without an id, two nodes of one id, an edge without an end or to an unknown node.
pub(super) fn read(text: &str) -> Result<Graph, ImportError> {
    let mut words = Words { text, at: 0, line: 1 };
    let mut graph = Graph::default();
    let mut saw_graph = false;
    // The open lists, innermost last.
    let mut open: Vec<List> = Vec::new();
    while let Some((line, word)) = words.next()? {
        let key = match word {
            Word::Close => {
                let list = open.pop().ok_or_else(|| ImportError::at(line, "']' closes nothing"))?;
                list.close(&mut graph)?;
                continue;
            }
            Word::Plain(key) => key.to_ascii_lowercase(),
            Word::Open => return Err(ImportError::at(line, "expected a key in front of '['")),
            Word::Quoted(text) => {
                let problem = format!("expected a key in front of the text \"{}\"", shown(&text));
                return Err(ImportError::at(line, problem));
            }
        };
        let Some((value_line, value)) = words.next()? else {
            return Err(ImportError::at(line, format!("'{}' has no value", shown(&key))));
        };
        match value {
            Word::Close => {
                return Err(ImportError::at(value_line, format!("'{}' has no value", shown(&key))));
            }
            Word::Open => {
                saw_graph |= key == "graph";
                open.push(List::new(&key, line));
            }
            Word::Plain(text) => store(&mut open, &mut graph, &key, text, line),
            Word::Quoted(text) => store(&mut open, &mut graph, &key, &text, line),
        }
    }
    match open.last() {
        Some(list) => Err(ImportError::at(
            list.line,
            "the '[' in this line is not closed: a part of the file is missing",
        )),
        None if !saw_graph => Err(ImportError::at(1, "there is no 'graph [' in this file")),
        None => graph.resolve(),
    }
}

#[derive(PartialEq)]
enum Kind {
    Node,
    Edge,
    /// Its values belong to the list around it.
    Other,
}

/// A list being read.
struct List {
    kind: Kind,
    line: usize,
    id: Option<String>,
    ends: [Option<String>; 2],
    /// What means something, with its line.
    values: Vec<(&'static str, String, usize)>,
}

impl List {
    fn new(key: &str, line: usize) -> List {
        let kind = match key {
            "node" => Kind::Node,
            "edge" => Kind::Edge,
            _ => Kind::Other,
        };
        List { kind, line, id: None, ends: [None, None], values: Vec::new() }
    }

    fn close(self, graph: &mut Graph) -> Result<(), ImportError> {
        match self.kind {
            Kind::Other => {}
            Kind::Node => {
                let id = self.id.ok_or_else(|| ImportError::at(self.line, "this node has no id"))?;
                let at = graph.add_node(&id, self.line)?;
                for (key, value, line) in self.values {
                    graph.nodes[at].set(key, &value, line)?;
                }
            }
            Kind::Edge => {
                let [source, target] = self.ends;
                let missing = |what: &str| ImportError::at(self.line, format!("this edge has no {what}"));
                let ends =
                    [source.ok_or_else(|| missing("source"))?, target.ok_or_else(|| missing("target"))?];
                let mut edge = Edge { line: self.line, ..Edge::default() };
                for (key, value, line) in self.values {
                    edge.set(key, &value, line)?;
                }
                graph.add_edge_by_id(edge, ends)?;
            }
        }
        Ok(())
    }
}

fn store(open: &mut [List], graph: &mut Graph, key: &str, value: &str, line: usize) {
    let inner = open.last().is_some_and(|list| list.kind != Kind::Other);
    if key == "directed" && open.len() == 1 {
        graph.directed = value == "1";
    }
    // One level further in: graphics.
    let Some(list) = open.iter_mut().rev().take(2).find(|list| list.kind != Kind::Other) else { return };
    match key {
        "id" if inner => list.id = Some(value.to_owned()),
        "source" if inner => list.ends[0] = Some(value.to_owned()),
        "target" if inner => list.ends[1] = Some(value.to_owned()),
        _ => {
            let known = super::attributes::known(key);
            if let Some(key) = known.filter(|key| inner || ["x", "y"].contains(key)) {
                list.values.push((key, value.to_owned(), line));
            }
        }
    }
}

enum Word<'a> {
    Open,
    Close,
    Plain(&'a str),
    Quoted(String),
}

struct Words<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Words<'a> {
    /// The next word and its line.
    fn next(&mut self) -> Result<Option<(usize, Word<'a>)>, ImportError> {
        loop {
            let rest = &self.text[self.at..];
            let Some(c) = rest.chars().next() else { return Ok(None) };
            match c {
                '\n' => {
                    self.line += 1;
                    self.at += 1;
                }
                '#' => self.at += rest.find('\n').unwrap_or(rest.len()),
                _ if c.is_whitespace() || c == '\u{feff}' => self.at += c.len_utf8(),
                '[' | ']' => {
                    self.at += 1;
                    return Ok(Some((self.line, if c == '[' { Word::Open } else { Word::Close })));
                }
                '"' => return self.quoted(rest).map(Some),
                _ => {
                    let end = rest
                        .find(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | '"'))
                        .unwrap_or(rest.len());
                    self.at += end;
                    return Ok(Some((self.line, Word::Plain(&rest[..end]))));
                }
            }
        }
    }

    fn quoted(&mut self, rest: &'a str) -> Result<(usize, Word<'a>), ImportError> {
        let line = self.line;
        let Some(length) = rest[1..].find('"') else {
            return Err(ImportError::at(line, "the text that begins in this line does not end"));
        };
        let text = &rest[1..=length];
        self.line += text.bytes().filter(|b| *b == b'\n').count();
        self.at += length + 2;
        let plain =
            quick_xml::escape::unescape(text).map_or_else(|_| text.to_owned(), |text| text.into_owned());
        Ok((line, Word::Quoted(plain)))
    }
}
