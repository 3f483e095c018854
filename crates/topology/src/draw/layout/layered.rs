//! Levels of switches above the hosts: fat trees, leaf and spine.

use super::{Part, Point};
use std::collections::VecDeque;

/// The least height between levels.
const LEVEL: f64 = 125.0;

/// The vertices of each level, the hosts' first, if every link joins a level with the next; there must be three at least.
pub(super) fn levels(part: &Part) -> Option<Vec<Vec<usize>>> {
    let n = part.scene.vertices.len();
    let mut level = vec![usize::MAX; n];
    let mut queue: VecDeque<usize> = part.vertices.iter().copied().filter(|&v| !part.is_core[v]).collect();
    queue.iter().for_each(|&v| level[v] = 0);
    while let Some(v) = queue.pop_front() {
        for other in part.scene.neighbors(v) {
            if level[other] == usize::MAX {
                level[other] = level[v] + 1;
                queue.push_back(other);
            }
        }
    }
    let joins = |v: usize| part.scene.neighbors(v).iter().all(|&o| level[o].abs_diff(level[v]) == 1);
    let top = part.vertices.iter().map(|&v| level[v]).max()?;
    if top == usize::MAX || top < 2 || !part.vertices.iter().all(|&v| joins(v)) {
        return None;
    }
    let mut levels = vec![Vec::new(); top + 1];
    part.vertices.iter().for_each(|&v| levels[level[v]].push(v));
    // Between two levels of switches there is a mesh; otherwise another layout shows more.
    let mesh = levels[1..].windows(2).all(|pair| pair[0].len() >= 2 || pair[1].len() >= 2);
    mesh.then_some(levels)
}

/// Positions by vertex.
pub(super) fn arrange(part: &Part) -> Vec<Point> {
    let mut levels = levels(part).expect("only chosen with levels");
    order(part, &mut levels);
    let mut points = vec![[0.0; 2]; part.scene.vertices.len()];
    let top = levels.len() - 1;
    let hosts = &levels[0];
    let spacing = f64::max(56.0, part.scene.widest(hosts) + 8.0);
    let mut x = 0.0;
    let mut before = None;
    for &host in hosts {
        let parent = part.scene.neighbors(host)[0];
        if before.is_some_and(|b| b != parent) {
            x += 26.0;
        }
        before = Some(parent);
        points[host] = [x, 0.0];
        x += spacing;
    }
    let gap = |level: &[usize]| 46.0 + part.scene.widest(level);
    let width = levels.iter().skip(1).map(|l| (l.len() as f64 - 1.0) * gap(l)).fold(x - spacing, f64::max);
    let mut y = 0.0;
    for height in 1..=top {
        let level = &levels[height];
        let wanted: Vec<f64> =
            level.iter().map(|&v| mean_below(part, v, &levels[height - 1], &points)).collect();
        let xs = if height == top { spread(level.len(), width) } else { separate(&wanted, gap(level)) };
        for (&v, x) in level.iter().zip(xs) {
            points[v][0] = x;
        }
        y -= rise(part, level, &levels[height - 1], &points);
        level.iter().for_each(|&v| points[v][1] = y);
    }
    points
}

/// The height between two levels: more where links run far to the side.
fn rise(part: &Part, level: &[usize], below: &[usize], points: &[Point]) -> f64 {
    let is_below = ranks(part, below);
    let sideways: Vec<f64> = level
        .iter()
        .flat_map(|&v| part.scene.neighbors(v).into_iter().map(move |o| (v, o)))
        .filter(|(_, o)| is_below[*o] != usize::MAX)
        .map(|(v, o)| (points[v][0] - points[o][0]).abs())
        .collect();
    let mean = sideways.iter().sum::<f64>() / sideways.len().max(1) as f64;
    (mean * 0.3).clamp(LEVEL, 420.0)
}

