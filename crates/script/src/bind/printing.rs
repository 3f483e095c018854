//! How results that are plain tables print: one field a line, or one element a line.

use mlua::{Lua, Table, Value};

/// Where the state keeps the metatable of results.
const RECORD: &str = "tidewire.record";

/// Makes a table that has no way to print print what is in it.
pub(crate) fn record(lua: &Lua, table: &Table) -> mlua::Result<()> {
    if table.metatable().is_some() {
        return Ok(());
    }
    let meta = match lua.named_registry_value::<Option<Table>>(RECORD)? {
        Some(meta) => meta,
        None => {
            let meta = lua.create_table()?;
            meta.raw_set("__tostring", lua.create_function(|lua, table: Table| shown(lua, &table))?)?;
            lua.set_named_registry_value(RECORD, &meta)?;
            meta
        }
    };
    table.set_metatable(Some(meta))
}

fn shown(lua: &Lua, table: &Table) -> mlua::Result<String> {
    if table.raw_len() > 0 {
        let elements = (1..=table.raw_len()).map(|i| inline(lua, &table.raw_get(i)?, 0));
        return Ok(elements.collect::<mlua::Result<Vec<_>>>()?.join("\n"));
    }
    let fields = fields(lua, table, 0)?;
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines: Vec<String> =
        fields.into_iter().map(|(name, value)| format!("{name:<width$}  {value}")).collect();
    Ok(if lines.is_empty() { "(nothing)".to_owned() } else { lines.join("\n") })
}

/// Names and values, sorted by name: Lua has no order of its own.
fn fields(lua: &Lua, table: &Table, depth: u8) -> mlua::Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (name, value) = pair?;
        fields.push((name.to_string()?, inline(lua, &value, depth)?));
    }
    fields.sort();
    Ok(fields)
}

/// A value within a line.
fn inline(lua: &Lua, value: &Value, depth: u8) -> mlua::Result<String> {
    match value {
        Value::Table(_) if depth > 3 => Ok("{...}".to_owned()),
        Value::Table(table) if table.raw_len() > 0 => {
            let elements = (1..=table.raw_len()).map(|i| inline(lua, &table.raw_get(i)?, depth + 1));
            Ok(format!("{{{}}}", elements.collect::<mlua::Result<Vec<_>>>()?.join(", ")))
        }
        Value::Table(table) => {
            let fields = fields(lua, table, depth + 1)?;
            let parts: Vec<String> =
                fields.into_iter().map(|(name, value)| format!("{name} = {value}")).collect();
            Ok(format!("{{{}}}", parts.join(", ")))
        }
        Value::Number(number) => Ok(lua
            .coerce_string(Value::Number(*number))?
            .map_or_else(String::new, |text| text.to_string_lossy())),
        value => value.to_string(),
    }
}
