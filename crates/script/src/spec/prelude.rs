//! Functions that the prelude has in Lua; they check their arguments themselves.

use super::{Func, Kind, func, may, need};

static PRINT: Func = func("print", "Writes a line to the terminal or the run's log.").more();
static REQUIRE: Func =
    func("require", "Runs a module once: \"lib.tools\" is the file lib/tools.lua below the script's folder.")
        .with(&[need("module", Kind::Text)])
        .gives("value");
static RANGE: Func = func("range", "A list of numbers: range(1, 10), range(0, 1, 0.1).")
    .with(&[need("first", Kind::Number), need("last", Kind::Number), may("step", Kind::Number)])
    .gives("list of numbers");
static SORTED: Func = func("sorted", "As pairs, in the order of the keys: for k, v in sorted(t) do.")
    .with(&[need("t", Kind::Table)])
    .gives("iterator");
static LINES: Func =
    func("tcp:lines", "for line in s:lines() do: every line up to the end of the stream.").gives("iterator");
static CHUNKS: Func =
    func("tcp:chunks", "for data in s:chunks() do: what comes, as it comes, up to the end of the stream.")
        .gives("iterator");
static CONNECTIONS: Func =
    func("tcp:connections", "for conn, peer in s:connections() do: every connection of a listening socket.")
        .gives("iterator");
static USE: Func = func(
    "resource:use",
    "Holds one unit while fn(...) runs; gives it back also if fn raises or the process is killed.",
)
.with(&[need("fn", Kind::Function)])
.more()
.blocking()
.gives("what fn gives");

pub(crate) const ALL: &[&Func] = &[&PRINT, &REQUIRE, &RANGE, &SORTED, &LINES, &CHUNKS, &CONNECTIONS, &USE];
