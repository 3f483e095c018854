//! Graphviz.

use super::{Look, describe_common, describe_direction, is_symmetric};
use crate::Plan;
use std::fmt::Write;

/// The plan in the DOT language, for `dot -Tsvg` or `neato`: hosts as boxes, switches as flat boxes in green, hubs
/// in grey, access points as houses, routers as ellipses.
pub fn dot(plan: &Plan) -> String {
    let mut out = String::from(
        "graph network {\n  node [fontname=\"Helvetica\" style=filled]\n  edge [fontname=\"Helvetica\" fontsize=10]\n",
    );
    for node in plan.nodes() {
        let (shape, color) = match Look::of(&node.spec) {
            Look::Host => ("box", "#dbe9fb"),
            Look::Switch => ("box3d", "#dff2e3"),
            Look::Hub => ("box3d", "#ececec"),
            Look::AccessPoint => ("house", "#dff2e3"),
            Look::Router => ("ellipse", "#fdebd3"),
        };
        let addresses = node.ifaces.iter().filter_map(|&iface| plan.iface(iface).address);
        let mut label = node.name.clone();
        // Routers and busy hosts have too many to print.
        addresses.take(if node.ifaces.len() > 3 { 0 } else { 3 }).for_each(|a| {
            let _ = write!(label, "\n{a}");
        });
        let _ = writeln!(
            out,
            "  {} [shape={shape} fillcolor=\"{color}\" label={}]",
            quoted(&node.name),
            quoted(&label)
        );
    }
    for link in plan.links() {
        let [a, b] = link.ends.map(|end| quoted(&plan.node(end).name));
        let mut label = if is_symmetric(&link.spec) {
            describe_direction(&link.spec.forward)
        } else {
            let (forth, back) = (&link.spec.forward, &link.spec.backward);
            format!("> {}\n< {}", describe_direction(forth), describe_direction(back))
        };
        let common = describe_common(&link.spec);
        if !common.is_empty() {
            let _ = write!(label, "\n{common}");
        }
        let _ = writeln!(out, "  {a} -- {b} [label={}]", quoted(&label));
    }
    out.push_str("}\n");
    out
}

/// A quoted string of the DOT language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
