//! TCP sockets: opening, listening, connecting, closing, and what can be seen of them.

use super::connect::{Accept, connect};
use super::info::info;
use super::tcp_options::{set_option, tcp_config};
use crate::call::{Call, Opts};
use crate::classes::{Registry, peer_handle, this_node, wrong_this};
use crate::mistake::Mistake;
use crate::sched::block_on;
use crate::sim::Shared;
use crate::spec::{host as spec, socket};
use crate::values::{Val, whole};
use bytes::BytesMut;
use mlua::{AnyUserData, Function, IntoLuaMulti, Lua, MultiValue, UserDataRef, Value};
use std::cell::{Cell, OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use tidewire_l4_transport::TcpConfig;
use tidewire_l7_application::tls::Session;
use tidewire_node::SocketView;
use tidewire_units::{NodeId, Refusal, SocketId, Span};
use tidewire_wire::{Endpoint, Payload};
use tidewire_world::{Watched, World};

/// A TCP socket, as scripts hold it.
pub(crate) struct TcpHandle {
    pub node: NodeId,
    pub id: SocketId,
    /// Limit of every wait, from `settimeout`.
    pub timeout: Cell<Option<Span>>,
    /// Bytes taken from the connection and not given to the script.
    pub buffer: RefCell<BytesMut>,
    pub closed: Cell<bool>,
    /// What protects the bytes.
    pub tls: RefCell<Option<Box<Session>>>,
    listening: Cell<bool>,
}

impl TcpHandle {
    /// Whether bytes wait here, or nothing will ever come.
    pub(super) fn has_something(&self) -> bool {
        self.closed.get() || !self.buffer.borrow().is_empty()
    }

    pub(super) fn new(node: NodeId, id: SocketId) -> TcpHandle {
        TcpHandle {
            node,
            id,
            timeout: Cell::new(None),
            buffer: RefCell::default(),
            closed: Cell::new(false),
            tls: RefCell::default(),
            listening: Cell::new(false),
        }
    }

    /// Takes what has arrived, at most `max` bytes.
    pub(super) fn take(&self, world: &mut World, max: usize) -> Result<Option<Payload>, Refusal> {
        super::tls::take(world, self, max)
    }
}

/// What the methods of sockets that loop are made of; they are iterators and processes, best said in Lua.
const LINES: &str = "return function(self, o) return function() return (self:recv_line(o)) end end";
const CHUNKS: &str = "return function(self, n) return function() return (self:recv(n)) end end";
const CONNECTIONS: &str = "return function(self, o) return function() return self:accept(o) end end";

const LOOPS: &str = r#"
local spawn = ...
local function serve_one(f, conn, peer)
  f(conn, peer)
  conn:close()
end
return function(host, server, f, workers)
  if not workers then
    return spawn(host, function()
      for conn, peer in server:connections() do spawn(host, serve_one, f, conn, peer) end
    end)
  end
  local first
  for _ = 1, workers do
    local process = spawn(host, function()
      for conn, peer in server:connections() do serve_one(f, conn, peer) end
    end)
    first = first or process
  end
  return first
end
"#;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::TCP_SOCKET, |lua, sim, call| {
        let node = this_node(&call)?;
        open(lua, sim, node, call.opts())
    })?;
    registry.add(&spec::LISTEN, |lua, sim, call| {
        let node = this_node(&call)?;
        listen_on(lua, sim, node, &call)
    })?;
    registry.add(&spec::CONNECT, |lua, sim, mut call| {
        let node = this_node(&call)?;
        let socket = open(lua, sim, node, call.opts())?;
        connect(lua, sim, &mut call, socket, true)
    })?;
    registry.add(&socket::CONNECT, |lua, sim, mut call| {
        let socket = call.this.clone().ok_or_else(|| wrong_this(&call))?;
        connect(lua, sim, &mut call, socket, false)
    })?;
    registry.add(&socket::BIND, bind)?;
    registry.add(&socket::LISTEN, |lua, sim, call| {
        let socket = this(&call)?;
        let backlog = call.int(0).unwrap_or(128) as usize;
        let result = sim.world()?.listen(socket.node, socket.id, backlog);
        socket.listening.set(result.is_ok());
        if result == Err(Refusal::Invalid) {
            return Err(Mistake::new("listen() needs a port: call bind(port) first")
                .at_word("listen")
                .into());
        }
        done(lua, result)
    })?;
    registry.add(&socket::ACCEPT, |lua, sim, call| {
        let socket = this(&call)?;
        if !socket.listening.get() {
            return Err(Mistake::new(
                "accept() needs a listening socket: call bind(port) and listen() first",
            )
            .at_word("accept")
            .into());
        }
        let deadline = call.deadline(sim.world.borrow().now(), socket.timeout.get());
        block_on(lua, sim, Box::new(Accept { node: socket.node, id: socket.id, deadline }))
    })?;
    registry.add(&socket::SETTIMEOUT, |_, _, call| {
        this(&call)?.timeout.set(call.arg(0).and_then(Val::span));
        Ok(())
    })?;
    registry.add(&socket::SETOPTION, set_option)?;
    registry.add(&socket::SHUTDOWN, |_, sim, call| {
        let socket = this(&call)?;
        sim.world()?.shutdown_send(socket.node, socket.id);
        Ok(())
    })?;
    registry.add(&socket::CLOSE, |_, sim, call| {
        let socket = this(&call)?;
        if !socket.closed.replace(true) {
            sim.world()?.close(socket.node, socket.id);
        }
        Ok(())
    })?;
    registry.add(&socket::ABORT, |_, sim, call| {
        let socket = this(&call)?;
        if !socket.closed.replace(true) {
            sim.world()?.abort(socket.node, socket.id);
        }
        Ok(())
    })?;
    registry.add(&socket::TCP_WATCH, |_, sim, call| {
        let socket = this(&call)?;
        super::link::watch(sim, &call, &[Watched::Socket(socket.node, socket.id)])
    })?;
    loops(registry)?;
    fields(registry)
}

