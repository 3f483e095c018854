//! What a script sees of the spanning tree.

use crate::call::Call;
use crate::classes::this_node;
use crate::sim::Shared;
use mlua::{Lua, Table, Value};
use std::fmt::Write;
use tidewire_units::NodeId;

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
    let meta = lua.create_table()?;
    meta.raw_set("__tostring", lua.create_function(move |_, _: Value| Ok(text.clone()))?)?;
    table.set_metatable(Some(meta))?;
    Ok(Some(table))
}
