//! `cidr()`: networks of IPv4 addresses, to calculate with.

use crate::call::placed;
use crate::classes::Registry;
use crate::mistake::Mistake;
use crate::spec::net as spec;
use mlua::{Lua, Table, Value};
use std::net::Ipv4Addr;
use tidewire_topology::Prefix;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::CIDR, |lua, _, call| {
        let text = call.text(0).unwrap_or_default();
        let prefix: Prefix =
            text.parse().map_err(|error| Mistake::new(format!("cidr: {error}")).at_word(text))?;
        network(lua, prefix)
    })
}

fn network(lua: &Lua, prefix: Prefix) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let text = |addr: Ipv4Addr| addr.to_string();
    table.raw_set("network", text(prefix.network()))?;
    table.raw_set("broadcast", text(prefix.broadcast()))?;
    table.raw_set("mask", text(prefix.netmask()))?;
    table.raw_set("length", prefix.length())?;
    table.raw_set("size", 1u64 << (32 - prefix.length()))?;
    // RFC 1918.
    let private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].map(|text| text.parse::<Prefix>().ok());
    let inside = |outer: &Prefix| outer.contains(prefix.network()) && outer.contains(prefix.broadcast());
    table.raw_set("private", private.iter().flatten().any(inside))?;
    table.raw_set("hosts", hosts(lua, prefix)?)?;
    table.raw_set(
        "contains",
        lua.create_function(move |lua, (_, other): (Value, Value)| contains(lua, prefix, &other))?,
    )?;
    table.raw_set(
        "split",
        lua.create_function(move |lua, (_, length): (Value, Value)| split(lua, prefix, &length))?,
    )?;
    let meta = lua.create_table()?;
    meta.raw_set("__tostring", lua.create_function(move |_, _: Value| Ok(prefix.to_string()))?)?;
    table.set_metatable(Some(meta))?;
    Ok(table)
}

/// A list of which no element is kept: of 10.0.0.0/8 there are 16 million.
fn hosts(lua: &Lua, prefix: Prefix) -> mlua::Result<Table> {
    let (list, meta) = (lua.create_table()?, lua.create_table()?);
    meta.raw_set("__len", lua.create_function(move |_, _: Value| Ok(prefix.hosts()))?)?;
    let nth = lua.create_function(move |_, (_, key): (Value, Value)| {
        let n = crate::values::whole(&key).and_then(|n| u64::try_from(n.checked_sub(1)?).ok());
        Ok(n.and_then(|n| prefix.host(n)).map(|addr| addr.to_string()))
    })?;
    meta.raw_set("__index", nth)?;
    list.set_metatable(Some(meta))?;
    Ok(list)
}

/// Whether an address or another network lies inside.
fn contains(lua: &Lua, prefix: Prefix, other: &Value) -> mlua::Result<bool> {
    let text = match other {
        table @ Value::Table(_) => table.to_string()?,
        other => crate::values::text(other).unwrap_or_default(),
    };
    let (first, last) = match (text.parse::<Ipv4Addr>(), text.parse::<Prefix>()) {
        (Ok(addr), _) => (addr, addr),
        (_, Ok(other)) => (other.network(), other.broadcast()),
        _ => {
            let mistake = Mistake::new(format!("contains() takes an address or a network, not '{text}'"));
            return Err(placed(lua, mistake.at_word("contains")).into());
        }
    };
    Ok(prefix.contains(first) && prefix.contains(last))
}

/// The networks of another length inside, as a list.
fn split(lua: &Lua, prefix: Prefix, length: &Value) -> mlua::Result<Table> {
    const MOST: u8 = 16;
    let length = crate::values::whole(length)
        .and_then(|length| u8::try_from(length).ok())
        .filter(|length| (prefix.length()..=32).contains(length) && length - prefix.length() <= MOST);
    let Some(length) = length else {
        let longest = (prefix.length() + MOST).min(32);
        let mistake = Mistake::new(format!(
            "{prefix} can be split into networks of /{} to /{longest}",
            prefix.length()
        ));
        return Err(placed(lua, mistake.at_word("split")).into());
    };
    let list = lua.create_table()?;
    for n in 0..1u64 << (length - prefix.length()) {
        let first = u64::from(prefix.network().to_bits()) + (n << (32 - length));
        let part = Prefix::new(Ipv4Addr::from_bits(first as u32), length).expect("at most 32");
        list.raw_push(network(lua, part)?)?;
    }
    Ok(list)
}
