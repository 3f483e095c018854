//! UDP sockets.

use super::tcp::{done, refused};
use crate::call::Call;
use crate::classes::{Registry, peer_handle, resolve, this_node, wrong_this};
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::sim::{Shared, Sim};
use crate::spec::{host, socket as spec};
use crate::values::Val;
use mlua::{IntoLuaMulti, Lua, MultiValue, UserDataRef, Value};
use std::cell::Cell;
use tidewire_node::SocketView;
use tidewire_units::{Instant, Interest, NodeId, SocketId, Span};
use tidewire_wire::{Ecn, Endpoint, Payload};
use tidewire_world::ProcessId;

/// A UDP socket, as scripts hold it.
pub(crate) struct UdpHandle {
    pub(super) node: NodeId,
    pub(super) id: SocketId,
    timeout: Cell<Option<Span>>,
    closed: Cell<bool>,
}

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&host::UDP_SOCKET, |lua, sim, call| {
        let node = this_node(&call)?;
        let port = call.int(0).unwrap_or(0) as u16;
        let opened = sim.world()?.udp(node, port);
        match opened {
            Ok(id) => {
                if let Some(ttl) = call.opts().int("ttl") {
                    sim.world()?.set_ttl(node, id, ttl as u8);
                }
                if let Some(dscp) = call.opts().int("dscp") {
                    sim.world()?.set_dscp(node, id, dscp as u8);
                }
                if let Some(whole) = call.opts().flag("dont_fragment") {
                    sim.world()?.set_dont_fragment(node, id, Some(whole));
                }
                let handle = UdpHandle { node, id, timeout: Cell::new(None), closed: Cell::new(false) };
                lua.create_userdata(handle)?.into_lua_multi(lua)
            }
            Err(why) => refused(lua, why),
        }
    })?;
    registry.add(&spec::UDP_SENDTO, |lua, sim, mut call| {
        let Some(Val::Peer(peer)) = call.take(1) else { unreachable!("the table of functions says a peer") };
        let port = call.int(2).map(|port| port as u16);
        let node = this(&call)?.node;
        let (ip, port) = match resolve(lua, sim, Some(node), &peer, port)? {
            Ok(found) => found,
            Err(why) => return (Value::Nil, why).into_lua_multi(lua),
        };
        let port = port.ok_or_else(|| {
            Mistake::new("sendto() needs a port: sendto(data, host, port)").at_word("sendto")
        })?;
        send(lua, sim, &mut call, Some(Endpoint::new(ip, port)))
    })?;
    registry.add(&spec::UDP_SEND, |lua, sim, mut call| {
        let alone = {
            let socket = this(&call)?;
            let world = sim.world()?;
            matches!(world.view(socket.node, socket.id), Some(SocketView::Udp(_, None, _)))
        };
        if alone {
            return Err(Mistake::new("send() on a socket without a peer")
                .at_word("send")
                .note("write u:connect(host, port) first, or u:sendto(data, host, port)")
                .into());
        }
        send(lua, sim, &mut call, None)
    })?;
    registry.add(&spec::UDP_CONNECT, |lua, sim, mut call| {
        let Some(Val::Peer(peer)) = call.take(0) else { unreachable!("the table of functions says a peer") };
        let port = call.int(1).map(|port| port as u16);
        let node = this(&call)?.node;
        let (ip, port) = match resolve(lua, sim, Some(node), &peer, port)? {
            Ok(found) => found,
            Err(why) => return (Value::Nil, why).into_lua_multi(lua),
        };
        let port = port
            .ok_or_else(|| Mistake::new("connect() needs a port: connect(host, port)").at_word("connect"))?;
        let socket = this(&call)?;
        let result = sim.world()?.udp_connect(socket.node, socket.id, Endpoint::new(ip, port));
        done(lua, result)
    })?;
    registry.add(&spec::UDP_RECVFROM, |lua, sim, call| receive(lua, sim, &call, Gives::Peer))?;
    registry.add(&spec::UDP_RECEIVEFROM, |lua, sim, call| receive(lua, sim, &call, Gives::Address))?;
    registry.add(&spec::UDP_RECEIVE, |lua, sim, call| receive(lua, sim, &call, Gives::Data))?;
    registry.add(&spec::UDP_RECV, |lua, sim, call| receive(lua, sim, &call, Gives::Data))?;
    registry.add(&spec::UDP_SETTIMEOUT, |_, _, call| {
        this(&call)?.timeout.set(call.arg(0).and_then(Val::span));
        Ok(())
    })?;
    registry.add(&spec::UDP_JOIN, |lua, sim, call| {
        let joined = listen(sim, &call, true)?;
        if joined { true.into_lua_multi(lua) } else { (Value::Nil, "in use").into_lua_multi(lua) }
    })?;
    registry.add(&spec::UDP_LEAVE, |lua, sim, call| {
        let left = listen(sim, &call, false)?;
        if left { true.into_lua_multi(lua) } else { (Value::Nil, "closed").into_lua_multi(lua) }
    })?;
    registry.add(&spec::UDP_CLOSE, |_, sim, call| {
        let socket = this(&call)?;
        if !socket.closed.replace(true) {
            let mut world = sim.world()?;
            let groups = world.sockets(socket.node).map(|all| all.groups_of(socket.id)).unwrap_or_default();
            for group in groups {
                world.listen_to(socket.node, socket.id, group, false);
            }
            drop(world);
            sim.world()?.close(socket.node, socket.id);
        }
        Ok(())
    })?;
    registry.field("udp", "local_addr", |lua, sim, this| {
        let (node, id) = this.borrow::<UdpHandle>().map(|socket| (socket.node, socket.id))?;
        let port = match sim.world()?.view(node, id) {
            Some(SocketView::Udp(port, ..)) => Some(port),
            _ => None,
        };
        let ip = sim.world()?.address_of(node);
        ip.zip(port).map(|(ip, port)| peer_handle(lua, sim, ip, port)).transpose()
    })?;
    registry.field("udp", "peer", |lua, sim, this| {
        let (node, id) = this.borrow::<UdpHandle>().map(|socket| (socket.node, socket.id))?;
        let peer = match sim.world()?.view(node, id) {
            Some(SocketView::Udp(_, peer, _)) => peer,
            _ => None,
        };
        peer.map(|end| peer_handle(lua, sim, end.addr, end.port)).transpose()
    })?;
    registry.field("udp", "port", |_, sim, this| {
        let socket = this.borrow::<UdpHandle>()?;
        let world = sim.world()?;
        Ok(match world.view(socket.node, socket.id) {
            Some(SocketView::Udp(port, ..)) => Some(port),
            _ => None,
        })
    })?;
    registry.shows("udp", |sim, this| {
        let socket = this.borrow::<UdpHandle>()?;
        let world = sim.world.borrow();
        Ok(match world.view(socket.node, socket.id) {
            Some(SocketView::Udp(port, ..)) => format!("udp *:{port}"),
            _ => "udp closed".to_owned(),
        })
    })
}

