//! Maps that were measured, and those that a generator of the time wrote: Rocketfuel's and BRITE's.

use super::ImportError;
use super::graph::{Edge, Graph};
use super::text::shown;
use rustc_hash::FxHashSet;
use tidewire_units::{Rate, Span};

/// Rocketfuel's maps of providers (Spring, Mahajan, Wetherall, "Measuring ISP topologies with Rocketfuel", SIGCOMM 2002). A line is
/// `uid @location [+] [bb] (neighbours) [&externals] -> <uid> ... {-euid} ... =name[!] rn`; lines that begin with a negative number are
/// routers of others. Those and the links to them are left out.
///
/// # Errors
/// A line that does not begin with a number and `@location`, a neighbour that is no number.
pub(super) fn read_cch(text: &str) -> Result<Graph, ImportError> {
    let mut graph = Graph::default();
    let mut known: FxHashSet<[i64; 2]> = FxHashSet::default();
    let mut external = 0;
    for (i, line) in text.lines().enumerate() {
        let error = |problem: String| Err(ImportError::at(i + 1, problem));
        let mut words = line.split_whitespace();
        let Some(first) = words.next().filter(|word| !word.starts_with('#')) else { continue };
        let Ok(uid) = first.parse::<i64>() else {
            return error(format!("expected the number of a router, not '{}'", shown(first)));
        };
        if uid < 0 {
            continue;
        }
        let Some(place) = words.next().and_then(|word| word.strip_prefix('@')) else {
            return error(format!("expected @ and a location after router {uid}"));
        };
        let at = graph.add_node(first, i + 1)?;
        let place = place.replace('+', " ");
        graph.nodes[at].label = format!("{} {uid}", place.trim());
        for word in words {
            if let Some(name) = word.strip_prefix('=') {
                graph.nodes[at].label = name.trim_end_matches('!').to_owned();
            } else if word.starts_with('{') {
                external += 1;
            } else if let Some(peer) = word.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
                let Ok(peer) = peer.parse::<i64>() else {
                    return error(format!("'{}' is not the number of a router", shown(word)));
                };
                if known.insert([uid.min(peer), uid.max(peer)]) {
                    let ends = [first.to_owned(), peer.to_string()];
                    graph.add_edge_by_id(Edge { line: i + 1, ..Edge::default() }, ends)?;
                }
            }
        }
    }
    if external > 0 {
        graph.notes.push(format!("{external} links to other networks were left out"));
    }
    graph.resolve()
}

/// What BRITE writes (Medina, Lakhina, Matta, Byers, "BRITE: an approach to universal topology generation", MASCOTS 2001): after
/// `Nodes:` lines of `id x y in out AS type`, after `Edges:` lines of `id from to length delay rate ..`, the delay in milliseconds and
/// the rate in Mbit/s.
///
/// # Errors
/// A line that is none of these, a negative delay or rate, an edge to an unknown node, fewer nodes or edges than are announced.
pub(super) fn read_brite(text: &str) -> Result<Graph, ImportError> {
    #[derive(PartialEq)]
    enum Part {
        Head,
        Nodes,
        Edges,
    }
    let mut graph = Graph::default();
    let mut part = Part::Head;
    // The line that announces nodes or edges, and how many.
    let mut announced = [(0, 0usize); 2];
    for (i, line) in text.lines().enumerate() {
        let error = |problem: String| ImportError::at(i + 1, problem);
        let words: Vec<&str> = line.split_whitespace().take(12).collect();
        let Some(first) = words.first() else { continue };
        let number = |at: usize, what: &str| -> Result<f64, ImportError> {
            let word = *words.get(at).ok_or_else(|| error(format!("{what} is missing in this line")))?;
            let number = word.parse::<f64>().ok().filter(|x| x.is_finite());
            number.ok_or_else(|| error(format!("'{}' is not {what}: expected a number", shown(word))))
        };
        match *first {
            "Nodes:" | "Edges:" => {
                let count = words.iter().find_map(|word| word.trim_matches(['(', ')']).parse().ok());
                part = if *first == "Nodes:" { Part::Nodes } else { Part::Edges };
                announced[usize::from(part == Part::Edges)] = (i + 1, count.unwrap_or(0));
            }
            _ if part == Part::Head => {}
            id if part == Part::Nodes => {
                let position = [number(1, "an x coordinate")?, number(2, "a y coordinate")?];
                number(0, "the number of a node")?;
                let at = graph.add_node(id, i + 1)?;
                graph.nodes[at].position = Some(position);
            }
            _ => {
                let name = |at: usize, what: &str| number(at, what).map(|_| words[at].to_owned());
                let ends = [name(1, "the first node of an edge")?, name(2, "the second node of an edge")?];
                let mut edge = Edge { line: i + 1, ..Edge::default() };
                if words.len() > 4 {
                    let delay = number(4, "a delay")?;
                    // BRITE writes -1 for what it did not choose.
                    match delay {
                        _ if delay == -1.0 => {}
                        _ if !(0.0..=1e9).contains(&delay) => {
                            return Err(error(format!("'{}' is not a delay", words[4])));
                        }
                        _ => edge.way.delay = Some(Span::from_secs_f64(delay / 1000.0)),
                    }
                }
                if words.len() > 5 {
                    let rate = number(5, "a rate")?;
                    match rate {
                        _ if rate == -1.0 || rate == 0.0 => {}
                        _ if !(0.0..=1e12).contains(&rate) => {
                            return Err(error(format!("'{}' is not a rate", words[5])));
                        }
                        _ => edge.way.rate = Rate::from_bits_per_s(((rate * 1e6) as u64).max(1)),
                    }
                }
                graph.add_edge_by_id(edge, ends)?;
            }
        }
    }
    if part == Part::Head {
        return Err(ImportError::at(0, "there is no line 'Nodes:' in this file"));
    }
    let found = [("nodes", graph.nodes.len()), ("edges", graph.edges.len())];
    for ((line, count), (what, found)) in announced.into_iter().zip(found) {
        if found < count {
            let problem =
                format!("{count} {what} are announced, {found} are there: a part of the file is missing");
            return Err(ImportError::at(line, problem));
        }
    }
    graph.resolve()
}
