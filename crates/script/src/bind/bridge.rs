//! What a script sees of a switch: its table, its VLANs, the spanning tree.

#[path = "medium.rs"]
pub(super) mod medium;

use super::routing::printable;
use crate::call::Call;
use crate::classes::this_node;
use crate::sim::Shared;
use mlua::{Lua, Table};
use std::collections::BTreeSet;
use std::fmt::Write;
use tidewire_units::NodeId;
use tidewire_wire::VlanId;

/// `switch:stp()`.
pub(super) fn stp(lua: &Lua, sim: &Shared, call: Call) -> mlua::Result<Option<Table>> {
    let node = this_node(&call)?;
    let world = sim.world()?;
    let Some(bridge) = world.switch(node).and_then(|switch| switch.bridge()) else { return Ok(None) };
    let plan = sim.plan.borrow();
    let root = plan.node_ids().find(|other| {
        world.switch(*other).and_then(|switch| switch.bridge()).is_some_and(|b| b.id() == bridge.root().0)
    });
    let name = |node: NodeId| plan.node(node).name.clone();
    let root = root.map_or_else(|| bridge.root().0.to_string(), name);
    let mut text = format!("{} of root {root}, at cost {}", name(node), bridge.root().1);
    let table = lua.create_table()?;
    table.raw_set("root", root)?;
    table.raw_set("cost", bridge.root().1)?;
    table.raw_set("bridge", bridge.id().to_string())?;
    table.raw_set("changes", bridge.stats().changes)?;
    table.raw_set("last_change", bridge.stats().last_transition.as_secs_f64())?;
    let ports = lua.create_table()?;
    for (port, iface) in (0..bridge.ports()).zip(&plan.node(node).ifaces) {
        let row = lua.create_table()?;
        let (to, role) = (name(plan.neighbor_of(*iface)), bridge.port_role(port).label());
        let state = bridge.port_state(port).label();
        let _ = write!(text, "\n  port {} to {to:<8} {role:<10} {state}", port + 1);
        row.raw_set("to", to)?;
        row.raw_set("role", role)?;
        row.raw_set("state", state)?;
        ports.raw_push(row)?;
    }
    table.raw_set("ports", ports)?;
    printable(lua, &table, text)?;
    Ok(Some(table))
}

/// `switch:mac_table()`.
pub(super) fn mac_table(lua: &Lua, sim: &Shared, call: Call) -> mlua::Result<Table> {
    let node = this_node(&call)?;
    let only = call.opts().int("vlan").map(|vlan| vlan as u16);
    let world = sim.world()?;
    let table = lua.create_table()?;
    let mut lines = Vec::new();
    let Some(switch) = world.switch(node) else { return Ok(table) };
    for entry in switch.table().entries(world.now()) {
        if only.is_some() && entry.vlan.map(VlanId::number) != only {
            continue;
        }
        let (mac, port) = (entry.mac.mac(), entry.port + 1);
        let vlan = entry.vlan.map_or_else(String::new, |vlan| format!("vlan {vlan:<5}"));
        lines.push(format!("{vlan}{mac} port {port:<3} age {}", entry.age));
        table.raw_set(mac.to_string(), port)?;
    }
    printable(lua, &table, lines.join("\n"))?;
    Ok(table)
}

/// `switch:vlans()`.
pub(super) fn vlans(lua: &Lua, sim: &Shared, call: Call) -> mlua::Result<Option<Table>> {
    let node = this_node(&call)?;
    let world = sim.world()?;
    let Some(ports) = world.switch(node).and_then(|switch| switch.vlans()) else { return Ok(None) };
    let all: BTreeSet<VlanId> = ports.iter().flat_map(|port| port.vlans().iter().copied()).collect();
    let table = lua.create_table()?;
    let mut lines = Vec::new();
    for vlan in all {
        let (access, tagged) = (lua.create_table()?, lua.create_table()?);
        let mut line = format!("vlan {vlan:<5}");
        for (number, port) in (1..).zip(ports).filter(|(_, port)| port.carries(vlan)) {
            let is_tagged = port.tag_of(vlan).is_some();
            let list = if is_tagged { &tagged } else { &access };
            list.raw_push(number)?;
            let _ = write!(line, "{number}{} ", if is_tagged { "t" } else { "" });
        }
        let row = lua.create_table()?;
        row.raw_set("access", access)?;
        row.raw_set("tagged", tagged)?;
        table.raw_set(vlan.number(), row)?;
        lines.push(line.trim_end().to_owned());
    }
    printable(lua, &table, lines.join("\n"))?;
    Ok(Some(table))
}
