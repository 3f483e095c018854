//! What the module of HTTP/2 stands on: frames' heads, settings, tables of header fields.

use super::Natives;
use super::http::{deadline, header_meta};
use super::tcp::{TcpHandle, refused};
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::sim::{Shared, Sim};
use mlua::{AnyUserData, IntoLuaMulti, Lua, LuaString, MultiValue, UserData, Value};
use std::cell::RefCell;
use tidewire_l7_application::http2::{
    Decoder, Encoder, ErrorCode, FrameHead, Kind, PREFACE, Settings, window_increment,
};
use tidewire_units::{Instant, Interest, Refusal};
use tidewire_world::ProcessId;

/// The tables of both directions of a connection.
struct Tables(RefCell<(Encoder, Decoder)>);

impl UserData for Tables {}

/// Functions that only the modules see.
pub(super) fn natives(native: &Natives<'_>) -> mlua::Result<()> {
    native.wait("h2_preface", |lua, sim, (socket, timeout): (AnyUserData, Option<f64>)| {
        let deadline = deadline(sim, timeout);
        block_on(lua, sim, Box::new(Preface { socket, deadline }))
    })?;
    native.table.raw_set("H2_PREFACE", native.lua.create_string(PREFACE)?)?;
    native.add("h2_frame", |lua, _, (kind, flags, stream, length): (u8, u8, u32, u32)| {
        let head = FrameHead { length, kind: Kind::from_number(kind), flags, stream };
        lua.create_string(head.emit())
    })?;
    native.add("h2_head", |lua, _, (head, most): (LuaString, u32)| {
        let bytes: [u8; FrameHead::SIZE] =
            (*head.as_bytes()).try_into().map_err(|_| Mistake::new("the head of a frame has nine bytes"))?;
        match FrameHead::parse(bytes, most) {
            Ok(head) => (head.kind.name(), head.flags, head.stream, head.length).into_lua_multi(lua),
            Err(code) => failed(lua, code),
        }
    })?;
    native.add("h2_increment", |lua, _, payload: LuaString| {
        let bytes: [u8; 4] = (*payload.as_bytes()).try_into().unwrap_or_default();
        match window_increment(bytes) {
            Ok(step) => step.into_lua_multi(lua),
            Err(code) => failed(lua, code),
        }
    })?;
    native.add("h2_settings", |lua, _, (window, streams, push): (u32, Option<u32>, bool)| {
        let usual = Settings::default();
        let settings = Settings {
            initial_window_size: window,
            max_concurrent_streams: streams.unwrap_or(usual.max_concurrent_streams),
            enable_push: push,
            ..usual
        };
        lua.create_string(settings.emit())
    })?;
    native.add("h2_apply", |lua, _, payload: LuaString| {
        let mut settings = Settings::default();
        match settings.apply(&payload.as_bytes()) {
            Ok(()) => {
                let table = lua.create_table()?;
                table.raw_set("table_size", settings.header_table_size)?;
                table.raw_set("streams", settings.max_concurrent_streams)?;
                table.raw_set("window", settings.initial_window_size)?;
                table.raw_set("frame", settings.max_frame_size)?;
                table.into_lua_multi(lua)
            }
            Err(code) => failed(lua, code),
        }
    })?;
    fields(native)
}

fn fields(native: &Natives<'_>) -> mlua::Result<()> {
    native.add("hpack", |_, _, ()| Ok(Tables(RefCell::default())))?;
    native.add("hpack_allow", |_, _, (tables, size): (AnyUserData, usize)| {
        tables.borrow::<Tables>()?.0.borrow_mut().0.allow(size);
        Ok(())
    })?;
    // A list of names and values, one after the other.
    native.add("hpack_encode", |lua, _, (tables, list): (AnyUserData, Vec<LuaString>)| {
        let texts: Vec<_> = list.iter().map(LuaString::as_bytes).collect();
        let pairs: Vec<(&[u8], &[u8])> =
            texts.chunks_exact(2).map(|pair| (pair[0].as_ref(), pair[1].as_ref())).collect();
        lua.create_string(tables.borrow::<Tables>()?.0.borrow_mut().0.encode(&pairs))
    })?;
    let meta = header_meta(native.lua)?;
    native.add("hpack_decode", move |lua, _, (tables, block, most): (AnyUserData, LuaString, usize)| {
        let decoded = tables.borrow::<Tables>()?.0.borrow_mut().1.decode(&block.as_bytes(), most);
        match decoded {
            Ok(fields) => {
                let fields: Vec<(String, Vec<u8>)> = fields
                    .into_iter()
                    .map(|(name, value)| (String::from_utf8_lossy(&name).into_owned(), value))
                    .collect();
                super::http::fields(lua, &fields, &meta)?.into_lua_multi(lua)
            }
            Err(why) => (Value::Nil, why.to_string()).into_lua_multi(lua),
        }
    })
}

/// `nil`, what is wrong, its number.
fn failed(lua: &Lua, code: ErrorCode) -> mlua::Result<MultiValue> {
    (Value::Nil, code.to_string(), code.number()).into_lua_multi(lua)
}

/// Looks whether a client begins as those of HTTP/2 do; what does not is left for others to read.
struct Preface {
    socket: AnyUserData,
    deadline: Instant,
}

impl Op for Preface {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let handle = self.socket.clone();
        let socket = handle.borrow::<TcpHandle>()?;
        if socket.closed.get() {
            return refused(lua, Refusal::Closed).map(Some);
        }
        loop {
            {
                let mut buffer = socket.buffer.borrow_mut();
                let n = buffer.len().min(PREFACE.len());
                if buffer[..n] != PREFACE[..n] {
                    return false.into_lua_multi(lua).map(Some);
                }
                if n == PREFACE.len() {
                    let _ = buffer.split_to(n);
                    return true.into_lua_multi(lua).map(Some);
                }
            }
            let taken = { socket.take(&mut *sim.world()?, 1 << 16) };
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
        ("recv()".to_owned(), "for the beginning of HTTP/2".to_owned())
    }
}
