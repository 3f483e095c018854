//! What is probably wrong with a plan, in sentences.

mod addresses;
mod bottleneck;
mod reach;

use crate::{Plan, Prefix, Via};
use std::fmt;
use std::net::Ipv4Addr;
use tidewire_units::{LinkId, NodeId};

/// What kind of problem it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Problem {
    /// A node has no link.
    NoLink,
    /// Hosts cannot reach each other.
    Unreachable,
    /// Two interfaces have one address.
    DuplicateAddress,
    /// Two networks share addresses.
    OverlappingSubnets,
    /// An address does not belong to the subnet of its network.
    ForeignAddress,
    /// A gateway, of a host or of a route added by hand, that is not on a network of the node.
    ForeignGateway,
    /// Switches form a loop: without a spanning tree, broadcasts circle.
    SwitchLoop,
    /// Links of different MTU are joined by switches.
    MtuMismatch,
    /// IPv6 on a link whose MTU is below what IPv6 needs.
    SmallMtu6,
    /// A hub whose stations are so far apart that they do not notice collisions.
    LongBus,
    /// A link that is the only way between two groups of hosts and slower than what they can send.
    Bottleneck,
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Worth knowing; often intended.
    Note,
    /// Something will not work.
    Warning,
    /// Nothing can be run like that.
    Error,
}

/// One finding. Displays as its sentence.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// What kind.
    pub problem: Problem,
    /// The nodes concerned, those to look at first in front.
    pub nodes: Vec<NodeId>,
    /// The links concerned.
    pub links: Vec<LinkId>,
    /// What is wrong and, where it helps, what to do.
    pub sentence: String,
}

impl Problem {
    /// How bad it is.
    pub const fn severity(self) -> Severity {
        match self {
            Problem::Bottleneck => Severity::Note,
            Problem::DuplicateAddress => Severity::Error,
            _ => Severity::Warning,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// Which pairs of networks use overlapping subnets, each with a sentence that names both and where they come from.
///
/// # Panics
/// Before [`Plan::assign_addresses`]; so do the functions below.
pub fn overlapping_subnets(plan: &Plan) -> Vec<Finding> {
    addresses::overlaps(plan)
}

/// The nodes that share an address where it has one meaning, by address.
pub fn duplicate_addresses(plan: &Plan) -> Vec<(Ipv4Addr, Vec<NodeId>)> {
    addresses::duplicated(plan)
}

/// What can be run, but hardly as it was meant: overlapping subnets, IPv6 on links that are too small for it, hubs that are
/// too large.
pub fn doubts(plan: &Plan) -> Vec<Finding> {
    let mut findings = addresses::overlaps(plan);
    findings.extend(reach::too_small_for_ipv6(plan));
    findings.extend(reach::long_buses(plan));
    findings
}

/// The routes entered by hand whose gateway is on no network of their node, each with a sentence.
pub fn unusable_routes(plan: &Plan) -> Vec<(NodeId, Prefix, Via, String)> {
    addresses::unusable_routes(plan)
}

/// At most so many findings of one kind are listed.
const LISTED: usize = 20;

/// Looks for everything in [`Problem`], in that order. Of each kind the first 20 findings are listed, the rest counted in one more.
///
/// # Panics
/// Before [`Plan::assign_addresses`].
pub fn check(plan: &Plan) -> Vec<Finding> {
    let mut findings = reach::nodes_without_links(plan);
    findings.extend(reach::unreachable(plan));
    findings.extend(addresses::duplicates(plan));
    findings.extend(addresses::overlaps(plan));
    findings.extend(addresses::foreign(plan));
    findings.extend(addresses::foreign_gateways(plan));
    findings.extend(reach::switch_loops(plan));
    findings.extend(reach::mtu_mismatches(plan));
    findings.extend(reach::too_small_for_ipv6(plan));
    findings.extend(reach::long_buses(plan));
    findings.extend(bottleneck::bottlenecks(plan));
    findings.chunk_by(|a, b| a.problem == b.problem).flat_map(shorten).collect()
}

fn shorten(same: &[Finding]) -> Vec<Finding> {
    let mut kept = same[..same.len().min(LISTED)].to_vec();
    if let [first_left_out, ..] = &same[kept.len()..] {
        let sentence = format!("... and {} more of this kind", same.len() - kept.len());
        kept.push(Finding { sentence, ..first_left_out.clone() });
    }
    kept
}

/// `'a', 'b' and 'c'`; long lists are cut.
fn list(plan: &Plan, nodes: &[NodeId]) -> String {
    let quoted = |id: &NodeId| format!("'{}'", plan.node(*id).name);
    match nodes {
        [] => String::new(),
        [only] => quoted(only),
        _ if nodes.len() > 8 => {
            let shown: Vec<String> = nodes[..6].iter().map(quoted).collect();
            format!("{} and {} more", shown.join(", "), nodes.len() - 6)
        }
        [rest @ .., last] => {
            let rest: Vec<String> = rest.iter().map(quoted).collect();
            format!("{} and {}", rest.join(", "), quoted(last))
        }
    }
}

#[cfg(test)]
mod tests;
