//! What mlua has no call for: stack frames of any coroutine, the chain of running coroutines, `string.format`.

use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua};
use std::cell::RefCell;
use std::ffi::{CStr, c_int};
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU8, AtomicUsize, Ordering};

/// A function on a coroutine's stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The chunk's name without its marker: a file as messages call it.
    pub chunk: String,
    /// The line that it is at.
    pub line: u32,
    /// What it is called, if that can be told.
    pub name: Option<String>,
}

/// The frames of scripts (not of C functions nor of the prelude), innermost first, at most `limit`.
pub(crate) fn frames_of(state: *mut lua_State, limit: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut level = 0;
    // SAFETY: `lua_Debug` is plain data; `lua_getstack` and `lua_getinfo` with these options neither allocate nor raise.
    unsafe {
        let mut ar = std::mem::zeroed::<ffi::lua_Debug>();
        while frames.len() < limit && ffi::lua_getstack(state, level, &mut ar) != 0 {
            level += 1;
            ffi::lua_getinfo(state, c"Sln".as_ptr(), &mut ar);
            let source = CStr::from_ptr(ar.source).to_string_lossy();
            let Some(chunk) = source.strip_prefix('@') else { continue };
            let name = if ar.name.is_null() {
                None
            } else {
                Some(CStr::from_ptr(ar.name).to_string_lossy().into_owned())
            };
            frames.push(Frame { chunk: chunk.to_owned(), line: ar.currentline.max(0) as u32, name });
        }
    }
    frames
}

/// The innermost script frame of whatever is running now.
pub(crate) fn current_frame(lua: &Lua) -> Option<Frame> {
    current_frames(lua, 1).pop()
}

/// Script frames of whatever is running now, innermost first.
pub(crate) fn current_frames(lua: &Lua, limit: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    for level in 0.. {
        let found = lua.inspect_stack(level, |debug| {
            let source = debug.source();
            let chunk = source.source.as_deref().and_then(|source| source.strip_prefix('@'))?.to_owned();
            let line = debug.current_line().unwrap_or(0) as u32;
            Some(Frame { chunk, line, name: debug.names().name.map(|name| name.into_owned()) })
        });
        match found {
            None => break,
            Some(None) => {}
            Some(Some(frame)) => frames.push(frame),
        }
        if frames.len() >= limit {
            break;
        }
    }
    frames
}

/// Lua allows about 200 nested C calls, and with them coroutines.
const DEEPEST: usize = 256;

