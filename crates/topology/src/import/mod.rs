//! Maps of real networks, from the formats that they are published in.
//!
//! Every importer takes bytes and a [`Style`]: the nodes of the file become the style's routers (or switches) with the style's hosts,
//! its links have what the file says, and the style's options for the rest. What a file has and a plan cannot hold (a link from a node
//! to itself) is left out and said in [`Imported::notes`]. No input panics.

mod edges;
mod graphml;

pub use edges::edge_list;
pub use graphml::graphml;

use crate::generate::{Built, Style};
use crate::{LinkSpec, Plan, PlanError};
use rustc_hash::FxHashMap;
use std::fmt;
use tidewire_units::{Rate, Span, parse_rate};

/// What an importer added to a plan.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Imported {
    /// The nodes and links.
    pub built: Built,
    /// What was left out or changed, in sentences.
    pub notes: Vec<String>,
}

/// What is wrong with a file. Displays as a sentence with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportError {
    /// The line, counted from 1; 0 when it is the file as a whole.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        f.write_str(&self.problem)
    }
}

impl std::error::Error for ImportError {}

/// A graph as files have it, before names are made unique.
#[derive(Default)]
struct Graph {
    nodes: Vec<Vertex>,
    edges: Vec<Edge>,
    notes: Vec<String>,
}

#[derive(Default)]
struct Vertex {
    id: String,
    label: String,
    position: Option<[f64; 2]>,
    /// Longitude and latitude in degrees.
    place: Option<[f64; 2]>,
}

#[derive(Default)]
struct Edge {
    line: usize,
    ends: [usize; 2],
    rate: Option<Rate>,
    delay: Option<Span>,
    costs: [Option<u32>; 2],
}

impl Graph {
    fn add_to(mut self, plan: &mut Plan, style: &Style) -> Result<Imported, ImportError> {
        let whole = |e: PlanError| ImportError { line: 0, problem: e.to_string() };
        if self.nodes.is_empty() {
            return Err(ImportError { line: 0, problem: "the file has no nodes".to_owned() });
        }
        let mut built = Built::default();
        let mut names: FxHashMap<String, u32> = FxHashMap::default();
        for vertex in &self.nodes {
            let mut name = node_name(vertex, &style.prefix);
            // The second of a name gets a number, unless a node has just that name.
            while plan.find(&name).is_some() {
                let n = names.entry(name.clone()).or_insert(1);
                *n += 1;
                name = format!("{} ({n})", name.chars().take(90).collect::<String>());
            }
            let id = plan.add(name, style.node.clone()).map_err(whole)?;
            if let Some(position) = vertex.place.or(vertex.position) {
                plan.place(id, position);
            }
            built.nodes.push(id);
        }
        let mut loops = 0;
        for edge in &self.edges {
            let [a, b] = edge.ends;
            if a == b {
                loops += 1;
                continue;
            }
            let at = |e: PlanError| ImportError { line: edge.line, problem: e.to_string() };
            let link = plan.connect(built.nodes[a], built.nodes[b], self.spec(edge, &style.link));
            built.links.push(link.map_err(at)?);
        }
        if loops > 0 {
            self.notes.push(format!("{loops} links from a node to itself were left out"));
        }
        crate::generate::add_hosts(plan, style, &mut built).map_err(whole)?;
        Ok(Imported { built, notes: self.notes })
    }

    /// The style's options where the file says nothing; a delay from the distance, if both ends have a place on the globe.
    fn spec(&self, edge: &Edge, style: &LinkSpec) -> LinkSpec {
        let [a, b] = edge.ends.map(|end| self.nodes[end].place);
        let delay = edge.delay.or_else(|| Some(light_delay(a?, b?)));
        let mut spec = style.clone().both(|direction| {
            direction.rate = edge.rate.unwrap_or(direction.rate);
            direction.delay = delay.unwrap_or(direction.delay);
        });
        spec.forward.cost = edge.costs[0].unwrap_or(spec.forward.cost);
        spec.backward.cost = edge.costs[1].or(edge.costs[0]).unwrap_or(spec.backward.cost);
        spec
    }
}

/// The label, or else the id, without what a name cannot hold.
fn node_name(vertex: &Vertex, prefix: &str) -> String {
    let clean = |text: &str| -> String {
        let words: Vec<&str> =
            text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
        words.join(" ").chars().take(80).collect()
    };
    let name =
        Some(clean(&vertex.label)).filter(|name| !name.is_empty()).unwrap_or_else(|| clean(&vertex.id));
    format!("{prefix}{}", if name.is_empty() { "node" } else { &name })
}

/// The time that light needs in fibre, 200,000 km/s, along the great circle between two places (longitude, latitude in degrees).
fn light_delay(a: [f64; 2], b: [f64; 2]) -> Span {
    let [lon, lat] = [0, 1].map(|i| (b[i] - a[i]).to_radians());
    let (sin_lat, sin_lon) = (libm::sin(lat / 2.0), libm::sin(lon / 2.0));
    let parallels = libm::cos(a[1].to_radians()) * libm::cos(b[1].to_radians());
    let h = sin_lat * sin_lat + parallels * sin_lon * sin_lon;
    let km = 2.0 * 6371.0 * libm::asin(h.clamp(0.0, 1.0).sqrt());
    // Whole nanoseconds: the places are not known better.
    Span::from_ns((km / 200_000.0 * 1e9).round() as u64)
}

/// A rate from how operators write it: `10Gbps`, `155 Mbit/s`, `OC-192c`, `STM-4`, `T1`, `E3`; `None` for anything else.
fn operator_rate(text: &str) -> Option<Rate> {
    let plain: String =
        text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect::<String>().to_ascii_lowercase();
    let bits = |mbps: f64| Rate::from_bits_per_s((mbps * 1e6).round() as u64);
    let fixed =
        [("t1", 1.544), ("ds1", 1.544), ("e1", 2.048), ("e3", 34.368), ("t3", 44.736), ("ds3", 44.736)];
    if let Some((_, mbps)) = fixed.iter().find(|(name, _)| *name == plain) {
        return bits(*mbps);
    }
    for (name, unit) in [("oc", 51.84), ("stm", 155.52)] {
        if let Some(n) = plain.strip_prefix(name).and_then(|n| n.trim_end_matches('c').parse::<u16>().ok()) {
            return bits(f64::from(n) * unit);
        }
    }
    let at = plain.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = plain.split_at(at);
    let unit = match unit {
        "bps" | "bit/s" | "b/s" => "bps",
        "kbps" | "kbit/s" | "kb/s" => "kbps",
        "mbps" | "mbit/s" | "mb/s" | "mbits" => "Mbps",
        "gbps" | "gbit/s" | "gb/s" | "gbits" => "Gbps",
        "tbps" | "tbit/s" | "tb/s" => "Tbps",
        _ => return None,
    };
    parse_rate(&format!("{number}{unit}")).ok()
}

/// The text of a file. Errors: it is not UTF-8.
fn utf8(bytes: &[u8]) -> Result<&str, ImportError> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = 1 + bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count();
        ImportError { line, problem: "this is not UTF-8 text".to_owned() }
    })?;
    Ok(text.trim_start_matches('\u{feff}'))
}

#[cfg(test)]
mod tests;
