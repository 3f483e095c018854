//! Networks of well-known shapes, added to a plan.
//!
//! Every generator takes a [`Style`] (what the nodes and links are like), refuses impossible sizes with a sentence, and returns the
//! ids of what it built.

mod classic;
mod datacenter;
mod dumbbell;
mod random;

pub use classic::{grid, line, ring, star, tree};
pub use datacenter::{BCube, FatTree, LeafSpine, bcube, fat_tree, leaf_spine};
pub use dumbbell::{Dumbbell, ParkingLot, dumbbell, parking_lot};
pub use random::{RandomModel, random};

use crate::{HostSpec, LinkSpec, NodeSpec, Plan, PlanError, RouterSpec, SwitchSpec};
use tidewire_units::{LinkId, NodeId};

/// Most nodes that a generator makes.
const MAX_NODES: u64 = 1_000_000;

/// The most links that are built.
const MAX_LINKS: u64 = 3_000_000;

/// What the nodes and links of a generated network are like.
#[derive(Clone, Debug, PartialEq)]
pub struct Style {
    /// Put before every name, so that one plan can hold two networks of one shape.
    pub prefix: String,
    /// What forwards: routers, or switches (which must not form loops).
    pub node: NodeSpec,
    /// How many hosts hang from each node that may have hosts.
    pub hosts: u32,
    /// Options of the hosts.
    pub host: HostSpec,
    /// Links between the nodes.
    pub link: LinkSpec,
    /// Links from hosts to their node.
    pub access: LinkSpec,
}

impl Default for Style {
    /// Routers with one host each, default links.
    fn default() -> Self {
        Style {
            prefix: String::new(),
            node: NodeSpec::Router(RouterSpec::default()),
            hosts: 1,
            host: HostSpec::default(),
            link: LinkSpec::default(),
            access: LinkSpec::default(),
        }
    }
}

impl Style {
    /// Switches instead of routers.
    pub fn switched() -> Style {
        Style { node: NodeSpec::Switch(SwitchSpec::default()), ..Style::default() }
    }
}

/// What a generator built.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Built {
    /// The routers or switches, in the order of their names.
    pub nodes: Vec<NodeId>,
    /// The hosts; those of one node side by side.
    pub hosts: Vec<NodeId>,
    /// The links between nodes.
    pub links: Vec<LinkId>,
    /// The link of each host.
    pub access: Vec<LinkId>,
}

/// A plan being added to.
struct Maker<'a> {
    plan: &'a mut Plan,
    style: &'a Style,
}

impl Maker<'_> {
    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.style.prefix)
    }

    fn node(&mut self, name: &str) -> Result<NodeId, PlanError> {
        self.plan.add(self.name(name), self.style.node.clone())
    }

    fn host(&mut self, name: &str) -> Result<NodeId, PlanError> {
        self.plan.add(self.name(name), NodeSpec::Host(self.style.host.clone()))
    }

    fn link(&mut self, a: NodeId, b: NodeId) -> Result<LinkId, PlanError> {
        self.plan.connect(a, b, self.style.link.clone())
    }

    fn access(&mut self, host: NodeId, node: NodeId) -> Result<LinkId, PlanError> {
        self.plan.connect(host, node, self.style.access.clone())
    }

    /// Hosts h1, h2, ... on each of `nodes`.
    fn hosts(&mut self, nodes: &[NodeId], built: &mut Built) -> Result<(), PlanError> {
        for &node in nodes {
            for _ in 0..self.style.hosts {
                let host = self.host(&format!("h{}", built.hosts.len() + 1))?;
                built.hosts.push(host);
                built.access.push(self.access(host, node)?);
            }
        }
        Ok(())
    }
}

/// Adds the style's hosts to all nodes of `built`, named after their node: `Oslo-h1`.
///
/// # Errors
/// More than a million nodes, a name that is taken, impossible options.
pub fn add_hosts(plan: &mut Plan, style: &Style, built: &mut Built) -> Result<(), PlanError> {
    let all = built.nodes.len() as u64 * u64::from(style.hosts);
    check_size("the number of hosts", style.hosts.into(), 0, all)?;
    for &node in &built.nodes {
        for i in 1..=style.hosts {
            let name = format!("{}-h{i}", plan.node(node).name);
            let host = plan.add(name, NodeSpec::Host(style.host.clone()))?;
            built.hosts.push(host);
            built.access.push(plan.connect(host, node, style.access.clone())?);
        }
    }
    Ok(())
}

/// The letter in the names of a style's nodes.
fn letter(style: &Style) -> &'static str {
    match style.node {
        NodeSpec::Switch(_) => "s",
        NodeSpec::Router(_) => "r",
        NodeSpec::Host(_) => "n",
    }
}

/// Refuses a size outside a range, and networks of more than a million nodes.
fn check_size(what: &str, value: u64, min: u64, nodes: u64) -> Result<(), PlanError> {
    if value < min {
        return Err(PlanError::BadShape(format!("{what} must be at least {min}, not {value}")));
    }
    if nodes > MAX_NODES {
        return Err(PlanError::BadShape(format!(
            "{what} = {value} would make more than a million nodes; the most that is built is 1000000"
        )));
    }
    Ok(())
}

/// Refuses more links than a machine has memory for.
fn check_links(what: &str, links: u64) -> Result<(), PlanError> {
    if links > MAX_LINKS {
        return Err(PlanError::BadShape(format!(
            "{what} would have more than three million links ({links}); the most that is built is {MAX_LINKS}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