/// `udp:join` and `udp:leave`.
fn listen(sim: &Shared, call: &Call, on: bool) -> mlua::Result<bool> {
    let text = call.text(0).unwrap_or_default();
    let group = text.parse::<std::net::Ipv4Addr>().ok().filter(|group| group.is_multicast());
    let group = group.ok_or_else(|| {
        Mistake::new(format!("'{text}' is not a group: groups are 224.0.0.0 to 239.255.255.255"))
            .at_word(text)
            .note("239.0.0.0 to 239.255.255.255 are for whatever you like")
    })?;
    let socket = this(call)?;
    Ok(sim.world()?.listen_to(socket.node, socket.id, group, on))
}

fn this(call: &Call) -> mlua::Result<UserDataRef<UdpHandle>> {
    let this = call.this.as_ref().and_then(|this| this.borrow::<UdpHandle>().ok());
    Ok(this.ok_or_else(|| wrong_this(call))?)
}

fn send(lua: &Lua, sim: &Shared, call: &mut Call, to: Option<Endpoint>) -> mlua::Result<MultiValue> {
    let Some(Val::Data(data)) = call.take(0) else { unreachable!("the table of functions says data") };
    let socket = this(call)?;
    let n = data.len();
    let result = sim.world()?.send_to(socket.node, socket.id, Payload::Data(data), to);
    match result {
        Ok(()) => n.into_lua_multi(lua),
        Err(why) => refused(lua, why),
    }
}

fn receive(lua: &Lua, sim: &Shared, call: &Call, gives: Gives) -> mlua::Result<MultiValue> {
    let socket = this(call)?;
    let deadline = call.deadline(sim.world.borrow().now(), socket.timeout.get());
    let op = RecvFrom { node: socket.node, id: socket.id, deadline, gives };
    block_on(lua, sim, Box::new(op))
}

struct RecvFrom {
    node: NodeId,
    id: SocketId,
    deadline: Instant,
    gives: Gives,
}

/// What comes with a datagram's data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gives {
    /// Nothing.
    Data,
    /// The sender, and what is known of the way.
    Peer,
    /// The sender's address and port, as LuaSocket gives them.
    Address,
}

impl Op for RecvFrom {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut world = sim.world()?;
        loop {
            match world.recv_from(self.node, self.id) {
                Ok(Some(datagram)) => {
                    let data = lua.create_string(&*datagram.payload.to_bytes())?;
                    match self.gives {
                        Gives::Data => return data.into_lua_multi(lua).map(Some),
                        Gives::Address => {
                            let from = datagram.from;
                            let ip = world.shown(from.addr).to_string();
                            return (data, ip, from.port).into_lua_multi(lua).map(Some);
                        }
                        Gives::Peer => drop(world),
                    }
                    let peer = peer_handle(lua, sim, datagram.from.addr, datagram.from.port)?;
                    let info = lua.create_table_with_capacity(0, 5)?;
                    let delay = datagram.sent_at.map(|at| datagram.arrived_at.since(at).as_secs_f64());
                    info.raw_set("delay", delay)?;
                    info.raw_set("sent_at", datagram.sent_at.map(|at| at.as_secs_f64()))?;
                    info.raw_set("ttl", datagram.ttl)?;
                    info.raw_set("hops", 64 - i64::from(datagram.ttl) + 1)?;
                    info.raw_set("ecn", datagram.ecn == Ecn::Congestion)?;
                    return (data, peer, info).into_lua_multi(lua).map(Some);
                }
                Ok(None) => {}
                Err(why) => return refused(lua, why).map(Some),
            }
            if world.now() >= self.deadline {
                return (Value::Nil, "timeout").into_lua_multi(lua).map(Some);
            }
            if !world.wait(me, self.deadline, &[(self.node, self.id, Interest::Readable)]) {
                return Ok(None);
            }
        }
    }

    fn describe(&self, sim: &Sim) -> (String, String) {
        let what = if self.gives == Gives::Data { "recv()" } else { "recvfrom()" };
        let world = sim.world.borrow();
        let port = match world.view(self.node, self.id) {
            Some(SocketView::Udp(port, ..)) => format!("on UDP port {port}"),
            _ => String::new(),
        };
        (what.to_owned(), port)
    }
}
