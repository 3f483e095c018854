//! Maps of networks, from the formats that they are published and written in.
//!
//! | file | what is in it |
//! |---|---|
//! | `graphml.rs` | GraphML: the Internet Topology Zoo, yEd, networkx |
//! | `gml.rs` | GML |
//! | `dot.rs` | Graphviz |
//! | `documents.rs` | Tidewire's own JSON and TOML, with includes; node-link JSON |
//! | `edges.rs` | lists of edges: CSV, and lines of `a b [weight]` |
//! | `measured.rs` | Rocketfuel's maps (.cch) and BRITE |
//! | `attributes.rs` | what attributes of nodes and links mean, in all formats |
//! | `graph.rs` | the graph as files have it, and its way into a plan |
//! | `text.rs` | encodings |
//!
//! Nodes of a map become the [`Style`]'s routers (or switches) with the style's hosts, unless the file says what they are; links have
//! what the file says, and the style's options for the rest. What a file has and a plan cannot hold (a link from a node to itself), and
//! what had to be guessed, is said in [`Imported::notes`]. No input panics.

mod attributes;
mod documents;
mod dot;
mod edges;
mod gml;
mod graph;
mod graphml;
mod measured;
mod text;

use crate::Plan;
use crate::generate::{Built, Style};
use graph::Graph;
use std::fmt;

/// The largest file that is read, in bytes.
pub const MOST_BYTES: usize = 64 << 20;

/// What an importer added to a plan.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Imported {
    /// The nodes and links. Hosts that the file itself has are among its hosts, their links among its links.
    pub built: Built,
    /// What was left out, changed or guessed, in sentences.
    pub notes: Vec<String>,
}

/// What is wrong with a file. Displays as `file:line: problem`.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportError {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, counted from 1; 0 when it is the file as a whole.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

impl ImportError {
    fn at(line: usize, problem: impl Into<String>) -> ImportError {
        ImportError { file: String::new(), line, problem: problem.into() }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.file.as_str(), self.line) {
            ("", 0) => f.write_str(&self.problem),
            ("", line) => write!(f, "line {line}: {}", self.problem),
            (file, 0) => write!(f, "{file}: {}", self.problem),
            (file, line) => write!(f, "{file}:{line}: {}", self.problem),
        }
    }
}

impl std::error::Error for ImportError {}

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// XML of graphs (Brandes et al.; the Internet Topology Zoo, Knight et al., IEEE JSAC 2011).
    GraphMl,
    /// Graph Modelling Language (Himsolt).
    Gml,
    /// The language of Graphviz.
    Dot,
    /// Tidewire's own document, or the node-link JSON of networkx and D3.
    Json,
    /// Tidewire's own document.
    Toml,
    /// CSV with a header.
    Csv,
    /// Lines of two names and a weight, as Rocketfuel's weights (Mahajan et al., IMW 2002).
    Lines,
    /// Rocketfuel's maps (Spring et al., SIGCOMM 2002).
    Cch,
    /// What BRITE writes (Medina et al., MASCOTS 2001).
    Brite,
}

/// Every ending of a file name that says its format.
pub const ENDINGS: [(&str, Format); 11] = [
    ("graphml", Format::GraphMl),
    ("xml", Format::GraphMl),
    ("gml", Format::Gml),
    ("dot", Format::Dot),
    ("gv", Format::Dot),
    ("json", Format::Json),
    ("toml", Format::Toml),
    ("csv", Format::Csv),
    ("cch", Format::Cch),
    ("brite", Format::Brite),
    ("intra", Format::Lines),
];

impl Format {
    /// The format that the ending of a file's name stands for.
    pub fn of_name(name: &str) -> Option<Format> {
        let ending = name.rsplit(['/', '\\']).next()?.rsplit_once('.')?.1.to_ascii_lowercase();
        ENDINGS.iter().find(|(known, _)| *known == ending).map(|(_, format)| *format)
    }

    /// The format that a text looks like.
    fn of_text(text: &str) -> Format {
        let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
        let content = lines().find(|line| !line.starts_with('#') && !line.starts_with("//")).unwrap_or("");
        let mut words = content.split_whitespace();
        let (first, second) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let graph = ["graph", "digraph", "strict"].iter().any(|word| first.eq_ignore_ascii_case(word));
        match content.as_bytes() {
            [b'<', ..] => Format::GraphMl,
            [b'{', ..] => Format::Json,
            _ if first.eq_ignore_ascii_case("topology:") => Format::Brite,
            _ if first.parse::<i64>().is_ok() && second.starts_with(['@', '=']) => Format::Cch,
            _ if first == "Creator" || (graph && (content.ends_with('[') || second.starts_with('['))) => {
                Format::Gml
            }
            _ if graph => Format::Dot,
            [b'[', ..] => Format::Toml,
            _ if words.next().is_none() && second.is_empty() && content.contains([',', ';']) => Format::Csv,
            _ => Format::Lines,
        }
    }
}

