//! What the modules of stores and queues stand on: servers' states, and their protocols on the script's connections.

use super::Natives;
use super::http::deadline;
use super::tcp::{TcpHandle, refused};
use crate::classes::Registry;
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::services::Loader;
use crate::sim::{Shared, Sim};
use crate::spec::chain as spec;
use bytes::BytesMut;
use mlua::{AnyUserData, IntoLua, IntoLuaMulti, Lua, MultiValue, Table, UserData, UserDataMethods, Value};
use std::cell::RefCell;
use tidewire_l7_application::broker::{self, Broker, Command};
use tidewire_l7_application::postgres;
use tidewire_l7_application::store::{Limits, Reply, Store, read_command, read_reply, write_command};
use tidewire_units::{Instant, Interest, Refusal, Span};
use tidewire_world::ProcessId;

pub(super) fn install(registry: &Registry<'_>, services: &Loader) -> mlua::Result<()> {
    services.add(registry, &spec::HTTP_BALANCER, "frontend")?;
    for func in [&spec::CACHE_SERVER, &spec::CACHE_CLIENT] {
        services.add(registry, func, "store")?;
    }
    for func in [&spec::QUEUE_SERVER, &spec::QUEUE_CLIENT, &spec::QUEUE_WORKERS] {
        services.add(registry, func, "tasks")?;
    }
    for func in [&spec::DATABASE_SERVER, &spec::DATABASE_CLIENT] {
        services.add(registry, func, "database")?;
    }
    services.add(registry, &spec::WEB_CHAIN, "chain")?;
    services.add(registry, &spec::TRACE, "trace")
}

/// For how long a program that waits may hope for somebody who only pauses.
const PATIENCE_S: f64 = 3600.0;

struct Pause {
    until: Instant,
    patient: bool,
    armed: bool,
}

impl Op for Pause {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        if sim.now() >= self.until {
            return Ok(Some(MultiValue::new()));
        }
        if !self.armed {
            self.armed = true;
            let shared = sim.clone();
            let wake = lua.create_function(move |_, ()| {
                shared.world()?.wake(me);
                Ok(())
            })?;
            crate::sched::schedule_in_background(lua, sim, self.until, wake, "pause")?;
        }
        sim.world()?.wait(me, Instant::MAX, &[]);
        Ok(None)
    }

    fn patience(&self, sim: &Sim) -> Option<Span> {
        self.patient.then(|| self.until - sim.now() + Span::from_secs(1))
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("sleep()".to_owned(), format!("until t = {}, to try again", self.until))
    }
}

/// Functions that only the modules see.
pub(super) fn natives(native: &Natives<'_>) -> mlua::Result<()> {
    native.add("store", |_, _, (bytes, entries, evicts): (Option<u64>, Option<usize>, bool)| {
        let limits =
            Limits { bytes: bytes.unwrap_or(u64::MAX), entries: entries.unwrap_or(usize::MAX), evicts };
        Ok(StoreHandle(RefCell::new(Store::new(limits))))
    })?;
    // Executes the commands that have come: how many, and the replies; nil and why at the end.
    native.wait("store_serve", |lua, sim, (socket, store): (AnyUserData, AnyUserData)| {
        block_on(lua, sim, Box::new(Framed { socket, what: What::Store(store), deadline: Instant::MAX }))
    })?;
    native.add("resp", |lua, _, words: MultiValue| {
        let words = words.iter().map(word).collect::<mlua::Result<Vec<_>>>()?;
        let mut out = BytesMut::new();
        write_command(words.iter().map(|word| &word[..]), &mut out);
        lua.create_string(&out[..])
    })?;
    // A reply: true, and its value; false, and the text of an error; nil, and why there is none.
    native.wait("resp_read", |lua, sim, (socket, timeout): (AnyUserData, Option<f64>)| {
        let deadline = deadline(sim, timeout);
        block_on(lua, sim, Box::new(Framed { socket, what: What::Reply, deadline }))
    })?;
    // A sleep that keeps no run alive; `since` is when what it belongs to has begun.
    native.wait("pause", |lua, sim, (seconds, since): (f64, f64)| {
        let now = sim.now();
        let patient = now.as_secs_f64() - since < PATIENCE_S;
        block_on(
            lua,
            sim,
            Box::new(Pause { until: now + Span::from_secs_f64(seconds), patient, armed: false }),
        )
    })?;
    // The kind of a message and how many bytes follow, or nil.
    native.add("database_head", |lua, _, head: mlua::LuaString| {
        match (*head.as_bytes()).try_into().ok().and_then(postgres::head) {
            Some((kind, rest)) => (lua.create_string([kind])?, rest).into_lua_multi(lua),
            None => Value::Nil.into_lua_multi(lua),
        }
    })?;
    native.add("database_startup", |_, _, length: mlua::LuaString| {
        Ok((*length.as_bytes()).try_into().ok().and_then(postgres::startup))
    })?;
    native.add("broker", |_, sim, capacity: Option<usize>| {
        let from = sim.world.borrow().warmup();
        Ok(BrokerHandle(RefCell::new(Broker::new(capacity.unwrap_or(usize::MAX), from))))
    })?;
    // Executes one command: its name; nil and why at the end, or "bad command" and what to answer.
    native.wait("broker_serve", |lua, sim, (socket, broker, conn): (AnyUserData, AnyUserData, u64)| {
        let what = What::Broker(broker, conn);
        block_on(lua, sim, Box::new(Framed { socket, what, deadline: Instant::MAX }))
    })
}

