//! Reading and writing TCP connections.

use super::tcp::{TcpHandle, refused, this};
use crate::call::{Call, placed};
use crate::classes::Registry;
use crate::mistake::Mistake;
use crate::sched::{Op, block_on};
use crate::sim::{Shared, Sim};
use crate::spec::socket as spec;
use crate::values::{Val, whole};
use bytes::{Buf, Bytes};
use mlua::{AnyUserData, IntoLuaMulti, Lua, MultiValue, Value};
use std::collections::VecDeque;
use tidewire_l7_application::tls::Session;
use tidewire_node::SocketView;
use tidewire_units::{Instant, Interest, Refusal, Span};
use tidewire_wire::Payload;
use tidewire_world::ProcessId;

/// What `recv` takes at most without a number.
const DEFAULT_MAX: usize = 64 << 10;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::SEND, |lua, sim, mut call| {
        let Some(Val::Data(data)) = call.take(0) else { unreachable!("the table of functions says data") };
        send(lua, sim, &call, Outgoing::Data(data))
    })?;
    registry.add(&spec::SEND_BYTES, |lua, sim, call| {
        let size = size(&call).unwrap_or(0);
        send(lua, sim, &call, Outgoing::Zeros(size))
    })?;
    registry.add(&spec::RECV, |lua, sim, call| {
        let max = size(&call).map_or(DEFAULT_MAX, |max| max as usize);
        if max == 0 {
            return Err(Mistake::new("recv(0) would never return anything").at_word("recv").into());
        }
        receive(lua, sim, &call, Want::Some(max), false)
    })?;
    registry.add(&spec::RECV_EXACT, |lua, sim, call| {
        let n = size(&call).unwrap_or(0) as usize;
        receive(lua, sim, &call, Want::Exact(n), false)
    })?;
    registry
        .add(&spec::RECV_LINE, |lua, sim, call| receive(lua, sim, &call, Want::Line(usize::MAX), false))?;
    registry.add(&spec::RECV_UNTIL, |lua, sim, mut call| {
        let Some(Val::Data(separator)) = call.take(0) else {
            unreachable!("the table of functions says data")
        };
        if separator.is_empty() {
            return Err(Mistake::new("recv_until needs a separator that is not empty")
                .at_word("recv_until")
                .into());
        }
        receive(lua, sim, &call, Want::Until(separator), false)
    })?;
    registry.add(&spec::RECV_ALL, |lua, sim, call| receive(lua, sim, &call, Want::All, false))?;
    registry.add(&spec::DISCARD, |lua, sim, call| {
        let want = Want::Discard { limit: size(&call).unwrap_or(u64::MAX), done: 0 };
        receive(lua, sim, &call, want, false)
    })?;
    registry.add(&spec::RECEIVE, |lua, sim, call| {
        let want = match call.arg(0) {
            None => Want::Line(usize::MAX),
            Some(Val::Any(value)) => {
                match (whole(value), value.as_string().map(|text| text.to_string_lossy())) {
                    (Some(n), _) if n >= 0 => Want::Exact(n as usize),
                    (_, Some(text)) if text.trim_start_matches('*') == "l" => Want::Line(usize::MAX),
                    (_, Some(text)) if text.trim_start_matches('*') == "a" => Want::All,
                    _ => return Err(placed(lua, pattern()).into()),
                }
            }
            _ => return Err(placed(lua, pattern()).into()),
        };
        receive(lua, sim, &call, want, true)
    })
}

fn pattern() -> Mistake {
    Mistake::new("receive() takes \"*l\" (a line), \"*a\" (everything) or a number of bytes")
        .at_word("receive")
}

fn size(call: &Call) -> Option<u64> {
    match call.arg(0)? {
        Val::Size(size) => Some(size.0),
        _ => None,
    }
}

fn send(lua: &Lua, sim: &Shared, call: &Call, rest: Outgoing) -> mlua::Result<MultiValue> {
    let deadline = call.deadline(sim.world.borrow().now(), this(call)?.timeout.get());
    let socket = call.this.clone().expect("methods have a receiver");
    let more = call.opts().flag("more") == Some(true);
    block_on(
        lua,
        sim,
        Box::new(Send { socket, rest, sent: 0, more, sealed: false, said: None, deadline, patience: None }),
    )
}

fn receive(lua: &Lua, sim: &Shared, call: &Call, want: Want, partial: bool) -> mlua::Result<MultiValue> {
    let deadline = call.deadline(sim.world.borrow().now(), this(call)?.timeout.get());
    let socket = call.this.clone().expect("methods have a receiver");
    block_on(lua, sim, Box::new(Receive { socket, want, searched: 0, deadline, partial }))
}

