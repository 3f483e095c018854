//! What the web's modules stand on: messages read from and written to connections, texts of heads, addresses of pages.

use super::stream::{send_parts, send_while_taken};
use super::tcp::{TcpHandle, refused};
use super::{AnyText, Natives};
use crate::classes::Registry;
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::services::Loader;
use crate::sim::{Shared, Sim, here};
use crate::spec::web as spec;
use bytes::BytesMut;
use mlua::{AnyUserData, Function, IntoLua, IntoLuaMulti, Lua, LuaString, MultiValue, Table, Value};
use std::collections::VecDeque;
use tidewire_l4_transport::State;
use tidewire_l7_application::http::{
    Head, Limits, MessageError, Progress, Reader, Role, Start, Url, date_text, decode_percent,
    encode_percent, head_text, parse_date, parse_query,
};
use tidewire_node::SocketView;
use tidewire_units::{Instant, Interest, Refusal, Span};
use tidewire_wire::Payload;
use tidewire_world::{ProcessId, World};

pub(super) fn install(registry: &Registry<'_>, services: &Loader) -> mlua::Result<()> {
    for func in [&spec::HTTP_GET, &spec::HTTP_CLIENT] {
        services.add(registry, func, "http")?;
    }
    services.add(registry, &spec::HTTP_PROXY, "proxy")?;
    services.add(registry, &spec::HTTP_SERVER, "server")?;
    services.add(registry, &spec::HTTP_LOAD, "load")?;
    services.add(registry, &spec::TCP_PROXY, "balance")?;
    diagnose_pages(registry, services)?;
    registry.add(&spec::URL_ENCODE, |_, _, mut call| match call.take(0) {
        Some(crate::values::Val::Data(data)) => Ok(encode_percent(&data)),
        _ => unreachable!("the table of functions says data"),
    })?;
    registry.add(&spec::URL_DECODE, |lua, _, call| {
        lua.create_string(decode_percent(call.text(0).unwrap_or_default(), true))
    })
}

/// `diagnose` with a URL goes on where the network is well: at the name and the page.
fn diagnose_pages(registry: &Registry<'_>, services: &Loader) -> mlua::Result<()> {
    let globals = registry.lua.globals();
    let network: Function = globals.raw_get("diagnose")?;
    let whole: Function = crate::state::compiled(registry.lua, PAGES)?.call((network, services.need()))?;
    globals.raw_set("diagnose", whole)
}

const PAGES: &str = r#"
local network, need = ...
return function(a, b, opts)
  local found = network(a, b, opts)
  if not found.ok or not opts or not opts.url then return found end
  return need("probe").page(found, a, b, opts.url)
end
"#;