/// Reads a file that another one includes: its contents, or why not.
pub type Read<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<u8>, String>;

/// Something in a document that a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought<'a> {
    /// A node, by the name that it has in the plan.
    Node(&'a str),
    /// A subnet.
    Subnet(crate::Prefix),
}

/// Where something stands that turned out to be wrong only when the network was whole: its file and line. Only documents (JSON, TOML)
/// say such things; `read` gives the files that they include.
pub fn place_of(name: &str, bytes: &[u8], read: Read<'_>, what: Sought<'_>) -> Option<(String, usize)> {
    documents::place_of(name, bytes, "", read, what, 0)
}

/// Adds the network in a file to a plan. Its format is what the ending of its name says, else what its text looks like; `read` gives
/// the files that it includes, by paths relative to the folder of `name`'s first file.
///
/// # Errors
/// Everything that is no network: what is wrong, with the file and line. The plan may then hold a part of it.
pub fn load(
    plan: &mut Plan,
    name: &str,
    bytes: &[u8],
    style: &Style,
    read: Read<'_>,
) -> Result<Imported, ImportError> {
    let mut loader =
        Loader { plan, style, read, open: Vec::new(), included: 0, imported: Imported::default() };
    loader.file(name, bytes, "")?;
    let Loader { imported, .. } = loader;
    Ok(imported)
}

/// Adds the network in a file that stands alone. Errors: as [`load`]; an include.
pub fn load_alone(plan: &mut Plan, name: &str, bytes: &[u8], style: &Style) -> Result<Imported, ImportError> {
    load(plan, name, bytes, style, &mut |_| Err("this file cannot include others".to_owned()))
}

/// Does with a file all that is done with networks; for tests with broken files.
///
/// # Panics
/// Whenever any of it does, which would be a mistake here.
#[doc(hidden)]
pub fn survives(name: &str, bytes: &[u8]) {
    let mut plan = Plan::new();
    if let Err(error) = load_alone(&mut plan, name, bytes, &Style::default()) {
        assert!(!error.problem.is_empty() && error.problem.len() < 400, "{error}");
    } else if plan.assign_addresses().is_ok() && plan.nodes().len() < 2000 {
        let _ = (crate::check(&plan), crate::routes(&plan, &|_| true));
        let _ = (crate::draw::svg(&plan), crate::draw::dot(&plan), crate::draw::text(&plan));
    }
}

/// A file being read, and those that include it.
struct Loader<'a> {
    plan: &'a mut Plan,
    style: &'a Style,
    read: Read<'a>,
    /// The files that are being read, the first one outermost.
    open: Vec<String>,
    /// How many files were included.
    included: usize,
    imported: Imported,
}

impl Loader<'_> {
    /// Adds one file; `prefix` is put before its names.
    fn file(&mut self, name: &str, bytes: &[u8], prefix: &str) -> Result<(), ImportError> {
        // Included files are named from the first one's folder.
        let own = if self.open.is_empty() { name.rsplit(['/', '\\']).next().unwrap_or(name) } else { name };
        self.open.push(own.to_owned());
        let result = self.content(name, bytes, prefix);
        self.open.pop();
        result.map_err(|error| match error.file.as_str() {
            "" => ImportError { file: name.to_owned(), ..error },
            _ => error,
        })
    }

    fn content(&mut self, name: &str, bytes: &[u8], prefix: &str) -> Result<(), ImportError> {
        if bytes.len() > MOST_BYTES {
            let problem = format!(
                "the file is larger than {} MiB, the most that is read of a network",
                MOST_BYTES >> 20
            );
            return Err(ImportError::at(0, problem));
        }
        let (text, note) = text::decode(bytes)?;
        self.imported.notes.extend(note);
        let text = text.as_ref();
        let graph = match Format::of_name(name).unwrap_or_else(|| Format::of_text(text)) {
            Format::GraphMl => graphml::read(text)?,
            Format::Gml => gml::read(text)?,
            Format::Dot => dot::read(text)?,
            Format::Csv => edges::read_csv(text)?,
            Format::Lines => edges::read_lines(text, name.to_ascii_lowercase().contains("latenc"))?,
            Format::Cch => measured::read_cch(text)?,
            Format::Brite => measured::read_brite(text)?,
            Format::Toml => return self.toml(text, prefix),
            Format::Json => match documents::node_link(text)? {
                Some(graph) => graph,
                None => return self.json(text, prefix),
            },
        };
        self.graph(graph, prefix)
    }

    fn graph(&mut self, graph: Graph, prefix: &str) -> Result<(), ImportError> {
        graph.add_to(self.plan, self.style, prefix, &mut self.imported)
    }
}

#[cfg(test)]
mod broken_tests;
#[cfg(test)]
mod oddity_tests;
#[cfg(test)]
mod tests;
