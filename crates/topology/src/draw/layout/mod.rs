//! Where everything goes. The shape of the network chooses the layout; each is deterministic.

mod force;
mod layered;
mod line;
mod tree;

use super::scene::Scene;
use crate::Plan;
use std::f64::consts::PI;

/// A point of the drawing, in pixels; y grows downwards.
pub(super) type Point = [f64; 2];

/// Which way a drawing is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Routers and switches in a row, hosts at the ends and below.
    Line,
    /// Levels from the centre downwards, or rings around it.
    Tree,
    /// Levels above the hosts, each linked to the next only.
    Layered,
    /// The routers on a circle.
    Ring,
    /// Where the plan says that the nodes stand.
    Placed,
    /// Distances in the drawing like those in the network.
    Force,
}

/// One connected part of a scene.
pub(super) struct Part<'a> {
    pub scene: &'a Scene,
    /// Its vertices, ascending.
    pub vertices: Vec<usize>,
    /// Those that are not leaves: with more than one neighbour, or one of a lone pair.
    pub core: Vec<usize>,
    pub is_core: Vec<bool>,
}

/// Positions of all vertices, part beside part.
pub(super) fn arrange(plan: &Plan, scene: &Scene) -> (Vec<Point>, Layout) {
    let mut points = vec![[0.0; 2]; scene.vertices.len()];
    let mut first = None;
    let mut shelf = Shelf::default();
    for part in parts(scene) {
        let (layout, placed) = arrange_part(plan, &part);
        first.get_or_insert(layout);
        for &v in &part.vertices {
            points[v] = placed[v];
        }
        shelf.put(&part.vertices, &mut points);
    }
    (points, first.unwrap_or(Layout::Force))
}

fn arrange_part(plan: &Plan, part: &Part) -> (Layout, Vec<Point>) {
    let layout = choose(plan, part);
    let mut points = match layout {
        Layout::Line => line::arrange(part),
        Layout::Tree => tree::arrange(part),
        Layout::Layered => layered::arrange(part),
        Layout::Ring => ring(part),
        Layout::Placed => placed(plan, part),
        Layout::Force => force::arrange(part),
    };
    if layout == Layout::Force {
        force::make_room(part, &mut points);
    }
    if matches!(layout, Layout::Placed | Layout::Layered) {
        stretch(part, &mut points);
    }
    if matches!(layout, Layout::Ring | Layout::Placed | Layout::Force) {
        fan_leaves(part, &mut points);
        force::push_apart(part, &mut points);
    }
    (layout, points)
}

fn choose(plan: &Plan, part: &Part) -> Layout {
    let edges: usize = part.vertices.iter().map(|&v| part.scene.neighbors(v).len()).sum::<usize>() / 2;
    let degree = |v: usize| part.core_neighbors(v).len();
    let is_tree = edges + 1 == part.vertices.len();
    if is_tree && part.core.iter().all(|&v| degree(v) <= 2) {
        return Layout::Line;
    }
    if part.core.iter().all(|&v| plan.node(part.scene.vertices[v].node).position.is_some()) {
        return Layout::Placed;
    }
    if is_tree {
        return Layout::Tree;
    }
    if part.core.len() >= 3 && part.core.iter().all(|&v| degree(v) == 2) {
        return Layout::Ring;
    }
    if layered::levels(part).is_some() {
        return Layout::Layered;
    }
    Layout::Force
}

impl Part<'_> {
    /// The neighbours of a vertex that are no leaves.
    pub fn core_neighbors(&self, v: usize) -> Vec<usize> {
        let mut list = self.scene.neighbors(v);
        list.retain(|&other| self.is_core[other]);
        list
    }

    /// The leaves at a core vertex.
    pub fn leaves(&self, v: usize) -> Vec<usize> {
        let mut list = self.scene.neighbors(v);
        list.retain(|&other| !self.is_core[other]);
        list
    }
}

