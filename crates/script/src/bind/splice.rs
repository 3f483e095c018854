//! Bytes from one connection to another, without a look at them.

use super::Natives;
use super::stream::Outgoing;
use super::tcp::{TcpHandle, refused};
use crate::sched::{Op, block_on};
use crate::sim::{Shared, Sim};
use mlua::{AnyUserData, IntoLua, IntoLuaMulti, Lua, MultiValue, Value};
use std::collections::VecDeque;
use tidewire_units::{Instant, Interest, Refusal, Span};
use tidewire_wire::Payload;
use tidewire_world::ProcessId;

/// Most bytes that are taken at a time: what is taken and not yet sent is kept here.
const PIECE: u64 = 64 << 10;

/// `splice(from, to, bytes, timeout)`: bytes nil means until the end; the timeout is for each wait. How many went over, or nil,
/// why, and how many.
pub(super) fn natives(native: &Natives<'_>) -> mlua::Result<()> {
    native.wait("splice", |lua, sim, args: (AnyUserData, AnyUserData, Option<u64>, Option<f64>)| {
        let (from, to, bytes, timeout) = args;
        let patience = timeout.map(Span::from_secs_f64);
        let op = Splice {
            from,
            to,
            left: bytes.unwrap_or(u64::MAX),
            pending: Outgoing::Parts(VecDeque::new()),
            moved: 0,
            patience,
            until: patience.map_or(Instant::MAX, |patience| sim.now() + patience),
        };
        block_on(lua, sim, Box::new(op))
    })
}

struct Splice {
    from: AnyUserData,
    to: AnyUserData,
    left: u64,
    /// Taken, and not yet in the other connection.
    pending: Outgoing,
    moved: u64,
    patience: Option<Span>,
    until: Instant,
}

enum Next {
    Done,
    Failed(Refusal),
    /// It waits for this end.
    Wait(bool),
}

impl Splice {
    fn go_on(&mut self, sim: &Shared) -> mlua::Result<Next> {
        let (from, to) = (self.from.borrow::<TcpHandle>()?, self.to.borrow::<TcpHandle>()?);
        let mut world = sim.world()?;
        loop {
            while self.pending.len() > 0 {
                match world.send(to.node, to.id, self.pending.payload()) {
                    Ok(0) => return Ok(Next::Wait(true)),
                    Ok(n) => {
                        self.pending.advance(n);
                        self.until = self.patience.map_or(Instant::MAX, |patience| world.now() + patience);
                    }
                    Err(why) => return Ok(Next::Failed(why)),
                }
            }
            if self.left == 0 {
                return Ok(Next::Done);
            }
            let most = self.left.min(PIECE) as usize;
            let mut buffer = from.buffer.borrow_mut();
            let payload = if buffer.is_empty() {
                drop(buffer);
                match from.take(&mut world, most) {
                    Ok(Some(payload)) => payload,
                    Ok(None) => return Ok(Next::Wait(false)),
                    Err(Refusal::Closed) if self.left > u64::MAX / 2 => return Ok(Next::Done),
                    Err(why) => return Ok(Next::Failed(why)),
                }
            } else {
                let n = buffer.len().min(most);
                Payload::Data(buffer.split_to(n).freeze())
            };
            self.left -= payload.len() as u64;
            self.moved += payload.len() as u64;
            self.pending = Outgoing::Parts(VecDeque::from([payload]));
            if let Some(session) = to.tls.borrow_mut().as_mut() {
                self.pending = self.pending.sealed(session);
            }
        }
    }
}

impl Op for Splice {
    fn poll(&mut self, lua: &Lua, sim: &Shared, me: ProcessId) -> mlua::Result<Option<MultiValue>> {
        loop {
            let writes = match self.go_on(sim)? {
                Next::Done => return self.moved.into_lua_multi(lua).map(Some),
                Next::Failed(why) => {
                    let mut values = refused(lua, why)?;
                    values.push_back(self.moved.into_lua(lua)?);
                    return Ok(Some(values));
                }
                Next::Wait(writes) => writes,
            };
            let mut world = sim.world()?;
            if world.now() >= self.until {
                return (Value::Nil, "timeout", self.moved).into_lua_multi(lua).map(Some);
            }
            let (handle, interest) =
                if writes { (&self.to, Interest::Writable(1)) } else { (&self.from, Interest::Readable) };
            let socket = handle.borrow::<TcpHandle>()?;
            if !world.wait(me, self.until, &[(socket.node, socket.id, interest)]) {
                return Ok(None);
            }
        }
    }

    fn is_stuck(&self) -> bool {
        self.pending.len() > 0
    }

    fn describe(&self, _: &Sim) -> (String, String) {
        ("splice()".to_owned(), format!("{} B went over", self.moved))
    }
}