fn word(value: &Value) -> mlua::Result<Vec<u8>> {
    match value {
        Value::String(text) => Ok(text.as_bytes().to_vec()),
        other => Ok(crate::values::text(other)
            .ok_or_else(|| {
                let got = crate::call::type_name(other);
                Mistake::new(format!("commands are made of texts and numbers, got a {got}"))
            })?
            .into_bytes()),
    }
}

struct StoreHandle(RefCell<Store>);

impl UserData for StoreHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("clear", |_, this, ()| {
            this.0.borrow_mut().clear();
            Ok(())
        });
        methods.add_method("count", |_, this, name: String| {
            let store = this.0.borrow();
            let counts = store.counts();
            Ok(match &*name {
                "hits" => counts.hits,
                "misses" => counts.misses,
                "sets" => counts.sets,
                "evictions" => counts.evictions,
                "expired" => counts.expired,
                "commands" => counts.commands,
                "bytes" => store.bytes(),
                _ => store.len() as u64,
            })
        });
    }
}

struct BrokerHandle(RefCell<Broker>);

impl UserData for BrokerHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        // The next answer: for which connection, and its text.
        methods.add_method("reply", |lua, this, ()| {
            let reply = this.0.borrow_mut().poll_reply();
            match reply {
                Some((conn, text)) => (conn, lua.create_string(text)?).into_lua_multi(lua),
                None => Value::Nil.into_lua_multi(lua),
            }
        });
        methods.add_method("disconnect", |_, this, (conn, now): (u64, i64)| {
            this.0.borrow_mut().disconnect(instant(now), conn);
            Ok(())
        });
        methods.add_method("advance", |_, this, now: i64| {
            this.0.borrow_mut().advance(instant(now));
            Ok(())
        });
        methods.add_method("restart", |_, this, (now, durable): (i64, bool)| {
            this.0.borrow_mut().restart(instant(now), durable);
            Ok(())
        });
        // In how many seconds there is something to do.
        methods.add_method("timeout", |_, this, now: i64| {
            let next = this.0.borrow().next_timeout();
            Ok(next.map(|at| at.since(instant(now)).as_secs_f64()))
        });
        methods.add_method("count", |_, this, (name, now): (String, i64)| {
            let broker = this.0.borrow();
            Ok(count(&broker, &name, instant(now)))
        });
    }
}

fn count(broker: &Broker, name: &str, now: Instant) -> Value {
    let (counts, (ready, reserved, other), means) = (broker.counts(), broker.present(), broker.means(now));
    let whole = match name {
        "put" => counts.put,
        "refused" => counts.refused,
        "reserved" => counts.reserved,
        "done" => counts.done,
        "released" => counts.released,
        "timeouts" => counts.timeouts,
        "orphaned" => counts.orphaned,
        "redelivered" => counts.redelivered,
        "not_found" => counts.not_found,
        "buried" => counts.buried,
        "lost" => counts.lost,
        "waiting" => ready,
        "working" => reserved,
        "delayed" => other,
        "mean_waiting" => return Value::Number(means.waiting),
        "mean_present" => return Value::Number(means.present),
        "mean_wait" => return Value::Number(means.wait_s),
        _ => return Value::Nil,
    };
    Value::Integer(whole as i64)
}