fn parts(scene: &Scene) -> Vec<Part<'_>> {
    let n = scene.vertices.len();
    let mut seen = vec![false; n];
    let mut parts = Vec::new();
    for start in 0..n {
        if seen[start] {
            continue;
        }
        seen[start] = true;
        let mut vertices = vec![start];
        let mut next = 0;
        while let Some(&v) = vertices.get(next) {
            next += 1;
            for other in scene.neighbors(v) {
                if !std::mem::replace(&mut seen[other], true) {
                    vertices.push(other);
                }
            }
        }
        vertices.sort_unstable();
        let mut core: Vec<usize> =
            vertices.iter().copied().filter(|&v| scene.neighbors(v).len() > 1).collect();
        if core.is_empty() {
            core = vertices.clone();
        }
        let mut is_core = vec![false; n];
        core.iter().for_each(|&v| is_core[v] = true);
        parts.push(Part { scene, vertices, core, is_core });
    }
    parts
}

/// Core vertices on a circle, in the order of a walk around.
fn ring(part: &Part) -> Vec<Point> {
    let mut walk = vec![part.core[0]];
    let mut before = None;
    while let Some(&at) = walk.last() {
        let next = part.core_neighbors(at).into_iter().find(|&v| Some(v) != before && v != walk[0]);
        before = Some(at);
        match next {
            Some(v) if walk.len() < part.core.len() => walk.push(v),
            _ => break,
        }
    }
    let mut points = vec![[0.0; 2]; part.scene.vertices.len()];
    let step = 2.0 * PI / walk.len() as f64;
    let labels = part.scene.edges.iter().map(|edge| edge.width + 50.0).fold(150.0, f64::max);
    let radius = (labels / step).max(120.0);
    // With hosts at few nodes the ring is crossed from left to right, else it starts at the top.
    let hosting = |v: &usize| !part.leaves(*v).is_empty();
    let (first, angle) = match walk.iter().filter(|v| hosting(v)).count() {
        1 | 2 => (walk.iter().position(hosting).unwrap_or(0), PI),
        _ => (0, -PI / 2.0),
    };
    for (i, &v) in walk.iter().enumerate() {
        points[v] = polar([0.0; 2], radius, angle + step * (i as f64 - first as f64));
    }
    points
}

/// Makes the drawing larger until three quarters of the labels of links fit beside them, or all if there are few.
fn stretch(part: &Part, points: &mut [Point]) {
    let mut short: Vec<f64> = (part.core.iter())
        .flat_map(|&v| part.scene.vertices[v].edges.iter().map(|&e| &part.scene.edges[e]))
        .filter(|edge| edge.width > 0.0 && edge.ends.iter().all(|&v| part.is_core[v]))
        .map(|edge| (edge.width * 0.8 + 50.0) / distance(points[edge.ends[0]], points[edge.ends[1]]).max(1.0))
        .collect();
    short.sort_by(f64::total_cmp);
    let most = if short.len() <= 12 { short.len().saturating_sub(1) } else { short.len() * 3 / 4 };
    let factor = short.get(most).copied().unwrap_or(1.0).clamp(1.0, 2.5);
    part.vertices.iter().for_each(|&v| points[v] = points[v].map(|x| x * factor));
}

/// The plan's own positions, scaled so that most neighbours stand apart.
fn placed(plan: &Plan, part: &Part) -> Vec<Point> {
    let at = |v: usize| plan.node(part.scene.vertices[v].node).position.unwrap_or([0.0; 2]);
    let mut points = vec![[0.0; 2]; part.scene.vertices.len()];
    part.core.iter().for_each(|&v| points[v] = [at(v)[0], -at(v)[1]]);
    let mut nearest: Vec<f64> = part
        .core
        .iter()
        .filter_map(|&v| {
            let others = part.core.iter().filter(|&&o| o != v).map(|&o| distance(points[v], points[o]));
            others.min_by(f64::total_cmp)
        })
        .collect();
    nearest.sort_by(f64::total_cmp);
    // A third of the nodes may have a closer neighbour; they are pushed apart later.
    let typical = nearest.get(nearest.len() / 3).copied().unwrap_or(1.0);
    let room = part.core.iter().map(|&v| fan_radius(part.leaves(v).len())).fold(0.0, f64::max);
    let (low, high) = bounds(part.core.iter().map(|&v| points[v]));
    let extent = (high[0] - low[0]).max(high[1] - low[1]).max(1e-9);
    let most = 150.0 * (part.core.len() as f64).sqrt() + 350.0;
    let scale = ((90.0 + room) / typical.max(1e-9)).min(most / extent);
    part.core.iter().for_each(|&v| points[v] = points[v].map(|x| x * scale));
    points
}

