//! `codec`: values as bytes and back, compressed, hidden, in other letters; and what that costs.

use super::Natives;
use crate::call::{Call, placed};
use crate::classes::Registry;
use crate::mistake::Mistake;
use crate::spec::codec as spec;
use crate::values::Val;
use bytes::Bytes;
use mlua::{IntoLuaMulti, Lua, LuaString, Table, Value as LuaValue};
use std::collections::BTreeMap;
use tidewire_l7_application::codec::{
    BadValue, Charset, Form, Step, Value, compress, cost, decompress, decrypt, encrypt,
};
use tidewire_units::Span;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::ENCODE, |lua, _, call| {
        let Some(Val::Any(value)) = call.arg(0) else { return Err(nothing("encode").into()) };
        let steps = Steps::of(lua, &call, "encode")?;
        let value = from_lua(value, 100)
            .map_err(|why| placed(lua, Mistake::new(format!("codec.encode: {}", why.0)).at_word("encode")))?;
        match steps.encode(&value) {
            Ok((bytes, info)) => (lua.create_string(bytes)?, info.table(lua)?).into_lua_multi(lua),
            Err(why) => (LuaValue::Nil, why.0).into_lua_multi(lua),
        }
    })?;
    registry.add(&spec::DECODE, |lua, _, mut call| {
        let bytes = data(&mut call);
        let steps = Steps::of(lua, &call, "decode")?;
        match steps.decode(&bytes) {
            Ok((value, info)) => (to_lua(lua, &value)?, info.table(lua)?).into_lua_multi(lua),
            Err(why) => (LuaValue::Nil, why.0).into_lua_multi(lua),
        }
    })?;
    registry.add(&spec::CHARSET, |lua, _, mut call| {
        let text = data(&mut call);
        let set = charset(lua, &call, "charset")?;
        let Ok(text) = std::str::from_utf8(&text) else {
            return (LuaValue::Nil, "the text is not UTF-8").into_lua_multi(lua);
        };
        match set.encode(text) {
            Ok(bytes) => lua.create_string(bytes)?.into_lua_multi(lua),
            Err(why) => (LuaValue::Nil, why.0).into_lua_multi(lua),
        }
    })?;
    registry.add(&spec::TEXT, |lua, _, mut call| {
        let bytes = data(&mut call);
        let (text, wrong) = charset(lua, &call, "text")?.decode(&bytes);
        (text, !wrong).into_lua_multi(lua)
    })?;
    registry.lua.globals().raw_get::<Table>("codec")?.raw_set("null", LuaValue::NULL)
}

/// Functions that only the modules see.
pub(super) fn natives(native: &Natives<'_>) -> mlua::Result<()> {
    native.add("msgpack", |lua, _, value: LuaValue| {
        match from_lua(&value, 100).and_then(|value| Form::Msgpack.encode(&value)) {
            Ok(bytes) => lua.create_string(bytes)?.into_lua_multi(lua),
            Err(why) => (LuaValue::Nil, why.0).into_lua_multi(lua),
        }
    })?;
    native.add("from_msgpack", |lua, _, bytes: LuaString| match Form::Msgpack.decode(&bytes.as_bytes()) {
        Ok(value) => to_lua(lua, &value)?.into_lua_multi(lua),
        Err(_) => (LuaValue::Nil, "bad call").into_lua_multi(lua),
    })
}

fn data(call: &mut Call) -> Bytes {
    match call.take(0) {
        Some(Val::Data(data)) => data,
        _ => unreachable!("the table of functions says data"),
    }
}

fn nothing(function: &str) -> Mistake {
    Mistake::new(format!("codec.{function}: nil cannot be written; codec.null can")).at_word(function)
}

fn charset(lua: &Lua, call: &Call, function: &str) -> mlua::Result<Charset> {
    let name = call.text(1).unwrap_or_default();
    Charset::named(name).ok_or_else(|| {
        let mistake = Mistake::new(format!("codec.{function}: '{name}' is no character set known here"))
            .at_word(name)
            .note("utf-8, euc-kr, shift_jis, gb18030, big5, iso-8859-1, utf-16 and others of the web");
        placed(lua, mistake).into()
    })
}

/// What is done to a value, one after the other: `"json+deflate+encrypt"`.
struct Steps {
    form: Form,
    deflate: bool,
    key: Option<Vec<u8>>,
}

/// What came out, and what it cost.
struct Info {
    size: usize,
    plain: usize,
    cpu: Span,
}

impl Info {
    fn table(&self, lua: &Lua) -> mlua::Result<Table> {
        let table = lua.create_table()?;
        table.raw_set("size", self.size)?;
        table.raw_set("plain", self.plain)?;
        table.raw_set("cpu", self.cpu.as_secs_f64())?;
        Ok(table)
    }
}

