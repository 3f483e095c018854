//! Networks of data centres.

use super::{Maker, Style, check_size};
use crate::{HostSpec, NodeSpec, Plan, PlanError, SwitchSpec};
use tidewire_units::{LinkId, NodeId};

/// What [`fat_tree`] built.
#[derive(Clone, Debug, PartialEq)]
pub struct FatTree {
    /// `core0`...: (k/2)^2; number j k/2 + i is linked to aggregation switch j of every pod.
    pub core: Vec<NodeId>,
    /// `agg<pod>_<j>`: k/2 in each of k pods.
    pub aggregation: Vec<NodeId>,
    /// `edge<pod>_<j>`: k/2 in each of k pods.
    pub edge: Vec<NodeId>,
    /// `h0`...: k/2 at each edge switch, side by side.
    pub hosts: Vec<NodeId>,
    /// Links edge to aggregation, then aggregation to core.
    pub links: Vec<LinkId>,
    /// The link of each host.
    pub access: Vec<LinkId>,
}

/// What [`leaf_spine`] built.
#[derive(Clone, Debug, PartialEq)]
pub struct LeafSpine {
    /// `spine1`...
    pub spines: Vec<NodeId>,
    /// `leaf1`...
    pub leaves: Vec<NodeId>,
    /// `h1`...; those of one leaf side by side.
    pub hosts: Vec<NodeId>,
    /// The links from each leaf to every spine.
    pub links: Vec<LinkId>,
    /// The link of each host.
    pub access: Vec<LinkId>,
}

/// What [`bcube`] built.
#[derive(Clone, Debug, PartialEq)]
pub struct BCube {
    /// `h0`...: number a\_k ... a\_1 a\_0 in base n.
    pub hosts: Vec<NodeId>,
    /// The switches `s<level>_<i>`, level by level; host number x hangs from number x without its digit a\_level.
    pub levels: Vec<Vec<NodeId>>,
    /// The links, level by level: in each, those of the first host first.
    pub links: Vec<LinkId>,
}

/// ```text
///    core0  core1  core2  core3          (k = 4: 4 pods, 20 switches, 16 hosts)
///      |  \  / \  /  ...
///    agg0_0   agg0_1  | agg1_0 ...
///      |   \ /   |
///    edge0_0  edge0_1 | edge1_0 ...
///     /  \     /  \
///    h0  h1   h2  h3
/// ```
/// A fat tree of switches with `k` ports: `k` pods of `k`/2 edge and `k`/2 aggregation switches, (`k`/2)^2 core switches, `k`^3/4
/// hosts, 3 `k`^3/4 links; (`k`/2)^2 shortest paths join hosts of different pods. Its switches route (layer 3), as in the paper: M.
/// Al-Fares, A. Loukissas, A. Vahdat, "A Scalable, Commodity Data Center Network Architecture", SIGCOMM 2008. The style's number of
/// hosts does not count; with switches for nodes the loops need a spanning tree.
///
/// # Errors
/// `k` odd, below 2 or above 128, a name that is taken.
pub fn fat_tree(plan: &mut Plan, k: u32, style: &Style) -> Result<FatTree, PlanError> {
    if !(2..=128).contains(&k) || k % 2 == 1 {
        return Err(PlanError::BadShape(format!("a fat tree needs an even k from 2 to 128, not {k}")));
    }
    let half = k / 2;
    let mut maker = Maker { plan, style };
    let core: Vec<NodeId> =
        (0..half * half).map(|i| maker.node(&format!("core{i}"))).collect::<Result<_, _>>()?;
    let layer = |maker: &mut Maker, name: &str| -> Result<Vec<NodeId>, PlanError> {
        (0..k * half).map(|i| maker.node(&format!("{name}{}_{}", i / half, i % half))).collect()
    };
    let aggregation = layer(&mut maker, "agg")?;
    let edge = layer(&mut maker, "edge")?;
    let hosts: Vec<NodeId> =
        (0..k * half * half).map(|i| maker.host(&format!("h{i}"))).collect::<Result<_, _>>()?;
    let half = half as usize;
    let access = (hosts.iter().enumerate())
        .map(|(i, &host)| maker.access(host, edge[i / half]))
        .collect::<Result<_, _>>()?;
    let mut links = Vec::new();
    for (i, &edge) in edge.iter().enumerate() {
        let pod = i / half;
        for j in 0..half {
            links.push(maker.link(edge, aggregation[pod * half + j])?);
        }
    }
    for (i, &aggregation) in aggregation.iter().enumerate() {
        let j = i % half;
        for core in &core[j * half..(j + 1) * half] {
            links.push(maker.link(aggregation, *core)?);
        }
    }
    Ok(FatTree { core, aggregation, edge, hosts, links, access })
}

