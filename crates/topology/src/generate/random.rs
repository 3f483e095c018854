//! Random graphs, made connected.

use super::classic::{numbered, with_hosts};
use super::{Built, Maker, Style, check_size};
use crate::{Plan, PlanError};
use petgraph::unionfind::UnionFind;
use tidewire_units::{Probability, Span, Stream};

/// How the links of a random network are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RandomModel {
    /// Each pair is linked with the same probability (Erdős and Rényi, "On random graphs", 1959; Gilbert 1959).
    ErdosRenyi {
        /// That probability.
        p: Probability,
    },
    /// Nodes stand in a unit square; a pair at distance d is linked with probability `alpha` exp(-d / (`beta` L)), where L is
    /// the square's diagonal (Waxman, "Routing of multipoint connections", 1988).
    Waxman {
        /// The probability of a link between two nodes at the same place: scales the number of links.
        alpha: Probability,
        /// Scales their length: the larger, the more long ones, and the more links at all. Above 0.
        beta: f64,
        /// Added to the delay of a link for each unit of its length.
        delay: Span,
    },
    /// Each new node is linked to `links` earlier ones, chosen in proportion to their degree (Barabási and Albert, "Emergence of
    /// scaling in random networks", 1999).
    BarabasiAlbert {
        /// Links of a new node, at least 1.
        links: u32,
    },
}

/// Links of a node, on average, where nobody says how dense a random network is to be.
const DEGREE: f64 = 5.0;
/// The average of exp(-d / (0.2 L)) over all pairs of points in the square.
const NEARNESS: f64 = 0.2247;

impl RandomModel {
    /// Erdős and Rényi's model for `n` nodes with five links each, on average; all pairs where that is too few nodes for it.
    pub fn sparse_erdos_renyi(n: u32) -> RandomModel {
        RandomModel::ErdosRenyi { p: sparse(n, 1.0) }
    }

    /// Waxman's model for `n` nodes with five links each, on average, or as many as there are with `alpha` = 1; `beta` is 0.2.
    pub fn sparse_waxman(n: u32, delay: Span) -> RandomModel {
        RandomModel::Waxman { alpha: sparse(n, NEARNESS), beta: 0.2, delay }
    }
}

fn sparse(n: u32, nearness: f64) -> Probability {
    let others = f64::from(n.max(2) - 1);
    Probability::new((DEGREE / (others * nearness)).min(1.0)).expect("between 0 and 1")
}

/// `n` nodes `r1`..`rn` linked at random, and the style's hosts on each. Parts that chance left separate are joined: each to the
/// first part by one link between two random nodes (Waxman: between the two nearest). The result depends on `stream` only.
///
/// # Errors
/// `n` = 0, more than 20,000 nodes for the models that look at every pair, parameters out of range, a name that is taken.
pub fn random(
    plan: &mut Plan,
    n: u32,
    model: RandomModel,
    style: &Style,
    stream: &mut Stream,
) -> Result<Built, PlanError> {
    check_size("the number of nodes of a random network", n.into(), 1, with_hosts(n, n, style))?;
    check_model(n, model)?;
    let points = place(n, model, stream);
    // The links that chance gives are counted while they are drawn.
    let most = super::MAX_LINKS as usize + 1;
    let mut edges = match model {
        RandomModel::ErdosRenyi { p } => pairs(n).filter(|_| p.hit(stream.bits())).take(most).collect(),
        RandomModel::Waxman { alpha, beta, .. } => {
            let scale = beta * std::f64::consts::SQRT_2;
            let near = |a: usize, b: usize| alpha.get() * libm::exp(-distance(points[a], points[b]) / scale);
            pairs(n).filter(|&(a, b)| stream.unit() < near(a, b)).take(most).collect()
        }
        RandomModel::BarabasiAlbert { links } => preferential(n as usize, links as usize, stream),
    };
    super::check_links(&format!("a random network of {n} such nodes"), edges.len() as u64)?;
    join(n as usize, &mut edges, &points, stream);
    let mut maker = Maker { plan, style };
    let mut built = numbered(&mut maker, n)?;
    for (node, point) in built.nodes.iter().zip(&points) {
        maker.plan.place(*node, *point);
    }
    for (a, b) in edges {
        let mut spec = style.link.clone();
        if let RandomModel::Waxman { delay, .. } = model {
            let extra = Span::from_secs_f64(delay.as_secs_f64() * distance(points[a], points[b]));
            spec = spec.both(|direction| direction.delay += extra);
        }
        built.links.push(maker.plan.connect(built.nodes[a], built.nodes[b], spec)?);
    }
    maker.hosts(&built.nodes.clone(), &mut built)?;
    Ok(built)
}

