//! The language of Graphviz (its grammar: <https://graphviz.org/doc/info/lang.html>).
//!
//! Read are nodes, edges, chains of them and subgraphs as ends of edges (every node of one with every node of the other), with their
//! attributes and the defaults of `node [..]` and `edge [..]`. What only says how to draw is not.

use super::graph::{Edge, Graph, MOST_EDGES};
use super::text::shown;
use super::{ImportError, attributes};
use rustc_hash::{FxHashMap, FxHashSet};

/// How deep subgraphs may nest.
const DEEPEST: usize = 100;

/// Attributes that mean something, each once.
type Attributes = FxHashMap<&'static str, (String, usize)>;

/// Reads a graph.
///
/// # Errors
/// A text that is not in the language, with what was expected.
pub(super) fn read(text: &str) -> Result<Graph, ImportError> {
    let mut parser = Parser {
        words: Words { text, at: 0, line: 1 },
        ahead: None,
        graph: Graph::default(),
        strict: None,
        directed: false,
        pairs: 0,
    };
    parser.file()?;
    parser.graph.directed = parser.directed;
    Ok(parser.graph)
}

#[derive(Clone, PartialEq, Debug)]
enum Word {
    /// A name, number or text. Texts in quotes are never keywords.
    Name {
        text: String,
        quoted: bool,
    },
    /// `--` or `->`.
    Joins,
    Sign(char),
    End,
}

struct Parser<'a> {
    words: Words<'a>,
    ahead: Option<(usize, Word)>,
    graph: Graph,
    /// The pairs that have an edge, if each may have one only.
    strict: Option<FxHashSet<[usize; 2]>>,
    directed: bool,
    /// How many pairs of nodes were looked at.
    pairs: usize,
}

/// What holds for the nodes and edges of a subgraph that say nothing else.
#[derive(Clone, Default)]
struct Scope {
    node: Attributes,
    edge: Attributes,
}

