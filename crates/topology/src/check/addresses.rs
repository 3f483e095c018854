//! Addresses that clash or lie in the wrong place.

use super::{Finding, Problem};
use crate::{AddressMode, NodeSpec, Plan, Prefix, Via, link_of};
use std::net::Ipv4Addr;
use tidewire_units::{IfaceId, NodeId};

/// Interfaces that share an address, by address.
fn shared(plan: &Plan) -> Vec<(Ipv4Addr, Vec<IfaceId>)> {
    let realms = plan.realms_of_hosts();
    let realm_of = |iface| realms[plan.network_of(link_of(iface))];
    let mut all: Vec<((Ipv4Addr, u32), IfaceId)> = (plan.ifaces().iter().enumerate())
        .filter_map(|(i, iface)| Some((iface.address?.ip, IfaceId::from_index(i))))
        .map(|(ip, iface)| ((ip, realm_of(iface)), iface))
        .collect();
    all.sort_unstable();
    let same = all.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1);
    same.map(|group| (group[0].0.0, group.iter().map(|(_, iface)| *iface).collect())).collect()
}

pub(super) fn duplicated(plan: &Plan) -> Vec<(Ipv4Addr, Vec<NodeId>)> {
    let nodes = |ifaces: Vec<IfaceId>| ifaces.into_iter().map(|iface| plan.node_of(iface)).collect();
    shared(plan).into_iter().map(|(ip, ifaces)| (ip, nodes(ifaces))).collect()
}

pub(super) fn duplicates(plan: &Plan) -> Vec<Finding> {
    let finding = |(ip, ifaces): (Ipv4Addr, Vec<IfaceId>)| {
        let nodes: Vec<NodeId> = ifaces.iter().map(|iface| plan.node_of(*iface)).collect();
        let links = ifaces.iter().map(|iface| link_of(*iface)).collect();
        let all = if nodes.len() == 2 { "both" } else { "all" };
        let sentence = format!("{} {all} have the address {ip}", super::list(plan, &nodes));
        Finding { problem: Problem::DuplicateAddress, nodes, links, sentence }
    };
    shared(plan).into_iter().map(finding).collect()
}

pub(super) fn overlaps(plan: &Plan) -> Vec<Finding> {
    let networks = plan.networks();
    let realms = plan.realms_of_hosts();
    let mut all: Vec<(u32, Prefix, usize)> = networks
        .iter()
        .enumerate()
        .filter_map(|(i, network)| Some((realms[i], network.prefix?, i)))
        .collect();
    all.sort_unstable();
    let mut findings = Vec::new();
    let mut widest: Option<(Prefix, usize)> = None;
    for &(realm, prefix, network) in &all {
        let same_realm = |other: usize| realms[other] == realm;
        if let Some((before, other)) =
            widest.filter(|(before, other)| same_realm(*other) && before.overlaps(prefix))
        {
            let nodes: Vec<NodeId> = [other, network]
                .into_iter()
                .filter_map(|n| networks[n].members.first().map(|&iface| plan.node_of(iface)))
                .collect();
            let sentence = format!(
                "the subnets {} and {} overlap, but these are two networks: a host of one takes those of the other for its neighbours and asks for them in vain; give them subnets that share no addresses",
                described(plan, before, other),
                described(plan, prefix, network),
            );
            findings.push(Finding {
                problem: Problem::OverlappingSubnets,
                nodes,
                links: Vec::new(),
                sentence,
            });
        } else {
            widest = Some((prefix, network));
        }
    }
    findings
}

/// A subnet with who is on it and where it comes from.
fn described(plan: &Plan, prefix: Prefix, network: usize) -> String {
    let members = &plan.networks()[network].members;
    let mut nodes: Vec<NodeId> = members.iter().map(|&iface| plan.node_of(iface)).collect();
    nodes.dedup();
    let asked = plan.subnets.iter().any(|request| request.prefix == prefix);
    let fixed = members.iter().find(|&&iface| {
        let node = plan.node(plan.node_of(iface));
        let own = plan.iface(iface).fixed.is_some()
            || matches!(&node.spec, NodeSpec::Host(host) if matches!(host.ip, AddressMode::Fixed(_)));
        own && plan.iface(iface).address.is_some_and(|address| address.prefix() == prefix)
    });
    let origin = match fixed {
        _ if asked => "given as a subnet".to_owned(),
        Some(&iface) => {
            let address = plan.iface(iface).address.map_or_else(String::new, |address| address.to_string());
            format!("from the address {address} of '{}'", plan.node(plan.node_of(iface)).name)
        }
        None => "chosen automatically".to_owned(),
    };
    format!("{prefix} ({origin}; {})", super::list(plan, &nodes))
}

pub(super) fn foreign(plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    for network in plan.networks() {
        for &iface in &network.members {
            let (Some(prefix), Some(address)) = (network.prefix, plan.iface(iface).address) else { continue };
            if prefix == address.prefix() {
                continue;
            }
            let node = plan.node_of(iface);
            let sentence =
                format!("'{}' has the address {address}, but its network is {prefix}", plan.node(node).name);
            let links = vec![link_of(iface)];
            findings.push(Finding { problem: Problem::ForeignAddress, nodes: vec![node], links, sentence });
        }
    }
    findings
}

pub(super) fn foreign_gateways(plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut report = |node, sentence| {
        findings.push(Finding {
            problem: Problem::ForeignGateway,
            nodes: vec![node],
            links: Vec::new(),
            sentence,
        });
    };
    for id in plan.node_ids() {
        let node = plan.node(id);
        let addresses = node.ifaces.iter().filter_map(|&iface| plan.iface(iface).address);
        if let NodeSpec::Host(host) = &node.spec
            && let Some(gateway) = host.gateway
            && !addresses.clone().any(|address| address.prefix().contains(gateway))
        {
            report(id, format!("the gateway of '{}', {gateway}, is not on any of its networks", node.name));
        }
    }
    for (id, _, _, sentence) in unusable_routes(plan) {
        report(id, sentence);
    }
    findings
}

pub(super) fn unusable_routes(plan: &Plan) -> Vec<(NodeId, Prefix, Via, String)> {
    let networks = |id: NodeId| plan.node(id).ifaces.iter().map(|&iface| plan.network_of(link_of(iface)));
    let mut unusable = Vec::new();
    for id in plan.node_ids() {
        for (prefix, via) in plan.manual_routes(id) {
            let (known, name) = match via {
                Via::Address(ip) => {
                    let addresses =
                        plan.node(id).ifaces.iter().filter_map(|&iface| plan.iface(iface).address);
                    (addresses.into_iter().any(|address| address.prefix().contains(ip)), ip.to_string())
                }
                Via::Node(other) => {
                    let shares = other != id && networks(id).any(|own| networks(other).any(|n| n == own));
                    (shares, format!("'{}'", plan.node(other).name))
                }
            };
            if !known {
                let node = &plan.node(id).name;
                let sentence = format!(
                    "the route of '{node}' to {prefix} goes via {name}, which is on none of its networks"
                );
                unusable.push((id, prefix, via, sentence));
            }
        }
    }
    unusable
}
