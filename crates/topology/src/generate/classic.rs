//! Line, ring, star, tree and grid.

use super::{Built, Maker, Style, check_size, letter};
use crate::{Plan, PlanError};
use tidewire_units::NodeId;

/// ```text
///   h1   h2   h3
///   |    |    |
///   r1---r2---r3
/// ```
/// `n` nodes `r1`..`rn` (`s1`.. for switches) in a line: `n` - 1 links, and the style's hosts on each node.
///
/// # Errors
/// `n` = 0, more than a million nodes, a name that is taken.
pub fn line(plan: &mut Plan, n: u32, style: &Style) -> Result<Built, PlanError> {
    check_size("the length of a line", n.into(), 1, with_hosts(n, n, style))?;
    let mut maker = Maker { plan, style };
    let mut built = numbered(&mut maker, n)?;
    for pair in built.nodes.windows(2) {
        built.links.push(maker.link(pair[0], pair[1])?);
    }
    maker.hosts(&built.nodes.clone(), &mut built)?;
    Ok(built)
}

/// ```text
///   r1---r2
///   |    |
///   r4---r3
/// ```
/// `n` nodes `r1`..`rn` in a ring: `n` links, and the style's hosts on each node.
///
/// # Errors
/// `n` < 3, more than a million nodes, a name that is taken.
pub fn ring(plan: &mut Plan, n: u32, style: &Style) -> Result<Built, PlanError> {
    check_size("the length of a ring", n.into(), 3, with_hosts(n, n, style))?;
    let mut maker = Maker { plan, style };
    let mut built = numbered(&mut maker, n)?;
    for i in 0..built.nodes.len() {
        let next = built.nodes[(i + 1) % built.nodes.len()];
        built.links.push(maker.link(built.nodes[i], next)?);
    }
    maker.hosts(&built.nodes.clone(), &mut built)?;
    Ok(built)
}

/// ```text
///   h1   h2
///     \ /
///      hub---h3
/// ```
/// One node `hub` and `n` hosts `h1`..`hn`, each with an access link to it. The style's number of hosts does not count.
///
/// # Errors
/// `n` = 0, more than a million nodes, a name that is taken.
pub fn star(plan: &mut Plan, n: u32, style: &Style) -> Result<Built, PlanError> {
    check_size("the number of hosts of a star", n.into(), 1, u64::from(n) + 1)?;
    let style = Style { hosts: n, ..style.clone() };
    let mut maker = Maker { plan, style: &style };
    let hub = maker.node("hub")?;
    let mut built = Built { nodes: vec![hub], ..Built::default() };
    maker.hosts(&[hub], &mut built)?;
    Ok(built)
}

/// ```text
///          r1
///         /  \
///       r2    r3
///      /  \  /  \
///     h1 h2 h3  h4      (depth 2, fanout 2, 2 hosts per leaf)
/// ```
/// A complete tree of `depth` levels of nodes, each with `fanout` children: (`fanout`^`depth` - 1) / (`fanout` - 1) nodes named
/// from the root level by level; the style's hosts hang from the lowest level.
///
/// # Errors
/// A depth or fanout of 0, more than a million nodes, a name that is taken.
pub fn tree(plan: &mut Plan, depth: u32, fanout: u32, style: &Style) -> Result<Built, PlanError> {
    let leaves = u64::from(fanout).saturating_pow(depth.saturating_sub(1));
    let levels = (0..depth.min(30)).map(|level| u64::from(fanout).saturating_pow(level));
    let nodes = levels.fold(leaves.saturating_mul(style.hosts.into()), u64::saturating_add);
    check_size("the depth of a tree", depth.into(), 1, if fanout == 1 { depth.into() } else { nodes })?;
    check_size("the fanout of a tree", fanout.into(), 1, nodes)?;
    let mut maker = Maker { plan, style };
    let mut built = Built::default();
    let mut level = Vec::new();
    for depth in 0..depth {
        let mut next = Vec::new();
        let parents: Vec<Option<NodeId>> =
            if depth == 0 { vec![None] } else { level.into_iter().map(Some).collect() };
        for parent in parents {
            for _ in 0..if parent.is_some() { fanout } else { 1 } {
                let node = maker.node(&format!("{}{}", letter(style), built.nodes.len() + 1))?;
                built.nodes.push(node);
                next.push(node);
                if let Some(parent) = parent {
                    built.links.push(maker.link(parent, node)?);
                }
            }
        }
        level = next;
    }
    maker.hosts(&level, &mut built)?;
    Ok(built)
}

/// ```text
///   r1_1---r1_2---r1_3
///    |      |      |
///   r2_1---r2_2---r2_3
/// ```
/// `rows` x `columns` nodes `r<row>_<column>`, each linked to its right and lower neighbour:
/// `rows` (`columns` - 1) + `columns` (`rows` - 1) links, and the style's hosts on each node.
///
/// # Errors
/// No rows or columns, more than a million nodes, a name that is taken.
pub fn grid(plan: &mut Plan, rows: u32, columns: u32, style: &Style) -> Result<Built, PlanError> {
    let cells = u64::from(rows) * u64::from(columns);
    let nodes = cells.saturating_mul(u64::from(style.hosts) + 1);
    check_size("the number of rows of a grid", rows.into(), 1, nodes)?;
    check_size("the number of columns of a grid", columns.into(), 1, nodes)?;
    let mut maker = Maker { plan, style };
    let mut built = Built::default();
    for row in 1..=rows {
        for column in 1..=columns {
            let node = maker.node(&format!("{}{row}_{column}", letter(style)))?;
            built.nodes.push(node);
            maker.plan.place(node, [f64::from(column), -f64::from(row)]);
        }
    }
    let columns = columns as usize;
    for at in 0..built.nodes.len() {
        if (at + 1) % columns != 0 {
            built.links.push(maker.link(built.nodes[at], built.nodes[at + 1])?);
        }
        if let Some(&below) = built.nodes.get(at + columns) {
            built.links.push(maker.link(built.nodes[at], below)?);
        }
    }
    maker.hosts(&built.nodes.clone(), &mut built)?;
    Ok(built)
}

/// Nodes 1 to `n`, not linked.
pub(super) fn numbered(maker: &mut Maker, n: u32) -> Result<Built, PlanError> {
    let letter = letter(maker.style);
    let nodes = (1..=n).map(|i| maker.node(&format!("{letter}{i}"))).collect::<Result<_, _>>()?;
    Ok(Built { nodes, ..Built::default() })
}

/// How many nodes there are with the style's hosts on `hosting` of `n`.
pub(super) fn with_hosts(n: u32, hosting: u32, style: &Style) -> u64 {
    u64::from(n) + u64::from(hosting) * u64::from(style.hosts)
}