/// Functions that only the modules see.
pub(super) fn natives(native: &Natives<'_>) -> mlua::Result<()> {
    let lua = native.lua;
    native.table.raw_set("class", &native.sim.prelude().class)?;
    let meta = header_meta(lua)?;
    native.table.raw_set("header_meta", &meta)?;
    native.wait("http_read", move |lua, sim, args: ReadArgs| {
        let (socket, role, timeout, keep, most, streams, silence) = args;
        let role = match role {
            0 => Role::Request,
            n => Role::Response { to_head: n == 2 },
        };
        let limits = Limits { body: most.unwrap_or(u64::MAX), ..Limits::default() };
        let patience = silence.filter(|_| timeout.is_none()).map(Span::from_secs_f64);
        let deadline = deadline(sim, timeout.or(silence));
        let op = Read {
            socket,
            reader: Reader::new(role, limits),
            head: None,
            body: BytesMut::new(),
            keep,
            size: 0,
            first: None,
            deadline,
            patience,
            streams: streams == Some(true),
            waits_for_us: false,
            meta: meta.clone(),
        };
        block_on(lua, sim, Box::new(op))
    })?;
    native.wait("send_parts", |lua, sim, args: MultiValue| {
        let mut args = args.into_iter();
        let socket = args.next().and_then(|value| value.as_userdata().cloned());
        let socket = socket.ok_or_else(|| Mistake::new("a socket is needed"))?;
        let timeout = args.next().and_then(|value| crate::values::number(&value));
        let parts = args.flat_map(|value| payloads(&value)).collect::<VecDeque<_>>();
        send_parts(lua, sim, socket, parts, deadline(sim, timeout))
    })?;
    // The same; the time is how long nothing may be taken by the other side.
    native.wait("send_while_taken", |lua, sim, args: MultiValue| {
        let mut args = args.into_iter();
        let socket = args.next().and_then(|value| value.as_userdata().cloned());
        let socket = socket.ok_or_else(|| Mistake::new("a socket is needed"))?;
        let patience = args.next().and_then(|value| crate::values::number(&value)).map(Span::from_secs_f64);
        let parts = args.flat_map(|value| payloads(&value)).collect::<VecDeque<_>>();
        send_while_taken(lua, sim, socket, parts, patience)
    })?;
    // A connection is kept for later, or taken up again; true when it is still of use.
    native.add("keep", |_, sim, (socket, kept): (AnyUserData, bool)| {
        let socket = socket.borrow::<TcpHandle>()?;
        let mut world = sim.world()?;
        world.keep(socket.node, socket.id, kept);
        let is_open = match world.view(socket.node, socket.id) {
            Some(SocketView::Tcp(_, _, conn)) => conn.state() == State::Established,
            _ => false,
        };
        Ok(is_open)
    })?;
    // For how many seconds nothing has come.
    native.add("silent_for", |_, sim, socket: AnyUserData| {
        Ok(silent_for(&sim.world.borrow(), &*socket.borrow::<TcpHandle>()?).as_secs_f64())
    })?;
    native.add("http_head", |lua, _, (AnyText(start), fields): (AnyText, Table)| {
        let text = head(&start, &fields)?;
        lua.create_string(text)
    })?;
    native.add("url", |lua, _, AnyText(text): AnyText| {
        let url = match Url::parse(&text) {
            Ok(url) => url,
            Err(why) => return (Value::Nil, why).into_lua_multi(lua),
        };
        (url.scheme, url.host, url.port, url.target).into_lua_multi(lua)
    })?;
    native.add("http_date", |_, _, seconds: f64| Ok(date_text(libm::floor(seconds) as i64)))?;
    native.add("parse_date", |_, _, AnyText(text): AnyText| Ok(parse_date(&text)))?;
    native.add("decode", |lua, _, AnyText(text): AnyText| lua.create_string(decode_percent(&text, false)))?;
    native.add("encode", |_, _, text: LuaString| Ok(encode_percent(&text.as_bytes())))?;
    native.add("size", |_, _, AnyText(text): AnyText| {
        Ok(tidewire_units::parse_size(&text).ok().map(|size| size.0))
    })?;
    native.add("spawn", |lua, sim, args: MultiValue| {
        let mut args = args;
        let node = args.pop_front().as_ref().and_then(crate::classes::node_of);
        let name = args.pop_front().and_then(|name| name.to_string().ok()).unwrap_or_default();
        let body = args.pop_front().and_then(|body| body.as_function().cloned());
        let body: Function = body.ok_or_else(|| Mistake::new("a function is needed"))?;
        let record = crate::sched::spawn(lua, sim, body, args, node, &name, here(lua))?;
        lua.create_userdata(crate::classes::Process(record))
    })?;
    native.add(
        "mistake",
        |lua, _, (AnyText(text), word, note): (AnyText, Option<AnyText>, Option<AnyText>)| {
            let mut mistake = Mistake::new(text);
            if let Some(AnyText(word)) = word {
                mistake = mistake.at_word(word);
            }
            if let Some(AnyText(note)) = note {
                mistake = mistake.note(note);
            }
            Err::<(), _>(crate::call::placed(lua, mistake).into())
        },
    )?;
    // About what a function of the script gave back: it has ended, so its first line is the place.
    native.add("mistake_of", |_, _, (function, AnyText(text), note): (Function, AnyText, String)| {
        Err::<(), _>(Mistake::new(text).note(note).of_function(&function).into())
    })?;
    native.add("checker", |lua, sim, (class, method): (String, String)| {
        crate::services::checker(lua, sim, &class, &method)
    })?;
    native.add("is_node", |_, _, value: Value| Ok(crate::classes::node_of(&value).is_some()))?;
    // A name that no host of the network has: one to be asked name servers for.
    native.add("is_name", |_, sim, AnyText(text): AnyText| {
        Ok(matches!(crate::values::parse_peer(sim, &text), crate::values::Peer::Unknown(_)))
    })?;
    // The port that `address(host, port)` or "host:80" says.
    native.add("port_in", |_, sim, value: Value| {
        use crate::values::Peer;
        Ok(crate::values::peer(sim, &value).and_then(|peer| match peer {
            Peer::Address(_, port) | Peer::Address6(_, port) => port,
            Peer::Node(_) | Peer::Unknown(_) => None,
        }))
    })?;
    native.add("ends", |_, sim, ()| Ok(sim.experiment.borrow().duration.is_some()))?;
    native.add("warmup", |_, sim, ()| Ok(sim.world.borrow().warmup().as_secs_f64()))
}

