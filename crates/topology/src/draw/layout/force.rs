//! Distances in the drawing like those in the network.

use super::{Part, Point, distance, fan_radius, polar};
use std::f64::consts::PI;
use tidewire_units::{Purpose, Stream, Streams};

/// Rounds of the descent.
const ROUNDS: u32 = 40;
/// Beyond so many nodes every node looks at a sample of the others.
const ALL_PAIRS: usize = 1200;

struct Pair {
    a: usize,
    b: usize,
    ideal: f64,
}

/// Positions of the core by stress minimisation (Zheng, Pawar, Goodman, "Graph drawing by stochastic gradient descent", 2018):
/// pair after pair is moved towards its ideal distance, less and less.
pub(super) fn arrange(part: &Part) -> Vec<Point> {
    let mut stream = Streams::new(1).stream(Purpose::Topology, "layout");
    let n = part.core.len();
    let mut at = vec![[0.0; 2]; n];
    let spread = 60.0 * (n as f64).sqrt();
    for (i, point) in at.iter_mut().enumerate() {
        // A circle with a little noise: two nodes at one place could not be told apart.
        let radius = spread * (1.0 + 0.1 * stream.unit());
        *point = polar([0.0; 2], radius, 2.0 * PI * i as f64 / n as f64);
    }
    let mut pairs = pairs(part, &mut stream);
    let shortest = pairs.iter().map(|p| p.ideal).fold(f64::MAX, f64::min);
    let longest = pairs.iter().map(|p| p.ideal).fold(0.0, f64::max);
    let (first, last) = (longest * longest, 0.05 * shortest * shortest);
    let decay = libm::log(first / last) / f64::from(ROUNDS - 1);
    for round in 0..ROUNDS {
        let step = first * libm::exp(-decay * f64::from(round));
        for i in (1..pairs.len()).rev() {
            pairs.swap(i, stream.between(0, i as u64) as usize);
        }
        for Pair { a, b, ideal } in &pairs {
            let strength = (step / (ideal * ideal)).min(1.0);
            let now = distance(at[*a], at[*b]).max(1e-6);
            let shift = strength * (now - ideal) / 2.0 / now;
            let [x, y] = [at[*a][0] - at[*b][0], at[*a][1] - at[*b][1]].map(|d| d * shift);
            at[*a] = [at[*a][0] - x, at[*a][1] - y];
            at[*b] = [at[*b][0] + x, at[*b][1] + y];
        }
    }
    let at = lie_flat(at);
    let mut points = vec![[0.0; 2]; part.scene.vertices.len()];
    part.core.iter().zip(at).for_each(|(&v, p)| points[v] = p);
    points
}

/// Ideal distances by searches through the core; a link is long enough for the leaves at its ends.
fn pairs(part: &Part, stream: &mut Stream) -> Vec<Pair> {
    let n = part.core.len();
    let mut index = vec![usize::MAX; part.scene.vertices.len()];
    part.core.iter().enumerate().for_each(|(i, &v)| index[v] = i);
    let around: Vec<Vec<usize>> =
        part.core.iter().map(|&v| part.core_neighbors(v).into_iter().map(|o| index[o]).collect()).collect();
    let room: Vec<f64> = part.core.iter().map(|&v| 0.3 * fan_radius(part.leaves(v).len())).collect();
    // Dense drawings need more room between neighbours.
    let unit = 95.0 * part.scene.scale * (1.0 + n as f64 / 60.0).sqrt().sqrt();
    let mut pairs = Vec::new();
    for a in 0..n {
        let mut ideal = vec![f64::MAX; n];
        let mut order = vec![a];
        ideal[a] = 0.0;
        let mut next = 0;
        while let Some(&v) = order.get(next) {
            next += 1;
            for &o in &around[v] {
                if ideal[o] == f64::MAX {
                    let label = part.scene.link_width(part.core[v], part.core[o]) + 50.0;
                    ideal[o] = ideal[v] + f64::max(unit, label) + room[v] + room[o];
                    order.push(o);
                }
            }
        }
        let keep = |b: usize, stream: &mut Stream| {
            n <= ALL_PAIRS || around[a].contains(&b) || stream.between(0, n as u64) < ALL_PAIRS as u64 / 2
        };
        for (b, &ideal) in ideal.iter().enumerate().skip(a + 1) {
            if ideal < f64::MAX && keep(b, stream) {
                pairs.push(Pair { a, b, ideal });
            }
        }
    }
    pairs
}

/// Turns the drawing so that its longest axis is horizontal.
fn lie_flat(at: Vec<Point>) -> Vec<Point> {
    let n = at.len().max(1) as f64;
    let mean = [0, 1].map(|i| at.iter().map(|p| p[i]).sum::<f64>() / n);
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for p in &at {
        let (x, y) = (p[0] - mean[0], p[1] - mean[1]);
        (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
    }
    let angle = 0.5 * libm::atan2(2.0 * xy, xx - yy);
    let (sin, cos) = (libm::sin(angle), libm::cos(angle));
    let turn = |p: Point| {
        let (x, y) = (p[0] - mean[0], p[1] - mean[1]);
        [x * cos + y * sin, y * cos - x * sin]
    };
    at.into_iter().map(turn).collect()
}

/// Makes the drawing larger until symbols with their labels cover no more than a fifth of it.
pub(super) fn make_room(part: &Part, points: &mut [Point]) {
    let covered: f64 = part.core.iter().map(|&v| 4.0 * half_size(part, v).iter().product::<f64>()).sum();
    let (low, high) = super::bounds(part.core.iter().map(|&v| points[v]));
    let area = (high[0] - low[0]) * (high[1] - low[1]);
    // Vertices stand closer in the middle of a drawing.
    let factor = (covered / (0.2 * area.max(1.0))).sqrt();
    if factor > 1.0 && factor < 20.0 {
        part.core.iter().for_each(|&v| points[v] = points[v].map(|x| x * factor));
    }
}

/// Half the size of a symbol with its label.
fn half_size(part: &Part, v: usize) -> Point {
    let ([w, h], text) = (part.scene.vertices[v].symbol, part.scene.label_size(v));
    [w.max(text[0]) / 2.0 + 5.0, (h + text[1]) / 2.0 + 4.0]
}

/// Moves vertices apart until no two symbols with their labels overlap, as far as that goes in some rounds.
pub(super) fn push_apart(part: &Part, points: &mut [Point]) {
    let half: Vec<Point> = (0..part.scene.vertices.len()).map(|v| half_size(part, v)).collect();
    let mut order = part.vertices.clone();
    for _ in 0..60 {
        let mut moved = false;
        order.sort_by(|&a, &b| points[a][0].total_cmp(&points[b][0]).then(a.cmp(&b)));
        for i in 0..order.len() {
            for j in i + 1..order.len() {
                let (a, b) = (order[i], order[j]);
                if points[b][0] - points[a][0] > 260.0 {
                    break;
                }
                let x = half[a][0] + half[b][0] - (points[a][0] - points[b][0]).abs();
                let y = half[a][1] + half[b][1] - (points[a][1] - points[b][1]).abs();
                if x <= 0.0 || y <= 0.0 {
                    continue;
                }
                moved = true;
                let axis = usize::from(y < x);
                let by = if axis == 0 { x } else { y } / 2.0 + 0.5;
                let sign = if points[a][axis] <= points[b][axis] { -1.0 } else { 1.0 };
                points[a][axis] += sign * by;
                points[b][axis] -= sign * by;
            }
        }
        if !moved {
            break;
        }
    }
}