/// The order of declaration is mostly the best; others, by the mean of the neighbours, are kept only if fewer links cross.
fn order(part: &Part, levels: &mut Vec<Vec<usize>>) {
    let group = |levels: &mut Vec<Vec<usize>>| {
        let rank = ranks(part, &levels[1]);
        levels[0].sort_by_key(|&host| rank[part.scene.neighbors(host)[0]]);
    };
    group(levels);
    let mut best = crossings(part, levels);
    let mut trial = levels.clone();
    for round in 0..8 {
        if best == 0 || part.vertices.len() > 2000 {
            return;
        }
        let heights: Vec<usize> =
            if round % 2 == 0 { (2..trial.len()).collect() } else { (1..trial.len() - 1).rev().collect() };
        for height in heights {
            let fixed = if round % 2 == 0 { height - 1 } else { height + 1 };
            let rank = ranks(part, &trial[fixed]);
            let mean = |v: usize| {
                let around: Vec<f64> = part
                    .scene
                    .neighbors(v)
                    .iter()
                    .filter(|&&o| rank[o] != usize::MAX)
                    .map(|&o| rank[o] as f64)
                    .collect();
                around.iter().sum::<f64>() / around.len().max(1) as f64
            };
            trial[height].sort_by(|&a, &b| mean(a).total_cmp(&mean(b)).then(a.cmp(&b)));
        }
        group(&mut trial);
        let now = crossings(part, &trial);
        if now < best {
            best = now;
            levels.clone_from(&trial);
        }
    }
}

/// The position of each vertex in a level; `usize::MAX` outside.
fn ranks(part: &Part, level: &[usize]) -> Vec<usize> {
    let mut rank = vec![usize::MAX; part.scene.vertices.len()];
    level.iter().enumerate().for_each(|(i, &v)| rank[v] = i);
    rank
}

/// How many pairs of links cross: inversions between the ends, counted with a tree of sums.
fn crossings(part: &Part, levels: &[Vec<usize>]) -> u64 {
    let mut total = 0;
    for pair in levels.windows(2) {
        let rank = ranks(part, &pair[0]);
        let mut sums = vec![0u64; pair[0].len() + 1];
        let mut placed = 0;
        for &upper in &pair[1] {
            let ends: Vec<usize> =
                part.scene.neighbors(upper).iter().map(|&o| rank[o]).filter(|r| *r != usize::MAX).collect();
            for &end in &ends {
                let (mut at, mut before) = (end + 1, 0);
                while at > 0 {
                    before += sums[at];
                    at &= at - 1;
                }
                total += placed - before;
            }
            for end in ends {
                placed += 1;
                let mut at = end + 1;
                while at < sums.len() {
                    sums[at] += 1;
                    at += at & at.wrapping_neg();
                }
            }
        }
    }
    total
}

fn mean_below(part: &Part, v: usize, below: &[usize], points: &[Point]) -> f64 {
    let own: Vec<f64> =
        part.scene.neighbors(v).iter().filter(|o| below.contains(o)).map(|&o| points[o][0]).collect();
    own.iter().sum::<f64>() / own.len().max(1) as f64
}

/// `n` places over a width, with half a place free at either end.
fn spread(n: usize, width: f64) -> Vec<f64> {
    (0..n).map(|i| width * (i as f64 + 0.5) / n as f64).collect()
}

/// Places near the wanted ones, in the same order and at least `gap` apart; runs that are too tight are centred on their mean.
fn separate(wanted: &[f64], gap: f64) -> Vec<f64> {
    // Blocks of places that touch: how many, and the sum of where each wants the block's first place to be.
    let mut blocks: Vec<(usize, f64)> = Vec::new();
    let start = |(n, sum): (usize, f64)| sum / n as f64;
    for &want in wanted {
        let mut block = (1, want);
        while let Some(&last) =
            blocks.last().filter(|last| start(**last) + last.0 as f64 * gap > start(block))
        {
            blocks.pop();
            block = (last.0 + block.0, last.1 + block.1 - block.0 as f64 * last.0 as f64 * gap);
        }
        blocks.push(block);
    }
    blocks.iter().flat_map(|&block| (0..block.0).map(move |i| start(block) + i as f64 * gap)).collect()
}