impl Steps {
    fn of(lua: &Lua, call: &Call, function: &str) -> mlua::Result<Steps> {
        let text = call.text(1).unwrap_or("json");
        let wrong = |part: &str| {
            let mistake = Mistake::new(format!("codec.{function}: '{part}' is no form of a value"))
                .at_word(part)
                .note("\"json\" or \"msgpack\", and after it \"+deflate\", \"+encrypt\" or both: \"json+deflate\"");
            placed(lua, mistake)
        };
        let mut parts = text.split('+').map(str::trim);
        let form = match parts.next() {
            Some("json") => Form::Json,
            Some("msgpack") => Form::Msgpack,
            other => return Err(wrong(other.unwrap_or_default()).into()),
        };
        let mut steps = Steps { form, deflate: false, key: None };
        for part in parts {
            match part {
                "deflate" if steps.key.is_none() => steps.deflate = true,
                "encrypt" => {
                    let key = call.opts().text("key").ok_or_else(|| {
                        let text = format!("codec.{function}: \"encrypt\" needs a key");
                        placed(lua, Mistake::new(text).at_word("encrypt").note("{ key = \"secret\" }"))
                    })?;
                    steps.key = Some(key.as_bytes().to_vec());
                }
                other => return Err(wrong(other).into()),
            }
        }
        Ok(steps)
    }

    fn encode(&self, value: &Value) -> Result<(Vec<u8>, Info), BadValue> {
        let mut bytes = self.form.encode(value)?;
        let plain = bytes.len();
        let mut cpu = cost(Step::Encode(self.form), plain);
        if self.deflate {
            cpu += cost(Step::Compress, bytes.len());
            bytes = compress(&bytes);
        }
        if let Some(key) = &self.key {
            cpu += cost(Step::Encrypt, bytes.len());
            bytes = encrypt(key, &bytes);
        }
        let size = bytes.len();
        Ok((bytes, Info { size, plain, cpu }))
    }

    fn decode(&self, bytes: &[u8]) -> Result<(Value, Info), BadValue> {
        let mut cpu = Span::ZERO;
        let mut plain = bytes.to_vec();
        if let Some(key) = &self.key {
            cpu += cost(Step::Decrypt, plain.len());
            plain = decrypt(key, &plain)?;
        }
        if self.deflate {
            plain = decompress(&plain)?;
            cpu += cost(Step::Decompress, plain.len());
        }
        cpu += cost(Step::Decode(self.form), plain.len());
        let value = self.form.decode(&plain)?;
        Ok((value, Info { size: bytes.len(), plain: plain.len(), cpu }))
    }
}

fn from_lua(value: &LuaValue, depth: usize) -> Result<Value, BadValue> {
    let deeper =
        depth.checked_sub(1).ok_or_else(|| BadValue("tables within tables go too deep".to_owned()))?;
    Ok(match value {
        LuaValue::Nil => Value::Nil,
        value if value.is_null() => Value::Nil,
        LuaValue::Boolean(value) => Value::Bool(*value),
        LuaValue::Integer(value) => Value::Int(*value),
        LuaValue::Number(value) => Value::Float(*value),
        LuaValue::String(text) => Value::Text(text.as_bytes().to_vec()),
        LuaValue::Table(table) => from_table(table, deeper)?,
        other => return Err(BadValue(format!("a {} cannot be written", crate::call::type_name(other)))),
    })
}

/// A table with 1, 2, 3 ... is a list; one with names is a map, and so is an empty one.
fn from_table(table: &Table, depth: usize) -> Result<Value, BadValue> {
    let mixed = || BadValue("a table has names or numbers from 1 on, not both".to_owned());
    let broken = |error: mlua::Error| BadValue(error.to_string());
    let length = table.raw_len();
    let (mut map, mut others) = (BTreeMap::new(), 0);
    for pair in table.pairs::<LuaValue, LuaValue>() {
        let (key, value) = pair.map_err(broken)?;
        match key {
            LuaValue::String(key) => {
                map.insert(key.to_string_lossy(), from_lua(&value, depth)?);
            }
            _ => others += 1,
        }
    }
    if others == 0 {
        return Ok(Value::Map(map));
    }
    if !map.is_empty() || others != length {
        return Err(mixed());
    }
    let items = table.sequence_values::<LuaValue>();
    let list = items.map(|item| from_lua(&item.map_err(broken)?, depth)).collect::<Result<_, _>>()?;
    Ok(Value::List(list))
}

fn to_lua(lua: &Lua, value: &Value) -> mlua::Result<LuaValue> {
    Ok(match value {
        Value::Nil => LuaValue::NULL,
        Value::Bool(value) => LuaValue::Boolean(*value),
        Value::Int(value) => LuaValue::Integer(*value),
        Value::Float(value) => LuaValue::Number(*value),
        Value::Text(bytes) => LuaValue::String(lua.create_string(bytes)?),
        Value::List(list) => {
            let table = lua.create_table()?;
            for item in list {
                table.raw_push(to_lua(lua, item)?)?;
            }
            LuaValue::Table(table)
        }
        Value::Map(map) => {
            let table = lua.create_table()?;
            for (key, item) in map {
                if *item != Value::Nil {
                    table.raw_set(&**key, to_lua(lua, item)?)?;
                }
            }
            LuaValue::Table(table)
        }
    })
}
