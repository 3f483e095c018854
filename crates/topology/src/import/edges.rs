//! Lists of edges: CSV with a header, or lines of `a b [weight]` as Rocketfuel's (Mahajan et al., "Inferring link weights", IMW 2002).

use super::graph::{Edge, Graph, Way};
use super::text::shown;
use super::{ImportError, attributes};
use rustc_hash::FxHashMap;

/// Edges whose other direction has not come yet, by their ends.
#[derive(Default)]
struct Directions {
    graph: Graph,
    open: FxHashMap<[usize; 2], Vec<usize>>,
}

impl Directions {
    /// Adds an edge, or the other direction of an earlier one.
    fn add(&mut self, ends: [&str; 2], mut edge: Edge) -> Result<(), ImportError> {
        let [a, b] = [self.graph.node(ends[0], edge.line)?, self.graph.node(ends[1], edge.line)?];
        match self.open.get_mut(&[b, a]).and_then(Vec::pop) {
            Some(at) if a != b => {
                self.graph.edges[at].back = Some(Way { rate: edge.way.rate.or(edge.guess), ..edge.way })
            }
            _ => {
                edge.ends = [a, b];
                let at = self.graph.add_edge(edge)?;
                self.open.entry([a, b]).or_default().push(at);
            }
        }
        Ok(())
    }
}

/// Lines of two names and a weight, which may be left out; with `delays`, of a delay in milliseconds. Lines that begin with `#` are
/// not read. A line `b a` after a line `a b` is the same link's other direction.
///
/// # Errors
/// A line without two names, a weight of 0 or less.
pub(super) fn read_lines(text: &str, delays: bool) -> Result<Graph, ImportError> {
    let mut list = Directions::default();
    for (i, line) in text.lines().enumerate() {
        let error = |problem: String| ImportError::at(i + 1, problem);
        let mut words = line.split_whitespace();
        let mut edge = Edge { line: i + 1, ..Edge::default() };
        let (a, b) = match (words.next(), words.next()) {
            (None, _) => continue,
            (Some(first), _) if first.starts_with('#') => continue,
            (Some(a), Some(b)) => (a, b),
            (Some(word), None) => {
                return Err(error(format!("expected two names and perhaps a weight, not '{}'", shown(word))));
            }
        };
        let third = words.next();
        if words.next().is_some() {
            return Err(error("expected two names and perhaps a weight".to_owned()));
        }
        match third {
            None => {}
            Some(text) if delays => edge.set("delay", text, i + 1)?,
            Some(text) => edge.way.weight = Some(attributes::weight(text).map_err(error)?),
        }
        list.add([a, b], edge)?;
    }
    Ok(list.graph)
}

/// A header that names the columns `source` and `target` (or `from`, `to`; `a`, `b`) and any attributes of links; separated by commas,
/// semicolons or tabs. A line `b a` after a line `a b` is the same link's other direction.
///
/// # Errors
/// A header without these columns, a line without two names, an attribute that does not parse.
pub(super) fn read_csv(text: &str) -> Result<Graph, ImportError> {
    let header = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or("");
    let count = |sign: char| header.matches(sign).count();
    let delimiter =
        [',', ';', '\t'].into_iter().max_by_key(|sign| (count(*sign), *sign == ',')).unwrap_or(',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter as u8)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let broken = |e: csv::Error| {
        let line = e.position().map_or(0, |p| p.line() as usize);
        ImportError::at(line, "this line has another number of columns than the header")
    };
    let header: Vec<String> = reader.headers().map_err(broken)?.iter().map(str::to_ascii_lowercase).collect();
    let column = |names: &[&str]| header.iter().position(|cell| names.contains(&cell.as_str()));
    let ends = (column(&["source", "from", "a", "src"]), column(&["target", "to", "b", "dst"]));
    let (Some(source), Some(target)) = ends else {
        return Err(ImportError::at(1, "the header must name the columns 'source' and 'target'"));
    };
    let mut list = Directions::default();
    // What names columns may be what names nodes.
    if header.iter().all(|cell| matches!(cell.as_str(), "a" | "b")) {
        let line = header.join(",");
        list.graph.notes.push(format!(
            "the first line, '{line}', was read as the header; if it is a link, write source,target above it"
        ));
    }
    let known: Vec<(usize, &str)> =
        header.iter().enumerate().filter_map(|(at, name)| Some((at, attributes::known(name)?))).collect();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let line = record.position().map_or(0, |p| p.line() as usize);
        let end = |at: usize| record.get(at).filter(|name| !name.is_empty());
        let (Some(a), Some(b)) = (end(source), end(target)) else {
            return Err(ImportError::at(line, "expected the names of two nodes"));
        };
        let mut edge = Edge { line, ..Edge::default() };
        for &(at, name) in &known {
            edge.set(name, record.get(at).unwrap_or(""), line)?;
        }
        list.add([a, b], edge)?;
    }
    Ok(list.graph)
}