impl Parser<'_> {
    fn peek(&mut self) -> Result<&(usize, Word), ImportError> {
        if self.ahead.is_none() {
            self.ahead = Some(self.words.next()?);
        }
        Ok(self.ahead.as_ref().expect("just read"))
    }

    fn next(&mut self) -> Result<(usize, Word), ImportError> {
        match self.ahead.take() {
            Some(word) => Ok(word),
            None => self.words.next(),
        }
    }

    fn take(&mut self, sign: char) -> Result<bool, ImportError> {
        let found = self.peek()?.1 == Word::Sign(sign);
        if found {
            self.ahead = None;
        }
        Ok(found)
    }

    fn expect(&mut self, sign: char) -> Result<(), ImportError> {
        match self.next()? {
            (_, Word::Sign(found)) if found == sign => Ok(()),
            (line, other) => {
                Err(ImportError::at(line, format!("expected '{sign}', not {}", other.describe())))
            }
        }
    }

    fn name(&mut self) -> Result<(usize, String), ImportError> {
        match self.next()? {
            (line, Word::Name { text, .. }) => Ok((line, text)),
            (line, other) => Err(ImportError::at(line, format!("expected a name, not {}", other.describe()))),
        }
    }

    /// Whether this keyword comes next; it is taken.
    fn keyword(&mut self, word: &str) -> Result<bool, ImportError> {
        let found =
            matches!(&self.peek()?.1, Word::Name { text, quoted: false } if text.eq_ignore_ascii_case(word));
        if found {
            self.ahead = None;
        }
        Ok(found)
    }

    fn file(&mut self) -> Result<(), ImportError> {
        if self.keyword("strict")? {
            self.strict = Some(FxHashSet::default());
        }
        self.directed = self.keyword("digraph")?;
        if !self.directed && !self.keyword("graph")? {
            let (line, word) = self.next()?;
            return Err(ImportError::at(
                line,
                format!("expected 'graph' or 'digraph', not {}", word.describe()),
            ));
        }
        if matches!(self.peek()?.1, Word::Name { .. }) {
            self.ahead = None;
        }
        self.expect('{')?;
        self.statements(&mut Scope::default(), &mut Vec::new(), 0)?;
        match self.next()? {
            (_, Word::End) => Ok(()),
            // A file may hold several graphs; a second network would be a surprise.
            (line, _) => {
                Err(ImportError::at(line, "there is more after the end of the graph; a file is one graph"))
            }
        }
    }

    /// Statements up to the closing brace; their nodes are added to `members`.
    fn statements(
        &mut self,
        scope: &mut Scope,
        members: &mut Vec<usize>,
        depth: usize,
    ) -> Result<(), ImportError> {
        loop {
            if self.take('}')? {
                return Ok(());
            }
            if self.take(';')? || self.take(',')? {
                continue;
            }
            if let (line, Word::End) = self.peek()? {
                return Err(ImportError::at(*line, "the file ends inside a '{': a part of it is missing"));
            }
            if self.keyword("node")? {
                self.attributes(&mut scope.node)?;
            } else if self.keyword("edge")? {
                self.attributes(&mut scope.edge)?;
            } else if self.keyword("graph")? {
                self.attributes(&mut Attributes::default())?;
            } else {
                self.chain(scope, members, depth)?;
            }
        }
    }

    /// `a`, `a -- b -- {c d}` with attributes, or `key = value`.
    fn chain(
        &mut self,
        scope: &mut Scope,
        members: &mut Vec<usize>,
        depth: usize,
    ) -> Result<(), ImportError> {
        let line = self.peek()?.0;
        let Some(mut left) = self.end(scope, depth, true)? else { return Ok(()) };
        let lone = (left.len() == 1 && !matches!(self.peek()?.1, Word::Joins)).then(|| left[0]);
        members.extend(&left);
        let first = self.graph.edges.len();
        while self.peek()?.1 == Word::Joins {
            self.ahead = None;
            let right = self.end(scope, depth, false)?.unwrap_or_default();
            members.extend(&right);
            self.pairs = self.pairs.saturating_add(left.len().saturating_mul(right.len()));
            if self.pairs > MOST_EDGES {
                let problem = format!(
                    "the groups in this file have more than {MOST_EDGES} links; this is the most that is read"
                );
                return Err(ImportError::at(line, problem));
            }
            for &a in &left {
                for &b in &right {
                    let ends = if self.directed { [a, b] } else { [a.min(b), a.max(b)] };
                    if self.strict.as_mut().is_none_or(|known| known.insert(ends)) {
                        self.graph.add_edge(Edge { line, ends: [a, b], ..Edge::default() })?;
                    }
                }
            }
            left = right;
        }
        let mut own = match lone {
            Some(_) => Attributes::default(),
            None => scope.edge.clone(),
        };
        self.attributes(&mut own)?;
        if let Some(node) = lone {
            for (name, (value, line)) in sorted(&own) {
                if name == "label" {
                    self.graph.nodes[node].label.clear();
                }
                self.graph.nodes[node].set(name, &value_of(name, value), *line)?;
            }
        }
        for edge in &mut self.graph.edges[first..] {
            for (name, (value, line)) in sorted(&own) {
                edge.set(name, value, *line)?;
            }
        }
        Ok(())
    }

    /// One end of an edge: a node or a subgraph, as its nodes. `None` after `key = value`, which only a statement may be.
    fn end(&mut self, scope: &Scope, depth: usize, may_set: bool) -> Result<Option<Vec<usize>>, ImportError> {
        let is_sub = self.keyword("subgraph")?;
        if is_sub && matches!(self.peek()?.1, Word::Name { .. }) {
            self.ahead = None;
        }
        if self.take('{')? {
            if depth == DEEPEST {
                return Err(ImportError::at(
                    self.words.line,
                    format!("subgraphs nest more than {DEEPEST} deep"),
                ));
            }
            let mut members = Vec::new();
            self.statements(&mut scope.clone(), &mut members, depth + 1)?;
            members.sort_unstable();
            members.dedup();
            return Ok(Some(members));
        }
        if is_sub {
            return Ok(Some(Vec::new()));
        }
        let (line, id) = self.name()?;
        if may_set && self.take('=')? {
            self.name()?;
            return Ok(None);
        }
        // A port says where the line meets the drawing of the node.
        while self.take(':')? {
            self.name()?;
        }
        let before = self.graph.nodes.len();
        let node = self.graph.node(&id, line)?;
        if node == before {
            for (name, (value, line)) in sorted(&scope.node) {
                self.graph.nodes[node].set(name, &value_of(name, value), *line)?;
            }
        }
        Ok(Some(vec![node]))
    }

    /// Lists of attributes in brackets, none or more.
    fn attributes(&mut self, into: &mut Attributes) -> Result<(), ImportError> {
        while self.take('[')? {
            loop {
                if self.take(']')? {
                    break;
                }
                if self.take(';')? || self.take(',')? {
                    continue;
                }
                let (line, name) = self.name()?;
                let value = if self.take('=')? { self.name()?.1 } else { "true".to_owned() };
                if let Some(name) = attributes::known(&name.to_ascii_lowercase()) {
                    into.insert(name, (value, line));
                }
            }
        }
        Ok(())
    }
}

