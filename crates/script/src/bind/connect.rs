//! Connecting and accepting.

use super::ping::HOST_DOWN;
use super::tcp::TcpHandle;
use crate::call::Call;
use crate::classes::{peer_handle, resolve, wrong_this};
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::sim::{Shared, Sim};
use crate::values::{Peer, Val};
use mlua::{AnyUserData, IntoLuaMulti, Lua, MultiValue, Value};
use tidewire_node::SocketView;
use tidewire_units::{Instant, Interest, NodeId, SocketId};
use tidewire_wire::Endpoint;
use tidewire_world::ProcessId;

pub(super) fn connect(
    lua: &Lua,
    sim: &Shared,
    call: &mut Call,
    socket: AnyUserData,
    gives_socket: bool,
) -> mlua::Result<MultiValue> {
    let Some(Val::Peer(peer)) = call.take(0) else { unreachable!("the table of functions says a peer") };
    let port = call.int(1).map(|port| port as u16);
    let handle = socket.borrow::<TcpHandle>().map_err(|_| wrong_this(call))?;
    let deadline = call.deadline(sim.world.borrow().now(), handle.timeout.get());
    let op = Connect {
        node: handle.node,
        id: handle.id,
        to: peer,
        port,
        begun: false,
        deadline,
        socket: gives_socket.then(|| socket.clone()),
        shown: String::new(),
    };
    drop(handle);
    block_on(lua, sim, Box::new(op))
}

struct Connect {
    node: NodeId,
    id: SocketId,
    to: Peer,
    port: Option<u16>,
    begun: bool,
    deadline: Instant,
    /// Given as the result, if it is to be.
    socket: Option<AnyUserData>,
    shown: String,
}

impl Connect {
    fn try_now(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let failed = |why: &str| (Value::Nil, why).into_lua_multi(lua).map(Some);
        if !self.begun {
            let (ip, port) = match resolve(lua, sim, Some(self.node), &self.to, self.port)? {
                Ok(found) => found,
                Err(why) => return failed(why),
            };
            let port = port.ok_or_else(|| {
                Mistake::new("connect() needs a port: connect(host, 80)").at_word("connect")
            })?;
            self.shown = format!("to {ip}:{port}");
            self.begun = true;
            if let Err(why) = sim.world()?.connect(self.node, self.id, Endpoint::new(ip, port)) {
                return failed(&why.to_string());
            }
        }
        let mut world = sim.world()?;
        if world.wait(me, self.deadline, &[(self.node, self.id, Interest::Connected)]) {
            if let Some(why) = world.failure(self.node, self.id) {
                return failed(&why.to_string());
            }
            if world.view(self.node, self.id).is_none() {
                return failed(if world.is_node_up(self.node) { "closed" } else { HOST_DOWN });
            }
            return match &self.socket {
                Some(socket) => socket.into_lua_multi(lua).map(Some),
                None => true.into_lua_multi(lua).map(Some),
            };
        }
        if world.now() >= self.deadline {
            world.abort(self.node, self.id);
            return failed("timeout");
        }
        Ok(None)
    }
}

impl Op for Connect {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let values = self.try_now(lua, sim, me)?;
        let failed = values.as_ref().is_some_and(|values| values.front().is_some_and(Value::is_nil));
        if self.socket.is_some() && failed {
            // The script has not got the socket, so nobody else could close it.
            sim.world()?.close(self.node, self.id);
        }
        Ok(values)
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("connect()".to_owned(), self.shown.clone())
    }
}

pub(super) struct Accept {
    pub node: NodeId,
    pub id: SocketId,
    pub deadline: Instant,
}

impl Op for Accept {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut world = sim.world()?;
        loop {
            if let Some(child) = world.accept(self.node, self.id) {
                let remote = match world.view(self.node, child) {
                    Some(SocketView::Tcp(_, remote, _)) => Some(remote),
                    _ => None,
                };
                drop(world);
                let conn = lua.create_userdata(TcpHandle::new(self.node, child))?;
                let peer =
                    remote.map(|remote| peer_handle(lua, sim, remote.addr, remote.port)).transpose()?;
                return (conn, peer).into_lua_multi(lua).map(Some);
            }
            if world.view(self.node, self.id).is_none() {
                return (Value::Nil, "closed").into_lua_multi(lua).map(Some);
            }
            if world.now() >= self.deadline {
                return (Value::Nil, "timeout").into_lua_multi(lua).map(Some);
            }
            if !world.wait(me, self.deadline, &[(self.node, self.id, Interest::Incoming)]) {
                return Ok(None);
            }
        }
    }

    fn describe(&self, sim: &Sim) -> (String, String) {
        let world = sim.world.borrow();
        let port = match world.view(self.node, self.id) {
            Some(SocketView::Listener(port, _)) => format!("on port {port}"),
            _ => String::new(),
        };
        ("accept()".to_owned(), port)
    }

    fn is_open_ended(&self) -> bool {
        self.deadline == Instant::MAX
    }
}