/// For how long the other side has neither sent anything nor taken anything of what it is sent.
fn silent_for(world: &World, socket: &TcpHandle) -> Span {
    let Some(SocketView::Tcp(_, _, conn)) = world.view(socket.node, socket.id) else { return Span::MAX };
    let info = conn.info(world.now());
    // Answers to probes of a closed window or of an idle connection say nothing.
    let takes = info.snd_wnd > 0 && conn.config().keepalive.is_none();
    if takes { info.last_data_recv.min(info.last_ack_recv) } else { info.last_data_recv }
}

pub(super) fn deadline(sim: &Sim, timeout: Option<f64>) -> Instant {
    timeout.map_or(Instant::MAX, |seconds| sim.now() + Span::from_secs_f64(seconds.max(0.0)))
}

/// What a Lua value is on the wire: a text, or so many zero bytes.
fn payloads(value: &Value) -> Vec<Payload> {
    match value {
        Value::String(text) if !text.as_bytes().is_empty() => vec![Payload::from(text.as_bytes().to_vec())],
        Value::Integer(n) => {
            let mut left = u64::try_from(*n).unwrap_or(0);
            let mut parts = Vec::new();
            while left > 0 {
                let part = left.min(1 << 30);
                parts.push(Payload::Zeros(part as u32));
                left -= part;
            }
            parts
        }
        _ => Vec::new(),
    }
}

/// The text of a head, fields in the order of their names; a field with a list has a line for each.
fn head(start: &str, fields: &Table) -> mlua::Result<Vec<u8>> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for pair in fields.pairs::<Value, Value>() {
        let (name, value) = pair?;
        let name = crate::values::text(&name).unwrap_or_default();
        let values = match &value {
            Value::Table(list) => list.sequence_values::<Value>().collect::<mlua::Result<Vec<_>>>()?,
            _ => vec![value],
        };
        for value in values {
            let bytes = match &value {
                Value::String(text) => text.as_bytes().to_vec(),
                Value::Boolean(false) => continue,
                other => crate::values::text(other)
                    .ok_or_else(|| {
                        let got = crate::call::type_name(other);
                        Mistake::new(format!("the header '{name}' must be a text, got a {got}"))
                            .at_word(&name)
                    })?
                    .into_bytes(),
            };
            all.push((name.clone(), bytes));
        }
    }
    all.sort_by(|a, b| rank(&a.0).cmp(&rank(&b.0)).then_with(|| a.0.cmp(&b.0)));
    let fields: Vec<(&str, &[u8])> = all.iter().map(|(name, value)| (&**name, &**value)).collect();
    Ok(head_text(start, &fields).map_err(|bad| Mistake::new(bad.0).at_word("headers"))?)
}

/// `Host` comes first (RFC 9110, section 7.2).
fn rank(name: &str) -> u8 {
    u8::from(!name.eq_ignore_ascii_case("host"))
}

/// Names of fields are found whatever their case.
pub(super) fn header_meta(lua: &Lua) -> mlua::Result<Table> {
    lua.load(
        "local lower = string.lower
         return { __index = function(t, k) if type(k) == 'string' then return rawget(t, lower(k)) end end }",
    )
    .set_name("=tidewire")
    .eval()
}

/// Socket, role, time for all of it, bytes that are kept, most bytes, whether the caller takes the body, time without a byte.
type ReadArgs = (AnyUserData, u8, Option<f64>, u64, Option<u64>, Option<bool>, Option<f64>);