/// Receives for a module.
pub(super) fn receive_for(
    lua: &Lua,
    sim: &Shared,
    socket: AnyUserData,
    want: Want,
    deadline: Instant,
) -> mlua::Result<MultiValue> {
    block_on(lua, sim, Box::new(Receive { socket, want, searched: 0, deadline, partial: false }))
}

/// Sends several pieces as one, so that they share segments.
pub(super) fn send_parts(
    lua: &Lua,
    sim: &Shared,
    socket: AnyUserData,
    parts: VecDeque<Payload>,
    deadline: Instant,
) -> mlua::Result<MultiValue> {
    block_on(lua, sim, Box::new(Send::parts(socket, parts, deadline)))
}

/// The same, for as long as the other side takes something within `patience`.
pub(super) fn send_while_taken(
    lua: &Lua,
    sim: &Shared,
    socket: AnyUserData,
    parts: VecDeque<Payload>,
    patience: Option<Span>,
) -> mlua::Result<MultiValue> {
    let deadline = patience.map_or(Instant::MAX, |patience| sim.now() + patience);
    block_on(lua, sim, Box::new(Send { patience, ..Send::parts(socket, parts, deadline) }))
}

/// What is to be sent.
pub(super) enum Outgoing {
    Data(Bytes),
    Zeros(u64),
    Parts(VecDeque<Payload>),
}

impl Outgoing {
    pub(super) fn len(&self) -> u64 {
        match self {
            Outgoing::Data(data) => data.len() as u64,
            Outgoing::Zeros(n) => *n,
            Outgoing::Parts(parts) => parts.iter().map(|part| part.len() as u64).sum(),
        }
    }

    pub(super) fn payload(&self) -> Payload {
        match self {
            Outgoing::Data(data) => Payload::Data(data.clone()),
            Outgoing::Zeros(n) => Payload::Zeros((*n).min(1 << 30) as u32),
            Outgoing::Parts(parts) => parts.front().cloned().unwrap_or(Payload::EMPTY),
        }
    }

    /// The same as records.
    pub(super) fn sealed(&self, session: &mut Session) -> Outgoing {
        let mut parts = VecDeque::new();
        let all = match self {
            Outgoing::Parts(parts) => parts.iter().cloned().collect(),
            Outgoing::Zeros(n) => {
                let whole = (*n >> 30) as usize;
                let mut all = vec![Payload::Zeros(1 << 30); whole];
                all.push(Payload::Zeros((*n & ((1 << 30) - 1)) as u32));
                all
            }
            Outgoing::Data(data) => vec![Payload::Data(data.clone())],
        };
        all.iter().for_each(|payload| parts.extend(session.seal(payload)));
        Outgoing::Parts(parts)
    }

    /// Whether more follows what [`Outgoing::payload`] gives.
    fn goes_on(&self) -> bool {
        matches!(self, Outgoing::Parts(parts) if parts.len() > 1)
    }

    pub(super) fn advance(&mut self, n: usize) {
        match self {
            Outgoing::Data(data) => data.advance(n),
            Outgoing::Zeros(rest) => *rest -= n as u64,
            Outgoing::Parts(parts) => {
                let Some(first) = parts.front_mut() else { return };
                if n < first.len() {
                    *first = first.slice(n..first.len());
                } else {
                    parts.pop_front();
                }
            }
        }
    }
}

struct Send {
    socket: AnyUserData,
    rest: Outgoing,
    sent: u64,
    more: bool,
    /// The bytes went through the socket's TLS session, if it has one.
    sealed: bool,
    /// How many bytes were given, where more are sent.
    said: Option<u64>,
    deadline: Instant,
    /// The deadline moves with everything that is taken.
    patience: Option<Span>,
}

impl Send {
    fn parts(socket: AnyUserData, parts: VecDeque<Payload>, deadline: Instant) -> Send {
        let rest = Outgoing::Parts(parts);
        Send { socket, rest, sent: 0, more: false, sealed: false, said: None, deadline, patience: None }
    }
}

