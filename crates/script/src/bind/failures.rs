//! Nodes that crash and boot, networks that fall apart.

use crate::call::Call;
use crate::classes::{Registry, node_handle, this_node};
use crate::mistake::Mistake;
use crate::sched::{self, spawn};
use crate::sim::{Shared, here};
use crate::spec::failures as spec;
use crate::values::collect_nodes;
use mlua::{Lua, MultiValue, Value};
use tidewire_units::NodeId;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    for func in
        [&spec::HOST_CRASH, &spec::SWITCH_CRASH, &spec::HUB_CRASH, &spec::AP_CRASH, &spec::DEVICE_CRASH]
    {
        registry.add(func, |_, sim, call| crash(sim, this_node(&call)?))?;
    }
    for func in [&spec::HOST_BOOT, &spec::SWITCH_BOOT, &spec::HUB_BOOT, &spec::AP_BOOT, &spec::DEVICE_BOOT] {
        registry.add(func, |lua, sim, call| boot(lua, sim, this_node(&call)?))?;
    }
    for (func, up, word) in [(&spec::HOST_DISABLE, false, "disabled"), (&spec::HOST_ENABLE, true, "enabled")]
    {
        registry.add(func, move |_, sim, call| {
            let node = this_node(&call)?;
            let mut world = sim.world()?;
            world.set_node_connected(node, up);
            let name = world.plan().node(node).name.clone();
            sim.out.borrow_mut().event(world.now(), name.into(), "node", word.into());
            Ok(())
        })?;
    }
    registry.add(&spec::HOST_ON_BOOT, |_, sim, mut call| {
        let node = this_node(&call)?;
        let body = call.function(0).ok_or_else(|| Mistake::new("host:on_boot needs a function"))?;
        sim.boots.borrow_mut().entry(node.0).or_default().push(body);
        Ok(())
    })?;
    registry.add(&spec::NET_PARTITION, |_, sim, call| {
        let groups = groups(&call)?;
        let mut world = sim.world()?;
        world.partition(&groups);
        sim.out.borrow_mut().event(world.now(), "net".into(), "partition", "apart".into());
        Ok(())
    })?;
    registry.add(&spec::NET_HEAL, |_, sim, _| {
        let mut world = sim.world()?;
        world.heal();
        sim.out.borrow_mut().event(world.now(), "net".into(), "partition", "healed".into());
        Ok(())
    })?;
    for class in ["host", "switch", "hub", "ap"] {
        registry.field(class, "up", |_, sim, this| {
            let node = crate::classes::node_of(&Value::UserData(this)).expect("the type is a node's");
            Ok(sim.world()?.is_node_up(node))
        })?;
    }
    Ok(())
}

/// The groups of nodes of a partition: each a list.
fn groups(call: &Call) -> mlua::Result<Vec<Vec<NodeId>>> {
    let wrong = |what: String| {
        Mistake::new(what)
            .at_word("partition")
            .note("write net:partition({ a, b }, { c, d }): the links between the two are cut")
    };
    let mut groups = Vec::new();
    for value in &call.rest {
        let mut nodes = Vec::new();
        if collect_nodes(value, &mut nodes, 0).is_none() || nodes.is_empty() {
            return Err(wrong("a part of a network is a list of nodes".to_owned()).into());
        }
        if let Some(node) = nodes.iter().find(|node| groups.iter().flatten().any(|other| other == *node)) {
            let _: &NodeId = node;
            return Err(wrong("a node is in two parts of the network".to_owned()).into());
        }
        groups.push(nodes);
    }
    if groups.len() < 2 {
        return Err(wrong("a network falls apart into two parts or more".to_owned()).into());
    }
    Ok(groups)
}

pub(super) fn crash(sim: &Shared, node: NodeId) -> mlua::Result<()> {
    let mut world = sim.world()?;
    if !world.is_node_up(node) {
        return Ok(());
    }
    world.crash(node);
    let name = world.plan().node(node).name.clone();
    sim.out.borrow_mut().event(world.now(), name.into(), "node", "crashed".into());
    drop(world);
    super::work::crashed(sim, node);
    sched::kill_all_of(sim, node);
    Ok(())
}

pub(super) fn boot(lua: &Lua, sim: &Shared, node: NodeId) -> mlua::Result<()> {
    let mut world = sim.world()?;
    if world.is_node_up(node) {
        return Ok(());
    }
    world.boot(node);
    let name = world.plan().node(node).name.clone();
    sim.out.borrow_mut().event(world.now(), name.into(), "node", "booted".into());
    drop(world);
    let bodies = sim.boots.borrow().get(&node.0).cloned().unwrap_or_default();
    for body in bodies {
        let args = MultiValue::from_iter([Value::UserData(node_handle(lua, sim, node)?)]);
        spawn(lua, sim, body, args, Some(node), "on_boot", here(lua))?;
    }
    Ok(())
}