/// Reads one message.
struct Read {
    socket: AnyUserData,
    reader: Reader,
    head: Option<Box<Head>>,
    body: BytesMut,
    /// Bodies longer than this are counted, and not kept.
    keep: u64,
    size: u64,
    first: Option<Instant>,
    deadline: Instant,
    /// How long nothing may come; without, the deadline is for all of it.
    patience: Option<Span>,
    /// The caller takes the body itself, where its length is known.
    streams: bool,
    /// The client sends its body when it is told to.
    waits_for_us: bool,
    meta: Table,
}

impl Read {
    fn data(&mut self, data: &[u8]) {
        self.size += data.len() as u64;
        if self.size <= self.keep {
            self.body.extend_from_slice(data);
        } else {
            self.body.clear();
        }
    }

    /// Goes on with what is buffered; the message, or why there is none.
    fn parse(&mut self, lua: &Lua, sim: &Sim, socket: &TcpHandle) -> mlua::Result<Option<MultiValue>> {
        loop {
            let progress = self.reader.read(&mut socket.buffer.borrow_mut());
            match progress {
                Ok(Progress::More) => return Ok(None),
                Ok(Progress::Head(head)) => {
                    self.waits_for_us = matches!(head.start, Start::Request { .. })
                        && head.minor > 0
                        && head.headers.iter().any(|(name, value)| {
                            name.eq_ignore_ascii_case("expect") && value.eq_ignore_ascii_case(b"100-continue")
                        });
                    self.head = Some(head);
                    if let (true, Some(rest)) = (self.streams, self.reader.rest()) {
                        let mut message = self.message(lua, sim)?;
                        if let Some(Value::Table(table)) = message.front_mut() {
                            table.raw_set("rest", rest)?;
                            table.raw_set("size", rest)?;
                        }
                        return Ok(Some(message));
                    }
                }
                Ok(Progress::Data(data)) => self.data(&data),
                Ok(Progress::Done(_)) => return self.message(lua, sim).map(Some),
                Err(why) => return broken(lua, &why).map(Some),
            }
        }
    }

    fn message(&mut self, lua: &Lua, sim: &Sim) -> mlua::Result<MultiValue> {
        let head = self.head.take().expect("a message has a head");
        let table = lua.create_table()?;
        match &head.start {
            Start::Request { method, target } => {
                table.raw_set("method", &**method)?;
                table.raw_set("target", &**target)?;
                let (path, query) = target.split_once('?').unwrap_or((target, ""));
                table.raw_set("path", lua.create_string(decode_percent(path, false))?)?;
                let pairs = lua.create_table()?;
                for (name, value) in parse_query(query) {
                    pairs.raw_set(lua.create_string(name)?, lua.create_string(value)?)?;
                }
                table.raw_set("query", pairs)?;
            }
            Start::Response { status, reason } => {
                table.raw_set("status", *status)?;
                table.raw_set("reason", &**reason)?;
            }
        }
        table.raw_set("version", if head.minor == 0 { "1.0" } else { "1.1" })?;
        table.raw_set("keeps_open", head.keeps_open())?;
        table.raw_set("headers", fields(lua, &head.headers, &self.meta)?)?;
        table.raw_set("size", self.size)?;
        table.raw_set("head_size", head.size)?;
        if self.size <= self.keep {
            table.raw_set("body", lua.create_string(&self.body)?)?;
        }
        table.raw_set("first_at", self.first.unwrap_or(sim.now()).as_secs_f64())?;
        table.into_lua_multi(lua)
    }
}

/// Header fields by their names in small letters; `set-cookie` is a list, other fields that are there twice are joined.
pub(super) fn fields(lua: &Lua, all: &[(String, Vec<u8>)], meta: &Table) -> mlua::Result<Table> {
    let fields = lua.create_table()?;
    for (name, value) in all {
        let name = name.to_ascii_lowercase();
        let value = lua.create_string(value)?;
        if name == "set-cookie" {
            match fields.raw_get::<Option<Table>>(&*name)? {
                Some(list) => list.raw_push(value)?,
                None => fields.raw_set(name, lua.create_sequence_from([value])?)?,
            }
            continue;
        }
        match fields.raw_get::<Option<LuaString>>(&*name)? {
            Some(before) => {
                let joined = [&*before.as_bytes(), b", ", &*value.as_bytes()].concat();
                fields.raw_set(name, lua.create_string(joined)?)?;
            }
            None => fields.raw_set(name, value)?,
        }
    }
    fields.set_metatable(Some(meta.clone()))?;
    Ok(fields)
}

