//! `coding`: bits as signals, and frames in a stream of bits.

use crate::call::Call;
use crate::classes::Registry;
use crate::mistake::Mistake;
use crate::spec::coding as spec;
use crate::values::Val;
use bytes::Bytes;
use mlua::{IntoLuaMulti, Lua, MultiValue, Value};
use tidewire_l1_physical::coding::{
    Level, LineCode, bit_frame, bit_unframe, bits_of, byte_frame, byte_unframe, bytes_of, draw, edges, stuff,
    unstuff,
};

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::BITS, |_, _, mut call| Ok(text_of(&bits_of(&data(&mut call)))))?;
    registry.add(&spec::BYTES, |lua, _, call| {
        let bits = bits(&call, "bytes")?;
        or_why(lua, bytes_of(&bits), || format!("{} bits are no whole bytes", bits.len()))
    })?;
    registry.add(&spec::STUFF, |_, _, call| Ok(text_of(&stuff(&bits(&call, "stuff")?))))?;
    registry.add(&spec::UNSTUFF, |lua, _, call| {
        let found = unstuff(&bits(&call, "unstuff")?).map(|bits| text_of(&bits).into_bytes());
        or_why(lua, found, || "six 1s follow each other".to_owned())
    })?;
    registry.add(&spec::FRAME, |lua, _, mut call| {
        let by_bytes = call.opts().text("by") == Some("byte");
        let data = data(&mut call);
        lua.create_string(if by_bytes { byte_frame(&data) } else { text_of(&bit_frame(&data)).into_bytes() })
    })?;
    registry.add(&spec::UNFRAME, |lua, _, mut call| {
        let by_bytes = call.opts().text("by") == Some("byte");
        let frame = data(&mut call);
        let found = if by_bytes {
            byte_unframe(&frame)
        } else {
            bit_unframe(&parse_bits(&String::from_utf8_lossy(&frame), "unframe")?)
        };
        or_why(lua, found, || "there is no whole frame".to_owned())
    })?;
    registry.add(&spec::ENCODE, |_, _, call| Ok(signs(&code(&call).encode(&bits(&call, "encode")?))))?;
    registry.add(&spec::DECODE, |lua, _, call| {
        let found = code(&call).decode(&levels(&call, "decode")?);
        let why = found.as_ref().err().map(ToString::to_string);
        let text = found.ok().map(|bits| text_of(&bits).into_bytes());
        or_why(lua, text, || why.unwrap_or_default())
    })?;
    registry.add(&spec::EDGES, |_, _, call| Ok(edges(&levels(&call, "edges")?)))?;
    registry.add(&spec::DRAW, |_, _, call| Ok(draw(code(&call), &bits(&call, "draw")?)))
}

fn data(call: &mut Call) -> Bytes {
    match call.take(0) {
        Some(Val::Data(data)) => data,
        _ => unreachable!("the table of functions says data"),
    }
}

fn code(call: &Call) -> LineCode {
    let name = call.text(1).unwrap_or_default();
    LineCode::ALL
        .into_iter()
        .find(|code| code.name() == name)
        .expect("the table of functions lists the codes")
}

fn bits(call: &Call, function: &str) -> Result<Vec<bool>, Mistake> {
    parse_bits(call.text(0).unwrap_or_default(), function)
}

fn parse_bits(text: &str, function: &str) -> Result<Vec<bool>, Mistake> {
    let bit = |c: char| match c {
        '0' => Ok(false),
        '1' => Ok(true),
        c => Err(Mistake::new(format!("coding.{function}: bits are 0 and 1, not '{c}'"))
            .at_word(function)
            .note("coding.bits(data) gives the bits of a text")),
    };
    text.chars().filter(|c| !c.is_whitespace()).map(bit).collect()
}

fn levels(call: &Call, function: &str) -> Result<Vec<Level>, Mistake> {
    let level =
        |c: char| match c {
            '+' => Ok(Level::High),
            '0' => Ok(Level::Zero),
            '-' => Ok(Level::Low),
            c => Err(Mistake::new(format!("coding.{function}: levels are +, 0 and -, not '{c}'"))
                .at_word(function)),
        };
    call.text(0).unwrap_or_default().chars().filter(|c| !c.is_whitespace()).map(level).collect()
}

fn text_of(bits: &[bool]) -> String {
    bits.iter().map(|bit| if *bit { '1' } else { '0' }).collect()
}

fn signs(levels: &[Level]) -> String {
    let sign = |level: &Level| match level {
        Level::High => '+',
        Level::Zero => '0',
        Level::Low => '-',
    };
    levels.iter().map(sign).collect()
}

fn or_why(lua: &Lua, found: Option<Vec<u8>>, why: impl FnOnce() -> String) -> mlua::Result<MultiValue> {
    match found {
        Some(bytes) => lua.create_string(bytes)?.into_lua_multi(lua),
        None => (Value::Nil, why()).into_lua_multi(lua),
    }
}
