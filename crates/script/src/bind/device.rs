//! Devices of one's own: `net:device`, ports, frames.

use super::frames;
use crate::call::Call;
use crate::classes::{Device, DevicePort, Registry, node_handle, wrong_this};
use crate::mistake::Mistake;
use crate::sched::{self, Failure, nobody, spawn};
use crate::sim::{Shared, here};
use crate::spec::device as spec;
use crate::values::Val;
use mlua::{AnyUserData, Lua, MultiValue, Value};
use tidewire_topology::{AddressMode, HostSpec, NodeSpec, RouterSpec, SpanningTree, SwitchSpec};
use tidewire_units::NodeId;
use tidewire_wire::MacAddr;
use tidewire_world::World;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::NET_DEVICE, |lua, sim, call| {
        let node = match call.opts().text("like") {
            Some("router") => NodeSpec::Router(RouterSpec::default()),
            Some("host") => NodeSpec::Host(HostSpec { ip: AddressMode::Auto, ..HostSpec::default() }),
            _ => NodeSpec::Switch(SwitchSpec { stp: SpanningTree::Off, ..SwitchSpec::default() }),
        };
        let name = call.text(0).unwrap_or_default();
        let id = super::net::add_node(lua, sim, "net:device()", name, node)?;
        sim.world.borrow_mut().set_device(id);
        sim.devices.borrow_mut().insert(id.0, Vec::new());
        node_handle(lua, sim, id)
    })?;
    registry.add(&spec::ON_FRAME, |_, sim, mut call| {
        let node = this_device(&call)?;
        let body = call.function(0).ok_or_else(|| Mistake::new("device:on_frame needs a function"))?;
        sim.devices.borrow_mut().entry(node.0).or_default().push(body);
        Ok(())
    })?;
    registry.add(&spec::PORT_SEND, |_, sim, call| {
        let (node, port) = this_port(&call)?;
        let Some(Val::Table(frame)) = call.arg(0) else {
            unreachable!("the table of functions says a table")
        };
        let (packet, trace) = frames::from_table(frame)?;
        let sent = sim.world()?.send_frame(node, port, &packet, trace);
        sent.map_err(|why| Mistake::new(format!("the frame cannot be sent: {why}")).at_word("send"))?;
        Ok(())
    })?;
    registry.field("device", "name", |_, sim, this| {
        Ok(sim.plan.borrow().node(this.borrow::<Device>()?.0).name.clone())
    })?;
    registry.field("device", "ports", |lua, sim, this| {
        let node = this.borrow::<Device>()?.0;
        let list = lua.create_table()?;
        let count = sim.plan.borrow().node(node).ifaces.len() as u32;
        for port in 0..count {
            list.raw_push(port_handle(lua, sim, node, port)?)?;
        }
        Ok(list)
    })?;
    registry.field("port", "number", |_, _, this| Ok(this.borrow::<DevicePort>()?.1 + 1))?;
    registry.field("port", "mac", |_, sim, this| {
        let port = this.borrow::<DevicePort>()?;
        let iface = sim.plan.borrow().node(port.0).ifaces[port.1 as usize];
        Ok(MacAddr::of_iface(iface).to_string())
    })?;
    registry.field("port", "ip", |_, sim, this| {
        let port = this.borrow::<DevicePort>()?;
        let world = sim.world()?;
        let plan = world.plan();
        Ok(plan
            .iface(plan.node(port.0).ifaces[port.1 as usize])
            .address
            .map(|address| address.ip.to_string()))
    })?;
    registry.field("port", "subnet", |_, sim, this| {
        let port = this.borrow::<DevicePort>()?;
        let world = sim.world()?;
        let plan = world.plan();
        let address = plan.iface(plan.node(port.0).ifaces[port.1 as usize]).address;
        Ok(address.map(|address| address.prefix().to_string()))
    })?;
    registry.field("port", "peer", |lua, sim, this| {
        let port = this.borrow::<DevicePort>()?;
        let peer = {
            let plan = sim.plan.borrow();
            plan.neighbor_of(plan.node(port.0).ifaces[port.1 as usize])
        };
        node_handle(lua, sim, peer)
    })?;
    registry.shows("port", |sim, this| {
        let port = this.borrow::<DevicePort>()?;
        Ok(format!("{} port {}", sim.plan.borrow().node(port.0).name, port.1 + 1))
    })?;
    registry.shows("device", |sim, this| Ok(sim.plan.borrow().node(this.borrow::<Device>()?.0).name.clone()))
}

/// Devices have got frames: their functions run, each as a process.
pub(crate) fn deliver(lua: &Lua, sim: &Shared) -> Result<(), Failure> {
    loop {
        let frame = sim.world.borrow_mut().take_frame();
        let Some(frame) = frame else { return Ok(()) };
        if !sim.world.borrow().is_node_up(frame.node) {
            continue;
        }
        let bodies = sim.devices.borrow().get(&frame.node.0).cloned().unwrap_or_default();
        for body in bodies {
            let begin = || -> mlua::Result<_> {
                let port = port_handle(lua, sim, frame.node, frame.port)?;
                let table = frames::to_table(lua, &frame.packet, frame.trace, frame.is_damaged)?;
                let args = MultiValue::from_iter([Value::UserData(port), Value::Table(table)]);
                spawn(lua, sim, body.clone(), args, Some(frame.node), "on_frame", None)
            };
            match begin() {
                Ok(record) => sched::resume(sim, record.id)?,
                Err(error) => {
                    return Err(Failure { error, frames: Vec::new(), record: nobody("on_frame", here(lua)) });
                }
            }
        }
    }
}

/// The token of the callback above.
pub(crate) const TOKEN: u64 = World::DEVICE_TOKEN;

/// The handle of a port; always the same, so that it works as a key.
fn port_handle(lua: &Lua, sim: &Shared, node: NodeId, port: u32) -> mlua::Result<AnyUserData> {
    if let Some(known) = sim.handles.borrow().ports.get(&(node.0, port)) {
        return Ok(known.clone());
    }
    let fresh = lua.create_userdata(DevicePort(node, port))?;
    sim.handles.borrow_mut().ports.insert((node.0, port), fresh.clone());
    Ok(fresh)
}

fn this_device(call: &Call) -> mlua::Result<NodeId> {
    match call.this.as_ref().map(|this| this.borrow::<Device>()) {
        Some(Ok(device)) => Ok(device.0),
        _ => Err(wrong_this(call).into()),
    }
}

fn this_port(call: &Call) -> mlua::Result<(NodeId, u32)> {
    match call.this.as_ref().map(|this| this.borrow::<DevicePort>()) {
        Some(Ok(port)) => Ok((port.0, port.1)),
        _ => Err(wrong_this(call).into()),
    }
}