fn instant(ps: i64) -> Instant {
    Instant::ZERO + Span::from_ps(ps.max(0) as u64)
}

enum What {
    Store(AnyUserData),
    Reply,
    Broker(AnyUserData, u64),
}

/// Waits until a message of a protocol is there, and does what it says.
struct Framed {
    socket: AnyUserData,
    what: What,
    deadline: Instant,
}

impl Framed {
    fn buffered(&self, lua: &Lua, sim: &Sim, input: &mut BytesMut) -> mlua::Result<Option<MultiValue>> {
        let bad = |why: &str| (Value::Nil, "bad message", why).into_lua_multi(lua).map(Some);
        match &self.what {
            What::Reply => match read_reply(input) {
                Ok(None) => Ok(None),
                Ok(Some(Reply::Error(why))) => (false, why).into_lua_multi(lua).map(Some),
                Ok(Some(reply)) => (true, value(lua, &reply)?).into_lua_multi(lua).map(Some),
                Err(why) => bad(why.0),
            },
            What::Store(store) => {
                let store = store.borrow::<StoreHandle>()?;
                let (mut count, mut out) = (0, BytesMut::new());
                loop {
                    match read_command(input) {
                        Ok(Some(words)) => {
                            count += 1;
                            store.0.borrow_mut().execute(sim.now(), &words).write(&mut out);
                        }
                        Ok(None) if count == 0 => return Ok(None),
                        Ok(None) => {
                            return (count, lua.create_string(&out[..])?).into_lua_multi(lua).map(Some);
                        }
                        Err(why) => return bad(&format!("-ERR Protocol error: {why}\r\n")),
                    }
                }
            }
            What::Broker(broker, conn) => match broker::read_command(input) {
                Ok(None) => Ok(None),
                Ok(Some(Command::Quit)) => (Value::Nil, "closed").into_lua_multi(lua).map(Some),
                Ok(Some(command)) => {
                    let writes = matches!(command, Command::Put { .. } | Command::Delete(_));
                    broker.borrow::<BrokerHandle>()?.0.borrow_mut().handle(sim.now(), *conn, command);
                    if writes { "write" } else { "read" }.into_lua_multi(lua).map(Some)
                }
                Err(fault) => bad(fault.line()),
            },
        }
    }
}

/// Arrays become lists, in which false stands for nothing.
fn value(lua: &Lua, reply: &Reply) -> mlua::Result<Value> {
    Ok(match reply {
        Reply::Simple(text) | Reply::Error(text) => text.as_str().into_lua(lua)?,
        Reply::Int(n) => Value::Integer(*n),
        Reply::Bulk(bytes) => Value::String(lua.create_string(bytes)?),
        Reply::Nil => Value::Nil,
        Reply::Array(all) => {
            let list: Table = lua.create_table()?;
            for each in all {
                match value(lua, each)? {
                    Value::Nil => list.raw_push(false)?,
                    other => list.raw_push(other)?,
                }
            }
            Value::Table(list)
        }
    })
}

impl Op for Framed {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let handle = self.socket.clone();
        let socket = handle.borrow::<TcpHandle>()?;
        if socket.closed.get() {
            return refused(lua, Refusal::Closed).map(Some);
        }
        loop {
            if !socket.buffer.borrow().is_empty() {
                let mut input = socket.buffer.borrow_mut();
                if let Some(values) = self.buffered(lua, sim, &mut input)? {
                    return Ok(Some(values));
                }
            }
            let taken = { socket.take(&mut *sim.world()?, 1 << 20) };
            match taken {
                Ok(Some(payload)) => socket.buffer.borrow_mut().extend_from_slice(&payload.to_bytes()),
                Ok(None) => {
                    let mut world = sim.world()?;
                    if world.now() >= self.deadline {
                        return (Value::Nil, "timeout").into_lua_multi(lua).map(Some);
                    }
                    if !world.wait(me, self.deadline, &[(socket.node, socket.id, Interest::Readable)]) {
                        return Ok(None);
                    }
                }
                Err(why) => return refused(lua, why).map(Some),
            }
        }
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        let what = match self.what {
            What::Reply => "for a reply of a store",
            What::Store(_) => "for a command to a store",
            What::Broker(..) => "for a command to a queue",
        };
        ("recv()".to_owned(), what.to_owned())
    }
}