fn check_model(n: u32, model: RandomModel) -> Result<(), PlanError> {
    let wrong = |sentence: &str| Err(PlanError::BadShape(sentence.to_owned()));
    match model {
        RandomModel::ErdosRenyi { .. } | RandomModel::Waxman { .. } if n > 20_000 => wrong(
            "a random network of this model looks at every pair of nodes; the most that is built is 20000 nodes",
        ),
        RandomModel::Waxman { beta, .. } if !(beta > 0.0 && beta.is_finite()) => {
            wrong("the beta of a Waxman network must be above 0, for example 0.2")
        }
        RandomModel::BarabasiAlbert { links: 0 } => {
            wrong("each node of a Barabási-Albert network needs at least one link")
        }
        RandomModel::ErdosRenyi { p } => expected(n, p.get()),
        RandomModel::BarabasiAlbert { links } => {
            let what = format!("a Barabási-Albert network of {n} nodes with {links} links each");
            super::check_links(&what, u64::from(n) * u64::from(links))
        }
        RandomModel::Waxman { .. } => Ok(()),
    }
}

/// Refuses before hundreds of millions of pairs are looked at for nothing.
fn expected(n: u32, p: f64) -> Result<(), PlanError> {
    let links = p * f64::from(n) * (f64::from(n) - 1.0) / 2.0;
    super::check_links(&format!("a random network of {n} nodes with p = {p}"), links as u64)
}

/// Waxman's points; none for the models without.
fn place(n: u32, model: RandomModel, stream: &mut Stream) -> Vec<[f64; 2]> {
    let count = if matches!(model, RandomModel::Waxman { .. }) { n } else { 0 };
    (0..count).map(|_| [stream.unit(), stream.unit()]).collect()
}

fn pairs(n: u32) -> impl Iterator<Item = (usize, usize)> {
    let n = n as usize;
    (0..n).flat_map(move |a| (a + 1..n).map(move |b| (a, b)))
}

/// Each node from the second on picks `m` distinct earlier ones by degree; the first `m` + 1 know each other.
fn preferential(n: usize, m: usize, stream: &mut Stream) -> Vec<(usize, usize)> {
    let mut edges = Vec::new();
    // Every node as often as it has links: a uniform pick from this is one by degree.
    let mut ends = Vec::new();
    for new in 1..n {
        let mut chosen: Vec<usize> = if new <= m { (0..new).collect() } else { Vec::new() };
        while chosen.len() < m.min(new) {
            let pick: usize = ends[stream.between(0, ends.len() as u64 - 1) as usize];
            if !chosen.contains(&pick) {
                chosen.push(pick);
            }
        }
        for old in chosen {
            edges.push((old, new));
            ends.extend([old, new]);
        }
    }
    edges
}

/// Links every separate part to the part of node 0, in the order of their first nodes.
fn join(n: usize, edges: &mut Vec<(usize, usize)>, points: &[[f64; 2]], stream: &mut Stream) {
    let mut sets = UnionFind::<u32>::new(n);
    for &(a, b) in edges.iter() {
        sets.union(a as u32, b as u32);
    }
    let mut part_of = vec![usize::MAX; n];
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for node in 0..n {
        let root = sets.find_mut(node as u32) as usize;
        if part_of[root] == usize::MAX {
            part_of[root] = parts.len();
            parts.push(Vec::new());
        }
        parts[part_of[root]].push(node);
    }
    let mut parts = parts.into_iter();
    let mut main = parts.next().unwrap_or_default();
    for part in parts {
        let (a, b) = if points.is_empty() {
            let mut pick = |list: &[usize]| list[stream.between(0, list.len() as u64 - 1) as usize];
            (pick(&main), pick(&part))
        } else {
            nearest(&main, &part, points)
        };
        edges.push((a.min(b), a.max(b)));
        main.extend(part);
    }
}

fn nearest(main: &[usize], part: &[usize], points: &[[f64; 2]]) -> (usize, usize) {
    let all = main.iter().flat_map(|&a| part.iter().map(move |&b| (a, b)));
    let length = |&(a, b): &(usize, usize)| distance(points[a], points[b]);
    all.min_by(|x, y| length(x).total_cmp(&length(y))).expect("both parts have nodes")
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    let (x, y) = (a[0] - b[0], a[1] - b[1]);
    (x * x + y * y).sqrt()
}