fn loops(registry: &mut Registry<'_>) -> mlua::Result<()> {
    for (name, text) in [("lines", LINES), ("chunks", CHUNKS), ("connections", CONNECTIONS)] {
        registry.later.method("tcp", name, move |lua, _| crate::state::compiled(lua, text)?.call(()));
    }
    // Not held: a method that nobody asks for is itself kept there, and the run would never be let go of.
    let (later, serve) = (Rc::downgrade(&registry.later), OnceCell::<Function>::new());
    registry.add(&spec::SERVE, move |lua, sim, mut call| {
        if serve.get().is_none() {
            let later = later.upgrade().expect("the types last as long as the state");
            let spawn = later.get(lua, "host", "spawn")?;
            let _ = serve.set(crate::state::compiled(lua, LOOPS)?.call(spawn)?);
        }
        let node = this_node(&call)?;
        let function = call.function(1).ok_or_else(|| Mistake::new("host:serve needs a function"))?;
        let listening = listen_on(lua, sim, node, &call)?;
        let Some(server) = listening.front().and_then(Value::as_userdata).cloned() else {
            return Ok(listening);
        };
        let host = crate::classes::node_handle(lua, sim, node)?;
        let serve = serve.get().expect("made above");
        serve.call::<MultiValue>((host, server, function, call.opts().int("workers")))
    })
}

fn fields(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.field("tcp", "state", |_, sim, this| {
        let socket = this.borrow::<TcpHandle>()?;
        let world = sim.world()?;
        Ok(match world.view(socket.node, socket.id) {
            Some(SocketView::Tcp(_, _, conn)) => conn.state().name(),
            Some(SocketView::Listener(..)) => "LISTEN",
            _ => "CLOSED",
        })
    })?;
    registry.field("tcp", "peer", |lua, sim, this| endpoint(lua, sim, &this, |_, remote| remote))?;
    registry.field("tcp", "local_addr", |lua, sim, this| endpoint(lua, sim, &this, |local, _| local))?;
    registry.field("tcp", "port", |_, sim, this| {
        let socket = this.borrow::<TcpHandle>()?;
        let world = sim.world()?;
        Ok(match world.view(socket.node, socket.id) {
            Some(SocketView::Tcp(local, ..)) => Some(local.port),
            Some(SocketView::Listener(port, _)) | Some(SocketView::Unbound(port)) => Some(port),
            _ => None,
        })
    })?;
    registry.field("tcp", "info", |lua, sim, this| {
        let socket = this.borrow::<TcpHandle>()?;
        let world = sim.world()?;
        match world.view(socket.node, socket.id) {
            Some(SocketView::Tcp(_, _, conn)) => info(lua, &conn, world.now()).map(Some),
            _ => Ok(None),
        }
    })?;
    registry.shows("tcp", |sim, this| {
        let socket = this.borrow::<TcpHandle>()?;
        let world = sim.world.borrow();
        Ok(match world.view(socket.node, socket.id) {
            Some(SocketView::Tcp(local, remote, conn)) => {
                let [local, remote] =
                    [local, remote].map(|end| SocketAddr::new(world.shown(end.addr), end.port));
                format!("tcp {local} -> {remote} {}", conn.state())
            }
            Some(SocketView::Listener(port, _)) => format!("tcp *:{port} LISTEN"),
            Some(SocketView::Unbound(port)) => format!("tcp *:{port}"),
            _ => "tcp CLOSED".to_owned(),
        })
    })
}