/// `nil`, a word for the kind of fault, and a sentence.
fn broken(lua: &Lua, why: &MessageError) -> mlua::Result<MultiValue> {
    let kind = match why {
        MessageError::HeadTooLong => "head too long",
        MessageError::BodyTooLong => "body too long",
        MessageError::Truncated => "closed",
        _ => "bad message",
    };
    (Value::Nil, kind, why.to_string().into_lua(lua)?).into_lua_multi(lua)
}

impl Op for Read {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let handle = self.socket.clone();
        let socket = handle.borrow::<TcpHandle>()?;
        if !socket.buffer.borrow().is_empty() {
            self.first.get_or_insert(sim.now());
            if let Some(values) = self.parse(lua, sim, &socket)? {
                return Ok(Some(values));
            }
        }
        if socket.closed.get() {
            return refused(lua, Refusal::Closed).map(Some);
        }
        loop {
            let wanted = self.reader.wants_data();
            let most = wanted.unwrap_or(64 << 10).min(1 << 30) as usize;
            let taken = { socket.take(&mut *sim.world()?, most) };
            match taken {
                Ok(Some(payload)) => {
                    self.first.get_or_insert(sim.now());
                    if let Some(patience) = self.patience {
                        self.deadline = sim.now() + patience;
                    }
                    match (&payload, wanted) {
                        (Payload::Zeros(n), Some(_)) if self.size + u64::from(*n) > self.keep => {
                            self.size += u64::from(*n);
                            self.body.clear();
                            if let Err(why) = self.reader.skip(u64::from(*n)) {
                                return broken(lua, &why).map(Some);
                            }
                        }
                        _ => socket.buffer.borrow_mut().extend_from_slice(&payload.to_bytes()),
                    }
                    if let Some(values) = self.parse(lua, sim, &socket)? {
                        return Ok(Some(values));
                    }
                }
                Ok(None) => {
                    let mut world = sim.world()?;
                    // Nothing of the body has come (RFC 9110, section 10.1.1).
                    if std::mem::take(&mut self.waits_for_us) {
                        let text = Payload::from(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec());
                        let mut tls = socket.tls.borrow_mut();
                        let parts =
                            tls.as_mut().map_or_else(|| vec![text.clone()], |session| session.seal(&text));
                        for part in parts {
                            let _ = world.send(socket.node, socket.id, part);
                        }
                    }
                    // What was written may still be on its way out.
                    if let (Some(patience), true) = (self.patience, world.now() >= self.deadline) {
                        let left = patience.saturating_sub(silent_for(&world, &socket));
                        self.deadline = world.now() + left;
                    }
                    if world.now() >= self.deadline {
                        let begun = self.first.is_some();
                        return (Value::Nil, "timeout", begun).into_lua_multi(lua).map(Some);
                    }
                    if !world.wait(me, self.deadline, &[(socket.node, socket.id, Interest::Readable)]) {
                        return Ok(None);
                    }
                }
                Err(Refusal::Closed) => {
                    return match self.reader.end() {
                        Ok(_) => self.message(lua, sim).map(Some),
                        Err(_) if self.first.is_none() => refused(lua, Refusal::Closed).map(Some),
                        Err(why) => broken(lua, &why).map(Some),
                    };
                }
                Err(why) => return refused(lua, why).map(Some),
            }
        }
    }

    fn describe(&self, sim: &Sim) -> (String, String) {
        let details = self.socket.borrow::<TcpHandle>().ok().map(|socket| {
            let world = sim.world.borrow();
            match world.view(socket.node, socket.id) {
                Some(SocketView::Tcp(_, remote, _)) => {
                    format!("for an HTTP message from {remote}")
                }
                _ => "for an HTTP message".to_owned(),
            }
        });
        ("recv()".to_owned(), details.unwrap_or_default())
    }
}