/// ```text
///    spine1    spine2
///      | \   / |
///      |  \ /  |
///    leaf1    leaf2
///     / \      / \
///    h1 h2    h3 h4
/// ```
/// Every leaf linked to every spine (a folded Clos network of two stages; RFC 7938 section 3.2), the style's hosts on each leaf:
/// `spines` x `leaves` links between them, `spines` shortest paths between hosts of different leaves.
///
/// # Errors
/// No spines or leaves, more than a million nodes or three million links, a name that is taken.
pub fn leaf_spine(plan: &mut Plan, spines: u32, leaves: u32, style: &Style) -> Result<LeafSpine, PlanError> {
    let nodes = u64::from(spines) + u64::from(leaves) * (u64::from(style.hosts) + 1);
    check_size("the number of spines", spines.into(), 1, nodes)?;
    check_size("the number of leaves", leaves.into(), 1, nodes)?;
    let links = u64::from(spines) * u64::from(leaves) + u64::from(leaves) * u64::from(style.hosts);
    super::check_links(&format!("a leaf-spine network of {spines} spines and {leaves} leaves"), links)?;
    let mut maker = Maker { plan, style };
    let mut layer = |name: &str, n: u32| -> Result<Vec<NodeId>, PlanError> {
        (1..=n).map(|i| maker.node(&format!("{name}{i}"))).collect()
    };
    let (spines, leaves) = (layer("spine", spines)?, layer("leaf", leaves)?);
    let mut built = super::Built::default();
    maker.hosts(&leaves, &mut built)?;
    let mut links = Vec::new();
    for &leaf in &leaves {
        for &spine in &spines {
            links.push(maker.link(leaf, spine)?);
        }
    }
    Ok(LeafSpine { spines, leaves, hosts: built.hosts, links, access: built.access })
}

/// ```text
///     s1_0        s1_1              (n = 2, k = 1: 4 hosts with 2 ports, 2 levels of 2 switches)
///     |   \\______/___ |
///     |    ______/   \\|
///    h0   h1    h2   h3
///      \\ /        \\ /
///     s0_0        s0_1
/// ```
/// BCube(`n`, `k`): `n`^(`k`+1) hosts with `k` + 1 ports, and as many levels of `n`^`k` switches with `n` ports. Hosts forward for
/// others, and each pair of hosts has paths over as many hosts as digits in which their numbers differ: C. Guo et al., "BCube: A High
/// Performance, Server-centric Network Architecture for Modular Data Centers", SIGCOMM 2009. The nodes of the style, its number of
/// hosts and its access links are not used.
///
/// # Errors
/// `n` below 2 or above 64, more than 100,000 hosts, a name that is taken.
pub fn bcube(plan: &mut Plan, n: u32, k: u32, style: &Style) -> Result<BCube, PlanError> {
    let hosts = u64::from(n).saturating_pow(k.saturating_add(1));
    if !(2..=64).contains(&n) {
        return Err(PlanError::BadShape(format!("a BCube needs switches with 2 to 64 ports, not {n}")));
    }
    if hosts > 100_000 {
        let problem =
            format!("a BCube of n = {n}, k = {k} has more than 100000 hosts; this is the most that is built");
        return Err(PlanError::BadShape(problem));
    }
    let maker = Maker { plan, style };
    let spec = HostSpec { forward: true, ..style.host.clone() };
    let hosts: Vec<NodeId> = (0..hosts)
        .map(|i| maker.plan.add(maker.name(&format!("h{i}")), NodeSpec::Host(spec.clone())))
        .collect::<Result<_, _>>()?;
    let n = n as usize;
    let (mut levels, mut links) = (Vec::new(), Vec::new());
    for level in 0..=k {
        let switches: Vec<NodeId> = (0..hosts.len() / n)
            .map(|i| {
                let name = maker.name(&format!("s{level}_{i}"));
                maker.plan.add(name, NodeSpec::Switch(SwitchSpec::default()))
            })
            .collect::<Result<_, _>>()?;
        let below = n.pow(level);
        for (x, &host) in hosts.iter().enumerate() {
            let without_digit = x / (below * n) * below + x % below;
            links.push(maker.plan.connect(host, switches[without_digit], style.link.clone())?);
        }
        levels.push(switches);
    }
    // Small ones are drawn as in the paper: the hosts in a row, the levels above.
    if hosts.len() <= 32 {
        hosts.iter().enumerate().for_each(|(x, &host)| maker.plan.place(host, [x as f64, 0.0]));
        for (level, switches) in levels.iter().enumerate() {
            for (i, &switch) in switches.iter().enumerate() {
                let middle = (i as f64 + 0.5) * n as f64 - 0.5;
                maker.plan.place(switch, [middle, (level as f64 + 1.0) * n as f64 * 0.7]);
            }
        }
    }
    Ok(BCube { hosts, levels, links })
}