impl Op for Send {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let socket = self.socket.borrow::<TcpHandle>()?;
        let mut world = sim.world()?;
        if socket.closed.get() {
            return refused(lua, Refusal::Closed).map(Some);
        }
        if matches!(
            world.view(socket.node, socket.id),
            Some(SocketView::Unbound(_) | SocketView::Listener(..))
        ) {
            return Err(Mistake::new(
                "send() needs a connection: call connect() first, or use what accept() gave",
            )
            .at_word("send")
            .into());
        }
        if let (Some(session), false) = (socket.tls.borrow_mut().as_mut(), self.sealed) {
            self.said = Some(self.rest.len());
            self.rest = self.rest.sealed(session);
            self.sealed = true;
        }
        loop {
            if self.rest.len() == 0 {
                return self.said.unwrap_or(self.sent).into_lua_multi(lua).map(Some);
            }
            let payload = self.rest.payload();
            let taken = match self.more || self.rest.goes_on() {
                true => world.send_more(socket.node, socket.id, payload),
                false => world.send(socket.node, socket.id, payload),
            };
            match taken {
                Err(why) => return refused(lua, why).map(Some),
                Ok(n) if n > 0 => {
                    self.rest.advance(n);
                    self.sent += n as u64;
                    if let Some(patience) = self.patience {
                        self.deadline = world.now() + patience;
                    }
                    continue;
                }
                Ok(_) => {}
            }
            if world.now() >= self.deadline {
                return (Value::Nil, "timeout", self.sent).into_lua_multi(lua).map(Some);
            }
            if !world.wait(me, self.deadline, &[(socket.node, socket.id, Interest::Writable(1))]) {
                return Ok(None);
            }
        }
    }

    fn is_stuck(&self) -> bool {
        true
    }

    fn describe(&self, sim: &Sim) -> (String, String) {
        let to = self.socket.borrow::<TcpHandle>().ok().and_then(|socket| {
            match sim.world.borrow().view(socket.node, socket.id) {
                Some(SocketView::Tcp(_, remote, _)) => Some(format!(", {remote} does not read")),
                _ => None,
            }
        });
        let left = self.rest.len();
        let details = format!("{left} B do not fit into the send buffer{}", to.unwrap_or_default());
        ("send()".to_owned(), details)
    }
}

pub(super) enum Want {
    Some(usize),
    /// The same, but only how many there were.
    Skip(usize),
    Exact(usize),
    /// A line of at most so many bytes.
    Line(usize),
    Until(Bytes),
    All,
    Discard {
        limit: u64,
        done: u64,
    },
}

struct Receive {
    socket: AnyUserData,
    want: Want,
    /// How much of the buffer is known not to hold the separator.
    searched: usize,
    deadline: Instant,
    /// What there is comes as a third value where what was asked for does not, as in LuaSocket.
    partial: bool,
}

impl Receive {
    /// The result, if the buffer holds it.
    fn buffered(&mut self, lua: &Lua, socket: &TcpHandle, ended: bool) -> mlua::Result<Option<MultiValue>> {
        let mut buffer = socket.buffer.borrow_mut();
        let text = |data: &[u8]| lua.create_string(data)?.into_lua_multi(lua).map(Some);
        let closed = || (Value::Nil, "closed").into_lua_multi(lua).map(Some);
        match &mut self.want {
            Want::Some(max) if !buffer.is_empty() => {
                let n = buffer.len().min(*max);
                text(&buffer.split_to(n))
            }
            Want::Exact(n) if buffer.len() >= *n => text(&buffer.split_to(*n)),
            Want::Skip(max) if !buffer.is_empty() => {
                let n = buffer.len().min(*max);
                buffer.advance(n);
                n.into_lua_multi(lua).map(Some)
            }
            Want::Line(most) => {
                let end = find(&buffer, b"\n", self.searched);
                if end.unwrap_or(buffer.len()) > most.saturating_add(1) {
                    return (Value::Nil, "line too long").into_lua_multi(lua).map(Some);
                }
                if let Some(at) = end {
                    let line = buffer.split_to(at + 1);
                    let line = &line[..at];
                    return text(line.strip_suffix(b"\r").unwrap_or(line));
                }
                self.searched = buffer.len();
                match ended {
                    true if buffer.is_empty() || self.partial => closed(),
                    true => text(&buffer.split()),
                    false => Ok(None),
                }
            }
            Want::Until(separator) => {
                if let Some(at) = find(&buffer, separator, self.searched) {
                    let part = buffer.split_to(at + separator.len());
                    return text(&part[..at]);
                }
                self.searched = (buffer.len() + 1).saturating_sub(separator.len());
                if ended { closed() } else { Ok(None) }
            }
            Want::All if ended => text(&buffer.split()),
            Want::Discard { limit, done } => {
                let n = (buffer.len() as u64).min(*limit - *done);
                buffer.advance(n as usize);
                *done += n;
                match ended || done == limit {
                    true if *done == 0 && *limit != u64::MAX && ended => closed(),
                    true => done.into_lua_multi(lua).map(Some),
                    false => Ok(None),
                }
            }
            _ if ended => closed(),
            _ => Ok(None),
        }
    }