/// How far leaves stand from their node.
pub(super) fn fan_radius(leaves: usize) -> f64 {
    if leaves == 0 { 0.0 } else { (leaves as f64 * 62.0 / (1.2 * PI)).max(84.0) }
}

/// Puts leaves around their node, into the widest gap between its links.
fn fan_leaves(part: &Part, points: &mut [Point]) {
    let centre = mean(part.core.iter().map(|&v| points[v]));
    for &v in &part.core {
        let leaves = part.leaves(v);
        if leaves.is_empty() {
            continue;
        }
        let at = points[v];
        let angle_to = |p: Point| libm::atan2(p[1] - at[1], p[0] - at[0]);
        let mut angles: Vec<f64> = part.core_neighbors(v).iter().map(|&o| angle_to(points[o])).collect();
        angles.sort_by(f64::total_cmp);
        let (start, gap) = widest_gap(&angles, angle_to(centre) + PI);
        let n = leaves.len() as f64;
        let used = (gap * 0.8).min(n * 0.75).min(2.0 * PI * (n - 1.0) / n);
        let radius = fan_radius(leaves.len()).max(62.0 * (n - 1.0) / used.max(0.1)).min(62.0 * n + 90.0);
        let step = if n > 1.0 { used / (n - 1.0) } else { 0.0 };
        let first = start + gap / 2.0 - step * (n - 1.0) / 2.0;
        for (i, leaf) in leaves.into_iter().enumerate() {
            points[leaf] = polar(at, radius, first + step * i as f64);
        }
    }
}

/// The start and width of the widest gap between sorted angles; without any, a full turn centred on `preferred`.
fn widest_gap(angles: &[f64], preferred: f64) -> (f64, f64) {
    let Some((&first, &last)) = angles.first().zip(angles.last()) else { return (preferred - PI, 2.0 * PI) };
    let mut best = (last, first + 2.0 * PI - last);
    for pair in angles.windows(2) {
        if pair[1] - pair[0] > best.1 + 1e-9 {
            best = (pair[0], pair[1] - pair[0]);
        }
    }
    best
}

/// Places parts in rows, like books on shelves.
#[derive(Default)]
struct Shelf {
    x: f64,
    y: f64,
    height: f64,
}

impl Shelf {
    fn put(&mut self, vertices: &[usize], points: &mut [Point]) {
        const GAP: f64 = 110.0;
        let (low, high) = bounds(vertices.iter().map(|&v| points[v]));
        let (width, height) = (high[0] - low[0], high[1] - low[1]);
        if self.x > 0.0 && self.x + width > 1200.0 {
            *self = Shelf { x: 0.0, y: self.y + self.height + GAP, height: 0.0 };
        }
        for &v in vertices {
            points[v] = [points[v][0] - low[0] + self.x, points[v][1] - low[1] + self.y];
        }
        self.x += width + GAP;
        self.height = self.height.max(height);
    }
}

pub(super) fn polar(centre: Point, radius: f64, angle: f64) -> Point {
    [centre[0] + radius * libm::cos(angle), centre[1] + radius * libm::sin(angle)]
}

pub(super) fn distance(a: Point, b: Point) -> f64 {
    let (x, y) = (a[0] - b[0], a[1] - b[1]);
    (x * x + y * y).sqrt()
}

fn mean(points: impl Iterator<Item = Point>) -> Point {
    let (sum, n) = points.fold(([0.0; 2], 0.0), |(s, n), p| ([s[0] + p[0], s[1] + p[1]], n + 1.0));
    sum.map(|x| x / f64::max(n, 1.0))
}

/// The corners of the smallest box around some points; two zeros for none.
pub(super) fn bounds(points: impl Iterator<Item = Point>) -> (Point, Point) {
    points
        .fold(None, |found: Option<(Point, Point)>, p| {
            let (low, high) = found.unwrap_or((p, p));
            Some(([low[0].min(p[0]), low[1].min(p[1])], [high[0].max(p[0]), high[1].max(p[1])]))
        })
        .unwrap_or_default()
}