/// In an order of its own: hash maps have none.
fn sorted(attributes: &Attributes) -> Vec<(&'static str, &(String, usize))> {
    let mut list: Vec<_> = attributes.iter().map(|(name, value)| (*name, value)).collect();
    list.sort_unstable_by_key(|(name, _)| *name);
    list
}

/// A label without the address that stands in its second line; `\N` is the node's own name.
fn value_of(name: &str, value: &str) -> String {
    match name {
        "label" if value.starts_with('<') || value.contains("\\N") => String::new(),
        "label" => value.split('\n').next().unwrap_or("").to_owned(),
        _ => value.to_owned(),
    }
}

impl Word {
    fn describe(&self) -> String {
        match self {
            Word::Name { text, .. } => format!("'{}'", shown(text)),
            Word::Joins => "the sign of an edge".to_owned(),
            Word::Sign(sign) => format!("'{sign}'"),
            Word::End => "the end of the file".to_owned(),
        }
    }
}

struct Words<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Words<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn step(&mut self, bytes: usize) {
        let end = (self.at + bytes).min(self.text.len());
        self.line += self.text.as_bytes()[self.at..end].iter().filter(|b| **b == b'\n').count();
        self.at = end;
    }

    /// Spaces, comments, and lines for the preprocessor.
    fn skip(&mut self) -> Result<(), ImportError> {
        loop {
            let rest = self.rest();
            let spaces = rest.find(|c: char| !c.is_whitespace() && c != '\u{feff}').unwrap_or(rest.len());
            self.step(spaces);
            let rest = self.rest();
            if rest.starts_with("//") || rest.starts_with('#') {
                let end = rest.find('\n').unwrap_or(rest.len());
                self.step(end);
            } else if rest.starts_with("/*") {
                match rest.find("*/") {
                    Some(end) => self.step(end + 2),
                    None => {
                        return Err(ImportError::at(self.line, "the comment that begins here does not end"));
                    }
                }
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<(usize, Word), ImportError> {
        self.skip()?;
        let line = self.line;
        let rest = self.rest();
        let Some(c) = rest.chars().next() else { return Ok((line, Word::End)) };
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.') || !c.is_ascii();
        let word = match c {
            '"' => {
                let mut text = self.quoted()?;
                // "a" + "b" is "ab".
                loop {
                    self.skip()?;
                    if !self.rest().starts_with('+') {
                        break;
                    }
                    self.step(1);
                    self.skip()?;
                    if !self.rest().starts_with('"') {
                        return Err(ImportError::at(self.line, "expected a text in quotes after '+'"));
                    }
                    text.push_str(&self.quoted()?);
                }
                Word::Name { text, quoted: true }
            }
            '<' => Word::Name { text: self.html()?, quoted: true },
            '-' if rest.starts_with("--") || rest.starts_with("->") => {
                self.step(2);
                Word::Joins
            }
            '{' | '}' | '[' | ']' | ';' | ',' | '=' | ':' => {
                self.step(1);
                Word::Sign(c)
            }
            _ if is_name(c) || c == '-' => {
                let start = c.len_utf8();
                // A name does not hold the sign of an edge, and a number begins with at most one '-'.
                let end = rest[start..].find(|c: char| !is_name(c)).map_or(rest.len(), |at| at + start);
                let text = rest[..end].to_owned();
                self.step(end);
                Word::Name { text, quoted: false }
            }
            _ => return Err(ImportError::at(line, format!("'{c}' means nothing here"))),
        };
        Ok((line, word))
    }

    fn quoted(&mut self) -> Result<String, ImportError> {
        let line = self.line;
        let rest = self.rest();
        let mut text = String::new();
        let mut escaped = false;
        for (at, c) in rest.char_indices().skip(1) {
            match (escaped, c) {
                (false, '"') => {
                    self.step(at + 1);
                    return Ok(text);
                }
                (false, '\\') => escaped = true,
                (false, _) => text.push(c),
                (true, _) => {
                    escaped = false;
                    match c {
                        'n' | 'l' | 'r' => text.push('\n'),
                        '\n' => {}
                        '"' | '\\' => text.push(c),
                        _ => text.extend(['\\', c]),
                    }
                }
            }
        }
        Err(ImportError::at(line, "the text that begins in this line does not end"))
    }

    /// `<...>` with its signs, which may nest.
    fn html(&mut self) -> Result<String, ImportError> {
        let rest = self.rest();
        let mut open = 0usize;
        for (at, c) in rest.char_indices() {
            match c {
                '<' => open += 1,
                '>' if open == 1 => {
                    let text = rest[..=at].to_owned();
                    self.step(at + 1);
                    return Ok(text);
                }
                '>' => open -= 1,
                _ => {}
            }
        }
        Err(ImportError::at(self.line, "the '<' in this line is not closed"))
    }
}