    fn try_now(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let handle = self.socket.clone();
        let socket = handle.borrow::<TcpHandle>()?;
        if let Some(values) = self.buffered(lua, &socket, false)? {
            return Ok(Some(values));
        }
        if socket.closed.get() {
            return refused(lua, Refusal::Closed).map(Some);
        }
        let mut world = sim.world()?;
        if matches!(
            world.view(socket.node, socket.id),
            Some(SocketView::Unbound(_) | SocketView::Listener(..))
        ) {
            return Err(Mistake::new(
                "recv() needs a connection: call connect() first, or use what accept() gave",
            )
            .into());
        }
        loop {
            let buffered = socket.buffer.borrow().len();
            match socket.take(&mut world, self.appetite(buffered)) {
                Ok(Some(payload)) => {
                    if let (Want::Discard { limit, done }, true) = (&mut self.want, buffered == 0) {
                        *done += payload.len() as u64;
                        if *done >= *limit {
                            return done.into_lua_multi(lua).map(Some);
                        }
                        continue;
                    }
                    if let (Want::Skip(_), true) = (&self.want, buffered == 0) {
                        return payload.len().into_lua_multi(lua).map(Some);
                    }
                    if let (Want::Some(_), true) = (&self.want, buffered == 0) {
                        let data = lua.create_string(&*payload.to_bytes())?;
                        return data.into_lua_multi(lua).map(Some);
                    }
                    socket.buffer.borrow_mut().extend_from_slice(&payload.to_bytes());
                    if let Some(values) = self.buffered(lua, &socket, false)? {
                        return Ok(Some(values));
                    }
                }
                Ok(None) => {
                    if world.now() >= self.deadline {
                        return (Value::Nil, "timeout").into_lua_multi(lua).map(Some);
                    }
                    if !world.wait(me, self.deadline, &[(socket.node, socket.id, Interest::Readable)]) {
                        return Ok(None);
                    }
                }
                Err(Refusal::Closed) => {
                    if let Some(values) = self.buffered(lua, &socket, true)? {
                        return Ok(Some(values));
                    }
                    return refused(lua, Refusal::Closed).map(Some);
                }
                Err(why) => return refused(lua, why).map(Some),
            }
        }
    }

    /// How much to ask the connection for.
    fn appetite(&self, buffered: usize) -> usize {
        match &self.want {
            Want::Some(max) | Want::Skip(max) => *max,
            Want::Exact(n) => n.saturating_sub(buffered).max(1),
            Want::Discard { limit, done } => (limit - done).min(1 << 30) as usize,
            _ => 1 << 20,
        }
    }
}

/// The first place of `needle` that does not lie wholly before `from`.
fn find(hay: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let from = from.min(hay.len());
    hay[from..].windows(needle.len()).position(|window| window == needle).map(|at| at + from)
}

impl Op for Receive {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        let mut values = self.try_now(lua, sim, me)?;
        if let (true, Some(values)) = (self.partial, &mut values)
            && values.front().is_some_and(Value::is_nil)
        {
            let there = self.socket.borrow::<TcpHandle>()?.buffer.borrow_mut().split();
            values.push_back(Value::String(lua.create_string(&*there)?));
        }
        Ok(values)
    }

    fn patience(&self, sim: &Sim) -> Option<Span> {
        let socket = self.socket.borrow::<TcpHandle>().ok()?;
        let world = sim.world.borrow();
        let Some(SocketView::Tcp(_, _, conn)) = world.view(socket.node, socket.id) else { return None };
        let keepalive = conn.config().keepalive?;
        Some(keepalive.idle + keepalive.interval * u64::from(keepalive.probes + 1))
    }

    fn describe(&self, sim: &Sim) -> (String, String) {
        let what = match &self.want {
            Want::Some(_) | Want::Skip(_) => "recv()",
            Want::Exact(_) => "recv_exact()",
            Want::Line(_) => "recv_line()",
            Want::Until(_) => "recv_until()",
            Want::All => "recv_all()",
            Want::Discard { .. } => "discard()",
        };
        let details = self.socket.borrow::<TcpHandle>().ok().map(|socket| {
            let world = sim.world.borrow();
            let queued = socket.buffer.borrow().len();
            match world.view(socket.node, socket.id) {
                Some(SocketView::Tcp(_, remote, _)) => format!("from {remote}, {queued} B queued"),
                _ => String::new(),
            }
        });
        (what.to_owned(), details.unwrap_or_default())
    }
}
