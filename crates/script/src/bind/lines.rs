//! What the modules of FTP, mail, terminals and remote calls stand on: lines of limited length, commands, sealed packets.

use super::http::deadline;
use super::stream::{Want, receive_for};
use super::{AnyText, Natives};
use crate::mistake::Mistake;
use mlua::{AnyUserData, IntoLuaMulti, LuaString, Value};
use std::io::Write;
use std::net::Ipv4Addr;
use tidewire_l7_application::lines::{
    Command, ReplyLine, extended_port, host_port, host_port_text, mailbox, stuff_dots,
};
use tidewire_l7_application::ssh;

pub(super) fn natives(native: &Natives<'_>) -> mlua::Result<()> {
    native.wait("read_line", |lua, sim, args: (AnyUserData, usize, Option<f64>)| {
        let (socket, most, timeout) = args;
        receive_for(lua, sim, socket, Want::Line(most), deadline(sim, timeout))
    })?;
    // Some of what has arrived is forgotten: how much.
    native.wait("skip", |lua, sim, args: (AnyUserData, usize, Option<f64>)| {
        let (socket, most, timeout) = args;
        receive_for(lua, sim, socket, Want::Skip(most.max(1)), deadline(sim, timeout))
    })?;
    native.add("command", |lua, _, line: LuaString| match Command::parse(&line.as_bytes()) {
        Ok(command) => (command.verb, command.argument).into_lua_multi(lua),
        Err(why) => (Value::Nil, why.to_string()).into_lua_multi(lua),
    })?;
    native.add("reply_line", |lua, _, line: LuaString| match ReplyLine::parse(&line.as_bytes()) {
        Some(line) => (line.code, line.more, line.text).into_lua_multi(lua),
        None => Value::Nil.into_lua_multi(lua),
    })?;
    native.add("host_port", |lua, _, AnyText(text): AnyText| match host_port(&text) {
        Some((ip, port)) => (ip.to_string(), port).into_lua_multi(lua),
        None => Value::Nil.into_lua_multi(lua),
    })?;
    native.add("host_port_text", |_, _, (ip, port): (String, u16)| {
        let ip: Ipv4Addr = ip.parse().map_err(|_| Mistake::new(format!("'{ip}' is no IPv4 address")))?;
        Ok(host_port_text(ip, port))
    })?;
    // The same for both kinds of addresses: |2|2001:db8::1|50000| (RFC 2428).
    native.add("extended_port", |lua, _, AnyText(text): AnyText| match extended_port(&text) {
        Some((ip, port)) => (ip.map(|ip| ip.to_string()), port).into_lua_multi(lua),
        None => (Value::Nil, Value::Nil).into_lua_multi(lua),
    })?;
    native
        .add("mailbox", |_, _, (AnyText(argument), word): (AnyText, String)| Ok(mailbox(&argument, &word)))?;
    native.add("stuff_dots", |lua, _, text: LuaString| lua.create_string(stuff_dots(&text.as_bytes())))?;
    // A picture among the results.
    native.add("save", |_, sim, (file, text): (String, String)| {
        let cannot = |error: std::io::Error| Mistake::new(format!("cannot write '{file}': {error}"));
        let mut out = (sim.open_capture.borrow())(&file).map_err(cannot)?;
        Ok(out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(cannot)?)
    })?;
    packets(native)
}

fn packets(native: &Natives<'_>) -> mlua::Result<()> {
    native.add("ssh_key", |_, _, (shared, to_server): (i64, bool)| {
        Ok(ssh::direction_key(shared.cast_unsigned(), to_server).cast_signed())
    })?;
    native.add("ssh_seal", |lua, _, (key, sequence, payload): (i64, u64, LuaString)| {
        lua.create_string(ssh::seal(key.cast_unsigned(), sequence, &payload.as_bytes()))
    })?;
    native.add("ssh_rest", |lua, _, head: LuaString| {
        let head: Option<[u8; 4]> = (*head.as_bytes()).try_into().ok();
        match head.map(ssh::rest_of) {
            Some(Ok(n)) => n.into_lua_multi(lua),
            _ => (Value::Nil, "bad packet length").into_lua_multi(lua),
        }
    })?;
    native.add("ssh_open", |lua, _, (key, sequence, rest): (i64, u64, LuaString)| {
        match ssh::open(key.cast_unsigned(), sequence, &rest.as_bytes()) {
            Ok(payload) => lua.create_string(payload)?.into_lua_multi(lua),
            Err(why) => (Value::Nil, why.to_string()).into_lua_multi(lua),
        }
    })
}
