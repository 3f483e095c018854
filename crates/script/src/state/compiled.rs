//! Our own Lua texts, compiled once for all runs of the process: a run should not begin with parsing.

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

static COMPILED: Mutex<BTreeMap<usize, Arc<[u8]>>> = Mutex::new(BTreeMap::new());

/// The chunk of a text that is part of the program. Every state takes it from the compiled form, the first one too, so that what is
/// allocated in a state, and with it the order of `pairs`, depends on nothing else.
pub(crate) fn compiled(lua: &Lua, text: &'static str) -> mlua::Result<Function> {
    let key = text.as_ptr() as usize;
    let mut known = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let code = match known.get(&key) {
        Some(code) => code.clone(),
        None => {
            let other = Lua::new();
            let function = other.load(text).set_name("=tidewire").into_function()?;
            let code: Arc<[u8]> = function.dump(false).into();
            known.insert(key, code.clone());
            code
        }
    };
    drop(known);
    lua.load(&*code).set_name("=tidewire").set_mode(ChunkMode::Binary).into_function()
}
