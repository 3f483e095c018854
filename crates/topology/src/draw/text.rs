//! Tables for the terminal.

use super::{Look, caption, counted, describe_common, loss, queue};
use crate::{DirectionSpec, NodeKind, Plan, peer_of};
use rustc_hash::FxHashMap;
use std::fmt::Write;
use tidewire_units::NodeId;

/// Nodes with their addresses, then links with what both directions do; small chains are drawn on top. A link with different
/// directions has two lines.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    if let Some(picture) = chain(plan) {
        out.push_str(&picture);
        out.push('\n');
    }
    out.push_str(&columns(&nodes(plan), 2));
    out.push('\n');
    out.push_str(&columns(&links(plan), 2));
    let n = plan.summary();
    let _ = writeln!(
        out,
        "\n{}; diameter {}{}; {}",
        caption(plan),
        if n.is_diameter_known { "" } else { "at least " },
        counted(n.diameter as usize, "link"),
        if n.parts == 1 { "connected".to_owned() } else { format!("{} separate parts", n.parts) }
    );
    out
}

/// The tables of all nodes that forward or are hosts: every prefix with its next hops, those that are equally good side by side.
///
/// # Panics
/// Before [`Plan::assign_addresses`].
pub fn routes(plan: &Plan) -> String {
    let routes = crate::routes(plan, &|_| true);
    let addressed = plan.ifaces().iter().filter_map(|iface| Some((iface.address?.ip, iface.node)));
    let owners: FxHashMap<std::net::Ipv4Addr, NodeId> = addressed.collect();
    let mut rows = vec![["node", "prefix", "interface", "gateway", "to"].map(str::to_owned).to_vec()];
    for id in plan.node_ids() {
        let mut name = plan.node(id).name.clone();
        for (prefix, hops) in routes.of(id) {
            let mut prefix = prefix.to_string();
            for hop in hops {
                let gateway = hop.gateway.map_or("-".to_owned(), |ip| ip.to_string());
                let far = hop.gateway.and_then(|ip| owners.get(&ip));
                let far = far.map_or(String::new(), |id| plan.node(*id).name.clone());
                let port = plan.iface(hop.iface).port.to_string();
                rows.push(vec![std::mem::take(&mut name), std::mem::take(&mut prefix), port, gateway, far]);
            }
        }
    }
    columns(&rows, 2)
}

fn nodes(plan: &Plan) -> Vec<Vec<String>> {
    let mut rows = vec![["node", "kind", "interface", "address", "to"].map(str::to_owned).to_vec()];
    for node in plan.nodes() {
        let mut first = vec![node.name.clone(), Look::of(&node.spec).word().to_owned()];
        if node.spec.kind() == NodeKind::Switch || node.ifaces.is_empty() {
            let ports = match node.ifaces.len() {
                0 => "no link".to_owned(),
                n => format!("{n} ports"),
            };
            first.push(ports);
            rows.push(first);
            continue;
        }
        for &iface in &node.ifaces {
            let end = plan.iface(iface);
            let address = end.address.map_or("-".to_owned(), |address| address.to_string());
            let mut row = std::mem::replace(&mut first, vec![String::new(), String::new()]);
            let far = plan.iface(peer_of(iface)).node;
            row.extend([end.port.to_string(), address, plan.node(far).name.clone()]);
            rows.push(row);
        }
    }
    rows
}

fn links(plan: &Plan) -> Vec<Vec<String>> {
    let head = ["link", "", "rate", "delay", "loss", "queue", "cost", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let direction =
        |d: &DirectionSpec| [d.rate.to_string(), d.delay.to_string(), loss(d), queue(d), d.cost.to_string()];
    for link in plan.links() {
        let both = link.spec.forward == link.spec.backward;
        let mut row = vec![link.name.clone(), if both { "<>" } else { "->" }.to_owned()];
        row.extend(direction(&link.spec.forward));
        row.push(describe_common(&link.spec));
        rows.push(row);
        if !both {
            let mut row = vec![String::new(), "<-".to_owned()];
            row.extend(direction(&link.spec.backward));
            rows.push(row);
        }
    }
    rows
}

/// Rows in columns as wide as their longest cell, `gap` spaces apart.
fn columns(rows: &[Vec<String>], gap: usize) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + gap));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// `alice ---[10Mbps, 20ms]--- bob`, when the plan is one short chain.
fn chain(plan: &Plan) -> Option<String> {
    let degree = |id: NodeId| plan.node(id).ifaces.len();
    let n = plan.nodes().len();
    if !(2..=6).contains(&n)
        || plan.links().len() + 1 != n
        || !plan.node_ids().all(|id| (1..=2).contains(&degree(id)))
    {
        return None;
    }
    let mut at = plan.node_ids().find(|&id| degree(id) == 1)?;
    let mut line = plan.node(at).name.clone();
    let mut from = None;
    let mut seen = 1;
    while let Some(&iface) = plan.node(at).ifaces.iter().find(|&&iface| Some(iface) != from) {
        let spec = &plan.link(crate::link_of(iface)).spec;
        at = plan.neighbor_of(iface);
        from = Some(peer_of(iface));
        seen += 1;
        let _ = match super::is_symmetric(spec) {
            true => {
                write!(line, " --[{}]-- {}", super::describe_direction(&spec.forward), plan.node(at).name)
            }
            false => write!(line, " -------- {}", plan.node(at).name),
        };
    }
    (seen == n && line.chars().count() <= 118).then(|| line + "\n")
}
