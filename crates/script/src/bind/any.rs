//! `wait_any{}`: for the first of several things, as `select` does.

use crate::call::Call;
use crate::classes::{FlowHandle, Process, Queue, Registry, Signal, TcpHandle, UdpHandle, name_of};
use crate::mistake::Mistake;
use crate::sched::{Op, Record, block_on};
use crate::sim::{Shared, Sim};
use crate::spec::time as spec;
use crate::values::Val;
use mlua::{AnyUserData, IntoLuaMulti, Lua, MultiValue, Value};
use std::rc::Rc;
use tidewire_node::SocketView;
use tidewire_units::{Instant, Interest, NodeId, SocketId};
use tidewire_world::ProcessId;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::WAIT_ANY, |lua, sim, call| {
        let Some(Val::Table(list)) = call.arg(0) else { unreachable!("the table of functions says a table") };
        let mut things = Vec::new();
        for pair in list.pairs::<Value, Value>() {
            let (key, value) = pair?;
            match (&key, &value) {
                (Value::String(name), _) if name.to_string_lossy() == "timeout" => {}
                (Value::Integer(at), Value::UserData(data)) => {
                    things.push((*at, Thing::of(data)?, data.clone()));
                }
                (Value::String(name), _) => {
                    let name = name.to_string_lossy();
                    let text = format!("wait_any takes a list and timeout, not '{name}'");
                    return Err(Mistake::new(text).at_word(name).into());
                }
                (_, other) => return Err(unfit(crate::call::type_name(other)).into()),
            }
        }
        if things.is_empty() {
            return Err(unfit("an empty list").into());
        }
        things.sort_by_key(|(at, ..)| *at);
        let deadline = deadline(lua, sim, list)?;
        block_on(lua, sim, Box::new(WaitAny { things, deadline }))
    })
}

fn unfit(what: &str) -> Mistake {
    Mistake::new(format!(
        "wait_any takes a list of processes, sockets, flows, signals and queues, got {what}"
    ))
    .at_word("wait_any")
    .note("write wait_any { process, socket, timeout = \"1s\" }")
}

fn deadline(lua: &Lua, sim: &Shared, list: &mlua::Table) -> mlua::Result<Instant> {
    let value: Value = list.raw_get("timeout")?;
    if value.is_nil() {
        return Ok(Instant::MAX);
    }
    let kind = crate::spec::Kind::Time;
    match crate::values::convert(lua, sim, kind, &value, "timeout", "option 'timeout' of wait_any")? {
        Val::Span(timeout) => Ok(sim.world.borrow().now() + timeout),
        _ => unreachable!("a time is a span"),
    }
}

enum Thing {
    Process(Rc<Record>),
    Socket(NodeId, SocketId),
    /// A signal, and how often it had been fired.
    Signal(u64),
    Flow,
    /// A queue with something in it.
    Queue,
}

impl Thing {
    fn of(data: &AnyUserData) -> mlua::Result<Thing> {
        if let Ok(process) = data.borrow::<Process>() {
            return Ok(Thing::Process(process.0.clone()));
        }
        if let Ok(socket) = data.borrow::<TcpHandle>() {
            return Ok(Thing::Socket(socket.node, socket.id));
        }
        if let Ok(socket) = data.borrow::<UdpHandle>() {
            return Ok(Thing::Socket(socket.node, socket.id));
        }
        if let Ok(signal) = data.borrow::<Signal>() {
            return Ok(Thing::Signal(signal.0.borrow().fired()));
        }
        if data.is::<Queue>() {
            return Ok(Thing::Queue);
        }
        if let Ok(flow) = data.borrow::<FlowHandle>() {
            flow.must_end()?;
            return Ok(Thing::Flow);
        }
        Err(unfit(&format!("a {}", name_of(data))).into())
    }
}

struct WaitAny {
    /// With their places in the list, in order.
    things: Vec<(i64, Thing, AnyUserData)>,
    deadline: Instant,
}

impl WaitAny {
    /// What is worth waiting for at a socket.
    fn interest(sim: &Sim, node: NodeId, socket: SocketId) -> Interest {
        match sim.world.borrow().view(node, socket) {
            Some(SocketView::Listener(..)) => Interest::Incoming,
            _ => Interest::Readable,
        }
    }

    fn is_ready(thing: &Thing, data: &AnyUserData, sim: &Sim, me: ProcessId) -> mlua::Result<bool> {
        Ok(match thing {
            Thing::Process(record) => !record.is_alive(),
            Thing::Signal(seen) => data.borrow::<Signal>()?.0.borrow().fired() > *seen,
            Thing::Flow => data.borrow::<FlowHandle>()?.is_over(&sim.world.borrow()),
            Thing::Queue => data.borrow::<Queue>()?.0.borrow().has_something(),
            Thing::Socket(node, socket) => {
                let buffered = data.borrow::<TcpHandle>().is_ok_and(|tcp| tcp.has_something());
                let interest = WaitAny::interest(sim, *node, *socket);
                let gone = sim.world.borrow().view(*node, *socket).is_none();
                // A wait that is over at once is no wait; any other is replaced by the next.
                buffered || gone || sim.world()?.wait(me, Instant::MAX, &[(*node, *socket, interest)])
            }
        })
    }
}

impl Op for WaitAny {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        for (at, thing, data) in &self.things {
            if WaitAny::is_ready(thing, data, sim, me)? {
                return (data.clone(), *at).into_lua_multi(lua).map(Some);
            }
        }
        let now = sim.world.borrow().now();
        if now >= self.deadline {
            return (Value::Nil, "timeout").into_lua_multi(lua).map(Some);
        }
        let mut until = self.deadline;
        let mut sockets = Vec::new();
        for (_, thing, data) in &self.things {
            match thing {
                Thing::Process(record) => record.tell(me),
                Thing::Signal(_) => data.borrow::<Signal>()?.0.borrow_mut().tell(me),
                Thing::Queue => data.borrow::<Queue>()?.0.borrow_mut().tell(me),
                Thing::Flow => until = until.min(data.borrow::<FlowHandle>()?.next_look(now)),
                Thing::Socket(node, socket) => {
                    sockets.push((*node, *socket, WaitAny::interest(sim, *node, *socket)));
                }
            }
        }
        sim.world()?.wait(me, until, &sockets);
        Ok(None)
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("wait_any()".to_owned(), format!("for {} things", self.things.len()))
    }
}

/// `host:run(file, ...)`: a program in a file of its own, with globals of its own.
pub(super) fn run(lua: &Lua, sim: &Shared, call: &Call) -> mlua::Result<Process> {
    sim.touch()?;
    let node = crate::classes::this_node(call)?;
    let file = call.text(0).unwrap_or_default();
    let wrong = |why: String| Mistake::new(why).at_word(file).fault(crate::Fault::Io);
    let bytes = sim.files.read(file).map_err(wrong)?;
    let text = String::from_utf8(bytes).map_err(|_| wrong(format!("'{file}' is not a text in UTF-8")))?;
    sim.sources.add(file, &text);
    let globals = lua.create_table()?;
    globals.raw_set("host", call.this.clone())?;
    let beyond = lua.create_table()?;
    beyond.raw_set("__index", lua.globals())?;
    globals.set_metatable(Some(beyond))?;
    let program = lua.load(text).set_name(format!("@{file}")).set_environment(globals);
    let program = program.set_mode(mlua::chunk::ChunkMode::Text).into_function()?;
    let record =
        crate::sched::spawn(lua, sim, program, call.rest.clone(), Some(node), file, crate::sim::here(lua))?;
    Ok(Process(record))
}
