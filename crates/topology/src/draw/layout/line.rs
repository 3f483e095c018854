//! A row of nodes with their hosts: pairs, stars, dumbbells, chains, parking lots.

use super::{Part, Point, fan_radius, polar};
use std::f64::consts::PI;

/// The least distance between nodes of the row.
const STEP: f64 = 150.0;
/// The height that a host in a column takes.
const LEAF: f64 = 66.0;
/// From here on, rows are folded.
const FOLD: usize = 12;

/// Positions by vertex; the core of the part is a path.
pub(super) fn arrange(part: &Part) -> Vec<Point> {
    let mut points = vec![[0.0; 2]; part.scene.vertices.len()];
    let row = walk(part);
    match row.as_slice() {
        [hub] => star(part, *hub, &mut points),
        _ if row.len() > FOLD => folded(part, &row, &mut points),
        _ => straight(part, &row, &mut points),
    }
    points
}

/// The core from one end to the other; the end that was declared first comes first.
fn walk(part: &Part) -> Vec<usize> {
    let end = part.core.iter().copied().find(|&v| part.core_neighbors(v).len() < 2).unwrap_or(part.core[0]);
    let mut row = vec![end];
    while let Some(&last) = row.last() {
        let next = part.core_neighbors(last).into_iter().find(|&v| row.len() < 2 || row[row.len() - 2] != v);
        match next {
            Some(v) => row.push(v),
            None => break,
        }
    }
    row
}

/// The distance between two linked nodes of the row: with room for what is written at the link.
fn step(part: &Part, a: usize, b: usize) -> f64 {
    f64::max(STEP, part.scene.link_width(a, b) + 64.0)
}

/// The width that a host in a row takes.
fn width(part: &Part, leaves: &[usize]) -> f64 {
    f64::max(66.0, part.scene.widest(leaves) + 10.0)
}

fn star(part: &Part, hub: usize, points: &mut [Point]) {
    let leaves = part.leaves(hub);
    let n = leaves.len() as f64;
    if leaves.len() <= 2 {
        for (leaf, side) in leaves.into_iter().zip([1.0, -1.0]) {
            points[leaf] = [side * step(part, hub, leaf), 0.0];
        }
        return;
    }
    let label = leaves.iter().map(|&leaf| part.scene.link_width(hub, leaf)).fold(0.0, f64::max);
    let radius = fan_radius(leaves.len()).max(125.0).max(label + 60.0);
    for (i, leaf) in leaves.into_iter().enumerate() {
        points[leaf] = polar([0.0; 2], radius, 2.0 * PI * i as f64 / n - PI / 2.0);
    }
}

/// Hosts of the ends stand in columns outside, those of the others below.
fn straight(part: &Part, row: &[usize], points: &mut [Point]) {
    let is_end = |i: usize| i == 0 || i + 1 == row.len();
    let half = |i: usize| {
        let leaves = part.leaves(row[i]);
        if is_end(i) { 0.0 } else { leaves.len() as f64 * width(part, &leaves) / 2.0 }
    };
    let mut x = 0.0;
    for (i, &v) in row.iter().enumerate() {
        if i > 0 {
            x += f64::max(step(part, row[i - 1], v), half(i - 1) + half(i) + 24.0);
        }
        points[v] = [x, 0.0];
        let leaves = part.leaves(v);
        let (middle, width) = ((leaves.len() as f64 - 1.0) / 2.0, width(part, &leaves));
        let side = if i == 0 { -1.0 } else { 1.0 };
        for (k, leaf) in leaves.into_iter().enumerate() {
            let offset = k as f64 - middle;
            points[leaf] = match is_end(i) {
                true => [x + side * step(part, v, leaf), offset * LEAF],
                false => [x + offset * width, 110.0],
            };
        }
    }
}

/// Rows one below the other, every second from right to left; hosts below their node, or outside where a row turns.
fn folded(part: &Part, row: &[usize], points: &mut [Point]) {
    let widest = |v: &usize| part.leaves(*v).len() as f64 * width(part, &part.leaves(*v));
    let across = row.iter().map(widest).fold(110.0, f64::max);
    let height = if row.iter().any(|&v| !part.leaves(v).is_empty()) { 190.0 } else { 110.0 };
    let columns = (libm::ceil((row.len() as f64 * height * 1.8 / across).sqrt()) as usize).max(4);
    for (i, &v) in row.iter().enumerate() {
        let (line, at) = (i / columns, i % columns);
        let forth = line % 2 == 0;
        let column = if forth { at } else { columns - 1 - at };
        points[v] = [column as f64 * across, line as f64 * height];
        let leaves = part.leaves(v);
        let turns = at + 1 == columns && i + 1 < row.len();
        let (middle, width) = ((leaves.len() as f64 - 1.0) / 2.0, width(part, &leaves));
        for (k, leaf) in leaves.into_iter().enumerate() {
            let offset = k as f64 - middle;
            let outside = if forth { 92.0 } else { -92.0 };
            let shift = if turns { [outside, offset * LEAF] } else { [offset * width, 88.0] };
            points[leaf] = [points[v][0] + shift[0], points[v][1] + shift[1]];
        }
    }
}
