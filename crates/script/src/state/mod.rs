//! One Lua state: its memory, its libraries, what is taken away from it, and its end.
//!
//! | file | what is in it |
//! |---|---|
//! | `arena.rs` | memory with a limit and with addresses that are the same in every process |
//! | `raw.rs` | stack frames, the chain of running coroutines, `string.format` |
//! | `math.rs` | the mathematics and chance of scripts, the same bits on every machine |
//! | `files.rs` | what a script may read |
//! | `watchdog.rs` | ends scripts that never wait |
//! | `machine.rs` | how much memory there is |
//! | `compiled.rs` | our own Lua texts, parsed once for all runs |
//! | `prelude.lua` | the parts that are best said in Lua: coroutines that pass waits through, stable sort, classes |

mod arena;
mod compiled;
mod files;
mod machine;
mod math;
pub(crate) mod raw;
pub(crate) mod watchdog;

pub(crate) use compiled::compiled;
pub(crate) use files::Files;

use arena::Arena;
use mlua::{Function, Lua, StdLib, Table, ffi};
use std::ffi::c_int;
use std::mem::ManuallyDrop;

/// Lua's string hashes start from this; any fixed number would do.
const HASH_SEED: u32 = 0x7469_6465;
/// Less cannot hold the libraries.
pub(crate) const LEAST_MEMORY: u64 = 1 << 20;

/// A Lua state of our own. Dropping it closes the state and then gives its memory back.
pub(crate) struct LuaState {
    lua: ManuallyDrop<Lua>,
    raw: *mut ffi::lua_State,
    arena: ManuallyDrop<Box<Arena>>,
}

impl LuaState {
    /// A state with the libraries that scripts may use, and `memory` bytes at most.
    pub fn new(memory: u64) -> mlua::Result<LuaState> {
        let mut arena = Arena::new(memory.max(LEAST_MEMORY));
        let arena_ptr: *mut Arena = &mut *arena;
        // SAFETY: the arena is boxed and outlives the state (see `drop`).
        let raw = unsafe { ffi::lua_newstate(Arena::alloc, arena_ptr.cast(), HASH_SEED) };
        if raw.is_null() {
            return Err(mlua::Error::MemoryError("not enough memory".to_owned()));
        }
        // SAFETY: the state is fresh and ours. mlua keeps its own reference to it until it is closed.
        let lua = unsafe { Lua::get_or_init_from_ptr(raw) }.clone();
        let state = LuaState { lua: ManuallyDrop::new(lua), raw, arena: ManuallyDrop::new(arena) };
        // SAFETY: `open_base` pushes one value.
        let _: Table =
            unsafe { state.lua.exec_raw((), |l| ffi::luaL_requiref(l, c"_G".as_ptr(), open_base, 1)) }?;
        state.lua.load_std_libs(
            StdLib::COROUTINE | StdLib::TABLE | StdLib::STRING | StdLib::UTF8 | StdLib::MATH,
        )?;
        Ok(state)
    }

    /// The state, for use.
    pub fn lua(&self) -> &Lua {
        &self.lua
    }

    /// Whether orders of `pairs` are the same in every process.
    pub fn is_deterministic(&self) -> bool {
        self.arena.is_deterministic()
    }

    /// Bytes that Lua uses now.
    #[cfg(test)]
    pub fn used_memory(&self) -> u64 {
        self.arena.used()
    }
}

unsafe extern "C-unwind" fn open_base(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by `luaL_requiref`.
    unsafe { ffi::luaopen_base(state) }
}

impl Drop for LuaState {
    fn drop(&mut self) {
        // SAFETY: nothing else refers to the state; handles that outlive it find it gone. The state must be closed before the
        // memory that it lives in goes.
        unsafe {
            ManuallyDrop::drop(&mut self.lua);
            ffi::lua_close(self.raw);
            ManuallyDrop::drop(&mut self.arena);
        }
    }
}

/// What Rust uses of the prelude.
pub(crate) struct Prelude {
    /// `block(start, again)`: makes a blocking function of one that may say "wait".
    pub block: Function,
    /// `class(name, methods, getters, describe)`: the `__index` function of a type.
    pub class: Function,
    /// `body(fn)`: makes the main function of a process.
    pub token: mlua::Value,
    /// `close(thread)`: runs what a process left to be closed, those of its coroutines first.
    pub close: Function,
    /// `mark(thread)`: notes that a coroutine is a process.
    pub mark: Function,
}