thread_local! {
    /// The coroutines that are running on this thread, outermost first; a signal handler reads it.
    static RUNNING: Running = const { Running { depth: AtomicUsize::new(0), states: [const { AtomicPtr::new(std::ptr::null_mut()) }; DEEPEST] } };
    static STOPPED_AT: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

struct Running {
    depth: AtomicUsize,
    states: [AtomicPtr<lua_State>; DEEPEST],
}

/// Notes that a coroutine begins to run on this thread.
pub(crate) fn enter(state: *mut lua_State) {
    RUNNING.with(|running| {
        let depth = running.depth.load(Ordering::Relaxed);
        if depth < DEEPEST {
            running.states[depth].store(state, Ordering::Relaxed);
        }
        running.depth.store(depth + 1, Ordering::Release);
    });
}

/// How many coroutines run on this thread, one in the other.
pub(crate) fn depth() -> usize {
    RUNNING.with(|running| running.depth.load(Ordering::Relaxed))
}

/// Goes back to `depth`: an error may have skipped the calls of [`leave`] of inner coroutines.
pub(crate) fn leave_to(depth: usize) {
    RUNNING.with(|running| running.depth.store(depth, Ordering::Release));
}

/// Notes that the coroutine entered last no longer runs.
fn leave() {
    RUNNING.with(|running| {
        running.depth.fetch_sub(1, Ordering::Release);
    });
}

/// Makes every running coroutine stop with an error at its next instruction. Safe in a signal handler on the thread that runs
/// them: `lua_sethook` may be called asynchronously.
pub(super) fn stop_running() {
    RUNNING.with(|running| {
        let depth = running.depth.load(Ordering::Acquire).min(DEEPEST);
        for state in &running.states[..depth] {
            // SAFETY: entered states are alive until they leave.
            unsafe {
                ffi::lua_sethook(state.load(Ordering::Relaxed), Some(raise_stop), ffi::LUA_MASKCOUNT, 1);
            }
        }
    });
}

/// Where the innermost coroutine of a stuck thread is: chunk name and line, filled in by a signal handler.
static STUCK_LINE: AtomicI32 = AtomicI32::new(0);
static STUCK_CHUNK: [AtomicU8; 128] = [const { AtomicU8::new(0) }; 128];

/// Notes where the innermost running coroutine is. For a signal handler on a thread that is stuck inside a C function called by a
/// script: the stack of calls does not change meanwhile, and nothing here allocates.
pub(super) fn note_where() {
    RUNNING.with(|running| {
        let depth = running.depth.load(Ordering::Acquire).min(DEEPEST);
        let Some(state) = depth.checked_sub(1).map(|top| running.states[top].load(Ordering::Relaxed)) else {
            return;
        };
        // SAFETY: entered states are alive until they leave; the rest as in `frames_of`.
        unsafe {
            let mut ar = std::mem::zeroed::<ffi::lua_Debug>();
            let mut level = 0;
            while ffi::lua_getstack(state, level, &mut ar) != 0 {
                level += 1;
                ffi::lua_getinfo(state, c"Sl".as_ptr(), &mut ar);
                let source = CStr::from_ptr(ar.source).to_bytes();
                if let Some(chunk) = source.strip_prefix(b"@") {
                    let end = chunk.len().min(STUCK_CHUNK.len() - 1);
                    for (cell, byte) in STUCK_CHUNK.iter().zip(chunk[..end].iter().chain([&0])) {
                        cell.store(*byte, Ordering::Relaxed);
                    }
                    STUCK_LINE.store(ar.currentline, Ordering::Release);
                    return;
                }
            }
        }
    });
}

/// What the last call of [`note_where`] found.
pub(super) fn stuck_at() -> Option<Frame> {
    let line = u32::try_from(STUCK_LINE.load(Ordering::Acquire)).ok().filter(|line| *line > 0)?;
    let bytes: Vec<u8> =
        STUCK_CHUNK.iter().map(|cell| cell.load(Ordering::Relaxed)).take_while(|byte| *byte != 0).collect();
    Some(Frame { chunk: String::from_utf8_lossy(&bytes).into_owned(), line, name: None })
}

/// The text of the error that the watchdog raises.
pub(crate) const RUNAWAY: &str = "ran too long without waiting";

/// Where the innermost coroutine was when the watchdog stopped it.
pub(crate) fn stopped_at() -> Vec<Frame> {
    STOPPED_AT.with(|frames| frames.take())
}

unsafe extern "C-unwind" fn raise_stop(state: *mut lua_State, _: *mut ffi::lua_Debug) {
    STOPPED_AT.with(|frames| {
        let mut frames = frames.borrow_mut();
        if frames.is_empty() {
            *frames = frames_of(state, 20);
        }
    });
    // SAFETY: called by Lua as a hook; no Rust value lives here when the error leaves.
    unsafe {
        ffi::lua_pushlstring(state, RUNAWAY.as_ptr().cast(), RUNAWAY.len());
        ffi::lua_error(state);
    }
}

/// Lua functions `enter(co)` and `leave()` for the prelude's `coroutine.resume`.
pub(super) fn tracking(lua: &Lua) -> mlua::Result<(Function, Function)> {
    unsafe extern "C-unwind" fn enter_co(state: *mut lua_State) -> c_int {
        // SAFETY: called by Lua with a coroutine, or with something that `resume` will complain about.
        let inner = unsafe { ffi::lua_tothread(state, 1) };
        enter(if inner.is_null() { state } else { inner });
        0
    }
    unsafe extern "C-unwind" fn leave_co(_: *mut lua_State) -> c_int {
        leave();
        0
    }
    // SAFETY: both follow the protocol of C functions.
    unsafe { Ok((lua.create_c_function(enter_co)?, lua.create_c_function(leave_co)?)) }
}

/// `string.format` that never shows an address: tables and the like go through `tostring` first.
pub(super) fn format(lua: &Lua, original: &Function, tostring: &Function) -> mlua::Result<Function> {
    unsafe extern "C-unwind" fn call(state: *mut lua_State) -> c_int {
        // SAFETY: a C function that keeps to its own stack; no Rust value lives here when an error leaves.
        unsafe {
            let n = ffi::lua_gettop(state);
            for i in 2..=n {
                if matches!(
                    ffi::lua_type(state, i),
                    ffi::LUA_TTABLE
                        | ffi::LUA_TFUNCTION
                        | ffi::LUA_TTHREAD
                        | ffi::LUA_TUSERDATA
                        | ffi::LUA_TLIGHTUSERDATA
                ) {
                    ffi::lua_pushvalue(state, ffi::lua_upvalueindex(2));
                    ffi::lua_pushvalue(state, i);
                    ffi::lua_call(state, 1, 1);
                    ffi::lua_replace(state, i);
                }
            }
            let mut length = 0;
            let text = ffi::lua_tolstring(state, 1, &mut length);
            if !text.is_null() {
                let text = std::slice::from_raw_parts(text.cast::<u8>(), length);
                if shows_address(text) {
                    ffi::luaL_error(
                        state,
                        c"'%%p' would show an address, which differs from run to run; use '%%s'".as_ptr(),
                    );
                }
            }
            // In this frame, whose name the messages of the original show.
            match ffi::lua_tocfunction(state, ffi::lua_upvalueindex(1)) {
                Some(original) => original(state),
                None => 0,
            }
        }
    }
    // SAFETY: pushes one closure over the two arguments.
    unsafe {
        lua.exec_raw((original.clone(), tostring.clone()), |state| {
            ffi::lua_pushcclosure(state, call, 2);
        })
    }
}

/// Whether a format holds `%p`, flags and width allowed between.
fn shows_address(format: &[u8]) -> bool {
    let mut rest = format;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        rest = &rest[at + 1..];
        let spec = rest.iter().position(|byte| !b"-+ #0123456789.".contains(byte)).unwrap_or(rest.len());
        match rest.get(spec) {
            Some(b'p') => return true,
            Some(_) => rest = &rest[spec + 1..],
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pointer_conversion_shows_an_address() {
        assert!(shows_address(b"x %p"));
        assert!(shows_address(b"%-20p"));
        assert!(!shows_address(b"100%% p %5.2f %s"));
        assert!(!shows_address(b"50%"));
    }
}
