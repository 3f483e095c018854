//! Lists of edges: CSV with a header, or lines of `a b [weight]` as Rocketfuel's (Spring et al., SIGCOMM 2002).

use super::{Edge, Graph, ImportError, Imported, Vertex, operator_rate, utf8};
use crate::Plan;
use crate::generate::Style;
use rustc_hash::FxHashMap;
use tidewire_units::parse_span;

/// Adds a list of edges.
///
/// With commas: a header that names the columns `source` and `target` (or `from`, `to`; `a`, `b`), and any of `rate` ("10Mbps",
/// "OC-3"), `delay` ("5ms") and `cost` or `weight`. With spaces: two names and a weight, which may be left out; lines that begin with `#` are not
/// read. An edge `b a` after an edge `a b` is the same link's other direction. Weights with a fraction are all multiplied until they
/// are whole, since only their ratios matter.
///
/// # Errors
/// A line without two names, an option that does not parse, a weight of 0 or less, no lines.
pub fn edge_list(plan: &mut Plan, bytes: &[u8], style: &Style) -> Result<Imported, ImportError> {
    let text = utf8(bytes)?;
    let first =
        text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or("");
    let mut list = List::default();
    // Names such as "Anaheim,+CA" hold commas, headers hold no spaces between their columns.
    match first.split_whitespace().count() {
        2.. if !first.to_ascii_lowercase().starts_with("source,") => list.read_lines(text)?,
        _ => list.read_csv(text)?,
    }
    list.finish().add_to(plan, style)
}

#[derive(Default)]
struct List {
    graph: Graph,
    index: FxHashMap<String, usize>,
    /// Edges whose other direction has not come yet, by their ends.
    open: FxHashMap<[usize; 2], Vec<usize>>,
    /// Weights in both directions, by edge.
    weights: Vec<[Option<f64>; 2]>,
}

impl List {
    fn read_lines(&mut self, text: &str) -> Result<(), ImportError> {
        for (i, line) in text.lines().enumerate() {
            let error = |problem: &str| ImportError { line: i + 1, problem: problem.to_owned() };
            let words: Vec<&str> = line.split_whitespace().collect();
            let (a, b, weight) = match words.as_slice() {
                [] => continue,
                [first, ..] if first.starts_with('#') => continue,
                [a, b] => (a, b, None),
                [a, b, weight] => (a, b, Some(parse_weight(weight).map_err(|e| error(&e))?)),
                _ => return Err(error("expected two names and perhaps a weight")),
            };
            let edge = Edge { line: i + 1, ..Edge::default() };
            self.add(a, b, weight, edge);
        }
        Ok(())
    }

    fn read_csv(&mut self, text: &str) -> Result<(), ImportError> {
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(text.as_bytes());
        let broken = |e: csv::Error| ImportError {
            line: e.position().map_or(0, |p| p.line() as usize),
            problem: "this line has another number of columns than the header".to_owned(),
        };
        let header = reader.headers().map_err(broken)?.clone();
        let column = |names: &[&str]| {
            header.iter().position(|cell| names.contains(&cell.to_ascii_lowercase().as_str()))
        };
        let ends = (column(&["source", "from", "a"]), column(&["target", "to", "b"]));
        let (Some(source), Some(target)) = ends else {
            let problem = "the header must name the columns 'source' and 'target'".to_owned();
            return Err(ImportError { line: 1, problem });
        };
        let (rate, delay, cost) = (column(&["rate"]), column(&["delay"]), column(&["cost", "weight"]));
        for record in reader.records() {
            let record = record.map_err(broken)?;
            let line = record.position().map_or(0, |p| p.line() as usize);
            let error = |problem: String| ImportError { line, problem };
            let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).filter(|text| !text.is_empty());
            let (Some(a), Some(b)) = (cell(Some(source)), cell(Some(target))) else {
                return Err(error("expected the names of two nodes".to_owned()));
            };
            let mut edge = Edge { line, ..Edge::default() };
            if let Some(text) = cell(rate) {
                let read = operator_rate(text);
                edge.rate = Some(
                    read.ok_or_else(|| error(format!("'{text}' is not a rate, for example \"10Mbps\"")))?,
                );
            }
            if let Some(text) = cell(delay) {
                edge.delay = Some(parse_span(text).map_err(|e| error(e.to_string()))?);
            }
            let weight = cell(cost).map(parse_weight).transpose().map_err(error)?;
            self.add(a, b, weight, edge);
        }
        Ok(())
    }

    fn node(&mut self, name: &str) -> usize {
        if let Some(&at) = self.index.get(name) {
            return at;
        }
        let at = self.graph.nodes.len();
        self.graph.nodes.push(Vertex { id: name.to_owned(), ..Vertex::default() });
        self.index.insert(name.to_owned(), at);
        at
    }

    fn add(&mut self, a: &str, b: &str, weight: Option<f64>, edge: Edge) {
        let ends = [self.node(a), self.node(b)];
        let reverse = self.open.get_mut(&[ends[1], ends[0]]).and_then(Vec::pop);
        match reverse {
            Some(at) if ends[0] != ends[1] => self.weights[at][1] = weight,
            _ => {
                self.open.entry(ends).or_default().push(self.graph.edges.len());
                self.graph.edges.push(Edge { ends, ..edge });
                self.weights.push([weight, None]);
            }
        }
    }

    /// Makes whole costs of the weights.
    fn finish(mut self) -> Graph {
        let weights = || self.weights.iter().flatten().filter_map(|w| *w);
        let is_whole = |factor: f64| weights().all(|w| (w * factor - (w * factor).round()).abs() < 1e-9);
        let factor =
            [1.0, 2.0, 4.0, 5.0, 10.0, 100.0, 1000.0].into_iter().find(|f| is_whole(*f)).unwrap_or(1000.0);
        if factor > 1.0 {
            self.graph
                .notes
                .push(format!("all weights were multiplied by {factor}, to make whole costs of them"));
        }
        let cost = |w: f64| (w * factor).round().clamp(1.0, f64::from(u32::MAX)) as u32;
        for (edge, weights) in self.graph.edges.iter_mut().zip(&self.weights) {
            edge.costs = weights.map(|w| w.map(cost));
        }
        self.graph
    }
}

fn parse_weight(text: &str) -> Result<f64, String> {
    let weight: Option<f64> = text.parse().ok().filter(|w: &f64| w.is_finite() && *w > 0.0);
    weight.ok_or_else(|| format!("'{text}' is not a weight: expected a number above 0"))
}