/// Rust functions that the prelude builds on.
pub(crate) struct Natives {
    /// `print(...)`, with texts only.
    pub print: Function,
    /// `again()`: goes on with the operation that the current process waits in.
    pub again: Function,
    /// `read_module(name) -> text, chunk name`.
    pub read_module: Function,
    /// `plain_error(e)`: the text of a Rust error, or nothing if `e` is something else; raises those that may not be caught.
    pub plain_error: Function,
    /// `unknown(kind, name, known)`: raises "no method 'x'; did you mean 'y'?".
    pub unknown: Function,
    /// `stopped()`: whether the run is being torn down, so that nothing may catch the error.
    pub fatal: Function,
}

const PRELUDE: &str = include_str!("prelude.lua");

/// Takes from the state what scripts must not have, and replaces what would differ from run to run.
pub(crate) fn furnish(lua: &Lua, natives: &Natives, random: &math::Draw) -> mlua::Result<Prelude> {
    let globals = lua.globals();
    let native = lua.create_table()?;
    native.set("print", &natives.print)?;
    native.set("again", &natives.again)?;
    native.set("read_module", &natives.read_module)?;
    native.set("plain_error", &natives.plain_error)?;
    native.set("unknown", &natives.unknown)?;
    native.set("fatal", &natives.fatal)?;
    let (enter, leave) = raw::tracking(lua)?;
    native.set("enter", enter)?;
    native.set("leave", leave)?;
    math::install(lua, random)?;
    let parts: Table = compiled(lua, PRELUDE)?.call(&native)?;
    let string: Table = globals.get("string")?;
    let tostring: Function = globals.get("tostring")?;
    string.set("format", raw::format(lua, &string.get("format")?, &tostring)?)?;
    Ok(Prelude {
        block: parts.get("block")?,
        class: parts.get("class")?,
        token: parts.get("token")?,
        close: parts.get("close")?,
        mark: parts.get("mark")?,
    })
}

pub(crate) use math::Draw;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_of_ten_gigabytes_is_an_error_and_the_state_stays_usable() {
        let state = LuaState::new(64 << 20).unwrap();
        let error = state.lua().load("return string.rep('x', 1e10)").exec().unwrap_err();
        assert!(error.to_string().contains("not enough memory"), "{error}");
        let grow = "local t = {} for i = 1, 1e9 do t[i] = {i} end";
        assert!(state.lua().load(grow).exec().unwrap_err().to_string().contains("not enough memory"));
        assert_eq!(state.lua().load("return 1 + 1").eval::<i64>().unwrap(), 2);
        assert!(state.used_memory() < 64 << 20);
    }

    #[test]
    fn closing_a_state_drops_every_userdata_in_it() {
        struct Counted(#[expect(dead_code, reason = "only its drop matters")] std::rc::Rc<()>);
        impl mlua::UserData for Counted {}
        let alive = std::rc::Rc::new(());
        {
            let state = LuaState::new(8 << 20).unwrap();
            for i in 0..24 {
                state.lua().globals().set(format!("x{i}"), Counted(alive.clone())).unwrap();
            }
            assert_eq!(std::rc::Rc::strong_count(&alive), 25);
        }
        assert_eq!(std::rc::Rc::strong_count(&alive), 1);
    }

    #[test]
    fn the_order_of_pairs_is_the_same_in_every_state() {
        let order = || {
            let state = LuaState::new(8 << 20).unwrap();
            let code = "local t, out = {}, {}
                for i = 1, 20 do t[{}] = 't' .. i; t[function() return i end] = 'f' .. i; t['k' .. i] = 's' .. i; t[i / 3] = 'n' .. i end
                for _, v in pairs(t) do out[#out + 1] = v end
                return table.concat(out, ' ')";
            state.lua().load(code).eval::<String>().unwrap()
        };
        let first = order();
        assert_eq!(first.split(' ').count(), 80);
        for _ in 0..3 {
            assert_eq!(order(), first);
        }
    }
}