/// The socket that a method was called on.
pub(super) fn this(call: &Call) -> mlua::Result<UserDataRef<TcpHandle>> {
    let this = call.this.as_ref().and_then(|this| this.borrow::<TcpHandle>().ok());
    Ok(this.ok_or_else(|| wrong_this(call))?)
}

fn open(lua: &Lua, sim: &Shared, node: NodeId, opts: &Opts) -> mlua::Result<AnyUserData> {
    let mut world = sim.world()?;
    let config = own_config(sim, &world.tcp_config(node), opts)?;
    let id = world.tcp(node, config);
    lua.create_userdata(TcpHandle::new(node, id))
}

/// The settings of a socket: the host's, changed by options; `None` when nothing is changed.
pub(super) fn own_config(
    sim: &Shared,
    base: &TcpConfig,
    opts: &Opts,
) -> Result<Option<Arc<TcpConfig>>, Mistake> {
    let config = tcp_config(sim, opts, base)?;
    Ok(Some(Arc::new(config)))
}

/// `true`, or `nil` and the reason.
pub(super) fn done(lua: &Lua, result: Result<(), Refusal>) -> mlua::Result<MultiValue> {
    match result {
        Ok(()) => true.into_lua_multi(lua),
        Err(why) => refused(lua, why),
    }
}

/// `nil` and the reason.
pub(super) fn refused(lua: &Lua, why: Refusal) -> mlua::Result<MultiValue> {
    (Value::Nil, why.to_string()).into_lua_multi(lua)
}

fn bind(lua: &Lua, sim: &Shared, call: Call) -> mlua::Result<MultiValue> {
    let socket = this(&call)?;
    // bind(port), or bind(host, port) as in other languages.
    let value = call.arg(1).or(call.arg(0));
    let port = match value {
        Some(Val::Any(value)) => whole(value),
        _ => None,
    };
    let port = port.ok_or_else(|| Mistake::new("bind() needs a port: bind(9999)").at_word("bind"))?;
    let port = u16::try_from(port).map_err(|_| {
        Mistake::new(format!("{port} is not a port: ports are 0 to 65535")).at_word(port.to_string())
    })?;
    let result = sim.world()?.bind(socket.node, socket.id, port);
    done(lua, result.map(drop))
}

fn listen_on(lua: &Lua, sim: &Shared, node: NodeId, call: &Call) -> mlua::Result<MultiValue> {
    let port = call.int(0).unwrap_or(0) as u16;
    let backlog = call.opts().int("backlog").unwrap_or(128) as usize;
    let mut world = sim.world()?;
    let config = own_config(sim, &world.tcp_config(node), call.opts())?;
    let id = world.tcp(node, config);
    let result = world.bind(node, id, port).and_then(|_| world.listen(node, id, backlog));
    match result {
        Ok(()) => {
            let handle = TcpHandle::new(node, id);
            handle.listening.set(true);
            lua.create_userdata(handle)?.into_lua_multi(lua)
        }
        Err(why) => {
            world.close(node, id);
            refused(lua, why)
        }
    }
}

fn endpoint(
    lua: &Lua,
    sim: &Shared,
    this: &AnyUserData,
    pick: impl FnOnce(Endpoint, Endpoint) -> Endpoint,
) -> mlua::Result<Option<AnyUserData>> {
    let socket = this.borrow::<TcpHandle>()?;
    let found = match sim.world()?.view(socket.node, socket.id) {
        Some(SocketView::Tcp(local, remote, _)) => Some(pick(local, remote)),
        _ => None,
    };
    found.map(|end| peer_handle(lua, sim, end.addr, end.port)).transpose()
}
