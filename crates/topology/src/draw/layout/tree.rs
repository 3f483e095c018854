//! Trees: from the centre downwards, or around it when they are wide.

use super::{Part, Point, polar};
use std::f64::consts::PI;

/// From so many leaves on, a tree is drawn around its centre.
const WIDE: usize = 28;
const LEVEL: f64 = 125.0;

struct Tree {
    children: Vec<Vec<usize>>,
    /// Vertices, parents before children.
    order: Vec<usize>,
    depth: Vec<usize>,
    /// Leaves below each vertex, itself if it is one.
    leaves: Vec<usize>,
}

/// Positions by vertex; the part is a tree.
pub(super) fn arrange(part: &Part) -> Vec<Point> {
    let tree = rooted(part, centre(part));
    let mut points = vec![[0.0; 2]; part.scene.vertices.len()];
    if tree.leaves[tree.order[0]] > WIDE {
        around(&tree, &mut points)
    } else {
        downwards(part, &tree, &mut points)
    }
    points
}

/// The vertex left over when leaves are taken off again and again; of two the one declared first.
fn centre(part: &Part) -> usize {
    let n = part.scene.vertices.len();
    let mut left: Vec<usize> = vec![0; n];
    part.vertices.iter().for_each(|&v| left[v] = part.scene.neighbors(v).len());
    let mut remaining = part.vertices.len();
    let mut outer: Vec<usize> = part.vertices.iter().copied().filter(|&v| left[v] <= 1).collect();
    while remaining > 2 {
        remaining -= outer.len();
        let mut next = Vec::new();
        for v in std::mem::take(&mut outer) {
            left[v] = 0;
            for other in part.scene.neighbors(v) {
                if left[other] > 0 {
                    left[other] -= 1;
                    if left[other] == 1 {
                        next.push(other);
                    }
                }
            }
        }
        outer = next;
    }
    outer.into_iter().min().unwrap_or(part.vertices[0])
}

fn rooted(part: &Part, root: usize) -> Tree {
    let n = part.scene.vertices.len();
    let (mut children, mut depth, mut leaves) = (vec![Vec::new(); n], vec![0; n], vec![0; n]);
    let mut order = vec![root];
    let mut parent = vec![usize::MAX; n];
    let mut next = 0;
    while let Some(&v) = order.get(next) {
        next += 1;
        for other in part.scene.neighbors(v) {
            if other != parent[v] {
                parent[other] = v;
                depth[other] = depth[v] + 1;
                children[v].push(other);
                order.push(other);
            }
        }
    }
    for &v in order.iter().rev() {
        leaves[v] = children[v].iter().map(|&c| leaves[c]).sum::<usize>().max(1);
    }
    Tree { children, order, depth, leaves }
}

/// Leaves side by side, every parent above the middle of its children.
fn downwards(part: &Part, tree: &Tree, points: &mut [Point]) {
    let labels = part.scene.edges.iter().map(|edge| edge.width * 0.9).fold(0.0, f64::max);
    let across = (part.scene.widest(&part.vertices) + 10.0).max(66.0).max(labels);
    let mut left = vec![0.0; points.len()];
    for &v in &tree.order {
        let mut x = left[v];
        for &child in &tree.children[v] {
            left[child] = x;
            x += tree.leaves[child] as f64 * across;
        }
        points[v] = [left[v] + tree.leaves[v] as f64 * across / 2.0, tree.depth[v] as f64 * LEVEL];
    }
    for &v in tree.order.iter().rev() {
        if let Some((first, last)) = tree.children[v].first().zip(tree.children[v].last()) {
            points[v][0] = (points[*first][0] + points[*last][0]) / 2.0;
        }
    }
}

/// Every vertex in the middle of a sector as wide as its share of the leaves, every depth on a circle.
fn around(tree: &Tree, points: &mut [Point]) {
    let total = tree.leaves[tree.order[0]] as f64;
    let deepest = tree.order.iter().map(|&v| tree.depth[v]).max().unwrap_or(1) as f64;
    // The widest circle has room for its vertices, and so have those inside.
    let mut counts = vec![0usize; deepest as usize + 1];
    tree.order.iter().for_each(|&v| counts[tree.depth[v]] += 1);
    let needed = |(depth, n): (usize, &usize)| *n as f64 * 66.0 / (2.0 * PI * depth as f64);
    let level = counts.iter().enumerate().skip(1).map(needed).fold(110.0, f64::max);
    let mut start = vec![0.0; points.len()];
    for &v in &tree.order {
        let mut angle = start[v];
        for &child in &tree.children[v] {
            start[child] = angle;
            angle += 2.0 * PI * tree.leaves[child] as f64 / total;
        }
        if tree.depth[v] > 0 {
            let middle = start[v] + PI * tree.leaves[v] as f64 / total;
            points[v] = polar([0.0; 2], level * tree.depth[v] as f64, middle - PI / 2.0);
        }
    }
}
