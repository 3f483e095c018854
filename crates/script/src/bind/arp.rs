//! ARP by hand: announcements, entries that stay, and forged packets.

use crate::call::Call;
use crate::classes::{Registry, resolve, this_node};
use crate::mistake::Mistake;
use crate::sim::Shared;
use crate::spec::host as spec;
use crate::values::Val;
use mlua::Lua;
use std::net::Ipv4Addr;
use tidewire_units::NodeId;
use tidewire_wire::{ArpOperation, ArpPacket, MacAddr, MacKey};
use tidewire_world::World;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::ARP_ANNOUNCE, |_, sim, call| {
        let node = this_node(&call)?;
        sim.world()?.announce_addresses(node);
        Ok(())
    })?;
    registry.add(&spec::ARP_SET, |_, sim, call| {
        let node = this_node(&call)?;
        let ip = address(call.text(0).unwrap_or_default())?;
        let mac = mac(call.text(1).unwrap_or_default())?;
        let mut world = sim.world()?;
        let port = port_to(&world, node, ip)?;
        world.pin_neighbor(node, port, ip, mac);
        Ok(())
    })?;
    registry.add(&spec::ARP_SEND, |lua, sim, call| send(lua, sim, &call))?;
    registry.add(&spec::PROXY_ARP, |_, sim, call| {
        let node = this_node(&call)?;
        let on = !matches!(call.arg(0), Some(Val::Bool(false)));
        sim.world()?.set_proxy_arp(node, on);
        Ok(())
    })
}

fn send(lua: &Lua, sim: &Shared, call: &Call) -> mlua::Result<()> {
    let node = this_node(call)?;
    let opts = call.opts();
    let claimed = address(call.required("ip", opts.text("ip"))?)?;
    let to = match opts.get("to") {
        Some(Val::Peer(peer)) => match resolve(lua, sim, Some(node), peer, None)? {
            Ok((ip, _)) => Some(ip),
            Err(why) => return Err(Mistake::new(format!("nobody to send to: {why}")).at_word("to").into()),
        },
        _ => None,
    };
    let mut world = sim.world()?;
    let port = port_to(&world, node, to.unwrap_or(claimed))?;
    let own = MacKey::of(world.plan().node(node).ifaces[port as usize]);
    let sender = opts.text("mac").map(mac).transpose()?.unwrap_or(own);
    // The frame goes to whoever has the address in truth: the plan knows.
    let target = to.and_then(|ip| world.owner_of(ip)).map(MacKey::of);
    let is_request = opts.text("op") == Some("request");
    let arp = ArpPacket {
        operation: if is_request { ArpOperation::Request } else { ArpOperation::Reply },
        sender_mac: sender.mac(),
        sender_ip: claimed,
        target_mac: target.map_or(MacAddr([0; 6]), MacKey::mac),
        target_ip: to.unwrap_or(claimed),
    };
    world.send_arp(node, port, arp, target.unwrap_or(MacKey::BROADCAST));
    Ok(())
}

fn address(text: &str) -> Result<Ipv4Addr, Mistake> {
    text.parse().map_err(|_| Mistake::new(format!("'{text}' is not an IPv4 address")).at_word(text))
}

fn mac(text: &str) -> Result<MacKey, Mistake> {
    let key = text.parse().ok().and_then(MacKey::from_mac);
    key.ok_or_else(|| {
        Mistake::new(format!("'{text}' is not a MAC address of this network: take one from host.mac"))
            .at_word(text)
    })
}

/// The port of a node on the network of an address.
fn port_to(world: &World, node: NodeId, ip: Ipv4Addr) -> Result<u32, Mistake> {
    let stack = world.ip_node(node).map(|node| &node.stack);
    let port = stack.and_then(|stack| {
        stack
            .ifaces
            .iter()
            .position(|iface| iface.framed && iface.prefix.contains(ip) && !iface.addr.is_unspecified())
    });
    port.map(|port| port as u32).ok_or_else(|| {
        let name = &world.plan().node(node).name;
        let is_bare = stack.is_some_and(|stack| {
            stack
                .ifaces
                .iter()
                .any(|iface| !iface.framed && iface.prefix.contains(ip) && !iface.addr.is_unspecified())
        });
        if is_bare {
            return Mistake::new(format!(
                "the link from '{name}' to {ip} has no MAC addresses, so there is no ARP"
            ))
            .at_word(ip.to_string())
            .note("links framed as \"ip\" or \"ppp\" have two ends and nobody to ask; leave framing out");
        }
        Mistake::new(format!("{ip} is on no network of '{name}': ARP reaches neighbours only"))
            .at_word(ip.to_string())
    })
}
